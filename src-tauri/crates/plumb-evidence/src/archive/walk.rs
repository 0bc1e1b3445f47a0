//! The walk over the headers of an archive, before anything is unpacked.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    ArchiveError, Entry, EntryProblem, Source,
    headers::{
        CENTRAL_BYTES, CENTRAL_SIGNATURE, Common, DEFLATED, DESCRIPTOR_SIGNATURE, END_BYTES,
        END_SIGNATURE, FIXED_DATE, Fields, LOCAL_BYTES, LOCAL_SIGNATURE, OUR_MODE, SIZES_FOLLOW,
        UNIX_HOST, check_extra, version_needed,
    },
};
use crate::{
    limits::{
        ARCHIVE_BYTES_MAX, DIRECTORY_BYTES_MAX, ENTRIES_MAX, RATIO_FROM_BYTES, RATIO_MAX,
        UNPACKED_BYTES_MAX,
    },
    name::EntryName,
};

/// An entry as the list at the end tells it.
struct Listed {
    /// As it stands there, also for a folder.
    name: String,
    common: Common,
    at: u64,
    folder: bool,
    /// Written as sealing writes it.
    ours: bool,
}

/// Where the list of entries is.
struct End {
    entries: usize,
    from: u64,
    to: u64,
}

pub(super) fn walk(source: &impl Source) -> Result<(Vec<Entry>, bool), ArchiveError> {
    let end = end(source)?;
    let length = usize::try_from(end.to - end.from).expect("the list is under its limit");
    let mut directory = vec![0; length];
    source.read_at(end.from, &mut directory)?;
    let listed = list(&directory, end.entries)?;
    names_differ(&listed)?;
    let in_order =
        listed.windows(2).all(|pair| pair[0].name < pair[1].name && pair[0].at < pair[1].at);
    let mut rewritten = !in_order || listed.iter().any(|entry| !entry.ours);
    let mut entries = Vec::with_capacity(listed.len());
    let mut by_place: Vec<&Listed> = listed.iter().collect();
    by_place.sort_by_key(|entry| entry.at);
    let mut at = 0;
    for (index, entry) in by_place.iter().enumerate() {
        if entry.at != at {
            let before = index.checked_sub(1).map(|before| by_place[before].name.clone());
            return Err(not_next(entry, at, before));
        }
        let next = by_place.get(index + 1).map_or(end.from, |next| next.at);
        let local = local(source, entry, next.max(entry.at), end.from)?;
        rewritten |= !local.ours;
        at = local.end;
        if !entry.folder {
            entries.push(Entry {
                name: EntryName::new(entry.name.clone())
                    .map_err(|problem| ArchiveError::entry(&entry.name, problem))?,
                bytes: u64::from(entry.common.bytes),
                packed_bytes: u64::from(entry.common.packed),
                crc: entry.common.crc,
                deflated: entry.common.method == DEFLATED,
                data_at: local.data_at,
                bound: None,
            });
        }
    }
    if at != end.from {
        return Err(ArchiveError::Gap { from: at, to: end.from });
    }
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    unpacks(&entries)?;
    Ok((entries, rewritten))
}

/// The record at the very end.
fn end(source: &impl Source) -> Result<End, ArchiveError> {
    let bytes = source.bytes();
    if bytes == 0 {
        return Err(ArchiveError::Empty);
    }
    let mut first = [0; 4];
    if bytes >= 4 {
        source.read_at(0, &mut first)?;
    }
    if first != LOCAL_SIGNATURE && first != END_SIGNATURE {
        return Err(ArchiveError::NotZip);
    }
    if bytes > ARCHIVE_BYTES_MAX {
        return Err(ArchiveError::TooLarge { bytes });
    }
    let Some(at) = bytes.checked_sub(END_BYTES as u64) else { return Err(ArchiveError::CutOff) };
    let mut record = [0; END_BYTES];
    source.read_at(at, &mut record)?;
    let fields = Fields(&record);
    if !record.starts_with(&END_SIGNATURE) || fields.u16(20) != 0 {
        return Err(behind_the_end(source)?);
    }
    let (here, all) = (fields.u16(8), fields.u16(10));
    if fields.u16(4) != 0 || fields.u16(6) != 0 || here != all || all == u16::MAX {
        return Err(ArchiveError::Form);
    }
    let (length, from) = (u64::from(fields.u32(12)), u64::from(fields.u32(16)));
    if from + length != at || length > DIRECTORY_BYTES_MAX {
        return Err(ArchiveError::Directory { problem: "it is not where the end says" });
    }
    let entries = usize::from(all);
    if entries > ENTRIES_MAX {
        return Err(ArchiveError::TooMany { count: entries });
    }
    Ok(End { entries, from, to: at })
}

/// Tells an archive with something behind it from one that was cut off.
fn behind_the_end(source: &impl Source) -> Result<ArchiveError, ArchiveError> {
    /// Behind the end there may be a comment of this length in the format.
    const SEARCHED_BYTES: u64 = 1 << 20;
    let bytes = source.bytes();
    let length = bytes.min(SEARCHED_BYTES);
    let mut tail = vec![0; usize::try_from(length).expect("a megabyte fits")];
    source.read_at(bytes - length, &mut tail)?;
    let found = tail.windows(END_BYTES).rposition(|record| {
        let fields = Fields(record);
        record.starts_with(&END_SIGNATURE) && fields.u16(4) == 0 && fields.u16(6) == 0
    });
    Ok(match found {
        Some(at) => ArchiveError::Appended { bytes: (tail.len() - at - END_BYTES) as u64 },
        None => ArchiveError::CutOff,
    })
}

/// Reads the list of entries.
fn list(mut directory: &[u8], count: usize) -> Result<Vec<Listed>, ArchiveError> {
    let mut listed = Vec::with_capacity(count);
    while !directory.is_empty() {
        if listed.len() == count {
            return Err(ArchiveError::Directory { problem: "it has more than the end says" });
        }
        let Some((head, rest)) = directory.split_at_checked(CENTRAL_BYTES) else {
            return Err(ArchiveError::Directory { problem: "it ends within an entry" });
        };
        if !head.starts_with(&CENTRAL_SIGNATURE) {
            return Err(ArchiveError::Directory { problem: "an entry does not begin as one" });
        }
        let fields = Fields(head);
        let lengths = [fields.u16(28), fields.u16(30), fields.u16(32)].map(usize::from);
        if rest.len() < lengths.iter().sum() {
            return Err(ArchiveError::Directory { problem: "it ends within an entry" });
        }
        let (name, rest) = rest.split_at(lengths[0]);
        let (extra, rest) = rest.split_at(lengths[1]);
        directory = &rest[lengths[2]..];
        let name = String::from_utf8_lossy(name).into_owned();
        let entry = one(fields, &name, extra, lengths[2])
            .map_err(|problem| ArchiveError::entry(&name, problem))?;
        listed.push(entry);
    }
    if listed.len() != count {
        return Err(ArchiveError::Directory { problem: "it has fewer than the end says" });
    }
    Ok(listed)
}

fn one(
    fields: Fields<'_>,
    name: &str,
    extra: &[u8],
    comment_bytes: usize,
) -> Result<Listed, EntryProblem> {
    const TYPE: u32 = 0o170_000;
    const FILE: u32 = 0o100_000;
    const FOLDER: u32 = 0o040_000;
    let folder = name.ends_with('/');
    EntryName::new(name.strip_suffix('/').unwrap_or(name))?;
    let common = Common::read(fields, 8);
    common.check()?;
    check_extra(extra)?;
    if fields.u16(34) != 0 {
        return Err(EntryProblem::Form);
    }
    if comment_bytes != 0 {
        return Err(EntryProblem::Ambiguous);
    }
    let (host, attributes) = (fields.0[5], fields.u32(38));
    let kind = (attributes >> 16) & TYPE;
    let kind_fits = kind == 0 || kind == if folder { FOLDER } else { FILE };
    // Only systems of the Unix family keep a kind there; another value on others is no kind.
    if (host == UNIX_HOST || kind == 0o120_000) && !kind_fits {
        return Err(EntryProblem::NotFile);
    }
    if folder && (common.bytes != 0 || common.packed > 2) {
        return Err(EntryProblem::NotFile);
    }
    let needed = version_needed(common.method);
    let made_by = u16::from(UNIX_HOST) << 8 | needed;
    let ours = !folder
        && (fields.u16(4), fields.u16(6)) == (made_by, needed)
        && attributes == OUR_MODE
        && extra.is_empty()
        && (common.time, common.date, common.flags) == (0, FIXED_DATE, 0)
        && fields.u16(36) == 0;
    Ok(Listed { name: name.to_owned(), common, at: u64::from(fields.u32(42)), folder, ours })
}

/// No two entries may land in one place.
fn names_differ(listed: &[Listed]) -> Result<(), ArchiveError> {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for entry in listed {
        let name = entry.name.trim_end_matches('/');
        if let Some(other) = seen.insert(name.to_ascii_lowercase(), name) {
            let twin = EntryProblem::CaseTwin { other: other.to_owned() };
            let problem = if other == name { EntryProblem::Twice } else { twin };
            return Err(ArchiveError::entry(name, problem));
        }
    }
    let files: BTreeSet<String> = listed
        .iter()
        .filter(|entry| !entry.folder)
        .map(|entry| entry.name.to_ascii_lowercase())
        .collect();
    for entry in listed {
        let name = entry.name.trim_end_matches('/').to_ascii_lowercase();
        let parents = name.match_indices('/').map(|(at, _)| &name[..at]);
        for parent in parents {
            if files.contains(parent) {
                let other = entry.name.clone();
                let problem = EntryProblem::FileAndFolder { other };
                return Err(ArchiveError::entry(parent, problem));
            }
        }
    }
    // Packing programs list the folders of files too; one without a file is nothing of ours.
    let folders: BTreeSet<&str> = listed
        .iter()
        .filter(|entry| !entry.folder)
        .flat_map(|entry| entry.name.match_indices('/').map(|(at, _)| &entry.name[..=at]))
        .collect();
    match listed.iter().find(|entry| entry.folder && !folders.contains(entry.name.as_str())) {
        Some(folder) => Err(ArchiveError::entry(&folder.name, EntryProblem::NotFile)),
        None => Ok(()),
    }
}

fn not_next(entry: &Listed, at: u64, before: Option<String>) -> ArchiveError {
    match before {
        Some(other) if entry.at < at => {
            ArchiveError::entry(&entry.name, EntryProblem::Overlaps { other })
        }
        _ => ArchiveError::Gap { from: at, to: entry.at },
    }
}

/// The header in front of an entry.
struct Local {
    data_at: u64,
    /// Where the next entry begins.
    end: u64,
    ours: bool,
}

fn local(
    source: &impl Source,
    entry: &Listed,
    next: u64,
    directory: u64,
) -> Result<Local, ArchiveError> {
    let wrong = |problem: EntryProblem| ArchiveError::entry(&entry.name, problem);
    if entry.at + LOCAL_BYTES as u64 > directory {
        return Err(wrong(EntryProblem::Beyond));
    }
    let mut head = [0; LOCAL_BYTES];
    source.read_at(entry.at, &mut head)?;
    let fields = Fields(&head);
    if !head.starts_with(&LOCAL_SIGNATURE) {
        return Err(wrong(EntryProblem::Headers));
    }
    let lengths = [fields.u16(26), fields.u16(28)].map(usize::from);
    let data_at = entry.at + (LOCAL_BYTES + lengths[0] + lengths[1]) as u64;
    let data_end = data_at + u64::from(entry.common.packed);
    if data_end > directory {
        return Err(wrong(EntryProblem::Beyond));
    }
    let mut words = vec![0; lengths[0] + lengths[1]];
    source.read_at(entry.at + LOCAL_BYTES as u64, &mut words)?;
    let (name, extra) = words.split_at(lengths[0]);
    check_extra(extra).map_err(wrong)?;
    let said = Common::read(fields, 6);
    let follow = entry.common.flags & SIZES_FOLLOW != 0;
    let sizes_open = follow && (said.crc, said.packed, said.bytes) == (0, 0, 0);
    let said = if sizes_open {
        Common {
            crc: entry.common.crc,
            packed: entry.common.packed,
            bytes: entry.common.bytes,
            ..said
        }
    } else {
        said
    };
    if name != entry.name.as_bytes() || said != entry.common {
        return Err(wrong(EntryProblem::Headers));
    }
    let end = if follow { descriptor(source, entry, data_end, next)? } else { data_end };
    let ours = extra.is_empty() && !follow && fields.u16(4) == version_needed(said.method);
    Ok(Local { data_at, end, ours })
}

/// Sizes behind the content, which programs write that cannot go back; with or without a signature.
fn descriptor(
    source: &impl Source,
    entry: &Listed,
    at: u64,
    next: u64,
) -> Result<u64, ArchiveError> {
    let wrong = || ArchiveError::entry(&entry.name, EntryProblem::Headers);
    let length =
        next.checked_sub(at).filter(|length| matches!(length, 12 | 16)).ok_or_else(wrong)?;
    let mut bytes = [0; 16];
    let bytes = &mut bytes[..usize::try_from(length).expect("a few bytes")];
    source.read_at(at, bytes)?;
    let bytes = match (length, bytes.strip_prefix(&DESCRIPTOR_SIGNATURE)) {
        (16, Some(rest)) => rest,
        (12, _) => bytes,
        _ => return Err(wrong()),
    };
    let fields = Fields(bytes);
    let said = (fields.u32(0), fields.u32(4), fields.u32(8));
    if said != (entry.common.crc, entry.common.packed, entry.common.bytes) {
        return Err(wrong());
    }
    Ok(next)
}

fn unpacks(entries: &[Entry]) -> Result<(), ArchiveError> {
    for entry in entries {
        let bomb = entry.bytes > entry.packed_bytes.saturating_mul(RATIO_MAX);
        if bomb && entry.bytes > RATIO_FROM_BYTES {
            return Err(ArchiveError::entry(entry.name.as_str(), EntryProblem::Bomb));
        }
    }
    let bytes = entries.iter().map(|entry| entry.bytes).sum();
    if bytes > UNPACKED_BYTES_MAX {
        return Err(ArchiveError::Unpacks { bytes });
    }
    Ok(())
}
