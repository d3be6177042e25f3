//! `application/x-www-form-urlencoded`, read strictly: request bodies of the OAuth endpoints, and
//! query strings.

use gatepass_issuer::NamedResources;
use thiserror::Error;
use zeroize::Zeroizing;

/// More parameters than any request here has a use for.
const MAX_PARAMETERS: usize = 64;

/// What may be given several times ([RFC 8707 section 2](https://www.rfc-editor.org/rfc/rfc8707#section-2)).
const REPEATABLE: &str = "resource";

/// The parameters of a request, each but `resource` at most once ([RFC 6749 section 3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)).
/// Values are wiped when dropped: there are secrets among them.
#[derive(Default)]
pub(crate) struct Form(Vec<(String, Zeroizing<String>)>);

/// Why parameters were refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum FormError {
    #[error("the parameters are not form-urlencoded UTF-8")]
    Malformed,
    #[error("the parameter {0:?} is given twice")]
    Duplicate(String),
    #[error("there are more than {MAX_PARAMETERS} parameters")]
    TooMany,
    #[error("the parameter {0:?} is not known here")]
    Unknown(String),
    #[error("the parameter {0:?} has no value")]
    Empty(String),
}

impl Form {
    pub(crate) fn parse(text: &[u8]) -> Result<Self, FormError> {
        let mut form = Self::default();
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if form.0.len() == MAX_PARAMETERS {
                return Err(FormError::TooMany);
            }
            let mut sides = pair.splitn(2, |byte| *byte == b'=');
            let mut side = || decode(sides.next().unwrap_or_default()).ok_or(FormError::Malformed);
            let (name, value) = (side()?, side()?);
            if *name != REPEATABLE && form.0.iter().any(|(known, _)| *known == *name) {
                return Err(FormError::Duplicate(name.chars().take(64).collect()));
            }
            form.0.push((name.to_string(), value));
        }
        Ok(form)
    }

    /// The value of a parameter. One without a value counts as omitted (RFC 6749 section 3.2).
    pub(crate) fn find(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// The resources that are named.
    pub(crate) fn resources(&self) -> NamedResources<'_> {
        self.pairs().filter(|(name, _)| *name == REPEATABLE).map(|(_, value)| value).collect()
    }

    /// All parameters, in the order in which they came.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Refuses parameters that are not among `known`, and those without a value: what narrows a question down must not be
    /// passed over because it is misspelt, or because a script had nothing to put there.
    pub(crate) fn require_only(&self, known: &[&str]) -> Result<(), FormError> {
        for (name, value) in self.pairs() {
            let shown = || name.chars().take(64).collect();
            if !known.contains(&name) {
                return Err(FormError::Unknown(shown()));
            }
            if value.is_empty() {
                return Err(FormError::Empty(shown()));
            }
        }
        Ok(())
    }
}

/// One name or value: `+` is a space, `%XX` a byte, and the bytes are UTF-8. `None` for anything else,
/// where a lenient decoder would go on with something that was not sent.
pub(crate) fn decode(text: &[u8]) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => hex(*rest.next()?)? << 4 | hex(*rest.next()?)?,
            byte => *byte,
        });
    }
    std::str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_form_says() {
        let cases: [(&str, &[u8], Result<&str, FormError>); 12] = [
            ("plain", b"a=b", Ok("b")),
            ("among_others", b"x=1&a=b&y=2", Ok("b")),
            ("decoded", b"a=1+2%2B3%26%C3%A9", Ok("1 2+3&\u{e9}")),
            ("name_decoded", b"%61=b", Ok("b")),
            ("equals_sign_in_the_value", b"a=b=c", Ok("b=c")),
            ("without_value_is_omitted", b"a=", Ok("")),
            ("without_equals_sign_is_omitted", b"a", Ok("")),
            ("twice", b"a=b&a=b", Err(FormError::Duplicate("a".into()))),
            ("twice_in_disguise", b"a=b&%61=c", Err(FormError::Duplicate("a".into()))),
            ("cut_escape", b"a=%4", Err(FormError::Malformed)),
            ("no_escape", b"a=%zz", Err(FormError::Malformed)),
            ("not_utf8", b"a=%ff", Err(FormError::Malformed)),
        ];
        for (name, text, want) in cases {
            let found = Form::parse(text).map(|form| form.find("a").unwrap_or_default().to_owned());
            assert_eq!(found, want.map(str::to_owned), "{name}");
        }
    }

    #[test]
    fn resources_alone_are_named_several_times() {
        let form = Form::parse(b"resource=a&x=1&%72esource=b&resource=&resource=a").unwrap();
        assert_eq!(form.resources(), NamedResources::from_iter(["a", "b"]));
        assert!(Form::parse(b"x=1").unwrap().resources().is_empty());
        assert_eq!(
            Form::parse(b"Resource=a&Resource=b").err(),
            Some(FormError::Duplicate("Resource".into()))
        );
        let many = "resource=a&".repeat(65);
        assert_eq!(Form::parse(many.as_bytes()).err(), Some(FormError::TooMany));
    }

    #[test]
    fn the_number_of_parameters_is_bounded() {
        let form = |count: usize| (0..count).map(|at| format!("p{at}=&")).collect::<String>();
        assert!(Form::parse(form(64).as_bytes()).is_ok());
        assert_eq!(Form::parse(form(65).as_bytes()).err(), Some(FormError::TooMany));
    }

    #[test]
    fn a_parameter_that_is_misspelt_or_empty_is_refused() {
        let cases: [(&[u8], Result<(), FormError>); 4] = [
            (b"limit=5", Ok(())),
            (b"limt=5", Err(FormError::Unknown("limt".into()))),
            (b"limit=", Err(FormError::Empty("limit".into()))),
            (b"limit=5&after", Err(FormError::Empty("after".into()))),
        ];
        for (text, want) in cases {
            let form = Form::parse(text).unwrap();
            assert_eq!(form.require_only(&["limit", "after"]), want, "{}", String::from_utf8_lossy(text));
        }
    }
}
