//! What is taken back: what may have changed something, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use plumb_exec::{
    Left, StepOrder, StepOrderError, StepWish, StepsState, fold_steps, steps::obey_step,
};
use plumb_journal::Outcome;
use plumb_testkit::{clock, ids::SeededIds};

use super::world::*;

#[tokio::test(start_paused = true)]
async fn what_never_began_is_not_taken_back_and_may_be_done_once_more() {
    let plan = plan_of(&backfill(), &[]);
    let mut world = good();
    world.not_begun.insert("job".to_owned());
    let (left, entries) = run_on(&plan, &world, &[], &BTreeMap::new()).await;
    assert_eq!(left, Left::Open, "nothing was changed, so nothing goes back: somebody decides");
    assert_eq!(world.performed(), ["freeze", "count", "job"]);
    let state = fold_steps(&entries);
    let decide = |what: StepWish| {
        let order = StepOrder { by: "ana".to_owned(), groups: BTreeSet::new(), what };
        obey_step(&order, &plan.1, &state)
    };
    let again = decide(StepWish::Again { step: "job".to_owned() });
    assert!(again.is_ok(), "{again:?}");
    // The freeze holds, so the run may end by a way back that lifts it and does nothing else.
    let back = decide(StepWish::RollBack { reason: "the job is gone".to_owned() });
    assert!(back.is_ok(), "{back:?}");
    let mut head = plumb_journal::head(SeededIds::new("steps").run(), &entries);
    let at = entries.last().expect("it is not the first").body.at;
    let mut entries = entries;
    entries.push(head.append(at, back.expect("it is obeyed")));
    let (left, _) = run_on(&plan, &world, &entries, &BTreeMap::new()).await;
    assert_eq!(left, Left::Ended(Outcome::RolledBack));
    assert_eq!(world.performed(), ["freeze", "count", "job", "unfreeze"]);
}

#[tokio::test(start_paused = true)]
async fn what_somebody_found_not_to_have_happened_is_not_taken_back() {
    let plan = plan_of(
        &document(
            "guide",
            &[
                "{id: change, title: Change, do: {command: {argv: [change]}}, rollback: undo}",
                "{id: undo, title: Undo, do: {command: {argv: [undo]}}}",
            ],
        ),
        &[],
    );
    let mut world = good();
    world.doubts.insert("change".to_owned());
    let (left, entries) = run_on(&plan, &world, &[], &BTreeMap::new()).await;
    assert_eq!(left, Left::Open);
    let told = |state: &StepsState, what: StepWish| {
        let order = StepOrder { by: "ana".to_owned(), groups: BTreeSet::new(), what };
        obey_step(&order, &plan.1, state)
    };
    let back = || StepWish::RollBack { reason: "to be sure".to_owned() };
    let again = || StepWish::Again { step: "change".to_owned() };
    let state = fold_steps(&entries);
    assert!(told(&state, back()).is_ok(), "nobody knows");
    assert!(told(&state, again()).is_err(), "nobody knows");
    let (step, note) = ("change".to_owned(), "the log has no line of it".to_owned());
    let settled = told(&state, StepWish::Settle { step, happened: false, note });
    let mut after = state;
    after.apply(&settled.expect("it is settled"), clock::start());
    assert_eq!(told(&after, back()).err(), Some(StepOrderError::NothingToTakeBack));
    assert!(told(&after, again()).is_ok());
}
