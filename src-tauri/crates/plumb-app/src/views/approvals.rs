//! Rosters, keys of people, requests for approval and what was answered.

use schemars::JsonSchema;
use serde::Serialize;
use ts_rs::TS;

/// A roster as a person looks at it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RosterView {
    pub version: u32,
    /// SHA-256 of the roster, in hex: what plans and approvals bind.
    pub digest: String,
    pub issued_at: String,
    pub expires_at: String,
    pub expired: bool,
    /// How many of the root keys must sign.
    pub threshold: u32,
    pub roots: Vec<RootView>,
    pub people: Vec<PersonView>,
    pub environments: Vec<EnvironmentView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RootView {
    pub name: String,
    /// SHA-256 of the key in DER, in hex.
    pub fingerprint: String,
    pub algorithm: String,
    /// It signed this file.
    pub signed: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct PersonView {
    pub id: String,
    pub name: String,
    pub groups: Vec<String>,
    pub keys: Vec<PersonKeyView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct PersonKeyView {
    pub fingerprint: String,
    pub algorithm: String,
    /// It counts now.
    pub counts: bool,
    /// When it counts, or that it was revoked.
    pub detail: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct EnvironmentView {
    pub name: String,
    pub fleets: Vec<String>,
    /// For example `1 of storage, and 1 of platform-security, never whoever asks`.
    pub rule: String,
    /// Hours in UTC in which a rollback to last-known-good may start without approvals.
    pub night: Option<String>,
    pub dry_run: bool,
    pub staging_fleet: Option<String>,
    /// Fingerprints of the consoles whose certificates of that fleet count; empty where it is this one's.
    pub consoles: Vec<String>,
    /// When nothing is changed, each with its reason.
    pub freeze: Vec<String>,
    /// What must be ready, and who must attest it.
    pub readiness: Vec<String>,
}

/// A roster in a file that somebody was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct RosterFileView {
    /// SHA-256 of the file as it was read.
    pub file: String,
    /// What it says, unverified; the first of a fleet without the fingerprints of its root keys.
    pub roster: RosterView,
    /// The roster that holds now.
    pub known: Option<RosterView>,
}

/// A key of somebody on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct PersonalKeyView {
    pub name: String,
    /// SHA-256 of the key in DER, in hex.
    pub fingerprint: String,
    pub algorithm: String,
    /// The public half, for the roster.
    pub pem: String,
    /// The same as one word, as it stands in a roster.
    pub public_key: String,
    /// Where the private half is: `keyring`, or the path of a file.
    pub place: String,
}

/// What is about to be signed, or was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ApprovalRequestView {
    pub plan: String,
    pub title: String,
    pub fleet: String,
    pub environment: String,
    pub rule: String,
    pub requester: String,
    pub roster_version: u32,
    pub roster: String,
    pub targets: u32,
    pub targets_digest: String,
    /// What changes, grouped: `38 nodes from 1.9.0 (77b0c1d2e3f4) to 2.0.0 (0123456789ab)`.
    pub changes: Vec<String>,
    /// SHA-256 of each bundle that nodes are to load.
    pub bundles: Vec<String>,
    pub dry_run: Option<String>,
    /// What the dry run found: how many nodes gave which answers, most nodes first.
    pub found: Vec<String>,
    /// What each change of content changes in the answers, in one line each.
    pub decisions: Vec<String>,
    /// Items of the readiness checklist with the SHA-256 of their evidence.
    pub readiness: Vec<String>,
    /// Findings that whoever approves acknowledges.
    pub warnings: Vec<String>,
    /// Findings that forbid a start.
    pub fatal: Vec<String>,
    pub not_before: String,
    pub not_after: String,
    /// Problems of the request itself; nobody should sign while there is one.
    pub problems: Vec<String>,
}

/// An envelope that was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct SignedView {
    pub request: ApprovalRequestView,
    pub person: String,
    pub role: String,
    /// `request`, `approve`, `refuse` or `review`.
    pub act: String,
    pub expires_at: String,
    pub key: String,
    /// SHA-256 of the signed payload: the name of this envelope.
    pub payload: String,
    pub file: Option<String>,
}

/// How a plan stands with those who must consent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ApprovalsView {
    pub plan: String,
    pub fleet: String,
    pub rule: String,
    /// Everything that is asked was given.
    pub consented: bool,
    /// In a sentence, with who is missing.
    pub standing: String,
    pub given: Vec<GivenView>,
    /// Groups that are missing, for example `1 of storage`.
    pub missing: Vec<String>,
    /// Who may give what is missing.
    pub may_approve: Vec<String>,
    pub void: Vec<VoidView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct GivenView {
    pub person: String,
    pub role: String,
    pub act: String,
    pub reason: Option<String>,
    pub issued_at: String,
    pub expires_at: String,
    pub payload: String,
    /// SHA-256 of the key that signed, in hex.
    pub key: String,
}

/// An envelope that does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct VoidView {
    pub person: String,
    pub act: String,
    /// Stable word such as `changed` or `expired`.
    pub code: String,
    /// Why, with what differs.
    pub reason: String,
    /// Nodes about which the dry run says something else than the one that was signed, with what.
    pub changes: Vec<String>,
    pub payload: String,
}

/// A rollback without approvals that nobody else looked at yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ReviewView {
    pub run: String,
    pub plan: String,
    pub operator: String,
    pub reason: String,
    pub due_at: String,
    pub overdue: bool,
}
