//! What the operator wants to be running, what is known to be validly signed, and the thresholds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{BundleDigest, ContentDigest, NodeId, Version};

/// The version a node should run, bound to content where a signed bundle of it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DesiredVersion {
    pub version: Version,
    pub content: Option<ContentDigest>,
    /// Who pinned it, or nothing when it stands in the fleet file.
    pub pinned_by: Option<String>,
    pub since: Option<Timestamp>,
}

/// Everything `assess` compares a snapshot with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Desired {
    /// For nodes without an entry of their own.
    pub fleet: Option<DesiredVersion>,
    pub nodes: BTreeMap<NodeId, DesiredVersion>,
    /// Ids of the bundles that nodes are to run, where the fleet file names one: a version label of
    /// another bundle means nothing to them.
    #[serde(default)]
    pub bundles: BTreeMap<NodeId, String>,
    pub catalogue: Catalogue,
    pub refused: BTreeSet<ContentDigest>,
    pub thresholds: Thresholds,
    /// Accepted changes that have not arrived yet.
    pub in_flight: BTreeMap<NodeId, InFlight>,
}

impl Desired {
    pub fn of(&self, node: &NodeId) -> Option<&DesiredVersion> {
        self.nodes.get(node).or(self.fleet.as_ref())
    }

    /// The bundle a node is to run, where the fleet file names one.
    pub fn bundle_of(&self, node: &NodeId) -> Option<&str> {
        self.bundles.get(node).map(String::as_str)
    }

    /// The signed bundles a node may be given.
    pub fn offer(&self, node: &NodeId) -> Offer<'_> {
        self.catalogue.offer(self.bundle_of(node))
    }
}

/// A change a node accepted; it counts as `converging` until the deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlight {
    pub since: Timestamp,
    pub deadline: Timestamp,
}

/// Signed bundles the console knows: version to digest, content and path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Catalogue {
    pub entries: Vec<CatalogueEntry>,
}

/// One validly signed bundle, and where nodes find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogueEntry {
    pub bundle_id: String,
    pub version: Version,
    pub digest: BundleDigest,
    pub content: ContentDigest,
    /// File name below a node's bundle folder.
    pub file: String,
    /// Absolute path on this machine, when the file is at hand.
    pub local_path: Option<String>,
    pub issued_at: Option<Timestamp>,
    /// From when nodes that keep to it no longer take it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The trusted key that verified it.
    pub key: String,
    pub policies: u32,
    pub bytes: u64,
}

impl Catalogue {
    pub fn of_version<'a>(
        &'a self,
        version: &'a Version,
    ) -> impl Iterator<Item = &'a CatalogueEntry> {
        self.entries.iter().filter(move |entry| entry.version == *version)
    }

    pub fn with_content(&self, content: ContentDigest) -> Option<&CatalogueEntry> {
        self.entries.iter().find(|entry| entry.content == content)
    }

    /// The entries of one bundle, or all.
    pub const fn offer<'a>(&'a self, bundle: Option<&'a str>) -> Offer<'a> {
        Offer { catalogue: self, bundle }
    }
}

/// The part of a catalogue that a node may be given: all, or the versions of one bundle.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    catalogue: &'a Catalogue,
    /// Its id, as the bundles say it.
    pub bundle: Option<&'a str>,
}

impl<'a> Offer<'a> {
    pub fn of_version(
        self,
        version: &Version,
    ) -> impl Iterator<Item = &'a CatalogueEntry> + use<'a, '_> {
        self.catalogue.entries.iter().filter(move |entry| {
            entry.version == *version && self.bundle.is_none_or(|id| entry.bundle_id == id)
        })
    }

    /// The bundle that a desired version names: by content, or the only content of that version.
    ///
    /// One content may stand in several files; then it is the first by name, on every machine.
    pub fn resolve(self, desired: &DesiredVersion) -> Option<&'a CatalogueEntry> {
        let of_version = || self.of_version(&desired.version);
        let content = desired.content.or_else(|| of_version().next().map(|entry| entry.content))?;
        if desired.content.is_none() && of_version().any(|entry| entry.content != content) {
            return None;
        }
        of_version()
            .filter(|entry| entry.content == content)
            .min_by_key(|entry| (&entry.file, entry.digest))
    }
}

/// Ages beyond which a node is called out (conflict C1), in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thresholds {
    pub digest_age_s: u32,
    pub load_age_s: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self { digest_age_s: 15 * 60, load_age_s: 24 * 60 * 60 }
    }
}
