//! A certificate authority like Fulcio, and the certificate transparency log it submits to.

use std::time::Duration;

use der::{Decode as _, Encode as _, asn1::OctetString};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, CustomExtension, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType,
    SerialNumber, SigningKey as _, string::Ia5String,
};
use sha2::{Digest as _, Sha256};

use crate::{Fault, PkiError};

/// What Fulcio writes the issuer of an identity into: raw text, and a DER string.
const ISSUER: [u64; 9] = [1, 3, 6, 1, 4, 1, 57264, 1, 1];
const ISSUER_V2: [u64; 9] = [1, 3, 6, 1, 4, 1, 57264, 1, 8];
/// The list of signed certificate timestamps (RFC 6962, 3.3).
const SCT_LIST: [u64; 10] = [1, 3, 6, 1, 4, 1, 11129, 2, 4, 2];

/// How long a signing certificate lives, in seconds.
pub(crate) const LEAF_LIFE_S: i64 = 600;

/// Sets the first and the last second of a certificate.
pub(crate) fn valid(
    params: &mut CertificateParams,
    from: Timestamp,
    until: Timestamp,
) -> Result<(), PkiError> {
    let seconds = |time: Timestamp| {
        let seconds = u64::try_from(time.as_second()).map_err(|_| PkiError::Time { time })?;
        Ok::<_, PkiError>(rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds))
    };
    params.not_before = seconds(from)?;
    params.not_after = seconds(until)?;
    Ok(())
}

pub(crate) fn after(time: Timestamp, seconds: i64) -> Timestamp {
    time + jiff::SignedDuration::from_secs(seconds)
}

fn name(common: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "plumb-pki");
    name.push(DnType::CommonName, common);
    name
}

pub(crate) fn ca_params(
    common: &str,
    from: Timestamp,
    until: Timestamp,
) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = name(common);
    valid(&mut params, from, until)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// A root, an intermediate, and a certificate transparency log.
#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) root: CertifiedIssuer<'static, KeyPair>,
    pub(crate) intermediate: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new(common: &str, epoch: Timestamp) -> Result<Self, PkiError> {
        let (from, until) = (after(epoch, -DAYS_S * 365), after(epoch, DAYS_S * 3650));
        let params = ca_params(&format!("{common} root"), from, until)?;
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let mut params = ca_params(&format!("{common} intermediate"), from, until)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        params.use_authority_key_identifier_extension = true;
        let intermediate = CertifiedIssuer::signed_by(params, KeyPair::generate()?, &root)?;
        Ok(Self { root, intermediate })
    }
}

pub(crate) const DAYS_S: i64 = 86_400;

/// Who a certificate is for.
#[derive(Debug)]
pub(crate) struct Leaf<'a> {
    pub(crate) san: &'a str,
    pub(crate) issuer: &'a str,
    pub(crate) at: Timestamp,
    pub(crate) serial: u64,
    pub(crate) fault: Option<Fault>,
}

/// Issues a signing certificate, with the timestamp of a certificate transparency log in it.
pub(crate) fn issue(
    authority: &Authority,
    ct: &KeyPair,
    other_ct: &KeyPair,
    key: &KeyPair,
    leaf: &Leaf<'_>,
) -> Result<Vec<u8>, PkiError> {
    let mut params = leaf_params(leaf)?;
    let issuer = &authority.intermediate;
    let sign = |params: &CertificateParams| -> Result<Vec<u8>, PkiError> {
        if leaf.fault == Some(Fault::CertificateSelfSigned) {
            return Ok(params.self_signed(key)?.der().to_vec());
        }
        Ok(params.signed_by(key, issuer)?.der().to_vec())
    };
    let pre = sign(&params)?;
    let logged = if leaf.fault == Some(Fault::SctOfAnotherCertificate) {
        let mut other = params.clone();
        other.serial_number = Some(SerialNumber::from(leaf.serial + 1_000_000));
        sign(&other)?
    } else {
        pre.clone()
    };
    let tbs = x509_cert::Certificate::from_der(&logged)?.tbs_certificate.to_der()?;
    let log = if leaf.fault == Some(Fault::SctOfUnknownLog) { other_ct } else { ct };
    let signer = if leaf.fault == Some(Fault::SctSignedByAnotherKey) { other_ct } else { log };
    let at = match leaf.fault {
        Some(Fault::SctFromTheFuture) => after(leaf.at, DAYS_S * 400),
        _ => leaf.at,
    };
    let sct = sct(log, signer, &Sha256::digest(issuer.key().subject_public_key_info()), &tbs, at)?;
    let list = match leaf.fault {
        Some(Fault::SctMissing) => return Ok(pre),
        Some(Fault::SctTwice) => vec![sct.clone(), sct],
        _ => vec![sct],
    };
    params.custom_extensions.push(sct_extension(&list)?);
    sign(&params)
}

fn leaf_params(leaf: &Leaf<'_>) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(SerialNumber::from(leaf.serial));
    let (from, life) = match leaf.fault {
        Some(Fault::CertificateExpired) => (after(leaf.at, -7_200), LEAF_LIFE_S),
        Some(Fault::CertificateNotYetValid) => (after(leaf.at, 7_200), LEAF_LIFE_S),
        _ => (after(leaf.at, -10), LEAF_LIFE_S),
    };
    valid(&mut params, from, after(from, life))?;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = match leaf.fault {
        Some(Fault::CertificateWithoutDigitalSignature) => vec![KeyUsagePurpose::KeyEncipherment],
        _ => vec![KeyUsagePurpose::DigitalSignature],
    };
    params.extended_key_usages = match leaf.fault {
        Some(Fault::CertificateForServers) => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Some(Fault::CertificateForEverything) => vec![ExtendedKeyUsagePurpose::Any],
        _ => vec![ExtendedKeyUsagePurpose::CodeSigning],
    };
    if leaf.fault == Some(Fault::CertificateIsAuthority) {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    params.subject_alt_names = sans(leaf)?;
    params.custom_extensions = issuers(leaf)?;
    Ok(params)
}

fn sans(leaf: &Leaf<'_>) -> Result<Vec<SanType>, PkiError> {
    let one = |text: &str| -> Result<SanType, PkiError> {
        let text = Ia5String::try_from(text.to_owned())?;
        Ok(if text.as_str().contains("://") {
            SanType::URI(text)
        } else {
            SanType::Rfc822Name(text)
        })
    };
    Ok(match leaf.fault {
        Some(Fault::SanMissing) => Vec::new(),
        Some(Fault::SanTwice) => vec![one("mallory@example.com")?, one(leaf.san)?],
        Some(Fault::SanIsAnother) => vec![one("mallory@example.com")?],
        Some(Fault::SanHasSuffix) => vec![one(&format!("{}.evil.example", leaf.san))?],
        Some(Fault::SanHasPrefix) => vec![one(&format!("https://evil.example/?{}", leaf.san))?],
        Some(Fault::SanIsServerName) => {
            vec![SanType::DnsName(Ia5String::try_from("ci.example.com".to_owned())?)]
        }
        _ => vec![one(leaf.san)?],
    })
}

fn issuers(leaf: &Leaf<'_>) -> Result<Vec<CustomExtension>, PkiError> {
    let other = "https://evil.example";
    let (first, second) = match leaf.fault {
        Some(Fault::IssuerMissing) => return Ok(Vec::new()),
        Some(Fault::IssuerIsAnother) => (other, other),
        Some(Fault::IssuersDisagree) => (other, leaf.issuer),
        _ => (leaf.issuer, leaf.issuer),
    };
    let second = der::asn1::Utf8StringRef::new(second)?.to_der()?;
    Ok(vec![
        CustomExtension::from_oid_content(&ISSUER, first.as_bytes().to_vec()),
        CustomExtension::from_oid_content(&ISSUER_V2, second),
    ])
}

/// One signed certificate timestamp over a precertificate (RFC 6962, 3.2).
fn sct(
    log: &KeyPair,
    signer: &KeyPair,
    issuer: &[u8],
    tbs: &[u8],
    at: Timestamp,
) -> Result<Vec<u8>, PkiError> {
    let millis = u64::try_from(at.as_millisecond()).map_err(|_| PkiError::Time { time: at })?;
    let length = u32::try_from(tbs.len()).map_err(|_| too_long())?.to_be_bytes();
    let mut signed = vec![0, 0];
    signed.extend(millis.to_be_bytes());
    signed.extend([0, 1]);
    signed.extend(issuer);
    signed.extend(&length[1..]);
    signed.extend(tbs);
    signed.extend([0, 0]);
    let signature = signer.sign(&signed)?;
    let mut sct = vec![0];
    sct.extend(Sha256::digest(log.subject_public_key_info()));
    sct.extend(millis.to_be_bytes());
    sct.extend([0, 0, 4, 3]);
    sct.extend(sized(&signature)?);
    Ok(sct)
}

fn sct_extension(scts: &[Vec<u8>]) -> Result<CustomExtension, PkiError> {
    let mut list = Vec::new();
    for sct in scts {
        list.extend(sized(sct)?);
    }
    let octets = OctetString::new(sized(&list)?)?.to_der()?;
    Ok(CustomExtension::from_oid_content(&SCT_LIST, octets))
}

/// Bytes after their length in two bytes.
fn sized(bytes: &[u8]) -> Result<Vec<u8>, PkiError> {
    let length = u16::try_from(bytes.len()).map_err(|_| too_long())?;
    Ok([&length.to_be_bytes()[..], bytes].concat())
}

fn too_long() -> PkiError {
    PkiError::Encoding(der::ErrorKind::Overflow.into())
}
