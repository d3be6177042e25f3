//! One browser, and several logins of its at once.

use super::*;

/// The gateway's cookies in a browser, in the order in which they came.
#[derive(Default)]
struct Jar(Vec<(String, String)>);

impl Jar {
    fn take(&mut self, answer: &Answer) {
        for set in answer.headers.get_all("set-cookie") {
            let pair = set.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            self.0.retain(|(known, _)| known != name);
            if name.starts_with("__Host-") && !value.is_empty() {
                self.0.push((name.to_owned(), value.to_owned()));
            }
        }
    }

    fn text(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn names(&self) -> Vec<&str> {
        self.0.iter().map(|(name, _)| &**name).collect()
    }
}

impl World {
    async fn open(&self, jar: &mut Jar, path: &str) -> Answer {
        let answer = self.gateway.get(path, &[("cookie", &*format!("theme=dark; {}", jar.text()))]).await;
        jar.take(&answer);
        answer
    }

    /// Begins a login and logs in at the issuer: the callback's target.
    async fn tab(&self, jar: &mut Jar, return_to: &str) -> String {
        let answer = self.open(jar, &format!("/bff/login?return_to={return_to}")).await;
        assert_eq!(answer.status, StatusCode::FOUND, "{answer:?}");
        let url = Url::parse(answer.header("location").unwrap()).unwrap();
        self.log_in(&url.query_pairs().into_owned().collect())
    }
}

/// The link offers a login, and no page to come back to.
fn is_plain_offer(answer: &Answer) -> bool {
    answer.status == StatusCode::BAD_REQUEST && answer.text.contains("<a href=\"/bff/login\">")
}

#[tokio::test]
async fn logins_in_several_tabs_do_not_end_each_other() {
    let (world, mut jar) = (World::start().await, Jar::default());
    let first = world.tab(&mut jar, "/a").await;
    let second = world.tab(&mut jar, "/b").await;
    for (callback, page) in [(&first, "/a"), (&second, "/b")] {
        let back = world.open(&mut jar, callback).await;
        assert_eq!((back.status, back.header("location")), (StatusCode::SEE_OTHER, Some(page)), "{back:?}");
        assert_eq!(world.open(&mut jar, "/api/a").await.status, StatusCode::OK);
    }
    assert_eq!(jar.names(), ["__Host-session", "__Host-session-login-done"]);
    assert_eq!(world.issuer.with(|told| told.revoked.len()), 1, "one session is left");

    // A tab that comes too late ends nothing.
    let late = world.open(&mut jar, &first).await;
    assert!(is_plain_offer(&late) && late.header("set-cookie").is_none(), "{late:?}");
    assert_eq!(world.open(&mut jar, "/api/a").await.status, StatusCode::OK);

    // A logout ends the logins that are under way as well.
    let third = world.tab(&mut jar, "/c").await;
    let fields = [("cookie", &*jar.text()), ("origin", ORIGIN)];
    jar.take(&ask(&world.gateway, Method::POST, "/bff/logout", &fields).await);
    assert_eq!(jar.names(), [""; 0]);
    assert!(is_plain_offer(&world.open(&mut jar, &third).await));
}

#[tokio::test]
async fn an_answer_to_no_login_of_this_browser_costs_nobody_theirs() {
    let (world, mut jar) = (World::start().await, Jar::default());
    let own = world.tab(&mut jar, "/a").await;
    let elsewhere = world.tab(&mut Jar::default(), "/b").await;
    let state = own.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let alike = format!("{}{}", &state[..8], "A".repeat(state.len() - 8));
    let cases = [
        elsewhere,
        "/bff/callback".to_owned(),
        "/bff/callback?code=c&state=x".to_owned(),
        format!("/bff/callback?error=access_denied&state={alike}"),
        format!("/bff/callback?error=access_denied&state={}", &state[..8]),
        format!("/bff/callback?error=access_denied&state={state}&state={state}"),
        own.replace(state, &alike),
        own.replace(state, "done"),
    ];
    for path in cases {
        let answer = world.open(&mut jar, &path).await;
        assert!(is_plain_offer(&answer) && answer.header("set-cookie").is_none(), "{path}: {answer:?}");
    }
    assert_eq!(world.open(&mut jar, &own).await.header("location"), Some("/a"));
}

#[tokio::test]
async fn a_browser_keeps_a_few_logins_under_way_and_gives_up_the_oldest() {
    let (world, mut jar) = (World::start().await, Jar::default());
    jar.0.push(("__Host-session-login-AAAAAAAA".to_owned(), "nobody-sealed-it".to_owned()));
    let mut tabs = Vec::new();
    for n in 0..6 {
        let page = format!("/{n}");
        tabs.push((world.tab(&mut jar, &page).await, page));
        assert_eq!(jar.0.len(), (n + 1).min(4), "{:?}", jar.names());
    }
    for (n, (callback, page)) in tabs.iter().enumerate() {
        let back = world.open(&mut jar, callback).await;
        match n {
            0 | 1 => assert!(is_plain_offer(&back), "{n}: {back:?}"),
            _ => assert_eq!(back.header("location"), Some(&**page), "{n}"),
        }
    }
    // Where they are long, fewer.
    let page = format!("/{}", "x".repeat(1_000));
    for _ in 0..4 {
        let newest = world.tab(&mut jar, &page).await;
        let logins = jar.0.iter().filter(|(name, _)| name.starts_with("__Host-session-login-"));
        assert!(logins.map(|(_, value)| value.len()).sum::<usize>() <= 4_200, "{:?}", jar.names());
        assert!(jar.names().last().unwrap().ends_with(&newest.split("state=").nth(1).unwrap()[..8]));
    }
}
