//! Signed heads, the console's keys and certificates: kept as they are, and never changed.

use plumb_fleet::{Digest, PlanHash, RunId};
use plumb_store::{
    Kind,
    certificates::{self, KeptCertificate},
    heads::{self, HeadRow, KeyRow},
    journal::{self, JournalRow},
    plans, runs,
};

use crate::support::{Files, at, fleet};

fn run(number: u8) -> RunId {
    RunId::from_bytes([number; 16])
}

async fn with_runs(record: &plumb_store::Database) {
    let mut tx = record.write().await.expect("begins");
    let plan = PlanHash(Digest::of(b"plan"));
    plans::insert(&mut tx, plan, &fleet(), at(0), "{}").await.expect("keeps");
    for number in [1, 2] {
        runs::insert(&mut tx, run(number), plan, &fleet(), "mara", at(0)).await.expect("records");
    }
    tx.commit().await.expect("commits");
}

#[tokio::test]
async fn heads_are_kept_with_their_run_and_never_changed() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    with_runs(&record).await;
    let head = |events| HeadRow { events, envelope: format!("{{\"signed\":{events}}}") };
    let mut tx = record.write().await.expect("begins");
    for events in [1, 7, 3] {
        heads::add(&mut tx, run(1), &head(events)).await.expect("keeps");
    }
    heads::add(&mut tx, run(2), &head(1)).await.expect("keeps");
    assert_eq!(heads::list(&mut tx, run(1)).await.expect("reads"), [head(1), head(3), head(7)]);
    heads::add(&mut tx, run(1), &head(7)).await.expect_err("one head for each length");
    heads::add(&mut tx, run(9), &head(1)).await.expect_err("there is no such run");
    for forbidden in ["UPDATE journal_head SET envelope = ''", "DELETE FROM journal_head"] {
        sqlx::query(forbidden).execute(&mut *tx).await.expect_err(forbidden);
    }
}

#[tokio::test]
async fn a_key_is_kept_once_with_its_first_use() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let key = |word: &str, ms| KeyRow {
        fingerprint: Digest::of(word.as_bytes()),
        pem: format!("-----BEGIN PUBLIC KEY-----\n{word}\n"),
        first_used_at: at(ms),
    };
    let mut tx = record.write().await.expect("begins");
    for kept in [key("second", 20), key("first", 10), key("second", 30)] {
        heads::keep_key(&mut tx, &kept).await.expect("keeps");
    }
    let expected = [key("first", 10), key("second", 20)];
    assert_eq!(heads::keys(&mut tx).await.expect("reads"), expected);
}

#[tokio::test]
async fn certificates_are_found_by_run_and_by_fleet() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    with_runs(&record).await;
    let certificate = |number, ms, green, envelope: Option<&str>| KeptCertificate {
        run: run(number),
        fleet: fleet(),
        observed_at: at(ms),
        green,
        statement: format!("{{\"seen\":{ms}}}"),
        envelope: envelope.map(str::to_owned),
    };
    let first = certificate(1, 30_000, false, None);
    let again = certificate(1, 60_000, true, Some("{}"));
    let other = certificate(2, 45_000, true, Some("{}"));
    let mut tx = record.write().await.expect("begins");
    for kept in [&first, &again, &other] {
        certificates::add(&mut tx, kept).await.expect("keeps");
    }
    assert_eq!(certificates::newest(&mut tx, run(1)).await.expect("reads"), Some(again.clone()));
    assert_eq!(certificates::newest(&mut tx, run(3)).await.expect("reads"), None);
    let listed = certificates::list(&mut tx, &fleet(), false, 10).await.expect("reads");
    assert_eq!(listed, [again.clone(), other.clone(), first]);
    let green = certificates::list(&mut tx, &fleet(), true, 10).await.expect("reads");
    assert_eq!(green, [again.clone(), other]);
    assert_eq!(certificates::list(&mut tx, &fleet(), true, 1).await.expect("reads"), [again]);
    for forbidden in ["UPDATE certificate SET green = 1", "DELETE FROM certificate"] {
        sqlx::query(forbidden).execute(&mut *tx).await.expect_err(forbidden);
    }
}

#[tokio::test]
async fn events_are_read_page_by_page_as_they_stand() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    with_runs(&record).await;
    let mut tx = record.write().await.expect("begins");
    let mut previous = Digest::of(b"");
    for seq in 0..5 {
        let (body, hash) = (format!("{{\"n\":{seq}}}"), Digest::of(&[seq]));
        let row = JournalRow { seq: seq.into(), at: at(0), body, hash, previous };
        journal::append(&mut tx, run(1), &[row]).await.expect("appends");
        previous = hash;
    }
    let mut seen = Vec::new();
    for from in [0, 2, 4, 6] {
        let page = journal::page(&mut tx, run(1), from, 2).await.expect("reads");
        assert!(
            page.iter().all(|event| event.hash == Some(Digest::of(&[event.seq.to_le_bytes()[0]])))
        );
        seen.push(page.iter().map(|event| event.body.clone()).collect::<Vec<_>>().join(" "));
    }
    assert_eq!(seen, ["{\"n\":0} {\"n\":1}", "{\"n\":2} {\"n\":3}", "{\"n\":4}", ""]);
    // Somebody with the file in an editor: the check that reads it says what is wrong.
    for hand in [
        "DROP TRIGGER journal_event_is_never_changed",
        "UPDATE journal_event SET hash = x'00' WHERE seq = 1",
    ] {
        sqlx::query(hand).execute(&mut *tx).await.expect("is done");
    }
    let page = journal::page(&mut tx, run(1), 1, 1).await.expect("reads");
    assert_eq!(page[0].hash, None);
}
