//! A client's document, as JSON.
//!
//! One document is for every server that its client uses, so members and grants that nobody here knows are passed
//! over. What it must not say, or says of somebody else, is refused.

use gatepass_issuer::DocumentError;
use gatepass_issuer::admin::NewCredential;
use gatepass_issuer::client::{
    AcrValues, ClientExtensions, ClientKeySource, ClientKeys, GrantType, NotificationUri,
};
use gatepass_issuer::id::ClientId;
use gatepass_issuer::redirect_uri::RedirectUri;
use gatepass_issuer::registration::ClientMetadata;
use gatepass_jose::{Alg, parse_strict_json};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde::de::value::{Error as NameError, StrDeserializer};

use super::refused;
use crate::endpoint::admin::require_name;

#[derive(Deserialize)]
struct Document {
    client_id: String,
    client_name: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default)]
    post_logout_redirect_uris: Vec<String>,
    grant_types: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    jwks: Option<ClientKeys>,
    jwks_uri: Option<String>,
    dpop_bound_access_tokens: Option<bool>,
    default_max_age: Option<Named<u32, u64>>,
    require_auth_time: Option<bool>,
    default_acr_values: Option<Named<AcrValues, Vec<String>>>,
    token_endpoint_auth_signing_alg: Option<Named<Alg, String>>,
    request_object_signing_alg: Option<Named<Alg, String>>,
    client_secret: Option<IgnoredAny>,
    client_secret_expires_at: Option<IgnoredAny>,
}

/// A value that this server knows, or one that others may know: the document is for them too.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Named<T, O> {
    Known(T),
    Other(O),
}

impl<T, O> Named<T, O> {
    fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Other(_) => None,
        }
    }
}

/// Reads the document that was found where `id` leads.
pub(super) fn parse(id: &ClientId, body: &[u8]) -> Result<ClientMetadata, DocumentError> {
    let document: Document = parse_strict_json(body).map_err(|error| refused(&error.to_string()))?;
    // Character for character: else a document that somebody placed at another URL could speak for this one.
    if document.client_id != id.as_str() {
        return Err(refused("its client_id is not the URL that it was found at"));
    }
    if document.client_secret.is_some() || document.client_secret_expires_at.is_some() {
        return Err(refused("it has a secret, which everybody could read"));
    }
    let name = document.client_name.clone().map(require_name).transpose().map_err(refused)?;
    let assertion_alg = assertion_alg(&document)?;
    let grants = document.grant_types.clone().unwrap_or_else(|| vec!["authorization_code".to_owned()]);
    Ok(ClientMetadata {
        name,
        credential: credential(&document)?,
        grants: grants.iter().filter_map(|name| grant(name)).collect(),
        scope: None,
        redirect_uris: redirect_uris(&document.redirect_uris)?,
        post_logout_redirect_uris: redirect_uris(&document.post_logout_redirect_uris)?,
        backchannel_logout_uri: None,
        frontchannel_logout_uri: None,
        require_pushed: false,
        authorization_details_types: None,
        extensions: ClientExtensions {
            dpop_bound_access_tokens: document.dpop_bound_access_tokens.unwrap_or_default(),
            default_max_age: document.default_max_age.and_then(Named::known),
            require_auth_time: document.require_auth_time.unwrap_or_default(),
            default_acr_values: document.default_acr_values.and_then(Named::known).unwrap_or_default(),
            token_endpoint_auth_signing_alg: assertion_alg,
            request_object_signing_alg: document.request_object_signing_alg.and_then(Named::known),
            ..ClientExtensions::default()
        },
    })
}

/// The only algorithm of the client's assertions. One that nobody here knows is no matter to a client that makes none.
fn assertion_alg(document: &Document) -> Result<Option<Alg>, DocumentError> {
    let signs = document.token_endpoint_auth_method.as_deref() == Some("private_key_jwt");
    match &document.token_endpoint_auth_signing_alg {
        Some(Named::Other(_)) if signs => {
            Err(refused("it signs its assertions with an algorithm that is not known here"))
        }
        named => Ok(named.clone().and_then(Named::known)),
    }
}

/// A grant that this server knows.
fn grant(name: &str) -> Option<GrantType> {
    GrantType::deserialize(StrDeserializer::<NameError>::new(name)).ok()
}

fn credential(document: &Document) -> Result<NewCredential, DocumentError> {
    match document.token_endpoint_auth_method.as_deref() {
        Some("private_key_jwt") => keys(document).map(NewCredential::Keys),
        Some("none") | None => Ok(NewCredential::None),
        Some(_) => Err(refused("its token_endpoint_auth_method is not none or private_key_jwt")),
    }
}

/// The keys that it signs with. Where it publishes them is its own choice, another host too: the document speaks for the client,
/// and names it.
fn keys(document: &Document) -> Result<ClientKeySource, DocumentError> {
    let jwks_uri = document.jwks_uri.as_deref().map(str::parse::<NotificationUri>).transpose();
    let jwks_uri = jwks_uri.map_err(|error| refused(&format!("jwks_uri: {error}")))?;
    let keys = ClientKeySource::of(document.jwks.clone(), jwks_uri);
    let keys = keys.map_err(|error| refused(&error.to_string()))?;
    keys.ok_or_else(|| refused("private_key_jwt needs keys, as jwks or at a jwks_uri"))
}

fn redirect_uris(texts: &[String]) -> Result<Vec<RedirectUri>, DocumentError> {
    if texts.len() > RedirectUri::MOST {
        return Err(refused("it has too many redirect URIs"));
    }
    let parsed = texts.iter().map(|uri| uri.parse::<RedirectUri>()).collect::<Result<_, _>>();
    parsed.map_err(|error| refused(&error.to_string()))
}

#[cfg(test)]
mod tests {
    use gatepass_jose::{Alg, SigningKey};
    use serde_json::{Value, json};

    use super::*;

    const URL: &str = "https://agent.example/client.json";
    const KEYS: &str = "https://keys.agent.example/jwks.json";

    fn document() -> Value {
        json!({
            "client_id": URL,
            "client_name": "Agent",
            "redirect_uris": ["http://127.0.0.1/cb", "https://agent.example/cb"],
            "grant_types": ["authorization_code", "refresh_token", "urn:example:dance"],
            "logo_uri": "https://agent.example/logo.png",
        })
    }

    #[test]
    fn what_a_document_says() {
        let but = |name: &str, value: Value| {
            let mut document = document();
            document[name] = value;
            document.to_string()
        };
        let key = SigningKey::generate(Alg::ES256, None).unwrap();
        let jwks = json!({ "keys": [key.public_jwk().unwrap()] });
        let private: Value = serde_json::from_str(&key.to_jwk().unwrap().to_json()).unwrap();
        let private = json!({ "keys": [private] });
        let keys = |members: Value| {
            let mut document = document();
            document["token_endpoint_auth_method"] = json!("private_key_jwt");
            document.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            document.to_string()
        };
        let twice = document().to_string().replacen('{', &format!("{{\"client_id\":\"{URL}\","), 1);
        let many: Vec<String> = (0..33).map(|at| format!("https://agent.example/{at}")).collect();
        let cases = [
            ("good", document().to_string(), true),
            ("none", but("token_endpoint_auth_method", json!("none")), true),
            ("another_url", but("client_id", json!("https://other.example/client.json")), false),
            ("almost_the_same", but("client_id", json!(format!("{URL}?"))), false),
            ("no_client_id", but("client_id", Value::Null), false),
            ("a_secret", but("client_secret", json!("s")), false),
            ("an_end_of_a_secret", but("client_secret_expires_at", json!(0)), false),
            ("by_secret", but("token_endpoint_auth_method", json!("client_secret_basic")), false),
            ("an_algorithm_to_sign_with", but("request_object_signing_alg", json!("ES256")), true),
            ("unsigned_requests", but("request_object_signing_alg", json!("none")), true),
            ("no_answer_to_it", but("require_auth_time", Value::Null), true),
            ("an_age_of_another_kind", but("default_max_age", json!("300")), false),
            ("an_age_before_now", but("default_max_age", json!(-1)), false),
            ("a_wish_of_another_kind", but("default_acr_values", json!("a b")), false),
            ("a_switch_of_another_kind", but("require_auth_time", json!("yes")), false),
            ("more_ways_to_log_in_than_one_server_has", but("default_acr_values", json!(many)), true),
            ("an_algorithm_of_no_assertions", but("token_endpoint_auth_signing_alg", json!("ES256K")), true),
            (
                "an_algorithm_of_its_assertions",
                keys(json!({ "jwks": jwks, "token_endpoint_auth_signing_alg": "ES256" })),
                true,
            ),
            (
                "an_unknown_algorithm_of_its_assertions",
                keys(json!({ "jwks": jwks, "token_endpoint_auth_signing_alg": "ES256K" })),
                false,
            ),
            ("no_keys", but("token_endpoint_auth_method", json!("private_key_jwt")), false),
            ("an_address_of_no_keys", keys(json!({ "jwks_uri": "http://keys.example/jwks" })), false),
            (
                "another_address_of_no_keys",
                keys(json!({ "jwks_uri": "https://me:pw@keys.example/jwks" })),
                false,
            ),
            ("keys_and_their_address", keys(json!({ "jwks_uri": KEYS, "jwks": jwks })), false),
            ("keys_elsewhere", keys(json!({ "jwks_uri": KEYS })), true),
            ("keys", keys(json!({ "jwks": jwks })), true),
            ("a_private_key", keys(json!({ "jwks": private })), false),
            ("a_private_key_of_a_public_client", but("jwks", private.clone()), false),
            ("plain_http", but("redirect_uris", json!(["http://agent.example/cb"])), false),
            ("script", but("redirect_uris", json!(["javascript:alert(1)"])), false),
            ("many", but("redirect_uris", json!(many)), false),
            ("name", but("client_name", json!("a\u{202e}\nb")), false),
            ("no_object", "[]".to_owned(), false),
            ("no_json", "<html>".to_owned(), false),
            ("twice", twice, false),
        ];
        let id = URL.parse().unwrap();
        for (name, body, want) in cases {
            assert_eq!(parse(&id, body.as_bytes()).is_ok(), want, "{name}");
        }
        let metadata = parse(&id, document().to_string().as_bytes()).unwrap();
        assert_eq!(metadata.grants, [GrantType::AuthorizationCode, GrantType::RefreshToken]);
        assert_eq!((metadata.name.as_deref(), metadata.redirect_uris.len()), (Some("Agent"), 2));
        let wanted = |members: Value| parse(&id, keys(members).as_bytes()).unwrap().extensions;
        let said = wanted(json!({
            "jwks": jwks, "default_max_age": 300, "require_auth_time": true, "default_acr_values": ["a"],
            "token_endpoint_auth_signing_alg": "ES256", "request_object_signing_alg": "PS256",
        }));
        assert_eq!((said.default_max_age, said.require_auth_time), (Some(300), true));
        assert_eq!(said.default_acr_values.iter().collect::<Vec<_>>(), ["a"]);
        let algs = (said.token_endpoint_auth_signing_alg, said.request_object_signing_alg);
        assert_eq!(algs, (Some(Alg::ES256), Some(Alg::PS256)));
        let of_others = wanted(json!({
            "jwks": jwks, "default_max_age": 1_u64 << 40, "require_auth_time": null, "default_acr_values": many,
            "request_object_signing_alg": "none",
        }));
        assert_eq!(of_others, ClientExtensions::default());
    }
}
