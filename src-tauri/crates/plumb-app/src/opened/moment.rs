//! A snapshot as of an earlier moment: what each node was known to run then.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use plumb_fleet::{
    NodeFailure, NodeId, NodeObservation, NodeReport, Observed, Snapshot, drift::NO_ANSWER_YET,
};
use plumb_store::snapshots::NodeChange;

/// The document that a value of the past is read from.
const SOURCE: &str = "the log of changes";

/// What was known at a moment, from what was known last and the log of changes.
///
/// Of a node that ran something else then, only what the log tells is shown: its policies, its way back and its
/// signature were another's.
pub(super) fn as_of(
    last: Snapshot,
    standing: &BTreeMap<NodeId, NodeChange>,
    at: Timestamp,
) -> Snapshot {
    if last.taken_at <= at {
        return last;
    }
    let nodes = last.nodes.into_iter().map(|(id, seen)| {
        let then = standing.get(&id);
        (id, then.map_or_else(unseen, |then| observation(seen, then, at)))
    });
    Snapshot { nodes: nodes.collect(), taken_at: at, ..last }
}

fn unseen() -> NodeObservation {
    NodeObservation { attempted_at: None, failure: None, report: None }
}

fn observation(seen: NodeObservation, then: &NodeChange, at: Timestamp) -> NodeObservation {
    // A node that answered once keeps what it said in the log while it is silent.
    let answered = then.failure.is_none() || then.version.is_some() || then.content.is_some();
    let failure = then.failure.map(|kind| NodeFailure {
        kind,
        message: if answered {
            format!("it did not answer, as far as the log goes back from {at}")
        } else {
            NO_ANSWER_YET.to_owned()
        },
    });
    // The log says since when a node stands so, not when it was looked at last before this moment.
    let report = seen.report.filter(|_| answered);
    let report = report.map(|report| Arc::new(self::report(&report, then, at)));
    NodeObservation { attempted_at: Some(at), failure, report }
}

fn report(last: &NodeReport, then: &NodeChange, at: Timestamp) -> NodeReport {
    let content = last.content.as_ref().map(|content| content.value);
    let mut report = last.clone();
    if content != then.content {
        report = NodeReport {
            bundle_digest: None,
            policies: None,
            loaded_at: None,
            signature: None,
            verification: None,
            standing: None,
            last_known_good: None,
            pinned: None,
            stats: None,
            gaps: Vec::new(),
            ..report
        };
    }
    let told = |since: Timestamp| since.min(at);
    report.version =
        then.version.clone().map(|version| Observed::new(version, SOURCE, told(then.at)));
    report.content = then.content.map(|content| Observed::new(content, SOURCE, told(then.at)));
    report.at = told(report.at);
    report.history.retain(|reload| reload.at <= at);
    // What hangs on the moment and not on the content, and was read later, is not known of then.
    report.last_known_good = report.last_known_good.filter(|known| known.at <= at);
    report.pinned = report.pinned.filter(|pinned| pinned.at <= at);
    report.standing = report.standing.filter(|standing| standing.at <= at);
    report.ready = report.ready.filter(|ready| ready.at <= at);
    // A source that confirmed it later had not yet.
    report.confirmed_at = report.confirmed_at.filter(|confirmed| confirmed.value <= at);
    report.loaded_at = report.loaded_at.filter(|loaded| loaded.value <= at);
    report
}
