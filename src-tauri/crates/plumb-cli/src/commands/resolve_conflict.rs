//! `policy resolve-conflict`: settle on one version (R032).

use clap::Args;
use plumb_app::views::plan::{ActionKind, ActionRequest, NodeSelection};

use crate::{args::Confirm, commands::act::act, exit::Outcome, session::Session};

#[derive(Debug, Args)]
pub(crate) struct ResolveConflict {
    /// The version every node should run
    #[arg(long, value_name = "VERSION")]
    to_version: String,
    /// Content digest, where that version names several bundles
    #[arg(long, value_name = "DIGEST")]
    content: Option<String>,
    #[command(flatten)]
    confirm: Confirm,
}

impl ResolveConflict {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let request = ActionRequest {
            version: Some(self.to_version.clone()),
            content: self.content.clone(),
            ..ActionRequest::new(ActionKind::ResolveConflict, NodeSelection::All)
        };
        act(session, request, &self.confirm).await
    }
}
