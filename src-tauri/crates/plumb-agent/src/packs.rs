//! Packs in an agent: brought into force, told about, and taken back when they do not prove themselves.

mod changes;
mod engine;
mod observe;
mod trial;

use std::{sync::Arc, time::Duration};

use futures::{FutureExt as _, future::BoxFuture};
use plumb_fleet::BundleDigest;
use plumb_wire::v1::{SignatureStatus, SignatureVerdict};

pub(crate) use self::{
    engine::EmbeddedEngine,
    observe::{PackHealth, Told, observer},
    trial::{Trials, watch},
};
pub use self::{
    engine::{EmbeddedSettings, PackEngine},
    trial::TrialLimits,
};
use crate::{
    chain::chain,
    core::{Core, PackPlace, Place},
    engine::LoadedPolicy,
    fetch::{Activate, Activated, Refused, VerifiedPack},
    find::Wanted,
    load::{Engine, Loaded, Policies, load_bytes},
    reload::{Ready, blocking},
};

/// Scheme of packs in `signature`.
const SCHEME: &str = "sigstore";

/// Brings packs into force in this agent, and in the engine beside it where there is one.
#[derive(Debug)]
pub(crate) struct PackActivation {
    core: Arc<Core>,
    beside: Option<Arc<dyn Activate>>,
}

impl PackActivation {
    pub(crate) fn new(core: Arc<Core>, engine: &PackEngine) -> Self {
        let beside = match engine {
            PackEngine::Embedded(_) => None,
            PackEngine::Beside(engine) => Some(Arc::clone(engine)),
        };
        Self { core, beside }
    }

    /// Nothing is swapped before everything else is done, so a future that is dropped changed nothing.
    async fn bring(&self, pack: &VerifiedPack) -> Result<Activated, Refused> {
        // Before an engine beside the agent changes, so that both change in the same order.
        let _turn = self.core.turn.lock().await;
        let admitted = self.core.admitted(pack.bundle().content);
        admitted.map_err(|error| refused(error.full_text()))?;
        let signed = pack.pack().signed_bundle().map_err(|error| refused(chain(&error)))?;
        let (loaded, activated) = match (signed, &self.beside) {
            (Some((_, bytes)), None) => {
                (self.first_match(bytes.to_vec()).await?, Activated::default())
            }
            (Some((path, _)), Some(_)) => {
                let text = format!("{path} is a first-match list, and an engine of Rego is asked");
                return Err(refused(text));
            }
            (None, Some(beside)) => {
                let activated = beside.activate(pack).await?;
                (Arc::new(rego(pack, Engine::Beside)), activated)
            }
            (None, None) => {
                let policy = self.embedded(pack).await?;
                (Arc::new(rego(pack, Engine::Here(policy))), Activated::default())
            }
        };
        let place = PackPlace {
            url: self.core.packs_url(),
            digest: pack.digest(),
            report: pack.report().clone(),
        };
        let ready = Ready { bundle: loaded, place: Place::Pack(Arc::new(place)) };
        let taken = self.core.put_in_force(ready);
        taken.map_err(|error| refused(error.full_text()))?;
        Ok(activated)
    }

    /// A signed JSON bundle goes the way of every other one: signature, expiry, rules.
    async fn first_match(&self, bytes: Vec<u8>) -> Result<Arc<Loaded>, Refused> {
        let core = Arc::clone(&self.core);
        let loaded = blocking(move |reply| {
            let read = load_bytes(bytes, core.checks());
            let result = read.result.and_then(|bundle| core.unexpired(bundle));
            let _ = reply.send(result);
            drop(read.bytes);
        });
        loaded.await.map_err(|error| refused(error.full_text()))
    }

    async fn embedded(&self, pack: &VerifiedPack) -> Result<LoadedPolicy, Refused> {
        let engine = self.core.engine.as_ref();
        let engine =
            engine.ok_or_else(|| refused("there is no engine for Rego here".to_owned()))?;
        engine.load(pack, self.core.now()).await.map_err(|error| refused(chain(&error)))
    }
}

impl Activate for PackActivation {
    fn activate<'a>(&'a self, pack: &'a VerifiedPack) -> BoxFuture<'a, Result<Activated, Refused>> {
        self.bring(pack).boxed()
    }

    fn wants(&self) -> Option<String> {
        let pinned = self.core.book().durable.pinned.clone()?;
        Some(format!("{} {:?} {:?}", pinned.version, pinned.digest, pinned.content))
    }

    fn accepts(&self, pack: &VerifiedPack) -> Result<(), Refused> {
        let admitted = self.core.admitted(pack.bundle().content);
        admitted.map_err(|error| refused(error.full_text()))?;
        let pinned = self.core.book().durable.pinned.as_ref().map(Wanted::from);
        match pinned {
            Some(pinned) if !is_wanted(&pinned, pack) => {
                let version = &pack.bundle().version;
                let (offered, wanted) = (pack.bundle().content, pinned.shown());
                let text = format!(
                    "the registry offers {version} with content {}, and this node is pinned to {wanted}",
                    offered.short()
                );
                Err(refused(text))
            }
            _ => Ok(()),
        }
    }
}

/// Whether a pack is the one that is meant. A pack of a signed bundle answers to the digest of either.
pub(crate) fn is_wanted(wanted: &Wanted, pack: &VerifiedPack) -> bool {
    let bundle = pack.bundle();
    let inner = || match pack.pack().signed_bundle() {
        Ok(Some((_, bytes))) => Some(plumb_fleet::Digest::of(bytes).to_hex()),
        _ => None,
    };
    let is_digest =
        |digest: &String| *digest == pack.digest().to_hex() || inner().as_ref() == Some(digest);
    wanted.version == bundle.version.as_str()
        && wanted.content.as_ref().is_none_or(|content| *content == bundle.content.to_string())
        && wanted.digest.as_ref().is_none_or(is_digest)
}

fn rego(pack: &VerifiedPack, engine: Engine) -> Loaded {
    let bundle = Arc::clone(pack.bundle());
    Loaded {
        digest: BundleDigest(pack.digest()),
        content: bundle.content,
        refs: bundle.policy_refs(),
        // The checks of the attestation are told with the place it came from.
        signature: SignatureStatus {
            verdict: SignatureVerdict::Valid,
            scheme: SCHEME.to_owned(),
            key: String::new(),
            checks: Vec::new(),
        },
        policies: Policies::Rego { bundle, engine },
    }
}

fn refused(reason: String) -> Refused {
    Refused { reason }
}

/// Longest time for one decision in this process; the field calls a slower one failed.
pub(crate) const DECISION_LIMIT: Duration = Duration::from_secs(1);
