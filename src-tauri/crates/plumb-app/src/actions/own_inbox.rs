//! The console's own inbox by the tools of the field. What it answers is what a hub answers to the same call, so whoever
//! reads it need not know which inbox it was.

use plumb_alert::{
    Acknowledgement, Alert, Caller, Decided, Draft, Failure, GateRequest, GateVerdict,
    IncidentState, Linked, Rejection, Retention, Severity, Status, TriageDecision,
    postmortem_draft, spread,
};
use plumb_inbox::{AlertQuery, ClaimRequest, Gate, Inbox, InboxError, IncidentQuery};
use plumb_wire::alerts::{
    Ack, AlertToIncident, Claim, Fail, IncidentAppendEvent, IncidentClose, Ingest, List,
    Notification, ToolCall, guides,
};
use serde_json::{Map, Value, json};

use crate::{
    actions::alerts::terms,
    alerts::refused,
    app::App,
    error::{AppError, Code, chain},
    queries::{alerts::alert_ref, incidents::incident_ref},
    topics::Topic,
};

/// Alerts and incidents in one answer where nobody says how many.
const LIST_DEFAULT: u32 = 100;
/// Alerts of one claim where nobody says how many.
const CLAIM_DEFAULT: u32 = 25;
/// Newest alerts on the dashboard.
const LATEST: usize = 20;
/// How many alerts are looked at for fingerprints that are never the same.
const SPREAD_LOOKED_AT: u32 = 500;
/// Fewer alerts of one kind say nothing about its fingerprints.
const SPREAD_ALERTS_MIN: usize = 20;

/// The console's own inbox, for one question.
#[derive(Debug, Clone, Copy)]
pub struct OwnInboxTools<'a> {
    app: &'a App,
    fleet: Option<&'a str>,
}

impl App {
    /// The console's own inbox; `fleet` is the one that it is worked on for. It is the same for every fleet without a hub,
    /// and it is there where no fleet is known.
    pub fn own_inbox<'a>(&'a self, fleet: Option<&'a str>) -> OwnInboxTools<'a> {
        OwnInboxTools { app: self, fleet }
    }

    /// By which name this console holds alerts where nobody says another.
    pub fn owner(&self) -> String {
        self.me()
    }
}

impl OwnInboxTools<'_> {
    /// Where it is kept and whether it survives, for a header.
    pub fn durability(&self) -> String {
        self.inbox().durability().to_string()
    }

    /// By which name this console holds alerts.
    pub fn owner(&self) -> String {
        self.app.me()
    }

    /// A call as `POST /v1/tools/execute` takes it.
    pub async fn tool(&self, call: &Value) -> Result<Value, AppError> {
        let call = ToolCall::read(call.to_string().as_bytes()).map_err(|error| {
            AppError::new(Code::Invalid, chain(&error), "mend the argument that is named")
        })?;
        match call {
            ToolCall::List(wanted) => self.list(&wanted).await,
            ToolCall::Ingest(report) => self.ingest(*report).await,
            ToolCall::Claim(wanted) => self.claim(&wanted).await,
            ToolCall::Ack(wanted) => self.ack(wanted).await,
            ToolCall::Fail(wanted) => self.fail(wanted).await,
            ToolCall::AlertToIncident(wanted) => self.convert(&wanted).await,
            ToolCall::IncidentAppendEvent(wanted) => self.append(&wanted).await,
            ToolCall::IncidentClose(wanted) => self.close(&wanted).await,
        }
    }

    async fn list(&self, wanted: &List) -> Result<Value, AppError> {
        let inbox = self.inbox();
        let since = inbox.window(wanted.window_minutes).await.map_err(refused)?;
        let mut query = AlertQuery::since(since, wanted.limit.unwrap_or(LIST_DEFAULT));
        query.env.clone_from(&wanted.env);
        query.service.clone_from(&wanted.service);
        query.source.clone_from(&wanted.source);
        let statuses = wanted.status_in.iter().map(|status| status.parse::<Status>());
        query.status_in = statuses.collect::<Result<_, _>>().map_err(|error| {
            AppError::new(Code::Invalid, error, "statuses are new, processing, acked and failed")
        })?;
        let alerts = inbox.list(&query).await.map_err(refused)?;
        let shown: Vec<Value> = alerts.iter().map(shown).collect();
        Ok(json!({ "count": alerts.len(), "alerts": shown }))
    }

    /// One alert, where it is routed, and why it stands as it does.
    pub async fn alert(&self, alert: &str) -> Result<Value, AppError> {
        let inbox = self.inbox();
        let alert = inbox.alert(&alert_ref(alert)?).await.map_err(refused)?;
        let triaged = inbox.signature(&alert.signature).await.map_err(refused)?;
        let route = inbox.policy().route(&alert);
        let mut shown = shown(&alert);
        shown["assign_to"] = route.value.assign_to.clone().into();
        shown["route"] = why(&route).into();
        let now = inbox.now().await.map_err(|failure| refused(failure.into()))?;
        let explained = plumb_alert::explain(&alert, inbox.policy(), triaged.as_ref(), now);
        let mut reasons = vec![explained.dedupe.to_string()];
        reasons.extend(explained.claim.map(|claim| claim.to_string()));
        reasons.extend([explained.triage.to_string(), explained.route.to_string()]);
        shown["why"] = reasons.into();
        Ok(shown)
    }

    async fn ingest(&self, report: Ingest) -> Result<Value, AppError> {
        self.writable()?;
        let draft = self.draft(report).map_err(|rejection| refused(rejection.into()))?;
        let decided = self.inbox().ingest(draft).await.map_err(refused)?;
        let (alert, deduped) = (decided.value.alert(), decided.value.deduped());
        self.changed([alert.clone()]);
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

    /// Takes what fires elsewhere, as an Alertmanager tells it.
    pub async fn notified(&self, notification: &Notification) -> Result<Value, AppError> {
        self.writable()?;
        let (mut drafts, mut indexes, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
        for (index, alert) in notification.alerts.iter().enumerate() {
            // As a hub takes it: a word of its own is no reason to lose an alert.
            let mut report = alert.to_ingest(&notification.receiver);
            report.severity = report.severity.filter(|text| text.parse::<Severity>().is_ok());
            match self.draft(report) {
                Ok(draft) => {
                    drafts.push(draft.fitted());
                    indexes.push(index);
                }
                Err(error) => rejected.push(json!({ "alert": index, "error": error.to_string() })),
            }
        }
        let (mut taken, mut deduplicated) = (Vec::new(), 0);
        for (index, answer) in indexes.into_iter().zip(self.inbox().ingest_all(drafts).await) {
            match answer {
                Ok(decided) => {
                    deduplicated += usize::from(decided.value.deduped());
                    taken.push(decided.value.alert().clone());
                }
                Err(InboxError::Rejected(error)) => {
                    rejected.push(json!({ "alert": index, "error": error.to_string() }));
                }
                Err(error) => return Err(refused(error)),
            }
        }
        let created = taken.len() - deduplicated;
        self.changed(taken);
        Ok(json!({
            "received": notification.alerts.len(),
            "created": created,
            "deduplicated": deduplicated,
            "rejected": rejected,
            "left_out_by_alertmanager": notification.truncated_alerts,
        }))
    }

    /// A sender that does not say who it is, is this console.
    fn draft(&self, report: Ingest) -> Result<Draft, Rejection> {
        let console = self.app.0.options.operator.clone();
        let title = report.title().to_owned();
        let severity = report.severity.as_deref().map(str::parse::<Severity>).transpose()?;
        Ok(Draft {
            source: report.source.filter(|it| !it.is_empty()).unwrap_or_else(|| console.clone()),
            service: report.service.unwrap_or_default(),
            env: report.env.unwrap_or_default(),
            kind: report.kind.unwrap_or_default(),
            title,
            message: report.message.unwrap_or_default(),
            severity: severity.unwrap_or_default(),
            fingerprint: report.fingerprint,
            signature: report.incident_signature,
            labels: report.labels,
            details: report.details,
            dedupe_ttl_minutes: report.dedupe_ttl_minutes,
            started_at: report.started_at,
            resolved: report.resolved,
            told_by: Some(console),
        })
    }

    async fn claim(&self, wanted: &Claim) -> Result<Value, AppError> {
        self.writable()?;
        let request = ClaimRequest {
            owner: wanted.owner.clone(),
            window_minutes: wanted.window_minutes,
            limit: wanted.limit.unwrap_or(CLAIM_DEFAULT),
            lock_ttl_seconds: wanted.lock_ttl_seconds,
        };
        let claimed = self.inbox().claim(&request).await.map_err(refused)?;
        let both = claimed.requeued.iter().chain(&claimed.alerts);
        self.changed(both.map(|decided| decided.value.clone()));
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

    async fn ack(&self, wanted: Ack) -> Result<Value, AppError> {
        self.writable()?;
        let alert = alert_ref(&wanted.alert_ref)?;
        let caller = self.caller(wanted.owner, wanted.claim);
        let ack = Acknowledgement { caller, note: wanted.note.unwrap_or_default() };
        let decided = self.inbox().ack(&alert, &ack).await.map_err(refused)?;
        Ok(self.settled(&decided))
    }

    async fn fail(&self, wanted: Fail) -> Result<Value, AppError> {
        self.writable()?;
        let (inbox, alert) = (self.inbox(), alert_ref(&wanted.alert_ref)?);
        let by_policy = i64::from(inbox.policy().defaults.retry_after_seconds);
        let failure = Failure {
            caller: self.caller(wanted.owner, wanted.claim),
            error: wanted.error,
            retry_after_s: wanted.retry_after_seconds.unwrap_or(by_policy),
        };
        let decided = inbox.fail(&alert, &failure).await.map_err(refused)?;
        Ok(self.settled(&decided))
    }

    async fn convert(&self, wanted: &AlertToIncident) -> Result<Value, AppError> {
        self.writable()?;
        let (inbox, alert) = (self.inbox(), alert_ref(&wanted.alert_ref)?);
        let cap = wanted.incident_severity_cap.as_deref().map(str::parse::<Severity>).transpose();
        let cap = cap.map_err(|rejection| refused(rejection.into()))?;
        let terms = terms(&inbox, &alert, cap, wanted.dedupe_window_minutes).await;
        let by = self.app.me();
        let decided = inbox.to_incident(&alert, terms.map_err(refused)?, &by).await;
        let decided = decided.map_err(refused)?;
        let converted = &decided.value;
        self.changed([converted.alert.clone()]);
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

    /// Settles an alert with what its fleet looks like now, which is written into the incident; within the cooldown of its
    /// signature, with a note that no triage ran.
    pub async fn triage(&self, alert: &str, note: &str) -> Result<Value, AppError> {
        self.writable()?;
        let fleet = self.fleet.ok_or_else(|| {
            let message = "no fleet is known whose state a triage could write down";
            AppError::new(Code::Invalid, message, "add one: plumb fleet add FILE")
        })?;
        let frozen = self.app.frozen(fleet).await?;
        let ack = Acknowledgement { caller: self.caller(None, None), note: note.trim().to_owned() };
        let triaged = self.inbox().triage(&alert_ref(alert)?, None, frozen, &ack).await;
        let decided = triaged.map_err(refused)?;
        let triaged = &decided.value;
        self.changed([triaged.converted.alert.clone()]);
        let ran = triaged.decision == TriageDecision::Run;
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
    pub async fn dashboard(&self, window_minutes: Option<u32>) -> Result<Value, AppError> {
        let inbox = self.inbox();
        let counts = inbox.dashboard(window_minutes).await.map_err(refused)?;
        let since = inbox.window(window_minutes).await.map_err(refused)?;
        let newest = AlertQuery::since(since, SPREAD_LOOKED_AT);
        let newest = inbox.list(&newest).await.map_err(refused)?;
        let by_status: Map<String, Value> = Status::ALL
            .iter()
            .map(|status| {
                let found = counts.by_status.iter().find(|count| count.status == *status);
                (status.to_string(), found.map_or(0, |count| count.alerts).into())
            })
            .collect();
        let durability = inbox.durability();
        Ok(json!({
            "caller": self.app.me(),
            "now": inbox.now().await.map_err(|failure| refused(failure.into()))?,
            "counts": by_status,
            "by_status": counts.by_status,
            "stale_processing": counts.stale,
            "top_signatures": counts.signatures,
            "sources": counts.sources,
            "latest": newest.iter().take(LATEST).map(shown).collect::<Vec<_>>(),
            "fingerprints_never_the_same": spread(&newest, SPREAD_ALERTS_MIN),
            "durability": durability,
            "policy": inbox.policy(),
            "durability_text": durability.to_string(),
        }))
    }

    /// Incidents, the worst first.
    pub async fn incidents(
        &self,
        service: Option<String>,
        with_closed: bool,
    ) -> Result<Value, AppError> {
        let query = IncidentQuery { service, with_closed, limit: LIST_DEFAULT };
        let incidents = self.inbox().incidents(&query).await.map_err(refused)?;
        Ok(json!({ "count": incidents.len(), "incidents": incidents }))
    }

    /// One incident with its timeline.
    pub async fn incident(&self, incident: &str) -> Result<Value, AppError> {
        let found = self.inbox().timeline(&incident_ref(incident)?).await;
        let (incident, timeline) = found.map_err(refused)?;
        Ok(json!({ "incident": incident, "timeline": timeline }))
    }

    /// The draft of a postmortem, in Markdown.
    pub async fn draft_of(&self, incident: &str) -> Result<String, AppError> {
        let found = self.inbox().timeline(&incident_ref(incident)?).await;
        let (incident, timeline) = found.map_err(refused)?;
        Ok(postmortem_draft(&incident, &timeline))
    }

    async fn append(&self, wanted: &IncidentAppendEvent) -> Result<Value, AppError> {
        self.writable()?;
        let incident = incident_ref(&wanted.incident_ref)?;
        let appended = self.inbox().append_event(&incident, &self.app.me(), &wanted.note).await;
        self.appended(appended)
    }

    async fn close(&self, wanted: &IncidentClose) -> Result<Value, AppError> {
        self.writable()?;
        let incident = incident_ref(&wanted.incident_ref)?;
        let resolution = wanted.resolution.clone().unwrap_or_default();
        let appended = self.inbox().close_incident(&incident, &self.app.me(), &resolution).await;
        self.appended(appended)
    }

    /// Moves an incident on, or back.
    pub async fn move_to(&self, incident: &str, to: &str) -> Result<Value, AppError> {
        self.writable()?;
        let to: IncidentState = serde_json::from_value(to.into()).map_err(|_| {
            let message = format!("{to:?} is no state of an incident");
            AppError::new(Code::Invalid, message, "it is open, mitigating, resolved or closed")
        })?;
        let incident = incident_ref(incident)?;
        let appended = self.inbox().move_incident(&incident, &self.app.me(), to).await;
        self.appended(appended)
    }

    fn appended(
        &self,
        appended: Result<plumb_alert::Appended, InboxError>,
    ) -> Result<Value, AppError> {
        let appended = appended.map_err(refused)?;
        self.app.announce([Topic::Alerts]);
        Ok(json!({ "incident": appended.incident, "entries": appended.entries }))
    }

    /// Judges a release; a bypass with its reason is written into the timeline of the incident.
    pub(crate) async fn judge(
        &self,
        request: &GateRequest,
        gate: Gate<'_>,
        incident: Option<&str>,
    ) -> Result<GateVerdict, AppError> {
        if !request.run_slo_watch {
            self.writable()?;
        }
        let incident = incident.map(incident_ref).transpose()?;
        let verdict = self.inbox().judge_release(request, gate, incident.as_ref()).await;
        let verdict = verdict.map_err(refused)?;
        if matches!(verdict, GateVerdict::Bypassed(_)) {
            self.app.announce([Topic::Alerts]);
        }
        Ok(verdict)
    }

    /// What a retention of so many days, or of the policy's, would remove; removes it when asked to.
    pub async fn retention(&self, acked_days: Option<u32>, apply: bool) -> Result<Value, AppError> {
        let inbox = self.inbox();
        let acked_days = self.app.acked_days(acked_days)?;
        let preview = inbox.retention_preview(Retention { acked_days }).await.map_err(refused)?;
        let mut told = json!(preview);
        told["applied"] = apply.into();
        told["acked_days"] = acked_days.into();
        if apply {
            self.writable()?;
            told["alerts"] = self.app.remove_acked(preview.before).await?.into();
        }
        Ok(told)
    }

    fn inbox(&self) -> Inbox {
        self.app.0.alerts.inbox()
    }

    fn writable(&self) -> Result<(), AppError> {
        self.fleet.map_or(Ok(()), |fleet| self.app.writable(fleet))
    }

    /// What somebody else holds is not settled over their head, unless their name is given.
    fn caller(&self, owner: Option<String>, claim: Option<u64>) -> Caller {
        let me = self.app.me();
        Caller { owner: Some(owner.unwrap_or_else(|| me.clone())), claim, by: me }
    }

    fn settled(&self, decided: &Decided<Alert>) -> Value {
        self.changed([decided.value.clone()]);
        json!({ "alert": shown(&decided.value), "why": why(decided) })
    }

    fn changed(&self, alerts: impl IntoIterator<Item = Alert>) {
        self.app.0.alerts.changed(alerts);
        self.app.announce([Topic::Alerts]);
    }
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
