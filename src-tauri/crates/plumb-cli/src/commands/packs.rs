//! `policy packs`: making, publishing and serving policy packs.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Subcommand};
use plumb_hub::{HubConfig, HubError, serve_packs};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::{
        bundle::{
            build::{WrittenDocument, describe},
            read, write,
        },
        demo::stop_signal,
        tls::{self, TlsFlags},
        token::{Purpose, token},
    },
    exit::{Exit, Failure, Outcome},
    session::Session,
};

/// Environment variable that holds the token readers have to show.
const TOKEN_VARIABLE: &str = "PLUMB_HUB_TOKEN";
const TOKEN: Purpose =
    Purpose { name: "the token", without: "give one, or leave it out on loopback" };

#[derive(Debug, Subcommand)]
pub(crate) enum Packs {
    /// Make the deterministic tar of a folder with opa/, data/ and README.md
    Build(Build),
    /// Put a pack, and what attests it, into a folder that is served
    Publish(Publish),
    /// Serve the packs of a folder until SIGTERM or SIGINT
    Serve(Serve),
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// Folder with opa/*.rego, data/*.json, README.md and, where wanted, manifest.json
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Name of the pack
    #[arg(long)]
    id: String,
    /// Version label
    #[arg(long, value_name = "VERSION")]
    version: Option<String>,
    /// File to write
    #[arg(long, short, value_name = "FILE")]
    out: String,
}

#[derive(Debug, Args)]
pub(crate) struct Publish {
    /// The tar of a pack
    #[arg(value_name = "FILE")]
    pack: String,
    /// Name it is served by
    #[arg(long)]
    id: String,
    /// Folder that is served
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Sigstore bundle of the pack, as `cosign sign-blob --bundle` writes it
    #[arg(long, value_name = "FILE")]
    attestation: Option<String>,
}

#[derive(Debug, Args)]
#[command(mut_args(tls::hub))]
pub(crate) struct Serve {
    /// Folder with packs
    #[arg(long, value_name = "DIR", env = "PLUMB_HUB_PACKS")]
    dir: PathBuf,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", env = "PLUMB_HUB_LISTEN", default_value_t = SocketAddr::from(([127, 0, 0, 1], 8090)))]
    listen: SocketAddr,
    /// A pack that is still to come; may be repeated
    #[arg(long, value_name = "ID")]
    expect: Vec<String>,
    /// File with the bearer token readers have to show; or in PLUMB_HUB_TOKEN
    #[arg(long, value_name = "FILE", env = "PLUMB_HUB_TOKEN_FILE")]
    token_file: Option<String>,
    #[command(flatten)]
    tls: TlsFlags,
}

/// A pack that was put into a folder.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PublishedDocument {
    pub(crate) pack: String,
    /// SHA-256 of the tar.
    pub(crate) digest: String,
    pub(crate) attested: bool,
}

/// Printed once packs are served.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PacksStarted {
    pub(crate) listen: String,
    pub(crate) packs: Vec<ServedPack>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ServedPack {
    pub(crate) pack: String,
    pub(crate) url: String,
    /// SHA-256 of the tar.
    pub(crate) digest: String,
}

impl Packs {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match self {
            Self::Build(build) => build.run(session),
            Self::Publish(publish) => publish.run(session),
            Self::Serve(serve) => serve.run(session).await,
        }
    }
}

impl Build {
    fn run(&self, session: Session<'_>) -> Outcome {
        let tar = plumb_hub::build(&self.folder, &self.id, self.version.as_deref())
            .map_err(|error| refused(&error))?;
        write(&self.out, &tar)?;
        let document: WrittenDocument = describe(&self.out, &tar, false)?;
        session.out.show(&document, |out| {
            out.say(format!(
                "wrote {}: {} {}, {} modules, sha256:{}; sign it: cosign sign-blob --bundle",
                self.out, document.bundle_id, document.version, document.policies, document.digest
            ));
        });
        Ok(Exit::Fine)
    }
}

impl Publish {
    fn run(&self, session: Session<'_>) -> Outcome {
        let tar = read(&self.pack)?;
        let attestation = self.attestation.as_deref().map(read).transpose()?;
        let digest = plumb_hub::publish(&self.dir, &self.id, &tar, attestation.as_deref())
            .map_err(|error| refused(&error))?;
        let document = PublishedDocument {
            pack: self.id.clone(),
            digest: digest.to_string(),
            attested: attestation.is_some(),
        };
        session.out.show(&document, |out| {
            out.say(format!("published {}, sha256:{}", document.pack, document.digest));
            if !document.attested {
                out.note("without --attestation agents refuse it as unsigned");
            }
        });
        Ok(Exit::Fine)
    }
}

impl Serve {
    async fn run(&self, session: Session<'_>) -> Outcome {
        let mut config = HubConfig::new(&self.dir);
        config.listen = self.listen;
        config.expected.clone_from(&self.expect);
        config.token = token(self.token_file.as_deref(), TOKEN_VARIABLE, TOKEN)?;
        config.tls = self.tls.config();
        config.insecure_behind_proxy = self.tls.insecure_behind_proxy;
        let stop = stop_signal()?;
        let hub = serve_packs(config).await.map_err(|error| refused(&error))?;
        let packs = hub.packs().served().into_iter().map(|(pack, digest)| ServedPack {
            url: hub.pack_url(&pack),
            digest: digest.to_string(),
            pack,
        });
        let started = PacksStarted { listen: hub.address().to_string(), packs: packs.collect() };
        if session.out.json {
            session.out.document_line(&started);
        } else {
            session.out.say(format!("packs are served at {}", started.listen));
            for pack in &started.packs {
                session.out.say(format!("{}  sha256:{}", pack.url, pack.digest));
            }
        }
        stop.await;
        hub.shutdown().await;
        Ok(Exit::Fine)
    }
}

fn refused(error: &HubError) -> Failure {
    let exit = match error {
        HubError::Watch { .. } | HubError::Listen { .. } => Exit::Internal,
        _ => Exit::Usage,
    };
    Failure::new(exit, plumb_app::error::chain(error), "see: plumb policy packs --help")
}
