//! Ids from a seed, which is the name of the test.

use newtype_uuid::GenericUuid as _;
use plumb_fleet::{Digest, RunId, SnapshotId};
use uuid::{Builder, Uuid};

/// A generator of ids: the same seed gives the same ids in the same order.
#[derive(Debug, Clone)]
pub struct SeededIds {
    seed: String,
    given: u64,
}

impl SeededIds {
    pub fn new(seed: &str) -> Self {
        Self { seed: seed.to_owned(), given: 0 }
    }

    pub fn run(&mut self) -> RunId {
        RunId::from_untyped_uuid(self.uuid())
    }

    pub fn snapshot(&mut self) -> SnapshotId {
        SnapshotId::from_untyped_uuid(self.uuid())
    }

    /// A UUID of version 7 whose time part only counts.
    fn uuid(&mut self) -> Uuid {
        self.given += 1;
        let digest = Digest::of(format!("{}/{}", self.seed, self.given).as_bytes());
        let mut random = [0; 10];
        random.copy_from_slice(&digest.as_bytes()[..10]);
        Builder::from_unix_timestamp_millis(self.given, &random).into_uuid()
    }
}
