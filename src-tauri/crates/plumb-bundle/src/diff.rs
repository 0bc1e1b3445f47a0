//! What changed between two lists of policies: added, removed, changed, moved.

use std::collections::BTreeMap;

use plumb_fleet::{
    content::{Ordering, Policy, PolicyRef},
    ids::Digest,
};
use serde::Serialize;

use crate::bundle::BaseDocument;

/// A policy on one side of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Place {
    /// Position in its list, from 0.
    pub index: usize,
    pub digest: Digest,
}

/// What happened to one policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyDelta {
    pub id: String,
    pub before: Option<Place>,
    pub after: Option<Place>,
    /// Its place among the policies that stayed is another one.
    pub moved: bool,
}

/// What happened, in a word; a policy may be both changed and moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeltaKind {
    Added,
    Removed,
    Changed,
    Moved,
    ChangedAndMoved,
}

impl PolicyDelta {
    pub fn kind(&self) -> DeltaKind {
        match (self.before, self.after, self.moved) {
            (None, _, _) => DeltaKind::Added,
            (_, None, _) => DeltaKind::Removed,
            (Some(before), Some(after), true) if before.digest != after.digest => {
                DeltaKind::ChangedAndMoved
            }
            (Some(_), Some(_), true) => DeltaKind::Moved,
            (Some(_), Some(_), false) => DeltaKind::Changed,
        }
    }
}

/// How many policies something happened to; one that changed and moved counts in both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DeltaCounts {
    pub added: usize,
    pub removed: usize,
    pub changed: usize,
    pub moved: usize,
    pub unchanged: usize,
}

/// The difference between two lists of policies.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PolicyDiff {
    /// Only what differs, in the order of the new list, removed ones where they stood.
    pub deltas: Vec<PolicyDelta>,
    pub counts: DeltaCounts,
}

impl PolicyDiff {
    pub fn is_empty(&self) -> bool {
        self.deltas.is_empty()
    }
}

/// Compares two lists of policies. Moves are the fewest that explain the new order; where order
/// does not decide there are none.
pub fn diff(before: &[Policy], after: &[Policy], ordering: Ordering) -> PolicyDiff {
    let before: Vec<Line<'_>> = before.iter().map(|p| (p.id.as_str(), p.digest)).collect();
    let after: Vec<Line<'_>> = after.iter().map(|p| (p.id.as_str(), p.digest)).collect();
    compare(&before, &after, ordering)
}

/// Compares two lists of policies known by digest only.
pub fn diff_refs(before: &[PolicyRef], after: &[PolicyRef], ordering: Ordering) -> PolicyDiff {
    let before: Vec<Line<'_>> = before.iter().map(|p| (p.id.as_str(), p.digest)).collect();
    let after: Vec<Line<'_>> = after.iter().map(|p| (p.id.as_str(), p.digest)).collect();
    compare(&before, &after, ordering)
}

/// Compares the data files of two archives, which are told apart by their paths.
pub fn diff_data(before: &[BaseDocument], after: &[BaseDocument]) -> PolicyDiff {
    let before: Vec<Line<'_>> = before.iter().map(|f| (f.path.as_str(), f.digest)).collect();
    let after: Vec<Line<'_>> = after.iter().map(|f| (f.path.as_str(), f.digest)).collect();
    compare(&before, &after, Ordering::Unordered)
}

/// A policy as far as comparing needs it.
type Line<'a> = (&'a str, Digest);

fn compare(before: &[Line<'_>], after: &[Line<'_>], ordering: Ordering) -> PolicyDiff {
    let mut old = by_name(before);
    let mut pairs = Vec::new();
    let mut deltas = Vec::new();
    let place = |lines: &[Line<'_>], index: usize| Place { index, digest: lines[index].1 };
    for ((id, nth), index) in by_name(after) {
        match old.remove(&(id, nth)) {
            Some(was) => pairs.push((index, was)),
            None => deltas.push(PolicyDelta {
                id: id.to_owned(),
                before: None,
                after: Some(place(after, index)),
                moved: false,
            }),
        }
    }
    let added = deltas.len();
    deltas.extend(old.into_iter().map(|((id, _), index)| PolicyDelta {
        id: id.to_owned(),
        before: Some(place(before, index)),
        after: None,
        moved: false,
    }));
    let mut counts = DeltaCounts { added, removed: deltas.len() - added, ..DeltaCounts::default() };
    pairs.sort_unstable();
    let stayed = match ordering {
        Ordering::ByPosition => longest_increasing(&pairs),
        Ordering::Unordered => vec![true; pairs.len()],
    };
    for ((index, was), stayed) in pairs.into_iter().zip(stayed) {
        let (new, old) = (place(after, index), place(before, was));
        let changed = new.digest != old.digest;
        counts.changed += usize::from(changed);
        counts.moved += usize::from(!stayed);
        counts.unchanged += usize::from(!changed && stayed);
        if changed || !stayed {
            deltas.push(PolicyDelta {
                id: after[index].0.to_owned(),
                before: Some(old),
                after: Some(new),
                moved: !stayed,
            });
        }
    }
    deltas.sort_by_key(|delta| {
        let place = delta.after.or(delta.before).map_or(0, |place| place.index);
        (place, delta.after.is_some())
    });
    PolicyDiff { deltas, counts }
}

/// Positions by name; a name that stands several times is told apart by its occurrence.
fn by_name<'a>(lines: &[Line<'a>]) -> BTreeMap<(&'a str, usize), usize> {
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let named = lines.iter().enumerate().map(|(index, (id, _))| {
        let nth = seen.entry(id).or_default();
        *nth += 1;
        ((*id, *nth), index)
    });
    named.collect()
}

/// Marks the pairs of a longest run in which old positions rise with new ones (patience sorting,
/// Fredman 1975): what is not in it has moved.
fn longest_increasing(pairs: &[(usize, usize)]) -> Vec<bool> {
    // For each length, the pair that ends the run with the smallest old position.
    let mut ends: Vec<usize> = Vec::new();
    let mut previous = vec![None; pairs.len()];
    for (at, (_, was)) in pairs.iter().enumerate() {
        let length = ends.partition_point(|end| pairs[*end].1 < *was);
        previous[at] = length.checked_sub(1).map(|shorter| ends[shorter]);
        if length == ends.len() {
            ends.push(at);
        } else {
            ends[length] = at;
        }
    }
    let mut stayed = vec![false; pairs.len()];
    let mut next = ends.last().copied();
    while let Some(at) = next {
        stayed[at] = true;
        next = previous[at];
    }
    stayed
}

#[cfg(test)]
mod tests;
