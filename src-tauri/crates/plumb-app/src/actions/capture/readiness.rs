//! What consent binds beside a plan: what was shown to be ready, and when its dry run was made.

use jiff::Timestamp;
use plumb_evidence::{Capture, CaptureError};
use plumb_redact::Form;
use plumb_store::{dry_runs::KeptDryRun, readiness::KeptReadiness};
use serde::{Deserialize, Serialize};

use super::{
    Scope,
    gather::{lines, take},
    not_captured,
};
use crate::{actions::readiness::certificate_named, app::App, error::AppError};

/// Where it stands in an archive.
pub(crate) const READINESS: &str = "fleet/readiness.jsonl";
/// In the folder of a run or of a request: what was found, as approvals bind it, and when.
pub(crate) const DRY_RUN: &str = "dry-run.json";
pub(crate) const DRY_RUN_MADE: &str = "dry-run-made.json";
/// Rows of one capture, the newest of them: a fleet has some dozens.
pub(crate) const READINESS_MAX: usize = 10_000;

/// Evidence of an item, added or withdrawn at a moment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ReadinessLine {
    pub(crate) at: Timestamp,
    pub(crate) by: String,
    pub(crate) item: String,
    pub(crate) document: Option<String>,
}

/// When a dry run was made: its document does not say it, because the same finding is the same document.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct DryRunMade {
    pub(crate) made_at: Timestamp,
}

impl App {
    /// Everything that was added to the readiness of the fleet, or withdrawn.
    pub(super) async fn readiness_evidence(
        &self,
        capture: &mut Capture,
        scope: &Scope,
    ) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let mut kept = {
            let mut conn = self.record().read().await?;
            plumb_store::readiness::all(&mut conn, &scope.current.fleet.name, self.now()).await?
        };
        if let Some(older) = kept.len().checked_sub(READINESS_MAX).filter(|older| *older > 0) {
            let why = format!("the newest {READINESS_MAX} are taken");
            capture.lacks(&format!("{older} older rows of readiness"), &why).map_err(wrong)?;
            kept.drain(..older);
        }
        let mut all = Vec::with_capacity(kept.len());
        for KeptReadiness { item, document, added_by, added_at } in kept {
            if let Some(of) = document.as_deref().and_then(certificate_named) {
                let why = "it is of another fleet; capture evidence of that one to have it";
                capture.lacks(&format!("the {of} that shows {item}"), why).map_err(wrong)?;
            }
            all.push(ReadinessLine { at: added_at, by: added_by, item, document });
        }
        capture.take_lines("readiness", READINESS, lines(&all)).map_err(wrong)
    }
}

/// Takes what a dry run found into the folder of a run or of a request.
pub(super) fn take_dry_run(
    capture: &mut Capture,
    folder: &str,
    found: &KeptDryRun,
) -> Result<(), CaptureError> {
    let name = format!("{folder}/{DRY_RUN}");
    if capture.bound("dry run", Form::Json, &name, found.document.as_bytes())? {
        let made = DryRunMade { made_at: found.made_at };
        take(capture, "dry run made", &format!("{folder}/{DRY_RUN_MADE}"), &made)?;
    }
    Ok(())
}
