//! Browsers that hold a session of the gateway's and no token: a real login at a real authorization server.

mod provider;
mod step_up;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use gatepass_e2e::process::Process;
use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Admin, Alone, Answer, Up, http, jws, place, send, try_send, upstream, wait};
use reqwest::{Client, Method};
use serde_json::{Value, json};

const SESSION: &str = "__Host-session";

/// As much of a browser as logging in needs: it keeps cookies for each host and port, fills in forms, and says where
/// its requests come from.
struct Browser {
    client: Client,
    cookies: BTreeMap<(String, String), String>,
}

impl Browser {
    fn new() -> Self {
        Self { client: http::client(), cookies: BTreeMap::new() }
    }

    async fn open(&mut self, url: &str) -> Answer {
        self.go(Method::GET, url, None).await
    }

    /// One request of a page that is opened, without following where it leads.
    async fn go(&mut self, method: Method, url: &str, form: Option<String>) -> Answer {
        let (origin, host) = origin_of(url);
        let own = self.cookies.iter().filter(|((of, _), _)| *of == host);
        let cookies: Vec<_> = own.map(|((_, name), value)| format!("{name}={value}")).collect();
        let mut request = self.client.request(method, url);
        request = request.header("sec-fetch-mode", "navigate").header("sec-fetch-dest", "document");
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if let Some(form) = form {
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
            request = request.header("origin", origin).header("sec-fetch-site", "same-origin");
        }
        let answer = send(request).await;
        for cookie in answer.set_cookies() {
            let key = (host.clone(), cookie.name.clone());
            match cookie.value.is_empty() {
                true => drop(self.cookies.remove(&key)),
                false => drop(self.cookies.insert(key, cookie.value)),
            }
        }
        answer
    }

    /// Goes where a login begins, through the issuer's form, to where the gateway leads at last.
    async fn log_in(&mut self, login: &str, user: &str) -> Answer {
        let mut url = login.to_owned();
        let mut answer = self.open(&url).await;
        for _ in 0..8 {
            if answer.leads_to().is_none() && answer.status == 200 {
                let page = String::from_utf8_lossy(&answer.body).into_owned();
                url = join(&url, &attribute(&page, "<form", "action"));
                let fields = ["request", "token"].map(|name| {
                    let input =
                        page.split("<input").find(|input| input.contains(&format!("name=\"{name}\"")));
                    (name, attribute(input.unwrap(), "", "value"))
                });
                let [(_, request), (_, token)] = &fields;
                let form = [
                    ("request", request.as_str()),
                    ("token", token),
                    ("username", user),
                    ("password", PASSWORD),
                ];
                answer = self.go(Method::POST, &url, Some(encoded(&form))).await;
                continue;
            }
            let Some(location) = answer.leads_to() else { break };
            let next = join(&url, location);
            if url.contains("/bff/callback") {
                return answer;
            }
            url = next;
            answer = self.open(&url).await;
        }
        panic!("it came to no end at {url}\n{}", answer.shown());
    }

    /// The session's cookie, if it has one.
    fn session(&self) -> Option<String> {
        let own = self.cookies.iter().find(|((_, name), _)| name == SESSION);
        own.map(|((_, name), value)| format!("{name}={value}"))
    }
}

fn origin_of(url: &str) -> (String, String) {
    let parsed = reqwest::Url::parse(url).unwrap();
    let host = format!("{}:{}", parsed.host_str().unwrap(), parsed.port_or_known_default().unwrap());
    (parsed.origin().ascii_serialization(), host)
}

fn join(base: &str, to: &str) -> String {
    reqwest::Url::parse(base).unwrap().join(to).unwrap().into()
}

fn attribute(page: &str, tag: &str, name: &str) -> String {
    let tag = page.split_once(tag).unwrap_or_else(|| panic!("no {tag} in {page}")).1;
    let value = tag.split_once(&format!("{name}=\"")).unwrap().1.split('"').next().unwrap();
    let entities =
        [("&#38;", "&"), ("&amp;", "&"), ("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">")];
    entities.iter().fold(value.to_owned(), |text, (entity, character)| text.replace(entity, character))
}

fn encoded(form: &[(&str, &str)]) -> String {
    let mut url = reqwest::Url::parse("http://a/").unwrap();
    url.query_pairs_mut().extend_pairs(form);
    url.query().unwrap().to_owned()
}

/// A gateway of its own, which a test can kill, in front of a service that tells what reaches it.
struct Site {
    up: Up,
    listen: SocketAddr,
    text: String,
    gateway: Option<Alone>,
}

impl Site {
    async fn start() -> Self {
        let up = Up::start().await;
        let (listen, admin_listen) = (place::free_address(), place::free_address());
        let origin = format!("http://{listen}");
        let audience = jws::audience(&up.login(ADMIN).await.access_token);
        let registered = json!({
            "client_id": "site", "client_name": "site", "confidential": true, "trusted": true,
            "grant_types": ["authorization_code", "refresh_token"], "scope": "orders:read orders:write",
            "redirect_uris": [format!("{origin}/bff/callback")], "post_logout_redirect_uris": [format!("{origin}/")],
        });
        let request = Admin::login(&up).await.request(Method::POST, "/clients").json(&registered);
        let secret = send(request).await.expect(201).text("/client_secret");
        std::fs::write(up.folder().join("site.secret"), secret).unwrap();
        let mirror = upstream::mirror().await;
        let text = format!(
            r#"
listen = "{listen}"
admin_listen = "{admin_listen}"
public_url = "{origin}"

[[issuer]]
url = "{issuer}"
audience = ["{audience}"]
revocation = "feed"
on_stale = {{ after = "30s", then = "deny" }}

[bff]
issuer = "{issuer}"
client_id = "site"
client_secret_file = "site.secret"
scope = "openid profile offline_access orders:read"

[[upstream]]
name = "mirror"
servers = ["http://{mirror}"]

[[route]]
path = "/api/{{*rest}}"
upstream = "mirror"
session = true
forward = {{ sub = "X-User-Id", roles = "X-User-Roles" }}

[[route]]
path = "/vault"
upstream = "mirror"
session = true
require = {{ acr = ["urn:gatepass:acr:password"], max_age = "5s" }}

[[route]]
path = "/never"
upstream = "mirror"
session = true
require = {{ acr = ["urn:example:hardware"] }}
"#,
            issuer = up.issuer(),
        );
        let mut site = Self { up, listen, text, gateway: None };
        site.start_gateway(admin_listen).await;
        site
    }

    async fn start_gateway(&mut self, admin_listen: SocketAddr) {
        self.gateway = Some(Alone::start("gateway", self.up.folder(), self.listen, &self.text).await);
        let (client, ready) = (http::client(), format!("http://{admin_listen}/readyz"));
        wait::until("the gateway to be ready", Duration::from_secs(20), async || {
            try_send(client.get(&ready)).await.ok().filter(|answer| answer.status == 200)
        })
        .await;
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listen)
    }

    async fn log_in(&self, user: &str) -> Browser {
        let mut browser = Browser::new();
        let answer = browser.log_in(&self.url("/bff/login?return_to=/api/home"), user).await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/api/home")),
            "{}",
            answer.shown()
        );
        browser
    }

    /// A request of a page of the site's own.
    async fn ask(&self, browser: &Browser, method: Method, path: &str) -> Answer {
        let request = self.up.client.request(method, self.url(path));
        let cookie = browser.session().unwrap_or_default();
        send(request.header("cookie", cookie).header("sec-fetch-site", "same-origin")).await
    }

    async fn refused(&self, what: &str, browser: &Browser) -> Answer {
        wait::until(&format!("the gateway to refuse {what}"), Duration::from_secs(20), async || {
            Some(self.ask(browser, Method::GET, "/api/a").await).filter(|answer| answer.status == 401)
        })
        .await
    }
}

fn admin_listen(text: &str) -> SocketAddr {
    text.split("admin_listen = \"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_logs_in_at_the_issuer_and_its_session_outlives_the_gateway() {
    let mut site = Site::start().await;
    let browser = site.log_in(ADMIN).await;
    let sub = site.up.native_login(ADMIN).await.subject();
    let told = site.ask(&browser, Method::POST, "/api/orders").await.expect(200).json();
    assert_eq!(told["headers"]["x-user-id"], json!([sub]), "{told}");
    assert_eq!(told["headers"]["cookie"], Value::Null, "the cookie stays at the gateway");
    let facts = site.ask(&browser, Method::GET, "/bff/session").await.expect(200).json();
    assert_eq!(
        (&facts["authenticated"], &facts["sub"], &facts["name"]),
        (&json!(true), &json!(sub), &json!(ADMIN)),
        "{facts}"
    );
    let known = facts.to_string();
    assert!(!known.contains("eyJ") && !known.contains("gpr_"), "no token: {known}");

    for _ in 0..2 {
        site.gateway.take().unwrap().process.kill();
        let admin = admin_listen(&site.text);
        site.start_gateway(admin).await;
        site.ask(&browser, Method::GET, "/api/orders").await.expect(200);
    }

    let foreign = site.up.client.post(site.url("/api/orders")).header("cookie", browser.session().unwrap());
    let foreign = foreign.header("origin", "https://evil.example").header("sec-fetch-site", "cross-site");
    send(foreign).await.expect_problem(403, "cross-site-request");

    let out = site.ask(&browser, Method::POST, "/bff/logout").await.expect(200);
    assert!(
        out.text("/logout_url").starts_with(&format!("{}/oauth/logout?client_id=site&", site.up.issuer()))
    );
    site.ask(&browser, Method::GET, "/api/orders").await.expect_problem(401, "session-ended");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_changed_goes_on_and_one_who_is_revoked_does_not() {
    let site = Site::start().await;
    let admin = Admin::login(&site.up).await;
    let berta = admin.create_user("berta", &[]).await;
    let (one, two) = (site.log_in("berta").await, site.log_in("berta").await);
    let roles = async |browser: &Browser| {
        let told = site.ask(browser, Method::GET, "/api/a").await.expect(200).json();
        told["headers"]["x-user-roles"].clone()
    };
    assert_eq!(roles(&one).await, Value::Null);

    // Every token without the role is revoked; requests that come at once get one new token between them.
    admin.change_user(&berta, json!({ "roles": ["admin"] })).await;
    wait::until("the new role to arrive", Duration::from_secs(20), async || {
        let (left, right) = tokio::join!(roles(&one), roles(&one));
        (left == json!(["admin"]) && right == left).then_some(())
    })
    .await;

    admin.revoke("subject", &berta).await.expect(201);
    for browser in [&one, &two] {
        let refused = site.refused("a session of a user who is revoked", browser).await;
        let refused = refused.expect_problem(401, "session-ended");
        let set = refused.set_cookies();
        assert!(set.iter().all(|cookie| cookie.name != SESSION), "a login may have put another one there");
    }
    // Who is revoked may log in again.
    site.ask(&site.log_in("berta").await, Method::GET, "/api/a").await.expect(200);
}

/// nginx carries the requests, and asks the gateway with what the browser sent.
#[tokio::test]
async fn a_session_is_good_behind_a_proxy_that_asks() {
    let site = Site::start().await;
    let browser = site.log_in(ADMIN).await;
    let (proxy, service) = (place::free_address(), upstream::mirror().await);
    let nginx = start_nginx(&site, proxy, service).await;
    let ask = async |browser: &Browser, method: Method, fields: &[(&str, &str)]| {
        let mut request = site.up.client.request(method, format!("http://{proxy}/api/a"));
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let cookie = [Some("theme=dark".to_owned()), browser.session()];
        send(request.header("cookie", cookie.into_iter().flatten().collect::<Vec<_>>().join("; "))).await
    };
    let (own, evil) = (("sec-fetch-site", "same-origin"), ("origin", "https://evil.example"));
    let told = ask(&browser, Method::POST, &[own, ("x-user-id", "mallory")]).await.expect(200);
    assert_eq!(told.json()["headers"]["cookie"], json!(["theme=dark"]), "{}", told.shown());
    assert_eq!(told.json()["headers"]["x-user-roles"], json!(["admin"]));
    assert_ne!(told.json()["headers"]["x-user-id"], json!(["mallory"]));
    assert!(told.json()["headers"].get("authorization").is_none(), "{}", told.shown());
    ask(&browser, Method::POST, &[evil]).await.expect(403);
    ask(&browser, Method::GET, &[("sec-fetch-site", "cross-site")]).await.expect(403);
    ask(&Browser::new(), Method::GET, &[own]).await.expect(401);

    site.ask(&browser, Method::POST, "/bff/logout").await.expect(200);
    ask(&browser, Method::GET, &[own]).await.expect(401);
    assert!(!nginx.log().contains(&browser.session().unwrap()), "the log has no session");
}

/// On its example, with what is for sessions let in.
async fn start_nginx(site: &Site, listen: SocketAddr, service: SocketAddr) -> Process {
    let folder = site.up.folder().join("nginx");
    std::fs::create_dir(&folder).unwrap();
    let mut text = std::fs::read_to_string(place::root().join("examples/proxies/nginx/nginx.conf")).unwrap();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {};\n", folder.join(kind).display()));
    for (here, there) in [
        ("http {\n", format!("http {{\n{}", temporary.concat())),
        ("127.0.0.1:8000", listen.to_string()),
        ("127.0.0.1:8080", site.listen.to_string()),
        ("127.0.0.1:9000", service.to_string()),
        ("# auth_request_set $gatepass_cookie", "auth_request_set $gatepass_cookie".to_owned()),
        ("# proxy_set_header Cookie", "proxy_set_header Cookie".to_owned()),
    ] {
        assert!(text.contains(here), "{here} is not in the example");
        text = text.replacen(here, &there, 1);
    }
    std::fs::write(folder.join("nginx.conf"), text).unwrap();
    let mut command = std::process::Command::new(place::nginx());
    command.arg("-p").arg(&folder).args(["-c", "nginx.conf", "-e", "stderr"]);
    command.args(["-g", "daemon off; master_process off; pid nginx.pid;"]).current_dir(&folder);
    let mut nginx = Process::start("nginx", &mut command, &folder.join("nginx.log"));
    wait::until("nginx to listen", Duration::from_secs(30), async || {
        assert!(nginx.ended().is_none(), "nginx ended:\n{}", nginx.log());
        tokio::net::TcpStream::connect(listen).await.ok()
    })
    .await;
    nginx
}
