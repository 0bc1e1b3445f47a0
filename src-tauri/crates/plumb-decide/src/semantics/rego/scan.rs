//! One look over the text of a module before the engine parses it: how deep its brackets are nested
//! and which names it uses. The engine's own parser cannot be asked: its time doubles with depth.

use std::{collections::BTreeSet, iter::Peekable, str::CharIndices};

use crate::{
    answer::Reason,
    limits::{BRACKETS_DEPTH_MAX, PARENTHESES_DEPTH_MAX},
};

/// The dotted names of a module, such as `http.send` and `input.user.role`; names without a dot are
/// most of the text, and none of them is asked for.
pub(super) type Names<'a> = BTreeSet<&'a str>;

/// Refuses text that would hold the parser up, and tells the names in the rest.
pub(super) fn scan<'a>(module: &str, text: &'a str) -> Result<Names<'a>, Reason> {
    let mut names = BTreeSet::new();
    walk(module, text, |name, _| names.extend(Some(name).filter(|name| name.contains('.'))))?;
    Ok(names)
}

/// Whether `input` may mean something else somewhere: it is replaced by `with`, or stands alone, as
/// where it is bound as a name or handed on as a whole.
pub(super) fn hides_input(module: &str, text: &str) -> bool {
    let mut hides = false;
    let walked = walk(module, text, |name, next| {
        hides |= name == "with" || (name == "input" && next != Some('['));
    });
    hides || walked.is_err()
}

/// Tells each dotted name outside of strings and comments, with the character that follows it.
fn walk<'a>(
    module: &str,
    text: &'a str,
    mut named: impl FnMut(&'a str, Option<char>),
) -> Result<(), Reason> {
    let mut scan = Scan { module, text, line: 1, rest: text.char_indices().peekable() };
    let (mut brackets, mut all) = (0_usize, 0_usize);
    while let Some((at, character)) = scan.next() {
        match character {
            '#' => scan.skip_until('\n'),
            '"' => scan.skip_string(),
            '`' => scan.skip_until('`'),
            '$' if matches!(scan.rest.peek(), Some((_, '"' | '`'))) => {
                return Err(scan.unsupported("string interpolation"));
            }
            '[' | '{' | '(' => {
                all += 1;
                brackets += usize::from(character != '(');
                if brackets > BRACKETS_DEPTH_MAX {
                    return Err(scan.too_deep(BRACKETS_DEPTH_MAX));
                }
                if all > PARENTHESES_DEPTH_MAX {
                    return Err(scan.too_deep(PARENTHESES_DEPTH_MAX));
                }
            }
            ']' | '}' | ')' => {
                all = all.saturating_sub(1);
                brackets = brackets.saturating_sub(usize::from(character != ')'));
            }
            _ if in_name(character) => {
                let name = scan.name(at);
                named(name, scan.rest.peek().map(|(_, next)| *next));
            }
            _ => {}
        }
    }
    Ok(())
}

struct Scan<'a, 'm> {
    module: &'m str,
    text: &'a str,
    line: usize,
    rest: Peekable<CharIndices<'a>>,
}

impl<'a> Scan<'a, '_> {
    fn next(&mut self) -> Option<(usize, char)> {
        let next = self.rest.next();
        self.line += usize::from(matches!(next, Some((_, '\n'))));
        next
    }

    fn skip_until(&mut self, end: char) {
        while self.next().is_some_and(|(_, character)| character != end) {}
    }

    /// A string in quotes ends at the line's end too: the parser refuses such a one there, so
    /// what follows is never read as something else than here.
    fn skip_string(&mut self) {
        while let Some((_, character)) = self.next() {
            match character {
                '\\' => {
                    self.next();
                }
                '"' | '\n' => return,
                _ => {}
            }
        }
    }

    fn name(&mut self, from: usize) -> &'a str {
        let mut to = self.text.len();
        while let Some((at, character)) = self.rest.peek() {
            if !in_name(*character) && *character != '.' {
                to = *at;
                break;
            }
            self.next();
        }
        self.text.get(from..to).expect("both ends are starts of characters").trim_end_matches('.')
    }

    fn too_deep(&self, depth_max: usize) -> Reason {
        let module = self.module.to_owned();
        Reason::BracketsTooDeep { module, line: self.line, depth_max }
    }

    fn unsupported(&self, feature: &str) -> Reason {
        let module = self.module.to_owned();
        Reason::Unsupported { module, line: self.line, feature: feature.to_owned() }
    }
}

fn in_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str) -> Result<Vec<&str>, String> {
        scan("a.rego", text)
            .map(|names| names.into_iter().collect())
            .map_err(|reason| reason.to_string())
    }

    #[test]
    fn names_are_found_outside_of_strings_and_comments() {
        let text = "package a\n# http.send\nx := \"io.jwt.decode\\\" y\"\ny := `net.z`\n\
                    z := time.now_ns() + f(input.a[_].b)";
        assert_eq!(check(text), Ok(vec!["input.a", "time.now_ns"]));
    }

    #[test]
    fn an_input_that_may_be_another_is_seen() {
        for text in ["f(input)", "x if y with input.a as 1", "some input in z", "import a as input"]
        {
            assert!(hides_input("a.rego", text), "{text}");
        }
        for text in ["x if input.a == 1 # with care, input", "x := \"with input\"", "input[\"a\"]"]
        {
            assert!(!hides_input("a.rego", text), "{text}");
        }
    }

    #[test]
    fn brackets_are_counted_where_they_are_code() {
        let flat = format!("x := \"{}\" # {}\ny := [[1], [2]]", "[".repeat(99), "{".repeat(99));
        assert!(check(&flat).is_ok());
        let deep = |n: usize| format!("\nx := {}{}", "[{(".repeat(n), ")}]".repeat(n));
        assert!(check(&deep(BRACKETS_DEPTH_MAX / 2)).is_ok());
        assert_eq!(
            check(&deep(BRACKETS_DEPTH_MAX / 2 + 1)),
            Err("brackets of a.rego are nested deeper than 16 at line 2".to_owned())
        );
        assert_eq!(
            check(&"(".repeat(PARENTHESES_DEPTH_MAX + 1)),
            Err("brackets of a.rego are nested deeper than 64 at line 1".to_owned())
        );
    }

    #[test]
    fn a_string_without_an_end_hides_nothing_on_the_next_line() {
        let text = format!("x := \"open\ny := {}", "[".repeat(40));
        assert_eq!(
            check(&text),
            Err("brackets of a.rego are nested deeper than 16 at line 2".to_owned())
        );
    }

    #[test]
    fn interpolated_strings_are_named() {
        assert_eq!(
            check("package a\nx := $\"hello {input.x}\""),
            Err("line 2 of a.rego uses string interpolation, which the evaluator here does not have"
                .to_owned())
        );
    }
}
