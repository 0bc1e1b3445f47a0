//! Nodes: what they run, what they were told, and what they remember of requests.

use std::collections::{BTreeMap, BTreeSet};

use plumb_exec::Observation;
use plumb_fleet::{ContentDigest, NamedContent, NodeApi, NodeId, PlanHash, RunId};
use plumb_journal::EffectOutcome;
use plumb_runbook::Effect;
use plumb_testkit::{builders::World, clock::start};
use tokio::time::Instant;

use crate::checker::{Checker, Seen};

/// One node.
#[derive(Debug, Clone)]
pub struct Node {
    pub api: NodeApi,
    pub up: bool,
    pub runs: Option<NamedContent>,
    pub pinned: Option<NamedContent>,
    /// What it keeps of what it was set to.
    pub settings: BTreeMap<String, String>,
    /// Where a return to last-known-good leads.
    good: Option<NamedContent>,
    /// What it runs when every load it accepted is done.
    heading: Option<NamedContent>,
    /// Counts loads; a load that is overtaken by a newer one does not take place.
    generation: u64,
    loads: u64,
    /// Says no to every load, as with a key it does not trust.
    pub refuses: bool,
    /// From accepting a load to running it, in milliseconds.
    pub arrives_after_ms: u64,
    /// An agent remembers keys, and the run that a plan belongs to.
    answers: BTreeMap<String, EffectOutcome>,
    plans: BTreeMap<PlanHash, RunId>,
    /// Somebody else changed it behind the back of every run.
    pub flipped: bool,
    /// When that was last.
    pub flipped_at: Option<Instant>,
    /// Runs that changed it.
    pub changed_by: BTreeSet<RunId>,
}

/// All nodes, and the files a bundle folder has.
#[derive(Debug)]
pub struct Nodes {
    pub by_id: BTreeMap<NodeId, Node>,
    files: BTreeMap<String, NamedContent>,
    began: Instant,
}

/// A load that a node accepted and has not finished.
#[derive(Debug)]
pub struct Loading {
    node: NodeId,
    generation: u64,
    brings: NamedContent,
    pub after_ms: u64,
}

impl Nodes {
    pub fn of(world: &World) -> Self {
        let node = |id: &NodeId| {
            let report = world.snapshot.nodes[id].report.as_deref();
            let runs = report.and_then(|report| {
                let version = report.version.as_ref()?.value.clone();
                Some(NamedContent { version, content: report.content.as_ref()?.value })
            });
            Node {
                api: world.fleet.nodes[id].api,
                up: true,
                heading: runs.clone(),
                runs,
                pinned: report.and_then(|r| r.pinned.as_ref()).map(|pin| pin.value.clone()),
                settings: report.map(|r| r.config.clone()).unwrap_or_default(),
                good: report
                    .and_then(|r| r.last_known_good.as_ref())
                    .map(|good| good.value.clone()),
                generation: 0,
                loads: 0,
                refuses: false,
                arrives_after_ms: 0,
                answers: BTreeMap::new(),
                plans: BTreeMap::new(),
                flipped: false,
                flipped_at: None,
                changed_by: BTreeSet::new(),
            }
        };
        let ids = world.fleet.nodes.keys();
        let file = |entry: &plumb_fleet::CatalogueEntry| {
            let (version, content) = (entry.version.clone(), entry.content);
            (entry.file.clone(), NamedContent { version, content })
        };
        Self {
            by_id: ids.map(|id| (id.clone(), node(id))).collect(),
            files: world.desired.catalogue.entries.iter().map(file).collect(),
            began: Instant::now(),
        }
    }

    /// What a node shows to somebody who looks.
    pub fn observe(&self, id: &NodeId) -> Result<Observation, String> {
        let node = self.by_id.get(id).ok_or("there is no such node")?;
        if !node.up {
            return Err("connection refused".to_owned());
        }
        let agent = node.api == NodeApi::Agent;
        let loads = i64::try_from(node.loads).unwrap_or(i64::MAX);
        Ok(Observation {
            version: node.runs.as_ref().map(|runs| runs.version.clone()),
            content: node.runs.as_ref().map(|runs| runs.content),
            loaded_at: Some(start() + jiff::SignedDuration::from_secs(loads - 86_400)),
            pinned: node.pinned.clone(),
            unpinned: agent && node.pinned.is_none(),
            settings: if agent { node.settings.clone() } else { BTreeMap::new() },
        })
    }

    /// A request arrives at a node. Nothing is answered by one that is down.
    pub fn deliver(
        &mut self,
        seen: &Seen,
        checker: &mut Checker,
    ) -> Option<(EffectOutcome, Option<Loading>)> {
        let node = self.by_id.get_mut(&seen.node).filter(|node| node.up)?;
        let agent = node.api == NodeApi::Agent;
        if agent && let Some(answer) = node.answers.get(&seen.key) {
            return Some((answer.clone(), None));
        }
        if agent && *node.plans.entry(seen.plan).or_insert(seen.run) != seen.run {
            let message = "this plan was carried out by another run".to_owned();
            return Some((EffectOutcome::Refused { message }, None));
        }
        let result = Self::apply(node, seen, &self.files);
        let (outcome, loading) = match result {
            Ok(loading) => {
                if !matches!(seen.effect, Effect::Verify { .. }) {
                    checker.applies(&seen.key);
                    node.changed_by.insert(seen.run);
                }
                (EffectOutcome::Accepted { detail: seen.effect.sentence() }, loading)
            }
            Err(message) => (EffectOutcome::Refused { message: message.to_owned() }, None),
        };
        if agent {
            node.answers.insert(seen.key.clone(), outcome.clone());
        }
        Some((outcome, loading))
    }

    fn apply(
        node: &mut Node,
        seen: &Seen,
        files: &BTreeMap<String, NamedContent>,
    ) -> Result<Option<Loading>, &'static str> {
        let loads = matches!(
            seen.effect,
            Effect::Verify { .. }
                | Effect::Reload { .. }
                | Effect::Sync { .. }
                | Effect::Rollback { .. }
        );
        if node.api != NodeApi::Agent
            && !matches!(seen.effect, Effect::Verify { .. } | Effect::Reload { .. })
        {
            return Err("it cannot do that");
        }
        if loads && node.refuses {
            return Err("bad signature");
        }
        let brings = match &seen.effect {
            Effect::Verify { path } | Effect::Reload { path } => {
                let file = path.rsplit('/').next().unwrap_or(path);
                files.get(file).cloned().ok_or("no such file")?
            }
            // Loads are made one after the other, so what counts is where the last one leads.
            Effect::Sync { .. } => match (&node.pinned, &node.heading) {
                (None, _) => return Err("no version is pinned"),
                (Some(pinned), Some(heading)) if pinned == heading => return Ok(None),
                (Some(pinned), _) => pinned.clone(),
            },
            Effect::Pin { version, content } => {
                node.pinned = Some(NamedContent { version: version.clone(), content: *content });
                return Ok(None);
            }
            Effect::Serve { version, content, .. } => {
                NamedContent { version: version.clone(), content: *content }
            }
            Effect::Unpin { .. } => {
                node.pinned = None;
                return Ok(None);
            }
            Effect::Rollback { to: None } => node.good.clone().ok_or("nothing to return to")?,
            Effect::Rollback { to: Some(version) } => {
                let kept = node.good.iter().chain(files.values());
                kept.into_iter().find(|one| one.version == *version).cloned().ok_or("not kept")?
            }
            Effect::SetConfig { key, value, .. } => {
                node.settings.insert(key.clone(), value.clone());
                return Ok(None);
            }
            // It reads again what it was to run when it went down.
            Effect::Restart => node.heading.clone().ok_or("it runs nothing")?,
        };
        if matches!(seen.effect, Effect::Verify { .. }) {
            return Ok(None);
        }
        node.heading = Some(brings.clone());
        node.generation += 1;
        let (generation, after_ms) = (node.generation, node.arrives_after_ms);
        Ok(Some(Loading { node: seen.node.clone(), generation, brings, after_ms }))
    }

    /// A load is finished, unless a newer one overtook it.
    pub fn loaded(&mut self, loading: Loading) {
        if let Some(node) = self.by_id.get_mut(&loading.node)
            && node.generation == loading.generation
        {
            node.runs = Some(loading.brings);
            node.loads = self.began.elapsed().as_secs() + 1;
        }
    }

    /// Somebody else changes a node, past the console.
    pub fn flip(&mut self, id: &NodeId, to: NamedContent) {
        if let Some(node) = self.by_id.get_mut(id) {
            node.generation += 1;
            node.heading = Some(to.clone());
            node.runs = Some(to);
            (node.flipped, node.flipped_at) = (true, Some(Instant::now()));
        }
    }

    /// Somebody else changes a setting of a node, past the console.
    pub fn set_by_hand(&mut self, id: &NodeId, key: &str, value: &str) {
        if let Some(node) = self.by_id.get_mut(id) {
            node.settings.insert(key.to_owned(), value.to_owned());
            (node.flipped, node.flipped_at) = (true, Some(Instant::now()));
        }
    }

    pub fn content(&self, id: &NodeId) -> Option<ContentDigest> {
        self.by_id.get(id)?.runs.as_ref().map(|runs| runs.content)
    }
}
