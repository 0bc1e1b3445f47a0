//! Every shipped runbook from its first step to its end, by the real program against the demo fleet, as a
//! person reads it afterwards.
//!
//! The transcripts stand in `tests/fixtures/runbooks`; `PLUMBLINE_WRITE_TRANSCRIPTS=1` writes them anew. What
//! differs between two machines is not shown: moments, hashes, ids, ports and folders.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use regex::Regex;
use serde_json::{Value, json};

use crate::{
    runbooks::{BACKFILL, backfill_world, desired_content},
    serving::Served,
    world::World,
};

const NODE: &str = "eu-gw-002";
/// Words of people, by the runs that need others: whatever is confirmed, is confirmed as it is asked.
const RESUMES_MAX: usize = 12;

/// A run that is led to its end.
struct Lead<'a> {
    world: &'a World,
    environment: Vec<(&'static str, String)>,
    answers: Value,
}

impl<'a> Lead<'a> {
    fn new(world: &'a World, answers: Value) -> Self {
        Self { world, environment: Vec::new(), answers }
    }

    /// Runs a runbook, confirms what it plans as it is asked to, and gives how it ended.
    fn led_to_its_end(mut self, words: &str) -> Value {
        let mut view = self.said(&format!("runbook run {words}"));
        for _ in 0..RESUMES_MAX {
            let waiting = &view["waiting"][0];
            if !view["ended_at_ms"].is_null() || waiting["what"] != "confirmation" {
                break;
            }
            let step = waiting["step"].as_str().expect("a step").to_owned();
            let phrase = waiting["phrase"].as_str().unwrap_or("yes").to_owned();
            self.answers["confirm"][step] = json!(phrase);
            let id = view["id"].as_str().expect("an id").to_owned();
            view = self.said(&format!("runbook resume {id}"));
        }
        view
    }

    fn said(&self, words: &str) -> Value {
        let answers: toml::Value = toml::Value::try_from(&self.answers).expect("answers");
        let file = self.world.file("answers.toml", &toml::to_string(&answers).expect("TOML"));
        let mut command = self.world.command();
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command.args(words.split(' ')).args(["--answers", &file, "--no-input", "--json"]);
        let said = command.output().expect("it starts");
        serde_json::from_slice(&said.stdout).unwrap_or_else(|error| {
            panic!("{words}: {error}: {}", String::from_utf8_lossy(&said.stderr))
        })
    }
}

/// A run as a person reads it.
fn transcript(world: &World, view: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = format!("{}\n", text(&view["title"]));
    let _ = writeln!(
        out,
        "{}, run by {}: {}",
        text(&view["runbook"]),
        text(&view["operator"]),
        text(&view["state"])
    );
    let _ = writeln!(out, "may run: {}\n", text(&view["trusted"]));
    let mut unreached = Vec::new();
    for step in view["steps"].as_array().expect("steps") {
        let state = text(&step["state"]);
        if state == "waiting" {
            unreached.push(text(&step["id"]));
            continue;
        }
        let by = step["by"].as_str().map(|by| format!(" ({by})")).unwrap_or_default();
        let _ = writeln!(out, "{state:<10} {}{by}", text(&step["title"]));
        for line in text(&step["asks"]).lines() {
            let _ = writeln!(out, "           > {line}");
        }
        for line in text(&step["detail"]).lines().filter(|line| !line.is_empty()) {
            let _ = writeln!(out, "           {line}");
        }
    }
    for waiting in view["waiting"].as_array().expect("a list") {
        let _ = writeln!(out, "waits at {}: {}", text(&waiting["step"]), text(&waiting["text"]));
    }
    let _ = writeln!(out, "\nnot needed: {}", unreached.join(", "));
    let artifacts = PathBuf::from(text(&view["artifacts"]));
    let mut kept: Vec<String> = fs::read_dir(&artifacts)
        .expect("the folder of evidence")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    kept.sort();
    let _ = writeln!(out, "evidence: {}", kept.join(", "));
    plain(world, &out)
}

/// Without what differs between two machines.
fn plain(world: &World, text: &str) -> String {
    let mut text = text.replace(&world.path().display().to_string(), "<folder>");
    for (pattern, shown) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<run>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<moment>"),
        (r"\b[0-9a-f]{12,64}\b", "<hash>"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
        (r"\b\d+(\.\d+)? ?(ms|s|us|min|h|d)\b", "<time>"),
        (r"demo-[0-9a-f]{6,}", "<name>"),
    ] {
        text = Regex::new(pattern).expect("a pattern").replace_all(&text, shown).into_owned();
    }
    text
}

#[track_caller]
fn is_as_kept(name: &str, shown: &str) {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/runbooks");
    let kept = kept.join(format!("{name}.txt"));
    if std::env::var_os("PLUMBLINE_WRITE_TRANSCRIPTS").is_some() {
        fs::create_dir_all(kept.parent().expect("a folder")).expect("writable");
        fs::write(&kept, shown).expect("a writable transcript");
    }
    let known = fs::read_to_string(&kept).unwrap_or_default();
    assert!(known == shown, "{name} now shows\n{shown}\nand was\n{known}");
}

#[track_caller]
fn ends(world: &World, name: &str, view: &Value, state: &str) {
    let shown = transcript(world, view);
    assert_eq!(view["state"], state, "{shown}");
    is_as_kept(name, &shown);
}

const SKIPS: [(&str, &str); 1] =
    [("same_answers", "the reload services of the demo know no safety context")];

fn skips(more: &[(&str, &str)]) -> Value {
    SKIPS.iter().chain(more).map(|(step, why)| ((*step).to_owned(), json!(why))).collect()
}

/// A hub with a token, as the runbooks that ask one need it.
fn hub(world: &World) -> (Served, String) {
    let words = ["hub", "serve", "--listen", "127.0.0.1:0", "--data", "hub"];
    let made = world.check("hub token create --data hub --role admin --expires 1d", 0);
    (Served::start(world, &words, "hub-started"), made.stdout.trim().to_owned())
}

/// R018-R021, R025-R036: each cause has its own way out of the conflict, and all of them end verified (R037-R040).
fn conflict(cause: &str, name: &str, attest: &Value) {
    brought_together("pin the version", cause, name, attest);
}

fn brought_together(bring: &str, cause: &str, name: &str, attest: &Value) {
    let world = World::demo(7);
    let (hub, token) = hub(&world);
    let parameters = json!({
        "version": "2.0.0",
        "content": desired_content(&world),
        "node": NODE,
        "hub": hub.url(),
    });
    let answers = json!({
        "parameters": parameters,
        "answers": { "bring": bring, "cause": cause },
        "attest": attest,
        "confirm": {},
        "skip": skips(&[]),
    });
    let mut lead = Lead::new(&world, answers);
    lead.environment.push(("PLUMB_HUB_TOKEN", token));
    let view = lead.led_to_its_end("policy-version-conflicts");
    ends(&world, name, &view, "succeeded");
    world.check("doctor --check check.policy.version-consistency", 0);
    hub.stop();
}

#[test]
fn a_conflict_by_a_distribution_that_failed() {
    let attest = json!({ "rebuild": "the pack in the storage has the digest of the release" });
    conflict("distribution failed", "version-conflict-distribution", &attest);
}

#[test]
fn a_conflict_by_a_node_out_of_sync() {
    conflict("node out of sync", "version-conflict-node", &json!({}));
}

#[test]
fn a_conflict_by_concurrent_deployments() {
    conflict("concurrent deployments", "version-conflict-deployments", &json!({}));
}

/// R022: without a pin they meet at what the fleet desires.
#[test]
fn a_conflict_that_ends_at_the_desired_version() {
    let attest = json!({ "escalate": "Platform took over" });
    let (bring, cause) = ("the desired version", "something else");
    brought_together(bring, cause, "version-conflict-desired", &attest);
}

/// R024: engines load what they hold when they start again.
#[test]
fn a_conflict_that_a_restart_ends() {
    let attest = json!({ "escalate": "Platform took over" });
    brought_together("restart", "something else", "version-conflict-restart", &attest);
}

/// R043: nodes converge fast because they ask often.
#[test]
fn a_conflict_by_slow_polling() {
    conflict("polling", "version-conflict-polling", &json!({}));
}

#[test]
fn a_rollback_to_the_last_known_good() {
    let world = World::demo(5);
    // What is taken back came a moment ago.
    world.check(&format!("policy sync --node {NODE} --yes"), 0);
    let answers = json!({
        "parameters": { "nodes": NODE },
        "answers": { "why": "payments.refund denies what finance may do" },
        "attest": { "answers": "the three requests of the ticket are allowed again" },
        "confirm": {},
    });
    let view = Lead::new(&world, answers).led_to_its_end("policy-manual-rollback");
    ends(&world, "manual-rollback", &view, "succeeded");
}

/// A node without a way back is not taken back, and the run does not say that it was.
#[test]
fn a_rollback_that_nothing_is_known_of_halts() {
    let world = World::demo(5);
    let answers = json!({
        "parameters": { "nodes": NODE },
        "answers": { "why": "payments.refund denies what finance may do" },
        "confirm": {},
    });
    let view = Lead::new(&world, answers).led_to_its_end("policy-manual-rollback");
    ends(&world, "manual-rollback-without-a-way", &view, "halted");
}

/// What keeps a node stale, cause by cause (R273 where its signature is refused).
#[test]
fn a_stale_bundle_by_each_cause() {
    let world = World::demo(7);
    for (cause, name) in [
        ("the registry does not answer", "registry"),
        ("the signature is refused", "signature"),
        ("the digest does not match", "digest"),
        ("OPA does not reload", "restart"),
        ("nothing is wrong any more", "nothing"),
    ] {
        let answers = json!({
            "parameters": { "node": NODE },
            "answers": { "cause": cause },
            "attest": {
                "registry": "its certificate was renewed; curl from the node answers",
                "signature": "signed again by its publisher",
                "digest": "published again, and compared at the source",
            },
            "confirm": {},
            "skip": { "fresh": "the captured OPA of the demo confirms nothing" },
        });
        let view = Lead::new(&world, answers).led_to_its_end("policy-stale-bundle");
        ends(&world, &format!("stale-bundle-{name}"), &view, "succeeded");
    }
}

/// R270, R282, R283: canary, blue and green, one by one.
#[test]
fn a_gradual_reload_by_each_way() {
    for (way, name) in
        [("canary", "canary"), ("blue and green", "blue-green"), ("one by one", "one-by-one")]
    {
        let world = World::demo(7);
        let answers = json!({
            "parameters": {
                "version": "2.0.0",
                "content": desired_content(&world),
                "canary": "us-gw-001",
                "label": "region",
                "first": "us",
            },
            "answers": { "way": way },
            "attest": {
                "staging": "staging runs it since yesterday",
                "watched": "error rate and latency are as before",
            },
            "confirm": {},
            "skip": { "answers": "the reload services of the demo know no safety context" },
        });
        let view = Lead::new(&world, answers).led_to_its_end("policy-gradual-reload");
        ends(&world, &format!("gradual-reload-{name}"), &view, "succeeded");
    }
}

#[test]
fn an_engine_that_crashed_by_each_cause() {
    for (since, name) in [("yes", "bundle"), ("no", "process")] {
        let world = World::demo(5);
        world.check(&format!("policy sync --node {NODE} --yes"), 0);
        let answers = json!({
            "parameters": { "node": NODE },
            "answers": { "since": since },
            "confirm": {},
            "skip": { "decides": "the reload services of the demo know no safety context" },
        });
        let view = Lead::new(&world, answers).led_to_its_end("policy-opa-crash");
        ends(&world, &format!("opa-crash-{name}"), &view, "succeeded");
    }
}

#[test]
fn a_storage_that_is_back() {
    let world = World::demo(7);
    let answers = json!({
        "attest": { "restored": "the volume has 40 GB free, and a pack was read and written" },
        "confirm": {},
    });
    let view = Lead::new(&world, answers).led_to_its_end("policy-storage-unavailable");
    ends(&world, "storage-unavailable", &view, "succeeded");
    world.check("policy version --all-nodes", 0);
}

#[test]
fn alerts_that_are_stuck_by_each_cause() {
    let world = World::demo(1);
    let (hub, token) = hub(&world);
    let at_hub = |words: &str| {
        let mut command = world.command();
        command.env("PLUMB_HUB", hub.url()).env("PLUMB_HUB_TOKEN", &token);
        world.check_command(command.args(words.split(' ')), words, 0).stdout
    };
    for service in ["gateway", "billing"] {
        at_hub(&format!(
            "alerts ingest --service {service} --kind slo_breach --title slow --severity P1"
        ));
    }
    let claimed: Value = serde_json::from_str(&at_hub("alerts claim --owner kim --limit 1 --json"))
        .expect("a document");
    let alert = claimed["alerts"][0]["alert_ref"].as_str().expect("a reference").to_owned();
    at_hub(&format!("alerts fail {alert} --error graph-timed-out"));
    for (cause, name) in [
        ("failed", "failed"),
        ("processing", "processing"),
        ("nothing to claim", "nothing-to-claim"),
        ("silence", "silence"),
        ("false positive", "false-positive"),
    ] {
        let answers = json!({
            "parameters": { "hub": hub.url(), "owner": "sofiia" },
            "answers": { "cause": cause },
            "attest": {
                "mended": "the graph answers again",
                "source": "its test alert arrived",
                "acked": "closed as a false positive, no incident is open",
            },
        });
        let mut lead = Lead::new(&world, answers);
        lead.environment.push(("PLUMB_HUB_TOKEN", token.clone()));
        let view = lead.led_to_its_end("alert-triage");
        ends(&world, &format!("alert-triage-{name}"), &view, "succeeded");
    }
    hub.stop();
}

/// R048-R080: to its end, and back with both levels.
#[test]
fn a_backfill_to_its_end_and_back() {
    let answers: BTreeMap<String, toml::Value> = toml::from_str(BACKFILL).expect("answers");
    let answers = serde_json::to_value(answers).expect("JSON");
    for (faults, name, state) in [
        (&[][..], "backfill", "succeeded"),
        (&["fault-error"], "backfill-taken-back", "rolled_back"),
        (&["fault-violation", "fault-rollback"], "backfill-restored", "rolled_back"),
    ] {
        let (world, folder) = backfill_world("1");
        for fault in faults {
            fs::write(folder.join(fault), "").expect("writable");
        }
        let words = format!(
            "supersedes-backfill --folder {} --artifacts {} --pass-freeze rehearsed",
            folder.display(),
            world.path().join("artifacts").display()
        );
        let view = Lead::new(&world, answers.clone()).led_to_its_end(&words);
        ends(&world, name, &view, state);
    }
}
