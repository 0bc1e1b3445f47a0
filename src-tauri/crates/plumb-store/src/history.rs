//! The log of a whole fleet: what its nodes ran and how they reloaded, out of one file and into another.

use std::collections::BTreeMap;

use jiff::Timestamp;
use plumb_fleet::{ContentDigest, FleetId, NodeId, ReloadTrigger, Version};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    intern,
    reloads::{KeptReload, ReloadRow},
    snapshots::{ChangeRow, NodeChange},
    value::{failure_name, rows, to_exact, to_json, to_ms},
};

/// Rows in one statement: bounds the JSON text that carries them.
const ROWS_PER_STATEMENT: usize = 2_000;

/// A change of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetChange {
    pub node: NodeId,
    pub change: NodeChange,
}

/// A reload of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetReload {
    pub node: NodeId,
    pub reload: KeptReload,
}

/// Changes between two moments by node and oldest first, each node's preceded by what held at the first moment.
pub async fn changes(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    (from, to): (Timestamp, Timestamp),
    limit: usize,
) -> Result<Vec<FleetChange>, StoreError> {
    let (fleet, from, to, limit) = (fleet.as_str(), to_ms(from), to_ms(to), rows(limit));
    let found =
        sqlx::query_file_as!(ChangeRow, "queries/node_change/log.sql", fleet, from, to, limit)
            .fetch_all(&mut *conn)
            .await;
    let found = attempt(conn, "reading the changes of a fleet", found).await?;
    let read = |row: ChangeRow| {
        let (node, change) = row.read()?;
        Ok(FleetChange { node: named(node)?, change })
    };
    found.into_iter().map(read).collect()
}

/// How every node of a fleet stood at a moment, as far as it was known then.
pub async fn standing(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    at: Timestamp,
) -> Result<BTreeMap<NodeId, NodeChange>, StoreError> {
    let all = changes(conn, fleet, (at, at), usize::MAX).await?;
    // Of a moment with several the last one holds.
    Ok(all.into_iter().map(|one| (one.node, one.change)).collect())
}

/// Puts changes as another file had them in the place of what is logged of a fleet, in the order in which they came.
pub async fn replace_changes(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    changes: &[FleetChange],
) -> Result<(), StoreError> {
    type Row<'a> = (i64, i64, Option<i64>, Option<i64>, Option<&'static str>, Option<String>);
    let fleet = intern::fleet(conn, fleet).await?;
    let done = sqlx::query_file!("queries/node_change/forget.sql", fleet).execute(&mut *conn).await;
    attempt(conn, "forgetting changes", done).await?;
    for some in changes.chunks(ROWS_PER_STATEMENT) {
        let nodes = intern::nodes(conn, fleet, some.iter().map(|one| &one.node)).await?;
        let labels = some.iter().filter_map(|one| one.change.version.as_ref()).collect();
        let versions = intern::versions(conn, labels).await?;
        let digests = some.iter().filter_map(|one| one.change.content).collect();
        let contents: BTreeMap<ContentDigest, i64> = intern::contents(conn, digests).await?;
        let rows: Vec<Row<'_>> = some
            .iter()
            .map(|FleetChange { node, change }| {
                (
                    nodes[node.as_str()],
                    to_ms(change.at),
                    change.version.as_ref().map(|version| versions[version.as_str()]),
                    change.content.map(|content| contents[&content]),
                    change.state.map(plumb_fleet::DriftState::name),
                    change.failure.map(failure_name),
                )
            })
            .collect();
        let rows = to_json(&rows);
        let done = sqlx::query_file!("queries/node_change/add.sql", rows).execute(&mut *conn).await;
        attempt(conn, "adding changes", done).await?;
    }
    Ok(())
}

/// Reloads between two moments, by node and oldest first.
pub async fn reloads(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    (from, to): (Timestamp, Timestamp),
    limit: usize,
) -> Result<Vec<FleetReload>, StoreError> {
    let (fleet, from, to, limit) = (fleet.as_str(), to_ms(from), to_ms(to), rows(limit));
    let found =
        sqlx::query_file_as!(ReloadRow, "queries/reload_entry/log.sql", fleet, from, to, limit)
            .fetch_all(&mut *conn)
            .await;
    let found = attempt(conn, "reading the reloads of a fleet", found).await?;
    let read = |row: ReloadRow| {
        let (node, reload) = row.read()?;
        Ok(FleetReload { node: named(node)?, reload })
    };
    found.into_iter().map(read).collect()
}

/// Adds reloads as another file had them, in the order in which they came.
pub async fn add_reloads(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    reloads: &[FleetReload],
) -> Result<(), StoreError> {
    type Row = (i64, i64, i64, Option<i64>, i64, i64, i64, Option<i64>, i64, Option<&'static str>);
    let fleet = intern::fleet(conn, fleet).await?;
    for some in reloads.chunks(ROWS_PER_STATEMENT) {
        let nodes = intern::nodes(conn, fleet, some.iter().map(|one| &one.node)).await?;
        let entries = || some.iter().map(|one| &one.reload.entry);
        let labels = entries().filter_map(|entry| entry.version.as_ref()).collect();
        let versions: BTreeMap<String, i64> = intern::versions(conn, labels).await?;
        let messages = entries().filter_map(|entry| entry.error.as_deref()).collect();
        let errors = intern::reload_errors(conn, messages).await?;
        let number = |version: &Version| versions[version.as_str()];
        let rows: Vec<Row> = some
            .iter()
            .map(|FleetReload { node, reload }| {
                let entry = &reload.entry;
                let (ms, rest_ns) = to_exact(entry.at);
                (
                    nodes[node.as_str()],
                    ms,
                    rest_ns,
                    entry.version.as_ref().map(number),
                    entry.success.into(),
                    entry.duration_us.cast_signed(),
                    entry.policies.into(),
                    entry.error.as_deref().map(|message| errors[message]),
                    reload.gap_before.into(),
                    entry.trigger.map(ReloadTrigger::name),
                )
            })
            .collect();
        let rows = to_json(&rows);
        let done =
            sqlx::query_file!("queries/reload_entry/append.sql", rows).execute(&mut *conn).await;
        attempt(conn, "adding reloads", done).await?;
    }
    Ok(())
}

fn named(name: String) -> Result<NodeId, StoreError> {
    NodeId::new(name).map_err(|e| StoreError::malformed("node name")(e.into()))
}
