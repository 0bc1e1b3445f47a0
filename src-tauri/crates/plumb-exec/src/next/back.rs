//! The way back of every node that was touched, as the plan holds it.

use plumb_journal::{BranchRun, Event, NodePhase, Outcome};
use plumb_runbook::{Branch, NodePlan};

use super::{Decision, Step};

impl Decision<'_> {
    pub(super) fn back(&self) -> Step {
        let may_send = !self.is_held();
        let mut work = self.work();
        let mut all_back = true;
        for target in self.plan.targets() {
            let Some(run) = self.state.nodes.get(&target.node) else { continue };
            // What was never changed has nothing to go back from.
            if !run.forward.changing {
                // A check under way changes nothing, and is waited for all the same.
                if run.forward.phase == NodePhase::Acting {
                    work.hold();
                }
                continue;
            }
            all_back &= run.back.phase == NodePhase::Arrived;
            if is_under_way(&run.forward) {
                // What may still arrive would undo the way back.
                work.carry_on(target, Branch::Forward, false);
            } else if target.back.is_empty() {
                if run.back.phase == NodePhase::Waiting {
                    work.record(no_way_back(target));
                }
            } else {
                work.carry_on(target, Branch::Back, may_send);
            }
        }
        if let Some(step) = work.step() {
            return step;
        }
        if self.state.pins_may_differ()
            && !self.state.pins_restored
            && self.plan.pins_before.is_some()
        {
            return match &self.known.unset {
                Some(_) => self.end(Outcome::Incomplete),
                None if may_send => Step::ChangePins { back: true },
                None => Step::Wait { until: None },
            };
        }
        self.end(if all_back { Outcome::RolledBack } else { Outcome::Incomplete })
    }
}

/// Whether an effect of the plan was sent that may still take place.
const fn is_under_way(run: &BranchRun) -> bool {
    matches!(run.phase, NodePhase::Acting | NodePhase::InDoubt)
}

fn no_way_back(target: &NodePlan) -> Event {
    Event::EffectSkipped {
        node: target.node.clone(),
        index: 0,
        reason: target.undo.to_string(),
        branch: Branch::Back,
    }
}
