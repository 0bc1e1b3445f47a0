//! Consent to a run of a runbook from another machine: asked for with a file, signed there, taken here.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plumb_exec::{StepOrder, StepWish, StepsState, fold_steps, steps::StepPhase};
use plumb_fleet::{PlanHash, RunId};
use plumb_journal::{
    OfRun, RunbookConsent,
    people::{belongs, groups_in},
};
use plumb_runbook::document::{Compiled, RunbookPlan, StepEffect, Values};
use plumb_trust::{
    dsse::Envelope,
    roster::{PersonId, Roster},
};
use serde::{Deserialize, Serialize};

use super::{run::RunbookRun, starter};
use crate::{
    actions::{approve::owner_of, hub::no_hub},
    app::App,
    error::{AppError, Code, chain},
    ids::run_id,
    personal_keys::KeyChoice,
    views::runbook::{ApproversView, RunbookConsentView, RunbookRequestView},
};

/// What the file says that it is.
const FORMAT: &str = "plumbline-runbook-request/v2";

/// What somebody elsewhere is asked to consent to: the whole plan of the run, so that nothing has to be
/// believed but the hash of what they read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ConsentRequest {
    request: String,
    run: RunId,
    /// Who runs it, and so does not approve it: a name, which its signature bears out.
    operator: String,
    /// The envelope in which whoever runs it signed its start; nothing where nobody had to.
    start: Option<String>,
    step: String,
    plan: RunbookPlan,
}

impl ConsentRequest {
    /// Nothing where it is another kind of file.
    pub(crate) fn read(file: &[u8]) -> Option<Self> {
        serde_json::from_slice(file).ok().filter(|request: &Self| request.request == FORMAT)
    }

    /// The request for the approval that a run waits for at a step.
    fn of(run: RunId, state: &StepsState, step: String, plan: RunbookPlan) -> Self {
        let (request, operator) = (FORMAT.to_owned(), state.runner().to_owned());
        let start = state.signed.as_ref().map(|signed| signed.envelope.clone());
        Self { request, run, operator, start, step, plan }
    }

    /// The person whose key signed the start of its run.
    fn runner(&self, roster: &Roster, now: Timestamp) -> Result<PersonId, AppError> {
        let of = OfRun { fleet: &self.plan.fleet, run: self.run, plan: self.plan.hash() };
        let start = self.start.as_deref().ok_or_else(|| {
            let message = format!(
                "nobody signed the start of run {}, so nobody can tell whether you started it yourself",
                self.run
            );
            AppError::new(Code::Invalid, message, "ask whoever runs it to start it with a key of theirs")
        })?;
        starter::signer(of, start, roster, now)
    }

    /// Of the plan that it brings along.
    pub(crate) fn hash(&self) -> PlanHash {
        self.plan.hash()
    }

    /// What is approved, and which groups have to.
    fn asked(&self) -> Result<(Compiled, String, Vec<String>), AppError> {
        let odd = |why: String| {
            AppError::new(Code::Invalid, why, "ask whoever runs it for the file again")
        };
        let compiled = self.plan.compile().map_err(|error| odd(error.to_string()))?;
        let at = compiled.place(&self.step);
        let at = at.ok_or_else(|| odd(format!("its runbook has no step {}", self.step)))?;
        match compiled.effect(at, &Values::new()).map_err(odd)? {
            StepEffect::Approve { what, groups, .. } => Ok((compiled, what, groups)),
            _ => Err(odd(format!("step {} is no approval", self.step))),
        }
    }

    /// `trusted` says why its documents may run, and `operator` who runs it.
    fn view(&self, trusted: String, operator: String) -> Result<RunbookRequestView, AppError> {
        let (compiled, what, groups) = self.asked()?;
        Ok(RunbookRequestView {
            title: compiled.front.title.value.clone(),
            fleet: self.plan.fleet.to_string(),
            environment: self.plan.environment.clone(),
            run: self.run.to_string(),
            operator,
            step: self.step.clone(),
            what,
            groups,
            parameters: self.plan.parameters.clone(),
            hosts: self.plan.hosts.iter().cloned().collect(),
            trusted,
            plan: compiled.hash.to_string(),
            steps: (0..compiled.steps.len()).flat_map(|at| told(&compiled, at)).collect(),
        })
    }
}

/// What a step is and does, in lines; `!` marks one that changes something.
fn told(compiled: &Compiled, at: usize) -> Vec<String> {
    let planned = &compiled.steps[at];
    let mark = if planned.step.kind.mutates() { "! " } else { "  " };
    let mut lines = vec![format!("{mark}{}: {}", planned.id, planned.step.title)];
    // What only the run knows stands by its name.
    match compiled.effect(at, &compiled.open_values(at)) {
        Ok(StepEffect::Steps) => {}
        Ok(effect) => {
            lines.push(format!("      {}", effect.sentence()));
            lines.extend(given_to(&effect).into_iter().map(|given| format!("      {given}")));
        }
        Err(error) => lines.push(format!("      it cannot be told what it does: {error}")),
    }
    if let Some(back) = planned.rollback {
        lines.push(format!("      taken back by {}", compiled.steps[back].id));
    }
    lines
}

/// What a command or a request is given beside its words.
fn given_to(effect: &StepEffect) -> Vec<String> {
    match effect {
        StepEffect::Run { environment, folder, .. } => {
            let folder = folder.iter().map(|folder| format!("in {folder}"));
            let named = environment.iter().map(|(name, value)| format!("with {name}={value}"));
            folder.chain(named).collect()
        }
        StepEffect::Http { headers, body, .. } => {
            let named = headers.iter().map(|(name, value)| format!("with {name}: {value}"));
            named.chain(body.iter().map(|body| format!("sends {body}"))).collect()
        }
        _ => Vec::new(),
    }
}

impl App {
    /// The request for the approval that a run waits for, for those who sign elsewhere. Where the fleet has a
    /// hub it lies in the mailbox of the plan, too.
    pub async fn runbook_request(
        &self,
        run: &str,
    ) -> Result<(Vec<u8>, RunbookRequestView), AppError> {
        let run = run_id(run)?;
        let (plan, _, entries) = self.runbook_record(run).await?;
        let state = fold_steps(&entries);
        let waits = |(_, step): &(&String, &plumb_exec::steps::StepRun)| {
            let approval = matches!(step.effect, Some(StepEffect::Approve { .. }));
            approval && step.phase == StepPhase::Running
        };
        let Some((step, _)) = state.steps.iter().find(waits).filter(|_| state.outcome.is_none())
        else {
            let message = format!("run {run} waits for no approval");
            return Err(AppError::new(
                Code::Invalid,
                message,
                format!("see how it stands: plumb runbook show {run}"),
            ));
        };
        let request = ConsentRequest::of(run, &state, step.clone(), plan);
        let trusted = super::run::trusted(&request.plan.trusted);
        let view = request.view(trusted, request.operator.clone())?;
        let bytes = serde_json::to_vec_pretty(&request).expect("a request serialises");
        self.deliver(request.plan.fleet.as_str(), request.plan.hash(), &bytes).await;
        Ok((bytes, view))
    }

    /// A request for consent to a run of a runbook as a person reads it; nothing where the file is another.
    /// Why its documents may run is found out here; what cannot be is told as what it is, a claim.
    pub async fn look_at_runbook_request(
        &self,
        file: &[u8],
    ) -> Result<Option<RunbookRequestView>, AppError> {
        let Some(request) = ConsentRequest::read(file) else { return Ok(None) };
        let plan = &request.plan;
        let sentence = super::run::trusted(&plan.trusted);
        let found = self.trusted(&plan.fleet, &self.runbooks().await?, &plan.documents).await?;
        let trusted = match found {
            Ok(found) if found == plan.trusted => sentence,
            _ => format!("claimed, and not to be told here: {sentence}"),
        };
        let runner = match self.roster_of(&plan.fleet).await? {
            Some(roster) => request.runner(&roster, self.now()).map(|person| person.to_string()),
            None => Err(AppError::new(Code::Invalid, "no roster is enrolled here", "")),
        };
        let operator = runner.unwrap_or_else(|error| {
            format!("{} is claimed, and not to be told here: {}", request.operator, error.message)
        });
        request.view(trusted, operator).map(Some)
    }

    /// Signs consent to the run that a request names, for a group of whoever owns the key. Gives the envelope,
    /// which lies in the mailbox of the hub, too, where the fleet has one.
    pub async fn answer_runbook_request(
        &self,
        file: &[u8],
        role: Option<&str>,
        key: &KeyChoice,
    ) -> Result<(Vec<u8>, RunbookConsentView), AppError> {
        let Some(request) = ConsentRequest::read(file) else {
            let message = "this is no request for consent to a run of a runbook";
            return Err(AppError::new(Code::Invalid, message, "ask whoever runs it for the file"));
        };
        let (envelope, view) = self.sign_consent(&request, role, key).await?;
        let fleet = request.plan.fleet.as_str();
        if self.state(fleet).is_ok() {
            self.deliver(fleet, request.hash(), &envelope).await;
        }
        Ok((envelope, view))
    }

    /// Signs what a request asks for: the one place where consent to a run of a runbook is signed.
    async fn sign_consent(
        &self,
        request: &ConsentRequest,
        role: Option<&str>,
        key: &KeyChoice,
    ) -> Result<(Vec<u8>, RunbookConsentView), AppError> {
        let (compiled, _, asked) = request.asked()?;
        let roster = self.ruling_roster(&request.plan.fleet).await?;
        let key = self.personal_key(key).await?;
        let person = owner_of(&roster, key.public())?;
        is_another(&person, &request.runner(&roster, self.now())?)?;
        let own = groups_in(&roster, &person);
        let named = |group: &&String| {
            role.is_none_or(|role| belongs(&BTreeSet::from([role.to_owned()]), group))
        };
        let able: Vec<&String> =
            asked.iter().filter(|group| belongs(&own, group)).filter(named).collect();
        let [group] = able.as_slice() else {
            let message = format!(
                "{person} is in {}; asked are {}",
                own.iter().cloned().collect::<Vec<_>>().join(", "),
                asked.join(" and ")
            );
            return Err(AppError::new(Code::Invalid, message, "say for which: --role GROUP"));
        };
        let consent = RunbookConsent {
            fleet: request.plan.fleet.clone(),
            group: (*group).clone(),
            run: request.run,
            step: request.step.clone(),
        };
        let envelope = Envelope::sign(&consent.statement(compiled.hash), &[&key])
            .map_err(|error| AppError::new(Code::Other, chain(&error), "try another key"))?
            .to_bytes();
        let view = RunbookConsentView {
            run: request.run.to_string(),
            step: request.step.clone(),
            group: (*group).clone(),
            person: person.to_string(),
            file: None,
        };
        Ok((envelope, view))
    }
}

/// Two roles that are never one person, told by keys.
fn is_another(approver: &PersonId, runner: &PersonId) -> Result<(), AppError> {
    if approver != runner {
        return Ok(());
    }
    let message = format!("{runner} runs it, and whoever runs it does not approve it");
    Err(AppError::new(Code::Invalid, message, "somebody else has to"))
}

impl RunbookRun {
    /// Signs consent for a group with a key of a person of the roster, and tells it the run; durable in
    /// the journal, with the signature, when this returns.
    pub(super) async fn approve(
        &self,
        step: &str,
        group: &str,
        key: &KeyChoice,
    ) -> Result<(), AppError> {
        let state = self.told.borrow().clone();
        let request = ConsentRequest::of(self.run, &state, step.to_owned(), self.plan.clone());
        let (envelope, _) = self.app.sign_consent(&request, Some(group), key).await?;
        self.add_approval(&envelope).await.map(drop)
    }

    /// Who may consent for each of these groups where a roster rules the fleet: whoever is in it and has a key that
    /// counts now, but not whoever runs it. Nothing where no roster rules it, and people consent by name.
    pub async fn approvers(
        &self,
        groups: &[String],
    ) -> Result<Option<Vec<ApproversView>>, AppError> {
        let Some(roster) = self.app.roster_of(&self.plan.fleet).await? else { return Ok(None) };
        let now = self.app.now();
        let of = OfRun { fleet: &self.plan.fleet, run: self.run, plan: self.compiled.hash };
        let state = self.told.borrow().clone();
        let runner = starter::runner(of, &state, &roster, now).ok();
        let able = |group: &String| {
            let counting = roster.keys().filter(|(_, key)| key.counts(now));
            let others =
                counting.map(|(person, _)| person).filter(|one| Some(*one) != runner.as_ref());
            let people: BTreeSet<String> = others
                .filter(|person| belongs(&groups_in(&roster, person), group))
                .map(ToString::to_string)
                .collect();
            ApproversView { group: group.clone(), people: people.into_iter().collect() }
        };
        Ok(Some(groups.iter().map(able).collect()))
    }

    /// Takes consent that somebody signed, here or elsewhere; durable in the journal, with the signature, when
    /// this returns. Gives the group, or nothing where the journal has its consent already.
    pub async fn add_approval(&self, envelope: &[u8]) -> Result<Option<String>, AppError> {
        let refused = |why: String| {
            let hint = "it is signed for one step of one run: plumb runbook request RUN makes the file to sign";
            AppError::new(Code::Invalid, format!("the approval does not count: {why}"), hint)
        };
        let roster = self.app.ruling_roster(&self.plan.fleet).await?;
        let now = self.app.now();
        let of = OfRun { fleet: &self.plan.fleet, run: self.run, plan: self.compiled.hash };
        let said =
            of.consent(envelope, &roster, now).map_err(|error| refused(error.to_string()))?;
        let state = self.told.borrow().clone();
        is_another(&said.person, &starter::runner(of, &state, &roster, now)?)?;
        let person = said.person;
        let RunbookConsent { group, step, .. } = said.statement.predicate;
        if state.step(&step).is_some_and(|run| run.approvals.contains_key(&group)) {
            return Ok(None);
        }
        let (by, groups) = (person.to_string(), groups_in(&roster, &person));
        let envelope = String::from_utf8(envelope.to_vec()).ok();
        let what = StepWish::Approve { step, group: group.clone(), envelope };
        self.give(StepOrder { by, groups, what }).await?;
        Ok(Some(group))
    }

    /// Takes what lies in the mailbox of the run's plan at the hub of its fleet; nothing where it has none.
    /// Gives the groups whose consent was taken, and why some of it does not count.
    pub async fn collect_approvals(&self) -> Result<(Vec<String>, Vec<String>), AppError> {
        let (_, loaded) = self.app.loaded(self.plan.fleet.as_str())?;
        if loaded.fleet.hub.is_none() {
            return Ok((Vec::new(), Vec::new()));
        }
        let hub = self.app.hub(&loaded).await?;
        let hub = hub.ok_or_else(|| no_hub(self.plan.fleet.as_str()))?;
        let (mut taken, mut refused) = (Vec::new(), Vec::new());
        for mail in hub.mailbox(self.compiled.hash).await?.files {
            let added = async {
                let letter: Vec<u8> = hub.letter(self.compiled.hash, &mail.id).await?;
                match ConsentRequest::read(&letter) {
                    Some(_) => Ok(None),
                    None => self.add_approval(&letter).await,
                }
            };
            // One that cannot be loaded or does not count keeps none of the others back.
            match added.await {
                Ok(group) => taken.extend(group),
                Err(error) => {
                    refused.push(format!("{} from {}: {}", mail.id, mail.by, error.message));
                }
            }
        }
        Ok((taken, refused))
    }
}
