//! The version bar: which share of the nodes runs what.

use plumb_fleet::DriftState;

use crate::{
    canvas::{Anchor, CHARACTER, Canvas, Ink, MARGIN, Picture, WIDTH, picture},
    palette::{Palette, glyph, word},
    text::{count, counted, percent, shortened},
};

/// Nodes that have a version, or a version and a content, in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// What is shown for it, such as `2.0.0`.
    pub label: String,
    pub count: usize,
    pub state: DriftState,
}

/// More shares than this are one share of the rest: a thinner one could not be pointed at.
const SHARES_MAX: usize = 12;
const BAR_TOP: i32 = MARGIN;
const BAR_BOTTOM: i32 = BAR_TOP + 36;
/// Narrowest segment: room for a glyph.
const SEGMENT_MIN: i32 = 28;
const GAP: i32 = 2;
const LEGEND_COLUMNS: usize = 3;
const LEGEND_ROW: i32 = 24;

/// Draws shares in the order given, wide by their count, with a legend below.
pub fn version_bar(shares: &[Share], palette: &Palette) -> Picture {
    let shares = gathered(shares);
    let total = shares.iter().map(|share| share.count).sum();
    let rows = i32::try_from(shares.len().div_ceil(LEGEND_COLUMNS)).unwrap_or(i32::MAX);
    let height = BAR_BOTTOM + MARGIN + rows * LEGEND_ROW + MARGIN / 2;
    let description = shares.iter().map(|share| sentence(share, total)).collect::<Vec<_>>();
    let description =
        if shares.is_empty() { "No node was seen.".to_owned() } else { description.join("; ") };
    let title = format!("What {} run", counted(total, "node"));
    picture(height, &title, &description, palette, |canvas| {
        if shares.is_empty() {
            canvas.area((MARGIN, BAR_TOP), (WIDTH - MARGIN, BAR_BOTTOM), palette.line);
            let middle = (WIDTH / 2, middle());
            canvas.text("no node was seen", middle, Ink::new(palette.muted).at(Anchor::Middle));
        }
        let mut left = MARGIN;
        for (share, width) in shares.iter().zip(widths(&shares)) {
            segment(canvas, share, left, width, palette);
            left += width + GAP;
        }
        for (index, share) in shares.iter().enumerate() {
            legend(canvas, index, share, total, palette);
        }
    })
}

const fn middle() -> i32 {
    i32::midpoint(BAR_TOP, BAR_BOTTOM)
}

/// Shares with nodes; what does not fit is one share with the worst state of the rest.
fn gathered(shares: &[Share]) -> Vec<Share> {
    let mut kept: Vec<Share> = shares.iter().filter(|share| share.count > 0).cloned().collect();
    if kept.len() > SHARES_MAX {
        let rest = kept.split_off(SHARES_MAX - 1);
        kept.push(Share {
            label: format!("{} more", rest.len()),
            count: rest.iter().map(|share| share.count).sum(),
            state: rest.iter().map(|share| share.state).min().unwrap_or(DriftState::Unknown),
        });
    }
    kept
}

fn sentence(share: &Share, total: usize) -> String {
    format!(
        "{}: {} ({}), {}",
        share.label,
        counted(share.count, "node"),
        percent(share.count, total),
        word(share.state).to_lowercase()
    )
}

/// Widths that fill the bar: each at least the minimum, the rest by count.
fn widths(shares: &[Share]) -> Vec<i32> {
    let number = i32::try_from(shares.len()).unwrap_or(i32::MAX);
    let free = WIDTH - 2 * MARGIN - (number - 1) * GAP - number * SEGMENT_MIN;
    let total: u128 = shares.iter().map(|share| share.count as u128).sum();
    let pixels = |nodes: u128| {
        let share = nodes * u128::from(free.unsigned_abs()) / total.max(1);
        i32::try_from(share).unwrap_or(i32::MAX)
    };
    // Differences of running sums: what is rounded away from one segment is in the next.
    let mut before = 0_u128;
    let width = |share: &Share| {
        let after = before + share.count as u128;
        let width = SEGMENT_MIN + pixels(after) - pixels(before);
        before = after;
        width
    };
    shares.iter().map(width).collect()
}

fn segment(canvas: &mut Canvas, share: &Share, left: i32, width: i32, palette: &Palette) {
    let colour = palette.state(share.state);
    canvas.area((left, BAR_TOP), (left + width, BAR_BOTTOM), palette.tint(share.state));
    canvas.area((left, BAR_BOTTOM - 4), (left + width, BAR_BOTTOM), colour);
    let y = middle() - 2;
    let centre = (left + SEGMENT_MIN / 2, y);
    canvas.text(glyph(share.state), centre, Ink::new(colour).bold().at(Anchor::Middle));
    let room = usize::try_from((width - SEGMENT_MIN - 4) / CHARACTER).unwrap_or(0);
    if room < 4 {
        return;
    }
    let label = shortened(&share.label, room.min(40));
    let ends = i32::try_from(label.chars().count()).unwrap_or(0) * (CHARACTER + 1);
    canvas.text(&label, (left + SEGMENT_MIN, y), Ink::new(palette.text).bold());
    let number = count(share.count);
    let needed = ends + i32::try_from(number.len()).unwrap_or(0) * CHARACTER + 8;
    if width - SEGMENT_MIN >= needed {
        let at = (left + width - 8, y);
        canvas.text(&number, at, Ink::new(palette.muted).at(Anchor::End));
    }
}

fn legend(canvas: &mut Canvas, index: usize, share: &Share, total: usize, palette: &Palette) {
    let column = i32::try_from(index % LEGEND_COLUMNS).unwrap_or(0);
    let row = i32::try_from(index / LEGEND_COLUMNS).unwrap_or(0);
    let column_width = (WIDTH - 2 * MARGIN) / 3;
    let (left, y) =
        (MARGIN + column * column_width, BAR_BOTTOM + MARGIN + row * LEGEND_ROW + LEGEND_ROW / 2);
    canvas.area((left, y - 8), (left + 16, y + 8), palette.state(share.state));
    let on_colour = Ink::new(palette.ink).bold().at(Anchor::Middle);
    canvas.text(glyph(share.state), (left + 8, y), on_colour);
    canvas.text(word(share.state), (left + 24, y), Ink::new(palette.muted));
    canvas.text(&shortened(&share.label, 13), (left + 108, y), Ink::new(palette.text).bold());
    let figure = format!("{} · {}", count(share.count), percent(share.count, total));
    let at = (left + column_width - 20, y);
    canvas.text(&figure, at, Ink::new(palette.text).at(Anchor::End));
}
