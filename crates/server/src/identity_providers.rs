//! Asks the providers that users log in with.

use async_trait::async_trait;
use gatepass_issuer::{ProviderAnswer, ProviderAuthorization, ProviderRequest, ProviderSource, Unreachable};
use http::Method;
use http::header::CONTENT_TYPE;
use url::form_urlencoded::{Serializer, byte_serialize};
use zeroize::Zeroizing;

use crate::fetch::Fetch;

/// The longest answer: metadata, tokens, or what a provider says of a user.
const MAX_ANSWER: usize = 128 * 1024;

#[async_trait]
impl ProviderSource for Fetch {
    async fn ask(&self, request: ProviderRequest<'_>) -> Result<ProviderAnswer, Unreachable> {
        let ProviderRequest { url, authorization, form } = request;
        let method = if form.is_some() { Method::POST } else { Method::GET };
        let finish = |request: reqwest::RequestBuilder| {
            let request = match authorization {
                ProviderAuthorization::None => request,
                // RFC 6749 section 2.3.1: form-urlencoded before it is joined.
                ProviderAuthorization::Basic(id, secret) => {
                    request.basic_auth(encoded(id), Some(encoded(secret)))
                }
                ProviderAuthorization::Bearer(token) => request.bearer_auth(token),
            };
            match form {
                Some(form) => request
                    .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                    .body(Serializer::new(String::new()).extend_pairs(form).finish()),
                None => request,
            }
        };
        let answered = Fetch::ask(self, url, method, finish, MAX_ANSWER).await;
        let (status, fetched) = answered.map_err(|error| Unreachable(error.to_string()))?;
        Ok(ProviderAnswer {
            status: status.as_u16(),
            body: Zeroizing::new(fetched.body),
            fresh_for: fetched.fresh_for,
        })
    }
}

fn encoded(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect()
}
