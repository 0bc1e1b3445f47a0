//! What nodes ran and how they reloaded over the time that evidence is about, the policies they ran, and what was told
//! of them: what an archive is opened with as if it were the fleet.

use std::collections::BTreeSet;

use jiff::Timestamp;
use plumb_evidence::{Capture, CaptureError};
use plumb_fleet::{ContentDigest, NodeId};
use plumb_inbox::IncidentQuery;
use plumb_redact::Form;
use plumb_store::history::{changes, reloads};

use super::{
    CaptureRequest, Scope,
    gather::{lines, take},
    not_captured,
};
use crate::{
    alerts::{hub::KeptIncident, refused},
    app::App,
    error::AppError,
    views::alerts::InboxSource,
};

/// Changes and reloads of one capture: 10,000 nodes over a day of ten changes each.
const LOG_MAX: usize = 200_000;
/// Contents whose policies are taken: those that nodes ran, and those that can be brought to them.
const CONTENTS_MAX: usize = 200;
/// Bytes of all of them together.
const CONTENTS_BYTES_MAX: usize = 64 << 20;
/// Incidents with their timelines.
const INCIDENTS_MAX: u32 = 200;

/// Where they stand in an archive, for whoever reads it.
pub(crate) const CHANGES: &str = "fleet/changes.jsonl";
pub(crate) const RELOADS: &str = "fleet/reloads.jsonl";
pub(crate) const CATALOGUE: &str = "fleet/catalogue.json";
pub(crate) const CONTENTS: &str = "contents";
pub(crate) const ALERTS: &str = "alerts/alerts.jsonl";
pub(crate) const INCIDENTS: &str = "alerts/incidents.jsonl";

impl App {
    /// Changes and reloads of the window, signed bundles that were known, and policies in force.
    pub(super) async fn history_evidence(
        &self,
        capture: &mut Capture,
        scope: &Scope,
    ) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let name = &scope.current.fleet.name;
        // What was seen when the capture began belongs to it, also where the run had ended before.
        let window = (scope.window.from, scope.window.to.max(self.now()));
        let (mut log, mut loaded) = {
            let mut conn = self.cache().read().await?;
            let log = changes(&mut conn, name, window, LOG_MAX).await?;
            (log, reloads(&mut conn, name, window, LOG_MAX).await?)
        };
        for (what, rows) in [("changes of nodes", log.len()), ("reloads", loaded.len())] {
            if rows == LOG_MAX {
                let why = format!("there are more than the {LOG_MAX} that one capture takes");
                capture.lacks(&format!("some {what}"), &why).map_err(wrong)?;
            }
        }
        let wanted = |id: &NodeId| scope.nodes.as_ref().is_none_or(|nodes| nodes.contains(id));
        log.retain(|one| wanted(&one.node));
        loaded.retain(|one| wanted(&one.node));
        capture.take_lines("changes", CHANGES, lines(&log)).map_err(wrong)?;
        capture.take_lines("reloads", RELOADS, lines(&loaded)).map_err(wrong)?;
        let mut catalogue = scope.current.desired.catalogue.entries.clone();
        // Where a file lies on this machine concerns nobody else.
        for entry in &mut catalogue {
            entry.local_path = None;
        }
        take(capture, "catalogue", CATALOGUE, &catalogue).map_err(wrong)?;
        let mut contents: BTreeSet<ContentDigest> =
            log.iter().filter_map(|one| one.change.content).collect();
        contents.extend(catalogue.iter().map(|entry| entry.content));
        // Also where no node runs it: whoever looks into what is refused wants to see why.
        contents.extend(self.refused_now(name).await?);
        self.content_evidence(capture, &contents).await
    }

    /// Policies by content, each in the bytes that its digest is over.
    async fn content_evidence(
        &self,
        capture: &mut Capture,
        contents: &BTreeSet<ContentDigest>,
    ) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let mut bytes = 0;
        for digest in contents.iter().take(CONTENTS_MAX) {
            let what = format!("policies of the content {}", digest.short());
            let Some(content) = self.content(*digest).await? else {
                let why = "no node sent them, and no signed bundle of it is at hand";
                capture.lacks(&what, why).map_err(wrong)?;
                continue;
            };
            let document = serde_json::to_vec(&content).expect("policies always serialise");
            bytes += document.len();
            if bytes > CONTENTS_BYTES_MAX {
                let why = format!("all together have more than {CONTENTS_BYTES_MAX} bytes");
                capture.lacks(&what, &why).map_err(wrong)?;
                continue;
            }
            let name = format!("{CONTENTS}/{digest}.json");
            capture.bound("contents", Form::Json, &name, &document).map_err(wrong)?;
        }
        if let Some(more) = contents.len().checked_sub(CONTENTS_MAX).filter(|more| *more > 0) {
            let why = format!("{CONTENTS_MAX} are taken");
            capture.lacks(&format!("policies of {more} more contents"), &why).map_err(wrong)?;
        }
        Ok(())
    }

    /// Alerts and incidents of the inbox that the fleet uses, as far as they fall into the window.
    pub(super) async fn alert_evidence(
        &self,
        capture: &mut Capture,
        request: &CaptureRequest,
        scope: &Scope,
    ) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let window = scope.window;
        let desk = self.desk(&request.fleet).await?;
        let alerts: Vec<_> = desk
            .mirror
            .iter()
            .filter(|alert| alert.last_seen_at >= window.from && alert.created_at <= window.to)
            .map(|alert| serde_json::to_vec(alert.as_ref()).expect("alerts always serialise"))
            .collect();
        capture.take_lines("alerts", ALERTS, alerts).map_err(wrong)?;
        if let Some(why) = behind(&desk.source, window.to) {
            capture.lacks("newer alerts and incidents of the hub", &why).map_err(wrong)?;
        }
        let incidents = match self.incidents_with_timelines(&request.fleet).await {
            Ok(incidents) => incidents,
            Err(error) => {
                capture.lacks("incidents", &error.message).map_err(wrong)?;
                return Ok(());
            }
        };
        let incidents: Vec<_> = incidents
            .iter()
            .filter(|one| {
                one.incident.last_alert_at >= window.from && one.incident.opened_at <= window.to
            })
            .map(|one| serde_json::to_vec(one).expect("incidents always serialise"))
            .collect();
        capture.take_lines("incidents", INCIDENTS, incidents).map_err(wrong)
    }

    async fn incidents_with_timelines(&self, fleet: &str) -> Result<Vec<KeptIncident>, AppError> {
        if let Some(kept) = self.kept_incidents(fleet)? {
            return Ok(kept.as_ref().clone());
        }
        let inbox = self.0.alerts.inbox();
        let query = IncidentQuery { service: None, with_closed: true, limit: INCIDENTS_MAX };
        let mut all = Vec::new();
        for incident in inbox.incidents(&query).await.map_err(refused)? {
            let (incident, timeline) =
                inbox.timeline(&incident.incident_ref).await.map_err(refused)?;
            all.push(KeptIncident { incident, timeline });
        }
        Ok(all)
    }
}

/// How old what is kept of a hub's inbox is, where the evidence reaches beyond it.
fn behind(source: &InboxSource, until: Timestamp) -> Option<String> {
    let hub = source.hub.as_ref()?;
    let read = source.as_of_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    if source.offline.is_none() && read.is_some_and(|read| read >= until) {
        return None;
    }
    let age = match read {
        Some(read) => format!("the inbox of {hub} was read last at {read}"),
        None => format!("the inbox of {hub} was never read"),
    };
    let offline = source.offline.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
    Some(format!("{age}, and this is until {until}{offline}"))
}
