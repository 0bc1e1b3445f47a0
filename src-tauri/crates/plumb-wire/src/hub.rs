//! The contract of the hub beside packs and alerts: identities, desired versions, deployments, the lock, the mailbox.
//!
//! Digests are 64 lower-case hex digits, times RFC 3339 in UTC. Errors are problem details (RFC 9457), which say the same
//! once more as `error`.

mod fleet;

pub use fleet::{
    DecisionEntry, Decisions, DecisionsTaken, DeploymentEntry, DeploymentQuery, DeploymentReport,
    DeploymentStatus, Deployments, Desired, DesiredChange, DesiredHistory, DesiredHistoryEntry,
    DesiredVersion, LiftDesired, LockView, MailView, Mailbox, NodeBundle, NodeStatus, NodeStatuses,
    PackFormat, PackList, PackVersion, PackView, PublishQuery, RefuseQuery, ReleaseLock,
    SetDesired, StorageStatus, TakeLock, WhichVersion,
};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Kinds of problems, as their `type`.
pub mod problem {
    pub const BAD_REQUEST: &str = "urn:plumbline:hub:bad-request";
    /// No credential, or one that is not accepted.
    pub const UNAUTHENTICATED: &str = "urn:plumbline:hub:unauthenticated";
    /// The role does not have the entitlement.
    pub const FORBIDDEN: &str = "urn:plumbline:hub:forbidden";
    pub const NOT_FOUND: &str = "urn:plumbline:hub:not-found";
    pub const METHOD: &str = "urn:plumbline:hub:method-not-allowed";
    /// What is there does not allow it: changed by somebody else, held by somebody else, settled already.
    pub const CONFLICT: &str = "urn:plumbline:hub:conflict";
    /// It was there once: begin again without it.
    pub const GONE: &str = "urn:plumbline:hub:gone";
    pub const TOO_LARGE: &str = "urn:plumbline:hub:too-large";
    /// Understood, and not acceptable.
    pub const REFUSED: &str = "urn:plumbline:hub:refused";
    pub const TOO_MANY: &str = "urn:plumbline:hub:too-many-requests";
    /// Not there yet, or not now.
    pub const NOT_NOW: &str = "urn:plumbline:hub:not-now";
    pub const INTERNAL: &str = "urn:plumbline:hub:internal";
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    /// One of [`problem`].
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// The detail once more, for readers that know nothing of problem details.
    pub error: String,
    /// The entry of `plumb help troubleshooting` that says what to do, by its heading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guide: Option<String>,
}

/// Whether the hub is up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    pub status: String,
}

/// Who the hub takes the caller for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WhoAmI {
    pub name: String,
    pub role: String,
    /// The nodes for which the caller speaks: `FLEET/NODE` or `FLEET/*`; any node where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    pub entitlements: Vec<String>,
}

/// Asks for a token, or gives a role to a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewIdentity {
    /// Whom it is for; stands in the audit log.
    pub name: String,
    pub role: String,
    /// Seconds from now.
    pub expires_after_s: u64,
    /// A name in client certificates, instead of a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// `FLEET/NODE`, or `FLEET/*`: the nodes for which it may push status and decisions and fetch the bundle. Any node
    /// without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
}

/// An identity that was made; the token is shown this once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreatedIdentity {
    pub identity: IdentityView,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// One identity, without what proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IdentityView {
    pub id: String,
    pub name: String,
    pub role: String,
    pub certificate: Option<String>,
    /// The nodes for which it speaks: `FLEET/NODE` or `FLEET/*`; any node where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    pub created_at: Timestamp,
    pub created_by: String,
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    /// Accepted now.
    pub active: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Identities {
    pub identities: Vec<IdentityView>,
}

/// One line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AuditEntry {
    pub seq: i64,
    pub at: Timestamp,
    /// Nobody known, where it is empty.
    pub who: String,
    pub role: String,
    pub method: String,
    pub path: String,
    /// `done` or `refused`.
    pub outcome: String,
    pub detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Audit {
    pub entries: Vec<AuditEntry>,
}

/// Which entries of a log: those of the last so many minutes, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LogQuery {
    pub last_minutes: Option<u32>,
    pub limit: Option<u32>,
}
