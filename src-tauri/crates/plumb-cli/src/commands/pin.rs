//! `policy pin`: set the desired version (R023).

use clap::Args;
use plumb_app::views::plan::{ActionKind, ActionRequest};

use crate::{
    args::{Confirm, Targets},
    commands::act::act,
    exit::Outcome,
    session::Session,
};

#[derive(Debug, Args)]
pub(crate) struct Pin {
    /// Version that should run
    #[arg(long, value_name = "VERSION")]
    version: String,
    /// Content digest, where a version names several bundles
    #[arg(long, value_name = "DIGEST")]
    content: Option<String>,
    /// Make the nodes take it at once
    #[arg(long)]
    sync: bool,
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    confirm: Confirm,
}

impl Pin {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let request = ActionRequest {
            version: Some(self.version.clone()),
            content: self.content.clone(),
            ..ActionRequest::new(
                if self.sync { ActionKind::PinAndSync } else { ActionKind::Pin },
                self.targets.selection(),
            )
        };
        act(session, request, &self.confirm).await
    }
}
