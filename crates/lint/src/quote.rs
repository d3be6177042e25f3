//! How text from a token or a log is shown: cut short, and with nothing in it that steers a terminal.

use std::fmt;

/// How many characters are shown.
const SHOWN: usize = 48;

/// In quotation marks, at most 48 characters, control characters and direction marks escaped.
pub(crate) fn quoted(text: &str) -> Quoted<'_> {
    Quoted { text, shown: SHOWN }
}

/// The first characters, enough to recognise a value by and too few to use it.
pub(crate) fn beginning(text: &str) -> Quoted<'_> {
    Quoted { text, shown: 6 }
}

/// All of it, escaped the same way.
pub(crate) fn whole(text: &str) -> Quoted<'_> {
    Quoted { text, shown: usize::MAX }
}

pub(crate) struct Quoted<'t> {
    text: &'t str,
    shown: usize,
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        let mut characters = self.text.chars();
        for c in characters.by_ref().take(self.shown) {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                _ if steers(c) => write!(f, "{}", c.escape_unicode())?,
                _ => write!(f, "{c}")?,
            }
        }
        f.write_str(if characters.next().is_some() { "…\"" } else { "\"" })
    }
}

/// Control characters, and those that reorder or hide their neighbours.
fn steers(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_and_made_harmless() {
        let cases = [
            ("plain", "key-1", "\"key-1\""),
            ("quote", "a\"b\\", "\"a\\\"b\\\\\""),
            ("escape_sequence", "\u{1b}[31mred", "\"\\u{1b}[31mred\""),
            ("direction_mark", "a\u{202e}b", "\"a\\u{202e}b\""),
            ("not_ascii", "schlüssel", "\"schlüssel\""),
        ];
        for (name, text, want) in cases {
            assert_eq!(quoted(text).to_string(), want, "{name}");
        }
        assert_eq!(quoted(&"x".repeat(49)).to_string(), format!("\"{}…\"", "x".repeat(48)));
        assert_eq!(quoted(&"x".repeat(48)).to_string(), format!("\"{}\"", "x".repeat(48)));
        assert_eq!(beginning("hunter2!").to_string(), "\"hunter…\"");
    }
}
