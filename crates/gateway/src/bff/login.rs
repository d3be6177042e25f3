//! A login that has begun: what the browser carries until it comes back from the issuer.
//!
//! It is sealed in a cookie, so nothing is kept here for visitors whom nobody knows yet, and no other browser can end
//! what this one began (login CSRF).

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64_simd::URL_SAFE_NO_PAD;
use gatepass_guard::{AuthorizationEndpoints, Timestamp};
use serde::{Deserialize, Serialize};
use url::{Url, form_urlencoded};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::BffSettings;
use super::cookie::{LOGIN_KEY, LOGIN_LIFETIME};
use super::demands::Demands;
use super::seal::{Purpose, Sealer, code_challenge, random_text};

/// What the callback needs to know of the authorization request.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct Login {
    state: String,
    pub(super) nonce: String,
    pub(super) code_verifier: String,
    pub(super) return_to: String,
    pub(super) demands: Demands,
    /// In seconds since 1970.
    pub(super) begun: i64,
}

/// What the issuer says by way of the browser. RFC 6749 section 4.1.2, RFC 9207.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct AuthorizationAnswer {
    state: Option<String>,
    iss: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

/// Why an answer is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadAnswer {
    #[error("a parameter stands twice")]
    Repeated,
    #[error("it is not the answer to what this browser asked: another `state`")]
    State,
    #[error("it comes from another issuer, or does not say from which")]
    Issuer,
    #[error("the issuer refused: {0}")]
    Refused(String),
    #[error("it has no code")]
    NoCode,
}

impl Login {
    pub(super) fn new(return_to: &str, demands: Demands, now: Timestamp) -> Option<Self> {
        Some(Self {
            state: random_text()?.to_string(),
            nonce: random_text()?.to_string(),
            code_verifier: random_text()?.to_string(),
            return_to: return_to.to_owned(),
            demands,
            begun: now.as_secs(),
        })
    }

    /// Where the browser goes to log in.
    pub(super) fn authorization_url(
        &self,
        endpoints: &AuthorizationEndpoints,
        settings: &BffSettings,
        redirect_uri: &str,
    ) -> Url {
        let mut url = endpoints.authorization.clone();
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &settings.client.client_id)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("scope", &settings.scope)
            .append_pair("state", &self.state)
            .append_pair("nonce", &self.nonce)
            .append_pair("code_challenge", &code_challenge(&self.code_verifier))
            .append_pair("code_challenge_method", "S256")
            .extend_pairs(settings.prompt.as_ref().map(|prompt| ("prompt", prompt)))
            .extend_pairs(settings.resource.as_ref().map(|resource| ("resource", resource)))
            .extend_pairs(self.demands.parameters());
        url
    }

    /// What tells its cookie from those of other logins.
    pub(super) fn key(&self) -> &str {
        self.state.get(..LOGIN_KEY).unwrap_or_default()
    }

    pub(super) fn seal(&self, sealer: &Sealer) -> Option<String> {
        let plain = Zeroizing::new(serde_json::to_vec(self).ok()?);
        let sealed = sealer.seal(Purpose::Login, b"", &plain).ok()?;
        Some(URL_SAFE_NO_PAD.encode_to_string(sealed))
    }

    /// What a cookie holds, if it was sealed here and not too long ago.
    pub(super) fn open(cookie: &[u8], sealer: &Sealer, now: Timestamp) -> Option<Self> {
        let sealed = URL_SAFE_NO_PAD.decode_to_vec(cookie).ok()?;
        let plain = sealer.open(Purpose::Login, b"", &sealed).ok()?;
        let login: Self = serde_json::from_slice(&plain).ok()?;
        let ends = Timestamp::from_secs(login.begun).saturating_add(LOGIN_LIFETIME);
        (now < ends).then_some(login)
    }

    /// Whether it is this very request that is answered.
    pub(super) fn is_answered_by(&self, answer: &AuthorizationAnswer) -> bool {
        let state = answer.state.as_deref().unwrap_or_default();
        verify_slices_are_equal(state.as_bytes(), self.state.as_bytes()).is_ok()
    }

    /// The code in an answer to this very request, from this very issuer.
    pub(super) fn code(
        &self,
        answer: AuthorizationAnswer,
        issuer: &str,
        names_issuer: bool,
    ) -> Result<Zeroizing<String>, BadAnswer> {
        if !self.is_answered_by(&answer) {
            return Err(BadAnswer::State);
        }
        // Before anything else is believed, errors too: RFC 9207 section 2.4.
        match answer.iss {
            Some(iss) if iss != issuer => return Err(BadAnswer::Issuer),
            None if names_issuer => return Err(BadAnswer::Issuer),
            _ => {}
        }
        if let Some(error) = answer.error {
            return Err(BadAnswer::Refused(error.escape_debug().take(64).collect()));
        }
        answer.code.map(Zeroizing::new).ok_or(BadAnswer::NoCode)
    }
}

impl AuthorizationAnswer {
    /// The key of the login that it says to be an answer to.
    pub(super) fn key(&self) -> Option<&str> {
        self.state.as_deref()?.get(..LOGIN_KEY)
    }

    /// RFC 6749 section 3.1: no parameter twice; those that are not known are passed over.
    pub(super) fn parse(query: &str) -> Result<Self, BadAnswer> {
        let mut answer = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = match &*name {
                "state" => &mut answer.state,
                "iss" => &mut answer.iss,
                "code" => &mut answer.code,
                "error" => &mut answer.error,
                _ => continue,
            };
            if place.replace(value.into_owned()).is_some() {
                return Err(BadAnswer::Repeated);
            }
        }
        Ok(answer)
    }
}

#[cfg(test)]
mod tests {
    use super::super::demands::MAX_ACR_VALUES;
    use super::super::session::tests::sealer;
    use super::*;

    fn begin(return_to: &str, now: i64) -> Login {
        Login::new(return_to, Demands::default(), Timestamp::from_secs(now)).unwrap()
    }

    #[test]
    fn what_a_login_is_known_by_cannot_be_guessed() {
        let logins = [1, 2].map(|_| begin("/", 0));
        let made = logins.iter().flat_map(|login| [&login.state, &login.nonce, &login.code_verifier]);
        let mut random: Vec<Vec<u8>> =
            made.map(|text| URL_SAFE_NO_PAD.decode_to_vec(text).unwrap()).collect();
        assert!(random.iter().all(|bytes| bytes.len() == 32), "256 bits each");
        random.sort();
        random.dedup();
        assert_eq!(random.len(), 6, "and all of them different");
    }

    #[test]
    fn which_answers_are_taken() {
        let login = begin("/", 0);
        let (state, own) = (&login.state, "iss=https%3A%2F%2Fauth.example.com");
        let refused = || Err(BadAnswer::Refused("access_denied".into()));
        let good = || Ok("c".to_owned());
        // Where the issuer names itself in answers, and where it does not.
        type Outcome = Result<String, BadAnswer>;
        let cases: [(&str, String, Outcome, Outcome); 13] = [
            ("good", format!("code=c&state={state}&{own}&session_state=x"), good(), good()),
            ("no_issuer", format!("code=c&state={state}"), Err(BadAnswer::Issuer), good()),
            ("no_state", format!("code=c&{own}"), Err(BadAnswer::State), Err(BadAnswer::State)),
            ("another_state", format!("code=c&state=x&{own}"), Err(BadAnswer::State), Err(BadAnswer::State)),
            (
                "another_issuer",
                format!("code=c&state={state}&iss=https%3A%2F%2Fevil.example"),
                Err(BadAnswer::Issuer),
                Err(BadAnswer::Issuer),
            ),
            (
                "another_issuers_error",
                format!("error=a&state={state}&iss=x"),
                Err(BadAnswer::Issuer),
                Err(BadAnswer::Issuer),
            ),
            ("refused", format!("error=access_denied&state={state}&{own}"), refused(), refused()),
            (
                "refused_with_a_code",
                format!("error=access_denied&code=c&state={state}&{own}"),
                refused(),
                refused(),
            ),
            ("no_code", format!("state={state}&{own}"), Err(BadAnswer::NoCode), Err(BadAnswer::NoCode)),
            (
                "two_codes",
                format!("code=c&code=c&state={state}&{own}"),
                Err(BadAnswer::Repeated),
                Err(BadAnswer::Repeated),
            ),
            (
                "two_states",
                format!("code=c&state={state}&state=x&{own}"),
                Err(BadAnswer::Repeated),
                Err(BadAnswer::Repeated),
            ),
            (
                "two_issuers",
                format!("code=c&state={state}&{own}&{own}"),
                Err(BadAnswer::Repeated),
                Err(BadAnswer::Repeated),
            ),
            ("nothing", String::new(), Err(BadAnswer::State), Err(BadAnswer::State)),
        ];
        for (name, query, named, unnamed) in cases {
            for (names_issuer, want) in [(true, named), (false, unnamed)] {
                let answer = AuthorizationAnswer::parse(&query);
                let code =
                    answer.and_then(|answer| login.code(answer, "https://auth.example.com", names_issuer));
                assert_eq!(code.map(|code| code.to_string()), want, "{name} {names_issuer}");
            }
        }
    }

    #[test]
    fn a_login_is_sealed_and_does_not_last() {
        let folder = tempfile::tempdir().unwrap();
        let (sealer, secs) = (sealer(folder.path()), Timestamp::from_secs);
        let login = begin("/orders", 1_000);
        let cookie = login.seal(&sealer).unwrap();
        let opened = Login::open(cookie.as_bytes(), &sealer, secs(1_599)).unwrap();
        assert_eq!((&opened.state, &*opened.return_to), (&login.state, "/orders"));
        assert!(Login::open(cookie.as_bytes(), &sealer, secs(1_600)).is_none(), "too late");
        assert!(Login::open(&cookie.as_bytes()[1..], &sealer, secs(1_000)).is_none());
        // JSON writes each quotation mark as two characters.
        let (path, acr) = (format!("/?{}", "\"".repeat(1022)), "a".repeat(MAX_ACR_VALUES));
        let demands = Demands::parse(&format!("acr_values={acr}&max_age={}", u32::MAX)).unwrap();
        let longest = Login::new(&path, demands, secs(0)).unwrap().seal(&sealer).unwrap();
        assert!(longest.len() < 3_900, "browsers keep 4096 bytes with the name and attributes");
    }
}
