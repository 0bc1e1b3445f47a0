//! The runbooks that come with the program: each of them, under each answer that it asks for and with each step
//! that does something failing in turn, goes on from every event of its journal.

use std::collections::{BTreeMap, BTreeSet};

use plumb_exec::{fold_steps, steps::StepPhase};
use plumb_journal::Outcome;
use plumb_runbook::document::{Compiled, RunbookPlan, StepKind};
use serde_json::{Value, json};

use super::{
    every_prefix_of,
    world::{World, plan_of},
};

const BACKFILL: &str = include_str!("../../../../../../assets/runbooks/supersedes-backfill.md");
const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

type Plan = (RunbookPlan, Compiled);

/// A world in which every step of a plan answers as it says that it does when all is well.
fn well(plan: &Compiled) -> World {
    let mut world = World { figure: Some(0.0), ..World::default() };
    for planned in &plan.steps {
        let mut result = json!({ "exit": 0, "ok": true, "status": 200, "failed": 0 });
        if let StepKind::Query(query) = &planned.step.kind {
            let fine = query.min.or(query.max).map(f64::from);
            result["value"] = json!(fine);
        }
        let typed = &plan.scopes[planned.scope].typed;
        for (name, value) in planned.step.example.iter().flatten() {
            let parameter = value.as_str().and_then(|text| text.strip_prefix("${"));
            let parameter = parameter.and_then(|text| text.strip_suffix('}'));
            result[name] = parameter.map_or_else(|| value.clone(), |name| typed[name].clone());
        }
        world.results.insert(planned.id.clone(), result);
    }
    world
}

/// The questions of a plan that have choices, and those.
fn questions(plan: &Compiled) -> Vec<(&str, &[String])> {
    let asked = plan.steps.iter().filter_map(|planned| match &planned.step.kind {
        StepKind::Question(question) => Some((planned.id.as_str(), question.choices.as_slice())),
        _ => None,
    });
    asked.filter(|(_, choices)| choices.len() > 1).collect()
}

/// Each choice of each question, the first choice of the others beside it.
fn answers(plan: &Compiled) -> Vec<BTreeMap<&str, &str>> {
    let mut all = vec![BTreeMap::new()];
    for (step, choices) in questions(plan) {
        all.extend(choices.iter().skip(1).map(|choice| BTreeMap::from([(step, choice.as_str())])));
    }
    all
}

/// Runs a runbook under every answer, and with every step failing in turn that was done under one, and resumes
/// each of those runs from every event. Gives how often that was.
async fn resumes_from_everywhere(text: &str, parameters: &[(&str, &str)]) -> usize {
    let plan: Plan = plan_of(text, parameters);
    let world = well(&plan.1);
    let (mut tried, mut prefixes) = (BTreeSet::new(), 0);
    for answers in answers(&plan.1) {
        let fresh = || World {
            performed: std::sync::Arc::default(),
            said: std::sync::Arc::default(),
            ..world.clone()
        };
        let sound = fresh();
        let whole = every_prefix_of(&plan, &sound, &answers).await;
        let state = fold_steps(&whole);
        assert_eq!(state.outcome, Some(Outcome::Succeeded), "{answers:?}: {:?}", state.halted);
        prefixes += whole.len();
        // Faults on the way back are reached by the first fault that leads there.
        let mut open: Vec<Vec<String>> = fails(&sound, &mut tried);
        while let Some(failing) = open.pop() {
            let faulty = World { fails: failing.iter().cloned().collect(), ..fresh() };
            let whole = every_prefix_of(&plan, &faulty, &answers).await;
            let state = fold_steps(&whole);
            let failed = failing.last().map(|step| state.phase(step));
            assert_eq!(failed, Some(StepPhase::Failed), "{failing:?}");
            prefixes += whole.len();
            for further in fails(&faulty, &mut tried) {
                open.push(failing.iter().cloned().chain(further).collect());
            }
        }
    }
    prefixes
}

/// Steps that were done and did not fail in a run before, one list each.
fn fails(world: &World, tried: &mut BTreeSet<String>) -> Vec<Vec<String>> {
    let done = world.performed();
    done.into_iter().filter(|step| tried.insert(step.clone())).map(|step| vec![step]).collect()
}

macro_rules! shipped {
    ($($name:ident: $file:literal, $($parameter:literal = $value:expr),*;)*) => {
        $(#[tokio::test(start_paused = true)]
        async fn $name() {
            let text = include_str!(concat!("../../../../../../assets/runbooks/", $file));
            let prefixes = resumes_from_everywhere(text, &[$(($parameter, $value)),*]).await;
            assert!(prefixes > 10, "{prefixes}");
        })*

        /// The files above.
        const FILES: &[&str] = &[$($file),*];
    };
}

shipped! {
    alert_triage_resumes: "alert-triage.md", "hub" = "https://hub.example", "owner" = "avery";
    gradual_reload_resumes: "policy-gradual-reload.md", "version" = "2.0.0", "canary" = "eu-gw-002";
    manual_rollback_resumes: "policy-manual-rollback.md",;
    opa_crash_resumes: "policy-opa-crash.md", "node" = "eu-gw-001";
    stale_bundle_resumes: "policy-stale-bundle.md", "node" = "eu-gw-002";
    storage_unavailable_resumes: "policy-storage-unavailable.md",;
    version_conflicts_resume: "policy-version-conflicts.md", "version" = "2.0.0", "node" = "eu-gw-002";
    backfill_resumes: "supersedes-backfill.md", "expected" = "1200", "index_log" = DIGEST;
}

/// One that is shipped and missing above would resume from nowhere.
#[test]
fn every_shipped_runbook_is_among_them() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../assets/runbooks");
    let mut there: Vec<String> = std::fs::read_dir(folder)
        .expect("the folder of runbooks")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    there.sort();
    assert_eq!(FILES, there);
}

/// R077-R080: the whole way back of the backfill, with a second and a third level, was resumed from everywhere.
#[tokio::test(start_paused = true)]
async fn the_way_back_of_the_backfill_resumes_at_each_of_its_levels() {
    let plan = plan_of(BACKFILL, &[("expected", "1200"), ("index_log", DIGEST)]);
    for (fails, last) in [
        (&["backfill"][..], "remove_window"),
        (&["backfill", "remove_window"], "restore"),
        (&["backfill", "remove_window", "restore"], "by_hand"),
    ] {
        let fails = fails.iter().map(|step| (*step).to_owned()).collect();
        let mut world = World { fails, ..well(&plan.1) };
        // What is put back is what was taken.
        let snapshot = json!({ "exit": 0, "sha256": "a snapshot" });
        world
            .results
            .extend(["snapshot", "restore"].map(|step| (step.to_owned(), snapshot.clone())));
        let whole = every_prefix_of(&plan, &world, &BTreeMap::new()).await;
        let state = fold_steps(&whole);
        assert_eq!(state.outcome, Some(Outcome::RolledBack), "{:?}", state.halted);
        assert_eq!(state.phase(last), StepPhase::Succeeded, "{last}");
        assert_eq!(state.step("count").map(|run| &run.result["new"]), Some(&Value::from(1_200)));
    }
}
