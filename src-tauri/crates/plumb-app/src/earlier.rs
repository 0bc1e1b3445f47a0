//! What nodes ran before, from the console's long history: their way back where they keep none themselves.

use std::{collections::BTreeSet, sync::Arc};

use plumb_fleet::{NamedContent, NodeApi, NodeId, Observed};

use crate::{app::App, current::Current, error::AppError};

/// Changes of one node looked through for an earlier signed content.
const CHANGES_MAX: usize = 50;
/// Where the figure comes from, as it is shown.
const SOURCE: &str = "the console's history";

impl App {
    /// A copy in which nodes without a last-known-good know the last signed bundle they were seen to run before the
    /// present one. A reload service and an OPA keep none; the catalogue knows the file to reload (conflict C8), or
    /// what the hub has to serve.
    pub(crate) async fn with_earlier(
        &self,
        current: &Current,
        selected: Option<&BTreeSet<NodeId>>,
    ) -> Result<Current, AppError> {
        let mut snapshot = (*current.snapshot).clone();
        let mut conn = self.cache().read().await?;
        for (id, seen) in &mut snapshot.nodes {
            let chosen = selected.is_none_or(|selected| selected.contains(id));
            let Some(report) = seen.report.as_deref().filter(|_| chosen) else { continue };
            if report.api == NodeApi::Agent || report.last_known_good.is_some() {
                continue;
            }
            let now = report.content.as_ref().map(|content| content.value);
            let changes =
                plumb_store::snapshots::changes(&mut conn, &current.fleet.name, id, CHANGES_MAX)
                    .await?;
            let earlier = changes.into_iter().find_map(|change| {
                let (version, content) = (change.version?, change.content?);
                let offer = current.desired.offer(id);
                let signed = offer.of_version(&version).any(|entry| entry.content == content);
                let other = signed && Some(content) != now;
                other.then_some((NamedContent { version, content }, change.at))
            });
            if let Some(report) = seen.report_mut() {
                report.last_known_good =
                    earlier.map(|(good, at)| Box::new(Observed::new(good, SOURCE, at)));
            }
        }
        Ok(Current { snapshot: Arc::new(snapshot), ..current.clone() })
    }
}
