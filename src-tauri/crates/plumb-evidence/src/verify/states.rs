//! The states that were recorded while a journal was captured, beside those that its events come to here.

use std::{cell::Cell, io::BufReader};

use plumb_journal::{PROJECTION, StateHashes, StateMark};

use crate::{
    archive::{Archive, Source},
    journal::{JournalReader, NoJournal, next_line},
    limits::PIECE_BYTES,
    manifest::{RunPart, run_folder, states_of},
};

/// What a comparison found: how many states are the same, or what is wrong and where. `open` is set where another
/// version of the projection recorded them, so that nothing can be said.
pub(super) fn states<S: Source>(
    archive: &Archive<S>,
    run: &RunPart,
    open: &Cell<bool>,
) -> Result<Option<String>, (String, String)> {
    let (name, journal) = (states_of(run.run), format!("{}/journal.jsonl", run_folder(run.run)));
    let (Some(recorded), Some(events)) = (archive.find(&name), archive.find(&journal)) else {
        return Ok(None);
    };
    let wrong = |why: String| (format!("{name}: {why}"), name.clone());
    let unread = |error: std::io::Error| wrong(error.to_string());
    let unheard = |error: NoJournal| (format!("{journal}: {error}"), journal.clone());
    let mut recorded = BufReader::with_capacity(PIECE_BYTES, archive.read(recorded));
    let mut events =
        JournalReader::new(BufReader::with_capacity(PIECE_BYTES, archive.read(events)))
            .map_err(unheard)?;
    let mut mark = Vec::new();
    let mut hashes = StateHashes::default();
    let mut same: u64 = 0;
    let mut written_then = true;
    while let Some(entry) = events.event().map_err(unheard)? {
        let found = hashes.take(&entry);
        let more = next_line(&mut recorded, &mut mark).map_err(unread)?;
        let told = if more { serde_json::from_slice::<StateMark>(&mark).ok() } else { None };
        match told {
            Some(StateMark { projection: Some(other), .. }) if other != PROJECTION => {
                open.set(true);
                return Ok(Some(format!(
                    "run {}: version {other} of the projection recorded its states, and this program has version \
                     {PROJECTION}",
                    run.run
                )));
            }
            Some(told) if StateMark { projection: found.projection, ..told } == found => {
                same += 1;
                written_then &= told.projection.is_some();
            }
            Some(_) => {
                return Err(wrong(format!(
                    "event {} comes to another state than was recorded",
                    found.seq + 1
                )));
            }
            None => {
                return Err(wrong(format!("no state was recorded for event {}", found.seq + 1)));
            }
        }
    }
    if next_line(&mut recorded, &mut mark).map_err(unread)? {
        return Err(wrong("states were recorded of events that are not there".to_owned()));
    }
    let when = if written_then { "with the events" } else { "at the capture, not with the events" };
    Ok(Some(format!("run {}: {same} states come out as recorded {when}", run.run)))
}
