//! A real Prometheus over a real fleet: every query of the dashboard finds something.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use observability_tests::{
    Prometheus,
    programs::{packaging, program, text},
};
use plumb_demo::{DemoFleet, DemoOptions, RunningDemo};
use plumb_fleet::{DriftState, NodeApi};
use reqwest::{Client, Url};
use serde_json::{Value, json};
use tempfile::TempDir;

/// Some scrapes and evaluations, one a second, on a machine that has other things to do.
const FOUND_WITHIN: Duration = Duration::from_mins(3);

/// What is asked of Prometheus, and where it stands in the dashboard.
#[derive(Debug)]
struct Asked {
    place: String,
    path: String,
    parameter: &'static str,
    query: String,
}

/// The dashboard's queries with every node chosen, as Grafana sends them.
fn asked() -> Vec<Asked> {
    let board = text(&packaging().join("observability/policy-nodes.dashboard.json"));
    let board: Value = serde_json::from_str(&board).expect("JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let named = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let chosen = |text: &str| text.replace("$job", ".+").replace("$instance", ".+");
    let mut asked = Vec::new();
    let mut query = |place: String, expr: &str| {
        let (path, parameter) = ("/api/v1/query".to_owned(), "query");
        asked.push(Asked { place, path, parameter, query: chosen(expr) });
    };
    for panel in list(&board["panels"]) {
        for target in list(&panel["targets"]) {
            let place = format!("{} {}", named(&panel, "title"), named(&target, "refId"));
            query(place, &named(&target, "expr"));
        }
    }
    for annotation in list(&board["annotations"]["list"]) {
        query(named(&annotation, "name"), &named(&annotation, "expr"));
    }
    for variable in list(&board["templating"]["list"]) {
        let Some(text) = variable["query"]["query"].as_str() else { continue };
        let within = text.strip_prefix("label_values(").and_then(|text| text.strip_suffix(')'));
        let (series, label) = within.and_then(|text| text.rsplit_once(", ")).expect("label_values");
        asked.push(Asked {
            place: named(&variable, "name"),
            path: format!("/api/v1/label/{label}/values"),
            parameter: "match[]",
            query: chosen(series),
        });
    }
    assert!(asked.len() > 20, "{asked:#?}");
    assert!(asked.iter().all(|asked| !asked.query.contains('$')), "{asked:#?}");
    asked
}

/// A Prometheus with our rules that scrapes every node each second. It ends with its last handle.
fn start(program: Command, folder: &Path, fleet: &RunningDemo) -> (Prometheus, Url) {
    let rules = ["recording.rules.yml", "alerting.rules.yml"]
        .map(|name| packaging().join("observability").join(name));
    let targets = fleet.nodes.iter().filter_map(|node| node.url.strip_prefix("http://"));
    let config = json!({
        "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
        "rule_files": rules,
        "scrape_configs": [{
            "job_name": "policy-nodes",
            "static_configs": [{ "targets": targets.collect::<Vec<_>>() }],
        }],
    });
    let prometheus = Prometheus::start(program, folder, &config).expect("Prometheus starts");
    let url = format!("http://{}/", prometheus.address()).parse().expect("an address");
    (prometheus, url)
}

/// Whether an answer holds a number; a quantile of nothing is none.
fn is_found(answer: &Value) -> bool {
    let data = &answer["data"];
    let values = data["result"].as_array().or_else(|| data.as_array());
    values.is_some_and(|values| values.iter().any(|value| value["value"][1] != "NaN"))
}

/// Decisions, and loads on the nodes whose registry still answers.
async fn keep_busy(client: &Client, fleet: &RunningDemo, token: &str) {
    for node in &fleet.nodes {
        let lives = !matches!(node.state, DriftState::Unreachable | DriftState::Unknown);
        if !lives || node.api == NodeApi::Opa {
            continue;
        }
        let ask = async |path: &str, body: &Value| {
            let request = client.post(format!("{}{path}", node.url)).bearer_auth(token);
            let answer = request.body(body.to_string()).send().await.expect("the node answers");
            assert!(answer.status().is_success(), "{} {path}: {}", node.id, answer.status());
        };
        ask("/evaluate", &json!({ "capability_id": "payments.refund", "context": {} })).await;
        if node.api == NodeApi::Agent && node.state != DriftState::Stale {
            ask("/v1/agent/sync", &json!({ "force": true })).await;
        }
    }
}

/// R187, R193 to R196, R197, R200 to R203.
#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_the_dashboard_finds_something_in_a_real_prometheus() {
    let Some(prometheus) = program("prometheus") else { return };
    let folder = TempDir::new().expect("a folder");
    let fleet = DemoFleet::start(DemoOptions::new(folder.path().join("fleet"))).await;
    let fleet = fleet.expect("the fleet starts");
    let token = text(&folder.path().join("fleet/token"));
    let (_prometheus, url) = start(prometheus, folder.path(), &fleet);
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(10)).build();
    let client = client.expect("a client");
    let begun = Instant::now();
    let mut missing = asked();
    while !missing.is_empty() {
        let places: Vec<_> = missing.iter().map(|asked| (&asked.place, &asked.query)).collect();
        assert!(begun.elapsed() < FOUND_WITHIN, "nothing is found for {places:#?}");
        keep_busy(&client, &fleet, &token).await;
        let mut still = Vec::new();
        for asked in missing {
            let mut url = url.join(&asked.path).expect("an address");
            url.query_pairs_mut().append_pair(asked.parameter, &asked.query);
            // It may not listen yet.
            let found = match client.get(url).send().await {
                Ok(answer) => answer.json::<Value>().await.is_ok_and(|answer| is_found(&answer)),
                Err(_) => false,
            };
            if !found {
                still.push(asked);
            }
        }
        missing = still;
    }
    fleet.shutdown().await;
}
