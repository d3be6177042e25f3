//! What this server can do: authorization server metadata
//! ([RFC 8414](https://www.rfc-editor.org/rfc/rfc8414)) and OpenID discovery. Only what is true.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use gatepass_issuer::authorize::ResponseMode;
use gatepass_issuer::client::{ClientKeys, ENCRYPTION_ALGS, ENCRYPTION_ENCS, IDENTITY_SCOPES};
use gatepass_issuer::{Issuer, Profile, SubjectType, assertion_algs};
use gatepass_jose::{Alg, ContentEncryption, KeyManagement};
use http::{HeaderMap, HeaderValue};
use serde::Serialize;

use crate::client_authentication;
use crate::client_certificate::ClientCertificates;
use crate::conditional::Document;
use crate::config::HttpConfig;
use crate::endpoint::ssf::Configuration;
use crate::endpoint::token::{DEVICE_CODE, JWT_BEARER, TOKEN_EXCHANGE};
use crate::server::Server;

/// The documents, written once.
pub(crate) struct Metadata {
    authorization_server: Document,
    openid: Document,
    pub(crate) signals: Document,
    /// How long they, and the JWK Set, may be kept.
    pub(crate) cache_control: HeaderValue,
}

#[derive(Serialize)]
struct AuthorizationServer<'m> {
    issuer: &'m str,
    jwks_uri: String,
    token_endpoint: String,
    token_endpoint_auth_methods_supported: &'m [&'static str],
    token_endpoint_auth_signing_alg_values_supported: &'m [Alg],
    authorization_endpoint: String,
    /// [RFC 9126 section 5](https://www.rfc-editor.org/rfc/rfc9126#section-5).
    pushed_authorization_request_endpoint: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    require_pushed_authorization_requests: bool,
    request_parameter_supported: bool,
    /// Left out, it would mean yes.
    request_uri_parameter_supported: bool,
    request_object_signing_alg_values_supported: &'m [Alg],
    /// [RFC 8628 section 4](https://www.rfc-editor.org/rfc/rfc8628#section-4).
    device_authorization_endpoint: String,
    registration_endpoint: String,
    /// draft-ietf-oauth-client-id-metadata-document section 5.
    client_id_metadata_document_supported: bool,
    /// [RFC 9207 section 3](https://www.rfc-editor.org/rfc/rfc9207#section-3).
    authorization_response_iss_parameter_supported: bool,
    /// [RFC 9449 section 5.1](https://www.rfc-editor.org/rfc/rfc9449#section-5.1).
    dpop_signing_alg_values_supported: &'m [Alg],
    /// [RFC 9396 section 10](https://www.rfc-editor.org/rfc/rfc9396#section-10).
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    authorization_details_types_supported: &'m [String],
    /// [RFC 8705 section 3.3](https://www.rfc-editor.org/rfc/rfc8705#section-3.3).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tls_client_certificate_bound_access_tokens: bool,
    /// [RFC 8705 section 5](https://www.rfc-editor.org/rfc/rfc8705#section-5).
    #[serde(skip_serializing_if = "Option::is_none")]
    mtls_endpoint_aliases: Option<Aliases>,
    code_challenge_methods_supported: [&'static str; 1],
    response_types_supported: [&'static str; 1],
    response_modes_supported: [&'static str; 5],
    /// [JARM section 4](https://openid.net/specs/oauth-v2-jarm.html#section-4).
    authorization_signing_alg_values_supported: &'m [Alg],
    authorization_encryption_alg_values_supported: [KeyManagement; 5],
    authorization_encryption_enc_values_supported: [ContentEncryption; 4],
    scopes_supported: [&'static str; 4],
    ui_locales_supported: Vec<&'m str>,
    /// RFC 9470 section 7: what is asked of a login is kept.
    acr_values_supported: Vec<&'static str>,
    grant_types_supported: Vec<&'static str>,
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: &'m [&'static str],
    revocation_endpoint_auth_signing_alg_values_supported: &'m [Alg],
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: &'m [&'static str],
    introspection_endpoint_auth_signing_alg_values_supported: &'m [Alg],
    /// [RFC 9701 section 7](https://www.rfc-editor.org/rfc/rfc9701#section-7).
    introspection_signing_alg_values_supported: &'m [Alg],
    introspection_encryption_alg_values_supported: [KeyManagement; 5],
    introspection_encryption_enc_values_supported: [ContentEncryption; 4],
}

/// Where endpoints are reached with a certificate: where a login page asks for none.
#[derive(Serialize)]
struct Aliases {
    token_endpoint: String,
    pushed_authorization_request_endpoint: String,
    device_authorization_endpoint: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    userinfo_endpoint: String,
}

impl Aliases {
    fn of(certificates: &ClientCertificates) -> Option<Self> {
        let at = |path: &str| certificates.url.as_ref().map(|base| format!("{base}{path}"));
        Some(Self {
            token_endpoint: at("/oauth/token")?,
            pushed_authorization_request_endpoint: at("/oauth/par")?,
            device_authorization_endpoint: at("/oauth/device_authorization")?,
            revocation_endpoint: at("/oauth/revoke")?,
            introspection_endpoint: at("/oauth/introspect")?,
            userinfo_endpoint: at("/oauth/userinfo")?,
        })
    }
}

/// How clients authenticate, with certificates too where they are known.
fn authentication_methods(profile: Profile, certificates: Option<&ClientCertificates>) -> Vec<&'static str> {
    let mut methods = match profile {
        Profile::Fapi2 => vec!["private_key_jwt"],
        _ => client_authentication::METHODS.to_vec(),
    };
    methods.extend(certificates.map(|_| "self_signed_tls_client_auth"));
    methods.extend(certificates.filter(|known| known.has_authorities()).map(|_| "tls_client_auth"));
    methods
}

/// [OpenID Connect Discovery 1.0 section 3](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderMetadata).
#[derive(Serialize)]
struct OpenId<'m> {
    #[serde(flatten)]
    authorization_server: &'m AuthorizationServer<'m>,
    subject_types_supported: [SubjectType; 2],
    id_token_signing_alg_values_supported: &'m [Alg],
    id_token_encryption_alg_values_supported: [KeyManagement; 5],
    id_token_encryption_enc_values_supported: [ContentEncryption; 4],
    userinfo_endpoint: String,
    userinfo_signing_alg_values_supported: &'m [Alg],
    userinfo_encryption_alg_values_supported: [KeyManagement; 5],
    userinfo_encryption_enc_values_supported: [ContentEncryption; 4],
    end_session_endpoint: String,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
    frontchannel_logout_supported: bool,
    frontchannel_logout_session_supported: bool,
    claims_supported: [&'static str; 15],
    prompt_values_supported: [&'static str; 4],
    claims_parameter_supported: bool,
}

/// `GET /.well-known/oauth-authorization-server`
pub(crate) async fn authorization_server(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    server.metadata.authorization_server.clone().answer(&headers)
}

/// `GET /.well-known/openid-configuration`
pub(crate) async fn openid(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    server.metadata.openid.clone().answer(&headers)
}

impl Metadata {
    pub(crate) fn new(issuer: &Issuer, config: &HttpConfig) -> Self {
        let max_age = issuer.config().jwks_max_age;
        let base = issuer.name().as_str().trim_end_matches('/');
        let profile = issuer.config().profile;
        let certificates = config.client_certificates.as_ref();
        let taken = |algs: Vec<Alg>| algs.into_iter().filter(|alg| profile.takes(*alg)).collect::<Vec<_>>();
        let (assertion_algs, client_algs) = (taken(assertion_algs()), taken(ClientKeys::algs().collect()));
        let response_algs = issuer.config().response_signing_algs();
        let methods: &[&str] = &authentication_methods(profile, certificates);
        // RFC 8414 section 2: a token type says that an access token will do.
        let introspection_methods: Vec<&str> =
            methods.iter().copied().filter(|method| *method != "none").chain(["Bearer"]).collect();
        let metadata = AuthorizationServer {
            issuer: issuer.name().as_str(),
            jwks_uri: format!("{base}/.well-known/jwks.json"),
            token_endpoint: format!("{base}/oauth/token"),
            token_endpoint_auth_methods_supported: methods,
            token_endpoint_auth_signing_alg_values_supported: &assertion_algs,
            authorization_endpoint: format!("{base}/oauth/authorize"),
            pushed_authorization_request_endpoint: format!("{base}/oauth/par"),
            require_pushed_authorization_requests: profile == Profile::Fapi2,
            request_parameter_supported: true,
            request_uri_parameter_supported: false,
            request_object_signing_alg_values_supported: &client_algs,
            device_authorization_endpoint: format!("{base}/oauth/device_authorization"),
            registration_endpoint: format!("{base}/oauth/register"),
            client_id_metadata_document_supported: issuer.has_client_documents(),
            authorization_response_iss_parameter_supported: true,
            dpop_signing_alg_values_supported: issuer.dpop_algs(),
            authorization_details_types_supported: &issuer.config().authorization_details_types,
            tls_client_certificate_bound_access_tokens: certificates.is_some(),
            mtls_endpoint_aliases: certificates.and_then(Aliases::of),
            code_challenge_methods_supported: ["S256"],
            response_types_supported: ["code"],
            response_modes_supported: ResponseMode::NAMES,
            authorization_signing_alg_values_supported: &response_algs,
            authorization_encryption_alg_values_supported: ENCRYPTION_ALGS,
            authorization_encryption_enc_values_supported: ENCRYPTION_ENCS,
            // Not what an operator must have given a client: some ask for all that stands here.
            scopes_supported: IDENTITY_SCOPES,
            ui_locales_supported: config.brand.languages.tags().collect(),
            acr_values_supported: issuer.acr_values_supported(),
            grant_types_supported: grant_types(issuer),
            revocation_endpoint: format!("{base}/oauth/revoke"),
            revocation_endpoint_auth_methods_supported: methods,
            revocation_endpoint_auth_signing_alg_values_supported: &assertion_algs,
            introspection_endpoint: format!("{base}/oauth/introspect"),
            introspection_endpoint_auth_methods_supported: &introspection_methods,
            introspection_endpoint_auth_signing_alg_values_supported: &assertion_algs,
            introspection_signing_alg_values_supported: &response_algs,
            introspection_encryption_alg_values_supported: ENCRYPTION_ALGS,
            introspection_encryption_enc_values_supported: ENCRYPTION_ENCS,
        };
        let openid = OpenId {
            authorization_server: &metadata,
            subject_types_supported: [SubjectType::Public, SubjectType::Pairwise],
            id_token_signing_alg_values_supported: &response_algs,
            id_token_encryption_alg_values_supported: ENCRYPTION_ALGS,
            id_token_encryption_enc_values_supported: ENCRYPTION_ENCS,
            userinfo_endpoint: format!("{base}/oauth/userinfo"),
            userinfo_signing_alg_values_supported: &response_algs,
            userinfo_encryption_alg_values_supported: ENCRYPTION_ALGS,
            userinfo_encryption_enc_values_supported: ENCRYPTION_ENCS,
            end_session_endpoint: format!("{base}/oauth/logout"),
            backchannel_logout_supported: true,
            backchannel_logout_session_supported: true,
            frontchannel_logout_supported: true,
            frontchannel_logout_session_supported: true,
            claims_supported: [
                "iss",
                "sub",
                "aud",
                "exp",
                "iat",
                "auth_time",
                "nonce",
                "acr",
                "amr",
                "sid",
                "name",
                "preferred_username",
                "email",
                "email_verified",
                "roles",
            ],
            prompt_values_supported: ["none", "login", "consent", "select_account"],
            claims_parameter_supported: true,
        };
        let cache_control = cache_for(max_age);
        Self {
            authorization_server: document(&metadata, &cache_control),
            openid: document(&openid, &cache_control),
            signals: document(&Configuration::of(issuer.name().as_str()), &cache_control),
            cache_control,
        }
    }
}

/// Assertions are taken where there is somebody to trust.
fn grant_types(issuer: &Issuer) -> Vec<&'static str> {
    let always = ["authorization_code", "client_credentials", "refresh_token", DEVICE_CODE, TOKEN_EXCHANGE];
    let trusts = !issuer.config().trusted_issuers.is_empty();
    always.into_iter().chain(trusts.then_some(JWT_BEARER)).collect()
}

fn cache_for(max_age: Duration) -> HeaderValue {
    let value = format!("public, max-age={}", max_age.as_secs());
    // Digits and words: printable ASCII.
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("no-store"))
}

fn document(metadata: &impl Serialize, cache_control: &HeaderValue) -> Document {
    // Strings only: there is nothing that JSON could refuse.
    let body = serde_json::to_vec(metadata).unwrap_or_default();
    Document::new("application/json", Bytes::from(body), cache_control.clone())
}
