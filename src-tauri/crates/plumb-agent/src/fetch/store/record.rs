//! One stored pack as one file: the tar as it came, its attestation, a header, and a seal.
//!
//! The tar comes first, so that `tar -tf` shows what is inside; readers of tars stop at its end mark.

use jiff::Timestamp;
use plumb_fleet::Digest;
use serde::{Deserialize, Serialize};

use crate::fetch::limits::RECORD_HEADER_BYTES_MAX;

const FORMAT: u32 = 1;
const MAGIC: &[u8; 8] = b"PLUMBPK1";
/// Magic, length of the header, SHA-256 of the header.
const SEAL_BYTES: usize = 8 + 4 + 32;

/// A pack as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub pack: String,
    pub digest: Digest,
    pub etag: Option<String>,
    /// When it was verified against the trust policy; it is verified again whenever it is loaded.
    pub verified_at: Timestamp,
    /// Counts the packs of a folder, so that the newest of those kept is known.
    pub generation: u64,
    pub tar: Vec<u8>,
    pub attestation: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    format: u32,
    pack: String,
    tar_bytes: usize,
    tar_sha256: Digest,
    attestation_bytes: usize,
    attestation_sha256: Digest,
    etag: Option<String>,
    verified_at: Timestamp,
    generation: u64,
}

impl Record {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let header = Header {
            format: FORMAT,
            pack: self.pack.clone(),
            tar_bytes: self.tar.len(),
            tar_sha256: self.digest,
            attestation_bytes: self.attestation.len(),
            attestation_sha256: Digest::of(&self.attestation),
            etag: self.etag.clone(),
            verified_at: self.verified_at,
            generation: self.generation,
        };
        let header = serde_json::to_vec(&header).expect("a header always serialises");
        let length = u32::try_from(header.len()).expect("a header is some hundred bytes");
        let mut bytes =
            Vec::with_capacity(self.tar.len() + self.attestation.len() + header.len() + SEAL_BYTES);
        bytes.extend_from_slice(&self.tar);
        bytes.extend_from_slice(&self.attestation);
        bytes.extend_from_slice(&header);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(Digest::of(&header).as_bytes());
        bytes
    }

    /// Reads a record whole or not at all.
    pub(crate) fn from_bytes(mut bytes: Vec<u8>) -> Result<Self, &'static str> {
        let body = bytes.len().checked_sub(SEAL_BYTES).ok_or("it is cut short")?;
        let (rest, seal) = bytes.split_at(body);
        let (magic, seal) = seal.split_at(MAGIC.len());
        let (length, sha256) = seal.split_at(4);
        if magic != MAGIC {
            return Err("it does not end as a stored pack does");
        }
        let length = length.try_into().map_or(usize::MAX, |l| u32::from_be_bytes(l) as usize);
        let start = body.checked_sub(length).filter(|_| length <= RECORD_HEADER_BYTES_MAX);
        let header = &rest[start.ok_or("its header is longer than itself")?..];
        if Digest::of(header).as_bytes() != sha256 {
            return Err("its header is damaged");
        }
        let header: Header =
            serde_json::from_slice(header).map_err(|_| "its header cannot be read")?;
        if header.format != FORMAT {
            return Err("its format is not known here");
        }
        if header.tar_bytes.checked_add(header.attestation_bytes) != start {
            return Err("its parts are not as long as its header says");
        }
        bytes.truncate(header.tar_bytes + header.attestation_bytes);
        let attestation = bytes.split_off(header.tar_bytes);
        if Digest::of(&bytes) != header.tar_sha256 {
            return Err("its pack is damaged");
        }
        if Digest::of(&attestation) != header.attestation_sha256 {
            return Err("its attestation is damaged");
        }
        Ok(Self {
            pack: header.pack,
            digest: header.tar_sha256,
            etag: header.etag,
            verified_at: header.verified_at,
            generation: header.generation,
            tar: bytes,
            attestation,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record() -> Record {
        Record {
            pack: "policy-pack-v0".to_owned(),
            digest: Digest::of(b"a tar"),
            etag: Some("\"v1\"".to_owned()),
            verified_at: Timestamp::UNIX_EPOCH,
            generation: 7,
            tar: b"a tar".to_vec(),
            attestation: b"{}".to_vec(),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        assert_eq!(Record::from_bytes(record().to_bytes()), Ok(record()));
    }

    proptest! {
        #[test]
        fn nothing_cut_or_changed_is_read(cut in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let whole = record().to_bytes();
            let at = cut.index(whole.len());
            prop_assert!(Record::from_bytes(whole[..at].to_vec()).is_err());
            let mut changed = whole.clone();
            changed[at] ^= 1 << bit;
            prop_assert!(Record::from_bytes(changed).is_err());
            let mut zeroed = whole.clone();
            zeroed[at..].fill(0);
            prop_assert!(Record::from_bytes(zeroed).is_err());
        }
    }
}
