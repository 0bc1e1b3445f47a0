//! Waves, gates and the way back that a rollout's plan holds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use insta::assert_snapshot;
use plumb_fleet::{ContentDigest, NamedContent, NodeApi, NodeId};
use plumb_runbook::{
    Action, Effect, FreezeWindow, Gate, GateCheck, NodePlan, OnFailure, Plan, PlanError, Rollout,
    Shape, Undo, plan, roll_out, waves,
};
use plumb_testkit::{
    builders::{World, node_id},
    clock::after,
};
use proptest::prelude::*;

use crate::{SYNC, fleet, laws};

fn rolled(action: &Action, rollout: &Rollout, world: &World) -> Result<Plan, PlanError> {
    roll_out(plan(action, None, world.input())?, rollout, world.input())
}

fn gated() -> Gate {
    Gate {
        checks: vec![
            GateCheck::Convergence { percent_min: 100 },
            GateCheck::ErrorRate { ppm_max: 1_000 },
            GateCheck::Latency { p95_us_max: 5_000 },
            GateCheck::Prometheus { query: "sum(rate(denies[5m]))".to_owned(), milli_max: 1_500 },
            GateCheck::Attest { what: "the dashboard looks as before".to_owned() },
        ],
        soak_s: 300,
        patience_s: 60,
        every_s: 10,
    }
}

fn shares(percent: &[u8]) -> Shape {
    Shape::Shares { canary: None, percent: percent.to_vec() }
}

#[test]
fn a_rollout_shows_its_waves_its_gates_and_the_way_back_of_every_node() {
    let rollout = Rollout {
        shape: shares(&[50]),
        gate: Some(gated()),
        on_failure: OnFailure::RollBack,
        failures_tolerated: 0,
        freeze: vec![FreezeWindow {
            from: after(3_600),
            until: after(7_200),
            reason: "quarter close".to_owned(),
        }],
    };
    assert_snapshot!(rolled(&SYNC, &rollout, &fleet("shown")).expect("a rollout"));
}

/// Ten nodes in two regions and two colours, one without labels.
fn ten() -> World {
    let mut world = World::new("ten").signed("1.9.0", "one").signed("2.0.0", "two");
    for number in 0..10 {
        world = world.runs(&format!("n{number}"), NodeApi::Agent, "1.9.0", "one");
    }
    world.desired("2.0.0").with(|w| {
        for (number, node) in w.fleet.nodes.values_mut().enumerate().skip(1) {
            let region = ["eu", "us", "ap"][number % 3];
            let colour = if number % 2 == 0 { "blue" } else { "green" };
            let labels = [("region", region), ("colour", colour)];
            let owned = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
            Arc::make_mut(node).labels = BTreeMap::from(owned).into();
        }
    })
}

#[track_caller]
fn split(shape: &Shape, world: &World) -> String {
    let nodes: BTreeSet<&NodeId> = world.fleet.nodes.keys().collect();
    match waves(shape, &nodes, &world.fleet) {
        Err(error) => error.to_string(),
        Ok(split) => {
            let line = |(name, nodes): (String, Vec<NodeId>)| {
                let names: Vec<&str> = nodes.iter().map(NodeId::as_str).collect();
                format!("{name}: {}\n", names.join(" "))
            };
            split.into_iter().map(line).collect::<Vec<_>>().concat()
        }
    }
}

/// R282, R283, R294: blue-green, canary and growing shares, one by one.
#[test]
fn each_shape_splits_the_same_fleet_its_own_way() {
    let world = ten();
    let by_label = |order: &[&str], canary: Option<&str>| Shape::ByLabel {
        label: "region".to_owned(),
        order: order.iter().map(|value| (*value).to_owned()).collect(),
        canary: canary.map(node_id),
    };
    let blue = |first: &str| Shape::BlueGreen { label: "colour".into(), first: first.into() };
    let shapes = [
        shares(&[10, 50]),
        shares(&[]),
        Shape::Shares { canary: Some(node_id("n7")), percent: vec![25, 100] },
        Shape::Shares { canary: Some(node_id("n99")), percent: vec![] },
        by_label(&["us"], Some("n4")),
        blue("green"),
        blue("red"),
    ];
    let shown = shapes.map(|shape| format!("{shape}\n{}", split(&shape, &world)));
    assert_snapshot!(shown.join("\n"));
    let one_by_one = split(&Shape::OneByOne, &world);
    assert_eq!(one_by_one.lines().count(), 10);
    let marked = ten().with(|w| {
        let node = w.fleet.nodes.get_mut(&node_id("n6")).expect("a node");
        Arc::make_mut(node).labels =
            BTreeMap::from([("canary".to_owned(), "true".to_owned())]).into();
    });
    assert!(split(&shares(&[]), &marked).starts_with("canary: n6\n"), "the marked one is first");
}

#[test]
fn what_is_no_rollout_is_said() {
    let world = ten();
    let of = |shape: Shape| Rollout { shape, ..Rollout::default() };
    let gate = |change: fn(&mut Gate)| {
        let mut gate = gated();
        change(&mut gate);
        Rollout { gate: Some(gate), ..Rollout::default() }
    };
    let window = FreezeWindow { from: after(5), until: after(5), reason: "none".to_owned() };
    let wrong = [
        of(shares(&[50, 50])),
        of(shares(&[0])),
        of(shares(&[101])),
        gate(|gate| gate.every_s = 0),
        gate(|gate| gate.soak_s = 8 * 24 * 3_600),
        gate(|gate| gate.checks = vec![GateCheck::Convergence { percent_min: 0 }]),
        gate(|gate| gate.checks = vec![GateCheck::Attest { what: " ".to_owned() }]),
        gate(|gate| {
            gate.checks = vec![GateCheck::Prometheus { query: String::new(), milli_max: 0 }];
        }),
        Rollout { freeze: vec![window], ..Rollout::default() },
    ];
    let said = wrong.map(|rollout| rolled(&SYNC, &rollout, &world).expect_err("wrong").to_string());
    assert_snapshot!(said.join("\n"));
}

#[test]
fn nobody_is_waited_for_after_the_last_wave() {
    let rollout = Rollout { shape: shares(&[]), gate: Some(gated()), ..Rollout::default() };
    let plan = rolled(&SYNC, &rollout, &ten()).expect("a rollout");
    let attests = |gate: &Gate| gate.checks.iter().any(|c| matches!(c, GateCheck::Attest { .. }));
    let attested: Vec<bool> =
        plan.waves.iter().map(|wave| attests(wave.gate.as_ref().expect("a gate"))).collect();
    assert_eq!(attested, [true, false]);
}

#[test]
fn a_plan_knows_which_nodes_came_and_went() {
    let world = ten();
    let plan = plan(&SYNC, None, world.input()).expect("a plan");
    let members: BTreeSet<NodeId> = world.fleet.nodes.keys().cloned().collect();
    assert_eq!(plan.set_difference(&members), None);
    let mut other = members.clone();
    other.remove(&node_id("n3"));
    other.insert(node_id("n10"));
    let difference = plan.set_difference(&other).expect("they differ");
    assert_eq!(difference.to_string(), "no longer there: 1 (n3); new since the plan: 1 (n10)");
    let half = BTreeSet::from([node_id("n1"), node_id("n2")]);
    let part = plumb_runbook::plan(&SYNC, Some(&half), world.input()).expect("a plan");
    assert_eq!(part.set_difference(&members), None, "a selection does not grow with the fleet");
    assert!(part.set_difference(&BTreeSet::from([node_id("n1")])).is_some());
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let share = prop::collection::btree_set(1..=100_u8, 0..4);
    prop_oneof![
        share.prop_map(|set| Shape::Shares { canary: None, percent: set.into_iter().collect() }),
        prop::sample::select(vec!["region", "colour", "none"]).prop_map(|label| Shape::ByLabel {
            label: label.to_owned(),
            order: vec!["us".to_owned(), "mars".to_owned()],
            canary: None,
        }),
        Just(Shape::BlueGreen { label: "colour".to_owned(), first: "blue".to_owned() }),
        Just(Shape::OneByOne),
    ]
}

/// What a node runs and is told, as its own API would change it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Model {
    content: Option<ContentDigest>,
    pinned: Option<NamedContent>,
    config: BTreeMap<String, String>,
}

impl Model {
    fn of(world: &World, node: &NodeId) -> Self {
        let report = world.snapshot.nodes[node].report.as_deref().expect("a target answered");
        Self {
            content: report.content.as_ref().map(|content| content.value),
            pinned: report.pinned.as_ref().map(|pin| pin.value.clone()),
            config: report.config.clone(),
        }
    }

    fn apply(&mut self, effect: &Effect, target: &NodePlan, world: &World) {
        match effect {
            Effect::Verify { .. } | Effect::Restart => {}
            Effect::Reload { path } => {
                let entries = &world.desired.catalogue.entries;
                let loaded = entries.iter().find(|entry| path.ends_with(&entry.file));
                self.content = Some(loaded.expect("a known file").content);
            }
            Effect::Pin { version, content } => {
                self.pinned = Some(NamedContent { version: version.clone(), content: *content });
            }
            Effect::Sync { .. } => {
                self.content = self.pinned.as_ref().map_or(self.content, |pin| Some(pin.content));
            }
            Effect::Rollback { .. } => {
                let (version, content) = (target.after.version.clone(), target.after.content);
                self.content = content;
                self.pinned = version
                    .zip(content)
                    .map(|(version, content)| NamedContent { version, content });
            }
            Effect::Serve { content, .. } => self.content = Some(*content),
            Effect::Unpin { .. } => self.pinned = None,
            Effect::SetConfig { key, value, .. } => {
                self.config.insert(key.clone(), value.clone());
            }
        }
    }
}

proptest! {
    #[test]
    fn every_node_is_in_one_wave_and_no_wave_is_empty(
        shape in any_shape(),
        keep in prop::collection::vec(any::<bool>(), 10),
    ) {
        let world = ten();
        let nodes: BTreeSet<&NodeId> =
            world.fleet.nodes.keys().zip(&keep).filter(|(_, keep)| **keep).map(|(n, _)| n).collect();
        let Ok(split) = waves(&shape, &nodes, &world.fleet) else {
            prop_assert!(matches!(shape, Shape::BlueGreen { .. }), "only a half can be missing");
            return Ok(());
        };
        prop_assert!(split.iter().all(|(name, nodes)| !name.is_empty() && !nodes.is_empty()));
        let mut all: Vec<&NodeId> = split.iter().flat_map(|(_, nodes)| nodes).collect();
        all.sort();
        prop_assert_eq!(all, nodes.iter().copied().collect::<Vec<_>>());
        let begins = split.first().map_or(1, |(_, nodes)| nodes.len());
        prop_assert!(begins == 1 || matches!(shape, Shape::BlueGreen { .. }), "one canary first");
        prop_assert_eq!(waves(&shape, &nodes, &world.fleet), Ok(split));
    }

    #[test]
    fn a_rollout_does_what_its_action_does_and_planning_again_yields_nothing(
        world in laws::world(),
        action in laws::convergent(),
        shape in any_shape(),
    ) {
        let rollout = Rollout { shape, gate: Some(gated()), ..Rollout::default() };
        let Ok(whole) = rolled(&action, &rollout, &world) else { return Ok(()) };
        let read: Plan = serde_json::from_slice(&whole.canonical_bytes()).expect("it reads back");
        prop_assert_eq!(&read, &whole);
        prop_assert_eq!(read.hash(), whole.hash());
        let direct = plan(&action, None, world.input()).expect("it was possible");
        let strip = |plan: &Plan| {
            let forward = |target: &NodePlan| NodePlan { back: Vec::new(), ..target.clone() };
            plan.targets().map(|t| (t.node.clone(), forward(t))).collect::<BTreeMap<_, _>>()
        };
        prop_assert_eq!(strip(&direct), strip(&whole));
        let after = world.carried_out(&whole);
        let again = rolled(&action, &rollout, &after).expect("it was possible before");
        prop_assert!(again.is_empty(), "{whole}\n{again}");
    }

    #[test]
    fn the_way_back_leads_back_from_wherever_a_run_stopped(
        world in laws::world(),
        action in laws::any_action(),
    ) {
        let Ok(plan) = rolled(&action, &Rollout::default(), &world) else { return Ok(()) };
        for target in plan.targets() {
            let before = Model::of(&world, &target.node);
            prop_assert_eq!(target.way_back().is_some(), target.undo.is_possible(), "{}", plan);
            let Some(back) = target.way_back() else { continue };
            for done in 0..=target.effects.len() {
                let mut node = before.clone();
                target.effects[..done].iter().for_each(|e| node.apply(e, target, &world));
                back.effects.iter().for_each(|e| node.apply(e, &back, &world));
                if matches!(target.undo, Undo::Pin { .. }) {
                    node.content = before.content;
                }
                prop_assert_eq!(&node, &before, "{}", plan);
            }
        }
    }
}
