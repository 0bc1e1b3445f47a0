//! The door of a fetcher: everything goes through its one queue.

use jiff::Timestamp;
use plumb_fleet::Digest;
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Job, Wants, Work, correlation,
    stored::{StoredPack, StoredPacks},
};
use crate::fetch::{
    pack::VerifiedPack,
    status::{Attempt, FetchStatus, FetchTrigger},
};

/// Asks a fetcher for something and waits until it is done. Clones are the same door.
#[derive(Debug, Clone)]
pub(crate) struct FetchHandle {
    jobs: mpsc::Sender<Job>,
    status: watch::Receiver<FetchStatus>,
    stored: StoredPacks,
    url: String,
}

impl FetchHandle {
    pub(super) fn new(
        jobs: mpsc::Sender<Job>,
        status: watch::Receiver<FetchStatus>,
        stored: StoredPacks,
        url: String,
    ) -> Self {
        Self { jobs, status, stored, url }
    }

    /// Address of the pack; carries no credential.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn status(&self) -> FetchStatus {
        self.status.borrow().clone()
    }

    /// What is stored, as of now. Blocks.
    pub(crate) fn stored(&self, now: Timestamp) -> Vec<StoredPack> {
        self.stored.list(now)
    }

    /// Looks now; nothing when the registry asked to be left alone, or the fetcher stops.
    pub(crate) async fn look(&self, trigger: FetchTrigger) -> Option<Attempt> {
        self.ask(trigger, Work::Ask).await
    }

    /// Brings the best stored pack that is wanted into force; nothing when none is.
    pub(crate) async fn restore(
        &self,
        trigger: FetchTrigger,
        wants: impl Fn(&VerifiedPack) -> bool + Send + Sync + 'static,
    ) -> Option<Attempt> {
        self.ask(trigger, Work::Restore { wants: Wants(Box::new(wants)) }).await
    }

    /// Goes back from a pack that did not prove itself; nothing when it is not in force any more.
    pub(crate) async fn take_back(&self, digest: Digest, reason: String) -> Option<Attempt> {
        self.ask(FetchTrigger::Rollback, Work::TakeBack { digest, reason }).await
    }

    /// Begins again from the stored packs.
    pub(crate) async fn again(&self) -> Option<Attempt> {
        self.ask(FetchTrigger::Restart, Work::Again).await
    }

    async fn ask(&self, trigger: FetchTrigger, work: Work) -> Option<Attempt> {
        let (done, answer) = oneshot::channel();
        let job = Job { trigger, correlation: correlation(), work, done: Some(done) };
        self.jobs.send(job).await.ok()?;
        answer.await.ok()?.attempt
    }
}
