//! What the program tells of itself, kept by day beside the record, so that evidence has it.
//!
//! Every program over the same folder adds to the file of the day, a JSON object a line. It is what `tracing` shows
//! anyway, so secrets are not in it; evidence redacts it like everything else.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write},
    sync::{Arc, Mutex, RwLock},
};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use plumb_evidence::Window;
use plumb_fleet::FleetId;
use serde_json::Value;
use tracing::{Level, Subscriber};
use tracing_subscriber::{Layer, filter::Targets, fmt::MakeWriter, registry::LookupSpan};

/// What the targets of our crates begin with.
const OURS: &str = "plumb";
/// Folder of the files below that of the record.
const FOLDER: &str = "log";
/// Largest file of one day: an operator's day has less than a megabyte.
const DAY_BYTES_MAX: u64 = 64 << 20;
/// Longest line; what a node said may be in it.
const LINE_BYTES_MAX: usize = 64 << 10;
/// Lines of one capture.
const LINES_MAX: usize = 100_000;
/// Days that files are kept, as long as the history of nodes is.
const DAYS: i64 = 30;

/// Folder of the record that this process works on; nothing is written down before it is known.
static DATA_DIR: RwLock<Option<Utf8PathBuf>> = RwLock::new(None);

/// Tells where it is kept from now on: beside the record that was opened.
pub(crate) fn keep_in(data_dir: &Utf8Path) {
    if let Ok(mut folder) = DATA_DIR.write() {
        *folder = Some(data_dir.to_owned());
    }
}

/// What is written down of the tracing of this process: what operators' actions did, and all warnings.
pub fn layer<S>() -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let log = OwnLog { day: Arc::default() };
    tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_writer(log)
        .with_filter(Targets::new().with_default(Level::WARN).with_target(OURS, Level::INFO))
}

#[derive(Debug, Clone)]
struct OwnLog {
    day: Arc<Mutex<Option<Day>>>,
}

#[derive(Debug)]
struct Day {
    date: Date,
    folder: Utf8PathBuf,
    file: File,
}

impl<'a> MakeWriter<'a> for OwnLog {
    type Writer = &'a Self;

    fn make_writer(&'a self) -> &'a Self {
        self
    }
}

impl Write for &OwnLog {
    /// Takes a line as a whole, which is how they come.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let folder = DATA_DIR.read().ok().and_then(|folder| folder.clone());
        let Some(folder) = folder.map(|folder| folder.join(FOLDER)) else { return Ok(line.len()) };
        let mut day = self.day.lock().map_err(|_| io::Error::other("another thread gave up"))?;
        let date = Timestamp::now().to_zoned(TimeZone::UTC).date();
        if day.as_ref().is_none_or(|day| (day.date, &day.folder) != (date, &folder)) {
            *day = Some(opened(date, folder)?);
        }
        if let Some(Day { file, .. }) = &mut *day
            && line.len() <= LINE_BYTES_MAX
            && file.metadata()?.len() < DAY_BYTES_MAX
        {
            // One call, so that lines of several programs do not mix.
            file.write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The file of a day.
fn opened(date: Date, folder: Utf8PathBuf) -> io::Result<Day> {
    fs::create_dir_all(&folder)?;
    let mut options = OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let file = options.open(path(&folder, date))?;
    Ok(Day { date, folder, file })
}

fn path(folder: &Utf8Path, date: Date) -> Utf8PathBuf {
    folder.join(format!("{date}.jsonl"))
}

/// Lines that were written in a window, without those about other fleets; one of them is in memory.
#[derive(Debug)]
pub(crate) struct Lines {
    folder: Utf8PathBuf,
    fleet: FleetId,
    window: Window,
    /// The day that is read next.
    next: Date,
    file: Option<BufReader<File>>,
    taken: usize,
    ended: Option<Ended>,
}

/// Why no line follows.
#[derive(Debug)]
pub(crate) enum Ended {
    Whole,
    /// There are more than one capture takes.
    TooMany,
    Unread(io::Error),
}

impl Lines {
    pub(crate) fn of(data_dir: &Utf8Path, fleet: &FleetId, window: Window) -> Self {
        Self {
            folder: data_dir.join(FOLDER),
            fleet: fleet.clone(),
            window,
            next: day(window.from),
            file: None,
            taken: 0,
            ended: None,
        }
    }

    /// How it ended, once nothing follows.
    pub(crate) fn ended(self) -> Ended {
        self.ended.unwrap_or(Ended::TooMany)
    }

    fn read(&mut self) -> Result<Vec<u8>, Ended> {
        loop {
            let Some(file) = &mut self.file else {
                self.file = Some(self.open_next()?);
                continue;
            };
            let mut line = Vec::new();
            let most = LINE_BYTES_MAX as u64;
            let read = io::Read::take(file, most).read_until(b'\n', &mut line);
            if read.map_err(Ended::Unread)? == 0 {
                self.file = None;
                continue;
            }
            line.truncate(line.trim_ascii_end().len());
            if is_about(&line, &self.fleet, self.window) {
                if self.taken == LINES_MAX {
                    return Err(Ended::TooMany);
                }
                self.taken += 1;
                return Ok(line);
            }
        }
    }

    /// The file of the next day that has one.
    fn open_next(&mut self) -> Result<BufReader<File>, Ended> {
        while self.next <= day(self.window.to) {
            let file = File::open(path(&self.folder, self.next));
            self.next = self.next.tomorrow().map_err(|_| Ended::Whole)?;
            match file {
                Ok(file) => return Ok(BufReader::new(file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(Ended::Unread(error)),
            }
        }
        Err(Ended::Whole)
    }
}

impl Iterator for Lines {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        if self.ended.is_some() {
            return None;
        }
        self.read().map_err(|ended| self.ended = Some(ended)).ok()
    }
}

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn is_about(line: &[u8], fleet: &FleetId, window: Window) -> bool {
    let Ok(read) = serde_json::from_slice::<Value>(line) else { return false };
    let at = read["timestamp"].as_str().and_then(|at| at.parse::<Timestamp>().ok());
    let other = |of: &Value| of["fleet"].as_str().is_some_and(|name| name != fleet.as_str());
    at.is_some_and(|at| window.from <= at && at <= window.to)
        && !other(&read)
        && !other(&read["span"])
}

/// Removes files of days that nobody asks about any more.
pub(crate) fn expire(data_dir: &Utf8Path, now: Timestamp) -> io::Result<()> {
    let oldest = now.to_zoned(TimeZone::UTC).date();
    let oldest = oldest.checked_sub(jiff::Span::new().days(DAYS)).unwrap_or(Date::MIN);
    let folder = data_dir.join(FOLDER);
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in folder.read_dir_utf8()? {
        let entry = entry?;
        let date = entry.path().file_stem().and_then(|stem| stem.parse::<Date>().ok());
        if date.is_some_and(|date| date < oldest) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn fleet(name: &str) -> FleetId {
        FleetId::new(name).expect("a name")
    }

    #[test]
    fn what_was_told_of_a_fleet_in_a_window_is_read_back_and_nothing_of_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let data_dir = Utf8Path::from_path(folder.path()).expect("UTF-8");
        let began = Timestamp::now();
        let log = tracing_subscriber::registry().with(layer());
        tracing::subscriber::with_default(log, || tracing::info!(target: "plumb_app", "too early"));
        keep_in(data_dir);
        let log = tracing_subscriber::registry().with(layer());
        tracing::subscriber::with_default(log, || {
            tracing::info!(target: "plumb_app", fleet = "eu", "swept");
            tracing::info!(target: "plumb_app", fleet = "us", "swept");
            tracing::debug!(target: "plumb_app", "not kept");
            tracing::info!(target: "hyper", "not ours");
            tracing::warn!(target: "hyper", "a warning of a library");
            let span = tracing::info_span!(target: "plumb_app", "sweep", fleet = "us");
            span.in_scope(|| tracing::info!(target: "plumb_app", "of another fleet"));
        });
        let window = Window { from: began, to: Timestamp::now() };
        let lines = |window| {
            let mut lines = Lines::of(data_dir, &fleet("eu"), window);
            let found: Vec<Vec<u8>> = lines.by_ref().collect();
            assert!(matches!(lines.ended(), Ended::Whole), "all of them were read");
            found
        };
        let found = lines(window);
        let told: Vec<String> = found
            .iter()
            .map(|line| serde_json::from_slice::<Value>(line).expect("JSON")["message"].to_string())
            .collect();
        assert_eq!(told, ["\"swept\"", "\"a warning of a library\""]);
        let before = Window { from: Timestamp::UNIX_EPOCH, to: began };
        let before = Window { from: before.to - jiff::SignedDuration::from_secs(60), ..before };
        assert_eq!(lines(before).len(), 0);
        expire(data_dir, Timestamp::now()).expect("nothing is old");
        assert_eq!(lines(window).len(), 2);
        let later = Timestamp::now() + jiff::SignedDuration::from_hours(24 * 32);
        expire(data_dir, later).expect("removed");
        assert_eq!(lines(window).len(), 0);
    }
}
