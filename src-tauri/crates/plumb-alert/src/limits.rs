//! Every limit of an alert, each with its reason.

use jiff::SignedDuration;

/// Name of a service, environment, source, kind, owner or label: it stands in lists and in indexes.
pub const NAME_BYTES_MAX: usize = 200;
/// A title is one line.
pub const TITLE_BYTES_MAX: usize = 1_000;
/// A message, a note, an error or a reason: some pages of text.
pub const TEXT_BYTES_MAX: usize = 16 << 10;
/// Labels of one alert; Prometheus alerts carry about ten.
pub const LABELS_MAX: usize = 64;
/// What a sender added of its own, as JSON.
pub const DETAILS_BYTES_MAX: usize = 64 << 10;
/// What a triage freezes, as JSON: drift of a large fleet is some megabytes, and an incident is read as a whole.
pub const FROZEN_BYTES_MAX: usize = 4 << 20;
/// A fingerprint or signature of a sender.
pub const KEY_BYTES_MAX: usize = 200;
/// Longest window, cooldown or lease anybody may ask for, in seconds: a year.
pub const WINDOW_S_MAX: i64 = 366 * 24 * 3_600;
/// Longest dedupe window a sender may ask for, in minutes: a year.
pub const DEDUPE_MINUTES_MAX: u32 = 366 * 24 * 60;
/// Whoever said that an alert lasts is believed for so long: consoles say it at each sweep, and one that was closed says
/// nothing any more.
pub const TELLS_FOR: SignedDuration = SignedDuration::from_mins(30);
/// Name of one of them: an identity, in which a character may stand doubled, and an installation.
pub const TELLER_BYTES_MAX: usize = 2 * NAME_BYTES_MAX + 65;
/// Those who say of one alert that it lasts; the consoles of a large team. The newest are kept.
pub const TELLERS_MAX: usize = 32;
