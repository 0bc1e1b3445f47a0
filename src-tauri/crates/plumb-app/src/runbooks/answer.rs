//! Answers and attestations that are signed: where a roster rules the fleet, and a step says who may give them.

use plumb_exec::{StepOrder, StepWish, steps::StepPhase};
use plumb_journal::{OfRun, RunbookAnswer, people::groups_in};
use plumb_runbook::document::{StepEffect, StepKind};
use plumb_trust::dsse::Envelope;

use super::run::RunbookRun;
use crate::{
    actions::approve::owner_of,
    error::{AppError, Code, chain},
    personal_keys::KeyChoice,
};

/// What a step asks somebody of a group, now.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub step: String,
    pub group: String,
    attempt: u32,
    text: String,
    /// Somebody saw something, instead of knowing it.
    attests: bool,
}

impl RunbookRun {
    /// The group that alone may answer a step.
    pub(super) fn whom(&self, step: &str) -> Option<&str> {
        let planned = self.compiled.steps.iter().find(|planned| planned.id == step)?;
        match &planned.step.kind {
            StepKind::Question(question) => question.who.as_deref(),
            StepKind::Attest(attest) => attest.who.as_deref(),
            _ => None,
        }
    }

    /// What a step asks; nothing where it waits for nobody in particular.
    pub(super) fn asked(&self, step: &str) -> Option<Asked> {
        let state = self.told.borrow();
        let run = state.step(step).filter(|run| run.phase == StepPhase::Running)?;
        let (text, who, attests) = match run.effect.as_ref()? {
            StepEffect::Ask { ask, who, .. } => (ask, who, false),
            StepEffect::Attest { what, who, .. } => (what, who, true),
            _ => return None,
        };
        let (step, text, attempt) = (step.to_owned(), text.clone(), run.attempt);
        Some(Asked { step, group: who.clone()?, attempt, text, attests })
    }

    /// Signs an answer with a key of a person of the roster, and tells it the run; durable in the journal, with the
    /// signature, when this returns. It is the only place where one is signed.
    pub(super) async fn answer(
        &self,
        asked: Asked,
        said: &str,
        key: &KeyChoice,
    ) -> Result<(), AppError> {
        let fleet = &self.plan.fleet;
        let roster = self.app.ruling_roster(fleet).await?;
        let key = self.app.personal_key(key).await?;
        let person = owner_of(&roster, key.public())?;
        let Asked { step, group, attempt, text, attests } = asked;
        let said = said.trim().to_owned();
        let answer = RunbookAnswer {
            asked: text,
            attempt,
            fleet: fleet.clone(),
            group: group.clone(),
            run: self.run,
            said: said.clone(),
            step: step.clone(),
        };
        let signed = Envelope::sign(&answer.statement(self.compiled.hash), &[&key])
            .map_err(|error| AppError::new(Code::Other, chain(&error), "try another key"))?;
        // A key that was revoked, has ended or is not good yet answers nothing, and nobody of another group does.
        let of = OfRun { fleet, run: self.run, plan: self.compiled.hash };
        of.answer(&signed.to_bytes(), &roster, self.app.now()).map_err(|error| {
            let message = format!("the answer does not count: {error}");
            let hint = format!("sign with a key of somebody of {group}: --key FILE");
            AppError::new(Code::Invalid, message, hint)
        })?;
        let envelope = Some(String::from_utf8(signed.to_bytes()).expect("an envelope is JSON"));
        let what = if attests {
            StepWish::Attest { step, note: said, envelope }
        } else {
            StepWish::Answer { step, answer: said, envelope }
        };
        let groups = groups_in(&roster, &person);
        self.give(StepOrder { by: person.to_string(), groups, what }).await
    }
}
