//! A plan, its preview and its run, as a person reads them before and after.

use plumb_app::views::{
    plan::{ActionKind, ActionRequest, FindingView, NodeSelection, PlanView, SeverityView},
    run::{RunRefused, RunView},
};

use crate::{
    output::Output,
    text::{
        escape::{printable, shell_word},
        rollout::{plan_waves, run_waves},
        style::{Hue, state_word},
        table::{Cell, Table, or_dash, short},
    },
};

/// Targets, left-out nodes, findings, blast radius, and the same as command line and curl.
pub(crate) fn preview(out: &Output, plan: &PlanView) {
    let environment =
        if plan.environment.is_empty() { "no environment" } else { &plan.environment };
    out.say(out.style.bold(&printable(&plan.title)));
    out.say(format!("  fleet {} ({})", plan.fleet, printable(environment)));
    out.say(format!("  plan  {}", plan.hash));
    match plan.repeat {
        0 => {}
        1 => out.say("  the same was run once before"),
        count => out.say(format!("  the same was run {count} times before")),
    }
    out.say(format!("  blast radius: {} of {} nodes", plan.blast.nodes, plan.blast.of));
    for line in &plan.blast.lines {
        out.say(format!("    {}", printable(line)));
    }
    for line in &plan.pins {
        out.say(format!("  {}", printable(line)));
    }
    if !plan.targets.is_empty() {
        out.say("");
        targets(out, plan);
    }
    if let Some(rollout) = &plan.rollout {
        out.say("");
        plan_waves(out, rollout);
    }
    if !plan.left_out.is_empty() {
        out.say("");
        out.say("left out");
        for left in &plan.left_out {
            out.say(format!("  {}  {}", printable(&left.node), printable(&left.reason)));
        }
    }
    if !plan.findings.is_empty() {
        out.say("");
        out.say("findings");
        plan.findings.iter().for_each(|found| finding(out, found));
    }
    out.say("");
    out.say(out.style.faint(&format!("$ {}", printable(&plan.cli))));
    for line in &plan.curl {
        out.say(out.style.faint(&format!("$ {}", printable(line))));
    }
    out.say("");
}

fn targets(out: &Output, plan: &PlanView) {
    let mut table = Table::new(&["node", "state", "from", "to", "effects", "undo"]);
    for target in &plan.targets {
        let runs = |version: &Option<String>, content: &Option<String>| {
            format!("{} {}", or_dash(version.as_deref()), short(content.as_deref()))
        };
        table.row([
            Cell::from(&target.node),
            Cell::painted(format!("? {}", state_word(target.state)), out.style.state(target.state)),
            Cell::from(runs(&target.from_version, &target.from_content)),
            Cell::from(runs(&target.to_version, &target.to_content)),
            Cell::from(target.effects.join("; ")),
            Cell::from(&target.undo),
        ]);
    }
    table.print(out);
}

fn finding(out: &Output, finding: &FindingView) {
    let (hue, word) = match finding.severity {
        SeverityView::Note => (Hue::Grey, "· note"),
        SeverityView::Warning => (Hue::Orange, "◷ warning"),
        SeverityView::Fatal => (Hue::Vermilion, "× fatal"),
    };
    let node = finding.node.as_deref().map(|node| format!("{node} ")).unwrap_or_default();
    out.say(format!(
        "  {}  {}",
        out.style.paint(hue, word),
        printable(&format!("{node}{}; {}", finding.message, finding.remedy))
    ));
}

/// How a run ended, node by node, with the proof.
pub(crate) fn result(out: &Output, run: &RunView) {
    if let Some(rollout) = &run.rollout {
        run_waves(out, rollout);
    }
    for bypassed in &run.bypassed {
        out.say(out.style.bad(&printable(bypassed)));
    }
    if !run.nodes.is_empty() {
        let mut table = Table::new(&["node", "result", "proof"]);
        for node in &run.nodes {
            let painted = out.style.run_node(node.state);
            let plain = crate::text::style::Style { coloured: false }.run_node(node.state);
            table.row([
                Cell::from(&node.node),
                Cell::painted(plain, painted),
                Cell::from(&node.detail),
            ]);
        }
        table.print(out);
    }
    out.say(format!("{} (run {})", out.style.bold(&printable(&run.summary)), run.id));
    out.say(out.style.faint(&format!(
        "journal: {} events, signed to {}, head {}; check it with: plumb journal verify {}",
        run.journal_events,
        run.journal_signed_to,
        short(Some(&run.journal_head)),
        run.id
    )));
    if let Some(why) = &run.journal_unsigned {
        out.say(out.style.bad(&format!("journal NOT signed: {}", printable(why))));
    }
    if let Some(refused) = &run.refused {
        taken_back(out, refused);
    }
    if let Some(undo) = &run.undo {
        out.say(format!("undo: {}", command_line(&run.fleet, undo)));
    }
}

/// What a run took back, and who refuses it from now on.
fn taken_back(out: &Output, refused: &RunRefused) {
    let contents: Vec<String> = refused.contents.iter().map(|it| short(Some(it))).collect();
    let by = match refused.list_version {
        None => "by this console only".to_owned(),
        Some(version) => format!("on list version {version}, which {} nodes hold", refused.holding),
    };
    out.say(format!("refused from now on: {}, {by}", contents.join(", ")));
    for (what, nodes) in [
        ("nodes that hold another list or none", &refused.behind),
        ("nodes that cannot enforce a list", &refused.cannot),
    ] {
        if !nodes.is_empty() {
            out.say(format!("  {what}: {}", printable(&nodes.join(", "))));
        }
    }
    if let Some(to_do) = &refused.to_do {
        out.say(out.style.bad(&format!("still to do: {}", printable(to_do))));
    }
}

/// A request as a command line that does it.
pub(crate) fn command_line(fleet: &str, request: &ActionRequest) -> String {
    let version = request.version.as_deref().map(shell_word);
    let content =
        request.content.as_ref().map(|content| format!(" --content {content}")).unwrap_or_default();
    let named = version.clone().unwrap_or_default();
    let words = match request.kind {
        ActionKind::Sync if request.force => "policy sync --force".to_owned(),
        ActionKind::Sync => "policy sync".to_owned(),
        ActionKind::Pin => format!("policy pin --version {named}{content}"),
        ActionKind::PinAndSync => format!("policy pin --sync --version {named}{content}"),
        ActionKind::Rollback => match version {
            Some(version) => format!("policy rollback --to-version {version}"),
            None => "policy rollback".to_owned(),
        },
        ActionKind::Unpin => "policy unpin".to_owned(),
        ActionKind::SetConfig => {
            let word = |text: &Option<String>| shell_word(text.as_deref().unwrap_or_default());
            format!("policy config set {} {}", word(&request.key), word(&request.value))
        }
        ActionKind::Undo => {
            let run = request.run.as_deref().unwrap_or_default();
            return format!("plumb --fleet {fleet} runs undo {}", shell_word(run));
        }
        ActionKind::Restart => "service restart policy-engine".to_owned(),
        ActionKind::ResolveConflict => {
            return format!(
                "plumb --fleet {fleet} policy resolve-conflict --to-version {named}{content}"
            );
        }
    };
    let scope = match &request.nodes {
        NodeSelection::All => " --all-nodes".to_owned(),
        NodeSelection::Drifted => " --drifted".to_owned(),
        NodeSelection::Filter { filter } => format!(" --filter {}", shell_word(filter)),
        NodeSelection::Nodes { ids } => {
            ids.iter().flat_map(|id| [" --node ".to_owned(), shell_word(id)]).collect()
        }
    };
    format!("plumb --fleet {fleet} {words}{scope}")
}
