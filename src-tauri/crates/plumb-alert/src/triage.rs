//! Triage of a claimed alert, at most once per signature and cooldown.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    alert::{Alert, Outcome},
    conversion::Converted,
    dedupe::after_minutes,
    incident::{Frozen, IncidentEvent},
    life::Acknowledgement,
    why::{Decided, Refusal, Why},
};

/// What is remembered of a signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureState {
    pub signature: String,
    pub last_triage_at: Timestamp,
    /// Alerts since then that were only added.
    pub skipped: u64,
}

/// Whether a triage runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TriageDecision {
    Run,
    Append,
}

/// Decides whether a triage runs for a signature now.
pub fn decide(
    signature: &str,
    known: Option<&SignatureState>,
    cooldown_minutes: u32,
    now: Timestamp,
) -> Decided<TriageDecision> {
    let signature = signature.to_owned();
    let Some(known) = known else {
        return Decided::new(TriageDecision::Run, Why::NeverTriaged { signature });
    };
    let (last_triage_at, minutes) = (known.last_triage_at, cooldown_minutes);
    let until = after_minutes(last_triage_at, minutes);
    if now < until {
        let why = Why::Cooldown { signature, last_triage_at, minutes, until };
        return Decided::new(TriageDecision::Append, why);
    }
    let why = Why::CooldownOver { signature, last_triage_at, minutes };
    Decided::new(TriageDecision::Run, why)
}

/// A settled alert with what its triage left behind.
#[derive(Debug, Clone, PartialEq)]
pub struct Triaged {
    pub converted: Converted,
    pub signature: SignatureState,
    pub decision: TriageDecision,
}

/// Settles an alert that was just converted: a triage writes what is `frozen` into the timeline, and within the
/// cooldown of its signature only a note is added.
pub fn triage(
    converted: Converted,
    known: Option<&SignatureState>,
    cooldown_minutes: u32,
    frozen: Frozen,
    ack: &Acknowledgement,
    now: Timestamp,
) -> Result<Decided<Triaged>, Refusal> {
    frozen.check()?;
    let mut converted = converted;
    let signature = converted.alert.signature.clone();
    let Decided { value: decision, mut why } = decide(&signature, known, cooldown_minutes, now);
    let alert = converted.alert.alert_ref.clone();
    let skipped = known.filter(|_| decision == TriageDecision::Append);
    let (outcome, event, state) = if let Some(known) = skipped {
        let state = SignatureState { skipped: known.skipped + 1, ..known.clone() };
        (Outcome::Appended, IncidentEvent::TriageSkipped { alert, why: why.clone() }, state)
    } else {
        let state = SignatureState { signature, last_triage_at: now, skipped: 0 };
        (Outcome::Triaged, IncidentEvent::Triaged { alert, frozen, why: why.clone() }, state)
    };
    let settled: Decided<Alert> = converted.alert.settle(ack, outcome, now)?;
    why.extend(settled.why);
    converted.alert = settled.value;
    converted.appended.add(&ack.caller.by, now, event);
    Ok(Decided { value: Triaged { converted, signature: state, decision }, why })
}
