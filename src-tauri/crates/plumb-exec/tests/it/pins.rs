//! The console's own pins in a run: intent first, changed once, settled by looking after a crash.

use std::{sync::PoisonError, time::Duration};

use plumb_exec::{Left, NoLock, Order, Wish, desk};
use plumb_fleet::NodeApi;
use plumb_journal::Outcome;
use plumb_runbook::{Action, GateCheck, OnFailure, PinTo, Rollout, Shape};
use plumb_testkit::builders::{World, version};

use crate::peers::Story;

fn world(seed: &str) -> World {
    World::new(seed)
        .signed("1.9.0", "one")
        .signed("2.0.0", "two")
        .desired("1.9.0")
        .runs("agent", NodeApi::Agent, "1.9.0", "one")
        .runs("other", NodeApi::Agent, "1.9.0", "one")
}

fn pin() -> Action {
    Action::Pin { version: version("2.0.0"), content: None, sync: true }
}

async fn alone(story: &Story) -> Option<Left> {
    story.live(desk().1, &NoLock).await.ok()
}

fn times(story: &Story, line: &str) -> usize {
    story.log().lines().filter(|one| one.starts_with(line)).count()
}

#[tokio::test(start_paused = true)]
async fn wherever_the_journal_fails_pins_are_changed_once_and_never_before_their_intent() {
    let mut whole = 0;
    for append in 1.. {
        let mut story = Story::new("journal", &pin(), &world("journal"));
        story.journal_fails_at = Some(append);
        let first = alone(&story).await;
        let intended = times(&story, "intent desired 2.0.0");
        assert!(times(&story, "change pins") <= intended, "append {append}: {}", story.log());
        assert_eq!(alone(&story).await, Some(Left::Ended(Outcome::Succeeded)), "append {append}");
        story.intents_come_first();
        assert_eq!(times(&story, "change pins"), 1, "append {append}: {}", story.log());
        assert_eq!(times(&story, "desired 2.0.0"), 1, "append {append}: {}", story.log());
        if first.is_some() {
            whole = append;
            break;
        }
    }
    assert!(whole > 4, "some appends were about pins");
}

#[tokio::test(start_paused = true)]
async fn pins_whose_program_died_before_them_are_changed_by_the_next() {
    let mut story = Story::new("dies", &pin(), &world("dies"));
    story.dies_before_pins = true;
    let died = tokio::time::timeout(Duration::from_mins(1), alone(&story)).await;
    assert!(died.is_err(), "it never came back");
    let state = story.state();
    assert!(state.pins_pending && state.pins_may_differ() && !state.desired_set, "{state:?}");
    story.dies_before_pins = false;
    assert_eq!(alone(&story).await, Some(Left::Ended(Outcome::Succeeded)));
    assert_eq!(times(&story, "intent desired"), 1, "the intent stands: {}", story.log());
    assert_eq!(times(&story, "change pins"), 1, "{}", story.log());
    assert!(!story.state().pins_pending);
}

fn rolled(seed: &str) -> Story {
    let rollout = Rollout {
        shape: Shape::OneByOne,
        gate: Some(plumb_runbook::Gate {
            checks: vec![GateCheck::Convergence { percent_min: 100 }],
            soak_s: 10,
            patience_s: 60,
            every_s: 10,
        }),
        on_failure: OnFailure::Halt,
        failures_tolerated: 0,
        freeze: Vec::new(),
    };
    Story::rolled(seed, &pin(), &rollout, &world(seed))
}

/// Leaves a rollout in the middle of changing pins, which came to be or not, and gives an order to
/// whoever resumes it.
async fn left_in_doubt(seed: &str, came_to_be: bool, wish: Wish) -> (Story, Option<Left>) {
    let mut story = rolled(seed);
    if came_to_be {
        // Start, intent, and what came of it.
        story.journal_fails_at = Some(3);
        assert_eq!(alone(&story).await, None);
    } else {
        story.dies_before_pins = true;
        let died = tokio::time::timeout(Duration::from_mins(1), alone(&story)).await;
        assert!(died.is_err(), "it never came back");
        story.dies_before_pins = false;
    }
    assert!(story.state().pins_pending, "{}", story.log());
    let (desk, orders) = desk();
    let order = Order { by: "ops@example".to_owned(), what: wish };
    let given = async move { desk.give(order).await };
    let (left, given) = tokio::join!(story.live(orders, &NoLock), given);
    given.expect("taken");
    (story, left.ok())
}

#[tokio::test(start_paused = true)]
async fn an_abort_tells_what_came_of_pins_in_doubt() {
    for (came_to_be, told) in [(true, "desired 2.0.0"), (false, "pins unchanged: the program")] {
        let (story, left) = left_in_doubt("abort", came_to_be, Wish::Abort).await;
        assert_eq!(left, Some(Left::Ended(Outcome::Aborted)), "{}", story.log());
        assert_eq!(times(&story, told), 1, "{}", story.log());
        assert_eq!(times(&story, "change pins"), usize::from(came_to_be), "{}", story.log());
        let state = story.state();
        assert_eq!((state.pins_pending, state.pins_changed), (false, came_to_be));
    }
}

#[tokio::test(start_paused = true)]
async fn a_way_back_restores_pins_in_doubt() {
    for came_to_be in [true, false] {
        let wish = Wish::RollBack { reason: "errors".to_owned() };
        let (story, left) = left_in_doubt("back", came_to_be, wish).await;
        assert_eq!(left, Some(Left::Ended(Outcome::RolledBack)), "{}", story.log());
        let standing = story.pins.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert_eq!(standing.and_then(|pins| pins.fleet), Some(PinTo::Lifted), "{}", story.log());
        let state = story.state();
        assert!(state.pins_restored && !state.pins_may_differ(), "{state:?}");
    }
}
