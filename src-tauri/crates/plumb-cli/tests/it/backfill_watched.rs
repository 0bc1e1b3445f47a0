//! The backfill of seed 001 beside a real Prometheus, which scrapes its job and its database: what that sees go
//! bad halts the run and takes it back, and as long as it sees nothing the run goes on.

use std::{
    fmt::Write as _,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use observability_tests::{Prometheus, programs::program};
use regex::Regex;
use serde_json::{Value, json};

use crate::{
    runbooks::{
        BACKFILL, asks_prometheus, backfill_words, edges, has_written, job_in, running, state_of,
        states,
    },
    serving::try_ask,
    world::World,
};

/// A look at each figure every ten seconds, scrapes, and a program that starts, on a machine that has other
/// things to do.
const WITHIN: Duration = Duration::from_mins(2);
const RUNBOOK: &str = include_str!("../../../../../assets/runbooks/supersedes-backfill.md");

/// A fleet, the folder of the job, and who watches both.
struct Watched {
    world: World,
    folder: PathBuf,
    artifacts: PathBuf,
    prometheus: Prometheus,
    exporter: Child,
    /// What is asked beside the job.
    queries: Vec<String>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.exporter.kill();
        let _ = self.exporter.wait();
    }
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < WITHIN, "it is never so: {what}");
        thread::yield_now();
    }
}

/// What a Prometheus says to a query, where that is one value.
fn value(prometheus: &Prometheus, query: &str) -> Option<f64> {
    let mut path = "/api/v1/query?query=".to_owned();
    for byte in query.bytes() {
        write!(path, "%{byte:02X}").expect("writing to a string");
    }
    // It may not listen yet.
    let (_, answer) = try_ask(prometheus.address(), "GET", &path, None, "").ok()?;
    answer["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

/// What the runbook asks a Prometheus beside its job.
fn monitors() -> Vec<String> {
    let monitor = Regex::new(r"- \{title: .*, source: prometheus, query: '?([^',]+)'?,");
    let monitor = monitor.expect("a pattern");
    monitor.captures_iter(RUNBOOK).map(|found| found[1].to_owned()).collect()
}

/// Starts what is scraped; gives it with its address.
fn exporter(folder: &Path) -> (Child, String) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/backfill");
    let mut exporter = Command::new(from.join("exporter"))
        .arg(folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut line = String::new();
    let mut said = BufReader::new(exporter.stdout.take().expect("it is piped"));
    said.read_line(&mut line).expect("it says where it listens");
    (exporter, line.trim().to_owned())
}

impl Watched {
    /// Nothing where there is no Prometheus, which is said loudly.
    fn start() -> Option<Self> {
        let program = program("prometheus")?;
        let world = World::demo(1);
        let folder = world.path().join("work");
        job_in(&folder);
        let (exporter, address) = exporter(&folder);
        let config = json!({
            "global": { "scrape_interval": "500ms", "scrape_timeout": "500ms" },
            "scrape_configs": [{
                "job_name": "backfill",
                "static_configs": [{ "targets": [address] }],
            }],
        });
        let data = world.path().join("prometheus");
        fs::create_dir(&data).expect("a folder");
        let prometheus = Prometheus::start(program, &data, &config).expect("Prometheus starts");
        asks_prometheus(&world, &format!("http://{}", prometheus.address()));
        let (artifacts, queries) = (world.path().join("artifacts"), monitors());
        assert_eq!(queries.len(), 6, "{queries:?}");
        let watched = Self { world, folder, artifacts, prometheus, exporter, queries };
        for query in &watched.queries {
            until(query, || value(&watched.prometheus, query).is_some());
        }
        Some(watched)
    }

    fn words(&self) -> String {
        backfill_words(&self.folder, &self.artifacts)
    }

    /// What the exporter tells from now on, beside what is well.
    fn tell(&self, figures: &Value) {
        let (new, file) = (self.folder.join("figures.new"), self.folder.join("figures.json"));
        fs::write(&new, figures.to_string()).expect("writable");
        fs::rename(new, file).expect("it is there");
    }

    fn hold(&self) {
        fs::write(self.folder.join("hold"), "").expect("writable");
    }

    fn go_on(&self) {
        fs::remove_file(self.folder.join("hold")).expect("it was held");
    }

    /// A run whose job is held in its middle, once every figure beside it was looked at so many times more.
    fn begun(&self, looks: usize) -> Child {
        self.hold();
        let asked = || self.queries.iter().map(|query| self.prometheus.was_asked(query));
        let before: Vec<usize> = asked().collect();
        let program = running(&self.world, &self.words());
        has_written(&self.folder);
        until("every figure is looked at", || {
            asked().zip(&before).all(|(asked, before)| asked >= before + looks)
        });
        program
    }

    /// Waits until the program is gone; gives the newest run, and whether the program says that it succeeded.
    fn ended(&self, mut program: Child) -> (Value, bool) {
        let began = Instant::now();
        let status = loop {
            if let Some(status) = program.try_wait().expect("it can be asked") {
                break status;
            }
            assert!(began.elapsed() < WITHIN, "the run never ends");
            thread::yield_now();
        };
        let runs = self.world.document("runbook list --runs", 0, "runbook-runs");
        (runs["runs"][0].clone(), status.success())
    }

    /// A run that was taken back, and why; nothing is left of it, and the fleet is free.
    fn taken_back(&self, view: &Value, step: &str) -> String {
        assert_eq!(view["state"], "rolled_back", "{:?}", states(view));
        assert_eq!(state_of(view, step), "failed", "{:?}", states(view));
        assert_eq!(state_of(view, "remove_window"), "succeeded");
        assert_eq!(view["frozen_until_ms"], Value::Null);
        assert_eq!(edges(&self.folder), "0");
        let steps = view["steps"].as_array().expect("steps").iter();
        let step = steps.filter(|one| one["id"] == step).map(|one| one["detail"].clone()).next();
        step.expect("the step").as_str().expect("text").to_owned()
    }

    /// How often the job was sent for real.
    fn calls_of_job(&self) -> usize {
        let calls = fs::read_to_string(self.folder.join("calls.log")).unwrap_or_default();
        calls.lines().filter(|line| *line == "job --batch-size=500 --stop-on-error").count()
    }
}

/// R086-R089: every figure is asked for again and again beside the job, at a Prometheus that has it.
#[test]
fn a_backfill_goes_to_its_end_as_long_as_a_real_prometheus_sees_nothing_wrong() {
    let Some(watched) = Watched::start() else { return };
    let mut program = watched.begun(2);
    assert!(program.try_wait().expect("it can be asked").is_none(), "it goes on meanwhile");
    // The figures are those of this very job.
    let inserts = || value(&watched.prometheus, "backfill_inserts_total");
    until("the first batch is seen", || inserts() == Some(500.0));
    watched.go_on();
    let (view, succeeded) = watched.ended(program);
    assert!(succeeded, "{:?}", states(&view));
    assert_eq!(view["state"], "succeeded", "{:?}", states(&view));
    assert_eq!(edges(&watched.folder), "1200");
    assert_eq!(state_of(&view, "absent"), "succeeded", "no event in the freeze, by its counter");
    until("all batches are seen", || inserts() == Some(1_200.0));
}

/// R089, R077-R079: lag, CPU and errors as a real Prometheus sees them end the job in its middle.
#[test]
fn what_a_real_prometheus_sees_go_bad_beside_a_backfill_halts_it_and_takes_it_back() {
    let Some(watched) = Watched::start() else { return };
    for (figures, why) in [
        (
            json!({ "mongodb_oplog_lag_seconds": 61 }),
            "stopped: Oplog lag in seconds: 61 is above 60",
        ),
        (
            json!({ "mongodb_primary_cpu_percent": 6 }),
            "stopped: CPU of the primary in percent: 6 is above 5",
        ),
        // What was counted stays counted for a minute, so this comes last.
        (json!({ "backfill_errors_total": 3 }), "stopped: Errors: "),
    ] {
        let begun = watched.calls_of_job();
        let program = watched.begun(1);
        watched.tell(&figures);
        let (view, succeeded) = watched.ended(program);
        assert!(!succeeded, "{figures}");
        let detail = watched.taken_back(&view, "backfill");
        assert!(detail.starts_with(why), "{figures}: {detail}");
        assert_eq!(watched.calls_of_job(), begun + 1, "it is not tried again");
        watched.tell(&json!({}));
        let lag = || value(&watched.prometheus, "max(mongodb_oplog_lag_seconds)");
        let busy = || value(&watched.prometheus, "max(mongodb_primary_cpu_percent)");
        until("it is well again", || lag() == Some(1.0) && busy() == Some(2.0));
    }
}

/// R072: an event that must not have occurred while the fleet was frozen is found by its counter at the end.
#[test]
fn an_event_that_a_real_prometheus_saw_in_the_freeze_takes_a_finished_backfill_back() {
    let Some(watched) = Watched::start() else { return };
    let program = watched.begun(1);
    watched.tell(&json!({ "advisory_linkset_updated_total": 8 }));
    let counted = || value(&watched.prometheus, "advisory_linkset_updated_total");
    until("the event is seen", || counted() == Some(8.0));
    watched.go_on();
    let (view, _) = watched.ended(program);
    let detail = watched.taken_back(&view, "absent");
    assert!(detail.contains("is above 0"), "{detail}");
    assert_eq!(state_of(&view, "backfill"), "succeeded");
}

/// R089: a job that runs longer than it may is ended, whatever its figures say.
#[test]
fn a_backfill_that_runs_too_long_beside_a_real_prometheus_is_taken_back() {
    let Some(watched) = Watched::start() else { return };
    // The shipped runbook, but that nobody waits two hours.
    let hasty = RUNBOOK.replace("timeout_s: 7200\n    repeats", "timeout_s: 3\n    repeats");
    assert_ne!(hasty, RUNBOOK);
    let file = watched.world.file("hasty.md", &hasty);
    let words = watched.words().replacen("supersedes-backfill", &file, 1);
    let answers = watched.world.file("answers.toml", BACKFILL);
    let words = format!("runbook run {words} --answers {answers} --no-input");
    let refused = watched.world.check(&words, 4).stderr;
    let phrase = refused.split('"').nth(1).expect("the phrase").to_owned();
    watched.hold();
    let mut command = watched.world.command();
    command.args(words.split(' ')).args(["--json", "--accept", &phrase]);
    let said = watched.world.check_command(&mut command, &words, 1);
    let view: Value = serde_json::from_str(&said.stdout).expect("a document");
    assert_eq!(watched.taken_back(&view, "backfill"), "it was ended after 3 s");
}
