//! Values with two-space indentation: for files, as Python writes them, and for people.

use super::{Text, Value};
use crate::canonical::{decode_wtf8, write_number, write_string, write_unit};

/// Who reads the printed text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Byte for byte `json.dumps(value, indent=2, sort_keys=True)`.
    PythonFile,
    /// Keys in the order of the text, numbers as written, letters of every script shown, and what
    /// would act on a terminal or reverse the reading direction escaped.
    ForPeople,
}

/// Prints a value over several lines, without a final line break.
pub fn print(value: &Value, layout: Layout) -> String {
    let mut out = Vec::new();
    write(value, layout, 0, &mut out);
    String::from_utf8(out).expect("unpaired surrogates are escaped, all else is UTF-8")
}

fn write(value: &Value, layout: Layout, level: usize, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            let token = number.as_str();
            let float = token.contains(['.', 'e', 'E']).then(|| number.as_f64()).flatten();
            match layout {
                Layout::PythonFile => write_number(token, float, out),
                Layout::ForPeople => out.extend_from_slice(token.as_bytes()),
            }
        }
        Value::String(text) => write_text(text, layout, out),
        Value::Array(items) if items.is_empty() => out.extend_from_slice(b"[]"),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                line(index > 0, level + 1, out);
                write(item, layout, level + 1, out);
            }
            line(false, level, out);
            out.push(b']');
        }
        Value::Object(members) if members.is_empty() => out.extend_from_slice(b"{}"),
        Value::Object(members) => {
            let mut members: Vec<&(Text, Value)> = members.iter().collect();
            if layout == Layout::PythonFile {
                members.sort_by(|a, b| a.0.cmp(&b.0));
            }
            out.push(b'{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                line(index > 0, level + 1, out);
                write_text(key, layout, out);
                out.extend_from_slice(b": ");
                write(value, layout, level + 1, out);
            }
            line(false, level, out);
            out.push(b'}');
        }
    }
}

fn line(comma: bool, level: usize, out: &mut Vec<u8>) {
    if comma {
        out.push(b',');
    }
    out.push(b'\n');
    out.resize(out.len() + 2 * level, b' ');
}

fn write_text(text: &Text, layout: Layout, out: &mut Vec<u8>) {
    if layout == Layout::PythonFile {
        return write_string(text.as_bytes(), out);
    }
    out.push(b'"');
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        let (code, length) = decode_wtf8(rest);
        match (code, char::from_u32(code)) {
            (0x22 | 0x5c, _) => out.extend_from_slice(&[b'\\', rest[0]]),
            (0x0a, _) => out.extend_from_slice(b"\\n"),
            (0x0d, _) => out.extend_from_slice(b"\\r"),
            (0x09, _) => out.extend_from_slice(b"\\t"),
            (_, Some(c)) if !is_deceptive(c) => out.extend_from_slice(&rest[..length]),
            _ => write_unit(code, out),
        }
        rest = &rest[length..];
    }
    out.push(b'"');
}

/// Controls, invisible separators and direction marks (Unicode TR 36): all lie in the first plane.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
}
