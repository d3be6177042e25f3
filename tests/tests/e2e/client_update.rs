//! What the admin API has of a client, the command line has too.

use gatepass_e2e::up::path_text;
use gatepass_e2e::{Up, command, send};
use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::gatepass;

/// Changes a client and compares what it is then.
async fn update(up: &Up, options: &str, want: Value) {
    let client = gatepass(up, &format!("client update shop {options}")).await.json();
    for (member, want) in want.as_object().unwrap() {
        assert_eq!(&client[member], want, "{options}: {client}");
    }
}

#[tokio::test]
async fn a_client_is_changed_in_all_that_it_has() {
    let mut up = Up::start().await;
    let add =
        "client add shop --redirect-uri https://shop.example/cb --scope orders:read --require-pkce=false";
    let made = gatepass(&up, add).await.json();
    assert_eq!(made["require_pkce"], false, "{made}");

    let [private, public] = ["shop.jwk", "shop.public.jwk"].map(|name| up.folder().join(name));
    let [private, public] = [&private, &public].map(|file| path_text(file));
    let generate = ["jwk", "generate", "--alg", "ES256", "--out", private, "--public-out", public];
    command::run(&generate, &[]).await.worked();

    update(&up, "--require-pkce", json!({ "require_pkce": true })).await;
    update(&up, "--require-pkce=false --name Shop", json!({ "require_pkce": false, "client_name": "Shop" }))
        .await;
    let uris = "--redirect-uri https://shop.example/a --redirect-uri https://shop.example/b \
                --post-logout-redirect-uri https://shop.example/bye \
                --backchannel-logout-uri https://shop.example/out --frontchannel-logout-uri https://shop.example/frame";
    let uris = uris.split_whitespace().collect::<Vec<_>>().join(" ");
    let want = json!({
        "redirect_uris": ["https://shop.example/a", "https://shop.example/b"],
        "post_logout_redirect_uris": ["https://shop.example/bye"],
        "backchannel_logout_uri": "https://shop.example/out",
        "frontchannel_logout_uri": "https://shop.example/frame",
    });
    update(&up, &uris, want).await;
    let scope = json!({ "scope": "orders:read orders:write", "trusted": true, "require_pushed_authorization_requests": true });
    update(&up, "--scope orders:read --scope orders:write --trusted --require-pushed", scope).await;
    let options = format!(
        "--jwks {public} --require-signed-request --dpop --id-token-signed-alg ES256 --pairwise --request-signing-alg ES256"
    );
    let want = json!({
        "require_signed_request_object": true, "dpop_bound_access_tokens": true,
        "request_object_signing_alg": "ES256",
        "id_token_signed_response_alg": "ES256", "subject_type": "pairwise",
    });
    update(&up, &options, want).await;
    let logins = "--default-max-age 5m --require-auth-time --endpoint-audience --default-acr-value urn:gatepass:acr:password";
    let want = json!({
        "default_max_age": 300, "require_auth_time": true, "default_acr_values": ["urn:gatepass:acr:password"],
        "endpoint_audience": true,
    });
    update(&up, logins, want).await;
    // And on the store of a server that does not run.
    up.stop("TERM").await;
    let less = "--clear scope --clear backchannel-logout-uri --clear id-token-signed-alg --clear request-signing-alg --trusted=false --grant authorization_code";
    let want = json!({
        "request_object_signing_alg": null,
        "scope": "", "backchannel_logout_uri": null, "id_token_signed_response_alg": "RS256", "trusted": false,
        "grant_types": ["authorization_code"], "client_name": "Shop", "require_pkce": false,
        "redirect_uris": ["https://shop.example/a", "https://shop.example/b"],
    });
    update(&up, less, want).await;

    gatepass(&up, "client add app --public --require-pushed --redirect-uri http://127.0.0.1/cb")
        .await
        .worked();
    let cases = [
        ("client update app --require-pkce=false", "--require-pkce"),
        (
            "client add other --public --redirect-uri http://127.0.0.1/cb --require-pkce=false",
            "--require-pkce",
        ),
        ("client update app --clear redirect-uri", "--redirect-uri"),
        ("client update app --redirect-uri javascript:alert(1)", "redirect_uris"),
        ("client update app --audience https://nobody.example", "--audience"),
        ("client update app --auth-signing-alg ES256", "--auth-signing-alg"),
        ("client update app --jwks nowhere.jwk", "nowhere.jwk"),
        ("client update app", "nothing is to change"),
        ("client update nobody --name x", "nothing here of that name"),
    ];
    for (line, want) in cases {
        let complaint = gatepass(&up, line).await.failed();
        assert!(complaint.contains(want), "{line}: {complaint}");
    }
    let app = gatepass(&up, "client show app").await.json();
    assert_eq!(app["redirect_uris"], json!(["http://127.0.0.1/cb"]), "nothing has changed");
}

#[tokio::test]
async fn no_member_of_a_client_is_left_to_the_admin_api_alone() {
    let up = Up::start().await;
    let document = send(up.at_server(Method::GET, "/admin/v1/openapi.json")).await.expect(200).json();
    // What commands of their own do, and options that are called otherwise than their members.
    let otherwise = [
        ("disabled", "disable"),
        ("new_secret", "secret"),
        ("client_name", "--name"),
        ("grant_types", "--grant"),
        ("redirect_uris", "--redirect-uri"),
        ("post_logout_redirect_uris", "--post-logout-redirect-uri"),
        ("exchange", "--exchange-for"),
        ("require_pushed_authorization_requests", "--require-pushed"),
        ("require_signed_request_object", "--require-signed-request"),
        ("token_endpoint_auth_signing_alg", "--auth-signing-alg"),
        ("request_object_signing_alg", "--request-signing-alg"),
        ("dpop_bound_access_tokens", "--dpop"),
        ("tls_client_certificate_bound_access_tokens", "--certificate-bound"),
        ("subject_type", "--pairwise"),
        ("default_acr_values", "--default-acr-value"),
        ("authorization_details_types", "--authorization-details-type"),
        ("confidential", "--public"),
        ("token_endpoint_auth_method", "--auth"),
        ("client_id", "[ID]"),
    ];
    for (schema, command) in [("ClientChange", "update"), ("NewClient", "add")] {
        let help = command::run(&["client", command, "--help"], &[]).await.worked();
        let other = command::run(&["client", "--help"], &[]).await.worked();
        let members = document["components"]["schemas"][schema]["properties"].as_object().unwrap();
        assert!(members.len() > 30, "{schema}: {}", members.len());
        for member in members.keys() {
            let plain = format!("--{}", member.replace("_response_", "_").replace('_', "-"));
            let option =
                otherwise.iter().find(|(known, _)| known == member).map_or(&*plain, |(_, option)| option);
            let is_there = help.contains(&format!("{option} "))
                || help.contains(&format!("{option}\n"))
                || help.contains(option) && option.ends_with(']')
                || help.contains(&format!("{option}["))
                || other.contains(&format!("  {option} "));
            assert!(is_there, "{schema}: {member} has no {option} at `client {command}`");
        }
    }
}
