//! A small piece of evidence with everything in it, and archives that are not as they should be.

use std::{
    collections::BTreeMap,
    io::{Cursor, Write as _},
    sync::LazyLock,
};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_evidence::{
    About, Archive, Capture, Seal, Sealed, Trust, Verification, Window,
    capture::Captured,
    manifest::{ROSTER, RunPart, run_folder, states_of},
    seal,
    verify::verify_archive,
};
use plumb_fleet::{NodeApi, RunId};
use plumb_journal::{
    Certificate, Event, Head, Outcome, StateHashes,
    certificate::JournalRef,
    certificate::Seen,
    fold,
    portable::{Header, write_entry, write_head, write_header},
};
use plumb_redact::{Form, RuleSpec, Rules};
use plumb_runbook::{Action, NodePlan, Plan, plan};
use plumb_testkit::{
    builders::{World, content, node_id, version},
    clock::after,
    company::{Company, at},
    ids::SeededIds,
};
use plumb_trust::{
    approval::Act,
    dsse::{Algorithm, Envelope, NewKey, SigningKey},
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

pub(crate) const TOKENS: [u8; 32] = [7; 32];

/// The console, and somebody whom nobody knows.
pub(crate) static KEYS: LazyLock<[SigningKey; 2]> = LazyLock::new(|| {
    let key = || NewKey::generate(Algorithm::Ed25519).and_then(|key| key.signing());
    [key().expect("a key"), key().expect("a key")]
});

pub(crate) fn console() -> &'static SigningKey {
    &KEYS[0]
}

/// A temporary folder as the crate takes paths.
#[derive(Debug)]
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    pub(crate) fn join(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.0.path()).expect("a path in UTF-8").join(name)
    }
}

pub(crate) fn about() -> About {
    About {
        by: "ops@example".to_owned(),
        environment: "production".to_owned(),
        fleet: sync().fleet,
        selection: "every node".to_owned(),
        tools: BTreeMap::from([("plumb".to_owned(), "0.1.0".to_owned())]),
        window: Window { from: after(0), to: after(60) },
    }
}

pub(crate) fn run() -> RunId {
    SeededIds::new("evidence").run()
}

/// Two nodes that are brought to the second version.
pub(crate) fn sync() -> Plan {
    let world = World::new("evidence")
        .signed("2.0.0", "second")
        .desired("2.0.0")
        .runs("gw-1", NodeApi::Agent, "1.0.0", "first")
        .runs("gw-2", NodeApi::Agent, "1.0.0", "first");
    plan(&Action::Sync { force: false }, None, world.input()).expect("a plan")
}

fn events(detail: &str) -> Vec<Event> {
    let proven = |node: &str| Event::NodeProven {
        node: node_id(node),
        version: Some(version("2.0.0")),
        content: Some(content("second")),
        arrived: true,
        detail: detail.to_owned(),
        branch: plumb_runbook::Branch::Forward,
    };
    let started = Event::RunStarted {
        plan: sync().hash(),
        fleet: sync().fleet,
        operator: "ops@example".to_owned(),
        targets: 2,
    };
    let ended = Event::RunEnded { outcome: Outcome::Succeeded };
    vec![started, proven("gw-1"), proven("gw-2"), ended]
}

/// The journal as a file, signed to its end, and where it stands.
pub(crate) fn journal(detail: &str) -> (String, JournalRef, Vec<plumb_journal::Entry>) {
    let mut head = Head::empty(run());
    let mut text = write_header(&Header::new(run(), sync().hash(), sync().fleet));
    let mut entries = Vec::new();
    for (second, event) in (0_i64..).zip(events(detail)) {
        let entry = head.append(after(second), event);
        text.push_str(&write_entry(&entry.body.canonical(), entry.hash));
        let signed = Envelope::sign(&head.at(entry.body.at).statement(), &[console()]);
        let signed = String::from_utf8(signed.expect("it signs").to_bytes()).expect("JSON");
        text.push_str(&write_head(&signed));
        entries.push(entry);
    }
    (text, JournalRef { events: head.seq, head: head.hash }, entries)
}

fn certificate(entries: &[plumb_journal::Entry]) -> Vec<u8> {
    let look = |_: &NodePlan| Seen {
        content: Some(content("second")),
        version: Some(version("2.0.0")),
        straggles: None,
    };
    let journal = (&fold(entries), plumb_journal::head(run(), entries));
    let made =
        Certificate::new(&sync(), journal, (after(40), after(41)), look).expect("late enough");
    Envelope::sign(&made.statement(), &[console()]).expect("it signs").to_bytes()
}

/// What goes into evidence beside the run itself.
#[derive(Default)]
pub(crate) struct Inside<'a> {
    pub(crate) company: Option<&'a Company>,
    /// What nodes said when they arrived.
    pub(crate) detail: Option<&'a str>,
    /// The states that are recorded are those of a run in which this was said; else of the run itself.
    pub(crate) states_of_detail: Option<&'a str>,
    /// Rules that find secrets; else those of every fleet.
    pub(crate) rules: Option<RuleSpec>,
}

/// Captures a run into a folder.
pub(crate) fn captured(folder: &Utf8Path, inside: &Inside<'_>) -> Captured {
    let rules = inside.rules.clone().unwrap_or_default();
    let rules = Rules::compile(&rules).expect("good rules");
    let mut capture =
        Capture::begin(folder, about(), RuleSpec::default(), rules, TOKENS).expect("begins");
    let of_run = |name: &str| format!("{}/{name}", run_folder(run()));
    let (text, stands, entries) = journal(inside.detail.unwrap_or("runs 2.0.0"));
    let file = folder.join("journal");
    std::fs::write(&file, text).expect("written");
    let is_in = capture
        .bound_lines("journal", &of_run("journal.jsonl"), || std::fs::File::open(&file))
        .expect("captured");
    let (_, _, told) = journal(inside.states_of_detail.or(inside.detail).unwrap_or("runs 2.0.0"));
    let mut hashes = StateHashes::default();
    let marks = told.iter().map(|entry| {
        let mark = hashes.take(entry);
        serde_json::to_vec(&mark).expect("digests always serialise")
    });
    capture.take_lines("states", &states_of(run()), marks).expect("captured");
    capture
        .bound("plan", Form::Json, &of_run("plan.json"), &sync().canonical_bytes())
        .expect("captured");
    capture
        .bound("certificate", Form::Json, &of_run("certificate.dsse.json"), &certificate(&entries))
        .expect("captured");
    let pem = console().public().to_pem();
    capture.bound("keys", Form::Text, "keys/console.pem", pem.as_bytes()).expect("captured");
    if let Some(company) = inside.company {
        capture.bound("roster", Form::Json, ROSTER, &company.envelope()).expect("captured");
        for (name, person, role, act) in [
            ("1-rick", "rick", "operations", Act::Request),
            ("2-mara", "mara", "storage", Act::Approve),
        ] {
            let mut draft = company.draft("payments-eu", person, role, act);
            draft.bound.plan = sync().hash();
            let name = of_run(&format!("approvals/{name}.dsse.json"));
            let envelope = company.signed(draft, person);
            capture.bound("approval", Form::Json, &name, &envelope).expect("captured");
        }
    }
    let nodes = ["gw-1", "gw-2"].map(|node| {
        let line =
            format!("{{\"node\":\"{node}\",\"version\":\"2.0.0\",\"token\":\"s3cr3t-{node}\"}}");
        line.into_bytes()
    });
    capture.take_lines("nodes", "fleet/nodes.jsonl", nodes).expect("captured");
    capture
        .take(
            "log",
            Form::Text,
            "console/log.txt",
            b"asked with Authorization: Bearer abcdefgh12345\n",
        )
        .expect("captured");
    capture.lacks("metrics of gw-3", "no answer from gw-3 within 5 s").expect("noted");
    capture
        .run(RunPart {
            journal: is_in.then_some(stands),
            outcome: Some("succeeded".to_owned()),
            plan: sync().hash(),
            run: run(),
        })
        .expect("noted");
    capture.finish().expect("it ends")
}

/// Captures and seals.
pub(crate) fn sealed(folder: &Folder, inside: &Inside<'_>, key: &SigningKey) -> Sealed {
    let captured = captured(&folder.join("draft"), inside);
    sealed_of(captured, folder, key)
}

pub(crate) fn sealed_of(captured: Captured, folder: &Folder, key: &SigningKey) -> Sealed {
    let Captured { draft, canaries, .. } = captured;
    let with = Seal { key, made_at: at("2026-03-01T12:00:00Z"), canaries };
    seal(&draft, with, &folder.join("evidence.zip")).expect("it seals")
}

/// The bytes of a plain piece of evidence, signed by the console.
pub(crate) fn plain() -> Vec<u8> {
    let folder = Folder::new();
    let sealed = sealed(&folder, &Inside::default(), console());
    std::fs::read(sealed.path).expect("it is there")
}

/// Who trusts the console.
pub(crate) fn trust() -> Trust {
    Trust { keys: vec![console().public().clone()], ..Trust::default() }
}

pub(crate) fn verified(bytes: &[u8], trust: &Trust) -> Verification {
    let mut archive = Archive::open(bytes).expect("it opens");
    verify_archive(&mut archive, bytes.len() as u64, trust)
}

/// Every entry of an archive, in order.
pub(crate) fn entries(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let archive = Archive::open(bytes).expect("it opens");
    let read = archive
        .entries()
        .iter()
        .map(|entry| (entry.name.to_string(), archive.document(entry).expect("it unpacks")));
    read.collect()
}

/// Packs entries anew, as another program does.
pub(crate) fn packed(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .last_modified_time(
                zip::DateTime::from_date_and_time(2026, 3, 1, 12, 0, 0).expect("a date"),
            );
        zip.start_file(name.as_str(), options).expect("begins");
        zip.write_all(bytes).expect("written");
    }
    zip.finish().expect("ends").into_inner()
}

/// What verification says, as a person reads it: failed and open checks, then notes.
pub(crate) fn said(verification: &Verification) -> String {
    use plumb_evidence::Outcome;
    let mut lines: Vec<String> = verification
        .findings
        .iter()
        .filter(|finding| finding.outcome != Outcome::Passed && finding.outcome != Outcome::Absent)
        .map(|finding| format!("{}: {}", finding.check.title(), finding.detail))
        .collect();
    lines.extend(verification.broken.iter().map(|name| format!("first broken: {name}")));
    lines.extend(verification.notes.iter().cloned());
    lines.join("\n")
}
