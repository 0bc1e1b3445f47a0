//! What changes in an inbox, for whoever follows it. To read all of it is to follow it from the start.

use jiff::Timestamp;
use plumb_alert::Alert;

use super::{Inbox, LIST_MAX, in_range};
use crate::{
    error::{InboxError, StoreFailure},
    store::{NoPlace, Place, Tip},
};

/// From where changes are read.
#[derive(Debug, Clone, Copy)]
pub enum Since<'a> {
    /// So many of the newest alerts first.
    Newest(u32),
    /// What changed after the end of an earlier answer.
    Place(&'a Place),
}

impl Since<'_> {
    /// Every alert there is.
    pub const START: Self = Self::Newest(u32::MAX);
}

/// What changed, as it was at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// In the order in which they changed last; each stands here once, as it is now.
    pub alerts: Vec<Alert>,
    /// Where the next question begins.
    pub next: Place,
    /// There is more to read already.
    pub more: bool,
    /// Entries of all timelines: another number says that an incident moved on.
    pub entries: u64,
    /// The time that decides here.
    pub now: Timestamp,
}

impl Inbox {
    /// Alerts that changed since then. One that moves on while somebody reads page by page comes once more, later; none is
    /// missed, whatever clocks and other writers do. A place of another run of numbers is refused.
    pub async fn changes(&self, since: Since<'_>, limit: u32) -> Result<Changes, InboxError> {
        in_range("limit", limit.into(), 1, LIST_MAX.into())?;
        let mut rows = self.store.read().await?;
        let Tip { place: tip, entries } = rows.tip().await?;
        let after = match since {
            Since::Newest(count) => rows.before_newest(count).await?,
            Since::Place(place) if place.feed == tip.feed && place.change <= tip.change => {
                place.change
            }
            Since::Place(_) => return Err(NoPlace.into()),
        };
        let found = rows.changed(after, limit).await?;
        let now = rows.now().await?;
        let more = found.len() == limit as usize;
        let read = found.last().filter(|_| more).map_or(tip.change, |(change, _)| *change);
        let alerts = found.into_iter().map(|(_, alert)| alert).collect();
        let next = Place { feed: tip.feed, change: read };
        Ok(Changes { alerts, next, more, entries, now })
    }

    /// What was kept last.
    pub async fn tip(&self) -> Result<Tip, StoreFailure> {
        self.store.read().await?.tip().await
    }
}
