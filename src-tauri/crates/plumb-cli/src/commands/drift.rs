//! `drift`: groups of nodes against a baseline, policy by policy.

use clap::Args;
use jiff::Timestamp;
use plumb_app::{
    App,
    views::drift::{Baseline, BaselineView, GroupView, PolicyDiffView, TextDiffView},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    exit::{Failure, Outcome},
    output::Output,
    session::Session,
    text::{count, diff, escape::printable},
};

#[derive(Debug, Args)]
pub(crate) struct Drift {
    /// What to compare with: desired, majority, node:ID, bundle:DIGEST, or ID@2026-11-21T05:00:00Z
    #[arg(long, value_name = "BASELINE", conflicts_with = "against")]
    baseline: Option<String>,
    /// Only the group this node is in
    #[arg(long, value_name = "ID")]
    node: Option<String>,
    /// Compare with what this node runs
    #[arg(long, value_name = "ID")]
    against: Option<String>,
    /// Only this policy, line by line
    #[arg(long, value_name = "ID")]
    policy: Option<String>,
    /// Both sides beside each other instead of a unified diff
    #[arg(long, requires = "policy")]
    side_by_side: bool,
}

/// Groups, their policies, and texts where a policy was named.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct DriftDocument {
    pub(crate) fleet: String,
    pub(crate) baseline: BaselineView,
    /// Largest group first.
    pub(crate) groups: Vec<GroupView>,
    /// One for every group that was asked about and runs another content of the baseline's bundle.
    pub(crate) diffs: Vec<PolicyDiffView>,
    pub(crate) texts: Vec<GroupText>,
}

/// One policy of one group, line by line.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct GroupText {
    pub(crate) group: String,
    pub(crate) text: TextDiffView,
}

impl Drift {
    pub(crate) async fn run(&self, session: Session<'_>) -> Outcome {
        let baseline = self.baseline()?;
        session
            .with_fleet(async |app, fleet| {
                let look = session.look(app, fleet, None).await?;
                let document = self.compare(app, fleet, &baseline).await?;
                let fine = document.diffs.is_empty();
                session.out.show(&document, |out| self.show(out, &document));
                Ok(look.exit(fine))
            })
            .await
    }

    fn baseline(&self) -> Result<Baseline, Failure> {
        if let Some(id) = &self.against {
            return Ok(Baseline::Node { id: id.clone() });
        }
        let Some(text) = &self.baseline else { return Ok(Baseline::Desired) };
        if let Some(id) = text.strip_prefix("node:") {
            return Ok(Baseline::Node { id: id.to_owned() });
        }
        if let Some(content) = text.strip_prefix("bundle:") {
            return Ok(Baseline::Bundle { content: content.to_owned() });
        }
        if let Some((id, at)) = text.split_once('@') {
            let at: Timestamp = at.parse().map_err(|error| {
                Failure::usage(
                    format!("--baseline: {at:?}: {error}"),
                    "write it as 2026-11-21T05:00:00Z",
                )
            })?;
            return Ok(Baseline::Moment { id: id.to_owned(), at_ms: at.as_millisecond() });
        }
        match text.as_str() {
            "desired" => Ok(Baseline::Desired),
            "majority" => Ok(Baseline::Majority),
            other => Err(Failure::usage(
                format!("--baseline: {other:?} is no baseline"),
                "use desired, majority, node:ID, bundle:DIGEST, or ID@MOMENT",
            )),
        }
    }

    async fn compare(
        &self,
        app: &App,
        fleet: &str,
        baseline: &Baseline,
    ) -> Result<DriftDocument, Failure> {
        let view = app.version_diff(fleet, baseline).await?;
        // Groups name only the first of many nodes, so the group is found by what the node runs.
        let own = match &self.node {
            Some(node) => Some(app.node(fleet, node).await?.row),
            None => None,
        };
        let asked = |key: &str| {
            own.as_ref().is_none_or(|row| {
                let group = view.groups.iter().find(|group| group.key == key);
                group.is_some_and(|group| {
                    row.content == group.content && row.version == group.version
                })
            })
        };
        let diffs: Vec<PolicyDiffView> =
            view.diffs.into_iter().filter(|diff| asked(&diff.group)).collect();
        let mut texts = Vec::new();
        if let Some(policy) = &self.policy {
            for diff in &diffs {
                let (from, to) = (diff.from_content.as_deref(), diff.to_content.as_deref());
                let text = app.policy_text_diff(fleet, from, to, policy).await?;
                texts.push(GroupText { group: diff.group.clone(), text });
            }
        }
        Ok(DriftDocument {
            fleet: fleet.to_owned(),
            baseline: view.baseline,
            groups: view.groups,
            diffs,
            texts,
        })
    }

    fn show(&self, out: &Output, document: &DriftDocument) {
        out.say(format!("compared with {}", printable(&document.baseline.label)));
        if let Some(reason) = &document.baseline.unavailable {
            out.say(out.style.bad(&printable(reason)));
        }
        if self.policy.is_none() {
            diff::groups(out, &document.groups);
        }
        for policies in &document.diffs {
            let title = title(&document.groups, &policies.group);
            match document.texts.iter().find(|text| text.group == policies.group) {
                None => diff::policies(out, &title, policies),
                Some(text) => {
                    out.say("");
                    out.say(title);
                    diff::text(out, &text.text, self.side_by_side);
                }
            }
        }
        if document.diffs.is_empty() {
            out.say("no difference");
        }
    }
}

fn title(groups: &[GroupView], key: &str) -> String {
    let Some(group) = groups.iter().find(|group| group.key == key) else {
        return "group".to_owned();
    };
    let names: Vec<&str> = group.nodes.iter().take(6).map(String::as_str).collect();
    printable(&format!(
        "group {} ({}: {})",
        group.letter,
        count(group.count, "node"),
        names.join(", ")
    ))
}
