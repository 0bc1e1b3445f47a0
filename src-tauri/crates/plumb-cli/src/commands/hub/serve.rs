//! `hub serve`.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use plumb_agent::TlsConfig;
use plumb_hub::{
    AlertSettings, BACKEND_VARIABLE, PackStorage, Policies, PostgresSettings, TeamOptions,
    serve_team,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{FolderArgs, refused};
use crate::{
    args::LogFormat,
    commands::{
        demo::stop_signal,
        token::{Purpose, token},
    },
    exit::{Exit, Failure, Outcome},
    session::Session,
};

const TOKEN: Purpose = Purpose {
    name: "PLUMB_HUB_TOKEN",
    without: "set it to 16 characters at least, or take it away once an admin has a token",
};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS", env = "PLUMB_HUB_LISTEN", default_value_t = SocketAddr::from(([127, 0, 0, 1], 8080)))]
    listen: SocketAddr,
    #[command(flatten)]
    data: FolderArgs,
    /// Folder with rbac_tools_matrix.yml, alert_routing_policy.yml, slo_policy.yml, release_gate_policy.yml and
    /// retention_policy.yml; the data folder without it, and what is not there has its defaults
    #[arg(long, value_name = "DIR", env = "PLUMB_HUB_CONFIG")]
    config: Option<PathBuf>,
    /// Keep packs in object storage, as s3://bucket; AWS_* variables say how. In the data folder without it
    #[arg(long, value_name = "URL", env = "PLUMB_HUB_PACK_STORAGE")]
    packs: Option<String>,
    /// PEM chain of the server, leaf first
    #[arg(long, value_name = "FILE", env = "PLUMB_HUB_TLS_CERT", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// PEM private key of the server
    #[arg(long, value_name = "FILE", env = "PLUMB_HUB_TLS_KEY", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// PEM certificates client certificates have to descend from
    #[arg(long, value_name = "FILE", env = "PLUMB_HUB_CLIENT_CA", requires = "tls_cert")]
    client_ca: Option<PathBuf>,
    /// How the log on standard error is written
    #[arg(long, value_enum, env = "PLUMB_HUB_LOG_FORMAT", default_value_t = LogFormat::Text)]
    log_format: LogFormat,
}

/// Printed once the hub answers.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct HubStarted {
    pub(crate) url: String,
    pub(crate) listen: String,
    /// Where alerts are kept, in words.
    pub(crate) alerts: String,
    pub(crate) alerts_survive_restart: bool,
}

impl Serve {
    pub(crate) fn log_format(&self) -> LogFormat {
        self.log_format
    }

    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let data = self.data.required()?;
        let mut options = TeamOptions::new(data);
        options.listen = self.listen;
        // Only from the environment: a file that stays is no token for a beginning.
        options.bootstrap = token(None, "PLUMB_HUB_TOKEN", TOKEN)?;
        let config = self.config.as_ref().unwrap_or(data);
        options.policies = Policies::read(config).map_err(|error| refused(&error))?;
        options.database = self.data.database()?;
        options.alerts = alerts_beside(data, options.database.as_ref())?;
        options.packs = match &self.packs {
            None => PackStorage::Data,
            Some(url) if url.starts_with("s3://") => PackStorage::S3(url.clone()),
            Some(url) => {
                return Err(Failure::usage(
                    format!("{url:?} is no object storage"),
                    "write it as s3://bucket",
                ));
            }
        };
        options.tls = match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Some(TlsConfig {
                certificate: certificate.clone(),
                key: key.clone(),
                client_ca: self.client_ca.clone(),
            }),
            _ => None,
        };
        let stop = stop_signal()?;
        let hub = serve_team(options).await.map_err(|error| refused(&error))?;
        let durability = hub.durability();
        let started = HubStarted {
            url: hub.url(),
            listen: hub.address().to_string(),
            alerts: durability.to_string(),
            alerts_survive_restart: durability.survives_restart,
        };
        if session.out.json {
            session.out.document_line(&started);
        } else {
            session.out.say(format!("the hub answers at {}", started.url));
            session.out.say(format!("alerts: {}", started.alerts));
        }
        stop.await;
        hub.shutdown().await;
        Ok(Exit::Fine)
    }
}

/// Where alerts are kept: where the environment says it, or else in the database that the hub has.
pub(super) fn alerts_beside(
    data: &std::path::Path,
    database: Option<&PostgresSettings>,
) -> Result<Option<AlertSettings>, Failure> {
    let is_said = std::env::var_os(BACKEND_VARIABLE).is_some_and(|said| !said.is_empty());
    if database.is_some() && !is_said { Ok(None) } else { alerts(data).map(Some) }
}

/// Where the environment says that alerts are kept.
pub(super) fn alerts(data: &std::path::Path) -> Result<AlertSettings, Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    AlertSettings::decide(variable, data.join("alerts.sqlite"))
        .map_err(|error| Failure::usage(error.to_string(), "see: plumb help hub"))
}
