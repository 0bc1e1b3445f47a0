//! Why a statement does not count, each reason with a name of its own.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use plumb_fleet::Digest;
use serde::Serialize;

use super::{Acknowledged, Bound};
use crate::{
    dsse::{DsseError, KeyId},
    roster::{GroupId, PersonId, RosterRef},
};

/// Why an approval does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalRefusal {
    #[error("it cannot be read: {error}")]
    Envelope { error: DsseError },
    #[error("it has {count} signatures, where one belongs")]
    Signatures { count: usize },
    #[error("no key of the roster signed it")]
    UnknownKey,
    #[error("the key {} of {person} counts from {at} only", key.short())]
    KeyNotYet { person: PersonId, key: KeyId, at: Timestamp },
    #[error("the key {} of {person} counted until {at}", key.short())]
    KeyEnded { person: PersonId, key: KeyId, at: Timestamp },
    #[error("the key {} of {person} was revoked at {at}", key.short())]
    KeyRevoked { person: PersonId, key: KeyId, at: Timestamp },
    #[error("the roster expired at {at}; get the newest one")]
    RosterExpired { at: Timestamp },
    #[error("its subjects are not one plan and then its bundles")]
    Subjects,
    #[error("the findings it acknowledges are not in order")]
    Unsorted,
    #[error("{signed} signed it in the name of {named}")]
    OtherPerson { signed: PersonId, named: PersonId },
    #[error("{person} is not in the group {role}")]
    NotInGroup { person: PersonId, role: GroupId },
    #[error("it is a {act}, which does not count here")]
    Act { act: &'static str },
    #[error("{person} did not ask for this change")]
    NotTheRequester { person: PersonId },
    #[error("{person} asked for this change and cannot consent to it")]
    Requester { person: PersonId },
    #[error("it was given for something else: {}", listed(differences))]
    Changed { differences: Vec<Difference> },
    #[error("it was signed at {issued_at}, which has not come; compare the clocks")]
    FromTheFuture { issued_at: Timestamp },
    #[error("it is good for longer than the {hours_max} hours of the rule")]
    TooLong { hours_max: u32 },
    #[error("it expired at {at}")]
    Expired { at: Timestamp },
    #[error("its window opens at {at}")]
    NotYet { at: Timestamp },
    #[error("its window closed at {at}")]
    WindowClosed { at: Timestamp },
    #[error("it binds no dry run, and the rule asks for one")]
    NoDryRun,
    #[error("{count} findings are not acknowledged in it, the first: {first}")]
    Unacknowledged { count: usize, first: Acknowledged },
    #[error("a run used it already")]
    Replayed,
}

impl ApprovalRefusal {
    /// A name for documents and tests.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Envelope { .. } => "envelope",
            Self::Signatures { .. } => "signatures",
            Self::UnknownKey => "unknown_key",
            Self::KeyNotYet { .. } => "key_not_yet",
            Self::KeyEnded { .. } => "key_ended",
            Self::KeyRevoked { .. } => "key_revoked",
            Self::RosterExpired { .. } => "roster_expired",
            Self::Subjects => "subjects",
            Self::Unsorted => "unsorted",
            Self::OtherPerson { .. } => "other_person",
            Self::NotInGroup { .. } => "not_in_group",
            Self::Act { .. } => "act",
            Self::NotTheRequester { .. } => "not_the_requester",
            Self::Requester { .. } => "requester",
            Self::Changed { .. } => "changed",
            Self::FromTheFuture { .. } => "from_the_future",
            Self::TooLong { .. } => "too_long",
            Self::Expired { .. } => "expired",
            Self::NotYet { .. } => "not_yet",
            Self::WindowClosed { .. } => "window_closed",
            Self::NoDryRun => "no_dry_run",
            Self::Unacknowledged { .. } => "unacknowledged",
            Self::Replayed => "replayed",
        }
    }
}

fn listed(differences: &[Difference]) -> String {
    let all: Vec<String> = differences.iter().map(ToString::to_string).collect();
    all.join("; ")
}

/// What an approval binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BoundField {
    Plan,
    Bundles,
    Fleet,
    Environment,
    Targets,
    DryRun,
    Decisions,
    Readiness,
    Roster,
    Requester,
}

impl BoundField {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Bundles => "bundles",
            Self::Fleet => "fleet",
            Self::Environment => "environment",
            Self::Targets => "targets",
            Self::DryRun => "dry run",
            Self::Decisions => "changed decisions",
            Self::Readiness => "readiness",
            Self::Roster => "roster",
            Self::Requester => "requester",
        }
    }
}

/// One thing that is no longer as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub field: BoundField,
    pub signed: String,
    pub now: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} was {}, is {}", self.field.name(), self.signed, self.now)
    }
}

/// Everything in which two differ, in words of one line.
pub(super) fn differences(signed: &Bound, now: &Bound) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |field, signed: String, now: String, same: bool| {
        if !same {
            found.push(Difference { field, signed, now });
        }
    };
    let Bound {
        plan,
        bundles,
        fleet,
        environment,
        roster,
        requester,
        targets,
        dry_run,
        decisions,
        readiness,
    } = signed;
    compare(BoundField::Plan, plan.short(), now.plan.short(), *plan == now.plan);
    let list = |bundles: &std::collections::BTreeSet<plumb_fleet::BundleDigest>| {
        let all: Vec<String> = bundles.iter().map(|bundle| bundle.short()).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(" and ") }
    };
    compare(BoundField::Bundles, list(bundles), list(&now.bundles), *bundles == now.bundles);
    compare(BoundField::Fleet, fleet.to_string(), now.fleet.to_string(), *fleet == now.fleet);
    let same = *environment == now.environment;
    compare(BoundField::Environment, environment.clone(), now.environment.clone(), same);
    let set =
        |targets: &super::Targets| format!("{} nodes ({})", targets.count, targets.digest.short());
    compare(BoundField::Targets, set(targets), set(&now.targets), *targets == now.targets);
    let report = |digest: &Option<Digest>| digest.map_or("none".to_owned(), Digest::short);
    compare(BoundField::DryRun, report(dry_run), report(&now.dry_run), *dry_run == now.dry_run);
    let same = *decisions == now.decisions;
    compare(BoundField::Decisions, report(decisions), report(&now.decisions), same);
    let items = |readiness: &BTreeMap<String, Digest>| {
        let all: Vec<String> =
            readiness.iter().map(|(item, digest)| format!("{item} {}", digest.short())).collect();
        if all.is_empty() { "none".to_owned() } else { all.join(" and ") }
    };
    let same = *readiness == now.readiness;
    compare(BoundField::Readiness, items(readiness), items(&now.readiness), same);
    let version =
        |roster: &RosterRef| format!("version {} ({})", roster.version, roster.digest.short());
    compare(BoundField::Roster, version(roster), version(&now.roster), *roster == now.roster);
    let same = *requester == now.requester;
    compare(BoundField::Requester, requester.to_string(), now.requester.to_string(), same);
    found
}
