//! The dashboard of a run at a stand-in for Grafana: put when its job begins, removed when it ends, however
//! it ends.

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    runbooks::{BACKFILL, backfill_words, backfill_world, edges, run, states},
    world::World,
};

/// As far as runs of runbooks ask a Grafana: dashboards by uid, and everything that was asked.
#[derive(Debug, Default)]
struct Shown {
    dashboards: BTreeMap<String, Value>,
    asked: Vec<String>,
    /// The newest one that was put.
    newest: Option<Value>,
    refuses: bool,
}

type Grafana = Arc<Mutex<Shown>>;

fn grafana() -> (String, Grafana) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let grafana = Grafana::default();
    let shared = grafana.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            answer(stream, &shared);
        }
    });
    (format!("http://{address}/grafana"), grafana)
}

fn answer(mut stream: TcpStream, grafana: &Grafana) {
    let (head, body) = asked(&mut stream);
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = path.strip_prefix("/grafana").unwrap_or(path).to_owned();
    let mut shown = grafana.lock().expect("nobody panicked");
    shown.asked.push(format!("{method} {path}"));
    let uid = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let (status, said) = match method {
        _ if !head.to_lowercase().contains("authorization: bearer canary-token-7b1e55") => {
            (401, json!({ "message": "Unauthorized" }))
        }
        _ if shown.refuses => (500, json!({ "message": "database is locked" })),
        "POST" => {
            let put: Value = serde_json::from_slice(&body).expect("a document");
            let dashboard = put["dashboard"].clone();
            let uid = dashboard["uid"].as_str().expect("a uid").to_owned();
            assert!(uid.len() <= 40 && put["overwrite"] == true, "{put}");
            shown.newest = Some(dashboard.clone());
            shown.dashboards.insert(uid.clone(), dashboard);
            (200, json!({ "uid": uid, "status": "success" }))
        }
        "DELETE" => match shown.dashboards.remove(&uid(&path)) {
            Some(_) => (200, json!({ "message": "deleted" })),
            None => (404, json!({ "message": "Dashboard not found" })),
        },
        _ => {
            let tag = path.split("tag=").nth(1).and_then(|tag| tag.split('&').next());
            let tagged = shown.dashboards.values().filter(|one| {
                let tags = one["tags"].as_array().into_iter().flatten();
                tags.clone().any(|one| one.as_str() == tag)
            });
            (200, tagged.cloned().collect())
        }
    };
    let said = said.to_string();
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nconnection: close");
    let _ = write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{said}", said.len());
}

/// The head of a request as text, and its body.
fn asked(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4_096]);
    loop {
        let count = stream.read(&mut piece).unwrap_or_default();
        bytes.extend_from_slice(&piece[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.to_lowercase();
            let length = length.split("content-length: ").nth(1).and_then(|rest| {
                rest.split_whitespace().next().and_then(|length| length.parse::<usize>().ok())
            });
            if bytes.len() >= end + 4 + length.unwrap_or_default() {
                return (head, bytes[end + 4..].to_vec());
            }
        }
        if count == 0 {
            return (String::from_utf8_lossy(&bytes).into_owned(), Vec::new());
        }
    }
}

fn world() -> (World, PathBuf, Grafana) {
    let (world, folder) = backfill_world("1");
    let (url, grafana) = grafana();
    let file = world.fleet_file();
    let text = fs::read_to_string(&file).expect("the fleet file");
    let entry = format!("\n[grafana]\nurl = \"{url}\"\ncredential = {{ env = \"PLUMB_TOKEN\" }}\n");
    fs::write(&file, text + &entry).expect("writable");
    (world, folder, grafana)
}

#[test]
fn a_run_shows_its_figures_until_it_ends() {
    let (world, folder, grafana) = world();
    let root = world.path().join("artifacts");
    let view = run(&world, &backfill_words(&folder, &root), BACKFILL, 0);
    let shown = grafana.lock().expect("nobody panicked");
    let put = shown.newest.clone().expect("it was put");
    let id = view["id"].as_str().expect("an id");
    assert_eq!(put["title"], format!("Supersedes backfill rollout plan: run {id}"));
    assert!(
        view["dashboard"]
            .as_str()
            .expect("its address")
            .ends_with(&format!("/grafana/d/{}", put["uid"].as_str().expect("a uid")))
    );
    let panels = put["panels"].as_array().expect("panels");
    let of = |title: &str| {
        let title = format!("The same for real, in production: {title}");
        let found = panels.iter().find(|panel| panel["title"] == title.as_str());
        found.unwrap_or_else(|| panic!("no panel {title} in {put:#}"))
    };
    let limit = |title: &str| {
        let steps = of(title)["fieldConfig"]["defaults"]["thresholds"]["steps"].clone();
        steps.as_array().and_then(|steps| steps.last()?["value"].as_f64())
    };
    // R086-R089: violations, operations a second, runtime over 2 h, lag over 60 s.
    assert_eq!(limit("Idempotency violations"), Some(0.0));
    let operations = of("Mongo operations per second");
    assert_eq!(operations["targets"][0]["expr"], "sum(rate(mongodb_op_counters_total[1m]))");
    assert_eq!(limit("Runtime in seconds"), Some(7_200.0));
    assert_eq!(limit("Oplog lag in seconds"), Some(60.0));
    let tags = put["tags"].as_array().expect("tags");
    assert!(
        tags.iter()
            .any(|tag| { tag.as_str().is_some_and(|tag| tag.starts_with("plumbline-expires-")) })
    );
    assert!(shown.dashboards.is_empty(), "{:?}", shown.asked);
    let puts = shown.asked.iter().filter(|asked| asked.starts_with("POST")).count();
    assert_eq!(puts, 1, "{:?}", shown.asked);
}

#[test]
fn a_dashboard_of_a_run_whose_program_was_killed_is_removed_by_who_goes_on() {
    let (world, folder, grafana) = world();
    fs::write(folder.join("slow"), "").expect("writable");
    let answers = world.file("answers.toml", BACKFILL);
    let words = backfill_words(&folder, &world.path().join("artifacts"));
    let mut program = Command::new(env!("CARGO_BIN_EXE_plumb"))
        .args(format!("runbook run {words} --answers {answers} --no-input").split(' '))
        .env("PLUMBLINE_DATA_DIR", world.path().join("data"))
        .env("PLUMB_TOKEN", crate::world::CANARY)
        .current_dir(world.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let began = Instant::now();
    let count = || grafana.lock().expect("nobody panicked").dashboards.len();
    while count() == 0 || !folder.join("advisories.sqlite").exists() || edges(&folder) != "500" {
        assert!(began.elapsed() < Duration::from_mins(1), "the job never begins");
        thread::yield_now();
    }
    program.kill().expect("it is there");
    program.wait().expect("it ends");
    fs::remove_file(folder.join("slow")).expect("it is there");
    assert_eq!(count(), 1, "nobody removed it yet");
    let runs = world.document("runbook list --runs", 0, "runbook-runs");
    let id = runs["runs"][0]["id"].as_str().expect("an id").to_owned();
    let resumed = format!("runbook resume {id} --answers {answers} --no-input");
    let view = world.document(&resumed, 1, "runbook-run");
    assert_eq!(view["state"], "rolled_back", "{:?}", states(&view));
    assert_eq!(count(), 0);
}

#[test]
fn the_next_run_removes_what_was_left_and_has_expired_and_nothing_else() {
    let (world, folder, grafana) = world();
    let dashboard = |uid: &str, tags: &[&str]| {
        let document = json!({ "uid": uid, "title": uid, "tags": tags });
        grafana.lock().expect("nobody panicked").dashboards.insert(uid.to_owned(), document);
    };
    dashboard("run-old", &["plumbline-run", "plumbline-expires-1000"]);
    dashboard("run-new", &["plumbline-run", "plumbline-expires-99999999999"]);
    dashboard("ours", &["plumbline-run", "plumbline-expires-1000"]);
    dashboard("run-theirs", &["plumbline-expires-1000"]);
    let root = world.path().join("artifacts");
    run(&world, &backfill_words(&folder, &root), BACKFILL, 0);
    let shown = grafana.lock().expect("nobody panicked");
    let left: Vec<&String> = shown.dashboards.keys().collect();
    assert_eq!(left, ["ours", "run-new", "run-theirs"], "{:?}", shown.asked);
}

#[test]
fn a_grafana_that_refuses_stops_no_run() {
    let (world, folder, grafana) = world();
    grafana.lock().expect("nobody panicked").refuses = true;
    let root = world.path().join("artifacts");
    let view = run(&world, &backfill_words(&folder, &root), BACKFILL, 0);
    assert_eq!(view["state"], "succeeded");
    assert!(!grafana.lock().expect("nobody panicked").asked.is_empty());
}
