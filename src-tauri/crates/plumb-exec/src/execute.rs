//! Performs an approved plan: intent before effect, one attempt, arrival proven by content.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use plumb_fleet::{NodeId, RunId};
use plumb_journal::{EffectOutcome, Event, Outcome};
use plumb_runbook::{ApprovedPlan, Effect, NodePlan, Plan, Wave};
use tokio::{sync::OnceCell, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{info, instrument, warn};

use crate::{
    limits::{LOOK_AGAIN_FIRST, LOOK_AGAIN_MAX, NODES_AT_ONCE},
    ports::{Clock, EffectHandler, Journal, JournalError, Observation},
    proof::{must_load_again, only_told, otherwise, proof},
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
/// Nodes as they were before they were sent anything, where that decides something.
type SeenBefore = BTreeMap<NodeId, Observation>;

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
            let before = self.seen_before(wave).await;
            let sent = self.act(wave, &before).await?;
            missing -= self.prove(wave, &sent, &before).await?;
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

    /// Sets the desired version and pins, where the plan changes them; otherwise no node may be
    /// touched.
    async fn set_desired(&self, plan: &Plan) -> Result<bool, JournalError> {
        if let Some(change) = &plan.desired {
            if let Err(message) = self.handler.set_desired(change).await {
                return self.not_set(plan, "the desired version was not set", &message).await;
            }
            let (version, content) = (change.version.clone(), change.content);
            self.append(vec![Event::DesiredSet { version, content }]).await?;
        }
        if let Some(pins) = &plan.pins {
            if let Err(message) = self.handler.change_pins(pins).await {
                return self.not_set(plan, "the pins were not changed", &message).await;
            }
            self.append(vec![Event::PinsChanged { pins: pins.clone() }]).await?;
        }
        Ok(true)
    }

    async fn not_set(&self, plan: &Plan, what: &str, why: &str) -> Result<bool, JournalError> {
        warn!(error = %why, "{what}");
        let skipped = |target: &NodePlan| Event::EffectSkipped {
            node: target.node.clone(),
            index: 0,
            reason: format!("{what}: {why}"),
        };
        self.append(plan.targets().map(skipped).collect()).await?;
        Ok(false)
    }

    async fn act(&self, wave: &Wave, before: &SeenBefore) -> Result<Sent, JournalError> {
        // Made before they are polled: a closure inside the stream would hide that they can move between threads.
        let nodes: Vec<_> = wave
            .nodes
            .iter()
            .map(|target| self.act_on_node(target, before.get(&target.node)))
            .collect();
        let results: Vec<Result<Option<(NodeId, SentAt)>, JournalError>> =
            stream::iter(nodes).buffer_unordered(NODES_AT_ONCE).collect().await;
        results.into_iter().filter_map(Result::transpose).collect()
    }

    async fn act_on_node(
        &self,
        target: &NodePlan,
        before: Option<&Observation>,
    ) -> Result<Option<(NodeId, SentAt)>, JournalError> {
        let mut sent = None;
        if let Some(reason) = before.and_then(|seen| otherwise(target, seen)) {
            let node = target.node.clone();
            self.append(vec![Event::EffectSkipped { node, index: 0, reason }]).await?;
            return Ok(None);
        }
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

    async fn seen_before(&self, wave: &Wave) -> SeenBefore {
        let needed = |target: &&NodePlan| must_load_again(target) || only_told(target);
        let nodes: Vec<NodeId> =
            wave.nodes.iter().filter(needed).map(|target| target.node.clone()).collect();
        if nodes.is_empty() {
            return SeenBefore::new();
        }
        let seen = self.handler.observe(&nodes).await;
        seen.into_iter().filter_map(|(node, seen)| Some((node, seen.ok()?))).collect()
    }

    /// Looks until every node that was changed has arrived, or was looked at once more after its
    /// deadline; returns how many arrived.
    async fn prove(
        &self,
        wave: &Wave,
        sent: &Sent,
        before: &SeenBefore,
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
                let before = before.get(*node).and_then(|seen| seen.loaded_at);
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
