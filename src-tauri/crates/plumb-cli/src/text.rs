//! Text for people: escaped, aligned, coloured, with ages.

pub(crate) mod age;
pub(crate) mod diff;
pub(crate) mod dry_run;
pub(crate) mod escape;
pub(crate) mod plan;
pub(crate) mod rollout;
pub(crate) mod style;
pub(crate) mod table;

/// A number and its word: `1 node`, `2 nodes`.
pub(crate) fn count(number: impl Into<u64>, word: &str) -> String {
    let number = number.into();
    if number == 1 { format!("1 {word}") } else { format!("{number} {word}s") }
}
