//! Sources that have gone quiet: the policy says who should tell something now and then.

use std::collections::{BTreeMap, BTreeSet};

use plumb_alert::{Decided, Draft, Ingested, quiet_sources};

use super::{Inbox, since};
use crate::error::InboxError;

impl Inbox {
    /// Reports sources that have not told anything for longer than the policy allows, and those that have again. To be
    /// called now and then; a source that stays quiet is one alert.
    pub async fn watch_sources(
        &self,
    ) -> Result<Vec<Result<Decided<Ingested>, InboxError>>, InboxError> {
        let expected = &self.policy().sources;
        let Some(longest) = expected.iter().map(|wanted| wanted.within_minutes).max() else {
            return Ok(Vec::new());
        };
        let mut rows = self.store.read().await?;
        let now = rows.now().await?;
        let dashboard = rows.dashboard(since(now, Some(longest))?, now).await?;
        let seen: BTreeMap<_, _> =
            dashboard.sources.into_iter().map(|seen| (seen.source, seen.last_seen_at)).collect();
        let drafts = quiet_sources(expected, &seen, now);
        let fingerprints: Vec<String> = drafts.iter().map(Draft::fingerprint).collect();
        let known = rows.newest(&fingerprints).await?;
        drop(rows);
        let open: BTreeSet<String> = known
            .into_iter()
            .filter(|alert| alert.resolved_at.is_none())
            .map(|alert| alert.fingerprint)
            .collect();
        // That a source talks is told once, to whoever was told that it does not.
        let told = drafts.into_iter().filter(|it| !it.resolved || open.contains(&it.fingerprint()));
        Ok(self.ingest_all(told.collect()).await)
    }
}
