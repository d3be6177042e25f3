//! A small service that verifies tokens well, but for the one mistake that it is told to make. Never part of
//! the product: each branch on [`Service::makes`] is how that mistake looks in real code.

mod claims;
mod encrypted;
mod header;
mod signature;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use gatepass_jose::{Alg, SecretKey, SigningKey, Typ, VerifyingKey, base64url, jwt, parse_strict_json};
use serde_json::{Map, Value, json};

use crate::NOW;

pub(crate) const ISSUER: &str = "https://auth.example.com";
pub(crate) const AUDIENCE: &str = "https://api.example.com";
const TYP: &str = "at+jwt";
const KID: &str = "2026-11-a";

type Members = Map<String, Value>;

/// The service does not accept the token, or has broken over it.
#[derive(Debug)]
pub(crate) enum No {
    Refused,
    Crashed,
}

type Verified<T> = Result<T, No>;

/// One service: its key, and its mistake.
pub(crate) struct Service {
    mistake: &'static str,
    pub(crate) alg: Alg,
    pub(crate) key: SigningKey,
    verifying: VerifyingKey,
    client: reqwest::Client,
    /// Signing inputs and signatures of tokens that were good once, for a service that keeps them apart.
    seen: Mutex<(BTreeSet<String>, BTreeSet<String>)>,
}

impl Service {
    /// A service that makes this mistake, by its class's id; none where it is empty.
    pub(crate) fn new(mistake: &'static str, alg: Alg) -> Arc<Self> {
        let key = match mistake {
            "hmac-weak" => {
                let secret = SecretKey::new(*b"0123456789abcdef0123456789abcdef");
                SigningKey::from_secret(alg, KID, &secret).unwrap()
            }
            _ => SigningKey::generate(alg, Some(KID)).unwrap(),
        };
        let verifying = key.verifying_key().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        Arc::new(Self { mistake, alg, key, verifying, client, seen: Mutex::default() })
    }

    /// Whether this is its mistake.
    fn makes(&self, mistake: &str) -> bool {
        self.mistake == mistake
    }

    /// Serves until the test ends, and gives the URL.
    pub(crate) async fn serve(self: &Arc<Self>) -> String {
        let router = Router::new().fallback(answer).with_state(Arc::clone(self));
        serve(router).await
    }

    /// A token of the service's issuer.
    pub(crate) fn token(&self, audience: &str, jti: &str) -> String {
        let claims = json!({
            "iss": ISSUER, "aud": audience, "sub": "ada", "client_id": "web", "scope": "orders:read", "jti": jti,
            "iat": NOW - 60, "exp": NOW + 900,
        });
        jwt::sign(&Typ::ACCESS_TOKEN, &claims, &self.key).unwrap()
    }

    pub(crate) fn good_token(&self) -> String {
        self.token(AUDIENCE, "1")
    }

    /// What the service publishes, if its key has a public half.
    pub(crate) fn jwk_set(&self) -> Option<String> {
        Some(json!({"keys": [serde_json::to_value(self.key.public_jwk()?).unwrap()]}).to_string())
    }
}

/// Serves a router on a free port until the test ends.
pub(crate) async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/orders?page=1")
}

async fn answer(State(service): State<Arc<Service>>, request: Request) -> StatusCode {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap_or_default();
    let body = String::from_utf8_lossy(&body).into_owned();
    let verified = match service.find_token(&parts, &body) {
        Some(token) => service.verify(&token).await,
        None => Err(No::Refused),
    };
    match verified {
        Ok(()) => StatusCode::OK,
        Err(No::Refused) => StatusCode::UNAUTHORIZED,
        Err(No::Crashed) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl Service {
    fn find_token(&self, parts: &axum::http::request::Parts, body: &str) -> Option<String> {
        let parameter = |text: &str| {
            text.split('&').find_map(|pair| pair.strip_prefix("access_token=")).map(str::to_owned)
        };
        if self.makes("token-in-query")
            && let Some(token) = parameter(parts.uri.query().unwrap_or_default())
        {
            return Some(token);
        }
        if self.makes("token-in-body")
            && let Some(token) = parameter(body)
        {
            return Some(token);
        }
        let fields: Vec<_> = parts.headers.get_all(AUTHORIZATION).iter().collect();
        let field = match fields.as_slice() {
            [only] => *only,
            [.., last] if self.makes("two-fields") => *last,
            _ => return None,
        };
        let value = field.to_str().ok()?;
        if self.makes("scheme-wrong") && !value.contains(' ') {
            return Some(value.to_owned());
        }
        let (scheme, token) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("Bearer") {
            return None;
        }
        let token = match self.mistake {
            "token-list" => token.split(',').next()?,
            "token-surrounded" => token.trim_matches(['"', '\'', '<', '>']),
            _ => token,
        };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte);
        let any = ["base64-malleable", "json-serialization", "b64-false"].contains(&self.mistake);
        (any || token.bytes().all(allowed)).then(|| token.to_owned())
    }

    async fn verify(&self, token: &str) -> Verified<()> {
        if self.makes("oversized") && token.len() > 100_000 {
            return Err(No::Crashed);
        }
        if self.makes("json-serialization") && token.starts_with('{') {
            let jws: Members = serde_json::from_str(token).map_err(|_| No::Refused)?;
            let part = |name| jws.get(name).and_then(Value::as_str).ok_or(No::Refused);
            let compact = format!("{}.{}.{}", part("protected")?, part("payload")?, part("signature")?);
            return Box::pin(self.verify(&compact)).await;
        }
        let parts: Vec<&str> = token.split('.').collect();
        match parts.as_slice() {
            [header, payload, signature] => self.verify_jws(header, payload, signature).await,
            [header, payload] if self.makes("signature-missing") => {
                self.require_header(&self.header(header)?)?;
                self.require_claims(&self.payload(payload)?)
            }
            [header, payload, signature, ..] if self.makes("part-count") => {
                self.verify_jws(header, payload, signature).await
            }
            [_, _, _, payload, _] if self.makes("jwe-as-jws") => self.require_claims(&self.payload(payload)?),
            [header, ..] if parts.len() == 5 => self.decrypt(header, token),
            _ => Err(No::Refused),
        }
    }

    async fn verify_jws(&self, header: &str, payload: &str, signature: &str) -> Verified<()> {
        let members = self.header(header)?;
        if self.makes("nested") && members.get("cty") == Some(&json!("JWT")) {
            let inner = base64url::decode(payload).map_err(|_| No::Refused)?;
            let inner = String::from_utf8(inner).map_err(|_| No::Refused)?;
            return Box::pin(self.verify(&inner)).await;
        }
        self.require_parsable(payload)?;
        let input = format!("{header}.{payload}");
        if !self.passes_unsigned(header, &members, signature) {
            self.require_signature(&members, &input, payload, signature).await?;
        }
        let claims = match self.makes("b64-false") && members.get("b64") == Some(&json!(false)) {
            true => parse_strict_json(payload.as_bytes()).map_err(|_| No::Refused)?,
            false => self.payload(payload)?,
        };
        self.require_type(&members, &claims)?;
        self.require_claims(&claims)
    }

    fn decode(&self, encoded: &str) -> Verified<Vec<u8>> {
        if self.makes("base64-malleable") {
            return Ok(decode_anything(encoded));
        }
        base64url::decode(encoded).map_err(|_| No::Refused)
    }
}

/// A parser that does not mind what comes after the object.
fn without_trailer(bytes: &[u8]) -> Option<Members> {
    let end = bytes.iter().rposition(|byte| *byte == b'}')?;
    parse_strict_json(&bytes[..=end]).ok()
}

/// A parser that keeps the first of several members of one name.
fn first_wins(bytes: &[u8]) -> Option<Members> {
    struct First(Members);

    impl<'de> serde::de::Deserialize<'de> for First {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            struct Map;

            impl<'de> serde::de::Visitor<'de> for Map {
                type Value = First;

                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("an object")
                }

                fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<First, A::Error> {
                    let mut members = Members::new();
                    while let Some((name, value)) = map.next_entry::<String, Value>()? {
                        members.entry(name).or_insert(value);
                    }
                    Ok(First(members))
                }
            }

            deserializer.deserialize_map(Map)
        }
    }

    serde_json::from_slice::<First>(bytes).ok().map(|first| first.0)
}

/// A decoder that takes both alphabets and skips what belongs to neither.
fn decode_anything(text: &str) -> Vec<u8> {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let text = text.replace('+', "-").replace('/', "_");
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for value in text.chars().filter_map(|letter| ALPHABET.find(letter)) {
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}
