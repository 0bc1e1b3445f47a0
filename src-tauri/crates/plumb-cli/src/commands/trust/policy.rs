//! A trust policy in TOML: the file that `trust simulate` and `agent serve --pack-trust` read.

use std::path::Path;

use jiff::Timestamp;
use plumb_app::error::chain;
use plumb_trust::{
    Identity, Profile, SigstoreRoot, TrustPolicy, Window,
    schemes::sigstore::{NamePattern, NameRule},
};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{commands::bundle::read, exit::Failure};

/// A trust policy as people write it. Files are looked up beside it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    #[serde(default)]
    profile: Profile,
    #[serde(default)]
    root: Vec<MaterialFile>,
    #[serde(default)]
    key: Vec<MaterialFile>,
    #[serde(default)]
    identity: Vec<IdentityFile>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MaterialFile {
    id: String,
    file: String,
    from: Option<Timestamp>,
    until: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityFile {
    name: Option<String>,
    pattern: Option<String>,
    issuer: String,
}

/// Reads a trust policy and everything it names.
pub(in crate::commands) fn read_policy(path: &str) -> Result<TrustPolicy, Failure> {
    let file: PolicyFile = toml_file(path)?;
    let refused = |error: &dyn std::error::Error| {
        Failure::usage(format!("{path}: {}", chain(error)), "mend the policy")
    };
    let mut policy = TrustPolicy::new(file.profile);
    for root in file.root {
        let window = Window { from: root.from, until: root.until };
        let bytes = read(&beside(path, &root.file))?;
        SigstoreRoot::read(&root.id, &bytes)
            .map_err(|error| refused(&error))
            .and_then(|read| policy.add_root(read, window).map_err(|error| refused(&error)))?;
    }
    for key in file.key {
        let window = Window { from: key.from, until: key.until };
        let pem = read(&beside(path, &key.file))?;
        policy
            .add_key(&key.id, &String::from_utf8_lossy(&pem), window)
            .map_err(|error| refused(&error))?;
    }
    for identity in file.identity {
        let name = match (identity.name, identity.pattern) {
            (Some(name), None) => NameRule::Exact(name),
            (None, Some(pattern)) => {
                NameRule::Pattern(NamePattern::new(&pattern).map_err(|error| refused(&error))?)
            }
            _ => {
                let message = format!("{path}: an identity has a name or a pattern");
                return Err(Failure::usage(message, "give one of the two"));
            }
        };
        policy.add_identity(Identity { name, issuer: identity.issuer });
    }
    policy.checked().map_err(|error| refused(&error))
}

/// A path as it is written in a file: beside that file, where it is not absolute.
pub(super) fn beside(file: &str, path: &str) -> String {
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    folder.join(path).display().to_string()
}

pub(super) fn toml_file<T: DeserializeOwned>(path: &str) -> Result<T, Failure> {
    let bytes = read(path)?;
    toml::from_str(&String::from_utf8_lossy(&bytes)).map_err(|error| {
        Failure::usage(format!("{path}: {}", error.to_string().trim_end()), "mend that place")
    })
}
