//! What an agent is started with, and what of it is refused.

use std::{
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use plumb_fleet::{FleetId, NodeId};
use plumb_serve::{Exposure, TlsConfig};
use plumb_wire::v1::{Authentication, NoBundle};
use secrecy::SecretString;

use crate::{
    alerts::AlertConfig,
    error::AgentError,
    fetch::{Disk, EventSink, FetchConfig, FetchEvent, PackSource, PackVerifier, RealDisk},
    limits::POLL_DELAY_S_MAX,
    list_source::ListSource,
    load::BundleShare,
    packs::PackEngine,
    recorded::Recording,
};

/// Port the field's service listens on (R232).
pub const PORT: u16 = 8083;
/// Environment variable that names the default bundle (R231).
pub const BUNDLE_VARIABLE: &str = "UNISON_POLICY_BUNDLE";

/// How an agent runs; every field is one flag of `plumb agent serve`.
#[derive(Debug, Clone)]
pub struct AgentConfig {
    pub listen: SocketAddr,
    /// The default bundle.
    pub bundle: PathBuf,
    /// Folders below which bundles may stand; empty means the default bundle's folder.
    pub bundle_roots: Vec<PathBuf>,
    /// Public keys bundles may be signed with.
    pub trust: Vec<TrustKey>,
    /// Where pin, settings, history and last known good bundles are kept. Without one nothing
    /// survives a restart.
    pub state_dir: Option<PathBuf>,
    /// Bearer token mutating requests have to show.
    pub token: Option<SecretString>,
    pub tls: Option<TlsConfig>,
    /// Answer exactly as the field's service does, quirks included, and nothing more.
    pub field_compatible: bool,
    /// What requests are told while there is no verified bundle.
    pub no_bundle: NoBundle,
    /// Accept a listener that is neither loopback nor TLS, because a proxy in front is both.
    pub insecure_behind_proxy: bool,
    /// Ask the source for changes at random moments; nothing means never.
    pub polling: Option<Polling>,
    /// Reload when a `*.signed.json` below the roots changes.
    pub watch: bool,
    pub clock: Clock,
    /// Where alerts are pushed to; nothing means nowhere.
    pub alerts: Option<AlertConfig>,
    /// Bundles shared with other agents of this process.
    pub share: Option<BundleShare>,
    /// Policy packs from a registry, instead of the default bundle.
    pub packs: Option<PackFetching>,
    /// The roster whose people sign what this node is held to; nothing means nobody's.
    pub governance: Option<Governance>,
    /// Where the refused list of the fleet is asked for; nothing means that it is handed in only.
    pub refused_list: Option<ListSource>,
    /// What is kept of requests, for whoever asks what another version would answer; nothing means nothing.
    pub recording: Option<Recording>,
}

/// Whose signatures count for this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Governance {
    /// File of the signed roster. The first one says which root keys sign later ones.
    pub roster: PathBuf,
    /// The fleet this node is one of, as the roster and plans name it.
    pub fleet: FleetId,
    /// Its own name in plans of that fleet.
    pub node: NodeId,
    /// Take no change that no plan asks for whose approvals were verified here.
    pub require_approval: bool,
}

impl Governance {
    /// A node that is named as `FLEET/NODE`. The error says what is wrong with that.
    pub fn new(roster: PathBuf, member: &str, require_approval: bool) -> Result<Self, String> {
        let named = || format!("{member:?} does not name a fleet and a node");
        let (fleet, node) = member.split_once('/').ok_or_else(named)?;
        let fleet = FleetId::new(fleet).map_err(|error| format!("the fleet {error}"))?;
        let node = NodeId::new(node).map_err(|error| format!("the node {error}"))?;
        Ok(Self { roster, fleet, node, require_approval })
    }
}

impl AgentConfig {
    /// An agent on a free port of loopback with nothing but a default bundle.
    pub fn new(bundle: impl Into<PathBuf>, trust: Vec<TrustKey>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            bundle: bundle.into(),
            bundle_roots: Vec::new(),
            trust,
            state_dir: None,
            token: None,
            tls: None,
            field_compatible: false,
            no_bundle: NoBundle::Deny,
            insecure_behind_proxy: false,
            polling: Some(Polling::default()),
            watch: true,
            clock: Clock::system(),
            alerts: None,
            share: None,
            packs: None,
            governance: None,
            refused_list: None,
            recording: None,
        }
    }

    /// What mutating requests have to show.
    pub fn authentication(&self) -> Authentication {
        if self.token.is_some() {
            Authentication::Token
        } else if self.tls.as_ref().is_some_and(TlsConfig::asks_for_certificates) {
            Authentication::Mtls
        } else {
            Authentication::None
        }
    }

    /// Refuses combinations that would expose the agent without anyone having said so.
    pub(crate) fn check(&self) -> Result<(), AgentError> {
        let exposure = Exposure {
            listen: self.listen,
            token: self.token.as_ref(),
            tls: self.tls.as_ref(),
            behind_proxy: self.insecure_behind_proxy,
        };
        exposure.check()?;
        if self.packs.is_some() && self.field_compatible {
            let message =
                "an agent that answers as the field's service takes no packs: leave one of \
                           the two out"
                    .to_owned();
            return Err(AgentError::Setting { message });
        }
        if self.recording.is_some() && self.field_compatible {
            let message =
                "an agent that answers as the field's service has no API that requests are \
                           read by: leave one of the two out"
                    .to_owned();
            return Err(AgentError::Setting { message });
        }
        if self.governance.is_some() && (self.field_compatible || self.state_dir.is_none()) {
            let message =
                "an agent that goes by a roster keeps what was signed in its state folder, \
                           and has an API of its own: give --state-dir, and leave \
                           --field-compatible out"
                    .to_owned();
            return Err(AgentError::Setting { message });
        }
        if let Some(list) = &self.refused_list {
            list.check()?;
            if self.governance.is_none() {
                let message = "a refused list is judged by the people of a roster: give --roster \
                               and --member, too"
                    .to_owned();
                return Err(AgentError::Setting { message });
            }
        }
        // A pack of Rego is carried by its attestation alone.
        if self.trust.is_empty() && self.packs.is_none() {
            return Err(AgentError::NoTrust);
        }
        if let Some(alerts) = &self.alerts {
            alerts.check().map_err(|message| AgentError::Setting { message })?;
        }
        if let Some(packs) = &self.packs {
            packs.config.check()?;
        }
        if let Some(polling) = self.polling {
            polling.check().map_err(|message| AgentError::Setting { message })?;
        }
        Ok(())
    }

    /// The folders bundles may stand in.
    pub(crate) fn roots(&self) -> Vec<PathBuf> {
        if self.bundle_roots.is_empty() && self.packs.is_some() {
            return Vec::new();
        }
        if self.bundle_roots.is_empty() {
            let folder = self.bundle.parent().filter(|folder| !folder.as_os_str().is_empty());
            return vec![folder.unwrap_or(Path::new(".")).to_path_buf()];
        }
        self.bundle_roots.clone()
    }
}

/// Where packs come from, who judges them, and who brings them into force.
#[derive(Clone)]
pub struct PackFetching {
    pub config: FetchConfig,
    pub verifier: Arc<dyn PackVerifier>,
    pub engine: PackEngine,
    /// Told everything that happens, beside the agent itself.
    pub observe: EventSink,
    /// Where packs are kept.
    pub disk: Arc<dyn Disk>,
    /// Asked instead of a client of its own; agents of one process may share one.
    pub source: Option<Arc<dyn PackSource>>,
}

impl PackFetching {
    /// Packs kept on the file system, with nobody else who counts.
    pub fn new(config: FetchConfig, verifier: Arc<dyn PackVerifier>, engine: PackEngine) -> Self {
        let (observe, disk) = (Arc::new(|_: FetchEvent<'_>| ()), Arc::new(RealDisk));
        Self { config, verifier, engine, observe, disk, source: None }
    }
}

impl fmt::Debug for PackFetching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackFetching").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A public key and the name it is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustKey {
    pub id: String,
    /// PEM file.
    pub pem: PathBuf,
}

/// Bounds of the random delay between two looks at the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Polling {
    pub min_delay_s: u64,
    pub max_delay_s: u64,
}

impl Default for Polling {
    /// The field's polling (Open Policy Agent): one to two minutes.
    fn default() -> Self {
        Self { min_delay_s: 60, max_delay_s: 120 }
    }
}

impl Polling {
    pub(crate) fn check(self) -> Result<(), String> {
        if self.min_delay_s == 0 || self.max_delay_s > POLL_DELAY_S_MAX {
            return Err(format!("polling delays must be between 1 and {POLL_DELAY_S_MAX} seconds"));
        }
        if self.min_delay_s > self.max_delay_s {
            return Err(format!(
                "the shortest polling delay ({} s) is longer than the longest ({} s)",
                self.min_delay_s, self.max_delay_s
            ));
        }
        Ok(())
    }
}

/// Where an agent takes the time from.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    pub fn new(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(clock))
    }

    /// The time in microseconds, as the field prints it.
    pub fn now(&self) -> Timestamp {
        let now = (self.0)();
        Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
