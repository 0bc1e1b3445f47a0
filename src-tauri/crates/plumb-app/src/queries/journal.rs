//! Whether the journal of a run holds together, checked from the first event on.

use plumb_fleet::RunId;
use plumb_journal::{ChainVerdict, Event, verify};

use crate::{
    app::App,
    error::{AppError, Code},
    views::journal::{JournalVerdict, JournalVerdictView},
};

impl App {
    /// Checks numbers, hashes and links of a run's journal, and that its plan is the one it names.
    pub async fn verify_journal(&self, run: &str) -> Result<JournalVerdictView, AppError> {
        let id: RunId = run.parse().map_err(|_| {
            AppError::new(
                Code::Invalid,
                format!("{run:?} is not the id of a run"),
                "copy the id from the list of runs",
            )
        })?;
        let (plan, entries) = self.run_record(id).await?;
        let hash = plan.hash();
        let plan_matches = entries.iter().any(
            |entry| matches!(&entry.body.event, Event::RunStarted { plan, .. } if *plan == hash),
        );
        let (verdict, events, detail) = match verify(id, &entries) {
            ChainVerdict::Complete { events } => {
                (JournalVerdict::Complete, events, "the chain holds and the run ended".to_owned())
            }
            ChainVerdict::Prefix { events } => (
                JournalVerdict::Prefix,
                events,
                "the chain holds; the run has not ended, or its program was cut off".to_owned(),
            ),
            ChainVerdict::Broken { at, why } => {
                (JournalVerdict::Broken, at, format!("event {at} {why}"))
            }
        };
        Ok(JournalVerdictView {
            run: id.to_string(),
            verdict,
            events,
            head: entries.last().map(|entry| entry.hash.to_string()).unwrap_or_default(),
            plan_hash: hash.to_string(),
            plan_matches,
            detail,
        })
    }
}
