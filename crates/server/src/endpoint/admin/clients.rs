//! OAuth clients. Members are named as in dynamic registration
//! ([RFC 7591 section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2)) where it has a name for them.

mod credential;

use std::sync::Arc;

use axum::Json as JsonAnswer;
use axum::extract::State;
use axum::response::Response;
use gatepass_issuer::SubjectType;
use gatepass_issuer::admin::{ChangeClient, NewClient, SignOnClient};
use gatepass_issuer::certificate::RegisteredCertificate;
use gatepass_issuer::client::{
    AcrValues, ChangeResponses, Client, ClientExtensions, ClientKeySource, ClientKeys, ClientLogout,
    ClientSecret, Credential, ExchangePolicy, GrantType, NotificationUri, ResponseFormats,
};
use gatepass_issuer::id::ClientId;
use gatepass_issuer::redirect_uri::RedirectUri;
use gatepass_jose::{Alg, ContentEncryption, KeyManagement};
use gatepass_token::ScopeSet;
use http::Uri;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use self::credential::{AuthMethod, new_credential};
use super::{BodyRefusals, Conflict, Named, NotFound, Refusals, created, next_page, page};
use crate::body::Json;
use crate::form::Form;
use crate::problem::Problem;
use crate::server::Server;

/// The longest name of a client, in characters.
const MAX_NAME: usize = 128;

/// In which form a client is told things, of a request that has members of the same names.
macro_rules! of_same_names {
    ($formats:ident, $request:ident) => {
        $formats {
            id_token_signed_response_alg: $request.id_token_signed_response_alg,
            id_token_encrypted_response_alg: $request.id_token_encrypted_response_alg,
            id_token_encrypted_response_enc: $request.id_token_encrypted_response_enc,
            userinfo_signed_response_alg: $request.userinfo_signed_response_alg,
            userinfo_encrypted_response_alg: $request.userinfo_encrypted_response_alg,
            userinfo_encrypted_response_enc: $request.userinfo_encrypted_response_enc,
            authorization_signed_response_alg: $request.authorization_signed_response_alg,
            authorization_encrypted_response_alg: $request.authorization_encrypted_response_alg,
            authorization_encrypted_response_enc: $request.authorization_encrypted_response_enc,
            introspection_signed_response_alg: $request.introspection_signed_response_alg,
            introspection_encrypted_response_alg: $request.introspection_encrypted_response_alg,
            introspection_encrypted_response_enc: $request.introspection_encrypted_response_enc,
        }
    };
}

/// A client to be registered.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewClient)]
pub(super) struct CreateRequest {
    /// Its identifier: 1 to 64 letters, digits, `.`, `_` and `-`. A random one if left out.
    #[schema(value_type = Option<String>, example = "batch")]
    client_id: Option<ClientId>,
    /// What people call it.
    #[serde(deserialize_with = "name")]
    #[schema(min_length = 1, max_length = 128, example = "nightly batch")]
    client_name: String,
    /// Whether it can prove who it is. True if left out, unless `token_endpoint_auth_method` is `none`.
    confidential: Option<bool>,
    /// How it authenticates; `client_secret_basic` if left out, which allows the secret in the body too.
    token_endpoint_auth_method: Option<AuthMethod>,
    /// Its public keys, a JWK Set: to authenticate with `private_key_jwt`, to sign requests with, and, with `use` `enc`, to
    /// be encrypted for.
    #[schema(value_type = Option<Object>)]
    jwks: Option<ClientKeys>,
    /// Where it publishes them instead, over https: this server fetches them from public addresses.
    #[schema(value_type = Option<String>)]
    jwks_uri: Option<NotificationUri>,
    /// What its TLS certificate is known by (RFC 8705): one of `subject_dn`, `san_dns`, `san_uri`, `san_ip`, `san_email`, or
    /// `sha256`, the thumbprints of its certificates.
    #[schema(value_type = Option<Object>, example = json!({ "san_dns": "batch.internal" }))]
    certificate: Option<RegisteredCertificate>,
    /// The grants that it may use.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["client_credentials"]))]
    grant_types: Vec<GrantType>,
    /// The most that it may ask for, with spaces between.
    #[serde(default)]
    #[schema(value_type = String, example = "orders:read orders:write")]
    scope: ScopeSet,
    /// The audiences that it may ask for; the issuer's default if empty.
    #[serde(default)]
    audience: Vec<String>,
    /// Where browsers may be sent back to with a code: https, or http to this machine, or a scheme such as
    /// `com.example.app`. Compared character by character.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["https://app.example.com/callback"]))]
    redirect_uris: Vec<RedirectUri>,
    /// Where browsers may be sent to after a logout.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    post_logout_redirect_uris: Vec<RedirectUri>,
    /// Where it gets a logout token when a session of its users ends: https, or http to this machine.
    #[schema(value_type = Option<String>, example = "https://app.example.com/backchannel-logout")]
    backchannel_logout_uri: Option<NotificationUri>,
    /// What a browser opens in a frame of the logout page; it has the origin of a redirect URI.
    #[schema(value_type = Option<String>)]
    frontchannel_logout_uri: Option<NotificationUri>,
    /// Whether it is the operator's own, so that users are not asked for consent.
    #[serde(default)]
    trusted: bool,
    /// Whether it must use PKCE. Only a client that authenticates and uses `nonce` can do without.
    #[serde(default = "yes")]
    #[schema(default = true)]
    require_pkce: bool,
    /// Whether it must push its authorization requests (RFC 9126).
    #[serde(default)]
    require_pushed_authorization_requests: bool,
    /// What tokens it may exchange for which (RFC 8693); none if left out.
    exchange: Option<Exchange>,
    /// Whether it gets no access token that is not bound to a key of its (RFC 9449).
    #[serde(default)]
    dpop_bound_access_tokens: bool,
    /// Whether its access tokens are bound to its TLS certificate, which it must show (RFC 8705).
    #[serde(default)]
    tls_client_certificate_bound_access_tokens: bool,
    /// Whether it must sign its authorization requests (RFC 9101).
    #[serde(default)]
    require_signed_request_object: bool,
    /// The types of authorization details that it may ask for (RFC 9396).
    #[serde(default)]
    authorization_details_types: Vec<String>,
    /// How its users are called: `public`, or `pairwise`, which is another name in every sector.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "public")]
    subject_type: SubjectType,
    /// Where the redirect URIs of its sector are listed, if those have several hosts.
    #[schema(value_type = Option<String>)]
    sector_identifier_uri: Option<NotificationUri>,
    /// How long ago its users may have logged in where a request has no `max_age`, in seconds; any time if left out.
    #[schema(value_type = Option<u64>, maximum = 4_294_967_295_u64)]
    default_max_age: Option<u32>,
    /// Whether its ID tokens always say when their user logged in.
    #[serde(default)]
    require_auth_time: bool,
    /// Whether its assertions may be for the token endpoint in place of the issuer, as many libraries write them (RFC 7523);
    /// not under FAPI 2.0.
    #[serde(default)]
    endpoint_audience: bool,
    /// How it would like its users to log in where a request asks for no `acr`: the first is preferred.
    #[serde(default)]
    #[schema(value_type = Vec<String>, max_items = 8, example = json!(["urn:gatepass:acr:password"]))]
    default_acr_values: AcrValues,
    /// The only algorithm of its assertions; if left out any that one of its keys is for.
    #[schema(value_type = Option<String>, example = "PS256")]
    token_endpoint_auth_signing_alg: Option<Alg>,
    /// The only algorithm of its request objects (RFC 9101); if left out any that one of its keys is for.
    #[schema(value_type = Option<String>, example = "PS256")]
    request_object_signing_alg: Option<Alg>,
    /// What signs its ID tokens and logout tokens; if left out `RS256` where this server has a key for it, or else `ES256`.
    #[schema(value_type = Option<String>, example = "ES256")]
    id_token_signed_response_alg: Option<Alg>,
    /// How they are encrypted for its key afterwards; not at all if left out.
    #[schema(value_type = Option<String>, example = "ECDH-ES")]
    id_token_encrypted_response_alg: Option<KeyManagement>,
    /// What encrypts their content; `A128CBC-HS256` if left out.
    #[schema(value_type = Option<String>, example = "A256GCM")]
    id_token_encrypted_response_enc: Option<ContentEncryption>,
    /// What signs what it hears at the userinfo endpoint; plain JSON if left out.
    #[schema(value_type = Option<String>, example = "ES256")]
    userinfo_signed_response_alg: Option<Alg>,
    /// How it is encrypted for its key afterwards; not at all if left out.
    #[schema(value_type = Option<String>, example = "ECDH-ES")]
    userinfo_encrypted_response_alg: Option<KeyManagement>,
    /// What encrypts its content; `A128CBC-HS256` if left out.
    #[schema(value_type = Option<String>, example = "A256GCM")]
    userinfo_encrypted_response_enc: Option<ContentEncryption>,
    /// What signs authorization responses that it asks for as JWTs (JARM); `ES256` if left out.
    #[schema(value_type = Option<String>, example = "ES256")]
    authorization_signed_response_alg: Option<Alg>,
    /// How they are encrypted for its key afterwards; not at all if left out.
    #[schema(value_type = Option<String>, example = "ECDH-ES")]
    authorization_encrypted_response_alg: Option<KeyManagement>,
    /// What encrypts their content; `A128CBC-HS256` if left out.
    #[schema(value_type = Option<String>, example = "A256GCM")]
    authorization_encrypted_response_enc: Option<ContentEncryption>,
    /// What signs introspections that it asks for as JWTs (RFC 9701); `ES256` if left out.
    #[schema(value_type = Option<String>, example = "ES256")]
    introspection_signed_response_alg: Option<Alg>,
    /// How they are encrypted for its key afterwards; not at all if left out.
    #[schema(value_type = Option<String>, example = "ECDH-ES")]
    introspection_encrypted_response_alg: Option<KeyManagement>,
    /// What encrypts their content; `A128CBC-HS256` if left out.
    #[schema(value_type = Option<String>, example = "A256GCM")]
    introspection_encrypted_response_enc: Option<ContentEncryption>,
}

/// What tokens a client may exchange for which (RFC 8693).
#[derive(Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Exchange)]
pub(super) struct Exchange {
    /// The audiences that it may exchange tokens for.
    #[serde(rename = "for")]
    #[schema(example = json!(["https://orders.internal"]))]
    audience: Vec<String>,
    /// The audiences of the tokens that it may exchange: those of the services that it stands for. The
    /// issuer's default if empty.
    #[serde(default)]
    from: Vec<String>,
    /// Whether it may pass for the subject: tokens that it gets then do not say that it acts.
    #[serde(default)]
    impersonate: bool,
}

impl From<Exchange> for ExchangePolicy {
    fn from(Exchange { audience, from, impersonate }: Exchange) -> Self {
        Self { audience, from, impersonate }
    }
}

impl From<ExchangePolicy> for Exchange {
    fn from(ExchangePolicy { audience, from, impersonate }: ExchangePolicy) -> Self {
        Self { audience, from, impersonate }
    }
}

/// What is to change about a client; what is left out stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClientChange)]
pub(super) struct ChangeRequest {
    /// What people call it.
    #[serde(default, deserialize_with = "optional_name")]
    #[schema(min_length = 1, max_length = 128)]
    client_name: Option<String>,
    /// The grants that it may use.
    #[schema(value_type = Option<Vec<String>>)]
    grant_types: Option<Vec<GrantType>>,
    /// The most that it may ask for. A smaller one takes its access tokens back.
    #[schema(value_type = Option<String>)]
    scope: Option<ScopeSet>,
    /// The audiences that it may ask for. Others take its access tokens back.
    audience: Option<Vec<String>>,
    /// Where browsers may be sent back to with a code, all of them.
    #[schema(value_type = Option<Vec<String>>)]
    redirect_uris: Option<Vec<RedirectUri>>,
    /// Where browsers may be sent to after a logout, all of them.
    #[schema(value_type = Option<Vec<String>>)]
    post_logout_redirect_uris: Option<Vec<RedirectUri>>,
    /// Where it gets logout tokens; null: nowhere any more.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    backchannel_logout_uri: Option<Option<NotificationUri>>,
    /// What a browser opens in a frame of the logout page; null: nothing any more.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    frontchannel_logout_uri: Option<Option<NotificationUri>>,
    /// Whether users are not asked for consent.
    trusted: Option<bool>,
    /// Whether it must use PKCE.
    require_pkce: Option<bool>,
    /// Whether it must push its authorization requests (RFC 9126).
    require_pushed_authorization_requests: Option<bool>,
    /// What tokens it may exchange for which. Another policy takes back the access tokens that it got so far.
    exchange: Option<Exchange>,
    /// Whether it gets no access token that is not bound to a key of its (RFC 9449). From false to true takes its
    /// access tokens back.
    dpop_bound_access_tokens: Option<bool>,
    /// Whether its access tokens are bound to its TLS certificate, which it must show (RFC 8705) From false
    /// to true takes its access tokens back.
    tls_client_certificate_bound_access_tokens: Option<bool>,
    /// Whether it must sign its authorization requests (RFC 9101).
    require_signed_request_object: Option<bool>,
    /// The types of authorization details that it may ask for (RFC 9396). Others take its access tokens back.
    authorization_details_types: Option<Vec<String>>,
    /// How its users are called: `public` or `pairwise`. Another way takes its access tokens back.
    #[schema(value_type = Option<String>)]
    subject_type: Option<SubjectType>,
    /// Where the redirect URIs of its sector are listed; null: nowhere any more.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    sector_identifier_uri: Option<Option<NotificationUri>>,
    /// How long ago its users may have logged in where a request has no `max_age`, in seconds; null: any time.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u64>, maximum = 4_294_967_295_u64)]
    default_max_age: Option<Option<u32>>,
    /// Whether its ID tokens always say when their user logged in.
    require_auth_time: Option<bool>,
    /// Whether its assertions may be for the token endpoint in place of the issuer.
    endpoint_audience: Option<bool>,
    /// How it would like its users to log in where a request asks for no `acr`, all of them.
    #[schema(value_type = Option<Vec<String>>, max_items = 8)]
    default_acr_values: Option<AcrValues>,
    /// The only algorithm of its assertions; null: any that one of its keys is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    token_endpoint_auth_signing_alg: Option<Option<Alg>>,
    /// The only algorithm of its request objects (RFC 9101); null: any that one of its keys is for.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    request_object_signing_alg: Option<Option<Alg>>,
    /// What signs its ID tokens and logout tokens; null: `RS256` where this server has a key for it, or else `ES256`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    id_token_signed_response_alg: Option<Option<Alg>>,
    /// How they are encrypted for its key afterwards; null: not at all.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    id_token_encrypted_response_alg: Option<Option<KeyManagement>>,
    /// What encrypts their content; null: `A128CBC-HS256`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    id_token_encrypted_response_enc: Option<Option<ContentEncryption>>,
    /// What signs what it hears at the userinfo endpoint; null: plain JSON.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    userinfo_signed_response_alg: Option<Option<Alg>>,
    /// How it is encrypted for its key afterwards; null: not at all.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    userinfo_encrypted_response_alg: Option<Option<KeyManagement>>,
    /// What encrypts its content; null: `A128CBC-HS256`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    userinfo_encrypted_response_enc: Option<Option<ContentEncryption>>,
    /// What signs authorization responses that it asks for as JWTs (JARM); null: `ES256`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    authorization_signed_response_alg: Option<Option<Alg>>,
    /// How they are encrypted for its key afterwards; null: not at all.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    authorization_encrypted_response_alg: Option<Option<KeyManagement>>,
    /// What encrypts their content; null: `A128CBC-HS256`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    authorization_encrypted_response_enc: Option<Option<ContentEncryption>>,
    /// What signs introspections that it asks for as JWTs (RFC 9701); null: `ES256`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    introspection_signed_response_alg: Option<Option<Alg>>,
    /// How they are encrypted for its key afterwards; null: not at all.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    introspection_encrypted_response_alg: Option<Option<KeyManagement>>,
    /// What encrypts their content; null: `A128CBC-HS256`.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    introspection_encrypted_response_enc: Option<Option<ContentEncryption>>,
    /// Whether it is kept out. Disabling takes its access tokens back.
    disabled: Option<bool>,
    /// Other public keys, all of them; null: none any more.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Object>)]
    jwks: Option<Option<ClientKeys>>,
    /// Where it publishes them instead; null: nowhere any more.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    jwks_uri: Option<Option<NotificationUri>>,
    /// What another certificate is known by, where it authenticates with one.
    #[schema(value_type = Option<Object>)]
    certificate: Option<RegisteredCertificate>,
    /// Whether it gets a new secret. The old one is good for nothing from then on.
    #[serde(default)]
    new_secret: bool,
}

/// A client. Its secret is shown once, when it is made.
#[derive(Serialize, ToSchema)]
#[schema(as = Client)]
pub(super) struct ClientAnswer {
    /// Its identifier.
    #[schema(value_type = String)]
    client_id: ClientId,
    /// The secret that was made just now; left out at any other time.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
    /// What people call it.
    client_name: String,
    /// Whether it can prove who it is.
    confidential: bool,
    /// How it authenticates.
    token_endpoint_auth_method: AuthMethod,
    /// Its public keys, where it has given some.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    jwks: Option<ClientKeys>,
    /// Where it publishes them, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    jwks_uri: Option<NotificationUri>,
    /// What its TLS certificate is known by, where it authenticates with one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    certificate: Option<RegisteredCertificate>,
    /// The grants that it may use.
    #[schema(value_type = Vec<String>)]
    grant_types: Vec<GrantType>,
    /// The most that it may ask for.
    #[schema(value_type = String)]
    scope: ScopeSet,
    /// The audiences that it may ask for.
    audience: Vec<String>,
    /// Where browsers may be sent back to with a code.
    #[schema(value_type = Vec<String>)]
    redirect_uris: Vec<RedirectUri>,
    /// Where browsers may be sent to after a logout.
    #[schema(value_type = Vec<String>)]
    post_logout_redirect_uris: Vec<RedirectUri>,
    /// Where it gets logout tokens; left out where nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    backchannel_logout_uri: Option<NotificationUri>,
    /// What a browser opens in a frame of the logout page; left out where nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    frontchannel_logout_uri: Option<NotificationUri>,
    /// Whether users are not asked for consent.
    trusted: bool,
    /// Whether it must use PKCE.
    require_pkce: bool,
    /// Whether it must push its authorization requests (RFC 9126).
    require_pushed_authorization_requests: bool,
    /// What tokens it may exchange for which; left out where none.
    #[serde(skip_serializing_if = "Option::is_none")]
    exchange: Option<Exchange>,
    /// Whether it gets no access token that is not bound to a key of its (RFC 9449).
    dpop_bound_access_tokens: bool,
    /// Whether its access tokens are bound to its TLS certificate, which it must show (RFC 8705).
    tls_client_certificate_bound_access_tokens: bool,
    /// Whether it must sign its authorization requests (RFC 9101).
    require_signed_request_object: bool,
    /// The types of authorization details that it may ask for (RFC 9396).
    authorization_details_types: Vec<String>,
    /// How its users are called: `public` or `pairwise`.
    #[schema(value_type = String)]
    subject_type: SubjectType,
    /// Where the redirect URIs of its sector are listed; left out where nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    sector_identifier_uri: Option<NotificationUri>,
    /// How long ago its users may have logged in where a request has no `max_age`, in seconds; left out where any time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, maximum = 4_294_967_295_u64)]
    default_max_age: Option<u32>,
    /// Whether its ID tokens always say when their user logged in.
    require_auth_time: bool,
    /// Whether its assertions may be for the token endpoint in place of the issuer.
    endpoint_audience: bool,
    /// How it would like its users to log in where a request asks for no `acr`.
    #[schema(value_type = Vec<String>)]
    default_acr_values: AcrValues,
    /// The only algorithm of its assertions; left out where it has not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    token_endpoint_auth_signing_alg: Option<Alg>,
    /// The only algorithm of its request objects (RFC 9101); left out where it has not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    request_object_signing_alg: Option<Alg>,
    /// What signs its ID tokens and logout tokens; `ES256` where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    id_token_signed_response_alg: Option<Alg>,
    /// How they are encrypted for its key; left out where not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    id_token_encrypted_response_alg: Option<KeyManagement>,
    /// What encrypts their content; left out where it has not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    id_token_encrypted_response_enc: Option<ContentEncryption>,
    /// What signs what it hears at the userinfo endpoint; left out where it has not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    userinfo_signed_response_alg: Option<Alg>,
    /// How it is encrypted for its key; left out where not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    userinfo_encrypted_response_alg: Option<KeyManagement>,
    /// What encrypts its content; left out where it has not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    userinfo_encrypted_response_enc: Option<ContentEncryption>,
    /// What signs authorization responses that it asks for as JWTs (JARM); left out where it has not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    authorization_signed_response_alg: Option<Alg>,
    /// How they are encrypted for its key; left out where not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    authorization_encrypted_response_alg: Option<KeyManagement>,
    /// What encrypts their content; left out where it has not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    authorization_encrypted_response_enc: Option<ContentEncryption>,
    /// What signs introspections that it asks for as JWTs (RFC 9701); left out where it has not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    introspection_signed_response_alg: Option<Alg>,
    /// How they are encrypted for its key; left out where not at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    introspection_encrypted_response_alg: Option<KeyManagement>,
    /// What encrypts their content; left out where it has not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    introspection_encrypted_response_enc: Option<ContentEncryption>,
    /// Whether it is kept out.
    disabled: bool,
    /// When it was registered, in seconds since 1970.
    created_at: i64,
}

/// A page of clients.
#[derive(Serialize, ToSchema)]
pub(super) struct ClientPage {
    clients: Vec<ClientAnswer>,
    /// What to pass as `after` for the next page; null on the last one.
    #[schema(required)]
    next: Option<String>,
}

/// Register a client
#[utoipa::path(
    post, path = "/admin/v1/clients", operation_id = "create_client", tag = "clients",
    request_body = CreateRequest,
    responses(
        (
            status = 201, body = ClientAnswer, description = "The client",
            headers(("Location" = String, description = "Where the client is found")),
        ),
        Refusals, BodyRefusals, Conflict,
    ),
    security(("access_token" = [])),
)]
pub(super) async fn create(
    State(server): State<Arc<Server>>,
    Json(request): Json<CreateRequest>,
) -> Result<Response, Problem> {
    let (credential, other_keys) = new_credential(
        request.confidential,
        request.token_endpoint_auth_method,
        key_source(request.jwks, request.jwks_uri)?,
        request.certificate,
    )?;
    let new = NewClient {
        id: request.client_id,
        name: request.client_name,
        credential,
        grants: request.grant_types,
        scope: request.scope,
        audience: request.audience,
        sign_on: SignOnClient {
            redirect_uris: request.redirect_uris,
            post_logout_redirect_uris: request.post_logout_redirect_uris,
            logout: ClientLogout {
                backchannel: request.backchannel_logout_uri,
                frontchannel: request.frontchannel_logout_uri,
            },
            trusted: request.trusted,
            require_pkce: request.require_pkce,
            require_pushed: request.require_pushed_authorization_requests,
        },
        exchange: request.exchange.map(ExchangePolicy::from),
        extensions: ClientExtensions {
            dpop_bound_access_tokens: request.dpop_bound_access_tokens,
            tls_client_certificate_bound_access_tokens: request.tls_client_certificate_bound_access_tokens,
            require_signed_request_object: request.require_signed_request_object,
            authorization_details_types: request.authorization_details_types,
            subject_type: request.subject_type,
            sector_identifier_uri: request.sector_identifier_uri,
            default_max_age: request.default_max_age,
            require_auth_time: request.require_auth_time,
            endpoint_audience: request.endpoint_audience,
            default_acr_values: request.default_acr_values,
            keys: other_keys,
            token_endpoint_auth_signing_alg: request.token_endpoint_auth_signing_alg,
            request_object_signing_alg: request.request_object_signing_alg,
            responses: of_same_names!(ResponseFormats, request),
        },
    };
    let (client, secret) = server.issuer.create_client(new, server.now()).await?;
    let path = format!("/admin/v1/clients/{}", client.id);
    Ok(created(&server, &path, JsonAnswer(ClientAnswer::new(client, secret))))
}

/// List clients, in the order of their identifiers
#[utoipa::path(
    get, path = "/admin/v1/clients", operation_id = "list_clients", tag = "clients",
    params(
        ("limit" = Option<u32>, Query, minimum = 1, maximum = 500, description = "How many, 100 by default"),
        ("after" = Option<String>, Query, min_length = 1, description = "Where the last page ended: its `next`"),
    ),
    responses((status = 200, body = ClientPage, description = "The page"), Refusals),
    security(("access_token" = [])),
)]
pub(super) async fn list(
    State(server): State<Arc<Server>>,
    uri: Uri,
) -> Result<JsonAnswer<ClientPage>, Problem> {
    let query = Form::parse(uri.query().unwrap_or_default().as_bytes())?;
    query.require_only(&["limit", "after"])?;
    let page = page::<ClientId>(&query)?;
    let limit = page.limit;
    let clients = server.issuer.list_clients(page).await?;
    let next = next_page(&clients, limit, |client| client.id.clone());
    let clients = clients.into_iter().map(|client| ClientAnswer::new(client, None)).collect();
    Ok(JsonAnswer(ClientPage { clients, next }))
}

/// Read a client
#[utoipa::path(
    get, path = "/admin/v1/clients/{id}", operation_id = "find_client", tag = "clients",
    params(("id" = String, Path, description = "The client's `client_id`")),
    responses((status = 200, body = ClientAnswer, description = "The client"), Refusals, NotFound),
    security(("access_token" = [])),
)]
pub(super) async fn find(
    State(server): State<Arc<Server>>,
    Named(id): Named<ClientId>,
) -> Result<JsonAnswer<ClientAnswer>, Problem> {
    Ok(JsonAnswer(ClientAnswer::new(server.issuer.find_client(&id).await?, None)))
}

/// Change a client
#[utoipa::path(
    patch, path = "/admin/v1/clients/{id}", operation_id = "change_client", tag = "clients",
    params(("id" = String, Path, description = "The client's `client_id`")),
    request_body = ChangeRequest,
    responses((status = 200, body = ClientAnswer, description = "The client"), Refusals, BodyRefusals, NotFound),
    security(("access_token" = [])),
)]
pub(super) async fn change(
    State(server): State<Arc<Server>>,
    Named(id): Named<ClientId>,
    Json(request): Json<ChangeRequest>,
) -> Result<JsonAnswer<ClientAnswer>, Problem> {
    // Who says something of either says all of it.
    let keys = match (request.jwks, request.jwks_uri) {
        (None, None) => None,
        (jwks, jwks_uri) => Some(key_source(jwks.flatten(), jwks_uri.flatten())?),
    };
    let change = ChangeClient {
        name: request.client_name,
        grants: request.grant_types,
        scope: request.scope,
        audience: request.audience,
        redirect_uris: request.redirect_uris,
        post_logout_redirect_uris: request.post_logout_redirect_uris,
        backchannel_logout_uri: request.backchannel_logout_uri,
        frontchannel_logout_uri: request.frontchannel_logout_uri,
        trusted: request.trusted,
        require_pkce: request.require_pkce,
        require_pushed: request.require_pushed_authorization_requests,
        exchange: request.exchange.map(ExchangePolicy::from),
        dpop_bound_access_tokens: request.dpop_bound_access_tokens,
        tls_client_certificate_bound_access_tokens: request.tls_client_certificate_bound_access_tokens,
        require_signed_request_object: request.require_signed_request_object,
        authorization_details_types: request.authorization_details_types,
        subject_type: request.subject_type,
        sector_identifier_uri: request.sector_identifier_uri,
        default_max_age: request.default_max_age,
        require_auth_time: request.require_auth_time,
        endpoint_audience: request.endpoint_audience,
        default_acr_values: request.default_acr_values,
        token_endpoint_auth_signing_alg: request.token_endpoint_auth_signing_alg,
        request_object_signing_alg: request.request_object_signing_alg,
        responses: of_same_names!(ChangeResponses, request),
        disabled: request.disabled,
        keys,
        certificate: request.certificate,
        new_secret: request.new_secret,
    };
    let (client, secret) = server.issuer.change_client(&id, change, server.now()).await?;
    Ok(JsonAnswer(ClientAnswer::new(client, secret)))
}

fn key_source(
    jwks: Option<ClientKeys>,
    jwks_uri: Option<NotificationUri>,
) -> Result<Option<ClientKeySource>, Problem> {
    ClientKeySource::of(jwks, jwks_uri).map_err(|two| Problem::invalid_value("jwks_uri", two))
}

fn yes() -> bool {
    true
}

/// A member that is there, null or not.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    require_name(String::deserialize(from)?).map_err(serde::de::Error::custom)
}

fn optional_name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let name = Option::<String>::deserialize(from)?;
    name.map(require_name).transpose().map_err(serde::de::Error::custom)
}

/// A name that people can read, and that fits on a line.
pub(crate) fn require_name(name: String) -> Result<String, &'static str> {
    // Characters that turn the direction of writing could make another name of what stands beside it.
    let turns = |c| matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_name = (1..=MAX_NAME).contains(&name.chars().count())
        && !name.chars().any(|c| char::is_control(c) || turns(c));
    if is_name { Ok(name) } else { Err("a client's name has 1 to 128 characters, no control characters") }
}

impl ClientAnswer {
    fn new(client: Client, secret: Option<ClientSecret>) -> Self {
        let method = AuthMethod::of(&client.credential);
        let keys = client.keys().cloned();
        let certificate = match client.credential {
            Credential::Certificate(certificate) => Some(certificate),
            _ => None,
        };
        let responses = client.extensions.responses;
        Self {
            client_id: client.id,
            client_secret: secret.map(|secret| secret.expose().to_owned()),
            client_name: client.name,
            confidential: method != AuthMethod::None,
            token_endpoint_auth_method: method,
            jwks: keys.as_ref().and_then(ClientKeySource::given).cloned(),
            jwks_uri: keys.as_ref().and_then(ClientKeySource::jwks_uri).cloned(),
            certificate,
            grant_types: client.grants,
            scope: client.scope,
            audience: client.audience,
            redirect_uris: client.redirect_uris,
            post_logout_redirect_uris: client.post_logout_redirect_uris,
            backchannel_logout_uri: client.logout.backchannel,
            frontchannel_logout_uri: client.logout.frontchannel,
            trusted: client.trusted,
            require_pkce: client.require_pkce,
            require_pushed_authorization_requests: client.require_pushed,
            exchange: client.exchange.map(Exchange::from),
            dpop_bound_access_tokens: client.extensions.dpop_bound_access_tokens,
            tls_client_certificate_bound_access_tokens: client
                .extensions
                .tls_client_certificate_bound_access_tokens,
            require_signed_request_object: client.extensions.require_signed_request_object,
            authorization_details_types: client.extensions.authorization_details_types,
            subject_type: client.extensions.subject_type,
            sector_identifier_uri: client.extensions.sector_identifier_uri,
            default_max_age: client.extensions.default_max_age,
            require_auth_time: client.extensions.require_auth_time,
            endpoint_audience: client.extensions.endpoint_audience,
            default_acr_values: client.extensions.default_acr_values,
            token_endpoint_auth_signing_alg: client.extensions.token_endpoint_auth_signing_alg,
            request_object_signing_alg: client.extensions.request_object_signing_alg,
            id_token_signed_response_alg: responses.id_token_signed_response_alg,
            id_token_encrypted_response_alg: responses.id_token_encrypted_response_alg,
            id_token_encrypted_response_enc: responses.id_token_encrypted_response_enc,
            userinfo_signed_response_alg: responses.userinfo_signed_response_alg,
            userinfo_encrypted_response_alg: responses.userinfo_encrypted_response_alg,
            userinfo_encrypted_response_enc: responses.userinfo_encrypted_response_enc,
            authorization_signed_response_alg: responses.authorization_signed_response_alg,
            authorization_encrypted_response_alg: responses.authorization_encrypted_response_alg,
            authorization_encrypted_response_enc: responses.authorization_encrypted_response_enc,
            introspection_signed_response_alg: responses.introspection_signed_response_alg,
            introspection_encrypted_response_alg: responses.introspection_encrypted_response_alg,
            introspection_encrypted_response_enc: responses.introspection_encrypted_response_enc,
            disabled: client.disabled,
            created_at: client.created_at.as_secs(),
        }
    }
}
