//! File hashes as OPA computes them: over the bytes of a module, over sorted compact JSON of
//! `data.json` and `.manifest`, so that white space does not matter
//! (`bundle/hash.go` and `bundle/verify.go` of OPA 1.x).

use plumb_fleet::ids::Digest;

use super::{ArchiveError, MANIFEST};
use crate::{
    canonical::{decode_wtf8, write_unit},
    json::{Value, parse},
};

/// One file and its hash as a signature names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHash {
    pub name: String,
    pub hash: Digest,
}

/// The hash of one file of a bundle.
pub fn file_hash(path: &str, content: &[u8]) -> Result<FileHash, ArchiveError> {
    let name = path.to_owned();
    let hash = match path.rsplit('/').next().unwrap_or(path) {
        "data.json" | MANIFEST => {
            let value =
                parse(content).map_err(|error| ArchiveError::Json { path: name.clone(), error })?;
            let mut out = Vec::new();
            write_go(&value, &mut out);
            Digest::of(&out)
        }
        "data.yaml" | "data.yml" => {
            let problem = "signed YAML data cannot be checked here, use data.json".to_owned();
            return Err(ArchiveError::Content { path: name, problem });
        }
        _ => Digest::of(content),
    };
    Ok(FileHash { name, hash })
}

/// Compact JSON with sorted keys, strings as Go's `encoding/json` writes them without HTML escapes,
/// numbers as written.
fn write_go(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => out.extend_from_slice(number.as_str().as_bytes()),
        Value::String(text) => write_go_string(text.as_bytes(), out),
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_go(item, out);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            out.push(b'{');
            for (index, (key, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write_go_string(key.as_bytes(), out);
                out.push(b':');
                write_go(value, out);
            }
            out.push(b'}');
        }
    }
}

fn write_go_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    while !rest.is_empty() {
        let (code, length) = decode_wtf8(rest);
        match code {
            0x22 | 0x5c => out.extend_from_slice(&[b'\\', rest[0]]),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0x0a => out.extend_from_slice(b"\\n"),
            0x0d => out.extend_from_slice(b"\\r"),
            0x09 => out.extend_from_slice(b"\\t"),
            0..0x20 | 0x2028 | 0x2029 => write_unit(code, out),
            // Go reads an unpaired surrogate as the replacement character.
            0xd800..0xe000 => out.extend_from_slice("\u{fffd}".as_bytes()),
            _ => out.extend_from_slice(&rest[..length]),
        }
        rest = &rest[length..];
    }
    out.push(b'"');
}
