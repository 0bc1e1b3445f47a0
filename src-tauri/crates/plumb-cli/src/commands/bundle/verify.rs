//! `bundle verify`: whether a trusted key signed exactly these bytes (R254-R256), and whether they
//! may still be taken.

use clap::Args;
use jiff::Timestamp;
use plumb_app::error::chain;
use plumb_bundle::{Format, OpaArchive, SignedJson};
use plumb_trust::{KeySet, Outcome as CheckOutcome, TrustedKey, Verdict};
use schemars::JsonSchema;
use serde::Serialize;

use super::{bad, bundle, read};
use crate::{
    exit::{Exit, Failure, Outcome},
    session::Session,
    text::escape::printable,
};

#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[arg(value_name = "FILE")]
    file: String,
    /// A trusted public key, as ID=FILE or FILE; may be repeated
    #[arg(long, value_name = "ID=FILE", required = true)]
    trust: Vec<String>,
    /// For OPA bundles: the scope it must be signed for
    #[arg(long)]
    scope: Option<String>,
}

/// The verdict, check by check.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VerifyDocument {
    pub(crate) file: String,
    pub(crate) bundle_id: String,
    pub(crate) version: String,
    pub(crate) digest: String,
    pub(crate) content: String,
    /// Validly signed by a trusted key, and not expired.
    pub(crate) trusted: bool,
    /// Validly signed by a trusted key, but its `expires_at` has come or cannot be read.
    pub(crate) expired: bool,
    /// The trusted key that signed it.
    pub(crate) key: Option<String>,
    pub(crate) checks: Vec<CheckLine>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CheckLine {
    pub(crate) name: String,
    /// `passed`, `failed` or `skipped`.
    pub(crate) outcome: String,
    pub(crate) detail: String,
}

impl Verify {
    pub(crate) fn run(&self, session: Session<'_>) -> Outcome {
        let keys = self.keys()?;
        let (bytes, bundle) = bundle(&self.file)?;
        let verdict = self.verdict(&bytes, &keys)?;
        let (trusted, expired) = (verdict.is_trusted(), verdict.is_expired());
        let document = VerifyDocument {
            file: self.file.clone(),
            bundle_id: bundle.id,
            version: bundle.version.to_string(),
            digest: bundle.digest.to_string(),
            content: bundle.content.to_string(),
            trusted,
            expired,
            key: verdict.key().map(|key| key.key_id.clone()),
            checks: verdict.checks().iter().map(line).collect(),
        };
        session.out.show(&document, |out| {
            let version = printable(&document.version);
            let yes = format!("{version} is validly signed");
            let no = if expired {
                format!("{version} is validly signed, but expired")
            } else {
                format!("{version} is not trusted")
            };
            out.say(out.style.verdict(trusted, &yes, &no));
            for check in &document.checks {
                out.say(format!(
                    "  {:<18}{:<8}{}",
                    check.name,
                    check.outcome,
                    printable(&check.detail)
                ));
            }
        });
        Ok(Exit::fine_if(trusted))
    }

    fn keys(&self) -> Result<KeySet, Failure> {
        let mut keys = KeySet::new();
        for named in &self.trust {
            let (id, file) = named.split_once('=').unwrap_or((named, named));
            let pem = read(file)?;
            TrustedKey::from_pem(id, &String::from_utf8_lossy(&pem), None)
                .and_then(|key| keys.add(key))
                .map_err(|error| {
                    Failure::usage(format!("{file}: {}", chain(&error)), "give a public key in PEM")
                })?;
        }
        Ok(keys)
    }

    fn verdict(&self, bytes: &[u8], keys: &KeySet) -> Result<Verdict, Failure> {
        match Format::of(bytes) {
            Format::SignedJson => SignedJson::read(bytes)
                .map(|bundle| plumb_trust::verify_signed_json_at(&bundle, keys, Timestamp::now()))
                .map_err(|error| bad(&self.file, &error)),
            Format::OpaArchive => OpaArchive::read(bytes)
                .map(|archive| {
                    plumb_trust::verify_opa_bundle(&archive, keys, self.scope.as_deref())
                })
                .map_err(|error| bad(&self.file, &error)),
            Format::PolicyPack => Err(Failure::usage(
                format!("{} is a policy pack", self.file),
                "its signature stands beside it, in the registry",
            )),
        }
    }
}

fn line(check: &plumb_trust::Check) -> CheckLine {
    let outcome = match check.outcome {
        CheckOutcome::Passed => "passed",
        CheckOutcome::Failed => "failed",
        CheckOutcome::Skipped => "skipped",
    };
    CheckLine {
        name: check.name.to_string(),
        outcome: outcome.to_owned(),
        detail: check.detail.clone(),
    }
}
