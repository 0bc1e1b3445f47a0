//! Evidence while it is collected: a folder that holds as far as it goes, whenever the program ends.
//!
//! A file is complete and on disk before the log names it, and each line of the log holds the hash of the
//! one before. So after a crash everything that the log names is there, and nothing else counts.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Read, Write},
};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_fleet::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    limits::{ENTRIES_MAX, ENTRY_BYTES_MAX, PIECE_BYTES},
    manifest::{About, Missing, OF_SEALING, RunPart},
    name::{EntryName, NameProblem},
};

/// The log of what is complete.
const LOG: &str = "written.jsonl";
const ENTRIES: &str = "entries";
const PART: &str = "part";
/// Longest line of the log, in bytes; a reason may be long.
const LINE_BYTES_MAX: u64 = 64 << 10;

/// Why nothing could be written to or read from the folder.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    #[error("{path} could not be written")]
    Write { path: Utf8PathBuf, error: io::Error },
    #[error("{path} could not be read")]
    Read { path: Utf8PathBuf, error: io::Error },
    #[error("{path} is no folder of captured evidence")]
    NoDraft { path: Utf8PathBuf },
    #[error("the log of {path} was altered: line {line} does not follow the one before")]
    Log { path: Utf8PathBuf, line: u64 },
    #[error("the entry {name:?} {problem}")]
    Name { name: String, problem: NameProblem },
    #[error("there is an entry {name} already")]
    Twice { name: EntryName },
    #[error("the name {name} is kept for sealing")]
    OfSealing { name: EntryName },
    #[error("{name} has more than the {ENTRY_BYTES_MAX} bytes of an entry")]
    Large { name: EntryName },
    #[error("more than {ENTRIES_MAX} entries")]
    Many,
}

/// What is known of a written entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Written {
    pub bytes: u64,
    pub sha256: Digest,
}

/// What a line of the log says.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Said {
    About(About),
    Entry { name: EntryName, written: Written },
    Missing(Missing),
    Run(RunPart),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// SHA-256 of the line before; of nothing for the first.
    previous: Digest,
    said: Said,
}

/// A folder that evidence is collected in.
#[derive(Debug)]
pub struct Draft {
    folder: Utf8PathBuf,
    log: File,
    head: Digest,
    about: About,
    entries: BTreeMap<EntryName, Written>,
    missing: Vec<Missing>,
    runs: Vec<RunPart>,
}

/// What a look at a folder found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prefix {
    /// Entries that are complete and unaltered.
    pub entries: u64,
    pub bytes: u64,
    /// The first entry that is not as it was written, and how.
    pub broken: Option<(EntryName, String)>,
    /// The log ends in the middle of a line: the program ended there.
    pub cut_off: bool,
}

impl Draft {
    /// Begins in a folder that is empty or not there yet.
    pub fn create(folder: &Utf8Path, about: About) -> Result<Self, DraftError> {
        let wrong = |error| DraftError::Write { path: folder.to_owned(), error };
        private_folder(folder).map_err(wrong)?;
        private_folder(&folder.join(ENTRIES)).map_err(wrong)?;
        let path = folder.join(LOG);
        let log = OpenOptions::new().append(true).create_new(true).open(&path);
        let log = log.map_err(|error| DraftError::Write { path, error })?;
        let mut draft = Self {
            folder: folder.to_owned(),
            log,
            head: Digest::from_bytes([0; 32]),
            about: about.clone(),
            entries: BTreeMap::new(),
            missing: Vec::new(),
            runs: Vec::new(),
        };
        draft.say(Said::About(about))?;
        sync_folder(folder).map_err(wrong)?;
        Ok(draft)
    }

    /// Opens a folder again. A line that a crash cut off is taken back, and so is the file it was for.
    pub fn open(folder: &Utf8Path) -> Result<Self, DraftError> {
        let (mut draft, length, cut_off) = Self::read(folder)?;
        if cut_off {
            let wrong = |error| DraftError::Write { path: folder.join(LOG), error };
            draft.log.set_len(length).map_err(wrong)?;
            draft.log.sync_all().map_err(wrong)?;
        }
        draft.log = OpenOptions::new()
            .append(true)
            .open(folder.join(LOG))
            .map_err(|error| DraftError::Write { path: folder.join(LOG), error })?;
        Ok(draft)
    }

    /// Checks everything that the log names; changes nothing.
    pub fn check(folder: &Utf8Path) -> Result<(Self, Prefix), DraftError> {
        let (draft, _, cut_off) = Self::read(folder)?;
        let mut prefix = Prefix { entries: 0, bytes: 0, broken: None, cut_off };
        for (name, written) in &draft.entries {
            let found = File::open(draft.path(name)).and_then(|file| digest(file, io::sink()));
            let problem = match found {
                Ok(found) if found == *written => {
                    prefix.entries += 1;
                    prefix.bytes += written.bytes;
                    continue;
                }
                Ok(_) => "was altered after it was written".to_owned(),
                Err(error) => format!("cannot be read: {error}"),
            };
            prefix.broken.get_or_insert_with(|| (name.clone(), problem));
        }
        Ok((draft, prefix))
    }

    /// The folder, the length of the whole lines of its log, and whether more follows them.
    fn read(folder: &Utf8Path) -> Result<(Self, u64, bool), DraftError> {
        let path = folder.join(LOG);
        let none = || DraftError::NoDraft { path: folder.to_owned() };
        let wrong = |error| DraftError::Read { path: path.clone(), error };
        let log = OpenOptions::new().read(true).write(true).open(&path).map_err(|_| none())?;
        let mut lines = BufReader::new(log.try_clone().map_err(wrong)?);
        let (mut head, mut length, mut number) = (Digest::from_bytes([0; 32]), 0, 0);
        let mut draft: Option<Self> = None;
        loop {
            let mut line = Vec::new();
            let read = Read::take(&mut lines, LINE_BYTES_MAX).read_until(b'\n', &mut line);
            read.map_err(wrong)?;
            if line.last() != Some(&b'\n') {
                let mut draft = draft.ok_or_else(none)?;
                draft.head = head;
                return Ok((draft, length, !line.is_empty()));
            }
            number += 1;
            let altered = || DraftError::Log { path: folder.to_owned(), line: number };
            let read: Line = serde_json::from_slice(&line).map_err(|_| altered())?;
            if read.previous != head {
                return Err(altered());
            }
            head = Digest::of(&line);
            length += line.len() as u64;
            match (&mut draft, read.said) {
                (None, Said::About(about)) => {
                    draft = Some(Self {
                        folder: folder.to_owned(),
                        log: log.try_clone().map_err(wrong)?,
                        head,
                        about,
                        entries: BTreeMap::new(),
                        missing: Vec::new(),
                        runs: Vec::new(),
                    });
                }
                (Some(draft), said) => draft.remember(said),
                (None, _) => return Err(none()),
            }
        }
    }

    /// Writes an entry from a stream.
    pub fn add(&mut self, name: &str, mut content: impl Read) -> Result<Written, DraftError> {
        self.add_with(name, |out| io::copy(&mut content, out).map(drop))
    }

    /// Writes an entry bit by bit.
    pub fn add_with(
        &mut self,
        name: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> Result<Written, DraftError> {
        let name = self.fresh(name)?;
        let part = self.folder.join(PART);
        let wrong = |error| DraftError::Write { path: part.clone(), error };
        let file = File::create(&part).map_err(wrong)?;
        let mut out = Hashing { inner: io::BufWriter::new(file), hash: Sha256::new(), bytes: 0 };
        write(&mut out).map_err(wrong)?;
        let Hashing { inner, hash, bytes } = out;
        let file = inner.into_inner().map_err(|error| wrong(error.into_error()))?;
        if bytes > ENTRY_BYTES_MAX {
            return Err(DraftError::Large { name });
        }
        file.sync_all().map_err(wrong)?;
        let path = self.path(&name);
        let folder = path.parent().unwrap_or(&self.folder).to_owned();
        let placed = private_folder(&folder)
            .and_then(|()| fs::rename(&part, &path))
            .and_then(|()| sync_folder(&folder));
        placed.map_err(|error| DraftError::Write { path, error })?;
        let written = Written { bytes, sha256: Digest::from_bytes(hash.finalize().into()) };
        self.say(Said::Entry { name, written })?;
        Ok(written)
    }

    /// Notes what could not be collected.
    pub fn lacks(
        &mut self,
        what: impl Into<String>,
        why: impl Into<String>,
    ) -> Result<(), DraftError> {
        let cut = |text: String| text.chars().take(2_000).collect();
        self.say(Said::Missing(Missing { what: cut(what.into()), why: cut(why.into()) }))
    }

    /// Notes a run of which something is in here.
    pub fn run(&mut self, run: RunPart) -> Result<(), DraftError> {
        self.say(Said::Run(run))
    }

    pub fn folder(&self) -> &Utf8Path {
        &self.folder
    }

    pub const fn about(&self) -> &About {
        &self.about
    }

    pub const fn entries(&self) -> &BTreeMap<EntryName, Written> {
        &self.entries
    }

    pub fn missing(&self) -> &[Missing] {
        &self.missing
    }

    pub fn runs(&self) -> &[RunPart] {
        &self.runs
    }

    /// Where an entry lies until it is sealed.
    pub fn path(&self, name: &EntryName) -> Utf8PathBuf {
        self.folder.join(ENTRIES).join(name.as_str())
    }

    fn fresh(&self, name: &str) -> Result<EntryName, DraftError> {
        let name = EntryName::new(name)
            .map_err(|problem| DraftError::Name { name: name.to_owned(), problem })?;
        if OF_SEALING.contains(&name.as_str()) {
            return Err(DraftError::OfSealing { name });
        }
        let folded = name.as_str().to_ascii_lowercase();
        if self.entries.keys().any(|other| other.as_str().eq_ignore_ascii_case(&folded)) {
            return Err(DraftError::Twice { name });
        }
        if self.entries.len() + OF_SEALING.len() >= ENTRIES_MAX {
            return Err(DraftError::Many);
        }
        Ok(name)
    }

    fn say(&mut self, said: Said) -> Result<(), DraftError> {
        let line = Line { previous: self.head, said };
        let mut text = serde_json::to_string(&line).expect("a line always serialises");
        text.push('\n');
        let written = self.log.write_all(text.as_bytes()).and_then(|()| self.log.sync_data());
        written.map_err(|error| DraftError::Write { path: self.folder.join(LOG), error })?;
        self.head = Digest::of(text.as_bytes());
        self.remember(line.said);
        Ok(())
    }

    fn remember(&mut self, said: Said) {
        match said {
            Said::About(_) => {}
            Said::Entry { name, written } => {
                self.entries.insert(name, written);
            }
            Said::Missing(missing) => self.missing.push(missing),
            Said::Run(run) => self.runs.push(run),
        }
    }
}

/// Counts and hashes what goes through.
struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Copies a stream and tells its length and digest.
pub(crate) fn digest(mut from: impl Read, to: impl Write) -> io::Result<Written> {
    let mut out = Hashing { inner: to, hash: Sha256::new(), bytes: 0 };
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut piece) {
            Ok(0) => break,
            Ok(bytes) => out.write_all(&piece[..bytes])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    let sha256 = Digest::from_bytes(out.hash.finalize().into());
    Ok(Written { bytes: out.bytes, sha256 })
}

/// A folder that only its owner can look into: what is in it is not sealed yet.
fn private_folder(folder: &Utf8Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

pub(crate) fn sync_folder(folder: &Utf8Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}
