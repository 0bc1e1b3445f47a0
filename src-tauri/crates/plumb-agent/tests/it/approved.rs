//! Approvals verified on the node: nothing changes that no approved plan asks for.

use std::collections::BTreeSet;

use plumb_agent::Governance;
use plumb_fleet::{ContentDigest, Version};
use plumb_runbook::{
    Action, ConsentTerms, Effect, Evidence, NodePlan, Plan, Running, Undo, Wave, consent::bound,
};
use plumb_testkit::company::{Company, fleet, person};
use plumb_trust::approval::Act;
use reqwest::Method;
use serde_json::json;

use crate::{
    governed::{content, problem},
    world::{Node, Reply, World},
};

const US: &str = "payments-us";
const NOW: &str = "2026-03-01T12:00:00Z";
const NOT_APPROVED: &str = "urn:plumbline:agent:not-approved";

struct Strict {
    world: World,
    company: Company,
}

fn version(label: &str) -> Version {
    Version::new(label).expect("a version")
}

impl Strict {
    fn new() -> Self {
        let world = World::new();
        world.sign("policies.signed.json", "1.0.0", &["allow"]);
        world.sign("next.signed.json", "2.0.0", &["deny"]);
        let company = Company::new();
        std::fs::write(world.path().join("roster.json"), company.envelope()).expect("writable");
        Self { world, company }
    }

    async fn start(&self, at: &str) -> Node {
        let mut config = self.world.config();
        config.clock = self.world.clock(at).0;
        let roster = self.world.path().join("roster.json");
        let member = format!("{US}/gw-1");
        config.governance = Some(Governance::new(roster, &member, true).expect("a member"));
        Node::start(config).await
    }

    /// A plan that brings version 2 to gw-1.
    fn plan(&self, before: ContentDigest, after: ContentDigest) -> Plan {
        let roster = self.company.roster();
        let node = NodePlan {
            node: "gw-1".parse().expect("a name"),
            before: Running { version: Some(version("1.0.0")), content: Some(before) },
            after: Running { version: Some(version("2.0.0")), content: Some(after) },
            effects: vec![
                Effect::Pin { version: version("2.0.0"), content: after },
                Effect::Sync { force: false },
            ],
            undo: Undo::Impossible { reason: "a test".to_owned() },
            back: vec![Effect::Pin { version: version("1.0.0"), content: before }],
            deadline_s: 30,
        };
        Plan {
            format: Plan::FORMAT_ACTION,
            fleet: fleet(US),
            environment: String::new(),
            action: Action::Sync { force: false },
            whole_fleet: true,
            desired: None,
            pins: None,
            pins_before: None,
            waves: vec![Wave { nodes: vec![node], ..Wave::default() }],
            left_out: Vec::new(),
            rollout: None,
            consent: ConsentTerms::of(&roster, &fleet(US), person("rick")),
            repeat: 0,
        }
    }

    fn signed(&self, plan: &Plan, who: &str, role: &str, act: Act) -> String {
        let mut draft = self.company.draft(US, who, role, act);
        draft.bound = bound(plan, &Evidence::default()).expect("it takes consent");
        draft.acknowledged = BTreeSet::new();
        String::from_utf8(self.company.signed(draft, who)).expect("JSON")
    }

    /// The request and the approvals of two who may.
    fn approvals(&self, plan: &Plan) -> Vec<String> {
        vec![
            self.signed(plan, "rick", "operations", Act::Request),
            self.signed(plan, "mara", "storage", Act::Approve),
            self.signed(plan, "piet", "platform-security", Act::Approve),
        ]
    }
}

async fn hand_in(node: &Node, plan: &Plan, envelopes: &[String]) -> Reply {
    let plan = String::from_utf8(plan.canonical_bytes()).expect("JSON");
    hand_in_text(node, &plan, envelopes).await
}

async fn hand_in_text(node: &Node, plan: &str, envelopes: &[String]) -> Reply {
    let evidence = serde_json::to_value(Evidence::default()).expect("JSON");
    let body = json!({
        "plan": plan, "envelopes": envelopes, "evidence": evidence, "operator": "rick@desk",
    });
    node.ask(Method::POST, "/v1/agent/plans", Some(&body.to_string()), &[]).await
}

async fn step(
    node: &Node,
    plan: &Plan,
    run: &str,
    method: Method,
    path: &str,
    body: &str,
) -> Reply {
    let hash = plan.hash().to_string();
    let headers = [("plumb-plan", hash.as_str()), ("plumb-run", run)];
    node.ask(method, path, Some(body), &headers).await
}

fn pin(content: ContentDigest) -> String {
    json!({"version": "2.0.0", "content": content.to_string()}).to_string()
}

/// What both bundles have, found by an agent that asks for no approval.
async fn contents(here: &Strict) -> (ContentDigest, ContentDigest) {
    let config = here.world.config();
    let config = plumb_agent::AgentConfig { state_dir: None, ..config };
    let node = Node::start(config).await;
    let before = content(&node).await;
    let pin = r#"{"version":"2.0.0"}"#;
    assert_eq!(node.ask(Method::POST, "/v1/agent/pin", Some(pin), &[]).await.status, 200);
    assert_eq!(node.ask(Method::POST, "/v1/agent/sync", Some("{}"), &[]).await.status, 200);
    let after = content(&node).await;
    node.agent.shutdown().await;
    (before, after)
}

#[tokio::test]
async fn exactly_what_was_approved_is_done_and_each_step_once() {
    let here = Strict::new();
    let (before, after) = contents(&here).await;
    let node = here.start(NOW).await;
    let plan = here.plan(before, after);
    let sync = "/v1/agent/sync";
    let bare = node.ask(Method::POST, sync, Some("{}"), &[]).await;
    assert_eq!(problem(&bare), (403, NOT_APPROVED.to_owned()));
    let unknown = step(&node, &plan, "run-1", Method::POST, sync, "{}").await;
    assert_eq!(problem(&unknown), (403, NOT_APPROVED.to_owned()));

    let taken = hand_in(&node, &plan, &here.approvals(&plan)).await;
    assert_eq!(taken.status, 200, "{}", taken.text);
    assert_eq!(taken.json()["plan"], plan.hash().to_string());
    assert_eq!(hand_in(&node, &plan, &[]).await.status, 200, "it is known already");

    for (method, path, body) in [
        (Method::POST, "/v1/agent/restart", String::new()),
        (Method::POST, "/v1/agent/rollback", "{}".to_owned()),
        (Method::POST, "/v1/agent/sync", r#"{"force":true}"#.to_owned()),
        (Method::POST, "/v1/agent/pin", pin(before)),
        (Method::DELETE, "/v1/agent/pin", String::new()),
        (Method::POST, "/reload", "{}".to_owned()),
    ] {
        let refused = step(&node, &plan, "run-1", method, path, &body).await;
        assert_eq!(problem(&refused), (403, NOT_APPROVED.to_owned()), "{path} {body}");
    }
    assert_eq!(content(&node).await, before);

    let pinned = step(&node, &plan, "run-1", Method::POST, "/v1/agent/pin", &pin(after)).await;
    assert_eq!(pinned.status, 200, "{}", pinned.text);
    let other = step(&node, &plan, "run-2", Method::POST, sync, "{}").await;
    assert_eq!(problem(&other), (409, "urn:plumbline:agent:plan-already-ran".to_owned()));
    let synced = step(&node, &plan, "run-1", Method::POST, sync, "{}").await;
    assert_eq!(synced.status, 200, "{}", synced.text);
    assert_eq!(content(&node).await, after);
    let again = step(&node, &plan, "run-1", Method::POST, sync, "{}").await;
    assert_eq!(problem(&again), (403, NOT_APPROVED.to_owned()));
    assert!(again.text.contains("was done here already"), "{}", again.text);
    node.agent.shutdown().await;
    // A process that starts again forgets neither.
    let node = here.start(NOW).await;
    assert_eq!(content(&node).await, after);
    let again = step(&node, &plan, "run-1", Method::POST, sync, "{}").await;
    assert!(again.text.contains("was done here already"), "{}", again.text);
}

#[tokio::test]
async fn a_plan_that_is_not_approved_here_is_not_taken() {
    let here = Strict::new();
    let (before, after) = contents(&here).await;
    let node = here.start(NOW).await;
    let plan = here.plan(before, after);
    let all = here.approvals(&plan);
    let refused = async |plan: &Plan, envelopes: &[String], why: &str| {
        let reply = hand_in(&node, plan, envelopes).await;
        assert_eq!(problem(&reply), (403, NOT_APPROVED.to_owned()), "{why}");
        assert!(reply.text.contains(why), "{why}: {}", reply.text);
    };
    refused(&plan, &[], "has not signed the request").await;
    refused(&plan, &all[..2], "missing 1 of").await;
    let no = here.signed(&plan, "sana", "storage", Act::Refuse { reason: "not today".to_owned() });
    refused(&plan, &[all.clone(), vec![no]].concat(), "sana refused").await;
    // Everybody signed something else.
    let mut other = plan.clone();
    other.waves[0].nodes[0].effects.push(Effect::Restart);
    refused(&other, &all, "has not signed the request").await;
    let mut elsewhere = plan.clone();
    elsewhere.fleet = fleet("payments-eu");
    refused(&elsewhere, &all, "one of fleet payments-eu").await;
    let mut not_here = plan.clone();
    not_here.waves[0].nodes[0].node = "gw-2".parse().expect("a name");
    refused(&not_here, &all, "does nothing to gw-1").await;
    let mut free = plan.clone();
    free.consent = None;
    refused(&free, &all, "made without it").await;
    let pretty = serde_json::to_string_pretty(&plan).expect("JSON");
    assert_eq!(hand_in_text(&node, &pretty, &all).await.status, 400, "other bytes, another hash");
    node.agent.shutdown().await;
    // Too late.
    let node = here.start("2026-03-01T19:00:00Z").await;
    assert_eq!(problem(&hand_in(&node, &plan, &all).await).0, 403);
}

#[tokio::test]
async fn a_file_that_is_put_in_the_place_of_another_does_not_come_into_force() {
    let here = Strict::new();
    let (before, _) = contents(&here).await;
    let node = here.start(NOW).await;
    assert_eq!(content(&node).await, before, "whoever sets it up says what it begins with");
    node.agent.shutdown().await;
    here.world.sign("policies.signed.json", "3.0.0", &["confirm"]);
    let node = here.start(NOW).await;
    assert_eq!(content(&node).await, before);
    let status = node.get("/v1/agent/status").await.json();
    assert_eq!(status["fallback_active"], true);
    assert_eq!(status["guards"]["governed"]["requires_approval"], true);
}

#[tokio::test]
async fn an_agent_that_asks_for_no_approval_takes_no_plan() {
    let here = Strict::new();
    let (before, after) = contents(&here).await;
    let node = Node::start(here.world.config()).await;
    let plan = here.plan(before, after);
    let reply = hand_in(&node, &plan, &here.approvals(&plan)).await;
    assert_eq!(problem(&reply), (409, "urn:plumbline:agent:not-governed".to_owned()));
}
