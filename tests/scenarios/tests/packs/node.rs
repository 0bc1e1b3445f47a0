//! A node of a story: a real agent with the engine in its process.

use std::path::Path;

use plumb_agent::{
    Agent, AgentConfig, AlertConfig, AlertKind, PackFetching, RunningAgent, fetch::FetchMode,
};
use reqwest::Client;
use serde_json::Value;
use tokio::task::yield_now;

/// Each learns of new packs in its own way.
pub(crate) const NODES: [(&str, FetchMode); 3] = [
    ("gw-polling", FetchMode::Poll),
    ("gw-long-polling", FetchMode::LongPoll),
    ("gw-pushed", FetchMode::Push),
];

pub(crate) struct Node {
    pub(crate) name: &'static str,
    pub(crate) mode: FetchMode,
    pub(crate) agent: RunningAgent,
    client: Client,
}

impl Node {
    pub(crate) async fn start(
        name: &'static str,
        folder: &Path,
        fetching: PackFetching,
        alerts: &str,
    ) -> Self {
        let mode = fetching.config.mode;
        let mut config = AgentConfig::new("", Vec::new());
        config.state_dir = Some(folder.join("state"));
        config.packs = Some(fetching);
        let mut alerts = AlertConfig::new(alerts, AlertKind::Alertmanager);
        alerts.node = Some(name.to_owned());
        config.alerts = Some(alerts);
        let agent = Agent::start(config).await.expect("the agent starts");
        let client = Client::builder().no_proxy().build().expect("a client");
        Self { name, mode, agent, client }
    }

    /// The version of the pack that answers.
    pub(crate) async fn decides_by(&self) -> String {
        answer_of(&self.client, &self.agent.url()).await.unwrap_or_else(|| "nothing".to_owned())
    }

    pub(crate) async fn until_decided_by(&self, version: &str) {
        while self.decides_by().await != version {
            yield_now().await;
        }
    }

    pub(crate) async fn health(&self) -> Value {
        let asked = self.client.get(format!("{}/healthz", self.agent.url())).send().await;
        let text = asked.expect("the agent answers").text().await.expect("a body");
        serde_json::from_str(&text).expect("JSON")
    }

    /// Waits until the newest look ended for this cause.
    pub(crate) async fn until_cause(&self, cause: &str) -> Value {
        loop {
            let health = self.health().await;
            if health["policy"]["pack"]["last_look"]["cause"] == cause {
                return health;
            }
            yield_now().await;
        }
    }
}

/// The version a decision was made by; nothing where there was no decision. A decision of one version beside the
/// name of another ends the story.
pub(crate) async fn answer_of(client: &Client, url: &str) -> Option<String> {
    let asked = client.post(format!("{url}/v1/data/cos/abac")).body("{}").send().await.ok()?;
    if asked.status() != 200 {
        return None;
    }
    let document: Value = serde_json::from_str(&asked.text().await.ok()?).expect("JSON");
    let version = document["result"]["version"].as_str()?;
    let number: u32 = version.parse().expect("versions are numbers");
    assert_eq!(document["result"]["allow"], number.is_multiple_of(2), "a mixture: {document}");
    Some(version.to_owned())
}
