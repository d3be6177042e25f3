//! Token introspection ([RFC 7662](https://www.rfc-editor.org/rfc/rfc7662)).

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::session::Session;
use gatepass_issuer::{AuthenticatedClient, Introspection, TokenType};
use gatepass_jose::{Audience, NumericDate, Timestamp};
use gatepass_token::{AccessClaims, Actor, AuthorizationDetails, Confirmation, ScopeSet};
use http::HeaderMap;
use serde::Serialize;

use crate::authorization::Authorization;
use crate::body::FormBody;
use crate::dpop::Proof;
use crate::form::Form;
use crate::oauth_error::OAuthError;
use crate::server::Server;
use crate::{bearer, client_authentication};

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
    require_entitled(&server, &headers, &proof, &form, now).await?;
    let token = form.find("token").ok_or_else(|| OAuthError::invalid_request("token is missing"))?;
    let answer = match server.issuer.introspect(token, now).await? {
        Introspection::Inactive => IntrospectionAnswer::default(),
        Introspection::AccessToken(claims) => IntrospectionAnswer::of_access_token(*claims),
        Introspection::RefreshToken(session) => {
            IntrospectionAnswer::of_refresh_token(*session, server.issuer.name().as_str())
        }
    };
    Ok(axum::Json(answer).into_response())
}

/// Only who can keep a secret may ask, or anybody could try out tokens here (RFC 7662 section 2.1).
async fn require_entitled(
    server: &Server,
    headers: &HeaderMap,
    proof: &Proof,
    form: &Form,
    now: Timestamp,
) -> Result<(), OAuthError> {
    if let Authorization::Bearer(_) | Authorization::Dpop(_) = Authorization::of(headers) {
        bearer::authenticate_admin(&server.issuer, headers, proof, now).await?;
        return Ok(());
    }
    let authentication = client_authentication::parse(headers, form)?;
    match server.issuer.authenticate_client(&authentication, now).await? {
        AuthenticatedClient::Confidential(_) => Ok(()),
        AuthenticatedClient::Public(_) | AuthenticatedClient::FirstParty => Err(OAuthError::invalid_client()),
    }
}

impl IntrospectionAnswer {
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
            act: claims.act,
            cnf: claims.cnf,
            authorization_details: claims.authorization_details,
        }
    }

    /// Without `token_type`: a refresh token is not sent to resource servers in any way.
    fn of_refresh_token(session: Session, issuer: &str) -> Self {
        Self {
            active: true,
            scope: session.scope,
            client_id: Some(session.client.to_string()),
            exp: Some(session.idle_expires_at.min(session.expires_at).into()),
            iat: Some(session.rotated_at.unwrap_or(session.created_at).into()),
            sub: Some(session.user.to_string()),
            iss: Some(issuer.to_owned()),
            sid: Some(session.id.to_string()),
            authorization_details: session.authorization_details,
            cnf: session.jkt.map(|jkt| Confirmation::dpop(jkt.to_string())),
            ..Self::default()
        }
    }
}
