//! The audit log of fetches: one line each, append-only, bounded by setting it aside.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use serde::Serialize;

use super::{disk::Disk, failure::Cause, limits::AUDIT_BYTES_MAX, status::FetchTrigger};

const FILE: &str = "audit.jsonl";
const OLDER_FILE: &str = "audit.older.jsonl";

/// One fetch.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct AuditLine<'a> {
    pub(crate) at: Timestamp,
    pub(crate) correlation: &'a str,
    pub(crate) trigger: FetchTrigger,
    pub(crate) pack: &'a str,
    /// `current`, `activated`, `failed`.
    pub(crate) result: &'static str,
    /// SHA-256 of the pack that came, where one came.
    pub(crate) digest: Option<String>,
    pub(crate) cause: Option<Cause>,
    pub(crate) detail: Option<String>,
    pub(crate) carried_by: Option<String>,
    pub(crate) duration_ms: u64,
}

#[derive(Debug)]
pub(crate) struct AuditLog {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    /// The last line may have been cut by a crash or a full disk.
    torn: bool,
}

impl AuditLog {
    pub(crate) fn new(disk: Arc<dyn Disk>, folder: &Path) -> Self {
        Self { disk, folder: folder.to_owned(), torn: true }
    }

    /// Adds a line and syncs it. Blocks.
    pub(crate) fn add(&mut self, line: &AuditLine<'_>) -> io::Result<()> {
        let mut text = serde_json::to_vec(line).expect("an audit line always serialises");
        text.push(b'\n');
        let path = self.folder.join(FILE);
        let (mut file, length) = self.disk.append(&path)?;
        let full = length > 0 && length + text.len() as u64 > AUDIT_BYTES_MAX;
        if full {
            drop(file);
            self.disk.rename(&path, &self.folder.join(OLDER_FILE))?;
            file = self.disk.append(&path)?.0;
        } else if self.torn && length > 0 {
            text.insert(0, b'\n');
        }
        self.torn = true;
        file.write(&text)?;
        file.sync()?;
        self.torn = false;
        if full || length == 0 {
            self.disk.sync_folder(&self.folder)?;
        }
        Ok(())
    }
}
