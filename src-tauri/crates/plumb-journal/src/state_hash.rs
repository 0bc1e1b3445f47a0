//! What a run amounted to after each event, as one hash, so that whoever folds the same events later can tell whether
//! they come to the same.
//!
//! The hash of a step is SHA-256 over the hash of the step before, and the canonical JSON (RFC 8785) of what the event
//! may have left otherwise: the run itself without its lists, each wave, each node and each step of a runbook that it
//! touched, and a bypass that came with it. So a step costs as much as what it changed, in a run of any size.

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
pub const PROJECTION: u32 = 3;
/// The version before, in which steps of runbooks had no place. What it recorded is still compared.
const WITHOUT_STEPS: u32 = 2;

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
    without_steps: Digest,
    sizes: BTreeMap<Part, usize>,
    held_bytes: u64,
    hashed_bytes: u64,
}

impl Default for StateHashes {
    fn default() -> Self {
        Self {
            state: RunState::default(),
            hash: Digest::from_bytes([0; 32]),
            without_steps: Digest::from_bytes([0; 32]),
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
    Step(String),
}

impl StateHashes {
    /// Takes in the next event, and tells where the run stands now.
    pub fn take(&mut self, entry: &Entry) -> StateMark {
        let event = &entry.body.event;
        let touched = Touched::by(event, &self.state);
        let bypassed = self.state.bypasses.len();
        self.state.apply(event, entry.body.at);
        let mut sum = Sums { now: Sha256::new(), without_steps: Sha256::new() };
        sum.now.update(self.hash.as_bytes());
        sum.without_steps.update(self.without_steps.as_bytes());
        let (nodes, waves, bypasses, steps) = (
            std::mem::take(&mut self.state.nodes),
            std::mem::take(&mut self.state.waves),
            std::mem::take(&mut self.state.bypasses),
            std::mem::take(&mut self.state.steps),
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
        if let Some(step) = touched.step {
            let text = canonical(&(&step, steps.get(&step)));
            self.add(&mut sum, Part::Step(step), &text);
        }
        (self.state.nodes, self.state.waves) = (nodes, waves);
        (self.state.bypasses, self.state.steps) = (bypasses, steps);
        self.hash = Digest::from_bytes(sum.now.finalize().into());
        self.without_steps = Digest::from_bytes(sum.without_steps.finalize().into());
        let (seq, event) = (entry.body.seq, entry.hash);
        StateMark { seq, event, state: self.hash, projection: PROJECTION }
    }

    /// Where the run stands by a version of the projection; nothing for one that this program does not know.
    pub const fn by(&self, projection: u32) -> Option<Digest> {
        match projection {
            PROJECTION => Some(self.hash),
            WITHOUT_STEPS => Some(self.without_steps),
            _ => None,
        }
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

    fn add(&mut self, sum: &mut Sums, part: Part, text: &str) {
        for sum in sum.that_have(&part) {
            sum.update(b"\n");
            sum.update(text);
        }
        let before = self.sizes.insert(part, text.len()).unwrap_or_default();
        self.held_bytes = self.held_bytes + text.len() as u64 - before as u64;
        self.hashed_bytes += text.len() as u64;
    }
}

/// The hash of a step by each version of the projection.
struct Sums {
    now: Sha256,
    without_steps: Sha256,
}

impl Sums {
    fn that_have(&mut self, part: &Part) -> impl Iterator<Item = &mut Sha256> {
        let former = (!matches!(part, Part::Step(_))).then_some(&mut self.without_steps);
        [&mut self.now].into_iter().chain(former)
    }
}

/// What an event may leave otherwise beside the run itself.
struct Touched {
    step: Option<String>,
    nodes: BTreeSet<NodeId>,
    waves: BTreeSet<usize>,
}

impl Touched {
    /// `before` is what the event is taken into.
    fn by(event: &Event, before: &RunState) -> Self {
        let (mut nodes, mut waves, mut touched) = (BTreeSet::new(), BTreeSet::new(), None);
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
            Event::Step { step, .. } => touched = Some(step.clone()),
            _ => {}
        }
        Self { step: touched, nodes, waves }
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
    use crate::{
        Head,
        event::EffectOutcome,
        fold,
        step_event::{StepEvent, StepOutcome},
        step_run::StepPhase,
    };

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
            (3, "b375ff8b0cded2321336a72212409ba5a7b4a086c76d93fe6d4bda798804c5ab")
        );
    }

    /// The journal of a run of a runbook: two steps, of which the second one fails and is settled.
    fn of_a_runbook() -> Vec<Entry> {
        let mut chain = Head::empty(RunId::from_bytes([7; 16]));
        let started = Event::RunStarted {
            plan: PlanHash(Digest::of(b"runbook")),
            fleet: FleetId::new("eu").expect("a name"),
            operator: "mira".to_owned(),
            targets: 0,
        };
        let step = |name: &str, happened| Event::Step { step: name.to_owned(), happened };
        let finished = |outcome, by: Option<&str>| StepEvent::Finished {
            outcome,
            detail: "as it was told".to_owned(),
            result: serde_json::Value::Null,
            by: by.map(str::to_owned),
            envelope: None,
        };
        let settled = StepEvent::Settled {
            happened: true,
            by: "mira".to_owned(),
            note: "it is there".to_owned(),
        };
        let events = [
            started,
            step("ask", finished(StepOutcome::Succeeded, Some("mira"))),
            step("drain", finished(StepOutcome::InDoubt, None)),
            step("drain", settled),
            Event::RunEnded { outcome: crate::event::Outcome::Succeeded },
        ];
        events.into_iter().map(|event| chain.append(Timestamp::UNIX_EPOCH, event)).collect()
    }

    #[test]
    fn another_word_about_a_step_is_another_state_from_there_on() {
        let mut entries = of_a_runbook();
        let before = marks(&entries);
        let different: BTreeSet<Digest> = before.iter().map(|mark| mark.state).collect();
        assert_eq!(different.len(), before.len(), "every step event is in the state");
        if let Event::Step { happened: StepEvent::Finished { by, .. }, .. } =
            &mut entries[1].body.event
        {
            *by = Some("sofiia".to_owned());
        }
        let after = marks(&entries);
        let same = before.iter().zip(&after).map(|(one, other)| one.state == other.state);
        assert_eq!(same.collect::<Vec<_>>(), [true, false, false, false, false]);
        let steps = fold(&entries).steps;
        let told = steps.iter().map(|(step, run)| (step.as_str(), run.phase, run.events));
        let expected = [("ask", StepPhase::Succeeded, 1), ("drain", StepPhase::Succeeded, 2)];
        assert_eq!(told.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn what_the_version_without_steps_recorded_is_still_compared() {
        let mut hashes = StateHashes::default();
        let mut last = None;
        for entry in journal() {
            last = Some(hashes.take(&entry).state);
        }
        // A run of nodes has no steps, so both are the same.
        assert_eq!((hashes.by(PROJECTION), hashes.by(WITHOUT_STEPS)), (last, last));
        let mut hashes = StateHashes::default();
        for entry in of_a_runbook() {
            hashes.take(&entry);
        }
        assert_ne!(hashes.by(PROJECTION), hashes.by(WITHOUT_STEPS));
        assert_eq!(hashes.by(1), None);
    }

    #[test]
    fn a_step_of_which_much_is_told_costs_as_much_as_it_has_events() {
        let mut chain = Head::empty(RunId::from_bytes([7; 16]));
        let mut cost = |events: u32| {
            let mut hashes = StateHashes::default();
            for at in 0..events {
                let happened = StepEvent::Again { by: format!("mira {at:05}") };
                let event = Event::Step { step: "ask".to_owned(), happened };
                hashes.take(&chain.append(Timestamp::UNIX_EPOCH, event));
            }
            (hashes.hashed_bytes() / u64::from(events), hashes.held_bytes())
        };
        let ((few, held), (many, held_by_many)) = (cost(10), cost(5_000));
        assert!(many <= few + 8, "{many} and {few} bytes an event");
        assert!(held_by_many <= held + 8, "{held_by_many} and {held} bytes are known");
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
