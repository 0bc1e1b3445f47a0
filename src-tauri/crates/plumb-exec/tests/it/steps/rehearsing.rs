//! Rehearsals: what they try, and what they say that they did not.

use std::fmt::Write as _;

use plumb_exec::{
    Answer, Came, Errand,
    steps::{SimulatedWorld, rehearse},
};
use plumb_journal::StepOutcome;
use plumb_testkit::clock;
use serde_json::json;

use super::world::plan_of;

/// Everything succeeds in it.
pub(super) struct Well;

impl SimulatedWorld for Well {
    fn begin(&mut self) {}

    fn perform(&mut self, _: &Errand) -> Came {
        Came::Answer(Answer {
            outcome: StepOutcome::Succeeded,
            detail: String::new(),
            result: json!({ "exit": 0 }),
        })
    }
}

const FRONT: &str = "---\ntitle: It\ncomponent: It\nseverity: low\non_call_scope: It\n\
    owners: {run: It}\nlast_updated: 2026-03-02\n";

/// A document of questions with two answers each.
fn questions(count: usize) -> String {
    let mut text = format!("{FRONT}---\n# It\n");
    for n in 0..count {
        write!(
            text,
            "\n```step\nid: q{n}\ntitle: Q{n}\ndo: {{question: {{ask: 'Which, {n}?', choices: [one, other]}}}}\n```\n"
        )
        .expect("a string takes it");
    }
    text
}

#[test]
fn every_choice_of_every_question_is_tried() {
    let (_, plan) = plan_of(&questions(3), &[]);
    let rehearsal = rehearse(&plan, &mut Well, clock::start());
    let sound = rehearsal.runs.iter().filter(|run| run.faults.is_empty()).count();
    assert_eq!(sound, 8);
    assert!(rehearsal.is_green() && !rehearsal.cut_off, "{rehearsal:?}");
}

/// What was not tried is not called green.
#[test]
fn a_rehearsal_that_is_cut_off_is_not_green() {
    let (_, plan) = plan_of(&questions(13), &[]);
    let rehearsal = rehearse(&plan, &mut Well, clock::start());
    assert_eq!(rehearsal.runs.len(), 5_000);
    assert!(rehearsal.runs.iter().all(|run| run.problem.is_none()));
    assert!(rehearsal.never_reached.is_empty());
    assert!(rehearsal.cut_off && !rehearsal.is_green());
}
