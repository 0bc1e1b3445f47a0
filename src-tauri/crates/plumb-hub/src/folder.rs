//! A folder with packs: reading it, and putting packs into it.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use plumb_bundle::{
    PolicyPack,
    formats::{archive::Members, pack},
    json::{Value, parse},
    limits::{ARCHIVE_BYTES_MAX, ARCHIVE_ENTRIES_MAX, ARCHIVE_PATH_DEPTH_MAX},
};
use plumb_fleet::Digest;
use plumb_wire::packs::is_pack_id;

use crate::{
    conditional::Stand,
    error::HubError,
    limits::{ATTESTATION_BYTES_MAX, FILES_MAX, PACKS_MAX},
};

const PACK_ENDING: &str = ".tar";
const ATTESTATION_ENDING: &str = ".sigstore.json";

/// A pack as it is served.
#[derive(Debug)]
pub(crate) struct Pack {
    pub(crate) digest: Digest,
    pub(crate) bytes: axum::body::Bytes,
    /// When the file was put there, in whole seconds as HTTP tells them.
    pub(crate) modified_at: Timestamp,
    pub(crate) attestation: Option<axum::body::Bytes>,
    /// Of the file it was read from, where it was one.
    stamp: Option<Stamp>,
}

impl Pack {
    /// A pack that is no file.
    pub(crate) fn new(
        digest: Digest,
        bytes: axum::body::Bytes,
        modified_at: Timestamp,
        attestation: Option<axum::body::Bytes>,
    ) -> Self {
        Self { digest, bytes, modified_at, attestation, stamp: None }
    }

    pub(crate) fn stand(&self) -> Stand {
        Stand { digest: self.digest, modified_at: self.modified_at }
    }
}

/// Changes when a file does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    bytes: u64,
    modified: std::time::SystemTime,
    #[cfg(unix)]
    inode: u64,
}

/// The packs by name.
pub(crate) type Shelf = BTreeMap<String, Arc<Pack>>;

/// The folder, and the problems already told.
#[derive(Debug)]
pub struct PackFolder {
    path: PathBuf,
    told: BTreeMap<PathBuf, Stamp>,
}

impl PackFolder {
    pub fn open(path: &Path) -> Result<Self, HubError> {
        let failed = |error| HubError::Folder { path: path.to_owned(), error };
        let path = fs::canonicalize(path).map_err(failed)?;
        if !path.is_dir() {
            return Err(failed(io::ErrorKind::NotADirectory.into()));
        }
        Ok(Self { path, told: BTreeMap::new() })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Looks at the folder. What did not change is kept as it is; a file that is no pack is told
    /// once, and what was served under its name stays.
    pub(crate) fn read(&mut self, former: &Shelf) -> Result<Shelf, HubError> {
        let failed = |error| HubError::Folder { path: self.path.clone(), error };
        let mut shelf = Shelf::new();
        for (count, entry) in fs::read_dir(&self.path).map_err(failed)?.enumerate() {
            if count == FILES_MAX {
                return Err(HubError::TooManyFiles { path: self.path.clone(), max: FILES_MAX });
            }
            let name = entry.map_err(failed)?.file_name();
            let Some(id) = name.to_str().and_then(|name| name.strip_suffix(PACK_ENDING)) else {
                continue;
            };
            if !is_pack_id(id) || shelf.len() == PACKS_MAX {
                continue;
            }
            let path = self.path.join(&name);
            // Gone since the folder was listed: as if it had not been there.
            let Some((file, stamp)) = open(&path) else { continue };
            if self.told.get(&path) == Some(&stamp) {
                // Known to be none, and not read again before it changes.
                shelf.extend(former.get(id).map(|pack| (id.to_owned(), Arc::clone(pack))));
                continue;
            }
            match self.pack(&path, file, stamp, former.get(id)) {
                Ok(pack) => {
                    shelf.insert(id.to_owned(), pack);
                }
                Err(error) => {
                    tracing::warn!(pack = id, error = %chain(&error), "pack file is not served");
                    // One that could not be read may be readable next time.
                    if matches!(error, HubError::Pack { .. }) {
                        self.told.insert(path.clone(), stamp);
                    }
                    if let Some(pack) = former.get(id) {
                        shelf.insert(id.to_owned(), Arc::clone(pack));
                    }
                }
            }
        }
        Ok(shelf)
    }

    fn pack(
        &self,
        path: &Path,
        file: File,
        stamp: Stamp,
        former: Option<&Arc<Pack>>,
    ) -> Result<Arc<Pack>, HubError> {
        if let Some(pack) = former.filter(|pack| pack.stamp == Some(stamp)) {
            // An attestation may come after its pack.
            let late = pack.attestation.is_none().then(|| self.attestation(pack.digest)).flatten();
            return Ok(match late {
                None => Arc::clone(pack),
                Some(late) => Arc::new(Pack {
                    digest: pack.digest,
                    bytes: pack.bytes.clone(),
                    modified_at: pack.modified_at,
                    attestation: Some(late.into()),
                    stamp: Some(stamp),
                }),
            });
        }
        let bytes = read_within(file, ARCHIVE_BYTES_MAX as u64)
            .map_err(|error| HubError::Folder { path: path.to_owned(), error })?;
        let read = PolicyPack::read(&bytes)
            .map_err(|error| HubError::Pack { path: path.to_owned(), error })?;
        let digest = read.digest().0;
        let modified_at = Timestamp::try_from(stamp.modified)
            .and_then(|at| Timestamp::from_second(at.as_second()))
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let attestation = self.attestation(digest).map(Into::into);
        Ok(Arc::new(Pack {
            digest,
            bytes: bytes.into(),
            modified_at,
            attestation,
            stamp: Some(stamp),
        }))
    }

    fn attestation(&self, digest: Digest) -> Option<Vec<u8>> {
        let path = self.path.join(attestation_name(digest));
        match File::open(&path).and_then(|file| read_within(file, ATTESTATION_BYTES_MAX)) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "attestation is not served");
                None
            }
        }
    }
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> io::Result<Self> {
        Ok(Self {
            bytes: metadata.len(),
            modified: metadata.modified()?,
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(metadata),
        })
    }
}

fn open(path: &Path) -> Option<(File, Stamp)> {
    let file = File::open(path).ok()?;
    let stamp = Stamp::of(&file.metadata().ok()?).ok()?;
    Some((file, stamp))
}

fn attestation_name(digest: Digest) -> String {
    format!("{digest}{ATTESTATION_ENDING}")
}

fn read_within(file: File, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than allowed"));
    }
    Ok(bytes)
}

/// Puts a pack into a folder, its attestation first, so that readers never see one without the other.
pub fn publish(
    folder: &Path,
    id: &str,
    tar: &[u8],
    attestation: Option<&[u8]>,
) -> Result<Digest, HubError> {
    if !is_pack_id(id) {
        return Err(HubError::PackId { id: id.to_owned() });
    }
    let path = folder.join(format!("{id}{PACK_ENDING}"));
    let read =
        PolicyPack::read(tar).map_err(|error| HubError::Pack { path: path.clone(), error })?;
    let digest = read.digest().0;
    if let Some(attestation) = attestation {
        replace(folder, &folder.join(attestation_name(digest)), attestation)?;
    }
    replace(folder, &path, tar)?;
    Ok(digest)
}

/// Temporary file, sync, rename, sync of the folder.
fn replace(folder: &Path, path: &Path, bytes: &[u8]) -> Result<(), HubError> {
    let failed = |error| HubError::Folder { path: path.to_owned(), error };
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".part");
    let fresh = PathBuf::from(fresh);
    let write = || {
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(failed)
}

/// Makes the deterministic tar of a folder with `opa/`, `data/`, `README.md` and, where there is one,
/// `manifest.json`, which gets the digest of what it describes.
pub fn build(folder: &Path, id: &str, version: Option<&str>) -> Result<Vec<u8>, HubError> {
    if !is_pack_id(id) {
        return Err(HubError::PackId { id: id.to_owned() });
    }
    let mut files = Members::new();
    let mut bytes_left = ARCHIVE_BYTES_MAX;
    gather(folder, "", 0, &mut bytes_left, &mut files)?;
    let mut manifest = match files.remove(pack::MANIFEST) {
        None => Value::Object(Vec::new()),
        Some(text) => parse(&text)
            .map_err(|error| HubError::Manifest { path: folder.join(pack::MANIFEST), error })?,
    };
    if manifest.as_object().is_none() {
        let path = folder.join(pack::MANIFEST);
        return Err(HubError::Member { path, problem: "must be an object" });
    }
    manifest.set("id", Value::from(id));
    if let Some(version) = version {
        manifest.set("version", Value::from(version));
    }
    let failed = |error| HubError::Pack { path: folder.to_owned(), error };
    let tar = pack::write(&manifest, &files).map_err(failed)?;
    PolicyPack::read(&tar).and_then(|pack| pack.to_bundle()).map_err(failed)?;
    Ok(tar)
}

/// Reads plain files. Links are refused: what they lead to is not in the folder anybody reviewed.
fn gather(
    folder: &Path,
    prefix: &str,
    depth: usize,
    bytes_left: &mut usize,
    files: &mut Members,
) -> Result<(), HubError> {
    let failed = |path: &Path, error| HubError::Folder { path: path.to_owned(), error };
    let refuse = |path: PathBuf, problem| Err(HubError::Member { path, problem });
    if depth > ARCHIVE_PATH_DEPTH_MAX {
        return refuse(folder.to_owned(), "lies in more folders than allowed");
    }
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let entry = entry.map_err(|error| failed(folder, error))?;
        let path = entry.path();
        let Ok(name) = entry.file_name().into_string() else {
            return refuse(path, "has a name that is not UTF-8");
        };
        let kind = entry.file_type().map_err(|error| failed(&path, error))?;
        if kind.is_dir() {
            gather(&path, &format!("{prefix}{name}/"), depth + 1, bytes_left, files)?;
        } else if kind.is_file() {
            if files.len() == ARCHIVE_ENTRIES_MAX {
                return refuse(path, "is one file more than allowed");
            }
            let file = File::open(&path).map_err(|error| failed(&path, error))?;
            let bytes = read_within(file, *bytes_left as u64).map_err(|e| failed(&path, e))?;
            *bytes_left -= bytes.len();
            files.insert(format!("{prefix}{name}"), bytes);
        } else {
            return refuse(path, "is neither a file nor a folder");
        }
    }
    Ok(())
}

/// `outer: cause: cause of the cause`.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
