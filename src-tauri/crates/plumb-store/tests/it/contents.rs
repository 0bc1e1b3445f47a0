//! Contents: stored once, their texts shared, the missing ones named.

use std::collections::BTreeSet;

use plumb_fleet::{Content, Digest, Ordering, Policy, content_digest};
use plumb_store::{Kind, contents};

use crate::support::{Files, at, content};

fn edge(texts: &[(&str, &str)], ordering: Ordering) -> Content {
    let policies: Vec<Policy> = texts
        .iter()
        .map(|(id, text)| Policy {
            id: (*id).to_owned(),
            digest: Digest::of(text.as_bytes()),
            text: (*text).to_owned(),
        })
        .collect();
    let digest = content_digest(policies.iter().map(|p| (p.id.as_str(), p.digest)), ordering);
    Content { digest, ordering, policies }
}

#[tokio::test]
async fn a_content_comes_back_and_shares_its_texts() {
    let files = Files::new();
    let cache = files.open(Kind::Cache).await;
    let (allow, deny) = (("allow-eu", "{\"effect\":\"allow\"}"), ("deny-all", "\u{0}{}"));
    let copy = ("allow-us", allow.1);
    let all = [
        edge(&[allow, deny], Ordering::ByPosition),
        edge(&[deny, allow, copy], Ordering::ByPosition),
        edge(&[copy, deny], Ordering::Unordered),
        edge(&[], Ordering::Unordered),
    ];
    let mut tx = cache.write().await.expect("begins");
    for _ in 0..2 {
        for content in &all {
            contents::insert(&mut tx, content, at(0)).await.expect("inserts");
        }
    }
    tx.commit().await.expect("commits");
    let mut tx = cache.read().await.expect("begins");
    for content in &all {
        let kept = contents::get(&mut tx, content.digest).await.expect("reads");
        assert_eq!(kept.as_ref(), Some(content));
    }
    let texts: i64 = sqlx::query_scalar("SELECT count(*) FROM policy_text")
        .fetch_one(&mut *tx)
        .await
        .expect("counts");
    assert_eq!(texts, 2);
    let unknown = content("never seen");
    assert_eq!(contents::get(&mut tx, unknown).await.expect("reads"), None);
    let wanted = BTreeSet::from([unknown, all[0].digest]);
    assert_eq!(
        contents::missing(&mut tx, &wanted).await.expect("reads"),
        BTreeSet::from([unknown])
    );
}
