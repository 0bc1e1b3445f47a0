//! `bundle keygen`: a key to sign with; the private half is for its owner only.

use std::{fs::OpenOptions, io::Write as _};

use clap::{Args, ValueEnum};
use plumb_trust::SigningKey;
use schemars::JsonSchema;
use serde::Serialize;

use super::fill;
use crate::{
    exit::{Exit, Failure, Outcome},
    session::Session,
};

#[derive(Debug, Args)]
pub(crate) struct Keygen {
    /// File for the private key; the public one gets .pub.pem instead of .pem
    #[arg(long, short, value_name = "FILE")]
    out: String,
    /// RSA signs JSON and OPA bundles, P-256 only OPA bundles
    #[arg(long, value_enum, default_value_t = Kind::Rsa)]
    kind: Kind,
    /// Bits of an RSA key
    #[arg(long, default_value_t = 3072)]
    bits: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Rsa,
    P256,
}

/// The files of a new key.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeyDocument {
    pub(crate) private_key: String,
    pub(crate) public_key: String,
    /// SHA-256 of the public key in DER.
    pub(crate) fingerprint: String,
}

impl Keygen {
    pub(crate) fn run(&self, session: Session<'_>) -> Outcome {
        let made = match self.kind {
            Kind::Rsa => SigningKey::generate_rsa(self.bits, &mut fill),
            Kind::P256 => SigningKey::generate_p256(),
        };
        let refused = |error: plumb_trust::KeyError| {
            Failure::usage(error.to_string(), "use 2048 to 8192 bits")
        };
        let key = made.map_err(refused)?;
        let public = format!("{}.pub.pem", self.out.strip_suffix(".pem").unwrap_or(&self.out));
        let fingerprint = key.trusted("new", None).map_err(refused)?.fingerprint();
        create(&self.out, &key.to_pem().map_err(refused)?, true)?;
        create(&public, &key.public_pem().map_err(refused)?, false)?;
        let document = KeyDocument {
            private_key: self.out.clone(),
            public_key: public,
            fingerprint: fingerprint.to_string(),
        };
        session.out.show(&document, |out| {
            out.say(format!(
                "private key  {} (keep it; it is not encrypted)",
                document.private_key
            ));
            out.say(format!("public key   {}", document.public_key));
            out.say(format!("fingerprint  {}", document.fingerprint));
        });
        Ok(Exit::Fine)
    }
}

/// Never over a file that is there: it may be the only copy of a key.
fn create(path: &str, text: &str, private: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(if private { 0o600 } else { 0o644 });
    }
    options
        .open(path)
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .map_err(|error| {
            Failure::usage(format!("{path} could not be made: {error}"), "name a new file")
        })
}
