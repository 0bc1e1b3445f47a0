//! One reload: load and verify outside any lock, swap in one step, remember the attempt.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use jiff::Timestamp;
use plumb_fleet::{BundleDigest, ContentDigest};
use plumb_trust::refused::RefusedEntry;
use plumb_wire::v1::{LastKnownGood, LogLevel, ReloadRecord, Trigger};
use tokio::sync::{MutexGuard, oneshot};

use crate::{
    alerts::AlertRule,
    core::{Core, InForce, Place},
    find::Wanted,
    history::counts,
    keeper::Job,
    load::{LoadError, Loaded, Read, load},
    logs::printable,
    problem::Fault,
    roots::BundlePath,
};

/// What an attempt came to.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) record: ReloadRecord,
    pub(crate) result: Result<Arc<InForce>, LoadError>,
}

/// A verified bundle that is not in force yet.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) bundle: Arc<Loaded>,
    pub(crate) place: Place,
}

/// What was read without being judged: the bytes' digest, and the bundle or why not.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) digest: Option<BundleDigest>,
    pub(crate) result: Result<Ready, LoadError>,
}

/// The right to change what is in force.
pub(crate) type Turn<'a> = MutexGuard<'a, ()>;

impl Core {
    /// Waits for the changes before this one; with deployment locking on, refuses instead.
    pub(crate) async fn take_turn(&self) -> Result<Turn<'_>, Fault> {
        let locking = self.book().durable.settings.locking;
        if locking {
            return self.turn.try_lock().map_err(|_| Fault::locked());
        }
        Ok(self.turn.lock().await)
    }

    /// Reads and verifies on a blocking thread. The file's bytes are freed there, after the result
    /// was handed over.
    pub(crate) async fn fetch(self: &Arc<Self>, requested: PathBuf) -> Fetched {
        let core = Arc::clone(self);
        blocking(move |reply| {
            let path = match core.resolve(&requested) {
                Ok(path) => path,
                Err(error) => {
                    let _ = reply.send(Fetched { digest: None, result: Err(error.into()) });
                    return;
                }
            };
            let Read { bytes, digest, result } = load(&path, core.checks());
            let result = result
                .and_then(|bundle| core.unexpired(bundle))
                .map(|bundle| Ready { bundle, place: Place::File(path) });
            let _ = reply.send(Fetched { digest, result });
            drop(bytes);
        })
        .await
    }

    /// Refuses a bundle whose end has come. Nothing documented or seen of the field's service refuses
    /// one, so an agent that answers as it does takes it. Bundles that agents share are judged here,
    /// each time, and not when they were verified.
    pub(crate) fn unexpired(&self, bundle: Arc<Loaded>) -> Result<Arc<Loaded>, LoadError> {
        if !self.config.field_compatible
            && let Some(document) = bundle.document()
        {
            plumb_trust::check_expiry(&document.metadata().expiry, self.now())?;
        }
        Ok(bundle)
    }

    fn resolve(&self, path: &Path) -> Result<BundlePath, crate::roots::PathError> {
        match (self.roots.resolve(path), &self.store) {
            (Err(_), Some(store)) if path.is_absolute() => store.resolve(path),
            (resolved, _) => resolved,
        }
    }

    /// Loads a path and puts it in force; whatever happens stands in the history afterwards.
    pub(crate) async fn reload(
        self: &Arc<Self>,
        _turn: &Turn<'_>,
        path: &Path,
        wanted: Option<&Wanted>,
        trigger: Trigger,
    ) -> Attempt {
        let begun = Instant::now();
        let Fetched { digest, result } = self.fetch(path.to_path_buf()).await;
        let result = result.and_then(|ready| expect(ready, wanted));
        let result = result.and_then(|ready| self.put_in_force(ready));
        self.remember(begun, trigger, path, digest, result)
    }

    /// Refuses content that stands on the refused list, and where approval is required, content that no
    /// approved plan names. What was in force last stays, also over a start: nobody is left without
    /// policies by what is signed.
    pub(crate) fn admitted(&self, content: ContentDigest) -> Result<(), LoadError> {
        let Some(governed) = &self.governed else { return Ok(()) };
        let refused = governed.refuses(content);
        let approved = governed.approved.as_ref().is_none_or(|approved| approved.names(content));
        if (refused.is_none() && approved) || self.was_in_force(content) {
            return Ok(());
        }
        Err(match refused {
            Some((RefusedEntry { since, reason }, version)) => {
                LoadError::OnRefusedList { content, since, reason, version }
            }
            None => LoadError::NotApproved { content },
        })
    }

    /// Whether content answers now, or did when the agent ended. Before its first bundle an agent has
    /// nothing to go by, and takes what whoever set it up gave it; but nothing that is refused.
    fn was_in_force(&self, content: ContentDigest) -> bool {
        if let Some(now) = &*self.in_force.load() {
            return now.bundle.content == content;
        }
        let refuses = self.governed.as_ref().is_some_and(|it| it.refuses(content).is_some());
        let content = content.to_string();
        let book = self.book();
        let is = |kept: &Option<LastKnownGood>| kept.as_ref().map(|it| it.content == content);
        match is(&book.durable.in_force) {
            Some(true) => true,
            Some(false) => !refuses && is(&book.durable.last_known_good) == Some(true),
            None => !refuses,
        }
    }

    /// Swaps, unless the content is refused. The bundle that was in force is freed on another thread.
    pub(crate) fn put_in_force(self: &Arc<Self>, ready: Ready) -> Result<Arc<InForce>, LoadError> {
        self.admitted(ready.bundle.content)?;
        let now = self.now();
        let Ready { bundle, place } = ready;
        let from_file = matches!(place, Place::File(_));
        let next = Arc::new(InForce { bundle, place, loaded_at: now, replaced: None });
        let begun = Instant::now();
        let previous = self.in_force.swap(Some(Arc::clone(&next)));
        let swap_ns = u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.swap_ns.store(swap_ns, Ordering::Relaxed);
        if from_file {
            // Reading a file is asking its source; a pack is confirmed by its registry.
            self.confirm(now);
        }
        let same = previous.as_ref().is_some_and(|was| was.bundle.digest == next.bundle.digest);
        {
            let mut book = self.book();
            book.local_rules = None;
            if !same {
                let was = book.durable.in_force.take();
                // After a start there is no previous one in memory, but there is one on disk.
                let good = previous.as_ref().map(|was| was.named()).or(was);
                if let Some(good) = good
                    && good.digest != next.bundle.digest.to_string()
                {
                    book.durable.last_known_good = Some(good);
                }
            }
            book.durable.in_force = Some(next.named());
        }
        // The same bundle again is on disk already.
        if self.state_dir.is_some() && !same {
            self.keep(Job::InForce(Arc::clone(&next)));
        }
        if let Some(previous) = previous {
            self.tracker.spawn_blocking(move || drop(previous));
        }
        Ok(next)
    }

    /// Writes an attempt into history, counters and log.
    pub(crate) fn remember(
        &self,
        begun: Instant,
        trigger: Trigger,
        path: &Path,
        digest: Option<BundleDigest>,
        result: Result<Arc<InForce>, LoadError>,
    ) -> Attempt {
        let duration_ms = (begun.elapsed().as_secs_f64() * 1e5).round() / 100.0;
        let mut record = ReloadRecord {
            timestamp: self.now(),
            version: None,
            success: result.is_ok(),
            duration_ms,
            policies_loaded: 0,
            error: None,
            trigger,
            path: Some(path.display().to_string()),
            digest: digest.map(|digest| digest.to_string()),
            content: None,
        };
        self.count(begun, &result);
        match &result {
            Ok(now) => {
                record.version = Some(now.version().to_owned());
                record.policies_loaded = u32::try_from(now.bundle.refs.len()).unwrap_or(u32::MAX);
                record.content = Some(now.bundle.content.to_string());
                let count = record.policies_loaded;
                let version = now.version();
                let line = format!(
                    "Hot-reload successful: v{version} ({duration_ms:.2}ms, {count} policies)"
                );
                self.logs.write_reload(&line, &record);
            }
            Err(error) => {
                let text = self.error_text(error, path);
                record.error = Some(text.clone());
                let line = format!("Hot-reload failed: {text} ({duration_ms:.2}ms)");
                self.logs.write_reload(&line, &record);
                let full = error.full_text();
                if full != text {
                    self.log(LogLevel::Warn, &format!("{}: {full}", path.display()));
                }
            }
        }
        if self.config.alerts.is_some()
            && let Err(error) = &result
        {
            self.alert(error, &record);
        }
        // A missing file is no attempt to the field's service.
        let kept =
            !(self.config.field_compatible && result.as_ref().is_err_and(LoadError::is_missing));
        if kept {
            let line = self.book().history.add(record.clone());
            if self.state_dir.is_some() {
                self.keep(Job::Line(line));
            }
        }
        self.alerts.look();
        Attempt { record, result }
    }

    /// Both are told each time: the next look may come after the next success.
    fn alert(&self, error: &LoadError, record: &ReloadRecord) {
        let text = |text: String| format!("{}: {text}", record.path.as_deref().unwrap_or_default());
        let full = printable(&text(error.full_text()));
        if counts(record.trigger) {
            self.alerts.happened(AlertRule::ReloadFailed, full.clone(), record.timestamp);
        }
        if !error.failed_checks().is_empty() {
            self.alerts.happened(AlertRule::PackRefused, full, record.timestamp);
        }
    }

    fn count(&self, begun: Instant, result: &Result<Arc<InForce>, LoadError>) {
        let now = self.now();
        self.pack.reloaded(begun.elapsed());
        let checks: Vec<(&str, bool)> = match result {
            Ok(now) => {
                let checks = now.bundle.signature.checks.iter();
                checks.map(|check| (check.name.as_str(), check.passed)).collect()
            }
            Err(error) => error.failed_checks(),
        };
        if result.is_err() && !checks.is_empty() {
            self.pack.refused();
        }
        for (check, passed) in checks {
            self.pack.verified(check, passed, now);
        }
    }

    /// The error as this answer style words it.
    pub(crate) fn error_text(&self, error: &LoadError, path: &Path) -> String {
        if error.is_missing() {
            format!("Bundle file not found: {}", path.display())
        } else if self.config.field_compatible {
            "Failed to load bundle from file".to_owned()
        } else {
            error.field_text()
        }
    }

    /// Confirms what is in force, when the bytes at its source are still the same.
    pub(crate) fn confirm_if_same(&self, digest: Option<BundleDigest>) -> Option<Arc<InForce>> {
        let now = self.in_force.load_full()?;
        (digest == Some(now.bundle.digest) && now.replaced.is_none()).then(|| {
            self.confirm(self.now());
            now
        })
    }

    /// When the bundle in force was loaded, if there is one.
    pub(crate) fn loaded_at(&self) -> Option<Timestamp> {
        self.in_force.load().as_ref().map(|now| now.loaded_at)
    }
}

/// Refuses a bundle that is not the one that was meant, for example because the file changed since.
pub(crate) fn expect(ready: Ready, wanted: Option<&Wanted>) -> Result<Ready, LoadError> {
    match wanted {
        Some(wanted) if !wanted.is(&ready.bundle) => Err(LoadError::Other {
            wanted: wanted.shown(),
            found: format!(
                "{} with content {}",
                ready.bundle.version(),
                ready.bundle.content.short()
            ),
        }),
        _ => Ok(ready),
    }
}

/// Runs work on a blocking thread; the caller goes on as soon as the work replies.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce(oneshot::Sender<T>) + Send + 'static,
) -> T {
    let (reply, answer) = oneshot::channel();
    let task = tokio::task::spawn_blocking(move || work(reply));
    match answer.await {
        Ok(answer) => answer,
        Err(_) => match task.await {
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            _ => unreachable!("work replies or panics"),
        },
    }
}
