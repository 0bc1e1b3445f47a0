//! Groups, the majority, and what is different between two of them.

use plumb_fleet::{
    Digest, NodeApi, PolicyRef,
    group::{delta, groups, majority},
};
use plumb_testkit::builders::{World, content, node_id, version};

fn world() -> World {
    World::new("groups")
        .runs("a", NodeApi::Agent, "2.0.0", "two")
        .runs("b", NodeApi::Agent, "2.0.0", "two")
        .runs("c", NodeApi::Agent, "2.0.0", "other")
        .runs("d", NodeApi::Agent, "1.9.0", "one")
        .dead("e", NodeApi::Opa)
}

#[test]
fn groups_are_ordered_by_size_then_by_version_and_content() {
    let line = |group: plumb_fleet::Group| {
        let nodes: Vec<&str> = group.nodes.iter().map(plumb_fleet::NodeId::as_str).collect();
        let version = group.version.map_or("none".to_owned(), |version| version.to_string());
        format!("{version}: {}\n", nodes.join(" "))
    };
    let lines: Vec<String> = groups(&world().snapshot).into_iter().map(line).collect();
    assert_eq!(lines.concat(), "2.0.0: a b\nnone: e\n1.9.0: d\n2.0.0: c\n");
}

#[test]
fn a_tie_is_broken_by_the_smaller_digest() {
    let smaller = content("two").min(content("other"));
    let tied = world().runs("f", NodeApi::Agent, "2.0.0", "other");
    assert_eq!(majority(&tied.snapshot)[&version("2.0.0")], smaller);
    let settled = tied.runs("g", NodeApi::Agent, "2.0.0", "other");
    assert_eq!(majority(&settled.snapshot)[&version("2.0.0")], content("other"));
}

#[test]
fn every_node_is_in_exactly_one_group() {
    let all: Vec<_> = groups(&world().snapshot).into_iter().flat_map(|group| group.nodes).collect();
    assert_eq!(all.len(), 5);
    assert!(all.contains(&node_id("e")));
}

#[test]
fn a_delta_names_policies_by_what_happened_to_them() {
    let policy =
        |id: &str, text: &str| PolicyRef { id: id.to_owned(), digest: Digest::of(text.as_bytes()) };
    let from = [policy("kept", "1"), policy("changed", "1"), policy("removed", "1")];
    let to = [policy("added", "1"), policy("changed", "2"), policy("kept", "1")];
    let delta = delta(&from, &to);
    assert_eq!(delta.added.into_iter().collect::<String>(), "added");
    assert_eq!(delta.changed.into_iter().collect::<String>(), "changed");
    assert_eq!(delta.removed.into_iter().collect::<String>(), "removed");
}
