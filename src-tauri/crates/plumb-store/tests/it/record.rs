//! What may not be lost: fleets, wishes, catalogue, plans and runs.

use std::{collections::BTreeMap, path::Path};

use plumb_fleet::{BundleDigest, CatalogueEntry, DesiredVersion, Digest, PlanHash, RunId};
use plumb_store::{Kind, StoreError, catalogue, desired, fleets, plans, quiet, runs};

use crate::support::{Files, at, content, fleet, node, version};

fn wish(label: &str) -> DesiredVersion {
    DesiredVersion {
        version: version(label),
        content: Some(content(label)),
        pinned_by: Some("mara".to_owned()),
        since: Some("2026-03-01T08:00:00.123456789Z".parse().expect("a moment")),
    }
}

#[tokio::test]
async fn a_fleet_taken_off_the_list_can_come_back() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let mut tx = record.write().await.expect("begins");
    fleets::add(&mut tx, &fleet(), Path::new("/a.toml"), at(0)).await.expect("adds");
    fleets::add(&mut tx, &fleet(), Path::new("/b.toml"), at(1)).await.expect("moves");
    let list = fleets::list(&mut tx).await.expect("lists");
    assert_eq!((list[0].file.as_path(), list[0].added_at), (Path::new("/b.toml"), at(0)));
    assert!(fleets::remove(&mut tx, &fleet(), at(2)).await.expect("removes"));
    assert!(!fleets::remove(&mut tx, &fleet(), at(3)).await.expect("does nothing"));
    assert_eq!(fleets::list(&mut tx).await.expect("lists"), []);
    fleets::add(&mut tx, &fleet(), Path::new("/c.toml"), at(4)).await.expect("adds");
    assert_eq!(fleets::list(&mut tx).await.expect("lists")[0].added_at, at(4));
}

#[tokio::test]
async fn a_fleet_is_quiet_until_somebody_wants_to_hear_of_it_again() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let mut tx = record.write().await.expect("begins");
    assert!(quiet::list(&mut tx).await.expect("reads").is_empty());
    for _ in 0..2 {
        quiet::set(&mut tx, &fleet(), true, at(0)).await.expect("sets");
    }
    assert_eq!(quiet::list(&mut tx).await.expect("reads"), [fleet()].into());
    quiet::set(&mut tx, &fleet(), false, at(1)).await.expect("sets");
    assert!(quiet::list(&mut tx).await.expect("reads").is_empty());
}

#[tokio::test]
async fn the_newest_wish_holds_and_all_are_remembered() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let mut tx = record.write().await.expect("begins");
    let fleet = fleet();
    for (node, wished, ms) in [
        (None, Some(wish("v1")), 0),
        (Some(node(1)), Some(wish("v1")), 1),
        (Some(node(2)), Some(wish("v0")), 2),
        (None, Some(wish("v2")), 3),
        (Some(node(2)), None, 4),
    ] {
        desired::set(&mut tx, &fleet, node.as_ref(), wished.as_ref(), at(ms)).await.expect("sets");
    }
    let (whole, nodes) = desired::current(&mut tx, &fleet).await.expect("reads");
    assert_eq!(whole, Some(wish("v2")));
    assert_eq!(nodes, BTreeMap::from([(node(1), wish("v1"))]));
    let history = desired::history(&mut tx, &fleet, 2).await.expect("reads");
    assert_eq!(history.len(), 2);
    assert_eq!((history[0].node.clone(), history[0].desired.clone()), (Some(node(2)), None));
    assert_eq!(history[1].desired, Some(wish("v2")));
}

#[tokio::test]
async fn the_catalogue_remembers_each_bundle_once() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let mut tx = record.write().await.expect("begins");
    let entry = |label: &str, path: Option<&str>| CatalogueEntry {
        bundle_id: "edge-policies".to_owned(),
        version: version(label),
        digest: BundleDigest(Digest::of(label.as_bytes())),
        content: content(label),
        file: format!("{label}.signed.json"),
        local_path: path.map(str::to_owned),
        issued_at: Some("2026-02-28T10:00:00.000001Z".parse().expect("a moment")),
        expires_at: path.map(|_| "2027-02-28T10:00:00Z".parse().expect("a moment")),
        key: "ops-2026".to_owned(),
        policies: 5,
        bytes: u64::MAX,
    };
    for entry in [entry("v2", None), entry("v1", None), entry("v2", Some("/srv/v2.signed.json"))] {
        catalogue::upsert(&mut tx, &fleet(), &entry).await.expect("remembers");
    }
    let kept = catalogue::list(&mut tx, &fleet()).await.expect("lists");
    assert_eq!(kept.entries, [entry("v2", Some("/srv/v2.signed.json")), entry("v1", None)]);
}

#[tokio::test]
async fn a_run_belongs_to_a_kept_plan_and_ends_once() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let mut tx = record.write().await.expect("begins");
    let (plan, fleet) = (PlanHash(Digest::of(b"plan")), fleet());
    let run = |n: u8| RunId::from_bytes([n; 16]);
    let orphan = runs::insert(&mut tx, run(9), plan, &fleet, "mara", at(0)).await;
    assert!(matches!(orphan, Err(StoreError::Query { .. })), "{orphan:?}");
    for _ in 0..2 {
        plans::insert(&mut tx, plan, &fleet, at(0), "{\"steps\":[]}").await.expect("keeps");
    }
    assert_eq!(
        plans::get(&mut tx, plan).await.expect("reads").map(|kept| kept.document).as_deref(),
        Some("{\"steps\":[]}")
    );
    for n in 1..=3 {
        runs::insert(&mut tx, run(n), plan, &fleet, "mara", at(n.into())).await.expect("records");
    }
    runs::finish(&mut tx, run(2), at(60), "succeeded").await.expect("records");
    let again = runs::finish(&mut tx, run(2), at(61), "failed").await;
    assert!(matches!(again, Err(StoreError::NoSuchRun { .. })), "{again:?}");
    let ids = |runs: Vec<runs::KeptRun>| runs.into_iter().map(|run| run.id).collect::<Vec<_>>();
    assert_eq!(ids(runs::list(&mut tx, &fleet, 2).await.expect("lists")), [run(3), run(2)]);
    assert_eq!(ids(runs::unfinished(&mut tx).await.expect("lists")), [run(1), run(3)]);
    let ended = runs::get(&mut tx, run(2)).await.expect("reads").and_then(|run| run.end);
    assert_eq!(ended, Some(runs::RunEnd { at: at(60), outcome: "succeeded".to_owned() }));
}
