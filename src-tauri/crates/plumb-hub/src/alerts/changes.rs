//! What changed since somebody looked last, told as soon as it did.

use std::time::Duration;

use plumb_alert::Entitlement;
use plumb_inbox::{InboxError, LIST_MAX, NoPlace, Place, Since};
use plumb_wire::alerts::ChangesQuery;
use serde_json::{Value, json};

use super::shown;
use crate::{access::Caller, hub::Hub, limits::CHANGES_WAIT_MAX, problem::Problem};

/// Alerts that changed after a place, in the order in which they did. Held back while there is nothing to tell.
pub(crate) async fn changes(
    hub: &Hub,
    caller: &Caller,
    wanted: &ChangesQuery,
) -> Result<Value, Problem> {
    caller.may(Entitlement::Read)?;
    let place = wanted.after.as_deref().map(str::parse::<Place>).transpose();
    let place = place.map_err(|NoPlace| Problem::from(InboxError::NoPlace))?;
    let since = match (&place, wanted.newest) {
        (Some(_), Some(_)) => {
            return Err(Problem::refused("newest says where to begin: leave it out with after"));
        }
        (Some(place), None) => Since::Place(place),
        (None, Some(newest)) => Since::Newest(newest),
        (None, None) => Since::START,
    };
    let limit = wanted.limit.unwrap_or(LIST_MAX);
    let wait = Duration::from_secs(wanted.wait_s.unwrap_or(0)).min(CHANGES_WAIT_MAX);
    // Before the look, so that nothing falls between the two.
    let mut tips = hub.tips.subscribe();
    let over = tokio::time::sleep(wait);
    tokio::pin!(over);
    let mut waited_from: Option<Place> = None;
    loop {
        tips.borrow_and_update();
        // The newest of now are others after a change: whoever waits goes on from the first look.
        let since = waited_from.as_ref().map_or(since, Since::Place);
        let told = hub.inbox.changes(since, limit).await?;
        let moved = wanted.entries.is_some_and(|known| known != told.entries);
        if !told.alerts.is_empty() || moved || over.is_elapsed() || hub.stop.is_cancelled() {
            return Ok(json!({
                "alerts": told.alerts.iter().map(shown).collect::<Vec<_>>(),
                "next": told.next.to_string(),
                "more": told.more,
                "entries": told.entries,
                "now": told.now,
            }));
        }
        waited_from = Some(told.next);
        tokio::select! {
            changed = tips.changed() => if changed.is_err() { return Err(Problem::not_now("the hub stops".to_owned())) },
            () = &mut over => {}
            () = hub.stop.cancelled() => {}
        }
    }
}
