//! What an agent does by itself: follow its folders and ask its source again from time to time.

use std::{sync::Arc, time::Duration};

use notify::{EventKind, RecursiveMode, Watcher, event::AccessKind};
use plumb_wire::v1::{LogLevel, Trigger};
use rand::RngExt as _;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout_at},
};

use crate::{
    core::Core,
    limits::{WATCH_QUEUE_MAX, WATCH_SETTLE},
    roots::is_signed,
};

/// Starts following the roots; the returned watcher stops when it is dropped.
pub(crate) fn watch(core: &Arc<Core>) -> Option<Box<dyn Watcher + Send + Sync>> {
    let (changed, changes) = mpsc::channel(WATCH_QUEUE_MAX);
    let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let relevant = match &event {
            // An overflow of the queue: something changed, nobody knows what.
            Err(_) => true,
            Ok(event) => {
                let read_only = matches!(
                    event.kind,
                    EventKind::Access(AccessKind::Open(_) | AccessKind::Read | AccessKind::Any)
                );
                !read_only
                    && (event.need_rescan()
                        || event.paths.iter().filter_map(|path| path.file_name()).any(is_signed))
            }
        };
        if relevant {
            // A full queue already says that something changed.
            let _ = changed.try_send(());
        }
    });
    let started = watcher.and_then(|mut watcher| {
        for folder in core.roots.folders() {
            watcher.watch(folder, RecursiveMode::Recursive)?;
        }
        Ok(watcher)
    });
    match started {
        Ok(watcher) => {
            core.tracker.spawn(follow(Arc::clone(core), changes));
            Some(Box::new(watcher))
        }
        Err(error) => {
            core.log(LogLevel::Warn, &format!("Folders are not watched, only polled: {error}"));
            None
        }
    }
}

async fn follow(core: Arc<Core>, mut changes: mpsc::Receiver<()>) {
    loop {
        tokio::select! {
            change = changes.recv() => if change.is_none() { return },
            () = core.stop.cancelled() => return,
        }
        // A writer makes several events; wait until it is quiet, but not for ever.
        let latest = Instant::now() + 10 * WATCH_SETTLE;
        loop {
            let quiet = latest.min(Instant::now() + WATCH_SETTLE);
            match timeout_at(quiet, changes.recv()).await {
                Ok(Some(())) if Instant::now() < latest => {}
                Ok(None) => return,
                _ => break,
            }
        }
        core.refresh(Trigger::Watch).await;
    }
}

/// Asks the source again at random moments between the configured delays.
pub(crate) async fn poll(core: Arc<Core>) {
    let mut begun = Instant::now();
    let mut share: f64 = rand::rng().random();
    loop {
        let Some(polling) = core.polling() else { return };
        let span_s = (polling.max_delay_s - polling.min_delay_s) as f64;
        let delay = Duration::from_secs_f64(polling.min_delay_s as f64 + share * span_s);
        tokio::select! {
            () = core.stop.cancelled() => return,
            // The same share of the new bounds, counted from the last look.
            () = core.settings_changed.notified() => continue,
            () = sleep_until(begun + delay) => {}
        }
        core.refresh(Trigger::Poll).await;
        begun = Instant::now();
        share = rand::rng().random();
    }
}
