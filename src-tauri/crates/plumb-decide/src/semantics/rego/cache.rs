//! Prepared policies by the digest of their source: asking twice must not parse twice.

use std::{collections::BTreeMap, sync::Arc};

use plumb_fleet::ids::Digest;

use super::RegoPolicy;
use crate::{answer::Reason, limits::PREPARED_MAX};

/// The policies used last, at most [`PREPARED_MAX`]. A refusal is kept like a policy: it took as
/// long to find out.
#[derive(Debug, Default)]
pub struct Prepared {
    kept: BTreeMap<Digest, Kept>,
    uses: u64,
}

#[derive(Debug)]
struct Kept {
    policy: Result<Arc<RegoPolicy>, Reason>,
    used: u64,
}

impl Prepared {
    /// The policy with this digest, or why there is none; nothing when it was never prepared or
    /// others took its place.
    pub fn get(&mut self, digest: Digest) -> Option<Result<Arc<RegoPolicy>, Reason>> {
        self.uses += 1;
        let kept = self.kept.get_mut(&digest)?;
        kept.used = self.uses;
        Some(kept.policy.clone())
    }

    /// Keeps what preparing the source with this digest came to, and gives it back.
    pub fn keep(
        &mut self,
        digest: Digest,
        policy: Result<RegoPolicy, Reason>,
    ) -> Result<Arc<RegoPolicy>, Reason> {
        while self.kept.len() >= PREPARED_MAX {
            let oldest =
                self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(digest, _)| *digest);
            self.kept.remove(&oldest.expect("a full list has an oldest entry"));
        }
        self.uses += 1;
        let policy = policy.map(Arc::new);
        self.kept.insert(digest, Kept { policy: policy.clone(), used: self.uses });
        policy
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::semantics::rego::{Module, RegoSource, RegoVersion};

    fn source(n: usize) -> RegoSource {
        let module = Module { name: "a.rego".to_owned(), text: format!("package a\nx := {n}") };
        RegoSource { modules: vec![module], data: json!({}), version: RegoVersion::V1 }
    }

    fn keep(prepared: &mut Prepared, source: &RegoSource) -> Result<Arc<RegoPolicy>, Reason> {
        prepared.keep(source.digest(), RegoPolicy::prepare(source))
    }

    #[test]
    fn the_policy_used_least_recently_makes_room() {
        let mut prepared = Prepared::default();
        let first = keep(&mut prepared, &source(0)).unwrap();
        for n in 1..PREPARED_MAX {
            keep(&mut prepared, &source(n)).unwrap();
        }
        let again = prepared.get(source(0).digest()).unwrap().unwrap();
        assert!(Arc::ptr_eq(&first, &again), "it is the one that was kept");
        keep(&mut prepared, &source(PREPARED_MAX)).unwrap();
        assert!(prepared.get(source(0).digest()).is_some());
        assert!(prepared.get(source(1).digest()).is_none());
    }

    #[test]
    fn a_refusal_is_remembered() {
        let mut prepared = Prepared::default();
        let mut broken = source(0);
        broken.modules[0].text = "package".to_owned();
        assert!(keep(&mut prepared, &broken).is_err());
        assert!(prepared.get(broken.digest()).is_some_and(|policy| policy.is_err()));
    }
}
