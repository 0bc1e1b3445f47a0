//! What is served now, kept in memory: packs by name, and for each node of a fleet its bundle.

use std::{collections::BTreeMap, sync::Arc};

use axum::body::Bytes;
use jiff::Timestamp;
use plumb_bundle::{ArchiveError, PolicyPack};
use plumb_fleet::{ContentDigest, Digest};
use plumb_trust::refused::RefusedList;
use plumb_wire::hub::{Desired, DesiredVersion, PackFormat};
use tokio::sync::{Mutex, watch};

use crate::{
    folder::{Pack, Shelf, chain},
    packs::Packs,
    refused::{self, Letter, read_list},
    registry::{self, KeptPack, examine},
    state::{
        Document, State, StateError,
        collection::{DESIRED, REFUSED},
    },
    storage::Blobs,
};

/// A bundle as OPA downloads it.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// Of these bytes; that of the pack they were made of is another.
    pub(crate) digest: Digest,
    pub(crate) bytes: Bytes,
    /// Of its policies.
    content: ContentDigest,
}

/// What nodes should run, and the bundles for it by the digest of what was published.
#[derive(Debug, Default)]
pub(crate) struct Served {
    pub(crate) desired: BTreeMap<String, Desired>,
    bundles: BTreeMap<Digest, Arc<Bundle>>,
    /// Bundles that are desired and refused, by fleet and by the digest of what was published, with the reason.
    withheld: BTreeMap<(String, Digest), String>,
}

impl Served {
    /// What a node should run, and its bundle where that could be had.
    pub(crate) fn of(&self, fleet: &str, node: &str) -> Option<(&DesiredVersion, Option<&Bundle>)> {
        let wanted = self.desired.get(fleet)?.of(node)?;
        let digest: Option<Digest> = wanted.digest.parse().ok();
        let bundle = digest.and_then(|digest| self.bundles.get(&digest));
        Some((wanted, bundle.map(AsRef::as_ref)))
    }

    /// Why the bundle of a version is not handed out to a fleet.
    pub(crate) fn withheld(&self, fleet: &str, wanted: &DesiredVersion) -> Option<&str> {
        let digest = wanted.digest.parse().ok()?;
        self.withheld.get(&(fleet.to_owned(), digest)).map(String::as_str)
    }
}

impl Served {
    /// Notes which of the bundles that are desired in a fleet its list refuses.
    fn withhold(&mut self, fleet: &str, desired: &Desired, list: &RefusedList) {
        for wanted in desired.fleet.iter().chain(desired.nodes.values()) {
            let Ok(digest) = wanted.digest.parse::<Digest>() else { continue };
            let bundle = self.bundles.get(&digest);
            let why = bundle.and_then(|bundle| refused::why(list, bundle.content));
            self.withheld.extend(why.map(|why| ((fleet.to_owned(), digest), why)));
        }
    }
}

/// Keeps [`Served`] and the packs up to date.
#[derive(Debug)]
pub(crate) struct Shop {
    blobs: Blobs,
    packs: Packs,
    served: watch::Sender<Arc<Served>>,
    /// One look at a time, so that an older one never comes last.
    looking: Mutex<()>,
}

impl Shop {
    pub(crate) fn new(blobs: Blobs, packs: Packs) -> Self {
        let served = watch::Sender::new(Arc::default());
        Self { blobs, packs, served, looking: Mutex::default() }
    }

    pub(crate) fn packs(&self) -> &Packs {
        &self.packs
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Served>> {
        self.served.subscribe()
    }

    /// Reads what is published and desired, and wakes whoever waits for what changed. What cannot be read now stays as
    /// it was.
    pub(crate) async fn refresh(&self, state: &State) -> Result<(), StateError> {
        let _looking = self.looking.lock().await;
        let packs = registry::all(state).await?;
        let desired: Vec<Document<Desired>> = state.list(DESIRED, "").await?;
        let letters: Vec<Document<Letter>> = state.list(REFUSED, "").await?;
        let lists =
            letters.into_iter().filter_map(|kept| Some((kept.key, read_list(&kept.body).ok()?)));
        let refused: BTreeMap<String, RefusedList> = lists.collect();
        self.packs.put(self.shelf(&packs).await);
        let former = Arc::clone(&self.served.borrow());
        let mut next = Served::default();
        for Document { key, body, .. } in desired {
            for wanted in body.fleet.iter().chain(body.nodes.values()) {
                let Ok(digest) = wanted.digest.parse::<Digest>() else { continue };
                if next.bundles.contains_key(&digest) {
                    continue;
                }
                let bundle = match former.bundles.get(&digest) {
                    Some(bundle) => Some(Arc::clone(bundle)),
                    None => self.bundle(&packs, wanted, digest).await,
                };
                next.bundles.extend(bundle.map(|bundle| (digest, bundle)));
            }
            if let Some(list) = refused.get(&key) {
                next.withhold(&key, &body, list);
            }
            next.desired.insert(key, body);
        }
        let changed = next.desired != former.desired
            || next.withheld != former.withheld
            || next.bundles.keys().ne(former.bundles.keys());
        if changed {
            self.served.send_replace(Arc::new(next));
        }
        Ok(())
    }

    async fn shelf(&self, packs: &[Document<KeptPack>]) -> Shelf {
        let former = self.packs.shelf();
        let mut shelf = Shelf::new();
        for Document { key, body, .. } in packs {
            let Some(serving) = &body.serving else { continue };
            let version = body.versions.iter().find(|version| version.digest == serving.digest);
            let Some(version) = version.filter(|v| v.format == PackFormat::Pack) else { continue };
            let since = whole_seconds(serving.since);
            let known = former.get(key).filter(|pack| {
                pack.digest == serving.digest
                    && pack.modified_at == since
                    && match version.attestation {
                        Some(digest) => pack.attestation.as_deref().map(Digest::of) == Some(digest),
                        None => pack.attestation.is_some() == version.attested,
                    }
            });
            if let Some(known) = known {
                shelf.insert(key.clone(), Arc::clone(known));
                continue;
            }
            match self.pack(serving.digest, since).await {
                Some(pack) => {
                    shelf.insert(key.clone(), Arc::new(pack));
                }
                None => shelf.extend(former.get(key).map(|it| (key.clone(), Arc::clone(it)))),
            }
        }
        shelf
    }

    async fn pack(&self, digest: Digest, since: Timestamp) -> Option<Pack> {
        let read = async {
            let attestation = self.blobs.attestation(digest).await?;
            Ok::<_, crate::storage::StorageError>((self.blobs.pack(digest).await?, attestation))
        };
        match read.await {
            Ok((Some(bytes), attestation)) => Some(Pack::new(digest, bytes, since, attestation)),
            Ok((None, _)) => {
                tracing::error!(%digest, "a published pack is not in the storage");
                None
            }
            Err(error) => {
                tracing::error!(%digest, error = %chain(&error), "a pack cannot be read");
                None
            }
        }
    }

    async fn bundle(
        &self,
        packs: &[Document<KeptPack>],
        wanted: &DesiredVersion,
        digest: Digest,
    ) -> Option<Arc<Bundle>> {
        let pack = packs.iter().find(|pack| pack.key == wanted.pack)?;
        let version = pack.body.versions.iter().find(|version| version.digest == digest)?;
        let format = version.format;
        let bytes = match self.blobs.pack(digest).await {
            Ok(Some(bytes)) => bytes,
            Ok(None) => {
                tracing::error!(%digest, "a desired version is not in the storage");
                return None;
            }
            Err(error) => {
                tracing::error!(%digest, error = %chain(&error), "a desired version cannot be read");
                return None;
            }
        };
        let made = tokio::task::spawn_blocking(move || {
            let (_, content) = examine(&bytes)?;
            let bytes = match format {
                PackFormat::Opa => bytes,
                PackFormat::Pack => Bytes::from(PolicyPack::read(&bytes)?.to_opa()?.archive),
            };
            Ok::<_, ArchiveError>((bytes, content))
        });
        match made.await {
            Ok(Ok((bytes, content))) => {
                Some(Arc::new(Bundle { digest: Digest::of(&bytes), bytes, content }))
            }
            Ok(Err(error)) => {
                tracing::error!(%digest, error = %chain(&error), "a pack cannot be made into a bundle");
                None
            }
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

/// As HTTP tells times.
pub(crate) fn whole_seconds(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(Timestamp::UNIX_EPOCH)
}
