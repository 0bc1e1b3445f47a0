//! What nodes answered, word for word: encrypted piece by piece as it comes, outside of any archive, for those who
//! have the key.

use std::{
    fs::File,
    io::{self, BufRead, Read, Write},
};

use camino::Utf8Path;
use plumb_fleet::Digest;
use plumb_trust::locked::{
    LockError,
    stream::{PIECE_BYTES_MAX, Pieces, StreamKey, TAG_BYTES},
    unlock,
};
use serde::{Deserialize, Serialize};

use crate::draft::digest;

/// The format of a file that stands alone.
const FORMAT: &str = "plumbline-raw/1";
/// Longest first line: a locked key of 32 bytes.
const HEADER_BYTES_MAX: u64 = 4 << 10;

/// Why raw answers cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    #[error("it could not be read or written")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error("it is no file of raw answers: {problem}")]
    Format { problem: String },
    #[error("piece {number} was altered, or the key is of another file")]
    Altered { number: u64 },
}

/// How far a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Whole,
    /// Whoever wrote it was cut off, or somebody cut it.
    CutOff,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: String,
    /// The key of the pieces, under a passphrase.
    key: String,
}

/// Writes raw answers.
#[derive(Debug)]
pub struct RawWriter<W> {
    out: W,
    pieces: Pieces,
    waiting: Vec<u8>,
}

impl<W: Write> RawWriter<W> {
    /// Writes for whoever has the key.
    pub fn begin(out: W, key: &StreamKey) -> Result<Self, RawError> {
        Ok(Self { out, pieces: Pieces::new(key)?, waiting: Vec::new() })
    }

    /// Writes a file that stands alone; `locked` is the key under a passphrase, as [`plumb_trust::locked::lock`]
    /// writes it.
    pub fn begin_file(mut out: W, key: &StreamKey, locked: &str) -> Result<Self, RawError> {
        let header = Header { format: FORMAT.to_owned(), key: locked.to_owned() };
        let header = serde_json::to_string(&header).expect("words always serialise");
        writeln!(out, "{header}")?;
        Self::begin(out, key)
    }

    pub fn add(&mut self, bytes: &[u8]) -> Result<(), RawError> {
        self.waiting.extend_from_slice(bytes);
        while self.waiting.len() >= PIECE_BYTES_MAX {
            let rest = self.waiting.split_off(PIECE_BYTES_MAX);
            let piece = std::mem::replace(&mut self.waiting, rest);
            self.piece(&piece, false)?;
        }
        Ok(())
    }

    /// Seals what waits, so that a crash leaves it.
    pub fn flush(&mut self) -> Result<&mut W, RawError> {
        let piece = std::mem::take(&mut self.waiting);
        if !piece.is_empty() {
            self.piece(&piece, false)?;
        }
        self.out.flush()?;
        Ok(&mut self.out)
    }

    /// Ends it, so that whoever reads it knows that nothing was cut from it.
    pub fn finish(mut self) -> Result<W, RawError> {
        let piece = std::mem::take(&mut self.waiting);
        self.piece(&piece, true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn piece(&mut self, plain: &[u8], last: bool) -> Result<(), RawError> {
        let sealed = self.pieces.seal(plain, last)?;
        let length = u32::try_from(sealed.len()).expect("a piece is short");
        self.out.write_all(&length.to_be_bytes())?;
        self.out.write_all(&sealed)?;
        Ok(())
    }
}

/// Reads what a key opens, piece by piece.
pub fn read(
    mut from: impl Read,
    key: &StreamKey,
    mut each: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<Ended, RawError> {
    let mut pieces = Pieces::new(key)?;
    let mut number = 0;
    loop {
        let Some(length) = whole(&mut from, 4)? else { return Ok(Ended::CutOff) };
        let length = u32::from_be_bytes(length.try_into().expect("four bytes"));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if !(TAG_BYTES..=PIECE_BYTES_MAX + TAG_BYTES).contains(&length) {
            let problem = format!("piece {number} would have {length} bytes");
            return Err(RawError::Format { problem });
        }
        let Some(sealed) = whole(&mut from, length)? else { return Ok(Ended::CutOff) };
        let (plain, last) = pieces.open(&sealed).map_err(|_| RawError::Altered { number })?;
        each(&plain)?;
        number += 1;
        if last {
            if whole(&mut from, 1)?.is_some() {
                let problem = "bytes were put behind its end".to_owned();
                return Err(RawError::Format { problem });
            }
            return Ok(Ended::Whole);
        }
    }
}

/// Reads a file that stands alone.
pub fn read_file(
    mut from: impl BufRead,
    passphrase: &str,
    each: impl FnMut(&[u8]) -> io::Result<()>,
) -> Result<Ended, RawError> {
    let wrong = |problem: String| RawError::Format { problem };
    let mut header = Vec::new();
    Read::take(&mut from, HEADER_BYTES_MAX).read_until(b'\n', &mut header)?;
    let header: Header =
        serde_json::from_slice(&header).map_err(|error| wrong(error.to_string()))?;
    if header.format != FORMAT {
        return Err(wrong("another program or version wrote it".to_owned()));
    }
    let key = unlock(&header.key, passphrase)?;
    let key = StreamKey::from_bytes(&key).ok_or_else(|| wrong("its key is none".to_owned()))?;
    read(from, &key, each)
}

/// The digest by which a manifest names a file.
pub fn file_digest(path: &Utf8Path) -> io::Result<Digest> {
    File::open(path).and_then(|file| digest(file, io::sink())).map(|written| written.sha256)
}

/// So many bytes; nothing where the file ends before.
fn whole(from: &mut impl Read, bytes: usize) -> io::Result<Option<Vec<u8>>> {
    let mut read = vec![0; bytes];
    match from.read_exact(&mut read) {
        Ok(()) => Ok(Some(read)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
