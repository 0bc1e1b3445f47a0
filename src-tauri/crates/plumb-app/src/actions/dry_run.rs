//! Dry runs: every node of a plan is asked, nothing is changed, and what was found is kept for those who approve.

use std::collections::{BTreeMap, BTreeSet};

use plumb_fleet::{Digest, NodeId, NodeObservation, PlanHash};
use plumb_runbook::{
    DryRun, DryRunNode, NodePlan, Plan, Precondition, Probe, Readiness, Running, VerifyAnswer,
    WayBack,
};
use plumb_store::{SqliteConnection, dry_runs::KeptDryRun};

use crate::{
    actions::prepare::is_probed,
    app::App,
    current::Current,
    error::{AppError, Code},
    ports::effects::observation,
    topics::Topic,
    views::{
        convert::ms,
        dry_run::{ContentChangeView, DryRunNodeView, DryRunView},
    },
};

/// Nodes named in a refusal; the rest is counted.
const NAMED_MAX: usize = 5;

impl App {
    /// Asks every node of a kept plan whether it accepts what it is to load and what it would go back to,
    /// whether it is ready, and whether it is as it was planned for. What is found is kept: approvals of the
    /// plan bind it, and those that bind something else no longer count.
    pub async fn dry_run(&self, plan_hash: &str) -> Result<DryRunView, AppError> {
        let plan = self.plan_by_hash(plan_hash).await?;
        let before = self.kept_dry_run(plan.hash()).await?;
        let report = Box::pin(self.dry_run_of(&plan)).await?;
        Ok(view(&plan, &report, before.as_ref(), ms(self.now())))
    }

    /// What the newest dry run of a plan found; nothing where there was none.
    pub async fn newest_dry_run(&self, plan_hash: &str) -> Result<Option<DryRunView>, AppError> {
        let plan = self.plan_by_hash(plan_hash).await?;
        let kept = {
            let mut conn = self.record().read().await?;
            plumb_store::dry_runs::newest(&mut conn, plan.hash(), self.now()).await?
        };
        let read = |kept: &KeptDryRun| Some(view(&plan, &read(kept)?, None, ms(kept.made_at)));
        Ok(kept.as_ref().and_then(read))
    }

    /// Refuses a plan about which a dry run finds something else than the last one, which people may have
    /// signed for.
    pub(crate) async fn found_again(&self, plan: &Plan) -> Result<(), AppError> {
        let Some(before) = self.kept_dry_run(plan.hash()).await? else { return Ok(()) };
        let now = self.dry_run_of(plan).await?;
        let changed = changes(&before, &now);
        if changed.is_empty() {
            return Ok(());
        }
        let named: Vec<&str> = changed.iter().take(NAMED_MAX).map(String::as_str).collect();
        let more = changed.len().saturating_sub(NAMED_MAX);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let message =
            format!("the dry run finds something else than was signed: {}{more}", named.join("; "));
        let hint = "look at the dry run, then ask for approval of what it found";
        Err(AppError::new(Code::Outdated, message, hint))
    }

    /// Asks every node of a plan and keeps what was found, where it is not what was found last.
    pub(crate) async fn dry_run_of(&self, plan: &Plan) -> Result<DryRun, AppError> {
        let report = self.ask_everybody(plan).await?;
        let document =
            String::from_utf8(report.canonical_bytes()).expect("canonical JSON is UTF-8");
        let kept = KeptDryRun { made_at: self.now(), digest: report.digest(), document };
        let mut record = self.record().write().await?;
        let last = plumb_store::dry_runs::newest(&mut record, plan.hash(), kept.made_at).await?;
        if last.is_none_or(|last| last.digest != kept.digest) {
            plumb_store::dry_runs::add(&mut record, plan.hash(), &kept).await?;
            record.commit().await?;
            self.announce([Topic::fleet(&plan.fleet)]);
        }
        Ok(report)
    }

    async fn ask_everybody(&self, plan: &Plan) -> Result<DryRun, AppError> {
        let (state, loaded) = self.loaded(plan.fleet.as_str())?;
        let nodes: Vec<NodeId> = plan.targets().map(|target| target.node.clone()).collect();
        let to_load = plan.targets().map(|target| (target, target.effects.as_slice()));
        let to_go_back = plan.targets().map(|target| (target, target.back.as_slice()));
        let (probes, back, seen) = tokio::join!(
            self.probe(&loaded, to_load),
            self.probe(&loaded, to_go_back),
            self.observe_of(&state, &loaded, &nodes),
        );
        let (current, looked) = seen?;
        loaded.asked_to_the_end()?;
        let mut report = DryRun::of(plan);
        for target in plan.targets() {
            let answers =
                Answers { probes: &probes, back: &back, current: &current, looked: &looked };
            report.nodes.insert(target.node.clone(), answers.of(target));
        }
        report.decisions = Box::pin(self.decisions_of(plan, &current.desired.catalogue)).await;
        Ok(report)
    }

    async fn kept_dry_run(&self, plan: PlanHash) -> Result<Option<DryRun>, AppError> {
        let mut conn = self.record().read().await?;
        let kept = plumb_store::dry_runs::newest(&mut conn, plan, self.now()).await?;
        Ok(kept.as_ref().and_then(read))
    }
}

/// What the nodes of a plan answered.
struct Answers<'a> {
    probes: &'a BTreeMap<NodeId, Probe>,
    back: &'a BTreeMap<NodeId, Probe>,
    current: &'a Current,
    looked: &'a BTreeSet<NodeId>,
}

impl Answers<'_> {
    fn of(&self, target: &NodePlan) -> DryRunNode {
        let seen = self.current.snapshot.nodes.get(&target.node);
        let fresh =
            seen.filter(|seen| self.looked.contains(&target.node) && seen.failure.is_none());
        let asked = is_probed(&target.effects);
        let (precondition, observed) = precondition(target, fresh);
        DryRunNode {
            verify: verify(asked, self.probes.get(&target.node)),
            ready: ready(fresh),
            precondition,
            way_back: way_back(target, self.back.get(&target.node)),
            observed,
        }
    }
}

/// Nothing of what a node says beside its verdict is told here: it may name a request or a moment.
const fn verify(asked: bool, said: Option<&Probe>) -> VerifyAnswer {
    match said {
        _ if !asked => VerifyAnswer::NotAsked,
        Some(Probe::Verified) => VerifyAnswer::Accepted,
        Some(Probe::Missing) => VerifyAnswer::Missing,
        Some(Probe::Refused { .. }) => VerifyAnswer::Refused,
        Some(Probe::NoAnswer { .. }) | None => VerifyAnswer::NoAnswer,
    }
}

fn ready(fresh: Option<&NodeObservation>) -> Readiness {
    let Some(report) = fresh.and_then(|seen| seen.report.as_ref()) else {
        return Readiness::NoAnswer;
    };
    match report.ready.as_ref().map(|ready| ready.value) {
        Some(true) => Readiness::Ready,
        Some(false) => Readiness::NotReady,
        None => Readiness::NotTold,
    }
}

fn precondition(target: &NodePlan, fresh: Option<&NodeObservation>) -> (Precondition, Running) {
    let Some(Ok(seen)) = fresh.map(|seen| observation(Some(seen))) else {
        return (Precondition::NoAnswer, Running::default());
    };
    let verdict = match plumb_exec::otherwise(target, &seen) {
        None => Precondition::Holds,
        Some(what) => Precondition::Changed { what },
    };
    (verdict, Running { version: seen.version, content: seen.content })
}

fn way_back(target: &NodePlan, said: Option<&Probe>) -> WayBack {
    let missing = |reason: &str| WayBack::Missing { reason: reason.to_owned() };
    match said {
        Some(Probe::Verified) => WayBack::Verified,
        Some(Probe::Missing) => missing("the file it would go back to is gone"),
        Some(Probe::Refused { .. }) => missing("it refuses what it would go back to"),
        Some(Probe::NoAnswer { .. }) => {
            missing("it did not say whether it accepts what it would go back to")
        }
        // It keeps what it would go back to itself, by content.
        None if target.undo.is_possible() => WayBack::Verified,
        None => WayBack::Missing { reason: target.undo.to_string() },
    }
}

/// A dry run as it was kept. One that another version of this program made counts as none.
pub(crate) fn read(kept: &KeptDryRun) -> Option<DryRun> {
    let read: Option<DryRun> = serde_json::from_str(&kept.document).ok();
    read.filter(|report| report.format == DryRun::FORMAT)
}

/// What a dry run says otherwise than the one before, one node or change of content a line.
fn changes(before: &DryRun, now: &DryRun) -> Vec<String> {
    let nodes = before.differences(now).into_iter().map(|(node, what)| format!("{node} {what}"));
    nodes.chain(before.other_decisions(now)).collect()
}

/// What the newest dry run of a plan says otherwise than one that was signed.
pub(crate) async fn changed_since(
    conn: &mut SqliteConnection,
    plan: PlanHash,
    signed: Option<Digest>,
    now: jiff::Timestamp,
) -> Result<Vec<String>, AppError> {
    let Some(signed) = signed else { return Ok(Vec::new()) };
    let newest = plumb_store::dry_runs::newest(conn, plan, now).await?;
    let signed = plumb_store::dry_runs::get(conn, signed).await?;
    let read = |kept: Option<KeptDryRun>| kept.as_ref().and_then(read);
    let (Some(signed), Some(newest)) = (read(signed), read(newest)) else {
        return Ok(Vec::new());
    };
    Ok(changes(&signed, &newest))
}

fn view(plan: &Plan, report: &DryRun, before: Option<&DryRun>, at_ms: i64) -> DryRunView {
    let node = |(id, node): (&NodeId, &DryRunNode)| DryRunNodeView {
        node: id.to_string(),
        verify: node.verify.sentence().to_owned(),
        ready: node.ready.sentence().to_owned(),
        precondition: node.precondition.sentence().to_owned(),
        way_back: node.way_back.sentence(),
        has_way_back: node.way_back == WayBack::Verified,
        runs_version: node.observed.version.as_ref().map(ToString::to_string),
        runs_content: node.observed.content.map(|content| content.to_string()),
        hindrance: node.hindrance(),
    };
    DryRunView {
        plan: plan.hash().to_string(),
        fleet: plan.fleet.to_string(),
        digest: report.digest().to_string(),
        at_ms,
        hindered: u32::try_from(report.hindrances(plan).len()).unwrap_or(u32::MAX),
        summary: report.summary(),
        nodes: report.nodes.iter().map(node).collect(),
        decisions: report.decisions.iter().map(ContentChangeView::of).collect(),
        decisions_digest: report.decisions_digest().map(|digest| digest.to_string()),
        changed: before.map(|before| changes(before, report)).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_never_a_yes() {
        let message = "timed out after 2 s, request 7".to_owned();
        let (silent, refused) =
            (Probe::NoAnswer { message: message.clone() }, Probe::Refused { message });
        assert_eq!(verify(true, None), VerifyAnswer::NoAnswer);
        assert_eq!(verify(true, Some(&silent)), VerifyAnswer::NoAnswer);
        assert_eq!(verify(true, Some(&refused)), VerifyAnswer::Refused);
        assert_eq!(verify(true, Some(&Probe::Missing)), VerifyAnswer::Missing);
        assert_eq!(verify(true, Some(&Probe::Verified)), VerifyAnswer::Accepted);
        assert_eq!(verify(false, None), VerifyAnswer::NotAsked);
        assert_eq!(ready(None), Readiness::NoAnswer);
    }
}
