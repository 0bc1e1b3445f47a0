//! The inbox that a fleet uses, as queries read it: the console's own, or what is kept of the hub's.

use std::{
    collections::BTreeSet,
    sync::{Arc, PoisonError},
};

use jiff::Timestamp;
use plumb_alert::{AlertRef, Reconciled, RoutingPolicy};
use plumb_clients::hub::{HubClient, HubError};

use super::{
    hub::{HubInbox, KeptClaim},
    lines::Around,
    mirror::Mirror,
};
use crate::{
    app::{App, Loaded},
    error::AppError,
    views::{
        alerts::{InboxSource, TentativeOutcome, TentativeView},
        convert::ms,
    },
};

/// Folder of what is kept of hubs' inboxes, one file for each fleet.
const FOLDER: &str = "inboxes";

/// What is known of an inbox at one moment.
pub(crate) struct Desk {
    pub mirror: Arc<Mirror>,
    pub policy: Arc<RoutingPolicy>,
    pub source: InboxSource,
    pub claims: Vec<TentativeView>,
    pub tentative: BTreeSet<AlertRef>,
    /// Where the fleet has a hub.
    pub hub: Option<Arc<HubInbox>>,
}

impl App {
    /// What is kept of the inbox of a fleet's hub; nothing where it has none.
    pub(crate) fn hub_of(&self, fleet: &str) -> Result<Option<Arc<HubInbox>>, AppError> {
        let state = self.state(fleet)?;
        Ok(state.loaded.as_ref().ok().and_then(|loaded| self.hub_inbox(loaded)))
    }

    /// The inbox that a fleet uses.
    pub(crate) async fn desk(&self, fleet: &str) -> Result<Desk, AppError> {
        if let Some(evidence) = self.in_evidence() {
            return Ok(evidence.desk(self.now()));
        }
        match self.hub_of(fleet)? {
            Some(hub) => Ok(of_hub(hub)),
            None => self.own_desk().await,
        }
    }

    async fn own_desk(&self) -> Result<Desk, AppError> {
        // A command does not hear what others change, so it looks itself.
        if !self.0.options.sweep_on_period {
            self.0.alerts.forget();
        }
        let inbox = self.0.alerts.inbox();
        let durability = inbox.durability();
        Ok(Desk {
            mirror: self.0.alerts.mirror().await?,
            policy: Arc::new(inbox.policy().clone()),
            source: InboxSource {
                hub: None,
                backend: durability.backend.to_owned(),
                place: durability.place,
                survives_restart: durability.survives_restart,
                as_of_ms: None,
                offline: None,
                not_told: None,
            },
            claims: Vec::new(),
            tentative: BTreeSet::new(),
            hub: None,
        })
    }

    /// What is kept of the inbox of a fleet's hub; nothing where its file names none.
    pub(crate) fn hub_inbox(&self, loaded: &Loaded) -> Option<Arc<HubInbox>> {
        let url = loaded.fleet.hub.as_ref()?.url.to_string();
        let name = &loaded.fleet.name;
        let mut known = self.0.hub_inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inbox) = known.get(name).filter(|inbox| inbox.url() == url) {
            return Some(inbox.clone());
        }
        let folder = self.0.options.data_dir.join(FOLDER);
        let inbox = Arc::new(HubInbox::open(&folder, name.as_str(), &url));
        known.insert(name.clone(), inbox.clone());
        Some(inbox)
    }

    /// The hub of a fleet, ready to be asked.
    pub(crate) async fn hub_client(&self, loaded: &Loaded) -> Result<Option<HubClient>, HubError> {
        Ok(self.hub(loaded).await?.map(|hub| hub.client().clone()))
    }
}

impl Desk {
    pub(crate) fn around<'a>(&'a self, me: &'a [String], now: Timestamp) -> Around<'a> {
        let cooling = self.mirror.cooling(&self.policy, now);
        Around { policy: &self.policy, me, cooling, tentative: self.tentative.clone(), now }
    }
}

fn of_hub(hub: Arc<HubInbox>) -> Desk {
    let seen = hub.seen();
    Desk {
        source: InboxSource {
            hub: Some(hub.url().to_owned()),
            backend: seen.backend,
            place: seen.kept_in,
            survives_restart: seen.survives_restart,
            as_of_ms: seen.as_of.map(ms),
            offline: seen.offline,
            not_told: seen.not_told,
        },
        claims: seen.claims.iter().map(told).collect(),
        mirror: seen.mirror,
        policy: seen.policy,
        tentative: hub.tentative(),
        hub: Some(hub),
    }
}

/// A claim that was made offline, for a person.
fn told(kept: &KeptClaim) -> TentativeView {
    let (outcome, told) = match kept.settled.as_ref().map(|(_, verdict)| verdict) {
        None => (TentativeOutcome::Waiting, "the hub is asked as soon as it answers".to_owned()),
        Some(Reconciled::Won { lock_until }) => {
            (TentativeOutcome::Won, format!("it is yours until {lock_until}"))
        }
        Some(Reconciled::ClaimNow) => {
            (TentativeOutcome::Lost, "the hub did not give it: claim it again".to_owned())
        }
        Some(Reconciled::Held { owner, lock_until }) => (
            TentativeOutcome::Lost,
            format!("{owner} had it before, until {lock_until}: ask them, or wait for it"),
        ),
        Some(Reconciled::Settled { by, at }) => {
            (TentativeOutcome::Lost, format!("{by} settled it at {at}"))
        }
        Some(Reconciled::Waiting { by, retry_at }) => (
            TentativeOutcome::Lost,
            format!("{by} could not settle it; it is tried again from {retry_at} on"),
        ),
        Some(Reconciled::Lapsed { at }) => (
            TentativeOutcome::Lapsed,
            format!("its time was over at {at}, before the hub could be asked: claim it again"),
        ),
        Some(Reconciled::Refused { why }) => {
            (TentativeOutcome::Lost, format!("{why}; claim it again when your role may"))
        }
        Some(Reconciled::Gone) => {
            (TentativeOutcome::Gone, "the hub has no such alert any more".to_owned())
        }
    };
    TentativeView {
        alert: kept.claim.alert.to_string(),
        title: kept.title.clone(),
        made_at_ms: ms(kept.claim.made_at),
        until_ms: ms(kept.claim.until()),
        outcome,
        told,
    }
}
