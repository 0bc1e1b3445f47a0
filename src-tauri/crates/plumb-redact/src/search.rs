//! Searches finished evidence for planted secrets, in twelve encodings, as a stream.

use std::{
    collections::BTreeSet,
    io::{self, Write},
    sync::Arc,
};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use flate2::write::MultiGzDecoder;

use crate::{
    canary::Canary,
    limits::{STREAMS_MAX, UNPACKED_BYTES_MAX},
};

/// How a secret may be written so that nobody sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    Plain,
    Url,
    /// Base64 in which the secret begins with the first, second or third byte of a group.
    Base64,
    Base64Second,
    Base64Third,
    HexLower,
    HexUpper,
    JsonEscapes,
    Gzip,
    SplitOverLines,
    Utf16Le,
    Utf16Be,
}

impl Encoding {
    pub const ALL: [Self; 12] = [
        Self::Plain,
        Self::Url,
        Self::Base64,
        Self::Base64Second,
        Self::Base64Third,
        Self::HexLower,
        Self::HexUpper,
        Self::JsonEscapes,
        Self::Gzip,
        Self::SplitOverLines,
        Self::Utf16Le,
        Self::Utf16Be,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Url => "URL encoding",
            Self::Base64 => "base64",
            Self::Base64Second => "base64, one byte in",
            Self::Base64Third => "base64, two bytes in",
            Self::HexLower => "hex in small letters",
            Self::HexUpper => "hex in capitals",
            Self::JsonEscapes => "JSON escapes",
            Self::Gzip => "gzip",
            Self::SplitOverLines => "split over lines",
            Self::Utf16Le => "UTF-16LE",
            Self::Utf16Be => "UTF-16BE",
        }
    }

    /// How a secret looks in this encoding; nothing where it takes reading to find it.
    fn patterns(self, secret: &str) -> Vec<Vec<u8>> {
        let bytes = secret.as_bytes();
        match self {
            Self::Plain => vec![bytes.to_vec()],
            Self::Url => vec![
                every(bytes, |byte| format!("%{byte:02X}")),
                every(bytes, |byte| format!("%{byte:02x}")),
                every(bytes, |byte| match byte {
                    b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                        char::from(byte).to_string()
                    }
                    _ => format!("%{byte:02X}"),
                }),
            ],
            Self::Base64 => base64_at(bytes, 0),
            Self::Base64Second => base64_at(bytes, 1),
            Self::Base64Third => base64_at(bytes, 2),
            Self::HexLower => vec![hex::encode(bytes).into_bytes()],
            Self::HexUpper => vec![hex::encode_upper(bytes).into_bytes()],
            Self::JsonEscapes => vec![
                units(secret, |unit| format!("\\u{unit:04x}").into_bytes()),
                units(secret, |unit| format!("\\u{unit:04X}").into_bytes()),
            ],
            Self::Utf16Le => vec![units(secret, |unit| unit.to_le_bytes().to_vec())],
            Self::Utf16Be => vec![units(secret, |unit| unit.to_be_bytes().to_vec())],
            Self::Gzip | Self::SplitOverLines => Vec::new(),
        }
    }
}

fn every(bytes: &[u8], write: impl Fn(u8) -> String) -> Vec<u8> {
    bytes.iter().map(|byte| write(*byte)).collect::<String>().into_bytes()
}

fn units(secret: &str, write: impl Fn(u16) -> Vec<u8>) -> Vec<u8> {
    secret.encode_utf16().flat_map(write).collect()
}

/// The letters of base64 that only the secret decides, when `before` bytes of its group come before it.
fn base64_at(secret: &[u8], before: usize) -> Vec<Vec<u8>> {
    let shifted = [&vec![0; before][..], secret].concat();
    // The letter that a byte before the secret shares is not the secret's, nor one that a byte after shares.
    let (from, to) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
    let cut = |text: String| text.as_bytes()[from..to].to_vec();
    vec![cut(STANDARD_NO_PAD.encode(&shifted)), cut(URL_SAFE_NO_PAD.encode(&shifted))]
}

/// A canary that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hit {
    pub entry: String,
    pub canary: Canary,
    pub encoding: Encoding,
}

/// What is searched for.
#[derive(Debug)]
struct Wanted {
    automaton: AhoCorasick,
    /// By pattern; the one after the last is the beginning of a compressed stream.
    meaning: Vec<(usize, Encoding)>,
    longest: usize,
}

/// A search over one entry after the other.
#[derive(Debug)]
pub struct Search {
    canaries: Vec<Canary>,
    wanted: Arc<Wanted>,
    hits: BTreeSet<Hit>,
    entry: String,
    stream: Stream,
    bytes: u64,
}

const GZIP_MAGIC: [u8; 3] = [0x1f, 0x8b, 0x08];

impl Search {
    pub fn new(canaries: Vec<Canary>) -> Self {
        let mut patterns = Vec::new();
        let mut meaning = Vec::new();
        for (at, canary) in canaries.iter().enumerate() {
            for encoding in Encoding::ALL {
                for pattern in encoding.patterns(&canary.secret) {
                    patterns.push(pattern);
                    meaning.push((at, encoding));
                }
            }
        }
        patterns.push(GZIP_MAGIC.to_vec());
        let longest = patterns.iter().map(Vec::len).max().unwrap_or_default();
        let automaton = AhoCorasick::builder()
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&patterns)
            .expect("a few thousand short patterns fit");
        let wanted = Arc::new(Wanted { automaton, meaning, longest });
        let stream = Stream::new(&wanted);
        let (hits, entry) = (BTreeSet::new(), String::new());
        Self { canaries, wanted, hits, entry, stream, bytes: 0 }
    }

    /// The next entry begins.
    pub fn begin(&mut self, entry: &str) {
        self.end();
        entry.clone_into(&mut self.entry);
        // Names of entries are shown to people too.
        self.stream.feed(entry.as_bytes());
        self.stream.feed(b"\n");
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes += bytes.len() as u64;
        self.stream.feed(bytes);
    }

    /// The entry is complete.
    pub fn end(&mut self) {
        let stream = std::mem::replace(&mut self.stream, Stream::new(&self.wanted));
        for (canary, encoding) in stream.found() {
            let (entry, canary) = (self.entry.clone(), self.canaries[canary].clone());
            self.hits.insert(Hit { entry, canary, encoding });
        }
    }

    /// What was found, in order of the entries' names.
    pub fn hits(mut self) -> Vec<Hit> {
        self.end();
        self.hits.into_iter().collect()
    }

    pub fn canaries(&self) -> &[Canary] {
        &self.canaries
    }

    /// Bytes searched so far, unpacked ones not counted.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }
}

type Found = BTreeSet<(usize, Encoding)>;

/// One entry: as it is, with its lines joined, and what is compressed in it.
#[derive(Debug)]
struct Stream {
    plain: Scan,
    joined: Joined,
    packed: Vec<MultiGzDecoder<Unpacked>>,
    found: Found,
}

impl Stream {
    fn new(wanted: &Arc<Wanted>) -> Self {
        let scan = || Scan { wanted: Arc::clone(wanted), kept: Vec::new(), found: Found::new() };
        let joined = Joined { scan: scan(), state: Join::Inside };
        Self { plain: scan(), joined, packed: Vec::new(), found: Found::new() }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let mut packed = std::mem::take(&mut self.packed);
        for mut stream in packed.drain(..) {
            if stream.write_all(bytes).is_ok() {
                self.packed.push(stream);
            } else {
                // Its end, its limit, or never a compressed stream: what came out of it counts.
                self.found.extend(stream.get_ref().found());
            }
        }
        let begins = self.plain.feed(bytes);
        for begin in begins {
            if self.packed.len() < STREAMS_MAX {
                let mut stream = MultiGzDecoder::new(Unpacked::new(&self.plain.wanted));
                if stream.write_all(&begin).is_ok() {
                    self.packed.push(stream);
                } else {
                    self.found.extend(stream.get_ref().found());
                }
            }
        }
        self.joined.feed(bytes);
    }

    fn found(mut self) -> Found {
        for mut stream in self.packed {
            // A stream that is cut off has given what it has.
            let _cut_off = stream.flush();
            self.found.extend(stream.get_ref().found());
        }
        let as_it_is = &self.plain.found;
        for (canary, _) in self.joined.scan.found {
            if !as_it_is.iter().any(|(seen, _)| *seen == canary) {
                self.found.insert((canary, Encoding::SplitOverLines));
            }
        }
        self.found.extend(self.plain.found);
        self.found
    }
}

/// Finds patterns in a stream, also where they lie across two pieces of it.
#[derive(Debug)]
struct Scan {
    wanted: Arc<Wanted>,
    kept: Vec<u8>,
    found: Found,
}

impl Scan {
    /// Looks at the next piece; tells what follows each beginning of a compressed stream in it.
    fn feed(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let before = self.kept.len();
        let mut window = std::mem::take(&mut self.kept);
        window.extend_from_slice(bytes);
        let mut begins = Vec::new();
        for place in self.wanted.automaton.find_overlapping_iter(&window) {
            match self.wanted.meaning.get(place.pattern().as_usize()) {
                Some(meaning) => {
                    self.found.insert(*meaning);
                }
                // One that ends in what was kept was told of before.
                None if place.end() > before && begins.len() < STREAMS_MAX => {
                    begins.push(window[place.start()..].to_vec());
                }
                None => {}
            }
        }
        window.drain(..window.len().saturating_sub(self.wanted.longest - 1));
        self.kept = window;
        begins
    }
}

/// What of a line break was seen.
#[derive(Debug, Clone, Copy)]
enum Join {
    Inside,
    /// After a line's end, where indentation is passed over.
    After,
    /// After a backslash.
    Escape,
}

/// Takes out line ends, also escaped ones, and the indentation after them.
#[derive(Debug)]
struct Joined {
    scan: Scan,
    state: Join,
}

impl Joined {
    fn feed(&mut self, bytes: &[u8]) {
        let mut joined = Vec::with_capacity(bytes.len());
        for byte in bytes {
            self.state = match (self.state, byte) {
                (Join::Escape, b'n' | b'r') | (Join::After, b' ' | b'\t') | (_, b'\n' | b'\r') => {
                    Join::After
                }
                (state, b'\\') => {
                    if matches!(state, Join::Escape) {
                        joined.push(b'\\');
                    }
                    Join::Escape
                }
                (state, byte) => {
                    if matches!(state, Join::Escape) {
                        joined.push(b'\\');
                    }
                    joined.push(*byte);
                    Join::Inside
                }
            };
        }
        self.scan.feed(&joined);
    }
}

/// Where unpacked bytes go: they are searched and dropped.
#[derive(Debug)]
struct Unpacked {
    scan: Scan,
    left: u64,
}

impl Unpacked {
    fn new(wanted: &Arc<Wanted>) -> Self {
        let scan = Scan { wanted: Arc::clone(wanted), kept: Vec::new(), found: Found::new() };
        Self { scan, left: UNPACKED_BYTES_MAX }
    }

    fn found(&self) -> impl Iterator<Item = (usize, Encoding)> {
        self.scan.found.iter().map(|(canary, _)| (*canary, Encoding::Gzip))
    }
}

impl Write for Unpacked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self
            .left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| io::Error::other("unpacked enough"))?;
        self.scan.feed(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
