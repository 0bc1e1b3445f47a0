//! What an agent keeps of requests: a share, masked, for whoever has the credential.

use plumb_agent::Recording;
use serde_json::{Value, json};

use crate::world::{Node, TOKEN, World};

const REQUESTS: &str = "/v1/agent/requests";

async fn node(world: &World, recording: Option<Recording>) -> Node {
    world.sign("policies.signed.json", "2.0.0", &["deny", "allow"]);
    let mut config = world.config();
    config.token = Some(TOKEN.to_owned().into());
    config.recording = recording;
    Node::start(config).await
}

#[tokio::test]
async fn requests_are_kept_masked_and_shown_with_the_credential_only() {
    let world = World::new();
    let recording = Recording::new(1.0, &["/context/user".to_owned()]).expect("a recording");
    let node = node(&world, Some(recording)).await;
    for user in ["ada", "bo"] {
        let context = json!({ "user": user, "api_token": "t-1", "class": "internal" });
        let body = json!({ "capability_id": "db.read", "context": context });
        node.post("/evaluate", &body.to_string()).await;
    }
    // A test is no request that somebody made.
    let test = json!({ "requests": [{ "capability_id": "db.write", "context": {} }] });
    node.post("/v1/agent/evaluate", &test.to_string()).await;

    let node = node.with_token(Some(TOKEN));
    let told = node.get(REQUESTS).await;
    assert!(!told.text.contains("ada") && !told.text.contains("t-1"), "{}", told.text);
    let told = told.json();
    assert_eq!(told["share"], json!(1.0));
    let [request] = told["requests"].as_array().expect("a list").as_slice() else {
        panic!("one request, asked twice: {told}")
    };
    let input = json!({ "capability_id": "db.read", "context": { "class": "internal" } });
    assert_eq!((&request["input"], &request["count"]), (&input, &json!(2)));
    assert_eq!(request["erased"], json!(["/context/api_token", "/context/user"]));

    let node = node.with_token(None);
    assert_eq!(node.get(REQUESTS).await.status, 401);
}

#[tokio::test]
async fn nothing_is_kept_unless_somebody_turned_it_on() {
    let world = World::new();
    let node = node(&world, None).await.with_token(Some(TOKEN));
    node.post("/evaluate", r#"{"capability_id":"db.read"}"#).await;
    let told = node.get(REQUESTS).await.json();
    assert_eq!((&told["share"], &told["requests"]), (&Value::Null, &json!([])));
}
