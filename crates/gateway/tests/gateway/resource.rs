//! The metadata of the protected resource, and tokens that are bound to a DPoP key.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use gatepass_jose::{Jwk, SecretKey, Timestamp, base64url};
use gatepass_token::DpopNonces;
use http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::harness::{Backend, Running, Token, config, full, now, send};

const ROUTES: &str = "[[route]]\npath = '/{*rest}'\nupstream = 'backend'\n\
    [[route]]\npath = '/orders'\nupstream = 'backend'\nrequire = { scope = ['orders:write', 'orders:read'] }\n";

async fn gateway(public_url: &str) -> Running {
    let backend = Backend::mirror().await;
    Running::start(&format!("public_url = '{public_url}'\n{}", config(backend.address, ROUTES))).await
}

#[tokio::test]
async fn a_refusal_leads_to_the_authorization_server() {
    let cases = [
        ("https://api.example.com", "", "https://api.example.com"),
        ("https://api.example.com/", "", "https://api.example.com"),
        ("https://api.example.com:8443/mcp", "/mcp", "https://api.example.com:8443/mcp"),
    ];
    for (public_url, path, resource) in cases {
        let gateway = gateway(public_url).await;
        let well_known = format!("/.well-known/oauth-protected-resource{path}");
        let origin = resource.strip_suffix(path).unwrap();
        for refused in ["/", "/orders"] {
            let answer = gateway.get(refused, &[]).await;
            let challenges: Vec<_> = answer
                .headers
                .get_all("www-authenticate")
                .iter()
                .map(|value| value.to_str().unwrap())
                .collect();
            let told = format!("resource_metadata=\"{origin}{well_known}\"");
            assert!(!challenges.is_empty() && challenges.iter().all(|one| one.contains(&told)), "{answer:?}");
        }
        let answer = gateway.get(&well_known, &[]).await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (StatusCode::OK, Some("application/json"))
        );
        let want = json!({
            "resource": resource,
            "authorization_servers": ["https://auth.example.com"],
            "bearer_methods_supported": ["header"],
            "tls_client_certificate_bound_access_tokens": false,
            "dpop_signing_alg_values_supported": ["ES256", "EdDSA", "Ed25519", "PS256", "RS256"],
            "scopes_supported": ["orders:read", "orders:write"],
        });
        assert_eq!(answer.json(), want);
        let post = Request::post(&well_known).body(full("")).unwrap();
        assert_eq!(send(gateway.address, post).await.status, StatusCode::METHOD_NOT_ALLOWED);
    }
    let backend = Backend::mirror().await;
    let without = Running::start(&config(backend.address, ROUTES)).await;
    let answer = without.get("/.well-known/oauth-protected-resource", &[]).await;
    assert_eq!(
        (answer.status, answer.header("www-authenticate")),
        (StatusCode::UNAUTHORIZED, Some("Bearer realm=\"api\""))
    );
}

/// A client with a key that its tokens are bound to.
pub(crate) struct Holder {
    key: EcdsaKeyPair,
    jwk: Value,
}

impl Holder {
    pub(crate) fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = key.public_key().as_ref();
        let (x, y) = (base64url::encode(&point[1..33]), base64url::encode(&point[33..]));
        Self { key, jwk: json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }) }
    }

    fn jkt(&self) -> String {
        Jwk::parse(self.jwk.to_string().as_bytes()).unwrap().thumbprint()
    }

    pub(crate) fn token(&self) -> String {
        let token = Token::of("ann").claim("cnf", json!({ "jkt": self.jkt() })).bearer();
        token.strip_prefix("Bearer ").unwrap().to_owned()
    }

    /// RFC 9449 section 4.2.
    pub(crate) fn proof(&self, url: &str, token: &str) -> String {
        self.proof_with(url, token, json!({}))
    }

    /// The same with more claims.
    pub(crate) fn proof_with(&self, url: &str, token: &str, more: Value) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let mut claims = json!({
            "jti": format!("proof-{}", NUMBER.fetch_add(1, Ordering::Relaxed)),
            "htm": "GET",
            "htu": url,
            "iat": now(),
            "ath": base64url::encode(digest(&SHA256, token.as_bytes()).as_ref()),
        });
        claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk });
        let encode = |value: &Value| base64url::encode(value.to_string().as_bytes());
        let input = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", base64url::encode(signature.as_ref()))
    }
}

#[tokio::test]
async fn tokens_that_are_bound_to_a_dpop_key() {
    let gateway = gateway("https://api.example.com").await;
    let (holder, thief) = (Holder::new(), Holder::new());
    let token = holder.token();
    let url = "https://api.example.com/a/b";
    let used = holder.proof(url, &token);
    let cases = [
        ("with_its_proof", "DPoP", used.clone(), 200, ""),
        ("with_a_proof_that_was_used", "DPoP", used, 401, "invalid-dpop-proof"),
        (
            "for_another_path",
            "DPoP",
            holder.proof("https://api.example.com/a", &token),
            401,
            "invalid-dpop-proof",
        ),
        // The client's `Host` says this.
        (
            "for_another_host",
            "DPoP",
            holder.proof("https://other.example.com/a/b", &token),
            401,
            "invalid-dpop-proof",
        ),
        ("with_another_key", "dpop", thief.proof(url, &token), 401, "invalid-token"),
        ("as_a_bearer_token", "Bearer", holder.proof(url, &token), 401, "invalid-token"),
    ];
    for (name, scheme, proof, status, code) in cases {
        let authorization = format!("{scheme} {token}");
        let headers = [("authorization", &*authorization), ("dpop", &proof), ("host", "other.example.com")];
        let answer = gateway.get("/a/b?c=d", &headers).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if status != 200 {
            assert_eq!(answer.code(), code, "{name}");
            let challenges = answer.headers.get_all("www-authenticate").iter();
            let schemes: Vec<_> =
                challenges.map(|one| one.to_str().unwrap().split(' ').next().unwrap()).collect();
            assert!(schemes.contains(&"DPoP"), "{name}: {schemes:?}");
        }
    }

    // Where nobody told the gateway its URL, it takes no such token.
    let backend = Backend::mirror().await;
    let without = Running::start(&config(backend.address, ROUTES)).await;
    let authorization = format!("DPoP {token}");
    let proof = holder.proof("http://api.example.com/", &token);
    let answer = without.get("/", &[("authorization", &authorization), ("dpop", &proof)]).await;
    assert_eq!((answer.status, &*answer.code()), (StatusCode::UNAUTHORIZED, "token-missing"));
}

#[tokio::test]
async fn a_proxy_that_asks_has_proofs_checked() {
    let gateway = gateway("https://api.example.com").await;
    let holder = Holder::new();
    let token = holder.token();
    let proof = || holder.proof("https://api.example.com/a/b", &token);
    let used = proof();
    let told = [("x-original-uri", "/a/b?c=d"), ("x-original-method", "GET")];
    let elsewhere = [("x-original-uri", "/a"), ("x-original-method", "GET")];
    let post = [("x-original-uri", "/a/b"), ("x-original-method", "POST")];
    let cases = [
        ("with_its_proof", told.as_slice(), used.clone(), 200, ""),
        ("with_a_proof_that_was_used", &told, used, 401, "invalid-dpop-proof"),
        ("for_another_path", &elsewhere, proof(), 401, "invalid-dpop-proof"),
        ("for_another_method", &post, proof(), 401, "invalid-dpop-proof"),
        ("no_method_is_told", &told[..1], proof(), 401, "token-missing"),
        ("nothing_is_told", &[], proof(), 401, "token-missing"),
    ];
    let authorization = format!("DPoP {token}");
    for (name, asked, proof, status, code) in cases {
        let own = [("authorization", &*authorization), ("dpop", &*proof), ("host", "other.example.com")];
        let answer = gateway.get("/auth/verify", &[&own, asked].concat()).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if status != 200 {
            assert_eq!(answer.code(), code, "{name}");
        }
    }
}

#[tokio::test]
async fn proofs_need_a_nonce_where_the_file_says_so() {
    let backend = Backend::mirror().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("nonce.secret");
    let secret = SecretKey::generate().unwrap();
    std::fs::write(&file, base64url::encode(secret.expose())).unwrap();
    let text = format!(
        "public_url = 'https://api.example.com'\n{}\n\
        [dpop]\nrequired = true\nwindow = '30s'\nnonce_secret_file = '{}'\nnonce_period = '1m'\nalgs = ['ES256']\n",
        config(backend.address, ROUTES),
        file.display()
    );
    let gateway = Running::start(&text).await;
    let holder = Holder::new();
    let (token, url) = (holder.token(), "https://api.example.com/a");
    let authorization = format!("DPoP {token}");
    let ask = async |more: Value| {
        let proof = holder.proof_with(url, &token, more);
        gateway.get("/a", &[("authorization", &authorization), ("dpop", &proof)]).await
    };

    let first = ask(json!({})).await;
    assert_eq!((first.status, &*first.code()), (StatusCode::UNAUTHORIZED, "use-dpop-nonce"));
    let challenge = first.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("DPoP realm=\"api\", error=\"use_dpop_nonce\""), "{challenge}");
    assert!(challenge.contains("resource_metadata=") && challenge.ends_with("algs=\"ES256\""), "{challenge}");
    let nonce = first.header("dpop-nonce").unwrap().to_owned();
    assert_eq!(ask(json!({ "nonce": nonce })).await.status, StatusCode::OK);
    assert_eq!(ask(json!({ "nonce": "made up" })).await.code(), "use-dpop-nonce");
    assert_eq!(ask(json!({ "nonce": nonce, "iat": now() - 40 })).await.code(), "invalid-dpop-proof");

    // The last one is taken still, and the answer tells that there is another by now.
    let nonces = DpopNonces::new(&secret).unwrap().with_period(Duration::from_secs(60));
    let of = |ago: i64| nonces.current(Timestamp::from_secs(now() - ago));
    let (answer, current) = loop {
        let (current, answer) = (of(0), ask(json!({ "nonce": of(60) })).await);
        // Else the minute ended meanwhile.
        if of(0) == current {
            break (answer, current);
        }
    };
    assert_eq!((answer.status, answer.header("dpop-nonce")), (StatusCode::OK, Some(&*current)), "{answer:?}");

    let unbound = gateway.get("/a", &[("authorization", &Token::of("ann").bearer())]).await;
    assert_eq!(unbound.code(), "dpop-required");
    let metadata = gateway.get("/.well-known/oauth-protected-resource", &[]).await.json();
    let told =
        (&metadata["dpop_bound_access_tokens_required"], &metadata["dpop_signing_alg_values_supported"]);
    assert_eq!(told, (&json!(true), &json!(["ES256"])));
}

/// Two APIs on one host, one within the other, and a third on a host of its own.
async fn with_apis() -> Running {
    let backend = Backend::mirror().await;
    let route =
        |path: &str, rest: &str| format!("[[route]]\npath = '{path}'\nupstream = 'backend'\n{rest}\n");
    let resource = |url: &str, audience: &str, rest: &str| {
        format!("[[resource]]\nurl = '{url}'\naudience = ['{audience}']\n{rest}\n")
    };
    let text = [
        route("/{*rest}", "require = { scope = ['any'] }"),
        route("/orders", ""),
        route("/orders/{id}", "require = { scope = ['orders:read'] }"),
        route("/orders/archive/{id}", ""),
        route("/ordersome", ""),
        route("/{*rest}", "host = 'billing.example.com'\nrequire = { scope = ['bill'] }"),
        resource("https://api.example.com/orders", "orders", "name = 'Orders'"),
        resource(
            "https://api.example.com/orders/archive",
            "archive",
            "scopes = ['archive:read']\ndpop = true",
        ),
        resource("https://billing.example.com", "billing", ""),
        "[forward_auth]\npath = '/auth/verify'\n".to_owned(),
    ];
    let file = config(backend.address, &text.concat());
    let audiences = "audience = ['https://api.example.com', 'orders', 'archive', 'billing']";
    let file = file.replace("audience = ['https://api.example.com']", audiences);
    Running::start(&format!("public_url = 'https://api.example.com'\n{file}")).await
}

#[tokio::test]
async fn each_api_has_its_own_metadata_and_takes_tokens_for_itself_alone() {
    let gateway = with_apis().await;
    let well_known = |path: &str| format!("/.well-known/oauth-protected-resource{path}");
    let (api, billing) = ("https://api.example.com", "https://billing.example.com");
    let cases = [
        ("/", "api.example.com", api, "", "https://api.example.com"),
        ("/ordersome", "api.example.com", api, "", "https://api.example.com"),
        ("/orders", "api.example.com", api, "/orders", "orders"),
        ("/orders/1", "whatever.example.com", api, "/orders", "orders"),
        ("/orders/archive/1", "api.example.com", api, "/orders/archive", "archive"),
        ("/orders/1", "billing.example.com", billing, "", "billing"),
    ];
    let all = ["https://api.example.com", "orders", "archive", "billing"];
    for (path, host, origin, own, audience) in cases {
        let told = format!("resource_metadata=\"{origin}{}\"", well_known(own));
        let names_it = |answer: &crate::harness::Answer| {
            let mut fields = answer.headers.get_all("www-authenticate").iter();
            fields.all(|field| field.to_str().unwrap().contains(&told))
                && answer.headers.contains_key("www-authenticate")
        };
        let answer = gateway.get(path, &[("host", host)]).await;
        assert!(names_it(&answer), "{path} at {host}: {answer:?}");
        let asked = [("x-forwarded-uri", path), ("x-forwarded-method", "GET"), ("x-forwarded-host", host)];
        let answer = gateway.get("/auth/verify", &asked).await;
        assert!(names_it(&answer), "{path} at {host}, for a proxy: {answer:?}");
        for meant_for in all {
            let token = Token::of("ann").claim("aud", meant_for).claim("scope", "any orders:read bill");
            let answer = gateway.get(path, &[("host", host), ("authorization", &token.bearer())]).await;
            // What the whole takes is not narrowed by its parts.
            let want = match (audience, meant_for) {
                ("https://api.example.com", _) => "",
                (own, other) if own != other => "invalid-token",
                ("archive", _) => "dpop-required",
                _ => "",
            };
            assert_eq!(
                if want.is_empty() { String::new() } else { answer.code() },
                want,
                "{path} for {meant_for}"
            );
            assert_eq!(answer.status.is_success(), want.is_empty(), "{path} for {meant_for}: {answer:?}");
            assert!(want.is_empty() || names_it(&answer), "{path} for {meant_for}: {answer:?}");
        }
    }

    let metadata =
        async |path: &str, host: &str| gateway.get(&well_known(path), &[("host", host)]).await.json();
    let cases = [
        ("", "api.example.com", api, json!(["any"]), false),
        ("", "billing.example.com:443", billing, json!(["bill"]), false),
        ("/orders", "api.example.com", "https://api.example.com/orders", json!(["orders:read"]), false),
        ("/orders/archive", "x", "https://api.example.com/orders/archive", json!(["archive:read"]), true),
    ];
    for (path, host, resource, scopes, requires_dpop) in cases {
        let told = metadata(path, host).await;
        let got = (&told["resource"], &told["scopes_supported"], &told["authorization_servers"]);
        assert_eq!(
            got,
            (&json!(resource), &scopes, &json!(["https://auth.example.com"])),
            "{path} at {host}"
        );
        assert_eq!(told["dpop_bound_access_tokens_required"].as_bool().unwrap_or_default(), requires_dpop);
    }
    assert_eq!(metadata("/orders", "x").await["resource_name"], json!("Orders"));
}

#[tokio::test]
async fn a_proof_names_the_host_of_its_api() {
    let gateway = with_apis().await;
    let holder = Holder::new();
    let jkt = holder.jkt();
    let token = |audience: &str| {
        let token = Token::of("ann")
            .claim("aud", audience)
            .claim("cnf", json!({ "jkt": jkt }))
            .claim("scope", "bill");
        token.bearer().strip_prefix("Bearer ").unwrap().to_owned()
    };
    let cases = [
        ("/orders/archive/1", "api.example.com", "archive", "https://api.example.com", 200),
        ("/orders/archive/1", "api.example.com", "archive", "https://billing.example.com", 401),
        ("/bills", "billing.example.com", "billing", "https://billing.example.com", 200),
        ("/bills", "billing.example.com", "billing", "https://api.example.com", 401),
    ];
    for (path, host, audience, origin, status) in cases {
        let token = token(audience);
        let proof = holder.proof(&format!("{origin}{path}"), &token);
        let authorization = format!("DPoP {token}");
        let fields = [("host", host), ("authorization", &*authorization), ("dpop", &*proof)];
        assert_eq!(gateway.get(path, &fields).await.status, status, "{path} at {host} for {origin}");
    }
}
