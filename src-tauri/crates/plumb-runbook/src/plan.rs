//! An action expanded to effects on named nodes against one snapshot: immutable, hashed, nothing left to decide.

use std::collections::BTreeSet;

use plumb_fleet::{
    Assessment, Capability, CatalogueEntry, ContentDigest, Desired, DesiredVersion, Digest,
    DriftState, Fleet, NamedContent, Node, NodeApi, NodeId, NodeObservation, NodeReport, Offer,
    PlanHash, Snapshot, Version,
};
use serde::{Deserialize, Serialize};

pub use crate::left_out::{LeftOut, LeftOutReason};
use crate::{
    action::Action,
    consent::ConsentTerms,
    effect::Effect,
    gate::Gate,
    pins::{self, PinChange},
    rollout::Rollout,
    told,
    undo::{self, Undo, undo_of, undo_of_pin},
};

/// Most effects in one plan: three for each node of the largest fleet, and one for the desired version.
pub const EFFECTS_MAX: usize = 3 * plumb_fleet::fleet::NODES_MAX + 1;
/// How long a node may take to prove a sync or rollback by content, in seconds.
pub(crate) const ARRIVAL_DEADLINE_S: u32 = 30;
/// An OPA that does not wait for what is new asks again after two minutes at most, where nobody set it otherwise.
const OPA_ASKS_WITHIN_S: u32 = 180;
/// A restart also has to start a process.
const RESTART_DEADLINE_S: u32 = 60;

/// What a node runs, or is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Running {
    pub version: Option<Version>,
    pub content: Option<ContentDigest>,
}

impl From<&NamedContent> for Running {
    fn from(named: &NamedContent) -> Self {
        Self { version: Some(named.version.clone()), content: Some(named.content) }
    }
}

/// What is done to one node, in order; the first failure ends the node's part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePlan {
    pub node: NodeId,
    pub before: Running,
    /// What must be observed afterwards; an absent field is not compared.
    pub after: Running,
    pub effects: Vec<Effect>,
    pub undo: Undo,
    /// The undo as effects, in plans that may take it themselves: the rollback branch.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub back: Vec<Effect>,
    /// How long after an effect its arrival may take, in seconds.
    pub deadline_s: u32,
}

/// Nodes that are changed together, and what must hold before the next wave begins.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wave {
    /// For example `canary`; direct actions have one wave without a name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    pub nodes: Vec<NodePlan>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
}

/// The desired version set before any node is touched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DesiredChange {
    pub version: Version,
    pub content: Option<ContentDigest>,
    /// Nodes it is set for; nothing means the fleet.
    pub nodes: Option<Vec<NodeId>>,
}

/// An immutable plan. Two plans are the same when their hashes are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Format of these bytes.
    pub format: u32,
    pub fleet: plumb_fleet::FleetId,
    pub environment: String,
    pub action: Action,
    /// Whole fleet, or the selected nodes.
    pub whole_fleet: bool,
    pub desired: Option<DesiredChange>,
    /// Pins of the console set and lifted before any node is touched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins: Option<PinChange>,
    /// Pins of the console that this plan replaces: its way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pins_before: Option<PinChange>,
    pub waves: Vec<Wave>,
    pub left_out: Vec<LeftOut>,
    /// The policy the waves were made by; nothing for a direct action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<Rollout>,
    /// Whose consent it takes, where a signed roster rules the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentTerms>,
    /// How many runs there were already of a plan that is otherwise the same. A plan holds no occasion
    /// and runs once, so restarting a node twice takes two.
    #[serde(default, skip_serializing_if = "is_first")]
    pub repeat: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_first(repeat: &u32) -> bool {
    *repeat == 0
}

/// How the nodes a plan is about differ from those there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetDifference {
    pub gone: Vec<NodeId>,
    pub new: Vec<NodeId>,
}

/// Why no plan could be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("no node is selected")]
    NothingSelected,
    #[error("{node} is not a node of this fleet")]
    UnknownNode { node: NodeId },
    #[error("fleet {fleet} is read-only")]
    ReadOnly { fleet: plumb_fleet::FleetId },
    #[error("no signed bundle of version {version} is known")]
    UnknownVersion { version: Version },
    #[error("version {version} names {count} signed bundles; say which by its content digest")]
    AmbiguousVersion { version: Version, count: usize },
    #[error("no signed bundle of version {version} has the content {content}")]
    UnknownContent { version: Version, content: ContentDigest },
    #[error("this is no rollout: {what}")]
    Rollout { what: String },
    #[error("a plan may hold {max} effects, not {count}")]
    TooLarge { count: usize, max: usize },
}

/// Everything a plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    pub fleet: &'a Fleet,
    pub snapshot: &'a Snapshot,
    pub assessment: &'a Assessment,
    pub desired: &'a Desired,
}

impl<'a> PlanInput<'a> {
    pub(crate) fn report(&self, node: &NodeId) -> Option<&'a NodeReport> {
        self.snapshot.nodes.get(node).and_then(|seen| seen.report.as_deref())
    }
}

impl Plan {
    /// Format of plans of direct actions.
    pub const FORMAT_ACTION: u32 = 1;
    /// Format of plans with a rollout policy: waves with gates, and a way back for each node.
    pub const FORMAT_ROLLOUT: u32 = 2;

    /// Canonical bytes (RFC 8785): the same on every machine.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        serde_json_canonicalizer::to_vec(self).expect("a plan always serialises")
    }

    /// SHA-256 of the canonical bytes.
    pub fn hash(&self) -> PlanHash {
        PlanHash(Digest::of(&self.canonical_bytes()))
    }

    /// Nodes that a whole fleet, or a selection, has now and the plan does not know, and the other
    /// way round; nothing where they are the same. Names are in order.
    pub fn set_difference(&self, members: &BTreeSet<NodeId>) -> Option<SetDifference> {
        let left = self.left_out.iter().map(|left| &left.node);
        let planned: BTreeSet<&NodeId> =
            self.targets().map(|target| &target.node).chain(left).collect();
        // An undo names the nodes of its run, so the rest of the fleet is none of its business.
        let all = self.whole_fleet && !matches!(self.action, Action::Undo { .. });
        let new = members.iter().filter(|node| all && !planned.contains(node)).cloned().collect();
        let gone = planned.iter().filter(|node| !members.contains(**node));
        let difference = SetDifference { gone: gone.map(|node| (*node).clone()).collect(), new };
        (!difference.gone.is_empty() || !difference.new.is_empty()).then_some(difference)
    }

    pub fn targets(&self) -> impl Iterator<Item = &NodePlan> {
        self.waves.iter().flat_map(|wave| &wave.nodes)
    }

    /// Whether starting it would change nothing.
    pub fn is_empty(&self) -> bool {
        self.desired.is_none() && self.pins.is_none() && self.targets().next().is_none()
    }
}

/// Expands an action over selected nodes. `selected` is `None` for the whole fleet.
pub fn plan(
    action: &Action,
    selected: Option<&BTreeSet<NodeId>>,
    input: PlanInput<'_>,
) -> Result<Plan, PlanError> {
    if input.fleet.read_only {
        return Err(PlanError::ReadOnly { fleet: input.fleet.name.clone() });
    }
    let everything: BTreeSet<NodeId> = input.fleet.nodes.keys().cloned().collect();
    let nodes = selected.unwrap_or(&everything);
    let change = desired_change(action, selected, nodes, input.desired)?;
    let pins = match action {
        Action::Unpin => pins::lifted(selected, input.desired),
        Action::Undo { pins: Some(former), .. } => pins::remaining(former, input.desired),
        _ => None,
    };
    // A run may have changed nothing but pins of the console.
    if nodes.is_empty() && !matches!(action, Action::Undo { pins: Some(_), .. }) {
        return Err(PlanError::NothingSelected);
    }
    let mut left_out = Vec::new();
    let mut targets = Vec::new();
    for id in nodes {
        let node =
            input.fleet.nodes.get(id).ok_or_else(|| PlanError::UnknownNode { node: id.clone() })?;
        match plan_node(action, node, change.as_ref(), input) {
            Ok(target) => targets.push(target),
            Err((reason, detail)) => left_out.push(LeftOut { node: id.clone(), reason, detail }),
        }
    }
    let count = targets.iter().map(|target| target.effects.len()).sum::<usize>()
        + usize::from(change.is_some() || pins.is_some());
    if count > EFFECTS_MAX {
        return Err(PlanError::TooLarge { count, max: EFFECTS_MAX });
    }
    let change = change.filter(|change| !is_current(change, input.desired));
    let replaced = change.as_ref().map(|change| pins::replaced_by(change, input.desired));
    Ok(Plan {
        format: Plan::FORMAT_ACTION,
        fleet: input.fleet.name.clone(),
        environment: input.fleet.environment.clone(),
        action: action.clone(),
        whole_fleet: selected.is_none(),
        pins_before: replaced.or_else(|| Some(pins::before(pins.as_ref()?, input.desired))),
        desired: change,
        pins,
        waves: one_wave(targets),
        left_out,
        rollout: None,
        consent: None,
        repeat: 0,
    })
}

fn one_wave(nodes: Vec<NodePlan>) -> Vec<Wave> {
    if nodes.is_empty() { Vec::new() } else { vec![Wave { nodes, ..Wave::default() }] }
}

fn desired_change(
    action: &Action,
    selected: Option<&BTreeSet<NodeId>>,
    nodes: &BTreeSet<NodeId>,
    desired: &Desired,
) -> Result<Option<DesiredChange>, PlanError> {
    let (version, content) = match action {
        Action::Pin { version, content, .. } => (version, content),
        Action::ResolveConflict { to, content } => (to, content),
        Action::Sync { .. }
        | Action::Rollback { .. }
        | Action::Restart
        | Action::Unpin
        | Action::SetConfig { .. }
        | Action::Undo { .. } => return Ok(None),
    };
    // Nodes of one bundle leave no doubt which one a version label is of.
    let mut bundles = nodes.iter().map(|node| desired.bundle_of(node));
    let first = bundles.next().flatten();
    let bundle = first.filter(|_| bundles.all(|bundle| bundle == first));
    let known: Vec<&CatalogueEntry> = desired.catalogue.offer(bundle).of_version(version).collect();
    let content = match content {
        Some(content) if known.iter().any(|entry| entry.content == *content) => *content,
        Some(content) => {
            return Err(PlanError::UnknownContent { version: version.clone(), content: *content });
        }
        None => {
            let contents: BTreeSet<ContentDigest> =
                known.iter().map(|entry| entry.content).collect();
            match (contents.len(), contents.first()) {
                (1, Some(content)) => *content,
                (0, _) | (_, None) => {
                    return Err(PlanError::UnknownVersion { version: version.clone() });
                }
                (count, _) => {
                    return Err(PlanError::AmbiguousVersion { version: version.clone(), count });
                }
            }
        }
    };
    Ok(Some(DesiredChange {
        version: version.clone(),
        content: Some(content),
        nodes: selected.map(|nodes| nodes.iter().cloned().collect()),
    }))
}

fn is_current(change: &DesiredChange, desired: &Desired) -> bool {
    let same = |wanted: Option<&DesiredVersion>| {
        wanted.is_some_and(|wanted| {
            wanted.version == change.version && wanted.content == change.content
        })
    };
    match &change.nodes {
        None => same(desired.fleet.as_ref()),
        Some(nodes) => nodes.iter().all(|node| same(desired.of(node))),
    }
}

pub(crate) type Skip = (LeftOutReason, String);

fn plan_node(
    action: &Action,
    node: &Node,
    change: Option<&DesiredChange>,
    input: PlanInput<'_>,
) -> Result<NodePlan, Skip> {
    let seen = input.snapshot.nodes.get(&node.id);
    let needed = match action {
        Action::Sync { .. } | Action::Pin { sync: true, .. } | Action::ResolveConflict { .. } => {
            Some(Capability::Sync)
        }
        Action::Pin { sync: false, .. } | Action::Unpin => Some(Capability::Pin),
        Action::Rollback { .. } => Some(Capability::Rollback),
        Action::Restart => Some(Capability::Restart),
        Action::SetConfig { .. } => Some(Capability::Config),
        // It is another one for each node.
        Action::Undo { .. } => None,
    };
    let abilities = input.fleet.capabilities(node.api);
    if let Some(reason) = needed.and_then(|needed| abilities.cannot.get(&needed)) {
        return Err((LeftOutReason::CannotDo, reason.clone()));
    }
    let before = answering(seen)?;
    if node.api == NodeApi::Opa && *action == Action::Unpin {
        let detail = "what its hub tells it to run is lifted there: plumb hub desired lift";
        return Err((LeftOutReason::CannotDo, detail.to_owned()));
    }
    match action {
        Action::Sync { force } => sync_node(node, before, None, *force, input),
        Action::Pin { sync: true, .. } | Action::ResolveConflict { .. } => {
            sync_node(node, before, change, false, input)
        }
        // What its hub says is what an OPA loads next: it is not pinned without a sync.
        Action::Pin { .. } if node.api == NodeApi::Opa => {
            sync_node(node, before, change, false, input)
        }
        Action::Pin { sync: false, version, .. } => pin_node(node, before, version, change, input),
        Action::Unpin => told::unpin(node, before, input),
        Action::SetConfig { key, value } => told::set_config(node, before, key, value, input),
        Action::Rollback { to } => rollback_node(node, before, to.as_ref(), input),
        Action::Undo { nodes, .. } => undo::undo_node(node, before, nodes.get(&node.id), input),
        Action::Restart => Ok(NodePlan {
            node: node.id.clone(),
            after: before.clone(),
            before,
            effects: vec![Effect::Restart],
            undo: Undo::Impossible { reason: "a restart cannot be taken back".to_owned() },
            back: Vec::new(),
            deadline_s: RESTART_DEADLINE_S,
        }),
    }
}

fn pin_node(
    node: &Node,
    before: Running,
    version: &Version,
    change: Option<&DesiredChange>,
    input: PlanInput<'_>,
) -> Result<NodePlan, Skip> {
    let content = change.and_then(|change| change.content).ok_or_else(|| not_known(version))?;
    not_refused(content, input.desired)?;
    let report = input.report(&node.id);
    if undo::pinned(report) == Some(&NamedContent { version: version.clone(), content }) {
        return Err((LeftOutReason::AsWanted, format!("is pinned to {version} already")));
    }
    Ok(NodePlan {
        node: node.id.clone(),
        after: before.clone(),
        undo: undo_of_pin(node, &before, report, input.desired),
        before,
        effects: vec![Effect::Pin { version: version.clone(), content }],
        back: Vec::new(),
        deadline_s: ARRIVAL_DEADLINE_S,
    })
}

fn not_known(version: &Version) -> Skip {
    (LeftOutReason::NotKnown, format!("no signed bundle of version {version} is known"))
}

/// Refused content does not come back, whoever asks for it.
pub(crate) fn not_refused(content: ContentDigest, desired: &Desired) -> Result<(), Skip> {
    if desired.refused.contains(&content) {
        let detail = format!("content {} is refused in this fleet", content.short());
        return Err((LeftOutReason::Refused, detail));
    }
    Ok(())
}

/// The bundle a version names, when it names one.
pub(crate) fn resolved<'a>(
    wanted: &DesiredVersion,
    offer: Offer<'a>,
) -> Result<&'a CatalogueEntry, Skip> {
    offer.resolve(wanted).ok_or_else(|| {
        let contents: BTreeSet<ContentDigest> =
            offer.of_version(&wanted.version).map(|entry| entry.content).collect();
        if wanted.content.is_some() || contents.len() < 2 {
            let (reason, detail) = not_known(&wanted.version);
            let of = |id| format!("{detail} that belongs to the node's bundle {id}");
            return (reason, offer.bundle.map_or_else(|| detail.clone(), of));
        }
        let detail = format!(
            "version {} names {} signed bundles; pin one of them by its content digest",
            wanted.version,
            contents.len()
        );
        (LeftOutReason::NotKnown, detail)
    })
}

/// What an answering node runs; a silent one is left out.
fn answering(seen: Option<&NodeObservation>) -> Result<Running, Skip> {
    let Some(seen) = seen else {
        return Err((LeftOutReason::NoAnswer, "never seen".to_owned()));
    };
    if let Some(failure) = &seen.failure {
        return Err((LeftOutReason::NoAnswer, failure.message.clone()));
    }
    let Some(report) = &seen.report else {
        return Err((LeftOutReason::NoAnswer, "never seen".to_owned()));
    };
    Ok(Running {
        version: report.version.as_ref().map(|v| v.value.clone()),
        content: report.content.as_ref().map(|c| c.value),
    })
}

fn sync_node(
    node: &Node,
    before: Running,
    change: Option<&DesiredChange>,
    force: bool,
    input: PlanInput<'_>,
) -> Result<NodePlan, Skip> {
    let wanted = match change {
        Some(change) => DesiredVersion { content: change.content, ..of_version(&change.version) },
        None => input
            .desired
            .of(&node.id)
            .cloned()
            .ok_or_else(|| (LeftOutReason::NotKnown, "no desired version is set".to_owned()))?,
    };
    let entry = resolved(&wanted, input.desired.offer(&node.id))?;
    not_refused(entry.content, input.desired)?;
    let after = Running { version: Some(entry.version.clone()), content: Some(entry.content) };
    let state = input.assessment.nodes.get(&node.id).map(|verdict| verdict.state);
    let drifted = change.is_none() && state.is_some_and(DriftState::is_drifted);
    // A node that runs what is wanted but is pinned elsewhere would leave at its next poll.
    let named = NamedContent { version: entry.version.clone(), content: entry.content };
    let pinned_elsewhere = node.api == NodeApi::Agent
        && undo::pinned(input.report(&node.id)).is_some_and(|pinned| *pinned != named);
    if before == after && !force && !drifted && !pinned_elsewhere {
        return Err((
            LeftOutReason::AsWanted,
            format!("already runs {} with this content", entry.version),
        ));
    }
    let effects = match node.api {
        NodeApi::Agent => vec![
            Effect::Pin { version: entry.version.clone(), content: entry.content },
            // Without force, a node would keep content whose signature does not hold.
            Effect::Sync { force: force || state == Some(DriftState::Tampered) },
        ],
        NodeApi::Reload | NodeApi::Opa => load(node, entry),
    };
    let undo = undo_of(node, &before, input.report(&node.id), input.desired);
    Ok(NodePlan {
        node: node.id.clone(),
        before,
        after,
        effects,
        undo,
        back: Vec::new(),
        deadline_s: arrival_deadline_s(node.api),
    })
}

/// How a node without a pin of its own is brought to a bundle: a file that it reloads, or what its hub says.
pub(crate) fn load(node: &Node, entry: &CatalogueEntry) -> Vec<Effect> {
    if node.api == NodeApi::Opa {
        let CatalogueEntry { content, digest, .. } = *entry;
        return vec![Effect::Serve { version: entry.version.clone(), content, digest }];
    }
    let path = path_on_node(node, entry);
    vec![Effect::Verify { path: path.clone() }, Effect::Reload { path }]
}

/// How long a node may take to prove what it was brought to, in seconds.
pub(crate) const fn arrival_deadline_s(api: NodeApi) -> u32 {
    match api {
        NodeApi::Opa => OPA_ASKS_WITHIN_S,
        NodeApi::Agent | NodeApi::Reload => ARRIVAL_DEADLINE_S,
    }
}

/// Where a bundle stands on a node: below its bundle folder, else where it stands here.
pub fn path_on_node(node: &Node, entry: &CatalogueEntry) -> String {
    match &node.bundle_folder {
        Some(folder) => format!("{}/{}", folder.trim_end_matches('/'), entry.file),
        None => entry.local_path.clone().unwrap_or_else(|| entry.file.clone()),
    }
}

fn of_version(version: &Version) -> DesiredVersion {
    DesiredVersion { version: version.clone(), content: None, pinned_by: None, since: None }
}

pub(crate) fn rollback_node(
    node: &Node,
    before: Running,
    to: Option<&Version>,
    input: PlanInput<'_>,
) -> Result<NodePlan, Skip> {
    let report = input.report(&node.id);
    let good = report.and_then(|report| report.last_known_good.as_ref()).map(|good| &good.value);
    let offer = input.desired.offer(&node.id);
    let (version, content) = match (to, good) {
        (Some(version), _) => (version.clone(), resolved(&of_version(version), offer)?.content),
        (None, Some(good)) => (good.version.clone(), good.content),
        (None, None) => {
            let earlier = report
                .into_iter()
                .flat_map(|report| &report.history)
                .filter(|entry| entry.success)
                .find_map(|entry| {
                    entry.version.clone().filter(|version| Some(version) != before.version.as_ref())
                })
                .ok_or_else(|| {
                    (
                        LeftOutReason::NotKnown,
                        "its history names no earlier version; name one".to_owned(),
                    )
                })?;
            let content = resolved(&of_version(&earlier), offer)?.content;
            (earlier, content)
        }
    };
    not_refused(content, input.desired)?;
    let after = Running { version: Some(version.clone()), content: Some(content) };
    if before == after {
        return Err((LeftOutReason::AsWanted, format!("already runs {version} with this content")));
    }
    let effects = if node.api == NodeApi::Agent {
        vec![Effect::Rollback { to: Some(version) }]
    } else {
        let wanted = DesiredVersion { content: Some(content), ..of_version(&version) };
        load(node, resolved(&wanted, offer)?)
    };
    let undo = undo_of(node, &before, input.report(&node.id), input.desired);
    Ok(NodePlan {
        node: node.id.clone(),
        before,
        after,
        effects,
        undo,
        back: Vec::new(),
        deadline_s: arrival_deadline_s(node.api),
    })
}
