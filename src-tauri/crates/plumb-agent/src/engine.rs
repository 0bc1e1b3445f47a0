//! The embedded engine: Rego of a verified bundle, answered in this process.
//!
//! A [`LoadedPolicy`] is proof: it is made of an archive whose signature was checked against the
//! agent's keys here, or of a pack whose attestation was. Each of its modules was parsed in the
//! evaluation process before this one touched it, and all of them were compiled and probed there
//! before they were analysed here. It is asked on threads of its own, with a stack of known size and
//! limits on time and input; a panic of the engine ends one question. What no guard stops is a
//! stack that overflows on an input nobody probed: that ends the agent, and whoever supervises it
//! starts it again.

mod threads;

use std::{io, sync::Arc};

use plumb_bundle::OpaArchive;
use plumb_decide::{Answer, Question, Reason, RegoPolicy, RegoSource};
use plumb_fleet::BundleDigest;
use plumb_trust::{KeySet, Verdict, verify_opa_bundle};
use plumb_worker::WorkerPool;

use crate::fetch::{VerificationReport, VerifiedPack};
pub use threads::{EngineThreads, EngineUnavailable};

/// Why a bundle is not loaded.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("the bundle's signature is refused: {check}")]
    Untrusted { check: String },
    #[error("the bundle's policy is refused")]
    Policy(#[source] Reason),
    #[error("the threads that evaluate packs cannot be started")]
    Threads(#[source] io::Error),
    #[error("probe {number} is answered otherwise than it has to be: {answer:?}")]
    Probe { number: usize, answer: Answer },
}

/// A question whose answer is known, asked before a bundle is put in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    pub question: Question,
    /// Nothing where any answer will do, as long as there is one.
    pub expected: Option<Answer>,
}

/// A policy of a verified bundle that passed the evaluation process.
#[derive(Debug, Clone)]
pub struct LoadedPolicy {
    policy: Arc<RegoPolicy>,
    vouched: Arc<Vouched>,
    digest: BundleDigest,
}

/// What carried a policy.
#[derive(Debug)]
pub enum Vouched {
    /// The signature inside an OPA bundle.
    Signature(Verdict),
    /// The attestation beside a pack.
    Attestation(VerificationReport),
}

impl LoadedPolicy {
    /// Verifies, then parses, compiles and probes in the evaluation process. This one parses each
    /// module after the other did, and analyses them only when all of it passed.
    pub async fn load(
        archive: &OpaArchive,
        keys: &KeySet,
        pool: &WorkerPool,
        probes: &[Probe],
    ) -> Result<Self, EngineError> {
        let verdict = verify_opa_bundle(archive, keys, None);
        if !verdict.is_trusted() {
            let failure = verdict.failure();
            let check = failure.map_or_else(
                || "no check passed".to_owned(),
                |check| format!("{}: {}", check.name, check.detail),
            );
            return Err(EngineError::Untrusted { check });
        }
        let source = RegoSource::of_archive(archive).map_err(EngineError::Policy)?;
        Self::pass(source, pool, probes, Vouched::Signature(verdict), archive.digest()).await
    }

    /// The same for a pack, which only the fetcher makes and only of one that is attested.
    pub async fn load_pack(
        pack: &VerifiedPack,
        pool: &WorkerPool,
        probes: &[Probe],
    ) -> Result<Self, EngineError> {
        let report = pack.report().clone();
        if !report.is_trusted() {
            return Err(EngineError::Untrusted { check: report.refusal_text() });
        }
        let source = RegoSource::of_pack(pack.pack()).map_err(EngineError::Policy)?;
        let digest = BundleDigest(pack.digest());
        Self::pass(source, pool, probes, Vouched::Attestation(report), digest).await
    }

    async fn pass(
        source: RegoSource,
        pool: &WorkerPool,
        probes: &[Probe],
        vouched: Vouched,
        digest: BundleDigest,
    ) -> Result<Self, EngineError> {
        let questions: Vec<Question> = probes.iter().map(|probe| probe.question.clone()).collect();
        let (passed, follower) = pool
            .prepare_followed(Arc::new(source), &questions)
            .await
            .map_err(EngineError::Policy)?;
        for (number, (probe, answer)) in probes.iter().zip(passed.probes).enumerate() {
            check_probe(number + 1, probe, answer)?;
        }
        let policy = follower.analyse().await.map_err(EngineError::Policy)?;
        Ok(Self { policy: Arc::new(policy), vouched: Arc::new(vouched), digest })
    }

    /// SHA-256 of the archive or pack.
    pub fn digest(&self) -> BundleDigest {
        self.digest
    }

    /// What carried it.
    pub fn vouched(&self) -> &Vouched {
        &self.vouched
    }

    /// Functions named in the policy whose call is answered as *not evaluated here*.
    pub fn refused_builtins(&self) -> Vec<&'static str> {
        self.policy.refused_builtins()
    }
}

pub(crate) fn check_probe(number: usize, probe: &Probe, answer: Answer) -> Result<(), EngineError> {
    let refused = match &probe.expected {
        Some(expected) => *expected != answer,
        None => matches!(answer, Answer::NotEvaluated { .. } | Answer::Error { .. }),
    };
    if refused { Err(EngineError::Probe { number, answer }) } else { Ok(()) }
}
