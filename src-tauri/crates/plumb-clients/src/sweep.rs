//! One pass over the nodes of a fleet: bounded fan-out, jittered start, every failure a value.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use plumb_fleet::{Node, NodeFailure, NodeReport};
use rand::{Rng, RngExt as _, seq::SliceRandom as _};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    http::{HttpPool, Lane, Now},
    limits::WARM_NODES_MAX,
    node::observe_on,
};

/// Lists of results waiting for the caller; a slow caller slows the sweep instead of filling memory.
const RESULTS_MAX: usize = 8;
/// Results handed over together: waking the caller for each one costs as much as asking a node.
const RESULTS_TOGETHER: usize = 32;

/// How a sweep is spread over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepOptions {
    /// Nodes observed at once.
    pub concurrency: usize,
    /// How long one node may take, from its own start.
    pub deadline: Duration,
    /// Nodes start at random moments within this time.
    pub jitter: Duration,
}

impl Default for SweepOptions {
    fn default() -> Self {
        Self {
            concurrency: 64,
            deadline: Duration::from_secs(5),
            jitter: Duration::from_millis(500),
        }
    }
}

/// What one node gave.
#[derive(Debug)]
pub struct SweepResult {
    pub node: Arc<Node>,
    /// When the attempt ended, by our clock.
    pub at: Timestamp,
    pub result: Result<NodeReport, NodeFailure>,
}

/// How a sweep ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SweepEnd {
    pub answered: usize,
    pub failed: usize,
    /// Nodes not observed because the sweep was cancelled.
    pub skipped: usize,
}

/// Observes every node once and hands each result to `on_result`, some of them together.
///
/// A cancelled sweep starts no further node and abandons the reads in flight; reading has no effect
/// that could be left half done.
pub async fn sweep<R: Rng + ?Sized>(
    pool: &HttpPool,
    nodes: &[Arc<Node>],
    options: SweepOptions,
    rng: &mut R,
    now: &Now,
    cancel: &CancellationToken,
    mut on_result: impl FnMut(SweepResult),
) -> SweepEnd {
    let lane = if nodes.len() <= WARM_NODES_MAX { Lane::Warm } else { Lane::Brief };
    let turns = Arc::new(turns(nodes, options.jitter, rng));
    let next = Arc::new(AtomicUsize::new(0));
    let (send, mut receive) = mpsc::channel(RESULTS_MAX);
    // One task per worker thread: a single one would poll every node on one core.
    let workers = tokio::runtime::Handle::current().metrics().num_workers().max(1);
    let mut tasks = JoinSet::new();
    for worker in 0..workers {
        let share = (options.concurrency.max(1) + workers - 1 - worker) / workers;
        if share == 0 {
            continue;
        }
        tasks.spawn(work(Shared {
            pool: pool.clone(),
            turns: turns.clone(),
            next: next.clone(),
            started: Instant::now(),
            deadline: options.deadline,
            lane,
            now: now.clone(),
            cancel: cancel.clone(),
            send: send.clone(),
            share,
        }));
    }
    drop(send);
    let mut end = SweepEnd::default();
    while let Some(results) = receive.recv().await {
        for result in results {
            let result: SweepResult = result;
            if result.result.is_ok() {
                end.answered += 1;
            } else {
                end.failed += 1;
            }
            on_result(result);
        }
    }
    while let Some(joined) = tasks.join_next().await {
        if let Err(error) = joined
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
    end.skipped = nodes.len() - end.answered - end.failed;
    end
}

/// A node and when it starts, counted from the start of the sweep.
type Turn = (Duration, Arc<Node>);

/// Nodes in random order with random offsets, earliest first.
fn turns<R: Rng + ?Sized>(nodes: &[Arc<Node>], jitter: Duration, rng: &mut R) -> Vec<Turn> {
    let mut turns: Vec<Turn> =
        nodes.iter().map(|node| (jitter.mul_f64(rng.random::<f64>()), node.clone())).collect();
    if jitter.is_zero() {
        turns.shuffle(rng);
    } else {
        turns.sort_by_key(|(offset, _)| *offset);
    }
    turns
}

struct Shared {
    pool: HttpPool,
    turns: Arc<Vec<Turn>>,
    next: Arc<AtomicUsize>,
    started: Instant,
    deadline: Duration,
    lane: Lane,
    now: Now,
    cancel: CancellationToken,
    send: mpsc::Sender<Vec<SweepResult>>,
    share: usize,
}

/// Takes the next node again and again, `share` of them in flight.
async fn work(shared: Shared) {
    // Never more than are in flight: a sweep of few at once is told one by one.
    let together = RESULTS_TOGETHER.min(shared.share);
    let mut results = Vec::with_capacity(together);
    let taken = std::iter::from_fn(|| {
        let next = || shared.next.fetch_add(1, Ordering::Relaxed);
        (!shared.cancel.is_cancelled()).then(next).filter(|turn| *turn < shared.turns.len())
    });
    let mut all =
        stream::iter(taken).map(|turn| shared.observe(turn)).buffer_unordered(shared.share);
    loop {
        let next = tokio::select! {
            () = shared.cancel.cancelled() => None,
            next = all.next() => next,
        };
        let ended = next.is_none();
        results.extend(next);
        if ended || results.len() >= together {
            // Nobody listens any more when the caller dropped the sweep.
            let _ = shared.send.send(std::mem::take(&mut results)).await;
        }
        if ended {
            return;
        }
    }
}

impl Shared {
    async fn observe(&self, turn: usize) -> SweepResult {
        let (offset, node) = &self.turns[turn];
        sleep_until(self.started + *offset).await;
        let result = observe_on(&self.pool, node, self.deadline, &self.now, self.lane).await;
        SweepResult { node: node.clone(), at: (self.now)(), result }
    }
}
