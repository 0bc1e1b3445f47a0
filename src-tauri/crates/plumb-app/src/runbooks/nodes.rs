//! Actions on nodes within a runbook: the same plans, gate and runs as any other action.

use std::{collections::BTreeSet, time::Duration};

use plumb_exec::{Answer, Came};
use plumb_fleet::{PlanHash, RunId};
use plumb_journal::StepOutcome;
use plumb_runbook::{Action, LeftOut, LeftOutReason, document::steps::action::Waves};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::{
    actions::prepare::select,
    app::App,
    error::{AppError, Code},
    views::{
        plan::{
            ActionKind, ActionRequest, ConfirmationView, NodeSelection, PlanView, SeverityView,
        },
        rollout::{RolloutRequest, ShapeRequest},
        run::{RunPhase, RunView},
    },
};

/// How often a run is looked at while it goes on.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Runs looked through for the one of a plan.
const RUNS_LOOKED_AT: usize = 500;

tokio::task_local! {
    /// The run of a runbook that makes and starts plans in this task: its own freeze is none for them.
    static OF_RUNBOOK: RunId;
}

/// The run of a runbook on whose behalf something is planned now.
pub(crate) fn in_runbook() -> Option<RunId> {
    OF_RUNBOOK.try_with(|run| *run).ok()
}

/// An action of a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct ActionOf<'a> {
    pub run: RunId,
    pub fleet: &'a str,
    pub action: &'a Action,
    pub nodes: &'a str,
    pub waves: Option<&'a Waves>,
    /// Why it is done, where that has to be said.
    pub reason: &'a str,
}

/// The nodes that a runbook means: `all`, `drifted`, or some by their names, with commas between them.
pub(super) fn selection(nodes: &str) -> NodeSelection {
    match nodes {
        "all" => NodeSelection::All,
        "drifted" => NodeSelection::Drifted,
        names => NodeSelection::Nodes {
            ids: names.split(',').map(|name| name.trim().to_owned()).collect(),
        },
    }
}

impl ActionOf<'_> {
    fn request(&self) -> Result<ActionRequest, String> {
        let nodes = selection(self.nodes);
        let request = |kind| ActionRequest::new(kind, nodes);
        let text = |version: &plumb_fleet::Version| Some(version.to_string());
        let mut request = match self.action {
            Action::Sync { force } => ActionRequest { force: *force, ..request(ActionKind::Sync) },
            Action::Pin { version, content, .. } => ActionRequest {
                version: text(version),
                content: content.map(|content| content.to_string()),
                ..request(ActionKind::Pin)
            },
            Action::Rollback { to } => ActionRequest {
                version: to.as_ref().and_then(text),
                ..request(ActionKind::Rollback)
            },
            Action::Restart => request(ActionKind::Restart),
            Action::ResolveConflict { to, content } => ActionRequest {
                version: text(to),
                content: content.map(|content| content.to_string()),
                ..request(ActionKind::ResolveConflict)
            },
            Action::Unpin => request(ActionKind::Unpin),
            Action::SetConfig { key, value } => ActionRequest {
                key: Some(key.clone()),
                value: Some(value.clone()),
                ..request(ActionKind::SetConfig)
            },
            Action::Undo { .. } => return Err("an undo is no step of a runbook".to_owned()),
        };
        request.rollout = self.waves.map(rollout);
        Ok(request)
    }
}

pub(super) fn rollout(waves: &Waves) -> RolloutRequest {
    let shape = match waves.clone() {
        Waves::OneByOne => ShapeRequest::OneByOne,
        Waves::Canary { first, percent } => ShapeRequest::Shares { canary: first, percent },
        Waves::BlueGreen { label, first } => ShapeRequest::BlueGreen { label, first },
    };
    RolloutRequest { shape, gate: None, roll_back_on_failure: true, failures_tolerated: 0 }
}

fn failed(detail: impl Into<String>) -> Came {
    let (detail, result) = (detail.into(), json!({ "ok": false }));
    Came::Answer(Answer { outcome: StepOutcome::Failed, detail, result })
}

fn nothing_to_do() -> Came {
    let detail = "nothing has to be done".to_owned();
    let result = json!({ "ok": true, "nodes": 0 });
    Came::Answer(Answer { outcome: StepOutcome::Succeeded, detail, result })
}

fn told(error: &AppError) -> String {
    format!("{}; {}", error.message, error.hint)
}

impl App {
    /// Plans an action of a step, from a fresh look at the fleet.
    pub(super) async fn plan_step(&self, of: ActionOf<'_>) -> Came {
        let request = match of.request() {
            Ok(request) => request,
            Err(error) => return failed(error),
        };
        let planning = async {
            let current = self.sweep(of.fleet).await?;
            let assessment = current.assess(self.now());
            let selected = select(&current, &assessment, &request.nodes)?;
            // Nobody drifted: there is nothing to bring back.
            if selected.is_some_and(|nodes| nodes.is_empty()) {
                return Ok(None);
            }
            self.prepare_plan(of.fleet, &request).await.map(Some)
        };
        match OF_RUNBOOK.scope(of.run, planning).await {
            Ok(Some(plan)) if plan.empty => self.without_effect(&plan),
            Ok(Some(plan)) => planned(&plan),
            Ok(None) => nothing_to_do(),
            Err(error) => failed(told(&error)),
        }
    }

    /// A plan that changes nothing: fine where every node is as wanted already, and a failure where one is not.
    fn without_effect(&self, plan: &PlanView) -> Came {
        let prepared = crate::ids::plan_hash(&plan.hash).and_then(|hash| self.prepared(hash));
        let left_out = match prepared {
            Ok(prepared) => prepared.plan.left_out,
            Err(error) => return failed(told(&error)),
        };
        match undone(&left_out) {
            Some(why) => failed(why),
            None => nothing_to_do(),
        }
    }

    /// Carries out a plan that was confirmed, once: what was started before is looked for, and not
    /// started again.
    pub(super) async fn carry_step(
        &self,
        of: ActionOf<'_>,
        plan: PlanHash,
        stop: &CancellationToken,
    ) -> Came {
        let carrying = async {
            let run = match self.run_of_plan(of.fleet, plan).await? {
                Some(run) => self.picked_up(of.fleet, run).await?,
                None => match self.start_step(&of, plan).await? {
                    Ok(run) => run,
                    Err(came) => return Ok(came),
                },
            };
            self.followed(&run, stop).await.map(|run| ended(&run))
        };
        match OF_RUNBOOK.scope(of.run, carrying).await {
            Ok(came) => came,
            Err(error) => Came::NotCarried { reason: told(&error) },
        }
    }

    async fn start_step(
        &self,
        of: &ActionOf<'_>,
        hash: PlanHash,
    ) -> Result<Result<RunView, Came>, AppError> {
        let request = of.request();
        let request =
            request.map_err(|what| AppError::new(Code::Invalid, what, "mend the step"))?;
        // A program that goes on with the run has not the plan at hand; made again it is the same, or new.
        let view = self.prepare_plan(of.fleet, &request).await?;
        if view.hash != hash.to_string() {
            let changed = if view.empty { self.without_effect(&view) } else { planned(&view) };
            return Ok(Err(changed));
        }
        let phrase = phrase(&view);
        let started = if view.action.force {
            self.start_run_because(of.fleet, &view.hash, phrase.as_deref(), of.reason).await
        } else {
            self.start_run(of.fleet, &view.hash, phrase.as_deref()).await
        };
        started.map(Ok)
    }

    /// The run that a plan was started as.
    async fn run_of_plan(&self, fleet: &str, plan: PlanHash) -> Result<Option<RunId>, AppError> {
        let state = self.state(fleet)?;
        let mut conn = self.record().read().await?;
        let runs = plumb_store::runs::list(&mut conn, &state.name, RUNS_LOOKED_AT).await?;
        Ok(runs.into_iter().find(|run| run.plan == plan).map(|run| run.id))
    }

    /// A run that another program left: a rollout goes on, any other is settled by a look at its nodes.
    async fn picked_up(&self, fleet: &str, run: RunId) -> Result<RunView, AppError> {
        let view = self.run_view(run).await?;
        if view.ended_at_ms.is_some() || self.owns_run(run) {
            return Ok(view);
        }
        if view.rollout.is_some() {
            return self.resume_run(&view.id).await;
        }
        self.sweep(fleet).await?;
        self.run_view(run).await
    }

    /// Follows a run to its end. One that halts has nobody to decide here, and is given up.
    async fn followed(&self, run: &RunView, stop: &CancellationToken) -> Result<RunView, AppError> {
        let mut asked = BTreeSet::new();
        let finished = self.finished(&run.id);
        tokio::pin!(finished);
        loop {
            tokio::select! {
                ended = &mut finished => return ended,
                () = stop.cancelled(), if !asked.contains("stop") => {
                    asked.insert("stop");
                    // It may have ended in the meantime.
                    let _ = self.abort_run(&run.id);
                }
                () = tokio::time::sleep(LOOK_EVERY) => {
                    let now = self.run(&run.id).await?;
                    if now.phase == RunPhase::Halted && asked.insert("halted") {
                        let _ = self.abort_run(&run.id);
                    }
                }
            }
        }
    }
}

/// Why a plan that changes nothing does not do what is wanted; nothing where all its nodes are as wanted.
pub(super) fn undone(left_out: &[LeftOut]) -> Option<String> {
    let is_undone = |left: &&LeftOut| left.reason != LeftOutReason::AsWanted;
    let first = left_out.iter().find(is_undone)?;
    let count = left_out.iter().filter(is_undone).count();
    let others = if count > 1 { format!(", and {} more", count - 1) } else { String::new() };
    Some(format!("nothing can be done: {}: {}{others}", first.node, first.detail))
}

fn phrase(plan: &PlanView) -> Option<String> {
    match &plan.confirmation {
        ConfirmationView::Typed { phrase } => Some(phrase.clone()),
        ConfirmationView::Undo | ConfirmationView::Dialog => None,
    }
}

fn planned(plan: &PlanView) -> Came {
    if !plan.startable {
        let fatal = plan.findings.iter().find(|finding| finding.severity == SeverityView::Fatal);
        let what = fatal.map_or_else(
            || "it cannot be started".to_owned(),
            |finding| format!("{}; {}", finding.message, finding.remedy),
        );
        return failed(what);
    }
    let Ok(hash) = crate::ids::plan_hash(&plan.hash) else {
        return failed("the plan has no hash");
    };
    let mut lines =
        vec![format!("{} on {} of {} nodes", plan.title, plan.blast.nodes, plan.blast.of)];
    lines.extend(plan.pins.iter().cloned());
    lines.extend(plan.blast.lines.iter().take(8).cloned());
    let warning =
        |finding: &&crate::views::plan::FindingView| finding.severity == SeverityView::Warning;
    let warnings = plan.findings.iter().filter(warning).take(8);
    lines.extend(warnings.map(|finding| finding.message.clone()));
    Came::Planned { plan: hash, summary: lines.join("\n"), phrase: phrase(plan) }
}

fn ended(run: &RunView) -> Came {
    let outcome = match run.phase {
        RunPhase::Succeeded => StepOutcome::Succeeded,
        // A program that went on with it saw every node arrive.
        RunPhase::Interrupted if run.arrived == run.total => StepOutcome::Succeeded,
        _ if run.in_doubt > 0 => StepOutcome::InDoubt,
        _ => StepOutcome::Failed,
    };
    let result = json!({
        "ok": outcome == StepOutcome::Succeeded,
        "run": run.id,
        "nodes": run.total,
        "arrived": run.arrived,
        "failed": run.failed,
    });
    Came::Answer(Answer { outcome, detail: run.summary.clone(), result })
}

#[cfg(test)]
mod tests {
    use plumb_fleet::NodeId;

    use super::*;

    fn left(node: &str, reason: LeftOutReason, detail: &str) -> LeftOut {
        LeftOut { node: NodeId::new(node).expect("a name"), reason, detail: detail.to_owned() }
    }

    #[test]
    fn a_step_is_done_only_where_every_node_is_as_wanted() {
        let wanted = left("gw-1", LeftOutReason::AsWanted, "runs 2.0.0");
        assert_eq!(undone(std::slice::from_ref(&wanted)), None);
        for reason in [
            LeftOutReason::NoAnswer,
            LeftOutReason::CannotDo,
            LeftOutReason::NotKnown,
            LeftOutReason::Refused,
        ] {
            let why = undone(&[wanted.clone(), left("gw-2", reason, "it is silent")]);
            assert_eq!(why.as_deref(), Some("nothing can be done: gw-2: it is silent"));
        }
        let silent = |node| left(node, LeftOutReason::NoAnswer, "it is silent");
        let why = undone(&[silent("gw-2"), wanted, silent("gw-3")]).expect("two are not");
        assert_eq!(why, "nothing can be done: gw-2: it is silent, and 1 more");
    }
}
