//! `certificate`: what every target of a run was seen to run after it, signed; and a check of such a file.

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};
use plumb_app::{
    actions::certify::verify_certificate,
    console_key::public_key,
    views::certificate::{CertificateView, CertificatesView},
};

use crate::{
    commands::fleet::read_text,
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::{
        age::moment,
        escape::printable,
        style::Hue,
        table::{Cell, Table, or_dash, short},
    },
};

/// Longest public key file.
const PEM_BYTES_MAX: u64 = 32 << 10;
/// Longest certificate that is read: more than an envelope may have.
const FILE_BYTES_MAX: u64 = 32 << 20;

#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Exit codes: 0 green, 1 a target did not stand as planned, or the file does not verify."
)]
pub(crate) struct Certificate {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Id of the run; its targets are looked at 30 s after its end where it has no certificate yet
    #[arg(value_name = "RUN", required = true)]
    run: Option<String>,
    /// Look at the targets again and make another certificate
    #[arg(long)]
    renew: bool,
    /// Write the signed certificate to this file
    #[arg(short, long, value_name = "FILE")]
    output: Option<Utf8PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Take in a certificate of another console, such as that of staging
    Import {
        #[arg(value_name = "FILE")]
        file: Utf8PathBuf,
        /// Public key of that console, as PEM; it is trusted for the fleet of the certificate from then on
        #[arg(long = "key", value_name = "PEM")]
        keys: Vec<String>,
    },
    /// Certificates of a fleet that count here, and where they came from
    List {
        /// The fleet; the one this command works on without it
        #[arg(long, value_name = "FLEET")]
        of: Option<String>,
    },
    /// Trust a key no longer for the certificates of a fleet
    Distrust {
        /// Fingerprint of the key, as `plumb certificate list` shows it
        #[arg(value_name = "KEY")]
        key: String,
        #[arg(long, value_name = "FLEET")]
        of: String,
    },
    /// Check a certificate file offline
    Verify {
        #[arg(value_name = "FILE")]
        file: Utf8PathBuf,
        /// Public key of the console that signed, as PEM; may be repeated
        #[arg(long = "key", value_name = "PEM", required = true)]
        keys: Vec<String>,
    },
}

impl Certificate {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match (&self.verb, &self.run) {
            (Some(Verb::Verify { file, keys }), _) => {
                let keys: Result<Vec<String>, Failure> =
                    keys.iter().map(|key| read_text(key, PEM_BYTES_MAX)).collect();
                let envelope = read_text(file.as_str(), FILE_BYTES_MAX)?;
                let keys = keys?;
                for key in &keys {
                    public_key(key)?;
                }
                // What does not verify is a failed check, not wrong use.
                let view = verify_certificate(file, envelope.as_bytes(), &keys)
                    .map_err(|error| Failure::new(Exit::Drift, error.message, error.hint))?;
                Ok(told(session.out, &view))
            }
            (Some(Verb::Import { file, keys }), _) => import(session, file, keys).await,
            (Some(Verb::List { of: Some(fleet) }), _) => {
                session
                    .with_app(async |app| Ok(listed(session.out, &app.certificates(fleet).await?)))
                    .await
            }
            (Some(Verb::List { of: None }), _) => {
                session
                    .with_fleet(async |app, fleet| {
                        Ok(listed(session.out, &app.certificates(fleet).await?))
                    })
                    .await
            }
            (Some(Verb::Distrust { key, of }), _) => {
                session
                    .with_app(async |app| {
                        Ok(listed(session.out, &app.distrust_console(of, key).await?))
                    })
                    .await
            }
            (None, Some(run)) => self.of(session, run).await,
            (None, None) => Err(Failure::usage("no run is named", "see: plumb runs list")),
        }
    }

    async fn of(&self, session: Session<'_>, run: &str) -> Outcome {
        session
            .with_app(async |app| {
                if let Some(at) = app.certificate_due(run).await? {
                    let left = at.as_second() - app.now().as_second() + 1;
                    session.out.note(format!("the nodes settle: looking at them in {left} s"));
                }
                let mut view = app.certificate(run, self.renew).await?;
                if let Some(path) = &self.output {
                    view = app.export_certificate(run, path).await?;
                }
                Ok(told(session.out, &view))
            })
            .await
    }
}

async fn import(session: Session<'_>, file: &Utf8PathBuf, keys: &[String]) -> Outcome {
    session
        .with_app(async |app| {
            let keys: Result<Vec<String>, Failure> =
                keys.iter().map(|key| read_text(key, PEM_BYTES_MAX)).collect();
            let envelope = read_text(file.as_str(), FILE_BYTES_MAX)?;
            let view = app.import_certificate(file, envelope.as_bytes(), &keys?).await?;
            Ok(told(session.out, &view))
        })
        .await
}

fn listed(out: &Output, view: &CertificatesView) -> Exit {
    out.show(view, |out| {
        let mut table = Table::new(&["certificate", "result", "run", "outcome", "seen", "from"]);
        for one in &view.certificates {
            let (word, hue) = if one.green {
                ("✓ green", Hue::Green)
            } else {
                ("× not green", Hue::Vermilion)
            };
            let from = match &one.imported {
                None => "this console".to_owned(),
                Some(from) => format!(
                    "{}, taken in by {}, {}",
                    printable(&from.file),
                    printable(&from.by),
                    moment(from.at_ms)
                ),
            };
            table.row([
                Cell::from(one.digest.clone()),
                Cell::painted(word.to_owned(), out.style.paint(hue, word)),
                Cell::from(one.run.clone()),
                Cell::from(one.outcome.clone()),
                Cell::from(moment(one.observed_at_ms)),
                Cell::from(from),
            ]);
        }
        if view.certificates.is_empty() {
            out.say(format!("no certificate of {} counts here", view.fleet));
        } else {
            table.print(out);
        }
        for key in &view.trusted {
            out.say(format!("trusted for {}: {key}", view.fleet));
        }
    });
    Exit::Fine
}

fn told(out: &Output, view: &CertificateView) -> Exit {
    out.show(view, |out| {
        let word = if view.green { "✓ green" } else { "× not green" };
        let hue = if view.green { Hue::Green } else { Hue::Vermilion };
        out.say(format!("{}  {}", out.style.paint(hue, word), printable(&view.summary)));
        let mut table = Table::new(&["node", "result", "wanted", "observed", "version"]);
        for target in &view.targets {
            let result = match &target.straggles {
                None => "✓ stands".to_owned(),
                Some(why) => format!("× {}", printable(why)),
            };
            table.row([
                Cell::from(&target.node),
                Cell::from(result),
                Cell::from(short(target.wanted.as_deref())),
                Cell::from(short(target.observed.as_deref())),
                Cell::from(or_dash(target.version.as_deref())),
            ]);
        }
        table.print(out);
        out.say(format!(
            "run {} of {} by {}, {}; seen {}",
            view.run,
            view.fleet,
            printable(&view.operator),
            view.outcome,
            moment(view.observed_at_ms)
        ));
        for bypassed in &view.bypassed {
            out.say(out.style.bad(&format!("BYPASSED: {}", printable(bypassed))));
        }
        match (&view.signed_by, &view.unsigned) {
            (Some(key), _) => out.say(format!("signed by {}", short(Some(key)))),
            (None, why) => {
                let why = why.as_deref().unwrap_or("the console had no key");
                out.say(out.style.bad(&format!("NOT signed: {}", printable(why))));
            }
        }
        if let Some(from) = &view.imported {
            out.say(format!("from {}, taken in by {}", printable(&from.file), printable(&from.by)));
        }
        out.say(out.style.faint(&format!("certificate {}", view.digest)));
    });
    Exit::fine_if(view.green)
}
