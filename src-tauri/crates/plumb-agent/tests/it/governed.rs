//! The roster and the refused list: who may say what, and what is no longer taken.

use std::{collections::BTreeMap, time::Duration};

use plumb_agent::{Governance, ListSource};
use plumb_fleet::ContentDigest;
use plumb_hub::{TeamOptions, serve_team};
use plumb_testkit::company::{Company, at, fleet};
use plumb_trust::{
    dsse::{Envelope, SigningKey},
    refused::{CleanDocument, RefusedDocument, RefusedEntry},
};
use reqwest::Method;
use serde_json::Value;

use crate::world::{Node, Reply, World};

const US: &str = "payments-us";
const NOW: &str = "2026-03-01T12:00:00Z";
const REFUSED: &str = "/v1/agent/refused";
const ROSTER: &str = "/v1/agent/roster";

/// A folder with an agent that knows the roster of a company.
struct Governed {
    world: World,
    company: Company,
}

impl Governed {
    fn new() -> Self {
        let world = World::new();
        world.sign("policies.signed.json", "1.0.0", &["allow"]);
        world.sign("next.signed.json", "2.0.0", &["deny"]);
        let company = Company::new();
        std::fs::write(world.path().join("roster.json"), company.envelope()).expect("writable");
        Self { world, company }
    }

    async fn start(&self) -> Node {
        self.start_with(None).await
    }

    async fn start_with(&self, refused_list: Option<ListSource>) -> Node {
        let mut config = self.world.config();
        config.refused_list = refused_list;
        config.clock = self.world.clock(NOW).0;
        config.governance = Some(Governance {
            roster: self.world.path().join("roster.json"),
            fleet: fleet(US),
            node: "gw-1".parse().expect("a name"),
            require_approval: false,
        });
        Node::start(config).await
    }

    fn key(&self, name: &str) -> &SigningKey {
        &self.company.keys[name]
    }

    fn list(&self, version: u32, refused: &[ContentDigest], by: &str) -> String {
        self.list_with(version, refused, BTreeMap::new(), by)
    }

    fn list_with(
        &self,
        version: u32,
        refused: &[ContentDigest],
        cleared: BTreeMap<ContentDigest, String>,
        by: &str,
    ) -> String {
        let entry = || RefusedEntry { since: at(NOW), reason: "denied every refund".to_owned() };
        let document = RefusedDocument {
            fleet: fleet(US),
            version,
            issued_at: at(NOW),
            refused: refused.iter().map(|content| (*content, entry())).collect(),
            cleared,
        };
        String::from_utf8(document.sign(self.key(by)).expect("signed")).expect("JSON")
    }
}

async fn put(node: &Node, path: &str, body: &str) -> Reply {
    node.ask(Method::PUT, path, Some(body), &[]).await
}

async fn pin_and_sync(node: &Node, version: &str) -> Reply {
    let pin = format!(r#"{{"version":"{version}"}}"#);
    let pinned = node.ask(Method::POST, "/v1/agent/pin", Some(&pin), &[]).await;
    assert_eq!(pinned.status, 200, "{}", pinned.text);
    node.ask(Method::POST, "/v1/agent/sync", Some("{}"), &[]).await
}

pub(crate) async fn content(node: &Node) -> ContentDigest {
    let status = node.get("/v1/agent/status").await.json();
    status["content"].as_str().expect("a bundle is in force").parse().expect("a digest")
}

#[track_caller]
pub(crate) fn problem(reply: &Reply) -> (u16, String) {
    let document: Value = reply.json();
    (reply.status.as_u16(), document["type"].as_str().expect("a problem").to_owned())
}

#[tokio::test]
async fn content_on_the_list_is_never_taken_and_the_way_back_stays_open() {
    let here = Governed::new();
    let node = here.start().await;
    let good = content(&node).await;
    assert_eq!(pin_and_sync(&node, "2.0.0").await.status, 200);
    let bad = content(&node).await;
    // What runs goes on, so that nobody is without policies; it is the console that brings it back.
    let taken = put(&node, REFUSED, &here.list(1, &[bad], "tove")).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    assert_eq!(content(&node).await, bad);
    let restarted = node.ask(Method::POST, "/v1/agent/restart", None, &[]).await;
    assert_eq!(restarted.json()["version"], "2.0.0", "a restart takes nobody's policies away");
    let back = node.ask(Method::POST, "/v1/agent/rollback", Some("{}"), &[]).await;
    assert_eq!(back.status, 200, "{}", back.text);
    assert_eq!(content(&node).await, good);
    // From here on it does not come in any more, by whatever door.
    let kind = "urn:plumbline:agent:content-refused".to_owned();
    let again = node.ask(Method::POST, "/v1/agent/rollback", Some("{}"), &[]).await;
    assert_eq!(problem(&again), (422, kind.clone()), "the last known good is refused");
    let pin = r#"{"version":"2.0.0"}"#;
    node.ask(Method::POST, "/v1/agent/pin", Some(pin), &[]).await;
    let sync = node.ask(Method::POST, "/v1/agent/sync", Some("{}"), &[]).await;
    assert_eq!(problem(&sync), (422, kind.clone()));
    assert!(sync.text.contains("denied every refund"), "{}", sync.text);
    let path = here.world.bundle_path("next.signed.json");
    let body = format!(r#"{{"bundle_path":"{}"}}"#, path.display());
    let reload = node.ask(Method::POST, "/reload", Some(&body), &[]).await;
    assert_ne!(reload.status, 200, "{}", reload.text);
    let named = format!(r#"{{"version":"2.0.0","content":"{bad}"}}"#);
    let pinned = node.ask(Method::POST, "/v1/agent/pin", Some(&named), &[]).await;
    assert_eq!(problem(&pinned), (422, kind));
    assert_eq!(content(&node).await, good);
}

#[tokio::test]
async fn after_a_restart_the_list_holds_and_the_former_content_answers() {
    let here = Governed::new();
    let node = here.start().await;
    let good = content(&node).await;
    assert_eq!(pin_and_sync(&node, "2.0.0").await.status, 200);
    let bad = content(&node).await;
    assert_eq!(pin_and_sync(&node, "1.0.0").await.status, 200);
    assert_eq!(put(&node, REFUSED, &here.list(3, &[bad], "mara")).await.status, 200);
    node.ask(Method::DELETE, "/v1/agent/pin", None, &[]).await;
    node.agent.shutdown().await;
    // Somebody puts the refused bundle where the default one stands.
    here.world.sign("policies.signed.json", "2.0.0", &["deny"]);
    let node = here.start().await;
    assert_eq!(content(&node).await, good, "it fell back to what ran before");
    let status = node.get("/v1/agent/status").await.json();
    assert_eq!(status["fallback_active"], true);
    assert_eq!(status["guards"]["governed"]["refused_version"], 3);
    assert_eq!(node.get(REFUSED).await.json()["version"], 3);
}

#[tokio::test]
async fn an_older_list_and_one_of_a_stranger_are_not_taken() {
    let here = Governed::new();
    let node = here.start().await;
    let bad = content(&node).await;
    let list = here.list(5, &[bad], "tove");
    assert_eq!(put(&node, REFUSED, &list).await.status, 200);
    assert_eq!(put(&node, REFUSED, &list).await.status, 200, "the same again");
    let outdated = "urn:plumbline:agent:outdated".to_owned();
    assert_eq!(
        problem(&put(&node, REFUSED, &here.list(4, &[bad], "tove")).await),
        (409, outdated.clone())
    );
    let other = ContentDigest(plumb_fleet::Digest::of(b"something else"));
    let forked = here.list(5, &[bad, other], "mara");
    assert_eq!(problem(&put(&node, REFUSED, &forked).await), (409, outdated));
    let not_accepted = "urn:plumbline:agent:not-accepted".to_owned();
    // Nobody took it off the list.
    let fewer = put(&node, REFUSED, &here.list(6, &[], "tove")).await;
    assert_eq!(problem(&fewer), (422, not_accepted.clone()));
    assert!(fewer.text.contains("nobody signed it clean"), "{}", fewer.text);
    let stranger = Governed::new();
    let theirs = stranger.list(6, &[bad], "tove");
    assert_eq!(problem(&put(&node, REFUSED, &theirs).await), (422, not_accepted));
    assert_eq!(node.get(REFUSED).await.json()["version"], 5);
    let anybody = node.with_token(None);
    assert_eq!(put(&anybody, REFUSED, &here.list(6, &[bad], "tove")).await.status, 401);
}

#[tokio::test]
async fn a_quorum_that_signs_it_clean_opens_the_way_again() {
    let here = Governed::new();
    let node = here.start().await;
    assert_eq!(pin_and_sync(&node, "2.0.0").await.status, 200);
    let bad = content(&node).await;
    assert_eq!(pin_and_sync(&node, "1.0.0").await.status, 200);
    assert_eq!(put(&node, REFUSED, &here.list(1, &[bad], "tove")).await.status, 200);
    assert_eq!(pin_and_sync(&node, "2.0.0").await.status, 422);
    let clean = CleanDocument {
        fleet: fleet(US),
        content: bad,
        refused_since: at(NOW),
        reason: "it was the network".to_owned(),
        issued_at: at(NOW),
    };
    let keys = [here.key("mara"), here.key("piet")];
    let clean = Envelope::sign(&clean.statement().expect("a reason"), &keys).expect("signed");
    let clean = String::from_utf8(clean.to_bytes()).expect("JSON");
    let list = here.list_with(2, &[], BTreeMap::from([(bad, clean)]), "rick");
    let taken = put(&node, REFUSED, &list).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    assert_eq!(pin_and_sync(&node, "2.0.0").await.status, 200);
}

#[tokio::test]
async fn the_roster_is_replaced_by_its_own_root_keys_and_never_by_an_older_one() {
    let here = Governed::new();
    let node = here.start().await;
    let Governed { world, company } = here;
    let newer = company.with(|roster| roster.version = 4);
    let envelope = String::from_utf8(newer.envelope()).expect("JSON");
    let older = newer.with(|roster| roster.version = 2);
    let old = String::from_utf8(older.envelope()).expect("JSON");
    assert_eq!(put(&node, ROSTER, &envelope).await.json()["version"], 4);
    let outdated = "urn:plumbline:agent:outdated".to_owned();
    assert_eq!(problem(&put(&node, ROSTER, &old).await), (409, outdated));
    let theirs = String::from_utf8(Company::new().with(|it| it.version = 9).envelope());
    let refused = put(&node, ROSTER, &theirs.expect("JSON")).await;
    assert_eq!(problem(&refused), (422, "urn:plumbline:agent:not-accepted".to_owned()));
    node.agent.shutdown().await;
    // The file still has version 3; the agent remembers that it knows better.
    let here = Governed { world, company: older };
    let node = here.start().await;
    let status = node.get("/v1/agent/status").await.json();
    assert_eq!(status["guards"]["governed"]["roster_version"], 4);
}

#[tokio::test]
async fn a_roster_of_other_root_keys_in_the_place_of_the_first_is_refused_at_the_start() {
    let here = Governed::new();
    here.start().await.agent.shutdown().await;
    let theirs = Company::new().with(|roster| roster.version = 9).envelope();
    std::fs::write(here.world.path().join("roster.json"), theirs).expect("writable");
    let mut config = here.world.config();
    config.governance = Some(Governance {
        roster: here.world.path().join("roster.json"),
        fleet: fleet(US),
        node: "gw-1".parse().expect("a name"),
        require_approval: false,
    });
    let error = plumb_agent::Agent::start(config).await.expect_err("a stranger's roster");
    assert!(error.to_string().contains("roster.json"), "{error}");
}

#[tokio::test]
async fn an_agent_without_a_roster_says_that_it_enforces_nothing() {
    let world = World::new();
    world.sign("policies.signed.json", "1.0.0", &["allow"]);
    let node = Node::start(world.config()).await;
    let here = Governed::new();
    let kind = "urn:plumbline:agent:not-governed".to_owned();
    let list = here.list(1, &[], "tove");
    assert_eq!(problem(&put(&node, REFUSED, &list).await), (409, kind));
    let status = node.get("/v1/agent/status").await.json();
    assert_eq!(status["guards"]["governed"], Value::Null);
}

#[tokio::test]
async fn the_list_of_the_hub_is_taken_and_judged_like_one_that_is_handed_in() {
    const TOKEN: &str = "only-for-this-test-0123456789";
    let here = Governed::new();
    let options = TeamOptions {
        bootstrap: Some(TOKEN.to_owned().into()),
        ..TeamOptions::new(here.world.path().join("hub"))
    };
    let hub = serve_team(options).await.expect("the hub starts");
    let url = format!("{}/v1/hub/fleets/{US}/refused", hub.url());
    let client = reqwest::Client::new();
    let publish = async |list: String| {
        let put = client.put(&url).bearer_auth(TOKEN).body(list).send().await.expect("it answers");
        assert_eq!(put.status(), 204, "{}", put.text().await.unwrap_or_default());
    };
    let mut list = ListSource::new(&url).expect("an address");
    list.token = Some(TOKEN.to_owned().into());
    list.every = Duration::from_millis(20);
    // Nothing is refused yet.
    let node = here.start_with(Some(list.clone())).await;
    let running = content(&node).await;
    publish(here.list(1, &[running], "tove")).await;
    node.until(REFUSED, |held| held["version"] == 1).await;
    publish(here.list(2, &[running], "mara")).await;
    node.until(REFUSED, |held| held["version"] == 2).await;
    // The hub does not know who may sign; the agent does.
    let forged = Company::new();
    let stranger = Governed { world: World::new(), company: forged };
    publish(stranger.list(3, &[running], "tove")).await;
    let not_taken = |logs: &Value| {
        let lines = logs["lines"].as_array().into_iter().flatten();
        let mut messages = lines.filter_map(|line| line["message"].as_str());
        messages.any(|message| message.contains("the refused list was not taken"))
    };
    node.until("/v1/agent/logs", not_taken).await;
    assert_eq!(node.get(REFUSED).await.json()["version"], 2);
    // A hub that is away changes nothing.
    hub.shutdown().await;
    node.agent.shutdown().await;
    let node = here.start_with(Some(list)).await;
    assert_eq!(node.get(REFUSED).await.json()["version"], 2);
    let silent = |logs: &Value| logs.to_string().contains("did not tell its refused list");
    node.until("/v1/agent/logs", silent).await;
}

#[tokio::test]
async fn a_list_is_asked_for_in_a_safe_way_only() {
    for url in ["ftp://hub/refused", "https://user:pass@hub/refused", "hub"] {
        ListSource::new(url).expect_err(url);
    }
    let here = Governed::new();
    let mut config = here.world.config();
    config.refused_list = Some(ListSource::new("https://hub.example/refused").expect("valid"));
    let error = plumb_agent::Agent::start(config.clone()).await.expect_err("no roster");
    assert!(error.to_string().contains("--roster"), "{error}");
    config.refused_list = Some(ListSource::new("http://hub.example/refused").expect("valid"));
    let error = plumb_agent::Agent::start(config).await.expect_err("in plain text");
    assert!(error.to_string().contains("https only"), "{error}");
}
