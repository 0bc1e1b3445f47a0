//! Temporary databases and plausible fleets.

use std::{collections::BTreeMap, path::PathBuf};

use jiff::Timestamp;
use plumb_fleet::{
    Assessment, ContentDigest, Desired, Digest, FleetId, NodeApi, NodeId, NodeObservation,
    NodeReport, Observed, Ordering, PolicyRef, ReloadEntry, ReloadStats, SignatureReport, Snapshot,
    SnapshotId, Version, assess,
};
use plumb_store::{Database, Kind, SweepMeta};
use tempfile::TempDir;

/// 2026-03-01T00:00:00Z, from which tests count.
pub(crate) const START_MS: i64 = 1_772_323_200_000;

pub(crate) struct Files {
    pub(crate) folder: TempDir,
}

impl Files {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    pub(crate) fn path(&self, kind: Kind) -> PathBuf {
        self.folder.path().join(kind.file_name())
    }

    /// Opens a file that must be sound.
    pub(crate) async fn open(&self, kind: Kind) -> Database {
        let opened = Database::open(&self.path(kind), kind).await.expect("opens");
        assert_eq!(opened.notices, []);
        opened.database
    }
}

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(START_MS + ms).expect("a moment of this century")
}

pub(crate) fn fleet() -> FleetId {
    FleetId::new("edge-eu").expect("a name")
}

pub(crate) fn node(n: usize) -> NodeId {
    NodeId::new(format!("eu-gw-{n:05}")).expect("a name")
}

pub(crate) fn version(label: &str) -> Version {
    Version::new(label).expect("a label")
}

pub(crate) fn content(text: &str) -> ContentDigest {
    ContentDigest(Digest::of(text.as_bytes()))
}

pub(crate) fn snapshot_id(n: u64) -> SnapshotId {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&n.to_be_bytes());
    SnapshotId::from_bytes(bytes)
}

pub(crate) fn reload(ms: i64, label: &str) -> ReloadEntry {
    ReloadEntry {
        at: at(ms),
        version: Some(version(label)),
        success: true,
        duration_us: 740,
        policies: 5,
        error: None,
        trigger: None,
    }
}

pub(crate) fn policies(count: usize) -> Vec<PolicyRef> {
    (0..count)
        .map(|n| {
            let id = format!("policy-{n:04}");
            PolicyRef { digest: Digest::of(id.as_bytes()), id }
        })
        .collect()
}

/// A node that runs a version, read at a moment.
pub(crate) fn report(node: &NodeId, label: &str, ms: i64, history: Vec<ReloadEntry>) -> NodeReport {
    let at = at(ms);
    NodeReport {
        node: node.clone(),
        api: NodeApi::Reload,
        at,
        latency_ms: 4,
        bundle_id: Some(Observed::new("edge-policies".to_owned(), "/status", at)),
        version: Some(Observed::new(version(label), "/status", at)),
        bundle_digest: None,
        content: Some(Observed::new(content(label), "/rules", at)),
        ordering: Ordering::ByPosition,
        policies: Some(Observed::new(policies(3), "/rules", at)),
        loaded_at: Some(Observed::new(self::at(-60_000), "/status", at)),
        confirmed_at: Some(Observed::new(at, "/status", at)),
        signature: Some(Box::new(Observed::new(
            SignatureReport::Valid { scheme: "rsa-pss".to_owned(), key: "ops-2026".to_owned() },
            "/status",
            at,
        ))),
        verification: None,
        standing: None,
        last_known_good: None,
        pinned: None,
        ready: Some(Observed::new(true, "/readyz", at)),
        stats: Some(Box::new(Observed::new(
            ReloadStats { total: 10, succeeded: 10, failed: 0, average_us: 700 },
            "/reload/stats",
            at,
        ))),
        history,
        uptime_s: Some(Observed::new(
            u64::try_from(ms / 1_000 + 86_400).expect("up"),
            "/healthz",
            at,
        )),
        clock_skew_ms: Some(-120),
        unauthenticated_reload: false,
        config: BTreeMap::from([("bundle.polling".to_owned(), "30s".to_owned())]),
        gaps: Vec::new(),
    }
}

pub(crate) fn snapshot(
    id: u64,
    ms: i64,
    reports: impl IntoIterator<Item = NodeReport>,
) -> Snapshot {
    let nodes = reports
        .into_iter()
        .map(|report| {
            let name = report.node.clone();
            let attempted_at = Some(report.at);
            (
                name,
                NodeObservation {
                    attempted_at,
                    failure: None,
                    report: Some(std::sync::Arc::new(report)),
                },
            )
        })
        .collect();
    Snapshot { id: snapshot_id(id), fleet: fleet(), taken_at: at(ms), nodes }
}

pub(crate) fn desired(label: &str) -> Desired {
    Desired {
        fleet: Some(plumb_fleet::DesiredVersion {
            version: version(label),
            content: None,
            pinned_by: None,
            since: None,
        }),
        nodes: BTreeMap::new(),
        bundles: BTreeMap::new(),
        catalogue: plumb_fleet::Catalogue::default(),
        refused: std::collections::BTreeSet::new(),
        thresholds: plumb_fleet::Thresholds::default(),
        in_flight: BTreeMap::new(),
    }
}

pub(crate) fn assessed(snapshot: &Snapshot) -> Assessment {
    assess(snapshot, &desired("v2"), snapshot.taken_at)
}

pub(crate) fn meta(snapshot: &Snapshot) -> SweepMeta {
    SweepMeta { started_at: snapshot.taken_at, finished_at: snapshot.taken_at }
}

/// Inserts a snapshot in a transaction of its own.
pub(crate) async fn insert(
    cache: &Database,
    snapshot: &Snapshot,
    previous: Option<&Snapshot>,
) -> Vec<NodeId> {
    let mut tx = cache.write().await.expect("begins");
    let changed = plumb_store::snapshots::insert(
        &mut tx,
        snapshot,
        &assessed(snapshot),
        previous,
        meta(snapshot),
    )
    .await
    .expect("inserts");
    tx.commit().await.expect("commits");
    changed.into_iter().collect()
}

pub(crate) async fn latest(cache: &Database) -> Option<Snapshot> {
    let mut tx = cache.read().await.expect("begins");
    let latest = plumb_store::snapshots::latest(&mut tx, &fleet()).await.expect("reads");
    latest.map(|(snapshot, _)| snapshot)
}
