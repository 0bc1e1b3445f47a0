//! The dashboard of a run at a stand-in for Grafana: put when its job begins, removed when it ends, however
//! it ends.

use std::{fs, path::PathBuf};

use plumb_testkit::grafana::StandInGrafana;
use serde_json::json;

use crate::{
    runbooks::{BACKFILL, backfill_words, backfill_world, has_written, run, running, states},
    world::{CANARY, World},
};

fn world() -> (World, PathBuf, StandInGrafana) {
    let (world, folder) = backfill_world("1");
    let grafana = StandInGrafana::start(CANARY);
    let url = grafana.url();
    let file = world.fleet_file();
    let text = fs::read_to_string(&file).expect("the fleet file");
    let entry = format!("\n[grafana]\nurl = \"{url}\"\ncredential = {{ env = \"PLUMB_TOKEN\" }}\n");
    fs::write(&file, text + &entry).expect("writable");
    (world, folder, grafana)
}

#[test]
fn a_run_shows_its_figures_until_it_ends() {
    let (world, folder, grafana) = world();
    let root = world.path().join("artifacts");
    let view = run(&world, &backfill_words(&folder, &root), BACKFILL, 0);
    let shown = grafana.shown();
    let put = shown.put.last().cloned().expect("it was put");
    let id = view["id"].as_str().expect("an id");
    assert_eq!(put["title"], format!("Supersedes backfill rollout plan: run {id}"));
    assert!(
        view["dashboard"]
            .as_str()
            .expect("its address")
            .ends_with(&format!("/grafana/d/{}", put["uid"].as_str().expect("a uid")))
    );
    let panels = put["panels"].as_array().expect("panels");
    let of = |title: &str| {
        let title = format!("The same for real, in production: {title}");
        let found = panels.iter().find(|panel| panel["title"] == title.as_str());
        found.unwrap_or_else(|| panic!("no panel {title} in {put:#}"))
    };
    let limit = |title: &str| {
        let steps = of(title)["fieldConfig"]["defaults"]["thresholds"]["steps"].clone();
        steps.as_array().and_then(|steps| steps.last()?["value"].as_f64())
    };
    // R086-R089: violations, operations a second, runtime over 2 h, lag over 60 s.
    assert_eq!(limit("Idempotency violations"), Some(0.0));
    let operations = of("Mongo operations per second");
    assert_eq!(operations["targets"][0]["expr"], "sum(rate(mongodb_op_counters_total[1m]))");
    assert_eq!(limit("Runtime in seconds"), Some(7_200.0));
    assert_eq!(limit("Oplog lag in seconds"), Some(60.0));
    let tags = put["tags"].as_array().expect("tags");
    assert!(
        tags.iter()
            .any(|tag| { tag.as_str().is_some_and(|tag| tag.starts_with("plumbline-expires-")) })
    );
    assert!(shown.dashboards.is_empty(), "{:?}", shown.asked);
    assert_eq!((shown.asked_to("POST"), shown.asked_to("DELETE")), (1, 1), "{:?}", shown.asked);
    assert!(
        shown.asked.last().is_some_and(|asked| asked.starts_with("DELETE")),
        "{:?}",
        shown.asked
    );
}

#[test]
fn a_dashboard_of_a_run_whose_program_was_killed_is_removed_by_who_goes_on() {
    let (world, folder, grafana) = world();
    fs::write(folder.join("slow"), "").expect("writable");
    let answers = world.file("answers.toml", BACKFILL);
    let words = backfill_words(&folder, &world.path().join("artifacts"));
    let mut program = running(&world, &words);
    has_written(&folder);
    let count = || grafana.shown().dashboards.len();
    drop(grafana.until(|shown| shown.dashboards.len() == 1));
    program.kill().expect("it is there");
    program.wait().expect("it ends");
    fs::remove_file(folder.join("slow")).expect("it is there");
    assert_eq!(count(), 1, "nobody removed it yet");
    let runs = world.document("runbook list --runs", 0, "runbook-runs");
    let id = runs["runs"][0]["id"].as_str().expect("an id").to_owned();
    let resumed = format!("runbook resume {id} --answers {answers} --no-input");
    let view = world.document(&resumed, 1, "runbook-run");
    assert_eq!(view["state"], "rolled_back", "{:?}", states(&view));
    assert_eq!(count(), 0);
}

#[test]
fn the_next_run_removes_what_was_left_and_has_expired_and_nothing_else() {
    let (world, folder, grafana) = world();
    let dashboard = |uid: &str, tags: &[&str]| {
        let document = json!({ "uid": uid, "title": uid, "tags": tags });
        grafana.shown().dashboards.insert(uid.to_owned(), document);
    };
    dashboard("run-old", &["plumbline-run", "plumbline-expires-1000"]);
    dashboard("run-new", &["plumbline-run", "plumbline-expires-99999999999"]);
    dashboard("ours", &["plumbline-run", "plumbline-expires-1000"]);
    dashboard("run-theirs", &["plumbline-expires-1000"]);
    let root = world.path().join("artifacts");
    run(&world, &backfill_words(&folder, &root), BACKFILL, 0);
    let shown = grafana.shown();
    let left: Vec<&String> = shown.dashboards.keys().collect();
    assert_eq!(left, ["ours", "run-new", "run-theirs"], "{:?}", shown.asked);
}

#[test]
fn a_grafana_that_refuses_stops_no_run_and_is_told_of() {
    let (world, folder, grafana) = world();
    grafana.shown().refuses = vec!["POST", "DELETE"];
    let root = world.path().join("artifacts");
    let view = run(&world, &backfill_words(&folder, &root), BACKFILL, 0);
    assert_eq!(view["state"], "succeeded");
    let shown = grafana.shown();
    assert!(shown.put.is_empty() && shown.asked_to("POST") >= 1, "{:?}", shown.asked);
    assert_eq!(shown.asked_to("DELETE"), 1, "{:?}", shown.asked);
}

#[test]
fn a_dashboard_that_could_not_be_removed_is_removed_by_the_next_run_though_it_has_not_expired() {
    let (world, folder, grafana) = world();
    grafana.shown().refuses = vec!["DELETE"];
    let root = world.path().join("artifacts");
    let words = backfill_words(&folder, &root);
    run(&world, &words, BACKFILL, 0);
    let left: Vec<String> = grafana.shown().dashboards.keys().cloned().collect();
    assert_eq!(left.len(), 1, "it could not be removed");
    grafana.shown().refuses.clear();
    // The database has every edge by now, so the next run stops at its dry run, and shows no figures itself.
    run(&world, &words, BACKFILL, 1);
    let shown = grafana.shown();
    assert!(shown.dashboards.is_empty(), "{:?}", shown.asked);
    let removed = format!("DELETE /api/dashboards/uid/{}", left[0]);
    assert!(shown.asked.contains(&removed), "{:?}", shown.asked);
}
