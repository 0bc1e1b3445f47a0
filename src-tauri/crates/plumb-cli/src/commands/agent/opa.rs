//! Flags of `agent serve` for an Open Policy Agent beside it.

use std::{net::SocketAddr, path::Path};

use clap::Args;
use plumb_agent::{
    PROBES_BYTES_MAX, read_probes,
    sidecar::{BUNDLE_LISTEN, OpaMode, SidecarConfig, SidecarSettingError},
};

use crate::{
    commands::{
        fleet::read_text,
        token::{Purpose, token},
    },
    exit::Failure,
};

/// Environment variable that holds the token shown to OPA.
const TOKEN_VARIABLE: &str = "PLUMB_AGENT_OPA_TOKEN";
const TOKEN: Purpose = Purpose { name: "the token for OPA", without: "give one, or leave it out" };

#[derive(Debug, Args)]
#[expect(clippy::struct_field_names, reason = "clap names the flags after the fields")]
pub(super) struct OpaFlags {
    /// An OPA beside this agent that decides by the pack, as in <http://127.0.0.1:8181>
    #[arg(long, value_name = "URL", env = "PLUMB_AGENT_OPA_URL", requires = "pack_url")]
    opa_url: Option<String>,
    /// How OPA gets the pack: bundle swaps in one step; put writes module by module, and OPA decides
    /// by a mixture meanwhile
    #[arg(long, value_name = "MODE", env = "PLUMB_AGENT_OPA_MODE", default_value_t = OpaMode::Bundle, requires = "opa_url")]
    opa_mode: OpaMode,
    /// Loopback address and port where OPA downloads the bundle
    #[arg(long, value_name = "ADDRESS", env = "PLUMB_AGENT_OPA_BUNDLE_LISTEN", default_value = BUNDLE_LISTEN, requires = "opa_url")]
    opa_bundle_listen: SocketAddr,
    /// File with the bearer token OPA wants; or in PLUMB_AGENT_OPA_TOKEN
    #[arg(long, value_name = "FILE", env = "PLUMB_AGENT_OPA_TOKEN_FILE", requires = "opa_url")]
    opa_token_file: Option<String>,
    /// JSON file of questions OPA has to answer before a pack counts as in force
    #[arg(long, value_name = "FILE", env = "PLUMB_AGENT_OPA_PROBES", requires = "opa_url")]
    opa_probes: Option<String>,
}

impl OpaFlags {
    /// The settings of a sidecar, where there is one. `folder` is that of the packs.
    pub(super) fn config(
        &self,
        pack_id: &str,
        folder: &Path,
    ) -> Result<Option<SidecarConfig>, Failure> {
        let Some(url) = &self.opa_url else { return Ok(None) };
        let bad = |error: SidecarSettingError| {
            Failure::usage(plumb_app::error::chain(&error), "see: plumb help opa-sidecar")
        };
        let mut config = SidecarConfig::new(url, pack_id, folder).map_err(bad)?;
        config.mode = self.opa_mode;
        config.bundle_listen = self.opa_bundle_listen;
        config.token = token(self.opa_token_file.as_deref(), TOKEN_VARIABLE, TOKEN)?;
        if let Some(file) = &self.opa_probes {
            let text = read_text(file, PROBES_BYTES_MAX as u64)?;
            config.probes = read_probes(text.as_bytes()).map_err(|error| bad(error.into()))?;
        }
        config.check().map_err(bad)?;
        Ok(Some(config))
    }
}
