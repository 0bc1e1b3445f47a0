//! The Alerts screen: an inbox, the alert beside it, and what was done.

use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// Which part of the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum AlertStatus {
    #[default]
    New,
    Processing,
    Acked,
    Failed,
}

/// What is asked of an inbox.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct AlertsPage {
    /// Every status where none is given.
    pub statuses: Vec<AlertStatus>,
    /// Only what I hold, or what is for me.
    pub mine: bool,
    /// Only alerts whose signature was triaged a short time ago.
    pub cooling: bool,
    /// Words that all stand in the alert.
    pub text: String,
    /// Alerts of one signature stand together where they are many.
    pub grouped: bool,
    /// Signatures whose alerts are shown one by one all the same.
    pub opened: Vec<String>,
    /// Seen last first; else the worst first.
    pub newest_first: bool,
    pub offset: u32,
    pub limit: u32,
}

/// An inbox as far as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct InboxView {
    pub source: InboxSource,
    /// By which name this console holds alerts.
    pub me: String,
    pub now_ms: i64,
    pub counts: AlertCounts,
    /// Alerts that were asked for.
    pub matched: u32,
    /// Lines that they make.
    pub total: u32,
    pub offset: u32,
    pub lines: Vec<AlertLine>,
    /// Claims that were made offline, and what became of each.
    pub tentative: Vec<TentativeView>,
}

/// Where an inbox is kept, and whether it survives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct InboxSource {
    /// The address of the hub; nothing for the console's own inbox.
    pub hub: Option<String>,
    /// `sqlite`, `postgres` or `memory`; empty while a hub never answered.
    pub backend: String,
    /// The file, or the server and its database.
    pub place: String,
    pub survives_restart: bool,
    /// When the hub last told everything; nothing for the console's own inbox.
    pub as_of_ms: Option<i64>,
    /// Why the hub cannot be asked now.
    pub offline: Option<String>,
    /// Why what sweeps see is not told.
    pub not_told: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct AlertCounts {
    pub new: u32,
    pub processing: u32,
    pub acked: u32,
    pub failed: u32,
    /// What I hold, or what is for me and waits.
    pub mine: u32,
    /// Claims whose lease is over, and that nobody took again.
    pub stale: u32,
    /// Alerts whose signature cools down.
    pub cooling: u32,
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum AlertLine {
    Storm(StormView),
    Alert(AlertRow),
}

/// Many alerts of one signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct StormView {
    pub signature: String,
    pub title: String,
    pub severity: String,
    pub services: Vec<String>,
    pub alerts: u32,
    pub occurrences: u64,
    pub counts: AlertCounts,
    pub first_at_ms: i64,
    pub last_seen_at_ms: i64,
    /// Its alerts stand below it.
    pub opened: bool,
    pub incident: Option<String>,
    pub cooldown: Option<CooldownView>,
    /// The first alerts, at most 500: what is done with all of them is done with these.
    pub refs: Vec<String>,
}

/// A signature that was triaged a short time ago: alerts are only added to its incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct CooldownView {
    pub triaged_at_ms: i64,
    pub until_ms: i64,
    /// Alerts that were only added since then.
    pub added: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct AlertRow {
    pub alert: String,
    pub status: AlertStatus,
    /// `P0` to `P3`.
    pub severity: String,
    pub service: String,
    pub env: String,
    pub kind: String,
    pub title: String,
    pub source: String,
    pub signature: String,
    pub occurrences: u64,
    pub created_at_ms: i64,
    pub last_seen_at_ms: i64,
    /// Who holds or settled it.
    pub owner: Option<String>,
    /// When the lease of its owner ends.
    pub lock_until_ms: Option<i64>,
    /// When it is tried again.
    pub retry_at_ms: Option<i64>,
    pub last_error: Option<String>,
    pub incident: Option<String>,
    /// Its source says that it is over.
    pub resolved: bool,
    /// I hold it.
    pub mine: bool,
    /// Whom the policy gives it to.
    pub assigned_to: Option<String>,
    /// Claimed here while the hub could not be asked.
    pub tentative: bool,
    pub cooldown: Option<CooldownView>,
}

/// One alert with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct AlertView {
    pub row: AlertRow,
    pub message: String,
    pub fingerprint: String,
    pub labels: Vec<super::fleet::LabelView>,
    /// What its sender gave beside, as JSON.
    pub details: String,
    pub started_at_ms: Option<i64>,
    pub resolved_at_ms: Option<i64>,
    /// The note of whoever acknowledged it.
    pub note: Option<String>,
    pub settled_at_ms: Option<i64>,
    pub claims: u64,
    pub failures: u64,
    pub requeues: u64,
    pub why: Vec<WhyView>,
    /// Entries of the help that fit its state.
    pub guides: Vec<GuideView>,
}

/// One reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct WhyView {
    /// What it is about: `Reports`, `Claim`, `Triage` or `Route`.
    pub about: String,
    pub text: String,
}

/// An entry of the help.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct GuideView {
    pub title: String,
    /// The heading of the entry in the troubleshooting topic.
    pub heading: String,
}

/// What is done with alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(tag = "act", rename_all = "snake_case")]
pub enum AlertAct {
    Claim,
    Ack {
        note: String,
    },
    Fail {
        error: String,
        /// By the policy where it is left out.
        retry_after_s: Option<u32>,
    },
    /// Puts them into an incident; what is left out is by the policy.
    Convert {
        severity_cap: Option<String>,
        dedupe_window_minutes: Option<u32>,
    },
    /// Puts them into an incident with what the fleet looks like now, and acknowledges them.
    Triage {
        note: String,
    },
}

/// What became of each of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct ActedView {
    pub done: Vec<ActedAlert>,
    pub refused: Vec<RefusedAlert>,
    /// Those that changed, as the list shows them from now on.
    pub rows: Vec<AlertRow>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct ActedAlert {
    pub alert: String,
    pub incident: Option<String>,
    /// The hub could not be asked, so it decides later.
    pub tentative: bool,
    pub why: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct RefusedAlert {
    pub alert: String,
    pub why: String,
    /// The heading of the entry in the troubleshooting topic that says what to do.
    pub guide: Option<String>,
}

/// A claim that was made while the hub could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct TentativeView {
    pub alert: String,
    pub title: String,
    pub made_at_ms: i64,
    pub until_ms: i64,
    pub outcome: TentativeOutcome,
    /// The outcome in a sentence.
    pub told: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
#[serde(rename_all = "snake_case")]
pub enum TentativeOutcome {
    /// The hub was not asked yet.
    Waiting,
    Won,
    Lost,
    /// Its time was over before the hub could be asked.
    Lapsed,
    /// The alert is not there any more.
    Gone,
}

/// What retention would remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, TS)]
#[ts(export_to = "bindings.ts")]
pub struct RetentionView {
    /// Days that acknowledged alerts would be kept.
    pub acked_days: u32,
    /// What `retention_policy.yml` says.
    pub policy_days: Option<u32>,
    /// They go by themselves once a day.
    pub automatic: bool,
    /// Alerts acknowledged before this moment go.
    pub before_ms: i64,
    pub alerts: u64,
    pub first_acked_at_ms: Option<i64>,
    pub last_acked_at_ms: Option<i64>,
    /// Why nothing is removed from here.
    pub elsewhere: Option<String>,
}
