//! The backfill of seed 001 in real processes, killed at every step in turn: resumed, each run comes to the
//! end it would have come to, and nothing that changes something is sent twice.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
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
    /// Once its command did what it had to do, before it said so.
    Done,
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

/// A way back of a job that failed.
struct Back {
    /// What goes wrong on it.
    faults: &'static [&'static str],
    steps: &'static [&'static str],
    /// Commands on it, in whose middle the program dies, too: their steps, and the names of the files that hold
    /// them.
    held: &'static [(&'static str, &'static str)],
    /// The one of them that changes the database.
    changes: &'static str,
    /// Whether somebody has to do it by hand in the end, though nobody is killed.
    by_hand: bool,
}

/// R077-R079: what the window wrote is removed once, whoever dies on the way.
#[test]
fn a_way_back_killed_at_each_step_takes_back_once_and_unfreezes() {
    back_from_every_step(&Back {
        faults: &["fault-error"],
        steps: &["backfill", "remove_window", "unfreeze", "resume", "replay"],
        held: &[("remove_window", "rollback")],
        changes: "remove_window",
        by_hand: false,
    });
}

/// R080: where that fails the snapshot is put back, once, whoever dies on the way.
#[test]
fn a_restore_killed_at_each_step_puts_the_snapshot_back_once_and_unfreezes() {
    back_from_every_step(&Back {
        faults: &["fault-error", "fault-rollback"],
        steps: &["remove_window", "restore", "unfreeze", "resume", "replay"],
        held: &[("remove_window", "rollback"), ("restore", "restore")],
        changes: "restore",
        by_hand: false,
    });
}

/// R080: where another snapshot came back it is not put back once more; somebody does it by hand.
#[test]
fn a_way_back_by_hand_killed_at_each_step_restores_nothing_by_itself_any_more() {
    back_from_every_step(&Back {
        faults: &["fault-error", "fault-rollback", "fault-restore"],
        steps: &["restore", "by_hand", "unfreeze", "resume", "replay"],
        held: &[("restore", "restore")],
        changes: "restore",
        by_hand: true,
    });
}

/// Kills a run at each step of its way back, each time another run; the database is the one of the snapshot in
/// the end.
fn back_from_every_step(back: &Back) {
    let (world, _) = backfill_world("1");
    let titles = steps(&world);
    let moments = back.steps.iter().flat_map(|step| {
        let done = (*step == back.changes).then_some(When::Done);
        [Some(When::Begun), done, Some(When::Over)]
            .into_iter()
            .flatten()
            .map(move |when| (*step, when))
    });
    let (mut killed, mut settled, mut in_doubt, mut runs) = (0, 0, 0, 0);
    for (step, when) in moments {
        let at = format!("{step} {when:?}");
        let trial = Trial::new(&world, &format!("back-{step}-{when:?}"));
        for fault in back.faults {
            fs::write(trial.folder.join(fault), "").expect("writable");
        }
        let held = back.held.iter().find(|(held, _)| *held == step && when != When::Over);
        if let Some((_, script)) = held {
            let side = if when == When::Done { "after" } else { "before" };
            fs::write(trial.folder.join(format!("hold-{side}-{script}")), "").expect("writable");
            in_doubt += 1;
        }
        let title = &titles.iter().find(|(id, _)| id == step).expect("the step").1;
        let (id, there) = trial.run_and_kill_at_last(title, when, back.by_hand);
        runs += 1;
        killed += usize::from(there);
        let end = trial.resumed(&id);
        assert_eq!(end["state"], "rolled_back", "{at}: {:?}", states(&end));
        assert_eq!(end["frozen_until_ms"], Value::Null, "{at}");
        let journal = trial.journal(&id);
        assert_eq!(trial.database(), taken(&journal), "{at}: the snapshot is what there is");
        assert_eq!(edges(&trial.folder), "0", "{at}");
        trial.nothing_twice(&id);
        settled += usize::from(journal.contains("\"settled\""));
        let by_hand = state_of(&end, "by_hand") == "succeeded";
        assert!(by_hand || !back.by_hand, "{at}: {:?}", states(&end));
        let verdict = world.check(&format!("journal verify {id}"), 0).stdout;
        assert!(verdict.contains("complete"), "{at}: {verdict}");
    }
    assert!(killed + 2 >= runs, "{killed} of {runs} runs were killed in time");
    assert_eq!(settled, in_doubt, "what was held in its middle is in doubt, and nothing else");
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
        self.kill(&format!("runbook run {words} --answers {}", self.answers), title, when)
    }

    /// The same for a way back at whose end somebody has a say: where that was needed before the step, the
    /// program that goes on is killed.
    fn run_and_kill_at_last(&self, title: &str, when: When, by_hand: bool) -> (String, bool) {
        let (id, there) = self.run_and_kill(title, when);
        if there || !by_hand || !self.stands(&id)["ended_at_ms"].is_null() {
            return (id, there);
        }
        self.by_hand();
        let answers = self.answers_by_hand();
        let (_, there) =
            self.kill(&format!("runbook resume {id} --answers {answers}"), title, when);
        (id, there)
    }

    fn kill(&self, words: &str, title: &str, when: When) -> (String, bool) {
        let mut program = Command::new(env!("CARGO_BIN_EXE_plumb"))
            .args(words.split(' '))
            .arg("--no-input")
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
            if of_step && (when != When::Over || over) {
                break;
            }
            line.clear();
        }
        let began = Instant::now();
        while when == When::Done
            && !files(&self.folder).iter().any(|file| file.ends_with(".reached"))
        {
            assert!(began.elapsed() < Duration::from_mins(1), "its command does nothing");
            thread::yield_now();
        }
        // Where it told of the step it was not over; at the end of what it says it is gone, or about to be.
        let there = !line.is_empty() && program.try_wait().expect("it can be asked").is_none();
        program.kill().expect("it can be asked to");
        program.wait().expect("it ends");
        (id, there)
    }

    /// The SHA-256 of what the database holds, as the script tells that of a snapshot.
    fn database(&self) -> String {
        let said = Command::new("sh")
            .args(["-c", "sqlite3 advisories.sqlite .dump | sha256sum"])
            .current_dir(&self.folder)
            .output()
            .expect("it runs");
        String::from_utf8_lossy(&said.stdout).chars().take(64).collect()
    }

    /// What somebody does who restores it by hand: before this run there was no edge.
    fn by_hand(&self) {
        let said = Command::new("sqlite3")
            .args(["advisories.sqlite", "DELETE FROM supersedes"])
            .current_dir(&self.folder)
            .status()
            .expect("sqlite3 is there");
        assert!(said.success());
    }

    fn answers_by_hand(&self) -> String {
        let attested = "[attest]\nby_hand = \"deleted what was new, and compared\"\n";
        self.world.file("by-hand.toml", &BACKFILL.replace("[attest]\n", attested))
    }

    fn stands(&self, id: &str) -> Value {
        self.world.document(&format!("runbook show {id}"), 0, "runbook-run")
    }

    /// Goes on until the run has ended; somebody looks at what is in doubt, and does what only they can do.
    fn resumed(&self, id: &str) -> Value {
        for _ in 0..6 {
            let now = self.stands(id);
            if !now["ended_at_ms"].is_null() {
                return now;
            }
            let (mut answers, mut settled) = (self.answers.clone(), "");
            let waiting = &now["waiting"][0];
            if waiting["what"] == "settlement" {
                let is_back = self.database() == taken(&self.journal(id));
                settled =
                    if is_back { " --happened it-is-gone" } else { " --not-happened it-is-there" };
            } else if waiting["step"] == "by_hand" {
                self.by_hand();
                answers = self.answers_by_hand();
            }
            let mut command = self.world.command();
            let words = format!("runbook resume {id} --answers {answers} --no-input{settled}");
            command.args(words.split(' '));
            command.output().expect("it starts");
        }
        panic!("it never ends: {}", self.stands(id));
    }

    fn journal(&self, id: &str) -> String {
        let file = self.folder.join("journal.jsonl");
        self.world.check(&format!("journal export {id} -o {}", file.display()), 0);
        fs::read_to_string(&file).expect("the journal")
    }

    fn calls(&self, of: impl Fn(&str) -> bool) -> usize {
        let calls = fs::read_to_string(self.folder.join("calls.log")).unwrap_or_default();
        calls.lines().filter(|line| of(line)).count()
    }

    /// What changes something was sent as often as the journal says that it was begun, which is once or never;
    /// and where it is told as done, it was.
    fn nothing_twice(&self, id: &str) {
        let (journal, view) = (self.journal(id), self.stands(id));
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

/// What happened to a step, by the journal.
fn of_step<'a>(journal: &'a str, step: &'a str) -> impl Iterator<Item = Value> + 'a {
    let events = journal.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).unwrap_or_default();
        line["body"]["event"].take()
    });
    events.filter(move |event| event["step"] == step).map(|mut event| event["happened"].take())
}

/// How often a step was begun, by the journal.
fn begun(journal: &str, step: &str) -> usize {
    of_step(journal, step).filter(|happened| happened["what"] == "started").count()
}

/// The SHA-256 of the snapshot that was taken, by the journal.
fn taken(journal: &str) -> String {
    let finished = of_step(journal, "snapshot").find(|happened| happened["what"] == "finished");
    let finished = finished.expect("a snapshot was taken");
    finished["result"]["sha256"].as_str().expect("its hash").to_owned()
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
