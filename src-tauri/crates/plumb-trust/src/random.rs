//! Randomness as an argument: whoever calls decides where it comes from.

use rsa::rand_core::{CryptoRng, Error, RngCore};

/// Fills a buffer with random bytes. Signing keys and salts need a cryptographic source.
pub type Fill<'a> = &'a mut dyn FnMut(&mut [u8]);

/// A [`Fill`] in the shape the `rsa` crate asks for.
pub(crate) struct FillRng<'a>(pub(crate) Fill<'a>);

impl RngCore for FillRng<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut bytes = [0; 4];
        (self.0)(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    fn next_u64(&mut self) -> u64 {
        let mut bytes = [0; 8];
        (self.0)(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        (self.0)(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        (self.0)(bytes);
        Ok(())
    }
}

impl CryptoRng for FillRng<'_> {}
