//! What consent was bound to, from an archive into the files that queries read.

use jiff::Timestamp;
use plumb_fleet::{Digest, FleetId};
use plumb_store::{SqliteConnection, dry_runs::KeptDryRun, readiness::KeptReadiness};

use super::reading::Reading;
use crate::{
    actions::capture::readiness::{DRY_RUN, DRY_RUN_MADE, DryRunMade, ReadinessLine},
    error::AppError,
};

/// What the dry run found that stands in the folder of a run or of a request. An archive of an earlier program does not
/// say when it was made: then it was there when the run began, or the request was made.
pub(super) fn dry_run(
    reading: &mut Reading<'_>,
    folder: &str,
    at_latest: Timestamp,
) -> Result<Option<KeptDryRun>, AppError> {
    let name = format!("{folder}/{DRY_RUN}");
    if reading.archive.find(&name).is_none() {
        return Ok(None);
    }
    let document = reading.text(&name)?;
    let made: Option<DryRunMade> = reading.optional(&format!("{folder}/{DRY_RUN_MADE}"))?;
    let digest = Digest::of(document.as_bytes());
    Ok(Some(KeptDryRun { made_at: made.map_or(at_latest, |made| made.made_at), digest, document }))
}

pub(super) async fn fill(
    record: &mut SqliteConnection,
    fleet: &FleetId,
    readiness: &[ReadinessLine],
) -> Result<(), AppError> {
    for line in readiness {
        let ReadinessLine { at, by, item, document } = line.clone();
        let kept = KeptReadiness { item, document, added_by: by, added_at: at };
        plumb_store::readiness::add(record, fleet, &kept).await?;
    }
    Ok(())
}
