//! What a console shares through the hub of a fleet: which runs there were, and what was signed for a plan.

use plumb_fleet::PlanHash;
use plumb_runbook::{ApprovalRequest, Plan};
use plumb_store::runs::KeptRun;
use plumb_wire::hub::{DeploymentReport, DeploymentStatus};
use tracing::warn;

use crate::{
    app::{App, Loaded},
    error::{AppError, Code},
    ids,
    ports::hub::FleetHub,
    runbooks::ConsentRequest,
};

/// Runs that are compared with the log of the hub: those of a month, the newest ones.
const LAST_MINUTES: u32 = 30 * 24 * 60;
const RUNS_MAX: usize = 50;
/// Nodes that a report names; more are counted in its detail.
const NODES_MAX: usize = 1_000;

impl App {
    /// Tells the hub of every run that its log does not know as it is now. What a hub that was away did not hear is
    /// told with the next run.
    pub(crate) async fn tell_hub(&self, loaded: &Loaded) {
        let told = async {
            let Some(hub) = self.hub(loaded).await? else { return Ok(()) };
            self.tell(&hub, loaded).await
        };
        if let Err(error) = told.await {
            let error: AppError = error;
            warn!(error = %error.message, "the hub was not told of this run, and will be with the next one");
        }
    }

    async fn tell(&self, hub: &FleetHub, loaded: &Loaded) -> Result<(), AppError> {
        let mut runs = {
            let mut conn = self.record().read().await?;
            plumb_store::runs::list(&mut conn, &loaded.fleet.name, RUNS_MAX).await?
        };
        let age = jiff::SignedDuration::from_mins(i64::from(LAST_MINUTES));
        let since = self.now().checked_sub(age).unwrap_or(jiff::Timestamp::MIN);
        runs.retain(|run| run.started_at > since);
        let ids: Vec<String> = runs.iter().map(|run| run.id.to_string()).collect();
        let known = hub.deployments(&ids, LAST_MINUTES).await?;
        // The oldest first, as it happened.
        for run in runs.into_iter().rev() {
            let (id, status) = (run.id.to_string(), status(&run));
            let as_told = known.iter().find(|one| one.report.id == id);
            if as_told.is_none_or(|one| one.report.status != status) {
                let plan = self.kept_plan(run.id, run.plan).await?;
                hub.report(&report(&run, status, &plan)).await?;
            }
        }
        Ok(())
    }

    /// Puts what was signed for a plan into its mailbox at the hub, where the fleet has one. What does not get there
    /// is still in its file, and is said.
    pub(crate) async fn deliver(&self, fleet: &str, plan: PlanHash, document: &[u8]) {
        let delivered = async {
            let (_, loaded) = self.loaded(fleet)?;
            let Some(hub) = self.hub(&loaded).await? else { return Ok(()) };
            hub.deliver(plan, document.to_vec()).await?;
            Ok(())
        };
        let delivered: Result<(), AppError> = delivered.await;
        if let Err(error) = delivered {
            self.notice(format!(
                "what was signed for plan {} is not in the mailbox of the hub: {}; send the file instead",
                plan.short(),
                error.message
            ));
        }
    }

    /// Adds what lies in the mailbox of a plan at the hub. Gives how many answers were there, and why some do not
    /// count.
    pub async fn collect_approvals(
        &self,
        fleet: &str,
        plan_hash: &str,
    ) -> Result<(usize, Vec<String>), AppError> {
        let plan = ids::plan_hash(plan_hash)?;
        let (_, loaded) = self.loaded(fleet)?;
        let Some(hub) = self.hub(&loaded).await? else { return Err(no_hub(fleet)) };
        let mailbox = hub.mailbox(plan).await?;
        let (mut taken, mut refused) = (0, Vec::new());
        for mail in mailbox.files {
            let added = async {
                let letter = hub.letter(plan, &mail.id).await?;
                if ApprovalRequest::read(&letter).is_ok() {
                    return Ok(0);
                }
                self.add_approval(fleet, &letter).await.map(|_| 1)
            };
            // One that cannot be loaded or does not count keeps none of the others back.
            let added: Result<usize, AppError> = added.await;
            match added {
                Ok(one) => taken += one,
                Err(error) => {
                    refused.push(format!("{} from {}: {}", mail.id, mail.by, error.message));
                }
            }
        }
        Ok((taken, refused))
    }

    /// The request for a plan, as it lies in the mailbox of the hub; the newest, where it was asked for again.
    pub async fn request_at_hub(&self, fleet: &str, plan_hash: &str) -> Result<Vec<u8>, AppError> {
        let plan = ids::plan_hash(plan_hash)?;
        let (_, loaded) = self.loaded(fleet)?;
        let Some(hub) = self.hub(&loaded).await? else { return Err(no_hub(fleet)) };
        let mut files = hub.mailbox(plan).await?.files;
        files.sort_by_key(|file| std::cmp::Reverse(file.at));
        let mut unread = Vec::new();
        for file in files {
            match hub.letter(plan, &file.id).await {
                Ok(letter) if is_request_for(&letter, plan) => return Ok(letter),
                Ok(_) => {}
                Err(error) => {
                    unread.push(format!("{}: {}", file.id, AppError::from(error).message));
                }
            }
        }
        let not = if unread.is_empty() {
            String::new()
        } else {
            format!("; not read were {}", unread.join(", "))
        };
        let message = format!("the mailbox of plan {} holds no request{not}", plan.short());
        Err(AppError::new(Code::NotFound, message, "ask for the file of the request"))
    }

    /// The same before a plan is started; a hub that does not answer leaves what was added here.
    pub(crate) async fn collect_before_start(&self, loaded: &Loaded, plan: &Plan) {
        if loaded.fleet.hub.is_none() || plan.consent.is_none() {
            return;
        }
        let fleet = loaded.fleet.name.to_string();
        match self.collect_approvals(&fleet, &plan.hash().to_string()).await {
            Ok((_, refused)) => refused.iter().for_each(|one| warn!("not taken: {one}")),
            Err(error) => warn!(error = %error.message, "the mailbox of the hub was not looked at"),
        }
    }
}

/// Whether a letter asks for consent to exactly this plan: of nodes, or of a run of a runbook.
fn is_request_for(letter: &[u8], plan: PlanHash) -> bool {
    ApprovalRequest::read(letter).is_ok_and(|request| request.hash() == plan)
        || ConsentRequest::read(letter).is_some_and(|request| request.hash() == plan)
}

pub(crate) fn no_hub(fleet: &str) -> AppError {
    let message = format!("the fleet file of {fleet} names no hub");
    AppError::new(Code::Invalid, message, "add [hub] with its url to it: plumb help fleet-file")
}

fn status(run: &KeptRun) -> DeploymentStatus {
    match run.end.as_ref().map(|end| end.outcome.as_str()) {
        None => DeploymentStatus::Started,
        Some("succeeded") => DeploymentStatus::Succeeded,
        Some("aborted") => DeploymentStatus::Aborted,
        Some("rolled_back") => DeploymentStatus::RolledBack,
        Some("halted") => DeploymentStatus::Halted,
        Some(_) => DeploymentStatus::Failed,
    }
}

fn report(run: &KeptRun, status: DeploymentStatus, plan: &Plan) -> DeploymentReport {
    let mut versions = plan.targets().map(|target| target.after.version.as_ref());
    let first = versions.next().flatten();
    let version = first.filter(|_| versions.all(|version| version == first));
    let targets = plan.targets().count();
    let ended = run.end.as_ref().map_or("under way", |end| &end.outcome);
    let detail = format!("{} by {}: {targets} nodes, {ended}", plan.action.title(), run.operator);
    DeploymentReport {
        id: run.id.to_string(),
        fleet: String::new(),
        pack: String::new(),
        version: version.map(ToString::to_string).unwrap_or_default(),
        nodes: plan.targets().take(NODES_MAX).map(|target| target.node.to_string()).collect(),
        status,
        detail,
    }
}
