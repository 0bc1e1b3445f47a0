//! Differences of policies and of their texts.

use plumb_app::views::drift::{
    DiffRow, DiffRowKind, DiffSide, GroupView, PolicyChange, PolicyDiffView, TextDiffView,
};

use crate::{
    output::Output,
    text::{
        escape::printable,
        style::{Hue, state_word},
        table::{Cell, Table, or_dash, short},
    },
};

/// Equal lines shown around a change.
const CONTEXT: usize = 3;
/// Node names in a row of groups.
const NAMES_SHOWN: usize = 6;

/// Groups of nodes by what they run, largest first.
pub(crate) fn groups(out: &Output, groups: &[GroupView]) {
    let mut table = Table::new(&["group", "nodes", "version", "content", "state", "note", "names"]);
    for group in groups {
        let names: Vec<&str> = group.nodes.iter().take(NAMES_SHOWN).map(String::as_str).collect();
        let more = (group.count as usize).saturating_sub(names.len());
        let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
        let note = match (group.is_baseline, &group.note) {
            (true, _) => "baseline",
            (false, Some(note)) => note,
            (false, None) => "",
        };
        table.row([
            Cell::from(&group.letter),
            Cell::from(group.count.to_string()),
            Cell::from(or_dash(group.version.as_deref())),
            Cell::from(short(group.content.as_deref())),
            Cell::painted(format!("? {}", state_word(group.state)), out.style.state(group.state)),
            Cell::from(note),
            Cell::from(format!("{}{rest}", names.join(", "))),
        ]);
    }
    table.print(out);
}

/// Policies that differ; equal ones are counted.
pub(crate) fn policies(out: &Output, title: &str, diff: &PolicyDiffView) {
    out.say("");
    out.say(out.style.bold(title));
    if let Some(reason) = &diff.unavailable {
        out.say(format!("  not compared: {}", printable(reason)));
        return;
    }
    let counts = [
        (diff.added, "added"),
        (diff.removed, "removed"),
        (diff.changed, "changed"),
        (diff.moved, "moved"),
    ];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    let equal = diff.policies.iter().filter(|line| line.change == PolicyChange::Equal).count();
    let parts = if parts.is_empty() { "no policy differs".to_owned() } else { parts.join(", ") };
    out.say(format!("  {parts}; {equal} equal"));
    for line in diff.policies.iter().filter(|line| line.change != PolicyChange::Equal) {
        let (mark, hue, word) = match line.change {
            PolicyChange::Added => ("+", Hue::Green, "added"),
            PolicyChange::Removed => ("-", Hue::Vermilion, "removed"),
            PolicyChange::Changed => ("~", Hue::Orange, "changed"),
            PolicyChange::Moved | PolicyChange::Equal => ("↕", Hue::Sky, "moved"),
        };
        let place = match (line.from_position, line.to_position) {
            (Some(from), Some(to)) if from != to => format!(", place {from} → {to}"),
            (Some(place), None) | (None, Some(place)) => format!(", place {place}"),
            _ => String::new(),
        };
        let also =
            if line.moved && line.change == PolicyChange::Changed { " and moved" } else { "" };
        let text = format!("{mark} {}  {word}{also}{place}", printable(&line.id));
        out.say(format!("  {}", out.style.paint(hue, &text)));
    }
}

/// One policy as a unified diff, or its two sides beside each other.
pub(crate) fn text(out: &Output, diff: &TextDiffView, side_by_side: bool) {
    out.say(out.style.bold(&format!("policy {}", printable(&diff.policy))));
    if diff.rows.iter().all(|row| row.kind == DiffRowKind::Equal) {
        out.say("  no difference");
        return;
    }
    let mut skipped = false;
    for (index, row) in diff.rows.iter().enumerate() {
        if !near_change(&diff.rows, index) {
            skipped = true;
            continue;
        }
        if std::mem::take(&mut skipped) {
            out.say(out.style.faint("  ..."));
        }
        if side_by_side { beside(out, row) } else { unified(out, row) }
    }
}

fn near_change(rows: &[DiffRow], index: usize) -> bool {
    let first = index.saturating_sub(CONTEXT);
    let last = (index + CONTEXT + 1).min(rows.len());
    rows[first..last].iter().any(|row| row.kind != DiffRowKind::Equal)
}

fn side_text(side: Option<&DiffSide>) -> String {
    let text: String = side.iter().flat_map(|side| &side.pieces).map(|p| p.text.as_str()).collect();
    printable(&text)
}

fn unified(out: &Output, row: &DiffRow) {
    let (left, right) = (side_text(row.left.as_ref()), side_text(row.right.as_ref()));
    match row.kind {
        DiffRowKind::Equal => out.say(format!("  {right}")),
        DiffRowKind::Changed => {
            out.say(out.style.bad(&format!("- {left}")));
            out.say(out.style.paint(Hue::Green, &format!("+ {right}")));
        }
        DiffRowKind::Removed => out.say(out.style.bad(&format!("- {left}"))),
        DiffRowKind::Added => out.say(out.style.paint(Hue::Green, &format!("+ {right}"))),
    }
}

fn beside(out: &Output, row: &DiffRow) {
    let half = if out.columns == usize::MAX { 60 } else { (out.columns.max(40) - 3) / 2 };
    let fit = |text: String| {
        let mut text: String = text.chars().take(half).collect();
        let missing = half.saturating_sub(text.chars().count());
        text.push_str(&" ".repeat(missing));
        text
    };
    let mark = match row.kind {
        DiffRowKind::Equal => " ",
        DiffRowKind::Changed => "|",
        DiffRowKind::Added => ">",
        DiffRowKind::Removed => "<",
    };
    let line =
        format!("{} {mark} {}", fit(side_text(row.left.as_ref())), side_text(row.right.as_ref()));
    let hue = match row.kind {
        DiffRowKind::Equal => return out.say(line.trim_end()),
        DiffRowKind::Changed => Hue::Orange,
        DiffRowKind::Added => Hue::Green,
        DiffRowKind::Removed => Hue::Vermilion,
    };
    out.say(out.style.paint(hue, line.trim_end()));
}
