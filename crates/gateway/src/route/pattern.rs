//! Path patterns: `/api/orders/{id}`, `/files/{*rest}`.

use super::path::RequestPath;

/// A path pattern of a route: literal segments, `{name}` for one segment, `{*name}` for everything below.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(super) segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// Exactly this, percent-decoded. Empty for a trailing slash.
    Literal(Box<str>),
    /// `{name}`: one segment that is not empty.
    One(Box<str>),
    /// `{*name}`: all that is left, which may be nothing after the slash.
    Rest(Box<str>),
}

impl Pattern {
    /// Reads a pattern as the configuration writes it.
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        let below_root = text.strip_prefix('/').ok_or(PatternError::NotAbsolute)?;
        let mut segments = Vec::new();
        let mut parts = below_root.split('/').peekable();
        while let Some(part) = parts.next() {
            let last = parts.peek().is_none();
            let segment = parse_segment(part)?;
            if let Some(name) = segment.name() {
                require_new_name(&segments, name)?;
            }
            if matches!(segment, Segment::Rest(_)) && !last {
                return Err(PatternError::RestNotLast);
            }
            segments.push(segment);
        }
        let pattern = Self { segments };
        pattern.require_matchable()?;
        Ok(pattern)
    }

    /// The names of single segments, and which segment of a path each is.
    pub(crate) fn parameters(&self) -> impl Iterator<Item = (&str, usize)> {
        self.segments.iter().enumerate().filter_map(|(index, segment)| match segment {
            Segment::One(name) => Some((&**name, index)),
            Segment::Literal(_) | Segment::Rest(_) => None,
        })
    }

    /// A literal that no request path can have would be a route that silently protects nothing.
    fn require_matchable(&self) -> Result<(), PatternError> {
        let mut sample = String::new();
        for segment in &self.segments {
            sample.push('/');
            match segment {
                Segment::Literal(literal) => push_encoded(&mut sample, literal),
                Segment::One(_) | Segment::Rest(_) => sample.push('x'),
            }
        }
        RequestPath::parse(&sample).map(|_| ()).map_err(|error| PatternError::Literal(error.to_string()))
    }
}

impl Segment {
    fn name(&self) -> Option<&str> {
        match self {
            Self::Literal(_) => None,
            Self::One(name) | Self::Rest(name) => Some(name),
        }
    }
}

/// Why a path pattern was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("a path must start with `/`")]
    NotAbsolute,
    #[error("`{{*name}}` takes everything below, so it can only stand at the end")]
    RestNotLast,
    #[error("`{0}` stands twice")]
    NameTwice(String),
    #[error("`{0}` is neither text nor `{{name}}` nor `{{*name}}`, with a name of letters, digits and `_`")]
    Braces(String),
    #[error("no request can have this path, because {0}")]
    Literal(String),
    #[error("write it as it reads decoded: the gateway decodes a request's path before comparing")]
    Encoded,
}

/// Spells a literal as a client would.
fn push_encoded(path: &mut String, literal: &str) {
    for byte in literal.bytes() {
        match byte {
            0x21..=0x7e => path.push(char::from(byte)),
            _ => path.push_str(&format!("%{byte:02x}")),
        }
    }
}

fn parse_segment(part: &str) -> Result<Segment, PatternError> {
    if let Some(inner) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
        let (name, rest) = match inner.strip_prefix('*') {
            Some(name) => (name, true),
            None => (inner, false),
        };
        let first_is_letter = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        if !first_is_letter || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(PatternError::Braces(part.to_owned()));
        }
        return Ok(if rest { Segment::Rest(name.into()) } else { Segment::One(name.into()) });
    }
    if part.contains(['{', '}', '*']) {
        return Err(PatternError::Braces(part.to_owned()));
    }
    if part.contains('%') {
        return Err(PatternError::Encoded);
    }
    Ok(Segment::Literal(part.into()))
}

fn require_new_name(segments: &[Segment], name: &str) -> Result<(), PatternError> {
    if segments.iter().any(|segment| segment.name() == Some(name)) {
        return Err(PatternError::NameTwice(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_are_refused() {
        let cases = [
            ("", PatternError::NotAbsolute),
            ("api", PatternError::NotAbsolute),
            ("{*rest}", PatternError::NotAbsolute),
            ("/{*rest}/more", PatternError::RestNotLast),
            ("/{id}/{id}", PatternError::NameTwice("id".into())),
            ("/{}", PatternError::Braces("{}".into())),
            ("/{*}", PatternError::Braces("{*}".into())),
            ("/{1st}", PatternError::Braces("{1st}".into())),
            ("/{a-b}", PatternError::Braces("{a-b}".into())),
            ("/order-{id}", PatternError::Braces("order-{id}".into())),
            ("/api/*", PatternError::Braces("*".into())),
            ("/a%20b", PatternError::Encoded),
        ];
        for (text, want) in cases {
            assert_eq!(Pattern::parse(text), Err(want), "{text}");
        }
        for unmatchable in ["/a//b", "/a/../b", "/a/.", "/a;b", "/a\\b", "/a?b", "/a#b", "/a\nb"] {
            assert!(matches!(Pattern::parse(unmatchable), Err(PatternError::Literal(_))), "{unmatchable}");
        }
    }

    #[test]
    fn patterns_that_are_read() {
        for text in [
            "/",
            "/api",
            "/api/",
            "/api/orders/{id}",
            "/{*rest}",
            "/a/{b}/c/{*d}",
            "/@me",
            "/v1.0/a_b-c",
            "/a b/\u{e9}",
        ] {
            assert!(Pattern::parse(text).is_ok(), "{text}");
        }
    }
}
