//! A few processes kept ready, and replaced as they end.

use std::sync::{Arc, Mutex, PoisonError};

use plumb_decide::{Answer, ProcessEnd, Question, Reason, RegoSource, Traced};
use plumb_fleet::ids::Digest;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    call::Guards,
    follower::Follower,
    limits::{BATCH_BYTES_MAX, BATCH_QUESTIONS_MAX, ENDS_MAX, POOL_SIZE_MAX},
    process::{Asked, Process, ProcessLimits, Program, Told},
};

/// How a pool is made.
#[derive(Debug, Clone)]
pub struct PoolOptions {
    pub program: Program,
    pub limits: ProcessLimits,
    /// Processes at once, all kept ready; at least one and at most [`POOL_SIZE_MAX`].
    pub size: usize,
}

/// A policy that was parsed and compiled in a process and answered its probes there.
#[derive(Debug, Clone, PartialEq)]
pub struct Passed {
    pub digest: Digest,
    /// What each probe was answered, in order; none of them ended the process.
    pub probes: Vec<Answer>,
    /// Functions named in the policy whose call is not evaluated here.
    pub refused_builtins: Vec<String>,
}

/// Processes that evaluate policies of others. Clones are the same pool.
#[derive(Debug, Clone)]
pub struct WorkerPool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    options: PoolOptions,
    size: usize,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Process>>,
    tasks: TaskTracker,
    closing: CancellationToken,
}

impl WorkerPool {
    /// A pool that starts its processes in the background and ends with `closing`.
    pub fn start(options: PoolOptions, closing: CancellationToken) -> Self {
        let size = options.size.clamp(1, POOL_SIZE_MAX);
        let shared = Arc::new(Shared {
            options,
            size,
            places: Arc::new(Semaphore::new(size)),
            idle: Mutex::default(),
            tasks: TaskTracker::new(),
            closing,
        });
        for _ in 0..size {
            shared.warm_up();
        }
        let ending = Arc::clone(&shared);
        shared.tasks.spawn(async move {
            ending.closing.cancelled().await;
            ending.places.close();
            let idle = std::mem::take(&mut *ending.idle());
            for mut process in idle {
                process.stop().await;
            }
        });
        Self { shared }
    }

    /// Parses, compiles and probes a policy. An `Err` says why it may not be used.
    pub async fn prepare(
        &self,
        source: &RegoSource,
        probes: &[Question],
    ) -> Result<Passed, Reason> {
        source.check()?;
        self.pass(source, source.digest(), probes, &mut |_| {}).await
    }

    /// The same for a policy that this process will then ask itself: each module is parsed here as
    /// soon as the other process did, and [`Follower::analyse`] does the rest. Of a policy that does
    /// not pass nothing stays here.
    pub async fn prepare_followed(
        &self,
        source: Arc<RegoSource>,
        probes: &[Question],
    ) -> Result<(Passed, Follower), Reason> {
        source.check()?;
        let digest = source.digest();
        let follower = Follower::start(Arc::clone(&source), digest)?;
        let passed =
            self.pass(&source, digest, probes, &mut |modules| follower.parsed(modules)).await?;
        Ok((passed, follower))
    }

    async fn pass(
        &self,
        source: &RegoSource,
        digest: Digest,
        probes: &[Question],
        parsed: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Passed, Reason> {
        let mut work = Work::new(&self.shared).await?;
        let passed = work.pass(source, digest, probes, parsed).await;
        work.finish().await;
        passed
    }

    /// One answer for each question, in order. A question that ends a process is answered with how
    /// it ended, and the next is asked of another process.
    pub async fn evaluate(&self, source: &RegoSource, questions: &[Question]) -> Vec<Answer> {
        let told = self.trace(source, questions).await;
        told.into_iter().map(|told| told.answer).collect()
    }

    /// The same with the definitions that held, where `source` is a telling one.
    pub async fn trace(&self, source: &RegoSource, questions: &[Question]) -> Vec<Told> {
        let mut answers = Vec::with_capacity(questions.len());
        if let Err(reason) = source.check() {
            fill(&mut answers, questions.len(), &reason);
            return answers;
        }
        let digest = source.digest();
        let mut ends = 0;
        while answers.len() < questions.len() {
            if ends == ENDS_MAX {
                let end = ProcessEnd::TooOften { times: ends };
                fill(&mut answers, questions.len(), &Reason::Process { end });
                break;
            }
            match self.evaluate_until_an_end(source, digest, questions, &mut answers).await {
                Ok(()) => {}
                // It did not get as far as the questions, so none of them is to blame.
                Err(Ended::All(reason)) => fill(&mut answers, questions.len(), &reason),
                Err(Ended::Next(reason)) => {
                    answers.push(reason.into());
                    ends += 1;
                }
            }
        }
        answers
    }

    async fn evaluate_until_an_end(
        &self,
        source: &RegoSource,
        digest: Digest,
        questions: &[Question],
        answers: &mut Vec<Told>,
    ) -> Result<(), Ended> {
        let mut work = Work::new(&self.shared).await.map_err(Ended::All)?;
        let ended = work.answer(source, digest, questions, answers).await;
        work.finish().await;
        ended
    }

    /// Reads what a policy asks, for making requests and for naming the rules that answer.
    pub async fn outline(&self, source: &RegoSource) -> Result<Traced, Reason> {
        source.check()?;
        let mut work = Work::new(&self.shared).await?;
        let outlined = work.process.outline(source);
        let outlined = match self.shared.closing.run_until_cancelled(outlined).await {
            Some(Ok(outlined)) => outlined,
            Some(Err(end)) => Err(work.ended(end)),
            None => Err(work.stopped().await),
        };
        work.finish().await;
        outlined
    }

    /// What holds the processes in; nothing while none is ready.
    pub fn guards(&self) -> Option<Guards> {
        self.shared.idle().first().map(Process::guards)
    }

    /// The processes that are ready and without work.
    pub fn idle(&self) -> Vec<u32> {
        self.shared.idle().iter().filter_map(Process::id).collect()
    }

    /// Ends every process and waits for their ends. Work that is going on is answered as closing.
    pub async fn close(&self) {
        self.shared.closing.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

/// How a list of questions came to a stop.
enum Ended {
    /// Over the next question.
    Next(Reason),
    /// Before any question.
    All(Reason),
}

fn fill(answers: &mut Vec<Told>, count: usize, reason: &Reason) {
    answers.resize(count, reason.clone().into());
}

/// Questions in order, cut where a call would get large; one that may not be asked stands alone.
fn batches(questions: &[Question]) -> impl Iterator<Item = Result<Vec<&Question>, Reason>> {
    let mut rest = questions.iter().peekable();
    std::iter::from_fn(move || {
        if let Some(Err(reason)) = rest.peek().map(|question| question.check()) {
            rest.next();
            return Some(Err(reason));
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < BATCH_QUESTIONS_MAX && bytes < BATCH_BYTES_MAX {
            let Some(question) = rest.next_if(|question| question.check().is_ok()) else { break };
            bytes += question.bytes();
            batch.push(question);
        }
        (!batch.is_empty()).then_some(Ok(batch))
    })
}

impl Shared {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Process>> {
        // Nothing that holds the list can panic; a list is never half changed.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a process in the background unless there are enough.
    fn warm_up(self: &Arc<Self>) {
        let shared = Arc::clone(self);
        self.tasks.spawn(async move {
            let closing = shared.closing.clone();
            let Some(Ok(place)) =
                closing.run_until_cancelled(Arc::clone(&shared.places).acquire_owned()).await
            else {
                return;
            };
            // This task's own place counts as one.
            let busy = shared.size.saturating_sub(shared.places.available_permits());
            if shared.idle().len() + busy > shared.size {
                return;
            }
            let started = Process::start(&shared.options.program, shared.options.limits);
            match closing.run_until_cancelled(started).await {
                Some(Ok(process)) => shared.put_back(process, place).await,
                Some(Err(end)) => tracing::warn!(%end, "no evaluation process is kept ready"),
                None => {}
            }
        });
    }

    /// Keeps a process for the next work, unless the pool is closing.
    async fn put_back(&self, process: Process, place: OwnedSemaphorePermit) {
        let refused = {
            let mut idle = self.idle();
            if self.closing.is_cancelled() {
                Some(process)
            } else {
                idle.push(process);
                None
            }
        };
        if let Some(mut process) = refused {
            process.stop().await;
        }
        drop(place);
    }
}

/// One process at work, and its place in the pool.
struct Work<'a> {
    shared: &'a Arc<Shared>,
    place: OwnedSemaphorePermit,
    process: Process,
    /// Whether the process can still be asked.
    alive: bool,
}

fn closing() -> Reason {
    Reason::Process { end: ProcessEnd::Closing }
}

impl<'a> Work<'a> {
    async fn new(shared: &'a Arc<Shared>) -> Result<Self, Reason> {
        let place = Arc::clone(&shared.places).acquire_owned();
        let place = shared.closing.run_until_cancelled(place).await;
        let place = place.ok_or_else(closing)?.map_err(|_| closing())?;
        let mut ready = shared.idle().pop();
        while ready.as_mut().is_some_and(|process| !process.is_alive()) {
            ready = shared.idle().pop();
        }
        let process = if let Some(process) = ready {
            process
        } else {
            let started = Process::start(&shared.options.program, shared.options.limits);
            let started = shared.closing.run_until_cancelled(started).await;
            started.ok_or_else(closing)?.map_err(|end| Reason::Process { end })?
        };
        Ok(Self { shared, place, process, alive: true })
    }

    async fn pass(
        &mut self,
        source: &RegoSource,
        digest: Digest,
        probes: &[Question],
        parsed: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Passed, Reason> {
        let refused_builtins = self.prepare(source, digest, parsed).await?;
        let mut answers = Vec::new();
        for batch in batches(probes) {
            self.ask(source, digest, &batch?, &mut answers).await?;
        }
        let probes = answers.into_iter().map(|told| told.answer).collect();
        Ok(Passed { digest, probes, refused_builtins })
    }

    async fn answer(
        &mut self,
        source: &RegoSource,
        digest: Digest,
        questions: &[Question],
        answers: &mut Vec<Told>,
    ) -> Result<(), Ended> {
        if !self.process.was_told(digest) {
            self.prepare(source, digest, &mut |_| {}).await.map_err(Ended::All)?;
        }
        for batch in batches(&questions[answers.len()..]) {
            match batch {
                Ok(batch) => {
                    self.ask(source, digest, &batch, answers).await.map_err(Ended::Next)?;
                }
                Err(reason) => answers.push(reason.into()),
            }
        }
        Ok(())
    }

    async fn prepare(
        &mut self,
        source: &RegoSource,
        digest: Digest,
        parsed: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Vec<String>, Reason> {
        let prepared = self.process.prepare(source, digest, parsed);
        match self.shared.closing.run_until_cancelled(prepared).await {
            Some(Ok(prepared)) => prepared,
            Some(Err(end)) => Err(self.ended(end)),
            None => Err(self.stopped().await),
        }
    }

    async fn ask(
        &mut self,
        source: &RegoSource,
        digest: Digest,
        questions: &[&Question],
        answers: &mut Vec<Told>,
    ) -> Result<(), Reason> {
        // Once forgotten is once told again: nothing else is prepared in between.
        for _ in 0..2 {
            let asked = self.process.ask(digest, questions, answers);
            match self.shared.closing.run_until_cancelled(asked).await {
                Some(Ok(Asked::All)) => return Ok(()),
                Some(Ok(Asked::Unknown)) => {
                    self.prepare(source, digest, &mut |_| {}).await?;
                }
                Some(Err(end)) => return Err(self.ended(end)),
                None => return Err(self.stopped().await),
            }
        }
        let message = "it forgets its policies".to_owned();
        Err(Reason::Process { end: ProcessEnd::Garbage { message } })
    }

    fn ended(&mut self, end: ProcessEnd) -> Reason {
        tracing::debug!(%end, "an evaluation process ended");
        self.alive = false;
        Reason::Process { end }
    }

    async fn stopped(&mut self) -> Reason {
        self.process.stop().await;
        self.alive = false;
        closing()
    }

    /// Gives the process back; in place of one that ended or is worn, another is made ready.
    async fn finish(mut self) {
        if self.alive && !self.process.is_worn() {
            self.shared.put_back(self.process, self.place).await;
            return;
        }
        self.process.stop().await;
        drop(self.place);
        self.shared.warm_up();
    }
}
