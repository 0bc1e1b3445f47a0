//! What others say of sealed evidence: a timestamp (RFC 3161) and a Sigstore bundle over the envelope of its manifest.
//!
//! Both can only be made when the seal is, so no list holds them; they are the only entries beside the manifest and its
//! envelope of which that is true. Neither changes what was sealed: an archive without them verifies as well.

use std::{
    fs::File,
    io::{self, BufWriter, Write as _},
};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_trust::{schemes::sigstore::ATTESTATION_BYTES_MAX, timestamp::ANSWER_BYTES_MAX};
use zip::{CompressionMethod, ZipWriter, result::ZipError};

use crate::{
    archive::{Archive, ArchiveError, Entry, FileSource, Source},
    draft::sync_folder,
    limits::PIECE_BYTES,
    manifest::{BUNDLE, ENVELOPE, STAMP},
    seal::options,
};

/// What may stand beside a manifest's envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The answer of a timestamp authority, in DER.
    Timestamp,
    /// A Sigstore bundle, in JSON.
    Sigstore,
}

impl Proof {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Timestamp => STAMP,
            Self::Sigstore => BUNDLE,
        }
    }

    const fn bytes_max(self) -> usize {
        match self {
            Self::Timestamp => ANSWER_BYTES_MAX,
            Self::Sigstore => ATTESTATION_BYTES_MAX,
        }
    }
}

/// Why nothing was put into an archive, which is as it was.
#[derive(Debug, thiserror::Error)]
pub enum AttachError {
    #[error("{path} cannot be read or written")]
    File {
        path: Utf8PathBuf,
        #[source]
        error: io::Error,
    },
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("it is not sealed: {ENVELOPE} is missing")]
    Unsealed,
    #[error("it has another seal than the one the proof is about")]
    Another,
    #[error("it has {name} already")]
    There { name: &'static str },
    #[error("{bytes} bytes are more than the {max} that are read of {name}")]
    TooLong { name: &'static str, bytes: usize, max: usize },
    #[error("the archive could not be written")]
    Zip(#[from] ZipError),
}

/// What a proof is about: the envelope of the manifest, byte for byte.
pub fn envelope(path: &Utf8Path) -> Result<Vec<u8>, AttachError> {
    let wrong = |error| AttachError::File { path: path.to_owned(), error };
    let source = File::open(path).and_then(FileSource::new).map_err(wrong)?;
    sealed(source).map(|(_, envelope)| envelope)
}

/// Puts a proof over an envelope into the archive that has it: a new file takes the place of the old one when it is
/// whole. A proof of the same kind that is there stays, unless it is to be replaced.
pub fn attach(
    path: &Utf8Path,
    proof: Proof,
    (envelope, bytes): (&[u8], &[u8]),
    replace: bool,
) -> Result<(), AttachError> {
    let path = &path.canonicalize_utf8().unwrap_or_else(|_| path.to_owned());
    let wrong = |error| AttachError::File { path: path.to_owned(), error };
    let (name, max) = (proof.name(), proof.bytes_max());
    if bytes.len() > max {
        return Err(AttachError::TooLong { name, bytes: bytes.len(), max });
    }
    // Whoever attaches at the same time waits here, and then finds this proof as well.
    let (archive, found) = sealed(held(path).map_err(wrong)?)?;
    if found != envelope {
        return Err(AttachError::Another);
    }
    if archive.find(name).is_some() && !replace {
        return Err(AttachError::There { name });
    }
    let folder = path.parent().filter(|folder| !folder.as_str().is_empty());
    let folder = folder.unwrap_or(Utf8Path::new("."));
    let mut fresh = tempfile::NamedTempFile::new_in(folder).map_err(wrong)?;
    let mode = std::fs::metadata(path).map_err(wrong)?.permissions();
    write(&archive, (name, bytes), fresh.as_file_mut())?;
    fresh.as_file().set_permissions(mode).map_err(wrong)?;
    fresh.as_file().sync_all().map_err(wrong)?;
    fresh.persist(path).map_err(|refused| wrong(refused.error))?;
    sync_folder(folder).map_err(wrong)
}

/// Opens the file of an archive and locks it until it is closed. It is the one that has the name also after waiting.
fn held(path: &Utf8Path) -> io::Result<FileSource> {
    loop {
        let file = File::open(path)?;
        file.lock()?;
        if is_at(&file, path)? {
            return FileSource::new(file);
        }
    }
}

/// Whether the open file is the one that has the name now.
fn is_at(file: &File, path: &Utf8Path) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let (open, named) = (file.metadata()?, std::fs::metadata(path)?);
        Ok((open.dev(), open.ino()) == (named.dev(), named.ino()))
    }
    // Where an open file cannot be replaced it keeps its name.
    #[cfg(not(unix))]
    {
        let _ = (file, path);
        Ok(true)
    }
}

fn sealed(source: FileSource) -> Result<(Archive<FileSource>, Vec<u8>), AttachError> {
    let archive = Archive::open(source)?;
    let envelope = archive.document(archive.find(ENVELOPE).ok_or(AttachError::Unsealed)?)?;
    Ok((archive, envelope))
}

/// Every entry as it was, and one more at its place in the order of names.
fn write<S: Source>(
    archive: &Archive<S>,
    (name, bytes): (&str, &[u8]),
    file: &mut File,
) -> Result<(), AttachError> {
    let mut zip = ZipWriter::new(BufWriter::with_capacity(PIECE_BYTES, file));
    let after = archive.entries().partition_point(|entry| entry.name.as_str() < name);
    let (before, after) = archive.entries().split_at(after);
    for entry in before {
        copy(archive, entry, &mut zip)?;
    }
    zip.start_file(name, options(CompressionMethod::Deflated))?;
    zip.write_all(bytes).map_err(ZipError::Io)?;
    for entry in after.iter().filter(|entry| entry.name.as_str() != name) {
        copy(archive, entry, &mut zip)?;
    }
    zip.finish()?.flush().map_err(ZipError::Io)?;
    Ok(())
}

fn copy<S: Source>(
    archive: &Archive<S>,
    entry: &Entry,
    zip: &mut ZipWriter<BufWriter<&mut File>>,
) -> Result<(), AttachError> {
    let method =
        if entry.deflated { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    zip.start_file(entry.name.as_str(), options(method))?;
    let (mut reader, mut piece) = (archive.read(entry), vec![0; PIECE_BYTES]);
    loop {
        match reader.next(&mut piece)? {
            0 => return Ok(()),
            bytes => zip.write_all(&piece[..bytes]).map_err(ZipError::Io)?,
        }
    }
}
