//! Folders that opened evidence is laid out in: their names are random, they are for this user alone, and those of programs
//! that are gone are swept.

use std::{
    fs::{self, File},
    io,
};

use camino::{Utf8Path, Utf8PathBuf};
use tracing::warn;

/// Held by the program whose folder it is, for as long as it runs: the system lets go of it when the program ends.
const LOCK: &str = "lock";
/// Held while a folder is made or others are swept, so that none is swept before it has its own lock.
const GATE: &str = "opened.lock";
const FOLDER: &str = "opened";
/// As many as would have to be guessed: 62^16.
const RANDOM_CHARACTERS: usize = 16;

/// One such folder; removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Scratch {
    folder: Utf8PathBuf,
    _lock: File,
}

impl Scratch {
    /// A fresh folder under that of the program's data. Blocking.
    pub(crate) fn new(data_dir: &Utf8Path) -> io::Result<Self> {
        let parent = data_dir.join(FOLDER);
        fs::create_dir_all(&parent)?;
        let _gate = gate(data_dir)?;
        swept(&parent);
        let mut builder = tempfile::Builder::new();
        builder.prefix("").rand_bytes(RANDOM_CHARACTERS);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            builder.permissions(fs::Permissions::from_mode(0o700));
        }
        let made = builder.tempdir_in(&parent)?;
        let lock = File::create_new(made.path().join(LOCK))?;
        lock.lock()?;
        let folder = Utf8PathBuf::from_path_buf(made.keep())
            .map_err(|path| io::Error::other(format!("{} is not UTF-8", path.display())))?;
        Ok(Self { folder, _lock: lock })
    }

    pub(crate) fn folder(&self) -> &Utf8Path {
        &self.folder
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        removed(&self.folder);
    }
}

/// Removes what programs left that ended without closing their evidence. Blocking.
pub(crate) fn sweep(data_dir: &Utf8Path) -> io::Result<()> {
    let parent = data_dir.join(FOLDER);
    if parent.is_dir() {
        let _gate = gate(data_dir)?;
        swept(&parent);
    }
    Ok(())
}

fn gate(data_dir: &Utf8Path) -> io::Result<File> {
    let gate = File::create(data_dir.join(GATE))?;
    gate.lock()?;
    Ok(gate)
}

fn swept(parent: &Utf8Path) {
    let Ok(folders) = parent.read_dir_utf8() else { return };
    for folder in folders.flatten().map(camino::Utf8DirEntry::into_path) {
        // Without a lock its program ended before it had one.
        let held = File::open(folder.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_err());
        if !held {
            removed(&folder);
        }
    }
}

fn removed(folder: &Utf8Path) {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!(%folder, %error, "a scratch folder was not removed");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn data_dir() -> (tempfile::TempDir, Utf8PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = Utf8PathBuf::from_path_buf(folder.path().to_owned()).expect("UTF-8");
        (folder, path)
    }

    #[test]
    fn what_a_dead_program_left_is_swept_and_what_a_living_one_holds_is_not() {
        let (_kept, data_dir) = data_dir();
        let held = Scratch::new(&data_dir).expect("a folder");
        let dead = data_dir.join("opened/4711-0");
        let killed = data_dir.join("opened/killed");
        for folder in [&dead, &killed] {
            fs::create_dir_all(folder).expect("made");
            fs::write(folder.join("record.sqlite"), "rows").expect("written");
        }
        fs::write(killed.join(LOCK), "").expect("written");
        let second = Scratch::new(&data_dir).expect("a folder");
        assert!(!dead.exists() && !killed.exists());
        assert!(held.folder().exists() && second.folder().exists());
        assert_ne!(held.folder(), second.folder());
        fs::create_dir_all(&dead).expect("made");
        sweep(&data_dir).expect("swept");
        assert!(!dead.exists() && held.folder().exists());
        let gone = held.folder().to_owned();
        drop(held);
        assert!(!gone.exists());
    }

    #[test]
    fn nobody_else_can_guess_or_read_it() {
        let (_kept, data_dir) = data_dir();
        let scratch = Scratch::new(&data_dir).expect("a folder");
        let mode = fs::metadata(scratch.folder()).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let name = scratch.folder().file_name().expect("a name");
        assert_eq!(name.len(), RANDOM_CHARACTERS);
        assert!(!name.contains(&std::process::id().to_string()));
    }
}
