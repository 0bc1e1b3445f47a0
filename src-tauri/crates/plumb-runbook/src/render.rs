//! A plan on paper: the same text on every machine.

use std::fmt;

use crate::{
    pins::PinChange,
    plan::{Plan, Running},
    undo::Undo,
};

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
        for (number, wave) in self.waves.iter().enumerate() {
            writeln!(f, "wave {} ({})", number + 1, count(wave.nodes.len()))?;
            for target in &wave.nodes {
                writeln!(f, "  {}  {} -> {}", target.node, target.before, target.after)?;
                for effect in &target.effects {
                    writeln!(f, "    {}", effect.sentence())?;
                }
                writeln!(f, "    undo: {}", target.undo)?;
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
