//! Documents and lines of an archive, read under limits. A line that does not read is told, and the others are shown.

use std::io::BufReader;

use plumb_evidence::{Archive, Entry, FileSource, journal::next_line};
use plumb_journal::portable::LINE_BYTES_MAX;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::limits::{LINES_MAX, READ_BYTES_MAX};
use crate::{
    error::{AppError, Code, chain},
    views::evidence::EvidenceUnread,
};

/// Reads an archive once, and keeps count.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) archive: &'a Archive<FileSource>,
    bytes_left: u64,
    unread: Vec<EvidenceUnread>,
}

impl<'a> Reading<'a> {
    pub(super) const fn of(archive: &'a Archive<FileSource>) -> Self {
        Self { archive, bytes_left: READ_BYTES_MAX, unread: Vec::new() }
    }

    /// Tells of something else that did not read.
    pub(super) fn note(&mut self, unread: EvidenceUnread) {
        self.unread.push(unread);
    }

    /// Entries of which some lines did not read.
    pub(super) fn into_unread(self) -> Vec<EvidenceUnread> {
        self.unread
    }

    /// The bytes of an entry, in one piece.
    pub(super) fn bytes(&mut self, name: &str) -> Result<Vec<u8>, AppError> {
        let missing = || {
            let message = format!("the archive has no {name}, without which it cannot be shown");
            AppError::new(
                Code::Invalid,
                message,
                "look at what it has: plumb evidence inspect FILE",
            )
        };
        let entry = self.archive.find(name).ok_or_else(missing)?;
        self.spend(entry)?;
        self.archive.document(entry).map_err(|error| unread(name, &error))
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String, AppError> {
        String::from_utf8(self.bytes(name)?).map_err(|error| unread(name, &error))
    }

    pub(super) fn json<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, AppError> {
        serde_json::from_slice(&self.bytes(name)?).map_err(|error| unread(name, &error))
    }

    pub(super) fn optional<T: DeserializeOwned>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, AppError> {
        self.archive.find(name).map(|_| self.json(name)).transpose()
    }

    /// Every line of an entry that reads as what it should be.
    pub(super) fn lines<T: DeserializeOwned>(&mut self, name: &str) -> Result<Vec<T>, AppError> {
        let mut all = Vec::new();
        self.each(name, |line| all.push(line))?;
        Ok(all)
    }

    /// Hands over every line of an entry that reads; what does not is counted, and the first of it named.
    pub(super) fn each<T: DeserializeOwned>(
        &mut self,
        name: &str,
        mut take: impl FnMut(T),
    ) -> Result<(), AppError> {
        let Some(entry) = self.archive.find(name) else { return Ok(()) };
        self.spend(entry)?;
        let mut file = BufReader::new(self.archive.read(entry));
        let (mut line, mut number) = (Vec::new(), 0_usize);
        let mut broken: Option<EvidenceUnread> = None;
        while next_line(&mut file, &mut line).map_err(|error| unread(name, &error))? {
            number += 1;
            under(number, LINES_MAX, &format!("lines of {name}"))?;
            if line.len() > LINE_BYTES_MAX {
                let message =
                    format!("{name}: line {number} is longer than {LINE_BYTES_MAX} bytes");
                return Err(too_much(message));
            }
            match serde_json::from_slice::<T>(&line) {
                Ok(read) => take(read),
                // What the redaction left out is told by the manifest, with its line.
                Err(_) if is_left_out(&line) => {}
                Err(error) => {
                    let first = u32::try_from(number).unwrap_or(u32::MAX);
                    let one = || EvidenceUnread {
                        entry: name.to_owned(),
                        lines: 0,
                        first,
                        why: error.to_string(),
                    };
                    let told = broken.get_or_insert_with(one);
                    told.lines = told.lines.saturating_add(1);
                }
            }
        }
        self.unread.extend(broken);
        Ok(())
    }

    /// Counts an entry before it is read: what it unpacks to cannot be more than it says.
    pub(super) fn spend(&mut self, entry: &Entry) -> Result<(), AppError> {
        let name = &entry.name;
        self.bytes_left = self.bytes_left.checked_sub(entry.bytes).ok_or_else(|| {
            too_much(format!(
                "to show it, more than {READ_BYTES_MAX} bytes would have to be read, up to {name}"
            ))
        })?;
        Ok(())
    }
}

fn is_left_out(line: &[u8]) -> bool {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct LeftOut {
        #[serde(rename = "left_out")]
        _why: IgnoredAny,
    }
    serde_json::from_slice::<LeftOut>(line).is_ok()
}

/// Refuses more of something than is shown.
pub(super) fn under(count: usize, max: usize, what: &str) -> Result<(), AppError> {
    if count <= max {
        return Ok(());
    }
    Err(too_much(format!("there are more than the {max} {what} that are shown")))
}

fn too_much(message: String) -> AppError {
    AppError::new(Code::Invalid, message, "capture less of it, or look into it by hand")
}

pub(super) fn unread(name: &str, error: &dyn std::error::Error) -> AppError {
    AppError::new(Code::Invalid, format!("{name}: {}", chain(error)), "verify the archive")
}
