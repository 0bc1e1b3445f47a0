//! Reloads of a whole fleet over time: how many, what failed, and how long they took.

use jiff::Timestamp;
use plumb_fleet::DriftState;

use crate::{
    canvas::{Anchor, Canvas, Ink, MARGIN, Picture, WIDTH, picture},
    palette::{Palette, glyph},
    reload_strip::moments,
    text::{counted, full_moment},
};

/// Reloads of some time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReloadBar {
    pub from: Timestamp,
    pub to: Timestamp,
    pub succeeded: u32,
    pub failed: u32,
    /// Of those that succeeded.
    pub median_ms: Option<f64>,
    pub slowest_ms: Option<f64>,
}

const TOP: i32 = 40;
const MIDDLE: i32 = TOP + 96;
const BELOW: i32 = MIDDLE + 28;
const BOTTOM: i32 = BELOW + 72;
const HEIGHT: i32 = BOTTOM + 32;
const LEFT: i32 = MARGIN + 64;
const RIGHT: i32 = WIDTH - MARGIN;
/// A reload of this long has the full height, in milliseconds (R272).
const FULL_HEIGHT_MS: f64 = 1_000.0;

/// Draws counts above, and durations on a logarithmic scale below.
pub fn reload_bars(
    bars: &[ReloadBar],
    from: Timestamp,
    to: Timestamp,
    palette: &Palette,
) -> Picture {
    let sum = |of: fn(&ReloadBar) -> u32| bars.iter().map(|bar| u64::from(of(bar))).sum::<u64>();
    let (succeeded, failed) = (sum(|bar| bar.succeeded), sum(|bar| bar.failed));
    let title = format!(
        "{} between {} and {}",
        counted(usize::try_from(succeeded + failed).unwrap_or(usize::MAX), "reload"),
        full_moment(from),
        full_moment(to)
    );
    let description = format!("{succeeded} succeeded, {failed} failed");
    let most = bars.iter().map(|bar| bar.succeeded + bar.failed).max().unwrap_or(0);
    picture(HEIGHT, &title, &description, palette, |canvas| {
        let (good, bad) = (DriftState::InSync, DriftState::Diverged);
        let words = format!("{} {succeeded} succeeded", glyph(good));
        canvas.text(&words, (LEFT, 16), Ink::new(palette.state(good)).bold());
        let words = format!("× {failed} failed");
        canvas.text(&words, (LEFT + 160, 16), Ink::new(palette.state(bad)).bold());
        let end = Ink::new(palette.muted).at(Anchor::End);
        canvas.text("median and slowest, 1 ms to 1 s below", (RIGHT, 16), end);
        canvas.text(&most.to_string(), (LEFT - 8, TOP + 6), end);
        canvas.text("1 s", (LEFT - 8, BELOW + 6), end);
        for bar in bars {
            draw(canvas, bar, (from, to), most, palette);
        }
        for y in [MIDDLE, BOTTOM] {
            canvas.line(vec![(LEFT, y), (RIGHT, y)], palette.line, 1);
        }
        moments(canvas, from, to, (LEFT, RIGHT), BOTTOM, palette);
    })
}

fn draw(
    canvas: &mut Canvas,
    bar: &ReloadBar,
    window: (Timestamp, Timestamp),
    most: u32,
    palette: &Palette,
) {
    let (left, right) = (x(bar.from, window), x(bar.to, window).max(x(bar.from, window) + 2) - 1);
    let up = |count: u32| {
        let pixels = u64::from(count) * u64::from((MIDDLE - TOP).unsigned_abs());
        i32::try_from(pixels.div_ceil(u64::from(most.max(1)))).unwrap_or(0)
    };
    let (bad, good) = (up(bar.failed), up(bar.succeeded));
    let (red, green) = (palette.state(DriftState::Diverged), palette.state(DriftState::InSync));
    if bar.failed > 0 {
        canvas.area((left, MIDDLE - bad), (right, MIDDLE), red);
    }
    if bar.succeeded > 0 {
        canvas.area((left, (MIDDLE - bad - good).max(TOP)), (right, MIDDLE - bad), green);
    }
    let (Some(median), Some(slowest)) = (bar.median_ms, bar.slowest_ms) else { return };
    let blue = palette.state(DriftState::Converging);
    canvas.area((left, BOTTOM - grown(slowest)), (right, BOTTOM), blue.over(palette.ground, 45));
    canvas.area((left, BOTTOM - grown(median)), (right, BOTTOM), blue);
}

fn x(at: Timestamp, (from, to): (Timestamp, Timestamp)) -> i32 {
    let length = i128::from((to.as_millisecond() - from.as_millisecond()).max(1));
    let passed = i128::from(at.as_millisecond() - from.as_millisecond()).clamp(0, length);
    LEFT + i32::try_from(passed * i128::from(RIGHT - LEFT) / length).unwrap_or(0)
}

/// Height by the logarithm of a duration.
fn grown(duration_ms: f64) -> i32 {
    let duration_ms = if duration_ms.is_finite() { duration_ms } else { FULL_HEIGHT_MS };
    let part = duration_ms.clamp(1.0, FULL_HEIGHT_MS).log10() / FULL_HEIGHT_MS.log10();
    #[expect(clippy::cast_possible_truncation, reason = "between nothing and the full height")]
    let grown = (f64::from(BOTTOM - BELOW - 4) * part).round() as i32;
    4 + grown
}
