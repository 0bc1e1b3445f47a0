//! `readiness`: what is ready before a change of a fleet, and what shows it.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};
use plumb_app::{
    actions::{
        files::write_chosen,
        readiness::{ATTESTED_DAYS, Attesting},
    },
    views::readiness::{ChecklistItemView, ChecklistState, ChecklistView},
};

use crate::{
    args::{ENVELOPE_BYTES_MAX, SignedFile, Speaking},
    exit::{Exit, Outcome},
    output::Output,
    session::Session,
    text::{
        age::moment,
        escape::printable,
        style::Hue,
        table::{Cell, Table, or_dash, short},
    },
};

#[derive(Debug, Subcommand)]
#[command(
    after_help = "Exit codes: 0 everything that the roster requires is shown, 1 something is missing."
)]
pub(crate) enum Readiness {
    /// Every item, who must attest it, and what shows it
    Show,
    /// Show an item by a link, or by a convergence certificate that is known here
    Link(Link),
    /// Sign that you looked at an item and that it is ready
    Attest(Attest),
    /// Add an attestation that somebody signed elsewhere
    Add(SignedFile),
    /// Take back what shows an item
    Withdraw {
        #[arg(value_name = "ITEM")]
        item: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Link {
    /// An item, as `plumb readiness show` names it
    #[arg(value_name = "ITEM")]
    item: String,
    /// Where it can be looked at
    #[arg(value_name = "URL", required_unless_present = "certificate")]
    url: Option<String>,
    /// Digest of a certificate of a run on staging that was rolled back
    #[arg(long, value_name = "DIGEST", conflicts_with = "url")]
    certificate: Option<String>,
    /// The fleet the certificate is about, where the roster names no staging fleet
    #[arg(long, value_name = "FLEET", requires = "certificate")]
    of: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Attest {
    /// An item, as `plumb readiness show` names it
    #[arg(value_name = "ITEM")]
    item: String,
    /// What you looked at, and what you found
    #[arg(long, value_name = "TEXT")]
    note: String,
    /// Days for which it stays good
    #[arg(long, value_name = "DAYS", default_value_t = ATTESTED_DAYS,
        value_parser = clap::value_parser!(u32).range(1..=366))]
    valid: u32,
    /// Write it to this file for whoever keeps the checklist, instead of adding it here
    #[arg(short, long, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
    #[command(flatten)]
    by: Speaking,
}

impl Readiness {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_fleet(async |app, fleet| {
                let view = match self {
                    Self::Show => app.readiness_checklist(fleet).await?,
                    Self::Link(link) => match (&link.certificate, &link.url) {
                        (Some(digest), _) => {
                            let of = link.of.as_deref();
                            app.certify_readiness(fleet, &link.item, of, digest).await?
                        }
                        (None, url) => {
                            let url = url.as_deref().unwrap_or_default();
                            app.link_readiness(fleet, &link.item, url).await?
                        }
                    },
                    Self::Attest(attest) => {
                        let attesting = Attesting {
                            item: attest.item.clone(),
                            seen: attest.note.clone(),
                            role: attest.by.role.clone(),
                            valid_days: attest.valid,
                            key: attest.by.key.choice(app)?,
                        };
                        let envelope = app.attest_readiness(fleet, &attesting).await?;
                        match &attest.output {
                            Some(path) => {
                                let text = String::from_utf8_lossy(&envelope).into_owned();
                                write_chosen(path.clone(), text).await?;
                                session.out.note(format!(
                                    "signed: add it with plumb readiness add {path}"
                                ));
                                app.readiness_checklist(fleet).await?
                            }
                            None => app.add_readiness(fleet, &envelope).await?,
                        }
                    }
                    Self::Add(file) => {
                        let text = file.read(ENVELOPE_BYTES_MAX)?;
                        app.add_readiness(fleet, text.as_bytes()).await?
                    }
                    Self::Withdraw { item } => app.withdraw_readiness(fleet, item).await?,
                };
                session.out.show(&view, |out| show(out, &view));
                Ok(Exit::fine_if(view.open == 0))
            })
            .await
    }
}

fn show(out: &Output, view: &ChecklistView) {
    let mut table = Table::new(&["item", "ready", "asked", "shown by", "digest"]);
    for item in &view.items {
        let (word, hue) = match item.state {
            ChecklistState::Shown => ("✓ shown", Hue::Green),
            ChecklistState::Refused => ("× does not count", Hue::Vermilion),
            ChecklistState::Missing if item.required => ("× missing", Hue::Vermilion),
            ChecklistState::Missing => ("· not shown", Hue::Grey),
        };
        table.row([
            Cell::from(item.item.clone()),
            Cell::painted(word.to_owned(), out.style.paint(hue, word)),
            Cell::from(asked(item)),
            Cell::from(printable(&or_dash(item.evidence.as_deref()))),
            Cell::from(short(item.digest.as_deref())),
        ]);
    }
    table.print(out);
    for item in &view.items {
        if let Some(why) = &item.why {
            out.say(out.style.bad(&format!("× {}: {}", item.item, printable(why))));
        }
        if let (Some(who), Some(until)) = (&item.attested_by, &item.expires_at) {
            out.say(format!("{} attested by {}, until {until}", item.item, printable(who)));
        } else if let (Some(who), Some(at)) = (&item.added_by, item.added_at_ms) {
            out.say(format!("{} added by {}, {}", item.item, printable(who), moment(at)));
        }
    }
    if !view.ruled {
        out.say("no roster rules this fleet: nothing is required, and nobody can attest");
    } else if view.open > 0 {
        let line =
            format!("{} required: nothing but a way back starts before they are shown", view.open);
        out.say(out.style.bad(&line));
    }
}

fn asked(item: &ChecklistItemView) -> String {
    match (item.required, item.by.as_slice()) {
        (false, _) => "-".to_owned(),
        (true, []) => "required".to_owned(),
        (true, groups) => format!("attested by {}", groups.join(" or ")),
    }
}
