//! What to ask, what to make of the answer, and when to ask again. No clock, no randomness, no I/O.

use std::time::Duration;

use plumb_fleet::Digest;
use plumb_wire::packs::etag_digest;

use super::{digest::read_digest_field, failure::FetchFailure, limits::ETAG_BYTES_MAX};

/// How often is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Longest time between two polls while all is well; up to a fifth less, at random.
    pub interval: Duration,
    /// Ceiling of the first pause after a failure; it doubles with each further one.
    pub backoff_first: Duration,
    pub backoff_max: Duration,
    /// A registry may ask for more, but is not believed.
    pub retry_after_max: Duration,
    /// After so long the whole pack is read again, in case the registry's ETag stands still.
    pub full_every: Duration,
}

impl Pace {
    /// The usual pace around an interval.
    pub fn every(interval: Duration) -> Self {
        Self {
            interval,
            backoff_first: Duration::from_secs(1),
            backoff_max: interval.max(Duration::from_mins(1)),
            retry_after_max: Duration::from_hours(1),
            full_every: Duration::from_hours(24),
        }
    }
}

/// No pause is shorter, so that a row of small random numbers does not hammer a registry.
const PAUSE_MIN: Duration = Duration::from_millis(250);
/// Agents that come up together spread their first request over this time.
const FIRST_WITHIN: Duration = Duration::from_secs(2);
/// Agents that all just received a pack ask again within this time.
const AGAIN_WITHIN: Duration = Duration::from_millis(500);

/// The pack that is stored and active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub digest: Digest,
    pub etag: Option<String>,
}

/// What is remembered between two requests. Moments count from the fetcher's start on a clock that
/// never jumps.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Memory {
    pub held: Option<Held>,
    /// What the registry offered last and this node is not to run: asked about, and not for, until the
    /// registry offers another.
    pub held_back: Option<Held>,
    /// Failures in a row.
    pub failures: u32,
    /// The last answer contradicted itself, so the next request has no condition.
    pub distrust: bool,
    /// When the whole pack was last read.
    pub full_at: Option<Duration>,
    /// Nothing is asked before this moment, whoever asks.
    pub not_before: Duration,
}

/// What an answer says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen<'a> {
    Pack {
        etag: Option<&'a str>,
        digest_field: Option<&'a str>,
        found: Digest,
    },
    NotModified {
        asked_with: Option<&'a str>,
        etag: Option<&'a str>,
        digest_field: Option<&'a str>,
    },
}

/// What is done with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is what is active already.
    Rest,
    /// It is what came before and is not to be run here.
    StillHeldBack { digest: Digest },
    /// It is something new, to be verified.
    Verify,
}

/// How one look ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The registry offers what is active. `full` when the whole pack was read, `waited` when the
    /// registry held the answer back as a long poll asks.
    Current { full: bool, waited: bool },
    /// `answered` when the registry gave a pack, and it was what came that would not do.
    Failed { retry_after: Option<Duration>, distrust: bool, answered: bool },
}

impl Memory {
    /// The ETag of the next request, or nothing when the whole pack shall come.
    pub fn condition(&self, pace: &Pace, now: Duration) -> Option<&str> {
        let full_due = self.full_at.is_none_or(|at| now.saturating_sub(at) >= pace.full_every);
        let known = self.held_back.as_ref().or(self.held.as_ref());
        known.filter(|_| !self.distrust && !full_due)?.etag.as_deref()
    }

    /// Pause before the first request.
    pub fn first(share: f64) -> Duration {
        FIRST_WITHIN.mul_f64(bounded(share))
    }

    /// Judges an answer by what it says about itself.
    pub fn judge(&self, seen: Seen<'_>) -> Result<Step, FetchFailure> {
        match seen {
            Seen::NotModified { asked_with, etag, digest_field } => {
                let asked_about = |known: &&Held| {
                    known.etag.as_deref().zip(asked_with).is_some_and(|(own, asked)| own == asked)
                };
                let held_back = self.held_back.as_ref().filter(asked_about);
                let (Some(known), Some(asked)) = (held_back.or(self.held.as_ref()), asked_with)
                else {
                    return Err(FetchFailure::NotModifiedWithoutCache);
                };
                let lies =
                    |etag: &str| FetchFailure::EtagLies { etag: shown(etag), found: known.digest };
                if let Some(etag) = etag.filter(|etag| !same_tag(etag, asked)) {
                    return Err(lies(etag));
                }
                // A registry that tells the digest beside "not modified" must tell that one.
                match digest_field.map(read_digest_field) {
                    Some(Ok(claimed)) if claimed != known.digest => Err(lies(asked)),
                    _ if held_back.is_some() => Ok(Step::StillHeldBack { digest: known.digest }),
                    _ => Ok(Step::Rest),
                }
            }
            Seen::Pack { etag, digest_field, found } => {
                let claimed = read_digest_field(digest_field.unwrap_or_default())
                    .map_err(FetchFailure::NoDigest)?;
                if claimed != found {
                    return Err(FetchFailure::DigestMismatch { claimed, found });
                }
                if let Some(etag) = etag
                    && self.contradicts(etag, found)
                {
                    return Err(FetchFailure::EtagLies { etag: shown(etag), found });
                }
                let known = self.held.as_ref().is_some_and(|held| held.digest == found);
                Ok(if known { Step::Rest } else { Step::Verify })
            }
        }
    }

    /// Whether an ETag names another content than the one it came with.
    fn contradicts(&self, etag: &str, found: Digest) -> bool {
        if let Some(hex) = etag_digest(etag) {
            return hex.parse() != Ok(found);
        }
        // An opaque one names one content, too.
        self.held.as_ref().is_some_and(|held| {
            held.digest != found && held.etag.as_deref().is_some_and(|own| same_tag(own, etag))
        })
    }

    /// Remembers how a look ended and says how long to pause. `share` is a random number from 0 to 1.
    pub fn after(&mut self, pace: &Pace, outcome: Outcome, now: Duration, share: f64) -> Duration {
        let share = bounded(share);
        match outcome {
            Outcome::Current { full, waited } => {
                self.failures = 0;
                self.distrust = false;
                if full {
                    self.full_at = Some(now);
                }
                self.not_before = now;
                if waited {
                    return AGAIN_WITHIN.mul_f64(share);
                }
                pace.interval.mul_f64(1.0 - 0.2 * share).max(PAUSE_MIN)
            }
            Outcome::Failed { retry_after, distrust, answered } => {
                self.failures = self.failures.saturating_add(1);
                self.distrust = distrust;
                let asked = retry_after.map_or(Duration::ZERO, |t| t.min(pace.retry_after_max));
                self.not_before = now.saturating_add(asked);
                let mut ceiling = ceiling(pace, self.failures);
                if answered {
                    // A registry that is well is not spared: the next pack may be the sound one.
                    ceiling = ceiling.min(pace.interval);
                }
                // Those who were told the same moment do not come back at the same moment.
                asked.saturating_add(ceiling.mul_f64(share).max(PAUSE_MIN))
            }
        }
    }
}

/// The longest pause after so many failures in a row.
fn ceiling(pace: &Pace, failures: u32) -> Duration {
    let doublings = failures.saturating_sub(1).min(31);
    pace.backoff_first.saturating_mul(1 << doublings).min(pace.backoff_max)
}

fn bounded(share: f64) -> f64 {
    if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 }
}

/// Weak comparison (RFC 9110, 8.8.3.2).
fn same_tag(one: &str, other: &str) -> bool {
    one.strip_prefix("W/").unwrap_or(one) == other.strip_prefix("W/").unwrap_or(other)
}

fn shown(etag: &str) -> String {
    etag.chars().take(ETAG_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests;
