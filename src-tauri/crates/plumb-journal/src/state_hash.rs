//! What a run amounted to after each event, as one hash, so that whoever folds the same events later can tell whether
//! they come to the same.
//!
//! The hash of a step is SHA-256 over the hash of the step before, and the canonical JSON (RFC 8785) of what the event
//! may have left otherwise: the run itself without its lists, each wave and each node that it touched, and a bypass that
//! came with it. So a step costs as much as what it changed, in a run of any size.

use std::collections::{BTreeMap, BTreeSet};

use plumb_fleet::{Digest, NodeId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    chain::Entry,
    event::{Bypass, Event},
    fold::RunState,
};

/// The version of what events come to and how it is hashed. Whoever changes either makes it larger: marks of
/// another version are not compared.
pub const PROJECTION: u32 = 2;

/// Where a run stood after an event, as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateMark {
    pub seq: u64,
    /// Hash of the event.
    pub event: Digest,
    pub state: Digest,
    /// By which version of the projection it was written; those that do not say it are of the first.
    #[serde(default = "first")]
    pub projection: u32,
}

const fn first() -> u32 {
    1
}

/// Folds a journal event by event.
#[derive(Debug, Clone)]
pub struct StateHashes {
    state: RunState,
    hash: Digest,
    sizes: BTreeMap<Part, usize>,
    held_bytes: u64,
    hashed_bytes: u64,
}

impl Default for StateHashes {
    fn default() -> Self {
        Self {
            state: RunState::default(),
            hash: Digest::from_bytes([0; 32]),
            sizes: BTreeMap::new(),
            held_bytes: 0,
            hashed_bytes: 0,
        }
    }
}

/// A part of a state that is hashed by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Run,
    Wave(usize),
    Node(NodeId),
    Bypass(usize),
}

impl StateHashes {
    /// Takes in the next event, and tells where the run stands now.
    pub fn take(&mut self, entry: &Entry) -> StateMark {
        let event = &entry.body.event;
        let touched = Touched::by(event, &self.state);
        let bypassed = self.state.bypasses.len();
        self.state.apply(event, entry.body.at);
        let mut sum = Sha256::new();
        sum.update(self.hash.as_bytes());
        let (nodes, waves, bypasses) = (
            std::mem::take(&mut self.state.nodes),
            std::mem::take(&mut self.state.waves),
            std::mem::take(&mut self.state.bypasses),
        );
        let run = canonical(&self.state);
        self.add(&mut sum, Part::Run, &run);
        for at in touched.waves {
            self.add(&mut sum, Part::Wave(at), &canonical(&(at, waves.get(at))));
        }
        for (at, one) in bypasses.iter().enumerate().skip(bypassed) {
            self.add(&mut sum, Part::Bypass(at), &canonical(one));
        }
        for node in touched.nodes {
            let text = canonical(&(&node, nodes.get(&node)));
            self.add(&mut sum, Part::Node(node), &text);
        }
        (self.state.nodes, self.state.waves, self.state.bypasses) = (nodes, waves, bypasses);
        self.hash = Digest::from_bytes(sum.finalize().into());
        let (seq, event) = (entry.body.seq, entry.hash);
        StateMark { seq, event, state: self.hash, projection: PROJECTION }
    }

    pub const fn state(&self) -> &RunState {
        &self.state
    }

    /// How much there is to know of the run, written out: what it takes to hold it.
    pub const fn held_bytes(&self) -> u64 {
        self.held_bytes
    }

    /// How much was hashed until now: what it took to get here.
    pub const fn hashed_bytes(&self) -> u64 {
        self.hashed_bytes
    }

    fn add(&mut self, sum: &mut Sha256, part: Part, text: &str) {
        sum.update(b"\n");
        sum.update(text);
        let before = self.sizes.insert(part, text.len()).unwrap_or_default();
        self.held_bytes = self.held_bytes + text.len() as u64 - before as u64;
        self.hashed_bytes += text.len() as u64;
    }
}

/// What an event may leave otherwise beside the run itself.
struct Touched {
    nodes: BTreeSet<NodeId>,
    waves: BTreeSet<usize>,
}

impl Touched {
    /// `before` is what the event is taken into.
    fn by(event: &Event, before: &RunState) -> Self {
        let (mut nodes, mut waves) = (BTreeSet::new(), BTreeSet::new());
        match event {
            Event::EffectStarted { node, .. }
            | Event::EffectFinished { node, .. }
            | Event::EffectSkipped { node, .. }
            | Event::EffectSettled { node, .. }
            | Event::NodeProven { node, .. } => {
                nodes.insert(node.clone());
            }
            Event::WaveStarted { wave, .. }
            | Event::GateReached { wave }
            | Event::GateEvaluated { wave, .. }
            | Event::GatePassed { wave }
            | Event::GateFailed { wave, .. }
            | Event::Attested { wave, .. }
            | Event::Bypassed { what: Bypass::Gate { wave }, .. } => {
                waves.insert(RunState::wave_at(*wave));
            }
            Event::Resumed { .. } if before.halted.is_some() => waves.clone_from(before.shut()),
            Event::RunResumed { .. } => nodes.clone_from(before.acting()),
            _ => {}
        }
        Self { nodes, waves }
    }
}

fn canonical(value: &impl Serialize) -> String {
    serde_json_canonicalizer::to_string(value).expect("a state always serialises")
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use plumb_fleet::{FleetId, PlanHash, RunId};

    use super::*;
    use crate::{Head, event::EffectOutcome, fold};

    fn journal() -> Vec<Entry> {
        let run = RunId::from_bytes([7; 16]);
        let node = |name: &str| NodeId::new(name).expect("a name");
        let effect = plumb_runbook::Effect::Restart;
        let mut events = vec![Event::RunStarted {
            plan: PlanHash(Digest::of(b"plan")),
            fleet: FleetId::new("eu").expect("a name"),
            operator: "mira".to_owned(),
            targets: 2,
        }];
        for name in ["gw-1", "gw-2"] {
            let (node, branch) = (node(name), plumb_runbook::Branch::Forward);
            let (index, key) = (0, "k".to_owned());
            let effect = effect.clone();
            events.push(Event::EffectStarted { node: node.clone(), index, effect, key, branch });
            let outcome = EffectOutcome::Accepted { detail: "done".to_owned() };
            events.push(Event::EffectFinished { node, index, outcome, branch });
        }
        events.push(Event::RunResumed { by: "mira".to_owned() });
        let mut chain = Head::empty(run);
        events.into_iter().map(|event| chain.append(Timestamp::UNIX_EPOCH, event)).collect()
    }

    fn marks(entries: &[Entry]) -> Vec<StateMark> {
        let mut hashes = StateHashes::default();
        entries.iter().map(|entry| hashes.take(entry)).collect()
    }

    #[test]
    fn the_same_events_come_to_the_same_states_and_every_prefix_to_its_own() {
        let entries = journal();
        let all = marks(&entries);
        assert_eq!(all, marks(&entries));
        for (at, mark) in all.iter().enumerate() {
            assert_eq!(marks(&entries[..=at]).last(), Some(mark));
            assert!(all[..at].iter().all(|earlier| earlier.state != mark.state));
        }
        let mut hashes = StateHashes::default();
        for entry in &entries {
            hashes.take(entry);
        }
        assert_eq!(*hashes.state(), fold(&entries));
    }

    /// What every journal that was ever written comes to. Where this fails the fold or its hash was changed: then
    /// [`PROJECTION`] is made larger, and the hash here another one.
    #[test]
    fn a_changed_projection_does_not_pass_unnoticed() {
        let last = marks(&journal()).pop().expect("there are events").state.to_string();
        assert_eq!(
            (PROJECTION, last.as_str()),
            (2, "b375ff8b0cded2321336a72212409ba5a7b4a086c76d93fe6d4bda798804c5ab")
        );
    }

    #[test]
    fn another_outcome_of_one_node_is_another_state_from_there_on() {
        let mut entries = journal();
        let before = marks(&entries);
        if let Event::EffectFinished { outcome, .. } = &mut entries[2].body.event {
            *outcome = EffectOutcome::Refused { message: "no".to_owned() };
        }
        let after = marks(&entries);
        let same = before.iter().zip(&after).map(|(one, other)| one.state == other.state);
        assert_eq!(same.collect::<Vec<_>>(), [true, true, false, false, false, false]);
    }

    /// A journal in which every event has the same length, whatever the run knows by then.
    fn long(nodes: usize, resumed: usize) -> Vec<Entry> {
        let mut chain = Head::empty(RunId::from_bytes([7; 16]));
        let acts = |at: usize| {
            let node = NodeId::new(format!("gw-{at}")).expect("a name");
            let (branch, key) = (plumb_runbook::Branch::Forward, "k".to_owned());
            Event::EffectStarted {
                node,
                index: 0,
                effect: plumb_runbook::Effect::Restart,
                key,
                branch,
            }
        };
        let waves = (0..32).map(|wave| Event::GateFailed { wave, reason: "shut".to_owned() });
        let freezes = (0..32).map(|_| Event::Bypassed {
            what: Bypass::Freeze,
            by: "mira".to_owned(),
            reason: "it has to be today".to_owned(),
        });
        let resumed = (0..resumed).map(|_| Event::RunResumed { by: "mira".to_owned() });
        let events = waves.chain(freezes).chain((0..nodes).map(acts)).chain(resumed);
        events.map(|event| chain.append(Timestamp::UNIX_EPOCH, event)).collect()
    }

    #[test]
    fn a_run_that_is_resumed_over_and_over_costs_as_much_as_it_has_events() {
        let hashed = |nodes, resumed| {
            let mut hashes = StateHashes::default();
            let entries = long(nodes, resumed);
            for entry in &entries {
                hashes.take(entry);
            }
            (hashes.hashed_bytes() / entries.len() as u64, hashes.held_bytes())
        };
        let (one, held) = hashed(200, 1);
        let (many, held_by_many) = hashed(200, 2_000);
        assert!(many <= one, "{many} bytes an event, and {one} of a run that was resumed once");
        assert!(held_by_many < held + 100, "{held_by_many} and {held}: nothing new is known");
        let (of_more, _) = hashed(2_000, 2_000);
        assert!(of_more <= 2 * one, "{of_more} bytes an event where there are more nodes");
    }
}
