//! Nodes asked now: their documents as received, and the log lines of agents.

use std::time::Duration;

use futures::StreamExt as _;
use plumb_clients::operations;
use plumb_evidence::{Capture, CaptureError};
use plumb_fleet::node::{Capability, capabilities};

use super::{CaptureRequest, Scope, gather::blocking, not_captured, raw::RawFile};
use crate::{
    app::App,
    error::{AppError, chain},
};

/// Nodes asked at the same time, as many as a sweep asks.
const ASKED_AT_ONCE: usize = 64;
/// Answers that wait to be redacted; more nodes are asked when there is room.
const WAITING_MAX: usize = 256;
/// Nodes named one by one where something is missing; more are counted.
const NAMED_MAX: usize = 100;

/// What came of asking nodes.
#[derive(Default)]
struct Asked {
    lacking: Vec<(String, String)>,
}

impl App {
    /// Asks nodes for their documents and logs, and redacts each as it comes.
    pub(super) async fn node_evidence(
        &self,
        (mut capture, mut raw): (Capture, Option<RawFile>),
        request: &CaptureRequest,
        scope: &Scope,
    ) -> Result<(Capture, Option<RawFile>), AppError> {
        let folder = capture.draft().folder().to_owned();
        let wrong = |error: CaptureError| not_captured(&folder, &error);
        if !request.ask {
            let why = "nobody wanted nodes to be asked";
            capture.lacks("answers and logs of nodes as they are now", why).map_err(wrong)?;
            return Ok((capture, raw));
        }
        let (sender, mut lines) = tokio::sync::mpsc::channel::<Vec<u8>>(WAITING_MAX);
        let redacting = blocking(move || {
            let mut unwritten = None;
            let lines = std::iter::from_fn(|| {
                let line = lines.blocking_recv()?;
                if let Some(file) = &mut raw
                    && let Err(error) = file.line(&line)
                {
                    unwritten.get_or_insert(error);
                }
                Some(line)
            });
            let done = capture.take_lines("answers", "nodes/answers.jsonl", lines);
            done.map(|()| (capture, raw, unwritten))
        });
        let (asked, capture) = tokio::join!(self.ask_nodes(request, scope, sender), redacting);
        let (mut asked, (mut capture, raw, unwritten)) = (asked?, capture?.map_err(wrong)?);
        if let Some(error) = unwritten {
            capture.lacks("some raw answers", &chain(&error)).map_err(wrong)?;
        }
        // Whichever node answered first.
        asked.lacking.sort();
        for (what, why) in asked.lacking.iter().take(NAMED_MAX) {
            capture.lacks(what, why).map_err(wrong)?;
        }
        if let Some(more) = asked.lacking.len().checked_sub(NAMED_MAX).filter(|more| *more > 0) {
            let what = format!("{more} more answers or logs of nodes");
            capture.lacks(&what, "as those above").map_err(wrong)?;
        }
        Ok((capture, raw))
    }

    async fn ask_nodes(
        &self,
        request: &CaptureRequest,
        scope: &Scope,
        sender: tokio::sync::mpsc::Sender<Vec<u8>>,
    ) -> Result<Asked, AppError> {
        let (_, loaded) = self.loaded(&request.fleet)?;
        let deadline = Duration::from_secs(u64::from(loaded.fleet.deadline_s));
        let wanted =
            |id: &plumb_fleet::NodeId| scope.nodes.as_ref().is_none_or(|nodes| nodes.contains(id));
        let nodes = loaded.fleet.nodes.values().filter(|node| wanted(&node.id)).cloned();
        let age_s = self.now().duration_since(scope.window.from).as_secs().max(1);
        let age_s = u32::try_from(age_s).unwrap_or(u32::MAX);
        let answers = futures::stream::iter(nodes).map(|node| {
            let (loaded, wall) = (&loaded, self.wall());
            async move {
                let raw = operations::raw(&loaded.pool, &node, deadline, &wall).await;
                let logs = if capabilities(node.api).can.contains(&Capability::Logs) {
                    let id = node.id.as_str();
                    Some(self.node_logs(&request.fleet, id, "", "", age_s).await)
                } else {
                    None
                };
                (node, raw, logs)
            }
        });
        let mut answers = answers.buffer_unordered(ASKED_AT_ONCE);
        let mut asked = Asked::default();
        while let Some((node, raw, logs)) = answers.next().await {
            for answer in raw {
                let line = match answer.answer {
                    Ok(document) => serde_json::json!({
                        "node": node.id, "path": answer.path, "at": answer.at,
                        "status": document.status, "headers": document.headers, "body": document.text,
                    }),
                    Err(failure) => {
                        let what = format!("{} of {}", answer.path, node.id);
                        asked.lacking.push((what, failure.message));
                        continue;
                    }
                };
                // Nobody takes it only where redacting failed, which is told there.
                let _ = sender.send(line.to_string().into_bytes()).await;
            }
            match logs {
                None => {
                    let why = format!("a node of the kind {} has none to give", node.api.name());
                    asked.lacking.push((format!("logs of {}", node.id), why));
                }
                Some(Ok(lines)) => {
                    let line =
                        serde_json::json!({ "node": node.id, "path": "logs", "lines": lines });
                    let _ = sender.send(line.to_string().into_bytes()).await;
                }
                Some(Err(error)) => {
                    asked.lacking.push((format!("logs of {}", node.id), error.message));
                }
            }
        }
        Ok(asked)
    }
}
