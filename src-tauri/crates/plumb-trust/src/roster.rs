//! The signed roster: people with their groups and keys, and the rule of each environment.
//!
//! One document in one envelope, with a signature for each root key that agreed: every signer signs the
//! same bytes, the file travels as one, and its version and digest are those of a single thing. Who is
//! trusted to sign the next one stands in the last one that was accepted (as in The Update Framework):
//! a roster with other root keys needs the old ones and the new ones.

mod environment;
mod names;
mod rule;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use plumb_fleet::{Digest, FleetId};
use serde::{Deserialize, Serialize};

pub use environment::{CONSOLES_MAX, Environment, FREEZE_WINDOWS_MAX, FreezeWindow, Requirement};
pub use names::{GroupId, PersonId, RosterNameError};
pub(crate) use rule::filled;
pub use rule::{NightRollback, Quorum, Rule, SEATS_MAX};

use crate::{
    dsse::{DsseError, Envelope, KeyId, Predicate, PublicKey, Statement, Subject},
    policy::Window,
};

/// Most people in one roster: each key is tried on an envelope that names none.
pub const PEOPLE_MAX: usize = 500;
/// Most keys of one person: a few machines, and those that were retired.
pub const PERSON_KEYS_MAX: usize = 8;
/// Most root keys.
pub const ROOTS_MAX: usize = crate::dsse::SIGNATURES_MAX;
/// Longest name of a person, key or environment, in bytes.
const LABEL_BYTES_MAX: usize = 128;

/// Why a roster was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RosterError {
    #[error("the roster's envelope cannot be used")]
    Envelope(#[from] DsseError),
    #[error("the roster cannot be used: {problem}")]
    Invalid { problem: String },
    #[error("{signed} of the {needed} required {whose} root keys signed version {version}")]
    Threshold { whose: &'static str, signed: usize, needed: u32, version: u32 },
    #[error(
        "its root keys are {found}, not those that were given; compare them with whoever made it"
    )]
    OtherRoots { found: String },
    #[error("it is version {version}, older than version {newest}, which was seen before")]
    Older { version: u32, newest: u32 },
    #[error("it is another version {version} than the one that was seen before")]
    Forked { version: u32 },
}

/// Keys that sign rosters, and how many of them it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roots {
    pub threshold: u32,
    pub keys: Vec<RootKey>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RootKey {
    pub name: String,
    pub key: PublicKey,
}

impl Roots {
    pub fn ids(&self) -> BTreeSet<KeyId> {
        self.keys.iter().map(|root| root.key.id()).collect()
    }
}

/// Somebody who may ask for or consent to a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    pub name: String,
    pub groups: BTreeSet<GroupId>,
    pub keys: Vec<PersonKey>,
}

/// A key of a person, when it counts, and whether it was taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonKey {
    pub key: PublicKey,
    #[serde(default)]
    pub from: Option<Timestamp>,
    #[serde(default)]
    pub until: Option<Timestamp>,
    #[serde(default)]
    pub revoked_at: Option<Timestamp>,
}

impl PersonKey {
    pub const fn window(&self) -> Window {
        Window { from: self.from, until: self.until }
    }

    /// Whether it counts at this moment.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.window().contains(now) && self.revoked_at.is_none_or(|at| at > now)
    }
}

/// What a roster says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterDocument {
    pub version: u32,
    pub issued_at: Timestamp,
    pub expires_at: Timestamp,
    pub roots: Roots,
    pub people: BTreeMap<PersonId, Person>,
    pub environments: BTreeMap<String, Environment>,
    /// The environment of each fleet.
    pub fleets: BTreeMap<FleetId, String>,
}

impl Predicate for RosterDocument {
    const TYPE: &'static str = "urn:plumbline:roster:v1";
}

impl RosterDocument {
    /// SHA-256 of its canonical JSON: the digest that plans and approvals bind.
    pub fn digest(&self) -> Digest {
        let bytes = serde_json_canonicalizer::to_vec(self).expect("a roster always serialises");
        Digest::of(&bytes)
    }

    /// The statement that root keys sign.
    ///
    /// # Errors
    /// When the document contradicts itself; the message says where.
    pub fn statement(self) -> Result<Statement<Self>, RosterError> {
        self.check()?;
        Ok(Statement { subject: vec![Subject::new("roster", self.digest())], predicate: self })
    }

    fn check(&self) -> Result<(), RosterError> {
        self.problem().map_or(Ok(()), |problem| Err(RosterError::Invalid { problem }))
    }

    fn problem(&self) -> Option<String> {
        if self.version == 0 {
            return Some("versions begin at 1".to_owned());
        }
        if self.expires_at <= self.issued_at {
            return Some("it expires before it is issued".to_owned());
        }
        let roots = &self.roots;
        let distinct = roots.ids().len();
        if distinct != roots.keys.len() || distinct > ROOTS_MAX {
            return Some(format!("root keys are 1 to {ROOTS_MAX}, each once"));
        }
        if roots.threshold == 0 || usize::try_from(roots.threshold).is_ok_and(|k| k > distinct) {
            return Some(format!("{} of {distinct} root keys cannot sign", roots.threshold));
        }
        self.people_problem().or_else(|| self.rule_problem())
    }

    fn people_problem(&self) -> Option<String> {
        if self.people.len() > PEOPLE_MAX {
            return Some(format!("more than {PEOPLE_MAX} people"));
        }
        let mut owners: BTreeMap<KeyId, &PersonId> = BTreeMap::new();
        for (id, person) in &self.people {
            if person.keys.len() > PERSON_KEYS_MAX {
                return Some(format!("{id} has more than {PERSON_KEYS_MAX} keys"));
            }
            if label_is_bad(&person.name) {
                return Some(format!(
                    "the name of {id} is empty, too long or holds control characters"
                ));
            }
            for key in &person.keys {
                if let Some(other) = owners.insert(key.key.id(), id) {
                    let short = key.key.id().short();
                    return Some(format!("the key {short} stands twice: {other} and {id}"));
                }
                if let (Some(from), Some(until)) = (key.from, key.until)
                    && until < from
                {
                    return Some(format!("a key of {id} ends before it begins"));
                }
            }
        }
        None
    }

    fn rule_problem(&self) -> Option<String> {
        let all: BTreeMap<&PersonId, &BTreeSet<GroupId>> =
            self.people.iter().map(|(id, person)| (id, &person.groups)).collect();
        let groups: BTreeSet<&GroupId> =
            self.people.values().flat_map(|person| &person.groups).collect();
        for (name, environment) in &self.environments {
            if label_is_bad(name) {
                return Some(format!("the environment {name:?} is no name"));
            }
            if let Some(problem) = environment.rule.problem(&all) {
                return Some(format!("the rule of {name}: {problem}"));
            }
            if let Some(problem) = environment.problem(&groups) {
                return Some(format!("the environment {name}: {problem}"));
            }
            if let Some(staging) = &environment.staging_fleet
                && !self.fleets.contains_key(staging)
            {
                return Some(format!("the staging fleet {staging} of {name} has no environment"));
            }
        }
        let unknown = |(_, environment): &(&FleetId, &String)| {
            !self.environments.contains_key(environment.as_str())
        };
        self.fleets.iter().find(unknown).map(|(fleet, environment)| {
            format!("the environment {environment:?} of fleet {fleet} is not described")
        })
    }
}

fn label_is_bad(label: &str) -> bool {
    label.is_empty() || label.len() > LABEL_BYTES_MAX || label.contains(char::is_control)
}

/// What a reader remembers of the newest roster it accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterPin {
    pub roots: Roots,
    pub version: u32,
    pub digest: Digest,
}

/// Which roster something was decided by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RosterRef {
    pub version: u32,
    pub digest: Digest,
}

/// A roster whose signatures were checked. It can be made by [`Roster::enrol`] and
/// [`Roster::accept`] only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roster {
    document: RosterDocument,
    digest: Digest,
}

impl Roster {
    /// Accepts a first roster: signed by enough of these root keys, which came another way, and naming
    /// exactly them.
    pub fn enrol(envelope: &[u8], roots: &[PublicKey]) -> Result<Self, RosterError> {
        let envelope = Envelope::read(envelope)?;
        let document: RosterDocument = envelope.verify(roots)?.statement()?.predicate;
        let roster = Self::checked(document)?;
        let found = roster.document.roots.ids();
        if found != roots.iter().map(PublicKey::id).collect() {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            return Err(RosterError::OtherRoots { found: found.join(", ") });
        }
        roster.signed_by(&envelope, &roster.document.roots, "named")?;
        Ok(roster)
    }

    /// Accepts the roster that is pinned, or a newer one that its root keys signed.
    pub fn accept(envelope: &[u8], pin: &RosterPin) -> Result<Self, RosterError> {
        let envelope = Envelope::read(envelope)?;
        let keys = pin.roots.keys.iter().map(|root| &root.key);
        let document: RosterDocument = envelope.verify(keys)?.statement()?.predicate;
        let roster = Self::checked(document)?;
        roster.signed_by(&envelope, &pin.roots, "enrolled")?;
        let RosterDocument { version, roots, .. } = &roster.document;
        if *roots != pin.roots {
            roster.signed_by(&envelope, roots, "new")?;
        }
        if *version < pin.version {
            return Err(RosterError::Older { version: *version, newest: pin.version });
        }
        if *version == pin.version && roster.digest != pin.digest {
            return Err(RosterError::Forked { version: *version });
        }
        Ok(roster)
    }

    /// Reads a roster for people to look at or to sign, believing nothing of it, and says which of the
    /// root keys it names signed it so far.
    pub fn look(envelope: &[u8]) -> Result<(RosterDocument, BTreeSet<KeyId>), RosterError> {
        let envelope = Envelope::read(envelope)?;
        let document: RosterDocument = envelope.unverified_statement()?.predicate;
        document.check()?;
        let verified = envelope.verify(document.roots.keys.iter().map(|root| &root.key))?;
        let signers = verified.signers().iter().map(|key| key.id()).collect();
        Ok((document, signers))
    }

    fn checked(document: RosterDocument) -> Result<Self, RosterError> {
        document.check()?;
        let digest = document.digest();
        Ok(Self { document, digest })
    }

    fn signed_by(
        &self,
        envelope: &Envelope,
        roots: &Roots,
        whose: &'static str,
    ) -> Result<(), RosterError> {
        let signed = envelope.verify(roots.keys.iter().map(|root| &root.key))?.signers().len();
        let needed = roots.threshold;
        if usize::try_from(needed).is_ok_and(|needed| signed >= needed) {
            return Ok(());
        }
        Err(RosterError::Threshold { whose, signed, needed, version: self.document.version })
    }

    pub const fn document(&self) -> &RosterDocument {
        &self.document
    }

    pub const fn reference(&self) -> RosterRef {
        RosterRef { version: self.document.version, digest: self.digest }
    }

    /// What to remember so that nothing older is accepted later.
    pub fn pin(&self) -> RosterPin {
        let RosterRef { version, digest } = self.reference();
        RosterPin { roots: self.document.roots.clone(), version, digest }
    }

    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.document.expires_at <= now
    }

    /// The name of the environment of a fleet, and what holds there.
    pub fn environment_of(&self, fleet: &FleetId) -> Option<(&str, &Environment)> {
        let name = self.document.fleets.get(fleet)?;
        Some((name, self.document.environments.get(name)?))
    }

    pub fn person(&self, id: &PersonId) -> Option<&Person> {
        self.document.people.get(id)
    }

    /// Every key, of whom it is, and when it counts; also those that no longer do.
    pub fn keys(&self) -> impl Iterator<Item = (&PersonId, &PersonKey)> {
        let people = self.document.people.iter();
        people.flat_map(|(id, person)| person.keys.iter().map(move |key| (id, key)))
    }
}
