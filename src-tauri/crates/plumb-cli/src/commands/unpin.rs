//! `policy unpin`: lift a pin, so that the fleet file counts again.

use clap::Args;
use plumb_app::views::plan::{ActionKind, ActionRequest};

use crate::{
    args::{Confirm, Nodes},
    commands::act::act,
    exit::Outcome,
    session::Session,
};

#[derive(Debug, Args)]
pub(crate) struct Unpin {
    #[command(flatten)]
    nodes: Nodes,
    #[command(flatten)]
    confirm: Confirm,
}

impl Unpin {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let request = ActionRequest::new(ActionKind::Unpin, self.nodes.selection());
        act(session, request, &self.confirm).await
    }
}
