//! `agent serve`: the service beside a policy engine.

mod governance;
mod opa;
mod packs;
mod recording;
mod supervise;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use clap::{Args, Subcommand, ValueEnum};
use plumb_agent::{
    Agent as Service, AgentConfig, AgentError, AlertConfig, AlertKind, BUNDLE_VARIABLE, LogLevel,
    NoBundle, PORT, PackEngine, Polling, TlsConfig, TrustKey,
    fetch::LogSink,
    sidecar::{Sidecar, SidecarConfig},
};
use schemars::JsonSchema;
use serde::Serialize;

use governance::GovernanceFlags;
use opa::OpaFlags;
use packs::PackFlags;
use recording::RecordingFlags;

use crate::{
    args::LogFormat,
    commands::{
        demo::stop_signal,
        tls::{self, TlsFlags},
        token::{Purpose, token, token_of},
    },
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
};

/// Environment variable that holds the bearer token.
const TOKEN_VARIABLE: &str = "PLUMB_AGENT_TOKEN";
const TOKEN: Purpose =
    Purpose { name: "the token", without: "give one, or leave it out on loopback" };

#[derive(Debug, Subcommand)]
pub(crate) enum Agent {
    /// Answer until SIGTERM or SIGINT; requests in flight finish
    Serve(Box<Serve>),
}

#[derive(Debug, Args)]
#[command(mut_args(tls::agent))]
pub(crate) struct Serve {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", env = "PLUMB_AGENT_LISTEN", default_value_t = SocketAddr::from(([127, 0, 0, 1], PORT)))]
    listen: SocketAddr,
    /// The default bundle; not looked at where packs are run
    #[arg(long, value_name = "FILE", env = BUNDLE_VARIABLE, required_unless_present = "pack_url")]
    bundle: Option<PathBuf>,
    /// Folder bundles may stand in; the default bundle's folder without it; may be repeated
    #[arg(
        long = "bundle-root",
        value_name = "DIR",
        env = "PLUMB_AGENT_BUNDLE_ROOTS",
        value_delimiter = ':'
    )]
    bundle_roots: Vec<PathBuf>,
    /// A public key bundles may be signed with, as ID=FILE; may be repeated
    #[arg(long, value_name = "ID=FILE", env = "PLUMB_AGENT_TRUST", value_delimiter = ',', value_parser = trust_key)]
    trust: Vec<TrustKey>,
    /// Folder for pin, settings, history and last known good bundles
    #[arg(long, value_name = "DIR", env = "PLUMB_AGENT_STATE_DIR")]
    state_dir: Option<PathBuf>,
    /// File with the bearer token changes have to show; or in PLUMB_AGENT_TOKEN
    #[arg(long, value_name = "FILE", env = "PLUMB_AGENT_TOKEN_FILE")]
    token_file: Option<String>,
    #[command(flatten)]
    tls: TlsFlags,
    /// Answer exactly as the field's service does, quirks included
    #[arg(long, env = "PLUMB_AGENT_FIELD_COMPATIBLE")]
    field_compatible: bool,
    /// What requests are told while there is no verified bundle
    #[arg(long, value_enum, env = "PLUMB_AGENT_NO_BUNDLE", default_value_t = WithoutBundle::Deny)]
    no_bundle: WithoutBundle,
    /// Shortest delay between two looks at the source
    #[arg(long, value_name = "SECONDS", env = "PLUMB_AGENT_POLL_MIN_DELAY", default_value_t = Polling::default().min_delay_s)]
    poll_min_delay: u64,
    /// Longest delay between two looks at the source
    #[arg(long, value_name = "SECONDS", env = "PLUMB_AGENT_POLL_MAX_DELAY", default_value_t = Polling::default().max_delay_s)]
    poll_max_delay: u64,
    /// Never look at the source by itself
    #[arg(long, env = "PLUMB_AGENT_NO_POLLING")]
    no_polling: bool,
    /// Do not reload when a *.signed.json changes
    #[arg(long, env = "PLUMB_AGENT_NO_WATCH")]
    no_watch: bool,
    /// Run the agent as a child and start it again at once when it crashes, as by a question that
    /// overflows the engine's stack; it then answers by what is stored. --listen needs a port
    #[arg(long)]
    supervised: bool,
    /// Also stop when standard input is closed
    #[arg(long, hide = true)]
    until_stdin_ends: bool,
    /// How the log on standard error is written
    #[arg(long, value_enum, env = "PLUMB_AGENT_LOG_FORMAT", default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// Push alerts to this receiver; the path of its API is added where it is missing
    #[arg(long, value_name = "URL", env = "PLUMB_AGENT_ALERT_URL")]
    alert_url: Option<String>,
    /// Whose API the receiver speaks
    #[arg(long, value_enum, env = "PLUMB_AGENT_ALERT_KIND", default_value_t = Receiver::Alertmanager)]
    alert_kind: Receiver,
    /// File with the bearer token the receiver wants
    #[arg(long, value_name = "FILE", env = "PLUMB_AGENT_ALERT_TOKEN_FILE", requires = "alert_url")]
    alert_token_file: Option<String>,
    /// Name of this node in alerts; its address without it
    #[arg(long, value_name = "NAME", env = "PLUMB_AGENT_ALERT_NODE", requires = "alert_url")]
    alert_node: Option<String>,
    #[command(flatten)]
    recording: RecordingFlags,
    #[command(flatten)]
    governance: GovernanceFlags,
    #[command(flatten)]
    packs: PackFlags,
    #[command(flatten)]
    opa: OpaFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum WithoutBundle {
    /// 503: nothing is allowed that nobody decided
    Deny,
    /// Everything is allowed, as the field's service does
    Allow,
}

/// Who takes alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Receiver {
    /// Prometheus' Alertmanager, API v2
    Alertmanager,
    /// A hub with the alert_ingest_tool
    Hub,
}

/// Printed once the agent answers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AgentStarted {
    pub(crate) url: String,
    pub(crate) listen: String,
    /// Whether changes need a credential.
    pub(crate) authenticated: bool,
    /// Moment the bundle in force was loaded; nothing while there is none.
    pub(crate) loaded_at: Option<String>,
}

fn trust_key(text: &str) -> Result<TrustKey, String> {
    match text.split_once('=') {
        Some((id, pem)) if !id.is_empty() && !pem.is_empty() => {
            Ok(TrustKey { id: id.to_owned(), pem: PathBuf::from(pem) })
        }
        _ => Err("write it as ID=FILE, for example signer-2026a=keys/signer.pem".to_owned()),
    }
}

impl Agent {
    pub(crate) fn log_format(&self) -> LogFormat {
        let Self::Serve(serve) = self;
        serve.log_format
    }

    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let Self::Serve(serve) = self;
        serve.run(session).await
    }
}

impl Serve {
    async fn run(&self, session: Session<'_>) -> Outcome {
        if self.supervised {
            if self.listen.port() == 0 {
                return Err(Failure::usage(
                    "a supervised agent has to come back where it was",
                    "give --listen a port other than 0",
                ));
            }
            return supervise::supervise(session.out).await;
        }
        let (mut config, opa) = self.config()?;
        let sidecar = match opa {
            Some(opa) => Some(beside(opa, &mut config).await?),
            None => None,
        };
        let authenticated = config.token.is_some()
            || config.tls.as_ref().is_some_and(TlsConfig::asks_for_certificates);
        // A collector reads the same warnings from the agent's own log, one object a line.
        let for_people = self.log_format == LogFormat::Text;
        if for_people {
            warn(session.out, &config, authenticated);
        }
        let stop = stop_signal()?;
        let agent = Service::start(config).await.map_err(|error| not_started(&error))?;
        let started = AgentStarted {
            url: agent.url(),
            listen: agent.address().to_string(),
            authenticated,
            loaded_at: agent.loaded_at().map(|at| at.to_string()),
        };
        if session.out.json {
            session.out.document_line(&started);
        } else {
            session.out.say(format!("the agent answers at {}", started.url));
            if started.loaded_at.is_none() && for_people {
                session.out.note("it has no verified bundle yet; its log says why");
            }
        }
        tokio::select! {
            () = stop => {}
            () = end_of_input(), if self.until_stdin_ends => {}
        }
        if for_people {
            session.out.note("stopping; requests in flight finish");
        }
        agent.shutdown().await;
        if let Some(sidecar) = sidecar {
            sidecar.shutdown().await;
        }
        Ok(Exit::Fine)
    }

    /// The bundle by a path that the agent finds again: it looks below its roots, and where none is given
    /// that is the folder of the bundle, as seen from where this is typed.
    fn bundle(&self) -> Result<PathBuf, Failure> {
        let bundle = self.bundle.clone().unwrap_or_default();
        let in_folder = bundle.parent().is_some_and(|folder| !folder.as_os_str().is_empty());
        if !in_folder || !self.bundle_roots.is_empty() {
            return Ok(bundle);
        }
        std::path::absolute(&bundle).map_err(|error| {
            let message = format!("{} cannot be followed: {error}", bundle.display());
            Failure::usage(message, "give the path of a signed bundle")
        })
    }

    /// The settings of the agent, and of an OPA beside it that decides by its packs.
    fn config(&self) -> Result<(AgentConfig, Option<SidecarConfig>), Failure> {
        let mut config = AgentConfig::new(self.bundle()?, self.trust.clone());
        config.listen = self.listen;
        config.bundle_roots.clone_from(&self.bundle_roots);
        config.state_dir.clone_from(&self.state_dir);
        config.token = token(self.token_file.as_deref(), TOKEN_VARIABLE, TOKEN)?;
        config.tls = self.tls.config();
        config.field_compatible = self.field_compatible;
        config.no_bundle = match self.no_bundle {
            WithoutBundle::Deny => NoBundle::Deny,
            WithoutBundle::Allow => NoBundle::Allow,
        };
        config.insecure_behind_proxy = self.tls.insecure_behind_proxy;
        config.polling = (!self.no_polling).then_some(Polling {
            min_delay_s: self.poll_min_delay,
            max_delay_s: self.poll_max_delay,
        });
        config.watch = !self.no_watch;
        config.alerts = self.alerts()?;
        config.recording = self.recording.recording()?;
        config.governance = self.governance.governance()?;
        config.refused_list = self.governance.refused_list()?;
        let mut opa = None;
        if let Some(packs) = self.packs.config(self.state_dir.as_deref())? {
            // What is wrong with an OPA is said before anything is opened.
            opa = self.opa.config(packs.pack_id(), &packs.folder)?;
            config.packs = Some(self.packs.fetching(packs)?);
        }
        Ok((config, opa))
    }

    fn alerts(&self) -> Result<Option<AlertConfig>, Failure> {
        let Some(url) = &self.alert_url else { return Ok(None) };
        let kind = match self.alert_kind {
            Receiver::Alertmanager => AlertKind::Alertmanager,
            Receiver::Hub => AlertKind::Hub,
        };
        let mut alerts = AlertConfig::new(url, kind);
        alerts.node.clone_from(&self.alert_node);
        if let Some(file) = &self.alert_token_file {
            alerts.token = Some(token_of(file, TOKEN)?);
        }
        Ok(Some(alerts))
    }
}

/// Starts what brings packs into an OPA beside the agent, and lets the agent decide by it.
async fn beside(opa: SidecarConfig, config: &mut AgentConfig) -> Result<Arc<Sidecar>, Failure> {
    let log: LogSink = Arc::new(|level, line| match level {
        LogLevel::Error => tracing::error!("{line}"),
        LogLevel::Warn => tracing::warn!("{line}"),
        LogLevel::Info => tracing::info!("{line}"),
        LogLevel::Debug => tracing::debug!("{line}"),
    });
    let sidecar = Sidecar::start(opa, log).await.map_err(|error| {
        Failure::usage(plumb_app::error::chain(&error), "see: plumb help opa-sidecar")
    })?;
    let sidecar = Arc::new(sidecar);
    let packs = config.packs.as_mut().expect("an OPA is only read with packs");
    packs.engine = PackEngine::Beside(sidecar.clone());
    Ok(sidecar)
}

/// The end of standard input; whatever comes before it is not looked at.
async fn end_of_input() {
    // An input that cannot be read is as good as closed: whoever held it is not there.
    let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink()).await;
}

/// Loud, on standard error: what makes this agent less safe than it could be.
fn warn(out: &Output, config: &AgentConfig, authenticated: bool) {
    let loud = |text: &str| out.note(out.style.bad(&format!("WARNING: {text}")));
    if !authenticated {
        loud(
            "NO AUTHENTICATION: whoever reaches this port can change the policies; give --token-file or --client-ca",
        );
    }
    if config.insecure_behind_proxy {
        loud("--insecure-behind-proxy: without TLS of its own; only a proxy in front protects it");
    }
    if config.field_compatible {
        loud("--field-compatible: rules can be replaced in memory without a signature");
    }
    if config.no_bundle == NoBundle::Allow {
        loud("--no-bundle allow: everything is allowed while there is no verified bundle");
    }
    if config.state_dir.is_none() {
        out.note("without --state-dir nothing survives a restart: no pin, no history, no last known good");
    }
}

fn not_started(error: &AgentError) -> Failure {
    let exit = match error {
        AgentError::Exposed(_)
        | AgentError::NoTrust
        | AgentError::Setting { .. }
        | AgentError::Governance { .. }
        | AgentError::ReadKey { .. }
        | AgentError::Key { .. } => Exit::Usage,
        _ => Exit::Internal,
    };
    Failure::new(exit, plumb_app::error::chain(error), "see: plumb agent serve --help")
}
