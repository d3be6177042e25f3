//! One request, one answer: JSON mapped to calls of the library, and nothing decided here.

use std::fmt::Display;

use gatepass_jose::jwe::{
    ContentEncryption, Decrypter, DecryptionKey, DecryptionKeys, KeyManagement, primitives,
};
use gatepass_jose::{
    Alg, Jwk, JwkError, JwkSet, KeyError, KeySet, PrivateJwk, PrivateJwkSet, SecretKey, Timestamp,
    VerifyingKey, base64url, jws, parse_strict_json,
};
use gatepass_token::{CodeVerifier, DpopNonce, DpopRequest, DpopVerifier, StatusList, StatusListClaim};
use serde_json::{Value, json};

/// The most bytes that a status list or compressed content may become here.
const MAX_DECOMPRESSED: usize = 4 << 20;

/// Algorithms that the registry has and the library does not offer, with the types of their keys.
pub(crate) type NotOffered = &'static [(&'static str, &'static [&'static str])];

pub(crate) const NO_SIGNATURES: NotOffered = &[("ES256K", &["EC"]), ("Ed448", &["OKP"])];
pub(crate) const NO_ENCRYPTION: NotOffered = &[
    ("RSA1_5", &["RSA"]),
    ("A192KW", &["oct"]),
    ("ECDH-ES+A192KW", &["EC", "OKP"]),
    ("PBES2-HS384+A192KW", &["oct"]),
];
/// Curves of which the same is true.
const NO_CURVES: &[&str] = &["secp256k1", "Ed448", "X448"];

/// Why there is no answer.
enum No {
    Unsupported,
    Refused(String),
}

impl<E: Display> From<E> for No {
    fn from(error: E) -> Self {
        Self::Refused(error.to_string())
    }
}

/// The member that the answer to an operation has beside `ok`, if it has one.
type Answer = Result<Option<(&'static str, Value)>, No>;

/// Answers one request; the answer lacks only the request's `id`.
pub(crate) fn answer(request: &Value) -> Value {
    match ask(request) {
        Ok(member) => member.into_iter().chain([("ok", json!(true))]).collect(),
        Err(No::Unsupported) => json!({ "unsupported": true }),
        Err(No::Refused(error)) => json!({ "ok": false, "err": error }),
    }
}

fn ask(request: &Value) -> Answer {
    match text(request, "op")? {
        "jws_verify" => jws_verify(request),
        "jwe_decrypt" => jwe_decrypt(request),
        "jwk_parse" => jwk_parse(request),
        "thumbprint" => thumbprint(request),
        "json_strict" => json_strict(request),
        "b64url_decode" => Ok(Some(("hex", to_hex(&base64url::decode(text(request, "s")?)?)))),
        "dpop" => dpop(request),
        "pkce" => pkce(request),
        "status_list" => status_list(request),
        "hmac" | "ecdsa_p1363" | "eddsa" | "rsa_pkcs1" | "rsa_pss" => signature(request),
        "ecdh" => ecdh(request),
        "content_decrypt" => content_decrypt(request),
        "aes_kw_unwrap" => aes_kw_unwrap(request),
        other => Err(format!("no operation is called {other:?}").into()),
    }
}

fn jws_verify(request: &Value) -> Answer {
    let (token, key) = (member(request, "token")?, member(request, "key")?);
    require_offered(key, token, NO_SIGNATURES)?;
    let payload = request["payload_b64u"].as_str().map(base64url::decode).transpose()?;
    let verify = |keys: KeySet| {
        let verifier = jws::Verifier::new(keys);
        match (token.as_str(), &payload) {
            (Some(compact), None) => verifier.verify(compact),
            (Some(compact), Some(payload)) => verifier.verify_detached(compact, payload),
            (None, None) => verifier.verify_json(token.to_string().as_bytes()),
            (None, Some(payload)) => verifier.verify_json_detached(token.to_string().as_bytes(), payload),
        }
    };
    let verified = first(key_sets(key)?, |keys| verify(keys).map_err(No::from))?;
    Ok(Some(("payload_b64u", json!(base64url::encode(verified.payload())))))
}

/// The sets that a `key` may mean: a JWK Set is one; a JWK that names no algorithm is one for each that it
/// is good for.
fn key_sets(key: &Value) -> Result<Vec<KeySet>, No> {
    if key["keys"].is_array() {
        return Ok(vec![key_set(key.to_string().as_bytes())?]);
    }
    let key = Key::parse(key)?;
    let keys = Alg::all().filter_map(|alg| key.verifying(&[alg]).ok());
    Ok(keys.map(|key| KeySet::new(vec![key])).collect())
}

fn key_set(json: &[u8]) -> Result<KeySet, No> {
    let all: Vec<_> = Alg::all().collect();
    match PrivateJwkSet::parse(json) {
        Ok(set) => {
            let keys = set.keys.iter().map(|jwk| VerifyingKey::from_private_jwk(jwk, &all));
            Ok(KeySet::new(keys.collect::<Result<_, _>>()?))
        }
        Err(JwkError::NotPrivate) => Ok(KeySet::from_jwks(&JwkSet::parse(json)?, &all)),
        Err(error) => Err(error.into()),
    }
}

/// What a JWK may be.
enum Key {
    Public(Jwk),
    Private(PrivateJwk),
}

impl Key {
    fn parse(key: &Value) -> Result<Self, JwkError> {
        let json = key.to_string();
        match PrivateJwk::parse(json.as_bytes()) {
            Err(JwkError::NotPrivate) => Jwk::parse(json.as_bytes()).map(Self::Public),
            private => private.map(Self::Private),
        }
    }

    fn verifying(&self, algs: &[Alg]) -> Result<VerifyingKey, KeyError> {
        match self {
            Self::Public(jwk) => VerifyingKey::from_jwk(jwk, algs),
            Self::Private(jwk) => VerifyingKey::from_private_jwk(jwk, algs),
        }
    }

    fn thumbprint(&self) -> String {
        match self {
            Self::Public(jwk) => jwk.thumbprint(),
            Self::Private(jwk) => jwk.thumbprint(),
        }
    }
}

fn jwe_decrypt(request: &Value) -> Answer {
    let (token, key) = (member(request, "token")?, member(request, "key")?);
    require_offered(key, token, NO_ENCRYPTION)?;
    let password = request["password_b64u"].as_str().map(SecretKey::parse).transpose()?;
    let jwk = PrivateJwk::parse(key.to_string().as_bytes())?;
    let keys = decryption_keys(&jwk, password.as_ref());
    let content: Vec<_> = ContentEncryption::all().collect();
    let decrypted = first(keys, |key| {
        let decrypter =
            Decrypter::new(DecryptionKeys::new(vec![key]), &content).with_decompression(MAX_DECOMPRESSED);
        match token.as_str() {
            Some(compact) => decrypter.decrypt(compact),
            None => decrypter.decrypt_json(token.to_string().as_bytes()),
        }
        .map_err(No::from)
    })?;
    Ok(Some(("plaintext_b64u", json!(base64url::encode(decrypted.plaintext())))))
}

/// One key for each algorithm that `jwk`, or else the password, is good for.
fn decryption_keys(jwk: &PrivateJwk, password: Option<&SecretKey>) -> Vec<DecryptionKey> {
    let kid = jwk.kid.as_deref().unwrap_or_default();
    let key = |alg| match password {
        Some(password) => DecryptionKey::from_password(alg, kid, password).ok(),
        None => DecryptionKey::from_jwk(jwk, Some(alg)).ok(),
    };
    // Several content encryptions have keys of one size, and this secret does not say for which it is.
    let secret = jwk.secret().filter(|_| jwk.alg.is_none() && password.is_none());
    let direct = |enc| DecryptionKey::direct(enc, kid, secret?).ok();
    KeyManagement::all().filter_map(key).chain(ContentEncryption::all().filter_map(direct)).collect()
}

fn jwk_parse(request: &Value) -> Answer {
    let json = member(request, "json")?;
    match json["keys"].as_array() {
        Some(keys) => keys.iter().try_for_each(|key| Key::parse(key).map(drop))?,
        None => drop(Key::parse(json)?),
    }
    Ok(None)
}

fn thumbprint(request: &Value) -> Answer {
    Ok(Some(("sha256", json!(Key::parse(member(request, "jwk")?)?.thumbprint()))))
}

fn json_strict(request: &Value) -> Answer {
    parse_strict_json::<Value>(&base64url::decode(text(request, "b64u")?)?)?;
    Ok(None)
}

fn dpop(request: &Value) -> Answer {
    let asked = DpopRequest {
        method: text(request, "htm")?,
        uri: text(request, "htu")?,
        access_token: request["access_token"].as_str(),
        nonce: DpopNonce::NotAsked,
    };
    let now = Timestamp::from_secs(member(request, "now")?.as_i64().unwrap_or_default());
    let proof = DpopVerifier::new(Alg::all()).verify(text(request, "proof")?, &asked, now)?;
    Ok(Some(("jkt", json!(proof.jkt))))
}

fn pkce(request: &Value) -> Answer {
    let challenge = CodeVerifier::parse(text(request, "verifier")?)?.challenge();
    Ok(Some(("challenge", json!(challenge.to_string()))))
}

fn status_list(request: &Value) -> Answer {
    let claim: StatusListClaim = serde_json::from_value(member(request, "status_list")?.clone())?;
    let list = StatusList::decode(&claim, MAX_DECOMPRESSED)?;
    let indices: Vec<usize> = serde_json::from_value(member(request, "indices")?.clone())?;
    let values = indices.into_iter().map(|index| list.status(index).map(|status| status.value()));
    Ok(Some(("values", values.collect::<Result<_, _>>()?)))
}

fn signature(request: &Value) -> Answer {
    let jwk = member(request, "jwk")?;
    require_offered(jwk, &Value::Null, NO_SIGNATURES)?;
    let Ok(alg) = text(request, "alg")?.parse::<Alg>() else { return Err(No::Unsupported) };
    let key = Key::parse(jwk)?.verifying(&[alg])?;
    if key.verifies(&hex(request, "msg_hex")?, &hex(request, "sig_hex")?) {
        Ok(None)
    } else {
        Err("the signature does not verify".into())
    }
}

fn ecdh(request: &Value) -> Answer {
    let (private, public) = (member(request, "private")?, member(request, "public")?);
    require_offered(private, &Value::Null, NO_ENCRYPTION)?;
    let private = PrivateJwk::parse(private.to_string().as_bytes())?;
    let public = Jwk::parse(public.to_string().as_bytes())?;
    Ok(Some(("z_hex", to_hex(&primitives::agree(&private, &public)?))))
}

fn content_decrypt(request: &Value) -> Answer {
    let enc: ContentEncryption = text(request, "enc")?.parse()?;
    let [key, iv, aad, ct, tag] =
        ["key_hex", "iv_hex", "aad_hex", "ct_hex", "tag_hex"].map(|name| hex(request, name));
    let plaintext = primitives::decrypt_content(enc, &key?, &iv?, &aad?, &ct?, &tag?)?;
    Ok(Some(("pt_hex", to_hex(&plaintext))))
}

fn aes_kw_unwrap(request: &Value) -> Answer {
    let Ok(alg) = text(request, "alg")?.parse::<KeyManagement>() else { return Err(No::Unsupported) };
    let unwrapped = primitives::unwrap_key(alg, &hex(request, "key_hex")?, &hex(request, "ct_hex")?)?;
    Ok(Some(("pt_hex", to_hex(&unwrapped))))
}

/// Tells requests for something that the library does not offer: by the key where it names its algorithm
/// or curve, else by what the headers ask of a key of that type.
fn require_offered(key: &Value, token: &Value, not_offered: NotOffered) -> Result<(), No> {
    let kty = key["kty"].as_str().unwrap_or_default();
    let is_missing = |alg: &str| not_offered.iter().any(|(name, types)| *name == alg && types.contains(&kty));
    let alg_is_missing = match key["alg"].as_str() {
        Some(alg) => is_missing(alg),
        None => header_algs(token).iter().any(|alg| is_missing(alg)),
    };
    let curve_is_missing = key["crv"].as_str().is_some_and(|crv| NO_CURVES.contains(&crv));
    if alg_is_missing || curve_is_missing { Err(No::Unsupported) } else { Ok(()) }
}

/// Every `alg` that a header of the token names, in any serialization.
fn header_algs(token: &Value) -> Vec<String> {
    let protected = |encoded: &Value| {
        let header = base64url::decode(encoded.as_str()?.split('.').next()?).ok()?;
        serde_json::from_slice::<Value>(&header).ok()
    };
    let lists =
        [&token["recipients"], &token["signatures"]].into_iter().filter_map(Value::as_array).flatten();
    let parts = std::iter::once(token).chain(lists);
    let headers = parts.flat_map(|part| {
        [
            protected(part),
            protected(&part["protected"]),
            Some(part["header"].clone()),
            Some(part["unprotected"].clone()),
        ]
    });
    headers.flatten().filter_map(|header| header.get("alg")?.as_str().map(str::to_owned)).collect()
}

/// What the first of `candidates` gives that gives anything, else why the first did not.
fn first<C, T>(candidates: Vec<C>, attempt: impl Fn(C) -> Result<T, No>) -> Result<T, No> {
    let mut error = None;
    for candidate in candidates {
        match attempt(candidate) {
            Ok(result) => return Ok(result),
            Err(refusal) => error.get_or_insert(refusal),
        };
    }
    Err(error.unwrap_or_else(|| No::Refused("the key is not good for this".to_owned())))
}

fn member<'r>(request: &'r Value, name: &str) -> Result<&'r Value, No> {
    request.get(name).ok_or_else(|| No::Refused(format!("the request has no {name:?}")))
}

fn text<'r>(request: &'r Value, name: &str) -> Result<&'r str, No> {
    member(request, name)?.as_str().ok_or_else(|| No::Refused(format!("{name:?} is no text")))
}

fn hex(request: &Value, name: &str) -> Result<Vec<u8>, No> {
    let text = text(request, name)?;
    let digits = text
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair)?, 16).map_err(No::from));
    digits.collect()
}

fn to_hex(bytes: &[u8]) -> Value {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into()
}
