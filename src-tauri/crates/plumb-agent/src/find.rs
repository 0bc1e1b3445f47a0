//! Signed bundles that stand below the roots, and the one a pin or rollback means.

use std::{collections::BTreeMap, path::PathBuf, time::SystemTime};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use plumb_wire::v1::{BundlesFound, FoundBundle, FoundPack, LastKnownGood, PackRole, Pin};

use crate::{
    core::{Core, Place},
    fetch::{Slot, Sound, StoredPack},
    load::{Loaded, load},
    roots::{BundlePath, Roots},
};

/// What was found when a file was last read, by path, with what tells that it changed since.
pub(crate) type Listing = BTreeMap<PathBuf, (Stamp, FoundBundle)>;

type Stamp = (u64, SystemTime);

/// Why a bundle was not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FindError {
    #[error("no verified bundle below the roots is {wanted}")]
    None { wanted: String },
    #[error(
        "{count} bundles below the roots say they are {wanted} and differ in content; name the one \
         you mean by digest or content"
    )]
    Ambiguous { wanted: String, count: usize },
}

/// What is looked for: a version, and digests where they are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) version: String,
    pub(crate) digest: Option<String>,
    pub(crate) content: Option<String>,
}

impl From<&Pin> for Wanted {
    fn from(pin: &Pin) -> Self {
        Self {
            version: pin.version.clone(),
            digest: pin.digest.clone(),
            content: pin.content.clone(),
        }
    }
}

impl From<&LastKnownGood> for Wanted {
    fn from(good: &LastKnownGood) -> Self {
        Self {
            version: good.version.clone(),
            digest: Some(good.digest.clone()),
            content: Some(good.content.clone()),
        }
    }
}

impl Wanted {
    pub(crate) fn is(&self, loaded: &Loaded) -> bool {
        self.version == loaded.version()
            && self.digest.as_ref().is_none_or(|digest| *digest == loaded.digest.to_string())
            && self.content.as_ref().is_none_or(|content| *content == loaded.content.to_string())
    }

    fn is_found(&self, found: &FoundBundle) -> bool {
        found.verified
            && found.version.as_deref() == Some(&self.version)
            && (self.digest.is_none() || self.digest == found.digest)
            && (self.content.is_none() || self.content == found.content)
    }

    pub(crate) fn shown(&self) -> String {
        let digest = self.digest.as_ref().map(|digest| format!(" with digest {}", short(digest)));
        let content = self.content.as_ref().map(|text| format!(" with content {}", short(text)));
        let named = digest.or(content).unwrap_or_default();
        format!("{}{named}", self.version)
    }
}

/// The first twelve digits, as tables show them.
pub(crate) fn short(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

impl Core {
    /// Every stored pack, and every signed bundle below the roots. Bundles that did not change are not
    /// read again. Blocks.
    pub(crate) fn list(&self) -> BundlesFound {
        let (paths, truncated) = self.roots.list();
        let stored = self.packs.get().map(|packs| packs.stored(self.now())).unwrap_or_default();
        let mut bundles: Vec<_> = stored.into_iter().map(as_found).collect();
        bundles.extend(paths.iter().map(|path| self.look_at(path)));
        let mut listing = self.listing();
        listing.retain(|path, _| {
            paths.iter().any(|known| known.shown == *path) || self.is_stored(path)
        });
        BundlesFound { bundles, truncated }
    }

    /// The bundle that is wanted. Where several files have the same content, any of them is. Blocks.
    pub(crate) fn find(&self, wanted: &Wanted) -> Result<BundlePath, FindError> {
        if let Some(now) = self.in_force.load_full()
            && wanted.is(&now.bundle)
            && (wanted.digest.is_some() || wanted.content.is_some())
            && let Place::File(path) = &now.place
        {
            return Ok(path.clone());
        }
        let stored = self.store.as_ref().map(Roots::list).unwrap_or_default().0;
        let found = self.matching(&self.roots.list().0, wanted);
        // A copy in the store counts only where no file does: an operator's folder is the source.
        let found = if found.is_empty() { self.matching(&stored, wanted) } else { found };
        let Some((first, content)) = found.first() else {
            return Err(FindError::None { wanted: wanted.shown() });
        };
        let mut contents: Vec<_> = found.iter().map(|(_, content)| content).collect();
        contents.sort_unstable();
        contents.dedup();
        if contents.iter().any(|other| *other != content) {
            let count = contents.len();
            return Err(FindError::Ambiguous { wanted: wanted.shown(), count });
        }
        Ok(first.clone())
    }

    fn matching(&self, paths: &[BundlePath], wanted: &Wanted) -> Vec<(BundlePath, Option<String>)> {
        paths
            .iter()
            .map(|path| (path, self.look_at(path)))
            .filter(|(_, found)| wanted.is_found(found))
            .map(|(path, found)| (path.clone(), found.content))
            .collect()
    }

    fn look_at(&self, path: &BundlePath) -> FoundBundle {
        let stamp = path.stamp();
        if let Some(stamp) = stamp
            && let Some((known, found)) = self.listing().get(&path.shown)
            && *known == stamp
        {
            return found.clone();
        }
        let read = load(path, self.checks());
        let mut found = FoundBundle {
            path: path.shown.display().to_string(),
            bytes: read.bytes.len() as u64,
            verified: false,
            reason: None,
            bundle_id: None,
            version: None,
            digest: read.digest.map(|digest| digest.to_string()),
            content: None,
            issued_at: None,
            policies_count: None,
            key: None,
            pack: None,
        };
        match read.result {
            Ok(loaded) => describe(&loaded, &mut found),
            Err(error) => found.reason = Some(error.full_text()),
        }
        if let Some(stamp) = stamp {
            self.listing().insert(path.shown.clone(), (stamp, found.clone()));
        }
        found
    }

    fn is_stored(&self, path: &std::path::Path) -> bool {
        self.store.as_ref().is_some_and(|store| store.resolve(path).is_ok())
    }

    fn listing(&self) -> std::sync::MutexGuard<'_, Listing> {
        self.listing.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A stored pack in the words of the listing. One of a signed bundle tells the bundle's digest, as
/// everywhere.
fn as_found(stored: StoredPack) -> FoundBundle {
    let StoredPack { path, bytes, digest, attestation, slot, content } = stored;
    let role = match slot {
        Slot::Active => PackRole::Active,
        Slot::LastKnownGood(_) => PackRole::Lkg,
    };
    let pack = digest.zip(attestation).map(|(digest, attestation)| FoundPack {
        role,
        digest: digest.to_hex(),
        attestation: STANDARD.encode(attestation),
    });
    let mut found = FoundBundle {
        path: path.display().to_string(),
        bytes,
        verified: false,
        reason: None,
        bundle_id: None,
        version: None,
        digest: digest.map(plumb_fleet::Digest::to_hex),
        content: None,
        issued_at: None,
        policies_count: None,
        key: None,
        pack,
    };
    match content {
        Err(reason) => found.reason = Some(reason),
        Ok(Sound { pack, bundle, carried_by }) => {
            found.verified = true;
            if let Ok(Some((_, inner))) = pack.signed_bundle() {
                found.digest = Some(plumb_fleet::Digest::of(inner).to_hex());
            }
            found.bundle_id = Some(bundle.id.clone());
            found.version = Some(bundle.version.to_string());
            found.content = Some(bundle.content.to_string());
            found.issued_at = bundle.issued_at;
            found.policies_count = u32::try_from(bundle.policies.len()).ok();
            found.key = carried_by;
        }
    }
    found
}

fn describe(loaded: &Loaded, found: &mut FoundBundle) {
    found.verified = true;
    found.bundle_id = Some(loaded.id().to_owned());
    found.version = Some(loaded.version().to_owned());
    found.content = Some(loaded.content.to_string());
    found.issued_at = loaded.issued_at();
    found.policies_count = u32::try_from(loaded.refs.len()).ok();
    found.key = Some(loaded.signature.key.clone());
}
