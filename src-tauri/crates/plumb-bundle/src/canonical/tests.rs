use proptest::prelude::*;

use super::*;
use crate::json::{Number, parse};

const PAIRS: &str = include_str!("../../../../../tests/fixtures/bundles/canonical-pairs.tsv");

#[test]
fn every_known_pair_is_what_python_prints() {
    let mut count = 0;
    for line in PAIRS.lines() {
        let (text, expected) = line.split_once('\t').unwrap();
        assert_eq!(canonicalise(text.as_bytes()).as_deref(), Ok(expected), "{text}");
        assert_eq!(
            canonical(&parse(text.as_bytes()).unwrap()),
            expected,
            "by way of a tree: {text}"
        );
        count += 1;
    }
    assert!(count >= 400, "{count} pairs");
}

#[test]
fn line_breaks_and_indentation_do_not_matter() {
    let text =
        "\r\n{\n        \"b\": [\n\t1,\n                2\n        ],\r\n  \"a\"\n:\n{ }}\n\n";
    assert_eq!(canonicalise(text.as_bytes()).unwrap(), r#"{"a":{},"b":[1,2]}"#);
}

#[test]
fn floats_print_as_python_prints_them() {
    for (number, expected) in [
        (1.0, "1.0"),
        (1e16, "1e+16"),
        (1e15, "1000000000000000.0"),
        (123_456_789_012_345_680.0, "1.2345678901234568e+17"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (5e-324, "5e-324"),
        (-0.0, "-0.0"),
        (f64::MAX, "1.7976931348623157e+308"),
        (0.1 + 0.2, "0.30000000000000004"),
        // Halfway between two shortest forms, the even digit.
        (3_660_740_869_593_597.0 / 4.0, "915185217398399.2"),
    ] {
        assert_eq!(python_repr(number), expected);
    }
}

#[test]
fn keys_are_equal_however_they_are_escaped() {
    for text in [r#"{"a":1,"\u0061":2}"#, r#"{"é":1,"b":0,"\u00e9":2}"#, r#"{"a":1,"b":2,"a":3}"#]
    {
        let error = canonicalise(text.as_bytes()).unwrap_err();
        assert!(matches!(error.fault, JsonFault::DuplicateKey { .. }), "{text}: {error}");
    }
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<i128>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:?}")),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let text = "\\PC{0,8}|[\u{0}-\u{ff}]{0,8}".prop_map(|text| Text::from(text.as_str()));
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        number().prop_map(|token| Value::Number(Number::from_token(&token))),
        text.clone().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        let members = prop::collection::btree_map(text.clone(), inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..6).prop_map(Value::Array),
            members
                .prop_map(|members| members.into_iter().collect::<Vec<_>>())
                .prop_shuffle()
                .prop_map(Value::Object),
        ]
    })
}

proptest! {
    #[test]
    fn any_document_has_one_canonical_form(value in value()) {
        let text = canonical(&value);
        prop_assert!(text.is_ascii());
        prop_assert_eq!(&canonicalise(text.as_bytes()).unwrap(), &text);
        for layout in [crate::json::Layout::PythonFile, crate::json::Layout::ForPeople] {
            let printed = crate::json::print(&value, layout);
            prop_assert_eq!(&canonicalise(printed.as_bytes()).unwrap(), &text);
        }
        crate::fuzz::signed_json(text.as_bytes());
    }

    #[test]
    fn a_float_reads_back_as_itself(number in any::<f64>().prop_filter("finite", |n| n.is_finite())) {
        let printed = python_repr(number);
        prop_assert_eq!(printed.parse::<f64>().unwrap().to_bits(), number.to_bits());
        prop_assert!(printed.contains(['.', 'e']), "{} reads as a float", printed);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        crate::fuzz::signed_json(&bytes);
    }
}
