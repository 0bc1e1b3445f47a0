//! A report in two parts: its shape, which is stored when it changes, and what moves with every sweep.

use jiff::Timestamp;
use plumb_fleet::{NodeReport, Observed};

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
        }
    }
}

/// The report without what moves and without its list of policies, as JSON.
pub(crate) fn shape(report: &NodeReport) -> String {
    let mut shape = report.clone();
    shape.at = Timestamp::UNIX_EPOCH;
    shape.latency_ms = 0;
    shape.clock_skew_ms = None;
    if let Some(uptime) = &mut shape.uptime_s {
        uptime.value = 0;
    }
    if let Some(confirmed) = &mut shape.confirmed_at {
        confirmed.value = Timestamp::UNIX_EPOCH;
    }
    if let Some(policies) = &mut shape.policies {
        policies.value = Vec::new();
    }
    for_each_moment(&mut shape, |at| *at = Timestamp::UNIX_EPOCH);
    to_json(&shape)
}

/// The report of which a shape and what moves were kept; its policies are still to be put in.
pub(crate) fn restore(shape: &str, moving: &Moving) -> Result<NodeReport, StoreError> {
    let missing = || StoreError::malformed("report")("a part of it is missing".into());
    let mut report: NodeReport = from_json("report", shape)?;
    let reported_at_ms = moving.reported_at_ms.ok_or_else(missing)?;
    report.at = from_ms(reported_at_ms)?;
    report.latency_ms =
        moving.latency_ms.and_then(|latency| u32::try_from(latency).ok()).ok_or_else(missing)?;
    report.clock_skew_ms = moving.clock_skew_ms;
    if let Some(uptime) = &mut report.uptime_s {
        uptime.value = moving.uptime_s.ok_or_else(missing)?.cast_unsigned();
    }
    if let Some(confirmed) = &mut report.confirmed_at {
        let ms = moving.confirmed_at_ms.ok_or_else(missing)?;
        confirmed.value = from_exact(ms, moving.confirmed_rest_ns.ok_or_else(missing)?)?;
    }
    let deltas: Vec<i64> = from_json("moments", moving.moments.as_deref().ok_or_else(missing)?)?;
    let mut deltas = deltas.into_iter();
    let mut failed = None;
    for_each_moment(&mut report, |at| {
        let delta = deltas.next().ok_or_else(missing);
        match delta.and_then(|delta| from_ms(reported_at_ms + delta)) {
            Ok(read) => *at = read,
            Err(error) => failed = Some(error),
        }
    });
    failed.map_or(Ok(report), Err)
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
        && same(signature.as_ref(), b.signature.as_ref())
        && same(ready.as_ref(), b.ready.as_ref())
        && same(stats.as_ref(), b.stats.as_ref())
        && *history == b.history
        && same_source(uptime_s.as_ref(), b.uptime_s.as_ref())
        && *unauthenticated_reload == b.unauthenticated_reload
        && *config == b.config
        && *gaps == b.gaps
        && same(last_known_good.as_ref(), b.last_known_good.as_ref())
        && same(pinned.as_ref(), b.pinned.as_ref())
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
        at(report.signature.as_ref()),
        at(report.ready.as_ref()),
        at(report.stats.as_ref()),
        at(report.uptime_s.as_ref()),
        at(report.last_known_good.as_ref()),
        at(report.pinned.as_ref()),
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
        at(report.signature.as_mut()),
        at(report.ready.as_mut()),
        at(report.stats.as_mut()),
        at(report.uptime_s.as_mut()),
        at(report.last_known_good.as_mut()),
        at(report.pinned.as_mut()),
    ];
    for moment in all.into_iter().flatten() {
        visit(moment);
    }
}
