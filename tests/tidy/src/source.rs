//! Rust source reduced to code: without comments, without the inside of literals, and where asked without tests.

/// The text with comments and the insides of strings and characters blanked; lines stay where they are.
pub fn code(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that starts here ends; `at` itself when none starts here.
fn literal_end(chars: &[char], at: usize) -> usize {
    let starts = |what: &str| what.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    let in_word = at > 0 && is_word(chars[at - 1]);
    if starts("//") {
        return find(chars, at, |i| chars[i] == '\n');
    }
    if starts("/*") {
        return block_comment_end(chars, at);
    }
    if !in_word && (starts("r\"") || starts("r#") || starts("br\"") || starts("br#")) {
        return raw_string_end(chars, at);
    }
    match chars[at] {
        '"' => quoted_end(chars, at, '"'),
        // A lifetime has no closing quote where a character has one.
        '\'' if chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\'') => {
            quoted_end(chars, at, '\'')
        }
        _ => at,
    }
}

fn find(chars: &[char], from: usize, is_it: impl Fn(usize) -> bool) -> usize {
    (from..chars.len()).find(|i| is_it(*i)).unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    at
}

fn raw_string_end(chars: &[char], start: usize) -> usize {
    let quote = find(chars, start, |i| chars[i] == '"');
    let hashes = chars[start..quote].iter().filter(|c| **c == '#').count();
    // `r#type` is a name, not a string.
    if chars[start..quote].iter().any(|c| !['b', 'r', '#'].contains(c)) {
        return start;
    }
    let closes = |i: usize| {
        chars[i] == '"' && (1..=hashes).all(|offset| chars.get(i + offset) == Some(&'#'))
    };
    (find(chars, quote + 1, closes) + 1 + hashes).min(chars.len())
}

fn quoted_end(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Code without the items marked `#[cfg(test)]`.
pub fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(at) = rest.find(MARK) {
        out.push_str(&rest[..at]);
        let item = &rest[at + MARK.len()..];
        rest = &item[item_end(item)..];
    }
    out + rest
}

/// Where an item ends: at its `;` or at the brace that closes its first.
fn item_end(item: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in item.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth = depth.saturating_sub(1),
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
    }
    item.len()
}

/// Code on one line, with `std::{a, b::c}` also written out as `std::a std::b::c`.
pub fn flat(code: &str) -> String {
    let mut flat = code.split_whitespace().collect::<Vec<_>>().join(" ");
    for (loose, tight) in [(" ::", "::"), (":: ", "::"), ("{ ", "{"), (" }", "}"), (", ", ",")] {
        flat = flat.replace(loose, tight);
    }
    let groups: Vec<&str> = flat.split("std::{").skip(1).collect();
    let parts = groups.iter().flat_map(|group| group_parts(group));
    let written_out: Vec<String> = parts.map(|part| format!(" std::{part}")).collect();
    flat + &written_out.concat()
}

fn group_parts(group: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' if depth == 0 => {
                parts.push(&group[start..at]);
                start = at + 1;
            }
            '}' if depth == 0 => {
                parts.push(&group[start..at]);
                break;
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    parts
}

/// Whether code names something, as whole words.
pub fn names(code: &str, what: &str) -> bool {
    code.match_indices(what).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = code[at + what.len()..].chars().next();
        let whole_start = !what.starts_with(is_word) || !before.is_some_and(is_word);
        let whole_end = !what.ends_with(is_word) || !after.is_some_and(is_word);
        whole_start && whole_end
    })
}

/// The words a name is made of, in lower case: `NodeList`, `node_list` and `node-list` are node and list.
pub fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut lower_before = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && lower_before) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().expect("it starts with one").extend(c.to_lowercase());
        }
        lower_before = c.is_lowercase() || c.is_numeric();
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_are_not_code() {
        let text =
            "let a = \"todo!(\"; // todo!(\n/* todo!( /* */ */ let b = r#\"todo!(\"#; 'x'; &'a str";
        let code = code(text);
        assert!(!names(&code, "todo!("));
        assert!(names(&code, "let b") && names(&code, "&'a str"));
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn a_raw_name_is_code() {
        assert_eq!(code("r#type + \"x\""), "r#type +    ");
    }

    #[test]
    fn test_items_go_and_the_rest_stays() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests {\n  fn b() {}\n}\n#[cfg(test)]\nmod more;\nfn c() {}\n";
        assert_eq!(
            without_tests(text).split_whitespace().collect::<Vec<_>>().join(" "),
            "fn a() {} fn c() {}"
        );
    }

    #[test]
    fn grouped_imports_are_seen() {
        let flat = flat("use std::{\n    collections::{BTreeMap, BTreeSet},\n    fs,\n};");
        assert!(names(&flat, "std::fs") && names(&flat, "std::collections"));
        assert!(!names(&flat, "std::f"));
    }

    #[test]
    fn names_fall_into_words() {
        assert_eq!(words("HTTPNodeInfo2"), ["httpnode", "info2"]);
        assert_eq!(words("node-list_row.svelte"), ["node", "list", "row", "svelte"]);
    }
}
