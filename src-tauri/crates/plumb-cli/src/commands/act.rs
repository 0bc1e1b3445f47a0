//! What all actions share: look, plan, preview, confirm, carry out, prove.

use std::{collections::BTreeMap, time::Duration};

use plumb_app::{
    App,
    actions::{approve::window, files::write_chosen},
    views::{
        dry_run::DryRunView,
        plan::{ActionRequest, NodeSelection, PlanView, SeverityView},
        run::{RunNodeState, RunPhase, RunView},
    },
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::{Asking, Confirm, Targets},
    confirm::{confirm, reason},
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::{
        dry_run::found,
        escape::printable,
        plan::{command_line, preview, result},
    },
};

/// How often a run is looked at while it goes on.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(150);
/// Findings about nodes that were selected and keep what they run.
const LEFT_BEHIND: [&str; 3] = ["no_answer", "cannot_do", "not_known"];

/// A plan and, where it was started, its run.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ActionDocument {
    pub(crate) plan: PlanView,
    /// Nothing when the plan was not started.
    pub(crate) run: Option<RunView>,
    /// The exact reverse as a command line, where there is one.
    pub(crate) undo: Option<String>,
    /// What every node answered, where only that was wanted.
    pub(crate) dry_run: Option<DryRunView>,
}

impl Targets {
    pub(crate) fn selection(&self) -> NodeSelection {
        if self.drifted {
            NodeSelection::Drifted
        } else if let Some(filter) = &self.filter {
            NodeSelection::Filter { filter: filter.clone() }
        } else if self.all_nodes {
            NodeSelection::All
        } else {
            NodeSelection::Nodes { ids: self.node.clone() }
        }
    }
}

/// Carries out a request from the first look to the last.
pub(crate) async fn act(session: Session<'_>, request: ActionRequest, given: &Confirm) -> Outcome {
    session
        .with_fleet(async |app, fleet| {
            let look = session.look(app, fleet, None).await?;
            let plan = app.prepare_plan(fleet, &request).await?;
            if given.as_step {
                return as_step(session, plan);
            }
            preview(session.out, &plan);
            let dry_run = if given.dry_run && !plan.empty {
                Some(app.dry_run(&plan.hash).await?)
            } else {
                None
            };
            // Some 10 kB of state, which every command that acts would carry.
            let run = Box::pin(start(session, app, &plan, given)).await?;
            let exit = exit(&plan, run.as_ref(), given);
            let undo = run
                .as_ref()
                .and_then(|run| run.undo.as_ref().map(|undo| command_line(&run.fleet, undo)));
            let document = ActionDocument { plan, run, undo, dry_run };
            session.out.show(&document, |out| {
                if let Some(report) = &document.dry_run {
                    found(out, report);
                }
                if let Some(run) = &document.run {
                    result(out, run);
                }
            });
            Ok(if look.reached_nobody() { Exit::Unreachable } else { exit })
        })
        .await
}

/// Prints what a plan does as a runbook writes it.
fn as_step(session: Session<'_>, plan: PlanView) -> Outcome {
    let Some(steps) = plan.steps.clone() else {
        return Err(Failure::usage(
            "no step of a runbook says this",
            "an undo, waves by a label and more than 200 named nodes have to be written by hand",
        ));
    };
    let document = ActionDocument { plan, run: None, undo: None, dry_run: None };
    session.out.show(&document, |out| {
        steps.trim_end().lines().for_each(|line| out.say(printable(line)));
    });
    Ok(Exit::Fine)
}

/// Starts a plan where it can be started and was confirmed.
async fn start(
    session: Session<'_>,
    app: &App,
    plan: &PlanView,
    given: &Confirm,
) -> Result<Option<RunView>, Failure> {
    if plan.empty {
        session.out.say("nothing has to be done");
        return Ok(None);
    }
    if given.dry_run {
        return Ok(None);
    }
    if !plan.startable {
        session.out.say(session.out.style.bad("not started: a finding forbids it"));
        return Ok(None);
    }
    match begin(session, app, plan, given).await? {
        Some(run) => follow(session.out, app, &run).await.map(Some),
        None => Ok(None),
    }
}

/// Asks for approval of a plan that can be started, or starts it as it was confirmed.
pub(crate) async fn begin(
    session: Session<'_>,
    app: &App,
    plan: &PlanView,
    given: &Confirm,
) -> Result<Option<RunView>, Failure> {
    if asked(session, app, plan, &given.asking).await? {
        return Ok(None);
    }
    let typed = confirm(session.out, &plan.confirmation, given)?;
    let typed = typed.as_deref();
    let run = match &given.at_night {
        None if plan.action.force => {
            let reason = reason(session.out, given)?;
            app.start_run_because(&plan.fleet, &plan.hash, typed, &reason).await?
        }
        None => app.start_run(&plan.fleet, &plan.hash, typed).await?,
        Some(reason) => {
            let key = given.asking.key.choice(app)?;
            app.start_run_at_night(&plan.fleet, &plan.hash, typed, reason, &key).await?
        }
    };
    Ok(Some(run))
}

/// Signs a request for approval of the plan that was shown, and writes it for those who approve; false
/// where nobody wanted that.
pub(crate) async fn asked(
    session: Session<'_>,
    app: &App,
    plan: &PlanView,
    given: &Asking,
) -> Result<bool, Failure> {
    let Some(file) = &given.request else { return Ok(false) };
    let window = given.window.as_deref().map(window).transpose()?;
    let key = given.key.choice(app)?;
    let (bytes, signed) = app.request_approval(&plan.hash, window, &key).await?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    write_chosen(file.clone(), text).await?;
    session.out.say(format!("{} asks for approval of plan {}", signed.person, plan.hash));
    session.out.say(format!("  rule: {}", printable(&signed.request.rule)));
    let hint = format!("those who approve: plumb approve --request {file} -o ANSWER.json");
    session.out.say(session.out.style.faint(&hint));
    Ok(true)
}

/// Follows a direct action to its end. The first Ctrl-C asks it to stop between two effects.
pub(crate) async fn follow(out: &Output, app: &App, run: &RunView) -> Result<RunView, Failure> {
    let (mut shown, mut told) = (BTreeMap::new(), 0);
    let finished = app.finished(&run.id);
    tokio::pin!(finished);
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        tokio::select! {
            ended = &mut finished => {
                let ended = ended?;
                loud(out, &ended, &mut told);
                progress(out, &ended, &mut shown);
                return Ok(ended);
            }
            _ = look.tick() => {
                let now = app.run(&run.id).await?;
                loud(out, &now, &mut told);
                progress(out, &now, &mut shown);
            }
            _ = tokio::signal::ctrl_c() => {
                out.note("stopping between two effects; what was sent is proven or named in doubt");
                // It may have ended in the meantime, which is what was asked for.
                let _ = app.abort_run(&run.id);
            }
        }
    }
}

/// Says which safeguards were passed over, each as soon as it is.
pub(crate) fn loud(out: &Output, run: &RunView, told: &mut usize) {
    for bypassed in run.bypassed.iter().skip(*told) {
        out.note(out.style.bad(&printable(bypassed)));
    }
    *told = run.bypassed.len();
}

pub(crate) fn progress(out: &Output, run: &RunView, shown: &mut BTreeMap<String, RunNodeState>) {
    for node in &run.nodes {
        let told = node.state == RunNodeState::Waiting
            || shown.insert(node.node.clone(), node.state) == Some(node.state);
        if !told {
            out.note(format!(
                "  {}  {}  {}",
                out.style.run_node(node.state),
                printable(&node.node),
                printable(&node.detail)
            ));
        }
    }
}

/// Fine when every node of the plan arrived and none was left behind.
fn exit(plan: &PlanView, run: Option<&RunView>, given: &Confirm) -> Exit {
    let left_behind = plan.findings.iter().any(|finding| {
        finding.severity != SeverityView::Note && LEFT_BEHIND.contains(&finding.code.as_str())
    });
    match run {
        None if given.asking.request.is_some() => Exit::fine_if(plan.startable),
        None if given.dry_run => Exit::fine_if(plan.empty || plan.startable),
        None => Exit::fine_if(plan.empty && !left_behind),
        Some(run) => Exit::fine_if(run.phase == RunPhase::Succeeded && !left_behind),
    }
}
