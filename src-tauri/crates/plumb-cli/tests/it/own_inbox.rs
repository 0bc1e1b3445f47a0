//! Alerts and incidents without a hub, and with the one that the fleet file names.

use std::fs;

use serde_json::Value;

use crate::{
    serving::Served,
    world::{Said, World},
};

const OWN: &str = "the console's own inbox: sqlite, durable, ";

/// The reference that an answer begins with.
fn reference(said: &Said) -> String {
    said.stdout.split(':').next().expect("a reference").to_owned()
}

fn ingest(world: &World, service: &str) -> String {
    let words = format!("alerts ingest --service {service} --kind slow --title p95 --severity P0");
    reference(&world.check(&words, 0))
}

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.stdout).expect("one document")
}

#[test]
fn one_person_works_on_alerts_and_incidents_without_a_hub() {
    let world = World::empty();
    let none = world.check("alerts list", 0);
    assert!(none.stderr.starts_with(OWN), "{none:?}");
    assert!(none.stderr.contains("record.sqlite"), "{none:?}");
    let alert = ingest(&world, "gateway");
    let again =
        world.check("alerts ingest --service gateway --kind slow --title p95 --severity P0", 0);
    assert!(again.stdout.starts_with(&format!("{alert}: seen again, 2 times")), "{again:?}");
    ingest(&world, "billing");
    let listed = world.check("alerts list --service gateway --status new --last 4h", 0);
    assert!(listed.stdout.contains(&alert) && !listed.stdout.contains("billing"), "{listed:?}");
    world.check("alerts list --status lost", 2);

    let claimed = world.check("alerts claim --limit 1 --lock-ttl 10m", 0);
    assert!(claimed.stderr.contains("1 claimed"), "{claimed:?}");
    let processing = json(&world.check("alerts list --status processing --json", 0));
    let held = &processing["alerts"][0];
    let held = held["alert_ref"].as_str().expect("one is held").to_owned();
    world.check(&format!("alerts fail {held} --error timeout --retry-after 5m"), 0);
    let failed = world.check(&format!("alerts show {held}"), 0);
    assert!(failed.stdout.contains("timeout") && failed.stdout.contains("why: ["), "{failed:?}");

    let opened = world.check(&format!("alerts to-incident {alert} --severity-cap P1"), 0);
    assert!(opened.stdout.contains("opened, severity P1"), "{opened:?}");
    let incident = reference(&opened);
    let joined = world.check(&format!("alerts to-incident {alert}"), 0);
    assert!(joined.stdout.contains("already"), "{joined:?}");
    let noted = world.check(&format!("incidents note {incident} --text restarted"), 0);
    assert!(noted.stdout.starts_with(&format!("{incident} is open")), "{noted:?}");
    world.check(&format!("incidents move {incident} --to mitigating"), 0);
    world.check(&format!("incidents move {incident} --to gone"), 2);
    assert!(world.check("incidents list", 0).stdout.contains(&incident));
    let told = world.check(&format!("incidents show {incident}"), 0);
    assert!(told.stdout.contains("restarted"), "{told:?}");
    let draft = world.check(&format!("incidents draft {incident}"), 0);
    assert!(draft.stdout.starts_with("# inc") && draft.stdout.contains("restarted"), "{draft:?}");
    let closed = world.check(&format!("incidents close {incident} --resolution config"), 0);
    assert!(closed.stdout.contains("is closed"), "{closed:?}");
    assert!(!world.check("incidents list", 0).stdout.contains(&incident));
    assert!(world.check("incidents list --all", 0).stdout.contains(&incident));

    world.check(&format!("alerts ack {alert} --note done"), 0);
    let twice = world.check(&format!("alerts ack {alert}"), 2);
    assert!(twice.stderr.contains("acked"), "{twice:?}");
    let board = world.check("alerts dashboard", 0);
    assert!(board.stdout.contains("alerts: sqlite, durable"), "{board:?}");
    let gone = world.check("alerts show alrt_20260101T000000000Z_000000", 2);
    assert!(!gone.stderr.contains("no hub"), "{gone:?}");

    let kept = world.check("alerts retention --acked-days 30", 0);
    assert!(kept.stdout.contains("would remove 0 alerts"), "{kept:?}");
    let due = world.check("alerts retention --acked-days 0", 0);
    assert!(due.stdout.contains("would remove 1 alerts"), "{due:?}");
    world.check("alerts retention --acked-days 0 --apply", 0);
    let left = json(&world.check("alerts list --json", 0));
    assert_eq!(left["count"], 1, "{left}");
}

#[test]
fn what_somebody_else_holds_is_not_settled_over_their_head() {
    let world = World::empty();
    let alert = ingest(&world, "gateway");
    world.check("alerts claim --owner sofiia", 0);
    let refused = world.check(&format!("alerts ack {alert}"), 2);
    assert!(refused.stderr.contains("is held by sofiia"), "{refused:?}");
    world.check(&format!("alerts ack {alert} --owner sofiia"), 0);
}

#[test]
fn a_token_for_a_hub_is_not_taken_to_mean_the_own_inbox() {
    let world = World::empty();
    let file = world.file("hub.token", "something");
    let refused = world.check(&format!("alerts list --hub-token-file {file}"), 2);
    assert!(refused.stderr.contains("no hub is named"), "{refused:?}");
    for words in ["policy deployments list", "bundle storage-status"] {
        let refused = world.check(words, 2);
        assert!(refused.stderr.contains("add [hub] with its url"), "{refused:?}");
    }
}

#[test]
fn a_triage_writes_down_what_the_fleet_looks_like() {
    let world = World::demo(2);
    let alert = ingest(&world, "gateway");
    let triaged = world.check(&format!("alerts triage {alert} --note looked"), 0);
    assert!(triaged.stderr.contains(OWN), "{triaged:?}");
    assert!(
        triaged.stdout.contains("is acked: the state of the fleet stands in inc_"),
        "{triaged:?}"
    );
    let incidents = json(&world.check("incidents list --json", 0));
    let incident = incidents["incidents"][0]["incident_ref"].as_str().expect("one").to_owned();
    let shown = json(&world.check(&format!("incidents show {incident} --json"), 0));
    let events = shown["timeline"].as_array().expect("a timeline");
    let frozen = events.iter().find(|entry| entry["event"]["event"] == "triaged");
    let frozen = &frozen.expect("it ran")["event"]["frozen"];
    assert_eq!(frozen["snapshot"]["nodes"], 2, "{frozen}");
    assert_eq!(frozen["snapshot"]["answered"], 2, "it looked at them: {frozen}");
    assert!(frozen["doctor"].as_array().is_some_and(|found| !found.is_empty()), "{frozen}");
}

#[test]
fn the_hub_of_the_fleet_file_is_asked_where_none_is_named() {
    let world = World::demo(1);
    let (_, token) = crate::hub::token(&world, "admin");
    let hub = Served::start(
        &world,
        &["hub", "serve", "--listen", "127.0.0.1:0", "--data", "hub"],
        "hub-started",
    );
    let file = world.fleet_file();
    let whole = fs::read_to_string(&file).expect("the fleet file");
    let section = format!(
        "{whole}\n[hub]\nurl = \"{}\"\ncredential = {{ command = [\"cat\", \"{token}\"] }}\n",
        hub.url()
    );
    fs::write(&file, section).expect("writable");
    let alert = ingest(&world, "gateway");
    let listed = world.check("alerts list", 0);
    let header = format!("the inbox of the fleet's hub at {}", hub.url());
    assert!(listed.stderr.contains(&header) && listed.stderr.contains("durable"), "{listed:?}");
    let named = format!("alerts list --hub {} --hub-token-file {token}", hub.url());
    assert!(world.check(&named, 0).stdout.contains(&alert), "the hub has it");
    let triaged = world.check(&format!("alerts triage {alert}"), 0);
    assert!(triaged.stdout.contains("the state of the fleet stands in inc_"), "{triaged:?}");
    world.check("policy deployments list", 0);
    let storage = world.check("bundle storage-status", 0);
    assert!(storage.stdout.contains("writing and reading works"), "{storage:?}");
    let kept = world.check("alerts retention", 2);
    assert!(kept.stderr.contains("plumb hub retention"), "{kept:?}");
    hub.stop();
    let gone = world.check("alerts list", 3);
    assert!(gone.stderr.contains("no answer from the hub"), "{gone:?}");
}
