//! Where the bytes of packs and attestations lie: a folder, or object storage that speaks S3.

use std::{fmt, sync::Arc};

use axum::body::Bytes;
use object_store::{
    ObjectStore, ObjectStoreExt as _, aws::AmazonS3Builder, local::LocalFileSystem, path::Path,
};
use plumb_fleet::Digest;

use crate::{error::HubError, limits::ATTESTATION_BYTES_MAX};

/// Where packs are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PackStorage {
    /// Below the data folder.
    Data,
    /// `s3://bucket`; the rest stands in the variables that every client of S3 knows (`AWS_REGION`, `AWS_ENDPOINT`,
    /// `AWS_ACCESS_KEY_ID` and so on).
    S3(String),
}

/// Why bytes were not kept or found.
#[derive(Debug, thiserror::Error)]
#[error("pack storage: {doing} {name}")]
pub(crate) struct StorageError {
    doing: &'static str,
    name: String,
    #[source]
    error: object_store::Error,
}

/// Bytes by their digest; what is there never changes.
#[derive(Clone)]
pub(crate) struct Blobs(Arc<dyn ObjectStore>);

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Blobs").field(&self.0.to_string()).finish()
    }
}

impl Blobs {
    pub(crate) fn open(storage: &PackStorage, data: &std::path::Path) -> Result<Self, HubError> {
        let failed = |error| HubError::Storage { error };
        let store: Arc<dyn ObjectStore> = match storage {
            PackStorage::Data => {
                let folder = data.join("packs");
                let unusable = |error| HubError::Folder { path: folder.clone(), error };
                std::fs::create_dir_all(&folder).map_err(unusable)?;
                let store = LocalFileSystem::new_with_prefix(&folder).map_err(failed)?;
                Arc::new(store.with_fsync(true))
            }
            PackStorage::S3(url) => {
                Arc::new(AmazonS3Builder::from_env().with_url(url).build().map_err(failed)?)
            }
        };
        Ok(Self(store))
    }

    pub(crate) async fn put_pack(&self, digest: Digest, bytes: Bytes) -> Result<(), StorageError> {
        self.put(pack(digest), bytes).await
    }

    /// The bytes, which are those of the digest or none.
    pub(crate) async fn pack(&self, digest: Digest) -> Result<Option<Bytes>, StorageError> {
        let found = self.get(pack(digest)).await?;
        Ok(found.filter(|bytes| {
            let sound = Digest::of(bytes) == digest;
            if !sound {
                tracing::error!(%digest, "a stored pack is damaged and not served");
            }
            sound
        }))
    }

    pub(crate) async fn put_attestation(
        &self,
        digest: Digest,
        bytes: Bytes,
    ) -> Result<(), StorageError> {
        self.put(attestation(digest), bytes).await
    }

    pub(crate) async fn attestation(&self, digest: Digest) -> Result<Option<Bytes>, StorageError> {
        let found = self.get(attestation(digest)).await?;
        Ok(found.filter(|bytes| bytes.len() as u64 <= ATTESTATION_BYTES_MAX))
    }

    /// Where it is, in words.
    pub(crate) fn place(&self) -> String {
        self.0.to_string()
    }

    /// Writes something small and reads it back.
    pub(crate) async fn probe(&self, now: jiff::Timestamp) -> Result<(), StorageError> {
        const NAME: &str = "probe";
        let text = Bytes::from(now.to_string());
        self.put(NAME.to_owned(), text.clone()).await?;
        let read = self.get(NAME.to_owned()).await?;
        if read.as_ref() == Some(&text) {
            return Ok(());
        }
        let told = "what was written does not come back".into();
        let error = object_store::Error::Generic { store: "packs", source: told };
        Err(StorageError { doing: "reading back", name: NAME.to_owned(), error })
    }

    async fn put(&self, name: String, bytes: Bytes) -> Result<(), StorageError> {
        let put = self.0.put(&Path::from(name.as_str()), bytes.into()).await;
        put.map(drop).map_err(|error| StorageError { doing: "writing", name, error })
    }

    async fn get(&self, name: String) -> Result<Option<Bytes>, StorageError> {
        let read = async { self.0.get(&Path::from(name.as_str())).await?.bytes().await };
        match read.await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(StorageError { doing: "reading", name, error }),
        }
    }
}

fn pack(digest: Digest) -> String {
    format!("{digest}.pack")
}

fn attestation(digest: Digest) -> String {
    format!("{digest}.sigstore.json")
}
