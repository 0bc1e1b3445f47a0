//! Bundles offline: from policies to a file a node accepts, and back.

use std::path::Path;

use crate::world::World;

fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/bundles");
    folder.join(name).display().to_string()
}

#[test]
fn built_signed_verified_and_compared() {
    let world = World::empty();
    world.document("policy bundle keygen --out signer.pem --bits 2048", 0, "bundle-keygen");
    world.check("bundle keygen --out signer.pem", 2);
    world.check("bundle keygen --out short.pem --bits 1024", 2);
    let policies =
        r#"[{"id": "payments", "effect": "deny"}, {"id": "reports", "effect": "allow"}]"#;
    world.file("policies.json", policies);
    let built = "bundle build policies.json --id payments --version 1.0.0 --issued-at 2026-11-01T08:00:00Z --out a.json";
    let written = world.document(built, 0, "bundle-written");
    assert_eq!((&written["policies"], &written["signed"]), (&2.into(), &false.into()));
    world.check("bundle verify a.json --trust signer.pub.pem", 1);
    world.check("bundle sign a.json --key signer.pem --key-id signer --out a.signed.json", 0);
    let verdict = world.document(
        "policy bundle verify a.signed.json --trust signer=signer.pub.pem",
        0,
        "bundle-verify",
    );
    assert_eq!((&verdict["trusted"], &verdict["key"]), (&true.into(), &"signer".into()));
    let seen = world.check("bundle inspect a.signed.json", 0).stdout;
    assert!(seen.contains("payments 1.0.0 (signed_json)"), "{seen}");
    world.document("bundle inspect a.signed.json", 0, "bundle-inspect");
    // A folder of policies, in order of names; the order is content.
    std::fs::create_dir(world.path().join("policies")).expect("writable");
    world.file("policies/10-reports.json", r#"{"id": "reports", "effect": "allow"}"#);
    world.file("policies/20-payments.json", r#"{"id": "payments", "effect": "allow"}"#);
    world.check("bundle build policies --id payments --version 1.1.0 --out b.json", 0);
    let difference = world.document("bundle diff a.signed.json b.json", 1, "bundle-diff");
    assert_eq!((&difference["changed"], &difference["moved"]), (&1.into(), &1.into()));
    let text = world.check("bundle diff a.json b.json --policy payments", 1).stdout;
    assert!(text.contains("-   \"effect\": \"deny\""), "{text}");
    world.check("bundle diff a.json a.signed.json", 0);
}

#[test]
fn the_fields_own_bundle_verifies_and_a_changed_one_does_not() {
    let world = World::empty();
    let (bundle, key) = (fixture("field.signed.json"), fixture("signer.pub.pem"));
    world.check(&format!("bundle verify {bundle} --trust {key}"), 0);
    let rehashed = fixture("rehashed.signed.json");
    let said = world.check(&format!("bundle verify {rehashed} --trust {key}"), 1).stdout;
    assert!(said.contains("failed"), "{said}");
    world.check(&format!("bundle verify {bundle} --trust {}", fixture("signer-1024.pub.pem")), 2);
}

#[test]
fn bad_input_names_its_place() {
    let world = World::empty();
    world.file("empty.json", "[]");
    let said = world.check("bundle build empty.json --id a --version 1 --out x.json", 2).stderr;
    assert!(said.contains("Bundle contains no policies"), "{said}");
    world.file("broken.json", "[{\n\"id\": }]");
    let said = world.check("bundle build broken.json --id a --version 1 --out x.json", 2).stderr;
    assert!(said.contains("broken.json") && said.contains("line 2"), "{said}");
    world.file("twice.json", r#"{"metadata": {}, "metadata": {}}"#);
    world.check("bundle inspect twice.json", 2);
    world.check("bundle inspect nowhere.json", 2);
}

#[test]
fn an_expired_bundle_is_said_to_be_expired() {
    let world = World::empty();
    world.check("policy bundle keygen --out signer.pem --bits 2048", 0);
    world.file("policies.json", r#"[{"id": "payments", "effect": "deny"}]"#);
    for (end, exit, said) in [
        ("2020-01-01T00:00:00Z", 1, "1.0.0 is validly signed, but expired"),
        ("2199-01-01T00:00:00Z", 0, "1.0.0 is validly signed"),
    ] {
        let build = format!(
            "bundle build policies.json --id payments --version 1.0.0 --expires-at {end} --out a.json"
        );
        world.check(&build, 0);
        world.check("bundle sign a.json --key signer.pem --key-id signer --out a.signed.json", 0);
        let shown = world.check("bundle verify a.signed.json --trust signer.pub.pem", exit).stdout;
        assert!(shown.contains(said), "{shown}");
        let verify = "policy bundle verify a.signed.json --trust signer.pub.pem";
        let document = world.document(verify, exit, "bundle-verify");
        assert_eq!(document["expired"].as_bool(), Some(exit == 1));
        std::fs::remove_file(world.path().join("a.json")).expect("it is there");
        std::fs::remove_file(world.path().join("a.signed.json")).expect("it is there");
    }
}

#[test]
fn archives_that_differ_in_data_only_differ() {
    use plumb_bundle::formats::opa_archive::write;

    let world = World::empty();
    let archive = |name: &str, files: &[(&str, &str)]| {
        let files = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        let bytes = write(&files.collect()).expect("small files");
        std::fs::write(world.path().join(name), bytes).expect("writable");
    };
    let (manifest, rego) = ((".manifest", r#"{"revision":"r1"}"#), ("a.rego", "package a\n"));
    archive("a.tar.gz", &[manifest, rego, ("data.json", r#"{"admins":["mara"]}"#)]);
    archive(
        "b.tar.gz",
        &[manifest, rego, ("data.json", r#"{"admins":["mara","jo"]}"#), ("x/data.yaml", "b: 1\n")],
    );
    let difference = world.document("bundle diff a.tar.gz b.tar.gz", 1, "bundle-diff");
    assert_eq!(difference["equal"], false);
    assert_eq!(difference["before"]["content"], difference["after"]["content"]);
    assert_ne!(difference["before"]["data"], difference["after"]["data"]);
    assert_eq!(
        difference["data"],
        serde_json::json!([
            { "path": "data.json", "change": "changed" },
            { "path": "x/data.yaml", "change": "added" },
        ])
    );
    let shown = world.check("bundle diff a.tar.gz b.tar.gz", 1).stdout;
    assert!(shown.contains("~ data.json  data changed"), "{shown}");
    let lines = "bundle diff a.tar.gz b.tar.gz --policy data.json";
    let shown = world.check(lines, 1).stdout;
    assert!(shown.contains("+     \"jo\""), "{shown}");
    assert_eq!(world.document(lines, 1, "bundle-diff")["text"]["language"], "json");
    world.check("bundle diff a.tar.gz a.tar.gz", 0);
    let seen = world.document("bundle inspect b.tar.gz", 0, "bundle-inspect");
    assert_eq!(seen["data"][1]["path"], "x/data.yaml");
}
