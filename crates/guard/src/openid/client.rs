//! Who asks an issuer to log users in, and how it shows who it is.

use axum::http::StatusCode;
use gatepass_jose::Alg;
use url::Url;
use url::form_urlencoded::Serializer;

use crate::config::ClientSecret;
use crate::http::{FetchError, Http};

/// A confidential client of an issuer that logs users in.
///
/// What is `None` is as the issuer's metadata say.
#[derive(Clone, Debug)]
pub struct OpenIdClient {
    /// The client's name at the issuer.
    pub client_id: String,
    /// Its secret.
    pub client_secret: ClientSecret,
    /// How it shows the secret, also where it revokes tokens.
    pub token_endpoint_auth_method: Option<TokenEndpointAuthMethod>,
    /// The one algorithm with which its ID tokens are signed.
    pub id_token_signed_response_alg: Option<Alg>,
}

/// How a client shows its secret ([RFC 7591 section 2](https://www.rfc-editor.org/rfc/rfc7591#section-2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenEndpointAuthMethod {
    /// By HTTP Basic authentication ([RFC 6749 section 2.3.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1)).
    ClientSecretBasic,
    /// In the form, which that section allows to those who cannot do the other.
    ClientSecretPost,
}

impl TokenEndpointAuthMethod {
    /// What to use where `supported` is `token_endpoint_auth_methods_supported`: Basic where it will do, which is so
    /// too where nothing is said ([RFC 8414 section 2](https://www.rfc-editor.org/rfc/rfc8414#section-2)).
    pub(super) fn of(supported: Option<&[String]>) -> Option<Self> {
        let takes = |name: &str| supported.is_some_and(|supported| supported.iter().any(|one| one == name));
        if supported.is_none() || takes("client_secret_basic") {
            Some(Self::ClientSecretBasic)
        } else {
            takes("client_secret_post").then_some(Self::ClientSecretPost)
        }
    }
}

impl OpenIdClient {
    /// Posts a form in the client's name and reads the answer of whatever status, up to `limit` bytes.
    pub(super) async fn ask(
        &self,
        http: &Http,
        url: &Url,
        method: TokenEndpointAuthMethod,
        form: &[(&str, &str)],
        limit: usize,
    ) -> Result<(StatusCode, Vec<u8>), FetchError> {
        let in_form =
            [("client_id", self.client_id.as_str()), ("client_secret", self.client_secret.expose())];
        let own = match method {
            TokenEndpointAuthMethod::ClientSecretBasic => [].as_slice(),
            TokenEndpointAuthMethod::ClientSecretPost => &in_form,
        };
        let form = Serializer::new(String::new()).extend_pairs(form).extend_pairs(own).finish();
        match method {
            TokenEndpointAuthMethod::ClientSecretBasic => {
                http.ask(url, (&self.client_id, &self.client_secret), form, limit).await
            }
            TokenEndpointAuthMethod::ClientSecretPost => http.ask_in_form(url, form, limit).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_of_a_client_has_no_secret() {
        let client = OpenIdClient {
            client_id: "web".to_owned(),
            client_secret: ClientSecret::new("s3:cret"),
            token_endpoint_auth_method: None,
            id_token_signed_response_alg: None,
        };
        let written = format!("{client:?} {client:#?}");
        assert!(written.contains("web") && !written.contains("s3:cret"), "{written}");
    }

    #[test]
    fn how_a_secret_is_shown() {
        use TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost};
        let cases: [(Option<&[&str]>, Option<TokenEndpointAuthMethod>); 6] = [
            (None, Some(ClientSecretBasic)),
            (Some(&["client_secret_basic"]), Some(ClientSecretBasic)),
            (Some(&["client_secret_post", "private_key_jwt"]), Some(ClientSecretPost)),
            (Some(&["client_secret_post", "client_secret_basic"]), Some(ClientSecretBasic)),
            (Some(&["private_key_jwt", "none"]), None),
            (Some(&[]), None),
        ];
        for (supported, want) in cases {
            let names: Option<Vec<String>> =
                supported.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
            assert_eq!(TokenEndpointAuthMethod::of(names.as_deref()), want, "{supported:?}");
        }
    }
}
