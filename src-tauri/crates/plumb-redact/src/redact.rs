//! The redactor: text, JSON and JSON Lines in, the same without secrets out.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    json,
    limits::{DOCUMENT_BYTES_MAX, HELD_BYTES_MAX, PASSES_MAX},
    receipt::{Receipt, RuleReceipt},
    rules::{Class, Rules},
    token::TokenKey,
};

/// How bytes are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Text,
    Json,
    /// One JSON document a line.
    JsonLines,
}

/// Why something was not redacted, and therefore must not be kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedactError {
    #[error("{bytes} bytes, more than the {max} that are redacted in one piece")]
    TooLarge { bytes: usize, max: usize },
    #[error("it is not text in UTF-8")]
    NotText,
    #[error("it is not JSON: {problem}")]
    NotJson { problem: String },
    #[error("line {line} is not JSON: {problem}")]
    NotJsonLine { line: usize, problem: String },
    #[error(
        "a line of it, or something that goes on over lines, is longer than the {HELD_BYTES_MAX} bytes that are held"
    )]
    Held,
    #[error("its rules still find something after {PASSES_MAX} passes")]
    Unsettled,
}

/// What the name of a secret begins with.
const REFERENCE: &str = "secret:";

/// Replaces secrets, and counts what it did.
#[derive(Clone)]
pub struct Redactor {
    rules: Rules,
    key: TokenKey,
    counts: BTreeMap<String, u64>,
    tokens: BTreeSet<String>,
    /// Names of secrets as documents give them, such as `secret:hub-token`; none is a secret.
    references: BTreeSet<String>,
    /// What each token stands for, where somebody may want it back.
    map: Option<BTreeMap<String, String>>,
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").field("counts", &self.counts).finish_non_exhaustive()
    }
}

/// A stretch of a text, and the rule that found it.
struct Span {
    start: usize,
    end: usize,
    rule: usize,
}

impl Redactor {
    pub const fn new(rules: Rules, key: TokenKey) -> Self {
        Self {
            rules,
            key,
            counts: BTreeMap::new(),
            tokens: BTreeSet::new(),
            references: BTreeSet::new(),
            map: None,
        }
    }

    /// Remembers from now on what each token stands for. The map is as secret as what it holds.
    #[must_use]
    pub fn keeping_a_map(self) -> Self {
        Self { map: Some(BTreeMap::new()), ..self }
    }

    /// The same by other rules, with nothing counted yet.
    #[must_use]
    pub fn by(&self, rules: Rules) -> Self {
        Self::new(rules, self.key.clone())
    }

    /// What each token stands for, if that is kept.
    pub const fn map(&self) -> Option<&BTreeMap<String, String>> {
        self.map.as_ref()
    }

    /// Passes over a name of a secret that a document gives where the secret will stand. Only names that are told are passed
    /// over: `secret:` before a word may as well be a label before a password.
    pub fn passes_over(&mut self, reference: &str) {
        if reference.strip_prefix(REFERENCE).is_some_and(|name| !name.is_empty()) {
            self.references.insert(reference.to_owned());
        }
    }

    /// Whether it is a name that is passed over.
    pub(crate) fn is_reference(&self, text: &str) -> bool {
        self.references.contains(text)
    }

    /// Counts what was redacted before with the same key and rules. False where it was another key.
    pub fn counts_also(&mut self, receipt: &Receipt) -> bool {
        if receipt.key != self.key.id() {
            return false;
        }
        for rule in receipt.rules.iter().filter(|rule| rule.replaced > 0) {
            *self.counts.entry(rule.rule.clone()).or_default() += rule.replaced;
        }
        true
    }

    /// Takes note of the tokens in a text that was redacted before with the same key.
    pub fn sees(&mut self, redacted: &str) {
        for (start, end) in self.key.places(redacted) {
            if !self.tokens.contains(&redacted[start..end]) {
                self.tokens.insert(redacted[start..end].to_owned());
            }
        }
    }

    /// Redacts a document.
    pub fn document(&mut self, form: Form, bytes: &[u8]) -> Result<Vec<u8>, RedactError> {
        if bytes.len() > DOCUMENT_BYTES_MAX {
            let (bytes, max) = (bytes.len(), DOCUMENT_BYTES_MAX);
            return Err(RedactError::TooLarge { bytes, max });
        }
        let text = std::str::from_utf8(bytes).map_err(|_| RedactError::NotText)?;
        let redacted = match form {
            Form::Text => self.text(text)?,
            Form::Json => self.json(text)?,
            Form::JsonLines => self.json_lines(text)?,
        };
        Ok(redacted.into_bytes())
    }

    /// Redacts text.
    pub fn text(&mut self, text: &str) -> Result<String, RedactError> {
        if text.len() > DOCUMENT_BYTES_MAX {
            let (bytes, max) = (text.len(), DOCUMENT_BYTES_MAX);
            return Err(RedactError::TooLarge { bytes, max });
        }
        let mut text = text.to_owned();
        for _ in 0..PASSES_MAX {
            let spans = self.spans(&text, true);
            if spans.is_empty() {
                return Ok(text);
            }
            text = self.replaced(&text, &spans);
        }
        Err(RedactError::Unsettled)
    }

    /// Redacts a JSON document: its strings and names by the patterns, whole values by name and path. All
    /// else stays byte for byte.
    pub fn json(&mut self, text: &str) -> Result<String, RedactError> {
        json::redact(self, text).map_err(|error| match error {
            json::JsonError::Json(problem) => RedactError::NotJson { problem },
            json::JsonError::Redact(error) => error,
        })
    }

    fn json_lines(&mut self, text: &str) -> Result<String, RedactError> {
        let mut out = String::with_capacity(text.len());
        for (at, line) in text.split_inclusive('\n').enumerate() {
            let document = line.trim_end_matches(['\n', '\r']);
            if document.is_empty() {
                out.push_str(line);
                continue;
            }
            out.push_str(&self.json(document).map_err(|error| match error {
                RedactError::NotJson { problem } => {
                    RedactError::NotJsonLine { line: at + 1, problem }
                }
                other => other,
            })?);
            out.push_str(&line[document.len()..]);
        }
        Ok(out)
    }

    /// Rules about credentials that find something in bytes which must stay as they are, because a signature
    /// or a hash chain is over them. Empty is the only good answer.
    pub fn finds_credentials(&self, bytes: &[u8]) -> Result<BTreeSet<String>, RedactError> {
        let text = std::str::from_utf8(bytes).map_err(|_| RedactError::NotText)?;
        let patterns = self.rules.patterns();
        let mut found: BTreeSet<String> = self
            .spans(text, false)
            .into_iter()
            .map(|span| patterns[span.rule].name.clone())
            .collect();
        // What is escaped in JSON shows only when it is read.
        for document in text.lines().filter(|line| line.starts_with(['{', '['])) {
            let mut probe = Self::new(self.rules.clone(), self.key.clone());
            probe.references.clone_from(&self.references);
            if probe.json(document).is_ok() {
                let credentials = self.rules.listed().into_iter();
                let credentials = credentials.filter(|(_, class)| *class == Class::Credential);
                found.extend(
                    credentials
                        .map(|(name, _)| name)
                        .filter(|name| probe.counts.contains_key(name)),
                );
            }
        }
        Ok(found)
    }

    /// What was done so far, without anything of the secrets.
    pub fn receipt(&self) -> Receipt {
        let rules = self.rules.listed().into_iter().map(|(rule, class)| {
            let replaced = self.counts.get(&rule).copied().unwrap_or_default();
            RuleReceipt { rule, class, replaced }
        });
        Receipt::new(self.key.id(), self.tokens.len() as u64, rules.collect())
    }

    pub(crate) const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// The rule by which the value at this place of a document is a secret.
    pub(crate) fn member_rule(&self, place: &[crate::path::Step]) -> Option<String> {
        self.rules.member(place).map(str::to_owned)
    }

    /// The token of a whole value; the value itself where it is one already.
    pub(crate) fn whole(&mut self, secret: &str, rule: &str) -> String {
        if self.key.places(secret) == [(0, secret.len())] {
            return secret.to_owned();
        }
        self.token(secret, rule)
    }

    fn token(&mut self, secret: &str, rule: &str) -> String {
        let token = self.key.token(secret);
        *self.counts.entry(rule.to_owned()).or_default() += 1;
        self.tokens.insert(token.clone());
        if let Some(map) = &mut self.map {
            map.entry(token.clone()).or_insert_with(|| secret.to_owned());
        }
        token
    }

    fn replaced(&mut self, text: &str, spans: &[Span]) -> String {
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for span in spans {
            out.push_str(&text[from..span.start]);
            let rule = self.rules.patterns()[span.rule].name.clone();
            out.push_str(&self.token(&text[span.start..span.end], &rule));
            from = span.end;
        }
        out.push_str(&text[from..]);
        out
    }

    /// Where names that are passed over stand as a whole: what goes on behind one is another word.
    fn references_in(&self, text: &str) -> Vec<(usize, usize)> {
        let goes_on = |c: char| c.is_alphanumeric() || "_-.:/+=@".contains(c);
        let whole = |start: usize, end: usize| {
            !text[end..].starts_with(goes_on) && !text[..start].ends_with(goes_on)
        };
        let places = self.references.iter().flat_map(|name| {
            text.match_indices(name.as_str()).map(|(start, name)| (start, start + name.len()))
        });
        places.filter(|(start, end)| whole(*start, *end)).collect()
    }

    /// What is to be replaced, in order and without overlaps. A token is never replaced again, and one that
    /// stands for a credential is not swallowed by the name of a person or a machine around it.
    fn spans(&self, text: &str, personal: bool) -> Vec<Span> {
        let tokens = self.key.places(text);
        let inside = |start: usize, end: usize| {
            let after = tokens.partition_point(|token| token.1 < end);
            tokens.get(after).is_some_and(|token| token.0 <= start && end <= token.1)
        };
        let touches = |taken: &[(usize, usize)], start: usize, end: usize| {
            let after = taken.partition_point(|span| span.1 <= start);
            taken.get(after).is_some_and(|span| span.0 < end)
        };
        let of_class = |class: Class| {
            let patterns = self.rules.patterns().iter().enumerate();
            let patterns = patterns.filter(move |(_, pattern)| pattern.class == class);
            patterns.flat_map(|(rule, pattern)| {
                pattern.secrets(text).map(move |(start, end)| Span { start, end, rule })
            })
        };
        let references = self.references_in(text);
        let named = |start: usize, end: usize| {
            references.iter().any(|name| name.0 <= start && end <= name.1)
        };
        let credentials = of_class(Class::Credential)
            .filter(|span| !inside(span.start, span.end) && !named(span.start, span.end));
        let mut spans = merged(credentials.collect());
        if personal {
            let taken: Vec<_> = spans.iter().map(|span| (span.start, span.end)).collect();
            let free = of_class(Class::Personal).filter(|span| {
                !touches(&tokens, span.start, span.end) && !touches(&taken, span.start, span.end)
            });
            spans.extend(merged(free.collect()));
            spans.sort_by_key(|span| span.start);
        }
        spans
    }
}

/// Sorts spans, and makes one of those that overlap: no rule's secret may survive in a part of it.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.start < last.end => last.end = last.end.max(span.end),
            _ => merged.push(span),
        }
    }
    merged
}
