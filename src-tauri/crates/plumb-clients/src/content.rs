//! Digests of contents, remembered by the SHA-256 of the document they came in.
//!
//! Most nodes of a fleet answer the same bytes, sweep after sweep: those are hashed, not parsed.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use plumb_fleet::{
    ContentDigest, Digest, NodeFailure, Ordering, Policy, PolicyRef, Version, content_digest,
    fleet::NODES_MAX,
};
use tokio::sync::Semaphore;

use crate::limits::{CONTENTS_MAX, CONTENTS_POLICIES_MAX, INLINE_DIGEST_BYTES_MAX};

/// What is known of one document with policies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownContent {
    pub(crate) digest: ContentDigest,
    pub(crate) policies: Vec<PolicyRef>,
    /// The version label that stands in the document, checked.
    pub(crate) version: Option<Result<Version, String>>,
}

impl KnownContent {
    pub(crate) fn of(policies: &[Policy], ordering: Ordering) -> Self {
        let digest = content_digest(policies.iter().map(|p| (p.id.as_str(), p.digest)), ordering);
        Self { digest, policies: policies.iter().map(PolicyRef::from).collect(), version: None }
    }
}

/// Which adapter read a document; equal bytes mean different things to different ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Dialect(pub(crate) String);

type Key = (Digest, String);

#[derive(Debug)]
struct Entry {
    content: Arc<KnownContent>,
    used: u64,
}

#[derive(Debug, Default)]
struct Entries {
    by_key: HashMap<Key, Entry>,
    policies: usize,
    clock: u64,
}

/// What a node's rules were made of when they were last read together with its policies.
#[derive(Debug)]
struct InForce {
    /// SHA-256 of the rules as shown.
    rules: Digest,
    /// What else the node said that changes when it loads another bundle.
    loaded: String,
    content: Arc<KnownContent>,
}

/// Contents in force by node URL, so that a steady node is not asked for its policies again.
#[derive(Debug, Default)]
pub(crate) struct InForceByNode(Mutex<HashMap<String, InForce>>);

impl InForceByNode {
    /// The content of a node whose rules and bundle are the ones it had when it was last read whole.
    pub(crate) fn get(&self, node: &str, rules: Digest, loaded: &str) -> Option<Arc<KnownContent>> {
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = nodes.get(node)?;
        (known.rules == rules && known.loaded == loaded).then(|| known.content.clone())
    }

    pub(crate) fn keep(
        &self,
        node: &str,
        rules: Digest,
        loaded: String,
        content: Arc<KnownContent>,
    ) {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if nodes.len() < NODES_MAX || nodes.contains_key(node) {
            nodes.insert(node.to_owned(), InForce { rules, loaded, content });
        }
    }
}

#[derive(Debug)]
pub(crate) struct ContentCache {
    entries: Mutex<Entries>,
    /// Large documents are parsed on at most as many blocking threads as small machines have cores.
    parsing: Arc<Semaphore>,
}

impl ContentCache {
    pub(crate) fn new() -> Self {
        Self { entries: Mutex::default(), parsing: Arc::new(Semaphore::new(2)) }
    }

    /// The content of a document: remembered, or read by `read`.
    pub(crate) async fn get<F>(
        &self,
        body: Vec<u8>,
        dialect: Dialect,
        read: F,
    ) -> Result<Arc<KnownContent>, NodeFailure>
    where
        F: FnOnce(&[u8]) -> Result<KnownContent, NodeFailure> + Send + 'static,
    {
        if body.len() <= INLINE_DIGEST_BYTES_MAX {
            let key = (Digest::of(&body), dialect.0);
            if let Some(known) = self.known(&key) {
                return Ok(known);
            }
            return Ok(self.remember(key, read(&body)?));
        }
        let _turn = self.parsing.acquire().await.expect("the semaphore is never closed");
        let (digest, body) = blocking(move || (Digest::of(&body), body)).await;
        let key = (digest, dialect.0);
        if let Some(known) = self.known(&key) {
            return Ok(known);
        }
        let content = blocking(move || read(&body)).await?;
        Ok(self.remember(key, content))
    }

    fn known(&self, key: &Key) -> Option<Arc<KnownContent>> {
        let mut entries = self.lock();
        entries.clock += 1;
        let now = entries.clock;
        let entry = entries.by_key.get_mut(key)?;
        entry.used = now;
        Some(entry.content.clone())
    }

    fn remember(&self, key: Key, content: KnownContent) -> Arc<KnownContent> {
        let content = Arc::new(content);
        let count = content.policies.len();
        if count > CONTENTS_POLICIES_MAX {
            return content;
        }
        let mut entries = self.lock();
        while entries.by_key.len() >= CONTENTS_MAX
            || entries.policies + count > CONTENTS_POLICIES_MAX
        {
            let oldest = entries.by_key.iter().min_by_key(|(_, entry)| entry.used);
            let Some(oldest) = oldest.map(|(key, _)| key.clone()) else { break };
            if let Some(gone) = entries.by_key.remove(&oldest) {
                entries.policies -= gone.content.policies.len();
            }
        }
        let used = entries.clock;
        let entry = Entry { content: content.clone(), used };
        entries.policies += count;
        if let Some(twice) = entries.by_key.insert(key, entry) {
            entries.policies -= twice.content.policies.len();
        }
        content
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs work off the threads that carry connections.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await.map_err(tokio::task::JoinError::try_into_panic) {
        Ok(value) => value,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime is shutting down; nobody will poll this again.
        Err(Err(_)) => std::future::pending().await,
    }
}
