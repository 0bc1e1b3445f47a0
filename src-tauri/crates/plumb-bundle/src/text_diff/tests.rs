use super::*;

#[track_caller]
fn check(left: &str, right: &str, expected: &[&str]) {
    let side = |line: &Option<Line>| {
        line.as_ref().map_or_else(String::new, |line| {
            let marks: Vec<String> =
                line.emphasis.iter().map(|(a, b)| format!("{a}-{b}")).collect();
            format!(
                "{}:{}{}",
                line.number,
                line.text,
                if marks.is_empty() { String::new() } else { format!(" [{}]", marks.join(" ")) }
            )
        })
    };
    let rows = text_diff(left, right).unwrap();
    let rows: Vec<String> = rows
        .iter()
        .map(|row| format!("{:?} {} | {}", row.kind, side(&row.left), side(&row.right)))
        .collect();
    assert_eq!(rows, expected);
}

#[test]
fn changed_words_are_marked_in_both_lines() {
    check(
        "{\n  \"effect\": \"allow\",\n  \"id\": \"a\"\n}",
        "{\n  \"effect\": \"deny\",\n  \"id\": \"a\"\n}",
        &[
            "Equal 1:{ | 1:{",
            "Changed 2:  \"effect\": \"allow\", [13-18] | 2:  \"effect\": \"deny\", [13-17]",
            "Equal 3:  \"id\": \"a\" | 3:  \"id\": \"a\"",
            "Equal 4:} | 4:}",
        ],
    );
}

#[test]
fn offsets_count_characters() {
    check("Köln süd 1", "Köln süd 22", &["Changed 1:Köln süd 1 [9-10] | 1:Köln süd 22 [9-11]"]);
}

#[test]
fn lines_without_a_partner_stand_alone() {
    check("a\nb", "a", &["Equal 1:a | 1:a", "Removed 2:b | "]);
    check("", "x\ny", &["Added  | 1:x", "Added  | 2:y"]);
    check("alpha beta", "1 2 3", &["Changed 1:alpha beta | 1:1 2 3"]);
}

#[test]
fn texts_beyond_the_limits_are_not_compared() {
    let long = "x".repeat(DIFF_TEXT_BYTES_MAX + 1);
    assert!(matches!(text_diff(&long, ""), Err(TextDiffError::TooLarge { .. })));
    let many = "\n".repeat(DIFF_LINES_MAX + 1);
    assert!(matches!(text_diff("", &many), Err(TextDiffError::TooManyLines { .. })));
}

#[test]
fn json_is_spread_over_lines_and_rego_is_not() {
    assert_eq!(
        readable(r#"{"id":"a","list":[1]}"#),
        "{\n  \"id\": \"a\",\n  \"list\": [\n    1\n  ]\n}"
    );
    assert_eq!(readable("package a\n\nallow := true"), "package a\n\nallow := true");
}
