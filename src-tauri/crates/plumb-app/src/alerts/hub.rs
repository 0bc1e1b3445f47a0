//! The inbox of a hub as this console last saw it, and what was claimed here while the hub could not be asked.
//!
//! What is seen is kept in one file for each fleet, so that a start without the network shows it; a claim made offline
//! is in that file before anybody is told that it was made.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::{SignedDuration, Timestamp};
use plumb_alert::{
    Alert, AlertRef, Draft, Incident, IncidentRef, Reconciled, RoutingPolicy, TentativeClaim,
    TimelineEntry,
};
use plumb_clients::hub::{HubClient, HubError, path_part};
use plumb_wire::alerts::{ClaimBody, Ingest};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tracing::warn;

use super::mirror::Mirror;
use crate::{
    actions::files::write_durably,
    error::{AppError, Code, chain},
};

/// Alerts in one answer of the hub.
const PAGE: u32 = 1_000;
/// Pages that are asked for: the newest 20,000 alerts.
const PAGES_MAX: usize = 20;
/// Incidents whose timelines are kept, the worst first.
const INCIDENTS_MAX: u32 = 100;
/// Refusals that say nothing about the next try: a renewed token, somebody at the same moment, too many requests.
const BRIEFLY: [u16; 3] = [401, 409, 429];
/// What became of a claim is shown for so long.
const SETTLED_SHOWN: SignedDuration = SignedDuration::from_hours(1);
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

/// Everything that is kept of a hub's inbox.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Kept {
    /// Another hub has another inbox.
    url: String,
    as_of: Option<Timestamp>,
    backend: String,
    place: String,
    survives_restart: bool,
    policy: RoutingPolicy,
    alerts: Vec<Alert>,
    incidents: Vec<KeptIncident>,
    claims: Vec<KeptClaim>,
}

/// What is known now; never changed, only replaced.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    pub as_of: Option<Timestamp>,
    pub backend: String,
    pub place: String,
    pub survives_restart: bool,
    pub policy: Arc<RoutingPolicy>,
    pub mirror: Arc<Mirror>,
    pub incidents: Arc<Vec<KeptIncident>>,
    pub claims: Vec<KeptClaim>,
    /// Why the hub cannot be asked.
    pub offline: Option<String>,
    /// Why it is not told what sweeps see.
    pub not_told: Option<String>,
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
    /// Reads what was kept. A file that cannot be read is put aside, for the hub has it all but claims made offline.
    pub(crate) fn open(folder: &Utf8Path, fleet: &str, url: &str) -> Self {
        let file = folder.join(format!("{fleet}.json"));
        let kept = match std::fs::read(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kept::default(),
            Err(error) => unread(&file, &error),
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                let aside = file.with_extension("json.damaged");
                let moved = std::fs::rename(&file, &aside);
                warn!(%file, %aside, moved = moved.is_ok(), "a kept inbox does not read back");
                unread(&file, &error)
            }),
        };
        let kept = if kept.url == url { kept } else { Kept::default() };
        let seen = Seen {
            as_of: kept.as_of,
            backend: kept.backend,
            place: kept.place,
            survives_restart: kept.survives_restart,
            policy: Arc::new(kept.policy),
            mirror: Arc::new(Mirror::of(kept.alerts)),
            incidents: Arc::new(kept.incidents),
            claims: kept.claims,
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

    /// Takes over what the hub answered about one alert.
    pub(crate) fn changed(&self, alert: Alert) {
        self.change(|seen| seen.mirror = Arc::new(seen.mirror.with([alert])));
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

    /// Claims an alert while the hub cannot be asked. It is written down before this answers.
    pub(crate) async fn claim_offline(&self, claim: TentativeClaim) -> Result<(), AppError> {
        let mut saved = self.working.lock().await;
        let title = {
            let seen = self.seen();
            let known = seen.mirror.get(&claim.alert);
            known.map(|alert| alert.title.clone()).unwrap_or_default()
        };
        self.change(|seen| {
            seen.claims.retain(|kept| kept.claim.alert != claim.alert);
            seen.claims.push(KeptClaim { claim, title, settled: None });
        });
        self.save(&mut saved).await
    }

    /// Tells the hub what a sweep shows, settles claims that were made offline, and reads the inbox again.
    pub(crate) async fn follow(&self, hub: &HubClient, drafts: Vec<Draft>, now: Timestamp) {
        let mut saved = self.working.lock().await;
        let before = self.seen();
        match self.look(hub, drafts, &before, now).await {
            Ok(fresh) => {
                let moved = fresh.mirror != before.mirror
                    || fresh.incidents != before.incidents
                    || fresh.claims != before.claims
                    || fresh.policy != before.policy;
                let old = saved.is_none_or(|at| now.duration_since(at) >= SAVED_EVERY);
                self.change(|seen| *seen = fresh);
                if (moved || old)
                    && let Err(error) = self.save(&mut saved).await
                {
                    warn!(error = %error.message, "the inbox of the hub was not kept");
                }
            }
            Err(error) => self.lost(&error),
        }
    }

    async fn look(
        &self,
        hub: &HubClient,
        drafts: Vec<Draft>,
        before: &Seen,
        now: Timestamp,
    ) -> Result<Seen, HubError> {
        // First of all: whoever claimed should hold it before anybody else looks.
        let claims = settle(hub, before.claims.clone(), now).await?;
        let not_told = tell(hub, drafts).await?;
        let board: Board = hub.get("/v1/alerts/dashboard").await?;
        let mirror = Arc::new(Mirror::of(everything(hub).await?));
        let incidents = Arc::new(incidents(hub, &before.incidents).await?);
        Ok(Seen {
            as_of: Some(now),
            backend: board.durability.backend,
            place: board.durability.place,
            survives_restart: board.durability.survives_restart,
            policy: Arc::new(board.policy),
            mirror,
            incidents,
            claims,
            offline: None,
            not_told,
        })
    }

    async fn save(&self, saved: &mut Option<Timestamp>) -> Result<(), AppError> {
        let seen = self.seen();
        let kept = Kept {
            url: self.url.clone(),
            as_of: seen.as_of,
            backend: seen.backend,
            place: seen.place,
            survives_restart: seen.survives_restart,
            policy: seen.policy.as_ref().clone(),
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
                Ok(())
            }
            Ok(Err(error)) => Err(failed(error.to_string())),
            Err(error) => Err(failed(chain(&error))),
        }
    }
}

fn unread(file: &Utf8Path, error: &dyn std::error::Error) -> Kept {
    warn!(%file, error = %chain(error), "the kept inbox of a hub cannot be read");
    Kept::default()
}

/// The whole file or the former one, whatever happens.
fn write(file: &Utf8Path, kept: &Kept) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        std::fs::create_dir_all(folder)?;
    }
    write_durably(file, &serde_json::to_string(kept)?)
}

#[derive(Deserialize)]
struct Board {
    durability: Kind,
    #[serde(default)]
    policy: RoutingPolicy,
}

#[derive(Deserialize)]
struct Kind {
    backend: String,
    place: String,
    survives_restart: bool,
}

#[derive(Deserialize)]
struct Page {
    alerts: Vec<Alert>,
    next: Option<String>,
}

/// An alert with the reasons for what was done with it.
#[derive(Deserialize)]
pub(crate) struct Changed {
    pub alert: Alert,
    #[serde(default)]
    pub why: Vec<String>,
}

async fn everything(hub: &HubClient) -> Result<Vec<Alert>, HubError> {
    let (mut all, mut after) = (Vec::new(), String::new());
    for _ in 0..PAGES_MAX {
        let page: Page = hub.get(&format!("/v1/alerts?limit={PAGE}{after}")).await?;
        all.extend(page.alerts);
        match page.next {
            Some(next) => after = format!("&after={}", path_part(&next)),
            None => break,
        }
    }
    Ok(all)
}

/// Incidents, and the timelines of those that moved.
async fn incidents(hub: &HubClient, known: &[KeptIncident]) -> Result<Vec<KeptIncident>, HubError> {
    #[derive(Deserialize)]
    struct List {
        incidents: Vec<Incident>,
    }
    let list: List =
        hub.get(&format!("/v1/incidents?with_closed=true&limit={INCIDENTS_MAX}")).await?;
    let mut kept = Vec::with_capacity(list.incidents.len());
    for incident in list.incidents {
        let same = known.iter().find(|one| one.incident == incident);
        kept.push(match same {
            Some(same) => same.clone(),
            None => self::incident(hub, &incident.incident_ref).await?,
        });
    }
    Ok(kept)
}

/// One incident with its timeline.
pub(crate) async fn incident(
    hub: &HubClient,
    incident: &IncidentRef,
) -> Result<KeptIncident, HubError> {
    hub.get(&format!("/v1/incidents/{incident}")).await
}

/// One alert; nothing where the hub does not have it any more.
pub(crate) async fn alert(hub: &HubClient, alert: &AlertRef) -> Result<Option<Alert>, HubError> {
    match hub.get(&format!("/v1/alerts/{alert}")).await {
        Ok(found) => Ok(Some(found)),
        Err(HubError::Refused { status: 404, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes one alert.
pub(crate) async fn claim(
    hub: &HubClient,
    alert: &AlertRef,
    owner: &str,
    lock_ttl_seconds: Option<i64>,
) -> Result<Changed, HubError> {
    let body = ClaimBody { owner: owner.to_owned(), lock_ttl_seconds };
    hub.call("POST", &format!("/v1/alerts/{alert}/claim"), &body).await
}

/// Settles every claim that was made offline.
async fn settle(
    hub: &HubClient,
    claims: Vec<KeptClaim>,
    now: Timestamp,
) -> Result<Vec<KeptClaim>, HubError> {
    let mut kept = Vec::with_capacity(claims.len());
    for mut one in claims {
        match &one.settled {
            Some((at, _)) if now.duration_since(*at) >= SETTLED_SHOWN => continue,
            Some(_) => {}
            None => match settle_one(hub, &one.claim, now).await {
                Ok(verdict) => one.settled = Some((now, verdict)),
                Err(error) if away(&error) => return Err(error),
                Err(error @ HubError::Refused { status, .. }) if !BRIEFLY.contains(&status) => {
                    one.settled = Some((now, Reconciled::Refused { why: error.to_string() }));
                }
                // One claim keeps nobody from the inbox: it waits for the next look.
                Err(error) => warn!(error = %chain(&error), "a claim is not settled yet"),
            },
        }
        kept.push(one);
    }
    Ok(kept)
}

/// Whether nobody answers there; a hub that refuses has decided.
pub(crate) fn away(error: &HubError) -> bool {
    matches!(error, HubError::Unreachable { .. } | HubError::Refused { status: 500.., .. })
}

async fn settle_one(
    hub: &HubClient,
    tentative: &TentativeClaim,
    now: Timestamp,
) -> Result<Reconciled, HubError> {
    let found = alert(hub, &tentative.alert).await?;
    let verdict = tentative.reconcile(found.as_ref(), now);
    if verdict != Reconciled::ClaimNow {
        return Ok(verdict);
    }
    let refused = match claim(hub, &tentative.alert, &tentative.owner, None).await {
        Ok(taken) => return Ok(tentative.reconcile(Some(&taken.alert), now)),
        Err(error @ HubError::Refused { status: 409, .. }) => error,
        Err(error) => return Err(error),
    };
    // Somebody was faster in between: who it was stands in the inbox.
    let found = alert(hub, &tentative.alert).await?;
    match tentative.reconcile(found.as_ref(), now) {
        Reconciled::ClaimNow => Err(refused),
        verdict => Ok(verdict),
    }
}

/// Tells the hub what a sweep shows; why it does not want to hear it, where our role may not tell.
async fn tell(hub: &HubClient, drafts: Vec<Draft>) -> Result<Option<String>, HubError> {
    for draft in drafts {
        let answer: Result<Value, HubError> = hub.call("POST", "/v1/alerts", &report(draft)).await;
        match answer {
            Ok(_) => {}
            Err(error @ HubError::Refused { status: 403, .. }) => {
                return Ok(Some(error.to_string()));
            }
            // What is over was never told there, or is gone.
            Err(HubError::Refused { status: 422, detail }) => {
                warn!(detail, "an alert of a sweep was not taken");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn report(draft: Draft) -> Ingest {
    let (fingerprint, signature) = (draft.fingerprint(), draft.signature());
    Ingest {
        source: Some(draft.source),
        service: Some(draft.service),
        env: Some(draft.env),
        kind: Some(draft.kind),
        title: Some(draft.title),
        message: Some(draft.message),
        severity: Some(draft.severity.to_string()),
        fingerprint: Some(fingerprint),
        incident_signature: Some(signature),
        labels: draft.labels,
        dedupe_ttl_minutes: draft.dedupe_ttl_minutes,
        started_at: draft.started_at,
        resolved: draft.resolved,
        details: draft.details,
    }
}

/// Acts on one alert at the hub, held by `me` first where the act needs that nobody else holds it.
pub(crate) async fn settled(
    hub: &HubClient,
    alert: &AlertRef,
    me: &str,
    act: &str,
    body: &Value,
) -> Result<Changed, HubError> {
    let mine = |found: &Alert| matches!(found.state(), plumb_alert::State::Processing { owner, .. } if owner == me);
    let found: Alert = hub.get(&format!("/v1/alerts/{alert}")).await?;
    // What is over is settled as well, and the hub says so; whoever else holds it is named.
    if act != "fail" && !mine(&found) && !matches!(found.state(), plumb_alert::State::Acked { .. })
    {
        claim(hub, alert, me, None).await?;
    }
    let mut body = body.clone();
    if act != "triage" {
        body["owner"] = json!(me);
    }
    hub.call("POST", &format!("/v1/alerts/{alert}/{act}"), &body).await
}
