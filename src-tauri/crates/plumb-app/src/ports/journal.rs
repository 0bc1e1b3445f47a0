//! The journal in SQLite: appends that meet share one durable transaction.

use jiff::Timestamp;
use plumb_exec::{Journal, JournalError};
use plumb_fleet::RunId;
use plumb_journal::{Event, Head};
use plumb_store::{Database, StoreError, journal::JournalRow};
use tokio::sync::{mpsc, oneshot};

use crate::{app::App, topics::Topic};

/// Appends waiting for the disk; more callers wait before they may add theirs.
const WAITING_MAX: usize = 256;

type Waiting = (Vec<Event>, oneshot::Sender<Result<(), JournalError>>);

/// The journal of one run. Dropping it ends the writer after what waits.
#[derive(Debug)]
pub(crate) struct StoreJournal {
    queue: mpsc::Sender<Waiting>,
}

impl StoreJournal {
    /// Starts the writer of a run's journal after what it holds already; its future is to be spawned.
    pub(crate) fn new(app: App, head: Head) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        (Self { queue }, write(app, head, waiting))
    }
}

impl Journal for StoreJournal {
    async fn append(&self, events: Vec<Event>) -> Result<(), JournalError> {
        let (done, answer) = oneshot::channel();
        let gone = || JournalError("the writer of the journal has ended".into());
        self.queue.send((events, done)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

async fn write(app: App, mut head: Head, mut waiting: mpsc::Receiver<Waiting>) {
    let (run, record) = (head.run, app.record());
    let mut last = Timestamp::MIN;
    while let Some(first) = waiting.recv().await {
        let mut batch = vec![first];
        while let Ok(next) = waiting.try_recv() {
            batch.push(next);
        }
        let mut next = head;
        let mut rows = Vec::new();
        for event in batch.iter_mut().flat_map(|(events, _)| events.drain(..)) {
            // Events of a journal never go back in time, whatever the wall clock does.
            last = last.max(app.now());
            let entry = next.append(last, event);
            rows.push(JournalRow {
                seq: entry.body.seq,
                at: entry.body.at,
                body: entry.body.canonical(),
                hash: entry.hash,
                previous: entry.body.previous,
            });
        }
        let result = store(run, &record, &rows).await;
        if result.is_ok() {
            head = next;
            app.announce([Topic::run(run)]);
        }
        let message = result.err().map(|error| crate::error::chain(&error));
        for (_, done) in batch {
            let answer = match &message {
                None => Ok(()),
                Some(message) => Err(JournalError(message.clone().into())),
            };
            // A caller that no longer waits was cancelled; its events are durable all the same.
            let _ = done.send(answer);
        }
    }
}

async fn store(run: RunId, record: &Database, rows: &[JournalRow]) -> Result<(), StoreError> {
    let mut transaction = record.write().await?;
    plumb_store::journal::append(&mut transaction, run, rows).await?;
    transaction.commit().await
}
