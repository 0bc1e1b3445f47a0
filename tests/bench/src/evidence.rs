//! Evidence of promised sizes: an archive of a gigabyte verified, with the memory that takes, and a fleet of 10,000 nodes
//! captured and sealed. What sealing adds to a run stands in `execution`.

use std::{
    fs,
    io::{self, Read},
};

use anyhow::{Context as _, Result, ensure};
use camino::Utf8Path;
use jiff::Timestamp;
use plumb_app::{
    actions::capture::{CaptureRequest, Sealer},
    views::plan::NodeSelection,
};
use plumb_evidence::{About, Capture, Seal, Trust, Window, capture::Captured, seal, verify};
use plumb_fleet::FleetId;
use plumb_redact::{Form, RuleSpec, Rules};
use plumb_trust::dsse::{Algorithm, NewKey};
use tempfile::tempdir;

use crate::{
    console,
    fleets::NODES,
    report::{RUNS, Report, best, timed},
    runtime,
    window::cached,
};

/// Size of the archive, in bytes.
const ARCHIVE_BYTES: u64 = 1_000_000_000;
/// Entries that make it up.
const ENTRIES: u64 = 40;
/// Promised, in milliseconds.
const VERIFY_MS: f64 = 10_000.0;
/// Promised, in megabytes.
const MEMORY_MB: f64 = 100.0;

/// Promised for the capture of 10,000 nodes, in milliseconds.
const CAPTURE_MS: f64 = 10_000.0;
/// As worlds of tests call theirs.
const FLEET: &str = "payments-eu";

pub fn run(report: &mut Report) -> Result<()> {
    archive(report)?;
    fleet(report)
}

/// The nodes are closed ports, so what is captured is what the console knows of them.
fn fleet(report: &mut Report) -> Result<()> {
    let folder = tempdir().context("a folder for the console")?;
    let (runtime, ready) = (runtime()?, folder.path().join("ready"));
    runtime.block_on(cached::prepare(folder.path(), &ready))?;
    let app = runtime.block_on(console::open(&ready))?;
    let (mut captures, mut seals, mut bytes) = (Vec::new(), Vec::new(), 0);
    for run in 0..RUNS {
        let draft = folder.path().join(format!("draft-{run}"));
        let (draft, file) = (console::utf8(&draft)?, folder.path().join(format!("{run}.zip")));
        let request = CaptureRequest {
            fleet: FLEET.to_owned(),
            run: None,
            last_s: None,
            nodes: NodeSelection::All,
            ask: false,
            command: vec!["bench".to_owned()],
            map: None,
            raw: None,
        };
        let capture = app.capture_evidence(&request, draft);
        let (took, seen) = timed(|| runtime.block_on(capture).map_err(console::told))?;
        ensure!(seen.entries > 3, "evidence is captured: {seen:?}");
        captures.push(took);
        let seal = app.seal_evidence(draft, console::utf8(&file)?, &Sealer::Console);
        let (took, sealed) = timed(|| runtime.block_on(seal).map_err(console::told))?;
        seals.push(took);
        bytes = sealed.bytes;
    }
    runtime.block_on(app.close());
    let name = format!("evidence of {NODES} nodes");
    report.timed(&format!("{name}: captured"), best(&captures), "ms", CAPTURE_MS);
    report.shown(&format!("{name}: sealed and searched"), best(&seals), "ms");
    report.shown(&format!("{name}: file"), bytes as f64 / 1e6, "MB");
    Ok(())
}

fn archive(report: &mut Report) -> Result<()> {
    let folder = tempdir().context("a folder for evidence")?;
    let folder = Utf8Path::from_path(folder.path()).context("UTF-8")?;
    let key = NewKey::generate(Algorithm::Ed25519).and_then(|key| key.signing())?;
    let captured = captured(&folder.join("draft"))?;
    let path = folder.join("evidence.zip");
    let Captured { draft, canaries, .. } = captured;
    let with = Seal { key: &key, made_at: Timestamp::UNIX_EPOCH, canaries };
    let (seal_ms, sealed) = timed(|| Ok(seal(&draft, with, &path)?))?;
    fs::remove_dir_all(draft.folder())?;
    let trust = Trust { keys: vec![key.public().clone()], ..Trust::default() };
    forget_peak()?;
    let (verify_ms, verification) = timed(|| Ok(verify(&path, &trust)?))?;
    let memory = peak_mb()?;
    ensure!(verification.holds(), "it verifies: {:?}", verification.findings);
    ensure!(sealed.bytes > ARCHIVE_BYTES * 9 / 10, "it is as large as promised");
    let name = format!("evidence of {:.0} MB", sealed.bytes as f64 / 1e6);
    report.shown(&format!("{name}: unpacked"), verification.unpacked_bytes as f64 / 1e6, "MB");
    report.shown(&format!("{name}: sealed and searched"), seal_ms, "ms");
    report.timed(&format!("{name}: verified"), verify_ms, "ms", VERIFY_MS);
    report.counted(&format!("{name}: memory to verify"), memory, "MB", MEMORY_MB);
    Ok(())
}

/// Evidence of text that packs to about two thirds, as hashes and answers do together.
fn captured(folder: &Utf8Path) -> Result<Captured> {
    let now = Timestamp::UNIX_EPOCH;
    let about = About {
        by: "ops@console".to_owned(),
        environment: "production".to_owned(),
        fleet: FleetId::new("eu")?,
        selection: "all nodes".to_owned(),
        tools: [("bench".to_owned(), "1".to_owned())].into(),
        window: Window { from: now, to: now },
    };
    let spec = RuleSpec::default();
    let rules = Rules::compile(&spec)?;
    let mut capture = Capture::begin(folder, about, spec, rules, [7; 32])?;
    capture.take("log", Form::Text, "console/log.txt", b"nothing happened\n")?;
    let mut captured = capture.finish()?;
    // Redaction is measured where it belongs; here bytes are only carried.
    for number in 0..ENTRIES {
        let text = Text { state: number + 1 }.take(ARCHIVE_BYTES * 4 / 3 / ENTRIES);
        captured.draft.add(&format!("nodes/answers-{number:03}.txt"), text)?;
    }
    Ok(captured)
}

/// Letters of base64 without end (xorshift).
struct Text {
    state: u64,
}

impl Read for Text {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        const LETTERS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for byte in into.iter_mut() {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            *byte = LETTERS[usize::try_from(self.state >> 58).expect("six bits")];
        }
        Ok(into.len())
    }
}

/// The most memory this process ever held, counted from here on.
fn forget_peak() -> Result<()> {
    fs::write("/proc/self/clear_refs", "5").context("a system that counts memory anew")
}

fn peak_mb() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kb = line.and_then(|line| line.trim().strip_suffix(" kB")).context("a peak of memory")?;
    Ok(kb.trim().parse::<f64>()? / 1_000.0)
}
