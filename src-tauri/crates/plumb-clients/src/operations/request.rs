//! Operations as HTTP requests: one table for sending them and for showing them as curl.

use plumb_fleet::{ContentDigest, NodeApi, Version};
use plumb_wire::v1;
use reqwest::Method;
use serde::Serialize;

use crate::nodes::reload::wire::BundlePath;

/// Something a node is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Check a bundle that stands on the node, without loading it.
    Verify {
        path: String,
    },
    /// Load a bundle that stands on the node; without a path its default one.
    Reload {
        path: Option<String>,
    },
    /// Remember which version the node should run.
    Pin {
        version: Version,
        content: Option<ContentDigest>,
    },
    Unpin,
    /// Take the pinned bundle; `force` loads it again even when it is in force.
    Sync {
        force: bool,
    },
    /// Return to a version, or to the last known good bundle.
    Rollback {
        to: Option<Version>,
    },
    Restart,
    ConfigSet {
        key: String,
        value: v1::ConfigValue,
    },
}

/// Method, path and body of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) body: Option<Vec<u8>>,
}

impl Operation {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Verify { .. } => "verify",
            Self::Reload { .. } => "reload",
            Self::Pin { .. } => "pin",
            Self::Unpin => "unpin",
            Self::Sync { .. } => "sync",
            Self::Rollback { .. } => "rollback",
            Self::Restart => "restart",
            Self::ConfigSet { .. } => "change its configuration",
        }
    }

    /// The request, or nothing where the node API has none for it.
    pub(crate) fn request(&self, api: NodeApi) -> Option<Request> {
        let agent = api == NodeApi::Agent;
        let post = |path, body| Request { method: Method::POST, path, body: Some(body) };
        Some(match self {
            _ if api == NodeApi::Opa => return None,
            Self::Verify { path } => {
                post("/bundle/verify", body(&BundlePath { bundle_path: Some(path) }))
            }
            Self::Reload { path } => {
                post("/reload", body(&BundlePath { bundle_path: path.as_deref() }))
            }
            Self::Pin { version, content } if agent => Request {
                method: Method::POST,
                path: v1::path::PIN,
                body: Some(body(&v1::PinRequest {
                    version: version.as_str().to_owned(),
                    digest: None,
                    content: content.map(|content| content.to_string()),
                })),
            },
            Self::Unpin if agent => {
                Request { method: Method::DELETE, path: v1::path::PIN, body: None }
            }
            Self::Sync { force } if agent => {
                post(v1::path::SYNC, body(&v1::SyncRequest { force: *force }))
            }
            Self::Rollback { to } if agent => {
                let to = to.as_ref().map(|version| version.as_str().to_owned());
                post(v1::path::ROLLBACK, body(&v1::RollbackRequest { to }))
            }
            Self::Restart if agent => {
                Request { method: Method::POST, path: v1::path::RESTART, body: None }
            }
            Self::ConfigSet { key, value } if agent => Request {
                method: Method::PUT,
                path: v1::path::CONFIG,
                body: Some(body(&v1::ConfigChange { key: key.clone(), value: value.clone() })),
            },
            _ => return None,
        })
    }
}

fn body(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(document).expect("a request always serialises")
}

/// Path and query of an agent's log.
pub(crate) fn logs_path(query: &v1::LogsQuery) -> String {
    let mut encoder = url::form_urlencoded::Serializer::new(String::new());
    if let Some(filter) = &query.filter {
        encoder.append_pair("filter", filter);
    }
    if let Some(level) = query.level {
        let level = match level {
            v1::LogLevel::Error => "error",
            v1::LogLevel::Warn => "warn",
            v1::LogLevel::Info => "info",
            v1::LogLevel::Debug => "debug",
        };
        encoder.append_pair("level", level);
    }
    if let Some(age) = query.max_age_s {
        encoder.append_pair("max_age_s", &age.to_string());
    }
    if let Some(limit) = query.limit {
        encoder.append_pair("limit", &limit.to_string());
    }
    match encoder.finish().as_str() {
        "" => v1::path::LOGS.to_owned(),
        query => format!("{}?{query}", v1::path::LOGS),
    }
}
