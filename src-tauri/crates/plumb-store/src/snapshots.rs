//! Snapshots: what changed in full, what moves in place, and the newest one rebuilt from both.
//!
//! Only changes are stored. A sweep adds one row of about 60 bytes and overwrites one row a node; a node whose version,
//! content, state or failure changed adds about 50 bytes to the log; a report is written again only when something other
//! than its ages moved, and what nodes have in common of it is written once. 30 days of 1,000 nodes swept every 30 s with
//! 10 changes a node a day: 86,400 sweeps (6 MB), 300,000 changes (15 MB with their index), 300,000 reloads (25 MB with
//! their index), and a row a node (2 MB), which is under 50 MB of the 200 allowed. The first three days measured 4.4 MB
//! (`cargo run --release -p plumb-store --example speed -- month` runs all of it).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use plumb_fleet::{
    Assessment, ContentDigest, DriftState, FailureKind, FleetId, NodeFailure, NodeId,
    NodeObservation, NodeReport, PolicyRef, Snapshot, SnapshotId, Version,
};
use serde::{Deserialize, Serialize};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    intern, reloads,
    report::{Moving, Own, restore, same_shape, shape},
    sweeps::{self, DigestAges, Sweep},
    value::{
        failure_name, from_json, from_ms, rows, to_content, to_failure, to_json, to_ms, to_state,
        to_version,
    },
};

/// Nodes per statement: bounds the JSON text that carries them.
const NODES_PER_STATEMENT: usize = 1_000;

/// When a sweep began and ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepMeta {
    pub started_at: Timestamp,
    pub finished_at: Timestamp,
}

/// Keeps a snapshot and answers with the nodes that stand otherwise than before.
///
/// `previous` saves work where it is the snapshot stored last; any other, or none, is as good. A snapshot older than
/// the newest stored one is recorded as a sweep, its reloads are merged, and it changes nothing else.
pub async fn insert(
    conn: &mut SqliteConnection,
    snapshot: &Snapshot,
    assessment: &Assessment,
    previous: Option<&Snapshot>,
    sweep: SweepMeta,
) -> Result<BTreeSet<NodeId>, StoreError> {
    let fleet = intern::fleet(conn, &snapshot.fleet).await?;
    let newest = newest(conn, &snapshot.fleet).await?;
    let sweep_id = insert_sweep(conn, fleet, snapshot, sweep).await?;
    let nodes = intern::nodes(conn, fleet, snapshot.nodes.keys()).await?;
    let stored = newest.as_ref().map(|newest| newest.snapshot_id.as_slice());
    let previous =
        previous.filter(|p| p.fleet == snapshot.fleet && stored == Some(p.id.as_bytes()));
    reloads::merge(conn, snapshot, previous, &nodes).await?;
    if newest.is_some_and(|newest| newest.taken_at_ms > to_ms(snapshot.taken_at)) {
        return Ok(BTreeSet::new());
    }
    let mut changed = keep_reports(conn, snapshot, previous, &nodes).await?;
    changed.extend(keep_seen(conn, snapshot, assessment, sweep_id, &nodes).await?);
    Ok(names(&changed, snapshot, &nodes))
}

/// Keeps what a look at some nodes saw between two sweeps, and answers with those of them that stand otherwise than
/// before; nothing is kept, and nothing answered, while there is no sweep to add it to.
///
/// No sweep is recorded: the newest one keeps its moments and counts, and nodes that were not looked at keep every row.
/// `snapshot` is the newest one with what was seen `at` this moment put in its place, under an id of its own.
pub async fn amend(
    conn: &mut SqliteConnection,
    snapshot: &Snapshot,
    assessment: &Assessment,
    previous: Option<&Snapshot>,
    looked: &BTreeSet<NodeId>,
    at: Timestamp,
) -> Result<Option<BTreeSet<NodeId>>, StoreError> {
    let Some(newest) = newest(conn, &snapshot.fleet).await? else { return Ok(None) };
    let fleet = intern::fleet(conn, &snapshot.fleet).await?;
    let seen = snapshot.nodes.iter().filter(|(name, _)| looked.contains(*name));
    let part = Snapshot {
        id: snapshot.id,
        fleet: snapshot.fleet.clone(),
        taken_at: at,
        nodes: seen.map(|(name, node)| (name.clone(), node.clone())).collect(),
    };
    let stored = newest.snapshot_id.as_slice();
    let previous = previous.filter(|p| p.fleet == part.fleet && stored == p.id.as_bytes());
    let nodes = intern::nodes(conn, fleet, part.nodes.keys()).await?;
    reloads::merge(conn, &part, previous, &nodes).await?;
    let mut changed = keep_reports(conn, &part, previous, &nodes).await?;
    changed.extend(keep_seen(conn, &part, assessment, newest.id, &nodes).await?);
    // Another process that remembers the snapshot as it was must not take it for this one.
    let id = part.id.as_bytes().as_slice();
    let done =
        sqlx::query_file!("queries/sweep/rename.sql", newest.id, id).execute(&mut *conn).await;
    attempt(conn, "naming a snapshot", done).await?;
    Ok(Some(names(&changed, &part, &nodes)))
}

/// The nodes behind numbers.
fn names(
    changed: &BTreeSet<i64>,
    snapshot: &Snapshot,
    nodes: &BTreeMap<String, i64>,
) -> BTreeSet<NodeId> {
    let names: BTreeMap<i64, &NodeId> =
        snapshot.nodes.keys().map(|name| (nodes[name.as_str()], name)).collect();
    changed.iter().filter_map(|id| names.get(id)).map(|name| (*name).clone()).collect()
}

struct Newest {
    id: i64,
    snapshot_id: Vec<u8>,
    taken_at_ms: i64,
    started_at_ms: i64,
    finished_at_ms: i64,
}

impl Newest {
    fn id(&self) -> Result<SnapshotId, StoreError> {
        let id: [u8; 16] = self
            .snapshot_id
            .as_slice()
            .try_into()
            .map_err(|_| StoreError::malformed("snapshot id")("it is not 16 bytes".into()))?;
        Ok(SnapshotId::from_bytes(id))
    }
}

async fn newest(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
) -> Result<Option<Newest>, StoreError> {
    let fleet = fleet.as_str();
    let found = sqlx::query_file_as!(Newest, "queries/sweep/newest.sql", fleet)
        .fetch_optional(&mut *conn)
        .await;
    attempt(conn, "reading the newest sweep", found).await
}

async fn insert_sweep(
    conn: &mut SqliteConnection,
    fleet: i64,
    snapshot: &Snapshot,
    sweep: SweepMeta,
) -> Result<i64, StoreError> {
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let row = Sweep {
        snapshot: snapshot.id,
        taken_at: snapshot.taken_at,
        meta: sweep,
        nodes: count(snapshot.nodes.len()),
        answered: count(snapshot.answered()),
        ages: DigestAges::of(snapshot),
    };
    sweeps::insert(conn, fleet, &row).await
}

/// One report, in the order in which the statement names its places.
type LatestRow = (i64, i64, Option<i64>, Option<String>, Option<String>, Option<i64>, Option<i64>);

/// Writes the reports that may have changed; the statement decides which did.
async fn keep_reports(
    conn: &mut SqliteConnection,
    snapshot: &Snapshot,
    previous: Option<&Snapshot>,
    nodes: &BTreeMap<String, i64>,
) -> Result<BTreeSet<i64>, StoreError> {
    let at_ms = to_ms(snapshot.taken_at);
    let mut lists = PolicyLists::default();
    let mut shapes = BTreeMap::new();
    let mut all: Vec<LatestRow> = Vec::new();
    for (name, seen) in &snapshot.nodes {
        let Some(report) = &seen.report else { continue };
        let before = previous.and_then(|p| p.nodes.get(name)).and_then(|p| p.report.as_deref());
        if before.is_some_and(|before| same_shape(report, before)) {
            continue;
        }
        let list = lists.id(conn, report).await?;
        let document = shape(report);
        let known = shapes.get(&document).copied();
        let shape = match known {
            Some(id) => id,
            None => intern::report_shape(conn, &document).await?,
        };
        shapes.insert(document, shape);
        let own = Own::of(report);
        let node = nodes[name.as_str()];
        all.push((node, shape, list, own.history, own.stats, own.loaded_at_ms, own.loaded_rest_ns));
    }
    let mut changed = BTreeSet::new();
    for some in all.chunks(NODES_PER_STATEMENT) {
        let some = to_json(some);
        let kept = sqlx::query_file_scalar!("queries/node_latest/keep.sql", some, at_ms)
            .fetch_all(&mut *conn)
            .await;
        changed.extend(attempt(conn, "keeping reports", kept).await?);
    }
    Ok(changed)
}

/// Lists of policies met in one snapshot: most nodes of one content report the same.
#[derive(Default)]
struct PolicyLists<'a> {
    by_content: BTreeMap<Option<ContentDigest>, (&'a [PolicyRef], i64)>,
}

impl<'a> PolicyLists<'a> {
    async fn id(
        &mut self,
        conn: &mut SqliteConnection,
        report: &'a NodeReport,
    ) -> Result<Option<i64>, StoreError> {
        let Some(policies) = &report.policies else { return Ok(None) };
        let content = report.content.as_ref().map(|content| content.value);
        if let Some((list, id)) = self.by_content.get(&content)
            && *list == &policies.value[..]
        {
            return Ok(Some(*id));
        }
        let id = intern::policy_list(conn, &to_json(&policies.value)).await?;
        self.by_content.insert(content, (&policies.value, id));
        Ok(Some(id))
    }
}

/// One node of a sweep, in the order in which the statements name its places.
type SeenRow<'a> = (
    i64,
    Option<i64>,
    Option<String>,
    Option<&'a str>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<&'static str>,
    Option<i64>,
    Option<i64>,
    Option<String>,
);

/// How a node stands: itself, version, content, state and failure.
type StandingRow<'a> = (i64, Option<i64>, Option<i64>, Option<&'static str>, Option<&'a str>);

async fn keep_seen(
    conn: &mut SqliteConnection,
    snapshot: &Snapshot,
    assessment: &Assessment,
    sweep_id: i64,
    nodes: &BTreeMap<String, i64>,
) -> Result<Vec<i64>, StoreError> {
    let reports = || snapshot.nodes.values().filter_map(|seen| seen.report.as_deref());
    let labels = reports().filter_map(|r| r.version.as_ref()).map(|v| &v.value).collect();
    let versions = intern::versions(conn, labels).await?;
    let digests = reports().filter_map(|r| r.content.as_ref()).map(|c| c.value).collect();
    let contents = intern::contents(conn, digests).await?;
    let at_ms = to_ms(snapshot.taken_at);
    let all: Vec<SeenRow<'_>> = snapshot
        .nodes
        .iter()
        .map(|(name, seen)| {
            let report = seen.report.as_deref();
            let moving = report.map(Moving::of).unwrap_or_default();
            (
                nodes[name.as_str()],
                seen.attempted_at.map(to_ms),
                seen.failure.as_ref().map(|failure| failure_name(failure.kind)),
                seen.failure.as_ref().map(|failure| failure.message.as_str()),
                moving.reported_at_ms,
                moving.latency_ms,
                moving.uptime_s,
                moving.confirmed_at_ms,
                moving.confirmed_rest_ns,
                moving.clock_skew_ms,
                moving.moments,
                assessment.nodes.get(name).map(|verdict| verdict.state.name()),
                report.and_then(|r| r.version.as_ref()).map(|v| versions[v.value.as_str()]),
                report.and_then(|r| r.content.as_ref()).map(|c| contents[&c.value]),
                moving.standing,
            )
        })
        .collect();
    let mut changed = Vec::new();
    for some in all.chunks(NODES_PER_STATEMENT) {
        // Of a row only what is logged: every column of it would be read for every node of a sweep.
        let standing: Vec<StandingRow<'_>> =
            some.iter().map(|row| (row.0, row.12, row.13, row.11, row.2.as_deref())).collect();
        let (some, standing) = (to_json(some), to_json(&standing));
        let logged = sqlx::query_file_scalar!("queries/node_change/append.sql", standing, at_ms)
            .fetch_all(&mut *conn)
            .await;
        changed.extend(attempt(conn, "logging changes", logged).await?);
        let kept = sqlx::query_file!("queries/node_seen/keep.sql", some, sweep_id)
            .execute(&mut *conn)
            .await;
        attempt(conn, "keeping what a sweep saw", kept).await?;
    }
    Ok(changed)
}

struct SeenNode {
    name: String,
    attempted_at_ms: Option<i64>,
    failure_kind: Option<String>,
    failure_message: Option<String>,
    reported_at_ms: Option<i64>,
    latency_ms: Option<i64>,
    uptime_s: Option<i64>,
    confirmed_at_ms: Option<i64>,
    confirmed_rest_ns: Option<i64>,
    clock_skew_ms: Option<i64>,
    moments: Option<String>,
    report_shape_id: Option<i64>,
    policy_list_id: Option<i64>,
    history: Option<String>,
    stats: Option<String>,
    loaded_at_ms: Option<i64>,
    loaded_rest_ns: Option<i64>,
    standing: Option<String>,
}

/// Whether reports carry their lists of policies, which are most of the memory of a large fleet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policies {
    With,
    /// `policies` is absent in every report; [`crate::contents::get`] has them by content.
    Without,
}

/// The id of the newest snapshot of a fleet: whoever holds that snapshot need not read it again.
pub async fn latest_id(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
) -> Result<Option<SnapshotId>, StoreError> {
    newest(conn, fleet).await?.map(|newest| newest.id()).transpose()
}

/// The newest snapshot of a fleet, as it was inserted.
pub async fn latest(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
) -> Result<Option<(Snapshot, SweepMeta)>, StoreError> {
    latest_with(conn, fleet, Policies::With).await
}

/// As [`latest`], with or without the lists of policies.
pub async fn latest_with(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    policies: Policies,
) -> Result<Option<(Snapshot, SweepMeta)>, StoreError> {
    let Some(newest) = newest(conn, fleet).await? else { return Ok(None) };
    let lists = match policies {
        Policies::With => policy_lists(conn, newest.id).await?,
        Policies::Without => BTreeMap::new(),
    };
    let shapes = report_shapes(conn, newest.id).await?;
    let found = sqlx::query_file_as!(SeenNode, "queries/node_seen/latest.sql", newest.id)
        .fetch_all(&mut *conn)
        .await;
    let found = attempt(conn, "reading the newest snapshot", found).await?;
    let nodes: Result<_, StoreError> =
        found.into_iter().map(|row| observation(row, &shapes, &lists)).collect();
    let snapshot = Snapshot {
        id: newest.id()?,
        fleet: fleet.clone(),
        taken_at: from_ms(newest.taken_at_ms)?,
        nodes: nodes?,
    };
    let sweep = SweepMeta {
        started_at: from_ms(newest.started_at_ms)?,
        finished_at: from_ms(newest.finished_at_ms)?,
    };
    Ok(Some((snapshot, sweep)))
}

async fn policy_lists(
    conn: &mut SqliteConnection,
    sweep_id: i64,
) -> Result<BTreeMap<i64, Vec<PolicyRef>>, StoreError> {
    let lists =
        sqlx::query_file!("queries/policy_list/latest.sql", sweep_id).fetch_all(&mut *conn).await;
    let lists = attempt(conn, "reading lists of policies", lists).await?;
    lists.into_iter().map(|row| Ok((row.id, from_json("policies", &row.document)?))).collect()
}

async fn report_shapes(
    conn: &mut SqliteConnection,
    sweep_id: i64,
) -> Result<BTreeMap<i64, NodeReport>, StoreError> {
    let shapes =
        sqlx::query_file!("queries/report_shape/latest.sql", sweep_id).fetch_all(&mut *conn).await;
    let shapes = attempt(conn, "reading shapes of reports", shapes).await?;
    shapes.into_iter().map(|row| Ok((row.id, from_json("report", &row.document)?))).collect()
}

fn observation(
    row: SeenNode,
    shapes: &BTreeMap<i64, NodeReport>,
    lists: &BTreeMap<i64, Vec<PolicyRef>>,
) -> Result<(NodeId, NodeObservation), StoreError> {
    let name = NodeId::new(row.name).map_err(|e| StoreError::malformed("node")(e.into()))?;
    let failure = match (row.failure_kind, row.failure_message) {
        (Some(kind), Some(message)) => Some(NodeFailure { kind: to_failure(kind)?, message }),
        _ => None,
    };
    let moving = Moving {
        reported_at_ms: row.reported_at_ms,
        latency_ms: row.latency_ms,
        uptime_s: row.uptime_s,
        confirmed_at_ms: row.confirmed_at_ms,
        confirmed_rest_ns: row.confirmed_rest_ns,
        clock_skew_ms: row.clock_skew_ms,
        moments: row.moments,
        standing: row.standing,
    };
    let own = Own {
        history: row.history,
        stats: row.stats,
        loaded_at_ms: row.loaded_at_ms,
        loaded_rest_ns: row.loaded_rest_ns,
    };
    let shape = row.report_shape_id.and_then(|id| shapes.get(&id));
    let mut report = shape.map(|shape| restore(name.clone(), shape, &own, &moving)).transpose()?;
    if let Some(report) = &mut report {
        match row.policy_list_id.and_then(|id| lists.get(&id)) {
            Some(list) => {
                if let Some(policies) = &mut report.policies {
                    policies.value.clone_from(list);
                }
            }
            None => report.policies = None,
        }
    }
    let attempted_at = row.attempted_at_ms.map(from_ms).transpose()?;
    Ok((name, NodeObservation { attempted_at, failure, report: report.map(Arc::new) }))
}

/// One line of the log of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeChange {
    pub at: Timestamp,
    pub version: Option<Version>,
    pub content: Option<ContentDigest>,
    pub state: Option<DriftState>,
    pub failure: Option<FailureKind>,
}

/// What a node ran at a moment, or nothing when it was not known then.
pub async fn content_at(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    node: &NodeId,
    moment: Timestamp,
) -> Result<Option<(Option<Version>, Option<ContentDigest>)>, StoreError> {
    let Some(node) = intern::node(conn, fleet, node).await? else { return Ok(None) };
    let at_ms = to_ms(moment);
    let row = sqlx::query_file!("queries/node_change/at.sql", node, at_ms)
        .fetch_optional(&mut *conn)
        .await;
    let Some(row) = attempt(conn, "reading what a node ran", row).await? else { return Ok(None) };
    let version = row.label.map(to_version).transpose()?;
    Ok(Some((version, row.digest.as_deref().map(to_content).transpose()?)))
}

/// A change of a node as statements give it.
pub(crate) struct ChangeRow {
    pub(crate) name: String,
    pub(crate) changed_at_ms: i64,
    pub(crate) label: Option<String>,
    pub(crate) digest: Option<Vec<u8>>,
    pub(crate) state: Option<String>,
    pub(crate) failure_kind: Option<String>,
}

impl ChangeRow {
    /// The name of the node, and its change.
    pub(crate) fn read(self) -> Result<(String, NodeChange), StoreError> {
        let change = NodeChange {
            at: from_ms(self.changed_at_ms)?,
            version: self.label.map(to_version).transpose()?,
            content: self.digest.as_deref().map(to_content).transpose()?,
            state: self.state.as_deref().map(to_state).transpose()?,
            failure: self.failure_kind.map(to_failure).transpose()?,
        };
        Ok((self.name, change))
    }
}

/// The newest changes of a node, newest first.
pub async fn changes(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    node: &NodeId,
    limit: usize,
) -> Result<Vec<NodeChange>, StoreError> {
    let Some(node) = intern::node(conn, fleet, node).await? else { return Ok(Vec::new()) };
    let limit = rows(limit);
    let found = sqlx::query_file_as!(ChangeRow, "queries/node_change/list.sql", node, limit)
        .fetch_all(&mut *conn)
        .await;
    let found = attempt(conn, "reading the changes of a node", found).await?;
    found.into_iter().map(|row| row.read().map(|(_, change)| change)).collect()
}

/// A moment from which nodes ran another content than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentMoment {
    pub at: Timestamp,
    /// The first of the nodes by name.
    pub node: NodeId,
    /// How many nodes were seen with this content first at this moment.
    pub nodes: u32,
    pub version: Option<Version>,
    pub content: ContentDigest,
}

/// The newest moments from which nodes of a fleet ran another content, newest first. Only nodes whose
/// names contain `named` count; an empty text stands for all.
pub async fn moments(
    conn: &mut SqliteConnection,
    fleet: &FleetId,
    named: &str,
    limit: usize,
) -> Result<Vec<ContentMoment>, StoreError> {
    let (fleet, limit) = (fleet.as_str(), rows(limit));
    let found = sqlx::query_file!("queries/node_change/moments.sql", fleet, named, limit)
        .fetch_all(&mut *conn)
        .await;
    let found = attempt(conn, "reading what nodes ran earlier", found).await?;
    found
        .into_iter()
        .map(|row| {
            Ok(ContentMoment {
                at: from_ms(row.changed_at_ms)?,
                node: NodeId::new(row.node)
                    .map_err(|e| StoreError::malformed("node name")(e.into()))?,
                nodes: u32::try_from(row.nodes)
                    .map_err(|e| StoreError::malformed("count")(e.into()))?,
                version: row.label.map(to_version).transpose()?,
                content: to_content(&row.digest)?,
            })
        })
        .collect()
}
