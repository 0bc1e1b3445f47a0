//! What was kept while a run went on, and what somebody made of it who had the folder and the key in hand.

use std::fs;

use plumb_evidence::{
    Capture, CheckName, Draft, RunPart, Seal,
    capture::Captured,
    live::{Answer, Answerer, Live},
    manifest::{kept_answers, kept_log, kept_of, run_folder},
    seal,
};
use plumb_fleet::{Digest, NodeId};
use plumb_journal::{
    Event, Head, Outcome,
    certificate::JournalRef,
    portable::{Header, write_entry, write_header},
};
use plumb_redact::{Form, RuleSpec, Rules};
use plumb_testkit::{clock::after, company::at};
use plumb_trust::locked::stream::StreamKey;
use serde_json::{Value, json};

use crate::support::{Folder, TOKENS, about, console, run, sync, trust, verified};

/// Everything of a run that kept three answers, of which the journal binds two.
struct Run {
    events: Vec<Event>,
    entries: Vec<(String, Vec<u8>)>,
    missing: Vec<(String, String)>,
}

fn rules() -> Rules {
    Rules::compile(&RuleSpec::default()).expect("good rules")
}

fn told(live: &mut Live, body: &str) {
    let node = NodeId::new("gw-1").expect("a name");
    let (method, path, headers) = ("GET", "/readyz", &["content-type: text/plain".to_owned()]);
    let answer = Answer {
        from: Answerer::Node(&node),
        method,
        path,
        at: after(1),
        status: 200,
        headers,
        body,
    };
    live.take(&answer).expect("taken");
}

impl Run {
    fn new(folder: &Folder) -> Self {
        let path = folder.join("live");
        let key = StreamKey::generate(&mut |bytes: &mut [u8]| bytes.fill(5));
        let rules = (RuleSpec::default(), rules());
        let mut live =
            Live::begin(&path, (run(), 1), about(), rules, (TOKENS, key)).expect("begins");
        told(&mut live, "ready");
        told(&mut live, "ready still");
        live.lacks("an answer of gw-2", "it came too fast").expect("noted");
        let bound = live.keep().expect("durable");
        told(&mut live, "ready to the end");
        live.finish().expect("ends");
        let (draft, _) = Draft::check(&path).expect("it reads");
        let read = |name: &plumb_evidence::EntryName| fs::read(draft.path(name)).expect("read");
        let entries = draft.entries().keys().map(|name| (name.to_string(), read(name)));
        let log = fs::read(path.join("written.jsonl")).expect("read");
        let started = Event::RunStarted {
            plan: sync().hash(),
            fleet: sync().fleet,
            operator: "ops@example".to_owned(),
            targets: 2,
        };
        Self {
            events: vec![
                started,
                Event::EvidenceKept { answers: bound.answers, log: bound.log },
                Event::RunEnded { outcome: Outcome::Succeeded },
            ],
            entries: entries.chain([(kept_log(run(), 1), log)]).collect(),
            missing: vec![("an answer of gw-2".to_owned(), "it came too fast".to_owned())],
        }
    }

    fn entry(&mut self, name: &str) -> &mut Vec<u8> {
        let found = self.entries.iter_mut().find(|(other, _)| other == name);
        &mut found.expect("it is there").1
    }

    fn without(&mut self, name: &str) {
        self.entries.retain(|(other, _)| other != name);
    }

    /// Writes the log anew, each line bound to the one before.
    fn logged(&mut self, change: impl FnOnce(&mut Vec<Value>)) {
        let log = self.entry(&kept_log(run(), 1));
        let lines = log.split_inclusive(|byte| *byte == b'\n');
        let mut said: Vec<Value> = lines
            .map(|line| serde_json::from_slice::<Value>(line).expect("JSON")["said"].clone())
            .collect();
        change(&mut said);
        log.clear();
        let mut previous = Digest::from_bytes([0; 32]);
        for said in said {
            let line = format!("{}\n", json!({ "previous": previous, "said": said }));
            previous = Digest::of(line.as_bytes());
            log.extend_from_slice(line.as_bytes());
        }
    }

    fn sealed(self, folder: &Folder) -> Vec<u8> {
        let draft = folder.join("draft");
        let spec = RuleSpec::default();
        let mut capture = Capture::begin(&draft, about(), spec, rules(), TOKENS).expect("begins");
        let mut head = Head::empty(run());
        let mut text = write_header(&Header::new(run(), sync().hash(), sync().fleet));
        for (second, event) in (0_i64..).zip(self.events) {
            let entry = head.append(after(second), event);
            text.push_str(&write_entry(&entry.body.canonical(), entry.hash));
        }
        let of_run = |name: &str| format!("{}/{name}", run_folder(run()));
        capture.composed(&of_run("journal.jsonl"), text.as_bytes()).expect("taken");
        capture.take("log", Form::Text, "console/log.txt", b"fine").expect("taken");
        for (name, bytes) in &self.entries {
            capture.composed(name, bytes).expect("taken");
        }
        for (what, why) in &self.missing {
            capture.lacks(what, why).expect("noted");
        }
        let journal = Some(JournalRef { events: head.seq, head: head.hash });
        let (plan, outcome) = (sync().hash(), Some("succeeded".to_owned()));
        capture.run(RunPart { journal, outcome, plan, run: run() }).expect("noted");
        let Captured { draft, canaries, .. } = capture.finish().expect("ends");
        let with = Seal { key: console(), made_at: at("2026-03-01T12:00:00Z"), canaries };
        let sealed = seal(&draft, with, &folder.join("evidence.zip")).expect("it seals");
        fs::read(sealed.path).expect("it is there")
    }
}

/// What is said of a run that was kept, after somebody worked on it; and the entry that is named.
fn check(change: impl FnOnce(&mut Run)) -> String {
    let folder = Folder::new();
    let mut run = Run::new(&folder);
    change(&mut run);
    let verification = verified(&run.sealed(&folder), &trust());
    let found = verification.finding(CheckName::Kept);
    assert_eq!(verification.broken, found.entry, "nothing else is broken");
    let at = found.entry.as_deref().unwrap_or("no entry");
    let text = format!("{:?}, {at}: {}", found.outcome, found.detail);
    text.replace(&crate::support::run().to_string(), "RUN")
}

const ANSWERS: &str = "runs/RUN/answers-01.jsonl";
const LOG: &str = "runs/RUN/kept-01.jsonl";
const JOURNAL: &str = "runs/RUN/journal.jsonl";

#[test]
fn what_was_kept_is_compared_with_what_is_here() {
    assert_eq!(
        check(|_| {}),
        "Passed, no entry: run RUN: 1 entry as kept, bound by 1 event of its journal"
    );
}

#[test]
fn a_kept_thing_that_is_another_now_is_named() {
    let altered =
        format!("Failed, {ANSWERS}: {ANSWERS} is not what was kept while the run went on ({LOG})");
    let alter = |run: &mut Run| run.entry(&kept_answers(crate::support::run(), 1))[20] ^= 1;
    assert_eq!(check(alter), altered);
    // The forger makes the end of the log fit, and leaves alone what the journal binds.
    let fits = |run: &mut Run| {
        let answers = run.entry(&kept_answers(crate::support::run(), 1));
        answers[20] ^= 1;
        let sha256 = Digest::of(answers);
        run.logged(|said| {
            let last = said.last_mut().expect("it has lines");
            last["grown"]["written"]["sha256"] = json!(sha256);
        });
    };
    assert_eq!(check(fits), altered);
}

#[test]
fn a_log_that_the_journal_does_not_bind_is_named() {
    let rewritten = |run: &mut Run| {
        let answers = run.entry(&kept_answers(crate::support::run(), 1));
        answers[20] ^= 1;
        let sha256 = Digest::of(answers);
        let bytes = answers.len();
        run.logged(|said| {
            said.retain(|one| one.get("grown").is_none());
            let written = json!({ "bytes": bytes, "sha256": sha256 });
            let name = kept_answers(crate::support::run(), 1);
            said.push(json!({ "grown": { "name": name, "written": written } }));
        });
    };
    assert_eq!(
        check(rewritten),
        format!("Failed, {LOG}: {LOG}: it is not the log that event 2 of the journal binds")
    );
    let torn = |run: &mut Run| run.entry(&kept_log(crate::support::run(), 1))[300] ^= 1;
    let said = check(torn);
    assert!(said.starts_with(&format!("Failed, {LOG}: {LOG}: line ")), "{said}");
    let cut_off = |run: &mut Run| {
        run.entry(&kept_log(crate::support::run(), 1)).pop();
    };
    assert_eq!(check(cut_off), format!("Failed, {LOG}: {LOG}: its last line is cut off"));
}

#[test]
fn a_kept_thing_that_is_missing_is_named_unless_the_manifest_lists_it() {
    let answers = kept_answers(run(), 1);
    assert_eq!(
        check(|run| run.without(&answers)),
        format!(
            "Failed, {ANSWERS}: {ANSWERS} was kept while the run went on ({LOG}), and is neither here nor \
             listed as missing"
        )
    );
    let listed = |run: &mut Run| {
        run.without(&answers);
        run.missing.push((answers.clone(), "it was altered after it was written".to_owned()));
    };
    assert_eq!(
        check(listed),
        "Passed, no entry: run RUN: 0 entries as kept, bound by 1 event of its journal"
    );
    assert_eq!(
        check(|run| run.missing.clear()),
        format!(
            "Failed, {LOG}: {LOG}: it was noted that an answer of gw-2 is missing, and the manifest does not \
             list that"
        )
    );
}

#[test]
fn a_log_that_is_missing_is_named_unless_the_manifest_lists_it() {
    let log = kept_log(run(), 1);
    let nothing = |run: &mut Run| {
        run.without(&log);
        run.without(&kept_answers(crate::support::run(), 1));
    };
    assert_eq!(
        check(nothing),
        format!(
            "Failed, {JOURNAL}: {JOURNAL}: the archive has no log, and lists no reason, where one is that event \
             2 of the journal binds"
        )
    );
    assert_eq!(
        check(|run| run.without(&log)),
        format!("Failed, {ANSWERS}: {ANSWERS} is there, and no log says that it was kept")
    );
    for what in [log.clone(), kept_of(run())] {
        let listed = |run: &mut Run| {
            nothing(run);
            run.missing.push((what, "it was kept too long ago".to_owned()));
        };
        assert_eq!(
            check(listed),
            "Passed, no entry: run RUN: left out, for the reason that the manifest lists"
        );
    }
}

#[test]
fn answers_that_no_log_lists_are_named() {
    let more = |run: &mut Run| {
        let name = kept_answers(crate::support::run(), 2);
        run.entries.push((name, b"{}\n".to_vec()));
    };
    let name = "runs/RUN/answers-02.jsonl";
    assert_eq!(
        check(more),
        format!("Failed, {name}: {name} is there, and no log says that it was kept")
    );
}
