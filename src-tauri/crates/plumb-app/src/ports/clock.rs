//! Wall time, the one place that reads it.

use std::{fmt, sync::Arc};

use jiff::Timestamp;

/// A clock that can be replaced in tests.
#[derive(Clone)]
pub struct WallClock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl WallClock {
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new(Timestamp::now)
    }
}

impl fmt::Debug for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WallClock")
    }
}

impl plumb_exec::Clock for WallClock {
    fn now(&self) -> Timestamp {
        (self.0)()
    }
}
