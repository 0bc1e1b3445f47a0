//! Who is let in, and what is written of who is not.

use std::time::Duration;

use plumb_hub::{HubError, Rate, RetentionPolicy, TeamOptions, admin, serve_team};
use plumb_wire::hub::NewIdentity;
use serde_json::json;
use tempfile::TempDir;

use super::client::{BOOTSTRAP, Team};

const DEADLINE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn nothing_but_health_is_told_to_somebody_unknown() {
    let team = Team::start().await;
    assert_eq!(team.get("/healthz", "").await.fine(), json!({ "status": "ok" }));
    for path in ["/v1/hub/whoami", "/v1/openapi.json", "/v1/hub/tokens", "/nowhere"] {
        let reply = team.get(path, "").await;
        assert!(reply.problem(401).contains("bearer token"), "{path}");
        assert_eq!(reply.header("www-authenticate"), "Bearer");
        team.get(path, "a-wrong-token-of-somebody").await.problem(401);
    }
    let audit = team.get("/v1/hub/audit", BOOTSTRAP).await.fine();
    let entries = audit["entries"].as_array().expect("entries");
    assert_eq!(entries.len(), 8, "{audit}");
    assert!(entries.iter().all(|entry| entry["outcome"] == "refused" && entry["who"] == ""));
    assert!(entries[0]["detail"].as_str().is_some_and(|detail| detail.contains("127.0.0.1")));
    assert!(!audit.to_string().contains("a-wrong-token"), "no secret is written");
}

#[tokio::test]
async fn a_token_works_until_it_expires_or_is_revoked() {
    let team = Team::start().await;
    let viewer = team.token(BOOTSTRAP, "viewer").await;
    let me = team.get("/v1/hub/whoami", &viewer).await.fine();
    assert_eq!(
        (me["name"].as_str(), me["role"].as_str()),
        (Some("viewer of the tests"), Some("viewer"))
    );
    let denied = team.get("/v1/hub/tokens", &viewer).await.problem(403);
    assert!(
        denied.contains("hub.admin denied: role viewer does not have it, admin do"),
        "{denied}"
    );
    // The list knows it, and not its secret.
    let listed = team.get("/v1/hub/tokens", BOOTSTRAP).await.text();
    let secret = viewer.rsplit('_').next().expect("a secret");
    assert!(!listed.contains(secret), "{listed}");
    let mut changed = viewer.clone();
    changed.replace_range(viewer.len() - 2.., "xx");
    team.get("/v1/hub/whoami", &changed).await.problem(401);
    team.pass(3_600);
    team.get("/v1/hub/whoami", &viewer).await.problem(401);
    let next = team.token(BOOTSTRAP, "viewer").await;
    let id = next.split('_').nth(1).expect("an id");
    let path = format!("/v1/hub/tokens/{id}");
    let revoked = team.ask("DELETE", &path, BOOTSTRAP, "").await.fine();
    assert_eq!(revoked["active"], false);
    team.get("/v1/hub/whoami", &next).await.problem(401);
    team.ask("DELETE", "/v1/hub/tokens/nobody", BOOTSTRAP, "").await.problem(404);
}

#[tokio::test]
async fn the_first_token_ends_when_an_admin_has_one() {
    let team = Team::start().await;
    let admin = team.token(BOOTSTRAP, "admin").await;
    let told = team.get("/v1/hub/whoami", BOOTSTRAP).await.problem(401);
    assert!(told.contains("take PLUMB_HUB_TOKEN away"), "{told}");
    assert_eq!(team.get("/v1/hub/whoami", &admin).await.fine()["role"], "admin");
    // It was for the beginning: with the end of that one it does not come back.
    team.pass(3_600);
    team.get("/v1/hub/whoami", &admin).await.problem(401);
    let told = team.get("/v1/hub/whoami", BOOTSTRAP).await.problem(401);
    assert!(told.contains("plumb hub token create --role admin --data"), "{told}");
}

#[tokio::test]
async fn what_asks_for_an_identity_is_checked() {
    let team = Team::start().await;
    let check = async |body: serde_json::Value, status: u16, text: &str| {
        let told = team.post("/v1/hub/tokens", BOOTSTRAP, &body).await.problem(status);
        assert!(told.contains(text), "{told}");
    };
    check(json!({ "name": "x", "role": "king", "expires_after_s": 60 }), 422, "agent_monitor")
        .await;
    check(json!({ "name": " ", "role": "viewer", "expires_after_s": 60 }), 422, "one line").await;
    check(json!({ "name": "x", "role": "viewer", "expires_after_s": 0 }), 422, "expire").await;
    check(json!({ "name": "x", "role": "viewer" }), 400, "expires_after_s").await;
    check(json!({ "name": "x", "role": "viewer", "expires_after_s": 60, "ttl": 1 }), 400, "ttl")
        .await;
    let large = "x".repeat(2 << 20);
    team.ask("POST", "/v1/hub/tokens", BOOTSTRAP, large).await.problem(413);
    team.ask("PATCH", "/v1/hub/tokens", BOOTSTRAP, "").await.problem(405);
    team.get("/v1/nowhere", BOOTSTRAP).await.problem(404);
}

#[tokio::test]
async fn a_caller_that_asks_too_often_is_told_so() {
    let slow = Rate { per_second: 0.001, burst: 3.0 };
    let team = Team::start_with(|options| options.rate = slow).await;
    for _ in 0..3 {
        team.get("/v1/hub/whoami", BOOTSTRAP).await.fine();
    }
    let reply = team.get("/v1/hub/whoami", BOOTSTRAP).await;
    reply.problem(429);
    assert_eq!(reply.header("retry-after"), "1");
    team.get("/healthz", "").await.fine();
}

#[tokio::test]
async fn refusals_do_not_fill_the_audit_log() {
    let team = Team::start().await;
    for _ in 0..60 {
        team.get("/v1/hub/whoami", "").await.problem(401);
    }
    let audit = team.get("/v1/hub/audit?limit=1000", BOOTSTRAP).await.fine();
    let written = audit["entries"].as_array().map_or(0, Vec::len);
    assert!((30..45).contains(&written), "{written}");
}

#[tokio::test]
async fn a_hub_that_nobody_or_everybody_could_use_is_not_started() {
    let data = TempDir::new().expect("a folder");
    let options = TeamOptions::new(data.path());
    assert!(matches!(serve_team(options).await, Err(HubError::NoAdmin)));
    let mut options = TeamOptions::new(data.path());
    options.bootstrap = Some("short".to_owned().into());
    assert!(matches!(serve_team(options).await, Err(HubError::ShortToken { .. })));
    let mut options = TeamOptions::new(data.path());
    options.listen = "0.0.0.0:0".parse().expect("an address");
    options.bootstrap = Some(BOOTSTRAP.to_owned().into());
    assert!(matches!(serve_team(options).await, Err(HubError::Exposed(_))));
}

#[tokio::test]
async fn a_running_hub_hears_what_is_done_in_its_folder() {
    let team = Team::start().await;
    let roles = plumb_alert::RoleMatrix::default();
    let wanted = NewIdentity {
        name: "ada".to_owned(),
        role: "operator".to_owned(),
        expires_after_s: 60,
        certificate: None,
        node: None,
    };
    let now = jiff::Timestamp::from_second(super::client::BEGIN_S).expect("a time");
    let made = admin::create_identity(team.data.path(), &roles, &wanted, "root", now).await;
    let made = made.expect("made");
    let token = made.token.expect("a token");
    assert_eq!(team.get("/v1/hub/whoami", &token).await.fine()["name"], "ada");
    let id = made.identity.id;
    admin::revoke_identity(team.data.path(), &id, "root", now).await.expect("revoked");
    team.get("/v1/hub/whoami", &token).await.problem(401);
    let listed = admin::identities(team.data.path(), now).await.expect("listed");
    assert_eq!(listed.identities.len(), 1);
    admin::migrate(team.data.path()).await.expect("safe to repeat");
}

/// R149: a policy removes by itself what is older than it says, and the audit log says that it did.
#[tokio::test]
async fn what_a_policy_keeps_no_longer_goes_by_itself() {
    let policy = "acked_days: 1\nlog_days: 1\nautomatic: true\n";
    let team = Team::start_with(|options| {
        options.policies.retention = RetentionPolicy::from_yaml(policy).expect("a policy");
        options.retention_every = Duration::from_millis(20);
    })
    .await;
    team.get("/v1/hub/whoami", "").await.problem(401);
    let told = json!({ "service": "gateway", "kind": "slow", "title": "p95" });
    let settled = team.post("/v1/alerts", BOOTSTRAP, &told).await.fine()["alert_ref"].clone();
    let claim = json!({ "owner": "ada", "limit": 1 });
    team.post("/v1/alerts/claim", BOOTSTRAP, &claim).await.fine();
    let path = format!("/v1/alerts/{}/ack", settled.as_str().expect("a reference"));
    team.post(&path, BOOTSTRAP, &json!({ "owner": "ada" })).await.fine();
    let told = json!({ "service": "gateway", "kind": "errors", "title": "5xx" });
    let open = team.post("/v1/alerts", BOOTSTRAP, &told).await.fine()["alert_ref"].clone();
    team.pass(2 * 86_400);
    let alerts = async || {
        let listed = team.get("/v1/alerts?limit=10", BOOTSTRAP).await.fine();
        let alerts = listed["alerts"].as_array().expect("alerts").iter();
        alerts.map(|alert| alert["alert_ref"].clone()).collect::<Vec<_>>()
    };
    let removed = async || loop {
        let audit = team.get("/v1/hub/audit", BOOTSTRAP).await.fine();
        let entries = audit["entries"].as_array().expect("entries").clone();
        let by: Vec<_> =
            entries.iter().filter(|entry| entry["who"] == "retention_policy.yml").collect();
        if by.len() == 2 {
            assert!(entries.iter().all(|entry| entry["outcome"] == "done"), "{entries:?}");
            return;
        }
        tokio::task::yield_now().await;
    };
    tokio::time::timeout(DEADLINE, removed()).await.expect("both are told");
    assert_eq!(alerts().await, [open], "what nobody dealt with stays");
}

#[tokio::test]
async fn what_retention_would_remove_is_told_first() {
    let team = Team::start().await;
    team.get("/v1/hub/whoami", "").await.problem(401);
    team.pass(86_400);
    team.get("/v1/hub/whoami", "").await.problem(401);
    let data = team.stop().await;
    let noon = jiff::Timestamp::from_second(super::client::BEGIN_S + 43_200).expect("a time");
    let audit = |told: Vec<admin::Expired>| {
        told.into_iter().find(|one| one.log == "audit").map(|one| one.entries)
    };
    let expired = async || audit(admin::expired(data.path(), noon).await.expect("told"));
    assert_eq!(expired().await, Some(1));
    let removed = admin::expire(data.path(), noon, "root", noon).await.expect("removed");
    assert_eq!(audit(removed), Some(1));
    assert_eq!(expired().await, Some(0));
    let team = Team::start_in(data, |_| {}).await;
    let left = team.get("/v1/hub/audit", BOOTSTRAP).await.fine();
    let left = left["entries"].as_array().expect("entries");
    assert_eq!(left.len(), 2, "what is younger, and who removed the rest: {left:?}");
    assert!(left.iter().any(|entry| entry["who"] == "root" && entry["path"] == "retention"));
}
