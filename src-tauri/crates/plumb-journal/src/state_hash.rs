//! What a run amounted to after each event, as one hash, so that whoever folds the same events later can tell whether
//! they come to the same.
//!
//! The hash of a step is SHA-256 over the hash of the step before, the canonical JSON (RFC 8785) of what the event left
//! of the run, and that of every node it touched. So a step costs as much as what it changed, in a run of any size.

use plumb_fleet::{Digest, NodeId};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    chain::Entry,
    event::Event,
    fold::{NodeRun, RunState},
};

/// The version of what events come to and how it is hashed. Whoever changes either makes it larger: marks of
/// another version are not compared.
pub const PROJECTION: u32 = 1;

/// Where a run stood after an event, as it is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateMark {
    pub seq: u64,
    /// Hash of the event.
    pub event: Digest,
    pub state: Digest,
    /// By which version of the projection it was written when the event was; nothing where it was made later, of
    /// the events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projection: Option<u32>,
}

/// Folds a journal event by event.
#[derive(Debug, Clone)]
pub struct StateHashes {
    state: RunState,
    hash: Digest,
}

impl Default for StateHashes {
    fn default() -> Self {
        Self { state: RunState::default(), hash: Digest::from_bytes([0; 32]) }
    }
}

impl StateHashes {
    /// Takes in the next event, and tells where the run stands now.
    pub fn take(&mut self, entry: &Entry) -> StateMark {
        let event = &entry.body.event;
        self.state.apply(event, entry.body.at);
        let mut sum = Sha256::new();
        sum.update(self.hash.as_bytes());
        let nodes = std::mem::take(&mut self.state.nodes);
        sum.update(canonical(&self.state));
        self.state.nodes = nodes;
        match touched(event) {
            Touched::Nothing => {}
            Touched::One(node) => add(&mut sum, node, self.state.nodes.get(node)),
            Touched::Everything => {
                self.state.nodes.iter().for_each(|(node, run)| add(&mut sum, node, Some(run)));
            }
        }
        self.hash = Digest::from_bytes(sum.finalize().into());
        let projection = Some(PROJECTION);
        StateMark { seq: entry.body.seq, event: entry.hash, state: self.hash, projection }
    }

    pub const fn state(&self) -> &RunState {
        &self.state
    }
}

/// Which nodes an event may leave otherwise.
enum Touched<'a> {
    Nothing,
    One(&'a NodeId),
    Everything,
}

fn touched(event: &Event) -> Touched<'_> {
    match event {
        Event::EffectStarted { node, .. }
        | Event::EffectFinished { node, .. }
        | Event::EffectSkipped { node, .. }
        | Event::EffectSettled { node, .. }
        | Event::NodeProven { node, .. } => Touched::One(node),
        Event::RunResumed { .. } => Touched::Everything,
        _ => Touched::Nothing,
    }
}

fn add(sum: &mut Sha256, node: &NodeId, run: Option<&NodeRun>) {
    sum.update(b"\n");
    sum.update(canonical(&(node, run)));
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
            (1, "1c0fad74a519dad3edbc40fa8a277a9e8b2db0ee31cbd16508a5739d39329c63")
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
}
