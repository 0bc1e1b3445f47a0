//! The child's side: read a call, answer it, nothing else.

mod guards;

use std::{
    collections::BTreeSet,
    io::{self, Stdout},
    process::ExitCode,
    sync::mpsc::{Receiver, sync_channel},
    thread,
    time::{Duration, Instant},
};

use plumb_decide::{
    Answer, Prepared, Question, Reason, RegoPolicy, RegoSource, Step, limits::INDEX_QUESTIONS_MIN,
};
use plumb_fleet::ids::Digest;

use crate::{
    call::{Call, Reply},
    frame::{FrameError, read_call, write_reply},
    limits::{REPORT_EVERY, STACK_BYTES},
};
use guards::Held;

/// The hidden subcommand that makes this program the evaluation process.
pub const SUBCOMMAND: &str = "eval-worker";

/// Calls read ahead: one is worked on, and the parent sends the next only after its answers.
const CALLS_AHEAD_MAX: usize = 1;

/// Runs the evaluation process if the arguments of this one ask for it, and tells how it ended. The
/// first thing a program does: whatever it opened before would be taken away here.
pub fn run_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    (arguments.next()? == SUBCOMMAND).then(|| {
        let limits: Option<Vec<u64>> = arguments
            .map(|argument| argument.to_str().and_then(|text| text.parse().ok()))
            .collect();
        match limits.as_deref() {
            Some([memory_mb, processor_s]) => run(*memory_mb, *processor_s),
            // Only a person sees this: the program itself always gives both.
            _ => end("it is started by this program only, with its limits"),
        }
    })
}

/// Takes everything away from this process that it does not need, then answers calls from standard
/// input until that is closed.
fn run(memory_mb: u64, processor_s: u64) -> ExitCode {
    let held = match Held::before_threads(memory_mb, processor_s) {
        Ok(held) => held,
        Err(error) => return end(&error.to_string()),
    };
    let (calls, next) = sync_channel(CALLS_AHEAD_MAX);
    let (ready, start) = sync_channel::<(Held, Stdout)>(1);
    let (started, is_started) = sync_channel(1);
    let evaluation = thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
        let _ = started.send(());
        if let Ok((held, out)) = start.recv() {
            evaluate(&next, &held, out);
        }
        // The parent is gone or no longer listens; the other thread waits for it in vain.
        std::process::exit(0);
    });
    if let Err(error) = evaluation {
        return end(&format!("its thread does not start: {error}"));
    }
    // A thread on its way in asks the system for its own stack: without that an overflow is told
    // as a plain violation.
    if is_started.recv().is_err() {
        return end("its thread did not start");
    }
    let guards = match held.after_threads() {
        Ok(guards) => guards,
        Err(error) => return end(&error.to_string()),
    };
    let mut out = io::stdout();
    if write_reply(&mut out, &Reply::Ready { guards }).is_err() || ready.send((held, out)).is_err()
    {
        return ExitCode::SUCCESS;
    }
    // Reading here and evaluating there: the end of the parent ends an evaluation at once.
    let mut input = io::stdin().lock();
    loop {
        match read_call::<Call>(&mut input) {
            Ok(call) => {
                if calls.send(call).is_err() {
                    return ExitCode::SUCCESS;
                }
            }
            Err(FrameError::Closed) => return ExitCode::SUCCESS,
            Err(error) => return end(&error.to_string()),
        }
    }
}

fn end(why: &str) -> ExitCode {
    use io::Write as _;
    // Standard error is all that is left to tell; without it the exit code stays.
    let _ = writeln!(io::stderr(), "{SUBCOMMAND}: {why}");
    ExitCode::FAILURE
}

fn evaluate(calls: &Receiver<Call>, held: &Held, mut out: Stdout) {
    let mut prepared = Prepared::default();
    while let Ok(call) = calls.recv() {
        let done = match call {
            Call::Prepare { digest, source } => {
                prepare(&mut prepared, held, digest, &source, &mut out)
            }
            Call::Ask { digest, questions, limit_ms } => {
                let limit = Duration::from_millis(limit_ms);
                ask(&mut prepared, held, digest, &questions, limit, &mut out)
            }
            Call::Outline { source } => {
                held.next_step();
                let reply = match source.outline() {
                    Ok(traced) => Reply::Outlined { traced },
                    Err(reason) => Reply::Refused { reason },
                };
                write_reply(&mut out, &reply)
            }
        };
        if done.is_err() {
            return;
        }
    }
}

fn prepare(
    prepared: &mut Prepared,
    held: &Held,
    digest: Digest,
    source: &RegoSource,
    out: &mut Stdout,
) -> Result<(), FrameError> {
    held.next_step();
    let policy = if let Some(policy) = prepared.get(digest) {
        policy
    } else {
        let mut reports = Reports { last: Instant::now(), any: false, out };
        let made = RegoPolicy::prepare_in_steps(source, digest, |step| {
            reports.before(step, source.modules.len())
        });
        match made {
            Ok(policy) => prepared.keep(digest, Ok(policy)),
            Err(Stopped::Refused(reason)) => prepared.keep(digest, Err(reason)),
            Err(Stopped::Pipe(error)) => return Err(error),
        }
    };
    let reply = match policy {
        Ok(policy) => Reply::Prepared {
            refused_builtins: policy.refused_builtins().into_iter().map(str::to_owned).collect(),
        },
        Err(reason) => Reply::Refused { reason },
    };
    write_reply(out, &reply)
}

/// Why a policy is not prepared.
enum Stopped {
    Refused(Reason),
    Pipe(FrameError),
}

impl From<Reason> for Stopped {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

/// What the parent is told while a policy is parsed: nothing of a small one.
struct Reports<'a> {
    last: Instant,
    any: bool,
    out: &'a mut Stdout,
}

impl Reports<'_> {
    fn before(&mut self, step: Step, all: usize) -> Result<(), Stopped> {
        let (modules, due) = match step {
            Step::Look => return Ok(()),
            Step::Parse(modules) => (modules, false),
            // The analysis takes a while, so the rest is told now.
            Step::Analyse => (all, self.any),
        };
        if !due && self.last.elapsed() < REPORT_EVERY {
            return Ok(());
        }
        (self.last, self.any) = (Instant::now(), true);
        write_reply(self.out, &Reply::Parsed { modules }).map_err(Stopped::Pipe)
    }
}

fn ask(
    prepared: &mut Prepared,
    held: &Held,
    digest: Digest,
    questions: &[Question],
    limit: Duration,
    out: &mut Stdout,
) -> Result<(), FrameError> {
    let policy: Result<_, Reason> = match prepared.get(digest) {
        Some(policy) => policy,
        None => return write_reply(out, &Reply::Unknown),
    };
    held.next_step();
    if let Ok(policy) = &policy
        && questions.len() >= INDEX_QUESTIONS_MIN
    {
        policy.index();
    }
    for question in questions {
        held.next_step();
        let (answer, held) = match &policy {
            Ok(policy) => policy.trace(question, limit),
            Err(reason) => (Answer::NotEvaluated { reason: reason.clone() }, BTreeSet::new()),
        };
        write_reply(out, &Reply::Answer { answer, held })?;
    }
    Ok(())
}
