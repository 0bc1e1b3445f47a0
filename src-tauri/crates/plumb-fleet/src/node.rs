//! One managed process reachable by HTTP: what the fleet file says of it and what it can do.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::ids::NodeId;

/// The dialect a node speaks; one adapter each.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum NodeApi {
    /// The reload service of the field: documented and as found.
    Reload,
    /// Unmodified Open Policy Agent.
    Opa,
    /// Our agent: a superset of `reload`.
    Agent,
}

impl NodeApi {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Opa => "opa",
            Self::Agent => "agent",
        }
    }
}

/// Something a node can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// Take the desired version now.
    Sync,
    /// Remember which version it should run.
    Pin,
    /// Return to last-known-good or a named earlier version.
    Rollback,
    Restart,
    /// Read and change its configuration.
    Config,
    Logs,
    /// Answer a test request.
    Evaluate,
    /// Check a bundle without loading it.
    Verify,
}

/// What a node can do, and for the rest the reason and the alternative; declared, never probed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    pub can: BTreeSet<Capability>,
    /// Why not, and what to do instead, for capabilities that are absent.
    pub cannot: BTreeMap<Capability, String>,
}

/// How a node is reached and proved to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub id: NodeId,
    pub api: NodeApi,
    /// Base URL without credentials, query or fragment.
    pub url: Url,
    /// Shared between nodes that have the same.
    pub labels: Arc<BTreeMap<String, String>>,
    pub credential: Option<CredentialRef>,
    /// Shared between nodes of a group.
    pub tls: Option<Arc<TlsFiles>>,
    /// Permits sending the token over plain HTTP to an address that is not loopback.
    pub allow_plain_token: bool,
    pub route: Route,
    /// Folder on the node in which bundles stand; `reload` paths are built below it.
    pub bundle_folder: Option<String>,
    /// Id of the bundle this node should run, where a fleet has several; an OPA's name for it.
    pub bundle: Option<String>,
}

impl Node {
    /// Whether the node's address is on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.url)
    }
}

/// Whether a text is an address that a node may have.
pub fn is_url(text: &str) -> bool {
    text.parse::<Url>().is_ok_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// Whether an address is on this machine.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Where the bearer token is found. Never the token itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CredentialRef {
    /// An entry of the operating system's keyring, by name.
    Keyring(String),
    /// An environment variable, by name.
    Env(String),
    /// A command that prints a token; an argument vector, never a shell line.
    Command(Vec<String>),
}

/// PEM files for TLS to a node.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// Certificates trusted instead of the system's.
    pub ca: Option<String>,
    /// Our certificate chain, for mutual TLS.
    pub certificate: Option<String>,
    /// Its private key.
    pub key: Option<String>,
}

/// How packets reach the node.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Route {
    #[default]
    Direct,
    /// `http://`, `https://`, `socks5://` or `socks5h://` proxy.
    Proxy(String),
    /// A command started once per group that listens locally; `{port}` is replaced by a free port.
    Tunnel(Vec<String>),
}

/// The reason shown for what unmodified OPA cannot be asked until a hub serves its bundles.
pub const OPA_NEEDS_BUNDLE_SERVER: &str = "OPA loads what its bundle server offers; publish the bundle there, then this node follows by polling, or name the hub that serves it: [hub] in the fleet file";

/// What can be done to an OPA by telling the hub that serves its bundles what it should run.
pub const OPA_FOLLOWS_A_HUB: [Capability; 3] =
    [Capability::Sync, Capability::Pin, Capability::Rollback];

/// What each node API can do by itself; see [`crate::Fleet::capabilities`] for what it can do in its fleet.
pub fn capabilities(api: NodeApi) -> Capabilities {
    use Capability as C;
    let (can, cannot): (&[C], &[(C, &str)]) = match api {
        NodeApi::Agent => (
            &[C::Sync, C::Pin, C::Rollback, C::Restart, C::Config, C::Logs, C::Evaluate, C::Verify],
            &[],
        ),
        NodeApi::Reload => (
            &[C::Sync, C::Rollback, C::Evaluate, C::Verify],
            &[
                (
                    C::Pin,
                    "the reload service has no pin; the console keeps the pin and syncs the node to it",
                ),
                (
                    C::Restart,
                    "the reload service has no restart endpoint; restart it where it runs",
                ),
                (
                    C::Config,
                    "the reload service has no configuration endpoint; change its environment where it runs",
                ),
                (C::Logs, "the reload service serves no logs; read them where it runs"),
            ],
        ),
        NodeApi::Opa => (
            &[],
            &[
                (C::Sync, OPA_NEEDS_BUNDLE_SERVER),
                (C::Pin, OPA_NEEDS_BUNDLE_SERVER),
                (C::Rollback, OPA_NEEDS_BUNDLE_SERVER),
                (C::Restart, "OPA has no restart endpoint; restart it where it runs"),
                (
                    C::Config,
                    "OPA's configuration is read-only here; change its file or discovery bundle",
                ),
                (C::Logs, "OPA serves no logs; read them where it runs"),
                (C::Evaluate, "a query would create a decision-log event; evaluate in a test OPA"),
                (
                    C::Verify,
                    "OPA verifies bundles when it loads them; verify the file here instead",
                ),
            ],
        ),
    };
    Capabilities {
        can: can.iter().copied().collect(),
        cannot: cannot
            .iter()
            .map(|(capability, reason)| (*capability, (*reason).to_owned()))
            .collect(),
    }
}
