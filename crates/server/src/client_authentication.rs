//! How an OAuth client says who it is ([RFC 6749 section 2.3](https://www.rfc-editor.org/rfc/rfc6749#section-2.3)).

use base64_simd::STANDARD;
use gatepass_issuer::{ClientAuthentication, ClientProof};
use http::HeaderMap;
use zeroize::Zeroizing;

use crate::authorization::Authorization;
use crate::dpop::Proof;
use crate::form::{self, Form};
use crate::oauth_error::OAuthError;

/// The ways that are served, as the metadata name them.
pub(crate) const METHODS: [&str; 5] =
    ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"];

/// The one type of assertion ([RFC 7523 section 2.2](https://www.rfc-editor.org/rfc/rfc7523#section-2.2)).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Reads how the request identifies its client: HTTP Basic, or `client_id` and `client_secret` in the
/// body, or an assertion, but no two of them (RFC 6749 section 2.3). The certificate of the connection is beside all of
/// them; a client that is known by it sends its `client_id` alone (RFC 8705 section 2).
pub(crate) fn parse(
    headers: &HeaderMap,
    proof: &Proof,
    form: &Form,
) -> Result<ClientAuthentication, OAuthError> {
    let certificate = proof.certificate().cloned();
    Ok(ClientAuthentication { certificate, address: proof.address(), ..said(headers, form)? })
}

fn said(headers: &HeaderMap, form: &Form) -> Result<ClientAuthentication, OAuthError> {
    let basic = match Authorization::of(headers) {
        Authorization::Absent => None,
        Authorization::Basic(credentials) => Some(basic(credentials).ok_or_else(OAuthError::invalid_client)?),
        Authorization::Several => {
            return Err(OAuthError::invalid_request("there is more than one Authorization header"));
        }
        Authorization::Bearer(_) | Authorization::Dpop(_) | Authorization::Other => {
            return Err(OAuthError::invalid_client());
        }
    };
    let named = form.find("client_id");
    let copy = |text: &str| Zeroizing::new(text.to_owned());
    match (basic, form.find("client_secret"), assertion(form)?) {
        (Some((id, secret)), None, None) if named.is_none_or(|named| named == *id) => {
            authentication(Some(&id), Some(ClientProof::Secret(secret)))
        }
        (Some(_), None, None) => {
            Err(OAuthError::invalid_request("client_id is not the client that authenticates"))
        }
        (None, None, Some(assertion)) => authentication(named, Some(ClientProof::Assertion(copy(assertion)))),
        (None, secret, None) => authentication(named, secret.map(|secret| ClientProof::Secret(copy(secret)))),
        _ => Err(OAuthError::invalid_request("the client authenticates in two ways at once")),
    }
}

fn assertion(form: &Form) -> Result<Option<&str>, OAuthError> {
    match (form.find("client_assertion"), form.find("client_assertion_type")) {
        (Some(assertion), Some(JWT_BEARER)) => Ok(Some(assertion)),
        (None, None) => Ok(None),
        _ => {
            let why = format!("client_assertion comes with the client_assertion_type {JWT_BEARER}");
            Err(OAuthError::invalid_request(why))
        }
    }
}

/// An identifier that no client can have is an unknown client's.
fn authentication(id: Option<&str>, proof: Option<ClientProof>) -> Result<ClientAuthentication, OAuthError> {
    let id = id.map(|id| id.parse().map_err(|_| OAuthError::invalid_client())).transpose()?;
    Ok(ClientAuthentication { id, proof, certificate: None, address: None })
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

    fn shown(proof: &ClientProof) -> String {
        match proof {
            ClientProof::Secret(secret) => secret.to_string(),
            ClientProof::Assertion(assertion) => format!("assertion {}", **assertion),
        }
    }

    #[test]
    fn the_ways_to_authenticate() {
        let assertion = "client_assertion=a.b.c&client_assertion_type=\
                         urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
        let with_assertion = |more: &str| format!("{assertion}&{more}");
        let (asserted_id, asserted_secret) =
            (with_assertion("client_id=batch"), with_assertion("client_secret=s"));
        let saml = "client_assertion=a&client_assertion_type=saml2-bearer";
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
            ("assertion", None, assertion, Ok((None, Some("assertion a.b.c".to_owned())))),
            ("assertion_and_its_id", None, &asserted_id, id_and_secret("batch", "assertion a.b.c")),
            ("assertion_and_secret", None, &asserted_secret, Err(400)),
            ("assertion_and_basic", Some(basic("batch:s")), assertion, Err(400)),
            ("assertion_of_no_type", None, "client_assertion=a.b.c", Err(400)),
            ("assertion_of_another_type", None, saml, Err(400)),
            ("type_of_no_assertion", None, "client_assertion_type=x", Err(400)),
            ("bearer", Some("Bearer x".to_owned()), "", Err(401)),
        ];
        for (name, header, body, want) in cases {
            let mut headers = HeaderMap::new();
            headers.extend(header.map(|value| (AUTHORIZATION, value.parse().unwrap())));
            let read = said(&headers, &Form::parse(body.as_bytes()).unwrap());
            let read = read
                .map(|read| (read.id.map(|id| id.to_string()), read.proof.map(|proof| shown(&proof))))
                .map_err(|error| error.into_response().status().as_u16());
            assert_eq!(read, want, "{name}");
        }
    }
}
