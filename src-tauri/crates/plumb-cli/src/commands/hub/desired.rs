//! `hub desired`: what the nodes of a fleet should run, and who said so.

use clap::{Args, Subcommand};
use plumb_app::hub::path_part;
use plumb_hub::wire::{Desired as View, DesiredHistory, LiftDesired, SetDesired};

use super::access::{HubArgs, failed};
use crate::{
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::table::{Cell, Table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Desired {
    /// What the fleet and its nodes should run
    Show(Fleet),
    /// Set it, for the whole fleet or for some nodes
    Set(Set),
    /// Take back what was said of some nodes, or of the fleet
    Lift(Lift),
    /// Who said what, newest first
    History(Fleet),
}

/// The fleet is named by --fleet, as everywhere.
#[derive(Debug, Args)]
pub(crate) struct Fleet {
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Set {
    /// Name of the pack
    #[arg(long)]
    pack: String,
    /// Version label
    #[arg(long, value_name = "VERSION")]
    version: String,
    #[command(flatten)]
    change: Change,
}

#[derive(Debug, Args)]
pub(crate) struct Lift {
    #[command(flatten)]
    change: Change,
}

/// Where something is changed, why, and by whose leave.
#[derive(Debug, Args)]
struct Change {
    /// Only this node; may be repeated
    #[arg(long = "node", value_name = "NODE")]
    nodes: Vec<String>,
    /// Why
    #[arg(long, default_value = "")]
    reason: String,
    /// The lease under which it is changed, where the fleet is locked
    #[arg(long)]
    lease: Option<String>,
    #[command(flatten)]
    hub: HubArgs,
}

impl Desired {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let fleet = session.global.fleet.as_deref().ok_or_else(|| {
            Failure::usage("no fleet is named", "give --fleet NAME, as the hub knows it")
        })?;
        let at = format!("/v1/hub/fleets/{}/desired", path_part(fleet));
        let view: View = match self {
            Self::Show(show) => show.hub.client()?.get(&at).await.map_err(failed)?,
            Self::Set(set) => {
                let wanted = SetDesired {
                    pack: set.pack.clone(),
                    version: Some(set.version.clone()),
                    digest: None,
                    nodes: set.change.nodes.clone(),
                    reason: set.change.reason.clone(),
                    lease: set.change.lease.clone(),
                };
                set.change.hub.client()?.call("PUT", &at, &wanted).await.map_err(failed)?
            }
            Self::Lift(lift) => {
                let wanted = LiftDesired {
                    nodes: lift.change.nodes.clone(),
                    reason: lift.change.reason.clone(),
                    lease: lift.change.lease.clone(),
                };
                let path = format!("{at}/lift");
                lift.change.hub.client()?.call("POST", &path, &wanted).await.map_err(failed)?
            }
            Self::History(history) => {
                let path = format!("{at}/history");
                let told: DesiredHistory =
                    history.hub.client()?.get(&path).await.map_err(failed)?;
                session.out.show(&told, |out| show_history(out, &told));
                return Ok(Exit::Fine);
            }
        };
        session.out.show(&view, |out| show(out, &view));
        Ok(Exit::Fine)
    }
}

fn show(out: &Output, view: &View) {
    let mut table = Table::new(&["node", "pack", "version", "since", "by", "reason"]);
    let of_fleet = view.fleet.iter().map(|wanted| ("(every other node)", wanted));
    let of_nodes = view.nodes.iter().map(|(node, wanted)| (node.as_str(), wanted));
    for (node, wanted) in of_nodes.chain(of_fleet) {
        table.row([
            Cell::from(node),
            Cell::from(&wanted.pack),
            Cell::from(&wanted.version),
            Cell::from(&wanted.at.to_string()),
            Cell::from(&wanted.by),
            Cell::from(&wanted.reason),
        ]);
    }
    table.print(out);
}

fn show_history(out: &Output, told: &DesiredHistory) {
    let mut table = Table::new(&["at", "by", "nodes", "version", "reason"]);
    for entry in &told.changes {
        let change = &entry.change;
        let nodes = change.nodes.join(", ");
        let version = change.to.as_ref().map_or("taken back", |to| to.version.as_str());
        table.row([
            Cell::from(&entry.at.to_string()),
            Cell::from(&change.by),
            Cell::from(if nodes.is_empty() { "the whole fleet" } else { nodes.as_str() }),
            Cell::from(version),
            Cell::from(&change.reason),
        ]);
    }
    table.print(out);
}
