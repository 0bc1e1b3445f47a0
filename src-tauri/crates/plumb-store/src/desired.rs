//! What fleets and nodes should run, as the operator pinned it: append-only.

use std::collections::BTreeMap;

use jiff::Timestamp;
use plumb_fleet::{DesiredVersion, FleetId, NodeId};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{from_json, from_ms, rows, to_json, to_ms},
};

/// One wish: for a node, or for the whole fleet; a version, or a withdrawal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredChange {
    pub node: Option<NodeId>,
    pub desired: Option<DesiredVersion>,
    pub at: Timestamp,
}

/// Notes what a node (or the fleet, without one) should run from now on; nothing withdraws.
pub async fn set(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    node: Option<&NodeId>,
    desired: Option<&DesiredVersion>,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (fleet, node, at_ms) = (fleet.as_str(), node.map(NodeId::as_str), to_ms(at));
    let document = desired.map(to_json);
    let done = sqlx::query_file!("queries/desired/set.sql", fleet, node, document, at_ms)
        .execute(&mut *conn)
        .await;
    attempt(conn, "noting a desired version", done).await.map(drop)
}

/// What the fleet should run, and what nodes with a wish of their own should.
pub async fn current(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
) -> Result<(Option<DesiredVersion>, BTreeMap<NodeId, DesiredVersion>), StoreError> {
    let fleet = fleet.as_str();
    let found = sqlx::query_file!("queries/desired/current.sql", fleet).fetch_all(&mut *conn).await;
    let found = attempt(conn, "reading desired versions", found).await?;
    let (mut whole, mut nodes) = (None, BTreeMap::new());
    for row in found {
        let desired = from_json("desired version", &row.document)?;
        match row.node {
            None => whole = Some(desired),
            Some(node) => drop(nodes.insert(node_id(node)?, desired)),
        }
    }
    Ok((whole, nodes))
}

/// The newest wishes of a fleet, newest first.
pub async fn history(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    limit: usize,
) -> Result<Vec<DesiredChange>, StoreError> {
    let (fleet, limit) = (fleet.as_str(), rows(limit));
    let found =
        sqlx::query_file!("queries/desired/history.sql", fleet, limit).fetch_all(&mut *conn).await;
    let found = attempt(conn, "reading the history of desired versions", found).await?;
    found
        .into_iter()
        .map(|row| {
            let desired = row.document.as_deref();
            Ok(DesiredChange {
                node: row.node.map(node_id).transpose()?,
                desired: desired.map(|d| from_json("desired version", d)).transpose()?,
                at: from_ms(row.set_at_ms)?,
            })
        })
        .collect()
}

fn node_id(name: String) -> Result<NodeId, StoreError> {
    NodeId::new(name).map_err(|e| StoreError::malformed("node")(e.into()))
}
