//! What leaves the window as a picture, byte for byte.

use insta::assert_snapshot;
use jiff::{SignedDuration, Timestamp};
use plumb_charts::{AgePoint, Palette, ReloadMark, Share, digest_age, reload_strip, version_bar};
use plumb_fleet::DriftState;

fn at(minutes: i64) -> Timestamp {
    let start: Timestamp = "2026-03-14T02:00:00Z".parse().expect("a constant moment");
    start + SignedDuration::from_mins(minutes)
}

fn share(label: &str, count: usize, state: DriftState) -> Share {
    Share { label: label.to_owned(), count, state }
}

fn shares() -> Vec<Share> {
    vec![
        share("2.0.0", 1_144, DriftState::InSync),
        share("1.9.0", 38, DriftState::Behind),
        share("not known", 13, DriftState::Unreachable),
        share("2.1.0-rc1", 4, DriftState::Ahead),
        share("2.0.0 41d0aa93e6f7", 1, DriftState::Tampered),
    ]
}

fn mark(minutes: i64, success: bool, duration_ms: f64, gap_before: bool) -> ReloadMark {
    ReloadMark { at: at(minutes), success, duration_ms, gap_before }
}

fn marks() -> Vec<ReloadMark> {
    let mut marks: Vec<ReloadMark> = (0..12_u8)
        .map(|n| mark(i64::from(n) * 31, true, f64::from(n) * 2.5 + 0.4, false))
        .collect();
    marks.push(mark(400, false, 0.3, false));
    marks.push(mark(410, true, 140.0, false));
    marks.push(mark(640, true, 1_800.0, true));
    marks.push(mark(700, false, f64::NAN, false));
    marks.push(mark(9_000, true, 1.0, false));
    marks
}

fn ages() -> Vec<AgePoint> {
    let age = |n: i64| match n {
        0..60 => Some(n % 5 * 30),
        60..100 => Some((n - 60) * 40),
        100..110 | 115 => None,
        _ => Some((n % 4) * 45),
    };
    let point = |n| AgePoint { at: at(n), age_s: age(n).and_then(|age| u64::try_from(age).ok()) };
    (0..180).map(point).collect()
}

#[test]
fn the_version_bar_shows_every_share() {
    assert_snapshot!(version_bar(&shares(), &Palette::dark()).svg());
}

#[test]
fn the_version_bar_gathers_what_is_too_thin() {
    let many: Vec<Share> = (0..30_usize)
        .map(|n| share(&format!("1.{n}.0"), 100 - n, DriftState::ALL[n % 10]))
        .collect();
    assert_snapshot!(version_bar(&many, &Palette::light()).svg());
}

#[test]
fn the_version_bar_without_nodes_says_so() {
    assert_snapshot!(version_bar(&[share("none", 0, DriftState::Behind)], &Palette::dark()).svg());
}

#[test]
fn the_reload_strip_shows_failures_and_gaps() {
    assert_snapshot!(reload_strip(&marks(), at(0), at(720), &Palette::dark()).svg());
}

#[test]
fn the_reload_strip_without_reloads_says_so() {
    assert_snapshot!(reload_strip(&[], at(0), at(0), &Palette::high_contrast()).svg());
}

#[test]
fn the_digest_age_is_drawn_against_its_threshold() {
    assert_snapshot!(digest_age(&ages(), 900, &Palette::light()).svg());
}

#[test]
fn the_digest_age_without_observations_says_so() {
    assert_snapshot!(digest_age(&[], 900, &Palette::dark()).svg());
}

#[test]
fn a_hostile_label_stays_text() {
    let label = "</text><script>alert(1)</script>&\"'\u{0}\u{1b}[2J";
    let svg = version_bar(&[share(label, 3, DriftState::Diverged)], &Palette::dark()).svg();
    assert!(!svg.contains("<script"), "{svg}");
    assert!(svg.contains("&lt;script&gt;"), "the description holds the label, escaped: {svg}");
    assert!(!svg.chars().any(|c| c.is_control() && c != '\n'), "{svg}");
}

#[test]
fn extremes_stay_inside_the_picture() {
    let huge = [share("a", 20_000_000, DriftState::InSync), share("b", 1, DriftState::Behind)];
    let far = [
        AgePoint { at: Timestamp::MIN, age_s: Some(u64::MAX) },
        AgePoint { at: Timestamp::MAX, age_s: Some(0) },
    ];
    let wide = [mark(0, true, f64::INFINITY, true), mark(1, false, -1.0, true)];
    for svg in [
        version_bar(&huge, &Palette::dark()),
        digest_age(&far, u64::MAX, &Palette::dark()),
        digest_age(&far[..1], 0, &Palette::dark()),
        reload_strip(&wide, Timestamp::MIN, Timestamp::MAX, &Palette::dark()),
        reload_strip(&wide, at(2), at(0), &Palette::dark()),
    ] {
        assert!(svg.png().starts_with(b"\x89PNG"), "it is drawn as pixels, too");
        let svg = svg.svg();
        for x in svg.split(" x=\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            let x: i32 = x.parse().expect("a whole pixel");
            assert!((-1..=960).contains(&x), "{x} in {svg}");
        }
    }
}

/// Width and height that a PNG says it has.
fn size(png: &[u8]) -> (u32, u32) {
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    (number(16), number(20))
}

#[test]
fn a_png_is_twice_as_large_and_has_the_same_bytes_each_time() {
    let picture = version_bar(&shares(), &Palette::dark());
    let png = picture.png();
    assert!(png == picture.clone().png());
    let mut read = png::Decoder::new(std::io::Cursor::new(&png)).read_info().expect("a PNG");
    let mut pixels = vec![0; read.output_buffer_size().expect("it fits")];
    read.next_frame(&mut pixels).expect("pixels");
    let Palette { ground: plumb_charts::Rgb(red, green, blue), .. } = Palette::dark();
    assert_eq!(pixels[..3], [red, green, blue], "from the first pixel");
    assert_eq!(pixels[pixels.len() - 3..], [red, green, blue], "to the last one");
    let svg = picture.svg();
    let height = svg.split("height=\"").nth(1).and_then(|rest| rest.split('"').next());
    let height: u32 = height.and_then(|height| height.parse().ok()).expect("a height");
    assert_eq!(size(&png), (1_920, height * 2));
}
