//! `verify-bundle`: whether an artifact is vouched for by its Sigstore bundle. The words are those of
//! the Sigstore conformance suite.

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use plumb_app::error::chain;
use plumb_trust::{
    Artifact, Expectation, ExpectedSigner, Identity, Profile, Report, SigstoreKey, SigstoreRoot,
    VerifyAttestation as _,
    schemes::sigstore::{NamePattern, NameRule},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::bundle::read;
use crate::{
    exit::{Exit, Failure, Outcome},
    session::Session,
    text::{escape::printable, table::Table},
};

#[derive(Debug, Args)]
pub(crate) struct VerifyBundle {
    /// The Sigstore bundle
    #[arg(long, value_name = "FILE")]
    bundle: String,
    /// Whom to trust; else the root of sigstore.dev as it was when this program was built
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<String>,
    /// Trust the staging instance of sigstore.dev instead
    #[arg(long, conflicts_with = "trusted_root")]
    staging: bool,
    #[command(flatten)]
    signer: Signer,
    /// Who must have vouched for the name
    #[arg(long, value_name = "URL", conflicts_with = "key")]
    certificate_oidc_issuer: Option<String>,
    /// What must vouch for the signature beside the signer
    #[arg(long, value_enum, default_value_t)]
    profile: ProfileName,
    /// The artifact: a file, or sha256:HEX
    #[arg(value_name = "FILE_OR_DIGEST")]
    artifact: String,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Signer {
    /// The name in the certificate, exactly
    #[arg(long, value_name = "NAME", requires = "certificate_oidc_issuer")]
    certificate_identity: Option<String>,
    /// A pattern over the whole name: * is any text without a slash, ** any text
    #[arg(long, value_name = "PATTERN", requires = "certificate_oidc_issuer")]
    certificate_identity_pattern: Option<String>,
    /// The public key that signed, in PEM
    #[arg(long, value_name = "FILE")]
    key: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum ProfileName {
    /// A transparency log
    #[default]
    Logged,
    /// A timestamp authority alone
    TimestampOnly,
}

/// What was found, check by check, and what carried it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AttestationDocument {
    bundle: String,
    /// SHA-256 of the artifact.
    artifact: String,
    valid: bool,
    /// The trusted root.
    root: String,
    checks: Vec<AttestationCheck>,
    /// SHA-256 of the key that signed, where a key was asked for.
    key: Option<String>,
    certificate: Option<AttestationCertificate>,
    logs: Vec<AttestationLog>,
    times: Vec<AttestationTime>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AttestationCheck {
    name: String,
    /// `passed`, `failed`, `skipped` after a failure, or `not_needed` for this kind of bundle.
    outcome: String,
    detail: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AttestationCertificate {
    fingerprint: String,
    identity: Option<String>,
    issuer: Option<String>,
    not_before: String,
    not_after: String,
    authority: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AttestationLog {
    url: String,
    key_id: String,
    index: u64,
    kind: String,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AttestationTime {
    at: String,
    /// The timestamp authority or log that vouches for it.
    by: String,
}

impl VerifyBundle {
    pub(crate) fn run(&self, session: Session<'_>) -> Outcome {
        let root = self.root()?;
        let bundle = read(&self.bundle)?;
        let (identity, key) = (self.identity()?, self.key()?);
        let signer = match (&identity, &key) {
            (Some(identity), _) => ExpectedSigner::Identity(identity),
            (None, Some(key)) => ExpectedSigner::Key(key),
            (None, None) => unreachable!("clap asks for one of them"),
        };
        let profile = match self.profile {
            ProfileName::Logged => Profile::Logged,
            ProfileName::TimestampOnly => Profile::TimestampOnly,
        };
        let bytes =
            if self.artifact.starts_with(DIGEST) { None } else { Some(read(&self.artifact)?) };
        let artifact = match &bytes {
            Some(bytes) => Artifact::Bytes(bytes),
            None => digest(&self.artifact)?,
        };
        let now = Timestamp::now();
        let report = root.verify(artifact, &bundle, Expectation { signer, profile }, now);
        let document = self.document(artifact, &report);
        session.out.show(&document, |out| {
            let artifact = printable(&self.artifact);
            let yes = format!("{artifact} is vouched for by {}", printable(&self.bundle));
            let no = format!("{artifact} is not vouched for");
            out.say(out.style.verdict(document.valid, &yes, &no));
            let mut table = Table::new(&["check", "outcome", "detail"]);
            for check in &document.checks {
                let cells = [&check.name, &check.outcome, &check.detail];
                table.row(cells.map(|text| text.as_str().into()));
            }
            table.print(out);
        });
        Ok(Exit::fine_if(document.valid))
    }

    fn root(&self) -> Result<SigstoreRoot, Failure> {
        let read = match &self.trusted_root {
            Some(file) => SigstoreRoot::read(file, &read(file)?),
            None if self.staging => SigstoreRoot::staging(),
            None => SigstoreRoot::public_good(),
        };
        read.map_err(|error| {
            let file = self.trusted_root.as_deref().unwrap_or("the root of sigstore.dev");
            Failure::usage(format!("{file}: {}", chain(&error)), "give a trusted_root.json")
        })
    }

    fn identity(&self) -> Result<Option<Identity>, Failure> {
        let issuer = self.certificate_oidc_issuer.clone().unwrap_or_default();
        if let Some(name) = &self.signer.certificate_identity {
            return Ok(Some(Identity::exact(name, issuer)));
        }
        let Some(pattern) = &self.signer.certificate_identity_pattern else { return Ok(None) };
        let name = NamePattern::new(pattern).map_err(|error| {
            Failure::usage(chain(&error), "begin with the server, for example https://host/team/*")
        })?;
        Ok(Some(Identity { name: NameRule::Pattern(name), issuer }))
    }

    fn key(&self) -> Result<Option<SigstoreKey>, Failure> {
        let Some(file) = &self.signer.key else { return Ok(None) };
        let pem = read(file)?;
        SigstoreKey::from_pem(file, &String::from_utf8_lossy(&pem))
            .map(Some)
            .map_err(|error| Failure::usage(chain(&error), "give a public key in PEM"))
    }

    fn document(&self, artifact: Artifact<'_>, report: &Report) -> AttestationDocument {
        let carried = report.carried();
        AttestationDocument {
            bundle: self.bundle.clone(),
            artifact: artifact.sha256().to_string(),
            valid: report.is_valid(),
            root: carried.root.clone(),
            checks: report
                .checks()
                .into_iter()
                .map(|check| AttestationCheck {
                    name: check.name.name().to_owned(),
                    outcome: check.outcome.as_str().to_owned(),
                    detail: check.detail,
                })
                .collect(),
            key: carried.key.as_ref().map(|key| key.fingerprint.to_string()),
            certificate: carried.certificate.as_ref().map(|one| AttestationCertificate {
                fingerprint: one.fingerprint.to_string(),
                identity: one.identity.clone(),
                issuer: one.issuer.clone(),
                not_before: one.not_before.to_string(),
                not_after: one.not_after.to_string(),
                authority: one.authority.clone(),
            }),
            logs: carried
                .logs
                .iter()
                .map(|log| AttestationLog {
                    url: log.url.clone(),
                    key_id: log.key_id.clone(),
                    index: log.index,
                    kind: log.kind.clone(),
                })
                .collect(),
            times: carried
                .times
                .iter()
                .map(|time| AttestationTime { at: time.at.to_string(), by: time.by.clone() })
                .collect(),
        }
    }
}

/// How a digest is told from the name of a file.
pub(crate) const DIGEST: &str = "sha256:";

/// Reads `sha256:HEX`.
pub(crate) fn digest(text: &str) -> Result<Artifact<'static>, Failure> {
    let hex = text.strip_prefix(DIGEST).unwrap_or(text);
    hex.parse().map(Artifact::Digest).map_err(|error| {
        Failure::usage(chain(&error), "write sha256: and 64 hex digits, or name the file itself")
    })
}
