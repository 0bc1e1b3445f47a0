//! The reload strip: when a node loaded bundles, how long it took, what failed and what is not known.

use jiff::Timestamp;
use plumb_fleet::DriftState;

use crate::{
    canvas::{Anchor, Canvas, Ink, MARGIN, Picture, WIDTH, picture},
    palette::{Palette, glyph},
    text::{counted, full_moment, moment},
};

/// One reload as a node's history tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct ReloadMark {
    pub at: Timestamp,
    pub success: bool,
    pub duration_ms: f64,
    /// Whether reloads before this one are missing from the history, for example after a restart.
    pub gap_before: bool,
}

const TOP: i32 = 40;
const BOTTOM: i32 = TOP + 48;
const HEIGHT: i32 = BOTTOM + 32;
const LEFT: i32 = MARGIN;
const RIGHT: i32 = WIDTH - MARGIN;
const MARK_WIDTH: i32 = 5;
/// Shortest mark: a reload of no time is still one.
const MARK_MIN: i32 = 12;
/// Reloads of this long or longer have the full height; above it they are slow (R272).
const FULL_HEIGHT_MS: f64 = 1_000.0;

/// Draws the reloads between two moments; those outside are left out.
pub fn reload_strip(
    marks: &[ReloadMark],
    from: Timestamp,
    to: Timestamp,
    palette: &Palette,
) -> Picture {
    let mut marks: Vec<&ReloadMark> =
        marks.iter().filter(|mark| from <= mark.at && mark.at <= to).collect();
    marks.sort_by_key(|mark| mark.at);
    let failed = marks.iter().filter(|mark| !mark.success).count();
    let gaps = marks.iter().filter(|mark| mark.gap_before).count();
    let title = format!(
        "{} between {} and {}",
        counted(marks.len(), "reload"),
        full_moment(from),
        full_moment(to)
    );
    let description = format!(
        "{} succeeded, {failed} failed, {} in the history",
        marks.len() - failed,
        counted(gaps, "gap")
    );
    let x = |at| x_of(at, from, to);
    picture(HEIGHT, &title, &description, palette, |canvas| {
        legend(canvas, [marks.len() - failed, failed, gaps], palette);
        let mut before = LEFT;
        for mark in &marks {
            if mark.gap_before {
                canvas.hatching((before, TOP), (x(mark.at), BOTTOM), palette.muted);
            }
            before = x(mark.at) + MARK_WIDTH;
        }
        if marks.is_empty() {
            let middle = (WIDTH / 2, i32::midpoint(TOP, BOTTOM));
            let ink = Ink::new(palette.muted).at(Anchor::Middle);
            canvas.text("no reload in this time", middle, ink);
        }
        axis(canvas, from, to, palette);
        for mark in &marks {
            draw_mark(canvas, mark, x(mark.at), palette);
        }
    })
}

/// Left edge of a mark.
fn x_of(at: Timestamp, from: Timestamp, to: Timestamp) -> i32 {
    let span = (to.as_millisecond() - from.as_millisecond()).max(1);
    let passed = at.as_millisecond() - from.as_millisecond();
    let width = i64::from(RIGHT - LEFT - MARK_WIDTH);
    LEFT + i32::try_from(i128::from(passed) * i128::from(width) / i128::from(span)).unwrap_or(0)
}

const fn outcome(success: bool) -> DriftState {
    if success { DriftState::InSync } else { DriftState::Diverged }
}

fn draw_mark(canvas: &mut Canvas, mark: &ReloadMark, left: i32, palette: &Palette) {
    let colour = palette.state(outcome(mark.success));
    let top = BOTTOM - mark_height(mark.duration_ms);
    // A line of ground keeps neighbours apart where reloads are dense.
    canvas.area((left - 1, top), (left + MARK_WIDTH + 1, BOTTOM), palette.ground);
    canvas.area((left, top), (left + MARK_WIDTH, BOTTOM), colour);
    if !mark.success {
        let at = (left + MARK_WIDTH / 2, TOP - 8);
        canvas.text("×", at, Ink::new(colour).bold().at(Anchor::Middle));
    }
}

/// Height by the logarithm of the duration: 1 ms, 10 ms, 100 ms and 1 s are even steps.
fn mark_height(duration_ms: f64) -> i32 {
    let duration_ms = if duration_ms.is_finite() { duration_ms } else { FULL_HEIGHT_MS };
    let part = duration_ms.clamp(1.0, FULL_HEIGHT_MS).log10() / FULL_HEIGHT_MS.log10();
    #[expect(clippy::cast_possible_truncation, reason = "between the two heights")]
    let grown = (f64::from(BOTTOM - TOP - MARK_MIN) * part).round() as i32;
    MARK_MIN + grown
}

fn legend(canvas: &mut Canvas, counts: [usize; 3], palette: &Palette) {
    let [succeeded, failed, gaps] = counts;
    let y = 16;
    let mut entry = |left: i32, state: DriftState, sign: &str, words: String| {
        let colour = palette.state(state);
        canvas.text(sign, (left, y), Ink::new(colour).bold());
        canvas.text(&words, (left + 16, y), Ink::new(palette.muted));
    };
    entry(LEFT, outcome(true), glyph(DriftState::InSync), format!("{succeeded} succeeded"));
    entry(LEFT + 136, outcome(false), "×", format!("{failed} failed"));
    if gaps > 0 {
        canvas.hatching((LEFT + 236, y - 6), (LEFT + 260, y + 6), palette.muted);
        let words = format!("{} in the history", counted(gaps, "gap"));
        canvas.text(&words, (LEFT + 268, y), Ink::new(palette.muted));
    }
    let scale = Ink::new(palette.muted).at(Anchor::End);
    canvas.text("height is duration, 1 ms to 1 s", (RIGHT, y), scale);
}

fn axis(canvas: &mut Canvas, from: Timestamp, to: Timestamp, palette: &Palette) {
    canvas.line(vec![(LEFT, BOTTOM), (RIGHT, BOTTOM)], palette.line, 1);
    moments(canvas, from, to, (LEFT, RIGHT), BOTTOM, palette);
}

/// Five moments below a level line.
pub(crate) fn moments(
    canvas: &mut Canvas,
    from: Timestamp,
    to: Timestamp,
    (left, right): (i32, i32),
    y: i32,
    palette: &Palette,
) {
    let span_s = to.as_second().saturating_sub(from.as_second());
    for step in 0..=4 {
        let x = left + (right - left) * step / 4;
        let anchor = match step {
            0 => Anchor::Start,
            4 => Anchor::End,
            _ => Anchor::Middle,
        };
        let at_s = from.as_second() + span_s / 4 * i64::from(step);
        let at = if step == 4 { Some(to) } else { Timestamp::from_second(at_s).ok() };
        canvas.line(vec![(x, y), (x, y + 4)], palette.line, 1);
        if let Some(at) = at {
            let ink = Ink::new(palette.muted).at(anchor);
            canvas.text(&moment(at, span_s), (x, y + 16), ink);
        }
    }
}
