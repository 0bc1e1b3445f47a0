//! A series in, a picture out, as SVG or as PNG; pure.
//!
//! The same series gives the same bytes on every machine: coordinates are whole pixels, moments are
//! in UTC, and the SVG measures no font. Every picture stands alone: it has a background, a title and a
//! description for who cannot see it, and says by glyph and word what it says by colour.

mod canvas;
mod digest_age;
mod lanes;
mod palette;
mod png;
mod reload_bars;
mod reload_strip;
mod svg;
mod text;
mod version_bar;

pub use canvas::Picture;
pub use digest_age::{AgePoint, digest_age};
pub use lanes::{Lane, LaneSpan, Lanes, letter, raster, timeline};
pub use palette::{Palette, Rgb, glyph};
pub use reload_bars::{ReloadBar, reload_bars};
pub use reload_strip::{ReloadMark, reload_strip};
pub use version_bar::{Share, version_bar};
