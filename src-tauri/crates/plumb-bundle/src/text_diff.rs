//! Two texts side by side, line by line, with the changed words marked.

use serde::Serialize;
use similar::{Algorithm, DiffOp, capture_diff_slices};

use crate::{
    json::{Layout, parse, print},
    limits::{DIFF_INLINE_CHARS_MAX, DIFF_LINES_MAX, DIFF_TEXT_BYTES_MAX},
};

/// Below this share of common characters a pair of lines has nothing worth marking.
const INLINE_SHARE_MIN: f64 = 0.3;

/// Why two texts are not compared line by line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextDiffError {
    #[error("a text of {bytes} bytes, more than the {max} compared line by line")]
    TooLarge { bytes: usize, max: usize },
    #[error("a text of {lines} lines, more than the {max} compared line by line")]
    TooManyLines { lines: usize, max: usize },
}

/// What a row shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowKind {
    Equal,
    Changed,
    Added,
    Removed,
}

/// One line of one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// From 1.
    pub number: usize,
    pub text: String,
    /// Changed parts as character offsets, end excluded; empty when the whole line is.
    pub emphasis: Vec<(usize, usize)>,
}

/// One row: both sides, or the one that has something there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    pub kind: RowKind,
    pub left: Option<Line>,
    pub right: Option<Line>,
}

/// A policy's text as people read it: JSON over several lines, Rego as it is.
pub fn readable(policy_text: &str) -> String {
    match parse(policy_text.as_bytes()) {
        Ok(value) => print(&value, Layout::ForPeople),
        Err(_) => policy_text.to_owned(),
    }
}

/// Compares two texts.
pub fn text_diff(left: &str, right: &str) -> Result<Vec<Row>, TextDiffError> {
    let (left, right) = (lines(left)?, lines(right)?);
    let mut rows = Vec::new();
    for operation in capture_diff_slices(Algorithm::Myers, &left, &right) {
        let (was, now) = (operation.old_range(), operation.new_range());
        if let DiffOp::Equal { .. } = operation {
            rows.extend(was.zip(now).map(|(was, now)| Row {
                kind: RowKind::Equal,
                left: Some(line(&left, was, Vec::new())),
                right: Some(line(&right, now, Vec::new())),
            }));
            continue;
        }
        let paired = was.len().min(now.len());
        for (was, now) in was.clone().zip(now.clone()) {
            let (left_marks, right_marks) = emphasis(left[was], right[now]);
            rows.push(Row {
                kind: RowKind::Changed,
                left: Some(line(&left, was, left_marks)),
                right: Some(line(&right, now, right_marks)),
            });
        }
        rows.extend(was.skip(paired).map(|was| Row {
            kind: RowKind::Removed,
            left: Some(line(&left, was, Vec::new())),
            right: None,
        }));
        rows.extend(now.skip(paired).map(|now| Row {
            kind: RowKind::Added,
            left: None,
            right: Some(line(&right, now, Vec::new())),
        }));
    }
    Ok(rows)
}

fn lines(text: &str) -> Result<Vec<&str>, TextDiffError> {
    if text.len() > DIFF_TEXT_BYTES_MAX {
        return Err(TextDiffError::TooLarge { bytes: text.len(), max: DIFF_TEXT_BYTES_MAX });
    }
    let lines: Vec<&str> = text.lines().collect();
    if lines.len() > DIFF_LINES_MAX {
        return Err(TextDiffError::TooManyLines { lines: lines.len(), max: DIFF_LINES_MAX });
    }
    Ok(lines)
}

fn line(lines: &[&str], index: usize, emphasis: Vec<(usize, usize)>) -> Line {
    Line { number: index + 1, text: lines[index].to_owned(), emphasis }
}

type Marks = Vec<(usize, usize)>;

/// The parts in which two lines differ; none where they have little in common.
fn emphasis(left: &str, right: &str) -> (Marks, Marks) {
    let nothing = (Vec::new(), Vec::new());
    let total = left.chars().count() + right.chars().count();
    if total > DIFF_INLINE_CHARS_MAX {
        return nothing;
    }
    let (left, right) = (words(left), words(right));
    let mut marks = nothing;
    let (mut left_at, mut right_at, mut common) = (0, 0, 0);
    for operation in capture_diff_slices(Algorithm::Myers, &left, &right) {
        let length = |words: &[&str]| words.iter().map(|word| word.chars().count()).sum::<usize>();
        let was = length(&left[operation.old_range()]);
        let now = length(&right[operation.new_range()]);
        if let DiffOp::Equal { .. } = operation {
            common += was + now;
        } else {
            mark(&mut marks.0, left_at, was);
            mark(&mut marks.1, right_at, now);
        }
        left_at += was;
        right_at += now;
    }
    if (common as f64) < INLINE_SHARE_MIN * total as f64 {
        return (Vec::new(), Vec::new());
    }
    marks
}

fn mark(marks: &mut Marks, at: usize, length: usize) {
    match marks.last_mut() {
        _ if length == 0 => {}
        Some((_, end)) if *end == at => *end += length,
        _ => marks.push((at, at + length)),
    }
}

/// Runs of letters and digits, and everything between them character by character.
fn words(text: &str) -> Vec<&str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let end = if is_word(first) {
            rest.find(|c| !is_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(end);
        words.push(word);
        rest = after;
    }
    words
}

#[cfg(test)]
mod tests;
