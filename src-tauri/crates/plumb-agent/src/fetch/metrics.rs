//! Counters of a fetcher, and their text for Prometheus.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;

use super::{failure::Cause, status::FetchStatus};

/// Upper bounds of the buckets in seconds: a loopback answer, a usual one, one that took its time.
const BUCKETS_S: [f64; 8] = [0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0, 60.0];

#[derive(Debug, Default)]
pub(crate) struct Metrics(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    buckets: [u64; BUCKETS_S.len()],
    fetches: u64,
    seconds: f64,
    activations: u64,
    fallbacks: u64,
    alerts_lost: u64,
    audit_lost: u64,
    failures: BTreeMap<Cause, u64>,
}

impl Metrics {
    fn with<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A look that took so long. A long poll counts only what followed its answer.
    pub(crate) fn fetched(&self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.with(|counts| {
            counts.fetches += 1;
            counts.seconds += seconds;
            for (count, bound) in counts.buckets.iter_mut().zip(BUCKETS_S) {
                *count += u64::from(seconds <= bound);
            }
        });
    }

    pub(crate) fn activated(&self) {
        self.with(|counts| counts.activations += 1);
    }

    pub(crate) fn failed(&self, cause: Cause) {
        self.with(|counts| *counts.failures.entry(cause).or_default() += 1);
    }

    pub(crate) fn fell_back(&self) {
        self.with(|counts| counts.fallbacks += 1);
    }

    pub(crate) fn alert_lost(&self) {
        self.with(|counts| counts.alerts_lost += 1);
    }

    pub(crate) fn audit_lost(&self) {
        self.with(|counts| counts.audit_lost += 1);
    }

    pub(crate) fn failures(&self, cause: Cause) -> u64 {
        self.with(|counts| counts.failures.get(&cause).copied().unwrap_or(0))
    }

    /// Text format 0.0.4, without a line break at the start, with one at the end.
    pub(crate) fn text(&self, status: &FetchStatus, now: Timestamp) -> String {
        let mut out = String::new();
        self.with(|counts| counts.write(&mut out));
        if let Some(age) = status.digest_age_s(now) {
            let help = "Seconds since the registry confirmed the pack in force";
            head(&mut out, "policy_digest_age_seconds", "gauge", help);
            let _ = writeln!(out, "policy_digest_age_seconds {age}");
        }
        head(
            &mut out,
            "policy_fallback_active",
            "gauge",
            "1 while the pack in force is not the one the registry offers",
        );
        let _ = writeln!(out, "policy_fallback_active {}", u8::from(status.fallback));
        if let Some(active) = &status.active {
            head(&mut out, "policy_pack_active", "gauge", "The pack in force");
            let version = active.version.replace('\\', "\\\\").replace('"', "\\\"");
            let version = version.replace('\n', "\\n");
            let _ = writeln!(
                out,
                "policy_pack_active{{digest=\"{}\",version=\"{version}\"}} 1",
                active.digest
            );
        }
        out
    }
}

impl Counts {
    fn write(&self, out: &mut String) {
        let name = "policy_fetch_duration_seconds";
        head(out, name, "histogram", "Time of one fetch, from the request to its result");
        for (bound, count) in BUCKETS_S.iter().zip(self.buckets) {
            let _ = writeln!(out, "{name}_bucket{{le=\"{bound}\"}} {count}");
        }
        let _ = writeln!(out, "{name}_bucket{{le=\"+Inf\"}} {}", self.fetches);
        let _ = writeln!(out, "{name}_sum {}", self.seconds);
        let _ = writeln!(out, "{name}_count {}", self.fetches);
        for (name, count, help) in [
            ("policy_reload_success_total", self.activations, "Packs brought into force"),
            ("policy_fallback_activations_total", self.fallbacks, "Returns to last-known-good"),
            ("policy_alerts_lost_total", self.alerts_lost, "Alerts nobody took in time"),
            ("policy_audit_lines_lost_total", self.audit_lost, "Audit lines that were not written"),
        ] {
            head(out, name, "counter", help);
            let _ = writeln!(out, "{name} {count}");
        }
        let mut last = "";
        let mut causes = Cause::ALL.to_vec();
        causes.sort_by_key(|cause| cause.metric());
        for cause in causes {
            let name = cause.metric();
            if name != last {
                head(out, name, "counter", "Failures by cause");
                last = name;
            }
            let count = self.failures.get(&cause).copied().unwrap_or(0);
            let _ = writeln!(out, "{name}{{cause=\"{}\"}} {count}", cause.as_str());
        }
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}
