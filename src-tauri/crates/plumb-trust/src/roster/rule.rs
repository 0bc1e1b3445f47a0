//! How many people of which groups must consent.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{Timestamp, civil::Time, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::{GroupId, PersonId};

/// Most consents that one rule may ask for.
pub const SEATS_MAX: usize = 16;
/// Longest that an approval may stay good, in hours: two weeks.
const VALID_H_MAX: u32 = 14 * 24;

/// What it takes to change a fleet of one environment. All quorums must be filled, by different people,
/// none of whom asked for the change. Without a quorum no consent is needed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    pub quorums: Vec<Quorum>,
    /// Longest time between signing and expiry of an approval, in hours.
    pub valid_h_max: u32,
    /// Whether every approval must bind a dry run.
    pub dry_run: bool,
    /// Whether and when a rollback to last-known-good may start without approvals.
    #[serde(default)]
    pub night_rollback: Option<NightRollback>,
}

/// So many people of any of these groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quorum {
    pub count: u32,
    pub of: BTreeSet<GroupId>,
}

/// From the first moment to just before the last, each day, in UTC; it may span midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NightRollback {
    pub from_utc: Time,
    pub until_utc: Time,
}

impl NightRollback {
    pub fn is_open(self, now: Timestamp) -> bool {
        let time = now.to_zoned(TimeZone::UTC).time();
        if self.from_utc <= self.until_utc {
            time >= self.from_utc && time < self.until_utc
        } else {
            time >= self.from_utc || time < self.until_utc
        }
    }
}

impl Quorum {
    /// "2 of storage or platform-security".
    pub fn sentence(&self) -> String {
        let groups: Vec<&str> = self.of.iter().map(GroupId::as_str).collect();
        format!("{} of {}", self.count, groups.join(" or "))
    }
}

impl Rule {
    /// "1 of storage, and 1 of platform-security", or that nothing is needed.
    pub fn sentence(&self) -> String {
        if self.quorums.is_empty() {
            return "no approval is needed".to_owned();
        }
        let quorums: Vec<String> = self.quorums.iter().map(Quorum::sentence).collect();
        format!("{}, never whoever asks", quorums.join(", and "))
    }

    /// Whether any group of the rule is this one.
    pub fn names(&self, group: &GroupId) -> bool {
        self.quorums.iter().any(|quorum| quorum.of.contains(group))
    }

    /// What contradicts itself or can never be fulfilled by these people with one of them asking.
    pub(super) fn problem(&self, all: &BTreeMap<&PersonId, &BTreeSet<GroupId>>) -> Option<String> {
        if self.valid_h_max == 0 || self.valid_h_max > VALID_H_MAX {
            return Some(format!("approvals stay good for 1 to {VALID_H_MAX} hours"));
        }
        if let Some(quorum) = self.quorums.iter().find(|q| q.count == 0 || q.of.is_empty()) {
            return Some(format!("{:?} asks for nobody", quorum.sentence()));
        }
        let seats: u64 = self.quorums.iter().map(|quorum| u64::from(quorum.count)).sum();
        if seats > SEATS_MAX as u64 {
            return Some(format!("it asks for {seats} people, more than the {SEATS_MAX} allowed"));
        }
        if self.night_rollback.is_some_and(|night| night.from_utc == night.until_utc) {
            return Some("the night begins when it ends".to_owned());
        }
        let able = filled(self, all);
        let short = self.quorums.iter().zip(&able).find(|(quorum, able)| **able < quorum.count);
        short.map(|(quorum, able)| {
            format!("{} can never be filled: {able} could be", quorum.sentence())
        })
    }
}

/// How many seats of each quorum are taken when these people, each in these roles, take one seat each
/// and as many seats as possible are taken (Kuhn's augmenting paths over at most [`SEATS_MAX`] seats).
pub(crate) fn filled(rule: &Rule, people: &BTreeMap<&PersonId, &BTreeSet<GroupId>>) -> Vec<u32> {
    let seats: Vec<usize> = rule
        .quorums
        .iter()
        .enumerate()
        .flat_map(|(index, quorum)| (0..quorum.count).map(move |_| index))
        .take(SEATS_MAX)
        .collect();
    let people: Vec<&BTreeSet<GroupId>> = people.values().copied().collect();
    let mut holder: Vec<Option<usize>> = vec![None; seats.len()];
    for person in 0..people.len() {
        let mut tried = vec![false; seats.len()];
        seat(person, rule, &seats, &people, &mut holder, &mut tried);
    }
    let mut taken = vec![0; rule.quorums.len()];
    for (quorum, _) in seats.iter().zip(&holder).filter(|(_, holder)| holder.is_some()) {
        taken[*quorum] += 1;
    }
    taken
}

/// Gives a person a seat, moving others to another one where that helps.
fn seat(
    person: usize,
    rule: &Rule,
    seats: &[usize],
    people: &[&BTreeSet<GroupId>],
    holder: &mut [Option<usize>],
    tried: &mut [bool],
) -> bool {
    for (index, quorum) in seats.iter().enumerate() {
        if tried[index] || rule.quorums[*quorum].of.is_disjoint(people[person]) {
            continue;
        }
        tried[index] = true;
        let free = match holder[index] {
            None => true,
            Some(other) => seat(other, rule, seats, people, holder, tried),
        };
        if free {
            holder[index] = Some(person);
            return true;
        }
    }
    false
}
