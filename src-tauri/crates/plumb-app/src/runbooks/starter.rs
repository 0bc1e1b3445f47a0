//! Who starts a run of a runbook: proved by a key, where people have to approve what it does.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plumb_exec::{
    StepOrder,
    steps::{SignedStart, StepsState},
};
use plumb_fleet::FleetId;
use plumb_journal::{
    OfRun, RunbookStart, WordRefusal,
    people::{SIGNED_WITHIN, belongs, groups_in},
};
use plumb_runbook::document::{Compiled, StepKind};
use plumb_trust::{
    dsse::Envelope,
    roster::{PersonId, Roster},
};

use crate::{
    actions::approve::owner_of,
    app::App,
    error::{AppError, Code, chain},
    personal_keys::KeyChoice,
};

/// Who starts a run, and the proof of it where one is asked for.
#[derive(Debug)]
pub(super) struct Starter {
    pub operator: String,
    pub signed: Option<SignedStart>,
    /// What is said before anything is done.
    pub first: Option<StepOrder>,
}

/// The person whose key signed the start of a run: by the roster as it is now, and whatever name stands in it. A
/// key that has ended since was good when it signed.
pub(super) fn signer(
    of: OfRun<'_>,
    envelope: &str,
    roster: &Roster,
    now: Timestamp,
) -> Result<PersonId, AppError> {
    let said = of.start(envelope.as_bytes(), roster, now).map_err(|error| refused(&error))?;
    Ok(said.person)
}

/// The same for a run as it stands. A name that stands in its journal is nobody.
pub(super) fn runner(
    of: OfRun<'_>,
    state: &StepsState,
    roster: &Roster,
    now: Timestamp,
) -> Result<PersonId, AppError> {
    let Some(signed) = &state.signed else {
        return Err(AppError::new(
            Code::Invalid,
            WordRefusal::NoStart.to_string(),
            "start the runbook anew, with a key of the roster: plumb runbook run NAME --key FILE",
        ));
    };
    let said =
        of.start(signed.envelope.as_bytes(), roster, now).map_err(|error| refused(&error))?;
    let at = said.statement.predicate.at;
    // Otherwise a key that has ended signs as of a day on which it was good.
    let began = state.started_at.map(|began| began.duration_since(at).abs());
    if began.is_none_or(|apart| apart > SIGNED_WITHIN) {
        return Err(refused(&WordRefusal::OtherTime { signed_at: at }));
    }
    Ok(said.person)
}

/// Whether whoever starts it signs, in a fleet that a roster rules: where the runbook asks for approval, or it
/// changes something and the rule of the roster asks for approval of changes.
pub(super) fn is_signed<'a>(
    roster: &Roster,
    fleet: &FleetId,
    steps: impl IntoIterator<Item = &'a StepKind>,
) -> bool {
    let environment = roster.environment_of(fleet);
    let ruled = environment.is_some_and(|(_, one)| !one.rule.quorums.is_empty());
    let asks = |kind: &StepKind| matches!(kind, StepKind::Approval(_)) || ruled && kind.mutates();
    steps.into_iter().any(asks)
}

/// Who may run a runbook whose start is signed: whoever is in the group that it names as its owner.
fn has_role(
    roster: &Roster,
    compiled: &Compiled,
    person: &PersonId,
    now: Timestamp,
) -> Result<(), AppError> {
    let role = &compiled.front.owners.run.value;
    if belongs(&groups_in(roster, person), role) {
        return Ok(());
    }
    let counting = roster.keys().filter(|(_, key)| key.counts(now)).map(|(person, _)| person);
    let able: BTreeSet<&str> = counting
        .filter(|person| belongs(&groups_in(roster, person), role))
        .map(PersonId::as_str)
        .collect();
    let message = format!("{role} runs this runbook, and {person} is not in it");
    let hint = if able.is_empty() {
        format!(
            "nobody is in {role} with a key that counts: have a roster signed that puts people in it, or a \
             runbook that names another owner"
        )
    } else {
        let able = able.into_iter().collect::<Vec<_>>().join(" or ");
        format!("ask {able} to run it, with a key of theirs")
    };
    Err(AppError::new(Code::Invalid, message, hint))
}

impl App {
    /// Who starts a run, and their signature over it where one is asked for.
    pub(super) async fn starter(
        &self,
        of: OfRun<'_>,
        compiled: &Compiled,
        key: Option<&KeyChoice>,
    ) -> Result<Starter, AppError> {
        let roster = self.roster_of(of.fleet).await?;
        let Some(roster) = roster.filter(|roster| signs(roster, of.fleet, compiled)) else {
            return Ok(Starter { operator: self.me(), signed: None, first: None });
        };
        let Some(key) = key else {
            return Err(unsigned(of.fleet, "no key was named", "sign its start: --key FILE"));
        };
        let key = self.personal_key(key).await;
        let key = key.map_err(|error| unsigned(of.fleet, &error.message, &error.hint))?;
        let by = owner_of(&roster, key.public())?;
        if let Some(named) = self.0.options.person.as_ref().filter(|named| *named != by.as_str()) {
            let message = format!("the key is one of {by}, and not of {named}");
            let hint = "sign with your own key, or leave out --person and PLUMBLINE_PERSON";
            return Err(AppError::new(Code::Invalid, message, hint));
        }
        let now = self.now();
        has_role(&roster, compiled, &by, now)?;
        let start = RunbookStart { fleet: of.fleet.clone(), run: of.run, by: by.clone(), at: now };
        let signed = Envelope::sign(&start.statement(of.plan), &[&key])
            .map_err(|error| AppError::new(Code::Other, chain(&error), "try another key"))?;
        let envelope = String::from_utf8(signed.to_bytes()).expect("an envelope is JSON");
        // A key that was revoked, has ended or is not good yet starts nothing.
        signer(of, &envelope, &roster, now)?;
        let by = by.to_string();
        let signed = Some(SignedStart { by: by.clone(), envelope });
        Ok(Starter { operator: by, signed, first: None })
    }

    /// A run that never began has nobody who started it: its journal is empty, and its key was used elsewhere.
    pub(super) async fn may_begin_unsigned(
        &self,
        of: OfRun<'_>,
        compiled: &Compiled,
    ) -> Result<(), AppError> {
        match self.starter(of, compiled, None).await {
            Ok(_) => Ok(()),
            Err(error) => {
                let message = format!("run {} never began: {}", of.run, error.message);
                Err(AppError::new(error.code, message, "start the runbook anew, with your key"))
            }
        }
    }

    /// A run whose start has to be signed by now, and is not, goes forward no more: whoever approved it before
    /// may be the one who runs it. Nor does one whose starter is not of the role that runs it, by the roster as it
    /// is now. One that goes back or is aborted does so to its end.
    pub(super) async fn may_go_on(
        &self,
        of: OfRun<'_>,
        compiled: &Compiled,
        state: &StepsState,
    ) -> Result<(), AppError> {
        if state.rollback.is_some() || state.abort_requested {
            return Ok(());
        }
        let roster = self.roster_of(of.fleet).await?;
        let Some(roster) = roster.filter(|roster| signs(roster, of.fleet, compiled)) else {
            return Ok(());
        };
        let now = self.now();
        let person = runner(of, state, &roster, now);
        person.and_then(|person| has_role(&roster, compiled, &person, now)).map_err(|error| {
            let hint = format!(
                "end it: plumb runbook resume {} --abort, or --roll-back REASON; then start the runbook anew, \
                 with a key of the roster",
                of.run
            );
            AppError::new(error.code, error.message, hint)
        })
    }
}

fn signs(roster: &Roster, fleet: &FleetId, compiled: &Compiled) -> bool {
    is_signed(roster, fleet, compiled.steps.iter().map(|planned| &planned.step.kind))
}

fn refused(why: &WordRefusal) -> AppError {
    let message = format!("the signature over the start of the run does not count: {why}");
    AppError::new(Code::Invalid, message, "start the runbook anew, with a key of the roster")
}

fn unsigned(fleet: &FleetId, why: &str, hint: &str) -> AppError {
    let message = format!(
        "people have to approve what this runbook does in {fleet}, so whoever starts it signs: {why}"
    );
    AppError::new(Code::Invalid, message, hint)
}

#[cfg(test)]
mod tests;
