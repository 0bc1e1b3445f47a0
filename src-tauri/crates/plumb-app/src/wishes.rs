//! What should be running: the fleet file, pins over it, the catalogue, and changes in flight.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use plumb_exec::PinMove;
use plumb_fleet::{
    Desired, DesiredVersion, Fleet, FleetId, InFlight, NodeApi, NodeId, Snapshot, SnapshotBuilder,
};
use plumb_journal::{NodePhase, fold};
use plumb_runbook::{PinChange, PinTo, pin_of};
use plumb_store::{SqliteConnection, SweepMeta};
use tracing::warn;

use crate::{
    app::App,
    error::{AppError, Code},
    ids::new_id,
    topics::Topic,
};

impl App {
    /// Desired versions, catalogue and changes in flight of a fleet. A pin beats the fleet file.
    pub(crate) async fn read_desired(&self, fleet: &Fleet) -> Result<Desired, AppError> {
        let (whole, nodes, catalogue) = {
            let mut conn = self.record().read().await?;
            let (whole, nodes) = plumb_store::desired::current(&mut conn, &fleet.name).await?;
            let catalogue = plumb_store::catalogue::list(&mut conn, &fleet.name).await?;
            (whole, nodes, catalogue)
        };
        let mut by_node = fleet.desired_by_node.clone();
        by_node.extend(nodes);
        // What OPA calls its bundle is a name of its configuration, which no signed archive bears.
        let named = fleet.nodes.values().filter(|node| node.api != NodeApi::Opa);
        let bundles = named.filter_map(|node| Some((node.id.clone(), node.bundle.clone()?)));
        Ok(Desired {
            fleet: whole.or_else(|| fleet.desired.clone()),
            nodes: by_node,
            bundles: bundles.collect(),
            catalogue,
            refused: self.refused_now(&fleet.name).await?,
            thresholds: fleet.thresholds,
            in_flight: self.in_flight(&fleet.name).await?,
        })
    }

    /// Changes that nodes accepted in runs that have not ended, by whichever process.
    async fn in_flight(&self, fleet: &FleetId) -> Result<BTreeMap<NodeId, InFlight>, AppError> {
        let unfinished = {
            let mut conn = self.record().read().await?;
            plumb_store::runs::unfinished(&mut conn).await?
        };
        let mut in_flight = BTreeMap::new();
        for run in unfinished.into_iter().filter(|run| run.fleet == *fleet) {
            let (plan, entries) = match self.run_record(run.id).await {
                Ok(record) => record,
                Err(error) => {
                    warn!(run = %run.id, error = %error.message, "run left out of what is in flight");
                    continue;
                }
            };
            let state = fold(&entries);
            for target in plan.targets() {
                let Some(node) = state.nodes.get(&target.node) else { continue };
                if matches!(node.phase, NodePhase::Acting | NodePhase::Accepted) {
                    let since = node.acted_at.unwrap_or(run.started_at);
                    let deadline = since + SignedDuration::from_secs(i64::from(target.deadline_s));
                    in_flight.insert(target.node.clone(), InFlight { since, deadline });
                }
            }
        }
        Ok(in_flight)
    }

    /// Sets and lifts pins, all in one commit, those that do not stand so already. Without a pin the fleet
    /// file counts. Pins that somebody changed since the plan was made are left alone.
    pub(crate) async fn change_pins(
        &self,
        fleet: &FleetId,
        pins: &PinMove,
        operator: &str,
    ) -> Result<(), AppError> {
        let now = self.now();
        let wanted = |pin: &PinTo| match pin {
            PinTo::Lifted => None,
            PinTo::Version { version, content } => Some(DesiredVersion {
                version: version.clone(),
                content: *content,
                pinned_by: Some(operator.to_owned()),
                since: Some(now),
            }),
        };
        let mut record = self.record().write().await?;
        let standing = Standing::of(&mut record, fleet).await?;
        if let Some(changed) = standing.changed_meanwhile(pins) {
            let hint = "look at the pins, and plan again";
            return Err(AppError::new(Code::Outdated, changed, hint));
        }
        for (node, pin) in standing.remaining(&pins.to) {
            let wanted = wanted(pin);
            plumb_store::desired::set(&mut record, fleet, node, wanted.as_ref(), now).await?;
        }
        record.commit().await?;
        self.read_back(fleet).await;
        Ok(())
    }

    /// Whether pins stand so.
    pub(crate) async fn pins_stand(
        &self,
        fleet: &FleetId,
        pins: &PinChange,
    ) -> Result<bool, AppError> {
        let mut record = self.record().read().await?;
        Ok(Standing::of(&mut record, fleet).await?.remaining(pins).next().is_none())
    }

    /// Pins stand once they are committed; a failure to read them back must not say otherwise.
    async fn read_back(&self, fleet: &FleetId) {
        if let Err(error) = self.refresh_desired(fleet).await {
            warn!(%fleet, error = %error.message, "desired versions not read again");
        }
    }

    /// Reads desired versions again, for queries that follow.
    pub(crate) async fn refresh_desired(&self, fleet: &FleetId) -> Result<(), AppError> {
        let (state, loaded) = self.loaded(fleet.as_str())?;
        let desired = std::sync::Arc::new(self.read_desired(&loaded.fleet).await?);
        if let Some(current) = &mut *state.current.lock().expect("no panic while a fleet is held") {
            current.desired = desired;
        }
        self.announce([Topic::fleet(fleet)]);
        Ok(())
    }
}

/// Pins as they stand in the record.
struct Standing {
    fleet: PinTo,
    nodes: BTreeMap<NodeId, PinTo>,
}

impl Standing {
    async fn of(record: &mut SqliteConnection, fleet: &FleetId) -> Result<Self, AppError> {
        let (whole, nodes) = plumb_store::desired::current(record, fleet).await?;
        let nodes = nodes.iter().map(|(node, wanted)| (node.clone(), pin_of(Some(wanted))));
        Ok(Self { fleet: pin_of(whole.as_ref()), nodes: nodes.collect() })
    }

    fn pin(&self, node: Option<&NodeId>) -> &PinTo {
        match node {
            None => &self.fleet,
            Some(node) => self.nodes.get(node).unwrap_or(&PinTo::Lifted),
        }
    }

    /// Pins of a change that are not so yet.
    fn remaining<'a>(
        &self,
        pins: &'a PinChange,
    ) -> impl Iterator<Item = (Option<&'a NodeId>, &'a PinTo)> {
        each(pins).filter(|(node, pin)| self.pin(*node) != *pin)
    }

    /// The first pin that is neither as it was planned to be nor as it is to become, in a sentence.
    fn changed_meanwhile(&self, pins: &PinMove) -> Option<String> {
        let from = pins.from.as_ref()?;
        let planned = |node: Option<&NodeId>| match node {
            None => from.fleet.as_ref(),
            Some(node) => from.nodes.get(node),
        };
        let changed = self
            .remaining(&pins.to)
            .map(|(node, _)| node)
            .find(|node| planned(*node).is_some_and(|planned| planned != self.pin(*node)));
        let others = self.nodes.keys().filter(|node| !pins.to.nodes.contains_key(*node));
        let other = || others.map(Some).next().filter(|_| pins.sole);
        let whose = changed.or_else(other)?.map_or("the fleet", NodeId::as_str);
        Some(format!("the pin of {whose} was changed since the plan was made"))
    }
}

fn each(pins: &PinChange) -> impl Iterator<Item = (Option<&NodeId>, &PinTo)> {
    let whole = pins.fleet.iter().map(|pin| (None, pin));
    whole.chain(pins.nodes.iter().map(|(node, pin)| (Some(node), pin)))
}

/// What the store holds of a fleet: its newest snapshot and the sweep it stands on, if there was one.
pub(crate) fn known(
    fleet: &Fleet,
    stored: Option<(Snapshot, SweepMeta)>,
) -> (Snapshot, Option<SweepMeta>) {
    match stored {
        Some((snapshot, sweep)) => (of_fleet(fleet, &snapshot), Some(sweep)),
        None => (never_swept(fleet), None),
    }
}

/// A stored snapshot with exactly the nodes of the fleet as it is now.
fn of_fleet(fleet: &Fleet, stored: &Snapshot) -> Snapshot {
    SnapshotBuilder::new(fleet.name.clone(), fleet.nodes.keys().cloned(), Some(stored))
        .finish(stored.id, stored.taken_at)
}

/// The snapshot of a fleet nobody has looked at yet.
fn never_swept(fleet: &Fleet) -> Snapshot {
    SnapshotBuilder::new(fleet.name.clone(), fleet.nodes.keys().cloned(), None)
        .finish(new_id(Timestamp::UNIX_EPOCH), Timestamp::UNIX_EPOCH)
}
