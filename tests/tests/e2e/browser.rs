//! A real browser in front of the real programs: the pages that people see, and what a web page can do with a session of the
//! gateway's.

mod account;
mod device;
mod live;
mod logout;
mod pages;
mod providers;
mod step_up;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{any, get, post};
use gatepass_e2e::command::password_file;
use gatepass_e2e::{Admin, Alone, Up, certificate, http, jws, place, send, try_send, upstream, wait};
use reqwest::Method;
use serde_json::json;

use crate::exchange;

/// An application: a service behind a gateway of its own that logs its users in.
struct Application {
    origin: String,
    _gateway: Alone,
}

impl Application {
    /// Registers the client `name`, to whom nobody has consented yet, and starts a gateway for it at `site` (scheme and
    /// host) and a port of its own. `more` comes at the end of the gateway's file.
    async fn start(up: &Up, name: &str, site: &str, more: &str) -> Self {
        let (listen, admin_listen) = (place::free_address(), place::free_address());
        let origin = format!("{site}:{}", listen.port());
        let admin = Admin::login(up).await;
        let registered = json!({
            "client_id": name, "client_name": name, "confidential": true, "scope": "orders:read",
            "grant_types": ["authorization_code", "refresh_token"],
            "redirect_uris": [format!("{origin}/bff/callback")],
            "post_logout_redirect_uris": [format!("{origin}/")],
        });
        let answer = send(admin.request(Method::POST, "/clients").json(&registered)).await.expect(201);
        let secret = password_file(up.folder(), &answer.text("/client_secret"));
        let audience = jws::audience(&up.login(gatepass_e2e::up::ADMIN).await.access_token);
        let tls = match site.starts_with("https") {
            true => {
                certificate::self_signed(up.folder(), "localhost");
                certificate::TLS
            }
            false => "",
        };
        let text = format!(
            r#"
listen = "{listen}"
admin_listen = "{admin_listen}"
public_url = "{origin}"
{tls}
[bff]
issuer = "{issuer}"
client_id = "{name}"
client_secret_file = "{secret}"
scope = "openid profile orders:read"
store = "{name}.db"
key_file = "{name}.key"

[[issuer]]
url = "{issuer}"
audience = ["{audience}"]
revocation = "feed"
on_stale = {{ after = "30s", then = "deny" }}
{more}"#,
            issuer = up.issuer(),
        );
        let gateway = Alone::start("gateway", up.folder(), listen, &text).await;
        let (client, ready) = (http::client(), format!("http://{admin_listen}/readyz"));
        wait::until("the gateway to be ready", Duration::from_secs(20), async || {
            try_send(client.get(&ready)).await.ok().filter(|answer| answer.status == 200)
        })
        .await;
        Self { origin, _gateway: gateway }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }
}

/// A service with a page, an API and an event stream, and what has reached it.
#[derive(Clone, Default)]
struct Service {
    arrivals: Arc<Mutex<Vec<String>>>,
}

impl Service {
    async fn start() -> (Self, std::net::SocketAddr) {
        let service = Self::default();
        let router = Router::new()
            .route("/", get(async || Html(include_str!("browser/page.html"))))
            .route("/events", get(events))
            .route("/posted", post(async |form: String| Html(format!("<p>{}</p>", form.replace('<', "?")))))
            .route("/favicon.ico", get(async || axum::http::StatusCode::NOT_FOUND))
            .fallback(any(tell))
            .with_state(service.clone());
        let address = upstream::serve(router).await;
        (service, address)
    }

    /// Method and path of each request for the API.
    fn arrivals(&self) -> Vec<String> {
        self.arrivals.lock().unwrap().clone()
    }
}

/// Who asked, as the gateway says.
async fn tell(State(service): State<Service>, request: Request) -> Response {
    service.arrivals.lock().unwrap().push(format!("{} {}", request.method(), request.uri().path()));
    let field = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let told = json!({ "sub": field("x-user-id"), "sid": field("x-session-id"), "cookie": field("cookie") });
    ([("content-type", "application/json")], told.to_string()).into_response()
}

async fn events() -> Response {
    let ticks = futures_util::stream::unfold(0_u64, |count| async move {
        if count > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // Browsers open a stream again that has ended, and wait for as long as it says.
        Some((Ok::<_, std::io::Error>(format!("retry: 50\ndata: tick {count}\n\n")), count + 1))
    });
    ([("content-type", "text/event-stream")], Body::from_stream(ticks)).into_response()
}
