//! One seed from its beginning to its end.

use std::{collections::BTreeMap, time::Duration};

use plumb_exec::{ExecuteError, Left, Wish};
use plumb_journal::{NodePhase, Outcome, RunState};
use plumb_runbook::Effect;
use plumb_testkit::ids::SeededIds;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::time::{Instant, sleep, timeout};

use crate::{
    chaos,
    console::{Console, CrashPoint, Defect},
    fleet::Nodes,
    network::{Fault, Faults, Sim},
    pins::Pins,
    scenario::Scenario,
    undo,
};

/// Within this a run has ended, whatever went wrong: chaos lasts ten minutes at most.
const ENDS_WITHIN: Duration = Duration::from_hours(6);
/// Messages still under way have arrived after this.
const SETTLED_AFTER: Duration = Duration::from_mins(1);

/// What did not hold, with how to see it again.
#[derive(Debug)]
pub struct Failure {
    pub seed: u64,
    pub violations: Vec<String>,
    /// What the journals hold, one event a line.
    pub journal: Vec<String>,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let first = self.violations.first().map_or("nothing", String::as_str);
        write!(f, "seed {0}: {first}; again: cargo xtask simulate --first {0} --seeds 1", self.seed)
    }
}

/// What a seed came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    pub outcomes: Vec<Option<Outcome>>,
    pub effects: usize,
    pub crashes: u32,
    /// Durable writes of the first console.
    pub writes: u32,
    /// Nodes that a later plan took back to what they were.
    pub taken_back: usize,
    /// What went wrong, and how often.
    pub happened: BTreeMap<Fault, u32>,
}

/// Plays a seed. The same seed plays the same way every time.
pub fn simulate(seed: u64, defect: Option<Defect>) -> Result<Told, Box<Failure>> {
    run(seed, defect, None)
}

/// Plays a seed in which the first console dies at one durable write besides.
pub fn simulate_crash(seed: u64, at: CrashPoint) -> Result<Told, Box<Failure>> {
    run(seed, None, Some(at))
}

fn run(
    seed: u64,
    defect: Option<Defect>,
    crash_at: Option<CrashPoint>,
) -> Result<Told, Box<Failure>> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    runtime.block_on(play(seed, defect, crash_at))
}

async fn play(
    seed: u64,
    defect: Option<Defect>,
    crash_at: Option<CrashPoint>,
) -> Result<Told, Box<Failure>> {
    let scenario = Scenario::of(seed);
    let sim = Sim::new(seed, Nodes::of(&scenario.world));
    {
        let outside = &mut *sim.lock();
        outside.faults = scenario.faults;
        outside.locks = scenario.locks;
    }
    let mut ids = SeededIds::new(&seed.to_string());
    let plans = std::iter::once(&scenario.plan).chain(&scenario.other);
    let mut consoles: Vec<Console> = plans
        .zip(["console-a", "console-b"])
        .map(|(plan, name)| {
            let mut console = Console::new(&sim, name, ids.run(), plan);
            console.defect = defect;
            console
        })
        .collect();
    consoles[0].crash_at = crash_at;
    let mut rng = scenario.rng;
    let child = |rng: &mut StdRng| StdRng::seed_from_u64(rng.random());
    let chaos = tokio::spawn(chaos::rage(child(&mut rng), consoles.clone()));
    let mut lives = Vec::new();
    for console in &consoles {
        lives.push(tokio::spawn(lead(child(&mut rng), console.clone())));
    }
    let mut crashes = 0;
    for (life, console) in lives.into_iter().zip(&consoles) {
        crashes += ended(console, life).await;
    }
    chaos.abort();
    sleep(SETTLED_AFTER).await;
    for console in &consoles {
        judge(console, &scenario.world);
    }
    let undone = match consoles.as_slice() {
        [only] => undo::of(only, ids.run(), &scenario.world),
        // What two did at once is not taken back by one.
        _ => None,
    };
    let mut taken_back = 0;
    if let Some(console) = undone {
        sim.lock().faults = scenario.faults;
        let mended = tokio::spawn(mend(sim.clone()));
        let life = tokio::spawn(lead(child(&mut rng), console.clone()));
        crashes += ended(&console, life).await;
        mended.abort();
        sleep(SETTLED_AFTER).await;
        taken_back = undo::judge(&console, &consoles[0], &scenario.world);
        consoles.push(console);
    }
    let outcomes = consoles.iter().map(|console| console.state().outcome).collect();
    let checker = std::mem::take(&mut sim.lock().checker);
    if checker.violations.is_empty() {
        let writes = consoles[0].writes();
        let happened = std::mem::take(&mut sim.lock().happened);
        let effects = checker.effects;
        return Ok(Told { outcomes, effects, crashes, writes, taken_back, happened });
    }
    let line = |console: &Console| {
        let name = console.name.clone();
        let entries = console.entries().into_iter();
        entries.map(move |entry| format!("{name} {} {:?}", entry.body.at, entry.body.event))
    };
    let journal = consoles.iter().flat_map(line).collect();
    Err(Box::new(Failure { seed, violations: checker.violations, journal }))
}

/// Waits for a console to be done with its run, and says how often it crashed.
async fn ended(console: &Console, life: tokio::task::JoinHandle<u32>) -> u32 {
    let wrong = match timeout(ENDS_WITHIN, life).await {
        Ok(Ok(crashes)) => return crashes,
        Ok(Err(error)) => format!("{} panicked: {error}", console.name),
        Err(_) => format!("{} has not ended: {:?}", console.name, console.state().halted),
    };
    console.sim.lock().checker.violation(wrong);
    0
}

/// Nothing goes wrong any more after a while.
async fn mend(sim: Sim) {
    sleep(Duration::from_mins(5)).await;
    sim.lock().faults = Faults::default();
}

/// A person keeps a run going until it ends: the program is started again after each crash, and what
/// stands still is decided. Returns how often it crashed.
async fn lead(mut rng: StdRng, console: Console) -> u32 {
    let mut crashes = 0;
    let begun = Instant::now();
    loop {
        let attended = begun.elapsed() > Duration::from_mins(10) || rng.random_bool(0.7);
        let caring = tokio::spawn(care(rng.random(), console.clone()));
        let left = console.live(attended).await;
        caring.abort();
        match left {
            Some(Ok(Left::Ended(_))) => return crashes,
            Some(Ok(Left::Open) | Err(ExecuteError::Lock(_))) => {}
            Some(Err(ExecuteError::OtherPlan)) => {
                console.sim.lock().checker.violation("the journal is of another plan".to_owned());
                return crashes;
            }
            // What stopped for want of a journal is started again, too.
            Some(Err(ExecuteError::Journal(_))) | None => crashes += 1,
        }
        let entries = console.entries();
        let ended = console.state().outcome.is_some();
        console.sim.lock().checker.reads(console.run, &entries, ended);
        // A run that never began and cannot, since another holds the lock for good, is given up.
        if entries.is_empty() && begun.elapsed() > Duration::from_hours(3) {
            return crashes;
        }
        sleep(Duration::from_millis(rng.random_range(1..40_000))).await;
    }
}

/// Once chaos is over, what stands still is resumed, then attested, then given up.
async fn care(seed: u64, console: Console) {
    let mut rng = StdRng::seed_from_u64(seed);
    sleep(Duration::from_mins(10)).await;
    loop {
        sleep(Duration::from_mins(1)).await;
        let state = console.state();
        let wave = u32::try_from(state.waves.len()).unwrap_or(u32::MAX).saturating_sub(1);
        let note = || "looks as before".to_owned();
        let wish = match rng.random_range(0..4) {
            0 => Wish::Attest { wave, note: note() },
            1 if state.halted.is_some() => Wish::RollBack { reason: note() },
            2 if state.halted.is_some() => Wish::Abort,
            _ => Wish::Resume,
        };
        chaos::give(&console, wish).await;
    }
}

/// What a run says of nodes nobody else changed is so.
fn judge(console: &Console, world: &plumb_testkit::builders::World) {
    let state = console.state();
    let entries = console.entries();
    let outside = &mut *console.sim.lock();
    outside.checker.reads(console.run, &entries, state.outcome.is_some());
    if let Some(wrong) = judge_pins(console, &state) {
        outside.checker.violation(wrong);
    }
    for target in console.plan().targets() {
        let node = &outside.nodes.by_id[&target.node];
        let ours = node.changed_by.iter().all(|run| *run == console.run);
        if node.flipped || !ours {
            continue;
        }
        let run = state.nodes.get(&target.node);
        let phase = run.map_or(NodePhase::Waiting, |run| run.phase);
        let runs = outside.nodes.content(&target.node);
        let report = world.snapshot.nodes[&target.node].report.as_deref();
        let pinned = report.and_then(|report| report.pinned.as_ref()).map(|pin| &pin.value);
        let set = |wanted: &dyn Fn(&str) -> Option<String>| {
            let keys = target.effects.iter().filter_map(|effect| match effect {
                Effect::SetConfig { key, .. } => Some(key),
                _ => None,
            });
            keys.into_iter().all(|key| node.settings.get(key).cloned() == wanted(key))
        };
        let former = |key: &str| report.and_then(|report| report.config.get(key)).cloned();
        let asked = |key: &str| {
            target.effects.iter().find_map(|effect| match effect {
                Effect::SetConfig { key: of, value, .. } if of == key => Some(value.clone()),
                _ => None,
            })
        };
        let as_before = runs == target.before.content && set(&former);
        let wrong = match phase {
            NodePhase::Arrived => runs != target.after.content || !set(&asked),
            NodePhase::RolledBack => !as_before || node.pinned.as_ref() != pinned,
            NodePhase::Waiting => !as_before,
            _ => false,
        };
        let changed = run.is_some_and(|run| run.forward.changing);
        let kept =
            state.outcome == Some(Outcome::RolledBack) && changed && phase != NodePhase::RolledBack;
        if wrong || kept {
            let what = format!(
                "{} says {phase:?} of {}, which runs {runs:?} pinned to {:?} with {:?}",
                console.name, target.node, node.pinned, node.settings
            );
            outside.checker.violation(what);
        }
    }
}

/// What a run says of the console's own pins is so, where nobody else changed them.
fn judge_pins(console: &Console, state: &RunState) -> Option<String> {
    let (plan, pins) = (console.plan(), console.pins());
    if state.outcome.is_some() && state.pins_pending {
        return Some(format!("{} ended with its pins in doubt", console.name));
    }
    if pins.meddled || state.pins_pending {
        return None;
    }
    let before = || *pins == Pins::before(plan);
    let right = if state.pins_restored || !state.pins_changed {
        before()
    } else {
        plan.pins_after().is_some_and(|after| pins.stand(&after))
    };
    let kept = state.outcome == Some(Outcome::RolledBack) && !before();
    (!right || kept).then(|| {
        let changed = state.pins_changed;
        format!("{} says changed={changed} of its pins, which are {:?}", console.name, pins.by)
    })
}
