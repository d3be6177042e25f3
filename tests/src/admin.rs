//! The admin API, as an operator's script uses it.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::http::{Answer, send};
use crate::up::{ADMIN, PASSWORD, Up};

/// Somebody with an access token that has the admin scope.
pub struct Admin<'u> {
    up: &'u Up,
    token: String,
}

impl<'u> Admin<'u> {
    /// Logs in as the first user.
    pub async fn login(up: &'u Up) -> Self {
        Self { up, token: up.login(ADMIN).await.access_token }
    }

    /// Uses a token that is there.
    pub fn with_token(up: &'u Up, token: &str) -> Self {
        Self { up, token: token.to_owned() }
    }

    /// A request below `/admin/v1`.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.up.at_server(method, &format!("/admin/v1{path}")).bearer_auth(&self.token)
    }

    /// Creates a user with [`PASSWORD`] and gives the id.
    pub async fn create_user(&self, username: &str, roles: &[&str]) -> String {
        let body = json!({"username": username, "password": PASSWORD, "roles": roles});
        send(self.request(Method::POST, "/users").json(&body)).await.expect(201).text("/id")
    }

    /// Changes members of a user.
    pub async fn change_user(&self, id: &str, change: Value) -> Answer {
        send(self.request(Method::PATCH, &format!("/users/{id}")).json(&change)).await.expect(200)
    }

    /// Creates a machine client and gives its id and secret.
    pub async fn create_client(&self, name: &str, scope: &str) -> (String, String) {
        let body = json!({
            "client_id": name, "client_name": name, "grant_types": ["client_credentials"], "scope": scope
        });
        let answer = send(self.request(Method::POST, "/clients").json(&body)).await.expect(201);
        (answer.text("/client_id"), answer.text("/client_secret"))
    }

    /// Revokes; `id` is left out where it is empty.
    pub async fn revoke(&self, kind: &str, id: &str) -> Answer {
        let mut body = json!({"kind": kind, "reason": "e2e"});
        if !id.is_empty() {
            body["id"] = json!(id);
        }
        send(self.request(Method::POST, "/revocations").json(&body)).await
    }

    /// Starts a rotation of the signing keys.
    pub async fn rotate_keys(&self) -> Answer {
        send(self.request(Method::POST, "/keys/rotate")).await
    }
}
