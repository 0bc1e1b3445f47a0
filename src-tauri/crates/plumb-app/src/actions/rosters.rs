//! Rosters: looked at, signed, and accepted for a fleet.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use plumb_fleet::FleetId;
use plumb_runbook::ConsentTerms;
use plumb_store::rosters::KeptRoster;
use plumb_trust::{
    dsse::{DsseError, Envelope, KeyId, PublicKey},
    readiness::ReadinessItem,
    roster::{
        FreezeWindow, GroupId, PersonKey, Requirement, RootKey, Roots, Roster, RosterDocument,
        RosterError, RosterPin,
    },
};

use crate::{
    app::App,
    error::{AppError, Code, chain},
    personal_keys::KeyChoice,
    views::approvals::{EnvironmentView, PersonKeyView, PersonView, RootView, RosterView},
};

/// The rosters of a fleet, oldest first, each with the moment from which it ruled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rosters(Vec<(Timestamp, Roster)>);

impl Rosters {
    /// One that ruled all the time.
    pub(crate) fn of(roster: Option<Roster>) -> Self {
        Self(roster.map(|roster| (Timestamp::MIN, roster)).into_iter().collect())
    }

    /// The roster that ruled at a moment. Before the first was accepted here, another machine may have had it.
    pub(crate) fn at(&self, at: Timestamp) -> Option<&Roster> {
        let by_then = self.0.iter().rev().find(|(from, _)| *from <= at);
        by_then.or_else(|| self.0.first()).map(|(_, roster)| roster)
    }
}

/// A roster that somebody names because they trust it: its own root keys have to have signed it.
pub fn roster_as_given(text: &str) -> Result<Roster, AppError> {
    let no_roster = |error: RosterError| {
        let message = format!("it is no roster: {}", chain(&error));
        AppError::new(Code::Invalid, message, "name the roster as its root keys signed it")
    };
    let (document, _) = Roster::look(text.as_bytes()).map_err(no_roster)?;
    let roots: Vec<PublicKey> = document.roots.keys.into_iter().map(|root| root.key).collect();
    Roster::enrol(text.as_bytes(), &roots).map_err(no_roster)
}

impl App {
    /// Accepts a roster for a fleet that it names. The first one needs its root keys, which came another
    /// way; a later one is judged by the last.
    pub async fn enrol_roster(
        &self,
        fleet: &str,
        envelope: &[u8],
        roots: &[PublicKey],
    ) -> Result<RosterView, AppError> {
        let fleet = fleet_id(fleet)?;
        let mut record = self.record().write().await?;
        let known = plumb_store::rosters::newest(&mut record, &fleet).await?;
        let roster = match &known {
            Some(kept) => {
                let pin = pin_of(kept)?;
                let given: BTreeSet<KeyId> = roots.iter().map(PublicKey::id).collect();
                if !given.is_empty() && given != pin.roots.ids() {
                    return Err(AppError::new(
                        Code::Invalid,
                        format!("the roster of {fleet} has other root keys than those given"),
                        "leave --root out: the roster that is enrolled says who signs the next",
                    ));
                }
                Roster::accept(envelope, &pin)
            }
            None if roots.is_empty() => {
                return Err(AppError::new(
                    Code::Invalid,
                    format!("no roster is enrolled for {fleet} yet"),
                    "give the root keys, which you had from whoever made the roster: --root FILE",
                ));
            }
            None => Roster::enrol(envelope, roots),
        };
        let roster = roster.map_err(|error| refused(&error))?;
        let now = self.now();
        if roster.is_expired(now) {
            let at = roster.document().expires_at;
            let message = format!("the roster expired at {at}");
            return Err(AppError::new(Code::Invalid, message, "get the newest one"));
        }
        if roster.environment_of(&fleet).is_none() {
            let message = format!("the roster says nothing about fleet {fleet}");
            let hint = "give the roster that names it, or name another fleet with --fleet";
            return Err(AppError::new(Code::Invalid, message, hint));
        }
        let pin = serde_json::to_string(&roster.pin()).expect("a pin always serialises");
        let reference = roster.reference();
        let kept = KeptRoster {
            version: reference.version,
            digest: reference.digest,
            envelope: envelope.to_vec(),
            pin,
            accepted_at: now,
        };
        plumb_store::rosters::add(&mut record, &fleet, &kept).await?;
        record.commit().await?;
        self.announce([crate::topics::Topic::fleet(&fleet)]);
        Ok(view(roster.document(), &signers(envelope, roster.document()), now))
    }

    /// The roster of a fleet, verified again as it was when it was accepted.
    pub(crate) async fn roster_of(&self, fleet: &FleetId) -> Result<Option<Roster>, AppError> {
        let mut conn = self.record().read().await?;
        let Some(kept) = plumb_store::rosters::newest(&mut conn, fleet).await? else {
            return Ok(None);
        };
        let roster = Roster::accept(&kept.envelope, &pin_of(&kept)?);
        roster.map(Some).map_err(|error| refused(&error))
    }

    /// The rosters of a fleet, verified again as they were when they were accepted. In evidence it is the one that
    /// somebody who is trusted vouches for, if any.
    pub(crate) async fn rosters_of(&self, fleet: &FleetId) -> Result<Rosters, AppError> {
        if let Some(evidence) = self.in_evidence() {
            let former = evidence.former_rosters();
            let newest = former.last().map_or(Timestamp::MIN, |last| last.line.until);
            let all = former.iter().map(|one| (one.line.from, one.roster.clone()));
            let newest = evidence.trusted_roster().map(|roster| (newest, roster.clone()));
            return Ok(Rosters(all.chain(newest).collect()));
        }
        let kept = {
            let mut conn = self.record().read().await?;
            plumb_store::rosters::all(&mut conn, fleet).await?
        };
        let read = |kept: &KeptRoster| {
            let roster = Roster::accept(&kept.envelope, &pin_of(kept)?);
            Ok((kept.accepted_at, roster.map_err(|error| refused(&error))?))
        };
        kept.iter().map(read).collect::<Result<_, AppError>>().map(Rosters)
    }

    /// The roster that a plan was made for, verified again as it was when it was accepted.
    pub(crate) async fn roster_named(
        &self,
        fleet: &FleetId,
        terms: &ConsentTerms,
    ) -> Result<Roster, AppError> {
        let mut conn = self.record().read().await?;
        let kept = plumb_store::rosters::by_digest(&mut conn, fleet, terms.roster).await?;
        let Some(kept) = kept else {
            let version = terms.roster_version;
            let message = format!("version {version} of the roster of {fleet} is not kept here");
            let hint = "restore record.sqlite from a copy that has it, or undo by a new plan";
            return Err(AppError::new(Code::NotFound, message, hint));
        };
        Roster::accept(&kept.envelope, &pin_of(&kept)?).map_err(|error| refused(&error))
    }

    /// The same where there must be one.
    pub(crate) async fn ruling_roster(&self, fleet: &FleetId) -> Result<Roster, AppError> {
        self.roster_of(fleet).await?.ok_or_else(|| {
            AppError::new(
                Code::NotFound,
                format!("no roster is enrolled for fleet {fleet}"),
                format!("enrol it: plumb roster enrol FILE --root KEY --fleet {fleet}"),
            )
        })
    }

    /// The roster that is enrolled for a fleet.
    pub async fn roster(&self, fleet: &str) -> Result<RosterView, AppError> {
        let fleet = fleet_id(fleet)?;
        let roster = self.ruling_roster(&fleet).await?;
        let mut conn = self.record().read().await?;
        let kept = plumb_store::rosters::newest(&mut conn, &fleet).await?;
        let envelope = kept.map(|kept| kept.envelope).unwrap_or_default();
        Ok(view(roster.document(), &signers(&envelope, roster.document()), self.now()))
    }

    /// A draft with these root keys, for people to complete by hand.
    pub fn draft_roster(
        &self,
        roots: Vec<(String, PublicKey)>,
        threshold: u32,
        days: u32,
    ) -> Result<String, AppError> {
        let now = self.now();
        // Whole seconds, so that the file reads well.
        let issued_at = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let expires_at = issued_at + SignedDuration::from_hours(24 * i64::from(days));
        let keys = roots.into_iter().map(|(name, key)| RootKey { name, key }).collect();
        let document = RosterDocument {
            version: 1,
            issued_at,
            expires_at,
            roots: Roots { threshold, keys },
            people: BTreeMap::new(),
            environments: BTreeMap::new(),
            fleets: BTreeMap::new(),
        };
        // What contradicts itself is said now, not after an hour of editing.
        document.clone().statement().map_err(|error| refused(&error))?;
        Ok(serde_json::to_string_pretty(&document).expect("a roster always serialises") + "\n")
    }

    /// Looks at a draft or a signed roster, believing nothing of it.
    pub fn look_at_roster(&self, file: &[u8]) -> Result<RosterView, AppError> {
        if Envelope::read(file).is_ok() {
            let (document, signed) = Roster::look(file).map_err(|error| refused(&error))?;
            return Ok(view(&document, &signed, self.now()));
        }
        Ok(view(&draft(file)?, &BTreeSet::new(), self.now()))
    }

    /// Verifies a first roster by root keys that came another way, as enrolling it would.
    pub fn verify_roster(&self, file: &[u8], roots: &[PublicKey]) -> Result<RosterView, AppError> {
        let roster = Roster::enrol(file, roots).map_err(|error| refused(&error))?;
        Ok(view(roster.document(), &signers(file, roster.document()), self.now()))
    }

    /// Signs a draft or adds a signature to an envelope, and gives the envelope.
    pub async fn sign_roster(
        &self,
        file: &[u8],
        key: &KeyChoice,
    ) -> Result<(Vec<u8>, RosterView), AppError> {
        let key = self.personal_key(key).await?;
        let (document, envelope) = match Envelope::read(file) {
            Ok(envelope) => (Roster::look(file).map_err(|e| refused(&e))?.0, Some(envelope)),
            Err(_) => (draft(file)?, None),
        };
        if !document.roots.ids().contains(&key.public().id()) {
            let message = format!("{} is no root key of this roster", key.public().id());
            let hint = "sign with a key that stands under roots, or add it there first";
            return Err(AppError::new(Code::Invalid, message, hint));
        }
        let sign =
            |error: DsseError| AppError::new(Code::Invalid, chain(&error), "nothing to sign");
        let envelope = if let Some(mut envelope) = envelope {
            envelope.add_signature(&key).map_err(sign)?;
            envelope
        } else {
            let statement = document.clone().statement().map_err(|error| refused(&error))?;
            Envelope::sign(&statement, &[&key]).map_err(sign)?
        };
        let bytes = envelope.to_bytes();
        let view = view(&document, &signers(&bytes, &document), self.now());
        Ok((bytes, view))
    }
}

fn draft(file: &[u8]) -> Result<RosterDocument, AppError> {
    serde_json::from_slice(file).map_err(|error| {
        AppError::new(
            Code::Invalid,
            format!("neither a signed roster nor a draft of one: {error}"),
            "begin with: plumb roster new",
        )
    })
}

/// The root keys whose signatures are on an envelope.
pub(crate) fn signers(envelope: &[u8], document: &RosterDocument) -> BTreeSet<KeyId> {
    let keys = document.roots.keys.iter().map(|root| &root.key);
    Envelope::read(envelope)
        .ok()
        .and_then(|read| {
            let verified = read.verify(keys).ok()?;
            Some(verified.signers().iter().map(|key| key.id()).collect())
        })
        .unwrap_or_default()
}

pub(crate) fn fleet_id(fleet: &str) -> Result<FleetId, AppError> {
    FleetId::new(fleet).map_err(|error| {
        AppError::new(Code::Invalid, format!("the name of the fleet {error}"), "name the fleet")
    })
}

fn pin_of(kept: &KeptRoster) -> Result<RosterPin, AppError> {
    serde_json::from_str(&kept.pin).map_err(|error| {
        let message = format!("the kept roster does not read back: {error}");
        AppError::new(Code::Other, message, "restore record.sqlite from a copy")
    })
}

fn refused(error: &RosterError) -> AppError {
    let hint = match error {
        RosterError::Envelope(_) => "get the file again; its root keys must be those given",
        RosterError::Invalid { .. } => "mend the draft and sign it again",
        RosterError::Threshold { .. } => "let more root keys sign it: plumb roster sign",
        RosterError::OtherRoots { .. } => "compare the fingerprints with whoever made it",
        RosterError::Older { .. } => "get the newest roster",
        RosterError::Forked { .. } => {
            "two rosters of one version exist: tell whoever holds the root keys"
        }
    };
    AppError::new(Code::Invalid, chain(error), hint)
}

fn view(document: &RosterDocument, signed: &BTreeSet<KeyId>, now: Timestamp) -> RosterView {
    let roots = document.roots.keys.iter().map(|root| RootView {
        name: root.name.clone(),
        fingerprint: root.key.id().to_string(),
        algorithm: root.key.algorithm().to_string(),
        signed: signed.contains(&root.key.id()),
    });
    let people = document.people.iter().map(|(id, person)| PersonView {
        id: id.to_string(),
        name: person.name.clone(),
        groups: person.groups.iter().map(ToString::to_string).collect(),
        keys: person.keys.iter().map(|key| key_view(key, now)).collect(),
    });
    let environments = document.environments.iter().map(|(name, environment)| {
        let fleets = document.fleets.iter().filter(|(_, of)| *of == name);
        let rule = &environment.rule;
        EnvironmentView {
            name: name.clone(),
            fleets: fleets.map(|(fleet, _)| fleet.to_string()).collect(),
            rule: rule.sentence(),
            night: rule.night_rollback.map(|n| format!("{} to {} UTC", n.from_utc, n.until_utc)),
            dry_run: rule.dry_run,
            staging_fleet: environment.staging_fleet.as_ref().map(ToString::to_string),
            consoles: environment.consoles.iter().map(|key| key.id().to_string()).collect(),
            freeze: environment.freeze.iter().map(freeze_line).collect(),
            readiness: environment.readiness.iter().map(readiness_line).collect(),
        }
    });
    RosterView {
        version: document.version,
        digest: document.digest().to_string(),
        issued_at: document.issued_at.to_string(),
        expires_at: document.expires_at.to_string(),
        expired: document.expires_at <= now,
        threshold: document.roots.threshold,
        roots: roots.collect(),
        people: people.collect(),
        environments: environments.collect(),
    }
}

fn freeze_line(window: &FreezeWindow) -> String {
    format!("{} to {}: {}", window.from, window.until, window.reason)
}

fn readiness_line((item, requirement): (&ReadinessItem, &Requirement)) -> String {
    let groups: Vec<&str> = requirement.by.iter().map(GroupId::as_str).collect();
    match groups.as_slice() {
        [] => item.to_string(),
        groups => format!("{item}, attested by somebody of {}", groups.join(" or ")),
    }
}

fn key_view(key: &PersonKey, now: Timestamp) -> PersonKeyView {
    let detail = match (key.revoked_at, key.from, key.until) {
        (Some(at), _, _) => format!("revoked at {at}"),
        (None, None, None) => "always".to_owned(),
        (None, Some(from), None) => format!("from {from}"),
        (None, None, Some(until)) => format!("until {until}"),
        (None, Some(from), Some(until)) => format!("from {from} until {until}"),
    };
    PersonKeyView {
        fingerprint: key.key.id().to_string(),
        algorithm: key.key.algorithm().to_string(),
        counts: key.counts(now),
        detail,
    }
}
