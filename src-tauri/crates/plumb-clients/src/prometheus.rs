//! Prometheus text format 0.0.4, and what OpenMetrics 1.0 adds to it.
//!
//! One bad line is one error, not the end of the document (libraries seen to cut label values at
//! commas, to keep escapes and to fail whole documents). Time is an argument.

mod grammar;

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::limits::{
    METRICS_ERRORS_MAX, METRICS_LABELS_MAX, METRICS_LINE_BYTES_MAX, METRICS_SAMPLES_MAX,
};

/// Which of the two formats a document is in; they differ in the unit of timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Timestamps are whole milliseconds.
    Text,
    /// Timestamps are seconds, possibly with a fraction.
    OpenMetrics,
}

impl Dialect {
    /// Tells the dialect by the `Content-Type` header.
    pub fn of_content_type(header: &str) -> Self {
        if header.trim_start().starts_with("application/openmetrics-text") {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }
}

/// One metrics document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scrape {
    pub families: BTreeMap<String, Family>,
    pub samples: Vec<Sample>,
    /// The first [`METRICS_ERRORS_MAX`] lines that cannot be read.
    pub errors: Vec<LineError>,
    /// How many lines cannot be read.
    pub errors_total: usize,
    /// Whether an OpenMetrics document ended as it should, with `# EOF`.
    pub complete: bool,
}

/// What the comments say of a metric family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Family {
    pub kind: Kind,
    pub help: Option<String>,
    pub unit: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
    #[default]
    Unknown,
}

/// One value of one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    pub name: String,
    /// In the order of the document, escapes decoded; a name stands once.
    pub labels: Vec<(String, String)>,
    /// May be NaN or infinite.
    pub value: f64,
    /// Of the document, or the moment that was passed in.
    pub at: Timestamp,
}

impl Sample {
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(label, _)| label == name).map(|(_, value)| value.as_str())
    }
}

/// A line that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct LineError {
    /// Counted from 1.
    pub line: usize,
    pub fault: LineFault,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    #[error("longer than {max} bytes")]
    TooLong { max: usize },
    #[error("not UTF-8")]
    NotUtf8,
    #[error("column {column}: expected {expected}")]
    Syntax { column: usize, expected: String },
    #[error("the label {name:?} stands twice")]
    DuplicateLabel { name: String },
    #[error("no metric name")]
    NoName,
    #[error("more than {max} labels")]
    TooManyLabels { max: usize },
    #[error("the timestamp is out of range")]
    Timestamp,
    #[error("more than {max} samples; this and what follows is not read")]
    TooManySamples { max: usize },
}

impl Scrape {
    /// Samples of one name, in the order of the document.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Sample> {
        self.samples.iter().filter(move |sample| sample.name == name)
    }

    fn fail(&mut self, line: usize, fault: LineFault) {
        self.errors_total += 1;
        if self.errors.len() < METRICS_ERRORS_MAX {
            self.errors.push(LineError { line, fault });
        }
    }
}

/// Reads a document. Samples without a timestamp are of the moment `at`.
pub fn parse(document: &[u8], dialect: Dialect, at: Timestamp) -> Scrape {
    let mut scrape = Scrape::default();
    for (index, line) in document.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.len() > METRICS_LINE_BYTES_MAX {
            scrape.fail(number, LineFault::TooLong { max: METRICS_LINE_BYTES_MAX });
            continue;
        }
        let Ok(line) = std::str::from_utf8(line) else {
            scrape.fail(number, LineFault::NotUtf8);
            continue;
        };
        let line = line.trim_matches([' ', '\t']);
        if line.is_empty() {
            continue;
        }
        if let Some(comment) = line.strip_prefix('#') {
            if comment == " EOF" {
                scrape.complete = true;
                if dialect == Dialect::OpenMetrics {
                    break;
                }
            }
            read_comment(comment, &mut scrape);
            continue;
        }
        if scrape.samples.len() >= METRICS_SAMPLES_MAX {
            scrape.fail(number, LineFault::TooManySamples { max: METRICS_SAMPLES_MAX });
            break;
        }
        match read_sample(line, dialect, at) {
            Ok(sample) => scrape.samples.push(sample),
            Err(fault) => scrape.fail(number, fault),
        }
    }
    scrape
}

/// `HELP`, `TYPE` and `UNIT`; every other comment is one.
fn read_comment(comment: &str, scrape: &mut Scrape) {
    let Some((keyword, rest)) = comment.trim_start().split_once([' ', '\t']) else { return };
    if !matches!(keyword, "HELP" | "TYPE" | "UNIT") {
        return;
    }
    let Some((name, text)) = grammar::family_name(rest.trim_start()) else { return };
    if scrape.families.len() >= METRICS_SAMPLES_MAX && !scrape.families.contains_key(&name) {
        return;
    }
    let family = scrape.families.entry(name).or_default();
    match keyword {
        "HELP" => family.help = Some(grammar::help_text(text)),
        "UNIT" => family.unit = Some(text.to_owned()),
        _ => family.kind = Kind::named(text),
    }
}

impl Kind {
    fn named(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "counter" => Self::Counter,
            "gauge" => Self::Gauge,
            "histogram" => Self::Histogram,
            "gaugehistogram" => Self::GaugeHistogram,
            "summary" => Self::Summary,
            "info" => Self::Info,
            "stateset" => Self::StateSet,
            _ => Self::Unknown,
        }
    }
}

fn read_sample(line: &str, dialect: Dialect, at: Timestamp) -> Result<Sample, LineFault> {
    let parsed = grammar::sample(line)?;
    let mut name = parsed.name;
    let mut labels: Vec<(String, String)> = Vec::with_capacity(parsed.labels.len());
    for label in parsed.labels {
        match label {
            grammar::Label::Pair(label, value) => {
                if labels.iter().any(|(known, _)| *known == label) {
                    return Err(LineFault::DuplicateLabel { name: label });
                }
                if labels.len() == METRICS_LABELS_MAX {
                    return Err(LineFault::TooManyLabels { max: METRICS_LABELS_MAX });
                }
                labels.push((label, value));
            }
            grammar::Label::Name(quoted) if name.is_none() => name = Some(quoted),
            grammar::Label::Name(_) => {
                return Err(LineFault::Syntax {
                    column: 1,
                    expected: "one metric name".to_owned(),
                });
            }
        }
    }
    let at = match parsed.timestamp {
        None => at,
        Some(text) => read_timestamp(text, dialect).ok_or(LineFault::Timestamp)?,
    };
    Ok(Sample { name: name.ok_or(LineFault::NoName)?, labels, value: parsed.value, at })
}

fn read_timestamp(text: &str, dialect: Dialect) -> Option<Timestamp> {
    match dialect {
        Dialect::Text => Timestamp::from_millisecond(text.parse().ok()?).ok(),
        Dialect::OpenMetrics => {
            let seconds: f64 = text.parse().ok()?;
            let span = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
            Timestamp::from_duration(span).ok()
        }
    }
}

#[cfg(test)]
mod tests;
