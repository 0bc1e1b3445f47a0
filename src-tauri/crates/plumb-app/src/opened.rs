//! Evidence opened as if it were its fleet: the same queries, over files that are made of an archive.
//!
//! An opened archive is an application of its own: its record and cache lie in a scratch folder, are filled once
//! (`fill.rs`) and closed off, so that every query reads up to a horizon (`plumb-store/src/horizon.rs`). Moving through
//! time moves the horizon and the clock together. What no file holds (alerts, answers of nodes) comes from [`Evidence`],
//! at the few places where a query would go elsewhere for it. So a view that changes changes in one place. The fleet
//! file is read-only, and its connections refuse before anything is sent.

pub(crate) mod answering;
mod fill;
mod limits;
mod moment;
mod read;
mod readiness;
mod reading;
mod refused;
mod requests;
mod steps;

use std::{
    fs::File,
    sync::{Arc, Mutex},
};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use plumb_alert::RoutingPolicy;
use plumb_clients::{HttpPool, TokenSource};
use plumb_evidence::{
    Archive, FileSource, Outcome, Source as _, Trust, Verification,
    rosters::Former,
    verify::{CheckName, former_rosters, trusted_roster},
};
use plumb_fleet::{NodeId, RunId, Snapshot};
use plumb_journal::{StateHashes, StateMark};
use plumb_store::{Horizon, Kind, SweepMeta, history, horizon};
use plumb_trust::roster::Roster;

use self::{limits::UNREAD_MAX, read::Contents, steps::Step};
use crate::{
    alerts::{desk::Desk, hub::KeptIncident, mirror::Mirror},
    app::{App, AppOptions},
    error::{AppError, Code, chain},
    opening::evidence_is_open,
    ports::clock::WallClock,
    queries::evidence::verdict,
    topics::Topic,
    views::{
        alerts::InboxSource,
        convert::ms,
        evidence::{EvidenceOpened, EvidenceState, EvidenceStep, EvidenceUnread, OpenEvidence},
        node::RawAnswer,
        runbook::EvidenceFileView,
        shell::ShellView,
    },
};

/// An archive that is open, and the moment of it that is looked at.
#[derive(Debug)]
pub(crate) struct Evidence {
    archive: Archive<FileSource>,
    contents: Contents,
    steps: Vec<Step>,
    signed_by: Option<String>,
    signer_unknown: bool,
    /// The one in the archive, where somebody whom the reader trusts vouches for it.
    roster: Option<Roster>,
    /// Those before it, likewise.
    former: Vec<Former>,
    file: Utf8PathBuf,
    at: Mutex<At>,
    /// Of what was read so far.
    unread: Mutex<Vec<EvidenceUnread>>,
    moving: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct At {
    step: usize,
    state: Option<EvidenceState>,
}

impl Evidence {
    fn step(&self) -> &Step {
        let at = self.at.lock().expect("no panic while a moment is held").step;
        &self.steps[at]
    }

    fn now(&self) -> Timestamp {
        self.step().at
    }

    /// The roster in the archive, where somebody who is trusted vouches for it.
    pub(crate) const fn trusted_roster(&self) -> Option<&Roster> {
        self.roster.as_ref()
    }

    /// Whether a run was under way at the moment that is shown.
    pub(crate) fn goes_on(&self, run: RunId) -> bool {
        let shown = self.now();
        let mut of_run = self.steps.iter().filter(|step| step.run == Some(run));
        of_run.next_back().is_some_and(|last| last.at > shown || self.before(last))
    }

    fn before(&self, last: &Step) -> bool {
        let step = self.step();
        step.run == last.run && step.seq < last.seq
    }

    /// Those that ruled before it, oldest first.
    pub(crate) fn former_rosters(&self) -> &[Former] {
        &self.former
    }

    pub(crate) fn incidents(&self) -> Arc<Vec<KeptIncident>> {
        let now = self.now();
        let known = self.contents.incidents.iter().filter(|one| one.incident.opened_at <= now);
        Arc::new(
            known
                .map(|one| KeptIncident {
                    incident: one.incident.clone(),
                    timeline: one.timeline.iter().filter(|line| line.at <= now).cloned().collect(),
                })
                .collect(),
        )
    }

    /// The inbox as the evidence has it.
    pub(crate) fn desk(&self, now: Timestamp) -> Desk {
        let known = self.contents.alerts.iter().filter(|alert| alert.created_at <= now);
        Desk {
            mirror: Arc::new(Mirror::of(known.cloned().collect())),
            policy: Arc::new(RoutingPolicy::default()),
            source: InboxSource {
                hub: None,
                backend: "evidence".to_owned(),
                place: self.file.to_string(),
                survives_restart: true,
                as_of_ms: Some(ms(self.contents.evidence.about.window.to)),
                offline: None,
                not_told: None,
            },
            claims: Vec::new(),
            tentative: std::collections::BTreeSet::new(),
            hub: None,
        }
    }

    /// Files that steps of a runbook kept, and where they are.
    pub(crate) fn kept_files(&self, run: RunId) -> (String, Vec<EvidenceFileView>) {
        let place = format!("{}: {}", self.file, read::files_of(run));
        (place, read::kept_files(&self.archive, run))
    }

    /// What a node answered, as it was captured.
    pub(crate) async fn answers(
        self: &Arc<Self>,
        node: &NodeId,
    ) -> Result<Vec<RawAnswer>, AppError> {
        let (evidence, node) = (self.clone(), node.clone());
        let work = tokio::task::spawn_blocking(move || read::answers(&evidence.archive, &node));
        let (told, unread) = work
            .await
            .map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))??;
        let mut known = self.unread.lock().expect("no panic while it is held");
        for one in unread {
            if known.len() < UNREAD_MAX && !known.contains(&one) {
                known.push(one);
            }
        }
        Ok(told)
    }

    pub(crate) fn view(&self) -> OpenEvidence {
        let At { step, state } = self.at.lock().expect("no panic while a moment is held").clone();
        let about = &self.contents.evidence.about;
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        OpenEvidence {
            file: self.file.to_string(),
            signed_by: self.signed_by.clone(),
            signer_unknown: self.signer_unknown,
            by: about.by.clone(),
            selection: about.selection.clone(),
            made_at_ms: ms(self.contents.evidence.made_at),
            steps: count(self.steps.len()),
            step: count(step),
            shown: self.steps[step].view(),
            state,
            unread: self.unread.lock().expect("no panic while it is held").clone(),
        }
    }
}

impl App {
    /// The evidence that this application shows; nothing where it shows fleets.
    pub(crate) fn in_evidence(&self) -> Option<&Arc<Evidence>> {
        self.0.evidence.as_ref()
    }

    /// Refuses what asks or changes a node where evidence is shown.
    pub fn only_live(&self) -> Result<(), AppError> {
        match self.in_evidence() {
            None if self.is_off_network() => Err(evidence_is_open()),
            None => Ok(()),
            Some(evidence) => Err(AppError::new(
                Code::Invalid,
                format!("{} is evidence: no node is asked, and nothing is changed", evidence.file),
                "go back to the fleets",
            )),
        }
    }

    /// Every moment of the opened evidence, the first one first.
    pub fn evidence_steps(&self) -> Vec<EvidenceStep> {
        self.in_evidence().map(|all| all.steps.iter().map(Step::view).collect()).unwrap_or_default()
    }

    /// Shows another moment of the opened evidence.
    pub async fn show_evidence_step(&self, step: u32) -> Result<ShellView, AppError> {
        let evidence = self.in_evidence().ok_or_else(|| {
            AppError::new(Code::Invalid, "no evidence is open", "open an archive first")
        })?;
        let wanted = usize::try_from(step).unwrap_or(usize::MAX);
        if wanted >= evidence.steps.len() {
            let message = format!("the evidence has {} moments", evidence.steps.len());
            return Err(AppError::new(Code::Invalid, message, "choose one of them"));
        }
        self.look_to(evidence, wanted).await?;
        self.shell().await
    }

    async fn look_to(&self, evidence: &Arc<Evidence>, wanted: usize) -> Result<(), AppError> {
        // Whoever reads a fleet meanwhile is waited for, and whoever comes later reads the new moment.
        let _one_at_a_time = evidence.moving.lock().await;
        let fleets = self.fleet_states();
        let mut reading = Vec::with_capacity(fleets.len());
        for fleet in &fleets {
            reading.push(fleet.reading.lock().await);
        }
        let step = &evidence.steps[wanted];
        let horizon = Horizon { at: step.at, event: step.run.zip(step.seq) };
        for database in [self.record(), self.cache()] {
            let mut conn = database.write().await?;
            horizon::look_to(&mut conn, &horizon).await?;
            conn.commit().await?;
        }
        let state = self.state_at(evidence, step).await?;
        *evidence.at.lock().expect("no panic while a moment is held") = At { step: wanted, state };
        for fleet in &fleets {
            *fleet.current.lock().expect("no panic while a fleet is held") = None;
        }
        self.announce(self.every_topic());
        self.announce(evidence.contents.runs.iter().map(|run| Topic::run(run.part.run)));
        Ok(())
    }

    /// Makes the files of an archive, closes them off, and looks at its last moment.
    async fn filled(&self, evidence: &Arc<Evidence>, scratch: &Utf8Path) -> Result<(), AppError> {
        self.fill_record(&evidence.archive, &evidence.contents).await?;
        self.add_fleet(scratch.join(read::FLEET_FILE).as_str()).await?;
        self.fill_cache(&evidence.contents).await?;
        for (database, kind) in [(self.record(), Kind::Record), (self.cache(), Kind::Cache)] {
            let mut conn = database.write().await?;
            horizon::close_off(&mut conn, kind).await?;
            conn.commit().await?;
        }
        self.look_to(evidence, evidence.steps.len() - 1).await
    }

    /// The newest snapshot as it is; of opened evidence as of the moment that is shown.
    pub(crate) async fn as_of(
        &self,
        snapshot: Snapshot,
        sweep: Option<SweepMeta>,
    ) -> Result<(Snapshot, Option<SweepMeta>), AppError> {
        let Some(evidence) = self.in_evidence() else { return Ok((snapshot, sweep)) };
        let now = evidence.now();
        let mut conn = self.cache().read().await?;
        let standing = history::standing(&mut conn, &snapshot.fleet, now).await?;
        let mut sweeps = evidence.contents.sweeps.iter().map(|sweep| sweep.meta);
        let sweep = sweep
            .filter(|sweep| sweep.finished_at <= now)
            .or_else(|| sweeps.rfind(|sweep| sweep.finished_at <= now));
        Ok((moment::as_of(snapshot, &standing, now), sweep))
    }

    /// The state that the events up to a step come to, beside the one that was recorded with them.
    async fn state_at(
        &self,
        evidence: &Evidence,
        step: &Step,
    ) -> Result<Option<EvidenceState>, AppError> {
        let (Some(run), Some(seq)) = (step.run, step.seq) else { return Ok(None) };
        let entries = self.journal_of(run).await?;
        let mut hashes = StateHashes::default();
        let Some(found) = entries.iter().map(|entry| hashes.take(entry)).last() else {
            return Ok(None);
        };
        let recorded = evidence.contents.states.get(&run);
        let at = usize::try_from(seq).unwrap_or(usize::MAX);
        // One of a version that this program does not know is of the same events, and not to be compared.
        let recorded = recorded.and_then(|marks| marks.get(at));
        let by = |mark: &StateMark| Some((mark.state, hashes.by(mark.projection)?));
        let (recorded, found) = match recorded.and_then(by) {
            Some((recorded, found)) => (Some(recorded), found),
            None => (None, found.state),
        };
        Ok(Some(EvidenceState {
            same: recorded == Some(found),
            recorded: recorded.map(|state| state.to_string()),
            found: found.to_string(),
        }))
    }
}

/// Verifies an archive and opens it in an empty scratch folder. What is altered is not opened; a signer whom nobody
/// knows here is told, because whoever reads it decides whom to believe.
pub(crate) async fn open_archive(
    path: &Utf8Path,
    trust: Trust,
    scratch: &Utf8Path,
) -> Result<(EvidenceOpened, Option<App>), AppError> {
    let (file, folder) = (path.to_owned(), scratch.to_owned());
    let work = tokio::task::spawn_blocking(move || prepare(&file, &trust, &folder));
    let prepared =
        work.await.map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))??;
    let Prepared { opened, evidence } = prepared;
    let Some(evidence) = evidence else { return Ok((opened, None)) };
    let evidence = Arc::new(evidence);
    let shown = evidence.clone();
    let options = AppOptions {
        clock: WallClock::new(move || shown.now()),
        tokens: TokenSource::system(),
        ..AppOptions::command(scratch.to_owned())
    };
    let app = App::open_over(options, Some(evidence.clone())).await?;
    match Box::pin(app.filled(&evidence, scratch)).await {
        Ok(()) => Ok((opened, Some(app))),
        Err(error) => {
            // What was found stays to be read, also where it cannot be shown as a fleet.
            app.close().await;
            Ok((EvidenceOpened { refused: Some(error.message), ..opened }, None))
        }
    }
}

struct Prepared {
    opened: EvidenceOpened,
    evidence: Option<Evidence>,
}

/// Blocking.
fn prepare(file: &Utf8Path, trust: &Trust, scratch: &Utf8Path) -> Result<Prepared, AppError> {
    let unread = |error: &dyn std::error::Error| {
        let message = format!("{file} cannot be read: {}", chain(error));
        AppError::new(Code::Invalid, message, "choose an archive of evidence")
    };
    let source = File::open(file).and_then(FileSource::new).map_err(|error| unread(&error))?;
    let bytes = source.bytes();
    // One handle for both, so another file in its place is not read; and the archive is bound to the hashes that were
    // found, so whoever writes into this one while it is open makes it unreadable, not different.
    let (found, archive) = plumb_evidence::verify::verify_source(source, bytes, trust)
        .map_err(|error| unread(&error))?;
    let signer_unknown = signer_failed(&found);
    let broken = not_the_signer(&found);
    let signed_by = found.signer.map(|key| key.to_string());
    let view = verdict(&file.to_owned(), found);
    if let (None, Some(archive)) = (broken, archive) {
        let roster = trusted_roster(&archive, trust);
        let former = former_rosters(&archive, trust);
        return Ok(match Contents::read(&archive, scratch) {
            Ok(contents) => Prepared {
                opened: EvidenceOpened { verdict: view, refused: None },
                evidence: Some(Evidence {
                    steps: steps::all(&contents),
                    unread: Mutex::new(contents.unread.clone()),
                    archive,
                    contents,
                    signed_by,
                    signer_unknown,
                    roster,
                    former,
                    file: file.to_owned(),
                    at: Mutex::new(At { step: 0, state: None }),
                    moving: tokio::sync::Mutex::default(),
                }),
            },
            Err(error) => Prepared {
                opened: EvidenceOpened { verdict: view, refused: Some(error.message) },
                evidence: None,
            },
        });
    }
    let why = broken.map_or("it is no archive", CheckName::title);
    let refused = format!("it is not shown as a fleet, because a promise is broken: {why}");
    let opened = EvidenceOpened { verdict: view, refused: Some(refused) };
    Ok(Prepared { opened, evidence: None })
}

fn signer_failed(found: &Verification) -> bool {
    found.finding(CheckName::Signer).outcome == Outcome::Failed
}

/// The first broken promise beside that of a signer whom nobody here knows.
fn not_the_signer(found: &Verification) -> Option<CheckName> {
    let failed = |check: CheckName| found.finding(check).outcome == Outcome::Failed;
    CheckName::ALL.into_iter().find(|check| *check != CheckName::Signer && failed(*check))
}

/// Connections of an opened archive: they refuse before anything is sent.
pub(crate) fn no_connections(tokens: TokenSource, folder: &std::path::Path) -> HttpPool {
    HttpPool::closed(tokens, folder, "this is evidence: nothing is sent to anybody")
}
