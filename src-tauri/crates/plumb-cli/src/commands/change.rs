//! What changes of settings and lifted pins share: preview, confirm, make, tell.

use plumb_app::{
    actions::configure::NodeRequest,
    views::configure::{ChangeOutcome, ChangePreview, ChangeView},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::{Confirm, Nodes},
    confirm::confirm,
    exit::{Exit, Outcome},
    output::Output,
    session::Session,
    text::{
        count,
        escape::printable,
        style::Hue,
        table::{Cell, Table, or_dash},
    },
};

/// A change, and what became of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ChangeDocument {
    pub(crate) preview: ChangePreview,
    /// Nothing when it was not made.
    pub(crate) change: Option<ChangeView>,
}

/// Previews a change, asks, and makes it.
pub(crate) async fn change(
    session: Session<'_>,
    nodes: &Nodes,
    request: &NodeRequest,
    given: &Confirm,
) -> Outcome {
    session
        .with_fleet(async |app, fleet| {
            let preview = app.preview_change(fleet, nodes.named(), request).await?;
            show_preview(session.out, &preview);
            if given.dry_run {
                session.out.say("dry run: nothing was changed");
                session.out.show(&ChangeDocument { preview, change: None }, |_| ());
                return Ok(Exit::Fine);
            }
            let typed = confirm(session.out, &preview.confirmation, given)?;
            let change = app.change_nodes(fleet, nodes.named(), request, typed.as_deref()).await?;
            let nobody = !change.nodes.is_empty()
                && change.nodes.iter().all(|node| node.outcome == ChangeOutcome::NotSent);
            let fine = change.complete && (!change.nodes.is_empty() || !change.recorded.is_empty());
            let document = ChangeDocument { preview, change: Some(change) };
            session.out.show(&document, |out| {
                document.change.iter().for_each(|change| show_change(out, change));
                undo(out, &document, request);
            });
            Ok(if nobody { Exit::Unreachable } else { Exit::fine_if(fine) })
        })
        .await
}

fn show_preview(out: &Output, preview: &ChangePreview) {
    out.say(out.style.bold(&printable(&preview.title)));
    out.say(format!("  {} of fleet {}", count(preview.nodes.len() as u64, "node"), preview.fleet));
    for node in &preview.nodes {
        out.say(format!(
            "  {}  now {}",
            printable(&node.node),
            printable(&or_dash(node.before.as_deref()))
        ));
    }
    for left in &preview.left_out {
        out.say(format!("  {}  left out: {}", printable(&left.node), printable(&left.reason)));
    }
    for line in &preview.curl {
        out.say(out.style.faint(&format!("$ {}", printable(line))));
    }
}

fn show_change(out: &Output, change: &ChangeView) {
    for line in &change.recorded {
        out.say(printable(line));
    }
    if change.nodes.is_empty() {
        if change.recorded.is_empty() {
            out.say("no node was changed");
        }
        return;
    }
    let mut table = Table::new(&["node", "result", "detail"]);
    for node in &change.nodes {
        let (hue, word) = match node.outcome {
            ChangeOutcome::Done => (Hue::Green, "✓ done"),
            ChangeOutcome::Refused => (Hue::Vermilion, "× refused"),
            ChangeOutcome::InDoubt => (Hue::Orange, "? in doubt"),
            ChangeOutcome::NotSent => (Hue::Vermilion, "× not sent"),
        };
        table.row([
            Cell::from(&node.node),
            Cell::painted(word, out.style.paint(hue, word)),
            Cell::from(&node.detail),
        ]);
    }
    table.print(out);
}

/// The former values, as commands that set them again.
fn undo(out: &Output, document: &ChangeDocument, request: &NodeRequest) {
    let NodeRequest::Set { key, value } = request else { return };
    for node in &document.preview.nodes {
        if let Some(before) = node.before.as_ref().filter(|before| *before != value) {
            out.say(format!(
                "undo: plumb --fleet {} policy config set {key} {} --node {}",
                document.preview.fleet,
                crate::text::escape::shell_word(before),
                node.node
            ));
        }
    }
}
