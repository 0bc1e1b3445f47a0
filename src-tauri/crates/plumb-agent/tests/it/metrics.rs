//! What the agent shows of itself: metrics under all names, and `/healthz` with what is in force.

use std::{fmt::Write as _, fs, path::Path};

use insta::assert_snapshot;
use plumb_agent::{Kind, metrics};
use serde_json::{Value, json};

use crate::world::{Node, World, steady};

const REGENERATE: &str = "PLUMB_REGENERATE";

/// The samples of a scrape as `series value`.
async fn samples(node: &Node) -> Vec<(String, f64)> {
    let text = node.get("/metrics").await.text;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').expect("a series and a value");
            (series.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

#[track_caller]
fn value(samples: &[(String, f64)], series: &str) -> f64 {
    let found = samples.iter().find(|(name, _)| name == series);
    found.unwrap_or_else(|| panic!("no {series} in {samples:#?}")).1
}

/// Whole numbers are exact in a float.
#[track_caller]
fn check(samples: &[(String, f64)], series: &str, expected: u32) {
    let found = value(samples, series);
    assert!((found - f64::from(expected)).abs() < 1e-9, "{series} is {found}, not {expected}");
}

async fn refused_once(world: &World, node: &Node) {
    let strange = world.sign_by_stranger("strange.signed.json", "9.0.0");
    let body = json!({ "bundle_path": strange }).to_string();
    assert_eq!(node.post("/reload", &body).await.status, 500);
}

/// R183, R193 to R196 and R258 to R264: one figure, whatever it is called.
/// R168.
#[tokio::test]
async fn the_three_families_tell_the_same() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["allow"]);
    let (clock, set) = world.clock("2026-11-21T05:00:00Z");
    let mut config = world.config();
    config.clock = clock;
    let node = Node::start(config).await;
    node.post("/reload", "").await;
    refused_once(&world, &node).await;
    refused_once(&world, &node).await;
    set("2026-11-21T05:16:00Z");
    let now = samples(&node).await;
    for (name, expected) in [
        ("unison_policy_reload_total", 3),
        ("unison_policy_reload_success_total", 1),
        ("policy_reload_success_total", 1),
        ("unison_policy_reload_failure_total", 2),
        ("policy_reload_failure_total", 2),
        ("bundle_reload_failures_total", 2),
        ("policy_digest_age_seconds", 960),
        ("bundle_digest_age_seconds", 960),
        ("plumb_agent_consecutive_failures{stage=\"reload\"}", 2),
        ("plumb_agent_packs_refused_total", 2),
        ("plumb_agent_verification_status{check=\"trusted signature\"}", 0),
        ("plumb_agent_verification_failures_total{check=\"trusted signature\"}", 2),
        ("plumb_agent_last_reload_timestamp_seconds{outcome=\"failure\"}", 1_795_237_200),
        // The start, the reload and the two refusals.
        ("plumb_agent_reload_duration_seconds_count", 4),
        ("plumb_agent_reload_duration_seconds_bucket{le=\"+Inf\"}", 4),
    ] {
        check(&now, name, expected);
    }
    for metric in metrics() {
        let Some(original) = metric.alias_of else { continue };
        assert!((value(&now, metric.name) - value(&now, original)).abs() < 1e-9, "{}", metric.name);
    }
    // What is right again says so.
    node.post("/reload", "").await;
    let now = samples(&node).await;
    check(&now, "plumb_agent_verification_status{check=\"trusted signature\"}", 1);
    check(&now, "plumb_agent_consecutive_failures{stage=\"reload\"}", 0);
    check(&now, "bundle_digest_age_seconds", 0);
}

#[tokio::test]
async fn everything_printed_is_in_the_table_with_its_kind_and_labels() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["allow"]);
    let node = Node::start(world.config()).await;
    refused_once(&world, &node).await;
    let text = node.get("/metrics").await.text;
    let typed: Vec<(&str, &str)> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    let table: Vec<(&str, &str)> =
        metrics().map(|metric| (metric.name, metric.kind.name())).collect();
    assert_eq!(typed, table, "a node with a bundle prints the whole table in its order");
    for (series, _) in samples(&node).await {
        let (name, labels) = series.split_once('{').unwrap_or((&series, ""));
        let metric = metrics().find(|metric| {
            let rest = name.strip_prefix(metric.name);
            rest == Some("")
                || metric.kind == Kind::Histogram
                    && matches!(rest, Some("_bucket" | "_sum" | "_count"))
        });
        let metric = metric.unwrap_or_else(|| panic!("{name} is in no row"));
        let shown =
            labels.split("\",").filter_map(|label| label.split_once('=').map(|(name, _)| name));
        let shown: Vec<&str> = shown.filter(|name| *name != "le").collect();
        assert_eq!(shown, metric.labels, "{series}");
    }
}

#[tokio::test]
async fn decisions_and_answers_are_counted_by_what_callers_were_told() {
    let world = World::new();
    let node = Node::start(world.config()).await;
    let ask = async |capability: &str| {
        let body = json!({ "capability_id": capability }).to_string();
        node.post("/evaluate", &body).await.status.as_u16()
    };
    assert_eq!(ask("ledger.export").await, 503);
    world.sign("policies.signed.json", "2.0.0", &["deny", "require_confirmation"]);
    node.post("/reload", "").await;
    for capability in ["payments.transfer", "ledger.export", "weather.read", "weather.write"] {
        assert_eq!(ask(capability).await, 200);
    }
    let now = samples(&node).await;
    for (outcome, expected) in [("allow", 2), ("confirm", 1), ("deny", 1), ("unavailable", 1)] {
        check(&now, &format!("plumb_agent_decisions_total{{outcome=\"{outcome}\"}}"), expected);
    }
    let answers = |purpose: &str, status: &str| {
        format!("plumb_agent_http_responses_total{{purpose=\"{purpose}\",status=\"{status}\"}}")
    };
    check(&now, &answers("decision", "2xx"), 4);
    check(&now, &answers("decision", "5xx"), 1);
    check(&now, &answers("change", "2xx"), 1);
    check(&now, &answers("change", "5xx"), 0);
}

/// R182.
/// R162, R182.
#[tokio::test]
async fn healthz_says_what_is_in_force_and_how_sure_that_is() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let (clock, set) = world.clock("2026-11-21T05:00:00Z");
    let mut config = world.config();
    config.clock = clock;
    let node = Node::start(config).await;
    set("2026-11-21T05:20:00Z");
    refused_once(&world, &node).await;
    let health = node.get("/healthz").await.json();
    let policy = &health["policy"];
    assert_eq!((&policy["digest_age_s"], &policy["load_age_s"]), (&json!(1_200), &json!(1_200)));
    let text = world.redact(&steady(&policy.to_string()));
    assert_snapshot!("healthz_policy", text);
}

#[tokio::test]
async fn healthz_lives_without_a_bundle_and_claims_no_age() {
    let world = World::new();
    let node = Node::start(world.config()).await;
    let reply = node.get("/healthz").await;
    assert_eq!(reply.status, 200, "a node without a bundle is alive, and not ready");
    let policy = reply.json()["policy"].clone();
    for key in ["version", "digest", "digest_age_s", "load_age_s"] {
        assert_eq!(policy[key], Value::Null, "{key}");
    }
    assert_eq!(node.get("/readyz").await.status, 503);
    let text = node.get("/metrics").await.text;
    assert!(!text.contains("digest_age_seconds"), "no bundle has no age");
}

/// R202, R222: last known good answers when what should run is refused, and that is seen.
#[tokio::test]
async fn the_way_back_is_an_activation() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let node = Node::start(world.config()).await;
    node.until("/v1/agent/bundles", |found| !found["bundles"].as_array().is_none_or(Vec::is_empty))
        .await;
    node.agent.shutdown().await;
    world.place("policies.signed.json", b"{\"not\": \"a bundle\"}");
    let node = Node::start(world.config()).await;
    let now = samples(&node).await;
    check(&now, "plumb_agent_fallback_active", 1);
    check(&now, "plumb_agent_fallback_activations_total", 1);
    let policy = node.get("/healthz").await.json()["policy"].clone();
    assert_eq!((&policy["fallback_active"], &policy["version"]), (&json!(true), &json!("2.0.0")));
    world.sign("policies.signed.json", "2.1.0", &["deny"]);
    node.post("/reload", "").await;
    let now = samples(&node).await;
    check(&now, "plumb_agent_fallback_active", 0);
    check(&now, "plumb_agent_fallback_activations_total", 1);
}

/// The help shows the table that `/metrics` is printed from.
#[test]
fn the_help_lists_every_metric() {
    const BEGIN: &str = "<!-- metrics: begin -->\n";
    const END: &str = "<!-- metrics: end -->\n";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../assets/help/metrics.md");
    let shown = fs::read_to_string(&path).expect("assets/help/metrics.md");
    let (head, rest) = shown.split_once(BEGIN).expect("a beginning of the table");
    let (_, tail) = rest.split_once(END).expect("an end of the table");
    let mut table = "| Metric | Type | Unit | Labels | Means |\n|---|---|---|---|---|\n".to_owned();
    for metric in metrics() {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        let means = match metric.alias_of {
            Some(original) => format!("{}; the same as `{original}`", metric.help),
            None => metric.help.to_owned(),
        };
        let cells = [
            format!("`{}`", metric.name),
            metric.kind.name().to_owned(),
            metric.unit.to_owned(),
            labels.join(", "),
            means,
        ];
        let _ = writeln!(table, "| {} |", cells.join(" | "));
    }
    let fresh = format!("{head}{BEGIN}{table}{END}{tail}");
    if std::env::var_os(REGENERATE).is_some() {
        fs::write(&path, &fresh).expect("writable");
    }
    assert_eq!(
        fresh,
        fs::read_to_string(&path).expect("readable"),
        "run the tests with {REGENERATE}=1"
    );
}
