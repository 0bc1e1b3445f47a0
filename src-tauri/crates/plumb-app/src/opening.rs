//! Fleets are opened from their files, kept while nothing moved, and their bundles verified after the first paint.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_clients::{HttpPool, Uplink};
use plumb_fleet::FleetId;
use tokio::sync::{Notify, OnceCell, RwLockReadGuard};

use crate::{
    app::{App, FleetState, Loaded},
    error::{AppError, Code, chain},
    fleets::{self, LoadedFleet},
    opened::no_connections,
    topics::Topic,
};

/// Told to whatever is under way as evidence opens.
const CUT: &str = "evidence is open: nothing is sent to anybody";

/// Which fleets are read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reopen {
    /// Those whose files moved since they were read.
    Changed,
    /// All of them: what was known in memory or in the cache no longer holds.
    All,
}

impl App {
    /// Reads the list of fleets, and the files on it that have to be read.
    pub(crate) async fn reload_fleets(&self, reopen: Reopen) -> Result<(), AppError> {
        let _one_at_a_time = self.0.enrolling.lock().await;
        let known = {
            let mut conn = self.record().read().await?;
            plumb_store::fleets::list(&mut conn).await?
        };
        let mut states = BTreeMap::new();
        for fleet in known {
            let file = Utf8PathBuf::from(fleet.file.to_string_lossy().into_owned());
            let state = match self.unmoved(&fleet.name, &file, reopen).await {
                Some(state) => state,
                None => self.open_state(fleet.name, file).await,
            };
            states.insert(state.name.clone(), state);
        }
        let former = {
            let mut fleets = self.0.fleets.write().expect("no panic while fleets are held");
            std::mem::replace(&mut *fleets, states.clone())
        };
        let same =
            |one: Option<&Arc<FleetState>>, other| one.is_some_and(|one| Arc::ptr_eq(one, other));
        for state in former.values().filter(|state| !same(states.get(&state.name), state)) {
            state.stop.cancel();
        }
        for state in states.values().filter(|state| !same(former.get(&state.name), state)) {
            let asks = self.0.options.sweep_on_period && !self.is_off_network();
            if asks && state.loaded.is_ok() {
                self.0.tasks.spawn(self.clone().sweep_on_period(state.clone()));
                self.0.tasks.spawn(self.clone().follow_hub(state.clone()));
            }
        }
        self.announce(self.every_topic());
        Ok(())
    }

    /// The fleet as it is open now, where nothing it was read from moved.
    async fn unmoved(
        &self,
        name: &FleetId,
        file: &Utf8PathBuf,
        reopen: Reopen,
    ) -> Option<Arc<FleetState>> {
        if reopen == Reopen::All {
            return None;
        }
        let state = {
            let fleets = self.0.fleets.read().expect("no panic while fleets are held");
            fleets.get(name).filter(|state| state.file == *file).cloned()?
        };
        let print = state.loaded.as_ref().ok()?.print.clone();
        let holds = tokio::task::spawn_blocking(move || print.holds()).await;
        holds.is_ok_and(|holds| holds).then_some(state)
    }

    fn connections(&self, folder: &Utf8Path) -> HttpPool {
        let (tokens, folder) = (self.0.options.tokens.clone(), folder.as_std_path());
        if self.in_evidence().is_some() || self.is_off_network() {
            return no_connections(tokens, folder);
        }
        HttpPool::over(self.uplink(), tokens, folder)
    }

    /// What everything is sent over.
    pub(crate) fn uplink(&self) -> Uplink {
        self.0.uplink.lock().expect("no panic while the uplink is held").clone()
    }

    /// Whether evidence is shown before the fleets of this application.
    pub(crate) fn is_off_network(&self) -> bool {
        self.0.off_network.load(Ordering::SeqCst)
    }

    /// Ends what asks nodes and hubs, and closes the connections, those of whatever is under way as well. Refused while a
    /// run needs them.
    pub(crate) async fn leave_network(&self) -> Result<(), AppError> {
        {
            let alone = self.0.beginning.try_write();
            if self.is_off_network() {
                return Ok(());
            }
            if alone.is_err() || self.carries_something_out() {
                return Err(AppError::new(
                    Code::Invalid,
                    "something is carried out from here, and evidence is shown without a network",
                    "let it end or pause it; on a terminal: plumb evidence open FILE",
                ));
            }
            self.0.off_network.store(true, Ordering::SeqCst);
        }
        let left = self.reload_fleets(Reopen::All).await;
        if left.is_err() {
            self.0.off_network.store(false, Ordering::SeqCst);
        } else {
            // A dry run or a capture has connections of its own in hand.
            self.uplink().cut(CUT);
        }
        left
    }

    /// For whoever begins something that nodes or a hub are told of; refused while evidence is shown. Nobody leaves the
    /// network until it is dropped.
    pub(crate) fn on_network(&self) -> Result<RwLockReadGuard<'_, ()>, AppError> {
        let begins = self.0.beginning.try_read();
        begins.ok().filter(|_| !self.is_off_network()).ok_or_else(evidence_is_open)
    }

    /// Opens the connections again, and sweeps.
    pub(crate) async fn return_to_network(&self) -> Result<(), AppError> {
        if !self.0.off_network.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        *self.0.uplink.lock().expect("no panic while the uplink is held") = Uplink::default();
        let back = self.reload_fleets(Reopen::All).await;
        if back.is_err() {
            // The connections are closed still: whoever goes back once more opens them.
            self.uplink().cut(CUT);
            self.0.off_network.store(true, Ordering::SeqCst);
        }
        back
    }

    async fn open_state(&self, name: FleetId, file: Utf8PathBuf) -> Arc<FleetState> {
        let loaded = match load(&file).await {
            Ok(loaded) if loaded.fleet.name != name => {
                Err(format!("{file} now names the fleet {}; add it again", loaded.fleet.name))
            }
            Ok(LoadedFleet { fleet, keys, print }) => Ok(Loaded {
                fleet: Arc::new(fleet),
                pool: self.connections(fleets::folder_of(&file)),
                keys: Arc::new(keys),
                print: Arc::new(print),
            }),
            Err(problem) => Err(problem),
        };
        Arc::new(FleetState {
            name,
            file,
            loaded,
            bundles: OnceCell::new(),
            current: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            storing: tokio::sync::Mutex::default(),
            agreement: Mutex::default(),
            sweeping: AtomicBool::new(false),
            swept: AtomicBool::new(false),
            wake: Notify::new(),
            stop: self.0.cancel.child_token(),
        })
    }

    /// Waits until the signed bundles beside the fleet file are verified and in the catalogue. Until then the catalogue
    /// is the one of the last time, which is what a window is painted from.
    pub(crate) async fn bundles_known(&self, state: &FleetState) -> Result<(), AppError> {
        let Ok(loaded) = &state.loaded else { return Ok(()) };
        state.bundles.get_or_try_init(|| self.adopt_bundles(&state.file, loaded)).await.map(drop)
    }

    /// Verifies the signed bundles of a fleet and remembers them.
    async fn adopt_bundles(&self, file: &Utf8PathBuf, loaded: &Loaded) -> Result<(), AppError> {
        let (fleet, keys, file) = (loaded.fleet.clone(), loaded.keys.clone(), file.clone());
        let verified =
            tokio::task::spawn_blocking(move || fleets::bundles(&file, &fleet, &keys)).await;
        let (bundles, problems) = verified
            .map_err(|error| AppError::new(Code::Other, chain(&error), "open the fleet again"))?;
        let fleet = &loaded.fleet;
        {
            let mut notices = self.0.notices.lock().expect("no panic while notices are held");
            for problem in problems {
                let notice = format!("{}: a bundle was not taken: {problem}", fleet.name);
                if !notices.contains(&notice) {
                    notices.push(notice);
                }
            }
        }
        let known = {
            let mut conn = self.record().read().await?;
            plumb_store::catalogue::list(&mut conn, &fleet.name).await?
        };
        let fresh: Vec<_> =
            bundles.iter().filter(|bundle| !known.entries.contains(&bundle.entry)).collect();
        if !fresh.is_empty() {
            let mut record = self.record().write().await?;
            for bundle in &fresh {
                plumb_store::catalogue::upsert(&mut record, &fleet.name, &bundle.entry).await?;
            }
            record.commit().await?;
        }
        let learned = !fresh.is_empty();
        self.keep_contents(bundles.into_iter().map(|bundle| bundle.content)).await?;
        if learned {
            self.refresh_desired(&fleet.name).await?;
            self.announce([Topic::Shell]);
        }
        Ok(())
    }
}

impl Loaded {
    /// Refuses what was asked over connections that were cut meanwhile: it is not what nodes said.
    pub(crate) fn asked_to_the_end(&self) -> Result<(), AppError> {
        self.pool.uplink().why_cut().map_or(Ok(()), |_| Err(evidence_is_open()))
    }
}

/// Why nothing is asked of anybody.
pub(crate) fn evidence_is_open() -> AppError {
    AppError::new(
        Code::Invalid,
        "evidence is open: no node is asked, and nothing is changed",
        "go back to the fleets",
    )
}

async fn load(file: &Utf8Path) -> Result<LoadedFleet, String> {
    let file = file.to_owned();
    match tokio::task::spawn_blocking(move || fleets::load(&file)).await {
        Ok(Ok(loaded)) => Ok(loaded),
        Ok(Err(error)) => Err(chain(&error)),
        Err(error) => Err(chain(&error)),
    }
}
