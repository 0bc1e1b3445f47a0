//! A real process on a real file system, killed at each write, sync and rename of the store.

use std::{
    env,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use plumb_agent::fetch::{PackStore, RealDisk, Slot};
use tempfile::TempDir;

use crate::fetch::store::{best, record};

/// The folder the child works in.
const FOLDER_VARIABLE: &str = "PLUMB_TEST_PACK_FOLDER";
/// What is injected, and how often at least one admission does it.
const STEPS: [(&str, usize); 4] =
    [("write", 3), ("fsync", 3), ("?link,?linkat", 1), ("?rename,?renameat,?renameat2", 1)];
/// More kills than an admission has steps.
const STEPS_MAX: usize = 60;

/// Large enough for several writes.
fn newest() -> Vec<u8> {
    b"newest".repeat(500_000)
}

fn open(folder: &Path) -> PackStore {
    PackStore::open(Arc::new(RealDisk), folder).expect("the folder opens").0
}

fn with_a_good_pack(folder: &Path) {
    let mut store = open(folder);
    let mut good = record(b"good");
    store.admit(&mut good).expect("stored");
    store.acknowledge(&good);
}

/// What the child does: an agent that comes up and stores a newer pack.
fn come_up_and_take(folder: &Path) {
    let mut store = open(folder);
    let active = store.load(&Slot::Active).expect("whole");
    store.acknowledge(&active);
    store.admit(&mut record(&newest())).expect("stored");
}

/// By itself: a newer pack takes the place of a good one. Under `strace` it is killed on the way.
#[test]
fn a_newer_pack_takes_the_place_of_a_good_one() {
    if let Some(folder) = env::var_os(FOLDER_VARIABLE) {
        return come_up_and_take(Path::new(&folder));
    }
    let folder = TempDir::new().expect("a folder");
    with_a_good_pack(folder.path());
    come_up_and_take(folder.path());
    assert_eq!(best(&open(folder.path())), Some(newest()));
}

#[test]
fn a_process_that_dies_at_any_step_leaves_a_whole_pack() {
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        eprintln!("NOT CHECKED: strace is not installed, so no process was killed at any step");
        return;
    }
    for (calls, at_least) in STEPS {
        let mut deaths = 0;
        loop {
            assert!(deaths < STEPS_MAX, "{calls}: killed {deaths} times and never done");
            let folder = TempDir::new().expect("a folder");
            with_a_good_pack(folder.path());
            let done = run_and_kill(folder.path(), calls, deaths + 1);
            let store = open(folder.path());
            let found = best(&store);
            if done {
                assert_eq!(found, Some(newest()));
                break;
            }
            deaths += 1;
            let whole = found.as_deref() == Some(b"good") || found == Some(newest());
            assert!(whole, "{calls}, death {deaths}: {:?} bytes", found.map(|bytes| bytes.len()));
            let good = store
                .slots()
                .expect("listed")
                .iter()
                .any(|slot| store.load(slot).is_ok_and(|record| record.tar == b"good"));
            assert!(good, "{calls}, death {deaths}: the good pack is gone");
            drop(store);
            come_up_and_take(folder.path());
        }
        assert!(deaths >= at_least, "{calls}: only {deaths} deaths");
    }
}

/// Whether the child came to its end before the n-th of these calls.
fn run_and_kill(folder: &Path, calls: &str, nth: usize) -> bool {
    let status = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={calls}")])
        .args(["-e", &format!("inject={calls}:signal=KILL:when={nth}")])
        .arg(env::current_exe().expect("the test binary"))
        .args(["--exact", "fetch::deaths::a_newer_pack_takes_the_place_of_a_good_one"])
        .env(FOLDER_VARIABLE, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("strace starts");
    status.success()
}
