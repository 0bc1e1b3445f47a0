//! Evidence: what was captured, what was sealed, and what a check of it found.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What somebody at the window wants captured.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(deny_unknown_fields)]
pub struct CaptureAsked {
    /// The run it is about; nothing for the fleet as it stands.
    pub run: Option<String>,
    /// How far back, in seconds; the run's own time, or an hour, without it.
    pub last_s: Option<u32>,
    /// Only nodes that this filter line lets through.
    pub filter: Option<String>,
    /// Ask nodes for their documents and logs as they are now.
    pub ask: bool,
}

/// A capture that came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct CaptureView {
    /// Where it lies until it is sealed.
    pub folder: String,
    pub fleet: String,
    pub runs: Vec<String>,
    pub entries: u32,
    pub bytes: u64,
    /// Different secrets that were replaced.
    pub secrets: u64,
    /// How often each rule found something.
    pub rules: Vec<RuleLine>,
    /// What could not be collected, and why.
    pub missing: Vec<MissingLine>,
}

/// A rule of the redaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RuleLine {
    pub rule: String,
    pub replaced: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct MissingLine {
    pub what: String,
    pub why: String,
}

/// A sealed archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct SealedView {
    pub file: String,
    pub fleet: String,
    pub entries: u32,
    /// Of the archive.
    pub bytes: u64,
    /// SHA-256 of the manifest, by which the evidence is named.
    pub manifest: String,
    /// Fingerprint of the key that signed.
    pub signed_by: String,
    /// Secrets that were planted, and searched for in the archive.
    pub planted: u32,
    /// The timestamp over the seal, where the fleet names an authority.
    pub stamp: Option<StampView>,
    /// Why there is none, although the fleet names one.
    pub not_stamped: Option<String>,
    pub missing: Vec<MissingLine>,
}

/// An archive that was sealed here, and what a check of it finds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct SealedHere {
    pub sealed: SealedView,
    pub verdict: EvidenceVerdictView,
}

/// A timestamp over a seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct StampView {
    /// Address of the authority.
    pub by: String,
    /// When it saw the seal (RFC 3339).
    pub at: String,
}

/// What a check of an archive found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct EvidenceVerdictView {
    pub file: String,
    /// No promise is broken.
    pub holds: bool,
    /// The first entry that breaks one.
    pub broken: Option<String>,
    pub checks: Vec<EvidenceCheck>,
    /// What a reader should know that breaks nothing.
    pub notes: Vec<String>,
    pub signed_by: Option<String>,
    pub entries: u32,
    pub bytes: u64,
    pub unpacked_bytes: u64,
    /// What the manifest says; to be believed only where everything holds.
    pub evidence: Option<EvidenceAbout>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct EvidenceCheck {
    pub name: String,
    pub title: String,
    pub result: EvidenceResult,
    pub detail: String,
    /// The entry at fault.
    pub entry: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum EvidenceResult {
    Passed,
    Failed,
    /// The evidence has nothing of the kind.
    Absent,
    /// It cannot be told here; the detail says what it takes.
    Open,
}

/// What evidence is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct EvidenceAbout {
    pub fleet: String,
    pub environment: String,
    pub by: String,
    pub selection: String,
    pub from_ms: i64,
    pub to_ms: i64,
    pub made_at_ms: i64,
    pub runs: Vec<EvidenceRun>,
    pub missing: Vec<MissingLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct EvidenceRun {
    pub run: String,
    pub plan: String,
    pub outcome: Option<String>,
    /// Nothing where the journal is left out.
    pub events: Option<u64>,
}

/// What is in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EvidenceContentsView {
    pub file: String,
    pub about: EvidenceAbout,
    pub entries: Vec<EvidenceEntry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EvidenceEntry {
    pub name: String,
    pub bytes: u64,
}

/// How two archives differ by what they mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct EvidenceDiffView {
    pub left: String,
    pub right: String,
    /// Whether what the left one tells may be believed; nothing where it was not verified.
    pub left_stands: Option<EvidenceStands>,
    pub right_stands: Option<EvidenceStands>,
    pub differences: Vec<EvidenceDifference>,
    /// Differences beyond those that are listed.
    pub more: u32,
}

/// How far an archive may be believed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct EvidenceStands {
    /// No promise is broken.
    pub holds: bool,
    /// In a sentence: that every promise holds, or which is the first that does not.
    pub why: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct EvidenceDifference {
    /// `about`, `versions`, `digests`, `steps`, `decisions` or `timings`.
    pub kind: String,
    pub what: String,
    pub left: Option<String>,
    pub right: Option<String>,
}

/// Evidence that is shown as if it were its fleet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct OpenEvidence {
    pub file: String,
    /// Fingerprint of the key that sealed it.
    pub signed_by: Option<String>,
    /// Nobody here knows that key.
    pub signer_unknown: bool,
    pub by: String,
    pub selection: String,
    pub made_at_ms: i64,
    /// How many moments can be looked at: one before the first event, one for each event, and the capture itself.
    pub steps: u32,
    /// The one that is shown, from 0.
    pub step: u32,
    pub shown: EvidenceStep,
    /// What the state of the run came to when it was recorded, and what it comes to here; nothing beside an event.
    pub state: Option<EvidenceState>,
    /// Entries of which some lines did not read, and are not shown.
    pub unread: Vec<EvidenceUnread>,
}

/// Lines of an entry that did not read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct EvidenceUnread {
    pub entry: String,
    /// How many.
    pub lines: u32,
    /// The first of them, from 1.
    pub first: u32,
    /// What is wrong with that one.
    pub why: String,
}

/// A moment of opened evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct EvidenceStep {
    pub at_ms: i64,
    pub what: String,
    /// Run and number of the event, from 1.
    pub run: Option<String>,
    pub event: Option<u32>,
    /// Somebody decided, or something went wrong: worth stopping at.
    pub loud: bool,
}

/// The state of a run after an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct EvidenceState {
    /// SHA-256, in hex; nothing where the evidence does not tell it.
    pub recorded: Option<String>,
    pub found: String,
    pub same: bool,
}

/// What became of a file that somebody wants to open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct EvidenceOpened {
    pub verdict: EvidenceVerdictView,
    /// Why it is not shown as a fleet, and what to do; nothing where it is.
    pub refused: Option<String>,
}
