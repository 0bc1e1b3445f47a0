//! Laws every planner change must keep.

use std::collections::{BTreeMap, BTreeSet};

use plumb_fleet::{
    ContentDigest, DesiredVersion, FailureKind, NamedContent, NodeApi, NodeId, NodeObservation,
    SignatureReport, Snapshot, Version,
};
use plumb_runbook::{
    Action, Confirmation, Plan, Rung, Severity, Undo, approve, findings, plan, rung,
};
use plumb_testkit::{
    builders::{
        World, content, desired, failure, named, node_id, observed, reloaded, report, version,
    },
    ids::SeededIds,
};
use proptest::prelude::*;

const LOCKING: &str = "deployment.locking";
const RUNNING: [(&str, &str); 5] = [
    ("1.9.0", "one"),
    ("2.0.0", "two"),
    ("2.0.0", "other"),
    ("2.0.0", "changed in memory"),
    ("3.0.0", "three"),
];

#[derive(Debug, Clone)]
struct Facts {
    api: usize,
    runs: usize,
    good: Option<usize>,
    pinned: Option<usize>,
    history: Vec<usize>,
    /// Whether it is locked, where it tells.
    locking: Option<bool>,
    /// What the console pinned for it.
    wish: Option<usize>,
    silent: bool,
    tampered: bool,
}

fn facts() -> impl Strategy<Value = Facts> {
    let any = 0..RUNNING.len();
    (
        0..3_usize,
        any.clone(),
        prop::option::of(any.clone()),
        prop::option::of(any.clone()),
        prop::collection::vec(any.clone(), 0..3),
        prop::option::of(prop::bool::ANY),
        prop::option::weighted(0.3, any),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
    )
        .prop_map(|(api, runs, good, pinned, history, locking, wish, silent, tampered)| {
            Facts { api, runs, good, pinned, history, locking, wish, silent, tampered }
        })
}

pub(crate) fn world() -> impl Strategy<Value = World> {
    let signed = prop::sample::subsequence(vec![0, 1, 2, 4], 0..=4);
    let wanted = prop::option::of(0..RUNNING.len());
    let refused = prop::option::weighted(0.2, 0..RUNNING.len());
    (prop::collection::vec(facts(), 1..8), signed, wanted, any::<bool>(), refused).prop_map(
        |(nodes, signed, wanted, pinned, refused)| {
            let mut world = World::new("laws");
            for (label, word) in signed.into_iter().map(|index| RUNNING[index]) {
                world = world.signed(label, word);
            }
            for (number, facts) in nodes.iter().enumerate() {
                world = add(world, &format!("n{number}"), facts);
            }
            world.with(|w| {
                let wanted = wanted.map(|index| {
                    let (label, word) = RUNNING[index];
                    desired(label, (index % 2 == 0).then(|| content(word)))
                });
                if pinned {
                    w.desired.fleet = wanted.map(by_an_operator);
                } else {
                    w.fleet.desired.clone_from(&wanted);
                    w.desired.fleet = wanted;
                }
                w.desired.refused.extend(refused.map(|index| content(RUNNING[index].1)));
            })
        },
    )
}

fn by_an_operator(wanted: DesiredVersion) -> DesiredVersion {
    DesiredVersion { pinned_by: Some("ops@example".to_owned()), ..wanted }
}

fn add(world: World, name: &str, facts: &Facts) -> World {
    let api = [NodeApi::Agent, NodeApi::Reload, NodeApi::Opa][facts.api];
    let (label, word) = RUNNING[facts.runs];
    let mut report = report(name, api, label, word);
    let named = |index: usize| Box::new(observed(named(RUNNING[index].0, RUNNING[index].1)));
    if api == NodeApi::Agent {
        report.last_known_good = facts.good.map(named);
        report.pinned = facts.pinned.map(named);
        report
            .config
            .extend(facts.locking.map(|locking| (LOCKING.to_owned(), locking.to_string())));
    }
    report.history = facts.history.iter().map(|index| reloaded(RUNNING[*index].0, 60)).collect();
    if facts.tampered {
        let reason = "hash differs".to_owned();
        report.signature = Some(Box::new(observed(SignatureReport::Invalid { reason })));
    }
    world.reporting(report).with(|w| {
        if let Some(index) = facts.wish {
            let wish = by_an_operator(desired(RUNNING[index].0, None));
            w.desired.nodes.insert(node_id(name), wish);
        }
        if facts.silent {
            let seen = w.snapshot.nodes.get_mut(&node_id(name)).expect("just added");
            seen.failure = Some(failure(FailureKind::TimedOut, "no answer"));
        }
    })
}

/// Actions whose goal does not depend on what runs: doing one again has nothing to do.
pub(crate) fn convergent() -> impl Strategy<Value = Action> {
    let label = prop::sample::select(vec!["1.9.0", "2.0.0", "3.0.0"]);
    prop_oneof![
        Just(Action::Sync { force: false }),
        (label.clone(), any::<bool>()).prop_map(|(label, sync)| Action::Pin {
            version: version(label),
            content: None,
            sync
        }),
        label
            .clone()
            .prop_map(|label| Action::ResolveConflict { to: version(label), content: None }),
        label.prop_map(|label| Action::Rollback { to: Some(version(label)) }),
        Just(Action::Unpin),
        any::<bool>().prop_map(|locking| Action::SetConfig {
            key: LOCKING.to_owned(),
            value: locking.to_string()
        }),
    ]
}

pub(crate) fn any_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        convergent(),
        Just(Action::Sync { force: true }),
        Just(Action::Rollback { to: None }),
        Just(Action::Restart),
    ]
}

fn half(world: &World) -> BTreeSet<NodeId> {
    world.fleet.nodes.keys().step_by(2).cloned().collect()
}

fn planned(action: &Action, whole: bool, world: &World) -> Option<Plan> {
    let half = half(world);
    plan(action, (!whole).then_some(&half), world.input()).ok()
}

/// The action that takes a whole plan back.
fn undo_of(plan: &Plan) -> Action {
    let undo = plan.targets().map(|target| (target.node.clone(), target.undo.clone()));
    Action::Undo {
        run: SeededIds::new("undo").run(),
        title: plan.action.title(),
        nodes: undo.collect(),
        pins: plan.pins_before.clone(),
    }
}

/// What a node was told to run, and its settings.
fn told(world: &World, node: &NodeId) -> Option<(Option<NamedContent>, BTreeMap<String, String>)> {
    let report = world.snapshot.nodes[node].report.as_deref()?.clone();
    Some((report.pinned.map(|pin| pin.value), report.config))
}

type Wish = (Version, Option<ContentDigest>, bool);

/// What the console wants, and whether it is pinned, without the times.
fn wishes(world: &World) -> (Option<Wish>, BTreeMap<NodeId, Wish>) {
    let wish = |wanted: &DesiredVersion| {
        (wanted.version.clone(), wanted.content, wanted.pinned_by.is_some())
    };
    let nodes = world.desired.nodes.iter().map(|(node, wanted)| (node.clone(), wish(wanted)));
    (world.desired.fleet.as_ref().map(wish), nodes.collect())
}

proptest! {
    #[test]
    fn planning_again_on_what_a_convergent_plan_produced_yields_no_effects(
        world in world(),
        action in convergent(),
        whole: bool,
    ) {
        if let Some(first) = planned(&action, whole, &world) {
            let after = world.carried_out(&first);
            let again = planned(&action, whole, &after).expect("it was possible before");
            prop_assert!(again.is_empty(), "{first}\n{again}");
        }
    }

    #[test]
    fn the_bytes_do_not_depend_on_the_order_of_what_a_plan_is_made_from(
        world in world(),
        action in any_action(),
    ) {
        let mut permuted = world.clone();
        permuted.desired.catalogue.entries.reverse();
        let nodes: Vec<(NodeId, NodeObservation)> =
            permuted.snapshot.nodes.into_iter().rev().collect();
        permuted.snapshot = Snapshot { nodes: nodes.into_iter().collect(), ..world.snapshot.clone() };
        let permuted = permuted.with(|_| {});
        let bytes = |world| planned(&action, true, world).map(|plan| plan.canonical_bytes());
        prop_assert_eq!(bytes(&world), bytes(&permuted));
    }

    #[test]
    fn a_plan_reads_back_from_its_bytes(world in world(), action in any_action()) {
        if let Some(plan) = planned(&action, true, &world) {
            let read: Plan = serde_json::from_slice(&plan.canonical_bytes()).expect("it reads back");
            prop_assert_eq!(read.hash(), plan.hash());
            prop_assert_eq!(read, plan);
        }
    }

    #[test]
    fn every_selected_node_is_a_target_or_left_out_with_a_reason(
        world in world(),
        action in any_action(),
        whole: bool,
    ) {
        if let Some(plan) = planned(&action, whole, &world) {
            let mut named: Vec<NodeId> = plan.targets().map(|target| target.node.clone()).collect();
            named.extend(plan.left_out.iter().map(|left| left.node.clone()));
            named.sort();
            let all: Vec<NodeId> = world.fleet.nodes.keys().cloned().collect();
            let selected = if whole { all } else { half(&world).into_iter().collect() };
            prop_assert_eq!(named, selected);
            prop_assert!(plan.left_out.iter().all(|left| !left.detail.is_empty()));
            prop_assert!(plan.targets().all(|target| !target.effects.is_empty()));
        }
    }

    #[test]
    fn no_plan_leads_to_refused_content(world in world(), action in any_action()) {
        if let Some(plan) = planned(&action, true, &world) {
            for target in plan.targets().filter(|target| target.after != target.before) {
                let content = target.after.content.expect("a plan says what it leads to");
                prop_assert!(!world.desired.refused.contains(&content), "{plan}");
            }
        }
    }

    #[test]
    fn a_promised_undo_leads_back(world in world(), action in convergent(), whole: bool) {
        let Some(first) = planned(&action, whole, &world) else { return Ok(()) };
        let undo = undo_of(&first);
        let after = world.clone().carried_out(&first);
        let touched: BTreeSet<NodeId> = first.targets().map(|target| target.node.clone()).collect();
        // A run that did nothing offers no undo.
        let Ok(plan) = plan(&undo, Some(&touched), after.input()) else {
            prop_assert!(first.is_empty());
            return Ok(());
        };
        let back = after.carried_out(&plan);
        for target in first.targets().filter(|target| target.undo.is_possible()) {
            prop_assert_eq!(told(&back, &target.node), told(&world, &target.node), "{}\n{}", first, plan);
            if !matches!(target.undo, Undo::Pin { .. }) {
                let runs = |world: &World| world.snapshot.nodes[&target.node].report.as_deref().cloned().map(|r| (r.version.map(|v| v.value), r.content.map(|c| c.value)));
                prop_assert_eq!(runs(&back), runs(&world));
            }
        }
        prop_assert_eq!(wishes(&back), wishes(&world));
        let again = plumb_runbook::plan(&undo, Some(&touched), back.input()).expect("it was possible before");
        prop_assert!(again.is_empty(), "{plan}\n{again}");
    }

    #[test]
    fn what_agents_ran_before_from_a_known_bundle_always_has_a_way_back(
        world in world(),
        action in convergent(),
    ) {
        let Some(plan) = planned(&action, true, &world) else { return Ok(()) };
        for target in plan.targets().filter(|target| target.after != target.before) {
            let (Some(version), Some(content)) = (&target.before.version, target.before.content) else {
                continue;
            };
            let mut known = world.desired.catalogue.of_version(version);
            let pin = world.snapshot.nodes[&target.node].report.as_deref().and_then(|r| r.pinned.as_ref());
            let mut named = pin.iter().map(|pin| pin.value.content).chain([content]);
            let refused = named.any(|content| world.desired.refused.contains(&content));
            let way_back = known.any(|entry| entry.content == content) && !refused;
            prop_assert_eq!(target.undo.is_possible(), way_back, "{}", plan);
        }
    }

    #[test]
    fn a_plan_with_a_fatal_finding_cannot_be_approved(world in world(), action in any_action()) {
        if let Some(plan) = planned(&action, true, &world) {
            let found = findings(&plan, &BTreeMap::new(), world.input(), world.now);
            let typed = match rung(&plan) {
                Rung::Typed { phrase } => Some(phrase),
                Rung::Undo | Rung::Dialog => None,
            };
            let confirmation = Confirmation { seen: plan.hash(), typed, operator: "ops".to_owned() };
            let fatal = found.iter().any(|finding| finding.severity == Severity::Fatal);
            let approved = approve(plan.clone(), &found, &confirmation).is_ok();
            prop_assert_eq!(approved, !fatal && !plan.is_empty());
        }
    }
}
