//! Fleets and credentials.

use crate::world::{CANARY, World};

#[test]
fn a_fleet_is_added_shown_and_forgotten() {
    let world = World::demo(2);
    assert!(world.check("fleet list", 0).stdout.contains("demo"));
    world.document("fleet list", 0, "fleets");
    let shown = world.check("fleet show", 0).stdout;
    assert!(shown.contains("eu-ledger-001") && shown.contains("command cat"), "{shown}");
    world.document("fleet remove demo", 0, "fleets");
    world.check("fleet show demo", 2);
}

#[test]
fn a_bad_file_names_line_and_field() {
    let world = World::empty();
    let file = world.file(
        "bad.toml",
        "name = \"eu\"\n[[node]]\nid = \"eu-gw-001\"\napi = \"agent\"\nurl = \"ftp://gw\"\n",
    );
    let said = world.check(&format!("fleet add {file}"), 2).stderr;
    assert!(said.contains("line 2: node eu-gw-001: url: the scheme"), "{said}");
    world.check("fleet add nowhere.toml", 2);
}

#[test]
fn a_list_is_imported_after_its_difference_was_shown() {
    let world = World::empty();
    let list = world.file("nodes.csv", "id,url,api,region\ngw-1,http://127.0.0.1:1,agent,eu\n");
    let import = format!("fleet import --format csv {list} --name payments-eu");
    let refused = world.check(&import, 4);
    assert!(refused.stdout.contains("+ gw-1"), "{}", refused.stdout);
    world.check(&format!("{import} --yes"), 0);
    let sd = r#"[{"targets": ["127.0.0.1:2"], "labels": {"api": "reload"}}]"#;
    let mut command = world.command();
    command.args(["fleet", "import", "--format", "prometheus", "--stdin", "--yes"]);
    command.args(["--name", "payments-eu", "--json"]).write_stdin(sd);
    let said = world.check_command(&mut command, "import", 0);
    let document: serde_json::Value = serde_json::from_str(&said.stdout).expect("one document");
    assert_eq!(
        (document["saved"].as_bool(), &document["preview"]["removed"][0]),
        (Some(true), &"gw-1".into())
    );
    world.document(&format!("{import} --dry-run"), 0, "import");
    let bad = world.file("bad.csv", "id,url\ngw 1,http://h\n");
    let said = world.check(&format!("fleet import --format csv {bad} --name x"), 2).stderr;
    assert!(said.contains("row 2: id"), "{said}");
    world.check(&format!("fleet import --format csv {list}"), 2);
}

#[test]
fn a_token_is_never_an_argument_and_never_shown() {
    let world = World::empty();
    // No keyring runs in a test: the message says so and names the other way.
    let mut command = world.command();
    command.args(["credential", "set", "payments-eu"]).write_stdin(CANARY);
    let said = world.check_command(&mut command, "credential set", 5).stderr;
    assert!(said.contains("environment variable"), "{said}");
    world.check("credential set payments-eu a-token", 2);
    world.document("credential status payments-eu", 5, "credentials");
    world.check("credential delete ../x", 2);
}
