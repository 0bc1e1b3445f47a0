//! Actions as the command lines they are copied as.

use insta::assert_snapshot;
use plumb_runbook::{Action, shell_word};
use plumb_testkit::builders::{content, node_id, version};

use crate::{SYNC, pin, rollback};

#[test]
fn an_action_copies_as_command_lines() {
    let nodes = [node_id("eu-gw-001"), node_id("eu-gw-002")];
    let resolve = |content| Action::ResolveConflict { to: version("2.0.0"), content };
    let bound =
        Action::Pin { version: version("it's 2"), content: Some(content("two")), sync: false };
    let actions = [
        SYNC,
        Action::Sync { force: true },
        pin("2.0.0", true),
        bound,
        rollback(None),
        rollback(Some("1.9.0")),
        Action::Restart,
        resolve(None),
        resolve(Some(content("two"))),
    ];
    let mut lines = Vec::new();
    for action in &actions {
        lines.push(format!("# {}", action.title()));
        lines.extend(action.command_lines("payments-eu", None));
        lines.extend(action.command_lines("payments-eu", Some(&nodes)));
    }
    assert_snapshot!(lines.join("\n"));
}

#[test]
fn a_shell_reads_a_word_back_as_it_was() {
    assert_eq!(shell_word("2.0.0-rc1+b"), "2.0.0-rc1+b");
    assert_eq!(shell_word(""), "''");
    assert_eq!(shell_word("$(rm -rf ~)"), "'$(rm -rf ~)'");
    assert_eq!(shell_word("it's"), r"'it'\''s'");
}
