//! The fleet file: a named set of nodes with one trust policy, as one TOML document.

mod hub;
mod sections;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Spanned;
use url::Url;

pub use self::hub::{Hub, HubEntry};
use crate::{
    desired::{DesiredVersion, Thresholds},
    ids::{ContentDigest, FleetId, NodeId, Version},
    node::{
        Capabilities, CredentialRef, Node, NodeApi, OPA_FOLLOWS_A_HUB, Route, TlsFiles,
        capabilities,
    },
};

/// Most nodes in one fleet file: the node matrix is drawn for this many.
pub const NODES_MAX: usize = 20_000;
/// Largest fleet file in bytes, about 400 bytes a node.
pub const FLEET_FILE_BYTES_MAX: usize = 16 << 20;
/// Shortest sweep interval: a faster one is load, not knowledge.
pub const SWEEP_INTERVAL_S_MIN: u32 = 2;
/// Nodes are there for those who ask them in earnest.
pub const ASK_NODES_EVERY_S_MIN: u32 = 60;

/// A named set of nodes with one trust policy, checked and with groups expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fleet {
    pub name: FleetId,
    /// Label such as `production`; a roster gives it a rule of approvals.
    pub environment: String,
    /// A read-only fleet has no mutating actions at all.
    pub read_only: bool,
    pub sweep_interval_s: u32,
    /// How long one node may take to answer one observation.
    pub deadline_s: u32,
    pub thresholds: Thresholds,
    pub desired: Option<DesiredVersion>,
    /// Desired versions of nodes whose group or entry names its own.
    pub desired_by_node: BTreeMap<NodeId, DesiredVersion>,
    pub trusted_keys: Vec<TrustedKey>,
    /// Signed bundles at hand, as paths relative to the fleet file.
    pub bundles: Vec<String>,
    /// Where gates ask for values, reached as a node is.
    pub prometheus: Option<Arc<Node>>,
    /// Where runs of runbooks show the figures beside their steps, reached as a node is.
    pub grafana: Option<Arc<Node>>,
    /// What is asked of two contents to see what changes.
    pub decisions: DecisionsEntry,
    /// Who vouches for sealed evidence beside its signer.
    pub evidence: EvidenceEntry,
    /// What is asked of runbooks before they run.
    pub runbooks: RunbooksEntry,
    /// What the team shares, where there is one.
    pub hub: Option<Arc<Hub>>,
    /// Shared with whoever talks to a node.
    pub nodes: BTreeMap<NodeId, Arc<Node>>,
}

/// The fleet file as it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FleetFile {
    /// Unique on this machine; letters, digits, `.`, `_`, `:` and `-`.
    #[schemars(with = "String")]
    pub name: FleetId,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub environment: String,
    #[serde(default, skip_serializing_if = "is_false")]
    pub read_only: bool,
    #[serde(default = "default_sweep_interval_s")]
    pub sweep_interval_s: u32,
    #[serde(default = "default_deadline_s")]
    pub deadline_s: u32,
    /// Paths of signed bundles, relative to this file; a folder means every `*.signed.json` in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bundles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<DesiredEntry>,
    #[serde(default)]
    pub thresholds: ThresholdEntry,
    #[serde(default)]
    pub trust: TrustEntry,
    /// Where gates of rollouts ask for values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<ServerEntry>,
    /// Where a run of a runbook puts a dashboard of the figures beside its steps, and removes it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grafana: Option<ServerEntry>,
    /// What is asked of two contents to see what changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decisions: Option<DecisionsEntry>,
    /// Who vouches for sealed evidence beside its signer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<EvidenceEntry>,
    /// What is asked of runbooks before they run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runbooks: Option<RunbooksEntry>,
    /// The hub of the team: its lock, mailbox, deployments and inbox are used, and what it says nodes
    /// should run is what OPA follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hub: Option<HubEntry>,
    #[serde(default, rename = "group", skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupEntry>,
    #[serde(default, rename = "node", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<NodeEntry>")]
    pub nodes: Vec<Spanned<NodeEntry>>,
}

/// The version nodes should run until somebody pins another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DesiredEntry {
    #[schemars(with = "String")]
    pub version: Version,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub content: Option<ContentDigest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ThresholdEntry {
    /// Minutes since the source last confirmed the digest (15 by default).
    pub digest_age_min: u32,
    /// Hours since the node loaded its bundle (24 by default).
    pub load_age_h: u32,
}

impl Default for ThresholdEntry {
    fn default() -> Self {
        Self { digest_age_min: 15, load_age_h: 24 }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustEntry {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<TrustedKey>,
}

/// A public key bundles may be signed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// Name shown wherever the key verified something.
    pub id: String,
    /// PEM file, relative to the fleet file.
    pub pem: String,
}

/// What is asked of the content a node runs and of the one it is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecisionsEntry {
    /// File of requests, relative to this file, beside those that are made from the rules: a JSON list,
    /// JSON Lines, or a decision log of OPA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<String>,
    /// Rule to ask of Rego, as `data.package.rule`; found by itself where only one is called `allow`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<String>,
    /// Ask nodes that run the same content the same requests so often, in seconds, and raise an alert where
    /// their answers differ. Never unless given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 60))]
    pub ask_nodes_every_s: Option<u32>,
}

/// What is asked of runbooks before they run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunbooksEntry {
    /// One that changes something runs only when a rehearsal of it against this fleet came out green within so many hours,
    /// whatever it asks for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsed_within_h: Option<u32>,
}

/// Who vouches for sealed evidence beside its signer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EvidenceEntry {
    /// Base URL of a timestamp authority (RFC 3161) that is asked whenever evidence is sealed; needs
    /// `trusted_root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp_authority: Option<String>,
    /// File as Sigstore has it (`trusted_root.json`), relative to this file: the authorities and logs
    /// that count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_root: Option<String>,
    /// Who may have made a Sigstore bundle over a seal.
    #[serde(default, rename = "signer", skip_serializing_if = "Vec::is_empty")]
    pub signers: Vec<SignerEntry>,
}

/// Somebody with a certificate of Sigstore.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SignerEntry {
    /// The name in the certificate, exactly.
    pub identity: String,
    /// URL of whoever vouched for the name.
    pub issuer: String,
}

/// A server beside the nodes, and how it is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerEntry {
    /// Base URL, `http` or `https`, without user, query or fragment.
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Arc<TlsFiles>>,
    /// Permits sending the token over plain HTTP to an address that is not loopback.
    #[serde(default, skip_serializing_if = "is_false")]
    pub allow_plain_token: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
}

/// What the nodes of a group have in common.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupEntry {
    pub name: String,
    #[serde(flatten)]
    pub common: CommonEntry,
}

/// Settings a group gives and a node may override.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CommonEntry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialRef>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Arc<TlsFiles>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_plain_token: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// Folder on the node in which bundles stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle_folder: Option<String>,
    /// Id of the bundle these nodes run, where a fleet has several: versions of others are not theirs. For
    /// `opa`, the name of the bundle in OPA's configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<DesiredEntry>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeEntry {
    #[schemars(with = "String")]
    pub id: NodeId,
    pub api: NodeApi,
    /// Base URL, `http` or `https`, without user, query or fragment.
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    #[serde(flatten)]
    pub common: CommonEntry,
}

pub(crate) const fn default_sweep_interval_s() -> u32 {
    30
}
pub(crate) const fn default_deadline_s() -> u32 {
    5
}
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// Why a fleet file was refused; every variant names the place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FleetFileError {
    #[error("the fleet file is larger than {max} bytes")]
    TooLarge { max: usize },
    #[error("line {line}: {message}")]
    Syntax { line: usize, message: String },
    #[error("line {line}: node {node}: {field}: {message}")]
    Node { line: usize, node: String, field: &'static str, message: String },
    #[error("{field}: {message}")]
    Field { field: String, message: String },
}

impl Fleet {
    /// Reads and checks a fleet file.
    pub fn parse(text: &str) -> Result<Self, FleetFileError> {
        FleetFile::parse(text)?.check(text)
    }

    /// What a node can do in this fleet: a hub lets an unmodified OPA be pinned, synced and rolled back.
    pub fn capabilities(&self, api: NodeApi) -> Capabilities {
        let mut found = capabilities(api);
        if api == NodeApi::Opa && self.hub.is_some() {
            for capability in OPA_FOLLOWS_A_HUB {
                found.cannot.remove(&capability);
                found.can.insert(capability);
            }
        }
        found
    }
}

impl FleetFile {
    /// Reads the document without expanding groups.
    pub fn parse(text: &str) -> Result<Self, FleetFileError> {
        if text.len() > FLEET_FILE_BYTES_MAX {
            return Err(FleetFileError::TooLarge { max: FLEET_FILE_BYTES_MAX });
        }
        if let Some(file) = sections::read(text) {
            return Ok(file);
        }
        toml::from_str(text).map_err(|error| FleetFileError::Syntax {
            line: error.span().map_or(1, |span| line_of(text, span.start)),
            message: error.message().to_owned(),
        })
    }

    /// Prints the document as it would be saved.
    pub fn to_toml(&self) -> String {
        toml::to_string_pretty(self).expect("a fleet file always serialises")
    }

    /// Expands groups and checks what the grammar cannot. `text` is what the file was parsed from.
    pub fn check(self, text: &str) -> Result<Fleet, FleetFileError> {
        if self.nodes.len() > NODES_MAX {
            return Err(field("node", format!("more than {NODES_MAX} nodes")));
        }
        if self.sweep_interval_s < SWEEP_INTERVAL_S_MIN {
            return Err(field(
                "sweep_interval_s",
                format!("must be at least {SWEEP_INTERVAL_S_MIN}"),
            ));
        }
        if self.deadline_s == 0 {
            return Err(field("deadline_s", "must be at least 1".to_owned()));
        }
        let asks = self.decisions.as_ref().and_then(|decisions| decisions.ask_nodes_every_s);
        if asks.is_some_and(|seconds| seconds < ASK_NODES_EVERY_S_MIN) {
            let message = format!("must be at least {ASK_NODES_EVERY_S_MIN}");
            return Err(field("decisions.ask_nodes_every_s", message));
        }
        let groups = by_name(self.groups)?;
        let mut key_ids = BTreeSet::new();
        for key in &self.trust.keys {
            if !key_ids.insert(&key.id) {
                return Err(field("trust.keys", format!("the id {:?} stands twice", key.id)));
            }
        }
        let server = |entry: Option<ServerEntry>, section| {
            entry.map(|entry| entry.into_node(section)).transpose()
        };
        let prometheus = server(self.prometheus, "prometheus")?;
        let grafana = server(self.grafana, "grafana")?;
        let hub = self.hub.map(|hub| hub.checked(&self.name)).transpose()?;
        let mut nodes = BTreeMap::new();
        let mut label_sets = BTreeSet::new();
        let mut desired_by_node = BTreeMap::new();
        for spanned in self.nodes {
            let place = Place { text, offset: spanned.span().start };
            let (mut node, desired) = expand(spanned.into_inner(), &groups, place)?;
            node.labels = interned(&mut label_sets, node.labels);
            if let Some(desired) = desired {
                desired_by_node.insert(node.id.clone(), desired);
            }
            if let Some(twice) = nodes.insert(node.id.clone(), Arc::new(node)) {
                return Err(at(place, twice.id.as_str(), "id", "stands twice"));
            }
        }
        Ok(Fleet {
            name: self.name,
            environment: self.environment,
            read_only: self.read_only,
            sweep_interval_s: self.sweep_interval_s,
            deadline_s: self.deadline_s,
            thresholds: Thresholds {
                digest_age_s: self.thresholds.digest_age_min.saturating_mul(60),
                load_age_s: self.thresholds.load_age_h.saturating_mul(3_600),
            },
            desired: self.desired.map(DesiredEntry::into_desired),
            desired_by_node,
            trusted_keys: self.trust.keys,
            bundles: self.bundles,
            prometheus: prometheus.map(Arc::new),
            grafana: grafana.map(Arc::new),
            decisions: self.decisions.unwrap_or_default(),
            evidence: self.evidence.map(EvidenceEntry::checked).transpose()?.unwrap_or_default(),
            runbooks: self.runbooks.unwrap_or_default(),
            hub: hub.map(Arc::new),
            nodes,
        })
    }
}

fn by_name(groups: Vec<GroupEntry>) -> Result<BTreeMap<String, CommonEntry>, FleetFileError> {
    let mut named = BTreeMap::new();
    for group in groups {
        if named.insert(group.name.clone(), group.common).is_some() {
            return Err(field("group", format!("{:?} stands twice", group.name)));
        }
    }
    Ok(named)
}

impl EvidenceEntry {
    fn checked(self) -> Result<Self, FleetFileError> {
        if let Some(url) = &self.timestamp_authority {
            checked_url(url).map_err(|message| field("evidence.timestamp_authority", message))?;
        }
        if self.trusted_root.is_none()
            && (self.timestamp_authority.is_some() || !self.signers.is_empty())
        {
            let message = "is needed: only an authority that it lists counts".to_owned();
            return Err(field("evidence.trusted_root", message));
        }
        Ok(self)
    }
}

impl ServerEntry {
    fn into_node(self, section: &str) -> Result<Node, FleetFileError> {
        let of = |name: &str| format!("{section}.{name}");
        let url = checked_url(&self.url).map_err(|message| field(&of("url"), message))?;
        if self.tls.as_ref().is_some_and(|tls| tls.certificate.is_some() != tls.key.is_some()) {
            let message = "certificate and key belong together".to_owned();
            return Err(field(&of("tls"), message));
        }
        Ok(Node {
            id: NodeId::new(section).expect("a plain word is a name"),
            // It is none of them; what is asked of it does not depend on this.
            api: NodeApi::Opa,
            url,
            labels: Arc::default(),
            credential: self.credential,
            tls: self.tls,
            allow_plain_token: self.allow_plain_token,
            route: self.route.unwrap_or_default(),
            bundle_folder: None,
            bundle: None,
        })
    }
}

impl DesiredEntry {
    fn into_desired(self) -> DesiredVersion {
        DesiredVersion {
            version: self.version,
            content: self.content,
            pinned_by: None,
            since: None,
        }
    }
}

/// The one copy of equal labels: a fleet has far fewer sets of them than nodes.
fn interned(
    known: &mut BTreeSet<Arc<BTreeMap<String, String>>>,
    labels: Arc<BTreeMap<String, String>>,
) -> Arc<BTreeMap<String, String>> {
    if let Some(same) = known.get(&labels) {
        return same.clone();
    }
    known.insert(labels.clone());
    labels
}

fn expand(
    entry: NodeEntry,
    groups: &BTreeMap<String, CommonEntry>,
    place: Place<'_>,
) -> Result<(Node, Option<DesiredVersion>), FleetFileError> {
    let name = entry.id.as_str();
    let nothing = CommonEntry::default();
    let group = match &entry.group {
        None => &nothing,
        Some(group) => groups
            .get(group)
            .ok_or_else(|| at(place, name, "group", format!("there is no group {group:?}")))?,
    };
    let url = checked_url(&entry.url).map_err(|message| at(place, name, "url", message))?;
    let own = entry.common;
    let tls = own.tls.or_else(|| group.tls.clone());
    if tls.as_ref().is_some_and(|tls| tls.certificate.is_some() != tls.key.is_some()) {
        return Err(at(place, name, "tls", "certificate and key belong together"));
    }
    let mut labels = group.labels.clone();
    labels.extend(own.labels);
    let node = Node {
        api: entry.api,
        url,
        labels: Arc::new(labels),
        credential: own.credential.or_else(|| group.credential.clone()),
        tls,
        allow_plain_token: own.allow_plain_token.or(group.allow_plain_token).unwrap_or(false),
        route: own.route.or_else(|| group.route.clone()).unwrap_or_default(),
        bundle_folder: own.bundle_folder.or_else(|| group.bundle_folder.clone()),
        bundle: own.bundle.or_else(|| group.bundle.clone()),
        id: entry.id,
    };
    let desired = own.desired.or_else(|| group.desired.clone()).map(DesiredEntry::into_desired);
    Ok((node, desired))
}

pub(crate) fn checked_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("the scheme must be http or https, not {:?}", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a user or password does not belong in a URL; use credential".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("a query or fragment does not belong in a base URL".to_owned());
    }
    Ok(url)
}

/// Where an entry stands. Its line is counted only for an error: for every node of a file of 10,000
/// that is a minute.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    text: &'a str,
    offset: usize,
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

fn at(
    place: Place<'_>,
    node: &str,
    field: &'static str,
    message: impl Into<String>,
) -> FleetFileError {
    let line = line_of(place.text, place.offset);
    FleetFileError::Node { line, node: node.to_owned(), field, message: message.into() }
}

fn field(field: &str, message: String) -> FleetFileError {
    FleetFileError::Field { field: field.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
name = "payments-eu"
environment = "production"
bundles = ["bundles"]

[desired]
version = "2.0.0"

[[trust.keys]]
id = "signer-2026a"
pem = "keys/signer.pem"

[[group]]
name = "gateways"
credential = { env = "PLUMB_TOKEN" }
bundle_folder = "/srv/policies"
labels = { region = "eu" }

[[node]]
id = "eu-gw-001"
api = "reload"
url = "https://gw-001.example:8083"
group = "gateways"
labels = { role = "gateway" }
"#;

    #[test]
    fn a_prometheus_is_reached_as_the_file_says() {
        let with = |section: &str| Fleet::parse(&format!("{FILE}\n[prometheus]\n{section}"));
        let fleet =
            with("url = \"https://metrics.example/prom\"\ncredential = { env = \"TOKEN\" }");
        let server = fleet.expect("valid").prometheus.expect("it is named");
        assert_eq!(server.url.as_str(), "https://metrics.example/prom");
        assert_eq!(server.credential, Some(CredentialRef::Env("TOKEN".to_owned())));
        assert_eq!(Fleet::parse(FILE).expect("valid").prometheus, None);
        for (section, why) in [
            ("url = \"ftp://metrics.example\"", "prometheus.url: the scheme"),
            ("url = \"https://a:b@metrics.example\"", "prometheus.url: a user"),
            ("url = \"https://x\"\ntls = { key = \"k\" }", "prometheus.tls: certificate and key"),
            ("url = \"https://x\"\nport = 1", "unknown field"),
        ] {
            let error = with(section).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn who_vouches_for_evidence_is_listed_in_a_root() {
        let with = |section: &str| Fleet::parse(&format!("{FILE}\n[evidence]\n{section}"));
        let fleet = with(
            "timestamp_authority = \"https://tsa.example/\"\ntrusted_root = \"trusted_root.json\"\n\
             [[evidence.signer]]\nidentity = \"ops@example.com\"\nissuer = \"https://id.example.com\"",
        );
        let evidence = fleet.expect("valid").evidence;
        assert_eq!(evidence.signers[0].identity, "ops@example.com");
        let error = with("timestamp_authority = \"https://tsa.example/\"").expect_err("no root");
        assert!(error.to_string().contains("evidence.trusted_root: is needed"), "{error}");
        let error = with("timestamp_authority = \"file:///x\"\ntrusted_root = \"r\"");
        let error = error.expect_err("no server").to_string();
        assert!(error.contains("evidence.timestamp_authority: the scheme"), "{error}");
    }

    #[test]
    fn a_grafana_is_reached_as_the_file_says() {
        let with = |section: &str| Fleet::parse(&format!("{FILE}\n[grafana]\n{section}"));
        let fleet = with("url = \"https://metrics.example/grafana\"").expect("valid");
        let server = fleet.grafana.expect("it is named");
        assert_eq!(server.url.as_str(), "https://metrics.example/grafana");
        assert_eq!(fleet.prometheus, None);
        let error = with("url = \"file:///x\"").expect_err("no server").to_string();
        assert!(error.contains("grafana.url: the scheme"), "{error}");
    }

    #[test]
    fn a_group_gives_what_a_node_does_not_say() {
        let fleet = Fleet::parse(FILE).expect("the example is valid");
        let node = &fleet.nodes[&NodeId::new("eu-gw-001").expect("valid")];
        assert_eq!(node.bundle_folder.as_deref(), Some("/srv/policies"));
        assert_eq!(node.labels.len(), 2);
        assert_eq!(node.credential, Some(CredentialRef::Env("PLUMB_TOKEN".to_owned())));
        assert_eq!(fleet.thresholds, Thresholds::default());
    }

    #[track_caller]
    fn check_error(change: (&str, &str), expected: &str) {
        assert!(FILE.contains(change.0));
        let error = Fleet::parse(&FILE.replace(change.0, change.1)).expect_err("must be refused");
        assert!(error.to_string().contains(expected), "{error}");
    }

    #[test]
    fn a_bad_file_names_line_and_field() {
        check_error(
            ("https://gw", "ftp://gw"),
            "line 19: node eu-gw-001: url: the scheme must be http or https",
        );
        check_error(("https://gw", "https://u:p@gw"), "url: a user or password");
        check_error(
            ("group = \"gateways\"", "group = \"none\""),
            "line 19: node eu-gw-001: group: there is no group",
        );
        check_error(("\"reload\"", "\"relod\""), "unknown variant `relod`");
        check_error(("version = \"2.0.0\"", "version = 2"), "line 7");
        check_error(("environment", "enviroment"), "unknown field `enviroment`");
        check_error(("labels = { role", "lables = { role"), "unknown field `lables`");
        check_error(("\"eu-gw-001\"", "\"eu gw\""), "may hold only letters");
    }

    #[test]
    fn a_printed_file_reads_back() {
        let file = FleetFile::parse(FILE).expect("valid");
        let again = Fleet::parse(&file.to_toml()).expect("valid");
        assert_eq!(again, Fleet::parse(FILE).expect("valid"));
    }
}
