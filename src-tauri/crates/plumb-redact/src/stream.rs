//! Redaction of what is too long to hold: one piece after the other, each cut where nothing lies across.

use std::io::{self, BufRead, Read as _, Write};

use crate::{
    limits::{DOCUMENT_BYTES_MAX, HELD_BYTES_MAX},
    redact::{Form, RedactError, Redactor},
};

/// What is read before a piece is cut off, in bytes.
const PIECE_BYTES: usize = 256 << 10;
/// How much of it stays, in bytes: what begins in a piece and goes on over lines is seen to its end. What is known to
/// go on, such as a key without its last line, stays as a whole.
const REACH_BYTES: usize = 64 << 10;

/// Why a stream was not redacted to its end. What was written until then is to be thrown away.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    #[error("it cannot be read")]
    Read(#[source] io::Error),
    #[error("it cannot be written")]
    Write(#[source] io::Error),
    #[error(transparent)]
    Redact(#[from] RedactError),
}

/// How a stream was redacted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Streamed {
    /// The most that was held of it at once.
    pub held_bytes: usize,
}

impl Redactor {
    /// Redacts a stream. Text and lines may be of any length; a JSON document is held, up to the most that is redacted
    /// in one piece.
    pub fn stream(
        &mut self,
        form: Form,
        mut from: impl BufRead,
        out: &mut dyn Write,
    ) -> Result<Streamed, StreamError> {
        match form {
            Form::Text => self.text_stream(from, out),
            Form::JsonLines => self.lines_stream(from, out),
            Form::Json => {
                let mut held = Vec::new();
                let read = (&mut from).take(DOCUMENT_BYTES_MAX as u64 + 1).read_to_end(&mut held);
                read.map_err(StreamError::Read)?;
                let redacted = self.document(Form::Json, &held)?;
                out.write_all(&redacted).map_err(StreamError::Write)?;
                Ok(Streamed { held_bytes: held.len() })
            }
        }
    }

    fn text_stream(
        &mut self,
        mut from: impl BufRead,
        out: &mut dyn Write,
    ) -> Result<Streamed, StreamError> {
        let (mut held, mut streamed) = (Vec::new(), Streamed::default());
        loop {
            // What goes on is looked at again only when there is twice as much of it.
            let wanted = held.len() + held.len().max(PIECE_BYTES);
            let mut ended = false;
            while !ended && held.len() < wanted {
                ended = next_line(&mut from, &mut held)? == 0;
            }
            streamed.held_bytes = streamed.held_bytes.max(held.len());
            let text = std::str::from_utf8(&held).map_err(|_| RedactError::NotText)?;
            let cut = if ended { text.len() } else { self.cut(text) };
            let redacted = self.text(&text[..cut])?;
            out.write_all(redacted.as_bytes()).map_err(StreamError::Write)?;
            held.drain(..cut);
            if ended {
                return Ok(streamed);
            }
        }
    }

    fn lines_stream(
        &mut self,
        mut from: impl BufRead,
        out: &mut dyn Write,
    ) -> Result<Streamed, StreamError> {
        let (mut line, mut streamed) = (Vec::new(), Streamed::default());
        for number in 1.. {
            line.clear();
            if next_line(&mut from, &mut line)? == 0 {
                break;
            }
            streamed.held_bytes = streamed.held_bytes.max(line.len());
            let redacted = self.document(Form::JsonLines, &line).map_err(|error| match error {
                RedactError::NotJsonLine { problem, .. } => {
                    RedactError::NotJsonLine { line: number, problem }
                }
                other => other,
            })?;
            out.write_all(&redacted).map_err(StreamError::Write)?;
        }
        Ok(streamed)
    }

    /// Where the first piece of a text ends that goes on: at the end of a line, and inside of nothing that a rule knows.
    fn cut(&self, text: &str) -> usize {
        let line_at = |end: usize| {
            let newline = text.as_bytes()[..end].iter().rposition(|byte| *byte == b'\n');
            newline.map_or(0, |newline| newline + 1)
        };
        // A fleet's own rule that goes over lines shows only once its end is there.
        if self.rules().cross_lines() {
            return 0;
        }
        let mut found: Vec<(usize, usize)> =
            self.rules().patterns().iter().flat_map(|pattern| pattern.matches(text)).collect();
        found.sort_unstable();
        let mut cut = line_at(text.len().saturating_sub(REACH_BYTES));
        // Backwards over what reaches across; whatever begins before that one is looked at once.
        for (start, end) in found.into_iter().rev() {
            if start < cut && cut < end {
                cut = line_at(start);
            }
        }
        cut
    }
}

/// Adds the next line, and tells its length; nothing follows where that is zero.
fn next_line(from: &mut impl BufRead, held: &mut Vec<u8>) -> Result<usize, StreamError> {
    let most = (HELD_BYTES_MAX - held.len()) as u64 + 1;
    let read = from.take(most).read_until(b'\n', held).map_err(StreamError::Read)?;
    if held.len() > HELD_BYTES_MAX {
        return Err(RedactError::Held.into());
    }
    Ok(read)
}
