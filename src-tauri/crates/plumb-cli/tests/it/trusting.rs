//! Sigstore bundles and trust policies on the command line.

use jiff::Timestamp;
use plumb_pki::{Fault, Issued, Material, Pki, Recipe};

use crate::world::World;

fn signed_at() -> Timestamp {
    "2025-03-01T12:00:00Z".parse().expect("a time")
}

fn recipe() -> Recipe {
    Recipe::new(*b"package gateway\n", signed_at())
}

/// The files of something issued, under a name.
fn files(world: &World, name: &str, issued: &Issued) {
    world.file(&format!("{name}.rego"), &String::from_utf8_lossy(&issued.artifact));
    world.file(&format!("{name}.sigstore.json"), &issued.bundle_json());
    world.file(&format!("{name}.root.json"), &issued.trusted_root_json());
    if let Some(pem) = &issued.key_pem {
        world.file(&format!("{name}.pub.pem"), pem);
    }
}

fn words(name: &str, issued: &Issued) -> String {
    format!(
        "verify-bundle --bundle {name}.sigstore.json --trusted-root {name}.root.json \
         --certificate-identity {} --certificate-oidc-issuer {}",
        issued.identity, issued.issuer
    )
}

#[test]
fn a_bundle_is_verified_with_the_words_of_the_conformance_suite() {
    let world = World::empty();
    let pki = Pki::new(signed_at()).expect("keys can be made");
    let issued = pki.issue(&recipe()).expect("a bundle");
    files(&world, "pack", &issued);
    let words = words("pack", &issued);
    let document = world.document(&format!("{words} pack.rego"), 0, "attestation");
    assert_eq!(document["valid"], true);
    assert_eq!(document["certificate"]["identity"], issued.identity.as_str());
    assert_eq!(document["times"][0]["by"], "https://rekor.example.com");
    let checks = document["checks"].as_array().expect("checks");
    assert!(checks.iter().any(|c| c["name"] == "log.checkpoint" && c["outcome"] == "passed"));
    let digest = document["artifact"].as_str().expect("a digest");
    world.check(&format!("{words} sha256:{digest}"), 0);
    let other = "0".repeat(64);
    let said = world.check(&format!("{words} sha256:{other}"), 1).stdout;
    assert!(said.contains("artifact.digest") && said.contains("failed"), "{said}");
    world.check(&format!("{words} sha256:abc"), 2);
    world.check(&format!("{words} nowhere.rego"), 2);
    // Without the root of this instance nobody in the bundle is known.
    let public = words.replace("--trusted-root pack.root.json ", "");
    let document = world.document(&format!("{public} pack.rego"), 1, "attestation");
    assert_eq!(document["root"], "public good");
    let pattern = words.replace("certificate-identity ", "certificate-identity-pattern ");
    world.check(&format!("{pattern} pack.rego"), 0);
    world.check(&format!("{words} --profile timestamp-only pack.rego"), 1);
    world.check("verify-bundle --bundle pack.sigstore.json pack.rego", 2);
}

#[test]
fn a_key_signs_without_a_certificate() {
    let world = World::empty();
    let pki = Pki::new(signed_at()).expect("keys can be made");
    let keyed = Recipe { material: Material::Key, ..recipe() };
    files(&world, "pack", &pki.issue(&keyed).expect("a bundle"));
    let broken = keyed.broken(Fault::CheckpointOfAnotherLog);
    files(&world, "bad", &pki.issue(&broken).expect("a bundle"));
    let words = |name: &str| {
        format!(
            "verify-bundle --bundle {name}.sigstore.json --trusted-root {name}.root.json \
             --key {name}.pub.pem {name}.rego"
        )
    };
    let document = world.document(&words("pack"), 0, "attestation");
    assert!(document["key"].is_string() && document["certificate"].is_null());
    let said = world.check(&words("bad"), 1).stdout;
    let line = said.lines().find(|line| line.contains("log.checkpoint")).unwrap_or_default();
    assert!(line.contains("failed"), "{said}");
    world.check(&words("pack").replace("pack.pub.pem", "pack.rego"), 2);
}

#[test]
fn retiring_a_key_names_what_would_stop_verifying() {
    let world = World::empty();
    let pki = Pki::new(signed_at()).expect("keys can be made");
    let issued = pki.issue(&recipe()).expect("a bundle");
    files(&world, "pack", &issued);
    let keyed = Recipe { material: Material::Key, ..recipe() };
    files(&world, "old", &pki.issue(&keyed).expect("a bundle"));
    let policy = format!(
        "[[root]]\nid = \"ours\"\nfile = \"pack.root.json\"\n\n\
         [[key]]\nid = \"release-2024\"\nfile = \"old.pub.pem\"\nfrom = \"2024-01-01T00:00:00Z\"\n\n\
         [[identity]]\nname = \"{}\"\nissuer = \"{}\"\n",
        issued.identity, issued.issuer
    );
    world.file("trust.toml", &policy);
    let kept = "[[kept]]\nnode = \"gw-1\"\nrole = \"active\"\nartifact = \"pack.rego\"\nattestation = \"pack.sigstore.json\"\n\n\
                [[kept]]\nnode = \"gw-1\"\nrole = \"lkg\"\nartifact = \"old.rego\"\nattestation = \"old.sigstore.json\"\n";
    world.file("kept.toml", kept);
    let words =
        |key: &str| format!("trust simulate --policy trust.toml --kept kept.toml --retire {key}");
    let document = world.document(&words("release-2024"), 1, "trust-simulation");
    assert_eq!(document["broken"][0]["node"], "gw-1");
    assert_eq!(document["broken"][0]["role"], "lkg");
    assert_eq!(document["unaffected"], 1);
    let said = world.check(&words("release-2024"), 1).stdout;
    assert!(said.contains("1 would stop verifying") && said.contains("lkg"), "{said}");
    assert_eq!(world.document(&words("ours"), 1, "trust-simulation")["unaffected"], 0);
    let said = world.check(&words("nobody"), 2).stderr;
    assert!(said.contains("release-2024"), "{said}");
    // A policy without a name would trust everybody the root knows.
    world.file("trust.toml", "[[root]]\nid = \"ours\"\nfile = \"pack.root.json\"\n");
    let said = world.check(&words("ours"), 2).stderr;
    assert!(said.contains("identity"), "{said}");
}

#[test]
fn retiring_the_key_of_a_fleet_names_its_nodes_and_bundles() {
    let world = World::demo(3);
    world.check("policy status", 1);
    let file = std::fs::read_to_string(world.fleet_file()).expect("the fleet file");
    let key = file
        .split("[[trust.keys]]")
        .nth(1)
        .and_then(|rest| rest.split('"').nth(1))
        .expect("a trusted key")
        .to_owned();
    let words = format!("trust simulate --retire {key}");
    let document = world.document(&words, 1, "trust-simulation");
    assert_eq!(document["retired"][0], key.as_str());
    let broken = document["broken"].as_array().expect("a list");
    let named = |role: &str| {
        broken
            .iter()
            .filter(|one| one["role"] == role)
            .map(|one| one["node"].clone())
            .collect::<Vec<_>>()
    };
    assert!(!named("active").is_empty(), "{document}");
    assert!(broken.iter().all(|one| one["version"].is_string() && one["file"].is_string()));
    assert_eq!(document["unaffected"], 0);
    let said = world.check(&words, 1).stdout;
    assert!(said.contains("would stop verifying"), "{said}");
    let said = world.check("trust simulate --retire nobody", 2).stderr;
    assert!(said.contains(&key), "{said}");
    world.check("trust simulate --kept kept.toml --retire x", 2);
}

/// The packs of agents are judged by digest and attestation, which the agents tell.
#[test]
fn retiring_what_vouches_for_packs_names_every_node_that_holds_one() {
    let world = World::demo(5);
    world.check("policy status", 1);
    let keys = world.fleet_file().with_file_name("keys");
    let words = |key: &str| {
        format!("trust simulate --policy {} --retire {key}", keys.join("pack-trust.toml").display())
    };
    let document = world.document(&words("demo"), 1, "trust-simulation");
    let broken = document["broken"].as_array().expect("a list");
    let holds = |node: &str, role: &str| {
        broken.iter().any(|one| one["node"] == node && one["role"] == role && one["kind"] == "pack")
    };
    assert!(holds("eu-gw-001", "active") && holds("eu-gw-001", "lkg"), "{document:#}");
    assert!(holds("us-gw-001", "active"), "{document:#}");
    // The signatures inside are another matter: they go on verifying by the keys of the fleet file.
    assert!(broken.iter().all(|one| one["kind"] == "pack"), "{document:#}");
    assert!(document["unaffected"].as_u64().is_some_and(|count| count > 0), "{document:#}");
    assert_eq!(document["failing"], serde_json::json!([]), "{document:#}");
    let said = world.check(&words("demo"), 1).stdout;
    assert!(said.contains("no trusted root"), "{said}");
}
