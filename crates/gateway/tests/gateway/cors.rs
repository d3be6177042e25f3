//! Web pages of other origins.

use http::{Method, Request, Response, StatusCode};

use crate::harness::{Answer, Backend, Running, TestBody, Token, config, full, send};

const ROUTES: &str = "
[[route]]
path = '/orders'
methods = ['GET', 'POST']
upstream = 'backend'
cors = { origins = ['https://app.example.com', 'capacitor://localhost'], credentials = true, max_age = '10m', expose = ['ETag'] }
rate_limit = { per = 'address', requests = 8, every = '1d' }

[[route]]
path = '/orders'
methods = ['DELETE']
upstream = 'backend'
public = true

[[route]]
path = '/open'
upstream = 'backend'
public = true
cors = { origins = ['*'], methods = ['GET', 'PUT'], headers = ['X-One', 'x-two'] }

[[route]]
path = '/dead'
upstream = 'dead'
public = true
cors = { origins = ['https://app.example.com'] }

[[route]]
path = '/by-header'
upstream = 'backend'
headers = { x-v = '1' }
cors = { origins = ['https://one.example.com'] }

[[route]]
path = '/by-header'
upstream = 'backend'
cors = { origins = ['https://app.example.com'] }

[[route]]
path = '/{*rest}'
upstream = 'backend'
public = true

[[upstream]]
name = 'dead'
servers = ['http://127.0.0.1:1']
";
const APP: &str = "https://app.example.com";

/// A service that says what it likes of CORS.
async fn gateway() -> (Backend, Running) {
    let backend = Backend::start(|request: Request<_>| async move {
        Response::builder()
            .header("access-control-allow-origin", "*")
            .header("access-control-expose-headers", "x-secret")
            .header("x-method", request.method().as_str())
            .header("vary", "accept")
            .body(full("backend"))
            .unwrap()
    })
    .await;
    let gateway = Running::start(&config(backend.address, ROUTES)).await;
    (backend, gateway)
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request<TestBody> {
    let mut request = Request::builder().method(method.parse::<Method>().unwrap()).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(full("")).unwrap()
}

fn vary(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn preflights_are_answered_without_a_token() {
    let (backend, gateway) = gateway().await;
    let asks = |method| ("access-control-request-method", method);
    let cases = [
        ("listed", "/orders", APP, "POST", 204, Some(APP)),
        ("an_app", "/orders", "capacitor://localhost", "GET", 204, Some("capacitor://localhost")),
        ("head_as_get", "/orders", APP, "HEAD", 204, Some(APP)),
        ("another_origin", "/orders", "https://evil.example.com", "GET", 403, None),
        ("nobodys_origin", "/orders", "null", "GET", 403, None),
        ("anybody", "/open", "https://evil.example.com", "PUT", 204, Some("*")),
        ("anybody_but_nobody", "/open", "null", "PUT", 403, None),
        (
            "of_the_route_with_the_header",
            "/by-header",
            "https://one.example.com",
            "GET",
            204,
            Some("https://one.example.com"),
        ),
        ("of_the_route_without", "/by-header", APP, "GET", 204, Some(APP)),
        // No route with `cors` serves these: it is for the service, or for nobody, to answer.
        ("another_methods_route", "/orders", APP, "DELETE", 405, None),
        ("no_route_with_cors", "/other", APP, "GET", 200, Some("*")),
        ("a_path_with_two_readings", "/orders/../orders", APP, "GET", 400, None),
    ];
    for (name, path, origin, method, status, allowed) in cases {
        let answer =
            send(gateway.address, request("OPTIONS", path, &[("origin", origin), asks(method)])).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), allowed, "{name}");
        if status == 204 {
            let questions = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
            assert_eq!(vary(&answer), [questions], "{name}");
        }
        if status == 403 {
            assert_eq!(answer.code(), "origin-not-allowed", "{name}");
        }
    }
    let answer = send(gateway.address, request("OPTIONS", "/orders", &[("origin", APP), asks("POST")])).await;
    let fields = ["methods", "headers", "credentials"]
        .map(|what| answer.header(&format!("access-control-allow-{what}")).map(str::to_owned));
    assert_eq!(
        fields,
        [Some("POST"), Some("authorization, content-type, dpop"), Some("true")]
            .map(|text| text.map(str::to_owned))
    );
    assert_eq!(answer.header("access-control-max-age"), Some("600"));
    let answer = send(gateway.address, request("OPTIONS", "/open", &[("origin", APP), asks("POST")])).await;
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET, PUT"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("x-one, x-two"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    // Preflights cost nobody an allowance, and are no requests: one with two origins is none either.
    assert_eq!(answer.header("ratelimit"), None);
    let twice = [("origin", APP), ("origin", APP), asks("GET")];
    assert_eq!(send(gateway.address, request("OPTIONS", "/orders", &twice)).await.status, 405);
    assert_eq!(send(gateway.address, request("OPTIONS", "/orders", &[("origin", APP)])).await.status, 405);
    let refused = gateway.gateway.stats().refused;
    assert_eq!(refused["origin-not-allowed"], 3, "{refused:?}");
    assert_eq!(backend.connections(), 1, "only the route without `cors` asked the service");
}

#[tokio::test]
async fn answers_and_refusals_can_be_read_by_the_pages_that_may() {
    let (_backend, gateway) = gateway().await;
    let exposed = "www-authenticate, dpop-nonce, retry-after, ratelimit, ratelimit-policy, etag";
    let token = Token::of("ann").bearer();
    let with = |origin| [("origin", origin), ("authorization", &*token)];
    let answer = gateway.get("/orders", &with(APP)).await;
    assert_eq!((answer.status, answer.header("access-control-allow-origin")), (StatusCode::OK, Some(APP)));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("access-control-expose-headers"), Some(exposed), "the gateway alone says");
    assert_eq!(vary(&answer), ["accept", "Origin"]);
    for (name, headers) in
        [("another_origin", &with("https://evil.example.com")[..]), ("no_origin", &with(APP)[1..])]
    {
        let answer = gateway.get("/orders", headers).await;
        assert_eq!(
            (answer.status, answer.header("access-control-allow-origin")),
            (StatusCode::OK, None),
            "{name}"
        );
        assert_eq!(answer.header("access-control-expose-headers"), None, "{name}");
        assert_eq!(vary(&answer), ["accept", "Origin"], "{name}");
    }
    let mut refusals = vec![
        (401, gateway.get("/orders", &[("origin", APP)]).await),
        (401, gateway.get("/orders", &[("origin", APP), ("authorization", "Bearer x")]).await),
        (502, gateway.get("/dead", &[("origin", APP)]).await),
    ];
    loop {
        let answer = gateway.get("/orders", &with(APP)).await;
        if answer.status != StatusCode::OK {
            refusals.push((429, answer));
            break;
        }
    }
    for (status, answer) in refusals {
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(APP), "{status}");
        assert!(
            answer.header("access-control-expose-headers").unwrap().contains("www-authenticate"),
            "{status}"
        );
        assert_eq!(vary(&answer), ["Origin"], "{status}");
    }
    // Where the gateway was told nothing of CORS, the service decides.
    let answer = gateway.get("/other", &[("origin", APP)]).await;
    assert_eq!(answer.header("access-control-expose-headers"), Some("x-secret"));
    assert_eq!(vary(&answer), ["accept"]);
}
