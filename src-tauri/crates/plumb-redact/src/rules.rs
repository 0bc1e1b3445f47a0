//! Rules as a fleet names them, and compiled.

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::{
    builtin::{BUILT_IN, SECRET_NAMES},
    limits::{CUSTOM_MAX, PATTERN_BYTES_MAX, PATTERN_SIZE_MAX},
    path::{JsonPath, Step},
};

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Opens something: it must not stand anywhere, also not in what is signed.
    Credential,
    /// Names a person or a machine: replaced wherever no signature or hash chain binds the bytes.
    Personal,
}

/// Which rules a fleet has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RuleSpec {
    /// Built-in rules that are off, by name.
    pub off: Vec<String>,
    pub patterns: Vec<CustomPattern>,
    /// JSON paths whose values are secrets.
    pub paths: Vec<String>,
}

impl RuleSpec {
    /// Without the rules about people and machines, whose names stand in what is signed.
    #[must_use]
    pub fn of_credentials(&self) -> Self {
        let personal = BUILT_IN.iter().filter(|rule| rule.class == Class::Personal);
        let personal = personal.map(|rule| rule.name.to_owned());
        let mut off: Vec<String> = self.off.iter().cloned().chain(personal).collect();
        off.sort();
        off.dedup();
        Self { off, ..self.clone() }
    }
}

/// A pattern of a fleet. Where it has a group, what stands in the first one is the secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomPattern {
    pub name: String,
    pub pattern: String,
}

/// Why rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    #[error("there is no built-in rule {name:?}; there are {known}")]
    Unknown { name: String, known: String },
    #[error("the rule {name:?} is there twice")]
    Twice { name: String },
    #[error("{name:?} is no name of a rule: small letters, digits and hyphens, at most 40")]
    Name { name: String },
    #[error("{count} own patterns and paths, more than the {CUSTOM_MAX} allowed")]
    TooMany { count: usize },
    #[error("the pattern {name:?} cannot be used: {problem}")]
    Pattern { name: String, problem: String },
    #[error("the JSON path {path:?} cannot be used: {problem}")]
    Path { path: String, problem: String },
}

/// Compiled rules.
#[derive(Debug, Clone)]
pub struct Rules {
    patterns: Vec<Pattern>,
    /// Members whose value is a secret; nothing where this rule is off.
    names: Option<Regex>,
    paths: Vec<JsonPath>,
}

#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    pub(crate) name: String,
    pub(crate) class: Class,
    regex: Regex,
    keep: Option<fn(&str) -> bool>,
}

/// Parts of a pattern by which it may match the end of a line; some of them may as well not.
const CROSS_LINES: [&str; 8] = ["(?", "[^", r"\s", r"\n", r"\W", r"\D", r"\x", r"\P"];

/// The rule that knows JSON members by their name.
pub(crate) const MEMBER_RULE: &str = "json-member";

impl Rules {
    pub fn compile(spec: &RuleSpec) -> Result<Self, RuleError> {
        let count = spec.patterns.len() + spec.paths.len();
        if count > CUSTOM_MAX {
            return Err(RuleError::TooMany { count });
        }
        let known: Vec<&str> = BUILT_IN.iter().map(|rule| rule.name).chain([MEMBER_RULE]).collect();
        if let Some(name) = spec.off.iter().find(|name| !known.contains(&name.as_str())) {
            return Err(RuleError::Unknown { name: name.clone(), known: known.join(", ") });
        }
        let is_on = |name: &str| !spec.off.iter().any(|off| off == name);
        let mut patterns = Vec::new();
        for rule in BUILT_IN.iter().filter(|rule| is_on(rule.name)) {
            patterns.push(Pattern {
                name: rule.name.to_owned(),
                class: rule.class,
                regex: compiled(rule.name, rule.pattern)?,
                keep: rule.keep,
            });
        }
        for custom in &spec.patterns {
            if known.contains(&custom.name.as_str())
                || patterns.iter().any(|there| there.name == custom.name)
            {
                return Err(RuleError::Twice { name: custom.name.clone() });
            }
            patterns.push(custom.compile()?);
        }
        let path = |text: &String| {
            JsonPath::read(text).map_err(|problem| RuleError::Path { path: text.clone(), problem })
        };
        let paths = spec.paths.iter().map(path).collect::<Result<_, _>>()?;
        let names = is_on(MEMBER_RULE).then(|| compiled(MEMBER_RULE, SECRET_NAMES)).transpose()?;
        Ok(Self { patterns, names, paths })
    }

    /// Whether a pattern of the fleet's own may match over the end of a line.
    pub(crate) fn cross_lines(&self) -> bool {
        let own =
            self.patterns.iter().filter(|rule| !BUILT_IN.iter().any(|ours| ours.name == rule.name));
        let mut own = own.map(|rule| rule.regex.as_str());
        own.any(|pattern| CROSS_LINES.iter().any(|part| pattern.contains(part)))
    }

    pub(crate) fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    /// The rule by which the value of this member is a secret.
    pub(crate) fn member(&self, place: &[Step]) -> Option<&str> {
        if let Some(path) = self.paths.iter().find(|path| path.names(place)) {
            return Some(&path.text);
        }
        let Some(Step::Name(name)) = place.last() else { return None };
        let names = self.names.as_ref()?;
        names.is_match(name).then_some(MEMBER_RULE)
    }

    /// Names of all rules that are on, with what they are about.
    pub(crate) fn listed(&self) -> Vec<(String, Class)> {
        let patterns = self.patterns.iter().map(|rule| (rule.name.clone(), rule.class));
        let member = self.names.iter().map(|_| (MEMBER_RULE.to_owned(), Class::Credential));
        let paths = self.paths.iter().map(|path| (path.text.clone(), Class::Credential));
        patterns.chain(member).chain(paths).collect()
    }
}

impl CustomPattern {
    fn compile(&self) -> Result<Pattern, RuleError> {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.name.is_empty() || self.name.len() > 40 || !self.name.chars().all(fits) {
            return Err(RuleError::Name { name: self.name.clone() });
        }
        let regex = compiled(&self.name, &self.pattern)?;
        if regex.is_match("") {
            let problem = "it matches where nothing stands".to_owned();
            return Err(RuleError::Pattern { name: self.name.clone(), problem });
        }
        let name = self.name.clone();
        Ok(Pattern { name, class: Class::Credential, regex, keep: None })
    }
}

impl Pattern {
    /// What it finds, with what stands around its secrets.
    pub(crate) fn matches(&self, text: &str) -> impl Iterator<Item = (usize, usize)> {
        self.regex.find_iter(text).map(|found| (found.start(), found.end()))
    }

    /// Where its secrets stand, as byte ranges in order; none is empty.
    pub(crate) fn secrets<'t>(&'t self, text: &'t str) -> impl Iterator<Item = (usize, usize)> {
        let mut from = 0;
        std::iter::from_fn(move || {
            loop {
                if from > text.len() {
                    return None;
                }
                let found = self.regex.captures_at(text, from)?;
                let whole = found.get(0)?;
                let secret = found.iter().skip(1).flatten().next().unwrap_or(whole);
                let (start, end) = (secret.start(), secret.end());
                // Where nothing was consumed, the next character.
                from = if whole.end() > whole.start() {
                    whole.end()
                } else {
                    text[whole.end()..]
                        .chars()
                        .next()
                        .map_or(text.len() + 1, |c| whole.end() + c.len_utf8())
                };
                if start < end && self.keep.is_none_or(|keep| keep(&text[start..end])) {
                    return Some((start, end));
                }
            }
        })
    }
}

fn compiled(name: &str, pattern: &str) -> Result<Regex, RuleError> {
    let refuse = |problem: String| RuleError::Pattern { name: name.to_owned(), problem };
    if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX {
        return Err(refuse(format!("a pattern has 1 to {PATTERN_BYTES_MAX} bytes")));
    }
    RegexBuilder::new(pattern)
        .size_limit(PATTERN_SIZE_MAX)
        .build()
        .map_err(|error| refuse(error.to_string()))
}
