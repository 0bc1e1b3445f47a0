//! Waves and gates, of a plan and of a run, as a person reads them.

use plumb_app::views::{
    rollout::{RolloutView, RunCheck, RunCheckVerdict, RunRollout, RunWave, RunWaveState},
    run::{RunPhase, RunView},
};

use crate::{
    output::Output,
    text::{age::seconds_words, count, escape::printable, style::Hue},
};

/// Names of nodes that a wave spells out; the rest is counted.
const NAMES_MAX: usize = 8;

/// The waves of a plan, each with its gate, and what failure leads to.
pub(crate) fn plan_waves(out: &Output, rollout: &RolloutView) {
    for (number, wave) in (1..).zip(&rollout.waves) {
        let head = format!("wave {number}: {} ({})", printable(&wave.name), nodes(&wave.nodes));
        out.say(format!("{}  {}", out.style.bold(&head), names(&wave.nodes)));
        for check in &wave.gate {
            out.say(format!("  then {}", printable(check)));
        }
        if wave.soak_s > 0 {
            out.say(format!("  watched for {} at least", seconds_words(i64::from(wave.soak_s))));
        }
    }
    out.say(&rollout.on_failure);
}

/// How the waves of a run stand, and what stopped it.
pub(crate) fn run_waves(out: &Output, rollout: &RunRollout) {
    for (_, lines) in wave_lines(out, rollout) {
        for line in lines {
            out.say(line);
        }
    }
    if let Some(why) = &rollout.halted {
        out.say(out.style.bad(&format!("halted: {}", printable(why))));
    }
    if let Some(who) = &rollout.paused_by {
        out.say(format!("paused by {}", printable(who)));
    }
    if let Some(why) = &rollout.rollback {
        out.say(format!("brought back: {}", printable(why)));
    }
}

/// The lines of each wave that has begun, by its number from 1.
pub(crate) fn wave_lines(out: &Output, rollout: &RunRollout) -> Vec<(usize, Vec<String>)> {
    let of = rollout.waves.len();
    let begun = |(_, wave): &(usize, &RunWave)| wave.state != RunWaveState::Waiting;
    (1..)
        .zip(&rollout.waves)
        .filter(begun)
        .map(|(number, wave)| {
            let (hue, word) = match wave.state {
                RunWaveState::Waiting => (Hue::Grey, "· waiting"),
                RunWaveState::Acting => (Hue::Sky, "→ acting"),
                RunWaveState::Halted => (Hue::Vermilion, "× halted"),
                RunWaveState::Gate => (Hue::Sky, "◷ at its gate"),
                RunWaveState::Passed => (Hue::Green, "✓ passed"),
                RunWaveState::Failed => (Hue::Vermilion, "× its gate stayed shut"),
            };
            let name = printable(&wave.name);
            let state = out.style.paint(hue, word);
            let mut lines = vec![format!("wave {number} of {of} ({name})  {state}")];
            let why = rollout.halted.iter().filter(|_| wave.state == RunWaveState::Halted);
            lines.extend(why.map(|why| format!("  {}", printable(why))));
            lines.extend(check_lines(out, wave));
            (number, lines)
        })
        .collect()
}

fn check_lines(out: &Output, wave: &RunWave) -> Vec<String> {
    if matches!(wave.state, RunWaveState::Acting | RunWaveState::Halted) {
        return Vec::new();
    }
    let line = |check: &RunCheck| {
        let (hue, word) = match check.verdict {
            RunCheckVerdict::Met => (Hue::Green, "✓ met"),
            RunCheckVerdict::NotMet => (Hue::Vermilion, "× not met"),
            RunCheckVerdict::Unknown => (Hue::Grey, "? unknown"),
        };
        let detail = match check.detail.as_str() {
            "" => String::new(),
            detail => format!(": {}", printable(detail)),
        };
        format!("  {}  {}{detail}", out.style.paint(hue, word), printable(&check.what))
    };
    let attested = wave.attested.iter().map(|said| format!("  attested by {}", printable(said)));
    wave.checks.iter().map(line).chain(attested).collect()
}

/// The wave that waits for an attestation, by its number from 1.
pub(crate) fn waiting_wave(rollout: &RunRollout) -> Option<(usize, &RunWave)> {
    (1..).zip(&rollout.waves).find(|(_, wave)| wave.waits_for_attestation)
}

/// How to go on with a run that is open; nothing where it has ended.
pub(crate) fn ways_on(run: &RunView) -> Vec<String> {
    let commands = next_commands(run).into_iter().map(|command| format!("  {command}"));
    let mut lines: Vec<String> = commands.collect();
    if !lines.is_empty() {
        lines.insert(0, "the run is open; go on with one of".to_owned());
    }
    lines
}

fn next_commands(run: &RunView) -> Vec<String> {
    let Some(rollout) = run.rollout.as_ref().filter(|_| run.ended_at_ms.is_none()) else {
        return Vec::new();
    };
    let resume = format!("plumb run resume {}", run.id);
    let mut lines = Vec::new();
    let failed = (1..).zip(&rollout.waves).find(|(_, wave)| wave.state == RunWaveState::Failed);
    match (waiting_wave(rollout), failed) {
        (_, Some((number, _))) if rollout.halted.is_some() => {
            lines.push(resume.clone());
            lines.push(format!("{resume} --skip-gate {number} --reason 'WHY'"));
        }
        (Some((number, _)), _) if run.phase != RunPhase::Halted => {
            lines.push(format!("{resume} --attest {number} --note 'WHAT YOU SAW'"));
        }
        _ => lines.push(resume.clone()),
    }
    if rollout.rollback.is_none() {
        lines.push(format!("{resume} --roll-back 'WHY'"));
    }
    lines.push(format!("plumb run abort {}", run.id));
    lines
}

fn nodes(nodes: &[String]) -> String {
    count(u64::try_from(nodes.len()).unwrap_or(u64::MAX), "node")
}

fn names(nodes: &[String]) -> String {
    let shown: Vec<String> = nodes.iter().take(NAMES_MAX).map(|node| printable(node)).collect();
    let shown = shown.join(", ");
    match nodes.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
