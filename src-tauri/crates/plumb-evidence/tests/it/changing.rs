//! Archives that somebody changes while they are open.

use std::{
    fs::{self, File},
    io,
    sync::RwLock,
    thread,
};

use plumb_evidence::{
    Archive, Source,
    manifest::{BUNDLE, STAMP},
    proofs::{Proof, attach, envelope},
    verify::verify_archive,
};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

use crate::support::{Folder, Inside, console, entries, plain, said, sealed, trust};

/// Added to bytes at any place, these leave every CRC-32 as it was: they are its polynomial.
const UNSEEN_BY_CRC: [u8; 5] = [0x41, 0x06, 0x71, 0xdb, 0x01];

/// A file that others write into.
struct Shared(RwLock<Vec<u8>>);

impl Source for &Shared {
    fn bytes(&self) -> u64 {
        self.0.read().expect("no panic").len() as u64
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<()> {
        self.0.read().expect("no panic").as_slice().read_at(at, into)
    }
}

/// The plain evidence with its entries stored as they are.
fn stored() -> Vec<u8> {
    let mut zip = ZipWriter::new(io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in entries(&plain()) {
        zip.start_file(name, options).expect("begins");
        io::Write::write_all(&mut zip, &bytes).expect("written");
    }
    zip.finish().expect("ends").into_inner()
}

#[test]
fn what_was_verified_is_read_or_nothing() {
    let shared = Shared(RwLock::new(stored()));
    let mut archive = Archive::open(&shared).expect("it opens");
    let bytes = (&shared).bytes();
    let found = verify_archive(&mut archive, bytes, &trust());
    assert!(found.holds(), "{}", said(&found));
    let entry = archive.find("console/log.txt").expect("a log").clone();
    let log = archive.document(&entry).expect("it is what was verified");
    {
        let mut bytes = shared.0.write().expect("no panic");
        let at = bytes.windows(log.len()).position(|window| window == log).expect("it is there");
        for (byte, other) in bytes[at..].iter_mut().zip(UNSEEN_BY_CRC) {
            *byte ^= other;
        }
        // Whoever looks at the checksum of the format alone sees nothing.
        let forged = bytes[at..at + log.len()].to_vec();
        assert_eq!(crc32fast::hash(&forged), crc32fast::hash(&log));
    }
    let refused = archive.document(&entry).expect_err("it is another now");
    assert_eq!(
        refused.to_string(),
        "the entry \"console/log.txt\" was changed after it was verified: verify the archive again"
    );
    let another = archive.find("manifest.json").expect("a manifest").clone();
    archive.document(&another).expect("the others are as they were");
}

/// Whether somebody waits for the lock of an open file.
#[cfg(target_os = "linux")]
fn is_waited_for(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let of_file = format!(":{} ", file.metadata().expect("it is open").ino());
    let locks = fs::read_to_string("/proc/locks").expect("the kernel tells its locks");
    locks.lines().any(|line| line.contains(" -> ") && line.contains(&of_file))
}

/// Where the kernel tells who waits, so that the other program surely has the old file open when it is replaced.
#[cfg(target_os = "linux")]
#[test]
fn two_programs_that_attach_at_once_lose_nothing() {
    let folder = Folder::new();
    let path = sealed(&folder, &Inside::default(), console()).path;
    let seal = envelope(&path).expect("it is sealed");
    // Another program has the file, and puts one with a bundle in its place.
    let other = folder.join("other.zip");
    fs::copy(&path, &other).expect("copied");
    attach(&other, Proof::Sigstore, (&seal, b"{}"), false).expect("attached");
    let held = File::open(&path).expect("it is there");
    held.lock().expect("locked");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| attach(&path, Proof::Timestamp, (&seal, b"stamp"), false));
        while !is_waited_for(&held) {
            assert!(!waiting.is_finished(), "it waits for whoever has the file");
            thread::yield_now();
        }
        fs::rename(&other, &path).expect("replaced");
        drop(held);
        waiting.join().expect("no panic").expect("attached");
    });
    let bytes = fs::read(&path).expect("it is there");
    let names: Vec<String> = entries(&bytes).into_iter().map(|(name, _)| name).collect();
    for name in [STAMP, BUNDLE] {
        assert!(names.iter().any(|one| one == name), "{names:?}");
    }
}
