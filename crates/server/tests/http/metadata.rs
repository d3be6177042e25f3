//! What the server says of itself, and its keys.

use std::time::Duration;

use gatepass_jose::{Alg, Audience, Issuer, JwkSet, KeySet};
use gatepass_token::{AccessClaims, access_verifier};
use http::StatusCode;
use serde_json::json;

use crate::fixture::{API, Fixture, ISSUER};

#[tokio::test]
async fn metadata_names_what_is_there_and_nothing_else() {
    let fixture = Fixture::new().await;
    let answer = fixture.get("/.well-known/oauth-authorization-server").send().await.expect(StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let by_secret_or_key =
        ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"];
    let methods = |last: &'static str| by_secret_or_key.into_iter().chain([last]).collect::<Vec<_>>();
    let algs: Vec<Alg> = Alg::all().filter(|alg| !matches!(alg, Alg::HS384 | Alg::HS512)).collect();
    let by_key: Vec<Alg> = Alg::all().filter(|alg| !alg.is_symmetric()).collect();
    let mut want = json!({
        "issuer": ISSUER,
        "jwks_uri": format!("{ISSUER}/.well-known/jwks.json"),
        "token_endpoint": format!("{ISSUER}/oauth/token"),
        "token_endpoint_auth_methods_supported": methods("none"),
        "token_endpoint_auth_signing_alg_values_supported": algs,
        "authorization_endpoint": format!("{ISSUER}/oauth/authorize"),
        "pushed_authorization_request_endpoint": format!("{ISSUER}/oauth/par"),
        "request_parameter_supported": true,
        "request_uri_parameter_supported": false,
        "request_object_signing_alg_values_supported": by_key,
        "device_authorization_endpoint": format!("{ISSUER}/oauth/device_authorization"),
        "client_id_metadata_document_supported": false,
        "registration_endpoint": format!("{ISSUER}/oauth/register"),
        "authorization_response_iss_parameter_supported": true,
        "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "Ed25519", "PS256", "RS256"],
        "code_challenge_methods_supported": ["S256"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post", "jwt", "query.jwt", "form_post.jwt"],
        "authorization_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "ui_locales_supported": ["en", "de", "fr"],
        "acr_values_supported": ["urn:gatepass:acr:password"],
        "grant_types_supported": [
            "authorization_code", "client_credentials", "refresh_token",
            "urn:ietf:params:oauth:grant-type:device_code", "urn:ietf:params:oauth:grant-type:token-exchange"
        ],
        "revocation_endpoint": format!("{ISSUER}/oauth/revoke"),
        "revocation_endpoint_auth_methods_supported": methods("none"),
        "revocation_endpoint_auth_signing_alg_values_supported": algs,
        "introspection_endpoint": format!("{ISSUER}/oauth/introspect"),
        "introspection_endpoint_auth_methods_supported": methods("Bearer"),
        "introspection_endpoint_auth_signing_alg_values_supported": algs,
        "introspection_signing_alg_values_supported": ["ES256"],
    });
    let encryption = |want: &mut serde_json::Value, what: &str| {
        let algs = json!(["RSA-OAEP-256", "RSA-OAEP", "ECDH-ES", "ECDH-ES+A128KW", "ECDH-ES+A256KW"]);
        let encs = json!(["A128CBC-HS256", "A256CBC-HS512", "A128GCM", "A256GCM"]);
        want[format!("{what}_encryption_alg_values_supported")] = algs;
        want[format!("{what}_encryption_enc_values_supported")] = encs;
    };
    encryption(&mut want, "authorization");
    encryption(&mut want, "introspection");
    assert_eq!(answer.json(), want);

    encryption(&mut want, "id_token");
    encryption(&mut want, "userinfo");
    want["subject_types_supported"] = json!(["public", "pairwise"]);
    want["id_token_signing_alg_values_supported"] = json!(["ES256"]);
    want["userinfo_signing_alg_values_supported"] = json!(["ES256"]);
    want["userinfo_endpoint"] = json!(format!("{ISSUER}/oauth/userinfo"));
    want["end_session_endpoint"] = json!(format!("{ISSUER}/oauth/logout"));
    for name in [
        "backchannel_logout",
        "backchannel_logout_session",
        "frontchannel_logout",
        "frontchannel_logout_session",
    ] {
        want[format!("{name}_supported")] = json!(true);
    }
    let claims = "iss sub aud exp iat auth_time nonce acr amr sid name preferred_username email email_verified \
                  roles";
    want["claims_supported"] = claims.split(' ').collect();
    want["prompt_values_supported"] = json!(["none", "login", "consent", "select_account"]);
    want["claims_parameter_supported"] = json!(true);
    let openid = fixture.get("/.well-known/openid-configuration").send().await.expect(StatusCode::OK);
    assert_eq!(openid.json(), want);

    let served = [
        "authorization_endpoint",
        "pushed_authorization_request_endpoint",
        "token_endpoint",
        "device_authorization_endpoint",
        "registration_endpoint",
        "userinfo_endpoint",
        "end_session_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
        "jwks_uri",
    ];
    for name in served {
        let path = want[name].as_str().unwrap().strip_prefix(ISSUER).unwrap();
        assert_ne!(fixture.post(path).send().await.status, 404, "{name} is served");
    }
}

#[tokio::test]
async fn whoever_has_a_document_is_not_sent_it_again() {
    let fixture = Fixture::new().await;
    for path in [
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        let first = fixture.get(path).send().await.expect(StatusCode::OK);
        let etag = first.header("etag").to_owned();
        assert!(etag.starts_with('"') && etag.ends_with('"'), "{path}");
        let cases = [
            ("same", etag.clone(), 304),
            ("weak", format!("W/{etag}"), 304),
            ("list", format!("\"x\", {etag}"), 304),
            ("any", "*".to_owned(), 304),
            ("another", "\"x\"".to_owned(), 200),
        ];
        for (name, tag, status) in cases {
            let answer = fixture.get(path).header("if-none-match", &tag).send().await;
            assert_eq!(answer.status, status, "{path} {name}");
            assert_eq!(answer.header("etag"), etag, "{path} {name}");
            assert_eq!(answer.header("cache-control"), "public, max-age=300", "{path} {name}");
            assert_eq!(answer.body.is_empty(), status == 304, "{path} {name}");
        }
    }
}

#[tokio::test]
async fn the_key_set_verifies_the_tokens_and_changes_with_a_rotation() {
    let fixture = Fixture::new().await;
    let answer = fixture.get("/.well-known/jwks.json").send().await.expect(StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    for key in answer.json()["keys"].as_array().unwrap() {
        assert!(key.get("d").is_none(), "a private key is published");
        assert_eq!((&key["kty"], &key["alg"], &key["use"]), (&json!("EC"), &json!("ES256"), &json!("sig")));
    }
    let set = JwkSet::parse(&answer.body).unwrap();
    let keys = KeySet::from_jwks(&set, &[Alg::ES256]);
    let verifier = access_verifier(Issuer::new(ISSUER).unwrap(), Audience::new([API]).unwrap(), keys);
    let token = fixture.log_in("alice").await.access;
    let claims = verifier.verify::<AccessClaims>(&token, fixture.now()).unwrap();
    assert_eq!(claims.sub, fixture.alice.to_string());

    let admin = fixture.admin().await;
    fixture.post("/admin/v1/keys/rotate").bearer(&admin).send().await.expect(StatusCode::OK);
    let etag = answer.header("etag");
    let next = fixture.get("/.well-known/jwks.json").header("if-none-match", etag).send().await;
    next.expect(StatusCode::OK);
    fixture.pass(Duration::from_secs(1));
    fixture.get("/session/list").bearer(&token).send().await.expect(StatusCode::OK);
}
