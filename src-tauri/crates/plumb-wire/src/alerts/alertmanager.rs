//! The webhook payload of Alertmanager, version 4.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Ingest;

/// One notification; what it may hold beside this is not looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Notification {
    pub version: String,
    #[serde(default)]
    pub receiver: String,
    pub alerts: Vec<NotifiedAlert>,
    /// Alerts that Alertmanager left out.
    #[serde(default, rename = "truncatedAlerts")]
    pub truncated_alerts: u64,
}

/// One alert of a notification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NotifiedAlert {
    pub status: String,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    #[serde(rename = "startsAt")]
    pub starts_at: Option<Timestamp>,
    #[serde(default, rename = "generatorURL")]
    pub generator_url: String,
    #[serde(default)]
    pub fingerprint: String,
}

impl NotifiedAlert {
    /// The report it stands for: its kind is the alert's name, its service the first of the labels `service`, `job`,
    /// `name`, `app`, `namespace` and `instance`, or else the receiver's name, its environment `env`, `environment` or
    /// `cluster`.
    pub fn to_ingest(&self, receiver: &str) -> Ingest {
        let first = |names: &[&str]| names.iter().find_map(|name| self.labels.get(*name)).cloned();
        let told = |name: &str| self.annotations.get(name).cloned();
        let kind = first(&["kind", "alertname"]);
        let url = Value::from(self.generator_url.as_str());
        Ingest {
            source: Some(format!("alertmanager/{receiver}")),
            // A rule over `sum by (...)` may have left none of them.
            service: first(&["service", "job", "name", "app", "namespace", "instance"])
                .or_else(|| Some(receiver.to_owned()).filter(|name| !name.is_empty())),
            env: first(&["env", "environment", "cluster"]),
            title: told("summary").or_else(|| told("message")).or_else(|| kind.clone()),
            kind,
            message: told("description"),
            severity: first(&["severity"]),
            fingerprint: Some(self.fingerprint.clone()).filter(|text| !text.is_empty()),
            labels: self.labels.clone(),
            started_at: self.starts_at,
            resolved: self.status == "resolved",
            details: [("generator_url".to_owned(), url)].into(),
            ..Ingest::default()
        }
    }
}

/// One alert of `GET /api/v2/alerts`; what it may hold beside this is not looked at.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct GettableAlert {
    #[serde(flatten)]
    alert: Told,
    status: GettableStatus,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct GettableStatus {
    /// `active`, `suppressed` or `unprocessed`.
    state: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct Told {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(rename = "startsAt")]
    starts_at: Option<Timestamp>,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
    #[serde(default)]
    fingerprint: String,
}

impl GettableAlert {
    /// As a notification would tell it; nothing where it is silenced or inhibited.
    pub fn notified(self) -> Option<NotifiedAlert> {
        let Told { labels, annotations, starts_at, generator_url, fingerprint } = self.alert;
        let status = "firing".to_owned();
        (self.status.state != "suppressed").then_some(NotifiedAlert {
            status,
            labels,
            annotations,
            starts_at,
            generator_url,
            fingerprint,
        })
    }
}

/// The answer of a Prometheus to `GET /api/v1/alerts`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct PrometheusAlerts {
    pub status: String,
    #[serde(default)]
    pub error: String,
    data: Option<PrometheusAlertList>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct PrometheusAlertList {
    alerts: Vec<PrometheusAlert>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct PrometheusAlert {
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    state: String,
    #[serde(rename = "activeAt")]
    active_at: Option<Timestamp>,
}

impl PrometheusAlerts {
    /// As notifications would tell them; one that is pending is not told yet.
    pub fn notified(self) -> Vec<NotifiedAlert> {
        let alerts = self.data.into_iter().flat_map(|data| data.alerts);
        let firing = alerts.filter(|alert| alert.state == "firing");
        let told = firing.map(|alert| NotifiedAlert {
            status: alert.state,
            labels: alert.labels,
            annotations: alert.annotations,
            starts_at: alert.active_at,
            generator_url: String::new(),
            fingerprint: String::new(),
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Debian's prometheus-alertmanager 0.25 and prometheus 2.42 answered.
    const V2: &str =
        include_str!("../../../../../tests/fixtures/alerts/alertmanager/alerts-v2.json");
    const PROMETHEUS: &str =
        include_str!("../../../../../tests/fixtures/alerts/alertmanager/prometheus-alerts.json");

    #[test]
    fn what_an_alertmanager_lists_is_told_unless_it_is_silenced() {
        let listed: Vec<GettableAlert> = serde_json::from_str(V2).expect("as it was captured");
        let all = listed.len();
        let told: Vec<_> = listed.into_iter().filter_map(GettableAlert::notified).collect();
        assert_eq!(told.len(), all - 1, "one of them is silenced");
        let report = told[0].to_ingest("read");
        assert_eq!(report.source.as_deref(), Some("alertmanager/read"));
        assert!(report.fingerprint.is_some() && report.started_at.is_some() && !report.resolved);
    }

    #[test]
    fn what_fires_in_a_prometheus_is_told_and_what_is_pending_is_not() {
        let listed: PrometheusAlerts = serde_json::from_str(PROMETHEUS).expect("as captured");
        let told = listed.notified();
        let first = told[0].to_ingest("read");
        assert_eq!(first.kind.as_deref(), Some("OpaDown"));
        assert_eq!(first.title.as_deref(), Some("OPA edge-2-down is down"));
        assert_eq!(first.service.as_deref(), Some("opa"));
        let pending = PROMETHEUS.replace("\"state\": \"firing\"", "\"state\": \"pending\"");
        let pending: PrometheusAlerts = serde_json::from_str(&pending).expect("alike");
        assert_eq!(pending.notified(), []);
    }
}
