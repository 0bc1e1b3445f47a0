//! Bodies of the fuzz targets in `tests/fuzz`: what must hold for every input.

use jiff::Timestamp;
use plumb_fleet::{Node, NodeApi, NodeId, NodeReport, Ordering, Route};

use crate::{
    http::Answer,
    limits::{CHECKS_MAX, EXCERPT_CHARS_MAX, GAPS_MAX, HISTORY_ENTRIES_MAX, METRICS_ERRORS_MAX},
    node::empty_report,
    nodes::{agent, opa, reload},
    operations::{self, Operation, Outcome},
    prometheus::{Dialect, parse},
};

/// Metrics: every sample has a name and no label twice, errors are bounded and in order.
pub fn prometheus(bytes: &[u8]) {
    for dialect in [Dialect::Text, Dialect::OpenMetrics] {
        let scrape = parse(bytes, dialect, Timestamp::UNIX_EPOCH);
        assert!(scrape.errors.len() <= METRICS_ERRORS_MAX, "errors are bounded");
        assert!(scrape.errors.is_sorted_by_key(|error| error.line), "in the order of the document");
        for sample in &scrape.samples {
            let mut names: Vec<&str> =
                sample.labels.iter().map(|(name, _)| name.as_str()).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a label stands once");
        }
    }
}

/// Every document of the reload service.
pub fn wire_reload(bytes: &[u8]) {
    let mut report = report(NodeApi::Reload);
    for status in [200, 503, 500] {
        let answer = answer(status, bytes);
        if let Err(failure) = reload::take_readyz(&mut report, &answer) {
            printable(&failure.message);
        }
    }
    if let Err(failure) = reload::take_history(&mut report, &answer(200, bytes)) {
        printable(&failure.message);
    }
    match reload::read_rules(bytes) {
        Ok((policies, _)) => assert!(
            policies.iter().all(|policy| policy.text.is_ascii()),
            "canonical texts are ASCII"
        ),
        Err(failure) => printable(&failure.message),
    }
    check(&report);
    check_outcomes(NodeApi::Reload, bytes);
}

/// Every document of OPA.
pub fn wire_opa(bytes: &[u8]) {
    let mut report = report(NodeApi::Opa);
    for (status, bundle) in [(200, None), (200, Some("authz")), (500, None)] {
        if let Err(failure) = opa::take_status(&mut report, &answer(status, bytes), bundle) {
            printable(&failure.message);
        }
    }
    if let Ok(config) = serde_json::from_slice(bytes) {
        opa::take_config(&mut report, &config);
    }
    match opa::read_modules(bytes, Some("authz")) {
        Ok(policies) => assert!(
            policies.windows(2).all(|pair| pair[0].id < pair[1].id),
            "modules stand once, in the order of their names"
        ),
        Err(failure) => printable(&failure.message),
    }
    check(&report);
}

/// Every document of the agent.
pub fn wire_agent(bytes: &[u8]) {
    let mut report = report(NodeApi::Agent);
    if let Err(failure) = agent::take_status(&mut report, &answer(200, bytes)) {
        printable(&failure.message);
    }
    if let Err(failure) = agent::take_history(&mut report, &answer(200, bytes)) {
        printable(&failure.message);
    }
    if let Err(failure) = agent::read_policies(bytes) {
        printable(&failure.message);
    }
    check(&report);
    check_outcomes(NodeApi::Agent, bytes);
}

fn check_outcomes(api: NodeApi, bytes: &[u8]) {
    let operations = [
        Operation::Verify { path: "/srv/b.signed.json".to_owned() },
        Operation::Reload { path: None },
        Operation::Sync { force: false },
        Operation::Unpin,
        Operation::Restart,
        Operation::ConfigSet {
            key: "deployment.locking".to_owned(),
            value: plumb_wire::v1::ConfigValue::Flag(true),
        },
    ];
    for operation in &operations {
        let statuses: &[u16] =
            if *operation == Operation::Unpin { &[200, 404, 500, 504] } else { &[200] };
        for status in statuses.iter().copied() {
            match operations::read_outcome(api, operation, "/x", &answer(status, bytes)) {
                Outcome::Accepted { detail: text }
                | Outcome::Refused { message: text }
                | Outcome::Missing { message: text }
                | Outcome::InDoubt { message: text } => printable(&text),
                Outcome::NotSent { failure } => printable(&failure.message),
            }
        }
    }
}

fn report(api: NodeApi) -> NodeReport {
    let node = Node {
        id: NodeId::new("n1").expect("a valid name"),
        api,
        url: "http://127.0.0.1:1".parse().expect("a URL"),
        labels: std::collections::BTreeMap::new().into(),
        credential: None,
        tls: None,
        allow_plain_token: false,
        route: Route::Direct,
        bundle_folder: None,
        bundle: None,
    };
    empty_report(&node, Ordering::ByPosition, Timestamp::UNIX_EPOCH)
}

fn answer(status: u16, bytes: &[u8]) -> Answer {
    Answer::of(status, bytes, Timestamp::UNIX_EPOCH)
}

/// What ends up on a screen holds nothing a terminal would act on, and is bounded.
fn printable(text: &str) {
    assert!(!text.chars().any(char::is_control), "escaped: {text:?}");
    assert!(text.chars().count() < 4 * EXCERPT_CHARS_MAX, "bounded: {text:?}");
}

fn check(report: &NodeReport) {
    assert!(report.gaps.len() <= GAPS_MAX, "gaps are bounded");
    assert!(report.history.len() <= HISTORY_ENTRIES_MAX, "the history is bounded");
    for gap in &report.gaps {
        printable(&gap.failure.message);
    }
    for entry in &report.history {
        entry.error.iter().for_each(|error| printable(error));
    }
    if let Some(seen) = &report.verification {
        assert!(seen.value.checks.len() <= CHECKS_MAX, "checks are bounded");
        let words = [&seen.value.carried_by, &seen.value.origin, &seen.value.fallback];
        words.into_iter().flatten().for_each(|text| printable(text));
        for check in &seen.value.checks {
            printable(&check.name);
            check.detail.iter().for_each(|detail| printable(detail));
        }
    }
    for (key, value) in &report.config {
        printable(value);
        assert!(!key.chars().any(char::is_control), "escaped: {key:?}");
    }
}
