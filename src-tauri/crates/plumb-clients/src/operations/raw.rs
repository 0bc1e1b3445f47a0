//! A node's documents as they were received, for the drawer and for evidence.

use std::time::Duration;

use jiff::Timestamp;
use plumb_fleet::{Node, NodeApi, NodeFailure};

use crate::{
    http::{HttpPool, Lane, Now, Session, header_lines},
    limits::RAW_BYTES_MAX,
};

/// One document, or why there is none. The text is the node's own: escape it before showing it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    pub path: &'static str,
    pub at: Timestamp,
    pub answer: Result<RawDocument, NodeFailure>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawDocument {
    pub status: u16,
    /// One `name: value` each, as they came.
    pub headers: Vec<String>,
    /// Bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// Documents a node of each API serves to readers, without side effects on the node.
pub(crate) const fn documents(api: NodeApi) -> &'static [&'static str] {
    match api {
        NodeApi::Reload => &[
            "/readyz",
            "/healthz",
            "/bundle",
            "/rules/summary",
            "/reload/history",
            "/reload/stats",
            "/metrics",
        ],
        NodeApi::Opa => &["/health", "/v1/status", "/v1/config", "/v1/policies", "/metrics"],
        NodeApi::Agent => &[
            "/v1/agent/status",
            "/readyz",
            "/v1/agent/history",
            "/v1/agent/config",
            "/v1/agent/bundles",
            "/reload/history",
            "/reload/stats",
            "/metrics",
        ],
    }
}

/// Reads every document of a node, one after the other, each bounded, all within the deadline.
pub async fn raw(pool: &HttpPool, node: &Node, deadline: Duration, now: &Now) -> Vec<RawAnswer> {
    let paths = documents(node.api);
    let session = match Session::open(pool, node, Lane::Warm, deadline, now).await {
        Ok(session) => session,
        Err(failure) => {
            let refused =
                |path: &&'static str| RawAnswer { path, at: now(), answer: Err(failure.clone()) };
            return paths.iter().map(refused).collect();
        }
    };
    let mut answers = Vec::with_capacity(paths.len());
    for path in paths {
        let answer = session.get_any(path, RAW_BYTES_MAX).await.map(|answer| RawDocument {
            status: answer.status.as_u16(),
            headers: header_lines(&answer.headers),
            text: String::from_utf8_lossy(&answer.body).into_owned(),
        });
        answers.push(RawAnswer { path, at: now(), answer });
    }
    answers
}
