//! What an operator reads, as it stands on the terminal.

use insta::assert_snapshot;

use crate::world::World;

/// Only what no two runs share is replaced.
fn steady() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"127\.0\.0\.1:\d+", "[address]");
    settings.add_filter(r"swept \d+ s ago", "swept [age] ago");
    settings.add_filter(r"plan  [0-9a-f]{64}", "plan  [hash]");
    settings.add_filter(r"dry run [0-9a-f]{64}", "dry run [digest]");
    settings
}

#[test]
fn differences_between_groups() {
    let world = World::demo(4);
    let text = world.check("policy version diff --all-instances", 1).stdout;
    steady().bind(|| assert_snapshot!(text));
}

#[test]
fn a_preview_of_a_sync() {
    let world = World::demo(7);
    let words = "policy sync --node eu-gw-001 --node us-gw-001 --node us-gw-002 --dry-run";
    let text = world.check(words, 0).stdout;
    steady().bind(|| assert_snapshot!(text));
}

#[test]
fn a_policy_line_by_line() {
    let world = World::demo(4);
    let text = world.check("drift --node eu-gw-002 --policy ledger.reverse", 1).stdout;
    steady().bind(|| assert_snapshot!(text));
}

#[test]
fn a_check_that_failed() {
    let world = World::demo(5);
    let text = world.check("doctor --check check.policy.version-consistency", 1).stdout;
    steady().bind(|| assert_snapshot!(text));
}
