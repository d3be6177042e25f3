//! JWT bearer grant (RFC 7523 section 2.1): a workload brings what an issuer elsewhere signed.

use gatepass_e2e::up::path_text;
use gatepass_e2e::{Alone, alone, command, jws, place, upstream};
use serde_json::json;

use crate::log_in::run;
use crate::serve::file;

#[tokio::test(flavor = "multi_thread")]
async fn a_workload_with_pyjwt_and_authlib_trades_its_identity_for_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let public = folder.path().join("ci.jwk");
    let generate = ["jwk", "generate", "--alg", "RS256", "--public-out", path_text(&public), "--json"];
    let made = command::run(&generate, &[]).await.json();
    let key = std::fs::read_to_string(&public).unwrap();
    let key: serde_json::Value = serde_json::from_str(&key).unwrap();
    let (jwks_uri, _) = upstream::counted_jwks(json!({ "keys": [key] })).await;
    let address = place::free_address();
    let text = file(
        address,
        &format!(
            "\n[[trusted_issuer]]\nissuer = \"https://ci.example\"\njwks_uri = \"{jwks_uri}\"\n\
             private = true\nclients = [\"deployer\"]\nsubjects = [\"repo:shop\"]\nscope = [\"orders:read\"]\n"
        ),
    );
    let config = folder.path().join("first.toml");
    std::fs::write(&config, &text).unwrap();
    let add = ["client", "add", "deployer", "--public", "--jwt-bearer"];
    let words = [&add[..], &["--scope", "orders:read", "--scope", "orders:write"]].concat();
    command::run(&words, &["--config", path_text(&config)]).await.worked();
    let server = Alone::start("serve", folder.path(), address, &text).await;

    let claims = json!({
        "iss": "https://ci.example", "sub": "repo:shop", "aud": format!("http://{address}"), "jti": "run-1",
    });
    let script = place::root().join("tests/python/assertion.py");
    let endpoint = server.url("/oauth/token");
    let arguments = [&endpoint, &made["private"].to_string(), "deployer", &claims.to_string()];
    let saw = tokio::task::spawn_blocking({
        let arguments = arguments.map(ToOwned::to_owned);
        move || run(&place::python(), &script, &arguments.each_ref().map(String::as_str))
    });
    let saw = saw.await.unwrap();
    assert_eq!(saw["again"], json!([400, "invalid_grant"]));
    let tokens = &saw["tokens"];
    assert_eq!((&tokens["token_type"], tokens.get("refresh_token")), (&json!("Bearer"), None));
    let access = jws::claims(tokens["access_token"].as_str().unwrap());
    assert_eq!((&access["sub"], &access["scope"]), (&json!("deployer"), &json!("orders:read")));
}

#[tokio::test]
async fn an_issuer_that_could_speak_for_everybody_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let issuer =
        "\n[[trusted_issuer]]\nissuer = \"https://ci.example\"\njwks_uri = \"https://ci.example/jwks\"\n";
    let cases = [
        ("clients = []\nsubjects = [\"a\"]\n", "`clients`"),
        ("clients = [\"a\"]\n", "either a `user_claim` or `subjects`"),
        ("clients = [\"a\"]\nuser_claim = \"sub\"\n", "would administer"),
        ("clients = [\"a\"]\nuser_claim = \"sub\"\nscope = [\"gatepass:admin\"]\n", "would administer"),
        (
            "clients = [\"a\"]\nsubjects = [\"a\"]\njwks_file = \"a\"\n",
            "either a `jwks_file` or a `jwks_uri`",
        ),
        ("clients = [\"a\"]\nsubjects = [\"a\"]\nalgs = [\"HS256\"]\n", "public keys"),
    ];
    for (more, want) in cases {
        let text = file(place::free_address(), &format!("{issuer}{more}"));
        let said = alone::refusal("serve", folder.path(), &text).await;
        assert!(said.contains(want), "{more}: {said}");
    }
}
