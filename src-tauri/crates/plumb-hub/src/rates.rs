//! How often somebody may ask: a bucket for each, filled evenly.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::limits::BUCKETS_MAX;

/// How fast a bucket fills, and what it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub per_second: f64,
    pub burst: f64,
}

#[derive(Debug)]
pub(crate) struct Rates {
    rate: Rate,
    buckets: Mutex<HashMap<String, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Rates {
    pub(crate) fn new(rate: Rate) -> Self {
        Self { rate, buckets: Mutex::default() }
    }

    /// Whether one more is allowed now.
    pub(crate) fn take(&self, whose: &str) -> bool {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= BUCKETS_MAX && !buckets.contains_key(whose) {
            // Who was quiet long enough to be full again needs no bucket.
            let full = Duration::from_secs_f64(self.rate.burst / self.rate.per_second);
            buckets.retain(|_, bucket| now.duration_since(bucket.at) < full);
            if buckets.len() >= BUCKETS_MAX {
                return false;
            }
        }
        let burst = self.rate.burst;
        let bucket = buckets.entry(whose.to_owned()).or_insert(Bucket { left: burst, at: now });
        let filled = now.duration_since(bucket.at).as_secs_f64() * self.rate.per_second;
        bucket.left = (bucket.left + filled).min(burst);
        bucket.at = now;
        if bucket.left < 1.0 {
            return false;
        }
        bucket.left -= 1.0;
        true
    }
}
