//! Settings of nodes, lifted pins and subscriptions: what is asked of nodes one by one, without a plan.

use std::{collections::BTreeMap, time::Duration};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use plumb_clients::{
    Attempt, HttpPool, Now, Operation, Outcome,
    operations::{self, curl},
    perform,
};
use plumb_fleet::{Capability, Fleet, Node, NodeApi, NodeFailure, NodeId, capabilities};
use plumb_wire::v1::{ConfigKey, ConfigValue};

use crate::{
    app::{App, Loaded},
    error::{AppError, Code},
    views::{
        bundles::SubscriptionView,
        configure::{
            ChangeOutcome, ChangePreview, ChangeView, NodeBefore, NodeChange, NodeConfigView,
        },
        convert::{duration_words, ms},
        node::ConfigLine,
        plan::{ConfirmationView, LeftOut},
    },
};

/// Nodes asked at the same time.
const NODES_AT_ONCE: usize = 32;
/// How long a node may take to change a setting or lift a pin.
const CHANGE_DEADLINE: Duration = Duration::from_secs(15);

/// A change that is one request to each node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeRequest {
    /// Set a dotted key to a value as typed.
    Set { key: String, value: String },
    /// Lift the pin of nodes, or of the whole fleet with all pins of its nodes.
    Unpin,
}

impl NodeRequest {
    fn title(&self) -> String {
        match self {
            Self::Set { key, value } => format!("Set {key} to {value}"),
            Self::Unpin => "Lift the pin".to_owned(),
        }
    }

    fn operation(&self) -> Result<Operation, AppError> {
        match self {
            Self::Unpin => Ok(Operation::Unpin),
            Self::Set { key, value } => {
                let known = ConfigKey::from_name(key).ok_or_else(|| {
                    AppError::new(
                        Code::Invalid,
                        format!("there is no setting {key:?}"),
                        format!(
                            "the settings are {}",
                            ConfigKey::ALL.map(ConfigKey::name).join(", ")
                        ),
                    )
                })?;
                Ok(Operation::ConfigSet { key: key.clone(), value: typed_value(known, value)? })
            }
        }
    }

    const fn capability(&self) -> Capability {
        match self {
            Self::Set { .. } => Capability::Config,
            Self::Unpin => Capability::Pin,
        }
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

    /// What a change would do to which nodes, and what it takes to make it.
    pub async fn preview_change(
        &self,
        fleet: &str,
        nodes: Option<&[String]>,
        request: &NodeRequest,
    ) -> Result<ChangePreview, AppError> {
        let operation = request.operation()?;
        let (_, loaded) = self.loaded(fleet)?;
        writable(&loaded.fleet)?;
        let (targets, left_out) = self.able(fleet, nodes, request, &loaded)?;
        let before: Vec<NodeBefore> = match request {
            NodeRequest::Set { key, .. } => {
                let names: Vec<String> = targets.iter().map(ToString::to_string).collect();
                let read = if names.is_empty() {
                    Vec::new()
                } else {
                    self.node_config(fleet, Some(&names)).await?
                };
                read.into_iter()
                    .map(|node| NodeBefore {
                        before: node
                            .settings
                            .into_iter()
                            .find(|line| line.key == *key)
                            .map(|line| line.value),
                        node: node.node,
                    })
                    .collect()
            }
            NodeRequest::Unpin => {
                let current = self.current(fleet).await?;
                targets
                    .iter()
                    .map(|id| NodeBefore {
                        node: id.to_string(),
                        before: current.desired.of(id).map(|want| want.version.to_string()),
                    })
                    .collect()
            }
        };
        let whole = nodes.is_none() && *request == NodeRequest::Unpin;
        Ok(ChangePreview {
            fleet: loaded.fleet.name.to_string(),
            environment: loaded.fleet.environment.clone(),
            title: request.title(),
            curl: targets
                .iter()
                .take(24)
                .flat_map(|id| curl(&loaded.fleet.nodes[id], &operation))
                .collect(),
            confirmation: ladder(&loaded.fleet, targets.len(), whole),
            nodes: before,
            left_out,
        })
    }

    /// Makes the change at every node that can do it. `typed` is the phrase, where one is asked for.
    pub async fn change_nodes(
        &self,
        fleet: &str,
        nodes: Option<&[String]>,
        request: &NodeRequest,
        typed: Option<&str>,
    ) -> Result<ChangeView, AppError> {
        let operation = request.operation()?;
        let (_, loaded) = self.loaded(fleet)?;
        writable(&loaded.fleet)?;
        let (targets, left_out) = self.able(fleet, nodes, request, &loaded)?;
        if let ConfirmationView::Typed { phrase } = ladder(&loaded.fleet, targets.len(), false)
            && typed != Some(phrase.as_str())
        {
            return Err(AppError::new(
                Code::Confirmation,
                format!("the phrase {phrase:?} must be typed"),
                "type the phrase exactly as shown",
            ));
        }
        let recorded = match request {
            NodeRequest::Unpin => self.lift_pins(&loaded.fleet, nodes).await?,
            NodeRequest::Set { .. } => Vec::new(),
        };
        let now = self.wall();
        let attempt = Attempt { deadline: CHANGE_DEADLINE, idempotency_key: None };
        let asking: Vec<_> = targets
            .iter()
            .map(|id| change(&loaded.pool, &loaded.fleet.nodes[id], &operation, attempt, &now))
            .collect();
        let mut changes: Vec<NodeChange> =
            stream::iter(asking).buffer_unordered(NODES_AT_ONCE).collect().await;
        changes.sort_by(|a, b| a.node.cmp(&b.node));
        Ok(ChangeView {
            fleet: loaded.fleet.name.to_string(),
            title: request.title(),
            recorded,
            complete: changes.iter().all(|change| change.outcome == ChangeOutcome::Done),
            nodes: changes,
            left_out,
        })
    }

    /// Nodes that can do it, and the others with the reason.
    fn able(
        &self,
        fleet: &str,
        nodes: Option<&[String]>,
        request: &NodeRequest,
        loaded: &Loaded,
    ) -> Result<(Vec<NodeId>, Vec<LeftOut>), AppError> {
        let mut able = Vec::new();
        let mut left_out = Vec::new();
        for id in self.chosen(fleet, nodes)? {
            let api = loaded.fleet.nodes[&id].api;
            match capabilities(api).cannot.get(&request.capability()) {
                Some(reason) => {
                    left_out.push(LeftOut { node: id.to_string(), reason: reason.clone() });
                }
                None => able.push(id),
            }
        }
        Ok((able, left_out))
    }

    /// Withdraws pins from the console's record: what the fleet file says counts again.
    async fn lift_pins(
        &self,
        fleet: &Fleet,
        nodes: Option<&[String]>,
    ) -> Result<Vec<String>, AppError> {
        let named: Option<Vec<NodeId>> =
            nodes.map(|nodes| self.node_ids(fleet.name.as_str(), nodes)).transpose()?;
        let now = self.now();
        let mut lifted = Vec::new();
        {
            let mut record = self.record().write().await?;
            let (whole, pinned) = plumb_store::desired::current(&mut record, &fleet.name).await?;
            for (id, pin) in pinned {
                if named.as_ref().is_none_or(|named| named.contains(&id)) {
                    plumb_store::desired::set(&mut record, &fleet.name, Some(&id), None, now)
                        .await?;
                    lifted.push(format!("the pin of {id} to {} is lifted", pin.version));
                }
            }
            if let (None, Some(pin)) = (&named, whole) {
                plumb_store::desired::set(&mut record, &fleet.name, None, None, now).await?;
                lifted.push(format!("the pin of the fleet to {} is lifted", pin.version));
            }
            record.commit().await?;
        }
        self.refresh_desired(&fleet.name).await?;
        Ok(lifted)
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

fn writable(fleet: &Fleet) -> Result<(), AppError> {
    if fleet.read_only {
        return Err(AppError::new(
            Code::Invalid,
            format!("fleet {} is read-only", fleet.name),
            "change it from a fleet file that is not read-only",
        ));
    }
    Ok(())
}

/// The rung of such a change: the same ladder as for plans, and the former value undoes it.
fn ladder(fleet: &Fleet, nodes: usize, whole_fleet: bool) -> ConfirmationView {
    if plumb_runbook::is_production(&fleet.environment) {
        ConfirmationView::Typed { phrase: format!("{} {nodes}", fleet.name) }
    } else if nodes <= 1 && !whole_fleet {
        ConfirmationView::Undo
    } else {
        ConfirmationView::Dialog
    }
}

async fn change(
    pool: &HttpPool,
    node: &Node,
    operation: &Operation,
    attempt: Attempt<'_>,
    now: &Now,
) -> NodeChange {
    let (outcome, detail) = match perform(pool, node, operation, &attempt, now).await {
        Outcome::Accepted { detail } => (ChangeOutcome::Done, detail),
        Outcome::Refused { message } | Outcome::Missing { message } => {
            (ChangeOutcome::Refused, message)
        }
        Outcome::InDoubt { message } => (ChangeOutcome::InDoubt, message),
        Outcome::NotSent { failure } => (ChangeOutcome::NotSent, failure.message),
    };
    NodeChange { node: node.id.to_string(), outcome, detail }
}
