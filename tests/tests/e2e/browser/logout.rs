//! Applications hear of a logout in frames of the server's page, as far as a real browser lets them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use axum::response::Html;
use axum::routing::get;
use gatepass_e2e::browser::Visitor;
use gatepass_e2e::sign_on::{authorization_url_to, code_in, redeem_at};
use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Admin, Browser, Up, jws, send, upstream, wait};
use reqwest::{Method, Url};
use serde_json::json;

use super::pages::{look, pictures};

/// What an application shows in the frame: a script of its own tidies up there.
const FRAME: &str = "<!doctype html><title>out</title><script>fetch('/tidied')</script>";

/// A request that an application got after the login.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Arrival {
    target: String,
    /// What the browser says that it wants it for.
    destination: String,
    cookies: String,
}

type Arrivals = Arc<Mutex<Vec<Arrival>>>;

/// An application that wants to hear of logouts in a frame.
struct Application {
    name: &'static str,
    origin: String,
    arrivals: Arrivals,
}

impl Application {
    async fn start(up: &Up, name: &'static str, host: &str) -> Self {
        let arrivals = Arrivals::default();
        let logged_in = async || ([("set-cookie", "session=its; HttpOnly")], Html("<p>in</p>"));
        let router = Router::new()
            .route("/callback", get(logged_in))
            .route("/bye", get(async || Html("<h1>Goodbye</h1>")))
            .route("/front", get(arrive))
            .route("/tidied", get(arrive))
            .with_state(Arc::clone(&arrivals));
        let origin = format!("http://{host}:{}", upstream::serve(router).await.port());
        let registered = json!({
            "client_id": name, "client_name": name, "token_endpoint_auth_method": "none",
            "grant_types": ["authorization_code"],
            "redirect_uris": [format!("{origin}/callback")],
            "post_logout_redirect_uris": [format!("{origin}/bye")],
            "frontchannel_logout_uri": format!("{origin}/front?tenant=1"),
        });
        send(Admin::login(up).await.request(Method::POST, "/clients").json(&registered)).await.expect(201);
        Self { name, origin, arrivals }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// Sends the visitor to the server, who logs in there if that is needed, and gives what the ID token calls the session.
    async fn log_in(&self, up: &Up, visitor: &mut Visitor<'_>) -> String {
        let callback = self.url("/callback");
        let request = authorization_url_to(up.issuer(), (self.name, &callback), "openid", &[]);
        visitor.open(request.as_str()).await;
        if visitor.read("h1").await == "Log in" {
            visitor.fill("#username", ADMIN).await;
            visitor.fill("#password", PASSWORD).await;
            visitor.click("button").await;
        }
        // Asked each time: any program could listen there.
        visitor.click("button[value=allow]").await;
        let code = code_in(&Url::parse(&visitor.arrive(&callback).await).unwrap());
        let tokens = redeem_at(up, (self.name, None), &callback, &code, &[]).await.expect(200).json();
        jws::claims(tokens["id_token"].as_str().unwrap())["sid"].as_str().unwrap().to_owned()
    }

    /// What it heard in the frame, once the frame's script has run.
    async fn heard(&self) -> Arrival {
        let arrivals = wait::until("the frame to load and tidy up", Duration::from_secs(30), async || {
            let arrivals = self.arrivals.lock().unwrap().clone();
            (arrivals.len() >= 2).then_some(arrivals)
        })
        .await;
        let [front, tidied] = arrivals.as_slice() else { panic!("one frame each: {arrivals:?}") };
        assert_eq!((tidied.target.as_str(), tidied.destination.as_str()), ("/tidied", "empty"));
        front.clone()
    }
}

async fn arrive(State(arrivals): State<Arrivals>, uri: Uri, headers: HeaderMap) -> Html<&'static str> {
    let field = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (destination, cookies) = (field("sec-fetch-dest"), field("cookie"));
    arrivals.lock().unwrap().push(Arrival { target: uri.to_string(), destination, cookies });
    Html(FRAME)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_at_the_pages_reaches_each_application_in_a_frame_and_goes_on() {
    let up = Up::start().await;
    // One is the server's neighbour, the other another site to the browser.
    let shop = Application::start(&up, "shop", "127.0.0.1").await;
    let office = Application::start(&up, "office", "localhost").await;
    let mut browser = Browser::start();
    let mut ada = browser.visitor("ada");
    let sids = [shop.log_in(&up, &mut ada).await, office.log_in(&up, &mut ada).await];

    let logout = format!("{}/oauth/logout", up.issuer());
    ada.open(&logout).await;
    ada.click("button").await;
    ada.read("text=Logged out").await;
    for (application, sid) in [&shop, &office].into_iter().zip(&sids) {
        let mut want = Url::parse(&application.url("/front?tenant=1")).unwrap();
        want.query_pairs_mut().extend_pairs([("iss", up.issuer()), ("sid", sid)]);
        let front = application.heard().await;
        assert_eq!(application.url(&front.target), want.as_str());
        assert_eq!(front.destination, "iframe", "{front:?}");
    }
    // A neighbour ends its session by its cookie; whoever is elsewhere gets none and goes by `sid`.
    assert!(shop.heard().await.cookies.contains("session=its"));
    assert_eq!(ada.run("document.querySelectorAll('iframe').length").await, 2);
    // The browser complains of whatever the page's policy forbids.
    look(&mut ada, &pictures(up.folder()), "logged-out-in-frames").await;
    let (_, at) = ada.open(&logout).await;
    assert!(
        at.starts_with(&logout) && ada.run("document.querySelectorAll('form').length").await == 0,
        "{at}"
    );
    assert_eq!(ada.complaints().await, [""; 0]);

    // Where the application wants its user back, the page goes there by itself.
    shop.log_in(&up, &mut ada).await;
    let bye = shop.url("/bye");
    let mut back = Url::parse(&logout).unwrap();
    let params = [("client_id", "shop"), ("post_logout_redirect_uri", &bye), ("state", "as it was")];
    back.query_pairs_mut().extend_pairs(params);
    ada.open(back.as_str()).await;
    ada.click("button").await;
    assert_eq!(ada.arrive(&bye).await, format!("{bye}?state=as+it+was"));
    assert_eq!(ada.read("h1").await, "Goodbye");
}
