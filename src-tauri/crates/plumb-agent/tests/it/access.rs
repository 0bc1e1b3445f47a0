//! Who may change what, and what is refused before it is looked at.

use std::{fs, os::unix::fs::symlink, path::Path};

use plumb_agent::{Agent, AgentConfig, TlsConfig};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use reqwest::{Certificate, Client, Identity, Method};
use serde_json::json;

use crate::world::{Node, World};

/// Every mutating endpoint.
const MUTATING: [(Method, &str); 8] = [
    (Method::POST, "/reload"),
    (Method::POST, "/bundle/reload"),
    (Method::PUT, "/v1/agent/config"),
    (Method::POST, "/v1/agent/pin"),
    (Method::DELETE, "/v1/agent/pin"),
    (Method::POST, "/v1/agent/sync"),
    (Method::POST, "/v1/agent/rollback"),
    (Method::POST, "/v1/agent/restart"),
];

async fn started(world: &World) -> Node {
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    Node::start(world.config()).await
}

#[tokio::test]
async fn changing_needs_the_right_token_and_reading_needs_none() {
    let world = World::new();
    let node = started(&world).await.with_token(None);
    for (method, path) in MUTATING {
        let reply = node.ask(method, path, Some("{}"), &[]).await;
        assert_eq!(
            (reply.status.as_u16(), reply.media.as_str()),
            (401, "application/problem+json")
        );
        assert_eq!(reply.headers["www-authenticate"], "Bearer");
        assert_eq!(reply.json()["type"], "urn:plumbline:agent:unauthenticated");
    }
    assert_eq!(node.get("/v1/agent/status").await.status, 200);
    for wrong in ["", "wrong", "correct-horse-battery-stapl", "correct-horse-battery-staple2"] {
        let header = format!("Bearer {wrong}");
        let reply =
            node.ask(Method::POST, "/reload", Some(""), &[("authorization", &header)]).await;
        assert_eq!(reply.status, 401, "{wrong}");
    }
    let node = node.with_token(Some(crate::world::TOKEN));
    assert_eq!(node.post("/reload", "").await.status, 200);
}

#[tokio::test]
async fn unsigned_rules_are_forbidden() {
    let world = World::new();
    let node = started(&world).await;
    let reply = node.post("/rules", r#"{"rules":[]}"#).await;
    assert_eq!((reply.status.as_u16(), reply.media.as_str()), (403, "application/problem+json"));
}

#[tokio::test]
async fn nothing_outside_the_roots_is_there() {
    let world = World::new();
    let node = started(&world).await;
    let outside = world.path().join("outside.signed.json");
    fs::copy(world.bundle_path("policies.signed.json"), &outside).expect("copied");
    fs::create_dir(world.bundle_path("sub")).expect("a folder");
    fs::create_dir(world.path().join("elsewhere")).expect("a folder");
    fs::copy(&outside, world.path().join("elsewhere/p.signed.json")).expect("copied");
    symlink(&outside, world.bundle_path("link.signed.json")).expect("a link");
    symlink(world.path().join("elsewhere"), world.bundle_path("way")).expect("a link");
    let bundles = world.bundle_path("");
    let inside = bundles.display();
    for path in [
        outside.display().to_string(),
        format!("{inside}../outside.signed.json"),
        format!("{inside}sub/../../outside.signed.json"),
        format!("{inside}link.signed.json"),
        format!("{inside}way/p.signed.json"),
        format!("{inside}sub"),
        "../outside.signed.json".to_owned(),
        "link.signed.json".to_owned(),
        "/etc/passwd".to_owned(),
        "/proc/self/environ".to_owned(),
        inside.to_string(),
        ".".to_owned(),
        "\u{0}".to_owned(),
        "x".repeat(10_000),
    ] {
        let body = json!({ "bundle_path": path }).to_string();
        for endpoint in ["/reload", "/bundle/verify"] {
            let reply = node.post(endpoint, &body).await;
            assert_eq!(reply.status, 404, "{endpoint} {path}: {}", reply.text);
            assert!(reply.text.contains("Bundle file not found"), "{}", reply.text);
        }
    }
    for path in ["policies.signed.json", &format!("{inside}policies.signed.json")] {
        assert_eq!(node.reload(Path::new(path)).await["success"], true);
    }
    let listed = node.get("/v1/agent/bundles").await.json();
    assert_eq!(listed["bundles"].as_array().expect("a list").len(), 1);
}

#[tokio::test]
async fn an_oversize_body_is_refused() {
    let world = World::new();
    let node = started(&world).await;
    let large = format!(r#"{{"bundle_path":"{}"}}"#, "x".repeat(70 << 10));
    for headers in [&[][..], &[("idempotency-key", "k")]] {
        let reply = node.ask(Method::POST, "/reload", Some(&large), headers).await;
        assert_eq!(
            (reply.status.as_u16(), reply.media.as_str()),
            (413, "application/problem+json")
        );
    }
}

#[tokio::test]
async fn errors_are_problem_details_with_the_callers_id() {
    let world = World::new();
    let node = started(&world).await;
    let id = [("x-request-id", "sweep-7")];
    let reply = node.ask(Method::GET, "/v1/agent/nothing", None, &id).await;
    assert_eq!(reply.headers["x-request-id"], "sweep-7");
    insta::assert_snapshot!("problem", serde_json::to_string_pretty(&reply.json()).expect("JSON"));
    assert_eq!(node.ask(Method::DELETE, "/readyz", None, &[]).await.status, 405);
    let odd = node.ask(Method::GET, "/readyz", None, &[("x-request-id", "a b")]).await;
    assert_eq!(odd.headers["x-request-id"].len(), 16);
}

#[track_caller]
fn refused(config: &AgentConfig, expected: &str) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let error = runtime.block_on(Agent::start(config.clone())).expect_err("must be refused");
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn an_exposed_listener_needs_authentication_and_tls() {
    let world = World::new();
    let mut config = world.config();
    config.listen = ([0, 0, 0, 0], 0).into();
    refused(&config, "has no TLS");
    config.token = None;
    refused(&config, "neither a token nor client certificates");
    config.insecure_behind_proxy = true;
    refused(&config, "neither a token nor client certificates");
    config.trust.clear();
    config.listen = ([127, 0, 0, 1], 0).into();
    refused(&config, "no trusted key");
}

#[tokio::test]
async fn what_was_allowed_loudly_is_seen_in_health() {
    let world = World::new();
    let mut config = world.config();
    config.listen = ([0, 0, 0, 0], 0).into();
    config.insecure_behind_proxy = true;
    let node = Node::start(config).await;
    let local = format!("http://127.0.0.1:{}/healthz", node.agent.address().port());
    let health: serde_json::Value =
        reqwest::get(local).await.expect("answers").json().await.expect("JSON");
    assert_eq!(health["insecure_behind_proxy"], true);
    assert!(health["warnings"].to_string().contains("plain HTTP beyond loopback"));

    let other = World::new();
    let mut config = other.config();
    config.token = None;
    let node = Node::start(config).await;
    let health = node.get("/healthz").await.json();
    assert_eq!(health["authentication"], "none");
    assert!(health["warnings"].to_string().contains("need no credential"));
    let logs = node.get("/v1/agent/logs?level=warn").await.text;
    assert!(logs.contains("STARTED WITHOUT AUTHENTICATION"));
}

/// A throw-away authority with one server and one client.
struct Authority {
    ca: String,
    client: String,
}

fn authority(world: &World) -> Authority {
    let ca_key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("valid");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&ca_key).expect("a certificate").pem();
    let issuer = Issuer::new(params, ca_key);
    let issue = |name: &str| {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("valid");
        let certificate = params.signed_by(&key, &issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    };
    let (certificate, key) = issue("127.0.0.1");
    let (client, client_key) = issue("console");
    for (name, text) in [("ca.pem", &ca), ("server.pem", &certificate), ("server.key", &key)] {
        fs::write(world.path().join(name), text).expect("writable");
    }
    Authority { ca, client: client + &client_key }
}

#[tokio::test]
async fn a_client_certificate_is_a_credential() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let authority = authority(&world);
    let mut config = world.config();
    config.token = None;
    config.tls = Some(TlsConfig {
        certificate: world.path().join("server.pem"),
        key: world.path().join("server.key"),
        client_ca: Some(world.path().join("ca.pem")),
    });
    let node = Node::start(config).await;
    let root = Certificate::from_pem(authority.ca.as_bytes()).expect("a certificate");
    let identity = Identity::from_pem(authority.client.as_bytes()).expect("an identity");
    let builder = || Client::builder().tls_certs_only([root.clone()]);
    let plain = builder().build().expect("a client");
    let certified = builder().identity(identity).build().expect("a client");
    let url = node.agent.url();
    let status = async |client: &Client, method: Method, path: &str| {
        let sent = client.request(method, format!("{url}{path}")).send().await;
        sent.expect("answers").status().as_u16()
    };
    assert_eq!(status(&plain, Method::GET, "/readyz").await, 200);
    assert_eq!(status(&plain, Method::POST, "/reload").await, 401);
    assert_eq!(status(&certified, Method::POST, "/reload").await, 200);
    let status: serde_json::Value = plain
        .get(format!("{url}/v1/agent/status"))
        .send()
        .await
        .expect("answers")
        .json()
        .await
        .expect("JSON");
    assert_eq!(status["mode"]["authentication"], "mtls");
    assert_eq!(status["mode"]["tls"], true);
}
