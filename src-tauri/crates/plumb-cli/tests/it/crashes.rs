//! The real program, killed at random moments of real runs: what it wrote holds, nothing is sent twice, and
//! the next one settles what is in doubt.

use std::{
    collections::BTreeSet,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use plumb_app::{
    App,
    views::{
        journal::JournalVerdict,
        run::{RunNodeState, RunPhase, RunView},
    },
};

use crate::recorded::{Recorded, Told};

const KILLS: usize = 200;
const NODES: usize = 3;
/// Rollouts that are killed, and killed again while they are picked up.
const ROLLOUTS: usize = 16;
/// Kills that must have hit a run between its start and its end, or this tests nothing.
const HITS_MIN: usize = KILLS / 8;
/// The part of a program's time after which its run has begun: before, it starts, looks and plans.
const LATE: f64 = 0.4;

/// How often it is looked how far a program has come; its own time between two requests is longer.
const LOOKS_EVERY: Duration = Duration::from_micros(200);

/// Reproducible numbers (SplitMix64).
struct Seeded(u64);

impl Seeded {
    /// At least 0 and less than 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// What programs left that ended too early.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) no_run: usize,
    pub(crate) interrupted: usize,
    pub(crate) in_doubt: usize,
    pub(crate) ended: usize,
    /// Keys of effects that were to make a node load, and those that it said it did.
    loads: BTreeSet<String>,
    accepted: BTreeSet<String>,
}

#[test]
fn a_program_killed_at_any_moment_sends_nothing_twice_and_leaves_a_journal_that_holds() {
    let fleet = Recorded::start(NODES);
    let mut seeded = Seeded(0x706c_756d_6221);
    let mut tally = Tally::default();
    // Nobody has looked yet, so this is done first.
    assert!(fleet.command(&["policy", "status"]).output().expect("starts").status.success());
    let mut whole = whole_run(&fleet, &fleet.planned());
    let loads_at_first = fleet.loads();
    for kill in 0..KILLS {
        let known = newest(&fleet);
        // Half of the moments fall anywhere, half into the second part, where a run acts.
        let share = if kill % 2 == 0 { seeded.share() } else { LATE + 0.7 * seeded.share() };
        let plan = fleet.planned();
        let finished = run_and_kill(&fleet, &run(&plan), whole.mul_f64(share));
        let without = tally.no_run;
        check(&fleet, &format!("kill {kill}"), known.as_deref(), &mut tally);
        let no_run = tally.no_run > without;
        // The machine is slower or faster than a moment ago, and the moments follow it.
        whole = match finished {
            Some(took) => (whole + took) / 2,
            None if no_run && share > LATE => whole.mul_f64(1.05),
            None => whole,
        };
    }
    let Tally { no_run, interrupted, in_doubt, ended, .. } = tally;
    let counts = format!(
        "{KILLS} kills: {no_run} before a run, {interrupted} in one ({in_doubt} with nodes in doubt), {ended} after"
    );
    println!("{counts}");
    assert!(interrupted >= HITS_MIN && in_doubt > 0, "{counts}");
    // Nodes count by themselves what was done to them: at least what they said they did, at most what they
    // were sent. The last request of a killed program may have come too late to be done.
    let sent = fleet.sent();
    for (node, loads) in fleet.loads() {
        let of_node = |key: &&String| key.split('/').nth(1) == Some(node.as_str());
        let most = sent.iter().filter(of_node).filter(|key| tally.loads.contains(*key)).count();
        let least = tally.accepted.intersection(&tally.loads).filter(of_node).count();
        let more = loads - loads_at_first[&node];
        assert!((least..=most).contains(&more), "{node}: {least} to {most} loads, not {more}");
        assert!(least > 0, "{counts}");
    }
}

#[test]
fn a_rollout_killed_at_any_moment_is_picked_up_and_sends_nothing_twice() {
    let fleet = Recorded::start(NODES);
    let mut seeded = Seeded(0x7761_7665_7321);
    assert!(fleet.command(&["policy", "status"]).output().expect("starts").status.success());
    // A run that nobody kills tells how far there is to go, however fast this machine is now.
    let before = fleet.requests();
    whole_run(&fleet, &fleet.planned_in_waves());
    let whole = fleet.requests() - before;
    let (mut open, mut acted, mut twice) = (0, 0, 0);
    for kill in 0..ROLLOUTS {
        let (known, when) = (newest(&fleet), format!("kill {kill}"));
        let plan = fleet.planned_in_waves();
        let mut late =
            || Progress { of: whole, share: LATE + 0.5 * seeded.share(), more: seeded.share() };
        run_and_kill_at(&fleet, &run(&plan), late());
        let Some(id) = newest(&fleet).filter(|id| Some(id) != known.as_ref()) else { continue };
        let resume = ["run", "resume", id.as_str()];
        let app = fleet.open(&fleet.path("data"));
        let look = || fleet.runtime.block_on(app.run(&id)).expect("a run");
        if look().ended_at_ms.is_none() {
            open += 1;
            acted +=
                usize::from(look().nodes.iter().any(|node| node.state != RunNodeState::Waiting));
            run_and_kill_at(&fleet, &resume, late());
            twice += usize::from(look().ended_at_ms.is_none());
        }
        // What was in doubt and did not come to be has failed, and halts the run.
        for words in [&resume[..], &resume, &resume, &["run", "abort", id.as_str()]] {
            let left = look();
            let verdict =
                fleet.runtime.block_on(app.verify_journal(&id, &[], None)).expect("a verdict");
            assert_ne!(verdict.verdict, JournalVerdict::Broken, "{when}: {verdict:?}");
            agrees_with_the_wire(&fleet, &app, &left, (&fleet.sent(), &when));
            if left.ended_at_ms.is_none() {
                fleet.command(words).output().expect("starts");
            }
        }
        is_settled(&fleet, &app, &id, (&fleet.sent(), &when));
        fleet.runtime.block_on(app.close());
    }
    let counts =
        format!("{open} left open, {acted} of them had begun, {twice} were left open twice");
    println!("{counts}");
    assert!(open >= ROLLOUTS / 4 && acted > 0, "{counts}");
}

/// The words that carry out a kept plan.
fn run(plan: &str) -> [&str; 5] {
    ["run", plan, "--yes", "--reason", "each load leaves a trace"]
}

/// How long a run takes that nobody kills.
fn whole_run(fleet: &Recorded, plan: &str) -> Duration {
    let began = Instant::now();
    let ended = fleet.command(&run(plan)).output().expect("starts");
    assert!(ended.status.success(), "{ended:?}");
    began.elapsed()
}

/// Tells when a program ends; who reads what it says is waited for after that.
fn end_of(child: &mut Child) -> (mpsc::Receiver<()>, thread::JoinHandle<()>) {
    let (told, ended) = mpsc::channel();
    let mut stdout = child.stdout.take().expect("piped");
    // Its standard output ends with it, and only then.
    let reader = thread::spawn(move || {
        let _ = std::io::copy(&mut stdout, &mut std::io::sink());
        let _ = told.send(());
    });
    (ended, reader)
}

/// Kills the program after so long. Gives how long it took where it was faster.
fn run_and_kill(fleet: &Recorded, words: &[&str], after: Duration) -> Option<Duration> {
    let began = Instant::now();
    let mut child = spawn(fleet, words);
    let (ended, reader) = end_of(&mut child);
    let finished = ended.recv_timeout(after).is_ok();
    let _ = child.kill();
    child.wait().expect("it ends");
    reader.join().expect("the reader ends");
    finished.then(|| began.elapsed())
}

/// How far a program has come, by the requests that it sent: the same whether the machine is busy or not.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// Requests of a program that nobody kills.
    of: usize,
    share: f64,
    /// The part of the time between two requests that passes after the last one.
    more: f64,
}

/// Kills the program when it has come so far.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a small count"
)]
fn run_and_kill_at(fleet: &Recorded, words: &[&str], progress: Progress) {
    let (began, before) = (Instant::now(), fleet.requests());
    let goal = (progress.of as f64 * progress.share) as usize;
    let mut child = spawn(fleet, words);
    let (ended, reader) = end_of(&mut child);
    let sent = || fleet.requests() - before;
    let gone = loop {
        if ended.recv_timeout(LOOKS_EVERY).is_ok() {
            break true;
        }
        if sent() >= goal {
            break false;
        }
    };
    if !gone {
        let between = began.elapsed().div_f64(sent().max(1) as f64);
        let _ = ended.recv_timeout(between.mul_f64(progress.more));
    }
    let _ = child.kill();
    child.wait().expect("it ends");
    reader.join().expect("the reader ends");
}

fn spawn(fleet: &Recorded, words: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(words)
        .env_clear()
        .envs(fleet.environment())
        .current_dir(fleet.path("."))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts")
}

pub(crate) fn newest(fleet: &Recorded) -> Option<String> {
    let app = fleet.open(&fleet.path("data"));
    let run = fleet.runtime.block_on(async {
        let runs = app.runs("eu").await.expect("runs");
        app.close().await;
        runs.into_iter().next()
    });
    run.map(|run| run.id)
}

/// What a program left that ended too early, what the next one makes of it, and that the two agree with
/// the wire.
pub(crate) fn check(fleet: &Recorded, when: &str, known: Option<&str>, tally: &mut Tally) {
    let app = fleet.open(&fleet.path("data"));
    let newest = fleet.runtime.block_on(app.runs("eu")).expect("runs").into_iter().next();
    let Some(left) = newest.filter(|run| Some(run.id.as_str()) != known) else {
        tally.no_run += 1;
        return fleet.runtime.block_on(app.close());
    };
    let verdict =
        fleet.runtime.block_on(app.verify_journal(&left.id, &[], None)).expect("a verdict");
    assert_ne!(verdict.verdict, JournalVerdict::Broken, "{when}: {verdict:?}");
    assert!(verdict.plan_matches, "{when}: {verdict:?}");
    let sent = fleet.sent();
    agrees_with_the_wire(fleet, &app, &left, (&sent, when));
    let looked = fleet.command(&["policy", "status", "--json"]).output().expect("starts");
    assert!(looked.status.success(), "{when}: {looked:?}");
    assert_eq!(fleet.sent(), sent, "{when}: settling sends nothing");
    let told = is_settled(fleet, &app, &left.id, (&sent, when));
    tally.loads.extend(told.loads);
    tally.accepted.extend(told.accepted);
    fleet.runtime.block_on(app.close());
    if left.ended_at_ms.is_some() {
        tally.ended += 1;
    } else {
        assert_eq!(left.phase, RunPhase::Interrupted, "{when}");
        tally.interrupted += 1;
        tally.in_doubt += usize::from(left.in_doubt > 0);
    }
}

/// The run has its end, nothing of it is in doubt, and its journal is signed to the end.
pub(crate) fn is_settled(
    fleet: &Recorded,
    app: &App,
    run: &str,
    (sent, when): (&[String], &str),
) -> Told {
    let settled = fleet.runtime.block_on(app.run(run)).expect("a run");
    let ended = settled.ended_at_ms.is_some();
    assert_eq!((settled.in_doubt, ended), (0, true), "{when}: {settled:?}");
    let verdict = fleet.runtime.block_on(app.verify_journal(run, &[], None)).expect("a verdict");
    assert_eq!(verdict.verdict, JournalVerdict::Complete, "{when}: {verdict:?}");
    assert_eq!(verdict.signed_to, Some(verdict.events), "{when}: {verdict:?}");
    agrees_with_the_wire(fleet, app, &settled, (sent, when))
}

/// What the journal of a run tells.
pub(crate) fn told(fleet: &Recorded, app: &App, run: &str) -> Told {
    let mut journal = Vec::new();
    fleet.runtime.block_on(app.write_journal(run, &mut journal)).expect("written");
    Told::by(&String::from_utf8(journal).expect("UTF-8"), run)
}

/// No request without its intent in the journal, none twice, and no node said to be done that was sent nothing.
fn agrees_with_the_wire(
    fleet: &Recorded,
    app: &App,
    run: &RunView,
    (sent, when): (&[String], &str),
) -> Told {
    let told = told(fleet, app, &run.id);
    let sent: Vec<&String> = sent.iter().filter(|key| key.starts_with(&run.id)).collect();
    for key in &sent {
        assert!(told.intended.contains(*key), "{when}: {key} was sent, not intended: {told:?}");
        let times = sent.iter().filter(|other| *other == key).count();
        assert_eq!(times, 1, "{when}: {key} was sent {times} times");
    }
    for node in &run.nodes {
        let expected = match node.state {
            RunNodeState::Waiting | RunNodeState::Skipped => false,
            RunNodeState::Accepted => true,
            // Proven by what it runs, whoever brought it there; or nobody knows.
            RunNodeState::Arrived
            | RunNodeState::Acting
            | RunNodeState::InDoubt
            | RunNodeState::Failed
            | RunNodeState::RolledBack => continue,
        };
        let key = format!("{}/{}/0", run.id, node.node);
        assert_eq!(sent.contains(&&key), expected, "{when}: {node:?}");
    }
    told
}
