//! Clients that are known by a TLS certificate, and tokens that are bound to one (RFC 8705), behind a proxy that reports it
//! (RFC 9440).

use base64_simd::STANDARD;
use gatepass_issuer::admin::{NewClient, NewCredential, SignOnClient};
use gatepass_issuer::certificate::{RegisteredCertificate, X5t};
use gatepass_issuer::client::{ClientExtensions, GrantType};
use gatepass_issuer::{Config, Profile};
use gatepass_server::{ClientCertificates, HttpConfig};
use http::{Method, StatusCode};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use serde_json::{Value, json};

use crate::browser::*;
use crate::fixture::{Answer, Call, Fixture, ISSUER};

const PROXY: &str = "10.0.0.1";
const MTLS: &str = "https://mtls.auth.example.com";

/// An authority, and certificates that it vouches for or not.
struct Certificates {
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { authority: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    fn params(name: &str) -> CertificateParams {
        let mut params = CertificateParams::new(vec![format!("{name}.internal")]).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        params.distinguished_name.push(DnType::CommonName, name);
        params
    }

    fn vouched(&self, name: &str) -> Vec<u8> {
        let key = KeyPair::generate().unwrap();
        Self::params(name).signed_by(&key, &self.authority).unwrap().der().to_vec()
    }

    fn own(name: &str) -> Vec<u8> {
        Self::params(name).self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    async fn fixture(&self) -> Fixture {
        self.fixture_with(|_| {}).await
    }

    async fn fixture_with(&self, change: impl FnOnce(&mut Config)) -> Fixture {
        let proxies = vec!["10.0.0.0/8".parse().unwrap()];
        let der = STANDARD.encode_to_string(self.authority.der());
        let pem = format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n");
        let known = ClientCertificates::new(proxies, Some(pem.as_bytes()), Some(MTLS.to_owned())).unwrap();
        let http = HttpConfig { client_certificates: Some(known), ..HttpConfig::default() };
        Fixture::with(http, change).await
    }
}

/// A request whose client shows a certificate to the proxy.
fn with_certificate(call: Call, certificate: Option<&[u8]>) -> Call {
    let call = call.from(PROXY.parse().unwrap());
    match certificate {
        Some(der) => call.header("client-cert", &format!(":{}:", STANDARD.encode_to_string(der))),
        None => call,
    }
}

async fn register(fixture: &Fixture, client: Value) -> Answer {
    fixture.post("/admin/v1/clients").bearer(&fixture.admin().await).json(&client).send().await
}

fn machine(id: &str, method: &str, certificate: Value) -> Value {
    json!({
        "client_id": id, "client_name": id, "token_endpoint_auth_method": method, "certificate": certificate,
        "grant_types": ["client_credentials"], "scope": "orders:read",
        "tls_client_certificate_bound_access_tokens": true,
    })
}

fn ask(fixture: &Fixture, id: &str) -> Call {
    fixture.post("/oauth/token").form(&format!("grant_type=client_credentials&client_id={id}"))
}

fn access(tokens: &Value) -> &str {
    tokens["access_token"].as_str().unwrap()
}

#[tokio::test]
async fn a_client_is_known_by_its_certificate_and_gets_tokens_that_are_bound_to_it() {
    let certificates = Certificates::new();
    let fixture = certificates.fixture().await;
    let (batch, robot) = (certificates.vouched("batch"), Certificates::own("robot"));
    let by_name = machine("batch", "tls_client_auth", json!({ "san_dns": "batch.internal" }));
    let by_name = crate::fixture::with(by_name, "client_id", json!("worker"));
    let created = register(&fixture, by_name).await.expect(StatusCode::CREATED).json();
    assert_eq!(created["certificate"], json!({ "san_dns": "batch.internal" }));
    assert_eq!(created["token_endpoint_auth_method"], "tls_client_auth");
    assert_eq!((created.get("client_secret"), &created["confidential"]), (None, &json!(true)));
    let known = json!({ "sha256": [X5t::of(&robot).to_string()] });
    let by_itself = machine("robot", "self_signed_tls_client_auth", known);
    register(&fixture, by_itself).await.expect(StatusCode::CREATED);

    for (id, certificate) in [("worker", &batch), ("robot", &robot)] {
        let tokens = with_certificate(ask(&fixture, id), Some(certificate)).send().await;
        let tokens = tokens.expect(StatusCode::OK).json();
        assert_eq!(tokens["token_type"], "Bearer");
        let cnf = json!({ "x5t#S256": X5t::of(certificate).to_string() });
        assert_eq!(claims(access(&tokens))["cnf"], cnf, "{id}");
        let form = encode([("token", access(&tokens)), ("client_id", id)]);
        let told = with_certificate(fixture.post("/oauth/introspect").form(&form), Some(certificate));
        let told = told.send().await.expect(StatusCode::OK).json();
        assert_eq!((&told["cnf"], &told["token_type"]), (&cnf, &json!("Bearer")), "{id}");
    }
    let impostor = certificates.vouched("robot");
    let same_name = Certificates::own("batch");
    let header = |der: &[u8]| format!(":{}:", STANDARD.encode_to_string(der));
    let cases = [
        ("nothing", with_certificate(ask(&fixture, "worker"), None)),
        ("a_name_that_nobody_vouches_for", with_certificate(ask(&fixture, "worker"), Some(&same_name))),
        ("another_name", with_certificate(ask(&fixture, "worker"), Some(&impostor))),
        ("another_certificate", with_certificate(ask(&fixture, "robot"), Some(&impostor))),
        ("anothers_identifier", with_certificate(ask(&fixture, "batch"), Some(&batch))),
        (
            "past_the_proxy",
            ask(&fixture, "worker")
                .from("203.0.113.9".parse().unwrap())
                .header("client-cert", &header(&batch)),
        ),
        (
            "a_second_one",
            with_certificate(ask(&fixture, "worker"), Some(&batch)).header("client-cert", &header(&robot)),
        ),
        (
            "a_secret_beside_it",
            with_certificate(
                fixture
                    .post("/oauth/token")
                    .form("grant_type=client_credentials&client_id=worker&client_secret=s"),
                Some(&batch),
            ),
        ),
    ];
    for (name, call) in cases {
        assert_eq!(call.send().await.oauth_error(), (401, "invalid_client".into()), "{name}");
    }
    let next = json!({ "certificate": { "san_dns": "robot.internal" } });
    let change = fixture.call(Method::PATCH, "/admin/v1/clients/worker").bearer(&fixture.admin().await);
    change.json(&next).send().await.expect(StatusCode::OK);
    with_certificate(ask(&fixture, "worker"), Some(&impostor)).send().await.expect(StatusCode::OK);
    let old = with_certificate(ask(&fixture, "worker"), Some(&batch)).send().await;
    assert_eq!(old.oauth_error().1, "invalid_client");
}

#[tokio::test]
async fn a_bound_token_and_a_public_clients_refresh_token_are_good_with_the_certificate_alone() {
    let certificates = Certificates::new();
    let fixture = certificates.fixture().await;
    crate::browser::register(&fixture).await;
    let bound = json!({ "tls_client_certificate_bound_access_tokens": true });
    let admin = fixture.admin().await;
    let change = fixture.call(Method::PATCH, "/admin/v1/clients/shop").bearer(&admin).json(&bound);
    change.send().await.expect(StatusCode::OK);
    let (own, thief) = (Certificates::own("phone"), Certificates::own("thief"));
    let query = request(&[("scope", "openid profile offline_access orders:read")]);
    let code = Browser::new(&fixture).code(&query).await;
    let without = with_certificate(fixture.post("/oauth/token").form(&exchange("shop", &code)), None);
    assert_eq!(
        without.send().await.oauth_error(),
        (400, "invalid_request".into()),
        "and the code is still good"
    );
    let call = fixture.post("/oauth/token").form(&exchange("shop", &code));
    let tokens = with_certificate(call, Some(&own)).send().await.expect(StatusCode::OK).json();
    let x5t = X5t::of(&own).to_string();
    assert_eq!(claims(access(&tokens))["cnf"], json!({ "x5t#S256": x5t }));

    let userinfo =
        |certificate| with_certificate(fixture.get("/oauth/userinfo").bearer(access(&tokens)), certificate);
    userinfo(Some(&own[..])).send().await.expect(StatusCode::OK);
    for certificate in [None, Some(&thief[..])] {
        assert_eq!(userinfo(certificate).send().await.status, StatusCode::UNAUTHORIZED);
    }
    let refresh = |tokens: &Value, certificate| {
        let token = tokens["refresh_token"].as_str().unwrap();
        let form = [("grant_type", "refresh_token"), ("client_id", "shop"), ("refresh_token", token)];
        with_certificate(fixture.post("/oauth/token").form(&encode(form)), certificate)
    };
    let told = fixture.introspected(tokens["refresh_token"].as_str().unwrap()).await;
    assert_eq!(told["cnf"], json!({ "x5t#S256": x5t }));
    assert_eq!(refresh(&tokens, Some(&thief[..])).send().await.oauth_error(), (400, "invalid_grant".into()));
    assert_eq!(refresh(&tokens, None).send().await.oauth_error(), (400, "invalid_request".into()));
    let next = refresh(&tokens, Some(&own[..])).send().await.expect(StatusCode::OK).json();
    assert_eq!(claims(access(&next))["cnf"], json!({ "x5t#S256": x5t }));
}

#[tokio::test]
async fn a_bound_token_is_exchanged_and_gets_a_ticket_with_its_certificate_and_stays_bound() {
    let certificates = Certificates::new();
    let fixture = certificates.fixture().await;
    let own = Certificates::own("service");
    let known = json!({ "sha256": [X5t::of(&own).to_string()] });
    let mut service = machine("service", "self_signed_tls_client_auth", known);
    let exchange = "urn:ietf:params:oauth:grant-type:token-exchange";
    service["grant_types"] = json!(["client_credentials", exchange]);
    service["exchange"] = json!({ "for": ["https://other.example.com"] });
    register(&fixture, service).await.expect(StatusCode::CREATED);
    let first =
        with_certificate(ask(&fixture, "service"), Some(&own)).send().await.expect(StatusCode::OK).json();
    let unbound = json!({ "tls_client_certificate_bound_access_tokens": false });
    let change = fixture.call(Method::PATCH, "/admin/v1/clients/service").bearer(&fixture.admin().await);
    change.json(&unbound).send().await.expect(StatusCode::OK);

    let form = encode([
        ("grant_type", exchange),
        ("client_id", "service"),
        ("subject_token", access(&first)),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", "https://other.example.com"),
    ]);
    let answer = with_certificate(fixture.post("/oauth/token").form(&form), Some(&own)).send().await;
    let answer = answer.expect(StatusCode::OK).json();
    assert_eq!(claims(access(&answer))["cnf"], claims(access(&first))["cnf"]);

    let wanted = json!({ "method": "GET", "path": "/export" });
    let ticket = |certificate| {
        with_certificate(fixture.post("/tickets").json(&wanted).bearer(access(&first)), certificate)
    };
    ticket(Some(&own[..])).send().await.expect(StatusCode::OK);
    let stolen = Certificates::own("service");
    for certificate in [None, Some(&stolen[..])] {
        assert_eq!(ticket(certificate).send().await.problem(), (401, "invalid-token".into()));
    }
}

#[tokio::test]
async fn what_a_client_with_a_certificate_cannot_be() {
    let certificates = Certificates::new();
    let fixture = certificates.fixture().await;
    let dns = json!({ "san_dns": "a" });
    let cases = [
        ("names_of_a_self_signed_one", machine("a", "self_signed_tls_client_auth", dns.clone())),
        (
            "a_digest_that_is_vouched_for",
            machine("a", "tls_client_auth", json!({ "sha256": ["A".repeat(43)] })),
        ),
        ("beside_a_secret", machine("a", "client_secret_basic", dns.clone())),
        ("public", machine("a", "none", dns)),
        ("nothing", machine("a", "tls_client_auth", Value::Null)),
        ("two_names", machine("a", "tls_client_auth", json!({ "san_dns": "a", "san_uri": "b" }))),
    ];
    for (name, client) in cases {
        assert_eq!(register(&fixture, client).await.status, StatusCode::BAD_REQUEST, "{name}");
    }
    let change = fixture.call(Method::PATCH, "/admin/v1/clients/batch").bearer(&fixture.admin().await);
    let refused = change.json(&json!({ "certificate": { "san_dns": "a" } })).send().await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_metadata_name_certificates_where_they_are_known() {
    let metadata = async |fixture: &Fixture| {
        fixture.get("/.well-known/oauth-authorization-server").send().await.expect(StatusCode::OK).json()
    };
    let known = metadata(&Certificates::new().fixture().await).await;
    let methods = known["token_endpoint_auth_methods_supported"].as_array().unwrap();
    for method in ["tls_client_auth", "self_signed_tls_client_auth"] {
        assert!(methods.contains(&json!(method)), "{methods:?}");
    }
    assert_eq!(known["tls_client_certificate_bound_access_tokens"], true);
    assert_eq!(known["mtls_endpoint_aliases"]["token_endpoint"], format!("{MTLS}/oauth/token"));
    assert_eq!(known["token_endpoint"], format!("{ISSUER}/oauth/token"));
    let unknown = metadata(&Fixture::new().await).await;
    assert!(!unknown.to_string().contains("tls"), "{unknown}");
}

#[tokio::test]
async fn under_fapi_2_a_certificate_authenticates_and_binds_in_place_of_dpop() {
    let certificates = Certificates::new();
    let fixture = certificates.fixture_with(|config| config.profile = Profile::Fapi2).await;
    let extensions =
        ClientExtensions { tls_client_certificate_bound_access_tokens: true, ..ClientExtensions::default() };
    let bank = NewClient {
        id: Some("bank".parse().unwrap()),
        name: "bank".into(),
        credential: NewCredential::Certificate(RegisteredCertificate::SanDns("bank.internal".into())),
        grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        scope: "orders:read".parse().unwrap(),
        audience: Vec::new(),
        exchange: None,
        extensions,
        sign_on: SignOnClient {
            redirect_uris: vec![CALLBACK.parse().unwrap()],
            trusted: true,
            ..SignOnClient::default()
        },
    };
    fixture.issuer.create_client(bank, fixture.now()).await.unwrap();
    let (own, other) = (certificates.vouched("bank"), certificates.vouched("other"));
    let params = request(&[("client_id", "bank"), ("scope", "openid offline_access orders:read")]);
    let push = |params: &str, certificate| {
        with_certificate(fixture.post("/oauth/par").form(params), Some(certificate))
    };

    let told = Browser::new(&fixture).authorize(&params).await;
    assert_eq!(told_by(&told)["error"], "invalid_request", "it must push");
    assert_eq!(push(&params, &other).send().await.oauth_error(), (401, "invalid_client".into()));
    let no_pkce = request(&[("client_id", "bank"), ("code_challenge", ""), ("code_challenge_method", "")]);
    assert_eq!(push(&no_pkce, &own).send().await.oauth_error(), (400, "invalid_request".into()));

    let pushed = push(&params, &own).send().await.expect(StatusCode::CREATED).json();
    let query = encode([("client_id", "bank"), ("request_uri", pushed["request_uri"].as_str().unwrap())]);
    let code = Browser::new(&fixture).code(&query).await;
    let redeem = |certificate: Option<&[u8]>| {
        with_certificate(fixture.post("/oauth/token").form(&exchange("bank", &code)), certificate)
    };
    for certificate in [None, Some(&other[..])] {
        assert_eq!(redeem(certificate).send().await.oauth_error(), (401, "invalid_client".into()));
    }
    let tokens = redeem(Some(&own)).send().await.expect(StatusCode::OK).json();
    assert_eq!(claims(access(&tokens))["cnf"], json!({ "x5t#S256": X5t::of(&own).to_string() }));

    let metadata = fixture.get("/.well-known/openid-configuration").send().await.json();
    let methods = json!(["private_key_jwt", "self_signed_tls_client_auth", "tls_client_auth"]);
    assert_eq!(metadata["token_endpoint_auth_methods_supported"], methods);
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true);
}
