//! Bundle paths: what stands below the roots and is a plain file, and nothing else.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read},
    path::{Component, Path, PathBuf},
};

use plumb_bundle::limits::BUNDLE_BYTES_MAX;

use crate::{
    error::AgentError,
    limits::{BUNDLES_LISTED_MAX, PATH_BYTES_MAX, ROOT_DEPTH_MAX},
};

/// Ending of a signed bundle's name (R281).
pub(crate) const SIGNED_SUFFIX: &str = ".signed.json";

/// Folders below which bundles may stand.
#[derive(Debug)]
pub(crate) struct Roots {
    roots: Vec<Root>,
}

#[derive(Debug)]
struct Root {
    /// As it was configured, made absolute; requests name paths this way.
    given: PathBuf,
    /// With links resolved once, at start: the operator chose them.
    real: PathBuf,
}

/// A file below a root, and the path it was asked for by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BundlePath {
    pub(crate) shown: PathBuf,
    real: PathBuf,
}

/// Why a path gives no bytes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PathError {
    #[error("the path is outside the bundle roots")]
    Outside,
    #[error("the path is or passes a link")]
    Link,
    #[error("the path is no file")]
    NotAFile,
    #[error("the path cannot be followed")]
    Follow(#[source] io::Error),
    #[error("the file is larger than {BUNDLE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the file cannot be read")]
    Read(#[source] io::Error),
}

impl PathError {
    /// Whether this answers as missing, so that a request learns nothing about files outside the
    /// roots. A file that was found and cannot be read, or is too large, is told.
    pub(crate) fn is_missing(&self) -> bool {
        match self {
            Self::TooLarge => false,
            Self::Read(error) => error.kind() == io::ErrorKind::NotFound,
            Self::Outside | Self::Link | Self::NotAFile | Self::Follow(_) => true,
        }
    }
}

impl Roots {
    pub(crate) fn open(folders: &[PathBuf]) -> Result<Self, AgentError> {
        let roots = folders.iter().map(|folder| {
            let open = || Ok((std::path::absolute(folder)?, fs::canonicalize(folder)?));
            match open() {
                Ok((given, real)) if real.is_dir() => Ok(Root { given, real }),
                Ok(_) => Err(io::ErrorKind::NotADirectory.into()),
                Err(error) => Err(error),
            }
            .map_err(|error| AgentError::Root { path: folder.clone(), error })
        });
        Ok(Self { roots: roots.collect::<Result<_, _>>()? })
    }

    /// The file a path names. A relative path is taken below the first root that has it.
    pub(crate) fn resolve(&self, path: &Path) -> Result<BundlePath, PathError> {
        if path.as_os_str().len() > PATH_BYTES_MAX {
            return Err(PathError::Outside);
        }
        let mut last = PathError::Outside;
        for root in &self.roots {
            let Some(rest) = below(root, path) else { continue };
            match root.walk(rest) {
                Ok(real) => return Ok(BundlePath { shown: root.given.join(rest), real }),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Every `*.signed.json` below the roots in the order of their names, and whether there are more.
    pub(crate) fn list(&self) -> (Vec<BundlePath>, bool) {
        let mut found = Vec::new();
        let mut complete = true;
        for root in &self.roots {
            complete &= list_below(&root.real, &root.given, 0, &mut found);
        }
        found.sort();
        found.dedup_by(|a, b| a.real == b.real);
        (found, !complete)
    }

    pub(crate) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.roots.iter().map(|root| root.real.as_path())
    }
}

/// What of a path stands below a root, when every part of it is a plain name.
fn below<'a>(root: &Root, path: &'a Path) -> Option<&'a Path> {
    let rest = if path.is_absolute() {
        path.strip_prefix(&root.given).or_else(|_| path.strip_prefix(&root.real)).ok()?
    } else {
        path
    };
    let plain = rest.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && !rest.as_os_str().is_empty()).then_some(rest)
}

impl Root {
    fn walk(&self, rest: &Path) -> Result<PathBuf, PathError> {
        let mut at = self.real.clone();
        let mut parts = rest.components().peekable();
        while let Some(part) = parts.next() {
            at.push(part);
            let kind = fs::symlink_metadata(&at).map_err(PathError::Follow)?.file_type();
            if kind.is_symlink() {
                return Err(PathError::Link);
            }
            let expected = if parts.peek().is_some() { kind.is_dir() } else { kind.is_file() };
            if !expected {
                return Err(PathError::NotAFile);
            }
        }
        Ok(at)
    }
}

impl BundlePath {
    /// The bytes of the file, if it is still the plain file that was resolved.
    pub(crate) fn read(&self) -> Result<Vec<u8>, PathError> {
        let file = File::open(&self.real).map_err(PathError::Read)?;
        let opened = file.metadata().map_err(PathError::Read)?;
        // Between `resolve` and `open` somebody may have put a link in the way.
        if fs::canonicalize(&self.real).map_err(PathError::Read)? != self.real {
            return Err(PathError::Link);
        }
        if !opened.is_file() {
            return Err(PathError::NotAFile);
        }
        let limit = BUNDLE_BYTES_MAX as u64;
        if opened.len() > limit {
            return Err(PathError::TooLarge);
        }
        let expected = usize::try_from(opened.len()).map_err(|_| PathError::TooLarge)?;
        // One byte more, so that the end of the file is seen without growing.
        let mut bytes = Vec::with_capacity(expected + 1);
        file.take(limit + 1).read_to_end(&mut bytes).map_err(PathError::Read)?;
        if bytes.len() as u64 > limit {
            return Err(PathError::TooLarge);
        }
        Ok(bytes)
    }

    /// Changes when the file does: size and modification time.
    pub(crate) fn stamp(&self) -> Option<(u64, std::time::SystemTime)> {
        let metadata = fs::metadata(&self.real).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    }
}

/// Adds what stands in a folder; `false` when a limit ended the search.
fn list_below(real: &Path, shown: &Path, depth: usize, found: &mut Vec<BundlePath>) -> bool {
    if depth > ROOT_DEPTH_MAX {
        return false;
    }
    let Ok(entries) = fs::read_dir(real) else { return true };
    let mut complete = true;
    for entry in entries.filter_map(Result::ok) {
        let Ok(kind) = entry.file_type() else { continue };
        let name = entry.file_name();
        if kind.is_dir() {
            complete &= list_below(&real.join(&name), &shown.join(&name), depth + 1, found);
        } else if kind.is_file() && is_signed(&name) {
            if found.len() == BUNDLES_LISTED_MAX {
                return false;
            }
            found.push(BundlePath { shown: shown.join(&name), real: real.join(&name) });
        }
    }
    complete
}

pub(crate) fn is_signed(name: &OsStr) -> bool {
    name.as_encoded_bytes().ends_with(SIGNED_SUFFIX.as_bytes())
}
