//! What every step of a run did, event by event, as people read it.

use plumb_journal::{Entry, Event, Judged, StepEvent, StepOutcome};

/// The line of an event of a run of a runbook, and behind what somebody signed whether it is theirs; of an event that
/// people do not read about, nothing.
pub(crate) fn line(entry: &Entry, signatures: &[Judged]) -> Option<String> {
    let (step, said) = match &entry.body.event {
        Event::Step { step, happened } => (step.as_str(), said(happened)),
        event => ("-", of_run(event)?),
    };
    let judged = signatures.iter().find(|judged| judged.event == entry.body.seq);
    let signed = judged.map(|judged| format!("; {}", judged.sentence())).unwrap_or_default();
    Some(format!("{}  {step}  {}{signed}\n", entry.body.at, one_line(&said)))
}

/// What a step answered may have lines of its own.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" | ")
}

fn of_run(event: &Event) -> Option<String> {
    Some(match event {
        Event::RunStarted { operator, .. } => format!("started by {operator}"),
        Event::RunbookSigned { by, .. } => format!("a signature of {by} over the start"),
        Event::RunResumed { by } => format!("picked up by {by}"),
        Event::Paused { by } => format!("paused by {by}"),
        Event::Resumed { by } => format!("resumed by {by}"),
        Event::Halted { reason, .. } => format!("halted: {reason}"),
        Event::RollbackStarted { reason, by } => format!("taken back{}: {reason}", of(by.as_ref())),
        Event::AbortRequested { by } => format!("aborted by {by}"),
        Event::Bypassed { what, by, reason } => format!("{what} by {by}: {reason}"),
        Event::RunEnded { outcome } => format!("ended: {}", outcome.name().replace('_', " ")),
        _ => return None,
    })
}

fn said(happened: &StepEvent) -> String {
    match happened {
        StepEvent::Skipped { reason, by } => format!("skipped{}: {reason}", of(by.as_ref())),
        StepEvent::Started { attempt, effect } if *attempt > 1 => {
            format!("begins (attempt {attempt}): {}", effect.sentence())
        }
        StepEvent::Started { effect, .. } => format!("begins: {}", effect.sentence()),
        StepEvent::Taken { title, .. } => format!("goes on with {title}"),
        StepEvent::Announced { until } => format!("announced; it begins at {until}"),
        StepEvent::Frozen { until } => format!("frozen until {until}"),
        StepEvent::Unfrozen => "the freeze is lifted".to_owned(),
        StepEvent::Lifted { by, reason } => format!("the freeze was lifted by {by}: {reason}"),
        StepEvent::Overdue => "the freeze should have been lifted by now".to_owned(),
        StepEvent::Planned { plan, summary, .. } => format!("planned {}: {summary}", plan.short()),
        StepEvent::Confirmed { plan, by } => format!("{by} confirmed plan {}", plan.short()),
        StepEvent::NotCarried { reason } => format!("not carried out: {reason}"),
        StepEvent::Approved { group, by, .. } => format!("approved by {by} for {group}"),
        StepEvent::Breached { monitor, detail } => format!("{monitor} left its limits: {detail}"),
        StepEvent::Finished { outcome, detail, by, .. } => {
            let outcome = match outcome {
                StepOutcome::Succeeded => "succeeded",
                StepOutcome::Failed => "failed",
                StepOutcome::NotBegun => "did not begin",
                StepOutcome::InDoubt => "in doubt",
            };
            format!("{outcome}{}: {detail}", of(by.as_ref()))
        }
        StepEvent::Settled { happened, by, note } => {
            let what = if *happened { "happened" } else { "did not happen" };
            format!("{by} found that it {what}: {note}")
        }
        StepEvent::Again { by } => format!("{by} wants it done once more"),
    }
}

fn of(by: Option<&String>) -> String {
    by.map(|by| format!(" ({by})")).unwrap_or_default()
}
