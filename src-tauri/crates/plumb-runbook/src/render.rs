//! A plan on paper: the same text on every machine.

use std::{collections::BTreeMap, fmt};

use plumb_fleet::{ContentDigest, NodeId, Version};

use crate::{
    gate::{Gate, GateCheck},
    pins::PinChange,
    plan::{Plan, Running, SetDifference},
    rollout::{OnFailure, Rollout, Shape},
    undo::Undo,
};

/// Names of nodes in one sentence; the rest is counted.
const NAMES_SHOWN: usize = 5;

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.version, self.content) {
            (Some(version), Some(content)) => write!(f, "{version} {}", content.short()),
            (Some(version), None) => write!(f, "{version}"),
            (None, Some(content)) => write!(f, "{}", content.short()),
            (None, None) => f.write_str("not known"),
        }
    }
}

impl fmt::Display for Undo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Restore { runs, pinned } => {
                write!(f, "bring back {}", Running::from(runs))?;
                match pinned {
                    Some(pin) if pin == runs => f.write_str(" and its pin"),
                    Some(pin) => write!(f, " and the pin to {}", Running::from(pin)),
                    None => f.write_str(" and lift the pin"),
                }
            }
            Self::Load { runs } => write!(f, "load {} again", Running::from(runs)),
            Self::Pin { pinned: Some(pin) } => write!(f, "pin {} again", Running::from(pin)),
            Self::Pin { pinned: None } => f.write_str("lift the pin"),
            Self::SetConfig { key, value } => write!(f, "set {key} to {value}"),
            Self::RollBackTo { version } => write!(f, "roll back to {version}"),
            Self::Nothing => f.write_str("nothing to undo"),
            Self::Impossible { reason } => write!(f, "cannot be undone: {reason}"),
        }
    }
}

impl fmt::Display for SetDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |nodes: &[NodeId]| {
            let first: Vec<&str> = nodes.iter().take(NAMES_SHOWN).map(NodeId::as_str).collect();
            let more = if nodes.len() > NAMES_SHOWN { ", ..." } else { "" };
            format!("{} ({}{more})", nodes.len(), first.join(", "))
        };
        match (self.gone.as_slice(), self.new.as_slice()) {
            (gone, []) => write!(f, "no longer there: {}", names(gone)),
            ([], new) => write!(f, "new since the plan: {}", names(new)),
            (gone, new) => {
                write!(f, "no longer there: {}; new since the plan: {}", names(gone), names(new))
            }
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shares { percent, .. } => {
                f.write_str("one canary, then")?;
                let shares = percent.iter().copied().filter(|share| *share < 100);
                for share in shares {
                    write!(f, " {share} %,")?;
                }
                f.write_str(" all")
            }
            Self::ByLabel { label, .. } => write!(f, "one canary, then by {label}"),
            Self::BlueGreen { label, first } => write!(f, "{label}={first}, then the others"),
            Self::OneByOne => f.write_str("one by one"),
        }
    }
}

fn rollout_lines(rollout: &Rollout, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let then = match rollout.on_failure {
        OnFailure::Halt => "halt",
        OnFailure::RollBack => "bring back what was touched",
    };
    writeln!(f, "shape  {}", rollout.shape)?;
    let more = match rollout.failures_tolerated {
        0 => "any failure".to_owned(),
        1 => "more than 1 failure".to_owned(),
        count => format!("more than {count} failures"),
    };
    writeln!(f, "rule   on {more}, or a gate that stays shut: {then}")?;
    for window in &rollout.freeze {
        writeln!(f, "freeze {} to {}: {}", window.from, window.until, window.reason)?;
    }
    Ok(())
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts: Vec<String> = self.checks.iter().map(GateCheck::sentence).collect();
        if self.soak_s > 0 {
            parts.push(format!("{} s have passed", self.soak_s));
        }
        f.write_str(&parts.join("; "))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "plan   {}", self.hash())?;
        writeln!(f, "what   {}", self.action.title())?;
        let environment =
            if self.environment.is_empty() { "no environment" } else { &self.environment };
        writeln!(f, "fleet  {} ({environment})", self.fleet)?;
        if let Some(change) = &self.desired {
            let content =
                change.content.map(|content| format!(" {}", content.short())).unwrap_or_default();
            let scope = match &change.nodes {
                None => "the fleet".to_owned(),
                Some(nodes) => count(nodes.len()),
            };
            writeln!(f, "pin    {}{content} for {scope}", change.version)?;
        }
        for line in self.pins.iter().flat_map(PinChange::lines) {
            writeln!(f, "pins   {line}")?;
        }
        if let Some(rollout) = &self.rollout {
            rollout_lines(rollout, f)?;
        }
        for (number, wave) in self.waves.iter().enumerate() {
            let name = if wave.name.is_empty() { "" } else { &format!(" {}", wave.name) };
            writeln!(f, "wave {}{name} ({})", number + 1, count(wave.nodes.len()))?;
            for target in &wave.nodes {
                writeln!(f, "  {}  {} -> {}", target.node, target.before, target.after)?;
                for effect in &target.effects {
                    writeln!(f, "    {}", effect.sentence())?;
                }
                writeln!(f, "    undo: {}", target.undo)?;
                for effect in &target.back {
                    writeln!(f, "      {}", effect.sentence())?;
                }
            }
            if let Some(gate) = &wave.gate {
                writeln!(f, "  gate: {gate}")?;
            }
        }
        if !self.left_out.is_empty() {
            writeln!(f, "left out")?;
            for left in &self.left_out {
                writeln!(f, "  {}  {}", left.node, left.detail)?;
            }
        }
        Ok(())
    }
}

fn count(nodes: usize) -> String {
    if nodes == 1 { "1 node".to_owned() } else { format!("{nodes} nodes") }
}

/// Nodes by what they run before the plan, largest first: the blast radius in lines.
pub fn blast_lines(plan: &Plan) -> Vec<(usize, Running)> {
    let mut counts: BTreeMap<(Option<String>, Option<ContentDigest>), usize> = BTreeMap::new();
    for target in plan.targets() {
        let version = target.before.version.as_ref().map(|v| v.as_str().to_owned());
        *counts.entry((version, target.before.content)).or_default() += 1;
    }
    let mut lines: Vec<(usize, Running)> = counts
        .into_iter()
        .map(|((version, content), count)| {
            let version = version.and_then(|version| Version::new(version).ok());
            (count, Running { version, content })
        })
        .collect();
    lines.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    lines
}
