//! What survives a restart: pin, settings and the bundles last in force, in one small file.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use plumb_wire::v1::{LastKnownGood, Pin};
use serde::{Deserialize, Serialize};

use crate::{config::Polling, error::AgentError, limits::STATE_BYTES_MAX};

const STATE_FILE: &str = "agent-state.json";
const LOCK_FILE: &str = "agent.lock";
const FORMAT: u32 = 1;

/// The durable part of an agent's state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Durable {
    format: u32,
    pub(crate) pinned: Option<Pin>,
    pub(crate) settings: Settings,
    /// The verified bundle in force, with a copy in the store.
    pub(crate) in_force: Option<LastKnownGood>,
    pub(crate) last_known_good: Option<LastKnownGood>,
}

/// Settings changed over the wire; what was not changed is as the agent was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) min_delay_s: Option<u64>,
    pub(crate) max_delay_s: Option<u64>,
    pub(crate) locking: bool,
}

impl Settings {
    /// The polling delays in force.
    pub(crate) fn polling(&self, start: Polling) -> Polling {
        Polling {
            min_delay_s: self.min_delay_s.unwrap_or(start.min_delay_s),
            max_delay_s: self.max_delay_s.unwrap_or(start.max_delay_s),
        }
    }
}

/// The folder of one agent, locked while it runs.
#[derive(Debug)]
pub(crate) struct StateDir {
    path: PathBuf,
    lock: File,
}

/// A state file that could not be used and where it went.
#[derive(Debug)]
pub(crate) struct SetAside {
    pub(crate) reason: String,
    pub(crate) to: PathBuf,
}

impl StateDir {
    /// Gives the folder back, also where some task still holds on to it. What it writes from now on is its own loss.
    pub(crate) fn release(&self) {
        // A lock that cannot be given back goes with the process.
        let _ = self.lock.unlock();
    }

    /// Creates the folder where needed and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, AgentError> {
        let failed = |error| AgentError::StateDir { path: path.to_path_buf(), error };
        fs::create_dir_all(path).map_err(failed)?;
        let lock = File::create(path.join(LOCK_FILE)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_path_buf(), lock }),
            Err(TryLockError::WouldBlock) => {
                Err(AgentError::StateInUse { path: path.to_path_buf() })
            }
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the state. A damaged file is set aside, never deleted and never half believed.
    pub(crate) fn read(&self, now: Timestamp) -> Result<(Durable, Option<SetAside>), AgentError> {
        let path = self.path.join(STATE_FILE);
        let failed = |error| AgentError::StateDir { path: path.clone(), error };
        let mut text = String::new();
        let read = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok((Durable { format: FORMAT, ..Durable::default() }, None));
            }
            Err(error) => return Err(failed(error)),
            Ok(file) => file.take(STATE_BYTES_MAX + 1).read_to_string(&mut text),
        };
        let reason = match read {
            Err(error) if error.kind() != io::ErrorKind::InvalidData => return Err(failed(error)),
            Err(_) => "it is not text".to_owned(),
            Ok(length) if length as u64 > STATE_BYTES_MAX => "it is too large".to_owned(),
            Ok(_) => match serde_json::from_str::<Durable>(&text) {
                Ok(state) if state.format == FORMAT => return Ok((state, None)),
                Ok(state) => format!("its format is {}, not {FORMAT}", state.format),
                Err(error) => error.to_string(),
            },
        };
        let to = self.path.join(format!("{STATE_FILE}.damaged-{}", now.as_millisecond()));
        fs::rename(&path, &to).map_err(failed)?;
        let state = Durable { format: FORMAT, ..Durable::default() };
        Ok((state, Some(SetAside { reason, to })))
    }

    /// Replaces the state: temporary file, sync, rename, sync of the folder.
    pub(crate) fn write(&self, state: &Durable) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(state).expect("the state always serialises");
        write_durably(&self.path, STATE_FILE, &text)
    }
}

/// Writes a file so that after a crash either the old or the new one is there, whole.
pub(crate) fn write_durably(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let fresh = folder.join(format!("{name}.new"));
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs::rename(&fresh, folder.join(name))?;
    File::open(folder)?.sync_all()
}
