//! What goes in comes out; only changes are written, and every change is logged.

use plumb_fleet::{
    CheckOutcome, CheckSeen, DecisionCounts, DriftState, FailureKind, NodeFailure, NodeId,
    NodeObservation, Observed, Snapshot, Standing, Verification,
};
use plumb_store::{
    Kind,
    snapshots::{self, NodeChange, Policies},
    sweeps,
};

use crate::support::{
    Files, assessed, at, content, fleet, insert, latest, meta, node, policies, reload, report,
    snapshot, snapshot_id, version,
};

fn three(id: u64, ms: i64) -> Snapshot {
    snapshot(id, ms, (0..3).map(|n| report(&node(n), "v2", ms, vec![reload(-5_000, "v2")])))
}

async fn documents(database: &plumb_store::Database) -> i64 {
    let mut tx = database.read().await.expect("begins");
    sqlx::query_scalar("SELECT count(DISTINCT changed_at_ms) FROM node_latest")
        .fetch_one(&mut *tx)
        .await
        .expect("counts")
}

#[tokio::test]
async fn a_snapshot_comes_back_as_it_was() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    assert_eq!(latest(&cache).await, None);
    let mut first = three(1, 0);
    first
        .nodes
        .insert(node(7), NodeObservation { attempted_at: None, failure: None, report: None });
    assert_eq!(insert(&cache, &first, None).await, [node(0), node(1), node(2), node(7)]);
    assert_eq!(latest(&cache).await, Some(first.clone()));
    cache.close().await;
    assert_eq!(latest(&files.open(Kind::Cache).await).await, Some(first));
}

#[tokio::test]
async fn ages_move_without_a_change() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let first = three(1, 0);
    insert(&cache, &first, None).await;
    for (id, previous) in [(2, Some(&first)), (3, None)] {
        let next = three(id, i64::try_from(id).expect("small") * 30_000);
        assert_eq!(insert(&cache, &next, previous).await, Vec::<NodeId>::new());
        assert_eq!(latest(&cache).await, Some(next));
        assert_eq!(documents(&cache).await, 1, "no report was written again");
    }
}

#[tokio::test]
async fn a_change_is_told_and_logged_whatever_the_caller_remembers() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let first = three(1, 0);
    insert(&cache, &first, None).await;
    // Another process stores a change in between; the window still remembers the first.
    let mut second = three(2, 30_000);
    let changed =
        second.nodes.get_mut(&node(1)).and_then(NodeObservation::report_mut).expect("there");
    changed.version = Some(Observed::new(version("v1"), "/status", at(30_000)));
    assert_eq!(insert(&cache, &second, Some(&first)).await, [node(1)]);
    let third = three(3, 60_000);
    assert_eq!(insert(&cache, &third, Some(&first)).await, [node(1)]);
    assert_eq!(latest(&cache).await, Some(third));

    let mut tx = cache.read().await.expect("begins");
    let log = snapshots::changes(&mut tx, &fleet(), &node(1), 10).await.expect("reads");
    let line = |ms, label: &str, state| NodeChange {
        at: at(ms),
        version: Some(version(label)),
        content: Some(content("v2")),
        state: Some(state),
        failure: None,
    };
    let expected = [
        line(60_000, "v2", DriftState::InSync),
        line(30_000, "v1", DriftState::Behind),
        line(0, "v2", DriftState::InSync),
    ];
    assert_eq!(log, expected);
    for (ms, expected) in [(-1, None), (0, Some("v2")), (59_999, Some("v1")), (60_000, Some("v2"))]
    {
        let ran = snapshots::content_at(&mut tx, &fleet(), &node(1), at(ms)).await.expect("reads");
        assert_eq!(ran.and_then(|(label, _)| label), expected.map(version), "{ms}");
    }
    assert_eq!(
        snapshots::content_at(&mut tx, &fleet(), &node(9), at(0)).await.expect("reads"),
        None
    );
}

#[tokio::test]
async fn a_failure_keeps_the_last_report() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let first = three(1, 0);
    insert(&cache, &first, None).await;
    let mut second = three(2, 30_000);
    second.nodes.insert(
        node(0),
        NodeObservation {
            attempted_at: Some(at(30_000)),
            failure: Some(NodeFailure {
                kind: FailureKind::TimedOut,
                message: "no answer within 3 s".to_owned(),
            }),
            report: first.nodes[&node(0)].report.clone(),
        },
    );
    assert_eq!(insert(&cache, &second, Some(&first)).await, [node(0)]);
    assert_eq!(latest(&cache).await, Some(second));
    let mut tx = cache.read().await.expect("begins");
    let log = snapshots::changes(&mut tx, &fleet(), &node(0), 1).await.expect("reads");
    assert_eq!(log[0].failure, Some(FailureKind::TimedOut));
    assert_eq!(log[0].state, Some(DriftState::Unreachable));
}

#[tokio::test]
async fn a_node_taken_out_of_the_fleet_is_not_in_its_snapshot() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let first = three(1, 0);
    insert(&cache, &first, None).await;
    let mut second = three(2, 30_000);
    second.nodes.remove(&node(2));
    insert(&cache, &second, Some(&first)).await;
    assert_eq!(latest(&cache).await, Some(second));
}

#[tokio::test]
async fn an_older_snapshot_that_arrives_late_changes_nothing() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let newer = three(2, 30_000);
    insert(&cache, &newer, None).await;
    let mut older = three(1, 10_000);
    older.nodes.remove(&node(0));
    assert_eq!(insert(&cache, &older, None).await, Vec::<NodeId>::new());
    assert_eq!(latest(&cache).await, Some(newer));
    let mut tx = cache.read().await.expect("begins");
    let sweeps = sweeps::list(&mut tx, &fleet(), 10).await.expect("lists");
    let ids: Vec<_> = sweeps.iter().map(|s| (s.snapshot, s.nodes, s.answered)).collect();
    assert_eq!(ids, [(snapshot_id(2), 3, 3), (snapshot_id(1), 2, 2)]);
}

#[tokio::test]
async fn lists_of_policies_are_kept_once_and_can_be_left_out() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let mut first = three(1, 0);
    // Claims the same content with other policies: kept as told.
    let liar = first.nodes.get_mut(&node(1)).and_then(NodeObservation::report_mut).expect("there");
    liar.policies.as_mut().expect("there").value = policies(2);
    insert(&cache, &first, None).await;
    assert_eq!(latest(&cache).await, Some(first.clone()));
    let mut tx = cache.read().await.expect("begins");
    let lists: i64 = sqlx::query_scalar("SELECT count(*) FROM policy_list")
        .fetch_one(&mut *tx)
        .await
        .expect("counts");
    assert_eq!(lists, 2);
    let brief = snapshots::latest_with(&mut tx, &fleet(), Policies::Without).await.expect("reads");
    let (brief, _) = brief.expect("there");
    drop(tx);
    assert!(
        brief.nodes.values().all(|n| n.report.as_deref().is_some_and(|r| r.policies.is_none()))
    );
    // A brief one is a good enough memory: nothing is told to have changed.
    let mut second = three(2, 30_000);
    second.nodes.get_mut(&node(1)).and_then(NodeObservation::report_mut).expect("there").policies =
        Some(Observed::new(policies(2), "/rules", at(30_000)));
    assert_eq!(insert(&cache, &second, Some(&brief)).await, Vec::<NodeId>::new());
    assert_eq!(latest(&cache).await, Some(second));
}

#[tokio::test]
async fn fleets_do_not_mix() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let first = three(1, 0);
    insert(&cache, &first, None).await;
    let mut other = three(2, 30_000);
    other.fleet = plumb_fleet::FleetId::new("edge-us").expect("a name");
    let mut tx = cache.write().await.expect("begins");
    let assessment = assessed(&other);
    let changed = snapshots::insert(&mut tx, &other, &assessment, Some(&first), meta(&other));
    assert_eq!(changed.await.expect("inserts").len(), 3);
    tx.commit().await.expect("commits");
    assert_eq!(latest(&cache).await, Some(first));
}

/// A look at one node between sweeps: the snapshot as it stands then, under an id of its own.
fn looked_at(before: &Snapshot, id: u64, n: usize, label: &str, ms: i64) -> Snapshot {
    let mut after = Snapshot { id: snapshot_id(id), ..before.clone() };
    let seen = report(&node(n), label, ms, vec![reload(ms, label), reload(-5_000, "v2")]);
    let seen = NodeObservation {
        attempted_at: Some(at(ms)),
        failure: None,
        report: Some(std::sync::Arc::new(seen)),
    };
    after.nodes.insert(node(n), seen);
    after
}

#[tokio::test]
async fn a_look_at_one_node_is_no_sweep_over_the_fleet() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let first = three(1, 0);
    let amend = async |after: &Snapshot, ms: i64| {
        let mut tx = cache.write().await.expect("begins");
        let looked = [node(1)].into();
        let states = plumb_fleet::assess(after, &crate::support::desired("v2"), at(ms));
        let changed =
            snapshots::amend(&mut tx, after, &states, Some(&first), &looked, at(ms)).await;
        tx.commit().await.expect("commits");
        changed.expect("keeps")
    };
    assert_eq!(amend(&looked_at(&first, 2, 1, "v3", 20_000), 20_000).await, None, "no sweep yet");
    assert_eq!(latest(&cache).await, None);

    insert(&cache, &first, None).await;
    let second = looked_at(&first, 2, 1, "v3", 20_000);
    // What the caller believes of other nodes is not what was seen of them.
    let mut believed = second.clone();
    believed.nodes.insert(node(0), looked_at(&first, 9, 0, "v9", 20_000).nodes[&node(0)].clone());
    assert_eq!(amend(&believed, 20_000).await, Some([node(1)].into()));
    assert_eq!(latest(&cache).await, Some(second.clone()));

    let mut tx = cache.read().await.expect("begins");
    let kept = sweeps::list(&mut tx, &fleet(), 10).await.expect("lists");
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0].meta, meta(&first), "the last sweep is as old as it was");
    let log = snapshots::changes(&mut tx, &fleet(), &node(1), 10).await.expect("reads");
    assert_eq!(log.iter().map(|line| line.at).collect::<Vec<_>>(), [at(20_000), at(0)]);
    assert_eq!(snapshots::changes(&mut tx, &fleet(), &node(0), 10).await.expect("reads").len(), 1);
    drop(tx);

    // A process that remembers the sweep as it was finds every difference all the same.
    let third = three(3, 30_000);
    assert_eq!(insert(&cache, &third, Some(&first)).await, [node(1)]);
    assert_eq!(latest(&cache).await, Some(third));
}

#[tokio::test]
async fn moments_of_the_past_are_those_at_which_contents_changed() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let ran = |n: u64, ms: i64, labels: [&str; 3]| {
        let reports = (0_usize..)
            .zip(labels)
            .map(|(index, label)| report(&node(index), label, ms, Vec::new()));
        snapshot(n, ms, reports)
    };
    let first = ran(1, 0, ["v1", "v1", "v1"]);
    let mut silent = ran(2, 30_000, ["v1", "v1", "v1"]);
    let unanswered = silent.nodes.get_mut(&node(1)).expect("there");
    unanswered.failure =
        Some(NodeFailure { kind: FailureKind::TimedOut, message: "timed out".to_owned() });
    unanswered.report = None;
    let third = ran(3, 60_000, ["v2", "v2", "v1"]);
    insert(&cache, &first, None).await;
    insert(&cache, &silent, Some(&first)).await;
    insert(&cache, &third, Some(&silent)).await;

    let mut tx = cache.read().await.expect("begins");
    let line = |ms, n, nodes, label: &str| snapshots::ContentMoment {
        at: at(ms),
        node: node(n),
        nodes,
        version: Some(version(label)),
        content: content(label),
    };
    let all = snapshots::moments(&mut tx, &fleet(), "", 10).await.expect("reads");
    assert_eq!(all, [line(60_000, 0, 2, "v2"), line(0, 0, 3, "v1")]);
    let one = snapshots::moments(&mut tx, &fleet(), node(2).as_str(), 10).await.expect("reads");
    assert_eq!(one, [line(0, 2, 1, "v1")], "it never changed, answered or not");
    let cut = snapshots::moments(&mut tx, &fleet(), "", 1).await.expect("reads");
    assert_eq!(cut.len(), 1);
}

#[tokio::test]
async fn nodes_of_one_bundle_share_a_shape_however_their_sources_stand() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let told = |n: usize, ms: i64| {
        let mut report = report(&node(n), "v2", ms, vec![reload(-5_000, "v2")]);
        let check = |name: &str| CheckSeen {
            name: name.to_owned(),
            outcome: CheckOutcome::Passed,
            detail: None,
        };
        let verification = Verification {
            checks: vec![check("signature"), check("log.entry")],
            carried_by: Some("release@payments.example".to_owned()),
            origin: Some("pack https://hub.example/v1/packs/payments".to_owned()),
            fallback: None,
        };
        let standing = Standing {
            consecutive_failures: n as u64,
            verified_at: Some(at(ms - i64::try_from(n).expect("small"))),
            decisions: Some(DecisionCounts { all: 100 * n as u64, failed: n as u64 }),
            ..Standing::default()
        };
        report.verification =
            Some(Observed::new(std::sync::Arc::new(verification), "/v1/agent/status", at(ms)));
        report.standing = Some(Box::new(Observed::new(standing, "/v1/agent/status", at(ms))));
        report
    };
    let first = snapshot(1, 0, (0..20).map(|n| told(n, 0)));
    insert(&cache, &first, None).await;
    let next = snapshot(2, 30_000, (0..20).map(|n| told(n, 30_000)));
    assert_eq!(insert(&cache, &next, Some(&first)).await, Vec::<NodeId>::new());
    assert_eq!(latest(&cache).await, Some(next));
    let mut tx = cache.read().await.expect("begins");
    let shapes: i64 = sqlx::query_scalar("SELECT count(*) FROM report_shape")
        .fetch_one(&mut *tx)
        .await
        .expect("counts");
    assert_eq!(shapes, 1);
}
