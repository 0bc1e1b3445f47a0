//! Effects carried out through the node API adapters.

mod answers;
mod gauges;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use plumb_clients::{
    Attempt, Durations, Outcome, PlanStep, decision_durations, hub::HubError, perform,
    query_prometheus,
};
use plumb_exec::{EffectHandler, Observation, PinMove, Request};
use plumb_fleet::{
    BundleDigest, ContentDigest, DecisionCounts, FleetId, NodeId, snapshot::PINNED_VERSION,
};
use plumb_journal::EffectOutcome;
use plumb_runbook::{Effect, GateCheck, PinChange, Plan};

use self::{
    answers::KnownAnswers,
    gauges::{Before, compares_decisions, compares_durations, error_ppm, milli, p95_us},
};
use crate::{
    actions::{prepare::operation, submit::Submission},
    app::{App, FleetState, Loaded},
    error::chain,
    ports::lock::FleetLock,
};

/// How long one effect may take: a reload of the largest bundle on a slow disk answers within it.
const EFFECT_DEADLINE: Duration = Duration::from_secs(30);
/// Nodes asked at the same time for their metrics.
const NODES_AT_ONCE: usize = 32;

/// The handler of one run: its fleet is frozen, so a fleet file saved meanwhile changes nothing.
#[derive(Debug)]
pub(crate) struct FleetEffects {
    app: App,
    state: Arc<FleetState>,
    loaded: Loaded,
    operator: String,
    /// The plan as it is handed to nodes that verify its approvals.
    submission: Submission,
    /// Under which the hub changes what nodes run.
    lock: Arc<FleetLock>,
    /// What was last known to be refused.
    refused: Mutex<BTreeSet<ContentDigest>>,
    before_wave: Mutex<Before>,
    /// What nodes exchange for what.
    changes: BTreeMap<NodeId, (Option<ContentDigest>, ContentDigest)>,
    /// What they must answer then.
    expected: Mutex<KnownAnswers>,
}

impl FleetEffects {
    pub(crate) fn new(
        app: App,
        state: Arc<FleetState>,
        loaded: Loaded,
        operator: &str,
        submission: Submission,
        lock: Arc<FleetLock>,
        plan: &Plan,
    ) -> Self {
        let (refused, before_wave, expected) =
            (Mutex::default(), Mutex::default(), Mutex::default());
        let operator = operator.to_owned();
        let changes = plan
            .targets()
            .filter_map(|target| {
                Some((target.node.clone(), (target.before.content, target.after.content?)))
            })
            .collect();
        Self {
            app,
            state,
            loaded,
            operator,
            submission,
            lock,
            refused,
            before_wave,
            changes,
            expected,
        }
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

    /// How long decisions of nodes took until now, and why it is not known of others.
    async fn durations(&self, nodes: &[NodeId]) -> Vec<(NodeId, Result<Durations, String>)> {
        let known = nodes.iter().filter_map(|id| self.loaded.fleet.nodes.get(id));
        let questions: Vec<_> = known
            .map(|node| async {
                let said =
                    decision_durations(&self.loaded.pool, node, self.deadline(), &self.app.wall())
                        .await;
                (node.id.clone(), said.map_err(|failure| failure.message))
            })
            .collect();
        stream::iter(questions).buffer_unordered(NODES_AT_ONCE).collect().await
    }

    /// The value of a query in thousandths.
    async fn value(&self, query: &str) -> Result<i64, String> {
        let Some(server) = &self.loaded.fleet.prometheus else {
            return Err("the fleet file names no Prometheus".to_owned());
        };
        let wall = self.app.wall();
        let asked = query_prometheus(&self.loaded.pool, server, query, self.deadline(), &wall);
        asked.await.map(milli).map_err(|error| error.to_string())
    }

    /// Keeps what nodes count before a wave begins, where a gate will ask what came since.
    async fn remember(&self, plan: &Plan) {
        let nodes: Vec<NodeId> = plan.targets().map(|target| target.node.clone()).collect();
        let mut before = Before::default();
        if compares_decisions(plan) {
            before.decisions = self.decisions(&nodes).await;
        }
        if compares_durations(plan) {
            let told = self.durations(&nodes).await.into_iter();
            before.durations = told.filter_map(|(node, told)| Some((node, told.ok()?))).collect();
        }
        *self.before_wave.lock().expect("no panic while it is held") = before;
    }

    /// Has the hub serve a bundle to a node that follows it.
    async fn serve(&self, request: &Request<'_>, digest: BundleDigest) -> EffectOutcome {
        let hub = match self.app.hub(&self.loaded).await {
            Ok(Some(hub)) => hub,
            Ok(None) => {
                let message = "the fleet file names no hub that could serve it".to_owned();
                return EffectOutcome::Refused { message };
            }
            Err(error) => return EffectOutcome::Refused { message: error.to_string() },
        };
        let reason = format!("run {} of {}", request.run, self.operator);
        match hub.serve(request.node, digest, reason, self.lock.hub_lease()).await {
            Ok(_) => {
                EffectOutcome::Accepted { detail: format!("the hub serves {}", digest.short()) }
            }
            Err(HubError::Refused { status: 404, detail, .. }) => {
                EffectOutcome::Missing { message: detail }
            }
            Err(error) if error.is_in_doubt() => {
                EffectOutcome::InDoubt { message: error.to_string() }
            }
            Err(error) => EffectOutcome::Refused { message: error.to_string() },
        }
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(u64::from(self.loaded.fleet.deadline_s))
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
        if let Effect::Serve { digest, .. } = request.effect {
            return self.serve(request, *digest).await;
        }
        let Some(operation) = operation(request.effect) else {
            let message = "this cannot be asked of a node".to_owned();
            return EffectOutcome::Refused { message };
        };
        let now = self.app.wall();
        if let Err(message) = self.submission.taken_by(&self.loaded.pool, node, &now).await {
            return EffectOutcome::Refused { message };
        }
        let step = Some(PlanStep { plan: request.plan, run: request.run });
        let idempotency_key = Some(request.key);
        let attempt = Attempt { deadline: EFFECT_DEADLINE, idempotency_key, step };
        let outcome = perform(&self.loaded.pool, node, &operation, &attempt, &now).await;
        match outcome {
            Outcome::Accepted { detail } => EffectOutcome::Accepted { detail },
            Outcome::Refused { message } => EffectOutcome::Refused { message },
            Outcome::Missing { message } => EffectOutcome::Missing { message },
            Outcome::InDoubt { message } => EffectOutcome::InDoubt { message },
            Outcome::NotSent { failure } => EffectOutcome::Refused { message: failure.message },
        }
    }

    /// What is refused now, by whichever process; the run's own copy of its fleet is frozen.
    fn refused(&self) -> BTreeSet<ContentDigest> {
        let state = self.app.state(self.name().as_str()).unwrap_or_else(|_| self.state.clone());
        let current = state.current.lock().expect("no panic while a fleet is held");
        let mut refused = self.refused.lock().expect("no panic while it is held");
        if let Some(current) = &*current {
            refused.clone_from(&current.desired.refused);
        }
        refused.clone()
    }

    /// Asked before each wave, so the decisions counted until then are remembered here as well.
    async fn set_difference(&self, plan: &Plan) -> Option<String> {
        // A direct action was planned a moment ago.
        plan.rollout.as_ref()?;
        self.remember(plan).await;
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
                error_ppm(&now, &before.decisions)
            }
            GateCheck::Latency { .. } => {
                let now = self.durations(nodes).await;
                let before = self.before_wave.lock().expect("no panic while it is held");
                p95_us(&now, &before.durations)
            }
            GateCheck::Prometheus { query, .. } => self.value(query).await,
            GateCheck::Decisions => Box::pin(self.unexpected(nodes)).await,
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
