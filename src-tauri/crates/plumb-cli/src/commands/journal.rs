//! `journal`: whether the record of a run holds together, the record as a file, and the key that signs it.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Subcommand;
use plumb_app::{
    actions::rosters::roster_as_given,
    console_key::make_key_file,
    queries::journal::verify_journal_file,
    views::journal::{ConsoleKeyView, JournalVerdict, JournalVerdictView},
};

use crate::{
    commands::{fleet::read_text, passphrase},
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::{escape::printable, style::Hue, table::short},
};

/// Longest public key file.
const PEM_BYTES_MAX: u64 = 32 << 10;
/// Longest roster.
const ROSTER_BYTES_MAX: u64 = 4 << 20;

#[derive(Debug, Subcommand)]
pub(crate) enum Journal {
    /// Check hashes, order and signatures from the first event on
    #[command(after_help = "Exit codes: 0 complete, 6 a valid prefix only, 1 broken.\n\
        A journal that was signed, or that is checked with --key, is complete only when its end is signed.\n\
        What people signed in it is checked by the roster that ruled the fleet then; one signature that is not what the \
        journal says breaks it.")]
    Verify {
        /// Id of a run in the record, or a file that `journal export` wrote
        #[arg(value_name = "RUN|FILE")]
        journal: String,
        /// Public key of the console that signed, as PEM; may be repeated
        #[arg(long = "key", value_name = "PEM")]
        keys: Vec<String>,
        /// Roster that says whose keys people signed with, as its root keys signed it; without it the record is
        /// asked, which a file is checked without
        #[arg(long, value_name = "FILE")]
        roster: Option<String>,
    },
    /// Write the journal of a run as JSON Lines, for anybody to check
    Export {
        /// Id of the run
        #[arg(value_name = "RUN")]
        run: String,
        /// File to write; standard output without it
        #[arg(short, long, value_name = "FILE")]
        output: Option<Utf8PathBuf>,
    },
    /// Show the public key that this console signs with; it is made at its first use
    Key {
        /// Make a new key in this file, under a passphrase, for machines without a keyring
        #[arg(long, value_name = "FILE")]
        make: Option<Utf8PathBuf>,
        /// Write the public key to this file
        #[arg(short, long, value_name = "PEM")]
        output: Option<Utf8PathBuf>,
    },
}

impl Journal {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match self {
            Self::Verify { journal, keys, roster } => {
                verify(session, journal, keys, roster.as_deref()).await
            }
            Self::Export { run, output } => export(session, run, output.as_deref()).await,
            Self::Key { make: Some(file), output } => made(session.out, file, output.as_deref()),
            Self::Key { make: None, output } => key(session, output.as_deref()).await,
        }
    }
}

async fn verify(
    session: Session<'_>,
    journal: &str,
    keys: &[String],
    roster: Option<&str>,
) -> Outcome {
    let keys: Result<Vec<String>, Failure> =
        keys.iter().map(|key| read_text(key, PEM_BYTES_MAX)).collect();
    let keys = keys?;
    let roster = roster.map(|file| read_text(file, ROSTER_BYTES_MAX)).transpose()?;
    let roster = roster.map(|text| roster_as_given(&text)).transpose()?;
    // A file is checked without opening any record.
    let path = Utf8Path::new(journal);
    if path.is_file() {
        let has_roster = roster.is_some();
        let view = verify_journal_file(path, &keys, roster).await?;
        return Ok(told(session.out, &view, has_roster));
    }
    session
        .with_app(async |app| {
            let view = app.verify_journal(journal, &keys, roster.clone()).await?;
            Ok(told(session.out, &view, true))
        })
        .await
}

/// Prints a verdict and gives its exit code.
fn told(out: &Output, view: &JournalVerdictView, has_roster: bool) -> Exit {
    out.show(view, |out| {
        out.say(verdict(out, view));
        out.say(format!("  {}", printable(&view.detail)));
        out.say(format!("  {}", signatures(view)));
        for signed in &view.signatures {
            let line = format!("  event {}: {}: {}", signed.event, signed.what, signed.sentence);
            let line = printable(&line);
            out.say(if signed.verified { line } else { out.style.bad(&line) });
        }
        if !has_roster && !view.signatures.is_empty() {
            out.note("give the roster that ruled the fleet then: --roster FILE");
        }
        let head = short(Some(&view.head));
        out.say(format!(
            "  run {} of {}, {} events, head {head}",
            view.run, view.fleet, view.events
        ));
        let plan = short(Some(&view.plan_hash));
        let matches = if view.plan_matches { "is" } else { "is NOT" };
        out.say(format!("  the plan {plan} {matches} the one it was started with"));
    });
    match view.verdict {
        JournalVerdict::Broken => Exit::Drift,
        _ if !view.plan_matches => Exit::Drift,
        JournalVerdict::Complete => Exit::Fine,
        JournalVerdict::Prefix => Exit::Prefix,
    }
}

fn verdict(out: &Output, view: &JournalVerdictView) -> String {
    let signed = view.signed_to.map_or_else(|| "none".to_owned(), |event| event.to_string());
    match view.verdict {
        JournalVerdict::Complete => out.style.paint(Hue::Green, "✓ complete"),
        JournalVerdict::Prefix => {
            let text = format!("◷ valid prefix up to event {}, last signed {signed}", view.events);
            out.style.paint(Hue::Orange, &text)
        }
        JournalVerdict::Broken => {
            let at = view.events + 1;
            out.style.bad(&format!("× broken at event {at}, last signed {signed}"))
        }
    }
}

fn signatures(view: &JournalVerdictView) -> String {
    let others = match view.other_heads {
        0 => String::new(),
        count => format!("; {count} signed heads are of other keys"),
    };
    match (&view.signed_by, view.signed_to) {
        (Some(key), Some(event)) => {
            format!("signed to event {event} by {}{others}", short(Some(key)))
        }
        _ if view.other_heads > 0 && view.keys.is_empty() => format!(
            "{} signed heads fit, but their signatures were NOT checked: give --key PEM",
            view.other_heads
        ),
        _ => format!("NOT signed by a key that is known here{others}"),
    }
}

async fn export(session: Session<'_>, run: &str, output: Option<&Utf8Path>) -> Outcome {
    session
        .with_app(async |app| {
            let Some(path) = output else {
                if session.global.json {
                    return Err(Failure::usage(
                        "the journal and the document would both go to standard output",
                        "name a file with --output, or leave --json out",
                    ));
                }
                app.write_journal(run, &mut io::stdout()).await?;
                return Ok(Exit::Fine);
            };
            let written = app.export_journal(run, path).await?;
            session.out.show(&written, |out| {
                out.say(format!(
                    "{path}: {} events, {} signed heads",
                    written.events, written.heads
                ));
                out.say(out.style.faint(&format!("check it with: plumb journal verify {path}")));
            });
            Ok(Exit::Fine)
        })
        .await
}

async fn key(session: Session<'_>, output: Option<&Utf8Path>) -> Outcome {
    session.with_app(async |app| shown(session.out, &app.console_key().await?, output)).await
}

fn made(out: &Output, file: &Utf8Path, output: Option<&Utf8Path>) -> Outcome {
    let key = make_key_file(file, &passphrase::new()?)?;
    out.note(format!("sign with it: --console-key {file}, or PLUMBLINE_CONSOLE_KEY={file}"));
    shown(out, &key, output)
}

fn shown(out: &Output, key: &ConsoleKeyView, output: Option<&Utf8Path>) -> Outcome {
    if let Some(path) = output {
        std::fs::write(path, &key.pem)
            .map_err(|error| Failure::internal(format!("{path}: {error}"), "look at its folder"))?;
    }
    out.show(key, |out| {
        if output.is_none() {
            out.raw(&key.pem);
        }
        out.note(format!("{}, private half in {}", key.fingerprint, key.place));
    });
    Ok(Exit::Fine)
}
