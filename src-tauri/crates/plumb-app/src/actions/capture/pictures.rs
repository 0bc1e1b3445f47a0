//! Pictures in evidence: what nodes ran when it was captured, and those of the History screen over its time.

use plumb_charts::Palette;
use plumb_evidence::{Capture, CaptureError, report::Picture};
use plumb_redact::Form;

use super::{CaptureRequest, Scope, not_captured};
use crate::{
    app::App,
    error::AppError,
    queries::history::{HOURS_MAX, history_picture},
};

/// The pictures of a history: their names, and what they show.
const OF_HISTORY: [(&str, &str); 4] = [
    ("timeline", "Versions and contents over time, nodes that ran the same in one lane"),
    ("raster", "Contents of every node over time"),
    ("reloads", "Reloads over time: how many, what failed, how long they took"),
    ("age", "How long ago sources had confirmed digests, over time"),
];

impl App {
    /// Takes every picture there can be, without secrets, and tells them for the page.
    pub(super) async fn picture_evidence(
        &self,
        capture: &mut Capture,
        request: &CaptureRequest,
        scope: &Scope,
    ) -> Result<Vec<Picture>, AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        let mut pictures = Vec::new();
        match self.chart_svg(&request.fleet, "versions", None).await {
            Ok(svg) => pictures.push(("versions", "Share of nodes by version and content", svg)),
            Err(error) => capture.lacks("picture of versions", &error.message).map_err(wrong)?,
        }
        let back_s = self.now().duration_since(scope.window.from).as_secs().max(1);
        let hours = u32::try_from(back_s.unsigned_abs().div_ceil(3_600)).unwrap_or(HOURS_MAX);
        match self.history(&request.fleet, hours.min(HOURS_MAX)).await {
            Ok(history) => {
                for (name, words) in OF_HISTORY {
                    let svg = history_picture(&history, name, &Palette::light())?.svg();
                    pictures.push((name, words, svg));
                }
            }
            Err(error) => {
                capture.lacks("pictures of the history", &error.message).map_err(wrong)?;
            }
        }
        let mut told = Vec::new();
        for (name, words, svg) in pictures {
            // Names of nodes stand in them.
            let svg = capture.text(&svg);
            let file = format!("pictures/{name}.svg");
            capture.take("pictures", Form::Text, &file, svg.as_bytes()).map_err(wrong)?;
            told.push(Picture { svg, words: words.to_owned() });
        }
        Ok(told)
    }
}
