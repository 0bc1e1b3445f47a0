//! Archives made to deceive, each refused with a sentence that a reviewer understands.

use plumb_evidence::{Archive, ArchiveError};

/// An archive field by field.
#[derive(Clone)]
struct Raw {
    name: Vec<u8>,
    /// What the header in front says instead.
    local_name: Option<Vec<u8>>,
    data: Vec<u8>,
    method: u16,
    flags: u16,
    crc: u32,
    bytes: u32,
    mode: u32,
    extra: Vec<u8>,
    comment: Vec<u8>,
    /// Shares the place of the first entry.
    at_first: bool,
}

fn short(length: usize) -> u32 {
    u32::try_from(length).expect("short")
}

fn file(name: &str, content: &str) -> Raw {
    Raw {
        name: name.as_bytes().to_vec(),
        local_name: None,
        data: content.as_bytes().to_vec(),
        method: 0,
        flags: 0,
        crc: crc32fast::hash(content.as_bytes()),
        bytes: short(content.len()),
        mode: 0o100_644,
        extra: Vec::new(),
        comment: Vec::new(),
        at_first: false,
    }
}

fn deflated(name: &str, content: &[u8]) -> Raw {
    use std::io::Write as _;
    let mut packer = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(content).expect("memory");
    let data = packer.finish().expect("memory");
    Raw {
        data,
        method: 8,
        crc: crc32fast::hash(content),
        bytes: u32::try_from(content.len()).expect("short"),
        ..file(name, "")
    }
}

fn common(raw: &Raw) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(20_u16.to_le_bytes());
    out.extend(raw.flags.to_le_bytes());
    out.extend(raw.method.to_le_bytes());
    out.extend([0, 0, 0x21, 0]);
    out.extend(raw.crc.to_le_bytes());
    out.extend(u32::try_from(raw.data.len()).expect("short").to_le_bytes());
    out.extend(raw.bytes.to_le_bytes());
    out
}

fn archive(files: &[Raw]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for raw in files {
        let at = if raw.at_first { 0 } else { u32::try_from(out.len()).expect("short") };
        if !raw.at_first {
            let name = raw.local_name.as_ref().unwrap_or(&raw.name);
            out.extend(b"PK\x03\x04");
            out.extend(common(raw));
            out.extend(u16::try_from(name.len()).expect("short").to_le_bytes());
            out.extend([0, 0]);
            out.extend(name);
            out.extend(&raw.data);
        }
        directory.extend(b"PK\x01\x02\x14\x03");
        directory.extend(common(raw));
        for part in [&raw.name, &raw.extra, &raw.comment] {
            directory.extend(u16::try_from(part.len()).expect("short").to_le_bytes());
        }
        directory.extend([0; 4]);
        directory.extend((raw.mode << 16).to_le_bytes());
        directory.extend(at.to_le_bytes());
        for part in [&raw.name, &raw.extra, &raw.comment] {
            directory.extend(part.iter());
        }
    }
    let count = u16::try_from(files.len()).expect("few").to_le_bytes();
    let (length, from) = (short(directory.len()), short(out.len()));
    out.extend(directory);
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend(count);
    out.extend(count);
    out.extend(length.to_le_bytes());
    out.extend(from.to_le_bytes());
    out.extend([0, 0]);
    out
}

/// Opens an archive and unpacks everything in it.
fn read(bytes: &[u8]) -> Result<(), ArchiveError> {
    let archive = Archive::open(bytes)?;
    archive.entries().iter().try_for_each(|entry| archive.document(entry).map(drop))
}

#[track_caller]
fn check(files: &[Raw], expected: &str) {
    let refused = read(&archive(files)).expect_err("it is refused");
    assert_eq!(refused.to_string(), expected);
}

fn good() -> Raw {
    file("report.html", "fine")
}

#[test]
fn the_archive_that_the_others_are_made_of_is_good() {
    read(&archive(&[good(), deflated("a/b.txt", b"some words, some words")])).expect("good");
}

#[test]
fn names_that_leave_the_folder_are_refused() {
    for name in
        ["../evil", "a/../../evil", "/etc/passwd", "C:evil", "\\\\server\\evil", "a\\..\\evil"]
    {
        let refused = read(&archive(&[file(name, "x")])).expect_err("it is refused");
        let expected = format!("the entry {name:?} would be unpacked outside of its folder");
        assert_eq!(refused.to_string(), expected);
        assert_eq!(refused.at(), Some(name));
    }
}

#[test]
fn names_that_systems_read_in_two_ways_are_refused() {
    check(&[file("a:b", "x")], "the entry \"a:b\" would be unpacked outside of its folder");
    check(
        &[file("log\u{202e}txt.exe", "x")],
        "the entry \"log\\u{202e}txt.exe\" has a name that is not plain ASCII, which systems compare \
         differently",
    );
    check(
        &[file("a\nb", "x")],
        "the entry \"a\\nb\" has a name with '\\n', which some systems read in another way",
    );
    check(
        &[file("aux.txt", "x")],
        "the entry \"aux.txt\" has a name that some systems keep for a device or shorten",
    );
    check(
        &[file("<script>alert(1)<.html", "x")],
        "the entry \"<script>alert(1)<.html\" has a name with '<', which some systems read in another way",
    );
    check(&[file("a//b", "x")], "the entry \"a//b\" has no name");
    check(
        &[file(&"a/".repeat(9), "")],
        "the entry \"a/a/a/a/a/a/a/a/a/\" lies deeper than 8 folders",
    );
}

#[test]
fn links_and_other_things_that_are_no_files_are_refused() {
    let link = Raw { mode: 0o120_777, ..file("report.html", "/etc/passwd") };
    check(&[link], "the entry \"report.html\" is a link, or no file at all");
    let pipe = Raw { mode: 0o010_644, ..good() };
    check(&[pipe], "the entry \"report.html\" is a link, or no file at all");
}

#[test]
fn two_entries_for_one_place_are_refused() {
    check(&[good(), good()], "the entry \"report.html\" stands in the archive twice");
    check(
        &[good(), file("Report.HTML", "x")],
        "the entry \"Report.HTML\" differs from \"report.html\" only in capitals: unpacked, one would \
         replace the other",
    );
    check(
        &[file("a", "x"), file("a/b", "x")],
        "the entry \"a\" is a file where \"a/b\" needs a folder",
    );
}

#[test]
fn bombs_are_refused_before_anything_is_unpacked() {
    let zeros = vec![0; 4 << 20];
    check(
        &[deflated("zeros.bin", &zeros)],
        "the entry \"zeros.bin\" unpacks to more than 200 times its size: it is made to fill a disk",
    );
    let overlapping = Raw { at_first: true, name: b"again.html".to_vec(), ..good() };
    check(
        &[good(), overlapping],
        "the entry \"again.html\" shares its bytes with \"report.html\": unpacked, the archive would be \
         larger than it is",
    );
    // More comes out than both headers say.
    let liar = Raw { bytes: 10, ..deflated("liar.txt", b"more than ten bytes of text") };
    check(&[liar], "the entry \"liar.txt\" is damaged: it unpacks to another size than it says");
    let many: Vec<Raw> = (0..50_001).map(|at| file(&format!("f{at}"), "")).collect();
    check(&many, "the archive has 50001 entries, more than the 50000 that are read");
}

#[test]
fn damage_is_named() {
    let wrong = Raw { crc: 1, ..good() };
    check(&[wrong], "the entry \"report.html\" is damaged: its checksum (CRC-32) is another");
    let mut broken = deflated("a.txt", b"some words, some words, some words");
    broken.data[3] ^= 0xff;
    let refused = read(&archive(&[broken])).expect_err("damaged").to_string();
    assert!(refused.starts_with("the entry \"a.txt\" is damaged"), "{refused}");
    let mut longer = deflated("a.txt", b"some words, some words, some words");
    longer.data.extend(b"hidden");
    check(&[longer], "the entry \"a.txt\" is damaged: it cannot be unpacked");
}

#[test]
fn headers_that_contradict_each_other_are_refused() {
    let two = Raw { local_name: Some(b"other.html".to_vec()), ..good() };
    check(&[two], "the entry \"report.html\" has two headers that contradict each other");
    let encrypted = Raw { flags: 1, ..good() };
    check(&[encrypted], "the entry \"report.html\" is encrypted");
    let bzip2 = Raw { method: 12, ..good() };
    check(
        &[bzip2],
        "the entry \"report.html\" is packed in a way that not every program reads (method 12)",
    );
    let large = Raw { bytes: u32::MAX, ..good() };
    check(&[large], "the entry \"report.html\" is in the large form, or on another disk");
    let second_name = Raw { extra: [&[0x75, 0x70, 1, 0][..], b"x"].concat(), ..good() };
    check(
        &[second_name],
        "the entry \"report.html\" has flags or fields that some programs read in another way",
    );
    let comment = Raw { comment: b"look".to_vec(), ..good() };
    check(
        &[comment],
        "the entry \"report.html\" has flags or fields that some programs read in another way",
    );
}

#[test]
fn what_stands_around_the_entries_is_refused() {
    let bytes = archive(&[good()]);
    let refused = |bytes: &[u8]| read(bytes).expect_err("it is refused").to_string();
    assert_eq!(refused(b""), "the file is empty");
    assert_eq!(refused(b"not an archive at all, but a longer text"), "the file is no zip archive");
    for length in [10, 40, bytes.len() - 1] {
        assert_eq!(
            refused(&bytes[..length]),
            "the file is cut off: the end of the archive is missing"
        );
    }
    let appended = [bytes.as_slice(), b"more"].concat();
    assert_eq!(refused(&appended), "4 bytes were put behind the end of the archive");
    let prefixed = [b"PK\x03\x04script".as_slice(), &bytes].concat();
    assert_eq!(
        refused(&prefixed),
        "the list of entries at the end of the archive does not fit: it is not where the end says"
    );
    // A gap, with every offset made to fit.
    let mut gap = archive(&[good()]);
    let directory = gap.len() - 22 - (46 + "report.html".len());
    gap.splice(directory..directory, *b"hidden");
    let end = gap.len();
    let from = short(directory + 6);
    gap[end - 6..end - 2].copy_from_slice(&from.to_le_bytes());
    assert_eq!(refused(&gap), "bytes 45 to 51 of the archive belong to no entry");
}

#[test]
fn a_page_shows_markup_and_hidden_marks_as_text() {
    use plumb_evidence::report::{Page, Section, html};
    let page = Page {
        title: "<script>alert(1)</script>".to_owned(),
        lead: "a \u{202e}b".to_owned(),
        sections: vec![Section {
            title: "nodes".to_owned(),
            columns: vec!["name".to_owned()],
            rows: vec![vec!["\"><img src=x onerror=alert(1)>".to_owned()]],
            ..Section::default()
        }],
    };
    let html = html(&page);
    assert!(!html.contains("<script") && !html.contains("<img"), "{html}");
    assert!(html.contains("&lt;script&gt;") && html.contains("a \\u{202e}b"), "{html}");
    assert!(html.contains("default-src 'none'"), "{html}");
}
