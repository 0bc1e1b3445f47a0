//! Server-sent events, as far as the pack endpoint speaks them.

use plumb_wire::packs::{DIGEST_EVENT, PackEvent};

use super::limits::EVENT_LINE_BYTES_MAX;

/// A line longer than allowed: whoever sends it is no pack endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineTooLong;

/// Reads a stream piece by piece.
#[derive(Debug, Default)]
pub(crate) struct EventReader {
    line: Vec<u8>,
    event: String,
    content: String,
    /// The last byte was a carriage return, so that a line feed after it ends no second line.
    returned: bool,
}

impl EventReader {
    /// Takes the next piece; gives the digest events that are complete.
    pub(crate) fn read(&mut self, piece: &[u8]) -> Result<Vec<PackEvent>, LineTooLong> {
        let mut events = Vec::new();
        for &byte in piece {
            let returned = std::mem::replace(&mut self.returned, byte == b'\r');
            match byte {
                b'\n' if returned => {}
                b'\n' | b'\r' => self.end_line(&mut events)?,
                _ if self.line.len() == EVENT_LINE_BYTES_MAX => return Err(LineTooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self, events: &mut Vec<PackEvent>) -> Result<(), LineTooLong> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            let content = std::mem::take(&mut self.content);
            // An event of another kind, or one that cannot be read, is nothing to us.
            if event == DIGEST_EVENT
                && let Ok(event) = serde_json::from_str(&content)
            {
                events.push(event);
            }
            return Ok(());
        }
        let text = String::from_utf8_lossy(&line);
        let (field, value) = text.split_once(':').unwrap_or((&text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event),
            "data" => {
                if self.content.len() + value.len() > EVENT_LINE_BYTES_MAX {
                    return Err(LineTooLong);
                }
                if !self.content.is_empty() {
                    self.content.push('\n');
                }
                self.content.push_str(value);
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] = b": hello\n\nevent: digest\r\nid: 1\r\ndata: {\"pack\":\"p\",\r\ndata: \"digest\":\"sha256:a\"}\r\n\r\nevent: other\ndata: {}\n\nevent: digest\ndata: {\"pack\":\"p\",\"digest\":\"sha256:b\"}\n\nevent: digest\ndata: {\"pack\"";

    #[test]
    fn events_are_read_however_the_stream_is_cut() {
        for piece in 1..STREAM.len() {
            let mut reader = EventReader::default();
            let mut digests = Vec::new();
            for piece in STREAM.chunks(piece) {
                let events = reader.read(piece).expect("short lines");
                digests.extend(events.into_iter().map(|event| event.digest));
            }
            assert_eq!(digests, ["sha256:a", "sha256:b"], "in pieces of {piece}");
        }
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut reader = EventReader::default();
        assert_eq!(reader.read(&vec![b'x'; EVENT_LINE_BYTES_MAX + 1]), Err(LineTooLong));
    }
}
