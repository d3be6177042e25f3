//! The languages of the pages, and which one a visitor gets.

pub(crate) mod phrase;
mod texts;

use std::borrow::Cow;
use std::collections::BTreeMap;

use http::header::ACCEPT_LANGUAGE;
use http::{HeaderMap, HeaderValue};

pub(crate) use self::texts::{Texts, Words};

/// How many of the languages that a visitor names are looked at.
const MAX_WANTED: usize = 16;
/// A longer name of a language is nobody's (BCP 47 section 4.4.1).
const MAX_TAG: usize = 35;
/// Languages that are written from right to left where nothing else is said.
const RIGHT_TO_LEFT: [&str; 12] = ["ar", "arc", "ckb", "dv", "fa", "he", "ps", "sd", "syr", "ug", "ur", "yi"];
/// Scripts that are.
const RIGHT_TO_LEFT_SCRIPTS: [&str; 6] = ["adlm", "arab", "hebr", "nkoo", "syrc", "thaa"];

/// One language: its name, what is said in it, and its words for scopes.
#[derive(Clone, Debug)]
pub(crate) struct Language {
    /// [BCP 47](https://www.rfc-editor.org/info/bcp47), in characters that a header can hold.
    pub(crate) tag: Cow<'static, str>,
    pub(crate) texts: Texts,
    /// What the operator says of scopes.
    pub(crate) scopes: BTreeMap<String, String>,
}

/// The languages that are spoken here.
#[derive(Clone, Debug)]
pub(crate) struct Languages {
    /// For whoever understands none of the others.
    english: Language,
    others: Vec<Language>,
}

impl Language {
    fn new(tag: impl Into<Cow<'static, str>>, texts: Texts) -> Self {
        Self { tag: tag.into(), texts, scopes: BTreeMap::new() }
    }

    fn is(&self, tag: &str) -> bool {
        self.tag.eq_ignore_ascii_case(tag)
    }

    /// Which way it is written, as HTML says it.
    pub(crate) fn dir(&self) -> &'static str {
        let is_among = |part: &str, list: &[&str]| list.iter().any(|known| part.eq_ignore_ascii_case(known));
        // A script of four letters stands behind the language (RFC 5646 section 2.2.3), and decides where it is there.
        let is_rtl = match self.tag.split('-').nth(1).filter(|part| part.len() == 4) {
            Some(script) => is_among(script, &RIGHT_TO_LEFT_SCRIPTS),
            None => is_among(primary(&self.tag), &RIGHT_TO_LEFT),
        };
        if is_rtl { "rtl" } else { "ltr" }
    }

    /// Its name as a header's value.
    pub(crate) fn header(&self) -> HeaderValue {
        HeaderValue::try_from(&*self.tag).unwrap_or(HeaderValue::from_static("en"))
    }

    /// Words for a scope, where there are some.
    pub(crate) fn scope(&self, scope: &str) -> Option<&str> {
        let own = match scope {
            "openid" => Some(&*self.texts.scope_openid),
            "profile" => Some(&*self.texts.scope_profile),
            "email" => Some(&*self.texts.scope_email),
            "gatepass:roles" => Some(&*self.texts.scope_roles),
            "offline_access" => Some(&*self.texts.scope_offline_access),
            _ => None,
        };
        self.scopes.get(scope).map(String::as_str).or(own)
    }
}

impl Default for Languages {
    /// Those that are built in.
    fn default() -> Self {
        Self {
            english: Language::new("en", Texts::english()),
            others: vec![Language::new("de", Texts::german()), Language::new("fr", Texts::french())],
        }
    }
}

impl Languages {
    /// Their names.
    pub(crate) fn tags(&self) -> impl Iterator<Item = &str> {
        self.all().map(|language| &*language.tag)
    }

    /// The language of that very name, which is made where there is none: of the built-in texts that come nearest.
    pub(crate) fn entry(&mut self, tag: &str) -> &mut Language {
        if self.english.is(tag) {
            return &mut self.english;
        }
        let known = self.others.iter().position(|language| language.is(tag));
        let at = known.unwrap_or_else(|| {
            let parent = self.find(primary(tag)).unwrap_or(&self.english);
            let new = Language { tag: Cow::Owned(tag.to_owned()), ..parent.clone() };
            self.others.push(new);
            self.others.len() - 1
        });
        self.others.get_mut(at).unwrap_or(&mut self.english)
    }

    /// The language for a visitor: the first of `ui_locales`
    /// ([OpenID Connect Core 1.0 section 3.1.2.1](https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest)) that is
    /// spoken here, or else the one that the browser likes most
    /// ([RFC 9110 section 12.5.4](https://www.rfc-editor.org/rfc/rfc9110#section-12.5.4)), or else English.
    pub(crate) fn choose(&self, ui_locales: Option<&str>, headers: &HeaderMap) -> &Language {
        let asked = ui_locales.unwrap_or_default().split(' ').filter(|tag| !tag.is_empty()).take(MAX_WANTED);
        // Wanting anything is not what an application asks for.
        let asked = asked.filter(|range| *range != "*");
        let liked = accepted(headers);
        asked.chain(liked).find_map(|range| self.find(range)).unwrap_or(&self.english)
    }

    fn all(&self) -> impl Iterator<Item = &Language> {
        std::iter::once(&self.english).chain(&self.others)
    }

    /// The language for a range, by the lookup of [RFC 4647 section 3.4](https://www.rfc-editor.org/rfc/rfc4647#section-3.4);
    /// where that finds none, one of the same tongue elsewhere: who asks for `pt` gets `pt-BR`.
    fn find(&self, range: &str) -> Option<&Language> {
        if range == "*" {
            return Some(&self.english);
        }
        let mut range = Some(range).filter(|range| range.len() <= MAX_TAG)?;
        loop {
            if let Some(found) = self.all().find(|language| language.is(range)) {
                return Some(found);
            }
            let Some((shorter, _)) = range.rsplit_once('-') else { break };
            range = shorter;
        }
        self.all().find(|language| primary(&language.tag).eq_ignore_ascii_case(range))
    }
}

/// What language it is, wherever it is spoken.
fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or(tag)
}

/// Whether this is the name of a language: letters first, then letters and digits, in parts of at most eight.
pub(crate) fn is_tag(text: &str) -> bool {
    let is_part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let first = primary(text);
    text.len() <= MAX_TAG
        && (2..=8).contains(&first.len())
        && first.bytes().all(|byte| byte.is_ascii_alphabetic())
        && text.split('-').all(is_part)
}

/// The languages that a browser takes, the one it likes most first.
fn accepted(headers: &HeaderMap) -> Vec<&str> {
    let fields = headers.get_all(ACCEPT_LANGUAGE).iter().filter_map(|value| value.to_str().ok());
    let ranges = fields.flat_map(|field| field.split(',')).take(MAX_WANTED).filter_map(|element| {
        let (range, weight) = match element.split_once(';') {
            Some((range, weight)) => (range, weight_of(weight)?),
            None => (element, 1000),
        };
        (weight > 0).then_some((range.trim_ascii(), weight))
    });
    let mut ranges: Vec<(&str, u16)> = ranges.collect();
    // What is liked equally stays in its order.
    ranges.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
    ranges.into_iter().map(|(range, _)| range).collect()
}

/// A weight in thousandths ([RFC 9110 section 12.4.2](https://www.rfc-editor.org/rfc/rfc9110#section-12.4.2)).
fn weight_of(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    let (whole, fraction) = value.trim_ascii_end().split_once('.').unwrap_or((value.trim_ascii_end(), ""));
    let is_q = name.trim_ascii().eq_ignore_ascii_case("q");
    if !is_q || fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match (whole, thousandths) {
        ("0", thousandths) => Some(thousandths),
        ("1", 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn languages() -> Languages {
        let mut languages = Languages::default();
        for tag in ["pt-BR", "zh-Hant-TW", "de-AT", "ar"] {
            languages.entry(tag);
        }
        languages
    }

    fn chosen(ui_locales: Option<&str>, accepted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in accepted {
            headers.append(ACCEPT_LANGUAGE, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        languages().choose(ui_locales, &headers).tag.to_string()
    }

    #[test]
    fn which_language_a_visitor_gets() {
        let many = "xx,".repeat(MAX_WANTED) + "de";
        let long = format!("de-{}", "a".repeat(100_000));
        let cases: [(&str, Option<&str>, &[&str], &str); 22] = [
            ("nothing_said", None, &[], "en"),
            ("the_application_asks", Some("fr"), &["de"], "fr"),
            ("in_order_of_preference", Some("xx de fr"), &[], "de"),
            ("none_of_them", Some("xx yy"), &["fr"], "fr"),
            ("empty", Some(""), &["fr"], "fr"),
            ("any_case", Some("DE"), &[], "de"),
            ("more_exact", Some("de-AT"), &[], "de-AT"),
            ("less_exact", Some("de-CH-1996"), &[], "de"),
            ("elsewhere", Some("pt"), &[], "pt-BR"),
            ("elsewhere_too", Some("pt-PT"), &[], "pt-BR"),
            ("by_script", Some("zh-Hant"), &[], "zh-Hant-TW"),
            ("the_browser_likes", None, &["fr-CH, fr;q=0.9, en;q=0.8, de;q=0.7, *;q=0.5"], "fr"),
            ("by_weight", None, &["en;q=0.1, de;q=0.25,fr;q=0.2"], "de"),
            ("equal_weights", None, &["fr;q=0.5,de;q=0.5"], "fr"),
            ("not_at_all", None, &["de;q=0, fr;q=0.001"], "fr"),
            ("spaces", None, &[" de ; q=1.000 "], "de"),
            ("two_fields", None, &["xx", "de"], "de"),
            ("anything", None, &["*"], "en"),
            ("odd_weights", None, &["de;q=2, de;q=0.1234, de;x=1, de;q=-1, fr;q=1.001, ar;q=.5"], "en"),
            ("hostile", Some("\u{202e} \u{0} ----- de\u{0}"), &["\u{e9}, ;;;=,q=,,,"], "en"),
            ("too_many", None, &[&many], "en"),
            ("too_long", Some(&long), &[&long], "en"),
        ];
        for (name, ui_locales, accepted, want) in cases {
            assert_eq!(chosen(ui_locales, accepted), want, "{name}");
        }
    }

    #[test]
    fn which_way_a_language_is_written() {
        let cases = [
            ("en", "ltr"),
            ("ar-EG", "rtl"),
            ("he", "rtl"),
            ("ur-Latn", "ltr"),
            ("az-Arab", "rtl"),
            ("de-AR", "ltr"),
            ("pa-Arab-PK", "rtl"),
        ];
        for (tag, want) in cases {
            assert_eq!(Language::new(tag, Texts::english()).dir(), want, "{tag}");
        }
    }

    #[test]
    fn names_of_languages() {
        let cases = [
            ("de", true),
            ("zh-Hant-TW", true),
            ("sl-rozaj-biske-1994", true),
            ("", false),
            ("d", false),
            ("1de", false),
            ("de-", false),
            ("de--at", false),
            ("de_AT", false),
            ("de\"", false),
            ("de-ninechars", false),
            ("de-aaaaaaaa-aaaaaaaa-aaaaaaaa-aaaaaaaa", false),
        ];
        for (tag, want) in cases {
            assert_eq!(is_tag(tag), want, "{tag}");
        }
    }
}
