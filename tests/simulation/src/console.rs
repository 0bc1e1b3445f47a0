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
use plumb_fleet::{ContentDigest, NodeId, RunId};
use plumb_journal::{EffectOutcome, Entry, Event, Head, RunState, fold};
use plumb_runbook::{ApprovedPlan, GateCheck, PinChange, Plan};
use plumb_testkit::clock::start;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::{checker::Seen, network::Sim, pins::Pins};

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
    /// Nodes are taken for what they should be.
    SeesWhatItWants,
    /// The journal is written with holes.
    LosesEntries,
    /// Effects are sent that no plan holds.
    Improvises,
}

/// One console and the run it carries out.
#[derive(Debug, Clone)]
pub struct Console {
    pub sim: Sim,
    pub name: String,
    pub run: RunId,
    pub approved: Arc<ApprovedPlan>,
    pub defect: Option<Defect>,
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
        };
        Self {
            sim: sim.clone(),
            name: name.to_owned(),
            run,
            approved: approved.clone(),
            defect: None,
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
        self.disk().skew_ms = ms;
    }

    /// Where orders are given, as long as the program lives and somebody sits at it.
    pub fn desk(&self) -> Option<plumb_exec::Desk> {
        self.disk().desk.clone()
    }

    /// The program ends between two instructions.
    pub fn crash(&self) {
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
        self.sim.lock().checker.durable(self.run, &written);
    }

    /// The console's own pins.
    pub fn pins(&self) -> MutexGuard<'_, Pins> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn die<T>(&self) -> T {
        self.crash();
        std::future::pending().await
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
            (pause, full, outside.chance(faults.crash), outside.chance(faults.crash))
        };
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
            return self.die().await;
        }
        if full {
            return Err(JournalError("no space left on device".into()));
        }
        self.write(events);
        if after {
            return self.die().await;
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
        sleep(Duration::from_millis(3)).await;
        if before {
            return self.die().await;
        }
        if full {
            return Err("no space left on device".to_owned());
        }
        if self.pins().change(pins)? {
            self.sim.lock().checker.changes_pins(self.run);
        }
        if after {
            return self.die().await;
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
            seen.effect = plumb_runbook::Effect::Restart;
        }
        let sends = || {
            let outside = &mut *self.sim.lock();
            let lock = outside.holds(&self.name);
            let refused = outside.refused.clone();
            outside.checker.sends(&seen, &refused, lock);
            let node = &outside.nodes.by_id[&seen.node];
            let before = node.flipped_at.is_some_and(|at| at < self.disk().lives_since);
            let runs = node.runs.as_ref().map(|runs| runs.content).filter(|_| before);
            outside.checker.looks_first(&seen, runs);
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
        if self.defect == Some(Defect::SeesWhatItWants) {
            let back = self.state().rollback.is_some();
            for (id, answer) in &mut seen {
                let target = self.plan().targets().find(|target| target.node == *id);
                if let (true, Some(target), Ok(seen)) = (back, target, answer.as_mut()) {
                    seen.version.clone_from(&target.before.version);
                    seen.content = target.before.content;
                    seen.pinned = None;
                    seen.unpinned = true;
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
            return Ok(Some(crate::network::LEASE));
        }
        match self.sim.hold(&self.name).await {
            Some(Ok(lasts)) => Ok(Some(lasts)),
            Some(Err(by)) => Err(LockError::Held { by }),
            None => Err(LockError::NoAnswer { message: "no answer within 5 s".to_owned() }),
        }
    }

    async fn release(&self) {
        self.sim.release(&self.name).await;
    }

    fn owner(&self) -> String {
        self.name.clone()
    }
}
