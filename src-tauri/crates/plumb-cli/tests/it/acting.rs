//! Commands that change something: preview, ladder, progress, proof, undo.

use crate::world::World;

#[test]
fn one_node_is_synced_at_once_and_its_journal_verifies() {
    let world = World::demo(5);
    let said = world.check("policy sync --node us-gw-001", 0);
    assert!(said.stdout.contains("blast radius: 1 of 5 nodes"), "{}", said.stdout);
    assert!(said.stdout.contains("$PLUMB_TOKEN"), "{}", said.stdout);
    assert!(said.stdout.contains("✓ arrived"), "{}", said.stdout);
    let undo =
        said.stdout.lines().find_map(|line| line.strip_prefix("undo: plumb ")).expect("an undo");
    assert!(undo.starts_with("--fleet demo runs undo "), "{undo}");
    // The undo works as printed, and at once: it can be undone itself, by content.
    assert!(world.check(undo, 0).stdout.contains("and its pin"));
    assert_eq!(
        world.document("policy version --node us-gw-001", 1, "versions")["nodes"][0]["version"],
        "1.9.0"
    );
    let runs = world.document("runs list", 0, "runs");
    let id = runs["runs"][0]["id"].as_str().expect("an id").to_owned();
    assert!(world.check("runs", 0).stdout.contains(&id));
    assert!(world.check(&format!("runs show {id}"), 0).stdout.contains("arrived"));
    world.document(&format!("runs show {id}"), 0, "run");
    assert!(world.check(&format!("journal verify {id}"), 0).stdout.contains("complete"));
    let verdict = world.document(&format!("journal verify {id}"), 0, "journal");
    assert_eq!((&verdict["verdict"], &verdict["plan_matches"]), (&"complete".into(), &true.into()));
    world.check("journal verify 01a22903-be61-79ab-b838-cc5cd9ede734", 2);
    world.check("runs show nonsense", 2);
}

#[test]
fn many_nodes_need_a_yes_and_one_with_a_way_back_none() {
    let world = World::demo(7);
    let two = "policy sync --node us-gw-001 --node us-gw-002";
    let refused = world.check(two, 4);
    assert!(refused.stderr.contains("--yes"), "{}", refused.stderr);
    world.check(&format!("{two} --dry-run"), 0);
    let document = world.document(&format!("{two} --yes"), 0, "action");
    assert_eq!(document["run"]["phase"], "succeeded");
    // The diverged one shares its version with another bundle; its content leads back to it.
    let unsaid = world.check("policy sync --force --node eu-gw-002", 4).stderr;
    assert!(unsaid.contains("pass --reason TEXT"), "{unsaid}");
    let forced = world.check("policy sync --force --node eu-gw-002 --reason INC-2214", 0);
    let loud = |text: &str| {
        text.lines().any(|line| {
            line.starts_with("what ran already was loaded again by force by ")
                && line.ends_with(": INC-2214")
        })
    };
    assert!(loud(&forced.stdout) && loud(&forced.stderr), "{forced:?}");
    assert!(
        world.check("policy sync --node eu-gw-002", 0).stdout.contains("nothing has to be done")
    );
}

#[test]
fn a_pin_is_set_synced_and_lifted() {
    let world = World::demo(1);
    let content = world.document("fleet show", 0, "fleet")["bundles"]
        .as_array()
        .expect("bundles")
        .iter()
        .find(|bundle| bundle["version"] == "1.9.0")
        .map(|bundle| bundle["content"].as_str().expect("a digest").to_owned())
        .expect("1.9.0 is known");
    world.check(
        &format!("policy pin --version 1.9.0 --content {content} --node eu-gw-001 --yes"),
        0,
    );
    assert!(world.check("policy version --node eu-gw-001", 1).stdout.contains("ahead"));
    world.check("policy sync --node eu-gw-001", 0);
    world.check("policy version --node eu-gw-001", 0);
    let lifted = world.document("policy unpin --node eu-gw-001", 0, "action");
    assert_eq!(lifted["run"]["phase"], "succeeded");
    assert_eq!(lifted["plan"]["pins"][0], "lift the pin of eu-gw-001");
    assert!(world.check("policy version --node eu-gw-001", 1).stdout.contains("behind"));
    world.check("policy rollback --node eu-gw-001", 0);
    world.check("policy pin --version 7.7.7 --all-nodes --yes", 2);
}

#[test]
fn a_conflict_is_resolved_to_one_version() {
    let world = World::demo(1);
    let refused = world.check("policy resolve-conflict --to-version 2.1.0-rc1", 4);
    assert!(refused.stdout.contains("pin 2.1.0-rc1"), "{}", refused.stdout);
    let mut command = world.command();
    command.args(["policy", "resolve-conflict", "--to-version", "2.1.0-rc1", "--yes"]);
    command.args(["--confirm", "demo 1"]);
    world.check_command(&mut command, "policy resolve-conflict", 0);
    assert!(world.check("policy active", 0).stdout.contains("pinned by avery"));
}

#[test]
fn engines_are_restarted_after_a_phrase() {
    let world = World::demo(1);
    world.check("service restart policy-engine --all-nodes --yes", 4);
    let mut command = world.command();
    command.args(["service", "restart", "policy-engine", "--all-nodes", "--confirm", "demo 1"]);
    assert!(world.check_command(&mut command, "restart", 0).stdout.contains("✓ arrived"));
    world.check("service restart database --all-nodes", 2);
}

#[test]
fn settings_are_set_and_the_former_value_is_told() {
    let world = World::demo(9);
    let said = world
        .check("policy opa config set bundle.polling.min_delay_seconds 10 --node eu-gw-001", 0);
    assert!(said.stdout.contains("undo: plumb --fleet demo runs undo "), "{}", said.stdout);
    assert!(said.stdout.contains("bundle.polling.min_delay_seconds is 10"), "{}", said.stdout);
    world.check("policy opa config set bundle.polling.max_delay_seconds 30 --node eu-gw-001", 0);
    let shown =
        world.check("policy config get bundle.polling.max_delay_seconds --node eu-gw-001", 0);
    assert!(shown.stdout.contains("= 30"), "{}", shown.stdout);
    let change =
        world.document("policy config set deployment.locking true --node eu-gw-001", 0, "action");
    assert_eq!(change["run"]["nodes"][0]["state"], "arrived");
    let again = world.check("policy config set deployment.locking true --node eu-gw-001", 0);
    assert!(again.stdout.contains("nothing has to be done"), "{}", again.stdout);
    let run = change["run"]["id"].as_str().expect("an id");
    world.check(&format!("runs undo {run}"), 0);
    let shown = world.check("policy config get deployment.locking --node eu-gw-001", 0);
    assert!(shown.stdout.contains("= false"), "{}", shown.stdout);
    world.check("policy config set deployment.locking perhaps --node eu-gw-001", 2);
    world.check("policy config set no.such.key 1 --node eu-gw-001", 2);
    world.check("policy config set deployment.locking true --all-nodes", 4);
    let opa = world
        .check("policy opa config set bundle.polling.min_delay_seconds 10 --node eu-authz-001", 1);
    assert!(opa.stdout.contains("read-only here"), "{}", opa.stdout);
}

#[test]
fn a_read_only_fleet_is_not_changed() {
    let world = World::demo(1);
    let text = std::fs::read_to_string(world.fleet_file()).expect("readable");
    let text = text.replace("name = \"demo\"", "name = \"looked-at\"\nread_only = true");
    let file = world.path().join("demo/looked-at.toml").display().to_string();
    std::fs::write(&file, text).expect("writable");
    let said = world.check(&format!("--fleet-file {file} policy sync --all-nodes --yes"), 2);
    assert!(said.stderr.contains("read-only"), "{}", said.stderr);
    world.check("--fleet looked-at policy config set deployment.locking true --yes", 2);
    // Two fleets are known now, so one has to be named.
    world.check("policy version", 2);
}
