//! The signing certificate, read strictly: for code, in one way, with one name in it.

use der::{
    Decode as _, Encode as _,
    asn1::{ObjectIdentifier, Utf8StringRef},
};
use jiff::Timestamp;
use sigstore_types::{TimeRange, bundle::VerificationMaterialContent};
use x509_cert::{
    Certificate,
    ext::pkix::{
        BasicConstraints, ExtendedKeyUsage, KeyUsage, SignedCertificateTimestampList,
        SubjectAltName, name::GeneralName,
    },
};

use super::root::{SigstoreRoot, within};

const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
/// Where Fulcio writes who vouched for the name: raw text at first, then a DER string.
const ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");
const ISSUER_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");
/// A user name of an issuer without addresses, as another name.
const USER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");

/// The certificates of a bundle: the first signs, the others lead to an authority.
#[derive(Debug)]
pub(super) struct Chain {
    pub(super) leaf: Certificate,
    pub(super) leaf_der: Vec<u8>,
    rest: Vec<(Certificate, Vec<u8>)>,
}

impl Chain {
    /// Reads the certificates, or gives nothing for a bundle with a key.
    pub(super) fn read(material: &VerificationMaterialContent) -> Option<Result<Self, String>> {
        let all: Vec<&[u8]> = match material {
            VerificationMaterialContent::Certificate(one) => vec![one.raw_bytes.as_bytes()],
            VerificationMaterialContent::X509CertificateChain { certificates } => {
                certificates.iter().map(|one| one.raw_bytes.as_bytes()).collect()
            }
            _ => return None,
        };
        let read: Result<Vec<_>, String> =
            all.iter().map(|der| Ok((one(der)?, der.to_vec()))).collect();
        Some(read.and_then(|mut read| {
            if read.is_empty() {
                return Err("no certificate".to_owned());
            }
            let (leaf, leaf_der) = read.remove(0);
            Ok(Self { leaf, leaf_der, rest: read })
        }))
    }

    /// The public key of the signer, in DER.
    pub(super) fn key(&self) -> Result<Vec<u8>, String> {
        self.leaf.tbs_certificate.subject_public_key_info.to_der().map_err(|e| e.to_string())
    }

    pub(super) fn window(&self) -> Result<(Timestamp, Timestamp), String> {
        let validity = &self.leaf.tbs_certificate.validity;
        let time = |time: x509_cert::time::Time| {
            let seconds =
                i64::try_from(time.to_unix_duration().as_secs()).map_err(|e| e.to_string())?;
            Timestamp::from_second(seconds).map_err(|error| error.to_string())
        };
        Ok((time(validity.not_before)?, time(validity.not_after)?))
    }

    /// The certificate is for code and for nothing else.
    pub(super) fn usage(&self) -> Result<String, String> {
        let tbs = &self.leaf.tbs_certificate;
        let read = |error: der::Error| error.to_string();
        if let Some((_, constraints)) = tbs.get::<BasicConstraints>().map_err(read)?
            && constraints.ca
        {
            return Err("an authority's certificate, which must not sign code".to_owned());
        }
        let (_, usage) = tbs.get::<KeyUsage>().map_err(read)?.ok_or("no key usage")?;
        if !usage.digital_signature() || usage.key_cert_sign() {
            return Err("a key that must not make signatures".to_owned());
        }
        let (_, purposes) =
            tbs.get::<ExtendedKeyUsage>().map_err(read)?.ok_or("no extended key usage")?;
        if purposes.0 == [CODE_SIGNING] {
            Ok("code signing".to_owned())
        } else {
            let named: Vec<String> = purposes.0.iter().map(ToString::to_string).collect();
            Err(format!("for {}, not for code signing alone", named.join(", ")))
        }
    }

    /// The other certificates are the issuers one after another, and none of them is a root.
    pub(super) fn path(&self, root: &SigstoreRoot) -> Result<String, String> {
        let trusted: Vec<&[u8]> = root
            .listed
            .certificate_authorities
            .iter()
            .flat_map(|authority| &authority.cert_chain.certificates)
            .map(|entry| entry.raw_bytes.as_bytes())
            .collect();
        let listed = |subject: &x509_cert::name::Name| {
            let is = |der: &&&[u8]| {
                Certificate::from_der(der).is_ok_and(|one| one.tbs_certificate.subject == *subject)
            };
            trusted.iter().any(|der| is(&der))
        };
        let mut below = &self.leaf;
        for (certificate, der) in &self.rest {
            let tbs = &certificate.tbs_certificate;
            if tbs.subject == tbs.issuer {
                return Err("a root stands in the chain; it belongs in the trusted root".to_owned());
            }
            if tbs.subject != below.tbs_certificate.issuer {
                return Err("a certificate in the chain did not issue the one before it".to_owned());
            }
            if listed(&tbs.subject) && !trusted.contains(&der.as_slice()) {
                return Err(
                    "a certificate in the chain has the name of a trusted one and is another"
                        .to_owned(),
                );
            }
            below = certificate;
        }
        Ok(match self.rest.len() {
            0 => "the certificate alone".to_owned(),
            count => format!("{count} certificates between it and the trusted root"),
        })
    }

    /// The trusted authorities that could have issued it, with when they count.
    pub(super) fn authorities(&self, root: &SigstoreRoot) -> Vec<(String, Option<TimeRange>)> {
        let issuers: Vec<_> = std::iter::once(&self.leaf)
            .chain(self.rest.iter().map(|(certificate, _)| certificate))
            .map(|certificate| &certificate.tbs_certificate.issuer)
            .collect();
        let issued = |der: &[u8]| {
            Certificate::from_der(der)
                .is_ok_and(|one| issuers.contains(&&one.tbs_certificate.subject))
        };
        root.listed
            .certificate_authorities
            .iter()
            .filter(|ca| {
                ca.cert_chain.certificates.iter().any(|one| issued(one.raw_bytes.as_bytes()))
            })
            .map(|ca| (ca.uri.clone(), ca.valid_for))
            .collect()
    }

    /// At every time the signature is said to have been made, one of the authorities was trusted.
    pub(super) fn authority_window(
        &self,
        root: &SigstoreRoot,
        times: &[Timestamp],
    ) -> Result<String, String> {
        let authorities = self.authorities(root);
        if authorities.is_empty() {
            return Ok("no trusted authority has the name of the issuer".to_owned());
        }
        for at in times {
            let found: Vec<_> =
                authorities.iter().map(|(_, window)| within(*window, *at)).collect();
            if let Some(Err(problem)) = found.iter().find(|_| found.iter().all(Result::is_err)) {
                return Err(format!("{problem}, and the signature was made at {at}"));
            }
        }
        Ok(authorities.into_iter().map(|(url, _)| url).collect::<Vec<_>>().join(", "))
    }

    /// The one certificate timestamp: the id of its log, and when it was made.
    pub(super) fn sct(&self) -> Result<([u8; 32], Timestamp), String> {
        let list = self
            .leaf
            .tbs_certificate
            .get::<SignedCertificateTimestampList>()
            .map_err(|error| error.to_string())?
            .ok_or("the certificate carries no timestamp of a certificate log")?
            .1;
        let unreadable = |error| format!("the certificate timestamp cannot be read: {error:?}");
        let all = list.parse_timestamps().map_err(unreadable)?;
        let [one] = all.as_slice() else {
            return Err(format!("{} certificate timestamps, where one belongs", all.len()));
        };
        let sct = one.parse_timestamp().map_err(unreadable)?;
        let at =
            i64::try_from(sct.timestamp).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
        Ok((sct.log_id.key_id, at.ok_or("the certificate timestamp has no possible time")?))
    }

    /// The one name in the certificate.
    pub(super) fn name(&self) -> Result<String, String> {
        let names = self
            .leaf
            .tbs_certificate
            .get::<SubjectAltName>()
            .map_err(|error| error.to_string())?
            .ok_or("the certificate names nobody")?
            .1;
        let [name] = names.0.as_slice() else {
            return Err(format!("the certificate has {} names, where one belongs", names.0.len()));
        };
        match name {
            GeneralName::Rfc822Name(text) | GeneralName::UniformResourceIdentifier(text) => {
                Ok(text.to_string())
            }
            GeneralName::OtherName(other) if other.type_id == USER_NAME => other
                .value
                .decode_as::<Utf8StringRef<'_>>()
                .map(|text| text.as_str().to_owned())
                .map_err(|error| error.to_string()),
            _ => Err("the certificate names neither an address nor a workload".to_owned()),
        }
    }

    /// Who vouched for the name. Where both extensions are there they agree.
    pub(super) fn issuer(&self) -> Result<String, String> {
        let extensions = self.leaf.tbs_certificate.extensions.as_deref().unwrap_or_default();
        let value = |oid| {
            extensions.iter().find(|one| one.extn_id == oid).map(|one| one.extn_value.as_bytes())
        };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string());
        let first = value(ISSUER).map(text).transpose()?;
        let second = value(ISSUER_V2)
            .map(|der| Utf8StringRef::from_der(der).map(|text| text.as_str().to_owned()))
            .transpose()
            .map_err(|error| error.to_string())?;
        match (first, second) {
            (Some(first), Some(second)) if first != second => {
                Err(format!("two issuers that disagree: {first:?} and {second:?}"))
            }
            (_, Some(issuer)) | (Some(issuer), None) => Ok(issuer),
            (None, None) => Err("the certificate does not say who vouched for the name".to_owned()),
        }
    }
}

/// Reads one certificate in the only way it can be written, without a repeated extension.
fn one(der: &[u8]) -> Result<Certificate, String> {
    let certificate = Certificate::from_der(der).map_err(|error| error.to_string())?;
    if certificate.to_der().map_err(|error| error.to_string())? != der {
        return Err("not in canonical DER".to_owned());
    }
    let extensions = certificate.tbs_certificate.extensions.as_deref().unwrap_or_default();
    for (index, extension) in extensions.iter().enumerate() {
        if extensions[..index].iter().any(|other| other.extn_id == extension.extn_id) {
            return Err(format!("the extension {} stands twice", extension.extn_id));
        }
    }
    Ok(certificate)
}
