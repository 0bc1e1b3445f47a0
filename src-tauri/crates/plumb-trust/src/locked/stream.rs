//! A stream under a key of its own, sealed piece by piece as it grows: what was written before a crash opens, and
//! pieces cannot be left out, moved, or cut from the end unseen.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{KEY_BYTES, LockError};
use crate::random::Fill;

/// Longest piece, without what sealing adds.
pub const PIECE_BYTES_MAX: usize = 64 << 10;
/// What sealing adds to a piece.
pub const TAG_BYTES: usize = 16;
const FORMAT: &[u8] = b"plumbline-stream/1";

/// The key of one stream. It seals one stream only: the numbers of its pieces begin with zero.
#[derive(Clone)]
pub struct StreamKey(Zeroizing<[u8; KEY_BYTES]>);

impl std::fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StreamKey")
    }
}

impl StreamKey {
    /// A new key; `fill` needs a cryptographic source.
    pub fn generate(fill: Fill<'_>) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        fill(&mut *bytes);
        Self(bytes)
    }

    /// A key that was kept; nothing where these are not the bytes of one.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &*self.0
    }
}

/// The pieces of a stream, in order.
#[derive(Debug)]
pub struct Pieces {
    key: LessSafeKey,
    next: u64,
}

impl Pieces {
    pub fn new(key: &StreamKey) -> Result<Self, LockError> {
        let key = UnboundKey::new(&AES_256_GCM, key.as_bytes()).map_err(|_| LockError::Library)?;
        Ok(Self { key: LessSafeKey::new(key), next: 0 })
    }

    /// Seals the next piece; after the last one there is none.
    pub fn seal(&mut self, plain: &[u8], last: bool) -> Result<Vec<u8>, LockError> {
        let mut sealed = plain.to_vec();
        let nonce = self.nonce(last);
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(FORMAT), &mut sealed)
            .map_err(|_| LockError::Library)?;
        Ok(sealed)
    }

    /// Opens the next piece; tells whether it is the last one.
    pub fn open(&mut self, sealed: &[u8]) -> Result<(Zeroizing<Vec<u8>>, bool), LockError> {
        let number = self.next;
        for last in [false, true] {
            self.next = number;
            let nonce = self.nonce(last);
            let mut plain = Zeroizing::new(sealed.to_vec());
            let opened = self.key.open_in_place(nonce, Aad::from(FORMAT), &mut plain);
            if let Ok(length) = opened.map(|plain| plain.len()) {
                plain.truncate(length);
                return Ok((plain, last));
            }
        }
        Err(LockError::WrongPassphrase)
    }

    /// The number of the piece, and whether it is the last: so no piece stands for another.
    fn nonce(&mut self, last: bool) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[0] = u8::from(last);
        nonce[NONCE_LEN - 8..].copy_from_slice(&self.next.to_be_bytes());
        self.next += 1;
        Nonce::assume_unique_for_key(nonce)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> StreamKey {
        StreamKey::generate(&mut |bytes: &mut [u8]| bytes.fill(9))
    }

    fn sealed() -> Vec<Vec<u8>> {
        let mut pieces = Pieces::new(&key()).expect("a key");
        let plain = [&b"one"[..], b"two", b"three"];
        let seal = |(at, plain): (usize, &&[u8])| pieces.seal(plain, at == 2).expect("seals");
        plain.iter().enumerate().map(seal).collect()
    }

    fn opened(all: &[Vec<u8>]) -> Result<Vec<(Vec<u8>, bool)>, LockError> {
        let mut pieces = Pieces::new(&key()).expect("a key");
        all.iter().map(|one| pieces.open(one).map(|(plain, last)| (plain.to_vec(), last))).collect()
    }

    #[test]
    fn pieces_open_in_their_order_and_the_last_one_says_so() {
        let all = sealed();
        assert!(!all[0].windows(3).any(|window| window == b"one"));
        let told = opened(&all).expect("opens");
        assert_eq!(told, [(b"one".into(), false), (b"two".into(), false), (b"three".into(), true)]);
        assert_eq!(opened(&all[..2]).expect("a prefix opens").last().map(|one| one.1), Some(false));
    }

    #[test]
    fn moved_left_out_or_altered_pieces_do_not_open() {
        let all = sealed();
        let moved = [all[1].clone(), all[0].clone()];
        let left_out = [all[0].clone(), all[2].clone()];
        let mut altered = all.clone();
        altered[1][0] ^= 1;
        for bad in [&moved[..], &left_out, &altered] {
            assert_eq!(opened(bad), Err(LockError::WrongPassphrase));
        }
        let other = StreamKey::generate(&mut |bytes: &mut [u8]| bytes.fill(8));
        let mut pieces = Pieces::new(&other).expect("a key");
        assert!(pieces.open(&all[0]).is_err());
    }
}
