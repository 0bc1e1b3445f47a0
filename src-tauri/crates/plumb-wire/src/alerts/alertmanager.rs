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
    /// The report it stands for: its kind is the alert's name, its service the first of the labels `service`, `job`
    /// and `name`, its environment `env`, `environment` or `cluster`.
    pub fn to_ingest(&self, receiver: &str) -> Ingest {
        let first = |names: &[&str]| names.iter().find_map(|name| self.labels.get(*name)).cloned();
        let told = |name: &str| self.annotations.get(name).cloned();
        let kind = first(&["kind", "alertname"]);
        let url = Value::from(self.generator_url.as_str());
        Ingest {
            source: Some(format!("alertmanager/{receiver}")),
            service: first(&["service", "job", "name"]),
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
