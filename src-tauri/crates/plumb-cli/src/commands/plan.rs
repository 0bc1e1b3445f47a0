//! `plan`: waves, gates and findings of a change, kept under a hash that `run` starts.

mod rollout;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};
use plumb_app::views::plan::{
    ActionKind, ActionRequest, ConfirmationView, NodeSelection, PlanView,
};

use crate::{
    args::Targets,
    exit::Outcome,
    output::Output,
    session::Session,
    text::{escape::shell_word, plan::preview},
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
    /// Take a run back: its nodes to where they were, and the pins it replaced
    Undo {
        #[arg(value_name = "RUN")]
        id: String,
        #[command(flatten)]
        rollout: rollout::RolloutArgs,
        /// Write the canonical bytes of the plan to this file
        #[arg(short, long, value_name = "FILE")]
        output: Option<Utf8PathBuf>,
    },
}

/// Nodes, waves and gates of a plan.
#[derive(Debug, Args)]
struct How {
    #[command(flatten)]
    targets: Targets,
    #[command(flatten)]
    rollout: rollout::RolloutArgs,
    /// Write the canonical bytes of the plan to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
}

impl Plan {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let (request, rollout, output) = self.verb.request();
        let request = ActionRequest { rollout: rollout.request()?, ..request };
        session
            .with_fleet(async |app, fleet| {
                let look = session.look(app, fleet, None).await?;
                let plan = app.prepare_plan(fleet, &request).await?;
                if let Some(path) = output {
                    app.export_plan(&plan.hash, path.clone()).await?;
                }
                session.out.show(&plan, |out| {
                    preview(out, &plan);
                    next(out, &plan);
                });
                Ok(look.exit(plan.empty || plan.startable))
            })
            .await
    }
}

impl Verb {
    fn request(&self) -> (ActionRequest, &rollout::RolloutArgs, Option<&Utf8PathBuf>) {
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
            Self::Undo { id, rollout, output } => {
                let request = ActionRequest {
                    run: Some(id.clone()),
                    ..ActionRequest::new(ActionKind::Undo, NodeSelection::All)
                };
                return (request, rollout, output.as_ref());
            }
        };
        (request, &how.rollout, how.output.as_ref())
    }
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
