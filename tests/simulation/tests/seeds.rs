//! Ten thousand seeds, and that the checks see what they are there for.

use std::collections::BTreeMap;

use simulation_tests::{CrashPoint, Defect, Fault, simulate, simulate_crash};

/// Seeds of one part; the parts run side by side.
const SEEDS: u64 = 640;

#[track_caller]
fn play(part: u64) {
    let mut outcomes = BTreeMap::new();
    let (mut effects, mut crashes, mut taken_back) = (0, 0, 0);
    let mut happened: BTreeMap<Fault, u32> = BTreeMap::new();
    for seed in part * SEEDS..(part + 1) * SEEDS {
        match simulate(seed, None) {
            Ok(told) => {
                effects += told.effects;
                crashes += told.crashes;
                taken_back += told.taken_back;
                for (fault, count) in told.happened {
                    *happened.entry(fault).or_default() += count;
                }
                for outcome in told.outcomes {
                    *outcomes.entry(outcome.map(plumb_journal::Outcome::name)).or_insert(0) += 1;
                }
            }
            Err(failure) => panic!("{failure}"),
        }
    }
    // A simulation in which nothing happens proves nothing.
    for name in ["succeeded", "incomplete", "aborted", "rolled_back"] {
        assert!(outcomes.get(&Some(name)).is_some_and(|count| *count > 10), "{name}: {outcomes:?}");
    }
    for fault in Fault::ALL {
        let count = happened.get(&fault).copied().unwrap_or_default();
        assert!(count >= 10, "{fault:?} came about {count} times");
    }
    let counts = format!("{effects} effects, {crashes} crashes, {taken_back} nodes taken back");
    assert!(effects > 1_000 && crashes > 50 && taken_back > 100, "{counts}");
}

macro_rules! parts {
    ($($name:ident: $part:literal),*) => {
        $(#[test]
        fn $name() {
            play($part);
        })*
    };
}

parts!(
    seeds_of_part_01: 0, seeds_of_part_02: 1, seeds_of_part_03: 2, seeds_of_part_04: 3,
    seeds_of_part_05: 4, seeds_of_part_06: 5, seeds_of_part_07: 6, seeds_of_part_08: 7,
    seeds_of_part_09: 8, seeds_of_part_10: 9, seeds_of_part_11: 10, seeds_of_part_12: 11,
    seeds_of_part_13: 12, seeds_of_part_14: 13, seeds_of_part_15: 14, seeds_of_part_16: 15
);

#[test]
fn a_seed_plays_the_same_way_every_time() {
    for seed in 0..40 {
        let told = || simulate(seed, None).map_err(|failure| failure.to_string());
        assert_eq!(told(), told(), "seed {seed}");
    }
}

/// A program that dies before and after each of its durable writes, one after the other.
#[test]
fn every_durable_write_of_a_run_is_survived() {
    let mut points = 0;
    for seed in 0..20 {
        let writes = simulate(seed, None).unwrap_or_else(|failure| panic!("{failure}")).writes;
        for (write, after) in (0..writes).flat_map(|write| [(write, false), (write, true)]) {
            points += 1;
            let at = CrashPoint { write, after };
            if let Err(failure) = simulate_crash(seed, at) {
                panic!("{at:?}: {failure}\n{}", failure.journal.join("\n"));
            }
        }
    }
    assert!(points > 400, "{points} points");
}

/// A broken part is found out within some hundred seeds, by the check that is there for it.
#[track_caller]
fn found_out(defect: Defect, by: &str) {
    let found = (0..600).filter_map(|seed| simulate(seed, Some(defect)).err());
    let mut said = found.map(|failure| failure.violations.join("\n"));
    assert!(said.any(|said| said.contains(by)), "{defect:?} was not found out by {by:?}");
}

#[test]
fn a_disk_that_lies_is_found_out() {
    found_out(Defect::LyingDisk, "before its intent was durable");
}

#[test]
fn sending_again_what_is_in_doubt_is_found_out() {
    found_out(Defect::SendsAgain, "was sent 2 times");
}

#[test]
fn a_run_resumed_from_nothing_is_found_out() {
    found_out(Defect::Forgets, "was started twice");
}

#[test]
fn refused_content_that_is_sent_is_found_out() {
    found_out(Defect::IgnoresRefused, "sent refused content");
}

#[test]
fn acting_without_the_lock_is_found_out() {
    found_out(Defect::IgnoresLock, "without the lock");
}

#[test]
fn two_who_take_the_lock_for_held_at_once_are_found_out() {
    found_out(Defect::IgnoresLock, "take the lock for held at once");
}

#[test]
fn a_rollback_that_restores_nothing_is_found_out() {
    found_out(Defect::SeesWhatItWants, "says RolledBack of");
    found_out(Defect::SeesWhatItWants, "is called back, and runs something else");
}

#[test]
fn a_journal_with_holes_is_found_out() {
    found_out(Defect::LosesEntries, "does not fit the chain");
}

#[test]
fn an_effect_of_no_plan_is_found_out() {
    found_out(Defect::Improvises, "is in no approved plan");
}

#[test]
fn an_undo_that_takes_nothing_back_is_found_out() {
    found_out(Defect::UndoesOnPaper, "was not undone");
}
