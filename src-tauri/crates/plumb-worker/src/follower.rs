//! Preparing a policy in this process, one step behind the process that tries it.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, Sender, TryRecvError, channel},
    },
    thread,
};

use plumb_decide::{ProcessEnd, Reason, RegoPolicy, RegoSource, Step};
use plumb_fleet::ids::Digest;
use tokio::sync::oneshot;

use crate::limits::STACK_BYTES;

/// A policy on its way into this process. Its thread has the stack that the evaluation process has,
/// so what did not overflow there does not here. Dropped, it ends with the module it is at, and what
/// it parsed is gone.
#[derive(Debug)]
pub struct Follower {
    allowed: Sender<Allowed>,
    policy: oneshot::Receiver<Result<RegoPolicy, Stopped>>,
}

/// How far this process may go, because the other has been there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Allowed {
    Nothing,
    /// So many modules; the text of all was looked over before.
    Parsed(usize),
    /// The whole policy, which answered its probes.
    Passed,
}

impl Allowed {
    fn allows(self, step: Step) -> bool {
        match (self, step) {
            (Self::Nothing, _) | (Self::Parsed(_), Step::Analyse) => false,
            (Self::Parsed(modules), Step::Parse(module)) => module < modules,
            (Self::Parsed(_), Step::Look) | (Self::Passed, _) => true,
        }
    }
}

/// Why there is no policy.
#[derive(Debug)]
enum Stopped {
    Refused(Reason),
    /// Nobody wants it any more.
    GivenUp,
}

impl From<Reason> for Stopped {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

impl Follower {
    /// Starts the thread, which waits.
    pub(crate) fn start(source: Arc<RegoSource>, digest: Digest) -> Result<Self, Reason> {
        let (allowed, next) = channel();
        let (done, policy) = oneshot::channel();
        let work = move || {
            // Nobody listens where it was given up.
            let taken = |step| tracing::trace!(?step, "following the evaluation process");
            let _ = done.send(follow(&source, digest, &next, taken));
        };
        let thread = thread::Builder::new().name("follower".to_owned()).stack_size(STACK_BYTES);
        thread.spawn(work).map_err(|error| {
            let message = format!("no thread to follow it: {error}");
            Reason::Process { end: ProcessEnd::NotStarted { message } }
        })?;
        Ok(Self { allowed, policy })
    }

    /// The evaluation process parsed so many modules.
    pub(crate) fn parsed(&self, modules: usize) {
        // A thread that refused a module tells so when it is asked for the policy.
        let _ = self.allowed.send(Allowed::Parsed(modules));
    }

    /// Analyses the policy here, now that it passed there.
    pub async fn analyse(self) -> Result<RegoPolicy, Reason> {
        let _ = self.allowed.send(Allowed::Passed);
        let panicked = |message: String| Err(Reason::Panicked { message });
        match self.policy.await {
            Ok(Ok(policy)) => Ok(policy),
            Ok(Err(Stopped::Refused(reason))) => Err(reason),
            Ok(Err(Stopped::GivenUp)) => unreachable!("this side is still here"),
            Err(error) => panicked(error.to_string()),
        }
    }
}

/// Prepares as far as it is allowed to, waits, and goes on; tells each step that it takes.
fn follow(
    source: &RegoSource,
    digest: Digest,
    next: &Receiver<Allowed>,
    mut taken: impl FnMut(Step),
) -> Result<RegoPolicy, Stopped> {
    let mut allowed = Allowed::Nothing;
    RegoPolicy::prepare_in_steps(source, digest, |step| {
        // Being given up is looked for before each step, not only where it has to wait.
        loop {
            match next.try_recv() {
                Ok(further) => allowed = further,
                Err(TryRecvError::Disconnected) => return Err(Stopped::GivenUp),
                Err(TryRecvError::Empty) => break,
            }
        }
        while !allowed.allows(step) {
            allowed = next.recv().map_err(|_| Stopped::GivenUp)?;
        }
        taken(step);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use std::thread::{scope, yield_now};

    use plumb_decide::{Module, RegoVersion};
    use serde_json::json;

    use super::*;

    fn source(modules: usize) -> RegoSource {
        let module =
            |n| Module { name: format!("{n}.rego"), text: format!("package m{n}\nx := 1") };
        let data = json!({});
        RegoSource { modules: (0..modules).map(module).collect(), data, version: RegoVersion::V1 }
    }

    #[test]
    fn no_step_is_taken_before_it_is_allowed() {
        let source = source(4);
        let (allow, next) = channel();
        let (took, steps) = channel();
        // Takes what it is allowed now, and would have had every chance to take more.
        let taken = |expected: &[Step]| {
            for step in expected {
                assert_eq!(steps.recv(), Ok(*step));
            }
            (0..1_000).for_each(|_| yield_now());
            assert_eq!(steps.try_recv(), Err(TryRecvError::Empty));
        };
        scope(|scope| {
            let digest = source.digest();
            let source = &source;
            let follower = scope.spawn(move || {
                follow(source, digest, &next, |step| took.send(step).expect("it is listened to"))
            });
            taken(&[]);
            for (further, expected) in [
                (Allowed::Parsed(0), &[Step::Look][..]),
                (Allowed::Parsed(2), &[Step::Parse(0), Step::Parse(1)]),
                (Allowed::Parsed(3), &[Step::Parse(2)]),
                (Allowed::Parsed(4), &[Step::Parse(3)]),
            ] {
                allow.send(further).unwrap();
                taken(expected);
            }
            allow.send(Allowed::Passed).unwrap();
            assert_eq!(steps.recv(), Ok(Step::Analyse));
            assert_eq!(follower.join().unwrap().unwrap().digest(), digest);
        });
    }

    #[test]
    fn given_up_it_stops_before_the_next_step() {
        let source = source(2);
        let (allow, next) = channel();
        let mut allow = Some(allow);
        let mut steps = Vec::new();
        allow.as_ref().unwrap().send(Allowed::Parsed(2)).unwrap();
        let stopped = follow(&source, source.digest(), &next, |step| {
            steps.push(step);
            if step == Step::Parse(0) {
                allow = None;
            }
        });
        assert!(matches!(stopped, Err(Stopped::GivenUp)));
        assert_eq!(steps, [Step::Look, Step::Parse(0)]);
    }
}
