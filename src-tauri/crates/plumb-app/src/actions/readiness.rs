//! The readiness checklist of a fleet: links, certificates and signed attestations, kept and bound in approvals.

mod evidence;

use jiff::{SignedDuration, Timestamp};
use plumb_fleet::{Digest, FleetId};
use plumb_runbook::Checklist;
use plumb_store::readiness::KeptReadiness;
use plumb_trust::{
    dsse::Envelope,
    readiness::{ReadinessDocument, ReadinessItem, VALID_DAYS_MAX, verify_readiness},
    roster::{GroupId, PersonId, Roster},
};

pub(crate) use evidence::{Evidence, Readiness};

use crate::{
    actions::{approve::owner_of, consent::choice, rosters::fleet_id},
    app::App,
    error::{AppError, Code, chain},
    personal_keys::KeyChoice,
    topics::Topic,
    views::{consent::KeyRequest, readiness::ChecklistView},
};

/// Longest link.
const URL_BYTES_MAX: usize = 2_000;
/// How long an attestation stays good where nothing else is said, in days.
pub const ATTESTED_DAYS: u32 = 30;

/// What somebody attests.
#[derive(Debug, Clone)]
pub struct Attesting {
    pub item: String,
    /// What was looked at.
    pub seen: String,
    /// The group to speak for; not needed where only one can be meant.
    pub role: Option<String>,
    /// For how many days it stays good.
    pub valid_days: u32,
    pub key: KeyChoice,
}

impl App {
    /// How everything that is ready before a change of a fleet stands.
    pub async fn readiness_checklist(&self, fleet: &str) -> Result<ChecklistView, AppError> {
        let fleet = fleet_id(fleet)?;
        let roster = self.roster_of(&fleet).await?;
        let readiness = self.readiness_at(&fleet, roster.as_ref(), self.now()).await?;
        Ok(readiness.view(&fleet, roster.is_some()))
    }

    /// Adds a link as the evidence of an item.
    pub async fn link_readiness(
        &self,
        fleet: &str,
        item: &str,
        url: &str,
    ) -> Result<ChecklistView, AppError> {
        let url = url.trim();
        let known = ["https://", "http://"].iter().any(|scheme| url.starts_with(scheme));
        if !known || url.len() > URL_BYTES_MAX || url.contains(char::is_whitespace) {
            let message = format!("{url:?} is no link that can be kept");
            let hint = "give the whole address, from https:// on, in at most 2,000 bytes";
            return Err(AppError::new(Code::Invalid, message, hint));
        }
        let evidence = Evidence::Link { url: url.to_owned() };
        self.keep_readiness(fleet, item_of(item)?, Some(&evidence)).await
    }

    /// Adds a convergence certificate as the evidence of an item. It must be known here; whether it shows
    /// what the item asks for is judged whenever it is looked at.
    pub async fn certify_readiness(
        &self,
        fleet: &str,
        item: &str,
        of_fleet: Option<&str>,
        digest: &str,
    ) -> Result<ChecklistView, AppError> {
        let digest: Digest = digest.parse().map_err(|error: plumb_fleet::ids::DigestError| {
            let hint = "give the digest that `plumb certificate` tells";
            AppError::new(Code::Invalid, error.to_string(), hint)
        })?;
        let staging = match of_fleet {
            Some(named) => fleet_id(named)?,
            None => self.staging_of(&fleet_id(fleet)?).await?,
        };
        let known = self.known_certificates(&staging).await?;
        if !known.iter().any(|one| one.digest == digest) {
            let message = format!("no certificate {} of {staging} is known here", digest.short());
            let hint = "make it, or import it: plumb certificate import FILE";
            return Err(AppError::new(Code::NotFound, message, hint));
        }
        let evidence = Evidence::Certificate { fleet: staging, digest };
        self.keep_readiness(fleet, item_of(item)?, Some(&evidence)).await
    }

    /// Signs an attestation of an item, and gives its envelope; nothing is kept of it yet.
    pub async fn attest_readiness(
        &self,
        fleet: &str,
        attesting: &Attesting,
    ) -> Result<Vec<u8>, AppError> {
        let (fleet, item) = (fleet_id(fleet)?, item_of(&attesting.item)?);
        let roster = self.ruling_roster(&fleet).await?;
        let key = self.personal_key(&attesting.key).await?;
        let person = owner_of(&roster, key.public())?;
        let role = role(&roster, &fleet, item, &person, attesting.role.as_deref())?;
        let now = self.now();
        let days = attesting.valid_days.min(VALID_DAYS_MAX);
        let document = ReadinessDocument {
            fleet,
            item,
            person,
            role,
            seen: attesting.seen.trim().to_owned(),
            issued_at: now,
            expires_at: now + SignedDuration::from_hours(24 * i64::from(days)),
        };
        let refused = |error: &dyn std::error::Error| {
            AppError::new(Code::Invalid, chain(error), "say what you saw, and for how many days")
        };
        let statement = document.statement().map_err(|error| refused(&error))?;
        let envelope =
            Envelope::sign(&statement, &[&key]).map_err(|error| refused(&error))?.to_bytes();
        verify_readiness(&envelope, &roster, now).map_err(|error| refused(&error))?;
        Ok(envelope)
    }

    /// Adds an attestation that somebody signed, here or elsewhere.
    pub async fn add_readiness(
        &self,
        fleet: &str,
        envelope: &[u8],
    ) -> Result<ChecklistView, AppError> {
        let id = fleet_id(fleet)?;
        let roster = self.ruling_roster(&id).await?;
        let verified = verify_readiness(envelope, &roster, self.now()).map_err(|refusal| {
            let message = format!("the attestation does not count: {}", chain(&refusal));
            let hint = "compare the key, the roster and the clock of whoever signed";
            AppError::new(Code::Invalid, message, hint)
        })?;
        let document = verified.document();
        if document.fleet != id {
            let message = format!("the attestation is about fleet {}", document.fleet);
            return Err(AppError::new(Code::Invalid, message, "add it to that fleet"));
        }
        let text = String::from_utf8_lossy(envelope).into_owned();
        let evidence = Evidence::Attestation { envelope: text };
        self.keep_readiness(fleet, document.item, Some(&evidence)).await
    }

    /// Signs an attestation with a key of the window, and adds it.
    pub async fn attest_here(
        &self,
        fleet: &str,
        item: &str,
        seen: &str,
        role: Option<String>,
        key: KeyRequest,
    ) -> Result<ChecklistView, AppError> {
        self.writable(fleet)?;
        let attesting = Attesting {
            item: item.to_owned(),
            seen: seen.to_owned(),
            role,
            valid_days: ATTESTED_DAYS,
            key: choice(key)?,
        };
        let envelope = self.attest_readiness(fleet, &attesting).await?;
        self.add_readiness(fleet, &envelope).await
    }

    /// Withdraws the evidence of an item.
    pub async fn withdraw_readiness(
        &self,
        fleet: &str,
        item: &str,
    ) -> Result<ChecklistView, AppError> {
        self.keep_readiness(fleet, item_of(item)?, None).await
    }

    async fn keep_readiness(
        &self,
        fleet: &str,
        item: ReadinessItem,
        evidence: Option<&Evidence>,
    ) -> Result<ChecklistView, AppError> {
        self.writable(fleet)?;
        let id = fleet_id(fleet)?;
        let kept = KeptReadiness {
            item: item.name().to_owned(),
            document: evidence.map(Evidence::document),
            added_by: self.0.options.operator.clone(),
            added_at: self.now(),
        };
        let mut record = self.record().write().await?;
        plumb_store::readiness::add(&mut record, &id, &kept).await?;
        record.commit().await?;
        self.announce([Topic::fleet(&id)]);
        self.readiness_checklist(fleet).await
    }

    /// The fleet that the roster names as staging.
    async fn staging_of(&self, fleet: &FleetId) -> Result<FleetId, AppError> {
        let roster = self.roster_of(fleet).await?;
        let environment = roster.as_ref().and_then(|roster| roster.environment_of(fleet));
        environment.and_then(|(_, of)| of.staging_fleet.clone()).ok_or_else(|| {
            let message = format!("the roster names no staging fleet for {fleet}");
            AppError::new(
                Code::Invalid,
                message,
                "say of which fleet the certificate is: --of FLEET",
            )
        })
    }

    /// What is known of the readiness of a fleet at a moment.
    pub(crate) async fn readiness_at(
        &self,
        fleet: &FleetId,
        roster: Option<&Roster>,
        at: Timestamp,
    ) -> Result<Readiness, AppError> {
        let kept = {
            let mut conn = self.record().read().await?;
            plumb_store::readiness::newest(&mut conn, fleet, at).await?
        };
        let environment = roster.and_then(|roster| roster.environment_of(fleet)).map(|(_, of)| of);
        let required = environment.map(|of| of.readiness.clone()).unwrap_or_default();
        let staging = environment.and_then(|of| of.staging_fleet.clone());
        let mut readiness = Readiness::new(required);
        for one in kept {
            let Ok(item) = one.item.parse::<ReadinessItem>() else { continue };
            let Some(document) = &one.document else { continue };
            let evidence = Evidence::read(document)?;
            let offered = match &evidence {
                Evidence::Link { .. } => evidence::link(&evidence),
                Evidence::Attestation { envelope } => {
                    evidence::attestation(envelope, roster, (fleet, item), at)
                }
                Evidence::Certificate { fleet: of, digest } => {
                    let known = self.known_certificates(of).await?;
                    let found = known.iter().find(|one| one.digest == *digest);
                    evidence::certificate(item, (of, *digest), staging.as_ref(), found)
                }
            };
            readiness.add(item, offered, one);
        }
        Ok(readiness)
    }

    /// The checklist by which a plan is examined: nothing where no roster rules the fleet and nothing was
    /// ever added to it.
    pub(crate) async fn checklist(&self, fleet: &FleetId) -> Result<Option<Checklist>, AppError> {
        let roster = self.roster_of(fleet).await?;
        let readiness = self.readiness_at(fleet, roster.as_ref(), self.now()).await?;
        Ok((roster.is_some() || !readiness.is_empty()).then(|| readiness.checklist()))
    }
}

/// The certificate of another fleet that kept evidence names, in words.
pub(crate) fn certificate_named(document: &str) -> Option<String> {
    match Evidence::read(document) {
        Ok(Evidence::Certificate { fleet, digest }) => {
            Some(format!("certificate {} of {fleet}", digest.short()))
        }
        _ => None,
    }
}

fn item_of(word: &str) -> Result<ReadinessItem, AppError> {
    word.replace('-', "_").parse().map_err(|error: plumb_trust::readiness::ReadinessItemError| {
        let all: Vec<&str> = ReadinessItem::ALL.iter().map(|item| item.name()).collect();
        AppError::new(Code::Invalid, error.to_string(), format!("there are: {}", all.join(", ")))
    })
}

/// The group somebody speaks for: the one that was named, or the only one that can be meant.
fn role(
    roster: &Roster,
    fleet: &FleetId,
    item: ReadinessItem,
    person: &PersonId,
    named: Option<&str>,
) -> Result<GroupId, AppError> {
    let groups = roster.person(person).map(|entry| entry.groups.clone()).unwrap_or_default();
    if let Some(named) = named {
        return groups.into_iter().find(|group| group.as_str() == named).ok_or_else(|| {
            let message = format!("{person} is not in the group {named}");
            AppError::new(Code::Invalid, message, "speak for a group of yours")
        });
    }
    let required = roster.environment_of(fleet).and_then(|(_, of)| of.readiness.get(&item));
    let asked = groups.iter().filter(|group| required.is_some_and(|of| of.by.contains(*group)));
    let asked: Vec<&GroupId> = asked.collect();
    match (asked.as_slice(), groups.iter().collect::<Vec<_>>().as_slice()) {
        ([only], _) | ([], [only]) => Ok((*only).clone()),
        (_, all) => {
            let all: Vec<&str> = all.iter().map(|group| group.as_str()).collect();
            let message = format!("{person} must say for which group");
            Err(AppError::new(Code::Invalid, message, format!("--role, of: {}", all.join(", "))))
        }
    }
}
