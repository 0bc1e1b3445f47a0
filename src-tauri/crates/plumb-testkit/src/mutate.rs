//! Fuzz bodies without a fuzzer: a committed corpus and seeded mutations of it.

use std::{fs, path::Path};

/// Longest input tried: larger ones only slow the run down.
const INPUT_BYTES_MAX: usize = 8 << 10;
/// Marks that parsers care about, tried more often than chance would.
const MARKS: [&[u8]; 12] =
    [b"\"", b"\\", b"{", b"}", b"[", b"]", b",", b":", b"\0", b"\xff", b"\\ud800", b"1e999"];

/// Runs a fuzz body over every file of a corpus, then over mutations of them. The mutations depend
/// on the target's name only, so that a failure comes back; the panic shows the input, escaped.
///
/// # Panics
/// When the corpus is missing or empty, and when the body does.
pub fn mutations(target: &str, corpus: &Path, count: usize, body: fn(&[u8])) {
    let seeds = read_corpus(corpus);
    for (name, seed) in &seeds {
        run(&format!("{target}: {name}"), seed, body);
    }
    let mut random = Random(target.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    }));
    let small: Vec<&Vec<u8>> =
        seeds.iter().map(|(_, seed)| seed).filter(|seed| seed.len() <= INPUT_BYTES_MAX).collect();
    assert!(!small.is_empty(), "{} has an input to mutate", corpus.display());
    for number in 0..count {
        let mut input = small[random.below(small.len())].clone();
        for _ in 0..=random.below(4) {
            let other = small[random.below(small.len())];
            mutate(&mut input, other, &mut random);
        }
        input.truncate(INPUT_BYTES_MAX);
        run(&format!("{target}: mutation {number}"), &input, body);
    }
}

fn read_corpus(corpus: &Path) -> Vec<(String, Vec<u8>)> {
    let entries = fs::read_dir(corpus)
        .unwrap_or_else(|error| panic!("the corpus {} can be read: {error}", corpus.display()));
    let mut seeds: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let path = entry.expect("a folder can be listed").path();
            let bytes = fs::read(&path).expect("an input of the corpus can be read");
            (path.file_name().unwrap_or_default().to_string_lossy().into_owned(), bytes)
        })
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty(), "{} is not empty", corpus.display());
    seeds
}

fn run(name: &str, input: &[u8], body: fn(&[u8])) {
    let outcome = std::panic::catch_unwind(|| body(input));
    // Readable where the input is text, exact where it is not.
    assert!(outcome.is_ok(), "{name} failed on {:?}", input.escape_ascii().to_string());
}

fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(input.len() + 1);
    match random.below(8) {
        0 if at < input.len() => input[at] ^= 1 << random.below(8),
        1 if at < input.len() => input[at] = random.byte(),
        2 => input.truncate(at),
        3 => input.insert(at, random.byte()),
        4 => {
            let mark = MARKS[random.below(MARKS.len())];
            input.splice(at..at, mark.iter().copied());
        }
        5 => {
            let end = (at + random.below(32)).min(input.len());
            let part: Vec<u8> = input[at..end].to_vec();
            input.splice(at..at, part);
        }
        6 => {
            let end = (at + random.below(32)).min(input.len());
            input.drain(at..end);
        }
        _ => {
            let from = random.below(other.len() + 1);
            let to = (from + random.below(64)).min(other.len());
            let end = (at + (to - from)).min(input.len());
            input.splice(at..end, other[from..to].iter().copied());
        }
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same on every platform and version.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).expect("below a usize")
    }
}
