use std::error::Error as _;

use super::*;

/// A tar of one member with any name and kind, as no honest program writes it.
fn raw_tar(members: &[(&[u8], EntryType, &[u8])]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (name, kind, content) in members {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_entry_type(*kind);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(content);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    tar
}

#[track_caller]
fn refuses(members: &[(&[u8], EntryType, &[u8])], expected: &str) {
    let error = read(raw_tar(members).as_slice(), |_| false).expect_err(expected);
    assert_eq!(error.to_string(), expected);
}

#[test]
fn names_that_escape_are_refused() {
    let file = |name: &'static [u8]| [(name, EntryType::Regular, &b"x"[..])];
    refuses(&file(b"../a.rego"), r#"member "../a.rego" climbs out of its folder"#);
    refuses(&file(b"a/../../b"), r#"member "a/../../b" climbs out of its folder"#);
    refuses(&file(b"/etc/passwd"), r#"member "/etc/passwd" has an absolute name"#);
    refuses(&file(b"//etc/passwd"), r#"member "//etc/passwd" has an absolute name"#);
    refuses(&file(b"a//b"), r#"member "a//b" has an empty folder name"#);
    refuses(
        &file(b"c:\\windows\\a"),
        r#"member "c:\\windows\\a" has a name with a control character, a backslash or a colon"#,
    );
    refuses(
        &file(b"a\x1b[2J"),
        r#"member "a\u{1b}[2J" has a name with a control character, a backslash or a colon"#,
    );
    refuses(&file(b"a\xff"), "member \"a\u{fffd}\" has a name that is not UTF-8");
    refuses(&[(b"../", EntryType::Directory, b"")], r#"member "../" climbs out of its folder"#);
}

#[test]
fn links_and_devices_are_refused() {
    for (kind, name) in [
        (EntryType::Symlink, "symbolic link"),
        (EntryType::Link, "hard link"),
        (EntryType::Char, "character device"),
        (EntryType::Block, "block device"),
        (EntryType::Fifo, "pipe"),
        (EntryType::new(b'9'), "special member"),
    ] {
        refuses(
            &[(b"a", kind, b"")],
            &format!("member \"a\" is a {name}; only files and folders are read"),
        );
    }
}

#[test]
fn a_name_that_stands_twice_is_refused() {
    let (file, kind) = (&b"a"[..], EntryType::Regular);
    refuses(&[(file, kind, b"1"), (b"./a", kind, b"2")], "member \"a\" stands twice");
}

#[test]
fn folders_and_dots_are_read_over() {
    let members = [
        (&b"./"[..], EntryType::Directory, &b""[..]),
        (b"./opa/", EntryType::Directory, b""),
        (b"./opa/a.rego", EntryType::Regular, b"package a"),
    ];
    let read = read(raw_tar(&members).as_slice(), |_| false).unwrap();
    assert_eq!(read, Members::from([("opa/a.rego".to_owned(), b"package a".to_vec())]));
}

#[test]
fn a_short_archive_is_damaged_and_says_so() {
    let tar = raw_tar(&[(b"a", EntryType::Regular, &[7; 2000])]);
    for cut in [100, 513, 1500, 2511] {
        let error = read(&tar[..cut], |_| false).expect_err("cut short");
        assert_eq!(error.to_string(), "is damaged, cut short, or not an archive", "at {cut}");
        assert!(error.source().is_some());
    }
}

#[test]
fn an_archive_that_unpacks_too_large_is_a_bomb() {
    let mut header = Header::new_ustar();
    header.set_path("a").unwrap();
    header.set_size(ARCHIVE_UNPACKED_BYTES_MAX * 2);
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    let endless = io::Cursor::new(header.as_bytes().to_vec()).chain(io::repeat(0));
    let error = read(endless, |_| false).expect_err("a bomb");
    assert!(matches!(error, ArchiveError::Bomb { .. }), "{error}");
}

#[test]
fn too_many_members_are_refused() {
    let names: Vec<String> = (0..=ARCHIVE_ENTRIES_MAX).map(|n| format!("{n}")).collect();
    let members: Vec<_> =
        names.iter().map(|name| (name.as_bytes(), EntryType::Regular, &b""[..])).collect();
    refuses(&members, "holds more than 20000 members");
}

#[test]
fn what_is_written_depends_on_names_and_contents_only() {
    let members = Members::from([
        ("b/c.rego".to_owned(), b"package c".to_vec()),
        ("a.json".to_owned(), b"{}".to_vec()),
        (
            format!("{}/long.rego", "folder-of-a-long-name/".repeat(9)).replace("//", "/"),
            vec![1; 700],
        ),
    ]);
    let tar = write(&members).unwrap();
    assert_eq!(tar, write(&members).unwrap());
    assert_eq!(read(tar.as_slice(), |_| false).unwrap(), members);
    let bad = Members::from([("../a".to_owned(), Vec::new())]);
    assert!(write(&bad).is_err());
}
