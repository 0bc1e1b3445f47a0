//! `policy config`: settings of nodes (R033).

use clap::{Args, Subcommand};
use plumb_app::views::{
    configure::NodeConfigView,
    plan::{ActionKind, ActionRequest},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::{Confirm, Nodes},
    commands::act::act,
    exit::{Exit, Outcome},
    output::Output,
    session::Session,
    text::escape::printable,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Show settings
    Get(Get),
    /// Change a setting
    Set(Set),
}

#[derive(Debug, Args)]
pub(crate) struct Get {
    /// A dotted key, for example deployment.locking; all of them without it
    #[arg(value_name = "KEY")]
    key: Option<String>,
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// A dotted key, for example bundle.polling.min_delay_seconds
    #[arg(value_name = "KEY")]
    key: String,
    #[arg(value_name = "VALUE")]
    value: String,
    #[command(flatten)]
    nodes: Nodes,
    #[command(flatten)]
    confirm: Confirm,
}

/// Settings of nodes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConfigDocument {
    pub(crate) fleet: String,
    pub(crate) nodes: Vec<NodeConfigView>,
}

impl Config {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match self {
            Self::Get(get) => show(session, &get.nodes, get.key.as_deref()).await,
            Self::Set(set) => set.run(session).await,
        }
    }
}

impl Set {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let request = ActionRequest {
            key: Some(self.key.clone()),
            value: Some(self.value.clone()),
            ..ActionRequest::new(ActionKind::SetConfig, self.nodes.selection())
        };
        act(session, request, &self.confirm).await
    }
}

/// Prints one line a setting, so that `grep` finds it.
pub(crate) async fn show(session: Session<'_>, nodes: &Nodes, key: Option<&str>) -> Outcome {
    session
        .with_fleet(async |app, fleet| {
            let mut nodes = app.node_config(fleet, nodes.named()).await?;
            if let Some(key) = key {
                for node in &mut nodes {
                    node.settings.retain(|line| line.key == key);
                }
            }
            let asked = || nodes.iter().filter(|node| node.api != "reload");
            let nobody = asked().count() > 0 && asked().all(|node| node.failure.is_some());
            let known = key.is_none() || nodes.iter().any(|node| !node.settings.is_empty());
            let document = ConfigDocument { fleet: fleet.to_owned(), nodes };
            session.out.show(&document, |out| {
                document.nodes.iter().for_each(|node| lines(out, node));
            });
            Ok(if nobody { Exit::Unreachable } else { Exit::fine_if(known) })
        })
        .await
}

fn lines(out: &Output, node: &NodeConfigView) {
    let name = printable(&node.node);
    for line in &node.settings {
        out.say(format!("{name}  {} = {}", printable(&line.key), printable(&line.value)));
    }
    if let Some(reason) = &node.read_only_reason {
        out.say(out.style.faint(&format!("{name}  # read-only here: {}", printable(reason))));
    }
    if let Some(failure) = &node.failure {
        out.say(out.style.bad(&format!("{name}  # not read: {}", printable(failure))));
    }
}
