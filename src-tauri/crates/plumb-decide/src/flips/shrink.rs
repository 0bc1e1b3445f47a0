//! Makes the example of a flip smaller, as long as it stays the same kind of flip.
//!
//! Asking is left to the caller, who may have to ask a process or a node: [`Shrinker::candidates`]
//! says what to ask both sides, [`Shrinker::told`] takes the answers, until there is nothing left.

use serde_json::Value;

use super::{Flip, Kind};
use crate::{
    case::Case,
    limits::{SHRINK_CANDIDATES_MAX, SHRINK_ROUNDS_MAX},
    outcome::Outcome,
};

/// One flip on its way to a smaller one.
#[derive(Debug, Clone)]
pub struct Shrinker {
    kind: Kind,
    smallest: Flip,
    candidates: Vec<Case>,
    rounds: usize,
}

impl Shrinker {
    /// `flip` is of `kind`.
    pub fn new(kind: Kind, flip: Flip) -> Self {
        let candidates = candidates(&flip.case);
        Self { kind, smallest: flip, candidates, rounds: 0 }
    }

    /// What to ask both sides next, the smallest first; nothing when it is over.
    pub fn candidates(&self) -> &[Case] {
        &self.candidates
    }

    /// The answers to [`Self::candidates`], in their order. The first that flips alike is kept.
    pub fn told(&mut self, before: &[Outcome], after: &[Outcome]) {
        let asked = std::mem::take(&mut self.candidates);
        let kept = asked
            .into_iter()
            .zip(before)
            .zip(after)
            .find(|((_, before), after)| Kind::of(before, after).as_ref() == Some(&self.kind));
        self.rounds += 1;
        let Some(((case, before), after)) = kept else { return };
        self.smallest = Flip { case, before: before.clone(), after: after.clone() };
        if self.rounds < SHRINK_ROUNDS_MAX {
            self.candidates = candidates(&self.smallest.case);
        }
    }

    /// The smallest flip found so far.
    pub fn into_smallest(self) -> Flip {
        self.smallest
    }
}

/// Everything one step smaller, the largest steps first.
fn candidates(case: &Case) -> Vec<Case> {
    let mut inputs = smaller(&case.input);
    inputs.sort_by_cached_key(|input| input.to_string().len());
    inputs.truncate(SHRINK_CANDIDATES_MAX);
    inputs.into_iter().map(|input| Case { input, ..case.clone() }).collect()
}

/// Without one member or element, at any depth, or with one scalar made plain.
fn smaller(value: &Value) -> Vec<Value> {
    let mut all = Vec::new();
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let mut rest = members.clone();
                rest.remove(name);
                all.push(Value::Object(rest));
                for less in smaller(member) {
                    let mut changed = members.clone();
                    changed.insert(name.clone(), less);
                    all.push(Value::Object(changed));
                }
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let mut rest = items.clone();
                rest.remove(at);
                all.push(Value::Array(rest));
                for less in smaller(item) {
                    let mut changed = items.clone();
                    changed[at] = less;
                    all.push(Value::Array(changed));
                }
            }
        }
        Value::String(text) if !text.is_empty() => all.push(Value::from("")),
        Value::Number(number) if number.as_f64() != Some(0.0) => all.push(Value::from(0)),
        Value::Bool(true) => all.push(Value::Bool(false)),
        _ => {}
    }
    all
}
