//! Two hubs that keep nothing themselves: one database, one storage of packs, and whoever asks does not notice which of
//! them answers.

use std::time::Duration;

use plumb_hub::{AlertSettings, PostgresSettings, TeamOptions, admin};
use plumb_testkit::postgres::{Answer, End, Postgres};
use serde_json::json;
use tempfile::TempDir;
use tokio::time::timeout;

use super::client::{BOOTSTRAP, Team};
use crate::world::tar;

const DEADLINE: Duration = Duration::from_mins(1);
const LOCK: &str = "/v1/hub/fleets/prod/lock";
const DESIRED: &str = "/v1/hub/fleets/prod/desired";

struct Replicas {
    server: Postgres,
    settings: PostgresSettings,
    storage: TempDir,
    one: Team,
    two: Team,
}

impl Replicas {
    /// Nothing where PostgreSQL is not installed.
    async fn start(test: &str) -> Option<Self> {
        let server = Postgres::start(test)?;
        let settings = PostgresSettings {
            deadline: Duration::from_secs(5),
            ..PostgresSettings::new(server.dsn("postgres"))
        };
        admin::migrate_state(&settings, false).await.expect("a server");
        let alerts = AlertSettings::Postgres(settings.clone());
        admin::migrate_alerts(&alerts, false).await.expect("a server");
        let storage = TempDir::new().expect("a folder");
        let one = Self::hub(&settings, &storage).await;
        let two = Self::hub(&settings, &storage).await;
        // Its clock is half an hour ahead; nobody may notice where hubs decide between two.
        two.pass(1_800);
        Some(Self { server, settings, storage, one, two })
    }

    /// The data folder holds the bytes of packs only: on two machines that is object storage.
    async fn hub(settings: &PostgresSettings, storage: &TempDir) -> Team {
        let own = TempDir::new().expect("a folder");
        let change = |options: &mut TeamOptions| {
            options.database = Some(settings.clone());
            storage.path().clone_into(&mut options.data);
        };
        Team::start_in(own, change).await
    }
}

#[tokio::test]
async fn what_one_hub_takes_the_other_one_knows() {
    let Some(hubs) = Replicas::start("two hubs on one database").await else { return };
    let Replicas { one, two, .. } = &hubs;
    let operator = one.named("ada", "operator").await;
    let oncall = two.token(BOOTSTRAP, "agent_oncall").await;
    for version in ["1", "2"] {
        let allow = if version == "1" { "true" } else { "false" };
        let path = format!("/v1/hub/packs/p?version={version}");
        one.ask("POST", &path, &operator, tar(allow)).await.fine();
    }
    let desire = |version: &str| json!({ "pack": "p", "version": version });
    two.ask("PUT", DESIRED, &operator, desire("1").to_string()).await.fine();
    // Somebody waits at one hub for what is said at the other.
    let node = one.token(BOOTSTRAP, "agent_node").await;
    let at_one = async {
        loop {
            let reply = one.get("/bundles/prod/gw-1", &node).await;
            if reply.status == 200 {
                return reply.header("etag").to_owned();
            }
        }
    };
    let tag = timeout(DEADLINE, at_one).await.expect("it looks at the database");
    let asked = [("if-none-match", tag.as_str()), ("prefer", "wait=50")];
    let waiting = one.ask_with("GET", "/bundles/prod/gw-1", &node, &asked, "");
    let change = async { two.ask("PUT", DESIRED, &operator, desire("2").to_string()).await.fine() };
    let (reply, _) =
        timeout(DEADLINE, async { tokio::join!(waiting, change) }).await.expect("in time");
    assert_eq!(reply.status, 200);
    assert_ne!(reply.header("etag"), tag);
    // Alerts are told here and worked on there.
    let report = json!({ "service": "gateway", "kind": "slow", "title": "p95" });
    let taken = one.post("/v1/alerts", &oncall, &report).await.fine();
    let claim = json!({ "owner": "sofiia", "limit": 5, "lock_ttl_seconds": 600 });
    let claimed = two.post("/v1/alerts/claim", &oncall, &claim).await.fine();
    assert_eq!(claimed["alerts"][0]["alert_ref"], taken["alert_ref"], "{claimed}");
    assert_eq!(one.post("/v1/alerts/claim", &oncall, &claim).await.fine()["claimed"], 0);
    // An identity that ends at one of them ends at both, with its next request.
    let listed = two.get("/v1/hub/tokens", BOOTSTRAP).await.fine();
    let identities = listed["identities"].as_array().expect("identities");
    let ada = identities.iter().find(|one| one["name"] == "ada").expect("known there too");
    let path = format!("/v1/hub/tokens/{}", ada["id"].as_str().expect("an id"));
    assert_eq!(two.ask("DELETE", &path, BOOTSTRAP, "").await.status, 200);
    one.ask("PUT", DESIRED, &operator, desire("1").to_string()).await.problem(401);
    let audit = one.get("/v1/hub/audit?limit=100", BOOTSTRAP).await.fine();
    assert!(audit["entries"].as_array().expect("entries").len() > 5, "{audit}");
}

#[tokio::test]
async fn the_lock_of_one_hub_keeps_everybody_out_of_both_whatever_their_clocks_say() {
    let Some(hubs) = Replicas::start("the lock of two hubs").await else { return };
    let Replicas { one, two, .. } = &hubs;
    let (ada, bob) = (one.named("ada", "operator").await, two.named("bob", "operator").await);
    one.ask("POST", "/v1/hub/packs/p?version=1", &ada, tar("true")).await.fine();
    let wanted = json!({ "purpose": "run 7", "ttl_s": 600 });
    let held = one.post(LOCK, &ada, &wanted).await.fine();
    let lease = held["lease"].as_str().expect("a lease").to_owned();
    two.post(LOCK, &bob, &json!({ "purpose": "run 8", "ttl_s": 60 })).await.problem(409);
    let body = json!({ "pack": "p", "version": "1" });
    two.ask("PUT", DESIRED, &bob, body.to_string()).await.problem(409);
    // Whoever holds it may ask either of them; after a crash it is asked for once more by the same person for the same
    // run, and by nobody else.
    two.post(LOCK, &ada, &wanted).await.problem(409);
    let again = json!({ "purpose": "run 7", "ttl_s": 600, "again": true });
    assert_eq!(two.post(LOCK, &ada, &again).await.fine()["lease"], lease.as_str());
    two.post(LOCK, &bob, &again).await.problem(409);
    let other = json!({ "purpose": "run 9", "ttl_s": 600, "again": true });
    two.post(LOCK, &ada, &other).await.problem(409);
    let mut with = body.clone();
    with["lease"] = json!(lease);
    two.ask("PUT", DESIRED, &ada, with.to_string()).await.fine();
    let release = json!({ "lease": lease }).to_string();
    assert_eq!(two.ask("DELETE", LOCK, &ada, release).await.fine()["held"], false);
    one.post(LOCK, &bob, &json!({ "purpose": "run 8", "ttl_s": 60 })).await.fine();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_for_a_while_is_said_and_used_again() {
    let Some(mut hubs) = Replicas::start("the database of hubs is restarted").await else { return };
    let operator = hubs.one.named("ada", "operator").await;
    let report = json!({ "id": "r1", "fleet": "prod", "status": "started" });
    assert_eq!(hubs.one.post("/v1/hub/deployments", &operator, &report).await.status, 204);
    tokio::task::block_in_place(|| hubs.server.stop(End::Fast));
    for team in [&hubs.one, &hubs.two] {
        let told = team.get("/v1/hub/deployments", &operator).await.problem(503);
        assert!(told.contains("try again"), "{told}");
        assert_eq!(team.get("/healthz", "").await.status, 200, "it runs, and says what it lacks");
    }
    tokio::task::block_in_place(|| hubs.server.run(Answer::Accepts));
    // One of them goes away for ever; the other one has everything, and so has one that comes new.
    hubs.one.stop().await;
    let again = async {
        loop {
            let reply = hubs.two.get("/v1/hub/deployments", &operator).await;
            if reply.status == 200 {
                return reply.fine();
            }
        }
    };
    let known = timeout(DEADLINE, again).await.expect("it is used again");
    assert_eq!(known["deployments"][0]["id"], "r1");
    let three = Replicas::hub(&hubs.settings, &hubs.storage).await;
    assert_eq!(three.get("/v1/hub/deployments", &operator).await.fine(), known);
}
