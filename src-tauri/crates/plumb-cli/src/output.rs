//! The one place that prints: a document for programs, or text for people.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::{
    args::{ColorChoice, Global},
    exit::{ErrorDocument, Failure},
    text::{escape::printable, style::Style},
};

/// Where and how a command prints.
#[derive(Debug, Clone)]
pub(crate) struct Output {
    pub(crate) json: bool,
    pub(crate) style: Style,
    /// Columns of the terminal; as many as it takes where the output goes elsewhere.
    pub(crate) columns: usize,
}

impl Output {
    pub(crate) fn new(global: &Global) -> Self {
        let terminal = io::stdout().is_terminal();
        // https://no-color.org: any value that is not empty.
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let coloured = match global.color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !unwanted && !global.json,
        };
        Self { json: global.json, style: Style { coloured }, columns: columns(terminal) }
    }

    /// A line for people. With `--json` it goes to standard error, so that programs see one document.
    pub(crate) fn say(&self, line: impl AsRef<str>) {
        if self.json {
            self.note(line);
        } else {
            write_out(line.as_ref(), "\n");
        }
    }

    /// Progress and warnings: always on standard error.
    #[expect(clippy::unused_self, reason = "printing stands in one place, with its settings")]
    pub(crate) fn note(&self, line: impl AsRef<str>) {
        // Nobody reads a closed standard error, so there is nobody to tell.
        let _ = writeln!(io::stderr().lock(), "{}", line.as_ref());
    }

    /// Prints the document with `--json`, or calls for the text.
    pub(crate) fn show(&self, document: &impl Serialize, text: impl FnOnce(&Self)) {
        if self.json {
            self.document(document);
        } else {
            text(self);
        }
    }

    /// One document, indented.
    pub(crate) fn document(&self, document: &impl Serialize) {
        debug_assert!(self.json, "documents are for programs");
        let text = serde_json::to_string_pretty(document).expect("a document always serialises");
        write_out(&text, "\n");
    }

    /// One document on one line, for whoever reads the first line only.
    #[expect(clippy::unused_self, reason = "printing stands in one place, with its settings")]
    pub(crate) fn document_line(&self, document: &impl Serialize) {
        let text = serde_json::to_string(document).expect("a document always serialises");
        write_out(&text, "\n");
    }

    /// Text exactly as it is, for scripts of a shell and files.
    #[expect(clippy::unused_self, reason = "printing stands in one place, with its settings")]
    pub(crate) fn raw(&self, text: &str) {
        write_out(text, "");
    }

    /// The same for what is no text.
    #[expect(clippy::unused_self, reason = "printing stands in one place, with its settings")]
    pub(crate) fn bytes(&self, bytes: &[u8]) {
        write_out(bytes, "");
    }

    /// Says why a command failed and what to do.
    pub(crate) fn failure(&self, failure: &Failure) {
        let mark = self.style.bad("error:");
        self.note(format!("{mark} {}", printable(&failure.message)));
        if !failure.hint.is_empty() {
            self.note(format!("       {}", printable(&failure.hint)));
        }
        if self.json {
            self.document(&ErrorDocument { error: failure.clone() });
        }
    }
}

fn columns(terminal: bool) -> usize {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let real = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    told.or_else(|| terminal.then(real).flatten()).unwrap_or(usize::MAX)
}

fn write_out(text: impl AsRef<[u8]>, end: &str) {
    let mut out = io::stdout().lock();
    let written = out
        .write_all(text.as_ref())
        .and_then(|()| out.write_all(end.as_bytes()))
        .and_then(|()| out.flush());
    if written.is_err() {
        // `plumb ... | head`: the reader has seen enough, and that is no failure.
        std::process::exit(0);
    }
}
