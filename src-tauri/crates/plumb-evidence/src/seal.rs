//! Sealing: a collected folder becomes one signed archive, with the same bytes each time.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt::Write as _,
    fs::File,
    io::{self, BufRead as _, BufReader, BufWriter, Seek, Write},
    rc::Rc,
};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use plumb_fleet::{Digest, RunId};
use plumb_journal::{Body, Event};
use plumb_redact::{Canary, Encoding, Hit, Search};
use plumb_trust::dsse::{DsseError, ENVELOPE_BYTES_MAX, Envelope, KeyId, SigningKey};
use zip::{CompressionMethod, DateTime, ZipWriter, result::ZipError, write::SimpleFileOptions};

use crate::{
    archive::{Archive, ArchiveError, FileSource, Source},
    draft::{Draft, Written, digest, sync_folder},
    instructions,
    limits::{ARCHIVE_BYTES_MAX, DIRECTORY_BYTES_MAX, PIECE_BYTES, RATIO_FROM_BYTES, RATIO_MAX},
    manifest::{
        CHECKSUMS, Count, ENVELOPE, Evidence, INSTRUCTIONS, MANIFEST, RECEIPT, RunPart, SIGNER,
        SelfTest, run_folder,
    },
    name::EntryName,
    proofs::Proof,
};

/// How the end of a run begins in a journal, whose events are canonical JSON.
const ENDED: &[u8] = b"\"event\":\"run_ended\"";
/// Most hits that a refusal names.
const HITS_NAMED_MAX: usize = 5;

/// Why nothing was sealed. Nothing stands at the path then, and the folder is as it was.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("{path} is there already")]
    Exists { path: Utf8PathBuf },
    #[error("{path} could not be written")]
    Write { path: Utf8PathBuf, error: io::Error },
    #[error("{name} was altered or removed after it was captured")]
    Altered { name: EntryName },
    #[error("the capture did not come to its end: it has no receipt of what was redacted")]
    Unfinished,
    #[error("the archive could not be written")]
    Zip(#[from] ZipError),
    #[error("the archive would have more than {ARCHIVE_BYTES_MAX} bytes")]
    TooLarge,
    #[error("the manifest could not be signed")]
    Sign(#[from] DsseError),
    #[error("the manifest of {bytes} bytes is more than anybody reads; capture fewer files")]
    Manifest { bytes: usize },
    #[error("the archive that was written cannot be read back")]
    ReadBack(#[from] ArchiveError),
    #[error("run {run} is said to have ended as {told}, and its journal says {found}")]
    Outcome { run: RunId, told: String, found: String },
    #[error("planted secrets got through the redaction: {}", hits(.0))]
    Leaks(Vec<Hit>),
}

fn hits(hits: &[Hit]) -> String {
    let named = hits.iter().take(HITS_NAMED_MAX).map(|hit| {
        let (canary, how) = (&hit.canary, hit.encoding.name());
        format!("{} of {} in {} ({how})", canary.rule, canary.source, hit.entry)
    });
    let mut text = named.collect::<Vec<_>>().join("; ");
    if let Some(more) = hits.len().checked_sub(HITS_NAMED_MAX).filter(|more| *more > 0) {
        let _ = write!(text, "; and {more} more");
    }
    text
}

/// What a seal is made with.
#[derive(Debug)]
pub struct Seal<'a> {
    pub key: &'a SigningKey,
    pub made_at: Timestamp,
    /// What was planted while the evidence was captured.
    pub canaries: Vec<Canary>,
}

/// A sealed archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    pub path: Utf8PathBuf,
    pub entries: u64,
    /// Of the archive.
    pub bytes: u64,
    pub signed_by: KeyId,
    /// SHA-256 of the manifest, by which the evidence is named.
    pub manifest: Digest,
}

/// An entry that sealing adds, or one of the folder.
enum Part<'a> {
    Bytes(&'a [u8]),
    File(Utf8PathBuf, Written),
}

/// What is to be sealed, signed already: somebody may look at the seal before the archive is written.
pub struct Prepared {
    made: Made,
    canaries: Vec<Canary>,
    signed_by: KeyId,
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Prepared").field("signed_by", &self.signed_by).finish_non_exhaustive()
    }
}

impl Prepared {
    /// What a timestamp or a bundle is about: the envelope of the manifest, byte for byte.
    pub fn envelope(&self) -> &[u8] {
        &self.made.envelope
    }
}

/// Makes and signs the manifest of a folder. What it says of runs has to be what their journals say.
pub fn prepare(draft: &Draft, with: Seal<'_>) -> Result<Prepared, SealError> {
    if !draft.entries().keys().any(|name| name.as_str() == RECEIPT) {
        return Err(SealError::Unfinished);
    }
    for run in draft.runs().iter().filter(|run| run.journal.is_some()) {
        outcome_holds(draft, run)?;
    }
    let made = Made::of(draft, &with)?;
    Ok(Prepared { made, canaries: with.canaries, signed_by: with.key.public().id() })
}

/// Seals a folder.
pub fn seal(draft: &Draft, with: Seal<'_>, path: &Utf8Path) -> Result<Sealed, SealError> {
    if path.exists() {
        return Err(SealError::Exists { path: path.to_owned() });
    }
    seal_prepared(draft, prepare(draft, with)?, None, path)
}

/// Writes what was prepared, with a proof over its seal where there is one. The archive is searched for planted secrets
/// before it gets its name.
pub fn seal_prepared(
    draft: &Draft,
    prepared: Prepared,
    proof: Option<(Proof, &[u8])>,
    path: &Utf8Path,
) -> Result<Sealed, SealError> {
    let wrong = |error| SealError::Write { path: path.to_owned(), error };
    if path.exists() {
        return Err(SealError::Exists { path: path.to_owned() });
    }
    let Prepared { made, canaries, signed_by } = prepared;
    let folder = path.parent().filter(|folder| !folder.as_str().is_empty());
    let folder = folder.unwrap_or(Utf8Path::new(".")).to_owned();
    std::fs::create_dir_all(&folder).map_err(wrong)?;
    let mut fresh = tempfile::NamedTempFile::new_in(&folder).map_err(wrong)?;
    write(draft, (&made, proof), fresh.as_file_mut())?;
    fresh.as_file().sync_all().map_err(wrong)?;
    let bytes = fresh.as_file().metadata().map_err(wrong)?.len();
    let source = FileSource::new(fresh.reopen().map_err(wrong)?).map_err(wrong)?;
    let archive = Archive::open(source)?;
    let found = search(&archive, canaries)?;
    if !found.is_empty() {
        return Err(SealError::Leaks(found));
    }
    let entries = archive.entries().len() as u64;
    // The name is given once: a file that appeared meanwhile stays.
    fresh.persist_noclobber(path).map_err(|refused| match refused.error.kind() {
        io::ErrorKind::AlreadyExists => SealError::Exists { path: path.to_owned() },
        _ => wrong(refused.error),
    })?;
    sync_folder(&folder).map_err(wrong)?;
    let manifest = Digest::of(&made.manifest);
    Ok(Sealed { path: path.to_owned(), entries, bytes, signed_by, manifest })
}

/// Whether the manifest would tell the end of a run as its journal does.
fn outcome_holds(draft: &Draft, run: &RunPart) -> Result<(), SealError> {
    #[derive(serde::Deserialize)]
    struct Read {
        body: Body,
    }
    let name = format!("{}/journal.jsonl", run_folder(run.run));
    let file = File::open(draft.path(&entry_name(&name))).map_err(|_| altered(&name))?;
    let mut found = None;
    for line in BufReader::new(file).split(b'\n') {
        let line = line.map_err(|_| altered(&name))?;
        // Most lines are other events, and reading each of a large run takes long.
        if !line.windows(ENDED.len()).any(|window| window == ENDED) {
            continue;
        }
        let read: Option<Read> = serde_json::from_slice(&line).ok();
        if let Some(Event::RunEnded { outcome }) = read.map(|read| read.body.event) {
            found = Some(outcome.name());
        }
    }
    if found == run.outcome.as_deref() {
        return Ok(());
    }
    let word = |outcome: Option<&str>| outcome.unwrap_or("under way").to_owned();
    let (told, found) = (word(run.outcome.as_deref()), word(found));
    Err(SealError::Outcome { run: run.run, told, found })
}

/// Searches every entry for planted secrets.
pub fn search<S: Source>(
    archive: &Archive<S>,
    canaries: Vec<Canary>,
) -> Result<Vec<Hit>, ArchiveError> {
    let mut search = Search::new(canaries);
    let mut piece = vec![0; PIECE_BYTES];
    for entry in archive.entries() {
        search.begin(entry.name.as_str());
        let mut reader = archive.read(entry);
        loop {
            match reader.next(&mut piece)? {
                0 => break,
                bytes => search.feed(&piece[..bytes]),
            }
        }
        search.end();
    }
    Ok(search.hits())
}

/// What sealing adds.
struct Made {
    checksums: Vec<u8>,
    envelope: Vec<u8>,
    instructions: Vec<u8>,
    manifest: Vec<u8>,
    signer: Vec<u8>,
}

impl Made {
    fn of(draft: &Draft, with: &Seal<'_>) -> Result<Self, SealError> {
        let signer = with.key.public().to_pem().into_bytes();
        let instructions = instructions::text(draft.about(), with.key.public()).into_bytes();
        let name = |name: &str| EntryName::new(name).expect("names of sealing are good ones");
        let mut digests: Vec<(EntryName, Digest)> = draft
            .entries()
            .iter()
            .map(|(name, written)| (name.clone(), written.sha256))
            .chain([
                (name(SIGNER), Digest::of(&signer)),
                (name(INSTRUCTIONS), Digest::of(&instructions)),
            ])
            .collect();
        digests.sort();
        let mut checksums = String::new();
        for (name, digest) in &digests {
            let _ = writeln!(checksums, "{digest}  {name}");
        }
        digests.push((name(CHECKSUMS), Digest::of(checksums.as_bytes())));
        digests.sort();
        let statement =
            evidence(draft, with).statement(digests.iter().map(|(name, digest)| (name, *digest)));
        let manifest = statement.canonical_bytes();
        let envelope = Envelope::sign(&statement, &[with.key])?.to_bytes();
        if envelope.len() > ENVELOPE_BYTES_MAX {
            return Err(SealError::Manifest { bytes: manifest.len() });
        }
        let checksums = checksums.into_bytes();
        Ok(Self { checksums, envelope, instructions, manifest, signer })
    }

    fn parts(&self) -> [(&'static str, &[u8]); 5] {
        [
            (CHECKSUMS, &self.checksums),
            (ENVELOPE, &self.envelope),
            (INSTRUCTIONS, &self.instructions),
            (MANIFEST, &self.manifest),
            (SIGNER, &self.signer),
        ]
    }
}

fn evidence(draft: &Draft, with: &Seal<'_>) -> Evidence {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for (name, written) in draft.entries() {
        let count = counts.entry(name.folder().to_owned()).or_default();
        count.entries += 1;
        count.bytes += written.bytes;
    }
    let mut sources: Vec<String> = with.canaries.iter().map(|one| one.source.clone()).collect();
    sources.sort();
    sources.dedup();
    Evidence {
        about: draft.about().clone(),
        counts,
        made_at: with.made_at,
        missing: draft.missing().to_vec(),
        raw: draft.raw_digest(),
        runs: draft.runs().to_vec(),
        self_test: SelfTest {
            encodings: Encoding::ALL.len() as u64,
            planted: with.canaries.len() as u64,
            sources,
        },
    }
}

fn write(
    draft: &Draft,
    (made, proof): (&Made, Option<(Proof, &[u8])>),
    file: &mut File,
) -> Result<(), SealError> {
    let mut parts: Vec<(&str, Part<'_>)> = draft
        .entries()
        .iter()
        .map(|(name, written)| (name.as_str(), Part::File(draft.path(name), *written)))
        .collect();
    parts.extend(made.parts().map(|(name, bytes)| (name, Part::Bytes(bytes))));
    parts.extend(proof.map(|(proof, bytes)| (proof.name(), Part::Bytes(bytes))));
    parts.sort_by_key(|(name, _)| *name);
    let place = Rc::new(Cell::new(0));
    let file = Placed { inner: BufWriter::with_capacity(PIECE_BYTES, file), place: place.clone() };
    let mut zip = ZipWriter::new(file);
    for (name, part) in parts {
        let before = place.get();
        zip.start_file(name, options(CompressionMethod::Deflated))?;
        let mut written = copy(&part, &mut zip, name)?;
        // A reader refuses what packs too well, because bombs do.
        if written.bytes > RATIO_FROM_BYTES {
            zip.flush().map_err(ZipError::Io)?;
            if written.bytes / (place.get() - before).max(1) >= RATIO_MAX / 2 {
                zip.abort_file()?;
                zip.start_file(name, options(CompressionMethod::Stored))?;
                written = copy(&part, &mut zip, name)?;
            }
        }
        if let Part::File(_, expected) = part
            && written != expected
        {
            return Err(altered(name));
        }
        if place.get() > ARCHIVE_BYTES_MAX - DIRECTORY_BYTES_MAX {
            return Err(SealError::TooLarge);
        }
    }
    zip.finish()?.flush().map_err(ZipError::Io)?;
    Ok(())
}

fn altered(name: &str) -> SealError {
    SealError::Altered { name: entry_name(name) }
}

fn entry_name(name: &str) -> EntryName {
    EntryName::new(name).expect("names of entries were checked")
}

fn copy(part: &Part<'_>, out: &mut impl Write, name: &str) -> Result<Written, SealError> {
    let copied = match part {
        Part::Bytes(bytes) => digest(*bytes, out),
        Part::File(path, _) => {
            let file = File::open(path).map_err(|_| altered(name))?;
            digest(file, out)
        }
    };
    copied.map_err(|error| SealError::Zip(ZipError::Io(error)))
}

/// A writer that tells where it is, also while another one holds it.
struct Placed<W> {
    inner: W,
    place: Rc<Cell<u64>>,
}

impl<W: Write> Write for Placed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.place.set(self.place.get() + written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W: Seek> Seek for Placed<W> {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let at = self.inner.seek(to)?;
        self.place.set(at);
        Ok(at)
    }
}

pub(crate) fn options(method: CompressionMethod) -> SimpleFileOptions {
    SimpleFileOptions::default()
        .compression_method(method)
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644)
}
