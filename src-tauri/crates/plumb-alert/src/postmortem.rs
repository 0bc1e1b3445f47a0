//! A draft of a postmortem: what the timeline knows, and what only people do.

use std::fmt::Write as _;

use crate::incident::{Incident, IncidentEvent, TimelineEntry};

/// Markdown from an incident and its timeline.
pub fn draft(incident: &Incident, timeline: &[TimelineEntry]) -> String {
    let mut text = format!(
        "# {}: {}\n\nService {}{}, severity {}, {} since {}, {} alerts of signature {}.\n\n## Timeline\n\n",
        incident.incident_ref,
        plain(&incident.title),
        plain(&incident.service),
        if incident.env.is_empty() {
            String::new()
        } else {
            format!(" in {}", plain(&incident.env))
        },
        incident.severity,
        incident.state,
        incident.opened_at,
        incident.alerts,
        plain(&incident.signature),
    );
    for entry in timeline {
        let _ = writeln!(text, "- {} {}: {}", entry.at, plain(&entry.by), told(&entry.event));
    }
    text.push_str("\n## What people have to add\n\n- Impact: who noticed, and how long.\n- Root cause.\n- What went well, and what did not.\n- What will be changed, by whom, until when.\n");
    text
}

fn told(event: &IncidentEvent) -> String {
    let reasons = |why: &[crate::why::Why]| {
        let why: Vec<String> = why.iter().map(|why| plain(&why.to_string())).collect();
        if why.is_empty() { String::new() } else { format!(" ({})", why.join("; ")) }
    };
    match event {
        IncidentEvent::Opened { alert, why } => format!("opened by {alert}{}", reasons(why)),
        IncidentEvent::AlertAdded { alert, why } => format!("{alert} added{}", reasons(why)),
        IncidentEvent::SeverityRaised { from, to } => {
            format!("severity raised from {from} to {to}")
        }
        IncidentEvent::Triaged { alert, frozen, why } => format!(
            "triage ran for {alert}, with {} snapshot, {} drift groups, {} deployments and {} findings{}",
            if frozen.snapshot.is_some() { "a" } else { "no" },
            frozen.drift_groups.len(),
            frozen.deployments.len(),
            frozen.doctor.len(),
            reasons(why)
        ),
        IncidentEvent::TriageSkipped { alert, why } => {
            format!("no new triage for {alert}{}", reasons(why))
        }
        IncidentEvent::Note { text } => plain(text),
        IncidentEvent::StateChanged { from, to } => format!("{from} became {to}"),
        IncidentEvent::GateBypassed { gate, service, reason } => format!(
            "**gate {gate} bypassed** for {} ({}): {}",
            plain(service),
            reason.kind.words(),
            plain(&reason.text)
        ),
        IncidentEvent::Closed { resolution } => format!("closed: {}", plain(resolution)),
    }
}

/// One line that Markdown does not read as structure.
fn plain(text: &str) -> String {
    let escaped = text.chars().flat_map(|c| {
        let escape = matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|');
        escape.then_some('\\').into_iter().chain([if c.is_control() { ' ' } else { c }])
    });
    escaped.collect()
}
