//! Alerts in the words of their receivers.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Alert;

/// One element of the array `POST /api/v2/alerts` takes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Posted<'a> {
    labels: Labels<'a>,
    annotations: Annotations<'a>,
    starts_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ends_at: Option<Timestamp>,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
}

/// What makes two alerts the same one. Nothing here changes while an alert fires.
#[derive(Debug, Serialize)]
struct Labels<'a> {
    alertname: &'static str,
    severity: &'static str,
    audience: &'static str,
    node: &'a str,
    service: &'static str,
}

#[derive(Debug, Serialize)]
struct Annotations<'a> {
    summary: String,
    description: &'a str,
}

const SERVICE: &str = "plumb-agent";

impl<'a> Posted<'a> {
    pub(super) fn new(alert: &'a Alert, node: &'a str, agent_url: &'a str) -> Self {
        Self {
            labels: labels(alert, node),
            annotations: Annotations { summary: title(alert, node), description: &alert.detail },
            starts_at: alert.starts_at,
            ends_at: alert.ends_at,
            generator_url: agent_url,
        }
    }
}

/// The call of the hub's ingest tool.
#[derive(Debug, Serialize)]
pub(super) struct Ingest<'a> {
    tool: &'static str,
    action: &'static str,
    source: String,
    service: &'static str,
    kind: &'static str,
    severity: &'static str,
    title: String,
    message: &'a str,
    started_at: Timestamp,
    /// The same for every telling of one alert, so that the hub counts occurrences.
    fingerprint: String,
    labels: Labels<'a>,
}

impl<'a> Ingest<'a> {
    pub(super) fn new(alert: &'a Alert, node: &'a str) -> Self {
        let name = alert.rule.name();
        Self {
            tool: "alert_ingest_tool",
            action: "ingest",
            source: format!("{SERVICE}@{node}"),
            service: SERVICE,
            kind: "policy",
            severity: alert.rule.severity().name(),
            title: title(alert, node),
            message: &alert.detail,
            started_at: alert.starts_at,
            fingerprint: plumb_fleet::Digest::of(format!("{name}\n{node}").as_bytes()).to_hex(),
            labels: labels(alert, node),
        }
    }
}

/// What the hub answers, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct Ingested {
    #[serde(default = "yes")]
    pub(super) accepted: bool,
}

fn yes() -> bool {
    true
}

fn labels<'a>(alert: &Alert, node: &'a str) -> Labels<'a> {
    Labels {
        alertname: alert.rule.name(),
        severity: alert.rule.severity().name(),
        audience: alert.rule.audience(),
        node,
        service: SERVICE,
    }
}

fn title(alert: &Alert, node: &str) -> String {
    format!("{node}: {}", alert.rule.summary())
}
