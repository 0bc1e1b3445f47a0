//! What would stop verifying if a key, root, log or authority were no longer trusted.

use jiff::Timestamp;
use serde::Serialize;

use super::{Signed, TrustPolicy};

/// Something that is in use or kept somewhere, and must go on verifying.
#[derive(Debug, Clone, Copy)]
pub struct Kept<'a> {
    pub node: &'a str,
    /// `active`, `lkg`, or what else it is kept as.
    pub role: &'a str,
    pub signed: Signed<'a>,
}

/// One kept thing that is not trusted, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotTrusted {
    pub node: String,
    pub role: String,
    pub problem: String,
}

/// What retiring something would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Simulation {
    /// What was retired, as the policy or the root names it.
    pub retired: Vec<String>,
    /// Trusted today, and no longer afterwards.
    pub broken: Vec<NotTrusted>,
    /// Not trusted today either.
    pub failing: Vec<NotTrusted>,
    /// How many would go on verifying.
    pub unaffected: usize,
}

/// Why nothing was simulated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SimulationError {
    #[error("nothing in the policy is called {key:?}; it has {known}")]
    Unknown { key: String, known: String },
    #[error("the root {root:?} without {key:?} cannot be used: {problem}")]
    Root { root: String, key: String, problem: String },
}

/// Judges everything kept twice: as it is, and as if `key` were gone.
///
/// `key` is the name of a root or key of the policy, or the id of a log, certificate authority or
/// timestamp authority inside a root, in hex. What it names outside the policy is `elsewhere`: it is
/// told as retired too, and may be all there is. The policy is used up.
pub fn simulate(
    policy: TrustPolicy,
    key: &str,
    elsewhere: &[String],
    kept: &[Kept<'_>],
    now: Timestamp,
) -> Result<Simulation, SimulationError> {
    let judge = |policy: &TrustPolicy| -> Vec<Option<String>> {
        let problem = |kept: &Kept<'_>| {
            let verdict = policy.verify(kept.signed, now);
            if verdict.is_trusted() {
                None
            } else {
                Some(verdict.problem().unwrap_or_else(|| "not trusted".to_owned()))
            }
        };
        kept.iter().map(problem).collect()
    };
    let before = judge(&policy);
    let (policy, retired) = without(policy, key, elsewhere)?;
    let after = judge(&policy);
    let mut simulation =
        Simulation { retired, broken: Vec::new(), failing: Vec::new(), unaffected: 0 };
    for ((kept, before), after) in kept.iter().zip(before).zip(after) {
        let named = |problem: String| NotTrusted {
            node: kept.node.to_owned(),
            role: kept.role.to_owned(),
            problem,
        };
        match (before, after) {
            (Some(problem), _) => simulation.failing.push(named(problem)),
            (None, Some(problem)) => simulation.broken.push(named(problem)),
            (None, None) => simulation.unaffected += 1,
        }
    }
    Ok(simulation)
}

fn without(
    mut policy: TrustPolicy,
    key: &str,
    elsewhere: &[String],
) -> Result<(TrustPolicy, Vec<String>), SimulationError> {
    let names: Vec<String> = policy.material().map(|(id, _)| id.to_owned()).collect();
    let mut retired: Vec<String> = names.iter().filter(|id| *id == key).cloned().collect();
    policy.keys.retain(|known| known.id != key);
    policy.roots.retain(|(root, _)| root.id() != key);
    let mut roots = Vec::new();
    for (root, window) in policy.roots {
        let part = root.parts().into_iter().find(|part| part.key_id == key);
        let Some(part) = part else {
            roots.push((root, window));
            continue;
        };
        retired.push(format!("{} {} of {}", part.kind, part.url, root.id()));
        match root.without(key) {
            Some(Ok(rest)) => roots.push((rest, window)),
            Some(Err(error)) => {
                let (root, key) = (root.id().to_owned(), key.to_owned());
                return Err(SimulationError::Root { root, key, problem: error.to_string() });
            }
            None => roots.push((root, window)),
        }
    }
    policy.roots = roots;
    retired.extend(elsewhere.iter().cloned());
    if retired.is_empty() {
        let key = key.chars().take(80).collect();
        return Err(SimulationError::Unknown { key, known: names.join(", ") });
    }
    Ok((policy, retired))
}
