//! What goes into evidence, source by source. A source that fails is noted and the next one follows.

use plumb_evidence::{
    Capture, CaptureError, Window,
    capture::Captured,
    limits::APPROVALS_MAX,
    manifest::ROSTER,
    name::safe_part,
    rosters::{FORMER, FORMER_MAX, FormerLine, former_of},
};
use plumb_redact::Form;
use plumb_store::{approvals::KeptApproval, rosters::KeptRoster};
use serde::Serialize;

use super::{CaptureRequest, Scope, not_captured, page, raw::RawFile};
use crate::{
    app::App,
    error::{AppError, Code, chain},
    own_log::{Ended, Lines},
};

/// Most sweeps that are listed; a day of one a minute has 1,440.
const SWEEPS_MAX: usize = 10_000;

impl App {
    /// Fills a capture and ends it.
    pub(super) async fn gather(
        &self,
        mut capture: Capture,
        request: &CaptureRequest,
        (scope, mut raw): (&Scope, Option<RawFile>),
    ) -> Result<Captured, AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let command = serde_json::json!({ "arguments": request.command });
        take(&mut capture, "command", "console/command.json", &command).map_err(wrong)?;
        // Without these nobody could tell whose signatures it holds.
        self.keys_and_roster(&mut capture, scope).await?;
        let done = self.former_rosters(&mut capture, scope).await;
        or_gap(&mut capture, "some rosters before the newest", done)?;
        let runs = self.runs_evidence((&mut capture, &mut raw), request, scope).await?;
        // Without these nothing could be shown as the fleet.
        self.fleet_evidence(&mut capture, scope).await?;
        self.view_evidence(&mut capture, request).await?;
        let pictures = self.picture_evidence(&mut capture, request, scope).await;
        let pictures = pictures
            .or_else(|error| gap(&mut capture, "some pictures", &error).map(|()| Vec::new()))?;
        let done = self.history_evidence(&mut capture, scope).await;
        or_gap(&mut capture, "some of what nodes ran", done)?;
        let done = self.refused_evidence(&mut capture, scope).await;
        or_gap(&mut capture, "some of what is refused", done)?;
        let done = self.readiness_evidence(&mut capture, scope).await;
        or_gap(&mut capture, "some of what shows readiness", done)?;
        let done = self.alert_evidence(&mut capture, request, scope).await;
        or_gap(&mut capture, "some alerts and incidents", done)?;
        let done = self.waiting_evidence(&mut capture, request).await;
        or_gap(&mut capture, "some plans that wait for consent", done)?;
        let (mut capture, raw) = self.node_evidence((capture, raw), request, scope).await?;
        if let Some(raw) = raw {
            capture.raw(&raw.finish()?).map_err(wrong)?;
        }
        let mut capture = self.own_log_evidence(capture, scope).await?;
        let page = page::page(self, &mut capture, scope, (&runs, pictures)).await?;
        capture.composed(plumb_evidence::manifest::REPORT, page.as_bytes()).map_err(wrong)?;
        blocking(move || capture.finish()).await?.map_err(wrong)
    }

    async fn keys_and_roster(&self, capture: &mut Capture, scope: &Scope) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        for key in self.own_keys().await? {
            let name = format!("keys/console-{}.pem", key.id().short());
            capture.bound("keys", Form::Text, &name, key.to_pem().as_bytes()).map_err(wrong)?;
        }
        let newest = {
            let mut conn = self.record().read().await?;
            plumb_store::rosters::newest(&mut conn, &scope.current.fleet.name).await?
        };
        if let Some(newest) = newest {
            capture.bound("roster", Form::Json, ROSTER, &newest.envelope).map_err(wrong)?;
        }
        Ok(())
    }

    /// Those that ruled before it, for whoever signed under one of them.
    async fn former_rosters(&self, capture: &mut Capture, scope: &Scope) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let mut kept = {
            let mut conn = self.record().read().await?;
            plumb_store::rosters::all(&mut conn, &scope.current.fleet.name).await?
        };
        let Some(newest) = kept.pop() else { return Ok(()) };
        let mut until: Vec<_> = kept.iter().map(|one| one.accepted_at).skip(1).collect();
        until.push(newest.accepted_at);
        if let Some(older) = kept.len().checked_sub(FORMER_MAX).filter(|older| *older > 0) {
            let why = format!("the newest {FORMER_MAX} are taken");
            capture.lacks(&format!("{older} older rosters"), &why).map_err(wrong)?;
        }
        let mut former = Vec::new();
        let skipped = kept.len().saturating_sub(FORMER_MAX);
        for (one, until) in kept.into_iter().zip(until).skip(skipped) {
            let KeptRoster { version, digest, envelope, accepted_at: from, .. } = one;
            let name = former_of(version);
            if capture.bound("roster", Form::Json, &name, &envelope).map_err(wrong)? {
                former.push(FormerLine { version, digest, from, until });
            }
        }
        capture.take_lines("former rosters", FORMER, lines(&former)).map_err(wrong)
    }

    /// What this program told of itself in the window.
    async fn own_log_evidence(
        &self,
        mut capture: Capture,
        scope: &Scope,
    ) -> Result<Capture, AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        // What the capture itself did up to here is told, too.
        let window = Window { to: scope.window.to.max(self.now()), ..scope.window };
        let mut lines = Lines::of(self.data_dir(), &scope.current.fleet.name, window);
        let taking = blocking(move || {
            let taken = capture.take_lines("console log", "console/log.jsonl", lines.by_ref());
            taken.map(|()| (capture, lines.ended()))
        });
        let (mut capture, ended) = taking.await?.map_err(wrong)?;
        let lacks = match ended {
            Ended::Whole => return Ok(capture),
            Ended::TooMany => {
                "there are more lines than one capture takes; choose a shorter time".to_owned()
            }
            Ended::Unread(error) => error.to_string(),
        };
        capture.lacks("later lines of the console's log", &lacks).map_err(wrong)?;
        Ok(capture)
    }

    /// The fleet as the store knows it: nodes, desired versions, sweeps.
    async fn fleet_evidence(&self, capture: &mut Capture, scope: &Scope) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let current = &scope.current;
        let assessment = current.assess(self.now());
        let wanted =
            |id: &plumb_fleet::NodeId| scope.nodes.as_ref().is_none_or(|nodes| nodes.contains(id));
        let lines = current.snapshot.nodes.iter().filter(|(id, _)| wanted(id)).map(|(id, seen)| {
            let report = seen.report.as_deref();
            let state = assessment.nodes.get(id).map(|verdict| verdict.state.name());
            let line = serde_json::json!({
                "node": id,
                "state": state,
                "version": report.and_then(|report| Some(&report.version.as_ref()?.value)),
                "content": report.and_then(|report| Some(report.content.as_ref()?.value)),
                "observation": seen,
            });
            line.to_string().into_bytes()
        });
        capture.take_lines("nodes", plumb_evidence::diff::NODES, lines).map_err(wrong)?;
        let nodes: Vec<_> = current.fleet.nodes.values().filter(|node| wanted(&node.id)).collect();
        let fleet = serde_json::json!({
            "fleet": current.fleet.name,
            "environment": current.fleet.environment,
            "snapshot": current.snapshot.id,
            "taken_at": current.snapshot.taken_at,
            "thresholds": current.fleet.thresholds,
            "desired": current.fleet.desired,
            "desired_by_node": current.fleet.desired_by_node,
            "nodes": nodes,
        });
        take(capture, "fleet", "fleet/fleet.json", &fleet).map_err(wrong)?;
        let (desired, sweeps) = {
            let name = &current.fleet.name;
            let mut conn = self.record().read().await?;
            let desired = plumb_store::desired::history(&mut conn, name, SWEEPS_MAX).await?;
            let mut conn = self.cache().read().await?;
            (desired, plumb_store::sweeps::list(&mut conn, name, SWEEPS_MAX).await?)
        };
        let desired = desired.iter().map(|change| {
            let line = serde_json::json!({
                "at": change.at, "node": change.node, "desired": change.desired,
            });
            line.to_string().into_bytes()
        });
        capture.take_lines("desired", "fleet/desired.jsonl", desired).map_err(wrong)?;
        let window = scope.window;
        let sweeps =
            sweeps.iter().filter(|sweep| (window.from..=window.to).contains(&sweep.taken_at));
        let sweeps = sweeps.map(|sweep| {
            let line = serde_json::json!({
                "snapshot": sweep.snapshot, "taken_at": sweep.taken_at,
                "started_at": sweep.meta.started_at, "finished_at": sweep.meta.finished_at,
                "nodes": sweep.nodes, "answered": sweep.answered, "ages": sweep.ages,
            });
            line.to_string().into_bytes()
        });
        capture.take_lines("sweeps", "fleet/sweeps.jsonl", sweeps).map_err(wrong)?;
        Ok(())
    }

    /// What the doctor says.
    async fn view_evidence(
        &self,
        capture: &mut Capture,
        request: &CaptureRequest,
    ) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        match self.doctor(&request.fleet, &[]).await {
            Ok(view) => {
                take(capture, "doctor", "doctor/doctor.json", &view).map_err(wrong)?;
            }
            Err(error) => capture.lacks("checks", &error.message).map_err(wrong)?,
        }
        Ok(())
    }
}

/// What a source failed with is a gap of the evidence. Only where that cannot be written down there is no capture.
pub(super) fn gap(capture: &mut Capture, what: &str, error: &AppError) -> Result<(), AppError> {
    let folder = capture.draft().folder().to_owned();
    tracing::warn!(what, error = %error.message, "left out of evidence");
    capture.lacks(what, &error.message).map_err(|error| not_captured(&folder, &error))
}

/// The same for a source that is done.
pub(super) fn or_gap(
    capture: &mut Capture,
    what: &str,
    done: Result<(), AppError>,
) -> Result<(), AppError> {
    done.or_else(|error| gap(capture, what, &error))
}

/// Rows as lines of JSON.
pub(super) fn lines<T: Serialize>(all: &[T]) -> impl Iterator<Item = Vec<u8>> {
    all.iter().map(|one| serde_json::to_vec(one).expect("rows always serialise"))
}

/// Takes a document as JSON.
pub(super) fn take(
    capture: &mut Capture,
    source: &str,
    name: &str,
    document: &impl Serialize,
) -> Result<bool, CaptureError> {
    let bytes = serde_json::to_vec(document).expect("views always serialise");
    capture.take(source, Form::Json, name, &bytes)
}

/// Takes what people signed about a plan into a folder, as they signed it.
pub(super) fn take_approvals(
    capture: &mut Capture,
    folder: &str,
    approvals: &[KeptApproval],
) -> Result<(), CaptureError> {
    if approvals.len() > APPROVALS_MAX {
        let why = format!("only the first {APPROVALS_MAX} are taken");
        capture.lacks(&format!("further approvals in {folder}"), &why)?;
    }
    for (at, approval) in approvals.iter().take(APPROVALS_MAX).enumerate() {
        let (person, act) = (safe_part(&approval.person), safe_part(&approval.act));
        let name = format!("{folder}/approvals/{:03}-{act}-{person}.dsse.json", at + 1);
        capture.bound("approval", Form::Json, &name, &approval.envelope)?;
    }
    Ok(())
}

/// Work that keeps a core or the disk busy.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AppError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))
}
