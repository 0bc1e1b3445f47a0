//! The deployment lock of the nodes of a plan: a lease on each agent that grants one, and at the hub of the fleet.

mod at_hub;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use plumb_clients::{
    hub::HubError,
    operations::{ask_lock, lock},
};
use plumb_exec::{Lock, LockError};
use plumb_fleet::{FleetId, NodeId, RunId, snapshot::LOCK_OWNER};
use plumb_runbook::{HeldLock, Plan};
use plumb_wire::v1::{LockAnswer, LockHeld, LockRequest};

use self::at_hub::HubLease;
use crate::{
    app::{App, Loaded},
    error::{AppError, Code},
};

/// How long a lease lasts. It is made longer after a third of that, and a console that dies keeps others
/// out no longer.
const LEASE_S: u32 = 30;
const LEASE: Duration = Duration::from_secs(LEASE_S as u64);
/// Agents asked at the same time.
const ASKED_AT_ONCE: usize = 64;
/// Nodes asked while a plan is looked at; at its start all of them are.
const LOOKED_AT_MAX: usize = 32;

/// The lock of one run.
#[derive(Debug)]
pub(crate) struct FleetLock {
    app: App,
    loaded: Loaded,
    run: RunId,
    owner: String,
    nodes: Vec<NodeId>,
    /// Where the fleet has a hub.
    at_hub: Option<HubLease>,
    granted: Mutex<BTreeSet<NodeId>>,
}

/// What the nodes said.
#[derive(Debug, Default)]
struct Answers {
    granted: BTreeSet<NodeId>,
    held: Option<(NodeId, LockHeld)>,
    silent: Option<String>,
}

impl FleetLock {
    /// The lock over the nodes of a plan that were seen to have one, and over the fleet at its hub.
    pub(crate) async fn new(
        app: App,
        loaded: Loaded,
        run: RunId,
        plan: &Plan,
    ) -> Result<Self, HubError> {
        let nodes = lockable(&app, &loaded.fleet.name, plan);
        let owner = app.0.options.operator.clone();
        let hub = app.hub(&loaded).await?;
        let at_hub = hub.map(|hub| HubLease::new(app.clone(), hub, run));
        Ok(Self { app, loaded, run, owner, nodes, at_hub, granted: Mutex::default() })
    }

    /// Ends the lease of a run that a program left behind; a node that says nothing ends it by itself.
    pub(crate) async fn give_back(&self) {
        if let Some(at_hub) = &self.at_hub {
            at_hub.end_left_behind().await;
        }
        self.ask(self.nodes.clone(), &self.run.to_string(), 0).await;
    }

    /// What proves to the hub that this run may change what its nodes run.
    pub(crate) fn hub_lease(&self) -> Option<String> {
        self.at_hub.as_ref().and_then(HubLease::lease)
    }

    async fn ask(&self, nodes: Vec<NodeId>, run: &str, ttl_s: u32) -> Answers {
        let request = LockRequest { run: run.to_owned(), owner: self.owner.clone(), ttl_s };
        let deadline = Duration::from_secs(u64::from(self.loaded.fleet.deadline_s));
        let now = self.app.wall();
        let questions: Vec<_> = nodes
            .into_iter()
            .filter_map(|id| Some((self.loaded.fleet.nodes.get(&id)?.clone(), id)))
            .map(|(node, id)| {
                let (request, now, pool) = (&request, now.clone(), &self.loaded.pool);
                async move { (id, ask_lock(pool, &node, request, deadline, &now).await) }
            })
            .collect();
        let mut asked = stream::iter(questions).buffer_unordered(ASKED_AT_ONCE);
        let mut answers = Answers::default();
        while let Some((node, answer)) = asked.next().await {
            match answer {
                Ok(LockAnswer { granted: true, .. }) => {
                    answers.granted.insert(node);
                }
                Ok(LockAnswer { held: Some(held), .. }) => answers.held = Some((node, held)),
                // Given back.
                Ok(LockAnswer { held: None, .. }) => {}
                Err(failure) => answers.silent = Some(format!("{node}: {}", failure.message)),
            }
        }
        answers
    }

    fn granted(&self) -> BTreeSet<NodeId> {
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A lease is asked of every node. One that says nothing now takes no change either, and once it
    /// answers it lets in nobody else than who holds its lock; so silence of some is no reason to stop.
    async fn hold_on_agents(&self) -> Result<Option<Duration>, LockError> {
        if self.nodes.is_empty() {
            return Ok(None);
        }
        let run = self.run.to_string();
        let mut answers = self.ask(self.nodes.clone(), &run, LEASE_S).await;
        if let Some((_, held)) = &answers.held
            && self.app.is_left_behind(&held.run)
        {
            // A run of ours that was killed: nobody would give its lease back.
            self.ask(self.nodes.clone(), &held.run, 0).await;
            answers = self.ask(self.nodes.clone(), &run, LEASE_S).await;
        }
        let held_before = {
            let mut granted = self.granted.lock().unwrap_or_else(PoisonError::into_inner);
            let before = !granted.is_empty();
            granted.extend(answers.granted.iter().cloned());
            before
        };
        if let Some((node, held)) = answers.held {
            if !held_before {
                self.release_agents().await;
            }
            let left_s = held.left_ms.div_ceil(1_000);
            let by = format!("{} on {node}, for another {left_s} s", held.owner);
            return Err(LockError::Held { by });
        }
        match answers.silent {
            Some(message) if answers.granted.is_empty() && held_before => {
                Err(LockError::NoAnswer { message })
            }
            _ if answers.granted.is_empty() => Ok(None),
            _ => Ok(Some(LEASE)),
        }
    }

    async fn release_agents(&self) {
        let granted: Vec<NodeId> = self.granted().into_iter().collect();
        self.ask(granted, &self.run.to_string(), 0).await;
        self.granted.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Lock for FleetLock {
    /// First at the hub, where one request says who deploys, then on the agents.
    async fn hold(&self) -> Result<Option<Duration>, LockError> {
        let Some(at_hub) = &self.at_hub else { return self.hold_on_agents().await };
        let held_before = at_hub.lease().is_some();
        at_hub.hold().await?;
        let on_agents = self.hold_on_agents().await;
        if on_agents.is_err() && !held_before {
            at_hub.release().await;
        }
        // Both leases last as long.
        on_agents.map(|_| Some(LEASE))
    }

    async fn release(&self) {
        self.release_agents().await;
        if let Some(at_hub) = &self.at_hub {
            at_hub.release().await;
        }
    }

    fn owner(&self) -> String {
        self.owner.clone()
    }
}

/// Nodes of a plan that were seen to have a lock.
fn lockable(app: &App, fleet: &FleetId, plan: &Plan) -> Vec<NodeId> {
    let Ok(state) = app.state(fleet.as_str()) else { return Vec::new() };
    let current = state.current.lock().expect("no panic while a fleet is held").clone();
    let has_lock = |node: &NodeId| {
        let report = current.as_ref().and_then(|current| current.report(node));
        report.is_some_and(|report| report.config.contains_key(LOCK_OWNER))
    };
    plan.targets().map(|target| target.node.clone()).filter(has_lock).collect()
}

impl App {
    /// Takes the deployment lock of the nodes of a plan, before a run of it is recorded.
    pub(crate) async fn lease(
        &self,
        run: RunId,
        loaded: &Loaded,
        plan: &Plan,
    ) -> Result<Arc<FleetLock>, AppError> {
        let lock = FleetLock::new(self.clone(), loaded.clone(), run, plan).await?;
        match lock.hold().await {
            Ok(_) => Ok(Arc::new(lock)),
            Err(error @ (LockError::Held { .. } | LockError::NoAnswer { .. })) => {
                let hint = "wait for the end of that rollout, or ask its owner to end it";
                Err(AppError::new(Code::Busy, error.to_string(), hint))
            }
        }
    }

    /// Who holds the deployment lock of what a plan changes: as the hub says now, or the first of the nodes.
    pub(crate) async fn lock_held(&self, plan: &Plan) -> Option<HeldLock> {
        let (_, loaded) = self.loaded(plan.fleet.as_str()).ok()?;
        match self.lock_held_at_hub(&loaded).await {
            Some(held) => Some(held),
            None => self.lock_held_on_agents(&loaded, plan).await,
        }
    }

    async fn lock_held_at_hub(&self, loaded: &Loaded) -> Option<HeldLock> {
        let hub = self.hub(loaded).await.ok().flatten()?;
        // A hub that does not answer is told when the lock is asked for.
        let held = hub.lock().await.ok().filter(|held| held.held)?;
        if held.purpose.as_deref().is_some_and(|run| self.is_left_behind(run)) {
            return None;
        }
        Some(HeldLock { owner: format!("{} at the hub", held.holder?), until: held.until? })
    }

    async fn lock_held_on_agents(&self, loaded: &Loaded, plan: &Plan) -> Option<HeldLock> {
        let deadline = Duration::from_secs(u64::from(loaded.fleet.deadline_s));
        let now = self.wall();
        let nodes = lockable(self, &plan.fleet, plan);
        let questions: Vec<_> = nodes
            .iter()
            .take(LOOKED_AT_MAX)
            .filter_map(|id| loaded.fleet.nodes.get(id).cloned())
            .map(|node| {
                let (pool, now) = (&loaded.pool, now.clone());
                async move { lock(pool, &node, deadline, &now).await.ok().flatten() }
            })
            .collect();
        let mut asked = stream::iter(questions).buffer_unordered(LOOKED_AT_MAX);
        let mut longest: Option<LockHeld> = None;
        while let Some(held) = asked.next().await {
            let held = held.filter(|held| !self.is_left_behind(&held.run));
            longest = longest.into_iter().chain(held).max_by_key(|held| held.left_ms);
        }
        let held = longest?;
        // By our own clock: those of nodes may be wrong.
        let left = jiff::SignedDuration::from_millis(i64::try_from(held.left_ms).ok()?);
        Some(HeldLock { owner: held.owner, until: self.now().checked_add(left).ok()? })
    }
}
