//! Pictures that leave the window: the same bytes each time, ready for a document or an archive.

use plumb_charts::{Palette, ReloadMark, Share, reload_strip, version_bar};
use plumb_fleet::Version;

use crate::{
    app::App,
    error::{AppError, Code},
    queries::fleet::common_state,
};

impl App {
    /// An SVG: `versions` of a fleet, or `reloads` of a node.
    pub async fn chart_svg(
        &self,
        fleet: &str,
        chart: &str,
        node: Option<&str>,
    ) -> Result<String, AppError> {
        let current = self.current(fleet).await?;
        match (chart, node) {
            ("versions", _) => {
                let assessment = current.assess(self.now());
                let shares: Vec<Share> = assessment
                    .groups
                    .iter()
                    .map(|group| Share {
                        label: group
                            .version
                            .as_ref()
                            .map_or("not known", Version::as_str)
                            .to_owned(),
                        count: group.nodes.len(),
                        state: common_state(&assessment, &group.nodes),
                    })
                    .collect();
                Ok(version_bar(&shares, &Palette::light()).svg())
            }
            ("reloads", Some(node)) => {
                let (_, loaded) = self.loaded(fleet)?;
                let node = loaded.node(node)?;
                let kept = self.reloads(&current, &node.id).await?;
                let marks: Vec<ReloadMark> = kept
                    .iter()
                    .rev()
                    .map(|kept| ReloadMark {
                        at: kept.entry.at,
                        success: kept.entry.success,
                        duration_ms: kept.entry.duration_us as f64 / 1_000.0,
                        gap_before: kept.gap_before,
                    })
                    .collect();
                let now = self.now();
                let from = marks.first().map_or(now, |mark| mark.at);
                Ok(reload_strip(&marks, from, now, &Palette::light()).svg())
            }
            _ => Err(AppError::new(
                Code::Invalid,
                format!("there is no chart {chart:?} of this"),
                "ask for the versions of a fleet or the reloads of a node",
            )),
        }
    }
}
