//! What changes behind our back: other processes on the same files, edited fleet files, damage.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::RwLock,
    time::{Duration, SystemTime},
};

use camino::Utf8PathBuf;
use jiff::SignedDuration;
use plumb_fleet::RunId;
use plumb_store::{Database, Kind};
use tracing::warn;

use crate::{
    app::App,
    error::{AppError, chain},
    fleets,
    opening::Reopen,
    topics::Topic,
};

/// How often the files are asked for changes of other processes: a person waits no longer for a pin.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long sweeps, changes and reloads stay in the cache.
pub(crate) const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);
const EXPIRE_EVERY: Duration = Duration::from_hours(24);

impl App {
    /// Follows what other processes commit and what happens to fleet files.
    pub(crate) async fn watch_others(self) {
        let mut tick = tokio::time::interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut seen = None;
        let (mut files, mut runs) = (BTreeMap::new(), BTreeSet::new());
        loop {
            tokio::select! {
                () = self.0.cancel.cancelled() => return,
                _ = tick.tick() => {}
            }
            if let Err(error) = self.look_for_changes(&mut seen, &mut files, &mut runs).await {
                warn!(error = %error.message, "changes of others not seen");
            }
        }
    }

    async fn look_for_changes(
        &self,
        seen: &mut Option<(i64, i64)>,
        files: &mut BTreeMap<Utf8PathBuf, Option<SystemTime>>,
        runs: &mut BTreeSet<RunId>,
    ) -> Result<(), AppError> {
        let now = (self.cache().data_version().await?, self.record().data_version().await?);
        let (cache, record) =
            seen.map_or((false, false), |seen| (seen.0 != now.0, seen.1 != now.1));
        // A run that began before the first look is news as well.
        if record || seen.is_none() {
            self.announce_runs(runs).await?;
        }
        let edited = self.edited_files(files).await;
        if edited || (record && self.list_changed().await?) {
            self.reload_fleets(Reopen::Changed).await?;
        }
        if record {
            self.0.alerts.forget();
            self.announce([Topic::Alerts]);
        }
        if cache || record {
            for state in self.fleet_states() {
                if cache {
                    *state.current.lock().expect("no panic while a fleet is held") = None;
                }
                if record
                    && state.loaded.is_ok()
                    && let Err(error) = self.refresh_desired(&state.name).await
                {
                    warn!(fleet = %state.name, error = %error.message, "desired versions not read");
                }
                self.announce([Topic::fleet(&state.name)]);
            }
            self.announce([Topic::Shell]);
        }
        // Only now: after an error the same change is looked for again.
        *seen = Some(now);
        Ok(())
    }

    /// Whether a fleet file, or a key, bundle or folder it names, was written since the last look.
    async fn edited_files(&self, files: &mut BTreeMap<Utf8PathBuf, Option<SystemTime>>) -> bool {
        let mut edited = false;
        for state in self.fleet_states() {
            let named =
                state.loaded.iter().flat_map(|loaded| fleets::named(&state.file, &loaded.fleet));
            for file in std::iter::once(state.file.clone()).chain(named) {
                let modified =
                    tokio::fs::metadata(&file).await.ok().and_then(|file| file.modified().ok());
                let before = files.insert(file, modified);
                edited |= before.is_some_and(|before| before != modified);
            }
        }
        edited
    }

    async fn list_changed(&self) -> Result<bool, AppError> {
        let listed: BTreeMap<String, String> = {
            let mut conn = self.record().read().await?;
            let fleets = plumb_store::fleets::list(&mut conn).await?;
            fleets
                .into_iter()
                .map(|f| (f.name.to_string(), f.file.to_string_lossy().into_owned()))
                .collect()
        };
        let open: BTreeMap<String, String> = self
            .fleet_states()
            .iter()
            .map(|state| (state.name.to_string(), state.file.to_string()))
            .collect();
        Ok(listed != open)
    }

    /// Announces runs that go on, and those that did at the last look and have ended since.
    async fn announce_runs(&self, before: &mut BTreeSet<RunId>) -> Result<(), AppError> {
        let unfinished: BTreeSet<RunId> = {
            let mut conn = self.record().read().await?;
            plumb_store::runs::unfinished(&mut conn).await?.into_iter().map(|run| run.id).collect()
        };
        self.announce(before.union(&unfinished).map(|run| Topic::run(*run)));
        *before = unfinished;
        Ok(())
    }

    /// Removes what the cache holds beyond its age, and the alerts that a policy keeps no longer, at the start and once a day.
    pub(crate) async fn expire_daily(self) {
        let mut tick = tokio::time::interval(EXPIRE_EVERY);
        loop {
            tokio::select! {
                () = self.0.cancel.cancelled() => return,
                _ = tick.tick() => {}
            }
            let before = self.now() - KEPT;
            if let Err(error) = plumb_store::retention::expire(&self.cache(), before).await {
                warn!(error = %chain(&error), "old rows of the cache not removed");
            }
            if let Err(error) = self.retain_by_itself().await {
                warn!(error = %error.message, "old alerts not removed");
            }
            self.let_go_of_old();
        }
    }

    /// Reads both files for damage once the first screen is painted.
    pub(crate) async fn check_files_after_paint(self) {
        tokio::select! {
            () = self.0.cancel.cancelled() => return,
            () = self.painted() => {}
        }
        for slot in [&self.0.cache, &self.0.record] {
            if let Err(error) = self.check_file(slot).await {
                warn!(error = %error.message, "file not checked");
            }
        }
    }

    async fn check_file(&self, slot: &RwLock<Database>) -> Result<(), AppError> {
        let database = slot.read().expect("no panic while a file is held").clone();
        let findings = database.quick_check().await?;
        if findings.is_empty() {
            return Ok(());
        }
        let opened = database.replace_damaged(&findings).await?;
        if opened.database.kind() == Kind::Record {
            self.0.alerts.moved(&opened.database, &self.0.options.clock);
        }
        *slot.write().expect("no panic while a file is held") = opened.database;
        let notices = opened.notices.iter().map(ToString::to_string);
        self.0.notices.lock().expect("no panic while notices are held").extend(notices);
        self.reload_fleets(Reopen::All).await
    }
}
