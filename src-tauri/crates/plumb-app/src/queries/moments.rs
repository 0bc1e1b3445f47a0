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

fn moment(body: &Body) -> Option<RunMoment> {
    let number = |wave: &u32| wave.saturating_add(1);
    let (what, loud) = match &body.event {
        Event::RunStarted { operator, targets, .. } => {
            (format!("started by {operator}, {targets} targets"), false)
        }
        Event::DesiredSet { version, .. } => (format!("the desired version is {version}"), false),
        Event::PinsChanged { .. } => ("pins of the console changed as planned".to_owned(), false),
        Event::PinsUnchanged { reason } => {
            (format!("what the console wants of nodes stays as it was: {reason}"), true)
        }
        Event::WaveStarted { wave, name, nodes } => {
            (format!("wave {} began: {name}, {nodes} nodes", number(wave)), false)
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
        Event::DesiredStarted { .. }
        | Event::PinsStarted { .. }
        | Event::EffectStarted { .. }
        | Event::EffectFinished { .. }
        | Event::EffectSkipped { .. }
        | Event::EffectSettled { .. }
        | Event::NodeProven { .. }
        | Event::GateEvaluated { .. } => return None,
    };
    Some(RunMoment {
        seq: u32::try_from(body.seq).unwrap_or(u32::MAX),
        at_ms: ms(body.at),
        what,
        loud,
    })
}
