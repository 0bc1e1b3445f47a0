//! Reads a fleet file node by node. A document model of 10,000 nodes takes 50 MB for a moment, and the start of the
//! window waits for it; the nodes of a file are independent sections, so each is read by itself.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml_parser::{
    Source,
    lexer::{Lexer, TokenKind},
};

use super::{FleetFile, NodeEntry};

/// One `[[node]]` as a document of its own.
#[derive(Deserialize)]
struct Section {
    node: [Spanned<NodeEntry>; 1],
}

/// Reads a file whose nodes stand in sections of their own, or nothing where it must be read as a whole: because it is
/// written otherwise, or because something is wrong with it and the whole tells best what.
pub(super) fn read(text: &str) -> Option<FleetFile> {
    let sections = sections(text)?;
    let mut rest = String::new();
    let mut nodes = Vec::with_capacity(sections.len());
    let mut end = 0;
    for range in sections {
        rest.push_str(&text[end..range.start]);
        end = range.end;
        let [read] = toml::from_str::<Section>(&text[range.clone()]).ok()?.node;
        let span = read.span();
        let span = span.start + range.start..span.end + range.start;
        nodes.push(Spanned::new(span, read.into_inner()));
    }
    rest.push_str(&text[end..]);
    let mut file: FleetFile = toml::from_str(&rest).ok()?;
    file.nodes.is_empty().then(|| {
        file.nodes = nodes;
        file
    })
}

/// Where each `[[node]]` stands, up to the next header. Nothing where a header reaches back into a node, as
/// `[node.labels]` does, or is not written plainly.
fn sections(text: &str) -> Option<Vec<Range<usize>>> {
    use TokenKind as T;
    let mut found = Vec::new();
    let mut node: Option<usize> = None;
    let mut depth = 0_usize;
    let mut at_start = true;
    let mut tokens = Source::new(text).lex().peekable();
    while let Some(token) = tokens.next() {
        let start = token.span().start();
        match token.kind() {
            T::Newline => at_start |= depth == 0,
            T::Whitespace | T::Comment => {}
            T::LeftSquareBracket if at_start => {
                at_start = false;
                found.extend(node.take().map(|node| node..start));
                if header(text, &mut tokens)? {
                    node = Some(start);
                }
            }
            T::LeftSquareBracket | T::LeftCurlyBracket => {
                at_start = false;
                depth += 1;
            }
            T::RightSquareBracket | T::RightCurlyBracket => depth = depth.saturating_sub(1),
            T::Eof => break,
            _ => at_start = false,
        }
    }
    found.extend(node.map(|node| node..text.len()));
    Some(found)
}

/// Reads the header behind its first bracket: whether it is `[[node]]`.
fn header(text: &str, tokens: &mut std::iter::Peekable<Lexer<'_>>) -> Option<bool> {
    use TokenKind as T;
    let double = tokens.next_if(|next| next.kind() == T::LeftSquareBracket).is_some();
    let _ = tokens.next_if(|next| next.kind() == T::Whitespace);
    let name = tokens.next().filter(|name| name.kind() == T::Atom)?;
    let _ = tokens.next_if(|next| next.kind() == T::Whitespace);
    let mut closed = tokens.next_if(|next| next.kind() == T::RightSquareBracket).is_some();
    if double {
        closed &= tokens.next_if(|next| next.kind() == T::RightSquareBracket).is_some();
    }
    match &text[name.span().start()..name.span().end()] {
        "node" if double && closed => Some(true),
        "node" => None,
        // What follows the name of another table is for the parser of the rest.
        _ => {
            while tokens.next_if(|next| !matches!(next.kind(), T::Newline | T::Eof)).is_some() {}
            Some(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use toml::Spanned;

    use super::{super::Fleet, FleetFile, read};

    fn whole(text: &str) -> Option<FleetFile> {
        toml::from_str(text).ok()
    }

    fn starts(file: &FleetFile) -> Vec<usize> {
        file.nodes.iter().map(|node| Spanned::span(node).start).collect()
    }

    #[track_caller]
    fn check(text: &str, by_section: bool) {
        let read = read(text);
        assert_eq!(read.is_some(), by_section, "{text}");
        if let Some(read) = read {
            let whole = whole(text).expect("what is read in sections can be read as a whole");
            assert_eq!(starts(&read), starts(&whole), "errors name the same place");
            assert_eq!(read, whole);
        }
    }

    const NODE: &str = "[[node]]\nid = \"a\"\napi = \"agent\"\nurl = \"http://a\"\n";

    #[test]
    fn nodes_between_other_sections_are_read_one_by_one() {
        check(&format!("name = \"x\"\n{NODE}[desired]\nversion = \"1\"\n{NODE}"), true);
        check(&format!("name = \"x\"\nbundles = [\n  \"a\",\n  # [[node]]\n]\n{NODE}"), true);
        check(&format!("name = \"x\"\nenvironment = \"\"\"\n[[node]]\n\"\"\"\n{NODE}"), true);
        check("name = \"x\"\n", true);
    }

    #[test]
    fn what_reaches_into_a_node_is_read_as_a_whole() {
        check(&format!("name = \"x\"\n{NODE}[node.labels]\nregion = \"eu\"\n"), false);
        check(&format!("name = \"x\"\n{}", NODE.replace("node", "\"node\"")), false);
        check(
            "name = \"x\"\nnode = [{ id = \"a\", api = \"agent\", url = \"http://a\" }]\n",
            false,
        );
    }

    #[test]
    fn an_error_in_a_node_names_its_line() {
        let text = format!("name = \"x\"\n{NODE}{}", NODE.replace("api", "apj"));
        check(&text, false);
        let error = Fleet::parse(&text).expect_err("an unknown field").to_string();
        assert!(error.starts_with("line "), "{error}");
    }

    proptest! {
        #[test]
        fn any_pieces_read_alike(pieces in prop::collection::vec(prop::sample::select(vec![
            NODE, "[desired]\nversion = \"1\"\n", "[node.tls]\nca = \"c\"\n",
            "[[group]]\nname = \"g\"\n", "# [[node]]\n",
            "[[node]] # x\nid = \"b\"\napi = \"opa\"\nurl = '''http://[[node]]'''\n",
            "[ [node]]\n", "[[ node ]]\nid=\"c\"\napi=\"reload\"\nurl=\"http://c\"\n", "]\n",
            "\"\"\"\n", "labels = { a = \"[\" }\n", "bundles = [\"a\",\n[[\"b\"]]\n]\n",
            "[[node]]\nid = \"d\"\n", "api = \"agent\"\nurl = \"http://d\"\n",
        ]), 0..8)) {
            let text = format!("name = \"x\"\n{}", pieces.concat());
            if let Some(read) = read(&text) {
                let whole = whole(&text);
                prop_assert_eq!(whole.as_ref().map(starts), Some(starts(&read)));
                prop_assert_eq!(whole, Some(read));
            }
        }
    }
}
