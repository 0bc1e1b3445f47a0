//! The backfill of seed 001 in real processes, killed at every step in turn: resumed, each run comes to the
//! end it would have come to, and nothing that changes something is sent twice.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::{
    runbooks::{BACKFILL, backfill_words, backfill_world, edges, files, job_in, state_of, states},
    world::World,
};

/// Where in a step the program dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// As soon as the step is heard of: its beginning is in the journal.
    Begun,
    /// Once it is over, before anything is done about the next.
    Over,
}

/// What a kill left, and what became of it.
#[derive(Debug, Default)]
struct Tally {
    /// States of the step at which the program died.
    left: Vec<String>,
    killed: usize,
}

#[test]
fn a_backfill_killed_as_each_step_begins_comes_to_the_same_end() {
    let tally = at_every_step(When::Begun);
    assert!(tally.left.iter().any(|state| state == "running"), "{tally:?}");
}

#[test]
fn a_backfill_killed_after_each_step_comes_to_the_same_end() {
    let tally = at_every_step(When::Over);
    assert!(tally.left.iter().all(|state| state != "running"), "{tally:?}");
}

/// R077-R080: the way back, too, is gone once, whoever dies on it.
#[test]
fn a_way_back_killed_at_each_step_takes_back_once_and_unfreezes() {
    let (world, _) = backfill_world("1");
    let steps = steps(&world);
    let mut killed = 0;
    for step in ["backfill", "remove_window", "unfreeze", "resume", "replay"] {
        for when in [When::Begun, When::Over] {
            let trial = Trial::new(&world, &format!("back-{step}-{when:?}"));
            fs::write(trial.folder.join("fault-error"), "").expect("writable");
            let title = &steps.iter().find(|(id, _)| id == step).expect("the step").1;
            let (id, there) = trial.run_and_kill(title, when);
            killed += usize::from(there);
            let end = trial.resumed(&id);
            assert_eq!(end["state"], "rolled_back", "{step} {when:?}: {:?}", states(&end));
            assert_eq!(end["frozen_until_ms"], Value::Null, "{step} {when:?}");
            // By the script, or where that did not come to its end by the snapshot.
            assert_eq!(edges(&trial.folder), "0", "{step} {when:?}");
            trial.nothing_twice(&id);
        }
    }
    assert!(killed >= 8, "{killed} of 10 runs were killed in time");
}

/// Kills a run at each of its steps, each time another run.
fn at_every_step(when: When) -> Tally {
    let (world, _) = backfill_world("1");
    let steps = steps(&world);
    let mut tally = Tally::default();
    // The last three lead back.
    let forward = &steps[..steps.len() - 3];
    for (step, title) in forward {
        let trial = Trial::new(&world, &format!("{step}-{when:?}"));
        let (id, there) = trial.run_and_kill(title, when);
        tally.killed += usize::from(there);
        let left = trial.stands(&id);
        tally.left.push(state_of(&left, step));
        let in_the_job = state_of(&left, "backfill") == "running";
        let end = if left["ended_at_ms"].is_null() { trial.resumed(&id) } else { left };
        let (state, kept) = if in_the_job {
            // Nobody knows how far it came, so what its window wrote is taken back.
            ("rolled_back", "0")
        } else {
            ("succeeded", "1200")
        };
        assert_eq!(end["state"], state, "{step} {when:?}: {:?}", states(&end));
        assert_eq!(edges(&trial.folder), kept, "{step} {when:?}");
        assert_eq!(end["frozen_until_ms"], Value::Null, "{step} {when:?}");
        trial.nothing_twice(&id);
        if state == "succeeded" {
            trial.has_exactly_its_evidence(&end);
        }
        let verdict = world.check(&format!("journal verify {id}"), 0).stdout;
        assert!(verdict.contains("complete"), "{step} {when:?}: {verdict}");
    }
    // The last step is over when the run is, and a program may be gone by itself before it is killed.
    assert!(tally.killed + 2 >= forward.len(), "{tally:?} of {} steps", forward.len());
    tally
}

/// The steps of the runbook: ids and titles, in their order.
fn steps(world: &World) -> Vec<(String, String)> {
    let view = world.document("runbook show supersedes-backfill", 0, "runbook");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let steps = view["steps"].as_array().expect("steps").iter();
    let steps: Vec<_> = steps.map(|step| (text(&step["id"]), text(&step["title"]))).collect();
    let back: Vec<&str> = steps.iter().rev().take(3).map(|(id, _)| id.as_str()).collect();
    assert_eq!(back, ["by_hand", "restore", "remove_window"]);
    steps
}

/// One run in a folder of its own.
struct Trial<'a> {
    world: &'a World,
    folder: PathBuf,
    artifacts: PathBuf,
    answers: String,
}

impl<'a> Trial<'a> {
    fn new(world: &'a World, name: &str) -> Self {
        let folder = world.path().join("trials").join(name);
        job_in(&folder);
        let artifacts = folder.join("artifacts");
        let answers = world.file("answers.toml", BACKFILL);
        Self { world, folder, artifacts, answers }
    }

    /// Runs it and kills it where it tells of the step with this title. Gives the run, and whether the program
    /// was still there to be killed.
    fn run_and_kill(&self, title: &str, when: When) -> (String, bool) {
        let words = backfill_words(&self.folder, &self.artifacts);
        let mut program = Command::new(env!("CARGO_BIN_EXE_plumb"))
            .args(format!("runbook run {words} --answers {} --no-input", self.answers).split(' '))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("PLUMBLINE_DATA_DIR", self.world.path().join("data"))
            .env("PLUMB_TOKEN", crate::world::CANARY)
            .env("USER", "avery")
            .current_dir(self.world.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        // What it tells of a step stands in its journal already.
        let mut told = BufReader::new(program.stderr.take().expect("it is piped"));
        let (mut line, mut id) = (String::new(), String::new());
        while told.read_line(&mut line).expect("text") > 0 {
            if let Some(run) = line.strip_prefix("run ") {
                run.trim().clone_into(&mut id);
            }
            let of_step = line.contains(title);
            let over = !line.starts_with("running");
            if of_step && (when == When::Begun || over) {
                break;
            }
            line.clear();
        }
        let there = program.try_wait().expect("it can be asked").is_none();
        program.kill().expect("it can be asked to");
        program.wait().expect("it ends");
        (id, there)
    }

    fn stands(&self, id: &str) -> Value {
        self.world.document(&format!("runbook show {id}"), 0, "runbook-run")
    }

    /// Goes on until the run has ended; somebody looks at what is in doubt.
    fn resumed(&self, id: &str) -> Value {
        let resume = format!("runbook resume {id} --answers {} --no-input", self.answers);
        for _ in 0..4 {
            let now = self.stands(id);
            if !now["ended_at_ms"].is_null() {
                return now;
            }
            let settled = match now["waiting"][0]["what"].as_str() {
                Some("settlement") if edges(&self.folder) == "0" => " --happened it-is-gone",
                Some("settlement") => " --not-happened it-is-there",
                _ => "",
            };
            let mut command = self.world.command();
            command.args(format!("{resume}{settled}").split(' '));
            command.output().expect("it starts");
        }
        panic!("it never ends: {}", self.stands(id));
    }

    fn calls(&self, of: impl Fn(&str) -> bool) -> usize {
        let calls = fs::read_to_string(self.folder.join("calls.log")).unwrap_or_default();
        calls.lines().filter(|line| of(line)).count()
    }

    /// What changes something was sent as often as the journal says that it was begun, which is once or never;
    /// and where it is told as done, it was.
    fn nothing_twice(&self, id: &str) {
        let file = self.folder.join("journal.jsonl");
        self.world.check(&format!("journal export {id} -o {}", file.display()), 0);
        let journal = fs::read_to_string(&file).expect("the journal");
        let view = self.stands(id);
        let sent = [
            ("backfill", "job --batch-size=500 --stop-on-error"),
            ("remove_window", "rollback"),
            ("restore", "snapshot restore"),
        ];
        for (step, call) in sent {
            let begun = begun(&journal, step);
            let calls = self.calls(|line| line == call);
            assert!(begun <= 1, "{step} was begun {begun} times");
            assert!(calls <= begun, "{step} was sent {calls} times, and begun {begun} times");
            let done = matches!(state_of(&view, step).as_str(), "succeeded" | "failed");
            // One that somebody settled may never have come to be.
            let settled = journal.contains("\"settled\"");
            assert!(calls == 1 || !done || settled, "{step} is told as done, and was not sent");
        }
        // What only reads may be asked again: the journal tells each time.
        let counts = self.calls(|line| line.ends_with("--dry-run"));
        assert!(counts <= begun(&journal, "count"), "the dry run was sent {counts} times");
    }

    /// R081-R085: however often its program died, and nothing else.
    fn has_exactly_its_evidence(&self, view: &Value) {
        let artifacts = PathBuf::from(view["artifacts"].as_str().expect("a folder"));
        let stamped = files(&self.artifacts.join("aoc-supersedes"));
        let name = artifacts.file_name().expect("a name").to_string_lossy().into_owned();
        assert_eq!(stamped, [name], "one folder for one run");
        assert_eq!(
            files(&artifacts),
            [
                "SHA256SUMS",
                "command.json",
                "consistency.json",
                "dry-run.json",
                "report.json",
                "violations.json"
            ]
        );
        sums_hold(&artifacts);
    }
}

/// How often a step was begun, by the journal.
fn begun(journal: &str, step: &str) -> usize {
    let is_start = |line: &&str| {
        let line: Value = serde_json::from_str(line).unwrap_or_default();
        let event = &line["body"]["event"];
        event["step"] == step && event["happened"]["what"] == "started"
    };
    journal.lines().filter(is_start).count()
}

/// A trial that tells of two calls is found out by the check that the others pass.
#[test]
fn a_call_that_was_sent_twice_is_found_out() {
    let (world, _) = backfill_world("1");
    let trial = Trial::new(&world, "twice");
    let words = backfill_words(&trial.folder, &trial.artifacts);
    let view = crate::runbooks::run(&world, &words, BACKFILL, 0);
    let id = view["id"].as_str().expect("an id");
    trial.nothing_twice(id);
    let calls = trial.folder.join("calls.log");
    let told = fs::read_to_string(&calls).expect("calls");
    fs::write(&calls, format!("{told}job --batch-size=500 --stop-on-error\n")).expect("writable");
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| trial.nothing_twice(id)));
    assert!(found.is_err(), "it was sent twice");
    fs::write(&calls, "").expect("writable");
    let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| trial.nothing_twice(id)));
    assert!(found.is_err(), "it is told as done, and was never sent");
}

fn sums_hold(artifacts: &Path) {
    // The bundle is digested where it stands, and not kept.
    let said = Command::new("sha256sum")
        .args(["--check", "--quiet", "--ignore-missing", "SHA256SUMS"])
        .current_dir(artifacts)
        .output()
        .expect("sha256sum is there");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stdout));
}
