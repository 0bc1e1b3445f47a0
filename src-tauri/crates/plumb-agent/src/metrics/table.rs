//! The one table of metrics: what `/metrics` prints, what the help shows and what a dashboard may ask for.

use plumb_bundle::canonical::python_repr;

use super::{Lines, Seen, pack::Buckets};

/// What a number means over time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// The word of the text format.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric of the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    pub name: &'static str,
    pub kind: Kind,
    pub unit: &'static str,
    pub labels: &'static [&'static str],
    pub help: &'static str,
    /// The metric of another family that says the same.
    pub alias_of: Option<&'static str>,
}

/// A metric and where its samples come from.
pub(crate) struct Row {
    pub(super) metric: Metric,
    pub(super) read: fn(&Seen<'_>, &mut Lines),
}

/// Every metric of `/metrics`, in the order in which it is printed.
pub fn metrics() -> impl ExactSizeIterator<Item = &'static Metric> {
    ROWS.iter().map(|row| &row.metric)
}

const fn row(
    name: &'static str,
    kind: Kind,
    unit: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
    read: fn(&Seen<'_>, &mut Lines),
) -> Row {
    Row { metric: Metric { name, kind, unit, labels, help, alias_of: None }, read }
}

/// The same figure under a name of another family.
const fn alias(name: &'static str, of: &Row, help: &'static str) -> Row {
    let Metric { name: original, kind, unit, labels, .. } = of.metric;
    Row {
        metric: Metric { name, kind, unit, labels, help, alias_of: Some(original) },
        read: of.read,
    }
}

const RELOAD_TOTAL: Row = row(
    "unison_policy_reload_total",
    Kind::Counter,
    "reloads",
    &[],
    "Total number of bundle reload attempts",
    |seen, out| out.one(seen.stats.total),
);
const RELOAD_SUCCESS: Row = row(
    "unison_policy_reload_success_total",
    Kind::Counter,
    "reloads",
    &[],
    "Total number of successful bundle reloads",
    |seen, out| out.one(seen.stats.succeeded),
);
const RELOAD_FAILURE: Row = row(
    "unison_policy_reload_failure_total",
    Kind::Counter,
    "reloads",
    &[],
    "Total number of failed bundle reloads",
    |seen, out| out.one(seen.stats.total - seen.stats.succeeded),
);
const RELOAD_RATE: Row = row(
    "unison_policy_reload_success_rate",
    Kind::Gauge,
    "percent",
    &[],
    "Percentage of successful reloads",
    |seen, out| out.one(python_repr(seen.stats.success_rate())),
);
const RELOAD_DURATION: Row = row(
    "unison_policy_reload_duration_seconds",
    Kind::Gauge,
    "seconds",
    &[],
    "Average reload duration in seconds",
    |seen, out| out.one(python_repr(seen.stats.average_ms() / 1_000.0)),
);
const BUNDLE_VERSION: Row = row(
    "unison_policy_bundle_version",
    Kind::Gauge,
    "always 1",
    &["version"],
    "Current policy bundle version",
    |seen, out| {
        let version = seen.in_force.as_ref().map(|now| now.version().to_owned());
        let version =
            version.or_else(|| seen.core.config.field_compatible.then(|| "0.0.0".to_owned()));
        if let Some(version) = version {
            out.with(&[("version", &version)], 1);
        }
    },
);
const BUNDLE_LOADED: Row = row(
    "unison_policy_bundle_loaded_timestamp",
    Kind::Gauge,
    "unix seconds",
    &[],
    "Unix timestamp when bundle was loaded",
    |seen, out| {
        if let Some(now) = &seen.in_force {
            out.one(now.loaded_at.as_second());
        }
    },
);
const DIGEST_AGE: Row = row(
    "policy_digest_age_seconds",
    Kind::Gauge,
    "seconds",
    &[],
    "Time since the source last offered the digest in force",
    |seen, out| {
        if let Some(age_s) = seen.digest_age_s() {
            out.one(age_s);
        }
    },
);

/// The documented family first and in its order, then the two of the fetcher, then our own.
pub(super) const ROWS: &[Row] = &[
    RELOAD_TOTAL,
    RELOAD_SUCCESS,
    RELOAD_FAILURE,
    RELOAD_RATE,
    RELOAD_DURATION,
    BUNDLE_VERSION,
    BUNDLE_LOADED,
    row(
        "policy_fetch_duration_seconds",
        Kind::Histogram,
        "seconds",
        &[],
        "Time of one look at the source",
        |seen, out| histogram(out, &seen.pack.fetch),
    ),
    DIGEST_AGE,
    alias("policy_reload_success_total", &RELOAD_SUCCESS, "Successful reloads"),
    alias("policy_reload_failure_total", &RELOAD_FAILURE, "Failed reloads"),
    alias(
        "bundle_digest_age_seconds",
        &DIGEST_AGE,
        "Time since the source last offered the digest in force",
    ),
    alias("bundle_reload_failures_total", &RELOAD_FAILURE, "Failed reloads"),
    row(
        "plumb_agent_bundle_digest",
        Kind::Gauge,
        "always 1",
        &["digest", "content"],
        "SHA-256 of the bundle in force and of the policies it holds",
        |seen, out| {
            if let Some(now) = &seen.in_force {
                let digest = now.bundle.digest.to_string();
                let content = now.bundle.content.to_string();
                out.with(&[("digest", &digest), ("content", &content)], 1);
            }
        },
    ),
    row(
        "plumb_agent_reload_duration_seconds",
        Kind::Histogram,
        "seconds",
        &[],
        "Time of one reload, read and verified included",
        |seen, out| histogram(out, &seen.pack.reload),
    ),
    row(
        "plumb_agent_last_reload_timestamp_seconds",
        Kind::Gauge,
        "unix seconds",
        &["outcome"],
        "When the newest reload of each outcome ended, starts of the agent included",
        |seen, out| {
            for (outcome, at) in [("success", seen.last_success), ("failure", seen.last_failure)] {
                if let Some(at) = at {
                    out.with(&[("outcome", outcome)], at.as_second());
                }
            }
        },
    ),
    row(
        "plumb_agent_consecutive_failures",
        Kind::Gauge,
        "attempts",
        &["stage"],
        "Failed attempts since the last success, at the source and at reloading",
        |seen, out| {
            out.with(&[("stage", "fetch")], seen.pack.fetch_failures_in_a_row);
            out.with(&[("stage", "reload")], seen.consecutive_failures);
        },
    ),
    row(
        "plumb_agent_fetches_total",
        Kind::Counter,
        "fetches",
        &["outcome"],
        "Looks at the source by outcome",
        |seen, out| {
            for (outcome, count) in &seen.pack.fetches {
                out.with(&[("outcome", outcome)], count);
            }
        },
    ),
    row(
        "plumb_agent_verification_status",
        Kind::Gauge,
        "1 passed, 0 failed",
        &["check"],
        "What each check said the last time it was made",
        |seen, out| {
            for (check, _) in &seen.pack.checks {
                out.with(&[("check", &check.check)], u8::from(check.passed));
            }
        },
    ),
    row(
        "plumb_agent_verification_failures_total",
        Kind::Counter,
        "checks",
        &["check"],
        "How often each check failed",
        |seen, out| {
            for (check, failures) in &seen.pack.checks {
                out.with(&[("check", &check.check)], failures);
            }
        },
    ),
    row(
        "plumb_agent_packs_refused_total",
        Kind::Counter,
        "packs",
        &[],
        "Packs and bundles turned away because a check failed",
        |seen, out| out.one(seen.pack.refused),
    ),
    row(
        "plumb_agent_pack_failures_total",
        Kind::Counter,
        "looks",
        &["cause"],
        "Looks at the registry and stored packs that brought nothing into force, by cause",
        |seen, out| {
            for (cause, count) in &seen.pack.failures {
                out.with(&[("cause", cause)], count);
            }
        },
    ),
    row(
        "plumb_agent_fallback_active",
        Kind::Gauge,
        "1 yes, 0 no",
        &[],
        "Whether last known good answers instead of what should run",
        |seen, out| out.one(u8::from(seen.pack.fallback_active)),
    ),
    row(
        "plumb_agent_fallback_activations_total",
        Kind::Counter,
        "activations",
        &[],
        "How often last known good took over",
        |seen, out| out.one(seen.pack.fallback_activations),
    ),
    row(
        "plumb_agent_http_responses_total",
        Kind::Counter,
        "answers",
        &["purpose", "status"],
        "Answers by what was asked for and by status class",
        |seen, out| {
            for (purpose, status, count) in seen.core.traffic.answers() {
                out.with(&[("purpose", purpose), ("status", status)], count);
            }
        },
    ),
    row(
        "plumb_agent_decisions_total",
        Kind::Counter,
        "decisions",
        &["outcome"],
        "Decisions by what the caller was told",
        |seen, out| {
            for (outcome, count) in seen.core.traffic.decisions() {
                out.with(&[("outcome", outcome)], count);
            }
        },
    ),
    row(
        "plumb_agent_decision_duration_seconds",
        Kind::Histogram,
        "seconds",
        &[],
        "Time to answer a decision",
        |seen, out| histogram(out, &seen.core.traffic.durations()),
    ),
    row(
        "plumb_agent_alerts_total",
        Kind::Counter,
        "alerts",
        &["outcome"],
        "Alerts by what became of them at the receiver",
        |seen, out| {
            let (counts, _) = seen.core.alerts.counts();
            out.with(&[("outcome", "sent")], counts.sent);
            out.with(&[("outcome", "refused")], counts.refused);
            out.with(&[("outcome", "dropped")], counts.dropped);
        },
    ),
    row(
        "plumb_agent_alerts_waiting",
        Kind::Gauge,
        "alerts",
        &[],
        "Alerts that wait for their receiver",
        |seen, out| out.one(seen.core.alerts.counts().1),
    ),
];

/// What the field's service prints, in its order, which is not the documented one.
pub(super) const FIELD: &[Row] = &[
    row(
        "unison_policy_requests_total",
        Kind::Counter,
        "requests",
        &["endpoint"],
        "Total number of requests by endpoint",
        |seen, out| {
            out.head_alone = true;
            for (endpoint, count) in seen.core.requests.read() {
                out.with(&[("endpoint", endpoint)], count);
            }
        },
    ),
    row(
        "unison_policy_uptime_seconds",
        Kind::Gauge,
        "seconds",
        &[],
        "Service uptime in seconds",
        |seen, out| out.one(python_repr(seen.core.uptime().as_secs_f64())),
    ),
    row(
        "unison_policy_rules_loaded",
        Kind::Gauge,
        "rules",
        &[],
        "Number of loaded policy rules",
        |seen, out| out.one(seen.core.answering().count()),
    ),
    BUNDLE_VERSION,
    RELOAD_TOTAL,
    RELOAD_SUCCESS,
    RELOAD_FAILURE,
    RELOAD_RATE,
    RELOAD_DURATION,
    BUNDLE_LOADED,
];

fn histogram(out: &mut Lines, buckets: &Buckets) {
    for (le, count) in buckets.cumulative() {
        out.suffixed("_bucket", &[("le", &le)], count);
    }
    out.suffixed("_sum", &[], buckets.sum_s());
    out.suffixed("_count", &[], buckets.count());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_say_their_kind() {
        let mut names: Vec<_> = metrics().map(|metric| metric.name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
        for metric in metrics() {
            let total = metric.name.ends_with("_total");
            assert_eq!(total, metric.kind == Kind::Counter, "{}", metric.name);
            assert!(!metric.help.is_empty() && !metric.help.contains('\n'), "{}", metric.name);
        }
    }

    #[test]
    fn an_alias_names_a_metric_that_is_none() {
        for metric in metrics() {
            let Some(original) = metric.alias_of else { continue };
            let original = metrics().find(|candidate| candidate.name == original);
            let original = original.unwrap_or_else(|| panic!("{} aliases nothing", metric.name));
            assert_eq!((original.alias_of, original.kind), (None, metric.kind));
        }
    }
}
