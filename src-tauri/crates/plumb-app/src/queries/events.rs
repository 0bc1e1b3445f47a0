//! The events of a run one after the other: however long it was, a page of them is in memory.

use plumb_fleet::RunId;
use plumb_journal::{Body, Entry, Head, RunState};
use plumb_store::StoreError;

use crate::{actions::start::unreadable, app::App, error::AppError};

/// Events that are read at once.
const PAGE_EVENTS: usize = 1_000;

/// What a journal amounts to.
#[derive(Debug, Clone)]
pub struct Followed {
    pub state: RunState,
    /// Where it stands.
    pub head: Head,
}

impl Followed {
    pub fn empty(run: RunId) -> Self {
        Self { state: RunState::default(), head: Head::empty(run) }
    }

    /// Takes in the next event.
    pub fn take(&mut self, entry: &Entry) {
        self.state.apply(&entry.body.event, entry.body.at);
        self.head = Head { seq: entry.body.seq + 1, hash: entry.hash, ..self.head };
    }
}

impl App {
    /// Hands over the events of a run in order, checked to be without a gap and chained.
    pub(crate) async fn each_event(
        &self,
        run: RunId,
        mut take: impl FnMut(Entry) + Send,
    ) -> Result<(), AppError> {
        let mut conn = self.record().read().await?;
        let mut last: Option<Head> = None;
        loop {
            let from = last.map_or(0, |last| last.seq);
            let page = plumb_store::journal::page(&mut conn, run, from, PAGE_EVENTS).await?;
            if page.is_empty() {
                return Ok(());
            }
            for event in page {
                let body: Body =
                    serde_json::from_str(&event.body).map_err(|error| unreadable(run, &error))?;
                let continues = match last {
                    None => event.seq <= 1,
                    Some(last) => event.seq == last.seq && body.previous == last.hash,
                };
                let (Some(hash), true) = (event.hash, continues) else {
                    return Err(StoreError::JournalBroken { run, seq: event.seq }.into());
                };
                last = Some(Head { run, seq: event.seq + 1, hash });
                take(Entry { body, hash });
            }
        }
    }

    /// What the journal of a run amounts to.
    pub(crate) async fn folded(&self, run: RunId) -> Result<Followed, AppError> {
        let mut followed = Followed::empty(run);
        self.each_event(run, |entry| followed.take(&entry)).await?;
        Ok(followed)
    }
}
