//! What a dry run says, and what its digest is about.

use plumb_fleet::NodeId;
use plumb_runbook::{
    DryRun, DryRunNode, Plan, Precondition, Readiness, VerifyAnswer, WayBack, plan,
};
use plumb_testkit::builders::node_id;

use crate::{SYNC, fleet};

fn planned() -> Plan {
    let world = fleet("dry run");
    plan(&SYNC, None, world.input()).expect("a plan")
}

fn report(plan: &Plan) -> DryRun {
    let mut report = DryRun::of(plan);
    for target in plan.targets() {
        let node = DryRunNode {
            verify: VerifyAnswer::Accepted,
            ready: Readiness::Ready,
            precondition: Precondition::Holds,
            way_back: WayBack::Verified,
            observed: target.before.clone(),
        };
        report.nodes.insert(target.node.clone(), node);
    }
    report
}

#[test]
fn the_same_answers_are_the_same_report_and_every_other_answer_is_another() {
    let plan = planned();
    let first = report(&plan);
    assert_eq!(first.digest(), report(&plan).digest());
    let changes: [fn(&mut DryRunNode); 5] = [
        |node| node.verify = VerifyAnswer::Missing,
        |node| node.ready = Readiness::NotReady,
        |node| node.precondition = Precondition::Changed { what: "runs 1.8.0".to_owned() },
        |node| node.way_back = WayBack::Missing { reason: "none is kept".to_owned() },
        |node| node.observed.content = None,
    ];
    for change in changes {
        let mut other = first.clone();
        change(other.nodes.get_mut(&node_id("agent-behind")).expect("a target"));
        assert_ne!(other.digest(), first.digest());
    }
    let mut fewer = first.clone();
    fewer.nodes.remove(&node_id("agent-behind"));
    assert_ne!(fewer.digest(), first.digest());
    let text = serde_json::to_string(&first).expect("it serialises");
    let read: DryRun = serde_json::from_str(&text).expect("it reads back");
    assert_eq!(read.digest(), first.digest());
}

#[test]
fn what_would_not_go_as_planned_is_named() {
    let plan = planned();
    assert_eq!(report(&plan).hindrances(&plan), []);
    let mut bad = report(&plan);
    let mut set = |name: &str, change: fn(&mut DryRunNode)| {
        change(bad.nodes.get_mut(&node_id(name)).expect("a target"));
    };
    set("agent-behind", |node| {
        node.precondition = Precondition::Changed { what: "runs 1.8.0 now".to_owned() };
    });
    set("reload-behind", |node| node.verify = VerifyAnswer::Refused);
    bad.nodes.remove(&node_id("reload-tampered"));
    let said: Vec<String> = bad
        .hindrances(&plan)
        .into_iter()
        .map(|(node, why): (NodeId, String)| format!("{node} {why}"))
        .collect();
    assert_eq!(
        said,
        [
            "agent-behind runs 1.8.0 now",
            "reload-behind refuses the bundle",
            "reload-tampered was not asked",
        ]
    );
}

#[test]
fn two_reports_differ_in_what_is_named() {
    let plan = planned();
    let before = report(&plan);
    assert_eq!(before.differences(&before), []);
    assert_eq!(
        before.summary(),
        [format!(
            "{} nodes: accepts the bundle, is ready, is as planned for, accepts what it would go back to",
            before.nodes.len()
        )]
    );
    let mut now = before.clone();
    let behind = now.nodes.get_mut(&node_id("agent-behind")).expect("a target");
    behind.ready = Readiness::NotReady;
    behind.observed.content = None;
    now.nodes.remove(&node_id("reload-tampered"));
    let said: Vec<String> =
        before.differences(&now).into_iter().map(|(node, what)| format!("{node} {what}")).collect();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].starts_with("agent-behind says that it is not ready (before: is ready); runs"));
    assert_eq!(said[1], "reload-tampered was not asked again");
    assert_eq!(now.differences(&before).len(), 2);
    assert!(now.summary().last().expect("a line").starts_with("1 node: "), "{:?}", now.summary());
}
