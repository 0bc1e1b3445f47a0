//! Notifications of the desktop, by the system's own service. The page has no permission for them.

use std::time::Duration;

use plumb_app::{App, notifications::Notification};
use tracing::warn;

/// How long the desktop may take to accept one.
const SHOW_MAX: Duration = Duration::from_secs(10);

/// Shows what is worth one until the application closes; where the desktop takes none, Settings say so.
pub(crate) async fn show(app: App) {
    let mut heard = app.notifications();
    while let Some(notification) = heard.recv().await {
        // The bus is asked in a blocking way, which must not hold a task up.
        let asked = tokio::task::spawn_blocking(move || ring(&notification));
        let problem = match tokio::time::timeout(SHOW_MAX, asked).await {
            Ok(Ok(Ok(()))) => None,
            Ok(Ok(Err(error))) => Some(error.to_string()),
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some(format!("the desktop did not answer within {} s", SHOW_MAX.as_secs())),
        };
        if let Some(problem) = &problem {
            warn!(error = %problem, "notification not shown");
        }
        app.notification_shown(problem);
    }
}

fn ring(notification: &Notification) -> notify_rust::error::Result<()> {
    let mut shown = notify_rust::Notification::new();
    shown.appname("Plumbline").summary(&notification.title).body(&body(&notification.body));
    #[cfg(all(unix, not(target_os = "macos")))]
    shown.urgency(if notification.urgent {
        notify_rust::Urgency::Critical
    } else {
        notify_rust::Urgency::Normal
    });
    shown.show().map(drop)
}

/// The body as the desktop reads it: some take markup there, and nodes must not write any.
#[cfg(all(unix, not(target_os = "macos")))]
fn body(text: &str) -> String {
    let markup = notify_rust::get_capabilities()
        .is_ok_and(|capabilities| capabilities.iter().any(|one| one == "body-markup"));
    if markup {
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    } else {
        text.to_owned()
    }
}

#[cfg(not(all(unix, not(target_os = "macos"))))]
fn body(text: &str) -> String {
    text.to_owned()
}
