//! `service restart policy-engine`: restart so that bundles are read again (R024).

use clap::{Args, ValueEnum};
use plumb_app::views::plan::{ActionKind, ActionRequest};

use crate::{
    args::{Confirm, Targets},
    commands::act::act,
    exit::Outcome,
    session::Session,
};

#[derive(Debug, Args)]
pub(crate) struct Restart {
    /// What to restart
    #[arg(value_enum)]
    service: Restartable,
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    confirm: Confirm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Restartable {
    PolicyEngine,
}

impl Restart {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let Restartable::PolicyEngine = self.service;
        let request = ActionRequest::new(ActionKind::Restart, self.targets.selection());
        act(session, request, &self.confirm).await
    }
}
