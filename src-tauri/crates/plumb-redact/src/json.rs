//! Redacts JSON in place: what is no secret stays byte for byte, so numbers keep their digits and members
//! their order.

use serde::de::IgnoredAny;

use crate::{
    limits::DEPTH_MAX,
    path::Step,
    redact::{RedactError, Redactor},
};

pub(crate) enum JsonError {
    Json(String),
    Redact(RedactError),
}

impl From<serde_json::Error> for JsonError {
    fn from(error: serde_json::Error) -> Self {
        Self::Json(error.to_string())
    }
}

impl From<RedactError> for JsonError {
    fn from(error: RedactError) -> Self {
        Self::Redact(error)
    }
}

pub(crate) fn redact(redactor: &mut Redactor, text: &str) -> Result<String, JsonError> {
    // From here on the text is JSON, and the walk only finds its way.
    serde_json::from_str::<IgnoredAny>(text)?;
    let out = String::with_capacity(text.len());
    let mut walk = Walk { redactor, text, at: 0, out, place: Vec::new() };
    walk.value(None)?;
    walk.space();
    Ok(walk.out)
}

struct Walk<'a> {
    redactor: &'a mut Redactor,
    text: &'a str,
    at: usize,
    out: String,
    place: Vec<Step>,
}

impl Walk<'_> {
    /// Copies a value. With `secret`, the name of a rule, each string and number in it is one.
    fn value(&mut self, secret: Option<&str>) -> Result<(), JsonError> {
        if self.place.len() > DEPTH_MAX {
            return Err(JsonError::Json(format!("it is nested deeper than {DEPTH_MAX}")));
        }
        self.space();
        match self.next() {
            b'{' => self.object(secret),
            b'[' => self.array(secret),
            b'"' => self.string(secret),
            _ => {
                self.scalar(secret);
                Ok(())
            }
        }
    }

    fn object(&mut self, secret: Option<&str>) -> Result<(), JsonError> {
        self.copy(1);
        loop {
            self.space();
            match self.next() {
                b'}' => {
                    self.copy(1);
                    return Ok(());
                }
                b',' => self.copy(1),
                _ => {
                    let name: String = serde_json::from_str(self.quoted())?;
                    self.string(None)?;
                    self.space();
                    self.copy(1);
                    self.place.push(Step::Name(name));
                    let rule = self.redactor.member_rule(&self.place);
                    self.value(rule.as_deref().or(secret))?;
                    self.place.pop();
                }
            }
        }
    }

    fn array(&mut self, secret: Option<&str>) -> Result<(), JsonError> {
        self.copy(1);
        let mut index = 0;
        loop {
            self.space();
            match self.next() {
                b']' => {
                    self.copy(1);
                    return Ok(());
                }
                b',' => self.copy(1),
                _ => {
                    self.place.push(Step::Index(index));
                    let rule = self.redactor.member_rule(&self.place);
                    self.value(rule.as_deref().or(secret))?;
                    self.place.pop();
                    index += 1;
                }
            }
        }
    }

    fn string(&mut self, secret: Option<&str>) -> Result<(), JsonError> {
        let quoted = self.quoted();
        let bytes = quoted.len();
        let read: String = serde_json::from_str(quoted)?;
        let redacted = match secret {
            Some(_) if self.redactor.is_reference(&read) => read.clone(),
            Some(rule) if !read.is_empty() => self.redactor.whole(&read, rule),
            _ => self.redactor.text(&read)?,
        };
        if redacted == read {
            self.copy(bytes);
        } else {
            self.out.push_str(&serde_json::to_string(&redacted)?);
            self.at += bytes;
        }
        Ok(())
    }

    /// A number, or one of the three words, which are never a secret.
    fn scalar(&mut self, secret: Option<&str>) {
        let rest = &self.text[self.at..];
        let ends = |c: char| matches!(c, ',' | ']' | '}') || c.is_ascii_whitespace();
        let bytes = rest.find(ends).unwrap_or(rest.len());
        let is_number = !matches!(&rest[..bytes], "true" | "false" | "null");
        match secret {
            Some(rule) if is_number => {
                let token = self.redactor.whole(&rest[..bytes], rule);
                self.out.push('"');
                self.out.push_str(&token);
                self.out.push('"');
                self.at += bytes;
            }
            _ => self.copy(bytes),
        }
    }

    fn quoted(&self) -> &str {
        let bytes = &self.text.as_bytes()[self.at..];
        let mut end = 1;
        while bytes[end] != b'"' {
            end += if bytes[end] == b'\\' { 2 } else { 1 };
        }
        &self.text[self.at..=self.at + end]
    }

    fn space(&mut self) {
        let rest = &self.text[self.at..];
        let bytes = rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
        self.copy(bytes);
    }

    fn next(&self) -> u8 {
        self.text.as_bytes()[self.at]
    }

    fn copy(&mut self, bytes: usize) {
        self.out.push_str(&self.text[self.at..self.at + bytes]);
        self.at += bytes;
    }
}
