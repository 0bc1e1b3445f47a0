//! The journal in SQLite: appends that meet share one durable transaction, with the signed head after them.

use std::sync::Arc;

use jiff::Timestamp;
use plumb_evidence::live::Stand;
use plumb_exec::{Journal, JournalError};
use plumb_fleet::RunId;
use plumb_journal::{Entry, Event, Head, StateHashes, StateMark, head, is_signed_after};
use plumb_store::{Database, StoreError, heads::HeadRow, journal::JournalRow, states::StateRow};
use plumb_trust::dsse::{Envelope, SigningKey};
use tokio::sync::{mpsc, oneshot};
use tracing::warn;

use crate::{
    app::App,
    error::chain,
    ports::{keeping::Keeping, words::Words},
    topics::Topic,
};

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
        Self::with(app, run, (entries, key), None)
    }

    /// The same, where what nodes answer is kept: its stand is noted before an event that a run rests at.
    pub(crate) fn with(
        app: App,
        run: RunId,
        (entries, key): (&[Entry], Option<Arc<SigningKey>>),
        keeping: Option<Arc<Keeping>>,
    ) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        let last = entries.iter().map(|entry| entry.body.at).max().unwrap_or(Timestamp::MIN);
        let mut states = StateHashes::default();
        for entry in entries {
            states.take(entry);
        }
        let mut words = Words::new(&app);
        entries.iter().take(1).for_each(|entry| words.hear(&app, &entry.body.event));
        let (record, states, head) = (app.record(), Some(states), head(run, entries));
        let writer = Writer { record, app, head, last, states, words, key, keeping, noted: 0 };
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
    /// What the run amounts to, which is written with each event; nothing after events that were not kept.
    states: Option<StateHashes>,
    words: Words,
    key: Option<Arc<SigningKey>>,
    keeping: Option<Arc<Keeping>>,
    /// Answers that were noted.
    noted: u64,
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
    async fn append(&mut self, mut events: Vec<Event>) -> Result<(), StoreError> {
        if events.iter().any(is_rest)
            && let Some(keeping) = &self.keeping
            && let Some(Stand { answers, log }) = keeping.keep().await
            && answers > self.noted
        {
            self.noted = answers;
            events.insert(0, Event::EvidenceKept { answers, log });
        }
        let mut next = self.head;
        let mut states = self.states.take();
        let signs = events.iter().any(is_signed_after);
        let mut rows = Vec::with_capacity(events.len());
        let mut marks = Vec::with_capacity(events.len());
        for event in events {
            self.last = self.last.max(self.app.now());
            self.words.hear(&self.app, &event);
            let entry = next.append(self.last, self.words.without_credentials(event));
            marks.extend(states.as_mut().map(|states| row(states.take(&entry))));
            rows.push(JournalRow {
                seq: entry.body.seq,
                at: entry.body.at,
                body: entry.body.canonical(),
                hash: entry.hash,
                previous: entry.body.previous,
            });
        }
        let signed = if signs { self.signed(next) } else { None };
        store(next.run, &self.record, (&rows, &marks), signed).await?;
        (self.head, self.states) = (next, states);
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

fn row(mark: StateMark) -> StateRow {
    let StateMark { seq, event, state, projection } = mark;
    StateRow { seq, event, state, projection }
}

/// Whether a run comes to rest at an event: at its end, and where somebody may look at it for long.
const fn is_rest(event: &Event) -> bool {
    matches!(
        event,
        Event::RunEnded { .. }
            | Event::GateReached { .. }
            | Event::Halted { .. }
            | Event::Paused { .. }
    )
}

async fn store(
    run: RunId,
    record: &Database,
    (rows, marks): (&[JournalRow], &[StateRow]),
    signed: Option<HeadRow>,
) -> Result<(), StoreError> {
    let mut transaction = record.write().await?;
    plumb_store::journal::append(&mut transaction, run, rows).await?;
    plumb_store::states::append(&mut transaction, run, marks).await?;
    if let Some(head) = signed {
        plumb_store::heads::add(&mut transaction, run, &head).await?;
    }
    transaction.commit().await
}
