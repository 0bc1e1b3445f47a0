//! Nodes, a journal and a clock in memory, which write down what happened in one order.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use plumb_exec::{
    Clock, EffectHandler, ExecuteError, Journal, JournalError, Known, Left, Lock, Look,
    Observation, Orders, PinMove, Request, Setting, Step, carry_out, execute, next,
};
use plumb_fleet::{ContentDigest, NamedContent, NodeId, RunId};
use plumb_journal::{
    ChainVerdict, CheckResult, EffectOutcome, Entry, Event, Head, Outcome, RunState, fold, verify,
};
use plumb_runbook::{
    Action, ApprovedPlan, Branch, Confirmation, Effect, GateCheck, PinChange, Plan, Rollout, Rung,
    approve, plan, roll_out, rung,
};
use plumb_testkit::{
    builders::{World, node_id},
    clock::{after, start},
    ids::SeededIds,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How a node answers an effect that changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Accepts,
    /// Says yes and changes nothing.
    AcceptsOnly,
    /// Takes a pin and verifies, but refuses the load itself.
    Refuses,
    /// Has no such file, and says so when asked to verify.
    Misses,
    /// Takes it, but the answer is lost.
    DoubtTaken,
    /// Neither takes it nor answers.
    DoubtLost,
}

#[derive(Debug, Clone)]
pub(crate) struct Peer {
    pub(crate) answer: Answer,
    /// From the answer to what was promised.
    pub(crate) arrives_after: Duration,
    /// From the request to the answer.
    pub(crate) answers_after: Duration,
    /// The node's clock minus ours.
    pub(crate) skew_s: i64,
    /// Says when it loaded last.
    pub(crate) tells_loaded_at: bool,
    /// Left out of every observation, as by an adapter that forgot it.
    pub(crate) forgotten: bool,
    runs: Observation,
    promised: Observation,
    /// Where the way back leads.
    former: Observation,
    arrival: Option<Instant>,
}

/// One run and everything around it.
pub(crate) struct Story {
    pub(crate) log: Mutex<Vec<String>>,
    pub(crate) peers: Mutex<BTreeMap<NodeId, Peer>>,
    pub(crate) cancel: CancellationToken,
    /// Cancelled while this many effects have been sent.
    pub(crate) cancel_at: Option<usize>,
    /// From what a look sees to its answer.
    pub(crate) look_takes: Duration,
    /// The number of the append that goes wrong, counted from 1; the others work.
    pub(crate) journal_fails_at: Option<usize>,
    pub(crate) desired_error: Option<String>,
    /// What the checks of gates are told.
    pub(crate) figure: Mutex<Result<i64, String>>,
    pub(crate) difference: Mutex<Option<String>>,
    pub(crate) refused: Mutex<BTreeSet<ContentDigest>>,
    /// The program dies when it is about to change the console's own pins.
    pub(crate) dies_before_pins: bool,
    /// The console's own pins, once they were changed.
    pub(crate) pins: Mutex<Option<PinChange>>,
    approved: ApprovedPlan,
    run: RunId,
    chain: Mutex<(Head, Vec<Entry>)>,
    appends: Mutex<usize>,
    began: Instant,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn approved(plan: Plan) -> ApprovedPlan {
    let typed = match rung(&plan) {
        Rung::Typed { phrase } => Some(phrase),
        Rung::Undo | Rung::Dialog => None,
    };
    let seen = plan.hash();
    let operator = "ops@example".to_owned();
    approve(plan, &[], &Confirmation { seen, typed, operator }).expect("it was typed")
}

impl Story {
    /// A run of an action over a whole world, whose nodes do what they are asked.
    pub(crate) fn new(seed: &str, action: &Action, world: &World) -> Self {
        Self::of(seed, plan(action, None, world.input()).expect("the action can be planned"), world)
    }

    /// The same in waves.
    pub(crate) fn rolled(seed: &str, action: &Action, rollout: &Rollout, world: &World) -> Self {
        let direct = plan(action, None, world.input()).expect("the action can be planned");
        Self::of(seed, roll_out(direct, rollout, world.input()).expect("a rollout"), world)
    }

    fn of(seed: &str, plan: Plan, world: &World) -> Self {
        let peer = |target: &plumb_runbook::NodePlan| Peer {
            answer: Answer::Accepts,
            arrives_after: Duration::ZERO,
            answers_after: Duration::from_millis(20),
            skew_s: 0,
            tells_loaded_at: true,
            forgotten: false,
            runs: Observation {
                version: target.before.version.clone(),
                content: target.before.content,
                loaded_at: Some(after(-3_600)),
                ..told_before(world, &target.node)
            },
            promised: Observation {
                version: target.after.version.clone(),
                content: target.after.content,
                ..told_before(world, &target.node)
            },
            former: Observation {
                version: target.before.version.clone(),
                content: target.before.content,
                ..told_before(world, &target.node)
            },
            arrival: None,
        };
        let peers = plan.targets().map(|target| (target.node.clone(), peer(target))).collect();
        let run = SeededIds::new(seed).run();
        Self {
            log: Mutex::default(),
            peers: Mutex::new(peers),
            cancel: CancellationToken::new(),
            cancel_at: None,
            look_takes: Duration::from_millis(10),
            journal_fails_at: None,
            desired_error: None,
            figure: Mutex::new(Ok(0)),
            difference: Mutex::default(),
            refused: Mutex::default(),
            dies_before_pins: false,
            pins: Mutex::default(),
            approved: approved(plan),
            run,
            chain: Mutex::new((Head::empty(run), Vec::new())),
            appends: Mutex::default(),
            began: Instant::now(),
        }
    }

    /// Changes what a node was told before the run, behind the back of the plan.
    pub(crate) fn told_meanwhile(&self, name: &str, effect: &Effect) {
        self.peer(name, |peer| {
            tell(&mut peer.runs, effect);
            tell(&mut peer.promised, effect);
        });
    }

    pub(crate) fn peer(&self, name: &str, change: impl FnOnce(&mut Peer)) {
        change(locked(&self.peers).get_mut(&node_id(name)).expect("a target"));
    }

    /// Runs to the end and checks what every run keeps.
    #[track_caller]
    pub(crate) fn checked(&self, outcome: &Result<Outcome, JournalError>) -> (RunState, String) {
        let entries = locked(&self.chain).1.clone();
        let verdict = verify(self.run, &entries);
        let events = u64::try_from(entries.len()).expect("not that many");
        if outcome.is_ok() {
            assert_eq!(verdict, ChainVerdict::Complete { events });
        } else {
            assert_eq!(verdict, ChainVerdict::Prefix { events });
        }
        let log = locked(&self.log).clone();
        every_effect_stands_between_intent_and_outcome(&log, outcome.is_ok());
        (fold(&entries), log.join("\n"))
    }

    pub(crate) async fn go(&self) -> Result<Outcome, JournalError> {
        execute(self.run, &self.approved, self, self, self, &self.cancel).await
    }

    /// One life of the program that carries it out, with somebody who may give orders.
    pub(crate) async fn live(
        &self,
        orders: Orders,
        lock: &impl Lock,
    ) -> Result<Left, ExecuteError> {
        let entries = locked(&self.chain).1.clone();
        let setting = Setting {
            handler: self,
            journal: self,
            clock: self,
            lock,
            cancel: &self.cancel,
            orders,
            entries: &entries,
            operator: "ops@example",
            bypasses: Vec::new(),
        };
        carry_out(self.run, &self.approved, setting).await
    }

    /// Nothing was done before its intent was durable, also over several lives.
    pub(crate) fn intents_come_first(&self) {
        every_effect_stands_between_intent_and_outcome(&locked(&self.log), false);
    }

    /// What is durable of the journal, one line an event.
    pub(crate) fn log(&self) -> String {
        locked(&self.log).join("\n")
    }

    /// What a program that resumed after so many events would do next, when it sees of nodes what
    /// they are now; with the keys of effects that were started by then.
    pub(crate) fn next_after(&self, events: usize, looked: bool) -> (Step, BTreeSet<String>) {
        let entries = locked(&self.chain).1[..events].to_vec();
        let now = self.now();
        let mut state = fold(&entries);
        state.apply(&Event::RunResumed { by: "ops@example".to_owned() }, now);
        let nodes: Vec<NodeId> = locked(&self.peers).keys().cloned().collect();
        let look = |answer| Look { began: now, ended: now, answer };
        let seen = self.look(&nodes).into_iter().filter(|_| looked);
        let seen = seen.map(|(node, answer)| (node, look(answer)));
        let compared = Some((u32::try_from(state.waves.len()).expect("few"), None));
        let known = Known { seen: seen.collect(), compared, ..Known::default() };
        let keys = entries.iter().filter_map(|entry| match &entry.body.event {
            Event::EffectStarted { key, .. } => Some(key.clone()),
            _ => None,
        });
        (next(self.run, self.approved.plan(), &state, &known, now), keys.collect())
    }

    pub(crate) fn events(&self) -> usize {
        locked(&self.chain).1.len()
    }

    pub(crate) fn state(&self) -> RunState {
        fold(&locked(&self.chain).1)
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    fn say(&self, line: String) {
        locked(&self.log).push(line);
    }

    fn told_only(&self) -> bool {
        self.approved.plan().targets().all(|target| target.effects.iter().all(tells))
    }

    fn sent(&self) -> usize {
        locked(&self.log).iter().filter(|line| line.starts_with("send")).count()
    }
}

/// Whether an effect is about what a node is told and keeps.
fn tells(effect: &Effect) -> bool {
    matches!(effect, Effect::Pin { .. } | Effect::Unpin { .. } | Effect::SetConfig { .. })
}

fn tell(seen: &mut Observation, effect: &Effect) {
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

/// What a node of the world was told before the run.
fn told_before(world: &World, node: &NodeId) -> Observation {
    let report = world.snapshot.nodes[node].report.as_deref();
    let pinned = report.and_then(|report| report.pinned.clone()).map(|pin| pin.value);
    Observation {
        version: None,
        content: None,
        loaded_at: None,
        unpinned: pinned.is_none(),
        pinned,
        settings: report.map(|report| report.config.clone()).unwrap_or_default(),
    }
}

fn every_effect_stands_between_intent_and_outcome(log: &[String], ended: bool) {
    for (at, line) in log.iter().enumerate() {
        if line.starts_with("change pins") {
            let newest = |what: [&str; 2]| {
                log[..at].iter().rposition(|line| what.iter().any(|of| line.starts_with(of)))
            };
            let intent = newest(["intent desired", "intent pins"]);
            assert!(intent > newest(["desired", "pins"]), "{line} without intent");
        }
        let Some(what) = line.strip_prefix("send ") else { continue };
        let intent = log[..at].iter().rposition(|line| *line == format!("intent {what}"));
        assert!(intent.is_some(), "{what} was sent without intent");
        let outcome = log[at..].iter().any(|line| line.starts_with(&format!("outcome {what}")));
        assert!(outcome || !ended, "{what} has no outcome");
    }
}

impl Clock for Story {
    fn now(&self) -> Timestamp {
        start() + SignedDuration::try_from(self.began.elapsed()).expect("a short run")
    }
}

impl Journal for Story {
    async fn append(&self, events: Vec<Event>) -> Result<(), JournalError> {
        // As a disk would: another task may go on before the events are durable.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let number = {
            let mut appends = locked(&self.appends);
            *appends += 1;
            *appends
        };
        if self.journal_fails_at == Some(number) {
            self.say("journal fails".to_owned());
            return Err(JournalError("no space left on device".into()));
        }
        let now = self.now();
        for event in events {
            self.say(line(&event));
            let (head, entries) = &mut *locked(&self.chain);
            entries.push(head.append(now, event));
        }
        Ok(())
    }
}

/// The end of a key that says which effect of a node it is.
fn index_of(key: &str) -> &str {
    key.splitn(3, '/').nth(2).unwrap_or_default()
}

const fn way(branch: Branch) -> &'static str {
    if branch.is_forward() { "" } else { "back/" }
}

fn line(event: &Event) -> String {
    match event {
        Event::RunbookTrusted { .. } | Event::RunbookSigned { .. } | Event::Step { .. } => {
            "of a runbook".to_owned()
        }
        Event::RunStarted { operator, targets, .. } => {
            format!("run by {operator}, {targets} nodes")
        }
        Event::EvidenceKept { answers, .. } => format!("{answers} answers kept"),
        Event::DesiredStarted { version, .. } => format!("intent desired {version}"),
        Event::DesiredSet { version, .. } => format!("desired {version}"),
        Event::PinsStarted { pins } => format!("intent pins {}", pins.lines().join(", ")),
        Event::PinsUnchanged { reason } => format!("pins unchanged: {reason}"),
        Event::PinsChanged { pins } => format!("pins {}", pins.lines().join(", ")),
        Event::EffectStarted { node, key, .. } => format!("intent {node}/{}", index_of(key)),
        Event::EffectFinished { node, index, outcome, branch } => {
            format!("outcome {node}/{}{index}: {}", way(*branch), outcome.message())
        }
        Event::EffectSkipped { node, index, reason, branch } => {
            format!("skipped {node}/{}{index}: {reason}", way(*branch))
        }
        Event::EffectSettled { node, index, branch, happened, detail } => {
            format!("settled {node}/{}{index} happened={happened}: {detail}", way(*branch))
        }
        Event::NodeProven { node, arrived, detail, branch, .. } => {
            let back = if branch.is_forward() { "" } else { " back" };
            format!("proven {node}{back} arrived={arrived}: {detail}")
        }
        Event::WaveStarted { wave, name, nodes } => format!("wave {wave} {name}, {nodes} nodes"),
        Event::GateReached { wave } => format!("gate {wave} reached"),
        Event::GateEvaluated { wave, checks } => {
            let check = |c: &CheckResult| format!("{:?} ({})", c.verdict, c.detail);
            let checks: Vec<String> = checks.iter().map(check).collect();
            format!("gate {wave}: {}", checks.join(", "))
        }
        Event::GatePassed { wave } => format!("gate {wave} passed"),
        Event::GateFailed { wave, reason } => format!("gate {wave} failed: {reason}"),
        Event::Attested { wave, by, note } => format!("gate {wave} attested by {by}: {note}"),
        Event::Paused { by } => format!("paused by {by}"),
        Event::Resumed { by } => format!("resumed by {by}"),
        Event::Halted { cause, reason } => format!("halted ({cause:?}): {reason}"),
        Event::RollbackStarted { reason, by } => {
            format!("rollback by {}: {reason}", by.as_deref().unwrap_or("rule"))
        }
        Event::LockTaken { owner } => format!("lock taken by {owner}"),
        Event::LockLost { reason } => format!("lock lost: {reason}"),
        Event::LockReleased => "lock released".to_owned(),
        Event::Bypassed { what, by, reason } => format!("bypass of {what:?} by {by}: {reason}"),
        Event::RunResumed { by } => format!("carried on by {by}"),
        Event::AbortRequested { by } => format!("abort by {by}"),
        Event::RunEnded { outcome } => format!("ended {}", outcome.name()),
    }
}

impl EffectHandler for Story {
    async fn change_pins(&self, pins: &PinMove) -> Result<(), String> {
        if let Some(message) = &self.desired_error {
            return Err(message.clone());
        }
        if self.dies_before_pins {
            return std::future::pending().await;
        }
        let mut standing = locked(&self.pins);
        if *standing != Some(pins.to.clone()) {
            self.say(format!("change pins: {}", pins.to.lines().join(", ")));
            *standing = Some(pins.to.clone());
        }
        Ok(())
    }

    async fn pins_stand(&self, pins: &PinChange) -> Result<bool, String> {
        Ok(*locked(&self.pins) == Some(pins.clone()))
    }

    async fn perform(&self, request: &Request<'_>) -> EffectOutcome {
        let Request { node, effect, key, branch, .. } = *request;
        let index = index_of(key);
        self.say(format!("send {node}/{index}"));
        if self.cancel_at == Some(self.sent()) {
            self.cancel.cancel();
        }
        let (answer, wait) = {
            let peers = locked(&self.peers);
            (peers[node].answer, peers[node].answers_after)
        };
        tokio::time::sleep(wait).await;
        let verify = matches!(effect, Effect::Verify { .. });
        let changes = !verify && (!tells(effect) || self.told_only());
        if tells(effect)
            && matches!(answer, Answer::Accepts | Answer::Refuses | Answer::DoubtTaken)
            && !(self.told_only() && answer == Answer::Refuses)
        {
            let mut peers = locked(&self.peers);
            let peer = peers.get_mut(node).expect("a target");
            tell(&mut peer.runs, effect);
            tell(&mut peer.promised, effect);
        }
        if changes && !self.told_only() && matches!(answer, Answer::Accepts | Answer::DoubtTaken) {
            let now = self.now();
            let mut peers = locked(&self.peers);
            let peer = peers.get_mut(node).expect("a target");
            peer.arrival = Some(Instant::now() + peer.arrives_after);
            if branch == Branch::Back {
                let told = peer.runs.clone();
                peer.promised = Observation {
                    version: peer.former.version.clone(),
                    content: peer.former.content,
                    ..told
                };
            }
            peer.promised.loaded_at = Some(now + SignedDuration::from_secs(peer.skew_s));
        }
        match answer {
            Answer::Misses => EffectOutcome::Missing { message: "no such file".to_owned() },
            Answer::Refuses if changes => {
                EffectOutcome::Refused { message: "bad signature".to_owned() }
            }
            Answer::DoubtTaken | Answer::DoubtLost if changes => {
                EffectOutcome::InDoubt { message: "no answer within 5 s".to_owned() }
            }
            _ => EffectOutcome::Accepted { detail: effect.sentence() },
        }
    }

    fn refused(&self) -> BTreeSet<ContentDigest> {
        locked(&self.refused).clone()
    }

    async fn set_difference(&self, _plan: &Plan) -> Option<String> {
        locked(&self.difference).clone()
    }

    async fn measure(
        &self,
        _check: &GateCheck,
        _nodes: &[NodeId],
        _since: Timestamp,
    ) -> Result<i64, String> {
        locked(&self.figure).clone()
    }

    async fn observe(&self, nodes: &[NodeId]) -> Vec<(NodeId, Result<Observation, String>)> {
        let seen = self.look(nodes);
        tokio::time::sleep(self.look_takes).await;
        seen
    }
}

impl Story {
    fn look(&self, nodes: &[NodeId]) -> Vec<(NodeId, Result<Observation, String>)> {
        let mut peers = locked(&self.peers);
        let now = Instant::now();
        let mut seen = Vec::new();
        for node in nodes {
            let peer = peers.get_mut(node).expect("a target");
            if peer.arrival.is_some_and(|arrival| arrival <= now) {
                peer.runs = peer.promised.clone();
            }
            if !peer.forgotten {
                let loaded_at = peer.runs.loaded_at.filter(|_| peer.tells_loaded_at);
                seen.push((node.clone(), Ok(Observation { loaded_at, ..peer.runs.clone() })));
            }
        }
        seen
    }
}
