//! The signer, the roster, the list for `sha256sum`, and the receipt of the redaction.

use std::collections::BTreeMap;

use jiff::Timestamp;
use plumb_fleet::Digest;
use plumb_redact::{Encoding, Receipt};
use plumb_trust::{
    dsse::{KeyId, PublicKey},
    roster::{PersonId, Roster, RosterPin},
};

use super::{CheckName, Finding, KnownRoster, Outcome, Trust, hashes::Hashes, signature::Signed};
use crate::{
    archive::{Archive, Source},
    manifest::{CANARIES, CHECKSUMS, Evidence, RECEIPT, ROSTER, UNLISTED},
    rosters::by_its_own_roots,
};

/// The roster in the archive, if its own root keys signed it.
pub(super) fn roster<S: Source>(archive: &Archive<S>, trust: &Trust) -> Option<KnownRoster> {
    known(&archive.document(archive.find(ROSTER)?).ok()?, trust)
}

fn known(envelope: &[u8], trust: &Trust) -> Option<KnownRoster> {
    if !trust.roots.is_empty()
        && let Ok(roster) = Roster::enrol(envelope, &trust.roots)
    {
        return Some(KnownRoster { roster, trusted: true });
    }
    // An older roster than the newest one is no reason to distrust what was done under it.
    let any = |pin: &RosterPin| RosterPin { version: 0, ..pin.clone() };
    let known = trust.pins.iter().find_map(|pin| Roster::accept(envelope, &any(pin)).ok());
    if let Some(roster) = known {
        return Some(KnownRoster { roster, trusted: true });
    }
    Some(KnownRoster { roster: by_its_own_roots(envelope)?, trusted: false })
}

/// Whether the signer is known, and with which role.
pub(super) fn signer(
    signed: &Signed,
    roster: Option<&KnownRoster>,
    stamped: Option<Timestamp>,
    trust: &Trust,
) -> [Finding; 2] {
    let (Some(key), Some(evidence)) = (signed.key.as_ref().map(PublicKey::id), signed.evidence())
    else {
        let why = "not looked at, because the signature is not good";
        return [CheckName::Signer, CheckName::Role]
            .map(|check| Finding::new(check, Outcome::Open, why));
    };
    let owner = roster.and_then(|known| owner(&known.roster, key));
    let by_roster = roster.is_some_and(|known| known.trusted) && owner.is_some();
    let known = if trust.keys.iter().any(|known| known.id() == key) {
        Finding::passed(CheckName::Signer, "the key is one of those that are trusted here")
    } else if by_roster {
        Finding::passed(CheckName::Signer, "the key is in a roster that is trusted here")
    } else {
        Finding::failed(
            CheckName::Signer,
            format!(
                "the signature is good, and nobody here knows its key {key}: compare this with whoever \
                 signed, then give the key"
            ),
            None,
        )
    };
    [known, role(key, (evidence.made_at, stamped), roster, owner)]
}

fn owner(roster: &Roster, key: KeyId) -> Option<&PersonId> {
    roster.keys().find(|(_, one)| one.key.id() == key).map(|(person, _)| person)
}

fn role(
    key: KeyId,
    (at, stamped): (Timestamp, Option<Timestamp>),
    roster: Option<&KnownRoster>,
    owner: Option<&PersonId>,
) -> Finding {
    let of = |outcome, detail: String| Finding::new(CheckName::Role, outcome, detail);
    let Some(known) = roster else {
        return of(Outcome::Absent, "no roster rules this fleet".to_owned());
    };
    let version = known.roster.document().version;
    let Some(person) = owner else {
        let whose = if known.trusted { "" } else { ", and nobody here knows its root keys" };
        return of(
            Outcome::Open,
            format!(
                "roster {version} gives the key to nobody: it is a console's, not a person's{whose}"
            ),
        );
    };
    let counts = |at| known.roster.keys().any(|(_, one)| one.key.id() == key && one.counts(at));
    if !counts(at) {
        let detail = format!("the key of {person} did not count at {at}, when this was sealed");
        return Finding::failed(CheckName::Role, detail, Some(ROSTER));
    }
    // The time of the seal is what its signer says.
    if let Some(seen) = stamped.filter(|seen| !counts(*seen)) {
        return of(
            Outcome::Open,
            format!(
                "the key of {person} counted at {at}, when this was sealed by its own word, and no longer at \
                 {seen}, when somebody else first saw the seal"
            ),
        );
    }
    let groups = known.roster.person(person).map(|person| &person.groups);
    let groups: Vec<&str> =
        groups.into_iter().flatten().map(plumb_trust::roster::GroupId::as_str).collect();
    let said = format!("{person} ({}) in roster {version}", groups.join(", "));
    if known.trusted {
        return of(Outcome::Passed, said);
    }
    of(Outcome::Open, format!("{said}, whose root keys nobody here knows; give them to make sure"))
}

/// Whether `sha256sum --check` would pass, and leaves nothing out.
pub(super) fn checksums<S: Source>(archive: &Archive<S>, hashes: &Hashes) -> Finding {
    let failed = |why: String, entry: &str| Finding::failed(CheckName::Checksums, why, Some(entry));
    let text = archive.find(CHECKSUMS).map(|entry| archive.document(entry));
    let text = match text.map(|read| read.map(String::from_utf8)) {
        Some(Ok(Ok(text))) => text,
        Some(Err(error)) => return failed(error.to_string(), CHECKSUMS),
        Some(Ok(Err(_))) => return failed("it is no text".to_owned(), CHECKSUMS),
        None => return failed(format!("{CHECKSUMS} is missing"), CHECKSUMS),
    };
    let mut listed: BTreeMap<&str, Digest> = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let read = line.split_once("  ").and_then(|(hex, name)| Some((name, hex.parse().ok()?)));
        match read {
            Some((name, digest)) if listed.insert(name, digest).is_none() => {}
            _ => {
                return failed(
                    format!("line {} is no checksum, or a second one", at + 1),
                    CHECKSUMS,
                );
            }
        }
    }
    let own = |name: &str| name == CHECKSUMS || UNLISTED.contains(&name);
    for (name, digest) in hashes.iter().filter(|(name, _)| !own(name)) {
        match (listed.remove(name.as_str()), digest) {
            (Some(listed), Ok(found)) if listed == *found => {}
            (_, Err(why)) => return failed(why.clone(), name),
            (Some(_), Ok(_)) => {
                return failed(format!("{name} has another SHA-256 than the list says"), name);
            }
            (None, Ok(_)) => return failed(format!("the list lacks {name}"), CHECKSUMS),
        }
    }
    match listed.keys().next() {
        Some(name) => {
            failed(format!("it lists {name}, which is not there or not listed"), CHECKSUMS)
        }
        None => Finding::passed(CheckName::Checksums, "sha256sum comes to the same"),
    }
}

/// Whether there is a receipt, and the self-test was made over everything that the receipt names.
pub(super) fn redaction<S: Source>(archive: &Archive<S>, evidence: Option<&Evidence>) -> Finding {
    let failed = |why: String| Finding::failed(CheckName::Redaction, why, Some(RECEIPT));
    let Some(entry) = archive.find(RECEIPT) else {
        return failed("nothing tells what was redacted".to_owned());
    };
    let receipt = archive.document(entry).map_err(|error| error.to_string()).and_then(|bytes| {
        serde_json::from_slice::<Receipt>(&bytes).map_err(|error| error.to_string())
    });
    let receipt = match receipt {
        Ok(receipt) if receipt.is_known() => receipt,
        Ok(receipt) => return failed(format!("it has the format {:?}", receipt.format)),
        Err(why) => return failed(format!("it cannot be read: {why}")),
    };
    let Some(evidence) = evidence else {
        let why = "not judged, because the signature is not good";
        return Finding::new(CheckName::Redaction, Outcome::Open, why);
    };
    let test = &evidence.self_test;
    if test.encodings != Encoding::ALL.len() as u64 || test.planted == 0 {
        return failed("it was sealed without the search for planted secrets".to_owned());
    }
    // Each source that secrets were planted in has shown what became of them.
    let folder = format!("{CANARIES}/");
    let shown = |source: &String| {
        let start = format!("{folder}{}", crate::name::safe_part(source));
        let entries = archive.entries().iter().map(|entry| entry.name.as_str());
        { entries }.any(|name| name.strip_prefix(&start).is_some_and(|rest| rest.starts_with('.')))
    };
    if let Some(source) = test.sources.iter().find(|source| !shown(source)) {
        return failed(format!("nothing shows what became of the secrets planted in {source}"));
    }
    let replaced: u64 = receipt.rules.iter().map(|rule| rule.replaced).sum();
    Finding::passed(
        CheckName::Redaction,
        format!(
            "{} rules replaced {} secrets in {replaced} places; {} planted secrets in {} sources, none \
             found in {} ways of writing",
            receipt.rules.len(),
            receipt.secrets,
            test.planted,
            test.sources.len(),
            test.encodings,
        ),
    )
}
