//! `alerts`: the tools of the field, asked of a hub or of the console's own inbox.

mod read;
mod retention;
mod triage;

use clap::{Args, Subcommand};
use plumb_app::hub::path_part;
use serde_json::{Value, json};

use crate::{
    commands::{
        hub::access::{HubArgs, guided},
        inbox::Inbox,
    },
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::{
        age::parse_seconds,
        table::{Cell, Table},
    },
};

#[derive(Debug, Subcommand)]
pub(crate) enum Alerts {
    /// Alerts, those seen last first
    List(List),
    /// One alert, where it is routed, and why it stands as it does
    Show(One),
    /// Counts by status, signatures, sources, and whether anything survives a restart
    Dashboard(Dashboard),
    /// Tell the inbox of something
    Ingest(Box<Ingest>),
    /// Read what fires in an Alertmanager or a Prometheus now, and tell the inbox of it
    Read(read::Read),
    /// Take alerts that nobody holds, the worst first
    Claim(Claim),
    /// Close an alert
    Ack(Ack),
    /// Mark a claimed alert as failed; it is new again after the pause
    Fail(Fail),
    /// Put an alert into an incident
    ToIncident(ToIncident),
    /// Put an alert into an incident with what the fleet looks like now, and close it
    Triage(triage::Triage),
    /// Which acknowledged alerts of the console's own inbox are older than they are kept; removes them with --apply
    Retention(retention::Retention),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only alerts that stand so; may be repeated or have commas: new, processing, acked, failed
    #[arg(long, value_name = "STATUS", value_delimiter = ',')]
    status: Vec<String>,
    /// Only alerts seen so recently: 60m, 4h
    #[arg(long, value_name = "AGE", value_parser = parse_seconds)]
    last: Option<u32>,
    /// Only of this environment
    #[arg(long)]
    env: Option<String>,
    /// Only of this service
    #[arg(long)]
    service: Option<String>,
    /// Only from this source, such as monitor@node1
    #[arg(long)]
    source: Option<String>,
    /// How many
    #[arg(long)]
    limit: Option<u32>,
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Args)]
pub(crate) struct One {
    /// Reference of the alert, as lists show it
    #[arg(value_name = "ALERT")]
    alert: String,
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Dashboard {
    /// How far it looks back: 4h
    #[arg(long, value_name = "AGE", value_parser = parse_seconds)]
    last: Option<u32>,
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Ingest {
    /// What it is about
    #[arg(long)]
    service: String,
    /// What sort of thing it is, such as slo_breach
    #[arg(long)]
    kind: String,
    /// One line
    #[arg(long)]
    title: Option<String>,
    /// More than a line; its first line is the title where there is none
    #[arg(long)]
    message: Option<String>,
    /// P0, P1, P2 or P3
    #[arg(long)]
    severity: Option<String>,
    #[arg(long, help = "Environment")]
    env: Option<String>,
    /// Who says it; the name of our token, or of this console, without it
    #[arg(long)]
    source: Option<String>,
    /// What makes two reports one alert; computed without it
    #[arg(long)]
    fingerprint: Option<String>,
    /// How long the same report is the same alert
    #[arg(long, value_name = "MINUTES")]
    dedupe_ttl_minutes: Option<u32>,
    /// The condition is over
    #[arg(long)]
    resolved: bool,
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Claim {
    /// Who takes them; this console's name where no hub is named
    #[arg(long)]
    owner: Option<String>,
    /// Only alerts seen so recently
    #[arg(long, value_name = "AGE", value_parser = parse_seconds)]
    last: Option<u32>,
    /// How many
    #[arg(long)]
    limit: Option<u32>,
    /// How long they are ours: 10m
    #[arg(long, value_name = "AGE", value_parser = parse_seconds)]
    lock_ttl: Option<u32>,
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Ack {
    #[command(flatten)]
    one: One,
    /// Why, such as "false positive"
    #[arg(long)]
    note: Option<String>,
    /// Refused unless this owner holds it
    #[arg(long)]
    owner: Option<String>,
    /// Refused unless this is the claim
    #[arg(long, value_name = "NUMBER")]
    claim: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Fail {
    #[command(flatten)]
    one: One,
    /// What went wrong
    #[arg(long)]
    error: String,
    /// When it is new again: 5m; by the policy without it
    #[arg(long, value_name = "AGE", value_parser = parse_seconds)]
    retry_after: Option<u32>,
    /// Refused unless this owner holds it
    #[arg(long)]
    owner: Option<String>,
    /// Refused unless this is the claim
    #[arg(long, value_name = "NUMBER")]
    claim: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct ToIncident {
    #[command(flatten)]
    one: One,
    /// No incident gets worse than this by the alert
    #[arg(long, value_name = "SEVERITY")]
    severity_cap: Option<String>,
    /// It joins an incident of its signature that got an alert so recently
    #[arg(long, value_name = "MINUTES")]
    dedupe_window_minutes: Option<u32>,
}

const ALERT: &str = "alert_ingest_tool";
pub(crate) const ONCALL: &str = "oncall_tool";

fn ingested(out: &Output, answer: &Value) {
    let again = if answer["deduped"] == true { "seen again, " } else { "" };
    let (alert, times) = (text(&answer["alert_ref"]), &answer["occurrences"]);
    out.say(format!("{alert}: {again}{times} times"));
    reasons(out, answer);
}

impl Alerts {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match self {
            Self::Read(read) => read.run(session).await,
            Self::Triage(triage) => Box::pin(triage.run(session)).await,
            Self::Retention(retention) => retention.run(session).await,
            _ => session.with_inbox(self.hub(), async |inbox| self.ask(session, inbox).await).await,
        }
    }

    fn hub(&self) -> &HubArgs {
        match self {
            Self::List(list) => &list.hub,
            Self::Show(one) => &one.hub,
            Self::Dashboard(board) => &board.hub,
            Self::Ingest(ingest) => &ingest.hub,
            Self::Claim(claim) => &claim.hub,
            Self::Ack(ack) => &ack.one.hub,
            Self::Fail(fail) => &fail.one.hub,
            Self::ToIncident(wanted) => &wanted.one.hub,
            Self::Read(read) => read.hub(),
            Self::Triage(triage) => triage.hub(),
            Self::Retention(retention) => retention.hub(),
        }
    }

    async fn ask(&self, session: Session<'_>, inbox: &Inbox<'_>) -> Outcome {
        let out = session.out;
        match self {
            Self::List(list) => {
                let answer = inbox.tool(ALERT, "list", list.arguments()).await?;
                out.show(&answer, |out| table(out, &answer["alerts"]));
            }
            Self::Show(one) => {
                let answer = match inbox {
                    Inbox::Own(own) => own.alert(&one.alert).await?,
                    _ => inbox.get(&format!("/v1/alerts/{}", path_part(&one.alert))).await?,
                };
                out.show(&answer, |out| document(out, &answer));
            }
            Self::Dashboard(board) => {
                let answer = board.asked(inbox).await?;
                out.show(&answer, |out| dashboard(out, &answer));
            }
            Self::Ingest(ingest) => {
                let answer = inbox.tool(ALERT, "ingest", ingest.arguments()).await?;
                out.show(&answer, |out| ingested(out, &answer));
            }
            Self::Claim(claim) => {
                let answer = inbox.tool(ALERT, "claim", claim.arguments(inbox)?).await?;
                out.show(&answer, |out| {
                    table(out, &answer["alerts"]);
                    out.note(format!(
                        "{} claimed, {} were requeued first",
                        answer["claimed"], answer["requeued"]
                    ));
                    guide(out, &answer);
                });
            }
            Self::Ack(ack) => {
                let arguments = json!({ "alert_ref": ack.one.alert, "note": ack.note,
                    "owner": ack.owner, "claim": ack.claim });
                let answer = inbox.tool(ALERT, "ack", arguments).await?;
                out.show(&answer, |out| settled(out, &answer));
            }
            Self::Fail(fail) => {
                let arguments = json!({ "alert_ref": fail.one.alert, "error": fail.error,
                    "retry_after_seconds": fail.retry_after, "owner": fail.owner, "claim": fail.claim });
                let answer = inbox.tool(ALERT, "fail", arguments).await?;
                out.show(&answer, |out| settled(out, &answer));
            }
            Self::ToIncident(wanted) => {
                let arguments = json!({ "alert_ref": wanted.one.alert,
                    "incident_severity_cap": wanted.severity_cap,
                    "dedupe_window_minutes": wanted.dedupe_window_minutes });
                let answer = inbox.tool(ONCALL, "alert_to_incident", arguments).await?;
                out.show(&answer, |out| {
                    out.say(format!(
                        "{}: {}, severity {}",
                        text(&answer["incident_ref"]),
                        text(&answer["linked"]),
                        text(&answer["incident"]["severity"])
                    ));
                    reasons(out, &answer);
                });
            }
            Self::Read(_) | Self::Triage(_) | Self::Retention(_) => {
                unreachable!("these look for their inbox themselves")
            }
        }
        Ok(Exit::Fine)
    }
}

impl Dashboard {
    async fn asked(&self, inbox: &Inbox<'_>) -> Result<Value, Failure> {
        let minutes = self.last.map(|s| s.div_ceil(60));
        if let Inbox::Own(own) = inbox {
            return Ok(own.dashboard(minutes).await?);
        }
        let last = minutes.map(|minutes| format!("?window_minutes={minutes}"));
        inbox.get(&format!("/v1/alerts/dashboard{}", last.unwrap_or_default())).await
    }
}

impl List {
    fn arguments(&self) -> Value {
        json!({ "window_minutes": self.last.map(|s| s.div_ceil(60)), "env": self.env,
            "service": self.service, "source": self.source, "status_in": self.status,
            "limit": self.limit })
    }
}

impl Ingest {
    fn arguments(&self) -> Value {
        json!({ "service": self.service, "kind": self.kind, "title": self.title,
            "message": self.message, "severity": self.severity, "env": self.env,
            "source": self.source, "fingerprint": self.fingerprint,
            "dedupe_ttl_minutes": self.dedupe_ttl_minutes, "resolved": self.resolved })
    }
}

impl Claim {
    fn arguments(&self, inbox: &Inbox<'_>) -> Result<Value, Failure> {
        let owner = self.owner.clone().or_else(|| inbox.owner());
        let owner = owner.ok_or_else(|| {
            Failure::usage("nobody is named who takes them", "say who: --owner NAME")
        })?;
        Ok(json!({ "owner": owner, "window_minutes": self.last.map(|s| s.div_ceil(60)),
            "limit": self.limit, "lock_ttl_seconds": self.lock_ttl }))
    }
}

/// A text of an answer, or a dash.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

/// Where the help says what to do about an answer.
fn guide(out: &Output, answer: &Value) {
    if let Some(guide) = answer["guide"].as_str() {
        out.note(guided(guide));
    }
}

/// Why it was decided so.
pub(crate) fn reasons(out: &Output, answer: &Value) {
    for why in answer["why"].as_array().into_iter().flatten() {
        out.say(format!("  {}", crate::text::escape::printable(text(why))));
    }
}

fn settled(out: &Output, answer: &Value) {
    let alert = &answer["alert"];
    out.say(format!("{} is {}", text(&alert["alert_ref"]), text(&alert["status"])));
    reasons(out, answer);
}

fn table(out: &Output, alerts: &Value) {
    let mut table =
        Table::new(&["alert", "status", "sev", "times", "service", "kind", "owner", "title"]);
    for alert in alerts.as_array().into_iter().flatten() {
        table.row([
            Cell::from(text(&alert["alert_ref"])),
            Cell::from(text(&alert["status"])),
            Cell::from(text(&alert["severity"])),
            Cell::from(&alert["occurrences"].to_string()),
            Cell::from(text(&alert["service"])),
            Cell::from(text(&alert["kind"])),
            Cell::from(text(&alert["owner"])),
            Cell::from(text(&alert["title"])),
        ]);
    }
    table.print(out);
}

/// Every field of a document, one a line.
fn document(out: &Output, document: &Value) {
    for (name, value) in document.as_object().into_iter().flatten() {
        let shown = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        out.say(format!("{name}: {}", crate::text::escape::printable(&shown)));
    }
}

fn dashboard(out: &Output, board: &Value) {
    let durability = text(&board["durability_text"]);
    out.say(format!("alerts: {}", crate::text::escape::printable(durability)));
    for (status, count) in board["counts"].as_object().into_iter().flatten() {
        out.say(format!("{status:<12}{count}"));
    }
    out.say(format!("{:<12}{}", "stale", board["stale_processing"]));
    let mut signatures = Table::new(&["signature", "alerts", "times"]);
    for one in board["top_signatures"].as_array().into_iter().flatten() {
        signatures.row([
            Cell::from(text(&one["signature"])),
            Cell::from(&one["alerts"].to_string()),
            Cell::from(&one["occurrences"].to_string()),
        ]);
    }
    signatures.print(out);
    let mut sources = Table::new(&["source", "alerts", "last seen"]);
    for one in board["sources"].as_array().into_iter().flatten() {
        sources.row([
            Cell::from(text(&one["source"])),
            Cell::from(&one["alerts"].to_string()),
            Cell::from(text(&one["last_seen_at"])),
        ]);
    }
    sources.print(out);
    table(out, &board["latest"]);
}
