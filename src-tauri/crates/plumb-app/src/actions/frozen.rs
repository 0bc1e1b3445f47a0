//! What a fleet looks like when a triage runs, as it is written into the timeline of an incident.

use std::collections::BTreeMap;

use plumb_alert::Frozen;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    app::App,
    error::AppError,
    views::{convert::ms, doctor::CheckResult, drift::Baseline},
};

/// The newest runs that a triage looks at.
const DEPLOYMENTS: usize = 10;
/// Nodes named for one state; all are counted.
const NODES_NAMED: usize = 50;

impl App {
    /// The newest snapshot, the groups that drifted, the last runs, and what checks found.
    pub(crate) async fn frozen(&self, fleet: &str) -> Result<Frozen, AppError> {
        let drift = self.drift(fleet, &Baseline::Desired, None).await?;
        let drift_groups = drift.groups.iter().map(document).collect();
        let runs = self.runs(fleet).await?;
        let deployments = runs.iter().take(DEPLOYMENTS).map(|run| {
            json!({ "run": run.id, "title": run.title, "by": run.operator, "phase": run.phase,
                "started_at_ms": run.started_at_ms, "ended_at_ms": run.ended_at_ms,
                "summary": run.summary })
        });
        let doctor = self.doctor(fleet, &[]).await?;
        let found = doctor.checks.iter().filter(|check| check.result != CheckResult::Passed);
        Ok(Frozen {
            snapshot: Some(self.snapshot_told(fleet).await?),
            drift_groups,
            deployments: deployments.collect(),
            doctor: found.map(document).collect(),
        })
    }

    async fn snapshot_told(&self, fleet: &str) -> Result<Value, AppError> {
        let current = self.current(fleet).await?;
        let assessment = current.assess(self.now());
        let mut states: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (node, verdict) in &assessment.nodes {
            states.entry(verdict.state.name()).or_default().push(node.as_str());
        }
        let states = states.into_iter().map(|(state, nodes)| {
            let named: Vec<&str> = nodes.iter().take(NODES_NAMED).copied().collect();
            (state.to_owned(), json!({ "count": nodes.len(), "nodes": named }))
        });
        Ok(json!({
            "fleet": fleet,
            "environment": current.fleet.environment,
            "taken_at_ms": ms(current.snapshot.taken_at),
            "answered": current.snapshot.answered(),
            "nodes": current.snapshot.nodes.len(),
            "desired": current.desired.fleet.as_ref().map(|wanted| wanted.version.to_string()),
            "states": states.collect::<serde_json::Map<String, Value>>(),
        }))
    }
}

fn document(view: &impl Serialize) -> Value {
    serde_json::to_value(view).expect("a view always serialises")
}
