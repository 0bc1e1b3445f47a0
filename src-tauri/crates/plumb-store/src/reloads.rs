//! The long history of reloads, merged from the ring of ten that a node keeps (conflict C6).

use std::collections::{BTreeMap, BTreeSet};

use plumb_fleet::{
    FleetId, NodeId, NodeReport, ReloadEntry, ReloadTrigger, Snapshot, Version,
    health::HISTORY_RING,
};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    intern,
    value::{from_exact, rows, to_exact, to_json, to_version},
};

/// Entries per statement: bounds the JSON text that carries them.
const ENTRIES_PER_STATEMENT: usize = 2_000;

/// A reload, and whether entries before it may be missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeptReload {
    pub entry: ReloadEntry,
    /// The node's ring was replaced, or the node restarted, between two sweeps.
    pub gap_before: bool,
}

/// A reload of a node as statements give it.
pub(crate) struct ReloadRow {
    pub(crate) name: String,
    pub(crate) reloaded_at_ms: i64,
    pub(crate) reloaded_rest_ns: i64,
    pub(crate) label: Option<String>,
    pub(crate) success: i64,
    pub(crate) duration_us: i64,
    pub(crate) policies: i64,
    pub(crate) message: Option<String>,
    pub(crate) gap_before: i64,
    pub(crate) asked_by: Option<String>,
}

impl ReloadRow {
    /// The name of the node, and its reload.
    pub(crate) fn read(self) -> Result<(String, KeptReload), StoreError> {
        let entry = ReloadEntry {
            at: from_exact(self.reloaded_at_ms, self.reloaded_rest_ns)?,
            version: self.label.map(to_version).transpose()?,
            success: self.success != 0,
            duration_us: self.duration_us.cast_unsigned(),
            policies: u32::try_from(self.policies)
                .map_err(|e| StoreError::malformed("count of policies")(e.into()))?,
            error: self.message,
            trigger: self.asked_by.as_deref().and_then(ReloadTrigger::from_name),
        };
        Ok((self.name, KeptReload { entry, gap_before: self.gap_before != 0 }))
    }
}

/// The newest reloads of a node, newest first.
pub async fn of_node(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    node: &NodeId,
    limit: usize,
) -> Result<Vec<KeptReload>, StoreError> {
    let Some(node) = intern::node(conn, fleet, node).await? else { return Ok(Vec::new()) };
    let limit = rows(limit);
    let found = sqlx::query_file_as!(ReloadRow, "queries/reload_entry/of_node.sql", node, limit)
        .fetch_all(&mut *conn)
        .await;
    let found = attempt(conn, "reading the reloads of a node", found).await?;
    found.into_iter().map(|row| row.read().map(|(_, reload)| reload)).collect()
}

/// What is known of a node before its ring is merged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Before {
    /// It reported in an earlier sweep.
    seen: bool,
    /// Entries of it are kept.
    kept: bool,
    /// It started again since the last report.
    restarted: bool,
}

/// Whether entries may be missing before the oldest new entry of a ring.
///
/// A ring that still shows a kept entry continues it. One that does not was replaced in full, or emptied by a restart.
/// Of a node that had no entries, only a full ring or a restart can hide some; before the first report nothing counts.
fn gap_before(before: Before, overlaps: bool, ring: usize) -> bool {
    if overlaps {
        return false;
    }
    before.kept || before.seen && (before.restarted || ring >= HISTORY_RING)
}

fn restarted(report: &NodeReport, before: &NodeReport) -> bool {
    let fell = match (&report.uptime_s, &before.uptime_s) {
        (Some(now), Some(then)) => now.value < then.value,
        _ => false,
    };
    fell || report.history.len() < before.history.len()
}

/// What makes two entries the same reload.
type Key<'a> = (i64, i64, Option<&'a Version>, bool);

fn key(entry: &ReloadEntry) -> Key<'_> {
    let (ms, rest_ns) = to_exact(entry.at);
    (ms, rest_ns, entry.version.as_ref(), entry.success)
}

/// A ring to merge: oldest first, without repetitions.
struct Ring<'a> {
    node: i64,
    entries: Vec<&'a ReloadEntry>,
    /// As long as the node told it.
    told: usize,
    before: Before,
}

/// Adds the reloads of a snapshot that are not kept yet.
pub(crate) async fn merge(
    conn: &mut SqliteConnection,
    snapshot: &Snapshot,
    previous: Option<&Snapshot>,
    nodes: &BTreeMap<String, i64>,
) -> Result<(), StoreError> {
    let mut rings = rings(snapshot, previous, nodes);
    if rings.is_empty() {
        return Ok(());
    }
    let numbers = to_json(&rings.iter().map(|ring| ring.node).collect::<Vec<_>>());
    let kept = sqlx::query_file_scalar!("queries/reload_entry/nodes.sql", numbers)
        .fetch_all(&mut *conn)
        .await;
    let kept: BTreeSet<i64> =
        attempt(conn, "looking for reloads", kept).await?.into_iter().collect();
    let seen = sqlx::query_file_scalar!("queries/node_latest/known.sql", numbers)
        .fetch_all(&mut *conn)
        .await;
    let seen: BTreeSet<i64> =
        attempt(conn, "looking for reports", seen).await?.into_iter().collect();
    for ring in &mut rings {
        ring.before.kept = kept.contains(&ring.node);
        ring.before.seen = seen.contains(&ring.node);
    }
    let mut start = 0;
    while start < rings.len() {
        let mut entries = 0;
        let some = rings[start..]
            .iter()
            .take_while(|ring| {
                let first = entries == 0;
                entries += ring.entries.len();
                first || entries <= ENTRIES_PER_STATEMENT
            })
            .count();
        merge_some(conn, &rings[start..start + some]).await?;
        start += some;
    }
    Ok(())
}

/// The rings that may hold something new.
fn rings<'a>(
    snapshot: &'a Snapshot,
    previous: Option<&Snapshot>,
    nodes: &BTreeMap<String, i64>,
) -> Vec<Ring<'a>> {
    let mut rings = Vec::new();
    for (name, seen) in &snapshot.nodes {
        let Some(report) = seen.report.as_deref().filter(|report| !report.history.is_empty())
        else {
            continue;
        };
        let before = previous.and_then(|p| p.nodes.get(name)).and_then(|p| p.report.as_deref());
        if before.is_some_and(|before| before.history == report.history) {
            continue;
        }
        let mut met = BTreeSet::new();
        let entries: Vec<_> =
            report.history.iter().rev().filter(|entry| met.insert(key(entry))).collect();
        let restarted = before.is_some_and(|before| restarted(report, before));
        rings.push(Ring {
            node: nodes[name.as_str()],
            entries,
            told: report.history.len(),
            before: Before { restarted, ..Before::default() },
        });
    }
    rings
}

/// One entry, in the order in which the statements name its places.
type EntryRow = (i64, i64, i64, Option<i64>, i64, i64, i64, Option<i64>, i64, Option<&'static str>);

async fn merge_some(conn: &mut SqliteConnection, rings: &[Ring<'_>]) -> Result<(), StoreError> {
    let all = || rings.iter().flat_map(|ring| &ring.entries);
    let labels = all().filter_map(|entry| entry.version.as_ref()).collect();
    let versions = intern::versions(conn, labels).await?;
    let messages = all().filter_map(|entry| entry.error.as_deref()).collect();
    let errors = intern::reload_errors(conn, messages).await?;
    let mut told: Vec<EntryRow> = Vec::new();
    for ring in rings {
        told.extend(ring.entries.iter().map(|entry| {
            let (ms, rest_ns) = to_exact(entry.at);
            (
                ring.node,
                ms,
                rest_ns,
                entry.version.as_ref().map(|version| versions[version.as_str()]),
                entry.success.into(),
                entry.duration_us.cast_signed(),
                entry.policies.into(),
                entry.error.as_deref().map(|message| errors[message]),
                0,
                entry.trigger.map(ReloadTrigger::name),
            )
        }));
    }
    let document = to_json(&told);
    let known = sqlx::query_file_scalar!("queries/reload_entry/known.sql", document)
        .fetch_all(&mut *conn)
        .await;
    let known: BTreeSet<i64> =
        attempt(conn, "looking for reloads", known).await?.into_iter().collect();
    let fresh = to_json(&fresh(rings, &told, &known));
    let done =
        sqlx::query_file!("queries/reload_entry/append.sql", fresh).execute(&mut *conn).await;
    attempt(conn, "keeping reloads", done).await.map(drop)
}

/// The entries that are not kept yet, the oldest of each ring marked where some may be missing.
fn fresh(rings: &[Ring<'_>], told: &[EntryRow], known: &BTreeSet<i64>) -> Vec<EntryRow> {
    let mut fresh = Vec::new();
    let mut place = 0;
    for ring in rings {
        let places = place..place + ring.entries.len();
        place = places.end;
        let (kept, mut new): (Vec<usize>, Vec<usize>) =
            places.partition(|place| known.contains(&rows(*place)));
        let gap = gap_before(ring.before, !kept.is_empty(), ring.told);
        let mut first = true;
        for place in new.drain(..) {
            let mut row = told[place];
            row.8 = (gap && first).into();
            first = false;
            fresh.push(row);
        }
    }
    fresh
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_ring_without_a_kept_entry_can_hide_some() {
        let nothing = Before::default();
        let seen = Before { seen: true, ..nothing };
        let kept = Before { kept: true, ..seen };
        assert!(!gap_before(nothing, false, 10), "before the first report nothing counts");
        assert!(!gap_before(seen, false, 3), "a ring with room shows everything");
        assert!(gap_before(seen, false, 10), "a full ring may have dropped some");
        assert!(gap_before(Before { restarted: true, ..seen }, false, 1));
        assert!(gap_before(kept, false, 10), "replaced in full");
        assert!(gap_before(kept, false, 1), "emptied by a restart");
        assert!(!gap_before(kept, true, 10), "continues");
    }
}
