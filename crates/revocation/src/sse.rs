//! `text/event-stream`, the format of the feed, written and read.
//!
//! The [standard](https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream)'s
//! format in full, with two limits that it does not have: a line and an event may only be so long.

use std::fmt::Write as _;

/// The media type of an event stream.
pub const CONTENT_TYPE: &str = "text/event-stream";

/// One event of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The last `id:` of the stream so far, which a client sends back as `Last-Event-ID`. When writing,
    /// `None` leaves the one before in force.
    pub id: Option<String>,
    /// The `event:` name; empty means `message`.
    pub event: String,
    /// The `data:` lines, joined by line feeds.
    pub data: String,
}

impl Event {
    /// The event as it goes over the wire, the empty line that ends it included.
    ///
    /// `id` and `event` cannot hold line breaks on the wire; theirs and NUL are left out, and whatever the fields
    /// hold, they cannot add an event or a field.
    ///
    /// ```
    /// use gatepass_revocation::sse::Event;
    ///
    /// let event = Event { id: Some("7".into()), event: "revocation".into(), data: "{}".into() };
    /// assert_eq!(event.to_frame(), "id: 7\nevent: revocation\ndata: {}\n\n");
    /// ```
    #[must_use]
    pub fn to_frame(&self) -> String {
        let one_line = |text: &str| text.replace(['\r', '\n', '\0'], "");
        let mut frame = String::with_capacity(self.data.len() + 64);
        // Writing to a string cannot fail.
        if let Some(id) = &self.id {
            let _ = writeln!(frame, "id: {}", one_line(id));
        }
        if !self.event.is_empty() {
            let _ = writeln!(frame, "event: {}", one_line(&self.event));
        }
        for line in self.data.replace("\r\n", "\n").split(['\r', '\n']) {
            let _ = writeln!(frame, "data: {line}");
        }
        frame.push('\n');
        frame
    }
}

/// A comment that keeps a silent connection alive; readers skip it.
pub const COMMENT: &str = ":\n\n";

/// The stream does not keep to the limits of its reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A line is longer than [`Parser::MAX_LINE`].
    #[error("a line of the event stream is longer than {} bytes", Parser::MAX_LINE)]
    LineTooLong,
    /// The data of an event are longer than [`Parser::MAX_DATA`].
    #[error("an event of the stream has more than {} bytes of data", Parser::MAX_DATA)]
    EventTooLong,
}

/// Reads an event stream as it arrives, in pieces cut anywhere.
///
/// What it holds is bounded by [`MAX_LINE`](Self::MAX_LINE) and [`MAX_DATA`](Self::MAX_DATA). After an
/// error the stream has to be given up.
///
/// ```
/// use gatepass_revocation::sse::Parser;
///
/// let mut parser = Parser::new();
/// assert!(parser.push(b"id: 7\nevent: heart")?.is_empty());
/// let events = parser.push(b"beat\ndata: {\"seq\":7}\n\n: a comment\n")?;
/// assert_eq!(events.len(), 1);
/// assert_eq!((events[0].event.as_str(), events[0].data.as_str()), ("heartbeat", "{\"seq\":7}"));
/// # Ok::<(), gatepass_revocation::sse::ParseError>(())
/// ```
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed that follows belongs to it.
    after_return: bool,
    /// The first line has been read, so a byte order mark no longer counts.
    begun: bool,
    last_id: Option<String>,
    event: String,
    /// Every data line with a line feed behind it; empty if the event has none.
    data: String,
}

impl Parser {
    /// The longest line, in bytes.
    pub const MAX_LINE: usize = 64 * 1024;
    /// The most data an event can carry, in bytes, counting a line feed per line.
    pub const MAX_DATA: usize = 256 * 1024;

    /// A parser at the beginning of a stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece of the stream and returns the events that end in it.
    ///
    /// # Errors
    /// [`ParseError`] if a line or an event is too long; events before it in `bytes` are lost with it.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, ParseError> {
        let mut events = Vec::new();
        for &byte in bytes {
            let after_return = std::mem::replace(&mut self.after_return, byte == b'\r');
            match byte {
                b'\n' if after_return => {}
                b'\n' | b'\r' => events.extend(self.end_line()?),
                _ if self.line.len() == Self::MAX_LINE => return Err(ParseError::LineTooLong),
                _ => self.line.push(byte),
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Result<Option<Event>, ParseError> {
        let line = std::mem::take(&mut self.line);
        let text = String::from_utf8_lossy(&line);
        let text = match std::mem::replace(&mut self.begun, true) {
            false => text.strip_prefix('\u{feff}').unwrap_or(&text),
            true => &text,
        };
        if text.is_empty() {
            return Ok(self.end_event());
        }
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" if self.data.len() + value.len() >= Self::MAX_DATA => {
                return Err(ParseError::EventTooLong);
            }
            "data" => {
                self.data.push_str(value);
                self.data.push('\n');
            }
            "event" => value.clone_into(&mut self.event),
            "id" if !value.contains('\0') => self.last_id = Some(value.to_owned()),
            // `retry`, comments (whose field name is empty) and what is not known.
            _ => {}
        }
        Ok(None)
    }

    fn end_event(&mut self) -> Option<Event> {
        let event = std::mem::take(&mut self.event);
        let mut data = std::mem::take(&mut self.data);
        // Without a data line there is no event, only perhaps a new id.
        data.pop()?;
        Some(Event { id: self.last_id.clone(), event, data })
    }
}

#[cfg(test)]
mod tests;
