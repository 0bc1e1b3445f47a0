//! Where runbooks come from, and why a document may run.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use plumb_fleet::{Digest, FleetId};
use plumb_runbook::document::{
    DOCUMENT_BYTES_MAX, Document, DocumentError, FrontMatter, Library, Trusted, parse, parse_front,
};
use plumb_trust::dsse::Envelope;

use super::{
    names,
    shipped::SHIPPED,
    signature::{RunbookSigned, signature_path},
};
use crate::{
    app::App,
    error::{AppError, Code},
    views::runbook::{RunbookListed, RunbookOrigin, RunbookView},
};

/// Most files of a folder of runbooks that are read.
const FILES_MAX: usize = 5_000;
/// Largest file of a signature.
const SIGNATURE_BYTES_MAX: u64 = 64 * 1024;

/// The text of a runbook, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunbookText {
    pub text: String,
    /// Nothing where it came with the program.
    pub path: Option<Utf8PathBuf>,
}

/// Runbooks by the name of their file: those of a folder over those that came with the program.
#[derive(Debug, Default)]
pub struct Shelf {
    texts: BTreeMap<String, RunbookText>,
}

impl Shelf {
    /// The shipped runbooks alone.
    pub fn shipped() -> Self {
        let text = |(file, text): &(&str, &str)| {
            let text = RunbookText { text: (*text).to_owned(), path: None };
            ((*file).to_owned(), text)
        };
        Self { texts: SHIPPED.iter().map(text).collect() }
    }

    /// Adds the runbooks of a folder. A folder that is not there holds none. Blocks.
    pub fn with_folder(mut self, folder: &Utf8Path) -> Result<Self, AppError> {
        let Ok(entries) = folder.read_dir_utf8() else { return Ok(self) };
        for entry in entries.flatten().take(FILES_MAX) {
            let path = entry.path();
            if path.extension() == Some("md") && path.is_file() {
                let text = read(path)?;
                let path = Some(path.to_owned());
                self.texts.insert(entry.file_name().to_owned(), RunbookText { text, path });
            }
        }
        Ok(self)
    }

    pub fn get(&self, file: &str) -> Result<&RunbookText, AppError> {
        self.texts.get(file).ok_or_else(|| {
            AppError::new(
                Code::NotFound,
                format!("there is no runbook {file}"),
                "list them: plumb runbook list; or give a path to a file",
            )
        })
    }

    pub fn texts(&self) -> impl Iterator<Item = (&str, &RunbookText)> {
        self.texts.iter().map(|(file, text)| (file.as_str(), text))
    }

    /// What the list shows; only front matter is read.
    pub fn listed(&self) -> Vec<RunbookListed> {
        let one = |(file, text): (&String, &RunbookText)| {
            let front = parse_front(&text.text);
            listed(file, text, &front)
        };
        self.texts.iter().map(one).collect()
    }

    /// A runbook with every runbook that it runs, parsed; an error names the first that cannot be.
    pub fn documents(&self, file: &str) -> Result<BTreeMap<String, String>, AppError> {
        let mut library = Library::default();
        let mut texts = BTreeMap::new();
        let mut open = vec![file.to_owned()];
        while let Some(file) = open.pop() {
            if library.documents.contains_key(&file) {
                continue;
            }
            let text = &self.get(&file)?.text;
            let document = parse(text).map_err(|errors| wrong(&file, &errors))?;
            let unknown = names::unknown(&document);
            if !unknown.is_empty() {
                return Err(wrong(&file, &unknown));
            }
            texts.insert(file.clone(), text.clone());
            library.documents.insert(file.clone(), document);
            open.extend(library.run_by(&file).into_iter().filter(|other| *other != file));
        }
        // Links of `related` are for the whole library; what it runs has to be right here.
        let problems: Vec<DocumentError> =
            library.calls(file).into_iter().chain(self.related(file, &library)).collect();
        if problems.is_empty() { Ok(texts) } else { Err(wrong(file, &problems)) }
    }

    fn related(&self, file: &str, library: &Library) -> Vec<DocumentError> {
        let front = &library.documents[file].front;
        let gone = front.related.iter().filter(|link| !self.texts.contains_key(&link.value));
        gone.map(|link| DocumentError {
            line: link.line,
            column: link.column,
            what: format!("there is no runbook {}", link.value),
        })
        .collect()
    }
}

fn read(path: &Utf8Path) -> Result<String, AppError> {
    let unreadable = |error: &std::io::Error| {
        let message = format!("{path} could not be read: {error}");
        AppError::new(Code::Invalid, message, "look at the file and its rights")
    };
    let bytes = path.metadata().map_err(|error| unreadable(&error))?.len();
    if bytes > DOCUMENT_BYTES_MAX as u64 {
        let message = format!("{path} has {bytes} bytes, a runbook at most {DOCUMENT_BYTES_MAX}");
        return Err(AppError::new(Code::Invalid, message, "split it into several runbooks"));
    }
    std::fs::read_to_string(path).map_err(|error| unreadable(&error))
}

/// All errors of a document, each with its line and column.
fn wrong(file: &str, errors: &[DocumentError]) -> AppError {
    let lines: Vec<String> = errors.iter().map(|error| format!("{file}:{error}")).collect();
    let hint = "mend what each line names, then check it: plumb runbook check FILE";
    AppError::new(Code::Invalid, lines.join("\n"), hint)
}

fn listed(
    file: &str,
    text: &RunbookText,
    front: &Result<FrontMatter, DocumentError>,
) -> RunbookListed {
    let origin = if text.path.is_some() { RunbookOrigin::Own } else { RunbookOrigin::Shipped };
    let file = file.to_owned();
    match front {
        Ok(front) => RunbookListed {
            file,
            origin,
            title: front.title.value.clone(),
            component: front.component.clone(),
            severity: format!("{:?}", front.severity).to_lowercase(),
            on_call_scope: front.on_call_scope.clone(),
            owner: front.owners.run.value.clone(),
            approvals: front.owners.approvals.iter().map(|group| group.value.clone()).collect(),
            last_updated: front.last_updated.to_string(),
            doctor_check: front.doctor_check.as_ref().map(|check| check.value.clone()),
            alerts: front.alerts.clone(),
            problem: None,
        },
        Err(error) => RunbookListed {
            file,
            origin,
            title: String::new(),
            component: String::new(),
            severity: String::new(),
            on_call_scope: String::new(),
            owner: String::new(),
            approvals: Vec::new(),
            last_updated: String::new(),
            doctor_check: None,
            alerts: Vec::new(),
            problem: Some(error.to_string()),
        },
    }
}

impl App {
    /// The runbooks there are: shipped ones, and those of the folder `runbooks` beside the record.
    pub async fn runbooks(&self) -> Result<Shelf, AppError> {
        let folder = self.0.options.data_dir.join("runbooks");
        let reading = tokio::task::spawn_blocking(move || Shelf::shipped().with_folder(&folder));
        reading
            .await
            .map_err(|error| AppError::new(Code::Other, crate::error::chain(&error), "try again"))?
    }

    /// The runbooks beside a file, for one that is named by its path.
    pub async fn runbooks_beside(&self, path: &Utf8Path) -> Result<(Shelf, String), AppError> {
        let (path, own) = (path.to_owned(), self.0.options.data_dir.join("runbooks"));
        let reading = tokio::task::spawn_blocking(move || {
            let folder = path.parent().filter(|folder| !folder.as_str().is_empty());
            let folder = folder.unwrap_or(Utf8Path::new("."));
            let mut shelf = Shelf::shipped().with_folder(&own)?.with_folder(folder)?;
            let file = path.file_name().unwrap_or_default().to_owned();
            let text = RunbookText { text: read(&path)?, path: Some(path) };
            shelf.texts.insert(file.clone(), text);
            Ok((shelf, file))
        });
        reading
            .await
            .map_err(|error| AppError::new(Code::Other, crate::error::chain(&error), "try again"))?
    }

    /// Why the documents of a runbook may run; the phrase that has to be typed where nothing says so.
    pub(super) async fn trusted(
        &self,
        fleet: &FleetId,
        shelf: &Shelf,
        documents: &BTreeMap<String, String>,
    ) -> Result<Result<Trusted, String>, AppError> {
        let parsed =
            |text: &str| parse(text).is_ok_and(|document| Document::is_harmless(&document));
        if documents.values().all(|text| parsed(text)) {
            return Ok(Ok(Trusted::Harmless));
        }
        let mut signers = Vec::new();
        for (file, text) in documents {
            if is_shipped(text) {
                continue;
            }
            match self.signer_of(fleet, shelf, file, text).await? {
                Some(by) => signers.push(by),
                None => return Ok(Err(phrase(documents))),
            }
        }
        if signers.is_empty() {
            return Ok(Ok(Trusted::Shipped));
        }
        signers.sort();
        signers.dedup();
        Ok(Ok(Trusted::Signed { by: signers.join(", ") }))
    }

    /// Who of the roster signed a document, in the file beside it that ends in `.sig.json`.
    pub(super) async fn signer_of(
        &self,
        fleet: &FleetId,
        shelf: &Shelf,
        file: &str,
        text: &str,
    ) -> Result<Option<String>, AppError> {
        let Some(path) = shelf.texts.get(file).and_then(|text| text.path.clone()) else {
            return Ok(None);
        };
        let Some(roster) = self.roster_of(fleet).await? else { return Ok(None) };
        let beside = signature_path(&path);
        let Ok(bytes) = crate::actions::consent::read(beside, SIGNATURE_BYTES_MAX).await else {
            return Ok(None);
        };
        let Ok(envelope) = Envelope::read(&bytes) else { return Ok(None) };
        let now = self.now();
        for (person, key) in roster.keys().filter(|(_, key)| key.counts(now)) {
            let Ok(verified) = envelope.verify_first(&[&key.key]) else { continue };
            let Ok(statement) = verified.statement::<RunbookSigned>() else { continue };
            if statement.predicate.sha256 == Digest::of(text.as_bytes()) {
                return Ok(Some(person.to_string()));
            }
        }
        Ok(None)
    }
}

/// Whether a document is one that came with the program, byte by byte.
pub(super) fn is_shipped(text: &str) -> bool {
    SHIPPED.iter().any(|(_, shipped)| *shipped == text)
}

/// SHA-256 over the documents, as rehearsals and confirmations name them.
pub(super) fn digest_of(documents: &BTreeMap<String, String>) -> Digest {
    let line =
        |(file, text): (&String, &String)| format!("{file:?} {}\n", Digest::of(text.as_bytes()));
    let lines: Vec<String> = documents.iter().map(line).collect();
    Digest::of(lines.concat().as_bytes())
}

/// What is typed to let documents run that nobody vouches for: it names their bytes.
fn phrase(documents: &BTreeMap<String, String>) -> String {
    format!("run {}", digest_of(documents).short())
}

impl RunbookView {
    /// A runbook as the library shows it.
    pub(super) fn of(file: &str, text: &RunbookText, document: &Document) -> Self {
        let listed = listed(file, text, &Ok(document.front.clone()));
        let step = |step: &plumb_runbook::document::Step| crate::views::runbook::StepListed {
            id: step.id.value.clone(),
            title: step.title.clone(),
            kind: step.kind.name().to_owned(),
            phase: step.phase.map(|phase| phase.name().to_owned()),
            mutates: step.kind.mutates(),
            may_skip: step.may_skip,
        };
        let parameter =
            |of: &plumb_runbook::document::Parameter| crate::views::runbook::ParameterView {
                name: of.name.value.clone(),
                kind: format!("{:?}", of.of).to_lowercase(),
                ask: of.ask.clone(),
                choices: of.choices.clone(),
                default: of.default.as_ref().map(|default| default.value.clone()),
            };
        let front = &document.front;
        Self {
            runbook: listed,
            sha256: Digest::of(text.text.as_bytes()).to_string(),
            id: front.id.clone(),
            scope: front.scope.clone(),
            symptoms: front.symptoms.clone(),
            impact: front.impact.clone(),
            trace: front.trace.as_ref().map(|trace| format!("{} {}", trace.sprint, trace.task)),
            related: front.related.iter().map(|link| link.value.clone()).collect(),
            references: front.references.clone(),
            parameters: front.parameters.iter().map(parameter).collect(),
            steps: document.steps.iter().map(step).collect(),
            body: document.body.clone(),
        }
    }
}

impl Shelf {
    /// A runbook as the library shows it.
    pub fn view(&self, file: &str) -> Result<RunbookView, AppError> {
        let text = self.get(file)?;
        let document = parse(&text.text).map_err(|errors| wrong(file, &errors))?;
        Ok(RunbookView::of(file, text, &document))
    }
}
