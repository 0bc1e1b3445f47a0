//! A report as it came, as a draft of an alert.

use plumb_alert::{Draft, Rejection, Severity};
use plumb_wire::alerts::{Ingest, NotifiedAlert, is_installation, teller};

/// Reads what an Alertmanager tells. It repeats nothing that was answered, so what would be refused of somebody else is
/// bent: a severity of its own words is the default one and stays in the labels.
pub(super) fn of_alertmanager(
    alert: &NotifiedAlert,
    receiver: &str,
    caller: &str,
) -> Result<Draft, Rejection> {
    let mut report = alert.to_ingest(receiver);
    report.severity = report.severity.filter(|text| text.parse::<Severity>().is_ok());
    Ok(of(report, caller)?.fitted())
}

/// Reads a report. A sender that does not say who it is, is whoever shows the token; who says that the condition lasts, or is
/// over, is that in any case, so nobody speaks for others.
pub(super) fn of(report: Ingest, caller: &str) -> Result<Draft, Rejection> {
    let installation = report.installation.as_deref().filter(|name| !name.is_empty());
    if !installation.is_none_or(is_installation) {
        return Err(Rejection::Installation);
    }
    let told_by = Some(teller(caller, installation));
    let title = report.title().to_owned();
    let severity = report.severity.as_deref().map(str::parse::<Severity>).transpose()?;
    let message = report.message.unwrap_or_default();
    Ok(Draft {
        source: report.source.filter(|source| !source.is_empty()).unwrap_or(caller.to_owned()),
        service: report.service.unwrap_or_default(),
        env: report.env.unwrap_or_default(),
        kind: report.kind.unwrap_or_default(),
        title,
        message,
        severity: severity.unwrap_or_default(),
        fingerprint: report.fingerprint,
        signature: report.incident_signature,
        labels: report.labels,
        details: report.details,
        dedupe_ttl_minutes: report.dedupe_ttl_minutes,
        started_at: report.started_at,
        resolved: report.resolved,
        told_by,
    })
}
