//! Archives of evidence, checked and looked into; no node is asked, and no record is needed.

use std::{fs::File, sync::Arc};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_evidence::{
    Archive, Draft, Evidence, FileSource, Missing, Outcome, Source as _, Verification,
    diff::{DIFFERENCES_MAX, Facts, diff, evidence, facts},
    manifest::REPORT,
    verify,
    verify::{ProofTrust, Unreadable, verify_archive, verify_source},
};
use plumb_trust::roster::RosterPin;

use crate::{
    actions::rosters::roster_as_given,
    app::App,
    console_key::public_keys,
    error::{AppError, Code, chain},
    views::{
        convert::ms,
        evidence::{
            EvidenceAbout, EvidenceCheck, EvidenceContentsView, EvidenceDiffView,
            EvidenceDifference, EvidenceEntry, EvidenceOpened, EvidenceResult, EvidenceRun,
            EvidenceStands, EvidenceVerdictView, MissingLine,
        },
    },
};

pub use plumb_evidence::Trust;

/// Rosters of other fleets on this machine that are looked at.
const PINS_MAX: usize = 1_000;

impl App {
    /// Whom this machine trusts: its own keys, and the rosters that it accepted.
    pub async fn evidence_trust(&self) -> Result<Trust, AppError> {
        let mut keys = self.own_keys().await?;
        let people: Vec<String> = self.personal_keys()?.into_iter().map(|key| key.pem).collect();
        keys.extend(public_keys(&people)?);
        let mut conn = self.record().read().await?;
        let mut pins: Vec<RosterPin> = Vec::new();
        for fleet in plumb_store::fleets::list(&mut conn).await?.into_iter().take(PINS_MAX) {
            if let Some(kept) = plumb_store::rosters::newest(&mut conn, &fleet.name).await? {
                pins.extend(serde_json::from_str::<RosterPin>(&kept.pin).ok());
            }
        }
        Ok(Trust { keys, pins, proofs: self.evidence_proofs().await, ..Trust::default() })
    }
}

/// What somebody trusts who names keys: those of signers as PEM, and root keys of rosters as PEM or in a roster that is
/// trusted. `proofs` are those that count over the seal.
pub fn evidence_trust_of(
    keys: &[String],
    roots: &[String],
    proofs: Vec<Arc<ProofTrust>>,
) -> Result<Trust, AppError> {
    let mut trust = Trust { proofs, ..Trust::default() };
    keys.iter().try_for_each(|pem| trust_key(&mut trust, pem))?;
    roots.iter().try_for_each(|text| trust_root(&mut trust, text))?;
    Ok(trust)
}

/// Trusts whoever has this key.
pub(crate) fn trust_key(trust: &mut Trust, pem: &str) -> Result<(), AppError> {
    trust.keys.extend(public_keys(&[pem.to_owned()])?);
    Ok(())
}

/// Trusts rosters that this root key signed; or those of the root keys of a roster that came by another way.
pub(crate) fn trust_root(trust: &mut Trust, text: &str) -> Result<(), AppError> {
    if !text.trim_start().starts_with('{') {
        trust.roots.extend(public_keys(&[text.to_owned()])?);
        return Ok(());
    }
    let roster = roster_as_given(text).map_err(|error| {
        let message =
            error.message.replacen("it is no roster", "it is neither a root key nor a roster", 1);
        let hint = "name a root key as PEM, or the roster as its root keys signed it";
        AppError::new(Code::Invalid, message, hint)
    })?;
    trust.pins.push(roster.pin());
    Ok(())
}

/// Checks an archive.
pub async fn verify_evidence(
    path: &Utf8Path,
    trust: Trust,
) -> Result<EvidenceVerdictView, AppError> {
    let (file, path) = (path.to_owned(), path.to_owned());
    let found = blocking(move || verify(&path, &trust).map_err(|error| unreadable(&error))).await?;
    Ok(verdict(&file, found))
}

/// Checks an archive, and tells what is in it, both from the file as it was opened once.
pub async fn verify_and_inspect(
    path: &Utf8Path,
    trust: Trust,
) -> Result<(EvidenceVerdictView, Option<EvidenceContentsView>), AppError> {
    let path = path.to_owned();
    blocking(move || {
        let source = source(&path)?;
        let bytes = source.bytes();
        let (found, archive) = verify_source(source, bytes, &trust)
            .map_err(|error| unreadable(&Unreadable { path: path.clone(), error }))?;
        let contents = match archive.filter(|_| found.holds()) {
            Some(archive) => Some(contents(&path, &archive)?),
            None => None,
        };
        Ok((verdict(&path, found), contents))
    })
    .await
}

/// Tells what is in an archive. Whether it may be believed is a matter of [`verify_evidence`].
pub async fn inspect_evidence(path: &Utf8Path) -> Result<EvidenceContentsView, AppError> {
    let path = path.to_owned();
    blocking(move || contents(&path, &open(&path)?)).await
}

fn contents(
    path: &Utf8Path,
    archive: &Archive<FileSource>,
) -> Result<EvidenceContentsView, AppError> {
    let about = evidence(archive).map_err(|error| damaged(path, &error))?;
    let entries = archive.entries().iter();
    let entries = entries
        .map(|entry| EvidenceEntry { name: entry.name.to_string(), bytes: entry.bytes })
        .collect();
    Ok(EvidenceContentsView { file: path.to_string(), about: about_view(about), entries })
}

/// Compares two archives by what they mean; verifies both where somebody says whom they trust.
pub async fn diff_evidence(
    left: &Utf8Path,
    right: &Utf8Path,
    trust: Option<Trust>,
) -> Result<EvidenceDiffView, AppError> {
    let (left, right) = (left.to_owned(), right.to_owned());
    blocking(move || {
        let trust = trust.as_ref();
        let (ours, left_stands) = told(&left, trust)?;
        let (theirs, right_stands) = told(&right, trust)?;
        let all = diff(&ours, &theirs);
        let more = u32::try_from(all.len().saturating_sub(DIFFERENCES_MAX)).unwrap_or(u32::MAX);
        let differences = all.into_iter().take(DIFFERENCES_MAX).map(|one| EvidenceDifference {
            kind: one.kind.name().to_owned(),
            what: one.what,
            left: one.left,
            right: one.right,
        });
        Ok(EvidenceDiffView {
            left: left.to_string(),
            right: right.to_string(),
            left_stands,
            right_stands,
            differences: differences.collect(),
            more,
        })
    })
    .await
}

/// What an archive tells, and how far it may be believed, from the file as it was opened once.
fn told(
    path: &Utf8Path,
    trust: Option<&Trust>,
) -> Result<(Facts, Option<EvidenceStands>), AppError> {
    let mut archive = open(path)?;
    let stands = trust.map(|trust| {
        let bytes = archive.bytes();
        let found = verify_archive(&mut archive, bytes, trust);
        let mut failed = found.findings.iter().filter(|one| one.outcome == Outcome::Failed);
        let why = match failed.next() {
            Some(first) => format!("{}: {}", first.check.title(), first.detail),
            None => "every promise holds".to_owned(),
        };
        EvidenceStands { holds: found.holds(), why }
    });
    let facts = facts(&archive).map_err(|error| damaged(path, &error))?;
    Ok((facts, stands))
}

/// The page for people in an archive.
pub async fn evidence_report(path: &Utf8Path) -> Result<String, AppError> {
    let path = path.to_owned();
    blocking(move || {
        let archive = open(&path)?;
        let page = archive.find(REPORT).ok_or_else(|| {
            let message = format!("{path} has no page for people");
            AppError::new(Code::NotFound, message, "look at what is in it: plumb evidence inspect")
        })?;
        let bytes = archive.document(page).map_err(|error| damaged(&path, &error))?;
        String::from_utf8(bytes).map_err(|error| damaged(&path, &error))
    })
    .await
}

/// Checks a folder that was not sealed: how much of it is complete and unaltered.
pub async fn verify_draft(folder: &Utf8Path) -> Result<EvidenceVerdictView, AppError> {
    let folder = folder.to_owned();
    blocking(move || {
        let (draft, prefix) = Draft::check(&folder).map_err(|error| damaged(&folder, &error))?;
        let broken = prefix.broken.as_ref();
        let detail = match (broken, prefix.cut_off) {
            (Some((name, why)), _) => format!("{name} {why}"),
            (None, true) => format!("{} entries hold; the log ends within a line", prefix.entries),
            (None, false) => format!("{} entries hold; nothing is sealed yet", prefix.entries),
        };
        let result = if broken.is_some() { EvidenceResult::Failed } else { EvidenceResult::Passed };
        let check = EvidenceCheck {
            name: "prefix".to_owned(),
            title: "what was written before the seal".to_owned(),
            result,
            detail,
            entry: broken.map(|(name, _)| name.to_string()),
        };
        Ok(EvidenceVerdictView {
            file: folder.to_string(),
            holds: broken.is_none(),
            broken: check.entry.clone(),
            checks: vec![check],
            notes: vec!["not sealed: whoever can write to this folder can change it".to_owned()],
            signed_by: None,
            entries: count(draft.entries().len() as u64),
            bytes: prefix.bytes,
            unpacked_bytes: prefix.bytes,
            evidence: None,
        })
    })
    .await
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AppError> + Send + 'static,
) -> Result<T, AppError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| AppError::new(Code::Other, chain(&error), "try again"))?
}

fn source(path: &Utf8Path) -> Result<FileSource, AppError> {
    File::open(path).and_then(FileSource::new).map_err(|error| {
        let message = format!("{path} cannot be read: {error}");
        AppError::new(Code::Invalid, message, "name an archive of evidence")
    })
}

pub(crate) fn open(path: &Utf8Path) -> Result<Archive<FileSource>, AppError> {
    Archive::open(source(path)?).map_err(|error| damaged(path, &error))
}

/// What a window is told of evidence that was not even looked into.
pub(crate) fn not_opened(path: &Utf8Path, error: &AppError) -> EvidenceOpened {
    let title = plumb_evidence::CheckName::Container;
    let check = EvidenceCheck {
        name: title.name().to_owned(),
        title: title.title().to_owned(),
        result: EvidenceResult::Open,
        detail: format!("not looked at: {}; {}", error.message, error.hint),
        entry: None,
    };
    let verdict = EvidenceVerdictView {
        file: path.to_string(),
        holds: false,
        broken: None,
        checks: vec![check],
        notes: Vec::new(),
        signed_by: None,
        entries: 0,
        bytes: 0,
        unpacked_bytes: 0,
        evidence: None,
    };
    EvidenceOpened { verdict, refused: Some(error.message.clone()) }
}

fn unreadable(error: &Unreadable) -> AppError {
    AppError::new(Code::Invalid, chain(error), "name an archive of evidence")
}

fn damaged(path: &Utf8Path, error: &dyn std::error::Error) -> AppError {
    AppError::new(
        Code::Invalid,
        format!("{path}: {}", chain(error)),
        format!("see every check: plumb evidence verify {path}"),
    )
}

fn count(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub(crate) fn missing_line(missing: Missing) -> MissingLine {
    MissingLine { what: missing.what, why: missing.why }
}

fn about_view(evidence: Evidence) -> EvidenceAbout {
    let Evidence { about, made_at, missing, runs, .. } = evidence;
    EvidenceAbout {
        fleet: about.fleet.to_string(),
        environment: about.environment,
        by: about.by,
        selection: about.selection,
        from_ms: ms(about.window.from),
        to_ms: ms(about.window.to),
        made_at_ms: ms(made_at),
        runs: runs
            .into_iter()
            .map(|run| EvidenceRun {
                run: run.run.to_string(),
                plan: run.plan.to_string(),
                outcome: run.outcome,
                events: run.journal.map(|journal| journal.events),
            })
            .collect(),
        missing: missing.into_iter().map(missing_line).collect(),
    }
}

pub(crate) fn verdict(file: &Utf8PathBuf, found: Verification) -> EvidenceVerdictView {
    let holds = found.holds();
    EvidenceVerdictView {
        file: file.to_string(),
        holds,
        broken: found.broken,
        checks: found
            .findings
            .into_iter()
            .map(|finding| EvidenceCheck {
                name: finding.check.name().to_owned(),
                title: finding.check.title().to_owned(),
                result: match finding.outcome {
                    Outcome::Passed => EvidenceResult::Passed,
                    Outcome::Failed => EvidenceResult::Failed,
                    Outcome::Absent => EvidenceResult::Absent,
                    Outcome::Open => EvidenceResult::Open,
                },
                detail: finding.detail,
                entry: finding.entry,
            })
            .collect(),
        notes: found.notes,
        signed_by: found.signer.map(|key| key.to_string()),
        entries: count(found.entries),
        bytes: found.bytes,
        unpacked_bytes: found.unpacked_bytes,
        evidence: found.evidence.map(about_view),
    }
}
