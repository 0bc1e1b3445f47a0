//! Which fleets the desktop is told about.

use crate::{
    actions::rosters::fleet_id, app::App, error::AppError, notifications::Heard, topics::Topic,
    views::settings::SettingsView,
};

impl App {
    /// Tells the desktop about a fleet, or nothing of it from now on.
    pub async fn set_quiet(&self, fleet: &str, quiet: bool) -> Result<SettingsView, AppError> {
        let fleet = self.state(fleet)?.name.clone();
        let mut record = self.record().write().await?;
        plumb_store::quiet::set(&mut record, &fleet, quiet, self.now()).await?;
        record.commit().await?;
        self.announce([Topic::Shell]);
        self.settings().await
    }

    pub(crate) async fn is_quiet(&self, fleet: &str) -> Result<bool, AppError> {
        let mut conn = self.record().read().await?;
        Ok(plumb_store::quiet::list(&mut conn).await?.contains(&fleet_id(fleet)?))
    }

    /// Notes how the desktop took a notification.
    pub fn notification_shown(&self, heard: Heard) {
        *self.0.heard.lock().expect("no panic while it is held") = heard;
    }
}
