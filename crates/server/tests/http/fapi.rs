//! The FAPI 2.0 Security Profile.

use std::time::Duration;

use gatepass_issuer::Profile;
use gatepass_issuer::client::GrantType;
use gatepass_jose::{Alg, JwkSet, SigningKey};
use gatepass_server::HttpConfig;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::*;
use crate::dpop::Key;
use crate::fixture::{Answer, Fixture, PASSWORD};
use crate::signed::{assertion, register_vault};

async fn fixture() -> Fixture {
    Fixture::with(HttpConfig::default(), |config| config.profile = Profile::Fapi2).await
}

/// A form with an assertion of `vault`.
fn by_assertion(fixture: &Fixture, key: &SigningKey, jti: &str, params: &str) -> String {
    let own = [
        ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
        ("client_assertion", &assertion(fixture, key, jti)),
    ];
    format!("{}&{params}", encode(own))
}

/// A code of `vault`'s, by a pushed request.
async fn code(browser: &mut Browser<'_>, pushed: &Answer) -> String {
    let pushed = pushed.json();
    assert!(pushed["expires_in"].as_u64().unwrap() < 600);
    let query = encode([("client_id", "vault"), ("request_uri", pushed["request_uri"].as_str().unwrap())]);
    browser.code(&query).await
}

#[tokio::test]
async fn a_client_that_fits_gets_bound_tokens_and_nothing_else() {
    let fixture = fixture().await;
    let (key, dpop) = (register_vault(&fixture).await, Key::new());
    let params = request(&[("client_id", "vault")]);
    let mut browser = Browser::new(&fixture);
    assert_eq!(told_by(&browser.authorize(&params).await)["error"], "invalid_request", "it must push");

    let no_pkce = request(&[("client_id", "vault"), ("code_challenge", ""), ("code_challenge_method", "")]);
    let refused = fixture.post("/oauth/par").form(&by_assertion(&fixture, &key, "a0", &no_pkce)).send().await;
    assert_eq!(refused.oauth_error(), (400, "invalid_request".into()));
    let pushed = fixture.post("/oauth/par").form(&by_assertion(&fixture, &key, "a1", &params)).send().await;
    let code = code(&mut browser, &pushed.expect(StatusCode::CREATED)).await;
    let redeem = |jti: &str| {
        let form = by_assertion(&fixture, &key, jti, &exchange("vault", &code));
        fixture.post("/oauth/token").form(&form)
    };
    let bare = redeem("a2").send().await;
    assert_eq!(bare.oauth_error(), (400, "invalid_dpop_proof".into()));
    let proof = dpop.proof(&fixture, ("POST", "/oauth/token"));
    let tokens = redeem("a3").header("dpop", &proof).send().await.expect(StatusCode::OK).json();
    assert_eq!(claims(tokens["access_token"].as_str().unwrap())["cnf"]["jkt"], dpop.jkt());

    let metadata = fixture.get("/.well-known/openid-configuration").send().await.json();
    assert_eq!(metadata["require_pushed_authorization_requests"], true);
    assert_eq!(metadata["token_endpoint_auth_methods_supported"], json!(["private_key_jwt"]));
    let fapi = json!(["PS256", "ES256", "EdDSA", "Ed25519"]);
    for member in
        ["token_endpoint_auth_signing_alg_values_supported", "request_object_signing_alg_values_supported"]
    {
        assert_eq!(metadata[member], fapi, "{member}");
    }
    assert_eq!(metadata["dpop_signing_alg_values_supported"], json!(["ES256", "EdDSA", "Ed25519", "PS256"]));
}

/// Section 5.3.2.1.
#[tokio::test]
async fn refresh_tokens_of_such_clients_stay_as_they_are_and_those_of_browsers_rotate() {
    let fixture = fixture().await;
    let (key, dpop) = (register_vault(&fixture).await, Key::new());
    let params = request(&[("client_id", "vault"), ("scope", "openid offline_access orders:read")]);
    let pushed = fixture.post("/oauth/par").form(&by_assertion(&fixture, &key, "a1", &params)).send().await;
    let code = code(&mut Browser::new(&fixture), &pushed.expect(StatusCode::CREATED)).await;
    let ask = async |jti: &str, params: &str| {
        let proof = dpop.proof(&fixture, ("POST", "/oauth/token"));
        let form = by_assertion(&fixture, &key, jti, params);
        fixture.post("/oauth/token").form(&form).header("dpop", &proof).send().await
    };
    let first = ask("a2", &exchange("vault", &code)).await.expect(StatusCode::OK).json();
    let token = first["refresh_token"].as_str().unwrap();
    let refresh = encode([("grant_type", "refresh_token"), ("refresh_token", token)]);
    let mut seen = vec![first["access_token"].clone()];
    // Beyond what any leeway allows, and beyond the time for which a session lives unused.
    for (number, days) in [0, 0, 1, 6, 6].into_iter().enumerate() {
        fixture.pass(Duration::from_secs(days * 24 * 3600));
        let next = ask(&format!("r{number}"), &refresh).await.expect(StatusCode::OK).json();
        assert_eq!(next["refresh_token"], token, "{number}");
        assert!(!seen.contains(&next["access_token"]), "{number}");
        seen.push(next["access_token"].clone());
    }
    fixture.pass(Duration::from_secs(7 * 24 * 3600));
    assert_eq!(
        ask("late", &refresh).await.oauth_error(),
        (400, "invalid_grant".into()),
        "unused for too long"
    );

    let own = || dpop.proof(&fixture, ("POST", "/session/login"));
    let body = json!({ "username": "root", "password": PASSWORD });
    let login = fixture.post("/session/login").json(&body).header("dpop", &own()).send().await;
    let (cookie, _) = login.expect(StatusCode::OK).set_cookie();
    let proof = dpop.proof(&fixture, ("POST", "/session/refresh"));
    let next = fixture.post("/session/refresh").cookie(&cookie).header("dpop", &proof).send().await;
    assert_ne!(next.expect(StatusCode::OK).set_cookie().0, cookie, "no client proves who it is there");
}

#[tokio::test]
async fn a_client_that_does_not_fit_is_not_registered() {
    let fixture = fixture().await;
    let dpop = Key::new();
    let body = json!({ "username": "root", "password": PASSWORD });
    let bare = fixture.post("/session/login").json(&body).send().await;
    assert_eq!(
        bare.problem(),
        (400, "invalid-dpop-proof".into()),
        "the operator's own apps are held to it too"
    );
    let proof = dpop.proof(&fixture, ("POST", "/session/login"));
    let login = fixture.post("/session/login").json(&body).header("dpop", &proof).send().await;
    let admin = login.expect(StatusCode::OK).json()["access_token"].as_str().unwrap().to_owned();
    let create = async |change: Value| {
        let mut body = json!({
            "client_name": "c", "grant_types": [GrantType::AuthorizationCode], "redirect_uris": [CALLBACK],
        });
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let proof = dpop.proof_with(&fixture, ("POST", "/admin/v1/clients"), &admin);
        let call = fixture.call(Method::POST, "/admin/v1/clients");
        let call = call.header("authorization", &format!("DPoP {admin}")).header("dpop", &proof);
        call.json(&body).send().await.status
    };
    let keys = |alg| {
        let key = SigningKey::generate(alg, Some("k")).unwrap();
        let jwks = json!(JwkSet { keys: vec![key.public_jwk().unwrap()] });
        json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks })
    };
    let cases = [
        ("secret", json!({}), StatusCode::BAD_REQUEST),
        (
            "signing_secret",
            json!({ "token_endpoint_auth_method": "client_secret_jwt" }),
            StatusCode::BAD_REQUEST,
        ),
        ("public", json!({ "token_endpoint_auth_method": "none" }), StatusCode::BAD_REQUEST),
        ("es512", keys(Alg::ES512), StatusCode::BAD_REQUEST),
        ("es256", keys(Alg::ES256), StatusCode::CREATED),
    ];
    for (name, change, want) in cases {
        assert_eq!(create(change).await, want, "{name}");
    }
    assert!(fixture.issuer.unfit_clients().await.unwrap().is_empty());
}
