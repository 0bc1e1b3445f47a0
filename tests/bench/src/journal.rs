//! Verification of a journal of a million events, as a file and as a record, beside SHA-256 over the same bytes.

use std::{
    fs::{self, File},
    hint::black_box,
    io::{BufWriter, Write as _},
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use camino::Utf8Path;
use jiff::{SignedDuration, Timestamp};
use plumb_app::{
    App,
    queries::journal::verify_journal_file,
    views::journal::{JournalVerdict, JournalVerdictView},
};
use plumb_fleet::{NodeId, PlanHash, RunId};
use plumb_journal::{
    EffectOutcome, Entry, Event, Head, Outcome,
    portable::{Header, write_entry, write_head, write_header},
};
use plumb_runbook::{Branch, Effect, Plan};
use plumb_store::{Database, JournalRow, Kind, heads, heads::HeadRow, journal, plans, runs};
use plumb_testkit::builders::{World, content, version};
use plumb_trust::dsse::{Algorithm, Envelope, NewKey, SigningKey};
use sha2::{Digest as _, Sha256};
use tempfile::tempdir;

use crate::{
    console,
    report::{RUNS, Report, best, best_of_five, timed},
    runtime,
};

const EVENTS: usize = 1_000_000;
/// Promised, in milliseconds.
const VERIFY_MS: f64 = 3_000.0;
/// Events between two signed heads, and in one transaction: a wave of some thousand nodes.
const SIGNED_EVERY: usize = 10_000;

/// Measures the journal of one very long run.
pub fn run(report: &mut Report) -> Result<()> {
    let folder = tempdir().context("a folder for journals")?;
    let key = NewKey::generate(Algorithm::Ed25519).and_then(|key| key.signing())?;
    let pem = [key.public().to_pem()];
    let long = Long::new()?;
    let file = Utf8Path::from_path(folder.path()).context("UTF-8")?.join("run.jsonl");
    let runtime = runtime()?;
    long.write(file.as_std_path(), &key)?;
    let mut took = Vec::new();
    for _ in 0..RUNS {
        let (ms, view) = timed(|| {
            runtime.block_on(verify_journal_file(&file, &pem, None)).map_err(console::told)
        })?;
        is_complete(&view)?;
        took.push(ms);
    }
    let bytes = fs::read(&file)?;
    let bare = best_of_five(|| black_box(Sha256::digest(black_box(&bytes))));
    let name = format!("journal of {EVENTS} events");
    report.shown(&format!("{name}: file"), bytes.len() as f64 / 1e6, "MB");
    drop(bytes);
    report.timed(&format!("{name}: verified as a file"), best(&took), "ms", VERIFY_MS);
    report.shown(&format!("{name}: SHA-256 of its bytes, one thread"), bare, "ms");

    let app = runtime.block_on(long.keep(folder.path(), &key))?;
    let mut took = Vec::new();
    let run = long.run.to_string();
    for _ in 0..RUNS {
        let verified = app.verify_journal(&run, &pem, None);
        let (ms, view) = timed(|| runtime.block_on(verified).map_err(console::told))?;
        is_complete(&view)?;
        took.push(ms);
    }
    runtime.block_on(app.close());
    report.timed(&format!("{name}: verified as a record"), best(&took), "ms", VERIFY_MS);
    Ok(())
}

fn is_complete(view: &JournalVerdictView) -> Result<()> {
    let complete = view.verdict == JournalVerdict::Complete && view.events == EVENTS as u64;
    ensure!(complete && view.signed_to == Some(view.events), "the journal verifies: {view:?}");
    Ok(())
}

/// A run that acts on nodes for ever: intent, answer and proof of one after the other.
struct Long {
    run: RunId,
    plan: Plan,
    started_at: Timestamp,
}

impl Long {
    fn new() -> Result<Self> {
        let world = World::new("journal").signed("2.0.0", "second").desired("2.0.0").runs(
            "eu-gw-00001",
            plumb_fleet::NodeApi::Agent,
            "1.0.0",
            "first",
        );
        let started_at = "2026-03-01T12:00:00Z".parse()?;
        Ok(Self {
            run: RunId::from_bytes([7; 16]),
            plan: crate::drift::planned(&world),
            started_at,
        })
    }

    fn event(&self, number: usize) -> Result<Event> {
        let node = NodeId::new(format!("eu-gw-{:05}", number / 3 % 10_000))?;
        Ok(match number {
            0 => Event::RunStarted {
                plan: self.plan.hash(),
                fleet: self.plan.fleet.clone(),
                operator: "ops@console".to_owned(),
                targets: 10_000,
            },
            _ if number == EVENTS - 1 => Event::RunEnded { outcome: Outcome::Succeeded },
            _ => match number % 3 {
                1 => Event::EffectStarted {
                    key: format!("{}/{node}/0", self.run),
                    node,
                    index: 0,
                    effect: Effect::Sync { force: false },
                    branch: Branch::Forward,
                },
                2 => Event::EffectFinished {
                    node,
                    index: 0,
                    outcome: EffectOutcome::Accepted { detail: "reloaded in 2.4 ms".to_owned() },
                    branch: Branch::Forward,
                },
                _ => Event::NodeProven {
                    node,
                    version: Some(version("2.0.0")),
                    content: Some(content("second")),
                    arrived: true,
                    detail: "runs 2.0.0".to_owned(),
                    branch: Branch::Forward,
                },
            },
        })
    }

    /// Gives all entries in batches, with the head after each of them signed.
    fn batches(
        &self,
        key: &SigningKey,
        mut to: impl FnMut(Vec<Entry>, String) -> Result<()>,
    ) -> Result<()> {
        let mut head = Head::empty(self.run);
        let mut entries = Vec::with_capacity(SIGNED_EVERY);
        for number in 0..EVENTS {
            let after = SignedDuration::from_millis(i64::try_from(number)?);
            let at = self.started_at + after;
            entries.push(head.append(at, self.event(number)?));
            if entries.len() == SIGNED_EVERY || number == EVENTS - 1 {
                let envelope = Envelope::sign(&head.at(at).statement(), &[key])?.to_bytes();
                to(std::mem::take(&mut entries), String::from_utf8(envelope)?)?;
            }
        }
        Ok(())
    }

    fn write(&self, file: &Path, key: &SigningKey) -> Result<()> {
        let mut out = BufWriter::new(File::create(file)?);
        let header = Header::new(self.run, self.plan.hash(), self.plan.fleet.clone());
        out.write_all(write_header(&header).as_bytes())?;
        self.batches(key, |entries, envelope| {
            for entry in entries {
                out.write_all(write_entry(&entry.body.canonical(), entry.hash).as_bytes())?;
            }
            out.write_all(write_head(&envelope).as_bytes())?;
            Ok(())
        })?;
        out.flush().context("a journal is written")
    }

    /// Keeps the run in a record, and opens a console on it.
    async fn keep(&self, folder: &Path, key: &SigningKey) -> Result<App> {
        let record = Database::open(&folder.join(Kind::Record.file_name()), Kind::Record).await?;
        let record = record.database;
        let hash: PlanHash = self.plan.hash();
        let (fleet, document) = (&self.plan.fleet, String::from_utf8(self.plan.canonical_bytes())?);
        let mut tx = record.write().await?;
        plans::insert(&mut tx, hash, fleet, self.started_at, &document).await?;
        runs::insert(&mut tx, self.run, hash, fleet, "ops@console", self.started_at).await?;
        tx.commit().await?;
        let mut batches = Vec::new();
        self.batches(key, |entries, envelope| {
            batches.push((entries, envelope));
            Ok(())
        })?;
        for (entries, envelope) in batches {
            let rows: Vec<JournalRow> = entries
                .into_iter()
                .map(|entry| JournalRow {
                    seq: entry.body.seq,
                    at: entry.body.at,
                    body: entry.body.canonical(),
                    hash: entry.hash,
                    previous: entry.body.previous,
                })
                .collect();
            let events = rows.last().map_or(0, |row| row.seq + 1);
            let mut tx = record.write().await?;
            journal::append(&mut tx, self.run, &rows).await?;
            heads::add(&mut tx, self.run, &HeadRow { events, envelope }).await?;
            tx.commit().await?;
        }
        record.close().await;
        console::open(folder).await
    }
}
