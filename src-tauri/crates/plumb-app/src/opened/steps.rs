//! The moments that opened evidence can be looked at.

use jiff::Timestamp;
use plumb_fleet::RunId;

use super::read::Contents;
use crate::{
    queries::moments::sentence,
    views::{convert::ms, evidence::EvidenceStep},
};

/// A moment: before everything, after an event of a run, or as it was captured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) at: Timestamp,
    pub(super) run: Option<RunId>,
    pub(super) seq: Option<u64>,
    what: String,
    loud: bool,
}

impl Step {
    pub(super) fn view(&self) -> EvidenceStep {
        EvidenceStep {
            at_ms: ms(self.at),
            what: self.what.clone(),
            run: self.run.map(|run| run.to_string()),
            event: self.seq.map(|seq| u32::try_from(seq + 1).unwrap_or(u32::MAX)),
            loud: self.loud,
        }
    }
}

/// Every event of every journal, between the beginning of the window and the capture.
pub(super) fn all(contents: &Contents) -> Vec<Step> {
    let plain = |at: Timestamp, what: &str| Step {
        at,
        run: None,
        seq: None,
        what: what.to_owned(),
        loud: false,
    };
    let mut events: Vec<Step> = contents
        .runs
        .iter()
        .flat_map(|run| {
            run.bodies.iter().map(|body| {
                let (what, loud) = sentence(&body.event);
                Step { at: body.at, run: Some(run.part.run), seq: Some(body.seq), what, loud }
            })
        })
        .collect();
    // Stable, so events of one run keep their order also where a clock was set back.
    events.sort_by_key(|step| step.at);
    let window = contents.evidence.about.window;
    let first = events.first().map_or(window.from, |first| first.at.min(window.from));
    let last = events.last().map_or(contents.captured_at, |last| last.at.max(contents.captured_at));
    let mut steps = vec![plain(first, "before the first event")];
    steps.append(&mut events);
    steps.push(plain(last, "as it was captured"));
    steps
}
