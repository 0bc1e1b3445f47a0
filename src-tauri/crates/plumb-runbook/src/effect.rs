//! One primitive thing the executor can do to a node.

use plumb_fleet::{BundleDigest, ContentDigest, NamedContent, Version};
use serde::{Deserialize, Serialize};

/// One primitive thing the executor can do to a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Ask the node to check the bundle at a path without loading it. Reads only.
    Verify { path: String },
    /// Load the bundle at a path. Undone by reloading the former file.
    Reload { path: String },
    /// Tell an agent which version it should run. Undone by the former pin.
    Pin { version: Version, content: ContentDigest },
    /// Have the hub serve a bundle to a node that follows it, as an unmodified OPA does. Undone by serving what
    /// ran before.
    Serve { version: Version, content: ContentDigest, digest: BundleDigest },
    /// Make an agent take its pinned version. Undone by what ran before, by its content.
    Sync { force: bool },
    /// Make an agent return to last-known-good or a named version. Undone the same way.
    Rollback { to: Option<Version> },
    /// Lift what an agent was told to run. Undone by pinning that again.
    Unpin {
        /// What it is pinned to before, where that has a content.
        from: Option<NamedContent>,
    },
    /// Change a setting of an agent. Undone by setting the former value.
    SetConfig {
        key: String,
        value: String,
        /// Its value before, where the node tells it.
        before: Option<String>,
    },
    /// Restart the policy process. Cannot be undone; a restart loses nothing that is on disk.
    Restart,
}

impl Effect {
    /// One sentence for a person.
    pub fn sentence(&self) -> String {
        match self {
            Self::Verify { path } => format!("verify {path}"),
            Self::Reload { path } => format!("reload {path}"),
            Self::Pin { version, content } => format!("pin {version} ({})", content.short()),
            Self::Serve { version, content, .. } => {
                format!("have the hub serve {version} ({})", content.short())
            }
            Self::Sync { force: false } => "take the pinned version".to_owned(),
            Self::Sync { force: true } => {
                "take the pinned version, also if it already runs".to_owned()
            }
            Self::Rollback { to: None } => "return to last-known-good".to_owned(),
            Self::Rollback { to: Some(to) } => format!("return to {to}"),
            Self::Unpin { from: Some(from) } => {
                format!("lift the pin to {} ({})", from.version, from.content.short())
            }
            Self::Unpin { from: None } => "lift the pin".to_owned(),
            Self::SetConfig { key, value, before } => {
                let before = before.as_deref().unwrap_or("not known");
                format!("set {key} to {value} (before: {before})")
            }
            Self::Restart => "restart the policy process".to_owned(),
        }
    }
}
