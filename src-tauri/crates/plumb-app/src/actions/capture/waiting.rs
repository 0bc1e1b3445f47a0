//! Plans that wait for consent, as their requesters signed them: whoever has the archive can look at them and answer.

use plumb_evidence::{Capture, CaptureError, limits::APPROVALS_MAX, name::safe_part};
use plumb_fleet::PlanHash;
use plumb_redact::Form;

use super::{CaptureRequest, not_captured};
use crate::{app::App, error::AppError, ids};

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
        for plan in waiting {
            self.waiting_plan(capture, ids::plan_hash(&plan.plan)?).await.map_err(|error| {
                match error {
                    Waiting::App(error) => error,
                    Waiting::Capture(error) => wrong(error),
                }
            })?;
        }
        Ok(())
    }

    async fn waiting_plan(&self, capture: &mut Capture, plan: PlanHash) -> Result<(), Waiting> {
        let (asked, answers) = {
            let mut conn = self.record().read().await.map_err(AppError::from)?;
            let asked = plumb_store::approvals::request(&mut conn, plan).await;
            let answers = plumb_store::approvals::of_plan(&mut conn, plan).await;
            (asked.map_err(AppError::from)?, answers.map_err(AppError::from)?)
        };
        let Some(asked) = asked else { return Ok(()) };
        let of_plan = |name: &str| format!("{REQUESTS}/{plan}/{name}");
        capture.bound("request", Form::Json, &of_plan("request.json"), asked.as_bytes())?;
        for (at, answer) in answers.iter().take(APPROVALS_MAX).enumerate() {
            let (person, act) = (safe_part(&answer.person), safe_part(&answer.act));
            let name = of_plan(&format!("approvals/{:03}-{act}-{person}.dsse.json", at + 1));
            capture.bound("approval", Form::Json, &name, &answer.envelope)?;
        }
        Ok(())
    }
}

/// Why a plan that waits was not captured.
enum Waiting {
    App(AppError),
    Capture(CaptureError),
}

impl From<AppError> for Waiting {
    fn from(error: AppError) -> Self {
        Self::App(error)
    }
}

impl From<CaptureError> for Waiting {
    fn from(error: CaptureError) -> Self {
        Self::Capture(error)
    }
}
