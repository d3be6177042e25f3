//! Token introspection ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)), signed where that is asked for
//! ([RFC 9701](https://www.rfc-editor.org/rfc/rfc9701)).

use std::borrow::Cow;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::client::Client;
use gatepass_issuer::session::Session;
use gatepass_issuer::{AuthenticatedClient, Introspection, TokenType};
use gatepass_jose::{Audience, NumericDate, Timestamp};
use gatepass_token::{AccessClaims, Actor, AuthorizationDetails, Confirmation, ScopeSet};
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, VARY};
use serde::Serialize;

use crate::authorization::Authorization;
use crate::body::FormBody;
use crate::dpop::Proof;
use crate::form::Form;
use crate::oauth_error::OAuthError;
use crate::server::Server;
use crate::{bearer, client_authentication};

/// The media type of a signed answer (RFC 9701 section 4).
const SIGNED: &str = "application/token-introspection+jwt";

/// RFC 7662 section 2.2. Of a token that is not active, nothing is said but that.
#[derive(Default, Serialize)]
struct IntrospectionAnswer {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<ScopeSet>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<NumericDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<NumericDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<NumericDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<Audience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roles: Vec<String>,
    /// RFC 9470 section 6.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<NumericDate>,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Actor>,
    /// RFC 9449 section 6.2.
    #[serde(skip_serializing_if = "Option::is_none")]
    cnf: Option<Confirmation>,
    /// RFC 9396 section 9.2.
    #[serde(skip_serializing_if = "AuthorizationDetails::is_empty")]
    authorization_details: AuthorizationDetails,
}

/// `POST /oauth/introspect`
pub(crate) async fn introspect(
    State(server): State<Arc<Server>>,
    headers: HeaderMap,
    proof: Proof,
    FormBody(form): FormBody,
) -> Result<Response, OAuthError> {
    let now = server.now();
    let client = require_entitled(&server, &headers, &proof, &form, now).await?;
    let token = form.find("token").ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    let found = server.issuer.introspect(token, now).await?;
    let found = match &client {
        Some(client) => server.issuer.limit_introspection(client, found).await?,
        None => found,
    };
    let answer = IntrospectionAnswer::of(found, &server);
    if !wants_signed(&headers) {
        return Ok(([(VARY, "Accept")], axum::Json(answer)).into_response());
    }
    // A signature is good anywhere, so it is made for a client that has a name.
    let client = client.ok_or_else(|| {
        OAuthError::invalid_request("a signed answer is for a client that authenticates as itself")
    })?;
    let jwt = server.issuer.sign_introspection(&client, &answer, now).await?;
    Ok(([(CONTENT_TYPE, SIGNED), (VARY, "Accept")], jwt).into_response())
}

/// Whether the client accepts a signed answer, by that name; `*/*` is what a client sends that knows of none.
fn wants_signed(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|range| {
        let mut parts = range.split(';').map(str::trim);
        let is_named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(SIGNED));
        let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
        is_named && weight.is_none_or(|weight| weight.parse().is_ok_and(|weight: f32| weight > 0.0))
    })
}

/// Only who can keep a secret may ask, or anybody could try out tokens here (RFC 7662 section 2.1). Who asks; `None`
/// for an administrator, who may be told of every token.
async fn require_entitled(
    server: &Server,
    headers: &HeaderMap,
    proof: &Proof,
    form: &Form,
    now: Timestamp,
) -> Result<Option<Box<Client>>, OAuthError> {
    if let Authorization::Bearer(_) | Authorization::Dpop(_) = Authorization::of(headers) {
        bearer::authenticate_admin(&server.issuer, headers, proof, now).await?;
        return Ok(None);
    }
    let authentication = client_authentication::parse(headers, proof, form)?;
    match server.issuer.authenticate_client(&authentication, now).await? {
        AuthenticatedClient::Confidential(client) => Ok(Some(client)),
        AuthenticatedClient::Public(_) | AuthenticatedClient::FirstParty => Err(OAuthError::invalid_client()),
    }
}

impl IntrospectionAnswer {
    fn of(found: Introspection, server: &Server) -> Self {
        match found {
            Introspection::Inactive => Self::default(),
            Introspection::AccessToken(claims) => Self::of_access_token(*claims),
            Introspection::RefreshToken(session) => {
                Self::of_refresh_token(*session, server.issuer.name().as_str())
            }
        }
    }

    fn of_access_token(claims: AccessClaims) -> Self {
        Self {
            active: true,
            scope: Some(claims.scope),
            client_id: Some(claims.client_id),
            token_type: Some(TokenType::of(claims.cnf.as_ref()).name()),
            exp: Some(claims.exp),
            iat: Some(claims.iat),
            nbf: claims.nbf,
            sub: Some(claims.sub),
            aud: Some(claims.aud),
            iss: Some(claims.iss),
            jti: Some(claims.jti),
            sid: claims.sid,
            roles: claims.roles,
            acr: claims.acr,
            auth_time: claims.auth_time,
            act: claims.act,
            cnf: claims.cnf,
            authorization_details: claims.authorization_details,
        }
    }

    /// Without `token_type`: a refresh token is not sent to resource servers in any way.
    fn of_refresh_token(session: Session, issuer: &str) -> Self {
        Self {
            active: true,
            sub: Some(session.subject()),
            acr: Some(session.acr().into()),
            auth_time: session.auth_time.map(Into::into),
            scope: session.scope,
            client_id: Some(session.client.to_string()),
            exp: Some(session.idle_expires_at.min(session.expires_at).into()),
            iat: Some(session.rotated_at.unwrap_or(session.created_at).into()),
            iss: Some(issuer.to_owned()),
            sid: Some(session.id.to_string()),
            authorization_details: session.authorization_details,
            cnf: session.binding.confirmation(),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_a_signed_answer() {
        let cases: [(&[&str], bool); 10] = [
            (&[], false),
            (&["*/*"], false),
            (&["application/*"], false),
            (&["application/json"], false),
            (&["application/token-introspection+jwt"], true),
            (&["Application/Token-Introspection+JWT;q=0.5, application/json"], true),
            (&["application/json", "application/token-introspection+jwt"], true),
            (&["application/token-introspection+jwt;q=0"], false),
            (&["application/token-introspection+jwt;q=x"], false),
            (&["application/token-introspection+jwtx"], false),
        ];
        for (lines, want) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(ACCEPT, line.parse().unwrap());
            }
            assert_eq!(wants_signed(&headers), want, "{lines:?}");
        }
    }
}
