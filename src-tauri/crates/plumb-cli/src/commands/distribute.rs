//! `bundle storage-status` and `bundle distribute`: packs as the hub keeps and offers them (R025, R027).

use clap::Args;
use plumb_app::hub::path_part;
use plumb_hub::wire::{self, Desired, PackView, SetDesired};

use crate::{
    commands::hub::access::{HubArgs, failed},
    exit::{Exit, Failure, Outcome},
    session::Session,
};

#[derive(Debug, Args)]
pub(crate) struct StorageStatus {
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Distribute {
    /// Name of the pack
    #[arg(long)]
    pack: String,
    /// Version label; the version that the pack endpoint serves without it
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// To every node of the fleet, also to those with a version of their own
    #[arg(long, conflicts_with = "nodes", required_unless_present = "nodes")]
    all_nodes: bool,
    /// Only to this node; may be repeated
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

impl StorageStatus {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let (client, _) = self.hub.client_or_of_fleet(session).await?;
        let status: wire::StorageStatus = client.get("/v1/hub/storage").await.map_err(failed)?;
        let fine = status.writable && status.missing.is_empty();
        session.out.show(&status, |out| {
            out.say(format!(
                "{}: {} versions, {} bytes",
                status.place, status.versions, status.bytes
            ));
            match &status.problem {
                None => out.say("writing and reading works"),
                Some(problem) => out.say(out.style.bad(problem)),
            }
            for missing in &status.missing {
                out.say(
                    out.style.bad(&format!("{missing} is missing or damaged: publish it again")),
                );
            }
        });
        Ok(Exit::fine_if(fine))
    }
}

impl Distribute {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let fleet = session.global.fleet.as_deref().ok_or_else(|| {
            Failure::usage("no fleet is named", "give --fleet NAME, as the hub knows it")
        })?;
        let client = self.hub.client()?;
        let digest = if self.version.is_some() {
            None
        } else {
            let path = format!("/v1/hub/packs/{}", path_part(&self.pack));
            let view: PackView = client.get(&path).await.map_err(failed)?;
            let none = || Failure::usage("no version of it is served", "give --version");
            Some(view.serving.ok_or_else(none)?)
        };
        let wanted = SetDesired {
            pack: self.pack.clone(),
            version: self.version.clone(),
            digest,
            nodes: self.nodes.clone(),
            reason: self.reason.clone(),
            lease: self.lease.clone(),
        };
        let path = format!("/v1/hub/fleets/{}/desired", path_part(fleet));
        let desired: Desired = client.call("PUT", &path, &wanted).await.map_err(failed)?;
        session.out.show(&desired, |out| {
            let told = self.nodes.first().and_then(|node| desired.nodes.get(node));
            if let Some(wanted) = told.or(desired.fleet.as_ref()) {
                let whom = if self.nodes.is_empty() {
                    format!("every node of {fleet}")
                } else {
                    self.nodes.join(", ")
                };
                out.say(format!("{} {} is offered to {whom}", wanted.pack, wanted.version));
            }
            out.note("nodes that fetch from the hub follow at once; plumb policy version shows it");
        });
        Ok(Exit::Fine)
    }
}
