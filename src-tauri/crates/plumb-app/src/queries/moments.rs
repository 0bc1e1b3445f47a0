//! What happened in a run beside its single effects: who decided what and why, in sentences.

use plumb_journal::{Body, Entry, Event, Outcome};

use crate::{
    app::App,
    error::AppError,
    ids::run_id,
    views::{convert::ms, run::RunMoment},
};

/// Moments of one run that are listed: the newest ones of a run over thousands of waves.
const MOMENTS_MAX: usize = 500;

impl App {
    /// Waves, gates, halts and decisions with their reasons, newest first.
    pub async fn run_moments(&self, id: &str) -> Result<Vec<RunMoment>, AppError> {
        let (_, entries) = self.run_record(run_id(id)?).await?;
        Ok(moments(&entries))
    }
}

fn moments(entries: &[Entry]) -> Vec<RunMoment> {
    entries.iter().rev().filter_map(|entry| moment(&entry.body)).take(MOMENTS_MAX).collect()
}

fn counted(count: u32, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

fn moment(body: &Body) -> Option<RunMoment> {
    let (what, loud) = words(&body.event)?;
    let seq = u32::try_from(body.seq).unwrap_or(u32::MAX);
    Some(RunMoment { seq, at_ms: ms(body.at), what, loud })
}

/// What an event says, also of a single node, and whether it went wrong or past a safeguard.
pub(crate) fn sentence(event: &Event) -> (String, bool) {
    words(event).unwrap_or_else(|| of_a_node(event))
}

fn of_a_node(event: &Event) -> (String, bool) {
    match event {
        Event::DesiredStarted { version, .. } => {
            (format!("the desired version is about to become {version}"), false)
        }
        Event::PinsStarted { .. } => ("pins of the console are about to change".to_owned(), false),
        Event::EffectStarted { node, effect, .. } => {
            (format!("{node}: {} was begun", effect.sentence()), false)
        }
        Event::EffectFinished { node, outcome, .. } => {
            (format!("{node}: {}", outcome.message()), !outcome.is_accepted())
        }
        Event::EffectSkipped { node, reason, .. } => {
            (format!("{node} was left out: {reason}"), true)
        }
        Event::EffectSettled { node, detail, happened, .. } => {
            (format!("{node} was looked at: {detail}"), !happened)
        }
        Event::NodeProven { node, arrived, detail, .. } => (format!("{node}: {detail}"), !arrived),
        Event::GateEvaluated { wave, .. } => {
            (format!("the gate of wave {} was looked at", wave.saturating_add(1)), false)
        }
        Event::RunbookTrusted { runbook, .. } => (format!("the runbook {runbook} may run"), false),
        Event::RunbookSigned { by, .. } => (format!("a signature of {by} over the start"), false),
        Event::Step { step, .. } => (format!("step {step}"), false),
        other => (format!("{other:?}"), false),
    }
}

/// A sentence, and whether it went wrong or past a safeguard; nothing for what stands with single nodes.
fn words(event: &Event) -> Option<(String, bool)> {
    let number = |wave: &u32| wave.saturating_add(1);
    Some(match event {
        Event::RunStarted { operator, targets, .. } => {
            (format!("started by {operator}, {}", counted(*targets, "target")), false)
        }
        Event::DesiredSet { version, .. } => (format!("the desired version is {version}"), false),
        Event::PinsChanged { .. } => ("pins of the console changed as planned".to_owned(), false),
        Event::PinsUnchanged { reason } => {
            (format!("what the console wants of nodes stays as it was: {reason}"), true)
        }
        Event::WaveStarted { wave, name, nodes } => {
            (format!("wave {} began: {name}, {}", number(wave), counted(*nodes, "node")), false)
        }
        Event::GateReached { wave } => {
            (format!("every node of wave {} is settled", number(wave)), false)
        }
        Event::GatePassed { wave } => (format!("the gate of wave {} opened", number(wave)), false),
        Event::GateFailed { wave, reason } => {
            (format!("the gate of wave {} stays shut: {reason}", number(wave)), true)
        }
        Event::Attested { wave, by, note } => {
            (format!("{by} attested the gate of wave {}: {note}", number(wave)), false)
        }
        Event::Paused { by } => (format!("paused by {by}"), false),
        Event::Resumed { by } => (format!("resumed by {by}"), false),
        Event::Halted { reason, .. } => (format!("halted: {reason}"), true),
        Event::RollbackStarted { reason, by: Some(by) } => {
            (format!("{by} brings nodes back: {reason}"), true)
        }
        Event::RollbackStarted { reason, by: None } => {
            (format!("nodes are brought back by the plan's rule: {reason}"), true)
        }
        Event::LockTaken { owner } => (format!("the lock was taken by {owner}"), false),
        Event::LockLost { reason } => (format!("the lock was lost: {reason}"), true),
        Event::LockReleased => ("the lock was given back".to_owned(), false),
        Event::Bypassed { what, by, reason } => (format!("{what} by {by}: {reason}"), true),
        Event::RunResumed { by } => {
            (format!("picked up by {by}; what was under way is looked at"), false)
        }
        Event::AbortRequested { by } => (format!("{by} aborts"), true),
        Event::RunEnded { outcome } => {
            let words = outcome.name().replace('_', " ");
            (format!("ended: {words}"), *outcome != Outcome::Succeeded)
        }
        Event::EvidenceKept { .. }
        | Event::DesiredStarted { .. }
        | Event::PinsStarted { .. }
        | Event::EffectStarted { .. }
        | Event::EffectFinished { .. }
        | Event::EffectSkipped { .. }
        | Event::EffectSettled { .. }
        | Event::NodeProven { .. }
        | Event::GateEvaluated { .. }
        // Runs of runbooks have a view of their own.
        | Event::RunbookTrusted { .. }
        | Event::RunbookSigned { .. }
        | Event::Step { .. } => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decisions_are_told_with_who_and_why_and_what_went_wrong_is_loud() {
        let attested =
            Event::Attested { wave: 0, by: "mira".to_owned(), note: "it answers".to_owned() };
        let quiet = "mira attested the gate of wave 1: it answers".to_owned();
        assert_eq!(words(&attested), Some((quiet, false)));
        let back = Event::RollbackStarted {
            reason: "its disk is full".to_owned(),
            by: Some("mira".to_owned()),
        };
        let loud = "mira brings nodes back: its disk is full".to_owned();
        assert_eq!(words(&back), Some((loud, true)));
        let wave = Event::WaveStarted { wave: 1, name: "50 %".to_owned(), nodes: 1 };
        assert_eq!(words(&wave), Some(("wave 2 began: 50 %, 1 node".to_owned(), false)));
        assert_eq!(words(&Event::GateEvaluated { wave: 0, checks: Vec::new() }), None);
    }
}
