//! What must hold after a wave before the next one begins.

use serde::{Deserialize, Serialize};

/// Longest soak and patience: a week.
const SECONDS_MAX: u32 = 7 * 24 * 60 * 60;
/// Most checks of one gate.
const CHECKS_MAX: usize = 16;
/// Longest Prometheus query, in bytes.
const QUERY_BYTES_MAX: usize = 4_096;

/// The conditions after a wave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    pub checks: Vec<GateCheck>,
    /// How long a wave is watched before the gate may open, in seconds.
    #[serde(default)]
    pub soak_s: u32,
    /// How long after the soak a check that is not answered may still be, in seconds.
    #[serde(default = "patience_s")]
    pub patience_s: u32,
    /// Pause between two looks at what is checked, in seconds.
    #[serde(default = "every_s")]
    pub every_s: u32,
}

const fn patience_s() -> u32 {
    60
}

const fn every_s() -> u32 {
    10
}

/// One condition. Limits are whole numbers, so that plans have the same bytes everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "check", rename_all = "snake_case", deny_unknown_fields)]
pub enum GateCheck {
    /// This share of the nodes changed so far runs the content the plan wants, in percent.
    Convergence { percent_min: u8 },
    /// Decisions that ended in an error since the wave began, in a million of all; from the nodes'
    /// own metrics.
    ErrorRate { ppm_max: u32 },
    /// 95th percentile of decision latency by the nodes' own metrics, in microseconds.
    Latency { p95_us_max: u64 },
    /// The one value a Prometheus query answers, in thousandths.
    Prometheus { query: String, milli_max: i64 },
    /// Every changed node answers the requests of the comparison as its new content does, when it is
    /// evaluated here: no unexpected flips.
    Decisions,
    /// Somebody looked and says so, with a reason.
    Attest { what: String },
}

impl GateCheck {
    /// One sentence for a person.
    pub fn sentence(&self) -> String {
        match self {
            Self::Convergence { percent_min: 100 } => {
                "every node runs the content wanted".to_owned()
            }
            Self::Convergence { percent_min } => {
                format!("{percent_min} % of the nodes run the content wanted")
            }
            Self::ErrorRate { ppm_max } => {
                format!("at most {ppm_max} errors in a million decisions")
            }
            Self::Latency { p95_us_max } => {
                format!("95 % of decisions within {p95_us_max} us")
            }
            Self::Prometheus { query, milli_max } => {
                format!("{query} is at most {}", Milli(*milli_max))
            }
            Self::Decisions => "changed nodes answer as their new content does".to_owned(),
            Self::Attest { what } => format!("somebody attests: {what}"),
        }
    }

    /// Whether a value beyond the limit fails the gate at once, and not only when patience ends.
    pub const fn is_alarm(&self) -> bool {
        matches!(
            self,
            Self::ErrorRate { .. }
                | Self::Latency { .. }
                | Self::Prometheus { .. }
                | Self::Decisions
        )
    }
}

/// Thousandths as a decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Milli(pub i64);

impl std::fmt::Display for Milli {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, value) = (if self.0 < 0 { "-" } else { "" }, self.0.unsigned_abs());
        match value % 1_000 {
            0 => write!(f, "{sign}{}", value / 1_000),
            rest => {
                let digits = format!("{rest:03}");
                write!(f, "{sign}{}.{}", value / 1_000, digits.trim_end_matches('0'))
            }
        }
    }
}

/// The text is no decimal with at most three places.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no number with at most three places after the point")]
pub struct MilliError {
    pub text: String,
}

impl std::str::FromStr for Milli {
    type Err = MilliError;
    fn from_str(text: &str) -> Result<Self, MilliError> {
        let wrong = || MilliError { text: text.chars().take(40).collect() };
        let (sign, rest) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
        let (whole, places) = rest.split_once('.').unwrap_or((rest, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !digits(whole) || !digits(places) || places.len() > 3 {
            return Err(wrong());
        }
        let thousandths: i64 = format!("{places:0<3}").parse().map_err(|_| wrong())?;
        let whole: i64 = whole.parse().map_err(|_| wrong())?;
        let all = whole.checked_mul(1_000).and_then(|whole| whole.checked_add(thousandths));
        all.map(|all| Self(sign * all)).ok_or_else(wrong)
    }
}

impl Gate {
    /// The gate of a wave. After the last one nobody waits for a person.
    pub(crate) fn after(&self, last: bool) -> Option<Self> {
        let mut gate = self.clone();
        if last {
            gate.checks.retain(|check| !matches!(check, GateCheck::Attest { .. }));
        }
        (!gate.checks.is_empty() || gate.soak_s > 0).then_some(gate)
    }

    /// Whether it can open at all.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        if self.checks.len() > CHECKS_MAX {
            return Err("a gate has at most 16 checks");
        }
        if self.every_s == 0
            || [self.soak_s, self.patience_s, self.every_s].iter().any(|s| *s > SECONDS_MAX)
        {
            return Err("a gate looks at least once a second, and soaks a week at most");
        }
        for check in &self.checks {
            match check {
                GateCheck::Convergence { percent_min } if !(1..=100).contains(percent_min) => {
                    return Err("a convergence is 1 to 100 percent");
                }
                GateCheck::Prometheus { query, .. }
                    if query.trim().is_empty() || query.len() > QUERY_BYTES_MAX =>
                {
                    return Err("a Prometheus query has 1 to 4096 bytes");
                }
                GateCheck::Attest { what } if what.trim().is_empty() => {
                    return Err("an attestation says what is attested");
                }
                _ => {}
            }
        }
        Ok(())
    }
}
