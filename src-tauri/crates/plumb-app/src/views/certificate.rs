//! A convergence certificate: what every target of a run was seen to run some time after its end.

use schemars::JsonSchema;
use serde::Serialize;
use ts_rs::TS;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct CertificateView {
    pub run: String,
    pub fleet: String,
    pub environment: String,
    pub plan_hash: String,
    pub operator: String,
    /// How the run ended: `succeeded`, `incomplete`, `aborted`, `rolled_back`, `halted` or `interrupted`.
    pub outcome: String,
    pub ended_at_ms: i64,
    /// When the last target was looked at; at least 30 s later.
    pub observed_at_ms: i64,
    /// Every target stood as the plan wanted it; after a rollback, as before the plan.
    pub green: bool,
    /// Safeguards that the run passed over, one sentence each.
    pub bypassed: Vec<String>,
    /// In the order of the plan.
    pub targets: Vec<CertificateTarget>,
    /// Contents that were proven, 64 hex digits each.
    pub contents: Vec<String>,
    /// Number of events of the journal at that time, and the hash of the newest.
    pub journal_events: u64,
    pub journal_head: String,
    /// SHA-256 of the statement, by which it is named as evidence.
    pub digest: String,
    /// SHA-256 of the key that signed it, in hex.
    pub signed_by: Option<String>,
    /// Why nobody signed it, in a sentence.
    pub unsigned: Option<String>,
    /// The file it was read from or written to.
    pub file: Option<String>,
    /// Where it came from, if another console made it.
    pub imported: Option<ImportView>,
    /// One sentence for a person.
    pub summary: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct CertificateTarget {
    pub node: String,
    /// Nothing where the plan was about settings or pins only.
    pub wanted: Option<String>,
    /// Nothing where the node did not tell.
    pub observed: Option<String>,
    pub version: Option<String>,
    /// Why it does not stand as it was to.
    pub straggles: Option<String>,
}

/// A certificate that came from another console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ImportView {
    /// The file it came from.
    pub file: String,
    /// Who took it in, and when.
    pub by: String,
    pub at_ms: i64,
}

/// Certificates of a fleet that count here, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CertificatesView {
    pub fleet: String,
    pub certificates: Vec<CertificateView>,
    /// Fingerprints of keys of other consoles that are trusted for this fleet.
    pub trusted: Vec<String>,
}

/// How a run stands with its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct RunCertificateView {
    /// The newest one, where one was made.
    pub certificate: Option<CertificateView>,
    /// From when on its targets may be looked at, as long as they are left to settle.
    pub due_at_ms: Option<i64>,
}
