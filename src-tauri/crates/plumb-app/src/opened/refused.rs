//! What was refused in the fleet, from an archive into the files that queries read.

use std::collections::BTreeSet;

use plumb_fleet::{FleetId, RunId};
use plumb_store::{SqliteConnection, refused::RefusedHere};
use plumb_trust::refused::RefusedList;

use super::reading::{Reading, under, unread};
use crate::{
    actions::capture::refused::{LISTS, LISTS_MAX, LOG, ListLine, RefusedLine, list_of},
    error::AppError,
};

/// Lists with their envelopes, and the log of the console.
#[derive(Debug, Default)]
pub(super) struct CapturedRefused {
    pub(super) lists: Vec<(ListLine, Vec<u8>)>,
    pub(super) log: Vec<RefusedLine>,
}

pub(super) fn all(reading: &mut Reading<'_>, fleet: &FleetId) -> Result<CapturedRefused, AppError> {
    let told: Vec<ListLine> = reading.lines(LISTS)?;
    under(told.len(), LISTS_MAX, "refused lists")?;
    let mut lists = Vec::with_capacity(told.len());
    for line in told {
        let name = list_of(line.version);
        let envelope = reading.bytes(&name)?;
        let list = RefusedList::kept(&envelope).map_err(|error| unread(&name, &error))?;
        let same = (list.version(), list.digest()) == (line.version, line.digest);
        if !same || list.document().fleet != *fleet {
            let problem = std::io::Error::other("it is another list than was accepted");
            return Err(unread(&name, &problem));
        }
        lists.push((line, envelope));
    }
    Ok(CapturedRefused { lists, log: reading.lines(LOG)? })
}

/// Runs that are not in the archive are not named: nobody could look at them.
pub(super) async fn fill(
    record: &mut SqliteConnection,
    fleet: &FleetId,
    refused: &CapturedRefused,
    runs: &BTreeSet<RunId>,
) -> Result<(), AppError> {
    for (line, envelope) in &refused.lists {
        let ListLine { version, digest, accepted_at } = *line;
        plumb_store::refused::add_list(record, fleet, version, digest, envelope, accepted_at)
            .await?;
    }
    for line in &refused.log {
        let RefusedLine { at, content, refuses, ref reason, run } = *line;
        let run = run.filter(|run| runs.contains(run));
        let row = RefusedHere { content, since: at, reason: reason.clone(), run };
        if refuses {
            plumb_store::refused::refuse(record, fleet, &row).await?;
        } else {
            plumb_store::refused::lift(record, fleet, &row).await?;
        }
    }
    Ok(())
}
