//! Which engine answers by a pack, and the one in this process.

use std::{
    io,
    num::NonZero,
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use jiff::Timestamp;
use plumb_decide::{Answer, Entrypoint, Question, Reason};
use plumb_worker::{PoolOptions, ProcessLimits, Program, WorkerPool};
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{DECISION_LIMIT, TrialLimits};
use crate::{
    engine::{EngineError, EngineThreads, EngineUnavailable, LoadedPolicy, Probe, check_probe},
    fetch::{Activate, VerifiedPack},
    limits::ENGINE_THREADS_MAX,
};

/// The decision of the field's pack, asked where nobody names another.
const DECISION: &str = "cos/abac/allow";
/// Processes in which a pack is tried.
const POOL_SIZE: usize = 1;

/// Who answers by a pack.
#[derive(Debug, Clone)]
pub enum PackEngine {
    /// This process: Rego of packs, and signed bundles in packs.
    Embedded(Box<EmbeddedSettings>),
    /// An engine beside the agent; the agent tells what is in force and decides nothing itself.
    Beside(Arc<dyn Activate>),
}

impl From<Arc<dyn Activate>> for PackEngine {
    fn from(engine: Arc<dyn Activate>) -> Self {
        Self::Beside(engine)
    }
}

/// How packs are evaluated in this process.
#[derive(Debug, Clone)]
pub struct EmbeddedSettings {
    /// What is started as the evaluation process; it calls `plumb_worker::child::run_if_asked` first.
    pub program: Program,
    /// What `POST /evaluate` asks a pack of Rego.
    pub decision: Entrypoint,
    /// Asked before a pack comes into force, and again while it proves itself.
    pub probes: Vec<Probe>,
    /// Threads that evaluate.
    pub threads: usize,
    /// Longest time of one decision.
    pub limit: Duration,
    pub trial: TrialLimits,
}

impl EmbeddedSettings {
    /// The decision of the field's pack, without probes of one's own, on as many threads as there are
    /// processors.
    pub fn new(program: Program) -> Self {
        Self {
            program,
            decision: DECISION.parse().expect("the field's decision is an entry point"),
            probes: Vec::new(),
            threads: thread::available_parallelism().map_or(1, NonZero::get),
            limit: DECISION_LIMIT,
            trial: TrialLimits::default(),
        }
    }

    /// The same, evaluated by this very program.
    pub fn of_this_program() -> io::Result<Self> {
        Ok(Self::new(Program::current()?))
    }

    /// Names what `POST /evaluate` asks. Refuses what is no entry point.
    pub fn decide_by(&mut self, path: &str) -> Result<(), Reason> {
        self.decision = path.parse()?;
        Ok(())
    }

    /// Adds a question; without an answer that is expected any will do.
    pub fn probe(
        &mut self,
        path: &str,
        input: Value,
        expected: Option<Value>,
    ) -> Result<(), Reason> {
        let question = Question { entrypoint: path.parse()?, input, now: Timestamp::UNIX_EPOCH };
        question.check()?;
        let expected = expected.map(|value| match value {
            Value::Bool(true) => Answer::Allow,
            Value::Bool(false) => Answer::Deny,
            value => Answer::Value { value },
        });
        self.probes.push(Probe { question, expected });
        Ok(())
    }

    /// What is asked of every pack, as of `now`; at the least whether its decision can be made at all.
    fn probes(&self, now: Timestamp) -> Vec<Probe> {
        if !self.probes.is_empty() {
            let mut probes = self.probes.clone();
            for probe in &mut probes {
                probe.question.now = now;
            }
            return probes;
        }
        let input = Value::Object(Map::new());
        let entrypoint = self.decision.clone();
        vec![Probe { question: Question { entrypoint, input, now }, expected: None }]
    }
}

/// The engine of this process, running.
#[derive(Debug)]
pub(crate) struct EmbeddedEngine {
    settings: EmbeddedSettings,
    /// Begun with the first pack of Rego, as the process is: an agent of first-match lists needs neither.
    threads: OnceLock<EngineThreads>,
    pool: OnceLock<WorkerPool>,
    stop: CancellationToken,
}

impl EmbeddedEngine {
    /// The evaluation process, once there is one, ends with `stop`.
    pub(crate) fn new(settings: EmbeddedSettings, stop: CancellationToken) -> Self {
        Self { settings, threads: OnceLock::new(), pool: OnceLock::new(), stop }
    }

    /// The decision that is asked where nobody names another.
    pub(crate) fn decision(&self) -> &Entrypoint {
        &self.settings.decision
    }

    fn threads(&self) -> Result<&EngineThreads, EngineError> {
        if let Some(threads) = self.threads.get() {
            return Ok(threads);
        }
        let threads = EngineThreads::start(self.settings.threads.min(ENGINE_THREADS_MAX));
        let threads = threads.map_err(EngineError::Threads)?;
        Ok(self.threads.get_or_init(|| threads))
    }

    /// The answer of a policy that was loaded here.
    pub(crate) async fn ask(
        &self,
        policy: &LoadedPolicy,
        question: Question,
    ) -> Result<Answer, EngineUnavailable> {
        let threads = self.threads.get().ok_or(EngineUnavailable::Stopped)?;
        threads.ask(policy, question, self.settings.limit).await
    }

    fn pool(&self) -> &WorkerPool {
        self.pool.get_or_init(|| {
            let options = PoolOptions {
                program: self.settings.program.clone(),
                limits: ProcessLimits::default(),
                size: POOL_SIZE,
            };
            WorkerPool::start(options, self.stop.clone())
        })
    }

    /// Tries a pack in the evaluation process, and then asks it the same here, before anybody else can.
    pub(crate) async fn load(
        &self,
        pack: &VerifiedPack,
        now: Timestamp,
    ) -> Result<LoadedPolicy, EngineError> {
        self.threads()?;
        let probes = self.settings.probes(now);
        let policy = LoadedPolicy::load_pack(pack, self.pool(), &probes).await?;
        self.probe(&policy, now).await?;
        Ok(policy)
    }

    /// Asks the probes of a policy that is loaded. One that finds no thread free says nothing.
    pub(crate) async fn probe(
        &self,
        policy: &LoadedPolicy,
        now: Timestamp,
    ) -> Result<(), EngineError> {
        for (index, probe) in self.settings.probes(now).iter().enumerate() {
            match self.ask(policy, probe.question.clone()).await {
                Ok(answer) => check_probe(index + 1, probe, answer)?,
                Err(EngineUnavailable::Busy | EngineUnavailable::Stopped) => {}
            }
        }
        Ok(())
    }

    /// Waits until the evaluation process has ended.
    pub(crate) async fn close(&self) {
        if let Some(pool) = self.pool.get() {
            pool.close().await;
        }
    }
}
