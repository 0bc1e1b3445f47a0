//! Signed consent to exactly one plan, and whether enough of it was given.
//!
//! One envelope per person. Its subjects are the plan and the bundles it brings; the predicate binds
//! everything else somebody could change behind an approver's back. The same statement, with another
//! act, is how the requester signs the request, how consent is refused, and how a rollback that was
//! started at night is reviewed afterwards.

mod decide;
mod document;
mod refusal;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use plumb_fleet::{BundleDigest, Digest, FleetId, NodeId, PlanHash};

pub use decide::{Consent, Judged, MissingQuorum, Standing, Voided, decide, judge};
pub use document::{
    Acknowledged, Act, ApprovalDocument, ApprovalDraft, ChangeWindow, DraftError, Nonce,
    NonceError, REASON_BYTES_MAX, Targets,
};
pub use refusal::{ApprovalRefusal, BoundField, Difference};

use crate::{
    dsse::{Envelope, KeyId, Predicate, PublicKey, Statement, Verified},
    roster::{GroupId, PersonId, PersonKey, Roster, RosterRef},
};

/// How far the clock of whoever signed may be ahead, in seconds.
pub const CLOCK_AHEAD_S_MAX: i64 = 300;

/// What an approval is about: the plan and everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    pub plan: PlanHash,
    /// Bundles that nodes are to load, by the digest of their bytes.
    pub bundles: BTreeSet<BundleDigest>,
    pub fleet: FleetId,
    /// Name of the environment in the roster, which is the name of its rule.
    pub environment: String,
    pub roster: RosterRef,
    pub requester: PersonId,
    pub targets: Targets,
    /// Digest of the report of a dry run, where there was one.
    pub dry_run: Option<Digest>,
    /// Digest of what the plan changes in the answers of its nodes, as the dry run found it; nothing
    /// where it changes no content.
    pub decisions: Option<Digest>,
    /// Digest of the evidence of each item of the readiness checklist.
    pub readiness: BTreeMap<String, Digest>,
}

/// What an approval must be about to count now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub bound: Bound,
    /// Findings that each approval must acknowledge.
    pub warnings: BTreeSet<Acknowledged>,
    /// Nonces of approvals that a run already used.
    pub spent: BTreeSet<Nonce>,
}

/// A statement of a person whose key counts, about exactly what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedApproval {
    document: ApprovalDocument,
    key: KeyId,
    payload: Digest,
}

impl VerifiedApproval {
    pub const fn document(&self) -> &ApprovalDocument {
        &self.document
    }

    pub const fn person(&self) -> &PersonId {
        &self.document.person
    }

    pub const fn act(&self) -> &Act {
        &self.document.act
    }

    /// The key that made the signature.
    pub const fn key(&self) -> KeyId {
        self.key
    }

    /// SHA-256 of the signed payload: the name of this approval.
    pub const fn payload(&self) -> Digest {
        self.payload
    }
}

/// Verifies one envelope: an approval, a refusal or the request itself. `now` decides about windows.
pub fn verify_approval(
    envelope: &[u8],
    roster: &Roster,
    expected: &Expected,
    now: Timestamp,
) -> Result<VerifiedApproval, ApprovalRefusal> {
    let verified = signed_by_a_person(envelope, roster, now)?;
    let document = &verified.document;
    match &document.act {
        Act::Request if document.person != expected.bound.requester => {
            return Err(ApprovalRefusal::NotTheRequester { person: document.person.clone() });
        }
        Act::Approve | Act::Refuse { .. } if document.person == document.requester => {
            return Err(ApprovalRefusal::Requester { person: document.person.clone() });
        }
        Act::Review { .. } => return Err(ApprovalRefusal::Act { act: document.act.name() }),
        Act::Request | Act::Approve | Act::Refuse { .. } => {}
    }
    about(&verified, expected)?;
    in_time(document, roster, now)?;
    if document.act == Act::Approve {
        let missing: Vec<&Acknowledged> =
            expected.warnings.iter().filter(|one| !document.acknowledges(one)).collect();
        if let Some(first) = missing.first() {
            let (count, first) = (missing.len(), (*first).clone());
            return Err(ApprovalRefusal::Unacknowledged { count, first });
        }
    }
    if expected.spent.contains(&document.nonce) {
        return Err(ApprovalRefusal::Replayed);
    }
    Ok(verified)
}

/// Verifies a review that was signed after a rollback was started without approvals. It has no window
/// and does not expire; whoever started the run cannot give it.
pub fn verify_review(
    envelope: &[u8],
    roster: &Roster,
    expected: &Expected,
    now: Timestamp,
) -> Result<VerifiedApproval, ApprovalRefusal> {
    let verified = signed_by_a_person(envelope, roster, now)?;
    let document = &verified.document;
    if !matches!(document.act, Act::Review { .. }) {
        return Err(ApprovalRefusal::Act { act: document.act.name() });
    }
    if document.person == expected.bound.requester {
        return Err(ApprovalRefusal::Requester { person: document.person.clone() });
    }
    about(&verified, expected)?;
    Ok(verified)
}

/// Verifies everything that does not depend on the plan: one signature, by a key that the roster gives to
/// the person who speaks, in a role that person has. Whether it counts for a plan is not said here.
pub fn signed_by_a_person(
    envelope: &[u8],
    roster: &Roster,
    now: Timestamp,
) -> Result<VerifiedApproval, ApprovalRefusal> {
    let envelope = Envelope::read(envelope).map_err(|error| ApprovalRefusal::Envelope { error })?;
    let (verified, person, key) = signer(&envelope, roster, now)?;
    let statement: Statement<ApprovalDocument> =
        verified.statement().map_err(|error| ApprovalRefusal::Envelope { error })?;
    let document = statement.predicate;
    document::check_subjects(&statement.subject)?;
    if !document::is_sorted(&document.acknowledged) {
        return Err(ApprovalRefusal::Unsorted);
    }
    if document.person != *person {
        let (signed, named) = (person.clone(), document.person);
        return Err(ApprovalRefusal::OtherPerson { signed, named });
    }
    let groups = roster.person(person).map(|person| &person.groups);
    if !groups.is_some_and(|groups| groups.contains(&document.role)) {
        let (person, role) = (person.clone(), document.role);
        return Err(ApprovalRefusal::NotInGroup { person, role });
    }
    let document = document.with_subjects(statement.subject);
    Ok(VerifiedApproval { document, key: key.key.id(), payload: envelope.payload_digest() })
}

/// Something that a person of a roster said, and with which of their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<P> {
    pub statement: Statement<P>,
    pub person: PersonId,
    pub key: KeyId,
}

/// Verifies a statement of another kind than an approval by the same rules: one signature, by a key that
/// counts at `now` and that the roster gives to somebody. Who that is comes from the key, never from what
/// the statement says.
///
/// # Errors
/// When the envelope holds another kind of statement, or its signature does not count.
pub fn said_by_a_person<P: Predicate>(
    envelope: &[u8],
    roster: &Roster,
    now: Timestamp,
) -> Result<Said<P>, ApprovalRefusal> {
    let envelope = Envelope::read(envelope).map_err(|error| ApprovalRefusal::Envelope { error })?;
    let (verified, person, key) = signer(&envelope, roster, now)?;
    let statement = verified.statement().map_err(|error| ApprovalRefusal::Envelope { error })?;
    Ok(Said { statement, person: person.clone(), key: key.key.id() })
}

/// The same for a statement that says when it was signed, and is judged for longer: its key has to have been
/// good then, and not to have been revoked by `now`. That time passed takes nothing away. When it was signed is
/// the word of whoever signed: something else has to bear it out.
///
/// # Errors
/// As above, and when it was signed in the future.
pub fn said_before_by_a_person<P: Predicate>(
    envelope: &[u8],
    roster: &Roster,
    now: Timestamp,
    signed_at: impl Fn(&P) -> Timestamp,
) -> Result<Said<P>, ApprovalRefusal> {
    let envelope = Envelope::read(envelope).map_err(|error| ApprovalRefusal::Envelope { error })?;
    let (verified, person, key) = owner(&envelope, roster, now)?;
    let statement: Statement<P> =
        verified.statement().map_err(|error| ApprovalRefusal::Envelope { error })?;
    let issued_at = signed_at(&statement.predicate);
    if issued_at.duration_since(now) > SignedDuration::from_secs(CLOCK_AHEAD_S_MAX) {
        return Err(ApprovalRefusal::FromTheFuture { issued_at });
    }
    not_revoked(person, key, now)?;
    key_counts(person, key, issued_at)?;
    Ok(Said { statement, person: person.clone(), key: key.key.id() })
}

/// Opens an envelope with one signature, by a key that counts and that the roster gives to somebody.
pub(crate) fn signer<'e, 'r>(
    envelope: &'e Envelope,
    roster: &'r Roster,
    now: Timestamp,
) -> Result<(Verified<'e, 'r>, &'r PersonId, &'r PersonKey), ApprovalRefusal> {
    let (verified, person, key) = owner(envelope, roster, now)?;
    key_counts(person, key, now)?;
    Ok((verified, person, key))
}

/// The same, whether or not the key counts.
fn owner<'e, 'r>(
    envelope: &'e Envelope,
    roster: &'r Roster,
    now: Timestamp,
) -> Result<(Verified<'e, 'r>, &'r PersonId, &'r PersonKey), ApprovalRefusal> {
    if envelope.signature_count() != 1 {
        return Err(ApprovalRefusal::Signatures { count: envelope.signature_count() });
    }
    if roster.is_expired(now) {
        return Err(ApprovalRefusal::RosterExpired { at: roster.document().expires_at });
    }
    let keys: Vec<&'r PublicKey> = roster.keys().map(|(_, key)| &key.key).collect();
    let verified = envelope.verify_first(&keys).map_err(|_| ApprovalRefusal::UnknownKey)?;
    let signer = verified.signers().first().map(|key| key.id());
    let owner = roster.keys().find(|(_, key)| Some(key.key.id()) == signer);
    let (person, key) = owner.ok_or(ApprovalRefusal::UnknownKey)?;
    Ok((verified, person, key))
}

/// What a newer roster took away from an approval that counted: its key, or the say of whoever signed.
/// That time passed takes nothing away; nothing is taken where both still stand.
pub fn taken_away(
    approval: &VerifiedApproval,
    newest: &Roster,
    now: Timestamp,
) -> Option<ApprovalRefusal> {
    let person = approval.person();
    let key = newest.keys().find(|(_, key)| key.key.id() == approval.key);
    let Some((owner, key)) = key else { return Some(ApprovalRefusal::UnknownKey) };
    if owner != person {
        let (signed, named) = (owner.clone(), person.clone());
        return Some(ApprovalRefusal::OtherPerson { signed, named });
    }
    if let Some(at) = key.revoked_at.filter(|at| *at <= now) {
        return Some(ApprovalRefusal::KeyRevoked { person: person.clone(), key: approval.key, at });
    }
    let role = &approval.document.role;
    let stays = newest.person(person).is_some_and(|person| person.groups.contains(role));
    let (person, role) = (person.clone(), role.clone());
    (!stays).then_some(ApprovalRefusal::NotInGroup { person, role })
}

fn key_counts(person: &PersonId, key: &PersonKey, now: Timestamp) -> Result<(), ApprovalRefusal> {
    not_revoked(person, key, now)?;
    let (id, person) = (key.key.id(), person.clone());
    match (key.from, key.until) {
        (Some(at), _) if now < at => Err(ApprovalRefusal::KeyNotYet { person, key: id, at }),
        (_, Some(at)) if now > at => Err(ApprovalRefusal::KeyEnded { person, key: id, at }),
        _ => Ok(()),
    }
}

fn not_revoked(person: &PersonId, key: &PersonKey, now: Timestamp) -> Result<(), ApprovalRefusal> {
    let revoked = key.revoked_at.filter(|at| *at <= now);
    let (id, person) = (key.key.id(), person.clone());
    revoked.map_or(Ok(()), |at| Err(ApprovalRefusal::KeyRevoked { person, key: id, at }))
}

fn about(verified: &VerifiedApproval, expected: &Expected) -> Result<(), ApprovalRefusal> {
    let differences = refusal::differences(&verified.document.bound(), &expected.bound);
    if differences.is_empty() {
        return Ok(());
    }
    Err(ApprovalRefusal::Changed { differences })
}

fn in_time(
    document: &ApprovalDocument,
    roster: &Roster,
    now: Timestamp,
) -> Result<(), ApprovalRefusal> {
    let ahead = SignedDuration::from_secs(CLOCK_AHEAD_S_MAX);
    if document.issued_at.duration_since(now) > ahead {
        return Err(ApprovalRefusal::FromTheFuture { issued_at: document.issued_at });
    }
    // A refusal holds for as long as the plan does.
    if matches!(document.act, Act::Refuse { .. }) {
        return Ok(());
    }
    let environment = roster.document().environments.get(&document.environment);
    if let Some(environment) = environment {
        let hours = environment.rule.valid_h_max;
        let longest = SignedDuration::from_hours(i64::from(hours));
        if document.expires_at.duration_since(document.issued_at) > longest {
            return Err(ApprovalRefusal::TooLong { hours_max: hours });
        }
    }
    if now >= document.expires_at {
        return Err(ApprovalRefusal::Expired { at: document.expires_at });
    }
    // A request counts before the window too.
    if document.act == Act::Approve && now < document.window.not_before {
        return Err(ApprovalRefusal::NotYet { at: document.window.not_before });
    }
    if now > document.window.not_after {
        return Err(ApprovalRefusal::WindowClosed { at: document.window.not_after });
    }
    Ok(())
}

/// The set of nodes that a plan touches, as approvals bind it.
pub fn targets<'a>(nodes: impl IntoIterator<Item = &'a NodeId>) -> Targets {
    let nodes: BTreeSet<&NodeId> = nodes.into_iter().collect();
    let mut lines = String::new();
    for node in &nodes {
        lines.push_str(node.as_str());
        lines.push('\n');
    }
    let count = u32::try_from(nodes.len()).expect("a fleet has at most some ten thousand nodes");
    Targets { count, digest: Digest::of(lines.as_bytes()) }
}

/// Whether a person of this group has a say under the rule of an environment.
pub fn has_a_say(roster: &Roster, environment: &str, group: &GroupId) -> bool {
    let environment = roster.document().environments.get(environment);
    environment.is_some_and(|environment| environment.rule.names(group))
}
