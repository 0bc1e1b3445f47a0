//! Wave after wave, each past its gate.

use jiff::Timestamp;
use plumb_journal::{Bypass, Event, HaltCause, NodePhase, Outcome};
use plumb_runbook::{Branch, OnFailure, Wave};

use super::{Decision, Step};

impl Decision<'_> {
    pub(super) fn forward(&self) -> Step {
        if let Some(step) = self.desired() {
            return step;
        }
        let begun = self.begun();
        let Some(number) = begun.checked_sub(1) else { return self.start(0) };
        let Some(wave) = self.plan.waves.get(number) else { return self.finish() };
        let may_send = !self.is_held() && !self.is_frozen() && !self.fails_too_often();
        let mut work = self.work();
        for target in &wave.nodes {
            work.carry_on(target, Branch::Forward, may_send);
        }
        if self.fails_too_often() && !work.has_events() {
            return self.failing(HaltCause::Failures, self.failures());
        }
        if let Some(step) = work.step() {
            return self.with_thaw(step);
        }
        match self.gate(number, wave) {
            Some(step) => step,
            None => self.start(number + 1),
        }
    }

    /// Waves that have begun. A direct action has one, which begins with the run.
    fn begun(&self) -> usize {
        match self.plan.rollout {
            Some(_) => self.state.waves.len(),
            None => 1,
        }
    }

    /// Sets the desired version and pins of the console, before any node is touched.
    fn desired(&self) -> Option<Step> {
        if !self.has_pins_to_change() {
            return None;
        }
        if let Some(why) = &self.known.unset {
            return Some(self.leave_alone(why));
        }
        if self.is_held() || self.is_frozen() {
            return Some(self.with_thaw(Step::Wait { until: None }));
        }
        if self.plan.rollout.is_some() && self.known.compared.is_none() {
            return Some(self.compare(0));
        }
        match self.known.compared.as_ref().and_then(|(_, difference)| difference.as_ref()) {
            Some(difference) => Some(changed(difference)),
            None => Some(Step::ChangePins { back: false }),
        }
    }

    /// Where what comes first did not work, no node is touched.
    fn leave_alone(&self, why: &str) -> Step {
        let skipped = self.plan.targets().map(|target| Event::EffectSkipped {
            node: target.node.clone(),
            index: 0,
            reason: why.to_owned(),
            branch: Branch::Forward,
        });
        match self.end(Outcome::Incomplete) {
            Step::Record(end) => Step::Record(skipped.chain(end).collect()),
            other => other,
        }
    }

    fn compare(&self, wave: u32) -> Step {
        if self.known.looking { Step::Wait { until: None } } else { Step::Compare { wave } }
    }

    /// Begins a wave; the fleet must be the one that was planned for.
    fn start(&self, number: usize) -> Step {
        let Some(wave) = self.plan.waves.get(number) else { return self.finish() };
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        if self.is_held() || self.is_frozen() {
            return self.with_thaw(Step::Wait { until: None });
        }
        if self.fails_too_often() {
            return self.failing(HaltCause::Failures, self.failures());
        }
        match &self.known.compared {
            Some((compared, None)) if *compared == number => {
                Step::Record(vec![started(number, wave)])
            }
            Some((compared, Some(difference))) if *compared == number => changed(difference),
            _ => self.compare(number),
        }
    }

    fn finish(&self) -> Step {
        let arrived = self.all_arrived();
        self.end(if arrived { Outcome::Succeeded } else { Outcome::Incomplete })
    }

    fn is_frozen(&self) -> bool {
        let passed_over = self.state.bypasses.iter().any(|bypass| bypass.what == Bypass::Freeze);
        let rollout = self.plan.rollout.as_ref();
        !passed_over && rollout.is_some_and(|rollout| rollout.frozen(self.now).is_some())
    }

    /// A wait that ends with the freeze window, where it waits for that.
    fn with_thaw(&self, step: Step) -> Step {
        let rollout = self.plan.rollout.as_ref();
        let until = rollout.and_then(|rollout| rollout.frozen(self.now)).map(|window| window.until);
        match step {
            Step::Wait { until: wake } => Step::Wait { until: super::sooner(wake, until) },
            step => step,
        }
    }

    /// Direct actions go on with the other nodes, whatever happens to one.
    fn fails_too_often(&self) -> bool {
        let Some(rollout) = &self.plan.rollout else { return false };
        let new = self.state.failed.saturating_sub(self.state.forgiven);
        new > rollout.failures_tolerated && self.state.halted.is_none()
    }

    fn failures(&self) -> String {
        let failed = self.state.nodes.iter().filter(|(_, run)| run.phase == NodePhase::Failed);
        let first: Vec<String> =
            failed.take(3).map(|(node, run)| format!("{node}: {}", run.detail)).collect();
        let count = self.state.failed;
        let nodes = if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") };
        format!("{nodes} failed ({})", first.join("; "))
    }

    /// What the plan says is done when it does not go well.
    pub(super) fn failing(&self, cause: HaltCause, reason: String) -> Step {
        let on_failure = self.plan.rollout.as_ref().map(|rollout| rollout.on_failure);
        Step::Record(vec![match on_failure {
            Some(OnFailure::RollBack) => Event::RollbackStarted { reason, by: None },
            Some(OnFailure::Halt) | None => Event::Halted { cause, reason },
        }])
    }

    /// Since when a look counts as one before the first effect.
    pub(super) fn may_begin_since(&self, branch: Branch) -> Timestamp {
        let since = match branch {
            Branch::Back => self.state.rollback.as_ref().map(|rollback| rollback.at),
            Branch::Forward if self.plan.rollout.is_some() => {
                self.state.waves.last().and_then(|wave| wave.started_at)
            }
            Branch::Forward => self.state.started_at,
        };
        since.unwrap_or(self.now)
    }
}

fn started(number: u32, wave: &Wave) -> Event {
    Event::WaveStarted {
        wave: number,
        name: wave.name.clone(),
        nodes: u32::try_from(wave.nodes.len()).unwrap_or(u32::MAX),
    }
}

fn changed(difference: &str) -> Step {
    let reason = format!("the fleet is no longer the one that was planned for: {difference}");
    Step::Record(vec![Event::Halted { cause: HaltCause::SetChanged, reason }])
}
