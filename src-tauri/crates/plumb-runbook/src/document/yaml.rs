//! YAML under limits, read so that lines count from the top of the document.

use serde::de::DeserializeOwned;
use serde_saphyr::Options;

use super::error::DocumentError;

/// Deepest nesting of a block: arms of a branch within a step, with room.
const DEPTH_MAX: usize = 16;
/// Most nodes of one block.
const NODES_MAX: usize = 10_000;

/// A block of YAML inside a document: its text is preceded by as many empty lines as the document
/// has lines before it, so that positions need no arithmetic.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    /// Lines of the document before the first line of the text.
    pub(crate) before: u32,
    pub(crate) text: &'a str,
}

pub(crate) fn read<T: DeserializeOwned>(block: &Block<'_>) -> Result<T, DocumentError> {
    let mut options = Options::default();
    options.with_snippet = false;
    options.strict_booleans = true;
    if let Some(budget) = &mut options.budget {
        budget.max_depth = DEPTH_MAX;
        budget.flow_nesting_limit = DEPTH_MAX;
        budget.max_nodes = NODES_MAX;
        budget.max_documents = 1;
        // What is written once stands once: nothing is multiplied by reference.
        budget.max_anchors = 0;
        budget.max_aliases = 0;
    }
    let lines = usize::try_from(block.before).expect("lines of a document in memory");
    let mut padded = "\n".repeat(lines);
    padded.push_str(block.text);
    serde_saphyr::from_str_with_options(&padded, options).map_err(|error| {
        let number = |at: u64| u32::try_from(at).unwrap_or(u32::MAX).max(1);
        let (line, column) = error
            .location()
            .map_or((block.before + 1, 1), |at| (number(at.line()), number(at.column())));
        let last = block.before + u32::try_from(block.text.lines().count()).unwrap_or(u32::MAX);
        let line = line.clamp(block.before + 1, last.max(block.before + 1));
        DocumentError::new(line, column, without_place(&error.to_string()))
    })
}

/// The message without the place the library adds: it stands in front already.
fn without_place(message: &str) -> String {
    let first = message.lines().next().unwrap_or_default();
    let text = first.rsplit_once(" at line ").map_or(first, |(text, _)| text);
    text.strip_prefix("error: ").unwrap_or(text).chars().take(300).collect()
}
