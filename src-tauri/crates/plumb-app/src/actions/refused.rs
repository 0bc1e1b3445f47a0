//! The refused list: content added to it, signed clean, and exchanged as a file.

mod spread;

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use jiff::Timestamp;
use plumb_fleet::{ContentDigest, FleetId, NodeId, snapshot::REFUSED_LIST};
use plumb_runbook::{Plan, Refusing};
use plumb_store::refused::RefusedHere;
use plumb_trust::{
    dsse::{Envelope, SigningKey},
    refused::{
        CleanDocument, Clearing, RefusedDocument, RefusedEntry, RefusedError, RefusedList,
        signed_by,
    },
    roster::{PersonId, Roster},
};

use crate::{
    actions::{approve::owner_of, files::write_chosen, hub::no_hub, rosters::fleet_id},
    app::App,
    current::Current,
    error::{AppError, Code, chain},
    personal_keys::KeyChoice,
    views::refused::{ClearedContentView, ClearingView, RefusedContentView, RefusedView},
};

/// What is known of refused content in a fleet.
#[derive(Debug, Clone, Default)]
struct Known {
    list: Option<RefusedList>,
    /// The list as it was signed.
    envelope: Option<Vec<u8>>,
    /// What this console refuses by itself, also where the list has it.
    here: Vec<RefusedHere>,
}

impl Known {
    /// Since when content is refused, as a clearing has to name it.
    fn since(&self, content: ContentDigest) -> Option<Timestamp> {
        let signed = self.list.as_ref().and_then(|list| list.refuses(content));
        let here = || self.here.iter().find(|one| one.content == content).map(|one| one.since);
        signed.map(|entry| entry.since).or_else(here)
    }

    /// The next version, with everything that is refused here in it.
    fn next(&self, fleet: &FleetId, now: Timestamp) -> RefusedDocument {
        self.next_with(fleet, now, |_| true)
    }

    /// The same with some of it.
    fn next_with(
        &self,
        fleet: &FleetId,
        now: Timestamp,
        which: impl Fn(&RefusedHere) -> bool,
    ) -> RefusedDocument {
        let former = self.list.as_ref().map(RefusedList::document);
        let mut next = RefusedDocument {
            fleet: fleet.clone(),
            version: former.map_or(1, |former| former.version.saturating_add(1)),
            issued_at: now,
            refused: former.map(|former| former.refused.clone()).unwrap_or_default(),
            cleared: former.map(|former| former.cleared.clone()).unwrap_or_default(),
        };
        for one in self.here.iter().filter(|one| which(one)) {
            let RefusedHere { since, ref reason, .. } = *one;
            let entry = || RefusedEntry { since, reason: reason.clone() };
            next.refused.entry(one.content).or_insert_with(entry);
            next.cleared.remove(&one.content);
        }
        next
    }
}

impl App {
    /// Content that no node of a fleet may take now.
    pub(crate) async fn refused_now(
        &self,
        fleet: &FleetId,
    ) -> Result<BTreeSet<ContentDigest>, AppError> {
        let known = self.refused_known(fleet).await?;
        let signed = known.list.iter().flat_map(|list| list.document().refused.keys().copied());
        Ok(signed.chain(known.here.iter().map(|one| one.content)).collect())
    }

    /// How the nodes of a plan stand to the refused list; nothing where no roster says who would sign one
    /// and nothing is refused.
    pub(crate) async fn refusing(
        &self,
        plan: &Plan,
        current: &Current,
    ) -> Result<Option<Refusing>, AppError> {
        let known = self.refused_known(&plan.fleet).await?;
        let idle = known.here.is_empty() && known.list.is_none();
        if idle && self.roster_of(&plan.fleet).await?.is_none() {
            return Ok(None);
        }
        let version = known.list.as_ref().map(RefusedList::version);
        let mut refusing = Refusing::default();
        for target in plan.targets() {
            let node = target.node.clone();
            match stance(current, &node, version) {
                Stance::Cannot => continue,
                // Where there is no list yet, none is missing.
                Stance::Behind if version.is_some() => refusing.behind.insert(node),
                Stance::Enforces | Stance::Behind => refusing.enforcing.insert(node),
            };
        }
        Ok(Some(refusing))
    }

    async fn refused_known(&self, fleet: &FleetId) -> Result<Known, AppError> {
        let mut conn = self.record().read().await?;
        let envelope = plumb_store::refused::newest_list(&mut conn, fleet).await?;
        let here = plumb_store::refused::here(&mut conn, fleet).await?;
        let list = envelope.as_deref().map(RefusedList::kept).transpose();
        let list = list.map_err(|error| {
            let message = format!("the kept refused list does not read back: {}", chain(&error));
            AppError::new(Code::Other, message, "restore record.sqlite from a copy")
        })?;
        Ok(Known { list, envelope, here })
    }

    /// What is refused in a fleet, and which nodes hold to it.
    pub async fn refused(&self, fleet: &str) -> Result<RefusedView, AppError> {
        let current = self.current(fleet).await?;
        let known = self.refused_known(&current.fleet.name).await?;
        let roster = self.roster_of(&current.fleet.name).await?;
        Ok(view(&current, &known, roster.as_ref(), self.now()))
    }

    /// Refuses content from now on: here at once, and for everybody once a list with it is signed. Without
    /// content it signs what is refused here already.
    pub async fn refuse_content(
        &self,
        fleet: &str,
        content: Option<(&str, &str)>,
        key: Option<&KeyChoice>,
    ) -> Result<RefusedView, AppError> {
        let id = fleet_id(fleet)?;
        if let Some((content, reason)) = content {
            let content = content_of(content)?;
            let reason = given(reason)?;
            let known = self.refused_known(&id).await?;
            if known.since(content).is_none() {
                let now = whole_ms(self.now());
                let entry = RefusedHere { content, since: now, reason, run: None };
                let mut record = self.record().write().await?;
                plumb_store::refused::refuse(&mut record, &id, &entry).await?;
                record.commit().await?;
            }
        }
        if let Some(key) = key {
            let roster = self.ruling_roster(&id).await?;
            let key = self.personal_key(key).await?;
            owner_of(&roster, key.public())?;
            let known = self.refused_known(&id).await?;
            let envelope = known.next(&id, self.now()).sign(&key).map_err(|e| refused(&e))?;
            self.accept_refused(&id, &roster, &envelope).await?;
        }
        self.refresh_desired(&id).await?;
        self.refused(fleet).await
    }

    /// Takes a signed list from a file.
    pub async fn import_refused(
        &self,
        fleet: &str,
        envelope: &[u8],
    ) -> Result<RefusedView, AppError> {
        let id = fleet_id(fleet)?;
        let roster = self.ruling_roster(&id).await?;
        self.accept_refused(&id, &roster, envelope).await?;
        self.refresh_desired(&id).await?;
        self.refused(fleet).await
    }

    /// Takes the signed list that the hub of the fleet has.
    pub async fn fetch_refused(&self, fleet: &str) -> Result<RefusedView, AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        let Some(hub) = self.hub(&loaded).await? else { return Err(no_hub(fleet)) };
        match hub.refused().await? {
            Some(list) => self.import_refused(fleet, &list).await,
            None => self.refused(fleet).await,
        }
    }

    /// Writes the newest signed list to a file.
    pub async fn export_refused(
        &self,
        fleet: &str,
        path: Utf8PathBuf,
    ) -> Result<RefusedView, AppError> {
        let (_, envelope) = self.newest_refused(&fleet_id(fleet)?).await?;
        write_chosen(path, String::from_utf8_lossy(&envelope).into_owned()).await?;
        self.refused(fleet).await
    }

    async fn newest_refused(&self, fleet: &FleetId) -> Result<(RefusedList, Vec<u8>), AppError> {
        let mut conn = self.record().read().await?;
        let envelope = plumb_store::refused::newest_list(&mut conn, fleet).await?;
        let envelope = envelope.ok_or_else(|| {
            let message = format!("fleet {fleet} has no signed refused list");
            AppError::new(Code::NotFound, message, "sign one: plumb refused add --key FILE")
        })?;
        let list = RefusedList::kept(&envelope).map_err(|error| refused(&error))?;
        Ok((list, envelope))
    }

    /// Judges a list after the one that is known, and keeps it. What it clears by a quorum is lifted here.
    async fn accept_refused(
        &self,
        fleet: &FleetId,
        roster: &Roster,
        envelope: &[u8],
    ) -> Result<(), AppError> {
        let known = self.refused_known(fleet).await?;
        let now = self.now();
        let list = RefusedList::accept(envelope, roster, fleet, known.list.as_ref(), now)
            .map_err(|error| refused(&error))?;
        let mut record = self.record().write().await?;
        let (version, digest) = (list.version(), list.digest());
        plumb_store::refused::add_list(&mut record, fleet, version, digest, envelope, now).await?;
        for here in &known.here {
            let clearing = list.document().cleared.get(&here.content);
            let read = clearing.map(|one| Clearing::read(one.as_bytes(), roster, fleet, now));
            let Some(Ok(Clearing { document, missing: None, .. })) = read else { continue };
            if document.content == here.content && document.refused_since >= here.since {
                let lifted = RefusedHere { reason: document.reason, ..here.clone() };
                plumb_store::refused::lift(&mut record, fleet, &lifted).await?;
            }
        }
        record.commit().await?;
        Ok(())
    }

    /// Begins to sign content clean. Where the rule asks for more people, the envelope is for them to sign.
    pub async fn clear_content(
        &self,
        fleet: &str,
        content: &str,
        reason: &str,
        key: &KeyChoice,
    ) -> Result<(ClearingView, Vec<u8>), AppError> {
        let id = fleet_id(fleet)?;
        let content = content_of(content)?;
        let since = self.refused_known(&id).await?.since(content).ok_or_else(|| {
            let message = format!("content {} is not refused in {id}", content.short());
            AppError::new(Code::NotFound, message, "list what is: plumb refused list")
        })?;
        let document = CleanDocument {
            fleet: id.clone(),
            content,
            refused_since: since,
            reason: given(reason)?,
            issued_at: self.now(),
        };
        let statement = document.statement().map_err(|error| refused(&error))?;
        let key = self.personal_key(key).await?;
        let envelope = Envelope::sign(&statement, &[&key])
            .map_err(|error| refused(&RefusedError::Envelope(error)))?;
        self.cleared_so_far(&id, &envelope, &key).await
    }

    /// A clearing that somebody began, as far as it is signed by people of the roster.
    pub(crate) async fn look_at_clearing(
        &self,
        fleet: &str,
        file: &[u8],
    ) -> Result<ClearingView, AppError> {
        let id = fleet_id(fleet)?;
        let roster = self.ruling_roster(&id).await?;
        let clearing = Clearing::read(file, &roster, &id, self.now()).map_err(|e| refused(&e))?;
        Ok(clearing_view(clearing))
    }

    /// Adds a signature to a clearing that somebody began.
    pub async fn sign_clearing(
        &self,
        fleet: &str,
        file: &[u8],
        key: &KeyChoice,
    ) -> Result<(ClearingView, Vec<u8>), AppError> {
        let id = fleet_id(fleet)?;
        // What somebody signs has been read.
        CleanDocument::look(file).map_err(|error| refused(&error))?;
        let wrong = |error| refused(&RefusedError::Envelope(error));
        let mut envelope = Envelope::read(file).map_err(wrong)?;
        let key = self.personal_key(key).await?;
        envelope.add_signature(&key).map_err(wrong)?;
        self.cleared_so_far(&id, &envelope, &key).await
    }

    /// Lifts content once enough people signed; whoever signed last signs the list without it.
    async fn cleared_so_far(
        &self,
        fleet: &FleetId,
        envelope: &Envelope,
        key: &SigningKey,
    ) -> Result<(ClearingView, Vec<u8>), AppError> {
        let roster = self.ruling_roster(fleet).await?;
        owner_of(&roster, key.public())?;
        let bytes = envelope.to_bytes();
        let clearing = Clearing::read(&bytes, &roster, fleet, self.now());
        let clearing = clearing.map_err(|e| refused(&e))?;
        if clearing.missing.is_none() {
            let document = &clearing.document;
            let mut known = self.refused_known(fleet).await?;
            known.here.retain(|one| one.content != document.content);
            let mut next = known.next(fleet, self.now());
            next.refused.remove(&document.content);
            next.cleared.insert(document.content, String::from_utf8_lossy(&bytes).into_owned());
            let list = next.sign(key).map_err(|error| refused(&error))?;
            self.accept_refused(fleet, &roster, &list).await?;
            self.refresh_desired(fleet).await?;
        }
        Ok((clearing_view(clearing), bytes))
    }
}

/// What is stored of moments has milliseconds, and what is signed of them must be the same.
fn whole_ms(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

fn content_of(text: &str) -> Result<ContentDigest, AppError> {
    text.parse().map_err(|error: plumb_fleet::ids::DigestError| {
        AppError::new(Code::Invalid, error.to_string(), "give the full content digest")
    })
}

fn given(reason: &str) -> Result<String, AppError> {
    let reason = reason.trim();
    if reason.is_empty() {
        return Err(AppError::new(Code::Invalid, "no reason was given", "say why: --reason TEXT"));
    }
    Ok(reason.to_owned())
}

fn refused(error: &RefusedError) -> AppError {
    let hint = match error {
        RefusedError::Older { .. } => "get the newest list; what it misses can be added to it",
        RefusedError::Forked { .. } => {
            "two people signed a version at once: import one of the two, and add to it what is missing"
        }
        RefusedError::NotCleared { .. } => "have it signed clean: plumb refused clear",
        RefusedError::NoRule { .. } => "enrol the roster that names the fleet",
        RefusedError::Unsigned => "sign with a key of the roster",
        RefusedError::OtherFleet { .. } => "name that fleet with --fleet",
        RefusedError::Envelope(_) | RefusedError::Invalid { .. } => "get the file again",
    };
    AppError::new(Code::Invalid, chain(error), hint)
}

fn clearing_view(clearing: Clearing) -> ClearingView {
    let Clearing { document, people, missing } = clearing;
    ClearingView {
        content: document.content.to_string(),
        since: document.refused_since.to_string(),
        reason: document.reason,
        people: names(&people),
        missing,
        file: None,
    }
}

fn names(people: &BTreeSet<PersonId>) -> Vec<String> {
    people.iter().map(ToString::to_string).collect()
}

fn view(current: &Current, known: &Known, roster: Option<&Roster>, now: Timestamp) -> RefusedView {
    let document = known.list.as_ref().map(RefusedList::document);
    let signers = |envelope: Option<&[u8]>| {
        let people = envelope.zip(roster).map(|(bytes, roster)| signed_by(bytes, roster, now));
        people.and_then(Result::ok).map(|people| names(&people)).unwrap_or_default()
    };
    let versions = |content: ContentDigest| {
        let entries = current.desired.catalogue.entries.iter();
        let named = entries.filter(|entry| entry.content == content);
        let labels: BTreeSet<String> = named.map(|entry| entry.version.to_string()).collect();
        labels.into_iter().collect()
    };
    let run_of = |content: ContentDigest| {
        let here = known.here.iter().find(|one| one.content == content);
        here.and_then(|one| one.run).map(|run| run.to_string())
    };
    let one = |content: ContentDigest, since: Timestamp, reason: &str, signed| RefusedContentView {
        content: content.to_string(),
        versions: versions(content),
        since: since.to_string(),
        reason: reason.to_owned(),
        run: run_of(content),
        signed,
    };
    let signed = document.into_iter().flat_map(|document| &document.refused);
    let signed = signed.map(|(content, entry)| one(*content, entry.since, &entry.reason, true));
    let is_signed = |content| document.is_some_and(|it| it.refused.contains_key(content));
    let here = known.here.iter().filter(|here| !is_signed(&here.content));
    let here = here.map(|here| one(here.content, here.since, &here.reason, false));
    let cleared = document.into_iter().flat_map(|document| &document.cleared);
    let cleared = cleared.filter_map(|(content, envelope)| {
        let clean = CleanDocument::look(envelope.as_bytes()).ok()?;
        let (content, at) = (content.to_string(), clean.issued_at.to_string());
        let people = signers(Some(envelope.as_bytes()));
        Some(ClearedContentView { content, at, reason: clean.reason, people })
    });
    let mut view = RefusedView {
        fleet: current.fleet.name.to_string(),
        version: document.map(|document| document.version),
        digest: known.list.as_ref().map(|list| list.digest().to_hex()),
        issued_at: document.map(|document| document.issued_at.to_string()),
        signed_by: signers(known.envelope.as_deref()),
        refused: signed.chain(here).collect(),
        cleared: cleared.collect(),
        enforcing: 0,
        behind: Vec::new(),
        cannot: Vec::new(),
    };
    add_nodes(&mut view, current);
    view
}

/// Which nodes hold to the list by themselves.
fn add_nodes(view: &mut RefusedView, current: &Current) {
    for id in current.fleet.nodes.keys() {
        match stance(current, id, view.version) {
            Stance::Cannot => view.cannot.push(id.to_string()),
            Stance::Enforces => view.enforcing += 1,
            Stance::Behind => view.behind.push(id.to_string()),
        }
    }
}

/// How a node stands to a refused list, as it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stance {
    Enforces,
    /// It would, and holds another version or none.
    Behind,
    Cannot,
}

fn stance(current: &Current, node: &NodeId, version: Option<u32>) -> Stance {
    match current.report(node).and_then(|report| report.config.get(REFUSED_LIST)) {
        None => Stance::Cannot,
        Some(told) if version.is_some_and(|version| told.parse() == Ok(version)) => {
            Stance::Enforces
        }
        Some(_) => Stance::Behind,
    }
}
