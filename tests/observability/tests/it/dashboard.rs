//! The Grafana dashboard: it imports, and every panel asks for something that exists.

use std::{collections::BTreeSet, fs};

use observability_tests::programs::{packaging, program, succeeds, text, yaml};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::queries::{asked, known};

/// Grafana's dashboard document as far as ours uses it. A field it does not know would be dropped at
/// the import without a word, so unknown ones are refused here.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Dashboard {
    uid: String,
    title: String,
    #[expect(dead_code, reason = "only its type matters")]
    description: String,
    tags: Vec<String>,
    schema_version: u32,
    version: u32,
    #[expect(dead_code, reason = "only its type matters")]
    editable: bool,
    graph_tooltip: u8,
    refresh: String,
    time: Span,
    #[expect(dead_code, reason = "only its type matters")]
    timezone: String,
    annotations: List<Value>,
    templating: List<Variable>,
    links: Vec<Value>,
    panels: Vec<Panel>,
}

#[derive(Debug, Deserialize)]
struct Span {
    from: String,
    to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct List<T> {
    list: Vec<T>,
}

#[derive(Debug, Deserialize)]
struct Variable {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    query: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Panel {
    id: u32,
    #[serde(rename = "type")]
    kind: String,
    title: String,
    #[serde(default)]
    description: String,
    datasource: Option<Source>,
    grid_pos: Grid,
    #[serde(default)]
    targets: Vec<Target>,
    #[serde(default)]
    field_config: Value,
    #[serde(default)]
    #[expect(dead_code, reason = "its shape is each panel's own")]
    options: Value,
    #[serde(default)]
    transformations: Vec<Value>,
    #[serde(default)]
    collapsed: bool,
    #[serde(default)]
    panels: Vec<Value>,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
struct Source {
    #[serde(rename = "type")]
    kind: String,
    uid: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Grid {
    x: u32,
    y: u32,
    w: u32,
    h: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Target {
    ref_id: String,
    expr: String,
    legend_format: String,
    datasource: Source,
    #[serde(default)]
    instant: bool,
    range: Option<bool>,
    format: Option<String>,
}

/// Panels of Grafana itself, so that an import needs no plug-in.
const KINDS: [&str; 5] = ["row", "stat", "table", "timeseries", "state-timeline"];
const COLUMNS: u32 = 24;

fn dashboard() -> Dashboard {
    let text = text(&packaging().join("observability/policy-nodes.dashboard.json"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn it_imports_cleanly() {
    let board = dashboard();
    assert!(
        board.uid.len() <= 40 && board.uid.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    );
    assert!(!board.title.is_empty() && !board.tags.is_empty() && board.links.is_empty());
    assert!((36..=41).contains(&board.schema_version), "schemas of Grafana 9.4 to 11");
    assert!(board.version >= 1 && board.graph_tooltip <= 2 && board.refresh.ends_with('s'));
    assert_eq!((board.time.from.as_str(), board.time.to.as_str()), ("now-6h", "now"));
    assert!(!board.annotations.list.is_empty());
    let ids: BTreeSet<u32> = board.panels.iter().map(|panel| panel.id).collect();
    assert_eq!(ids.len(), board.panels.len(), "ids are unique");
    for panel in &board.panels {
        assert!(KINDS.contains(&panel.kind.as_str()), "{}", panel.kind);
        let row = panel.kind == "row";
        assert_eq!(row, panel.targets.is_empty(), "{}", panel.title);
        assert!(
            !panel.title.is_empty() && (row || !panel.description.is_empty()),
            "{}",
            panel.title
        );
        assert!(panel.panels.is_empty() && !panel.collapsed, "{}", panel.title);
        assert!(row || panel.field_config["defaults"]["unit"].is_string(), "{}", panel.title);
        assert!(panel.transformations.iter().all(|step| step["id"].is_string()));
        let Grid { x, w, h, .. } = panel.grid_pos;
        assert!(w > 0 && h > 0 && x + w <= COLUMNS, "{} leaves the grid", panel.title);
    }
}

#[test]
fn no_panel_lies_on_another() {
    let panels = dashboard().panels;
    for (index, one) in panels.iter().enumerate() {
        for other in &panels[index + 1..] {
            let (a, b) = (&one.grid_pos, &other.grid_pos);
            let apart =
                a.x + a.w <= b.x || b.x + b.w <= a.x || a.y + a.h <= b.y || b.y + b.h <= a.y;
            assert!(apart, "{} and {}", one.title, other.title);
        }
    }
}

/// The source is chosen at the import: nothing names one machine's.
#[test]
fn every_query_goes_to_the_chosen_source_and_known_variables() {
    let board = dashboard();
    let variables: BTreeSet<&str> =
        board.templating.list.iter().map(|variable| variable.name.as_str()).collect();
    assert!(board.templating.list.iter().all(|variable| !variable.query.is_null()));
    let first = &board.templating.list[0];
    assert_eq!((first.name.as_str(), first.kind.as_str()), ("datasource", "datasource"));
    let chosen = Source { kind: "prometheus".to_owned(), uid: "${datasource}".to_owned() };
    for panel in board.panels.iter().filter(|panel| panel.kind != "row") {
        assert_eq!(panel.datasource.as_ref(), Some(&chosen), "{}", panel.title);
        let mut letters = BTreeSet::new();
        for target in &panel.targets {
            assert_eq!(target.datasource, chosen, "{}", panel.title);
            assert!(
                letters.insert(&target.ref_id),
                "{}: two queries {}",
                panel.title,
                target.ref_id
            );
            assert!(target.range != Some(false) || target.instant, "{}", panel.title);
            assert!(target.format.as_deref().is_none_or(|format| format == "table"));
            assert!(target.format.is_some() || !target.legend_format.is_empty(), "{}", panel.title);
            for used in target.expr.split('$').skip(1) {
                let end = used.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(used.len());
                assert!(variables.contains(&used[..end]), "${} in {}", &used[..end], panel.title);
            }
        }
    }
}

fn recorded() -> Vec<String> {
    let rules = yaml(&text(&packaging().join("observability/recording.rules.yml")));
    let rules = rules["groups"][0]["rules"].as_array().expect("rules").clone();
    rules.iter().filter_map(|rule| rule["record"].as_str().map(str::to_owned)).collect()
}

#[test]
fn every_query_asks_for_what_is_printed_or_recorded() {
    let board = dashboard();
    let mut known = known();
    known.extend(recorded());
    let mut shown = BTreeSet::new();
    let of_panels = board.panels.iter().flat_map(|panel| &panel.targets).map(|t| t.expr.clone());
    let of_annotations = board.annotations.list.iter().filter_map(|a| a["expr"].as_str());
    for expr in of_panels.chain(of_annotations.map(str::to_owned)) {
        let names = asked(&expr);
        assert!(!names.is_empty(), "{expr}");
        for name in names {
            assert!(known.contains(&name), "{name} in {expr}");
            shown.insert(name);
        }
    }
    // Everything our rules compute is worth a look.
    let unseen: Vec<_> = recorded().into_iter().filter(|name| !shown.contains(name)).collect();
    assert_eq!(
        unseen,
        [
            "instance:policy_reload_counters:saturated",
            "instance:policy_reload_failures:increase10m"
        ]
    );
}

/// R187, R200 to R203, and what is shown beside them.
#[test]
fn the_asked_for_panels_are_there() {
    let board = dashboard();
    for (title, name) in [
        ("Current digest", "plumb_agent_bundle_digest"),
        ("Last reload", "plumb_agent_last_reload_timestamp_seconds"),
        ("Fallback activations", "plumb_agent_fallback_activations_total"),
        ("Sigstore validation status", "plumb_agent_verification_status"),
        ("Digest age", "instance:policy_digest_age_seconds:current"),
        ("Load age", "instance:policy_load_age_seconds:current"),
        ("Reloads", "instance:policy_reloads:increase5m"),
        ("Reload latency", "plumb_agent_reload_duration_seconds_bucket"),
        ("Decisions", "plumb_agent_decisions_total"),
        ("Decisions answered with 5xx", "instance:policy_decision_errors:ratio5m"),
    ] {
        let panel = board.panels.iter().find(|panel| panel.title == title);
        let panel = panel.unwrap_or_else(|| panic!("no panel {title}"));
        let names: BTreeSet<String> = panel.targets.iter().flat_map(|t| asked(&t.expr)).collect();
        assert!(names.contains(name), "{title} asks for {names:?}");
    }
}

/// The queries as rules, so that Prometheus' own parser reads each of them.
#[test]
fn prometheus_reads_every_query() {
    let Some(mut promtool) = program("promtool") else { return };
    let targets = dashboard().panels.into_iter().flat_map(|panel| panel.targets);
    let rules: Vec<Value> = targets
        .enumerate()
        .map(|(index, target)| serde_json::json!({ "record": format!("q{index}"), "expr": target.expr }))
        .collect();
    let count = rules.len();
    let folder = TempDir::new().expect("a temporary folder");
    let document = serde_json::json!({ "groups": [{ "name": "queries", "rules": rules }] });
    fs::write(folder.path().join("queries.yml"), document.to_string()).expect("writable");
    let said =
        succeeds(promtool.args(["check", "rules", "queries.yml"]).current_dir(folder.path()));
    assert!(said.contains(&format!("{count} rules found")), "{said}");
}
