//! A journal in an archive, line by line: the one reader for whoever verifies, compares or shows it.

use std::io::{self, BufRead};

use plumb_journal::{
    Entry,
    portable::{ENTRIES_MAX, Header, LINE_BYTES_MAX, Line, read_event, read_header, read_line},
};

/// Reads what stands behind the header.
#[derive(Debug)]
pub struct JournalReader<R> {
    file: R,
    header: Header,
    line: Vec<u8>,
    events: u64,
}

/// A line behind the header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Row {
    /// An event, and the text that its hash is over.
    Event(Box<Entry>, String),
    /// The envelope of a signed head.
    Head(String),
}

/// Why it is no journal.
#[derive(Debug, thiserror::Error)]
pub enum NoJournal {
    #[error("it cannot be read")]
    Read(#[from] io::Error),
    #[error("{0}")]
    Header(String),
    #[error("event {number} {why}")]
    Event { number: u64, why: String },
}

impl<R: BufRead> JournalReader<R> {
    /// Reads the header.
    pub fn new(mut file: R) -> Result<Self, NoJournal> {
        let mut line = Vec::new();
        next_line(&mut file, &mut line)?;
        let header = read_header(&line).map_err(|error| NoJournal::Header(error.to_string()))?;
        Ok(Self { file, header, line, events: 0 })
    }

    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// The next line as a check of the chain takes it; nothing at the end.
    pub fn line(&mut self) -> io::Result<Option<Line<'_>>> {
        if next_line(&mut self.file, &mut self.line)? {
            return Ok(Some(read_line(&self.line)));
        }
        Ok(None)
    }

    /// The next event or signed head; nothing at the end. What is neither is an error that names the event.
    pub fn row(&mut self) -> Result<Option<Row>, NoJournal> {
        if !next_line(&mut self.file, &mut self.line)? {
            return Ok(None);
        }
        if let Line::Head(envelope) = read_line(&self.line) {
            return Ok(Some(Row::Head(envelope.to_owned())));
        }
        let number = self.events + 1;
        let wrong = |why: String| NoJournal::Event { number, why };
        if number > ENTRIES_MAX {
            return Err(wrong(format!("is beyond the {ENTRIES_MAX} that one file may have")));
        }
        let read = read_event(&self.line).map_err(wrong)?;
        let (entry, text) = read.expect("it is no signed head");
        let row = Row::Event(Box::new(entry), text.to_owned());
        self.events = number;
        Ok(Some(row))
    }

    /// The next event, whatever stands between; nothing at the end.
    pub fn event(&mut self) -> Result<Option<Entry>, NoJournal> {
        loop {
            match self.row()? {
                Some(Row::Event(entry, _)) => return Ok(Some(*entry)),
                Some(Row::Head(_)) => {}
                None => return Ok(None),
            }
        }
    }
}

/// Reads the next line without its end; false where none follows. Of a line that is longer than any, one byte too many is
/// read, by which whoever reads it refuses it.
pub fn next_line(file: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    io::Read::take(&mut *file, LINE_BYTES_MAX as u64 + 2).read_until(b'\n', line)?;
    if line.is_empty() {
        return Ok(false);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(true)
}
