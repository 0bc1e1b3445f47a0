//! `plumb agent serve --require-approval` as a process of its own: shut to everything but a plan whose
//! approvals it verified itself, and open to that.

use std::fs;

use serde_json::{Value, json};

use crate::{
    approvals::{company, document, signing, text},
    serving::{Served, ask, signed},
    world::{CANARY, World},
};

const NOT_APPROVED: &str = "urn:plumbline:agent:not-approved";

/// An agent of the fleet `demo` that goes by its roster, and the console's list with it.
fn strict(world: &World) -> (Served, String) {
    signed(world);
    fs::create_dir(world.path().join("bundles")).expect("writable");
    for version in ["v1", "v2"] {
        let name = format!("production-{version}.signed.json");
        let to = world.path().join("bundles").join(&name);
        fs::rename(world.path().join(&name), to).expect("there");
    }
    let fleet = company(world);
    let member = format!("{fleet}/gw-1");
    let words = [
        "agent",
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--bundle",
        "bundles/production-v1.signed.json",
        "--trust",
        "s=signer.pub.pem",
        "--state-dir",
        "state",
        "--require-approval",
        "roster.json",
        "--member",
        &member,
    ];
    let served = Served::start(world, &words, "agent-started");
    world.file("token", CANARY);
    let file = format!(
        "name = \"{fleet}\"\ndeadline_s = 5\nbundles = [\"bundles\"]\n\n[desired]\nversion = \"2.0.0\"\n\n\
         [[trust.keys]]\nid = \"s\"\npem = \"signer.pub.pem\"\n\n[[node]]\nid = \"gw-1\"\napi = \"agent\"\n\
         url = \"{}\"\ncredential = {{ command = [\"cat\", \"{}\"] }}\n",
        served.url(),
        world.path().join("token").display()
    );
    let file = world.file("fleet.toml", &file);
    world.check(&format!("fleet add {file}"), 0);
    signing(world, &format!("roster|enrol|roster.json|--root|vault.pub|--fleet|{fleet}"), 0);
    let address = text(&served.first["listen"]).to_owned();
    (served, address)
}

fn mutate(address: &str, path: &str, body: &Value) -> (u16, Value) {
    ask(address, "POST", path, Some(CANARY), &body.to_string())
}

/// The version it decides by.
fn runs(address: &str) -> Value {
    let (status, bundle) = ask(address, "GET", "/bundle", None, "");
    assert!(status == 200 && bundle["bundle_loaded"] == true, "{bundle}");
    bundle["version"].clone()
}

/// Other bytes than those that were signed, with the signatures of those that were.
fn tampered(envelope: &str) -> String {
    let mut envelope: Value = serde_json::from_str(envelope).expect("an envelope");
    let payload = text(&envelope["payload"]).to_owned();
    let last = payload.trim_end_matches('=').len() - 8;
    let other = if payload.as_bytes()[last] == b'A' { "B" } else { "A" };
    envelope["payload"] = format!("{}{other}{}", &payload[..last], &payload[last + 1..]).into();
    envelope.to_string()
}

#[test]
fn an_agent_takes_what_was_approved_and_nothing_else() {
    let world = World::empty();
    let (served, address) = strict(&world);
    assert_eq!(runs(&address), "1.0.0");
    // Nobody with the token changes anything without a plan, by no door.
    let pin = json!({"version": "2.0.0"});
    let file = world.path().join("bundles/production-v2.signed.json").display().to_string();
    for (path, body) in [
        ("/v1/agent/pin", pin),
        ("/v1/agent/sync", json!({"force": true})),
        ("/v1/agent/restart", json!({})),
        ("/v1/agent/rollback", json!({})),
        ("/reload", json!({ "bundle_path": file })),
    ] {
        let (status, problem) = mutate(&address, path, &body);
        assert_eq!((status, &problem["type"]), (403, &json!(NOT_APPROVED)), "{path}: {problem}");
    }
    assert_eq!(runs(&address), "1.0.0");

    let plan = "plan|sync|--all-nodes|--one-by-one|--person|rick";
    let planned = document(&world, &format!("{plan}|-o|plan.json"), 0);
    let hash = text(&planned["hash"]).to_owned();
    let run = format!("run|{hash}|--person|rick");
    let early = signing(&world, &format!("{run}|--yes"), 2).stderr;
    assert!(early.contains("has not signed the request"), "{early}");
    signing(&world, &format!("{run}|--key|rick.key|--request|change.json"), 0);
    for name in ["mara", "piet"] {
        let answer = format!("approve|--request|change.json|--key|{name}.key|--yes|-o|{name}.json");
        signing(&world, &answer, 0);
    }

    // The same plan with an approval that was changed on its way, handed in past every console.
    let read = |file: &str| fs::read_to_string(world.path().join(file)).expect("readable");
    let request: Value = serde_json::from_str(&read("change.json")).expect("JSON");
    let (asked, mara, piet) = (text(&request["signed"]), read("mara.json"), read("piet.json"));
    let submit = |envelopes: &[&str]| {
        let body = json!({
            "plan": read("plan.json"), "envelopes": envelopes,
            "evidence": request["evidence"], "operator": "rick@desk",
        });
        mutate(&address, "/v1/agent/plans", &body)
    };
    for envelopes in [
        vec![],
        vec![asked, mara.as_str()],
        vec![asked, mara.as_str(), mara.as_str()],
        vec![asked, mara.as_str(), &tampered(&piet)],
        vec![&tampered(asked), mara.as_str(), piet.as_str()],
    ] {
        let (status, problem) = submit(&envelopes);
        assert_eq!((status, &problem["type"]), (403, &json!(NOT_APPROVED)), "{problem}");
    }
    let (status, problem) = mutate(&address, "/v1/agent/sync", &json!({}));
    assert_eq!((status, &problem["type"]), (403, &json!(NOT_APPROVED)), "nothing was let in");

    signing(&world, "approvals|add|mara.json|piet.json", 0);
    let done = document(&world, &format!("{run}|--yes"), 0);
    assert_eq!((&done["phase"], &done["arrived"]), (&json!("succeeded"), &json!(1)), "{done:#}");
    assert_eq!(runs(&address), "2.0.0");
    // It is done once, and what was approved opens no other door.
    let (status, _) = submit(&[asked, &mara, &piet]);
    assert_eq!(status, 200, "it is known already");
    let (status, problem) = mutate(&address, "/v1/agent/sync", &json!({"force": true}));
    assert_eq!((status, &problem["type"]), (403, &json!(NOT_APPROVED)), "{problem}");
    let again = signing(&world, &format!("{run}|--yes"), 4).stderr;
    assert!(again.contains("a plan runs once"), "{again}");
    served.stop();
}
