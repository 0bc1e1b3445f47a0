//! `trust`: roots and keys that rotate. `trust simulate` says what would stop verifying.

pub(super) mod policy;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use plumb_app::error::chain;
use plumb_trust::{Artifact, Kept, NotTrusted, Signed, Simulation, simulate};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use policy::{beside, toml_file};

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
        let policy = policy::read_policy(&self.policy)?;
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
