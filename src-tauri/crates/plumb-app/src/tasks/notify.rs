//! Listens to what changes, and tells what is worth a notification.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use plumb_alert::{Alert, AlertRef, State};
use plumb_fleet::{FleetId, RunId};
use tokio::sync::{broadcast, mpsc};
use tracing::warn;

use crate::{
    alerts::lines::Around,
    app::App,
    error::AppError,
    ids,
    notifications::{Assigned, Noticed, Notification, Requested, assigned, requested},
    topics::Topic,
    views::run::RunPhase,
};

/// Notifications that wait to be shown; a desktop that takes none loses the later ones.
const WAITING_MAX: usize = 64;
/// Looks are this far apart: a run moves many times a second, and a person reads one notification.
const GATHER: Duration = Duration::from_millis(500);
/// Envelopes of a fleet among which requests are looked for, newest first.
const ENVELOPES_MAX: usize = 200;

impl App {
    /// Notifications from now on, until the application closes.
    pub fn notifications(&self) -> mpsc::Receiver<Notification> {
        let (told, heard) = mpsc::channel(WAITING_MAX);
        // Before the task runs, so that nothing is missed between the two.
        let topics = self.subscribe();
        self.0.tasks.spawn(self.clone().notify(topics, told));
        heard
    }

    async fn notify(
        self,
        mut topics: broadcast::Receiver<Vec<Topic>>,
        told: mpsc::Sender<Notification>,
    ) {
        let mut fleets = BTreeSet::new();
        let mut noticed = match self.known(&mut fleets).await {
            Ok(noticed) => noticed,
            Err(error) => {
                warn!(error = %error.message, "what was known before is not: it may be told again");
                Noticed::since(self.now().as_millisecond(), [], [])
            }
        };
        loop {
            let heard = tokio::select! {
                () = self.0.cancel.cancelled() => return,
                heard = topics.recv() => heard,
            };
            let mut about: BTreeSet<Topic> = match heard {
                Ok(first) => first.into_iter().collect(),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.every_topic().into_iter().collect()
                }
                Err(broadcast::error::RecvError::Closed) => return,
            };
            while let Ok(more) = topics.try_recv() {
                about.extend(more);
            }
            for topic in about {
                match self.news(&topic, &mut fleets, &mut noticed).await {
                    Ok(news) => news.into_iter().for_each(|one| {
                        if told.try_send(one).is_err() {
                            warn!("notification lost: the desktop takes none");
                        }
                    }),
                    Err(error) => warn!(error = %error.message, "not looked at for notifications"),
                }
            }
            tokio::select! {
                () = self.0.cancel.cancelled() => return,
                () = tokio::time::sleep(GATHER) => {}
            }
        }
    }

    /// Runs that go on and requests that were made before.
    async fn known(&self, fleets: &mut BTreeSet<FleetId>) -> Result<Noticed, AppError> {
        let unfinished = {
            let mut conn = self.record().read().await?;
            plumb_store::runs::unfinished(&mut conn).await?
        };
        let mut runs: Vec<(String, RunPhase)> = Vec::new();
        for run in unfinished {
            runs.push((run.id.to_string(), self.run_view(run.id).await?.phase));
        }
        let mut known = Vec::new();
        for state in self.fleet_states() {
            known.extend(self.requests(&state.name).await?.into_iter().map(|(digest, _)| digest));
            fleets.insert(state.name.clone());
        }
        let mut noticed = Noticed::since(self.now().as_millisecond(), runs, known);
        noticed.fresh_alerts(self.for_me().await?.into_keys().collect());
        Ok(noticed)
    }

    /// What a topic is worth telling; nothing of a fleet that is to be quiet.
    async fn news(
        &self,
        topic: &Topic,
        fleets: &mut BTreeSet<FleetId>,
        noticed: &mut Noticed,
    ) -> Result<Vec<Notification>, AppError> {
        let (fleet, news) = match topic {
            Topic::Run { id } => {
                let id = ids::run_id(id)?;
                // Whoever runs a runbook sits before it, and what it waits for stands on its screen.
                if self.is_runbook(id).await? {
                    return Ok(Vec::new());
                }
                let run = self.run_view(id).await?;
                (run.fleet.clone(), noticed.run(&run).into_iter().collect::<Vec<_>>())
            }
            Topic::Fleet { fleet } => {
                let name = crate::actions::rosters::fleet_id(fleet)?;
                let found = self.requests(&name).await?;
                if fleets.insert(name) {
                    noticed.knows(found.into_iter().map(|(digest, _)| digest));
                    return Ok(Vec::new());
                }
                let mut news = Vec::new();
                for (digest, plan) in found {
                    // Whoever asked in this window knows.
                    if noticed.is_new(&digest) && !self.asked_here(&plan) {
                        news.push(self.request_for(&plan).await?);
                    }
                }
                (fleet.clone(), news)
            }
            Topic::Alerts => return self.alert_news(noticed).await,
            Topic::Shell | Topic::Node { .. } => return Ok(Vec::new()),
        };
        if news.is_empty() || self.is_quiet(&fleet).await? { Ok(Vec::new()) } else { Ok(news) }
    }

    async fn is_runbook(&self, run: RunId) -> Result<bool, AppError> {
        let mut conn = self.record().read().await?;
        Ok(plumb_store::runbooks::get(&mut conn, run).await?.is_some())
    }

    /// Alerts that came to somebody here, but for those of fleets that are to be quiet.
    async fn alert_news(&self, noticed: &mut Noticed) -> Result<Vec<Notification>, AppError> {
        let mut for_me = self.for_me().await?;
        let fresh = noticed.fresh_alerts(for_me.keys().cloned().collect());
        let mut told = Vec::new();
        for alert in fresh.into_iter().filter_map(|alert| for_me.remove(&alert)) {
            if !self.is_quiet(&alert.fleet).await? {
                told.push(alert);
            }
        }
        Ok(assigned(&told))
    }

    /// Alerts that are for somebody here, by reference: the policy gives them, or they were claimed in their name by
    /// another program. What this one claimed is no news to them.
    async fn for_me(&self) -> Result<BTreeMap<String, Assigned>, AppError> {
        let (me, now) = (self.my_names(), self.now());
        let fleets: Vec<FleetId> = self.fleet_states().iter().map(|it| it.name.clone()).collect();
        let mut found = BTreeMap::new();
        for fleet in &fleets {
            let desk = self.desk(fleet.as_str()).await?;
            // Whose it is does not depend on what cools down.
            let (policy, tentative) = (desk.policy.as_ref(), desk.tentative.clone());
            let around = Around { policy, me: &me, cooling: HashMap::new(), tentative, now };
            self.forget_lost_claims(desk.mirror.iter().map(AsRef::as_ref), &me);
            for alert in desk.mirror.iter().filter(|alert| around.is_mine(alert)) {
                // The console's own inbox has alerts of every fleet.
                let elsewhere = desk.hub.is_none()
                    && alert.service != fleet.as_str()
                    && fleets.iter().any(|other| alert.service == other.as_str());
                if elsewhere || self.claimed_here(&alert.alert_ref) {
                    continue;
                }
                let owner = match alert.state() {
                    State::Processing { owner, .. } => Some(owner.clone()),
                    _ => None,
                };
                found.entry(alert.alert_ref.to_string()).or_insert_with(|| Assigned {
                    alert: alert.alert_ref.to_string(),
                    fleet: fleet.to_string(),
                    severity: alert.severity.to_string(),
                    title: alert.title.clone(),
                    service: alert.service.clone(),
                    owner,
                });
            }
        }
        Ok(found)
    }

    /// What somebody else holds by now is not ours any more: when it comes back to us, that is news.
    fn forget_lost_claims<'a>(&self, alerts: impl Iterator<Item = &'a Alert>, me: &[String]) {
        let mut claimed = self.0.claimed.lock().expect("no panic while claims are held");
        for alert in alerts {
            if matches!(alert.state(), State::Processing { owner, .. } if !me.contains(owner)) {
                claimed.remove(&alert.alert_ref);
            }
        }
    }

    fn claimed_here(&self, alert: &AlertRef) -> bool {
        self.0.claimed.lock().expect("no panic while claims are held").contains(alert)
    }

    /// Digest and plan of each request that is kept about a fleet.
    async fn requests(&self, fleet: &FleetId) -> Result<Vec<(String, String)>, AppError> {
        let mut conn = self.record().read().await?;
        let kept = plumb_store::approvals::of_fleet(&mut conn, fleet, ENVELOPES_MAX).await?;
        let requests = kept.into_iter().filter(|one| one.act == "request");
        Ok(requests.map(|one| (one.payload.to_string(), one.plan.to_string())).collect())
    }

    async fn request_for(&self, plan_hash: &str) -> Result<Notification, AppError> {
        let plan = self.plan_by_hash(plan_hash).await?;
        let requester = plan.consent.as_ref().map(|terms| terms.requester.to_string());
        Ok(requested(&Requested {
            fleet: plan.fleet.to_string(),
            plan: plan_hash.to_owned(),
            title: plan.action.title(),
            requester: requester.unwrap_or_else(|| "somebody".to_owned()),
            missing: self.approvals_of(plan_hash).await?.missing,
        }))
    }

    fn asked_here(&self, plan: &str) -> bool {
        self.0.asked.lock().expect("no panic while requests are held").contains(plan)
    }
}
