//! Evidence while it is collected: a folder that holds as far as it goes, whenever the program ends.
//!
//! A file is complete and on disk before the log names it, and each line of the log holds the hash of the
//! one before. So after a crash everything that the log names is there, and nothing else counts.

mod log;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read, Write},
};

use camino::{Utf8Path, Utf8PathBuf};
use plumb_fleet::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use self::log::Line;
pub(crate) use self::log::{LogProblem, LogReader, Said};
use crate::{
    limits::{ENTRIES_MAX, ENTRY_BYTES_MAX, PIECE_BYTES},
    manifest::{About, Missing, OF_SEALING, RunPart},
    name::{EntryName, NameProblem},
};

/// The log of what is complete.
const LOG: &str = "written.jsonl";
const ENTRIES: &str = "entries";
const PART: &str = "part";

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

/// A folder that evidence is collected in.
#[derive(Debug)]
pub struct Draft {
    folder: Utf8PathBuf,
    log: File,
    /// Of the whole lines of the log.
    log_bytes: u64,
    head: Digest,
    about: About,
    entries: BTreeMap<EntryName, Written>,
    /// Those of them that grow: their files may be longer than what counts.
    grown: BTreeSet<EntryName>,
    missing: Vec<Missing>,
    raw: Option<Digest>,
    runs: Vec<RunPart>,
}

/// An entry that is written while things happen. What [`Draft::grown`] made durable counts, the rest does not.
#[derive(Debug)]
pub struct Growing {
    name: EntryName,
    path: Utf8PathBuf,
    out: Hashing<io::BufWriter<File>>,
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
            log_bytes: 0,
            head: Digest::from_bytes([0; 32]),
            about: about.clone(),
            entries: BTreeMap::new(),
            grown: BTreeSet::new(),
            missing: Vec::new(),
            raw: None,
            runs: Vec::new(),
        };
        draft.say(Said::About(about))?;
        sync_folder(folder).map_err(wrong)?;
        Ok(draft)
    }

    /// Opens a folder again. A line that a crash cut off is taken back, and so is the file it was for.
    pub fn open(folder: &Utf8Path) -> Result<Self, DraftError> {
        let (mut draft, cut_off) = Self::read(folder)?;
        if cut_off {
            let wrong = |error| DraftError::Write { path: folder.join(LOG), error };
            draft.log.set_len(draft.log_bytes).map_err(wrong)?;
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
        let (draft, cut_off) = Self::read(folder)?;
        let mut prefix = Prefix { entries: 0, bytes: 0, broken: None, cut_off };
        for (name, written) in &draft.entries {
            let found = draft.read_entry(name).and_then(|file| digest(file, io::sink()));
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

    /// The folder, and whether more follows the whole lines of its log.
    fn read(folder: &Utf8Path) -> Result<(Self, bool), DraftError> {
        let path = folder.join(LOG);
        let none = || DraftError::NoDraft { path: folder.to_owned() };
        let wrong = |error| DraftError::Read { path: path.clone(), error };
        let log = OpenOptions::new().read(true).write(true).open(&path).map_err(|_| none())?;
        let mut lines = LogReader::new(BufReader::new(log.try_clone().map_err(wrong)?));
        let mut draft: Option<Self> = None;
        loop {
            let said = lines.next().map_err(|problem| match problem {
                LogProblem::Read(error) => wrong(error),
                LogProblem::Altered { line } => DraftError::Log { path: folder.to_owned(), line },
            })?;
            match (&mut draft, said) {
                (_, None) => {
                    let mut draft = draft.ok_or_else(none)?;
                    (draft.head, draft.log_bytes) = (lines.head(), lines.length());
                    return Ok((draft, lines.is_cut_off()));
                }
                (None, Some(Said::About(about))) => {
                    draft = Some(Self {
                        folder: folder.to_owned(),
                        log: log.try_clone().map_err(wrong)?,
                        log_bytes: lines.length(),
                        head: lines.head(),
                        about,
                        entries: BTreeMap::new(),
                        grown: BTreeSet::new(),
                        missing: Vec::new(),
                        raw: None,
                        runs: Vec::new(),
                    });
                }
                (Some(draft), Some(said)) => draft.remember(said),
                (None, Some(_)) => return Err(none()),
            }
        }
    }

    /// An entry as far as it counts.
    pub fn read_entry(&self, name: &EntryName) -> io::Result<impl Read + use<>> {
        let bytes = match (self.entries.get(name), self.grown.contains(name)) {
            (Some(written), true) => written.bytes,
            _ => u64::MAX,
        };
        Ok(File::open(self.path(name))?.take(bytes))
    }

    /// Begins an entry that grows.
    pub fn grow(&mut self, name: &str) -> Result<Growing, DraftError> {
        let name = self.fresh(name)?;
        let path = self.path(&name);
        let wrong = |error| DraftError::Write { path: path.clone(), error };
        let folder = path.parent().unwrap_or(&self.folder).to_owned();
        private_folder(&folder).map_err(wrong)?;
        let file = OpenOptions::new().append(true).create_new(true).open(&path).map_err(wrong)?;
        sync_folder(&folder).map_err(wrong)?;
        let out = Hashing::new(io::BufWriter::new(file));
        Ok(Growing { name, path, out })
    }

    /// Makes what was added to an entry durable, and says so in the log.
    pub fn grown(&mut self, growing: &mut Growing) -> Result<Written, DraftError> {
        let Growing { name, path, out } = growing;
        if out.bytes > ENTRY_BYTES_MAX {
            return Err(DraftError::Large { name: name.clone() });
        }
        let done = out.inner.flush().and_then(|()| out.inner.get_ref().sync_data());
        done.map_err(|error| DraftError::Write { path: path.clone(), error })?;
        let written = out.written();
        self.say(Said::Grown { name: name.clone(), written })?;
        Ok(written)
    }

    /// Hash of the newest line of the log: everything before is bound by it.
    pub const fn head(&self) -> Digest {
        self.head
    }

    /// The whole lines of the log, as they stood when the folder was opened.
    pub fn log_lines(&self) -> io::Result<impl Read + use<>> {
        Ok(File::open(self.folder.join(LOG))?.take(self.log_bytes))
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
        let mut out = Hashing::new(io::BufWriter::new(file));
        if let Err(error) = write(&mut out) {
            // Of what is not whole nothing stays, also where it is not going to be written over.
            let _ = fs::remove_file(&part);
            return Err(wrong(error));
        }
        let written = out.written();
        let file = out.inner.into_inner().map_err(|error| wrong(error.into_error()))?;
        if written.bytes > ENTRY_BYTES_MAX {
            return Err(DraftError::Large { name });
        }
        file.sync_all().map_err(wrong)?;
        let path = self.path(&name);
        let folder = path.parent().unwrap_or(&self.folder).to_owned();
        let placed = private_folder(&folder)
            .and_then(|()| fs::rename(&part, &path))
            .and_then(|()| sync_folder(&folder));
        placed.map_err(|error| DraftError::Write { path, error })?;
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

    /// Notes the file of raw answers that lies outside.
    pub fn raw(&mut self, path: &Utf8Path) -> Result<Digest, DraftError> {
        let read = |error| DraftError::Read { path: path.to_owned(), error };
        let Written { sha256, .. } =
            File::open(path).and_then(|file| digest(file, io::sink())).map_err(read)?;
        self.say(Said::Raw(sha256))?;
        Ok(sha256)
    }

    /// SHA-256 of the file of raw answers, where there is one.
    pub const fn raw_digest(&self) -> Option<Digest> {
        self.raw
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
        let text = line.text();
        let written = self.log.write_all(text.as_bytes()).and_then(|()| self.log.sync_data());
        written.map_err(|error| DraftError::Write { path: self.folder.join(LOG), error })?;
        self.head = Digest::of(text.as_bytes());
        self.log_bytes += text.len() as u64;
        self.remember(line.said);
        Ok(())
    }

    fn remember(&mut self, said: Said) {
        match said {
            Said::About(_) => {}
            Said::Entry { name, written } => {
                self.entries.insert(name, written);
            }
            Said::Grown { name, written } => {
                self.grown.insert(name.clone());
                self.entries.insert(name, written);
            }
            Said::Missing(missing) => self.missing.push(missing),
            Said::Raw(digest) => self.raw = Some(digest),
            Said::Run(run) => self.runs.push(run),
        }
    }
}

impl Growing {
    /// Bytes that were added, durable or not.
    pub const fn bytes(&self) -> u64 {
        self.out.bytes
    }
}

impl Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Counts and hashes what goes through.
#[derive(Debug)]
pub(crate) struct Hashing<W> {
    inner: W,
    hash: Sha256,
    bytes: u64,
}

impl<W> Hashing<W> {
    pub(crate) fn new(inner: W) -> Self {
        Self { inner, hash: Sha256::new(), bytes: 0 }
    }

    /// What went through until now.
    pub(crate) fn written(&self) -> Written {
        let sha256 = Digest::from_bytes(self.hash.clone().finalize().into());
        Written { bytes: self.bytes, sha256 }
    }
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
    let mut out = Hashing::new(to);
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match from.read(&mut piece) {
            Ok(0) => break,
            Ok(bytes) => out.write_all(&piece[..bytes])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(out.written())
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
