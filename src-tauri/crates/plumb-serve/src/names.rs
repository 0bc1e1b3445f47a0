//! The names in a client certificate that was verified.

use rustls_pki_types::CertificateDer;
use x509_cert::{
    Certificate,
    der::{
        Decode as _,
        asn1::{PrintableStringRef, Utf8StringRef},
    },
    ext::pkix::{SubjectAltName, name::GeneralName},
};

use crate::limits::NAMES_MAX;

/// OID of `commonName`.
const COMMON_NAME: &str = "2.5.4.3";

/// DNS names, addresses of people and URIs it speaks for, then its common name; none where it cannot be read.
pub(crate) fn names(leaf: &CertificateDer<'_>) -> Vec<String> {
    let Ok(certificate) = Certificate::from_der(leaf.as_ref()) else { return Vec::new() };
    let body = &certificate.tbs_certificate;
    let spoken_for = body.get::<SubjectAltName>().ok().flatten();
    let spoken_for = spoken_for.map(|(_, names)| names.0).unwrap_or_default();
    let spoken_for = spoken_for.iter().filter_map(|name| match name {
        GeneralName::DnsName(text)
        | GeneralName::Rfc822Name(text)
        | GeneralName::UniformResourceIdentifier(text) => Some(text.to_string()),
        _ => None,
    });
    let subject = body.subject.0.iter().flat_map(|part| part.0.iter());
    let common = subject.filter(|one| one.oid.to_string() == COMMON_NAME).filter_map(|one| {
        let value = &one.value;
        let text = value.decode_as::<Utf8StringRef<'_>>().map(|text| text.as_str().to_owned());
        text.or_else(|_| value.decode_as::<PrintableStringRef<'_>>().map(|t| t.as_str().to_owned()))
            .ok()
    });
    let mut all: Vec<String> = Vec::new();
    for name in spoken_for.chain(common) {
        if all.len() < NAMES_MAX && !all.contains(&name) {
            all.push(name);
        }
    }
    all
}
