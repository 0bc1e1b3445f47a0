//! What is filled into the words of a step beside parameters, as far as the journal tells.

use plumb_runbook::document::{ANSWER, PlannedStep, StepEffect, Values};

use super::{StepPhase, Walk};

impl Walk<'_> {
    /// What a run fills in by itself.
    pub(super) fn of_run(&self) -> Values {
        let mut values = Values::new();
        let began = self.state.started_at.map(|at| at.to_string()).unwrap_or_default();
        values.insert("run.id".to_owned(), format!("{}-{began}", self.plan.hash.0.short()));
        if let Some(since) = self.window() {
            let until = self.state.rollback.as_ref().map_or(self.now, |rollback| rollback.at);
            values.insert("run.window_start".to_owned(), since.to_string());
            values.insert("run.window_end".to_owned(), until.to_string());
        }
        if let Some(since) = self.state.frozen().map(|(_, frozen)| frozen.since).min() {
            let seconds = self.now.duration_since(since).as_secs().max(1);
            values.insert("run.frozen_s".to_owned(), seconds.to_string());
        }
        values
    }

    /// What was answered in its runbook, for the nodes of an action that are known only then.
    pub(super) fn answers(&self, at: usize) -> Values {
        let scope = self.plan.steps[at].scope;
        let given = self.plan.steps.iter().filter(|planned| planned.scope == scope);
        let answer = |planned: &PlannedStep| {
            let run =
                self.state.step(&planned.id).filter(|run| run.phase == StepPhase::Succeeded)?;
            let said = run.result.get("answer")?.as_str()?;
            matches!(run.effect, Some(StepEffect::Ask { .. }))
                .then(|| (format!("{ANSWER}{}", planned.step.id.value), said.to_owned()))
        };
        given.filter_map(answer).collect()
    }
}
