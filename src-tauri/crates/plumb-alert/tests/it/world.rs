//! Time, references and a plain alert.

use jiff::{SignedDuration, Timestamp};
use plumb_alert::{
    Alert, AlertRef, Decided, Draft, IncidentRef, Ingested, Labels, Severity, ingest,
};

pub(crate) fn at(seconds: i64) -> Timestamp {
    let noon: Timestamp = "2026-03-03T12:00:00Z".parse().expect("a time");
    noon + SignedDuration::from_secs(seconds)
}

pub(crate) fn alert_ref(number: u32) -> AlertRef {
    format!("alrt_{number}").parse().expect("a reference")
}

pub(crate) fn incident_ref(number: u32) -> IncidentRef {
    format!("inc_{number}").parse().expect("a reference")
}

pub(crate) fn draft(service: &str, title: &str) -> Draft {
    Draft {
        source: "monitor@node1".to_owned(),
        service: service.to_owned(),
        env: "prod".to_owned(),
        kind: "slo_breach".to_owned(),
        title: title.to_owned(),
        severity: Severity::P0,
        labels: Labels::from([("node".to_owned(), "gw-1".to_owned())]),
        ..Draft::default()
    }
}

pub(crate) fn taken(
    draft: &Draft,
    newest: Option<&Alert>,
    number: u32,
    s: i64,
) -> Decided<Ingested> {
    ingest(draft, newest, 30, alert_ref(number), at(s)).expect("accepted")
}

pub(crate) fn alert(number: u32) -> Alert {
    taken(&draft("gateway", "p95 above objective"), None, number, 0).value.alert().clone()
}
