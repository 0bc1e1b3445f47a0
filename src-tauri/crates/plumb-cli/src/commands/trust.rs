//! `trust`: roots and keys that rotate. `trust simulate` says what would stop verifying.

pub(super) mod policy;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use plumb_app::{error::chain, queries::kept::KeptBundles};
use plumb_trust::{
    Artifact, Kept, NotTrusted, Profile, Signed, Simulation, TrustPolicy, Window, simulate,
};
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
    text::{
        escape::printable,
        table::{Table, or_dash},
    },
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
    /// The trust policy: roots, keys and names, in TOML; without it the keys of the fleet file
    #[arg(long, value_name = "FILE")]
    policy: Option<String>,
    /// What is in use and what is kept, in TOML; without it what the fleet's nodes were last seen to
    /// run and to keep
    #[arg(long, value_name = "FILE", requires = "policy")]
    kept: Option<String>,
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
    /// The fleet whose nodes were looked at; nothing where the list was a file.
    fleet: Option<String>,
    /// What nodes hold that cannot be judged here, with the reason.
    unknown: Vec<AffectedEntry>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AffectedEntry {
    node: String,
    /// `active`, `lkg`, or what else it is kept as.
    role: String,
    problem: String,
    /// The version of the bundle, where it is known.
    version: Option<String>,
    /// The file it was judged by.
    file: Option<String>,
}

impl Trust {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let Self::Simulate(simulate) = self;
        match &simulate.kept {
            Some(list) => simulate.of_files(session, list),
            None => simulate.of_fleet(session).await,
        }
    }
}

impl Simulate {
    fn of_files(&self, session: Session<'_>, list: &str) -> Outcome {
        let policy = self.policy(&[])?;
        let entries: KeptFile = toml_file(list)?;
        let contents: Vec<Content> =
            entries.kept.iter().map(|entry| content(list, entry)).collect::<Result<_, _>>()?;
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
        Ok(show(session, &SimulationDocument::from(self.simulated(policy, &kept)?)))
    }

    /// What the nodes of a fleet were last seen to run and to keep. Each bundle is judged once, however
    /// many nodes hold it.
    async fn of_fleet(&self, session: Session<'_>) -> Outcome {
        session
            .with_fleet(async |app, fleet| {
                let held = app.kept_bundles(fleet).await?;
                let policy = self.policy(&held.keys)?;
                let bytes: Vec<Vec<u8>> = held
                    .bundles
                    .iter()
                    .map(|bundle| read(bundle.path.as_str()))
                    .collect::<Result<_, _>>()?;
                let names: Vec<String> = (0..bytes.len()).map(|place| place.to_string()).collect();
                let kept: Vec<Kept<'_>> = names
                    .iter()
                    .zip(&bytes)
                    .map(|(name, bundle)| Kept {
                        node: name,
                        role: "bundle",
                        signed: Signed::Embedded { bundle },
                    })
                    .collect();
                let simulation = self.simulated(policy, &kept)?;
                Ok(show(session, &of_holders(fleet, &simulation, &held)))
            })
            .await
    }

    fn simulated(&self, policy: TrustPolicy, kept: &[Kept<'_>]) -> Result<Simulation, Failure> {
        simulate(policy, &self.retire, kept, Timestamp::now())
            .map_err(|error| Failure::usage(chain(&error), "name what the policy names"))
    }

    /// The policy of the file, or one of the keys a fleet trusts.
    fn policy(&self, keys: &[(String, Utf8PathBuf)]) -> Result<TrustPolicy, Failure> {
        match &self.policy {
            Some(file) => policy::read_policy(file),
            None => policy_of_keys(keys),
        }
    }
}

/// Whatever is signed by a key of the fleet file, at any time.
fn policy_of_keys(keys: &[(String, Utf8PathBuf)]) -> Result<TrustPolicy, Failure> {
    let mut policy = TrustPolicy::new(Profile::default());
    let refused = |path: &str, error: &dyn std::error::Error| {
        Failure::usage(format!("{path}: {}", chain(error)), "mend the key the fleet file names")
    };
    for (id, path) in keys {
        let pem = read(path.as_str())?;
        policy
            .add_key(id, &String::from_utf8_lossy(&pem), Window { from: None, until: None })
            .map_err(|error| refused(path.as_str(), &error))?;
    }
    policy.checked().map_err(|error| refused("the fleet file", &error))
}

fn show(session: Session<'_>, document: &SimulationDocument) -> Exit {
    let fine = document.broken.is_empty();
    session.out.show(document, |out| {
        out.say(format!("Without {}:", printable(&document.retired.join(", "))));
        let count = document.broken.len();
        let yes = format!("everything that verifies today, {}, still would", document.unaffected);
        out.say(out.style.verdict(fine, &yes, &format!("{count} would stop verifying")));
        let all = [
            (&document.broken, "would stop"),
            (&document.failing, "fails already"),
            (&document.unknown, "cannot be judged"),
        ];
        if all.iter().any(|(entries, _)| !entries.is_empty()) {
            let mut table = Table::new(&["node", "role", "version", "", "why"]);
            for (entry, word) in all
                .iter()
                .flat_map(|(entries, word)| entries.iter().map(move |entry| (entry, *word)))
            {
                let version = or_dash(entry.version.as_deref());
                table.row(
                    [&entry.node[..], &entry.role, &version, word, &entry.problem].map(Into::into),
                );
            }
            table.print(out);
        }
    });
    Exit::fine_if(fine)
}

/// The same for every node that holds one of the bundles.
fn of_holders(fleet: &str, simulation: &Simulation, held: &KeptBundles) -> SimulationDocument {
    let entries = |list: &[NotTrusted]| -> Vec<AffectedEntry> {
        let mut entries = Vec::new();
        for one in list {
            let place: Option<usize> = one.node.parse().ok();
            let Some(bundle) = place.and_then(|place| held.bundles.get(place)) else { continue };
            entries.extend(bundle.holders.iter().map(|holder| AffectedEntry {
                node: holder.node.clone(),
                role: holder.role.to_owned(),
                problem: one.problem.clone(),
                version: Some(bundle.version.clone()),
                file: Some(bundle.path.to_string()),
            }));
        }
        entries
    };
    let (broken, failing) = (entries(&simulation.broken), entries(&simulation.failing));
    let holders: usize = held.bundles.iter().map(|bundle| bundle.holders.len()).sum();
    let unknown = held.unknown.iter().map(|one| AffectedEntry {
        node: one.holder.node.clone(),
        role: one.holder.role.to_owned(),
        problem: one.problem.clone(),
        version: None,
        file: None,
    });
    SimulationDocument {
        retired: simulation.retired.clone(),
        unaffected: holders - broken.len() - failing.len(),
        fleet: Some(fleet.to_owned()),
        unknown: unknown.collect(),
        broken,
        failing,
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
                .map(|one| AffectedEntry {
                    node: one.node,
                    role: one.role,
                    problem: one.problem,
                    version: None,
                    file: None,
                })
                .collect()
        };
        Self {
            retired: simulation.retired,
            broken: entries(simulation.broken),
            failing: entries(simulation.failing),
            unaffected: simulation.unaffected,
            fleet: None,
            unknown: Vec::new(),
        }
    }
}
