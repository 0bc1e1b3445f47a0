//! What a check of a run's journal found, and the key that signs its heads.

use schemars::JsonSchema;
use serde::Serialize;
use ts_rs::TS;

/// The verdict over a chain of events, and over the signatures of its heads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JournalVerdictView {
    pub run: String,
    pub fleet: String,
    /// The file that was checked; nothing for the record of this machine.
    pub file: Option<String>,
    pub verdict: JournalVerdict,
    /// Events that hold together, from the first. Of a broken journal the next one is the first that does
    /// not fit.
    pub events: u64,
    /// Events up to the newest head that one of `keys` signed.
    pub signed_to: Option<u64>,
    /// SHA-256 of the key that signed it, in hex.
    pub signed_by: Option<String>,
    /// SHA-256 of each key that signatures were checked with. Without keys they were not checked.
    pub keys: Vec<String>,
    /// Signed heads that none of `keys` signed.
    pub other_heads: u64,
    /// Hash of the newest event that holds, 64 hex digits; empty when there is none.
    pub head: String,
    pub plan_hash: String,
    /// The kept plan, or the one the file's header names, has the hash that the run's first event names.
    pub plan_matches: bool,
    /// The file ends in the middle of a line.
    pub cut_off: bool,
    /// What people signed in it, in order, each judged by the roster that ruled then.
    pub signatures: Vec<PersonSignatureView>,
    /// Why the journal is broken, and where; or what is missing.
    pub detail: String,
}

/// Something that a person signed in a run, and whether it is what the journal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct PersonSignatureView {
    /// The number of its event, from one.
    pub event: u32,
    /// What was signed, for example `the start of the run`.
    pub what: String,
    /// The key is one that the roster gave to that person, and what it signed is what the journal says.
    pub verified: bool,
    /// `signed by NAME (fingerprint)` or `not verified: why`.
    pub sentence: String,
    /// Whose key it is; nothing where it is not verified.
    pub by: Option<String>,
    /// SHA-256 of that key, in hex.
    pub key: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum JournalVerdict {
    /// The chain holds, the run ended, and where heads are signed, so is the end.
    Complete,
    /// The chain holds; the run has not ended, or its end is not signed.
    Prefix,
    Broken,
}

/// A journal that was written to a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct JournalExportView {
    pub run: String,
    /// Nothing when it went to standard output.
    pub file: Option<String>,
    pub events: u64,
    /// Signed heads among them.
    pub heads: u64,
}

/// The public half of the key that this console signs with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ConsoleKeyView {
    /// SHA-256 of the key in DER, in hex.
    pub fingerprint: String,
    pub pem: String,
    /// Where the private half is.
    pub place: String,
}
