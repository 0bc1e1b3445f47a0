use proptest::prelude::*;

use super::*;
use crate::ids::Digest;

/// Which of four nodes a line leaves.
#[track_caller]
fn check(line: &str, expected: &str) {
    let filter = Filter::parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    let shown: Vec<&str> = NODES.iter().filter(|n| holds(&filter, n)).map(|n| n.id).collect();
    assert_eq!(shown.join(" "), expected, "{line}");
}

struct Row {
    id: &'static str,
    api: NodeApi,
    labels: &'static [(&'static str, &'static str)],
    state: DriftState,
    version: Option<&'static str>,
    content: Option<&'static [u8]>,
    last_reload_failed: bool,
    verified: Verified,
}

const NODES: [Row; 4] = [
    Row {
        id: "eu-gw-001",
        api: NodeApi::Agent,
        labels: &[("region", "eu"), ("role", "gateway")],
        state: DriftState::InSync,
        version: Some("2.0.0"),
        content: Some(b"two"),
        last_reload_failed: false,
        verified: Verified::Yes,
    },
    Row {
        id: "eu-gw-002",
        api: NodeApi::Reload,
        labels: &[("region", "eu-west"), ("role", "gateway")],
        state: DriftState::Behind,
        version: Some("1.9.0"),
        content: Some(b"one"),
        last_reload_failed: true,
        verified: Verified::NotTold,
    },
    Row {
        id: "US-pay-001",
        api: NodeApi::Opa,
        labels: &[("region", "us"), ("owner", "Müller & Söhne")],
        state: DriftState::Diverged,
        version: Some("2.0.0"),
        content: None,
        last_reload_failed: false,
        verified: Verified::No,
    },
    Row {
        id: "10.0.0.7:8083",
        api: NodeApi::Reload,
        labels: &[],
        state: DriftState::Unreachable,
        version: None,
        content: None,
        last_reload_failed: false,
        verified: Verified::NotTold,
    },
];

fn holds(filter: &Filter, row: &Row) -> bool {
    let labels = row.labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    filter.matches(&FilterSubject {
        id: &NodeId::new(row.id).unwrap(),
        api: row.api,
        labels: &labels,
        state: row.state,
        version: row.version.map(|version| Version::new(version).unwrap()).as_ref(),
        content: row.content.map(|bytes| ContentDigest(Digest::of(bytes))),
        last_reload_failed: row.last_reload_failed,
        verified: row.verified,
    })
}

#[test]
fn plain_words_are_looked_for_in_id_version_and_labels_in_any_case() {
    check("", "eu-gw-001 eu-gw-002 US-pay-001 10.0.0.7:8083");
    check("us", "US-pay-001");
    check("GATEWAY", "eu-gw-001 eu-gw-002");
    check("1.9", "eu-gw-002");
    check("SÖHNE", "US-pay-001");
    check("\"müller & \"", "US-pay-001");
    check("gw 001", "eu-gw-001");
    check("nothing", "");
}

#[test]
fn a_key_narrows_to_its_field() {
    check("state:behind", "eu-gw-002");
    check("state:in-sync", "eu-gw-001");
    check("state:drifted", "eu-gw-002 US-pay-001");
    check("version:2", "eu-gw-001 US-pay-001");
    check("version:\"2\"", "");
    check("version:\"2.0.0\"", "eu-gw-001 US-pay-001");
    check("api:reload", "eu-gw-002 10.0.0.7:8083");
    check("reload:failed", "eu-gw-002");
    check("verified:no", "US-pay-001");
    check("verified:YES", "eu-gw-001");
    check("!verified:yes", "eu-gw-002 US-pay-001 10.0.0.7:8083");
    check("region:eu", "eu-gw-001 eu-gw-002");
    check("region:\"eu\"", "eu-gw-001");
    check("owner:\"müller & söhne\"", "US-pay-001");
    check("10.0.0.7:80", "10.0.0.7:8083");
}

#[test]
fn a_content_prefix_may_end_inside_a_byte() {
    let hex = Digest::of(b"two").to_hex();
    check(&format!("content:{}", &hex[..1]), "eu-gw-001");
    check(&format!("content:{}", hex[..7].to_uppercase()), "eu-gw-001");
    check(&format!("content:{hex}"), "eu-gw-001");
    check("content:000000000", "");
}

#[test]
fn an_exclamation_mark_inverts_its_word_or_the_line() {
    check("gw !region:\"eu\"", "eu-gw-002");
    check("!gw !region:\"eu\"", "eu-gw-001 US-pay-001 10.0.0.7:8083");
    check("! gw", "US-pay-001 10.0.0.7:8083");
    check("!!gw", "eu-gw-001 eu-gw-002");
    check("gw !", "eu-gw-001 eu-gw-002");
    check("!", "");
}

#[test]
fn options_change_how_the_rest_is_read() {
    check("-f eg2", "eu-gw-002");
    check("-f up1", "US-pay-001");
    check("-f Up1", "US-pay-001");
    check("-f UP1", "");
    check("!-f gw", "US-pay-001 10.0.0.7:8083");
    check("-l region=eu", "eu-gw-001");
    check("-l region=us, owner=Müller & Söhne", "US-pay-001");
    check("-l region=eu,role=other", "");
    check("-f", "eu-gw-001 eu-gw-002 US-pay-001 10.0.0.7:8083");
    check("-flag", "");
}

#[track_caller]
fn check_error(line: &str, expected: &str) {
    assert_eq!(Filter::parse(line).expect_err("must be refused").to_string(), expected);
}

#[test]
fn an_error_names_word_and_column() {
    check_error("gw \"abc", "column 4: the quote in \"\\\"abc\" is not closed");
    check_error("gw  region:", "column 5: \"region:\" names no value");
    check_error(
        "  !content:xyz",
        "column 4: \"content:xyz\": a content digest is 1 to 64 hex digits",
    );
    check_error("é api:grpc", "column 3: \"api:grpc\": a node API is one of reload, opa, agent");
    check_error("reload:ok", "column 1: \"reload:ok\": only reload:failed is known");
    check_error(
        "gw verified:maybe",
        "column 4: \"verified:maybe\": verified is one of yes, no, unknown",
    );
    check_error("-l a=1, b", "column 9: \"b\" is not of the form label=value");
    check_error(
        "state:bad",
        "column 1: \"state:bad\": a state is one of tampered, poisoned, diverged, behind, ahead, \
         stale, unreachable, unknown, converging, in_sync, drifted",
    );
    check_error(&"x".repeat(1_025), "the filter is longer than 1024 bytes");
}

/// Lines made of the pieces that mean something, in any order.
fn line() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("!".to_owned()),
        Just(" ".to_owned()),
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just(":".to_owned()),
        Just("-f ".to_owned()),
        Just("-l ".to_owned()),
        Just("state:drifted".to_owned()),
        Just("region:eu".to_owned()),
        Just("role=gateway,".to_owned()),
        "[a-zé0-9]{1,4}",
        "\\PC{0,3}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_line_panics(line in prop_oneof![line(), any::<String>()]) {
        drop(Filter::parse(&line));
    }

    #[test]
    fn an_inverted_line_is_the_complement(line in line()) {
        let inverted = Filter::parse(&format!("!{line}"));
        match Filter::parse(&line) {
            Ok(filter) => {
                let inverted = inverted.expect("an inverted line is a line");
                for row in &NODES {
                    prop_assert_ne!(holds(&filter, row), holds(&inverted, row));
                }
            }
            Err(_) => prop_assert!(inverted.is_err()),
        }
    }
}
