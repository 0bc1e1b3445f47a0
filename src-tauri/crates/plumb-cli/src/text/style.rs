//! Colours, glyphs and words: a state is never told by its colour alone.

use plumb_app::views::{doctor::CheckResult, fleet::DriftStateView, run::RunNodeState};

/// Hues after Okabe and Ito, as the nearest of the 256 colours every terminal has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hue {
    Vermilion = 166,
    Orange = 214,
    Sky = 74,
    Green = 36,
    Yellow = 185,
    Purple = 175,
    Violet = 140,
    Grey = 245,
}

/// Whether and how text is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) coloured: bool,
}

impl Style {
    pub(crate) fn paint(self, hue: Hue, text: &str) -> String {
        if self.coloured {
            format!("\u{1b}[38;5;{}m{text}\u{1b}[0m", hue as u8)
        } else {
            text.to_owned()
        }
    }

    pub(crate) fn bold(self, text: &str) -> String {
        if self.coloured { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.paint(Hue::Grey, text)
    }

    pub(crate) fn bad(self, text: &str) -> String {
        self.paint(Hue::Vermilion, text)
    }

    /// Glyph and word of a drift state.
    pub(crate) fn state(self, state: DriftStateView) -> String {
        self.paint(state_hue(state), &format!("{} {}", state_glyph(state), state_word(state)))
    }

    /// Glyph and word of a check's result.
    pub(crate) fn check(self, result: CheckResult) -> String {
        let (hue, text) = match result {
            CheckResult::Passed => (Hue::Green, "✓ passed"),
            CheckResult::Warning => (Hue::Orange, "◷ warning"),
            CheckResult::Failed => (Hue::Vermilion, "× failed"),
            CheckResult::NotKnown => (Hue::Grey, "? not known"),
        };
        self.paint(hue, text)
    }

    /// Glyph and word of a node's part in a run.
    pub(crate) fn run_node(self, state: RunNodeState) -> String {
        let (hue, text) = match state {
            RunNodeState::Waiting => (Hue::Grey, "· waiting"),
            RunNodeState::Acting => (Hue::Sky, "→ acting"),
            RunNodeState::Accepted => (Hue::Sky, "→ accepted"),
            RunNodeState::Arrived => (Hue::Green, "✓ arrived"),
            RunNodeState::Failed => (Hue::Vermilion, "× failed"),
            RunNodeState::Skipped => (Hue::Grey, "- skipped"),
            RunNodeState::RolledBack => (Hue::Orange, "← rolled back"),
            RunNodeState::InDoubt => (Hue::Orange, "? in doubt"),
        };
        self.paint(hue, text)
    }

    /// `✓` and a word, or `×` and another.
    pub(crate) fn verdict(self, good: bool, yes: &str, no: &str) -> String {
        if good {
            self.paint(Hue::Green, &format!("✓ {yes}"))
        } else {
            self.bad(&format!("× {no}"))
        }
    }
}

/// The word of a state as documents and scripts have it.
pub(crate) const fn state_word(state: DriftStateView) -> &'static str {
    match state {
        DriftStateView::Tampered => "tampered",
        DriftStateView::Poisoned => "poisoned",
        DriftStateView::Diverged => "diverged",
        DriftStateView::Behind => "behind",
        DriftStateView::Ahead => "ahead",
        DriftStateView::Stale => "stale",
        DriftStateView::Unreachable => "unreachable",
        DriftStateView::Unknown => "unknown",
        DriftStateView::Converging => "converging",
        DriftStateView::InSync => "in_sync",
    }
}

/// The same shapes as in the window and its pictures.
const fn state_glyph(state: DriftStateView) -> &'static str {
    match state {
        DriftStateView::Tampered => "!",
        DriftStateView::Poisoned => "⊘",
        DriftStateView::Diverged => "≠",
        DriftStateView::Behind => "↓",
        DriftStateView::Ahead => "↑",
        DriftStateView::Stale => "◷",
        DriftStateView::Unreachable => "×",
        DriftStateView::Unknown => "?",
        DriftStateView::Converging => "→",
        DriftStateView::InSync => "✓",
    }
}

const fn state_hue(state: DriftStateView) -> Hue {
    match state {
        DriftStateView::Tampered => Hue::Purple,
        DriftStateView::Poisoned => Hue::Violet,
        DriftStateView::Diverged => Hue::Vermilion,
        DriftStateView::Behind => Hue::Orange,
        DriftStateView::Ahead | DriftStateView::Converging => Hue::Sky,
        DriftStateView::Stale => Hue::Yellow,
        DriftStateView::Unreachable | DriftStateView::Unknown => Hue::Grey,
        DriftStateView::InSync => Hue::Green,
    }
}
