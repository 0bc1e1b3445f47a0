//! What a dry run found, as a person reads it.

use plumb_app::views::dry_run::DryRunView;

use crate::{
    output::Output,
    text::{
        escape::printable,
        style::Hue,
        table::{Cell, Table, short},
    },
};

/// Answers by how many nodes gave them, nodes with which it would not go as planned, and what changed.
pub(crate) fn found(out: &Output, report: &DryRunView) {
    out.say("dry run: every node was asked, nothing was changed");
    for line in &report.summary {
        out.say(format!("  {}", printable(line)));
    }
    let hindered = report.nodes.iter().filter(|node| node.hindrance.is_some());
    let mut table = Table::new(&["node", "would not go as planned", "runs"]);
    for node in hindered {
        let why = node.hindrance.as_deref().unwrap_or_default();
        table.row([
            Cell::from(&node.node),
            Cell::from(printable(why)),
            Cell::from(short(node.runs_content.as_deref())),
        ]);
    }
    if report.hindered > 0 {
        table.print(out);
    }
    for change in &report.decisions {
        let line = format!("  {}", printable(&change.sentence));
        let harmless = change.not_compared.is_none() && change.flips + change.not_evaluated == 0;
        out.say(if harmless { line } else { out.style.paint(Hue::Orange, &line) });
        for kind in &change.kinds {
            out.say(format!("    {}", printable(kind)));
        }
    }
    for line in &report.changed {
        out.say(out.style.bad(&format!("  otherwise than before: {}", printable(line))));
    }
    out.say(out.style.faint(&format!("dry run {}", report.digest)));
}
