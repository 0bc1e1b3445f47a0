//! Policies as nodes enforce them, and the digest that identifies them.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::ids::{ContentDigest, Digest};

/// One policy: its name, the digest of its canonical bytes, and those bytes as text.
///
/// For a JSON policy the text is its canonical JSON (as Python's `json.dumps` with sorted keys and
/// compact separators prints it); for Rego it is the module's source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    pub id: String,
    pub digest: Digest,
    pub text: String,
}

/// A policy named by its digest only: what a node can report cheaply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRef {
    pub id: String,
    pub digest: Digest,
}

impl From<&Policy> for PolicyRef {
    fn from(policy: &Policy) -> Self {
        Self { id: policy.id.clone(), digest: policy.digest }
    }
}

/// Whether the order of policies decides (first match) or not (Rego modules).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ordering {
    /// The first matching policy wins, so a move changes decisions.
    ByPosition,
    /// Policies form a set; they are sorted by id before hashing.
    Unordered,
}

/// The first line of what is hashed for a set. No line of a policy is like it: those begin with a quote.
const SET: &[u8] = b"set\n";

/// The content digest, by the formula of section 6 of `ARCHITECTURE.md`.
///
/// A list and a set of the same policies have different digests even where the list happens to stand
/// in the order of ids: the first match of a list decides, every member of a set does, and who reads
/// a digest back from the store must get the meaning it was made of. A node says itself how its
/// policies are ordered, so without this it could give a set the name of a signed list.
pub fn content_digest<'a>(
    policies: impl IntoIterator<Item = (&'a str, Digest)>,
    ordering: Ordering,
) -> ContentDigest {
    let mut hasher = Sha256::new();
    let mut lines: Vec<(&str, Digest)> = policies.into_iter().collect();
    if ordering == Ordering::Unordered {
        lines.sort_unstable();
        hasher.update(SET);
    }
    for (id, digest) in lines {
        hasher.update(serde_json::to_string(id).expect("a string always serialises"));
        hasher.update(b" ");
        hasher.update(digest.to_hex());
        hasher.update(b"\n");
    }
    ContentDigest(Digest::from_bytes(hasher.finalize().into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines<'a>(ids: &[&'a str]) -> Vec<(&'a str, Digest)> {
        ids.iter().map(|id| (*id, Digest::of(id.as_bytes()))).collect()
    }

    #[test]
    fn a_move_is_content_only_where_order_decides() {
        let (ab, ba) = (lines(&["a", "b"]), lines(&["b", "a"]));
        assert_ne!(
            content_digest(ab.clone(), Ordering::ByPosition),
            content_digest(ba.clone(), Ordering::ByPosition)
        );
        assert_eq!(
            content_digest(ab, Ordering::Unordered),
            content_digest(ba, Ordering::Unordered)
        );
    }

    #[test]
    fn a_list_in_the_order_of_ids_is_not_the_set_of_its_policies() {
        for ids in [&[][..], &["a"], &["a", "b"]] {
            assert_ne!(
                content_digest(lines(ids), Ordering::ByPosition),
                content_digest(lines(ids), Ordering::Unordered),
                "{ids:?}"
            );
        }
    }

    #[test]
    fn the_formula_is_the_documented_one() {
        let (a, b) = (Digest::of(b"a").to_hex(), Digest::of(b"b").to_hex());
        let of = |text: String| ContentDigest(Digest::of(text.as_bytes()));
        assert_eq!(
            content_digest(lines(&["b", "a"]), Ordering::ByPosition),
            of(format!("\"b\" {b}\n\"a\" {a}\n"))
        );
        assert_eq!(
            content_digest(lines(&["b", "a"]), Ordering::Unordered),
            of(format!("set\n\"a\" {a}\n\"b\" {b}\n"))
        );
    }

    #[test]
    fn an_id_cannot_be_split_to_imitate_two() {
        let one = [("a\" x\nb", Digest::of(b"1"))];
        let two = [("a\" x", Digest::of(b"1")), ("b", Digest::of(b"1"))];
        assert_ne!(
            content_digest(one, Ordering::ByPosition),
            content_digest(two, Ordering::ByPosition)
        );
    }
}
