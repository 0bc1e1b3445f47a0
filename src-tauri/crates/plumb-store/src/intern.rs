//! Numbers for names, labels and digests, so that logs hold small integers.

use std::collections::{BTreeMap, BTreeSet};

use plumb_fleet::{ContentDigest, Digest, FleetId, NodeId, Version};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    value::{to_content, to_digest, to_json},
};

const DOING: &str = "numbering names";

pub(crate) async fn fleet(conn: &mut SqliteConnection, name: &FleetId) -> Result<i64, StoreError> {
    let name = name.as_str();
    let found = find_fleet(conn, name).await?;
    if let Some(id) = found {
        return Ok(id);
    }
    let done = sqlx::query_file!("queries/swept_fleet/ensure.sql", name).execute(&mut *conn).await;
    attempt(conn, DOING, done).await?;
    Ok(find_fleet(conn, name).await?.expect("the fleet was numbered in this transaction"))
}

async fn find_fleet(conn: &mut SqliteConnection, name: &str) -> Result<Option<i64>, StoreError> {
    let found = sqlx::query_file_scalar!("queries/swept_fleet/find.sql", name)
        .fetch_optional(&mut *conn)
        .await;
    attempt(conn, DOING, found).await
}

/// The numbers of at least the given nodes of a fleet.
pub(crate) async fn nodes(
    conn: &mut SqliteConnection,
    fleet: i64,
    names: impl Iterator<Item = &NodeId> + Clone,
) -> Result<BTreeMap<String, i64>, StoreError> {
    let known = nodes_of(conn, fleet).await?;
    let missing: Vec<&str> =
        names.map(NodeId::as_str).filter(|name| !known.contains_key(*name)).collect();
    if missing.is_empty() {
        return Ok(known);
    }
    let missing = to_json(&missing);
    let done = sqlx::query_file!("queries/swept_node/ensure.sql", fleet, missing)
        .execute(&mut *conn)
        .await;
    attempt(conn, DOING, done).await?;
    nodes_of(conn, fleet).await
}

async fn nodes_of(
    conn: &mut SqliteConnection,
    fleet: i64,
) -> Result<BTreeMap<String, i64>, StoreError> {
    let rows =
        sqlx::query_file!("queries/swept_node/of_fleet.sql", fleet).fetch_all(&mut *conn).await;
    let rows = attempt(conn, DOING, rows).await?;
    Ok(rows.into_iter().map(|row| (row.name, row.id)).collect())
}

/// The number of a node, or nothing when it was never swept.
pub(crate) async fn node(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    node: &NodeId,
) -> Result<Option<i64>, StoreError> {
    let (fleet, node) = (fleet.as_str(), node.as_str());
    let found = sqlx::query_file_scalar!("queries/swept_node/find.sql", fleet, node)
        .fetch_optional(&mut *conn)
        .await;
    attempt(conn, DOING, found).await
}

pub(crate) async fn versions(
    conn: &mut SqliteConnection,
    labels: BTreeSet<&Version>,
) -> Result<BTreeMap<String, i64>, StoreError> {
    if labels.is_empty() {
        return Ok(BTreeMap::new());
    }
    let wanted = labels.len();
    let labels = to_json(&labels);
    loop {
        let rows = sqlx::query_file!("queries/version/ids.sql", labels).fetch_all(&mut *conn).await;
        let rows = attempt(conn, DOING, rows).await?;
        if rows.len() == wanted {
            return Ok(rows.into_iter().map(|row| (row.label, row.id)).collect());
        }
        let done =
            sqlx::query_file!("queries/version/ensure.sql", labels).execute(&mut *conn).await;
        let added = attempt(conn, DOING, done).await?.rows_affected();
        assert!(added > 0, "every version that has no number gets one");
    }
}

pub(crate) async fn contents(
    conn: &mut SqliteConnection,
    digests: BTreeSet<ContentDigest>,
) -> Result<BTreeMap<ContentDigest, i64>, StoreError> {
    if digests.is_empty() {
        return Ok(BTreeMap::new());
    }
    let hex = to_json(&digests);
    loop {
        let rows =
            sqlx::query_file!("queries/seen_content/ids.sql", hex).fetch_all(&mut *conn).await;
        let rows = attempt(conn, DOING, rows).await?;
        if rows.len() == digests.len() {
            return rows.into_iter().map(|row| Ok((to_content(&row.digest)?, row.id))).collect();
        }
        let done =
            sqlx::query_file!("queries/seen_content/ensure.sql", hex).execute(&mut *conn).await;
        let added = attempt(conn, DOING, done).await?.rows_affected();
        assert!(added > 0, "every content that has no number gets one");
    }
}

pub(crate) async fn reload_errors(
    conn: &mut SqliteConnection,
    messages: BTreeSet<&str>,
) -> Result<BTreeMap<String, i64>, StoreError> {
    if messages.is_empty() {
        return Ok(BTreeMap::new());
    }
    let messages = to_json(&messages);
    let done =
        sqlx::query_file!("queries/reload_error/ensure.sql", messages).execute(&mut *conn).await;
    attempt(conn, DOING, done).await?;
    let rows =
        sqlx::query_file!("queries/reload_error/ids.sql", messages).fetch_all(&mut *conn).await;
    let rows = attempt(conn, DOING, rows).await?;
    Ok(rows.into_iter().map(|row| (row.message, row.id)).collect())
}

/// The number of a list of policies, kept under the digest of its document.
pub(crate) async fn policy_list(
    conn: &mut SqliteConnection,
    document: &str,
) -> Result<i64, StoreError> {
    let digest = Digest::of(document.as_bytes());
    let digest = digest.as_bytes().as_slice();
    let done = sqlx::query_file!("queries/policy_list/ensure.sql", digest, document)
        .execute(&mut *conn)
        .await;
    attempt(conn, DOING, done).await?;
    let id = sqlx::query_file_scalar!("queries/policy_list/find.sql", digest)
        .fetch_one(&mut *conn)
        .await;
    attempt(conn, DOING, id).await
}

/// The number of a shape of reports, kept under the digest of its document.
pub(crate) async fn report_shape(
    conn: &mut SqliteConnection,
    document: &str,
) -> Result<i64, StoreError> {
    let digest = Digest::of(document.as_bytes());
    let digest = digest.as_bytes().as_slice();
    let done = sqlx::query_file!("queries/report_shape/ensure.sql", digest, document)
        .execute(&mut *conn)
        .await;
    attempt(conn, DOING, done).await?;
    let id = sqlx::query_file_scalar!("queries/report_shape/find.sql", digest)
        .fetch_one(&mut *conn)
        .await;
    attempt(conn, DOING, id).await
}

/// The numbers of texts of policies, each kept once under its own digest.
pub(crate) async fn policy_texts<'a>(
    conn: &mut SqliteConnection,
    texts: impl Iterator<Item = &'a str>,
) -> Result<Vec<i64>, StoreError> {
    let texts: Vec<(Digest, &str)> =
        texts.map(|text| (Digest::of(text.as_bytes()), text)).collect();
    let hex = to_json(&texts.iter().map(|(digest, _)| digest).collect::<BTreeSet<_>>());
    let mut known = text_ids(conn, &hex).await?;
    for (digest, text) in &texts {
        if known.contains_key(digest) {
            continue;
        }
        let bytes = digest.as_bytes().as_slice();
        let done = sqlx::query_file!("queries/policy_text/ensure.sql", bytes, text)
            .execute(&mut *conn)
            .await;
        let id = attempt(conn, DOING, done).await?.last_insert_rowid();
        known.insert(*digest, id);
    }
    Ok(texts.iter().map(|(digest, _)| known[digest]).collect())
}

async fn text_ids(
    conn: &mut SqliteConnection,
    hex: &str,
) -> Result<BTreeMap<Digest, i64>, StoreError> {
    let rows = sqlx::query_file!("queries/policy_text/ids.sql", hex).fetch_all(&mut *conn).await;
    let rows = attempt(conn, DOING, rows).await?;
    rows.into_iter().map(|row| Ok((to_digest(&row.digest)?, row.id))).collect()
}
