//! Questions that end the process that evaluates them, put to a real agent under its supervisor.

use std::{
    fs,
    net::TcpListener,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use plumb_pki::{Pki, Recipe};
use serde_json::{Value, json};

use crate::{
    serving::{Served, try_ask},
    world::World,
};

/// Recursion, which the engine does not refuse as OPA does, behind a condition that no probe meets.
const RECURSIVE: &str = "package cos.abac
import rego.v1
default allow := false
allow if input.user == \"ada\"
endless(x) := endless(x + 1)
allow if { input.hostile; endless(0) }
";
const PATH: &str = "/v1/data/cos/abac/allow";
const DEADLINE: Duration = Duration::from_secs(20);

/// A registry that offers the pack, attested, and the files of those who trust its signer.
fn registry(world: &World) -> Served {
    fs::create_dir_all(world.path().join("source/opa")).expect("writable");
    fs::create_dir(world.path().join("packs")).expect("writable");
    world.file("source/opa/cos.abac.rego", RECURSIVE);
    world.check("policy packs build source --id policy-pack-v0 --version 1.0.0 --out pack.tar", 0);
    let tar = fs::read(world.path().join("pack.tar")).expect("built");
    let signed_at = Timestamp::now() - Duration::from_hours(2);
    let pki = Pki::new(signed_at).expect("keys can be made");
    let issued = pki.issue(&Recipe::new(tar, signed_at)).expect("a bundle");
    world.file("pack.sigstore.json", &issued.bundle_json());
    world.file("root.json", &issued.trusted_root_json());
    let trust = format!(
        "[[root]]\nid = \"test\"\nfile = \"root.json\"\n\n[[identity]]\nname = {:?}\nissuer = {:?}\n",
        issued.identity, issued.issuer
    );
    world.file("trust.toml", &trust);
    let publish = "policy packs publish pack.tar --id policy-pack-v0 --dir packs";
    world.check(&format!("{publish} --attestation pack.sigstore.json"), 0);
    let words = ["policy", "packs", "serve", "--dir", "packs", "--listen", "127.0.0.1:0"];
    Served::start(world, &words, "packs-started")
}

/// What the agent answers, or that it is not there.
fn decision(address: &str, input: &Value) -> Option<Value> {
    let body = json!({ "input": input }).to_string();
    let (status, answer) = try_ask(address, "POST", PATH, None, &body).ok()?;
    (status == 200).then(|| answer["result"].clone())
}

fn until_decided(address: &str) -> Duration {
    let begun = Instant::now();
    while decision(address, &json!({ "user": "ada" })) != Some(json!(true)) {
        assert!(begun.elapsed() < DEADLINE, "the agent does not answer");
        std::thread::yield_now();
    }
    begun.elapsed()
}

#[test]
fn a_question_that_ends_the_agent_finds_it_answering_by_the_stored_pack_within_a_second() {
    let world = World::empty();
    let registry = registry(&world);
    let hub = registry.first["listen"].as_str().expect("an address");
    let url = format!("http://{hub}/v1/policy/packs/policy-pack-v0");
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr();
    let address = free.expect("an address").to_string();
    let words = ["agent", "serve", "--supervised", "--state-dir", "state", "--listen", &address];
    let packs = ["--pack-url", &url, "--pack-trust", "trust.toml", "--pack-mode", "long-poll"];
    let agent = Served::start(&world, &[&words[..], &packs].concat(), "agent-started");
    until_decided(&address);
    // What answers afterwards can only come from the disk.
    registry.stop();
    let before = try_ask(&address, "GET", "/healthz", None, "").expect("it answers").1;
    for _ in 0..2 {
        let ended = decision(&address, &json!({ "hostile": true }));
        assert_eq!(ended, None, "the question ends the process, so nobody answers it");
        let took = until_decided(&address);
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    let after = try_ask(&address, "GET", "/healthz", None, "").expect("it answers").1;
    assert_eq!(after["policy"]["digest"], before["policy"]["digest"]);
    assert!(after["policy"]["pack"]["carried_by"].is_string(), "verified again: {after}");
    let said = agent.stop();
    assert_eq!(said.matches("the agent crashed (signal: ").count(), 2, "{said}");
    assert!(said.contains("stack"), "the stack overflowed: {said}");
}
