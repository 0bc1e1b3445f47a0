//! Answers by status class and decisions by outcome: counted on every request, so only atomics.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use axum::http::{Method, StatusCode};

use super::pack::Buckets;

/// Upper bounds of how long decisions take, in seconds: a few hundred microseconds on loopback, and a
/// second where something is badly wrong.
const BOUNDS_S: [f64; 12] =
    [0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// What a request was for. A refused reload answers 500 as documented, so only decisions say
/// whether callers are being failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Decision,
    Reading,
    Change,
}

impl Purpose {
    const ALL: [Self; 3] = [Self::Decision, Self::Reading, Self::Change];

    fn of(method: &Method, path: &str) -> Self {
        // Below /v1/data engines of the Open Policy Agent family answer decisions.
        let data = path
            .strip_prefix("/v1/data")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if path == "/evaluate" || data {
            Self::Decision
        } else if method.is_safe() {
            Self::Reading
        } else {
            Self::Change
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Decision => "decision",
            Self::Reading => "reading",
            Self::Change => "change",
        }
    }
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// What a caller was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecisionOutcome {
    Allow,
    Confirm,
    Deny,
    /// No bundle is in force and nothing may be said without one.
    Unavailable,
}

impl DecisionOutcome {
    const ALL: [Self; 4] = [Self::Allow, Self::Confirm, Self::Deny, Self::Unavailable];

    fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Confirm => "confirm",
            Self::Deny => "deny",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Counters since the process started.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    answers: [[AtomicU64; CLASSES.len()]; Purpose::ALL.len()],
    decisions: [AtomicU64; DecisionOutcome::ALL.len()],
    /// Not cumulative; the last is beyond every bound.
    took: [AtomicU64; BOUNDS_S.len() + 1],
    took_us: AtomicU64,
}

impl Traffic {
    pub(crate) fn answered(&self, method: &Method, path: &str, status: StatusCode, took: Duration) {
        if Purpose::of(method, path) == Purpose::Decision {
            let seconds = took.as_secs_f64();
            let at = BOUNDS_S.partition_point(|bound| *bound < seconds);
            self.took[at].fetch_add(1, Ordering::Relaxed);
            let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
            self.took_us.fetch_add(us, Ordering::Relaxed);
        }
        let class = usize::from(status.as_u16() / 100).saturating_sub(1);
        if let Some(counter) = self.answers[Purpose::of(method, path) as usize].get(class) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn decided(&self, outcome: DecisionOutcome) {
        self.decisions[outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Every combination, also those that never happened: a counter that begins above zero hides
    /// its first step from `increase()`.
    pub(crate) fn answers(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        Purpose::ALL.into_iter().flat_map(move |purpose| {
            let row = &self.answers[purpose as usize];
            CLASSES.into_iter().zip(row).map(move |(class, counter)| {
                (purpose.name(), class, counter.load(Ordering::Relaxed))
            })
        })
    }

    pub(crate) fn decisions(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let read =
            |outcome: DecisionOutcome| self.decisions[outcome as usize].load(Ordering::Relaxed);
        DecisionOutcome::ALL.into_iter().map(move |outcome| (outcome.name(), read(outcome)))
    }

    /// How long decisions took to answer.
    pub(crate) fn durations(&self) -> Buckets {
        let counts = self.took.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Buckets::of(&BOUNDS_S, counts, self.took_us.load(Ordering::Relaxed))
    }

    /// Decisions answered with a server error, and all of them.
    pub(crate) fn decision_errors(&self) -> (u64, u64) {
        let row = &self.answers[Purpose::Decision as usize];
        let all = row.iter().map(|counter| counter.load(Ordering::Relaxed)).sum();
        (row[CLASSES.len() - 1].load(Ordering::Relaxed), all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOOK: Duration = Duration::from_micros(250);

    #[test]
    fn only_decisions_are_timed_and_a_bound_belongs_to_its_bucket() {
        let traffic = Traffic::default();
        for us in [250, 251, 2_000_000] {
            let took = Duration::from_micros(us);
            traffic.answered(&Method::POST, "/evaluate", StatusCode::OK, took);
            traffic.answered(&Method::GET, "/readyz", StatusCode::OK, took);
        }
        let durations = traffic.durations();
        let of = |bound: &str| {
            let counts = durations.cumulative();
            counts.iter().find(|(le, _)| le == bound).map(|(_, count)| *count)
        };
        assert_eq!(
            (of("0.00025"), of("0.0005"), of("1"), of("+Inf")),
            (Some(1), Some(2), Some(2), Some(3))
        );
        assert!((durations.sum_s() - 2.000_501).abs() < 1e-9, "{}", durations.sum_s());
    }

    #[test]
    fn a_refused_reload_is_no_failed_decision() {
        let traffic = Traffic::default();
        traffic.answered(&Method::POST, "/reload", StatusCode::INTERNAL_SERVER_ERROR, TOOK);
        traffic.answered(&Method::GET, "/readyz", StatusCode::SERVICE_UNAVAILABLE, TOOK);
        traffic.answered(&Method::POST, "/evaluate", StatusCode::OK, TOOK);
        assert_eq!(traffic.decision_errors(), (0, 1));
        traffic.answered(&Method::POST, "/v1/data/cos/abac", StatusCode::SERVICE_UNAVAILABLE, TOOK);
        traffic.answered(&Method::POST, "/v1/database", StatusCode::SERVICE_UNAVAILABLE, TOOK);
        assert_eq!(traffic.decision_errors(), (1, 2));
    }

    #[test]
    fn every_status_class_is_there_from_the_start() {
        let traffic = Traffic::default();
        assert_eq!(traffic.answers().count(), 15);
        assert!(traffic.answers().all(|(_, _, count)| count == 0));
        traffic.answered(&Method::GET, "/rules", StatusCode::NOT_MODIFIED, TOOK);
        let one: Vec<_> = traffic.answers().filter(|(_, _, count)| *count > 0).collect();
        assert_eq!(one, [("reading", "3xx", 1)]);
    }
}
