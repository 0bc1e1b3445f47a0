//! Prepared policies by the digest of their source: asking twice must not parse twice.

use std::{collections::BTreeMap, sync::Arc};

use plumb_fleet::ids::Digest;

use super::{RegoPolicy, RegoSource};
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
    /// The policy of this source, made now if it is not there yet.
    pub fn policy(&mut self, source: &RegoSource) -> Result<Arc<RegoPolicy>, Reason> {
        let digest = source.digest();
        if let Some(policy) = self.get(digest) {
            return policy;
        }
        let policy = RegoPolicy::prepare(source).map(Arc::new);
        self.keep(digest, policy.clone());
        policy
    }

    /// The policy with this digest, or why there is none; nothing when it was never prepared or
    /// others took its place.
    pub fn get(&mut self, digest: Digest) -> Option<Result<Arc<RegoPolicy>, Reason>> {
        self.uses += 1;
        let kept = self.kept.get_mut(&digest)?;
        kept.used = self.uses;
        Some(kept.policy.clone())
    }

    fn keep(&mut self, digest: Digest, policy: Result<Arc<RegoPolicy>, Reason>) {
        while self.kept.len() >= PREPARED_MAX {
            let oldest =
                self.kept.iter().min_by_key(|(_, kept)| kept.used).map(|(digest, _)| *digest);
            self.kept.remove(&oldest.expect("a full list has an oldest entry"));
        }
        self.kept.insert(digest, Kept { policy, used: self.uses });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::semantics::rego::{Module, RegoVersion};

    fn source(n: usize) -> RegoSource {
        let module = Module { name: "a.rego".to_owned(), text: format!("package a\nx := {n}") };
        RegoSource { modules: vec![module], data: json!({}), version: RegoVersion::V1 }
    }

    #[test]
    fn the_policy_used_least_recently_makes_room() {
        let mut prepared = Prepared::default();
        let first = prepared.policy(&source(0)).unwrap();
        for n in 1..PREPARED_MAX {
            prepared.policy(&source(n)).unwrap();
        }
        let again = prepared.policy(&source(0)).unwrap();
        assert!(Arc::ptr_eq(&first, &again), "it was not parsed again");
        prepared.policy(&source(PREPARED_MAX)).unwrap();
        assert!(prepared.get(source(0).digest()).is_some());
        assert!(prepared.get(source(1).digest()).is_none());
    }

    #[test]
    fn a_refusal_is_remembered() {
        let mut prepared = Prepared::default();
        let mut broken = source(0);
        broken.modules[0].text = "package".to_owned();
        assert!(prepared.policy(&broken).is_err());
        assert!(prepared.get(broken.digest()).is_some_and(|policy| policy.is_err()));
    }
}
