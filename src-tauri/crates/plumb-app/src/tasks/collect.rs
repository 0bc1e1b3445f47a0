//! Sweeps: look at every node, store what changed, announce it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use jiff::Timestamp;
use plumb_clients::{SweepOptions, operations, sweep};
use plumb_fleet::{
    ContentDigest, Node, NodeFailure, NodeId, NodeReport, Snapshot, SnapshotBuilder,
};
use plumb_store::SweepMeta;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tracing::{info, instrument, warn};

use crate::{
    app::{App, FleetState, Loaded},
    current::{Current, Sweep},
    error::AppError,
    ids::new_id,
    topics::Topic,
};

/// Behind other windows a fleet is swept this many times more slowly.
const BACKGROUND_FACTOR: u32 = 4;
/// A period varies by up to this share, so that consoles do not sweep in step.
const JITTER_SHARE: f64 = 0.1;
/// Nodes asked for policies whose digest nobody has seen, before giving up until the next sweep.
const CONTENT_TRIES: usize = 3;
/// How long one node may take to send its policies.
const CONTENT_DEADLINE: Duration = Duration::from_secs(20);

/// What was seen of one node in a pass.
type Seen = (NodeId, Timestamp, Result<NodeReport, NodeFailure>);

impl App {
    /// Asks for a sweep now; with tasks running it starts at once in the background.
    pub async fn refresh(&self, fleet: &str) -> Result<(), AppError> {
        let (state, _) = self.loaded(fleet)?;
        if self.0.options.sweep_on_period {
            state.wake.notify_one();
            Ok(())
        } else {
            self.sweep(fleet).await.map(drop)
        }
    }

    /// Sweeps a fleet and stores the result.
    #[instrument(skip_all, fields(fleet))]
    pub async fn sweep(&self, fleet: &str) -> Result<Current, AppError> {
        let (state, loaded) = self.loaded(fleet)?;
        state.sweeping.store(true, Ordering::Relaxed);
        self.announce([Topic::Shell]);
        let result = self.sweep_loaded(&state, &loaded).await;
        state.sweeping.store(false, Ordering::Relaxed);
        self.announce([Topic::Shell]);
        result
    }

    async fn sweep_loaded(&self, state: &FleetState, loaded: &Loaded) -> Result<Current, AppError> {
        let started_at = self.now();
        let nodes: Vec<Arc<Node>> =
            loaded.fleet.nodes.values().map(|node| Arc::new(node.clone())).collect();
        let jitter = if self.0.options.sweep_on_period { 500 } else { 0 };
        let seen = self.look(loaded, &nodes, Duration::from_millis(jitter)).await;
        let finished_at = self.now();
        let current =
            self.keep(state, loaded, seen, Some(SweepMeta { started_at, finished_at })).await?;
        state.swept.store(true, Ordering::Relaxed);
        info!(answered = current.snapshot.answered(), nodes = nodes.len(), "swept");
        Ok(current)
    }

    /// Looks at some nodes now, as the proof of a run does, and stores what they say.
    pub(crate) async fn observe_nodes(
        &self,
        fleet: &str,
        nodes: &[NodeId],
    ) -> Result<Arc<Snapshot>, AppError> {
        let (state, loaded) = self.loaded(fleet)?;
        let nodes: Vec<Arc<Node>> = nodes
            .iter()
            .filter_map(|id| loaded.fleet.nodes.get(id))
            .map(|node| Arc::new(node.clone()))
            .collect();
        let seen = self.look(&loaded, &nodes, Duration::ZERO).await;
        Ok(self.keep(&state, &loaded, seen, None).await?.snapshot)
    }

    async fn look(&self, loaded: &Loaded, nodes: &[Arc<Node>], jitter: Duration) -> Vec<Seen> {
        let options = SweepOptions {
            deadline: Duration::from_secs(u64::from(loaded.fleet.deadline_s)),
            jitter,
            ..SweepOptions::default()
        };
        let mut rng = StdRng::from_rng(&mut rand::rng());
        let mut seen = Vec::with_capacity(nodes.len());
        sweep(&loaded.pool, nodes, options, &mut rng, &self.wall(), &self.0.cancel, |result| {
            let report = result.result.map(|mut report| {
                // Policies are kept once by content, not once a node.
                report.policies = None;
                report
            });
            seen.push((result.node.id.clone(), result.at, report));
        })
        .await;
        seen
    }

    /// Stores what was seen over the newest snapshot; an older look never hides a newer one.
    async fn keep(
        &self,
        state: &FleetState,
        loaded: &Loaded,
        seen: Vec<Seen>,
        sweep: Option<SweepMeta>,
    ) -> Result<Current, AppError> {
        let _one_at_a_time = state.storing.lock().await;
        // Another process may have stored since; its snapshot is the one to build on.
        let before = self.read_current(state, loaded).await?;
        let mut builder = SnapshotBuilder::new(
            loaded.fleet.name.clone(),
            loaded.fleet.nodes.keys().cloned(),
            Some(&before.snapshot),
        );
        for (id, at, result) in seen {
            let known = before.snapshot.nodes.get(&id).and_then(|node| node.attempted_at);
            if known.is_some_and(|known| known > at) {
                continue;
            }
            match result {
                Ok(report) => builder.report(report),
                Err(failure) => builder.failure(&id, at, failure),
            }
        }
        let taken_at = self.now().max(before.snapshot.taken_at);
        let snapshot = builder.finish(new_id(taken_at), taken_at);
        self.learn_contents(loaded, &snapshot).await?;
        let mut current = Current { snapshot: Arc::new(snapshot), ..before.clone() };
        let meta = sweep.or(before.sweep.map(|sweep| SweepMeta {
            started_at: sweep.started_at,
            finished_at: sweep.finished_at,
        }));
        let meta = meta.unwrap_or(SweepMeta { started_at: taken_at, finished_at: taken_at });
        current.sweep = Some(Sweep {
            started_at: meta.started_at,
            finished_at: meta.finished_at,
            answered: u32::try_from(current.snapshot.answered()).unwrap_or(u32::MAX),
            total: u32::try_from(current.snapshot.nodes.len()).unwrap_or(u32::MAX),
        });
        let assessment = current.assess(taken_at);
        let mut cache = self.cache().write().await?;
        let previous = Some(&*before.snapshot);
        let changed = plumb_store::snapshots::insert(
            &mut cache,
            &current.snapshot,
            &assessment,
            previous,
            meta,
        )
        .await?;
        cache.commit().await?;
        *state.current.lock().expect("no panic while a fleet is held") = Some(current.clone());
        let name = &loaded.fleet.name;
        self.announce([Topic::Shell, Topic::fleet(name)]);
        self.announce(changed.iter().map(|node| Topic::node(name, node)));
        Ok(current)
    }

    /// Reads the policies of contents never seen before from a node that runs them.
    async fn learn_contents(&self, loaded: &Loaded, snapshot: &Snapshot) -> Result<(), AppError> {
        let mut carriers: BTreeMap<ContentDigest, Vec<&NodeId>> = BTreeMap::new();
        for (id, node) in &snapshot.nodes {
            if node.failure.is_none()
                && let Some(content) =
                    node.report.as_ref().and_then(|report| report.content.as_ref())
            {
                carriers.entry(content.value).or_default().push(id);
            }
        }
        let digests: BTreeSet<ContentDigest> = carriers.keys().copied().collect();
        let mut learned = Vec::new();
        for digest in self.unknown_contents(&digests).await? {
            for id in carriers[&digest].iter().take(CONTENT_TRIES) {
                let node = &loaded.fleet.nodes[*id];
                match operations::policies(&loaded.pool, node, CONTENT_DEADLINE, &self.wall()).await
                {
                    Ok(content) if content.digest == digest => {
                        learned.push(content);
                        break;
                    }
                    Ok(_) => warn!(node = %id, "its policies changed while they were read"),
                    Err(failure) => {
                        warn!(node = %id, error = %failure.message, "policies not read");
                    }
                }
            }
        }
        self.keep_contents(learned).await
    }

    /// Sweeps a fleet on its period, and at once when woken, until it is closed.
    pub(crate) async fn sweep_on_period(self, state: Arc<FleetState>) {
        loop {
            tokio::select! {
                () = state.stop.cancelled() => return,
                result = self.sweep(state.name.as_str()) => {
                    if let Err(error) = result {
                        warn!(fleet = %state.name, error = %error.message, "sweep not stored");
                    }
                }
            }
            let period = self.period(&state);
            tokio::select! {
                () = state.stop.cancelled() => return,
                () = state.wake.notified() => {}
                () = tokio::time::sleep(period) => {}
            }
        }
    }

    fn period(&self, state: &FleetState) -> Duration {
        let seconds = state.loaded.as_ref().map_or(30, |loaded| loaded.fleet.sweep_interval_s);
        let factor = if self.0.visible.load(Ordering::Relaxed) { 1 } else { BACKGROUND_FACTOR };
        let share = 1.0 + rand::rng().random_range(-JITTER_SHARE..JITTER_SHARE);
        Duration::from_secs(u64::from(seconds.saturating_mul(factor))).mul_f64(share)
    }
}
