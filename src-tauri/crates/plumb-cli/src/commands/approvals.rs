//! `approvals`: what was answered, what is missing and from whom.

use clap::Subcommand;
use plumb_app::views::approvals::{ApprovalsView, ReviewView};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::{ENVELOPE_BYTES_MAX, Speaking},
    commands::fleet::read_text,
    exit::{Exit, Outcome},
    output::Output,
    session::Session,
    text::{
        escape::printable,
        table::{Cell, Table, short},
    },
};

#[derive(Debug, Subcommand)]
pub(crate) enum Approvals {
    /// Add answers that people sent
    Add {
        #[arg(value_name = "FILE", required = true)]
        files: Vec<String>,
    },
    /// Add what people put into the mailbox of the hub that the fleet file names
    Fetch {
        /// Hash of the plan
        #[arg(value_name = "HASH")]
        plan: String,
    },
    /// Sign that you looked at a rollback that was started without approvals
    Review {
        /// Id of the run
        #[arg(value_name = "RUN")]
        run: String,
        /// What you found
        #[arg(long, value_name = "TEXT")]
        note: String,
        #[command(flatten)]
        by: Speaking,
    },
    /// How plans stand with those who must consent, and which reviews are due
    List {
        /// Hash of one plan; all plans with answers without it
        #[arg(long, value_name = "HASH")]
        plan: Option<String>,
    },
}

/// How plans of a fleet stand with those who must consent.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ApprovalsDocument {
    pub(crate) fleet: String,
    pub(crate) plans: Vec<ApprovalsView>,
    /// Rollbacks without approvals that nobody else looked at yet.
    pub(crate) reviews: Vec<ReviewView>,
}

impl Approvals {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_fleet(async |app, fleet| {
                let mut hashes = match self {
                    Self::Add { files } => {
                        let mut hashes = Vec::new();
                        for file in files {
                            let text = read_text(file, ENVELOPE_BYTES_MAX)?;
                            let plan = app.add_approval(fleet, text.as_bytes()).await?;
                            hashes.push(plan.to_string());
                        }
                        hashes
                    }
                    Self::Fetch { plan } => {
                        let (_, refused) = app.collect_approvals(fleet, plan).await?;
                        for why in &refused {
                            let line = format!("× not taken: {}", printable(why));
                            session.out.note(session.out.style.bad(&line));
                        }
                        vec![plan.clone()]
                    }
                    Self::Review { run, note, by } => {
                        let (role, key) = (by.role.as_deref(), by.key.choice(app)?);
                        app.review_run(fleet, run, note, role, &key).await?;
                        Vec::new()
                    }
                    Self::List { plan: Some(plan) } => vec![plan.clone()],
                    Self::List { plan: None } => app.approved_plans(fleet).await?,
                };
                hashes.dedup();
                let mut plans = Vec::new();
                for hash in &hashes {
                    plans.push(app.approvals_of(hash).await?);
                }
                let reviews = app.open_reviews(fleet).await?;
                let all = plans.iter().all(|plan| plan.consented) && reviews.is_empty();
                let document = ApprovalsDocument { fleet: fleet.to_owned(), plans, reviews };
                session.out.show(&document, |out| {
                    document.plans.iter().for_each(|plan| show(out, plan));
                    document.reviews.iter().for_each(|review| due(out, review));
                    if document.plans.is_empty() && document.reviews.is_empty() {
                        out.say("nothing to show: no answers, and no review is due");
                    }
                });
                Ok(Exit::fine_if(all))
            })
            .await
    }
}

fn due(out: &Output, review: &ReviewView) {
    let late = if review.overdue { "OVERDUE since" } else { "due by" };
    let line = format!(
        "! run {} rolled back without approvals by {}: {}; review {late} {}",
        review.run,
        printable(&review.operator),
        printable(&review.reason),
        review.due_at
    );
    out.say(out.style.bad(&line));
}

fn show(out: &Output, view: &ApprovalsView) {
    out.say(format!("plan {}: {}", view.plan, view.rule));
    out.say(out.style.verdict(
        view.consented,
        &printable(&view.standing),
        &printable(&view.standing),
    ));
    let mut table = Table::new(&["person", "act", "role", "signed", "good until", "why"]);
    for given in &view.given {
        table.row([
            Cell::from(given.person.clone()),
            Cell::from(given.act.clone()),
            Cell::from(given.role.clone()),
            Cell::from(given.issued_at.clone()),
            Cell::from(given.expires_at.clone()),
            Cell::from(printable(given.reason.as_deref().unwrap_or("-"))),
        ]);
    }
    if !view.given.is_empty() {
        table.print(out);
    }
    for void in &view.void {
        let name = short(Some(&void.payload));
        let line = format!("× {} {} {name}: {}", void.person, void.act, printable(&void.reason));
        out.say(out.style.bad(&line));
        for change in &void.changes {
            out.say(out.style.bad(&format!("    {}", printable(change))));
        }
    }
}
