//! The application that the window shows: its fleets, or evidence that is open before them.

use std::ops::Deref;

use plumb_app::{App, console::Console};
use tauri::{
    Manager as _, Runtime,
    ipc::{CommandArg, CommandItem, InvokeError},
};

/// What may be asked of evidence: everything else would ask a node, change something or sign it. A command that is new
/// is refused there until it stands here.
const OF_EVIDENCE: &[&str] = &[
    "alert",
    "alerts",
    "bundle_choices",
    "chart_svg",
    "drift",
    "enrolled_roster",
    "evidence_steps",
    "fleet_overview",
    "history",
    "history_svg",
    "impact",
    "incident",
    "incident_draft",
    "incidents",
    "live_run",
    "moments",
    "newest_dry_run",
    "node",
    "node_logs",
    "node_names",
    "node_raw",
    "open_fleet",
    "plan_consent",
    "policy_text_diff",
    "readiness",
    "refused",
    "reviews_due",
    "run",
    "run_certificate",
    "run_moments",
    "runbook_run",
    "runbook_runs",
    "runs",
    "save_certificate",
    "shell",
    "show_evidence_step",
    "stop_impact",
    "waiting_plans",
];

/// What a command about a fleet is asked of. Only commands about this machine take the application itself.
pub(crate) struct Front(App);

impl Deref for Front {
    type Target = App;

    fn deref(&self) -> &App {
        &self.0
    }
}

impl<'de, R: Runtime> CommandArg<'de, R> for Front {
    fn from_command(command: CommandItem<'de, R>) -> Result<Self, InvokeError> {
        let webview = command.message.webview();
        let console = webview.try_state::<Console>();
        let front = console.map(|console| console.front());
        let front =
            front.ok_or_else(|| InvokeError::from("the console's files are not open yet"))?;
        if !OF_EVIDENCE.contains(&command.name) {
            front.only_live().map_err(InvokeError::from)?;
        }
        Ok(Self(front))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_asked_of_evidence_are_commands_that_exist() {
        let commands = include_str!("lib.rs");
        for name in OF_EVIDENCE {
            assert!(commands.contains(&format!("::{name},\n")), "{name} is no command");
        }
    }
}
