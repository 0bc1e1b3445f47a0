//! The hash chain: every event names the hash of the one before it.

use jiff::Timestamp;
use plumb_fleet::{Digest, FleetId, PlanHash, RunId};
use serde::{Deserialize, Serialize};

use crate::{
    event::Event,
    people::{People, concerns},
    signed_head::JournalHead,
    step_event::StepEvent,
};

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

/// An entry whose hash is that of its bytes, reduced to what the chain needs of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    run: RunId,
    seq: u64,
    at: Timestamp,
    previous: Digest,
    hash: Digest,
    turn: Turn,
    /// The event itself, where it is about what people signed.
    word: Option<Box<Event>>,
}

/// What of an event matters to the chain itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Turn {
    Starts(PlanHash, FleetId),
    Ends,
    /// May also stand behind the end: what a run left behind is cleared away.
    Clears,
    /// Binds the log of what was kept for evidence.
    Keeps(Digest),
    Goes,
}

const ALTERED: &str = "was altered";

impl Link {
    /// Checks the stored bytes of an entry: nothing is serialised anew, so a different writing of the
    /// same values is another entry.
    pub fn of_bytes(body: &str, hash: Digest) -> Result<Self, String> {
        if Digest::of(body.as_bytes()) != hash {
            return Err(ALTERED.to_owned());
        }
        let body: Body = serde_json::from_str(body)
            .map_err(|error| format!("is none that this program knows: {error}"))?;
        Ok(Self::new(&body, hash))
    }

    /// Checks an entry in memory.
    pub fn of_entry(entry: &Entry) -> Result<Self, String> {
        if Digest::of(entry.body.canonical().as_bytes()) != entry.hash {
            return Err(ALTERED.to_owned());
        }
        Ok(Self::new(&entry.body, entry.hash))
    }

    fn new(body: &Body, hash: Digest) -> Self {
        let turn = match &body.event {
            Event::RunStarted { plan, fleet, .. } => Turn::Starts(*plan, fleet.clone()),
            Event::RunEnded { .. } => Turn::Ends,
            Event::Step { happened: StepEvent::Lifted { .. }, .. } => Turn::Clears,
            Event::EvidenceKept { log, .. } => Turn::Keeps(*log),
            _ => Turn::Goes,
        };
        let word = concerns(&body.event).then(|| Box::new(body.event.clone()));
        let Body { run, seq, at, previous, .. } = *body;
        Self { run, seq, at, previous, hash, turn, word }
    }

    /// Hands what it tells of people on.
    pub(crate) fn tell(&self, people: &mut People) {
        if let Some(event) = &self.word {
            people.take(self.seq, self.at, event);
        }
    }

    /// The newest line of the log of what was kept until then, where the entry is about that.
    pub const fn kept(&self) -> Option<Digest> {
        match self.turn {
            Turn::Keeps(log) => Some(log),
            _ => None,
        }
    }
}

/// A chain as far as it was followed.
#[derive(Debug, Clone)]
pub struct Chain {
    head: Head,
    last_at: Option<Timestamp>,
    started: Option<(PlanHash, FleetId)>,
    ended: bool,
}

impl Chain {
    pub fn new(run: RunId) -> Self {
        Self { head: Head::empty(run), last_at: None, started: None, ended: false }
    }

    pub const fn head(&self) -> Head {
        self.head
    }

    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// The plan and the fleet that its first event names.
    pub const fn started(&self) -> Option<&(PlanHash, FleetId)> {
        self.started.as_ref()
    }

    /// What a signature over its head says; nothing before the first event.
    pub fn signed_head(&self) -> Option<JournalHead> {
        self.last_at.map(|at| self.head.at(at))
    }

    /// Follows the next entry; an error says why it is not the next one.
    pub fn follow(&mut self, link: &Link) -> Result<(), String> {
        let problem = if link.run != self.head.run {
            "belongs to another run"
        } else if link.seq != self.head.seq {
            "has the wrong number"
        } else if link.previous != self.head.hash {
            "does not follow the entry before"
        } else if self.ended && link.turn != Turn::Clears {
            "follows the end of the run"
        } else {
            match &link.turn {
                Turn::Starts(plan, fleet) => {
                    self.started.get_or_insert_with(|| (*plan, fleet.clone()));
                }
                Turn::Ends => self.ended = true,
                Turn::Clears | Turn::Keeps(_) | Turn::Goes => {}
            }
            self.head = Head { run: link.run, seq: link.seq + 1, hash: link.hash };
            self.last_at = Some(link.at);
            return Ok(());
        };
        Err(problem.to_owned())
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

/// Checks numbers, hashes and links of a chain in memory.
pub fn verify(run: RunId, entries: &[Entry]) -> ChainVerdict {
    let mut chain = Chain::new(run);
    for entry in entries {
        let next = Link::of_entry(entry).and_then(|link| chain.follow(&link));
        if let Err(why) = next {
            return ChainVerdict::Broken { at: chain.head.seq, why };
        }
    }
    let events = chain.head.seq;
    if chain.ended { ChainVerdict::Complete { events } } else { ChainVerdict::Prefix { events } }
}

/// The head after entries that were verified.
pub fn head(run: RunId, entries: &[Entry]) -> Head {
    entries.last().map_or_else(
        || Head::empty(run),
        |last| Head { run, seq: last.body.seq + 1, hash: last.hash },
    )
}
