//! A bounded JSON reader that accepts what Python's `json.loads` accepts, less what is unsafe to sign.
//!
//! Differences from `json.loads`: duplicate keys, `NaN`, `Infinity` and numbers that overflow to
//! infinity are refused, and size, depth and count are bounded. Unpaired surrogates written as
//! escapes are kept, because Python keeps them and they change the signed bytes.

pub(crate) mod lexer;
mod print;

use std::{cmp::Ordering, fmt};

use crate::limits::{BUNDLE_BYTES_MAX, JSON_DEPTH_MAX, JSON_VALUES_MAX};
use lexer::{Lexer, Token};
pub use print::{Layout, print};

/// What one reading may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLimits {
    pub bytes_max: usize,
    pub depth_max: usize,
    pub values_max: usize,
}

impl Default for JsonLimits {
    fn default() -> Self {
        Self { bytes_max: BUNDLE_BYTES_MAX, depth_max: JSON_DEPTH_MAX, values_max: JSON_VALUES_MAX }
    }
}

/// Why a text was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
pub struct JsonError {
    pub line: usize,
    pub column: usize,
    pub fault: JsonFault,
}

/// An error while reading: boxed, because a wide `Result` costs at every token.
pub(crate) type Fault = Box<JsonError>;

impl From<Fault> for JsonError {
    fn from(fault: Fault) -> Self {
        *fault
    }
}

/// What is wrong with a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    #[error("the text has {bytes} bytes, more than the {max} allowed")]
    TooLarge { bytes: usize, max: usize },
    #[error("nested deeper than {max} levels")]
    TooDeep { max: usize },
    #[error("more than {max} values")]
    TooManyValues { max: usize },
    #[error("the text ends where {expected} was expected")]
    End { expected: &'static str },
    #[error("expected {expected}, found {found:?}")]
    Unexpected { expected: &'static str, found: char },
    #[error("text after the end of the document")]
    Trailing,
    #[error("a byte order mark stands before the document")]
    ByteOrderMark,
    #[error("the text is not UTF-8")]
    NotUtf8,
    #[error("the control character {found:?} stands unescaped in a string")]
    Control { found: char },
    #[error("a string holds an unknown or incomplete escape")]
    Escape,
    #[error("the key {key:?} stands twice in one object")]
    DuplicateKey { key: String },
    #[error("{token} is not a JSON number, though some programs write it")]
    NotFinite { token: &'static str },
    #[error("the number {token} is too large for a double and would become infinity")]
    Overflow { token: String },
    #[error("a number of {bytes} characters, more than the {max} allowed")]
    NumberTooLong { bytes: usize, max: usize },
}

/// The text of a string: UTF-8 that may hold unpaired surrogates in their three-byte form (WTF-8).
///
/// Byte order is code point order, which is how Python sorts keys.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Vec<u8>);

impl Text {
    pub(crate) fn from_wtf8(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, unless it holds an unpaired surrogate.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// The text with unpaired surrogates replaced, for messages.
    pub fn to_string_lossy(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_string_lossy(), f)
    }
}

/// A number exactly as written, so that no digit of a large integer is lost.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Number(String);

impl Number {
    pub(crate) fn from_token(token: &str) -> Self {
        Self(token.to_owned())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn as_f64(&self) -> Option<f64> {
        self.0.parse().ok()
    }
}

impl From<i64> for Number {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

/// A JSON value with keys in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Null,
    Bool(bool),
    Number(Number),
    String(Text),
    Array(Vec<Value>),
    Object(Vec<(Text, Value)>),
}

impl Value {
    /// The member of an object.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_object()?.iter().find(|(name, _)| name.as_bytes() == key.as_bytes()).map(|(_, v)| v)
    }

    pub fn as_object(&self) -> Option<&[(Text, Value)]> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }

    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(items) => Some(items),
            _ => None,
        }
    }

    /// The text of a string without unpaired surrogates.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => text.as_str(),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// What Python calls falsy: `None`, `False`, zero, and empty strings, lists and dictionaries.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Bool(value) => !value,
            Self::Number(number) => number.as_f64() == Some(0.0),
            Self::String(text) => text.as_bytes().is_empty(),
            Self::Array(items) => items.is_empty(),
            Self::Object(members) => members.is_empty(),
        }
    }

    /// An object from plain names, for building documents.
    pub fn object(members: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        Self::Object(members.into_iter().map(|(name, value)| (Text::from(name), value)).collect())
    }

    /// Sets a member of an object, in place where it exists; does nothing to other values.
    pub fn set(&mut self, key: &str, value: Value) {
        let Self::Object(members) = self else { return };
        match members.iter_mut().find(|(name, _)| name.as_bytes() == key.as_bytes()) {
            Some((_, old)) => *old = value,
            None => members.push((Text::from(key), value)),
        }
    }

    /// Takes a member out of an object.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        let Self::Object(members) = self else { return None };
        let at = members.iter().position(|(name, _)| name.as_bytes() == key.as_bytes())?;
        Some(members.remove(at).1)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(Text::from(text))
    }
}

/// Reads one document under the usual limits.
pub fn parse(text: &[u8]) -> Result<Value, JsonError> {
    parse_within(text, &JsonLimits::default())
}

/// Reads one document under given limits.
pub fn parse_within(text: &[u8], limits: &JsonLimits) -> Result<Value, JsonError> {
    let mut lexer = Lexer::new(text, limits)?;
    let value = read_value(&mut lexer)?;
    lexer.end()?;
    Ok(value)
}

fn read_value(lexer: &mut Lexer<'_>) -> Result<Value, Fault> {
    Ok(match lexer.token()? {
        Token::Null => Value::Null,
        Token::True => Value::Bool(true),
        Token::False => Value::Bool(false),
        Token::Number => {
            let span = lexer.number()?;
            let token = lexer.slice(span.start, span.end);
            if span.float {
                lexer.finite(token, span.start)?;
            }
            Value::Number(Number::from_token(token))
        }
        Token::String => Value::String(read_text(lexer)?),
        Token::Array => read_array(lexer)?,
        Token::Object => read_object(lexer)?,
    })
}

fn read_text(lexer: &mut Lexer<'_>) -> Result<Text, Fault> {
    let span = lexer.string()?;
    let mut text = Vec::new();
    lexer.unescape(span, &mut text)?;
    Ok(Text::from_wtf8(text))
}

fn read_array(lexer: &mut Lexer<'_>) -> Result<Value, Fault> {
    lexer.enter()?;
    let mut items = Vec::new();
    if !lexer.closes(b']') {
        loop {
            items.push(read_value(lexer)?);
            if !lexer.continues(b']')? {
                break;
            }
        }
    }
    lexer.leave();
    Ok(Value::Array(items))
}

fn read_object(lexer: &mut Lexer<'_>) -> Result<Value, Fault> {
    lexer.enter()?;
    let mut members = Vec::new();
    if !lexer.closes(b'}') {
        loop {
            lexer.key_starts()?;
            let key = read_text(lexer)?;
            lexer.colon()?;
            members.push((key, read_value(lexer)?));
            if !lexer.continues(b'}')? {
                break;
            }
        }
    }
    lexer.leave();
    if let Some(key) = duplicate(&members) {
        return Err(lexer.fault(JsonFault::DuplicateKey { key }));
    }
    Ok(Value::Object(members))
}

/// A key that stands twice; keys are mostly few and often sorted.
fn duplicate(members: &[(Text, Value)]) -> Option<String> {
    if members.windows(2).all(|pair| pair[0].0.cmp(&pair[1].0) == Ordering::Less) {
        return None;
    }
    let mut keys: Vec<&Text> = members.iter().map(|(key, _)| key).collect();
    keys.sort_unstable();
    keys.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0].to_string_lossy())
}

#[cfg(test)]
mod tests;
