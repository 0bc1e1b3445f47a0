//! Who governs this node: the roster whose people sign, and the refused list that they signed.
//!
//! Both come signed, are kept before they count, and never go back to an older version.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use jiff::Timestamp;
use plumb_fleet::{ContentDigest, FleetId};
use plumb_trust::{
    refused::{LIST_BYTES_MAX, RefusedEntry, RefusedError, RefusedList},
    roster::{Roster, RosterError, RosterPin},
};
use serde::{Deserialize, Serialize};

use crate::{
    approved::Approved, chain::chain, config::Governance, durable::write_durably,
    error::AgentError, limits::ROSTER_BYTES_MAX,
};

const ROSTER_FILE: &str = "agent-roster.json";
const REFUSED_FILE: &str = "agent-refused.json";

/// The roster and the refused list in force.
#[derive(Debug)]
pub(crate) struct Governed {
    pub(crate) config: Governance,
    folder: PathBuf,
    /// Where changes take a plan whose approvals were verified here.
    pub(crate) approved: Option<Approved>,
    roster: RwLock<Arc<Roster>>,
    refused: RwLock<Option<Arc<Held>>>,
    /// Held while either is judged and written, so that an older one never lands on a newer one.
    writing: Mutex<()>,
}

/// A list in force, and the envelope it came in.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) list: RefusedList,
    pub(crate) envelope: Vec<u8>,
}

/// The newest roster that was accepted.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptRoster {
    pin: RosterPin,
    envelope: String,
}

/// Why a roster or a list was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotTaken {
    #[error(transparent)]
    Roster(#[from] RosterError),
    #[error(transparent)]
    List(#[from] RefusedError),
    #[error("the roster says nothing about fleet {fleet}")]
    OtherFleet { fleet: FleetId },
    #[error("it could not be kept")]
    NotWritten(#[source] io::Error),
}

impl Governed {
    /// Reads the roster that was given and what is kept. The first roster says by which root keys later
    /// ones are judged, so a file that is put in its place must be signed by them.
    pub(crate) fn open(config: Governance, folder: &Path) -> Result<Self, AgentError> {
        let unusable = |path: &Path, reason: String| AgentError::Governance {
            path: path.to_path_buf(),
            reason,
        };
        let file = &config.roster;
        let given = read(file, ROSTER_BYTES_MAX)
            .and_then(|read| read.ok_or_else(|| io::ErrorKind::NotFound.into()))
            .map_err(|error| unusable(file, chain(&error)))?;
        let kept_at = folder.join(ROSTER_FILE);
        let kept = read(&kept_at, 2 * ROSTER_BYTES_MAX)
            .map_err(|error| unusable(&kept_at, chain(&error)))?
            .map(|bytes| serde_json::from_slice::<KeptRoster>(&bytes))
            .transpose()
            .map_err(|error| unusable(&kept_at, chain(&error)))?;
        let roster = match &kept {
            None => first(&given).map_err(|error| unusable(file, chain(&error)))?,
            Some(kept) => match Roster::accept(&given, &kept.pin) {
                // A newer one was pushed here meanwhile.
                Err(RosterError::Older { .. }) => {
                    Roster::accept(kept.envelope.as_bytes(), &kept.pin)
                        .map_err(|error| unusable(&kept_at, chain(&error)))?
                }
                accepted => accepted.map_err(|error| unusable(file, chain(&error)))?,
            },
        };
        governs(&roster, &config.fleet).map_err(|error| unusable(file, chain(&error)))?;
        let is_newer = kept.is_none_or(|kept| kept.pin.version < roster.reference().version);
        if is_newer {
            keep_roster(folder, &roster, &given)
                .map_err(|error| unusable(&kept_at, chain(&error)))?;
        }
        let list_at = folder.join(REFUSED_FILE);
        let held = read(&list_at, LIST_BYTES_MAX)
            .map_err(|error| unusable(&list_at, chain(&error)))?
            .map(|envelope| {
                RefusedList::kept(&envelope).map(|list| Arc::new(Held { list, envelope }))
            })
            .transpose()
            // Starting without it would take what must not be taken.
            .map_err(|error| unusable(&list_at, chain(&error)))?;
        let approved = config.require_approval.then(|| Approved::open(folder)).transpose();
        let approved = approved.map_err(|error| unusable(folder, chain(&error)))?;
        Ok(Self {
            config,
            approved,
            folder: folder.to_path_buf(),
            roster: RwLock::new(Arc::new(roster)),
            refused: RwLock::new(held),
            writing: Mutex::new(()),
        })
    }

    pub(crate) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.roster.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn held(&self) -> Option<Arc<Held>> {
        self.refused.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why content is refused, and by which version of the list.
    pub(crate) fn refuses(&self, content: ContentDigest) -> Option<(RefusedEntry, u32)> {
        let held = self.held()?;
        let entry = held.list.refuses(content)?.clone();
        Some((entry, held.list.version()))
    }

    /// Takes a newer roster, durably first. Blocks.
    pub(crate) fn take_roster(&self, envelope: &[u8]) -> Result<Arc<Roster>, NotTaken> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.roster();
        let roster = Roster::accept(envelope, &now.pin())?;
        governs(&roster, &self.config.fleet)?;
        if roster.reference() == now.reference() {
            return Ok(now);
        }
        keep_roster(&self.folder, &roster, envelope).map_err(NotTaken::NotWritten)?;
        let roster = Arc::new(roster);
        *self.roster.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&roster);
        Ok(roster)
    }

    /// Takes a newer list, durably first. Blocks.
    pub(crate) fn take_list(
        &self,
        envelope: Vec<u8>,
        now: Timestamp,
    ) -> Result<Arc<Held>, NotTaken> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.held();
        let known_list = known.as_ref().map(|held| &held.list);
        let fleet = &self.config.fleet;
        let list = RefusedList::accept(&envelope, &self.roster(), fleet, known_list, now)?;
        if let Some(known) = known.filter(|known| known.list == list) {
            return Ok(known);
        }
        write_durably(&self.folder, REFUSED_FILE, &envelope).map_err(NotTaken::NotWritten)?;
        let held = Arc::new(Held { list, envelope });
        *self.refused.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&held));
        Ok(held)
    }
}

/// The first roster is believed because whoever runs the agent gave it: it is judged by its own root keys.
fn first(envelope: &[u8]) -> Result<Roster, RosterError> {
    let (document, _) = Roster::look(envelope)?;
    let roots: Vec<_> = document.roots.keys.into_iter().map(|root| root.key).collect();
    Roster::enrol(envelope, &roots)
}

fn governs(roster: &Roster, fleet: &FleetId) -> Result<(), NotTaken> {
    match roster.environment_of(fleet) {
        Some(_) => Ok(()),
        None => Err(NotTaken::OtherFleet { fleet: fleet.clone() }),
    }
}

fn keep_roster(folder: &Path, roster: &Roster, envelope: &[u8]) -> io::Result<()> {
    let envelope = String::from_utf8_lossy(envelope).into_owned();
    let kept = KeptRoster { pin: roster.pin(), envelope };
    let bytes = serde_json::to_vec(&kept).expect("a roster always serialises");
    write_durably(folder, ROSTER_FILE, &bytes)
}

/// A file of at most so many bytes; nothing where there is none.
fn read(path: &Path, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let length = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
        Ok(metadata) => metadata.len(),
    };
    if length > bytes_max as u64 {
        let text = format!("it has {length} bytes, more than {bytes_max}");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    fs::read(path).map(Some)
}
