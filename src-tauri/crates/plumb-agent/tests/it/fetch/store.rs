//! The store on a disk that is full at any write, or loses what was not synced at any step.

use std::{path::Path, sync::Arc};

use jiff::Timestamp;
use plumb_agent::fetch::{Disk, PackStore, RealDisk, Record, Slot, StoreError};
use plumb_fleet::Digest;
use proptest::prelude::*;
use tempfile::TempDir;

use crate::fetch::sim::{Fault, SimDisk};

const FOLDER: &str = "/packs";

pub(crate) fn record(content: &[u8]) -> Record {
    Record {
        pack: "policy-pack-v0".to_owned(),
        digest: Digest::of(content),
        etag: None,
        verified_at: Timestamp::UNIX_EPOCH,
        generation: 0,
        tar: content.to_vec(),
        attestation: b"{}".to_vec(),
    }
}

fn open(disk: &SimDisk) -> PackStore {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    PackStore::open(disk, Path::new(FOLDER)).expect("the folder opens").0
}

/// Stores a pack that the engine takes.
fn take(store: &mut PackStore, content: &[u8]) -> Result<(), StoreError> {
    let mut record = record(content);
    store.admit(&mut record)?;
    store.acknowledge(&record);
    Ok(())
}

/// What a start would load first.
pub(crate) fn best(store: &PackStore) -> Option<Vec<u8>> {
    let slots = store.slots().expect("listed");
    slots.iter().find_map(|slot| store.load(slot).ok()).map(|record| record.tar)
}

/// A disk with these packs, taken one after the other.
fn disk_with(contents: &[&[u8]], links: bool) -> SimDisk {
    let disk = SimDisk::new(links);
    let mut store = open(&disk);
    for content in contents {
        take(&mut store, content).expect("stored");
    }
    disk
}

/// An agent that comes up on a disk, brings its pack into force, and stores another.
fn come_up_and_take(
    disk: &SimDisk,
    content: &[u8],
    fault: Fault,
) -> (PackStore, Result<(), StoreError>) {
    let mut store = open(disk);
    if let Ok(active) = store.load(&Slot::Active) {
        store.acknowledge(&active);
    }
    disk.fail(fault);
    let taken = take(&mut store, content);
    (store, taken)
}

#[test]
fn a_disk_that_is_full_at_any_write_keeps_the_good_pack() {
    for links in [true, false] {
        for former in [&[][..], &[b"first".as_slice()], &[b"first", b"second"]] {
            let expected = former.last().map(|content| content.to_vec());
            let mut failed = 0;
            for at in 0.. {
                let disk = disk_with(former, links);
                let (mut store, taken) = come_up_and_take(&disk, b"newest", Fault::FullAt(at));
                if disk.changes() <= at {
                    assert_eq!(best(&store), Some(b"newest".to_vec()));
                    break;
                }
                match taken {
                    Ok(()) => assert_eq!(best(&store), Some(b"newest".to_vec())),
                    Err(error) => {
                        assert!(error.is_disk_full(), "{error}");
                        assert_eq!(best(&store), expected, "full at {at}");
                        failed += 1;
                        drop(store);
                        // A restart finds the same, and room again makes everything well.
                        store = open(&disk);
                        assert_eq!(best(&store), expected, "full at {at}, restarted");
                    }
                }
                disk.fail(Fault::None);
                take(&mut store, b"after").expect("there is room again");
                assert_eq!(best(&store), Some(b"after".to_vec()));
            }
            assert!(failed >= 6, "create, three writes, sync, rename: {failed}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Power fails at any step, and the disk keeps of the unsynced what it likes.
    /// R172, R180, R189.
    #[test]
    fn what_was_not_synced_is_lost_and_the_good_pack_is_not(
        at in 0_usize..40,
        links in any::<bool>(),
        former in 0_usize..4,
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 64),
    ) {
        let contents: Vec<Vec<u8>> = (0..former).map(|n| format!("pack {n}").into_bytes()).collect();
        let borrowed: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
        let disk = disk_with(&borrowed, links);
        let (store, taken) = come_up_and_take(&disk, b"newest", Fault::DeadFrom(at));
        drop(store);
        let mut picks = picks.iter().cycle();
        disk.crash(|ways| picks.next().expect("endless").index(ways));
        let mut store = open(&disk);
        let found = best(&store);
        if taken.is_ok() {
            prop_assert_eq!(found, Some(b"newest".to_vec()));
        } else {
            let good = contents.last().cloned();
            prop_assert!(found == good || found.as_deref() == Some(b"newest"), "{:?}", found);
        }
        take(&mut store, b"after").expect("stored");
        prop_assert_eq!(best(&store), Some(b"after".to_vec()));
    }

    /// The engine refuses a pack, the former one is put back, and power fails at any step of that.
    #[test]
    fn a_refused_pack_leaves_the_former_one_whatever_happens(
        at in 0_usize..16,
        links in any::<bool>(),
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 64),
    ) {
        let disk = disk_with(&[b"good"], links);
        let mut store = open(&disk);
        let active = store.load(&Slot::Active).expect("whole");
        store.acknowledge(&active);
        store.admit(&mut record(b"refused")).expect("stored");
        disk.fail(Fault::DeadFrom(at));
        let restored = store.restore();
        drop(store);
        let mut picks = picks.iter().cycle();
        disk.crash(|ways| picks.next().expect("endless").index(ways));
        let store = open(&disk);
        if restored.is_ok() {
            prop_assert_eq!(best(&store), Some(b"good".to_vec()));
        }
        // The engine refuses the other again, and this one is there for it.
        let slots = store.slots().expect("listed");
        let good = slots.iter().any(|slot| store.load(slot).is_ok_and(|r| r.tar == b"good"));
        prop_assert!(good);
    }
}

#[test]
fn packs_that_were_never_in_force_are_not_kept_as_good() {
    let disk = disk_with(&[b"good"], true);
    let mut store = open(&disk);
    store.admit(&mut record(b"never taken")).expect("stored");
    store.admit(&mut record(b"nor this")).expect("stored");
    let kept: Vec<_> = store.slots().expect("listed").into_iter().skip(1).collect();
    assert_eq!(kept, []);
    assert!(matches!(store.restore(), Err(StoreError::NoFormer)));
    assert_eq!(best(&store), None);
}

#[test]
fn some_former_packs_are_kept_and_older_ones_forgotten() {
    let contents: Vec<Vec<u8>> = (0..7).map(|n| format!("pack {n}").into_bytes()).collect();
    let borrowed: Vec<&[u8]> = contents.iter().map(Vec::as_slice).collect();
    let disk = disk_with(&borrowed, true);
    let store = open(&disk);
    let slots = store.slots().expect("listed");
    let kept: Vec<_> = slots.iter().map(|slot| store.load(slot).expect("whole").tar).collect();
    assert_eq!(kept, [b"pack 6", b"pack 5", b"pack 4", b"pack 3"]);
}

/// R180.
#[test]
fn what_a_killed_process_left_is_removed_and_told() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path();
    std::fs::create_dir(path.join("lkg")).expect("a folder");
    let left = [path.join("active.part"), path.join("lkg/0000000001-x.pack.part")];
    for file in &left {
        std::fs::write(file, b"half").expect("writable");
    }
    let (store, removed) = PackStore::open(Arc::new(RealDisk), path).expect("opens");
    assert_eq!(removed, left.each_ref().map(|file| file.display().to_string()));
    assert!(left.iter().all(|file| !file.exists()));
    assert_eq!(best(&store), None);
    let second = PackStore::open(Arc::new(RealDisk), path).expect_err("locked");
    assert!(matches!(second, StoreError::InUse { .. }));
    drop(store);
    PackStore::open(Arc::new(RealDisk), path).expect("free again");
}

#[test]
fn the_stored_file_is_a_tar_for_other_tools() {
    let folder = TempDir::new().expect("a folder");
    let (mut store, _) = PackStore::open(Arc::new(RealDisk), folder.path()).expect("opens");
    let tar = crate::fetch::world::tar("true");
    take(&mut store, &tar).expect("stored");
    let bytes = std::fs::read(folder.path().join("active")).expect("readable");
    assert!(bytes.starts_with(&tar));
}
