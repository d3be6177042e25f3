//! Too many requests.

use gatepass_gateway::Config;
use http::{Request, StatusCode};

use crate::harness::{Answer, Backend, Running, Token, config, full, send};

/// A day is longer than any test: nothing comes back meanwhile.
const ROUTES: &str = "
trusted_proxies = ['127.0.0.0/8']

[[rate_limit]]
name = 'partners'
per = 'client'
requests = 2
every = '1d'

[[route]]
path = '/subject'
upstream = 'backend'
optional = true
rate_limit = { per = 'subject', requests = 1_000, every = '1d', burst = 2 }

[[route]]
path = '/one'
upstream = 'backend'
rate_limit = 'partners'

[[route]]
path = '/other'
upstream = 'backend'
rate_limit = 'partners'

[[route]]
path = '/address'
upstream = 'backend'
rate_limit = { per = 'address', requests = 2, every = '1d' }

[[route]]
path = '/shadow'
upstream = 'backend'
enforce = false
rate_limit = { per = 'address', requests = 1, every = '1d' }

[[route]]
path = '/free'
upstream = 'backend'
public = true
";

fn with_limits(backend: &Backend, routes: &str) -> String {
    let (proxies, routes) = routes.split_once("\n\n").unwrap();
    format!("{proxies}\n{}", config(backend.address, routes))
}

async fn gateway() -> (Backend, Running) {
    let backend = Backend::mirror().await;
    let gateway = Running::start(&with_limits(&backend, ROUTES)).await;
    (backend, gateway)
}

fn limited(answer: &Answer) -> [Option<&str>; 3] {
    ["ratelimit", "ratelimit-policy", "retry-after"].map(|name| answer.header(name))
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let (_backend, gateway) = gateway().await;
    let (ann, berta) = (Token::of("ann").bearer(), Token::of("berta").bearer());
    let policy = Some("\"default\";q=1000;w=86400");
    let ask = async |token: &str| gateway.get("/subject", &[("authorization", token)]).await;
    let first = ask(&ann).await;
    assert_eq!(
        (first.status, limited(&first)),
        (StatusCode::OK, [Some("\"default\";r=1;t=87"), policy, None])
    );
    assert_eq!(ask(&ann).await.status, StatusCode::OK);
    let refused = ask(&ann).await;
    assert_eq!((refused.status, &*refused.code()), (StatusCode::TOO_MANY_REQUESTS, "rate-limited"));
    let [standing, told, retry_after] = limited(&refused);
    assert!(standing.unwrap().starts_with("\"default\";r=0;t=17"), "{standing:?}");
    assert_eq!(told, policy);
    let retry_after: u64 = retry_after.unwrap().parse().unwrap();
    assert!((1..=87).contains(&retry_after), "{retry_after}");
    // Another token of hers is hers; another subject's is another's; who shows none counts by address.
    let again = Token::of("ann").claim("jti", "t2").bearer();
    assert_eq!(ask(&again).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask(&berta).await.status, StatusCode::OK);
    assert_eq!(gateway.get("/subject", &[]).await.status, StatusCode::OK);
    // A bad token costs nobody's allowance, and is not told how it stands with one.
    for _ in 0..5 {
        let answer = ask("Bearer nonsense").await;
        assert_eq!((answer.status, limited(&answer)), (StatusCode::UNAUTHORIZED, [None; 3]));
    }
    assert_eq!(ask(&berta).await.status, StatusCode::OK);
    assert_eq!(gateway.gateway.stats().refused["rate-limited"], 2);
    assert_eq!(limited(&gateway.get("/free", &[]).await), [None; 3]);
}

#[tokio::test]
async fn routes_may_share_a_limit() {
    let (_backend, gateway) = gateway().await;
    let ann = Token::of("ann").bearer();
    let berta_with_the_same_client = Token::of("berta").bearer();
    let another_client = Token::of("ann").claim("client_id", "app").bearer();
    let ask = async |path: &str, token: &str| gateway.get(path, &[("authorization", token)]).await.status;
    assert_eq!(ask("/one", &ann).await, 200);
    assert_eq!(ask("/other", &berta_with_the_same_client).await, 200);
    assert_eq!(ask("/one", &berta_with_the_same_client).await, 429);
    assert_eq!(ask("/other", &ann).await, 429);
    assert_eq!(ask("/other", &another_client).await, 200);
}

#[tokio::test]
async fn an_address_counts_before_its_token_is_looked_at() {
    let (_backend, gateway) = gateway().await;
    // The connection is a trusted proxy's, which tells its client's address last.
    let ask = async |client: &str| gateway.get("/address", &[("x-forwarded-for", client)]).await.status;
    let cases = [
        ("203.0.113.1", 401),
        ("198.51.100.1, 203.0.113.1", 401), // what the client made up does not make another of it
        ("203.0.113.1", 429),
        ("198.51.100.2,203.0.113.1, 127.0.0.9", 429),
        ("203.0.113.2", 401),
        ("2001:db8::1", 401),
        ("2001:db8::2", 401),
        ("2001:db8::3", 429), // one machine has the whole network
        ("2001:db8:0:1::1", 401),
    ];
    for (index, (client, status)) in cases.into_iter().enumerate() {
        assert_eq!(ask(client).await, status, "{index}: {client}");
    }
    // Nobody else is believed.
    let (_other, strict) = {
        let backend = Backend::mirror().await;
        let text = with_limits(&backend, &ROUTES.replace("127.0.0.0/8", "10.0.0.0/8"));
        let gateway = Running::start(&text).await;
        (backend, gateway)
    };
    for status in [401, 401, 429] {
        let client = format!("203.0.113.{status}");
        assert_eq!(strict.get("/address", &[("x-forwarded-for", &client)]).await.status, status);
    }
}

#[tokio::test]
async fn a_proxy_that_asks_hears_of_it_and_a_route_in_its_first_week_only_counts() {
    let (_backend, gateway) = gateway().await;
    let question =
        [("x-forwarded-uri", "/address"), ("x-forwarded-method", "GET"), ("x-forwarded-for", "203.0.113.1")];
    for _ in 0..2 {
        assert_eq!(gateway.get("/auth/verify", &question).await.status, StatusCode::UNAUTHORIZED);
    }
    let refused = gateway.get("/auth/verify", &question).await;
    // nginx makes an error of its own out of 429.
    assert_eq!((refused.status, &*refused.code()), (StatusCode::FORBIDDEN, "rate-limited"));
    assert!(limited(&refused).iter().all(Option::is_some), "{refused:?}");

    for _ in 0..3 {
        let answer = gateway.get("/shadow", &[("authorization", &Token::of("ann").bearer())]).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    let stats = gateway.gateway.stats();
    assert_eq!((stats.would_refuse.get("rate-limited"), stats.refused["rate-limited"]), (Some(&2), 1));
}

#[tokio::test]
async fn what_was_used_up_stays_so_over_a_reload_and_no_longer_than_the_limit_does() {
    let (backend, gateway) = gateway().await;
    let ann = Token::of("ann").bearer();
    let ask = async |path: &str| {
        let request = Request::get(path).header("authorization", &ann).body(full("")).unwrap();
        send(gateway.address, request).await.status
    };
    let reload = async |routes: &str| {
        gateway.gateway.reload(Config::parse(&with_limits(&backend, routes)).unwrap()).await.unwrap();
    };
    for path in ["/one", "/one", "/subject", "/subject"] {
        assert_eq!(ask(path).await, 200);
    }
    // Another route comes first now, and another limit is another.
    let first = "\n\n[[route]]\npath = '/new'\nupstream = 'backend'\nrate_limit = { per = 'address', requests = 9, every = '1m' }\n";
    reload(&ROUTES.replacen("\n\n", first, 1)).await;
    assert_eq!([ask("/one").await, ask("/subject").await], [429, 429]);
    reload(&ROUTES.replace("requests = 2\n", "requests = 3\n")).await;
    assert_eq!([ask("/one").await, ask("/subject").await], [200, 429]);
}
