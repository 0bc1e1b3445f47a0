//! How much of a list of rules a list of cases reaches.

use std::collections::BTreeSet;

use super::{Classes, Condition, Match, Persons, PreparedRules, Rule, Times};
use crate::{case::Case, coverage::Coverage};

impl PreparedRules {
    /// What the cases reach of these rules.
    pub fn cover(&self, cases: &[Case]) -> Coverage {
        let mut decided = vec![false; self.rules.len()];
        let mut seen = vec![[[false; 2]; 4]; self.rules.len()];
        for case in cases {
            let Some(request) = case.request() else { continue };
            for (rule, seen) in self.rules.iter().zip(&mut seen) {
                if !request.capability_id.starts_with(&rule.prefix) {
                    continue;
                }
                for (condition, seen) in Condition::ALL.into_iter().zip(seen) {
                    match rule.holds(condition, &request.context, case.now, self.reading) {
                        Match::Yes => seen[1] = true,
                        Match::No | Match::Fails => seen[0] = true,
                    }
                }
            }
            if let Some(matched) = self.evaluate(&request, case.now).matched {
                decided[matched.index] = true;
            }
        }
        let of_rules = || self.rules.iter().zip(&seen);
        let conditions = of_rules().flat_map(|(rule, seen)| {
            Condition::ALL.into_iter().zip(seen).filter(|(condition, _)| rule.has(*condition))
        });
        let not_reached: BTreeSet<String> = self
            .rules
            .iter()
            .zip(&decided)
            .filter(|(_, decided)| !**decided)
            .map(|(rule, _)| rule.id.clone())
            .collect();
        Coverage {
            rules: self.rules.len(),
            reached: decided.iter().filter(|decided| **decided).count(),
            conditions: conditions.clone().count(),
            both_ways: conditions.filter(|(_, seen)| **seen == [true, true]).count(),
            not_reached: not_reached.into_iter().collect(),
        }
    }
}

impl Rule {
    /// Whether it asks for this at all.
    fn has(&self, condition: Condition) -> bool {
        match condition {
            Condition::Scope => self.auth_scope.is_some(),
            Condition::Classes => self.classes != Classes::Any,
            Condition::Times => self.times != Times::Always,
            Condition::Persons => self.persons != Persons::Any,
        }
    }
}
