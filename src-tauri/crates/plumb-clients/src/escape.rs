//! The one place where text of a node becomes text of ours.

/// Makes a node's text safe to show and bounds it: control characters, line and paragraph
/// separators and the marks that reorder text are written as `\u{..}`; markup stays what it is, text.
pub fn escape(text: &str, chars_max: usize) -> String {
    let mut out = String::with_capacity(text.len().min(chars_max));
    let mut left = chars_max;
    for c in text.chars() {
        let width = match c {
            '\n' | '\r' | '\t' => 2,
            c if c.is_control() || acts_on_layout(c) => c.escape_unicode().len(),
            _ => 1,
        };
        if width > left {
            out.push('…');
            break;
        }
        left -= width;
        if width == 1 {
            out.push(c);
        } else {
            out.extend(c.escape_default());
        }
    }
    out
}

/// Like [`escape`] for bytes of unknown encoding.
pub fn escape_bytes(bytes: &[u8], chars_max: usize) -> String {
    let enough = bytes.len().min(chars_max.saturating_mul(4));
    let mut text = escape(&String::from_utf8_lossy(&bytes[..enough]), chars_max);
    if enough < bytes.len() && !text.ends_with('…') {
        text.push('…');
    }
    text
}

/// Characters that are invisible or change the order of their neighbours (Unicode TR 36, TR 39).
const fn acts_on_layout(c: char) -> bool {
    matches!(
        c,
        '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_or_a_reader_would_act_on_is_written_out() {
        assert_eq!(escape("a\u{1b}[2Jb\u{7f}\u{9b}", 99), "a\\u{1b}[2Jb\\u{7f}\\u{9b}");
        assert_eq!(escape("v2\u{202e}0.1\u{feff}", 99), "v2\\u{202e}0.1\\u{feff}");
        assert_eq!(escape("<b>zwei\nZeilen</b>", 99), "<b>zwei\\nZeilen</b>");
        assert_eq!(escape("abcdef", 3), "abc…");
        assert_eq!(escape_bytes(b"\xff\xfeok", 99), "\u{fffd}\u{fffd}ok");
    }
}
