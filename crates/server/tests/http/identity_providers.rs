//! Logins with providers elsewhere: the way there and back, what becomes of who comes, and what is refused.

mod attacks;
pub(crate) mod mock;
mod slow;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gatepass_issuer::admin::ChangeUser;
use gatepass_issuer::{
    AccountPolicy, Email, IdentityProvider, LinkedIdentity, ProviderCredential, ProviderResponseMode,
    UserInfoMembers,
};
use gatepass_jose::{Alg, SigningKey};
use gatepass_revocation::Reason;
use gatepass_server::HttpConfig;
use gatepass_token::{CodeChallenge, CodeVerifier};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use url::Url;

use self::mock::Mock;
use crate::browser::*;
use crate::fixture::{Answer, Fixture, ISSUER, PASSWORD, with};
use crate::responses::change;

const ADDRESS: &str = "alice@example.com";

pub(crate) fn create(email_domains: &[&str]) -> AccountPolicy {
    AccountPolicy::Create {
        email_domains: email_domains.iter().map(|domain| (*domain).to_owned()).collect(),
        roles: vec!["clerk".parse().unwrap()],
    }
}

/// A fixture with these providers, and the applications of the other tests.
async fn started(providers: Vec<Arc<IdentityProvider>>) -> Fixture {
    let fixture = Fixture::with(HttpConfig::default(), |config| config.identity_providers = providers).await;
    register(&fixture).await;
    fixture
}

/// A fixture with the provider `corp`.
pub(crate) async fn corp(accounts: AccountPolicy) -> (Fixture, Mock) {
    let mock = Mock::start().await;
    (started(vec![mock.openid("corp", accounts)]).await, mock)
}

pub(crate) async fn set_address(fixture: &Fixture, address: &str, verified: bool) {
    let email = Some(Some(Email { address: address.parse().unwrap(), verified }));
    let change = ChangeUser { email, ..ChangeUser::default() };
    fixture.issuer.change_user(fixture.alice, change, fixture.now()).await.unwrap();
}

async fn link(fixture: &Fixture, provider: &str, subject: &str) {
    let (provider, subject) = (provider.parse().unwrap(), subject.to_owned());
    let link = LinkedIdentity { provider, subject, user: fixture.alice, linked_at: fixture.now() };
    fixture.issuer.link_identity(link).await.unwrap();
}

/// Presses the button of a provider; where the browser is sent.
async fn press(fixture: &Fixture, browser: &mut Browser<'_>, page: &Answer, provider: &str) -> Url {
    let page = pressed(fixture, browser, page, provider).await.expect(StatusCode::OK);
    let (_, url) = page.header("refresh").split_once("; url=").unwrap();
    assert!(text(&page).contains("rel=\"noreferrer\""), "for those whose browser does not go by itself");
    url.parse().unwrap()
}

pub(crate) async fn pressed(
    fixture: &Fixture,
    browser: &mut Browser<'_>,
    page: &Answer,
    provider: &str,
) -> Answer {
    let action = format!("/oauth/providers/{provider}");
    assert!(text(page).contains(&format!("action=\"{action}\"")), "{}", text(page));
    let (_, fields) = form(page);
    let body = encode(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let call = fixture.post(&action).form(&body);
    browser.send(call.header("sec-fetch-site", "same-origin").header("origin", ISSUER)).await
}

fn query(url: &Url) -> BTreeMap<String, String> {
    url.query_pairs().into_owned().collect()
}

/// Lets the provider make ID tokens for the login that begins at `url`.
fn expects(fixture: &Fixture, mock: &Mock, url: &Url, more: Value) {
    let now = fixture.now().as_secs();
    let nonce = query(url).get("nonce").cloned();
    let mut claims = json!({
        "iss": mock.origin, "sub": "u-1", "aud": "gatepass", "iat": now, "exp": now + 300, "nonce": nonce,
        "name": "Alice A.", "email": ADDRESS, "email_verified": true,
    });
    claims.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    mock.say(|said| said.claims = claims);
}

/// Comes back from the provider with a code.
async fn back(browser: &mut Browser<'_>, provider: &str, url: &Url) -> Answer {
    let answer = encode([("code", "c-1"), ("state", &query(url)["state"])]);
    browser.open(&format!("/oauth/providers/{provider}/callback?{answer}")).await
}

/// From the application to the provider `corp` and back, where it says these claims.
pub(crate) async fn through(
    fixture: &Fixture,
    mock: &Mock,
    browser: &mut Browser<'_>,
    claims: Value,
) -> Answer {
    let page = browser.authorize(&request(&[("client_id", "own")])).await.expect(StatusCode::OK);
    let url = press(fixture, browser, &page, "corp").await;
    expects(fixture, mock, &url, claims);
    back(browser, "corp", &url).await
}

fn is_in(browser: &Browser<'_>) -> bool {
    browser.cookie(LOGIN_COOKIE).is_some()
}

#[tokio::test]
async fn a_linked_user_logs_in_and_the_application_hears_how() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    link(&fixture, "corp", "u-1").await;
    let mut browser = Browser::new(&fixture);
    let page = browser.authorize(&request(&[("client_id", "own")])).await;
    assert!(
        text(&page).contains("Log in with <strong dir=\"auto\">The &#60;corp&#62;</strong>"),
        "{}",
        text(&page)
    );
    let url = press(&fixture, &mut browser, &page, "corp").await;
    let asked = query(&url);
    assert!(url.as_str().starts_with(&format!("{}/authorize?", mock.origin)));
    assert_eq!(asked["redirect_uri"], format!("{ISSUER}/oauth/providers/corp/callback"));
    assert_eq!((&*asked["scope"], &*asked["response_type"]), ("openid email", "code"));
    assert!(!asked.contains_key("prompt"));
    expects(&fixture, &mock, &url, json!({}));
    let params = sent_back(&back(&mut browser, "corp", &url).await);

    let (form, shown) = mock.say(|said| said.asked.remove(0));
    assert_eq!((&*form["code"], &form["redirect_uri"]), ("c-1", &asked["redirect_uri"]));
    let challenge = CodeChallenge::parse(&asked["code_challenge"], Some("S256")).unwrap();
    assert!(challenge.is_of(&CodeVerifier::parse(&form["code_verifier"]).unwrap()));
    let pair = base64_simd::STANDARD.encode_to_string("gatepass:a+secret%3A+with+%25+and+%2B");
    assert_eq!(shown, format!("Basic {pair}"), "form-urlencoded first");

    let exchanged = fixture.post("/oauth/token").form(&exchange("own", &params["code"])).send().await;
    let tokens = exchanged.expect(StatusCode::OK).json();
    let id = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!(
        (&id["sub"], &id["acr"]),
        (&json!(fixture.alice.to_string()), &json!("urn:gatepass:acr:federated"))
    );
    assert!(id.get("amr").is_none(), "what the provider asked for is not ours to say");
    let metadata = fixture.get("/.well-known/openid-configuration").send().await.json();
    assert_eq!(
        metadata["acr_values_supported"],
        json!(["urn:gatepass:acr:password", "urn:gatepass:acr:federated"])
    );

    let again = browser.authorize(&request(&[("client_id", "own")])).await;
    assert!(sent_back(&again).contains_key("code"), "one login serves every application");
    fixture
        .issuer
        .unlink_identity(fixture.alice, &"corp".parse().unwrap(), Reason::ADMIN, fixture.now())
        .await
        .unwrap();
    let ended = browser.authorize(&request(&[("client_id", "own")])).await.expect(StatusCode::OK);
    assert!(text(&ended).contains("/oauth/login"), "with the link ends what began with it");
    let access = tokens["access_token"].as_str().unwrap();
    fixture.get("/oauth/userinfo").bearer(access).send().await.expect(StatusCode::UNAUTHORIZED);
    let after = through(&fixture, &mock, &mut browser, json!({ "email_verified": false })).await;
    assert_eq!(after.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn an_account_is_linked_with_its_password_and_its_users_word() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    set_address(&fixture, "Alice@Example.com", true).await;
    let mut browser = Browser::new(&fixture);
    let page =
        through(&fixture, &mock, &mut browser, json!({ "name": "<b>Alice" })).await.expect(StatusCode::OK);
    assert!(!is_in(&browser), "nobody is logged in by an address");
    let shown = text(&page);
    assert!(
        shown.contains("&#60;b&#62;Alice (alice@example.com)")
            && shown.contains("Password of <strong dir=\"auto\">alice</strong>"),
        "{shown}"
    );
    assert!(page.header("content-security-policy").ends_with("form-action 'self'"));

    let wrong = [("password", "not her password"), ("decision", "allow")];
    let refused = browser.submit(&page, &wrong).await.expect(StatusCode::UNAUTHORIZED);
    assert!(text(&refused).contains("/oauth/identity/link") && !is_in(&browser));
    let denied = browser.submit(&refused, &[("password", PASSWORD), ("decision", "deny")]).await;
    assert!(text(&denied).contains("/oauth/login") && !is_in(&browser));
    assert!(fixture.issuer.list_identities(fixture.alice).await.unwrap().is_empty());

    let allowed = [("password", PASSWORD), ("decision", "allow")];
    assert!(sent_back(&browser.submit(&refused, &allowed).await).contains_key("code"));
    let links = fixture.issuer.list_identities(fixture.alice).await.unwrap();
    assert_eq!(links.iter().map(|link| &*link.subject).collect::<Vec<_>>(), ["u-1"]);
    let twice = browser.submit(&refused, &allowed).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST, "answered once");

    let moved = json!({ "email": "someone@else.example", "email_verified": false });
    let mut elsewhere = Browser::new(&fixture);
    let params = sent_back(&through(&fixture, &mock, &mut elsewhere, moved).await);
    assert!(params.contains_key("code"), "the link is to the subject, whatever the address is by now");
    let taken_over = through(&fixture, &mock, &mut Browser::new(&fixture), json!({ "sub": "u-2" })).await;
    assert_eq!(
        taken_over.status,
        StatusCode::FORBIDDEN,
        "the same address is somebody else's at the provider now"
    );
}

#[tokio::test]
async fn who_is_logged_in_links_without_a_password_and_not_without_a_word() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    set_address(&fixture, ADDRESS, true).await;
    let mut browser = Browser::new(&fixture);
    let query = request(&[("client_id", "own"), ("prompt", "login")]);
    let page = browser.authorize(&query).await;
    let page_of_login = browser.log_in(&page, "alice").await;
    assert!(sent_back(&page_of_login).contains_key("code"));
    let arrive = async |browser: &mut Browser<'_>| {
        let page = browser.authorize(&query).await;
        let url = press(&fixture, browser, &page, "corp").await;
        expects(&fixture, &mock, &url, json!({ "auth_time": fixture.now().as_secs() }));
        back(browser, "corp", &url).await.expect(StatusCode::OK)
    };
    let links = async || fixture.issuer.list_identities(fixture.alice).await.unwrap().len();
    let page = arrive(&mut browser).await;
    assert!(!text(&page).contains("Password of"), "{}", text(&page));
    let mut without = Browser::new(&fixture);
    let name = "__Host-gatepass-browser";
    without.set_cookie(name, browser.cookie(name).unwrap());
    let refused = without.submit(&page, &[("decision", "allow")]).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "the same browser after a logout");
    assert_eq!(links().await, 0);
    assert!(sent_back(&browser.submit(&page, &[("decision", "allow")]).await).contains_key("code"));
    assert_eq!(links().await, 1);
    fixture
        .issuer
        .unlink_identity(fixture.alice, &"corp".parse().unwrap(), Reason::ADMIN, fixture.now())
        .await
        .unwrap();

    let login = browser.authorize(&query).await;
    browser.log_in(&login, "alice").await;
    fixture.pass(Duration::from_secs(300));
    let page = arrive(&mut browser).await;
    assert!(!text(&page).contains("Password of"));
    fixture.pass(Duration::from_secs(301));
    let late = browser.submit(&page, &[("decision", "allow")]).await;
    assert_eq!(late.status, StatusCode::BAD_REQUEST, "the login is not young any more");
    assert_eq!(links().await, 0);
}

#[tokio::test]
async fn nobody_is_let_in_by_what_a_provider_did_not_verify() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    set_address(&fixture, ADDRESS, true).await;
    let cases = [
        ("unverified", json!({ "email_verified": false })),
        ("nothing_said", json!({ "email_verified": null })),
        ("a_number", json!({ "email_verified": 1 })),
        ("another_address", json!({ "email": "alice@example.org" })),
        ("a_look_alike", json!({ "email": "аlice@example.com" })),
        ("two_addresses", json!({ "email": "alice@example.com, eve@evil.example" })),
    ];
    for (name, claims) in cases {
        let mut browser = Browser::new(&fixture);
        let page = through(&fixture, &mock, &mut browser, claims).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{name}");
        assert!(text(&page).contains("/oauth/login") && !is_in(&browser), "{name}");
    }
    // Nor by an address that nobody has verified here.
    set_address(&fixture, ADDRESS, false).await;
    let page = through(&fixture, &mock, &mut Browser::new(&fixture), json!({})).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_disabled_stay_out() {
    let (fixture, mock) = corp(create(&[])).await;
    set_address(&fixture, ADDRESS, true).await;
    link(&fixture, "corp", "u-1").await;
    let disabled = ChangeUser { disabled: Some(true), ..ChangeUser::default() };
    fixture.issuer.change_user(fixture.alice, disabled, fixture.now()).await.unwrap();
    for subject in ["u-1", "u-2"] {
        let mut browser = Browser::new(&fixture);
        let page = through(&fixture, &mock, &mut browser, json!({ "sub": subject })).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{subject}");
        assert!(!is_in(&browser), "{subject}");
    }
}

#[tokio::test]
async fn a_user_is_made_of_a_verified_address_with_their_word() {
    let (fixture, mock) = corp(create(&["example.com"])).await;
    let mut browser = Browser::new(&fixture);
    let new = json!({ "sub": "n-1", "email": "Newcomer@Example.com" });
    let page = through(&fixture, &mock, &mut browser, new).await.expect(StatusCode::OK);
    assert!(text(&page).contains("Create an account?") && !is_in(&browser));
    let denied = browser.submit(&page, &[("decision", "deny")]).await;
    assert!(text(&denied).contains("/oauth/login"));
    assert!(fixture.issuer.find_user_by_name(&"newcomer@example.com".parse().unwrap()).await.is_err());
    assert!(sent_back(&browser.submit(&page, &[("decision", "allow")]).await).contains_key("code"));
    let user = fixture.issuer.find_user_by_name(&"newcomer@example.com".parse().unwrap()).await.unwrap();
    assert_eq!(user.roles, ["clerk".parse().unwrap()]);
    assert!(user.email.is_some_and(|email| email.verified));
    let twice = browser.submit(&page, &[("decision", "allow")]).await;
    assert_eq!(twice.status, StatusCode::BAD_REQUEST);

    let root = fixture.issuer.find_user_by_name(&"root".parse().unwrap()).await.unwrap();
    let taken = json!({ "username": "taken@example.com", "password": "what a long one it is, really" });
    fixture
        .post("/admin/v1/users")
        .bearer(&fixture.admin().await)
        .json(&taken)
        .send()
        .await
        .expect(StatusCode::CREATED);
    let cases = [
        ("another_domain", json!({ "sub": "n-2", "email": "a@example.org" })),
        ("a_domain_below", json!({ "sub": "n-2", "email": "a@evil.example.com" })),
        ("unverified", json!({ "sub": "n-2", "email": "a@example.com", "email_verified": false })),
        ("a_name_that_is_taken", json!({ "sub": "n-2", "email": "TAKEN@example.com" })),
    ];
    for (name, claims) in cases {
        let page = through(&fixture, &mock, &mut Browser::new(&fixture), claims).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{name}");
    }
    assert_eq!(root.email, None);
}

#[tokio::test]
async fn of_two_who_become_one_user_at_once_one_does() {
    let (fixture, mock) = corp(create(&[])).await;
    let mut browsers: Vec<_> = (0..2).map(|_| Browser::new(&fixture)).collect();
    let mut pages = Vec::new();
    for (at, browser) in browsers.iter_mut().enumerate() {
        let claims = json!({ "sub": format!("n-{at}"), "email": "new@example.com" });
        pages.push(through(&fixture, &mock, browser, claims).await.expect(StatusCode::OK));
    }
    let [one, two] = &mut browsers[..] else { unreachable!() };
    let allow = [("decision", "allow")];
    let (first, second) = tokio::join!(one.submit(&pages[0], &allow), two.submit(&pages[1], &allow));
    let done = [&first, &second].iter().filter(|answer| answer.led_to().starts_with(CALLBACK)).count();
    assert_eq!(done, 1, "{} {}", first.status, second.status);
    assert!(is_in(one) != is_in(two));
}

#[tokio::test]
async fn a_plain_oauth_server_says_who_it_is_where_the_operator_says() {
    let mock = Mock::start().await;
    let members = |email_verified: Option<&str>| UserInfoMembers {
        subject: "/account/id".into(),
        email: Some("/account/mail".into()),
        email_verified: email_verified.map(str::to_owned),
        name: Some("/account/login".into()),
    };
    let providers = vec![
        mock.oauth("hub", members(Some("/account/verified")), create(&[])),
        mock.oauth("loose", members(None), AccountPolicy::Linked),
    ];
    let fixture = started(providers).await;
    set_address(&fixture, ADDRESS, true).await;
    let come = async |provider: &str, said: Value| {
        let mut browser = Browser::new(&fixture);
        let page = browser.authorize(&request(&[("client_id", "own")])).await;
        let url = press(&fixture, &mut browser, &page, provider).await;
        assert!(url.query().unwrap().starts_with("tenant=1&") && !query(&url).contains_key("nonce"));
        mock.say(|all| all.userinfo = said);
        let page = back(&mut browser, provider, &url).await;
        (page, is_in(&browser))
    };
    let account = json!({ "id": 4711, "mail": ADDRESS, "verified": true, "login": "octo" });
    let (page, _) = come("hub", json!({ "account": account })).await;
    assert!(text(&page).contains("octo (alice@example.com)"), "{}", text(&page));
    let (form, shown) = mock.say(|said| said.asked.pop().unwrap());
    assert_eq!((&*form["client_secret"], &*form["client_id"], &*shown), (mock::SECRET, "gatepass", ""));
    let (page, _) = come("loose", json!({ "account": account })).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "nobody says that the address was verified");
    link(&fixture, "loose", "4711").await;
    assert!(come("loose", json!({ "account": account })).await.1);
    for (name, said) in [
        ("another", with(account.clone(), "id", json!(4712))),
        ("text_of_another_number", with(account.clone(), "id", json!("04711"))),
        ("nobody", with(account.clone(), "id", Value::Null)),
        ("a_list", with(account.clone(), "id", json!([4711]))),
        ("a_broken_number", with(account, "id", json!(4711.5))),
    ] {
        assert!(!come("loose", json!({ "account": said })).await.1, "{name}");
    }
}

#[tokio::test]
async fn where_addresses_are_listed_the_primary_one_counts_if_it_is_verified() {
    let mock = Mock::start().await;
    mock.say(|said| {
        said.userinfo = json!({ "id": 4711, "login": "octo", "email": ADDRESS });
        said.emails = Some(json!([]));
    });
    let name = Some("/login".into());
    let members = UserInfoMembers { subject: "/id".into(), email: None, email_verified: None, name };
    let fixture = started(vec![mock.oauth("hub", members, create(&[]))]).await;
    set_address(&fixture, ADDRESS, true).await;
    let listed = |email: &str, primary: bool, verified: bool| json!({ "email": email, "primary": primary, "verified": verified, "visibility": null });
    let other = listed("other@example.com", false, true);
    for (name, emails, status) in [
        ("primary", json!([other, listed(ADDRESS, true, true)]), StatusCode::OK),
        ("not_verified", json!([other, listed(ADDRESS, true, false)]), StatusCode::FORBIDDEN),
        ("not_primary", json!([listed(ADDRESS, false, true)]), StatusCode::FORBIDDEN),
        ("none", json!([]), StatusCode::FORBIDDEN),
        ("no_list", json!({ "message": "Resource not accessible" }), StatusCode::BAD_GATEWAY),
        ("without_word_of_it", json!([{ "email": ADDRESS }]), StatusCode::BAD_GATEWAY),
    ] {
        mock.say(|said| said.emails = Some(emails));
        let mut browser = Browser::new(&fixture);
        let page = browser.authorize(&request(&[("client_id", "own")])).await;
        let url = press(&fixture, &mut browser, &page, "hub").await;
        let page = back(&mut browser, "hub", &url).await;
        assert_eq!(page.status, status, "{name}");
        let offered = text(&page).contains("octo (alice@example.com)");
        assert_eq!(offered, status == StatusCode::OK, "{name}");
    }
}

#[tokio::test]
async fn an_answer_that_is_posted_counts_as_one_that_came_by_redirect() {
    let mock = Mock::start().await;
    let provider = Arc::try_unwrap(mock.openid("corp", AccountPolicy::Linked)).unwrap();
    let provider = Arc::new(provider.answering_by(ProviderResponseMode::FormPost));
    let fixture = started(vec![provider, mock.openid("other", AccountPolicy::Linked)]).await;
    link(&fixture, "corp", "u-1").await;
    let mut browser = Browser::new(&fixture);
    let page = browser.authorize(&request(&[("client_id", "own")])).await;
    let url = press(&fixture, &mut browser, &page, "corp").await;
    assert_eq!(query(&url)["response_mode"], "form_post");
    expects(&fixture, &mock, &url, json!({}));

    // As browsers do: the post comes from another site, and without cookies.
    let post = async |provider: &str, body: &str| {
        let call = fixture.post(&format!("/oauth/providers/{provider}/callback")).form(body);
        call.header("sec-fetch-site", "cross-site").header("origin", &mock.origin).send().await
    };
    let state = query(&url)["state"].clone();
    let body = encode([("state", &*state), ("code", "c&1"), ("user", "{\"name\":\"Mallory\"}")]);
    let led = post("corp", &body).await;
    let want = encode([("state", &*state), ("code", "c&1")]);
    let callback = format!("/oauth/providers/corp/callback?{want}");
    assert_eq!((led.status, led.header("refresh")), (StatusCode::OK, &*format!("0; url={ISSUER}{callback}")));
    assert!(led.header("set-cookie").is_empty() && !text(&led).contains("Mallory"));
    browser.open(&callback).await;
    assert!(is_in(&browser));
    assert_eq!(mock.say(|said| said.asked.pop().unwrap()).0["code"], "c&1");

    for (name, provider, body) in [
        ("not_its_way", "other", &*body),
        ("nobody", "no-one", &*body),
        ("twice", "corp", "state=a&state=b"),
        ("no_form", "corp", "%ff=%ff"),
    ] {
        let refused = post(provider, body).await;
        assert!(refused.status.is_client_error(), "{name}: {}", refused.status);
    }
}

#[tokio::test]
async fn who_has_to_show_it_anew_is_asked_anew() {
    let mock = Mock::start().await;
    let members = UserInfoMembers { subject: "/sub".into(), email: None, email_verified: None, name: None };
    let providers =
        vec![mock.openid("corp", AccountPolicy::Linked), mock.oauth("hub", members, AccountPolicy::Linked)];
    let fixture = started(providers).await;
    link(&fixture, "corp", "u-1").await;
    let now = fixture.now().as_secs();
    for (name, said, want) in [
        ("asked", json!({ "auth_time": now }), true),
        ("not_asked", json!({ "auth_time": now - 61 }), false),
        ("nothing_said", json!({}), false),
    ] {
        let mut browser = Browser::new(&fixture);
        let page = browser.authorize(&request(&[("client_id", "own"), ("max_age", "300")])).await;
        assert!(!text(&page).contains("/oauth/providers/hub"), "it cannot ask anew");
        let url = press(&fixture, &mut browser, &page, "corp").await;
        assert_eq!((&*query(&url)["prompt"], &*query(&url)["max_age"]), ("login", "0"));
        expects(&fixture, &mock, &url, said);
        back(&mut browser, "corp", &url).await;
        assert_eq!(is_in(&browser), want, "{name}");
    }
    // A login that did not ask anew says nothing of how long ago the user was asked.
    let mut browser = Browser::new(&fixture);
    through(&fixture, &mock, &mut browser, json!({})).await;
    let page = browser.authorize(&request(&[("client_id", "own"), ("max_age", "300")])).await;
    assert!(text(&page).contains("/oauth/login"), "{}", page.status);
    let essential = r#"{"id_token":{"acr":{"essential":true,"value":"urn:gatepass:acr:password"}}}"#;
    let page = browser.authorize(&request(&[("client_id", "own"), ("claims", essential)])).await;
    assert!(text(&page).contains("/oauth/login") && !text(&page).contains("/oauth/providers/"));
}

#[tokio::test]
async fn tokens_say_when_a_provider_asked_its_user_and_not_when_it_sent_them() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    link(&fixture, "corp", "u-1").await;
    let now = fixture.now().as_secs();
    let cases = [
        ("long_ago", json!({ "auth_time": now - 5000 }), json!(now - 5000)),
        ("a_clock_ahead", json!({ "auth_time": now + 50 }), json!(now)),
        ("nothing_said", json!({}), Value::Null),
    ];
    for (name, said, want) in cases {
        let mut browser = Browser::new(&fixture);
        let back = sent_back(&through(&fixture, &mock, &mut browser, said).await);
        let exchanged = fixture.post("/oauth/token").form(&exchange("own", &back["code"])).send().await;
        let tokens = exchanged.expect(StatusCode::OK).json();
        for token in ["access_token", "id_token"] {
            let claims = claims(tokens[token].as_str().unwrap());
            assert_eq!(claims["acr"], "urn:gatepass:acr:federated", "{name} {token}");
            assert_eq!(claims.get("auth_time").unwrap_or(&Value::Null), &want, "{name} {token}");
        }
        let essential = r#"{"id_token":{"auth_time":{"essential":true}}}"#;
        for demand in [("max_age", "6000"), ("max_age", "99999999999999999999"), ("claims", essential)] {
            let answer = browser.authorize(&request(&[("client_id", "own"), demand])).await;
            let young = answer.status == StatusCode::SEE_OTHER && sent_back(&answer).contains_key("code");
            assert_eq!(young, name != "nothing_said", "{name} {demand:?}: what is not known is not young");
        }
    }
}

#[tokio::test]
async fn a_login_of_another_kind_is_asked_for_where_that_is_wanted() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    link(&fixture, "corp", "u-1").await;
    let mut browser = Browser::new(&fixture);
    through(&fixture, &mock, &mut browser, json!({})).await;
    let asking = |acr: &str, more: &[(&str, &str)]| {
        let mut changes = vec![("client_id", "own"), ("acr_values", acr)];
        changes.extend(more);
        request(&changes)
    };
    let (password, federated) = ("urn:example:gold urn:gatepass:acr:password", "urn:gatepass:acr:federated");
    let quiet = ("prompt", "none");
    let same = browser.authorize(&asking(federated, &[quiet])).await;
    assert!(sent_back(&same).contains_key("code"), "it is one already");
    let wished = browser.authorize(&asking(password, &[quiet, ("scope", "openid")])).await;
    assert!(sent_back(&wished).contains_key("code"), "a wish is no reason to refuse");
    let refused = browser.authorize(&asking(password, &[quiet])).await;
    assert_eq!(sent_back(&refused)["error"], "login_required");

    let page = browser.authorize(&asking(password, &[])).await.expect(StatusCode::OK);
    assert!(text(&page).contains("name=\"password\"") && !text(&page).contains("/oauth/providers/"));
    let back = sent_back(&browser.log_in(&page, "alice").await);
    let exchanged = fixture.post("/oauth/token").form(&exchange("own", &back["code"])).send().await;
    let tokens = exchanged.expect(StatusCode::OK).json();
    assert_eq!(claims(tokens["access_token"].as_str().unwrap())["acr"], "urn:gatepass:acr:password");

    // And back: a password will not do, and who brings one all the same is told so.
    let page = browser.authorize(&asking(federated, &[])).await.expect(StatusCode::OK);
    assert!(!text(&page).contains("name=\"password\""), "{}", text(&page));
    let (_, mut fields) = form(&page);
    fields.extend([("username", "alice"), ("password", PASSWORD)].map(|(n, v)| (n.into(), v.into())));
    let body = encode(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let forged = fixture.post("/oauth/login").form(&body);
    let forged = browser.send(forged.header("sec-fetch-site", "same-origin").header("origin", ISSUER)).await;
    assert_eq!(sent_back(&forged)["error"], "unmet_authentication_requirements");
    let url = press(&fixture, &mut browser, &page, "corp").await;
    expects(&fixture, &mock, &url, json!({}));
    let params = sent_back(&self::back(&mut browser, "corp", &url).await);
    assert!(params.contains_key("code"), "{params:?}");
}

#[tokio::test]
async fn a_login_is_of_the_kind_that_a_client_has_registered_where_its_request_asks_for_none() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    link(&fixture, "corp", "u-1").await;
    let mut browser = Browser::new(&fixture);
    through(&fixture, &mock, &mut browser, json!({})).await;
    let (password, federated) = ("urn:gatepass:acr:password", "urn:gatepass:acr:federated");
    let preferred = json!({ "default_acr_values": ["urn:example:gold", password] });
    change(&fixture, "own", preferred.clone()).await.expect(StatusCode::OK);
    let id_token = |asked: &str| format!(r#"{{"id_token":{{{asked}}}}}"#);
    let [voluntary, essential] = ["null", &format!(r#"{{"essential":true,"value":"{federated}"}}"#)]
        .map(|acr| id_token(&format!(r#""acr":{acr}"#)));
    let other = id_token(r#""auth_time":null"#);
    let cases = [
        ("nothing", vec![], true),
        ("another_claim", vec![("claims", &*other)], true),
        ("a_blank", vec![("acr_values", "")], true),
        ("another_way", vec![("acr_values", federated)], false),
        ("any_way_but_it_is_told", vec![("claims", &*voluntary)], false),
        ("another_way_as_a_claim", vec![("claims", &*essential)], false),
        ("quietly", vec![("prompt", "none")], false),
    ];
    for (name, changes, again) in cases {
        let all: Vec<_> = changes.into_iter().chain([("client_id", "own")]).collect();
        let answer = browser.authorize(&request(&all)).await;
        let is_asked = answer.status == StatusCode::OK && text(&answer).contains("/oauth/login");
        assert_eq!(is_asked, again, "{name}");
        assert!(again || sent_back(&answer).contains_key("code"), "{name}");
    }
    // It is a wish, whatever the tokens are for: who has their way is let in.
    let page = browser.authorize(&request(&[("client_id", "own")])).await;
    assert!(text(&page).contains("name=\"password\"") && text(&page).contains("/oauth/providers/"));
    let url = press(&fixture, &mut browser, &page, "corp").await;
    expects(&fixture, &mock, &url, json!({}));
    let params = sent_back(&self::back(&mut browser, "corp", &url).await);
    assert!(params.contains_key("code"), "{params:?}");
}

#[tokio::test]
async fn id_tokens_of_a_client_that_needs_it_always_say_when_their_user_logged_in() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    link(&fixture, "corp", "u-1").await;
    let mut browser = Browser::new(&fixture);
    through(&fixture, &mock, &mut browser, json!({})).await;
    let ask = || request(&[("client_id", "own")]);
    assert!(sent_back(&browser.authorize(&ask()).await).contains_key("code"), "nobody asks when");
    change(&fixture, "own", json!({ "require_auth_time": true })).await.expect(StatusCode::OK);
    let page = browser.authorize(&ask()).await.expect(StatusCode::OK);
    assert!(text(&page).contains("/oauth/login"), "the provider has not said it");
    // It has to say when it was, and may be as long ago as it was: a provider that does not say it will not do.
    let url = press(&fixture, &mut browser, &page, "corp").await;
    assert!(url.as_str().contains("max_age=1000000000") && !url.as_str().contains("prompt="), "{url}");
    expects(&fixture, &mock, &url, json!({}));
    let refused = self::back(&mut browser, "corp", &url).await;
    assert!(text(&refused).contains("and the application wants that"), "{}", text(&refused));
    let page = browser.authorize(&ask()).await.expect(StatusCode::OK);
    let url = press(&fixture, &mut browser, &page, "corp").await;
    let yesterday = fixture.now().as_secs() - 86_400;
    expects(&fixture, &mock, &url, json!({ "auth_time": yesterday }));
    let params = sent_back(&self::back(&mut browser, "corp", &url).await);
    let exchanged = fixture.post("/oauth/token").form(&exchange("own", &params["code"])).send().await;
    let tokens = exchanged.expect(StatusCode::OK).json();
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["auth_time"], yesterday);
}

#[tokio::test]
async fn a_device_is_allowed_after_a_login_with_a_provider() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    link(&fixture, "corp", "u-1").await;
    let mut browser = Browser::new(&fixture);
    let page = browser.open("/device?user_code=BCDF-GHJK").await;
    let url = press(&fixture, &mut browser, &page, "corp").await;
    expects(&fixture, &mock, &url, json!({}));
    let page = back(&mut browser, "corp", &url).await.expect(StatusCode::OK);
    assert!(text(&page).contains("BCDF-GHJK") && text(&page).contains("alice"), "{}", text(&page));
}

#[tokio::test]
async fn users_and_administrators_see_links_and_take_them_back() {
    let (fixture, _mock) = corp(AccountPolicy::Linked).await;
    let admin = fixture.admin().await;
    let links = format!("/admin/v1/users/{}/identities", fixture.alice);
    let add = |body: Value| fixture.post(&links).bearer(&admin).json(&body).send();
    let made = add(json!({ "provider": "corp", "subject": "u-1" })).await.expect(StatusCode::CREATED);
    assert_eq!(made.header("location"), format!("{links}/corp"));
    assert_eq!(
        add(json!({ "provider": "corp", "subject": "u-2" })).await.problem().0,
        409,
        "one at each provider"
    );
    let root = fixture.issuer.find_user_by_name(&"root".parse().unwrap()).await.unwrap();
    let of_root = format!("/admin/v1/users/{}/identities", root.id);
    let body = json!({ "provider": "corp", "subject": "u-1" });
    let taken = fixture.post(&of_root).bearer(&admin).json(&body).send().await;
    assert_eq!(taken.problem().0, 409, "an identity is one user's");
    assert_eq!(add(json!({ "provider": "none", "subject": "u-1" })).await.problem().0, 400);
    assert_eq!(add(json!({ "provider": "corp", "subject": "" })).await.problem().0, 400);

    let alice = fixture.log_in("alice").await.access;
    let own = fixture.get("/session/identities").bearer(&alice).send().await.expect(StatusCode::OK).json();
    assert_eq!(
        (&own["identities"][0]["provider"], &own["identities"][0]["subject"]),
        (&json!("corp"), &json!("u-1"))
    );
    let theirs = fixture.get("/session/identities").bearer(&admin).send().await.json();
    assert_eq!(theirs["identities"], json!([]));
    let remove = |token: &str| fixture.call(Method::DELETE, "/session/identities/corp").bearer(token).send();
    assert_eq!(remove(&admin).await.problem().0, 404, "another user's link is not one's own");
    remove(&alice).await.expect(StatusCode::NO_CONTENT);
    assert_eq!(fixture.get(&links).bearer(&admin).send().await.json()["identities"], json!([]));
    let gone = fixture.call(Method::DELETE, &format!("{links}/corp")).bearer(&admin).send().await;
    assert_eq!(gone.problem().0, 404);
}

#[tokio::test]
async fn this_server_shows_who_it_is_by_a_key() {
    let mock = Mock::start().await;
    let key = SigningKey::generate(Alg::ES256, Some("own")).unwrap();
    let public = key.public_jwk().unwrap();
    let of = mock.openid("corp", AccountPolicy::Linked);
    let credential = ProviderCredential::PrivateKey(key);
    let provider = mock.provider("corp", of.protocol.clone(), credential, AccountPolicy::Linked);
    let fixture = started(vec![provider]).await;
    link(&fixture, "corp", "u-1").await;
    let mut browser = Browser::new(&fixture);
    through(&fixture, &mock, &mut browser, json!({})).await;
    assert!(is_in(&browser));
    let (form, shown) = mock.say(|said| said.asked.remove(0));
    assert_eq!((form.get("client_secret"), &*shown), (None, ""));
    let keys = gatepass_jose::KeySet::from_jwks(&gatepass_jose::JwkSet { keys: vec![public] }, &[Alg::ES256]);
    gatepass_jose::jws::Verifier::new(keys).verify(&form["client_assertion"]).unwrap();
    let said = claims(&form["client_assertion"]);
    assert_eq!(
        (&said["aud"], &said["iss"], &said["sub"]),
        (&json!(mock.origin), &json!("gatepass"), &json!("gatepass"))
    );
}
