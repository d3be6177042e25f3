//! The document that describes the admin API, and the routes it describes.

use std::collections::BTreeSet;

use http::StatusCode;
use serde_json::{Value, json};

use crate::fixture::Fixture;

/// Every route of the admin API.
const ROUTES: [(&str, &str); 24] = [
    ("get", "/admin/v1/users"),
    ("post", "/admin/v1/users"),
    ("get", "/admin/v1/users/{id}"),
    ("patch", "/admin/v1/users/{id}"),
    ("get", "/admin/v1/users/{id}/consents"),
    ("delete", "/admin/v1/users/{id}/consents/{client}"),
    ("get", "/admin/v1/clients"),
    ("post", "/admin/v1/clients"),
    ("get", "/admin/v1/clients/{id}"),
    ("patch", "/admin/v1/clients/{id}"),
    ("get", "/admin/v1/registration-tokens"),
    ("post", "/admin/v1/registration-tokens"),
    ("delete", "/admin/v1/registration-tokens/{id}"),
    ("get", "/admin/v1/users/{id}/identities"),
    ("post", "/admin/v1/users/{id}/identities"),
    ("delete", "/admin/v1/users/{id}/identities/{provider}"),
    ("get", "/admin/v1/roles"),
    ("get", "/admin/v1/roles/{name}"),
    ("put", "/admin/v1/roles/{name}"),
    ("delete", "/admin/v1/roles/{name}"),
    ("get", "/admin/v1/keys"),
    ("post", "/admin/v1/keys/rotate"),
    ("post", "/admin/v1/keys/rotate-master"),
    ("post", "/admin/v1/revocations"),
];

#[tokio::test]
async fn only_administrators_get_in() {
    let fixture = Fixture::new().await;
    let alice = fixture.log_in("alice").await.access;
    let batch = fixture.batch_token().await;
    for (method, path) in ROUTES {
        let path = path.replace("{id}", "x").replace("{name}", "x").replace("{client}", "x");
        let call = || fixture.call(method.to_uppercase().parse().unwrap(), &path);
        let cases = [
            ("nobody", call(), (401, "token-missing")),
            ("forged", call().bearer("x"), (401, "invalid-token")),
            ("client_for_a_resource_server", call().bearer(&batch), (401, "invalid-token")),
            ("user", call().bearer(&alice), (403, "insufficient-scope")),
        ];
        for (name, call, want) in cases {
            let answer = call.send().await;
            assert_eq!(answer.problem(), (want.0, want.1.to_owned()), "{method} {path} {name}");
            assert!(answer.header("www-authenticate").starts_with("Bearer realm="), "{method} {path} {name}");
        }
    }
}

#[tokio::test]
async fn the_document_describes_every_route_and_nothing_else() {
    let fixture = Fixture::new().await;
    let answer = fixture.get("/admin/v1/openapi.json").send().await.expect(StatusCode::OK);
    assert_eq!(answer.header("content-type"), "application/json");
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"), "{}", document["openapi"]);

    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            described.insert((method.clone(), path.clone()));
            let name = format!("{method} {path}");
            assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{name}: no summary");
            assert_eq!(operation["security"], json!([{ "access_token": [] }]), "{name}");
            let responses = operation["responses"].as_object().unwrap();
            for status in ["400", "401", "403", "503"] {
                assert!(responses.contains_key(status), "{name}: no {status}");
            }
            assert!(responses.keys().any(|status| status.starts_with('2')), "{name}");
            let described =
                |response: &Value| !response["description"].as_str().unwrap_or_default().is_empty();
            assert!(responses.values().all(described), "{name}: a response without description");
            assert_eq!(path.contains('{') && method != "put", responses.contains_key("404"), "{name}");
            let takes_body = matches!(method.as_str(), "post" | "patch" | "put");
            assert_eq!(takes_body, operation.get("requestBody").is_some(), "{name}");
        }
    }
    let served = ROUTES.map(|(method, path)| (method.to_owned(), path.to_owned()));
    let served = BTreeSet::from(served);
    assert_eq!(described, served);

    let admin = fixture.admin().await;
    // No method beside those described is served, on any path of the document.
    for path in document["paths"].as_object().unwrap().keys() {
        for method in ["get", "post", "put", "patch", "delete"] {
            let call = fixture.call(method.to_uppercase().parse().unwrap(), &path.replace(['{', '}'], ""));
            let answer = call.bearer(&admin).send().await;
            let is_described = described.contains(&(method.to_owned(), path.clone()));
            assert_eq!(answer.status != 405, is_described, "{method} {path}");
        }
    }
}

#[tokio::test]
async fn every_reference_in_the_document_leads_somewhere() {
    let fixture = Fixture::new().await;
    let document = fixture.get("/admin/v1/openapi.json").send().await.json();
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(elements) => elements.iter().for_each(|element| references(element, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    assert_eq!(document["components"]["securitySchemes"]["access_token"]["scheme"], "bearer");
    for schema in
        ["User", "NewUser", "UserChange", "Client", "NewClient", "Role", "Key", "Revocation", "Problem"]
    {
        assert!(document["components"]["schemas"].get(schema).is_some(), "{schema}");
    }
}
