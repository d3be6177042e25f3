//! Colours, and whether one can be read on another
//! ([WCAG 2.2](https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio)).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A colour without transparency: red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Color([u8; 3]);

/// The text is no colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a colour is written #0b57d0 or #05d")]
pub struct InvalidColor;

impl Color {
    // As in `templates/style.css`.
    pub(super) const LIGHT_BACK: Self = Self([0xf4, 0xf5, 0xf7]);
    pub(super) const LIGHT_CARD: Self = Self([0xff, 0xff, 0xff]);
    pub(super) const DARK_BACK: Self = Self([0x0f, 0x13, 0x18]);
    pub(super) const DARK_CARD: Self = Self([0x1a, 0x20, 0x27]);
    pub(super) const DARK_ACCENT: &'static str = "#a8c7fa";
    const WHITE: Self = Self([0xff, 0xff, 0xff]);
    const BLACK: Self = Self([0, 0, 0]);

    /// How well one is seen on the other: 1 for not at all, 21 for black and white.
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// White or black, whichever is read better on it. One of them always has a contrast above 4.5.
    #[must_use]
    pub fn text_on_it(self) -> Self {
        if self.contrast(Self::WHITE) >= self.contrast(Self::BLACK) { Self::WHITE } else { Self::BLACK }
    }

    fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|channel| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * red + 0.7152 * green + 0.0722 * blue
    }
}

impl FromStr for Color {
    type Err = InvalidColor;

    fn from_str(text: &str) -> Result<Self, InvalidColor> {
        let digits = text.strip_prefix('#').ok_or(InvalidColor)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(InvalidColor);
        }
        let number = u32::from_str_radix(digits, 16).map_err(|_| InvalidColor)?;
        let [_, red, green, blue] = number.to_be_bytes();
        match digits.len() {
            6 => Ok(Self([red, green, blue])),
            // Each digit stands twice.
            3 => Ok(Self([green & 0xf, blue >> 4, blue & 0xf].map(|digit| digit * 17))),
            _ => Err(InvalidColor),
        }
    }
}

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_colours_are_written() {
        let cases = [
            ("#0b57d0", Some("#0b57d0")),
            ("#ABCDEF", Some("#abcdef")),
            ("#05d", Some("#0055dd")),
            ("", None),
            ("#", None),
            ("0b57d0", None),
            ("#0b57d", None),
            ("#0b57d0ff", None),
            ("#+b57d0", None),
            ("#05d;}body{", None),
            ("red", None),
            ("#\u{ff10}\u{ff10}", None),
        ];
        for (text, want) in cases {
            assert_eq!(text.parse::<Color>().ok().map(|color| color.to_string()).as_deref(), want, "{text}");
        }
    }

    #[test]
    fn contrasts() {
        let contrast = |one: &str, two: &str| one.parse::<Color>().unwrap().contrast(two.parse().unwrap());
        for (one, two, want) in [("#000", "#fff", 21.0), ("#fff", "#fff", 1.0), ("#777777", "#ffffff", 4.48)]
        {
            assert!((contrast(one, two) - want).abs() < 0.01, "{one} {two}: {}", contrast(one, two));
        }
        for grey in 0..=255 {
            let color = Color([grey, grey, grey]);
            assert!(color.contrast(color.text_on_it()) >= 4.5, "{color}");
        }
    }

    #[test]
    fn the_colours_here_are_those_of_the_style() {
        let style = crate::brand::STYLE;
        for line in [
            format!("--back: {}; --card: {};", Color::LIGHT_BACK, "#ffffff"),
            format!("--back: {}; --card: {};", Color::DARK_BACK, Color::DARK_CARD),
            format!("--action: {};", Color::DARK_ACCENT),
        ] {
            assert!(style.contains(&line), "{line}");
        }
        assert_eq!(Color::LIGHT_CARD.to_string(), "#ffffff");
    }
}
