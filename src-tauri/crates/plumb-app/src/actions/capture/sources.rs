//! Everything that evidence is taken from, so that the self-test of the redaction is known to leave nothing out.

use plumb_evidence::live;
use plumb_redact::{Canary, Form};

/// How a source gets into evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    /// Without its secrets.
    Redacted(Form),
    /// Without its secrets, read piece by piece.
    Streamed(Form),
    /// As it is, or not at all.
    Bound(Form),
    /// Redacted while a run went on, and taken over.
    Kept,
}

pub(super) const SOURCES: [(&str, How); 37] = [
    ("alerts", How::Redacted(Form::JsonLines)),
    ("answers", How::Redacted(Form::JsonLines)),
    (live::SOURCE, How::Kept),
    ("approval", How::Bound(Form::Json)),
    ("catalogue", How::Redacted(Form::Json)),
    ("certificate", How::Bound(Form::Json)),
    ("changes", How::Redacted(Form::JsonLines)),
    ("command", How::Redacted(Form::Json)),
    ("console log", How::Redacted(Form::JsonLines)),
    ("contents", How::Bound(Form::Json)),
    ("desired", How::Redacted(Form::JsonLines)),
    ("doctor", How::Redacted(Form::Json)),
    ("dry run", How::Bound(Form::Json)),
    ("dry run made", How::Redacted(Form::Json)),
    ("fleet", How::Redacted(Form::Json)),
    ("former rosters", How::Redacted(Form::JsonLines)),
    ("incidents", How::Redacted(Form::JsonLines)),
    ("journal", How::Bound(Form::JsonLines)),
    ("kept log", How::Bound(Form::JsonLines)),
    ("keys", How::Bound(Form::Text)),
    ("nodes", How::Redacted(Form::JsonLines)),
    ("pictures", How::Redacted(Form::Text)),
    ("plan", How::Bound(Form::Json)),
    ("readiness", How::Redacted(Form::JsonLines)),
    ("refused content", How::Redacted(Form::JsonLines)),
    ("refused list", How::Bound(Form::Json)),
    ("refused lists", How::Redacted(Form::JsonLines)),
    ("reloads", How::Redacted(Form::JsonLines)),
    ("request", How::Bound(Form::Json)),
    ("roster", How::Bound(Form::Json)),
    ("run", How::Redacted(Form::Json)),
    ("runbook", How::Bound(Form::Json)),
    ("runbook files", How::Streamed(Form::Text)),
    ("runbook run", How::Redacted(Form::Json)),
    ("states", How::Redacted(Form::JsonLines)),
    ("sweeps", How::Redacted(Form::JsonLines)),
    ("transcript", How::Streamed(Form::Text)),
];

/// A source that the self-test does not know would get into evidence without having been tried.
pub(super) fn assert_known(planted: &[Canary]) {
    for canary in planted {
        let known = SOURCES.iter().any(|(name, _)| *name == canary.source);
        debug_assert!(known, "{} is a source that the self-test knows", canary.source);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use camino::{Utf8Path, Utf8PathBuf};
    use jiff::Timestamp;
    use plumb_evidence::{
        About, Capture, Seal, SealError, Window,
        capture::Captured,
        live::{Kept, Live},
        seal,
    };
    use plumb_fleet::{FleetId, RunId};
    use plumb_redact::{Class, Redactor, RuleSpec, Rules, TokenKey};
    use plumb_trust::{
        dsse::{Algorithm, NewKey},
        locked::stream::StreamKey,
    };

    use super::*;

    const TOKENS: [u8; 32] = [7; 32];

    fn about() -> About {
        let at = Timestamp::UNIX_EPOCH;
        About {
            by: "ops".to_owned(),
            environment: "test".to_owned(),
            fleet: FleetId::new("eu").expect("a name"),
            selection: "every node".to_owned(),
            tools: [("plumb".to_owned(), "1".to_owned())].into(),
            window: Window { from: at, to: at },
        }
    }

    fn rules(spec: &RuleSpec) -> Rules {
        Rules::compile(spec).expect("good rules")
    }

    fn kept(folder: &Utf8Path, spec: &RuleSpec) -> Kept {
        let raw = StreamKey::generate(&mut |bytes: &mut [u8]| bytes.fill(3));
        let whole = RuleSpec::default();
        let run = RunId::from_bytes([7; 16]);
        let live = Live::begin(folder, (run, 1), about(), (whole, rules(spec)), (TOKENS, raw));
        live.expect("begins").finish().expect("ends");
        Kept::open(folder).expect("reads")
    }

    /// Everything captured with rules of which some are off, though secrets of all are planted.
    fn captured(root: &Utf8Path, spec: &RuleSpec) -> Captured {
        let (whole, draft) = (RuleSpec::default(), root.join("draft"));
        let begun = Capture::begin(&draft, about(), whole, rules(spec), TOKENS);
        let mut capture = begun.expect("begins");
        for (number, (source, how)) in SOURCES.iter().enumerate() {
            let name = format!("all/{number}.txt");
            match how {
                How::Redacted(Form::JsonLines) => {
                    capture.take_lines(source, &name, [b"{}".to_vec()]).expect("taken");
                }
                How::Redacted(form) => {
                    capture.take(source, *form, &name, b"{}").expect("taken");
                }
                How::Streamed(form) => {
                    capture.take_stream(source, *form, &name, &b"{}"[..]).expect("taken");
                }
                How::Bound(Form::JsonLines) => {
                    let lines = || Ok(&b"{}\n"[..]);
                    capture.bound_lines(source, &name, lines).expect("taken");
                }
                How::Bound(form) => {
                    capture.bound(source, *form, &name, b"{}").expect("taken");
                }
                How::Kept => {
                    let kept = kept(&root.join("live"), spec);
                    capture.adopt(&kept, &name, false).expect("taken over");
                }
            }
        }
        capture.finish().expect("ends")
    }

    fn leaking(spec: &RuleSpec) -> BTreeSet<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let root = Utf8PathBuf::from_path_buf(folder.path().to_owned()).expect("UTF-8");
        let Captured { draft, canaries, .. } = captured(&root, spec);
        assert_known(&canaries);
        let key = NewKey::generate(Algorithm::Ed25519).and_then(|key| key.signing());
        let (key, made_at) = (key.expect("a key"), Timestamp::UNIX_EPOCH);
        match seal(&draft, Seal { key: &key, made_at, canaries }, &root.join("e.zip")) {
            Ok(_) => BTreeSet::new(),
            Err(SealError::Leaks(hits)) => hits.into_iter().map(|hit| hit.canary.source).collect(),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn a_secret_is_caught_in_every_source_there_is_when_its_rule_is_removed() {
        assert_eq!(leaking(&RuleSpec::default()), BTreeSet::new(), "with all rules nothing leaks");
        let receipt = Redactor::new(rules(&RuleSpec::default()), TokenKey::new(TOKENS)).receipt();
        for rule in receipt.rules {
            let wanted = SOURCES.iter().filter(|(_, how)| match (how, rule.rule.as_str()) {
                // Members have names only in JSON, and what stays as it is is looked through as text.
                (
                    How::Redacted(Form::Text) | How::Streamed(Form::Text) | How::Bound(_),
                    "json-member",
                ) => false,
                // Names of people and machines stand in what is signed.
                (How::Bound(_), _) => rule.class == Class::Credential,
                _ => true,
            });
            let wanted: BTreeSet<String> = wanted.map(|(name, _)| (*name).to_owned()).collect();
            let off = RuleSpec { off: vec![rule.rule.clone()], ..RuleSpec::default() };
            assert_eq!(leaking(&off), wanted, "{}", rule.rule);
        }
    }
}
