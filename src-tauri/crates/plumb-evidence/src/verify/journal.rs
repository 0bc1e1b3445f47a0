//! The chain of a journal in an archive, followed to its end.

use std::io::BufRead;

use plumb_fleet::Digest;
use plumb_journal::{
    Check, Found, Link,
    portable::{ENTRIES_MAX, Header, Line},
};
use plumb_trust::dsse::{Envelope, PublicKey};

use crate::{
    journal::{JournalReader, NoJournal},
    limits::KEPT_EVENTS_MAX,
};

/// Events by which the log of what was kept is bound: the number of each, and the hash of the newest line of the log then.
pub(super) type Kept = Vec<(u64, Digest)>;

/// A journal that was followed to its end.
pub(super) struct Followed {
    pub(super) header: Header,
    /// The plan and fleet of its first event.
    pub(super) starts_as_told: bool,
    pub(super) events: u64,
    pub(super) has_ended: bool,
    pub(super) found: Found,
    pub(super) kept: Kept,
}

pub(super) fn follow(file: impl BufRead, keys: &[PublicKey]) -> Result<Followed, NoJournal> {
    let mut journal = JournalReader::new(file)?;
    let header = journal.header().clone();
    let mut check = Check::new(header.run);
    let mut kept = Vec::new();
    let refs: Vec<&PublicKey> = keys.iter().collect();
    while let Some(line) = journal.line()? {
        match line {
            Line::Entry(link) => {
                let log = link.as_ref().ok().and_then(Link::kept);
                check.entry(link);
                kept.extend(log.map(|log| (check.chain().head().seq, log)));
                if kept.len() > KEPT_EVENTS_MAX {
                    check.breaks(format!("follows {KEPT_EVENTS_MAX} about what was kept"));
                }
            }
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
        if check.is_broken() {
            break;
        }
    }
    let started = check.chain().started().cloned();
    let starts_as_told =
        started.is_none_or(|started| started == (header.plan, header.fleet.clone()));
    let (events, has_ended) = (check.chain().head().seq, check.chain().has_ended());
    Ok(Followed { header, starts_as_told, events, has_ended, found: check.found(false), kept })
}
