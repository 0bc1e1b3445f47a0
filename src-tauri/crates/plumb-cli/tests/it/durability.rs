//! The real program under `strace`: what is on the disk when a request leaves, what a disk keeps that loses all
//! that was not synced, and what a full one leaves.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{
    crashes::{Tally, check, is_settled, newest, told},
    recorded::{Recorded, SYNC},
};

const NODES: usize = 3;
const CALLS: &str = "trace=pwrite64,ftruncate,unlink,fdatasync,fsync,write,writev,sendto,sendmsg";
/// Longest string that is traced: more than a page, or a request.
const STRING_BYTES: &str = "20000";
/// Sectors are written whole or not at all.
const SECTOR: usize = 512;
/// Full disks that are tried; each comes this many writes later.
const FULL_MAX: usize = 40;
const FULL_STEP: usize = 3;

/// One thing the program did.
#[derive(Debug)]
enum Step {
    Write { file: String, at: usize, bytes: Vec<u8> },
    Truncate { file: String, to: usize },
    Remove { file: String },
    SyncBegins { file: String, by: String },
    SyncEnds { by: String },
    Sends { key: String },
}

fn strace_is_missing() -> bool {
    let missing = Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err();
    if missing {
        eprintln!("NOT CHECKED: strace is not installed, so no system call was seen");
    }
    missing
}

fn under_strace(fleet: &Recorded, words: &[&str]) -> bool {
    Command::new("strace")
        .args(["-f", "-qq"])
        .args(words)
        .arg(env!("CARGO_BIN_EXE_plumb"))
        .args(SYNC)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(fleet.environment())
        .current_dir(fleet.path("."))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("strace starts")
        .success()
}

/// What a run did, call by call.
fn traced(fleet: &Recorded) -> Vec<Step> {
    let log = fleet.path("calls.txt").display().to_string();
    assert!(under_strace(fleet, &["-y", "-xx", "-s", STRING_BYTES, "-e", CALLS, "-o", &log]));
    let log = fs::read_to_string(log).expect("a trace");
    log.lines().flat_map(steps).collect()
}

/// Reads a line such as `17 pwrite64(9<\x2f..>, "\x37..", 24, 0) = 24`.
fn steps(line: &str) -> Vec<Step> {
    let Some((by, call)) = line.split_once(' ') else { return Vec::new() };
    let (by, call) = (by.to_owned(), call.trim_start());
    if call.starts_with("<... fdatasync resumed>") || call.starts_with("<... fsync resumed>") {
        return vec![Step::SyncEnds { by }];
    }
    let begun = step(&by, call);
    let whole = matches!(begun, Some(Step::SyncBegins { .. })) && call.ends_with(" = 0");
    begun.into_iter().chain(whole.then_some(Step::SyncEnds { by })).collect()
}

fn step(by: &str, call: &str) -> Option<Step> {
    let (name, arguments) = call.split_once('(')?;
    let text = |hex: &str| String::from_utf8(unhex(hex)).ok();
    if name == "unlink" {
        return Some(Step::Remove { file: file_name(&text(arguments)?)? });
    }
    let (path, rest) = arguments.split_once('<')?.1.split_once('>')?;
    let path = text(path)?;
    if path.starts_with("socket:") {
        let bytes = unhex(rest);
        let sent = String::from_utf8_lossy(&bytes);
        let key = sent.split("idempotency-key: ").nth(1)?.split('\r').next()?;
        return Some(Step::Sends { key: key.to_owned() });
    }
    let file = file_name(&path)?;
    let last_number = |text: &str| {
        let numbers = text.split(')').next().unwrap_or_default().split(", ");
        numbers.filter_map(|number| number.split(' ').next()?.parse::<usize>().ok()).last()
    };
    match name {
        "pwrite64" => {
            let (data, after) = rest.split_once('"')?.1.split_once('"')?;
            assert!(!after.starts_with("..."), "a write is traced whole");
            Some(Step::Write { file, at: last_number(after)?, bytes: unhex(data) })
        }
        "ftruncate" => Some(Step::Truncate { file, to: last_number(rest)? }),
        "fdatasync" | "fsync" => Some(Step::SyncBegins { file, by: by.to_owned() }),
        _ => None,
    }
}

/// The name of a file that is part of the record and outlives its programs.
fn file_name(path: &str) -> Option<String> {
    let name = Path::new(path).file_name()?.to_str()?;
    (name.starts_with("record.sqlite") && !name.ends_with("-shm")).then(|| name.to_owned())
}

/// The bytes of all `\xNN` in a text.
fn unhex(text: &str) -> Vec<u8> {
    let digits = |hex: &str| u8::from_str_radix(hex.get(..2)?, 16).ok();
    text.split("\\x").skip(1).filter_map(digits).collect()
}

/// Files as a disk has them that keeps what was synced, and perhaps some of the rest.
#[derive(Debug, Clone, Default)]
struct Disk {
    kept: BTreeMap<String, Vec<u8>>,
    /// Steps that were not synced, with their numbers.
    pending: Vec<usize>,
    /// Syncs under way: by whom, of which file, and the steps before them.
    syncing: BTreeMap<String, (String, usize)>,
}

impl Disk {
    fn of(folder: &Path) -> Self {
        let mut disk = Self::default();
        for file in fs::read_dir(folder).expect("a folder").map_while(Result::ok) {
            if let Some(name) = file_name(&file.path().display().to_string()) {
                disk.kept.insert(name, fs::read(file.path()).expect("readable"));
            }
        }
        disk
    }

    fn goes_on(&mut self, number: usize, steps: &[Step]) {
        match &steps[number] {
            Step::Write { .. } | Step::Truncate { .. } | Step::Remove { .. } => {
                self.pending.push(number);
            }
            Step::SyncBegins { file, by } => {
                self.syncing.insert(by.clone(), (file.clone(), number));
            }
            Step::SyncEnds { by } => {
                let Some((synced, begun)) = self.syncing.remove(by) else { return };
                for of in std::mem::take(&mut self.pending) {
                    if of < begun && steps[of].file() == Some(synced.as_str()) {
                        apply(&mut self.kept, &steps[of], usize::MAX);
                    } else {
                        self.pending.push(of);
                    }
                }
            }
            Step::Sends { .. } => {}
        }
    }

    /// The files after a loss of power: what was synced, and of the rest what `luck` lets through.
    fn after_a_loss(&self, steps: &[Step], mut luck: impl FnMut(usize) -> usize) -> Self {
        let mut kept = self.kept.clone();
        for of in &self.pending {
            let length = steps[*of].sectors();
            apply(&mut kept, &steps[*of], luck(length) * SECTOR);
        }
        Self { kept, ..Self::default() }
    }

    fn write(&self, folder: &Path) {
        for (name, bytes) in &self.kept {
            fs::write(folder.join(name), bytes).expect("writable");
        }
    }
}

impl Step {
    fn file(&self) -> Option<&str> {
        match self {
            Self::Write { file, .. } | Self::Truncate { file, .. } | Self::Remove { file } => {
                Some(file)
            }
            _ => None,
        }
    }

    /// How many sectors a write has; one for what happens whole or not at all.
    fn sectors(&self) -> usize {
        match self {
            Self::Write { bytes, .. } => bytes.len().div_ceil(SECTOR),
            _ => 1,
        }
    }
}

/// Does as much of a step as fits into these many bytes.
fn apply(files: &mut BTreeMap<String, Vec<u8>>, step: &Step, bytes_max: usize) {
    match step {
        _ if bytes_max == 0 => {}
        Step::Write { file, at, bytes } => {
            let bytes = &bytes[..bytes.len().min(bytes_max)];
            let content = files.entry(file.clone()).or_default();
            content.resize(content.len().max(at + bytes.len()), 0);
            content[*at..at + bytes.len()].copy_from_slice(bytes);
        }
        Step::Truncate { file, to } => files.entry(file.clone()).or_default().resize(*to, 0),
        Step::Remove { file } => drop(files.remove(file)),
        _ => {}
    }
}

#[test]
fn an_intent_is_on_the_disk_before_its_request_leaves() {
    if strace_is_missing() {
        return;
    }
    let fleet = Recorded::start(NODES);
    let steps = traced(&fleet);
    let mut sent = Vec::new();
    for (number, step) in steps.iter().enumerate() {
        let Step::Sends { key } = step else { continue };
        sent.push(key.clone());
        let holds = |step: &Step| match step {
            Step::Write { file, bytes, .. } => {
                file == "record.sqlite-wal"
                    && bytes.windows(key.len()).any(|window| window == key.as_bytes())
            }
            _ => false,
        };
        let written = steps[..number].iter().position(holds);
        let written = written.unwrap_or_else(|| panic!("{key} left before it was written"));
        // A sync counts that began after the write and ended before the request.
        let synced = steps[written..number].iter().enumerate().any(|(after, step)| match step {
            Step::SyncBegins { file, by } if file == "record.sqlite-wal" => steps
                [written + after..number]
                .iter()
                .any(|step| matches!(step, Step::SyncEnds { by: ended } if ended == by)),
            _ => false,
        });
        assert!(synced, "{key} left before its intent was synced");
    }
    let mut came_by = fleet.sent();
    came_by.sort();
    sent.sort();
    assert_eq!(sent, came_by, "every request was seen");
    assert!(sent.len() >= NODES);
}

#[test]
fn a_disk_that_loses_what_was_not_synced_leaves_a_journal_that_holds() {
    if strace_is_missing() {
        return;
    }
    let fleet = Recorded::start(NODES);
    let mut disk = Disk::of(&fleet.path("data"));
    let steps = traced(&fleet);
    let all_sent = fleet.sent();
    let run = newest(&fleet).expect("a run");
    let mut sent: Vec<String> = Vec::new();
    let (mut losses, mut with_run, mut seed) = (0, 0, 0x2545_f491_usize);
    for number in 0..steps.len() {
        disk.goes_on(number, &steps);
        match &steps[number] {
            Step::Sends { key } => sent.push(key.clone()),
            Step::SyncEnds { .. } => {}
            _ => continue,
        }
        let mut lucky = |length: usize| {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % (length + 1)
        };
        let left = [disk.after_a_loss(&steps, |_| 0), disk.after_a_loss(&steps, &mut lucky)];
        for disk in left {
            losses += 1;
            with_run += usize::from(comes_up_again(&fleet, &disk, &run, &sent, number));
        }
    }
    assert!(losses >= 20 && with_run >= losses / 4, "{losses} losses, {with_run} with a run");
    assert_eq!(fleet.sent(), all_sent, "nothing was sent to settle any of them");
}

/// Opens what a loss left: the journal holds, knows of every request that had left, and is settled.
fn comes_up_again(
    fleet: &Recorded,
    disk: &Disk,
    run: &str,
    sent: &[String],
    number: usize,
) -> bool {
    let folder = TempDir::new().expect("a folder");
    disk.write(folder.path());
    let app = fleet.open(folder.path());
    let runs = fleet.runtime.block_on(app.runs("eu")).expect("runs");
    let known = runs.iter().any(|kept| kept.id == run);
    if known {
        let when = format!("loss at call {number}");
        let verdict =
            fleet.runtime.block_on(app.verify_journal(run, &[], None)).expect("a verdict");
        assert_ne!(
            verdict.verdict,
            plumb_app::views::journal::JournalVerdict::Broken,
            "{when}: {verdict:?}"
        );
        let told = told(fleet, &app, run);
        for key in sent {
            assert!(told.intended.contains(key), "{when}: {key} left, unknown here");
        }
        fleet.runtime.block_on(app.sweep("eu")).expect("a sweep");
        is_settled(fleet, &app, run, (sent, &when));
    } else {
        assert!(sent.is_empty(), "{sent:?} left, and the run is not known");
    }
    fleet.runtime.block_on(app.close());
    known
}

#[test]
fn a_disk_that_is_full_at_any_moment_leaves_a_journal_that_holds() {
    if strace_is_missing() {
        return;
    }
    let fleet = Recorded::start(NODES);
    let mut tally = Tally::default();
    let record = fleet.path("data/record.sqlite").display().to_string();
    let log = format!("{record}-wal");
    for nth in 0..FULL_MAX {
        let known = newest(&fleet);
        let from = 1 + nth * FULL_STEP;
        let full = format!("inject=pwrite64:error=ENOSPC:when={from}+");
        let fine = under_strace(
            &fleet,
            &["-o", "/dev/null", "-P", &log, "-P", &record, "-e", "trace=pwrite64", "-e", &full],
        );
        let when = format!("full from write {from}");
        check(&fleet, &when, known.as_deref(), &mut tally);
        if fine {
            break;
        }
        assert!(nth + 1 < FULL_MAX, "{when}: a run has not so many writes");
    }
    assert!(tally.no_run > 0 && tally.interrupted > 2, "{tally:?}");
}
