//! Colours of the pictures: Okabe-Ito hues with a glyph for every drift state.

use plotters::style::RGBColor;
use plumb_fleet::DriftState;

/// A colour as red, green and blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rgb(pub u8, pub u8, pub u8);

impl Rgb {
    /// This colour laid over another, `percent` of it.
    pub(crate) fn over(self, ground: Self, percent: u16) -> Self {
        let mix = |top: u8, below: u8| {
            let sum = u16::from(top) * percent + u16::from(below) * (100 - percent);
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        Self(mix(self.0, ground.0), mix(self.1, ground.1), mix(self.2, ground.2))
    }
}

impl From<Rgb> for RGBColor {
    fn from(colour: Rgb) -> Self {
        Self(colour.0, colour.1, colour.2)
    }
}

/// A set of colours; the page's tokens have the same values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Palette {
    /// Behind everything.
    pub ground: Rgb,
    /// Lines that part and measure.
    pub line: Rgb,
    pub text: Rgb,
    pub muted: Rgb,
    /// Glyphs on a full state colour.
    pub ink: Rgb,
    /// How much of a state's colour an area of it gets, in percent; the rest is ground.
    pub tint_percent: u16,
    /// In the order of [`DriftState::ALL`].
    pub states: [Rgb; 10],
}

impl Palette {
    pub const fn dark() -> Self {
        Self {
            ground: Rgb(0x13, 0x19, 0x20),
            line: Rgb(0x27, 0x31, 0x3d),
            text: Rgb(0xe7, 0xec, 0xf2),
            muted: Rgb(0x9f, 0xb0, 0xc0),
            ink: Rgb(0x0b, 0x0f, 0x14),
            tint_percent: 26,
            states: [
                Rgb(0xd5, 0x84, 0xb4),
                Rgb(0xb0, 0x8c, 0xe8),
                Rgb(0xe0, 0x66, 0x2e),
                Rgb(0xe6, 0x9f, 0x00),
                Rgb(0x56, 0xb4, 0xe9),
                Rgb(0xd9, 0xcf, 0x45),
                Rgb(0x8a, 0x96, 0xa4),
                Rgb(0x8a, 0x96, 0xa4),
                Rgb(0x5c, 0xa3, 0xdb),
                Rgb(0x1a, 0xa8, 0x81),
            ],
        }
    }

    pub const fn light() -> Self {
        Self {
            ground: Rgb(0xff, 0xff, 0xff),
            line: Rgb(0xd5, 0xdc, 0xe4),
            text: Rgb(0x13, 0x1a, 0x22),
            muted: Rgb(0x51, 0x5f, 0x6e),
            ink: Rgb(0xff, 0xff, 0xff),
            tint_percent: 20,
            states: [
                Rgb(0xa8, 0x4a, 0x82),
                Rgb(0x6f, 0x4c, 0xae),
                Rgb(0xb8, 0x47, 0x00),
                Rgb(0x94, 0x60, 0x00),
                Rgb(0x00, 0x6a, 0xa6),
                Rgb(0x76, 0x6c, 0x00),
                Rgb(0x5a, 0x66, 0x73),
                Rgb(0x5a, 0x66, 0x73),
                Rgb(0x1d, 0x63, 0xa0),
                Rgb(0x00, 0x76, 0x57),
            ],
        }
    }

    pub const fn high_contrast() -> Self {
        Self {
            ground: Rgb(0x00, 0x00, 0x00),
            line: Rgb(0x9a, 0x9a, 0x9a),
            text: Rgb(0xff, 0xff, 0xff),
            muted: Rgb(0xe0, 0xe0, 0xe0),
            ink: Rgb(0x00, 0x00, 0x00),
            tint_percent: 0,
            states: [
                Rgb(0xff, 0x9e, 0xd2),
                Rgb(0xd0, 0xb0, 0xff),
                Rgb(0xff, 0x8a, 0x4d),
                Rgb(0xff, 0xb4, 0x1f),
                Rgb(0x7c, 0xcf, 0xff),
                Rgb(0xf0, 0xe4, 0x42),
                Rgb(0xd0, 0xd0, 0xd0),
                Rgb(0xd0, 0xd0, 0xd0),
                Rgb(0x8f, 0xc4, 0xff),
                Rgb(0x2f, 0xe0, 0xad),
            ],
        }
    }

    /// The colour of a drift state.
    pub const fn state(&self, state: DriftState) -> Rgb {
        self.states[state as usize]
    }

    /// A state's colour as an area behind text.
    pub(crate) fn tint(&self, state: DriftState) -> Rgb {
        self.state(state).over(self.ground, self.tint_percent)
    }
}

/// The glyph of a drift state: its shape says what its colour says.
pub const fn glyph(state: DriftState) -> &'static str {
    match state {
        DriftState::Tampered => "!",
        DriftState::Poisoned => "⊘",
        DriftState::Diverged => "≠",
        DriftState::Behind => "↓",
        DriftState::Ahead => "↑",
        DriftState::Stale => "◷",
        DriftState::Unreachable => "×",
        DriftState::Unknown => "?",
        DriftState::Converging => "→",
        DriftState::InSync => "✓",
    }
}

/// The word of a drift state.
pub(crate) const fn word(state: DriftState) -> &'static str {
    match state {
        DriftState::Tampered => "Tampered",
        DriftState::Poisoned => "Poisoned",
        DriftState::Diverged => "Diverged",
        DriftState::Behind => "Behind",
        DriftState::Ahead => "Ahead",
        DriftState::Stale => "Stale",
        DriftState::Unreachable => "Unreachable",
        DriftState::Unknown => "Unknown",
        DriftState::Converging => "Converging",
        DriftState::InSync => "In sync",
    }
}
