//! What a fetcher counts for itself; `/metrics` is printed from what it tells (`FetchEvent`).

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::failure::Cause;

#[derive(Debug, Default)]
pub(crate) struct Metrics {
    failures: Mutex<BTreeMap<Cause, u64>>,
    alerts_lost: AtomicU64,
    audit_lost: AtomicU64,
}

impl Metrics {
    pub(crate) fn failed(&self, cause: Cause) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        *failures.entry(cause).or_default() += 1;
    }

    pub(crate) fn failures(&self, cause: Cause) -> u64 {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&cause).copied().unwrap_or(0)
    }

    pub(crate) fn alert_lost(&self) {
        self.alerts_lost.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn audit_lost(&self) {
        self.audit_lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Alerts nobody took in time, and audit lines that were not written.
    pub(crate) fn lost(&self) -> (u64, u64) {
        (self.alerts_lost.load(Ordering::Relaxed), self.audit_lost.load(Ordering::Relaxed))
    }
}
