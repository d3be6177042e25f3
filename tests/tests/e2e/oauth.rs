//! The OAuth endpoints, as a client library that follows the RFCs uses them.

use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Admin, Session, Up, jws, send};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// A form as RFC 6749 wants it.
pub(crate) fn form(up: &Up, path: &str, parameters: &[(&str, &str)]) -> RequestBuilder {
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", percent_encode(value))).collect();
    up.at_server(Method::POST, path)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(pairs.join("&"))
}

fn percent_encode(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

/// An access token by client credentials.
pub(crate) async fn client_token(up: &Up, client_id: &str, secret: &str) -> String {
    let request =
        form(up, "/oauth/token", &[("grant_type", "client_credentials")]).basic_auth(client_id, Some(secret));
    send(request).await.expect(200).text("/access_token")
}

#[tokio::test]
async fn a_client_gets_a_token_with_its_secret_in_either_place() {
    let up = Up::start().await;
    let (id, secret) = Admin::login(&up).await.create_client("batch", "orders:read orders:write").await;
    let grant = ("grant_type", "client_credentials");
    let basic = form(&up, "/oauth/token", &[grant]).basic_auth(&id, Some(&secret));
    let post = form(&up, "/oauth/token", &[grant, ("client_id", &id), ("client_secret", &secret)]);
    for request in [basic, post] {
        let answer = send(request).await.expect(200);
        assert_eq!(answer.header("cache-control"), Some("no-store"), "RFC 6749 section 5.1");
        let body = answer.json();
        assert_eq!(body["token_type"], "Bearer");
        assert!(body.get("refresh_token").is_none(), "RFC 6749 section 4.4.3: {body}");
        assert!(body["expires_in"].as_u64().unwrap() > 0);
        let token = body["access_token"].as_str().unwrap();
        let claims = jws::claims(token);
        assert_eq!(claims["client_id"], id.as_str());
        assert_eq!(claims["sub"], id.as_str(), "RFC 9068 section 2.2: no person, so the client");
        assert_eq!(words(&claims["scope"]), ["orders:read", "orders:write"]);
        assert_eq!(jws::header(token)["typ"], "at+jwt");
        up.call("/api/orders", token).await.expect(200);
        let order = up.at_gateway(Method::POST, "/api/orders").bearer_auth(token);
        send(order.json(&json!({"item": "teapot", "quantity": 1}))).await.expect(201);
        up.call("/api/admin", token).await.expect(403);
    }
}

fn words(scope: &Value) -> Vec<&str> {
    let mut words: Vec<&str> = scope.as_str().unwrap_or_default().split(' ').collect();
    words.sort_unstable();
    words
}

#[tokio::test]
async fn a_scope_can_be_narrowed_and_never_widened() {
    let up = Up::start().await;
    let (id, secret) = Admin::login(&up).await.create_client("batch", "orders:read orders:write").await;
    let ask = |scope: &str| {
        let parameters = [("grant_type", "client_credentials"), ("scope", scope)];
        send(form(&up, "/oauth/token", &parameters).basic_auth(&id, Some(&secret)))
    };
    let narrowed = ask("orders:read").await.expect(200);
    assert_eq!(words(&jws::claims(&narrowed.text("/access_token"))["scope"]), ["orders:read"]);
    for scope in ["orders:delete", "orders:read orders:delete", "admin", "orders:read\u{1}", "\"", "é"] {
        ask(scope).await.expect_oauth_error(400, "invalid_scope");
    }
}

#[tokio::test]
async fn a_token_request_that_is_wrong_gets_the_error_that_rfc_6749_names() {
    let up = Up::start().await;
    let (id, secret) = Admin::login(&up).await.create_client("batch", "orders:read").await;
    let (grant, wrong) = (("grant_type", "client_credentials"), "not-the-secret");
    let cases = [
        (
            "a wrong secret, basic",
            form(&up, "/oauth/token", &[grant]).basic_auth(&id, Some(wrong)),
            401,
            "invalid_client",
        ),
        (
            "a wrong secret, post",
            form(&up, "/oauth/token", &[grant, ("client_id", &id), ("client_secret", wrong)]),
            401,
            "invalid_client",
        ),
        (
            "an unknown client",
            form(&up, "/oauth/token", &[grant]).basic_auth("nobody", Some(&secret)),
            401,
            "invalid_client",
        ),
        ("no client at all", form(&up, "/oauth/token", &[grant]), 401, "invalid_client"),
        (
            "the secret in both places",
            form(&up, "/oauth/token", &[grant, ("client_id", &id), ("client_secret", &secret)])
                .basic_auth(&id, Some(&secret)),
            400,
            "invalid_request",
        ),
        (
            "no grant_type",
            form(&up, "/oauth/token", &[]).basic_auth(&id, Some(&secret)),
            400,
            "invalid_request",
        ),
        (
            "a grant that nobody knows",
            form(&up, "/oauth/token", &[("grant_type", "telepathy")]).basic_auth(&id, Some(&secret)),
            400,
            "unsupported_grant_type",
        ),
        (
            "the password grant, which OAuth 2.1 took away",
            form(
                &up,
                "/oauth/token",
                &[("grant_type", "password"), ("username", ADMIN), ("password", PASSWORD)],
            )
            .basic_auth(&id, Some(&secret)),
            400,
            "unsupported_grant_type",
        ),
        (
            "grant_type twice",
            form(&up, "/oauth/token", &[grant, grant]).basic_auth(&id, Some(&secret)),
            400,
            "invalid_request",
        ),
        (
            "a grant that the client is not registered for",
            form(&up, "/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", "x")])
                .basic_auth(&id, Some(&secret)),
            400,
            "unauthorized_client",
        ),
        (
            "a refresh token that is none",
            form(&up, "/oauth/token", &[("grant_type", "refresh_token"), ("refresh_token", "nonsense")]),
            400,
            "invalid_grant",
        ),
        (
            "no refresh token",
            form(&up, "/oauth/token", &[("grant_type", "refresh_token")]),
            400,
            "invalid_request",
        ),
    ];
    for (what, request, status, error) in cases {
        let answer = send(request).await;
        assert_eq!(answer.status, status, "{what}\n{}", answer.shown());
        let basic_challenge =
            answer.header("www-authenticate").is_some_and(|value| value.starts_with("Basic"));
        assert!(basic_challenge || !what.ends_with("basic"), "RFC 6749 section 5.2\n{}", answer.shown());
        answer.expect_oauth_error(status, error);
    }
}

#[tokio::test]
async fn the_refresh_token_grant_rotates_as_the_session_endpoint_does() {
    let up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    let client_id = session.claim("client_id");
    let refresh = |token: String| {
        let parameters =
            [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("client_id", &client_id)];
        send(form(&up, "/oauth/token", &parameters))
    };
    let first = refresh(native(&session)).await.expect(200);
    let next = first.text("/refresh_token");
    assert_ne!(next, native(&session));
    assert_eq!(jws::claims(&first.text("/access_token"))["sid"], session.id.as_str());
    assert_eq!(
        refresh(native(&session)).await.expect(200).text("/refresh_token"),
        next,
        "a retry, the same successor"
    );
    refresh(next.clone()).await.expect(200);
    refresh(native(&session)).await.expect_oauth_error(400, "invalid_grant");
    refresh(next).await.expect_oauth_error(400, "invalid_grant");
}

fn native(session: &Session) -> String {
    match &session.refresh {
        gatepass_e2e::session::Refresh::Body(token) => token.clone(),
        other => panic!("not a native session: {other:?}"),
    }
}

#[tokio::test]
async fn introspection_tells_its_own_clients_and_nobody_else() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let (id, secret) = admin.create_client("orders-api", "orders:read").await;
    let session = up.login(ADMIN).await;
    let ask = |token: &str| {
        send(form(&up, "/oauth/introspect", &[("token", token)]).basic_auth(&id, Some(&secret)))
    };
    let told = ask(&session.access_token).await.expect(200).json();
    let claims = jws::claims(&session.access_token);
    assert_eq!(told["active"], true, "{told}");
    for member in ["iss", "sub", "exp", "iat", "jti", "client_id", "scope"] {
        assert_eq!(told[member], claims[member], "`{member}` in {told}");
    }

    admin.revoke("session", &session.id).await.expect(201);
    let own = client_token(&up, &id, &secret).await;
    let forged = format!("{}x", &own[..own.len() - 1]);
    for (what, token) in
        [("revoked", session.access_token.as_str()), ("forged", &forged), ("no token", "nonsense")]
    {
        let told = ask(token).await.expect(200).json();
        assert_eq!(
            told,
            json!({"active": false}),
            "RFC 7662 section 2.2: a token that is {what} says nothing else"
        );
    }
    send(form(&up, "/oauth/introspect", &[("token", &own)])).await.expect_oauth_error(401, "invalid_client");
    let wrong = form(&up, "/oauth/introspect", &[("token", &own)]).basic_auth(&id, Some("wrong"));
    send(wrong).await.expect_oauth_error(401, "invalid_client");
    let without = form(&up, "/oauth/introspect", &[]).basic_auth(&id, Some(&secret));
    send(without).await.expect_oauth_error(400, "invalid_request");
}

#[tokio::test]
async fn a_client_revokes_its_own_tokens_and_no_others() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let (id, secret) = admin.create_client("batch", "orders:read").await;
    let (other, other_secret) = admin.create_client("rival", "orders:read").await;
    let token = client_token(&up, &id, &secret).await;
    let revoke = |token: &str, id: &str, secret: &str| {
        send(form(&up, "/oauth/revoke", &[("token", token)]).basic_auth(id, Some(secret)))
    };
    let foreign = revoke(&token, &other, &other_secret).await;
    assert!([200, 400].contains(&foreign.status), "{}", foreign.shown());
    up.call("/api/orders", &token).await.expect(200);
    revoke("nonsense", &id, &secret).await.expect(200);
    revoke(&token, &id, "wrong").await.expect_oauth_error(401, "invalid_client");
    up.call("/api/orders", &token).await.expect(200);
    revoke(&token, &id, &secret).await.expect(200);
    up.refused("a token that its client revoked", &token).await;
    revoke(&token, &id, &secret).await.expect(200);
}

#[tokio::test]
async fn a_refresh_token_revoked_as_rfc_7009_says_ends_its_session() {
    let up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    let parameters = [("token", native(&session)), ("client_id", session.claim("client_id"))];
    let parameters = parameters.each_ref().map(|(name, value)| (*name, value.as_str()));
    send(form(&up, "/oauth/revoke", &parameters)).await.expect(200);
    up.refused("an access token of a session whose refresh token was revoked", &session.access_token).await;
    send(up.refresh_request(&session)).await.expect(401);
}

#[tokio::test]
async fn the_metadata_documents_agree_and_everything_they_name_answers() {
    let up = Up::start().await;
    let oauth =
        send(up.at_server(Method::GET, "/.well-known/oauth-authorization-server")).await.expect(200).json();
    let openid =
        send(up.at_server(Method::GET, "/.well-known/openid-configuration")).await.expect(200).json();
    for (member, value) in oauth.as_object().unwrap() {
        assert_eq!(
            value,
            openid.get(member).unwrap_or(value),
            "`{member}` differs between the two documents"
        );
    }
    assert_eq!(oauth["issuer"], up.issuer());
    assert_eq!(oauth["jwks_uri"], up.jwks_uri());
    for (member, wanted) in [
        ("grant_types_supported", &["client_credentials", "refresh_token"][..]),
        ("token_endpoint_auth_methods_supported", &["client_secret_basic", "client_secret_post"]),
    ] {
        for value in wanted {
            assert!(
                oauth[member].as_array().unwrap().contains(&json!(value)),
                "`{member}` lacks {value}: {oauth}"
            );
        }
    }
    for member in ["token_endpoint", "revocation_endpoint", "introspection_endpoint"] {
        let url = oauth[member].as_str().unwrap_or_else(|| panic!("no `{member}` in {oauth}"));
        assert!(url.starts_with(up.issuer()), "`{member}` is {url}");
        let answer = send(up.client.post(url)).await;
        assert!([400, 401, 415].contains(&answer.status), "`{member}`\n{}", answer.shown());
    }
    for path in ["openid-configuration", "oauth-authorization-server"] {
        let answer = send(up.at_gateway(Method::GET, &format!("/.well-known/{path}"))).await.expect(200);
        assert_eq!(answer.json()["issuer"], up.issuer(), "through the gateway");
    }
}

#[tokio::test]
async fn the_jwk_set_is_public_cacheable_and_holds_no_private_member() {
    let up = Up::start().await;
    let answer = send(up.client.get(up.jwks_uri())).await.expect(200);
    let set = answer.json();
    let keys = set["keys"].as_array().unwrap();
    assert!(!keys.is_empty(), "{set}");
    for key in keys {
        for member in ["kid", "kty", "alg", "use"] {
            assert!(key[member].is_string(), "`{member}` in {key}");
        }
        for private in ["d", "p", "q", "dp", "dq", "qi", "k", "priv"] {
            assert!(key.get(private).is_none(), "a private member `{private}` is published");
        }
    }
    assert!(jws::max_age(&answer).as_secs() > 0, "{}", answer.shown());
    let etag = answer.header("etag").expect("an ETag").to_owned();
    let again = send(up.client.get(up.jwks_uri()).header("if-none-match", &etag)).await.expect(304);
    assert!(again.body.is_empty());
    assert_eq!(again.header("etag"), Some(etag.as_str()), "RFC 9110 section 15.4.5");
    send(up.client.get(up.jwks_uri()).header("if-none-match", "\"another\"")).await.expect(200);
    send(up.client.get(up.jwks_uri()).header("if-none-match", format!("\"a\", W/{etag}"))).await.expect(304);
}
