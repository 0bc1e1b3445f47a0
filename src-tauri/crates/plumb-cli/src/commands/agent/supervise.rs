//! `agent serve --supervised`: a parent that does nothing but start the agent again.
//!
//! An input that overflows the engine's stack ends the agent's process; no guard inside it can help
//! that. The parent starts another at once, which loads the last known good bundle and answers. The
//! parent's end of a pipe is the child's standard input: it closes however the parent ends, and the
//! agent then stops as if it was told to.

use std::{
    ffi::OsString,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tokio::process::{Child, Command};

use crate::{
    commands::demo::stop_signal,
    exit::{Exit, Failure, Outcome},
    output::Output,
};

/// The public flag, and what the child is given in its place.
const SUPERVISED: &str = "--supervised";
const UNTIL_STDIN_ENDS: &str = "--until-stdin-ends";

/// The first restart is at once: somebody waits for an answer. An agent that ends again and again is
/// not started more often than this.
const DELAY_FIRST: Duration = Duration::from_millis(100);
const DELAY_MAX: Duration = Duration::from_secs(5);
/// An agent that ran this long is well: its next end counts as the first.
const WELL_AFTER: Duration = Duration::from_mins(1);
/// How long an agent may finish its requests; longer than it gives itself.
const STOP_MAX: Duration = Duration::from_secs(10);
/// The language's code for a panic of the main thread.
const PANICKED: i32 = 101;

/// Runs this program again without the flag, and once more whenever that crashes.
pub(super) async fn supervise(out: &Output) -> Outcome {
    let stop = stop_signal()?;
    tokio::pin!(stop);
    let mut delay = Duration::ZERO;
    loop {
        let began = Instant::now();
        let mut child = start()?;
        // Waiting for a child closes its input, so that is kept apart.
        let input = child.stdin.take();
        let status = tokio::select! {
            status = child.wait() => status.map_err(|error| lost(&error))?,
            () = &mut stop => {
                drop(input);
                return stopped(&mut child).await;
            }
        };
        if let Some(exit) = ended_by_itself(status) {
            return Ok(exit);
        }
        delay = if began.elapsed() >= WELL_AFTER { Duration::ZERO } else { delay };
        out.note(
            out.style.bad(&format!("WARNING: the agent crashed ({status}); starting it again")),
        );
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = &mut stop => return Ok(Exit::Fine),
        }
        delay = (delay * 2).clamp(DELAY_FIRST, DELAY_MAX);
    }
}

fn start() -> Result<Child, Failure> {
    let not_started = |error: std::io::Error| {
        Failure::internal(
            format!("the agent does not start: {error}"),
            "try it without --supervised",
        )
    };
    let program = std::env::current_exe().map_err(not_started)?;
    let mut command = Command::new(program);
    command.args(arguments(std::env::args_os().skip(1)));
    command.stdin(Stdio::piped()).kill_on_drop(true).spawn().map_err(not_started)
}

fn arguments(own: impl Iterator<Item = OsString>) -> Vec<OsString> {
    own.map(|argument| if argument == SUPERVISED { UNTIL_STDIN_ENDS.into() } else { argument })
        .collect()
}

fn lost(error: &std::io::Error) -> Failure {
    Failure::internal(format!("the agent cannot be waited for: {error}"), "start it again")
}

/// After its input was closed.
async fn stopped(child: &mut Child) -> Outcome {
    match tokio::time::timeout(STOP_MAX, child.wait()).await {
        Ok(Ok(status)) => Ok(ended_by_itself(status).unwrap_or(Exit::Internal)),
        Ok(Err(error)) => Err(lost(&error)),
        Err(_) => {
            child.kill().await.map_err(|error| lost(&error))?;
            Ok(Exit::Internal)
        }
    }
}

/// The code of an agent that ended on purpose; nothing for a crash. Bad settings end it on purpose,
/// and would do so again.
fn ended_by_itself(status: ExitStatus) -> Option<Exit> {
    match status.code() {
        None | Some(PANICKED) => None,
        Some(0) => Some(Exit::Fine),
        Some(1) => Some(Exit::Drift),
        Some(2) => Some(Exit::Usage),
        Some(3) => Some(Exit::Unreachable),
        Some(4) => Some(Exit::Confirmation),
        Some(_) => Some(Exit::Internal),
    }
}
