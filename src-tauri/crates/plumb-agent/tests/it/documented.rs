//! The endpoints as they are documented.

use insta::assert_snapshot;

use crate::world::{Node, World, steady};

#[tokio::test]
async fn a_reload_answers_the_documented_fields() {
    let world = World::new();
    world.sign("policies.signed.json", "2.0.0", &["deny", "allow"]);
    let node = Node::start(world.config()).await;
    let reply = node.post("/reload", "{}").await;
    assert_eq!(reply.status, 200);
    assert_snapshot!(steady(&reply.text), @"");
}
