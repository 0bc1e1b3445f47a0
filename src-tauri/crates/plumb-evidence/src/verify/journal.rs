//! A journal in an archive, line by line.

use std::io::{self, BufRead, Read as _};

use plumb_journal::{
    Check, Found,
    portable::{ENTRIES_MAX, Header, LINE_BYTES_MAX, Line, read_header, read_line},
};
use plumb_trust::dsse::{Envelope, PublicKey};

/// A journal that was followed to its end.
pub(super) struct Followed {
    pub(super) header: Header,
    /// The plan and fleet of its first event.
    pub(super) starts_as_told: bool,
    pub(super) events: u64,
    pub(super) has_ended: bool,
    pub(super) found: Found,
}

/// Why it is no journal.
pub(super) enum NoJournal {
    Read(io::Error),
    Other(String),
}

pub(super) fn follow(mut file: impl BufRead, keys: &[PublicKey]) -> Result<Followed, NoJournal> {
    let mut line = Vec::new();
    next(&mut file, &mut line).map_err(NoJournal::Read)?;
    let header = read_header(&line).map_err(|error| NoJournal::Other(error.to_string()))?;
    let mut check = Check::new(header.run);
    let refs: Vec<&PublicKey> = keys.iter().collect();
    while !check.is_broken() && next(&mut file, &mut line).map_err(NoJournal::Read)? {
        match read_line(&line) {
            Line::Entry(link) => check.entry(link),
            Line::Head(envelope) => match Envelope::read(envelope.as_bytes()) {
                Ok(envelope) => {
                    let verified = envelope.verify_first(&refs).ok();
                    let by = verified.and_then(|verified| {
                        verified.signers().first().map(|key| key.id().to_string())
                    });
                    check.head(envelope.payload_digest(), by.as_deref());
                }
                Err(error) => {
                    check.breaks(format!("follows a signed head that cannot be read: {error}"));
                }
            },
        }
        if check.chain().head().seq > ENTRIES_MAX {
            check.breaks(format!("is beyond the {ENTRIES_MAX} that one file may have"));
        }
    }
    let started = check.chain().started().cloned();
    let starts_as_told =
        started.is_none_or(|started| started == (header.plan, header.fleet.clone()));
    let (events, has_ended) = (check.chain().head().seq, check.chain().has_ended());
    Ok(Followed { header, starts_as_told, events, has_ended, found: check.found(false) })
}

/// Reads the next line without its end; false where none follows.
pub(super) fn next(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    // One byte more than allowed, so that a longer line is refused by whoever reads it.
    file.take(LINE_BYTES_MAX as u64 + 2).read_until(b'\n', line)?;
    if line.is_empty() {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(true)
}
