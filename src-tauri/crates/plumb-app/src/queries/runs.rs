//! Runs under way and past, from plan and journal alone.

use std::fmt::Write as _;

use plumb_fleet::{NodeId, RunId};
use plumb_journal::{NodePhase, NodeRun, Outcome, RunState, WaveRun};
use plumb_runbook::{NodePlan, Plan};

use crate::{
    app::App,
    error::AppError,
    ids::run_id,
    queries::{events::Followed, rollouts::of_run},
    views::{
        convert::ms,
        plan::{ActionKind, ActionRequest, NodeSelection},
        run::{RunNode, RunNodeState, RunPhase, RunView},
    },
};

/// Runs listed for a fleet, newest first.
const RUNS_LISTED_MAX: usize = 100;

impl App {
    /// One run as its journal tells it.
    pub async fn run(&self, id: &str) -> Result<RunView, AppError> {
        self.run_view(run_id(id)?).await
    }

    pub(crate) async fn run_view(&self, id: RunId) -> Result<RunView, AppError> {
        let (plan, followed) = (self.plan_of_run(id).await?, self.folded(id).await?);
        let signed_to = {
            let mut conn = self.record().read().await?;
            plumb_store::heads::newest(&mut conn, id).await?.unwrap_or(0)
        };
        let mut view = run_view(id, &plan, &followed, self.owns_run(id));
        view.journal_signed_to = u32::try_from(signed_to).unwrap_or(u32::MAX);
        view.journal_unsigned = self.unsigned(id, &view);
        let taken_back = view.rollout.as_ref().is_some_and(|rollout| rollout.rollback.is_some());
        if taken_back && view.ended_at_ms.is_some() {
            view.refused = Box::pin(self.refused_by(id, &plan)).await?;
        }
        Ok(view)
    }

    /// What is to be said of events that no signed head covers. The newest ones never are while a run
    /// goes on.
    fn unsigned(&self, id: RunId, view: &RunView) -> Option<String> {
        let ended = view.ended_at_ms.is_some();
        match view.journal_signed_to {
            to if to == view.journal_events => None,
            0 => {
                let unknown = || ended.then(|| "no head of its journal is signed".to_owned());
                self.unsigned_because(id).or_else(unknown)
            }
            to => ended.then(|| format!("its journal is signed to event {to} only")),
        }
    }

    /// The newest run of a fleet that some process carries out now, this one or another.
    pub async fn live_run(&self, fleet: &str) -> Result<Option<String>, AppError> {
        if self.in_evidence().is_some() {
            return Ok(None);
        }
        let state = self.state(fleet)?;
        let mut conn = self.record().read().await?;
        let open = plumb_store::runs::unfinished(&mut conn).await?;
        Ok(open
            .into_iter()
            .rev()
            .find(|run| run.fleet == state.name && self.owns_run(run.id))
            .map(|run| run.id.to_string()))
    }

    /// The newest runs of a fleet.
    pub async fn runs(&self, fleet: &str) -> Result<Vec<RunView>, AppError> {
        let mut views = Vec::new();
        for id in self.run_ids(fleet, RUNS_LISTED_MAX).await? {
            views.push(self.run_view(id).await?);
        }
        Ok(views)
    }
}

/// Builds the view of a run. `alive` says whether some process still carries it out.
pub fn run_view(id: RunId, plan: &Plan, followed: &Followed, alive: bool) -> RunView {
    let Followed { state, head } = followed;
    let rollout = of_run(plan, state, alive);
    let phase = phase(state, alive, rollout.is_some());
    let nodes: Vec<RunNode> =
        plan.targets().map(|target| run_node(&target.node, state, alive)).collect();
    let count = |wanted: RunNodeState| {
        u32::try_from(nodes.iter().filter(|node| node.state == wanted).count()).unwrap_or(u32::MAX)
    };
    let (arrived, failed, in_doubt) =
        (count(RunNodeState::Arrived), count(RunNodeState::Failed), count(RunNodeState::InDoubt));
    let total = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
    RunView {
        id: id.to_string(),
        plan_hash: plan.hash().to_string(),
        title: plan.action.title(),
        fleet: plan.fleet.to_string(),
        operator: state.operator.clone(),
        started_at_ms: state.started_at.map_or(0, ms),
        ended_at_ms: state.ended_at.map(ms),
        phase,
        bypassed: state.bypasses.iter().map(ToString::to_string).collect(),
        arrived,
        failed,
        in_doubt,
        total,
        journal_head: if head.seq == 0 { String::new() } else { head.hash.to_string() },
        journal_events: u32::try_from(head.seq).unwrap_or(u32::MAX),
        journal_signed_to: 0,
        journal_unsigned: None,
        refused: None,
        undo: undo(id, plan, state),
        summary: summary(phase, arrived, total, failed, in_doubt),
        rollout,
        nodes,
    }
}

fn phase(state: &RunState, alive: bool, rollout: bool) -> RunPhase {
    match state.outcome {
        Some(Outcome::Succeeded) => RunPhase::Succeeded,
        Some(Outcome::Incomplete) => RunPhase::Incomplete,
        Some(Outcome::RolledBack) => RunPhase::RolledBack,
        Some(Outcome::Halted) => RunPhase::Halted,
        Some(Outcome::Aborted) => RunPhase::Aborted,
        Some(Outcome::Interrupted) => RunPhase::Interrupted,
        None if state.halted.is_some() => RunPhase::Halted,
        None if state.paused.is_some() => RunPhase::Paused,
        None if !alive => RunPhase::Interrupted,
        None if state.rollback.is_some() => RunPhase::RollingBack,
        None if rollout && state.waves.last().is_some_and(at_gate) => RunPhase::AtGate,
        None => {
            let acting = state.nodes.values().any(|node| matches!(node.phase, NodePhase::Acting));
            if acting || state.nodes.is_empty() { RunPhase::Acting } else { RunPhase::Proving }
        }
    }
}

fn at_gate(wave: &WaveRun) -> bool {
    wave.reached_at.is_some() && !wave.passed
}

fn run_node(id: &NodeId, state: &RunState, alive: bool) -> RunNode {
    let waiting = NodeRun::default();
    let node = state.nodes.get(id).unwrap_or(&waiting);
    let state = match node.phase {
        NodePhase::Waiting => RunNodeState::Waiting,
        // A started effect without its end is in doubt once nobody waits for it any more.
        NodePhase::Acting if alive => RunNodeState::Acting,
        NodePhase::Acting | NodePhase::InDoubt => RunNodeState::InDoubt,
        NodePhase::Accepted => RunNodeState::Accepted,
        NodePhase::Arrived => RunNodeState::Arrived,
        NodePhase::Failed => RunNodeState::Failed,
        NodePhase::RolledBack => RunNodeState::RolledBack,
        NodePhase::Skipped => RunNodeState::Skipped,
    };
    RunNode { node: id.to_string(), state, detail: node.detail.clone() }
}

/// The exact reverse: where a node arrived that has a way back, or did not come back by it, or pins of the
/// console changed.
fn undo(id: RunId, plan: &Plan, state: &RunState) -> Option<ActionRequest> {
    let arrived = |target: &NodePlan| {
        state.nodes.get(&target.node).is_some_and(|node| {
            node.phase == NodePhase::Arrived || node.back.phase == NodePhase::Failed
        })
    };
    let pins = state.pins_may_differ() && plan.pins_before.is_some();
    let leads_back = |target: &NodePlan| arrived(target) && target.undo.is_possible();
    (pins || plan.targets().any(leads_back)).then(|| ActionRequest {
        run: Some(id.to_string()),
        ..ActionRequest::new(ActionKind::Undo, NodeSelection::All)
    })
}

fn summary(phase: RunPhase, arrived: u32, total: u32, failed: u32, in_doubt: u32) -> String {
    let mut text = match phase {
        RunPhase::Acting => format!("{arrived} of {total} nodes arrived, effects are being sent"),
        RunPhase::Proving => format!("{arrived} of {total} nodes arrived, waiting for the rest"),
        RunPhase::Succeeded if total == 0 => "the pins are set".to_owned(),
        RunPhase::Succeeded => format!("all {total} nodes arrived"),
        RunPhase::Incomplete => format!("{arrived} of {total} nodes arrived"),
        RunPhase::AtGate => format!("{arrived} of {total} nodes arrived, the gate is looked at"),
        RunPhase::Paused => format!("paused; {arrived} of {total} nodes arrived"),
        RunPhase::Halted => format!("halted; {arrived} of {total} nodes arrived"),
        RunPhase::RollingBack => "nodes that were touched are brought back".to_owned(),
        RunPhase::RolledBack => "every node that was touched is back".to_owned(),
        RunPhase::Aborted => format!("aborted; {arrived} of {total} nodes arrived"),
        RunPhase::Interrupted => {
            format!(
                "the program that carried it out ended; {arrived} of {total} nodes are known to have arrived"
            )
        }
    };
    if failed > 0 {
        write!(text, ", {failed} failed").expect("writing to a string");
    }
    if in_doubt > 0 {
        write!(text, ", {in_doubt} in doubt").expect("writing to a string");
    }
    text
}
