//! The hash chain: every event names the hash of the one before it.

use jiff::Timestamp;
use plumb_fleet::{Digest, RunId};
use serde::{Deserialize, Serialize};

use crate::event::Event;

/// An event in its place: hash over its canonical JSON (RFC 8785) with the former hash inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub body: Body,
    pub hash: Digest,
}

/// What is hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    pub run: RunId,
    /// Counted from zero.
    pub seq: u64,
    pub at: Timestamp,
    /// Hash of the entry before; of nothing for the first.
    pub previous: Digest,
    pub event: Event,
}

impl Body {
    pub fn canonical(&self) -> String {
        serde_json_canonicalizer::to_string(self).expect("an event always serialises")
    }
}

/// Where a chain stands: the next number and the newest hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    pub run: RunId,
    pub seq: u64,
    pub hash: Digest,
}

impl Head {
    /// The head of a chain without entries.
    pub fn empty(run: RunId) -> Self {
        Self { run, seq: 0, hash: Digest::from_bytes([0; 32]) }
    }

    /// Appends an event and moves on.
    pub fn append(&mut self, at: Timestamp, event: Event) -> Entry {
        let body = Body { run: self.run, seq: self.seq, at, previous: self.hash, event };
        let hash = Digest::of(body.canonical().as_bytes());
        self.seq += 1;
        self.hash = hash;
        Entry { body, hash }
    }
}

/// What a check of a chain found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum ChainVerdict {
    /// The chain holds and the run ended.
    Complete { events: u64 },
    /// The chain holds; the run has not ended.
    Prefix { events: u64 },
    /// The first entry that does not fit.
    Broken { at: u64, why: String },
}

/// Checks numbers, hashes and links of a chain.
pub fn verify(run: RunId, entries: &[Entry]) -> ChainVerdict {
    let mut head = Head::empty(run);
    let mut ended = false;
    for entry in entries {
        let broken = |why: &str| ChainVerdict::Broken { at: head.seq, why: why.to_owned() };
        if entry.body.run != run {
            return broken("belongs to another run");
        }
        if entry.body.seq != head.seq {
            return broken("has the wrong number");
        }
        if entry.body.previous != head.hash {
            return broken("does not follow the entry before");
        }
        if Digest::of(entry.body.canonical().as_bytes()) != entry.hash {
            return broken("was altered");
        }
        if ended {
            return broken("follows the end of the run");
        }
        ended = matches!(entry.body.event, Event::RunEnded { .. });
        head.seq += 1;
        head.hash = entry.hash;
    }
    if ended {
        ChainVerdict::Complete { events: head.seq }
    } else {
        ChainVerdict::Prefix { events: head.seq }
    }
}

/// The head after entries that were verified.
pub fn head(run: RunId, entries: &[Entry]) -> Head {
    entries.last().map_or_else(
        || Head::empty(run),
        |last| Head { run, seq: last.body.seq + 1, hash: last.hash },
    )
}
