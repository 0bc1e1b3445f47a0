//! A local program for a step: its words as they are, a clean environment, limits on time and output.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
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
    std::fs::write(program.note, Noted::first(program.mark))?;
    let mut child = command.spawn().inspect_err(|_| {
        let _ = std::fs::remove_file(program.note);
    })?;
    let group = child.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    if let Some(Err(error)) = group.map(|leader| Noted::add(program.note, leader.as_raw())) {
        // Its mark still tells what it is.
        warn!(mark = program.mark, %error, "the process of a step could not be noted");
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

/// Ends programs that outlived the one that started them: nobody would hear what they came to. Those of steps
/// that had ended are left alone. Waits until they are gone, for so long; gives those that are not, whose notes
/// stay.
pub(super) fn end_left_behind(folder: &Utf8Path, within: Duration) -> Vec<i32> {
    let mut alive = Vec::new();
    let Ok(entries) = folder.read_dir_utf8() else { return alive };
    for file in entries.flatten().filter(|entry| entry.path().extension() == Some(NOTE)) {
        let note = std::fs::read_to_string(file.path()).unwrap_or_default();
        let left = Noted::read(&note).map(|noted| noted.end(within)).unwrap_or_default();
        if left.is_empty() {
            let _ = std::fs::remove_file(file.path());
        }
        alive.extend(left);
    }
    alive
}

/// What a note says: the mark and the session before the program begins, then which process it became.
#[derive(Debug)]
struct Noted<'a> {
    mark: &'a str,
    session: Option<i32>,
    /// Its leader, and when that began in ticks; nothing where that was before this machine began anew.
    leader: Option<(i32, u64)>,
}

impl<'a> Noted<'a> {
    /// The note of a program that is about to begin.
    fn first(mark: &str) -> String {
        let session = Process::of(own_id()).map(|own| own.session.to_string());
        format!("{mark}\n{}\n", session.unwrap_or_default())
    }

    /// What is added once it began.
    fn add(note: &Utf8Path, leader: i32) -> std::io::Result<()> {
        let process = Process::of(leader).ok_or(std::io::ErrorKind::NotFound)?;
        let line = format!("{leader} {} {}\n", process.started, boot());
        std::fs::OpenOptions::new().append(true).open(note)?.write_all(line.as_bytes())
    }

    /// Nothing where it was cut off while it was written: such a program never began.
    fn read(note: &'a str) -> Option<Self> {
        let mut lines = note.lines();
        let mark = lines.next().filter(|mark| !mark.is_empty())?;
        let session = lines.next().and_then(|session| session.parse().ok());
        let leader = lines.next().and_then(|line| {
            let [process, started, of] = line.split(' ').collect::<Vec<_>>()[..] else {
                return None;
            };
            // The same numbers mean another process after this machine began anew.
            (of == boot()).then_some((process.parse().ok()?, started.parse().ok()?))
        });
        Some(Self { mark, session, leader })
    }

    /// Kills what is left of it, with the process groups; gives what is still there.
    fn end(&self, within: Duration) -> Vec<i32> {
        let until = Instant::now() + within;
        loop {
            let mut found = self.left();
            let (spared, groups) = ours();
            found.retain(|process, _| !spared.contains(process));
            for (id, process) in &found {
                let _ = if process.group <= 1 || groups.contains(&process.group) {
                    kill(Pid::from_raw(*id), Signal::SIGKILL)
                } else {
                    killpg(Pid::from_raw(process.group), Signal::SIGKILL)
                };
            }
            // One that ended and was not taken note of by its parent is gone.
            found.retain(|_, process| !process.ended);
            if found.is_empty() || Instant::now() > until {
                return found.into_keys().collect();
            }
            std::thread::yield_now();
        }
    }

    /// Processes that carry the mark, and the one that it became: that may have cleared its environment, or be
    /// one of somebody else. What has a session of its own, as a terminal in which people work, is no part of it.
    fn left(&self) -> BTreeMap<i32, Process> {
        let entry = format!("{MARK}={}", self.mark);
        let marked = marked(&entry).into_iter().filter_map(|id| Some((id, Process::of(id)?)));
        let mut left: BTreeMap<i32, Process> = marked
            .filter(|(_, process)| self.session.is_none_or(|session| session == process.session))
            .collect();
        if let Some((leader, started)) = self.leader
            && let Some(process) = Process::of(leader).filter(|one| one.started == started)
        {
            left.insert(leader, process);
        }
        left
    }
}

/// Processes with this entry in their environment; one that ended has none.
fn marked(entry: &str) -> Vec<i32> {
    let Ok(processes) = std::fs::read_dir("/proc") else { return Vec::new() };
    let number = |file: std::fs::DirEntry| file.file_name().to_str()?.parse::<i32>().ok();
    let is_marked = |process: &i32| {
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|one| one == entry.as_bytes())
    };
    processes.flatten().filter_map(number).filter(is_marked).collect()
}

/// What is known of a process (proc(5), `stat`).
#[derive(Debug)]
struct Process {
    ended: bool,
    parent: i32,
    group: i32,
    session: i32,
    /// In ticks since this machine began.
    started: u64,
}

impl Process {
    /// Nothing where it is gone.
    fn of(process: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name before stands in brackets, and may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<i32>().ok();
        Some(Self {
            ended: matches!(*fields.first()?, "Z" | "X"),
            parent: number(1)?,
            group: number(2)?,
            session: number(3)?,
            started: fields.get(19)?.parse().ok()?,
        })
    }
}

/// This program and those that started it, and their process groups: none of that is what a step left, even
/// where it carries a mark because it was started below a step.
fn ours() -> (BTreeSet<i32>, BTreeSet<i32>) {
    let (mut processes, mut groups) = (BTreeSet::new(), BTreeSet::new());
    let mut next = own_id();
    while processes.insert(next) {
        let Some(process) = Process::of(next) else { break };
        groups.insert(process.group);
        next = process.parent;
    }
    (processes, groups)
}

fn own_id() -> i32 {
    i32::try_from(std::process::id()).expect("the kernel counts processes in 22 bits")
}

/// Which time that this machine began it is; empty where it does not tell.
fn boot() -> String {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    boot.trim().to_owned()
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

    const GONE_WITHIN: Duration = Duration::from_mins(1);

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
        marked_child(command.arg("600").env_clear(), mark)
    }

    /// Begins a program with a mark. It runs before its environment can be read, and nothing knows it before.
    fn marked_child(command: &mut std::process::Command, mark: &str) -> std::process::Child {
        let child = command.env(MARK, mark).spawn().expect("it begins");
        until(|| !marked(&format!("{MARK}={mark}")).is_empty());
        child
    }

    fn until(holds: impl Fn() -> bool) {
        let end = Instant::now() + Duration::from_mins(1);
        while !holds() {
            assert!(Instant::now() < end, "it never comes to that");
            std::thread::yield_now();
        }
    }

    /// How many processes of a group run this program by now.
    fn running(program: &str, group: u32) -> usize {
        let of_group = |id: &i32| {
            Process::of(*id).is_some_and(|one| u32::try_from(one.group).is_ok_and(|of| of == group))
        };
        let runs = |id: &i32| {
            let words = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            words.split(|byte| *byte == 0).next() == Some(program.as_bytes())
        };
        let processes = std::fs::read_dir("/proc").expect("the processes").flatten();
        let numbers = processes.filter_map(|file| file.file_name().to_str()?.parse::<i32>().ok());
        numbers.filter(of_group).filter(runs).count()
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
        assert_eq!(end_left_behind(folder, GONE_WITHIN), Vec::<i32>::new());
        assert!(ends.wait().expect("it ends").code().is_none(), "a signal ended it");
        assert!(stays.try_wait().expect("it is there").is_none(), "another attempt is another");
        assert_eq!(folder.read_dir_utf8().expect("the folder").count(), 0, "nothing is left to do");
        stays.kill().expect("it is there");
        stays.wait().expect("it ends");
    }

    /// A note as a killed program left it, with or without the process that the step became.
    fn noted(folder: &Utf8Path, mark: &str, leader: Option<u32>) -> Utf8PathBuf {
        let note = folder.join("left.begun");
        std::fs::write(&note, Noted::first(mark)).expect("written");
        if let Some(leader) = leader.and_then(|id| i32::try_from(id).ok()) {
            Noted::add(&note, leader).expect("it is there");
        }
        note
    }

    #[test]
    fn one_that_cleared_its_environment_is_known_by_when_it_began() {
        let kept = tempfile::tempdir().expect("a folder");
        let folder = Utf8Path::from_path(kept.path()).expect("UTF-8");
        let mark = format!("{}/cleared/1", std::process::id());
        let script = "env -i sleep 600 & exec env -i sleep 600";
        let mut command = std::process::Command::new("/bin/sh");
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.args(["-c", script]).env(MARK, &mark).spawn().expect("it begins");
        // While a program begins nothing of its environment can be read, so that is no sign that it is cleared.
        until(|| running("sleep", child.id()) == 2);
        assert_eq!(marked(&format!("{MARK}={mark}")), Vec::<i32>::new());
        // Another process that has the number by now is another.
        let note = noted(folder, &mark, Some(child.id()));
        let text = std::fs::read_to_string(&note).expect("the note");
        let started =
            Process::of(i32::try_from(child.id()).expect("small")).expect("there").started;
        let other = text.replace(&format!(" {started} "), &format!(" {} ", started + 1));
        assert_ne!(other, text);
        std::fs::write(&note, other).expect("written");
        assert_eq!(end_left_behind(folder, GONE_WITHIN), Vec::<i32>::new());
        assert!(child.try_wait().expect("it is there").is_none(), "it began at another time");
        noted(folder, &mark, Some(child.id()));
        assert_eq!(end_left_behind(folder, GONE_WITHIN), Vec::<i32>::new());
        assert!(child.wait().expect("it ends").code().is_none(), "a signal ended it");
        assert!(!note.exists(), "nothing is left to do");
    }

    #[test]
    fn one_that_is_not_gone_in_time_is_told_and_looked_for_again() {
        let kept = tempfile::tempdir().expect("a folder");
        let folder = Utf8Path::from_path(kept.path()).expect("UTF-8");
        let mark = format!("{}/slow/1", std::process::id());
        let mut child = std::process::Command::new("/bin/sleep");
        let mut child = marked_child(child.arg("600"), &mark);
        let note = noted(folder, &mark, Some(child.id()));
        let id = i32::try_from(child.id()).expect("small");
        // It was alive when it was looked at, and nobody waits for its end.
        assert_eq!(end_left_behind(folder, Duration::ZERO), [id]);
        assert!(note.exists(), "whoever goes on next looks again");
        assert!(child.wait().expect("it ends").code().is_none(), "a signal ended it");
        assert_eq!(end_left_behind(folder, Duration::ZERO), Vec::<i32>::new());
        assert!(!note.exists(), "nothing is left to do");
    }

    #[test]
    fn a_terminal_below_a_step_is_no_part_of_it() {
        let kept = tempfile::tempdir().expect("a folder");
        let folder = Utf8Path::from_path(kept.path()).expect("UTF-8");
        let mark = format!("{}/terminal/1", std::process::id());
        let mut command = std::process::Command::new("setsid");
        let mut child = command.args(["sleep", "600"]).env(MARK, &mark).spawn().expect("it begins");
        let id = i32::try_from(child.id()).expect("small");
        until(|| Process::of(id).expect("it is there").session == id);
        noted(folder, &mark, None);
        assert_eq!(end_left_behind(folder, GONE_WITHIN), Vec::<i32>::new());
        assert!(child.try_wait().expect("it is there").is_none(), "people work in it");
        child.kill().expect("it is there");
        child.wait().expect("it ends");
    }

    #[test]
    fn whoever_goes_on_never_ends_itself() {
        let kept = tempfile::tempdir().expect("a folder");
        let folder = Utf8Path::from_path(kept.path()).expect("UTF-8");
        let mark = format!("{}/own/1", std::process::id());
        // As where the run is resumed from a shell that a step left: this program is the one that is noted, and
        // one that it started is in its group.
        let mut child = std::process::Command::new("/bin/sleep");
        let mut child = marked_child(child.arg("600"), &mark);
        noted(folder, &mark, Some(std::process::id()));
        assert_eq!(end_left_behind(folder, GONE_WITHIN), Vec::<i32>::new());
        assert!(child.wait().expect("it ends").code().is_none(), "a signal ended it");
        let (processes, groups) = ours();
        let own = Process::of(own_id()).expect("it is there");
        assert!(processes.contains(&own_id()) && processes.contains(&own.parent));
        assert!(groups.contains(&own.group));
    }

    #[tokio::test]
    async fn a_program_is_noted_before_it_begins_and_carries_its_mark() {
        let kept = tempfile::tempdir().expect("a folder");
        let note = Utf8PathBuf::from_path_buf(kept.path().join("it.begun")).expect("UTF-8");
        let script = "head -n 1 \"$0\"; echo \"$PLUMB_STEP\"";
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
