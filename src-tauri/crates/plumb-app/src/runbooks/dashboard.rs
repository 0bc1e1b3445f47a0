//! The figures beside the steps of a run, shown by a Grafana as long as the run lasts.

use std::time::Duration;

use jiff::SignedDuration;
use plumb_clients::grafana::Grafana;
use plumb_fleet::RunId;
use plumb_runbook::document::{Compiled, DASHBOARD_TAG, DashboardOf, dashboard_uid, expires_at};
use tracing::{info, warn};

use crate::{
    app::{App, Loaded},
    topics::Topic,
};

/// How long a Grafana may take; no step waits for it, but the end of a run does.
const DEADLINE: Duration = Duration::from_secs(5);
/// How long a dashboard stands that nobody removed.
const STANDS_H: i64 = 48;

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

    /// Puts the dashboard of a run. That a Grafana does not take it is said, and stops nothing.
    pub(super) async fn put_dashboard(&self, loaded: &Loaded, run: RunId, compiled: &Compiled) {
        let Some(server) = &loaded.fleet.grafana else { return };
        let (since, id) = (self.now(), run.to_string());
        let until = since + SignedDuration::from_hours(STANDS_H);
        let of = DashboardOf { run: &id, fleet: loaded.fleet.name.as_str(), since, until };
        let Some(dashboard) = compiled.dashboard(of) else { return };
        let now = self.wall();
        let grafana = Grafana { pool: &loaded.pool, server, deadline: DEADLINE, now: &now };
        match grafana.put(&dashboard, &format!("run {id} of a runbook began")).await {
            Ok(()) => info!(%run, "the dashboard of the run was put"),
            Err(failure) => self.no_dashboard("put", run, &failure.message),
        }
    }

    /// Removes the dashboard of a run that is over.
    pub(super) async fn remove_dashboard(&self, loaded: &Loaded, run: RunId, compiled: &Compiled) {
        let Some(server) = loaded.fleet.grafana.as_ref().filter(|_| compiled.has_dashboard())
        else {
            return;
        };
        let now = self.wall();
        let grafana = Grafana { pool: &loaded.pool, server, deadline: DEADLINE, now: &now };
        match grafana.remove(&dashboard_uid(&run.to_string())).await {
            Ok(()) => info!(%run, "the dashboard of the run was removed"),
            Err(failure) => self.no_dashboard("removed", run, &failure.message),
        }
    }

    /// Removes dashboards of runs that nobody went on with, once they say that they may be.
    pub(super) async fn remove_expired_dashboards(&self, loaded: &Loaded) {
        let Some(server) = &loaded.fleet.grafana else { return };
        let now = self.wall();
        let grafana = Grafana { pool: &loaded.pool, server, deadline: DEADLINE, now: &now };
        let found = match grafana.tagged(DASHBOARD_TAG).await {
            Ok(found) => found,
            Err(failure) => {
                return warn!(error = %failure.message, "dashboards of former runs not looked for");
            }
        };
        let over = |tags: &[String]| expires_at(tags).is_some_and(|at| at <= self.now());
        for old in found.into_iter().filter(|old| old.uid.starts_with("run-") && over(&old.tags)) {
            if let Err(failure) = grafana.remove(&old.uid).await {
                warn!(uid = old.uid, error = %failure.message, "an old dashboard not removed");
            }
        }
    }

    fn no_dashboard(&self, what: &str, run: RunId, message: &str) {
        let notice =
            format!("the dashboard of run {run} could not be {what} at the Grafana: {message}");
        warn!("{notice}");
        self.0.notices.lock().expect("no panic while notices are held").push(notice);
        self.announce([Topic::Shell]);
    }
}
