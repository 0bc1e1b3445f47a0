//! Counters around packs and bundles: fetches, checks, refusals, reloads and the way back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use serde::Serialize;

use crate::{fetch::Cause, limits::CHECKS_MAX};

/// What a look at the source came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FetchOutcome {
    /// Something new was offered.
    Fresh,
    /// The source still offers what is there (304, or the same digest).
    Unchanged,
    /// No usable answer.
    Failed,
}

impl FetchOutcome {
    const ALL: [Self; 3] = [Self::Fresh, Self::Unchanged, Self::Failed];

    fn name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

/// Where bundles come from, as `/healthz` shows it. The location must carry no credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", content = "location", rename_all = "snake_case")]
pub enum PackOrigin {
    File(String),
    Pack(String),
}

/// What a check said the last time it was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct CheckSeen {
    pub(crate) check: String,
    pub(crate) passed: bool,
    pub(crate) at: Timestamp,
}

/// Figures about packs; each call is short and never waits for anything outside.
#[derive(Debug)]
pub struct PackMetrics(Mutex<Counts>);

#[derive(Debug)]
struct Counts {
    fetch: Buckets,
    fetches: BTreeMap<FetchOutcome, u64>,
    fetch_failures_in_a_row: u64,
    reload: Buckets,
    checks: BTreeMap<String, Checked>,
    /// Checks that the newest verification did not make.
    not_made: BTreeSet<String>,
    carried_by: Option<String>,
    refused: u64,
    failures: BTreeMap<Cause, u64>,
    fallback_active: bool,
    fallback_activations: u64,
    origin: Option<PackOrigin>,
}

#[derive(Debug, Clone, Copy)]
struct Checked {
    passed: bool,
    at: Timestamp,
    failures: u64,
}

/// Upper bounds in seconds: from a cached answer on loopback to a registry that hardly answers.
const FETCH_BOUNDS: [f64; 10] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];
/// Upper bounds in seconds, around the documented sizes (30, 50, 100 and 500 ms) and the 1 s at which
/// the field calls a reload slow.
const RELOAD_BOUNDS: [f64; 10] = [0.001, 0.005, 0.01, 0.03, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

impl Default for PackMetrics {
    fn default() -> Self {
        Self(Mutex::new(Counts {
            fetch: Buckets::new(&FETCH_BOUNDS),
            fetches: FetchOutcome::ALL.into_iter().map(|outcome| (outcome, 0)).collect(),
            fetch_failures_in_a_row: 0,
            reload: Buckets::new(&RELOAD_BOUNDS),
            checks: BTreeMap::new(),
            not_made: BTreeSet::new(),
            carried_by: None,
            refused: 0,
            failures: Cause::ALL.iter().map(|cause| (*cause, 0)).collect(),
            fallback_active: false,
            fallback_activations: 0,
            origin: None,
        }))
    }
}

impl PackMetrics {
    /// A look at the source ended.
    pub fn fetched(&self, took: Duration, outcome: FetchOutcome) {
        let mut counts = self.lock();
        counts.fetch.observe(took);
        *counts.fetches.entry(outcome).or_default() += 1;
        counts.fetch_failures_in_a_row = match outcome {
            FetchOutcome::Failed => counts.fetch_failures_in_a_row + 1,
            FetchOutcome::Fresh | FetchOutcome::Unchanged => 0,
        };
    }

    /// A named check was made. Names are the checks' own, never text from a pack; those beyond the
    /// limit are left out.
    pub fn verified(&self, check: &str, passed: bool, at: Timestamp) {
        let mut counts = self.lock();
        counts.not_made.remove(check);
        if !counts.checks.contains_key(check) && counts.checks.len() >= CHECKS_MAX {
            return;
        }
        let seen =
            counts.checks.entry(check.to_owned()).or_insert(Checked { passed, at, failures: 0 });
        (seen.passed, seen.at) = (passed, at);
        seen.failures += u64::from(!passed);
    }

    /// A named check was not made, because one before it failed or there was nothing to check. What it
    /// said before is no longer shown as its last word.
    pub fn not_made(&self, check: &str) {
        let mut counts = self.lock();
        if counts.not_made.len() < CHECKS_MAX {
            counts.not_made.insert(check.to_owned());
        }
    }

    /// Key or certificate, log and time that carried the newest verification; nothing when it failed.
    pub fn carried(&self, by: Option<String>) {
        self.lock().carried_by = by;
    }

    /// Bytes were turned away because a check failed.
    pub fn refused(&self) {
        self.lock().refused += 1;
    }

    /// A pack did not come into force, for this reason.
    pub fn failed(&self, cause: Cause) {
        *self.lock().failures.entry(cause).or_default() += 1;
    }

    /// A reload ended, one way or the other.
    pub fn reloaded(&self, took: Duration) {
        self.lock().reload.observe(took);
    }

    /// Whether something else answers than what should run. Each change to `true` is an activation.
    pub fn fallback(&self, active: bool) {
        let mut counts = self.lock();
        counts.fallback_activations += u64::from(active && !counts.fallback_active);
        counts.fallback_active = active;
    }

    /// Where bundles come from.
    pub fn comes_from(&self, origin: PackOrigin) {
        self.lock().origin = Some(origin);
    }

    pub(crate) fn read(&self) -> PackSeen {
        let counts = self.lock();
        PackSeen {
            fetch: counts.fetch.clone(),
            fetches: counts.fetches.iter().map(|(outcome, n)| (outcome.name(), *n)).collect(),
            fetch_failures_in_a_row: counts.fetch_failures_in_a_row,
            reload: counts.reload.clone(),
            checks: counts
                .checks
                .iter()
                .map(|(name, seen)| {
                    let check = name.clone();
                    (CheckSeen { check, passed: seen.passed, at: seen.at }, seen.failures)
                })
                .collect(),
            not_made: counts.not_made.iter().cloned().collect(),
            carried_by: counts.carried_by.clone(),
            refused: counts.refused,
            failures: counts.failures.iter().map(|(cause, n)| (cause.as_str(), *n)).collect(),
            fallback_active: counts.fallback_active,
            fallback_activations: counts.fallback_activations,
            origin: counts.origin.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Every change is a sum or an assignment, so a panic leaves it sound.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The figures at one moment.
#[derive(Debug)]
pub(crate) struct PackSeen {
    pub(crate) fetch: Buckets,
    pub(crate) fetches: Vec<(&'static str, u64)>,
    pub(crate) fetch_failures_in_a_row: u64,
    pub(crate) reload: Buckets,
    /// Each check with how often it failed.
    pub(crate) checks: Vec<(CheckSeen, u64)>,
    pub(crate) not_made: Vec<String>,
    pub(crate) carried_by: Option<String>,
    pub(crate) refused: u64,
    /// Packs that did not come into force, by cause.
    pub(crate) failures: Vec<(&'static str, u64)>,
    pub(crate) fallback_active: bool,
    pub(crate) fallback_activations: u64,
    pub(crate) origin: Option<PackOrigin>,
}

/// A histogram of durations.
#[derive(Debug, Clone)]
pub(crate) struct Buckets {
    bounds: &'static [f64],
    /// Not cumulative; the last is beyond every bound.
    counts: Vec<u64>,
    sum_us: u64,
}

impl Buckets {
    /// Counts as they were taken elsewhere, not cumulative, one more than there are bounds.
    pub(crate) fn of(bounds: &'static [f64], counts: Vec<u64>, sum_us: u64) -> Self {
        Self { bounds, counts, sum_us }
    }

    fn new(bounds: &'static [f64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], sum_us: 0 }
    }

    fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        let at = self.bounds.partition_point(|bound| *bound < seconds);
        self.counts[at] += 1;
        // Whole microseconds: a sum of floats would drift.
        self.sum_us += u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    }

    /// Cumulative counts by upper bound, the last one everything.
    pub(crate) fn cumulative(&self) -> Vec<(String, u64)> {
        let bounds = self.bounds.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        let mut sum = 0;
        let counts = self.counts.iter().map(|count| {
            sum += count;
            sum
        });
        bounds.zip(counts).collect()
    }

    pub(crate) fn sum_s(&self) -> f64 {
        self.sum_us as f64 / 1e6
    }

    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        "2026-11-21T05:00:00Z".parse().expect("a moment")
    }

    #[test]
    fn a_bound_belongs_to_its_bucket_and_the_last_holds_all() {
        let metrics = PackMetrics::default();
        for millis in [5, 6, 10_000, 10_001] {
            metrics.fetched(Duration::from_millis(millis), FetchOutcome::Fresh);
        }
        let fetch = metrics.read().fetch;
        let of = |bound: &str| {
            let counts = fetch.cumulative();
            counts.iter().find(|(le, _)| le == bound).map(|(_, count)| *count)
        };
        assert_eq!(
            (of("0.005"), of("0.01"), of("10"), of("+Inf")),
            (Some(1), Some(2), Some(3), Some(4))
        );
        assert_eq!(fetch.count(), 4);
        assert!((fetch.sum_s() - 20.012).abs() < 1e-9);
    }

    #[test]
    fn only_the_way_into_the_fallback_is_an_activation() {
        let metrics = PackMetrics::default();
        for active in [false, true, true, false, true] {
            metrics.fallback(active);
        }
        let seen = metrics.read();
        assert_eq!((seen.fallback_active, seen.fallback_activations), (true, 2));
    }

    #[test]
    fn an_unchanged_answer_ends_a_row_of_failures() {
        let metrics = PackMetrics::default();
        let took = Duration::from_millis(1);
        metrics.fetched(took, FetchOutcome::Failed);
        metrics.fetched(took, FetchOutcome::Failed);
        assert_eq!(metrics.read().fetch_failures_in_a_row, 2);
        metrics.fetched(took, FetchOutcome::Unchanged);
        let seen = metrics.read();
        assert_eq!(seen.fetch_failures_in_a_row, 0);
        assert_eq!(seen.fetches, [("fresh", 0), ("unchanged", 1), ("failed", 2)]);
    }

    #[test]
    fn a_check_keeps_its_last_word_and_counts_its_failures() {
        let metrics = PackMetrics::default();
        metrics.verified("digest", false, at());
        metrics.verified("digest", true, at());
        let seen = metrics.read().checks;
        assert_eq!(seen, [(CheckSeen { check: "digest".to_owned(), passed: true, at: at() }, 1)]);
    }

    #[test]
    fn a_check_that_was_not_made_stands_apart_until_it_is_made() {
        let metrics = PackMetrics::default();
        metrics.verified("signature", true, at());
        metrics.not_made("signature");
        metrics.not_made("log.entry");
        assert_eq!(metrics.read().not_made, ["log.entry", "signature"]);
        metrics.verified("signature", true, at());
        assert_eq!(metrics.read().not_made, ["log.entry"]);
    }

    #[test]
    fn names_without_end_do_not_fill_the_memory() {
        let metrics = PackMetrics::default();
        for index in 0..10 * CHECKS_MAX {
            metrics.verified(&format!("check {index}"), false, at());
        }
        assert_eq!(metrics.read().checks.len(), CHECKS_MAX);
    }
}
