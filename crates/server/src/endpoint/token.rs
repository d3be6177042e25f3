//! The token endpoint ([RFC 6749 section 3.2](https://www.rfc-editor.org/rfc/rfc6749#section-3.2)).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::{TokenExchange, TokenRequest};
use gatepass_token::{AuthorizationDetails, CodeVerifier, ScopeSet};
use http::HeaderMap;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::body::FormBody;
use crate::client_authentication;
use crate::dpop::Proof;
use crate::form::Form;
use crate::oauth_error::OAuthError;
use crate::server::Server;

/// RFC 8628 section 3.4.
pub(crate) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// RFC 7523 section 2.1.
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// RFC 8693 section 2.1.
pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// The one type of token that is taken and given (RFC 8693 section 3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// RFC 6749 section 5.1.
#[derive(Serialize)]
struct TokenAnswer<'t> {
    access_token: &'t str,
    token_type: &'static str,
    expires_in: u64,
    #[serde(skip_serializing_if = "ScopeSet::is_empty")]
    scope: &'t ScopeSet,
    /// RFC 9396 section 7.
    #[serde(skip_serializing_if = "AuthorizationDetails::is_empty")]
    authorization_details: &'t AuthorizationDetails,
    /// RFC 8693 section 2.2.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'t str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'t str>,
}

/// `POST /oauth/token`
pub(crate) async fn token(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    FormBody(form): FormBody,
) -> Result<Response, OAuthError> {
    let authentication = client_authentication::parse(&headers, &proof, &form)?;
    let request = token_request(&form)?;
    let issued_token_type = matches!(request, TokenRequest::TokenExchange(_)).then_some(ACCESS_TOKEN);
    let tokens = server.issuer.token(&authentication, request, proof.shown(), server.now()).await?;
    let answer = TokenAnswer {
        access_token: &tokens.access_token,
        token_type: tokens.token_type.name(),
        expires_in: tokens.expires_in.as_secs(),
        scope: &tokens.scope,
        authorization_details: &tokens.authorization_details,
        issued_token_type,
        refresh_token: tokens.refresh_token.as_ref().map(|token| token.expose()),
        id_token: tokens.id_token.as_deref(),
    };
    Ok(axum::Json(answer).into_response())
}

fn token_request(form: &Form) -> Result<TokenRequest, OAuthError> {
    let missing = |name: &str| OAuthError::invalid_request(format!("{name} is missing"));
    let grant_type = form.find("grant_type").ok_or_else(|| missing("grant_type"))?;
    let scope = form.find("scope").map(str::parse).transpose().map_err(OAuthError::invalid_scope)?;
    let authorization_details =
        form.find("authorization_details").map(AuthorizationDetails::parse).transpose();
    let authorization_details = authorization_details
        .map_err(|error| OAuthError::invalid_authorization_details(error.to_string()))?;
    match grant_type {
        "authorization_code" => authorization_code(form, authorization_details),
        "client_credentials" => {
            let resource = resource(form)?;
            Ok(TokenRequest::ClientCredentials { scope, resource, authorization_details })
        }
        "refresh_token" => {
            let token = form.find("refresh_token").ok_or_else(|| missing("refresh_token"))?;
            let resource = resource(form)?;
            Ok(TokenRequest::RefreshToken { token: token.to_owned(), scope, authorization_details, resource })
        }
        DEVICE_CODE => {
            let device_code = form.find("device_code").ok_or_else(|| missing("device_code"))?;
            let device_code = Zeroizing::new(device_code.to_owned());
            Ok(TokenRequest::DeviceCode { device_code, resource: resource(form)? })
        }
        JWT_BEARER => {
            let assertion = form.find("assertion").ok_or_else(|| missing("assertion"))?;
            let assertion = Zeroizing::new(assertion.to_owned());
            Ok(TokenRequest::JwtBearer { assertion, scope, resource: resource(form)? })
        }
        TOKEN_EXCHANGE => token_exchange(form, scope).map(TokenRequest::TokenExchange),
        _ => Err(OAuthError::unsupported_grant_type()),
    }
}

/// The one resource server that the access token is for. RFC 8707 section 2.2 lets a token be for several; that each could
/// use it at the others is why this server mints none.
fn resource(form: &Form) -> Result<Option<String>, OAuthError> {
    let one = form.resources().one().map_err(|_| OAuthError::two_targets())?;
    Ok(one.map(str::to_owned))
}

fn authorization_code(
    form: &Form,
    authorization_details: Option<AuthorizationDetails>,
) -> Result<TokenRequest, OAuthError> {
    let text = |name: &str| form.find(name).map(str::to_owned);
    let code = form.find("code").ok_or_else(|| OAuthError::invalid_request("code is missing"))?;
    let verifier = form.find("code_verifier").map(CodeVerifier::parse).transpose();
    Ok(TokenRequest::AuthorizationCode {
        code: Zeroizing::new(code.to_owned()),
        redirect_uri: text("redirect_uri"),
        verifier: verifier.map_err(|error| OAuthError::invalid_request(error.to_string()))?,
        resource: resource(form)?,
        authorization_details,
    })
}

/// RFC 8693 section 2.1. Both ways to say what the token is for are served, and one target at a time: that
/// a parameter comes once is [`Form`]'s to check.
fn token_exchange(form: &Form, scope: Option<ScopeSet>) -> Result<TokenExchange, OAuthError> {
    let is_access_token = |name: &str| match form.find(name) {
        Some(ACCESS_TOKEN) => Ok(()),
        Some(_) => Err(OAuthError::invalid_request(format!("{name} is {ACCESS_TOKEN}"))),
        None => Err(OAuthError::invalid_request(format!("{name} is missing"))),
    };
    let subject_token = form.find("subject_token");
    let subject_token =
        subject_token.ok_or_else(|| OAuthError::invalid_request("subject_token is missing"))?.to_owned();
    is_access_token("subject_token_type")?;
    let actor_token = form.find("actor_token").map(str::to_owned);
    match (&actor_token, form.find("actor_token_type")) {
        (Some(_), _) => is_access_token("actor_token_type")?,
        (None, Some(_)) => {
            return Err(OAuthError::invalid_request("there is an actor_token_type and no actor_token"));
        }
        (None, None) => {}
    }
    if form.find("requested_token_type").is_some() {
        is_access_token("requested_token_type")?;
    }
    let audience = match (form.find("audience"), resource(form)?) {
        (Some(audience), Some(resource)) if audience != resource => return Err(OAuthError::two_targets()),
        (Some(target), _) => target.to_owned(),
        (None, Some(target)) => target,
        (None, None) => return Err(OAuthError::invalid_request("audience or resource is missing")),
    };
    Ok(TokenExchange { subject_token, actor_token, audience, scope })
}
