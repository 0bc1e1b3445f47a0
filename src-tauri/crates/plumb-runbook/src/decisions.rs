//! What a plan changes in the answers of its nodes: for each change of content, what asking both
//! contents the same requests came to.

use std::{cmp::Reverse, collections::BTreeMap, fmt};

use plumb_fleet::{ContentDigest, Digest, NodeApi, NodeId};
use serde::{Deserialize, Serialize};

use crate::plan::{Plan, Running};

/// Kinds of flips that are told one by one.
pub const KINDS_MAX: usize = 8;

/// One content that some nodes exchange for another. Contents and who reads them tell changes apart;
/// versions are what people call them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentChange {
    pub from: Running,
    pub to: Running,
    /// How these nodes read both; reports from before this was told apart do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<ReadAs>,
    pub compared: Compared,
}

/// Which text is right about conditions of first-match rules for a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReadAs {
    /// The field's manual.
    Documented,
    /// What the field's program does.
    Field,
}

impl ReadAs {
    /// How nodes that speak a dialect read rules.
    pub const fn by(api: NodeApi) -> Self {
        match api {
            NodeApi::Reload => Self::Field,
            NodeApi::Agent | NodeApi::Opa => Self::Documented,
        }
    }
}

/// Whether the two were compared, and what came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "compared", rename_all = "snake_case", deny_unknown_fields)]
pub enum Compared {
    Yes {
        /// SHA-256 of the whole report: every request that was asked, and every group of flips.
        report: Digest,
        requests: u64,
        /// The rule that was asked of Rego; first-match lists have none.
        rule: Option<String>,
        flips: FlipCounts,
        /// The gravest kinds of flips, each with an example; at most [`KINDS_MAX`].
        kinds: Vec<FlipKind>,
    },
    /// Nothing is known of what changes.
    No { reason: String },
}

/// Requests that flip alike: the same effects by the same rules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlipKind {
    /// The answer before and after, with the rule that gave it where it is known.
    pub before: String,
    pub after: String,
    pub requests: u64,
    /// How often they were asked, by the recorded counts.
    pub asked: u64,
    /// The smallest request found that flips so, as JSON.
    pub example: String,
}

impl FlipKind {
    /// One line for a person.
    pub fn sentence(&self) -> String {
        let Self { before, after, requests, asked, example } = self;
        let often = if asked > requests { format!(", asked {asked} times") } else { String::new() };
        format!("{before} becomes {after}: {requests} requests{often}, for example {example}")
    }
}

/// Requests that are answered differently, by what changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlipCounts {
    /// More is let through.
    pub wider: u64,
    /// Less is let through.
    pub stricter: u64,
    /// The policy fails now, or no longer, or in another way.
    pub error: u64,
    pub other: u64,
    pub reason_only: u64,
    /// No answer of one side or both: no flip, and no proof that there is none.
    pub not_evaluated: u64,
}

impl ContentChange {
    /// One line for a person.
    pub fn sentence(&self) -> String {
        format!("{}: {}", self.title(), self.compared.sentence())
    }

    /// What flips, one line a kind, the gravest first.
    pub fn kinds(&self) -> impl Iterator<Item = String> {
        let kinds = match &self.compared {
            Compared::Yes { kinds, .. } => kinds.as_slice(),
            Compared::No { .. } => &[],
        };
        kinds.iter().map(FlipKind::sentence)
    }

    fn title(&self) -> String {
        let read = match self.read {
            Some(ReadAs::Field) => " as the field's service reads them",
            Some(ReadAs::Documented) | None => "",
        };
        format!("{} to {}{read}", self.from, self.to)
    }

    fn identity(&self) -> (Option<ContentDigest>, Option<ContentDigest>, Option<ReadAs>) {
        (self.from.content, self.to.content, self.read)
    }
}

impl Compared {
    fn sentence(&self) -> String {
        match self {
            Self::Yes { requests, rule: None, flips, .. } => {
                format!("of {requests} requests {flips}")
            }
            Self::Yes { requests, rule: Some(rule), flips, .. } => {
                format!("of {requests} requests for {rule} {flips}")
            }
            Self::No { reason } => format!("not compared, {reason}"),
        }
    }
}

impl FlipCounts {
    /// Requests that are answered differently in any way.
    pub const fn flips(&self) -> u64 {
        self.wider + self.stricter + self.error + self.other + self.reason_only
    }
}

impl fmt::Display for FlipCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.wider, "let more through"),
            (self.stricter, "let less through"),
            (self.error, "fail otherwise"),
            (self.other, "are answered otherwise"),
            (self.reason_only, "are answered with another reason"),
            (self.not_evaluated, "were not evaluated"),
        ];
        let said: Vec<String> = parts
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if said.is_empty() { f.write_str("none changes") } else { f.write_str(&said.join(", ")) }
    }
}

/// The changes of content that a plan makes, once for each way in which its nodes read them, those of
/// most nodes first; also those of nodes of which it is not known what they run.
pub fn changes(plan: &Plan, read: impl Fn(&NodeId) -> ReadAs) -> Vec<(Running, Running, ReadAs)> {
    let mut counts = BTreeMap::<_, (usize, &Running, &Running)>::new();
    for target in plan.targets() {
        let (from, to) = (target.before.content, target.after.content);
        if to.is_some() && from != to {
            let alike = (from, to, read(&target.node));
            counts.entry(alike).or_insert((0, &target.before, &target.after)).0 += 1;
        }
    }
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_by_key(|(alike, (nodes, ..))| (Reverse(*nodes), *alike));
    all.into_iter().map(|((_, _, read), (_, from, to))| (from.clone(), to.clone(), read)).collect()
}

/// SHA-256 of the canonical bytes (RFC 8785); nothing where no content changes.
pub(crate) fn digest(changes: &[ContentChange]) -> Option<Digest> {
    (!changes.is_empty()).then(|| {
        let bytes = serde_json_canonicalizer::to_vec(&changes);
        Digest::of(&bytes.expect("changes always serialise"))
    })
}

/// Every change about which the later report says something else, in one line.
pub(crate) fn differences(before: &[ContentChange], now: &[ContentChange]) -> Vec<String> {
    let of = |all: &[ContentChange], change: &ContentChange| {
        all.iter().find(|one| one.identity() == change.identity()).map(|one| one.compared.clone())
    };
    let mut found = Vec::new();
    for change in now {
        let earlier = match of(before, change) {
            Some(earlier) if earlier == change.compared => continue,
            Some(earlier) if earlier.sentence() == change.compared.sentence() => {
                "other requests, or others of them".to_owned()
            }
            Some(earlier) => earlier.sentence(),
            None => "no such change".to_owned(),
        };
        found.push(format!("{} (before: {earlier})", change.sentence()));
    }
    let gone = before.iter().filter(|one| of(now, one).is_none());
    found.extend(gone.map(|one| format!("{}: no such change any more", one.title())));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(compared: Compared) -> ContentChange {
        let running = |text: &str| {
            let content = Some(ContentDigest(Digest::of(text.as_bytes())));
            Running { version: None, content }
        };
        let read = Some(ReadAs::Documented);
        ContentChange { from: running("old"), to: running("new"), read, compared }
    }

    fn flips(wider: u64, report: &str) -> Compared {
        let flips = FlipCounts { wider, ..FlipCounts::default() };
        let (report, kinds) = (Digest::of(report.as_bytes()), Vec::new());
        Compared::Yes { report, requests: 10, rule: None, flips, kinds }
    }

    #[test]
    fn another_set_of_flips_is_another_digest_and_is_told() {
        let before = [change(flips(2, "a"))];
        assert_eq!(differences(&before, &before), Vec::<String>::new());
        assert_eq!(digest(&[]), None);
        let unlike = [
            (change(flips(3, "b")), "(before: of 10 requests 2 let more through)"),
            (change(flips(2, "b")), "(before: other requests, or others of them)"),
            (change(Compared::No { reason: "gone".to_owned() }), "not compared, gone (before:"),
        ];
        for (now, told) in unlike {
            let now = [now];
            assert_ne!(digest(&before), digest(&now));
            let told_now = differences(&before, &now);
            assert!(told_now.len() == 1 && told_now[0].contains(told), "{told_now:?}");
        }
        assert!(differences(&before, &[])[0].ends_with("no such change any more"));
        assert!(differences(&[], &before)[0].ends_with("(before: no such change)"));
        let field = [ContentChange { read: Some(ReadAs::Field), ..change(flips(2, "a")) }];
        let told = differences(&before, &field);
        assert!(told[0].contains("as the field's service reads them"), "another change: {told:?}");
    }
}
