//! `plan`: waves, gates and findings of a change, kept under a hash that `run` starts.

mod rollout;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};
use plumb_app::views::plan::{
    ActionKind, ActionRequest, ConfirmationView, NodeSelection, PlanView,
};

use crate::{
    args::{Asking, Targets},
    commands::act::asked,
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::{dry_run::found, escape::shell_word, plan::preview},
};

#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 the plan can be run or nothing has to be done, 1 a fatal finding stands in the \
                  way, 2 wrong use, 3 nobody reached."
)]
pub(crate) struct Plan {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make nodes take the desired version
    Sync {
        /// Load it again also where it already runs
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        how: How,
    },
    /// Set the desired version
    Pin {
        /// Version that should run
        #[arg(long, value_name = "VERSION")]
        version: String,
        /// Content digest, where a version names several bundles
        #[arg(long, value_name = "DIGEST")]
        content: Option<String>,
        /// Make the nodes take it, too
        #[arg(long)]
        sync: bool,
        #[command(flatten)]
        how: How,
    },
    /// Lift pins, so that the fleet file counts again
    Unpin {
        #[command(flatten)]
        how: How,
    },
    /// Return to last-known-good, or to a named earlier version
    Rollback {
        /// An earlier version; last-known-good without it
        #[arg(long, value_name = "VERSION")]
        to_version: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// Restart policy processes so that they read their bundles again
    Restart {
        #[command(flatten)]
        how: How,
    },
    /// Settle on one version: pin it, then sync every node that runs another
    ResolveConflict {
        /// The version every node should run
        #[arg(long, value_name = "VERSION")]
        to_version: String,
        /// Content digest, where that version names several bundles
        #[arg(long, value_name = "DIGEST")]
        content: Option<String>,
        #[command(flatten)]
        how: How,
    },
    /// Change a setting of nodes
    SetConfig {
        /// A dotted key, for example bundle.polling.min_delay_seconds
        #[arg(value_name = "KEY")]
        key: String,
        #[arg(value_name = "VALUE")]
        value: String,
        #[command(flatten)]
        how: How,
    },
    /// Ask every node of a plan: whether it accepts the bundle, is ready, and is as planned for
    DryRun {
        /// Hash of a plan, as it was shown
        #[arg(value_name = "PLAN")]
        plan: String,
    },
    /// Take a run back: its nodes to where they were, and the pins it replaced
    Undo {
        #[arg(value_name = "RUN")]
        id: String,
        #[command(flatten)]
        how: Ways,
    },
}

/// Nodes, waves and gates of a plan.
#[derive(Debug, Args)]
struct How {
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    ways: Ways,
}

/// Waves and gates of a plan, and what is done with it.
#[derive(Debug, Args)]
struct Ways {
    #[command(flatten)]
    rollout: rollout::RolloutArgs,
    #[command(flatten)]
    asking: Asking,
    /// Write the canonical bytes of the plan to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
}

impl Plan {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        if let Verb::DryRun { plan } = &self.verb {
            return dry_run(session, plan).await;
        }
        let Some((request, ways)) = self.verb.request() else {
            return Err(Failure::usage("no action is named", "see: plumb help plan"));
        };
        let request = ActionRequest { rollout: ways.rollout.request()?, ..request };
        session
            .with_fleet(async |app, fleet| {
                let look = session.look(app, fleet, None).await?;
                let plan = app.prepare_plan(fleet, &request).await?;
                if let Some(path) = &ways.output {
                    app.export_plan(&plan.hash, path.clone()).await?;
                }
                session.out.show(&plan, |out| preview(out, &plan));
                let asks = plan.startable && asked(session, app, &plan, &ways.asking).await?;
                if !asks {
                    next(session.out, &plan);
                }
                Ok(look.exit(plan.empty || plan.startable))
            })
            .await
    }
}

impl Verb {
    /// What is asked for; nothing where a plan is only asked about.
    fn request(&self) -> Option<(ActionRequest, &Ways)> {
        let of = |kind, how: &How| ActionRequest::new(kind, how.targets.selection());
        let (request, how) = match self {
            Self::Sync { force, how } => {
                (ActionRequest { force: *force, ..of(ActionKind::Sync, how) }, how)
            }
            Self::Pin { version, content, sync, how } => {
                let kind = if *sync { ActionKind::PinAndSync } else { ActionKind::Pin };
                (versioned(of(kind, how), Some(version), content.as_ref()), how)
            }
            Self::Unpin { how } => (of(ActionKind::Unpin, how), how),
            Self::Rollback { to_version, how } => {
                (versioned(of(ActionKind::Rollback, how), to_version.as_ref(), None), how)
            }
            Self::Restart { how } => (of(ActionKind::Restart, how), how),
            Self::ResolveConflict { to_version, content, how } => {
                let request = of(ActionKind::ResolveConflict, how);
                (versioned(request, Some(to_version), content.as_ref()), how)
            }
            Self::SetConfig { key, value, how } => {
                let (key, value) = (Some(key.clone()), Some(value.clone()));
                (ActionRequest { key, value, ..of(ActionKind::SetConfig, how) }, how)
            }
            Self::DryRun { .. } => return None,
            Self::Undo { id, how } => {
                let request = ActionRequest {
                    run: Some(id.clone()),
                    ..ActionRequest::new(ActionKind::Undo, NodeSelection::All)
                };
                return Some((request, how));
            }
        };
        Some((request, &how.ways))
    }
}

/// Asks every node of a kept plan, and changes nothing.
async fn dry_run(session: Session<'_>, plan: &str) -> Outcome {
    session
        .with_app(async |app| {
            let report = app.dry_run(plan).await?;
            session.out.show(&report, |out| found(out, &report));
            Ok(Exit::fine_if(report.hindered == 0))
        })
        .await
}

fn versioned(
    request: ActionRequest,
    version: Option<&String>,
    content: Option<&String>,
) -> ActionRequest {
    ActionRequest { version: version.cloned(), content: content.cloned(), ..request }
}

/// What to type to start it.
fn next(out: &Output, plan: &PlanView) {
    if plan.empty {
        out.say("nothing has to be done");
        return;
    }
    if !plan.startable {
        out.say(out.style.bad("cannot be run: a finding forbids it"));
        return;
    }
    let confirmed = match &plan.confirmation {
        ConfirmationView::Undo => String::new(),
        ConfirmationView::Dialog => " --yes".to_owned(),
        ConfirmationView::Typed { phrase } => format!(" --confirm {}", shell_word(phrase)),
    };
    out.say(format!("run it: plumb --fleet {} run {}{confirmed}", plan.fleet, plan.hash));
}
