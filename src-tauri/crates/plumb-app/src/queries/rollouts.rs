//! Waves and gates, of a plan and of a run of it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use plumb_fleet::NodeId;
use plumb_journal::{CheckResult, CheckVerdict, NodePhase, RunState, WaveRun};
use plumb_runbook::{Gate, GateCheck, NodePlan, OnFailure, Plan, Wave};

use crate::views::{
    convert::ms,
    rollout::{
        RolloutView, RunCheck, RunCheckVerdict, RunRollout, RunWave, RunWaveState, WaveView,
    },
};

/// The waves of a plan; nothing where all nodes are changed together.
pub(crate) fn of_plan(plan: &Plan) -> Option<RolloutView> {
    let rollout = plan.rollout.as_ref()?;
    let tolerated = rollout.failures_tolerated;
    let when = match tolerated {
        0 => "a gate stays shut or a node fails".to_owned(),
        1 => "a gate stays shut or more than one node fails".to_owned(),
        more => format!("a gate stays shut or more than {more} nodes fail"),
    };
    let on_failure = match rollout.on_failure {
        OnFailure::Halt => {
            format!("When {when}, nothing further is changed until somebody decides.")
        }
        OnFailure::RollBack => format!("When {when}, every node that was touched is brought back."),
    };
    Some(RolloutView {
        waves: plan.waves.iter().map(wave_view).collect(),
        on_failure,
        failures_tolerated: tolerated,
    })
}

fn wave_view(wave: &Wave) -> WaveView {
    WaveView {
        name: wave.name.clone(),
        nodes: names(wave),
        gate: checks(wave).iter().map(GateCheck::sentence).collect(),
        soak_s: wave.gate.as_ref().map_or(0, |gate| gate.soak_s),
    }
}

fn names(wave: &Wave) -> Vec<String> {
    wave.nodes.iter().map(|target| target.node.to_string()).collect()
}

fn checks(wave: &Wave) -> &[GateCheck] {
    wave.gate.as_ref().map_or(&[], |gate| gate.checks.as_slice())
}

/// How a run of a rollout stands.
pub(crate) fn of_run(plan: &Plan, state: &RunState, carried: bool) -> Option<RunRollout> {
    plan.rollout.as_ref()?;
    // Nobody is waited for where the run goes no further.
    let onwards = state.rollback.is_none() && !state.abort_requested && state.outcome.is_none();
    Some(RunRollout {
        waves: (0..)
            .zip(&plan.waves)
            .map(|(number, wave)| {
                let mut view = run_wave(wave, state.waves.get(number), &state.nodes);
                if view.state == RunWaveState::Acting && state.halted.is_some() {
                    view.state = RunWaveState::Halted;
                }
                view.waits_for_attestation &= onwards;
                view
            })
            .collect(),
        paused_by: state.paused.clone(),
        halted: state.halted.as_ref().map(|halt| halt.reason.clone()),
        rollback: state.rollback.as_ref().map(|rollback| match &rollback.by {
            Some(by) => format!("{by}: {}", rollback.reason),
            None => rollback.reason.clone(),
        }),
        carried,
    })
}

fn run_wave(
    wave: &Wave,
    run: Option<&WaveRun>,
    nodes: &BTreeMap<NodeId, plumb_journal::NodeRun>,
) -> RunWave {
    let phase = |target: &&NodePlan| nodes.get(&target.node).map(|node| node.phase);
    let count = |wanted: NodePhase| {
        let counted = wave.nodes.iter().filter(|target| phase(target) == Some(wanted)).count();
        u32::try_from(counted).unwrap_or(u32::MAX)
    };
    let asks = checks(wave).iter().any(|check| matches!(check, GateCheck::Attest { .. }));
    let at_gate = run.is_some_and(|run| run.reached_at.is_some() && !run.passed);
    RunWave {
        name: wave.name.clone(),
        state: wave_state(run),
        nodes: names(wave),
        arrived: count(NodePhase::Arrived),
        failed: count(NodePhase::Failed),
        checks: wave.gate.as_ref().map_or_else(Vec::new, |gate| run_checks(gate, run)),
        soak_until_ms: run.filter(|_| at_gate).and_then(|run| soak_until_ms(wave, run)),
        waits_for_attestation: asks && at_gate && run.is_some_and(|run| run.attested.is_none()),
        attested: run
            .and_then(|run| run.attested.as_ref())
            .map(|said| format!("{}: {}", said.by, said.note)),
    }
}

fn wave_state(run: Option<&WaveRun>) -> RunWaveState {
    match run {
        None => RunWaveState::Waiting,
        Some(run) if run.passed => RunWaveState::Passed,
        Some(run) if run.failed.is_some() => RunWaveState::Failed,
        Some(run) if run.reached_at.is_some() => RunWaveState::Gate,
        Some(_) => RunWaveState::Acting,
    }
}

fn soak_until_ms(wave: &Wave, run: &WaveRun) -> Option<i64> {
    let soak = SignedDuration::from_secs(i64::from(wave.gate.as_ref()?.soak_s));
    (!soak.is_zero()).then(|| run.reached_at.map(|reached| ms(reached + soak))).flatten()
}

fn run_checks(gate: &Gate, run: Option<&WaveRun>) -> Vec<RunCheck> {
    let results = run.map_or(&[] as &[CheckResult], |run| run.checks.as_slice());
    (0..)
        .zip(&gate.checks)
        .map(|(number, check)| {
            let result = results.get(number);
            RunCheck {
                what: check.sentence(),
                verdict: match result.map(|result| result.verdict) {
                    Some(CheckVerdict::Met) => RunCheckVerdict::Met,
                    Some(CheckVerdict::NotMet) => RunCheckVerdict::NotMet,
                    Some(CheckVerdict::Unknown) | None => RunCheckVerdict::Unknown,
                },
                detail: result.map(|result| result.detail.clone()).unwrap_or_default(),
            }
        })
        .collect()
}
