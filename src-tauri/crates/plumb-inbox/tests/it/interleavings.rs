//! Two claimers, step by step in every order that a seed makes of it, some of them stopped dead in the middle.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use jiff::Timestamp;
use plumb_alert::{Alert, AlertRef, Decided, RoutingPolicy, State, Status};
use plumb_inbox::{AlertQuery, ClaimRequest, Claimed, Inbox};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
};

use crate::{
    gated::{Doing, Gate, Gated},
    world::{Of, World, ack, claim, draft, failure},
};

const ROUNDS: usize = 10_000;
/// Another number, for a first look at a change.
const GIVEN: &str = "PLUMB_INTERLEAVINGS";
/// The console's record is the SQLite store over other connections.
const ROUNDS_OF_THE_CONSOLE: usize = 1_000;
/// Rounds between two looks at everything: what was claimed is settled, and time goes on.
const ROUNDS_TOGETHER: usize = 25;
/// The first seed; every pair of claimers has the next one.
const SEED: u64 = 20_260_303;
/// Pairs of claimers at one server.
const LANES: usize = 4;
/// One claim in so many is stopped dead before one of its steps.
const DEATHS: u32 = 20;

/// One of the two.
struct Claimer {
    name: &'static str,
    inbox: Inbox,
    announced: UnboundedReceiver<Doing>,
    leave: UnboundedSender<()>,
}

impl Claimer {
    async fn new(world: &World, name: &'static str) -> Self {
        let (announce, announced) = unbounded_channel();
        let (leave, given) = unbounded_channel();
        let gate = Arc::new(Gate { announce, leave: given.into() });
        let store = Arc::new(Gated { store: world.store().await, gate });
        Self { name, inbox: Inbox::new(store, RoutingPolicy::default()), announced, leave }
    }

    /// Lets it begin a claim, up to its first gate.
    fn begin(&self, limit: u32) -> JoinHandle<Claimed> {
        let (inbox, request) = (self.inbox.clone(), claim(self.name, limit));
        tokio::spawn(async move { inbox.claim(&request).await.expect("nothing is broken") })
    }
}

/// Who holds what by the tests' own book.
#[derive(Default)]
struct Book {
    /// Every claim there ever was, by alert and number.
    claims: BTreeMap<(AlertRef, u64), &'static str>,
    held: BTreeMap<AlertRef, Alert>,
    settled: u64,
    failed: u64,
    requeued: u64,
}

impl Book {
    #[track_caller]
    fn claimed(&mut self, by: &'static str, claimed: Claimed, seed: u64) {
        for back in claimed.requeued {
            let back = back.value;
            if let Some(former) = self.held.remove(&back.alert_ref) {
                let State::Processing { lock_until, .. } = former.state() else {
                    panic!("the book holds what is processing")
                };
                assert!(is_past(*lock_until, &claimed.alerts), "seed {seed}: taken early");
                self.requeued += 1;
            }
        }
        for alert in claimed.alerts {
            let alert = alert.value;
            let number = alert.counts().claims;
            let twice = self.claims.insert((alert.alert_ref.clone(), number), by);
            assert_eq!(twice, None, "seed {seed}: claim {number} of {} twice", alert.alert_ref);
            let held = self.held.insert(alert.alert_ref.clone(), alert);
            assert!(held.is_none(), "seed {seed}: {held:?} was held by somebody");
        }
    }
}

fn is_past(lock_until: Timestamp, claimed: &[Decided<Alert>]) -> bool {
    claimed.iter().all(|alert| match alert.value.state() {
        State::Processing { claimed_at, .. } => lock_until <= *claimed_at,
        _ => false,
    })
}

/// Plays one round: both claim, and who goes next is drawn.
async fn play(claimers: &mut [Claimer; 2], random: &mut StdRng, serial: bool, book: &mut Book) {
    let seed = random.random::<u64>();
    let mut random = StdRng::seed_from_u64(seed);
    let mut running: [Option<JoinHandle<Claimed>>; 2] =
        [0, 1].map(|who: usize| Some(claimers[who].begin(random.random_range(1..4))));
    let dies: [Option<u32>; 2] =
        [0, 1].map(|_| random.random_ratio(1, DEATHS).then(|| random.random_range(0..7)));
    let mut next = [claimers[0].announced.recv().await, claimers[1].announced.recv().await];
    let mut steps = [0_u32; 2];
    let mut inside = [false; 2];
    let mut keeps = [false; 2];
    while next.iter().any(Option::is_some) {
        // Where one writes at a time, the other is not let in meanwhile; everywhere one keeps alerts at a time.
        let may = |who: usize| {
            next[who].is_some_and(|doing| match doing {
                Doing::Begin => !serial || !inside[1 - who],
                Doing::Keep => !keeps[1 - who],
                Doing::Read | Doing::Put | Doing::Commit => true,
            })
        };
        let who = match (may(0), may(1)) {
            (true, true) => usize::from(random.random_bool(0.5)),
            (first, second) => {
                assert!(first || second, "seed {seed}: each waits for the other");
                usize::from(!first)
            }
        };
        let doing = next[who].take().expect("it may go");
        let handle = running[who].as_mut().expect("it runs");
        if dies[who] == Some(steps[who]) {
            handle.abort();
            assert!(running[who].take().expect("it runs").await.is_err(), "it is dead");
            (inside[who], keeps[who]) = (false, false);
            continue;
        }
        steps[who] += 1;
        inside[who] = doing != Doing::Commit;
        keeps[who] = inside[who] && (keeps[who] || doing == Doing::Keep);
        claimers[who].leave.send(()).expect("it waits");
        tokio::select! {
            biased;
            announced = claimers[who].announced.recv() => next[who] = announced,
            claimed = handle => {
                running[who] = None;
                book.claimed(claimers[who].name, claimed.expect("a claim"), seed);
            }
        }
    }
}

/// Settles some of what is held, as its claimers would, and keeps the rest until its lease ends.
async fn settle(inbox: &Inbox, random: &mut StdRng, book: &mut Book) {
    let now = inbox.now().await.expect("a time");
    let held: Vec<Alert> = book.held.values().cloned().collect();
    let mut changed = Vec::new();
    for alert in held {
        match random.random_range(0..10) {
            0..6 => {
                changed.push(alert.ack(&ack("loop"), now).expect("held").value);
                book.settled += 1;
            }
            6..8 => {
                changed.push(alert.fail(&failure("loop", 300), now).expect("held").value);
                book.failed += 1;
            }
            _ => continue,
        }
        book.held.remove(&alert.alert_ref);
    }
    let mut rows = inbox.store().write().await.expect("begins");
    rows.put_alerts(&changed).await.expect("put");
    rows.commit().await.expect("commits");
}

async fn interleave(of: Of) {
    let by_default = if of == Of::Console { ROUNDS_OF_THE_CONSOLE } else { ROUNDS };
    let given = std::env::var(GIVEN).ok().and_then(|rounds| rounds.parse().ok());
    let rounds: usize = given.unwrap_or(by_default);
    let test = format!("{rounds} interleavings of two claimers, on {of:?}");
    let Some(world) = World::new(of, &test).await else { return };
    let began = Instant::now();
    let mut worlds = vec![world];
    // A server has much time while two claimers wait for it; it plays the schedules of several pairs meanwhile, each in
    // a database of its own.
    let lanes = if of == Of::Postgres { LANES } else { 1 };
    for lane in 1..lanes {
        let beside = worlds[0].beside(&format!("lane_{lane}")).await;
        worlds.push(beside);
    }
    let playing = worlds
        .into_iter()
        .zip(SEED..)
        .map(|(world, seed)| tokio::spawn(async move { pair(&world, rounds / lanes, seed).await }));
    let (mut made, mut claims) = (0, 0);
    for lane in playing.collect::<Vec<_>>() {
        let (alerts, taken) = lane.await.expect("a pair plays to its end");
        made += alerts;
        claims += taken;
    }
    eprintln!("{test}: {made} alerts, {claims} claims in {:?}", began.elapsed());
}

/// Two claimers of one store; how many alerts there were, and how many claims.
async fn pair(world: &World, rounds: usize, seed: u64) -> (u64, usize) {
    let inbox = world.inbox().await;
    // In memory there is one store, which all of them share; files and servers are opened by each.
    let mut claimers = [Claimer::new(world, "a").await, Claimer::new(world, "b").await];
    let mut random = StdRng::seed_from_u64(seed);
    let mut book = Book::default();
    let mut made = 0_u64;
    for _ in 0..rounds / ROUNDS_TOGETHER {
        let drafts: Vec<_> = (0..random.random_range(40..90))
            .map(|_| {
                made += 1;
                let mut draft = draft("gateway", "p95");
                draft.fingerprint = Some(format!("fp-{made}"));
                draft
            })
            .collect();
        for answer in inbox.ingest_all(drafts).await {
            assert!(!answer.expect("accepted").value.deduped());
        }
        for _ in 0..ROUNDS_TOGETHER {
            play(&mut claimers, &mut random, world.of != Of::Postgres, &mut book).await;
        }
        settle(&inbox, &mut random, &mut book).await;
        world.wait(random.random_range(1..400)).await;
    }
    for claimer in &claimers {
        claimer.inbox.close().await.expect("closes");
    }
    let inbox = world.inbox().await;
    none_is_lost(world, &inbox, made, &mut book).await;
    inbox.close().await.expect("closes");
    (made, book.claims.len())
}

/// Whatever happened, each alert can still be brought to its end, and the numbers of claims add up.
async fn none_is_lost(world: &World, inbox: &Inbox, made: u64, book: &mut Book) {
    world.wait(3_600).await;
    loop {
        let everything = ClaimRequest { window_minutes: None, ..claim("last", 1_000) };
        let claimed = inbox.claim(&everything).await.expect("a claim");
        if claimed.alerts.is_empty() && claimed.requeued.is_empty() {
            break;
        }
        book.claimed("last", claimed, 0);
        let now = inbox.now().await.expect("a time");
        let held = std::mem::take(&mut book.held);
        book.settled += held.len() as u64;
        let acked: Vec<Alert> =
            held.values().map(|alert| alert.ack(&ack("last"), now).expect("held").value).collect();
        let mut rows = inbox.store().write().await.expect("begins");
        rows.put_alerts(&acked).await.expect("put");
        rows.commit().await.expect("commits");
    }
    let mut sums = (0, 0, 0, 0);
    let mut after = None;
    loop {
        let mut query = AlertQuery::since(Timestamp::UNIX_EPOCH, 1_000);
        query.after = after;
        let page = inbox.list(&query).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = Some((last.last_seen_at, last.alert_ref.clone()));
        for alert in &page {
            assert_eq!(alert.status(), Status::Acked, "{alert:?}");
            let counts = alert.counts();
            sums.0 += 1;
            sums.1 += counts.claims;
            sums.2 += counts.failures;
            sums.3 += counts.requeues;
        }
    }
    assert_eq!(sums, (made, book.claims.len() as u64, book.failed, book.requeued));
    assert_eq!(sums.1, made + sums.2 + sums.3, "claims = settled + failed + requeued");
    assert_eq!(book.settled, made);
}

#[tokio::test]
async fn ten_thousand_in_memory() {
    interleave(Of::Memory).await;
}

#[tokio::test]
async fn ten_thousand_in_sqlite() {
    interleave(Of::Sqlite).await;
}

#[tokio::test]
async fn a_thousand_in_the_consoles_own_record() {
    interleave(Of::Console).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_in_postgres() {
    interleave(Of::Postgres).await;
}
