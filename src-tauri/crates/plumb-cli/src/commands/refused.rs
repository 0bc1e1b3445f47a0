//! `refused`: content that no node may take until a quorum signed it clean.

use camino::Utf8PathBuf;
use clap::{ArgGroup, Subcommand};
use plumb_app::{
    App,
    actions::files::write_chosen,
    views::refused::{ClearingView, RefusedPushView, RefusedView},
};

use crate::{
    args::{KeyArgs, SignedFile},
    commands::fleet::read_text,
    exit::{Exit, Outcome},
    output::Output,
    session::Session,
    text::{
        escape::printable,
        table::{Cell, Table, short},
    },
};

/// Longest list or clearing: a list of 1,000 entries that all were signed clean.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// Nodes named in one line; the rest is counted.
const NAMES_SHOWN: usize = 8;

#[derive(Debug, Subcommand)]
pub(crate) enum Refused {
    /// What is refused in the fleet, and which nodes enforce it
    List,
    /// Refuse content, and sign the list with everything that is refused here
    Add {
        /// Content digest; without it what is refused here already is signed
        #[arg(value_name = "CONTENT", requires = "reason")]
        content: Option<String>,
        /// Why it is refused
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        /// Refuse it on this console only, and sign nothing
        #[arg(long, requires = "content")]
        unsigned: bool,
        #[command(flatten)]
        key: KeyArgs,
    },
    /// Sign content clean; once the rule is filled it may be taken again
    #[command(group(ArgGroup::new("what").required(true).args(["content", "file"])))]
    Clear {
        /// Content digest, to begin with
        #[arg(value_name = "CONTENT", requires = "reason")]
        content: Option<String>,
        /// Why it is clean
        #[arg(long, value_name = "TEXT", conflicts_with = "file")]
        reason: Option<String>,
        /// What somebody else began
        #[arg(long, value_name = "FILE")]
        file: Option<String>,
        /// Where to write what others still have to sign
        #[arg(short, long, value_name = "FILE")]
        output: Utf8PathBuf,
        #[command(flatten)]
        key: KeyArgs,
    },
    /// Take a signed list from a file
    Import(SignedFile),
    /// Take the signed list of the hub that the fleet file names
    Fetch,
    /// Write the newest signed list to a file
    Export {
        #[arg(short, long, value_name = "FILE")]
        output: Utf8PathBuf,
    },
    /// Send the newest list to the hub that the fleet file names, and with the roster to every agent of the fleet
    Push,
}

impl Refused {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_fleet(async |app, fleet| {
                let view = match self {
                    Self::List => {
                        session.look(app, fleet, None).await?;
                        app.refused(fleet).await?
                    }
                    Self::Add { content, reason, unsigned, key } => {
                        let entry = content.as_deref().zip(reason.as_deref());
                        let key = if *unsigned { None } else { Some(key.choice(app)?) };
                        app.refuse_content(fleet, entry, key.as_ref()).await?
                    }
                    Self::Import(file) => {
                        let text = file.read(FILE_BYTES_MAX)?;
                        app.import_refused(fleet, text.as_bytes()).await?
                    }
                    Self::Fetch => app.fetch_refused(fleet).await?,
                    Self::Export { output } => app.export_refused(fleet, output.clone()).await?,
                    Self::Clear { .. } => return self.clear(session, app, fleet).await,
                    Self::Push => {
                        let pushed = app.push_refused(fleet).await?;
                        session.out.show(&pushed, |out| show_push(out, &pushed));
                        return Ok(Exit::fine_if(pushed.not_taken.is_empty()));
                    }
                };
                session.out.show(&view, |out| show(out, &view));
                Ok(Exit::Fine)
            })
            .await
    }

    async fn clear(&self, session: Session<'_>, app: &App, fleet: &str) -> Outcome {
        let Self::Clear { content, reason, file, output, key } = self else {
            unreachable!("only called for a clearing")
        };
        let key = key.choice(app)?;
        let (mut view, envelope) = match (content, file) {
            (Some(content), _) => {
                let reason = reason.as_deref().unwrap_or_default();
                app.clear_content(fleet, content, reason, &key).await?
            }
            (None, file) => {
                let text = read_text(file.as_deref().unwrap_or_default(), FILE_BYTES_MAX)?;
                app.sign_clearing(fleet, text.as_bytes(), &key).await?
            }
        };
        if view.missing.is_some() {
            write_chosen(output.clone(), String::from_utf8_lossy(&envelope).into_owned()).await?;
            view.file = Some(output.to_string());
        }
        session.out.show(&view, |out| show_clearing(out, &view));
        Ok(Exit::Fine)
    }
}

fn show(out: &Output, view: &RefusedView) {
    match (view.version, &view.digest) {
        (Some(version), digest) => {
            out.say(format!("refused list version {version} {}", short(digest.as_deref())));
        }
        (None, _) => out.say("no refused list is signed"),
    }
    if view.refused.is_empty() {
        out.say("nothing is refused");
    } else {
        let mut table = Table::new(&["content", "version", "since", "signed", "reason"]);
        for one in &view.refused {
            table.row([
                Cell::from(short(Some(&one.content))),
                Cell::from(one.versions.join(", ")),
                Cell::from(one.since.clone()),
                Cell::from(if one.signed { "yes" } else { "no, here only" }),
                Cell::from(printable(&one.reason)),
            ]);
        }
        table.print(out);
    }
    for one in &view.cleared {
        let reason = printable(&one.reason);
        out.say(format!("signed clean  {} at {}: {reason}", short(Some(&one.content)), one.at));
    }
    out.say(format!("nodes that enforce this version: {}", view.enforcing));
    for (what, nodes) in [
        ("nodes that hold an older version or none", &view.behind),
        ("nodes that cannot enforce it, and are kept from it by this console only", &view.cannot),
    ] {
        if !nodes.is_empty() {
            out.say(format!("{what}: {}", names(nodes)));
        }
    }
}

fn names(nodes: &[String]) -> String {
    let first: Vec<&str> = nodes.iter().take(NAMES_SHOWN).map(String::as_str).collect();
    let more = if nodes.len() > NAMES_SHOWN { ", ..." } else { "" };
    format!("{} ({}{more})", nodes.len(), first.join(", "))
}

fn show_clearing(out: &Output, view: &ClearingView) {
    let people = view.people.join(", ");
    out.say(format!("content {} signed clean by {people}", short(Some(&view.content))));
    match (&view.missing, &view.file) {
        (Some(missing), Some(file)) => {
            out.say(format!("{missing}; they sign with: plumb refused clear --file {file}"));
        }
        (Some(missing), None) => out.say(missing),
        (None, _) => out.say("it may be taken again; push the new list: plumb refused push"),
    }
}

fn show_push(out: &Output, view: &RefusedPushView) {
    let count = view.taken.len();
    out.say(format!("refused list version {} taken by {count} nodes", view.version));
    for one in &view.not_taken {
        out.say(format!("  not by {}: {}", printable(&one.node), printable(&one.reason)));
    }
}
