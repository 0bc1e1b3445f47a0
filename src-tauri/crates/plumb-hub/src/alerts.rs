//! What is done with alerts and incidents, for the tools endpoint and for the plain one: the same functions, the same
//! answers.

mod changes;
mod draft;

use plumb_alert::{
    Acknowledgement, Alert, AlertRef, Caller as By, ConversionTerms, Decided, Entitlement, Failure,
    Frozen, IncidentRef, IncidentState, Linked, Severity, Status, postmortem_draft,
};
use plumb_inbox::{AlertQuery, ClaimRequest, InboxError, IncidentQuery, StoreFailure};
use plumb_wire::alerts::{
    Ack, AlertToIncident, Claim, ClaimBody, Fail, IncidentAppendEvent, IncidentClose, Ingest, List,
    Notification, ToolCall, guides,
};
use serde_json::{Value, json};

pub(crate) use changes::changes;

use crate::{access::Caller, folder::chain, hub::Hub, problem::Problem};

/// Alerts in one answer where nobody says how many.
const LIST_DEFAULT: u32 = 100;
/// Alerts of one claim where nobody says how many.
const CLAIM_DEFAULT: u32 = 25;
/// Newest alerts on the dashboard.
const LATEST: u32 = 20;
/// How many alerts are looked at for fingerprints that are never the same.
const SPREAD_LOOKED_AT: u32 = 500;
/// Fewer alerts of one kind say nothing about its fingerprints.
const SPREAD_ALERTS_MIN: usize = 20;
/// Alerts of one notification.
const NOTIFIED_MAX: usize = 2_000;

/// Carries out a call of the tools endpoint.
pub(crate) async fn execute(hub: &Hub, caller: &Caller, call: ToolCall) -> Result<Value, Problem> {
    match call {
        ToolCall::Ingest(args) => ingest(hub, caller, *args).await,
        ToolCall::List(args) => list(hub, caller, &args).await,
        ToolCall::Claim(args) => claim(hub, caller, &args).await,
        ToolCall::Ack(args) => ack(hub, caller, args).await,
        ToolCall::Fail(args) => fail(hub, caller, args).await,
        ToolCall::AlertToIncident(args) => to_incident(hub, caller, &args).await,
        ToolCall::IncidentAppendEvent(args) => append(hub, caller, &args).await,
        ToolCall::IncidentClose(args) => close(hub, caller, &args).await,
    }
}

/// Takes a report.
pub(crate) async fn ingest(hub: &Hub, caller: &Caller, report: Ingest) -> Result<Value, Problem> {
    caller.may(Entitlement::Ingest)?;
    let draft = draft::of(report, caller.name()).map_err(|rejection| not_accepted(&rejection))?;
    let decided = hub.inbox.ingest(draft).await;
    let decided = decided.map_err(|error| match error {
        InboxError::Rejected(rejection) => not_accepted(&rejection),
        error => error.into(),
    })?;
    let (alert, deduped) = (decided.value.alert(), decided.value.deduped());
    Ok(json!({
        "accepted": true,
        "deduped": deduped,
        "alert_ref": alert.alert_ref,
        "status": alert.status(),
        "severity": alert.severity,
        "occurrences": alert.occurrences,
        "fingerprint": alert.fingerprint,
        "incident_signature": alert.signature,
        "incident_ref": alert.incident_ref,
        "why": why(&decided),
        "guide": deduped.then_some(guides::REPEATED),
    }))
}

fn not_accepted(rejection: &plumb_alert::Rejection) -> Problem {
    let problem = Problem::refused(rejection.to_string()).guided(guides::NOT_ACCEPTED);
    problem.with("accepted", false.into())
}

/// Takes everything that Alertmanager tells at once.
pub(crate) async fn notified(
    hub: &Hub,
    caller: &Caller,
    notification: &Notification,
) -> Result<Value, Problem> {
    caller.may(Entitlement::Ingest)?;
    if notification.version != "4" {
        return Err(Problem::refused(format!(
            "version {:?} of Alertmanager's payload is not known, only \"4\"",
            notification.version.chars().take(20).collect::<String>()
        )));
    }
    if notification.alerts.len() > NOTIFIED_MAX {
        return Err(Problem::too_large(format!(
            "{NOTIFIED_MAX} alerts of one notification at most"
        )));
    }
    let (mut drafts, mut rejected) = (Vec::new(), Vec::new());
    for (index, alert) in notification.alerts.iter().enumerate() {
        match draft::of_alertmanager(alert, &notification.receiver, caller.name()) {
            Ok(draft) => drafts.push((index, draft)),
            Err(error) => rejected.push(json!({ "alert": index, "error": error.to_string() })),
        }
    }
    let (indexes, drafts): (Vec<usize>, Vec<_>) = drafts.into_iter().unzip();
    let (mut created, mut deduplicated) = (0, 0);
    for (index, answer) in indexes.into_iter().zip(hub.inbox.ingest_all(drafts).await) {
        match answer {
            Ok(decided) if decided.value.deduped() => deduplicated += 1,
            Ok(_) => created += 1,
            Err(InboxError::Rejected(error)) => {
                rejected.push(json!({ "alert": index, "error": error.to_string() }));
            }
            // Alertmanager sends it again, and what was kept is deduplicated.
            Err(error) => return Err(error.into()),
        }
    }
    // Nobody reads the answer: what is lost to people is told here.
    for lost in &rejected {
        tracing::warn!(receiver = %notification.receiver, %lost, "an alert of Alertmanager is not kept");
    }
    Ok(json!({
        "received": notification.alerts.len(),
        "created": created,
        "deduplicated": deduplicated,
        "rejected": rejected,
        "left_out_by_alertmanager": notification.truncated_alerts,
    }))
}

/// Alerts, those seen last first.
pub(crate) async fn list(hub: &Hub, caller: &Caller, wanted: &List) -> Result<Value, Problem> {
    list_after(hub, caller, wanted, None).await
}

/// As [`list`], from where the page before ended.
pub(crate) async fn list_after(
    hub: &Hub,
    caller: &Caller,
    wanted: &List,
    after: Option<&str>,
) -> Result<Value, Problem> {
    caller.may(Entitlement::Read)?;
    let since = hub.inbox.window(wanted.window_minutes).await?;
    let mut query = AlertQuery::since(since, wanted.limit.unwrap_or(LIST_DEFAULT));
    query.env.clone_from(&wanted.env);
    query.service.clone_from(&wanted.service);
    query.source.clone_from(&wanted.source);
    let statuses = wanted.status_in.iter().map(|status| status.parse::<Status>());
    query.status_in = statuses.collect::<Result<_, _>>().map_err(Problem::refused)?;
    query.after = after.map(place).transpose()?;
    let alerts = hub.inbox.list(&query).await?;
    let full = alerts.len() == query.limit as usize;
    let next = alerts.last().filter(|_| full);
    Ok(json!({
        "count": alerts.len(),
        "alerts": alerts.iter().map(shown).collect::<Vec<_>>(),
        "next": next.map(|alert| format!("{},{}", alert.last_seen_at, alert.alert_ref)),
    }))
}

/// One alert.
pub(crate) async fn one(hub: &Hub, caller: &Caller, alert: &str) -> Result<Value, Problem> {
    caller.may(Entitlement::Read)?;
    let alert = hub.inbox.alert(&reference(alert)?).await?;
    let route = hub.inbox.policy().route(&alert);
    let mut shown = shown(&alert);
    shown["assign_to"] = route.value.assign_to.clone().into();
    shown["route"] = why(&route).into();
    Ok(shown)
}

/// Takes alerts that nobody holds.
pub(crate) async fn claim(hub: &Hub, caller: &Caller, wanted: &Claim) -> Result<Value, Problem> {
    caller.may(Entitlement::Claim)?;
    let request = ClaimRequest {
        owner: wanted.owner.clone(),
        window_minutes: wanted.window_minutes,
        limit: wanted.limit.unwrap_or(CLAIM_DEFAULT),
        lock_ttl_seconds: wanted.lock_ttl_seconds,
    };
    let claimed = hub.inbox.claim(&request).await?;
    let alerts = claimed.alerts.iter().map(|decided| {
        let mut alert = shown(&decided.value);
        alert["why"] = why(decided).into();
        alert
    });
    Ok(json!({
        "claimed": claimed.alerts.len(),
        "requeued": claimed.requeued.len(),
        "alerts": alerts.collect::<Vec<_>>(),
        "guide": claimed.alerts.is_empty().then_some(guides::NOTHING_FREE),
    }))
}

/// Takes one alert.
pub(crate) async fn claim_one(
    hub: &Hub,
    caller: &Caller,
    alert: &str,
    wanted: &ClaimBody,
) -> Result<Value, Problem> {
    caller.may(Entitlement::Claim)?;
    let alert = reference(alert)?;
    let claimed = hub.inbox.claim_one(&alert, &wanted.owner, wanted.lock_ttl_seconds).await?;
    Ok(json!({ "alert": shown(&claimed.value), "why": why(&claimed) }))
}

/// Closes an alert.
pub(crate) async fn ack(hub: &Hub, caller: &Caller, wanted: Ack) -> Result<Value, Problem> {
    caller.may(Entitlement::Ack)?;
    let alert = reference(&wanted.alert_ref)?;
    let caller = By { by: caller.name().to_owned(), owner: wanted.owner, claim: wanted.claim };
    let ack = Acknowledgement { caller, note: wanted.note.unwrap_or_default() };
    let decided = hub.inbox.ack(&alert, &ack).await?;
    Ok(json!({ "alert": shown(&decided.value), "why": why(&decided) }))
}

/// Marks a claimed alert as failed.
pub(crate) async fn fail(hub: &Hub, caller: &Caller, wanted: Fail) -> Result<Value, Problem> {
    caller.may(Entitlement::Fail)?;
    let alert = reference(&wanted.alert_ref)?;
    let by_policy = i64::from(hub.inbox.policy().defaults.retry_after_seconds);
    let failure = Failure {
        caller: By { by: caller.name().to_owned(), owner: wanted.owner, claim: wanted.claim },
        error: wanted.error,
        retry_after_s: wanted.retry_after_seconds.unwrap_or(by_policy),
    };
    let decided = hub.inbox.fail(&alert, &failure).await?;
    Ok(json!({ "alert": shown(&decided.value), "why": why(&decided) }))
}

/// Puts an alert into an incident.
pub(crate) async fn to_incident(
    hub: &Hub,
    caller: &Caller,
    wanted: &AlertToIncident,
) -> Result<Value, Problem> {
    caller.may(Entitlement::Convert)?;
    let alert = reference(&wanted.alert_ref)?;
    let terms = terms(hub, &alert, wanted).await?;
    let decided = hub.inbox.to_incident(&alert, terms, caller.name()).await?;
    let converted = &decided.value;
    Ok(json!({
        "incident_ref": converted.appended.incident.incident_ref,
        "incident": converted.appended.incident,
        "linked": match converted.linked {
            Linked::Opened => "opened",
            Linked::Joined => "joined",
            Linked::Already => "already",
        },
        "why": why(&decided),
    }))
}

/// The terms of a conversion: what is not given is by the policy.
async fn terms(
    hub: &Hub,
    alert: &AlertRef,
    wanted: &AlertToIncident,
) -> Result<Option<ConversionTerms>, Problem> {
    let cap = wanted.incident_severity_cap.as_deref().map(str::parse::<Severity>).transpose();
    let cap = cap.map_err(|error| Problem::refused(error.to_string()))?;
    if cap.is_none() && wanted.dedupe_window_minutes.is_none() {
        return Ok(None);
    }
    let by_policy = hub.inbox.policy().route(&hub.inbox.alert(alert).await?).value.terms;
    Ok(Some(ConversionTerms {
        severity_cap: cap.unwrap_or(by_policy.severity_cap),
        dedupe_window_minutes: wanted
            .dedupe_window_minutes
            .unwrap_or(by_policy.dedupe_window_minutes),
    }))
}

/// Settles an alert with a triage, or, within the cooldown of its signature, with a note that none ran.
pub(crate) async fn triage(
    hub: &Hub,
    caller: &Caller,
    alert: &str,
    note: String,
    frozen: Frozen,
) -> Result<Value, Problem> {
    caller.may(Entitlement::Convert)?;
    caller.may(Entitlement::Ack)?;
    let alert = reference(alert)?;
    let ack = Acknowledgement { caller: By::new(caller.name()), note };
    let decided = hub.inbox.triage(&alert, None, frozen, &ack).await?;
    let triaged = &decided.value;
    let ran = triaged.decision == plumb_alert::TriageDecision::Run;
    Ok(json!({
        "ran": ran,
        "guide": (!ran).then_some(guides::COOLING),
        "alert": shown(&triaged.converted.alert),
        "incident_ref": triaged.converted.appended.incident.incident_ref,
        "signature": triaged.signature,
        "why": why(&decided),
    }))
}

/// Counts, signatures, sources, and the newest alerts.
pub(crate) async fn dashboard(
    hub: &Hub,
    caller: &Caller,
    window_minutes: Option<u32>,
) -> Result<Value, Problem> {
    caller.may(Entitlement::Read)?;
    let counts = hub.inbox.dashboard(window_minutes).await?;
    let since = hub.inbox.window(window_minutes).await?;
    let newest = hub.inbox.list(&AlertQuery::since(since, SPREAD_LOOKED_AT)).await?;
    let latest = newest.iter().take(LATEST as usize).map(shown);
    let by_status: serde_json::Map<String, Value> = Status::ALL
        .iter()
        .map(|status| {
            let found = counts.by_status.iter().find(|count| count.status == *status);
            (status.to_string(), found.map_or(0, |count| count.alerts).into())
        })
        .collect();
    let durability = hub.inbox.durability();
    Ok(json!({
        // As whom the caller is known to alerts that it told.
        "caller": caller.name(),
        // By which clock claims and pauses end here.
        "now": hub.inbox.now().await?,
        "counts": by_status,
        "by_status": counts.by_status,
        "stale_processing": counts.stale,
        "top_signatures": counts.signatures,
        "sources": counts.sources,
        "latest": latest.collect::<Vec<_>>(),
        // Sources whose fingerprints look as if they held what varies.
        "fingerprints_never_the_same": plumb_alert::spread(&newest, SPREAD_ALERTS_MIN),
        "durability": durability,
        // By which windows, cooldowns and routes things are decided here.
        "policy": hub.inbox.policy(),
        "durability_text": durability.to_string(),
    }))
}

/// Incidents, the worst first.
pub(crate) async fn incidents(
    hub: &Hub,
    caller: &Caller,
    service: Option<String>,
    with_closed: bool,
    limit: Option<u32>,
) -> Result<Value, Problem> {
    caller.may(Entitlement::IncidentRead)?;
    let query = IncidentQuery { service, with_closed, limit: limit.unwrap_or(LIST_DEFAULT) };
    let incidents = hub.inbox.incidents(&query).await?;
    Ok(json!({ "count": incidents.len(), "incidents": incidents }))
}

/// One incident with its timeline.
pub(crate) async fn incident(hub: &Hub, caller: &Caller, name: &str) -> Result<Value, Problem> {
    caller.may(Entitlement::IncidentRead)?;
    let (incident, timeline) = hub.inbox.timeline(&incident_reference(name)?).await?;
    Ok(json!({ "incident": incident, "timeline": timeline }))
}

/// The draft of a postmortem, in Markdown.
pub(crate) async fn draft(hub: &Hub, caller: &Caller, name: &str) -> Result<String, Problem> {
    caller.may(Entitlement::IncidentRead)?;
    let (incident, timeline) = hub.inbox.timeline(&incident_reference(name)?).await?;
    Ok(postmortem_draft(&incident, &timeline))
}

/// Adds a note to a timeline.
pub(crate) async fn append(
    hub: &Hub,
    caller: &Caller,
    wanted: &IncidentAppendEvent,
) -> Result<Value, Problem> {
    caller.may(Entitlement::IncidentAppend)?;
    let incident = incident_reference(&wanted.incident_ref)?;
    let appended = hub.inbox.append_event(&incident, caller.name(), &wanted.note).await?;
    Ok(json!({ "incident": appended.incident, "entries": appended.entries }))
}

/// Moves an incident on, or back.
pub(crate) async fn move_to(
    hub: &Hub,
    caller: &Caller,
    incident: &str,
    to: IncidentState,
) -> Result<Value, Problem> {
    caller.may(match to {
        IncidentState::Closed => Entitlement::IncidentClose,
        _ => Entitlement::IncidentAppend,
    })?;
    let incident = incident_reference(incident)?;
    let appended = hub.inbox.move_incident(&incident, caller.name(), to).await?;
    Ok(json!({ "incident": appended.incident, "entries": appended.entries }))
}

/// Closes an incident for good.
pub(crate) async fn close(
    hub: &Hub,
    caller: &Caller,
    wanted: &IncidentClose,
) -> Result<Value, Problem> {
    caller.may(Entitlement::IncidentClose)?;
    let incident = incident_reference(&wanted.incident_ref)?;
    let resolution = wanted.resolution.clone().unwrap_or_default();
    let appended = hub.inbox.close_incident(&incident, caller.name(), &resolution).await?;
    Ok(json!({ "incident": appended.incident, "entries": appended.entries }))
}

/// An alert with the number of its claim, by which its holder is told from later ones.
fn shown(alert: &Alert) -> Value {
    let mut shown = serde_json::to_value(alert).expect("an alert always serialises");
    shown["claim"] = alert.counts().claims.into();
    shown
}

fn why<T>(decided: &Decided<T>) -> Vec<String> {
    decided.why.iter().map(ToString::to_string).collect()
}

/// Where a page ended, as `next` told it.
fn place(text: &str) -> Result<(jiff::Timestamp, AlertRef), Problem> {
    let told = || Problem::refused("after is the next of the page before");
    let (at, alert) = text.split_once(',').ok_or_else(told)?;
    Ok((at.parse().map_err(|_| told())?, alert.parse().map_err(|_| told())?))
}

fn reference(text: &str) -> Result<AlertRef, Problem> {
    text.parse().map_err(|error: plumb_alert::RefError| Problem::refused(error.to_string()))
}

pub(crate) fn incident_reference(text: &str) -> Result<IncidentRef, Problem> {
    text.parse().map_err(|error: plumb_alert::RefError| Problem::refused(error.to_string()))
}

impl From<InboxError> for Problem {
    fn from(error: InboxError) -> Self {
        match error {
            InboxError::Rejected(rejection) => Self::refused(rejection.to_string()),
            InboxError::Refused(refusal) => refusal.into(),
            InboxError::NoPlace => Self::gone(error.to_string()),
            InboxError::Store(failure) => failure.into(),
        }
    }
}

impl From<StoreFailure> for Problem {
    fn from(failure: StoreFailure) -> Self {
        tracing::error!(error = %chain(&failure), "alerts");
        Self::not_now(failure.to_string())
    }
}
