//! The figures beside the steps of a run, as a dashboard that a Grafana shows for a while.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    Compiled, PlannedStep, StepKind,
    steps::query::{Decimal, Source},
};

/// Every dashboard of a run has it, so that those that were left behind are found.
pub const DASHBOARD_TAG: &str = "plumbline-run";
/// In front of the second, counted from 1970, at which a dashboard may be removed by anybody.
const EXPIRES: &str = "plumbline-expires-";
/// Size of a panel in units of the grid, which is 24 wide.
const WIDTH: usize = 12;
const HEIGHT: usize = 8;

/// When and for which run a dashboard is made.
#[derive(Debug, Clone, Copy)]
pub struct DashboardOf<'a> {
    pub run: &'a str,
    pub fleet: &'a str,
    /// When the first step with figures began.
    pub since: Timestamp,
    /// When it may be removed by anybody who finds it.
    pub until: Timestamp,
}

/// The uid of the dashboard of a run: the same however often it is put.
pub fn dashboard_uid(run: &str) -> String {
    // A uid has at most 40 characters.
    format!("run-{}", run.replace('-', ""))
}

/// When a dashboard with these tags may be removed; nothing where none of them says so.
pub fn expires_at(tags: &[String]) -> Option<Timestamp> {
    let second = tags.iter().find_map(|tag| tag.strip_prefix(EXPIRES))?.parse().ok()?;
    Timestamp::from_second(second).ok()
}

impl Compiled {
    /// Whether any of its steps has figures of a Prometheus beside it.
    pub fn has_dashboard(&self) -> bool {
        self.steps.iter().any(has_figures)
    }

    /// A panel for each figure of a Prometheus beside a step, with its limits as lines, and one for how long
    /// a step with a time limit takes. Nothing where no step has one.
    pub fn dashboard(&self, of: DashboardOf<'_>) -> Option<Value> {
        let mut panels = Vec::new();
        for planned in self.steps.iter().filter(|planned| has_figures(planned)) {
            panels.extend(panels_of(planned, of));
        }
        if panels.is_empty() {
            return None;
        }
        for (number, panel) in panels.iter_mut().enumerate() {
            panel["id"] = json!(number + 1);
            let (x, y) = (number % 2 * WIDTH, number / 2 * HEIGHT);
            panel["gridPos"] = json!({ "h": HEIGHT, "w": WIDTH, "x": x, "y": y });
        }
        let expires = format!("{EXPIRES}{}", of.until.as_second());
        Some(json!({
            "uid": dashboard_uid(of.run),
            "title": format!("{}: run {}", self.front.title.value, of.run),
            "description": format!(
                "Figures beside the steps of run {} in fleet {}. It is removed when the run ends, and by the \
                 next run of a runbook after {}.",
                of.run, of.fleet, of.until
            ),
            "tags": [DASHBOARD_TAG, expires],
            "schemaVersion": 39,
            "editable": false,
            "graphTooltip": 1,
            "refresh": "10s",
            "time": { "from": of.since.to_string(), "to": "now" },
            "templating": { "list": [{
                "name": "datasource",
                "label": "Prometheus",
                "type": "datasource",
                "query": "prometheus",
                "current": {},
                "refresh": 1,
            }] },
            "panels": panels,
        }))
    }
}

fn panels_of(planned: &PlannedStep, of: DashboardOf<'_>) -> Vec<Value> {
    let asked = planned.step.monitors.iter().filter(|one| one.source == Source::Prometheus);
    let mut panels: Vec<Value> = asked
        .map(|monitor| {
            let title = format!("{}: {}", planned.step.title, monitor.title);
            panel(&title, &monitor.query, monitor.min, monitor.max)
        })
        .collect();
    if let StepKind::Command(command) = &planned.step.kind {
        let title = format!("{}: Runtime in seconds", planned.step.title);
        let query = format!("time() - {}", of.since.as_second());
        let limit = Decimal(i64::from(command.timeout_s) * 1_000);
        panels.push(panel(&title, &query, None, Some(limit)));
    }
    panels
}

fn has_figures(planned: &PlannedStep) -> bool {
    planned.step.monitors.iter().any(|monitor| monitor.source == Source::Prometheus)
}

fn panel(title: &str, query: &str, min: Option<Decimal>, max: Option<Decimal>) -> Value {
    let source = json!({ "type": "prometheus", "uid": "${datasource}" });
    // Red below the least and above the most; a step without a value is the one from minus infinity.
    let below = if min.is_some() { "red" } else { "green" };
    let mut steps = vec![json!({ "color": below, "value": null })];
    steps.extend(min.map(|min| json!({ "color": "green", "value": f64::from(min) })));
    steps.extend(max.map(|max| json!({ "color": "red", "value": f64::from(max) })));
    json!({
        "type": "timeseries",
        "title": title,
        "datasource": source,
        "targets": [{ "refId": "A", "datasource": source, "expr": query, "legendFormat": title }],
        "fieldConfig": {
            "defaults": {
                "custom": { "thresholdsStyle": { "mode": "line" } },
                "thresholds": { "mode": "absolute", "steps": steps },
            },
            "overrides": [],
        },
    })
}
