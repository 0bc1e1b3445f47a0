//! Evidence that is written while things happen: runs that are killed, runbooks, the console's own log, raw answers.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    evidence::{PASSPHRASE, signing},
    runbooks::{desired_content, own, prometheus, run, states},
    world::{CANARY, World},
};

fn unpacked(world: &World, archive: &str) -> PathBuf {
    let folder = world.path().join(format!("{archive}.d"));
    let done = Command::new("unzip")
        .args(["-q", archive, "-d"])
        .arg(&folder)
        .current_dir(world.path())
        .status();
    assert!(done.expect("unzip is there").success());
    folder
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn lines(path: &Path) -> Vec<Value> {
    read(path).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

/// `sha256sum` and a verifier of DSSE that is not ours: what instructions.txt tells, done by others' programs.
pub(crate) fn holds_for_others(world: &World, archive: &str) -> PathBuf {
    let folder = unpacked(world, archive);
    let sums = Command::new("sha256sum")
        .args(["--check", "--strict", "--quiet", "checksums.txt"])
        .current_dir(&folder)
        .status();
    assert!(sums.expect("sha256sum is there").success());
    // Pre-authentication encoding by Python, the signature by OpenSSL.
    let script = "import base64, json, subprocess, sys\n\
        envelope = json.load(open('manifest.dsse.json'))\n\
        payload = base64.b64decode(envelope['payload'], validate=True)\n\
        assert payload == open('manifest.json', 'rb').read(), 'the payload is the manifest'\n\
        kind = envelope['payloadType'].encode()\n\
        pae = b'DSSEv1 %d %s %d %s' % (len(kind), kind, len(payload), payload)\n\
        open('../pae', 'wb').write(pae)\n\
        [signature] = envelope['signatures']\n\
        open('../sig', 'wb').write(base64.b64decode(signature['sig'], validate=True))\n\
        raw = ['openssl', 'pkeyutl', '-verify', '-pubin', '-inkey', 'signer.pem', '-rawin', '-in', '../pae', '-sigfile', '../sig']\n\
        sys.exit(subprocess.run(raw).returncode)\n";
    let said = Command::new("/usr/bin/python3")
        .args(["-c", script])
        .current_dir(&folder)
        .output()
        .expect("Python is there");
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    folder
}

fn result(view: &Value, check: &str) -> String {
    let checks = view["checks"].as_array().expect("checks");
    let check = checks.iter().find(|one| one["name"] == check).expect("the check");
    check["result"].as_str().expect("a word").to_owned()
}

#[test]
fn what_nodes_answered_to_a_run_that_was_killed_is_in_its_evidence() {
    let world = World::demo(7);
    signing(&world, "journal key --make console.key --output console.pem", 0);
    let plan =
        "plan sync --node us-gw-001 --node us-gw-002 --canary us-gw-001 --gate-errors-ppm 10";
    let plan = world.document(plan, 0, "plan");
    let hash = plan["hash"].as_str().expect("a hash").to_owned();
    let of_world = world.command();
    let mut command = Command::new(of_world.get_program());
    for (name, value) in of_world.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(world.path()).args(["run", &hash, "--yes"]);
    command.env("PLUMBLINE_CONSOLE_KEY", "console.key").env("PLUMBLINE_KEY_PASSPHRASE", PASSPHRASE);
    let mut child = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn().expect("starts");
    // Nobody decides anything, so the gate of the canary stays shut; it is told once a wave rests there.
    let log = world.path().join("data/evidence/live");
    let (tell, told) = mpsc::channel();
    let said = BufReader::new(child.stderr.take().expect("piped"));
    thread::spawn(move || said.lines().map_while(Result::ok).all(|line| tell.send(line).is_ok()));
    let is_kept = || {
        let parts = fs::read_dir(&log).into_iter().flatten().flatten();
        let mut logs = parts.map(|part| part.path().join("written.jsonl"));
        logs.any(|log| fs::read_to_string(log).unwrap_or_default().contains("\"grown\""))
    };
    let until = Instant::now() + Duration::from_mins(1);
    while !is_kept() {
        // What it says, or a moment of silence: then its folder is looked at again.
        let said = told.recv_timeout(Duration::from_millis(20));
        assert!(
            said != Err(mpsc::RecvTimeoutError::Disconnected) || is_kept(),
            "it ended too early"
        );
        assert!(Instant::now() < until, "nothing was kept in a minute");
    }
    child.kill().expect("killed");
    child.wait().expect("ended");

    let runs = world.document("runs list --no-sweep", 0, "runs");
    let id = runs["runs"][0]["id"].as_str().expect("an id").to_owned();
    signing(&world, &format!("evidence capture --run {id} --no-ask --output killed.zip"), 0);
    let view = world.document("evidence verify killed.zip --key console.pem", 0, "evidence");
    for check in ["signature", "hashes", "journal", "states", "kept", "plan", "redaction"] {
        assert_eq!(result(&view, check), "passed", "{check}: {view:#}");
    }
    let folder = holds_for_others(&world, "killed.zip").join("runs").join(&id);
    let answers = lines(&folder.join("answers-01.jsonl"));
    assert!(answers.iter().any(|line| line["node"] == "us-gw-001" && line["status"] == 200));
    let has_headers = |line: &Value| line["headers"].as_array().is_some_and(|all| !all.is_empty());
    assert!(answers.iter().all(has_headers), "{answers:?}");
    let marks = lines(&folder.join("states.jsonl"));
    assert!(marks.iter().all(|mark| mark["projection"] == 3), "{marks:?}");
}

#[test]
fn a_journal_says_what_was_kept_before_its_run_ended() {
    let (world, id) = crate::evidence::run();
    let words = format!("evidence capture --run {id} --no-ask --raw raw.bin --output run.zip");
    signing(&world, &words, 0);
    let view = world.document("evidence verify run.zip --key console.pem", 0, "evidence");
    assert_eq!(result(&view, "kept"), "passed", "{view:#}");
    let folder = holds_for_others(&world, "run.zip");
    let of_run = folder.join("runs").join(&id);
    let events = lines(&of_run.join("journal.jsonl"));
    let events: Vec<&Value> = events.iter().map(|line| &line["body"]["event"]).collect();
    let named = |name: &str| events.iter().position(|event| event["event"] == name);
    let (kept, ended) =
        (named("evidence_kept").expect("noted"), named("run_ended").expect("ended"));
    assert!(kept < ended, "noted before the end");
    let answers = lines(&of_run.join("answers-01.jsonl"));
    assert_eq!(events[kept]["answers"], answers.len() as u64);
    // It is a line of the log that lists the file.
    let log = read(&of_run.join("kept-01.jsonl"));
    let hash = |line: &str| {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, line.as_bytes());
        digest.as_ref().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
    };
    assert!(log.split_inclusive('\n').any(|line| events[kept]["log"] == hash(line)), "{log}");

    // Word for word for whoever has the passphrase, by digest only in the manifest, and nowhere in the archive.
    let raw = fs::read(world.path().join("raw.bin")).expect("it is there");
    let manifest: Value = serde_json::from_str(&read(&folder.join("manifest.json"))).expect("JSON");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &raw);
    let hex = digest.as_ref().iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    assert_eq!(manifest["predicate"]["raw"], hex.as_str());
    assert!(!raw.windows(9).any(|window| window == b"us-gw-001"));
    let said = signing(&world, "evidence raw raw.bin --of run.zip", 0).stdout;
    assert_eq!(said.lines().count(), answers.len(), "{said}");
    assert!(said.contains("\"us-gw-001\"") && !said.contains("redacted-"), "{said}");
    signing(&world, "evidence raw raw.bin --output clear.jsonl", 0);
    assert_eq!(read(&world.path().join("clear.jsonl")), said);
    signing(&world, "evidence raw run.zip", 2);
    fs::write(world.path().join("other.bin"), &raw[..raw.len() - 1]).expect("written");
    let other = signing(&world, "evidence raw other.bin --of run.zip", 2).stderr;
    assert!(other.contains("names another file"), "{other}");
    assert!(signing(&world, "evidence raw other.bin", 2).stderr.contains("cut off"));
    let mut command = world.command();
    command.env("PLUMBLINE_KEY_PASSPHRASE", "another one that is wrong");
    world.check_command(command.args(["evidence", "raw", "raw.bin"]), "evidence raw", 2);
}

#[test]
fn a_runbook_ends_with_sealed_evidence_of_it_and_of_what_it_led_to() {
    let world = World::demo(5);
    signing(&world, "journal key --make console.key --output console.pem", 0);
    let content = desired_content(&world);
    let answers = format!(
        "[parameters]\nversion = \"2.0.0\"\ncontent = \"{content}\"\nnode = \"eu-gw-002\"\n\
         [answers]\nbring = \"pin the version\"\ncause = \"node out of sync\"\n[confirm]\npin = \"yes\"\nsync = \"demo 3\"\n\
         resync = \"yes\"\n[skip]\nsame_answers = \"the reload services know no safety context\"\n"
    );
    let view = run(&world, "policy-version-conflicts", &answers, 0);
    assert_eq!(view["state"], "succeeded", "{:?}", states(&view));
    let id = view["id"].as_str().expect("an id").to_owned();
    let said = signing(&world, &format!("evidence capture --run {id} --output book.zip"), 0);
    assert!(said.stdout.contains("planted secrets was found in it"), "{}", said.stdout);
    let verdict = world.document("evidence verify book.zip --key console.pem", 0, "evidence");
    for check in ["signature", "hashes", "journal", "states", "plan", "redaction"] {
        assert_eq!(result(&verdict, check), "passed", "{check}: {verdict:#}");
    }
    let runs = verdict["evidence"]["runs"].as_array().expect("runs");
    assert!(runs.len() > 1 && runs[0]["run"] == id.as_str(), "{runs:?}");
    let folder = holds_for_others(&world, "book.zip");
    let of_book = folder.join("runs").join(&id);
    let transcript = read(&of_book.join("transcript.txt"));
    assert!(
        transcript.contains("same_version") && transcript.contains("ended: succeeded"),
        "{transcript}"
    );
    for name in
        ["runbook.json", "runbook-run.json", "files/SHA256SUMS", "files/versions-before.json"]
    {
        assert!(of_book.join(name).is_file(), "{name}");
    }
    let led_to = folder.join("runs").join(runs[1]["run"].as_str().expect("an id"));
    assert!(led_to.join("plan.json").is_file() && led_to.join("answers-01.jsonl").is_file());
    let page = read(&folder.join("report.html"));
    assert!(page.contains("of the runbook") && page.matches("data:image/svg+xml").count() == 5);
}

#[test]
fn what_steps_asked_of_others_is_kept_as_what_nodes_answered() {
    let world = World::demo(1);
    signing(&world, "journal key --make console.key --output console.pem", 0);
    let url = prometheus("7");
    let host = url.trim_start_matches("http://").to_owned();
    let fleet = world.fleet_file();
    let text = read(&fleet);
    fs::write(&fleet, format!("{text}\n[prometheus]\nurl = \"{url}\"\n")).expect("writable");
    let steps = format!(
        "```step\nid: ask\ntitle: Ask\ndo: {{http: {{method: GET, url: '{url}/lag?of=oplog', headers: {{authorization: 'secret:env:PLUMB_TOKEN'}}}}}}\n```\n\
         ```step\nid: lag\ntitle: Lag\ndo: {{query: {{source: prometheus, query: oplog, max: 9}}}}\n```\n"
    );
    let file = world.file("asking.md", &own(&steps));
    let words = format!("runbook run {file} --no-input --allow-host {host}");
    let phrase = world.check(&words, 4).stderr.split('"').nth(1).expect("the phrase").to_owned();
    let mut command = world.command();
    command.env("PLUMBLINE_CONSOLE_KEY", "console.key").env("PLUMBLINE_KEY_PASSPHRASE", PASSPHRASE);
    command.args(words.split(' ')).args(["--json", "--accept", &phrase]);
    let said = world.check_command(&mut command, &words, 0);
    let view: Value = serde_json::from_str(&said.stdout).expect("a document");
    let id = view["id"].as_str().expect("an id").to_owned();
    let words = format!("evidence capture --run {id} --no-ask --raw raw.bin --output asked.zip");
    signing(&world, &words, 0);
    let view = world.document("evidence verify asked.zip --key console.pem", 0, "evidence");
    for check in ["journal", "states", "kept", "redaction"] {
        assert_eq!(result(&view, check), "passed", "{check}: {view:#}");
    }
    let of_run = holds_for_others(&world, "asked.zip").join("runs").join(&id);
    let answers = lines(&of_run.join("answers-01.jsonl"));
    let [asked, figure] = answers.as_slice() else { panic!("{answers:?}") };
    let body = asked["body"].as_str().expect("a body");
    assert!(body.contains("\"7\""), "{asked}");
    assert_eq!((&asked["method"], &asked["path"]), (&"GET".into(), &"/lag?of=oplog".into()));
    assert_eq!((&asked["status"], &figure["status"]), (&200.into(), &200.into()));
    // The same body comes once, and the name of the host is an address, which is one of a machine.
    assert!(asked["host"].as_str().is_some_and(|host| host.starts_with("redacted-")), "{asked}");
    assert!(figure["node"].is_string() && figure["same_as"] == 1, "{figure}");
    for answer in &answers {
        let headers = answer["headers"].as_array().expect("headers");
        assert!(headers.iter().any(|line| line == "content-type: application/json"), "{answer}");
        assert!(answer["at"].is_string());
    }
    // Word for word beside it, and without the secret that the step used.
    let raw = signing(&world, "evidence raw raw.bin --of asked.zip", 0).stdout;
    assert!(raw.contains(&host) && raw.lines().count() == 2, "{raw}");
    assert!(!raw.contains(CANARY));
}

#[test]
fn the_log_of_the_console_is_evidence_and_holds_no_secret() {
    let (world, _) = crate::evidence::run();
    signing(&world, "evidence capture --last 1h --no-ask --output hour.zip", 0);
    let folder = unpacked(&world, "hour.zip");
    let log = lines(&folder.join("console/log.jsonl"));
    let told = |message: &str| log.iter().any(|line| line["message"] == message);
    assert!(told("operation answered") && told("swept"), "{log:?}");
    assert!(!read(&folder.join("console/log.jsonl")).contains(CANARY));
    // The runs of the hour are in it, and what they kept.
    let runs = fs::read_dir(folder.join("runs")).expect("runs").flatten();
    let with_answers = runs.filter(|run| run.path().join("answers-01.jsonl").is_file());
    assert_eq!(with_answers.count(), 1);
}

#[test]
fn a_chart_is_a_png_with_the_fonts_of_the_program_and_has_the_same_bytes_again() {
    let (world, _) = crate::evidence::run();
    for what in ["timeline", "raster", "reloads", "age"] {
        world.check(&format!("chart {what} --no-sweep --output {what}.png"), 0);
        let png = fs::read(world.path().join(format!("{what}.png"))).expect("it is there");
        assert!(png.starts_with(b"\x89PNG\r\n"), "{what}");
    }
    let said = world.command().args(["chart", "raster", "--format", "png"]).output();
    assert!(said.expect("starts").stdout.starts_with(b"\x89PNG\r\n"));
}
