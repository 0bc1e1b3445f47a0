//! `${name}` in the words of a step: replaced word by word, and never read again.

use super::Values;

/// What a run fills in by itself beside parameters: its id, when its newest change began and when it
/// was found to fail (both RFC 3339), and how many seconds ago its freeze began.
pub const OF_RUN: [&str; 4] = ["run.id", "run.window_start", "run.window_end", "run.frozen_s"];

/// In front of the id of a question further up, whose answer is filled in: the nodes of an action alone may come from one.
pub const ANSWER: &str = "answer.";

/// The names a text refers to; an error for a mark without an end.
pub fn placeholders(text: &str) -> Result<Vec<&str>, String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else {
            return Err("${ has no closing }".to_owned());
        };
        names.push(name);
        rest = after;
    }
    Ok(names)
}

/// The text with its names replaced. A value that holds `${` stays as it is.
pub fn substitute(text: &str, values: &Values) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (name, after) = after.split_once('}').ok_or("${ has no closing }")?;
        out.push_str(before);
        out.push_str(values.get(name).ok_or_else(|| format!("{name} has no value"))?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
