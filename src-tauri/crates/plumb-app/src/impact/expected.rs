//! What a node must answer once it runs a content, for requests that any node takes.

use jiff::{SignedDuration, Timestamp};
use plumb_decide::{Case, Effect};
use plumb_wire::v1::EvaluateCase;
use serde_json::Value;

use super::{Evaluators, ImpactRequest, Sides, semantics::Semantics};
use crate::error::AppError;

/// Requests asked of one node: a node of the field answers one at a time, in about a millisecond.
const REQUESTS_MAX: usize = 200;
/// How far the clock of a node may be off.
const CLOCKS_OFF: SignedDuration = SignedDuration::from_mins(5);

/// One request, and what it must be answered.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expected {
    pub case: EvaluateCase,
    pub effect: Effect,
}

/// Asks the new content the requests of a comparison, as of `now`, and leaves out those that it answers
/// otherwise a few minutes earlier or later: clocks of nodes may be off. Those that the old content
/// answers otherwise come first, and are the ones that are kept where there are too many.
pub(crate) async fn expected(
    evaluators: &Evaluators,
    request: &ImpactRequest,
    now: Timestamp,
) -> Result<Vec<Expected>, AppError> {
    let Sides { from, to, entrypoint, cases } = Sides::read(evaluators, request).await?;
    let (cases, asked): (Vec<Case>, Vec<EvaluateCase>) = cases
        .into_iter()
        .filter_map(|case| asked_of_nodes(&case.input).map(|asked| (case, asked)))
        .unzip();
    let (before, after) = (from.semantics(&entrypoint), to.semantics(&entrypoint));
    let flips = effects(&*before, &cases, now).await;
    let expects = effects(&*after, &cases, now).await;
    let mut steady = vec![true; cases.len()];
    if to.asks_time() {
        for moment in [now - CLOCKS_OFF, now + CLOCKS_OFF] {
            let then = effects(&*after, &cases, moment).await;
            for (steady, (then, now)) in steady.iter_mut().zip(then.iter().zip(&expects)) {
                *steady &= then == now;
            }
        }
    }
    let mut all: Vec<(bool, Expected)> = asked
        .into_iter()
        .zip(expects.into_iter().zip(flips))
        .zip(steady)
        .filter(|((_, (effect, _)), steady)| *steady && effect.permits().is_some())
        .map(|((case, (effect, before)), _)| {
            (before.permits() == effect.permits(), Expected { case, effect })
        })
        .collect();
    all.sort_by_key(|(alike, _)| *alike);
    all.truncate(REQUESTS_MAX);
    Ok(all.into_iter().map(|(_, expected)| expected).collect())
}

async fn effects(semantics: &dyn Semantics, cases: &[Case], now: Timestamp) -> Vec<Effect> {
    let cases: Vec<Case> = cases.iter().map(|case| Case { now, ..case.clone() }).collect();
    semantics.answers(&cases).await.into_iter().map(|answer| answer.outcome.effect).collect()
}

/// The form in which every node takes a request; nothing for an input of another form.
fn asked_of_nodes(input: &Value) -> Option<EvaluateCase> {
    let input = input.as_object()?;
    let capability_id = input.get("capability_id")?.as_str()?.to_owned();
    let context = input.get("context")?.as_object()?.clone();
    (input.len() == 2)
        .then(|| EvaluateCase { capability_id, context: context.into_iter().collect() })
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
