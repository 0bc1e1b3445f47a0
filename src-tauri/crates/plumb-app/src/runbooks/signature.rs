//! A signature over a runbook: who of a roster lets it run.

use camino::{Utf8Path, Utf8PathBuf};
use plumb_fleet::Digest;
use plumb_runbook::document::parse;
use plumb_trust::dsse::{Envelope, Predicate, Statement, Subject};
use serde::{Deserialize, Serialize};

use crate::{
    actions::files::write_chosen,
    app::App,
    error::{AppError, Code, chain},
    personal_keys::KeyChoice,
    views::runbook::RunbookSignatureView,
};

/// What a signature over a runbook says: that exactly these bytes may run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunbookSigned {
    pub file: String,
    pub sha256: Digest,
}

impl Predicate for RunbookSigned {
    const TYPE: &'static str = "https://plumbline.invalid/runbook/v1";
}

/// Where the signature over a runbook stands: beside it.
pub(super) fn signature_path(path: &Utf8Path) -> Utf8PathBuf {
    Utf8PathBuf::from(format!("{path}.sig.json"))
}

impl App {
    /// Signs a runbook with a key of a person, into the file beside it. It runs without its phrase where a
    /// roster that names the key rules the fleet.
    pub async fn sign_runbook(
        &self,
        path: &Utf8Path,
        key: &KeyChoice,
    ) -> Result<RunbookSignatureView, AppError> {
        let (shelf, file) = self.runbooks_beside(path).await?;
        let text = &shelf.get(&file)?.text;
        // What cannot be read is signed by nobody.
        if let Err(errors) = parse(text) {
            let lines: Vec<String> = errors.iter().map(|error| format!("{file}:{error}")).collect();
            let hint = "mend it first: plumb runbook check FILE";
            return Err(AppError::new(Code::Invalid, lines.join("\n"), hint));
        }
        let key = self.personal_key(key).await?;
        let sha256 = Digest::of(text.as_bytes());
        let statement = Statement {
            subject: vec![Subject::new(file.clone(), sha256)],
            predicate: RunbookSigned { file: file.clone(), sha256 },
        };
        let signed = Envelope::sign(&statement, &[&key])
            .map_err(|error| AppError::new(Code::Other, chain(&error), "try another key"))?;
        let signature = signature_path(path);
        let envelope = String::from_utf8(signed.to_bytes()).expect("an envelope is JSON");
        write_chosen(signature.clone(), envelope).await?;
        Ok(RunbookSignatureView {
            file,
            sha256: sha256.to_string(),
            key: key.public().id().to_string(),
            signature: signature.into_string(),
        })
    }
}
