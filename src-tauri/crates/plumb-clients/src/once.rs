//! Values made once per key and shared: whoever arrives while one is being made waits for the same.

use std::{
    borrow::Borrow,
    collections::BTreeMap,
    fmt,
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures::{
    FutureExt as _,
    future::{BoxFuture, Shared},
};
use tokio::time::Instant;

/// A value and how long it may be handed out; without an end it stays.
#[derive(Clone)]
pub(crate) struct Made<V> {
    pub(crate) value: V,
    pub(crate) good_until: Option<Instant>,
}

type Making<V> = Shared<BoxFuture<'static, Made<V>>>;

pub(crate) struct Once<K, V: Clone> {
    makings: Mutex<BTreeMap<K, Making<V>>>,
}

impl<K: Ord, V: Clone> Once<K, V> {
    pub(crate) fn new() -> Self {
        Self { makings: Mutex::new(BTreeMap::new()) }
    }

    /// The value of a key, made by `make` if there is none, or none that is still good.
    pub(crate) async fn get<F>(&self, key: K, make: impl FnOnce() -> F) -> V
    where
        F: Future<Output = Made<V>> + Send + 'static,
        V: Send + Sync + 'static,
    {
        let making = {
            let mut makings = self.lock();
            if let Some(making) = makings.get(&key).filter(|making| is_good(making)) {
                if let Some(made) = making.peek() {
                    return made.value.clone();
                }
                making.clone()
            } else {
                let making = make().boxed().shared();
                makings.insert(key, making.clone());
                making
            }
        };
        making.await.value
    }

    /// Drops the value of a key, so that the next caller makes it again.
    pub(crate) fn forget(&self, key: &K) {
        self.lock().remove(key);
    }

    /// Drops the value of a key if it is made and `bad`; one that is being made again stays.
    pub(crate) fn forget_if<Q>(&self, key: &Q, bad: impl FnOnce(&V) -> bool)
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let mut makings = self.lock();
        if makings.get(key).and_then(Shared::peek).is_some_and(|made| bad(&made.value)) {
            makings.remove(key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, Making<V>>> {
        self.makings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_good<V: Clone>(making: &Making<V>) -> bool {
    making.peek().is_none_or(|made| made.good_until.is_none_or(|end| Instant::now() < end))
}

impl<K, V: Clone> fmt::Debug for Once<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}
