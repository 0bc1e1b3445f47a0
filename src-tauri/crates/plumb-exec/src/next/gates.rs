//! What must hold after a wave before the next one begins.

use std::fmt::Write as _;

use jiff::Timestamp;
use plumb_fleet::NodeId;
use plumb_journal::{CheckResult, CheckVerdict, Event, HaltCause, NodePhase, WaveRun};
use plumb_runbook::{Gate, GateCheck, NodePlan, Wave};

use super::{Decision, Measured, Step, seconds};

impl Decision<'_> {
    /// The next step at the gate of a settled wave; nothing when it is open.
    pub(super) fn gate(&self, number: usize, wave: &Wave) -> Option<Step> {
        let gate = wave.gate.as_ref()?;
        let run = self.state.waves.get(number)?;
        if run.passed {
            return None;
        }
        let wave = u32::try_from(number).unwrap_or(u32::MAX);
        if self.state.halted.is_some() {
            return Some(Step::Wait { until: None });
        }
        let Some(reached) = run.reached_at else {
            return Some(Step::Record(vec![Event::GateReached { wave }]));
        };
        let newest = self
            .known
            .measured
            .as_ref()
            .filter(|measured| measured.wave == wave && measured.began >= reached);
        let Some(measured) = newest else { return Some(self.measure(wave)) };
        let checks: Vec<CheckResult> = (0..)
            .zip(&gate.checks)
            .map(|(index, check)| self.evaluate(check, index, measured, run))
            .collect();
        Some(self.judge_gate(wave, gate, run, reached, measured, checks))
    }

    fn judge_gate(
        &self,
        wave: u32,
        gate: &Gate,
        run: &WaveRun,
        reached: Timestamp,
        measured: &Measured,
        checks: Vec<CheckResult>,
    ) -> Step {
        let soaked = reached + seconds(gate.soak_s);
        let patience = soaked + seconds(gate.patience_s);
        let alarm = gate
            .checks
            .iter()
            .zip(&checks)
            .find(|(check, result)| check.is_alarm() && result.verdict == CheckVerdict::NotMet);
        let missing = gate.checks.iter().zip(&checks).find(|(check, result)| {
            !matches!(check, GateCheck::Attest { .. }) && result.verdict != CheckVerdict::Met
        });
        let shut = alarm.or(missing.filter(|_| measured.began >= patience));
        if let Some((check, result)) = shut {
            let reason = format!("{}: {}", check.sentence(), result.detail);
            return self.shut(wave, run, &reason, checks);
        }
        let verdicts =
            |checks: &[CheckResult]| checks.iter().map(|c| c.verdict).collect::<Vec<_>>();
        let met = checks.iter().all(|check| check.verdict == CheckVerdict::Met);
        if met && measured.began >= soaked && self.state.paused.is_none() {
            let mut events = Vec::new();
            if run.checks != checks && !checks.is_empty() {
                events.push(Event::GateEvaluated { wave, checks });
            }
            events.push(Event::GatePassed { wave });
            return Step::Record(events);
        }
        if verdicts(&run.checks) != verdicts(&checks) {
            return Step::Record(vec![Event::GateEvaluated { wave, checks }]);
        }
        let again = measured.began + seconds(gate.every_s);
        // The end of the soak is looked at in time, not at the next multiple of the pause.
        let again = if measured.began < soaked { again.min(soaked) } else { again };
        if self.now >= again { self.measure(wave) } else { Step::Wait { until: Some(again) } }
    }

    fn shut(&self, wave: u32, run: &WaveRun, reason: &str, checks: Vec<CheckResult>) -> Step {
        let mut events = Vec::new();
        if run.checks != checks {
            events.push(Event::GateEvaluated { wave, checks });
        }
        events.push(Event::GateFailed { wave, reason: reason.to_owned() });
        let reason = format!("the gate of wave {} stayed shut: {reason}", wave + 1);
        if let Step::Record(then) = self.failing(HaltCause::Gate, reason) {
            events.extend(then);
        }
        Step::Record(events)
    }

    fn measure(&self, wave: u32) -> Step {
        if self.known.looking {
            return Step::Wait { until: None };
        }
        let nodes = self.changed_so_far(wave).map(|target| target.node.clone()).collect();
        Step::Measure { wave, nodes }
    }

    /// Nodes that were brought to where the plan wants them, in this wave and those before.
    fn changed_so_far(&self, wave: u32) -> impl Iterator<Item = &NodePlan> {
        let waves = usize::try_from(wave).unwrap_or(usize::MAX).saturating_add(1);
        let begun = |node: &NodeId| {
            self.state.nodes.get(node).is_some_and(|run| run.phase != NodePhase::Skipped)
        };
        let targets = self.plan.waves.iter().take(waves).flat_map(|wave| &wave.nodes);
        targets.filter(move |target| begun(&target.node))
    }

    fn evaluate(
        &self,
        check: &GateCheck,
        index: usize,
        measured: &Measured,
        run: &WaveRun,
    ) -> CheckResult {
        let limit = match check {
            GateCheck::Convergence { percent_min } => {
                return self.convergence(*percent_min, measured);
            }
            GateCheck::Attest { .. } => return attested(run),
            GateCheck::ErrorRate { ppm_max } => i64::from(*ppm_max),
            GateCheck::Latency { p95_us_max } => i64::try_from(*p95_us_max).unwrap_or(i64::MAX),
            GateCheck::Prometheus { milli_max, .. } => *milli_max,
            // Answers that are otherwise than they should be.
            GateCheck::Decisions => 0,
        };
        match measured.figures.get(index).and_then(Option::as_ref) {
            Some(Ok(figure)) => {
                let verdict =
                    if *figure <= limit { CheckVerdict::Met } else { CheckVerdict::NotMet };
                CheckResult { verdict, detail: format!("{figure} of at most {limit}") }
            }
            Some(Err(message)) => {
                CheckResult { verdict: CheckVerdict::Unknown, detail: message.clone() }
            }
            None => {
                CheckResult { verdict: CheckVerdict::Unknown, detail: "not measured".to_owned() }
            }
        }
    }

    /// By content: what nodes show now, not what they answered when they were changed.
    fn convergence(&self, percent_min: u8, measured: &Measured) -> CheckResult {
        let mut total = 0_usize;
        let mut away = Vec::new();
        let mut silent = 0_usize;
        for target in self.changed_so_far(measured.wave) {
            total += 1;
            let look = self.known.seen.get(&target.node);
            match look.filter(|look| look.began >= measured.began).map(|look| &look.answer) {
                Some(Ok(seen)) => match crate::standing(target, seen) {
                    Ok(_) => {}
                    Err(missing) => away.push(format!("{} {missing}", target.node)),
                },
                Some(Err(_)) | None => silent += 1,
            }
        }
        let enough = |there: usize| there * 100 >= total * usize::from(percent_min);
        let there = total - away.len() - silent;
        // A canary that was skipped proves nothing.
        let verdict = if total == 0 {
            CheckVerdict::Unknown
        } else if enough(there) {
            CheckVerdict::Met
        } else if enough(there + silent) {
            CheckVerdict::Unknown
        } else {
            CheckVerdict::NotMet
        };
        let mut detail = format!("{there} of {total} nodes");
        if let Some(first) = away.first() {
            write!(detail, ", not {first}").expect("writing to a string");
        }
        if silent > 0 {
            write!(detail, ", {silent} did not answer").expect("writing to a string");
        }
        CheckResult { verdict, detail }
    }
}

fn attested(run: &WaveRun) -> CheckResult {
    match &run.attested {
        Some(attestation) => CheckResult {
            verdict: CheckVerdict::Met,
            detail: format!("{}: {}", attestation.by, attestation.note),
        },
        None => CheckResult {
            verdict: CheckVerdict::Unknown,
            detail: "nobody attested it yet".to_owned(),
        },
    }
}
