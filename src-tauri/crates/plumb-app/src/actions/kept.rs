//! From a plan that was kept to one that can be started: made again from what it holds, and refused where it
//! comes out differently now.

use camino::Utf8PathBuf;
use plumb_fleet::NodeId;
use plumb_runbook::{Action, Plan};

use crate::{
    actions::{files::write_chosen, prepare::plan_view, rollout::asked, start::difference},
    app::App,
    error::{AppError, Code},
    ids,
    views::plan::{ActionKind, ActionRequest, NodeSelection, PlanView},
};

impl App {
    /// Prepares a plan that was shown before, by this program or another one, so that it can be started.
    /// A plan that would come out differently now is refused with the difference.
    pub async fn prepare_kept(&self, fleet: &str, plan_hash: &str) -> Result<PlanView, AppError> {
        let plan = self.plan_by_hash(plan_hash).await?;
        if plan.fleet.as_str() != fleet {
            let message = format!("this plan is one of fleet {}", plan.fleet);
            return Err(AppError::new(Code::Invalid, message, "name that fleet"));
        }
        self.not_run_yet(&plan).await?;
        let (mut prepared, current) = self.prepare(fleet, &request(&plan)).await?;
        prepared.plan = on_terms_of(&plan, prepared.plan);
        if prepared.plan.hash() != plan.hash() {
            let shown = difference(&plan, &prepared.plan);
            let message = format!("the fleet changed since this plan was made: {shown}");
            let hint = "plan again, look at the new plan, then run that";
            return Err(AppError::new(Code::Outdated, message, hint));
        }
        let view = plan_view(&prepared, &current, &current.assess(self.now()));
        self.keep_prepared(prepared).await?;
        Ok(view)
    }

    /// Writes the canonical bytes of a plan to a file: SHA-256 over them is its hash.
    pub async fn export_plan(&self, plan_hash: &str, path: Utf8PathBuf) -> Result<(), AppError> {
        let plan = self.plan_by_hash(plan_hash).await?;
        let bytes = plan.canonical_bytes();
        write_chosen(path, String::from_utf8(bytes).expect("canonical JSON is UTF-8")).await
    }

    pub(crate) async fn plan_by_hash(&self, plan_hash: &str) -> Result<Plan, AppError> {
        let hash = ids::plan_hash(plan_hash)?;
        let mut record = self.record().read().await?;
        let kept = plumb_store::plans::get(&mut record, hash).await?.ok_or_else(|| {
            AppError::new(Code::NotFound, "no plan with this hash is kept here", "plan again")
        })?;
        serde_json::from_str(&kept.document).map_err(|error| {
            let message = format!("the kept plan does not read back: {error}");
            AppError::new(Code::Other, message, "plan again")
        })
    }
}

/// A plan as it is made now, on the terms of consent of the one that was shown: who asked stays who asked,
/// whoever starts it, and it is the same repetition. The gate judges whether these terms still hold.
pub(crate) fn on_terms_of(shown: &Plan, made: Plan) -> Plan {
    Plan { consent: shown.consent.clone().or(made.consent), repeat: shown.repeat, ..made }
}

/// What has to be asked for so that a plan comes out again.
fn request(plan: &Plan) -> ActionRequest {
    let of = |kind| ActionRequest::new(kind, nodes(plan));
    let text = |version: &plumb_fleet::Version| Some(version.to_string());
    let digest = |content: &Option<plumb_fleet::ContentDigest>| content.map(|c| c.to_string());
    let request = match &plan.action {
        Action::Sync { force } => ActionRequest { force: *force, ..of(ActionKind::Sync) },
        Action::Pin { version, content, sync } => ActionRequest {
            version: text(version),
            content: digest(content),
            ..of(if *sync { ActionKind::PinAndSync } else { ActionKind::Pin })
        },
        Action::Rollback { to } => {
            ActionRequest { version: to.as_ref().and_then(text), ..of(ActionKind::Rollback) }
        }
        Action::Restart => of(ActionKind::Restart),
        Action::ResolveConflict { to, content } => ActionRequest {
            version: text(to),
            content: digest(content),
            ..of(ActionKind::ResolveConflict)
        },
        Action::Unpin => of(ActionKind::Unpin),
        Action::SetConfig { key, value } => ActionRequest {
            key: Some(key.clone()),
            value: Some(value.clone()),
            ..of(ActionKind::SetConfig)
        },
        Action::Undo { run, .. } => ActionRequest {
            run: Some(run.to_string()),
            ..ActionRequest::new(ActionKind::Undo, NodeSelection::All)
        },
    };
    ActionRequest { rollout: plan.rollout.as_ref().map(asked), ..request }
}

fn nodes(plan: &Plan) -> NodeSelection {
    if plan.whole_fleet {
        return NodeSelection::All;
    }
    NodeSelection::Nodes { ids: selected(plan).iter().map(ToString::to_string).collect() }
}

/// Every node that was selected, also where it was left out.
pub(crate) fn selected(plan: &Plan) -> Vec<NodeId> {
    let targets = plan.targets().map(|target| target.node.clone());
    let mut nodes: Vec<NodeId> =
        targets.chain(plan.left_out.iter().map(|left| left.node.clone())).collect();
    nodes.sort();
    nodes
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn plan(requester: Option<&str>) -> Plan {
        let consent = requester.map_or(Value::Null, |requester| {
            let roster = "0".repeat(64);
            json!({"roster": roster, "roster_version": 1, "rule": "production", "requester": requester})
        });
        let plan = json!({
            "format": 2, "fleet": "eu", "environment": "", "action": {"kind": "restart"},
            "whole_fleet": true, "desired": null, "pins": null, "waves": [], "left_out": [],
            "consent": consent,
        });
        serde_json::from_value(plan).expect("a plan")
    }

    #[track_caller]
    fn check(shown: Option<&str>, made: Option<&str>) -> Option<String> {
        let consent = on_terms_of(&plan(shown), plan(made)).consent;
        consent.map(|terms| terms.requester.to_string())
    }

    #[test]
    fn who_asked_stays_who_asked_and_new_terms_are_not_lost() {
        assert_eq!(check(Some("avery"), Some("robin")).as_deref(), Some("avery"));
        assert_eq!(check(Some("avery"), None).as_deref(), Some("avery"));
        assert_eq!(check(None, Some("robin")).as_deref(), Some("robin"));
        assert_eq!(check(None, None), None);
    }
}
