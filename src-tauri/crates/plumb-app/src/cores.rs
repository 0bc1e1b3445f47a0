//! The same work over many items, on every core.

use std::{num::NonZeroUsize, thread};

/// Fewer items than this are done before another thread has started.
const ITEMS_MIN: usize = 256;
const CORES_MAX: usize = 16;

/// What work gives for every item, in order. Blocks: for a thread that may wait.
pub(crate) fn on_every_core<T: Sync, U: Send>(
    items: &[T],
    work: impl Fn(&T) -> U + Sync,
) -> Vec<U> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(CORES_MAX);
    if cores == 1 || items.len() < ITEMS_MIN {
        return items.iter().map(work).collect();
    }
    let share = items.len().div_ceil(cores);
    let work = &work;
    thread::scope(|scope| {
        let started: Vec<_> = items
            .chunks(share)
            .map(|some| scope.spawn(move || some.iter().map(work).collect::<Vec<U>>()))
            .collect();
        started.into_iter().flat_map(|one| one.join().expect("the work does not panic")).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_done_once_and_in_order() {
        for count in [0, 1, ITEMS_MIN - 1, ITEMS_MIN, 1_001] {
            let items: Vec<usize> = (0..count).collect();
            assert_eq!(
                on_every_core(&items, |item| item * 2),
                items.iter().map(|n| n * 2).collect::<Vec<_>>()
            );
        }
    }
}
