//! What a node must answer once it runs a content, for requests that any node takes.

use jiff::Timestamp;
use plumb_decide::{Case, Effect};
use plumb_wire::v1::EvaluateCase;

use super::{
    Evaluators, ImpactRequest, Sides,
    semantics::{asked_of_nodes, effects, steady},
};
use crate::error::AppError;

/// Requests asked of one node: a node of the field answers one at a time, in about a millisecond.
const REQUESTS_MAX: usize = 200;

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
    let steady =
        if to.asks_time() { steady(&*after, &cases, now).await } else { vec![true; cases.len()] };
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
