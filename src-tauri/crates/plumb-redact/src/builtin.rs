//! The rules that every fleet has.

use core::net::Ipv6Addr;

use crate::rules::Class;

/// A rule of ours. What stands in the first group that takes part is the secret, else the whole.
pub(crate) struct BuiltIn {
    pub(crate) name: &'static str,
    pub(crate) class: Class,
    pub(crate) pattern: &'static str,
    /// Whether what was matched is one after all.
    pub(crate) keep: Option<fn(&str) -> bool>,
}

const fn credential(name: &'static str, pattern: &'static str) -> BuiltIn {
    BuiltIn { name, class: Class::Credential, pattern, keep: None }
}

const fn personal(name: &'static str, pattern: &'static str) -> BuiltIn {
    BuiltIn { name, class: Class::Personal, pattern, keep: None }
}

/// Names of JSON members, headers and settings whose value is a secret; a part of the name is enough.
pub(crate) const SECRET_NAMES: &str = "(?i)password|passwd|passphrase|secret|credential|api[_-]?key|\
    access[_-]?key|private[_-]?key|client[_-]?key|auth[_-]?token|access[_-]?token|refresh[_-]?token|\
    id[_-]?token|bearer|session[_-]?id|^token$|^authorization$|^proxy-authorization$|^cookie$|^set-cookie$";

/// Ordered as they are listed in a receipt.
pub(crate) const BUILT_IN: [BuiltIn; 12] = [
    // Everything to the end of the header, because schemes put several fields there; of the schemes with one
    // word only this word, so that the same token in a body has the same name, and what follows is looked at.
    credential(
        "authorization",
        r#"(?i)\b(?:proxy-)?authorization["']?\s*[:=]\s*["']?(?:(?:bearer|basic|token)[ \t]+([^\s"'\\]+)|([^\s"'\\][^\r\n"'\\]*))"#,
    ),
    credential("bearer", r"(?i)\b(?:bearer|basic)\s+([A-Za-z0-9._~+/=-]{8,})"),
    credential("cookie", r#"(?i)\b(?:set-)?cookie["']?\s*:\s*["']?([^\s"'\\][^\r\n"'\\]*)"#),
    credential("url-credentials", r#"://([^/\s"'<>\\?#]+)@"#),
    credential(
        "url-query",
        r#"(?i)[?&](?:[a-z_-]*(?:token|secret|password|signature|key)|sig|code)=([^&\s"'#<>\\]+)"#,
    ),
    BuiltIn {
        keep: Some(is_no_reference),
        ..credential(
            "named-secret",
            r#"(?i)(?:password|passwd|passphrase|secret|api[_-]?key|access[_-]?key|private[_-]?key|[_-]token|\btoken)["']?\s*[:=]\s*["']?([^\s"'&,;\\]+)"#,
        )
    },
    credential(
        "private-key",
        r"(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\z)",
    ),
    credential("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)*"),
    credential(
        "service-token",
        r"\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,}|xox[abeoprs]-[A-Za-z0-9_-]{10,}|sk-[A-Za-z0-9_-]{20,}|A[KS]IA[0-9A-Z]{16}|AIza[A-Za-z0-9_-]{35}|hv[sb]\.[A-Za-z0-9_-]{20,}|npm_[A-Za-z0-9]{30,})",
    ),
    personal("mail", r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"),
    personal(
        "address",
        r"\b(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\b",
    ),
    BuiltIn {
        keep: Some(is_ipv6),
        ..personal("address-v6", r"[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7}")
    },
];

/// Runbooks name the variable that has a secret as `secret:env:NAME`, which is none itself.
fn is_no_reference(text: &str) -> bool {
    let variable = |c: u8| c.is_ascii_uppercase() || c.is_ascii_digit() || c == b'_';
    text.strip_prefix("secret:env:")
        .is_none_or(|name| name.is_empty() || !name.bytes().all(variable))
}

fn is_ipv6(text: &str) -> bool {
    text.len() > 2 && text.parse::<Ipv6Addr>().is_ok()
}
