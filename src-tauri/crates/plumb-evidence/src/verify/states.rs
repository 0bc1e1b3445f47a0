//! The states that were recorded while a journal was captured, beside those that its events come to here.

use std::{cell::Cell, io::BufReader};

use plumb_fleet::fleet::NODES_MAX;
use plumb_journal::{PROJECTION, StateHashes, StateMark};

use crate::{
    archive::{Archive, Source},
    journal::{JournalReader, NoJournal, next_line},
    limits::{PIECE_BYTES, STATE_BYTES_MAX, STATE_WORK_FROM_BYTES, STATE_WORK_MAX},
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
    let journal_bytes = events.bytes;
    let wrong = |why: String| (format!("{name}: {why}"), name.clone());
    let unread = |error: std::io::Error| wrong(error.to_string());
    let unheard = |error: NoJournal| (format!("{journal}: {error}"), journal.clone());
    let mut recorded = BufReader::with_capacity(PIECE_BYTES, archive.read(recorded));
    let mut events =
        JournalReader::new(BufReader::with_capacity(PIECE_BYTES, archive.read(events)))
            .map_err(unheard)?;
    let mut mark = Vec::new();
    let mut hashes = StateHashes::default();
    let work_max = STATE_WORK_MAX * journal_bytes + STATE_WORK_FROM_BYTES;
    let mut same: u64 = 0;
    while let Some(entry) = events.event().map_err(unheard)? {
        let found = hashes.take(&entry);
        if let Some(why) = too_much(&hashes, work_max) {
            return Err((format!("{journal}: event {} {why}", found.seq + 1), journal.clone()));
        }
        let more = next_line(&mut recorded, &mut mark).map_err(unread)?;
        let told = if more { serde_json::from_slice::<StateMark>(&mark).ok() } else { None };
        match told {
            Some(told) if same_as(&told, &found, &hashes) => same += 1,
            Some(StateMark { projection, .. }) if hashes.by(projection).is_none() => {
                open.set(true);
                return Ok(Some(format!(
                    "run {}: version {projection} of the projection recorded its states, and this program has \
                     version {PROJECTION}",
                    run.run
                )));
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
    Ok(Some(format!("run {}: {same} states come out as recorded with the events", run.run)))
}

/// Whether a state that was recorded is the one that the events come to, by the version that recorded it.
fn same_as(told: &StateMark, found: &StateMark, hashes: &StateHashes) -> bool {
    (told.seq, told.event) == (found.seq, found.event)
        && hashes.by(told.projection) == Some(told.state)
}

/// Why a journal is folded no further: whoever made it up would have memory filled, or time spent.
fn too_much(hashes: &StateHashes, work_max: u64) -> Option<String> {
    if hashes.state().nodes.len() > NODES_MAX {
        return Some(format!("is about one more than the {NODES_MAX} nodes that a fleet may have"));
    }
    if hashes.held_bytes() > STATE_BYTES_MAX {
        return Some(format!(
            "leaves more to know of the run than the {STATE_BYTES_MAX} bytes that are held"
        ));
    }
    (hashes.hashed_bytes() > work_max).then(|| {
        format!(
            "is not followed to: that takes more than {STATE_WORK_MAX} times the bytes of the whole journal"
        )
    })
}
