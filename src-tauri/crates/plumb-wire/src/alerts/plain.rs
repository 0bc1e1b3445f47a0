//! Queries and bodies of the plain endpoints, where the path names the alert or incident.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

macro_rules! document {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$of])* pub $field: $kind,)* }
    };
}

document! {
    /// Which alerts; `status` is a list with commas.
    AlertsQuery {
        window_minutes: Option<u32>,
        env: Option<String>,
        service: Option<String>,
        source: Option<String>,
        status: Option<String>,
        limit: Option<u32>,
        /// The `next` of the page before.
        after: Option<String>,
    }
}
document! {
    /// What changed since a place; the answer is held back until something did.
    ChangesQuery {
        /// The `next` of the answer before, whatever it says; from the beginning where it is left out. One that the hub does
        /// not know any more is answered with 410, and read again from the beginning.
        after: Option<String>,
        /// Where it begins: with so many of the newest alerts; with all of them where it is left out.
        newest: Option<u32>,
        /// The `entries` of the answer before: another number says that an incident moved on.
        entries: Option<u64>,
        /// How long the answer may be held back, in seconds.
        wait_s: Option<u64>,
        limit: Option<u32>,
    }
}
document! {
    /// Who takes it; the lease is by the policy where it is left out.
    ClaimBody { owner: String, lock_ttl_seconds: Option<i64>, }
}
document! {
    /// How far the dashboard looks back; over everything where it is left out.
    DashboardQuery { window_minutes: Option<u32>, }
}
document! { AckBody { note: Option<String>, owner: Option<String>, claim: Option<u64>, } }
document! {
    /// Both names of the pause are understood; seconds either way.
    FailBody {
        error: String,
        #[serde(alias = "retry_after_sec")]
        retry_after_seconds: Option<i64>,
        owner: Option<String>,
        claim: Option<u64>,
    }
}
document! {
    ConvertBody { incident_severity_cap: Option<String>, dedupe_window_minutes: Option<u32>, }
}
document! {
    /// What a triage saw.
    TriageBody {
        #[serde(default)]
        note: String,
        snapshot: Option<Value>,
        #[serde(default)]
        drift_groups: Vec<Value>,
        #[serde(default)]
        deployments: Vec<Value>,
        #[serde(default)]
        doctor: Vec<Value>,
    }
}
document! {
    IncidentsQuery { service: Option<String>, with_closed: Option<bool>, limit: Option<u32>, }
}
document! { OpenQuery { service: Option<String>, limit: Option<u32>, } }
document! { NoteBody { note: String, } }
document! {
    /// `open`, `mitigating`, `resolved` or `closed`.
    MoveBody { to: String, }
}
document! { ResolutionBody { resolution: Option<String>, } }
document! {
    /// Why a gate is bypassed: `emergency_deploy`, `fixes_the_breach` or `measurement_broken`, and a text.
    ReasonBody { kind: String, text: String, }
}

/// A call of the tools endpoint: the arguments of the action stand beside its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToolBody {
    pub tool: String,
    pub action: String,
    #[serde(flatten)]
    pub arguments: BTreeMap<String, Value>,
}

/// A release that asks whether it may go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReleaseCheck {
    pub service: String,
    #[serde(default)]
    pub env: String,
    /// `false` bypasses the gate, with a reason that is written into an incident.
    #[serde(default = "yes")]
    pub run_slo_watch: bool,
    pub reason: Option<ReasonBody>,
    pub incident_ref: Option<String>,
    /// Figures by the names of `slo_policy.yml`.
    #[serde(default)]
    pub measured: BTreeMap<String, f64>,
}

fn yes() -> bool {
    true
}
