//! What was kept while a run went on, beside what the archive has of it.
//!
//! Each program that carried a run out listed what it kept in a log of its own, and the journal took the hash of the
//! newest line of that. So whoever alters an answer later has to alter the log, and with it the journal.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    io::{self, BufReader, Read as _},
};

use plumb_fleet::Digest;

use crate::{
    archive::{Archive, Entry, Source},
    draft::{LogProblem, LogReader, Said, Written, digest},
    limits::{ENTRIES_MAX, PIECE_BYTES},
    manifest::{CANARIES, Missing, RunPart, all_kept_answers, kept_logs, kept_of},
    name::EntryName,
};

/// What the manifest lists as missing.
pub(super) struct Listed<'a> {
    all: BTreeSet<&'a Missing>,
    names: BTreeSet<&'a str>,
}

impl<'a> Listed<'a> {
    pub(super) fn of(missing: &'a [Missing]) -> Self {
        let names = missing.iter().map(|one| one.what.as_str()).collect();
        Self { all: missing.iter().collect(), names }
    }

    fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Whether a log of this run was left out, or nothing was kept of it at all.
    fn excuses(&self, run: &RunPart) -> bool {
        let logs = kept_logs(run.run);
        let first = self.names.range(logs.as_str()..).next();
        self.has(&kept_of(run.run)) || first.is_some_and(|name| name.starts_with(&logs))
    }
}

/// Why the comparison failed, and at which entry.
pub(super) type Wrong = (String, String);

/// Compares what was kept of a run. `bound` are the events of its journal that say how far, each with the hash of the
/// newest line of the log then.
pub(super) fn kept<S: Source>(
    archive: &Archive<S>,
    run: &RunPart,
    bound: &[(u64, Digest)],
    listed: &Listed<'_>,
) -> Result<Option<String>, Wrong> {
    let logs = beginning_with(archive, &kept_logs(run.run));
    let mut left: HashMap<Digest, u64> = HashMap::with_capacity(bound.len());
    for (event, log) in bound {
        left.entry(*log).or_insert(*event);
    }
    let (mut seen, mut entries) = (BTreeSet::new(), 0_usize);
    for log in logs {
        let told = Told::read(archive, log, &mut left, listed)?;
        entries += told.compare(archive, log, listed)?;
        seen.extend(told.written.into_keys());
    }
    let excused = listed.excuses(run);
    let answers = beginning_with(archive, &all_kept_answers(run.run));
    if let Some(stranger) = answers.iter().find(|entry| !seen.contains(&entry.name))
        && !excused
    {
        let name = stranger.name.to_string();
        return Err((format!("{name} is there, and no log says that it was kept"), name));
    }
    if let Some(event) = left.values().min()
        && !excused
    {
        let journal = format!("{}/journal.jsonl", crate::manifest::run_folder(run.run));
        let (at, why) = match logs.last() {
            Some(log) => (log.name.to_string(), "it is not the log"),
            None => (journal, "the archive has no log, and lists no reason, where one is"),
        };
        return Err((format!("{at}: {why} that event {event} of the journal binds"), at));
    }
    Ok(match (logs.len(), bound.len()) {
        (0, 0) => None,
        (0, _) => {
            Some(format!("run {}: left out, for the reason that the manifest lists", run.run))
        }
        (_, events) => Some(format!(
            "run {}: {} as kept, bound by {} of its journal",
            run.run,
            counted(entries, "entry", "entries"),
            counted(events, "event", "events"),
        )),
    })
}

fn counted(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

/// Entries whose names begin so; they stand beside each other.
fn beginning_with<'a, S>(archive: &'a Archive<S>, start: &str) -> &'a [Entry]
where
    S: Source,
{
    let all = archive.entries();
    let all = &all[all.partition_point(|entry| entry.name.as_str() < start)..];
    &all[..all.partition_point(|entry| entry.name.as_str().starts_with(start))]
}

/// What a log tells.
#[derive(Default)]
struct Told {
    /// Each entry as it came to be in the end.
    written: BTreeMap<EntryName, Written>,
    /// Those that grew, as far as the newest line tells that the journal binds.
    bound: BTreeMap<EntryName, Written>,
}

impl Told {
    /// Reads a log; takes out of `left` what it has.
    fn read<S: Source>(
        archive: &Archive<S>,
        log: &Entry,
        left: &mut HashMap<Digest, u64>,
        listed: &Listed<'_>,
    ) -> Result<Self, Wrong> {
        let name = log.name.to_string();
        let wrong = |why: String| (format!("{name}: {why}"), name.clone());
        let file = BufReader::with_capacity(PIECE_BYTES, archive.read(log));
        let (mut lines, mut told) = (LogReader::new(file), Self::default());
        let mut grown = BTreeSet::new();
        while let Some(said) = lines.next().map_err(|problem| match problem {
            LogProblem::Read(error) => wrong(error.to_string()),
            LogProblem::Altered { line } => {
                wrong(format!("line {line} does not follow the one before"))
            }
        })? {
            match said {
                Said::Entry { name, written } => {
                    told.written.insert(name, written);
                }
                Said::Grown { name, written } => {
                    grown.insert(name.clone());
                    told.written.insert(name, written);
                }
                Said::Missing(missing) if !listed.all.contains(&missing) => {
                    return Err(wrong(format!(
                        "it was noted that {} is missing, and the manifest does not list that",
                        missing.what
                    )));
                }
                Said::Missing(_) | Said::About(_) | Said::Raw(_) | Said::Run(_) => {}
            }
            if told.written.len() > ENTRIES_MAX {
                return Err(wrong(format!(
                    "it lists more than the {ENTRIES_MAX} entries there are"
                )));
            }
            if left.remove(&lines.head()).is_some() {
                for name in std::mem::take(&mut grown) {
                    let written = told.written[&name];
                    told.bound.insert(name, written);
                }
            }
        }
        if lines.is_cut_off() {
            return Err(wrong("its last line is cut off".to_owned()));
        }
        Ok(told)
    }

    /// Compares the entries, and tells how many there are.
    fn compare<S: Source>(
        &self,
        archive: &Archive<S>,
        log: &Entry,
        listed: &Listed<'_>,
    ) -> Result<usize, Wrong> {
        let mut found = 0;
        for (name, written) in &self.written {
            let name = name.as_str();
            let Some(entry) = archive.find(name) else {
                if listed.has(name) {
                    continue;
                }
                let why = format!(
                    "{name} was kept while the run went on ({}), and is neither here nor listed as missing",
                    log.name
                );
                return Err((why, name.to_owned()));
            };
            // Every capture plants its own, and the first one's stand there.
            if name.starts_with(CANARIES) {
                continue;
            }
            let bound = self.bound.get(&entry.name).unwrap_or(written);
            if entry.verified() != Some(written.sha256) || !begins(archive, entry, *bound, *written)
            {
                let why =
                    format!("{name} is not what was kept while the run went on ({})", log.name);
                return Err((why, name.to_owned()));
            }
            found += 1;
        }
        Ok(found)
    }
}

/// Whether an entry begins with what the journal binds: what came later was added to that.
fn begins<S: Source>(
    archive: &Archive<S>,
    entry: &Entry,
    bound: Written,
    written: Written,
) -> bool {
    if bound == written {
        return true;
    }
    let beginning = archive.read(entry).take(bound.bytes);
    digest(beginning, io::sink()).is_ok_and(|found| found == bound)
}
