//! Evidence of a run while it goes on: what nodes answer is redacted, written and hashed as it comes, so that a crash
//! leaves what was there until then. A capture takes it over later.
//!
//! Beside it stands the same word for word, encrypted ([`crate::raw`]); that never gets into an archive.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
};

use camino::Utf8Path;
use jiff::Timestamp;
use plumb_fleet::{Digest, NodeId, RunId};
use plumb_redact::{Canary, Form, Receipt, Redactor, RuleSpec, Rules, TokenKey, canary::plant};
use plumb_trust::locked::stream::StreamKey;
use serde::{Deserialize, Serialize};

use crate::{
    capture::{CaptureError, canary_name, write_private},
    draft::{Draft, Growing},
    manifest::{About, kept_answers},
    raw::{Ended, RawError, RawWriter, read},
};

/// What is kept beside the draft for the capture, and for nobody else.
const PRIVATE: &str = "live.json";
/// The same answers, encrypted.
const RAW: &str = "raw";
/// Where canaries of this source are planted.
pub const SOURCE: &str = "answers of a run";
/// Bodies that are known again: the answers of 10,000 nodes to five questions.
const KNOWN_MAX: usize = 50_000;
/// Largest file of one run, in bytes; a rollout of 10,000 nodes has some hundred megabytes.
const BYTES_MAX: u64 = 2 << 30;

/// Who answered.
#[derive(Debug, Clone, Copy)]
pub enum Answerer<'a> {
    /// A node, or a server that the fleet file names.
    Node(&'a NodeId),
    /// Another host that a step of a runbook asked, by its name and port.
    Host(&'a str),
}

/// One answer, as it came.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub from: Answerer<'a>,
    pub method: &'a str,
    pub path: &'a str,
    pub at: Timestamp,
    pub status: u16,
    /// One `name: value` each.
    pub headers: &'a [String],
    pub body: &'a str,
}

/// How far it was made durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stand {
    pub answers: u64,
    /// Hash of the newest line of the log.
    pub log: Digest,
}

#[derive(Serialize, Deserialize)]
struct Private {
    /// Source, rule and secret of each.
    canaries: Vec<(String, String, String)>,
    receipt: Receipt,
    raw_key: String,
}

/// Evidence of a run that goes on.
#[derive(Debug)]
pub struct Live {
    draft: Draft,
    redactor: Redactor,
    canaries: Vec<Canary>,
    growing: Growing,
    raw: RawWriter<io::BufWriter<File>>,
    raw_key: StreamKey,
    /// Answers by what is in them, with the line that has the body.
    known: HashMap<Digest, u64>,
    answers: u64,
    durable: u64,
}

impl Live {
    /// Begins in a folder that is not there yet. `part` tells programs apart that went on with the same run.
    pub fn begin(
        folder: &Utf8Path,
        (run, part): (RunId, u32),
        about: About,
        (spec, rules): (RuleSpec, Rules),
        (tokens, raw_key): ([u8; 32], StreamKey),
    ) -> Result<Self, CaptureError> {
        let key = TokenKey::new(tokens);
        let mut draft = Draft::create(folder, about)?;
        let mut redactor = Redactor::new(rules, key.clone());
        let planted = plant(SOURCE, Form::JsonLines, &spec, &key);
        let counted = redactor.clone();
        let document = redactor.document(Form::JsonLines, planted.document.as_bytes());
        redactor = counted;
        match document {
            Ok(bytes) => {
                draft.add(&canary_name(SOURCE, Form::JsonLines), bytes.as_slice())?;
            }
            Err(error) => draft.lacks(SOURCE, error.to_string())?,
        }
        let growing = draft.grow(&kept_answers(run, part))?;
        let path = folder.join(RAW);
        let wrong = |error| CaptureError::Private { path: path.clone(), error };
        let file = private_file(&path).map_err(wrong)?;
        let raw = RawWriter::begin(io::BufWriter::new(file), &raw_key);
        let raw = raw.map_err(|error| wrong(io::Error::other(error)))?;
        let live = Self {
            draft,
            redactor,
            canaries: planted.canaries,
            growing,
            raw,
            raw_key,
            known: HashMap::new(),
            answers: 0,
            durable: 0,
        };
        live.keep_private()?;
        Ok(live)
    }

    /// Takes an answer. One that has the body of another names its line.
    pub fn take(&mut self, answer: &Answer<'_>) -> Result<(), CaptureError> {
        if self.growing.bytes() > BYTES_MAX {
            return Ok(());
        }
        let number = self.answers + 1;
        let line = serde_json::json!({
            "n": number, "method": answer.method, "path": answer.path,
            "at": answer.at, "status": answer.status, "headers": answer.headers,
        });
        let mut line = line.as_object().cloned().unwrap_or_default();
        match answer.from {
            Answerer::Node(node) => line.insert("node".to_owned(), node.as_str().into()),
            Answerer::Host(host) => line.insert("host".to_owned(), host.into()),
        };
        let digest = Digest::of(answer.body.as_bytes());
        if let Some(same) = self.known.get(&digest) {
            line.insert("same_as".to_owned(), (*same).into());
        } else {
            line.insert("body".to_owned(), answer.body.into());
            if self.known.len() == KNOWN_MAX {
                self.known.clear();
            }
            self.known.insert(digest, number);
        }
        let mut text = serde_json::Value::Object(line).to_string().into_bytes();
        let redacted = self.redactor.document(Form::Json, &text);
        text.push(b'\n');
        let path = self.draft.folder().join(RAW);
        let wrong =
            |error: RawError| CaptureError::Private { path, error: io::Error::other(error) };
        self.raw.add(&text).map_err(wrong)?;
        let mut redacted = redacted.unwrap_or_else(|error| {
            serde_json::json!({ "n": number, "left_out": error.to_string() }).to_string().into()
        });
        redacted.push(b'\n');
        let path = self.draft.folder().to_owned();
        let wrong = |error| CaptureError::Private { path, error };
        self.growing.write_all(&redacted).map_err(wrong)?;
        self.answers = number;
        if self.growing.bytes() > BYTES_MAX {
            let why = format!("more than {BYTES_MAX} bytes came");
            self.draft.lacks(format!("answers after the {number}th"), why)?;
        }
        Ok(())
    }

    /// Makes durable what came until now.
    pub fn keep(&mut self) -> Result<Stand, CaptureError> {
        if self.durable < self.answers {
            let path = self.draft.folder().join(RAW);
            let wrong = |error| CaptureError::Private { path: path.clone(), error };
            let raw = self.raw.flush().map_err(|error| wrong(io::Error::other(error)))?;
            raw.get_ref().sync_data().map_err(wrong)?;
            self.draft.grown(&mut self.growing)?;
            self.durable = self.answers;
            self.keep_private()?;
        }
        Ok(Stand { answers: self.durable, log: self.draft.head() })
    }

    /// Notes what could not be kept.
    pub fn lacks(&mut self, what: &str, why: &str) -> Result<(), CaptureError> {
        Ok(self.draft.lacks(what, why)?)
    }

    /// Ends it: nothing more comes.
    pub fn finish(mut self) -> Result<Stand, CaptureError> {
        let stand = self.keep()?;
        let path = self.draft.folder().join(RAW);
        let wrong = |error| CaptureError::Private { path: path.clone(), error };
        let raw = self.raw.finish().map_err(|error| wrong(io::Error::other(error)))?;
        raw.get_ref().sync_data().map_err(wrong)?;
        Ok(stand)
    }

    fn keep_private(&self) -> Result<(), CaptureError> {
        let canaries = self.canaries.iter();
        let canaries = canaries.map(|c| (c.source.clone(), c.rule.clone(), c.secret.clone()));
        let private = Private {
            canaries: canaries.collect(),
            receipt: self.redactor.receipt(),
            raw_key: hex::encode(self.raw_key.as_bytes()),
        };
        let text = serde_json::to_vec(&private).expect("words always serialise");
        let path = self.draft.folder().join(PRIVATE);
        let fresh = self.draft.folder().join("live.part");
        // What a program before left unfinished.
        let _ = fs::remove_file(&fresh);
        let done = write_private(&fresh, &text).and_then(|()| fs::rename(&fresh, &path));
        done.map_err(|error| CaptureError::Private { path, error })
    }
}

/// What a run kept, for a capture.
#[derive(Debug)]
pub struct Kept {
    pub(crate) draft: Draft,
    pub(crate) canaries: Vec<Canary>,
    pub(crate) receipt: Receipt,
    raw_key: Option<StreamKey>,
}

impl Kept {
    /// Reads a folder that a run left, whole or cut off.
    pub fn open(folder: &Utf8Path) -> Result<Self, CaptureError> {
        let path = folder.join(PRIVATE);
        let unfinished = || CaptureError::Unfinished { path: folder.to_owned() };
        let private = fs::read(&path).map_err(|_| unfinished())?;
        let private: Private = serde_json::from_slice(&private).map_err(|_| unfinished())?;
        let (draft, _) = Draft::check(folder)?;
        let canaries = private.canaries.into_iter();
        let canaries = canaries.map(|(source, rule, secret)| Canary { source, rule, secret });
        let raw_key = hex::decode(private.raw_key).ok();
        let raw_key = raw_key.and_then(|bytes| StreamKey::from_bytes(&bytes));
        Ok(Self { draft, canaries: canaries.collect(), receipt: private.receipt, raw_key })
    }

    /// What nodes answered, word for word, a line at a time.
    pub fn raw_lines(
        &self,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<Ended, RawError> {
        let none = || RawError::Format { problem: "its key is not at hand".to_owned() };
        let key = self.raw_key.as_ref().ok_or_else(none)?;
        let file = io::BufReader::new(File::open(self.draft.folder().join(RAW))?);
        let mut rest = Vec::new();
        read(file, key, |piece| {
            rest.extend_from_slice(piece);
            let mut from = 0;
            while let Some(end) = rest[from..].iter().position(|byte| *byte == b'\n') {
                each(&rest[from..from + end])?;
                from += end + 1;
            }
            rest.drain(..from);
            Ok(())
        })
    }
}

/// The key that tokens of all runs of a console are made with, so that a secret has one token in all that a capture
/// takes over. Made once.
pub fn token_key(path: &Utf8Path, fresh: [u8; 32]) -> Result<[u8; 32], CaptureError> {
    let wrong = |error| CaptureError::Private { path: path.to_owned(), error };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(wrong)?;
    }
    match write_private(path, &fresh) {
        Ok(()) => return Ok(fresh),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(wrong(error)),
    }
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(33).read_to_end(&mut bytes));
    read.map_err(wrong)?;
    let short = |_| wrong(io::Error::other("it is not a key of 32 bytes; take it away"));
    bytes.try_into().map_err(short)
}

fn private_file(path: &Utf8Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}

/// What tokens stand for, found again by redacting what was kept word for word.
pub(crate) fn map_of(
    kept: &Kept,
    redactor: &Redactor,
) -> Result<BTreeMap<String, String>, RawError> {
    let mut again = redactor.clone().keeping_a_map();
    kept.raw_lines(|line| {
        // What could not be redacted has no tokens.
        let _ = again.document(Form::Json, line);
        Ok(())
    })?;
    Ok(again.map().cloned().unwrap_or_default())
}
