//! Threads with a stack of known size that do nothing but evaluate.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::Duration,
};

use plumb_decide::{Answer, Question};
use tokio::sync::oneshot;

use super::LoadedPolicy;
use crate::limits::{ENGINE_QUEUE_MAX, ENGINE_STACK_BYTES, ENGINE_THREADS_MAX};

/// Why a question was not even begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EngineUnavailable {
    #[error("{ENGINE_QUEUE_MAX} questions are waiting already")]
    Busy,
    #[error("the engine is stopped")]
    Stopped,
}

/// The threads of the embedded engine. They end when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct EngineThreads {
    questions: SyncSender<Asked>,
}

#[derive(Debug)]
struct Asked {
    policy: LoadedPolicy,
    question: Question,
    limit: Duration,
    answer: oneshot::Sender<Answer>,
}

impl EngineThreads {
    /// Starts `count` of them, at least one and at most [`ENGINE_THREADS_MAX`].
    pub fn start(count: usize) -> io::Result<Self> {
        let (questions, next) = sync_channel(ENGINE_QUEUE_MAX);
        let next = Arc::new(Mutex::new(next));
        for number in 0..count.clamp(1, ENGINE_THREADS_MAX) {
            let next = Arc::clone(&next);
            thread::Builder::new()
                .name(format!("engine {number}"))
                .stack_size(ENGINE_STACK_BYTES)
                .spawn(move || evaluate(&next))?;
        }
        Ok(Self { questions })
    }

    /// The answer of a policy. A caller that no longer waits is not evaluated for.
    pub async fn ask(
        &self,
        policy: &LoadedPolicy,
        question: Question,
        limit: Duration,
    ) -> Result<Answer, EngineUnavailable> {
        let (answer, answered) = oneshot::channel();
        let asked = Asked { policy: policy.clone(), question, limit, answer };
        self.questions.try_send(asked).map_err(|error| match error {
            TrySendError::Full(_) => EngineUnavailable::Busy,
            TrySendError::Disconnected(_) => EngineUnavailable::Stopped,
        })?;
        answered.await.map_err(|_| EngineUnavailable::Stopped)
    }
}

fn evaluate(next: &Mutex<Receiver<Asked>>) {
    loop {
        // Held while waiting: whoever has it takes the next question, the others wait for it.
        let asked = next.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Asked { policy, question, limit, answer }) = asked else { return };
        if !answer.is_closed() {
            // The caller may have gone meanwhile.
            let _ = answer.send(policy.policy.ask(&question, limit));
        }
    }
}
