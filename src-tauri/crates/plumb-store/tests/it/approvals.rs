//! Rosters, envelopes, requests, used approvals and reviews: kept as they came, and never changed.

use std::collections::BTreeSet;

use plumb_fleet::{Digest, PlanHash, RunId};
use plumb_store::{
    Kind,
    approvals::{self, KeptApproval, OpenReview},
    plans,
    rosters::{self, KeptRoster},
    runs,
};

use crate::support::{Files, at, fleet};

fn plan(word: &str) -> PlanHash {
    PlanHash(Digest::of(word.as_bytes()))
}

fn run(number: u8) -> RunId {
    RunId::from_bytes([number; 16])
}

fn approval(word: &str, of: &str, ms: i64) -> KeptApproval {
    KeptApproval {
        payload: Digest::of(word.as_bytes()),
        plan: plan(of),
        fleet: fleet(),
        person: "mara".to_owned(),
        act: "approve".to_owned(),
        envelope: format!("{{ \"as it came\": \"{word}\" }}\n").into_bytes(),
        added_at: at(ms),
    }
}

#[tokio::test]
async fn the_newest_roster_holds_and_none_is_changed() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let roster = |version: u32, word: &str| KeptRoster {
        version,
        digest: Digest::of(word.as_bytes()),
        envelope: word.as_bytes().to_vec(),
        pin: format!("{{\"version\":{version}}}"),
        accepted_at: at(i64::from(version)),
    };
    let mut tx = record.write().await.expect("begins");
    assert_eq!(rosters::newest(&mut tx, &fleet()).await.expect("reads"), None);
    for (version, word) in [(2, "two"), (11, "eleven"), (3, "three"), (11, "another")] {
        rosters::add(&mut tx, &fleet(), &roster(version, word)).await.expect("keeps");
    }
    let newest = rosters::newest(&mut tx, &fleet()).await.expect("reads");
    assert_eq!(newest, Some(roster(11, "eleven")));
    for forbidden in ["UPDATE roster SET pin = ''", "DELETE FROM roster"] {
        sqlx::query(forbidden).execute(&mut *tx).await.expect_err(forbidden);
    }
}

#[tokio::test]
async fn an_envelope_is_kept_once_and_byte_for_byte() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let mut tx = record.write().await.expect("begins");
    let kept = [approval("a", "one", 2), approval("b", "one", 1), approval("c", "two", 3)];
    for one in &kept {
        assert!(approvals::add(&mut tx, one).await.expect("keeps"));
        let rewritten = KeptApproval { envelope: b"otherwise".to_vec(), ..one.clone() };
        assert!(!approvals::add(&mut tx, &rewritten).await.expect("is there"));
    }
    let of_plan = approvals::of_plan(&mut tx, plan("one")).await.expect("reads");
    assert_eq!(of_plan, [kept[1].clone(), kept[0].clone()]);
    let newest = approvals::of_fleet(&mut tx, &fleet(), 2).await.expect("reads");
    assert_eq!(newest, [kept[2].clone(), kept[0].clone()]);
    for forbidden in ["UPDATE approval SET person = ''", "DELETE FROM approval"] {
        sqlx::query(forbidden).execute(&mut *tx).await.expect_err(forbidden);
    }
}

#[tokio::test]
async fn the_newest_request_of_a_plan_holds() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let mut tx = record.write().await.expect("begins");
    approvals::add_request(&mut tx, plan("one"), at(0), "{}").await.expect_err("no such plan");
    plans::insert(&mut tx, plan("one"), &fleet(), at(0), "{}").await.expect("keeps");
    assert_eq!(approvals::request(&mut tx, plan("one")).await.expect("reads"), None);
    for (ms, document) in [(5, "first"), (4, "second")] {
        approvals::add_request(&mut tx, plan("one"), at(ms), document).await.expect("keeps");
    }
    let newest = approvals::request(&mut tx, plan("one")).await.expect("reads");
    assert_eq!(newest.as_deref(), Some("second"));
}

#[tokio::test]
async fn an_approval_is_used_by_one_run_only() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let mut tx = record.write().await.expect("begins");
    plans::insert(&mut tx, plan("one"), &fleet(), at(0), "{}").await.expect("keeps");
    for number in [1, 2] {
        let id = run(number);
        runs::insert(&mut tx, id, plan("one"), &fleet(), "mara", at(0)).await.expect("records");
    }
    let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    approvals::spend(&mut tx, run(1), words(&["aa", "bb"])).await.expect("the first time");
    assert_eq!(approvals::spent(&mut tx, None).await.expect("reads"), words(&["aa", "bb"]));
    // A run that is picked up used them itself.
    assert_eq!(approvals::spent(&mut tx, Some(run(1))).await.expect("reads"), words(&[]));
    assert_eq!(approvals::spent(&mut tx, Some(run(2))).await.expect("reads"), words(&["aa", "bb"]));
    approvals::spend(&mut tx, run(2), words(&["bb"])).await.expect_err("used by another run");
}

#[tokio::test]
async fn a_review_is_open_until_it_is_given() {
    let files = Files::new();
    let record = files.open(Kind::Record).await;
    let mut tx = record.write().await.expect("begins");
    plans::insert(&mut tx, plan("one"), &fleet(), at(0), "{}").await.expect("keeps");
    for (number, due) in [(1, 90), (2, 80)] {
        let id = run(number);
        runs::insert(&mut tx, id, plan("one"), &fleet(), "rick", at(0)).await.expect("records");
        approvals::owe_review(&mut tx, id, &fleet(), "it denies", at(due)).await.expect("notes");
    }
    let why = approvals::review_reason(&mut tx, run(1)).await.expect("reads");
    assert_eq!(why.as_deref(), Some("it denies"));
    assert_eq!(approvals::review_reason(&mut tx, run(3)).await.expect("reads"), None);
    let open = |number: u8, due: i64| OpenReview {
        run: run(number),
        plan: plan("one"),
        operator: "rick".to_owned(),
        reason: "it denies".to_owned(),
        due_at: at(due),
    };
    let due = approvals::open_reviews(&mut tx, &fleet()).await.expect("reads");
    assert_eq!(due, [open(2, 80), open(1, 90)]);
    let payload = Digest::of(b"review");
    assert!(approvals::give_review(&mut tx, run(2), payload).await.expect("notes"));
    assert!(!approvals::give_review(&mut tx, run(2), payload).await.expect("was given"));
    let due = approvals::open_reviews(&mut tx, &fleet()).await.expect("reads");
    assert_eq!(due, [open(1, 90)]);
}
