//! A local program for a step: its words as they are, a clean environment, limits on time and output.

use std::{collections::BTreeMap, process::Stdio, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// How long a program may take to end when it is asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// Most that is kept of what it says on standard error.
const ERRORS_BYTES_MAX: usize = 64 * 1024;

/// What is run.
#[derive(Debug)]
pub(super) struct Program<'a> {
    pub argv: &'a [String],
    /// Nothing else is in its environment but the path.
    pub environment: BTreeMap<String, String>,
    pub folder: &'a Utf8Path,
    pub timeout: Duration,
    pub output_bytes_max: usize,
    /// Where it is noted as long as it runs.
    pub note: &'a Utf8Path,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// By itself; -1 where a signal ended it.
    Exit(i32),
    TimedOut,
    Stopped,
}

#[derive(Debug)]
pub(super) struct Ran {
    pub ended: Ended,
    pub output: Vec<u8>,
    /// More came than was kept.
    pub cut_off: bool,
    pub errors: Vec<u8>,
}

/// Runs a program in a process group of its own, to its end, its time limit, or until it is stopped.
/// An error means that it never began.
pub(super) async fn run(program: &Program<'_>, stop: &CancellationToken) -> std::io::Result<Ran> {
    let (name, words) = program.argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(resolved(name, program.folder));
    command
        .args(words)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs(&program.environment)
        .current_dir(program.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    if let Some(noted) = group.and_then(noted) {
        // Without the note a program that outlives us is not ended by whoever goes on with the run.
        if let Err(error) = std::fs::write(program.note, noted) {
            end(&mut child, group).await;
            return Err(error);
        }
    }
    let output = child.stdout.take().expect("it is piped");
    let errors = child.stderr.take().expect("it is piped");
    let reading = async {
        tokio::join!(kept(output, program.output_bytes_max), kept(errors, ERRORS_BYTES_MAX),)
    };
    let waiting = async {
        let how = tokio::select! {
            ended = timeout(program.timeout, child.wait()) => match ended {
                Ok(status) => Ended::Exit(status.ok().and_then(|it| it.code()).unwrap_or(-1)),
                Err(_) => Ended::TimedOut,
            },
            () = stop.cancelled() => Ended::Stopped,
        };
        if !matches!(how, Ended::Exit(_)) {
            end(&mut child, group).await;
        }
        how
    };
    tokio::pin!(reading);
    tokio::pin!(waiting);
    let ((output, cut_off), (errors, _), ended) = tokio::select! {
        (output, errors) = &mut reading => (output, errors, waiting.await),
        ended = &mut waiting => {
            // Something it started may hold the pipes open for as long as it likes.
            let read = timeout(GRACE, &mut reading).await;
            let (output, errors) = read.unwrap_or_else(|_| {
                ((Vec::new(), true), (Vec::new(), true))
            });
            (output, errors, ended)
        }
    };
    // A note of a program that has ended says nothing to anybody.
    let _ = std::fs::remove_file(program.note);
    Ok(Ran { ended, output, cut_off, errors })
}

/// A process by its number and by when it began, so that another one of that number is not taken for it.
fn noted(process: Pid) -> Option<String> {
    Some(format!("{process} {}", began(process)?))
}

/// When a process began, in ticks since the machine did (proc(5), field 22).
fn began(process: Pid) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before stands in brackets, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(19).map(str::to_owned)
}

/// Ends programs that outlived the one that started them: nobody would hear what they came to.
pub(super) fn end_left_behind(folder: &Utf8Path) {
    let Ok(entries) = folder.read_dir_utf8() else { return };
    for note in entries.flatten().filter(|entry| entry.path().extension() == Some("pid")) {
        let text = std::fs::read_to_string(note.path()).unwrap_or_default();
        if let Some((process, since)) = text.trim().split_once(' ')
            && let Ok(process) = process.parse::<i32>().map(Pid::from_raw)
            && began(process).as_deref() == Some(since)
        {
            let _ = killpg(process, Signal::SIGKILL);
        }
        let _ = std::fs::remove_file(note.path());
    }
}

/// This program, where a step names it; a path is one below the folder of the run.
fn resolved(name: &str, folder: &Utf8Path) -> Utf8PathBuf {
    let own = || Utf8PathBuf::from_path_buf(crate::demo::program()?).ok();
    match name {
        "plumb" => own().unwrap_or_else(|| Utf8PathBuf::from(name)),
        name if name.contains('/') => folder.join(name),
        _ => Utf8PathBuf::from(name),
    }
}

/// Asks the whole group to end, then ends it.
async fn end(child: &mut Child, group: Option<Pid>) {
    if let Some(group) = group {
        // It may be gone already, which is what was asked for.
        let _ = killpg(group, Signal::SIGTERM);
        if timeout(GRACE, child.wait()).await.is_ok() {
            return;
        }
        let _ = killpg(group, Signal::SIGKILL);
    }
    let _ = child.kill().await;
}

/// The first bytes of a stream; the rest is read and dropped, so that nobody waits for us.
async fn kept(mut from: impl AsyncRead + Unpin, bytes_max: usize) -> (Vec<u8>, bool) {
    let mut kept = Vec::new();
    let mut cut_off = false;
    let mut piece = vec![0; 16 * 1024];
    loop {
        match from.read(&mut piece).await {
            Ok(0) | Err(_) => return (kept, cut_off),
            Ok(count) => {
                let room = bytes_max.saturating_sub(kept.len());
                kept.extend_from_slice(&piece[..count.min(room)]);
                cut_off |= count > room;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ran(argv: &[&str], timeout_ms: u64, stop: &CancellationToken) -> Ran {
        let argv: Vec<String> = argv.iter().map(|word| (*word).to_owned()).collect();
        let kept = tempfile::tempdir().expect("a folder");
        let note = Utf8PathBuf::from_path_buf(kept.path().join("it.pid")).expect("UTF-8");
        let environment = BTreeMap::from([("GIVEN".to_owned(), "yes".to_owned())]);
        let program = Program {
            argv: &argv,
            environment,
            folder: Utf8Path::new("/"),
            timeout: Duration::from_millis(timeout_ms),
            output_bytes_max: 64,
            note: &note,
        };
        run(&program, stop).await.expect("it begins")
    }

    #[tokio::test]
    async fn words_are_never_read_as_commands() {
        let word = "$(id); `id` | id > /tmp/x && ${HOME} '\"";
        let ran = ran(&["/bin/echo", word], 10_000, &CancellationToken::new()).await;
        assert_eq!(ran.ended, Ended::Exit(0));
        assert_eq!(String::from_utf8_lossy(&ran.output).trim_end(), word);
    }

    #[tokio::test]
    async fn the_environment_is_clean_but_for_what_is_named() {
        let ran = ran(&["/usr/bin/env"], 10_000, &CancellationToken::new()).await;
        let text = String::from_utf8_lossy(&ran.output).into_owned();
        assert!(text.contains("GIVEN=yes"), "{text}");
        assert!(!text.contains("HOME=") && !text.contains("CARGO"), "{text}");
    }

    #[tokio::test]
    async fn time_and_output_have_limits() {
        let none = CancellationToken::new();
        assert_eq!(ran(&["/bin/sleep", "60"], 50, &none).await.ended, Ended::TimedOut);
        let much = ran(&["/usr/bin/head", "-c", "1000", "/dev/zero"], 10_000, &none).await;
        assert_eq!((much.output.len(), much.cut_off), (64, true));
        let stop = CancellationToken::new();
        stop.cancel();
        assert_eq!(ran(&["/bin/sleep", "60"], 60_000, &stop).await.ended, Ended::Stopped);
    }
}
