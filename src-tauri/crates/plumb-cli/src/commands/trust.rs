//! `trust`: roots and keys that rotate. `trust simulate` says what would stop verifying.

use std::path::Path;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use plumb_app::error::chain;
use plumb_trust::{
    Artifact, Identity, Kept, NotTrusted, Profile, Signed, SigstoreRoot, Simulation, TrustPolicy,
    Window,
    schemes::sigstore::{NamePattern, NameRule},
    simulate,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    bundle::read,
    verify_bundle::{DIGEST, digest},
};
use crate::{
    exit::{Exit, Failure, Outcome},
    session::Session,
    text::{escape::printable, table::Table},
};

#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    /// Say what would stop verifying if a key, root, log or authority were retired
    Simulate(Simulate),
}

#[derive(Debug, Args)]
pub(crate) struct Simulate {
    /// What to retire: a name in the policy, or the id of a part of a root in hex
    #[arg(long, value_name = "KEY")]
    retire: String,
    /// The trust policy: roots, keys and names, in TOML
    #[arg(long, value_name = "FILE")]
    policy: String,
    /// What is in use and what is kept, in TOML
    #[arg(long, value_name = "FILE")]
    kept: String,
}

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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptFile {
    #[serde(default)]
    kept: Vec<KeptEntry>,
}

/// Something a node has: an artifact with its attestation, or a bundle signed inside.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeptEntry {
    node: String,
    role: String,
    artifact: Option<String>,
    attestation: Option<String>,
    bundle: Option<String>,
}

/// What a kept thing is made of, read.
enum Content {
    Attested { artifact: Option<Vec<u8>>, digest: Artifact<'static>, attestation: Vec<u8> },
    Embedded { bundle: Vec<u8> },
}

/// What retiring something would do.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SimulationDocument {
    retired: Vec<String>,
    /// Trusted today, and no longer afterwards.
    broken: Vec<AffectedEntry>,
    /// Not trusted today either.
    failing: Vec<AffectedEntry>,
    /// How many would go on verifying.
    unaffected: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AffectedEntry {
    node: String,
    /// `active`, `lkg`, or what else it is kept as.
    role: String,
    problem: String,
}

impl Trust {
    pub(crate) fn run(&self, session: Session<'_>) -> Outcome {
        let Self::Simulate(simulate) = self;
        simulate.run(session)
    }
}

impl Simulate {
    fn run(&self, session: Session<'_>) -> Outcome {
        let policy = self.policy()?;
        let entries: KeptFile = toml_file(&self.kept)?;
        let contents: Vec<Content> = entries
            .kept
            .iter()
            .map(|entry| content(&self.kept, entry))
            .collect::<Result<_, _>>()?;
        let kept: Vec<Kept<'_>> = entries
            .kept
            .iter()
            .zip(&contents)
            .map(|(entry, content)| Kept {
                node: &entry.node,
                role: &entry.role,
                signed: content.signed(),
            })
            .collect();
        let simulation = simulate(policy, &self.retire, &kept, Timestamp::now())
            .map_err(|error| Failure::usage(chain(&error), "name what the policy names"))?;
        let fine = simulation.broken.is_empty();
        let document = SimulationDocument::from(simulation);
        session.out.show(&document, |out| {
            out.say(format!("Without {}:", printable(&document.retired.join(", "))));
            let count = document.broken.len();
            let yes =
                format!("everything that verifies today, {}, still would", document.unaffected);
            out.say(out.style.verdict(fine, &yes, &format!("{count} would stop verifying")));
            if !document.broken.is_empty() || !document.failing.is_empty() {
                let mut table = Table::new(&["node", "role", "", "why"]);
                for (entries, word) in
                    [(&document.broken, "would stop"), (&document.failing, "fails already")]
                {
                    for entry in entries {
                        table.row([&entry.node, &entry.role, word, &entry.problem].map(Into::into));
                    }
                }
                table.print(out);
            }
        });
        Ok(Exit::fine_if(fine))
    }

    fn policy(&self) -> Result<TrustPolicy, Failure> {
        let file: PolicyFile = toml_file(&self.policy)?;
        let refused = |error: &dyn std::error::Error| {
            Failure::usage(format!("{}: {}", self.policy, chain(error)), "mend the policy")
        };
        let mut policy = TrustPolicy::new(file.profile);
        for root in file.root {
            let window = Window { from: root.from, until: root.until };
            let bytes = read(&beside(&self.policy, &root.file))?;
            SigstoreRoot::read(&root.id, &bytes)
                .map_err(|error| refused(&error))
                .and_then(|read| policy.add_root(read, window).map_err(|error| refused(&error)))?;
        }
        for key in file.key {
            let window = Window { from: key.from, until: key.until };
            let pem = read(&beside(&self.policy, &key.file))?;
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
                    let message = format!("{}: an identity has a name or a pattern", self.policy);
                    return Err(Failure::usage(message, "give one of the two"));
                }
            };
            policy.add_identity(Identity { name, issuer: identity.issuer });
        }
        policy.checked().map_err(|error| refused(&error))
    }
}

impl Content {
    fn signed(&self) -> Signed<'_> {
        match self {
            Self::Attested { artifact, digest, attestation } => {
                let artifact = artifact.as_deref().map_or(*digest, Artifact::Bytes);
                Signed::Attested { artifact, attestation }
            }
            Self::Embedded { bundle } => Signed::Embedded { bundle },
        }
    }
}

fn content(list: &str, entry: &KeptEntry) -> Result<Content, Failure> {
    match (&entry.artifact, &entry.attestation, &entry.bundle) {
        (Some(artifact), Some(attestation), None) => {
            let attestation = read(&beside(list, attestation))?;
            if artifact.starts_with(DIGEST) {
                return Ok(Content::Attested {
                    artifact: None,
                    digest: digest(artifact)?,
                    attestation,
                });
            }
            let artifact = read(&beside(list, artifact))?;
            let digest = Artifact::Digest(Artifact::Bytes(&artifact).sha256());
            Ok(Content::Attested { artifact: Some(artifact), digest, attestation })
        }
        (None, None, Some(bundle)) => {
            Ok(Content::Embedded { bundle: read(&beside(list, bundle))? })
        }
        _ => Err(Failure::usage(
            format!("{list}: {} {} is neither signed beside nor inside", entry.node, entry.role),
            "give artifact and attestation, or bundle",
        )),
    }
}

/// A path as it is written in a file: beside that file, where it is not absolute.
fn beside(file: &str, path: &str) -> String {
    let folder = Path::new(file).parent().unwrap_or(Path::new(""));
    folder.join(path).display().to_string()
}

fn toml_file<T: DeserializeOwned>(path: &str) -> Result<T, Failure> {
    let bytes = read(path)?;
    toml::from_str(&String::from_utf8_lossy(&bytes)).map_err(|error| {
        Failure::usage(format!("{path}: {}", error.to_string().trim_end()), "mend that place")
    })
}

impl From<Simulation> for SimulationDocument {
    fn from(simulation: Simulation) -> Self {
        let entries = |list: Vec<NotTrusted>| {
            list.into_iter()
                .map(|one| AffectedEntry { node: one.node, role: one.role, problem: one.problem })
                .collect()
        };
        Self {
            retired: simulation.retired,
            broken: entries(simulation.broken),
            failing: entries(simulation.failing),
            unaffected: simulation.unaffected,
        }
    }
}
