//! A disk that is gone with its agent: packs of light agents live in memory.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use plumb_agent::fetch::{Disk, DiskFile, DiskLock};

/// A file's bytes, under one name or several.
type Content = Arc<Mutex<Vec<u8>>>;

/// One agent's disk. Nothing else can reach it, so it is locked already.
#[derive(Debug, Default)]
pub(crate) struct MemoryDisk(Mutex<BTreeMap<PathBuf, Content>>);

#[derive(Debug)]
struct OpenFile(Content);

#[derive(Debug)]
struct Locked;

impl DiskLock for Locked {}

impl MemoryDisk {
    fn files(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Content>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk for MemoryDisk {
    fn create_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let files = self.files();
        let within = files.keys().filter(|path| path.parent() == Some(folder));
        let names = within.filter_map(|path| path.file_name()?.to_str());
        Ok(names.map(str::to_owned).collect())
    }

    fn read(&self, path: &Path, bytes_max: usize) -> io::Result<Vec<u8>> {
        let content = self.files().get(path).cloned().ok_or(io::ErrorKind::NotFound)?;
        let bytes = bytes_of(&content).clone();
        if bytes.len() > bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let content = Content::default();
        self.add(path, Arc::clone(&content))?;
        Ok(Box::new(OpenFile(content)))
    }

    fn append(&self, path: &Path) -> io::Result<(Box<dyn DiskFile>, u64)> {
        let content = Arc::clone(self.files().entry(path.to_owned()).or_default());
        let length = bytes_of(&content).len() as u64;
        Ok((Box::new(OpenFile(content)), length))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut files = self.files();
        let content = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
        files.insert(to.to_owned(), content);
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let content = self.files().get(from).cloned().ok_or(io::ErrorKind::NotFound)?;
        self.add(to, content)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files().remove(path).map(drop).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn DiskLock>> {
        Ok(Box::new(Locked))
    }
}

impl MemoryDisk {
    fn add(&self, path: &Path, content: Content) -> io::Result<()> {
        let mut files = self.files();
        if files.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        files.insert(path.to_owned(), content);
        Ok(())
    }
}

impl DiskFile for OpenFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        bytes_of(&self.0).extend_from_slice(bytes);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn bytes_of(content: &Content) -> MutexGuard<'_, Vec<u8>> {
    content.lock().unwrap_or_else(PoisonError::into_inner)
}
