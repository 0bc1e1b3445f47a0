//! What a sidecar is started with, and what of it is refused.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};

use plumb_fleet::is_loopback;
use plumb_wire::packs::is_pack_id;
use reqwest::Url;
use secrecy::SecretString;

use super::limits::DEADLINE;
use crate::probe_file::{ProbeEntry, ProbeFileError};

/// Where the bundle is served for OPA.
pub const BUNDLE_LISTEN: &str = "127.0.0.1:8182";

/// How OPA gets a pack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OpaMode {
    /// OPA downloads a bundle from the agent and swaps it in one step.
    #[default]
    Bundle,
    /// The agent writes module by module, and document by document: for a while both sets answer.
    Put,
}

impl OpaMode {
    pub const ALL: [Self; 2] = [Self::Bundle, Self::Put];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bundle => "bundle",
            Self::Put => "put",
        }
    }
}

impl fmt::Display for OpaMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for OpaMode {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|mode| mode.as_str() == text);
        known.ok_or_else(|| "bundle or put".to_owned())
    }
}

/// How a sidecar is driven; every field is one flag of `plumb agent serve`.
#[derive(Debug, Clone)]
pub struct SidecarConfig {
    url: Url,
    pack_id: String,
    pub mode: OpaMode,
    /// Where the bundle is served in [`OpaMode::Bundle`].
    pub bundle_listen: SocketAddr,
    /// Bearer token shown to OPA.
    pub token: Option<SecretString>,
    /// Questions OPA has to answer before a pack counts as in force; without any, every package of
    /// the pack has to be there.
    pub probes: Vec<ProbeEntry>,
    /// Where [`OpaMode::Put`] remembers what it changed: the folder of packs.
    pub folder: PathBuf,
    /// Time for one activation, without the return to the former pack.
    pub deadline: Duration,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SidecarSettingError {
    #[error("OPA's address {url:?} is no URL: {problem}")]
    Url { url: String, problem: String },
    #[error(
        "OPA's address must be http:// or https://, host and port alone, as in http://127.0.0.1:8181"
    )]
    Address,
    #[error(
        "OPA at {host} is not this machine: over plain HTTP anybody between could change the policies; use https://"
    )]
    Plain { host: String },
    #[error(
        "the bundle is served without TLS or token, for an OPA on this machine alone: {listen} is not loopback"
    )]
    Listen { listen: SocketAddr },
    #[error(
        "OPA at {host} could not download from this machine's loopback: use --opa-mode put, or an agent beside that OPA"
    )]
    OutOfReach { host: String },
    #[error("{name:?} is no name of a pack, so no bundle can be called so")]
    Pack { name: String },
    #[error("the file of probes cannot be used")]
    Probes(#[from] ProbeFileError),
}

impl SidecarConfig {
    /// An OPA that downloads the bundle `bundles/<pack>` from this agent.
    pub fn new(
        url: &str,
        pack_id: &str,
        folder: impl Into<PathBuf>,
    ) -> Result<Self, SidecarSettingError> {
        let text = url;
        let url = Url::parse(text).map_err(|error| SidecarSettingError::Url {
            url: text.chars().take(200).collect(),
            problem: error.to_string(),
        })?;
        let plain = matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some()
            && url.path() == "/"
            && url.username().is_empty()
            && url.password().is_none()
            && url.query().is_none()
            && url.fragment().is_none();
        if !plain {
            return Err(SidecarSettingError::Address);
        }
        if !is_pack_id(pack_id) {
            return Err(SidecarSettingError::Pack { name: pack_id.chars().take(200).collect() });
        }
        Ok(Self {
            url,
            pack_id: pack_id.to_owned(),
            mode: OpaMode::default(),
            bundle_listen: BUNDLE_LISTEN.parse().expect("an address"),
            token: None,
            probes: Vec::new(),
            folder: folder.into(),
            deadline: DEADLINE,
        })
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Also the name of the bundle in OPA.
    pub fn pack_id(&self) -> &str {
        &self.pack_id
    }

    /// Refuses what would expose policies or a token, or never work.
    pub fn check(&self) -> Result<(), SidecarSettingError> {
        let host = || self.url.host_str().unwrap_or_default().to_owned();
        let here = is_loopback(&self.url);
        if self.url.scheme() == "http" && !here {
            return Err(SidecarSettingError::Plain { host: host() });
        }
        if self.mode == OpaMode::Bundle {
            if !self.bundle_listen.ip().is_loopback() {
                return Err(SidecarSettingError::Listen { listen: self.bundle_listen });
            }
            if !here {
                return Err(SidecarSettingError::OutOfReach { host: host() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(url: &str, change: fn(&mut SidecarConfig)) -> Result<(), String> {
        let mut config = SidecarConfig::new(url, "policy-pack-v0", "packs")
            .map_err(|error| error.to_string())?;
        change(&mut config);
        config.check().map_err(|error| error.to_string())
    }

    #[test]
    fn an_opa_that_anybody_could_stand_in_for_is_refused() {
        let as_is: fn(&mut SidecarConfig) = |_| ();
        let put: fn(&mut SidecarConfig) = |config| config.mode = OpaMode::Put;
        let check = |answer: Result<(), String>, wanted: &str| {
            let error = answer.expect_err("refused");
            assert!(error.contains(wanted), "{error}");
        };
        assert_eq!(with("http://127.0.0.1:8181", as_is), Ok(()));
        assert_eq!(with("http://localhost:8181/", put), Ok(()));
        assert_eq!(with("https://opa.example:8181", put), Ok(()));
        check(with("opa", as_is), "is no URL");
        check(with("unix:///run/opa.sock", as_is), "host and port alone");
        check(with("http://127.0.0.1:8181/v1/data", as_is), "host and port alone");
        check(with("http://me:secret@127.0.0.1:8181", as_is), "host and port alone");
        check(with("http://opa.example:8181", put), "use https://");
        check(with("https://opa.example:8181", as_is), "--opa-mode put");
        let open: fn(&mut SidecarConfig) =
            |config| config.bundle_listen = "0.0.0.0:8182".parse().expect("an address");
        check(with("http://127.0.0.1:8181", open), "not loopback");
        let unnamed = SidecarConfig::new("http://127.0.0.1:8181", "a/b", "packs");
        assert!(unnamed.expect_err("refused").to_string().contains("no name of a pack"));
    }
}
