//! The pins in a console's own record.

use std::collections::BTreeMap;

use plumb_exec::PinMove;
use plumb_fleet::NodeId;
use plumb_runbook::{PinChange, PinTo, Plan};

/// Pins by whose they are, the fleet's under nobody; what is absent is not pinned.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    pub by: BTreeMap<Option<NodeId>, PinTo>,
    /// Somebody else changed them since the plan was made.
    pub meddled: bool,
}

impl Pins {
    /// As they stood when a plan was made, as far as it is about them.
    pub fn before(plan: &Plan) -> Self {
        let mut pins = Self::default();
        for (whose, pin) in plan.pins_before.iter().flat_map(each) {
            pins.set(whose, pin);
        }
        pins
    }

    pub fn set(&mut self, whose: Option<NodeId>, pin: PinTo) {
        if pin == PinTo::Lifted {
            self.by.remove(&whose);
        } else {
            self.by.insert(whose, pin);
        }
    }

    fn of(&self, whose: Option<&NodeId>) -> PinTo {
        self.by.get(&whose.cloned()).cloned().unwrap_or(PinTo::Lifted)
    }

    pub fn stand(&self, pins: &PinChange) -> bool {
        each(pins).all(|(whose, pin)| self.of(whose.as_ref()) == pin)
    }

    /// Says whether it changed any.
    pub fn change(&mut self, pins: &PinMove) -> Result<bool, String> {
        let from: BTreeMap<_, _> = pins.from.iter().flat_map(each).collect();
        for (whose, to) in each(&pins.to) {
            let now = self.of(whose.as_ref());
            if now != to && from.get(&whose).is_some_and(|planned| *planned != now) {
                return Err("somebody changed them".to_owned());
            }
        }
        let changes = !self.stand(&pins.to);
        for (whose, pin) in each(&pins.to) {
            self.set(whose, pin);
        }
        Ok(changes)
    }
}

fn each(pins: &PinChange) -> impl Iterator<Item = (Option<NodeId>, PinTo)> {
    let whole = pins.fleet.iter().map(|pin| (None, pin.clone()));
    whole.chain(pins.nodes.iter().map(|(node, pin)| (Some(node.clone()), pin.clone())))
}
