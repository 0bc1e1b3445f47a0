//! Alerts that nobody sends: what a sweep shows, and sources that have gone quiet.
//!
//! One alert stands for one thing that is wrong in one fleet, with the nodes in its details: a wave that goes wrong on
//! ten thousand nodes is one alert, not ten thousand.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use jiff::{SignedDuration, Timestamp};
use plumb_fleet::{
    Assessment, Caution, ContentDigest, Desired, DriftState, NodeId, NodeObservation, NodeReport,
    SignatureReport, Snapshot, cautions, snapshot::LOAD_FAILING,
};
use serde_json::json;

use crate::{
    alert::{Alert, Draft, Labels, Severity},
    dedupe::after_minutes,
    routing::ExpectedSource,
};

/// Who tells these alerts.
pub const SWEEPS: &str = "sweeps";
/// Nodes that an alert names; it counts all of them.
const NODES_NAMED_MAX: usize = 50;
/// A failed reload is told for so long.
const FAILURE_TOLD: SignedDuration = SignedDuration::from_mins(5);
/// More failures than so many within this are told to people at once.
const FAILURES_MAX: usize = 3;
const FAILURES_WITHIN: SignedDuration = SignedDuration::from_mins(10);
/// So many failures in a row are told to people at once.
const FAILURES_IN_A_ROW: usize = 3;

/// What raises an alert by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DetectionRule {
    PolicyVersionMismatch,
    StaleDigest,
    LoadAge,
    /// Any reload that failed a short time ago.
    ReloadFailed,
    ReloadFailsInARow,
    ReloadFailsOften,
    SignatureInvalid,
    /// The same version with other content.
    SilentDrift,
    PoisonedDigestSeen,
    /// Nodes with one content answer one request differently.
    DecisionsDisagree,
    SourceQuiet,
    /// A fleet that a run of a runbook froze, and that nobody is going to unfreeze.
    FreezeLeftBehind,
}

impl DetectionRule {
    pub const ALL: [Self; 12] = [
        Self::PolicyVersionMismatch,
        Self::StaleDigest,
        Self::LoadAge,
        Self::ReloadFailed,
        Self::ReloadFailsInARow,
        Self::ReloadFailsOften,
        Self::SignatureInvalid,
        Self::SilentDrift,
        Self::PoisonedDigestSeen,
        Self::DecisionsDisagree,
        Self::SourceQuiet,
        Self::FreezeLeftBehind,
    ];

    /// The kind of its alerts.
    pub const fn kind(self) -> &'static str {
        match self {
            Self::PolicyVersionMismatch => "PolicyVersionMismatch",
            Self::StaleDigest => "StaleDigest",
            Self::LoadAge => "LoadAge",
            Self::ReloadFailed => "ReloadFailed",
            Self::ReloadFailsInARow => "ReloadFailsInARow",
            Self::ReloadFailsOften => "ReloadFailsOften",
            Self::SignatureInvalid => "SignatureInvalid",
            Self::SilentDrift => "SilentDrift",
            Self::PoisonedDigestSeen => "PoisonedDigestSeen",
            Self::DecisionsDisagree => "DecisionsDisagree",
            Self::SourceQuiet => "SourceQuiet",
            Self::FreezeLeftBehind => "FreezeLeftBehind",
        }
    }

    const fn severity(self) -> Severity {
        match self {
            Self::ReloadFailsInARow
            | Self::ReloadFailsOften
            | Self::SignatureInvalid
            | Self::PoisonedDigestSeen => Severity::P0,
            Self::SilentDrift
            | Self::DecisionsDisagree
            | Self::SourceQuiet
            | Self::FreezeLeftBehind => Severity::P1,
            Self::PolicyVersionMismatch | Self::StaleDigest | Self::LoadAge => Severity::P2,
            Self::ReloadFailed => Severity::P3,
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::PolicyVersionMismatch => "nodes run another policy version than the desired one",
            Self::StaleDigest => "the source has not confirmed what nodes run",
            Self::LoadAge => "nodes have not loaded their policies for long",
            Self::ReloadFailed => "a reload failed",
            Self::ReloadFailsInARow => "reloads fail again and again",
            Self::ReloadFailsOften => "reloads fail often",
            Self::SignatureInvalid => "what nodes run has no valid signature",
            Self::SilentDrift => "nodes run other content under a version that stayed the same",
            Self::PoisonedDigestSeen => "nodes run content that was refused",
            Self::DecisionsDisagree => "nodes with the same content answer requests differently",
            Self::SourceQuiet => "a source of alerts has gone quiet",
            Self::FreezeLeftBehind => "a freeze was left behind",
        }
    }
}

/// A sweep with what stands around it.
#[derive(Debug, Clone, Copy)]
pub struct Sweep<'a> {
    /// Of the fleet, such as `prod`.
    pub env: &'a str,
    pub snapshot: &'a Snapshot,
    /// The one before it.
    pub earlier: Option<&'a Snapshot>,
    pub assessment: &'a Assessment,
    pub desired: &'a Desired,
    /// What asking nodes with equal contents the same requests came to, when that was done last.
    pub disagreements: &'a [Disagreement],
    /// Freezes of the fleet that nobody is going to lift; nothing where that could not be found out.
    pub freezes: Option<&'a [LeftFreeze]>,
    /// Who looks: several consoles may watch one fleet, each with pins and reach of its own.
    pub teller: &'a str,
    pub now: Timestamp,
}

/// A freeze whose run is over, died, or let its lease run out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftFreeze {
    pub run: String,
    /// The step that took it.
    pub step: String,
    /// What it was taken for.
    pub reason: String,
    pub since: Timestamp,
    /// By when it should have been lifted.
    pub until: Timestamp,
    /// Why nobody lifts it, as a sentence without its beginning: `its run ended at ...`.
    pub why: String,
}

/// Nodes that run one content, were asked the same requests, and did not answer them alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    pub content: ContentDigest,
    /// Those that are in the minority; all of them where there is none.
    pub nodes: Vec<NodeId>,
    /// How many nodes with this content were asked.
    pub asked: usize,
    /// How many requests are answered differently, and what one of them asks for.
    pub requests: usize,
    pub example: String,
}

/// Nodes by what is wrong and what tells one such thing from another.
type Found<'a> = BTreeMap<(DetectionRule, Labels), Vec<&'a NodeId>>;

/// What is wrong by a sweep, in order of rules.
pub fn detect(sweep: &Sweep<'_>) -> Vec<Draft> {
    let mut found = Found::new();
    for (node, seen) in &sweep.snapshot.nodes {
        look(sweep, node, seen, &mut found);
    }
    let fleet = sweep.snapshot.fleet.as_str();
    let of_versions = mixed_versions(sweep, fleet);
    let of_nodes =
        found.into_iter().map(|((rule, labels), nodes)| of_nodes(rule, fleet, labels, &nodes));
    let of_freezes = sweep.freezes.into_iter().flatten().map(|freeze| of_freeze(fleet, freeze));
    let told = |draft| Draft {
        env: sweep.env.to_owned(),
        told_by: Some(sweep.teller.to_owned()),
        ..draft
    };
    let of_disagreements = sweep.disagreements.iter().map(|one| disagree(one, fleet));
    of_nodes.chain(of_versions).chain(of_disagreements).chain(of_freezes).map(told).collect()
}

/// Nodes of one bundle that run different versions where nobody said which one is desired (R042): those that do not run
/// what most of them run.
fn mixed_versions(sweep: &Sweep<'_>, fleet: &str) -> Vec<Draft> {
    let mut bundles: BTreeMap<String, BTreeMap<String, Vec<&NodeId>>> = BTreeMap::new();
    for (node, seen) in &sweep.snapshot.nodes {
        let Some(report) = seen.report.as_deref().filter(|_| seen.failure.is_none()) else {
            continue;
        };
        let (Some(version), None) = (&report.version, sweep.desired.of(node)) else { continue };
        // What rolls out now is mixed for a while: it counts once a node stays where it is.
        let before = sweep.earlier.and_then(|earlier| earlier.nodes.get(node)?.report.as_deref());
        let before = before.and_then(|before| before.version.as_ref());
        if sweep.desired.in_flight.contains_key(node)
            || before.is_none_or(|before| before.value != version.value)
        {
            continue;
        }
        let bundle = report.bundle_id.as_ref().map(|bundle| bundle.value.clone());
        let versions = bundles.entry(bundle.unwrap_or_default()).or_default();
        versions.entry(version.value.to_string()).or_default().push(node);
    }
    let mut drafts = Vec::new();
    for versions in bundles.values() {
        // Of two that are run alike often, the one that stands first.
        let most = versions.iter().rev().max_by_key(|(_, nodes)| nodes.len());
        let Some((most, _)) = most else { continue };
        for (running, nodes) in versions.iter().filter(|(running, _)| *running != most) {
            let labels = [("running".to_owned(), running.clone())].into();
            let draft = of_nodes(DetectionRule::PolicyVersionMismatch, fleet, labels, nodes);
            let title = "nodes run different policy versions, and none is desired".to_owned();
            // No label: what most of them run may change while this stays the same thing.
            let message = format!("most run {most}; {}", draft.message);
            drafts.push(Draft { title, message, ..draft });
        }
    }
    drafts
}

fn of_freeze(fleet: &str, freeze: &LeftFreeze) -> Draft {
    let LeftFreeze { run, step, reason, since, until, why } = freeze;
    let labels = [("fleet", fleet), ("run", run), ("step", step)];
    let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let message = format!(
        "fleet {fleet} is frozen since {since} ({reason}) and was to be free by {until}: {why}. Go on with its \
         run: plumb runbook resume {run}; or lift it: plumb runbook unfreeze {run}"
    );
    Draft { message, ..draft(DetectionRule::FreezeLeftBehind, fleet, labels.into()) }
}

/// Nodes that answer differently although their digests agree.
fn disagree(one: &Disagreement, fleet: &str) -> Draft {
    let labels = Labels::from([("content".to_owned(), one.content.to_string())]);
    let nodes: Vec<&NodeId> = one.nodes.iter().collect();
    let mut draft = of_nodes(DetectionRule::DecisionsDisagree, fleet, labels, &nodes);
    let Disagreement { asked, requests, example, .. } = one;
    let _ = write!(
        draft.message,
        "; {asked} nodes with this content were asked, and {requests} requests are answered differently, \
         for example {example}"
    );
    draft.details.insert("requests".to_owned(), json!(requests));
    draft.details.insert("example".to_owned(), json!(example));
    draft
}

fn look<'a>(sweep: &Sweep<'a>, node: &'a NodeId, seen: &'a NodeObservation, found: &mut Found<'a>) {
    // What a node said some time ago says nothing about now: unreachable nodes are a matter of their own.
    let Some(report) = seen.report.as_deref().filter(|_| seen.failure.is_none()) else { return };
    let mut add = |rule, labels: &[(&str, String)]| {
        let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        found.entry((rule, labels.collect())).or_default().push(node);
    };
    let version = report.version.as_ref().map(|version| version.value.to_string());
    let content = report.content.as_ref().map(|content| content.value.to_string());
    let (running, content) = (version.unwrap_or_default(), content.unwrap_or_default());
    let named = running.clone();
    let state = sweep.assessment.nodes.get(node).map(|verdict| verdict.state);
    match state {
        Some(DriftState::Behind | DriftState::Ahead) => {
            let desired = sweep.desired.of(node).map(|desired| desired.version.to_string());
            let labels = [("running", running), ("desired", desired.unwrap_or_default())];
            add(DetectionRule::PolicyVersionMismatch, &labels);
        }
        Some(DriftState::Poisoned) => {
            add(DetectionRule::PoisonedDigestSeen, &[("content", content.clone())]);
        }
        _ => {}
    }
    if let Some(signature) = &report.signature
        && matches!(signature.value, SignatureReport::Invalid { .. })
    {
        add(DetectionRule::SignatureInvalid, &[("content", content.clone())]);
    } else if state == Some(DriftState::Tampered) {
        add(DetectionRule::SignatureInvalid, &[("content", content.clone())]);
    }
    let in_flight = sweep.desired.in_flight.contains_key(node);
    let changed = !in_flight && changed_silently(report, sweep.earlier, node);
    if state == Some(DriftState::Diverged) || changed {
        add(DetectionRule::SilentDrift, &[("content", content), ("running", named)]);
    }
    for caution in cautions(report, sweep.desired.thresholds, sweep.now) {
        match caution {
            Caution::DigestAge { .. } => add(DetectionRule::StaleDigest, &[]),
            Caution::LoadAge { .. } => add(DetectionRule::LoadAge, &[]),
            Caution::ConsecutiveFailures { count } if count >= FAILURES_IN_A_ROW => {
                add(DetectionRule::ReloadFailsInARow, &[]);
            }
            _ => {}
        }
    }
    if report.config.contains_key(LOAD_FAILING) || failures(report, sweep.now, FAILURE_TOLD) > 0 {
        add(DetectionRule::ReloadFailed, &[]);
    }
    if failures(report, sweep.now, FAILURES_WITHIN) > FAILURES_MAX {
        add(DetectionRule::ReloadFailsOften, &[]);
    }
}

/// Whether the content is another than at the look before, and the version is not.
fn changed_silently(report: &NodeReport, earlier: Option<&Snapshot>, node: &NodeId) -> bool {
    let before = earlier.and_then(|earlier| earlier.nodes.get(node)?.report.as_deref());
    let Some(before) = before else { return false };
    let (Some(was), Some(is)) = (&before.content, &report.content) else { return false };
    let (Some(named), Some(names)) = (&before.version, &report.version) else { return false };
    was.value != is.value && named.value == names.value
}

fn failures(report: &NodeReport, now: Timestamp, within: SignedDuration) -> usize {
    let recent = |at: Timestamp| at <= now && now.duration_since(at) <= within;
    report.history.iter().filter(|entry| !entry.success && recent(entry.at)).count()
}

fn of_nodes(rule: DetectionRule, fleet: &str, mut labels: Labels, nodes: &[&NodeId]) -> Draft {
    let named: Vec<String> = nodes.iter().take(NODES_NAMED_MAX).map(ToString::to_string).collect();
    let more = nodes.len() - named.len();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    let mut facts = String::new();
    for (name, value) in &labels {
        let _ = write!(facts, "{name} {value}; ");
    }
    let count =
        if nodes.len() == 1 { "1 node".to_owned() } else { format!("{} nodes", nodes.len()) };
    let message = format!("{facts}{count} of fleet {fleet}: {}{rest}", named.join(", "));
    labels.insert("fleet".to_owned(), fleet.to_owned());
    let details = [("nodes", json!(named)), ("count", json!(nodes.len()))];
    Draft {
        details: details.map(|(name, value)| (name.to_owned(), value)).into(),
        message,
        ..draft(rule, fleet, labels)
    }
}

fn draft(rule: DetectionRule, service: &str, labels: Labels) -> Draft {
    Draft {
        source: SWEEPS.to_owned(),
        service: service.to_owned(),
        kind: rule.kind().to_owned(),
        title: rule.title().to_owned(),
        severity: rule.severity(),
        labels,
        ..Draft::default()
    }
}

/// What was wrong before and is not any more, as reports that it is over.
pub fn over(before: &[Draft], now: &[Draft]) -> Vec<Draft> {
    let still: Vec<String> = now.iter().map(Draft::fingerprint).collect();
    let gone = before.iter().filter(|draft| !still.contains(&draft.fingerprint()));
    gone.map(|draft| Draft { resolved: true, ..draft.clone() }).collect()
}

/// Alerts of earlier sweeps that this one does not raise any more, as reports that they are over.
///
/// What was wrong with a node is not over because the node is silent, content that came silently is not over
/// because it stays, and a freeze is not lifted because nobody could look for it. Whoever said that it is so takes that back; what only others said a short time ago is theirs to lift.
pub fn lifted(sweep: &Sweep<'_>, known: &[Alert], now: &[Draft]) -> Vec<Draft> {
    let still: BTreeSet<String> = now.iter().map(Draft::fingerprint).collect();
    // What lasts has an alert for each window, and a report that it is over closes the newest.
    let mut newest: BTreeMap<&str, &Alert> = BTreeMap::new();
    for alert in known.iter().filter(|alert| alert.source == SWEEPS) {
        let kept = newest.entry(&alert.fingerprint).or_insert(alert);
        if alert.created_at > kept.created_at {
            *kept = alert;
        }
    }
    let over = newest.into_values().filter(|alert| {
        alert.resolved_at.is_none()
            && (alert.told_by.contains_key(sweep.teller)
                || alert.lasts_for(sweep.teller, sweep.now).is_none())
            && !still.contains(&alert.fingerprint)
            && (sweep.freezes.is_some() || alert.kind != DetectionRule::FreezeLeftBehind.kind())
            && !sweep.snapshot.nodes.iter().any(|(node, seen)| {
                names(alert, node) && (unheard(seen) || stays(sweep, alert, node, seen))
            })
    });
    over.map(|alert| Draft {
        source: alert.source.clone(),
        service: alert.service.clone(),
        env: alert.env.clone(),
        kind: alert.kind.clone(),
        title: alert.title.clone(),
        message: alert.message.clone(),
        severity: alert.severity,
        fingerprint: Some(alert.fingerprint.clone()),
        signature: Some(alert.signature.clone()),
        labels: alert.labels.clone(),
        details: alert.details.clone(),
        dedupe_ttl_minutes: None,
        started_at: alert.started_at,
        resolved: true,
        told_by: Some(sweep.teller.to_owned()),
    })
    .collect()
}

/// Whether an alert is about a node. Where not every node is named, any one may be meant.
fn names(alert: &Alert, node: &NodeId) -> bool {
    let named = alert.details.get("nodes").and_then(serde_json::Value::as_array);
    let all = alert.details.get("count").and_then(serde_json::Value::as_u64);
    all.is_some_and(|all| all > named.map_or(0, Vec::len) as u64)
        || named.into_iter().flatten().any(|name| name.as_str() == Some(node.as_str()))
}

/// Whether a node gave no answer at its last look.
fn unheard(seen: &NodeObservation) -> bool {
    seen.failure.is_some() || seen.report.is_none()
}

/// Whether a node still runs what came silently: neither its content nor its version moved, and it is not the desired
/// content either.
fn stays(sweep: &Sweep<'_>, alert: &Alert, node: &NodeId, seen: &NodeObservation) -> bool {
    let Some(report) = seen.report.as_deref() else { return false };
    let runs = |label: &str, value: Option<String>| match alert.labels.get(label) {
        Some(told) => *told == value.unwrap_or_default(),
        None => true,
    };
    let state = sweep.assessment.nodes.get(node).map(|verdict| verdict.state);
    alert.kind == DetectionRule::SilentDrift.kind()
        && state != Some(DriftState::InSync)
        && runs("content", report.content.as_ref().map(|content| content.value.to_string()))
        && runs("running", report.version.as_ref().map(|version| version.value.to_string()))
}

/// An alert for each source that should have told something, with whether it did after all.
pub fn quiet_sources(
    expected: &[ExpectedSource],
    seen: &BTreeMap<String, Timestamp>,
    now: Timestamp,
) -> Vec<Draft> {
    let of_source = |wanted: &ExpectedSource| {
        let last = seen.get(&wanted.source);
        let told = last.is_some_and(|last| now <= after_minutes(*last, wanted.within_minutes));
        let labels = Labels::from([("source".to_owned(), wanted.source.clone())]);
        let since = match last {
            Some(last) => format!("it told something last at {last}"),
            None => "nothing of it came within that time".to_owned(),
        };
        let message = format!(
            "{} should tell something every {} min; {since}. Look whether the monitor runs, and whether its role has tools.alerts.ingest",
            wanted.source, wanted.within_minutes
        );
        Draft {
            message,
            resolved: told,
            ..draft(DetectionRule::SourceQuiet, &wanted.source, labels)
        }
    };
    expected.iter().map(of_source).collect()
}
