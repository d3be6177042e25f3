//! In which form clients are told things: userinfo and introspection as JWTs.

use gatepass_jose::{Alg, JwkSet, KeySet, Typ, jws};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::*;
use crate::fixture::{API, Answer, Fixture, ISSUER, with};

const SIGNED: &str = "application/token-introspection+jwt";

/// Changes a client as an administrator does.
pub(crate) async fn change(fixture: &Fixture, client: &str, change: Value) -> Answer {
    let admin = fixture.admin().await;
    fixture
        .call(Method::PATCH, &format!("/admin/v1/clients/{client}"))
        .bearer(&admin)
        .json(&change)
        .send()
        .await
}

/// What a JWT says that is signed with a published key and has this `typ`.
async fn opened(fixture: &Fixture, jwt: &str, typ: Typ) -> Value {
    let keys = JwkSet::parse(&fixture.get("/.well-known/jwks.json").send().await.body).unwrap();
    let verifier = jws::Verifier::new(KeySet::from_jwks(&keys, &[Alg::ES256])).requiring_typ(typ);
    serde_json::from_slice(verifier.verify(jwt).unwrap().payload()).unwrap()
}

async fn access_token(fixture: &Fixture) -> String {
    let code = Browser::new(fixture).code(&request(&[])).await;
    let call = fixture.post("/oauth/token").form(&exchange("shop", &code));
    call.send().await.expect(StatusCode::OK).json()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn userinfo_is_signed_for_a_client_that_wants_it_so() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let token = access_token(&fixture).await;
    let info = async || fixture.get("/oauth/userinfo").bearer(&token).send().await.expect(StatusCode::OK);
    let plain = info().await.json();
    change(&fixture, "shop", json!({ "userinfo_signed_response_alg": "ES256" })).await.expect(StatusCode::OK);
    let answer = info().await;
    assert_eq!(answer.header(CONTENT_TYPE), "application/jwt");
    let claims = opened(&fixture, std::str::from_utf8(&answer.body).unwrap(), Typ::new("JWT")).await;
    let more = json!({ "iss": ISSUER, "aud": "shop", "iat": fixture.now().as_secs() });
    let want = more
        .as_object()
        .unwrap()
        .iter()
        .fold(plain.clone(), |want, (name, value)| with(want, name, value.clone()));
    assert_eq!(claims, want, "without exp, so that it is no ID token");
    let hint = std::str::from_utf8(&answer.body).unwrap();
    let logout =
        fixture.get(&format!("/oauth/logout?id_token_hint={hint}&post_logout_redirect_uri=x")).send().await;
    assert_eq!(
        (logout.status.as_u16(), logout.header("location")),
        (200, ""),
        "and no hint: nobody knows whose address it is"
    );

    change(&fixture, "shop", json!({ "userinfo_signed_response_alg": null })).await.expect(StatusCode::OK);
    assert_eq!(info().await.json(), plain);
    for alg in ["RS256", "HS256", "none", ""] {
        let refused = change(&fixture, "shop", json!({ "userinfo_signed_response_alg": alg })).await;
        assert!((400..500).contains(&refused.status.as_u16()), "{alg}: nobody has that key");
        let named = refused.json()["detail"].as_str().unwrap().contains("\"userinfo_signed_response_alg\"");
        assert!(named, "{alg}: {:?}", refused.body);
    }
}

#[tokio::test]
async fn a_signed_introspection_is_for_whoever_asks_and_says_what_they_may_know() {
    let fixture = Fixture::new().await;
    let secret = register(&fixture).await;
    let token = access_token(&fixture).await;
    let ask = async |id: &str, secret: &str, token: &str| {
        let call = fixture.post("/oauth/introspect").basic(id, secret).header(ACCEPT, SIGNED);
        let answer = call.form(&encode([("token", token)])).send().await.expect(StatusCode::OK);
        assert_eq!((answer.header(CONTENT_TYPE), answer.header("vary")), (SIGNED, "Accept"));
        let claims =
            opened(&fixture, std::str::from_utf8(&answer.body).unwrap(), Typ::new("token-introspection+jwt"))
                .await;
        assert_eq!((&claims["iss"], &claims["aud"]), (&json!(ISSUER), &json!(id)));
        let names: Vec<&String> = claims.as_object().unwrap().keys().collect();
        assert_eq!(names, ["aud", "iat", "iss", "token_introspection"], "nothing that makes a token of it");
        claims["token_introspection"].clone()
    };
    let plain =
        fixture.post("/oauth/introspect").basic("office", &secret).form(&encode([("token", &*token)]));
    let plain = plain.send().await.expect(StatusCode::OK).json();
    assert_eq!((&plain["active"], &plain["aud"]), (&json!(true), &json!(API)));
    assert_eq!(ask("office", &secret, &token).await, plain, "it may have tokens for that audience");
    assert_eq!(ask("office", &secret, "x").await, json!({ "active": false }));

    // What is nothing to the one who asks is not active.
    let elsewhere = json!({ "audience": ["https://other.example.com"] });
    change(&fixture, "office", elsewhere).await.expect(StatusCode::OK);
    assert_eq!(ask("office", &secret, &token).await, json!({ "active": false }));
    let admin = fixture.admin().await;
    assert_eq!(
        ask("batch", &fixture.secret, &admin).await["active"],
        true,
        "it is for the default audience too"
    );
    let own = fixture.batch_token().await;
    assert_eq!(ask("batch", &fixture.secret, &own).await["client_id"], "batch");

    // An administrator is no client, and a stranger nobody.
    let call = fixture.post("/oauth/introspect").bearer(&admin).header(ACCEPT, SIGNED);
    let refused = call.form(&encode([("token", &*token)])).send().await;
    assert_eq!(refused.oauth_error(), (400, "invalid_request".into()));
    let call = fixture.post("/oauth/introspect").header(ACCEPT, SIGNED);
    assert_eq!(call.form(&encode([("token", &*token)])).send().await.oauth_error().0, 401);
}

#[tokio::test]
async fn a_client_registers_in_which_form_it_is_told_things() {
    let fixture = Fixture::new().await;
    let admin = fixture.admin().await;
    let body = json!({ "uses": 10, "scope": "orders:read" });
    let call = fixture.post("/admin/v1/registration-tokens").bearer(&admin).json(&body);
    let token = call.send().await.expect(StatusCode::CREATED).json()["token"].as_str().unwrap().to_owned();
    let metadata = json!({
        "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_basic",
        "userinfo_signed_response_alg": "ES256", "introspection_signed_response_alg": "ES256",
    });
    let register =
        async |metadata: &Value| fixture.post("/oauth/register").bearer(&token).json(metadata).send().await;
    let registered = register(&metadata).await.expect(StatusCode::CREATED).json();
    assert_eq!(registered["userinfo_signed_response_alg"], "ES256");
    assert_eq!(registered["introspection_signed_response_alg"], "ES256");
    for alg in [json!("RS256"), json!("none"), json!(5)] {
        let refused = register(&with(metadata.clone(), "introspection_signed_response_alg", alg)).await;
        assert_eq!(refused.oauth_error(), (400, "invalid_client_metadata".into()));
    }
    let left_out = with(metadata, "userinfo_signed_response_alg", Value::Null);
    let registered = register(&left_out).await.expect(StatusCode::CREATED).json();
    assert!(registered.get("userinfo_signed_response_alg").is_none(), "null is left out");
}
