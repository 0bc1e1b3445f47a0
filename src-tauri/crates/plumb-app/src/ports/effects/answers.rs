//! Whether changed nodes answer as their new content does when it is evaluated here.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt as _, stream};
use plumb_clients::operations::evaluate;
use plumb_decide::Effect;
use plumb_fleet::{ContentDigest, NodeApi, NodeId};
use plumb_wire::v1::{EvaluateCase, Evaluation};

use super::FleetEffects;
use crate::impact::{Expected, Reading};

/// Nodes asked at the same time.
const NODES_AT_ONCE: usize = 32;
/// How long one node may take for all requests.
const DEADLINE: Duration = Duration::from_secs(20);

type Exchange = (Option<ContentDigest>, ContentDigest);

impl FleetEffects {
    /// How many answers of these nodes are otherwise than those of the content they were brought to.
    pub(super) async fn unexpected(&self, nodes: &[NodeId]) -> Result<i64, String> {
        let mut alike = BTreeMap::<(Exchange, bool), Vec<&NodeId>>::new();
        for id in nodes {
            let node = self.loaded.fleet.nodes.get(id);
            let node = node.ok_or_else(|| format!("{id} is not a node of this fleet"))?;
            let exchange = self.changes.get(id);
            let exchange = exchange.ok_or_else(|| format!("what {id} runs now is not known"))?;
            alike.entry((*exchange, node.api == NodeApi::Reload)).or_default().push(id);
        }
        let mut unexpected = 0_i64;
        for (((from, to), field), nodes) in alike {
            let reading = if field { Reading::Field } else { Reading::Documented };
            let expected = self.app.expected_answers(self.name(), (from, to), reading).await;
            let expected = expected.map_err(|error| error.message)?;
            unexpected = unexpected.saturating_add(self.otherwise(&nodes, &expected).await?);
        }
        Ok(unexpected)
    }

    async fn otherwise(&self, nodes: &[&NodeId], expected: &[Expected]) -> Result<i64, String> {
        let cases: Vec<EvaluateCase> = expected.iter().map(|one| one.case.clone()).collect();
        let known = nodes.iter().filter_map(|id| self.loaded.fleet.nodes.get(*id));
        let wall = self.app.wall();
        let asking: Vec<_> =
            known.map(|node| evaluate(&self.loaded.pool, node, &cases, DEADLINE, &wall)).collect();
        let mut answers = stream::iter(asking).buffer_unordered(NODES_AT_ONCE);
        let mut otherwise = 0;
        while let Some(answered) = answers.next().await {
            let answered = answered.map_err(|failure| failure.message)?;
            otherwise += unlike(&answered.decisions, expected);
        }
        Ok(i64::try_from(otherwise).unwrap_or(i64::MAX))
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
