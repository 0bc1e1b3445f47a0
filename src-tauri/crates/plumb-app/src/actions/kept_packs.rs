//! The packs that agents have stored, with what vouches for each, asked now: what must go on verifying when trust
//! changes.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::{StreamExt as _, stream};
use plumb_clients::operations;
use plumb_fleet::{Digest, Node, NodeApi};
use plumb_wire::v1::{FoundBundle, FoundPack, PackRole};

use crate::{
    app::{App, Loaded},
    error::AppError,
    queries::kept::{Holder, UnknownBundle},
};

/// Agents asked at the same time.
const NODES_AT_ONCE: usize = 32;

/// The stored packs of a fleet's agents.
#[derive(Debug, Default)]
pub struct KeptPacks {
    /// Each digest with each of its attestations once, with every node that holds them.
    pub packs: Vec<KeptPack>,
    /// What cannot be judged, and why.
    pub unknown: Vec<UnknownBundle>,
}

/// A pack as it is judged: by its digest, without its bytes.
#[derive(Debug)]
pub struct KeptPack {
    /// SHA-256 of the tar.
    pub digest: Digest,
    /// A Sigstore bundle, as the registry gave it.
    pub attestation: Vec<u8>,
    /// The version inside, where the agent still trusts it.
    pub version: Option<String>,
    pub holders: Vec<Holder>,
}

impl App {
    /// The active and last-known-good packs of every agent, asked now.
    pub async fn kept_packs(&self, fleet: &str) -> Result<KeptPacks, AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        let agents = loaded.fleet.nodes.values().filter(|node| node.api == NodeApi::Agent);
        // Made before they are polled, for the reason given in `plumb-exec`.
        let asking: Vec<_> = agents.map(|node| self.stored_packs(&loaded, node)).collect();
        let mut answers: Vec<_> =
            stream::iter(asking).buffer_unordered(NODES_AT_ONCE).collect().await;
        answers.sort_by(|(one, _), (other, _)| one.id.cmp(&other.id));
        let mut packs = BTreeMap::new();
        let mut unknown = Vec::new();
        for (node, found) in answers {
            match found {
                Ok(found) => {
                    for bundle in found {
                        if let Err(one) = add(&mut packs, node, bundle) {
                            unknown.push(one);
                        }
                    }
                }
                Err(problem) => unknown.push(unjudged(node, "packs", problem)),
            }
        }
        Ok(KeptPacks { packs: packs.into_values().collect(), unknown })
    }

    async fn stored_packs<'n>(
        &self,
        loaded: &Loaded,
        node: &'n Node,
    ) -> (&'n Node, Result<Vec<FoundBundle>, String>) {
        let deadline = Duration::from_secs(u64::from(loaded.fleet.deadline_s));
        let found = operations::bundles(&loaded.pool, node, deadline, &self.wall()).await;
        (node, found.map(|found| found.bundles).map_err(|failure| failure.message))
    }
}

/// Files below the roots are no packs; they are judged where they are at hand.
fn add(
    packs: &mut BTreeMap<(Digest, Vec<u8>), KeptPack>,
    node: &Node,
    bundle: FoundBundle,
) -> Result<(), UnknownBundle> {
    let Some(FoundPack { role, digest, attestation }) = bundle.pack else { return Ok(()) };
    let role = match role {
        PackRole::Active => "active",
        PackRole::Lkg => "lkg",
    };
    let unreadable =
        |problem: String| unjudged(node, role, format!("its agent tells nonsense: {problem}"));
    let digest: Digest = digest.parse().map_err(|error| unreadable(format!("{error}")))?;
    let attestation =
        STANDARD.decode(attestation).map_err(|error| unreadable(format!("{error}")))?;
    let pack = packs.entry((digest, attestation.clone())).or_insert_with(|| KeptPack {
        digest,
        attestation,
        version: None,
        holders: Vec::new(),
    });
    pack.version = pack.version.take().or(bundle.version);
    pack.holders.push(Holder { node: node.id.to_string(), role });
    Ok(())
}

fn unjudged(node: &Node, role: &'static str, problem: String) -> UnknownBundle {
    UnknownBundle { holder: Holder { node: node.id.to_string(), role }, problem }
}
