//! What the format allows and forbids, line by line.

use super::*;

fn at() -> Timestamp {
    Timestamp::from_second(1_795_000_000).expect("in range")
}

/// The samples and errors of a document as text.
fn check(document: &str) -> String {
    check_in(document, Dialect::Text)
}

fn check_in(document: &str, dialect: Dialect) -> String {
    use std::fmt::Write as _;
    let scrape = parse(document.as_bytes(), dialect, at());
    let mut out = String::new();
    for sample in &scrape.samples {
        let labels: Vec<String> =
            sample.labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
        write!(out, "{}[{}] {}", sample.name, labels.join(","), sample.value).expect("a string");
        if sample.at != at() {
            write!(out, " @{}", sample.at).expect("a string");
        }
        out.push('\n');
    }
    for error in &scrape.errors {
        writeln!(out, "{error}").expect("a string");
    }
    out
}

#[test]
fn label_values_may_hold_anything_once_escaped() {
    assert_eq!(
        check("a{x=\"p,q\",y=\"{}\",z=\"a\\\\b\\\"c\\nd\"} 1"),
        "a[x=\"p,q\",y=\"{}\",z=\"a\\\\b\\\"c\\nd\"] 1\n"
    );
    assert_eq!(check("a{x=\"# } 3\"}2"), "a[x=\"# } 3\"] 2\n");
    assert_eq!(check("a{x=\"ü\u{1f600}\"} 1"), "a[x=\"ü😀\"] 1\n");
}

#[test]
fn what_other_parsers_refuse_is_legal() {
    assert_eq!(check("a{x=\"1\",} 1"), "a[x=\"1\"] 1\n", "trailing comma");
    assert_eq!(check("a{} 1"), "a[] 1\n");
    assert_eq!(check("a { x = \"1\" , y = \"2\" } 1"), "a[x=\"1\",y=\"2\"] 1\n", "blanks");
    assert_eq!(check("a\t1\t"), "a[] 1\n", "tabs");
    assert_eq!(check("a 1\r\nb 2\r\n"), "a[] 1\nb[] 2\n", "carriage returns");
    assert_eq!(check(":a:b_9 1"), ":a:b_9[] 1\n");
    assert_eq!(check("a 1"), "a[] 1\n", "no newline at the end");
    assert_eq!(
        check("{\"my.metric\",x=\"1\",\"b.c\"=\"2\"} 1"),
        "my.metric[x=\"1\",b.c=\"2\"] 1\n"
    );
}

#[test]
fn values_are_go_floats() {
    assert_eq!(
        check("a NaN\nb +Inf\nc -Inf\nd 1e-3\ne .5\nf +2\ng -6.795364578871345e+18"),
        "a[] NaN\nb[] inf\nc[] -inf\nd[] 0.001\ne[] 0.5\nf[] 2\ng[] -6795364578871345000\n"
    );
}

#[test]
fn timestamps_are_milliseconds_or_seconds_by_dialect() {
    assert_eq!(check("a 1 1395066363000"), "a[] 1 @2014-03-17T14:26:03Z\n");
    assert_eq!(check("a 1 -1"), "a[] 1 @1969-12-31T23:59:59.999Z\n");
    assert_eq!(
        check_in("a_total 1 1395066363.5\n# EOF\nb 1", Dialect::OpenMetrics),
        "a_total[] 1 @2014-03-17T14:26:03.5Z\n"
    );
    assert_eq!(check("a 1 99999999999999999999"), "line 1: the timestamp is out of range\n");
}

#[test]
fn exemplars_are_read_over() {
    assert_eq!(
        check_in(
            "b_bucket{le=\"1\"} 8 # {trace_id=\"KOO5S4vxi0o\"} 0.67\nc_total 1 1.5 # {} 1 2.5\n# EOF\n",
            Dialect::OpenMetrics
        ),
        "b_bucket[le=\"1\"] 8\nc_total[] 1 @1970-01-01T00:00:01.5Z\n"
    );
}

#[test]
fn a_bad_line_is_an_error_and_the_rest_is_read() {
    assert_eq!(
        check(
            "good 1\nbad{x=\"1\" y=\"2\"} 1\n9a 1\na{x=1} 1\na one\na{x=\"\\q\"} 1\na{x=\"1\",x=\"2\"} 1\n{} 1\na 1 2 3\na{x=\"1\"\ngood 2"
        ),
        "good[] 1\ngood[] 2\n\
         line 2: column 11: expected `,` or `}` after a label\n\
         line 3: column 1: expected a metric name\n\
         line 4: column 5: expected a quoted label value, with only \\\\, \\\" and \\n escaped\n\
         line 5: column 3: expected a value\n\
         line 6: column 6: expected a quoted label value, with only \\\\, \\\" and \\n escaped\n\
         line 7: the label \"x\" stands twice\n\
         line 8: no metric name\n\
         line 9: column 7: expected the end of the line\n\
         line 10: column 8: expected `,` or `}` after a label\n"
    );
}

#[test]
fn bytes_and_lengths_are_bounded_by_line() {
    let long = format!("a{{x=\"{}\"}} 1\nb 1\n", "y".repeat(METRICS_LINE_BYTES_MAX));
    assert_eq!(
        check(&long),
        format!("b[] 1\nline 1: longer than {METRICS_LINE_BYTES_MAX} bytes\n")
    );
    let scrape = parse(b"a{x=\"\xff\"} 1\nb 1", Dialect::Text, at());
    assert_eq!(scrape.errors, [LineError { line: 1, fault: LineFault::NotUtf8 }]);
    assert_eq!(scrape.samples.len(), 1);
    let many = "?\n".repeat(1_000);
    let scrape = parse(many.as_bytes(), Dialect::Text, at());
    assert_eq!((scrape.errors.len(), scrape.errors_total), (METRICS_ERRORS_MAX, 1_000));
}

#[test]
fn comments_describe_families() {
    let scrape = parse(
        b"# HELP a What \\\\ it\\nis.\n# TYPE a counter\n#TYPE b gauge\n# UNIT c_seconds seconds\n# just words\n#\n# HELP\n",
        Dialect::Text,
        at(),
    );
    assert_eq!(scrape.families["a"].kind, Kind::Counter);
    assert_eq!(scrape.families["a"].help.as_deref(), Some("What \\ it\nis."));
    assert_eq!(scrape.families["b"].kind, Kind::Gauge);
    assert_eq!(scrape.families["c_seconds"].unit.as_deref(), Some("seconds"));
    assert_eq!(scrape.errors_total, 0);
}
