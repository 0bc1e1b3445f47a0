//! Packs that were taken back, remembered beside the store: a restart does not try the same bytes once more.

use std::{io, path::PathBuf};

use jiff::Timestamp;
use plumb_fleet::Digest;
use serde::{Deserialize, Serialize};

use super::{PART, PackStore, StoreError, failed};
use crate::fetch::limits::TAKEN_BACK_BYTES_MAX;

const FILE: &str = "taken-back.json";
/// Where a file goes that cannot be read.
const DAMAGED: &str = "taken-back.damaged.json";
const FORMAT: u32 = 1;

/// A pack that came into force and did not prove itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenBack {
    pub digest: Digest,
    pub reason: String,
    pub at: Timestamp,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    taken_back: Vec<TakenBack>,
}

impl PackStore {
    /// What was taken back, the newest last. A file that cannot be read is set aside, and what it held
    /// is forgotten.
    pub fn taken_back(&self) -> Result<Vec<TakenBack>, StoreError> {
        let path = self.folder.join(FILE);
        let bytes = match self.disk.read(&path, TAKEN_BACK_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("reading", &path, error)),
            Ok(bytes) => bytes,
        };
        if let Ok(Document { format: FORMAT, taken_back }) = serde_json::from_slice(&bytes) {
            return Ok(taken_back);
        }
        self.disk
            .rename(&path, &self.folder.join(DAMAGED))
            .map_err(|error| failed("setting aside", &path, error))?;
        let problem = "it does not tell what was taken back; it is kept as taken-back.damaged.json";
        Err(StoreError::Damaged { path, problem })
    }

    /// Remembers what was taken back, durably: temporary file, sync, rename, sync of the folder.
    pub fn remember(&self, taken_back: &[TakenBack]) -> Result<(), StoreError> {
        let document = Document { format: FORMAT, taken_back: taken_back.to_vec() };
        let bytes = serde_json::to_vec_pretty(&document).expect("a list of digests serialises");
        let path = self.folder.join(FILE);
        let fresh: PathBuf = self.folder.join(format!("{FILE}{PART}"));
        let placed = self.write(&fresh, &bytes).and_then(|()| {
            self.disk.rename(&fresh, &path).map_err(|error| failed("renaming to", &path, error))
        });
        if let Err(error) = placed {
            // What cannot be removed now is removed at the next start.
            let _ = self.disk.remove(&fresh);
            return Err(error);
        }
        self.disk.sync_folder(&self.folder).map_err(|error| failed("syncing", &self.folder, error))
    }
}
