//! The writer behind the answers: history lines, the state file, and copies of good bundles.

use std::{fs, path::PathBuf, sync::Arc};

use plumb_wire::v1::LogLevel;
use tokio::sync::mpsc;

use crate::{
    chain::chain,
    core::{Core, InForce, Place},
    durable::write_durably,
    history::{HistoryFile, Line},
    roots::SIGNED_SUFFIX,
};

/// Folder below the state folder with copies of bundles that were in force.
pub(crate) const STORE_FOLDER: &str = "bundles";

/// Something to be written.
#[derive(Debug)]
pub(crate) enum Job {
    Line(Line),
    /// Keep a copy of this bundle and write the state that names it.
    InForce(Arc<InForce>),
}

impl Core {
    /// Hands a job to the writer without waiting. A disk that is hundreds of jobs behind loses
    /// history, never requests; what was lost is counted.
    pub(crate) fn keep(&self, job: Job) {
        if self.keeper.try_send(job).is_err() {
            self.book().history.lost += 1;
        }
    }
}

/// Writes until every sender is gone or the agent stops and nothing is left.
pub(crate) async fn run(core: Arc<Core>, mut jobs: mpsc::Receiver<Job>) {
    let Some(dir) = &core.state_dir else { return };
    let mut history = HistoryFile::new(dir.path());
    loop {
        let first = tokio::select! {
            biased;
            job = jobs.recv() => job,
            () = core.stop.cancelled() => jobs.try_recv().ok(),
        };
        let Some(first) = first else { return };
        let mut batch = vec![first];
        while let Ok(job) = jobs.try_recv() {
            batch.push(job);
        }
        let core = Arc::clone(&core);
        let written = tokio::task::spawn_blocking(move || {
            write(&core, &mut history, batch);
            history
        });
        history = match written.await {
            Ok(history) => history,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        };
    }
}

fn write(core: &Core, history: &mut HistoryFile, batch: Vec<Job>) {
    let mut lines = Vec::new();
    let mut newest = None;
    for job in batch {
        match job {
            Job::Line(line) => lines.push(line),
            Job::InForce(in_force) => newest = Some(in_force),
        }
    }
    if !lines.is_empty()
        && let Err(error) = history.append(&lines)
    {
        core.book().history.lost += lines.len() as u64;
        core.log(LogLevel::Error, &format!("history cannot be written: {}", chain(&error)));
    }
    if let Some(in_force) = newest {
        if let Err(error) = store(core, &in_force) {
            core.log(LogLevel::Error, &format!("no copy of the bundle in force: {error}"));
        }
        if let Err(error) = core.change_state(|_| ()) {
            core.log(LogLevel::Error, &format!("state cannot be written: {}", chain(&error)));
        }
        prune(core);
    }
}

/// Copies the file of a bundle in force, if it still has the bytes that were verified.
fn store(core: &Core, in_force: &InForce) -> Result<(), String> {
    let Some(dir) = &core.state_dir else { return Ok(()) };
    // Packs are kept by their own store.
    let Place::File(path) = &in_force.place else { return Ok(()) };
    let folder = dir.path().join(STORE_FOLDER);
    let name = format!("{}{SIGNED_SUFFIX}", in_force.bundle.digest);
    if folder.join(&name).exists() {
        return Ok(());
    }
    let bytes = path.read().map_err(|error| chain(&error))?;
    if plumb_fleet::Digest::of(&bytes) != in_force.bundle.digest.0 {
        return Err(format!("{} changed after it was loaded", path.shown.display()));
    }
    write_durably(&folder, &name, &bytes).map_err(|error| chain(&error))
}

/// Removes copies of bundles that nothing names any more.
fn prune(core: &Core) {
    let Some(dir) = &core.state_dir else { return };
    let (in_force, good, pinned) = {
        let book = core.book();
        let state = &book.durable;
        let digest = |named: &plumb_wire::v1::LastKnownGood| named.digest.clone();
        (
            state.in_force.as_ref().map(digest),
            state.last_known_good.as_ref().map(digest),
            state.pinned.as_ref().and_then(|pin| pin.digest.clone()),
        )
    };
    let kept: Vec<String> = [in_force, good, pinned]
        .into_iter()
        .flatten()
        .map(|digest| format!("{digest}{SIGNED_SUFFIX}"))
        .collect();
    let Ok(entries) = fs::read_dir(dir.path().join(STORE_FOLDER)) else { return };
    for entry in entries.filter_map(Result::ok) {
        let name = entry.file_name();
        if !kept.iter().any(|kept| name.to_str() == Some(kept)) {
            let gone: PathBuf = entry.path();
            if let Err(error) = fs::remove_file(&gone) {
                core.log(LogLevel::Warn, &format!("{}: {error}", gone.display()));
            }
        }
    }
}
