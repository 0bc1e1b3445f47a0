//! The packs of a team: versions that never change, and which of them is served.

use axum::body::Bytes;
use jiff::Timestamp;
use plumb_bundle::{ArchiveError, OpaArchive, PolicyPack};
use plumb_fleet::{ContentDigest, Digest};
use plumb_wire::{
    hub::{PackFormat, PackList, PackVersion, PackView, StorageStatus, WhichVersion},
    packs::is_pack_id,
};
use serde::{Deserialize, Serialize};

use crate::{
    folder::chain,
    hub::Hub,
    limits::{PACKS_MAX, VERSION_BYTES_MAX, VERSIONS_MAX},
    problem::Problem,
    state::{Change, Document, State, StateError, collection::PACK},
    storage::StorageError,
};

/// First bytes of everything that gzip wrote.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// A pack as it is kept, newest version first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptPack {
    pub(crate) serving: Option<Serving>,
    pub(crate) versions: Vec<KeptVersion>,
}

/// What the pack endpoint serves, and since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Serving {
    pub(crate) digest: Digest,
    pub(crate) since: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptVersion {
    pub(crate) version: String,
    pub(crate) digest: Digest,
    pub(crate) format: PackFormat,
    /// Of its policies; not kept of what was published before this was.
    #[serde(default)]
    pub(crate) content: Option<ContentDigest>,
    pub(crate) bytes: u64,
    pub(crate) attested: bool,
    /// Of what vouches for it: it may be put anew, where the first one was a wrong one.
    #[serde(default)]
    pub(crate) attestation: Option<Digest>,
    pub(crate) published_at: Timestamp,
    pub(crate) published_by: String,
}

impl KeptPack {
    fn view(&self, pack: &str) -> PackView {
        let versions = self.versions.iter().map(|kept| PackVersion {
            version: kept.version.clone(),
            digest: kept.digest.to_string(),
            format: kept.format,
            bytes: kept.bytes,
            attested: kept.attested,
            published_at: kept.published_at,
            published_by: kept.published_by.clone(),
        });
        PackView {
            pack: pack.to_owned(),
            serving: self.serving.as_ref().map(|serving| serving.digest.to_string()),
            versions: versions.collect(),
        }
    }

    /// The version meant; exactly one of label and digest has to be given.
    pub(crate) fn find(&self, pack: &str, which: &WhichVersion) -> Result<&KeptVersion, Problem> {
        let found = match (&which.version, &which.digest) {
            (Some(version), None) => self.versions.iter().find(|kept| kept.version == *version),
            (None, Some(digest)) => {
                let digest: Digest = digest
                    .parse()
                    .map_err(|_| Problem::refused("digest must be 64 lower-case hex digits"))?;
                self.versions.iter().find(|kept| kept.digest == digest)
            }
            _ => return Err(Problem::refused("give either version or digest")),
        };
        found.ok_or_else(|| {
            let asked = which.version.as_ref().or(which.digest.as_ref()).map_or("", |it| it);
            Problem::not_found(format!(
                "{pack} has no version {asked:?}: list them with `plumb hub packs`"
            ))
        })
    }
}

/// One pack as it is kept.
pub(crate) async fn kept(state: &State, pack: &str) -> Result<KeptPack, Problem> {
    let found: Option<Document<KeptPack>> = state.get(PACK, pack).await?;
    found
        .map(|found| found.body)
        .ok_or_else(|| Problem::not_found(format!("there is no pack {pack:?}")))
}

/// A version and its pack; where no pack is named, the first that has the digest.
pub(crate) async fn find(
    state: &State,
    pack: &str,
    which: &WhichVersion,
) -> Result<(String, KeptVersion), Problem> {
    if !pack.is_empty() {
        let found = kept(state, pack).await?.find(pack, which)?.clone();
        return Ok((pack.to_owned(), found));
    }
    let WhichVersion { version: None, digest: Some(digest) } = which else {
        return Err(Problem::refused("give the pack, or the digest of the version alone"));
    };
    let digest: Digest =
        digest.parse().map_err(|_| Problem::refused("digest must be 64 lower-case hex digits"))?;
    let has = |one: &Document<KeptPack>| {
        let found = one.body.versions.iter().find(|kept| kept.digest == digest)?;
        Some((one.key.clone(), found.clone()))
    };
    all(state).await?.iter().find_map(has).ok_or_else(|| {
        Problem::not_found(format!(
            "no pack has a version with the digest {digest}: publish it with `plumb hub packs publish`"
        ))
    })
}

/// Every pack as it is kept.
pub(crate) async fn all(state: &State) -> Result<Vec<Document<KeptPack>>, StateError> {
    state.list(PACK, "").await
}

pub(crate) async fn list(state: &State) -> Result<PackList, Problem> {
    let packs = all(state).await?;
    Ok(PackList { packs: packs.iter().map(|one| one.body.view(&one.key)).collect() })
}

pub(crate) async fn view(state: &State, pack: &str) -> Result<PackView, Problem> {
    Ok(kept(state, pack).await?.view(pack))
}

/// Looks at the storage: whether it takes and gives bytes, and whether those of every version are there.
pub(crate) async fn storage(hub: &Hub) -> Result<StorageStatus, Problem> {
    let mut status = StorageStatus {
        place: hub.blobs.place(),
        writable: true,
        problem: None,
        versions: 0,
        bytes: 0,
        missing: Vec::new(),
    };
    if let Err(error) = hub.blobs.probe(hub.now()).await {
        status.writable = false;
        status.problem = Some(chain(&error));
    }
    for Document { key, body, .. } in all(&hub.state).await? {
        for version in &body.versions {
            status.versions += 1;
            status.bytes += version.bytes;
            if !matches!(hub.blobs.pack(version.digest).await, Ok(Some(_))) {
                status.missing.push(format!("{key} {}", version.version));
            }
        }
    }
    Ok(status)
}

/// A version to be published.
#[derive(Debug)]
pub(crate) struct Publication {
    pub(crate) pack: String,
    pub(crate) version: String,
    pub(crate) serve: bool,
    pub(crate) bytes: Bytes,
    pub(crate) by: String,
}

/// Publishes a version. The same bytes under the same label again change nothing.
pub(crate) async fn publish(hub: &Hub, wanted: Publication) -> Result<PackView, Problem> {
    let Publication { pack, version, serve, bytes, by } = wanted;
    check_names(&pack, &version)?;
    let examined = bytes.clone();
    let examined = tokio::task::spawn_blocking(move || examine(&examined)).await;
    let (format, content) = match examined {
        Ok(Ok(found)) => found,
        Ok(Err(error)) => {
            let detail = format!("this is no policy pack and no OPA bundle: {}", chain(&error));
            return Err(Problem::refused(detail));
        }
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    let digest = Digest::of(&bytes);
    let length = bytes.len() as u64;
    hub.blobs.put_pack(digest, bytes).await?;
    let attestation = hub.blobs.attestation(digest).await?.map(|bytes| Digest::of(&bytes));
    let now = hub.now();
    let others = all(&hub.state).await?;
    if others.len() >= PACKS_MAX && !others.iter().any(|other| other.key == pack) {
        return Err(Problem::refused(format!("a hub has {PACKS_MAX} packs at most")));
    }
    let kept = hub.state.change(PACK, &pack, now, |kept: Option<KeptPack>| {
        let mut kept = kept.unwrap_or_default();
        match kept.versions.iter().find(|known| known.version == version) {
            Some(known) if known.digest != digest => {
                return Err(Problem::conflict(format!(
                    "{pack} has a version {version} with other bytes ({}): a version never changes, choose another label",
                    known.digest
                )));
            }
            Some(_) => {}
            None if kept.versions.len() >= VERSIONS_MAX => {
                let told = format!("{pack} has {VERSIONS_MAX} versions already");
                return Err(Problem::refused(told));
            }
            None => kept.versions.insert(
                0,
                KeptVersion {
                    version: version.clone(),
                    digest,
                    format,
                    content: Some(content),
                    bytes: length,
                    attested: attestation.is_some(),
                    attestation,
                    published_at: now,
                    published_by: by.clone(),
                },
            ),
        }
        let serves = kept.serving.as_ref().map(|serving| serving.digest);
        if serve && serves != Some(digest) {
            kept.serving = Some(Serving { digest, since: now });
        }
        Ok((kept, Change::default().done(&by, "packs", &format!("{pack} {version} published, {digest}"))))
    });
    let kept = kept.await?;
    hub.refresh().await;
    Ok(kept.view(&pack))
}

/// Serves an earlier or later version at the pack endpoint.
pub(crate) async fn serve(
    hub: &Hub,
    pack: &str,
    which: &WhichVersion,
    by: &str,
) -> Result<PackView, Problem> {
    let now = hub.now();
    let changed = hub.state.change(PACK, pack, now, |kept: Option<KeptPack>| {
        let Some(mut kept) = kept else {
            return Err(Problem::not_found(format!("there is no pack {pack:?}")));
        };
        let (digest, version) =
            kept.find(pack, which).map(|found| (found.digest, found.version.clone()))?;
        kept.serving = Some(Serving { digest, since: now });
        Ok((kept, Change::default().done(by, "packs", &format!("{pack} {version} is served"))))
    });
    let kept = changed.await?;
    hub.refresh().await;
    Ok(kept.view(pack))
}

/// Keeps what vouches for a pack; before the pack is published, or after.
pub(crate) async fn attest(
    hub: &Hub,
    pack: &str,
    digest: Digest,
    bytes: Bytes,
    by: &str,
) -> Result<(), Problem> {
    if !is_pack_id(pack) {
        return Err(no_name(pack));
    }
    if serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&bytes).is_err() {
        return Err(Problem::refused(
            "a Sigstore bundle is a JSON object, as `cosign sign-blob --bundle` writes it",
        ));
    }
    let attestation = Digest::of(&bytes);
    hub.blobs.put_attestation(digest, bytes).await?;
    if kept(&hub.state, pack).await.is_ok() {
        let now = hub.now();
        let changed = hub.state.change(PACK, pack, now, |kept: Option<KeptPack>| {
            let mut kept = kept.unwrap_or_default();
            for version in kept.versions.iter_mut().filter(|version| version.digest == digest) {
                version.attested = true;
                version.attestation = Some(attestation);
            }
            let done = Change::default().done(by, "packs", &format!("{pack} {digest} attested"));
            Ok::<_, Problem>((kept, done))
        });
        changed.await?;
        hub.refresh().await;
    }
    Ok(())
}

fn check_names(pack: &str, version: &str) -> Result<(), Problem> {
    if !is_pack_id(pack) {
        return Err(no_name(pack));
    }
    let sound = !version.is_empty()
        && version.len() <= VERSION_BYTES_MAX
        && version.bytes().all(|byte| byte.is_ascii_graphic());
    if !sound {
        return Err(Problem::refused(format!(
            "a version is a label of visible ASCII, at most {VERSION_BYTES_MAX} characters"
        )));
    }
    Ok(())
}

fn no_name(pack: &str) -> Problem {
    let pack: String = pack.chars().take(60).collect();
    Problem::refused(format!(
        "{pack:?} cannot name a pack: letters, digits, '.', '_' and '-', at most 128"
    ))
}

/// Of the policies of a version that was published before this was kept; nothing where its bytes are away.
pub(crate) async fn content(hub: &Hub, digest: Digest) -> Result<Option<ContentDigest>, Problem> {
    let Some(bytes) = hub.blobs.pack(digest).await? else { return Ok(None) };
    let examined = tokio::task::spawn_blocking(move || examine(&bytes)).await;
    match examined {
        Ok(found) => Ok(found.ok().map(|(_, content)| content)),
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Reads the whole of it, so that nothing is published that nobody could load.
pub(crate) fn examine(bytes: &[u8]) -> Result<(PackFormat, ContentDigest), ArchiveError> {
    if bytes.starts_with(&GZIP) {
        return Ok((PackFormat::Opa, OpaArchive::read(bytes)?.to_bundle()?.content));
    }
    Ok((PackFormat::Pack, PolicyPack::read(bytes)?.to_bundle()?.content))
}

impl From<StorageError> for Problem {
    fn from(error: StorageError) -> Self {
        tracing::error!(error = %chain(&error), "pack storage");
        Self::not_now(
            "the storage of packs neither took nor gave these bytes: look at `plumb policy bundle storage-status`, then try again",
        )
    }
}
