//! The command line, against a server that runs and directly on the store of one that does not.

use gatepass_e2e::command::{self, Said, password_file};
use gatepass_e2e::up::{ADMIN, PASSWORD, path_text};
use gatepass_e2e::{Admin, Up, jws, send};
use reqwest::Method;
use serde_json::{Value, json};

pub(crate) async fn gatepass(up: &Up, line: &str) -> Said {
    let words: Vec<&str> = line.split(' ').collect();
    command::run(&words, &["--dir", path_text(&up.data()), "--json"]).await
}

#[tokio::test]
async fn users_are_managed_on_a_running_server_and_on_the_store_of_a_stopped_one() {
    let mut up = Up::start().await;
    let (first, second) =
        (password_file(up.folder(), PASSWORD), password_file(up.folder(), "a-second-lantern-meadow-23"));
    for stopped in [false, true] {
        let name = if stopped { "carl" } else { "berta" };
        if stopped {
            up.stop("TERM").await;
        }
        let added = format!("user add {name} --display-name {name}-b --password-file {first}");
        assert_eq!(gatepass(&up, &added).await.json()["name"], format!("{name}-b"));
        let shown = gatepass(&up, &format!("user show {name}")).await.json();
        assert_eq!(shown["username"], name, "{shown}");
        assert!(!shown.to_string().contains("argon2"), "no password hash: {shown}");
        gatepass(&up, &format!("user roles {name} admin")).await.json();
        let named = gatepass(&up, &format!("user display-name {name} Ännchen")).await.json();
        assert_eq!(named["name"], "Ännchen");
        let nameless = gatepass(&up, &format!("user display-name {name}")).await.json();
        assert!(nameless.get("name").is_none(), "{nameless}");
        let list = gatepass(&up, "user list").await.json().to_string();
        assert!(list.contains(name) && list.contains(ADMIN), "{list}");
        if stopped {
            up.start_again().await;
        }
        let session = up.login(name).await;
        up.call("/api/admin", &session.access_token).await.expect(200);

        if stopped {
            up.stop("TERM").await;
        }
        gatepass(&up, &format!("user password {name} --password-file {second}")).await.worked();
        if stopped {
            up.start_again().await;
        }
        send(up.login_request(name, PASSWORD)).await.expect(401);
        send(up.login_request(name, "a-second-lantern-meadow-23")).await.expect(200);
        up.refused("a token from before the password was changed", &session.access_token).await;

        gatepass(&up, &format!("user disable {name}")).await.worked();
        send(up.login_request(name, "a-second-lantern-meadow-23")).await.expect(401);
        gatepass(&up, &format!("user enable {name}")).await.worked();
        send(up.login_request(name, "a-second-lantern-meadow-23")).await.expect(200);
    }
}

#[tokio::test]
async fn a_made_up_password_is_shown_once_and_works() {
    let up = Up::start().await;
    let made = gatepass(&up, "user add berta").await.json();
    let password = made["password"].as_str().unwrap_or_else(|| panic!("no password in {made}"));
    send(up.login_request("berta", password)).await.expect(200);
    let shown = gatepass(&up, "user show berta").await.json();
    assert!(!shown.to_string().contains(password), "{shown}");
}

#[tokio::test]
async fn a_client_is_registered_used_given_a_new_secret_and_disabled() {
    let up = Up::start().await;
    let made = gatepass(&up, "client add batch --scope orders:read --scope orders:write").await.json();
    let secret =
        made["client_secret"].as_str().unwrap_or_else(|| panic!("no client_secret in {made}")).to_owned();
    let token = super::oauth::client_token(&up, "batch", &secret).await;
    up.call("/api/orders", &token).await.expect(200);

    let renewed = gatepass(&up, "client secret batch").await.json();
    let new_secret =
        renewed["client_secret"].as_str().unwrap_or_else(|| panic!("no client_secret in {renewed}"));
    let ask = |secret: String| {
        let grant = [("grant_type", "client_credentials")];
        send(super::oauth::form(&up, "/oauth/token", &grant).basic_auth("batch", Some(secret)))
    };
    ask(secret).await.expect_oauth_error(401, "invalid_client");
    ask(new_secret.to_owned()).await.expect(200);

    gatepass(&up, "client disable batch").await.worked();
    ask(new_secret.to_owned()).await.expect_oauth_error(401, "invalid_client");
    up.refused("a token of a disabled client", &token).await;
    gatepass(&up, "client enable batch").await.worked();
    ask(new_secret.to_owned()).await.expect(200);
    let shown = gatepass(&up, "client show batch").await.json();
    assert!(!shown.to_string().contains(new_secret), "a secret is shown once: {shown}");
}

#[tokio::test]
async fn a_client_is_asked_for_no_secret_that_it_has_not_and_gets_no_grant_that_it_cannot_use() {
    let up = Up::start().await;
    let made = gatepass(&up, "client add deployer --public --jwt-bearer").await.json();
    assert_eq!(made["grant_types"], json!(["urn:ietf:params:oauth:grant-type:jwt-bearer"]));
    let refused = gatepass(&up, "client secret deployer").await.failed();
    assert!(refused.contains("the client has no secret"), "{refused}");
    let refused = gatepass(&up, "client add gateway --exchange-for https://orders.internal").await.failed();
    assert!(refused.contains("--exchange-for is not valid"), "{refused}");
}

#[tokio::test]
async fn a_private_key_is_not_registered() {
    let up = Up::start().await;
    let [private, public] = ["own.jwk", "public.jwk"].map(|name| up.folder().join(name));
    let [private, public] = [&private, &public].map(|file| path_text(file));
    let generate = ["jwk", "generate", "--alg", "ES256", "--out", private, "--public-out", public];
    command::run(&generate, &[]).await.worked();
    let add = |file: &str| format!("client add signer --auth private_key_jwt --jwks {file}");
    let refused = gatepass(&up, &add(private)).await.failed();
    assert!(refused.contains("private key"), "{refused}");
    assert!(gatepass(&up, &add("nowhere.jwk")).await.failed().contains("nowhere.jwk"));
    let made = gatepass(&up, &add(public)).await.json();
    assert_eq!(made["token_endpoint_auth_method"], "private_key_jwt", "{made}");
    let again = gatepass(&up, &format!("client keys signer --jwks {public}")).await.json();
    assert_eq!(again["jwks"], made["jwks"]);
}

#[tokio::test]
async fn public_keys_in_pem_are_registered() {
    let up = Up::start().await;
    for (alg, other) in [("RS256", Some("PS256")), ("EdDSA", None), ("ES256", None)] {
        let [private, public, pem] =
            ["own.jwk", "public.jwk", "public.pem"].map(|name| up.folder().join(format!("{alg}-{name}")));
        let [private, public, pem] = [&private, &public, &pem].map(|file| path_text(file));
        let generate = ["jwk", "generate", "--alg", alg, "--out", private, "--public-out", public];
        command::run(&generate, &[]).await.worked();
        command::run(&["jwk", "convert", public, "--to", "pem", "--out", pem], &[]).await.worked();
        let add = format!("client add --auth private_key_jwt --jwks {pem}");
        let made = gatepass(&up, &add).await.json();
        assert!(made["jwks"]["keys"][0].get("alg").is_none(), "{made}");
        if let Some(other) = other {
            let made = gatepass(&up, &format!("{add} --auth-signing-alg {other}")).await.json();
            assert_eq!(made["token_endpoint_auth_signing_alg"], other, "{made}");
        }
        let refused = gatepass(&up, &format!("{add} --request-signing-alg ES384")).await.failed();
        assert!(refused.contains("--request-signing-alg"), "{refused}");
    }
}

#[tokio::test]
async fn a_role_says_what_its_holders_may_do() {
    let up = Up::start().await;
    let berta = Admin::login(&up).await.create_user("berta", &["clerk"]).await;
    let before = up.login("berta").await;
    assert_eq!(before.subject(), berta);
    let order = json!({"item": "teapot", "quantity": 1});
    let post = |token: &str| {
        let request = up.at_gateway(reqwest::Method::POST, "/api/orders").bearer_auth(token.to_owned());
        send(request.json(&order))
    };
    post(&before.access_token).await.expect(403);
    gatepass(&up, "role set clerk orders:read orders:write").await.worked();
    up.refused("a token from before the role was defined", &before.access_token)
        .await
        .expect_problem(401, "claims-changed");
    let after = up.refresh(&before).await;
    post(&after.access_token).await.expect(201);
    gatepass(&up, "role remove clerk").await.worked();
    up.refused("a token with a role that was removed", &after.access_token).await;
    post(&up.refresh(&after).await.access_token).await.expect(403);
}

#[tokio::test]
async fn whoever_gets_a_role_that_is_not_defined_is_known_to_have_nothing_of_it() {
    let up = Up::start().await;
    let data = up.data();
    let at = ["--dir", path_text(&data), "--json"];
    let warning = "the role \"clerk\" is not defined";
    let (made, warned) = command::output(&["user", "add", "berta", "--role", "clerk"], &at).await;
    assert!(made["roles"] == json!(["clerk"]) && warned.contains(warning), "{made} {warned}");
    let (_, warned) = command::output(&["user", "roles", "berta", "clerk"], &at).await;
    assert!(warned.contains(warning), "{warned}");
    gatepass(&up, "role set clerk orders:read").await.worked();
    let (_, warned) = command::output(&["user", "roles", "berta", "clerk", "admin"], &at).await;
    assert_eq!(warned, "");
}

#[tokio::test]
async fn keys_are_rotated_and_revoked() {
    let mut up = Up::start().await;
    let before = up.native_login(ADMIN).await;
    let kid = |token: &str| jws::header(token)["kid"].as_str().unwrap().to_owned();
    let list = gatepass(&up, "key list").await.json();
    let is_signer = |key: &&Value| key["kid"] == kid(&before.access_token);
    let signing = list["keys"].as_array().unwrap().iter().find(is_signer).unwrap();
    assert_eq!(signing["state"], "signing", "{list}");
    let schedule = |list: &Value| {
        let schedules = list["schedules"].as_array().unwrap();
        schedules.iter().find(|schedule| schedule["alg"] == "ES256").unwrap().clone()
    };
    let next = &signing["signs_until"];
    let want = json!({"alg": "ES256", "rotate_every": 30 * 86_400, "next_rotation": next});
    assert_eq!(schedule(&list), want, "what the table says, for machines");
    let drawn = command::run(&["key", "list"], &["--dir", path_text(&up.data())]).await.worked();
    let line = drawn
        .lines()
        .find(|line| line.contains(&kid(&before.access_token)))
        .unwrap_or_else(|| panic!("{drawn}"));
    assert!(
        line.contains(" signing ") && line.contains("|=====") && line.contains("signs from 20"),
        "{drawn}"
    );
    let line = drawn.lines().find(|line| line.starts_with("ES256 ")).unwrap_or_else(|| panic!("{drawn}"));
    assert!(line.contains(" 30d ") && line.contains("(in "), "{drawn}");
    assert!(gatepass(&up, "key rotate --alg PS512").await.failed().contains("no key is published for PS512"));
    let rotated = gatepass(&up, "key rotate --alg ES256").await.json();
    assert!(schedule(&rotated)["next_rotation"].as_i64() >= next.as_i64(), "{rotated}");
    let rotated = up.refresh(&before).await;
    assert_ne!(kid(&rotated.access_token), kid(&before.access_token));

    gatepass(&up, &format!("key revoke {}", kid(&rotated.access_token))).await.worked();
    up.refused("a token of a revoked key", &rotated.access_token).await;
    up.call("/api/orders", &before.access_token).await.expect(200);

    let after = up.refresh(&rotated).await;
    up.stop("TERM").await;
    gatepass(&up, &format!("key revoke {}", kid(&before.access_token))).await.worked();
    up.start_again().await;
    up.refused("a token of a key that was revoked while nothing ran", &before.access_token).await;
    up.call("/api/orders", &after.access_token).await.expect(200);
    gatepass(&up, "key rotate --emergency").await.worked();
    up.refused("a token of a key that was in use in an emergency", &after.access_token).await;
    up.call("/api/orders", &up.refresh(&after).await.access_token).await.expect(200);
}

#[tokio::test]
async fn sessions_are_revoked_on_a_running_server_and_on_the_store_of_a_stopped_one() {
    let mut up = Up::start().await;
    let sessions = [up.native_login(ADMIN).await, up.native_login(ADMIN).await];
    gatepass(&up, &format!("revoke session {}", sessions[0].id)).await.worked();
    up.refused("a token of a revoked session", &sessions[0].access_token).await;
    up.call("/api/orders", &sessions[1].access_token).await.expect(200);

    up.stop("TERM").await;
    gatepass(&up, &format!("revoke session {} --reason stolen-laptop", sessions[1].id)).await.worked();
    up.start_again().await;
    for session in &sessions {
        up.refused("a token of a session that was revoked while nothing ran", &session.access_token).await;
        send(up.refresh_request(session)).await.expect(401);
    }
    gatepass(&up, "revoke all").await.worked();
}

#[tokio::test]
async fn a_revocation_finds_users_by_their_names_and_says_where_nobody_has_the_name() {
    let up = Up::start().await;
    let berta = Admin::login(&up).await.create_user("berta", &["admin"]).await;
    Admin::login(&up).await.create_user("batch", &[]).await;
    let session = up.native_login("berta").await;
    let done = gatepass(&up, "revoke subject berta").await.json();
    assert_eq!((&done["id"], &done["known"]), (&json!(berta), &json!(true)));
    up.refused("a token of a user who was revoked by name", &session.access_token).await;
    gatepass(&up, &format!("revoke subject {berta}")).await.worked();

    let unknown = [
        ("revoke subject bertha", "no user or client of that name"),
        ("revoke client bertha", "no client of that name"),
        // A `kid` is base64url and may well begin with a hyphen.
        ("revoke key -mbtsoWUmPQ", "no key of that name"),
        ("key revoke -mbtsoWUmPQ", "no key of that name"),
    ];
    for (line, want) in unknown {
        let said = gatepass(&up, line).await;
        let complaint = said.refused();
        assert!(complaint.contains(want) && complaint.contains("announced all the same"), "{complaint}");
    }
    gatepass(&up, "client add batch").await.worked();
    let both = gatepass(&up, "revoke subject batch").await.failed();
    assert!(both.contains("both a user and a client"), "{both}");
}

#[tokio::test]
async fn a_command_after_a_crash_finds_the_server_gone_and_uses_the_store() {
    let mut up = Up::start().await;
    up.kill();
    gatepass(&up, "user add berta --role admin").await.json();
    up.start_again().await;
    let shown = gatepass(&up, "user show berta").await.json();
    assert_eq!(shown["roles"], json!(["admin"]), "{shown}");
}

#[tokio::test]
async fn a_command_that_is_wrong_says_what_and_changes_nothing() {
    let up = Up::start().await;
    let cases = [
        "user show nobody-of-this-name",
        "user add ada",
        "user roles nobody-of-this-name admin",
        "user add berta --password-file /no/such/file",
        "client show nobody-of-this-name",
        "revoke sandwich x",
        "revoke session",
        "key revoke",
        "user frobnicate x",
        "client add batch --scope a\"b",
    ];
    for line in cases {
        gatepass(&up, line).await.failed();
    }
    let nowhere = command::run(&["user", "list"], &["--dir", "/proc/no-such-place"]).await;
    nowhere.failed();
    up.assert_healthy("wrong commands").await;
}

#[tokio::test]
async fn a_second_server_on_the_same_data_is_refused() {
    let up = Up::start().await;
    let config = up.folder().join("second.toml");
    let address = gatepass_e2e::place::free_address();
    let text = format!(
        "issuer = \"http://{address}\"\nlisten = \"{address}\"\ndata = \"{}\"\n[[resource_server]]\naudience = \"https://api.example\"\n",
        up.data().display()
    );
    std::fs::write(&config, text).unwrap();
    let said = command::run(&["serve"], &["--config", path_text(&config)]).await;
    let complaint = said.failed();
    assert!(complaint.contains("data"), "{complaint}");
    up.assert_healthy("a second server on its data").await;
}

#[tokio::test]
async fn the_routes_proposed_for_the_admin_api_are_a_file_that_the_gateway_takes() {
    let up = Up::start().await;
    let document = send(up.at_server(Method::GET, "/admin/v1/openapi.json")).await.expect(200).body;
    let (described, file) = (up.folder().join("openapi.json"), up.folder().join("imported.toml"));
    std::fs::write(&described, document).unwrap();
    let upstream = format!("admin=http://{}", up.server_address());
    let words = ["gateway", "import", path_text(&described), "--upstream", &upstream];
    let proposal = command::run(&words, &[]).await.worked();
    assert_eq!(proposal.matches("public = true").count(), 0, "{proposal}");
    assert!(proposal.contains("path = \"/admin/v1/users/{id}/consents/{client}\""), "{proposal}");

    let head = "listen = \"127.0.0.1:1\"\n[[issuer]]\nurl = \"http://127.0.0.1:2\"\naudience = [\"a\"]\nrevocation = \"none\"\n";
    std::fs::write(&file, format!("{head}{proposal}")).unwrap();
    command::run(&["gateway", "--check", "--config", path_text(&file)], &[]).await.worked();
}

#[tokio::test]
async fn users_come_from_another_system_with_their_passwords() {
    let up = Up::start().await;
    let file = up.folder().join("users.jsonl");
    // Made of PASSWORD by Python's bcrypt, and by Django's PBKDF2.
    let lines = [
        r#"{"username": "berta", "password_hash": "$2b$06$9/5B8Djb4UWd7IoDkzVB3.baqRc8WkH5I4tzWuEi8xRLplWDBp/V6", "roles": ["admin"]}"#,
        "",
        r#"{"username": "carl", "password_hash": "pbkdf2_sha256$20000$saltsaltsaltsalt$EuOtdPxM0IzV+vaAida9CJ2CvM1yAWvugWaBlNU4Atk="}"#,
        r#"{"username": "ADA", "password_hash": "$2b$06$9/5B8Djb4UWd7IoDkzVB3.baqRc8WkH5I4tzWuEi8xRLplWDBp/V6"}"#,
        r#"{"username": "dora", "password": "iloveyouforever1"}"#,
        r#"{"username": "emil", "password": "a-second-lantern-meadow-23"}"#,
        r#"{"username": "franz", "password_hash": "$2b$06$9/5B8Djb4UWd7IoDkzVB3.baqRc8WkH5I4tzWuEi8xRLplWDBp/V6", "password_hash": "$2b$06$9/5B8Djb4UWd7IoDkzVB3.baqRc8WkH5I4tzWuEi8xRLplWDBp/V6"}"#,
        "nonsense",
    ];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let import = |options: &str| {
        let line = format!("user import {}{options}", path_text(&file));
        let up = &up;
        async move {
            let words: Vec<&str> = line.split(' ').collect();
            command::output(&words, &["--dir", path_text(&up.data()), "--json"]).await
        }
    };
    let (counted, complaint) = import("").await;
    assert_eq!(counted, json!({"created": 3, "existed": 0, "refused": 4}), "{complaint}");
    for (line, why) in [(4, "it exists already"), (5, "common password"), (7, "two members"), (8, "not JSON")]
    {
        let named = complaint.lines().find(|said| said.starts_with(&format!("line {line}: ")));
        assert!(named.is_some_and(|said| said.contains(why)), "line {line}: {complaint}");
    }
    let (again, _) = import(" --skip-existing").await;
    assert_eq!(again, json!({"created": 0, "existed": 4, "refused": 3}));

    let berta = up.login("berta").await;
    up.call("/api/admin", &berta.access_token).await.expect(200);
    up.login("carl").await;
    up.login("berta").await;
    send(up.login_request("emil", "a-second-lantern-meadow-23")).await.expect(200);
    send(up.login_request("berta", "not-the-password-at-all")).await.expect(401);
}
