//! How an OAuth client says who it is ([RFC 6749 section 2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)).

use base64_simd::STANDARD;
use gatepass_issuer::ClientAuthentication;
use http::HeaderMap;
use zeroize::Zeroizing;

use crate::authorization::Authorization;
use crate::form::{self, Form};
use crate::oauth_error::OAuthError;

/// The ways that are served, as the metadata name them.
pub(crate) const METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];

/// Reads how the request identifies its client: HTTP Basic, or `client_id` and `client_secret` in the
/// body, but not both.
pub(crate) fn parse(headers: &HeaderMap, form: &Form) -> Result<ClientAuthentication, OAuthError> {
    let (id, secret) = match Authorization::of(headers) {
        Authorization::Absent => (form.find("client_id").map(str::to_owned), form.find("client_secret")),
        Authorization::Basic(credentials) => {
            let (id, secret) = basic(credentials).ok_or_else(OAuthError::invalid_client)?;
            if form.find("client_secret").is_some() {
                return Err(OAuthError::invalid_request("the client authenticates in two ways at once"));
            }
            if form.find("client_id").is_some_and(|named| *named != *id) {
                return Err(OAuthError::invalid_request("client_id is not the client that authenticates"));
            }
            return authentication(Some(&id), Some(secret));
        }
        Authorization::Several => {
            return Err(OAuthError::invalid_request("there is more than one Authorization header"));
        }
        Authorization::Bearer(_) | Authorization::Other => return Err(OAuthError::invalid_client()),
    };
    authentication(id.as_deref(), secret.map(|secret| Zeroizing::new(secret.to_owned())))
}

/// An identifier that no client can have is an unknown client's.
fn authentication(
    id: Option<&str>,
    secret: Option<Zeroizing<String>>,
) -> Result<ClientAuthentication, OAuthError> {
    let id = id.map(|id| id.parse().map_err(|_| OAuthError::invalid_client())).transpose()?;
    Ok(ClientAuthentication { id, secret })
}

/// Both halves are form-urlencoded before they are joined (RFC 6749 section 2.3.1).
fn basic(credentials: &str) -> Option<(Zeroizing<String>, Zeroizing<String>)> {
    let pair = Zeroizing::new(STANDARD.decode_to_vec(credentials).ok()?);
    let colon = pair.iter().position(|byte| *byte == b':')?;
    let (id, secret) = pair.split_at_checked(colon)?;
    Some((form::decode(id)?, form::decode(secret.get(1..)?)?))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use http::header::AUTHORIZATION;

    use super::*;

    #[test]
    fn the_ways_to_authenticate() {
        let basic = |pair: &str| format!("Basic {}", STANDARD.encode_to_string(pair));
        let id_and_secret = |id: &str, secret: &str| Ok((Some(id.to_owned()), Some(secret.to_owned())));
        let cases = [
            ("nothing", None, "", Ok((None, None))),
            ("public", None, "client_id=web", Ok((Some("web".to_owned()), None))),
            ("post", None, "client_id=batch&client_secret=s", id_and_secret("batch", "s")),
            ("basic", Some(basic("batch:s")), "", id_and_secret("batch", "s")),
            ("basic_urlencoded", Some(basic("ba%74ch:a%3Ab+c")), "", id_and_secret("batch", "a:b c")),
            ("basic_colon_in_the_secret", Some(basic("batch:a:b")), "", id_and_secret("batch", "a:b")),
            ("basic_and_its_id", Some(basic("batch:s")), "client_id=batch", id_and_secret("batch", "s")),
            ("basic_and_another_id", Some(basic("batch:s")), "client_id=web", Err(400)),
            ("both", Some(basic("batch:s")), "client_secret=s", Err(400)),
            ("basic_without_colon", Some(basic("batch")), "", Err(401)),
            ("basic_not_base64", Some("Basic !!".to_owned()), "", Err(401)),
            ("basic_not_padded", Some("Basic YTpiYQ".to_owned()), "", Err(401)),
            ("basic_bad_escape", Some(basic("batch:%zz")), "", Err(401)),
            ("impossible_id", None, "client_id=a%20b", Err(401)),
            ("bearer", Some("Bearer x".to_owned()), "", Err(401)),
        ];
        for (name, header, body, want) in cases {
            let mut headers = HeaderMap::new();
            headers.extend(header.map(|value| (AUTHORIZATION, value.parse().unwrap())));
            let read = parse(&headers, &Form::parse(body.as_bytes()).unwrap());
            let read = read
                .map(|read| (read.id.map(|id| id.to_string()), read.secret.map(|secret| secret.to_string())))
                .map_err(|error| error.into_response().status().as_u16());
            assert_eq!(read, want, "{name}");
        }
    }
}
