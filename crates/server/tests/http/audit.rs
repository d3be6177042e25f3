//! What the log says of what happened: an event for each thing that an operator will want to know of afterwards, and in none of
//! them, nor in anything else that is logged, a secret. `docs/audit.md` names every event.

mod log;

use std::collections::BTreeSet;
use std::time::Duration;

use gatepass_issuer::{AccountPolicy, LinkedIdentity};
use gatepass_revocation::Reason;
use gatepass_server::HttpConfig;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use self::log::Log;
use crate::browser::*;
use crate::fixture::{Answer, Fixture, PASSWORD, with};
use crate::identity_providers::mock::Mock;
use crate::shared_secrets;

const NEW: &str = "tangled violet harbour lantern";
const WRONG: &str = "a wrong password of somebody's";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Somebody who logs what happens on a fixture, with names for what has none that is the same each time.
struct Scene {
    fixture: Fixture,
    log: Log,
    /// The secret of the client `office`.
    office: String,
}

impl Scene {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut gatepass_issuer::Config)) -> Self {
        let log = Log::new();
        let fixture = Fixture::with(HttpConfig::default(), change).await;
        let office = register(&fixture).await;
        log.name(&fixture.alice.to_string(), "ALICE");
        for secret in [PASSWORD, NEW, WRONG, &fixture.secret, &office] {
            log.hide(secret);
        }
        Self { fixture, log, office }
    }

    /// What the events since the last time say: `event|field=value|…`, with `*` for a value that is another each time.
    #[track_caller]
    fn logged(&self, what: &str, want: &[&str]) {
        let events = self.log.take();
        let fits = |event: &str, want: &str| {
            let (event, want): (Vec<_>, Vec<_>) = (event.split('|').collect(), want.split('|').collect());
            event.len() == want.len()
                && event.iter().zip(want).all(|(field, want)| match want.strip_suffix('*') {
                    Some(start) => field.starts_with(start),
                    None => *field == want,
                })
        };
        let all_fit =
            events.len() == want.len() && events.iter().zip(want).all(|(event, want)| fits(event, want));
        assert!(all_fit, "{what}: {events:#?}\nand not {want:#?}");
    }

    async fn session_login(&self, username: &str, password: &str) -> Answer {
        let body = json!({ "username": username, "password": password, "refresh_token": "body" });
        self.keep(self.fixture.post("/session/login").json(&body).send().await)
    }

    async fn refresh(&self, token: &str) -> Answer {
        let body = json!({ "refresh_token": token });
        self.keep(self.fixture.post("/session/refresh").json(&body).send().await)
    }

    async fn token(&self, form: &str) -> Answer {
        self.keep(self.fixture.post("/oauth/token").form(form).send().await)
    }

    /// An administrator's request.
    async fn admin(&self, token: &str, method: Method, path: &str, body: Value) -> Answer {
        let call = self.fixture.call(method, &format!("/admin/v1/{path}")).bearer(token);
        self.keep(if body.is_null() { call.send().await } else { call.json(&body).send().await })
    }

    /// Nothing that this answer gives to its reader alone is to be in the log.
    fn keep(&self, answer: Answer) -> Answer {
        for cookie in answer.headers.get_all("set-cookie") {
            let value = cookie.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap().1;
            self.log.hide(value);
        }
        if let Ok(Value::Object(members)) = serde_json::from_slice(&answer.body) {
            let secrets = [
                "access_token",
                "refresh_token",
                "id_token",
                "client_secret",
                "token",
                "device_code",
                "user_code",
                "registration_access_token",
                "ticket",
                "request_uri",
            ];
            for name in secrets {
                members
                    .get(name)
                    .and_then(Value::as_str)
                    .into_iter()
                    .for_each(|secret| self.log.hide(secret));
            }
        }
        answer
    }

    /// What the browser holds, and the code that it brings back.
    fn keep_of(&self, browser: &Browser<'_>, answer: &Answer) {
        for name in
            ["__Host-gatepass-browser", LOGIN_COOKIE, "__Host-gatepass-device", "__Host-gatepass-provider"]
        {
            browser.cookie(name).into_iter().for_each(|value| self.log.hide(value));
        }
        if !answer.led_to().is_empty() {
            sent_back(answer).get("code").into_iter().for_each(|code| self.log.hide(code));
        }
    }
}

fn text_of(answer: &Answer, member: &str) -> String {
    answer.json()[member].as_str().unwrap_or_else(|| panic!("no {member}")).to_owned()
}

#[tokio::test]
async fn what_is_logged_of_sessions() {
    let scene = Scene::new().await;
    let _logging = scene.log.start();
    scene.session_login("alice", WRONG).await.expect(StatusCode::UNAUTHORIZED);
    scene.logged("a wrong password", &["login-denied|sub=ALICE"]);
    scene.session_login("nobody", PASSWORD).await.expect(StatusCode::UNAUTHORIZED);
    scene.logged("an unknown user", &["login-denied|name=*"]);
    scene.session_login(PASSWORD, WRONG).await.expect(StatusCode::UNAUTHORIZED);
    scene.logged("a password in the field for names", &["login-denied|name=*"]);
    let first = scene.session_login("alice", PASSWORD).await.expect(StatusCode::OK);
    scene.log.name(&text_of(&first, "session_id"), "FIRST");
    scene.logged("a login", &["login|sub=ALICE|sid=FIRST"]);

    let stolen = text_of(&first, "refresh_token");
    let next = scene.refresh(&stolen).await.expect(StatusCode::OK);
    scene.refresh(&text_of(&next, "refresh_token")).await.expect(StatusCode::OK);
    scene.logged("refreshes", &[]);
    scene.fixture.pass(Duration::from_secs(60));
    scene.refresh(&stolen).await.expect(StatusCode::UNAUTHORIZED);
    scene.logged("an old refresh token", &["refresh-token-reuse|sid=FIRST|sub=ALICE|presented=1|current=3"]);
    scene.refresh(&text_of(&next, "refresh_token")).await.expect(StatusCode::UNAUTHORIZED);
    scene.logged("a refresh token of an ended session", &["refresh-refused|sid=FIRST|refusal=Revoked"]);
    let old = text_of(&first, "access_token");
    scene.fixture.get("/session/list").bearer(&old).send().await.expect(StatusCode::UNAUTHORIZED);
    scene.logged("its access token", &["access-token-refused|check=session"]);

    let second = scene.session_login("alice", PASSWORD).await.expect(StatusCode::OK);
    scene.log.name(&text_of(&second, "session_id"), "SECOND");
    let (refresh, access) = (text_of(&second, "refresh_token"), text_of(&second, "access_token"));
    let change = json!({ "current_password": WRONG, "new_password": NEW, "refresh_token": refresh });
    scene.log.take();
    let call = |change: &Value| scene.fixture.post("/session/password").json(change).send();
    call(&change).await.expect(StatusCode::FORBIDDEN);
    scene.logged("a password that is not changed", &["login-denied|sub=ALICE"]);
    call(&with(change, "current_password", json!(PASSWORD))).await.expect(StatusCode::NO_CONTENT);
    let changed = ["user-changed|sub=ALICE|reason=*", "own-password-changed|sub=ALICE"];
    scene.logged("a password that is", &changed);
    scene.fixture.get("/session/list").bearer(&access).send().await.expect(StatusCode::UNAUTHORIZED);
    scene.log.take();
    let call = scene.fixture.post("/session/logout").json(&json!({ "refresh_token": refresh }));
    call.send().await.expect(StatusCode::NO_CONTENT);
    scene.logged("a logout", &["session-ended|sid=SECOND"]);

    for _ in 0..10 {
        scene.session_login("alice", WRONG).await.expect(StatusCode::UNAUTHORIZED);
    }
    scene.log.take();
    scene.session_login("alice", NEW).await.expect(StatusCode::TOO_MANY_REQUESTS);
    scene.logged("one guess too many", &["login-throttled|sub=ALICE|by=account"]);
    scene.log.require_no_secret();
}

#[tokio::test]
async fn what_is_logged_of_logins_at_applications() {
    let scene = Scene::new().await;
    let fixture = &scene.fixture;
    let _logging = scene.log.start();
    let mut browser = Browser::new(fixture);
    let query =
        request(&[("scope", "openid offline_access orders:read"), ("login_hint", "alice@example.com")]);
    scene.log.hide("alice@example.com");
    let page = browser.authorize(&query).await;
    let page = browser.log_in(&page, "alice").await.expect(StatusCode::OK);
    scene.logged("a login at the pages", &["sign-on|sub=ALICE|sid=*"]);
    let back = browser.submit(&page, &[("decision", "allow")]).await;
    scene.keep_of(&browser, &back);
    let given = [
        "consent-given|sub=ALICE|client_id=shop|scope=offline_access openid orders:read|resources=https://api.example.com",
        "code-given|sub=ALICE|client_id=shop",
    ];
    scene.logged("what a user allows", &given);
    let code = sent_back(&back)["code"].clone();
    let tokens = scene.token(&exchange("shop", &code)).await.expect(StatusCode::OK);
    scene.logged("a code that is redeemed", &["code-redeemed|client_id=shop|sub=ALICE|sid=*"]);
    scene.token(&exchange("shop", &code)).await.expect(StatusCode::BAD_REQUEST);
    scene.logged("a code that comes again", &["code-reuse|client_id=shop|session=Some(*"]);
    let back = browser.authorize(&query).await;
    scene.keep_of(&browser, &back);
    scene.logged("a code without a question", &["code-given|sub=ALICE|client_id=shop"]);
    let wrong = exchange("shop", &sent_back(&back)["code"]).replace("dBjft", "AAAAA");
    scene.token(&wrong).await.expect(StatusCode::BAD_REQUEST);
    scene.logged("a code with another verifier", &["code-refused|client_id=shop|refusal=WrongVerifier"]);
    scene.fixture.get("/oauth/userinfo").bearer(&text_of(&tokens, "access_token")).send().await;
    scene.logged("a token that ended with its code", &["access-token-refused|check=session"]);

    let own = text_of(&scene.session_login("alice", PASSWORD).await, "access_token");
    scene.log.take();
    let withdrawn = fixture.call(Method::DELETE, "/session/consents/shop").bearer(&own).send().await;
    withdrawn.expect(StatusCode::NO_CONTENT);
    let want = ["consent-withdrawn|sub=ALICE|client_id=shop|known=true"];
    scene.logged("what a user takes back", &want);
    let logout = fixture.post("/session/logout-all").bearer(&own).send().await;
    assert!(logout.status.is_success(), "{}", logout.status);
    scene.logged("a logout everywhere", &["logout-everywhere|sub=ALICE"]);
    scene.log.require_no_secret();
}

#[tokio::test]
async fn what_is_logged_of_clients_and_devices() {
    let scene = Scene::new().await;
    let fixture = &scene.fixture;
    let tv = json!({
        "client_id": "tv", "client_name": "TV", "token_endpoint_auth_method": "none", "scope": "orders:read",
        "grant_types": [DEVICE_GRANT],
    });
    let _logging = scene.log.start();
    let root = text_of(&scene.session_login("root", PASSWORD).await, "access_token");
    scene.log.take();
    scene.admin(&root, Method::POST, "clients", tv).await.expect(StatusCode::CREATED);
    scene.logged(
        "a client",
        &["admin-request|by=*|method=POST|path=/admin/v1/clients", "client-created|client_id=tv"],
    );
    let ask = |secret: &str| {
        fixture.post("/oauth/token").basic("batch", secret).form("grant_type=client_credentials").send()
    };
    ask(WRONG).await.expect(StatusCode::UNAUTHORIZED);
    scene.logged("a wrong secret", &["client-denied|client_id=batch|why=*"]);
    scene.keep(ask(&fixture.secret).await.expect(StatusCode::OK));
    scene.logged("the right one", &["client-credentials|client_id=batch"]);
    let new = json!({ "new_secret": true });
    let renewed = scene.admin(&root, Method::PATCH, "clients/batch", new).await.expect(StatusCode::OK);
    assert!(renewed.json()["client_secret"].is_string());
    scene.logged(
        "a new secret",
        &[
            "admin-request|by=*|method=PATCH|path=/admin/v1/clients/batch",
            "client-changed|client_id=batch|reason=*",
        ],
    );

    let pushed = fixture.post("/oauth/par").basic("office", &scene.office);
    let pushed = pushed.form(&request(&[("client_id", "office")])).send().await;
    scene.keep(pushed.expect(StatusCode::CREATED));
    scene.logged("a pushed request", &["request-pushed|client_id=office"]);

    let asked = fixture.post("/oauth/device_authorization").form("client_id=tv").send().await;
    let asked = scene.keep(asked.expect(StatusCode::OK));
    scene.logged("a device", &["device-asks|client_id=tv"]);
    let mut browser = Browser::new(fixture);
    let page = browser.open("/device").await;
    let page = browser.log_in(&page, "alice").await;
    scene.log.take();
    browser.submit(&page, &[("user_code", "BBBB-CCCC")]).await;
    scene.logged("a code that nobody has", &["user-code-unknown|sub=ALICE"]);
    let page = browser.submit(&page, &[("user_code", &text_of(&asked, "user_code"))]).await;
    browser.submit(&page, &[("decision", "allow")]).await;
    let answered = "device-answered|sub=ALICE|client_id=tv|allow=true|answered=true";
    scene
        .logged("an allowed device", &["consent-given|sub=ALICE|client_id=tv|scope=*|resources=*", answered]);
    let redeem = encode([
        ("grant_type", DEVICE_GRANT),
        ("client_id", "tv"),
        ("device_code", &text_of(&asked, "device_code")),
    ]);
    scene.token(&redeem).await.expect(StatusCode::OK);
    scene.logged("its tokens", &["device-code-redeemed|client_id=tv|sub=ALICE|sid=*"]);
    scene.token(&redeem).await.expect(StatusCode::BAD_REQUEST);
    scene.logged("its code again", &["device-code-reuse|client_id=tv|session=*"]);
    scene.log.require_no_secret();
}

#[tokio::test]
async fn what_is_logged_of_registrations() {
    let scene = Scene::new().await;
    let fixture = &scene.fixture;
    let _logging = scene.log.start();
    let root = text_of(&scene.session_login("root", PASSWORD).await, "access_token");
    scene.log.take();
    let initial = json!({ "uses": 2, "scope": "orders:read" });
    let initial =
        scene.admin(&root, Method::POST, "registration-tokens", initial).await.expect(StatusCode::CREATED);
    scene.log.name(&text_of(&initial, "id"), "LEAVE");
    scene.logged(
        "leave to register",
        &["admin-request|by=*|method=POST|path=*", "initial-access-token-made|id=LEAVE"],
    );
    let metadata =
        json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "client_secret_basic" });
    let call = fixture.post("/oauth/register").bearer(&text_of(&initial, "token"));
    let registered = scene.keep(call.json(&metadata).send().await.expect(StatusCode::CREATED));
    let id = text_of(&registered, "client_id");
    scene.log.name(&id, "CLIENT");
    scene.logged("a registration", &["client-registered|client_id=CLIENT|with=LEAVE"]);
    let path = format!("/oauth/register/{id}");
    fixture.get(&path).bearer(WRONG).send().await.expect(StatusCode::UNAUTHORIZED);
    let other = format!("gpm_{}", "A".repeat(43));
    fixture.get(&path).bearer(&other).send().await.expect(StatusCode::UNAUTHORIZED);
    scene.log.hide(&other);
    scene.logged(
        "somebody else's token",
        &["registration-denied|client_id=CLIENT", "registration-denied|client_id=CLIENT"],
    );
    let token = text_of(&registered, "registration_access_token");
    let gone = fixture.call(Method::DELETE, &path).bearer(&token).send().await;
    gone.expect(StatusCode::NO_CONTENT);
    scene.logged("its end", &["client-removed|client_id=CLIENT"]);
    scene.log.require_no_secret();
}

#[tokio::test]
async fn what_is_logged_of_administrators() {
    let scene = Scene::new().await;
    let fixture = &scene.fixture;
    let _logging = scene.log.start();
    let root = scene.session_login("root", PASSWORD).await;
    scene.log.name(root.json()["user"]["id"].as_str().unwrap(), "ROOT");
    let root = text_of(&root, "access_token");
    scene.log.take();
    let address = "carol@example.com";
    scene.log.hide(address);
    let kid = fixture.get("/admin/v1/keys").bearer(&root).send().await.json()["keys"][0]["kid"].clone();
    scene.logged("what is only read", &[]);
    let alice = format!("users/{}", fixture.alice);
    let carol = json!({ "username": "carol", "password": PASSWORD, "email": address, "roles": ["clerk"] });
    let cases = [
        ("a user", Method::POST, "users", carol, "user-created|sub=*|imported=false"),
        ("roles", Method::PATCH, &alice, json!({ "roles": ["admin"] }), "user-changed|sub=ALICE|reason=*"),
        (
            "an address",
            Method::PATCH,
            &alice,
            json!({ "email": "a@example.com" }),
            "user-changed|sub=ALICE|reason=*",
        ),
        ("a password", Method::PATCH, &alice, json!({ "password": NEW }), "user-changed|sub=ALICE|reason=*"),
        ("an end", Method::PATCH, &alice, json!({ "disabled": true }), "user-changed|sub=ALICE|reason=*"),
        ("a role", Method::PUT, "roles/clerk", json!({ "scope": "orders:read" }), "role-changed|role=clerk"),
        ("no role", Method::DELETE, "roles/clerk", Value::Null, "role-removed|role=clerk"),
        (
            "a client",
            Method::PATCH,
            "clients/shop",
            json!({ "disabled": true }),
            "client-changed|client_id=shop|reason=*",
        ),
        ("a key", Method::POST, "keys/rotate", Value::Null, "keys-rotated"),
        (
            "a revocation",
            Method::POST,
            "revocations",
            json!({ "kind": "client", "id": "batch" }),
            "revoked|kind=client|id=batch|reason=*|known=true",
        ),
    ];
    scene.log.hide("a@example.com");
    for (name, method, path, body, want) in cases {
        let asked = format!("admin-request|by=ROOT|method={method}|path=/admin/v1/{path}");
        let asked = asked.replace(&fixture.alice.to_string(), "ALICE");
        let answer = scene.admin(&root, method, path, body).await;
        assert!(answer.status.is_success(), "{name}: {answer:?}");
        scene.logged(name, &[&asked, want]);
    }
    scene.log.name(kid.as_str().unwrap(), "KID");
    let leaked = json!({ "kind": "key", "id": kid });
    scene.admin(&root, Method::POST, "revocations", leaked).await.expect(StatusCode::CREATED);
    let asked = "admin-request|by=ROOT|method=POST|path=/admin/v1/revocations";
    let want = [asked, "key-withdrawn|kid=KID|known=true", "revoked|kind=key|id=KID|reason=*|known=true"];
    scene.logged("a key that leaked", &want);
    scene.log.require_no_secret();
}

#[tokio::test]
async fn what_is_logged_of_providers() {
    let mock = Mock::start().await;
    let provider = mock.openid("corp", AccountPolicy::Linked);
    let scene = Scene::with(|config| config.identity_providers = vec![provider]).await;
    let fixture = &scene.fixture;
    let _logging = scene.log.start();
    for secret in ["alice@example.com", "c-1", "at-1", crate::identity_providers::mock::SECRET] {
        scene.log.hide(secret);
    }
    let arrive = async || {
        let mut browser = Browser::new(fixture);
        let page = crate::identity_providers::through(fixture, &mock, &mut browser, json!({})).await;
        scene.keep_of(&browser, &page);
        page
    };
    arrive().await.expect(StatusCode::FORBIDDEN);
    scene.logged("somebody whom nobody knows", &["federated-login-denied|provider=corp|why=NotLinked"]);
    let link = LinkedIdentity {
        provider: "corp".parse().unwrap(),
        subject: "u-1".to_owned(),
        user: fixture.alice,
        linked_at: fixture.now(),
    };
    fixture.issuer.link_identity(link).await.unwrap();
    scene.logged("a link", &["identity-linked|sub=ALICE|provider=corp|by=admin"]);
    arrive().await.expect(StatusCode::SEE_OTHER);
    let want = ["sign-on|sub=ALICE|sid=*|provider=corp", "code-given|sub=ALICE|client_id=own"];
    scene.logged("a login with a provider", &want);
    mock.say(|said| said.id_token = Some("nonsense".to_owned()));
    arrive().await.expect(StatusCode::BAD_GATEWAY);
    scene.logged("a provider that is not believed", &["provider-login-failed|provider=corp|error=*"]);
    let stranger = fixture.get("/oauth/providers/corp/callback?code=c-1&state=x");
    let cookies = "__Host-gatepass-provider=x; __Host-gatepass-browser=x";
    stranger.header("cookie", cookies).send().await.expect(StatusCode::BAD_REQUEST);
    scene.logged("an answer to nobody", &["provider-answer-refused|provider=corp|error=*"]);
    fixture
        .issuer
        .unlink_identity(fixture.alice, &"corp".parse().unwrap(), Reason::ADMIN, fixture.now())
        .await
        .unwrap();
    scene.logged("the end of a link", &["identity-unlinked|sub=ALICE|provider=corp|known=true"]);
    scene.log.require_no_secret();
}

#[tokio::test]
async fn what_is_logged_of_shared_secrets() {
    let [old, new] = ["an old secret of thirty-two bytes", "the new one of thirty-two or more"];
    let servers = |current: &str, previous: Option<&str>| {
        shared_secrets::servers(current.as_bytes(), previous.map(str::as_bytes))
    };
    let scene = Scene::with(|config| config.resource_servers = servers(old, None)).await;
    let _logging = scene.log.start();
    for secret in [old, new] {
        scene.log.hide(secret);
    }
    scene.session_login("alice", PASSWORD).await.expect(StatusCode::OK);
    scene.log.take();
    let replace = |servers| scene.fixture.issuer.replace_shared_secrets(&servers).unwrap();
    replace(servers(new, Some(old)));
    let replaced = "secret-replaced|audience=https://api.example.com|kid=*";
    scene.logged("another secret", &[&format!("{replaced}|previous=*")]);
    replace(servers(new, Some(old)));
    scene.logged("the same again", &[]);
    replace(servers(new, None));
    scene.logged("the end of the old one", &[replaced]);
    scene.log.require_no_secret();
}

/// The names behind `start` in each line, up to the quote or backtick that ends them.
fn names(text: &str, start: &str, end: char) -> BTreeSet<String> {
    text.split(start).skip(1).filter_map(|rest| rest.split(end).next()).map(str::to_owned).collect()
}

#[test]
fn the_documentation_names_every_event() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let rooms = ["issuer", "server", "guard", "gateway"];
    let mut folders: Vec<_> = rooms.iter().map(|room| root.join("crates").join(room).join("src")).collect();
    let mut made = BTreeSet::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => made.extend(names(&std::fs::read_to_string(path).unwrap(), "event = \"", '"')),
            }
        }
    }
    let document = std::fs::read_to_string(root.join("docs/audit.md")).unwrap();
    let told = names(&document, "\n| `", '`');
    assert!(made.len() > 50, "{made:?}");
    assert_eq!(told, made);
}
