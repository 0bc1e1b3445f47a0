//! Journals checked on every core: hashes and signatures stand for themselves, only the order is one thread's.

use std::io::{self, BufRead};

use plumb_fleet::Digest;
use plumb_journal::{
    Check, Link,
    portable::{ENTRIES_MAX, Header, HeaderError, LINE_BYTES_MAX, Line, read_header, read_line},
};
use plumb_store::{heads::HeadRow, journal::StoredEvent};
use plumb_trust::dsse::{Envelope, PublicKey};

use crate::cores::on_every_core;

/// Lines are read and checked in blocks of about this size: enough for every core, little to hold.
const BLOCK_BYTES: usize = 4 << 20;

/// What a file of a journal is not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("the file cannot be read")]
    Read(#[from] io::Error),
    #[error("the file is no journal")]
    NoJournal(#[from] HeaderError),
}

/// A file as far as it was checked.
#[derive(Debug)]
pub(crate) struct CheckedFile {
    pub header: Header,
    pub check: Check,
    /// Its last line does not end: the file was cut off in the middle of it.
    pub cut_off: bool,
}

/// One line or row by itself.
enum Checked {
    Entry(Result<Link, String>),
    Head { payload: Digest, by: Option<String> },
    NoHead(String),
}

/// How a line came out of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Line,
    /// The file ends without the end of its last line.
    Unended,
    TooLong,
    End,
}

/// Some lines of a file.
#[derive(Default)]
struct Block {
    bytes: Vec<u8>,
    /// Where each line ends.
    ends: Vec<usize>,
}

impl Block {
    /// Reads one more line.
    fn read_line(&mut self, file: &mut impl BufRead) -> io::Result<Next> {
        let before = self.bytes.len();
        io::Read::take(file, LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut self.bytes)?;
        let next = match (self.bytes.len() - before, self.bytes.last()) {
            (0, _) => return Ok(Next::End),
            (_, Some(b'\n')) => Next::Line,
            (length, _) if length > LINE_BYTES_MAX => Next::TooLong,
            _ => Next::Unended,
        };
        self.ends.push(self.bytes.len());
        Ok(next)
    }

    /// Reads lines until there are enough of them, or none follows.
    fn read(file: &mut impl BufRead) -> io::Result<(Self, Next)> {
        let mut block = Self::default();
        loop {
            match block.read_line(file)? {
                Next::Line if block.bytes.len() < BLOCK_BYTES => {}
                next => return Ok((block, next)),
            }
        }
    }

    /// Its lines without their ends.
    fn lines(&self) -> Vec<&[u8]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        let lines = starts.zip(&self.ends).map(|(from, to)| &self.bytes[from..*to]);
        lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line)).collect()
    }
}

/// Checks a journal file from its first line to its last, or to the first that does not fit.
pub(crate) fn check_file(
    mut file: impl BufRead,
    keys: &[PublicKey],
) -> Result<CheckedFile, FileError> {
    let mut first = Block::default();
    let mut next = first.read_line(&mut file)?;
    let header = read_header(first.lines().first().copied().unwrap_or_default())?;
    let mut check = Check::new(header.run);
    let mut cut_off = false;
    while next == Next::Line && !check.is_broken() {
        let block;
        (block, next) = Block::read(&mut file)?;
        let mut checked = on_every_core(&block.lines(), |line| check_line(line, keys));
        // A whole line that only lacks its end counts; a part of one does not, and breaks nothing.
        if next == Next::Unended && checked.last().is_some_and(Checked::is_no_line) {
            checked.pop();
            cut_off = true;
        }
        for one in checked {
            one.apply(&mut check);
        }
        if check.chain().head().seq > ENTRIES_MAX {
            check.breaks(format!("is beyond the {ENTRIES_MAX} that one file may have"));
        }
    }
    if check
        .chain()
        .started()
        .is_some_and(|started| *started != (header.plan, header.fleet.clone()))
    {
        check.breaks("is not of the plan and fleet that the header names".to_owned());
    }
    Ok(CheckedFile { header, check, cut_off })
}

/// Checks the next events of a stored journal and the heads that were signed among them. `events` are
/// in order; of `heads` those are taken that are reached.
pub(crate) fn check_stored(
    check: &mut Check,
    events: &[StoredEvent],
    heads: &mut std::iter::Peekable<std::vec::IntoIter<HeadRow>>,
    keys: &[PublicKey],
) {
    let checked = on_every_core(events, |event| match event.hash {
        Some(hash) => Link::of_bytes(&event.body, hash),
        None => Err("has no hash".to_owned()),
    });
    for link in checked {
        check.entry(link);
        let events = check.chain().head().seq;
        while let Some(head) = heads.next_if(|head| head.events <= events) {
            check_head(&head.envelope, keys).apply(check);
        }
    }
}

impl Checked {
    /// Whether this is not even a line of a journal.
    const fn is_no_line(&self) -> bool {
        matches!(self, Self::Entry(Err(_)) | Self::NoHead(_))
    }

    fn apply(self, check: &mut Check) {
        match self {
            Self::Entry(link) => check.entry(link),
            Self::Head { payload, by } => check.head(payload, by.as_deref()),
            Self::NoHead(why) => check.breaks(why),
        }
    }
}

fn check_line(line: &[u8], keys: &[PublicKey]) -> Checked {
    match read_line(line) {
        Line::Entry(link) => Checked::Entry(link),
        Line::Head(envelope) => check_head(envelope, keys),
    }
}

fn check_head(envelope: &str, keys: &[PublicKey]) -> Checked {
    match Envelope::read(envelope.as_bytes()) {
        Ok(envelope) => {
            let signer = envelope.verify(keys).ok();
            let by = signer.and_then(|signed| Some(signed.signers().first()?.id().to_string()));
            Checked::Head { payload: envelope.payload_digest(), by }
        }
        Err(error) => {
            Checked::NoHead(format!("follows a signed head that cannot be read: {error}"))
        }
    }
}
