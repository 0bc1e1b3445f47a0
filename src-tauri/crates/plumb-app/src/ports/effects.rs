//! Effects carried out through the node API adapters.

use std::{sync::Arc, time::Duration};

use plumb_clients::{Attempt, Outcome, perform};
use plumb_exec::{EffectHandler, Observation, Request};
use plumb_fleet::{DesiredVersion, FleetId, NodeId, snapshot::PINNED_VERSION};
use plumb_journal::EffectOutcome;
use plumb_runbook::{DesiredChange, PinChange, Plan};

use crate::{
    actions::prepare::operation,
    app::{App, FleetState, Loaded},
    error::chain,
};

/// How long one effect may take: a reload of the largest bundle on a slow disk answers within it.
const EFFECT_DEADLINE: Duration = Duration::from_secs(30);

/// The handler of one run: its fleet is frozen, so a fleet file saved meanwhile changes nothing.
#[derive(Debug, Clone)]
pub(crate) struct FleetEffects {
    pub app: App,
    pub state: Arc<FleetState>,
    pub loaded: Loaded,
    pub operator: String,
}

impl FleetEffects {
    fn name(&self) -> &FleetId {
        &self.loaded.fleet.name
    }
}

impl EffectHandler for FleetEffects {
    async fn set_desired(&self, change: &DesiredChange) -> Result<(), String> {
        let desired = DesiredVersion {
            version: change.version.clone(),
            content: change.content,
            pinned_by: Some(self.operator.clone()),
            since: Some(self.app.now()),
        };
        self.app
            .set_desired(self.name(), change.nodes.as_deref(), &desired)
            .await
            .map_err(|error| error.message)
    }

    async fn change_pins(&self, pins: &PinChange) -> Result<(), String> {
        self.app.change_pins(self.name(), pins, &self.operator).await.map_err(|error| error.message)
    }

    async fn perform(&self, request: &Request<'_>) -> EffectOutcome {
        let Some(node) = self.loaded.fleet.nodes.get(request.node) else {
            return EffectOutcome::Refused {
                message: format!("{} is not a node of this fleet", request.node),
            };
        };
        let attempt = Attempt { deadline: EFFECT_DEADLINE, idempotency_key: Some(request.key) };
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

    /// The run's own fleet is frozen; this looks at the fleet file as it stands now.
    async fn set_difference(&self, plan: &Plan) -> Option<String> {
        let (_, now) = match self.app.loaded(self.name().as_str()) {
            Ok(loaded) => loaded,
            Err(error) => return Some(error.message),
        };
        let members = now.fleet.nodes.keys().cloned().collect();
        plan.set_difference(&members).map(|difference| difference.to_string())
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
