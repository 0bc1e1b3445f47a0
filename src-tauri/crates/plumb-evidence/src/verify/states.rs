//! The states that were recorded while a journal was captured, beside those that its events come to here.

use std::io::BufReader;

use plumb_journal::{StateHashes, StateMark};

use crate::{
    archive::{Archive, Source},
    journal::{JournalReader, NoJournal, next_line},
    limits::PIECE_BYTES,
    manifest::{RunPart, run_folder, states_of},
};

/// What a comparison found: how many states are the same, or what is wrong and where.
pub(super) fn states<S: Source>(
    archive: &Archive<S>,
    run: &RunPart,
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
    while let Some(entry) = events.event().map_err(unheard)? {
        let found = hashes.take(&entry);
        let more = next_line(&mut recorded, &mut mark).map_err(unread)?;
        let told = if more { serde_json::from_slice::<StateMark>(&mark).ok() } else { None };
        match told {
            Some(told) if told == found => same += 1,
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
    Ok(Some(format!("run {}: {same} states come out as recorded", run.run)))
}
