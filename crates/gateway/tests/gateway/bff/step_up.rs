//! Browsers whose login is not what a route demands, and those that have none.

use super::*;

/// A page that is opened.
const VISIT: [(&str, &str); 3] =
    [("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document"), ("sec-fetch-site", "none")];
/// A script of the site's own.
const SCRIPT: [(&str, &str); 2] = [("sec-fetch-mode", "cors"), ("sec-fetch-site", "same-origin")];

/// The issuer is asked for a login that is younger than the route demands, by as much as clocks may differ.
const DEMANDS: &str = "acr_values=urn%3Agold+urn%3Asilver&max_age=540";

fn good() -> Value {
    json!({ "acr": "urn:silver", "auth_time": now() })
}

impl World {
    async fn visit(&self, path: &str, cookies: &str) -> Answer {
        self.gateway.get(path, &[&VISIT[..], &[("cookie", cookies)]].concat()).await
    }

    async fn script(&self, path: &str, cookies: &str) -> Answer {
        self.gateway.get(path, &[&SCRIPT[..], &[("cookie", cookies)]].concat()).await
    }

    /// Goes where a page was led, logs in there, and gives all cookies that the browser has then.
    async fn log_in_at(&self, answer: &Answer) -> (Answer, String) {
        assert_eq!(answer.status, StatusCode::FOUND, "{answer:?}");
        let path = answer.header("location").unwrap().strip_prefix(ORIGIN).unwrap().to_owned();
        let (login, asked) = self.begin(&path).await;
        let back = self.gateway.get(&self.log_in(&asked), &[("cookie", &login)]).await;
        let cookies =
            format!("{}; {}", cookie(&back, "__Host-session"), cookie(&back, "__Host-session-login-done"));
        (back, cookies)
    }
}

/// What a script is told beside the refusal.
fn login(answer: &Answer) -> Option<String> {
    answer.json()["login"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn a_page_that_demands_another_login_leads_there_and_back() {
    let world = World::start().await;
    world.issuer.with(|told| told.access_claims = json!({ "acr": "urn:silver", "auth_time": now() - 700 }));
    let old = world.session().await;
    let refused = world.visit("/pay/now?to=bob&sum=1", &old).await;
    let to = format!("{ORIGIN}/bff/login?return_to=%2Fpay%2Fnow%3Fto%3Dbob%26sum%3D1&{DEMANDS}");
    assert_eq!((refused.status, refused.header("location")), (StatusCode::FOUND, Some(&*to)));
    let caching: Vec<_> = refused.headers.get_all("cache-control").iter().collect();
    assert_eq!(caching, ["no-store", "private"]);
    assert!(!clears(&refused, "__Host-session"), "who does not log in anew keeps the session");
    let counts = world.gateway.gateway.stats().refused;
    assert_eq!(counts["insufficient-user-authentication"], 1, "it is a refusal");

    let (_, asked) = world.begin(to.strip_prefix(ORIGIN).unwrap()).await;
    assert_eq!((&*asked["acr_values"], &*asked["max_age"]), ("urn:gold urn:silver", "540"));
    world.issuer.with(|told| told.access_claims = good());
    let (back, cookies) = world.log_in_at(&refused).await;
    assert_eq!(
        (back.status, back.header("location")),
        (StatusCode::SEE_OTHER, Some("/pay/now?to=bob&sum=1"))
    );
    assert_eq!(world.visit("/pay/now?to=bob&sum=1", &cookies).await.status, StatusCode::OK);

    // What comes to nothing at the issuer ends no session, and can be begun again.
    let (login, asked) = world.begin(to.strip_prefix(ORIGIN).unwrap()).await;
    let declined = world.log_in(&asked).replace("code=", "error=access_denied&x=");
    let session = cookies.split("; ").next().unwrap();
    let failed = world.gateway.get(&declined, &[("cookie", &format!("{login}; {session}"))]).await;
    assert_eq!(failed.status, StatusCode::BAD_REQUEST);
    let again = to.strip_prefix(ORIGIN).unwrap().replace('&', "&amp;");
    assert!(failed.text.contains(&format!("<a href=\"{again}\">")), "{failed:?}");
    assert_eq!(world.visit("/pay/now?to=bob&sum=1", session).await.status, StatusCode::OK);

    // Who has no session, or one that is over, is asked for the same at once.
    let ended = format!("__Host-session={}", "A".repeat(64));
    for cookies in ["a=b", &ended] {
        let refused = world.visit("/pay/now?to=bob&sum=1", cookies).await;
        assert_eq!((refused.status, refused.header("location")), (StatusCode::FOUND, Some(&*to)));
        assert!(!clears(&refused, "__Host-session"), "the login may have put another one there by now");
    }
    let refused = world.visit("/api/a", "a=b").await;
    let plain = format!("{ORIGIN}/bff/login?return_to=%2Fapi%2Fa");
    assert_eq!(refused.header("location"), Some(&*plain), "and for no more than the route demands");
    let long = format!("/api/a?{}", "x".repeat(2_000));
    let refused = world.visit(&long, "a=b").await;
    assert_eq!(refused.header("location"), Some(&*format!("{ORIGIN}/bff/login")), "no way back");
}

#[tokio::test]
async fn a_login_that_does_not_do_is_not_begun_again_by_itself() {
    let world = World::start().await;
    // An issuer that passes over what it is asked for.
    world.issuer.with(|told| told.access_claims = json!({ "acr": "urn:bronze", "auth_time": now() }));
    let first = world.visit("/pay/now?a=b&c=d", "a=b").await;
    let (_, cookies) = world.log_in_at(&first).await;
    let refused = world.visit("/pay/now?a=b&c=d", &cookies).await;
    assert_eq!((refused.status, refused.header("location")), (StatusCode::FORBIDDEN, None));
    let again = DEMANDS.replace('&', "&amp;");
    let again = format!("<a href=\"/bff/login?return_to=%2Fpay%2Fnow%3Fa%3Db%26c%3Dd&amp;{again}\">");
    assert!(refused.text.contains(&again), "its user may want to: {refused:?}");
    assert_eq!(refused.headers.get_all("cache-control").iter().next().unwrap(), "no-store");
    assert_eq!(login(&world.script("/pay/now", &cookies).await), None, "nor by a script");
    assert_eq!(world.visit("/api/a", &cookies).await.status, StatusCode::OK, "it is a login all the same");

    // Another page, with other demands, may lead to a login of its own.
    world.issuer.with(|told| told.access_claims = json!({ "auth_time": now() - 100 }));
    let (_, others) = world.log_in_at(&world.visit("/api/a", "a=b").await).await;
    let (back, _) = world.log_in_at(&world.visit("/recent", &others).await).await;
    assert_eq!(back.header("location"), Some("/recent"));
    // A browser that brings no session back from its login is not sent around either.
    let mark = cookies.split("; ").last().unwrap();
    assert_eq!(world.visit("/pay/now", mark).await.status, StatusCode::FORBIDDEN);
    let twice = format!("{mark}; {mark}");
    assert_eq!(world.visit("/pay/now", &twice).await.status, StatusCode::FORBIDDEN);
    // Half a minute later the browser has forgotten.
    let session = cookies.split("; ").next().unwrap();
    assert_eq!(world.visit("/pay/now", session).await.status, StatusCode::FOUND);
}

#[tokio::test]
async fn scripts_are_told_which_login_would_do() {
    let world = World::start().await;
    let weak = world.session().await;
    let told = Some(format!("/bff/login?{DEMANDS}"));
    let refused = world.script("/pay/now", &weak).await;
    assert_eq!(
        (refused.status, &*refused.code()),
        (StatusCode::UNAUTHORIZED, "insufficient-user-authentication")
    );
    assert!(refused.header("www-authenticate").unwrap().contains("max_age=\"600\""), "{refused:?}");
    assert_eq!(login(&refused), told);
    let page = format!("{}&return_to=%2Fpay", told.clone().unwrap());
    let (_, asked) = world.begin(&page).await;
    assert_eq!(asked["max_age"], "540", "it adds where its page is to come back to");

    let own = world.gateway.get("/api/a", &[("cookie", &weak)]).await.json();
    let token = mirrored(&own, "authorization")[0].to_owned();
    let ended = format!("__Host-session={}", "A".repeat(64));
    let same = ("sec-fetch-site", "same-origin");
    type Case<'c> = (&'c str, Method, &'c str, Vec<(&'c str, &'c str)>, u16, Option<&'c str>);
    let visit = |more: &[(&'static str, &'static str)]| [&VISIT[..2], more].concat();
    let form = [visit(&[same]), vec![("cookie", &*weak)]].concat();
    let framed = vec![("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "iframe"), same, ("cookie", &*weak)];
    let ahead = [visit(&[same, ("sec-purpose", "prefetch")]), vec![("cookie", &*weak)]].concat();
    let cases: [Case<'_>; 10] = [
        ("ahead_of_its_user", Method::GET, "/pay/now", ahead, 401, told.as_deref()),
        ("post", Method::POST, "/pay/now", vec![same, ("cookie", &weak)], 401, told.as_deref()),
        ("a_form_cannot_be_sent_again", Method::POST, "/pay/now", form, 401, told.as_deref()),
        ("a_frame", Method::GET, "/pay/now", framed, 401, told.as_deref()),
        ("an_old_browser", Method::GET, "/pay/now", vec![("cookie", &weak)], 401, told.as_deref()),
        ("nobody", Method::GET, "/pay/now", vec![same], 401, told.as_deref()),
        ("ended", Method::GET, "/api/a", vec![same, ("cookie", &ended)], 401, Some("/bff/login")),
        ("a_token_of_its_own", Method::GET, "/pay/now", vec![("authorization", &token)], 401, None),
        ("no_sessions_here", Method::GET, "/tokens", visit(&[same]), 401, None),
        (
            "another_site",
            Method::GET,
            "/pay/now",
            vec![("sec-fetch-site", "cross-site"), ("cookie", &weak)],
            403,
            None,
        ),
    ];
    for (name, method, path, fields, status, want) in cases {
        let answer = ask(&world.gateway, method, path, &fields).await;
        assert_eq!((answer.status.as_u16(), login(&answer).as_deref()), (status, want), "{name}: {answer:?}");
    }

    // A proxy that asks can pass no redirect on, so a page is told as a script is.
    let asked = [("x-forwarded-method", "GET"), ("x-forwarded-uri", "/pay/now"), ("cookie", &*weak)];
    let answer = world.gateway.get("/auth/verify", &[&VISIT[..], &asked].concat()).await;
    assert_eq!((answer.status, login(&answer)), (StatusCode::UNAUTHORIZED, told));
}
