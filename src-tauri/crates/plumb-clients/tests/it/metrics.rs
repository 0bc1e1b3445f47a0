//! The metrics documents that real nodes serve.

use jiff::Timestamp;
use plumb_clients::prometheus::{Dialect, Kind, parse};

use crate::support::fixture;

#[test]
fn opas_metrics_are_read_without_an_error() {
    let scrape = parse(&fixture("opa/metrics.prom"), Dialect::Text, Timestamp::UNIX_EPOCH);
    assert_eq!(scrape.errors, []);
    assert!(scrape.samples.len() > 150, "{}", scrape.samples.len());
    assert_eq!(scrape.families["go_goroutines"].kind, Kind::Gauge);
}

#[test]
fn the_reload_services_metrics_end_without_a_newline() {
    let scrape = parse(&fixture("reload/metrics.prom"), Dialect::Text, Timestamp::UNIX_EPOCH);
    assert_eq!(scrape.errors, []);
    let version = scrape.named("unison_policy_bundle_version").next().expect("there");
    assert_eq!(version.label("version"), Some("2.0.0"));
    let rules = scrape.named("unison_policy_rules_loaded").next().expect("the last line");
    assert_eq!(rules.value.to_string(), "3");
}
