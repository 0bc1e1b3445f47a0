//! A disk in memory that keeps after a crash only what was synced, and of the rest what it likes.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use plumb_agent::fetch::{Disk, DiskFile, DiskLock};

/// How an operation is made to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// The n-th operation that changes something fails for want of room; later ones work.
    FullAt(usize),
    /// From the n-th on nothing happens any more, as after a kill.
    DeadFrom(usize),
}

#[derive(Debug, Clone, Default)]
struct Inode {
    now: Vec<u8>,
    synced: Option<Vec<u8>>,
}

type Names = BTreeMap<String, usize>;

#[derive(Debug)]
struct Folder {
    now: Names,
    /// Every state since the last sync, that one first.
    states: Vec<Names>,
}

#[derive(Debug)]
struct State {
    inodes: Vec<Inode>,
    folders: BTreeMap<PathBuf, Folder>,
    fault: Fault,
    changes: usize,
    links: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct SimDisk(Arc<Mutex<State>>);

impl SimDisk {
    pub(crate) fn new(links: bool) -> Self {
        let (inodes, folders) = (Vec::new(), BTreeMap::new());
        Self(Arc::new(Mutex::new(State { inodes, folders, fault: Fault::None, changes: 0, links })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no panic inside")
    }

    /// Arms a fault; operations are counted from here.
    pub(crate) fn fail(&self, fault: Fault) {
        let mut state = self.state();
        state.fault = fault;
        state.changes = 0;
    }

    /// Operations that changed something since a fault was armed.
    pub(crate) fn changes(&self) -> usize {
        self.state().changes
    }

    /// The power goes. `pick(n)` chooses one of `n` ways.
    pub(crate) fn crash(&self, mut pick: impl FnMut(usize) -> usize) {
        let mut state = self.state();
        state.fault = Fault::None;
        for folder in state.folders.values_mut() {
            let chosen = folder.states[pick(folder.states.len())].clone();
            folder.now.clone_from(&chosen);
            folder.states = vec![chosen];
        }
        for inode in &mut state.inodes {
            let kept = match (&inode.synced, pick(3)) {
                (Some(synced), 0 | 1) => synced.clone(),
                (_, 0) => Vec::new(),
                // Blocks that were allocated, but not written.
                (None, 1) => vec![0; inode.now.len()],
                _ => inode.now[..pick(inode.now.len() + 1)].to_vec(),
            };
            // What was synced stays at least.
            let shorter = inode.synced.as_ref().is_some_and(|synced| !kept.starts_with(synced));
            inode.now = if shorter { inode.synced.clone().unwrap_or_default() } else { kept };
            inode.synced = Some(inode.now.clone());
        }
    }
}

impl State {
    /// Counts a change; `Err` when it does not happen.
    fn change(&mut self) -> io::Result<()> {
        let at = self.changes;
        self.changes += 1;
        match self.fault {
            Fault::FullAt(n) if at == n => Err(io::ErrorKind::StorageFull.into()),
            Fault::DeadFrom(n) if at >= n => Err(io::Error::other("dead")),
            _ => Ok(()),
        }
    }

    fn folder(&mut self, folder: &Path) -> io::Result<&mut Folder> {
        self.folders.get_mut(folder).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn inode(&mut self, path: &Path) -> io::Result<usize> {
        let (folder, name) = parts(path);
        let found = self.folder(&folder)?.now.get(&name).copied();
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn rename_in(&mut self, folder: &Path, change: impl FnOnce(&mut Names)) -> io::Result<()> {
        let folder = self.folder(folder)?;
        change(&mut folder.now);
        folder.states.push(folder.now.clone());
        Ok(())
    }
}

fn parts(path: &Path) -> (PathBuf, String) {
    let name = path.file_name().and_then(OsStr::to_str).expect("a name");
    (path.parent().expect("a folder").to_owned(), name.to_owned())
}

impl Disk for SimDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        for folder in folder.ancestors() {
            let fresh = || Folder { now: Names::new(), states: vec![Names::new()] };
            state.folders.entry(folder.to_owned()).or_insert_with(fresh);
        }
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        Ok(self.state().folder(folder)?.now.keys().cloned().collect())
    }

    fn read(&self, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        let inode = state.inode(path)?;
        let bytes = state.inodes[inode].now.clone();
        if bytes.len() > bytes_max { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes) }
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        if state.inode(path).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.change()?;
        let inode = state.inodes.len();
        state.inodes.push(Inode::default());
        let (folder, name) = parts(path);
        state.rename_in(&folder, |names| {
            names.insert(name, inode);
        })?;
        Ok(Box::new(SimFile { disk: self.clone(), inode }))
    }

    fn append(&self, path: &Path) -> io::Result<(Box<dyn DiskFile>, u64)> {
        let found = self.state().inode(path);
        let Ok(inode) = found else { return self.create(path).map(|file| (file, 0)) };
        let length = self.state().inodes[inode].now.len() as u64;
        Ok((Box::new(SimFile { disk: self.clone(), inode }), length))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let inode = state.inode(from)?;
        state.change()?;
        let ((folder, from), (other, to)) = (parts(from), parts(to));
        assert_eq!(folder, other, "no disk promises that a move between folders is one step");
        state.rename_in(&folder, |names| {
            names.remove(&from);
            names.insert(to, inode);
        })
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.links {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let inode = state.inode(from)?;
        if state.inode(to).is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        state.change()?;
        let (folder, name) = parts(to);
        state.rename_in(&folder, |names| {
            names.insert(name, inode);
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.inode(path)?;
        state.change()?;
        let (folder, name) = parts(path);
        state.rename_in(&folder, |names| {
            names.remove(&name);
        })
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.change()?;
        let folder = state.folder(folder)?;
        folder.states = vec![folder.now.clone()];
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn DiskLock>> {
        Ok(Box::new(SimLock))
    }
}

struct SimFile {
    disk: SimDisk,
    inode: usize,
}

impl DiskFile for SimFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        // Several writes, so that one of them can be the last.
        for piece in bytes.chunks(bytes.len().div_ceil(3).max(1)) {
            let mut state = self.disk.state();
            let changed = state.change();
            let room = if changed.is_ok() { piece.len() } else { piece.len() / 2 };
            let dead = matches!(state.fault, Fault::DeadFrom(_)) && changed.is_err();
            if !dead {
                state.inodes[self.inode].now.extend_from_slice(&piece[..room]);
            }
            changed?;
        }
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.change()?;
        let inode = &mut state.inodes[self.inode];
        inode.synced = Some(inode.now.clone());
        Ok(())
    }
}

#[derive(Debug)]
struct SimLock;

impl DiskLock for SimLock {}
