//! Convergence certificates: a fresh look at the targets of a run, signed, kept, and checked anywhere.

use std::{collections::BTreeSet, time::Duration};

use camino::Utf8Path;
use jiff::Timestamp;
use plumb_exec::standing;
use plumb_fleet::{ContentDigest, Digest, FleetId, RunId};
use plumb_journal::{
    Certificate, ChainVerdict, Outcome,
    certificate::{Seen, TooEarly, due},
    fold, head, verify,
};
use plumb_runbook::NodePlan;
use plumb_store::certificates::KeptCertificate;
use plumb_trust::dsse::{Envelope, PublicKey};
use serde::Deserialize;
use tracing::warn;

use crate::{
    actions::{
        consent::named,
        files::{not_written, write_durably},
    },
    app::App,
    console_key::public_keys,
    error::{AppError, Code, chain},
    ids::run_id,
    ports::effects::observation,
    topics::Topic,
    views::{
        certificate::{CertificateTarget, CertificateView, RunCertificateView},
        convert::{duration_words, ms},
    },
};

/// The clock is looked at this often while a fleet settles; it may be set meanwhile.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Certificates of a fleet that are searched, the newest first.
pub(crate) const CERTIFICATES_MAX: usize = 1_000;

/// A signed certificate of which every target stood: proof for a promotion, evidence for a checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GreenCertificate {
    pub run: RunId,
    /// SHA-256 of the statement, by which it is named.
    pub digest: Digest,
    pub observed_at: Timestamp,
    pub contents: BTreeSet<ContentDigest>,
}

/// A certificate with what its envelope proves.
pub(crate) struct Opened {
    pub certificate: Certificate,
    pub digest: Digest,
    pub signed_by: Option<String>,
    pub unsigned: Option<String>,
}

impl App {
    /// The newest certificate of a run. Where there is none, or a new one is wanted, its targets are looked
    /// at; where it ended a moment ago, after they had time to settle.
    pub async fn certificate(&self, run: &str, renew: bool) -> Result<CertificateView, AppError> {
        let id = run_id(run)?;
        if !renew && let Some(kept) = self.kept_certificate(id).await? {
            return Ok(self.opened(kept).await?.view(None));
        }
        if let Some(at) = self.certificate_due(run).await? {
            while self.now() < at {
                let left = Duration::try_from(at.duration_since(self.now())).unwrap_or_default();
                tokio::time::sleep(left.min(LOOK_EVERY)).await;
            }
        }
        let kept = self.certify(id).await?;
        let mut opened = self.opened(kept).await?;
        if opened.signed_by.is_none() {
            opened.unsigned = self.unsigned_because(id).or(opened.unsigned);
        }
        Ok(opened.view(None))
    }

    /// The newest certificate of a run, or when one can be made; nothing is looked at for it.
    pub async fn run_certificate(&self, run: &str) -> Result<RunCertificateView, AppError> {
        let kept = self.kept_certificate(run_id(run)?).await?;
        Ok(RunCertificateView {
            due_at_ms: self.certificate_due(run).await?.map(ms),
            certificate: match kept {
                Some(kept) => Some(self.opened(kept).await?.view(None)),
                None => None,
            },
        })
    }

    /// From when on the targets of a run may be looked at for a certificate, if that is still to come.
    pub async fn certificate_due(&self, run: &str) -> Result<Option<Timestamp>, AppError> {
        let (_, entries) = self.run_record(run_id(run)?).await?;
        Ok(due(&fold(&entries)).filter(|at| self.now() < *at))
    }

    /// Writes the newest certificate of a run to a file, as its DSSE envelope.
    pub async fn export_certificate(
        &self,
        run: &str,
        path: &Utf8Path,
    ) -> Result<CertificateView, AppError> {
        let kept = self.kept_certificate(run_id(run)?).await?.ok_or_else(|| {
            AppError::new(
                Code::NotFound,
                format!("run {run} has no certificate"),
                format!("make one: plumb certificate {run}"),
            )
        })?;
        let envelope = kept.envelope.clone().ok_or_else(|| {
            AppError::new(
                Code::Keyring,
                "the certificate is not signed, so nobody else could check it",
                "unlock the keyring or give --console-key FILE, then make it anew with --renew",
            )
        })?;
        write_durably(path, &envelope).map_err(|error| not_written(path, &error))?;
        Ok(self.opened(kept).await?.view(Some(path)))
    }

    /// The same by a path that somebody typed or chose.
    pub async fn save_certificate(
        &self,
        run: &str,
        path: &str,
    ) -> Result<CertificateView, AppError> {
        self.export_certificate(run, &named(path)?).await
    }

    /// Green certificates of a fleet that this console signed, newest first.
    pub async fn green_certificates(&self, fleet: &str) -> Result<Vec<GreenCertificate>, AppError> {
        let fleet = FleetId::new(fleet).map_err(|error| {
            AppError::new(Code::Invalid, format!("the fleet's name {error}"), "name a fleet")
        })?;
        let kept = {
            let mut conn = self.record().read().await?;
            plumb_store::certificates::list(&mut conn, &fleet, true, CERTIFICATES_MAX).await?
        };
        let keys = self.own_keys().await?;
        let mut green = Vec::new();
        for envelope in kept.iter().filter_map(|kept| kept.envelope.as_deref()) {
            // What the column says is not proof; what is signed is.
            match open(envelope.as_bytes(), &keys) {
                Ok(opened)
                    if opened.certificate.is_green() && opened.certificate.fleet == fleet =>
                {
                    green.push(GreenCertificate {
                        run: opened.certificate.run,
                        digest: opened.digest,
                        observed_at: opened.certificate.observed_at,
                        contents: opened.certificate.contents(),
                    });
                }
                Ok(_) => {}
                Err(problem) => warn!(%fleet, %problem, "a kept certificate proves nothing"),
            }
        }
        Ok(green)
    }

    /// Makes the certificate of a run of this process when its nodes had time to settle.
    pub(crate) async fn certify_later(self, run: RunId) {
        let id = run.to_string();
        tokio::select! {
            () = self.0.cancel.cancelled() => {}
            made = self.certificate(&id, true) => {
                if let Err(error) = made {
                    warn!(%run, error = %error.message, "no certificate was made");
                }
            }
        }
    }

    /// Looks at the targets of a run now, and keeps what they run as a certificate.
    async fn certify(&self, run: RunId) -> Result<KeptCertificate, AppError> {
        self.only_live()?;
        let (plan, entries) = self.run_record(run).await?;
        if let ChainVerdict::Broken { at, why } = verify(run, &entries) {
            return Err(AppError::new(
                Code::Other,
                format!("the journal of run {run} is broken: event {} {why}", at + 1),
                format!("look at it: plumb journal verify {run}"),
            ));
        }
        let (state, loaded) = self.loaded(plan.fleet.as_str())?;
        let targets: Vec<_> = plan.targets().map(|target| target.node.clone()).collect();
        let began = self.now();
        let (current, looked) = self.observe_of(&state, &loaded, &targets).await?;
        let look = |target: &NodePlan| {
            if !looked.contains(&target.node) {
                return unseen("is no longer a node of this fleet".to_owned());
            }
            match observation(current.snapshot.nodes.get(&target.node)) {
                Err(why) => unseen(why),
                Ok(seen) => Seen {
                    straggles: standing(target, &seen).err(),
                    content: seen.content,
                    version: seen.version,
                },
            }
        };
        let journal = (&fold(&entries), head(run, &entries));
        let certificate = Certificate::new(&plan, journal, (began, self.now()), look)
            .map_err(|early| too_early(run, &early))?;
        let key = self.signer(run).await;
        let statement = certificate.clone().statement();
        let envelope = match &key {
            Some(key) => Some(Envelope::sign(&statement, &[key]).map_err(|error| {
                AppError::new(Code::Keyring, chain(&error), "look at the console's key")
            })?),
            None => None,
        };
        let text = |bytes| String::from_utf8(bytes).expect("JSON is UTF-8");
        let kept = KeptCertificate {
            run,
            fleet: plan.fleet.clone(),
            observed_at: certificate.observed_at,
            green: certificate.is_green(),
            statement: text(statement.canonical_bytes()),
            envelope: envelope.map(|envelope| text(envelope.to_bytes())),
        };
        let mut record = self.record().write().await?;
        if let Some(key) = &key {
            self.keep_key(&mut record, key).await?;
        }
        plumb_store::certificates::add(&mut record, &kept).await?;
        record.commit().await?;
        self.announce([Topic::run(run)]);
        Ok(kept)
    }

    async fn kept_certificate(&self, run: RunId) -> Result<Option<KeptCertificate>, AppError> {
        let mut conn = self.record().read().await?;
        Ok(plumb_store::certificates::newest(&mut conn, run).await?)
    }

    async fn opened(&self, kept: KeptCertificate) -> Result<Opened, AppError> {
        /// Of a statement that nobody signed, and that only this record holds.
        #[derive(Deserialize)]
        struct Unsigned {
            predicate: Certificate,
        }
        let altered = |problem: String| {
            AppError::new(
                Code::Other,
                format!("the kept certificate of run {} does not hold: {problem}", kept.run),
                "make a new one with --renew",
            )
        };
        if let Some(envelope) = &kept.envelope {
            return open(envelope.as_bytes(), &self.own_keys().await?).map_err(altered);
        }
        let read: Unsigned =
            serde_json::from_str(&kept.statement).map_err(|error| altered(error.to_string()))?;
        Ok(Opened {
            certificate: read.predicate,
            digest: Digest::of(kept.statement.as_bytes()),
            signed_by: None,
            unsigned: Some("the console had no key to sign it with".to_owned()),
        })
    }
}

/// Checks a certificate with the public keys of consoles as PEM; no store is needed.
pub fn verify_certificate(
    name: &Utf8Path,
    envelope: &[u8],
    keys: &[String],
) -> Result<CertificateView, AppError> {
    let opened = open(envelope, &public_keys(keys)?).map_err(|problem| {
        AppError::new(
            Code::Invalid,
            format!("{name}: {problem}"),
            "give the file that `plumb certificate` wrote, and the key of the console that signed it",
        )
    })?;
    Ok(opened.view(Some(name)))
}

/// Opens an envelope with trusted keys; the sentence says why it proves nothing.
pub(crate) fn open(envelope: &[u8], keys: &[PublicKey]) -> Result<Opened, String> {
    let envelope = Envelope::read(envelope).map_err(|error| chain(&error))?;
    let verified = envelope.verify(keys).map_err(|error| chain(&error))?;
    let statement = verified.statement().map_err(|error| chain(&error))?;
    let certificate = Certificate::of(statement)
        .ok_or_else(|| "its subjects are not those of what it says".to_owned())?;
    let signed_by = verified.signers().first().map(|key| key.id().to_string());
    Ok(Opened { certificate, digest: envelope.payload_digest(), signed_by, unsigned: None })
}

fn unseen(why: String) -> Seen {
    Seen { content: None, version: None, straggles: Some(why) }
}

fn too_early(run: RunId, early: &TooEarly) -> AppError {
    let hint = match early {
        TooEarly::NotEnded => format!("see how it stands: plumb runs show {run}"),
        TooEarly::NotSettled { at } => format!("ask again at {at}"),
    };
    AppError::new(Code::Busy, early.to_string(), hint)
}

impl Opened {
    pub(crate) fn view(self, file: Option<&Utf8Path>) -> CertificateView {
        let Self { certificate, digest, signed_by, unsigned } = self;
        let text = |content: ContentDigest| content.to_string();
        CertificateView {
            run: certificate.run.to_string(),
            fleet: certificate.fleet.to_string(),
            environment: certificate.environment.clone(),
            plan_hash: certificate.plan.to_string(),
            operator: certificate.operator.clone(),
            outcome: certificate.outcome.name().to_owned(),
            ended_at_ms: ms(certificate.ended_at),
            observed_at_ms: ms(certificate.observed_at),
            green: certificate.is_green(),
            contents: certificate.contents().into_iter().map(text).collect(),
            journal_events: certificate.journal.events,
            journal_head: certificate.journal.head.to_string(),
            digest: digest.to_string(),
            signed_by,
            unsigned,
            bypassed: certificate.bypasses.iter().map(ToString::to_string).collect(),
            file: file.map(ToString::to_string),
            imported: None,
            summary: summary(&certificate),
            targets: certificate
                .targets
                .into_iter()
                .map(|target| CertificateTarget {
                    node: target.node.to_string(),
                    wanted: target.wanted.map(text),
                    observed: target.observed.map(text),
                    version: target.version.map(|version| version.to_string()),
                    straggles: target.straggles,
                })
                .collect(),
        }
    }
}

fn summary(certificate: &Certificate) -> String {
    let after = certificate.observed_at.as_second() - certificate.ended_at.as_second();
    let (total, after) = (certificate.targets.len(), duration_words(after));
    let taken_back = certificate.outcome == Outcome::RolledBack;
    let as_wanted = if taken_back { "as before the plan" } else { "as planned" };
    match certificate.stragglers().count() {
        _ if total == 0 => "the run had no targets, so it proves nothing".to_owned(),
        0 => format!("all {total} targets stood {as_wanted} {after} after the run"),
        late => {
            format!("{late} of {total} targets did not stand {as_wanted} {after} after the run")
        }
    }
}
