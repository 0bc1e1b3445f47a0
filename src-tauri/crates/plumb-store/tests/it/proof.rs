//! Dry runs, evidence of readiness and certificates of other consoles: kept beside each other, never changed.

use plumb_fleet::{Digest, FleetId, PlanHash};
use plumb_store::{
    Kind,
    dry_runs::{self, KeptDryRun},
    imported_certificates::{self, ConsoleTrust, ImportedCertificate},
    plans,
    readiness::{self, KeptReadiness},
};

use crate::support::{Files, at, fleet};

fn digest(word: &str) -> Digest {
    Digest::of(word.as_bytes())
}

#[tokio::test]
async fn the_newest_dry_run_until_a_moment_is_found() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let plan = PlanHash(digest("plan"));
    let report = |ms: i64, word: &str| KeptDryRun {
        made_at: at(ms),
        digest: digest(word),
        document: word.to_owned(),
    };
    let mut tx = record.write().await.expect("begins");
    dry_runs::add(&mut tx, plan, &report(1, "early")).await.expect_err("no such plan");
    drop(tx);
    let mut tx = record.write().await.expect("begins");
    plans::insert(&mut tx, plan, &fleet(), at(1), "{}").await.expect("keeps");
    for (ms, word) in [(10, "first"), (20, "second"), (30, "first")] {
        dry_runs::add(&mut tx, plan, &report(ms, word)).await.expect("keeps");
    }
    for (until, word) in [(9, None), (10, Some("first")), (29, Some("second")), (99, Some("first"))]
    {
        let found = dry_runs::newest(&mut tx, plan, at(until)).await.expect("reads");
        assert_eq!(found.map(|one| one.document).as_deref(), word, "{until}");
    }
    let second = dry_runs::get(&mut tx, digest("second")).await.expect("reads");
    assert_eq!(second, Some(report(20, "second")));
    for forbidden in ["UPDATE dry_run SET document = ''", "DELETE FROM dry_run"] {
        sqlx::query(forbidden).execute(&mut *tx).await.expect_err(forbidden);
    }
}

#[tokio::test]
async fn the_newest_evidence_of_each_item_counts_until_it_is_withdrawn() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let other = FleetId::new("other").expect("a name");
    let evidence = |item: &str, ms: i64, document: Option<&str>| KeptReadiness {
        item: item.to_owned(),
        document: document.map(str::to_owned),
        added_by: "rick".to_owned(),
        added_at: at(ms),
    };
    let mut tx = record.write().await.expect("begins");
    for (of, item, ms, document) in [
        (&fleet(), "alerts", 1, Some("one")),
        (&fleet(), "runbook", 2, Some("two")),
        (&other, "alerts", 3, Some("of another fleet")),
        (&fleet(), "alerts", 4, Some("three")),
        (&fleet(), "runbook", 5, None),
    ] {
        readiness::add(&mut tx, of, &evidence(item, ms, document)).await.expect("keeps");
    }
    let now = readiness::newest(&mut tx, &fleet(), at(9)).await.expect("reads");
    assert_eq!(now, [evidence("alerts", 4, Some("three")), evidence("runbook", 5, None)]);
    let then = readiness::newest(&mut tx, &fleet(), at(3)).await.expect("reads");
    assert_eq!(then, [evidence("alerts", 1, Some("one")), evidence("runbook", 2, Some("two"))]);
    for forbidden in ["UPDATE readiness SET item = ''", "DELETE FROM readiness"] {
        sqlx::query(forbidden).execute(&mut *tx).await.expect_err(forbidden);
    }
}

#[tokio::test]
async fn a_certificate_is_imported_once_and_a_key_is_trusted_until_it_is_not() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let certificate = |word: &str, ms: i64| ImportedCertificate {
        digest: digest(word),
        fleet: fleet(),
        observed_at: at(ms),
        envelope: word.to_owned(),
        source: format!("{word}.json"),
        imported_by: "rick".to_owned(),
        imported_at: at(100),
    };
    let mut tx = record.write().await.expect("begins");
    for (word, ms, new) in [("old", 1, true), ("new", 2, true), ("old", 1, false)] {
        let added = imported_certificates::add(&mut tx, &certificate(word, ms)).await;
        assert_eq!(added.expect("keeps"), new, "{word}");
    }
    let listed = imported_certificates::list(&mut tx, &fleet(), 9).await.expect("reads");
    assert_eq!(listed, [certificate("new", 2), certificate("old", 1)]);
    assert_eq!(imported_certificates::fleets(&mut tx).await.expect("reads"), [fleet()]);
    for forbidden in
        ["UPDATE imported_certificate SET source = ''", "DELETE FROM imported_certificate"]
    {
        sqlx::query(forbidden).execute(&mut *tx).await.expect_err(forbidden);
    }
    for (key, trusted, then) in [
        ("a", true, &["key a"][..]),
        ("b", true, &["key a", "key b"]),
        ("a", false, &["key b"]),
        ("a", true, &["key a", "key b"]),
    ] {
        let (of, word) = (fleet(), format!("key {key}"));
        let trust = ConsoleTrust {
            fleet: &of,
            key_id: key,
            public_key: &word,
            trusted,
            decided_by: "rick",
            decided_at: at(1),
        };
        imported_certificates::decide(&mut tx, &trust).await.expect("keeps");
        let now = imported_certificates::trusted(&mut tx, &fleet()).await.expect("reads");
        assert_eq!(now, then);
    }
}
