//! Whether changed nodes answer as their new content does when it is evaluated here.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use plumb_clients::operations::{Decisions, evaluate};
use plumb_decide::Effect;
use plumb_exec::EffectHandler as _;
use plumb_fleet::{ContentDigest, NodeApi, NodeFailure, NodeId};
use plumb_wire::v1::{EvaluateCase, Evaluation};

use super::FleetEffects;
use crate::impact::{Expected, Reading};

/// Nodes asked at the same time.
const NODES_AT_ONCE: usize = 32;
/// How long one node may take for all requests.
const DEADLINE: Duration = Duration::from_secs(20);

/// How long expected answers stand: much shorter than clocks may be off, for which requests whose answer
/// moves with the time are left out.
const STANDS_FOR: SignedDuration = SignedDuration::from_mins(1);

type Exchange = (Option<ContentDigest>, ContentDigest);
/// By what was exchanged and whether a node of the field is asked; since when they stand.
pub(super) type KnownAnswers = BTreeMap<(Exchange, bool), (Timestamp, Arc<[Expected]>)>;

impl FleetEffects {
    /// How many answers of these nodes are otherwise than those of the content they were brought to. Nodes
    /// that do not run it are left to the check of convergence; where nobody was asked anything, nothing
    /// is known.
    pub(super) async fn unexpected(&self, nodes: &[NodeId]) -> Result<i64, String> {
        let mut alike = BTreeMap::<(Exchange, bool), Vec<&NodeId>>::new();
        for (id, seen) in self.observe(nodes).await {
            let node = self.loaded.fleet.nodes.get(&id);
            let (Some(node), Some(exchange)) = (node, self.changes.get(&id)) else { continue };
            if seen.is_ok_and(|seen| seen.content == Some(exchange.1)) {
                let field = node.api == NodeApi::Reload;
                alike.entry((*exchange, field)).or_default().push(&node.id);
            }
        }
        if alike.is_empty() {
            return Err("no changed node runs its new content".to_owned());
        }
        let mut unexpected = 0_i64;
        let mut untold = None;
        for (((from, to), field), nodes) in alike {
            let expected = self.expected((from, to), field).await?;
            if expected.is_empty() {
                return Err("none of the compared requests can be asked of nodes".to_owned());
            }
            for answered in self.answers(&nodes, &expected).await {
                match answered {
                    Ok(unlike) => unexpected = unexpected.saturating_add(unlike),
                    Err(message) => untold = Some(message),
                }
            }
        }
        // One answer too much is known, whoever else is silent.
        match untold {
            Some(message) if unexpected == 0 => Err(message),
            _ => Ok(unexpected),
        }
    }

    /// What is expected of nodes that made one exchange. A gate looks every few seconds, and two contents
    /// answer alike from one look to the next.
    async fn expected(&self, exchange: Exchange, field: bool) -> Result<Arc<[Expected]>, String> {
        let now = self.app.now();
        let known = || self.expected.lock().expect("no panic while it is held");
        if let Some((since, expected)) = known().get(&(exchange, field))
            && now.duration_since(*since).abs() < STANDS_FOR
        {
            return Ok(Arc::clone(expected));
        }
        let reading = if field { Reading::Field } else { Reading::Documented };
        let expected = self.app.expected_answers(self.name(), exchange, reading).await;
        let expected: Arc<[Expected]> = expected.map_err(|error| error.message)?.into();
        known().insert((exchange, field), (now, Arc::clone(&expected)));
        Ok(expected)
    }

    /// For each node, how many of its answers are otherwise than expected.
    async fn answers(&self, nodes: &[&NodeId], expected: &[Expected]) -> Vec<Result<i64, String>> {
        let cases: Vec<EvaluateCase> = expected.iter().map(|one| one.case.clone()).collect();
        let known = nodes.iter().filter_map(|id| self.loaded.fleet.nodes.get(*id));
        let wall = self.app.wall();
        let asking: Vec<_> =
            known.map(|node| evaluate(&self.loaded.pool, node, &cases, DEADLINE, &wall)).collect();
        let answers = stream::iter(asking).buffer_unordered(NODES_AT_ONCE);
        let unlike = |answered: Result<Decisions, NodeFailure>| {
            let answered = answered.map_err(|failure| failure.message)?;
            Ok(i64::try_from(unlike(&answered.decisions, expected)).unwrap_or(i64::MAX))
        };
        answers.map(unlike).collect().await
    }
}

/// Answers that let more or less through than was expected. A missing answer is one of them.
fn unlike(answers: &[Evaluation], expected: &[Expected]) -> usize {
    let effect = |answer: &Evaluation| {
        Effect::of_flags(answer.decision.allowed, answer.decision.require_confirmation)
    };
    let as_expected = answers
        .iter()
        .zip(expected)
        .filter(|(answer, expected)| effect(answer).permits() == expected.effect.permits());
    expected.len() - as_expected.count()
}
