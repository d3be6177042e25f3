//! The admin API: who may use it, what it describes of itself, and its lists.

use std::collections::BTreeSet;

use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Admin, Up, place, send};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn every_endpoint_wants_an_access_token_with_the_admin_scope() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    admin.create_user("berta", &[]).await;
    let berta = up.login("berta").await;
    let (id, secret) = admin.create_client("batch", "orders:read").await;
    let machine = super::oauth::client_token(&up, &id, &secret).await;
    for (method, path) in described(&up).await {
        let path = path.replace("{id}", "x").replace("{name}", "x");
        let ask = || up.at_server(method.clone(), &path).json(&json!({}));
        let what = format!("{method} {path}");
        let nobody = send(ask()).await;
        assert_eq!(nobody.status, 401, "{what}\n{}", nobody.shown());
        assert!(nobody.header("www-authenticate").is_some_and(|value| value.starts_with("Bearer")), "{what}");
        for token in [&berta.access_token, &machine] {
            let answer = send(ask().bearer_auth(token)).await;
            assert!(
                [401, 403].contains(&answer.status),
                "{what} as somebody without the scope\n{}",
                answer.shown()
            );
            answer.expect_problem_shape();
        }
    }
}

#[tokio::test]
async fn the_openapi_document_names_what_is_served() {
    let up = Up::start().await;
    let described = described(&up).await;
    let wanted = [
        (Method::POST, "/admin/v1/revocations"),
        (Method::POST, "/admin/v1/keys/rotate"),
        (Method::GET, "/admin/v1/users"),
        (Method::POST, "/admin/v1/users"),
        (Method::GET, "/admin/v1/clients"),
        (Method::POST, "/admin/v1/clients"),
        (Method::GET, "/admin/v1/roles"),
    ];
    for (method, path) in wanted {
        assert!(
            described.contains(&(method.clone(), path.to_owned())),
            "{method} {path} is not described: {described:?}"
        );
    }
    let admin = Admin::login(&up).await;
    for (method, path) in described {
        let path = path.replace("{id}", "x").replace("{name}", "x");
        let path = path.strip_prefix("/admin/v1").expect("everything described is below /admin/v1");
        if path == "/keys/rotate" || method == Method::DELETE || method == Method::PUT {
            continue; // These do what they say.
        }
        let answer = send(admin.request(method.clone(), path).json(&json!({}))).await;
        assert_ne!(answer.status, 405, "{method} {path} is described and not served");
        assert!(answer.status < 500, "{}", answer.shown());
    }
}

/// Requests by the thousand, within the document and just outside of it: none fails in the server, none is answered with what the
/// document does not say, and what it does not allow is refused.
#[tokio::test(flavor = "multi_thread")]
async fn schemathesis_finds_nothing_that_the_document_does_not_say() {
    let up = Up::start().await;
    let python = place::root().join("tests/python");
    let mut command = std::process::Command::new(place::python());
    command
        .args(["-m", "schemathesis.cli", "--no-color", "--config-file"])
        .arg(python.join("admin_api.toml"));
    command.arg("run").arg(format!("{}/admin/v1/openapi.json", up.issuer()));
    // The same questions in every run, and no notion of how long an answer may take.
    command.args(["--generation-deterministic", "--max-examples", "20", "--no-shrink"]);
    command.args(["--suppress-health-check", "all", "--request-timeout", "30", "--continue-on-failure"]);
    command.env("SCHEMATHESIS_HOOKS", "admin_api").env("PYTHONPATH", &python);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    command.env("ADMIN_ID", up.login(ADMIN).await.subject());
    command.env("ADMIN_USERNAME", ADMIN).env("ADMIN_PASSWORD", PASSWORD);
    // It leaves what it remembers where it is started.
    command.current_dir(up.folder());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().expect("a Python");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let operations = described(&up).await.len();
    assert!(said.contains(&format!("Tested: {operations}\n")), "not every operation was asked\n{said}");
    // It was let in: `admin_api.py` names the users that it makes.
    let admin = Admin::login(&up).await;
    let users = send(admin.request(Method::GET, "/users")).await.expect(200).json();
    let mut names = users["users"].as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap());
    assert!(names.any(|name| name.starts_with("user ")), "nobody let it in\n{said}");
}

/// Every operation of the document, which needs no token to be read.
async fn described(up: &Up) -> Vec<(Method, String)> {
    let document = send(up.at_server(Method::GET, "/admin/v1/openapi.json")).await.expect(200).json();
    assert!(document["openapi"].as_str().is_some_and(|version| version.starts_with("3.")), "{document}");
    let paths = document["paths"].as_object().expect("`paths` in an OpenAPI document");
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().into_iter().flat_map(|item| item.keys());
        methods.filter_map(move |name| Some((name.to_uppercase().parse().ok()?, path.clone())))
    });
    operations.filter(|(_, path): &(Method, String)| !path.ends_with("openapi.json")).collect()
}

#[tokio::test]
async fn lists_come_in_pages_that_hold_everything_once() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let mut users = BTreeSet::from([ADMIN.to_owned()]);
    let mut clients = BTreeSet::new();
    for number in 0..7 {
        let name = format!("person-{number}");
        admin.create_user(&name, &[]).await;
        users.insert(name);
        clients.insert(admin.create_client(&format!("client-{number}"), "orders:read").await.0);
    }
    let listed = pages(&admin, "users", "username").await;
    assert_eq!(listed, users);
    let mut listed = pages(&admin, "clients", "client_id").await;
    listed.retain(|name| name.starts_with("client-"));
    assert_eq!(listed, clients);
    for query in ["limit=0", "limit=-1", "limit=many", "limit=1&limit=2", "after=%00", "colour=blue"] {
        let answer = send(admin.request(Method::GET, &format!("/users?{query}"))).await;
        assert_eq!(answer.status, 400, "{query}\n{}", answer.shown());
        answer.expect_problem_shape();
    }
}

/// All items by their names, three at a time.
async fn pages(admin: &Admin<'_>, list: &str, name: &str) -> BTreeSet<String> {
    let (mut found, mut after) = (BTreeSet::new(), String::new());
    for _ in 0..20 {
        let page =
            send(admin.request(Method::GET, &format!("/{list}?limit=3{after}"))).await.expect(200).json();
        let items = page[list].as_array().unwrap_or_else(|| panic!("no `{list}` in {page}"));
        assert!(items.len() <= 3, "a page of {}", items.len());
        for item in items {
            let item = item[name].as_str().unwrap().to_owned();
            assert!(found.insert(item.clone()), "{item} is on two pages");
        }
        match page["next"].as_str() {
            Some(next) => after = format!("&after={next}"),
            None => return found,
        }
    }
    panic!("the pages have no end");
}

#[tokio::test]
async fn what_was_created_can_be_read_and_changed_back() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let id = admin.create_user("berta", &["clerk"]).await;
    let read = async |path: &str| send(admin.request(Method::GET, path)).await.expect(200).json();
    let user = read(&format!("/users/{id}")).await;
    assert_eq!(
        (&user["username"], &user["roles"], &user["disabled"]),
        (&json!("berta"), &json!(["clerk"]), &json!(false))
    );
    let changed = admin.change_user(&id, json!({"roles": ["clerk", "auditor"]})).await.json();
    assert_eq!(sorted(&changed["roles"]), ["auditor", "clerk"]);
    assert!(!user.to_string().contains("argon2"), "{user}");

    admin.create_client("batch", "orders:read").await;
    let client = read("/clients/batch").await;
    assert_eq!(client["scope"], "orders:read");
    assert!(client.get("client_secret").is_none(), "a secret is shown once: {client}");
    send(admin.request(Method::GET, "/clients/nobody")).await.expect(404).expect_problem_shape();

    let put = admin.request(Method::PUT, "/roles/clerk").json(&json!({"scope": "orders:read orders:write"}));
    send(put).await.expect(200);
    assert_eq!(read("/roles/clerk").await["scope"], "orders:read orders:write");
    send(admin.request(Method::DELETE, "/roles/clerk")).await.expect(204);
    send(admin.request(Method::GET, "/roles/clerk")).await.expect(404).expect_problem_shape();
    assert_eq!(
        read(&format!("/users/{id}")).await["roles"],
        json!(["auditor"]),
        "a removed role leaves its holders"
    );
}

fn sorted(list: &Value) -> Vec<&str> {
    let mut words: Vec<&str> = list.as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    words.sort_unstable();
    words
}

#[tokio::test]
async fn a_token_that_would_be_too_large_is_refused_and_the_claim_is_named() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let roles: Vec<String> = (0..100).map(|number| format!("{number:03}-{}", "r".repeat(50))).collect();
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    admin.create_user("berta", &roles).await;
    let answer = send(up.login_request("berta", PASSWORD)).await;
    assert_ne!(answer.status, 200, "a token of {} bytes", answer.text("/access_token").len());
    let told = answer.shown() + &up.process().log();
    assert!(told.contains("roles"), "neither the answer nor the log names the claim\n{told}");
    up.assert_healthy("a token that is too large").await;
}
