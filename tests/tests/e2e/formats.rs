//! Clients are told things in their own form, and read it with libraries that others wrote.

use std::path::Path;

use gatepass_e2e::up::{ADMIN, PASSWORD, path_text};
use gatepass_e2e::{Up, command, place};
use serde_json::{Value, json};

use super::cli::gatepass;
use super::log_in::{copy_scripts, run};

#[tokio::test(flavor = "multi_thread")]
async fn npm_openid_client_reads_what_is_signed_and_encrypted_for_it() {
    let up = Up::start().await;
    let made = gatepass(&up, "client registration-token --uses 9 --scope orders:read").await.json();
    copy_scripts(&["browser.mjs", "formats.mjs"]);
    let arguments = [up.issuer(), made["token"].as_str().unwrap(), ADMIN, PASSWORD];
    let told = run(Path::new("node"), &place::node().join("formats.mjs"), &arguments);
    let told = |form: &str| -> Value {
        assert!(told[form].is_object(), "{told}");
        told[form].clone()
    };
    let sub = up.native_login(ADMIN).await.subject();
    let plain = json!({ "sub": sub, "username": ADMIN, "active": true, "introspectedSub": sub });
    assert_eq!((told("signed"), told("rs256")), (plain.clone(), plain.clone()));
    for alg in ["RSA-OAEP-256", "ECDH-ES+A256KW"] {
        assert_eq!(told("encrypted")[alg], plain, "{alg}");
    }
}

#[tokio::test]
async fn the_command_line_registers_how_a_client_is_told_things() {
    let up = Up::start().await;
    let add = "client add quiet --redirect-uri https://quiet.example/cb --pairwise --userinfo-signed-alg ES256 \
               --introspection-signed-alg ES256";
    let made = gatepass(&up, add).await.json();
    let names = ["subject_type", "userinfo_signed_response_alg", "introspection_signed_response_alg"];
    assert_eq!(names.map(|name| made[name].as_str().unwrap()), ["pairwise", "ES256", "ES256"]);
    let (key, public) = (up.folder().join("k.jwk"), up.folder().join("k.public.jwk"));
    let (key, public) = (path_text(&key), path_text(&public));
    let generate = format!("jwk generate --alg ECDH-ES --curve X25519 --out {key} --public-out {public}");
    let words: Vec<&str> = generate.split(' ').collect();
    command::run(&words, &[]).await.worked();
    let add = "client add sealed --redirect-uri https://sealed.example/cb --id-token-signed-alg RS256 \
               --id-token-encrypted-alg ECDH-ES --id-token-encrypted-enc A256GCM --jwks";
    let made = gatepass(&up, &format!("{add} {public}")).await.json();
    let names = ["signed_response_alg", "encrypted_response_alg", "encrypted_response_enc"];
    let said = names.map(|name| made[format!("id_token_{name}")].as_str().unwrap());
    assert_eq!(said, ["RS256", "ECDH-ES", "A256GCM"]);
    let two = "client add two --redirect-uri https://a.example/ --redirect-uri https://b.example/ --pairwise";
    let complaint = gatepass(&up, two).await.failed();
    assert!(complaint.contains("sector_identifier_uri"), "{complaint}");
}
