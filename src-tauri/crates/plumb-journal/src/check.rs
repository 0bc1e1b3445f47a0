//! A check of a whole journal, event by event: its chain, and the signatures over its heads.

use plumb_fleet::{Digest, RunId};

use crate::{
    chain::{Chain, ChainVerdict, Link},
    people::People,
    signed_head::JournalHead,
};

/// A journal as far as it was checked. What is found broken first stays the verdict.
#[derive(Debug, Clone)]
pub struct Check {
    chain: Chain,
    broken: Option<(u64, String)>,
    signed: Option<Signed>,
    /// Heads whose signature nobody trusted made.
    strangers: u64,
    people: People,
}

/// The newest head that somebody trusted signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Events it covers, from the first.
    pub events: u64,
    pub by: String,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub verdict: ChainVerdict,
    pub signed: Option<Signed>,
    pub strangers: u64,
    /// Hash of the newest event that holds.
    pub head: Digest,
    /// What people signed in the events that hold.
    pub people: People,
}

impl Check {
    pub fn new(run: RunId) -> Self {
        let people = People::default();
        Self { chain: Chain::new(run), broken: None, signed: None, strangers: 0, people }
    }

    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Whether anything that follows matters.
    pub const fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// The next entry, or why it is none.
    pub fn entry(&mut self, link: Result<Link, String>) {
        if self.is_broken() {
            return;
        }
        match link.and_then(|link| self.chain.follow(&link).map(|()| link)) {
            Ok(link) => link.tell(&mut self.people),
            Err(why) => self.breaks(why),
        }
    }

    /// A head that was signed when the chain stood here: the SHA-256 of what was signed, and the name of
    /// the trusted key that did it.
    pub fn head(&mut self, payload: Digest, by: Option<&str>) {
        if self.is_broken() {
            return;
        }
        if self.chain.signed_head().map(JournalHead::digest) != Some(payload) {
            return self.breaks("follows a signed head of another chain".to_owned());
        }
        match by {
            Some(by) => {
                self.signed = Some(Signed { events: self.chain.head().seq, by: by.to_owned() });
            }
            None => self.strangers += 1,
        }
    }

    /// Something is wrong at this place.
    pub fn breaks(&mut self, why: String) {
        self.broken.get_or_insert((self.chain.head().seq, why));
    }

    /// What was found. With `signatures_wanted` a journal is complete only when a trusted signature
    /// covers its end; without, one that was ever signed by somebody trusted must be so to its end.
    pub fn found(self, signatures_wanted: bool) -> Found {
        let events = self.chain.head().seq;
        let signed_to = self.signed.as_ref().map(|signed| signed.events);
        let unsigned_end = signed_to != Some(events);
        let verdict = match self.broken {
            Some((at, why)) => ChainVerdict::Broken { at, why },
            None if !self.chain.has_ended() => ChainVerdict::Prefix { events },
            None if unsigned_end && (signatures_wanted || signed_to.is_some()) => {
                ChainVerdict::Prefix { events }
            }
            None => ChainVerdict::Complete { events },
        };
        let head = self.chain.head().hash;
        let (signed, strangers, people) = (self.signed, self.strangers, self.people);
        Found { verdict, signed, strangers, head, people }
    }
}
