//! A local program for a step: its words as they are, a clean environment, limits on time and output.

use std::{
    collections::BTreeMap,
    process::Stdio,
    time::{Duration, Instant},
};

use camino::{Utf8Path, Utf8PathBuf};
use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::{Child, Command},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How long a program may take to end when it is asked to, before it is killed.
const GRACE: Duration = Duration::from_secs(5);
/// The variable that holds the mark.
const MARK: &str = "PLUMB_STEP";
/// How the name of a note ends.
pub(super) const NOTE: &str = "begun";
/// How long what was killed may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(5);
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
    /// Where its mark is noted, from before it begins until after it ended.
    pub note: &'a Utf8Path,
    /// What it carries in its environment, so that it is known for what it is: one attempt of one step of one
    /// run.
    pub mark: &'a str,
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
///
/// Its mark is noted before it begins, and is in its environment from its first instruction on: whenever this
/// program is killed, whoever goes on finds what it left. The one moment in which a child is not marked yet lies
/// before it became another program, and until then it holds the lock of the run open, which whoever goes on
/// has to have first.
pub(super) async fn run(program: &Program<'_>, stop: &CancellationToken) -> std::io::Result<Ran> {
    let (name, words) = program.argv.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let mut command = Command::new(resolved(name, program.folder));
    command
        .args(words)
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .envs(&program.environment)
        .env(MARK, program.mark)
        .current_dir(program.folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    std::fs::write(program.note, program.mark)?;
    let mut child = command.spawn().inspect_err(|_| {
        let _ = std::fs::remove_file(program.note);
    })?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
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

/// Ends programs that outlived the one that started them: nobody would hear what they came to. Those of steps
/// that had ended are left alone. Waits until they are gone, for a few seconds.
pub(super) fn end_left_behind(folder: &Utf8Path) {
    let Ok(entries) = folder.read_dir_utf8() else { return };
    for note in entries.flatten().filter(|entry| entry.path().extension() == Some(NOTE)) {
        let mark = std::fs::read_to_string(note.path()).unwrap_or_default();
        // A note that was cut off while it was written is one of a program that never began.
        if mark.is_empty() || end_marked(&mark) {
            let _ = std::fs::remove_file(note.path());
        } else {
            warn!(mark, "what a killed program left is still there");
        }
    }
}

/// Kills every process with a mark, and its process group; whether all of them are gone.
fn end_marked(mark: &str) -> bool {
    let entry = format!("{MARK}={mark}");
    let own = group_of("self");
    let until = Instant::now() + GONE_WITHIN;
    loop {
        let found = marked(&entry);
        for process in &found {
            match group_of(&process.to_string()).filter(|group| Some(*group) != own) {
                Some(group) => drop(killpg(group, Signal::SIGKILL)),
                None => drop(kill(*process, Signal::SIGKILL)),
            }
        }
        if found.is_empty() || Instant::now() > until {
            return found.is_empty();
        }
        std::thread::yield_now();
    }
}

/// Processes with this entry in their environment; one that ended has none.
fn marked(entry: &str) -> Vec<Pid> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let number = |file: std::fs::DirEntry| file.file_name().to_str()?.parse::<i32>().ok();
    let is_marked = |process: &i32| {
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == entry.as_bytes())
    };
    processes.flatten().filter_map(number).filter(is_marked).map(Pid::from_raw).collect()
}

/// The process group of a process (proc(5), field 5 of `stat`).
fn group_of(process: &str) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before stands in brackets, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(2)?.parse().ok().map(Pid::from_raw)
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
        let note = Utf8PathBuf::from_path_buf(kept.path().join("it.begun")).expect("UTF-8");
        let environment = BTreeMap::from([("GIVEN".to_owned(), "yes".to_owned())]);
        let program = Program {
            argv: &argv,
            environment,
            folder: Utf8Path::new("/"),
            timeout: Duration::from_millis(timeout_ms),
            output_bytes_max: 64,
            note: &note,
            mark: "run/step/1",
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

    /// A program that another one started and was killed over: nothing tells of it but its mark.
    fn outlives(mark: &str) -> std::process::Child {
        let mut command = std::process::Command::new("/bin/sleep");
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.arg("600").env_clear().env(MARK, mark).spawn().expect("it begins")
    }

    #[test]
    fn what_a_killed_program_left_is_known_by_its_mark_alone() {
        let kept = tempfile::tempdir().expect("a folder");
        let folder = Utf8Path::from_path(kept.path()).expect("UTF-8");
        let own = format!("{}", std::process::id());
        let (left, other) = (format!("{own}/left/1"), format!("{own}/left/12"));
        let (mut ends, mut stays) = (outlives(&left), outlives(&other));
        let note = folder.join("left.begun");
        std::fs::write(&note, &left).expect("written");
        std::fs::write(folder.join("never-begun.begun"), "").expect("written");
        end_left_behind(folder);
        assert!(ends.wait().expect("it ends").code().is_none(), "a signal ended it");
        assert!(stays.try_wait().expect("it is there").is_none(), "another attempt is another");
        assert_eq!(folder.read_dir_utf8().expect("the folder").count(), 0, "nothing is left to do");
        stays.kill().expect("it is there");
        stays.wait().expect("it ends");
    }

    #[tokio::test]
    async fn a_program_is_noted_before_it_begins_and_carries_its_mark() {
        let kept = tempfile::tempdir().expect("a folder");
        let note = Utf8PathBuf::from_path_buf(kept.path().join("it.begun")).expect("UTF-8");
        let script = "cat \"$0\"; echo; echo \"$PLUMB_STEP\"";
        let argv = ["/bin/sh", "-c", script, note.as_str()].map(str::to_owned);
        let program = Program {
            argv: &argv,
            environment: BTreeMap::new(),
            folder: Utf8Path::new("/"),
            timeout: Duration::from_secs(10),
            output_bytes_max: 1_000,
            note: &note,
            mark: "run/step/3",
        };
        let ran = run(&program, &CancellationToken::new()).await.expect("it begins");
        assert_eq!(String::from_utf8_lossy(&ran.output), "run/step/3\nrun/step/3\n");
        assert!(!note.exists(), "it has ended");
        // One that cannot be noted does not begin.
        let nowhere = note.join("below/a/file");
        let ran = run(&Program { note: &nowhere, ..program }, &CancellationToken::new()).await;
        assert!(ran.is_err());
    }
}
