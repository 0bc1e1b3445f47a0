//! A report in three parts: its shape, which many nodes share, what is a node's own, and what moves with every sweep.

use jiff::Timestamp;
use plumb_fleet::{
    DecisionCounts, NodeId, NodeReport, Observed, ReloadEntry, ReloadStats, ReloadTrigger,
    Standing, Version,
};
use serde::{Deserialize, Serialize};

use crate::{
    error::StoreError,
    value::{from_exact, from_json, from_ms, to_exact, to_json, to_ms},
};

/// What of a report moves although nothing happened.
#[derive(Debug, Default)]
pub(crate) struct Moving {
    pub(crate) reported_at_ms: Option<i64>,
    pub(crate) latency_ms: Option<i64>,
    pub(crate) uptime_s: Option<i64>,
    pub(crate) confirmed_at_ms: Option<i64>,
    pub(crate) confirmed_rest_ns: Option<i64>,
    pub(crate) clock_skew_ms: Option<i64>,
    pub(crate) moments: Option<String>,
    pub(crate) standing: Option<String>,
}

impl Moving {
    pub(crate) fn of(report: &NodeReport) -> Self {
        let confirmed = report.confirmed_at.as_ref().map(|observed| to_exact(observed.value));
        let reported_at_ms = to_ms(report.at);
        let moments: Vec<i64> = moments(report).map(|at| to_ms(at) - reported_at_ms).collect();
        Self {
            reported_at_ms: Some(reported_at_ms),
            latency_ms: Some(report.latency_ms.into()),
            uptime_s: report.uptime_s.as_ref().map(|uptime| uptime.value.cast_signed()),
            confirmed_at_ms: confirmed.map(|(ms, _)| ms),
            confirmed_rest_ns: confirmed.map(|(_, rest)| rest),
            clock_skew_ms: report.clock_skew_ms,
            moments: Some(to_json(&moments)),
            standing: report.standing.as_ref().map(|standing| to_json(&to_row(standing.value))),
        }
    }
}

/// A standing as it is stored: failures in a row, fallback since, newest check, decisions (all, failed),
/// decisions around the newest reload.
type StandingRow =
    (u64, Option<Timestamp>, Option<Timestamp>, Option<(u64, u64)>, Option<(u64, u64)>);

fn to_row(standing: Standing) -> StandingRow {
    let counts = |counts: DecisionCounts| (counts.all, counts.failed);
    (
        standing.consecutive_failures,
        standing.fallback_since,
        standing.verified_at,
        standing.decisions.map(counts),
        standing.around_reload.map(counts),
    )
}

fn from_row(row: StandingRow) -> Standing {
    let counts = |(all, failed)| DecisionCounts { all, failed };
    let (consecutive_failures, fallback_since, verified_at, decisions, around_reload) = row;
    Standing {
        consecutive_failures,
        fallback_since,
        verified_at,
        decisions: decisions.map(counts),
        around_reload: around_reload.map(counts),
    }
}

/// What of a report is a node's own and changes with its reloads.
#[derive(Debug, Default)]
pub(crate) struct Own {
    pub(crate) history: Option<String>,
    pub(crate) stats: Option<String>,
    pub(crate) loaded_at_ms: Option<i64>,
    pub(crate) loaded_rest_ns: Option<i64>,
}

/// A reload as the ring is stored: moment, nanoseconds left over, version, success, microseconds, policies, error,
/// and who asked, which older files lack.
#[derive(Serialize, Deserialize)]
struct RingRow<V, E>(
    i64,
    i64,
    Option<V>,
    bool,
    u64,
    u32,
    Option<E>,
    #[serde(default = "nobody")] Option<ReloadTrigger>,
);

const fn nobody() -> Option<ReloadTrigger> {
    None
}

impl Own {
    pub(crate) fn of(report: &NodeReport) -> Self {
        let history: Vec<RingRow<&Version, &str>> = report
            .history
            .iter()
            .map(|e| {
                let (ms, rest) = to_exact(e.at);
                let (version, error) = (e.version.as_ref(), e.error.as_deref());
                RingRow(ms, rest, version, e.success, e.duration_us, e.policies, error, e.trigger)
            })
            .collect();
        let stats = report.stats.as_ref().map(|stats| {
            let ReloadStats { total, succeeded, failed, average_us } = stats.value;
            to_json(&[total, succeeded, failed, average_us])
        });
        let loaded = report.loaded_at.as_ref().map(|loaded| to_exact(loaded.value));
        Self {
            history: Some(to_json(&history)),
            stats,
            loaded_at_ms: loaded.map(|(ms, _)| ms),
            loaded_rest_ns: loaded.map(|(_, rest)| rest),
        }
    }
}

/// The report without what moves, what is the node's own, and its list of policies.
pub(crate) fn shape(report: &NodeReport) -> String {
    fn told<T: Clone>(observed: Option<&Observed<T>>) -> Option<Observed<T>> {
        observed.cloned().map(|o| Observed { at: Timestamp::UNIX_EPOCH, ..o })
    }
    fn blank<T, U>(observed: Option<&Observed<T>>, value: U) -> Option<Observed<U>> {
        observed.map(|o| Observed::new(value, o.source.clone(), Timestamp::UNIX_EPOCH))
    }
    let no_stats = ReloadStats { total: 0, succeeded: 0, failed: 0, average_us: 0 };
    to_json(&NodeReport {
        node: NodeId::new("any").expect("a name"),
        api: report.api,
        at: Timestamp::UNIX_EPOCH,
        latency_ms: 0,
        bundle_id: told(report.bundle_id.as_ref()),
        version: told(report.version.as_ref()),
        bundle_digest: told(report.bundle_digest.as_ref()),
        content: told(report.content.as_ref()),
        ordering: report.ordering,
        policies: blank(report.policies.as_ref(), Vec::new()),
        loaded_at: blank(report.loaded_at.as_ref(), Timestamp::UNIX_EPOCH),
        confirmed_at: blank(report.confirmed_at.as_ref(), Timestamp::UNIX_EPOCH),
        signature: told(report.signature.as_deref()).map(Box::new),
        verification: told(report.verification.as_ref()),
        standing: blank(report.standing.as_deref(), Standing::default()).map(Box::new),
        last_known_good: told(report.last_known_good.as_deref()).map(Box::new),
        pinned: told(report.pinned.as_deref()).map(Box::new),
        ready: told(report.ready.as_ref()),
        stats: blank(report.stats.as_deref(), no_stats).map(Box::new),
        history: Vec::new(),
        uptime_s: blank(report.uptime_s.as_ref(), 0),
        clock_skew_ms: None,
        unauthenticated_reload: report.unauthenticated_reload,
        config: report.config.clone(),
        gaps: report.gaps.clone(),
    })
}

/// The report of which a shape and the rest were kept; its policies are still to be put in.
pub(crate) fn restore(
    node: NodeId,
    shape: &NodeReport,
    own: &Own,
    moving: &Moving,
) -> Result<NodeReport, StoreError> {
    let mut report = NodeReport { node, ..shape.clone() };
    let reported_at_ms = needed(moving.reported_at_ms)?;
    report.at = from_ms(reported_at_ms)?;
    report.latency_ms = needed(moving.latency_ms.and_then(|ms| u32::try_from(ms).ok()))?;
    report.clock_skew_ms = moving.clock_skew_ms;
    if let Some(uptime) = &mut report.uptime_s {
        uptime.value = needed(moving.uptime_s)?.cast_unsigned();
    }
    if let Some(confirmed) = &mut report.confirmed_at {
        let ms = needed(moving.confirmed_at_ms)?;
        confirmed.value = from_exact(ms, needed(moving.confirmed_rest_ns)?)?;
    }
    if let Some(standing) = &mut report.standing {
        standing.value = from_row(from_json("standing", needed(moving.standing.as_deref())?)?);
    }
    if let Some(loaded) = &mut report.loaded_at {
        loaded.value = from_exact(needed(own.loaded_at_ms)?, needed(own.loaded_rest_ns)?)?;
    }
    if let Some(stats) = &mut report.stats {
        let [total, succeeded, failed, average_us] =
            from_json("reload counters", needed(own.stats.as_deref())?)?;
        stats.value = ReloadStats { total, succeeded, failed, average_us };
    }
    report.history = ring(needed(own.history.as_deref())?)?;
    let deltas: Vec<i64> = from_json("moments", needed(moving.moments.as_deref())?)?;
    let mut deltas = deltas.into_iter();
    let mut failed = None;
    for_each_moment(&mut report, |at| {
        match needed(deltas.next()).and_then(|delta| from_ms(reported_at_ms + delta)) {
            Ok(read) => *at = read,
            Err(error) => failed = Some(error),
        }
    });
    failed.map_or(Ok(report), Err)
}

fn needed<T>(part: Option<T>) -> Result<T, StoreError> {
    part.ok_or_else(|| StoreError::malformed("report")("a part of it is missing".into()))
}

fn ring(history: &str) -> Result<Vec<ReloadEntry>, StoreError> {
    let rows: Vec<RingRow<Version, String>> = from_json("ring of reloads", history)?;
    rows.into_iter()
        .map(|RingRow(ms, rest, version, success, duration_us, policies, error, trigger)| {
            let at = from_exact(ms, rest)?;
            Ok(ReloadEntry { at, version, success, duration_us, policies, error, trigger })
        })
        .collect()
}

/// Whether two reports differ in nothing but what moves.
pub(crate) fn same_shape(a: &NodeReport, b: &NodeReport) -> bool {
    fn same<T: PartialEq>(a: Option<&Observed<T>>, b: Option<&Observed<T>>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => a.value == b.value && a.source == b.source,
            (None, None) => true,
            _ => false,
        }
    }
    fn same_source<T>(a: Option<&Observed<T>>, b: Option<&Observed<T>>) -> bool {
        a.map(|observed| &observed.source) == b.map(|observed| &observed.source)
    }
    // Named one by one, so that a new field does not compile until somebody decides what it is.
    let NodeReport {
        node,
        api,
        at: _,
        latency_ms: _,
        bundle_id,
        version,
        bundle_digest,
        content,
        ordering,
        policies,
        loaded_at,
        confirmed_at,
        signature,
        verification,
        standing,
        ready,
        stats,
        history,
        uptime_s,
        clock_skew_ms: _,
        unauthenticated_reload,
        config,
        gaps,
        last_known_good,
        pinned,
    } = a;
    *node == b.node
        && *api == b.api
        && same(bundle_id.as_ref(), b.bundle_id.as_ref())
        && same(version.as_ref(), b.version.as_ref())
        && same(bundle_digest.as_ref(), b.bundle_digest.as_ref())
        && same(content.as_ref(), b.content.as_ref())
        && *ordering == b.ordering
        && same(loaded_at.as_ref(), b.loaded_at.as_ref())
        && same_source(confirmed_at.as_ref(), b.confirmed_at.as_ref())
        && same(signature.as_deref(), b.signature.as_deref())
        && same(verification.as_ref(), b.verification.as_ref())
        && same_source(standing.as_deref(), b.standing.as_deref())
        && same(ready.as_ref(), b.ready.as_ref())
        && same(stats.as_deref(), b.stats.as_deref())
        && *history == b.history
        && same_source(uptime_s.as_ref(), b.uptime_s.as_ref())
        && *unauthenticated_reload == b.unauthenticated_reload
        && *config == b.config
        && *gaps == b.gaps
        && same(last_known_good.as_deref(), b.last_known_good.as_deref())
        && same(pinned.as_deref(), b.pinned.as_deref())
        && same(policies.as_ref(), b.policies.as_ref())
}

fn moments(report: &NodeReport) -> impl Iterator<Item = Timestamp> {
    fn at<T>(observed: Option<&Observed<T>>) -> Option<Timestamp> {
        observed.map(|observed| observed.at)
    }
    [
        at(report.bundle_id.as_ref()),
        at(report.version.as_ref()),
        at(report.bundle_digest.as_ref()),
        at(report.content.as_ref()),
        at(report.policies.as_ref()),
        at(report.loaded_at.as_ref()),
        at(report.confirmed_at.as_ref()),
        at(report.signature.as_deref()),
        at(report.verification.as_ref()),
        at(report.standing.as_deref()),
        at(report.ready.as_ref()),
        at(report.stats.as_deref()),
        at(report.uptime_s.as_ref()),
        at(report.last_known_good.as_deref()),
        at(report.pinned.as_deref()),
    ]
    .into_iter()
    .flatten()
}

/// Visits the same moments as [`moments`], in the same order.
fn for_each_moment(report: &mut NodeReport, mut visit: impl FnMut(&mut Timestamp)) {
    fn at<T>(observed: Option<&mut Observed<T>>) -> Option<&mut Timestamp> {
        observed.map(|observed| &mut observed.at)
    }
    let all = [
        at(report.bundle_id.as_mut()),
        at(report.version.as_mut()),
        at(report.bundle_digest.as_mut()),
        at(report.content.as_mut()),
        at(report.policies.as_mut()),
        at(report.loaded_at.as_mut()),
        at(report.confirmed_at.as_mut()),
        at(report.signature.as_deref_mut()),
        at(report.verification.as_mut()),
        at(report.standing.as_deref_mut()),
        at(report.ready.as_mut()),
        at(report.stats.as_deref_mut()),
        at(report.uptime_s.as_mut()),
        at(report.last_known_good.as_deref_mut()),
        at(report.pinned.as_deref_mut()),
    ];
    for moment in all.into_iter().flatten() {
        visit(moment);
    }
}
