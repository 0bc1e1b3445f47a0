//! What an archive says of itself: an in-toto statement over the SHA-256 of every entry.

use std::collections::BTreeMap;

use jiff::Timestamp;
use plumb_fleet::{Digest, FleetId, PlanHash, RunId};
use plumb_journal::certificate::JournalRef;
use plumb_trust::dsse::{Predicate, Statement, Subject};
use serde::{Deserialize, Serialize};

use crate::name::EntryName;

/// Names that sealing gives.
pub const MANIFEST: &str = "manifest.json";
pub const ENVELOPE: &str = "manifest.dsse.json";
pub const CHECKSUMS: &str = "checksums.txt";
pub const INSTRUCTIONS: &str = "instructions.txt";
pub const SIGNER: &str = "signer.pem";
/// What others say of the envelope; no list can hold them.
pub const STAMP: &str = "manifest.dsse.tsr";
pub const BUNDLE: &str = "manifest.dsse.sigstore.json";
pub const REPORT: &str = "report.html";
pub const RECEIPT: &str = "redaction/receipt.json";
/// Where redacted canaries of each source stand.
pub const CANARIES: &str = "redaction/canaries";
pub const ROSTER: &str = "roster/roster.dsse.json";

/// What sealing writes itself, and what may be added to it.
pub(crate) const OF_SEALING: [&str; 7] =
    [MANIFEST, ENVELOPE, CHECKSUMS, INSTRUCTIONS, SIGNER, STAMP, BUNDLE];
/// What neither the manifest nor the list of checksums has.
pub(crate) const UNLISTED: [&str; 4] = [MANIFEST, ENVELOPE, STAMP, BUNDLE];

/// What evidence is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Who captured it.
    pub by: String,
    pub environment: String,
    pub fleet: FleetId,
    /// Nodes that it is about, in the words of whoever asked.
    pub selection: String,
    /// Programs that had a part in it, and their versions.
    pub tools: BTreeMap<String, String>,
    pub window: Window,
}

/// From one moment to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Window {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// A run in the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunPart {
    /// Where the journal stood when it was captured; nothing where it is left out.
    pub journal: Option<JournalRef>,
    /// How it ended, if it has.
    pub outcome: Option<String>,
    pub plan: PlanHash,
    pub run: RunId,
}

/// What could not be collected, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    pub what: String,
    pub why: String,
}

/// How much of one kind there is, by folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    pub bytes: u64,
    pub entries: u64,
}

/// The self-test of redaction. A manifest that has it was sealed only because nothing was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfTest {
    /// Ways of writing in which planted secrets were searched for.
    pub encodings: u64,
    /// Secrets that were planted.
    pub planted: u64,
    /// What they were planted in.
    pub sources: Vec<String>,
}

/// The predicate of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Evidence {
    pub about: About,
    pub counts: BTreeMap<String, Count>,
    pub made_at: Timestamp,
    pub missing: Vec<Missing>,
    /// SHA-256 of the file of what nodes answered word for word, which whoever has its key may open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Digest>,
    pub runs: Vec<RunPart>,
    pub self_test: SelfTest,
}

impl Predicate for Evidence {
    const TYPE: &'static str = "https://plumbline.invalid/evidence/v1";
}

impl Evidence {
    /// The statement that is signed, over entries in the order of their names.
    pub(crate) fn statement<'a>(
        self,
        entries: impl Iterator<Item = (&'a EntryName, Digest)>,
    ) -> Statement<Self> {
        let subject = entries.map(|(name, digest)| Subject::new(name.as_str(), digest)).collect();
        Statement { subject, predicate: self }
    }
}

/// Where a run stood after each event, one a line, beside its journal.
pub fn states_of(run: RunId) -> String {
    format!("{}/states.jsonl", run_folder(run))
}

/// Folder of a run's entries.
pub fn run_folder(run: RunId) -> String {
    format!("runs/{run}")
}

/// The log of what a program kept of a run, of which there is one for each program that carried it out.
pub fn kept_log(run: RunId, part: u32) -> String {
    format!("{}{part:02}.jsonl", kept_logs(run))
}

/// How the names of all of them begin.
pub(crate) fn kept_logs(run: RunId) -> String {
    format!("{}/kept-", run_folder(run))
}

/// What nodes answered to such a program.
pub fn kept_answers(run: RunId, part: u32) -> String {
    format!("{}{part:02}.jsonl", all_kept_answers(run))
}

/// How the names of all of them begin.
pub(crate) fn all_kept_answers(run: RunId) -> String {
    format!("{}/answers-", run_folder(run))
}

/// What is listed as missing where nothing was kept of a run.
pub fn kept_of(run: RunId) -> String {
    format!("answers of nodes to run {run}")
}
