//! Requests to the authorization server: whatever is sent, it does not fail, leads nobody astray, and says what it says in the
//! form that its standard asks for.
//!
//! An input is the name of an endpoint, a line break, and a query, a form or a JSON object. A parameter that has JSON where a JWT
//! belongs is signed on the way, so that what lies behind a signature is looked into as well.

use std::sync::{Arc, LazyLock, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use gatepass_issuer::admin::{FirstPassword, NewUser};
use gatepass_issuer::password::{HashPolicy, Password};
use gatepass_issuer::user::Role;
use gatepass_issuer::{
    Config, Issuer, MasterKey, ResourceServer, ResourceServers, Signing, SubjectMapping, ThrottleLimit,
    ThrottlePolicy, TrustedIssuer, TrustedKeys,
};
use gatepass_jose::{Alg, Timestamp};
use gatepass_server::{ClientCertificates, Clock, HttpConfig, router_at};
use gatepass_store::Embedded;
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt;
use url::form_urlencoded;

use crate::dpop::sign;
use crate::keys;

const ISSUER: &str = "https://auth.example.com";
const CALLBACK: &str = "https://app.example.com/callback";
const BYE: &str = "https://app.example.com/bye";
const PASSWORD: &str = "tangled-violet-harbour-71";
/// When every request is made.
const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

/// An endpoint: its name in an input, the method, the path, and what the request is sent with.
const ENDPOINTS: [(&str, &str, &str, With); 20] = [
    ("authorize", "GET", "/oauth/authorize", With::Login),
    ("authorize-by-post", "POST", "/oauth/authorize", With::Nothing),
    ("languages", "GET", "/device", With::Languages),
    ("login", "POST", "/oauth/login", With::Login),
    ("consent", "POST", "/oauth/consent", With::Login),
    ("logout", "GET", "/oauth/logout", With::Login),
    ("device", "GET", "/device", With::Login),
    ("device-code", "POST", "/device", With::Login),
    ("token", "POST", "/oauth/token", With::Nothing),
    ("token-with-secret", "POST", "/oauth/token", With::Secret),
    ("par", "POST", "/oauth/par", With::Secret),
    ("par-signed", "POST", "/oauth/par", With::Nothing),
    ("device-authorization", "POST", "/oauth/device_authorization", With::Nothing),
    ("introspect", "POST", "/oauth/introspect", With::Secret),
    ("revoke", "POST", "/oauth/revoke", With::Secret),
    ("userinfo", "POST", "/oauth/userinfo", With::Nothing),
    ("register", "POST", "/oauth/register", With::InitialToken),
    ("session-login", "POST", "/session/login", With::Nothing),
    ("client", "PATCH", "/admin/v1/clients/changed", With::Administrator),
    ("user", "POST", "/admin/v1/users", With::Administrator),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum With {
    Nothing,
    /// The languages that its user likes (`Accept-Language`), one field a line.
    Languages,
    /// The cookie of a user who is logged in.
    Login,
    /// A client's name and secret.
    Secret,
    InitialToken,
    Administrator,
}

/// Parameters that are JWTs, and what their headers say that they are.
const SIGNED: [(&str, &str); 6] = [
    ("request", "oauth-authz-req+jwt"),
    ("client_assertion", "JWT"),
    ("assertion", "authorization-grant+jwt"),
    ("id_token_hint", "JWT"),
    ("subject_token", "at+jwt"),
    ("dpop", "dpop+jwt"),
];

/// Sends `data`. Whether it was accepted: neither an error nor a page that says one.
pub fn check(data: &[u8]) -> bool {
    let line = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (name, rest) = data.split_at(line);
    let Some((name, method, path, with)) = ENDPOINTS.iter().find(|(known, ..)| known.as_bytes() == name)
    else {
        return false;
    };
    let world = WORLD.lock().expect("the target before did not fail");
    let Some(request) = world.request(method, path, *with, rest.get(1..).unwrap_or_default()) else {
        return false;
    };
    let answer = world.send(request);
    judge(name, &answer)
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

fn judge(name: &str, answer: &Answer) -> bool {
    let body = String::from_utf8_lossy(&answer.body);
    assert!(answer.status.as_u16() < 500, "{name} failed: {} {body}", answer.status);
    let header =
        |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    for (name, value) in &answer.headers {
        let is_plain = value.as_bytes().iter().all(|byte| matches!(byte, b' '..=b'~'));
        assert!(is_plain, "{name} has what a header must not have: {value:?}");
    }
    // A page goes on by itself where it leads a browser out of a form, or after it has told applications in frames.
    let refresh = header("refresh");
    let onward = refresh.split_once("; url=").map(|(_, location)| location);
    assert!(refresh.is_empty() || onward.is_some(), "{name}: {refresh:?}");
    let location = onward.unwrap_or_else(|| header("location"));
    assert!(leads_home(location) || leads_back(location), "{name} leads to {location}");
    if header("content-type").starts_with("text/html") {
        assert!(
            header("content-security-policy").contains("frame-ancestors 'none'"),
            "{name}: a page that can be framed"
        );
        // One language that is spoken here, whatever was asked for, and the page says the same of itself.
        let language = header("content-language");
        assert!(["en", "de", "fr"].contains(&language), "{name}: {language:?}");
        assert!(body.contains(&format!("<html lang=\"{language}\" dir=\"ltr\">")), "{name}: {body}");
        assert!(
            !body.contains("<script>") || header("content-security-policy").contains("'sha256-"),
            "{name}: {body}"
        );
    }
    let mut is_error = answer.status.as_u16() >= 400 || location.contains("error=");
    if header("content-type").contains("json") {
        let json: Value =
            serde_json::from_slice(&answer.body).expect("an answer that says that it is JSON is");
        if let Some(text) = json.get("error_description").and_then(Value::as_str) {
            let is_allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert!(text.bytes().all(is_allowed), "{name}: {text:?}");
            is_error = true;
        }
    }
    !is_error
}

fn leads_home(location: &str) -> bool {
    let is_path = location.starts_with('/') && !location.starts_with("//") && !location.contains('\\');
    let is_own = location.strip_prefix(ISSUER).is_some_and(|rest| rest.starts_with('/'));
    location.is_empty() || is_path || is_own
}

fn leads_back(location: &str) -> bool {
    let after = |uri: &str| location.strip_prefix(uri);
    after(CALLBACK).is_some_and(|rest| rest.starts_with(['?', '&']))
        || after(BYE).is_some_and(|rest| rest.is_empty() || rest.starts_with('?'))
}

struct World {
    runtime: Runtime,
    router: Router,
    login: String,
    secret: String,
    initial: String,
    administrator: String,
    _store: tempfile::TempDir,
}

static WORLD: LazyLock<Mutex<World>> = LazyLock::new(|| Mutex::new(World::new()));

impl World {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let store = tempfile::tempdir().expect("a temporary folder");
        let router = runtime.block_on(router(store.path()));
        let mut world = Self {
            runtime,
            router,
            login: String::new(),
            secret: String::new(),
            initial: String::new(),
            administrator: String::new(),
            _store: store,
        };
        world.populate();
        world
    }

    fn populate(&mut self) {
        let credentials = json!({ "username": "ada", "password": PASSWORD });
        self.administrator = self.told("POST", "/session/login", &credentials, "/access_token");
        let key = serde_json::to_value(keys::signing("ed").public_jwk().expect("a key pair")).expect("JSON");
        let login = ["authorization_code", "refresh_token"];
        let clients = [
            json!({ "client_id": "shop", "token_endpoint_auth_method": "none", "grant_types": login }),
            json!({
                "client_id": "vault", "token_endpoint_auth_method": "private_key_jwt", "jwks": { "keys": [key] },
                "trusted": true, "grant_types": [
                    "authorization_code", "refresh_token", "client_credentials",
                    "urn:ietf:params:oauth:grant-type:jwt-bearer",
                ],
            }),
            json!({
                "client_id": "tv", "token_endpoint_auth_method": "none",
                "grant_types": ["urn:ietf:params:oauth:grant-type:device_code"],
            }),
            json!({ "client_id": "changed", "grant_types": login }),
            json!({
                "client_id": "office", "trusted": true, "grant_types": [
                    "authorization_code", "refresh_token", "client_credentials",
                    "urn:ietf:params:oauth:grant-type:token-exchange",
                ],
                "exchange": { "for": ["https://api.example.com"] },
            }),
        ];
        for mut client in clients {
            client["client_name"] = client["client_id"].clone();
            client["scope"] = json!("orders:read");
            client["authorization_details_types"] = json!(["payment"]);
            if client["grant_types"]
                .as_array()
                .is_some_and(|grants| grants.contains(&json!("authorization_code")))
            {
                client["redirect_uris"] = json!([CALLBACK]);
                client["post_logout_redirect_uris"] = json!([BYE]);
            }
            let told = if client["client_id"] == "office" { "/client_secret" } else { "/client_id" };
            self.secret = self.told("POST", "/admin/v1/clients", &client, told);
        }
        let uses = json!({ "uses": 10_000, "scope": "openid orders:read" });
        self.initial = self.told("POST", "/admin/v1/registration-tokens", &uses, "/token");
        self.login = self.log_in();
    }

    /// The cookies of a browser in which a user has logged in.
    fn log_in(&self) -> String {
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("client_id", "vault"),
                ("redirect_uri", CALLBACK),
                ("response_type", "code"),
                ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
                ("code_challenge_method", "S256"),
            ])
            .finish();
        let page =
            self.request("GET", "/oauth/authorize", With::Nothing, query.as_bytes()).expect("a request");
        let page = self.send(page);
        let html = String::from_utf8_lossy(&page.body);
        let token = html.split_once("name=\"token\" value=\"").expect("a form").1;
        let token = token.split_once('"').expect("a value").0;
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("request", &*query),
                ("token", token),
                ("username", "ada"),
                ("password", PASSWORD),
            ])
            .finish();
        let mut request =
            self.request("POST", "/oauth/login", With::Nothing, form.as_bytes()).expect("a request");
        request.headers_mut().insert("cookie", HeaderValue::from_str(&cookies(&page)).expect("cookies"));
        let answer = self.send(request);
        assert!(answer.headers.contains_key("refresh"), "{}", String::from_utf8_lossy(&answer.body));
        format!("{}; {}", cookies(&page), cookies(&answer))
    }

    fn told(&self, method: &str, path: &str, body: &Value, member: &str) -> String {
        let request = self.request(method, path, With::Administrator, body.to_string().as_bytes());
        let answer = self.send(request.expect("a request"));
        let told: Value = serde_json::from_slice(&answer.body).expect("JSON");
        told.pointer(member).and_then(Value::as_str).unwrap_or_else(|| panic!("{path}: {told}")).to_owned()
    }

    /// `None` for what HTTP cannot carry.
    fn request(&self, method: &str, path: &str, with: With, data: &[u8]) -> Option<Request<Body>> {
        let mut request = Request::builder().method(method);
        let is_json =
            matches!(with, With::InitialToken | With::Administrator) || path.starts_with("/session");
        let mut data = data.to_vec();
        if !is_json {
            let (form, dpop) = signed(&data);
            data = form;
            request = dpop.map_or(Some(Request::builder().method(method)), |proof| {
                Some(Request::builder().method(method).header("dpop", HeaderValue::from_str(&proof).ok()?))
            })?;
        }
        request = request.header("sec-fetch-site", "same-origin");
        request = match with {
            With::Nothing => request,
            With::Languages => {
                let fields = data.split(|byte| *byte == b'\n').map(HeaderValue::from_bytes);
                for field in fields.collect::<Result<Vec<_>, _>>().ok()? {
                    request = request.header("accept-language", field);
                }
                data = Vec::new();
                request
            }
            With::Login => request.header("cookie", &self.login),
            With::Secret => {
                let pair = base64_simd::STANDARD.encode_to_string(format!("office:{}", self.secret));
                request.header("authorization", format!("Basic {pair}"))
            }
            With::InitialToken => request.header("authorization", format!("Bearer {}", self.initial)),
            With::Administrator => request.header("authorization", format!("Bearer {}", self.administrator)),
        };
        let request = if method == "GET" {
            let target = format!("{path}?{}", std::str::from_utf8(&data).ok()?);
            request.uri(target).body(Body::empty())
        } else {
            let kind = if is_json { "application/json" } else { "application/x-www-form-urlencoded" };
            request.uri(path).header("content-type", kind).body(Body::from(data))
        };
        let mut request = request.ok()?;
        request.extensions_mut().insert(ConnectInfo(std::net::SocketAddr::from(([127, 0, 0, 1], 4711))));
        Some(request)
    }

    fn send(&self, request: Request<Body>) -> Answer {
        self.runtime.block_on(async {
            let (head, body) =
                self.router.clone().oneshot(request).await.expect("a router has no errors").into_parts();
            let body = body.collect().await.expect("a whole body").to_bytes();
            Answer { status: head.status, headers: head.headers, body }
        })
    }
}

/// The form with its JWTs signed, and the proof that was among it.
fn signed(form: &[u8]) -> (Vec<u8>, Option<String>) {
    let has_json =
        |name: &str, value: &str| SIGNED.iter().any(|(known, _)| *known == name) && value.starts_with('{');
    if !form_urlencoded::parse(form).any(|(name, value)| has_json(&name, &value)) {
        return (form.to_vec(), None);
    }
    let (mut written, mut proof) = (form_urlencoded::Serializer::new(String::new()), None);
    for (name, value) in form_urlencoded::parse(form) {
        let typ = SIGNED.iter().find(|(known, _)| *known == name).map(|(_, typ)| *typ);
        match typ.filter(|_| value.starts_with('{')) {
            Some("dpop+jwt") => proof = Some(sign(&crate::dpop::good_header(), &value)),
            Some(typ) => {
                let header = format!(r#"{{"alg":"EdDSA","kid":"ed","typ":"{typ}"}}"#);
                written.append_pair(&name, &sign(&header, &value));
            }
            None => drop(written.append_pair(&name, &value)),
        }
    }
    (written.finish().into_bytes(), proof)
}

fn cookies(answer: &Answer) -> String {
    let set = answer.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    set.filter_map(|cookie| cookie.split(';').next()).collect::<Vec<_>>().join("; ")
}

async fn router(folder: &std::path::Path) -> Router {
    let name = gatepass_jose::Issuer::new(ISSUER).expect("an issuer");
    let server = ResourceServer {
        audience: "https://api.example.com".into(),
        signing: Signing::Published(Alg::ES256),
        scope: None,
        not_before: false,
        encryption: None,
    };
    let servers = ResourceServers::new(&name, vec![server]).expect("a resource server");
    let mut config = Config::new(name, servers);
    config.hashing = HashPolicy { memory_kib: 64, passes: 1, workers: 1, queue: 64 };
    config.authorization_details_types = vec!["payment".to_owned()];
    // Inputs come one after the other at one instant, and each is to mean what it would mean alone.
    let never = ThrottleLimit { burst: u32::MAX, every: std::time::Duration::from_nanos(1) };
    config.throttle = ThrottlePolicy {
        account: never,
        address: never,
        network: never,
        password: never,
        ..ThrottlePolicy::default()
    };
    config.dpop.require_nonce = false;
    let key = json!({ "keys": [keys::signing("ed").public_jwk().expect("a key pair")] });
    config.trusted_issuers = vec![TrustedIssuer {
        issuer: "https://people.example".to_owned(),
        keys: TrustedKeys::Given(serde_json::from_value(key).expect("keys")),
        clients: vec!["vault".parse().expect("a client")],
        audience: Vec::new(),
        claims: Default::default(),
        subject: SubjectMapping::User { claim: "sub".to_owned() },
        scope: None,
    }];
    let store = Arc::new(Embedded::open(folder).expect("a store"));
    let master = MasterKey::generate().expect("a key");
    let issuer = Issuer::open(config, &master, store, NOW).await.expect("an issuer");
    let role = Role {
        name: "admin".parse().expect("a role"),
        scope: "gatepass:admin orders:read".parse().expect("a scope"),
    };
    issuer.put_role(role, NOW).await.expect("a role");
    let user = NewUser {
        username: "ada".parse().expect("a name"),
        name: None,
        password: FirstPassword::New(Password::new(PASSWORD).expect("a password")),
        email: None,
        disabled: false,
        roles: vec!["admin".parse().expect("a role")],
    };
    issuer.create_user(user, NOW).await.expect("a user");
    let proxies = vec!["127.0.0.1".parse().expect("a network")];
    let certificates = ClientCertificates::new(proxies, None, None).expect("without authorities");
    let http = HttpConfig { client_certificates: Some(certificates), ..HttpConfig::default() };
    router_at(Arc::new(issuer), http, Clock::new(|| NOW))
}
