//! What is sent, what is written down and how a run ends.

use std::{sync::Arc, time::Duration};

use insta::assert_snapshot;
use plumb_fleet::NodeApi;
use plumb_journal::{NodePhase, Outcome};
use plumb_runbook::{Action, Effect};
use plumb_testkit::builders::{World, content, named, node_id, observed, report, version};

use crate::peers::{Answer, Story};

const SYNC: Action = Action::Sync { force: false };

/// Two nodes that are behind.
fn two(seed: &str) -> World {
    World::new(seed)
        .signed("1.9.0", "one")
        .signed("2.0.0", "two")
        .desired("2.0.0")
        .runs("agent", NodeApi::Agent, "1.9.0", "one")
        .runs("reload", NodeApi::Reload, "1.9.0", "one")
}

fn story(seed: &str) -> Story {
    Story::new(seed, &SYNC, &two(seed))
}

#[tokio::test(start_paused = true)]
async fn intent_precedes_effect_and_arrival_is_proven() {
    let story = story("sync");
    let outcome = story.go().await;
    let (state, log) = story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Succeeded));
    assert!(state.nodes.values().all(|node| node.phase == NodePhase::Arrived));
    assert_snapshot!(log);
}

#[tokio::test(start_paused = true)]
async fn the_desired_version_is_set_before_any_node_is_touched() {
    let pin = Action::Pin { version: version("1.9.0"), content: None, sync: true };
    let world = two("pin").runs("ahead", NodeApi::Agent, "2.0.0", "two");
    let story = Story::new("pin", &pin, &world);
    let outcome = story.go().await;
    assert_snapshot!(story.checked(&outcome).1);
}

#[tokio::test(start_paused = true)]
async fn no_node_is_touched_when_the_desired_version_cannot_be_set() {
    let pin = Action::Pin { version: version("1.9.0"), content: None, sync: true };
    let world = two("unset").runs("ahead", NodeApi::Agent, "2.0.0", "two");
    let mut story = Story::new("unset", &pin, &world);
    story.desired_error = Some("the store is read-only".to_owned());
    let outcome = story.go().await;
    let (state, log) = story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Incomplete));
    assert_eq!(state.nodes[&node_id("ahead")].phase, NodePhase::Skipped);
    assert_snapshot!(log);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_ends_the_part_of_its_node_only() {
    let story = story("refusal");
    story.peer("agent", |peer| peer.answer = Answer::Refuses);
    story.peer("reload", |peer| peer.arrives_after = Duration::from_secs(3));
    let outcome = story.go().await;
    let (state, log) = story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Incomplete));
    let agent = &state.nodes[&node_id("agent")];
    assert_eq!((agent.phase, agent.detail.as_str()), (NodePhase::Failed, "bad signature"));
    assert!(log.contains("outcome agent/0: pin 2.0.0"), "the pin was accepted: {log}");
    assert!(story.elapsed() < Duration::from_secs(10), "nothing waits for a refused node");
    assert_snapshot!(log);
}

#[tokio::test(start_paused = true)]
async fn a_missing_file_is_not_waited_for() {
    let story = story("missing");
    story.peer("reload", |peer| peer.answer = Answer::Misses);
    let outcome = story.go().await;
    let (state, log) = story.checked(&outcome);
    assert_eq!(state.nodes[&node_id("reload")].detail, "no such file");
    assert!(!log.contains("send reload/1"), "{log}");
    assert!(story.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn doubt_is_settled_by_looking() {
    let story = story("doubt");
    story.peer("agent", |peer| peer.answer = Answer::DoubtTaken);
    story.peer("reload", |peer| peer.answer = Answer::DoubtLost);
    let outcome = story.go().await;
    let (state, log) = story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Incomplete));
    assert_eq!(state.nodes[&node_id("agent")].phase, NodePhase::Arrived);
    assert_eq!(state.nodes[&node_id("reload")].phase, NodePhase::Failed);
    assert_eq!(log.matches("send reload/1").count(), 1, "nothing is sent twice");
    assert_snapshot!(log);
}

#[tokio::test(start_paused = true)]
async fn arrival_may_take_until_the_deadline() {
    let story = story("slow");
    story.peer("agent", |peer| peer.arrives_after = Duration::from_secs(25));
    story.peer("reload", |peer| peer.arrives_after = Duration::from_mins(1));
    let outcome = story.go().await;
    let (state, _) = story.checked(&outcome);
    assert_eq!(state.nodes[&node_id("agent")].phase, NodePhase::Arrived);
    let late = &state.nodes[&node_id("reload")];
    assert!(late.detail.starts_with("still runs 1.9.0"), "{}", late.detail);
    assert!(story.elapsed() < Duration::from_secs(35), "{:?}", story.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_look_slower_than_the_deadline_does_not_fail_a_node_that_arrived_meanwhile() {
    let mut story = story("slow look");
    story.look_takes = Duration::from_secs(40);
    story.peer("agent", |peer| peer.arrives_after = Duration::from_secs(3));
    story.peer("reload", |peer| peer.arrives_after = Duration::from_mins(10));
    let outcome = story.go().await;
    let (state, log) = story.checked(&outcome);
    assert_eq!(state.nodes[&node_id("agent")].phase, NodePhase::Arrived, "{log}");
    assert_eq!(state.nodes[&node_id("reload")].phase, NodePhase::Failed, "{log}");
    assert!(story.elapsed() < Duration::from_secs(130), "one look after the deadline is the last");
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_never_looked_at_does_not_hold_the_run() {
    let story = story("forgotten");
    story.peer("agent", |peer| peer.forgotten = true);
    let outcome = tokio::time::timeout(Duration::from_mins(5), story.go()).await;
    let outcome = outcome.expect("a run ends");
    let (state, _) = story.checked(&outcome);
    assert_eq!(state.nodes[&node_id("agent")].detail, "it was not looked at; nothing was sent");
    assert_eq!(state.nodes[&node_id("reload")].phase, NodePhase::Arrived);
}

#[tokio::test(start_paused = true)]
async fn an_abort_is_honoured_between_effects() {
    let mut story = story("abort");
    story.cancel_at = Some(1);
    story.peer("reload", |peer| peer.answers_after = Duration::from_millis(50));
    let outcome = story.go().await;
    let (state, log) = story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Aborted));
    assert!(state.abort_requested, "{log}");
    assert_eq!(log.matches("abort by ops@example").count(), 1, "{log}");
    assert_snapshot!(log);
}

#[tokio::test(start_paused = true)]
async fn an_abort_before_the_start_sends_nothing() {
    let pin = Action::Pin { version: version("1.9.0"), content: None, sync: true };
    let world = two("early").runs("ahead", NodeApi::Agent, "2.0.0", "two");
    let story = Story::new("early", &pin, &world);
    story.cancel.cancel();
    let outcome = story.go().await;
    assert_eq!(
        story.checked(&outcome).1,
        "run by ops@example, 1 nodes\nabort by ops@example\nended aborted"
    );
}

#[tokio::test(start_paused = true)]
async fn an_abort_after_everything_arrived_aborts_nothing() {
    let mut story = story("late abort");
    story.cancel_at = Some(4);
    let outcome = story.go().await;
    story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_to_any_node_once_the_journal_failed() {
    let mut world = World::new("journal").signed("1.9.0", "one").signed("2.0.0", "two");
    for number in 0..100 {
        world = world.runs(&format!("n{number:03}"), NodeApi::Agent, "1.9.0", "one");
    }
    let world = world.desired("2.0.0");
    for fails_at in [1, 2, 3, 5, 7, 9] {
        let mut story = Story::new("journal", &SYNC, &world);
        story.journal_fails_at = Some(fails_at);
        let outcome = story.go().await;
        let (_, log) = story.checked(&outcome);
        assert!(outcome.is_err());
        let after = log.split("journal fails").nth(1).unwrap_or_default();
        // Effects whose intent was durable already may still be on their way out.
        let intents = |part: &str| part.matches("intent ").count();
        let sent = log.matches("send ").count();
        assert!(sent <= intents(&log), "{log}");
        assert!(intents(after) <= 32, "only what was being written is: {after}");
        assert!(!log.contains("ended"), "{log}");
    }
}

fn restart(seed: &str, skew_s: i64) -> Story {
    let world = World::new(seed).signed("2.0.0", "two").desired("2.0.0").reporting(report(
        "agent",
        NodeApi::Agent,
        "2.0.0",
        "two",
    ));
    let story = Story::new(seed, &Action::Restart, &world);
    story.peer("agent", |peer| {
        peer.arrives_after = Duration::from_secs(4);
        peer.skew_s = skew_s;
    });
    story
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_proven_by_another_load_whatever_the_clock_of_the_node() {
    for skew_s in [0, -40, -86_400, 86_400] {
        let story = restart("restart", skew_s);
        let outcome = story.go().await;
        let (_, log) = story.checked(&outcome);
        assert_eq!(outcome.ok(), Some(Outcome::Succeeded), "{skew_s}: {log}");
        assert!(story.elapsed() >= Duration::from_secs(4), "{skew_s}: proven before it happened");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_changes_nothing_is_not_proven() {
    let story = restart("no restart", 0);
    story.peer("agent", |peer| peer.answer = Answer::AcceptsOnly);
    let outcome = story.go().await;
    story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Incomplete));
}

/// A pin that no node is asked to take, answered as said.
async fn pinned_alone(answer: Answer) -> (NodePhase, String) {
    let pin = Action::Pin { version: version("1.9.0"), content: None, sync: false };
    let world = World::new("pin alone")
        .signed("1.9.0", "one")
        .signed("2.0.0", "two")
        .desired("2.0.0")
        .runs("agent", NodeApi::Agent, "2.0.0", "two");
    let story = Story::new("pin alone", &pin, &world);
    story.peer("agent", |peer| peer.answer = answer);
    let outcome = story.go().await;
    let node = story.checked(&outcome).0.nodes[&node_id("agent")].clone();
    (node.phase, node.detail)
}

#[tokio::test(start_paused = true)]
async fn a_pin_alone_is_proven_by_the_pin_the_node_tells() {
    let told = format!("is pinned to 1.9.0 {}", content("one").short());
    assert_eq!(pinned_alone(Answer::Accepts).await, (NodePhase::Arrived, told.clone()));
    assert_eq!(pinned_alone(Answer::DoubtTaken).await, (NodePhase::Arrived, told));
    let none = "has no pin".to_owned();
    assert_eq!(pinned_alone(Answer::DoubtLost).await, (NodePhase::Failed, none.clone()));
    assert_eq!(pinned_alone(Answer::AcceptsOnly).await, (NodePhase::Failed, none));
}

#[tokio::test(start_paused = true)]
async fn a_sync_is_proven_only_where_the_pin_holds_too() {
    let mut report = report("agent", NodeApi::Agent, "2.0.0", "two");
    report.pinned = Some(Box::new(observed(named("1.9.0", "one"))));
    let world = World::new("pinned elsewhere")
        .signed("1.9.0", "one")
        .signed("2.0.0", "two")
        .desired("2.0.0")
        .reporting(report);
    let story = Story::new("pinned elsewhere", &SYNC, &world);
    story.peer("agent", |peer| peer.answer = Answer::AcceptsOnly);
    let outcome = story.go().await;
    let (state, _) = story.checked(&outcome);
    let runs =
        format!("runs 2.0.0 {}, but is pinned to 1.9.0 7692c3ad3540", content("two").short());
    assert_eq!(state.nodes[&node_id("agent")].detail, runs);
    assert_eq!(outcome.ok(), Some(Outcome::Incomplete));
}

/// Both kinds of nodes, which run what is wanted and are made to load it anew.
fn forced(seed: &str) -> Story {
    let world = World::new(seed)
        .signed("2.0.0", "two")
        .desired("2.0.0")
        .runs("agent", NodeApi::Agent, "2.0.0", "two")
        .runs("reload", NodeApi::Reload, "2.0.0", "two");
    Story::new(seed, &Action::Sync { force: true }, &world)
}

#[tokio::test(start_paused = true)]
async fn a_forced_load_of_equal_content_is_proven_by_another_load() {
    let story = forced("forced");
    story.peer("agent", |peer| (peer.answer, peer.skew_s) = (Answer::DoubtTaken, -86_400));
    story.peer("reload", |peer| peer.answer = Answer::DoubtLost);
    let outcome = story.go().await;
    let (state, log) = story.checked(&outcome);
    assert_eq!(state.nodes[&node_id("agent")].phase, NodePhase::Arrived, "{log}");
    let reload = &state.nodes[&node_id("reload")];
    let runs = format!("runs 2.0.0 {}, but did not load it anew", content("two").short());
    assert_eq!((reload.phase, reload.detail.as_str()), (NodePhase::Failed, runs.as_str()));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_never_tells_when_it_loaded_proves_a_forced_load_by_content() {
    let story = forced("untold");
    story.peer("agent", |peer| peer.tells_loaded_at = false);
    story.peer("reload", |peer| peer.tells_loaded_at = false);
    let outcome = story.go().await;
    story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn an_unforced_sync_of_equal_content_needs_no_other_load() {
    let mut report = report("agent", NodeApi::Agent, "2.0.0", "two");
    report.pinned = Some(Box::new(observed(named("1.9.0", "one"))));
    let world = World::new("confirms").signed("2.0.0", "two").desired("2.0.0").reporting(report);
    let story = Story::new("confirms", &SYNC, &world);
    // The pin is taken, and the sync has nothing to load.
    story.peer("agent", |peer| peer.arrives_after = Duration::from_hours(1));
    let outcome = story.go().await;
    story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Succeeded));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_nodes_are_brought_home_together() {
    let nodes = (0..1_000).map(|n| report(&format!("n{n:04}"), NodeApi::Agent, "1.9.0", "one"));
    let world = two("thousand").with(|world| {
        for report in nodes {
            let one = World::new("one").reporting(report);
            world.fleet.nodes.extend(one.fleet.nodes);
            world.snapshot.nodes.extend(one.snapshot.nodes);
        }
    });
    let story = Arc::new(Story::new("thousand", &SYNC, &world));
    // Spawned, since the window runs it so: the future must be able to move between threads.
    let running = Arc::clone(&story);
    let outcome = tokio::spawn(async move { running.go().await }).await.expect("no panic");
    let (state, _) = story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Succeeded));
    assert_eq!(state.nodes.len(), 1_002);
    assert!(story.elapsed() < Duration::from_secs(5), "{:?}", story.elapsed());
}

/// An agent that is pinned and tells its settings.
fn told(seed: &str) -> World {
    let mut report = report("agent", NodeApi::Agent, "1.9.0", "one");
    report.pinned = Some(Box::new(observed(named("1.9.0", "one"))));
    report.config.insert("deployment.locking".to_owned(), "false".to_owned());
    World::new(seed).signed("1.9.0", "one").reporting(report).with(|w| {
        let pin = plumb_testkit::builders::desired("1.9.0", None);
        w.desired.fleet =
            Some(plumb_fleet::DesiredVersion { pinned_by: Some("ops@example".to_owned()), ..pin });
    })
}

fn lock() -> Action {
    Action::SetConfig { key: "deployment.locking".to_owned(), value: "true".to_owned() }
}

#[tokio::test(start_paused = true)]
async fn a_setting_is_proven_by_what_the_node_tells_afterwards() {
    let story = Story::new("setting", &lock(), &told("setting"));
    let outcome = story.go().await;
    let (_, log) = story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Succeeded));
    assert_snapshot!(log);
    let story = Story::new("kept", &lock(), &told("kept"));
    story.peer("agent", |peer| peer.answer = Answer::AcceptsOnly);
    let outcome = story.go().await;
    let (state, _) = story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Incomplete));
    assert_eq!(state.nodes[&node_id("agent")].detail, "deployment.locking is false");
}

#[tokio::test(start_paused = true)]
async fn a_lifted_pin_is_proven_and_the_console_lifts_its_own_first() {
    let story = Story::new("unpin", &Action::Unpin, &told("unpin"));
    let outcome = story.go().await;
    let (state, log) = story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Succeeded));
    assert!(state.pins_changed);
    assert_snapshot!(log);
    let mut story = Story::new("unlifted", &Action::Unpin, &told("unlifted"));
    story.desired_error = Some("the store is read-only".to_owned());
    let outcome = story.go().await;
    let (_, log) = story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Incomplete));
    assert!(!log.contains("send"), "{log}");
}

#[tokio::test(start_paused = true)]
async fn what_changed_since_it_was_planned_is_left_alone() {
    let key = "bundle.polling.min_delay_seconds".to_owned();
    let (before, value) = (Some("5".to_owned()), "10".to_owned());
    let action = Action::SetConfig { key: key.clone(), value: value.clone() };
    let world = told("meanwhile").with(|w| {
        let seen = w.snapshot.nodes.get_mut(&node_id("agent")).expect("there");
        seen.report_mut().expect("told").config.insert(key.clone(), "5".to_owned());
    });
    let story = Story::new("meanwhile", &action, &world);
    story.told_meanwhile("agent", &Effect::SetConfig { key, value: "7".to_owned(), before });
    let outcome = story.go().await;
    let (state, log) = story.checked(&outcome);
    assert_eq!(outcome.ok(), Some(Outcome::Incomplete));
    assert!(!log.contains("send"), "{log}");
    let node = &state.nodes[&node_id("agent")];
    assert_eq!(node.phase, NodePhase::Skipped);
    assert_eq!(node.detail, "bundle.polling.min_delay_seconds is 7, no longer 5 as planned");
}
