//! A strict reader of archives: everything that two programs could read in two ways is refused.
//!
//! The walk looks at the list of entries and at the header in front of each of them before a byte is
//! unpacked. Headers and contents must cover the file from its first byte to its last, without gaps and
//! overlaps, so nothing hides between them and nothing is unpacked twice.

mod headers;
mod reader;
mod source;
mod walk;

use std::io;

use plumb_fleet::Digest;
pub use reader::EntryReader;
pub use source::{FileSource, Source};

use crate::{
    limits::{ARCHIVE_BYTES_MAX, DOCUMENT_BYTES_MAX, ENTRIES_MAX, RATIO_MAX, UNPACKED_BYTES_MAX},
    name::{EntryName, NameProblem},
};

/// Why a file is no archive that evidence may be in.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("the file cannot be read")]
    Read(#[from] io::Error),
    #[error("the file is empty")]
    Empty,
    #[error("the file is no zip archive")]
    NotZip,
    #[error("the file is cut off: the end of the archive is missing")]
    CutOff,
    #[error("{bytes} bytes were put behind the end of the archive")]
    Appended { bytes: u64 },
    #[error("the archive says that it is a part of several, or is in the large form")]
    Form,
    #[error("the archive has {bytes} bytes, more than the {ARCHIVE_BYTES_MAX} that are read")]
    TooLarge { bytes: u64 },
    #[error("the archive has {count} entries, more than the {ENTRIES_MAX} that are read")]
    TooMany { count: usize },
    #[error(
        "the archive unpacks to {bytes} bytes, more than the {UNPACKED_BYTES_MAX} that are read"
    )]
    Unpacks { bytes: u64 },
    #[error("the list of entries at the end of the archive does not fit: {problem}")]
    Directory { problem: &'static str },
    #[error("bytes {from} to {to} of the archive belong to no entry")]
    Gap { from: u64, to: u64 },
    #[error("the entry {name:?} {problem}")]
    Entry { name: String, problem: EntryProblem },
}

impl ArchiveError {
    pub(crate) fn entry(name: impl Into<String>, problem: impl Into<EntryProblem>) -> Self {
        Self::Entry { name: name.into(), problem: problem.into() }
    }

    /// The entry that is at fault, where it is one.
    pub fn at(&self) -> Option<&str> {
        match self {
            Self::Entry { name, .. } => Some(name),
            _ => None,
        }
    }
}

/// What is wrong with one entry; follows its name in a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    #[error(transparent)]
    Name(#[from] NameProblem),
    #[error("stands in the archive twice")]
    Twice,
    #[error("differs from {other:?} only in capitals: unpacked, one would replace the other")]
    CaseTwin { other: String },
    #[error("is a file where {other:?} needs a folder")]
    FileAndFolder { other: String },
    #[error("is a link, or no file at all")]
    NotFile,
    #[error("is encrypted")]
    Encrypted,
    #[error("is packed in a way that not every program reads (method {method})")]
    Method { method: u16 },
    #[error("has flags or fields that some programs read in another way")]
    Ambiguous,
    #[error("is in the large form, or on another disk")]
    Form,
    #[error("shares its bytes with {other:?}: unpacked, the archive would be larger than it is")]
    Overlaps { other: String },
    #[error("has two headers that contradict each other")]
    Headers,
    #[error("lies outside of the archive")]
    Beyond,
    #[error("unpacks to more than {RATIO_MAX} times its size: it is made to fill a disk")]
    Bomb,
    #[error("is damaged: it cannot be unpacked")]
    Damaged,
    #[error("is damaged: its checksum (CRC-32) is another")]
    Crc,
    #[error("is damaged: it unpacks to another size than it says")]
    Size,
    #[error("was changed after it was verified: verify the archive again")]
    Changed,
    #[error("has {bytes} bytes, more than the {DOCUMENT_BYTES_MAX} of a document")]
    LongDocument { bytes: u64 },
}

/// One file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: EntryName,
    /// Unpacked, in bytes.
    pub bytes: u64,
    pub(crate) packed_bytes: u64,
    pub(crate) crc: u32,
    pub(crate) deflated: bool,
    /// Where its content begins.
    pub(crate) data_at: u64,
    /// What it came to when it was verified; from then on nothing else is read as it.
    pub(crate) bound: Option<Digest>,
}

impl Entry {
    /// What its content came to when the archive was verified.
    pub const fn verified(&self) -> Option<Digest> {
        self.bound
    }
}

/// An archive whose structure holds. Contents are checked when they are read.
#[derive(Debug)]
pub struct Archive<S> {
    source: S,
    entries: Vec<Entry>,
    /// Its headers are not those that sealing writes.
    rewritten: bool,
}

impl<S: Source> Archive<S> {
    pub fn open(source: S) -> Result<Self, ArchiveError> {
        let (entries, rewritten) = walk::walk(&source)?;
        Ok(Self { source, entries, rewritten })
    }

    /// Every file, by name.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Of the whole file.
    pub fn bytes(&self) -> u64 {
        self.source.bytes()
    }

    pub const fn is_rewritten(&self) -> bool {
        self.rewritten
    }

    pub fn find(&self, name: &str) -> Option<&Entry> {
        let at = self.entries.binary_search_by(|entry| entry.name.as_str().cmp(name)).ok()?;
        self.entries.get(at)
    }

    /// From here on every entry reads as what it came to now, or not at all: somebody may write into the file while it
    /// is open.
    pub(crate) fn bind(&mut self, digest: impl Fn(&str) -> Option<Digest>) {
        for entry in &mut self.entries {
            entry.bound = digest(entry.name.as_str());
        }
    }

    /// Unpacks an entry as a stream; its end is an error where the content is not what the header says, or what it was
    /// when it was verified.
    pub fn read<'a>(&'a self, entry: &'a Entry) -> EntryReader<'a, S> {
        EntryReader::new(&self.source, entry)
    }

    /// Unpacks an entry in one piece.
    pub fn document(&self, entry: &Entry) -> Result<Vec<u8>, ArchiveError> {
        if entry.bytes > DOCUMENT_BYTES_MAX {
            let problem = EntryProblem::LongDocument { bytes: entry.bytes };
            return Err(ArchiveError::entry(entry.name.as_str(), problem));
        }
        let mut reader = self.read(entry);
        let mut out = Vec::new();
        let mut piece = vec![0; crate::limits::PIECE_BYTES];
        loop {
            match reader.next(&mut piece)? {
                0 => return Ok(out),
                bytes => out.extend_from_slice(&piece[..bytes]),
            }
        }
    }
}
