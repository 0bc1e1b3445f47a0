//! Whether a node that is shown a token would reload without one (R279), found out without a reload.
//!
//! The reload path takes `POST` only. What authenticates before it refuses a `GET` without a credential; where
//! nothing does, the service says that the method is wrong, and does nothing.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use plumb_fleet::fleet::NODES_MAX;

use crate::{
    http::{Call, Session},
    limits::{DOCUMENT_BYTES_MAX, OPEN_RELOAD_TTL_S},
};

const RELOAD: &str = "/reload";
const METHOD_NOT_ALLOWED: u16 = 405;

/// What was found by node URL, so that a sweep of a steady node stays three requests.
#[derive(Debug, Default)]
pub(crate) struct OpenReloads(Mutex<HashMap<String, (bool, Timestamp)>>);

impl OpenReloads {
    fn get(&self, node: &str, now: Timestamp) -> Option<bool> {
        let (open, at) = self.lock().get(node).copied()?;
        (now.as_second().saturating_sub(at.as_second()) < OPEN_RELOAD_TTL_S).then_some(open)
    }

    fn keep(&self, node: &str, open: bool, now: Timestamp) {
        let mut nodes = self.lock();
        if nodes.len() < NODES_MAX || nodes.contains_key(node) {
            nodes.insert(node.to_owned(), (open, now));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (bool, Timestamp)>> {
        // Every change is one insertion, so a panic leaves it sound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks at most once an hour. Where the connection proves who we are nothing can be found out, and a node
/// that gives no clear answer counts as one that asks.
pub(crate) async fn is_open(session: &Session<'_>) -> bool {
    if session.shows_certificate() {
        return false;
    }
    let (known, node, now) =
        (session.pool().open_reloads(), session.node().url.as_str(), session.now());
    if let Some(open) = known.get(node, now) {
        return open;
    }
    let call = Call { shows_token: false, ..Call::get(RELOAD, DOCUMENT_BYTES_MAX) };
    let Ok(answer) = session.send(&call).await else { return false };
    let open = answer.status.as_u16() == METHOD_NOT_ALLOWED;
    known.keep(node, open, now);
    open
}
