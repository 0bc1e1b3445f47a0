//! Proofs over sealed evidence: a timestamp of the authority that a fleet names, and a Sigstore bundle that somebody
//! made of the seal.

use std::{sync::Arc, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use plumb_clients::{PlainRequest, Uplink, send_plain};
use plumb_evidence::{
    proofs::{AttachError, Proof, attach, envelope},
    verify::ProofTrust,
};
use plumb_trust::{
    Identity, SigstoreRoot,
    timestamp::{self, REQUEST_TYPE, Stamped},
};
use secrecy::SecretString;
use tracing::info;

use crate::{
    app::App,
    error::{AppError, Code, chain},
    fleets::{folder_of, read_bounded},
    queries::evidence::blocking,
    views::evidence::StampView,
};

/// An authority signs a few bytes; one that takes longer is away.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// Longest trusted root: that of the public good instance has 7 KB.
const ROOT_BYTES_MAX: usize = 4 << 20;
/// Longest Sigstore bundle that is read from a file.
const BUNDLE_BYTES_MAX: u64 = 1 << 20;

/// Whose timestamp is asked for, and by which root it has to be.
#[derive(Debug, Clone)]
pub struct Authority {
    pub url: String,
    pub trusted_root: Arc<SigstoreRoot>,
}

/// Reads a `trusted_root.json`.
pub async fn trusted_root(path: &Utf8Path) -> Result<Arc<SigstoreRoot>, AppError> {
    let path = path.to_owned();
    blocking(move || {
        let hint =
            "give a trusted_root.json as Sigstore has it, with the authorities that you trust";
        let refused = |why: String| AppError::new(Code::Invalid, format!("{path}: {why}"), hint);
        let bytes = read_bounded(&path, ROOT_BYTES_MAX).map_err(|error| refused(chain(&error)))?;
        let root = SigstoreRoot::read(path.as_str(), &bytes);
        root.map(Arc::new).map_err(|error| refused(chain(&error)))
    })
    .await
}

/// What counts over a seal where somebody names a trusted root, and who is expected to have made a Sigstore bundle: the
/// name in the certificate and who vouched for it.
pub async fn named_proofs(
    root: &Utf8Path,
    signer: Option<(&str, &str)>,
    now: Timestamp,
) -> Result<Arc<ProofTrust>, AppError> {
    let root = Ok(trusted_root(root).await?);
    let identities = signer.map(|(name, issuer)| Identity::exact(name, issuer));
    Ok(Arc::new(ProofTrust {
        fleet: None,
        root,
        identities: identities.into_iter().collect(),
        now,
    }))
}

/// Asks an authority to stamp sealed evidence, and puts its answer into the archive once it holds.
///
/// With `replace` a timestamp that is there makes room.
pub async fn stamp_evidence(
    path: &Utf8Path,
    by: &Authority,
    replace: bool,
) -> Result<StampView, AppError> {
    let sealed = path.to_owned();
    let seal =
        blocking(move || envelope(&sealed).map_err(|error| refused(&sealed, &error))).await?;
    let (stamp, answer) = stamp_of(&seal, by, &Uplink::default()).await?;
    let file = path.to_owned();
    blocking(move || {
        attach(&file, Proof::Timestamp, (&seal, &answer), replace)
            .map_err(|error| refused(&file, &error))
    })
    .await?;
    info!(%path, by = by.url, "evidence stamped");
    Ok(stamp)
}

/// Asks an authority to stamp a seal; its answer holds.
async fn stamp_of(
    seal: &[u8],
    by: &Authority,
    uplink: &Uplink,
) -> Result<(StampView, Vec<u8>), AppError> {
    let answer = asked(&by.url, seal, uplink).await?;
    let Stamped { at, .. } = timestamp::verify(&answer, seal, &by.trusted_root).map_err(|why| {
        let message = format!("the answer of {} does not hold: {why}", by.url);
        let hint = "look whether the trusted root lists this authority";
        AppError::new(Code::Invalid, message, hint)
    })?;
    Ok((StampView { by: by.url.clone(), at: at.to_string() }, answer))
}

/// Puts a Sigstore bundle that somebody made of the seal into the archive. Whether it holds is a matter of verification.
pub async fn attach_bundle(
    path: &Utf8Path,
    bundle: &Utf8Path,
    replace: bool,
) -> Result<(), AppError> {
    let (path, bundle) = (path.to_owned(), bundle.to_owned());
    blocking(move || {
        let hint = "name the bundle that `cosign sign-blob --bundle` wrote";
        let refused_file =
            |why: String| AppError::new(Code::Invalid, format!("{bundle}: {why}"), hint);
        let read = |path: &Utf8PathBuf| {
            let bytes = std::fs::metadata(path)?.len();
            (bytes <= BUNDLE_BYTES_MAX).then(|| std::fs::read(path)).transpose()
        };
        let text = read(&bundle).map_err(|error| refused_file(chain(&error)))?;
        let text = text.ok_or_else(|| refused_file("too long for a bundle".to_owned()))?;
        serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&text)
            .map_err(|error| refused_file(format!("no Sigstore bundle: {error}")))?;
        let seal = envelope(&path).map_err(|error| refused(&path, &error))?;
        attach(&path, Proof::Sigstore, (&seal, &text), replace)
            .map_err(|error| refused(&path, &error))
    })
    .await
}

impl App {
    /// The authority that a fleet of this machine names, if it names one.
    pub async fn evidence_authority(&self, fleet: &str) -> Result<Option<Authority>, AppError> {
        let (state, loaded) = self.loaded(fleet)?;
        let entry = &loaded.fleet.evidence;
        let (Some(url), Some(root)) = (&entry.timestamp_authority, &entry.trusted_root) else {
            return Ok(None);
        };
        let trusted_root = trusted_root(&folder_of(&state.file).join(root)).await?;
        Ok(Some(Authority { url: url.clone(), trusted_root }))
    }

    /// Asks for the timestamp of a seal that is about to be written. It is written without where there is no answer,
    /// and says so; nothing where nobody is to be asked.
    pub(crate) async fn stamp_before_seal(
        &self,
        fleet: &str,
        seal: &[u8],
    ) -> Option<Result<(StampView, Vec<u8>), AppError>> {
        // Evidence of a fleet that this machine does not know has no authority here.
        self.state(fleet).ok()?;
        match self.evidence_authority(fleet).await {
            Ok(None) => None,
            Ok(Some(authority)) => Some(stamp_of(seal, &authority, &self.uplink()).await),
            Err(error) => Some(Err(error)),
        }
    }

    /// Whose proofs over a seal count on this machine: what its fleets name.
    pub(crate) async fn evidence_proofs(&self) -> Vec<Arc<ProofTrust>> {
        let mut all = Vec::new();
        for state in self.fleet_states() {
            let Ok(loaded) = &state.loaded else { continue };
            let entry = &loaded.fleet.evidence;
            let Some(file) = &entry.trusted_root else { continue };
            let root = trusted_root(&folder_of(&state.file).join(file)).await;
            let root =
                root.map_err(|error| format!("whom {} trusts: {}", state.name, error.message));
            let signers = entry.signers.iter();
            let identities =
                signers.map(|one| Identity::exact(&one.identity, &one.issuer)).collect();
            let fleet = Some(state.name.clone());
            all.push(Arc::new(ProofTrust { fleet, root, identities, now: self.now() }));
        }
        all
    }
}

async fn asked(url: &str, seal: &[u8], uplink: &Uplink) -> Result<Vec<u8>, AppError> {
    let hint = "the evidence is sealed without it: `plumb evidence stamp FILE` asks again";
    let failed = |why: String| {
        AppError::new(Code::Unreachable, format!("no timestamp of {url}: {why}"), hint)
    };
    let content_type = SecretString::from(REQUEST_TYPE);
    let request = PlainRequest {
        method: "POST",
        url: url.to_owned(),
        headers: vec![("content-type".to_owned(), content_type)],
        body: Some(timestamp::request(seal)),
        deadline: ANSWER_WITHIN,
    };
    // An authority is known by what it signs: no files of a client are needed.
    let answer = send_plain(request, std::path::Path::new("."), uplink).await;
    let answer = answer.map_err(|error| failed(error.to_string()))?;
    if answer.status != 200 {
        return Err(failed(format!("it answers {}", answer.status)));
    }
    Ok(answer.body)
}

fn refused(path: &Utf8Path, error: &AttachError) -> AppError {
    let hint = match error {
        AttachError::There { .. } => "it stays as it is; --replace puts the new one in its place",
        AttachError::Unsealed => "seal it first: `plumb evidence seal`",
        _ => "look whether the file can be read and its folder written",
    };
    AppError::new(Code::Invalid, format!("{path}: {}", chain(error)), hint)
}
