//! Reload attempts: the documented ring of ten, the full history, and counters.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use plumb_wire::v1::{ReloadRecord, Reloads, Trigger};
use serde::{Deserialize, Serialize};

use crate::limits::{HISTORY_ENTRIES_MAX, HISTORY_FILE_BYTES_MAX, RING_ENTRIES};

const FILE: &str = "history.jsonl";
const OLDER_FILE: &str = "history.older.jsonl";

/// What an agent remembers of its reloads.
#[derive(Debug, Default)]
pub(crate) struct History {
    /// Newest last. Starts of the agent stand here too.
    all: VecDeque<ReloadRecord>,
    /// The documented history; newest last, lost on restart in field-compatible mode.
    ring: VecDeque<ReloadRecord>,
    totals: Totals,
    pub(crate) lost: u64,
}

/// Counters that never go down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Totals {
    total: u64,
    succeeded: u64,
    duration_us: u64,
}

impl Totals {
    pub(crate) fn as_reloads(self) -> Reloads {
        let average_ms = match self.total {
            0 => 0.0,
            total => self.duration_us as f64 / total as f64 / 1_000.0,
        };
        Reloads {
            total: self.total,
            succeeded: self.succeeded,
            failed: self.total - self.succeeded,
            average_ms,
        }
    }
}

/// One line of the file: the attempt, and the counters after it, so that they survive a file that
/// was set aside.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Line {
    record: ReloadRecord,
    totals: Totals,
}

/// An agent's own start is no reload attempt and does not count as one, and neither is a registry
/// that did not answer.
pub(crate) fn counts(trigger: Trigger) -> bool {
    !matches!(trigger, Trigger::Start | Trigger::Restart | Trigger::Fetch)
}

impl History {
    /// Adds an attempt and returns the line to be written.
    pub(crate) fn add(&mut self, record: ReloadRecord) -> Line {
        if counts(record.trigger) {
            self.totals.total += 1;
            self.totals.succeeded += u64::from(record.success);
            // Whole microseconds: a sum of floats would drift.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "durations"
            )]
            let duration_us = (record.duration_ms * 1_000.0).round() as u64;
            self.totals.duration_us += duration_us;
            push(&mut self.ring, record.clone(), RING_ENTRIES);
        }
        push(&mut self.all, record.clone(), HISTORY_ENTRIES_MAX);
        Line { record, totals: self.totals }
    }

    /// The documented history, newest first.
    pub(crate) fn ring(
        &self,
    ) -> impl DoubleEndedIterator<Item = &ReloadRecord> + ExactSizeIterator {
        self.ring.iter().rev()
    }

    /// The full history, newest first.
    pub(crate) fn all(&self) -> impl Iterator<Item = &ReloadRecord> {
        self.all.iter().rev()
    }

    /// Reload attempts, newest first, without the agent's own starts.
    pub(crate) fn attempts(&self) -> impl Iterator<Item = &ReloadRecord> + Clone {
        self.all.iter().rev().filter(|record| counts(record.trigger))
    }

    /// Failed attempts since the last success; an agent's own failed start is none.
    pub(crate) fn consecutive_failures(&self) -> u64 {
        let since = self.all().take_while(|record| !record.success);
        since.filter(|record| counts(record.trigger)).count() as u64
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// What a restart of the field's service forgets.
    pub(crate) fn forget_ring(&mut self) {
        self.ring.clear();
    }

    /// Reads the history back. Lines that cannot be read, such as a torn last one, are counted.
    pub(crate) fn read(folder: &Path) -> io::Result<(Self, usize)> {
        let mut history = Self::default();
        let mut unreadable = 0;
        for name in [OLDER_FILE, FILE] {
            let file = match File::open(folder.join(name)) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            for line in BufReader::new(file).split(b'\n') {
                match serde_json::from_slice::<Line>(&line?) {
                    Ok(Line { record, totals }) => {
                        history.totals = totals;
                        if counts(record.trigger) {
                            push(&mut history.ring, record.clone(), RING_ENTRIES);
                        }
                        push(&mut history.all, record, HISTORY_ENTRIES_MAX);
                    }
                    Err(_) => unreadable += 1,
                }
            }
        }
        Ok((history, unreadable))
    }
}

fn push(queue: &mut VecDeque<ReloadRecord>, record: ReloadRecord, max: usize) {
    if queue.len() == max {
        queue.pop_front();
    }
    queue.push_back(record);
}

/// Appends lines to the file.
#[derive(Debug)]
pub(crate) struct HistoryFile {
    folder: PathBuf,
    file: Option<File>,
}

impl HistoryFile {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_path_buf(), file: None }
    }

    /// Writes lines and waits until they are on disk.
    pub(crate) fn append(&mut self, lines: &[Line]) -> io::Result<()> {
        let mut bytes = Vec::new();
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let path = self.folder.join(FILE);
            let mut file = OpenOptions::new().create(true).append(true).read(true).open(&path)?;
            if !ends_with_newline(&mut file)? {
                // A crash tore the last line; what follows must not join it.
                bytes.push(b'\n');
            }
            self.file.insert(file)
        };
        for line in lines {
            serde_json::to_writer(&mut bytes, line).expect("a history line always serialises");
            bytes.push(b'\n');
        }
        file.write_all(&bytes)?;
        file.sync_data()?;
        if file.metadata()?.len() > HISTORY_FILE_BYTES_MAX {
            self.file = None;
            fs::rename(self.folder.join(FILE), self.folder.join(OLDER_FILE))?;
        }
        Ok(())
    }
}

fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    use std::io::{Read, Seek, SeekFrom};
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}
