//! `bundle sign`: sign a bundle with a private key in a PEM file.

use clap::Args;
use plumb_app::error::chain;
use plumb_bundle::{
    Format, OpaArchive,
    formats::{opa_archive, signed_json::UnsignedBundle},
};
use plumb_trust::{JwtAlgorithm, SigningKey, sign_bundle, sign_opa_files};

use super::{bad, build::written, fill, read, write};
use crate::{
    exit::{Failure, Outcome},
    session::Session,
};

#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// A bundle as JSON (RSA-PSS inside), or an OPA bundle (.signatures.json)
    #[arg(value_name = "FILE")]
    file: String,
    /// Private key, PEM
    #[arg(long, value_name = "FILE")]
    key: String,
    /// Name of the key, as readers know it
    #[arg(long, value_name = "ID")]
    key_id: String,
    /// For OPA bundles: RS256, PS256 or ES256; by the kind of the key without it
    #[arg(long, value_name = "NAME")]
    algorithm: Option<String>,
    /// For OPA bundles: the scope that is signed for
    #[arg(long)]
    scope: Option<String>,
    /// File to write; may be the same
    #[arg(long, short, value_name = "FILE")]
    out: String,
}

impl Sign {
    pub(crate) fn run(&self, session: Session<'_>) -> Outcome {
        let bytes = read(&self.file)?;
        let pem = read(&self.key)?;
        let key = SigningKey::from_pem(&String::from_utf8_lossy(&pem))
            .map_err(|error| key_failure(&self.key, &error))?;
        let signed = match Format::of(&bytes) {
            Format::SignedJson => {
                let unsigned =
                    UnsignedBundle::read(&bytes).map_err(|error| bad(&self.file, &error))?;
                sign_bundle(&unsigned, &key, &self.key_id, &mut fill)
                    .map_err(|error| key_failure(&self.key, &error))?
            }
            Format::OpaArchive => self.opa(&bytes, &key)?,
            Format::PolicyPack => {
                return Err(Failure::usage(
                    format!("{} is a policy pack", self.file),
                    "its signature stands beside it, in the registry",
                ));
            }
        };
        write(&self.out, &signed)?;
        written(session, &self.out, &signed, true)
    }

    fn opa(&self, bytes: &[u8], key: &SigningKey) -> Result<Vec<u8>, Failure> {
        let archive = OpaArchive::read(bytes).map_err(|error| bad(&self.file, &error))?;
        let algorithm = match &self.algorithm {
            Some(name) => JwtAlgorithm::from_name(name).ok_or_else(|| {
                Failure::usage(format!("{name:?} is no algorithm"), "use RS256, PS256 or ES256")
            })?,
            None => key
                .trusted(self.key_id.clone(), None)
                .map_err(|error| key_failure(&self.key, &error))?
                .algorithm(),
        };
        let scope = self.scope.as_deref();
        let files = sign_opa_files(archive.files(), key, algorithm, &self.key_id, scope, &mut fill)
            .map_err(|error| key_failure(&self.key, &error))?;
        opa_archive::write(&files).map_err(|error| bad(&self.file, &error))
    }
}

fn key_failure(path: &str, error: &dyn std::error::Error) -> Failure {
    Failure::usage(format!("{path}: {}", chain(error)), "make a key: plumb policy bundle keygen")
}
