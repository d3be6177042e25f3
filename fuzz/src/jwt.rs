//! Tokens: a text is believed only if it was signed, and a signed text only if its claims hold.

use std::sync::LazyLock;

use gatepass_jose::{
    Audience, BorrowedAudience, Claims, Issuer, Limits, NumericDate, Registered, RegisteredClaims, Scratch,
    Timestamp, Typ, Verifier, base64url, decode_unverified, jwt,
};
use serde::Deserialize;

use crate::bounds::bounded;
use crate::keys;
use crate::naive::Json;

/// The tokens that were signed; there are no others.
pub const SIGNED: [&str; 4] = [
    include_str!("../seeds/jwt/accepted-hs256"),
    include_str!("../seeds/jwt/accepted-es256"),
    include_str!("../seeds/jwt/accepted-eddsa"),
    include_str!("../seeds/jwt/accepted-rs256"),
];
/// Who signed them.
pub const ISSUER: &str = "https://auth.example.com";
/// For whom.
pub const AUDIENCE: &str = "https://api.example.com";
/// When they are looked at.
pub const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);
/// The verifier's allowance for clocks, in seconds.
const SKEW: f64 = 60.0;
/// The last second of the year 9999.
const LAST_SECOND: f64 = 253_402_300_799.0;

/// Takes `data` for a token; or, where it begins with a brace, for a header, a line break and a payload, of
/// which a token is made that is signed.
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    match text.split_once('\n') {
        Some((header, payload)) if header.starts_with('{') => check_signed(header, payload),
        _ => check_text(text),
    }
}

fn check_text(token: &str) -> bool {
    let accepted = is_accepted(token);
    assert!(!accepted || SIGNED.contains(&token), "a token was believed that nobody signed");
    accepted
}

fn check_signed(header: &str, payload: &str) -> bool {
    let signing_input =
        format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(payload.as_bytes()));
    let signature = keys::hs256(signing_input.as_bytes());
    let token = format!("{signing_input}.{}", base64url::encode(&signature));
    let accepted = is_accepted(&token);
    let wanted = is_good_header(header) && token.len() <= Limits::DEFAULT.token_bytes;
    match naive_claims(payload) {
        Verdict::Bad => assert!(!accepted, "claims were believed that do not hold"),
        Verdict::Good => assert_eq!(accepted, wanted, "the header decides"),
        Verdict::Open => assert!(!accepted || wanted),
    }
    accepted
}

/// The answer of every way to ask, which is one and the same.
fn is_accepted(token: &str) -> bool {
    static VERIFIER: LazyLock<Verifier> = LazyLock::new(verifier);
    let verified = bounded(token.len(), || VERIFIER.verify::<RegisteredClaims>(token, NOW));
    let code = verified.as_ref().err().map(|rejection| rejection.code());
    // The verifier above has seen headers before, this one none.
    let anew = verifier().verify::<RegisteredClaims>(token, NOW);
    assert_eq!(code, anew.err().map(|rejection| rejection.code()), "a verifier's memory changes nothing");
    let mut scratch = Scratch::default();
    let borrowed = VERIFIER.verify_in::<BorrowedClaims<'_>>(token, NOW, &mut scratch);
    assert_eq!(code, borrowed.err().map(|rejection| rejection.code()), "borrowed claims are the same claims");
    if let Err(rejection) = &verified {
        assert!(rejection.to_string().len() < 2048, "a rejection repeats no more than excerpts");
    }

    let unverified = check_unverified(token);
    assert!(unverified || verified.is_err(), "what verifies decodes");
    if let Ok(claims) = &verified {
        assert_eq!(jwt::unverified_issuer(token).as_deref(), Ok(claims.iss.as_str()));
    }
    verified.is_ok()
}

/// Decodes without verifying, and compares with a naive decoding.
fn check_unverified(token: &str) -> bool {
    let issuer = bounded(token.len(), || jwt::unverified_issuer(token));
    let parts: Vec<&str> = token.split('.').collect();
    if let Ok(issuer) = &issuer {
        let payload = base64url::decode(parts[1]).expect("the payload was read");
        let payload = Json::parse_strict_object(&payload, &Limits::DEFAULT).expect("strictly");
        assert_eq!(payload.text("iss"), Some(issuer.as_str()));
    }
    let Ok(unverified) = bounded(token.len(), || decode_unverified(token)) else { return false };
    let [header, payload, _] = parts.as_slice() else { panic!("three parts were accepted") };
    assert_eq!(base64url::encode(unverified.unverified_payload()), **payload);
    let header = base64url::decode(header).expect("the header was read");
    let header = Json::parse_strict_object(&header, &Limits::DEFAULT).expect("a strict header was read");
    assert_eq!(header.text("alg"), Some(unverified.unverified_alg()));
    assert_eq!(header.text("kid"), unverified.unverified_kid());
    assert_eq!(header.text("typ"), unverified.unverified_typ());
    assert!(header.find("crit").is_none() && header.find("b64").is_none());
    true
}

fn verifier() -> Verifier {
    static KEYS: LazyLock<gatepass_jose::KeySet> = LazyLock::new(keys::verifying);
    let issuer = Issuer::new(ISSUER).expect("not empty");
    let audience = Audience::new([AUDIENCE]).expect("not empty");
    Verifier::new(issuer, audience, Typ::ACCESS_TOKEN, KEYS.clone())
}

fn is_good_header(text: &str) -> bool {
    let limits = Limits::DEFAULT;
    let Some(header) = Json::parse_strict_object(text.as_bytes(), &limits) else { return false };
    let typ = header.text("typ").unwrap_or_default().to_ascii_lowercase();
    base64url::encode(text.as_bytes()).len() <= limits.header_bytes
        && header.text("alg") == Some("HS256")
        && header.is_text_or_absent("kid")
        && header.text("kid").is_none_or(|kid| kid == "hs") // the only key of its algorithm needs no name
        && matches!(typ.as_str(), "at+jwt" | "application/at+jwt")
        && header.find("crit").is_none()
        && header.find("b64").is_none()
}

enum Verdict {
    Good,
    Bad,
    /// A date so near to its bound that rounding decides.
    Open,
}

fn naive_claims(payload: &str) -> Verdict {
    let Some(claims) = Json::parse_strict_object(payload.as_bytes(), &Limits::DEFAULT) else {
        return Verdict::Bad;
    };
    let date = |name| claims.number(name).filter(|secs| (0.0..=LAST_SECOND).contains(secs));
    let nbf = match claims.find("nbf") {
        None => Some(0.0),
        Some(_) => date("nbf"),
    };
    let (Some(exp), Some(nbf)) = (date("exp"), nbf) else { return Verdict::Bad };
    if claims.text("iss") != Some(ISSUER) || !claims.find("aud").is_some_and(names_us) {
        return Verdict::Bad;
    }
    let now = NOW.as_secs() as f64;
    let left = [exp + SKEW - now, now + SKEW - nbf];
    match (left[0], left[1]) {
        _ if left.iter().any(|left| left.abs() < 0.002 && *left != 0.0) => Verdict::Open,
        (exp, nbf) if exp > 0.0 && nbf >= 0.0 => Verdict::Good,
        _ => Verdict::Bad,
    }
}

fn names_us(audience: &Json) -> bool {
    match audience {
        Json::Text(text) => text == AUDIENCE,
        Json::Array(items) => {
            let is_name = |item: &Json| matches!(item, Json::Text(text) if !text.is_empty());
            items.iter().all(is_name) && items.contains(&Json::Text(AUDIENCE.to_owned()))
        }
        _ => false,
    }
}

/// As [`RegisteredClaims`], read without copying.
#[derive(Deserialize)]
struct BorrowedClaims<'p> {
    #[serde(borrow)]
    iss: std::borrow::Cow<'p, str>,
    #[serde(borrow)]
    aud: BorrowedAudience<'p>,
    exp: NumericDate,
    #[serde(default, deserialize_with = "gatepass_jose::not_null")]
    nbf: Option<NumericDate>,
}

impl Claims for BorrowedClaims<'_> {
    fn registered(&self) -> Registered<'_> {
        Registered {
            issuer: Some(&self.iss),
            audience: Some(&self.aud),
            expires: Some(self.exp),
            not_before: self.nbf,
        }
    }
}
