//! `roster`: who may ask for and consent to changes, signed by root keys.

use camino::Utf8PathBuf;
use clap::Subcommand;
use plumb_app::{
    actions::files::write_chosen, console_key::public_key, personal_keys::PublicKey,
    views::approvals::RosterView,
};

use crate::{
    args::KeyArgs,
    commands::fleet::read_text,
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::{
        escape::printable,
        table::{Cell, Table, short},
    },
};

/// Longest roster: 500 people with eight keys each have under 2 MB.
const ROSTER_BYTES_MAX: u64 = 4 << 20;
const PEM_BYTES_MAX: u64 = 32 << 10;

#[derive(Debug, Subcommand)]
pub(crate) enum Roster {
    /// Begin a roster: a draft with root keys, to be completed by hand
    New {
        /// A root key: its name, and the file of its public half; may be repeated
        #[arg(long = "root", value_name = "NAME=PEM", required = true)]
        roots: Vec<String>,
        /// How many root keys must sign
        #[arg(long, value_name = "COUNT", default_value_t = 1)]
        threshold: u32,
        /// Days until it expires
        #[arg(long, value_name = "DAYS", default_value_t = 365)]
        days: u32,
        #[arg(short, long, value_name = "FILE")]
        output: Utf8PathBuf,
    },
    /// Sign a draft, or add a signature to a signed roster
    Sign {
        #[arg(value_name = "FILE")]
        file: String,
        #[command(flatten)]
        key: KeyArgs,
        #[arg(short, long, value_name = "FILE")]
        output: Utf8PathBuf,
    },
    /// Show a draft or a signed roster, or without FILE the one that is enrolled
    Show {
        #[arg(value_name = "FILE")]
        file: Option<String>,
    },
    /// Verify a roster by root keys, without enrolling it
    Verify {
        #[arg(value_name = "FILE")]
        file: String,
        /// Public half of a root key, which you had from whoever made the roster; all of them
        #[arg(long = "root", value_name = "PEM", required = true)]
        roots: Vec<String>,
    },
    /// Accept a roster for a fleet; later ones are judged by this one
    Enrol {
        #[arg(value_name = "FILE")]
        file: String,
        /// Public half of a root key, for the first roster of a fleet; all of them
        #[arg(long = "root", value_name = "PEM")]
        roots: Vec<String>,
    },
}

impl Roster {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_app(async |app| {
                let view = match self {
                    Self::New { roots, threshold, days, output } => {
                        let text = app.draft_roster(named(roots)?, *threshold, *days)?;
                        write_chosen(output.clone(), text.clone()).await?;
                        session.out.note(format!("complete {output}: plumb help approvals"));
                        app.look_at_roster(text.as_bytes())?
                    }
                    Self::Sign { file, key, output } => {
                        let text = read_text(file, ROSTER_BYTES_MAX)?;
                        let key = key.choice(app)?;
                        let (bytes, view) = app.sign_roster(text.as_bytes(), &key).await?;
                        let signed = String::from_utf8_lossy(&bytes).into_owned();
                        write_chosen(output.clone(), signed).await?;
                        view
                    }
                    Self::Show { file: Some(file) } => {
                        app.look_at_roster(read_text(file, ROSTER_BYTES_MAX)?.as_bytes())?
                    }
                    Self::Show { file: None } => app.roster(&session.fleet(app).await?).await?,
                    Self::Verify { file, roots } => {
                        let text = read_text(file, ROSTER_BYTES_MAX)?;
                        app.verify_roster(text.as_bytes(), &keys(roots)?)?
                    }
                    Self::Enrol { file, roots } => {
                        let text = read_text(file, ROSTER_BYTES_MAX)?;
                        let fleet = session.fleet(app).await?;
                        app.enrol_roster(&fleet, text.as_bytes(), &keys(roots)?).await?
                    }
                };
                session.out.show(&view, |out| show(out, &view));
                Ok(Exit::Fine)
            })
            .await
    }
}

fn keys(files: &[String]) -> Result<Vec<PublicKey>, Failure> {
    files.iter().map(|file| Ok(public_key(&read_text(file, PEM_BYTES_MAX)?)?)).collect()
}

fn named(roots: &[String]) -> Result<Vec<(String, PublicKey)>, Failure> {
    let one = |root: &String| {
        let (name, file) = root.split_once('=').ok_or_else(|| {
            Failure::usage(
                format!("{root:?} is not NAME=PEM"),
                "for example --root vault=vault.pub",
            )
        })?;
        Ok((name.to_owned(), public_key(&read_text(file, PEM_BYTES_MAX)?)?))
    };
    roots.iter().map(one).collect()
}

fn show(out: &Output, view: &RosterView) {
    out.say(format!("roster version {} {}", view.version, view.digest));
    let until = format!("issued {}, expires {}", view.issued_at, view.expires_at);
    out.say(if view.expired { out.style.bad(&until) } else { until });
    let signed = view.roots.iter().filter(|root| root.signed).count();
    out.say(format!("signed by {signed} root keys, {} needed", view.threshold));
    let mut roots = Table::new(&["root", "algorithm", "fingerprint", "signed"]);
    for root in &view.roots {
        roots.row([
            Cell::from(printable(&root.name)),
            Cell::from(root.algorithm.clone()),
            Cell::from(root.fingerprint.clone()),
            Cell::from(if root.signed { "yes" } else { "no" }),
        ]);
    }
    roots.print(out);
    let mut people = Table::new(&["person", "name", "groups", "key", "counts"]);
    for person in &view.people {
        for key in &person.keys {
            people.row([
                Cell::from(person.id.clone()),
                Cell::from(printable(&person.name)),
                Cell::from(person.groups.join(", ")),
                Cell::from(short(Some(&key.fingerprint))),
                Cell::from(key.detail.clone()),
            ]);
        }
    }
    people.print(out);
    for environment in &view.environments {
        let fleets = environment.fleets.join(", ");
        out.say(format!("{} ({fleets}): {}", printable(&environment.name), environment.rule));
        if let Some(night) = &environment.night {
            out.say(format!("  rollback without approvals: {night}"));
        }
        if let Some(staging) = &environment.staging_fleet {
            out.say(format!("  proven first on {staging}"));
        }
        let lists = [
            ("certificates count of", &environment.consoles),
            ("nothing is changed from", &environment.freeze),
            ("must be ready:", &environment.readiness),
        ];
        for (what, lines) in lists {
            for line in lines {
                out.say(format!("  {what} {}", printable(line)));
            }
        }
    }
}
