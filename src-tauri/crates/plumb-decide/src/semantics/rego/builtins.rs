//! Functions of OPA that are answered with *not evaluated here*.

use crate::answer::Reason;

/// Functions OPA 1.x has and the engine does not, with the number of their arguments
/// (<https://www.openpolicyagent.org/docs/policy-reference/builtins>).
const MISSING: &[(&str, u8)] = &[
    ("array.flatten", 1),
    ("crypto.hmac.equal", 2),
    ("crypto.hmac.md5", 2),
    ("crypto.hmac.sha1", 2),
    ("crypto.hmac.sha256", 2),
    ("crypto.hmac.sha512", 2),
    ("crypto.md5", 1),
    ("crypto.parse_private_keys", 1),
    ("crypto.sha1", 1),
    ("crypto.sha256", 1),
    ("crypto.x509.parse_and_verify_certificates", 1),
    ("crypto.x509.parse_and_verify_certificates_with_options", 2),
    ("crypto.x509.parse_certificate_request", 1),
    ("crypto.x509.parse_certificates", 1),
    ("crypto.x509.parse_keypair", 2),
    ("crypto.x509.parse_rsa_private_key", 1),
    ("graphql.is_valid", 2),
    ("graphql.parse", 2),
    ("graphql.parse_and_verify", 2),
    ("graphql.parse_query", 1),
    ("graphql.parse_schema", 1),
    ("graphql.schema_is_valid", 1),
    ("http.send", 1),
    ("io.jwt.decode", 1),
    ("io.jwt.decode_verify", 2),
    ("io.jwt.encode_sign", 3),
    ("io.jwt.encode_sign_raw", 3),
    ("io.jwt.verify_eddsa", 2),
    ("io.jwt.verify_es256", 2),
    ("io.jwt.verify_es384", 2),
    ("io.jwt.verify_es512", 2),
    ("io.jwt.verify_hs256", 2),
    ("io.jwt.verify_hs384", 2),
    ("io.jwt.verify_hs512", 2),
    ("io.jwt.verify_ps256", 2),
    ("io.jwt.verify_ps384", 2),
    ("io.jwt.verify_ps512", 2),
    ("io.jwt.verify_rs256", 2),
    ("io.jwt.verify_rs384", 2),
    ("io.jwt.verify_rs512", 2),
    ("json.match_schema", 2),
    ("json.verify_schema", 1),
    ("net.cidr_contains_matches", 2),
    ("net.cidr_intersects", 2),
    ("net.cidr_merge", 1),
    ("net.cidr_overlap", 2),
    ("net.lookup_ip_addr", 1),
    ("providers.aws.sign_req", 3),
    ("regex.globs_match", 2),
    ("rego.metadata.chain", 0),
    ("rego.metadata.rule", 0),
    ("rego.parse_module", 2),
    ("strings.render_template", 2),
    ("yaml.is_valid", 1),
    ("yaml.marshal", 1),
    ("yaml.unmarshal", 1),
];

/// Functions the engine has, whose answer is another on every machine or at every call.
const DIFFERING: &[(&str, u8)] = &[("opa.runtime", 0), ("rand.intn", 2), ("uuid.rfc4122", 1)];

/// The clock: answered with the time of the request, so that the same request has the same answer.
pub(super) const NOW: &str = "time.now_ns";

/// A function that ends an evaluation as soon as it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) name: &'static str,
    pub(super) arguments: u8,
    pub(super) differs: bool,
}

impl Refused {
    pub(super) fn reason(self) -> Reason {
        let name = self.name.to_owned();
        if self.differs {
            Reason::DiffersByMachine { name }
        } else {
            Reason::MissingBuiltin { name }
        }
    }
}

/// Every function that is refused when called.
pub(super) fn refused() -> impl Iterator<Item = Refused> {
    let row = |&(name, arguments): &(_, _)| Refused { name, arguments, differs: false };
    MISSING.iter().map(row).chain(differing())
}

/// Those among them that the engine would answer.
pub(super) fn differing() -> impl Iterator<Item = Refused> {
    DIFFERING.iter().map(|&(name, arguments)| Refused { name, arguments, differs: true })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn of_the_engine() -> BTreeSet<String> {
        let mut engine = regorus::Engine::new();
        let module = "package a\nnames := opa.runtime().builtins";
        engine.add_policy("a.rego".to_owned(), module.to_owned()).unwrap();
        let names = engine.eval_rule("data.a.names".to_owned()).unwrap();
        serde_json::from_str(&names.to_json_str().unwrap()).unwrap()
    }

    #[test]
    fn what_is_called_missing_is_missing_and_what_differs_is_there() {
        let engine = of_the_engine();
        let there: Vec<_> = MISSING.iter().filter(|(name, _)| engine.contains(*name)).collect();
        assert!(there.is_empty(), "the engine has {there:?}: take them off the list");
        assert!(DIFFERING.iter().all(|(name, _)| engine.contains(*name)));
        assert!(engine.contains(NOW));
    }
}
