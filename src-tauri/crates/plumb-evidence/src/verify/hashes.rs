//! Every entry against the list in the manifest, on every core.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use plumb_fleet::Digest;
use sha2::{Digest as _, Sha256};

use super::{CheckName, Finding, Outcome, signature::Signed};
use crate::{
    archive::{Archive, ArchiveError, Entry, Source},
    limits::PIECE_BYTES,
    manifest::{MANIFEST, UNLISTED},
};

/// Most threads: beyond these the disk is the limit.
const THREADS_MAX: usize = 8;

/// Digest of each entry, or why it cannot be unpacked.
pub(super) type Hashes = BTreeMap<String, Result<Digest, String>>;

pub(super) fn all<S: Source>(archive: &Archive<S>) -> Hashes {
    let mut order: Vec<&Entry> = archive.entries().iter().collect();
    // The longest first, so that no thread is left alone with it at the end.
    order.sort_by_key(|entry| std::cmp::Reverse(entry.bytes));
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Hashes::new()));
    let work = || {
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let Some(entry) = order.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let digest = digest(archive, entry, &mut piece).map_err(|error| error.to_string());
            let mut found = found.lock().expect("no panic while hashes are held");
            found.insert(entry.name.to_string(), digest);
        }
    };
    thread::scope(|scope| {
        for _ in 1..threads.min(order.len()) {
            scope.spawn(work);
        }
        work();
    });
    found.into_inner().expect("no panic while hashes are held")
}

fn digest<S: Source>(
    archive: &Archive<S>,
    entry: &Entry,
    piece: &mut [u8],
) -> Result<Digest, ArchiveError> {
    let mut reader = archive.read(entry);
    let mut hash = Sha256::new();
    loop {
        match reader.next(piece)? {
            0 => return Ok(Digest::from_bytes(hash.finalize().into())),
            bytes => hash.update(&piece[..bytes]),
        }
    }
}

/// Compares them with the list: what is altered or missing, and what is too much.
pub(super) fn check<S: Source>(
    archive: &Archive<S>,
    signed: &Signed,
    hashes: &Hashes,
) -> [Finding; 2] {
    let no_list = signed.listed.is_empty();
    if no_list {
        let why = "there is no list of entries to compare with";
        return [CheckName::Hashes, CheckName::NothingExtra]
            .map(|check| Finding::failed(check, why, Some(MANIFEST)));
    }
    let own = UNLISTED;
    let altered = signed.listed.iter().find_map(|subject| {
        let name = subject.name.as_str();
        let why = match hashes.get(name) {
            _ if own.contains(&name) => return Some(("is listed, and cannot be".to_owned(), name)),
            None => "is listed in the manifest and missing".to_owned(),
            Some(Err(why)) => return Some((why.clone(), name)),
            Some(Ok(found)) if *found != subject.digest.sha256 => {
                "was altered: its SHA-256 is not the one in the manifest".to_owned()
            }
            Some(Ok(_)) => return None,
        };
        Some((format!("{name} {why}"), name))
    });
    // Those that no list can hold have to unpack as well.
    let damaged = own.into_iter().find_map(|name| match hashes.get(name) {
        Some(Err(why)) => Some((why.clone(), name)),
        _ => None,
    });
    let hashes = match altered.or(damaged) {
        Some((why, name)) => Finding::failed(CheckName::Hashes, why, Some(name)),
        None => Finding::passed(
            CheckName::Hashes,
            format!("{} entries are as the manifest lists them", signed.listed.len()),
        ),
    };
    let listed: BTreeSet<&str> =
        signed.listed.iter().map(|subject| subject.name.as_str()).collect();
    let extra = archive.entries().iter().map(|entry| entry.name.as_str());
    let extra = { extra }.find(|name| !own.contains(name) && !listed.contains(name));
    let extra = match extra {
        Some(name) => Finding::failed(
            CheckName::NothingExtra,
            format!("{name} is in the archive, and the manifest does not list it"),
            Some(name),
        ),
        None => Finding::new(
            CheckName::NothingExtra,
            Outcome::Passed,
            "the manifest lists every entry but itself, its envelope and proofs over that",
        ),
    };
    [hashes, extra]
}
