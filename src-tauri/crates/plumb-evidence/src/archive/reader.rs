//! One entry, unpacked as a stream and checked against its header at its end.

use std::io::{self, Read};

use flate2::{Decompress, FlushDecompress, Status};
use plumb_fleet::Digest;
use sha2::{Digest as _, Sha256};

use super::{ArchiveError, Entry, EntryProblem, Source};
use crate::limits::PIECE_BYTES;

/// Unpacks one entry. What was read before an error is not to be believed.
#[derive(Debug)]
pub struct EntryReader<'a, S> {
    source: &'a S,
    entry: &'a Entry,
    /// Where the next packed byte is.
    at: u64,
    end: u64,
    piece: Vec<u8>,
    /// What of the piece is still packed.
    from: usize,
    inflate: Option<Decompress>,
    ended: bool,
    crc: crc32fast::Hasher,
    /// Where the entry was verified before.
    sha256: Option<(Sha256, Digest)>,
    out: u64,
}

impl<'a, S: Source> EntryReader<'a, S> {
    pub(super) fn new(source: &'a S, entry: &'a Entry) -> Self {
        Self {
            source,
            entry,
            at: entry.data_at,
            end: entry.data_at + entry.packed_bytes,
            piece: Vec::new(),
            from: 0,
            inflate: entry.deflated.then(|| Decompress::new(false)),
            ended: false,
            crc: crc32fast::Hasher::new(),
            sha256: entry.bound.map(|bound| (Sha256::new(), bound)),
            out: 0,
        }
    }

    /// The next bytes; none at the end, which is checked.
    pub fn next(&mut self, into: &mut [u8]) -> Result<usize, ArchiveError> {
        if self.ended || into.is_empty() {
            return Ok(0);
        }
        let bytes = match self.inflate.take() {
            None => self.stored(into)?,
            Some(mut inflate) => {
                let bytes = self.inflated(&mut inflate, into)?;
                self.inflate = Some(inflate);
                bytes
            }
        };
        self.crc.update(&into[..bytes]);
        if let Some((hash, _)) = &mut self.sha256 {
            hash.update(&into[..bytes]);
        }
        self.out += bytes as u64;
        if self.out > self.entry.bytes {
            return Err(self.wrong(EntryProblem::Size));
        }
        if bytes == 0 {
            self.ended = true;
            self.check_end()?;
        }
        Ok(bytes)
    }

    fn stored(&mut self, into: &mut [u8]) -> Result<usize, ArchiveError> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let bytes = left.min(into.len());
        self.source.read_at(self.at, &mut into[..bytes])?;
        self.at += bytes as u64;
        Ok(bytes)
    }

    fn inflated(
        &mut self,
        inflate: &mut Decompress,
        into: &mut [u8],
    ) -> Result<usize, ArchiveError> {
        loop {
            if self.from == self.piece.len() {
                self.fill()?;
            }
            let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
            let status = inflate
                .decompress(&self.piece[self.from..], into, FlushDecompress::None)
                .map_err(|_| self.wrong(EntryProblem::Damaged))?;
            let count = |now: u64, before: u64| usize::try_from(now - before).expect("one piece");
            self.from += count(inflate.total_in(), before_in);
            let bytes = count(inflate.total_out(), before_out);
            if bytes > 0 {
                return Ok(bytes);
            }
            if status == Status::StreamEnd {
                return Ok(0);
            }
            if self.from == self.piece.len() && self.at == self.end {
                return Err(self.wrong(EntryProblem::Damaged));
            }
        }
    }

    fn fill(&mut self) -> Result<(), ArchiveError> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        self.piece.resize(left.min(PIECE_BYTES), 0);
        self.source.read_at(self.at, &mut self.piece)?;
        self.at += self.piece.len() as u64;
        self.from = 0;
        Ok(())
    }

    fn check_end(&mut self) -> Result<(), ArchiveError> {
        if let Some((hash, bound)) = self.sha256.take()
            && Digest::from_bytes(hash.finalize().into()) != bound
        {
            return Err(self.wrong(EntryProblem::Changed));
        }
        // Bytes behind the packed content would be read by nobody.
        if self.at != self.end || self.from != self.piece.len() {
            return Err(self.wrong(EntryProblem::Damaged));
        }
        if self.out != self.entry.bytes {
            return Err(self.wrong(EntryProblem::Size));
        }
        if self.crc.clone().finalize() != self.entry.crc {
            return Err(self.wrong(EntryProblem::Crc));
        }
        Ok(())
    }

    fn wrong(&self, problem: EntryProblem) -> ArchiveError {
        ArchiveError::entry(self.entry.name.as_str(), problem)
    }
}

impl<S: Source> Read for EntryReader<'_, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.next(into).map_err(|error| match error {
            ArchiveError::Read(error) => error,
            other => io::Error::other(other),
        })
    }
}
