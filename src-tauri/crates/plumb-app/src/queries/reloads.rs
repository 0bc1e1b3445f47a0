//! Reloads judged: who started one, and whether it took longer than its size explains.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use plumb_fleet::{
    Desired, NodeId, ReloadEntry, ReloadTrigger,
    reload::{SLOW_FACTOR, expected_duration},
};
use plumb_journal::{Entry, Event};
use plumb_runbook::{Branch, Effect};

use crate::{
    app::App,
    current::Current,
    error::AppError,
    views::fleet::{ReloadOrigin, ReloadView},
};

/// Runs looked through for who started a reload, newest first.
const RUNS_SEARCHED_MAX: usize = 100;
/// How far a node's moment may lie outside the time we gave it: clocks are compared to a second, and a
/// request takes its time on the way.
const SLACK_S: i64 = 5;
/// How long an effect without an end may still have been carried out.
const WITHOUT_END_S: i64 = 120;

/// When our runs asked nodes to reload, by our clock.
#[derive(Debug, Default)]
pub(crate) struct OurReloads {
    by_node: BTreeMap<NodeId, Vec<Window>>,
    /// Runs before this moment were not looked at.
    since: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    from: Timestamp,
    until: Timestamp,
}

impl OurReloads {
    fn add(&mut self, entries: &[Entry]) {
        let mut open: BTreeMap<(&NodeId, Branch, u32), Timestamp> = BTreeMap::new();
        let mut found = Vec::new();
        for entry in entries {
            match &entry.body.event {
                Event::EffectStarted { node, index, effect, branch, .. } if reloads(effect) => {
                    open.insert((node, *branch, *index), entry.body.at);
                }
                Event::EffectFinished { node, index, outcome, branch } => {
                    let Some(from) = open.remove(&(node, *branch, *index)) else { continue };
                    // A refusal may be a reload that failed, which stands in the history too.
                    let until = if matches!(outcome, plumb_journal::EffectOutcome::InDoubt { .. }) {
                        later(from, WITHOUT_END_S)
                    } else {
                        entry.body.at
                    };
                    found.push((node.clone(), Window { from, until }));
                }
                _ => {}
            }
        }
        for ((node, ..), from) in open {
            let until = later(from, WITHOUT_END_S);
            found.push((node.clone(), Window { from, until }));
        }
        for (node, window) in found {
            self.by_node.entry(node).or_default().push(window);
        }
    }

    /// Who started a reload of a node. `skew_ms` is the node's clock minus ours.
    pub(crate) fn origin(
        &self,
        node: &NodeId,
        entry: &ReloadEntry,
        skew_ms: Option<i64>,
    ) -> ReloadOrigin {
        if entry.trigger.is_some_and(ReloadTrigger::is_own) {
            return ReloadOrigin::Own;
        }
        let at_ms = entry.at.as_millisecond().saturating_sub(skew_ms.unwrap_or(0));
        let within = |window: &&Window| {
            at_ms >= window.from.as_millisecond() - SLACK_S * 1_000
                && at_ms <= window.until.as_millisecond() + SLACK_S * 1_000
        };
        if self.by_node.get(node).is_some_and(|windows| windows.iter().any(|w| within(&w))) {
            return ReloadOrigin::Here;
        }
        if self.since.is_some_and(|since| at_ms < since.as_millisecond()) {
            return ReloadOrigin::NotKnown;
        }
        ReloadOrigin::Elsewhere
    }
}

/// Whether an effect makes a node load something.
const fn reloads(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Reload { .. }
            | Effect::Serve { .. }
            | Effect::Sync { .. }
            | Effect::Rollback { .. }
            | Effect::Restart
    )
}

fn later(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

impl App {
    /// What the journals of the fleet's newest runs say of reloads.
    pub(crate) async fn our_reloads(&self, fleet: &str) -> Result<OurReloads, AppError> {
        let ids = self.run_ids(fleet, RUNS_SEARCHED_MAX).await?;
        let mut ours = OurReloads::default();
        let all = ids.len() < RUNS_SEARCHED_MAX;
        for id in ids {
            let (_, entries) = self.run_record(id).await?;
            if !all && let Some(first) = entries.first() {
                ours.since = Some(first.body.at);
            }
            ours.add(&entries);
        }
        Ok(ours)
    }
}

/// Fills in what the history of a node alone does not say.
pub(crate) fn judge(
    view: &mut ReloadView,
    entry: &ReloadEntry,
    node: &NodeId,
    current: &Current,
    ours: &OurReloads,
) {
    let skew_ms = current.report(node).and_then(|report| report.clock_skew_ms);
    view.origin = ours.origin(node, entry, skew_ms);
    view.slow = slow(entry, &current.desired, node).map(Slow::sentence);
}

/// A reload that took more than three times what is documented for its size (R284).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slow {
    took: Duration,
    expected: Duration,
}

impl Slow {
    pub(crate) fn sentence(self) -> String {
        let (took, expected) = (self.took.as_millis(), self.expected.as_millis());
        format!("took {took} ms, where about {expected} ms is documented for its size")
    }
}

/// Compares a reload with the documented time of its size: of the signed bundle of that version where it
/// is known here, else of as many policies.
pub(crate) fn slow(entry: &ReloadEntry, desired: &Desired, node: &NodeId) -> Option<Slow> {
    let bytes = entry
        .version
        .as_ref()
        .and_then(|version| desired.offer(node).of_version(version).map(|entry| entry.bytes).max());
    let expected = expected_duration(bytes.filter(|bytes| *bytes > 0), entry.policies)?;
    let took = Duration::from_micros(entry.duration_us);
    (took > expected * SLOW_FACTOR).then_some(Slow { took, expected })
}
