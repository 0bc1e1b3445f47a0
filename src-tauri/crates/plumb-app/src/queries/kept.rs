//! The bundles nodes run and would fall back to, as files at hand: what must go on verifying when trust changes.

use camino::Utf8PathBuf;
use plumb_fleet::{BundleDigest, CatalogueEntry, ContentDigest, NodeId, NodeReport, Version};

use crate::{app::App, current::Current, error::AppError, fleets::folder_of};

/// Everything a fleet's nodes were last seen to hold.
#[derive(Debug, Default)]
pub struct KeptBundles {
    /// The keys the fleet file trusts: their names and files.
    pub keys: Vec<(String, Utf8PathBuf)>,
    /// Each bundle once, with every node that holds it.
    pub bundles: Vec<KeptBundle>,
    /// What cannot be judged, and why.
    pub unknown: Vec<UnknownBundle>,
}

/// One signed bundle at hand.
#[derive(Debug)]
pub struct KeptBundle {
    pub version: String,
    pub content: String,
    pub path: Utf8PathBuf,
    pub holders: Vec<Holder>,
}

/// A node, and what it holds a bundle as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub node: String,
    /// `active` or `lkg`.
    pub role: &'static str,
}

/// Something a node holds of which no signed bundle is known here.
#[derive(Debug)]
pub struct UnknownBundle {
    pub holder: Holder,
    pub problem: String,
}

impl App {
    /// The active and last-known-good bundles of a fleet, from the store and the fleet file alone.
    pub async fn kept_bundles(&self, fleet: &str) -> Result<KeptBundles, AppError> {
        let (state, loaded) = self.loaded(fleet)?;
        let current = self.current(fleet).await?;
        let current = self.with_earlier(&current, None).await?;
        let folder = folder_of(&state.file);
        let key = |key: &plumb_fleet::fleet::TrustedKey| (key.id.clone(), folder.join(&key.pem));
        let keys = loaded.fleet.trusted_keys.iter().map(key).collect();
        let mut kept = KeptBundles { keys, ..KeptBundles::default() };
        for id in current.fleet.nodes.keys() {
            match current.report(id) {
                Some(report) => kept.add_node(&current, id, report),
                None => kept.unknown(id, "active", "it never reported"),
            }
        }
        Ok(kept)
    }
}

impl KeptBundles {
    fn add_node(&mut self, current: &Current, id: &NodeId, report: &NodeReport) {
        let digest = report.bundle_digest.as_ref().map(|digest| digest.value);
        let content = report.content.as_ref().map(|content| content.value);
        let version = report.version.as_ref().map(|version| &version.value);
        match content {
            Some(content) => {
                let entry = entry(current, id, digest, version, content);
                self.add(id, "active", entry, content);
            }
            None => self.unknown(id, "active", "it does not tell its content"),
        }
        if let Some(good) = &report.last_known_good {
            let (version, content) = (&good.value.version, good.value.content);
            let entry = entry(current, id, None, Some(version), content);
            self.add(id, "lkg", entry, content);
        }
    }

    fn add(
        &mut self,
        id: &NodeId,
        role: &'static str,
        entry: Option<&CatalogueEntry>,
        content: ContentDigest,
    ) {
        let Some((entry, path)) =
            entry.and_then(|entry| entry.local_path.as_ref().map(|path| (entry, path)))
        else {
            let short = content.short();
            let problem = format!("no signed bundle with its content {short} is at hand here");
            return self.unknown(id, role, &problem);
        };
        let holder = Holder { node: id.to_string(), role };
        match self.bundles.iter_mut().find(|kept| kept.path == *path) {
            Some(kept) => kept.holders.push(holder),
            None => self.bundles.push(KeptBundle {
                version: entry.version.to_string(),
                content: entry.content.to_string(),
                path: Utf8PathBuf::from(path),
                holders: vec![holder],
            }),
        }
    }

    fn unknown(&mut self, id: &NodeId, role: &'static str, problem: &str) {
        let holder = Holder { node: id.to_string(), role };
        self.unknown.push(UnknownBundle { holder, problem: problem.to_owned() });
    }
}

/// The bundle by the digest of its bytes where the node tells it, else by version and content.
fn entry<'a>(
    current: &'a Current,
    id: &NodeId,
    digest: Option<BundleDigest>,
    version: Option<&Version>,
    content: ContentDigest,
) -> Option<&'a CatalogueEntry> {
    let all = &current.desired.catalogue.entries;
    all.iter()
        .find(|entry| Some(entry.digest) == digest && entry.content == content)
        .or_else(|| {
            let offer = current.desired.offer(id);
            version.and_then(|version| {
                offer.of_version(version).find(|entry| entry.content == content)
            })
        })
        .or_else(|| current.desired.catalogue.with_content(content))
}
