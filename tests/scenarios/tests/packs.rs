//! Each `input/packs/*.txt` is a story of a registry of packs and of nodes that fetch from it; what is shown must
//! equal `output/packs/*.txt`.
//!
//! Registry, attestations, verification, engine, alerts and load are real, on loopback. Times, ports and digests are
//! not shown.

#[path = "packs/node.rs"]
mod node;
#[path = "packs/outside.rs"]
mod outside;

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use node::{NODES, Node, answer_of};
use outside::{Desk, Offer, Registry};
use reqwest::Client;
use scenarios_tests::{assert_as_kept, scripts};
use tempfile::TempDir;
use tokio::{task::JoinHandle, time::timeout};

/// Decisions have to change within this time (R162, R191, R219).
const IN_FORCE_WITHIN: Duration = Duration::from_secs(30);
/// A cause may be told only after a held request has ended and was asked again, with pauses between.
const TOLD_WITHIN: Duration = Duration::from_mins(2);
/// Highest share of decisions that may fail (R191, R220).
const ERROR_SHARE_MAX: f64 = 0.005;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn transcripts_are_as_they_were() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut shown = BTreeMap::new();
    for (name, script) in scripts(&folder.join("input/packs")) {
        shown.insert(name, play(&script).await);
    }
    assert_as_kept(&folder.join("output/packs"), shown);
}

async fn play(script: &str) -> String {
    let folder = TempDir::new().expect("a folder");
    let registry = Registry::start(&folder.path().join("registry")).await;
    let desk = Desk::start().await;
    let mut story =
        Story { folder, registry, desk, nodes: Vec::new(), load: None, shown: String::new() };
    for line in script.lines().filter(|line| !line.is_empty()) {
        writeln!(story.shown, "{line}").expect("writing to a string");
        if !line.starts_with('#') {
            story.step(line).await;
        }
    }
    for node in story.nodes {
        node.agent.shutdown().await;
    }
    story.shown
}

struct Story {
    folder: TempDir,
    registry: Registry,
    desk: Desk,
    nodes: Vec<Node>,
    load: Option<Load>,
    shown: String,
}

impl Story {
    fn say(&mut self, line: impl std::fmt::Display) {
        writeln!(self.shown, "    {line}").expect("writing to a string");
    }

    async fn step(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["publish", version, how @ ..] => {
                let offer = Offer::of(&how.join(" "));
                self.registry.publish(version, offer);
                match offer.cause() {
                    None => self.decided_by(version).await,
                    Some(cause) => self.refused(cause, offer.is_alerted()).await,
                }
            }
            ["start"] => {
                for (name, mode) in NODES {
                    let folder = self.folder.path().join(name);
                    let fetching = self.registry.fetching(&folder, mode);
                    self.nodes.push(Node::start(name, &folder, fetching, self.desk.url()).await);
                }
                self.decided_by("1").await;
            }
            ["restart"] => {
                for node in std::mem::take(&mut self.nodes) {
                    let (name, mode) = (node.name, node.mode);
                    node.agent.shutdown().await;
                    let folder = self.folder.path().join(name);
                    let fetching = self.registry.fetching(&folder, mode);
                    let node = Node::start(name, &folder, fetching, self.desk.url()).await;
                    self.say(format_args!("{name} decides by {}", node.decides_by().await));
                    self.nodes.push(node);
                }
            }
            ["registry", "down"] => {
                self.registry.close().await;
                self.refused("registry_down", false).await;
            }
            ["registry", "up"] => self.registry.open().await,
            ["load"] => self.load = Some(Load::start(&self.nodes)),
            ["load", "ends"] => {
                let load = self.load.take().expect("a load was begun");
                let few = load.end().await <= ERROR_SHARE_MAX;
                self.say(if few {
                    "at most 0.5 % of decisions failed"
                } else {
                    "MORE than 0.5 % of decisions failed"
                });
            }
            _ => panic!("no such step: {line}"),
        }
    }

    /// Waits until every node decides by this version.
    async fn decided_by(&mut self, version: &str) {
        let deadline = tokio::time::Instant::now() + IN_FORCE_WITHIN;
        for node in &self.nodes {
            let until = tokio::time::timeout_at(deadline, node.until_decided_by(version));
            let in_time = until.await.is_ok();
            assert!(in_time, "{} does not decide by {version}: {}", node.name, node.health().await);
        }
        let names: Vec<_> = self.nodes.iter().map(|node| node.name).collect();
        for name in names {
            self.say(format_args!("{name} decides by {version}"));
        }
    }

    /// Waits until every node tells this cause, and the desk has heard of it where it is a matter of trust.
    async fn refused(&mut self, cause: &str, alerted: bool) {
        let mut lines = Vec::new();
        for node in &self.nodes {
            let health = timeout(TOLD_WITHIN, node.until_cause(cause)).await;
            let health = health.unwrap_or_else(|_| panic!("{} never tells {cause}", node.name));
            let fallback = if health["policy"]["fallback_active"] == true {
                ", what it was offered is newer"
            } else {
                ""
            };
            let version = node.decides_by().await;
            lines.push(format!("{} {cause}: decides by {version}{fallback}", node.name));
            if alerted {
                let audience = timeout(IN_FORCE_WITHIN, self.desk.told(node.name, cause)).await;
                let audience = audience.unwrap_or_else(|_| panic!("nobody heard of {cause}"));
                lines.push(format!("{} alerts {audience}", node.name));
            }
        }
        for line in lines {
            self.say(line);
        }
    }
}

/// Questions to every node, one after the other, until it ends.
struct Load {
    done: Arc<AtomicBool>,
    asked: Arc<AtomicU64>,
    failed: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(nodes: &[Node]) -> Self {
        let (done, asked, failed) = (Arc::default(), Arc::default(), Arc::default());
        let ask = |url: String| {
            let (done, asked, failed): (Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>) =
                (Arc::clone(&done), Arc::clone(&asked), Arc::clone(&failed));
            tokio::spawn(async move {
                let client = Client::builder().no_proxy().build().expect("a client");
                while !done.load(Ordering::Acquire) {
                    asked.fetch_add(1, Ordering::Relaxed);
                    if answer_of(&client, &url).await.is_none() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            })
        };
        let tasks = nodes.iter().map(|node| ask(node.agent.url())).collect();
        Self { done, asked, failed, tasks }
    }

    /// The share that failed.
    async fn end(self) -> f64 {
        self.done.store(true, Ordering::Release);
        for task in self.tasks {
            task.await.expect("no answer was a mixture of two packs");
        }
        let (failed, asked) =
            (self.failed.load(Ordering::Relaxed), self.asked.load(Ordering::Relaxed));
        assert!(asked > 1_000, "only {asked} questions were asked");
        failed as f64 / asked as f64
    }
}
