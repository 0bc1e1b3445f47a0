//! Steps about evidence: captured, sealed, verified by somebody else, and found out when it was altered.

use std::fs;

use camino::Utf8PathBuf;
use plumb_app::{
    actions::capture::{CaptureRequest, Sealer},
    error::AppError,
    queries::evidence::{evidence_trust_of, verify_draft, verify_evidence},
    views::{
        evidence::{EvidenceResult, EvidenceVerdictView},
        plan::NodeSelection,
    },
};

use super::{FLEET, Session};

impl Session {
    pub(super) async fn evidence(&mut self, words: &[&str]) -> Result<(), AppError> {
        match words {
            ["capture"] => self.capture().await,
            ["seal"] => {
                let folder = self.path("draft");
                let sealed = self
                    .app
                    .seal_evidence(&folder, &self.path("evidence.zip"), &Sealer::Console)
                    .await?;
                self.say(format_args!("sealed; {} planted secrets, none found", sealed.planted));
                Ok(())
            }
            ["look", "at", "folder"] => {
                let found = verify_draft(&self.path("draft")).await?;
                self.found(&found);
                Ok(())
            }
            ["verify", who] => self.verify(who).await,
            ["alter", name] => {
                let path = self.path("evidence.zip");
                let mut bytes = fs::read(&path).expect("a sealed archive");
                let name = name.as_bytes();
                let at = bytes.windows(name.len()).position(|window| window == name);
                bytes[at.expect("an entry of this name") + name.len() + 2] ^= 1;
                fs::write(&path, bytes).expect("writable");
                Ok(())
            }
            ["cut"] => {
                let path = self.path("evidence.zip");
                let bytes = fs::read(&path).expect("a sealed archive");
                fs::write(&path, &bytes[..bytes.len() / 2]).expect("writable");
                Ok(())
            }
            other => panic!("there is no step evidence {other:?}"),
        }
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.folder.path().join(name)).expect("UTF-8")
    }

    async fn capture(&mut self) -> Result<(), AppError> {
        let run = self.app.runs(FLEET).await?.into_iter().next().map(|run| run.id);
        let request = CaptureRequest {
            fleet: FLEET.to_owned(),
            run,
            last_s: None,
            nodes: NodeSelection::All,
            ask: true,
            command: vec!["plumb".to_owned(), "--password=not-in-evidence".to_owned()],
            map: None,
        };
        let captured = self.app.capture_evidence(&request, &self.path("draft")).await?;
        let found = captured.rules.iter().filter(|line| line.replaced > 0);
        let found: Vec<&str> = found.map(|line| line.rule.as_str()).collect();
        self.say(format_args!("secrets found by {}", found.join(", ")));
        for missing in &captured.missing {
            self.say(format_args!("missing: {}", missing.what));
        }
        Ok(())
    }

    async fn verify(&mut self, who: &str) -> Result<(), AppError> {
        let keys = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/keys/");
        let trust = match who {
            "at-home" => self.app.evidence_trust().await?,
            "stranger" => evidence_trust_of(&[], &[])?,
            "reviewer" => {
                let key = fs::read_to_string(format!("{keys}ed25519.pub")).expect("a fixture");
                evidence_trust_of(&[key], &[])?
            }
            other => panic!("nobody is called {other}"),
        };
        let found = verify_evidence(&self.path("evidence.zip"), trust).await?;
        self.found(&found);
        Ok(())
    }

    fn found(&mut self, found: &EvidenceVerdictView) {
        for check in &found.checks {
            let result = match check.result {
                EvidenceResult::Passed => "passed",
                EvidenceResult::Failed => "FAILED",
                EvidenceResult::Absent => "none",
                EvidenceResult::Open => "open",
            };
            self.say(format_args!("{result:<7} {}", check.title));
        }
        for note in &found.notes {
            self.say(format_args!("note: {note}"));
        }
        match &found.broken {
            Some(entry) => self.say(format_args!("first broken: {entry}")),
            None => self.say(if found.holds { "holds" } else { "does not hold" }),
        }
    }
}
