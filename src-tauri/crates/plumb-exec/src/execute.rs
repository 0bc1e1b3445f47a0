//! Performs an approved plan: intent before effect, one attempt, arrival proven by content.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use plumb_fleet::{NamedContent, NodeId, RunId};
use plumb_journal::{EffectOutcome, Event, Outcome};
use plumb_runbook::{ApprovedPlan, Effect, NodePlan, Plan, Running, Wave};
use tokio::{sync::OnceCell, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{info, instrument, warn};

use crate::{
    limits::{LOOK_AGAIN_FIRST, LOOK_AGAIN_MAX, NODES_AT_ONCE},
    ports::{Clock, EffectHandler, Journal, JournalError, Observation},
};

/// Carries out an approved plan and returns how it ended.
///
/// Every effect is journalled before it is sent and after it came back. Cancellation is honoured
/// between effects, never inside one. An error means that the journal could not be written; then
/// nothing further is sent.
#[instrument(skip_all, fields(run = %run, plan = %approved.plan().hash()))]
pub async fn execute(
    run: RunId,
    approved: &ApprovedPlan,
    handler: &impl EffectHandler,
    journal: &impl Journal,
    clock: &impl Clock,
    cancel: &CancellationToken,
) -> Result<Outcome, JournalError> {
    let halt = CancellationToken::new();
    let operator = approved.operator();
    let abort = OnceCell::new();
    let execution = Execution { run, operator, handler, journal, clock, cancel, abort, halt };
    execution.perform(approved).await
}

/// What every step of a run needs.
struct Execution<'a, H, J, C> {
    run: RunId,
    operator: &'a str,
    handler: &'a H,
    journal: &'a J,
    clock: &'a C,
    cancel: &'a CancellationToken,
    /// Set once the request to abort is in the journal.
    abort: OnceCell<()>,
    /// Set when the journal could not be written: no other node is sent anything either.
    halt: CancellationToken,
}

/// When the first effect of a node was sent, by the clock and as a moment to wait from.
#[derive(Debug, Clone, Copy)]
struct SentAt {
    clock: Timestamp,
    /// Wall time may be set while a run waits; a deadline is about time that passed.
    instant: Instant,
}

impl SentAt {
    fn is_late(self, target: &NodePlan) -> bool {
        self.instant.elapsed() >= Duration::from_secs(u64::from(target.deadline_s))
    }
}

/// Nodes whose arrival is worth waiting for.
type Sent = BTreeMap<NodeId, SentAt>;
/// When nodes had loaded last before they were asked to load again, by their own clocks.
type LoadedBefore = BTreeMap<NodeId, Timestamp>;

impl<H: EffectHandler, J: Journal, C: Clock> Execution<'_, H, J, C> {
    async fn perform(&self, approved: &ApprovedPlan) -> Result<Outcome, JournalError> {
        let plan = approved.plan();
        self.append(vec![Event::RunStarted {
            plan: plan.hash(),
            fleet: plan.fleet.clone(),
            operator: approved.operator().to_owned(),
            targets: u32::try_from(plan.targets().count()).unwrap_or(u32::MAX),
        }])
        .await?;
        if self.aborted().await? {
            return self.end(Outcome::Aborted).await;
        }
        if !self.set_desired(plan).await? {
            return self.end(Outcome::Incomplete).await;
        }
        let mut missing = plan.targets().count();
        for wave in &plan.waves {
            if self.aborted().await? {
                break;
            }
            let loaded_before = self.loaded_before(wave).await;
            let sent = self.act(wave).await?;
            missing -= self.prove(wave, &sent, &loaded_before).await?;
        }
        // An abort that came when everything had arrived aborted nothing.
        let outcome = if missing == 0 {
            Outcome::Succeeded
        } else if self.aborted().await? {
            Outcome::Aborted
        } else {
            Outcome::Incomplete
        };
        self.end(outcome).await
    }

    async fn append(&self, events: Vec<Event>) -> Result<(), JournalError> {
        let written = self.journal.append(events).await;
        if written.is_err() {
            self.halt.cancel();
        }
        written
    }

    /// Whether the run is to end. What follows from an abort is journalled after its request.
    async fn aborted(&self) -> Result<bool, JournalError> {
        if !self.cancel.is_cancelled() {
            return Ok(false);
        }
        let by = || vec![Event::AbortRequested { by: self.operator.to_owned() }];
        self.abort.get_or_try_init(|| self.append(by())).await?;
        Ok(true)
    }

    async fn end(&self, outcome: Outcome) -> Result<Outcome, JournalError> {
        self.append(vec![Event::RunEnded { outcome }]).await?;
        info!(outcome = outcome.name(), "run ended");
        Ok(outcome)
    }

    /// Sets the desired version, where the plan changes it; otherwise no node may be touched.
    async fn set_desired(&self, plan: &Plan) -> Result<bool, JournalError> {
        let Some(change) = &plan.desired else { return Ok(true) };
        if let Err(message) = self.handler.set_desired(change).await {
            warn!(error = %message, "desired version not set");
            let reason = format!("the desired version was not set: {message}");
            let skipped = |target: &NodePlan| Event::EffectSkipped {
                node: target.node.clone(),
                index: 0,
                reason: reason.clone(),
            };
            self.append(plan.targets().map(skipped).collect()).await?;
            return Ok(false);
        }
        let event = Event::DesiredSet { version: change.version.clone(), content: change.content };
        self.append(vec![event]).await?;
        Ok(true)
    }

    async fn act(&self, wave: &Wave) -> Result<Sent, JournalError> {
        // Made before they are polled: a closure inside the stream would hide that they can move between threads.
        let nodes: Vec<_> = wave.nodes.iter().map(|target| self.act_on_node(target)).collect();
        let results: Vec<Result<Option<(NodeId, SentAt)>, JournalError>> =
            stream::iter(nodes).buffer_unordered(NODES_AT_ONCE).collect().await;
        results.into_iter().filter_map(Result::transpose).collect()
    }

    async fn act_on_node(
        &self,
        target: &NodePlan,
    ) -> Result<Option<(NodeId, SentAt)>, JournalError> {
        let mut sent = None;
        for (index, effect) in (0_u32..).zip(&target.effects) {
            let node = target.node.clone();
            if self.halt.is_cancelled() {
                return Ok(sent);
            }
            if self.aborted().await? {
                let reason = "aborted".to_owned();
                self.append(vec![Event::EffectSkipped { node, index, reason }]).await?;
                return Ok(sent);
            }
            let key = format!("{}/{node}/{index}", self.run);
            self.append(vec![Event::EffectStarted {
                node: node.clone(),
                index,
                effect: effect.clone(),
                key: key.clone(),
            }])
            .await?;
            let at = SentAt { clock: self.clock.now(), instant: Instant::now() };
            let outcome = self.handler.perform(&node, effect, &key).await;
            let go_on = outcome.is_accepted();
            let in_doubt = matches!(outcome, EffectOutcome::InDoubt { .. });
            self.append(vec![Event::EffectFinished { node: node.clone(), index, outcome }]).await?;
            if !go_on && !in_doubt {
                // Refused: there is no arrival to wait for, and the refusal is what to read.
                return Ok(None);
            }
            if !matches!(effect, Effect::Verify { .. }) && sent.is_none() {
                sent = Some((node, at));
            }
            if !go_on {
                break;
            }
        }
        Ok(sent)
    }

    async fn loaded_before(&self, wave: &Wave) -> LoadedBefore {
        let again = wave.nodes.iter().filter(|target| must_load_again(target));
        let nodes: Vec<NodeId> = again.map(|target| target.node.clone()).collect();
        if nodes.is_empty() {
            return LoadedBefore::new();
        }
        let seen = self.handler.observe(&nodes).await;
        let loaded = |(node, seen): (NodeId, Result<Observation, String>)| {
            seen.ok().and_then(|seen| seen.loaded_at).map(|at| (node, at))
        };
        seen.into_iter().filter_map(loaded).collect()
    }

    /// Looks until every node that was changed has arrived, or was looked at once more after its
    /// deadline; returns how many arrived.
    async fn prove(
        &self,
        wave: &Wave,
        sent: &Sent,
        loaded_before: &LoadedBefore,
    ) -> Result<usize, JournalError> {
        let changed = wave.nodes.iter().filter(|target| sent.contains_key(&target.node));
        let mut waiting: BTreeMap<&NodeId, &NodePlan> =
            changed.map(|target| (&target.node, target)).collect();
        let mut arrived = 0_usize;
        let mut pause = LOOK_AGAIN_FIRST;
        while !waiting.is_empty() {
            let nodes: Vec<NodeId> = waiting.keys().map(|node| (*node).clone()).collect();
            let aborted = self.aborted().await?;
            // Judged before the look: a slow one may have seen a node long before its deadline.
            let late: BTreeSet<NodeId> = waiting
                .values()
                .filter(|target| aborted || sent[&target.node].is_late(target))
                .map(|target| target.node.clone())
                .collect();
            let mut seen: BTreeMap<_, _> = self.handler.observe(&nodes).await.into_iter().collect();
            let mut events = Vec::new();
            let mut settled = BTreeSet::new();
            for (node, target) in &waiting {
                let observation =
                    seen.remove(*node).unwrap_or_else(|| Err("it was not looked at".to_owned()));
                let before = loaded_before.get(*node).copied();
                let (sent_at, late) = (sent[*node].clock, late.contains(*node));
                if let Some(event) = judge(target, sent_at, before, observation, late) {
                    arrived +=
                        usize::from(matches!(event, Event::NodeProven { arrived: true, .. }));
                    events.push(event);
                    settled.insert((*node).clone());
                }
            }
            if !events.is_empty() {
                self.append(events).await?;
            }
            waiting.retain(|node, _| !settled.contains(*node));
            if waiting.is_empty() {
                break;
            }
            wait(pause, self.cancel).await;
            pause = (pause * 2).min(LOOK_AGAIN_MAX);
        }
        Ok(arrived)
    }
}

async fn wait(pause: Duration, cancel: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = cancel.cancelled() => {}
    }
}

/// Compares what a node tells with what the plan promised; nothing while it may still arrive.
fn judge(
    target: &NodePlan,
    sent_at: Timestamp,
    loaded_before: Option<Timestamp>,
    seen: Result<Observation, String>,
    late: bool,
) -> Option<Event> {
    let node = target.node.clone();
    match seen {
        Ok(seen) => {
            let (arrived, detail) = match proof(target, &seen, sent_at, loaded_before) {
                Ok(detail) => (true, detail),
                Err(missing) => (false, missing),
            };
            (arrived || late).then_some(Event::NodeProven {
                node,
                version: seen.version,
                content: seen.content,
                arrived,
                detail,
            })
        }
        Err(message) => late.then_some(Event::NodeProven {
            node,
            version: None,
            content: None,
            arrived: false,
            detail: message,
        }),
    }
}

/// What shows that everything asked of a node came to be, or else what is missing.
fn proof(
    target: &NodePlan,
    seen: &Observation,
    sent_at: Timestamp,
    loaded_before: Option<Timestamp>,
) -> Result<String, String> {
    let pin = target.effects.iter().find_map(pin);
    let holds = pin.is_none() || pin == seen.pinned;
    if target.effects.iter().all(|effect| matches!(effect, Effect::Pin { .. })) {
        // What runs does not change by a pin, so it shows nothing.
        return if holds { Ok(pinned(seen)) } else { Err(pinned(seen)) };
    }
    let runs = Running { version: seen.version.clone(), content: seen.content };
    if !arrived(&target.after, &runs) {
        Err(format!("still runs {runs}"))
    } else if !holds {
        Err(format!("runs {runs}, but {}", pinned(seen)))
    } else if !loaded_again(target, seen, sent_at, loaded_before) {
        let what = if restarts(target) { "restart" } else { "load it anew" };
        Err(format!("runs {runs}, but did not {what}"))
    } else {
        Ok(format!("runs {runs}"))
    }
}

fn pin(effect: &Effect) -> Option<NamedContent> {
    match effect {
        Effect::Pin { version, content } => {
            Some(NamedContent { version: version.clone(), content: *content })
        }
        _ => None,
    }
}

fn pinned(seen: &Observation) -> String {
    match &seen.pinned {
        Some(pin) => format!("is pinned to {} {}", pin.version, pin.content.short()),
        None => "tells no pin".to_owned(),
    }
}

fn arrived(wanted: &Running, runs: &Running) -> bool {
    (wanted.version.is_none() || wanted.version == runs.version)
        && (wanted.content.is_none() || wanted.content == runs.content)
}

fn restarts(target: &NodePlan) -> bool {
    target.effects.contains(&Effect::Restart)
}

/// Whether only another load shows arrival, since the content is the one that ran before. An
/// unforced sync is not among them: a node that runs the content already confirms without loading.
fn must_load_again(target: &NodePlan) -> bool {
    let same = target.before.content == target.after.content;
    let loads = |effect: &Effect| {
        matches!(effect, Effect::Sync { force: true } | Effect::Reload { .. }) && same
    };
    restarts(target) || target.effects.iter().any(loads)
}

/// Another load than the one before, by the node's own clock. Where that is not known it is a load
/// after the request (1 s resolution). Of a node that never tells, a restart is not proven, and a
/// forced load is proven by the content alone.
fn loaded_again(
    target: &NodePlan,
    seen: &Observation,
    sent_at: Timestamp,
    loaded_before: Option<Timestamp>,
) -> bool {
    if !must_load_again(target) {
        return true;
    }
    match (seen.loaded_at, loaded_before) {
        (None, None) => !restarts(target),
        (None, Some(_)) => false,
        (Some(loaded), Some(before)) => loaded != before,
        (Some(loaded), None) => loaded.as_second() >= sent_at.as_second(),
    }
}
