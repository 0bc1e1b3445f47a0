//! Plans that wait for consent, as their requesters signed them: whoever has the archive can look at them and answer.

use plumb_evidence::{Capture, CaptureError};
use plumb_fleet::PlanHash;
use plumb_redact::Form;

use super::{CaptureRequest, gather::take_approvals, not_captured, readiness::take_dry_run};
use crate::{app::App, error::AppError, ids, queries::approvals::WAITING_MAX};

/// Where they stand in an archive: a folder for each plan, with `request.json` and `approvals/`.
pub(crate) const REQUESTS: &str = "requests";

impl App {
    /// Requests of the fleet that nobody has carried out, and answers that were given to them.
    pub(super) async fn waiting_evidence(
        &self,
        capture: &mut Capture,
        request: &CaptureRequest,
    ) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let waiting = match self.waiting_plans(&request.fleet).await {
            Ok(waiting) => waiting,
            // A fleet without a roster has none.
            Err(error) if self.approved_plans(&request.fleet).await?.is_empty() => {
                tracing::debug!(error = %error.message, "no plan waits for consent");
                return Ok(());
            }
            Err(error) => {
                return capture.lacks("plans that wait for consent", &error.message).map_err(wrong);
            }
        };
        if waiting.len() == WAITING_MAX {
            let why = format!("only the {WAITING_MAX} with the newest answers are taken");
            capture.lacks("further plans that wait for consent", &why).map_err(wrong)?;
        }
        for plan in waiting {
            self.waiting_plan(capture, ids::plan_hash(&plan.plan)?).await?;
        }
        Ok(())
    }

    async fn waiting_plan(&self, capture: &mut Capture, plan: PlanHash) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let (asked, answers, dry_run) = {
            let mut conn = self.record().read().await?;
            let asked = plumb_store::approvals::request(&mut conn, plan).await?;
            let answers = plumb_store::approvals::of_plan(&mut conn, plan).await?;
            let dry_run = plumb_store::dry_runs::newest(&mut conn, plan, self.now()).await?;
            (asked, answers, dry_run)
        };
        let Some(asked) = asked else { return Ok(()) };
        let of_plan = format!("{REQUESTS}/{plan}");
        let name = format!("{of_plan}/request.json");
        capture.bound("request", Form::Json, &name, asked.as_bytes()).map_err(wrong)?;
        if let Some(found) = dry_run {
            take_dry_run(capture, &of_plan, &found).map_err(wrong)?;
        }
        take_approvals(capture, &of_plan, &answers).map_err(wrong)
    }
}
