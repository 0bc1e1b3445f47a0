//! What a sweep shows is told to the inbox: what is wrong, what is over, and which sources have gone quiet.

use plumb_alert::{Alert, Decided, Ingested, SWEEPS, Sweep, detect, lifted};
use plumb_fleet::Snapshot;
use plumb_inbox::{AlertQuery, InboxError, LIST_MAX};
use plumb_store::installation;
use plumb_wire::alerts::teller;
use tracing::{debug, warn};

use crate::{
    alerts::{
        hub::{HubInbox, Told},
        refused,
    },
    app::{App, Loaded},
    current::Current,
    error::{AppError, chain},
    topics::Topic,
};

/// What a sweep raised is looked for so far back: whatever lasts is told again each half hour.
const LIFTED_MINUTES: u32 = 7 * 24 * 60;

impl App {
    /// Tells the inbox what a sweep shows. A sweep stands whether or not this succeeds.
    pub(crate) async fn raise(&self, loaded: &Loaded, earlier: &Snapshot, current: &Current) {
        match self.tell_inbox(loaded, earlier, current).await {
            Ok(told) => debug!(told, "told the inbox"),
            Err(error) => {
                warn!(error = %error.message, "the inbox was not told what a sweep shows");
            }
        }
    }

    async fn tell_inbox(
        &self,
        loaded: &Loaded,
        earlier: &Snapshot,
        current: &Current,
    ) -> Result<usize, AppError> {
        let now = self.now();
        let assessment = current.assess(now);
        let disagreements = self.disagreements(loaded.fleet.name.as_str());
        // Whatever else a sweep shows is told, whether or not freezes can be looked for.
        let freezes = match self.freezes_left(&loaded.fleet.name).await {
            Ok(freezes) => Some(freezes),
            Err(error) => {
                self.notice(format!(
                    "freezes that runs of {} left behind could not be looked for: {}; {}",
                    loaded.fleet.name, error.message, error.hint
                ));
                None
            }
        };
        let hub = self.hub_inbox(loaded);
        let installation = self.installation().await?;
        // As whom the inbox knows this console: what it told is its own to lift.
        let me = match &hub {
            Some(hub) => teller(&hub.seen().caller, Some(&installation)),
            None => self.0.options.operator.clone(),
        };
        let sweep = Sweep {
            env: &loaded.fleet.environment,
            snapshot: &current.snapshot,
            earlier: Some(earlier),
            assessment: &assessment,
            desired: &current.desired,
            disagreements: &disagreements,
            freezes: freezes.as_deref(),
            teller: &me,
            now,
        };
        let mut drafts = detect(&sweep);
        if let Some(hub) = hub {
            return Ok(self
                .tell_hub_inbox(&hub, loaded, &sweep, Told { drafts, installation })
                .await);
        }
        let inbox = self.0.alerts.inbox();
        let since = inbox.window(Some(LIFTED_MINUTES)).await.map_err(refused)?;
        let mut query = AlertQuery::since(since, LIST_MAX);
        query.source = Some(SWEEPS.to_owned());
        query.service = Some(loaded.fleet.name.to_string());
        let known = inbox.list(&query).await.map_err(refused)?;
        drafts.extend(lifted(&sweep, &known, &drafts));
        let mut answers = inbox.ingest_all(drafts).await;
        answers.extend(inbox.watch_sources().await.map_err(refused)?);
        let requeued = inbox.requeue().await.map_err(refused)?;
        let told = answers.len() + requeued.len();
        let requeued = requeued.into_iter().map(|decided| decided.value);
        self.0.alerts.changed(requeued.chain(kept(answers)));
        if told > 0 {
            self.announce([Topic::Alerts]);
        }
        Ok(told)
    }

    /// The same for the inbox of a hub, which is also read again. A hub that does not answer is told by the next sweep.
    async fn tell_hub_inbox(
        &self,
        hub: &HubInbox,
        loaded: &Loaded,
        sweep: &Sweep<'_>,
        mut told: Told,
    ) -> usize {
        let seen = hub.seen();
        let ours = seen.mirror.iter().filter(|it| it.service == loaded.fleet.name.as_str());
        let known: Vec<Alert> = ours.map(|it| it.as_ref().clone()).collect();
        let over = lifted(sweep, &known, &told.drafts);
        told.drafts.extend(over);
        let count = told.drafts.len();
        match self.hub_client(loaded).await {
            Ok(Some(client)) => hub.follow(&client, told, self.now()).await,
            Ok(None) => {}
            Err(error) => hub.lost(&error),
        }
        self.announce([Topic::Alerts]);
        count
    }

    /// Which installation of the program this is.
    async fn installation(&self) -> Result<String, AppError> {
        let mut conn = self.record().read().await?;
        Ok(installation::id(&mut conn).await?)
    }
}

/// The alerts of reports that were taken.
fn kept(answers: Vec<Result<Decided<Ingested>, InboxError>>) -> impl Iterator<Item = Alert> {
    answers.into_iter().filter_map(|answer| match answer {
        Ok(decided) => Some(decided.value.alert().clone()),
        Err(error) => {
            warn!(error = %chain(&error), "an alert of a sweep was not taken");
            None
        }
    })
}
