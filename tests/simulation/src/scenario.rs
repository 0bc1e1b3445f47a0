//! What a seed begins with: a fleet, a plan over it, and how often things go wrong.

use std::{collections::BTreeMap, sync::Arc};

use plumb_fleet::NodeApi;
use plumb_runbook::{
    Action, ApprovedPlan, Confirmation, FreezeWindow, Gate, GateCheck, OnFailure, Plan, Rollout,
    Rung, Shape, approve, plan, roll_out, rung,
};
use plumb_testkit::{
    builders::{World, named, node_id, observed, report, version},
    clock::after,
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

use crate::network::Faults;

/// The beginning of a story.
#[derive(Debug)]
pub struct Scenario {
    pub world: World,
    pub plan: Arc<ApprovedPlan>,
    /// What a second console wants at the same time.
    pub other: Option<Arc<ApprovedPlan>>,
    pub faults: Faults,
    pub locks: bool,
    pub rng: StdRng,
}

impl Scenario {
    pub fn of(seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let world = world(&mut rng);
        let action = action(&mut rng);
        let rollout = rng.random_bool(0.9).then(|| rollout(&mut rng));
        let plan = approved(&action, rollout.as_ref(), &world).unwrap_or_else(|| {
            let sync = Action::Sync { force: false };
            approved(&sync, rollout.as_ref(), &world).expect("every node is behind")
        });
        let other = rng.random_bool(0.3).then(|| other(&mut rng, &plan, &world));
        let mut often =
            |most: u32| if rng.random_bool(0.5) { rng.random_range(0..=most) } else { 0 };
        let faults = Faults {
            lost: often(200),
            late: often(250),
            doubled: often(300),
            silent_look: often(100),
            crash: often(60),
            full_disk: often(30),
            slow_disk: often(40),
        };
        let locks = rng.random_bool(0.6);
        Self { world, plan, other, faults, locks, rng }
    }
}

/// A setting that plans and people change.
pub const SETTING: &str = "bundle.polling.min_delay_seconds";

fn world(rng: &mut StdRng) -> World {
    let mut world = World::new("simulated")
        .signed("1.9.0", "one")
        .signed("2.0.0", "two")
        .signed("3.0.0", "three")
        .signed("1.8.0", "zero")
        .desired("2.0.0");
    if rng.random_bool(0.5) {
        let pin = world.desired.fleet.as_mut().expect("a desired version");
        pin.pinned_by = Some("mira@desk".to_owned());
    }
    for number in 0..rng.random_range(1..=5) {
        let name = format!("n{number}");
        let api = if rng.random_bool(0.6) { NodeApi::Agent } else { NodeApi::Reload };
        let mut report = report(&name, api, "1.9.0", "one");
        if api == NodeApi::Agent && rng.random_bool(0.6) {
            report.pinned = Some(Box::new(observed(named("1.9.0", "one"))));
        }
        if api == NodeApi::Agent {
            report.config.insert(SETTING.to_owned(), "30".to_owned());
            report.last_known_good = Some(Box::new(observed(named("1.8.0", "zero"))));
        }
        world = world.reporting(report);
        let colour = if rng.random_bool(0.5) { "blue" } else { "green" };
        let labels = BTreeMap::from([("colour".to_owned(), colour.to_owned())]);
        if let Some(node) = world.fleet.nodes.get_mut(&node_id(&name)) {
            Arc::make_mut(node).labels = labels.into();
        }
    }
    world
}

fn action(rng: &mut StdRng) -> Action {
    match rng.random_range(0..10) {
        0 => Action::Pin { version: version("2.0.0"), content: None, sync: true },
        1 | 2 => Action::Pin { version: version("3.0.0"), content: None, sync: true },
        3 => Action::Pin { version: version("3.0.0"), content: None, sync: false },
        4 => Action::Rollback { to: None },
        5 => Action::SetConfig { key: SETTING.to_owned(), value: "60".to_owned() },
        6 => Action::Restart,
        7 => Action::Unpin,
        _ => Action::Sync { force: false },
    }
}

fn rollout(rng: &mut StdRng) -> Rollout {
    let shape = match rng.random_range(0..4) {
        0 => Shape::OneByOne,
        1 => Shape::ByLabel { label: "colour".to_owned(), order: Vec::new(), canary: None },
        2 => Shape::Shares { canary: None, percent: Vec::new() },
        _ => Shape::Shares { canary: None, percent: vec![50] },
    };
    let mut checks = Vec::new();
    if rng.random_bool(0.7) {
        checks.push(GateCheck::Convergence {
            percent_min: if rng.random_bool(0.5) { 100 } else { 60 },
        });
    }
    if rng.random_bool(0.5) {
        checks.push(GateCheck::ErrorRate { ppm_max: 1_000 });
    }
    if rng.random_bool(0.2) {
        checks.push(GateCheck::Attest { what: "the dashboard looks as before".to_owned() });
    }
    let gate = Gate { checks, soak_s: rng.random_range(0..120), patience_s: 60, every_s: 10 };
    let freeze = rng.random_bool(0.1).then(|| {
        let from = rng.random_range(0..120);
        let until = after(from + rng.random_range(1..600));
        FreezeWindow { from: after(from), until, reason: "quarter close".to_owned() }
    });
    Rollout {
        shape,
        gate: rng.random_bool(0.8).then_some(gate),
        on_failure: if rng.random_bool(0.6) { OnFailure::RollBack } else { OnFailure::Halt },
        failures_tolerated: u32::from(rng.random_bool(0.3)),
        freeze: freeze.into_iter().collect(),
    }
}

/// The same plan once more, or another one.
fn other(rng: &mut StdRng, plan: &Arc<ApprovedPlan>, world: &World) -> Arc<ApprovedPlan> {
    if rng.random_bool(0.4) {
        return plan.clone();
    }
    let action = Action::Pin { version: version("3.0.0"), content: None, sync: true };
    let rollout = rollout(rng);
    approved(&action, Some(&rollout), world).expect("nobody runs it yet")
}

/// A plan past the gate; nothing where there is nothing to do.
pub fn approved(
    action: &Action,
    rollout: Option<&Rollout>,
    world: &World,
) -> Option<Arc<ApprovedPlan>> {
    let direct = plan(action, None, world.input()).expect("it can be asked for");
    if direct.is_empty() {
        return None;
    }
    let plan: Plan = match rollout {
        Some(rollout) => roll_out(direct, rollout, world.input()).expect("it is one"),
        None => direct,
    };
    let typed = match rung(&plan) {
        Rung::Typed { phrase } => Some(phrase),
        Rung::Undo | Rung::Dialog => None,
    };
    let (seen, operator) = (plan.hash(), "ops@example".to_owned());
    let confirmation = Confirmation { seen, typed, operator };
    Some(Arc::new(approve(plan, &[], &confirmation).expect("it was typed")))
}
