//! The filter line of the Fleet screen (`/`): words that must all hold, evaluated over nodes.
//!
//! | Written | Holds for |
//! |---|---|
//! | `gw-01` | id, version or a label value holds the text, in any case |
//! | `state:diverged` `state:drifted` | the drift state, or any that a sync can help |
//! | `version:2.0` | a version that starts so; `version:"2.0.0"` is exact |
//! | `content:9f86d0` | a content digest that starts so |
//! | `api:agent` `reload:failed` | the node API; the newest reload failed |
//! | `verified:no` | what runs, or was offered last, was not verified; also `yes` and `unknown` |
//! | `region:eu` | a label that starts so; `region:"eu"` is exact; also an id that holds `region:eu` |
//! | `web !region:eu` | a `!` inverts its word |
//! | `!web region:eu` | a `!` at the start inverts the whole line |
//! | `-f egw7` | the id holds these characters in this order; an upper-case letter makes case count |
//! | `-l region=eu,role=gateway` | exactly these labels, and nothing else is looked at |

use std::collections::BTreeMap;

use crate::{
    drift::DriftState,
    ids::{ContentDigest, NodeId, Version},
    node::NodeApi,
    verification::Verified,
};

/// Longest filter line, in bytes: more than fits a line, less than a mistake with the clipboard.
pub const FILTER_BYTES_MAX: usize = 1_024;

/// What a filter looks at: one row of the Fleet screen, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct FilterSubject<'a> {
    pub id: &'a NodeId,
    pub api: NodeApi,
    pub labels: &'a BTreeMap<String, String>,
    pub state: DriftState,
    pub version: Option<&'a Version>,
    pub content: Option<ContentDigest>,
    pub last_reload_failed: bool,
    pub verified: Verified,
}

/// A filter line, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    inverted: bool,
    terms: Terms,
}

/// Why a filter line was refused; `column` counts characters from 1.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    #[error("the filter is longer than {max} bytes")]
    TooLong { max: usize },
    #[error("column {column}: the quote in {word:?} is not closed")]
    UnclosedQuote { column: usize, word: String },
    #[error("column {column}: {word:?} names no value")]
    NoValue { column: usize, word: String },
    #[error("column {column}: {word:?}: a state is one of {expected}")]
    State { column: usize, word: String, expected: String },
    #[error("column {column}: {word:?}: a content digest is 1 to 64 hex digits")]
    Content { column: usize, word: String },
    #[error("column {column}: {word:?}: a node API is one of reload, opa, agent")]
    Api { column: usize, word: String },
    #[error("column {column}: {word:?}: only reload:failed is known")]
    Reload { column: usize, word: String },
    #[error("column {column}: {word:?}: verified is one of yes, no, unknown")]
    Verified { column: usize, word: String },
    #[error("column {column}: {word:?} is not of the form label=value")]
    Label { column: usize, word: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Terms {
    Words(Vec<Word>),
    Fuzzy { characters: Vec<char>, any_case: bool },
    Labels(Vec<(String, String)>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Word {
    inverted: bool,
    term: Term,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Term {
    Text(Needle),
    State(DriftState),
    Drifted,
    Version(Value),
    /// Hex digits as numbers, so that a prefix may end inside a byte.
    Content(Vec<u8>),
    Api(NodeApi),
    ReloadFailed,
    Verified(Verified),
    Label {
        key: String,
        value: Value,
        written: Needle,
    },
}

/// What stands after a colon: the start of a value, or the whole of a quoted one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Value {
    needle: Needle,
    exact: bool,
}

/// Text that is compared in any case.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Needle(String);

impl Filter {
    /// Reads a filter line. An empty line holds for every node.
    pub fn parse(line: &str) -> Result<Self, FilterError> {
        if line.len() > FILTER_BYTES_MAX {
            return Err(FilterError::TooLong { max: FILTER_BYTES_MAX });
        }
        let mut rest = line.trim_start();
        let mut inverted = false;
        while let Some(after) = rest.strip_prefix('!') {
            inverted = !inverted;
            rest = after.trim_start();
        }
        let column = column_of(line, rest);
        let terms = if let Some(text) = option(rest, "-f") {
            fuzzy(text)
        } else if let Some(text) = option(rest, "-l") {
            labels(text, column + 2)?
        } else {
            words(rest, column)?
        };
        Ok(Self { inverted, terms })
    }

    /// Whether the filter holds for a node.
    pub fn matches(&self, subject: &FilterSubject<'_>) -> bool {
        let holds = match &self.terms {
            Terms::Words(words) => {
                words.iter().all(|word| word.inverted != word.term.matches(subject))
            }
            Terms::Fuzzy { characters, any_case } => {
                is_subsequence(characters, subject.id.as_str(), *any_case)
            }
            Terms::Labels(labels) => {
                labels.iter().all(|(key, value)| subject.labels.get(key) == Some(value))
            }
        };
        self.inverted != holds
    }
}

impl Term {
    fn matches(&self, subject: &FilterSubject<'_>) -> bool {
        match self {
            Self::Text(needle) => {
                needle.is_in(subject.id.as_str())
                    || subject.version.is_some_and(|version| needle.is_in(version.as_str()))
                    || subject.labels.values().any(|value| needle.is_in(value))
            }
            Self::State(state) => subject.state == *state,
            Self::Drifted => subject.state.is_drifted(),
            Self::Version(value) => {
                subject.version.is_some_and(|version| value.is(version.as_str()))
            }
            Self::Content(digits) => {
                subject.content.is_some_and(|content| starts_with_digits(content, digits))
            }
            Self::Api(api) => subject.api == *api,
            Self::ReloadFailed => subject.last_reload_failed,
            Self::Verified(verified) => subject.verified == *verified,
            Self::Label { key, value, written } => {
                subject
                    .labels
                    .iter()
                    .any(|(name, found)| name.eq_ignore_ascii_case(key) && value.is(found))
                    || written.is_in(subject.id.as_str())
            }
        }
    }
}

impl Value {
    fn is(&self, text: &str) -> bool {
        if self.exact { self.needle.equals(text) } else { self.needle.starts(text) }
    }
}

impl Needle {
    fn new(text: &str) -> Self {
        Self(text.to_lowercase())
    }

    fn is_in(&self, text: &str) -> bool {
        if !text.is_ascii() {
            return text.to_lowercase().contains(&self.0);
        }
        let (needle, text) = (self.0.as_bytes(), text.as_bytes());
        let Some(first) = needle.first() else { return true };
        let Some(last) = text.len().checked_sub(needle.len()) else { return false };
        (0..=last).any(|start| {
            text[start].to_ascii_lowercase() == *first
                && text[start..start + needle.len()].eq_ignore_ascii_case(needle)
        })
    }

    fn starts(&self, text: &str) -> bool {
        if !text.is_ascii() {
            return text.to_lowercase().starts_with(&self.0);
        }
        let start = text.as_bytes().get(..self.0.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(self.0.as_bytes()))
    }

    fn equals(&self, text: &str) -> bool {
        if text.is_ascii() {
            text.eq_ignore_ascii_case(&self.0)
        } else {
            text.to_lowercase() == self.0
        }
    }
}

/// The rest of the line after an option, which ends the line or is followed by a blank.
fn option<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(name)?;
    (rest.is_empty() || rest.starts_with(char::is_whitespace)).then_some(rest)
}

fn fuzzy(text: &str) -> Terms {
    let any_case = !text.chars().any(char::is_uppercase);
    Terms::Fuzzy { characters: text.chars().filter(|c| !c.is_whitespace()).collect(), any_case }
}

fn is_subsequence(characters: &[char], text: &str, any_case: bool) -> bool {
    let mut found = text.chars();
    characters.iter().all(|wanted| {
        found.any(|c| c == *wanted || (any_case && c.to_lowercase().eq(wanted.to_lowercase())))
    })
}

fn labels(text: &str, column: usize) -> Result<Terms, FilterError> {
    let mut wanted = Vec::new();
    let mut characters = column;
    for part in text.split(',') {
        let word = part.trim();
        let blanks = part.chars().take_while(|c| c.is_whitespace()).count();
        let column = characters + blanks;
        characters += part.chars().count() + 1;
        match word.split_once('=') {
            _ if word.is_empty() => {}
            Some((key, value)) if !key.trim().is_empty() => {
                wanted.push((key.trim().to_owned(), value.trim().to_owned()));
            }
            _ => return Err(FilterError::Label { column, word: word.to_owned() }),
        }
    }
    Ok(Terms::Labels(wanted))
}

fn words(text: &str, column: usize) -> Result<Terms, FilterError> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let place = Place { column: column + column_of(text, rest) - 1, text: rest };
        let mut inverted = false;
        while let Some(after) = rest.strip_prefix('!') {
            inverted = !inverted;
            rest = after;
        }
        let piece = piece(rest, place)?;
        // A `!` with nothing behind it is a word that is still being typed.
        if !piece.written.is_empty() {
            words.push(Word { inverted, term: term(&piece, place)? });
        }
        rest = piece.rest.trim_start();
    }
    Ok(Terms::Words(words))
}

/// Where a word starts, for errors.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    column: usize,
    text: &'a str,
}

impl Place<'_> {
    /// The word as far as the next blank.
    fn word(self) -> String {
        self.text.split_whitespace().next().unwrap_or_default().to_owned()
    }
}

/// One word without its quotes, and the line behind it.
#[derive(Debug)]
struct Piece<'a> {
    /// Bytes before the first unquoted colon.
    colon: Option<usize>,
    /// Whether the value behind the colon, or the whole word, is quoted.
    quoted: bool,
    written: String,
    rest: &'a str,
}

fn piece<'a>(text: &'a str, place: Place<'_>) -> Result<Piece<'a>, FilterError> {
    let mut piece = Piece { colon: None, quoted: false, written: String::new(), rest: "" };
    let mut inside = false;
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => {
                inside = !inside;
                piece.quoted = true;
            }
            '\\' if inside => match characters.next() {
                Some((_, escaped)) => piece.written.push(escaped),
                None => break,
            },
            c if c.is_whitespace() && !inside => {
                piece.rest = &text[at..];
                return Ok(piece);
            }
            ':' if !inside && !piece.quoted && piece.colon.is_none() => {
                piece.colon = Some(piece.written.len());
                piece.written.push(':');
            }
            c => piece.written.push(c),
        }
    }
    if inside {
        return Err(FilterError::UnclosedQuote { column: place.column, word: place.word() });
    }
    Ok(piece)
}

fn term(piece: &Piece<'_>, place: Place<'_>) -> Result<Term, FilterError> {
    let written = piece.written.as_str();
    let (key, value) = match piece.colon {
        Some(colon) if colon > 0 => (&written[..colon], &written[colon + 1..]),
        _ => return Ok(Term::Text(Needle::new(written))),
    };
    let (column, word) = (place.column, place.word());
    if value.is_empty() && !piece.quoted {
        return Err(FilterError::NoValue { column, word });
    }
    let compared = Value { needle: Needle::new(value), exact: piece.quoted };
    match key.to_ascii_lowercase().as_str() {
        "state" => state(value).ok_or_else(|| FilterError::State {
            column,
            word,
            expected: DriftState::ALL.map(DriftState::name).join(", ") + ", drifted",
        }),
        "version" => Ok(Term::Version(compared)),
        "content" => {
            let digits: Option<Vec<u8>> = value.chars().map(hex_digit).collect();
            match digits {
                Some(digits) if (1..=64).contains(&digits.len()) => Ok(Term::Content(digits)),
                _ => Err(FilterError::Content { column, word }),
            }
        }
        "api" => [NodeApi::Reload, NodeApi::Opa, NodeApi::Agent]
            .into_iter()
            .find(|api| api.name().eq_ignore_ascii_case(value))
            .map(Term::Api)
            .ok_or(FilterError::Api { column, word }),
        "reload" if value.eq_ignore_ascii_case("failed") => Ok(Term::ReloadFailed),
        "reload" => Err(FilterError::Reload { column, word }),
        "verified" => Verified::from_name(value)
            .map(Term::Verified)
            .ok_or(FilterError::Verified { column, word }),
        _ => {
            Ok(Term::Label { key: key.to_owned(), value: compared, written: Needle::new(written) })
        }
    }
}

fn state(name: &str) -> Option<Term> {
    let name = name.to_ascii_lowercase().replace('-', "_");
    if name == "drifted" {
        return Some(Term::Drifted);
    }
    DriftState::ALL.into_iter().find(|state| state.name() == name).map(Term::State)
}

fn hex_digit(c: char) -> Option<u8> {
    c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn starts_with_digits(content: ContentDigest, digits: &[u8]) -> bool {
    let bytes = content.0.as_bytes();
    digits.iter().enumerate().all(|(place, digit)| {
        let byte = bytes[place / 2];
        *digit == if place % 2 == 0 { byte >> 4 } else { byte & 0xf }
    })
}

/// The column, from 1, at which a tail of a line begins.
fn column_of(line: &str, tail: &str) -> usize {
    line[..line.len() - tail.len()].chars().count() + 1
}

#[cfg(test)]
mod tests;
