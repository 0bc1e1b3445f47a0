//! The registry of the demo: signed packs on loopback, vouched for by a throw-away authority.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use plumb_agent::{
    EmbeddedSettings, PackEngine, PackFetching, RunningAgent,
    fetch::{Ended, FetchConfig, FetchMode, SigstoreVerifier},
};
use plumb_bundle::{
    formats::{archive::Members, pack},
    json::Value,
};
use plumb_hub::{HubConfig, RunningHub, publish, serve_packs};
use plumb_pki::{Pki, Recipe};
use plumb_trust::{Identity, Profile, SigstoreRoot, TrustPolicy, Window};

use crate::bundles::{BUNDLE_ID, Files};

/// The workflow that signs the demo's packs, and who vouches for its name.
const SIGNER: &str = "https://git.example.com/payments/policies/release.yml@refs/heads/main";
const STRANGER: &str = "https://git.example.com/somebody/else/release.yml@refs/heads/main";
const ISSUER: &str = "https://token.example.com";
/// Packs were signed before the clock of any node of the demo.
const SIGNED_AGO: SignedDuration = SignedDuration::from_hours(2);
/// An agent that looks so rarely stays where it is until somebody tells it to sync.
const RARELY: Duration = Duration::from_hours(24);

/// How an agent learns of new packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Looks {
    AtOnce,
    Rarely,
}

/// Serves one pack, replaced as the demo's story goes on.
#[derive(Debug)]
pub(crate) struct Registry {
    hub: RunningHub,
    pki: Arc<Pki>,
    folder: PathBuf,
    root: String,
    signed_at: Timestamp,
}

impl Registry {
    pub(crate) async fn start(files: &Files) -> Result<Self> {
        let signed_at = Timestamp::now() - SIGNED_AGO;
        let pki = tokio::task::spawn_blocking(move || Pki::new(signed_at)).await??;
        let folder = files.folder.join("packs");
        fs::create_dir_all(&folder).context("the registry's folder cannot be made")?;
        let root = pki.trusted_root().to_string();
        write_trust(&files.folder.join("keys"), &root).context("the trust policy")?;
        let mut config = HubConfig::new(&folder);
        config.expected = vec![BUNDLE_ID.to_owned()];
        let hub = serve_packs(config).await.context("the registry")?;
        Ok(Self { hub, pki: Arc::new(pki), folder, root, signed_at })
    }

    /// Offers a signed bundle as a pack, from now on and instead of the one before.
    pub(crate) async fn offer(&self, bundle: &Path) -> Result<()> {
        self.offer_by(bundle, SIGNER).await
    }

    /// The same, signed by somebody the agents do not expect.
    pub(crate) async fn offer_by_stranger(&self, bundle: &Path) -> Result<()> {
        self.offer_by(bundle, STRANGER).await
    }

    async fn offer_by(&self, bundle: &Path, identity: &str) -> Result<()> {
        let bytes = fs::read(bundle).context("the bundle of a pack")?;
        let (pki, folder, signed_at) = (Arc::clone(&self.pki), self.folder.clone(), self.signed_at);
        let identity = identity.to_owned();
        let offered = tokio::task::spawn_blocking(move || {
            let files = Members::from([("policies/payments.signed.json".to_owned(), bytes)]);
            let manifest = Value::object([("id", Value::from(BUNDLE_ID))]);
            let tar = pack::write(&manifest, &files)?;
            let mut recipe = Recipe::new(tar.clone(), signed_at);
            recipe.identity = identity;
            ISSUER.clone_into(&mut recipe.issuer);
            let attestation = pki.issue(&recipe)?.bundle_json();
            publish(&folder, BUNDLE_ID, &tar, Some(attestation.as_bytes()))?;
            anyhow::Ok(())
        });
        offered.await??;
        self.hub.packs().refresh().context("the registry's folder")
    }

    /// What an agent fetches, whom it trusts to have signed it, and what answers by it.
    pub(crate) fn fetching(&self, folder: PathBuf, looks: Looks) -> Result<PackFetching> {
        let mut config = FetchConfig::new(&self.hub.pack_url(BUNDLE_ID), folder)?;
        match looks {
            Looks::AtOnce => config.mode = FetchMode::LongPoll,
            Looks::Rarely => config.interval = RARELY,
        }
        let mut policy = TrustPolicy::new(Profile::Logged);
        policy.add_root(SigstoreRoot::read("demo", self.root.as_bytes())?, Window::default())?;
        policy.add_identity(Identity::exact(SIGNER, ISSUER));
        let verifier = Arc::new(SigstoreVerifier::new(policy.checked()?));
        let mut settings = EmbeddedSettings::of_this_program().context("this program's path")?;
        settings.threads = 1;
        let engine = PackEngine::Embedded(Box::new(settings));
        Ok(PackFetching::new(config, verifier, engine))
    }

    pub(crate) async fn shutdown(self) {
        self.hub.shutdown().await;
    }
}

/// Lets an agent look now, and insists on how it ends.
pub(crate) async fn look(agent: &RunningAgent, expected: Ended) -> Result<()> {
    let packs = agent.packs().context("the agent fetches no packs")?;
    let attempt = packs.look().await.context("the registry was not asked")?;
    let as_expected = match expected {
        // The agent may have looked by itself a moment before.
        Ended::Activated => matches!(attempt.result, Ended::Activated | Ended::Current),
        expected => attempt.result == expected,
    };
    ensure!(as_expected, "the look ended otherwise than it should: {attempt:?}");
    Ok(())
}

/// The same trust in the form that `plumb agent serve` and `plumb trust simulate` read.
fn write_trust(keys: &Path, root: &str) -> std::io::Result<()> {
    fs::write(keys.join("pack-root.json"), root)?;
    let policy = format!(
        "[[root]]\nid = \"demo\"\nfile = \"pack-root.json\"\n\n[[identity]]\nname = \"{SIGNER}\"\nissuer = \"{ISSUER}\"\n"
    );
    fs::write(keys.join("pack-trust.toml"), policy)
}
