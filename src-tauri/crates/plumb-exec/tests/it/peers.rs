//! Nodes, a journal and a clock in memory, which write down what happened in one order.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use plumb_exec::{Clock, EffectHandler, Journal, JournalError, Observation, Request, execute};
use plumb_fleet::{NamedContent, NodeId, RunId};
use plumb_journal::{
    ChainVerdict, EffectOutcome, Entry, Event, Head, Outcome, RunState, fold, verify,
};
use plumb_runbook::{
    Action, ApprovedPlan, Confirmation, DesiredChange, Effect, PinChange, Plan, Rung, approve,
    plan, rung,
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
        let plan = plan(action, None, world.input()).expect("the action can be planned");
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

fn line(event: &Event) -> String {
    match event {
        Event::RunStarted { operator, targets, .. } => {
            format!("run by {operator}, {targets} nodes")
        }
        Event::DesiredSet { version, .. } => format!("desired {version}"),
        Event::PinsChanged { pins } => format!("pins {}", pins.lines().join(", ")),
        Event::EffectStarted { node, index, .. } => format!("intent {node}/{index}"),
        Event::EffectFinished { node, index, outcome, .. } => {
            format!("outcome {node}/{index}: {}", outcome.message())
        }
        Event::EffectSkipped { node, index, reason, .. } => {
            format!("skipped {node}/{index}: {reason}")
        }
        Event::NodeProven { node, arrived, detail, .. } => {
            format!("proven {node} arrived={arrived}: {detail}")
        }
        Event::AbortRequested { by } => format!("abort by {by}"),
        Event::RunEnded { outcome } => format!("ended {}", outcome.name()),
        other => format!("{other:?}"),
    }
}

impl EffectHandler for Story {
    async fn set_desired(&self, change: &DesiredChange) -> Result<(), String> {
        if let Some(message) = &self.desired_error {
            return Err(message.clone());
        }
        self.say(format!("set desired {}", change.version));
        Ok(())
    }

    async fn change_pins(&self, pins: &PinChange) -> Result<(), String> {
        if let Some(message) = &self.desired_error {
            return Err(message.clone());
        }
        self.say(format!("change pins: {}", pins.lines().join(", ")));
        Ok(())
    }

    async fn perform(&self, request: &Request<'_>) -> EffectOutcome {
        let Request { node, effect, key, .. } = *request;
        let index = key.rsplit('/').next().unwrap_or_default();
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
