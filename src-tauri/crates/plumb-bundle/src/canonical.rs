//! The canonical form: byte for byte what Python's
//! `json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))` prints.
//!
//! The signature of a signed JSON bundle covers this form, so it must agree with CPython's encoder
//! (`Lib/json/encoder.py`, `ensure_ascii`) on escapes, key order and numbers. The writer goes once
//! over the text and never builds a tree; only objects whose keys are out of order are moved.

use crate::json::{
    Fault, JsonError, JsonFault, JsonLimits, Text, Value,
    lexer::{Lexer, StringSpan, Token},
};

/// The canonical form of a document.
pub fn canonicalise(text: &[u8]) -> Result<String, JsonError> {
    let mut writer = Canonicaliser::new(text, &JsonLimits::default())?;
    writer.value()?;
    writer.lexer.end()?;
    Ok(into_ascii(writer.out))
}

/// The canonical form of a value already read.
pub fn canonical(value: &Value) -> String {
    let mut out = Vec::new();
    write_value(value, &mut out);
    into_ascii(out)
}

pub(crate) fn into_ascii(out: Vec<u8>) -> String {
    String::from_utf8(out).expect("the canonical form is ASCII")
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            let token = number.as_str();
            let float = token.contains(['.', 'e', 'E']).then(|| number.as_f64()).flatten();
            write_number(token, float, out);
        }
        Value::String(text) => write_string(text.as_bytes(), out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_value(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<&(Text, Value)> = members.iter().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            out.push(b'{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_string(key.as_bytes(), out);
                out.push(b':');
                write_value(value, out);
            }
            out.push(b'}');
        }
    }
}

/// Writes a number: integers as they stand (Python's are unbounded), floats as `repr` prints them.
pub(crate) fn write_number(token: &str, float: Option<f64>, out: &mut Vec<u8>) {
    match float {
        Some(number) => out.extend_from_slice(python_repr(number).as_bytes()),
        None if token == "-0" => out.push(b'0'),
        None => out.extend_from_slice(token.as_bytes()),
    }
}

/// A finite double as CPython's `float.__repr__` prints it: shortest digits, exponent form when the
/// decimal point would stand more than 16 digits right or 4 left (`Python/pystrtod.c`, format `r`).
pub fn python_repr(number: f64) -> String {
    let (negative, digits, point) = shortest(number);
    let sign = if negative { "-" } else { "" };
    let length = i32::try_from(digits.len()).expect("a double has at most 17 digits");
    let exponent = point - 1;
    if !(-4..16).contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let direction = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{point}{rest}e{direction}{:02}", exponent.abs());
    }
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    if length <= exponent + 1 {
        let zeros = "0".repeat((exponent + 1 - length).unsigned_abs() as usize);
        return format!("{sign}{digits}{zeros}.0");
    }
    let (whole, fraction) = digits.split_at(exponent.unsigned_abs() as usize + 1);
    format!("{sign}{whole}.{fraction}")
}

/// The shortest digits that read back as this number, without zeros at either end but at least one,
/// and where the decimal point stands in them.
///
/// Not from the standard library: where two digit strings are equally short and equally near, as for
/// 915185217398399.25, it takes the larger last digit, while CPython and `serde_json` take the even
/// one. One in 40 numbers of such a size differs.
fn shortest(number: f64) -> (bool, String, i32) {
    let text = serde_json::to_string(&number).expect("a finite double serialises");
    let (negative, text) =
        text.strip_prefix('-').map_or((false, text.as_str()), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().expect("an exponent is a decimal number");
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let digits = all.trim_start_matches('0');
    if digits.is_empty() {
        return (negative, "0".to_owned(), 1);
    }
    let places =
        |length: usize| i32::try_from(length).expect("a double prints in some hundred digits");
    let point = places(whole.len()) + exponent - places(all.len() - digits.len());
    (negative, digits.trim_end_matches('0').to_owned(), point)
}

/// Writes a string with quotes, everything but printable ASCII escaped.
pub(crate) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    write_escaped(text, out);
    out.push(b'"');
}

fn write_escaped(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            8 => b'b',
            12 => b'f',
            0x20..=0x7e => {
                out.push(byte);
                at += 1;
                continue;
            }
            _ => {
                let (code, length) = decode_wtf8(&text[at..]);
                write_code_point(code, out);
                at += length;
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', short]);
        at += 1;
    }
}

/// The first code point of WTF-8 text and its length.
pub(crate) fn decode_wtf8(text: &[u8]) -> (u32, usize) {
    let byte = |at: usize| u32::from(text.get(at).copied().unwrap_or(0) & 0x3f);
    match text[0] {
        first @ 0..0x80 => (u32::from(first), 1),
        first @ 0x80..0xe0 => (u32::from(first & 0x1f) << 6 | byte(1), 2),
        first @ 0xe0..0xf0 => (u32::from(first & 0x0f) << 12 | byte(1) << 6 | byte(2), 3),
        first => (u32::from(first & 0x07) << 18 | byte(1) << 12 | byte(2) << 6 | byte(3), 4),
    }
}

fn write_code_point(code: u32, out: &mut Vec<u8>) {
    if code >= 0x10000 {
        write_unit(0xd800 + ((code - 0x10000) >> 10), out);
        write_unit(0xdc00 + ((code - 0x10000) & 0x3ff), out);
    } else {
        write_unit(code, out);
    }
}

/// `\uXXXX` in lower case.
pub(crate) fn write_unit(unit: u32, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let digit = |shift: u32| HEX[(unit >> shift & 0xf) as usize];
    out.extend_from_slice(&[b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]);
}

/// One member of an object being written: where its key is, and where it stands in the output.
#[derive(Debug, Clone, Copy)]
struct Member {
    key: KeySpan,
    start: usize,
    value: usize,
    end: usize,
}

/// A key's text: a plain one in the source, any other unescaped aside.
#[derive(Debug, Clone, Copy)]
pub(crate) enum KeySpan {
    Source { start: usize, end: usize },
    Aside { start: usize, end: usize },
}

/// Writes canonical values one after the other into one buffer.
#[derive(Debug)]
pub(crate) struct Canonicaliser<'a> {
    pub(crate) lexer: Lexer<'a>,
    source: &'a [u8],
    pub(crate) out: Vec<u8>,
    members: Vec<Member>,
    aside: Vec<u8>,
    scratch: Vec<u8>,
}

impl<'a> Canonicaliser<'a> {
    pub(crate) fn new(source: &'a [u8], limits: &JsonLimits) -> Result<Self, Fault> {
        let lexer = Lexer::new(source, limits)?;
        // The form without spaces is seldom longer than the text.
        let out = Vec::with_capacity(source.len());
        Ok(Self { lexer, source, out, members: Vec::new(), aside: Vec::new(), scratch: Vec::new() })
    }

    /// Writes the value that starts here.
    #[inline]
    pub(crate) fn value(&mut self) -> Result<(), Fault> {
        match self.lexer.token()? {
            // Most values of a policy are texts.
            Token::String => {
                let span = self.lexer.string()?;
                self.string(span)
            }
            other => self.rest_of(other),
        }
    }

    /// Writes a value whose token was read.
    pub(crate) fn rest_of(&mut self, token: Token) -> Result<(), Fault> {
        match token {
            Token::Null => self.out.extend_from_slice(b"null"),
            Token::True => self.out.extend_from_slice(b"true"),
            Token::False => self.out.extend_from_slice(b"false"),
            Token::Number => self.number()?,
            Token::String => {
                let span = self.lexer.string()?;
                self.string(span)?;
            }
            Token::Array => self.array()?,
            Token::Object => {
                let mark = self.object()?;
                self.forget(&mark);
            }
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Fault> {
        let span = self.lexer.number()?;
        let token = self.lexer.slice(span.start, span.end);
        let float = if span.float { Some(self.lexer.finite(token, span.start)?) } else { None };
        write_number(token, float, &mut self.out);
        Ok(())
    }

    #[inline]
    fn string(&mut self, span: StringSpan) -> Result<(), Fault> {
        if span.plain {
            // The quotes stand around it in the source too.
            self.out.extend_from_slice(&self.source[span.start - 1..=span.end]);
            return Ok(());
        }
        self.escaped(span)
    }

    #[inline(never)]
    fn escaped(&mut self, span: StringSpan) -> Result<(), Fault> {
        self.scratch.clear();
        self.lexer.unescape(span, &mut self.scratch)?;
        write_string(&self.scratch, &mut self.out);
        Ok(())
    }

    fn array(&mut self) -> Result<(), Fault> {
        self.lexer.enter()?;
        self.out.push(b'[');
        if !self.lexer.closes(b']') {
            loop {
                self.value()?;
                if !self.lexer.continues(b']')? {
                    break;
                }
                self.out.push(b',');
            }
        }
        self.out.push(b']');
        self.lexer.leave();
        Ok(())
    }

    /// Writes the rest of an object and keeps its members, for [`Self::member`], until
    /// [`Self::forget`] is called with the mark returned.
    pub(crate) fn object(&mut self) -> Result<ObjectMark, Fault> {
        self.object_with(|writer, _| writer.value())
    }

    /// Like [`Self::object`]; `each` writes the value of the key it is given.
    pub(crate) fn object_with(
        &mut self,
        mut each: impl FnMut(&mut Self, KeySpan) -> Result<(), Fault>,
    ) -> Result<ObjectMark, Fault> {
        self.lexer.enter()?;
        let mark = ObjectMark { members: self.members.len(), aside: self.aside.len() };
        let mut sorted = true;
        self.out.push(b'{');
        if !self.lexer.closes(b'}') {
            loop {
                self.lexer.key_starts()?;
                let start = self.out.len();
                let key = self.key()?;
                if let Some(last) = self.members[mark.members..].last()
                    && self.key_text(last.key) >= self.key_text(key)
                {
                    sorted = false;
                }
                let value = self.out.len();
                each(self, key)?;
                self.members.push(Member { key, start, value, end: self.out.len() });
                if !self.lexer.continues(b'}')? {
                    break;
                }
                self.out.push(b',');
            }
        }
        if !sorted {
            self.sort_members(&mark)?;
        }
        self.out.push(b'}');
        self.lexer.leave();
        Ok(mark)
    }

    /// Writes a key with its colon.
    fn key(&mut self) -> Result<KeySpan, Fault> {
        let span = self.lexer.string()?;
        self.string(span)?;
        self.lexer.colon()?;
        self.out.push(b':');
        if span.plain {
            return Ok(KeySpan::Source { start: span.start, end: span.end });
        }
        let start = self.aside.len();
        self.aside.extend_from_slice(&self.scratch);
        Ok(KeySpan::Aside { start, end: self.aside.len() })
    }

    pub(crate) fn key_text(&self, key: KeySpan) -> &[u8] {
        match key {
            KeySpan::Source { start, end } => &self.source[start..end],
            KeySpan::Aside { start, end } => &self.aside[start..end],
        }
    }

    #[inline(never)]
    fn sort_members(&mut self, mark: &ObjectMark) -> Result<(), Fault> {
        let mut members = self.members.split_off(mark.members);
        members.sort_by(|a, b| self.key_text(a.key).cmp(self.key_text(b.key)));
        for pair in members.windows(2) {
            if self.key_text(pair[0].key) == self.key_text(pair[1].key) {
                let key = String::from_utf8_lossy(self.key_text(pair[0].key)).into_owned();
                return Err(self.lexer.fault(JsonFault::DuplicateKey { key }));
            }
        }
        let first = members.iter().map(|member| member.start).min().unwrap_or(self.out.len());
        self.scratch.clear();
        for member in &mut members {
            if !self.scratch.is_empty() {
                self.scratch.push(b',');
            }
            let start = first + self.scratch.len();
            self.scratch.extend_from_slice(&self.out[member.start..member.end]);
            member.value = start + (member.value - member.start);
            member.end = start + (member.end - member.start);
            member.start = start;
        }
        self.out[first..].copy_from_slice(&self.scratch);
        self.members.append(&mut members);
        Ok(())
    }

    /// Where the value of a member stands in the output.
    pub(crate) fn member(&self, mark: &ObjectMark, key: &str) -> Option<std::ops::Range<usize>> {
        self.members[mark.members..]
            .iter()
            .find(|member| self.key_text(member.key) == key.as_bytes())
            .map(|member| member.value..member.end)
    }

    /// Every member with its key's text and where it stands in the output, key included.
    pub(crate) fn each_member(
        &self,
        mark: &ObjectMark,
    ) -> impl Iterator<Item = (&[u8], std::ops::Range<usize>)> {
        self.members[mark.members..].iter().map(|m| (self.key_text(m.key), m.start..m.end))
    }

    pub(crate) fn forget(&mut self, mark: &ObjectMark) {
        self.members.truncate(mark.members);
        self.aside.truncate(mark.aside);
    }
}

/// Where an object's members start in the writer's lists.
#[derive(Debug)]
pub(crate) struct ObjectMark {
    members: usize,
    aside: usize,
}

#[cfg(test)]
mod tests;
