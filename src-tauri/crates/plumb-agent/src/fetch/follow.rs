//! Long poll and push: whatever they learn goes into the queue and nowhere else.

use std::{sync::Arc, time::Duration};

use futures::StreamExt as _;
use plumb_wire::v1::LogLevel;
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

use super::{
    decide::{Memory, Outcome},
    failure::FetchFailure,
    fetcher::{Job, Shared, Work, correlation},
    limits::LONG_POLL_WAIT,
    source::Ask,
    sse::EventReader,
    status::{Ended, FetchTrigger},
};
use crate::chain::chain;

/// Asks again and again, each time until there is something new.
pub(crate) async fn long_poll(
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    mut condition: Option<String>,
) {
    let mut pause = Memory::first(shared.share());
    loop {
        let correlation = correlation();
        // Without a condition there is nothing to wait for.
        let wait = condition.is_some().then_some(LONG_POLL_WAIT);
        let ask = Ask { etag: condition.take(), wait, correlation };
        let answer = tokio::select! {
            () = shared.stop.cancelled() => return,
            answer = async {
                sleep(pause).await;
                shared.source.pack(&ask).await
            } => answer,
        };
        let (done, next) = oneshot::channel();
        let job = Job {
            trigger: FetchTrigger::LongPoll,
            correlation: ask.correlation,
            work: Work::Answered { asked_with: ask.etag, answer },
            done: Some(done),
        };
        if jobs.send(job).await.is_err() {
            return;
        }
        let Ok(next) = next.await else { return };
        let fine = next.attempt.is_some_and(|attempt| attempt.result != Ended::Failed);
        (pause, condition) = (next.pause, next.condition);
        if fine && wait.is_none() && condition.is_some() {
            // Only now there is something to wait with.
            pause = Memory::first(shared.share());
        }
    }
}

/// Listens to the registry's events, and comes back when the stream ends.
pub(crate) async fn push(shared: Arc<Shared>, jobs: mpsc::Sender<Job>) {
    let pace = shared.config.pace();
    let mut memory = Memory::default();
    let mut pause = Memory::first(shared.share());
    loop {
        let listened = tokio::select! {
            () = shared.stop.cancelled() => return,
            listened = async {
                sleep(pause).await;
                listen(&shared, &jobs).await
            } => listened,
        };
        let failure = match listened {
            Ok(Listened::QueueClosed) => return,
            Ok(Listened::Stream { heard: true }) => {
                memory = Memory::default();
                None
            }
            Ok(Listened::Stream { heard: false }) => None,
            Err(failure) => Some(failure),
        };
        let retry_after = failure.as_ref().and_then(FetchFailure::retry_after);
        if let Some(failure) = failure {
            let text = format!(
                "No events about pack {}, only polls: {}",
                shared.config.pack_id(),
                chain(&failure)
            );
            (shared.log)(LogLevel::Warn, &text);
        }
        let outcome = Outcome::Failed { retry_after, distrust: false, answered: false };
        pause = memory.after(&pace, outcome, shared.elapsed(), shared.share());
    }
}

enum Listened {
    Stream { heard: bool },
    QueueClosed,
}

async fn listen(shared: &Shared, jobs: &mpsc::Sender<Job>) -> Result<Listened, FetchFailure> {
    let correlation = correlation();
    let mut pieces = shared.source.events(&correlation).await?;
    let mut reader = EventReader::default();
    let mut heard = false;
    while let Some(piece) = pieces.next().await {
        let events = reader.read(&piece?).map_err(|_| FetchFailure::Unexpected {
            problem: "is an event stream with a line longer than allowed".to_owned(),
        })?;
        let own = events.into_iter().filter(|event| event.pack == shared.config.pack_id());
        // Only the newest counts.
        let Some(event) = own.last() else { continue };
        heard = true;
        // Agents that are told at the same moment come one after the other.
        sleep(Duration::from_millis(200).mul_f64(shared.share().clamp(0.0, 1.0))).await;
        let job = Job {
            trigger: FetchTrigger::Push,
            correlation: self::correlation(),
            work: Work::Told { digest: event.digest },
            done: None,
        };
        if jobs.send(job).await.is_err() {
            return Ok(Listened::QueueClosed);
        }
    }
    Ok(Listened::Stream { heard })
}
