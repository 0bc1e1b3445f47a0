//! A check of documents against the schemas this program publishes: the words that schemars uses,
//! and no other, so that an unknown word fails a test instead of passing unread.

use serde_json::{Map, Value};

/// The first place where a document differs from a schema.
pub(crate) fn violation(schema: &Value, document: &Value) -> Option<String> {
    check(schema, schema, document, "$")
}

/// Words that say nothing about validity.
const ANNOTATIONS: [&str; 7] =
    ["$schema", "$defs", "title", "description", "format", "default", "examples"];

fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Option<String> {
    let words = match schema {
        Value::Bool(true) => return None,
        Value::Object(words) => words,
        other => return Some(format!("{at}: a schema that is {other}")),
    };
    words.iter().find_map(|(word, wanted)| check_word(root, words, word, wanted, value, at))
}

fn check_word(
    root: &Value,
    words: &Map<String, Value>,
    word: &str,
    wanted: &Value,
    value: &Value,
    at: &str,
) -> Option<String> {
    let wrong = |what: &str| Some(format!("{at}: {what}, but it is {value}"));
    match word {
        word if ANNOTATIONS.contains(&word) => None,
        "$ref" => {
            let path = wanted.as_str()?.trim_start_matches('#');
            check(root, root.pointer(path)?, value, at)
        }
        "type" => {
            let fits = |name: &Value| has_type(name.as_str().unwrap_or_default(), value);
            let fits =
                wanted.as_array().map_or_else(|| fits(wanted), |names| names.iter().any(fits));
            if fits { None } else { wrong(&format!("must be {wanted}")) }
        }
        "const" => {
            if value == wanted {
                None
            } else {
                wrong(&format!("must be {wanted}"))
            }
        }
        "enum" => {
            let known = wanted.as_array().is_some_and(|known| known.contains(value));
            if known { None } else { wrong(&format!("must be one of {wanted}")) }
        }
        "anyOf" | "oneOf" => {
            let choices = wanted.as_array()?;
            let fitting =
                choices.iter().filter(|one| check(root, one, value, at).is_none()).count();
            let right = fitting == 1 || (word == "anyOf" && fitting > 0);
            if right { None } else { wrong(&format!("fits {fitting} of the choices {wanted}")) }
        }
        "allOf" => wanted.as_array()?.iter().find_map(|one| check(root, one, value, at)),
        "minimum" => {
            let low = value.as_f64().zip(wanted.as_f64()).is_some_and(|(is, least)| is < least);
            if low { wrong(&format!("must be at least {wanted}")) } else { None }
        }
        "maximum" => {
            let high = value.as_f64().zip(wanted.as_f64()).is_some_and(|(is, most)| is > most);
            if high { wrong(&format!("must be at most {wanted}")) } else { None }
        }
        _ => check_members(root, words, word, wanted, value, at),
    }
}

/// Words about what is inside a list or an object.
fn check_members(
    root: &Value,
    words: &Map<String, Value>,
    word: &str,
    wanted: &Value,
    value: &Value,
    at: &str,
) -> Option<String> {
    match word {
        "items" => value
            .as_array()?
            .iter()
            .enumerate()
            .find_map(|(index, item)| check(root, wanted, item, &format!("{at}[{index}]"))),
        "required" => {
            let members = value.as_object()?;
            let missing = wanted
                .as_array()?
                .iter()
                .find(|name| !members.contains_key(name.as_str().unwrap_or_default()))?;
            Some(format!("{at}: must have {missing}, but it is {value}"))
        }
        "properties" => {
            let members = value.as_object()?;
            wanted.as_object()?.iter().find_map(|(name, schema)| {
                check(root, schema, members.get(name)?, &format!("{at}.{name}"))
            })
        }
        "additionalProperties" => {
            let known = words.get("properties").and_then(Value::as_object);
            value.as_object()?.iter().find_map(|(name, member)| {
                if known.is_some_and(|known| known.contains_key(name)) {
                    return None;
                }
                match wanted {
                    Value::Bool(false) => Some(format!("{at}: must not have {name}")),
                    schema => check(root, schema, member, &format!("{at}.{name}")),
                }
            })
        }
        other => Some(format!("{at}: the word {other} of this schema is not looked at")),
    }
}

fn has_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "number" => value.is_number(),
        "integer" => value.is_i64() || value.is_u64(),
        _ => false,
    }
}

/// Every member a document has is one its schema names, so that nothing is published unnamed.
pub(crate) fn unnamed(schema: &Value, document: &Value) -> Option<String> {
    let known = schema.get("properties")?.as_object()?;
    document.as_object()?.keys().find(|name| !known.contains_key(*name)).cloned()
}

#[test]
fn a_document_that_differs_is_told_where() {
    let schema = serde_json::json!({
        "type": "object",
        "required": ["nodes"],
        "properties": {"nodes": {"type": "array", "items": {"$ref": "#/$defs/Node"}}},
        "$defs": {"Node": {"type": "object", "properties": {"id": {"type": ["string", "null"]}}}}
    });
    let check = |document: Value| violation(&schema, &document);
    assert_eq!(check(serde_json::json!({"nodes": [{"id": null}]})), None);
    assert_eq!(
        check(serde_json::json!({"nodes": [{"id": 7}]})).as_deref(),
        Some(r#"$.nodes[0].id: must be ["string","null"], but it is 7"#)
    );
    assert!(check(serde_json::json!({})).is_some_and(|text| text.contains("must have")));
}
