//! `run`: start a plan that was kept, follow it wave by wave, and pick up what was left open.

mod follow;

use clap::{Args, Subcommand};
use plumb_app::{
    App,
    views::{
        rollout::RunOrder,
        run::{RunPhase, RunView},
    },
};

use crate::{
    args::Confirm,
    commands::act::{begin, follow as carried_out},
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::{Look, Session},
    text::{
        dry_run::found,
        plan::{preview, result},
        rollout::ways_on,
    },
};

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Exit codes: 0 the run succeeded, 1 it did not: it halted, was left open, aborted or brought \
                  back, 2 wrong use, 3 nobody reached, 4 not confirmed, or the fleet changed since the plan."
)]
pub(crate) struct Run {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Hash of a plan, as `plumb plan` shows it
    #[arg(value_name = "PLAN", required = true)]
    plan: Option<String>,
    #[command(flatten)]
    given: Confirm,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Go on with a run that was left open, with what you decided
    Resume(Resume),
    /// Start nothing further, and end a run that was left open
    Abort {
        #[arg(value_name = "RUN")]
        id: String,
    },
}

#[derive(Debug, Args)]
struct Resume {
    #[arg(value_name = "RUN")]
    id: String,
    /// Say that the gate of this wave may open; waves are counted from 1
    #[arg(long, value_name = "WAVE", requires = "note", group = "decision",
        value_parser = clap::value_parser!(u32).range(1..))]
    attest: Option<u32>,
    /// What you saw
    #[arg(long, value_name = "TEXT", requires = "attest")]
    note: Option<String>,
    /// Pass over the gate of this wave; it is told as long as the run is
    #[arg(long, value_name = "WAVE", requires = "reason", group = "decision",
        value_parser = clap::value_parser!(u32).range(1..))]
    skip_gate: Option<u32>,
    /// Why the gate is passed over
    #[arg(long, value_name = "TEXT", requires = "skip_gate")]
    reason: Option<String>,
    /// Bring back every node that was touched, and say why
    #[arg(long, value_name = "REASON", group = "decision")]
    roll_back: Option<String>,
    /// Start nothing further, and end
    #[arg(long, group = "decision")]
    abort: bool,
}

impl Run {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match (&self.verb, &self.plan) {
            (Some(Verb::Resume(resume)), _) => {
                Box::pin(pick_up(session, &resume.id, resume.order())).await
            }
            (Some(Verb::Abort { id }), _) => {
                Box::pin(pick_up(session, id, Some(RunOrder::Abort))).await
            }
            (None, Some(plan)) => self.start(session, plan).await,
            (None, None) => Err(Failure::usage("no plan is named", "see: plumb help plan")),
        }
    }

    async fn start(&self, session: Session<'_>, hash: &str) -> Outcome {
        session
            .with_fleet(async |app, fleet| Box::pin(self.start_in(session, app, fleet, hash)).await)
            .await
    }

    async fn start_in(&self, session: Session<'_>, app: &App, fleet: &str, hash: &str) -> Outcome {
        let look = session.look(app, fleet, None).await?;
        let plan = app.prepare_kept(fleet, hash).await?;
        preview(session.out, &plan);
        if plan.empty {
            return Err(Failure::usage("nothing has to be done", "look with: plumb drift"));
        }
        if self.given.dry_run {
            let report = app.dry_run(&plan.hash).await?;
            session.out.show(&report, |out| found(out, &report));
            return Ok(look.exit(plan.startable && report.hindered == 0));
        }
        if !plan.startable {
            session.out.say(session.out.style.bad("not started: a finding forbids it"));
            return Ok(look.exit(false));
        }
        let Some(run) = begin(session, app, &plan, &self.given).await? else {
            session.out.show(&plan, |_| ());
            return Ok(look.exit(true));
        };
        let run = if plan.rollout.is_some() {
            Box::pin(follow::follow(session.out, app, &run.id)).await?
        } else {
            carried_out(session.out, app, &run).await?
        };
        Ok(told(session.out, look, &run))
    }
}

impl Resume {
    fn order(&self) -> Option<RunOrder> {
        let text = |given: &Option<String>| given.clone().unwrap_or_default();
        if let Some(wave) = self.attest {
            return Some(RunOrder::Attest { wave: wave - 1, note: text(&self.note) });
        }
        if let Some(wave) = self.skip_gate {
            return Some(RunOrder::SkipGate { wave: wave - 1, reason: text(&self.reason) });
        }
        if let Some(reason) = &self.roll_back {
            return Some(RunOrder::RollBack { reason: reason.clone() });
        }
        self.abort.then_some(RunOrder::Abort)
    }
}

/// Goes on with a run that another program left, with what was decided.
async fn pick_up(session: Session<'_>, id: &str, order: Option<RunOrder>) -> Outcome {
    session
        .with_app(async |app| {
            let run = app.run(id).await?;
            let look = session.look(app, &run.fleet, None).await?;
            decide(app, id, order.as_ref()).await?;
            let run = Box::pin(follow::follow(session.out, app, id)).await?;
            Ok(told(session.out, look, &run))
        })
        .await
}

/// Picks a run up, gives an order, and lets it go on where it stands still.
async fn decide(app: &App, id: &str, order: Option<&RunOrder>) -> Result<(), Failure> {
    let run = match order {
        // Taken before anything goes on.
        Some(order @ (RunOrder::Abort | RunOrder::RollBack { .. })) => {
            app.order_run(id, order).await?
        }
        Some(order) => {
            app.resume_run(id).await?;
            app.order_run(id, order).await?
        }
        None => app.resume_run(id).await?,
    };
    let held = run.rollout.is_some_and(|run| run.paused_by.is_some() || run.halted.is_some());
    if held && run.ended_at_ms.is_none() && order != Some(&RunOrder::Abort) {
        app.order_run(id, &RunOrder::Resume).await?;
    }
    Ok(())
}

fn told(out: &Output, look: Look, run: &RunView) -> Exit {
    out.show(run, |out| result(out, run));
    for line in ways_on(run) {
        out.note(line);
    }
    look.exit(run.phase == RunPhase::Succeeded)
}
