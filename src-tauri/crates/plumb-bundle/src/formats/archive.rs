//! Tar archives read into memory under limits; nothing is ever unpacked to disk here.

use std::{
    cell::Cell,
    collections::BTreeMap,
    io::{self, Read},
};

use tar::{Archive, Builder, EntryType, Header};

use crate::{
    json::JsonError,
    limits::{
        ARCHIVE_BYTES_MAX, ARCHIVE_ENTRIES_MAX, ARCHIVE_PATH_BYTES_MAX, ARCHIVE_PATH_DEPTH_MAX,
        ARCHIVE_UNPACKED_BYTES_MAX,
    },
};

/// Why an archive was refused.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("{bytes} bytes, more than the {max} allowed")]
    TooLarge { bytes: usize, max: usize },
    #[error("unpacks to more than {max} bytes")]
    Bomb { max: u64 },
    #[error("holds more than {max} members")]
    TooManyMembers { max: usize },
    #[error("is damaged, cut short, or not an archive")]
    Damaged(#[source] io::Error),
    #[error("member {path:?} {problem}")]
    Path { path: String, problem: &'static str },
    #[error("member {path:?} is a {kind}; only files and folders are read")]
    Kind { path: String, kind: &'static str },
    #[error("member {path:?} stands twice")]
    Duplicate { path: String },
    #[error("member {path:?} is not UTF-8 text")]
    NotText { path: String },
    #[error("member {path:?} is not valid JSON")]
    Json {
        path: String,
        #[source]
        error: JsonError,
    },
    #[error("member {path:?}: {problem}")]
    Content { path: String, problem: String },
    #[error("holds no Rego module")]
    Empty,
    #[error("member {path:?} cannot be written")]
    Write {
        path: String,
        #[source]
        error: io::Error,
    },
}

/// Files of an archive by their path below its root.
pub type Members = BTreeMap<String, Vec<u8>>;

/// Whether a member named with a leading `/` means the root of the archive, as in what `opa build`
/// writes, or is refused.
pub(crate) type AllowRooted = fn(&str) -> bool;

/// Reads every file of a tar; links, devices, escaping names, duplicates and bombs are refused.
pub(crate) fn read(tar: impl Read, rooted: AllowRooted) -> Result<Members, ArchiveError> {
    let exceeded = Cell::new(false);
    let reader = Limited { inner: tar, left: ARCHIVE_UNPACKED_BYTES_MAX, exceeded: &exceeded };
    read_members(reader, rooted).map_err(|error| match error {
        ArchiveError::Damaged(_) if exceeded.get() => {
            ArchiveError::Bomb { max: ARCHIVE_UNPACKED_BYTES_MAX }
        }
        other => other,
    })
}

/// Checks the size of an archive as it travels.
pub(crate) fn check_size(bytes: &[u8]) -> Result<(), ArchiveError> {
    if bytes.len() > ARCHIVE_BYTES_MAX {
        return Err(ArchiveError::TooLarge { bytes: bytes.len(), max: ARCHIVE_BYTES_MAX });
    }
    Ok(())
}

fn read_members(reader: impl Read, rooted: AllowRooted) -> Result<Members, ArchiveError> {
    let mut archive = Archive::new(reader);
    let mut members = Members::new();
    let mut count = 0;
    for entry in archive.entries().map_err(ArchiveError::Damaged)? {
        let mut entry = entry.map_err(ArchiveError::Damaged)?;
        count += 1;
        if count > ARCHIVE_ENTRIES_MAX {
            return Err(ArchiveError::TooManyMembers { max: ARCHIVE_ENTRIES_MAX });
        }
        let raw = entry.path_bytes().into_owned();
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::Directory => {
                member_path(&raw, rooted)?;
                continue;
            }
            // A comment to the whole archive, as `git archive` writes.
            EntryType::XGlobalHeader => continue,
            other => {
                return Err(ArchiveError::Kind { path: shown(&raw), kind: kind_name(other) });
            }
        }
        let path = member_path(&raw, rooted)?
            .ok_or_else(|| ArchiveError::Path { path: shown(&raw), problem: "has no name" })?;
        // The size in the header is a claim; memory grows with what really comes.
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(ArchiveError::Damaged)?;
        if content.len() as u64 != entry.size() {
            let short = io::Error::from(io::ErrorKind::UnexpectedEof);
            return Err(ArchiveError::Damaged(short));
        }
        if members.contains_key(&path) {
            return Err(ArchiveError::Duplicate { path });
        }
        members.insert(path, content);
    }
    // What follows the end mark is read too, so that a checksum behind it is checked.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(ArchiveError::Damaged)?;
    Ok(members)
}

fn kind_name(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Symlink => "symbolic link",
        EntryType::Link => "hard link",
        EntryType::Char => "character device",
        EntryType::Block => "block device",
        EntryType::Fifo => "pipe",
        EntryType::GNUSparse => "sparse file",
        _ => "special member",
    }
}

/// The path of a member below the archive's root; `None` for the root itself.
fn member_path(raw: &[u8], rooted: AllowRooted) -> Result<Option<String>, ArchiveError> {
    let refuse = |problem| Err(ArchiveError::Path { path: shown(raw), problem });
    if raw.len() > ARCHIVE_PATH_BYTES_MAX {
        return refuse("has a longer name than allowed");
    }
    let Ok(path) = std::str::from_utf8(raw) else { return refuse("has a name that is not UTF-8") };
    if path.chars().any(|c| c.is_control() || c == '\\' || c == ':') {
        return refuse("has a name with a control character, a backslash or a colon");
    }
    let relative = match path.strip_prefix('/') {
        Some(rest) if rest.is_empty() || rooted(rest) => rest,
        Some(_) => return refuse("has an absolute name"),
        None => path,
    };
    let mut parts = Vec::new();
    for part in relative.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            "" if relative.is_empty() => {}
            "" => return refuse("has an empty folder name"),
            ".." => return refuse("climbs out of its folder"),
            part => parts.push(part),
        }
    }
    if parts.len() > ARCHIVE_PATH_DEPTH_MAX {
        return refuse("lies in more folders than allowed");
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}

fn shown(raw: &[u8]) -> String {
    String::from_utf8_lossy(&raw[..raw.len().min(120)]).into_owned()
}

/// Writes a tar whose bytes depend on names and contents only: sorted names, owner 0, time 0.
pub(crate) fn write(members: &Members) -> Result<Vec<u8>, ArchiveError> {
    let mut builder = Builder::new(Vec::new());
    for (path, content) in members {
        let fault = |error| ArchiveError::Write { path: path.clone(), error };
        member_path(path.as_bytes(), |_| false)?;
        let mut header = Header::new_ustar();
        header.set_path(path).map_err(fault)?;
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_entry_type(EntryType::Regular);
        header.set_cksum();
        builder.append(&header, content.as_slice()).map_err(fault)?;
    }
    builder.into_inner().map_err(ArchiveError::Damaged)
}

/// A reader that stops after so many bytes and says that it did.
struct Limited<'a, R> {
    inner: R,
    left: u64,
    exceeded: &'a Cell<bool>,
}

impl<R: Read> Read for Limited<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        // One byte more than allowed is asked for, so that an archive of exactly the limit passes.
        let room = usize::try_from(self.left.saturating_add(1)).unwrap_or(usize::MAX);
        let length = buffer.len().min(room);
        let read = self.inner.read(&mut buffer[..length])?;
        if read as u64 > self.left {
            self.exceeded.set(true);
            return Err(io::Error::other("more than the limit"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
