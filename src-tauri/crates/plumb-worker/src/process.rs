//! One evaluation process, from the parent's side.

use std::{
    collections::BTreeSet,
    ffi::OsString,
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use plumb_decide::{Answer, ProcessEnd, Question, Reason, RegoSource, Traced};
use plumb_fleet::ids::Digest;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _},
    process::{Child, ChildStdin, ChildStdout, Command},
    task::JoinHandle,
    time::{Instant, timeout, timeout_at},
};

use crate::{
    call::{CallToWrite, Guards, Reply},
    child::SUBCOMMAND,
    frame::{FrameError, encode, read_reply},
    limits::{
        ANSWER_TIME_MAX, CALLS_MAX, END_TIME_MAX, LAST_WORDS_BYTES_MAX, MEMORY_MB,
        PREPARE_TIME_MAX, START_TIME_MAX, STEP_PROCESSOR_S,
    },
};

/// What is started as the evaluation process.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// This program again: its main function asks [`crate::child::run_if_asked`] first.
    pub fn current() -> io::Result<Self> {
        Ok(Self::new(std::env::current_exe()?, [SUBCOMMAND.into()]))
    }

    /// Another program that does the same. The limits follow the arguments.
    pub fn new(path: impl Into<PathBuf>, arguments: impl IntoIterator<Item = OsString>) -> Self {
        Self { path: path.into(), arguments: arguments.into_iter().collect() }
    }
}

/// How much one process may take.
#[derive(Debug, Clone, Copy)]
pub struct ProcessLimits {
    pub memory_mb: u64,
    /// Processor time of one step: preparing a policy, or one question.
    pub step_processor_s: u64,
    /// From a policy sent to its being prepared.
    pub prepare: Duration,
    /// From one answer to the next.
    pub answer: Duration,
    /// The evaluator's own limit for one question; shorter than `answer`.
    pub evaluation: Duration,
}

impl Default for ProcessLimits {
    fn default() -> Self {
        Self {
            memory_mb: MEMORY_MB,
            step_processor_s: STEP_PROCESSOR_S,
            prepare: PREPARE_TIME_MAX,
            answer: ANSWER_TIME_MAX,
            evaluation: plumb_decide::limits::DECISION_TIME_MAX,
        }
    }
}

/// A process that is ready. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
    last_words: JoinHandle<String>,
    limits: ProcessLimits,
    guards: Guards,
    /// Policies it was told, as far as the parent knows: it may have forgotten some.
    told: BTreeSet<Digest>,
    calls: usize,
    worn: bool,
}

impl Process {
    /// Starts one and waits until it is held in and ready.
    pub(crate) async fn start(
        program: &Program,
        limits: ProcessLimits,
    ) -> Result<Self, ProcessEnd> {
        let not_started = |message: String| ProcessEnd::NotStarted { message };
        let mut child = Command::new(&program.path)
            .args(&program.arguments)
            .arg(limits.memory_mb.to_string())
            .arg(limits.step_processor_s.to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| not_started(format!("{}: {error}", program.path.display())))?;
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = pipes else {
            return Err(not_started("it has no pipes".to_owned()));
        };
        let last_words = tokio::spawn(last_words(errors));
        let guards = Guards::none();
        let told = BTreeSet::new();
        let mut process =
            Self { child, input, output, last_words, limits, guards, told, calls: 0, worn: false };
        match process.reply(START_TIME_MAX).await {
            Ok(Reply::Ready { guards }) => {
                process.guards = guards;
                Ok(process)
            }
            Ok(_) => Err(not_started("it did not say that it is ready".to_owned())),
            Err(end) => Err(not_started(end.to_string())),
        }
    }

    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    pub(crate) fn guards(&self) -> Guards {
        self.guards
    }

    /// Whether it is still there; one may end while nothing is asked of it.
    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Whether it is time for another.
    pub(crate) fn is_worn(&self) -> bool {
        self.worn || self.calls >= CALLS_MAX
    }

    pub(crate) fn was_told(&self, digest: Digest) -> bool {
        self.told.contains(&digest)
    }

    /// Parses and compiles a policy there, and tells how many modules are parsed so far. The names
    /// are of builtins that end an evaluation.
    pub(crate) async fn prepare(
        &mut self,
        source: &RegoSource,
        digest: Digest,
        parsed: &mut (dyn FnMut(usize) + Send),
    ) -> Result<Result<Vec<String>, Reason>, ProcessEnd> {
        let limit = self.limits.prepare;
        self.call(&CallToWrite::Prepare { digest, source }, limit).await?;
        // Reports win no time.
        let until = Instant::now() + limit;
        let mut reported = None;
        loop {
            match self.reply_until(until, limit).await? {
                Reply::Parsed { modules }
                    if modules <= source.modules.len() && Some(modules) > reported =>
                {
                    reported = Some(modules);
                    parsed(modules);
                }
                Reply::Prepared { refused_builtins } => {
                    self.told.insert(digest);
                    return Ok(Ok(refused_builtins));
                }
                Reply::Refused { reason } => {
                    self.worn |= matches!(reason, Reason::Panicked { .. });
                    return Ok(Err(reason));
                }
                _ => return Err(self.out_of_turn().await),
            }
        }
    }

    /// Answers in order; fewer than questions when the process ended over the next one, or when it
    /// does not know the policy.
    pub(crate) async fn ask(
        &mut self,
        digest: Digest,
        questions: &[&Question],
        answers: &mut Vec<Told>,
    ) -> Result<Asked, ProcessEnd> {
        let limit_ms = self.limits.evaluation.as_millis().try_into().unwrap_or(u64::MAX);
        let call = CallToWrite::Ask { digest, questions, limit_ms };
        self.call(&call, self.limits.prepare).await?;
        for _ in questions {
            match self.reply(self.limits.answer).await? {
                Reply::Answer { answer, held } => {
                    let reason = if let Answer::NotEvaluated { reason } = &answer {
                        Some(reason)
                    } else {
                        None
                    };
                    self.worn |= matches!(reason, Some(Reason::Panicked { .. }));
                    answers.push(Told { answer, held });
                }
                Reply::Unknown => {
                    self.told.remove(&digest);
                    return Ok(Asked::Unknown);
                }
                _ => return Err(self.out_of_turn().await),
            }
        }
        Ok(Asked::All)
    }

    /// Reads what a policy asks there.
    pub(crate) async fn outline(
        &mut self,
        source: &RegoSource,
    ) -> Result<Result<Traced, Reason>, ProcessEnd> {
        let limit = self.limits.prepare;
        self.call(&CallToWrite::Outline { source }, limit).await?;
        match self.reply(limit).await? {
            Reply::Outlined { traced } => Ok(Ok(traced)),
            Reply::Refused { reason } => {
                self.worn |= matches!(reason, Reason::Panicked { .. });
                Ok(Err(reason))
            }
            _ => Err(self.out_of_turn().await),
        }
    }

    async fn call(&mut self, call: &CallToWrite<'_>, limit: Duration) -> Result<(), ProcessEnd> {
        self.calls += 1;
        let frame = encode(call);
        match timeout(limit, self.input.write_all(&frame)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.ended().await),
            Err(_) => Err(self.hung(limit).await),
        }
    }

    async fn reply(&mut self, limit: Duration) -> Result<Reply, ProcessEnd> {
        self.reply_until(Instant::now() + limit, limit).await
    }

    async fn reply_until(&mut self, until: Instant, limit: Duration) -> Result<Reply, ProcessEnd> {
        match timeout_at(until, read_reply(&mut self.output)).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(FrameError::Closed)) => Err(self.ended().await),
            Ok(Err(FrameError::TooLong { bytes, bytes_max })) => {
                self.stop().await;
                Err(ProcessEnd::AnswerTooLong { bytes, bytes_max })
            }
            Ok(Err(error)) => {
                self.stop().await;
                Err(ProcessEnd::Garbage { message: error.to_string() })
            }
            Err(_) => Err(self.hung(limit).await),
        }
    }

    async fn out_of_turn(&mut self) -> ProcessEnd {
        self.stop().await;
        ProcessEnd::Garbage { message: "a reply to another call".to_owned() }
    }

    async fn hung(&mut self, limit: Duration) -> ProcessEnd {
        self.stop().await;
        ProcessEnd::Hung { limit_ms: limit.as_millis().try_into().unwrap_or(u64::MAX) }
    }

    /// How a process ended that closed its output. One that only closed it is killed.
    async fn ended(&mut self) -> ProcessEnd {
        let Ok(Ok(status)) = timeout(END_TIME_MAX, self.child.wait()).await else {
            self.stop().await;
            return ProcessEnd::Garbage { message: "its output is closed".to_owned() };
        };
        let words = timeout(END_TIME_MAX, &mut self.last_words).await;
        let words = words.ok().and_then(Result::ok).unwrap_or_default();
        end_of(status, &words, self.limits)
    }

    /// Kills it and waits for its end, so that nothing of it is left.
    pub(crate) async fn stop(&mut self) {
        if let Err(error) =
            timeout(END_TIME_MAX, self.child.kill()).await.map_err(io::Error::from).flatten()
        {
            tracing::warn!(%error, "an evaluation process was not ended");
        }
    }
}

/// One answer, and which definitions of a telling policy held.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub answer: Answer,
    /// Numbers of the policy's outline; empty for any other policy.
    pub held: BTreeSet<usize>,
}

impl From<Reason> for Told {
    fn from(reason: Reason) -> Self {
        Self { answer: Answer::NotEvaluated { reason }, held: BTreeSet::new() }
    }
}

/// How a list of questions was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    All,
    /// The process forgot the policy.
    Unknown,
}

/// The end of what it says on standard error.
async fn last_words(mut errors: impl AsyncRead + Unpin) -> String {
    let mut end = Vec::new();
    let mut next = vec![0; LAST_WORDS_BYTES_MAX];
    while let Ok(count @ 1..) = errors.read(&mut next).await {
        end.extend_from_slice(&next[..count]);
        end.drain(..end.len().saturating_sub(LAST_WORDS_BYTES_MAX));
    }
    String::from_utf8_lossy(&end).into_owned()
}

/// An abort has one signal for every cause; the language's runtime names the two that matter here
/// in its last words, and nothing else does.
fn end_of(status: ExitStatus, last_words: &str, limits: ProcessLimits) -> ProcessEnd {
    let Some(signal) = signal_of(status) else {
        return ProcessEnd::Exited { code: status.code().unwrap_or(-1) };
    };
    match signal {
        SIGABRT if last_words.contains("has overflowed its stack") => ProcessEnd::StackOverflow,
        SIGABRT if last_words.contains("memory allocation of") => {
            ProcessEnd::Memory { limit_mb: limits.memory_mb }
        }
        SIGXCPU => ProcessEnd::ProcessorTime { limit_s: limits.step_processor_s },
        signal => ProcessEnd::Signal { signal },
    }
}

/// The same numbers on every Unix this runs on.
const SIGABRT: i32 = 6;
const SIGXCPU: i32 = 24;

#[cfg(unix)]
fn signal_of(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal_of(_: ExitStatus) -> Option<i32> {
    None
}
