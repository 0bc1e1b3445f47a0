//! The log of a folder: what is complete, a line each, and each line bound to the one before.

use std::io::{self, BufRead, Read as _};

use plumb_fleet::Digest;
use serde::{Deserialize, Serialize};

use super::Written;
use crate::{
    manifest::{About, Missing, RunPart},
    name::EntryName,
};

/// Longest line, in bytes; a reason may be long.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// What a line says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Said {
    About(About),
    Entry {
        name: EntryName,
        written: Written,
    },
    /// An entry that grows, as far as it is on disk.
    Grown {
        name: EntryName,
        written: Written,
    },
    Missing(Missing),
    /// SHA-256 of the file of raw answers, which lies outside.
    Raw(Digest),
    Run(RunPart),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    /// SHA-256 of the line before; of nothing for the first.
    pub(super) previous: Digest,
    pub(super) said: Said,
}

impl Line {
    /// As it is written and hashed, with its end.
    pub(super) fn text(&self) -> String {
        let mut text = serde_json::to_string(self).expect("a line always serialises");
        text.push('\n');
        text
    }
}

/// Why a log is read no further.
#[derive(Debug)]
pub(crate) enum LogProblem {
    Read(io::Error),
    /// It does not follow the one before, or is none.
    Altered {
        line: u64,
    },
}

/// Reads a log line by line, holding one.
#[derive(Debug)]
pub(crate) struct LogReader<R> {
    lines: R,
    head: Digest,
    length: u64,
    number: u64,
    cut_off: bool,
}

impl<R: BufRead> LogReader<R> {
    pub(crate) fn new(lines: R) -> Self {
        Self { lines, head: Digest::from_bytes([0; 32]), length: 0, number: 0, cut_off: false }
    }

    /// What the next whole line says; nothing at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Said>, LogProblem> {
        let mut line = Vec::new();
        let read = (&mut self.lines).take(LINE_BYTES_MAX).read_until(b'\n', &mut line);
        read.map_err(LogProblem::Read)?;
        if line.last() != Some(&b'\n') {
            self.cut_off = !line.is_empty();
            return Ok(None);
        }
        self.number += 1;
        let altered = LogProblem::Altered { line: self.number };
        match serde_json::from_slice::<Line>(&line) {
            Ok(read) if read.previous == self.head => {
                self.head = Digest::of(&line);
                self.length += line.len() as u64;
                Ok(Some(read.said))
            }
            _ => Err(altered),
        }
    }

    /// SHA-256 of the newest line that was read.
    pub(crate) const fn head(&self) -> Digest {
        self.head
    }

    /// Bytes of the whole lines that were read.
    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    /// Whether it ends in the middle of a line.
    pub(crate) const fn is_cut_off(&self) -> bool {
        self.cut_off
    }
}
