//! Flags of `agent serve` for policy packs from a registry.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use crate::{
    commands::{
        fleet::read_text,
        token::{Purpose, token},
        trust::policy::read_policy,
    },
    exit::{Exit, Failure},
};
use clap::Args;
use plumb_agent::{
    EmbeddedSettings, PROBES_BYTES_MAX, PackEngine, PackFetching, ProbeEntry,
    fetch::{ClientTls, FetchConfig, FetchMode, SigstoreVerifier},
    read_probes,
};

/// Environment variable that holds the token shown to the registry.
const TOKEN_VARIABLE: &str = "PLUMB_AGENT_PACK_TOKEN";
const TOKEN: Purpose =
    Purpose { name: "the token for the pack registry", without: "give one, or leave it out" };
/// Folder of packs below the state folder, where none is given.
const FOLDER: &str = "packs";

#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "clap names the flags after the fields")]
pub(super) struct PackFlags {
    /// Address of a policy pack, as in <https://hub.example/v1/policy/packs/policy-pack-v0>
    #[arg(long, value_name = "URL", env = "PLUMB_AGENT_PACK_URL")]
    pack_url: Option<String>,
    /// Longest time between two looks at the registry; up to a fifth less, at random
    #[arg(
        long,
        value_name = "SECONDS",
        env = "PLUMB_AGENT_PACK_INTERVAL",
        default_value_t = 20,
        requires = "pack_url"
    )]
    pack_interval: u64,
    /// How a new pack is learned of: poll, long-poll or push
    #[arg(long, value_name = "MODE", env = "PLUMB_AGENT_PACK_MODE", default_value_t = FetchMode::Poll, requires = "pack_url")]
    pack_mode: FetchMode,
    /// Folder of this agent's packs; packs/ in the state folder without it
    #[arg(long, value_name = "DIR", env = "PLUMB_AGENT_PACK_DIR", requires = "pack_url")]
    pack_dir: Option<PathBuf>,
    /// PEM certificates the registry's has to descend from, instead of the system's
    #[arg(long, value_name = "FILE", env = "PLUMB_AGENT_PACK_CA", requires = "pack_url")]
    pack_ca: Option<PathBuf>,
    /// PEM chain of the certificate shown to the registry, leaf first
    #[arg(
        long,
        value_name = "FILE",
        env = "PLUMB_AGENT_PACK_CLIENT_CERT",
        requires = "pack_client_key"
    )]
    pack_client_cert: Option<PathBuf>,
    /// PEM private key of that certificate
    #[arg(
        long,
        value_name = "FILE",
        env = "PLUMB_AGENT_PACK_CLIENT_KEY",
        requires = "pack_client_cert"
    )]
    pack_client_key: Option<PathBuf>,
    /// File with the bearer token shown to the registry; or in PLUMB_AGENT_PACK_TOKEN
    #[arg(long, value_name = "FILE", env = "PLUMB_AGENT_PACK_TOKEN_FILE", requires = "pack_url")]
    pack_token_file: Option<String>,
    /// Who is trusted to sign packs: roots, keys and names, in the TOML of `trust simulate`
    #[arg(long, value_name = "FILE", env = "PLUMB_AGENT_PACK_TRUST", requires = "pack_url")]
    pack_trust: Option<String>,
    /// What `POST /evaluate` asks a pack of Rego
    #[arg(
        long,
        value_name = "PATH",
        env = "PLUMB_AGENT_PACK_DECISION",
        default_value = "cos/abac/allow",
        requires = "pack_url"
    )]
    pack_decision: String,
    /// Questions a pack must answer before it counts: {"probes": [{"path", "input", "expect"}]}
    #[arg(long, value_name = "FILE", env = "PLUMB_AGENT_PACK_PROBES", requires = "pack_url")]
    pack_probes: Option<String>,
}

impl PackFlags {
    /// Where packs come from, who may sign them and what answers by them.
    pub(super) fn fetching(&self, config: FetchConfig) -> Result<PackFetching, Failure> {
        let Some(trust) = &self.pack_trust else {
            return Err(Failure::usage(
                format!(
                    "nobody is trusted to sign {}, so it would never be taken",
                    config.pack_id()
                ),
                "give --pack-trust FILE; see: plumb help agent",
            ));
        };
        let verifier = Arc::new(SigstoreVerifier::new(read_policy(trust)?));
        let engine = PackEngine::Embedded(Box::new(self.engine()?));
        Ok(PackFetching::new(config, verifier, engine))
    }

    fn engine(&self) -> Result<EmbeddedSettings, Failure> {
        let mut settings = EmbeddedSettings::of_this_program().map_err(|error| {
            let text =
                format!("this program cannot find itself to start its evaluation process: {error}");
            Failure::new(Exit::Internal, text, "start it by its path")
        })?;
        settings.decide_by(&self.pack_decision).map_err(|problem| {
            Failure::usage(format!("--pack-decision: {problem}"), "write it as cos/abac/allow")
        })?;
        let Some(file) = &self.pack_probes else { return Ok(settings) };
        let refused = |problem: String| {
            Failure::usage(format!("{file}: {problem}"), "see: plumb help policy-packs")
        };
        let text = read_text(file, PROBES_BYTES_MAX as u64)?;
        let probes = read_probes(text.as_bytes())
            .map_err(|error| refused(plumb_app::error::chain(&error)))?;
        for (index, ProbeEntry { path, input, expect }) in probes.into_iter().enumerate() {
            settings
                .probe(&path, input, expect)
                .map_err(|problem| refused(format!("probe {}: {problem}", index + 1)))?;
        }
        Ok(settings)
    }

    /// The settings of a fetcher, where packs are asked for.
    pub(super) fn config(&self, state_dir: Option<&Path>) -> Result<Option<FetchConfig>, Failure> {
        let Some(url) = &self.pack_url else { return Ok(None) };
        let bad = |error: plumb_agent::fetch::FetchSettingError| {
            Failure::usage(error.to_string(), "see: plumb agent serve --help")
        };
        let folder = match (&self.pack_dir, state_dir) {
            (Some(folder), _) => folder.clone(),
            (None, Some(state)) => state.join(FOLDER),
            (None, None) => {
                return Err(Failure::usage(
                    "packs need a folder, so that a restart finds the last good one",
                    "give --pack-dir or --state-dir",
                ));
            }
        };
        let mut config = FetchConfig::new(url, folder).map_err(bad)?;
        config.interval = Duration::from_secs(self.pack_interval);
        config.mode = self.pack_mode;
        config.ca.clone_from(&self.pack_ca);
        config.client_tls = match (&self.pack_client_cert, &self.pack_client_key) {
            (Some(certificate), Some(key)) => {
                Some(ClientTls { certificate: certificate.clone(), key: key.clone() })
            }
            _ => None,
        };
        config.token = token(self.pack_token_file.as_deref(), TOKEN_VARIABLE, TOKEN)?;
        config.check().map_err(bad)?;
        Ok(Some(config))
    }
}
