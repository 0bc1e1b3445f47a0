//! The mixed nodes and how each of them came to its state.

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context as _, Result, ensure};
use axum::{
    body::{Body, to_bytes},
    http::{Request, StatusCode},
};
use jiff::{SignedDuration, Timestamp};
use plumb_agent::{
    Agent, AgentConfig, BundleShare, Clock, RunningAgent,
    fetch::{Ended, HttpSource},
};
use plumb_fleet::{DriftState, NodeApi};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::{
    DemoNode, broken,
    broken::Listening,
    bundles::Files,
    opa,
    packs::{Looks, Registry, look},
    policies::Release,
    real_opa::{self, RealOpa},
    scale::Light,
};

/// How far the source of the stale node lies back: more than the 15 minutes of the threshold.
const STALE: SignedDuration = SignedDuration::from_mins(42);
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What runs so far.
#[derive(Debug)]
pub(crate) struct Fleet<'a> {
    pub(crate) files: &'a Files,
    registry: &'a Registry,
    pub(crate) nodes: Vec<DemoNode>,
    pub(crate) agents: Vec<RunningAgent>,
    pub(crate) others: Vec<Listening>,
}

/// How a node comes to its state.
#[derive(Debug, Clone, Copy)]
enum Story {
    /// An agent with this bundle as its default one.
    Runs(Release),
    /// It was offered a bundle by an unknown signer, refused it and kept what it had.
    RefusedStranger,
    /// Its source stopped confirming.
    SourceSilent,
    /// A reload service with this bundle.
    Field(Release),
    /// Its rules were changed in memory.
    RulesChanged,
    OpaReplay,
    Dead,
    Slow,
    Garbage,
}

const MIXED: [(&str, &str, &str, DriftState, Story); crate::NODES] = [
    ("eu-gw-001", "eu", "gateway", DriftState::InSync, Story::Runs(Release::Desired)),
    ("eu-ledger-001", "eu", "ledger", DriftState::InSync, Story::Field(Release::Desired)),
    ("eu-ledger-002", "eu", "ledger", DriftState::Tampered, Story::RulesChanged),
    ("eu-gw-002", "eu", "gateway", DriftState::Diverged, Story::Runs(Release::Hotfix)),
    ("us-gw-001", "us", "gateway", DriftState::Behind, Story::RefusedStranger),
    ("us-ledger-001", "us", "ledger", DriftState::Behind, Story::Field(Release::Old)),
    ("us-gw-002", "us", "gateway", DriftState::Ahead, Story::Runs(Release::Candidate)),
    ("us-gw-003", "us", "gateway", DriftState::Stale, Story::SourceSilent),
    ("eu-authz-001", "eu", "authorisation", DriftState::InSync, Story::OpaReplay),
    ("us-export-001", "us", "export", DriftState::Unreachable, Story::Dead),
    ("us-export-002", "us", "export", DriftState::Unreachable, Story::Slow),
    ("eu-export-001", "eu", "export", DriftState::Unknown, Story::Garbage),
];

impl<'a> Fleet<'a> {
    pub(crate) fn new(files: &'a Files, registry: &'a Registry) -> Self {
        Self { files, registry, nodes: Vec::new(), agents: Vec::new(), others: Vec::new() }
    }

    /// Starts the first so many of the mixed nodes, and the light ones: those that fetched something
    /// else than what is desired before it was published, and then the others.
    pub(crate) async fn start_agents(&mut self, mixed: usize, light: &mut Light) -> Result<()> {
        let mut started = Vec::new();
        let (late, early): (Vec<_>, Vec<_>) =
            MIXED.into_iter().take(mixed).enumerate().partition(|(_, (.., story))| story.is_late());
        for (index, entry) in early {
            started.push((index, self.start_one(entry).await?));
        }
        for release in [Release::Old, Release::Hotfix] {
            light.start(self, release).await?;
        }
        self.offer(Release::Desired).await?;
        for (index, entry) in late {
            started.push((index, self.start_one(entry).await?));
        }
        light.start(self, Release::Desired).await?;
        started.sort_by_key(|(index, _)| *index);
        self.nodes.extend(started.into_iter().map(|(_, node)| node));
        Ok(())
    }

    /// Publishes a release instead of the one before.
    pub(crate) async fn offer(&self, release: Release) -> Result<()> {
        self.registry.offer(&self.files.bundle(release)).await
    }

    async fn start_one(
        &mut self,
        (id, region, role, state, story): (&str, &'static str, &'static str, DriftState, Story),
    ) -> Result<DemoNode> {
        let (api, group, url) =
            self.start(id, story).await.with_context(|| format!("demo node {id}"))?;
        Ok(DemoNode { id: id.to_owned(), api, url, state, region, role, group })
    }

    /// Starts a real Open Policy Agent.
    pub(crate) async fn start_opa(&mut self, program: &Path) -> Result<RealOpa> {
        let opa = real_opa::start(program, self.files).await.context("demo node us-authz-001")?;
        self.nodes.push(DemoNode {
            id: "us-authz-001".to_owned(),
            api: NodeApi::Opa,
            url: opa.url.clone(),
            state: DriftState::InSync,
            region: "us",
            role: "authorisation",
            group: "opa",
        });
        Ok(opa)
    }

    async fn start(&mut self, id: &str, story: Story) -> Result<(NodeApi, &'static str, String)> {
        let agent = match story {
            Story::Runs(release) => self.runs(id, release).await?,
            Story::RefusedStranger => self.refused_stranger(id).await?,
            Story::SourceSilent => self.source_silent(id).await?,
            Story::Field(release) => {
                let agent = Agent::start(self.field(release)).await?;
                return Ok(self.keep(agent, NodeApi::Reload, "reload"));
            }
            Story::RulesChanged => {
                let agent = Agent::start(self.field(Release::Desired)).await?;
                change_rules(&agent).await?;
                return Ok(self.keep(agent, NodeApi::Reload, "reload"));
            }
            Story::OpaReplay => return Ok(self.hold(opa::replay().await?, NodeApi::Opa, "opa")),
            Story::Dead => return Ok(self.hold(broken::dead()?, NodeApi::Agent, "agents")),
            Story::Slow => return Ok(self.hold(broken::slow().await?, NodeApi::Agent, "agents")),
            Story::Garbage => {
                return Ok(self.hold(broken::garbage().await?, NodeApi::Reload, "reload"));
            }
        };
        Ok(self.keep(agent, NodeApi::Agent, "agents"))
    }

    fn keep(
        &mut self,
        agent: RunningAgent,
        api: NodeApi,
        group: &'static str,
    ) -> (NodeApi, &'static str, String) {
        let url = agent.url();
        self.agents.push(agent);
        (api, group, url)
    }

    fn hold(
        &mut self,
        other: Listening,
        api: NodeApi,
        group: &'static str,
    ) -> (NodeApi, &'static str, String) {
        let url = other.url.clone();
        self.others.push(other);
        (api, group, url)
    }

    /// An agent that runs the packs of the registry. Bundles beside it can still be verified.
    fn agent(&self, id: &str, looks: Looks) -> Result<AgentConfig> {
        let mut config = self.plain(Release::Desired);
        config.bundle_roots = vec![self.files.bundles.clone()];
        let folder = self.node_folder(id);
        config.packs = Some(self.registry.fetching(folder.join("packs"), looks)?);
        config.state_dir = Some(folder);
        Ok(config)
    }

    fn plain(&self, release: Release) -> AgentConfig {
        let mut config = AgentConfig::new(self.files.bundle(release), vec![self.files.trust()]);
        config.token = Some(SecretString::from(self.files.token.as_str()));
        config
    }

    /// What every light agent is started with, save its disk. It stays where it is until somebody tells
    /// it to sync.
    pub(crate) fn light(&self, share: &BundleShare) -> Result<AgentConfig> {
        let mut config = self.plain(Release::Desired);
        config.bundle_roots = vec![self.files.bundles.clone()];
        config.share = Some(share.clone());
        let mut packs = self.registry.fetching(self.node_folder("light"), Looks::Rarely)?;
        packs.source = Some(Arc::new(HttpSource::new(&packs.config, config.clock.clone())?));
        config.packs = Some(packs);
        Ok(config)
    }

    fn field(&self, release: Release) -> AgentConfig {
        let mut config = AgentConfig::new(self.files.bundle(release), vec![self.files.trust()]);
        config.field_compatible = true;
        config
    }

    fn node_folder(&self, id: &str) -> PathBuf {
        self.files.folder.join("nodes").join(id)
    }

    /// It fetches this release; what comes later it takes at once where it is the desired one, and
    /// else when it is told to.
    async fn runs(&self, id: &str, release: Release) -> Result<RunningAgent> {
        // What is desired came after a trial of the candidate and a return to the old one, so a pin
        // to either is honoured from the agent's own store.
        let (looks, releases) = match release {
            Release::Desired => {
                (Looks::AtOnce, vec![Release::Candidate, Release::Old, Release::Desired])
            }
            other => (Looks::Rarely, vec![other]),
        };
        let config = self.agent(id, looks)?;
        self.registry.offer(&self.files.bundle(releases[0])).await?;
        let agent = Agent::start(config).await?;
        for release in releases {
            self.registry.offer(&self.files.bundle(release)).await?;
            look(&agent, Ended::Activated).await?;
        }
        Ok(agent)
    }

    /// It refused a pack by somebody it does not know, and kept what it had.
    async fn refused_stranger(&self, id: &str) -> Result<RunningAgent> {
        let agent = self.runs(id, Release::Old).await?;
        self.registry.offer_by_stranger(&self.files.strange).await?;
        look(&agent, Ended::Failed).await.context("a stranger's pack got in")?;
        self.registry.offer(&self.files.bundle(Release::Old)).await?;
        look(&agent, Ended::Current).await?;
        Ok(agent)
    }

    /// The agent starts in the past and comes back to the present: since then nobody has confirmed.
    async fn source_silent(&self, id: &str) -> Result<RunningAgent> {
        let present = Arc::new(AtomicBool::new(false));
        let clock = Arc::clone(&present);
        let mut config = self.agent(id, Looks::Rarely)?;
        config.clock = Clock::new(move || {
            let now = Timestamp::now();
            if clock.load(Ordering::Acquire) { now } else { now - STALE }
        });
        let agent = Agent::start(config).await?;
        look(&agent, Ended::Activated).await?;
        present.store(true, Ordering::Release);
        Ok(agent)
    }
}

impl Story {
    /// Whether it needs the desired release to be the one on offer.
    fn is_late(self) -> bool {
        matches!(self, Self::Runs(Release::Desired) | Self::SourceSilent)
    }
}

async fn answer(agent: &RunningAgent, request: Request<Body>) -> Result<(StatusCode, String)> {
    let response = agent.call(request).await;
    let status = response.status();
    let body = to_bytes(response.into_body(), ANSWER_BYTES_MAX).await?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Opens two doors and leaves the version as it was.
async fn change_rules(agent: &RunningAgent) -> Result<()> {
    let (_, text) = answer(agent, Request::get("/rules").body(Body::empty())?).await?;
    let mut document: Value = serde_json::from_str(&text)?;
    for rule in document["rules"].as_array_mut().into_iter().flatten() {
        let prefix = rule["match"]["intent_prefix"].as_str();
        if prefix.is_some_and(|prefix| ["payments.void", "ledger.close"].contains(&prefix)) {
            rule["decision"]["action"] = json!("allow");
            rule["decision"]["reason"] = json!("temporary, ask Dana");
        }
    }
    let body = json!({ "rules": document["rules"] }).to_string();
    let (status, answer) = answer(agent, Request::post("/rules").body(Body::from(body))?).await?;
    ensure!(status.is_success(), "the rules could not be changed: {answer}");
    Ok(())
}
