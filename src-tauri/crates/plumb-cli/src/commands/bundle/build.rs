//! `bundle build`: an unsigned bundle of policies in files.

use std::path::Path;

use clap::Args;
use jiff::Timestamp;
use plumb_bundle::{
    Bundle,
    formats::signed_json::BundleDraft,
    json::{Value, parse},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{bad, read, write};
use crate::{
    exit::{Exit, Failure, Outcome},
    session::Session,
};

/// Files in a folder of policies.
const FILES_MAX: usize = 100_000;

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// A JSON file with a list of policies, or a folder with a JSON file for each, tried in order of names
    #[arg(value_name = "POLICIES")]
    policies: String,
    /// Id of the bundle
    #[arg(long)]
    id: String,
    /// Version label
    #[arg(long, value_name = "VERSION")]
    version: String,
    /// When it was issued; now without it
    #[arg(long, value_name = "MOMENT")]
    issued_at: Option<Timestamp>,
    #[arg(long)]
    issuer: Option<String>,
    #[arg(long)]
    description: Option<String>,
    #[arg(long, value_name = "MOMENT")]
    expires_at: Option<Timestamp>,
    /// May be repeated
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// File to write
    #[arg(long, short, value_name = "FILE")]
    out: String,
}

/// A file that was written.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WrittenDocument {
    pub(crate) file: String,
    pub(crate) bundle_id: String,
    pub(crate) version: String,
    pub(crate) digest: String,
    pub(crate) content: String,
    pub(crate) policies: usize,
    pub(crate) bytes: usize,
    pub(crate) signed: bool,
}

impl Build {
    pub(crate) fn run(&self, session: Session<'_>) -> Outcome {
        let draft = BundleDraft {
            id: self.id.clone(),
            version: self.version.clone(),
            issued_at: self.issued_at.unwrap_or_else(Timestamp::now),
            issuer: self.issuer.clone(),
            description: self.description.clone(),
            expires_at: self.expires_at,
            tags: self.tags.clone(),
            policies: policies(&self.policies)?,
        };
        let unsigned = draft.build().map_err(|error| bad(&self.policies, &error))?;
        let bytes = unsigned.to_file();
        write(&self.out, &bytes)?;
        written(session, &self.out, &bytes, false)
    }
}

/// Tells what was written, read back as a reader would.
pub(super) fn written(session: Session<'_>, file: &str, bytes: &[u8], signed: bool) -> Outcome {
    let document = describe(file, bytes, signed)?;
    session.out.show(&document, |out| {
        let next = if signed { "" } else { "; sign it: plumb policy bundle sign" };
        out.say(format!(
            "wrote {file}: {} {}, {} policies, content {}{next}",
            document.bundle_id,
            document.version,
            document.policies,
            &document.content[..12]
        ));
    });
    Ok(Exit::Fine)
}

/// What a written file holds, read back as a reader would.
pub(crate) fn describe(file: &str, bytes: &[u8], signed: bool) -> Result<WrittenDocument, Failure> {
    let bundle = Bundle::read(bytes).map_err(|error| bad(file, &error))?;
    Ok(WrittenDocument {
        file: file.to_owned(),
        bundle_id: bundle.id,
        version: bundle.version.to_string(),
        digest: bundle.digest.to_string(),
        content: bundle.content.to_string(),
        policies: bundle.policies.len(),
        bytes: bytes.len(),
        signed,
    })
}

fn policies(path: &str) -> Result<Vec<Value>, Failure> {
    if !Path::new(path).is_dir() {
        return of_file(path);
    }
    let failed = |error: std::io::Error| {
        Failure::usage(format!("{path} could not be read: {error}"), "give a file or folder")
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        if file.extension().is_some_and(|extension| extension == "json") {
            files.push(file);
        }
    }
    if files.is_empty() || files.len() > FILES_MAX {
        let message = format!("{path} holds {} files *.json", files.len());
        return Err(Failure::usage(message, format!("put 1 to {FILES_MAX} there")));
    }
    files.sort();
    let mut all = Vec::new();
    for file in files {
        all.extend(of_file(&file.to_string_lossy())?);
    }
    Ok(all)
}

/// One policy, a list of them, or a document with a member `policies`.
fn of_file(path: &str) -> Result<Vec<Value>, Failure> {
    let value = parse(&read(path)?).map_err(|error| bad(path, &error))?;
    Ok(match value.get("policies").unwrap_or(&value) {
        Value::Array(policies) => policies.clone(),
        policy => vec![policy.clone()],
    })
}
