//! Any snapshot comes back as it went in, whatever was stored before it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use plumb_fleet::{
    BundleDigest, CheckOutcome, CheckSeen, ContentDigest, DecisionCounts, Digest, FailureKind,
    NamedContent, NodeApi, NodeFailure, NodeId, NodeObservation, NodeReport, Observed, Ordering,
    PolicyRef, ReloadEntry, ReloadStats, ReloadTrigger, ReportGap, SignatureReport, Snapshot,
    Standing, Verification, Version,
};
use plumb_store::Kind;
use proptest::{
    collection::{btree_map, btree_set, vec},
    option,
    prelude::*,
};

use crate::support::{Files, at, fleet, insert, latest, snapshot_id};

/// Moments of our own clock are whole milliseconds.
fn ours() -> impl Strategy<Value = Timestamp> {
    (-1_000_000_000_000_i64..1_000_000_000_000).prop_map(at)
}

/// Moments that nodes tell are anything, years before 1970 included.
fn theirs() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_nanosecond()..=Timestamp::MAX.as_nanosecond())
        .prop_map(|ns| Timestamp::from_nanosecond(ns).expect("within range"))
}

fn observed<T: std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<Observed<T>>> {
    option::of(
        (value, "/[a-z]{0,8}", ours()).prop_map(|(v, source, at)| Observed::new(v, source, at)),
    )
}

fn version() -> impl Strategy<Value = Version> {
    "[^\\p{Cc}]{1,6}".prop_map(|label| Version::new(label).expect("printable"))
}

fn digest() -> impl Strategy<Value = Digest> {
    any::<u8>().prop_map(|n| Digest::of(&[n]))
}

fn failure() -> impl Strategy<Value = NodeFailure> {
    let kinds = [FailureKind::Refused, FailureKind::Tls, FailureKind::Policy];
    (prop::sample::select(kinds.to_vec()), ".{0,9}")
        .prop_map(|(kind, message)| NodeFailure { kind, message })
}

fn entry() -> impl Strategy<Value = ReloadEntry> {
    let triggers = prop::sample::select(vec![ReloadTrigger::Poll, ReloadTrigger::Sync]);
    let told = (any::<(bool, u64, u32)>(), option::of(triggers));
    (theirs(), option::of(version()), told, option::of(".{0,9}")).prop_map(
        |(at, version, ((success, duration_us, policies), trigger), error)| ReloadEntry {
            at,
            version,
            success,
            duration_us,
            policies,
            error,
            trigger,
        },
    )
}

fn signature() -> impl Strategy<Value = SignatureReport> {
    prop_oneof![
        Just(SignatureReport::Unsigned),
        ".{0,9}".prop_map(|reason| SignatureReport::Invalid { reason }),
        (".{0,5}", ".{0,5}").prop_map(|(scheme, key)| SignatureReport::Valid { scheme, key }),
    ]
}

fn policies() -> impl Strategy<Value = Vec<PolicyRef>> {
    vec((".{0,9}", digest()).prop_map(|(id, digest)| PolicyRef { id, digest }), 0..4)
}

fn stats() -> impl Strategy<Value = ReloadStats> {
    any::<[u64; 4]>().prop_map(|[total, succeeded, failed, average_us]| ReloadStats {
        total,
        succeeded,
        failed,
        average_us,
    })
}

fn named() -> impl Strategy<Value = NamedContent> {
    (version(), digest().prop_map(ContentDigest))
        .prop_map(|(version, content)| NamedContent { version, content })
}

fn verification() -> impl Strategy<Value = Verification> {
    let outcomes = vec![CheckOutcome::Passed, CheckOutcome::Failed, CheckOutcome::NotMade];
    let check = (".{0,9}", prop::sample::select(outcomes), option::of(".{0,9}"))
        .prop_map(|(name, outcome, detail)| CheckSeen { name, outcome, detail });
    let words = || option::of(".{0,9}");
    (vec(check, 0..4), words(), words(), words()).prop_map(
        |(checks, carried_by, origin, fallback)| Verification {
            checks,
            carried_by,
            origin,
            fallback,
        },
    )
}

fn standing() -> impl Strategy<Value = Standing> {
    let counts =
        || option::of(any::<(u64, u64)>().prop_map(|(all, failed)| DecisionCounts { all, failed }));
    let moment = || option::of(theirs());
    (any::<u64>(), moment(), moment(), counts(), counts()).prop_map(
        |(consecutive_failures, fallback_since, verified_at, decisions, around_reload)| Standing {
            consecutive_failures,
            fallback_since,
            verified_at,
            decisions,
            around_reload,
        },
    )
}

#[expect(clippy::too_many_lines, reason = "one strategy for every part of a report")]
fn report() -> impl Strategy<Value = NodeReport> {
    let identity = (
        prop::sample::select(vec![NodeApi::Reload, NodeApi::Opa, NodeApi::Agent]),
        prop::sample::select(vec![Ordering::ByPosition, Ordering::Unordered]),
        ours(),
        any::<u32>(),
        option::of(any::<i64>()),
    );
    let bundle = (
        observed(".{0,9}".boxed()),
        observed(version()),
        observed(digest().prop_map(BundleDigest)),
        observed(digest().prop_map(ContentDigest)),
        observed(policies()),
        observed(theirs()),
        observed(theirs()),
        (observed(signature()), observed(verification()), observed(standing())),
        observed(named()),
        observed(named()),
    );
    let process = (
        observed(any::<bool>()),
        observed(stats()),
        vec(entry(), 0..4),
        observed(any::<u64>()),
        any::<bool>(),
        btree_map("[a-z.]{1,8}", ".{0,9}", 0..3),
        vec(("/[a-z]{0,8}", failure()), 0..2),
    );
    (identity, bundle, process).prop_map(|(identity, bundle, process)| {
        let (api, ordering, at, latency_ms, clock_skew_ms) = identity;
        let (
            bundle_id,
            version,
            bundle_digest,
            content,
            policies,
            loaded_at,
            confirmed_at,
            (signature, verification, standing),
            last_known_good,
            pinned,
        ) = bundle;
        let (ready, stats, history, uptime_s, unauthenticated_reload, config, gaps) = process;
        let gap = |(source, failure)| ReportGap { source, failure };
        NodeReport {
            node: NodeId::new("set-by-the-snapshot").expect("a name"),
            api,
            at,
            latency_ms,
            bundle_id,
            version,
            bundle_digest,
            content,
            ordering,
            policies,
            loaded_at,
            confirmed_at,
            signature: signature.map(Box::new),
            verification: verification.map(|told| told.map(std::sync::Arc::new)),
            standing: standing.map(Box::new),
            last_known_good: last_known_good.map(Box::new),
            pinned: pinned.map(Box::new),
            ready,
            stats: stats.map(Box::new),
            history,
            uptime_s,
            clock_skew_ms,
            unauthenticated_reload,
            config: config.into_iter().collect::<BTreeMap<_, _>>(),
            gaps: gaps.into_iter().map(gap).collect(),
        }
    })
}

fn observation() -> impl Strategy<Value = NodeObservation> {
    (option::of(ours()), option::of(failure()), option::of(report())).prop_map(
        |(attempted_at, failure, report)| NodeObservation {
            attempted_at,
            failure,
            report: report.map(std::sync::Arc::new),
        },
    )
}

fn nodes() -> impl Strategy<Value = BTreeMap<NodeId, NodeObservation>> {
    (btree_set("[a-e]", 0..5), vec(observation(), 5)).prop_map(|(names, seen)| {
        names
            .into_iter()
            .zip(seen)
            .map(|(name, mut seen)| {
                let name = NodeId::new(name).expect("a name");
                if let Some(report) = seen.report_mut() {
                    report.node = name.clone();
                }
                (name, seen)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_newest_snapshot_comes_back_as_it_went_in(
        all in vec(nodes(), 1..4),
        remember in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let files = Files::new();
            let cache = files.open(Kind::Cache).await;
            let mut previous: Option<Snapshot> = None;
            for (id, nodes) in (1_u64..).zip(all) {
                let taken_at = at(i64::try_from(id).expect("small") * 30_000);
                let next = Snapshot { id: snapshot_id(id), fleet: fleet(), taken_at, nodes };
                insert(&cache, &next, previous.as_ref()).await;
                let read = latest(&cache).await;
                prop_assert_eq!(read.as_ref(), Some(&next));
                previous = remember.then_some(next);
            }
            Ok(())
        })?;
    }
}
