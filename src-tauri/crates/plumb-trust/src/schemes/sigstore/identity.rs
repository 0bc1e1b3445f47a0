//! Who may sign: a name in the certificate, and who vouched for it.

use std::fmt;

/// Longest name or pattern.
const NAME_BYTES_MAX: usize = 1_024;

/// Why a pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    #[error("an identity pattern of {bytes} bytes; between 1 and {NAME_BYTES_MAX} are allowed")]
    Length { bytes: usize },
    #[error(
        "the pattern {pattern:?} begins with a wildcard, so it would match names on any server"
    )]
    Unanchored { pattern: String },
    #[error(
        "the pattern {pattern:?} has {stars} stars in a row; * stays in one part of a path, ** does not"
    )]
    Stars { pattern: String, stars: usize },
}

/// A pattern over whole names: `*` stands for any text without `/`, `**` for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePattern {
    pattern: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Any text without a slash.
    Segment,
    Anything,
}

impl NamePattern {
    /// Reads a pattern. It covers the name from its first to its last character.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        if pattern.is_empty() || pattern.len() > NAME_BYTES_MAX {
            return Err(PatternError::Length { bytes: pattern.len() });
        }
        if pattern.starts_with('*') {
            return Err(PatternError::Unanchored { pattern: pattern.to_owned() });
        }
        let mut parts = Vec::new();
        let mut rest = pattern;
        while let Some(first) = rest.chars().next() {
            if first != '*' {
                let end = rest.find('*').unwrap_or(rest.len());
                parts.push(Part::Text(rest[..end].to_owned()));
                rest = &rest[end..];
                continue;
            }
            let stars = rest.len() - rest.trim_start_matches('*').len();
            parts.push(match stars {
                1 => Part::Segment,
                2 => Part::Anything,
                _ => return Err(PatternError::Stars { pattern: pattern.to_owned(), stars }),
            });
            rest = &rest[stars..];
        }
        Ok(Self { pattern: pattern.to_owned(), parts })
    }

    /// Whether the whole name fits: one pass for each wildcard, never exponential.
    pub fn matches(&self, name: &str) -> bool {
        // `reached[i]`: the parts so far can end before byte `i` of the name.
        let mut reached = vec![false; name.len() + 1];
        reached[0] = true;
        for part in &self.parts {
            let mut next = vec![false; name.len() + 1];
            match part {
                Part::Text(text) => {
                    for at in (0..=name.len()).filter(|at| reached[*at]) {
                        if name.as_bytes()[at..].starts_with(text.as_bytes()) {
                            next[at + text.len()] = true;
                        }
                    }
                }
                Part::Segment | Part::Anything => {
                    let mut open = false;
                    for at in 0..=name.len() {
                        if at > 0 && *part == Part::Segment && name.as_bytes()[at - 1] == b'/' {
                            open = false;
                        }
                        open |= reached[at];
                        next[at] = open;
                    }
                }
            }
            reached = next;
        }
        reached[name.len()]
    }

    pub fn as_str(&self) -> &str {
        &self.pattern
    }
}

/// Which names in a certificate are expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameRule {
    Exact(String),
    Pattern(NamePattern),
}

impl NameRule {
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(expected) => expected == name,
            Self::Pattern(pattern) => name.len() <= NAME_BYTES_MAX && pattern.matches(name),
        }
    }
}

impl fmt::Display for NameRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Pattern(pattern) => write!(f, "{} (pattern)", pattern.as_str()),
        }
    }
}

/// Somebody who may sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    pub name: NameRule,
    /// The issuer of the identity, exactly.
    pub issuer: String,
}

impl Identity {
    /// One name, vouched for by one issuer.
    pub fn exact(name: impl Into<String>, issuer: impl Into<String>) -> Self {
        Self { name: NameRule::Exact(name.into()), issuer: issuer.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str) -> bool {
        NamePattern::new(pattern).expect("a pattern").matches(name)
    }

    #[test]
    fn patterns_cover_the_whole_name() {
        let pattern = "https://git.example.com/acme/*/release.yml@refs/tags/v*";
        assert!(check(pattern, "https://git.example.com/acme/policies/release.yml@refs/tags/v1.2"));
        for name in [
            "https://git.example.com/acme/policies/release.yml@refs/tags/v1/evil",
            "https://git.example.com/acme/a/b/release.yml@refs/tags/v1",
            "https://git.example.com.evil.example/acme/policies/release.yml@refs/tags/v1",
            "https://evil.example/?https://git.example.com/acme/policies/release.yml@refs/tags/v1",
            "",
        ] {
            assert!(!check(pattern, name), "{name}");
        }
        assert!(check("https://git.example.com/acme/**", "https://git.example.com/acme/a/b@c"));
        assert!(check("ops@example.com", "ops@example.com"));
        assert!(!check("ops@example.com", "ops@example.com.evil.example"));
        assert!(!check("ops@example.com", "opsXexample.com"));
    }

    #[test]
    fn patterns_without_a_beginning_are_refused() {
        assert!(matches!(NamePattern::new("*"), Err(PatternError::Unanchored { .. })));
        assert!(matches!(NamePattern::new("a***b"), Err(PatternError::Stars { stars: 3, .. })));
        assert!(matches!(NamePattern::new(""), Err(PatternError::Length { bytes: 0 })));
    }

    #[test]
    fn many_stars_take_no_longer_than_few() {
        let pattern = format!("a{}b", "*a".repeat(300));
        assert!(!check(&pattern, &"a".repeat(1_000)));
    }
}
