//! `policy version`, `policy version diff` and `policy active` (R016-R018, R037).

use clap::{Args, Subcommand};
use plumb_app::views::{
    drift::Baseline,
    fleet::{DesiredView, DriftStateView, VersionShare},
    versions::{VersionDiffView, VersionsView},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::Nodes,
    exit::{Exit, Outcome},
    output::Output,
    session::Session,
    text::{
        age::{age, age_or_dash},
        count,
        diff::{groups, policies},
        escape::printable,
        style::state_word,
        table::{Cell, Table, or_dash, short},
    },
};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Version {
    #[command(flatten)]
    nodes: Nodes,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Group nodes by what they run and say how the groups differ
    Diff(Diff),
}

#[derive(Debug, Args)]
struct Diff {
    /// Every node of the fleet (also without this word)
    #[arg(long)]
    all_instances: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Active {
    /// Also list every version in use
    #[arg(long)]
    show_version: bool,
}

/// The desired version, and what is active.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ActiveDocument {
    pub(crate) fleet: String,
    pub(crate) desired: Option<DesiredView>,
    /// What most nodes run; nothing when no node ever reported.
    pub(crate) active: Option<VersionShare>,
    pub(crate) nodes: u32,
    /// Largest share first.
    pub(crate) versions: Vec<VersionShare>,
}

impl Version {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        if let Some(Verb::Diff(Diff { all_instances: _ })) = &self.verb {
            return diff(session).await;
        }
        session
            .with_fleet(async |app, fleet| {
                let look = session.look(app, fleet, self.nodes.named()).await?;
                let view = app.versions(fleet, self.nodes.named()).await?;
                session.out.show(&view, |out| {
                    session.origin(&view.fleet, view.sweep.as_ref(), view.now_ms);
                    table(out, &view);
                });
                Ok(look.exit(as_desired(&view)))
            })
            .await
    }
}

/// Every node shown runs what is desired; where nothing is desired, all run the same.
fn as_desired(view: &VersionsView) -> bool {
    let in_sync = view.nodes.iter().all(|node| node.state == DriftStateView::InSync);
    let undecided = view.desired.is_none()
        && view.versions.len() <= 1
        && view
            .nodes
            .iter()
            .all(|node| node.state == DriftStateView::Unknown && node.failure.is_none());
    in_sync || undecided
}

fn table(out: &Output, view: &VersionsView) {
    out.say(desired_line(view.desired.as_ref(), view.now_ms));
    let mut table = Table::new(&[
        "state",
        "node",
        "api",
        "version",
        "content",
        "digest age",
        "load age",
        "seen",
        "why",
    ]);
    for node in &view.nodes {
        table.row([
            Cell::painted(format!("? {}", state_word(node.state)), out.style.state(node.state)),
            Cell::from(&node.id),
            Cell::from(&node.api),
            Cell::from(or_dash(node.version.as_deref())),
            Cell::from(short(node.content.as_deref())),
            Cell::from(age_or_dash(view.now_ms, node.confirmed_at_ms)),
            Cell::from(age_or_dash(view.now_ms, node.loaded_at_ms)),
            Cell::from(age_or_dash(view.now_ms, node.seen_at_ms)),
            Cell::from(&node.why),
        ]);
    }
    table.print(out);
    for node in view.nodes.iter().filter(|node| !node.cautions.is_empty()) {
        let text = format!("{}: {}", node.id, node.cautions.join("; "));
        out.say(out.style.faint(&printable(&text)));
    }
}

/// The desired version in a line.
pub(crate) fn desired_line(desired: Option<&DesiredView>, now_ms: i64) -> String {
    let Some(desired) = desired else { return "desired: none is set for the fleet".to_owned() };
    let content =
        desired.content.as_deref().map(|_| format!(" {}", short(desired.content.as_deref())));
    let pinned = match (&desired.pinned_by, desired.since_ms) {
        (Some(by), Some(since)) => {
            format!(", pinned by {} {} ago", printable(by), age(now_ms, since))
        }
        (Some(by), None) => format!(", pinned by {}", printable(by)),
        (None, _) => ", by the fleet file".to_owned(),
    };
    format!("desired: {}{}{pinned}", printable(&desired.version), content.unwrap_or_default())
}

async fn diff(session: Session<'_>) -> Outcome {
    session
        .with_fleet(async |app, fleet| {
            let look = session.look(app, fleet, None).await?;
            let wanted = app.version_diff(fleet, &Baseline::Desired).await?;
            let view = if wanted.baseline.unavailable.is_some() {
                app.version_diff(fleet, &Baseline::Majority).await?
            } else {
                wanted
            };
            session.out.show(&view, |out| {
                session.origin(&view.fleet, view.sweep.as_ref(), view.now_ms);
                show_diff(out, &view);
            });
            Ok(look.exit(view.consistent))
        })
        .await
}

fn show_diff(out: &Output, view: &VersionDiffView) {
    let verdict = out.style.verdict(
        view.consistent,
        "every node that reported runs one version and one content",
        &format!("{}, {}", count(view.versions, "version"), count(view.contents, "content")),
    );
    out.say(verdict);
    out.say(format!("compared with {}", printable(&view.baseline.label)));
    groups(out, &view.groups);
    for diff in &view.diffs {
        let group = view.groups.iter().find(|group| group.key == diff.group);
        let letter = group.map_or("?", |group| group.letter.as_str());
        let nodes = group.map_or(0, |group| group.count);
        policies(out, &format!("group {letter} ({})", count(nodes, "node")), diff);
    }
}

impl Active {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_fleet(async |app, fleet| {
                let look = session.look(app, fleet, None).await?;
                let view = app.versions(fleet, None).await?;
                let told = |share: &&VersionShare| share.version.is_some();
                let active = view.versions.iter().find(told).cloned();
                let nodes = u32::try_from(view.nodes.len()).unwrap_or(u32::MAX);
                session.origin(&view.fleet, view.sweep.as_ref(), view.now_ms);
                let document = ActiveDocument {
                    fleet: view.fleet,
                    desired: view.desired,
                    active,
                    nodes,
                    versions: view.versions,
                };
                session.out.show(&document, |out| self.show(out, &document, view.now_ms));
                Ok(if look.reached_nobody() { Exit::Unreachable } else { Exit::Fine })
            })
            .await
    }

    fn show(&self, out: &Output, document: &ActiveDocument, now_ms: i64) {
        out.say(desired_line(document.desired.as_ref(), now_ms));
        match &document.active {
            None => out.say("active: no node ever reported"),
            Some(active) => out.say(format!(
                "active:  {} {} on {} of {} nodes",
                printable(&or_dash(active.version.as_deref())),
                short(active.content.as_deref()),
                active.count,
                document.nodes
            )),
        }
        if self.show_version {
            let mut table = Table::new(&["nodes", "version", "content", "state", "note"]);
            for share in &document.versions {
                let twin = if share.same_version_other_content {
                    "same version, other content"
                } else {
                    ""
                };
                table.row([
                    Cell::from(share.count.to_string()),
                    Cell::from(or_dash(share.version.as_deref())),
                    Cell::from(short(share.content.as_deref())),
                    Cell::painted(
                        format!("? {}", state_word(share.state)),
                        out.style.state(share.state),
                    ),
                    Cell::from(twin),
                ]);
            }
            table.print(out);
        }
    }
}
