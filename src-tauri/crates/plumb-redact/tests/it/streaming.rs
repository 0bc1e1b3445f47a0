use std::{
    collections::BTreeSet,
    io::{self, BufRead, BufReader, Read},
};

use plumb_redact::{
    CustomPattern, Form, RedactError, RuleSpec, Search, StreamError, Streamed, TokenKey,
    canary::plant, limits::HELD_BYTES_MAX,
};
use proptest::prelude::*;

use crate::{KEY, redactor};

/// Gives these bytes in pieces of one size, as a disk or a pipe would.
struct Pieces<'a>(&'a [u8], usize);

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = self.1.min(into.len());
        self.0.read(&mut into[..most])
    }
}

fn streamed(
    form: Form,
    from: impl BufRead,
    spec: &RuleSpec,
) -> Result<(Vec<u8>, Streamed), StreamError> {
    let mut out = Vec::new();
    let told = redactor(spec).stream(form, from, &mut out)?;
    Ok((out, told))
}

/// A stream comes to what the whole of it comes to.
#[track_caller]
fn check(form: Form, bytes: &[u8], spec: &RuleSpec) -> Streamed {
    let whole = redactor(spec).document(form, bytes).expect("it is redacted");
    let pieces = BufReader::with_capacity(4096, Pieces(bytes, 1_000));
    let (out, told) = streamed(form, pieces, spec).expect("it is redacted");
    assert!(out == whole, "{form:?} of {} bytes", bytes.len());
    told
}

/// A line of a log that has a secret, however long the log is before it.
fn log(lines: usize, each: impl Fn(usize) -> String) -> String {
    (0..lines).map(|line| each(line) + "\n").collect()
}

#[test]
fn a_stream_comes_to_the_same_as_the_whole() {
    let all = RuleSpec::default();
    let lines = |line: usize| match line % 5 {
        0 => format!("asked with Authorization: Bearer abcdef01234567{line}"),
        1 => format!("password:\n\n   hunter{line}"),
        2 => format!("by ana.{line}@example.org from 192.0.2.{}", line % 250),
        3 => "cookie:\n  sid=1; theme=dark".to_owned(),
        _ => format!("line {line} has nothing in it \u{e9}"),
    };
    check(Form::Text, log(20_000, lines).as_bytes(), &all);
    check(Form::Text, b"", &all);
    check(Form::Text, b"no end of a line, token=abcdefgh", &all);
    let document = |line: usize| format!("{{\"n\":{line},\"token\":\"t{line}\"}}");
    check(Form::JsonLines, log(10_000, document).as_bytes(), &all);
    check(Form::Json, b"{ \"password\": 17 }", &all);
}

#[test]
fn a_key_over_many_lines_is_one_secret_wherever_it_lies() {
    let key = format!(
        "-----BEGIN PRIVATE KEY-----\n{}-----END PRIVATE KEY-----",
        log(3_000, |line| format!("{line:064}"))
    );
    for before in [0, 190 << 10, 250 << 10, 255 << 10, 300 << 10] {
        let text = format!("{}{key}\nafter\n", log(before / 32, |line| format!("{line:031}")));
        check(Form::Text, text.as_bytes(), &RuleSpec::default());
    }
    // One without an end takes everything with it.
    let open = key.replace("-----END", "-----AND");
    check(
        Form::Text,
        format!("{}{open}", log(9_000, |n| format!("{n:031}"))).as_bytes(),
        &RuleSpec::default(),
    );
}

#[test]
fn little_is_held_of_a_long_stream() {
    let line = "2026-03-01T12:00:00Z gw-1 asked with token=abcdefgh and went on\n".repeat(1_000);
    let long = io::repeat(0).take(0).chain(line.as_bytes()).chain(line.as_bytes());
    let mut from: Box<dyn Read> = Box::new(long);
    for _ in 0..150 {
        from = Box::new(from.chain(line.as_bytes()));
    }
    let mut counted = Counted { inner: from, bytes: 0 };
    let mut out = io::sink();
    let mut redactor = redactor(&RuleSpec::default());
    let told = redactor
        .stream(Form::Text, BufReader::with_capacity(64 << 10, &mut counted), &mut out)
        .expect("it is redacted");
    assert!(counted.bytes > 9 << 20, "{} bytes were read", counted.bytes);
    assert!(told.held_bytes < 1 << 20, "{} bytes were held", told.held_bytes);
}

struct Counted<R> {
    inner: R,
    bytes: usize,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.bytes += read;
        Ok(read)
    }
}

#[test]
fn what_would_have_to_be_held_is_refused() {
    let refused = |form, bytes: &[u8]| match streamed(form, bytes, &RuleSpec::default()) {
        Err(StreamError::Redact(error)) => error,
        other => panic!("{other:?}"),
    };
    let long = vec![b'x'; HELD_BYTES_MAX + 1];
    for form in [Form::Text, Form::JsonLines] {
        assert_eq!(refused(form, &long), RedactError::Held);
    }
    let lines = log(HELD_BYTES_MAX / 64 + 1, |line| format!("{line:063}"));
    let open = format!("-----BEGIN PRIVATE KEY-----\n{lines}");
    assert_eq!(refused(Form::Text, open.as_bytes()), RedactError::Held);
    assert_eq!(refused(Form::Text, b"\xff\n"), RedactError::NotText);
    let broken = b"{}\n{}\n{\n";
    let told = refused(Form::JsonLines, broken).to_string();
    assert!(told.starts_with("line 3 is not JSON"), "{told}");
}

#[test]
fn a_pattern_of_a_fleet_is_found_over_the_border_of_pieces() {
    let own = CustomPattern { name: "badge".to_owned(), pattern: r"badge\n+no (\d+)".to_owned() };
    let spec = RuleSpec { patterns: vec![own], ..RuleSpec::default() };
    let text = log(30_000, |line| format!("badge\nno {line:09}"));
    check(Form::Text, text.as_bytes(), &spec);
}

#[test]
fn canaries_of_every_rule_are_caught_on_a_stream_and_found_without_their_rule() {
    let (all, key) = (RuleSpec::default(), TokenKey::new(KEY));
    let before = log(9_000, |line| format!("{line:031}"));
    let planted = plant("files", Form::Text, &all, &key);
    let text = format!("{before}{}{before}", planted.document);
    for off in std::iter::once(None).chain(planted.canaries.iter().map(Some)) {
        let rules =
            RuleSpec { off: off.iter().map(|one| one.rule.clone()).collect(), ..all.clone() };
        let (out, _) = streamed(Form::Text, text.as_bytes(), &rules).expect("it is redacted");
        let mut search = Search::new(planted.canaries.clone());
        search.begin("files/log.txt");
        // As sealing reads it, in pieces that end anywhere.
        out.chunks(4_093).for_each(|piece| search.feed(piece));
        let found: BTreeSet<_> = search.hits().into_iter().map(|hit| hit.canary.rule).collect();
        let wanted: BTreeSet<_> = off.iter().map(|one| one.rule.clone()).collect();
        assert_eq!(found, wanted);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn secrets_anywhere_in_a_stream_come_to_the_same_as_in_the_whole(
        lines in prop::collection::vec((0_usize..12, 0_usize..4_000), 1..160),
    ) {
        let text: String = lines
            .iter()
            .map(|(kind, length)| {
                let fill = "x".repeat(*length);
                match kind {
                    0 => format!("{fill} password:\n"),
                    1 => format!("hunter2 {fill}\n"),
                    2 => format!("Authorization: Negotiate {fill}\n"),
                    3 => format!("{fill} ana@example.org {fill}\n"),
                    4 => "\n".repeat(length / 64),
                    5 => format!("-----BEGIN PRIVATE KEY-----\n{fill}\n"),
                    6 => format!("{fill}\n-----END PRIVATE KEY-----\n"),
                    _ => format!("{fill} {fill}\n"),
                }
            })
            .collect();
        check(Form::Text, text.as_bytes(), &RuleSpec::default());
    }
}
