//! `hub packs`: versions in a running hub.

use clap::{Args, Subcommand};
use plumb_app::hub::path_part;
use plumb_hub::wire::{PackList, PackView, WhichVersion};

use super::access::{HubArgs, failed};
use crate::{
    commands::bundle::read,
    exit::{Exit, Outcome},
    output::Output,
    session::Session,
    text::table::{Cell, Table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Packs {
    /// Packs with their versions
    List(List),
    /// Publish a version: the tar of a pack, or a bundle of OPA
    Publish(Publish),
    /// Serve another version at the pack endpoint
    Serve(Serve),
}

#[derive(Debug, Args)]
pub(crate) struct List {
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The tar of a pack, or a gzip tar of OPA
    #[arg(value_name = "FILE")]
    file: String,
    /// Name of the pack
    #[arg(long)]
    id: String,
    /// Version label; a version never changes
    #[arg(long, value_name = "VERSION")]
    version: String,
    /// Sigstore bundle of the pack, as `cosign sign-blob --bundle` writes it
    #[arg(long, value_name = "FILE")]
    attestation: Option<String>,
    /// Publish it without serving it at the pack endpoint
    #[arg(long)]
    no_serve: bool,
    #[command(flatten)]
    hub: HubArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Name of the pack
    #[arg(long)]
    id: String,
    /// Version label
    #[arg(long, value_name = "VERSION")]
    version: String,
    #[command(flatten)]
    hub: HubArgs,
}

impl Packs {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match self {
            Self::List(list) => {
                let listed: PackList =
                    list.hub.client()?.get("/v1/hub/packs").await.map_err(failed)?;
                session.out.show(&listed, |out| show(out, &listed.packs));
            }
            Self::Publish(publish) => publish.run(session).await?,
            Self::Serve(serve) => {
                let which = WhichVersion { version: Some(serve.version.clone()), digest: None };
                let path = format!("/v1/hub/packs/{}/serve", path_part(&serve.id));
                let client = serve.hub.client()?;
                let view: PackView = client.call("POST", &path, &which).await.map_err(failed)?;
                session.out.show(&view, |out| show(out, std::slice::from_ref(&view)));
            }
        }
        Ok(Exit::Fine)
    }
}

impl Publish {
    async fn run(&self, session: Session<'_>) -> Result<(), crate::exit::Failure> {
        let client = self.hub.client()?;
        let bytes = read(&self.file)?;
        let pack = path_part(&self.id);
        // First, so that no reader sees the pack without it.
        if let Some(file) = &self.attestation {
            let digest = plumb_hub::digest(&bytes);
            let path = format!("/v1/hub/packs/{pack}/attestations/{digest}");
            client.send_bytes("PUT", &path, read(file)?).await.map_err(failed)?;
        }
        let version = path_part(&self.version);
        let path = format!("/v1/hub/packs/{pack}?version={version}&serve={}", !self.no_serve);
        let view = client.send_bytes("POST", &path, bytes).await.map_err(failed)?;
        let view: PackView = serde_json::from_slice(&view).map_err(|error| {
            crate::exit::Failure::internal(error.to_string(), "is this address that of a hub?")
        })?;
        session.out.show(&view, |out| show(out, std::slice::from_ref(&view)));
        Ok(())
    }
}

fn show(out: &Output, packs: &[PackView]) {
    let mut table = Table::new(&["pack", "version", "served", "attested", "digest", "published"]);
    for pack in packs {
        for version in &pack.versions {
            let served = pack.serving.as_ref() == Some(&version.digest);
            table.row([
                Cell::from(&pack.pack),
                Cell::from(&version.version),
                Cell::from(if served { "yes" } else { "" }),
                Cell::from(if version.attested { "yes" } else { "no" }),
                Cell::from(version.digest.get(..12).unwrap_or(&version.digest)),
                Cell::from(&format!("{} by {}", version.published_at, version.published_by)),
            ]);
        }
    }
    table.print(out);
}
