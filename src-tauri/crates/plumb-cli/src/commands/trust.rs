//! `trust`: roots and keys that rotate. `trust simulate` says what would stop verifying.

mod held;
pub(super) mod policy;

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use clap::{Args, Subcommand};
use jiff::Timestamp;
use plumb_app::{actions::kept_packs::KeptPacks, error::chain};
use plumb_trust::{
    Artifact, Kept, NotTrusted, PolicyError, Profile, Signed, Simulation, TrustPolicy, Window,
    dsse::KeyId, simulate,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use held::Held;
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
    /// What to retire: a name in the policy, or in hex the id of a part of a root or of a key in the
    /// fleet's roster
    #[arg(long, value_name = "KEY")]
    retire: String,
    /// The trust policy: roots, keys and names, in TOML; agents are asked for their packs, which are
    /// judged by it. Without it only the keys of the fleet file count, and nobody is asked
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
    /// `bundle` (signed inside), `pack` (an attestation beside it) or `approval` (an envelope on
    /// record: the node is then the person, the role the act, the version the plan); nothing where
    /// the list was a file.
    kind: Option<String>,
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
        Ok(show(session, &SimulationDocument::from(self.simulated(policy, &[], &kept)?)))
    }

    /// What the nodes of a fleet were last seen to run and to keep, with a policy also the packs that
    /// agents tell now, and the approvals on record. Each thing is judged once, however many nodes
    /// hold it.
    async fn of_fleet(&self, session: Session<'_>) -> Outcome {
        session
            .with_fleet(async |app, fleet| {
                let bundles = app.kept_bundles(fleet).await?;
                let packs = match &self.policy {
                    Some(_) => app.kept_packs(fleet).await?,
                    None => KeptPacks::default(),
                };
                let policy = self.policy(&bundles.keys)?;
                let approvals = app.approvals_without(fleet, &self.key_ids(&policy)).await?;
                let bytes: Vec<Vec<u8>> = bundles
                    .bundles
                    .iter()
                    .map(|bundle| read(bundle.path.as_str()))
                    .collect::<Result<_, _>>()?;
                let embedded = bytes.iter().map(|bundle| Signed::Embedded { bundle });
                let attested = packs.packs.iter().map(|pack| Signed::Attested {
                    artifact: Artifact::Digest(pack.digest),
                    attestation: &pack.attestation,
                });
                let signed: Vec<Signed<'_>> = embedded.chain(attested).collect();
                let names: Vec<String> = (0..signed.len()).map(|place| place.to_string()).collect();
                let kept: Vec<Kept<'_>> = names
                    .iter()
                    .zip(signed)
                    .map(|(node, signed)| Kept { node, role: "", signed })
                    .collect();
                let simulation = self.simulated(policy, &approvals.retired, &kept)?;
                let held = Held { bundles, packs, approvals };
                Ok(show(session, &held.document(fleet, &simulation)))
            })
            .await
    }

    fn simulated(
        &self,
        policy: TrustPolicy,
        elsewhere: &[String],
        kept: &[Kept<'_>],
    ) -> Result<Simulation, Failure> {
        simulate(policy, &self.retire, elsewhere, kept, Timestamp::now())
            .map_err(|error| Failure::usage(chain(&error), "name what the policy names"))
    }

    /// The key that is meant, as a roster would know it.
    fn key_ids(&self, policy: &TrustPolicy) -> BTreeSet<KeyId> {
        let typed = self.retire.parse().ok();
        typed.into_iter().chain(policy.fingerprint(&self.retire).map(KeyId)).collect()
    }

    /// The policy of the file with the keys a fleet trusts, or one of those keys alone.
    fn policy(&self, keys: &[(String, Utf8PathBuf)]) -> Result<TrustPolicy, Failure> {
        let policy = match &self.policy {
            Some(file) => policy::read_policy(file)?,
            None => TrustPolicy::new(Profile::default()),
        };
        with_keys(policy, keys)
    }
}

/// Also whatever is signed by a key of the fleet file, at any time, where the policy does not say
/// something else of a key of this name.
fn with_keys(
    mut policy: TrustPolicy,
    keys: &[(String, Utf8PathBuf)],
) -> Result<TrustPolicy, Failure> {
    let refused = |path: &str, error: &dyn std::error::Error| {
        Failure::usage(format!("{path}: {}", chain(error)), "mend the key the fleet file names")
    };
    for (id, path) in keys {
        let pem = read(path.as_str())?;
        let always = Window { from: None, until: None };
        match policy.add_key(id, &String::from_utf8_lossy(&pem), always) {
            Ok(()) | Err(PolicyError::DuplicateId { .. }) => {}
            Err(error) => return Err(refused(path.as_str(), &error)),
        }
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
            let mut table = Table::new(&["node", "", "role", "version", "", "why"]);
            for (entry, word) in all
                .iter()
                .flat_map(|(entries, word)| entries.iter().map(move |entry| (entry, *word)))
            {
                let version = or_dash(entry.version.as_deref());
                let kind = entry.kind.as_deref().unwrap_or_default();
                table.row(
                    [&entry.node[..], kind, &entry.role, &version, word, &entry.problem]
                        .map(Into::into),
                );
            }
            table.print(out);
        }
    });
    Exit::fine_if(fine)
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
                    kind: None,
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
