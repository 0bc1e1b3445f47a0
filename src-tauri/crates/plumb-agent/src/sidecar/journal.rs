//! What was put into OPA and what has to come back, on disk, so that the death of either side loses
//! nothing.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use plumb_bundle::formats::pack::OpaForm;
use serde::{Deserialize, Serialize};

use super::{failure::OpaFailure, limits::JOURNAL_BYTES_MAX};
use crate::durable::write_durably;

const FILE: &str = "opa-put.json";
const FORMAT: u32 = 1;

/// Modules and documents as they stand, or shall stand, in OPA; nothing where there is none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Placed {
    pub(super) modules: BTreeMap<String, Option<String>>,
    /// By place, as JSON text.
    pub(super) documents: BTreeMap<String, Option<String>>,
}

impl Placed {
    /// What a pack wants to be there, and that nothing of what was put before stays.
    pub(super) fn wanted(form: &OpaForm, held: &Self) -> Result<Self, OpaFailure> {
        let mut wanted = Self {
            modules: held.modules.keys().map(|id| (id.clone(), None)).collect(),
            documents: held.documents.keys().map(|place| (place.clone(), None)).collect(),
        };
        for (id, text) in &form.modules {
            wanted.modules.insert(id.clone(), Some(text.clone()));
        }
        for (place, document) in &form.documents {
            let text = String::from_utf8(document.text.clone()).ok().filter(|_| !document.yaml);
            let text = text.ok_or_else(|| OpaFailure::Yaml { path: document.path.clone() })?;
            wanted.documents.insert(place.clone(), Some(text));
        }
        Ok(wanted)
    }

    /// Without what is not there.
    pub(super) fn present(mut self) -> Self {
        self.modules.retain(|_, text| text.is_some());
        self.documents.retain(|_, text| text.is_some());
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.modules.is_empty() && self.documents.is_empty()
    }
}

/// The journal's content.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: u32,
    /// The revision in force.
    revision: Option<String>,
    /// What was put for it.
    held: Placed,
    /// Set while a change is under way: what has to come back if it does not end.
    former: Option<Placed>,
}

/// Written before OPA is changed, and after.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    written: Written,
}

impl Journal {
    /// Reads the journal. One that cannot be read is an error: what it says has to be undone.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = folder.to_owned();
        let mut text = Vec::new();
        match File::open(folder.join(FILE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Self {
                    folder,
                    written: Written { format: FORMAT, ..Written::default() },
                });
            }
            Err(error) => return Err(error),
            Ok(file) => file.take(JOURNAL_BYTES_MAX as u64 + 1).read_to_end(&mut text)?,
        };
        let bad = |problem: String| io::Error::new(io::ErrorKind::InvalidData, problem);
        let written: Written =
            serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
        if written.format != FORMAT {
            return Err(bad(format!("its format is {}, not {FORMAT}", written.format)));
        }
        Ok(Self { folder, written })
    }

    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    pub(super) fn held(&self) -> &Placed {
        &self.written.held
    }

    pub(super) fn revision(&self) -> Option<&str> {
        self.written.revision.as_deref()
    }

    /// What has to come back, where a change did not end.
    pub(super) fn former(&self) -> Option<&Placed> {
        self.written.former.as_ref()
    }

    /// Remembers what has to come back. Nothing of OPA may be changed before this returns.
    pub(super) fn begin(&mut self, former: Placed) -> io::Result<()> {
        self.written.former = Some(former);
        let kept = self.write();
        if kept.is_err() {
            self.written.former = None;
        }
        kept
    }

    /// The change ended well.
    pub(super) fn end(&mut self, revision: &str, held: Placed) -> io::Result<()> {
        let written = Written {
            format: FORMAT,
            revision: Some(revision.to_owned()),
            held: held.present(),
            former: None,
        };
        let before = std::mem::replace(&mut self.written, written);
        let kept = self.write();
        if kept.is_err() {
            self.written = before;
        }
        kept
    }

    /// What had to come back is back. That this cannot be written only makes it come back again.
    pub(super) fn undone(&mut self) -> io::Result<()> {
        self.written.former = None;
        self.write()
    }

    fn write(&self) -> io::Result<()> {
        let text = serde_json::to_vec(&self.written).expect("a journal always serialises");
        write_durably(&self.folder, FILE, &text)
    }
}
