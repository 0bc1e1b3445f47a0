//! `evidence`: capture, seal, verify, look into and compare archives that prove what was done.

mod raw;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use plumb_app::{
    App,
    actions::{
        capture::{CaptureRequest, Sealer, unmask},
        files::write_chosen,
        stamp::{Authority, attach_bundle, named_proofs, stamp_evidence, trusted_root},
    },
    queries::evidence::{
        Trust, diff_evidence, evidence_report, evidence_trust_of, inspect_evidence,
        verify_and_inspect, verify_draft, verify_evidence,
    },
    views::{
        evidence::{
            CaptureView, EvidenceContentsView, EvidenceDiffView, EvidenceResult,
            EvidenceVerdictView, MissingLine, SealedView, StampView,
        },
        plan::NodeSelection,
    },
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    args::KeyArgs,
    commands::{fleet::read_text, passphrase},
    exit::{Exit, Failure, Outcome},
    output::Output,
    session::Session,
    text::{
        age::{moment, parse_seconds},
        escape::printable,
        style::Hue,
        table::{Cell, Table, or_dash, short},
    },
};

/// Longest public key file, in bytes.
const PEM_BYTES_MAX: u64 = 32 << 10;
/// Longest roster, in bytes.
const ROSTER_BYTES_MAX: u64 = 4 << 20;
/// Longest map of tokens.
const MAP_BYTES_MAX: u64 = 256 << 20;

#[derive(Debug, Subcommand)]
pub(crate) enum Evidence {
    /// Collect a run, or a fleet as it stands, without secrets, and seal it
    #[command(
        after_help = "What cannot be collected is listed with the reason, and the rest is sealed.\n\
        Exit codes: 0 sealed, 1 sealed without the timestamp that the fleet asks for, 5 a planted secret got through, or \
        nothing could be written."
    )]
    Capture(Capture),
    /// Seal a folder that `evidence capture --draft` filled
    Seal(SealArgs),
    /// Put a timestamp, or a Sigstore bundle, over the seal into a sealed archive
    #[command(
        after_help = "Without --authority the one that the fleet file names is asked. A Sigstore bundle is made of the \
        envelope of the manifest: unzip -p FILE manifest.dsse.json > seal && cosign sign-blob --bundle OUT seal."
    )]
    Stamp(Stamp),
    /// Verify an archive, then show what it tells; no node is asked
    Open(Verify),
    /// Check every promise of an archive, or of a folder that is not sealed
    #[command(after_help = "Exit codes: 0 everything holds, 1 a promise is broken.")]
    Verify(Verify),
    /// List what is in an archive, believing nothing of it
    Inspect {
        #[arg(value_name = "FILE")]
        file: Utf8PathBuf,
    },
    /// Compare two archives by what they mean: versions, digests, steps, decisions, timings
    #[command(after_help = "Exit codes: 0 they tell the same, 1 they differ.")]
    Diff {
        #[arg(value_name = "LEFT")]
        left: Utf8PathBuf,
        #[arg(value_name = "RIGHT")]
        right: Utf8PathBuf,
    },
    /// Print what tokens stand for, from the map that `evidence capture --map` kept
    Unmask {
        #[arg(value_name = "MAP")]
        map: Utf8PathBuf,
        /// Only this token; all of them without it
        #[arg(value_name = "TOKEN")]
        token: Option<String>,
    },
    /// Print what nodes answered word for word, from the file that `evidence capture --raw` kept
    #[command(
        after_help = "Secrets are in the clear in it. Exit codes: 0 printed, 2 another file or passphrase."
    )]
    Raw {
        #[arg(value_name = "RAW")]
        raw: Utf8PathBuf,
        /// Archive whose manifest has to name this file
        #[arg(long, value_name = "FILE")]
        of: Option<Utf8PathBuf>,
        /// File to write; standard output without it
        #[arg(short, long, value_name = "JSONL")]
        output: Option<Utf8PathBuf>,
    },
    /// Write the page for people that is in an archive
    Report {
        #[arg(value_name = "FILE")]
        file: Utf8PathBuf,
        /// File to write; standard output without it
        #[arg(short, long, value_name = "HTML")]
        output: Option<Utf8PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Capture {
    /// Id of the run; the fleet as it stands without it
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// How far back, for example 2h; the run's own time, or an hour, without it
    #[arg(long, value_name = "TIME", value_parser = parse_seconds)]
    last: Option<u32>,
    /// Only this node; may be repeated
    #[arg(long, value_name = "NODE", conflicts_with = "filter")]
    node: Vec<String>,
    /// Only nodes that this filter line lets through
    #[arg(long, value_name = "FILTER")]
    filter: Option<String>,
    /// Leave the nodes alone: only what the record and the cache hold
    #[arg(long)]
    no_ask: bool,
    /// Show what would be captured and redacted, and keep nothing
    #[arg(long, conflicts_with_all = ["output", "draft"])]
    preview: bool,
    /// Only fill this empty folder; seal it later
    #[arg(long, value_name = "DIR", conflicts_with = "output")]
    draft: Option<Utf8PathBuf>,
    /// Keep what each token stands for in this file, under a passphrase that is asked for
    #[arg(long, value_name = "MAP", conflicts_with = "preview")]
    map: Option<Utf8PathBuf>,
    /// Keep what nodes answered word for word in this file, apart from the archive and under the same passphrase
    #[arg(long, value_name = "RAW", conflicts_with = "preview")]
    raw: Option<Utf8PathBuf>,
    /// Archive to write
    #[arg(short, long, value_name = "FILE", required_unless_present_any = ["preview", "draft"])]
    output: Option<Utf8PathBuf>,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SealArgs {
    #[arg(value_name = "DIR")]
    folder: Utf8PathBuf,
    /// Archive to write
    #[arg(short, long, value_name = "FILE")]
    output: Utf8PathBuf,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Archive, or folder of a capture that was not sealed
    #[arg(value_name = "FILE|DIR")]
    file: Utf8PathBuf,
    /// Public key of whoever may have sealed it, as PEM; may be repeated
    #[arg(long = "key", value_name = "PEM")]
    keys: Vec<String>,
    /// Root key of the roster as PEM, or a roster that is trusted; may be repeated
    #[arg(long = "root", value_name = "FILE")]
    roots: Vec<String>,
    /// Whose timestamps and Sigstore bundles over the seal count (trusted_root.json)
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<Utf8PathBuf>,
    /// Who is expected to have made the Sigstore bundle
    #[arg(long, value_name = "NAME", requires_all = ["certificate_oidc_issuer", "trusted_root"])]
    certificate_identity: Option<String>,
    /// Who must have vouched for that name
    #[arg(long, value_name = "URL", requires = "certificate_identity")]
    certificate_oidc_issuer: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Stamp {
    #[arg(value_name = "FILE")]
    file: Utf8PathBuf,
    /// URL of a timestamp authority (RFC 3161)
    #[arg(long, value_name = "URL", requires = "trusted_root")]
    authority: Option<String>,
    /// The trusted root that lists it
    #[arg(long, value_name = "FILE", requires = "authority")]
    trusted_root: Option<Utf8PathBuf>,
    /// Attach this Sigstore bundle instead
    #[arg(long, value_name = "FILE", conflicts_with = "authority")]
    sigstore_bundle: Option<Utf8PathBuf>,
    /// Put it in the place of one that is there
    #[arg(long)]
    replace: bool,
}

/// What was put into an archive: a timestamp, or a Sigstore bundle.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StampDocument {
    file: String,
    /// The timestamp; none where a bundle was attached.
    stamp: Option<StampView>,
}

impl Evidence {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        match self {
            Self::Capture(capture) => capture.run(session).await,
            Self::Seal(seal) => seal.run(session).await,
            Self::Stamp(stamp) => stamp.run(session).await,
            Self::Open(verify) => verify.open(session).await,
            Self::Verify(verify) => {
                let view = verify.verdict(session).await?;
                session.out.show(&view, |out| checks(out, &view));
                Ok(Exit::fine_if(view.holds))
            }
            Self::Inspect { file } => {
                let view = inspect_evidence(file).await?;
                session.out.show(&view, |out| contents(out, &view));
                Ok(Exit::Fine)
            }
            Self::Diff { left, right } => {
                let view = diff_evidence(left, right, None).await?;
                session.out.show(&view, |out| differences(out, &view));
                Ok(Exit::fine_if(view.differences.is_empty()))
            }
            Self::Unmask { map, token } => unmasked(session.out, map, token.as_deref()),
            Self::Raw { raw, of, output } => {
                raw::told(session.out, raw, of.as_deref(), output.as_deref()).await
            }
            Self::Report { file, output } => report(session, file, output.as_deref()).await,
        }
    }
}

impl Capture {
    async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_app(async |app| {
                let fleet = match &self.run {
                    Some(run) => app.fleet_of_run(run).await?,
                    None => session.fleet(app).await?,
                };
                if !self.no_ask && self.run.is_none() {
                    session.look(app, &fleet, None).await?;
                }
                let word = match (&self.map, &self.raw) {
                    (None, None) => None,
                    _ => Some(passphrase::new()?),
                };
                let request = CaptureRequest {
                    fleet,
                    run: self.run.clone(),
                    last_s: self.last,
                    nodes: self.selection(),
                    ask: !self.no_ask && !session.global.no_sweep,
                    command: std::env::args().collect(),
                    map: self.map.clone().zip(word.clone()),
                    raw: self.raw.clone().zip(word),
                };
                let folder = self.draft.clone().unwrap_or_else(|| app.evidence_folder());
                let captured = app.capture_evidence(&request, &folder).await?;
                if let Some(path) = &self.output {
                    let sealer = sealer(&self.key, app)?;
                    let sealed = app.seal_evidence(&folder, path, &sealer).await?;
                    removed(&folder)?;
                    session.out.show(&sealed, |out| told(out, &sealed, Some(&captured)));
                    return Ok(Exit::fine_if(sealed.not_stamped.is_none()));
                }
                if self.preview {
                    removed(&folder)?;
                }
                session.out.show(&captured, |out| previewed(out, &captured, self.preview));
                Ok(Exit::Fine)
            })
            .await
    }

    fn selection(&self) -> NodeSelection {
        match &self.filter {
            Some(filter) => NodeSelection::Filter { filter: filter.clone() },
            None if self.node.is_empty() => NodeSelection::All,
            None => NodeSelection::Nodes { ids: self.node.clone() },
        }
    }
}

impl SealArgs {
    async fn run(&self, session: Session<'_>) -> Outcome {
        session
            .with_app(async |app| {
                let sealer = sealer(&self.key, app)?;
                let sealed = app.seal_evidence(&self.folder, &self.output, &sealer).await?;
                session.out.show(&sealed, |out| told(out, &sealed, None));
                Ok(Exit::fine_if(sealed.not_stamped.is_none()))
            })
            .await
    }
}

impl Verify {
    async fn verdict(&self, session: Session<'_>) -> Result<EvidenceVerdictView, Failure> {
        if self.file.is_dir() {
            return Ok(verify_draft(&self.file).await?);
        }
        Ok(verify_evidence(&self.file, self.trust(session).await?).await?)
    }

    /// Whom the reader trusts: those who are named, or else those whom this machine trusts.
    async fn trust(&self, session: Session<'_>) -> Result<Trust, Failure> {
        let read = |files: &[String], max| -> Result<Vec<String>, Failure> {
            files.iter().map(|file| read_text(file, max)).collect()
        };
        let (keys, roots) =
            (read(&self.keys, PEM_BYTES_MAX)?, read(&self.roots, ROSTER_BYTES_MAX)?);
        let proofs = match &self.trusted_root {
            Some(root) => {
                let issuer = self.certificate_oidc_issuer.as_deref();
                let signer = self.certificate_identity.as_deref().zip(issuer);
                vec![named_proofs(root, signer, Timestamp::now()).await?]
            }
            None => Vec::new(),
        };
        // Whoever names keys means these, and needs no record.
        if !keys.is_empty() || !roots.is_empty() {
            return Ok(evidence_trust_of(&keys, &roots, proofs)?);
        }
        let mut known = None;
        session
            .with_app(async |app| {
                let mut trust = app.evidence_trust().await?;
                trust.proofs.extend(proofs);
                known = Some(trust);
                Ok(Exit::Fine)
            })
            .await?;
        Ok(known.expect("the work was done, or an error told why not"))
    }

    /// The checks first: what does not hold is not shown as if it did.
    async fn open(&self, session: Session<'_>) -> Outcome {
        let (view, inside) = if self.file.is_dir() {
            (verify_draft(&self.file).await?, None)
        } else {
            verify_and_inspect(&self.file, self.trust(session).await?).await?
        };
        let Some(inside) = inside else {
            session.out.show(&view, |out| checks(out, &view));
            return Ok(Exit::fine_if(view.holds));
        };
        session.out.show(&inside, |out| {
            checks(out, &view);
            out.say("");
            contents(out, &inside);
        });
        Ok(Exit::Fine)
    }
}

impl Stamp {
    async fn run(&self, session: Session<'_>) -> Outcome {
        if let Some(bundle) = &self.sigstore_bundle {
            attach_bundle(&self.file, bundle, self.replace).await?;
            let done = StampDocument { file: self.file.to_string(), stamp: None };
            session.out.show(&done, |out| {
                out.say(format!("{} has the bundle; `plumb evidence verify` judges it", done.file));
            });
            return Ok(Exit::Fine);
        }
        if let (Some(url), Some(root)) = (&self.authority, &self.trusted_root) {
            let by = Authority { url: url.clone(), trusted_root: trusted_root(root).await? };
            return self.stamped(session.out, &by).await;
        }
        session
            .with_app(async |app| {
                let fleet = inspect_evidence(&self.file).await?.about.fleet;
                let by = app.evidence_authority(&fleet).await?.ok_or_else(|| {
                    Failure::usage(
                        format!("{fleet} names no timestamp authority"),
                        "name one with --authority and --trusted-root, or in [evidence] of the fleet file",
                    )
                })?;
                self.stamped(session.out, &by).await
            })
            .await
    }

    async fn stamped(&self, out: &Output, by: &Authority) -> Outcome {
        let StampView { by, at } = stamp_evidence(&self.file, by, self.replace).await?;
        let said = format!("{}: sealed at {at} at the latest, says {by}", self.file);
        let done = StampDocument { file: self.file.to_string(), stamp: Some(StampView { by, at }) };
        out.show(&done, |out| out.say(said));
        Ok(Exit::Fine)
    }
}

fn sealer(key: &KeyArgs, app: &App) -> Result<Sealer, Failure> {
    if key.file.is_none() && key.name.is_none() {
        return Ok(Sealer::Console);
    }
    Ok(Sealer::Person(key.choice(app)?))
}

fn removed(folder: &Utf8Path) -> Result<(), Failure> {
    std::fs::remove_dir_all(folder).map_err(|error| {
        Failure::internal(format!("{folder} could not be removed: {error}"), "remove it by hand")
    })
}

/// Secrets in the clear: only for whoever has the map and its passphrase.
fn unmasked(out: &Output, map: &Utf8Path, token: Option<&str>) -> Outcome {
    let text = read_text(map.as_str(), MAP_BYTES_MAX)?;
    let all = unmask(&text, &passphrase::existing(map.as_str())?)?;
    let wanted: BTreeMap<String, String> =
        all.into_iter().filter(|(one, _)| token.is_none_or(|token| token == one)).collect();
    if wanted.is_empty() {
        return Err(Failure::new(Exit::Drift, "the map has no such token", "look at the archive"));
    }
    out.show(&wanted, |out| {
        for (token, secret) in &wanted {
            out.say(format!("{token}  {}", printable(secret)));
        }
    });
    Ok(Exit::Fine)
}

async fn report(session: Session<'_>, file: &Utf8Path, output: Option<&Utf8Path>) -> Outcome {
    let page = evidence_report(file).await?;
    match output {
        Some(path) => {
            write_chosen(path.to_owned(), page).await?;
            session.out.say(format!("{path} opens in any browser, without a network"));
        }
        None => session.out.raw(&page),
    }
    Ok(Exit::Fine)
}

fn checks(out: &Output, view: &EvidenceVerdictView) {
    out.say(out.style.verdict(view.holds, "every promise holds", "a promise is broken"));
    let mut table = Table::new(&["check", "result", "what was found"]);
    for check in &view.checks {
        let (word, hue) = match check.result {
            EvidenceResult::Passed => ("✓ passed", Hue::Green),
            EvidenceResult::Failed => ("× failed", Hue::Vermilion),
            EvidenceResult::Absent => ("- none", Hue::Grey),
            EvidenceResult::Open => ("? open", Hue::Yellow),
        };
        table.row([
            Cell::from(&check.title),
            Cell::painted(word, out.style.paint(hue, word)),
            Cell::from(printable(&check.detail)),
        ]);
    }
    table.print(out);
    if let Some(broken) = &view.broken {
        out.say(format!("first broken entry: {}", printable(broken)));
    }
    for note in &view.notes {
        out.say(format!("note: {note}"));
    }
    let signed = short(view.signed_by.as_deref());
    out.say(out.style.faint(&format!(
        "{} entries, {} bytes, {} unpacked; signed by {signed}",
        view.entries, view.bytes, view.unpacked_bytes
    )));
}

fn contents(out: &Output, view: &EvidenceContentsView) {
    let about = &view.about;
    out.say(format!(
        "{} ({}), {}, captured by {}",
        printable(&about.fleet),
        printable(&about.environment),
        printable(&about.selection),
        printable(&about.by)
    ));
    out.say(format!(
        "from {} to {}, sealed {}",
        moment(about.from_ms),
        moment(about.to_ms),
        moment(about.made_at_ms)
    ));
    for run in &about.runs {
        let events =
            run.events.map_or_else(|| "journal left out".to_owned(), |n| format!("{n} events"));
        let outcome = or_dash(run.outcome.as_deref());
        out.say(format!("run {}: {outcome}, plan {}, {events}", run.run, short(Some(&run.plan))));
    }
    missing(out, &about.missing);
    let mut table = Table::new(&["entry", "bytes"]);
    for entry in &view.entries {
        table.row([Cell::from(printable(&entry.name)), Cell::from(entry.bytes.to_string())]);
    }
    table.print(out);
}

fn missing(out: &Output, lines: &[MissingLine]) {
    for line in lines {
        out.say(format!("missing: {}: {}", printable(&line.what), printable(&line.why)));
    }
}

fn differences(out: &Output, view: &EvidenceDiffView) {
    if view.differences.is_empty() {
        out.say("both tell the same");
        return;
    }
    let mut table = Table::new(&["kind", "what", "left", "right"]);
    for one in &view.differences {
        table.row([
            Cell::from(&one.kind),
            Cell::from(printable(&one.what)),
            Cell::from(printable(one.left.as_deref().unwrap_or("-"))),
            Cell::from(printable(one.right.as_deref().unwrap_or("-"))),
        ]);
    }
    table.print(out);
    if view.more > 0 {
        out.say(format!("and {} more", view.more));
    }
}

fn told(out: &Output, sealed: &SealedView, captured: Option<&CaptureView>) {
    out.say(format!("{}: {} entries, {} bytes", sealed.file, sealed.entries, sealed.bytes));
    if let Some(captured) = captured {
        rules(out, captured);
    }
    out.say(format!(
        "none of {} planted secrets was found in it; signed by {}",
        sealed.planted,
        short(Some(&sealed.signed_by))
    ));
    if let Some(stamp) = &sealed.stamp {
        out.say(format!("stamped at {} by {}", stamp.at, stamp.by));
    }
    if let Some(why) = &sealed.not_stamped {
        out.say(out.style.paint(Hue::Vermilion, &format!("not stamped: {}", printable(why))));
    }
    missing(out, &sealed.missing);
    out.say(out.style.faint(&format!("evidence {}", sealed.manifest)));
}

fn rules(out: &Output, captured: &CaptureView) {
    let found: Vec<String> = captured
        .rules
        .iter()
        .filter(|line| line.replaced > 0)
        .map(|line| format!("{} {}", line.replaced, line.rule))
        .collect();
    let found = if found.is_empty() { "none".to_owned() } else { found.join(", ") };
    out.say(format!("{} secrets replaced by tokens: {found}", captured.secrets));
}

fn previewed(out: &Output, captured: &CaptureView, gone: bool) {
    out.say(format!("{} entries, {} bytes without secrets", captured.entries, captured.bytes));
    rules(out, captured);
    missing(out, &captured.missing);
    if gone {
        out.say(out.style.faint("nothing was kept"));
    } else {
        let hint = format!("seal it: plumb evidence seal {} --output FILE", captured.folder);
        out.say(out.style.faint(&hint));
    }
}
