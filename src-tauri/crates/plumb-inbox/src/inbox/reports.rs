//! Reports that come together are kept together: one transaction, and one wait for the disk, for all that arrived while
//! the former one was being made durable.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

use plumb_alert::{
    Alert, AlertRef, Appended, Decided, Draft, Incident, IncidentState, Ingested, Rejection,
    RoutingPolicy, convert, ingest,
};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;
use tracing::warn;

use super::{Inbox, incidents::signature_lock, unique};
use crate::{
    error::{InboxError, StoreFailure, Trouble},
    store::{AlertStore, Rows},
};

/// Reports that wait: with more, senders wait instead.
const WAITING_MAX: usize = 4_096;
/// Reports of one transaction.
const TOGETHER_MAX: usize = 512;
/// Who opens incidents that the policy asks for.
const BY_POLICY: &str = "alert_routing_policy.yml";

type Answer = Result<Decided<Ingested>, InboxError>;

#[derive(Debug)]
struct Waiting {
    draft: Draft,
    answer: oneshot::Sender<Answer>,
}

/// The way to the task that keeps reports.
#[derive(Debug, Clone)]
pub(super) struct Reports(Arc<Mutex<Option<mpsc::Sender<Waiting>>>>);

impl Reports {
    pub(super) fn start(
        store: Arc<dyn AlertStore>,
        policy: Arc<RoutingPolicy>,
        tasks: &TaskTracker,
    ) -> Self {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        tasks.spawn(keep_all(store, policy, receiver));
        Self(Arc::new(Mutex::new(Some(sender))))
    }

    /// Takes nothing more; what waits is kept.
    pub(super) fn end(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn sender(&self) -> Option<mpsc::Sender<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Inbox {
    /// Takes a report. When this answers, what it answers is durable.
    pub async fn ingest(&self, draft: Draft) -> Answer {
        let mut answers = self.ingest_all(vec![draft]).await;
        answers.pop().unwrap_or_else(|| Err(self.stopping().into()))
    }

    /// Takes reports; the answers stand in their order.
    pub async fn ingest_all(&self, drafts: Vec<Draft>) -> Vec<Answer> {
        let kinds = self.policy.kinds.as_deref();
        let sender = self.reports.sender();
        let mut pending = Vec::with_capacity(drafts.len());
        for draft in drafts {
            pending.push(match (draft.check(kinds), &sender) {
                (Err(rejection), _) => Err(rejection.into()),
                (Ok(()), Some(sender)) => {
                    let (answer, answered) = oneshot::channel();
                    let sent = sender.send(Waiting { draft, answer }).await;
                    sent.map(|()| answered).map_err(|_| self.stopping().into())
                }
                (Ok(()), None) => Err(self.stopping().into()),
            });
        }
        let mut answers = Vec::with_capacity(pending.len());
        for answered in pending {
            answers.push(match answered {
                Err(error) => Err(error),
                Ok(answered) => answered.await.unwrap_or_else(|_| Err(self.stopping().into())),
            });
        }
        answers
    }

    fn stopping(&self) -> StoreFailure {
        let place = self.durability().place.into();
        StoreFailure::new(Trouble::Starting, "taking a report", &place)
    }
}

async fn keep_all(
    store: Arc<dyn AlertStore>,
    policy: Arc<RoutingPolicy>,
    mut receiver: mpsc::Receiver<Waiting>,
) {
    let mut together = Vec::with_capacity(TOGETHER_MAX);
    while receiver.recv_many(&mut together, TOGETHER_MAX).await > 0 {
        let (drafts, senders): (Vec<Draft>, Vec<_>) =
            together.drain(..).map(|waiting| (waiting.draft, waiting.answer)).unzip();
        let answers = keep(&*store, &policy, &drafts).await;
        for (sender, answer) in senders.into_iter().zip(answers) {
            // Whoever went away has no use for the answer; the report is kept.
            let _ = sender.send(answer);
        }
    }
}

/// Keeps reports in one transaction; one that the store cannot take does not spoil the others.
async fn keep(store: &dyn AlertStore, policy: &RoutingPolicy, drafts: &[Draft]) -> Vec<Answer> {
    match keep_together(store, policy, drafts).await {
        Ok(answers) => answers.into_iter().map(|answer| answer.map_err(Into::into)).collect(),
        Err(InboxError::Store(failure))
            if failure.trouble == Trouble::Query && drafts.len() > 1 =>
        {
            warn!(%failure, reports = drafts.len(), "reports are kept one by one");
            let mut answers = Vec::with_capacity(drafts.len());
            for draft in drafts {
                let one = keep_together(store, policy, std::slice::from_ref(draft)).await;
                answers.push(one.and_then(|mut one| match one.pop() {
                    Some(answer) => answer.map_err(Into::into),
                    None => unreachable!("one report has one answer"),
                }));
            }
            answers
        }
        Err(error) => drafts.iter().map(|_| Err(error.clone())).collect(),
    }
}

async fn keep_together(
    store: &dyn AlertStore,
    policy: &RoutingPolicy,
    drafts: &[Draft],
) -> Result<Vec<Result<Decided<Ingested>, Rejection>>, InboxError> {
    let fingerprints: BTreeSet<String> = drafts.iter().map(Draft::fingerprint).collect();
    let fingerprints: Vec<String> = fingerprints.into_iter().collect();
    let locks: Vec<String> =
        fingerprints.iter().map(|fingerprint| format!("fingerprint {fingerprint}")).collect();
    let mut rows = store.write().await?;
    rows.lock(&locks).await?;
    let known = rows.newest(&fingerprints).await?;
    let now = rows.now().await?;
    let mut newest: BTreeMap<String, Alert> =
        known.into_iter().map(|alert| (alert.fingerprint.clone(), alert)).collect();
    let mut touched: BTreeMap<AlertRef, Alert> = BTreeMap::new();
    let mut answers = Vec::with_capacity(drafts.len());
    for draft in drafts {
        let fingerprint = draft.fingerprint();
        let fresh = AlertRef::new(now, unique());
        let known = newest.get(&fingerprint);
        let answer = ingest(draft, known, policy.defaults.dedupe_ttl_minutes, fresh, now);
        if let Ok(decided) = &answer {
            let alert = decided.value.alert();
            touched.insert(alert.alert_ref.clone(), alert.clone());
            newest.insert(fingerprint, alert.clone());
        }
        answers.push(answer);
    }
    if touched.is_empty() {
        return Ok(answers);
    }
    let opened = convert_by_policy(&mut *rows, policy, &mut answers, &mut touched).await?;
    let touched: Vec<Alert> = touched.into_values().collect();
    rows.append(&opened).await?;
    rows.put_alerts(&touched).await?;
    rows.commit().await?;
    Ok(answers)
}

/// Puts new alerts into incidents where the policy says so.
async fn convert_by_policy(
    rows: &mut dyn Rows,
    policy: &RoutingPolicy,
    answers: &mut [Result<Decided<Ingested>, Rejection>],
    touched: &mut BTreeMap<AlertRef, Alert>,
) -> Result<Vec<Appended>, InboxError> {
    let wanted = |alert: &Alert| policy.route(alert).value.auto_incident;
    let created = answers.iter_mut().flatten().filter_map(|decided| match &decided.value {
        Ingested::Created(alert) if wanted(alert) => Some((alert.clone(), decided)),
        _ => None,
    });
    let created: Vec<_> = created.collect();
    if created.is_empty() {
        return Ok(Vec::new());
    }
    let locks: BTreeSet<String> =
        created.iter().map(|(alert, _)| signature_lock(&alert.signature)).collect();
    rows.lock(&locks.into_iter().collect::<Vec<_>>()).await?;
    let now = rows.now().await?;
    let mut incidents: BTreeMap<String, Option<Incident>> = BTreeMap::new();
    let mut opened: Vec<Appended> = Vec::new();
    for (alert, decided) in created {
        let signature = &alert.signature;
        if !incidents.contains_key(signature) {
            let open = rows.open_incident(signature).await?;
            incidents.insert(signature.clone(), open);
        }
        let known = incidents.get(signature).and_then(Option::as_ref);
        let known = known.filter(|incident| incident.state != IncidentState::Closed);
        let route = policy.route(&alert);
        let fresh = plumb_alert::IncidentRef::new(now, unique());
        let converted = convert(&alert, known, route.value.terms, BY_POLICY, fresh, now)?;
        decided.why.extend(route.why);
        decided.why.extend(converted.why);
        let converted = converted.value;
        incidents.insert(signature.clone(), Some(converted.appended.incident.clone()));
        // Later reports of this batch may have counted the alert up: only its incident is new.
        if let Some(kept) = touched.get_mut(&alert.alert_ref) {
            kept.incident_ref.clone_from(&converted.alert.incident_ref);
        }
        decided.value = Ingested::Created(converted.alert);
        opened.push(converted.appended);
    }
    Ok(together(opened))
}

/// Several steps of one incident as one: a row is kept once in a statement.
fn together(steps: Vec<Appended>) -> Vec<Appended> {
    let mut by_incident: BTreeMap<plumb_alert::IncidentRef, Appended> = BTreeMap::new();
    for step in steps {
        match by_incident.get_mut(&step.incident.incident_ref) {
            Some(known) => {
                known.incident = step.incident;
                known.entries.extend(step.entries);
            }
            None => drop(by_incident.insert(step.incident.incident_ref.clone(), step)),
        }
    }
    by_incident.into_values().collect()
}
