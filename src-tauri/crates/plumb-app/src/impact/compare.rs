//! Asks both sides, a part at a time, and makes the examples smaller.

use std::collections::BTreeSet;

use plumb_decide::{Case, FlipReport, Outcome, Shrinker};

use super::semantics::{Answered, Semantics};

/// Cases asked before the first flips are told: a few hundredths of a second.
const FIRST_PART: usize = 256;
/// Cases of every further part.
const PART: usize = 2_048;
/// Groups whose example is made smaller, the gravest first; each asks a few hundred cases more.
const SHRUNK_MAX: usize = 32;

/// What the comparison came to.
pub(super) struct Compared {
    pub report: FlipReport,
    /// For each side and case the definitions that held.
    pub held: [Vec<BTreeSet<usize>>; 2],
}

/// Asks both sides every case. `told` gets how many were asked and the report so far
/// after every part.
pub(super) async fn compare(
    before: &dyn Semantics,
    after: &dyn Semantics,
    cases: &[Case],
    mut told: impl FnMut(usize, &FlipReport),
) -> Compared {
    let (mut of_before, mut of_after) = (Side::default(), Side::default());
    let mut asked = 0;
    while asked < cases.len() {
        let part = if asked == 0 { FIRST_PART } else { PART };
        let part = &cases[asked..cases.len().min(asked + part)];
        let answers = tokio::join!(before.answers(part), after.answers(part));
        of_before.add(answers.0);
        of_after.add(answers.1);
        asked += part.len();
        if asked < cases.len() {
            told(asked, &FlipReport::of(&cases[..asked], &of_before.outcomes, &of_after.outcomes));
        }
    }
    let mut report = FlipReport::of(cases, &of_before.outcomes, &of_after.outcomes);
    told(asked, &report);
    for group in report.groups.iter_mut().take(SHRUNK_MAX) {
        let mut shrinker = Shrinker::new(group.kind.clone(), group.example.clone());
        while !shrinker.candidates().is_empty() {
            let tried = shrinker.candidates().to_vec();
            let (before, after) = tokio::join!(before.answers(&tried), after.answers(&tried));
            let plain = |answers: Vec<Answered>| -> Vec<Outcome> {
                answers.into_iter().map(|answer| answer.outcome).collect()
            };
            shrinker.told(&plain(before), &plain(after));
        }
        group.example = shrinker.into_smallest();
    }
    Compared { report, held: [of_before.held, of_after.held] }
}

/// What one side answered so far.
#[derive(Default)]
struct Side {
    outcomes: Vec<Outcome>,
    held: Vec<BTreeSet<usize>>,
}

impl Side {
    fn add(&mut self, answers: Vec<Answered>) {
        for answer in answers {
            self.outcomes.push(answer.outcome);
            self.held.push(answer.held);
        }
    }
}
