use super::*;

const REFUSED: &str = include_str!("../../../../../tests/fixtures/bundles/refused.jsonl");

#[track_caller]
fn check(text: &str, expected: &str) {
    let error = parse(text.as_bytes()).expect_err(text);
    assert_eq!(error.to_string(), expected);
    let limits = JsonLimits::default();
    assert!(parse_within(text.as_bytes(), &limits).is_err());
    let error = crate::canonical::canonicalise(text.as_bytes()).expect_err(text);
    assert_eq!(error.to_string(), expected, "both readers say the same");
}

#[test]
fn what_python_refuses_is_refused() {
    let mut count = 0;
    for line in REFUSED.lines() {
        let text = parse(line.as_bytes()).unwrap();
        let text = text.as_str().unwrap();
        assert!(parse(text.as_bytes()).is_err(), "{text:?}");
        assert!(crate::canonical::canonicalise(text.as_bytes()).is_err(), "{text:?}");
        count += 1;
    }
    assert!(count > 40, "{count} texts");
}

#[test]
fn errors_name_the_place_and_the_reason() {
    check("{\n  \"é\": tru\n}", "line 2, column 8: expected a value, found 't'");
    check("[1,\n 2", "line 2, column 3: the text ends where ',' or ']' was expected");
    check("{\"a\":1 \"b\":2}", "line 1, column 8: expected ',' or '}', found '\"'");
    check("[NaN]", "line 1, column 2: NaN is not a JSON number, though some programs write it");
    check(
        "[-Infinity]",
        "line 1, column 2: -Infinity is not a JSON number, though some programs write it",
    );
    check(
        "[1E400]",
        "line 1, column 2: the number 1E400 is too large for a double and would become infinity",
    );
    check("\u{feff}{}", "line 1, column 1: a byte order mark stands before the document");
    check("{} {}", "line 1, column 4: text after the end of the document");
    check("\"a\tb\"", "line 1, column 3: the control character '\\t' stands unescaped in a string");
    check("{\"a\":1,\"a\":2}", "line 1, column 14: the key \"a\" stands twice in one object");
    check("\"\\q\"", "line 1, column 2: a string holds an unknown or incomplete escape");
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    for bytes in [&b"\"\xff\""[..], b"\"\xed\xa0\x80\"", b"\"\xc0\x80\"", b"\xfe\xff\x00{"] {
        assert_eq!(parse(bytes).unwrap_err().fault, JsonFault::NotUtf8);
    }
}

#[test]
fn limits_hold() {
    let within =
        |text: &str, limits: JsonLimits| parse_within(text.as_bytes(), &limits).map(|_| ());
    let limits = JsonLimits { bytes_max: 10, depth_max: 2, values_max: 4 };
    assert_eq!(within("[[1, 2]]", limits), Ok(()));
    let fault = |text| within(text, limits).unwrap_err().fault;
    assert_eq!(fault("[1,2,3,4,5]"), JsonFault::TooLarge { bytes: 11, max: 10 });
    assert_eq!(fault("[[[]]]"), JsonFault::TooDeep { max: 2 });
    assert_eq!(fault("[1,2,3,4]"), JsonFault::TooManyValues { max: 4 });
    let digits = "9".repeat(crate::limits::NUMBER_BYTES_MAX + 1);
    let error = parse(digits.as_bytes()).unwrap_err();
    assert!(matches!(error.fault, JsonFault::NumberTooLong { .. }), "{error}");
    let deep = "[".repeat(100_000);
    assert!(matches!(parse(deep.as_bytes()).unwrap_err().fault, JsonFault::TooDeep { .. }));
}

#[test]
fn people_see_letters_and_no_tricks() {
    let value = parse(
        r#"{"b":"K\u00f6ln \ud83d\ude00","a":"\u202e\u001b[2J\ud800\n","n":1e5,"e":[],"o":{}}"#
            .as_bytes(),
    );
    let printed = print(&value.unwrap(), Layout::ForPeople);
    let expected = "{\n  \"b\": \"Köln 😀\",\n  \"a\": \"\\u202e\\u001b[2J\\ud800\\n\",\n  \"n\": 1e5,\n  \"e\": [],\n  \"o\": {}\n}";
    assert_eq!(printed, expected);
}
