//! Answers by status class and decisions by outcome: counted on every request, so only atomics.

use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{Method, StatusCode};

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
}

impl Traffic {
    pub(crate) fn answered(&self, method: &Method, path: &str, status: StatusCode) {
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

    #[test]
    fn a_refused_reload_is_no_failed_decision() {
        let traffic = Traffic::default();
        traffic.answered(&Method::POST, "/reload", StatusCode::INTERNAL_SERVER_ERROR);
        traffic.answered(&Method::GET, "/readyz", StatusCode::SERVICE_UNAVAILABLE);
        traffic.answered(&Method::POST, "/evaluate", StatusCode::OK);
        assert_eq!(traffic.decision_errors(), (0, 1));
        traffic.answered(&Method::POST, "/v1/data/cos/abac", StatusCode::SERVICE_UNAVAILABLE);
        traffic.answered(&Method::POST, "/v1/database", StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(traffic.decision_errors(), (1, 2));
    }

    #[test]
    fn every_status_class_is_there_from_the_start() {
        let traffic = Traffic::default();
        assert_eq!(traffic.answers().count(), 15);
        assert!(traffic.answers().all(|(_, _, count)| count == 0));
        traffic.answered(&Method::GET, "/rules", StatusCode::NOT_MODIFIED);
        let one: Vec<_> = traffic.answers().filter(|(_, _, count)| *count > 0).collect();
        assert_eq!(one, [("reading", "3xx", 1)]);
    }
}
