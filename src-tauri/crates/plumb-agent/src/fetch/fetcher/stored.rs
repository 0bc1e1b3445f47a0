//! The stored packs, as a listing tells them.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use jiff::Timestamp;
use plumb_bundle::{Bundle, PolicyPack};
use plumb_fleet::Digest;

use super::examine::{Examined, examine, is_expired};
use crate::{
    chain::chain,
    fetch::{
        store::{PackStore, Record, Slot, StoreError},
        verify::PackVerifier,
    },
};

/// One file of the store, and what is in it.
#[derive(Debug)]
pub(crate) struct StoredPack {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// Of the tar, where the file is whole.
    pub(crate) digest: Option<Digest>,
    /// Where it is whole.
    pub(crate) attestation: Option<Vec<u8>>,
    pub(crate) slot: Slot,
    /// What it is, or why it would not be brought into force.
    pub(crate) content: Result<Sound, String>,
}

/// A pack that is still trusted.
#[derive(Debug)]
pub(crate) struct Sound {
    pub(crate) pack: Arc<PolicyPack>,
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) carried_by: Option<String>,
}

/// A way to look at the store that does not keep it: the lock of its folder goes with the fetcher.
#[derive(Debug, Clone)]
pub(super) struct StoredPacks {
    store: Weak<Mutex<PackStore>>,
    verifier: Arc<dyn PackVerifier>,
}

impl StoredPacks {
    pub(super) fn new(store: &Arc<Mutex<PackStore>>, verifier: Arc<dyn PackVerifier>) -> Self {
        Self { store: Arc::downgrade(store), verifier }
    }

    /// The active pack and the kept ones, each verified as a start would. Blocks.
    pub(super) fn list(&self, now: Timestamp) -> Vec<StoredPack> {
        let Some(store) = self.store.upgrade() else { return Vec::new() };
        let read: Vec<(Slot, PathBuf, Result<Record, StoreError>)> = {
            let store = store.lock().unwrap_or_else(PoisonError::into_inner);
            let Ok(slots) = store.slots() else { return Vec::new() };
            let read = |slot: Slot| {
                let (path, record) = (store.path(&slot), store.load(&slot));
                (slot, path, record)
            };
            slots.into_iter().map(read).collect()
        };
        // Before there ever was one, there is no active pack.
        let is_there = |read: &Result<Record, StoreError>| {
            !matches!(read, Err(StoreError::Disk { error, .. })
                if error.kind() == std::io::ErrorKind::NotFound)
        };
        let found = read.into_iter().filter(|(.., read)| is_there(read));
        found.map(|(slot, path, read)| self.judge(slot, path, read, now)).collect()
    }

    fn judge(
        &self,
        slot: Slot,
        path: PathBuf,
        read: Result<Record, StoreError>,
        now: Timestamp,
    ) -> StoredPack {
        let record = match read {
            Ok(record) => record,
            Err(error) => {
                let content = Err(chain(&error));
                let (bytes, digest, attestation) = (0, None, None);
                return StoredPack { path, bytes, digest, attestation, slot, content };
            }
        };
        let Record { pack, tar, attestation, verified_at, .. } = &record;
        let at = |moment| examine(&*self.verifier, pack, tar, attestation, moment);
        let examined = match at(now) {
            // As a start does it: time alone does not take a stored pack away.
            Err(failure) if is_expired(&failure) => at(*verified_at),
            other => other,
        };
        let content = examined
            .map(|Examined { pack, bundle, report }| {
                let carried_by = report.carried_by;
                Sound { pack, bundle, carried_by }
            })
            .map_err(|failure| chain(&failure));
        let (bytes, digest) = (record.tar.len() as u64, Some(record.digest));
        let attestation = Some(record.attestation);
        StoredPack { path, bytes, digest, attestation, slot, content }
    }
}
