//! The digest-age chart: how long ago the source had confirmed what a node runs.

use jiff::Timestamp;
use plumb_fleet::DriftState;

use crate::{
    canvas::{Anchor, Canvas, Ink, MARGIN, Picture, Point, WIDTH, picture},
    palette::{Palette, glyph},
    reload_strip::moments,
    text::{counted, duration, full_moment},
};

/// The digest age that one observation found; nothing where it could not be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AgePoint {
    pub at: Timestamp,
    pub age_s: Option<u64>,
}

const TOP: i32 = 40;
const BOTTOM: i32 = TOP + 136;
const HEIGHT: i32 = BOTTOM + 32;
const LEFT: i32 = MARGIN + 52;
const RIGHT: i32 = WIDTH - MARGIN;
/// Steps of the scale that people count in, in seconds.
const STEPS_S: [u64; 14] =
    [5, 15, 30, 60, 300, 600, 900, 1_800, 3_600, 10_800, 21_600, 43_200, 86_400, 604_800];
/// Most lines across the chart.
const LINES_MAX: u64 = 5;

/// Draws ages over time, with the threshold in seconds above which a node is stale.
pub fn digest_age(series: &[AgePoint], threshold_s: u64, palette: &Palette) -> Picture {
    let mut series = series.to_vec();
    series.sort_by_key(|point| point.at);
    let known: Vec<u64> = series.iter().filter_map(|point| point.age_s).collect();
    let highest = known.iter().copied().max().unwrap_or(0);
    let over = known.iter().filter(|age| **age > threshold_s).count();
    let (Some(first), Some(last)) = (series.first(), series.last()) else {
        return empty(palette);
    };
    let (from, to) = (first.at, last.at);
    let title = format!("Digest age between {} and {}", full_moment(from), full_moment(to));
    let description = format!(
        "{}, {over} over the threshold of {}, highest age {}, {} unknown",
        counted(series.len(), "observation"),
        duration(threshold_s),
        duration(highest),
        series.len() - known.len()
    );
    let scale = Scale { from, to, top_s: top_of_scale(highest.max(threshold_s)) };
    picture(HEIGHT, &title, &description, palette, |canvas| {
        legend(canvas, threshold_s, highest, palette);
        grid(canvas, &scale, palette);
        for run in runs(&series, &scale) {
            draw_run(canvas, &run, scale.y(threshold_s), palette);
        }
        let y = scale.y(threshold_s);
        canvas.dashes(y, LEFT, RIGHT, palette.state(DriftState::Stale));
        moments(canvas, from, to, (LEFT, RIGHT), BOTTOM, palette);
    })
}

fn empty(palette: &Palette) -> Picture {
    let words = "no digest age was observed";
    picture(HEIGHT, "Digest age", "No digest age was observed.", palette, |canvas| {
        let ink = Ink::new(palette.muted).at(Anchor::Middle);
        canvas.text(words, (WIDTH / 2, HEIGHT / 2), ink);
    })
}

/// From moments and ages to pixels.
#[derive(Debug)]
struct Scale {
    from: Timestamp,
    to: Timestamp,
    top_s: u64,
}

impl Scale {
    fn x(&self, at: Timestamp) -> i32 {
        let span = i128::from((self.to.as_millisecond() - self.from.as_millisecond()).max(1));
        let passed = i128::from(at.as_millisecond() - self.from.as_millisecond());
        LEFT + i32::try_from(passed * i128::from(RIGHT - LEFT) / span).unwrap_or(0)
    }

    fn y(&self, age_s: u64) -> i32 {
        let height = u128::from((BOTTOM - TOP).unsigned_abs());
        let pixels = u128::from(age_s) * height / u128::from(self.top_s.max(1));
        BOTTOM - i32::try_from(pixels).unwrap_or(BOTTOM - TOP)
    }

    fn step_s(&self) -> u64 {
        step_s(self.top_s)
    }
}

fn step_s(top_s: u64) -> u64 {
    let longest = top_s.div_ceil(LINES_MAX);
    let step = STEPS_S.into_iter().find(|step| *step >= longest);
    step.unwrap_or_else(|| longest.div_ceil(604_800) * 604_800)
}

/// The next line above the highest value.
fn top_of_scale(highest_s: u64) -> u64 {
    let wanted = highest_s.saturating_add(highest_s / 8).max(60);
    let step = step_s(wanted);
    wanted.div_ceil(step).saturating_mul(step)
}

/// Unbroken stretches of the series, one point for each pixel: the highest age of it.
fn runs(series: &[AgePoint], scale: &Scale) -> Vec<Vec<Point>> {
    let mut runs: Vec<Vec<Point>> = vec![Vec::new()];
    for point in series {
        let Some(age_s) = point.age_s else {
            runs.push(Vec::new());
            continue;
        };
        let (x, y) = (scale.x(point.at), scale.y(age_s));
        let run = runs.last_mut().expect("there is one from the start");
        match run.last_mut() {
            Some(last) if last.0 == x => last.1 = last.1.min(y),
            _ => run.push((x, y)),
        }
    }
    runs.retain(|run| !run.is_empty());
    runs
}

fn draw_run(canvas: &mut Canvas, run: &[Point], threshold_y: i32, palette: &Palette) {
    let (good, bad) = (DriftState::Converging, DriftState::Stale);
    if let [(x, y)] = run {
        let colour = palette.state(if *y < threshold_y { bad } else { good });
        canvas.area((x - 2, y - 2), (x + 2, y + 2), colour);
        return;
    }
    let (first, last) = (run[0].0, run[run.len() - 1].0);
    let mut corners = vec![(first, BOTTOM)];
    corners.extend_from_slice(run);
    corners.push((last, BOTTOM));
    canvas.shape(corners, palette.tint(good));
    canvas.line(run.to_vec(), palette.state(good), 2);
    for part in above(run, threshold_y) {
        let mut corners = vec![(part[0].0, threshold_y)];
        corners.extend_from_slice(&part);
        corners.push((part[part.len() - 1].0, threshold_y));
        canvas.shape(corners, palette.tint(bad));
        canvas.line(part, palette.state(bad), 2);
    }
}

/// The parts of a line above a height, cut where it crosses.
fn above(run: &[Point], threshold_y: i32) -> Vec<Vec<Point>> {
    let mut parts: Vec<Vec<Point>> = Vec::new();
    let mut part: Vec<Point> = Vec::new();
    for (index, point) in run.iter().enumerate() {
        let over = point.1 < threshold_y;
        if let Some(before) = index.checked_sub(1).map(|before| run[before])
            && (before.1 < threshold_y) != over
        {
            part.push((crossing(before, *point, threshold_y), threshold_y));
        }
        if over {
            part.push(*point);
        } else if !part.is_empty() {
            parts.push(std::mem::take(&mut part));
        }
    }
    parts.push(part);
    parts.retain(|part| part.len() > 1);
    parts
}

fn crossing(from: Point, to: Point, y: i32) -> i32 {
    from.0 + (to.0 - from.0) * (y - from.1) / (to.1 - from.1)
}

fn grid(canvas: &mut Canvas, scale: &Scale, palette: &Palette) {
    let step_s = scale.step_s();
    for line in 0..=scale.top_s / step_s {
        let age_s = line * step_s;
        let y = scale.y(age_s);
        canvas.line(vec![(LEFT, y), (RIGHT, y)], palette.line, 1);
        let ink = Ink::new(palette.muted).at(Anchor::End);
        canvas.text(&duration(age_s), (LEFT - 8, y), ink);
    }
}

fn legend(canvas: &mut Canvas, threshold_s: u64, highest_s: u64, palette: &Palette) {
    let y = 16;
    canvas.text("Digest age", (MARGIN, y), Ink::new(palette.text).bold());
    let stale = palette.state(DriftState::Stale);
    canvas.dashes(y, MARGIN + 92, MARGIN + 116, stale);
    let warned = format!("stale over {}", duration(threshold_s));
    canvas.text(&warned, (MARGIN + 124, y), Ink::new(palette.muted));
    let (sign, colour) = if highest_s > threshold_s {
        (glyph(DriftState::Stale), stale)
    } else {
        (glyph(DriftState::InSync), palette.state(DriftState::InSync))
    };
    let words = format!("{sign} highest {}", duration(highest_s));
    canvas.text(&words, (RIGHT, y), Ink::new(colour).bold().at(Anchor::End));
}
