//! Client metadata as JSON ([RFC 7591 section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2)).
//!
//! Members that nobody here knows are passed over, as section 2 demands. What is known and not served is refused: a
//! client that asked for it and heard nothing would believe that it has it.

use std::borrow::Cow;

use gatepass_issuer::SubjectType;
use gatepass_issuer::admin::NewCredential;
use gatepass_issuer::client::{
    AcrValues, ClientExtensions, ClientKeySource, ClientKeys, Credential, GrantType, NotificationUri,
    ResponseFormats,
};
use gatepass_issuer::id::ClientId;
use gatepass_issuer::redirect_uri::RedirectUri;
use gatepass_issuer::registration::{ClientMetadata, Registered};
use gatepass_jose::Alg;
use gatepass_token::ScopeSet;
use http::StatusCode;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::endpoint::admin::require_name;
use crate::oauth_error::OAuthError;

/// What a client says of itself. Null counts as left out (RFC 7592 section 2.2).
#[derive(Deserialize)]
pub(crate) struct Metadata {
    client_id: Option<String>,
    #[serde(default, deserialize_with = "secret")]
    client_secret: Option<Zeroizing<String>>,
    client_name: Option<String>,
    redirect_uris: Option<Vec<String>>,
    post_logout_redirect_uris: Option<Vec<String>>,
    token_endpoint_auth_method: Option<AuthMethod>,
    grant_types: Option<Vec<GrantType>>,
    response_types: Option<Vec<String>>,
    scope: Option<ScopeSet>,
    jwks: Option<ClientKeys>,
    jwks_uri: Option<NotificationUri>,
    require_pushed_authorization_requests: Option<bool>,
    dpop_bound_access_tokens: Option<bool>,
    require_signed_request_object: Option<bool>,
    authorization_details_types: Option<Vec<String>>,
    subject_type: Option<SubjectType>,
    sector_identifier_uri: Option<NotificationUri>,
    default_max_age: Option<u32>,
    require_auth_time: Option<bool>,
    default_acr_values: Option<AcrValues>,
    backchannel_logout_uri: Option<NotificationUri>,
    frontchannel_logout_uri: Option<NotificationUri>,
    token_endpoint_auth_signing_alg: Option<Alg>,
    request_object_signing_alg: Option<Alg>,
    #[serde(flatten)]
    responses: ResponseFormats,
    // Not served.
    request_object_encryption_alg: Option<IgnoredAny>,
    tls_client_certificate_bound_access_tokens: Option<bool>,
    // What a client must not say (RFC 7592 section 2.2).
    registration_access_token: Option<IgnoredAny>,
    registration_client_uri: Option<IgnoredAny>,
    client_secret_expires_at: Option<IgnoredAny>,
    client_id_issued_at: Option<IgnoredAny>,
}

/// How a client authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum AuthMethod {
    None,
    ClientSecretBasic,
    /// The same secret: both ways are open to a client that has one.
    ClientSecretPost,
    ClientSecretJwt,
    PrivateKeyJwt,
    /// What a certificate is known by is for an administrator to say.
    #[serde(skip_deserializing)]
    TlsClientAuth,
    #[serde(skip_deserializing)]
    SelfSignedTlsClientAuth,
}

/// What the client hears ([RFC 7591 section 3.2.1](https://www.rfc-editor.org/rfc/rfc7591#section-3.2.1)): all that is
/// registered of it.
#[derive(Serialize)]
pub(super) struct MetadataAnswer {
    client_id: ClientId,
    client_id_issued_at: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// Never.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret_expires_at: Option<u8>,
    registration_access_token: String,
    registration_client_uri: String,
    client_name: String,
    redirect_uris: Vec<RedirectUri>,
    post_logout_redirect_uris: Vec<RedirectUri>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backchannel_logout_uri: Option<NotificationUri>,
    /// `sid` is in every logout token.
    #[serde(skip_serializing_if = "Option::is_none")]
    backchannel_logout_session_required: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frontchannel_logout_uri: Option<NotificationUri>,
    /// `iss` and `sid` are always with the URI.
    #[serde(skip_serializing_if = "Option::is_none")]
    frontchannel_logout_session_required: Option<bool>,
    token_endpoint_auth_method: AuthMethod,
    grant_types: Vec<GrantType>,
    response_types: Vec<&'static str>,
    scope: ScopeSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<ClientKeys>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<NotificationUri>,
    require_pushed_authorization_requests: bool,
    dpop_bound_access_tokens: bool,
    require_signed_request_object: bool,
    authorization_details_types: Vec<String>,
    subject_type: SubjectType,
    #[serde(skip_serializing_if = "Option::is_none")]
    sector_identifier_uri: Option<NotificationUri>,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_max_age: Option<u32>,
    require_auth_time: bool,
    #[serde(skip_serializing_if = "AcrValues::is_empty")]
    default_acr_values: AcrValues,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint_auth_signing_alg: Option<Alg>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_object_signing_alg: Option<Alg>,
    #[serde(flatten)]
    responses: ResponseFormats,
}

impl Metadata {
    /// A change names the client that it is about, and nothing that only the server says.
    pub(super) fn require_about(&self, id: &ClientId) -> Result<(), OAuthError> {
        if self.client_id.as_deref() != Some(id.as_str()) {
            return Err(refused("client_id is that of the client"));
        }
        let said = [
            &self.registration_access_token,
            &self.registration_client_uri,
            &self.client_secret_expires_at,
            &self.client_id_issued_at,
        ];
        match said.iter().any(|member| member.is_some()) {
            true => Err(refused(
                "registration_*, client_secret_expires_at and client_id_issued_at are ours to say",
            )),
            false => Ok(()),
        }
    }

    /// The secret that a change says the client has. In a registration it means nothing: secrets are made here.
    pub(super) fn take_secret(&mut self) -> Option<Zeroizing<String>> {
        self.client_secret.take()
    }

    pub(super) fn check(self) -> Result<ClientMetadata, OAuthError> {
        self.require_served()?;
        let grants = self.grant_types.unwrap_or_else(|| vec![GrantType::AuthorizationCode]);
        let has_code = grants.contains(&GrantType::AuthorizationCode);
        if let Some(types) = self.response_types
            && (types.iter().any(|one| one != "code") || types.is_empty() == has_code)
        {
            return Err(refused("response_types is [\"code\"], and empty without authorization_code"));
        }
        let name = self.client_name.map(require_name).transpose().map_err(refused)?;
        let keys = ClientKeySource::of(self.jwks, self.jwks_uri).map_err(|two| refused(two.to_string()))?;
        let (credential, other_keys) = credential(self.token_endpoint_auth_method, keys)?;
        Ok(ClientMetadata {
            name,
            credential,
            grants,
            scope: self.scope,
            redirect_uris: redirect_uris(self.redirect_uris)?,
            post_logout_redirect_uris: redirect_uris(self.post_logout_redirect_uris)?,
            backchannel_logout_uri: self.backchannel_logout_uri,
            frontchannel_logout_uri: self.frontchannel_logout_uri,
            require_pushed: self.require_pushed_authorization_requests.unwrap_or_default(),
            authorization_details_types: self.authorization_details_types,
            extensions: ClientExtensions {
                dpop_bound_access_tokens: self.dpop_bound_access_tokens.unwrap_or_default(),
                require_signed_request_object: self.require_signed_request_object.unwrap_or_default(),
                subject_type: self.subject_type.unwrap_or_default(),
                sector_identifier_uri: self.sector_identifier_uri,
                default_max_age: self.default_max_age,
                require_auth_time: self.require_auth_time.unwrap_or_default(),
                default_acr_values: self.default_acr_values.unwrap_or_default(),
                keys: other_keys,
                token_endpoint_auth_signing_alg: self.token_endpoint_auth_signing_alg,
                request_object_signing_alg: self.request_object_signing_alg,
                responses: self.responses,
                ..ClientExtensions::default()
            },
        })
    }

    fn require_served(&self) -> Result<(), OAuthError> {
        let is_set = |member: &Option<IgnoredAny>| member.is_some();
        let cases = [
            (is_set(&self.request_object_encryption_alg), "request_object_encryption_alg is not served"),
            (
                self.tls_client_certificate_bound_access_tokens == Some(true),
                "tls_client_certificate_bound_access_tokens is not served",
            ),
        ];
        cases.into_iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |(_, why)| Err(refused(why)))
    }
}

/// How it authenticates, and the keys that are beside that.
fn credential(
    method: Option<AuthMethod>,
    keys: Option<ClientKeySource>,
) -> Result<(NewCredential, Option<ClientKeySource>), OAuthError> {
    let new = match (method.unwrap_or(AuthMethod::ClientSecretBasic), keys) {
        (AuthMethod::PrivateKeyJwt, Some(keys)) => (NewCredential::Keys(keys), None),
        (AuthMethod::PrivateKeyJwt, None) => {
            return Err(refused("private_key_jwt needs the client's public keys, as jwks or jwks_uri"));
        }
        (AuthMethod::TlsClientAuth | AuthMethod::SelfSignedTlsClientAuth, _) => {
            return Err(refused("what a certificate is known by is for an administrator to say"));
        }
        (AuthMethod::None, keys) => (NewCredential::None, keys),
        (AuthMethod::ClientSecretBasic | AuthMethod::ClientSecretPost, keys) => (NewCredential::Secret, keys),
        (AuthMethod::ClientSecretJwt, keys) => (NewCredential::SharedSecret, keys),
    };
    Ok(new)
}

fn secret<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Zeroizing<String>>, D::Error> {
    Ok(Option::<String>::deserialize(from)?.map(Zeroizing::new))
}

fn redirect_uris(texts: Option<Vec<String>>) -> Result<Vec<RedirectUri>, OAuthError> {
    let uris = texts.unwrap_or_default();
    if uris.len() > RedirectUri::MOST {
        return Err(OAuthError::invalid_redirect_uri(format!("there are more than {}", RedirectUri::MOST)));
    }
    let parsed = uris.iter().map(|uri| uri.parse()).collect::<Result<_, _>>();
    parsed.map_err(|error: gatepass_issuer::redirect_uri::InvalidRedirectUri| {
        OAuthError::invalid_redirect_uri(error.to_string())
    })
}

fn refused(why: impl Into<Cow<'static, str>>) -> OAuthError {
    OAuthError::invalid_client_metadata(StatusCode::BAD_REQUEST, why)
}

impl MetadataAnswer {
    pub(super) fn new(registered: Registered, registration_client_uri: String) -> Self {
        let Registered { client, secret, token } = registered;
        let has_code = client.may_use(GrantType::AuthorizationCode);
        let keys = client.keys().cloned();
        let method = match client.credential {
            Credential::None => AuthMethod::None,
            Credential::Secret(_) => AuthMethod::ClientSecretBasic,
            Credential::SharedSecret(_) => AuthMethod::ClientSecretJwt,
            Credential::Keys(_) => AuthMethod::PrivateKeyJwt,
            Credential::Certificate(certificate) if certificate.needs_authority() => {
                AuthMethod::TlsClientAuth
            }
            Credential::Certificate(_) => AuthMethod::SelfSignedTlsClientAuth,
        };
        Self {
            client_id: client.id,
            client_id_issued_at: client.created_at.as_secs(),
            client_secret_expires_at: secret.is_some().then_some(0),
            client_secret: secret.map(|secret| secret.expose().to_owned()),
            registration_access_token: token.expose().to_owned(),
            registration_client_uri,
            client_name: client.name,
            redirect_uris: client.redirect_uris,
            post_logout_redirect_uris: client.post_logout_redirect_uris,
            backchannel_logout_session_required: client.logout.backchannel.is_some().then_some(true),
            backchannel_logout_uri: client.logout.backchannel,
            frontchannel_logout_session_required: client.logout.frontchannel.is_some().then_some(true),
            frontchannel_logout_uri: client.logout.frontchannel,
            token_endpoint_auth_method: method,
            grant_types: client.grants,
            response_types: if has_code { vec!["code"] } else { Vec::new() },
            scope: client.scope,
            jwks: keys.as_ref().and_then(ClientKeySource::given).cloned(),
            jwks_uri: keys.as_ref().and_then(ClientKeySource::jwks_uri).cloned(),
            require_pushed_authorization_requests: client.require_pushed,
            dpop_bound_access_tokens: client.extensions.dpop_bound_access_tokens,
            require_signed_request_object: client.extensions.require_signed_request_object,
            authorization_details_types: client.extensions.authorization_details_types,
            subject_type: client.extensions.subject_type,
            sector_identifier_uri: client.extensions.sector_identifier_uri,
            default_max_age: client.extensions.default_max_age,
            require_auth_time: client.extensions.require_auth_time,
            default_acr_values: client.extensions.default_acr_values,
            token_endpoint_auth_signing_alg: client.extensions.token_endpoint_auth_signing_alg,
            request_object_signing_alg: client.extensions.request_object_signing_alg,
            responses: client.extensions.responses.spelled_out(),
        }
    }
}
