//! Sweeps: look at every node, store what changed, announce it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use plumb_clients::{Now, SweepOptions, operations, sweep};
use plumb_fleet::{
    Content, ContentDigest, Fleet, Node, NodeFailure, NodeId, NodeReport, Snapshot,
    SnapshotBuilder, Verification,
};
use plumb_store::{SqliteConnection, SweepMeta, snapshots::Policies};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio_util::sync::CancellationToken;
use tracing::{info, instrument, warn};

use crate::{
    app::{App, FleetState, Loaded},
    current::Current,
    error::AppError,
    ids::new_id,
    topics::Topic,
    wishes::known,
};

/// Behind other windows a fleet is swept this many times more slowly.
const BACKGROUND_FACTOR: u32 = 4;
/// A period varies by up to this share, so that consoles do not sweep in step.
const JITTER_SHARE: f64 = 0.1;
/// Nodes asked for policies whose digest nobody has seen, before giving up until the next sweep.
const CONTENT_TRIES: usize = 3;
/// How long one node may take to send its policies.
const CONTENT_DEADLINE: Duration = Duration::from_secs(20);

/// Contents learned at the same time, and how long all of them together may take.
const LEARN_AT_ONCE: usize = 8;
const LEARN_MAX: Duration = Duration::from_mins(1);

/// Different verifications looked through for an equal one: a fleet has a few bundles, each told by many nodes.
const SHARED_MAX: usize = 16;

/// What was seen of one node in a pass.
struct Seen {
    node: NodeId,
    at: Timestamp,
    result: Result<NodeReport, NodeFailure>,
}

/// A pass over some nodes: when it began, and what was seen.
struct Look {
    began: Timestamp,
    seen: Vec<Seen>,
}

impl App {
    /// Asks for a sweep now; with tasks running it starts at once in the background.
    pub async fn refresh(&self, fleet: &str) -> Result<(), AppError> {
        self.only_live()?;
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
        self.only_live()?;
        let (state, loaded) = self.loaded(fleet)?;
        if !self.0.options.sweep_on_period {
            self.bundles_known(&state).await?;
        }
        state.sweeping.store(true, Ordering::Relaxed);
        self.announce([Topic::Shell]);
        let result = self.sweep_loaded(&state, &loaded).await;
        state.sweeping.store(false, Ordering::Relaxed);
        self.announce([Topic::Shell]);
        result
    }

    async fn sweep_loaded(&self, state: &FleetState, loaded: &Loaded) -> Result<Current, AppError> {
        let started_at = self.now();
        let earlier = self.current(loaded.fleet.name.as_str()).await?.snapshot;
        let nodes: Vec<Arc<Node>> = loaded.fleet.nodes.values().cloned().collect();
        let jitter = if self.0.options.sweep_on_period { 500 } else { 0 };
        let cancel = &self.0.cancel;
        let look = self.look(loaded, &nodes, Duration::from_millis(jitter), cancel).await;
        if cancel.is_cancelled() {
            return self.current(loaded.fleet.name.as_str()).await;
        }
        let meta = SweepMeta { started_at, finished_at: self.now() };
        let current = self.keep(state, loaded, look, Some(meta)).await?;
        state.swept.store(true, Ordering::Relaxed);
        info!(answered = current.snapshot.answered(), nodes = nodes.len(), "swept");
        self.learn_contents(loaded, &current.snapshot).await?;
        self.settle_interrupted(loaded, &current.snapshot).await?;
        self.raise(loaded, &earlier, &current).await;
        self.ask_for_agreement(loaded);
        Ok(current)
    }

    /// Looks at some nodes now and stores what they say.
    pub(crate) async fn observe_nodes(
        &self,
        fleet: &str,
        nodes: &[NodeId],
    ) -> Result<Arc<Snapshot>, AppError> {
        self.only_live()?;
        let (state, loaded) = self.loaded(fleet)?;
        // What is stored stands on a sweep: before the first one a look at some is a look at all.
        if !self.was_swept(&loaded).await? {
            return Ok(self.sweep(fleet).await?.snapshot);
        }
        let (current, _) = self.observe_of(&state, &loaded, nodes).await?;
        self.learn_contents(&loaded, &current.snapshot).await?;
        Ok(current.snapshot)
    }

    /// As [`Self::observe_nodes`] over a fleet that the caller holds; also names the nodes that were really looked at.
    pub(crate) async fn observe_of(
        &self,
        state: &FleetState,
        loaded: &Loaded,
        nodes: &[NodeId],
    ) -> Result<(Current, BTreeSet<NodeId>), AppError> {
        let nodes: Vec<Arc<Node>> =
            nodes.iter().filter_map(|id| loaded.fleet.nodes.get(id)).cloned().collect();
        // A look for a proof is not cut short by the program's end: the run decides when to stop.
        let look = self.look(loaded, &nodes, Duration::ZERO, &CancellationToken::new()).await;
        let looked: BTreeSet<NodeId> = look.seen.iter().map(|seen| seen.node.clone()).collect();
        Ok((self.keep(state, loaded, look, None).await?, looked))
    }

    /// Whether what is seen of some nodes has a sweep to be added to.
    async fn was_swept(&self, loaded: &Loaded) -> Result<bool, AppError> {
        let mut conn = self.cache().read().await?;
        Ok(!plumb_store::sweeps::list(&mut conn, &loaded.fleet.name, 1).await?.is_empty())
    }

    async fn look(
        &self,
        loaded: &Loaded,
        nodes: &[Arc<Node>],
        jitter: Duration,
        cancel: &CancellationToken,
    ) -> Look {
        let options = SweepOptions {
            deadline: Duration::from_secs(u64::from(loaded.fleet.deadline_s)),
            jitter,
            ..SweepOptions::default()
        };
        let mut rng = StdRng::from_rng(&mut rand::rng());
        let began = self.now();
        let mut seen = Vec::with_capacity(nodes.len());
        sweep(&loaded.pool, nodes, options, &mut rng, &self.wall(), cancel, |result| {
            let report = result.result.map(|mut report| {
                // Policies are kept once by content, not once a node.
                report.policies = None;
                report
            });
            seen.push(Seen { node: result.node.id.clone(), at: result.at, result: report });
        })
        .await;
        Look { began, seen }
    }

    /// Stores what was seen over the newest snapshot, in one transaction with reading it, so that processes do not
    /// overwrite each other. A look that began before a node was seen otherwise never hides what was seen then. Only a
    /// look at the whole fleet is a `sweep`; any other leaves the newest sweep's moments and the other nodes alone.
    async fn keep(
        &self,
        state: &FleetState,
        loaded: &Loaded,
        look: Look,
        sweep: Option<SweepMeta>,
    ) -> Result<Current, AppError> {
        // A node is not silent because we stopped listening.
        loaded.asked_to_the_end()?;
        let _one_at_a_time = state.storing.lock().await;
        let name = &loaded.fleet.name;
        let desired = Arc::new(self.read_desired(&loaded.fleet).await?);
        let mut cache = self.cache().write().await?;
        let (before, former) = newest(&mut cache, state, &loaded.fleet).await?;
        let looked: BTreeSet<NodeId> = look.seen.iter().map(|seen| seen.node.clone()).collect();
        let at = self.now().max(before.taken_at);
        let snapshot = merged(loaded, &before, look, at, sweep.is_some());
        let current = Current::of(loaded.fleet.clone(), snapshot, sweep.or(former), desired);
        let assessment = current.assess(at);
        let (fresh, former) = (&current.snapshot, Some(&*before));
        let changed = match sweep {
            Some(meta) => {
                plumb_store::snapshots::insert(&mut cache, fresh, &assessment, former, meta).await?
            }
            None => {
                plumb_store::snapshots::amend(&mut cache, fresh, &assessment, former, &looked, at)
                    .await?
                    .unwrap_or_else(|| {
                        // The cache was set aside meanwhile. The next sweep fills the new one.
                        warn!(fleet = %name, "no sweep to add a look to; it is kept in memory");
                        looked
                    })
            }
        };
        cache.commit().await?;
        replace_snapshot(state, &current);
        self.announce([Topic::Shell, Topic::fleet(name)]);
        self.announce(changed.iter().map(|node| Topic::node(name, node)));
        Ok(current)
    }

    /// Reads the policies of contents never seen before from a node that runs them, under one deadline for all.
    async fn learn_contents(&self, loaded: &Loaded, snapshot: &Snapshot) -> Result<(), AppError> {
        let mut carriers: BTreeMap<ContentDigest, Vec<NodeId>> = BTreeMap::new();
        for (id, node) in &snapshot.nodes {
            if node.failure.is_none()
                && let Some(content) =
                    node.report.as_deref().and_then(|report| report.content.as_ref())
            {
                carriers.entry(content.value).or_default().push(id.clone());
            }
        }
        let unknown = self.unknown_contents(&carriers.keys().copied().collect()).await?;
        if unknown.is_empty() {
            return Ok(());
        }
        let questions: Vec<_> = unknown
            .into_iter()
            .map(|digest| {
                learn(loaded, digest, carriers.remove(&digest).unwrap_or_default(), self.wall())
            })
            .collect();
        let mut learned = Vec::new();
        let learning = async {
            let mut answers = stream::iter(questions).buffer_unordered(LEARN_AT_ONCE);
            while let Some(answer) = answers.next().await {
                learned.extend(answer);
            }
        };
        tokio::select! {
            () = self.0.cancel.cancelled() => {}
            outcome = tokio::time::timeout(LEARN_MAX, learning) => {
                if outcome.is_err() {
                    warn!(fleet = %loaded.fleet.name, "some policies were not read in time");
                }
            }
        }
        self.keep_contents(learned).await?;
        self.announce([Topic::fleet(&loaded.fleet.name)]);
        Ok(())
    }

    /// Sweeps a fleet on its period, and at once when woken, until it is closed.
    pub(crate) async fn sweep_on_period(self, state: Arc<FleetState>) {
        tokio::select! {
            () = state.stop.cancelled() => return,
            () = self.painted() => {}
        }
        loop {
            if let Err(error) = self.bundles_known(&state).await {
                warn!(fleet = %state.name, error = %error.message, "bundles not read");
            }
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

/// The newest stored snapshot, from memory where that holds it: another process may have stored since.
async fn newest(
    cache: &mut SqliteConnection,
    state: &FleetState,
    fleet: &Arc<Fleet>,
) -> Result<(Arc<Snapshot>, Option<SweepMeta>), AppError> {
    let stored = plumb_store::snapshots::latest_id(cache, &fleet.name).await?;
    let held = state.current.lock().expect("no panic while a fleet is held").clone();
    if let Some(held) = held
        && Some(held.snapshot.id) == stored
        && Arc::ptr_eq(&held.fleet, fleet)
    {
        return Ok((held.snapshot, held.sweep.map(SweepMeta::from)));
    }
    let stored = plumb_store::snapshots::latest_with(cache, &fleet.name, Policies::Without).await?;
    let (before, former) = known(fleet, stored);
    Ok((Arc::new(before), former))
}

/// The newest snapshot with what a look saw put in its place.
fn merged(
    loaded: &Loaded,
    before: &Snapshot,
    look: Look,
    now: Timestamp,
    is_sweep: bool,
) -> Snapshot {
    let nodes = loaded.fleet.nodes.keys().cloned();
    let mut builder = SnapshotBuilder::new(loaded.fleet.name.clone(), nodes, Some(before));
    let mut verifications: Vec<Arc<Verification>> = Vec::new();
    for Seen { node, at, mut result } in look.seen {
        let known = before.nodes.get(&node).and_then(|node| node.attempted_at);
        // A moment in the future is a clock that was set back, not a newer look.
        if known.is_some_and(|known| known > look.began && known <= at) {
            continue;
        }
        if let Ok(NodeReport { verification: Some(told), .. }) = &mut result {
            share(&mut verifications, &mut told.value);
        }
        match result {
            Ok(report) => builder.report(report),
            Err(failure) => builder.failure(&node, at, failure),
        }
    }
    // A snapshot is as old as its sweep: a look at three nodes does not make the others fresher.
    builder.finish(new_id(now), if is_sweep { now } else { before.taken_at })
}

/// Keeps what many nodes say alike once.
fn share(known: &mut Vec<Arc<Verification>>, told: &mut Arc<Verification>) {
    if let Some(same) = known.iter().find(|same| **same == *told) {
        *told = same.clone();
    } else if known.len() < SHARED_MAX {
        known.push(told.clone());
    }
}

/// Replaces what queries read of nodes; wishes that were read again meanwhile stay.
fn replace_snapshot(state: &FleetState, fresh: &Current) {
    let mut held = state.current.lock().expect("no panic while a fleet is held");
    let desired = held.as_ref().map_or_else(|| fresh.desired.clone(), |held| held.desired.clone());
    *held = Some(Current { desired, ..fresh.clone() });
}

/// The policies of one content from a node that says it runs them.
async fn learn(
    loaded: &Loaded,
    digest: ContentDigest,
    carriers: Vec<NodeId>,
    now: Now,
) -> Option<Content> {
    for id in carriers.iter().take(CONTENT_TRIES) {
        let node = loaded.fleet.nodes.get(id)?;
        match operations::policies(&loaded.pool, node, CONTENT_DEADLINE, &now).await {
            Ok(content) if content.digest == digest => return Some(content),
            Ok(_) => warn!(node = %id, "its policies changed while they were read"),
            Err(failure) => warn!(node = %id, error = %failure.message, "policies not read"),
        }
    }
    None
}
