//! The figures beside the steps of a run, shown by a Grafana as long as the run lasts.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use plumb_clients::grafana::{FoundDashboard, Grafana};
use plumb_exec::StepsState;
use plumb_fleet::RunId;
use plumb_runbook::document::{Compiled, DASHBOARD_TAG, DashboardOf, dashboard_uid, expires_at};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::app::{App, Loaded};

/// How long a Grafana may take; no step waits for it, but the end of a run does.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a run that is over waits for its dashboard to be put, before it removes it.
const SHOWN_WITHIN: Duration = Duration::from_secs(15);
/// In front of the digits of a run in the uid of its dashboard.
const UID: &str = "run-";

/// How long a dashboard stands that nobody renews, and how soon what a Grafana refused is tried again.
#[derive(Debug, Clone, Copy)]
pub struct DashboardPace {
    pub stands: Duration,
    pub again: Duration,
}

impl Default for DashboardPace {
    fn default() -> Self {
        Self { stands: Duration::from_hours(48), again: Duration::from_secs(30) }
    }
}

/// Keeps the dashboard of one run at a Grafana from its first figure until the run is over.
#[derive(Debug)]
pub(super) struct Shown {
    app: App,
    of: Arc<ShownOf>,
    over: CancellationToken,
    keeping: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct ShownOf {
    loaded: Loaded,
    run: RunId,
    compiled: Compiled,
}

impl Shown {
    pub(super) fn new(app: &App, loaded: &Loaded, run: RunId, compiled: &Compiled) -> Self {
        let (loaded, compiled) = (loaded.clone(), compiled.clone());
        let of = Arc::new(ShownOf { loaded, run, compiled });
        let (over, keeping) = (CancellationToken::new(), Mutex::default());
        Self { app: app.clone(), of, over, keeping }
    }

    /// Shows the figures of a run that goes on, if a step with figures began before.
    pub(super) fn go_on(&self, state: &StepsState) {
        let watched = self.of.compiled.steps.iter().filter(|one| !one.step.monitors.is_empty());
        let began = watched.filter_map(|one| state.step(&one.id)?.started_at).min();
        if let Some(since) = began {
            self.begin(since);
        }
    }

    /// Shows its figures from this moment on; once. Whoever looks at a figure waits for no Grafana.
    pub(super) fn begin(&self, since: Timestamp) {
        if self.of.loaded.fleet.grafana.is_none() || !self.of.compiled.has_dashboard() {
            return;
        }
        let mut keeping = self.keeping.lock().expect("no panic while a dashboard is kept");
        if keeping.is_none() {
            let (app, of, over) = (self.app.clone(), self.of.clone(), self.over.clone());
            let kept = async move { app.keep_dashboard(&of, since, &over).await };
            *keeping = Some(self.app.0.tasks.spawn(kept));
        }
    }

    /// No longer renews it, and waits for what is on its way, so that it is not put after it was removed.
    pub(super) async fn ended(&self) {
        self.over.cancel();
        let keeping = self.keeping.lock().expect("no panic while a dashboard is kept").take();
        if let Some(mut keeping) = keeping
            && tokio::time::timeout(SHOWN_WITHIN, &mut keeping).await.is_err()
        {
            keeping.abort();
        }
    }
}

impl App {
    /// Where the dashboard of a run is; nothing where there is none.
    pub(super) fn dashboard_url(
        loaded: &Loaded,
        run: RunId,
        compiled: &Compiled,
    ) -> Option<String> {
        let server = loaded.fleet.grafana.as_ref().filter(|_| compiled.has_dashboard())?;
        let base = server.url.as_str().trim_end_matches('/');
        Some(format!("{base}/d/{}", dashboard_uid(&run.to_string())))
    }

    /// Puts the dashboard of a run, puts it again before it expires, and soon where a Grafana did not take it.
    /// That is said once, and stops nothing.
    async fn keep_dashboard(&self, of: &ShownOf, since: Timestamp, over: &CancellationToken) {
        let DashboardPace { stands, again } = self.0.options.dashboards;
        while !over.is_cancelled() {
            let put = self.put_dashboard(of, since).await;
            let next = match put {
                Ok(()) => stands / 2,
                Err(message) => {
                    self.no_dashboard("put", of.run, &message);
                    again
                }
            };
            tokio::select! {
                () = over.cancelled() => return,
                () = tokio::time::sleep(next) => {}
            }
        }
    }

    async fn put_dashboard(&self, of: &ShownOf, since: Timestamp) -> Result<(), String> {
        let ShownOf { loaded, run, compiled } = of;
        let Some(server) = &loaded.fleet.grafana else { return Ok(()) };
        let stands = SignedDuration::try_from(self.0.options.dashboards.stands);
        let until = self.now() + stands.unwrap_or(SignedDuration::MAX);
        let (id, fleet) = (run.to_string(), loaded.fleet.name.as_str());
        let Some(dashboard) = compiled.dashboard(DashboardOf { run: &id, fleet, since, until })
        else {
            return Ok(());
        };
        let now = self.wall();
        let grafana = Grafana { pool: &loaded.pool, server, deadline: DEADLINE, now: &now };
        let put = grafana.put(&dashboard, &format!("run {id} of a runbook goes on")).await;
        put.map_err(|failure| failure.message)?;
        info!(%run, %until, "the dashboard of the run was put");
        Ok(())
    }

    /// Removes the dashboard of a run that is over. Where a Grafana does not let it go that is said, and tried
    /// again: here as long as this program lives, and by whoever runs a runbook next.
    pub(super) async fn remove_dashboard(&self, loaded: &Loaded, run: RunId, compiled: &Compiled) {
        if loaded.fleet.grafana.is_none() || !compiled.has_dashboard() {
            return;
        }
        let uid = dashboard_uid(&run.to_string());
        let Err(message) = self.removed(loaded, &uid).await else {
            return info!(%run, "the dashboard of the run was removed");
        };
        self.no_dashboard("removed", run, &message);
        let (app, loaded, closed) = (self.clone(), loaded.clone(), self.cancelled());
        let again = self.0.options.dashboards.again;
        self.0.tasks.spawn(async move {
            loop {
                tokio::select! {
                    () = closed.cancelled() => return,
                    () = tokio::time::sleep(again) => {}
                }
                match app.removed(&loaded, &uid).await {
                    Ok(()) => return info!(%run, "the dashboard of the run was removed"),
                    Err(error) => warn!(%run, error, "the dashboard of the run is still there"),
                }
            }
        });
    }

    async fn removed(&self, loaded: &Loaded, uid: &str) -> Result<(), String> {
        let Some(server) = &loaded.fleet.grafana else { return Ok(()) };
        let now = self.wall();
        let grafana = Grafana { pool: &loaded.pool, server, deadline: DEADLINE, now: &now };
        grafana.remove(uid).await.map_err(|failure| failure.message)
    }

    /// Removes dashboards that were left behind: of runs of this console that have ended, and of runs that
    /// nobody went on with, once they say that they may be.
    pub(super) async fn remove_left_dashboards(&self, loaded: &Loaded) {
        let Some(server) = &loaded.fleet.grafana else { return };
        let now = self.wall();
        let grafana = Grafana { pool: &loaded.pool, server, deadline: DEADLINE, now: &now };
        let found = match grafana.tagged(DASHBOARD_TAG).await {
            Ok(found) => found,
            Err(failure) => {
                return warn!(error = %failure.message, "dashboards of former runs not looked for");
            }
        };
        for old in found {
            if !self.is_left(&old).await {
                continue;
            }
            if let Err(failure) = grafana.remove(&old.uid).await {
                warn!(uid = old.uid, error = %failure.message, "an old dashboard not removed");
            }
        }
    }

    /// Whether a dashboard is one of ours that nobody needs any more.
    async fn is_left(&self, old: &FoundDashboard) -> bool {
        let Some(digits) = old.uid.strip_prefix(UID) else { return false };
        let run = digits.parse::<RunId>().ok();
        // A run that goes on here puts its own again, however old that has become.
        if run.is_some_and(|run| self.owns_run(run)) {
            return false;
        }
        if expires_at(&old.tags).is_some_and(|at| at <= self.now()) {
            return true;
        }
        match run {
            Some(run) => self.kept_run(run).await.is_ok_and(|kept| kept.end.is_some()),
            None => false,
        }
    }

    fn no_dashboard(&self, what: &str, run: RunId, message: &str) {
        self.notice(format!(
            "the dashboard of run {run} could not be {what} at the Grafana, and is tried again: {message}"
        ));
    }
}
