//! What is under way: effects, looks, measurements and the renewal of the lock.

use std::{collections::BTreeMap, fmt, future::Future, pin::pin, time::Duration};

use futures::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use jiff::Timestamp;
use plumb_fleet::{NodeId, PlanHash, RunId};
use plumb_journal::EffectOutcome;
use plumb_runbook::{GateCheck, Plan};

use crate::{
    next::{Measured, Sending},
    ports::{EffectHandler, Lock, LockError, Observation, Request},
};

pub(super) type Seen = Vec<(NodeId, Result<Observation, String>)>;

/// Something that came back.
#[derive(Debug)]
pub(super) enum Back {
    Sent { sending: Sending, outcome: EffectOutcome },
    Looked { began: Timestamp, seen: Seen },
    Measured { measured: Measured, seen: Seen },
    Compared { wave: u32, difference: Option<String> },
    Held { began: Timestamp, answer: Result<Option<Duration>, LockError> },
}

pub(super) struct Flights<'a> {
    under_way: FuturesUnordered<BoxFuture<'a, Back>>,
    back: Vec<Back>,
}

impl fmt::Debug for Flights<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").field("under_way", &self.under_way.len()).finish_non_exhaustive()
    }
}

impl<'a> Flights<'a> {
    pub(super) fn new() -> Self {
        Self { under_way: FuturesUnordered::new(), back: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.back.is_empty()
    }

    /// What came back since it was asked last, without waiting.
    pub(super) fn taken(&mut self) -> Vec<Back> {
        while let Some(Some(back)) = futures::FutureExt::now_or_never(self.under_way.next()) {
            self.back.push(back);
        }
        std::mem::take(&mut self.back)
    }

    /// Waits for the next one.
    pub(super) async fn one_back(&mut self) {
        if self.back.is_empty() {
            self.back.extend(self.under_way.next().await);
        }
    }

    /// Waits for all of them.
    pub(super) async fn drain(&mut self) {
        while let Some(back) = self.under_way.next().await {
            self.back.push(back);
        }
    }

    /// Waits for something else; what is under way goes on.
    pub(super) async fn while_waiting<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                Some(back) = self.under_way.next() => self.back.push(back),
            }
        }
    }

    pub(super) fn send(
        &mut self,
        handler: &'a impl EffectHandler,
        run: RunId,
        plan: PlanHash,
        sending: Sending,
    ) {
        self.under_way.push(Box::pin(async move {
            let request = Request {
                node: &sending.node,
                effect: &sending.effect,
                key: &sending.key,
                run,
                plan,
                branch: sending.branch,
            };
            let outcome = handler.perform(&request).await;
            Back::Sent { sending, outcome }
        }));
    }

    pub(super) fn look(
        &mut self,
        handler: &'a impl EffectHandler,
        nodes: Vec<NodeId>,
        began: Timestamp,
    ) {
        self.under_way.push(Box::pin(async move {
            Back::Looked { began, seen: observe(handler, nodes).await }
        }));
    }

    pub(super) fn measure(
        &mut self,
        handler: &'a impl EffectHandler,
        wave: u32,
        nodes: Vec<NodeId>,
        checks: &'a [GateCheck],
        since: Timestamp,
        began: Timestamp,
    ) {
        self.under_way.push(Box::pin(async move {
            let mut figures = Vec::new();
            for check in checks {
                let measured = check.is_alarm();
                let figure = async { handler.measure(check, &nodes, since).await };
                figures.push(if measured { Some(figure.await) } else { None });
            }
            let seen = observe(handler, nodes).await;
            Back::Measured { measured: Measured { wave, began, figures }, seen }
        }));
    }

    pub(super) fn compare(&mut self, handler: &'a impl EffectHandler, wave: u32, plan: &'a Plan) {
        self.under_way.push(Box::pin(async move {
            Back::Compared { wave, difference: handler.set_difference(plan).await }
        }));
    }

    pub(super) fn hold(&mut self, lock: &'a impl Lock, began: Timestamp) {
        self.under_way
            .push(Box::pin(async move { Back::Held { began, answer: lock.hold().await } }));
    }
}

/// Looks at nodes; one that was forgotten has no answer, too.
async fn observe(handler: &impl EffectHandler, nodes: Vec<NodeId>) -> Seen {
    let mut seen: BTreeMap<NodeId, _> = handler.observe(&nodes).await.into_iter().collect();
    let forgotten = || Err("it was not looked at".to_owned());
    nodes
        .into_iter()
        .map(|node| {
            let answer = seen.remove(&node).unwrap_or_else(forgotten);
            (node, answer)
        })
        .collect()
}
