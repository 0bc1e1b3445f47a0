//! Who says that a condition lasts.

/// Longest name of an installation.
const INSTALLATION_BYTES_MAX: usize = 64;

/// Whether a text can be the name of an installation.
pub fn is_installation(text: &str) -> bool {
    let sound = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= INSTALLATION_BYTES_MAX && text.bytes().all(sound)
}

/// An identity of a hub and one of its installations as one text. No two pairs read alike, whatever names people give: the
/// one `#` that is not doubled stands before the installation, in which there is none.
pub fn teller(identity: &str, installation: Option<&str>) -> String {
    let mut teller = identity.replace('#', "##");
    if let Some(installation) = installation {
        teller.push('#');
        teller.push_str(installation);
    }
    teller
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn no_two_tellers_read_alike() {
        let identities = ["a", "a#", "a##", "#a", "a#b", "a##b", "a#b#", "a b", ""];
        let installations = [None, Some("b"), Some("b-1"), Some("0123456789abcdef")];
        let mut known = BTreeMap::new();
        for identity in identities {
            for installation in installations {
                let twin = known.insert(teller(identity, installation), (identity, installation));
                assert_eq!(twin, None, "{identity:?} {installation:?}");
            }
        }
        assert_eq!(teller("mira@laptop", Some("b1")), "mira@laptop#b1");
        assert_eq!(teller("monitor@node1", None), "monitor@node1");
    }

    #[test]
    fn an_installation_has_a_plain_name() {
        for text in ["b", "0f-3", &"a".repeat(64)] {
            assert!(is_installation(text), "{text:?}");
        }
        for text in ["", "A", "a b", "a#b", "a\n", "\u{e9}", &"a".repeat(65)] {
            assert!(!is_installation(text), "{text:?}");
        }
    }
}
