//! A timestamp authority that answers as RFC 3161 says.

use cms::{
    cert::IssuerAndSerialNumber,
    content_info::{CmsVersion, ContentInfo},
    signed_data::{EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos},
};
use der::{
    Any, AnyRef, Decode as _, Encode as _, Sequence, Tag,
    asn1::{GeneralizedTime, Int, ObjectIdentifier, OctetString, SetOfVec},
};
use jiff::Timestamp;
use rcgen::{
    CertificateParams, CertifiedIssuer, CustomExtension, KeyPair, KeyUsagePurpose, SigningKey as _,
};
use sha2::{Digest as _, Sha256};
use x509_cert::{attr::Attribute, spki::AlgorithmIdentifierOwned};

use crate::{
    Fault, PkiError,
    authority::{DAYS_S, after, ca_params, valid},
};

const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.2");
/// Extended key usage and its one purpose, timestamps (critical, RFC 3161, 2.3).
const EXTENDED_KEY_USAGE: [u64; 4] = [2, 5, 29, 37];
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");

#[derive(Debug, Clone, Sequence)]
struct Imprint {
    algorithm: AlgorithmIdentifierOwned,
    hashed: OctetString,
}

#[derive(Debug, Clone, Sequence)]
struct Stamp {
    version: u8,
    policy: ObjectIdentifier,
    imprint: Imprint,
    serial: Int,
    at: GeneralizedTime,
}

#[derive(Debug, Clone, Sequence)]
struct Status {
    status: u8,
}

#[derive(Debug, Clone, Sequence)]
struct Response {
    status: Status,
    token: Any,
}

/// What is asked of it (RFC 3161, 2.4.1), without a policy and a nonce.
#[derive(Debug, Clone, Sequence)]
struct Request {
    version: u8,
    imprint: Imprint,
    certificates: bool,
}

/// A timestamp authority: a root and the certificate that signs.
#[derive(Debug)]
pub(crate) struct StampAuthority {
    root: CertifiedIssuer<'static, KeyPair>,
    key: KeyPair,
    leaf: Vec<u8>,
}

impl StampAuthority {
    /// An authority; `fault` says what its own certificate lacks.
    pub(crate) fn new(epoch: Timestamp, fault: Option<Fault>) -> Result<Self, PkiError> {
        let (from, until) = (after(epoch, -DAYS_S * 365), after(epoch, DAYS_S * 3650));
        let params = ca_params("plumb-pki timestamp root", from, until)?;
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, "plumb-pki timestamps");
        let until = match fault {
            Some(Fault::StampCertificateExpired) => after(epoch, -DAYS_S),
            _ => until,
        };
        valid(&mut params, from, until)?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let purpose = if fault == Some(Fault::StampCertificateForCode) {
            CODE_SIGNING
        } else {
            TIME_STAMPING
        };
        let mut usage =
            CustomExtension::from_oid_content(&EXTENDED_KEY_USAGE, vec![purpose].to_der()?);
        usage.set_criticality(true);
        params.custom_extensions = vec![usage];
        let key = KeyPair::generate()?;
        let leaf = params.signed_by(&key, &root)?.der().to_vec();
        Ok(Self { root, key, leaf })
    }

    /// The chain as a trusted root lists it.
    pub(crate) fn chain(&self) -> [Vec<u8>; 2] {
        [self.leaf.clone(), self.root.der().to_vec()]
    }

    /// A response that says when a signature was there.
    pub(crate) fn stamp(
        &self,
        signature: &[u8],
        at: Timestamp,
        fault: Option<Fault>,
    ) -> Result<Vec<u8>, PkiError> {
        let at = match fault {
            Some(Fault::StampOutsideCertificate) => after(at, 7_200),
            Some(Fault::StampInTheFuture) => after(at, DAYS_S * 400),
            _ => at,
        };
        let stamped = match fault {
            Some(Fault::StampOfAnotherSignature) => b"another signature",
            _ => signature,
        };
        self.stamp_digest(&Sha256::digest(stamped), at, fault)
    }

    /// Answers a request, as an authority gets it.
    pub(crate) fn answer(&self, request: &[u8], at: Timestamp) -> Result<Vec<u8>, PkiError> {
        let Request { imprint, .. } = Request::from_der(request)?;
        self.stamp_digest(imprint.hashed.as_bytes(), at, None)
    }

    fn stamp_digest(
        &self,
        sha256: &[u8],
        at: Timestamp,
        fault: Option<Fault>,
    ) -> Result<Vec<u8>, PkiError> {
        let seconds = u64::try_from(at.as_second()).map_err(|_| PkiError::Time { time: at })?;
        let stamp = Stamp {
            version: 1,
            policy: POLICY,
            imprint: Imprint {
                algorithm: AlgorithmIdentifierOwned { oid: SHA256, parameters: None },
                hashed: OctetString::new(sha256)?,
            },
            serial: Int::new(&[1])?,
            at: GeneralizedTime::from_unix_duration(std::time::Duration::from_secs(seconds))?,
        }
        .to_der()?;
        let token = ContentInfo {
            content_type: SIGNED_DATA,
            content: Any::encode_from(&self.signed(&stamp, fault)?)?,
        };
        let status = if fault == Some(Fault::StampRejected) { 2 } else { 0 };
        Ok(Response { status: Status { status }, token: Any::encode_from(&token)? }.to_der()?)
    }

    fn signed(&self, stamp: &[u8], fault: Option<Fault>) -> Result<SignedData, PkiError> {
        let digest = match fault {
            Some(Fault::StampDigestChanged) => Sha256::digest(b"another stamp"),
            _ => Sha256::digest(stamp),
        };
        let attributes = SetOfVec::try_from(vec![
            attribute(CONTENT_TYPE, Any::encode_from(&TST_INFO)?)?,
            attribute(MESSAGE_DIGEST, Any::encode_from(&OctetString::new(digest.to_vec())?)?)?,
        ])?;
        let signature = match fault {
            Some(Fault::StampSignedByAnotherKey) => {
                KeyPair::generate()?.sign(&attributes.to_der()?)?
            }
            _ => self.key.sign(&attributes.to_der()?)?,
        };
        let certificate = x509_cert::Certificate::from_der(&self.leaf)?.tbs_certificate;
        let sha256 = AlgorithmIdentifierOwned { oid: SHA256, parameters: None };
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: certificate.issuer,
                serial_number: certificate.serial_number,
            }),
            digest_alg: sha256.clone(),
            signed_attrs: Some(attributes),
            signature_algorithm: AlgorithmIdentifierOwned { oid: ECDSA_SHA256, parameters: None },
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        };
        let content = AnyRef::new(Tag::OctetString, stamp)?;
        Ok(SignedData {
            version: CmsVersion::V3,
            digest_algorithms: SetOfVec::try_from(vec![sha256])?,
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: TST_INFO,
                econtent: Some(Any::from(content)),
            },
            certificates: None,
            crls: None,
            signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
        })
    }
}

fn attribute(oid: ObjectIdentifier, value: Any) -> Result<Attribute, PkiError> {
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value])? })
}
