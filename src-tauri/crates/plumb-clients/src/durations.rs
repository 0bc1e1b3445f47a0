//! How long decisions of a node take, by the histogram in its own metrics.

use std::{collections::BTreeMap, time::Duration};

use plumb_fleet::{FailureKind, Node, NodeApi, NodeFailure};

use crate::{
    error::failure,
    http::{HttpPool, Lane, Now, Session},
    limits::DOCUMENT_BYTES_MAX,
    prometheus::{Dialect, Sample, parse},
};

const PATH: &str = "/metrics";

/// Counts of decisions by how long they took: how many were at most so long, in microseconds. The last
/// bound is [`Durations::BEYOND`] and counts all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Durations {
    cumulative: BTreeMap<u64, u64>,
}

impl Durations {
    /// Bound of what is longer than every other bound.
    pub const BEYOND: u64 = u64::MAX;

    /// Counts by upper bound in microseconds.
    pub fn new(cumulative: BTreeMap<u64, u64>) -> Self {
        Self { cumulative }
    }

    pub fn total(&self) -> u64 {
        self.cumulative.last_key_value().map_or(0, |(_, count)| *count)
    }

    /// What came since an earlier look. Where a counter fell, the process was started anew, and all counts.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let fell = self.cumulative.iter().any(|(bound, now)| before.at_most(*bound) > *now);
        if fell {
            return self.clone();
        }
        let left = |(bound, now): (&u64, &u64)| (*bound, now - before.at_most(*bound));
        Self { cumulative: self.cumulative.iter().map(left).collect() }
    }

    /// Both together. Where only one has a bound, the other counts as many as it surely has below it.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let bounds = self.cumulative.keys().chain(other.cumulative.keys());
        let both = bounds.map(|bound| (*bound, self.at_most(*bound) + other.at_most(*bound)));
        Self { cumulative: both.collect() }
    }

    /// The bound at or below which this share of all lies, in percent; nothing where none was counted.
    pub fn quantile(&self, percent: u64) -> Option<u64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        let wanted = u128::from(total) * u128::from(percent);
        let reached = |(_, count): &(&u64, &u64)| u128::from(**count) * 100 >= wanted;
        self.cumulative.iter().find(reached).map(|(bound, _)| *bound)
    }

    fn at_most(&self, bound: u64) -> u64 {
        self.cumulative.range(..=bound).next_back().map_or(0, |(_, count)| *count)
    }
}

/// Reads the histogram of a node's decisions.
///
/// # Errors
/// When the node does not answer, or its API tells no such durations.
pub async fn decision_durations(
    pool: &HttpPool,
    node: &Node,
    deadline: Duration,
    now: &Now,
) -> Result<Durations, NodeFailure> {
    if node.api == NodeApi::Reload {
        return Err(untold(node));
    }
    let session = Session::open(pool, node, Lane::Warm, deadline, now).await?;
    let answer = session.get(PATH, DOCUMENT_BYTES_MAX).await?;
    durations(node, &answer.body, answer.at)
}

fn durations(node: &Node, document: &[u8], at: jiff::Timestamp) -> Result<Durations, NodeFailure> {
    let scrape = parse(document, Dialect::Text, at);
    let name = match node.api {
        NodeApi::Agent => "plumb_agent_decision_duration_seconds_bucket",
        NodeApi::Opa => "http_request_duration_seconds_bucket",
        NodeApi::Reload => return Err(untold(node)),
    };
    let of_decisions =
        |sample: &&Sample| node.api != NodeApi::Opa || sample.label("handler") == Some("v1/data");
    let mut cumulative: BTreeMap<u64, u64> = BTreeMap::new();
    for sample in scrape.named(name).filter(of_decisions) {
        let Some(bound) = sample.label("le").and_then(bound_us) else { continue };
        if sample.value.is_finite() && sample.value >= 0.0 {
            *cumulative.entry(bound).or_default() += whole(sample.value);
        }
    }
    if !cumulative.contains_key(&Durations::BEYOND) {
        return Err(untold(node));
    }
    Ok(Durations { cumulative })
}

/// A bound as it stands in `le`, in whole microseconds, rounded up.
fn bound_us(le: &str) -> Option<u64> {
    let seconds: f64 = le.parse().ok()?;
    if seconds.is_infinite() && seconds.is_sign_positive() {
        return Some(Durations::BEYOND);
    }
    // A bound such as 0.0007 s is a hair more than 700 us in binary.
    (0.0..=1e9).contains(&seconds).then(|| whole((seconds * 1e6 - 1e-3).ceil().max(0.0)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count or a number of microseconds, neither negative nor NaN"
)]
fn whole(number: f64) -> u64 {
    number as u64
}

fn untold(node: &Node) -> NodeFailure {
    failure(FailureKind::Reported, format!("{} does not tell how long its decisions take", node.id))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use plumb_fleet::{NodeId, Route};

    use super::*;

    fn node(api: NodeApi) -> Node {
        Node {
            id: NodeId::new("gw-1").expect("a name"),
            api,
            url: "http://127.0.0.1:1".parse().expect("a URL"),
            labels: Arc::default(),
            credential: None,
            tls: None,
            allow_plain_token: false,
            route: Route::Direct,
            bundle_folder: None,
            bundle: None,
        }
    }

    fn counted(counts: &[(u64, u64)]) -> Durations {
        Durations { cumulative: counts.iter().copied().collect() }
    }

    #[test]
    fn decisions_are_told_from_other_requests() {
        let at = "2026-03-01T12:00:00Z".parse().expect("a moment");
        let text = b"# TYPE http_request_duration_seconds histogram\n\
            http_request_duration_seconds_bucket{code=\"200\",handler=\"health\",le=\"+Inf\"} 900\n\
            http_request_duration_seconds_bucket{code=\"200\",handler=\"v1/data\",le=\"0.005\"} 3\n\
            http_request_duration_seconds_bucket{code=\"500\",handler=\"v1/data\",le=\"0.005\"} 1\n\
            http_request_duration_seconds_bucket{code=\"200\",handler=\"v1/data\",le=\"1e-06\"} 0\n\
            http_request_duration_seconds_bucket{code=\"200\",handler=\"v1/data\",le=\"+Inf\"} 4\n\
            http_request_duration_seconds_bucket{code=\"500\",handler=\"v1/data\",le=\"+Inf\"} 1\n";
        let opa = durations(&node(NodeApi::Opa), text, at).expect("told");
        assert_eq!(opa, counted(&[(1, 0), (5_000, 4), (Durations::BEYOND, 5)]));
        let none = durations(&node(NodeApi::Agent), text, at).expect_err("not told");
        assert!(none.message.contains("gw-1 does not tell"), "{none:?}");
        durations(&node(NodeApi::Reload), text, at).expect_err("not told");
    }

    #[test]
    fn a_quantile_is_never_less_than_the_truth() {
        let all = counted(&[(1_000, 94), (5_000, 95), (Durations::BEYOND, 100)]);
        assert_eq!(all.quantile(94), Some(1_000));
        assert_eq!(all.quantile(95), Some(5_000));
        assert_eq!(all.quantile(96), Some(Durations::BEYOND));
        assert_eq!(counted(&[(Durations::BEYOND, 0)]).quantile(95), None);
        // Of what the other has between its bounds, nothing is taken for faster than it may be.
        let coarse = counted(&[(4_000, 10), (Durations::BEYOND, 10)]);
        let both = all.and(&coarse);
        assert_eq!(
            both,
            counted(&[(1_000, 94), (4_000, 104), (5_000, 105), (Durations::BEYOND, 110)])
        );
    }

    #[test]
    fn only_what_came_since_counts() {
        let before = counted(&[(1_000, 90), (Durations::BEYOND, 100)]);
        let now = counted(&[(1_000, 91), (Durations::BEYOND, 103)]);
        assert_eq!(now.since(&before), counted(&[(1_000, 1), (Durations::BEYOND, 3)]));
        let anew = counted(&[(1_000, 2), (Durations::BEYOND, 2)]);
        assert_eq!(anew.since(&before), anew, "the node was started anew");
    }
}
