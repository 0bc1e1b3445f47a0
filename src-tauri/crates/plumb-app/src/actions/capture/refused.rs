//! What is refused in the fleet: each list as it was signed, and what this console refused by itself and lifted again.

use jiff::Timestamp;
use plumb_evidence::{Capture, CaptureError};
use plumb_fleet::{ContentDigest, Digest, RunId};
use plumb_redact::Form;
use plumb_store::refused::{KeptList, RefusedHere};
use plumb_trust::refused::RefusedList;
use serde::{Deserialize, Serialize};

use super::{Scope, gather::lines, not_captured};
use crate::{app::App, error::AppError};

/// Lists of one capture, the newest of them: each names all content that is refused then.
pub(crate) const LISTS_MAX: usize = 200;

/// Where it stands in an archive.
pub(crate) const LISTS: &str = "refused/lists.jsonl";
pub(crate) const LOG: &str = "refused/content.jsonl";

/// Entry of a signed list.
pub(crate) fn list_of(version: u32) -> String {
    format!("refused/list-{version:05}.dsse.json")
}

/// When a list was accepted.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct ListLine {
    pub(crate) version: u32,
    pub(crate) digest: Digest,
    pub(crate) accepted_at: Timestamp,
}

/// Content that the console refused by itself from a moment on, or did not refuse any more.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RefusedLine {
    pub(crate) at: Timestamp,
    pub(crate) content: ContentDigest,
    pub(crate) refuses: bool,
    pub(crate) reason: String,
    /// The run that was rolled back.
    pub(crate) run: Option<RunId>,
}

impl App {
    /// Lists as they were signed, and the log of the console.
    pub(super) async fn refused_evidence(
        &self,
        capture: &mut Capture,
        scope: &Scope,
    ) -> Result<(), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let fleet = &scope.current.fleet.name;
        let (mut lists, log) = {
            let mut conn = self.record().read().await?;
            let lists = plumb_store::refused::lists(&mut conn, fleet).await?;
            (lists, plumb_store::refused::log(&mut conn, fleet).await?)
        };
        let log: Vec<RefusedLine> = log.into_iter().map(|row| line(row, &lists)).collect();
        capture.take_lines("refused content", LOG, lines(&log)).map_err(wrong)?;
        if let Some(older) = lists.len().checked_sub(LISTS_MAX).filter(|older| *older > 0) {
            let why = format!("the newest {LISTS_MAX} are taken");
            capture.lacks(&format!("{older} older refused lists"), &why).map_err(wrong)?;
            lists.drain(..older);
        }
        let mut told = Vec::with_capacity(lists.len());
        for list in lists {
            let KeptList { version, digest, accepted_at, envelope } = list;
            let name = list_of(version);
            if capture.bound("refused list", Form::Json, &name, &envelope).map_err(wrong)? {
                told.push(ListLine { version, digest, accepted_at });
            }
        }
        capture.take_lines("refused lists", LISTS, lines(&told)).map_err(wrong)
    }
}

/// A row of the log with its moment: content is lifted when the list is accepted that says it is clean.
fn line((row, refuses): (RefusedHere, bool), lists: &[KeptList]) -> RefusedLine {
    let RefusedHere { content, since, reason, run } = row;
    let clears = |list: &&KeptList| {
        let read = RefusedList::kept(&list.envelope);
        read.is_ok_and(|read| read.document().cleared.contains_key(&content))
    };
    let mut later = lists.iter().filter(|list| list.accepted_at >= since);
    let lifted = if refuses { None } else { later.find(clears) };
    let at = lifted.map_or(since, |list| list.accepted_at);
    RefusedLine { at, content, refuses, reason, run }
}
