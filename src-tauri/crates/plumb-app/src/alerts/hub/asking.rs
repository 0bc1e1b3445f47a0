//! What a hub is asked about its inbox, and what it answers.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use plumb_alert::{
    Alert, AlertRef, Draft, Incident, IncidentRef, Reconciled, RoutingPolicy, TentativeClaim,
};
use plumb_clients::hub::{HubClient, HubError, path_part};
use plumb_wire::alerts::{ClaimBody, Ingest};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::warn;

use super::{KeptClaim, KeptIncident};
use crate::error::chain;

/// Alerts in one answer of the hub.
const PAGE: u32 = 1_000;
/// Alerts that are read of an inbox: those that changed last.
pub(super) const ALERTS_MAX: usize = 20_000;
/// Incidents whose timelines are kept: those that are worked on, then the others, the worst first.
const INCIDENTS_MAX: u32 = 100;
/// How long a hub holds back an answer at most until there is something to tell.
const WAIT_S: u64 = 10;
/// How long it may take for the answer itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Refusals that say nothing about the next try: a renewed token, somebody at the same moment, too many requests.
const BRIEFLY: [u16; 3] = [401, 409, 429];
/// What became of a claim is shown for so long.
const SETTLED_SHOWN: SignedDuration = SignedDuration::from_hours(1);

#[derive(Deserialize)]
pub(super) struct Board {
    /// As whom the hub knows us.
    pub caller: String,
    /// By the clock that decides at the hub.
    #[serde(default)]
    pub now: Option<Timestamp>,
    pub durability: Kind,
    #[serde(default)]
    pub policy: RoutingPolicy,
}

#[derive(Deserialize)]
pub(super) struct Kind {
    pub backend: String,
    pub place: String,
    pub survives_restart: bool,
}

/// Up to where changes of an inbox were heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The `next` of the hub's answer, which says nothing to us.
    pub after: String,
    /// Entries of all timelines.
    pub entries: u64,
}

/// What changed at a hub.
#[derive(Deserialize)]
pub(super) struct Changes {
    pub alerts: Vec<Alert>,
    pub next: String,
    more: bool,
    pub entries: u64,
    pub now: Timestamp,
}

/// An alert with the reasons for what was done with it.
#[derive(Deserialize)]
pub(crate) struct Changed {
    pub alert: Alert,
    #[serde(default)]
    pub why: Vec<String>,
}

/// What changes after a place; waits for it.
pub(super) async fn changes(hub: &HubClient, place: &Place) -> Result<Changes, HubError> {
    let patient = hub.clone().within(ANSWER_WITHIN + Duration::from_secs(WAIT_S));
    let (after, entries) = (path_part(&place.after), place.entries);
    let path =
        format!("/v1/alerts/changes?limit={PAGE}&after={after}&entries={entries}&wait_s={WAIT_S}");
    patient.get(&path).await
}

/// What an inbox holds, or what changed in it.
pub(super) struct Heard {
    pub alerts: Vec<Alert>,
    /// All of it was read: what is not there is not in the inbox.
    pub whole: bool,
    pub place: Place,
}

/// Reads what changed after a place; all of it without one, and where the hub does not know the place any more.
pub(super) async fn read_on(hub: &HubClient, place: Option<&Place>) -> Result<Heard, HubError> {
    if let Some(place) = place {
        match pages(hub, Some(&place.after)).await {
            Err(error) if is_gone(&error) => {}
            heard => return heard,
        }
    }
    pages(hub, None).await
}

async fn pages(hub: &HubClient, after: Option<&str>) -> Result<Heard, HubError> {
    let whole = after.is_none();
    let mut from = after.map_or(format!("newest={ALERTS_MAX}"), after_place);
    let mut alerts = Vec::new();
    loop {
        let path = format!("/v1/alerts/changes?limit={PAGE}&{from}");
        let page: Changes = hub.get(&path).await?;
        alerts.extend(page.alerts);
        if !page.more {
            let place = Place { after: page.next, entries: page.entries };
            return Ok(Heard { alerts, whole, place });
        }
        from = after_place(&page.next);
    }
}

fn after_place(place: &str) -> String {
    format!("after={}", path_part(place))
}

/// Whether the hub knows a place no more, and everything has to be read.
pub(super) fn is_gone(error: &HubError) -> bool {
    matches!(error, HubError::Refused { status: 410, .. })
}

/// Incidents, and the timelines of those that moved.
pub(super) async fn incidents(
    hub: &HubClient,
    known: &[KeptIncident],
) -> Result<Vec<KeptIncident>, HubError> {
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

/// Settles every claim that was made offline: `there` by the clock of the hub, `now` by ours.
pub(super) async fn settle(
    hub: &HubClient,
    claims: Vec<KeptClaim>,
    there: Timestamp,
    now: Timestamp,
) -> Result<Vec<KeptClaim>, HubError> {
    let mut kept = Vec::with_capacity(claims.len());
    for mut one in claims {
        match &one.settled {
            Some((at, _)) if now.duration_since(*at) >= SETTLED_SHOWN => continue,
            Some(_) => {}
            None => match settle_one(hub, &one.claim, there, now).await {
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
    there: Timestamp,
    now: Timestamp,
) -> Result<Reconciled, HubError> {
    let found = alert(hub, &tentative.alert).await?;
    let verdict = tentative.reconcile(found.as_ref(), there, now);
    if verdict != Reconciled::ClaimNow {
        return Ok(verdict);
    }
    let refused = match claim(hub, &tentative.alert, &tentative.owner, None).await {
        Ok(taken) => return Ok(tentative.reconcile(Some(&taken.alert), there, now)),
        Err(error @ HubError::Refused { status: 409, .. }) => error,
        Err(error) => return Err(error),
    };
    // Somebody was faster in between: who it was stands in the inbox.
    let found = alert(hub, &tentative.alert).await?;
    match tentative.reconcile(found.as_ref(), there, now) {
        Reconciled::ClaimNow => Err(refused),
        verdict => Ok(verdict),
    }
}

/// Tells the hub what a sweep shows; why it does not want to hear it, where our role may not tell.
pub(super) async fn tell(
    hub: &HubClient,
    drafts: Vec<Draft>,
    installation: &str,
) -> Result<Option<String>, HubError> {
    for draft in drafts {
        let report = report(draft, installation);
        let answer: Result<Value, HubError> = hub.call("POST", "/v1/alerts", &report).await;
        match answer {
            Ok(_) => {}
            Err(error @ HubError::Refused { status: 403, .. }) => {
                return Ok(Some(error.to_string()));
            }
            // What is over was never told there, or is gone.
            Err(HubError::Refused { status: 422, detail, .. }) => {
                warn!(detail, "an alert of a sweep was not taken");
            }
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

fn report(draft: Draft, installation: &str) -> Ingest {
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
        installation: Some(installation.to_owned()),
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
    hold(hub, alert, me, act).await?;
    let mut body = body.clone();
    if act != "triage" {
        body["owner"] = json!(me);
    }
    hub.call("POST", &format!("/v1/alerts/{alert}/{act}"), &body).await
}

/// Settles one alert at the hub with what a triage froze, and gives the whole answer.
pub(crate) async fn triaged(
    hub: &HubClient,
    alert: &AlertRef,
    me: &str,
    body: &Value,
) -> Result<Value, HubError> {
    hold(hub, alert, me, "triage").await?;
    hub.call("POST", &format!("/v1/alerts/{alert}/triage"), body).await
}

async fn hold(hub: &HubClient, alert: &AlertRef, me: &str, act: &str) -> Result<(), HubError> {
    let mine = |found: &Alert| matches!(found.state(), plumb_alert::State::Processing { owner, .. } if owner == me);
    let found: Alert = hub.get(&format!("/v1/alerts/{alert}")).await?;
    // What is over is settled as well, and the hub says so; whoever else holds it is named.
    if act != "fail" && !mine(&found) && !matches!(found.state(), plumb_alert::State::Acked { .. })
    {
        claim(hub, alert, me, None).await?;
    }
    Ok(())
}
