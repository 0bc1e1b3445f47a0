//! What must hold after every step, whatever goes wrong.

use std::collections::{BTreeMap, BTreeSet};

use plumb_fleet::{ContentDigest, Digest, NodeId, PlanHash, RunId};
use plumb_journal::{ChainVerdict, Entry, Event, verify};
use plumb_runbook::{ApprovedPlan, Branch, Effect, NodePlan, Plan};
use tokio::time::Instant;

use crate::fleet::Node;

/// Watches everything, and keeps what should not have happened.
#[derive(Debug, Default)]
pub struct Checker {
    approved: BTreeMap<PlanHash, Plan>,
    journals: BTreeMap<RunId, Journalled>,
    /// Effects that were sent, by key.
    sent: BTreeMap<String, u32>,
    /// Effects that took place, by key.
    applied: BTreeMap<String, u32>,
    /// Who may take the lock for held, and until when.
    leases: BTreeMap<String, Instant>,
    /// Whose effect left last.
    newest: Option<RunId>,
    pub violations: Vec<String>,
    /// Effects sent; a seed in which nothing happens shows nothing.
    pub effects: usize,
}

/// What is durable of a run's journal.
#[derive(Debug, Default)]
struct Journalled {
    entries: usize,
    head: Option<Digest>,
    keys: BTreeSet<String>,
    ended: bool,
    /// Changes of the console's own pins that the newest intent may still lead to.
    pins: u32,
}

/// An effect on its way, as the outside sees it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub node: NodeId,
    pub effect: Effect,
    pub key: String,
    pub run: RunId,
    pub plan: PlanHash,
    pub branch: Branch,
}

impl Checker {
    /// A plan that passed the gate: only effects of such plans may be seen.
    pub fn approve(&mut self, approved: &ApprovedPlan) {
        self.approved.insert(approved.plan().hash(), approved.plan().clone());
    }

    pub fn violation(&mut self, what: String) {
        if self.violations.len() < 8 {
            self.violations.push(what);
        }
    }

    /// Entries became durable.
    pub fn durable(&mut self, run: RunId, entries: &[Entry]) {
        for entry in entries {
            let journal = self.journals.entry(run).or_default();
            let mut wrong = Vec::new();
            let follows = journal.head.unwrap_or_else(|| Digest::from_bytes([0; 32]));
            if entry.body.run != run
                || usize::try_from(entry.body.seq) != Ok(journal.entries)
                || entry.body.previous != follows
                || Digest::of(entry.body.canonical().as_bytes()) != entry.hash
            {
                wrong.push(format!("entry {} of {run} does not fit the chain", journal.entries));
            }
            if journal.ended {
                wrong.push(format!("entry {} of {run} follows its end", journal.entries));
            }
            if let Event::EffectStarted { key, .. } = &entry.body.event
                && !journal.keys.insert(key.clone())
            {
                wrong.push(format!("{key} was started twice"));
            }
            match entry.body.event {
                Event::DesiredStarted { .. } | Event::PinsStarted { .. } => journal.pins = 1,
                Event::DesiredSet { .. }
                | Event::PinsChanged { .. }
                | Event::PinsUnchanged { .. } => journal.pins = 0,
                _ => {}
            }
            journal.entries += 1;
            journal.head = Some(entry.hash);
            journal.ended |= matches!(entry.body.event, Event::RunEnded { .. });
            for what in wrong {
                self.violation(what);
            }
        }
    }

    /// The console's own pins become others.
    pub fn changes_pins(&mut self, run: RunId) {
        let journal = self.journals.entry(run).or_default();
        match journal.pins.checked_sub(1) {
            Some(left) => journal.pins = left,
            None => self.violation(format!("pins of {run} were changed without durable intent")),
        }
    }

    /// Somebody takes the lock for held until then.
    pub fn leases(&mut self, owner: &str, until: Instant) {
        let now = Instant::now();
        let other = self.leases.iter().find(|(other, until)| *other != owner && **until > now);
        if let Some((other, _)) = other {
            let what = format!("{owner} and {other} take the lock for held at once");
            self.violation(what);
        }
        self.leases.insert(owner.to_owned(), until);
    }

    pub fn gives_back(&mut self, owner: &str) {
        self.leases.remove(owner);
    }

    /// Whether the last effect was one of another run that goes on.
    pub fn acts_beside_another(&mut self, run: RunId) -> bool {
        let other = self.newest.replace(run).filter(|other| *other != run);
        other.is_some_and(|other| self.journals.get(&other).is_some_and(|it| !it.ended))
    }

    /// An effect leaves a console.
    pub fn sends(
        &mut self,
        seen: &Seen,
        refused: &BTreeSet<ContentDigest>,
        lock: Result<(), String>,
    ) {
        self.effects += 1;
        let count = self.sent.entry(seen.key.clone()).or_default();
        *count += 1;
        if *count > 1 {
            self.violation(format!(
                "{} was sent {count} times",
                seen.key,
                count = self.sent[&seen.key]
            ));
        }
        let journalled =
            self.journals.get(&seen.run).is_some_and(|journal| journal.keys.contains(&seen.key));
        if !journalled {
            self.violation(format!("{} was sent before its intent was durable", seen.key));
        }
        if let Err(who) = lock {
            self.violation(format!("{} was sent without the lock: {who}", seen.key));
        }
        let Some(target) = self.planned(seen) else {
            self.violation(format!("{} is in no approved plan", seen.key));
            return;
        };
        if let Some(content) = brings(&seen.effect, &target)
            && refused.contains(&content)
        {
            self.violation(format!("{} sent refused content", seen.key));
        }
    }

    /// A node that somebody changed before the program went on is not changed by it any more: this is
    /// what such a node shows when an effect leaves.
    pub fn looks_first(&mut self, seen: &Seen, shows: Option<&Node>) {
        let (Some(shows), Some(target)) = (shows, self.planned(seen)) else { return };
        let runs = shows.runs.as_ref().map(|runs| runs.content);
        let known = [target.before.content, target.after.content];
        // A pin alone is about what a node is told, whatever it runs.
        let told = |effect: &Effect| matches!(effect, Effect::Pin { .. } | Effect::Unpin { .. });
        let loads = !target.effects.iter().all(told);
        let other = loads && brings(&seen.effect, &target).is_some() && !known.contains(&runs);
        let set = match &seen.effect {
            Effect::SetConfig { key, value, before: Some(before) } => {
                shows.settings.get(key).is_some_and(|now| now != before && now != value)
            }
            _ => false,
        };
        if other || set {
            self.violation(format!("{} was sent to a node that was changed meanwhile", seen.key));
        }
    }

    /// The part of an approved plan that an effect belongs to.
    fn planned(&self, seen: &Seen) -> Option<NodePlan> {
        let plan = self.approved.get(&seen.plan)?;
        let target = plan.targets().find(|target| target.node == seen.node)?;
        let part = match seen.branch {
            Branch::Forward => target.clone(),
            Branch::Back => target.way_back()?,
        };
        let way = if seen.branch.is_forward() { "" } else { "back/" };
        let index = (0..part.effects.len())
            .find(|index| seen.key == format!("{}/{}/{way}{index}", seen.run, seen.node))?;
        (part.effects[index] == seen.effect).then_some(part)
    }

    /// An effect took place on a node.
    pub fn applies(&mut self, key: &str) {
        let count = self.applied.entry(key.to_owned()).or_default();
        *count += 1;
        if *count > 1 {
            let count = *count;
            self.violation(format!("{key} took place {count} times"));
        }
    }

    /// The journal of a run as it is read back.
    pub fn reads(&mut self, run: RunId, entries: &[Entry], ended: bool) {
        match verify(run, entries) {
            ChainVerdict::Complete { .. } if ended => {}
            ChainVerdict::Prefix { .. } if !ended => {}
            verdict => self.violation(format!("the journal of {run} reads as {verdict:?}")),
        }
    }
}

/// The content an effect makes a node run, or tells it to.
pub fn brings(effect: &Effect, part: &NodePlan) -> Option<ContentDigest> {
    match effect {
        Effect::Pin { content, .. } => Some(*content),
        Effect::Sync { .. } | Effect::Reload { .. } | Effect::Rollback { .. } => part.after.content,
        _ => None,
    }
}
