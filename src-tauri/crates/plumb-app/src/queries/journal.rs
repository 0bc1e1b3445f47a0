//! Whether the journal of a run holds together, and the journal as a file for others.

mod checking;

use std::{
    fs::File,
    io::{self, BufReader, Write},
};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_fleet::{PlanHash, RunId};
use plumb_journal::{
    ChainVerdict, Check, Judged, OfRun,
    portable::{Header, write_entry, write_head, write_header},
};
use plumb_store::{heads::HeadRow, journal::StoredEvent};
use plumb_trust::{dsse::PublicKey, roster::Roster};

use crate::{
    actions::{
        files::{not_written, written_durably},
        rosters::Rosters,
    },
    app::App,
    console_key::public_keys,
    error::{AppError, Code, chain},
    ids::run_id,
    queries::journal::checking::{CheckedFile, FileError, check_file, check_stored},
    views::{
        convert::person_signature,
        journal::{JournalExportView, JournalVerdict, JournalVerdictView},
    },
};

/// Events read from the store at once: a few megabytes.
const PAGE_EVENTS: usize = 10_000;

impl App {
    /// Checks hashes, order and signatures of a run's journal, that its plan is the one it names, and what people
    /// signed in it. Without `keys` (PEM) the keys count that this console signed with, and without a roster those
    /// that ruled the fleet.
    pub async fn verify_journal(
        &self,
        run: &str,
        keys: &[String],
        roster: Option<Roster>,
    ) -> Result<JournalVerdictView, AppError> {
        let id = run_id(run)?;
        let given = !keys.is_empty();
        let keys = if given { public_keys(keys)? } else { self.own_keys().await? };
        let mut stored = Stored::open(self, id).await?;
        let header = stored.header.clone();
        let mut heads = std::mem::take(&mut stored.heads).into_iter().peekable();
        let mut check = Check::new(id);
        while !check.is_broken() {
            let events = stored.page().await?;
            if events.is_empty() {
                break;
            }
            let known = keys.clone();
            let work = tokio::task::spawn_blocking(move || {
                check_stored(&mut check, &events, &mut heads, &known);
                (check, heads)
            });
            (check, heads) = work.await.map_err(|error| gave_up(&error))?;
        }
        if let Some(head) = heads.next() {
            check.breaks(format!("is gone: a head was signed after event {}", head.events));
        }
        let plan = stored.plan_hash;
        let rosters = match roster {
            Some(roster) => Rosters::of(Some(roster)),
            None => self.rosters_of(&header.fleet).await?,
        };
        let checks = Checks { check, keys: &keys, given, rosters, file: None, cut_off: false };
        Ok(checks.view(&header, plan))
    }

    /// Writes the journal of a run as JSON Lines to a file, durably: the whole of it or nothing.
    pub async fn export_journal(
        &self,
        run: &str,
        path: &Utf8Path,
    ) -> Result<JournalExportView, AppError> {
        let mut file = written_durably(path).map_err(|error| not_written(path, &error))?;
        let written = self.write_journal(run, &mut file).await?;
        file.finish().map_err(|error| not_written(path, &error))?;
        Ok(JournalExportView { file: Some(path.to_string()), ..written })
    }

    /// Writes the journal of a run as JSON Lines.
    pub async fn write_journal(
        &self,
        run: &str,
        out: &mut (impl Write + Send),
    ) -> Result<JournalExportView, AppError> {
        let id = run_id(run)?;
        let (events, heads) = Stored::open(self, id).await?.write(out).await?;
        Ok(JournalExportView { run: id.to_string(), file: None, events, heads })
    }
}

/// Checks a journal file, with the public keys of consoles as PEM and the roster that says whose keys people sign
/// with; no store is needed.
pub async fn verify_journal_file(
    path: &Utf8Path,
    keys: &[String],
    roster: Option<Roster>,
) -> Result<JournalVerdictView, AppError> {
    let keys = public_keys(keys)?;
    let (opened, known) = (path.to_owned(), keys.clone());
    let work = tokio::task::spawn_blocking(move || {
        let file = File::open(&opened).map_err(FileError::from)?;
        check_file(BufReader::with_capacity(1 << 20, file), &known)
    });
    let CheckedFile { header, check, cut_off } =
        work.await.map_err(|error| gave_up(&error))?.map_err(|error| {
            AppError::new(
                Code::Invalid,
                format!("{path}: {}", chain(&error)),
                "give a file that `plumb journal export` wrote, or the id of a run",
            )
        })?;
    let plan = header.plan;
    let given = !keys.is_empty();
    let file = Some(path.to_owned());
    let rosters = Rosters::of(roster);
    Ok(Checks { check, keys: &keys, given, rosters, file, cut_off }.view(&header, plan))
}

/// What of a finished check goes into its view.
struct Checks<'a> {
    check: Check,
    keys: &'a [PublicKey],
    /// Somebody named the keys, so a journal is complete only with their signatures.
    given: bool,
    /// Who says whose keys people signed with.
    rosters: Rosters,
    file: Option<Utf8PathBuf>,
    cut_off: bool,
}

impl Checks<'_> {
    fn view(self, header: &Header, plan: PlanHash) -> JournalVerdictView {
        let events = self.check.chain().head().seq;
        let ended = self.check.chain().has_ended();
        let named = self.check.chain().started().map(|(plan, _)| *plan);
        let found = self.check.found(self.given);
        let signed_to = found.signed.as_ref().map(|signed| signed.events);
        let of = OfRun { fleet: &header.fleet, run: header.run, plan: named.unwrap_or(plan) };
        let judged = found.people.judge(of, |at| self.rosters.at(at));
        // What people signed stands before whatever does not fit.
        let fault = judged.iter().find(|one| one.fault().is_some());
        let chain = match fault {
            Some(one) => ChainVerdict::Broken { at: one.event, why: not_signed(one) },
            None => found.verdict,
        };
        let (verdict, detail) = match chain {
            ChainVerdict::Complete { .. } => {
                (JournalVerdict::Complete, "the chain holds and the run ended".to_owned())
            }
            ChainVerdict::Prefix { .. } if self.cut_off => (
                JournalVerdict::Prefix,
                "the chain holds as far as the file goes, which ends in the middle of a line"
                    .to_owned(),
            ),
            ChainVerdict::Prefix { .. } if ended => (
                JournalVerdict::Prefix,
                "the chain holds and the run ended, but nobody trusted signed its end".to_owned(),
            ),
            ChainVerdict::Prefix { .. } => (
                JournalVerdict::Prefix,
                "the chain holds; the run has not ended, or its program was cut off".to_owned(),
            ),
            ChainVerdict::Broken { at, why } => {
                (JournalVerdict::Broken, format!("event {} {why}", at + 1))
            }
        };
        JournalVerdictView {
            run: header.run.to_string(),
            fleet: header.fleet.to_string(),
            file: self.file.map(|file| file.to_string()),
            verdict,
            events: fault.map_or(events, |one| one.event),
            signed_to,
            signed_by: found.signed.map(|signed| signed.by),
            keys: self.keys.iter().map(|key| key.id().to_string()).collect(),
            other_heads: found.strangers,
            head: if events == 0 { String::new() } else { found.head.to_string() },
            plan_hash: plan.to_string(),
            // Nothing contradicts the plan before the first event.
            plan_matches: named.is_none_or(|named| named == plan),
            cut_off: self.cut_off,
            signatures: judged.iter().map(person_signature).collect(),
            detail,
        }
    }
}

/// Follows the number of an event in a sentence.
fn not_signed(judged: &Judged) -> String {
    let why = judged.fault().map(ToString::to_string).unwrap_or_default();
    format!("tells of {}, and its signature does not count: {why}", judged.what)
}

/// A run's journal as it stands in the record, read page by page in one consistent view.
struct Stored {
    conn: plumb_store::ReadTransaction,
    header: Header,
    /// The hash of the plan as it is kept.
    plan_hash: PlanHash,
    heads: Vec<HeadRow>,
    /// The number of the next event.
    next: u64,
}

impl Stored {
    async fn open(app: &App, run: RunId) -> Result<Self, AppError> {
        let kept = app.kept_run(run).await?;
        let plan_hash = app.hash_of_kept_plan(run, kept.plan).await?;
        let fleet = kept.fleet;
        let mut conn = app.record().read().await?;
        let heads = plumb_store::heads::list(&mut conn, run).await?;
        Ok(Self { conn, header: Header::new(run, plan_hash, fleet), plan_hash, heads, next: 0 })
    }

    /// The next events; none at the end.
    async fn page(&mut self) -> Result<Vec<StoredEvent>, AppError> {
        let (run, from) = (self.header.run, self.next);
        let page = plumb_store::journal::page(&mut self.conn, run, from, PAGE_EVENTS).await?;
        if let Some(last) = page.last() {
            self.next = last.seq + 1;
        }
        Ok(page)
    }

    /// Writes all of it as it stands, also what is broken: a check of the file finds the same.
    async fn write(&mut self, out: &mut (impl Write + Send)) -> Result<(u64, u64), AppError> {
        let failed = |error: io::Error| {
            AppError::new(
                Code::Other,
                format!("the journal could not be written: {error}"),
                "look at the folder's rights and disk",
            )
        };
        let mut heads = std::mem::take(&mut self.heads).into_iter().peekable();
        let (mut events, mut signed) = (0, 0);
        out.write_all(write_header(&self.header).as_bytes()).map_err(failed)?;
        loop {
            let page = self.page().await?;
            if page.is_empty() {
                break;
            }
            for event in page {
                let hash = event.hash.unwrap_or(plumb_fleet::Digest::from_bytes([0; 32]));
                out.write_all(write_entry(&event.body, hash).as_bytes()).map_err(failed)?;
                events += 1;
                while let Some(head) = heads.next_if(|head| head.events <= events) {
                    out.write_all(write_head(&head.envelope).as_bytes()).map_err(failed)?;
                    signed += 1;
                }
            }
        }
        out.flush().map_err(failed)?;
        Ok((events, signed))
    }
}

fn gave_up(error: &tokio::task::JoinError) -> AppError {
    AppError::new(Code::Other, chain(error), "try again")
}
