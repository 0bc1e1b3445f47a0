//! The headers of the format, field by field (PKWARE APPNOTE 6.3.10, sections 4.3.7 to 4.3.16).

use super::EntryProblem;

pub(super) const LOCAL_SIGNATURE: [u8; 4] = [0x50, 0x4b, 0x03, 0x04];
pub(super) const CENTRAL_SIGNATURE: [u8; 4] = [0x50, 0x4b, 0x01, 0x02];
pub(super) const END_SIGNATURE: [u8; 4] = [0x50, 0x4b, 0x05, 0x06];
pub(super) const DESCRIPTOR_SIGNATURE: [u8; 4] = [0x50, 0x4b, 0x07, 0x08];
pub(super) const LOCAL_BYTES: usize = 30;
pub(super) const CENTRAL_BYTES: usize = 46;
pub(super) const END_BYTES: usize = 22;

pub(super) const STORED: u16 = 0;
pub(super) const DEFLATED: u16 = 8;
/// How hard it was packed (bits 1 and 2), sizes behind the content (3), names in UTF-8 (11).
const HARMLESS_FLAGS: u16 = 0b1000_0000_1110;
pub(super) const SIZES_FOLLOW: u16 = 1 << 3;
const ENCRYPTED: u16 = 1;
/// Extra fields that say sizes and names a second time.
const SECOND_SAYING: [u16; 3] = [0x0001, 0x7075, 0x6375];
/// The first of January 1980, which sealing writes everywhere.
pub(crate) const FIXED_DATE: u16 = 0x0021;
pub(super) const UNIX_HOST: u8 = 3;
/// `-rw-r--r--`, as sealing writes it.
pub(super) const OUR_MODE: u32 = 0o100_644 << 16;

/// The version of the format that it takes to unpack this, as sealing writes it.
pub(super) const fn version_needed(method: u16) -> u16 {
    if method == DEFLATED { 20 } else { 10 }
}

/// A header as a row of little-endian numbers.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub &'a [u8]);

impl Fields<'_> {
    pub(super) fn u16(self, at: usize) -> u16 {
        u16::from_le_bytes([self.0[at], self.0[at + 1]])
    }

    pub(super) fn u32(self, at: usize) -> u32 {
        u32::from_le_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }
}

/// What both headers of an entry say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Common {
    pub flags: u16,
    pub method: u16,
    pub time: u16,
    pub date: u16,
    pub crc: u32,
    pub packed: u32,
    pub bytes: u32,
}

impl Common {
    /// From the field `flags` on, which both headers have in one order.
    pub(super) fn read(fields: Fields<'_>, at: usize) -> Self {
        Self {
            flags: fields.u16(at),
            method: fields.u16(at + 2),
            time: fields.u16(at + 4),
            date: fields.u16(at + 6),
            crc: fields.u32(at + 8),
            packed: fields.u32(at + 12),
            bytes: fields.u32(at + 16),
        }
    }

    pub(super) fn check(&self) -> Result<(), EntryProblem> {
        if self.flags & ENCRYPTED != 0 {
            return Err(EntryProblem::Encrypted);
        }
        if self.flags & !HARMLESS_FLAGS != 0 {
            return Err(EntryProblem::Ambiguous);
        }
        if !matches!(self.method, STORED | DEFLATED) {
            return Err(EntryProblem::Method { method: self.method });
        }
        if self.packed == u32::MAX || self.bytes == u32::MAX {
            return Err(EntryProblem::Form);
        }
        if self.method == STORED && self.packed != self.bytes {
            return Err(EntryProblem::Size);
        }
        Ok(())
    }
}

/// Looks through extra fields, which other programs add for times and owners.
pub(super) fn check_extra(mut extra: &[u8]) -> Result<(), EntryProblem> {
    while !extra.is_empty() {
        let Some((head, rest)) = extra.split_at_checked(4) else {
            return Err(EntryProblem::Ambiguous);
        };
        let fields = Fields(head);
        let length = usize::from(fields.u16(2));
        if SECOND_SAYING.contains(&fields.u16(0)) || rest.len() < length {
            return Err(EntryProblem::Ambiguous);
        }
        extra = &rest[length..];
    }
    Ok(())
}
