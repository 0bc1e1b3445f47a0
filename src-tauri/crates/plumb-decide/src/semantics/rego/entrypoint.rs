//! The rule that is asked: `data.app.rbac.allow`, or `app/rbac/allow` as in a path of OPA's API.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    answer::Reason,
    limits::{ENTRYPOINT_BYTES_MAX, ENTRYPOINT_SEGMENTS_MAX},
};

/// A rule's place under `data`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Entrypoint(Vec<String>);

impl FromStr for Entrypoint {
    type Err = Reason;

    /// Segments are names; one that is none, such as `v1-beta`, is accepted between slashes only.
    fn from_str(text: &str) -> Result<Self, Reason> {
        let segments: Option<Vec<&str>> = match text.strip_prefix("data.") {
            Some(rest) => {
                Some(rest.split('.').collect()).filter(|all: &Vec<_>| all.iter().all(is_name))
            }
            None => Some(text.trim_matches('/').split('/').collect()),
        };
        let plain = |segment: &&str| {
            !segment.is_empty()
                && !segment.contains(|c: char| c.is_control() || "\"\\`".contains(c))
        };
        segments
            .filter(|_| text.len() <= ENTRYPOINT_BYTES_MAX)
            .filter(|all| all.len() <= ENTRYPOINT_SEGMENTS_MAX && all.iter().all(plain))
            .map(|all| Self(all.into_iter().map(str::to_owned).collect()))
            .ok_or_else(|| Reason::NoEntrypoint {
                entrypoint: text.chars().take(ENTRYPOINT_BYTES_MAX).collect(),
            })
    }
}

fn is_name(segment: &&str) -> bool {
    let mut characters = segment.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|next| next.is_ascii_alphanumeric() || next == '_')
}

/// As Rego writes it: names after dots, everything else in brackets.
impl fmt::Display for Entrypoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("data")?;
        self.0.iter().try_for_each(|segment| {
            if is_name(&segment.as_str()) {
                write!(f, ".{segment}")
            } else {
                write!(f, "[\"{segment}\"]")
            }
        })
    }
}

impl TryFrom<String> for Entrypoint {
    type Error = Reason;

    fn try_from(text: String) -> Result<Self, Reason> {
        text.parse()
    }
}

impl From<Entrypoint> for String {
    fn from(entrypoint: Entrypoint) -> Self {
        entrypoint.0.join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let read = text.parse::<Entrypoint>().ok();
        assert_eq!(read.as_ref().map(ToString::to_string).as_deref(), expected);
        if let Some(entrypoint) = read {
            assert_eq!(String::from(entrypoint.clone()).parse(), Ok(entrypoint));
        }
    }

    #[test]
    fn both_spellings_name_the_same_rule() {
        check("data.app.rbac.allow", Some("data.app.rbac.allow"));
        check("/app/rbac/allow", Some("data.app.rbac.allow"));
        check("v1-beta/allow", Some("data[\"v1-beta\"].allow"));
    }

    #[test]
    fn no_query_hides_in_an_entry_point() {
        for text in
            ["", "data.", "data.a; true", "data.a with input as 1", "a//b", "a\"] = x", "data.a[0]"]
        {
            check(text, None);
        }
        check(&"a/".repeat(ENTRYPOINT_SEGMENTS_MAX + 1), None);
        check(&"a".repeat(ENTRYPOINT_BYTES_MAX + 1), None);
    }
}
