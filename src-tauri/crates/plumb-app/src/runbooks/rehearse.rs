//! Rehearsals: a runbook against a simulated copy of the fleet as it was seen last, with a fault at every
//! step in turn. Nothing is sent anywhere.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use plumb_exec::{
    Answer, Came, Errand, Task,
    steps::{Rehearsed, SimulatedWorld, rehearse},
};
use plumb_fleet::{
    DesiredVersion, Fleet, NamedContent, NodeId, NodeReport, Observed, PlanHash, Snapshot,
};
use plumb_journal::StepOutcome;
use plumb_runbook::{
    Effect, NodePlan, PinTo, Plan,
    document::{
        Compiled, FrontMatter, StepEffect,
        steps::{
            action::Waves,
            query::{Decimal, QueryStep},
        },
    },
    plan, roll_out,
};
use plumb_store::runbooks::KeptRehearsal;
use serde_json::{Map, Value, json};

use super::{
    library::digest_of,
    nodes::{rollout, selection, undone},
    start::PreparedRunbook,
};
use crate::{
    actions::{prepare::select, rollout::policy},
    app::App,
    current::Current,
    error::{AppError, Code, chain},
    views::{
        convert::ms,
        runbook::{RehearsalView, RehearsedView},
    },
};

/// Who pins in a rehearsal.
const REHEARSAL: &str = "rehearsal";

impl App {
    /// Rehearses a runbook against the fleet as it was seen last, and keeps what it came to.
    pub async fn rehearse_runbook(
        &self,
        prepared: &PreparedRunbook,
    ) -> Result<RehearsalView, AppError> {
        let fleet = prepared.plan.fleet.clone();
        let current = self.current(fleet.as_str()).await?;
        if current.snapshot.answered() == 0 {
            let message = format!("no node of {fleet} was ever seen, so there is nothing to copy");
            return Err(AppError::new(Code::Invalid, message, "sweep the fleet first"));
        }
        let seen_at = current.sweep.map(|sweep| sweep.finished_at);
        let (now, compiled) = (self.now(), prepared.compiled.clone());
        let working = tokio::task::spawn_blocking(move || {
            let mut copy = Copy {
                first: current.clone(),
                current,
                compiled: &compiled,
                now,
                plans: BTreeMap::new(),
            };
            rehearse(&compiled, &mut copy, now)
        });
        let rehearsal = working
            .await
            .map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))?;
        let view = RehearsalView {
            runbook: prepared.plan.runbook.clone(),
            title: prepared.title().to_owned(),
            fleet: fleet.to_string(),
            seen_at_ms: seen_at.map(ms),
            rehearsed_at_ms: ms(now),
            green: rehearsal.is_green(),
            never_reached: rehearsal.never_reached.clone(),
            left_out: rehearsal.left_out.clone(),
            cut_off: rehearsal.cut_off,
            runs: rehearsal.runs.iter().map(rehearsed).collect(),
        };
        let kept = KeptRehearsal {
            documents: digest_of(&prepared.plan.documents),
            at: now,
            green: view.green,
            report: serde_json::to_string(&view).expect("a view serialises"),
        };
        let mut record = self.record().write().await?;
        let runbook = &prepared.plan.runbook;
        plumb_store::runbooks::add_rehearsal(&mut record, &fleet, runbook, &kept).await?;
        record.commit().await?;
        Ok(view)
    }

    /// Refuses a runbook that has to be rehearsed before it runs here, and was not.
    pub(super) async fn is_rehearsed(&self, prepared: &PreparedRunbook) -> Result<(), AppError> {
        let (fleet, runbook) = (&prepared.plan.fleet, &prepared.plan.runbook);
        let (_, loaded) = self.loaded(fleet.as_str())?;
        let changes = prepared.compiled.steps.iter().any(|step| step.step.kind.mutates());
        let asked = asked_within(&loaded.fleet, &prepared.compiled.front, changes);
        let Some((hours, asks)) = asked else { return Ok(()) };
        let newest = {
            let mut conn = self.record().read().await?;
            plumb_store::runbooks::rehearsal(&mut conn, fleet, runbook).await?
        };
        let documents = digest_of(&prepared.plan.documents);
        let since = self.now() - SignedDuration::from_hours(i64::from(hours));
        let missing = match newest {
            None => "was never rehearsed here".to_owned(),
            Some(newest) if newest.documents != documents => {
                "changed since it was rehearsed".to_owned()
            }
            Some(newest) if !newest.green => {
                "did not come out green when it was rehearsed".to_owned()
            }
            Some(newest) if newest.at < since => {
                format!("was rehearsed more than {hours} h ago")
            }
            Some(_) => return Ok(()),
        };
        let message = format!("{runbook} {missing}, and {asks} asks for that");
        Err(AppError::new(Code::Invalid, message, format!("plumb runbook rehearse {runbook}")))
    }
}

/// Within how many hours a runbook has to be rehearsed green before it runs in a fleet, and who asks for that: the
/// stricter of the two.
pub(super) fn asked_within(
    fleet: &Fleet,
    front: &FrontMatter,
    changes: bool,
) -> Option<(u32, &'static str)> {
    let production = plumb_runbook::is_production(&fleet.environment);
    let of_document = front.rehearsed_within_h.filter(|_| production);
    let of_fleet = fleet.runbooks.rehearsed_within_h.filter(|_| changes);
    let asked = [(of_document, "production"), (of_fleet, "the fleet file")];
    asked.into_iter().filter_map(|(hours, who)| Some((hours?, who))).min_by_key(|(hours, _)| *hours)
}

fn rehearsed(run: &Rehearsed) -> RehearsedView {
    let wrong = |(step, fault): &(String, plumb_exec::steps::Fault)| {
        format!("{step}: {}", fault.sentence())
    };
    RehearsedView {
        answers: run.answers.clone(),
        faults: run.faults.iter().map(wrong).collect(),
        came_to: run.outcome.map_or("stands still", plumb_journal::Outcome::name).to_owned(),
        problem: run.problem.clone(),
    }
}

/// A fleet in memory that does what plans say.
struct Copy<'a> {
    first: Current,
    current: Current,
    compiled: &'a Compiled,
    now: Timestamp,
    plans: BTreeMap<PlanHash, Plan>,
}

fn well(result: Value) -> Came {
    let detail = String::new();
    Came::Answer(Answer { outcome: StepOutcome::Succeeded, detail, result })
}

fn badly(detail: String) -> Came {
    Came::Answer(Answer { outcome: StepOutcome::Failed, detail, result: json!({}) })
}

impl SimulatedWorld for Copy<'_> {
    fn begin(&mut self) {
        self.current = self.first.clone();
        self.plans.clear();
    }

    fn perform(&mut self, errand: &Errand) -> Came {
        match &errand.task {
            Task::Plan { action, nodes, waves } => self.plan(action, nodes, waves.as_ref()),
            Task::Carry { plan, .. } => {
                let Some(plan) = self.plans.remove(plan) else {
                    return badly("the plan is gone".to_owned());
                };
                let nodes = plan.targets().count();
                self.carry_out(&plan);
                well(json!({ "ok": true, "nodes": nodes, "arrived": nodes, "failed": 0 }))
            }
            Task::Do(effect) => self.effect(errand, effect),
        }
    }

    fn node(&self) -> Option<String> {
        self.first.snapshot.nodes.keys().next().map(ToString::to_string)
    }
}

impl Copy<'_> {
    fn plan(&mut self, action: &plumb_runbook::Action, nodes: &str, waves: Option<&Waves>) -> Came {
        let selection = selection(nodes);
        let assessment = self.current.assess(self.now);
        let selected = match select(&self.current, &assessment, &selection) {
            Ok(selected) => selected,
            Err(error) => return badly(error.message),
        };
        // Nobody drifted: there is nothing to bring back.
        if selected.as_ref().is_some_and(std::collections::BTreeSet::is_empty) {
            return well(json!({ "ok": true, "nodes": 0 }));
        }
        let policy = match waves.map(|waves| policy(&rollout(waves))).transpose() {
            Ok(policy) => policy,
            Err(error) => return badly(error.message),
        };
        let input = self.current.plan_input(&assessment);
        let planned = plan(action, selected.as_ref(), input).and_then(|plan| match &policy {
            // Waves over a fleet that does not split so are found here, and not in production.
            Some(policy) if !plan.is_empty() => roll_out(plan, policy, input),
            _ => Ok(plan),
        });
        match planned {
            Ok(plan) if plan.is_empty() => match undone(&plan.left_out) {
                Some(why) => badly(why),
                None => well(json!({ "ok": true, "nodes": 0 })),
            },
            Ok(plan) => {
                let hash = plan.hash();
                let summary = plan.action.title();
                self.plans.insert(hash, plan);
                Came::Planned { plan: hash, summary, phrase: None }
            }
            Err(error) => badly(error.to_string()),
        }
    }

    fn effect(&self, errand: &Errand, effect: &StepEffect) -> Came {
        match effect {
            StepEffect::Freeze { lease_s, .. } => {
                let until = self.now + SignedDuration::from_hours(24 * 365);
                let result = json!({ "ok": true, "lease_s": lease_s });
                let (outcome, detail) = (StepOutcome::Succeeded, "frozen".to_owned());
                Came::Frozen { until, answer: Answer { outcome, detail, result } }
            }
            StepEffect::Unfreeze { .. } => {
                let (outcome, detail) = (StepOutcome::Succeeded, "lifted".to_owned());
                let result = json!({ "ok": true });
                Came::Unfrozen { answer: Answer { outcome, detail, result } }
            }
            StepEffect::Query { min, max, .. } => well(json!({ "value": fine(*min, *max) })),
            StepEffect::Capture { into, .. } => well(json!({ "file": into })),
            StepEffect::Doctor { .. } => well(self.example(errand, json!({ "ok": true }))),
            StepEffect::Http { .. } => well(self.example(errand, json!({ "status": 200 }))),
            _ => well(self.example(errand, json!({ "exit": 0 }))),
        }
    }

    /// What the step says that it answers when all is well, over what every step of its kind answers.
    fn example(&self, errand: &Errand, of_kind: Value) -> Value {
        let Value::Object(mut result) = of_kind else { return Value::Null };
        let planned = &self.compiled.steps[errand.at];
        let typed = &self.compiled.scopes[planned.scope].typed;
        for (name, value) in planned.step.example.iter().flatten() {
            result.insert(name.clone(), filled(value, typed));
        }
        Value::Object(result)
    }

    /// The fleet after a plan of which every effect did what it promises.
    fn carry_out(&mut self, plan: &Plan) {
        let mut snapshot = Snapshot::clone(&self.current.snapshot);
        let mut desired = plumb_fleet::Desired::clone(&self.current.desired);
        let now = self.now;
        let wanted = |version: &plumb_fleet::Version, content| DesiredVersion {
            version: version.clone(),
            content,
            pinned_by: Some(REHEARSAL.to_owned()),
            since: Some(now),
        };
        if let Some(change) = &plan.desired {
            let pin = wanted(&change.version, change.content);
            match &change.nodes {
                None => desired.fleet = Some(pin),
                Some(nodes) => {
                    desired.nodes.extend(nodes.iter().map(|node| (node.clone(), pin.clone())));
                }
            }
        }
        let file = &self.current.fleet;
        let pin_to = |pin: &PinTo, file: Option<&DesiredVersion>| match pin {
            PinTo::Lifted => file.cloned(),
            PinTo::Version { version, content } => Some(wanted(version, *content)),
        };
        if let Some(pins) = &plan.pins {
            if let Some(pin) = &pins.fleet {
                desired.fleet = pin_to(pin, file.desired.as_ref());
            }
            for (node, pin) in &pins.nodes {
                match pin_to(pin, file.desired_by_node.get(node)) {
                    Some(pin) => desired.nodes.insert(node.clone(), pin),
                    None => desired.nodes.remove(node),
                };
            }
        }
        for target in plan.targets() {
            if let Some(report) = report_mut(&mut snapshot, &target.node) {
                arrive(report, target, now);
            }
        }
        self.current.snapshot = Arc::new(snapshot);
        self.current.desired = Arc::new(desired);
    }
}

fn report_mut<'a>(snapshot: &'a mut Snapshot, node: &NodeId) -> Option<&'a mut NodeReport> {
    snapshot.nodes.get_mut(node)?.report_mut()
}

fn arrive(report: &mut NodeReport, target: &NodePlan, now: Timestamp) {
    let seen = |named: NamedContent| Some(Box::new(observed(named, now)));
    for effect in &target.effects {
        match effect {
            Effect::Pin { version, content } => {
                report.pinned = seen(NamedContent { version: version.clone(), content: *content });
            }
            Effect::Unpin { .. } => report.pinned = None,
            Effect::SetConfig { key, value, .. } => {
                report.config.insert(key.clone(), value.clone());
            }
            Effect::Rollback { .. }
            | Effect::Verify { .. }
            | Effect::Reload { .. }
            | Effect::Serve { .. }
            | Effect::Sync { .. }
            | Effect::Restart => {}
        }
    }
    if let (Some(version), Some(content)) = (&target.after.version, target.after.content) {
        report.version = Some(observed(version.clone(), now));
        report.content = Some(observed(content, now));
    }
    report.loaded_at = Some(observed(now, now));
    report.signature = None;
}

fn observed<T>(value: T, now: Timestamp) -> Observed<T> {
    Observed::new(value, REHEARSAL, now)
}

/// A figure within its limits.
fn fine(min: Option<Decimal>, max: Option<Decimal>) -> f64 {
    let query = QueryStep {
        source: plumb_runbook::document::steps::query::Source::Nodes,
        query: String::new(),
        min,
        max,
    };
    query.min.or(query.max).map_or(0.0, f64::from)
}

/// A value of an example; `${name}` alone stands for the value of a parameter as it is typed.
fn filled(value: &Value, typed: &Map<String, Value>) -> Value {
    let Value::String(text) = value else { return value.clone() };
    let name = text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
    name.and_then(|name| typed.get(name)).cloned().unwrap_or_else(|| value.clone())
}
