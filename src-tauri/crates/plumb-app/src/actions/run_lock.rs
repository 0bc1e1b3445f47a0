//! Who carries a run out: locks on files, which go with the process that holds them.

use std::{
    fs::{File, TryLockError},
    io::ErrorKind,
};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_fleet::{FleetId, RunId};

use crate::{
    app::App,
    error::{AppError, Code},
};

/// How often a lock is tried anew because its file was removed meanwhile.
const LOCK_TRIES_MAX: u32 = 16;

impl App {
    /// Takes the locks of a run and of its fleet, in which one run is carried out at a time.
    pub(super) fn take_locks(&self, run: RunId, fleet: &FleetId) -> Result<Locks, AppError> {
        let busy =
            |message: String| AppError::new(Code::Busy, message, "wait for its end, or abort it");
        let lock = |path: Utf8PathBuf, after: After, busy_with: String| {
            RunLock::take(path, after).map_err(|(path, error)| match error.kind() {
                ErrorKind::WouldBlock => busy(busy_with),
                _ => AppError::new(
                    Code::Other,
                    format!("{path} could not be locked: {error}"),
                    "look at the folder's rights and disk",
                ),
            })
        };
        let in_fleet = format!("another run is under way in {fleet}");
        let elsewhere = format!("run {run} is carried out elsewhere");
        let of_fleet = lock(self.fleet_lock_path(fleet), After::Kept, in_fleet)?;
        let of_run = lock(self.lock_path(run), After::Removed, elsewhere)?;
        Ok(Locks { _run: of_run, _fleet: of_fleet })
    }

    fn lock_path(&self, run: RunId) -> Utf8PathBuf {
        self.0.options.data_dir.join("runs").join(format!("{run}.lock"))
    }

    fn fleet_lock_path(&self, fleet: &FleetId) -> Utf8PathBuf {
        self.0.options.data_dir.join("runs").join(format!("fleet-{fleet}.lock"))
    }

    /// Takes the lock that says which process carries a run out; nothing when another one does.
    /// Where another program was killed over it, that stays to be seen until [`RunLock::done`].
    pub(crate) fn own_run(&self, run: RunId) -> Option<RunLock> {
        RunLock::take_over(self.lock_path(run))
    }

    /// Whether a run was one of this console, and the program that carried it out was killed.
    pub(crate) fn is_left_behind(&self, run: &str) -> bool {
        let Ok(run) = run.parse::<RunId>() else { return false };
        !self.owns_run(run) && self.lock_path(run).exists()
    }

    /// Whether some process carries a run out now.
    pub(crate) fn owns_run(&self, run: RunId) -> bool {
        if let Some(evidence) = self.in_evidence() {
            // Somebody carried it out then, if its journal goes on.
            return evidence.goes_on(run);
        }
        if self.0.runs.lock().expect("no panic while runs are held").contains_key(&run) {
            return true;
        }
        // Shared, so that two views do not take each other for the owner.
        let held = |file: File| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock));
        File::open(self.lock_path(run)).is_ok_and(held)
    }
}

/// Nobody else carries out this run, or another one in its fleet.
pub(super) struct Locks {
    _run: RunLock,
    _fleet: RunLock,
}

/// What becomes of a lock's file in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// Nobody wants that of a run which has ended.
    Removed,
    /// Somebody may have that of a fleet open, and would lock what is no longer there.
    Kept,
}

/// Held while a run is carried out.
#[derive(Debug)]
pub(crate) struct RunLock {
    path: Utf8PathBuf,
    after: After,
    _file: File,
}

impl RunLock {
    /// Takes a lock that goes with the process.
    fn take(path: Utf8PathBuf, after: After) -> Result<Self, (Utf8PathBuf, std::io::Error)> {
        let open = || {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            lock_there(&path)
        };
        match open() {
            Ok(file) => Ok(Self { path, after, _file: file }),
            Err(error) => Err((path, error)),
        }
    }

    /// Takes the lock of a run. Its file stays where a killed program left it, unless the lock is done with.
    fn take_over(path: Utf8PathBuf) -> Option<Self> {
        let after = if path.exists() { After::Kept } else { After::Removed };
        Self::take(path, after).ok()
    }

    /// What it was taken for is done, and its file is removed.
    pub(crate) fn done(mut self) {
        self.after = After::Removed;
    }
}

/// Locks the file that stands under a path. Whoever held it before may have removed it since it was opened;
/// a lock on what stands under no name keeps nobody out, so the one that took its place is locked.
fn lock_there(path: &Utf8Path) -> std::io::Result<File> {
    for _ in 0..LOCK_TRIES_MAX {
        let file = File::create(path)?;
        file.try_lock()?;
        if stands_under(&file, path)? {
            return Ok(file);
        }
    }
    // Somebody else takes and leaves it all the time.
    Err(ErrorKind::WouldBlock.into())
}

#[cfg(unix)]
fn stands_under(file: &File, path: &Utf8Path) -> std::io::Result<bool> {
    use std::os::unix::fs::MetadataExt as _;
    let ours = file.metadata()?;
    match std::fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Here a file that is open keeps its name.
#[cfg(not(unix))]
fn stands_under(_file: &File, _path: &Utf8Path) -> std::io::Result<bool> {
    Ok(true)
}

impl Drop for RunLock {
    fn drop(&mut self) {
        if self.after == After::Removed {
            // What stays behind is an unlocked file, which says the same.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_on_the_file_that_stands_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = Utf8Path::from_path(folder.path()).expect("UTF-8").join("run.lock");
        let first = lock_there(&path).expect("nobody has it");
        assert!(stands_under(&first, &path).expect("readable"));
        // Opened before its holder removed it: locking it then keeps nobody out.
        let late = File::open(&path).expect("it is there");
        std::fs::remove_file(&path).expect("it is there");
        drop(first);
        let next = lock_there(&path).expect("nobody has the new one");
        late.try_lock().expect("nobody has the old one");
        assert!(!stands_under(&late, &path).expect("readable"));
        assert!(stands_under(&next, &path).expect("readable"));
    }

    #[test]
    fn what_a_killed_program_left_stays_until_it_is_done_with() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = Utf8Path::from_path(folder.path()).expect("UTF-8").join("run.lock");
        drop(RunLock::take_over(path.clone()).expect("nobody has it"));
        assert!(!path.exists(), "nobody was killed");
        File::create(&path).expect("writable");
        drop(RunLock::take_over(path.clone()).expect("nobody has it"));
        assert!(path.exists(), "what it was taken for failed");
        RunLock::take_over(path.clone()).expect("nobody has it").done();
        assert!(!path.exists());
    }

    #[test]
    fn of_many_who_take_and_leave_a_lock_one_at_a_time_has_it() {
        use std::sync::atomic::{AtomicU32, Ordering};
        let folder = tempfile::tempdir().expect("a folder");
        let path = Utf8Path::from_path(folder.path()).expect("UTF-8").join("run.lock");
        let (holders, most) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        if let Ok(lock) = RunLock::take(path.clone(), After::Removed) {
                            most.fetch_max(
                                1 + holders.fetch_add(1, Ordering::SeqCst),
                                Ordering::SeqCst,
                            );
                            std::thread::yield_now();
                            holders.fetch_sub(1, Ordering::SeqCst);
                            drop(lock);
                        }
                    }
                });
            }
        });
        assert_eq!(most.into_inner(), 1);
    }
}
