//! Figures with their limits and peers, judged and printed as one table.

use std::{
    hint::black_box,
    io::{self, Write},
    time::Instant,
};

use anyhow::Result;

use crate::reference::REFERENCE_MS;

/// Runs of which the best is judged.
pub const RUNS: usize = 5;

/// Figures of one run.
#[derive(Debug)]
pub struct Report {
    reference_ms: f64,
    figures: Vec<Figure>,
}

/// One measured figure.
#[derive(Debug)]
struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    /// The first is the one that a limit speaks of.
    peers: Vec<(String, f64)>,
    limit: Limit,
}

/// What a figure must reach.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Limit {
    /// Shown beside the others, judged by nobody.
    None,
    /// At most this much on the machine where it was set; scaled to this one.
    AtMostScaled(f64),
    /// At most this much on every machine: bytes and counts.
    AtMost(f64),
    /// The peer's figure is at least this many times ours.
    TimesFaster(f64),
}

impl Report {
    /// A report without figures, for a machine that takes so long for the reference loop.
    pub fn new(reference_ms: f64) -> Self {
        Self { reference_ms, figures: Vec::new() }
    }

    /// A figure that is only shown.
    pub fn shown(&mut self, name: &str, value: f64, unit: &'static str) {
        self.push(name, value, unit, &[], Limit::None);
    }

    /// A figure beside those of peers, which nobody judges.
    pub fn compared(&mut self, name: &str, value: f64, unit: &'static str, peers: &[(&str, f64)]) {
        self.push(name, value, unit, peers, Limit::None);
    }

    /// A time with a limit in the same unit, which is scaled to this machine.
    pub fn timed(&mut self, name: &str, value: f64, unit: &'static str, at_most: f64) {
        self.push(name, value, unit, &[], Limit::AtMostScaled(at_most));
    }

    /// An amount with a limit that no machine changes.
    pub fn counted(&mut self, name: &str, value: f64, unit: &'static str, at_most: f64) {
        self.push(name, value, unit, &[], Limit::AtMost(at_most));
    }

    /// A time beside those of peers, of which the first takes at least `times` as long.
    pub fn beside(
        &mut self,
        name: &str,
        value: f64,
        unit: &'static str,
        peers: &[(&str, f64)],
        times: f64,
    ) {
        self.push(name, value, unit, peers, Limit::TimesFaster(times));
    }

    fn push(
        &mut self,
        name: &str,
        value: f64,
        unit: &'static str,
        peers: &[(&str, f64)],
        limit: Limit,
    ) {
        let peers = peers.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        self.figures.push(Figure { name: name.to_owned(), value, unit, peers, limit });
    }

    /// Whether every figure reached its limit.
    pub fn is_met(&self) -> bool {
        self.figures.iter().all(|figure| figure.is_met(self.scale()))
    }

    /// How many times as long as the machine of the limits this one takes.
    pub fn scale(&self) -> f64 {
        self.reference_ms / REFERENCE_MS
    }

    /// Prints the figures as a table of aligned columns.
    pub fn print(&self, to: &mut impl Write) -> io::Result<()> {
        writeln!(
            to,
            "reference loop {:.1} ms (SHA-256 of 64 MB; limits were set at {REFERENCE_MS:.1} ms), limits x {:.2}",
            self.reference_ms,
            self.scale()
        )?;
        let head = ["figure", "value", "limit", "peer", ""].map(str::to_owned);
        let rows: Vec<[String; 5]> = std::iter::once(head)
            .chain(self.figures.iter().map(|figure| figure.cells(self.scale())))
            .collect();
        let width = |column: usize| {
            rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let [a, b, c, d] = [0, 1, 2, 3].map(width);
        for [name, value, limit, peer, verdict] in &rows {
            let line = format!("{name:a$}  {value:>b$}  {limit:>c$}  {peer:>d$}  {verdict}");
            writeln!(to, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

impl Figure {
    fn is_met(&self, scale: f64) -> bool {
        let peer = self.peers.first().map(|(_, value)| *value);
        match (self.limit, peer) {
            (Limit::None, _) => true,
            (Limit::AtMostScaled(limit), _) => self.value <= limit * scale,
            (Limit::AtMost(limit), _) => self.value <= limit,
            (Limit::TimesFaster(times), Some(peer)) => peer >= self.value * times,
            (Limit::TimesFaster(_), None) => false,
        }
    }

    fn cells(&self, scale: f64) -> [String; 5] {
        let limit = match self.limit {
            Limit::None => String::new(),
            Limit::AtMostScaled(limit) => {
                format!("under {} {} x {scale:.2}", shown(limit), self.unit)
            }
            Limit::AtMost(limit) => format!("under {} {}", shown(limit), self.unit),
            Limit::TimesFaster(times) => format!("{times:.1} times faster"),
        };
        let peer = |(name, value): &(String, f64)| {
            let times = value / self.value;
            format!("{name} {} {} ({times:.1} times)", shown(*value), self.unit)
        };
        let peers: Vec<String> = self.peers.iter().map(peer).collect();
        let verdict = match (self.limit, self.is_met(scale)) {
            (Limit::None, _) => "",
            (_, true) => "met",
            (_, false) => "MISSED",
        };
        let value = format!("{} {}", shown(self.value), self.unit);
        [self.name.clone(), value, limit, peers.join(", "), verdict.to_owned()]
    }
}

/// Three significant digits where there are fewer before the point.
fn shown(value: f64) -> String {
    match value.abs() {
        ..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// What work gives, and how many milliseconds it took.
pub fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<(f64, T)> {
    let began = Instant::now();
    let done = work()?;
    Ok((began.elapsed().as_secs_f64() * 1_000.0, done))
}

/// The smallest of some figures.
pub fn best(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The shortest of five runs, in milliseconds.
pub fn best_of_five<T>(mut work: impl FnMut() -> T) -> f64 {
    let run = |_| {
        let began = Instant::now();
        black_box(work());
        began.elapsed().as_secs_f64() * 1_000.0
    };
    best(&(0..RUNS).map(run).collect::<Vec<f64>>())
}

/// The time that nineteen of twenty stay under.
pub fn slow_but_one_in_twenty(mut took: Vec<f64>) -> f64 {
    took.sort_by(f64::total_cmp);
    took[took.len() * 19 / 20]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(report: &Report) -> String {
        let mut text = Vec::new();
        report.print(&mut text).expect("memory takes everything");
        String::from_utf8(text).expect("a table is text")
    }

    #[test]
    fn limits_of_time_are_scaled_and_those_of_amounts_are_not() {
        let slow = |value| {
            let mut report = Report::new(REFERENCE_MS * 2.0);
            report.timed("assess", value, "ms", 100.0);
            report.is_met()
        };
        assert!(slow(199.0) && !slow(201.0));
        let mut report = Report::new(REFERENCE_MS * 2.0);
        report.counted("memory", 341.0, "MB", 340.0);
        assert!(!report.is_met(), "{}", printed(&report));
    }

    #[test]
    fn a_peer_is_beaten_by_the_factor_that_was_promised() {
        let beside = |ours| {
            let mut report = Report::new(REFERENCE_MS);
            report.beside("sweep", ours, "ms", &[("curl", 900.0), ("wget", 4_500.0)], 2.0);
            (report.is_met(), printed(&report))
        };
        let (met, table) = beside(450.0);
        assert!(
            met && table.contains("curl 900 ms (2.0 times), wget 4500 ms (10.0 times)  met"),
            "{table}"
        );
        let (met, table) = beside(451.0);
        assert!(!met && table.ends_with("MISSED\n"), "{table}");
    }
}
