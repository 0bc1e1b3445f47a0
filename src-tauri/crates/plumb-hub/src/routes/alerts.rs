//! Alerts and incidents: the tools endpoint of the field, and the plain one beside it.

use axum::{
    Json, Router,
    extract::{Path, Request, State},
    http::header,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use plumb_alert::{
    BypassReason, Entitlement, Frozen, GateRequest, GateVerdict, IncidentState, Measured,
};
use plumb_inbox::Gate;
use plumb_wire::alerts::{
    Ack, AckBody, AlertToIncident, AlertsQuery, ChangesQuery, Claim, ClaimBody, ConvertBody,
    DashboardQuery, Fail, FailBody, IncidentAppendEvent, IncidentClose, IncidentsQuery, Ingest,
    List, MoveBody, NoteBody, Notification, OpenQuery, ReleaseCheck, ResolutionBody, ToolCall,
    TriageBody, guides,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::{
    access::Caller,
    alerts,
    extract::{self, Params, body},
    hub::Hub,
    limits::{BODY_BYTES_MAX, FROZEN_BODY_BYTES_MAX, NOTIFICATION_BYTES_MAX},
    problem::Problem,
};

type Answer = Result<Json<Value>, Problem>;

pub(super) fn routes() -> Router<Hub> {
    Router::new()
        .route("/v1/tools/execute", post(execute))
        .route("/v1/alertmanager/webhook", post(webhook))
        .route("/v1/alerts", get(list).post(ingest))
        .route("/v1/alerts/dashboard", get(dashboard))
        .route("/v1/alerts/changes", get(changes))
        .route("/v1/alerts/claim", post(claim))
        .route("/v1/alerts/{alert}", get(one))
        .route("/v1/alerts/{alert}/claim", post(claim_one))
        .route("/v1/alerts/{alert}/ack", post(ack))
        .route("/v1/alerts/{alert}/fail", post(fail))
        .route("/v1/alerts/{alert}/incident", post(to_incident))
        .route("/v1/alerts/{alert}/triage", post(triage))
        .route("/v1/incidents", get(incidents))
        .route("/v1/incidents/open", get(open))
        .route("/v1/incidents/{incident}", get(incident))
        .route("/v1/incidents/{incident}/draft", get(draft))
        .route("/v1/incidents/{incident}/events", post(append))
        .route("/v1/incidents/{incident}/move", post(move_to))
        .route("/v1/incidents/{incident}/close", post(close))
        .route("/v1/releases/check", post(release))
}

async fn execute(State(hub): State<Hub>, caller: Caller, request: Request) -> Answer {
    let bytes = body(request.into_body(), BODY_BYTES_MAX).await?;
    let call = ToolCall::read(&bytes).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
        Problem::bad_request(format!("{error}{}", cause.unwrap_or_default()))
    })?;
    alerts::execute(&hub, &caller, call).await.map(Json)
}

async fn webhook(State(hub): State<Hub>, caller: Caller, request: Request) -> Answer {
    // What is answered 413 is not sent again: as much is read as a storm of the largest group comes to.
    let bytes = body(request.into_body(), NOTIFICATION_BYTES_MAX).await?;
    let notification: Notification = serde_json::from_slice(&bytes)
        .map_err(|error| Problem::bad_request(format!("the body: {error}")))?;
    alerts::notified(&hub, &caller, &notification).await.map(Json)
}

async fn ingest(
    State(hub): State<Hub>,
    caller: Caller,
    extract::Json(report): extract::Json<Ingest>,
) -> Answer {
    alerts::ingest(&hub, &caller, report).await.map(Json)
}

async fn list(
    State(hub): State<Hub>,
    caller: Caller,
    Params(query): Params<AlertsQuery>,
) -> Answer {
    let statuses = query.status.unwrap_or_default();
    let statuses = statuses.split(',').filter(|status| !status.is_empty()).map(str::to_owned);
    let wanted = List {
        window_minutes: query.window_minutes,
        env: query.env,
        service: query.service,
        source: query.source,
        status_in: statuses.collect(),
        limit: query.limit,
    };
    alerts::list_after(&hub, &caller, &wanted, query.after.as_deref()).await.map(Json)
}

async fn changes(
    State(hub): State<Hub>,
    caller: Caller,
    Params(query): Params<ChangesQuery>,
) -> Answer {
    alerts::changes(&hub, &caller, &query).await.map(Json)
}

async fn one(State(hub): State<Hub>, caller: Caller, Path(alert): Path<String>) -> Answer {
    alerts::one(&hub, &caller, &alert).await.map(Json)
}

async fn dashboard(
    State(hub): State<Hub>,
    caller: Caller,
    Params(query): Params<DashboardQuery>,
) -> Answer {
    alerts::dashboard(&hub, &caller, query.window_minutes).await.map(Json)
}

async fn claim(
    State(hub): State<Hub>,
    caller: Caller,
    extract::Json(wanted): extract::Json<Claim>,
) -> Answer {
    alerts::claim(&hub, &caller, &wanted).await.map(Json)
}

async fn claim_one(
    State(hub): State<Hub>,
    caller: Caller,
    Path(alert): Path<String>,
    extract::Json(wanted): extract::Json<ClaimBody>,
) -> Answer {
    alerts::claim_one(&hub, &caller, &alert, &wanted).await.map(Json)
}

async fn ack(
    State(hub): State<Hub>,
    caller: Caller,
    Path(alert_ref): Path<String>,
    extract::Json(AckBody { note, owner, claim }): extract::Json<AckBody>,
) -> Answer {
    alerts::ack(&hub, &caller, Ack { alert_ref, note, owner, claim }).await.map(Json)
}

async fn fail(
    State(hub): State<Hub>,
    caller: Caller,
    Path(alert_ref): Path<String>,
    extract::Json(FailBody { error, retry_after_seconds, owner, claim }): extract::Json<FailBody>,
) -> Answer {
    let wanted = Fail { alert_ref, error, retry_after_seconds, owner, claim };
    alerts::fail(&hub, &caller, wanted).await.map(Json)
}

async fn to_incident(
    State(hub): State<Hub>,
    caller: Caller,
    Path(alert_ref): Path<String>,
    extract::Json(ConvertBody { incident_severity_cap, dedupe_window_minutes }): extract::Json<
        ConvertBody,
    >,
) -> Answer {
    let wanted = AlertToIncident { alert_ref, incident_severity_cap, dedupe_window_minutes };
    alerts::to_incident(&hub, &caller, &wanted).await.map(Json)
}

async fn triage(
    State(hub): State<Hub>,
    caller: Caller,
    Path(alert): Path<String>,
    request: Request,
) -> Answer {
    let bytes = body(request.into_body(), FROZEN_BODY_BYTES_MAX).await?;
    let wanted: TriageBody = read(&bytes)?;
    let frozen = Frozen {
        snapshot: wanted.snapshot,
        drift_groups: wanted.drift_groups,
        deployments: wanted.deployments,
        doctor: wanted.doctor,
    };
    alerts::triage(&hub, &caller, &alert, wanted.note, frozen).await.map(Json)
}

async fn incidents(
    State(hub): State<Hub>,
    caller: Caller,
    Params(query): Params<IncidentsQuery>,
) -> Answer {
    let IncidentsQuery { service, with_closed, limit } = query;
    let with_closed = with_closed.unwrap_or_default();
    alerts::incidents(&hub, &caller, service, with_closed, limit).await.map(Json)
}

async fn open(State(hub): State<Hub>, caller: Caller, Params(query): Params<OpenQuery>) -> Answer {
    alerts::incidents(&hub, &caller, query.service, false, query.limit).await.map(Json)
}

async fn incident(State(hub): State<Hub>, caller: Caller, Path(name): Path<String>) -> Answer {
    alerts::incident(&hub, &caller, &name).await.map(Json)
}

async fn draft(
    State(hub): State<Hub>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let text = alerts::draft(&hub, &caller, &name).await?;
    Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], text).into_response())
}

async fn append(
    State(hub): State<Hub>,
    caller: Caller,
    Path(incident_ref): Path<String>,
    extract::Json(NoteBody { note }): extract::Json<NoteBody>,
) -> Answer {
    alerts::append(&hub, &caller, &IncidentAppendEvent { incident_ref, note }).await.map(Json)
}

async fn move_to(
    State(hub): State<Hub>,
    caller: Caller,
    Path(name): Path<String>,
    extract::Json(MoveBody { to }): extract::Json<MoveBody>,
) -> Answer {
    let to: IncidentState = serde_json::from_value(Value::String(to))
        .map_err(|_| Problem::refused("to is one of open, mitigating, resolved and closed"))?;
    alerts::move_to(&hub, &caller, &name, to).await.map(Json)
}

async fn close(
    State(hub): State<Hub>,
    caller: Caller,
    Path(incident_ref): Path<String>,
    extract::Json(ResolutionBody { resolution }): extract::Json<ResolutionBody>,
) -> Answer {
    alerts::close(&hub, &caller, &IncidentClose { incident_ref, resolution }).await.map(Json)
}

/// Judges a release by what was measured; a bypass needs its own entitlement, a reason and an incident.
async fn release(
    State(hub): State<Hub>,
    caller: Caller,
    extract::Json(wanted): extract::Json<ReleaseCheck>,
) -> Answer {
    caller.may(Entitlement::IncidentRead)?;
    if !wanted.run_slo_watch {
        caller.may(Entitlement::GateBypass)?;
    }
    let reason = match wanted.reason {
        None => None,
        Some(reason) => {
            let kind = serde_json::from_value(Value::String(reason.kind)).map_err(|_| {
                Problem::refused(
                    "reason.kind is one of emergency_deploy, fixes_the_breach and measurement_broken",
                )
            })?;
            Some(BypassReason { kind, text: reason.text })
        }
    };
    let incident = wanted.incident_ref.as_deref().map(alerts::incident_reference).transpose()?;
    let request = GateRequest {
        service: wanted.service,
        env: wanted.env,
        by: caller.name().to_owned(),
        run_slo_watch: wanted.run_slo_watch,
        reason,
    };
    let measured = Measured(wanted.measured);
    let gate = Gate { gates: &hub.gates, slo: &hub.slo, measured: &measured };
    let verdict = hub.inbox.judge_release(&request, gate, incident.as_ref()).await?;
    let told = |breaches: Vec<plumb_alert::Breach>| -> Vec<String> {
        breaches.iter().map(ToString::to_string).collect()
    };
    Ok(Json(match verdict {
        GateVerdict::Passed => json!({ "verdict": "passed", "may_go_on": true, "breaches": [] }),
        GateVerdict::Warned(breaches) => {
            json!({ "verdict": "warned", "may_go_on": true, "breaches": told(breaches) })
        }
        GateVerdict::Blocked(breaches) => {
            let breaches = told(breaches);
            json!({ "verdict": "blocked", "may_go_on": false, "breaches": breaches, "guide": guides::GATE })
        }
        GateVerdict::Bypassed(appended) => json!({
            "verdict": "bypassed", "may_go_on": true, "breaches": [],
            "incident_ref": appended.incident.incident_ref,
        }),
    }))
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes)
        .map_err(|error| Problem::bad_request(format!("the body: {error}")))
}
