//! `policy unpin`: lift a pin, so that the fleet file counts again.

use clap::Args;
use plumb_app::actions::configure::NodeRequest;

use crate::{
    args::{Confirm, Nodes},
    commands::change::change,
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
        change(session, &self.nodes, &NodeRequest::Unpin, &self.confirm).await
    }
}
