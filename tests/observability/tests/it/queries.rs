//! Which metrics a query asks for.

use std::collections::BTreeSet;

use plumb_agent::{Kind, metrics};

/// Series of others that rules look at: the uptime only the field's service prints, and Prometheus' own.
const OF_OTHERS: [&str; 2] = ["unison_policy_uptime_seconds", "ALERTS"];

/// Every series the agent's table and these others give.
pub(crate) fn known() -> BTreeSet<String> {
    let mut known: BTreeSet<String> = OF_OTHERS.into_iter().map(str::to_owned).collect();
    for metric in metrics() {
        match metric.kind {
            Kind::Histogram => known.extend(
                ["_bucket", "_sum", "_count"].map(|suffix| format!("{}{suffix}", metric.name)),
            ),
            Kind::Counter | Kind::Gauge => {
                known.insert(metric.name.to_owned());
            }
        }
    }
    known
}

/// The names of series in a query: words with `_` or `:` that are neither called nor labels.
pub(crate) fn asked(query: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = query;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphabetic() || "_:{[\"".contains(c)) {
        rest = &rest[start..];
        let skipped = match rest.as_bytes()[0] {
            b'{' => Some('}'),
            b'[' => Some(']'),
            _ => None,
        };
        if let Some(end) = skipped {
            rest = rest.split_once(end).map_or("", |(_, rest)| rest);
            continue;
        }
        let length = rest
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':')
            .unwrap_or(rest.len())
            .max(1);
        let (word, after) = rest.split_at(length);
        rest = after;
        let is_called = after.trim_start().starts_with('(');
        if ["on", "by", "without", "ignoring", "group_left", "group_right"].contains(&word) {
            // A list of labels follows.
            rest = after.split_once(')').map_or("", |(_, rest)| rest);
        } else if !is_called && (word.contains(['_', ':']) || word == "ALERTS") {
            found.insert(word.to_owned());
        }
    }
    found
}

#[test]
fn names_are_found_between_functions_labels_and_ranges() {
    let query = r#"histogram_quantile(0.5, sum by (job, some_label) (rate(a_bucket{x_y="b_c"}[5m])))
        unless on (job_name) instance:b:c > 3 or time() - d_e offset 24h"#;
    let names: Vec<String> = asked(query).into_iter().collect();
    assert_eq!(names, ["a_bucket", "d_e", "instance:b:c"]);
}
