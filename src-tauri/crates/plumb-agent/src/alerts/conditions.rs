//! What is wrong right now, as plain figures in and rules out, and the task that looks.

use std::{collections::VecDeque, sync::Arc};

use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

use super::{AlertConfig, AlertRule};
use crate::{core::Core, metrics::seconds_between};

/// Since the source confirmed the digest (R184, R197).
const DIGEST_AGE_S_MAX: f64 = 15.0 * 60.0;
/// Since the bundle was loaded (R266); another quantity than the digest's age.
const LOAD_AGE_S_MAX: f64 = 24.0 * 3_600.0;
/// Failures in a row that are more than bad luck (R198).
const CONSECUTIVE_MIN: u64 = 3;
/// More failures than this within ten minutes page (R185).
const FAILURES_MAX: u64 = 3;
const FAILURES_WINDOW_S: f64 = 600.0;
/// A reload window is this long after an attempt, and so far back errors are counted.
const RELOAD_WINDOW_S: f64 = 300.0;
/// Highest share of decisions that may fail around a reload (R199).
const ERROR_SHARE_MAX: f64 = 0.005;

/// What the rules look at.
#[derive(Debug, Clone, Default)]
struct Observed {
    has_bundle: bool,
    digest_age_s: f64,
    load_age_s: f64,
    consecutive_failures: u64,
    consecutive_fetch_failures: u64,
    /// Failed attempts within [`FAILURES_WINDOW_S`].
    recent_failures: u64,
    last_error: Option<String>,
    fallback: Option<String>,
    /// An attempt was made within [`RELOAD_WINDOW_S`].
    reloading: bool,
    /// Decisions within that window: failed, all.
    decisions: (u64, u64),
}

/// Every condition that holds, with what a person needs.
fn wrong(seen: &Observed) -> Vec<(AlertRule, String)> {
    let mut wrong = Vec::new();
    let last_error = || seen.last_error.clone().unwrap_or_else(|| "see the log".to_owned());
    if seen.consecutive_failures >= CONSECUTIVE_MIN {
        let text =
            format!("{} failures in a row, last: {}", seen.consecutive_failures, last_error());
        wrong.push((AlertRule::ReloadFailingConsecutively, text));
    }
    if seen.recent_failures > FAILURES_MAX {
        let text =
            format!("{} failures in ten minutes, last: {}", seen.recent_failures, last_error());
        wrong.push((AlertRule::ReloadFailureRate, text));
    }
    let (failed, all) = seen.decisions;
    if seen.reloading && failed as f64 > all as f64 * ERROR_SHARE_MAX {
        let text = format!("{failed} of {all} decisions were answered with a server error");
        wrong.push((AlertRule::DecisionErrors, text));
    }
    if seen.consecutive_fetch_failures >= CONSECUTIVE_MIN {
        let text = format!("{} looks in a row failed", seen.consecutive_fetch_failures);
        wrong.push((AlertRule::FetchFailing, text));
    }
    if let Some(reason) = &seen.fallback {
        wrong.push((AlertRule::FallbackActive, reason.clone()));
    }
    if !seen.has_bundle {
        wrong.push((AlertRule::NoBundle, last_error()));
        return wrong;
    }
    if seen.digest_age_s > DIGEST_AGE_S_MAX {
        let minutes = (seen.digest_age_s / 60.0).floor();
        wrong.push((AlertRule::DigestStale, format!("confirmed {minutes} minutes ago")));
    }
    if seen.load_age_s > LOAD_AGE_S_MAX {
        let hours = (seen.load_age_s / 3_600.0).floor();
        wrong.push((AlertRule::LoadAgeHigh, format!("loaded {hours} hours ago")));
    }
    wrong
}

/// Decisions over time, for a share over a window instead of since the start.
#[derive(Debug, Default)]
struct Window(VecDeque<(Timestamp, u64, u64)>);

impl Window {
    /// Failed and all decisions since the oldest look within the window.
    fn add(&mut self, now: Timestamp, failed: u64, all: u64) -> (u64, u64) {
        // One look before the window stays, as the base what follows is counted from.
        while self.0.get(1).is_some_and(|(at, ..)| seconds_between(*at, now) >= RELOAD_WINDOW_S) {
            self.0.pop_front();
        }
        self.0.push_back((now, failed, all));
        let (_, failed_before, all_before) = self.0[0];
        (failed - failed_before, all - all_before)
    }
}

/// Looks at the conditions after every change and from time to time.
pub(crate) async fn watch(core: Arc<Core>, config: AlertConfig) {
    let mut ticks = interval(config.look_every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut window = Window::default();
    loop {
        tokio::select! {
            () = core.stop.cancelled() => return,
            () = core.alerts.changed.notified() => {}
            _ = ticks.tick() => {}
        }
        let now = core.now();
        let seen = observe(&core, &mut window, now);
        let wrong = wrong(&seen);
        for rule in AlertRule::ALL {
            if rule.is_event() {
                core.alerts.expire(rule, now);
                continue;
            }
            match wrong.iter().find(|(wrong, _)| *wrong == rule) {
                Some((_, detail)) => core.alerts.holds(rule, detail.clone(), now),
                None => core.alerts.ended(rule, now),
            }
        }
    }
}

fn observe(core: &Core, window: &mut Window, now: Timestamp) -> Observed {
    let (failed, all) = core.traffic.decision_errors();
    let decisions = window.add(now, failed, all);
    let loaded_at = core.loaded_at();
    let fetch_failures = core.pack.read().fetch_failures_in_a_row;
    let book = core.book();
    let within = |at: Timestamp, window_s: f64| seconds_between(at, now) < window_s;
    let mut attempts = book.history.attempts();
    let recent = attempts.clone().take_while(|record| within(record.timestamp, FAILURES_WINDOW_S));
    Observed {
        has_bundle: loaded_at.is_some(),
        digest_age_s: seconds_between(core.confirmed_at(), now),
        load_age_s: loaded_at.map_or(0.0, |at| seconds_between(at, now)),
        consecutive_failures: book.history.consecutive_failures(),
        consecutive_fetch_failures: fetch_failures,
        recent_failures: recent.filter(|record| !record.success).count() as u64,
        last_error: book.history.all().find_map(|record| record.error.clone()),
        fallback: book.fallback.as_ref().map(|fallback| fallback.reason.clone()),
        reloading: attempts.next().is_some_and(|record| within(record.timestamp, RELOAD_WINDOW_S)),
        decisions,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sound() -> Observed {
        Observed { has_bundle: true, ..Observed::default() }
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Observed)) -> Vec<&'static str> {
        let mut seen = sound();
        change(&mut seen);
        wrong(&seen).into_iter().map(|(rule, _)| rule.name()).collect()
    }

    #[test]
    fn nothing_is_wrong_with_a_sound_agent() {
        assert!(check(|_| ()).is_empty());
    }

    #[test]
    fn limits_are_silent_at_the_limit_and_fire_beyond() {
        assert!(check(|seen| seen.digest_age_s = 900.0).is_empty());
        assert_eq!(check(|seen| seen.digest_age_s = 900.1), ["PolicyDigestStale"]);
        assert!(check(|seen| seen.load_age_s = 86_400.0).is_empty());
        assert_eq!(check(|seen| seen.load_age_s = 86_400.1), ["PolicyLoadAgeHigh"]);
        assert!(check(|seen| seen.recent_failures = 3).is_empty());
        assert_eq!(check(|seen| seen.recent_failures = 4), ["PolicyReloadFailureRate"]);
        assert!(check(|seen| seen.consecutive_fetch_failures = 2).is_empty());
        assert_eq!(check(|seen| seen.consecutive_fetch_failures = 3), ["PolicyFetchFailing"]);
        assert!(check(|seen| seen.consecutive_failures = 2).is_empty());
        assert_eq!(
            check(|seen| seen.consecutive_failures = 3),
            ["PolicyReloadFailingConsecutively"]
        );
    }

    #[test]
    fn server_errors_count_only_around_a_reload() {
        assert!(check(|seen| seen.decisions = (50, 100)).is_empty());
        let around = |decisions| {
            check(|seen| {
                seen.reloading = true;
                seen.decisions = decisions;
            })
        };
        assert!(around((0, 0)).is_empty());
        assert!(around((5, 1_000)).is_empty());
        assert_eq!(around((6, 1_000)), ["PolicyReloadServerErrors"]);
    }

    #[test]
    fn without_a_bundle_ages_mean_nothing() {
        let named = check(|seen| {
            seen.has_bundle = false;
            seen.digest_age_s = 1e9;
        });
        assert_eq!(named, ["PolicyNoBundle"]);
    }

    #[test]
    fn the_window_forgets_what_is_older() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let mut window = Window::default();
        assert_eq!(window.add(at(0), 7, 10), (0, 0));
        assert_eq!(window.add(at(100), 9, 30), (2, 20));
        assert_eq!(
            window.add(at(399), 9, 40),
            (2, 30),
            "the look at 0 s is the base of the window"
        );
        assert_eq!(window.add(at(401), 9, 50), (0, 20));
    }
}
