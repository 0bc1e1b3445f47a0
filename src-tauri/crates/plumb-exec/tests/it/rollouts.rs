//! Waves, gates, orders, locks and ways back, as the journal tells them.

use std::{sync::Mutex, time::Duration};

use insta::assert_snapshot;
use plumb_exec::{
    Desk, ExecuteError, Left, Lock, LockError, NoLock, Order, OrderError, Step, Wish, desk,
};
use plumb_fleet::NodeApi;
use plumb_journal::{Bypass, HaltCause, NodePhase, Outcome};
use plumb_runbook::{Action, FreezeWindow, Gate, GateCheck, OnFailure, Rollout, Shape};
use plumb_testkit::{
    builders::{World, content, node_id},
    clock::after,
};

use crate::peers::{Answer, Story};

const SYNC: Action = Action::Sync { force: false };

/// Three agents and a reload node, all behind.
fn four() -> World {
    World::new("four")
        .signed("1.9.0", "one")
        .signed("2.0.0", "two")
        .desired("2.0.0")
        .runs("a", NodeApi::Agent, "1.9.0", "one")
        .runs("b", NodeApi::Agent, "1.9.0", "one")
        .runs("c", NodeApi::Reload, "1.9.0", "one")
        .runs("d", NodeApi::Agent, "1.9.0", "one")
}

fn gate(checks: Vec<GateCheck>) -> Gate {
    Gate { checks, soak_s: 30, patience_s: 20, every_s: 10 }
}

fn all() -> GateCheck {
    GateCheck::Convergence { percent_min: 100 }
}

fn rollout(checks: Vec<GateCheck>, on_failure: OnFailure) -> Rollout {
    Rollout {
        shape: Shape::Shares { canary: None, percent: Vec::new() },
        gate: Some(gate(checks)),
        on_failure,
        ..Rollout::default()
    }
}

fn story(seed: &str, checks: Vec<GateCheck>, on_failure: OnFailure) -> Story {
    Story::rolled(seed, &SYNC, &rollout(checks, on_failure), &four())
}

/// Runs without anybody at the desk.
async fn alone(story: &Story) -> Left {
    let (_, orders) = desk();
    story.live(orders, &NoLock).await.expect("the journal is writable")
}

fn order(what: Wish) -> Order {
    Order { by: "sofiia@laptop".to_owned(), what }
}

/// Runs, and gives orders, each some seconds after the one before.
async fn with_orders(
    story: &Story,
    given: Vec<(u64, Wish)>,
) -> (Left, Vec<Result<(), OrderError>>) {
    let (desk, orders) = desk();
    let giving = async move |desk: Desk| {
        let mut answers = Vec::new();
        for (after_s, what) in given {
            tokio::time::sleep(Duration::from_secs(after_s)).await;
            answers.push(desk.give(order(what)).await);
        }
        answers
    };
    let (left, answers) = tokio::join!(story.live(orders, &NoLock), giving(desk));
    (left.expect("the journal is writable"), answers)
}

fn reason() -> String {
    "seen on the dashboard".to_owned()
}

/// R270, R218: a canary, watched by its decisions, then gradually the rest.
#[tokio::test(start_paused = true)]
async fn waves_follow_each_other_past_their_gates() {
    let story = story("waves", vec![all(), GateCheck::ErrorRate { ppm_max: 10 }], OnFailure::Halt);
    assert_eq!(alone(&story).await, Left::Ended(Outcome::Succeeded));
    assert_snapshot!(story.log());
    let soaks = Duration::from_mins(1);
    assert!(story.elapsed() > soaks && story.elapsed() < soaks + Duration::from_secs(10));
}

/// R079: only what the run touched is taken back.
#[tokio::test(start_paused = true)]
async fn a_canary_that_fails_takes_the_way_back_and_spares_the_others() {
    let story =
        story("canary", vec![all(), GateCheck::ErrorRate { ppm_max: 10 }], OnFailure::RollBack);
    *story.figure.lock().expect("no panic") = Ok(11);
    assert_eq!(alone(&story).await, Left::Ended(Outcome::RolledBack));
    let state = story.state();
    assert_eq!(state.nodes[&node_id("a")].phase, NodePhase::RolledBack);
    assert!(!state.nodes.contains_key(&node_id("b")), "no other node was touched");
    assert_snapshot!(story.log());
}

#[tokio::test(start_paused = true)]
async fn one_failed_node_too_many_halts_the_run_and_it_goes_on_when_somebody_says_so() {
    let story = story("halts", vec![], OnFailure::Halt);
    story.peer("a", |peer| peer.answer = Answer::Refuses);
    assert_eq!(alone(&story).await, Left::Open);
    let state = story.state();
    assert_eq!(state.halted.map(|halt| halt.cause), Some(HaltCause::Failures));
    assert_eq!(state.outcome, None, "it can be gone on with");
    let (left, answers) = with_orders(&story, vec![(5, Wish::Resume)]).await;
    assert_eq!((left, answers), (Left::Ended(Outcome::Incomplete), vec![Ok(())]));
    assert_eq!(story.state().nodes[&node_id("d")].phase, NodePhase::Arrived);
    assert_snapshot!(story.log());
}

#[tokio::test(start_paused = true)]
async fn a_gate_nobody_answers_for_stays_shut_until_its_patience_ends() {
    let story = story("patience", vec![GateCheck::ErrorRate { ppm_max: 10 }], OnFailure::Halt);
    *story.figure.lock().expect("no panic") = Err("no metrics".to_owned());
    assert_eq!(alone(&story).await, Left::Open);
    assert!(story.elapsed() >= Duration::from_secs(50), "soak and patience");
    let (left, answers) = with_orders(
        &story,
        vec![
            (1, Wish::Attest { wave: 0, note: reason() }),
            (1, Wish::Bypass { what: Bypass::Gate { wave: 1 }, reason: reason() }),
            (1, Wish::Bypass { what: Bypass::Gate { wave: 0 }, reason: " ".to_owned() }),
            (1, Wish::Bypass { what: Bypass::Gate { wave: 0 }, reason: reason() }),
            (100, Wish::Abort),
        ],
    )
    .await;
    assert_eq!(left, Left::Ended(Outcome::Succeeded), "{}", story.log());
    let refused = [
        Err(OrderError::NoGate { wave: 0 }),
        Err(OrderError::NoGate { wave: 1 }),
        Err(OrderError::NoReason),
        Ok(()),
        Ok(()),
    ];
    assert_eq!(answers, refused);
    assert_eq!(story.state().bypasses.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_gate_waits_for_a_person_as_long_as_it_takes() {
    let what = "the dashboard looks as before".to_owned();
    let story = story("attest", vec![GateCheck::Attest { what }], OnFailure::RollBack);
    let given = vec![(7_200, Wish::Attest { wave: 0, note: reason() })];
    let (left, answers) = with_orders(&story, given).await;
    assert_eq!((left, answers), (Left::Ended(Outcome::Succeeded), vec![Ok(())]));
    assert!(story.log().contains("gate 0 attested by sofiia@laptop: seen on the dashboard"));
}

#[tokio::test(start_paused = true)]
async fn a_pause_starts_nothing_and_resuming_goes_on() {
    let story = story("pause", vec![all()], OnFailure::Halt);
    let given = vec![(10, Wish::Pause), (1, Wish::Pause), (600, Wish::Resume), (1, Wish::Resume)];
    let (left, answers) = with_orders(&story, given).await;
    assert_eq!(left, Left::Ended(Outcome::Succeeded));
    let already = Err(OrderError::Already { is: "paused" });
    assert_eq!(answers, [Ok(()), already, Ok(()), Err(OrderError::NotHeld)]);
    let log = story.log();
    let between = log.split("paused by").nth(1).and_then(|rest| rest.split("resumed by").next());
    assert!(!between.expect("both").contains("send"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn somebody_may_take_the_way_back_at_any_time() {
    let story = story("ordered back", vec![all()], OnFailure::Halt);
    let given = vec![(45, Wish::RollBack { reason: reason() })];
    let (left, answers) = with_orders(&story, given).await;
    assert_eq!((left, answers), (Left::Ended(Outcome::RolledBack), vec![Ok(())]));
    let phases: Vec<NodePhase> = story.state().nodes.values().map(|node| node.phase).collect();
    assert_eq!(phases, [NodePhase::RolledBack; 4], "{}", story.log());
}

#[tokio::test(start_paused = true)]
async fn an_abort_ends_a_rollout_between_waves() {
    let story = story("abort", vec![all()], OnFailure::RollBack);
    let (left, _) = with_orders(&story, vec![(10, Wish::Abort)]).await;
    assert_eq!(left, Left::Ended(Outcome::Aborted));
    assert_eq!(story.state().nodes[&node_id("a")].phase, NodePhase::Arrived);
    assert_eq!(story.state().nodes.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_changed_stops_the_run_with_the_difference() {
    let story = story("changed", vec![], OnFailure::Halt);
    *story.difference.lock().expect("no panic") = Some("new since the plan: 1 (e)".to_owned());
    assert_eq!(alone(&story).await, Left::Open);
    assert!(!story.log().contains("send"), "{}", story.log());
    let halted = story.state().halted.expect("it halted");
    assert_eq!(halted.cause, HaltCause::SetChanged);
    assert!(halted.reason.ends_with("new since the plan: 1 (e)"), "{}", halted.reason);
    // As soon as the fleet is what it was, the run goes on.
    *story.difference.lock().expect("no panic") = None;
    let (left, _) = with_orders(&story, vec![(1, Wish::Resume)]).await;
    assert_eq!(left, Left::Ended(Outcome::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn content_refused_meanwhile_is_sent_to_nobody_else() {
    let story = story("poisoned", vec![], OnFailure::Halt);
    let refusing = async {
        tokio::time::sleep(Duration::from_secs(10)).await;
        story.refused.lock().expect("no panic").insert(content("two"));
    };
    let (left, ()) = tokio::join!(alone(&story), refusing);
    assert_eq!(left, Left::Ended(Outcome::Incomplete));
    let reason = format!("content {} is refused in this fleet", content("two").short());
    // A reload node is only asked, which brings nothing.
    for node in ["b", "c", "d"] {
        let run = &story.state().nodes[&node_id(node)];
        assert_eq!((run.phase, run.detail.as_str()), (NodePhase::Skipped, reason.as_str()));
        assert!(!run.forward.changing);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_changed_in_a_freeze_window_unless_somebody_says_why() {
    let freeze = |from, until| FreezeWindow {
        from: after(from),
        until: after(until),
        reason: "quarter close".to_owned(),
    };
    let frozen = |seed: &str| {
        let rollout = Rollout { freeze: vec![freeze(5, 900)], ..rollout(vec![], OnFailure::Halt) };
        Story::rolled(seed, &SYNC, &rollout, &four())
    };
    let waited = frozen("frozen");
    assert_eq!(alone(&waited).await, Left::Ended(Outcome::Succeeded));
    assert!(waited.elapsed() > Duration::from_mins(15));
    let urgent = frozen("urgent");
    let given = vec![(60, Wish::Bypass { what: Bypass::Freeze, reason: reason() })];
    let (left, _) = with_orders(&urgent, given).await;
    assert_eq!(left, Left::Ended(Outcome::Succeeded));
    assert!(urgent.elapsed() < Duration::from_mins(3));
}

#[tokio::test(start_paused = true)]
async fn a_silent_canary_has_failed_and_nothing_was_sent() {
    let story = story("silent", vec![all()], OnFailure::RollBack);
    story.peer("a", |peer| peer.forgotten = true);
    assert_eq!(alone(&story).await, Left::Ended(Outcome::RolledBack));
    assert!(!story.log().contains("send"), "{}", story.log());
    let run = &story.state().nodes[&node_id("a")];
    assert_eq!(run.detail, "it was not looked at; nothing was sent");
}

/// A lock that another takes after some answers.
#[derive(Debug)]
struct Lease {
    answers: Mutex<Vec<Result<Option<Duration>, LockError>>>,
}

impl Lease {
    fn of(answers: Vec<Result<Option<Duration>, LockError>>) -> Self {
        Self { answers: Mutex::new(answers.into_iter().rev().collect()) }
    }
}

impl Lock for Lease {
    async fn hold(&self) -> Result<Option<Duration>, LockError> {
        tokio::time::sleep(Duration::from_millis(5)).await;
        let next = self.answers.lock().expect("no panic").pop();
        next.unwrap_or(Ok(Some(Duration::from_secs(20))))
    }

    async fn release(&self) {}

    fn owner(&self) -> String {
        "ops@laptop".to_owned()
    }
}

fn held() -> LockError {
    LockError::Held { by: "vera@desk".to_owned() }
}

fn silent() -> LockError {
    LockError::NoAnswer { message: "no answer within 5 s".to_owned() }
}

async fn locked(story: &Story, lock: &Lease) -> Result<Left, ExecuteError> {
    let (_, orders) = desk();
    story.live(orders, lock).await
}

#[tokio::test(start_paused = true)]
async fn a_lock_of_somebody_else_keeps_a_run_from_beginning() {
    let story = story("held", vec![], OnFailure::Halt);
    let error = locked(&story, &Lease::of(vec![Err(held())])).await.expect_err("it is held");
    assert_eq!(error.to_string(), "the deployment lock is held by vera@desk");
    assert_eq!(story.log(), "", "nothing happened");
}

#[tokio::test(start_paused = true)]
async fn a_lock_is_renewed_in_time_and_given_back() {
    let story = story("renewed", vec![], OnFailure::Halt);
    let flaky = Lease::of(vec![Ok(Some(Duration::from_secs(20))), Err(silent()), Err(silent())]);
    assert_eq!(locked(&story, &flaky).await.ok(), Some(Left::Ended(Outcome::Succeeded)));
    let log = story.log();
    assert!(log.contains("lock taken by ops@laptop"), "{log}");
    assert!(log.ends_with("lock released\nended succeeded"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn a_lost_lock_stops_the_run() {
    for (seed, lost) in [("taken", Err(held())), ("silent", Err(silent()))] {
        let story = story(seed, vec![], OnFailure::RollBack);
        let answers = std::iter::repeat_n(lost, 99);
        let lock =
            Lease::of(std::iter::once(Ok(Some(Duration::from_secs(20)))).chain(answers).collect());
        assert_eq!(locked(&story, &lock).await.ok(), Some(Left::Open), "{}", story.log());
        let state = story.state();
        assert_eq!(state.halted.map(|halt| halt.cause), Some(HaltCause::LockLost));
        assert_eq!(state.nodes.len(), 1, "no other wave began");
        // With the lock in hand again, somebody decides to go on.
        let (desk, orders) = desk();
        let giving = async move {
            tokio::time::sleep(Duration::from_secs(1)).await;
            desk.give(order(Wish::Resume)).await
        };
        let again = Lease::of(Vec::new());
        let (left, given) = tokio::join!(story.live(orders, &again), giving);
        assert_eq!(given, Ok(()));
        assert_eq!(left.ok(), Some(Left::Ended(Outcome::Succeeded)), "{}", story.log());
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_has_ended_is_not_gone_on_with() {
    let story = story("mine", vec![], OnFailure::Halt);
    assert_eq!(alone(&story).await, Left::Ended(Outcome::Succeeded));
    let log = story.log();
    assert_eq!(alone(&story).await, Left::Ended(Outcome::Succeeded), "it has ended");
    assert_eq!(story.log(), log, "and nothing is added");
}

#[tokio::test(start_paused = true)]
async fn no_prefix_of_a_run_leads_to_an_effect_that_was_started_already() {
    let story =
        story("prefixes", vec![all(), GateCheck::ErrorRate { ppm_max: 10 }], OnFailure::Halt);
    let given = vec![(45, Wish::RollBack { reason: reason() })];
    assert_eq!(with_orders(&story, given).await.0, Left::Ended(Outcome::RolledBack));
    let mut sends = 0;
    for events in 1..=story.events() {
        // Whatever it is, it follows from the prefix alone, and it is the same every time.
        let (step, started) = story.next_after(events, true);
        assert_eq!(story.next_after(events, true).0, step);
        if let Step::Send(sendings) = step {
            sends += 1;
            for sending in sendings {
                assert!(!started.contains(&sending.key), "{} after {events}", sending.key);
            }
            // Whoever goes on looks first, also at a node in the middle of its effects.
            let unseen = story.next_after(events, false).0;
            assert!(matches!(unseen, Step::Look(_)), "{unseen:?} after {events}");
        }
    }
    // Nodes show how the run ended, so most prefixes leave a node in the middle alone.
    assert!(sends > 0, "some prefixes go on with an effect");
    let last = story.next_after(story.events(), true).0;
    assert_eq!(last, Step::Done(Outcome::RolledBack));
}

/// R077, R078: one error is enough; nothing goes forward any more, and the fleet stays locked until every
/// node is back.
#[tokio::test(start_paused = true)]
async fn one_error_brings_nodes_back_while_the_lock_is_kept() {
    let story = story("one_error", vec![GateCheck::ErrorRate { ppm_max: 0 }], OnFailure::RollBack);
    *story.figure.lock().expect("no panic") = Ok(1);
    let left = locked(&story, &Lease::of(Vec::new())).await;
    assert_eq!(left.ok(), Some(Left::Ended(Outcome::RolledBack)));
    let log = story.log();
    let (_, after) = log.split_once("rollback by rule: ").expect("by itself");
    for line in after.lines().filter(|line| line.starts_with("intent ")) {
        assert!(line.contains("/back/"), "{line} goes forward");
    }
    let (before, _) = after.split_once("lock released").expect("it is given back");
    assert!(before.contains("proven a back arrived=true"), "{log}");
}

/// R080: a way back that fails is no success. It is told of each node, and the next way back is a plan of
/// its own.
#[tokio::test(start_paused = true)]
async fn a_way_back_that_fails_is_told() {
    let story = story("way_back", vec![all()], OnFailure::Halt);
    let (desk, orders) = desk();
    let giving = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        story.peer("a", |peer| peer.answer = Answer::Refuses);
        desk.give(order(Wish::RollBack { reason: reason() })).await
    };
    let (left, given) = tokio::join!(story.live(orders, &NoLock), giving);
    assert_eq!((left.ok(), given), (Some(Left::Ended(Outcome::Incomplete)), Ok(())));
    let node = story.state().nodes[&node_id("a")].clone();
    assert_eq!((node.phase, node.back.phase), (NodePhase::Failed, NodePhase::Failed));
    assert_eq!(node.detail, "bad signature");
}
