//! What changed since somebody looked last, told as soon as it did.

use std::time::Duration;

use jiff::Timestamp;
use plumb_alert::{Alert, Entitlement};
use plumb_inbox::LIST_MAX;
use plumb_wire::alerts::ChangesQuery;
use serde_json::{Value, json};

use super::shown;
use crate::{
    access::Caller,
    hub::Hub,
    limits::{CHANGES_WAIT_MAX, TOLD_AGAIN},
    problem::Problem,
};

/// Where a follower stands: when the last alert was kept that they know, and its reference.
type Place = (Timestamp, String);

/// Alerts that changed after a place, the longest ago first; some that changed shortly before it are told again. Held
/// back while there is nothing to tell.
pub(crate) async fn changes(
    hub: &Hub,
    caller: &Caller,
    wanted: &ChangesQuery,
) -> Result<Value, Problem> {
    caller.may(Entitlement::Read)?;
    let place = wanted.after.as_deref().map(place).transpose()?;
    let place = place.unwrap_or((Timestamp::UNIX_EPOCH, String::new()));
    let limit = wanted.limit.unwrap_or(LIST_MAX);
    let wait = Duration::from_secs(wanted.wait_s.unwrap_or(0)).min(CHANGES_WAIT_MAX);
    // Before the look, so that nothing falls between the two.
    let mut tips = hub.tips.subscribe();
    let over = tokio::time::sleep(wait);
    tokio::pin!(over);
    loop {
        tips.borrow_and_update();
        let now = hub.inbox.now().await?;
        let entries = hub.inbox.tip().await?.entries;
        let fresh = hub.inbox.changed((place.0, &place.1), limit).await?;
        let moved = wanted.entries.is_some_and(|known| known != entries);
        if !fresh.is_empty() || moved || over.is_elapsed() {
            return answer(hub, &place, limit, fresh, entries, now).await;
        }
        tokio::select! {
            changed = tips.changed() => if changed.is_err() { return Err(Problem::not_now("the hub stops".to_owned())) },
            () = &mut over => {}
            () = hub.stop.cancelled() => return answer(hub, &place, limit, fresh, entries, now).await,
        }
    }
}

async fn answer(
    hub: &Hub,
    place: &Place,
    limit: u32,
    fresh: Vec<(Timestamp, Alert)>,
    entries: u64,
    now: Timestamp,
) -> Result<Value, Problem> {
    let more = fresh.len() == limit as usize;
    let next = fresh
        .last()
        .map_or_else(|| place.clone(), |(at, alert)| (*at, alert.alert_ref.to_string()));
    let told = if fresh.is_empty() || more {
        fresh
    } else {
        with_earlier(hub, place, limit, fresh).await?
    };
    Ok(json!({
        "alerts": told.iter().map(|(_, alert)| shown(alert)).collect::<Vec<_>>(),
        "next": format!("{},{}", next.0, next.1),
        "more": more,
        "entries": entries,
        "now": now,
    }))
}

/// What changed is told together with what changed shortly before: a change of another hub may have become visible late.
async fn with_earlier(
    hub: &Hub,
    place: &Place,
    limit: u32,
    fresh: Vec<(Timestamp, Alert)>,
) -> Result<Vec<(Timestamp, Alert)>, Problem> {
    let from = place.0.checked_sub(TOLD_AGAIN).unwrap_or(Timestamp::UNIX_EPOCH);
    let all = hub.inbox.changed((from, ""), limit).await?;
    // So many changes in a few seconds leave no room: what is fresh comes first.
    Ok(if all.len() == limit as usize { fresh } else { all })
}

fn place(text: &str) -> Result<Place, Problem> {
    let told = || Problem::refused("after is the next of the answer before");
    let (at, alert) = text.split_once(',').ok_or_else(told)?;
    Ok((at.parse().map_err(|_| told())?, alert.to_owned()))
}
