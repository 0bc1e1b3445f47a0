//! The refused list of a fleet: content that no node may take until a quorum signed it clean.
//!
//! Refusing more is quick: anybody of the roster signs the next version. Refusing less takes the people
//! whose consent a change takes: what left the list stands there with the statement that they signed, so
//! whoever missed versions in between can judge the newest by itself.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_fleet::{ContentDigest, Digest, FleetId};
use serde::{Deserialize, Serialize};

use crate::{
    approval::REASON_BYTES_MAX,
    dsse::{DsseError, Envelope, Predicate, PublicKey, SigningKey, Statement, Subject},
    roster::{GroupId, PersonId, Roster, Rule, filled},
};

/// Most entries of either kind in one list: years of rollbacks.
pub const ENTRIES_MAX: usize = 1_000;
/// Longest envelope of a list: all entries with the longest reasons, and clearings signed by a few people.
pub const LIST_BYTES_MAX: usize = 8 << 20;

/// Why a list or a clearing was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedError {
    #[error("the envelope of the refused list cannot be used")]
    Envelope(#[from] DsseError),
    #[error("the refused list cannot be used: {problem}")]
    Invalid { problem: String },
    #[error("nobody of the roster with a key that counts now signed it")]
    Unsigned,
    #[error("it is for fleet {found}, not {fleet}")]
    OtherFleet { found: FleetId, fleet: FleetId },
    #[error("the roster says nothing about fleet {fleet}")]
    NoRule { fleet: FleetId },
    #[error("it is version {version}, older than version {newest}, which is known already")]
    Older { version: u32, newest: u32 },
    #[error("it is another version {version} than the one that is known already")]
    Forked { version: u32 },
    #[error("it refuses {content} no longer, and {why}", content = content.short())]
    NotCleared { content: ContentDigest, why: String },
}

/// Why and since when content is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedEntry {
    pub since: Timestamp,
    pub reason: String,
}

/// What a refused list says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusedDocument {
    pub fleet: FleetId,
    pub version: u32,
    pub issued_at: Timestamp,
    pub refused: BTreeMap<ContentDigest, RefusedEntry>,
    /// What was refused once and is not any more: the envelope of the [`CleanDocument`] that says so.
    pub cleared: BTreeMap<ContentDigest, String>,
}

impl Predicate for RefusedDocument {
    const TYPE: &'static str = "urn:plumbline:refused-list:v1";
}

impl RefusedDocument {
    /// SHA-256 of its canonical JSON.
    pub fn digest(&self) -> Digest {
        let bytes = serde_json_canonicalizer::to_vec(self).expect("a list always serialises");
        Digest::of(&bytes)
    }

    fn problem(&self) -> Option<String> {
        if self.version == 0 {
            return Some("versions begin at 1".to_owned());
        }
        if self.refused.len().max(self.cleared.len()) > ENTRIES_MAX {
            return Some(format!("more than {ENTRIES_MAX} entries"));
        }
        if let Some(content) = self.cleared.keys().find(|it| self.refused.contains_key(it)) {
            return Some(format!("{} is both refused and cleared", content.short()));
        }
        let bad = |(_, entry): &(&ContentDigest, &RefusedEntry)| reason_is_bad(&entry.reason);
        let (content, _) = self.refused.iter().find(bad)?;
        Some(format!("the reason of {} is empty or too long", content.short()))
    }

    /// Signs it as somebody of the roster.
    pub fn sign(self, key: &SigningKey) -> Result<Vec<u8>, RefusedError> {
        self.problem().map_or(Ok(()), |problem| Err(RefusedError::Invalid { problem }))?;
        let subject = vec![Subject::new("refused list", self.digest())];
        let envelope = Envelope::sign(&Statement { subject, predicate: self }, &[key])?;
        Ok(envelope.to_bytes())
    }
}

/// Says that content which was refused may be taken again; signed by a quorum in one envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CleanDocument {
    pub fleet: FleetId,
    pub content: ContentDigest,
    /// Which refusal it lifts: one of a later moment stays.
    pub refused_since: Timestamp,
    pub reason: String,
    pub issued_at: Timestamp,
}

impl Predicate for CleanDocument {
    const TYPE: &'static str = "urn:plumbline:signed-clean:v1";
}

impl CleanDocument {
    /// The statement that people sign.
    pub fn statement(self) -> Result<Statement<Self>, RefusedError> {
        if reason_is_bad(&self.reason) {
            let problem = "say why it is clean, in at most 2,000 bytes".to_owned();
            return Err(RefusedError::Invalid { problem });
        }
        Ok(Statement { subject: vec![Subject::new("content", self.content.0)], predicate: self })
    }

    /// Reads one for people to look at or to sign, believing nothing of it.
    pub fn look(envelope: &[u8]) -> Result<Self, RefusedError> {
        let statement: Statement<Self> = Envelope::read(envelope)?.unverified_statement()?;
        Ok(statement.predicate)
    }
}

fn reason_is_bad(reason: &str) -> bool {
    reason.trim().is_empty() || reason.len() > REASON_BYTES_MAX
}

/// A clearing as far as it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clearing {
    pub document: CleanDocument,
    pub people: BTreeSet<PersonId>,
    /// What is missing, in words; nothing when it is enough.
    pub missing: Option<String>,
}

impl Clearing {
    /// Verifies who of the roster signed one, and whether the rule of the fleet asks for more.
    pub fn read(
        envelope: &[u8],
        roster: &Roster,
        fleet: &FleetId,
        now: Timestamp,
    ) -> Result<Self, RefusedError> {
        let envelope = Envelope::read(envelope)?;
        let (verified, people) = signers(&envelope, roster, now)?;
        let document: CleanDocument = verified.statement()?.predicate;
        if document.fleet != *fleet {
            return Err(RefusedError::OtherFleet { found: document.fleet, fleet: fleet.clone() });
        }
        let no_rule = || RefusedError::NoRule { fleet: fleet.clone() };
        let (_, environment) = roster.environment_of(fleet).ok_or_else(no_rule)?;
        let missing = missing(&environment.rule, roster, &people);
        Ok(Self { document, people, missing })
    }
}

/// What a rule asks for beyond these people.
fn missing(rule: &Rule, roster: &Roster, people: &BTreeSet<PersonId>) -> Option<String> {
    let groups = |id| roster.person(id).map(|person| (id, &person.groups));
    let by_person: BTreeMap<&PersonId, &BTreeSet<GroupId>> =
        people.iter().filter_map(groups).collect();
    let taken = filled(rule, &by_person);
    let short = rule.quorums.iter().zip(taken).filter(|(quorum, taken)| *taken < quorum.count);
    let parts: Vec<String> = short
        .map(|(quorum, taken)| {
            let groups: Vec<&str> = quorum.of.iter().map(GroupId::as_str).collect();
            format!("{} more of {}", quorum.count - taken, groups.join(" or "))
        })
        .collect();
    (!parts.is_empty()).then(|| format!("it misses {}", parts.join(", and ")))
}

/// Who of the roster signed a list, with keys that count at a moment; nobody where none of them does.
pub fn signed_by(
    envelope: &[u8],
    roster: &Roster,
    now: Timestamp,
) -> Result<BTreeSet<PersonId>, RefusedError> {
    match signers(&opened(envelope)?, roster, now) {
        Ok((_, people)) => Ok(people),
        Err(RefusedError::Unsigned) => Ok(BTreeSet::new()),
        Err(error) => Err(error),
    }
}

type Opened<'e, 'k> = (crate::dsse::Verified<'e, 'k>, BTreeSet<PersonId>);

/// Opens an envelope that people of the roster signed with keys that count now.
fn signers<'e, 'r>(
    envelope: &'e Envelope,
    roster: &'r Roster,
    now: Timestamp,
) -> Result<Opened<'e, 'r>, RefusedError> {
    let counting: Vec<(&PersonId, &PublicKey)> = roster
        .keys()
        .filter(|(_, key)| key.counts(now))
        .map(|(person, key)| (person, &key.key))
        .collect();
    let verified = envelope.verify(counting.iter().map(|(_, key)| *key)).map_err(|error| {
        if error == DsseError::NoTrustedSignature { RefusedError::Unsigned } else { error.into() }
    })?;
    let signed = verified.signers();
    let people = counting.iter().filter(|(_, key)| signed.contains(key));
    let people = people.map(|(person, _)| (*person).clone()).collect();
    Ok((verified, people))
}

/// A list whose signatures were checked. It is made by [`RefusedList::accept`], and read back as it was kept
/// by [`RefusedList::kept`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedList {
    document: RefusedDocument,
    digest: Digest,
}

impl RefusedList {
    /// Accepts a list for a fleet after the one that is known: somebody of the roster signed it, it is
    /// newer, and what it refuses no longer was signed clean by a quorum. The same list again is accepted.
    pub fn accept(
        envelope: &[u8],
        roster: &Roster,
        fleet: &FleetId,
        known: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, RefusedError> {
        let envelope = opened(envelope)?;
        let (verified, _) = signers(&envelope, roster, now)?;
        let list = Self::of(verified.statement()?.predicate)?;
        let document = &list.document;
        if document.fleet != *fleet {
            let found = document.fleet.clone();
            return Err(RefusedError::OtherFleet { found, fleet: fleet.clone() });
        }
        if roster.environment_of(fleet).is_none() {
            return Err(RefusedError::NoRule { fleet: fleet.clone() });
        }
        let Some(known) = known else { return Ok(list) };
        let (version, newest) = (document.version, known.version());
        if version < newest {
            return Err(RefusedError::Older { version, newest });
        }
        if version == newest {
            let same = list.digest == known.digest;
            return if same { Ok(list) } else { Err(RefusedError::Forked { version }) };
        }
        for (content, entry) in &known.document.refused {
            if !document.refused.contains_key(content) {
                document.cleared_by_quorum(*content, entry, roster, now)?;
            }
        }
        Ok(list)
    }

    /// Reads a list that was accepted before and kept where nobody else writes.
    pub fn kept(envelope: &[u8]) -> Result<Self, RefusedError> {
        Self::of(opened(envelope)?.unverified_statement()?.predicate)
    }

    fn of(document: RefusedDocument) -> Result<Self, RefusedError> {
        if let Some(problem) = document.problem() {
            return Err(RefusedError::Invalid { problem });
        }
        let digest = document.digest();
        Ok(Self { document, digest })
    }

    pub const fn document(&self) -> &RefusedDocument {
        &self.document
    }

    pub const fn version(&self) -> u32 {
        self.document.version
    }

    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Why content is refused; nothing where it is not.
    pub fn refuses(&self, content: ContentDigest) -> Option<&RefusedEntry> {
        self.document.refused.get(&content)
    }
}

fn opened(envelope: &[u8]) -> Result<Envelope, RefusedError> {
    let (bytes, max) = (envelope.len(), LIST_BYTES_MAX);
    if bytes > max {
        return Err(RefusedError::Envelope(DsseError::TooLarge { bytes, max }));
    }
    Ok(Envelope::read(envelope)?)
}

impl RefusedDocument {
    fn cleared_by_quorum(
        &self,
        content: ContentDigest,
        entry: &RefusedEntry,
        roster: &Roster,
        now: Timestamp,
    ) -> Result<(), RefusedError> {
        let not = |why: String| Err(RefusedError::NotCleared { content, why });
        let Some(envelope) = self.cleared.get(&content) else {
            return not("nobody signed it clean".to_owned());
        };
        match Clearing::read(envelope.as_bytes(), roster, &self.fleet, now) {
            Err(error) => not(format!("what would clear it does not count: {error}")),
            Ok(Clearing { missing: Some(missing), .. }) => not(missing),
            Ok(Clearing { document, .. }) if document.content != content => {
                not(format!("{} was signed clean instead", document.content.short()))
            }
            Ok(Clearing { document, .. }) if document.refused_since != entry.since => {
                not(format!("an earlier refusal was lifted, not that of {}", entry.since))
            }
            Ok(_) => Ok(()),
        }
    }
}
