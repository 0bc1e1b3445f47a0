//! The signed JSON bundle: `{"metadata": {...}, "policies": [...], "signature": {...}}`.
//!
//! What is signed is the canonical form of everything but `signature`. Structure errors print the
//! texts the field's service documents, so that an operator finds them in its manual.

mod build;
mod metadata;

use std::ops::Range;

use jiff::Timestamp;
use plumb_fleet::{
    content::{Ordering, Policy, PolicyRef, content_digest},
    ids::{BundleDigest, ContentDigest, Digest, Version},
};
use sha2::{Digest as _, Sha256};

use crate::{
    bundle::{Bundle, BundleError, Format, Metadata},
    canonical::{Canonicaliser, ObjectMark, into_ascii},
    json::{Fault, JsonLimits, Value, lexer::Token, parse},
    limits::{POLICIES_MAX, POLICY_ID_BYTES_MAX},
};
pub use build::{BundleDraft, SIGNATURE_ALGORITHM, SignatureBlock, UnsignedBundle};

/// A structure rule that a file breaks. The wording is the field's, capital letters included.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StructureError {
    #[error("Bundle must be a dictionary")]
    NotADictionary,
    #[error("Bundle missing metadata")]
    NoMetadata,
    #[error("Bundle metadata must be a dictionary")]
    MetadataNotADictionary,
    #[error("Bundle metadata missing required field: {field}")]
    NoMetadataField { field: &'static str },
    #[error("Bundle metadata field {field} {problem}")]
    MetadataField { field: &'static str, problem: String },
    #[error("Bundle missing policies field")]
    NoPolicies,
    #[error("Bundle policies must be a list")]
    PoliciesNotAList,
    #[error("Bundle contains no policies")]
    Empty,
    #[error("Bundle contains more than {max} policies")]
    TooManyPolicies { max: usize },
    #[error("Policy {index} is not a dictionary")]
    PolicyNotADictionary { index: usize },
    #[error("Policy {index} missing '{field}' field")]
    NoPolicyField { index: usize, field: &'static str },
    #[error("Policy {index} field '{field}' {problem}")]
    PolicyField { index: usize, field: &'static str, problem: String },
    #[error("Bundle missing signature")]
    NoSignature,
    #[error("Bundle signature must be a dictionary")]
    SignatureNotADictionary,
    #[error("Bundle signature field {field} is missing or not a text")]
    SignatureField { field: &'static str },
}

/// What a policy does when it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    Allow,
    Deny,
    RequireConfirmation,
}

impl Effect {
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "allow" => Some(Self::Allow),
            "deny" => Some(Self::Deny),
            "require_confirmation" => Some(Self::RequireConfirmation),
            _ => None,
        }
    }

    pub const fn as_word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::RequireConfirmation => "require_confirmation",
        }
    }
}

/// One policy where it stands in the canonical text.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PolicySpan {
    id: String,
    effect: Effect,
    text: Range<usize>,
    /// Fields a decision needs, relative to the text.
    description: Option<Range<usize>>,
    suggested_alternative: Option<Range<usize>>,
    risk_level: Option<Range<usize>>,
    conditions: ConditionSpans,
}

/// The `conditions` of a policy, relative to its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum ConditionSpans {
    #[default]
    Missing,
    NotADictionary,
    Members(Vec<Range<usize>>),
}

/// What deciding needs of a policy, as canonical JSON texts borrowed from the bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleTexts<'a> {
    pub id: &'a str,
    pub effect: Effect,
    pub description: Option<&'a str>,
    pub suggested_alternative: Option<&'a str>,
    pub risk_level: Option<&'a str>,
    pub conditions: ConditionTexts<'a>,
}

/// The conditions of a policy; each member is `"key":value`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConditionTexts<'a> {
    Missing,
    NotADictionary,
    Members(Vec<&'a str>),
}

/// A signed JSON bundle, read and structurally sound; whether it may be trusted is another matter.
///
/// Texts stay in one buffer until asked for. The three digests (of the file, of what is signed, of
/// each policy) are computed when asked for: each costs about 6 ms for 10 MB, and a caller with two
/// cores can ask for them side by side.
#[derive(Debug, Clone)]
pub struct SignedJson {
    canonical: String,
    /// Top-level members other than `signature`, `"key":value`, in canonical order.
    signed: Vec<Range<usize>>,
    policies: Vec<PolicySpan>,
    id: String,
    version: Version,
    issued_at: Option<Timestamp>,
    issuer: Option<String>,
    metadata: Metadata,
    signature: Option<SignatureBlock>,
    bytes: usize,
}

impl SignedJson {
    /// Reads a bundle and checks its structure (R249 to R253). A missing signature is no error here:
    /// unsigned bundles are what gets signed. A malformed one is.
    pub fn read(bytes: &[u8]) -> Result<Self, BundleError> {
        let mut writer = Canonicaliser::new(bytes, &JsonLimits::default())?;
        let sections = Sections::read(&mut writer)?;
        writer.lexer.end()?;
        let canonical = into_ascii(std::mem::take(&mut writer.out));
        let fields = metadata::read(sections.metadata.as_ref().map(|at| &canonical[at.clone()]))?;
        let policies = sections.policies.ok_or(StructureError::NoPolicies)??;
        let signature = sections
            .signature
            .map(|at| metadata::read_signature(&canonical[at]))
            .transpose()?
            .flatten();
        Ok(Self {
            signed: sections.signed,
            policies,
            id: fields.id,
            version: fields.version,
            issued_at: fields.issued_at,
            issuer: fields.issuer,
            metadata: fields.metadata,
            signature,
            bytes: bytes.len(),
            canonical,
        })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn version(&self) -> &Version {
        &self.version
    }

    pub fn issued_at(&self) -> Option<Timestamp> {
        self.issued_at
    }

    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    pub fn signature(&self) -> Option<&SignatureBlock> {
        self.signature.as_ref()
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn policies_count(&self) -> usize {
        self.policies.len()
    }

    /// Each policy with its effect and canonical text, in order, without copying.
    pub fn policies(&self) -> impl ExactSizeIterator<Item = (&str, Effect, &str)> {
        self.policies.iter().map(|p| (p.id.as_str(), p.effect, &self.canonical[p.text.clone()]))
    }

    /// What deciding needs of each policy, found while reading, so that rules are made without
    /// reading the policies again.
    pub fn rules(&self) -> impl ExactSizeIterator<Item = RuleTexts<'_>> {
        self.policies.iter().map(|policy| {
            let text = &self.canonical[policy.text.clone()];
            let part = |at: &Option<Range<usize>>| at.clone().map(|at| &text[at]);
            RuleTexts {
                id: &policy.id,
                effect: policy.effect,
                description: part(&policy.description),
                suggested_alternative: part(&policy.suggested_alternative),
                risk_level: part(&policy.risk_level),
                conditions: match &policy.conditions {
                    ConditionSpans::Missing => ConditionTexts::Missing,
                    ConditionSpans::NotADictionary => ConditionTexts::NotADictionary,
                    ConditionSpans::Members(members) => ConditionTexts::Members(
                        members.iter().map(|at| &text[at.clone()]).collect(),
                    ),
                },
            }
        })
    }

    /// The hash a signature covers: SHA-256 over the canonical JSON of everything but `signature`.
    pub fn signed_hash(&self) -> Digest {
        let mut hasher = Sha256::new();
        hasher.update(b"{");
        for (index, section) in self.signed.iter().enumerate() {
            if index > 0 {
                hasher.update(b",");
            }
            hasher.update(&self.canonical.as_bytes()[section.clone()]);
        }
        hasher.update(b"}");
        Digest::from_bytes(hasher.finalize().into())
    }

    /// The text that hash is over.
    pub fn signed_text(&self) -> String {
        let sections: Vec<&str> =
            self.signed.iter().map(|at| &self.canonical[at.clone()]).collect();
        format!("{{{}}}", sections.join(","))
    }

    /// Names and digests of the policies, without their texts.
    pub fn policy_refs(&self) -> Vec<PolicyRef> {
        self.policies()
            .map(|(id, _, text)| PolicyRef {
                id: id.to_owned(),
                digest: Digest::of(text.as_bytes()),
            })
            .collect()
    }

    /// The bundle with texts copied out; `digest` is that of the file, see [`BundleDigest`].
    pub fn to_bundle(&self, digest: BundleDigest) -> Bundle {
        let refs = self.policy_refs();
        self.to_bundle_with(digest, refs)
    }

    /// Like [`Self::to_bundle`] where [`Self::policy_refs`] are at hand.
    pub fn to_bundle_with(&self, digest: BundleDigest, refs: Vec<PolicyRef>) -> Bundle {
        let content = content_of(&refs);
        let policies = refs
            .into_iter()
            .zip(self.policies())
            .map(|(PolicyRef { id, digest }, (_, _, text))| Policy {
                id,
                digest,
                text: text.to_owned(),
            })
            .collect();
        Bundle {
            id: self.id.clone(),
            version: self.version.clone(),
            issued_at: self.issued_at,
            issuer: self.issuer.clone(),
            digest,
            content,
            ordering: Ordering::ByPosition,
            policies,
            data: Vec::new(),
            format: Format::SignedJson,
            metadata: self.metadata.clone(),
            bytes: self.bytes,
        }
    }

    /// The document as a tree without its signature, for signing again.
    pub fn to_unsigned(&self) -> UnsignedBundle {
        let document = parse(self.signed_text().as_bytes());
        UnsignedBundle::from_document(document.expect("the canonical form of a document is JSON"))
    }
}

/// The content digest of policies in list order.
pub fn content_of(refs: &[PolicyRef]) -> ContentDigest {
    content_digest(refs.iter().map(|r| (r.id.as_str(), r.digest)), Ordering::ByPosition)
}

/// The top level of a bundle as it was written.
#[derive(Debug, Default)]
struct Sections {
    signed: Vec<Range<usize>>,
    metadata: Option<Range<usize>>,
    signature: Option<Range<usize>>,
    policies: Option<Result<Vec<PolicySpan>, StructureError>>,
}

impl Sections {
    fn read(writer: &mut Canonicaliser<'_>) -> Result<Self, BundleError> {
        if writer.lexer.token()? != Token::Object {
            return Err(StructureError::NotADictionary.into());
        }
        let mut policies = None;
        let mark = writer.object_with(|writer, key| {
            if writer.key_text(key) == b"policies" {
                policies = Some(read_policies(writer)?);
                return Ok(());
            }
            writer.value()
        })?;
        let mut sections = Self { policies, ..Self::default() };
        for (key, whole) in writer.each_member(&mark) {
            if key != b"signature" {
                sections.signed.push(whole);
            }
        }
        sections.metadata = writer.member(&mark, "metadata");
        sections.signature = writer.member(&mark, "signature");
        // Policies were located before their section moved to its sorted place.
        if let (Some(Ok(spans)), Some(now)) =
            (&mut sections.policies, writer.member(&mark, "policies"))
        {
            let written_at = spans.first().map_or(now.start, |first| first.text.start - 1);
            for span in spans {
                span.text.start = span.text.start - written_at + now.start;
                span.text.end = span.text.end - written_at + now.start;
            }
        }
        writer.forget(&mark);
        Ok(sections)
    }
}

type Policies = Result<Vec<PolicySpan>, StructureError>;

/// Reads the list of policies. JSON errors end the reading; the first structure error is kept while
/// the rest of the list is still read, so that a broken text is reported before a broken structure.
fn read_policies(writer: &mut Canonicaliser<'_>) -> Result<Policies, Fault> {
    let token = writer.lexer.token()?;
    if token != Token::Array {
        writer.rest_of(token)?;
        return Ok(Err(StructureError::PoliciesNotAList));
    }
    let mut spans = Vec::new();
    let mut error = None;
    writer.lexer.enter()?;
    writer.out.push(b'[');
    if !writer.lexer.closes(b']') {
        loop {
            match read_policy(writer, spans.len())? {
                Ok(span) if error.is_none() => spans.push(span),
                Ok(_) => {}
                Err(first) => error = error.or(Some(first)),
            }
            if spans.len() > POLICIES_MAX {
                return Ok(Err(StructureError::TooManyPolicies { max: POLICIES_MAX }));
            }
            if !writer.lexer.continues(b']')? {
                break;
            }
            writer.out.push(b',');
        }
    }
    writer.out.push(b']');
    writer.lexer.leave();
    Ok(match error {
        Some(error) => Err(error),
        None if spans.is_empty() => Err(StructureError::Empty),
        None => Ok(spans),
    })
}

fn read_policy(
    writer: &mut Canonicaliser<'_>,
    index: usize,
) -> Result<Result<PolicySpan, StructureError>, Fault> {
    let start = writer.out.len();
    let token = writer.lexer.token()?;
    if token != Token::Object {
        writer.rest_of(token)?;
        return Ok(Err(StructureError::PolicyNotADictionary { index }));
    }
    let mut conditions = ConditionSpans::Missing;
    let mark = writer.object_with(|writer, key| {
        if writer.key_text(key) == b"conditions" {
            conditions = read_conditions(writer)?;
            return Ok(());
        }
        writer.value()
    })?;
    let policy = policy_fields(writer, &mark, index).map(|(id, effect)| {
        let end = writer.out.len();
        let relative = |at: Range<usize>| at.start - start..at.end - start;
        let field = |key| writer.member(&mark, key).map(relative);
        if let (ConditionSpans::Members(members), Some(at)) = (&mut conditions, field("conditions"))
        {
            for member in members {
                *member = member.start + at.start..member.end + at.start;
            }
        }
        PolicySpan {
            id,
            effect,
            text: start..end,
            description: field("description"),
            suggested_alternative: field("suggested_alternative"),
            risk_level: field("risk_level"),
            conditions,
        }
    });
    writer.forget(&mark);
    Ok(policy)
}

/// Reads the value of `conditions`; members are located relative to its start, because the policy's
/// own members may still move.
fn read_conditions(writer: &mut Canonicaliser<'_>) -> Result<ConditionSpans, Fault> {
    let start = writer.out.len();
    let token = writer.lexer.token()?;
    if token != Token::Object {
        writer.rest_of(token)?;
        return Ok(ConditionSpans::NotADictionary);
    }
    let mark = writer.object()?;
    let members =
        writer.each_member(&mark).map(|(_, at)| at.start - start..at.end - start).collect();
    writer.forget(&mark);
    Ok(ConditionSpans::Members(members))
}

fn policy_fields(
    writer: &Canonicaliser<'_>,
    mark: &ObjectMark,
    index: usize,
) -> Result<(String, Effect), StructureError> {
    let text = |field| {
        let at = writer.member(mark, field);
        let canonical = &writer.out[at.ok_or(StructureError::NoPolicyField { index, field })?];
        plain_text(canonical).map_err(|problem| StructureError::PolicyField {
            index,
            field,
            problem,
        })
    };
    let wrong = |field, problem: String| StructureError::PolicyField { index, field, problem };
    let (id, effect) = (text("id")?, text("effect")?);
    if id.len() > POLICY_ID_BYTES_MAX {
        return Err(wrong("id", format!("is longer than {POLICY_ID_BYTES_MAX} bytes")));
    }
    let effect = Effect::from_word(&effect).ok_or_else(|| {
        let shown: String = effect.chars().take(40).collect();
        wrong("effect", format!("must be allow, deny or require_confirmation, not {shown:?}"))
    })?;
    Ok((id, effect))
}

/// The text of a canonical JSON string.
fn plain_text(canonical: &[u8]) -> Result<String, String> {
    match canonical {
        [b'"', inside @ .., b'"'] if !inside.contains(&b'\\') => {
            Ok(String::from_utf8_lossy(inside).into_owned())
        }
        [b'"', ..] => match parse(canonical) {
            Ok(Value::String(text)) => text
                .as_str()
                .map(str::to_owned)
                .ok_or_else(|| "holds an unpaired surrogate".to_owned()),
            _ => Err("is not a text".to_owned()),
        },
        _ => Err("must be a text".to_owned()),
    }
}

#[cfg(test)]
mod tests;
