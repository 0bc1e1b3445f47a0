//! The inbox of a hub as this console last saw it, and what was claimed here while the hub could not be asked.
//!
//! What is seen is kept in one file for each fleet, so that a start without the network shows it; a claim made offline
//! is in that file before anybody is told that it was made.

pub(crate) mod asking;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};
use plumb_alert::{
    Alert, AlertRef, Draft, Incident, Reconciled, RoutingPolicy, TentativeClaim, TimelineEntry,
};
use plumb_clients::hub::{HubClient, HubError};
use serde::{Deserialize, Serialize};
use tracing::warn;

use self::asking::{Board, Heard, Place};
use super::mirror::Mirror;
use crate::{
    actions::files::write_durably,
    error::{AppError, Code, chain},
};

/// How often all of an inbox is read where its changes are heard.
const WHOLE_EVERY: SignedDuration = SignedDuration::from_hours(1);
/// Alerts that are held at most: with more all of the inbox is read again, which leaves out what did not change for long.
const KEPT_MAX: usize = asking::ALERTS_MAX + asking::ALERTS_MAX / 4;
/// Where nothing else changed, the moment of the last look is written down so often.
const SAVED_EVERY: SignedDuration = SignedDuration::from_mins(5);

/// A claim that was made offline, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptClaim {
    pub claim: TentativeClaim,
    pub title: String,
    /// Nothing while the hub was not asked.
    pub settled: Option<(Timestamp, Reconciled)>,
}

/// An incident with its timeline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptIncident {
    pub incident: Incident,
    pub timeline: Vec<TimelineEntry>,
}

/// What a sweep shows, for a hub.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub drafts: Vec<Draft>,
    /// Which console says it.
    pub installation: String,
}

/// Everything that is kept of a hub's inbox.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// Another hub has another inbox.
    url: String,
    #[serde(default)]
    caller: String,
    as_of: Option<Timestamp>,
    backend: String,
    place: String,
    survives_restart: bool,
    policy: RoutingPolicy,
    /// By how much the clock of the hub is ahead of ours.
    #[serde(default)]
    ahead_ms: i64,
    alerts: Vec<Alert>,
    incidents: Vec<KeptIncident>,
    claims: Vec<KeptClaim>,
}

/// What is known now; never changed, only replaced.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// As whom the hub knows us; nobody while it was not asked.
    pub caller: String,
    pub as_of: Option<Timestamp>,
    pub backend: String,
    /// Where the hub keeps them.
    pub kept_in: String,
    pub survives_restart: bool,
    pub policy: Arc<RoutingPolicy>,
    /// By how much the clock of the hub is ahead of ours: leases of others end by it.
    pub ahead: SignedDuration,
    pub mirror: Arc<Mirror>,
    pub incidents: Arc<Vec<KeptIncident>>,
    pub claims: Vec<KeptClaim>,
    /// Up to where changes were heard; nothing where everything has to be read.
    pub place: Option<Place>,
    /// Answers about single alerts took the place back, and nothing was heard since then.
    pub taken_back: bool,
    /// When everything was read.
    pub whole_at: Option<Timestamp>,
    /// Changes were heard that are not in the file yet.
    pub unsaved: bool,
    /// Why the hub cannot be asked.
    pub offline: Option<String>,
    /// Why it is not told what sweeps see.
    pub not_told: Option<String>,
}

impl Seen {
    /// From where to read on; nothing where everything has to be read. That is once in a while also where changes are heard,
    /// because a database that was put back to an earlier state says nothing of that.
    fn going_on(&self, now: Timestamp) -> Option<&Place> {
        let recent = self.whole_at.is_some_and(|at| now.duration_since(at) < WHOLE_EVERY);
        self.place.as_ref().filter(|_| recent && self.mirror.len() <= KEPT_MAX)
    }
}

/// What a look at a hub came to.
struct Look {
    board: Board,
    ahead: SignedDuration,
    claims: Vec<KeptClaim>,
    not_told: Option<String>,
    heard: Heard,
    /// Nothing where none moved on.
    incidents: Option<Vec<KeptIncident>>,
}

impl Look {
    /// Takes it over. `from` is where it began.
    fn into_seen(self, seen: &mut Seen, from: Option<&Place>, now: Timestamp) {
        let Self { board, ahead, claims, not_told, heard, incidents } = self;
        (seen.as_of, seen.ahead, seen.offline) = (Some(now), ahead, None);
        (seen.claims, seen.not_told, seen.caller) = (claims, not_told, board.caller);
        (seen.backend, seen.kept_in) = (board.durability.backend, board.durability.place);
        seen.survives_restart = board.durability.survives_restart;
        seen.policy = Arc::new(board.policy);
        // Somebody else of this program went on from there meanwhile, or went back: it is heard again from theirs.
        if seen.place.as_ref() != from {
            return;
        }
        if heard.whole {
            seen.mirror = Arc::new(Mirror::of(heard.alerts));
            seen.whole_at = Some(now);
        } else if !heard.alerts.is_empty() {
            seen.mirror = Arc::new(seen.mirror.with(heard.alerts));
        }
        seen.place = Some(heard.place);
        seen.taken_back = false;
        if let Some(incidents) = incidents {
            seen.incidents = Arc::new(incidents);
        }
    }
}

/// The inbox of one fleet's hub.
#[derive(Debug)]
pub(crate) struct HubInbox {
    url: String,
    file: Utf8PathBuf,
    seen: Mutex<Seen>,
    /// One look, one change of the file at a time.
    working: tokio::sync::Mutex<Option<Timestamp>>,
}

impl HubInbox {
    /// Reads what was kept. A file that cannot be read is put aside, so that nothing is written over claims made offline
    /// that somebody may still read out of it. Claims stay also where the fleet file names another hub by now: one that
    /// does not know the alert says so.
    pub(crate) fn open(folder: &Utf8Path, fleet: &str, url: &str) -> Self {
        let file = folder.join(format!("{fleet}.json"));
        let kept = match std::fs::read(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kept::default(),
            Err(error) => unread(&file, &error),
            Ok(bytes) => {
                serde_json::from_slice(&bytes).unwrap_or_else(|error| unread(&file, &error))
            }
        };
        let kept =
            if kept.url == url { kept } else { Kept { claims: kept.claims, ..Kept::default() } };
        let seen = Seen {
            caller: kept.caller,
            as_of: kept.as_of,
            backend: kept.backend,
            kept_in: kept.place,
            survives_restart: kept.survives_restart,
            policy: Arc::new(kept.policy),
            ahead: SignedDuration::from_millis(kept.ahead_ms),
            mirror: Arc::new(Mirror::of(kept.alerts)),
            incidents: Arc::new(kept.incidents),
            claims: kept.claims,
            place: None,
            taken_back: false,
            whole_at: None,
            unsaved: false,
            offline: None,
            not_told: None,
        };
        let (url, seen) = (url.to_owned(), Mutex::new(seen));
        Self { url, file, seen, working: tokio::sync::Mutex::default() }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().expect("no panic while an inbox is held").clone()
    }

    fn change(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().expect("no panic while an inbox is held"));
    }

    /// Takes over what the hub answered about one alert. `before` is up to where changes were heard when it was asked:
    /// what was heard since then may be newer than the answer, and is heard once more.
    pub(crate) fn changed(&self, alert: Alert, before: Option<Place>) {
        self.change(|seen| {
            seen.mirror = Arc::new(seen.mirror.with([alert]));
            // Of two places nobody here can tell the earlier one: where answers took it back to both, all of it is read.
            let to_both = seen.taken_back && seen.place != before;
            seen.place = seen.place.take().and(before).filter(|_| !to_both);
            seen.taken_back = true;
        });
    }

    /// Takes over an incident as the hub told it.
    pub(crate) fn changed_incident(&self, fresh: KeptIncident) {
        self.change(|seen| {
            let mut incidents = seen.incidents.as_ref().clone();
            incidents.retain(|one| one.incident.incident_ref != fresh.incident.incident_ref);
            incidents.push(fresh);
            seen.incidents = Arc::new(incidents);
        });
    }

    /// The hub could not be asked.
    pub(crate) fn lost(&self, error: &HubError) {
        self.change(|seen| seen.offline = Some(error.to_string()));
    }

    /// Alerts that are claimed here and of which the hub does not know yet.
    pub(crate) fn tentative(&self) -> BTreeSet<AlertRef> {
        let waiting = self.seen().claims.into_iter().filter(|kept| kept.settled.is_none());
        waiting.map(|kept| kept.claim.alert).collect()
    }

    /// Claims alerts while the hub cannot be asked. They are written down before this answers; where they cannot be,
    /// nothing is claimed.
    pub(crate) async fn claim_offline(&self, claims: Vec<TentativeClaim>) -> Result<(), AppError> {
        let mut saved = self.working.lock().await;
        let before = self.seen().claims;
        self.change(|seen| {
            for claim in claims {
                let known = seen.mirror.get(&claim.alert);
                let title = known.map(|alert| alert.title.clone()).unwrap_or_default();
                seen.claims.retain(|kept| kept.claim.alert != claim.alert);
                seen.claims.push(KeptClaim { claim, title, settled: None });
            }
        });
        let kept = self.save(&mut saved).await;
        if kept.is_err() {
            self.change(|seen| seen.claims = before);
        }
        kept
    }

    /// Tells the hub what a sweep shows, settles claims that were made offline, and reads the inbox again.
    pub(crate) async fn follow(&self, hub: &HubClient, told: Told, now: Timestamp) {
        if let Err(error) = self.read_all(hub, told, now).await {
            self.lost(&error);
        }
    }

    /// Waits until something changes at the hub, and takes it over. Says whether anything did.
    pub(crate) async fn hear(
        &self,
        hub: &HubClient,
        now: impl Fn() -> Timestamp,
    ) -> Result<bool, HubError> {
        let seen = self.seen();
        let waiting = seen.claims.iter().any(|kept| kept.settled.is_none());
        let Some(place) = seen.place.filter(|_| seen.offline.is_none() && !waiting) else {
            self.read_all(hub, Told::default(), now()).await?;
            return Ok(true);
        };
        let changes = match asking::changes(hub, &place).await {
            Err(error) if asking::is_gone(&error) => {
                self.change(|seen| seen.place = None);
                return Ok(false);
            }
            changes => changes?,
        };
        let moved = changes.entries != place.entries;
        let incidents =
            if moved { Some(asking::incidents(hub, &seen.incidents).await?) } else { None };
        let heard = moved || !changes.alerts.is_empty();
        let at = now();
        self.change(|seen| {
            // Somebody else of this program went on from there meanwhile, or went back: it is heard again from theirs.
            if seen.place.as_ref() != Some(&place) {
                return;
            }
            (seen.as_of, seen.ahead) = (Some(at), changes.now.duration_since(at));
            seen.place = Some(Place { after: changes.next, entries: changes.entries });
            seen.taken_back = false;
            if heard {
                seen.unsaved = true;
                seen.mirror = Arc::new(seen.mirror.with(changes.alerts));
            }
            if let Some(incidents) = incidents {
                seen.incidents = Arc::new(incidents);
            }
        });
        Ok(heard)
    }

    async fn read_all(&self, hub: &HubClient, told: Told, now: Timestamp) -> Result<(), HubError> {
        let mut saved = self.working.lock().await;
        let before = self.seen();
        let look = self.look(hub, told, &before, now).await?;
        self.change(|seen| look.into_seen(seen, before.place.as_ref(), now));
        let fresh = self.seen();
        let moved = fresh.unsaved
            || !Arc::ptr_eq(&fresh.mirror, &before.mirror) && fresh.mirror != before.mirror
            || fresh.incidents != before.incidents
            || fresh.claims != before.claims
            || fresh.policy != before.policy;
        let old = saved.is_none_or(|at| now.duration_since(at) >= SAVED_EVERY);
        if (moved || old)
            && let Err(error) = self.save(&mut saved).await
        {
            // It is tried again with the next look; until then it is known here.
            self.change(|seen| seen.unsaved = true);
            warn!(error = %error.message, "the inbox of the hub was not kept");
        }
        Ok(())
    }

    async fn look(
        &self,
        hub: &HubClient,
        told: Told,
        before: &Seen,
        now: Timestamp,
    ) -> Result<Look, HubError> {
        let board: Board = hub.get("/v1/alerts/dashboard").await?;
        let there = board.now.unwrap_or(now);
        // Before anything is told or read: whoever claimed should hold it before anybody else looks.
        let claims = asking::settle(hub, before.claims.clone(), there, now).await?;
        let not_told = if told.drafts.is_empty() {
            before.not_told.clone()
        } else {
            asking::tell(hub, told.drafts, &told.installation).await?
        };
        let heard = asking::read_on(hub, before.going_on(now)).await?;
        let moved =
            heard.whole || before.place.as_ref().is_none_or(|it| it.entries != heard.place.entries);
        let incidents =
            if moved { Some(asking::incidents(hub, &before.incidents).await?) } else { None };
        let ahead = there.duration_since(now);
        Ok(Look { board, ahead, claims, not_told, heard, incidents })
    }

    async fn save(&self, saved: &mut Option<Timestamp>) -> Result<(), AppError> {
        let seen = self.seen();
        let kept = Kept {
            url: self.url.clone(),
            caller: seen.caller,
            as_of: seen.as_of,
            backend: seen.backend,
            place: seen.kept_in,
            survives_restart: seen.survives_restart,
            policy: seen.policy.as_ref().clone(),
            ahead_ms: i64::try_from(seen.ahead.as_millis()).unwrap_or_default(),
            alerts: seen.mirror.iter().map(|alert| alert.as_ref().clone()).collect(),
            incidents: seen.incidents.as_ref().clone(),
            claims: seen.claims,
        };
        let file = self.file.clone();
        let written = tokio::task::spawn_blocking(move || write(&file, &kept)).await;
        let failed = |why: String| {
            let message = format!("{} could not be written: {why}", self.file);
            AppError::new(Code::Other, message, "look at the folder, its rights and its disk")
        };
        match written {
            Ok(Ok(())) => {
                *saved = seen.as_of;
                self.change(|now| {
                    let same = Arc::ptr_eq(&now.mirror, &seen.mirror)
                        && Arc::ptr_eq(&now.incidents, &seen.incidents);
                    now.unsaved &= !same;
                });
                Ok(())
            }
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(error) => Err(failed(chain(&error))),
        }
    }
}

/// Puts a file aside that does not read.
fn unread(file: &Utf8Path, error: &dyn std::error::Error) -> Kept {
    let aside = file.with_extension("json.damaged");
    let moved = std::fs::rename(file, &aside).is_ok();
    warn!(%file, %aside, moved, error = %chain(error), "the kept inbox of a hub does not read back");
    Kept::default()
}

/// The whole file or the former one, whatever happens.
fn write(file: &Utf8Path, kept: &Kept) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    write_durably(file, &serde_json::to_string(kept)?)
}
