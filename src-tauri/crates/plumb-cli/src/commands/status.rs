//! `policy status`: how nodes stand to what is desired, or everything about one (R028).

use clap::Args;
use plumb_app::views::{
    fleet::{ReloadOrigin, ReloadView},
    node::NodeView,
    verification::{CheckWord, ReadinessView, VerificationView, VerifiedView},
    versions::VersionsView,
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    commands::version::desired_line,
    exit::Outcome,
    output::Output,
    session::Session,
    text::{
        age::{age, age_or_dash, moment},
        escape::printable,
        style::state_word,
        table::{Cell, Table, or_dash, short},
    },
};

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Everything about this node
    #[arg(long, value_name = "ID", conflicts_with = "all_nodes")]
    node: Option<String>,
    /// Every node of the fleet (also without this word)
    #[arg(long)]
    all_nodes: bool,
}

/// Everything about one node.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct NodeDocument {
    pub(crate) fleet: String,
    pub(crate) now_ms: i64,
    pub(crate) node: NodeView,
}

impl Status {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match &self.node {
            Some(node) => one(session, node).await,
            None => all(session).await,
        }
    }
}

async fn all(session: Session<'_>) -> Outcome {
    session
        .with_fleet(async |app, fleet| {
            let look = session.look(app, fleet, None).await?;
            let view = app.versions(fleet, None).await?;
            session.out.show(&view, |out| {
                session.origin(&view.fleet, view.sweep.as_ref(), view.now_ms);
                summary(out, &view);
            });
            let drifted = view
                .counts
                .iter()
                .any(|count| count.count > 0 && state_word(count.state) != "in_sync");
            Ok(look.exit(!drifted))
        })
        .await
}

/// Counts a state and the nodes in it.
pub(crate) fn summary(out: &Output, view: &VersionsView) {
    out.say(desired_line(view.desired.as_ref(), view.now_ms));
    let mut table = Table::new(&["state", "nodes", "names"]);
    for count in view.counts.iter().filter(|count| count.count > 0) {
        let names: Vec<&str> = view
            .nodes
            .iter()
            .filter(|node| node.state == count.state)
            .map(|node| node.id.as_str())
            .take(8)
            .collect();
        let more = (count.count as usize).saturating_sub(names.len());
        let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
        table.row([
            Cell::painted(format!("? {}", state_word(count.state)), out.style.state(count.state)),
            Cell::from(count.count.to_string()),
            Cell::from(format!("{}{rest}", names.join(", "))),
        ]);
    }
    table.print(out);
}

async fn one(session: Session<'_>, node: &str) -> Outcome {
    session
        .with_fleet(async |app, fleet| {
            let named = [node.to_owned()];
            let look = session.look(app, fleet, Some(&named)).await?;
            let view = app.node(fleet, node).await?;
            let now_ms = app.now().as_millisecond();
            let fine = state_word(view.row.state) == "in_sync";
            let document = NodeDocument { fleet: fleet.to_owned(), now_ms, node: view };
            session.out.show(&document, |out| show(out, &document));
            Ok(look.exit(fine))
        })
        .await
}

fn show(out: &Output, document: &NodeDocument) {
    let (node, now_ms) = (&document.node, document.now_ms);
    let row = &node.row;
    out.say(format!(
        "{}  {}  {}",
        out.style.bold(&printable(&row.id)),
        row.api,
        printable(&node.url)
    ));
    out.say(format!("{}  {}", out.style.state(row.state), printable(&row.why)));
    let line = |name: &str, value: &str| out.say(format!("  {name:<16}{}", printable(value)));
    let named = |version: Option<&str>, content: Option<&str>| {
        format!("{} {}", or_dash(version), short(content))
    };
    line("runs", &named(row.version.as_deref(), row.content.as_deref()));
    if let Some(desired) = &node.desired {
        line("desired", &named(Some(&desired.version), desired.content.as_deref()));
    }
    if let Some(difference) = &node.difference {
        line("difference", difference);
    }
    if let Some(id) = &node.bundle_id {
        line("bundle", &format!("{id} {}", short(node.bundle_digest.as_deref())));
    }
    if let Some(signature) = &node.signature {
        line("signature", &format!("{}: {}", signature.verdict, signature.detail));
    }
    if let Some(seen) = &node.verification {
        verification(out, seen, row.unverified.as_deref(), now_ms);
    }
    if let Some(back) = &node.readiness {
        way_back(out, back);
    }
    line("seen", &format!("{} ago", age_or_dash(now_ms, row.seen_at_ms)));
    for figure in &node.figures {
        let caution = figure.caution.as_ref().map(|text| format!(" ({text})")).unwrap_or_default();
        let origin = format!("from {} {} ago", figure.source, age(now_ms, figure.at_ms));
        line(&figure.name.to_lowercase(), &format!("{}{caution}, {origin}", figure.value));
    }
    for caution in &row.cautions {
        line("caution", caution);
    }
    for gap in &node.gaps {
        line("not read", &format!("{}: {}", gap.source, gap.message));
    }
    for setting in &node.config {
        line("config", &format!("{} = {}", setting.key, setting.value));
    }
    for reload in node.reloads.iter().rev().take(5) {
        let version = or_dash(reload.version.as_deref());
        let how = if reload.success { "ok" } else { reload.error.as_deref().unwrap_or("failed") };
        let at = moment(reload.at_ms);
        let who = started(reload);
        let slow = reload.slow.as_ref().map(|slow| format!(", {slow}")).unwrap_or_default();
        line("reload", &format!("{at}  {version}  {:.1} ms  {how}{who}{slow}", reload.duration_ms));
    }
    line("policies", &node.policies.len().to_string());
    for action in &node.actions {
        match &action.disabled {
            None => line(&action.kind, &action.cli),
            Some(reason) => line(&action.kind, &format!("not possible: {reason}")),
        }
    }
}

/// How the node verified what it was offered last, and every check with what it found.
fn verification(out: &Output, seen: &VerificationView, problem: Option<&str>, now_ms: i64) {
    let line = |name: &str, value: &str| out.say(format!("  {name:<16}{}", printable(value)));
    let word = match seen.verified {
        VerifiedView::Yes => "yes".to_owned(),
        VerifiedView::No => format!("NO: {}", problem.unwrap_or("a check failed")),
        VerifiedView::Unknown => "not told".to_owned(),
    };
    line("verified", &format!("{word}, from {} {} ago", seen.source, age(now_ms, seen.at_ms)));
    if let Some(by) = &seen.carried_by {
        line("carried by", by);
    }
    if let Some(origin) = &seen.origin {
        line("source", origin);
    }
    if let Some(reason) = &seen.fallback {
        let since = seen.fallback_since_ms.map(|at| format!(" for {}", age(now_ms, at)));
        line("fallback", &format!("{reason}{}", since.unwrap_or_default()));
    }
    if seen.consecutive_failures > 0 {
        line("failures", &format!("{} in a row", seen.consecutive_failures));
    }
    for check in &seen.checks {
        let glyph = match check.outcome {
            CheckWord::Passed => "✓",
            CheckWord::Failed => "×",
            CheckWord::NotMade => "- not made:",
        };
        let detail = check.detail.as_ref().map(|detail| format!("  {detail}")).unwrap_or_default();
        line("check", &format!("{glyph} {}{detail}", check.name));
    }
}

/// Where a rollback would lead, and what proves it.
fn way_back(out: &Output, back: &ReadinessView) {
    let line = |name: &str, value: &str| out.say(format!("  {name:<16}{}", printable(value)));
    let ready = if back.ready { "ready" } else { "NOT READY" };
    let problem = back.problem.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    line("way back", &format!("{ready}{problem} ({})", back.driver));
    if let Some(version) = &back.version {
        let by = back.verified_by.as_deref().unwrap_or("not proven here");
        let file = or_dash(back.path.as_deref());
        let digest = short(back.digest.as_deref());
        line("", &format!("{version}  {file}  {digest}  signature: {by}"));
    }
}

/// Who started a reload, where anybody knows.
fn started(reload: &ReloadView) -> String {
    let word = match reload.origin {
        ReloadOrigin::Here => "started here",
        ReloadOrigin::Own => "by the node itself",
        ReloadOrigin::Elsewhere => "NOT STARTED HERE",
        ReloadOrigin::NotKnown => return String::new(),
    };
    let asked = reload.trigger.as_ref().map(|trigger| format!(" ({trigger})")).unwrap_or_default();
    format!("  {word}{asked}")
}
