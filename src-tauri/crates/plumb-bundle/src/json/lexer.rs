//! Tokens of JSON over a checked text: no allocation, eight bytes at a time.

#![expect(
    clippy::unnecessary_box_returns,
    reason = "a fault is made once and passed through a hundred results, which it must not widen"
)]

use super::{Fault, JsonError, JsonFault, JsonLimits};
use crate::limits::NUMBER_BYTES_MAX;

/// What kind of value starts here; the lexer stands behind the literal, the quote or the bracket,
/// and at the first character of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Null,
    True,
    False,
    Number,
    String,
    Array,
    Object,
}

/// The inside of a string, without its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StringSpan {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// Printable ASCII without escapes: the canonical form is these bytes.
    pub(crate) plain: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct NumberSpan {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) float: bool,
}

#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    bytes: &'a [u8],
    pos: usize,
    depth_left: usize,
    values_left: usize,
    limits: JsonLimits,
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Marks bytes that end a run of plain string text: `"`, `\`, controls, DEL and non-ASCII. Exact up
/// to and including the lowest marked byte; a borrow or carry may mark bytes above it.
const fn special_bytes(word: u64) -> u64 {
    let quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * 0x20);
    let delete = word.wrapping_add(ONES);
    (quote | backslash | control | delete | word) & HIGHS
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e) && byte != b'"' && byte != b'\\'
}

fn word_at(bytes: &[u8], at: usize) -> Option<u64> {
    let chunk = bytes.get(at..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*chunk))
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(bytes: &'a [u8], limits: &JsonLimits) -> Result<Self, Fault> {
        if bytes.len() > limits.bytes_max {
            let fault = JsonFault::TooLarge { bytes: bytes.len(), max: limits.bytes_max };
            return Err(Box::new(JsonError { line: 1, column: 1, fault }));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|error| fault_at(bytes, error.valid_up_to(), JsonFault::NotUtf8))?;
        if text.starts_with('\u{feff}') {
            return Err(fault_at(bytes, 0, JsonFault::ByteOrderMark));
        }
        Ok(Self {
            text,
            bytes,
            pos: 0,
            depth_left: limits.depth_max,
            values_left: limits.values_max,
            limits: *limits,
        })
    }

    pub(crate) fn slice(&self, start: usize, end: usize) -> &'a str {
        &self.text[start..end]
    }

    #[cold]
    pub(crate) fn fault(&self, fault: JsonFault) -> Fault {
        fault_at(self.bytes, self.pos, fault)
    }

    #[cold]
    fn expected(&self, expected: &'static str) -> Fault {
        match self.text.get(self.pos..).and_then(|rest| rest.chars().next()) {
            Some(found) => self.fault(JsonFault::Unexpected { expected, found }),
            None => self.fault(JsonFault::End { expected }),
        }
    }

    #[inline]
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.pos).copied()
    }

    #[inline]
    fn skip_space(&mut self) {
        match self.peek() {
            Some(b' ' | b'\n' | b'\r' | b'\t') => self.pos += 1,
            _ => return,
        }
        // Indentation: a line break is followed by runs of spaces.
        while word_at(self.bytes, self.pos) == Some(ONES * 0x20) {
            self.pos += 8;
        }
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.pos += 1;
            if word_at(self.bytes, self.pos) == Some(ONES * 0x20) {
                self.pos += 8;
            }
        }
    }

    /// Says what value starts here and steps over its first mark.
    #[inline]
    pub(crate) fn token(&mut self) -> Result<Token, Fault> {
        self.skip_space();
        if self.values_left == 0 {
            return Err(self.fault(JsonFault::TooManyValues { max: self.limits.values_max }));
        }
        self.values_left -= 1;
        let token = match self.peek() {
            Some(b'"') => Token::String,
            Some(b'{') => Token::Object,
            Some(b'[') => Token::Array,
            Some(b'-' | b'0'..=b'9') => return Ok(Token::Number),
            Some(b't') => return self.literal("true", Token::True),
            Some(b'f') => return self.literal("false", Token::False),
            Some(b'n') => return self.literal("null", Token::Null),
            Some(b'N' | b'I') => return Err(self.not_finite()),
            _ => return Err(self.expected("a value")),
        };
        self.pos += 1;
        Ok(token)
    }

    fn literal(&mut self, word: &'static str, token: Token) -> Result<Token, Fault> {
        if self.bytes[self.pos..].starts_with(word.as_bytes()) {
            self.pos += word.len();
            return Ok(token);
        }
        Err(self.expected("a value"))
    }

    #[cold]
    fn not_finite(&self) -> Fault {
        let rest = &self.bytes[self.pos..];
        match ["NaN", "Infinity", "-Infinity"].into_iter().find(|t| rest.starts_with(t.as_bytes()))
        {
            Some(token) => self.fault(JsonFault::NotFinite { token }),
            None => self.expected("a value"),
        }
    }

    #[inline]
    pub(crate) fn enter(&mut self) -> Result<(), Fault> {
        if self.depth_left == 0 {
            return Err(self.fault(JsonFault::TooDeep { max: self.limits.depth_max }));
        }
        self.depth_left -= 1;
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth_left += 1;
    }

    /// Steps over a closing bracket that follows its opening one.
    #[inline]
    pub(crate) fn closes(&mut self, close: u8) -> bool {
        self.skip_space();
        let closes = self.peek() == Some(close);
        self.pos += usize::from(closes);
        closes
    }

    /// After a member: true behind a comma, false behind the closing bracket.
    #[inline]
    pub(crate) fn continues(&mut self, close: u8) -> Result<bool, Fault> {
        self.skip_space();
        match self.peek() {
            Some(b',') => {
                self.pos += 1;
                Ok(true)
            }
            Some(byte) if byte == close => {
                self.pos += 1;
                Ok(false)
            }
            _ if close == b'}' => Err(self.expected("',' or '}'")),
            _ => Err(self.expected("',' or ']'")),
        }
    }

    #[inline]
    pub(crate) fn key_starts(&mut self) -> Result<(), Fault> {
        self.skip_space();
        if self.peek() != Some(b'"') {
            return Err(self.expected("a key in double quotes"));
        }
        self.pos += 1;
        Ok(())
    }

    #[inline]
    pub(crate) fn colon(&mut self) -> Result<(), Fault> {
        self.skip_space();
        if self.peek() != Some(b':') {
            return Err(self.expected("':'"));
        }
        self.pos += 1;
        Ok(())
    }

    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        self.skip_space();
        if self.pos < self.bytes.len() {
            return Err(self.fault(JsonFault::Trailing));
        }
        Ok(())
    }

    #[inline]
    fn skip_plain(&mut self) {
        while let Some(word) = word_at(self.bytes, self.pos) {
            let special = special_bytes(word);
            if special != 0 {
                self.pos += (special.trailing_zeros() / 8) as usize;
                return;
            }
            self.pos += 8;
        }
        while self.peek().is_some_and(is_plain) {
            self.pos += 1;
        }
    }

    /// Steps over a string whose opening quote was read. Escapes are checked by [`Self::unescape`].
    #[inline]
    pub(crate) fn string(&mut self) -> Result<StringSpan, Fault> {
        let start = self.pos;
        let mut plain = true;
        loop {
            self.skip_plain();
            match self.peek() {
                Some(b'"') => {
                    let end = self.pos;
                    self.pos += 1;
                    return Ok(StringSpan { start, end, plain });
                }
                Some(b'\\') => {
                    plain = false;
                    if self.bytes.get(self.pos + 1).is_none_or(|next| !next.is_ascii()) {
                        return Err(self.fault(JsonFault::Escape));
                    }
                    self.pos += 2;
                }
                Some(control @ 0..0x20) => {
                    return Err(self.fault(JsonFault::Control { found: char::from(control) }));
                }
                Some(_) => {
                    plain = false;
                    self.pos += 1;
                }
                None => return Err(self.fault(JsonFault::End { expected: "'\"'" })),
            }
        }
    }

    /// Appends the text of a string: UTF-8, with unpaired surrogates in their three-byte form.
    pub(crate) fn unescape(&self, span: StringSpan, out: &mut Vec<u8>) -> Result<(), Fault> {
        let inside = &self.bytes[span.start..span.end];
        if span.plain {
            out.extend_from_slice(inside);
            return Ok(());
        }
        let mut at = 0;
        while at < inside.len() {
            if inside[at] != b'\\' {
                let run =
                    inside[at..].iter().position(|b| *b == b'\\').unwrap_or(inside.len() - at);
                out.extend_from_slice(&inside[at..at + run]);
                at += run;
                continue;
            }
            let escape = || fault_at(self.bytes, span.start + at, JsonFault::Escape);
            let (code, length) = match inside.get(at + 1) {
                Some(b'u') => surrogate_pair(&inside[at..]).ok_or_else(escape)?,
                Some(short) => (short_escape(*short).ok_or_else(escape)?, 2),
                None => return Err(escape()),
            };
            push_code_point(code, out);
            at += length;
        }
        Ok(())
    }

    /// Steps over a number; the lexer stands at its first character.
    pub(crate) fn number(&mut self) -> Result<NumberSpan, Fault> {
        let start = self.pos;
        self.pos += usize::from(self.peek() == Some(b'-'));
        match self.peek() {
            Some(b'0') => self.pos += 1,
            Some(b'1'..=b'9') => self.digits(),
            Some(b'I') => {
                self.pos = start;
                return Err(self.not_finite());
            }
            _ => return Err(self.expected("a digit")),
        }
        let mut float = false;
        if self.peek() == Some(b'.') {
            float = true;
            self.pos += 1;
            self.some_digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            float = true;
            self.pos += 1;
            self.pos += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.some_digits()?;
        }
        let bytes = self.pos - start;
        if bytes > NUMBER_BYTES_MAX {
            self.pos = start;
            return Err(self.fault(JsonFault::NumberTooLong { bytes, max: NUMBER_BYTES_MAX }));
        }
        Ok(NumberSpan { start, end: self.pos, float })
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.pos += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), Fault> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.expected("a digit"));
        }
        self.digits();
        Ok(())
    }

    /// The double a token means, unless it overflows.
    pub(crate) fn finite(&self, token: &str, start: usize) -> Result<f64, Fault> {
        match token.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            _ => {
                let token = token.chars().take(40).collect();
                Err(fault_at(self.bytes, start, JsonFault::Overflow { token }))
            }
        }
    }
}

#[cold]
pub(crate) fn fault_at(bytes: &[u8], at: usize, fault: JsonFault) -> Fault {
    let before = &bytes[..at.min(bytes.len())];
    let line = before.split(|byte| *byte == b'\n').count();
    let line_start =
        before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
    // Columns count characters: continuation bytes do not start one.
    let column = 1 + before[line_start..].iter().filter(|byte| **byte & 0xc0 != 0x80).count();
    Box::new(JsonError { line, column, fault })
}

fn short_escape(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'"' | b'\\' | b'/' => byte,
        b'b' => 8,
        b't' => b'\t',
        b'n' => b'\n',
        b'f' => 12,
        b'r' => b'\r',
        _ => return None,
    }))
}

/// The code point of `\uXXXX`, joined with a following low surrogate as `json.loads` joins them.
fn surrogate_pair(escape: &[u8]) -> Option<(u32, usize)> {
    let high = unit(escape)?;
    if (0xd800..0xdc00).contains(&high)
        && let Some(low) = escape.get(6..).and_then(unit)
        && (0xdc00..0xe000).contains(&low)
    {
        return Some((0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00), 12));
    }
    Some((high, 6))
}

/// One `\uXXXX`.
fn unit(escape: &[u8]) -> Option<u32> {
    let digits = escape.strip_prefix(b"\\u")?.get(..4)?;
    digits.iter().try_fold(0, |code, digit| Some(code * 16 + char::from(*digit).to_digit(16)?))
}

fn push_code_point(code: u32, out: &mut Vec<u8>) {
    if let Some(c) = char::from_u32(code) {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    } else {
        // An unpaired surrogate in the form UTF-8 would give it (WTF-8).
        let [.., high, low] = code.to_be_bytes();
        out.push(0xe0 | (high >> 4));
        out.push(0x80 | ((high & 0x0f) << 2) | (low >> 6));
        out.push(0x80 | (low & 0x3f));
    }
}
