//! Everything between consoles, nodes and the lock: messages that are lost, late, doubled, overtaken.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use plumb_exec::Observation;
use plumb_fleet::{ContentDigest, NodeApi, NodeId};
use plumb_journal::EffectOutcome;
use plumb_runbook::GateCheck;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep, timeout},
};

use crate::{
    checker::{Checker, Seen},
    fleet::{Loading, Nodes},
};

/// How long a console waits for an answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Longest time a message is under way. What was not seen to happen by its deadline (30 s after the
/// console gave up waiting) does not happen later.
const LATE_MS_MAX: u64 = 20_000;
/// How long a lease lasts.
pub const LEASE: Duration = Duration::from_mins(1);

/// How likely things go wrong, in a thousand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    pub lost: u32,
    pub late: u32,
    pub doubled: u32,
    pub silent_look: u32,
    pub crash: u32,
    pub full_disk: u32,
    pub slow_disk: u32,
}

/// The world outside the consoles.
#[derive(Debug)]
pub struct Outside {
    pub rng: StdRng,
    pub nodes: Nodes,
    pub checker: Checker,
    pub refused: BTreeSet<ContentDigest>,
    pub members: BTreeSet<NodeId>,
    pub faults: Faults,
    /// Errors in a million decisions; nothing where nobody answers.
    pub error_ppm: Option<i64>,
    /// Whether this fleet has a deployment lock.
    pub locks: bool,
    holder: Option<(String, Instant)>,
    /// What went wrong, and how often.
    pub happened: BTreeMap<Fault, u32>,
    /// Requests to each node: how many left, and the newest that arrived.
    sent: BTreeMap<NodeId, (u64, u64)>,
}

/// One way in which things go wrong; each has to come about, or nothing is shown of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    RequestLost,
    AnswerLost,
    RequestLate,
    AnswerLate,
    RequestDoubled,
    /// A request arrives after one that left later.
    RequestOvertaken,
    SilentLook,
    CrashBeforeWrite,
    CrashAfterWrite,
    /// Between two instructions.
    Crash,
    FullDisk,
    SlowDisk,
    ClockSet,
    NodeChanged,
    NodeDown,
    NodeRefuses,
    ContentRefused,
    MembersChanged,
    /// A console asks for the lock that another one holds.
    LockContested,
    /// Effects of a run leave while those of another one are under way.
    TwoConsoles,
}

impl Fault {
    pub const ALL: [Self; 20] = [
        Self::RequestLost,
        Self::AnswerLost,
        Self::RequestLate,
        Self::AnswerLate,
        Self::RequestDoubled,
        Self::RequestOvertaken,
        Self::SilentLook,
        Self::CrashBeforeWrite,
        Self::CrashAfterWrite,
        Self::Crash,
        Self::FullDisk,
        Self::SlowDisk,
        Self::ClockSet,
        Self::NodeChanged,
        Self::NodeDown,
        Self::NodeRefuses,
        Self::ContentRefused,
        Self::MembersChanged,
        Self::LockContested,
        Self::TwoConsoles,
    ];
}

/// The same, shared by everybody.
#[derive(Debug, Clone)]
pub struct Sim(Arc<Mutex<Outside>>);

impl Sim {
    pub fn new(seed: u64, nodes: Nodes) -> Self {
        let members = nodes.by_id.keys().cloned().collect();
        Self(Arc::new(Mutex::new(Outside {
            rng: StdRng::seed_from_u64(seed ^ 0x6e65_7477_6f72_6b00),
            nodes,
            checker: Checker::default(),
            refused: BTreeSet::new(),
            members,
            faults: Faults::default(),
            error_ppm: Some(0),
            locks: false,
            holder: None,
            happened: BTreeMap::new(),
            sent: BTreeMap::new(),
        })))
    }

    pub fn lock(&self) -> MutexGuard<'_, Outside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an effect and waits for the answer, as an HTTP client would.
    pub async fn request(&self, seen: Seen) -> EffectOutcome {
        let Some((first, second)) = self.lock().route(&seen.node) else {
            sleep(Duration::from_millis(2)).await;
            return EffectOutcome::Refused { message: "connection refused".to_owned() };
        };
        let (answer, answered) = oneshot::channel();
        let number = self.lock().leaves(&seen.node);
        tokio::spawn(self.clone().carry((seen.clone(), number), first, Some(answer)));
        if let Some(second) = second {
            tokio::spawn(self.clone().carry((seen, number), second, None));
        }
        match timeout(ANSWER, answered).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => EffectOutcome::InDoubt { message: "connection reset".to_owned() },
            Err(_) => EffectOutcome::InDoubt { message: "no answer within 5 s".to_owned() },
        }
    }

    /// One copy of a request on its way, and its answer back. It goes on when the console is gone.
    async fn carry(
        self,
        (seen, number): (Seen, u64),
        way: Way,
        answer: Option<oneshot::Sender<EffectOutcome>>,
    ) {
        sleep(Duration::from_millis(way.there_ms)).await;
        if way.lost {
            return;
        }
        let delivered = {
            let outside = &mut *self.lock();
            outside.arrives(&seen.node, number);
            outside.nodes.deliver(&seen, &mut outside.checker)
        };
        let Some((outcome, loading)) = delivered else { return };
        if let Some(loading) = loading {
            tokio::spawn(self.clone().load(loading));
        }
        sleep(Duration::from_millis(way.back_ms)).await;
        if !way.answer_lost
            && let Some(answer) = answer
        {
            let _ = answer.send(outcome);
        }
    }

    async fn load(self, loading: Loading) {
        sleep(Duration::from_millis(loading.after_ms)).await;
        self.lock().nodes.loaded(loading);
    }

    /// Looks at nodes: each answers with what it shows at some moment of the look.
    pub async fn observe(&self, nodes: &[NodeId]) -> Vec<(NodeId, Result<Observation, String>)> {
        let before = self.lock().ms(1, 30);
        sleep(Duration::from_millis(before)).await;
        let (seen, silent) = {
            let outside = &mut *self.lock();
            let mut silent = false;
            let look = |id: &NodeId| {
                if outside.chance(outside.faults.silent_look) {
                    outside.note(Fault::SilentLook);
                    silent = true;
                    return (id.clone(), Err("no answer within 5 s".to_owned()));
                }
                (id.clone(), outside.nodes.observe(id))
            };
            (nodes.iter().map(look).collect(), silent)
        };
        let after = if silent { 5_000 } else { self.lock().ms(1, 30) };
        sleep(Duration::from_millis(after)).await;
        seen
    }

    pub async fn measure(&self, check: &GateCheck) -> Result<i64, String> {
        let pause = self.lock().ms(1, 200);
        sleep(Duration::from_millis(pause)).await;
        match check {
            GateCheck::ErrorRate { .. } => {
                self.lock().error_ppm.ok_or_else(|| "no answer within 5 s".to_owned())
            }
            _ => Err("is not measured here".to_owned()),
        }
    }

    /// Asks for the lock: granted to its holder and when nobody holds it.
    pub async fn hold(&self, owner: &str) -> Option<Result<Duration, String>> {
        let (there, back, lost) = self.lock().round_trip();
        sleep(Duration::from_millis(there)).await;
        let answer = self.lock().grant(owner);
        sleep(Duration::from_millis(back)).await;
        (!lost).then_some(answer)
    }

    pub async fn release(&self, owner: &str) {
        sleep(Duration::from_millis(1)).await;
        let mut outside = self.lock();
        if outside.holder.as_ref().is_some_and(|(holder, _)| holder == owner) {
            outside.holder = None;
        }
    }
}

/// What happens to one copy of a message.
#[derive(Debug, Clone, Copy)]
struct Way {
    lost: bool,
    there_ms: u64,
    answer_lost: bool,
    back_ms: u64,
}

impl Outside {
    pub fn chance(&mut self, in_thousand: u32) -> bool {
        in_thousand > 0 && self.rng.random_range(0..1_000_u32) < in_thousand
    }

    pub fn ms(&mut self, least: u64, most: u64) -> u64 {
        self.rng.random_range(least..=most)
    }

    fn way(&mut self) -> Way {
        let faults = self.faults;
        let there_late = self.chance(faults.late);
        let there_ms = if there_late { self.ms(100, LATE_MS_MAX) } else { self.ms(1, 60) };
        let back_late = self.chance(faults.late);
        let back_ms = if back_late { self.ms(100, 8_000) } else { self.ms(1, 60) };
        let (lost, answer_lost) = (self.chance(faults.lost), self.chance(faults.lost));
        for (went_wrong, fault) in [
            (there_late, Fault::RequestLate),
            (back_late, Fault::AnswerLate),
            (lost, Fault::RequestLost),
            (answer_lost, Fault::AnswerLost),
        ] {
            if went_wrong {
                self.note(fault);
            }
        }
        Way { lost, there_ms, answer_lost, back_ms }
    }

    pub fn note(&mut self, fault: Fault) {
        *self.happened.entry(fault).or_default() += 1;
    }

    /// Numbers a request to a node.
    fn leaves(&mut self, node: &NodeId) -> u64 {
        let (left, _) = self.sent.entry(node.clone()).or_default();
        *left += 1;
        *left
    }

    fn arrives(&mut self, node: &NodeId, number: u64) {
        let (_, newest) = self.sent.entry(node.clone()).or_default();
        let overtaken = number < *newest;
        *newest = number.max(*newest);
        if overtaken {
            self.note(Fault::RequestOvertaken);
        }
    }

    /// The ways of a request and of its double; nothing where no connection comes to be. Only agents
    /// are sent doubles: TCP brings a request once, and what repeats it at agents is their own proxy.
    fn route(&mut self, node: &NodeId) -> Option<(Way, Option<Way>)> {
        let node = self.nodes.by_id.get(node).filter(|node| node.up)?;
        let agent = node.api == NodeApi::Agent;
        let first = self.way();
        let doubled = agent && self.chance(self.faults.doubled);
        let second =
            doubled.then(|| Way { lost: false, there_ms: self.ms(1, LATE_MS_MAX), ..first });
        if second.is_some() {
            self.note(Fault::RequestDoubled);
        }
        Some((first, second))
    }

    fn round_trip(&mut self) -> (u64, u64, bool) {
        let way = self.way();
        (way.there_ms.min(3_000), way.back_ms.min(3_000), way.lost)
    }

    fn grant(&mut self, owner: &str) -> Result<Duration, String> {
        let now = Instant::now();
        match &self.holder {
            Some((holder, until)) if holder != owner && *until > now => {
                let holder = holder.clone();
                self.note(Fault::LockContested);
                Err(holder)
            }
            _ => {
                self.holder = Some((owner.to_owned(), now + LEASE));
                Ok(LEASE)
            }
        }
    }

    /// Whether somebody holds the lock now, where there is one.
    pub fn holds(&self, owner: &str) -> Result<(), String> {
        if !self.locks {
            return Ok(());
        }
        match &self.holder {
            Some((holder, until)) if holder == owner && *until > Instant::now() => Ok(()),
            Some((holder, _)) => Err(format!("{holder} had it")),
            None => Err("nobody had it".to_owned()),
        }
    }
}
