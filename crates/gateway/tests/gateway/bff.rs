//! Browsers with a session instead of tokens, and an issuer that does not always play its part.

mod step_up;
mod tabs;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest::{SHA256, digest};
use gatepass_gateway::Config;
use gatepass_jose::{Alg, SigningKey, Typ, base64url, jwt};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tempfile::TempDir;
use url::{Url, form_urlencoded};

use crate::harness::{Answer, Backend, Running, TestBody, full, mirrored, now, send, until};

const ORIGIN: &str = "http://localhost:8443";
const AUDIENCE: &str = "https://api.example.com";

/// What the issuer does at its token endpoint, and what it has seen there.
struct Told {
    /// Claims of access tokens beside the usual ones.
    access_claims: Value,
    /// The claims of ID tokens that are not as they should be.
    id_claims: Value,
    id_typ: Typ,
    /// Takes the client's secret in the form, and nowhere else.
    secret_in_form: bool,
    audience: &'static str,
    expires_in: u64,
    /// How long from now the access tokens themselves live, in seconds.
    lifetime: i64,
    /// So many answers are lost: it did what it was asked to, and nobody hears of it.
    lost: usize,
    /// Everything but the metadata and keys is out of order.
    down: bool,
    /// Refresh tokens are good no longer.
    ended: bool,
    /// By code: the nonce and the challenge.
    codes: HashMap<String, (String, String)>,
    used: HashSet<String>,
    refreshed: Vec<String>,
    revoked: Vec<String>,
}

struct Issuer {
    address: SocketAddr,
    told: Arc<Mutex<Told>>,
}

impl Issuer {
    async fn start() -> Self {
        let told = Arc::new(Mutex::new(Told {
            access_claims: json!({}),
            id_claims: json!({}),
            id_typ: Typ::new("JWT"),
            secret_in_form: false,
            audience: AUDIENCE,
            expires_in: 900,
            lifetime: 900,
            lost: 0,
            down: false,
            ended: false,
            codes: HashMap::new(),
            used: HashSet::new(),
            refreshed: Vec::new(),
            revoked: Vec::new(),
        }));
        let key = Arc::new(SigningKey::generate(Alg::ES256, Some("k1")).unwrap());
        let shared = Arc::clone(&told);
        let backend = Backend::start(move |request: Request<Incoming>| {
            let (told, key) = (Arc::clone(&shared), Arc::clone(&key));
            async move { answer(request, &told, &key).await }
        })
        .await;
        Self { address: backend.address, told }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Told) -> T) -> T {
        change(&mut self.told.lock().unwrap())
    }
}

fn reply(status: u16, body: &Value) -> Response<TestBody> {
    Response::builder().status(status).body(full(body.to_string())).unwrap()
}

async fn answer(request: Request<Incoming>, told: &Mutex<Told>, key: &SigningKey) -> Response<TestBody> {
    let issuer = format!("http://{}", request.headers()["host"].to_str().unwrap());
    let path = request.uri().path().to_owned();
    let authorization = request.headers().get("authorization").cloned();
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let form: HashMap<String, String> = form_urlencoded::parse(&body).into_owned().collect();
    let mut told = told.lock().unwrap();
    match path.as_str() {
        "/.well-known/openid-configuration" => {
            return reply(
                200,
                &json!({
                    "issuer": issuer, "jwks_uri": format!("{issuer}/jwks"),
                    "authorization_endpoint": format!("{issuer}/authorize"), "token_endpoint": format!("{issuer}/token"),
                    "revocation_endpoint": format!("{issuer}/revoke"), "end_session_endpoint": format!("{issuer}/bye"),
                    "authorization_response_iss_parameter_supported": true,
                    "id_token_signing_alg_values_supported": ["RS256", "ES256"],
                    "token_endpoint_auth_methods_supported":
                        [if told.secret_in_form { "client_secret_post" } else { "client_secret_basic" }],
                }),
            );
        }
        "/jwks" => return reply(200, &json!({ "keys": [key.public_jwk().unwrap()] })),
        _ if told.down => return reply(503, &json!({})),
        _ => {}
    }
    // RFC 6749 section 2.3.1, for `web app` and `s3:cret`.
    let basic = authorization.as_ref().is_some_and(|value| value == "Basic d2ViK2FwcDpzMyUzQWNyZXQ=");
    let in_form = [form.get("client_id"), form.get("client_secret")]
        == [Some(&"web app".to_owned()), Some(&"s3:cret".to_owned())];
    let shown = (basic, authorization.is_none() && in_form, form.contains_key("client_secret"));
    assert_eq!(shown, (!told.secret_in_form, told.secret_in_form, told.secret_in_form), "at {path}");
    if path == "/revoke" {
        told.revoked.push(form["token"].clone());
        return reply(200, &json!({}));
    }
    let refused = reply(400, &json!({ "error": "invalid_grant" }));
    let nonce = if form["grant_type"] == "authorization_code" {
        let challenge = base64url::encode(digest(&SHA256, form["code_verifier"].as_bytes()).as_ref());
        assert_eq!(form["redirect_uri"], format!("{ORIGIN}/bff/callback"));
        match told.codes.get(&form["code"]).cloned() {
            Some((nonce, wanted)) if told.used.insert(form["code"].clone()) && wanted == challenge => nonce,
            _ => return refused,
        }
    } else {
        told.refreshed.push(form["refresh_token"].clone());
        if told.ended {
            return refused;
        }
        String::new()
    };
    if told.lost > 0 {
        told.lost -= 1;
        return reply(502, &json!({}));
    }
    let number = told.refreshed.len();
    let mut access = json!({
        "iss": issuer, "aud": told.audience, "sub": "ann", "jti": format!("t{number}"), "client_id": "web app",
        "iat": now(), "exp": now() + told.lifetime, "scope": "openid orders:read",
    });
    for (name, value) in told.access_claims.as_object().unwrap() {
        access[name] = value.clone();
    }
    let access_token = jwt::sign(&Typ::ACCESS_TOKEN, &access, key).unwrap();
    let mut id = json!({
        "iss": issuer, "aud": "web app", "sub": "ann", "nonce": nonce, "exp": now() + 60, "iat": now(),
        "name": "Ann", "not known here": { "x": [null] }, "at_hash": base64url::encode(&digest(&SHA256, access_token.as_bytes()).as_ref()[..16]),
    });
    for (name, value) in told.id_claims.as_object().unwrap() {
        id[name] = value.clone();
    }
    let id_token = jwt::sign(&told.id_typ, &id, key).unwrap();
    reply(
        200,
        &json!({
            "access_token": access_token, "token_type": "bearer", "expires_in": told.expires_in,
            "refresh_token": format!("r{number}"), "id_token": id_token, "scope": "openid orders:read",
            // What a client does not know it passes over. RFC 6749 section 5.1.
            "not known here": { "x": [null] },
        }),
    )
}

/// A gateway's file, with a folder for what it keeps.
fn config(issuer: &Issuer, backend: SocketAddr, folder: &Path) -> String {
    std::fs::write(folder.join("secret"), "s3:cret\n").unwrap();
    let at = |name: &str| folder.join(name).display().to_string();
    format!(
        "listen = '127.0.0.1:0'\npublic_url = '{ORIGIN}'\n
        [[issuer]]\nurl = '{url}'\naudience = ['{AUDIENCE}']\nrevocation = 'none'\n
        [bff]\nissuer = '{url}'\nclient_id = 'web app'\nclient_secret_file = '{secret}'\n\
        scope = 'openid orders:read offline_access'\nstore = '{store}'\nkey_file = '{key}'\nafter_login = '/home'\n
        [[upstream]]\nname = 'backend'\nservers = ['http://{backend}']\n
        [[route]]\npath = '/{{*rest}}'\nupstream = 'backend'\npublic = true\n
        [[route]]\npath = '/api/{{*rest}}'\nupstream = 'backend'\nsession = true\nforward = {{ sub = 'X-User-Id' }}\n\
        require = {{ scope = ['orders:read'] }}\n
        [[route]]\npath = '/strip'\nupstream = 'backend'\nsession = true\ntoken = 'strip'\n
        [[route]]\npath = '/maybe'\nupstream = 'backend'\nsession = true\noptional = true\n
        [[route]]\npath = '/shadow'\nupstream = 'backend'\nsession = true\nenforce = false\n
        [[route]]\npath = '/pay/{{*rest}}'\nupstream = 'backend'\nsession = true\n\
        require = {{ acr = ['urn:gold', 'urn:silver'], max_age = '10m' }}\n
        [[route]]\npath = '/recent'\nupstream = 'backend'\nsession = true\nrequire = {{ max_age = '1m' }}\n
        [[route]]\npath = '/tokens'\nupstream = 'backend'\n",
        url = issuer.url(),
        secret = at("secret"),
        store = at("sessions.db"),
        key = at("sessions.key"),
    )
}

struct World {
    issuer: Issuer,
    gateway: Running,
    config: String,
    folder: TempDir,
}

impl World {
    async fn start() -> Self {
        let backend = Backend::start(|request| async {
            let mut response = crate::harness::mirror(request).await;
            for cookie in ["theme=dark; Path=/", "__Host-session=planted; Path=/; Secure"] {
                response.headers_mut().append("set-cookie", cookie.parse().unwrap());
            }
            response
        })
        .await;
        let (issuer, folder) = (Issuer::start().await, tempfile::tempdir().unwrap());
        let config = config(&issuer, backend.address, folder.path());
        let gateway = Running::start(&config).await;
        until("the key set", || gateway.gateway.is_ready()).await;
        Self { issuer, gateway, config, folder }
    }

    async fn another_gateway(&self) -> Running {
        let gateway = Running::start(&self.config).await;
        until("the key set", || gateway.gateway.is_ready()).await;
        gateway
    }

    /// Begins a login: the cookie that holds it, and the parameters of the authorization request.
    async fn begin(&self, path: &str) -> (String, HashMap<String, String>) {
        let answer = self.gateway.get(path, &[]).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{answer:?}");
        let url = Url::parse(answer.header("location").unwrap()).unwrap();
        assert!(url.as_str().starts_with(&format!("{}/authorize?", self.issuer.url())));
        let asked: HashMap<_, _> = url.query_pairs().into_owned().collect();
        (cookie(&answer, &format!("__Host-session-login-{}", &asked["state"][..8])), asked)
    }

    /// The user logs in at the issuer: the callback's target.
    fn log_in(&self, asked: &HashMap<String, String>) -> String {
        self.issuer.with(|told| {
            let code = format!("code-{}", told.codes.len());
            told.codes.insert(code.clone(), (asked["nonce"].clone(), asked["code_challenge"].clone()));
            let iss = self.issuer.url();
            let query = [("code", &code), ("state", &asked["state"]), ("iss", &iss)];
            format!(
                "/bff/callback?{}",
                form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish()
            )
        })
    }

    /// The cookie of a new session.
    async fn session(&self) -> String {
        let (login, asked) = self.begin("/bff/login").await;
        let answer = self.gateway.get(&self.log_in(&asked), &[("cookie", &login)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:?}");
        cookie(&answer, "__Host-session")
    }
}

fn name_of(cookie: &str) -> &str {
    cookie.split('=').next().unwrap()
}

/// `name=value` of a cookie that is set.
fn cookie(answer: &Answer, name: &str) -> String {
    let set = answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
    let mut own = set.filter(|text| text.starts_with(&format!("{name}=")));
    let text = own.next().unwrap_or_else(|| panic!("no {name} in {answer:?}"));
    assert!(text.contains("; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age="), "{text}");
    text.split(';').next().unwrap().to_owned()
}

fn clears(answer: &Answer, name: &str) -> bool {
    let cleared = format!("{name}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    answer.headers.get_all("set-cookie").iter().any(|value| *value == cleared)
}

async fn ask(gateway: &Running, method: Method, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    send(gateway.address, request.body(full("")).unwrap()).await
}

#[tokio::test]
async fn a_browser_logs_in_calls_and_logs_out_and_never_sees_a_token() {
    let world = World::start().await;
    let (login, asked) = world.begin("/bff/login?return_to=/orders%3Fa=1").await;
    for (name, want) in [
        ("response_type", "code"),
        ("client_id", "web app"),
        ("redirect_uri", "http://localhost:8443/bff/callback"),
        ("scope", "openid orders:read offline_access"),
        ("code_challenge_method", "S256"),
    ] {
        assert_eq!(asked[name], want, "{name}");
    }
    let back = world.gateway.get(&world.log_in(&asked), &[("cookie", &login)]).await;
    assert_eq!((back.status, back.header("location")), (StatusCode::SEE_OTHER, Some("/orders?a=1")));
    assert_eq!(
        (back.header("cache-control"), back.header("referrer-policy")),
        (Some("no-store"), Some("no-referrer"))
    );
    assert!(clears(&back, name_of(&login)), "the login is over");
    let session = cookie(&back, "__Host-session");

    let both = format!("theme=dark; {session}; {login}");
    let answer = world.gateway.get("/api/orders", &[("cookie", &both), ("x-user-id", "mallory")]).await;
    let told = answer.json();
    assert_eq!(mirrored(&told, "x-user-id"), ["ann"]);
    assert_eq!(mirrored(&told, "cookie"), ["theme=dark"], "its own cookies end at the gateway");
    assert!(mirrored(&told, "authorization")[0].starts_with("Bearer ey"));
    assert_eq!(answer.header("set-cookie"), Some("theme=dark; Path=/"), "the upstream plants no session");
    assert_eq!(answer.header("cache-control"), Some("private"));
    let told = world.gateway.get("/strip", &[("cookie", &session)]).await.json();
    assert_eq!(mirrored(&told, "authorization"), [""; 0]);
    for open in ["/elsewhere", "/maybe"] {
        let cookies = if open == "/maybe" { &login } else { &both };
        let told = world.gateway.get(open, &[("cookie", cookies)]).await.json();
        assert!(!told.to_string().contains("__Host-"), "{told}");
    }
    let without = world.gateway.get("/tokens", &[("cookie", &session)]).await;
    assert_eq!(
        (without.status, &*without.code()),
        (StatusCode::UNAUTHORIZED, "token-missing"),
        "it did not ask"
    );

    let facts = world.gateway.get("/bff/session", &[("cookie", &session)]).await;
    let ends = facts.json()["expires_at"].as_i64().unwrap();
    assert!((now() + 86_000..=now() + 86_400).contains(&ends), "{facts:?}");
    let want = json!({
        "authenticated": true, "sub": "ann", "name": "Ann", "scope": "openid orders:read", "expires_at": ends,
    });
    assert_eq!((facts.json(), facts.header("cache-control")), (want, Some("no-store")));

    let own = [("cookie", &*session), ("origin", ORIGIN)];
    let out = ask(&world.gateway, Method::POST, "/bff/logout", &own).await;
    let bye = format!(
        "{}/bye?client_id=web+app&post_logout_redirect_uri=http%3A%2F%2Flocalhost%3A8443%2F",
        world.issuer.url()
    );
    assert_eq!((out.status, out.json()), (StatusCode::OK, json!({ "logout_url": bye })));
    assert!(clears(&out, "__Host-session"));
    assert_eq!(world.issuer.with(|told| told.revoked.clone()), ["r0"]);
    let ended = world.gateway.get("/api/orders", &[("cookie", &session)]).await;
    assert_eq!((ended.status, &*ended.code()), (StatusCode::UNAUTHORIZED, "session-ended"));
    assert!(ended.header("www-authenticate").is_some());
    let facts = world.gateway.get("/bff/session", &[("cookie", &session)]).await;
    assert_eq!(facts.json(), json!({ "authenticated": false }));
    let again = ask(&world.gateway, Method::POST, "/bff/logout", &own).await;
    assert_eq!(again.status, StatusCode::OK, "twice is as good as once");
    for file in std::fs::read_dir(world.folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(3).any(|window| window == b"eyJ"), "no token is on disk in the clear");
    }
}

#[tokio::test]
async fn an_issuer_that_takes_secrets_in_forms() {
    let world = World::start().await;
    world.issuer.with(|told| told.secret_in_form = true);
    let session = world.session().await;
    let out =
        ask(&world.gateway, Method::POST, "/bff/logout", &[("cookie", &session), ("origin", ORIGIN)]).await;
    assert_eq!(out.status, StatusCode::OK);
    assert_eq!(world.issuer.with(|told| told.revoked.clone()), ["r0"]);
}

#[tokio::test]
async fn answers_that_are_not_the_issuers_to_this_browser() {
    let world = World::start().await;
    let (login, asked) = world.begin("/bff/login").await;
    let (others, theirs) = world.begin("/bff/login").await;
    let good = world.log_in(&asked);
    let replaced = |from: &str, to: &str| good.replace(from, to);
    let iss = form_urlencoded::byte_serialize(world.issuer.url().as_bytes()).collect::<String>();
    let cases: [(&str, &str, String); 9] = [
        ("no_cookie", "a=1", good.clone()),
        ("another_browsers_cookie", &others, good.clone()),
        ("another_browsers_answer", &login, world.log_in(&theirs)),
        ("a_cookie_that_nobody_made", &format!("{}=AAAA", name_of(&login)), good.clone()),
        ("two_cookies", &format!("{login}; {login}"), good.clone()),
        ("another_state", &login, replaced(&asked["state"], "x")),
        ("another_issuer", &login, replaced(&iss, "https%3A%2F%2Fevil.example")),
        ("no_issuer", &login, replaced(&format!("&iss={iss}"), "")),
        ("refused", &login, replaced("code=", "error=access_denied&x=")),
    ];
    for (name, cookie, path) in cases {
        let answer = world.gateway.get(&path, &[("cookie", cookie)]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name}: {answer:?}");
        assert!(answer.text.contains("<a href=\"/bff/login") && !answer.text.contains("state"), "{name}");
        assert!(world.issuer.with(|told| told.used.is_empty()), "{name}: the issuer was not even asked");
        assert!(!answer.text.contains("__Host-session="), "{name}");
    }
    let framed = [("cookie", &*login), ("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe")];
    assert_eq!(world.gateway.get(&good, &framed).await.status, StatusCode::FORBIDDEN);
    let first = world.gateway.get(&good, &[("cookie", &login)]).await;
    let replayed = world.gateway.get(&good, &[("cookie", &login)]).await;
    assert_eq!((first.status, replayed.status), (StatusCode::SEE_OTHER, StatusCode::BAD_REQUEST));
    assert!(!clears(&replayed, "__Host-session"), "who replays ends no session");
}

/// Whatever browser and services get, from the first redirect to the logout.
#[tokio::test]
async fn nobody_but_the_issuer_hears_the_gateways_secret() {
    let world = World::start().await;
    let begun = world.gateway.get("/bff/login", &[]).await;
    let session = world.session().await;
    let fields = [("cookie", &*session), ("origin", ORIGIN)];
    let api = world.gateway.get("/api/orders", &fields).await;
    let facts = world.gateway.get("/bff/session", &fields).await;
    world.issuer.with(|told| told.down = true);
    let failed = world.gateway.get("/bff/callback?code=x&state=x", &fields).await;
    let out = ask(&world.gateway, Method::POST, "/bff/logout", &fields).await;
    for (name, answer) in
        [("begun", begun), ("api", api), ("facts", facts), ("failed", failed), ("logged_out", out)]
    {
        let all = format!("{answer:?} {:?}", answer.headers);
        // As it is, in a form, and with the client's name as HTTP Basic has it.
        for secret in ["s3:cret", "s3%3Acret", "s3%3acret", "d2ViK2FwcDpzMyUzQWNyZXQ="] {
            assert!(!all.contains(secret), "{name}: {all}");
        }
    }
}

#[tokio::test]
async fn an_issuer_that_answers_wrongly_or_not_at_all() {
    let world = World::start().await;
    type Mischief = fn(&mut Told);
    let cases: [(&str, u16, Mischief); 10] = [
        ("another_nonce", 400, |told| told.id_claims = json!({ "nonce": "x" })),
        ("another_client", 400, |told| told.id_claims = json!({ "aud": "other" })),
        ("others_too", 400, |told| {
            told.id_claims = json!({ "aud": ["web app", "other"], "azp": "web app" });
        }),
        ("another_issuer", 400, |told| told.id_claims = json!({ "iss": "https://evil.example" })),
        ("expired", 400, |told| told.id_claims = json!({ "exp": 1 })),
        ("another_access_token", 400, |told| told.id_claims = json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" })),
        ("an_access_token_for_an_id_token", 400, |told| told.id_typ = Typ::ACCESS_TOKEN),
        ("an_access_token_for_others", 400, |told| told.audience = "https://other.example.com"),
        ("out_of_order", 503, |told| told.down = true),
        ("the_answer_is_lost", 503, |told| told.lost = 1),
    ];
    for (name, status, mischief) in cases {
        let (login, asked) = world.begin("/bff/login").await;
        let path = world.log_in(&asked);
        world.issuer.with(mischief);
        let answer = world.gateway.get(&path, &[("cookie", &login)]).await;
        assert_eq!(answer.status.as_u16(), status, "{name}: {answer:?}");
        assert!(clears(&answer, name_of(&login)), "{name}");
        assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 1, "{name}: no session begins");
        world.issuer.with(|told| {
            (told.id_claims, told.id_typ, told.audience) = (json!({}), Typ::new("JWT"), AUDIENCE);
            (told.down, told.lost) = (false, 0);
        });
    }
    assert_eq!(world.issuer.with(|told| told.revoked.len()), 1, "what is no use here is given back");
    world.session().await;
}

#[tokio::test]
async fn where_a_login_leads() {
    let world = World::start().await;
    let cases = [
        ("", StatusCode::FOUND),
        ("?return_to=%2Fa%3Fb%3Dc", StatusCode::FOUND),
        ("?return_to=//evil.example", StatusCode::BAD_REQUEST),
        ("?return_to=%2F%5Cevil.example", StatusCode::BAD_REQUEST),
        ("?return_to=https://evil.example/", StatusCode::BAD_REQUEST),
        ("?return_to=/a&return_to=/b", StatusCode::BAD_REQUEST),
        ("?return_to=/bff/login", StatusCode::BAD_REQUEST),
        ("?return_to=", StatusCode::BAD_REQUEST),
        ("?acr_values=urn:a+urn:b&max_age=60", StatusCode::FOUND),
        ("?acr_values=", StatusCode::BAD_REQUEST),
        ("?max_age=soon", StatusCode::BAD_REQUEST),
        ("?max_age=1&max_age=2", StatusCode::BAD_REQUEST),
    ];
    for (query, status) in cases {
        assert_eq!(world.gateway.get(&format!("/bff/login{query}"), &[]).await.status, status, "{query}");
    }
    let image = [("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")];
    assert_eq!(world.gateway.get("/bff/login", &image).await.status, StatusCode::FORBIDDEN);
    let ahead = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-purpose", "prefetch")];
    assert_eq!(world.gateway.get("/bff/login", &ahead).await.status, StatusCode::FORBIDDEN);
    let (login, asked) = world.begin("/bff/login").await;
    let back = world.gateway.get(&world.log_in(&asked), &[("cookie", &login)]).await;
    assert_eq!(back.header("location"), Some("/home"), "what the file says");
    let methods = [
        ("/bff/login", "GET"),
        ("/bff/callback", "GET"),
        ("/bff/session", "GET, HEAD"),
        ("/bff/logout", "POST"),
    ];
    for (path, allow) in methods {
        let answer = ask(&world.gateway, Method::PUT, path, &[]).await;
        assert_eq!(
            (answer.status, answer.header("allow")),
            (StatusCode::METHOD_NOT_ALLOWED, Some(allow)),
            "{path}"
        );
    }
    for path in ["/bff", "/bff/", "/bff/other", "/bff/login/"] {
        assert_eq!(world.gateway.get(path, &[]).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_new_login_ends_the_session_before_and_keeps_nothing_of_its_name() {
    let world = World::start().await;
    let first = world.session().await;
    let (login, asked) = world.begin("/bff/login").await;
    // What somebody else may have planted is not taken over.
    let planted = format!("__Host-session={}", "A".repeat(64));
    for before in [&first, &planted] {
        let path = world.log_in(&asked);
        let answer = world.gateway.get(&path, &[("cookie", &format!("{before}; {login}"))]).await;
        assert_ne!(&cookie(&answer, "__Host-session"), before);
    }
    let ended = world.gateway.get("/api/a", &[("cookie", &first)]).await;
    assert_eq!(ended.code(), "session-ended");
    assert_eq!(world.issuer.with(|told| told.revoked.len()), 1);
}

#[tokio::test]
async fn a_session_ends_once_the_next_one_has_begun_and_not_before() {
    let world = World::start().await;
    let before = world.session().await;
    let store = rusqlite::Connection::open(world.folder.path().join("sessions.db")).unwrap();
    let refuse = |what: &str| {
        let trigger = format!(
            "DROP TRIGGER IF EXISTS full; CREATE TRIGGER full BEFORE {what} ON session BEGIN SELECT RAISE(FAIL, 'full'); END"
        );
        store.execute_batch(&trigger).unwrap();
    };
    let log_in = async || {
        let (login, asked) = world.begin("/bff/login").await;
        world.gateway.get(&world.log_in(&asked), &[("cookie", &format!("{before}; {login}"))]).await
    };
    refuse("INSERT");
    let failed = log_in().await;
    assert_eq!(failed.status, StatusCode::SERVICE_UNAVAILABLE, "{failed:?}");
    assert_eq!(world.gateway.get("/api/a", &[("cookie", &before)]).await.status, StatusCode::OK);
    assert_eq!(world.issuer.with(|told| told.revoked.len()), 1, "the tokens that nobody can use");

    refuse("DELETE");
    let done = log_in().await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{done:?}");
    let session = cookie(&done, "__Host-session");
    assert_eq!(world.gateway.get("/api/a", &[("cookie", &session)]).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_other_sites_cannot_do_with_a_session() {
    const OWN: (&str, &str) = ("origin", ORIGIN);
    const EVIL: (&str, &str) = ("origin", "https://evil.example");
    const SAME: (&str, &str) = ("sec-fetch-site", "same-origin");
    const CROSS: (&str, &str) = ("sec-fetch-site", "cross-site");
    const SIBLING: (&str, &str) = ("sec-fetch-site", "same-site");
    const LINK: [(&str, &str); 2] = [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")];
    const SOCKET: [(&str, &str); 4] = [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let world = World::start().await;
    let session = world.session().await;
    type Case<'c> = (&'c str, Method, Vec<(&'c str, &'c str)>, bool);
    let with = |fields: &[(&'static str, &'static str)], more: &[(&'static str, &'static str)]| {
        [fields, more].concat()
    };
    let cases: [Case<'_>; 14] = [
        ("own_page", Method::POST, vec![SAME, OWN], true),
        ("old_browser_own_page", Method::DELETE, vec![OWN], true),
        ("nothing_said", Method::POST, vec![], false),
        ("nothing_said_get", Method::GET, vec![], true),
        ("form_of_another_site", Method::POST, with(&LINK, &[CROSS, EVIL]), false),
        ("link_on_another_site", Method::GET, with(&LINK, &[CROSS]), true),
        ("image_on_another_site", Method::GET, vec![CROSS], false),
        ("image_of_a_neighbour", Method::GET, vec![SIBLING], false),
        ("fetch_of_a_neighbour", Method::PUT, vec![SIBLING, ("origin", "http://localhost:1")], false),
        ("events_for_another_site", Method::GET, vec![CROSS, EVIL, ("accept", "text/event-stream")], false),
        ("sandbox", Method::POST, vec![("origin", "null")], false),
        ("socket_of_another_site", Method::GET, with(&SOCKET, &[EVIL]), false),
        ("socket_of_nobody", Method::GET, SOCKET.to_vec(), false),
        ("own_socket", Method::GET, with(&SOCKET, &[OWN]), true),
    ];
    for (name, method, mut fields, passes) in cases {
        fields.push(("cookie", &session));
        let answer = ask(&world.gateway, method.clone(), "/api/a", &fields).await;
        let want = if passes { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(answer.status, want, "{name}: {answer:?}");
        if !passes {
            assert_eq!(answer.code(), "cross-site-request", "{name}");
        }
    }
    for path in ["/bff/session", "/bff/logout"] {
        let method = if path == "/bff/logout" { Method::POST } else { Method::GET };
        let answer = ask(&world.gateway, method, path, &[CROSS, EVIL, ("cookie", &session)]).await;
        assert_eq!(answer.code(), "cross-site-request", "{path}");
    }
    let form = with(&LINK, &[SAME]);
    let out =
        ask(&world.gateway, Method::POST, "/bff/logout", &[&form[..], &[("cookie", &session)]].concat())
            .await;
    assert_eq!(out.status, StatusCode::SEE_OTHER, "a form is led to the issuer's logout");
}

#[tokio::test]
async fn cookies_that_name_no_session_and_credentials_beside_them() {
    let world = World::start().await;
    let session = world.session().await;
    let token = mirrored(&world.gateway.get("/api/a", &[("cookie", &session)]).await.json(), "authorization")
        [0]
    .to_owned();
    let twice = format!("{session}; {session}");
    let garbage = format!("__Host-session={}", "A".repeat(64));
    let long = format!("__Host-session={}", "A".repeat(5_000));
    type Fields<'f> = &'f [(&'f str, &'f str)];
    let cases: [(&str, Fields<'_>, u16, &str); 8] = [
        ("both", &[("cookie", &session), ("authorization", &token)], 400, "two-credentials"),
        (
            "both_and_another_scheme",
            &[("cookie", &session), ("authorization", "Basic YTpi")],
            400,
            "two-credentials",
        ),
        ("twice", &[("cookie", &twice)], 400, "two-credentials"),
        ("garbage", &[("cookie", &garbage)], 401, "session-ended"),
        ("long_garbage", &[("cookie", &long)], 401, "session-ended"),
        ("none", &[], 401, "token-missing"),
        ("empty", &[("cookie", "__Host-session=")], 401, "token-missing"),
        (
            "a_token_in_the_cookie",
            &[("cookie", &token.replace("Bearer ", "__Host-session="))],
            401,
            "session-ended",
        ),
    ];
    for (name, fields, status, code) in cases {
        let answer = world.gateway.get("/api/a", fields).await;
        assert_eq!((answer.status.as_u16(), &*answer.code()), (status, code), "{name}");
    }
    let answer = world.gateway.get("/api/a", &[("authorization", &token)]).await;
    assert_eq!(answer.status, StatusCode::OK, "a token alone is as good as ever");
    let answer = world.gateway.get("/api/a", &[("authorization", &token), ("cookie", &garbage)]).await;
    assert_eq!(answer.status, StatusCode::OK, "a cookie of no session does it no harm");
    let guest = world.gateway.get("/maybe", &[("cookie", &garbage)]).await;
    assert_eq!((guest.status, guest.header("cache-control")), (StatusCode::OK, Some("private")));
    assert_eq!(mirrored(&guest.json(), "authorization"), [""; 0], "who was logged out is a guest");
    let answer = world.gateway.get("/maybe", &[("authorization", "Bearer x")]).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "what is shown is looked at");
    let told = world.gateway.get("/shadow", &[("cookie", &garbage)]).await.json();
    assert_eq!(mirrored(&told, "authorization"), [""; 0]);
    assert_eq!(world.gateway.gateway.stats().would_refuse["session-ended"], 1);
}

#[tokio::test]
async fn a_proxy_that_asks_may_show_a_session() {
    let world = World::start().await;
    let session = world.session().await;
    let cookies = format!("theme=dark; {session}; a=b");
    let question = async |method: &str, path: &str, more: &[(&str, &str)]| {
        let mut fields = vec![("x-forwarded-uri", path), ("cookie", cookies.as_str())];
        if !method.is_empty() {
            fields.push(("x-forwarded-method", method));
        }
        world.gateway.get("/auth/verify", &[&fields[..], more].concat()).await
    };
    let answer = question("GET", "/api/orders", &[]).await;
    assert_eq!((answer.status, answer.header("x-user-id")), (StatusCode::OK, Some("ann")), "{answer:?}");
    assert_eq!(answer.header("cookie"), Some("theme=dark; a=b"), "the service does not see the session's");
    assert_eq!(answer.header("authorization"), None, "nor the token");

    let public = [("x-forwarded-uri", "/elsewhere"), ("x-forwarded-method", "GET"), ("cookie", &*cookies)];
    let answer = world.gateway.get("/auth/verify", &public).await;
    assert_eq!(answer.header("cookie"), Some("theme=dark; a=b"), "whatever the route");

    let (own, evil) = (("origin", ORIGIN), ("origin", "https://evil.example"));
    let (same, cross) = (("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site"));
    let socket = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let bearer = ("authorization", "Bearer a.b.c");
    type Case<'c> = (&'c str, &'c str, &'c str, &'c [(&'c str, &'c str)], u16, &'c str);
    let cases: [Case<'_>; 12] = [
        ("a_post_of_its_own_page", "POST", "/api/a", &[own, same], 200, ""),
        ("a_post_that_says_nothing", "POST", "/api/a", &[], 403, "cross-site-request"),
        ("a_post_of_another_site", "POST", "/api/a", &[evil, cross], 403, "cross-site-request"),
        ("another_sites_image", "GET", "/api/a", &[cross], 403, "cross-site-request"),
        ("a_websocket_of_its_own_page", "GET", "/api/a", &[own, socket], 200, ""),
        ("a_websocket_of_nobody_knows_whom", "GET", "/api/a", &[socket], 403, "cross-site-request"),
        ("a_websocket_of_another_site", "GET", "/api/a", &[evil, socket], 403, "cross-site-request"),
        ("two_credentials", "GET", "/api/a", &[bearer], 403, "two-credentials"),
        ("no_method", "", "/api/a", &[], 401, "token-missing"),
        ("a_route_without_sessions", "GET", "/tokens", &[], 401, "token-missing"),
        (
            "a_preflight",
            "OPTIONS",
            "/api/a",
            &[evil, ("access-control-request-method", "PUT")],
            403,
            "cross-site-request",
        ),
        ("nothing_enforced", "POST", "/shadow", &[evil, cross], 200, ""),
    ];
    for (name, method, path, more, status, code) in cases {
        let answer = question(method, path, more).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if status != 200 {
            assert_eq!(answer.code(), code, "{name}");
        }
    }

    // A token that was revoked for what it says is renewed, as for a request that comes here.
    world.issuer.with(|told| told.lifetime = -20);
    let old = world.session().await;
    world.issuer.with(|told| told.lifetime = 900);
    let strict = world.config.replace("revocation = 'none'", "revocation = 'none'\nclock_skew = '0s'");
    world.gateway.gateway.reload(Config::parse(&strict).unwrap()).await.unwrap();
    let fields = [("x-forwarded-uri", "/api/a"), ("x-forwarded-method", "GET"), ("cookie", &*old)];
    let answer = world.gateway.get("/auth/verify", &fields).await;
    assert_eq!((answer.status, answer.header("cookie")), (StatusCode::OK, None), "{answer:?}");
    assert_eq!(world.issuer.with(|told| told.refreshed.clone()), ["r0"]);
}

#[tokio::test]
async fn tokens_are_renewed_once_whatever_the_load_and_the_weather() {
    let world = World::start().await;
    // Expired as soon as it is there.
    world.issuer.with(|told| told.expires_in = 0);
    let session = world.session().await;
    world.issuer.with(|told| (told.expires_in, told.lost) = (900, 1));
    let fields = [("cookie", &*session)];
    let answers = futures_util::future::join_all((0..8).map(|_| world.gateway.get("/api/a", &fields))).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK), "{answers:?}");
    assert_eq!(
        world.issuer.with(|told| told.refreshed.clone()),
        ["r0", "r0"],
        "asked again for what was lost"
    );

    // Another gateway with the same store takes up what this one got.
    let other = world.another_gateway().await;
    assert_eq!(other.get("/api/a", &fields).await.status, StatusCode::OK);
    assert_eq!(world.issuer.with(|told| told.refreshed.len()), 2);
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_also_where_nothing_is_enforced_yet() {
    let world = World::start().await;
    // Past its end, but for the clocks that may differ.
    world.issuer.with(|told| told.lifetime = -20);
    let session = world.session().await;
    world.issuer.with(|told| told.lifetime = 900);
    let strict = world.config.replace("revocation = 'none'", "revocation = 'none'\nclock_skew = '0s'");
    world.gateway.gateway.reload(Config::parse(&strict).unwrap()).await.unwrap();
    let told = world.gateway.get("/shadow", &[("cookie", &session)]).await.json();
    assert_eq!(mirrored(&told, "authorization").len(), 1);
    assert_eq!(world.issuer.with(|told| told.refreshed.clone()), ["r0"]);
    assert!(world.gateway.gateway.stats().would_refuse.is_empty());
}

#[tokio::test]
async fn two_gateways_with_one_store_do_not_use_up_each_others_refresh_tokens() {
    let world = World::start().await;
    world.issuer.with(|told| told.expires_in = 0);
    let session = world.session().await;
    let other = world.another_gateway().await;
    let fields = [("cookie", &*session)];
    for round in 1..=3 {
        for gateway in [&world.gateway, &other] {
            assert_eq!(gateway.get("/api/a", &fields).await.status, StatusCode::OK, "{round}");
        }
    }
    let refreshed = world.issuer.with(|told| told.refreshed.clone());
    let distinct: HashSet<_> = refreshed.iter().collect();
    assert!(refreshed.len() >= 3 && distinct.len() == refreshed.len(), "{refreshed:?}");
    let out = [("cookie", &*session), ("origin", ORIGIN)];
    assert_eq!(ask(&other, Method::POST, "/bff/logout", &out).await.status, StatusCode::OK);
    assert_eq!(world.gateway.get("/api/a", &fields).await.code(), "session-ended");
}

#[tokio::test]
async fn an_issuer_that_is_away_ends_no_session_and_one_that_ends_it_does() {
    let world = World::start().await;
    world.issuer.with(|told| told.expires_in = 0);
    let session = world.session().await;
    world.issuer.with(|told| told.down = true);
    let fields = [("cookie", &*session)];
    let answer = world.gateway.get("/api/a", &fields).await;
    assert_eq!((answer.status, &*answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "session-unavailable"));
    assert!(!clears(&answer, "__Host-session"));
    world.issuer.with(|told| told.down = false);
    // A new process, so that nobody has to wait until this one asks again.
    let other = world.another_gateway().await;
    assert_eq!(other.get("/api/a", &fields).await.status, StatusCode::OK);
    world.issuer.with(|told| told.ended = true);
    let answer = other.get("/api/a", &fields).await;
    assert_eq!((answer.status, &*answer.code()), (StatusCode::UNAUTHORIZED, "session-ended"));
}

#[tokio::test]
async fn what_a_replaced_session_is_still_asked_for_leaves_the_new_ones_cookie_in_the_browser() {
    let world = World::start().await;
    let before = world.session().await;
    let (login, asked) = world.begin("/bff/login").await;
    let cookies = format!("{before}; {login}");
    let again = world.gateway.get(&world.log_in(&asked), &[("cookie", &cookies)]).await;
    let session = cookie(&again, "__Host-session");
    // Sent before the browser had its new cookie: from another tab, or by a script of the page that was left.
    for path in ["/api/orders", "/bff/session"] {
        let late = world.gateway.get(path, &[("cookie", &before)]).await;
        assert!(late.header("set-cookie").is_none_or(|set| !set.contains("__Host-session")), "{late:?}");
    }
    let answer = world.gateway.get("/api/orders", &[("cookie", &session)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
}

#[tokio::test]
async fn sessions_survive_a_restart_and_not_another_key() {
    let world = World::start().await;
    let session = world.session().await;
    let World { issuer, gateway, config, folder } = world;
    // Not stopped: it is as if it had been killed.
    std::mem::forget(gateway);
    let again = Running::start(&config).await;
    until("the key set", || again.gateway.is_ready()).await;
    let fields = [("cookie", &*session)];
    assert_eq!(again.get("/api/a", &fields).await.status, StatusCode::OK);
    assert_eq!(issuer.with(|told| told.refreshed.len()), 0);

    again.gateway.reload(Config::parse(&format!("# more\n{config}")).unwrap()).await.unwrap();
    assert_eq!(again.get("/api/a", &fields).await.status, StatusCode::OK);
    let changed = config.replace("after_login = '/home'", "after_login = '/else'");
    let error = again.gateway.reload(Config::parse(&changed).unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "`bff` cannot change while the gateway runs; restart it for that");

    std::fs::remove_file(folder.path().join("sessions.key")).unwrap();
    let error = gatepass_gateway::Gateway::start(Config::parse(&config).unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("sessions.key is missing"), "{error}");
    let other = base64url::encode(&[7; 32]);
    std::fs::write(folder.path().join("sessions.key"), other).unwrap();
    let other = Running::start(&config).await;
    until("the key set", || other.gateway.is_ready()).await;
    assert_eq!(other.get("/api/a", &fields).await.code(), "session-ended");
}
