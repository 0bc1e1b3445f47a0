//! Who answers a case: rules read here, Rego in a process of its own, or a node as it runs.

use std::{collections::BTreeSet, fmt, sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use jiff::{SignedDuration, Timestamp};
use plumb_clients::{HttpPool, Now, operations::evaluate};
use plumb_decide::{
    Case, Decision, Effect, Entrypoint, Outcome, Outline, PreparedRules, Question, RegoSource,
};
use plumb_fleet::Node;
use plumb_wire::v1::{EvaluateCase, Evaluation};
use plumb_worker::WorkerPool;
use serde_json::Value;

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

/// Requests in one question to a node: one of the field answers one at a time, in about a millisecond.
const ASKED_AT_ONCE: usize = 200;
/// How long a node may take for them.
const DEADLINE: Duration = Duration::from_secs(20);
/// How far the clock of a node may be off.
const CLOCKS_OFF: SignedDuration = SignedDuration::from_mins(5);

/// A node of a fleet, which answers by whatever it has in force, and by its own clock.
#[derive(Clone)]
pub(super) struct Remote {
    pub pool: HttpPool,
    pub node: Arc<Node>,
    pub now: Now,
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").field("node", &self.node.id).finish_non_exhaustive()
    }
}

impl Semantics for Remote {
    fn answers<'a>(&'a self, cases: &'a [Case]) -> BoxFuture<'a, Vec<Answered>> {
        async move {
            let mut outcomes = Vec::with_capacity(cases.len());
            for part in cases.chunks(ASKED_AT_ONCE) {
                outcomes.extend(self.ask(part).await);
            }
            let plain = |outcome| Answered { outcome, held: BTreeSet::new() };
            outcomes.into_iter().map(plain).collect()
        }
        .boxed()
    }
}

impl Remote {
    /// One outcome for each case. What a node cannot be asked or does not answer is not evaluated, with the
    /// reason.
    async fn ask(&self, cases: &[Case]) -> Vec<Outcome> {
        let asked: Vec<Option<EvaluateCase>> =
            cases.iter().map(|case| asked_of_nodes(&case.input)).collect();
        let sent: Vec<EvaluateCase> = asked.iter().flatten().cloned().collect();
        let answers = if sent.is_empty() {
            Ok(Vec::new())
        } else {
            let decided = evaluate(&self.pool, &self.node, &sent, DEADLINE, &self.now).await;
            decided.map(|decided| decided.decisions).map_err(|failure| failure.message)
        };
        let mut answers = answers.map(Vec::into_iter);
        let outcome = |asked: Option<EvaluateCase>| match (asked, &mut answers) {
            (None, _) => Outcome::not_evaluated(
                "nodes are asked for a capability in a context, and this request is of another form",
            ),
            (Some(_), Err(message)) => {
                Outcome::not_evaluated(format!("{} was not asked: {message}", self.node.id))
            }
            (Some(_), Ok(answers)) => match answers.next() {
                Some(answer) => of_node(answer),
                None => Outcome::not_evaluated(format!("{} did not answer this", self.node.id)),
            },
        };
        asked.into_iter().map(outcome).collect()
    }
}

fn of_node(answer: Evaluation) -> Outcome {
    let decision = answer.decision;
    let outcome = Outcome::from(Decision {
        allowed: decision.allowed,
        require_confirmation: decision.require_confirmation,
        reason: decision.reason,
        suggested_alternative: decision.suggested_alternative,
        risk_level: decision.risk_level,
        matched: None,
    });
    Outcome { rule: answer.policy, ..outcome }
}

/// The form in which every node takes a request; nothing for an input of another form.
pub(crate) fn asked_of_nodes(input: &Value) -> Option<EvaluateCase> {
    let input = input.as_object()?;
    let capability_id = input.get("capability_id")?.as_str()?.to_owned();
    let context = input.get("context")?.as_object()?.clone();
    (input.len() == 2)
        .then(|| EvaluateCase { capability_id, context: context.into_iter().collect() })
}

/// Whether each answer as of `now` stands a few minutes earlier and later too: clocks of nodes may be off.
pub(super) async fn steady(semantics: &dyn Semantics, cases: &[Case], now: Timestamp) -> Vec<bool> {
    let as_of_now = effects(semantics, cases, now).await;
    let mut steady = vec![true; cases.len()];
    for moment in [now - CLOCKS_OFF, now + CLOCKS_OFF] {
        let then = effects(semantics, cases, moment).await;
        for (steady, (then, now)) in steady.iter_mut().zip(then.iter().zip(&as_of_now)) {
            *steady &= then == now;
        }
    }
    steady
}

/// What each case is answered as of a moment.
pub(super) async fn effects(
    semantics: &dyn Semantics,
    cases: &[Case],
    now: Timestamp,
) -> Vec<Effect> {
    let cases: Vec<Case> = cases.iter().map(|case| Case { now, ..case.clone() }).collect();
    semantics.answers(&cases).await.into_iter().map(|answer| answer.outcome.effect).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_every_node_takes_is_asked() {
        let whole = json!({"capability_id": "pay", "context": {"user": "ada"}});
        let asked = asked_of_nodes(&whole).expect("it is of that form");
        assert_eq!((asked.capability_id.as_str(), &asked.context["user"]), ("pay", &json!("ada")));
        for other in [
            json!(1),
            json!({"capability_id": 1, "context": {}}),
            json!({"capability_id": "pay"}),
            json!({"capability_id": "pay", "context": []}),
            json!({"capability_id": "pay", "context": {}, "more": 1}),
        ] {
            assert_eq!(asked_of_nodes(&other), None, "{other}");
        }
    }
}
