//! What nodes ran over time: swim lanes of nodes that ran the same, and the raster of every node.

use jiff::Timestamp;
use plumb_fleet::DriftState;

use crate::{
    canvas::{Anchor, Canvas, Ink, MARGIN, Picture, WIDTH, picture},
    palette::{Palette, Rgb},
    reload_strip::moments,
    text::{counted, full_moment},
};

/// What a node ran for some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneSpan {
    pub from: Timestamp,
    pub to: Timestamp,
    /// Which of the kinds; nothing where it is not known.
    pub kind: Option<usize>,
    /// It answered.
    pub answers: bool,
}

/// Nodes that ran the same at the same time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub label: String,
    pub nodes: usize,
    pub spans: Vec<LaneSpan>,
}

/// Lanes over time. `kinds` are the versions and contents that occur, the wanted one first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lanes {
    pub kinds: Vec<String>,
    /// Larger groups first.
    pub lanes: Vec<Lane>,
    pub from: Timestamp,
    pub to: Timestamp,
}

/// Hues of kinds in their order; those beyond share the last one, and every kind has its letter.
const HUES: [DriftState; 8] = [
    DriftState::InSync,
    DriftState::Ahead,
    DriftState::Behind,
    DriftState::Tampered,
    DriftState::Stale,
    DriftState::Poisoned,
    DriftState::Diverged,
    DriftState::Unknown,
];
/// Lanes that are drawn; the rest is counted.
const LANES_MAX: usize = 24;
/// Kinds that the legend names.
const LEGEND_MAX: usize = 6;
const LEFT: i32 = MARGIN + 168;
const RIGHT: i32 = WIDTH - MARGIN;
const TOP: i32 = 60;
const LANE: i32 = 20;
const GAP: i32 = 6;
/// Rows of the raster: one a node, as long as there is room.
const ROWS_MAX: i32 = 360;

/// The letter of a kind.
pub fn letter(kind: usize) -> char {
    u8::try_from(kind).ok().filter(|kind| *kind < 26).map_or('*', |kind| char::from(b'A' + kind))
}

/// Swim lanes: one lane for nodes that ran the same, as high as any other.
pub fn timeline(all: &Lanes, palette: &Palette) -> Picture {
    let shown = all.lanes.len().min(LANES_MAX);
    let rest: usize = all.lanes[shown..].iter().map(|lane| lane.nodes).sum();
    let bottom = TOP + i32::try_from(shown.max(1)).unwrap_or(1) * (LANE + GAP);
    let height = bottom + 32 + if rest > 0 { 20 } else { 0 };
    picture(height, &title(all, "Versions and contents"), &description(all), palette, |canvas| {
        legend(canvas, all, palette);
        for (at, lane) in (0_i32..).zip(&all.lanes[..shown]) {
            let top = TOP + at * (LANE + GAP);
            canvas.text(&lane.label, (MARGIN, top + LANE / 2), Ink::new(palette.text));
            for span in &lane.spans {
                draw(canvas, all, span, (top, top + LANE), palette);
            }
        }
        nothing(canvas, all, palette);
        moments(canvas, all.from, all.to, (LEFT, RIGHT), bottom, palette);
        if rest > 0 {
            let words = format!("and {} in {}", counted(rest, "node"), other_lanes(all, shown));
            canvas.text(&words, (MARGIN, bottom + 40), Ink::new(palette.muted));
        }
    })
}

/// The raster: every node has its height, nodes that ran the same stand together.
pub fn raster(all: &Lanes, palette: &Palette) -> Picture {
    let nodes: usize = all.lanes.iter().map(|lane| lane.nodes).sum();
    let rows = i32::try_from(nodes).unwrap_or(ROWS_MAX).clamp(24, ROWS_MAX);
    let bottom = TOP + rows;
    picture(bottom + 32, &title(all, "Contents by node"), &description(all), palette, |canvas| {
        legend(canvas, all, palette);
        let mut above = 0;
        for lane in &all.lanes {
            let top = TOP + place(above, nodes, rows);
            above += lane.nodes;
            let end = TOP + place(above, nodes, rows);
            // A lane thinner than a pixel is in the one that its nodes share with others.
            if end == top {
                continue;
            }
            for span in &lane.spans {
                draw_plain(canvas, all, span, (top, end), palette);
            }
        }
        let ink = Ink::new(palette.muted);
        canvas.text(&counted(nodes, "node"), (MARGIN, TOP + rows / 2), ink);
        nothing(canvas, all, palette);
        moments(canvas, all.from, all.to, (LEFT, RIGHT), bottom, palette);
    })
}

fn other_lanes(all: &Lanes, shown: usize) -> String {
    counted(all.lanes.len() - shown, "other lane")
}

fn place(nodes: usize, of: usize, rows: i32) -> i32 {
    let rows = u128::from(rows.unsigned_abs());
    i32::try_from(nodes as u128 * rows / (of as u128).max(1)).unwrap_or(0)
}

fn title(all: &Lanes, what: &str) -> String {
    format!("{what} between {} and {}", full_moment(all.from), full_moment(all.to))
}

fn description(all: &Lanes) -> String {
    let nodes: usize = all.lanes.iter().map(|lane| lane.nodes).sum();
    let names = all.kinds.iter().enumerate().take(LEGEND_MAX);
    let names: Vec<String> = names.map(|(at, kind)| format!("{} {kind}", letter(at))).collect();
    format!(
        "{} in {} that ran the same at the same time: {}",
        counted(nodes, "node"),
        counted(all.lanes.len(), "group"),
        names.join(", ")
    )
}

fn nothing(canvas: &mut Canvas, all: &Lanes, palette: &Palette) {
    if all.lanes.is_empty() {
        let ink = Ink::new(palette.muted).at(Anchor::Middle);
        canvas.text("no node was seen in this time", (i32::midpoint(LEFT, RIGHT), TOP + 10), ink);
    }
}

fn colour(kind: usize, palette: &Palette) -> Rgb {
    palette.state(HUES[kind.min(HUES.len() - 1)])
}

fn legend(canvas: &mut Canvas, all: &Lanes, palette: &Palette) {
    let width = (RIGHT - MARGIN) / 3;
    for (at, kind) in (0_i32..).zip(all.kinds.iter().take(LEGEND_MAX)) {
        let (left, y) = (MARGIN + at % 3 * width, 14 + at / 3 * 20);
        let number = usize::try_from(at).unwrap_or(0);
        canvas.area((left, y - 7), (left + 14, y + 7), colour(number, palette));
        let ink = Ink::new(palette.ink).bold().at(Anchor::Middle);
        canvas.text(&letter(number).to_string(), (left + 7, y), ink);
        canvas.text(kind, (left + 22, y), Ink::new(palette.muted));
    }
}

/// Left and right edge of a span in pixels, as far as it lies in the picture.
fn edges(all: &Lanes, span: &LaneSpan) -> Option<(i32, i32)> {
    let x = |at: Timestamp| {
        let length = i128::from((all.to.as_millisecond() - all.from.as_millisecond()).max(1));
        let passed = i128::from(at.as_millisecond() - all.from.as_millisecond());
        let pixels = passed.clamp(0, length) * i128::from(RIGHT - LEFT) / length;
        LEFT + i32::try_from(pixels).unwrap_or(0)
    };
    let (left, right) = (x(span.from), x(span.to));
    (left < right).then_some((left, right))
}

fn draw_plain(
    canvas: &mut Canvas,
    all: &Lanes,
    span: &LaneSpan,
    (top, bottom): (i32, i32),
    palette: &Palette,
) -> Option<(i32, i32)> {
    let (left, right) = edges(all, span)?;
    match span.kind {
        Some(kind) if span.answers => {
            canvas.area((left, top), (right, bottom), colour(kind, palette));
        }
        Some(kind) => {
            canvas.area(
                (left, top),
                (right, bottom),
                colour(kind, palette).over(palette.ground, 35),
            );
        }
        None => canvas.area((left, top), (right, bottom), palette.line),
    }
    Some((left, right))
}

fn draw(
    canvas: &mut Canvas,
    all: &Lanes,
    span: &LaneSpan,
    (top, bottom): (i32, i32),
    palette: &Palette,
) {
    let Some((left, right)) = draw_plain(canvas, all, span, (top, bottom), palette) else { return };
    if !span.answers {
        canvas.hatching((left, top), (right, bottom), palette.muted);
    }
    if let (Some(kind), true) = (span.kind, right - left >= 14) {
        let ink = Ink::new(if span.answers { palette.ink } else { palette.text }).bold();
        let at = (left + 8, i32::midpoint(top, bottom));
        canvas.text(&letter(kind).to_string(), at, ink.at(Anchor::Middle));
    }
}
