//! Capturing: the only way into evidence, so nothing gets there that was not looked at for secrets.
//!
//! What may be changed is redacted before it is written. What a signature or a hash chain binds stays as it
//! is, or is left out where it holds a credential. Each source gets secrets planted that nobody has; they go
//! the way of everything else of this source, and sealing searches for them.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead, BufReader, Read as _, Write as _},
};

use camino::Utf8Path;
use plumb_journal::portable::LINE_BYTES_MAX;
use plumb_redact::{
    Canary, Class, Form, Receipt, RedactError, Redactor, RuleSpec, Rules, StreamError, TokenKey,
    canary::plant, limits::DOCUMENT_BYTES_MAX,
};
use serde::{Deserialize, Serialize};

use crate::{
    draft::{Draft, DraftError, Hashing, Written, digest},
    live::{Kept, map_of},
    manifest::{About, CANARIES, RECEIPT, RunPart},
    name::safe_part,
};

/// What sealing needs and nobody else may see.
const PRIVATE: &str = "private.json";

/// Why capturing cannot go on. What a source does not give is no such reason.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    #[error(transparent)]
    Draft(#[from] DraftError),
    #[error("{path} could not be kept beside the evidence")]
    Private { path: camino::Utf8PathBuf, error: io::Error },
    #[error("{name} was altered after it was written")]
    Altered { name: String },
    #[error("the capture in {path} did not come to its end; capture again")]
    Unfinished { path: camino::Utf8PathBuf },
}

/// A capture under way.
#[derive(Debug)]
pub struct Capture {
    draft: Draft,
    redactor: Redactor,
    spec: RuleSpec,
    key: TokenKey,
    /// Sources in which secrets were planted, by the name of the entry that shows it.
    sources: BTreeSet<String>,
    planted: Vec<Canary>,
    /// What tokens of runs stand for, which were made before this capture.
    former: BTreeMap<String, String>,
}

/// A capture that came to its end and can be sealed.
#[derive(Debug)]
pub struct Captured {
    pub draft: Draft,
    pub canaries: Vec<Canary>,
    pub receipt: Receipt,
    /// What each token stands for.
    pub map: BTreeMap<String, String>,
}

#[derive(Serialize, Deserialize)]
struct Private {
    /// Source, rule and secret of each.
    canaries: Vec<(String, String, String)>,
}

impl Capture {
    /// Begins in an empty folder. Secrets are planted by `spec`, and found by `rules`; the key of the
    /// tokens is new for each capture.
    pub fn begin(
        folder: &Utf8Path,
        about: About,
        spec: RuleSpec,
        rules: Rules,
        key: [u8; 32],
    ) -> Result<Self, CaptureError> {
        let key = TokenKey::new(key);
        let mut redactor = Redactor::new(rules, key.clone()).keeping_a_map();
        // The manifest says it to everybody.
        let mut without = |text: String| {
            redactor.text(&text).unwrap_or_else(|error| format!("left out: {error}"))
        };
        let about = About {
            by: without(about.by),
            environment: without(about.environment),
            selection: without(about.selection),
            ..about
        };
        let draft = Draft::create(folder, about)?;
        Ok(Self {
            draft,
            redactor,
            spec,
            key,
            sources: BTreeSet::new(),
            planted: Vec::new(),
            former: BTreeMap::new(),
        })
    }

    /// Takes over what a run kept while it went on; its tokens have to be made with the key of this capture. What is
    /// not as it was written stays out, which is noted. `log_name` is the entry for its log, which its journal names.
    pub fn adopt(
        &mut self,
        kept: &Kept,
        log_name: &str,
        with_map: bool,
    ) -> Result<(), CaptureError> {
        if !self.redactor.counts_also(&kept.receipt) {
            let why = "its tokens were made with another key";
            return self.lacks(log_name, why);
        }
        for missing in kept.draft.missing() {
            self.draft.lacks(missing.what.clone(), missing.why.clone())?;
        }
        for (name, written) in kept.draft.entries() {
            // Canaries of its source were planted with the same key by every run.
            if self.draft.entries().contains_key(name) {
                continue;
            }
            let read = |error| DraftError::Read { path: kept.draft.path(name), error };
            let found = kept.draft.read_entry(name).and_then(|file| digest(file, io::sink()));
            if found.as_ref().ok() != Some(written) {
                self.draft.lacks(name.to_string(), "it was altered after it was written")?;
                continue;
            }
            let mut lines = BufReader::new(kept.draft.read_entry(name).map_err(read)?);
            let redactor = &mut self.redactor;
            let is_canary = name.as_str().starts_with(CANARIES);
            let copied = self.draft.add_with(name.as_str(), |out| {
                let mut line = Vec::new();
                loop {
                    line.clear();
                    // Each was redacted as a document, so none is longer.
                    let most = DOCUMENT_BYTES_MAX as u64;
                    if (&mut lines).take(most).read_until(b'\n', &mut line)? == 0 {
                        return Ok(());
                    }
                    if !is_canary {
                        redactor.sees(&String::from_utf8_lossy(&line));
                    }
                    out.write_all(&line)?;
                }
            })?;
            if copied != *written {
                return Err(CaptureError::Altered { name: name.to_string() });
            }
        }
        self.bound_lines("kept log", log_name, || kept.draft.log_lines())?;
        for canary in &kept.canaries {
            self.sources.insert(canary_name(&canary.source, Form::JsonLines));
            if !self.planted.contains(canary) {
                self.planted.push(canary.clone());
            }
        }
        if with_map {
            match map_of(kept, &self.redactor) {
                Ok(map) => self.former.extend(map),
                Err(error) => self
                    .draft
                    .lacks(format!("what tokens of {log_name} stand for"), error.to_string())?,
            }
        }
        Ok(())
    }

    /// Takes a document of a source, without its secrets. Where it cannot be redacted it is left out,
    /// which is noted; the answer is whether it is in.
    pub fn take(
        &mut self,
        source: &str,
        form: Form,
        name: &str,
        bytes: &[u8],
    ) -> Result<bool, CaptureError> {
        self.plant(source, form)?;
        self.redacted(form, name, bytes)
    }

    /// The same for something that is read bit by bit: a document of any length but for JSON that is one document.
    pub fn take_stream(
        &mut self,
        source: &str,
        form: Form,
        name: &str,
        from: impl BufRead,
    ) -> Result<bool, CaptureError> {
        self.plant(source, form)?;
        let redactor = &mut self.redactor;
        let mut refused = None;
        let added = self.draft.add_with(name, |out| match redactor.stream(form, from, out) {
            Ok(_) => Ok(()),
            Err(StreamError::Write(error)) => Err(error),
            Err(error) => {
                refused = Some(error);
                Err(io::ErrorKind::InvalidData.into())
            }
        });
        match refused {
            None => added.map(|_| true).map_err(CaptureError::from),
            Some(error) => {
                let why = match error {
                    StreamError::Read(error) => error.to_string(),
                    other => other.to_string(),
                };
                self.draft.lacks(name, why)?;
                Ok(false)
            }
        }
    }

    /// Takes JSON documents of a source, one a line, holding one at a time.
    pub fn take_lines(
        &mut self,
        source: &str,
        name: &str,
        lines: impl IntoIterator<Item = Vec<u8>>,
    ) -> Result<(), CaptureError> {
        self.plant(source, Form::JsonLines)?;
        let mut left_out: Vec<(u64, RedactError)> = Vec::new();
        let redactor = &mut self.redactor;
        self.draft.add_with(name, |out| {
            for (at, line) in (1_u64..).zip(lines) {
                match redactor.document(Form::Json, &line) {
                    Ok(line) => out.write_all(&line)?,
                    Err(error) => {
                        let why = serde_json::json!({ "left_out": error.to_string() });
                        out.write_all(why.to_string().as_bytes())?;
                        left_out.push((at, error));
                    }
                }
                out.write_all(b"\n")?;
            }
            Ok(())
        })?;
        for (line, error) in left_out {
            self.draft.lacks(format!("{name}, line {line}"), error.to_string())?;
        }
        Ok(())
    }

    /// Passes over a name of a secret that a document gives; see [`Redactor::passes_over`].
    pub fn passes_over(&mut self, reference: &str) {
        self.redactor.passes_over(reference);
    }

    /// Takes bytes that must stay as they are. Where they hold a credential they are left out, which is
    /// noted; the answer is whether they are in.
    pub fn bound(
        &mut self,
        source: &str,
        form: Form,
        name: &str,
        bytes: &[u8],
    ) -> Result<bool, CaptureError> {
        self.plant_bound(source, form)?;
        self.as_it_is(name, bytes)
    }

    /// The same for lines, holding one at a time. They are read twice, and have to be the same both times.
    pub fn bound_lines<R: io::Read>(
        &mut self,
        source: &str,
        name: &str,
        open: impl Fn() -> io::Result<R>,
    ) -> Result<bool, CaptureError> {
        self.plant_bound(source, Form::JsonLines)?;
        let why = match open()
            .map_err(|error| error.to_string())
            .and_then(|file| self.credentials_in(file))
        {
            Ok((rules, looked_at)) if rules.is_empty() => {
                let wrong = |error| DraftError::Read { path: name.into(), error };
                if self.draft.add(name, open().map_err(wrong)?)? == looked_at {
                    return Ok(true);
                }
                return Err(CaptureError::Altered { name: name.to_owned() });
            }
            Ok((rules, _)) => holds(&rules),
            Err(why) => why,
        };
        self.draft.lacks(name, why)?;
        Ok(false)
    }

    /// Text for something that is composed of several, without its secrets.
    pub fn text(&mut self, text: &str) -> String {
        self.redactor.text(text).unwrap_or_else(|error| format!("left out: {error}"))
    }

    /// Takes a document that was composed of what [`Capture::text`] and pictures gave.
    pub fn composed(&mut self, name: &str, bytes: &[u8]) -> Result<(), CaptureError> {
        self.draft.add(name, bytes)?;
        Ok(())
    }

    /// Notes what could not be collected. The reason may be a node's own words.
    pub fn lacks(&mut self, what: &str, why: &str) -> Result<(), CaptureError> {
        let (what, why) = (self.text(what), self.text(why));
        Ok(self.draft.lacks(what, why)?)
    }

    /// Notes the file of raw answers that lies outside.
    pub fn raw(&mut self, path: &Utf8Path) -> Result<(), CaptureError> {
        self.draft.raw(path)?;
        Ok(())
    }

    pub fn run(&mut self, run: RunPart) -> Result<(), CaptureError> {
        Ok(self.draft.run(run)?)
    }

    pub const fn draft(&self) -> &Draft {
        &self.draft
    }

    /// What was redacted so far.
    pub fn receipt(&self) -> Receipt {
        self.redactor.receipt()
    }

    /// Ends the capture with its receipt.
    pub fn finish(mut self) -> Result<Captured, CaptureError> {
        let receipt = self.receipt();
        let text = serde_json::to_vec_pretty(&receipt).expect("a receipt always serialises");
        self.draft.add(RECEIPT, text.as_slice())?;
        let canaries = self.planted.iter();
        let canaries = canaries.map(|c| (c.source.clone(), c.rule.clone(), c.secret.clone()));
        let private = Private { canaries: canaries.collect() };
        let text = serde_json::to_vec(&private).expect("words always serialise");
        let path = self.draft.folder().join(PRIVATE);
        write_private(&path, &text).map_err(|error| CaptureError::Private { path, error })?;
        let mut map = self.redactor.map().cloned().unwrap_or_default();
        map.append(&mut self.former);
        Ok(Captured { draft: self.draft, canaries: self.planted, receipt, map })
    }

    /// Plants secrets into a source when it is first met.
    fn plant(&mut self, source: &str, form: Form) -> Result<(), CaptureError> {
        let name = canary_name(source, form);
        if !self.sources.insert(name.clone()) {
            return Ok(());
        }
        let planted = plant(source, form, &self.spec, &self.key);
        // Not counted: the receipt tells of what was really there.
        let counted = self.redactor.clone();
        self.redacted(form, &name, planted.document.as_bytes())?;
        self.redactor = counted;
        // Of a source with several forms, they are the same in each.
        for canary in planted.canaries {
            if !self.planted.contains(&canary) {
                self.planted.push(canary);
            }
        }
        Ok(())
    }

    /// The same for what stays as it is: each planted credential has to keep its document out.
    fn plant_bound(&mut self, source: &str, form: Form) -> Result<(), CaptureError> {
        let name = canary_name(source, Form::Text);
        if !self.sources.insert(name.clone()) {
            return Ok(());
        }
        let everything = plant(source, form, &self.spec, &self.key);
        let rules: Vec<String> = everything.canaries.into_iter().map(|one| one.rule).collect();
        let personal: BTreeSet<String> = self
            .receipt_of_all()
            .rules
            .into_iter()
            .filter(|rule| rule.class == Class::Personal)
            .map(|rule| rule.rule)
            .collect();
        let mut said = String::new();
        for rule in rules.iter().filter(|rule| !personal.contains(*rule)) {
            let off = rules.iter().filter(|other| *other != rule).cloned();
            let off = off.chain(self.spec.off.iter().cloned()).collect();
            let alone = plant(source, form, &RuleSpec { off, ..RuleSpec::default() }, &self.key);
            let refused = self.redactor.finds_credentials(alone.document.as_bytes());
            match refused {
                Ok(found) if found.is_empty() => {
                    // It would have got in, so it does, and is found when the evidence is sealed.
                    said.push_str(&alone.document);
                    said.push('\n');
                }
                _ => {
                    said.push_str(rule);
                    said.push_str(": kept out\n");
                }
            }
            self.planted.extend(alone.canaries);
        }
        self.draft.add(&name, said.as_bytes())?;
        Ok(())
    }

    /// Every rule there can be with its class, also those that are off.
    fn receipt_of_all(&self) -> Receipt {
        let rules = Rules::compile(&RuleSpec::default()).expect("the built-in rules compile");
        Redactor::new(rules, self.key.clone()).receipt()
    }

    fn redacted(&mut self, form: Form, name: &str, bytes: &[u8]) -> Result<bool, CaptureError> {
        match self.redactor.document(form, bytes) {
            Ok(bytes) => {
                self.draft.add(name, bytes.as_slice())?;
                Ok(true)
            }
            Err(error) => {
                self.draft.lacks(name, error.to_string())?;
                Ok(false)
            }
        }
    }

    fn as_it_is(&mut self, name: &str, bytes: &[u8]) -> Result<bool, CaptureError> {
        let why = match self.redactor.finds_credentials(bytes) {
            Ok(rules) if rules.is_empty() => {
                self.draft.add(name, bytes)?;
                return Ok(true);
            }
            Ok(rules) => holds(&rules),
            Err(error) => error.to_string(),
        };
        self.draft.lacks(name, why)?;
        Ok(false)
    }

    /// Rules about credentials that find something in a line, and what was looked at.
    fn credentials_in(&self, file: impl io::Read) -> Result<(BTreeSet<String>, Written), String> {
        let mut file = BufReader::new(file);
        let mut found = BTreeSet::new();
        let (mut line, mut read) = (Vec::new(), Hashing::new(io::sink()));
        loop {
            line.clear();
            let more = (&mut file).take(LINE_BYTES_MAX as u64 + 2).read_until(b'\n', &mut line);
            if more.map_err(|error| error.to_string())? == 0 {
                return Ok((found, read.written()));
            }
            if line.len() > LINE_BYTES_MAX + 1 {
                return Err(format!("a line of it is longer than {LINE_BYTES_MAX} bytes"));
            }
            read.write_all(&line).map_err(|error| error.to_string())?;
            let rules =
                self.redactor.finds_credentials(&line).map_err(|error| error.to_string())?;
            found.extend(rules);
        }
    }
}

impl Captured {
    /// A finished capture of an earlier program. What its tokens stand for is not kept.
    pub fn open(folder: &Utf8Path) -> Result<Self, CaptureError> {
        let unfinished = || CaptureError::Unfinished { path: folder.to_owned() };
        let draft = Draft::open(folder)?;
        let read = |path: &Utf8Path| std::fs::read(path).map_err(|_| unfinished());
        let private: Private =
            serde_json::from_slice(&read(&folder.join(PRIVATE))?).map_err(|_| unfinished())?;
        let receipt = draft.entries().keys().find(|name| name.as_str() == RECEIPT);
        let receipt = receipt.map(|name| draft.path(name)).ok_or_else(unfinished)?;
        let receipt = serde_json::from_slice(&read(&receipt)?).map_err(|_| unfinished())?;
        let canaries = private.canaries.into_iter();
        let canaries = canaries.map(|(source, rule, secret)| Canary { source, rule, secret });
        Ok(Self { draft, canaries: canaries.collect(), receipt, map: BTreeMap::new() })
    }
}

fn holds(rules: &BTreeSet<String>) -> String {
    let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
    format!(
        "it holds what looks like a credential ({}), and must not be changed, because a signature or a \
         hash is over it",
        rules.join(", ")
    )
}

pub(crate) fn canary_name(source: &str, form: Form) -> String {
    let end = match form {
        Form::Text => "txt",
        Form::Json => "json",
        Form::JsonLines => "jsonl",
    };
    format!("{CANARIES}/{}.{end}", safe_part(source))
}

pub(crate) fn write_private(path: &Utf8Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
