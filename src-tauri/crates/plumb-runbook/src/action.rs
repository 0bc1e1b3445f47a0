//! What an operator asks for: a request to change something, before it is a plan.

use std::{collections::BTreeMap, fmt::Write as _};

use plumb_fleet::{ContentDigest, NodeId, RunId, Version};
use serde::{Deserialize, Serialize};

use crate::{pins::PinChange, undo::Undo};

/// A request to change something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Action {
    /// Make nodes take the desired version; with `force` also those that already run it.
    Sync { force: bool },
    /// Set the desired version, and make nodes take it when `sync` is set.
    Pin { version: Version, content: Option<ContentDigest>, sync: bool },
    /// Return to last-known-good, or to a named earlier version.
    Rollback { to: Option<Version> },
    /// Restart the policy process so that it reads its bundle again.
    Restart,
    /// Settle on one version: pin it, then sync every node that runs another.
    ResolveConflict { to: Version, content: Option<ContentDigest> },
    /// Lift pins, so that the fleet file counts again, and what nodes were told to run.
    Unpin,
    /// Change a setting; the value as it is typed.
    SetConfig { key: String, value: String },
    /// Take a run back: every node it touched to where it was, and the pins it replaced.
    Undo {
        run: RunId,
        /// The title of what is taken back.
        title: String,
        nodes: BTreeMap<NodeId, Undo>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pins: Option<PinChange>,
    },
}

impl Action {
    /// Whether it brings nodes back to what ran here before: no window, promotion or checklist stops it.
    pub const fn is_way_back(&self) -> bool {
        matches!(self, Self::Rollback { to: None } | Self::Undo { .. })
    }

    /// The title of a plan of this action.
    pub fn title(&self) -> String {
        match self {
            Self::Sync { force: false } => "Sync to the desired version".to_owned(),
            Self::Sync { force: true } => "Force a reload of the desired version".to_owned(),
            Self::Pin { version, sync: true, .. } => format!("Pin {version} and sync"),
            Self::Pin { version, sync: false, .. } => format!("Pin {version}"),
            Self::Rollback { to: None } => "Roll back to last-known-good".to_owned(),
            Self::Rollback { to: Some(version) } => format!("Roll back to {version}"),
            Self::Restart => "Restart policy engines".to_owned(),
            Self::ResolveConflict { to, .. } => format!("Resolve the conflict to {to}"),
            Self::Unpin => "Lift pins".to_owned(),
            Self::SetConfig { key, value } => format!("Set {key} to {value}"),
            Self::Undo { title, .. } => format!("Undo: {title}"),
        }
    }

    /// The same as command lines of `plumb`, in order (R022-R024, R029, R032).
    pub fn command_lines(&self, fleet: &str, nodes: Option<&[NodeId]>) -> Vec<String> {
        let mut scope = String::new();
        match nodes {
            None => scope.push_str(" --all-nodes"),
            Some(nodes) => {
                for node in nodes {
                    write!(scope, " --node {node}").expect("writing to a string");
                }
            }
        }
        let policy = format!("plumb --fleet {fleet} policy");
        let quote = |version: &Version| shell_word(version.as_str());
        let bound = |content: &Option<ContentDigest>| {
            content.map(|content| format!(" --content {content}")).unwrap_or_default()
        };
        match self {
            Self::Sync { force } => {
                vec![format!("{policy} sync{}{scope}", if *force { " --force" } else { "" })]
            }
            Self::Pin { version, content, sync } => {
                let mut lines = vec![format!(
                    "{policy} pin --version {}{}{scope}",
                    quote(version),
                    bound(content)
                )];
                if *sync {
                    lines.push(format!("{policy} sync{scope}"));
                }
                lines
            }
            Self::Rollback { to } => {
                let to = to
                    .as_ref()
                    .map(|to| format!(" --to-version {}", quote(to)))
                    .unwrap_or_default();
                vec![format!("{policy} rollback{to}{scope}")]
            }
            Self::Unpin => vec![format!("{policy} unpin{scope}")],
            Self::SetConfig { key, value } => vec![format!(
                "{policy} config set {} {}{scope}",
                shell_word(key),
                shell_word(value)
            )],
            Self::Undo { run, .. } => vec![format!("plumb --fleet {fleet} runs undo {run}")],
            Self::Restart => {
                vec![format!("plumb --fleet {fleet} service restart policy-engine{scope}")]
            }
            Self::ResolveConflict { to, content } => {
                // Without a scope it is the whole fleet, as R032 writes it.
                let scope = if nodes.is_some() { scope.as_str() } else { "" };
                vec![format!(
                    "{policy} resolve-conflict --to-version {}{}{scope}",
                    quote(to),
                    bound(content)
                )]
            }
        }
    }
}

/// A word as a POSIX shell reads it back.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
