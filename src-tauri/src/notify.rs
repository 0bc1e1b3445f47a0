//! Notifications of the desktop, by the system's own service. The page has no permission for them.

use std::time::Duration;

use plumb_app::{
    App,
    notifications::{Heard, Notification},
};
use tauri::AppHandle;
use tracing::warn;

/// How long the desktop may take to accept one.
const SHOW_MAX: Duration = Duration::from_secs(10);

/// Shows what is worth one until the application closes; where the desktop takes none, or tells of no
/// click, Settings say so.
pub(crate) async fn show(app: App, handle: AppHandle) {
    let mut heard = app.notifications();
    while let Some(notification) = heard.recv().await {
        let handle = handle.clone();
        // The bus is asked in a blocking way, which must not hold a task up.
        let asked = tokio::task::spawn_blocking(move || ring(notification, handle));
        let shown = match tokio::time::timeout(SHOW_MAX, asked).await {
            Ok(Ok(Ok(clicks))) => Ok(clicks),
            Ok(Ok(Err(error))) => Err(error.to_string()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the desktop did not answer within {} s", SHOW_MAX.as_secs())),
        };
        if let Err(problem) = &shown {
            warn!(error = %problem, "notification not shown");
        }
        app.notification_shown(Heard {
            clicks: shown.as_ref().ok().copied(),
            problem: shown.err(),
        });
    }
}

#[cfg(all(unix, not(target_os = "macos")))]
use desktop::ring;

/// The desktops of freedesktop.org tell of clicks where they can do actions.
#[cfg(all(unix, not(target_os = "macos")))]
mod desktop {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use notify_rust::{NotificationHandle, Urgency};
    use plumb_app::views::shell::AboutView;
    use tauri::{Emitter as _, Manager as _};

    use super::{AppHandle, Notification};

    /// The action that a desktop takes for a click on the notification itself.
    const CLICK: &str = "default";
    /// Notifications that are listened to, a thread each; those above it are shown all the same.
    const LISTENED_MAX: usize = 16;
    static LISTENED: AtomicUsize = AtomicUsize::new(0);

    /// Shows one, and says whether the desktop tells of a click on it.
    pub(super) fn ring(told: Notification, handle: AppHandle) -> notify_rust::error::Result<bool> {
        let capabilities = notify_rust::get_capabilities().unwrap_or_default();
        let can = |what: &str| capabilities.iter().any(|one| one == what);
        let clicks = can("actions");
        let mut shown = notify_rust::Notification::new();
        shown.appname("Plumbline").summary(&told.title);
        // Some take markup there, and nodes must not write any.
        shown.body(&if can("body-markup") { escaped(&told.body) } else { told.body });
        shown.urgency(if told.urgent { Urgency::Critical } else { Urgency::Normal });
        if clicks {
            shown.action(CLICK, "Show it in Plumbline");
        }
        let shown = shown.show()?;
        if clicks {
            listen(shown, told.about, handle);
        }
        Ok(clicks)
    }

    fn escaped(text: &str) -> String {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }

    /// Waits for a click in a thread of its own: the library waits in a blocking way until the
    /// notification is gone, which the end of the program must not wait for.
    fn listen(shown: NotificationHandle, about: AboutView, handle: AppHandle) {
        if LISTENED.fetch_add(1, Ordering::Relaxed) >= LISTENED_MAX {
            LISTENED.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        let waiting = move || {
            shown.wait_for_action(|action| {
                if action == CLICK {
                    go(&handle, &about);
                }
            });
            LISTENED.fetch_sub(1, Ordering::Relaxed);
        };
        if std::thread::Builder::new().name("notification".to_owned()).spawn(waiting).is_err() {
            LISTENED.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Brings the window to the front, at what somebody clicked.
    fn go(handle: &AppHandle, about: &AboutView) {
        if let Some(window) = handle.get_webview_window("main") {
            // Each of them may be refused by the desktop; the page goes there in any case.
            let _ = window.unminimize();
            let _ = window.show();
            let _ = window.set_focus();
        }
        // A window that is closing no longer listens.
        let _ = handle.emit("clicked", about);
    }
}

/// Elsewhere the library tells of no click.
#[cfg(not(all(unix, not(target_os = "macos"))))]
fn ring(told: Notification, _handle: AppHandle) -> notify_rust::error::Result<bool> {
    let mut shown = notify_rust::Notification::new();
    shown.appname("Plumbline").summary(&told.title).body(&told.body);
    shown.show().map(|_| false)
}
