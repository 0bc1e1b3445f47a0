//! What happens beside the run: nodes that change or fail, people who change their minds, crashes.

use std::time::Duration;

use plumb_exec::{Order, Wish};
use plumb_fleet::{NamedContent, NodeId};
use plumb_journal::Bypass;
use plumb_runbook::PinTo;
use plumb_testkit::builders::{content, named, version};
use rand::{RngExt as _, rngs::StdRng, seq::IndexedRandom as _};
use tokio::time::sleep;

use crate::{
    console::Console,
    network::{Fault, Faults},
    scenario::SETTING,
};

/// How many things happen at most.
const EVENTS_MAX: u32 = 12;

/// Lets things happen, then mends everything that can be mended.
pub async fn rage(mut rng: StdRng, consoles: Vec<Console>) {
    let sim = consoles[0].sim.clone();
    let nodes: Vec<NodeId> = sim.lock().nodes.by_id.keys().cloned().collect();
    for _ in 0..rng.random_range(0..EVENTS_MAX) {
        sleep(Duration::from_millis(rng.random_range(1..20_000))).await;
        let console = consoles.choose(&mut rng).expect("there is one");
        let node = nodes.choose(&mut rng).expect("there is one");
        happen(&mut rng, console, node).await;
    }
    sleep(Duration::from_secs(rng.random_range(0..120))).await;
    let outside = &mut *sim.lock();
    outside.faults = Faults::default();
    outside.error_ppm = Some(0);
    for node in outside.nodes.by_id.values_mut() {
        (node.up, node.refuses, node.arrives_after_ms) = (true, false, 0);
    }
    outside.members = outside.nodes.by_id.keys().cloned().collect();
}

async fn happen(rng: &mut StdRng, console: &Console, id: &NodeId) {
    let sim = &console.sim;
    let what = rng.random_range(0..17);
    let fault = match what {
        0 | 14 | 16 => Some(Fault::NodeChanged),
        1 => Some(Fault::NodeDown),
        2 => Some(Fault::NodeRefuses),
        4 => Some(Fault::ContentRefused),
        6 => Some(Fault::MembersChanged),
        _ => None,
    };
    if let Some(fault) = fault {
        sim.lock().note(fault);
    }
    match what {
        0 => {
            let to: NamedContent = named("2.1.0", "changed by hand");
            sim.lock().nodes.flip(id, to);
        }
        1 => with_node(console, id, |node| node.up = !node.up),
        2 => with_node(console, id, |node| node.refuses = !node.refuses),
        3 => {
            let ms = rng.random_range(0..8_000);
            with_node(console, id, |node| node.arrives_after_ms = ms);
        }
        4 => {
            let word = if rng.random_bool(0.8) { "two" } else { "one" };
            sim.lock().refused.insert(content(word));
        }
        5 => {
            let ppm = [None, Some(0), Some(50_000)][rng.random_range(0..3)];
            sim.lock().error_ppm = ppm;
        }
        6 => {
            let members = &mut sim.lock().members;
            if !members.remove(id) {
                members.insert(id.clone());
            }
        }
        7 => console.set_skew(rng.random_range(-3_600_000..3_600_000)),
        8 => console.crash(),
        // Somebody else pins at the same console.
        15 => {
            let (version, content) = (version("2.1.0"), Some(content("changed by hand")));
            let mut pins = console.pins();
            pins.set(None, PinTo::Version { version, content });
            pins.meddled = true;
        }
        16 => {
            console.crash();
            sim.lock().nodes.set_by_hand(id, SETTING, "15");
        }
        // Whoever goes on finds another node than the one that was left.
        14 => {
            console.crash();
            sim.lock().nodes.flip(id, named("2.1.0", "changed by hand"));
        }
        wish => order(rng, console, wish).await,
    }
}

fn with_node(console: &Console, id: &NodeId, change: impl FnOnce(&mut crate::fleet::Node)) {
    if let Some(node) = console.sim.lock().nodes.by_id.get_mut(id) {
        change(node);
    }
}

async fn order(rng: &mut StdRng, console: &Console, wish: u32) {
    let wave = rng.random_range(0..4);
    let reason = || "seen on the dashboard".to_owned();
    let what = match wish {
        9 => Wish::Pause,
        10 => Wish::Resume,
        11 if rng.random_bool(0.3) => Wish::Abort,
        11 => Wish::RollBack { reason: reason() },
        12 => Wish::Attest { wave, note: reason() },
        _ if rng.random_bool(0.5) => Wish::Bypass { what: Bypass::Freeze, reason: reason() },
        _ => Wish::Bypass { what: Bypass::Gate { wave }, reason: reason() },
    };
    give(console, what).await;
}

/// Gives an order, where somebody takes it.
pub async fn give(console: &Console, what: Wish) -> bool {
    let Some(desk) = console.desk() else { return false };
    desk.give(Order { by: "sofiia@laptop".to_owned(), what }).await.is_ok()
}
