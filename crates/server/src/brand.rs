//! Whose pages these are: what an operator's one file changes about them.
//!
//! The file can say texts, colours, a picture and links. It cannot say HTML or CSS: what it says is read into types
//! that cannot hold either.

mod color;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use http::HeaderValue;
use serde::Deserialize;
use thiserror::Error;
use url::Url;

pub use self::color::{Color, InvalidColor};
use crate::conditional::Document;
use crate::language::phrase::{StrayBrace, placeholders};
use crate::language::{Language, Languages, Texts, is_tag};

/// The largest picture, in bytes. It goes with every first visit.
const MAX_LOGO: usize = 256 * 1024;
const MAX_NAME: usize = 64;
const MAX_TEXT: usize = 1000;
const MAX_LANGUAGES: usize = 64;
/// WCAG 2.2 success criterion 1.4.3, level AA.
const LEAST_CONTRAST: f64 = 4.5;
const STYLE: &str = include_str!("../templates/style.css");
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=3600");

/// A brand as its file says it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BrandFile {
    name: Option<String>,
    logo: Option<PathBuf>,
    accent: AccentFile,
    links: LinksFile,
    language: BTreeMap<String, LanguageFile>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct AccentFile {
    light: Option<String>,
    dark: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LinksFile {
    privacy: Option<String>,
    terms: Option<String>,
    help: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LanguageFile {
    texts: BTreeMap<String, String>,
    scopes: BTreeMap<String, String>,
}

impl BrandFile {
    /// Where the picture is that [`Brand::new`] wants to see, as the file names it.
    #[must_use]
    pub fn logo(&self) -> Option<&Path> {
        self.logo.as_deref()
    }
}

/// Whose pages these are, checked. The default is nobody's, in the languages that are built in.
#[derive(Clone, Debug)]
pub struct Brand {
    pub(crate) name: Option<String>,
    pub(crate) logo: Option<Document>,
    pub(crate) style: Document,
    pub(crate) links: Links,
    pub(crate) languages: Languages,
}

/// What stands below every page.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    pub(crate) privacy: Option<Url>,
    pub(crate) terms: Option<Url>,
    pub(crate) help: Option<Url>,
}

impl Links {
    pub(crate) fn is_any(&self) -> bool {
        self.privacy.is_some() || self.terms.is_some() || self.help.is_some()
    }
}

/// Why a brand's file is refused.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum InvalidBrand {
    /// The name is empty, long, or more than a line.
    #[error("`name` is one line of 1 to {MAX_NAME} characters")]
    Name,
    /// The picture is not one that is served.
    #[error("`logo` is a picture of at most {} KiB that is SVG, PNG or JPEG", MAX_LOGO / 1024)]
    Logo,
    /// It is no colour.
    #[error("`accent.{scheme}`: {error}")]
    Color {
        /// `light` or `dark`.
        scheme: &'static str,
        /// Why not.
        error: InvalidColor,
    },
    /// Links and buttons of that colour could not be read by everybody.
    #[error(
        "`accent.{scheme}`: {color} on the page's {back} has a contrast of {contrast:.1}, and links need {LEAST_CONTRAST} (WCAG 2.2, 1.4.3); take a {} colour",
        if *.scheme == "light" { "darker" } else { "lighter" }
    )]
    Contrast {
        /// `light` or `dark`.
        scheme: &'static str,
        /// The accent.
        color: Color,
        /// What it stands on.
        back: Color,
        /// Theirs, from 1 to 21.
        contrast: f64,
    },
    /// It leads somewhere that no link of a login page should.
    #[error("`links.{0}` is an https or mailto URL")]
    Link(&'static str),
    /// There are more languages than anybody speaks.
    #[error("`language` has more than {MAX_LANGUAGES} languages")]
    Languages,
    /// It is no name of a language, or another spelling of one that is there.
    #[error("`language.{0}`: a language is named as in BCP 47 (de, pt-BR), once")]
    Tag(String),
    /// The pages have no text of that name.
    #[error("`language.{tag}.texts.{key}`: the pages have no text of that name")]
    UnknownText {
        /// The language.
        tag: String,
        /// What is not known.
        key: String,
    },
    /// The text is empty, long, or more than a line.
    #[error("`language.{tag}.{what}`: a text is one line of 1 to {MAX_TEXT} characters")]
    Text {
        /// The language.
        tag: String,
        /// Which one.
        what: String,
    },
    /// It has a brace that means nothing.
    #[error("`language.{tag}.texts.{key}`: {error}")]
    Brace {
        /// The language.
        tag: String,
        /// Which text.
        key: String,
        /// What is wrong.
        error: StrayBrace,
    },
    /// It does not say what the built-in text says, or something that nobody knows there.
    #[error("`language.{tag}.texts.{key}`: what is filled in here is {}", .wanted.as_deref().unwrap_or("nothing"))]
    Placeholders {
        /// The language.
        tag: String,
        /// Which text.
        key: String,
        /// The placeholders that belong there.
        wanted: Option<String>,
    },
}

impl Default for Brand {
    fn default() -> Self {
        Self {
            name: None,
            logo: None,
            style: style(String::new()),
            links: Links::default(),
            languages: Languages::default(),
        }
    }
}

impl Brand {
    /// The names of all texts that a file can change.
    pub fn text_names() -> impl Iterator<Item = &'static str> {
        Texts::KEYS.iter().copied()
    }

    /// What the file says, with the bytes of its [`BrandFile::logo`].
    ///
    /// # Errors
    /// [`InvalidBrand`], the first that is found.
    pub fn new(file: BrandFile, logo: Option<Vec<u8>>) -> Result<Self, InvalidBrand> {
        if file.name.as_ref().is_some_and(|name| !is_line(name, MAX_NAME)) {
            return Err(InvalidBrand::Name);
        }
        let links = Links {
            privacy: link("privacy", file.links.privacy.as_deref())?,
            terms: link("terms", file.links.terms.as_deref())?,
            help: link("help", file.links.help.as_deref())?,
        };
        Ok(Self {
            style: style(accents(&file.accent)?),
            logo: logo.map(picture).transpose()?,
            links,
            languages: languages(file.language)?,
            name: file.name,
        })
    }
}

fn is_line(text: &str, most: usize) -> bool {
    !text.trim().is_empty() && text.chars().count() <= most && !text.chars().any(char::is_control)
}

fn style(accents: String) -> Document {
    let text = format!("{STYLE}{accents}");
    Document::new("text/css; charset=utf-8", Bytes::from(text), CACHE)
}

/// The style's end: numbers that were read, and nothing that was written.
fn accents(file: &AccentFile) -> Result<String, InvalidBrand> {
    let mut style = String::new();
    if let Some(light) = &file.light {
        let rule = accent("light", light, [Color::LIGHT_CARD, Color::LIGHT_BACK])?;
        style.push_str(&format!("{rule}\n"));
    }
    // Without one of its own, the dark keeps ours: the light one is not for it.
    if let Some(dark) = file.dark.as_deref().or(file.light.as_ref().map(|_| Color::DARK_ACCENT)) {
        let rule = accent("dark", dark, [Color::DARK_CARD, Color::DARK_BACK])?;
        style.push_str(&format!("@media (prefers-color-scheme: dark) {{ {rule} }}\n"));
    }
    Ok(style)
}

fn accent(scheme: &'static str, text: &str, backs: [Color; 2]) -> Result<String, InvalidBrand> {
    let color: Color = text.parse().map_err(|error| InvalidBrand::Color { scheme, error })?;
    for back in backs {
        let contrast = color.contrast(back);
        if contrast < LEAST_CONTRAST {
            return Err(InvalidBrand::Contrast { scheme, color, back, contrast });
        }
    }
    Ok(format!(":root {{ --action: {color}; --on-action: {}; }}", color.text_on_it()))
}

/// A picture as it is served: what it is, its bytes say.
fn picture(bytes: Vec<u8>) -> Result<Document, InvalidBrand> {
    let is_svg = || std::str::from_utf8(&bytes).is_ok_and(|text| text.contains("<svg"));
    let content_type = match bytes.as_slice() {
        bytes if bytes.len() > MAX_LOGO => return Err(InvalidBrand::Logo),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => "image/png",
        [0xff, 0xd8, 0xff, ..] => "image/jpeg",
        _ if is_svg() => "image/svg+xml",
        _ => return Err(InvalidBrand::Logo),
    };
    Ok(Document::new(content_type, Bytes::from(bytes), CACHE))
}

fn link(name: &'static str, text: Option<&str>) -> Result<Option<Url>, InvalidBrand> {
    let Some(text) = text else { return Ok(None) };
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "mailto"));
    url.map(Some).ok_or(InvalidBrand::Link(name))
}

fn languages(files: BTreeMap<String, LanguageFile>) -> Result<Languages, InvalidBrand> {
    if files.len() > MAX_LANGUAGES {
        return Err(InvalidBrand::Languages);
    }
    let mut languages = Languages::default();
    let mut seen: Vec<String> = Vec::new();
    for (tag, file) in files {
        let spelled = tag.to_ascii_lowercase();
        if !is_tag(&tag) || seen.contains(&spelled) {
            return Err(InvalidBrand::Tag(tag));
        }
        seen.push(spelled);
        speak(languages.entry(&tag), &tag, file)?;
    }
    Ok(languages)
}

/// Puts a file's texts into the place of the language's own.
fn speak(language: &mut Language, tag: &str, file: LanguageFile) -> Result<(), InvalidBrand> {
    let too_odd = |what: String| InvalidBrand::Text { tag: tag.to_owned(), what };
    for (key, text) in file.texts {
        if !is_line(&text, MAX_TEXT) {
            return Err(too_odd(format!("texts.{key}")));
        }
        let Some(own) = language.texts.find_mut(&key) else {
            return Err(InvalidBrand::UnknownText { tag: tag.to_owned(), key });
        };
        let wanted = placeholders(own).unwrap_or_default();
        let named = placeholders(&text).map_err(|error| InvalidBrand::Brace {
            tag: tag.to_owned(),
            key: key.clone(),
            error,
        })?;
        // A page that does not say who asks would be asking for trouble.
        if named != wanted {
            let wanted =
                wanted.iter().map(|name| format!("{{{name}}}")).reduce(|all, one| format!("{all}, {one}"));
            return Err(InvalidBrand::Placeholders { tag: tag.to_owned(), key, wanted });
        }
        *own = text.into();
    }
    for (scope, words) in file.scopes {
        let is_scope = scope.parse::<gatepass_token::ScopeSet>().is_ok_and(|set| set.iter().count() == 1);
        if !is_scope || !is_line(&words, MAX_TEXT) {
            return Err(too_odd(format!("scopes.{scope:?}")));
        }
        language.scopes.insert(scope, words);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
