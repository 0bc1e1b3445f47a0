//! A command of a runbook whose program was killed: whenever that was, nothing of it is left once somebody
//! goes on with the run, and it is not sent again.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    runbooks::{own, state_of, states},
    world::World,
};

const HOLD: &str =
    "```step\nid: hold\ntitle: Hold\ndo: {command: {argv: [./hold], timeout_s: 3600}}\n```\n";
/// Two processes, which would stay for ten minutes.
const SCRIPT: &str = "#!/bin/sh\necho begun >> began\nsleep 600 &\nwait\n";

/// When the program is killed.
#[derive(Debug, Clone, Copy)]
enum When {
    /// As soon as it noted what it is about to start.
    Noted,
    /// As soon as a process of the step is seen.
    Seen,
    /// Once the command did something.
    Working,
}

/// Processes of the step, which run in this folder.
fn left(folder: &Path) -> Vec<PathBuf> {
    let is_of_step = |process: &PathBuf| {
        let read = |name: &str| fs::read(process.join(name)).unwrap_or_default();
        let environment = String::from_utf8_lossy(&read("environ")).into_owned();
        let marked = environment.split('\0').any(|entry| {
            entry.strip_prefix("PLUMB_STEP=").is_some_and(|mark| mark.ends_with("/hold/1"))
        });
        marked && fs::read_link(process.join("cwd")).is_ok_and(|cwd| cwd == folder)
    };
    let processes = fs::read_dir("/proc").expect("processes").flatten().map(|entry| entry.path());
    processes.filter(is_of_step).collect()
}

/// Whether anything was noted below a folder.
fn noted(folder: &Path) -> bool {
    let runs = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files = runs.flat_map(|run| fs::read_dir(run.path()).into_iter().flatten().flatten());
    files.any(|file| file.path().extension().is_some_and(|ending| ending == "begun"))
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_mins(1), "it is never {what}");
        thread::yield_now();
    }
}

fn started(world: &World, file: &str, phrase: &str, folder: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(["runbook", "run", file, "--no-input", "--accept", phrase, "--folder"])
        .arg(folder)
        .env("PLUMBLINE_DATA_DIR", world.path().join("data"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts")
}

#[test]
fn nothing_is_left_of_a_command_whenever_its_program_is_killed() {
    let world = World::demo(1);
    let file = world.file("own.md", &own(HOLD));
    let refused = world.check(&format!("runbook run {file} --no-input"), 4).stderr;
    let phrase = refused.split('"').nth(1).expect("the phrase").to_owned();
    let notes = world.path().join("data/runbook-runs");
    let rounds = [When::Noted, When::Seen, When::Working, When::Noted, When::Seen];
    for (round, when) in rounds.into_iter().enumerate() {
        let folder = world.path().join(format!("folder-{round}"));
        fs::create_dir_all(&folder).expect("a folder");
        let folder = folder.canonicalize().expect("it is there");
        fs::write(folder.join("hold"), SCRIPT).expect("writable");
        fs::set_permissions(folder.join("hold"), fs::Permissions::from_mode(0o755)).expect("ours");
        let mut program = started(&world, &file, &phrase, &folder);
        match when {
            When::Noted => until("noted", || noted(&notes)),
            When::Seen => until("seen", || !left(&folder).is_empty()),
            When::Working => until("working", || left(&folder).len() >= 2),
        }
        program.kill().expect("it is there");
        program.wait().expect("it ends");
        if !matches!(when, When::Noted) {
            assert!(!left(&folder).is_empty(), "{when:?}: it outlives the program");
        }
        let runs = world.document("runbook list --runs", 0, "runbook-runs");
        let id = runs["runs"][0]["id"].as_str().expect("an id").to_owned();
        let view = world.document(&format!("runbook resume {id} --no-input"), 1, "runbook-run");
        assert_eq!(left(&folder), Vec::<PathBuf>::new(), "{when:?}");
        assert_eq!(state_of(&view, "hold"), "in_doubt", "{when:?}: {:?}", states(&view));
        assert!(!noted(&notes), "{when:?}: nothing is left to look for");
        let settled = format!("runbook resume {id} --no-input --happened it-did");
        assert_eq!(world.document(&settled, 0, "runbook-run")["state"], "succeeded");
        let began = fs::read_to_string(folder.join("began")).unwrap_or_default();
        assert!(began.lines().count() <= 1, "{when:?}: it was sent again");
    }
}
