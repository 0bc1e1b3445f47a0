//! Commands that look: each once for people and once for programs.

use serde_json::Value;

use crate::world::World;

#[test]
fn versions_of_all_nodes_and_of_one() {
    let world = World::demo(8);
    let all = world.check("policy version --all-nodes", 1).stdout;
    assert!(all.contains("8 of 8 nodes answered"), "{all}");
    assert!(all.contains("≠ diverged"), "{all}");
    let view = world.document("policy version --all-nodes", 1, "versions");
    assert_eq!(view["nodes"].as_array().map(Vec::len), Some(8));
    let one = world.document("policy version --node eu-gw-001", 0, "versions");
    assert_eq!(one["nodes"][0]["state"], "in_sync");
    world.check("policy version --node nobody", 2);
    world.check("policy version --all-nodes --node eu-gw-001", 2);
}

#[test]
fn differences_are_named_policy_by_policy() {
    let world = World::demo(4);
    let text = world.check("policy version diff --all-instances", 1).stdout;
    assert!(text.contains("same version, other content"), "{text}");
    assert!(text.contains("ledger.reverse  changed"), "{text}");
    let view = world.document("policy version diff --all-instances", 1, "version-diff");
    assert_eq!(view["consistent"], false);
    let one = World::demo(1);
    assert_eq!(
        one.document("policy version diff --all-instances", 0, "version-diff")["consistent"],
        true
    );
}

#[test]
fn what_is_desired_and_what_is_active() {
    let world = World::demo(1);
    let text = world.check("policy active --show-version", 0).stdout;
    assert!(text.contains("desired: 2.0.0") && text.contains("active:  2.0.0"), "{text}");
    assert_eq!(world.document("policy active", 0, "active")["active"]["version"], "2.0.0");
}

#[test]
fn the_status_of_a_fleet_and_of_a_node() {
    let world = World::demo(4);
    assert!(world.check("policy status", 1).stdout.contains("≠ diverged"));
    world.document("policy status", 1, "versions");
    let node = world.check("policy status --node eu-gw-002", 1).stdout;
    assert!(node.contains("1 changed, 1 moved"), "{node}");
    let document = world.document("policy status --node eu-gw-001", 0, "node");
    assert_eq!(document["node"]["row"]["state"], "in_sync");
}

#[test]
fn bundles_of_nodes() {
    let world = World::demo(9);
    let text = world.check("policy bundle status --all-nodes", 1).stdout;
    assert!(text.contains("unhealthy") && text.contains("confirmed the digest"), "{text}");
    let view = world.document("policy bundle status --all-nodes", 1, "bundle-status");
    assert_eq!(view["nodes"].as_array().map(Vec::len), Some(9));
    let opa = world.document("policy opa bundle-status", 0, "bundle-status");
    assert_eq!(opa["nodes"][0]["api"], "opa");
    let none = World::demo(1).check("policy opa bundle-status", 0).stdout;
    assert!(none.contains("no opa node"), "{none}");
}

#[test]
fn how_a_node_follows_its_source() {
    let world = World::demo(8);
    let fine = world.check("policy bundle check-subscription --node eu-gw-001", 0).stdout;
    assert!(fine.contains("polling and watch"), "{fine}");
    let late =
        world.document("policy bundle check-subscription --node us-gw-003", 1, "subscription");
    assert_eq!(late["healthy"], false);
}

#[test]
fn checks_have_evidence_and_a_remedy() {
    let world = World::demo(8);
    let one = world.check("doctor --check check.policy.version-consistency", 1).stdout;
    assert!(one.contains("2.0.0") && one.contains("resolve-conflict"), "{one}");
    let all = world.document("doctor", 1, "doctor");
    assert_eq!(all["checks"].as_array().map(Vec::len), Some(18));
    let said = world.check("doctor --check check.policy.weather", 2).stderr;
    assert!(said.contains("check.policy.signature"), "{said}");
    world.document("doctor --list", 0, "checks");
    let sound = World::demo(1).check("doctor", 0).stdout;
    assert!(sound.contains("✓ passed") && !sound.contains("× failed"), "{sound}");
}

#[test]
fn settings_are_lines_that_grep_finds() {
    let world = World::demo(9);
    let text = world.check("policy opa config show", 0).stdout;
    let bundle: Vec<&str> = text.lines().filter(|line| line.contains("bundle")).collect();
    assert!(
        bundle.iter().any(|line| line.contains("bundle.polling.min_delay_seconds = ")),
        "{text}"
    );
    assert!(text.contains("OPA's configuration is read-only here"), "{text}");
    world.document("policy config get deployment.locking --node eu-gw-001", 0, "config");
    world.check("policy config get no.such.key", 1);
}

#[test]
fn the_same_requests_on_every_node() {
    let world = World::demo(4);
    let file =
        world.file("request.json", r#"{"capability_id": "payments.transfer", "context": {}}"#);
    let view = world.document(
        &format!("policy evaluate --test --node eu-gw-001 --request {file}"),
        0,
        "evaluation",
    );
    assert_eq!(view["requests"][0]["capability_id"], "payments.transfer");
    assert_eq!(view["agreed"], true);
    let all = world.check("policy evaluate --test --all-nodes", 1).stdout;
    assert!(all.contains("disagree"), "{all}");
    let bad = world.file("bad.json", "[\n {\"capability\": 1}\n]");
    let said = world.check(&format!("policy evaluate --test --request {bad}"), 2).stderr;
    assert!(said.contains("unknown field `capability`") && said.contains("line 2"), "{said}");
}

#[test]
fn log_lines_by_text_level_and_age() {
    let world = World::demo(5);
    let text =
        world.check("policy logs --filter verification --level warning --last 30m --all-nodes", 0);
    assert!(
        text.stdout.contains("us-gw-001") && text.stdout.contains("verification failed"),
        "{text:?}"
    );
    assert!(text.stderr.contains("cannot show logs"), "{text:?}");
    let logs = world.document("policy logs --node us-gw-001 --last 24h", 0, "logs");
    let lines = logs["nodes"][0]["lines"].as_array().expect("lines");
    let warns = |line: &&Value| matches!(line["level"].as_str(), Some("error" | "warning"));
    assert_eq!(logs["lines"], lines.len());
    assert_eq!(logs["warnings"], lines.iter().filter(warns).count());
    assert!(logs["warnings"].as_u64() > Some(0) && logs["unread"] == 0, "{logs}");
    // What no node says is counted as nothing, and not as a warning.
    let none = world.document("policy logs --filter nobody-says-this --all-nodes", 0, "logs");
    assert_eq!((&none["lines"], &none["warnings"]), (&0.into(), &0.into()));
    world.check("policy logs --last soon", 2);
}

#[test]
fn groups_and_texts_against_a_baseline() {
    let world = World::demo(4);
    let text = world.check("drift --node eu-gw-002 --against eu-gw-001", 1).stdout;
    assert!(text.contains("↕ payments.transfer") && text.contains("~ ledger.reverse"), "{text}");
    let lines = world.check("drift --node eu-gw-002 --policy ledger.reverse", 1).stdout;
    assert!(lines.lines().any(|line| line.starts_with("- ")), "{lines}");
    assert!(lines.lines().any(|line| line.starts_with("+ ")), "{lines}");
    let beside =
        world.check("drift --node eu-gw-002 --policy ledger.reverse --side-by-side", 1).stdout;
    assert!(beside.contains(" | "), "{beside}");
    world.document("drift --baseline majority", 1, "drift");
    world.check("drift --node eu-gw-001", 0);
    world.check("drift --baseline weather", 2);
}

#[test]
fn from_the_cache_nothing_is_sent_and_its_age_is_told() {
    let mut world = World::demo(2);
    world.check("policy version", 0);
    world.stop();
    let text = world.check("policy version --no-sweep --node eu-gw-001", 0).stdout;
    assert!(text.contains("from the cache, swept"), "{text}");
    // Now everybody is asked, and nobody is there.
    world.check("policy version --all-nodes", 3);
    world.check("policy status --node eu-gw-001", 3);
    world.check("doctor", 3);
    world.check("policy config get --all-nodes", 3);
}

#[test]
fn colours_are_asked_for_and_refused() {
    let world = World::demo(1);
    let run = |words: &str, no_color: &str| {
        let mut command = world.command();
        command.args(words.split(' ')).env("NO_COLOR", no_color);
        world.check_command(&mut command, words, 0).stdout.contains('\u{1b}')
    };
    assert!(run("policy version --color always", ""));
    assert!(!run("policy version --color auto", "1"));
    assert!(!run("policy version --color never", ""));
    assert!(!run("policy version --color always --json", "1"));
}

#[test]
fn a_narrow_terminal_keeps_the_first_columns() {
    let world = World::demo(4);
    let mut command = world.command();
    command.args(["policy", "version"]).env("COLUMNS", "70");
    let text = world.check_command(&mut command, "policy version", 1).stdout;
    let rows: Vec<&str> = text.lines().skip(3).filter(|line| line.contains("eu-")).collect();
    assert!(rows.iter().all(|row| row.chars().count() <= 90), "{text}");
    assert!(text.contains('…'), "{text}");
}
