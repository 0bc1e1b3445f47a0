//! Requests for approval that are found in evidence, answered on this machine: the one thing that is signed while evidence is
//! open. What is signed is what a file of the request would give, and it leaves as a file.

use camino::Utf8Path;
use plumb_evidence::{FileSource, Source as _, verify::CheckName};
use plumb_fleet::PlanHash;

use super::{Evidence, not_the_signer, reading::Reading, requests};
use crate::{
    app::App,
    console::Console,
    error::{AppError, Code, chain},
    ids,
    queries::evidence::{Trust, blocking},
    views::{
        approvals::SignedView,
        consent::{RequestFileView, SignRequest},
    },
};

impl Evidence {
    fn request(&self, plan: PlanHash) -> Result<&[u8], AppError> {
        let found = self.contents.requests.get(&plan).map(|asked| asked.bytes.as_slice());
        found.ok_or_else(|| {
            let message = format!("the evidence has no request for the plan {}", plan.short());
            AppError::new(Code::NotFound, message, "choose one that is listed with its rollouts")
        })
    }
}

impl Console {
    /// A request in the evidence that is open: what would be signed, and who can here. What counts is the roster that this
    /// machine enrolled, or else the one in the evidence where the reviewer named whom they trust.
    pub async fn evidence_request(&self, plan: &str) -> Result<RequestFileView, AppError> {
        let front = self.front();
        let evidence = opened(&front)?;
        let file = evidence.request(ids::plan_hash(plan)?)?;
        self.live().show_request(file, evidence.roster.as_ref()).await
    }

    /// Signs an answer to a request in the evidence that is open, and writes it to a file for whoever asked.
    pub async fn answer_evidence_request(
        &self,
        plan: &str,
        sign: SignRequest,
        output: &str,
    ) -> Result<SignedView, AppError> {
        let front = self.front();
        let evidence = opened(&front)?;
        let file = evidence.request(ids::plan_hash(plan)?)?;
        self.live().answer_shown(file, evidence.roster.as_ref(), sign, output).await
    }
}

fn opened(front: &App) -> Result<&Evidence, AppError> {
    front
        .in_evidence()
        .map(AsRef::as_ref)
        .ok_or_else(|| AppError::new(Code::Invalid, "no evidence is open", "open an archive first"))
}

/// A request in an archive, for whoever answers on a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundRequest {
    pub bytes: Vec<u8>,
    /// Nobody here knows the key that sealed the archive.
    pub signer_unknown: bool,
}

/// Verifies an archive, and takes the request for a plan out of it; for the only one there is, where none is named.
pub async fn request_in_evidence(
    path: &Utf8Path,
    trust: Trust,
    plan: Option<&str>,
) -> Result<FoundRequest, AppError> {
    let wanted = plan.map(ids::plan_hash).transpose()?;
    let path = path.to_owned();
    blocking(move || {
        let unread = |error: std::io::Error| {
            let message = format!("{path} cannot be read: {}", chain(&error));
            AppError::new(Code::Invalid, message, "name an archive of evidence")
        };
        let source = std::fs::File::open(&path).and_then(FileSource::new).map_err(unread)?;
        let bytes = source.bytes();
        let (found, archive) =
            plumb_evidence::verify::verify_source(source, bytes, &trust).map_err(unread)?;
        let broken = not_the_signer(&found);
        let Some(archive) = archive.filter(|_| broken.is_none()) else {
            let why = broken.map_or("it is no archive", CheckName::title);
            let message =
                format!("{path}: nothing in it is signed, because a promise is broken: {why}");
            let hint = format!("see every check: plumb evidence verify {path}");
            return Err(AppError::new(Code::Invalid, message, hint));
        };
        let mut all = requests::all(&mut Reading::of(&archive))?;
        let chosen = match (wanted, all.len()) {
            (Some(plan), _) => Some(plan),
            (None, 1) => all.keys().next().copied(),
            (None, _) => None,
        };
        let listed: Vec<String> = all.keys().map(ToString::to_string).collect();
        let asked = chosen.and_then(|plan| all.remove(&plan)).ok_or_else(|| {
            let message = match listed.len() {
                0 => format!("{path} has no request for approval"),
                n => format!("{path} has {n} requests, for the plans {}", listed.join(", ")),
            };
            AppError::new(Code::NotFound, message, "name one of them with --plan")
        })?;
        let signer_unknown = super::signer_failed(&found);
        Ok(FoundRequest { bytes: asked.bytes, signer_unknown })
    })
    .await
}
