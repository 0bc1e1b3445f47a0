//! The first minutes of a new pack: whether it answers as it should, or has to be taken back.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use plumb_decide::{Answer, Reason};
use plumb_fleet::Digest;
use plumb_wire::v1::LogLevel;
use tokio::{
    sync::Notify,
    time::{MissedTickBehavior, interval},
};

use crate::{
    chain::chain,
    core::Core,
    engine::EngineError,
    load::{Engine, Policies},
    metrics::seconds_between,
};

/// A probe that takes too long may have met a busy machine; so many looks in a row have not.
const SLOW_LOOKS_MAX: u32 = 3;

/// When a new pack is taken back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrialLimits {
    /// How long after it came into force it is watched.
    pub window: Duration,
    /// Decisions before a share says anything: below, one that fails would already be too many.
    pub decisions_min: u64,
    /// Highest share of decisions that may end with a server error (R199).
    pub error_share_max: f64,
    /// Time between two looks; a decision that fails is a reason to look, too.
    pub look_every: Duration,
}

impl Default for TrialLimits {
    fn default() -> Self {
        Self {
            window: Duration::from_mins(5),
            decisions_min: 200,
            error_share_max: 0.005,
            look_every: Duration::from_secs(1),
        }
    }
}

/// A pack that still has to prove itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trial {
    pack: Digest,
    since: Timestamp,
    /// Decisions until then: failed, all.
    before: (u64, u64),
}

/// The newest pack, while it is watched.
#[derive(Debug, Default)]
pub(crate) struct Trials {
    current: Mutex<Option<Trial>>,
    changed: Notify,
}

/// What the figures say.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Going,
    Passed,
    Broken(String),
}

fn judge(trial: &Trial, decisions: (u64, u64), now: Timestamp, limits: &TrialLimits) -> Verdict {
    let failed = decisions.0.saturating_sub(trial.before.0);
    let all = decisions.1.saturating_sub(trial.before.1);
    if all >= limits.decisions_min && failed as f64 > all as f64 * limits.error_share_max {
        let share = limits.error_share_max * 100.0;
        return Verdict::Broken(format!(
            "{failed} of {all} decisions since then ended with a server error, more than {share} %"
        ));
    }
    if seconds_between(trial.since, now) >= limits.window.as_secs_f64() {
        return Verdict::Passed;
    }
    Verdict::Going
}

impl Trials {
    pub(crate) fn begin(&self, pack: Digest, since: Timestamp, before: (u64, u64)) {
        *self.lock() = Some(Trial { pack, since, before });
        self.changed.notify_one();
    }

    pub(crate) fn end(&self) {
        *self.lock() = None;
    }

    /// A decision failed.
    pub(crate) fn look(&self) {
        if self.lock().is_some() {
            self.changed.notify_one();
        }
    }

    fn current(&self) -> Option<Trial> {
        *self.lock()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Trial>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of the probes of the pack on trial.
#[derive(Debug, Default)]
struct Probing {
    pack: Option<Digest>,
    /// Looks in a row at which a probe took too long.
    slow: u32,
}

impl Probing {
    /// What speaks against a pack after one more look at its probes.
    fn judge(&mut self, pack: Digest, asked: Result<(), EngineError>) -> Option<String> {
        if self.pack != Some(pack) {
            *self = Self { pack: Some(pack), slow: 0 };
        }
        match asked {
            Ok(()) => self.slow = 0,
            Err(error) if is_slow(&error) => {
                self.slow += 1;
                return (self.slow >= SLOW_LOOKS_MAX)
                    .then(|| format!("{}, {} times in a row", chain(&error), self.slow));
            }
            Err(error) => return Some(chain(&error)),
        }
        None
    }
}

fn is_slow(error: &EngineError) -> bool {
    let EngineError::Probe { answer: Answer::NotEvaluated { reason }, .. } = error else {
        return false;
    };
    matches!(reason, Reason::TimeOver { .. })
}

/// Watches whatever comes into force until the agent stops.
pub(crate) async fn watch(core: Arc<Core>, limits: TrialLimits) {
    let mut ticks = interval(limits.look_every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut probes = Probing::default();
    loop {
        let probing = tokio::select! {
            () = core.stop.cancelled() => return,
            () = core.trial.changed.notified() => false,
            _ = ticks.tick() => true,
        };
        let Some(trial) = core.trial.current() else { continue };
        let mut verdict = judge(&trial, core.traffic.decision_errors(), core.now(), &limits);
        if verdict == Verdict::Going
            && probing
            && let Some(asked) = core.probe_again(trial.pack).await
            && let Some(problem) = probes.judge(trial.pack, asked)
        {
            verdict = Verdict::Broken(problem);
        }
        match verdict {
            Verdict::Going => {}
            Verdict::Passed => core.trial.end(),
            Verdict::Broken(reason) => {
                core.trial.end();
                let text = format!("Taking pack {} back: {reason}", trial.pack.short());
                core.log(LogLevel::Error, &text);
                if let Some(packs) = core.packs.get() {
                    packs.take_back(trial.pack, reason).await;
                }
            }
        }
    }
}

impl Core {
    /// Asks the probes of the pack in force once more; nothing when it is another, or has none.
    async fn probe_again(&self, pack: Digest) -> Option<Result<(), EngineError>> {
        let now = self.in_force.load_full()?;
        let engine = self.engine.as_ref()?;
        if now.pack()?.digest != pack {
            return None;
        }
        let Policies::Rego { engine: Engine::Here(policy), .. } = &now.bundle.policies else {
            return None;
        };
        Some(engine.probe(policy, self.now()).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[track_caller]
    fn check(decisions: (u64, u64), now_s: i64) -> &'static str {
        let trial = Trial { pack: Digest::of(b"pack"), since: at(0), before: (3, 1_000) };
        match judge(&trial, decisions, at(now_s), &TrialLimits::default()) {
            Verdict::Going => "going",
            Verdict::Passed => "passed",
            Verdict::Broken(_) => "broken",
        }
    }

    #[test]
    fn a_share_counts_from_the_activation_and_from_a_least_number_on() {
        assert_eq!(check((3, 1_000), 0), "going");
        assert_eq!(check((202, 1_199), 10), "going", "199 decisions say nothing yet");
        assert_eq!(check((4, 1_200), 10), "going", "one of 200 is the limit");
        assert_eq!(check((5, 1_200), 10), "broken");
        assert_eq!(check((5, 1_400), 10), "going", "two of 400 are the limit");
    }

    #[test]
    fn a_slow_probe_counts_only_when_it_stays_slow_and_a_wrong_one_at_once() {
        let (pack, other) = (Digest::of(b"pack"), Digest::of(b"other"));
        let failed = |answer| Err(EngineError::Probe { number: 1, answer });
        let slow = || failed(Answer::NotEvaluated { reason: Reason::TimeOver { limit_ms: 1_000 } });
        let mut probes = Probing::default();
        assert_eq!(probes.judge(pack, slow()), None);
        assert_eq!(probes.judge(pack, slow()), None);
        assert_eq!(probes.judge(pack, Ok(())), None, "the machine was busy");
        assert_eq!(probes.judge(pack, slow()), None);
        assert_eq!(probes.judge(pack, slow()), None);
        assert_eq!(probes.judge(other, slow()), None, "another pack begins anew");
        assert_eq!(probes.judge(other, slow()), None);
        let problem = probes.judge(other, slow()).expect("it stays slow");
        assert!(problem.ends_with("3 times in a row"), "{problem}");
        assert!(probes.judge(pack, failed(Answer::Deny)).is_some());
    }

    #[test]
    fn the_trial_ends_with_its_window() {
        assert_eq!(check((3, 1_500), 299), "going");
        assert_eq!(check((3, 1_500), 300), "passed");
        assert_eq!(check((53, 1_500), 300), "broken");
    }
}
