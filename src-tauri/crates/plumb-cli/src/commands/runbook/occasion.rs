//! What somebody looks at when they want a runbook: an alert, a check of the doctor, or a node that drifted.

use std::collections::BTreeMap;

use clap::Args;
use plumb_app::{
    App,
    views::runbook::{RunbookOccasion, RunbookOffer},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    exit::{Exit, Failure, Outcome},
    session::Session,
    text::escape::{printable, shell_word},
};

#[derive(Debug, Clone, Default, Args)]
#[group(id = "occasion", multiple = false)]
pub(crate) struct Occasion {
    /// For an alert, by its reference: what it tells of parameters is filled in
    #[arg(long, value_name = "ALERT")]
    alert: Option<String>,
    /// For a check of the doctor that does not pass
    #[arg(long, value_name = "CHECK")]
    check: Option<String>,
    /// For a node that drifted, by its name in the fleet file
    #[arg(long, value_name = "NODE")]
    drift: Option<String>,
}

/// Runbooks that fit, the best first.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunbookOffersDocument {
    pub(crate) offers: Vec<Offered>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Offered {
    file: String,
    title: String,
    /// Why it fits, in a sentence.
    why: String,
    /// What is known of its parameters.
    parameters: BTreeMap<String, String>,
    /// The command that starts it with them.
    command: String,
}

impl Offered {
    fn new(fleet: &str, offer: RunbookOffer) -> Self {
        let RunbookOffer { file, title, why, parameters } = offer;
        let mut command =
            format!("plumb --fleet {} runbook run {}", shell_word(fleet), shell_word(&file));
        for (name, value) in &parameters {
            command.push_str(" --set ");
            command.push_str(&shell_word(&format!("{name}={value}")));
        }
        Self { file, title, why, parameters, command }
    }
}

impl Occasion {
    fn named(&self) -> Option<RunbookOccasion> {
        let alert = self.alert.clone().map(|alert| RunbookOccasion::Alert { alert });
        let check = self.check.clone().map(|check| RunbookOccasion::Check { check });
        let drift = self.drift.clone().map(|node| RunbookOccasion::Drift { nodes: vec![node] });
        alert.or(check).or(drift)
    }

    pub(super) fn is_named(&self) -> bool {
        self.named().is_some()
    }

    /// Runbooks for it, after a look at the fleet.
    async fn offers(
        &self,
        session: Session<'_>,
        app: &App,
        fleet: &str,
    ) -> Result<Vec<RunbookOffer>, Failure> {
        let Some(occasion) = self.named() else { return Ok(Vec::new()) };
        session.look(app, fleet, None).await?;
        Ok(app.runbooks_for(fleet, &occasion).await?)
    }

    /// Lists what fits, each with the command that starts it.
    pub(super) async fn list(&self, session: Session<'_>) -> Outcome {
        session
            .with_fleet(async |app, fleet| {
                let offers = self.offers(session, app, fleet).await?;
                let offers = offers.into_iter().map(|offer| Offered::new(fleet, offer)).collect();
                let document = RunbookOffersDocument { offers };
                session.out.show(&document, |out| {
                    for offer in &document.offers {
                        out.say(out.style.bold(&printable(&offer.title)));
                        out.say(printable(&offer.why));
                        out.say(printable(&offer.command));
                    }
                    if document.offers.is_empty() {
                        out.say("no runbook is known for that");
                    }
                });
                Ok(Exit::Fine)
            })
            .await
    }

    /// What it tells of the parameters of a runbook; nothing where no occasion was named.
    pub(super) async fn parameters(
        &self,
        session: Session<'_>,
        app: &App,
        (fleet, runbook): (&str, &str),
    ) -> Result<BTreeMap<String, String>, Failure> {
        if !self.is_named() {
            return Ok(BTreeMap::new());
        }
        let offers = self.offers(session, app, fleet).await?;
        let fits = offers.iter().find(|offer| offer.file == runbook);
        fits.map(|offer| offer.parameters.clone()).ok_or_else(|| {
            let files: Vec<&str> = offers.iter().map(|offer| offer.file.as_str()).collect();
            let hint = if files.is_empty() {
                "no runbook is known for that".to_owned()
            } else {
                format!("these are: {}", printable(&files.join(", ")))
            };
            Failure::usage(format!("{} is no runbook for that", printable(runbook)), hint)
        })
    }
}
