//! Who answers a case: rules read here, Rego in a process of its own.

use std::collections::BTreeSet;

use futures::{FutureExt as _, future::BoxFuture};
use plumb_decide::{
    Case, Effect, Entrypoint, Outcome, Outline, PreparedRules, Question, RegoSource,
};
use plumb_worker::WorkerPool;

/// One outcome, and which definitions of its outline held where there is one.
#[derive(Debug, Clone)]
pub(super) struct Answered {
    pub outcome: Outcome,
    pub held: BTreeSet<usize>,
}

/// One way to answer cases.
pub(super) trait Semantics: Send + Sync {
    /// One answer for each case, in order.
    fn answers<'a>(&'a self, cases: &'a [Case]) -> BoxFuture<'a, Vec<Answered>>;
}

/// The field's first-match rules, answered here at once.
pub(super) struct FirstMatch<'p>(pub &'p PreparedRules);

impl Semantics for FirstMatch<'_> {
    fn answers<'a>(&'a self, cases: &'a [Case]) -> BoxFuture<'a, Vec<Answered>> {
        let answered = |case| Answered { outcome: self.0.answer(case), held: BTreeSet::new() };
        async move { cases.iter().map(answered).collect() }.boxed()
    }
}

/// Rego, answered in processes that are held in.
pub(super) struct Rego<'p> {
    pub pool: &'p WorkerPool,
    pub source: &'p RegoSource,
    /// The outline, and the source that tells which of its definitions held; without it no rule is
    /// named.
    pub telling: Option<(&'p Outline, &'p RegoSource)>,
    pub entrypoint: &'p Entrypoint,
}

impl Semantics for Rego<'_> {
    fn answers<'a>(&'a self, cases: &'a [Case]) -> BoxFuture<'a, Vec<Answered>> {
        self.ask(cases).boxed()
    }
}

impl Rego<'_> {
    async fn ask(&self, cases: &[Case]) -> Vec<Answered> {
        let questions: Vec<Question> = cases.iter().map(|case| self.question(case)).collect();
        let Some((outline, telling)) = self.telling else {
            let answers = self.pool.evaluate(self.source, &questions).await;
            let plain = |answer| Answered { outcome: Outcome::from(answer), held: BTreeSet::new() };
            return answers.into_iter().map(plain).collect();
        };
        let told = self.pool.trace(telling, &questions).await;
        let mut answered: Vec<Answered> = told
            .into_iter()
            .map(|told| {
                let rule = outline.label(&told.held, self.entrypoint);
                Answered { outcome: Outcome { rule, ..told.answer.into() }, held: told.held }
            })
            .collect();
        // What went wrong is told by the policy as it is written, with its own lines and columns.
        let wrong =
            |outcome: &Outcome| matches!(outcome.effect, Effect::Error | Effect::NotEvaluated);
        let again: Vec<usize> =
            (0..answered.len()).filter(|at| wrong(&answered[*at].outcome)).collect();
        let questions: Vec<Question> = again.iter().map(|at| questions[*at].clone()).collect();
        let plain = self.pool.evaluate(self.source, &questions).await;
        for (at, answer) in again.into_iter().zip(plain) {
            answered[at].outcome = answer.into();
        }
        answered
    }

    fn question(&self, case: &Case) -> Question {
        let entrypoint = self.entrypoint.clone();
        Question { entrypoint, input: case.input.clone(), now: case.now }
    }
}
