//! Tokens that are bound to a key, and who may send them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, Method, Request, Response};
use axum::routing::{any, get};
use gatepass_guard::{
    Admitted, ClientCertificate, Dpop, ExternalUrl, Guard, GuardLayer, GuardedRequest, IssuerConfig, Kind,
    Reason, Rule, SecretKey, StartError, WhenStale,
};
use gatepass_jose::{Jwk, base64url};
use serde_json::{Value, json};
use tower::ServiceExt;
use url::Url;

use crate::issuer::{Issuer, eventually, guard, inline, now};

const BASE: &str = "https://api.example.com";
const URL: &str = "https://api.example.com/orders";

/// A client with its key.
struct Client {
    key: EcdsaKeyPair,
    jwk: Value,
}

impl Client {
    fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = key.public_key().as_ref();
        let (x, y) = (base64url::encode(&point[1..33]), base64url::encode(&point[33..]));
        Client { key, jwk: json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }) }
    }

    fn jkt(&self) -> String {
        Jwk::parse(self.jwk.to_string().as_bytes()).unwrap().thumbprint()
    }

    /// A token that is bound to the client's key.
    fn token(&self, issuer: &Issuer) -> String {
        issuer.token_with("cnf", json!({ "jkt": self.jkt() }))
    }

    /// A new proof for `GET` of [`URL`] with this token, with `changes` made to its claims.
    fn proof(&self, token: &str, changes: Value) -> String {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let mut claims = json!({
            "jti": format!("proof-{}", NUMBER.fetch_add(1, Ordering::Relaxed)),
            "htm": "GET",
            "htu": URL,
            "iat": now().as_secs(),
            "ath": base64url::encode(digest(&SHA256, token.as_bytes()).as_ref()),
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk });
        let encode = |value: &Value| base64url::encode(value.to_string().as_bytes());
        let input = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.key.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", base64url::encode(signature.as_ref()))
    }
}

fn layer(guard: &Guard) -> GuardLayer {
    GuardLayer::new(guard.clone()).with_base_url(&Url::parse(BASE).unwrap())
}

fn api(layer: GuardLayer) -> Router {
    let who = async |token: Option<Admitted>| token.map_or("nobody".into(), |token| token.sub.clone());
    Router::new().route("/orders", any(who)).layer(layer)
}

/// A `GET` of `/orders` with these fields.
fn request<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Request<Body> {
    let mut request = Request::get("/orders");
    for (name, value) in fields {
        request = request.header(name, value);
    }
    request.body(Body::empty()).unwrap()
}

fn with_proof(token: &str, proof: &str) -> Request<Body> {
    request([("authorization", format!("DPoP {token}").as_str()), ("dpop", proof)])
}

async fn ask(api: &Router, request: Request<Body>) -> Response<Body> {
    api.clone().oneshot(request).await.unwrap()
}

async fn status(api: &Router, request: Request<Body>) -> u16 {
    ask(api, request).await.status().as_u16()
}

/// The status and what the body calls it.
async fn answer(api: &Router, request: Request<Body>) -> (u16, String) {
    let response = ask(api, request).await;
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    let code = match serde_json::from_slice::<Value>(&body) {
        Ok(problem) => problem["code"].as_str().unwrap().to_owned(),
        Err(_) => String::from_utf8(body.to_vec()).unwrap(),
    };
    (status, code)
}

fn challenges(response: &Response<Body>) -> Vec<&str> {
    response.headers().get_all(WWW_AUTHENTICATE).iter().map(|field| field.to_str().unwrap()).collect()
}

#[tokio::test]
async fn who_may_send_a_token() {
    let issuer = Issuer::start().await;
    let guard = guard([inline(&issuer)]).await;
    let (client, thief) = (Client::new(), Client::new());
    let (unbound, bound) = (issuer.token(), client.token(&issuer));
    let cnf = |cnf: Value| issuer.token_with("cnf", cnf);
    let proof = |changes: Value| Some(client.proof(&bound, changes));
    let iat = |offset: i64| proof(json!({ "iat": now().as_secs() + offset }));
    let other_token = Some(client.proof(&unbound, json!({})));
    let stranger = Some(thief.proof(&bound, json!({})));
    let (post, other_url) = (proof(json!({ "htm": "POST" })), proof(json!({ "htu": format!("{URL}/1") })));
    let other_host = proof(json!({ "htu": "https://evil.example.com/orders" }));
    let query = proof(json!({ "htu": "https://API.example.com:443/orders?a=b" }));
    let good = || proof(json!({}));
    let unknown = cnf(json!({ "jwk": client.jwk }));
    type Case<'a> = (&'a str, &'a str, &'a str, Option<String>, Result<(), &'a str>);
    let cases: [Case<'_>; 25] = [
        ("unbound_as_bearer", "Bearer", &unbound, None, Ok(())),
        ("unbound_beside_a_proof", "Bearer", &unbound, good(), Ok(())),
        ("unbound_as_dpop", "DPoP", &unbound, other_token.clone(), Err("dpop-unbound")),
        ("bound_and_proven", "DPoP", &bound, good(), Ok(())),
        ("scheme_in_small_letters", "dpop", &bound, good(), Ok(())),
        ("bound_as_bearer", "Bearer", &bound, None, Err("dpop-scheme")),
        ("bound_as_bearer_with_a_proof", "Bearer", &bound, good(), Err("dpop-scheme")),
        ("no_proof", "DPoP", &bound, None, Err("dpop-missing")),
        ("proof_of_another_key", "DPoP", &bound, stranger, Err("dpop-key")),
        ("proof_for_another_token", "DPoP", &bound, other_token, Err("dpop-access-token")),
        ("proof_for_no_token", "DPoP", &bound, proof(json!({ "ath": null })), Err("dpop-access-token")),
        ("proof_for_another_method", "DPoP", &bound, post, Err("dpop-method")),
        ("proof_for_another_path", "DPoP", &bound, other_url, Err("dpop-uri")),
        ("proof_for_another_host", "DPoP", &bound, other_host, Err("dpop-uri")),
        ("proof_with_a_query", "DPoP", &bound, query, Ok(())),
        ("proof_from_the_past", "DPoP", &bound, iat(-61), Err("dpop-stale")),
        ("proof_of_a_minute_ago", "DPoP", &bound, iat(-50), Ok(())),
        ("proof_of_a_clock_ahead", "DPoP", &bound, iat(55), Ok(())),
        ("proof_from_the_future", "DPoP", &bound, iat(90), Err("dpop-stale")),
        ("empty_proof", "DPoP", &bound, Some(String::new()), Err("dpop-malformed")),
        ("nonsense", "DPoP", &bound, Some("a.b.c".into()), Err("dpop-malformed")),
        ("far_too_long", "DPoP", &bound, Some("a".repeat(20_000)), Err("dpop-malformed")),
        ("the_token_as_proof", "DPoP", &bound, Some(bound.clone()), Err("dpop-malformed")),
        ("bound_in_an_unknown_way", "Bearer", &unknown, None, Err("unknown-confirmation")),
        ("unknown_way_as_dpop", "DPoP", &unknown, good(), Err("unknown-confirmation")),
    ];
    for (name, scheme, token, proof, want) in cases {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("{scheme} {token}").parse().unwrap());
        if let Some(proof) = proof {
            headers.insert("dpop", proof.parse().unwrap());
        }
        let request = GuardedRequest::new(&Method::GET, &headers).with_url(URL);
        let outcome = guard.authenticate(&request).await.map(|_| ()).map_err(|denied| denied.check());
        assert_eq!(outcome, want, "{name}");
    }
    // Whoever gives the token alone cannot prove anything.
    assert_eq!(guard.verify(&bound).await.unwrap_err().check(), "dpop-scheme");
    for cnf in [json!(null), json!({ "jkt": null }), json!({ "jkt": 1 }), json!("x")] {
        let token = issuer.token_with("cnf", cnf.clone());
        assert_eq!(guard.verify(&token).await.unwrap_err().check(), "bad-claims", "{cnf}");
    }
}

#[tokio::test]
async fn hostile_fields_and_their_answers() {
    let issuer = Issuer::start().await;
    let api = api(layer(&guard([inline(&issuer)]).await));
    let client = Client::new();
    let token = client.token(&issuer);
    let (dpop, bearer) = (format!("DPoP {token}"), format!("Bearer {token}"));
    let proof = || client.proof(&token, json!({}));
    let latin = Request::get("/orders").header("authorization", &dpop).header("dpop", &b"a.\xe9.c"[..]);
    let cases = [
        ("two_proofs", request([("authorization", &*dpop), ("dpop", &proof()), ("dpop", &proof())]), 401),
        ("a_list_of_proofs", with_proof(&token, &format!("{}, {}", proof(), proof())), 401),
        ("both_schemes", request([("authorization", &*dpop), ("authorization", &bearer)]), 400),
        ("a_parameter", request([("authorization", &*format!("{dpop}, algs=\"none\""))]), 400),
        ("not_ascii", latin.body(Body::empty()).unwrap(), 401),
        ("good", with_proof(&token, &proof()), 200),
    ];
    for (name, request, want) in cases {
        let (status, code) = answer(&api, request).await;
        let code_of = [(200, "ann"), (400, "invalid-request"), (401, "invalid-dpop-proof")];
        assert!(status == want && code_of.contains(&(status, &code)), "{name}: {status} {code}");
    }
}

#[tokio::test]
async fn a_refusal_tells_clients_how_to_do_better() {
    let issuer = Issuer::start().await;
    let guard = guard([inline(&issuer)]).await;
    let algs = "algs=\"ES256 EdDSA Ed25519 PS256 RS256\"";
    let both = ["Bearer realm=\"api\"".to_owned(), format!("DPoP realm=\"api\", {algs}")];
    let response = ask(&api(layer(&guard)), request([])).await;
    assert_eq!(challenges(&response), both);
    let response = ask(&api(layer(&guard).with_rule(Rule::default().with_dpop())), request([])).await;
    assert_eq!(challenges(&response), both[1..]);
    let response = ask(&api(GuardLayer::new(guard.clone())), request([])).await;
    assert_eq!(challenges(&response), both[..1], "nobody said where this service is");

    // What an extractor refuses is completed by the layer.
    let needed = Router::new().route("/orders", get(async |_: Admitted| "needed"));
    let response = ask(&needed.layer(layer(&guard).optional()), request([])).await;
    assert_eq!(challenges(&response), both);

    let bearer = format!("Bearer {}", issuer.token());
    let strict = api(layer(&guard).with_rule(Rule::default().with_dpop()));
    let response = ask(&strict, request([("authorization", &*bearer)])).await;
    let required = "error=\"invalid_token\", error_description=\"dpop-required\"";
    assert_eq!(response.status(), 401);
    assert_eq!(challenges(&response), [format!("DPoP realm=\"api\", {required}, {algs}")]);
}

#[tokio::test]
async fn an_issuer_may_demand_dpop_for_all_its_tokens() {
    let issuer = Issuer::start().await;
    let dpop = Dpop { required: true, ..Dpop::default() };
    let guard = guard([IssuerConfig { dpop, ..inline(&issuer) }]).await;
    let client = Client::new();
    let token = client.token(&issuer);
    assert_eq!(guard.verify(&issuer.token()).await.unwrap_err().check(), "dpop-required");
    let api = api(layer(&guard));
    assert_eq!(status(&api, with_proof(&token, &client.proof(&token, json!({})))).await, 200);
    assert_eq!(challenges(&ask(&api, request([])).await).len(), 1, "Bearer is not offered");
}

#[tokio::test]
async fn terms_that_leave_something_open_do_not_start() {
    let issuer = Issuer::start().await;
    let start = async |dpop: Dpop| Guard::start([IssuerConfig { dpop, ..inline(&issuer) }]).await.err();
    let short = Dpop { nonce_secret: Some(SecretKey::new(*b"short")), ..Dpop::default() };
    let hmac = vec![gatepass_guard::Alg::ES256, gatepass_guard::Alg::HS256];
    assert!(matches!(start(short).await, Some(StartError::DpopNonce { .. })));
    for algs in [vec![], hmac] {
        let error = start(Dpop { algs, ..Dpop::default() }).await;
        assert!(matches!(error, Some(StartError::DpopAlgs { .. })));
    }
}

#[tokio::test]
async fn a_proof_names_the_url_that_the_client_asked_for() {
    let issuer = Issuer::start().await;
    let guard = guard([inline(&issuer)]).await;
    let client = Client::new();
    let token = client.token(&issuer);
    let ask_for = async |api: &Router, htu: &str, external: Option<&str>| {
        let mut request = with_proof(&token, &client.proof(&token, json!({ "htu": htu })));
        if let Some(url) = external {
            request.extensions_mut().insert(ExternalUrl(url.to_owned()));
        }
        status(api, request).await
    };
    let unknown = api(GuardLayer::new(guard.clone()));
    assert_eq!(ask_for(&unknown, URL, None).await, 500, "a layer that does not know its URL");
    assert_eq!(ask_for(&unknown, URL, Some(URL)).await, 200);

    let below = Url::parse("https://example.com/shop/?a#b").unwrap();
    let prefixed = api(GuardLayer::new(guard.clone()).with_base_url(&below));
    assert_eq!(ask_for(&prefixed, "https://example.com/shop/orders", None).await, 200);
    assert_eq!(ask_for(&prefixed, "https://example.com/orders", None).await, 401);
    assert_eq!(ask_for(&prefixed, "https://example.com/shop/orders", Some(URL)).await, 401);
    assert_eq!(ask_for(&prefixed, URL, Some(URL)).await, 200, "the request's own word comes first");

    let nested = Router::new().nest("/v1", api(layer(&guard)));
    let request = |htu: &str| {
        let mut request = with_proof(&token, &client.proof(&token, json!({ "htu": htu })));
        *request.uri_mut() = "/v1/orders".parse().unwrap();
        request
    };
    assert_eq!(status(&nested, request("https://api.example.com/v1/orders")).await, 200);
    assert_eq!(status(&nested, request(URL)).await, 401);
}

#[tokio::test]
async fn a_client_is_told_the_nonce_and_its_successor() {
    let issuer = Issuer::start().await;
    let secret = SecretKey::generate().unwrap();
    let config = || {
        let dpop = Dpop { nonce_secret: Some(secret.clone()), ..Dpop::default() };
        IssuerConfig { dpop, ..inline(&issuer) }
    };
    let api = api(layer(&guard([config()]).await));
    let client = Client::new();
    let token = client.token(&issuer);
    let with_nonce = |nonce: Value| with_proof(&token, &client.proof(&token, json!({ "nonce": nonce })));

    let first = ask(&api, with_proof(&token, &client.proof(&token, json!({})))).await;
    assert_eq!(first.status(), 401);
    assert!(challenges(&first)[0].starts_with("DPoP realm=\"api\", error=\"use_dpop_nonce\""));
    let nonce = first.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    for (name, wrong) in [("empty", json!("")), ("cut", json!(nonce[1..])), ("made_up", json!("x"))] {
        assert_eq!(answer(&api, with_nonce(wrong)).await.1, "use-dpop-nonce", "{name}");
    }
    let second = ask(&api, with_nonce(json!(nonce))).await;
    assert_eq!(second.status(), 200);
    // The period may have ended meanwhile; then the answer names the next nonce.
    assert!(second.headers().get("dpop-nonce").is_none_or(|next| *next != nonce));

    let minutes_ago = gatepass_guard::Timestamp::from_secs(now().as_secs() - 120);
    let nonces = gatepass_token::DpopNonces::new(&secret).unwrap();
    let older = ask(&api, with_nonce(json!(nonces.current(minutes_ago)))).await;
    assert_eq!(older.status(), 200);
    assert!(nonces.accepted(now()).contains(&older.headers()["dpop-nonce"].to_str().unwrap().to_owned()));

    let another = guard([config()]).await;
    let another = Router::new().route("/orders", get(async || "ok")).layer(layer(&another));
    assert_eq!(status(&another, with_nonce(json!(nonce))).await, 200, "guards that share the secret agree");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_uses_of_one_proof_over_http_one_counts() {
    let issuer = Issuer::start().await;
    let guard = guard([inline(&issuer)]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let api = api(GuardLayer::new(guard).with_base_url(&Url::parse(&url).unwrap()));
    tokio::spawn(async move { axum::serve(listener, api).await });
    let (client, http) = (Arc::new(Client::new()), reqwest::Client::new());
    let token = client.token(&issuer);
    for _ in 0..5 {
        let proof = client.proof(&token, json!({ "htu": format!("{url}/orders") }));
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..24 {
            let request = http.get(format!("{url}/orders?page=1")).header("dpop", &proof);
            let request = request.header("authorization", format!("DPoP {token}"));
            requests.spawn(async move { request.send().await.unwrap().status().as_u16() });
        }
        let mut statuses = requests.join_all().await;
        statuses.sort_unstable();
        assert_eq!(statuses[0], 200);
        assert!(statuses[1..].iter().all(|status| *status == 401), "{statuses:?}");
    }
}

#[tokio::test]
async fn layers_within_layers_use_a_proof_once() {
    let issuer = Issuer::start().await;
    let guard = guard([inline(&issuer)]).await;
    let client = Client::new();
    let token = client.token(&issuer);
    let inner = layer(&guard).with_rule(Rule::default().with_dpop());
    let api = api(inner).layer(layer(&guard));
    let proof = client.proof(&token, json!({}));
    assert_eq!(status(&api, with_proof(&token, &proof)).await, 200);
    assert_eq!(status(&api, with_proof(&token, &proof)).await, 401);
    let bearer = format!("Bearer {}", issuer.token());
    assert_eq!(answer(&api, request([("authorization", &*bearer)])).await.1, "dpop-required");
}

#[tokio::test]
async fn a_request_that_fails_for_another_reason_does_not_use_its_proof_up() {
    let issuer = Issuer::start().await;
    let after = Duration::from_millis(700);
    let guard = guard([issuer.followed(after, WhenStale::Deny)]).await;
    let api = api(layer(&guard));
    let client = Client::new();
    let token = client.token(&issuer);
    issuer.silent.store(true, Ordering::SeqCst);
    let bearer = issuer.token();
    eventually("the view is stale", async || guard.verify(&bearer).await.is_err()).await;
    let proof = client.proof(&token, json!({}));
    let refused = ask(&api, with_proof(&token, &proof)).await;
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key(RETRY_AFTER)), (503, true));
    issuer.silent.store(false, Ordering::SeqCst);
    eventually("the view is fresh", async || guard.verify(&bearer).await.is_ok()).await;
    assert_eq!(status(&api, with_proof(&token, &proof)).await, 200);
    assert_eq!(status(&api, with_proof(&token, &proof)).await, 401);
}

#[tokio::test]
async fn where_no_further_proof_can_be_remembered_none_is_believed() {
    let issuer = Issuer::start().await;
    let dpop = Dpop { replay_capacity: 0, ..Dpop::default() };
    let api = api(layer(&guard([IssuerConfig { dpop, ..inline(&issuer) }]).await));
    let client = Client::new();
    let token = client.token(&issuer);
    let (status, code) = answer(&api, with_proof(&token, &client.proof(&token, json!({})))).await;
    assert_eq!((status, code.as_str()), (503, "verification-unavailable"));
}

#[tokio::test]
async fn a_token_that_is_bound_to_a_certificate_comes_with_it() {
    let issuer = Issuer::start().await;
    let guard = guard([inline(&issuer)]).await;
    let (own, other) = (ClientCertificate::from_der(b"own"), ClientCertificate::from_der(b"other"));
    let same = ClientCertificate::from_sha256(digest(&SHA256, b"own").as_ref().try_into().unwrap());
    let client = Client::new();
    let bound = issuer.token_with("cnf", json!({ "x5t#S256": own.x5t_s256() }));
    let padded = issuer.token_with("cnf", json!({ "x5t#S256": format!("{}=", own.x5t_s256()) }));
    let empty = issuer.token_with("cnf", json!({ "x5t#S256": "" }));
    let twice = issuer.token_with("cnf", json!({ "x5t#S256": own.x5t_s256(), "jkt": client.jkt() }));
    let cases = [
        ("its_own", &bound, Some(&own), Ok(())),
        ("its_own_by_digest", &bound, Some(&same), Ok(())),
        ("none", &bound, None, Err("no-certificate")),
        ("another", &bound, Some(&other), Err("another-certificate")),
        ("unbound_and_none", &issuer.token(), None, Ok(())),
        ("unbound_and_some", &issuer.token(), Some(&other), Ok(())),
        ("thumbprint_with_padding", &padded, Some(&own), Err("another-certificate")),
        ("empty_thumbprint", &empty, Some(&own), Err("another-certificate")),
        ("empty_thumbprint_and_none", &empty, None, Err("no-certificate")),
        ("bound_to_a_key_as_well", &twice, Some(&own), Err("dpop-scheme")),
    ];
    for (name, token, certificate, want) in cases {
        let mut headers = HeaderMap::new();
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        let request = GuardedRequest::new(&Method::GET, &headers).with_certificate(certificate);
        let outcome = guard.authenticate(&request).await;
        if let (Ok(admitted), true) = (&outcome, token == &bound) {
            assert!(admitted.is_certificate_bound() && !admitted.is_dpop_bound());
        }
        assert_eq!(outcome.map(|_| ()).map_err(|denied| denied.check()), want, "{name}");
    }

    let api = api(layer(&guard));
    let with = |certificate: Option<&ClientCertificate>, proof: &str| {
        let mut request = with_proof(&twice, proof);
        if let Some(certificate) = certificate {
            request.extensions_mut().insert(certificate.clone());
        }
        request
    };
    let proof = client.proof(&twice, json!({}));
    assert_eq!(answer(&api, with(None, &proof)).await, (401, "invalid-token".into()));
    assert_eq!(status(&api, with(Some(&own), &proof)).await, 200, "the transport's word, and the proof");
}

#[tokio::test]
async fn a_stream_asks_again_without_a_second_proof() {
    let issuer = Issuer::start().await;
    let guard = guard([issuer.followed(Duration::from_secs(3_600), WhenStale::Allow)]).await;
    let (client, other) = (Client::new(), Client::new());
    let token = client.token(&issuer);
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("DPoP {token}").parse().unwrap());
    headers.insert("dpop", client.proof(&token, json!({})).parse().unwrap());
    let request = GuardedRequest::new(&Method::GET, &headers).with_url(URL);
    let admitted = guard.authenticate(&request).await.unwrap();
    assert_eq!(guard.verify_again(&admitted, &token, None).await, Ok(()));
    let stolen = guard.verify_again(&admitted, &other.token(&issuer), None).await;
    assert_eq!(stolen.unwrap_err().check(), "dpop-scheme");
    issuer.revoke(Kind::Session, "s1", Reason::LOGOUT);
    eventually("it is revoked", async || guard.verify_again(&admitted, &token, None).await.is_err()).await;
}
