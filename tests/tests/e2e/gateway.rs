//! `gatepass gateway --config FILE` alone, in front of a service that is not ours.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;
use gatepass_e2e::command::password_file;
use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Admin, Alone, Up, alone, http, jws, place, send, try_send, upstream, wait};
use serde_json::json;

/// What a gateway's file says; the rest is the same for every test.
pub(crate) struct File<'a> {
    listen: SocketAddr,
    admin_listen: SocketAddr,
    issuer: &'a str,
    audience: &'a str,
    /// Lines of the `[[issuer]]` table.
    trust: &'a str,
    upstream: SocketAddr,
}

impl<'a> File<'a> {
    pub(crate) fn new(issuer: &'a str, audience: &'a str, trust: &'a str, upstream: SocketAddr) -> Self {
        let (listen, admin_listen) = (place::free_address(), place::free_address());
        Self { listen, admin_listen, issuer, audience, trust, upstream }
    }

    fn text(&self, routes: &str) -> String {
        let Self { listen, admin_listen, issuer, audience, trust, upstream } = self;
        format!(
            r#"
listen = "{listen}"
admin_listen = "{admin_listen}"

[[issuer]]
url = "{issuer}"
audience = ["{audience}"]
{trust}

[[upstream]]
name = "mirror"
servers = ["http://{upstream}"]

{routes}
"#
        )
    }

    /// Starts a gateway and waits until it has the keys and the revocations that it needs.
    pub(crate) async fn start(&self, folder: &Path, routes: &str) -> Alone {
        let gateway = Alone::start("gateway", folder, self.listen, &self.text(routes)).await;
        let (client, ready) = (http::client(), format!("http://{}/readyz", self.admin_listen));
        wait::until("the gateway to be ready", Duration::from_secs(20), async || {
            try_send(client.get(&ready)).await.ok().filter(|answer| answer.status == 200)
        })
        .await;
        gateway
    }
}

pub(crate) const FEED: &str = r#"
revocation = "feed"
on_stale = { after = "30s", then = "allow" }
"#;

const ROUTES: &str = r#"
[[route]]
path = "/open"
methods = ["GET"]
upstream = "mirror"
public = true

[[route]]
path = "/orders/{id}"
methods = ["GET"]
upstream = "mirror"
require = { role = ["clerk", "admin"] }
forward = { sub = "X-User-Id", roles = "X-User-Roles" }

[[route]]
path = "/echo"
methods = ["POST"]
upstream = "mirror"

[[route]]
path = "/all/{*rest}"
upstream = "mirror"
"#;

#[tokio::test]
async fn a_gateway_alone_serves_the_routes_of_its_file_and_forwards_who_it_is() {
    let up = Up::start().await;
    Admin::login(&up).await.create_user("berta", &[]).await;
    let (ada, berta) = (up.login(ADMIN).await, up.login("berta").await);
    let aud = jws::audience(&ada.access_token);
    let mirror = upstream::mirror().await;
    let file = File::new(up.issuer(), &aud, FEED, mirror);
    let gateway = file.start(up.folder(), ROUTES).await;

    send(up.client.get(gateway.url("/open"))).await.expect(200);
    send(up.client.get(gateway.url("/orders/7"))).await.expect(401).expect_problem_shape();
    let berta_asks = up.client.get(gateway.url("/orders/7")).bearer_auth(&berta.access_token);
    send(berta_asks).await.expect(403).expect_problem_shape();

    let request = up.client.get(gateway.url("/orders/7?a=1&b=%2F")).bearer_auth(&ada.access_token);
    let spoofed =
        request.header("x-user-id", "mallory").header("x_user_roles", "god").header("x-mine", "kept");
    let seen = send(spoofed).await.expect(200).json();
    assert_eq!(seen["target"], "/orders/7?a=1&b=%2F", "the target arrives as it was sent");
    assert_eq!(seen["headers"]["x-user-id"], json!([ada.subject()]), "{seen}");
    assert!(seen["headers"]["x-user-roles"][0].as_str().unwrap().contains("admin"), "{seen}");
    assert!(seen["headers"].get("x_user_roles").is_none(), "{seen}");
    assert_eq!(seen["headers"]["x-mine"], json!(["kept"]), "{seen}");

    let public =
        up.client.get(gateway.url("/open")).header("x-user-id", "mallory").header("X-User_Roles", "god");
    let seen = send(public).await.expect(200).json();
    let headers = seen["headers"].as_object().unwrap();
    let identity: Vec<&String> =
        headers.keys().filter(|name| name.replace('_', "-").starts_with("x-user-")).collect();
    assert!(identity.is_empty(), "identity headers on a public route: {seen}");

    let below = up.client.delete(gateway.url("/all/a/b%20c/d")).bearer_auth(&berta.access_token);
    assert_eq!(send(below).await.expect(200).json()["target"], "/all/a/b%20c/d");
    send(up.client.get(gateway.url("/elsewhere"))).await.expect(404).expect_problem_shape();
}

#[tokio::test]
async fn bodies_stream_through_in_both_directions() {
    let up = Up::start().await;
    let token = up.login(ADMIN).await.access_token;
    let aud = jws::audience(&token);
    let mirror = upstream::mirror().await;
    let file = File::new(up.issuer(), &aud, FEED, mirror);
    let gateway = file.start(up.folder(), ROUTES).await;

    // Each part is sent only when the one before has come back, so whoever waits for a whole body waits forever.
    let (sender, parts) = tokio::sync::mpsc::channel::<String>(1);
    let parts = futures_util::stream::unfold(parts, |mut parts| async {
        let part = parts.recv().await?;
        Some((Ok::<_, std::io::Error>(part), parts))
    });
    sender.send("part 0;".to_owned()).await.unwrap();
    let request =
        up.client.post(gateway.url("/echo")).bearer_auth(&token).body(reqwest::Body::wrap_stream(parts));
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut back = response.bytes_stream();
    for number in 1..=5 {
        let part = back.next().await.expect("a part comes back before the next is sent").unwrap();
        assert_eq!(part, format!("part {};", number - 1));
        sender.send(format!("part {number};")).await.unwrap();
    }
    drop(sender);

    let large = "0123456789abcdef".repeat(1 << 18);
    let request = up.client.post(gateway.url("/echo")).bearer_auth(&token).body(large.clone());
    assert_eq!(send(request).await.expect(200).body, large.as_bytes());
}

#[tokio::test]
async fn a_file_that_is_wrong_is_refused_with_line_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    let file = File::new("http://127.0.0.1:9", "https://api.example", FEED, nobody);
    let good = file.text(ROUTES);
    let cases = [
        ("not TOML", good.replace("[[upstream]]", "[[upstream")),
        ("an unknown key", good.replace("public = true", "publick = true")),
        ("a route to nowhere", good.replacen("upstream = \"mirror\"", "upstream = \"nobody\"", 1)),
        ("no audience", good.replace("audience = [\"https://api.example\"]", "audience = []")),
        ("nothing said about revocation", good.replace("revocation = \"feed\"", "")),
        ("a path that is no pattern", good.replace("/orders/{id}", "/orders/{id")),
        ("a duration without unit", good.replace("\"30s\"", "\"30\"")),
        ("a method that is none", good.replace("methods = [\"POST\"]", "methods = [\"PO ST\"]")),
    ];
    for (what, text) in cases {
        assert_ne!(text, good, "{what} changes nothing");
        let said = alone::refusal("gateway", folder.path(), &text).await;
        let has_line = said.contains("line ") || said.contains(".toml:");
        assert!(has_line, "{what}: the refusal names no line:\n{said}");
    }
}

#[tokio::test]
async fn a_reload_swaps_the_routes_and_a_bad_file_keeps_the_old_ones() {
    let up = Up::start().await;
    let aud = jws::audience(&up.login(ADMIN).await.access_token);
    let mirror = upstream::mirror().await;
    let file = File::new(up.issuer(), &aud, FEED, mirror);
    let gateway = file.start(up.folder(), ROUTES).await;
    let status = async |path: &str| send(up.client.get(gateway.url(path))).await.status;
    assert_eq!((status("/open").await, status("/later").await), (200, 404));

    gateway.reload(&file.text(&ROUTES.replace("\"/open\"", "\"/later\"")));
    let reloaded = async || (status("/later").await == 200).then_some(());
    wait::until("the reloaded route", Duration::from_secs(10), reloaded).await;
    assert_eq!(status("/open").await, 404, "the old route is gone");

    gateway.reload(&file.text(&ROUTES.replace("public = true", "publick = true")));
    let refused = async || gateway.process.log().contains("publick").then_some(());
    wait::until("the log to name what is wrong with the new file", Duration::from_secs(10), refused).await;
    assert_eq!((status("/later").await, status("/open").await), (200, 404), "the old routes are kept");
}

#[tokio::test]
async fn a_reload_drops_no_request() {
    let up = Up::start().await;
    let token = up.login(ADMIN).await.access_token;
    let aud = jws::audience(&token);
    let mirror = upstream::mirror().await;
    let file = File::new(up.issuer(), &aud, FEED, mirror);
    let gateway = file.start(up.folder(), ROUTES).await;
    for round in 0..20 {
        gateway.reload(&format!("{}\n# {round}", file.text(ROUTES)));
        for _ in 0..10 {
            send(up.client.get(gateway.url("/open"))).await.expect(200);
            send(up.client.get(gateway.url("/orders/7")).bearer_auth(&token)).await.expect(200);
        }
    }
}

#[tokio::test]
async fn a_server_that_is_down_stops_nothing_until_the_view_is_stale_and_then_what_was_chosen() {
    let mut up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    let aud = jws::audience(&session.access_token);
    let mirror = upstream::mirror().await;
    let start = async |up: &Up, then: &str| {
        let trust = format!("revocation = \"feed\"\non_stale = {{ after = \"2s\", then = \"{then}\" }}");
        let file = File::new(up.issuer(), &aud, &trust, mirror);
        file.start(up.folder(), ROUTES).await
    };
    let (allowing, denying) = (&start(&up, "allow").await, &start(&up, "deny").await);
    let client = up.client.clone();
    let ask = async |gateway: &Alone, token: &str| {
        send(client.get(gateway.url("/orders/7")).bearer_auth(token.to_owned())).await
    };
    for gateway in [allowing, denying] {
        ask(gateway, &session.access_token).await.expect(200);
    }

    up.kill();
    ask(denying, &session.access_token).await.expect(200);
    let stale = wait::until("the stale view to deny", Duration::from_secs(10), async || {
        Some(ask(denying, &session.access_token).await).filter(|answer| answer.status != 200)
    })
    .await;
    assert!([401, 503].contains(&stale.status), "{}", stale.shown());
    stale.expect_problem_shape();
    ask(allowing, &session.access_token).await.expect(200);

    up.start_again().await;
    Admin::with_token(&up, &session.access_token).revoke("session", &session.id).await.expect(201);
    for (name, gateway) in [("allowing", allowing), ("denying", denying)] {
        let what = format!("the {name} gateway to catch up with what it missed");
        wait::until(&what, Duration::from_secs(15), async || {
            (ask(gateway, &session.access_token).await.status == 401).then_some(())
        })
        .await;
    }
    let next = up.native_login(ADMIN).await;
    // Two seconds without a heartbeat are enough to deny, and a busy machine can take that long.
    wait::until("the denying gateway to let the next token in", Duration::from_secs(15), async || {
        (ask(denying, &next.access_token).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_asks_introspection_knows_of_a_revocation_without_a_feed() {
    let up = Up::start().await;
    let admin = Admin::login(&up).await;
    let (client_id, secret) = admin.create_client("gateway", "orders:read").await;
    let secret_file = password_file(up.folder(), &secret);
    let session = up.native_login(ADMIN).await;
    let aud = jws::audience(&session.access_token);
    let trust = format!(
        "revocation = \"introspect\"\n\
         introspection = {{ client_id = \"{client_id}\", client_secret_file = \"{secret_file}\" }}"
    );
    let mirror = upstream::mirror().await;
    let gateway = File::new(up.issuer(), &aud, &trust, mirror).start(up.folder(), ROUTES).await;
    let ask = || send(up.client.get(gateway.url("/orders/7")).bearer_auth(&session.access_token));
    ask().await.expect(200);
    admin.revoke("session", &session.id).await.expect(201);
    // An answer may be remembered for a moment, so that a busy client does not double the server's work.
    wait::until("introspection to tell of the revocation", Duration::from_secs(10), async || {
        (ask().await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_gateway_that_starts_before_its_server_says_to_come_back_and_then_works() {
    let mut up = Up::start().await;
    let token = up.login(ADMIN).await.access_token;
    let aud = jws::audience(&token);
    up.kill();
    let mirror = upstream::mirror().await;
    let (issuer, folder) = (up.issuer().to_owned(), up.folder().to_owned());
    let file = File::new(&issuer, &aud, FEED, mirror);
    let gateway = Alone::start("gateway", &folder, file.listen, &file.text(ROUTES)).await;
    let ask = || send(up.client.get(gateway.url("/orders/7")).bearer_auth(&token));
    let early = ask().await.expect_problem(503, "verification-unavailable");
    assert!(early.retry_after() >= 1);
    send(up.client.get(gateway.url("/open"))).await.expect(200);

    let client = up.client.clone();
    up.start_again().await;
    wait::until("the gateway to find its server", Duration::from_secs(20), async || {
        let answer = send(client.get(gateway.url("/orders/7")).bearer_auth(&token)).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn invented_kids_do_not_make_the_gateway_ask_again_and_again() {
    let up = Up::start().await;
    let token = up.login(ADMIN).await.access_token;
    let set = send(up.client.get(up.jwks_uri())).await.json();
    let (jwks_uri, asked) = upstream::counted_jwks(set).await;
    let aud = jws::audience(&token);
    let mirror = upstream::mirror().await;
    let trust = format!("jwks_uri = \"{jwks_uri}\"\n{FEED}");
    let file = File::new(up.issuer(), &aud, &trust, mirror);
    let gateway = file.start(up.folder(), ROUTES).await;
    send(up.client.get(gateway.url("/orders/7")).bearer_auth(&token)).await.expect(200);
    let before = asked.load(Ordering::Relaxed);

    let (_, rest) = token.split_once('.').unwrap();
    for number in 0..500 {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": format!("invented-{number}")});
        let forged = format!("{}.{rest}", jws::encode(header.to_string().as_bytes()));
        send(up.client.get(gateway.url("/orders/7")).bearer_auth(&forged)).await.expect(401);
    }
    let more = asked.load(Ordering::Relaxed) - before;
    assert!(more <= 3, "500 invented kids made the gateway fetch the JWK Set {more} times");
    send(up.client.get(gateway.url("/orders/7")).bearer_auth(&token)).await.expect(200);
}

#[tokio::test]
async fn an_upstream_that_is_down_is_a_bad_gateway_and_nothing_worse() {
    let up = Up::start().await;
    let token = up.login(ADMIN).await.access_token;
    let aud = jws::audience(&token);
    let nobody = place::free_address();
    let file = File::new(up.issuer(), &aud, FEED, nobody);
    let gateway = file.start(up.folder(), ROUTES).await;
    let answer = send(up.client.get(gateway.url("/orders/7")).bearer_auth(&token)).await;
    assert!([502, 503].contains(&answer.status), "{}", answer.shown());
    answer.expect_problem_shape();
    send(up.client.get(gateway.url("/orders/7"))).await.expect(401);
}
