use std::{collections::BTreeSet, io::Write as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use plumb_redact::{Canary, Encoding, Form, RuleSpec, Search, TokenKey, canary::plant};

use crate::{KEY, redactor};

const SECRET: &str = "cnry0a1b2c3d/Z9+x";

fn canary() -> Canary {
    Canary { source: "log".to_owned(), rule: "mail".to_owned(), secret: SECRET.to_owned() }
}

/// Which encodings are told of the secret in these bytes, read in pieces of this size.
fn check(bytes: &[u8], piece: usize) -> BTreeSet<Encoding> {
    let mut search = Search::new(vec![canary()]);
    search.begin("log.txt");
    for piece in bytes.chunks(piece) {
        search.feed(piece);
    }
    search.hits().into_iter().map(|hit| hit.encoding).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}

fn written(encoding: Encoding) -> Vec<u8> {
    let base64 = |before: &str| STANDARD.encode(format!("{before}{SECRET}after")).into_bytes();
    let each = |write: &dyn Fn(u16) -> Vec<u8>| SECRET.encode_utf16().flat_map(write).collect();
    match encoding {
        Encoding::Plain => SECRET.as_bytes().to_vec(),
        Encoding::Url => SECRET.replace('/', "%2F").replace('+', "%2B").into_bytes(),
        Encoding::Base64 => base64("abc"),
        Encoding::Base64Second => base64("abcd"),
        Encoding::Base64Third => base64("abcde"),
        Encoding::HexLower => hex::encode(SECRET).into_bytes(),
        Encoding::HexUpper => hex::encode_upper(SECRET).into_bytes(),
        Encoding::JsonEscapes => each(&|unit| format!("\\u{unit:04x}").into_bytes()),
        Encoding::Gzip => gzip(format!("before {SECRET} after").as_bytes()),
        Encoding::SplitOverLines => {
            format!("{}\r\n    {}\\n{}", &SECRET[..5], &SECRET[5..9], &SECRET[9..]).into_bytes()
        }
        Encoding::Utf16Le => each(&|unit| unit.to_le_bytes().to_vec()),
        Encoding::Utf16Be => each(&|unit| unit.to_be_bytes().to_vec()),
    }
}

#[test]
fn a_secret_is_found_in_each_of_twelve_encodings() {
    for encoding in Encoding::ALL {
        let bytes = [b"some text before ", &written(encoding)[..], b" and after"].concat();
        for piece in [1, 7, 4096] {
            let found = check(&bytes, piece);
            assert!(found.contains(&encoding), "{} in pieces of {piece}", encoding.name());
        }
    }
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let bytes =
        [gzip(b"nothing at all"), vec![0x1f, 0x8b, 8, 0, 1, 2], SECRET[1..].into()].concat();
    assert!(check(&bytes, 5).is_empty());
}

#[test]
fn compressed_bombs_are_not_followed_to_their_end() {
    let bomb = gzip(&vec![b'a'; 80 << 20]);
    assert!(check(&[bomb, SECRET.into()].concat(), 4096).contains(&Encoding::Plain));
}

#[test]
fn every_rule_catches_its_canary_in_every_form_and_without_it_the_canary_is_found() {
    let (all, key) = (RuleSpec::default(), TokenKey::new(KEY));
    for form in [Form::Text, Form::Json, Form::JsonLines] {
        let planted = plant("nodes", form, &all, &key);
        let leaks = |spec: &RuleSpec| {
            let redacted = redactor(spec).document(form, planted.document.as_bytes()).unwrap();
            let mut search = Search::new(planted.canaries.clone());
            search.begin("nodes.json");
            search.feed(&redacted);
            search.hits().into_iter().map(|hit| hit.canary.rule).collect::<BTreeSet<_>>()
        };
        assert_eq!(leaks(&all), BTreeSet::new());
        for canary in &planted.canaries {
            let without = RuleSpec { off: vec![canary.rule.clone()], ..RuleSpec::default() };
            assert_eq!(leaks(&without), BTreeSet::from([canary.rule.clone()]), "{form:?}");
        }
    }
}

#[test]
fn a_rule_that_is_off_plants_nothing() {
    let spec = RuleSpec { off: vec!["mail".to_owned()], ..RuleSpec::default() };
    let planted = plant("log", Form::Text, &spec, &TokenKey::new(KEY));
    assert!(planted.canaries.iter().all(|canary| canary.rule != "mail"));
}
