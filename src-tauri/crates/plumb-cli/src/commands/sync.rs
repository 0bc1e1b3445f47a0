//! `policy sync`: make nodes take the desired version (R022, R029).

use clap::Args;
use plumb_app::views::plan::{ActionKind, ActionRequest};

use crate::{
    args::{Confirm, Targets},
    commands::act::act,
    exit::Outcome,
    session::Session,
};

#[derive(Debug, Args)]
pub(crate) struct Sync {
    /// Load it again also where it already runs
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    confirm: Confirm,
}

impl Sync {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let request = ActionRequest {
            force: self.force,
            ..ActionRequest::new(ActionKind::Sync, self.targets.selection())
        };
        act(session, request, &self.confirm).await
    }
}
