//! Where front matter and step blocks begin and end.

use super::{DOCUMENT_BYTES_MAX, STEPS_MAX, error::DocumentError, yaml::Block};

/// The word after a fence that makes a block a step.
const STEP: &str = "step";

#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub(crate) front: Block<'a>,
    pub(crate) body: &'a str,
    pub(crate) steps: Vec<Block<'a>>,
}

/// The front matter, and the number of its lines with both marks and the rest of the text.
pub(crate) fn front(text: &str) -> Result<(Block<'_>, u32, &str), DocumentError> {
    if text.len() > DOCUMENT_BYTES_MAX {
        let what = format!("a runbook has at most {DOCUMENT_BYTES_MAX} bytes, not {}", text.len());
        return Err(DocumentError::new(1, 1, what));
    }
    let Some(rest) = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n")) else {
        return Err(DocumentError::new(
            1,
            1,
            "a runbook begins with front matter between two lines ---",
        ));
    };
    let begin = text.len() - rest.len();
    let mut at = begin;
    for (number, line) in (1_u32..).zip(rest.split_inclusive('\n')) {
        if line.trim_end() == "---" {
            let block = Block { before: 1, text: &text[begin..at] };
            return Ok((block, number + 1, &text[at + line.len()..]));
        }
        at += line.len();
    }
    Err(DocumentError::new(1, 1, "the front matter has no end: write a line --- after it"))
}

pub(crate) fn split(text: &str) -> Result<Parts<'_>, DocumentError> {
    let (front, before, body) = front(text)?;
    let mut steps = Vec::new();
    let mut open: Option<Open<'_>> = None;
    let mut at = 0;
    for (number, line) in (before + 1..).zip(body.split_inclusive('\n')) {
        plain(line, number)?;
        match &open {
            Some(fence) if fence.closes(line) => {
                if fence.is_step {
                    if steps.len() == STEPS_MAX {
                        let what = format!("a runbook has at most {STEPS_MAX} steps");
                        return Err(DocumentError::new(number, 1, what));
                    }
                    steps.push(Block { before: fence.line, text: &body[fence.begin..at] });
                }
                open = None;
            }
            Some(_) => {}
            None => open = Open::of(line, number, at + line.len()),
        }
        at += line.len();
    }
    match open.filter(|fence| fence.is_step) {
        Some(fence) => {
            Err(DocumentError::new(fence.line, 1, "this step has no end: close its fence"))
        }
        None => Ok(Parts { front, body, steps }),
    }
}

/// A fence that was opened.
struct Open<'a> {
    mark: &'a str,
    is_step: bool,
    line: u32,
    begin: usize,
}

impl<'a> Open<'a> {
    fn of(line: &'a str, number: u32, begin: usize) -> Option<Self> {
        let (mark, word) = fence(line)?;
        // An info string with a backtick is inline code, as CommonMark has it.
        if mark.starts_with('`') && word.contains('`') {
            return None;
        }
        let is_step = word.split_whitespace().next() == Some(STEP);
        Some(Self { mark, is_step, line: number, begin })
    }

    fn closes(&self, line: &str) -> bool {
        fence(line).is_some_and(|(mark, word)| mark.starts_with(self.mark) && word.is_empty())
    }
}

/// The marks of a fence and what follows them.
fn fence(line: &str) -> Option<(&str, &str)> {
    let text = line.trim_start_matches(' ');
    if line.len() - text.len() > 3 {
        return None;
    }
    let mark = text.chars().next().filter(|mark| matches!(mark, '`' | '~'))?;
    let rest = text.trim_start_matches(mark);
    let marks = &text[..text.len() - rest.len()];
    (marks.len() >= 3).then(|| (marks, rest.trim()))
}

/// No character that moves a cursor or hides what is written.
fn plain(line: &str, number: u32) -> Result<(), DocumentError> {
    let hides = |c: char| {
        c.is_control() && !matches!(c, '\n' | '\t' | '\r')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}'..='\u{200f}')
    };
    match (1_u32..).zip(line.chars()).find(|(_, c)| hides(*c)) {
        None => Ok(()),
        Some((column, c)) => {
            let what = format!("the character U+{:04X} cannot be seen: remove it", u32::from(c));
            Err(DocumentError::new(number, column, what))
        }
    }
}
