//! A Rust application logs a user in with the crate `openidconnect`, and nothing of ours.

use gatepass_e2e::sign_on::{REDIRECT_URI, Visitor};
use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Admin, Up, http, send};
use openidconnect::core::{CoreAuthenticationFlow, CoreClient, CoreProviderMetadata, CoreUserInfoClaims};
use openidconnect::{
    AccessTokenHash, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest, HttpResponse,
    IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse as _,
};
use reqwest::Method;
use serde_json::json;

/// The way to the server that the crate is given.
async fn exchange(request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let (head, body) = request.into_parts();
    let url = head.uri.to_string();
    let answer = http::client().request(head.method, url).headers(head.headers).body(body).send().await?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let mut response = HttpResponse::new(answer.bytes().await?.to_vec());
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

#[tokio::test]
async fn rusts_openidconnect_logs_in_and_refreshes() {
    let up = Up::start().await;
    let body = json!({
        "client_id": "rusty", "client_name": "rusty", "redirect_uris": [REDIRECT_URI],
        "grant_types": ["authorization_code", "refresh_token"],
    });
    let registered =
        send(Admin::login(&up).await.request(Method::POST, "/clients").json(&body)).await.expect(201);
    let secret = ClientSecret::new(registered.text("/client_secret"));

    let issuer = IssuerUrl::new(up.issuer().to_owned()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &exchange).await.expect("discovery");
    let client = CoreClient::from_provider_metadata(metadata, ClientId::new("rusty".into()), Some(secret))
        .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.into()).unwrap());
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let (url, state, nonce) = client
        .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(["profile", "offline_access"].map(|scope| Scope::new(scope.into())))
        .set_pkce_challenge(challenge)
        .url();
    let back = Visitor::default().authorize(&up, url.as_str(), ADMIN).await;
    let of =
        |name: &str| back.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert_eq!(of("state").as_ref(), Some(state.secret()));

    let code = AuthorizationCode::new(of("code").expect("a code"));
    let request = client.exchange_code(code).unwrap().set_pkce_verifier(verifier);
    let tokens = request.request_async(&exchange).await.expect("tokens");
    let id_token = tokens.id_token().expect("an ID token");
    let trusted = client.id_token_verifier();
    let claims = id_token.claims(&trusted, &nonce).expect("an ID token that verifies");
    let (alg, key) = (id_token.signing_alg().unwrap(), id_token.signing_key(&trusted).unwrap());
    let hash = AccessTokenHash::from_token(tokens.access_token(), alg, key).unwrap();
    assert_eq!(claims.access_token_hash(), Some(&hash));
    assert!(id_token.claims(&trusted, &Nonce::new("another".into())).is_err(), "the crate checks the nonce");
    let subject = claims.subject().clone();
    assert_eq!(subject.as_str(), up.native_login(ADMIN).await.subject());

    let info = client.user_info(tokens.access_token().clone(), Some(subject.clone())).unwrap();
    let info: CoreUserInfoClaims = info.request_async(&exchange).await.expect("claims of the user");
    assert_eq!(info.preferred_username().map(|name| name.as_str()), Some(ADMIN));
    let refresh = tokens.refresh_token().expect("a refresh token");
    let next =
        client.exchange_refresh_token(refresh).unwrap().request_async(&exchange).await.expect("a refresh");
    assert_ne!(next.refresh_token().map(|token| token.secret()), Some(refresh.secret()));
    let again = next.id_token().expect("an ID token at a refresh");
    let without_nonce = |nonce: Option<&Nonce>| nonce.map_or(Ok(()), |_| Err("it has a nonce".to_owned()));
    let again = again.claims(&trusted, without_nonce).expect("one that verifies");
    assert_eq!((again.subject(), again.auth_time()), (&subject, claims.auth_time()));
}
