//! Effects carried out through the node API adapters.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::Timestamp;
use plumb_clients::{Attempt, Outcome, PlanStep, perform};
use plumb_exec::{EffectHandler, Observation, PinMove, Request};
use plumb_fleet::{DecisionCounts, FleetId, NodeId, snapshot::PINNED_VERSION};
use plumb_journal::EffectOutcome;
use plumb_runbook::{GateCheck, PinChange, Plan};

use crate::{
    actions::prepare::operation,
    app::{App, FleetState, Loaded},
    error::chain,
};

/// How long one effect may take: a reload of the largest bundle on a slow disk answers within it.
const EFFECT_DEADLINE: Duration = Duration::from_secs(30);

/// The handler of one run: its fleet is frozen, so a fleet file saved meanwhile changes nothing.
#[derive(Debug)]
pub(crate) struct FleetEffects {
    app: App,
    state: Arc<FleetState>,
    loaded: Loaded,
    operator: String,
    /// Decisions that nodes had counted before the newest wave.
    before_wave: Mutex<BTreeMap<NodeId, DecisionCounts>>,
}

impl FleetEffects {
    pub(crate) fn new(app: App, state: Arc<FleetState>, loaded: Loaded, operator: &str) -> Self {
        let before_wave = Mutex::default();
        Self { app, state, loaded, operator: operator.to_owned(), before_wave }
    }

    /// What nodes count of their decisions now; a node that does not tell is absent.
    async fn decisions(&self, nodes: &[NodeId]) -> BTreeMap<NodeId, DecisionCounts> {
        let Ok((current, looked)) = self.app.observe_of(&self.state, &self.loaded, nodes).await
        else {
            return BTreeMap::new();
        };
        let counted = |id: &NodeId| {
            let standing = current.report(id)?.standing.as_deref()?;
            Some((id.clone(), standing.value.decisions?))
        };
        looked.iter().filter_map(counted).collect()
    }

    fn name(&self) -> &FleetId {
        &self.loaded.fleet.name
    }
}

impl EffectHandler for FleetEffects {
    async fn change_pins(&self, pins: &PinMove) -> Result<(), String> {
        self.app.change_pins(self.name(), pins, &self.operator).await.map_err(|error| error.message)
    }

    async fn pins_stand(&self, pins: &PinChange) -> Result<bool, String> {
        self.app.pins_stand(self.name(), pins).await.map_err(|error| error.message)
    }

    async fn perform(&self, request: &Request<'_>) -> EffectOutcome {
        let Some(node) = self.loaded.fleet.nodes.get(request.node) else {
            return EffectOutcome::Refused {
                message: format!("{} is not a node of this fleet", request.node),
            };
        };
        let step = Some(PlanStep { plan: request.plan, run: request.run });
        let idempotency_key = Some(request.key);
        let attempt = Attempt { deadline: EFFECT_DEADLINE, idempotency_key, step };
        let operation = operation(request.effect);
        let outcome =
            perform(&self.loaded.pool, node, &operation, &attempt, &self.app.wall()).await;
        match outcome {
            Outcome::Accepted { detail } => EffectOutcome::Accepted { detail },
            Outcome::Refused { message } => EffectOutcome::Refused { message },
            Outcome::Missing { message } => EffectOutcome::Missing { message },
            Outcome::InDoubt { message } => EffectOutcome::InDoubt { message },
            Outcome::NotSent { failure } => EffectOutcome::Refused { message: failure.message },
        }
    }

    /// Asked before each wave, so the decisions counted until then are remembered here as well.
    async fn set_difference(&self, plan: &Plan) -> Option<String> {
        // A direct action was planned a moment ago.
        plan.rollout.as_ref()?;
        if compares_decisions(plan) {
            let nodes: Vec<NodeId> = plan.targets().map(|target| target.node.clone()).collect();
            let counted = self.decisions(&nodes).await;
            *self.before_wave.lock().expect("no panic while it is held") = counted;
        }
        // The fleet file as it is now, not as it was when the run began.
        let (_, now) = match self.app.loaded(self.name().as_str()) {
            Ok(loaded) => loaded,
            Err(error) => return Some(error.message),
        };
        let members: BTreeSet<NodeId> = now.fleet.nodes.keys().cloned().collect();
        plan.set_difference(&members).map(|difference| difference.to_string())
    }

    async fn measure(
        &self,
        check: &GateCheck,
        nodes: &[NodeId],
        _since: Timestamp,
    ) -> Result<i64, String> {
        match check {
            GateCheck::ErrorRate { .. } => {
                let now = self.decisions(nodes).await;
                let before = self.before_wave.lock().expect("no panic while it is held");
                error_ppm(&now, &before)
            }
            GateCheck::Latency { .. } => Err("these nodes do not tell how long they decide".into()),
            GateCheck::Prometheus { .. } => Err("no Prometheus is known to this console".into()),
            // The executor judges these by itself.
            GateCheck::Convergence { .. } | GateCheck::Attest { .. } => {
                Err("this is not measured".into())
            }
        }
    }

    async fn observe(&self, nodes: &[NodeId]) -> Vec<(NodeId, Result<Observation, String>)> {
        let looked = self.app.observe_of(&self.state, &self.loaded, nodes).await;
        let of = |id: &NodeId| match &looked {
            Ok((current, looked)) if looked.contains(id) => {
                observation(current.snapshot.nodes.get(id))
            }
            Ok(_) => Err("was not looked at".to_owned()),
            Err(error) => Err(chain(error)),
        };
        nodes.iter().map(|id| (id.clone(), of(id))).collect()
    }
}

/// Whether a gate of a plan needs to know what nodes had counted before a wave.
fn compares_decisions(plan: &Plan) -> bool {
    let gates = plan.waves.iter().filter_map(|wave| wave.gate.as_ref());
    gates.flat_map(|gate| &gate.checks).any(|check| matches!(check, GateCheck::ErrorRate { .. }))
}

/// Failed decisions in a million since the wave began. A counter that fell was started anew.
fn error_ppm(
    now: &BTreeMap<NodeId, DecisionCounts>,
    before: &BTreeMap<NodeId, DecisionCounts>,
) -> Result<i64, String> {
    let (mut all, mut failed) = (0_u64, 0_u64);
    for (node, now) in now {
        let Some(before) = before.get(node) else {
            return Err(format!("what {node} had counted before the wave is not known"));
        };
        let before = if before.all <= now.all { *before } else { DecisionCounts::default() };
        all += now.all - before.all;
        failed += now.failed.saturating_sub(before.failed);
    }
    if all == 0 {
        return Err("no decision was counted since the wave began".to_owned());
    }
    Ok(i64::try_from(u128::from(failed) * 1_000_000 / u128::from(all)).unwrap_or(i64::MAX))
}

/// What a report that read an agent's status holds in its settings.
const STATUS_READ: &str = "agent.version";

pub(crate) fn observation(
    seen: Option<&plumb_fleet::NodeObservation>,
) -> Result<Observation, String> {
    let Some(seen) = seen else { return Err("never seen".to_owned()) };
    if let Some(failure) = &seen.failure {
        return Err(failure.message.clone());
    }
    let Some(report) = &seen.report else { return Err("never seen".to_owned()) };
    Ok(Observation {
        version: report.version.as_ref().map(|v| v.value.clone()),
        content: report.content.as_ref().map(|c| c.value),
        loaded_at: report.loaded_at.as_ref().map(|at| at.value),
        pinned: report.pinned.as_ref().map(|pin| pin.value.clone()),
        // A pin without a content is one, too; without its status an agent tells nothing of pins.
        unpinned: report.pinned.is_none()
            && report.config.contains_key(STATUS_READ)
            && !report.config.contains_key(PINNED_VERSION),
        settings: report.config.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(node: &str, all: u64, failed: u64) -> BTreeMap<NodeId, DecisionCounts> {
        [(NodeId::new(node).expect("a name"), DecisionCounts { all, failed })].into()
    }

    #[track_caller]
    fn check(before: &BTreeMap<NodeId, DecisionCounts>, now: (u64, u64)) -> Result<i64, String> {
        error_ppm(&counted("gw-1", now.0, now.1), before)
    }

    #[test]
    fn only_decisions_since_the_wave_began_count() {
        let before = counted("gw-1", 10_000_000, 40);
        assert_eq!(check(&before, (10_001_000, 540)), Ok(500_000));
        assert_eq!(check(&before, (200, 3)), Ok(15_000), "the node was started anew");
        assert!(check(&before, (10_000_000, 40)).is_err(), "nobody asked");
    }

    #[test]
    fn what_was_counted_before_is_never_guessed() {
        let not_known = check(&BTreeMap::new(), (10_001_000, 540));
        let why = "what gw-1 had counted before the wave is not known".to_owned();
        assert_eq!(not_known, Err(why));
    }
}
