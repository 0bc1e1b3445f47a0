//! From the domain to views: the one place where words for people are chosen.

use jiff::Timestamp;
use plumb_fleet::{
    Caution, DesiredVersion, DriftState, FailureKind, Fleet, NodeId, NodeObservation, NodeReport,
    ReloadEntry, SignatureReport, Verdict, Verified,
};
use plumb_journal::Judged;

use super::{
    fleet::{DesiredView, DriftStateView, LabelView, NodeRow, ReloadOrigin, ReloadView},
    journal::PersonSignatureView,
    node::SignatureView,
};
use crate::queries::verification::unverified;

/// A signature in a journal, as it was judged.
pub(crate) fn person_signature(judged: &Judged) -> PersonSignatureView {
    let signer = judged.signer.as_ref().ok();
    PersonSignatureView {
        event: u32::try_from(judged.event + 1).unwrap_or(u32::MAX),
        what: judged.what.clone(),
        verified: signer.is_some(),
        sentence: judged.sentence(),
        by: signer.map(|signer| signer.person.to_string()),
        key: signer.map(|signer| signer.key.to_string()),
    }
}

impl From<DriftState> for DriftStateView {
    fn from(state: DriftState) -> Self {
        match state {
            DriftState::Tampered => Self::Tampered,
            DriftState::Poisoned => Self::Poisoned,
            DriftState::Diverged => Self::Diverged,
            DriftState::Behind => Self::Behind,
            DriftState::Ahead => Self::Ahead,
            DriftState::Stale => Self::Stale,
            DriftState::Unreachable => Self::Unreachable,
            DriftState::Unknown => Self::Unknown,
            DriftState::Converging => Self::Converging,
            DriftState::InSync => Self::InSync,
        }
    }
}

/// The character that stands for a state in the node matrix.
pub const fn state_code(state: DriftState) -> char {
    match state {
        DriftState::Tampered => 't',
        DriftState::Poisoned => 'p',
        DriftState::Diverged => 'd',
        DriftState::Behind => 'b',
        DriftState::Ahead => 'a',
        DriftState::Stale => 's',
        DriftState::Unreachable => 'u',
        DriftState::Unknown => '?',
        DriftState::Converging => 'c',
        DriftState::InSync => '.',
    }
}

/// Milliseconds since the epoch, as pages count time.
pub fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

impl From<&DesiredVersion> for DesiredView {
    fn from(desired: &DesiredVersion) -> Self {
        Self {
            version: desired.version.to_string(),
            content: desired.content.map(|content| content.to_string()),
            pinned_by: desired.pinned_by.clone(),
            since_ms: desired.since.map(ms),
        }
    }
}

/// One reload attempt; `gap_before` is known to the store only.
pub fn reload(entry: &ReloadEntry, gap_before: bool) -> ReloadView {
    ReloadView {
        at_ms: ms(entry.at),
        version: entry.version.as_ref().map(ToString::to_string),
        success: entry.success,
        duration_ms: entry.duration_us as f64 / 1_000.0,
        policies: entry.policies,
        error: entry.error.clone(),
        gap_before,
        trigger: entry.trigger.map(|trigger| trigger.name().to_owned()),
        origin: ReloadOrigin::NotKnown,
        slow: None,
    }
}

/// A short word for a failed attempt.
pub const fn failure_word(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Refused => "refused",
        FailureKind::TimedOut => "timed out",
        FailureKind::Tls => "TLS failed",
        FailureKind::Auth => "not allowed",
        FailureKind::HttpStatus => "HTTP error",
        FailureKind::Malformed => "malformed",
        FailureKind::TooLarge => "too large",
        FailureKind::Policy => "not sent",
        FailureKind::Reported => "reported",
    }
}

/// One row of the Fleet table.
pub fn node_row(
    fleet: &Fleet,
    id: &NodeId,
    seen: Option<&NodeObservation>,
    verdict: &Verdict,
    now: Timestamp,
) -> NodeRow {
    let node = fleet.nodes.get(id);
    let report = seen.and_then(|seen| seen.report.as_deref());
    let cautions = report
        .map(|report| plumb_fleet::cautions(report, fleet.thresholds, now))
        .unwrap_or_default();
    NodeRow {
        id: id.to_string(),
        api: node.map_or("", |node| node.api.name()).to_owned(),
        labels: node
            .into_iter()
            .flat_map(|node| node.labels.iter())
            .map(|(name, value)| LabelView { name: name.clone(), value: value.clone() })
            .collect(),
        state: verdict.state.into(),
        why: verdict.why.clone(),
        version: report.and_then(|r| r.version.as_ref()).map(|v| v.value.to_string()),
        content: report.and_then(|r| r.content.as_ref()).map(|c| c.value.to_string()),
        confirmed_at_ms: report.and_then(|r| r.confirmed_at.as_ref()).map(|at| ms(at.value)),
        loaded_at_ms: report.and_then(|r| r.loaded_at.as_ref()).map(|at| ms(at.value)),
        last_reload: report.and_then(|r| r.history.first()).map(|entry| reload(entry, false)),
        latency_ms: report.map(|r| r.latency_ms),
        failure: seen
            .and_then(|seen| seen.failure.as_ref())
            .map(|failure| failure_word(failure.kind).to_owned()),
        seen_at_ms: report.map(|r| ms(r.at)),
        no_answer_yet: report.is_none(),
        attempted_at_ms: seen.and_then(|seen| seen.attempted_at).map(ms),
        digest_age_over: cautions.iter().any(|c| matches!(c, Caution::DigestAge { .. })),
        load_age_over: cautions.iter().any(|c| matches!(c, Caution::LoadAge { .. })),
        verified: report.map_or(Verified::NotTold, Verified::of).into(),
        unverified: report.and_then(unverified),
        open_reload: report.is_some_and(|report| report.unauthenticated_reload),
        cautions: cautions.iter().filter_map(caution).collect(),
    }
}

/// The sentence of a caution; the two ages are shown as figures instead.
fn caution(caution: &Caution) -> Option<String> {
    match caution {
        Caution::DigestAge { .. } | Caution::LoadAge { .. } => None,
        Caution::ClockSkew { skew_ms } => {
            let seconds = skew_ms / 1_000;
            let (amount, direction) =
                if seconds < 0 { (-seconds, "behind") } else { (seconds, "ahead of") };
            Some(format!("its clock is {} {direction} ours", duration_words(amount)))
        }
        Caution::UnauthenticatedReload => {
            Some("accepts a reload from anybody who reaches it".to_owned())
        }
        Caution::SaturatedCounters => {
            Some("its reload counters stop at ten; the console counts from history".to_owned())
        }
        Caution::ConsecutiveFailures { count } => {
            Some(format!("the newest {count} reloads failed"))
        }
        Caution::SlowReload { duration_ms } => {
            Some(format!("its last reload took {duration_ms} ms"))
        }
    }
}

/// A duration in the largest unit that fits: `42 s`, `7 min`, `3 h`, `9 d`.
pub fn duration_words(seconds: i64) -> String {
    match seconds {
        i64::MIN..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// What a node says of its signature.
pub fn signature(report: &NodeReport) -> Option<SignatureView> {
    let signature = report.signature.as_ref()?;
    let (verdict, detail) = match &signature.value {
        SignatureReport::Valid { scheme, key } => ("valid", format!("{scheme}, key {key}")),
        SignatureReport::Invalid { reason } => ("invalid", reason.clone()),
        SignatureReport::Unsigned => ("unsigned", "what runs carries no signature".to_owned()),
    };
    Some(SignatureView { verdict: verdict.to_owned(), detail })
}
