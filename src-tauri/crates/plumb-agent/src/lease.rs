//! The deployment lock of this node: a lease that one run holds, and that ends by itself.
//!
//! It is written down without waiting for the disk: a process that dies finds it again, and a machine that
//! dies takes longer to come back than most leases last.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use plumb_wire::v1::{LockAnswer, LockHeld, LockRequest};
use serde::{Deserialize, Serialize};

use crate::limits::STATE_BYTES_MAX;

const LOCK_FILE: &str = "agent-lease.json";

/// Who holds the lock, if anybody does.
#[derive(Debug, Default)]
pub(crate) struct Lease {
    folder: Option<PathBuf>,
    held: Mutex<Option<Held>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Held {
    run: String,
    owner: String,
    until: Timestamp,
}

impl Held {
    fn shown(&self, now: Timestamp) -> LockHeld {
        let left_ms = self.until.as_millisecond() - now.as_millisecond();
        LockHeld {
            run: self.run.clone(),
            owner: self.owner.clone(),
            until: self.until,
            left_ms: u64::try_from(left_ms).unwrap_or(0),
        }
    }
}

impl Lease {
    /// Reads what a former process granted; what cannot be read is no lease.
    pub(crate) fn open(folder: &Path) -> Self {
        let path = folder.join(LOCK_FILE);
        let small = fs::metadata(&path).is_ok_and(|it| it.len() <= STATE_BYTES_MAX);
        let read = || serde_json::from_slice(&fs::read(&path).ok()?).ok();
        let held = if small { read() } else { None };
        Self { folder: Some(folder.to_path_buf()), held: Mutex::new(held) }
    }

    /// Grants the lock or makes its lease longer, unless another run holds it; no time gives it back.
    pub(crate) fn ask(&self, request: &LockRequest, now: Timestamp) -> io::Result<LockAnswer> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(other) = held.as_ref().filter(|it| it.until > now && it.run != request.run) {
            return Ok(LockAnswer { granted: false, held: Some(other.shown(now)) });
        }
        let next = (request.ttl_s > 0).then(|| Held {
            run: request.run.clone(),
            owner: request.owner.clone(),
            until: now
                .checked_add(SignedDuration::from_secs(i64::from(request.ttl_s)))
                .unwrap_or(Timestamp::MAX),
        });
        if let Some(folder) = &self.folder {
            write(folder, next.as_ref())?;
        }
        held.clone_from(&next);
        Ok(LockAnswer { granted: next.is_some(), held: next.map(|held| held.shown(now)) })
    }

    /// Who holds it now.
    pub(crate) fn held(&self, now: Timestamp) -> Option<LockHeld> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        Some(held.as_ref().filter(|held| held.until > now)?.shown(now))
    }

    /// Who holds it now, if it is not this run.
    pub(crate) fn held_by_other(&self, run: Option<&str>, now: Timestamp) -> Option<LockHeld> {
        self.held(now).filter(|held| run != Some(held.run.as_str()))
    }
}

fn write(folder: &Path, held: Option<&Held>) -> io::Result<()> {
    let path = folder.join(LOCK_FILE);
    let Some(held) = held else {
        return match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    };
    let fresh = folder.join(format!("{LOCK_FILE}.new"));
    fs::write(&fresh, serde_json::to_vec(held).expect("a lease always serialises"))?;
    fs::rename(&fresh, &path)
}
