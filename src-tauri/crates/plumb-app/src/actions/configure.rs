//! Settings of nodes and subscriptions, asked now; and settings as they are typed.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use plumb_clients::operations;
use plumb_fleet::{Capability, Node, NodeApi, NodeFailure, NodeId, capabilities};
use plumb_wire::v1::{ConfigKey, ConfigValue};

use crate::{
    app::{App, Loaded},
    error::{AppError, Code},
    views::{
        bundles::SubscriptionView,
        configure::NodeConfigView,
        convert::{duration_words, ms},
        node::ConfigLine,
    },
};

/// Nodes asked at the same time.
const NODES_AT_ONCE: usize = 32;

/// A setting with its value as nodes tell it back, from both as they are typed.
pub(crate) fn setting(key: &str, value: &str) -> Result<(String, String), AppError> {
    let known = ConfigKey::from_name(key).ok_or_else(|| {
        AppError::new(
            Code::Invalid,
            format!("there is no setting {key:?}"),
            format!("the settings are {}", ConfigKey::ALL.map(ConfigKey::name).join(", ")),
        )
    })?;
    let value = match typed_value(known, value)? {
        ConfigValue::Flag(flag) => flag.to_string(),
        ConfigValue::Number(number) => number.to_string(),
        ConfigValue::Text(text) => text,
    };
    Ok((known.name().to_owned(), value))
}

/// The value of a setting as the wire has it.
pub(crate) fn wire_value(value: &str) -> ConfigValue {
    match (value.parse(), value.parse()) {
        (Ok(flag), _) => ConfigValue::Flag(flag),
        (_, Ok(number)) => ConfigValue::Number(number),
        _ => ConfigValue::Text(value.to_owned()),
    }
}

fn typed_value(key: ConfigKey, value: &str) -> Result<ConfigValue, AppError> {
    let wrong = |kind: &str| {
        AppError::new(
            Code::Invalid,
            format!("{}: {value:?} is not {kind}", key.name()),
            format!("give {kind}"),
        )
    };
    match key {
        ConfigKey::DeploymentLocking => {
            value.parse().map(ConfigValue::Flag).map_err(|_| wrong("true or false"))
        }
        ConfigKey::PollingMinDelay | ConfigKey::PollingMaxDelay => {
            value.parse().map(ConfigValue::Number).map_err(|_| wrong("a whole number of seconds"))
        }
    }
}

impl App {
    /// The settings of the named nodes, or of all, asked now.
    pub async fn node_config(
        &self,
        fleet: &str,
        nodes: Option<&[String]>,
    ) -> Result<Vec<NodeConfigView>, AppError> {
        let ids = self.chosen(fleet, nodes)?;
        let (_, loaded) = self.loaded(fleet)?;
        // Made before they are polled, for the reason given in `plumb-exec`.
        let asking: Vec<_> =
            ids.iter().map(|id| self.one_config(&loaded, &loaded.fleet.nodes[id])).collect();
        let mut views: Vec<NodeConfigView> =
            stream::iter(asking).buffer_unordered(NODES_AT_ONCE).collect().await;
        views.sort_by(|a, b| a.node.cmp(&b.node));
        Ok(views)
    }

    async fn one_config(&self, loaded: &Loaded, node: &Node) -> NodeConfigView {
        let reason = capabilities(node.api).cannot.get(&Capability::Config).cloned();
        let read = if node.api == NodeApi::Reload {
            Ok(BTreeMap::new())
        } else {
            self.read_config(loaded, node).await
        };
        let (settings, failure) = match read {
            Ok(settings) => (settings, None),
            Err(failure) => (BTreeMap::new(), Some(failure.message)),
        };
        NodeConfigView {
            node: node.id.to_string(),
            api: node.api.name().to_owned(),
            read_only_reason: reason,
            settings: lines(settings),
            failure,
        }
    }

    async fn read_config(
        &self,
        loaded: &Loaded,
        node: &Node,
    ) -> Result<BTreeMap<String, String>, NodeFailure> {
        let deadline = Duration::from_secs(u64::from(loaded.fleet.deadline_s));
        operations::config(&loaded.pool, node, deadline, &self.wall()).await
    }

    /// How one node follows its source, from its settings now and its newest report.
    pub async fn check_subscription(
        &self,
        fleet: &str,
        node: &str,
    ) -> Result<SubscriptionView, AppError> {
        let (_, loaded) = self.loaded(fleet)?;
        let node = loaded.node(node)?;
        let settings = if node.api == NodeApi::Reload {
            BTreeMap::new()
        } else {
            self.read_config(&loaded, node).await.map_err(|failure| {
                AppError::new(
                    Code::Unreachable,
                    format!("{}: {}", node.id, failure.message),
                    "look at the node and the way there",
                )
            })?
        };
        let current = self.current(fleet).await?;
        let report = current.report(&node.id);
        let watch = report.and_then(|report| report.config.get("agent.watch"));
        let confirmed = report.and_then(|report| report.confirmed_at.as_ref()).map(|at| at.value);
        let kept = settings.into_iter().filter(|(key, _)| key.contains("bundle"));
        let subscription = Subscription {
            api: node.api,
            settings: kept.collect(),
            watch: watch.is_some_and(|watch| watch == "true"),
            confirmed,
            age_s_max: i64::from(loaded.fleet.thresholds.digest_age_s),
        };
        Ok(subscription.view(&node.id, self.now()))
    }
}

struct Subscription {
    api: NodeApi,
    settings: BTreeMap<String, String>,
    watch: bool,
    confirmed: Option<Timestamp>,
    age_s_max: i64,
}

impl Subscription {
    fn polls(&self) -> bool {
        match self.api {
            NodeApi::Reload => false,
            NodeApi::Agent => self.settings.contains_key(ConfigKey::PollingMaxDelay.name()),
            NodeApi::Opa => self.settings.keys().any(|key| key.starts_with("bundles.")),
        }
    }

    fn view(self, node: &NodeId, now: Timestamp) -> SubscriptionView {
        let follows = match (self.polls(), self.watch) {
            (true, true) => "polling and watch",
            (true, false) => "polling",
            (false, true) => "watch",
            (false, false) => "none",
        };
        let age_s = self.confirmed.map(|at| now.as_second() - at.as_second());
        let (healthy, why, remedy) = match (follows, age_s) {
            ("none", _) if self.api == NodeApi::Reload => (
                true,
                "the reload service follows nothing: it runs what the last reload named".to_owned(),
                None,
            ),
            ("none", _) => (
                false,
                "it follows no source".to_owned(),
                Some("configure a bundle, or let it poll or watch its folder"),
            ),
            (_, None) => (
                false,
                "its source has never confirmed what it runs".to_owned(),
                Some("look at its logs and at its source"),
            ),
            (_, Some(age_s)) if age_s > self.age_s_max => (
                false,
                format!("its source last confirmed the digest {} ago", duration_words(age_s)),
                Some("look at its source; then sync the node with --force"),
            ),
            (_, Some(age_s)) => (
                true,
                format!("its source confirmed the digest {} ago", duration_words(age_s)),
                None,
            ),
        };
        SubscriptionView {
            node: node.to_string(),
            api: self.api.name().to_owned(),
            now_ms: ms(now),
            follows: follows.to_owned(),
            settings: lines(self.settings),
            confirmed_at_ms: self.confirmed.map(ms),
            age_s_max: self.age_s_max,
            healthy,
            why,
            remedy: remedy.map(str::to_owned),
        }
    }
}

fn lines(settings: BTreeMap<String, String>) -> Vec<ConfigLine> {
    settings.into_iter().map(|(key, value)| ConfigLine { key, value }).collect()
}
