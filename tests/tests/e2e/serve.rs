//! `gatepass serve --config FILE` alone: what an operator can decide.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use gatepass_e2e::command::{self, password_file};
use gatepass_e2e::session::refresh_cookie;
use gatepass_e2e::up::{PASSWORD, path_text};
use gatepass_e2e::{Alone, Answer, Session, alone, http, jws, place, send, upstream, wait};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::json;
use tempfile::TempDir;

use crate::clients::Service;
use crate::log_in::{copy_scripts, run};

/// A server of its own with one user, `ada`, who has the role `admin`.
pub(super) struct Serve {
    pub(super) server: Alone,
    client: Client,
    folder: TempDir,
}

impl Serve {
    async fn start(options: &str) -> Self {
        Self::start_with(&[], &[], options).await
    }

    /// The same, with variables in its environment, after its operator has typed these lines.
    pub(super) async fn start_with(environment: &[(&str, &str)], lines: &[&str], options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = place::free_address();
        let text = file(address, options);
        let config = folder.path().join("first.toml");
        std::fs::write(&config, &text).unwrap();
        let password = password_file(folder.path(), PASSWORD);
        let words = ["user", "add", "ada", "--role", "admin", "--password-file", &password];
        let lines = lines.iter().map(|line| line.split(' ').collect());
        for words in std::iter::once(words.to_vec()).chain(lines) {
            command::run(&words, &["--config", path_text(&config)]).await.worked();
        }
        let server = Alone::start_with(environment, "serve", folder.path(), address, &text).await;
        Self { server, client: http::client(), folder }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, self.server.url(path))
    }

    fn login_request(&self) -> RequestBuilder {
        let body = json!({"username": "ada", "password": PASSWORD});
        self.request(Method::POST, "/session/login").json(&body)
    }

    pub(super) async fn native_login(&self) -> Session {
        let body = json!({"username": "ada", "password": PASSWORD, "refresh_token": "body"});
        Session::from_body(&send(self.request(Method::POST, "/session/login").json(&body)).await.expect(200))
    }

    async fn refresh(&self, session: &Session) -> Answer {
        send(session.present(self.request(Method::POST, "/session/refresh"))).await
    }
}

pub(super) fn file(address: SocketAddr, options: &str) -> String {
    // Root keys first, whatever tables the options bring.
    let (root, tables) =
        options.split_once("\n[").map_or((options, String::new()), |(a, b)| (a, format!("[{b}")));
    let resource_server = if tables.contains("[[resource_server]]") {
        ""
    } else {
        "[[resource_server]]\naudience = \"https://api.example\"\n"
    };
    format!(
        "issuer = \"http://{address}\"\nlisten = \"{address}\"\ndata = \"data\"\n{root}\n{resource_server}\n{tables}\n"
    )
}

#[tokio::test]
async fn apps_on_allowed_origins_may_use_the_session_endpoints_and_others_may_not() {
    let serve = Serve::start("app_origins = [\"https://app.example\"]\n").await;
    let preflight = |origin: &str| {
        let request = serve.request(Method::OPTIONS, "/session/login").header("origin", origin);
        let request = request.header("access-control-request-method", "POST");
        send(request.header("access-control-request-headers", "content-type"))
    };
    let allowed = preflight("https://app.example").await;
    assert!([200, 204].contains(&allowed.status), "{}", allowed.shown());
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        Some("https://app.example"),
        "{}",
        allowed.shown()
    );
    assert_eq!(allowed.header("access-control-allow-credentials"), Some("true"), "{}", allowed.shown());
    assert!(allowed.header("access-control-allow-headers").unwrap().to_lowercase().contains("content-type"));
    assert!(allowed.header("vary").unwrap().to_lowercase().contains("origin"), "{}", allowed.shown());
    for origin in ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"] {
        let refused = preflight(origin).await;
        assert_eq!(refused.header("access-control-allow-origin"), None, "{origin}\n{}", refused.shown());
    }

    let from_app = |request: RequestBuilder| request.header("origin", "https://app.example");
    for site in ["same-site", "cross-site"] {
        let login = send(from_app(serve.login_request()).header("sec-fetch-site", site)).await.expect(200);
        assert_eq!(
            login.header("access-control-allow-origin"),
            Some("https://app.example"),
            "{}",
            login.shown()
        );
        let session = Session::from_cookie(&login);
        let refresh = from_app(session.present(serve.request(Method::POST, "/session/refresh")));
        send(refresh.header("sec-fetch-site", site)).await.expect(200);
    }
}

#[tokio::test]
async fn the_cookie_is_lax_where_the_operator_says_so() {
    let serve = Serve::start("[cookie]\nsame_site = \"lax\"\n").await;
    let cookie = refresh_cookie(&send(serve.login_request()).await.expect(200));
    assert_eq!(cookie.attribute("samesite"), Some("Lax"), "{cookie:?}");
    assert_eq!(
        (cookie.attribute("secure"), cookie.attribute("httponly")),
        (Some(""), Some("")),
        "{cookie:?}"
    );
}

#[tokio::test]
async fn each_resource_server_has_the_algorithm_it_was_given() {
    let secret = jws::encode(&[7; 32]);
    let shared = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(shared.path(), &secret).unwrap();
    let options = format!(
        "\n[[resource_server]]\naudience = \"https://es256.example\"\n\
         [[resource_server]]\naudience = \"https://rs256.example\"\nalg = \"RS256\"\nnot_before = true\n\
         [[resource_server]]\naudience = \"https://eddsa.example\"\nalg = \"EdDSA\"\n\
         [[resource_server]]\naudience = \"https://hs256.example\"\nalg = \"HS256\"\nsecret_file = \"{}\"\n",
        shared.path().display()
    );
    let serve = Serve::start(&options).await;
    let set = send(serve.request(Method::GET, &jwks_path(&serve).await)).await.expect(200).json();
    for (name, alg, has_nbf) in [
        ("es256", "ES256", false),
        ("rs256", "RS256", true),
        ("eddsa", "EdDSA", false),
        ("hs256", "HS256", false),
    ] {
        let resource = format!("https://{name}.example");
        let body = json!({"username": "ada", "password": PASSWORD, "resource": resource});
        let answer = send(serve.request(Method::POST, "/session/login").json(&body)).await.expect(200);
        let token = answer.text("/access_token");
        let header = jws::header(&token);
        assert_eq!(header["alg"], alg, "{header}");
        assert_eq!(jws::audience(&token), resource);
        assert_eq!(jws::claims(&token).get("nbf").is_some(), has_nbf, "{name}: {}", jws::claims(&token));
        let published = header["kid"].as_str().is_some_and(|kid| jws::key(&set, kid).is_some());
        assert_eq!(published, alg != "HS256", "a shared secret is published nowhere: {set}");
        if alg == "HS256" {
            let (signing_input, signature) = token.rsplit_once('.').unwrap();
            assert_eq!(jws::hmac(&[7; 32], signing_input), signature, "signed with the shared secret");
        }
    }
}

#[tokio::test]
async fn a_gateway_with_the_shared_secret_admits_hs256_tokens_and_another_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let secret_file = |name: &str, byte: u8| {
        let path = folder.path().join(name);
        std::fs::write(&path, jws::encode(&[byte; 32])).unwrap();
        path_text(&path).to_owned()
    };
    let (shared, other) = (secret_file("shared", 7), secret_file("other", 8));
    let serve = Serve::start(&format!(
        "\n[[resource_server]]\naudience = \"https://api.example\"\nalg = \"HS256\"\nsecret_file = \"{shared}\"\n"
    ))
    .await;
    let session = serve.native_login().await;
    let mirror = upstream::mirror().await;
    for (secret_file, want) in [(shared, 200), (other, 401)] {
        let listen = place::free_address();
        let text = format!(
            "listen = \"{listen}\"\n[[issuer]]\nurl = \"http://{}\"\naudience = [\"https://api.example\"]\n\
             algs = [\"HS256\"]\nsecret_file = \"{secret_file}\"\nrevocation = \"none\"\n\
             [[upstream]]\nname = \"mirror\"\nservers = [\"http://{mirror}\"]\n\
             [[route]]\npath = \"/api\"\nupstream = \"mirror\"\n",
            serve.server.address
        );
        let gateway = Alone::start("gateway", folder.path(), listen, &text).await;
        let request = serve.client.get(gateway.url("/api")).bearer_auth(&session.access_token);
        send(request).await.expect(want);
    }
}

#[tokio::test]
async fn an_encrypted_token_is_read_by_its_resource_server_and_known_to_its_issuer() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| path_text(&folder.path().join(name)).to_owned();
    let generate = async |name: &str| {
        let (key, public) = (path(name), path(&format!("{name}.public")));
        let words = ["jwk", "generate", "--alg", "ECDH-ES+A256KW", "--curve", "P-256", "--out", &key];
        command::run(&[&words[..], &["--public-out", &public]].concat(), &[]).await.worked();
        (key, public)
    };
    let ((key, public), (other, _)) = (generate("api.jwk").await, generate("other.jwk").await);
    let serve = Serve::start(&format!(
        "\n[[resource_server]]\naudience = \"https://api.example\"\n\
         encryption = {{ jwk_file = \"{public}\", enc = \"A256GCM\" }}\n"
    ))
    .await;
    let session = serve.native_login().await;
    let token = &session.access_token;
    assert_eq!(token.split('.').count(), 5, "{token}");
    // The issuer's own endpoints take it from whoever cannot read it.
    let list = serve.request(Method::GET, "/session/list").bearer_auth(token);
    let listed = send(list).await.expect(200).json();
    assert!(listed.to_string().contains(&session.id), "{listed}");

    copy_scripts(&["verify.mjs"]);
    let issuer = format!("http://{}", serve.server.address);
    let jwks = format!("{issuer}{}", jwks_path(&serve).await);
    let services = [
        (place::python(), place::root().join("tests/python/verify.py")),
        ("node".into(), place::node().join("verify.mjs")),
    ];
    for (interpreter, script) in services {
        for (key, reads) in [(&key, true), (&other, false)] {
            let arguments = [&jwks, &issuer, "https://api.example", key];
            let answer = Service::start(&interpreter, &script, &arguments).verify(token);
            assert_eq!(answer["claims"]["sid"].is_string(), reads, "{}: {answer}", script.display());
        }
    }

    let mirror = upstream::mirror().await;
    let gateways = [
        ("its_key", format!("decryption_key_file = \"{key}\"\nrequire_encrypted = true\n"), 200),
        ("another_key", format!("decryption_key_file = \"{other}\"\n"), 401),
        ("no_key", String::new(), 401),
    ];
    for (name, decryption, want) in gateways {
        let listen = place::free_address();
        let text = format!(
            "listen = \"{listen}\"\n[[issuer]]\nurl = \"{issuer}\"\naudience = [\"https://api.example\"]\n\
             {decryption}revocation = \"feed\"\non_stale = {{ after = \"30s\", then = \"deny\" }}\n\
             [[upstream]]\nname = \"mirror\"\nservers = [\"http://{mirror}\"]\n\
             [[route]]\npath = \"/api\"\nupstream = \"mirror\"\n"
        );
        let gateway = Alone::start("gateway", folder.path(), listen, &text).await;
        wait::until("the gateway to have keys and revocations", Duration::from_secs(30), async || {
            let request = serve.client.get(gateway.url("/api")).bearer_auth(token);
            let answer = send(request).await;
            (answer.status != 503).then(|| assert_eq!(answer.status, want, "{name}: {}", answer.shown()))
        })
        .await;
    }
}

async fn jwks_path(serve: &Serve) -> String {
    let metadata =
        send(serve.request(Method::GET, "/.well-known/oauth-authorization-server")).await.expect(200);
    metadata.text("/jwks_uri").split_once(&serve.server.address.to_string()).unwrap().1.to_owned()
}

#[tokio::test]
async fn without_leeway_the_second_use_of_a_refresh_token_is_theft() {
    let serve = Serve::start("[refresh_token]\nleeway = \"0s\"\n").await;
    let first = serve.native_login().await;
    let second = first.next(&serve.refresh(&first).await.expect(200));
    serve.refresh(&first).await.expect_problem(401, "refresh-token-reused");
    serve.refresh(&second).await.expect(401);
}

#[tokio::test]
async fn after_the_leeway_an_old_refresh_token_is_theft() {
    let serve = Serve::start("[refresh_token]\nleeway = \"1s\"\n").await;
    let first = serve.native_login().await;
    let second = first.next(&serve.refresh(&first).await.expect(200));
    let rotated = Instant::now();
    wait::until("the replay to be taken for theft", Duration::from_secs(5), async || {
        let answer = serve.refresh(&first).await;
        match answer.status {
            200 => {
                assert_eq!(
                    first.next(&answer).refresh,
                    second.refresh,
                    "within the leeway: the same successor"
                );
                None
            }
            _ => Some(answer.expect_problem(401, "refresh-token-reused")),
        }
    })
    .await;
    assert!(rotated.elapsed() >= Duration::from_millis(900), "theft was seen within the leeway");
    serve.refresh(&second).await.expect(401);
}

#[tokio::test]
async fn a_session_in_use_outlives_its_idle_time_and_ends_at_its_absolute_one() {
    let serve = Serve::start("[refresh_token]\nidle = \"1s\"\nabsolute = \"3s\"\n").await;
    let session = serve.native_login().await;
    let (start, mut current) = (Instant::now(), session.clone());
    let ended = wait::until("the session to reach its absolute end", Duration::from_secs(10), async || {
        let answer = serve.refresh(&current).await;
        match answer.status {
            200 => {
                current = current.next(&answer);
                None
            }
            _ => Some(answer.expect(401)),
        }
    })
    .await;
    ended.expect_problem_shape();
    assert!(
        start.elapsed() >= Duration::from_secs(2),
        "kept alive by use, it lives longer than its idle time"
    );
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends_by_itself() {
    let serve = Serve::start("[refresh_token]\nidle = \"1s\"\n").await;
    let session = serve.native_login().await;
    wait::until("the idle session to leave the list", Duration::from_secs(10), async || {
        let list = send(serve.request(Method::GET, "/session/list").bearer_auth(&session.access_token)).await;
        (!String::from_utf8_lossy(&list.expect(200).body).contains(&session.id)).then_some(())
    })
    .await;
    serve.refresh(&session).await.expect(401).expect_problem_shape();
}

#[tokio::test]
async fn keys_rotate_by_themselves_and_no_verifier_that_asks_at_max_age_fails() {
    let serve = Serve::start("[keys]\nrotate_every = \"4s\"\nmax_age = \"1s\"\n").await;
    let mut session = serve.native_login().await;
    let mut service = jws::Service::new(&serve.server.url(&jwks_path(&serve).await));
    let mut kids = BTreeSet::new();
    wait::until("three rotations", Duration::from_secs(60), async || {
        session = session.next(&serve.refresh(&session).await.expect(200));
        kids.insert(jws::header(&session.access_token)["kid"].as_str().unwrap().to_owned());
        service.verify(&session.access_token).await.expect("a token under rotation");
        (kids.len() >= 4).then_some(())
    })
    .await;
    assert!(service.fetches >= 3, "it asked again at max-age: {} times", service.fetches);
}

#[tokio::test]
async fn an_agent_that_nobody_has_registered_is_served_where_the_operator_says_so() {
    // Its document names the URL that it is found at, wherever that is.
    let document = async |headers: axum::http::HeaderMap| {
        let host = headers["host"].to_str().unwrap().to_owned();
        axum::Json(json!({
            "client_id": format!("http://{host}/agent"), "client_name": "Agent",
            "redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none",
        }))
    };
    let router = || axum::Router::new().route("/agent", axum::routing::get(document));
    let (allowed, other) = (upstream::serve(router()).await, upstream::serve(router()).await);
    let options = format!(
        "\n[client_documents]\nscope = [\"orders:read\"]\nprivate_origins = [\"http://{allowed}\"]\n"
    );
    let serve = Serve::start(&options).await;
    let metadata = send(serve.request(Method::GET, "/.well-known/openid-configuration")).await.expect(200);
    assert_eq!(metadata.json()["client_id_metadata_document_supported"], true);
    let authorize = |host: SocketAddr| {
        let mut url = reqwest::Url::parse(&serve.server.url("/oauth/authorize")).unwrap();
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &format!("http://{host}/agent")),
            ("redirect_uri", "http://127.0.0.1:51004/callback"),
            ("scope", "openid orders:read"),
            ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            ("code_challenge_method", "S256"),
        ]);
        send(serve.client.get(url))
    };
    let page = authorize(allowed).await.expect(200);
    let shown = String::from_utf8_lossy(&page.body).into_owned();
    assert!(shown.contains(&format!("{allowed} (\u{201c}Agent\u{201d})")), "{shown}");
    authorize(other).await.expect(400);
}

#[tokio::test]
async fn a_file_that_is_wrong_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().unwrap();
    let address = place::free_address();
    let good = file(address, "[refresh_token]\nleeway = \"5s\"\n");
    let cases = [
        ("not TOML", good.replace("[[resource_server]]", "[[resource_server")),
        ("an unknown key", good.replace("leeway", "leeeway")),
        ("a duration without unit", good.replace("\"5s\"", "\"5\"")),
        ("an issuer that is no URL", good.replace(&format!("\"http://{address}\""), "\"me\"")),
        ("no resource server", good.replace("[[resource_server]]\naudience = \"https://api.example\"", "")),
        ("HS256 without a secret", good.replace("api.example\"", "api.example\"\nalg = \"HS256\"")),
        ("no algorithm at all", good.replace("api.example\"", "api.example\"\nalg = \"none\"")),
        (
            "a client of nobody's that administers",
            good.clone() + "[client_documents]\nscope = [\"gatepass:admin\"]\n",
        ),
        (
            "clients of nobody's for a resource server of nobody's",
            good.clone() + "[client_documents]\naudience = [\"https://other.example\"]\n",
        ),
        ("no address", good.replace("listen = ", "# ")),
        (
            "FAPI 2.0 with another algorithm",
            good.replace("api.example\"", "api.example\"\nalg = \"RS256\"") + "[profile]\nfapi2 = true\n",
        ),
    ];
    for (what, text) in cases {
        assert_ne!(text, good, "{what} changes nothing");
        let said = alone::refusal("serve", folder.path(), &text).await;
        assert!(said.contains(".toml"), "{what}: the refusal does not name the file:\n{said}");
        assert!(!said.contains("panicked"), "{what}:\n{said}");
    }
}

#[tokio::test]
async fn clients_that_do_not_fit_fapi_2_are_named_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let address = place::free_address();
    let signed_with = |alg: &str| {
        file(
            address,
            &format!("\n[[resource_server]]\naudience = \"https://api.example\"\nalg = \"{alg}\"\n"),
        )
    };
    let config = folder.path().join("first.toml");
    std::fs::write(&config, signed_with("EdDSA")).unwrap();
    let target = ["--config", path_text(&config)];
    command::run(&["client", "add", "shop", "--redirect-uri", "https://shop.example/cb"], &target)
        .await
        .worked();
    let keys = async || command::run(&["key", "list"], &[&target[..], &["--json"]].concat()).await.json();
    let before = keys().await;
    let strict = format!("{}[profile]\nfapi2 = true\n", signed_with("ES256"));
    let said = alone::refusal("serve", folder.path(), &strict).await;
    assert!(said.contains("client shop:") && said.contains("private_key_jwt"), "{said}");
    assert!(!said.contains("operator"), "what administers this server is not held to it:\n{said}");
    assert_eq!(keys().await, before, "a start that is refused changes no keys");
    command::run(&["client", "disable", "shop"], &target).await.worked();
    Alone::start("serve", folder.path(), address, &strict).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn npm_openid_client_keeps_to_fapi_2() {
    let serve = Serve::start("[profile]\nfapi2 = true\n").await;
    // It listens before it serves, and the command line finds it when it serves.
    send(serve.request(Method::GET, "/readyz")).await.expect(200);
    let folder = serve.folder.path();
    let (config, public) = (folder.join("first.toml"), folder.join("bank.jwk"));
    let generate = ["jwk", "generate", "--alg", "ES256", "--public-out", path_text(&public), "--json"];
    let key = command::run(&generate, &[]).await.json()["private"].to_string();
    let words = ["client", "add", "bank", "--auth", "private_key_jwt", "--jwks", path_text(&public)];
    let more = ["--redirect-uri", "http://127.0.0.1/callback", "--scope", "orders:read"];
    let add: Vec<&str> = words.into_iter().chain(more).collect();
    command::run(&add, &["--config", path_text(&config)]).await.worked();
    copy_scripts(&["browser.mjs", "fapi.mjs"]);
    let issuer = serve.server.url("");
    let arguments = [issuer.as_str(), "ada", PASSWORD, "bank", &key];
    let told = run(Path::new("node"), &place::node().join("fapi.mjs"), &arguments);
    let want = json!({
        "direct": "invalid_request", "tokenTypes": ["dpop", "dpop"], "subject": true,
        "sameRefreshToken": true, "otherAccessToken": true, "withoutKey": "invalid_dpop_proof",
    });
    assert_eq!(told, want);
}
