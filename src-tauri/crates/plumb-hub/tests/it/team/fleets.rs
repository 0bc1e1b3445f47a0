//! The lock, deployments, the list of what is refused, and the mailbox.

use plumb_fleet::{ContentDigest, Digest};
use plumb_trust::{
    dsse::{Algorithm, SigningKey},
    refused::{RefusedDocument, RefusedEntry},
};
use serde_json::{Value, json};

use super::client::{BOOTSTRAP, Team};
use crate::world::tar;

const LOCK: &str = "/v1/hub/fleets/prod/lock";

#[tokio::test]
async fn while_somebody_holds_the_lock_nobody_else_changes_what_runs() {
    let team = Team::start().await;
    let (ada, bob) = (team.named("ada", "operator").await, team.named("bob", "operator").await);
    team.ask("POST", "/v1/hub/packs/p?version=1", &ada, tar("true")).await.fine();
    let desired = "/v1/hub/fleets/prod/desired";
    let held = team.post(LOCK, &ada, &json!({ "purpose": "run 7", "ttl_s": 60 })).await.fine();
    let lease = held["lease"].as_str().expect("a lease").to_owned();
    let body = json!({ "pack": "p", "version": "1" });
    let told = team.ask("PUT", desired, &bob, body.to_string()).await.problem(409);
    assert!(
        told.contains("ada holds the lock of this fleet until") && told.contains("run 7"),
        "{told}"
    );
    team.post(LOCK, &bob, &json!({ "purpose": "mine", "ttl_s": 60 })).await.problem(409);
    // Others see who, and not the lease.
    let seen = team.get(LOCK, &bob).await.fine();
    assert_eq!((seen["holder"].as_str(), seen.get("lease")), (Some("ada"), None));
    let with_lease = json!({ "pack": "p", "version": "1", "lease": lease });
    team.ask("PUT", desired, &ada, with_lease.to_string()).await.fine();
    // Held longer, it is still the same; then it ends by itself.
    team.pass(50);
    let longer = json!({ "purpose": "run 7", "ttl_s": 60, "lease": lease });
    assert_eq!(team.post(LOCK, &ada, &longer).await.fine()["lease"], lease.as_str());
    team.pass(61);
    assert_eq!(team.get(LOCK, &bob).await.fine()["held"], false);
    let told = team.post(LOCK, &ada, &longer).await.problem(409);
    assert!(told.contains("this lease is over"), "{told}");
    let mine = team.post(LOCK, &bob, &json!({ "purpose": "mine", "ttl_s": 60 })).await.fine();
    let release = json!({ "lease": mine["lease"] }).to_string();
    let other = json!({ "lease": "another" }).to_string();
    team.ask("DELETE", LOCK, &bob, other).await.problem(409);
    team.ask("DELETE", LOCK, &bob, release).await.fine();
    team.ask("PUT", desired, &ada, body.to_string()).await.fine();
    team.post(LOCK, &ada, &json!({ "purpose": "x", "ttl_s": 0 })).await.problem(422);
}

#[tokio::test]
async fn a_lease_that_is_over_proves_nothing() {
    let team = Team::start().await;
    let (ada, bob) = (team.named("ada", "operator").await, team.named("bob", "operator").await);
    for (version, allow) in [("1", "true"), ("2", "false")] {
        let path = format!("/v1/hub/packs/p?version={version}");
        team.ask("POST", &path, &ada, tar(allow)).await.fine();
    }
    let desired = "/v1/hub/fleets/prod/desired";
    let lease = async |token: &str| {
        let held = team.post(LOCK, token, &json!({ "purpose": "run", "ttl_s": 60 })).await.fine();
        held["lease"].as_str().expect("a lease").to_owned()
    };
    let with = |version: &str, lease: &str| {
        json!({ "pack": "p", "version": version, "lease": lease }).to_string()
    };
    let unknown = team.ask("PUT", desired, &ada, with("1", "never given")).await.problem(409);
    assert!(unknown.contains("take the lock again"), "{unknown}");
    let of_ada = lease(&ada).await;
    team.ask("PUT", desired, &ada, with("1", &of_ada)).await.fine();
    team.pass(61);
    team.ask("PUT", desired, &ada, with("1", &of_ada)).await.problem(409);
    let of_bob = lease(&bob).await;
    team.ask("PUT", desired, &bob, with("2", &of_bob)).await.fine();
    let release = json!({ "lease": of_bob }).to_string();
    team.ask("DELETE", LOCK, &bob, release).await.fine();
    // What ada sent while her lease was hers arrives now.
    let told = team.ask("PUT", desired, &ada, with("1", &of_ada)).await.problem(409);
    assert!(told.contains("this lease is over") && told.contains("take the lock again"), "{told}");
    let lift = json!({ "lease": of_ada });
    team.post(&format!("{desired}/lift"), &ada, &lift).await.problem(409);
    team.ask("PUT", desired, &bob, with("1", &of_bob)).await.problem(409);
    assert_eq!(team.get(desired, &bob).await.fine()["fleet"]["version"], "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_run_changes_many_nodes_at_once_while_it_holds_its_lock_longer() {
    const NODES: usize = 40;
    let team = Team::start().await;
    let ada = team.named("ada", "operator").await;
    team.ask("POST", "/v1/hub/packs/p?version=1", &ada, tar("true")).await.fine();
    let held = team.post(LOCK, &ada, &json!({ "purpose": "run 7", "ttl_s": 60 })).await.fine();
    let longer = json!({ "purpose": "run 7", "ttl_s": 60, "lease": held["lease"] });
    let desired = "/v1/hub/fleets/prod/desired";
    let puts = (0..NODES).map(|n| {
        let body = json!({ "pack": "p", "version": "1", "nodes": [format!("gw-{n}")],
            "lease": held["lease"] });
        team.ask("PUT", desired, &ada, body.to_string())
    });
    // More often than a run does it.
    let renewing = async {
        for _ in 0..8 {
            team.post(LOCK, &ada, &longer).await.fine();
        }
    };
    let (replies, ()) = futures::future::join(futures::future::join_all(puts), renewing).await;
    for reply in replies {
        reply.fine();
    }
    let seen = team.get(desired, &ada).await.fine();
    assert_eq!(seen["nodes"].as_object().expect("nodes").len(), NODES);
}

#[tokio::test]
async fn of_many_that_want_the_lock_one_gets_it() {
    let team = Team::start().await;
    let body = json!({ "purpose": "race", "ttl_s": 60 });
    let asked = (0..12).map(|_| team.post(LOCK, BOOTSTRAP, &body));
    let replies = futures::future::join_all(asked).await;
    let won = replies.iter().filter(|reply| reply.status == 200).count();
    let lost = replies.iter().filter(|reply| reply.status == 409).count();
    assert_eq!((won, lost), (1, 11));
}

#[tokio::test]
async fn failed_deployments_of_the_last_day_are_listed() {
    let team = Team::start().await;
    let path = "/v1/hub/deployments";
    let told = async |id: &str, fleet: &str, status: &str| {
        let body = json!({ "id": id, "fleet": fleet, "version": "2.0.0", "status": status,
            "detail": format!("{id} {status}") });
        assert_eq!(team.post(path, BOOTSTRAP, &body).await.status, 204);
    };
    told("r0", "prod", "failed").await;
    team.pass(25 * 3_600);
    told("r1", "prod", "started").await;
    told("r2", "prod", "started").await;
    told("r1", "prod", "failed").await;
    told("r2", "prod", "succeeded").await;
    told("r3", "stage", "failed").await;
    let ids = async |query: &str| {
        let listed = team.get(&format!("{path}{query}"), BOOTSTRAP).await.fine();
        let listed = listed["deployments"].as_array().expect("a list").clone();
        listed.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids("?status=failed&last_minutes=1440").await, ["r3", "r1"]);
    assert_eq!(ids("?status=failed&fleet=prod").await, ["r1", "r0"]);
    assert_eq!(ids("?last_minutes=60&limit=2").await, ["r3", "r2"]);
    // A console asks for its own, however many others there are by now.
    for run in 0..220 {
        told(&format!("other-{run}"), "prod", "succeeded").await;
    }
    assert_eq!(ids("?fleet=prod&limit=2&runs=r0,r1,unknown").await, ["r1", "r0"]);
    team.get(&format!("{path}?status=broken"), BOOTSTRAP).await.problem(400);
}

/// A list with what it refuses and what was signed clean, by text that nobody could verify.
fn list(key: &SigningKey, version: u32, refused: &[&str], cleared: &[&str]) -> String {
    let content = |name: &&str| ContentDigest(Digest::of(name.as_bytes()));
    let now = "2026-03-01T12:00:00Z".parse().expect("a time");
    let entry = || RefusedEntry { since: now, reason: "denied every refund".to_owned() };
    let document = RefusedDocument {
        fleet: "prod".parse().expect("a name"),
        version,
        issued_at: now,
        refused: refused.iter().map(|name| (content(name), entry())).collect(),
        cleared: cleared.iter().map(|name| (content(name), "{}".to_owned())).collect(),
    };
    String::from_utf8(document.sign(key).expect("signed")).expect("JSON")
}

#[tokio::test]
async fn a_refused_list_is_followed_by_newer_ones_that_forget_nothing() {
    let team = Team::start().await;
    let node = team.token(BOOTSTRAP, "agent_node").await;
    let key = plumb_testkit::company::key(Algorithm::Ed25519);
    let path = "/v1/hub/fleets/prod/refused";
    team.get(path, &node).await.problem(404);
    let first = list(&key, 1, &["a", "b"], &[]);
    // Also the first one is held to its fleet, unless it is said that both names mean the same.
    let elsewhere = "/v1/hub/fleets/stage/refused";
    let told = team.ask("PUT", elsewhere, BOOTSTRAP, first.clone()).await.problem(422);
    assert!(told.contains("it is for fleet prod, not for stage"), "{told}");
    team.get(elsewhere, &node).await.problem(404);
    let called = format!("{elsewhere}?list_of=prod");
    assert_eq!(team.ask("PUT", &called, BOOTSTRAP, first.clone()).await.status, 204);
    assert_eq!(team.ask("PUT", path, BOOTSTRAP, first.clone()).await.status, 204);
    assert_eq!(team.ask("PUT", path, BOOTSTRAP, first.clone()).await.status, 204, "once more");
    let read = team.get(path, &node).await;
    assert_eq!(read.text(), first, "byte for byte, because it is signed");
    let tag = read.header("etag").to_owned();
    // Two people signed the second version; one of them has to look again.
    let second = list(&key, 2, &["a", "c"], &["b"]);
    assert_eq!(team.ask("PUT", path, BOOTSTRAP, second.clone()).await.status, 204);
    team.ask("PUT", path, BOOTSTRAP, list(&key, 2, &["a", "b", "d"], &[])).await.problem(409);
    team.ask("PUT", path, BOOTSTRAP, first.clone()).await.problem(409);
    let forgets = team.ask("PUT", path, BOOTSTRAP, list(&key, 3, &["c"], &["b"])).await;
    let problem = forgets.problem(409);
    assert!(problem.contains("is refused by version 2"), "{problem}");
    let held = team.ask_with("GET", path, &node, &[("if-none-match", &tag)], "").await;
    assert_eq!((held.status.as_u16(), held.text()), (200, second));
    for wrong in ["[]", "{}", r#"{"payload":"two","signatures":[]}"#] {
        team.ask("PUT", path, BOOTSTRAP, wrong).await.problem(422);
    }
    // One forged list must not end all others.
    let beyond = team.ask("PUT", path, BOOTSTRAP, list(&key, u32::MAX, &["a", "c"], &["b"])).await;
    assert!(beyond.problem(422).contains("far beyond 2"));
    let third = list(&key, 3, &["a", "c"], &["b"]);
    for role in ["viewer", "agent_node", "agent_oncall"] {
        let token = team.token(BOOTSTRAP, role).await;
        team.ask("PUT", path, &token, third.clone()).await.problem(403);
    }
    let operator = team.token(BOOTSTRAP, "operator").await;
    assert_eq!(team.ask("PUT", path, &operator, third).await.status, 204);
}

#[tokio::test]
async fn the_mailbox_of_a_plan_takes_files_and_gives_them_back() {
    let team = Team::start().await;
    let plan = Digest::of(b"a plan");
    let path = format!("/v1/hub/plans/{plan}/approvals");
    let file = r#"{"payloadType":"application/vnd.in-toto+json", "payload":"e30="}"#;
    let put: Value = team.ask("POST", &path, BOOTSTRAP, file).await.fine();
    assert_eq!(put["id"], Digest::of(file.as_bytes()).to_string());
    team.pass(5);
    assert_eq!(team.ask("POST", &path, BOOTSTRAP, file).await.fine(), put, "once");
    let listed = team.get(&path, BOOTSTRAP).await.fine();
    assert_eq!(listed["files"], json!([put]));
    let id = put["id"].as_str().expect("an id");
    assert_eq!(team.get(&format!("{path}/{id}"), BOOTSTRAP).await.text(), file);
    let other = format!("/v1/hub/plans/{}/approvals", Digest::of(b"another"));
    assert_eq!(team.get(&other, BOOTSTRAP).await.fine()["files"], json!([]));
    team.get(&format!("{other}/{id}"), BOOTSTRAP).await.problem(404);
    team.get("/v1/hub/plans/7/approvals", BOOTSTRAP).await.problem(422);
    team.ask("POST", &path, BOOTSTRAP, "x".repeat(300 << 10)).await.problem(413);
}
