//! A journal as JSON Lines: a header, one line for each entry, and signed heads where they were made.
//!
//! The body of an entry stands in its line byte for byte as it was hashed, so a reader hashes what it reads
//! and serialises nothing.

use plumb_fleet::{Digest, FleetId, PlanHash, RunId};
use serde::{Deserialize, Serialize};

use crate::chain::{Entry, Link};

/// The format that this program writes and reads.
pub const FORMAT: &str = "plumbline-journal/1";
/// Longest line, without its end: pins of the largest fleet in one event take 3 MB.
pub const LINE_BYTES_MAX: usize = 16 << 20;
/// Longest signed head: its statement has 200 bytes and a signature 64, in base64.
pub const HEAD_BYTES_MAX: usize = 8 << 10;
/// Most entries of one file: three effects on each of 10,000 nodes write 70,000.
pub const ENTRIES_MAX: u64 = 100_000_000;

/// The first line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    pub fleet: FleetId,
    pub format: String,
    pub plan: PlanHash,
    pub run: RunId,
}

impl Header {
    pub fn new(run: RunId, plan: PlanHash, fleet: FleetId) -> Self {
        Self { fleet, format: FORMAT.to_owned(), plan, run }
    }
}

/// One line, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// An entry, or why it does not fit anywhere.
    Entry(Result<Link, String>),
    /// The envelope of a signed head.
    Head(&'a str),
}

/// Why a file is no journal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    #[error("its first line is not the header of a journal")]
    NoHeader,
    #[error("its header cannot be read: {problem}")]
    Malformed { problem: String },
    #[error("it has the format {format:?}, and this program reads {FORMAT}")]
    Format { format: String },
}

const HEADER: (&str, &str) = ("{\"journal\":", "}");
const BODY: &str = "{\"body\":";
const HASH: &str = ",\"hash\":\"";
const HEAD: (&str, &str) = ("{\"head\":", "}");
/// A hash in hex, and what closes the line.
const HASH_BYTES: usize = 64;
const END: &str = "\"}";

/// The header's line.
pub fn write_header(header: &Header) -> String {
    let header = serde_json_canonicalizer::to_string(header).expect("a header always serialises");
    format!("{}{header}{}\n", HEADER.0, HEADER.1)
}

/// The line of an entry, from its body as it was hashed: the canonical JSON of [`crate::Entry`].
pub fn write_entry(body: &str, hash: Digest) -> String {
    // Somebody may have put a line break into the store, which must not make two lines of one.
    let body = body.replace(['\n', '\r'], " ");
    format!("{BODY}{body}{HASH}{hash}{END}\n")
}

/// The line of a signed head, from its envelope.
pub fn write_head(envelope: &str) -> String {
    format!("{}{}{}\n", HEAD.0, envelope.replace(['\n', '\r'], " "), HEAD.1)
}

/// Reads the first line.
pub fn read_header(line: &[u8]) -> Result<Header, HeaderError> {
    let text = std::str::from_utf8(line).map_err(|_| HeaderError::NoHeader)?;
    let header = within(text, HEADER).ok_or(HeaderError::NoHeader)?;
    let header: Header = serde_json::from_str(header)
        .map_err(|error| HeaderError::Malformed { problem: error.to_string() })?;
    if header.format != FORMAT {
        return Err(HeaderError::Format { format: header.format.chars().take(80).collect() });
    }
    Ok(header)
}

/// Reads any other line. What is no line of a journal is an entry that does not fit.
pub fn read_line(line: &[u8]) -> Line<'_> {
    let wrong = |why: &str| Line::Entry(Err(why.to_owned()));
    if line.len() > LINE_BYTES_MAX {
        return wrong("is longer than any event");
    }
    let Ok(text) = std::str::from_utf8(line) else { return wrong("is not text in UTF-8") };
    if let Some(envelope) = within(text, HEAD) {
        if envelope.len() > HEAD_BYTES_MAX {
            return wrong("is longer than any signed head");
        }
        return Line::Head(envelope);
    }
    match entry(text) {
        Some((body, hash)) => Line::Entry(Link::of_bytes(body, hash)),
        None => wrong("is no event"),
    }
}

/// Reads the line of an entry with its event, and the text that its hash is over; of a signed head, nothing. What is wrong
/// follows the number of the event in a sentence.
pub fn read_event(line: &[u8]) -> Result<Option<(Entry, &str)>, String> {
    match read_line(line) {
        Line::Head(_) => Ok(None),
        Line::Entry(Err(why)) => Err(why),
        Line::Entry(Ok(_)) => {
            let text = std::str::from_utf8(line).ok().and_then(entry);
            let (text, hash) = text.expect("it was read a line above");
            let body = serde_json::from_str(text).map_err(|error| error.to_string())?;
            Ok(Some((Entry { body, hash }, text)))
        }
    }
}

fn within<'a>(text: &'a str, (before, after): (&str, &str)) -> Option<&'a str> {
    text.strip_prefix(before)?.strip_suffix(after)
}

/// Body and hash of an entry's line.
fn entry(text: &str) -> Option<(&str, Digest)> {
    let text = within(text, (BODY, END))?;
    let (text, hash) = text.split_at_checked(text.len().checked_sub(HASH_BYTES)?)?;
    if hash.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    Some((text.strip_suffix(HASH)?, hash.parse().ok()?))
}
