//! Runbooks of the library, and runs of them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

use super::{consent::KeyRequest, journal::PersonSignatureView};

/// A runbook as the list shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RunbookListed {
    pub file: String,
    pub origin: RunbookOrigin,
    pub title: String,
    pub component: String,
    pub severity: String,
    pub on_call_scope: String,
    /// The group that runs it.
    pub owner: String,
    /// Groups that all have to approve.
    pub approvals: Vec<String>,
    pub last_updated: String,
    pub doctor_check: Option<String>,
    pub alerts: Vec<String>,
    /// Why it cannot be read; then nothing else is known of it.
    pub problem: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum RunbookOrigin {
    /// It came with the program.
    Shipped,
    /// From a folder of this machine.
    Own,
}

/// A runbook with its steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RunbookView {
    pub runbook: RunbookListed,
    /// SHA-256 of the document, 64 hex digits.
    pub sha256: String,
    /// By which others speak of it.
    pub id: Option<String>,
    pub scope: Option<String>,
    pub symptoms: Vec<String>,
    /// What is affected, by the kind of impact.
    pub impact: BTreeMap<String, String>,
    /// The sprint and the task that it came from, in words.
    pub trace: Option<String>,
    pub related: Vec<String>,
    pub references: Vec<String>,
    pub parameters: Vec<ParameterView>,
    pub steps: Vec<StepListed>,
    /// The document below its front matter, as written.
    pub body: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct ParameterView {
    pub name: String,
    pub kind: String,
    /// The question that asks for it.
    pub ask: String,
    pub choices: Vec<String>,
    pub default: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct StepListed {
    pub id: String,
    pub title: String,
    /// For example `command`.
    pub kind: String,
    pub phase: Option<String>,
    /// It changes something outside the run.
    pub mutates: bool,
    /// May be left out, with a reason.
    pub may_skip: bool,
}

/// A run of a runbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RunbookRunView {
    pub id: String,
    pub runbook: String,
    pub title: String,
    pub fleet: String,
    pub operator: String,
    /// Whoever started it proved by a key of the roster who they are: the signature was verified.
    pub signed: bool,
    /// The signature over its start, as it was judged; nothing where nobody signed.
    pub signature: Option<PersonSignatureView>,
    /// Why its documents may run, in a sentence.
    pub trusted: String,
    pub started_at_ms: i64,
    pub ended_at_ms: Option<i64>,
    pub state: RunbookRunState,
    /// Why it stands still, or goes back.
    pub reason: Option<String>,
    /// Safeguards that were passed over, one sentence each.
    pub bypassed: Vec<String>,
    /// The freeze of the run that nobody lifted, and by when it has to be.
    pub frozen_until_ms: Option<i64>,
    /// Something was done that can be taken back.
    pub can_roll_back: bool,
    pub steps: Vec<StepRunView>,
    /// What it waits for, and for whom.
    pub waiting: Vec<WaitingView>,
    /// Folder of its evidence.
    pub artifacts: String,
    /// Where a Grafana shows the figures beside its steps from the first such step until its end.
    pub dashboard: Option<String>,
    pub plan_hash: String,
    pub journal_events: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum RunbookRunState {
    Running,
    /// People have to answer, attest, approve or confirm.
    Waiting,
    Paused,
    /// A step failed, or is in doubt: somebody has to decide.
    Halted,
    RollingBack,
    Succeeded,
    RolledBack,
    Aborted,
    /// Nobody carries it out now; it can be resumed.
    Left,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct StepRunView {
    pub id: String,
    pub title: String,
    pub kind: String,
    pub phase: Option<String>,
    /// The step that leads to it: an arm, a group, or another runbook.
    pub within: Option<String>,
    /// The title of the arm it belongs to.
    pub arm: Option<String>,
    /// It takes back another step, and is done only then.
    pub way_back: bool,
    /// It changes something outside the run.
    pub mutates: bool,
    /// May be left out, with a reason.
    pub may_skip: bool,
    /// `waiting`, `running`, `in_doubt`, `succeeded`, `failed` or `skipped`.
    pub state: String,
    pub attempt: u32,
    /// What it asks for, in a sentence.
    pub asks: Option<String>,
    pub detail: String,
    pub by: Option<String>,
    /// What people signed at it, as it was judged.
    pub signatures: Vec<PersonSignatureView>,
    pub started_at_ms: Option<i64>,
    pub ended_at_ms: Option<i64>,
}

/// Something a run waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct WaitingView {
    pub step: String,
    pub title: String,
    pub what: WaitingKind,
    /// The question, what is attested or approved, or what went wrong.
    pub text: String,
    /// Answers to choose from; for a decision what may be done.
    pub choices: Vec<String>,
    /// What an answer without choices has to be, where not any text will do.
    pub wanted: Option<String>,
    /// Groups that may give it.
    pub groups: Vec<String>,
    /// The phrase that has to be typed.
    pub phrase: Option<String>,
    /// Hash of the plan to confirm.
    pub plan: Option<String>,
    pub until_ms: Option<i64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum WaitingKind {
    Answer,
    Attestation,
    Announcement,
    Approval,
    Confirmation,
    /// A failed step.
    Decision,
    /// A step in doubt.
    Settlement,
    Time,
    Pause,
}

/// A person's word to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "word", rename_all = "snake_case", deny_unknown_fields)]
pub enum RunbookWord {
    Answer {
        step: String,
        answer: String,
    },
    Attest {
        step: String,
        note: String,
    },
    Approve {
        step: String,
        group: String,
    },
    /// Carry out exactly the plan that was shown.
    Confirm {
        step: String,
        plan: String,
        typed: Option<String>,
    },
    Skip {
        step: String,
        reason: String,
    },
    /// Once more; for steps that only read.
    Again {
        step: String,
    },
    /// What was in doubt, as somebody found it.
    Settle {
        step: String,
        happened: bool,
        note: String,
    },
    Pause,
    Resume,
    Abort,
    RollBack {
        reason: String,
    },
    /// Do not wait until the freeze was announced long enough.
    PassFreeze {
        reason: String,
    },
}

impl RunbookWord {
    /// Whether nothing new is done after it, but what takes back what was done.
    pub const fn ends_it(&self) -> bool {
        matches!(self, Self::Abort | Self::RollBack { .. })
    }
}

/// What a rehearsal of a runbook came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RehearsalView {
    pub runbook: String,
    pub title: String,
    pub fleet: String,
    /// When the fleet was seen that the simulation is a copy of.
    pub seen_at_ms: Option<i64>,
    pub rehearsed_at_ms: i64,
    /// Every run went as it should, and every step was reached.
    pub green: bool,
    /// Steps that no run reached.
    pub never_reached: Vec<String>,
    /// Steps that are no part of a run with these parameters.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// There was more to try than is tried, so it is not green.
    #[serde(default)]
    pub cut_off: bool,
    pub runs: Vec<RehearsedView>,
}

/// One run of a rehearsal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RehearsedView {
    /// Answers that were not the first choice, by step.
    pub answers: BTreeMap<String, String>,
    /// What went wrong, and where: `STEP: what`.
    pub faults: Vec<String>,
    /// `succeeded`, `rolled_back`, `aborted` or `stands still`.
    pub came_to: String,
    /// What is wrong with how it went.
    pub problem: Option<String>,
}

/// Why a document may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "standing", rename_all = "snake_case")]
pub enum RunbookStanding {
    /// Its bytes came with the program.
    Shipped,
    /// Somebody of the roster signed its bytes.
    Signed { by: String },
    /// Nobody vouches for it: it runs only once somebody read it and typed its digest.
    Unknown,
}

/// A line of the library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct LibraryRow {
    pub runbook: RunbookListed,
    pub standing: RunbookStanding,
}

/// A runbook, opened: nothing of it was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct RunbookPage {
    pub runbook: RunbookView,
    pub standing: RunbookStanding,
    /// Hosts that its requests, and those of runbooks it runs, would go to.
    pub hosts: Vec<String>,
    /// The folder in which its commands run where nobody names another.
    pub folder: String,
    /// The newest rehearsal in this fleet.
    pub rehearsal: Option<RehearsalView>,
    /// The documents changed since that rehearsal.
    pub rehearsal_outdated: bool,
    /// Production asks for a green rehearsal of so lately, in hours.
    pub rehearsed_within_h: Option<u32>,
    /// Whoever starts it signs: a roster rules the fleet, and people have to approve what it does.
    pub signed: bool,
}

/// What somebody wants to run.
#[derive(Debug, Clone, Default, Deserialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(deny_unknown_fields)]
pub struct RunbookAsked {
    /// The name of its file.
    pub runbook: String,
    pub parameters: BTreeMap<String, String>,
    /// Hosts that its requests may go to.
    pub hosts: Vec<String>,
    /// The folder in which its commands run; one beside the record where none is named.
    pub folder: Option<String>,
    /// The phrase that lets documents run that nobody vouches for.
    pub accept: Option<String>,
    /// The key of whoever starts it, where it has to be signed.
    pub key: Option<KeyRequest>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "begun", rename_all = "snake_case")]
pub enum RunbookBegun {
    Started {
        run: String,
    },
    /// Nobody vouches for the documents: this has to be typed first.
    Phrase {
        phrase: String,
    },
}

/// A run with what stands around it.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct RunbookRunPage {
    pub run: RunbookRunView,
    pub carried: RunbookCarried,
    /// Why a run that nobody carries out goes on no more; it can be ended here, or taken back.
    pub barred: Option<String>,
    /// Who answers here.
    pub me: String,
    /// A signed roster rules the fleet: who approves signs, and who answers where a step says who may.
    pub ruled: bool,
    pub monitors: Vec<MonitorView>,
    pub evidence: Vec<EvidenceFileView>,
}

/// Which program carries a run out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum RunbookCarried {
    Here,
    Elsewhere,
    Nobody,
}

/// A figure beside a step, as this program saw it.
#[derive(Debug, Clone, PartialEq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct MonitorView {
    pub step: String,
    pub title: String,
    /// `nodes`, `prometheus` or `hub`.
    pub source: String,
    pub query: String,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub every_s: u32,
    /// The step it belongs to goes on.
    pub watching: bool,
    /// What stopped the step.
    pub breached: Option<String>,
    /// Why it could not be told when it was asked for last.
    pub problem: Option<String>,
    /// Oldest first.
    pub figures: Vec<FigureView>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct FigureView {
    pub at_ms: i64,
    pub value: f64,
}

/// Something a run kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct EvidenceFileView {
    pub name: String,
    /// 64 hex digits.
    pub sha256: String,
    /// Nothing where only its digest was kept.
    pub bytes: Option<u64>,
}

/// What somebody looks at when they want a runbook.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "about", rename_all = "snake_case", deny_unknown_fields)]
pub enum RunbookOccasion {
    Alert {
        alert: String,
    },
    /// A finding of the doctor.
    Check {
        check: String,
    },
    /// Nodes that run something else than they should.
    Drift {
        nodes: Vec<String>,
    },
}

/// A runbook that fits, with what is known of its parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct RunbookOffer {
    pub file: String,
    pub title: String,
    /// Why it fits, in a sentence.
    pub why: String,
    pub parameters: BTreeMap<String, String>,
}

/// A runbook made of what was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS, JsonSchema)]
#[ts(export_to = "bindings.ts")]
pub struct RecordedView {
    /// A name for its file.
    pub name: String,
    pub title: String,
    pub text: String,
    /// What of the runs no step can say, one sentence each.
    pub left_out: Vec<String>,
}

/// What somebody elsewhere is asked to consent to: a step of a run of a runbook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RunbookRequestView {
    pub title: String,
    pub fleet: String,
    pub environment: String,
    pub run: String,
    /// Who runs it, by the key that signed its start; a claim where that cannot be told here.
    pub operator: String,
    pub step: String,
    /// What is approved.
    pub what: String,
    /// Groups that have to.
    pub groups: Vec<String>,
    pub parameters: BTreeMap<String, String>,
    /// Hosts that its requests may go to.
    pub hosts: Vec<String>,
    /// Why its documents may run, in a sentence; a claim where that cannot be told here.
    pub trusted: String,
    /// Hash of the plan, which holds the texts of its documents.
    pub plan: String,
    /// A line for each, `!` where it changes something, and lines below it of what exactly it does.
    pub steps: Vec<String>,
}

/// Who may consent for a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApproversView {
    pub group: String,
    pub people: Vec<String>,
}

/// Consent to a step of a run, as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RunbookConsentView {
    pub run: String,
    pub step: String,
    pub group: String,
    pub person: String,
    /// The file that it was written to.
    pub file: Option<String>,
}

/// A signature over a runbook, as it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RunbookSignatureView {
    pub file: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Fingerprint of the key.
    pub key: String,
    /// The file that it was written to.
    pub signature: String,
}
