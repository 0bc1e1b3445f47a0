//! What is ready before a change, and signed attestations of it.

use std::{fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use plumb_fleet::{Digest, FleetId};
use serde::{Deserialize, Serialize};

use crate::{
    approval::{ApprovalRefusal, CLOCK_AHEAD_S_MAX, REASON_BYTES_MAX, signer},
    dsse::{DsseError, Envelope, Predicate, Statement, Subject},
    roster::{GroupId, PersonId, Roster},
};

/// Longest that an attestation may stay good, in days: a year.
pub const VALID_DAYS_MAX: u32 = 366;

/// Something that is ready before a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ReadinessItem {
    StagingRollback,
    AlertsRouted,
    RunbookSigned,
    HealthScraped,
    FetcherConfigured,
    WorkPlanned,
    TeamsTrained,
    PacksServed,
}

impl ReadinessItem {
    pub const ALL: [Self; 8] = [
        Self::StagingRollback,
        Self::AlertsRouted,
        Self::RunbookSigned,
        Self::HealthScraped,
        Self::FetcherConfigured,
        Self::WorkPlanned,
        Self::TeamsTrained,
        Self::PacksServed,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::StagingRollback => "staging_rollback",
            Self::AlertsRouted => "alerts_routed",
            Self::RunbookSigned => "runbook_signed",
            Self::HealthScraped => "health_scraped",
            Self::FetcherConfigured => "fetcher_configured",
            Self::WorkPlanned => "work_planned",
            Self::TeamsTrained => "teams_trained",
            Self::PacksServed => "packs_served",
        }
    }

    /// What is ready, in words.
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::StagingRollback => "a staging run that showed an automatic rollback",
            Self::AlertsRouted => "alerts that reach whoever is on call",
            Self::RunbookSigned => "a runbook signed by Security",
            Self::HealthScraped => "a health endpoint that is scraped",
            Self::FetcherConfigured => "fetchers with interval, endpoints and trust roots",
            Self::WorkPlanned => "owners for each piece of the work, and their days",
            Self::TeamsTrained => "a handover to the teams that operate it",
            Self::PacksServed => "a pack endpoint with its attestations, in service",
        }
    }

    /// Whether every rollout is asked for it; the others are asked for where a roster does.
    pub const fn is_always_asked(self) -> bool {
        matches!(
            self,
            Self::StagingRollback | Self::AlertsRouted | Self::RunbookSigned | Self::HealthScraped
        )
    }
}

impl fmt::Display for ReadinessItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The word names nothing that can be ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{word:?} is no item of the readiness checklist")]
pub struct ReadinessItemError {
    pub word: String,
}

impl FromStr for ReadinessItem {
    type Err = ReadinessItemError;
    fn from_str(word: &str) -> Result<Self, ReadinessItemError> {
        let item = Self::ALL.into_iter().find(|item| item.name() == word);
        item.ok_or_else(|| ReadinessItemError { word: word.chars().take(120).collect() })
    }
}

impl TryFrom<String> for ReadinessItem {
    type Error = ReadinessItemError;
    fn try_from(word: String) -> Result<Self, ReadinessItemError> {
        word.parse()
    }
}

impl From<ReadinessItem> for String {
    fn from(item: ReadinessItem) -> Self {
        item.name().to_owned()
    }
}

/// Version 1 of what an attestation says: a person looked at something of a fleet, and it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadinessDocument {
    pub fleet: FleetId,
    pub item: ReadinessItem,
    pub person: PersonId,
    /// The group the person speaks for.
    pub role: GroupId,
    /// What was looked at, for example the address of a runbook and what was found. SHA-256 of it is the
    /// subject of the statement.
    pub seen: String,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Predicate for ReadinessDocument {
    const TYPE: &'static str = "urn:plumbline:readiness:v1";
}

/// Why an attestation does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadinessRefusal {
    #[error(transparent)]
    Signature(#[from] ApprovalRefusal),
    #[error("it cannot be read: {error}")]
    Statement { error: DsseError },
    #[error("its subject is not what it says was looked at")]
    Subject,
    #[error("say what was looked at, in 1 to {REASON_BYTES_MAX} bytes")]
    Nothing,
    #[error(
        "it is good for longer than the {VALID_DAYS_MAX} days allowed, or ends before it begins"
    )]
    Expiry,
    #[error("{signed} signed it in the name of {named}")]
    OtherPerson { signed: PersonId, named: PersonId },
    #[error("{person} is not in the group {role}")]
    NotInGroup { person: PersonId, role: GroupId },
    #[error("it was signed at {issued_at}, which has not come; compare the clocks")]
    FromTheFuture { issued_at: Timestamp },
    #[error("it expired at {at}")]
    Expired { at: Timestamp },
}

/// An attestation of a person whose key counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedReadiness {
    document: ReadinessDocument,
    payload: Digest,
}

impl VerifiedReadiness {
    pub const fn document(&self) -> &ReadinessDocument {
        &self.document
    }

    /// SHA-256 of the signed payload: the name of this attestation.
    pub const fn payload(&self) -> Digest {
        self.payload
    }
}

impl ReadinessDocument {
    /// The statement to sign.
    ///
    /// # Errors
    /// When nothing was looked at, or it ends before it begins or too late.
    pub fn statement(self) -> Result<Statement<Self>, ReadinessRefusal> {
        self.check()?;
        Ok(Statement { subject: vec![self.subject()], predicate: self })
    }

    fn subject(&self) -> Subject {
        Subject::new(format!("readiness/{}", self.item), Digest::of(self.seen.as_bytes()))
    }

    fn check(&self) -> Result<(), ReadinessRefusal> {
        if self.seen.trim().is_empty() || self.seen.len() > REASON_BYTES_MAX {
            return Err(ReadinessRefusal::Nothing);
        }
        let longest = SignedDuration::from_hours(24 * i64::from(VALID_DAYS_MAX));
        let valid = self.expires_at.duration_since(self.issued_at);
        if valid <= SignedDuration::ZERO || valid > longest {
            return Err(ReadinessRefusal::Expiry);
        }
        Ok(())
    }
}

/// Verifies an attestation: one signature, by a key that the roster gives to the person who speaks, in a
/// role that person has, and still good. What it is about is for the caller to compare.
pub fn verify_readiness(
    envelope: &[u8],
    roster: &Roster,
    now: Timestamp,
) -> Result<VerifiedReadiness, ReadinessRefusal> {
    let envelope =
        Envelope::read(envelope).map_err(|error| ReadinessRefusal::Statement { error })?;
    let (verified, person, _) = signer(&envelope, roster, now)?;
    let statement: Statement<ReadinessDocument> =
        verified.statement().map_err(|error| ReadinessRefusal::Statement { error })?;
    let document = statement.predicate;
    document.check()?;
    if statement.subject != [document.subject()] {
        return Err(ReadinessRefusal::Subject);
    }
    if document.person != *person {
        let (signed, named) = (person.clone(), document.person);
        return Err(ReadinessRefusal::OtherPerson { signed, named });
    }
    let groups = roster.person(person).map(|person| &person.groups);
    if !groups.is_some_and(|groups| groups.contains(&document.role)) {
        let (person, role) = (person.clone(), document.role);
        return Err(ReadinessRefusal::NotInGroup { person, role });
    }
    let ahead = SignedDuration::from_secs(CLOCK_AHEAD_S_MAX);
    if document.issued_at.duration_since(now) > ahead {
        return Err(ReadinessRefusal::FromTheFuture { issued_at: document.issued_at });
    }
    if document.expires_at <= now {
        return Err(ReadinessRefusal::Expired { at: document.expires_at });
    }
    Ok(VerifiedReadiness { document, payload: envelope.payload_digest() })
}
