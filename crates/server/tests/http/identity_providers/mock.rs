//! A provider that says whatever a test wants it to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use gatepass_issuer::{
    AccountPolicy, IdentityProvider, ProviderCredential, ProviderProtocol, SecretMethod, UserInfoMembers,
};
use gatepass_jose::{Alg, JwkSet, SecretKey, SigningKey, Typ, jwt};
use gatepass_server::Fetch;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "a secret: with % and +";

/// What it is asked, and what it says.
pub(crate) struct Said {
    /// The claims of the next ID token.
    pub(crate) claims: Value,
    /// In the place of the token endpoint's answer.
    pub(crate) token: Option<Raw>,
    /// In the place of the ID token.
    pub(crate) id_token: Option<String>,
    pub(crate) userinfo: Value,
    /// What its list of addresses is, if it has one.
    pub(crate) emails: Option<Value>,
    /// The members of its metadata that are others.
    pub(crate) metadata: Value,
    /// The forms that its token endpoint was sent, with what was sent as `Authorization`.
    pub(crate) asked: Vec<(BTreeMap<String, String>, String)>,
}

/// An answer as it goes over the wire.
#[derive(Clone)]
pub(crate) struct Raw(pub(crate) u16, pub(crate) &'static str, pub(crate) String);

#[derive(Clone)]
pub(crate) struct Mock {
    pub(crate) origin: String,
    pub(crate) key: Arc<SigningKey>,
    said: Arc<Mutex<Said>>,
}

impl Mock {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let said = Said {
            claims: json!({}),
            token: None,
            id_token: None,
            userinfo: json!({}),
            emails: None,
            metadata: json!({}),
            asked: Vec::new(),
        };
        let mock = Self {
            origin: format!("http://{}", listener.local_addr().unwrap()),
            key: Arc::new(SigningKey::generate(Alg::ES256, Some("k1")).unwrap()),
            said: Arc::new(Mutex::new(said)),
        };
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(metadata))
            .route("/jwks", get(jwks))
            .route("/token", post(token))
            .route("/userinfo", get(userinfo))
            .route("/emails", get(emails))
            .with_state(mock.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        mock
    }

    pub(crate) fn say<T>(&self, change: impl FnOnce(&mut Said) -> T) -> T {
        change(&mut self.said.lock().unwrap())
    }

    /// It, as an OpenID Connect provider.
    pub(crate) fn openid(&self, id: &str, accounts: AccountPolicy) -> Arc<IdentityProvider> {
        let protocol = ProviderProtocol::OpenIdConnect {
            issuer: gatepass_jose::Issuer::new(&self.origin).unwrap(),
            id_token_signed_response_alg: None,
        };
        let secret = SecretKey::new(SECRET.as_bytes());
        self.provider(id, protocol, ProviderCredential::Secret { secret, method: None }, accounts)
    }

    /// It, as a server of OAuth 2.0 alone.
    pub(crate) fn oauth(
        &self,
        id: &str,
        members: UserInfoMembers,
        accounts: AccountPolicy,
    ) -> Arc<IdentityProvider> {
        let at = |path: &str| format!("{}{path}", self.origin).parse().unwrap();
        let protocol = ProviderProtocol::OAuth {
            authorization_endpoint: at("/authorize?tenant=1"),
            token_endpoint: at("/token"),
            userinfo_endpoint: at("/userinfo"),
            emails_endpoint: self.say(|said| said.emails.is_some()).then(|| at("/emails")),
            members,
        };
        let method = Some(SecretMethod::ClientSecretPost);
        let secret = SecretKey::new(SECRET.as_bytes());
        self.provider(id, protocol, ProviderCredential::Secret { secret, method }, accounts)
    }

    pub(crate) fn provider(
        &self,
        id: &str,
        protocol: ProviderProtocol,
        credential: ProviderCredential,
        accounts: AccountPolicy,
    ) -> Arc<IdentityProvider> {
        let fetch = Fetch::new(vec![self.origin.parse().unwrap()]);
        Arc::new(IdentityProvider::new(
            id.parse().unwrap(),
            format!("The <{id}>"),
            protocol,
            "gatepass".to_owned(),
            credential,
            "openid email".to_owned(),
            accounts,
            Arc::new(fetch),
        ))
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        jwt::sign(&Typ::new("JWT"), claims, &self.key).unwrap()
    }
}

/// A provider that speaks this protocol, to users who have linked their account.
pub(crate) fn linked(id: &str, protocol: ProviderProtocol, source: Arc<Fetch>) -> Arc<IdentityProvider> {
    let secret = SecretKey::new(SECRET.as_bytes());
    Arc::new(IdentityProvider::new(
        id.parse().unwrap(),
        id.to_owned(),
        protocol,
        "gatepass".to_owned(),
        ProviderCredential::Secret { secret, method: None },
        "openid".to_owned(),
        AccountPolicy::Linked,
        source,
    ))
}

async fn metadata(State(mock): State<Mock>) -> Response {
    let at = |path: &str| format!("{}{path}", mock.origin);
    let mut metadata = json!({
        "issuer": mock.origin,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "userinfo_endpoint": at("/userinfo"),
        "jwks_uri": at("/jwks"),
        "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
    });
    let changes = mock.say(|said| said.metadata.clone());
    metadata.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    axum::Json(metadata).into_response()
}

async fn jwks(State(mock): State<Mock>) -> Response {
    axum::Json(JwkSet { keys: vec![mock.key.public_jwk().unwrap()] }).into_response()
}

async fn token(
    State(mock): State<Mock>,
    headers: HeaderMap,
    Form(form): Form<BTreeMap<String, String>>,
) -> Response {
    let shown = headers.get(AUTHORIZATION).map_or("", |value| value.to_str().unwrap()).to_owned();
    let (raw, id_token) = mock.say(|said| {
        said.asked.push((form, shown));
        let id_token = said.id_token.clone().unwrap_or_else(|| mock.sign(&said.claims));
        (said.token.clone(), id_token)
    });
    if let Some(Raw(status, media_type, body)) = raw {
        return (StatusCode::from_u16(status).unwrap(), [(CONTENT_TYPE, media_type)], body).into_response();
    }
    axum::Json(
        json!({ "access_token": "at-1", "token_type": "Bearer", "expires_in": 60, "id_token": id_token }),
    )
    .into_response()
}

async fn userinfo(State(mock): State<Mock>, headers: HeaderMap) -> Response {
    to_its_token(&headers, mock.say(|said| said.userinfo.clone()))
}

async fn emails(State(mock): State<Mock>, headers: HeaderMap) -> Response {
    to_its_token(&headers, mock.say(|said| said.emails.clone().unwrap()))
}

fn to_its_token(headers: &HeaderMap, answer: Value) -> Response {
    match headers.get(AUTHORIZATION).is_some_and(|value| value == "Bearer at-1") {
        true => axum::Json(answer).into_response(),
        false => StatusCode::UNAUTHORIZED.into_response(),
    }
}
