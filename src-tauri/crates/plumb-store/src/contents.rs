//! What content digests stand for: order and policies with their texts, each text kept once.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plumb_fleet::{Content, ContentDigest, Policy, PolicyRef};
use sqlx::SqliteConnection;

use crate::{
    error::{StoreError, attempt},
    intern,
    value::{from_json, to_content, to_json, to_ms},
};

/// Keeps a content under its digest; what is kept already stays.
///
/// The caller has checked that the digests are those of the policies: a node may claim anything.
pub async fn insert(
    conn: &mut SqliteConnection,
    content: &Content,
    at: Timestamp,
) -> Result<(), StoreError> {
    let refs: Vec<PolicyRef> = content.policies.iter().map(PolicyRef::from).collect();
    let list = intern::policy_list(conn, &to_json(&refs)).await?;
    let texts = content.policies.iter().map(|policy| policy.text.as_str());
    let texts = to_json(&intern::policy_texts(conn, texts).await?);
    let digest = content.digest.0.as_bytes().as_slice();
    let (ordering, at_ms) = (to_json(&content.ordering), to_ms(at));
    let done =
        sqlx::query_file!("queries/content/insert.sql", digest, ordering, list, texts, at_ms)
            .execute(&mut *conn)
            .await;
    attempt(conn, "keeping a content", done).await.map(drop)
}

/// The policies of a content, or nothing when they are not kept.
pub async fn get(
    conn: &mut SqliteConnection,
    digest: ContentDigest,
) -> Result<Option<Content>, StoreError> {
    let bytes = digest.0.as_bytes().as_slice();
    let row = sqlx::query_file!("queries/content/get.sql", bytes).fetch_optional(&mut *conn).await;
    let Some(row) = attempt(conn, "reading a content", row).await? else { return Ok(None) };
    let texts = sqlx::query_file_scalar!("queries/policy_text/of_content.sql", bytes)
        .fetch_all(&mut *conn)
        .await;
    let texts = attempt(conn, "reading texts of policies", texts).await?;
    let refs: Vec<PolicyRef> = from_json("policies", &row.document)?;
    if refs.len() != texts.len() {
        return Err(StoreError::malformed("content")("texts of policies are missing".into()));
    }
    let policies = refs
        .into_iter()
        .zip(texts)
        .map(|(policy, text)| Policy { id: policy.id, digest: policy.digest, text })
        .collect();
    Ok(Some(Content { digest, ordering: from_json("ordering", &row.ordering)?, policies }))
}

/// Which of some contents are not kept and have to be fetched.
pub async fn missing(
    conn: &mut SqliteConnection,
    wanted: &BTreeSet<ContentDigest>,
) -> Result<BTreeSet<ContentDigest>, StoreError> {
    let hex = to_json(wanted);
    let known =
        sqlx::query_file_scalar!("queries/content/known.sql", hex).fetch_all(&mut *conn).await;
    let known = attempt(conn, "looking for contents", known).await?;
    let known: Result<BTreeSet<ContentDigest>, _> =
        known.iter().map(|digest| to_content(digest)).collect();
    Ok(wanted.difference(&known?).copied().collect())
}
