//! The journal in SQLite: appends that meet share one durable transaction, with the signed head after them.

use std::sync::Arc;

use jiff::Timestamp;
use plumb_exec::{Journal, JournalError};
use plumb_fleet::RunId;
use plumb_journal::{Entry, Event, Head, head, is_signed_after};
use plumb_store::{Database, StoreError, heads::HeadRow, journal::JournalRow};
use plumb_trust::dsse::{Envelope, SigningKey};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::{app::App, error::chain, topics::Topic};

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
    /// With a key, heads are signed.
    pub(crate) fn new(
        app: App,
        run: RunId,
        entries: &[Entry],
        key: Option<Arc<SigningKey>>,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let last = entries.iter().map(|entry| entry.body.at).max().unwrap_or(Timestamp::MIN);
        let writer = Writer { record: app.record(), app, head: head(run, entries), last, key };
        (Self { queue }, writer.write(waiting))
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

struct Writer {
    app: App,
    record: Database,
    head: Head,
    /// Events of a journal never go back in time, whatever the wall clock does.
    last: Timestamp,
    key: Option<Arc<SigningKey>>,
}

impl Writer {
    async fn write(mut self, mut waiting: mpsc::Receiver<Waiting>) {
        while let Some(first) = waiting.recv().await {
            let mut batch = vec![first];
            while let Ok(next) = waiting.try_recv() {
                batch.push(next);
            }
            let events = batch.iter_mut().flat_map(|(events, _)| events.drain(..)).collect();
            let result = self.append(events).await;
            let message = result.err().map(|error| chain(&error));
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

    /// Makes events durable together, and what is signed after them with them.
    async fn append(&mut self, events: Vec<Event>) -> Result<(), StoreError> {
        let mut next = self.head;
        let signs = events.iter().any(is_signed_after);
        let mut rows = Vec::with_capacity(events.len());
        for event in events {
            self.last = self.last.max(self.app.now());
            let entry = next.append(self.last, event);
            rows.push(JournalRow {
                seq: entry.body.seq,
                at: entry.body.at,
                body: entry.body.canonical(),
                hash: entry.hash,
                previous: entry.body.previous,
            });
        }
        let signed = if signs { self.signed(next) } else { None };
        store(next.run, &self.record, &rows, signed).await?;
        self.head = next;
        self.app.announce([Topic::run(next.run)]);
        Ok(())
    }

    fn signed(&self, head: Head) -> Option<HeadRow> {
        let key = self.key.as_deref()?;
        match Envelope::sign(&head.at(self.last).statement(), &[key]) {
            Ok(envelope) => {
                let bytes = envelope.to_bytes();
                let envelope = String::from_utf8(bytes).expect("an envelope is JSON");
                Some(HeadRow { events: head.seq, envelope })
            }
            Err(error) => {
                warn!(run = %head.run, error = %chain(&error), "head of the journal not signed");
                None
            }
        }
    }
}

async fn store(
    run: RunId,
    record: &Database,
    rows: &[JournalRow],
    signed: Option<HeadRow>,
) -> Result<(), StoreError> {
    let mut transaction = record.write().await?;
    plumb_store::journal::append(&mut transaction, run, rows).await?;
    if let Some(head) = signed {
        plumb_store::heads::add(&mut transaction, run, &head).await?;
    }
    transaction.commit().await
}
