//! `policy opa`: bundles and configuration of Open Policy Agent, and of agents by the same words.

use clap::{Args, Subcommand};

use crate::{
    args::Nodes,
    commands::{bundle_status, config},
    exit::Outcome,
    session::Session,
};

#[derive(Debug, Subcommand)]
pub(crate) enum Opa {
    /// The bundles OPA nodes activated (R021)
    BundleStatus(BundleStatus),
    /// Settings of bundles and polling (R034-R036)
    #[command(subcommand)]
    Config(Config),
}

#[derive(Debug, Args)]
pub(crate) struct BundleStatus {
    #[command(flatten)]
    nodes: Nodes,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Show the configuration of OPA nodes and agents
    Show(Show),
    /// Change bundle.polling.* of agents; OPA's own is read-only here, and the answer says why
    Set(Box<config::Set>),
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    #[command(flatten)]
    nodes: Nodes,
}

impl Opa {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match self {
            Self::BundleStatus(status) => {
                bundle_status::show(session, &status.nodes, Some("opa")).await
            }
            Self::Config(Config::Show(show)) => config::show(session, &show.nodes, None).await,
            Self::Config(Config::Set(set)) => set.run(session).await,
        }
    }
}
