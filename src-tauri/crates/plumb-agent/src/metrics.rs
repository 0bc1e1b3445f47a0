//! `GET /metrics`: the series of the table, and in field-compatible mode exactly what the field prints.

mod pack;
mod table;
mod traffic;

use std::{fmt::Write as _, sync::Arc};

use jiff::Timestamp;

pub(crate) use pack::CheckSeen;
pub use pack::{FetchOutcome, PackMetrics, PackOrigin};
pub use table::{Kind, Metric, metrics};
pub(crate) use traffic::{DecisionOutcome, Traffic};

use self::{
    pack::PackSeen,
    table::{FIELD, ROWS},
};
use crate::{
    core::{Core, InForce},
    stats::Stats,
};

/// The text a scrape gets.
pub(crate) fn text(core: &Core) -> String {
    let seen = Seen::of(core);
    let mut out = Text::default();
    let rows = if core.config.field_compatible { FIELD } else { ROWS };
    for row in rows {
        let mut lines = Lines::default();
        (row.read)(&seen, &mut lines);
        out.family(&row.metric, &lines);
    }
    if !core.config.field_compatible {
        // Text format 0.0.4 asks for it; the field's service leaves it out.
        out.0.push('\n');
    }
    out.0
}

/// Everything rows are read from, taken once, so that one scrape does not contradict itself.
struct Seen<'a> {
    core: &'a Core,
    stats: Stats,
    in_force: Option<Arc<InForce>>,
    pack: PackSeen,
    /// Newest success and newest failure, starts of the agent included.
    last_success: Option<Timestamp>,
    last_failure: Option<Timestamp>,
    consecutive_failures: u64,
    now: Timestamp,
}

impl<'a> Seen<'a> {
    fn of(core: &'a Core) -> Self {
        let (last_success, last_failure, consecutive_failures) = {
            let book = core.book();
            let newest = |success: bool| {
                let found = book.history.all().find(|record| record.success == success);
                found.map(|record| record.timestamp)
            };
            (newest(true), newest(false), book.history.consecutive_failures())
        };
        Self {
            core,
            stats: core.stats(),
            in_force: core.in_force.load_full(),
            pack: core.pack.read(),
            last_success,
            last_failure,
            consecutive_failures,
            now: core.now(),
        }
    }

    /// Seconds since the source last offered what is in force; nothing while there is no bundle.
    fn digest_age_s(&self) -> Option<f64> {
        self.in_force.as_ref().map(|_| seconds_between(self.core.confirmed_at(), self.now))
    }
}

/// Never negative: a clock that was set back shows an age of nothing.
pub(crate) fn seconds_between(earlier: Timestamp, later: Timestamp) -> f64 {
    ((later.as_microsecond() - earlier.as_microsecond()) as f64 / 1e6).max(0.0)
}

/// The samples of one metric.
#[derive(Default)]
struct Lines {
    lines: Vec<Line>,
    /// Its head is printed even without a sample, as the field does for one of them.
    head_alone: bool,
}

struct Line {
    suffix: &'static str,
    labels: String,
    value: String,
}

impl Lines {
    fn one(&mut self, value: impl std::fmt::Display) {
        self.with(&[], value);
    }

    fn with(&mut self, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.suffixed("", labels, value);
    }

    fn suffixed(
        &mut self,
        suffix: &'static str,
        labels: &[(&str, &str)],
        value: impl std::fmt::Display,
    ) {
        let shown: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", label(value))).collect();
        let labels =
            if shown.is_empty() { String::new() } else { format!("{{{}}}", shown.join(",")) };
        self.lines.push(Line { suffix, labels, value: value.to_string() });
    }
}

#[derive(Default)]
struct Text(String);

impl Text {
    /// A metric with its samples; one without any is left out.
    fn family(&mut self, metric: &Metric, lines: &Lines) {
        if lines.lines.is_empty() && !lines.head_alone {
            return;
        }
        if !self.0.is_empty() {
            self.0.push_str("\n\n");
        }
        let (name, kind) = (metric.name, metric.kind.name());
        let _ = write!(self.0, "# HELP {name} {}\n# TYPE {name} {kind}", metric.help);
        for Line { suffix, labels, value } in &lines.lines {
            let _ = write!(self.0, "\n{name}{suffix}{labels} {value}");
        }
    }
}

/// A label value: backslash, quote and line break escaped (text format 0.0.4).
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
