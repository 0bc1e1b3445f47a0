//! What goes into evidence, source by source. A source that fails is noted and the next one follows.

use plumb_evidence::{
    Capture, CaptureError, RunPart,
    capture::Captured,
    manifest::{ROSTER, run_folder, states_of},
    name::safe_part,
};
use plumb_fleet::RunId;
use plumb_journal::{StateHashes, certificate::JournalRef, fold};
use plumb_redact::Form;
use serde::Serialize;

use super::{CaptureRequest, Scope, not_captured, page};
use crate::{
    app::App,
    error::{AppError, Code, chain},
};

/// Most sweeps that are listed; a day of one a minute has 1,440.
const SWEEPS_MAX: usize = 10_000;
/// Most approvals of one plan.
const APPROVALS_MAX: usize = plumb_evidence::limits::APPROVALS_MAX;

impl App {
    /// Fills a capture and ends it.
    pub(super) async fn gather(
        &self,
        mut capture: Capture,
        request: &CaptureRequest,
        scope: &Scope,
    ) -> Result<Captured, AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let command = serde_json::json!({ "arguments": request.command });
        take(&mut capture, "command", "console/command.json", &command).map_err(wrong)?;
        self.keys_and_roster(&mut capture, scope).await?;
        if let Some(run) = scope.run {
            self.run_evidence(&mut capture, run).await?;
        }
        self.fleet_evidence(&mut capture, scope).await?;
        self.view_evidence(&mut capture, request).await?;
        self.history_evidence(&mut capture, scope).await?;
        self.alert_evidence(&mut capture, request, scope).await?;
        self.waiting_evidence(&mut capture, request).await?;
        let mut capture = self.node_evidence(capture, request, scope).await?;
        let page = page::page(self, &mut capture, request, scope).await?;
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
        let mut conn = self.record().read().await?;
        if let Some(kept) =
            plumb_store::rosters::newest(&mut conn, &scope.current.fleet.name).await?
        {
            capture.bound("roster", Form::Json, ROSTER, &kept.envelope).map_err(wrong)?;
        }
        Ok(())
    }

    /// Journal, plan, approvals, request and certificate of a run, as they were signed and hashed.
    async fn run_evidence(&self, capture: &mut Capture, run: RunId) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let of_run = |name: &str| format!("{}/{name}", run_folder(run));
        let id = run.to_string();
        let (plan, entries) = self.run_record(run).await?;
        let file = folder.join("journal");
        self.export_journal(&id, &file).await?;
        let stands = plumb_journal::head(run, &entries);
        let is_in =
            capture.bound_lines("journal", &of_run("journal.jsonl"), &file).map_err(wrong)?;
        std::fs::remove_file(&file).map_err(|error| {
            AppError::new(Code::Other, format!("{file}: {error}"), "look at the folder's rights")
        })?;
        if is_in {
            let mut hashes = StateHashes::default();
            let marks = entries.iter().map(|entry| {
                serde_json::to_vec(&hashes.take(entry)).expect("digests always serialise")
            });
            capture.take_lines("states", &states_of(run), marks).map_err(wrong)?;
        }
        let bytes = plan.canonical_bytes();
        capture.bound("plan", Form::Json, &of_run("plan.json"), &bytes).map_err(wrong)?;
        let ran = fold(&entries);
        let (approvals, asked, certificate, dry_run) = {
            let mut conn = self.record().read().await?;
            // The one by which the run was let go; what was found later was of another fleet.
            let until = ran.started_at.unwrap_or_else(|| self.now());
            let dry_run = plumb_store::dry_runs::newest(&mut conn, plan.hash(), until).await?;
            let approvals = plumb_store::approvals::of_plan(&mut conn, plan.hash()).await?;
            let asked = plumb_store::approvals::request(&mut conn, plan.hash()).await?;
            let certificate = plumb_store::certificates::newest(&mut conn, run).await?;
            (approvals, asked, certificate, dry_run)
        };
        for (at, approval) in approvals.iter().take(APPROVALS_MAX).enumerate() {
            let (person, act) = (safe_part(&approval.person), safe_part(&approval.act));
            let name = of_run(&format!("approvals/{:03}-{act}-{person}.dsse.json", at + 1));
            capture.bound("approval", Form::Json, &name, &approval.envelope).map_err(wrong)?;
        }
        // What nodes answered, and which requests were found to be answered differently: approvals bind both.
        if let Some(found) = dry_run {
            let (name, bytes) = (of_run("dry-run.json"), found.document.as_bytes());
            capture.bound("dry run", Form::Json, &name, bytes).map_err(wrong)?;
        }
        if let Some(asked) = asked {
            let name = of_run("request.json");
            capture.bound("request", Form::Json, &name, asked.as_bytes()).map_err(wrong)?;
        }
        match certificate.map(|kept| kept.envelope) {
            Some(Some(envelope)) => {
                let name = of_run("certificate.dsse.json");
                capture
                    .bound("certificate", Form::Json, &name, envelope.as_bytes())
                    .map_err(wrong)?;
            }
            Some(None) => capture
                .lacks("convergence certificate", "the console had no key to sign it with")
                .map_err(wrong)?,
            None => capture
                .lacks(
                    "convergence certificate",
                    &format!("none was made: plumb certificate {run}"),
                )
                .map_err(wrong)?,
        }
        let view = self.run(&id).await?;
        take(capture, "run", &of_run("run.json"), &view).map_err(wrong)?;
        let outcome = ran.outcome.map(|outcome| outcome.name().to_owned());
        let journal = is_in.then_some(JournalRef { events: stands.seq, head: stands.hash });
        capture.run(RunPart { journal, outcome, plan: plan.hash(), run }).map_err(wrong)
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

    /// What the doctor says, and the picture of versions.
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
        match self.chart_svg(&request.fleet, "versions", None).await {
            Ok(svg) => {
                let name = "pictures/versions.svg";
                capture.take("pictures", Form::Text, name, svg.as_bytes()).map_err(wrong)?;
            }
            Err(error) => capture.lacks("picture of versions", &error.message).map_err(wrong)?,
        }
        Ok(())
    }
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

/// Work that keeps a core or the disk busy.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, AppError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))
}
