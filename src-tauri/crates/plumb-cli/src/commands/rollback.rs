//! `policy rollback`: return to last-known-good, or to a named earlier version (R293).

use clap::Args;
use plumb_app::views::plan::{ActionKind, ActionRequest};

use crate::{
    args::{Confirm, Targets},
    commands::act::act,
    exit::Outcome,
    session::Session,
};

#[derive(Debug, Args)]
pub(crate) struct Rollback {
    /// An earlier version; last-known-good without it
    #[arg(long, value_name = "VERSION")]
    to_version: Option<String>,
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    confirm: Confirm,
}

impl Rollback {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let request = ActionRequest {
            version: self.to_version.clone(),
            ..ActionRequest::new(ActionKind::Rollback, self.targets.selection())
        };
        act(session, request, &self.confirm).await
    }
}
