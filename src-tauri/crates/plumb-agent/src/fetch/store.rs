//! Packs on disk: `active`, and the former ones under `lkg/`. Whatever happens in between, a start
//! finds a whole pack.

mod record;
mod taken_back;

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use plumb_fleet::Digest;
pub use record::Record;
pub use taken_back::TakenBack;

use super::{
    disk::{Disk, DiskLock},
    failure::is_disk_full,
    limits::{LKG_PACKS_MAX, RECORD_BYTES_MAX},
};

const ACTIVE: &str = "active";
const LKG: &str = "lkg";
const LOCK: &str = "lock";
/// Ending of files that are being written.
const PART: &str = ".part";
const PACK: &str = ".pack";

/// Why a pack could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("pack folder {folder} is used by another agent; give each agent a folder of its own", folder = folder.display())]
    InUse { folder: PathBuf },
    #[error("{step} {path}", path = path.display())]
    Disk {
        step: &'static str,
        path: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error("{path} is not whole: {problem}", path = path.display())]
    Damaged { path: PathBuf, problem: &'static str },
    #[error("there is no earlier pack to return to")]
    NoFormer,
}

impl StoreError {
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Disk { error, .. } if is_disk_full(error))
    }
}

/// A place a stored pack can be loaded from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    Active,
    LastKnownGood(String),
}

/// The folder of one agent. Every method blocks.
#[derive(Debug)]
pub struct PackStore {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// Highest generation seen.
    generation: u64,
    /// The active pack, once the engine took it: only then it is worth keeping as last-known-good.
    acknowledged: Option<(u64, Digest)>,
    /// The name below `lkg/` of the pack that was active before the newest one.
    former: Option<String>,
    _lock: Box<dyn DiskLock>,
}

impl PackStore {
    /// Creates the folder where needed, locks it, and removes what an earlier process left half
    /// written. Says what it removed.
    pub fn open(disk: Arc<dyn Disk>, folder: &Path) -> Result<(Self, Vec<String>), StoreError> {
        let lkg = folder.join(LKG);
        disk.create_folder(&lkg).map_err(|error| failed("creating", &lkg, error))?;
        let lock = disk.lock(&folder.join(LOCK)).map_err(|error| {
            if error.kind() == io::ErrorKind::WouldBlock {
                StoreError::InUse { folder: folder.to_owned() }
            } else {
                failed("locking", folder, error)
            }
        })?;
        let mut removed = Vec::new();
        for folder in [folder, &lkg] {
            let names = disk.list(folder).map_err(|error| failed("listing", folder, error))?;
            for name in names.into_iter().filter(|name| name.ends_with(PART)) {
                let path = folder.join(&name);
                disk.remove(&path).map_err(|error| failed("removing", &path, error))?;
                removed.push(path.display().to_string());
            }
        }
        let folder = folder.to_owned();
        let mut store =
            Self { disk, folder, generation: 0, acknowledged: None, former: None, _lock: lock };
        let newest = store.kept()?.first().and_then(|name| generation_of(name)).unwrap_or(0);
        let active = store.load(&Slot::Active).map_or(0, |record| record.generation);
        store.generation = newest.max(active);
        Ok((store, removed))
    }

    /// Where a pack may be loaded from, the best first.
    pub fn slots(&self) -> Result<Vec<Slot>, StoreError> {
        let kept = self.kept()?.into_iter().map(Slot::LastKnownGood);
        Ok(std::iter::once(Slot::Active).chain(kept).collect())
    }

    /// Reads a pack, whole or not at all. Whether it is trusted is the caller's to find out.
    pub fn load(&self, slot: &Slot) -> Result<Record, StoreError> {
        let path = self.path(slot);
        let bytes = self
            .disk
            .read(&path, RECORD_BYTES_MAX)
            .map_err(|error| failed("reading", &path, error))?;
        Record::from_bytes(bytes).map_err(|problem| StoreError::Damaged { path, problem })
    }

    /// Makes a verified pack the active one: temporary file, sync, the former one kept, rename, sync
    /// of the folder. The generation is given here.
    pub fn admit(&mut self, record: &mut Record) -> Result<(), StoreError> {
        record.generation = self.generation + 1;
        let fresh = self.folder.join(format!("{ACTIVE}{PART}"));
        let written = self.write(&fresh, &record.to_bytes());
        let written = written.and_then(|()| self.keep_former());
        if let Err(error) = written {
            // What cannot be removed now is removed at the next start or write.
            let _ = self.disk.remove(&fresh);
            return Err(error);
        }
        if let Err(error) = self.place(&fresh) {
            let _ = self.disk.remove(&fresh);
            // It may bear the name already, though not durably; nobody is to find it there.
            let _ = self.restore();
            return Err(error);
        }
        self.generation = record.generation;
        self.acknowledged = None;
        self.prune();
        Ok(())
    }

    /// The engine took the active pack.
    pub fn acknowledge(&mut self, record: &Record) {
        self.acknowledged = Some((record.generation, record.digest));
    }

    /// Makes an earlier pack the active one again; the newest kept one, or nothing at all when no
    /// pack was ever good.
    pub fn restore(&mut self) -> Result<(), StoreError> {
        let active = self.folder.join(ACTIVE);
        self.acknowledged = None;
        let mut names = self.kept()?;
        // What answered last is not always the newest: an operator may have gone further back.
        names.sort_by_key(|name| self.former.as_ref() != Some(name));
        for name in names {
            let slot = Slot::LastKnownGood(name);
            match self.load(&slot) {
                Ok(record) => {
                    self.restore_from(&slot)?;
                    self.acknowledge(&record);
                    return Ok(());
                }
                Err(StoreError::Damaged { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        match self.disk.remove(&active) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("removing", &active, error));
            }
            _ => {}
        }
        self.disk.sync_folder(&self.folder).map_err(|e| failed("syncing", &self.folder, e))?;
        Err(StoreError::NoFormer)
    }

    /// Makes the pack of a slot the active one.
    pub fn restore_from(&mut self, slot: &Slot) -> Result<(), StoreError> {
        if *slot == Slot::Active {
            return Ok(());
        }
        let fresh = self.folder.join(format!("{ACTIVE}{PART}"));
        self.second_name(&self.path(slot), &fresh)?;
        self.place(&fresh).inspect_err(|_| {
            let _ = self.disk.remove(&fresh);
        })
    }

    /// Makes the pack of a slot the active one, and keeps the one that was.
    pub fn exchange(&mut self, slot: &Slot) -> Result<(), StoreError> {
        if *slot == Slot::Active {
            return Ok(());
        }
        self.keep_former()?;
        self.restore_from(slot)
    }

    /// Names of the kept packs, the newest first.
    fn kept(&self) -> Result<Vec<String>, StoreError> {
        let lkg = self.folder.join(LKG);
        let mut names = self.disk.list(&lkg).map_err(|error| failed("listing", &lkg, error))?;
        names.retain(|name| generation_of(name).is_some());
        names.sort_unstable_by(|a, b| b.cmp(a));
        Ok(names)
    }

    /// The file of a slot.
    pub fn path(&self, slot: &Slot) -> PathBuf {
        match slot {
            Slot::Active => self.folder.join(ACTIVE),
            Slot::LastKnownGood(name) => self.folder.join(LKG).join(name),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        match self.disk.remove(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("removing", path, error));
            }
            _ => {}
        }
        let mut file = self.disk.create(path).map_err(|error| failed("creating", path, error))?;
        file.write(bytes).map_err(|error| failed("writing", path, error))?;
        file.sync().map_err(|error| failed("syncing", path, error))
    }

    /// Puts a synced file under the name of the active pack.
    fn place(&self, fresh: &Path) -> Result<(), StoreError> {
        let active = self.folder.join(ACTIVE);
        self.disk.rename(fresh, &active).map_err(|error| failed("renaming to", &active, error))?;
        self.disk.sync_folder(&self.folder).map_err(|error| failed("syncing", &self.folder, error))
    }

    /// Gives the acknowledged active pack a second name below `lkg/`, durably, before its own name is
    /// taken from it.
    fn keep_former(&mut self) -> Result<(), StoreError> {
        let Some((generation, digest)) = self.acknowledged else { return Ok(()) };
        let lkg = self.folder.join(LKG);
        let name = format!("{generation:010}-{digest}{PACK}");
        let kept = lkg.join(&name);
        self.former = Some(name);
        self.second_name(&self.folder.join(ACTIVE), &kept)?;
        self.disk.sync_folder(&lkg).map_err(|error| failed("syncing", &lkg, error))
    }

    /// A link, or a copy where the file system has none.
    fn second_name(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        match self.disk.link(from, to) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                if to.extension().is_none_or(|ending| ending != "part") {
                    return Ok(());
                }
            }
            Err(error) if has_no_links(&error) => {}
            Err(error) => return Err(failed("linking to", to, error)),
        }
        let bytes = self
            .disk
            .read(from, RECORD_BYTES_MAX)
            .map_err(|error| failed("reading", from, error))?;
        let mut part = to.as_os_str().to_owned();
        part.push(PART);
        let part = PathBuf::from(part);
        self.write(&part, &bytes).inspect_err(|_| {
            let _ = self.disk.remove(&part);
        })?;
        self.disk.rename(&part, to).map_err(|error| failed("renaming to", to, error))
    }

    /// Forgets the oldest kept packs. One that cannot be removed is tried again next time.
    fn prune(&self) {
        let Ok(names) = self.kept() else { return };
        for name in names.iter().skip(LKG_PACKS_MAX) {
            let _ = self.disk.remove(&self.folder.join(LKG).join(name));
        }
    }
}

fn failed(step: &'static str, path: &Path, error: io::Error) -> StoreError {
    StoreError::Disk { step, path: path.to_owned(), error }
}

/// FAT and some network file systems know no second names.
fn has_no_links(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied | io::ErrorKind::TooManyLinks
    )
}

/// The generation in the name of a kept pack; anything else in the folder is not ours.
fn generation_of(name: &str) -> Option<u64> {
    let (generation, digest) = name.strip_suffix(PACK)?.split_once('-')?;
    digest.parse::<Digest>().ok()?;
    (generation.len() == 10).then(|| generation.parse().ok()).flatten()
}
