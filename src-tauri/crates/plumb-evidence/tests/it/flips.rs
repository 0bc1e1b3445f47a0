//! No byte can be another one: content, headers and list.

use std::sync::LazyLock;

use plumb_evidence::{Archive, verify::verify_archive};
use proptest::prelude::*;

use crate::support::{entries, packed, plain, said, trust, verified};

static PLAIN: LazyLock<Vec<u8>> = LazyLock::new(plain);
static ENTRIES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| entries(&PLAIN));

/// What an altered file comes to: refused with the entry's name where it has one, or only noted.
fn judged(bytes: &[u8]) -> (bool, Option<String>, String) {
    match Archive::open(bytes) {
        Err(error) => (false, error.at().map(str::to_owned), error.to_string()),
        Ok(mut archive) => {
            let verification = verify_archive(&mut archive, bytes.len() as u64, &trust());
            (verification.holds(), verification.broken.clone(), said(&verification))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_byte_of_any_entry_that_is_another_one_is_found_and_named(
        entry in any::<prop::sample::Index>(),
        byte in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut entries = ENTRIES.clone();
        let (name, content) = &mut entries[entry.index(ENTRIES.len())];
        let at = byte.index(content.len());
        content[at] ^= flip;
        let name = name.clone();
        let verification = verified(&packed(&entries), &trust());
        prop_assert!(!verification.holds());
        prop_assert_eq!(verification.broken.as_ref(), Some(&name), "{}", said(&verification));
    }

    #[test]
    fn any_byte_of_the_file_that_is_another_one_is_found_or_noted(
        byte in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut bytes = PLAIN.clone();
        let at = byte.index(bytes.len());
        bytes[at] ^= flip;
        let (holds, _, said) = judged(&bytes);
        // What no program reads, such as the time of a file, proves nothing and is told as that.
        prop_assert!(!holds || said.starts_with("container rewritten"), "byte {}: {}", at, said);
        if holds {
            prop_assert_eq!(entries(&bytes), ENTRIES.clone());
        }
    }

    #[test]
    fn any_part_of_the_file_is_refused(length in any::<prop::sample::Index>()) {
        let (holds, _, said) = judged(&PLAIN[..length.index(PLAIN.len())]);
        prop_assert!(!holds, "{}", said);
    }
}

#[test]
fn a_changed_byte_between_headers_is_named_by_its_entry() {
    let archive = Archive::open(PLAIN.as_slice()).expect("it opens");
    // Packed content begins after the name of its entry.
    for (name, _) in ENTRIES.iter() {
        let at = PLAIN.windows(name.len()).position(|window| window == name.as_bytes());
        let at = at.expect("the header holds the name") + name.len() + 4;
        let mut bytes = PLAIN.clone();
        bytes[at] ^= 0x10;
        let (holds, broken, said) = judged(&bytes);
        assert!(!holds, "{said}");
        assert_eq!(broken.as_deref(), Some(name.as_str()), "{said}");
    }
    assert!(archive.find("manifest.json").is_some());
}
