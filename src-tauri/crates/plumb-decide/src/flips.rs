//! Which requests are answered differently: the answers of two policies to the same cases, compared.
//!
//! Two outcomes differ when anything that a caller sees of them differs. A case that one side did not
//! evaluate is told apart: it is no flip, and no proof that there is none.

mod shrink;

use std::{cmp::Reverse, collections::BTreeMap};

use plumb_fleet::ids::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    case::Case,
    outcome::{Effect, Outcome},
};
pub use shrink::Shrinker;

/// The version of what [`FlipReport::digest`] is taken over.
const FORMAT: &str = "plumbline/flips/v1";

/// What a flip comes to, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// More is let through.
    Wider,
    /// Less is let through.
    Stricter,
    /// The policy fails now, or no longer, or in another way.
    Error,
    /// Another answer, of which nobody can say that it lets more or less through.
    Other,
    /// The same effect with another reason, or with something else beside it.
    ReasonOnly,
}

impl Change {
    /// Nothing where both say the same. Which rule said it is no part of an answer.
    pub fn between(before: &Outcome, after: &Outcome) -> Option<Self> {
        let answer =
            |outcome: &Outcome| (outcome.effect, outcome.reason.clone(), outcome.value.clone());
        if answer(before) == answer(after) {
            return None;
        }
        if before.effect == Effect::Error || after.effect == Effect::Error {
            return Some(Self::Error);
        }
        if before.effect == after.effect {
            let is_value = before.effect == Effect::Value;
            return Some(if is_value { Self::Other } else { Self::ReasonOnly });
        }
        Some(match (before.effect.permits(), after.effect.permits()) {
            (Some(before), Some(after)) if before < after => Self::Wider,
            (Some(before), Some(after)) if before > after => Self::Stricter,
            _ => Self::Other,
        })
    }

    const fn mirrored(self) -> Self {
        match self {
            Self::Wider => Self::Stricter,
            Self::Stricter => Self::Wider,
            same => same,
        }
    }
}

/// What flips alike: the same effects by the same rules.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Kind {
    pub change: Change,
    pub before: Effect,
    pub after: Effect,
    /// The rules that answered, where they are known.
    pub rule_before: Option<String>,
    pub rule_after: Option<String>,
}

impl Kind {
    /// Nothing where the case is no flip: both say the same, or one was not evaluated.
    pub fn of(before: &Outcome, after: &Outcome) -> Option<Self> {
        let evaluated = |outcome: &Outcome| outcome.effect != Effect::NotEvaluated;
        if !evaluated(before) || !evaluated(after) {
            return None;
        }
        Some(Self {
            change: Change::between(before, after)?,
            before: before.effect,
            after: after.effect,
            rule_before: before.rule.clone(),
            rule_after: after.rule.clone(),
        })
    }

    fn mirrored(self) -> Self {
        Self {
            change: self.change.mirrored(),
            before: self.after,
            after: self.before,
            rule_before: self.rule_after,
            rule_after: self.rule_before,
        }
    }
}

/// One case with both of its answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flip {
    pub case: Case,
    pub before: Outcome,
    pub after: Outcome,
}

/// Flips of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlipGroup {
    pub kind: Kind,
    /// Different cases.
    pub cases: u64,
    /// How often they were asked: what the cases weigh together.
    pub weight: u64,
    /// The smallest of them, made smaller where a [`Shrinker`] did.
    pub example: Flip,
}

/// Cases that one side, or both, did not evaluate, for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotEvaluated {
    pub before: Option<String>,
    pub after: Option<String>,
    pub cases: u64,
    pub weight: u64,
    pub example: Case,
}

/// What two policies answer differently. Equal questions to equal policies give equal reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FlipReport {
    /// The gravest change first, then what weighs most.
    pub groups: Vec<FlipGroup>,
    pub not_evaluated: Vec<NotEvaluated>,
    /// All cases that were asked, and what they weigh together.
    pub cases: u64,
    pub weight: u64,
    /// SHA-256 over the keys of the cases in their order, so that a report names what it asked.
    pub asked: Digest,
}

impl FlipReport {
    /// Compares answers: one `before` and one `after` to each case, in the order of the cases.
    ///
    /// # Panics
    ///
    /// When the three lists differ in length.
    pub fn of(cases: &[Case], before: &[Outcome], after: &[Outcome]) -> Self {
        assert!(
            cases.len() == before.len() && cases.len() == after.len(),
            "each case has an answer of both sides"
        );
        let mut groups = BTreeMap::<Kind, FlipGroup>::new();
        let mut not_evaluated = BTreeMap::<_, NotEvaluated>::new();
        for ((case, before), after) in cases.iter().zip(before).zip(after) {
            if let Some(kind) = Kind::of(before, after) {
                let flip =
                    || Flip { case: case.clone(), before: before.clone(), after: after.clone() };
                let new = || FlipGroup { kind: kind.clone(), cases: 0, weight: 0, example: flip() };
                let group = groups.entry(kind.clone()).or_insert_with(new);
                group.cases += 1;
                group.weight = group.weight.saturating_add(case.weight);
                if size(case) < size(&group.example.case) {
                    group.example = flip();
                }
            }
            let reasons = (why(before), why(after));
            if reasons != (None, None) {
                let new = || NotEvaluated {
                    before: reasons.0.clone(),
                    after: reasons.1.clone(),
                    cases: 0,
                    weight: 0,
                    example: case.clone(),
                };
                let group = not_evaluated.entry(reasons.clone()).or_insert_with(new);
                group.cases += 1;
                group.weight = group.weight.saturating_add(case.weight);
                if size(case) < size(&group.example) {
                    group.example = case.clone();
                }
            }
        }
        let mut report = Self {
            groups: groups.into_values().collect(),
            not_evaluated: not_evaluated.into_values().collect(),
            cases: cases.len() as u64,
            weight: cases.iter().fold(0, |sum, case| sum.saturating_add(case.weight)),
            asked: asked(cases),
        };
        report.sort();
        report
    }

    /// The same comparison the other way round.
    #[must_use]
    pub fn mirrored(mut self) -> Self {
        for group in &mut self.groups {
            group.kind = group.kind.clone().mirrored();
            std::mem::swap(&mut group.example.before, &mut group.example.after);
        }
        for group in &mut self.not_evaluated {
            std::mem::swap(&mut group.before, &mut group.after);
        }
        self.sort();
        self
    }

    /// Whether both sides were evaluated everywhere and answered alike.
    pub fn is_clean(&self) -> bool {
        self.groups.is_empty() && self.not_evaluated.is_empty()
    }

    /// Different cases that flip.
    pub fn flips(&self) -> u64 {
        self.groups.iter().map(|group| group.cases).sum()
    }

    /// Identifies what an approver saw: SHA-256 over the canonical bytes (RFC 8785) of the report.
    pub fn digest(&self) -> Digest {
        let bytes = serde_json_canonicalizer::to_vec(&(FORMAT, self));
        Digest::of(&bytes.expect("a report always serialises"))
    }

    fn sort(&mut self) {
        self.groups.sort_by(|a, b| {
            (a.kind.change, Reverse(a.weight), &a.kind).cmp(&(
                b.kind.change,
                Reverse(b.weight),
                &b.kind,
            ))
        });
        self.not_evaluated.sort_by(|a, b| {
            (Reverse(a.weight), &a.before, &a.after).cmp(&(Reverse(b.weight), &b.before, &b.after))
        });
    }
}

fn why(outcome: &Outcome) -> Option<String> {
    (outcome.effect == Effect::NotEvaluated)
        .then(|| outcome.reason.clone().unwrap_or_else(|| "no reason was given".to_owned()))
}

/// What makes one case smaller than another; total, so that both directions choose the same.
fn size(case: &Case) -> (usize, Vec<u8>) {
    let key = case.key();
    (key.len(), key)
}

fn asked(cases: &[Case]) -> Digest {
    let mut keys = Vec::new();
    for case in cases {
        keys.extend(case.key());
        keys.push(b'\n');
    }
    Digest::of(&keys)
}

#[cfg(test)]
mod tests;
