//! Performs an approved plan: intent before effect, one attempt, arrival proven by content.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use plumb_fleet::{NodeId, RunId};
use plumb_journal::{EffectOutcome, Event, Outcome};
use plumb_runbook::{ApprovedPlan, Effect, NodePlan, Running, Wave};
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
    let plan = approved.plan();
    let targets = u32::try_from(plan.targets().count()).unwrap_or(u32::MAX);
    journal
        .append(vec![Event::RunStarted {
            plan: plan.hash(),
            fleet: plan.fleet.clone(),
            operator: approved.operator().to_owned(),
            targets,
        }])
        .await?;
    if let Some(change) = &plan.desired {
        if let Err(message) = handler.set_desired(change).await {
            warn!(error = %message, "desired version not set");
            return end(journal, Outcome::Incomplete).await;
        }
        let event = Event::DesiredSet { version: change.version.clone(), content: change.content };
        journal.append(vec![event]).await?;
    }
    let mut missing = 0_usize;
    for wave in &plan.waves {
        if cancel.is_cancelled() {
            break;
        }
        let sent = act(run, wave, handler, journal, clock, cancel).await?;
        missing += prove(wave, &sent, handler, journal, clock, cancel).await?;
    }
    let outcome = if cancel.is_cancelled() {
        Outcome::Aborted
    } else if missing == 0 {
        Outcome::Succeeded
    } else {
        Outcome::Incomplete
    };
    end(journal, outcome).await
}

async fn end(journal: &impl Journal, outcome: Outcome) -> Result<Outcome, JournalError> {
    journal.append(vec![Event::RunEnded { outcome }]).await?;
    info!(outcome = outcome.name(), "run ended");
    Ok(outcome)
}

/// When the first effect of a node was sent, for nodes whose arrival is worth waiting for.
type Sent = BTreeMap<NodeId, Timestamp>;

async fn act(
    run: RunId,
    wave: &Wave,
    handler: &impl EffectHandler,
    journal: &impl Journal,
    clock: &impl Clock,
    cancel: &CancellationToken,
) -> Result<Sent, JournalError> {
    // Made before they are polled: a closure inside the stream would hide that they can move between threads.
    let nodes: Vec<_> = wave
        .nodes
        .iter()
        .map(|target| act_on_node(run, target, handler, journal, clock, cancel))
        .collect();
    let results: Vec<Result<Option<(NodeId, Timestamp)>, JournalError>> =
        stream::iter(nodes).buffer_unordered(NODES_AT_ONCE).collect().await;
    results.into_iter().filter_map(Result::transpose).collect()
}

async fn act_on_node(
    run: RunId,
    target: &NodePlan,
    handler: &impl EffectHandler,
    journal: &impl Journal,
    clock: &impl Clock,
    cancel: &CancellationToken,
) -> Result<Option<(NodeId, Timestamp)>, JournalError> {
    let mut sent = None;
    for (index, effect) in (0_u32..).zip(&target.effects) {
        let node = target.node.clone();
        if cancel.is_cancelled() {
            journal
                .append(vec![Event::EffectSkipped { node, index, reason: "aborted".to_owned() }])
                .await?;
            return Ok(sent);
        }
        let key = format!("{run}/{node}/{index}");
        let started = Event::EffectStarted {
            node: node.clone(),
            index,
            effect: effect.clone(),
            key: key.clone(),
        };
        journal.append(vec![started]).await?;
        let at = clock.now();
        let outcome = handler.perform(&node, effect, &key).await;
        let go_on = outcome.is_accepted();
        let may_have_changed = !matches!(effect, Effect::Verify { .. })
            && matches!(outcome, EffectOutcome::Accepted { .. } | EffectOutcome::InDoubt { .. });
        journal.append(vec![Event::EffectFinished { node: node.clone(), index, outcome }]).await?;
        if may_have_changed && sent.is_none() {
            sent = Some((node, at));
        }
        if !go_on {
            break;
        }
    }
    Ok(sent)
}

/// Looks until every node that was changed has arrived or its deadline passed; returns how many did not.
async fn prove(
    wave: &Wave,
    sent: &Sent,
    handler: &impl EffectHandler,
    journal: &impl Journal,
    clock: &impl Clock,
    cancel: &CancellationToken,
) -> Result<usize, JournalError> {
    let mut waiting: BTreeMap<&NodeId, &NodePlan> =
        wave.nodes.iter().filter(|t| sent.contains_key(&t.node)).map(|t| (&t.node, t)).collect();
    let mut missing = wave.nodes.len() - waiting.len();
    let mut pause = LOOK_AGAIN_FIRST;
    while !waiting.is_empty() {
        let nodes: Vec<NodeId> = waiting.keys().map(|node| (*node).clone()).collect();
        let seen = handler.observe(&nodes).await;
        let now = clock.now();
        let mut events = Vec::new();
        let mut settled = BTreeSet::new();
        for (node, observation) in seen {
            let Some(target) = waiting.get(&node) else { continue };
            let late = cancel.is_cancelled()
                || now.as_second() - sent[&node].as_second() >= i64::from(target.deadline_s);
            if let Some(event) = judge(target, sent[&node], observation, late) {
                missing += usize::from(matches!(event, Event::NodeProven { arrived: false, .. }));
                events.push(event);
                settled.insert(node);
            }
        }
        if !events.is_empty() {
            journal.append(events).await?;
        }
        waiting.retain(|node, _| !settled.contains(*node));
        if waiting.is_empty() {
            break;
        }
        wait(pause, cancel).await;
        pause = (pause * 2).min(LOOK_AGAIN_MAX);
    }
    Ok(missing)
}

async fn wait(pause: Duration, cancel: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(pause) => {}
        () = cancel.cancelled() => {}
    }
}

/// Compares what a node runs with what the plan promised; nothing while it may still arrive.
fn judge(
    target: &NodePlan,
    sent_at: Timestamp,
    seen: Result<Observation, String>,
    late: bool,
) -> Option<Event> {
    let node = target.node.clone();
    match seen {
        Ok(seen) => {
            let runs = Running { version: seen.version.clone(), content: seen.content };
            let arrived = arrived(&target.after, &runs) && restarted(target, &seen, sent_at);
            (arrived || late).then(|| Event::NodeProven {
                node,
                version: seen.version,
                content: seen.content,
                arrived,
                detail: if arrived { format!("runs {runs}") } else { format!("still runs {runs}") },
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

fn arrived(wanted: &Running, runs: &Running) -> bool {
    (wanted.version.is_none() || wanted.version == runs.version)
        && (wanted.content.is_none() || wanted.content == runs.content)
}

/// A restart promises no other content, so its proof is a load after the request (1 s resolution).
fn restarted(target: &NodePlan, seen: &Observation, sent_at: Timestamp) -> bool {
    !target.effects.contains(&Effect::Restart)
        || seen.loaded_at.is_some_and(|loaded| loaded.as_second() >= sent_at.as_second())
}
