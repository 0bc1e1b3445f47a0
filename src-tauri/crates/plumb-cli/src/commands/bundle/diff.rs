//! `bundle diff`: two bundles, policy by policy and data file by data file; order is content.

use clap::Args;
use plumb_app::{queries::drift::text_diff, views::drift::TextDiffView};
use plumb_bundle::{
    Bundle,
    diff::{DeltaKind, diff, diff_data},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::bundle;
use crate::{
    exit::{Exit, Outcome},
    output::Output,
    session::Session,
    text::{diff::text, escape::printable, style::Hue},
};

#[derive(Debug, Args)]
pub(crate) struct Diff {
    #[arg(value_name = "BEFORE")]
    before: String,
    #[arg(value_name = "AFTER")]
    after: String,
    /// Only this policy or data file, line by line
    #[arg(long, value_name = "ID")]
    policy: Option<String>,
    /// Both sides beside each other instead of a unified diff
    #[arg(long, requires = "policy")]
    side_by_side: bool,
}

/// What differs between two bundles.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BundleDiffDocument {
    pub(crate) before: BundleName,
    pub(crate) after: BundleName,
    /// Equal by content and data, whatever the files are called.
    pub(crate) equal: bool,
    pub(crate) added: usize,
    pub(crate) removed: usize,
    pub(crate) changed: usize,
    pub(crate) moved: usize,
    pub(crate) unchanged: usize,
    pub(crate) policies: Vec<BundleDelta>,
    /// Data files that differ; archives only.
    pub(crate) data: Vec<DocumentDelta>,
    pub(crate) text: Option<TextDiffView>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BundleName {
    pub(crate) bundle_id: String,
    pub(crate) version: String,
    pub(crate) content: String,
    /// Digest over the data files, where there are any.
    pub(crate) data: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BundleDelta {
    pub(crate) id: String,
    /// `added`, `removed`, `changed`, `moved` or `changed_and_moved`.
    pub(crate) change: String,
    /// Counted from one.
    pub(crate) from_position: Option<usize>,
    pub(crate) to_position: Option<usize>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DocumentDelta {
    pub(crate) path: String,
    /// `added`, `removed` or `changed`.
    pub(crate) change: String,
}

impl Diff {
    pub(crate) fn run(&self, session: Session<'_>) -> Outcome {
        let ((_, before), (_, after)) = (bundle(&self.before)?, bundle(&self.after)?);
        let difference = diff(&before.policies, &after.policies, after.ordering);
        let text = match &self.policy {
            Some(name) => {
                let (from, to) = (text_of(&before, name), text_of(&after, name));
                let mut text = text_diff(name, from, to, after.ordering)?;
                if let Some(language) = language_of_data(&before, &after, name) {
                    language.clone_into(&mut text.language);
                }
                Some(text)
            }
            None => None,
        };
        let counts = difference.counts;
        let document = BundleDiffDocument {
            equal: before.same_meaning(&after),
            before: name(&before),
            after: name(&after),
            added: counts.added,
            removed: counts.removed,
            changed: counts.changed,
            moved: counts.moved,
            unchanged: counts.unchanged,
            policies: difference
                .deltas
                .iter()
                .map(|delta| BundleDelta {
                    id: delta.id.clone(),
                    change: word(delta.kind()).to_owned(),
                    from_position: delta.before.map(|place| place.index + 1),
                    to_position: delta.after.map(|place| place.index + 1),
                })
                .collect(),
            data: diff_data(&before.data, &after.data)
                .deltas
                .iter()
                .map(|delta| DocumentDelta {
                    path: delta.id.clone(),
                    change: word(delta.kind()).to_owned(),
                })
                .collect(),
            text,
        };
        session.out.show(&document, |out| self.show(out, &document));
        Ok(Exit::fine_if(document.equal))
    }

    fn show(&self, out: &Output, document: &BundleDiffDocument) {
        let title = |name: &BundleName| format!("{} {}", name.version, &name.content[..12]);
        out.say(format!(
            "{} → {}",
            printable(&title(&document.before)),
            printable(&title(&document.after))
        ));
        out.say(format!(
            "  {} added, {} removed, {} changed, {} moved; {} equal",
            document.added, document.removed, document.changed, document.moved, document.unchanged
        ));
        if let Some(diff) = &document.text {
            return text(out, diff, self.side_by_side);
        }
        for delta in &document.policies {
            let (mark, hue) = mark(&delta.change);
            let place = match (delta.from_position, delta.to_position) {
                (Some(from), Some(to)) if from != to => format!(", place {from} → {to}"),
                _ => String::new(),
            };
            let line = format!(
                "{mark} {}  {}{place}",
                printable(&delta.id),
                delta.change.replace('_', " ")
            );
            out.say(format!("  {}", out.style.paint(hue, &line)));
        }
        for delta in &document.data {
            let (mark, hue) = mark(&delta.change);
            let line = format!("{mark} {}  data {}", printable(&delta.path), delta.change);
            out.say(format!("  {}", out.style.paint(hue, &line)));
        }
    }
}

fn mark(change: &str) -> (&'static str, Hue) {
    match change {
        "added" => ("+", Hue::Green),
        "removed" => ("-", Hue::Vermilion),
        "moved" => ("↕", Hue::Sky),
        _ => ("~", Hue::Orange),
    }
}

/// The text of a policy, or else of a data file.
fn text_of<'a>(bundle: &'a Bundle, name: &str) -> Option<&'a str> {
    let policy = bundle.policies.iter().find(|policy| policy.id == name);
    let data = || bundle.data.iter().find(|file| file.path == name);
    policy.map(|policy| policy.text.as_str()).or_else(|| data().map(|file| file.text.as_str()))
}

/// How a name is written, where it is that of a data file.
fn language_of_data(before: &Bundle, after: &Bundle, name: &str) -> Option<&'static str> {
    let is_data = [before, after].iter().any(|b| b.data.iter().any(|file| file.path == name));
    is_data.then(|| if name.ends_with("json") { "json" } else { "yaml" })
}

fn name(bundle: &Bundle) -> BundleName {
    BundleName {
        bundle_id: bundle.id.clone(),
        version: bundle.version.to_string(),
        content: bundle.content.to_string(),
        data: bundle.data_digest().map(|digest| digest.to_string()),
    }
}

const fn word(kind: DeltaKind) -> &'static str {
    match kind {
        DeltaKind::Added => "added",
        DeltaKind::Removed => "removed",
        DeltaKind::Changed => "changed",
        DeltaKind::Moved => "moved",
        DeltaKind::ChangedAndMoved => "changed_and_moved",
    }
}
