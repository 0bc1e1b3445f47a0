//! A console: its disk, its clock, and the real executor between them.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use plumb_exec::{
    Clock, EffectHandler, ExecuteError, Journal, JournalError, Left, Lock, LockError, Observation,
    PinMove, Request, Setting, carry_out, desk,
};
use plumb_fleet::{ContentDigest, NamedContent, NodeId, RunId};
use plumb_journal::{EffectOutcome, Entry, Event, Head, RunState, fold};
use plumb_runbook::{Action, ApprovedPlan, Branch, Effect, GateCheck, NodePlan, PinChange, Plan};
use plumb_testkit::clock::start;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    checker::Seen,
    network::{Fault, Sim},
    pins::Pins,
};

/// Something broken on purpose, to see that the checks see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// The disk says that bytes are durable before they are.
    LyingDisk,
    /// What was in doubt is sent again.
    SendsAgain,
    /// A resumed run starts from nothing.
    Forgets,
    /// Nobody asks what is refused.
    IgnoresRefused,
    /// The lock is taken for granted.
    IgnoresLock,
    /// Nodes are taken for what the way back should make of them.
    SeesWhatItWants,
    /// The same for what an undo should make of them.
    UndoesOnPaper,
    /// The journal is written with holes.
    LosesEntries,
    /// Effects are sent that no plan holds.
    Improvises,
}

/// A durable write at which a program dies: before the bytes are safe, or right after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashPoint {
    /// Counted from zero.
    pub write: u32,
    pub after: bool,
}

/// One console and the run it carries out.
#[derive(Debug, Clone)]
pub struct Console {
    pub sim: Sim,
    pub name: String,
    pub run: RunId,
    pub approved: Arc<ApprovedPlan>,
    pub defect: Option<Defect>,
    /// The program dies at this durable write, once.
    pub crash_at: Option<CrashPoint>,
    disk: Arc<Mutex<Disk>>,
    pins: Arc<Mutex<Pins>>,
    began: Instant,
}

/// What survives a crash, and what does not.
#[derive(Debug)]
struct Disk {
    entries: Vec<Entry>,
    head: Head,
    last: Timestamp,
    /// The console's clock minus true time.
    skew_ms: i64,
    /// Ends the present life of the program.
    life: CancellationToken,
    /// Since when.
    lives_since: Instant,
    desk: Option<plumb_exec::Desk>,
    /// Durable writes so far, of the journal and of pins.
    writes: u32,
}

impl Console {
    pub fn new(sim: &Sim, name: &str, run: RunId, approved: &Arc<ApprovedPlan>) -> Self {
        sim.lock().checker.approve(approved);
        let disk = Disk {
            entries: Vec::new(),
            head: Head::empty(run),
            last: Timestamp::MIN,
            skew_ms: 0,
            life: CancellationToken::new(),
            lives_since: Instant::now(),
            desk: None,
            writes: 0,
        };
        Self {
            sim: sim.clone(),
            name: name.to_owned(),
            run,
            approved: approved.clone(),
            defect: None,
            crash_at: None,
            disk: Arc::new(Mutex::new(disk)),
            pins: Arc::new(Mutex::new(Pins::before(approved.plan()))),
            began: Instant::now(),
        }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn plan(&self) -> &Plan {
        self.approved.plan()
    }

    /// What is known from the durable journal.
    pub fn state(&self) -> RunState {
        fold(&self.disk().entries)
    }

    pub fn entries(&self) -> Vec<Entry> {
        self.disk().entries.clone()
    }

    pub fn set_skew(&self, ms: i64) {
        self.sim.lock().note(Fault::ClockSet);
        self.disk().skew_ms = ms;
    }

    /// Where orders are given, as long as the program lives and somebody sits at it.
    pub fn desk(&self) -> Option<plumb_exec::Desk> {
        self.disk().desk.clone()
    }

    /// The program ends between two instructions.
    pub fn crash(&self) {
        self.sim.lock().note(Fault::Crash);
        self.disk().life.cancel();
    }

    /// One life of the program: until the run is left, or the program dies.
    pub async fn live(&self, attended: bool) -> Option<Result<Left, ExecuteError>> {
        let life = CancellationToken::new();
        let (give, orders) = desk();
        let entries = {
            let disk = &mut *self.disk();
            disk.life = life.clone();
            disk.lives_since = Instant::now();
            disk.desk = attended.then_some(give);
            if self.defect == Some(Defect::Forgets) { Vec::new() } else { disk.entries.clone() }
        };
        let cancel = CancellationToken::new();
        let setting = Setting {
            handler: self,
            journal: self,
            clock: self,
            lock: self,
            cancel: &cancel,
            orders,
            entries: &entries,
            operator: &self.name,
            bypasses: Vec::new(),
        };
        let left = tokio::select! {
            biased;
            () = life.cancelled() => None,
            left = carry_out(self.run, &self.approved, setting) => Some(left),
        };
        self.disk().desk = None;
        left
    }

    fn write(&self, events: Vec<Event>) {
        let mut written = Vec::new();
        {
            let now = self.now();
            let disk = &mut *self.disk();
            disk.last = disk.last.max(now);
            for event in events {
                let entry = disk.head.append(disk.last, event);
                written.push(entry);
            }
            if self.defect == Some(Defect::LosesEntries) && written.len() > 1 {
                written.remove(0);
            }
            disk.entries.extend(written.iter().cloned());
        }
        let outside = &mut *self.sim.lock();
        outside.checker.durable(self.run, &written);
        for entry in &written {
            let Event::NodeProven { node, arrived: true, branch: Branch::Back, .. } =
                &entry.body.event
            else {
                continue;
            };
            let shows = &outside.nodes.by_id[node];
            let ours = !shows.flipped && shows.changed_by.iter().all(|run| *run == self.run);
            let before = self.plan().targets().find(|target| target.node == *node);
            let before = before.and_then(|target| target.before.content);
            if ours && outside.nodes.content(node) != before {
                outside
                    .checker
                    .violation(format!("{node} is called back, and runs something else"));
            }
        }
    }

    /// The console's own pins.
    pub fn pins(&self) -> MutexGuard<'_, Pins> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Durable writes so far.
    pub fn writes(&self) -> u32 {
        self.disk().writes
    }

    /// Whether the program dies before or after the durable write that is about to be made.
    fn crash_point(&self) -> (bool, bool) {
        let disk = &mut *self.disk();
        let here = self.crash_at.filter(|point| point.write == disk.writes);
        disk.writes += 1;
        (here.is_some_and(|point| !point.after), here.is_some_and(|point| point.after))
    }

    async fn die<T>(&self, how: Fault) -> T {
        self.sim.lock().note(how);
        self.disk().life.cancel();
        std::future::pending().await
    }
}

/// Makes a node look as its part of a plan wants it.
fn show(seen: &mut Observation, part: &NodePlan) {
    seen.version.clone_from(&part.after.version);
    seen.content = part.after.content;
    for effect in &part.effects {
        match effect {
            Effect::Pin { version, content } => {
                seen.pinned = Some(NamedContent { version: version.clone(), content: *content });
                seen.unpinned = false;
            }
            Effect::Unpin { .. } => (seen.pinned, seen.unpinned) = (None, true),
            Effect::SetConfig { key, value, .. } => {
                seen.settings.insert(key.clone(), value.clone());
            }
            _ => {}
        }
    }
}

fn seen(request: &Request<'_>) -> Seen {
    Seen {
        node: request.node.clone(),
        effect: request.effect.clone(),
        key: request.key.to_owned(),
        run: request.run,
        plan: request.plan,
        branch: request.branch,
    }
}

impl Clock for Console {
    fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.began.elapsed()).expect("a short story");
        start() + passed + SignedDuration::from_millis(self.disk().skew_ms)
    }
}

impl Journal for Console {
    async fn append(&self, events: Vec<Event>) -> Result<(), JournalError> {
        let (pause, full, before, after) = {
            let outside = &mut *self.sim.lock();
            let faults = outside.faults;
            let slow = outside.chance(faults.slow_disk);
            let pause = if slow { outside.ms(1_000, 70_000) } else { outside.ms(1, 10) };
            let full = outside.chance(faults.full_disk);
            if slow {
                outside.note(Fault::SlowDisk);
            }
            (pause, full, outside.chance(faults.crash), outside.chance(faults.crash))
        };
        let (dies_before, dies_after) = self.crash_point();
        let (before, after) = (before || dies_before, after || dies_after);
        if self.defect == Some(Defect::LyingDisk) {
            let console = self.clone();
            tokio::spawn(async move {
                sleep(Duration::from_millis(300)).await;
                console.write(events);
            });
            return Ok(());
        }
        sleep(Duration::from_millis(pause)).await;
        if before {
            return self.die(Fault::CrashBeforeWrite).await;
        }
        if full {
            self.sim.lock().note(Fault::FullDisk);
            return Err(JournalError("no space left on device".into()));
        }
        self.write(events);
        if after {
            return self.die(Fault::CrashAfterWrite).await;
        }
        Ok(())
    }
}

impl EffectHandler for Console {
    async fn change_pins(&self, pins: &PinMove) -> Result<(), String> {
        let (before, after, full) = {
            let outside = &mut *self.sim.lock();
            let faults = outside.faults;
            let crash = (outside.chance(faults.crash), outside.chance(faults.crash));
            (crash.0, crash.1, outside.chance(faults.full_disk))
        };
        let (dies_before, dies_after) = self.crash_point();
        let (before, after) = (before || dies_before, after || dies_after);
        sleep(Duration::from_millis(3)).await;
        if before {
            return self.die(Fault::CrashBeforeWrite).await;
        }
        if full {
            self.sim.lock().note(Fault::FullDisk);
            return Err("no space left on device".to_owned());
        }
        if self.pins().change(pins)? {
            self.sim.lock().checker.changes_pins(self.run);
        }
        if after {
            return self.die(Fault::CrashAfterWrite).await;
        }
        Ok(())
    }

    async fn pins_stand(&self, pins: &PinChange) -> Result<bool, String> {
        sleep(Duration::from_millis(1)).await;
        Ok(self.pins().stand(pins))
    }

    async fn perform(&self, request: &Request<'_>) -> EffectOutcome {
        let mut seen = seen(request);
        if self.defect == Some(Defect::Improvises) {
            seen.effect = Effect::Unpin { from: None };
        }
        let sends = || {
            let outside = &mut *self.sim.lock();
            let lock = outside.holds(&self.name);
            let refused = outside.refused.clone();
            if outside.checker.acts_beside_another(seen.run) {
                outside.note(Fault::TwoConsoles);
            }
            outside.checker.sends(&seen, &refused, lock);
            let node = &outside.nodes.by_id[&seen.node];
            let before = node.flipped_at.is_some_and(|at| at < self.disk().lives_since);
            outside.checker.looks_first(&seen, Some(node).filter(|_| before));
        };
        sends();
        let outcome = self.sim.request(seen.clone()).await;
        if self.defect == Some(Defect::SendsAgain)
            && matches!(outcome, EffectOutcome::InDoubt { .. })
        {
            sends();
            return self.sim.request(seen.clone()).await;
        }
        outcome
    }

    async fn observe(&self, nodes: &[NodeId]) -> Vec<(NodeId, Result<Observation, String>)> {
        let mut seen = self.sim.observe(nodes).await;
        if matches!(self.defect, Some(Defect::SeesWhatItWants | Defect::UndoesOnPaper)) {
            let back =
                self.defect == Some(Defect::SeesWhatItWants) && self.state().rollback.is_some();
            let undoes = self.defect == Some(Defect::UndoesOnPaper)
                && matches!(self.plan().action, Action::Undo { .. });
            for (id, answer) in &mut seen {
                let target = self.plan().targets().find(|target| target.node == *id);
                let (Some(target), Ok(seen)) = (target, answer.as_mut()) else { continue };
                match target.way_back() {
                    Some(part) if back => show(seen, &part),
                    None if undoes => show(seen, target),
                    _ => {}
                }
            }
        }
        seen
    }

    fn refused(&self) -> BTreeSet<ContentDigest> {
        match self.defect {
            Some(Defect::IgnoresRefused) => BTreeSet::new(),
            _ => self.sim.lock().refused.clone(),
        }
    }

    async fn set_difference(&self, plan: &Plan) -> Option<String> {
        sleep(Duration::from_millis(1)).await;
        plan.set_difference(&self.sim.lock().members).map(|difference| difference.to_string())
    }

    async fn measure(
        &self,
        check: &GateCheck,
        _nodes: &[NodeId],
        _since: Timestamp,
    ) -> Result<i64, String> {
        self.sim.measure(check).await
    }
}

impl Lock for Console {
    async fn hold(&self) -> Result<Option<Duration>, LockError> {
        if !self.sim.lock().locks {
            return Ok(None);
        }
        if self.defect == Some(Defect::IgnoresLock) {
            let until = Instant::now() + crate::network::LEASE;
            self.sim.lock().checker.leases(&self.name, until);
            return Ok(Some(crate::network::LEASE));
        }
        let began = Instant::now();
        match self.sim.hold(&self.name).await {
            Some(Ok(lasts)) => {
                self.sim.lock().checker.leases(&self.name, began + lasts);
                Ok(Some(lasts))
            }
            Some(Err(by)) => Err(LockError::Held { by }),
            None => Err(LockError::NoAnswer { message: "no answer within 5 s".to_owned() }),
        }
    }

    async fn release(&self) {
        self.sim.lock().checker.gives_back(&self.name);
        self.sim.release(&self.name).await;
    }

    fn owner(&self) -> String {
        self.name.clone()
    }
}
