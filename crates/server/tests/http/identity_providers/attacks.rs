//! What providers, strangers and other sites try.

use gatepass_jose::{SecretKey, jws};

use super::mock::{Raw, SECRET};
use super::*;

#[tokio::test]
async fn an_answer_counts_once_in_the_browser_that_asked() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    link(&fixture, "corp", "u-1").await;
    let begin = async || {
        let mut browser = Browser::new(&fixture);
        let page = browser.authorize(&request(&[("client_id", "own")])).await;
        let url = press(&fixture, &mut browser, &page, "corp").await;
        expects(&fixture, &mock, &url, json!({}));
        (browser, url)
    };
    // Login CSRF: the attacker's own answer in the victim's browser.
    let (_attacker, theirs) = begin().await;
    let (mut victim, url) = begin().await;
    assert_eq!(
        back(&mut victim, "corp", &theirs).await.status,
        StatusCode::BAD_REQUEST,
        "another browser's state"
    );
    let mut bare = Browser::new(&fixture);
    assert_eq!(
        back(&mut bare, "corp", &url).await.status,
        StatusCode::BAD_REQUEST,
        "a browser that began nothing"
    );
    let state = query(&url)["state"].clone();
    for (name, answer) in [
        ("no_state", encode([("code", "c-1")])),
        ("empty_state", "code=c-1&state=".to_owned()),
        ("two_states", encode([("code", "c-1"), ("state", &*state), ("state", &*state)])),
        ("nothing", String::new()),
    ] {
        let page = victim.open(&format!("/oauth/providers/corp/callback?{answer}")).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{name}");
    }
    let cookie = victim.cookie("__Host-gatepass-provider").unwrap().to_owned();
    let changed = crate::fixture::forged(&cookie);
    victim.set_cookie("__Host-gatepass-provider", &changed);
    assert_eq!(
        back(&mut victim, "corp", &url).await.status,
        StatusCode::BAD_REQUEST,
        "a cookie that somebody changed"
    );
    victim.set_cookie("__Host-gatepass-provider", &cookie);
    let (mut other, _) = begin().await;
    other.set_cookie("__Host-gatepass-provider", &cookie);
    assert_eq!(
        back(&mut other, "corp", &url).await.status,
        StatusCode::BAD_REQUEST,
        "a cookie of another browser's"
    );
    assert!(mock.say(|said| said.asked.is_empty()), "the provider was not even asked");

    expects(&fixture, &mock, &url, json!({}));
    assert!(sent_back(&back(&mut victim, "corp", &url).await).contains_key("code"));
    assert!(victim.cookie("__Host-gatepass-provider").is_none());
    victim.set_cookie("__Host-gatepass-provider", &cookie);
    let replayed = back(&mut victim, "corp", &url).await.expect(StatusCode::BAD_REQUEST);
    assert!(text(&replayed).contains("used already"));
    let (mut slow, url) = begin().await;
    fixture.pass(Duration::from_secs(600));
    assert_eq!(back(&mut slow, "corp", &url).await.status, StatusCode::BAD_REQUEST, "ten minutes are over");
}

#[tokio::test]
async fn one_provider_does_not_answer_for_another() {
    let (good, evil) = (Mock::start().await, Mock::start().await);
    let providers =
        vec![good.openid("good", AccountPolicy::Linked), evil.openid("evil", AccountPolicy::Linked)];
    let fixture = started(providers).await;
    link(&fixture, "good", "u-1").await;
    let begin = async |provider: &str| {
        let mut browser = Browser::new(&fixture);
        let page = browser.authorize(&request(&[("client_id", "own")])).await;
        let url = press(&fixture, &mut browser, &page, provider).await;
        (browser, url)
    };
    let (mut browser, url) = begin("evil").await;
    assert_eq!(
        back(&mut browser, "good", &url).await.status,
        StatusCode::BAD_REQUEST,
        "at another's redirect URI"
    );
    let (mut browser, url) = begin("good").await;
    assert_eq!(back(&mut browser, "evil", &url).await.status, StatusCode::BAD_REQUEST);
    expects(&fixture, &good, &url, json!({}));
    let named = encode([("code", "c-1"), ("state", &query(&url)["state"]), ("iss", &evil.origin)]);
    let page = browser.open(&format!("/oauth/providers/good/callback?{named}")).await;
    assert_eq!(
        (page.status, is_in(&browser)),
        (StatusCode::BAD_GATEWAY, false),
        "it says that it is another's (RFC 9207)"
    );
    assert!(
        good.say(|said| said.asked.is_empty()) && evil.say(|said| said.asked.is_empty()),
        "no code went anywhere"
    );

    // The other's subject of the same name is somebody else.
    let (mut browser, url) = begin("evil").await;
    expects(&fixture, &evil, &url, json!({ "email_verified": false }));
    assert_eq!(back(&mut browser, "evil", &url).await.status, StatusCode::FORBIDDEN);
    // Nor does it speak in the other's name.
    let (mut browser, url) = begin("evil").await;
    expects(&fixture, &evil, &url, json!({ "iss": good.origin }));
    assert_eq!(back(&mut browser, "evil", &url).await.status, StatusCode::BAD_GATEWAY);
}

#[tokio::test]
async fn a_provider_that_names_itself_does_it_every_time() {
    let mock = Mock::start().await;
    mock.say(|said| said.metadata = json!({ "authorization_response_iss_parameter_supported": true }));
    let fixture = started(vec![mock.openid("corp", AccountPolicy::Linked)]).await;
    link(&fixture, "corp", "u-1").await;
    for (iss, want) in [(None, false), (Some(mock.origin.clone()), true)] {
        let mut browser = Browser::new(&fixture);
        let page = browser.authorize(&request(&[("client_id", "own")])).await;
        let url = press(&fixture, &mut browser, &page, "corp").await;
        expects(&fixture, &mock, &url, json!({}));
        let state = query(&url)["state"].clone();
        let params = [("code", "c-1"), ("state", &*state)].into_iter();
        let answer = encode(params.chain(iss.as_deref().map(|iss| ("iss", iss))));
        browser.open(&format!("/oauth/providers/corp/callback?{answer}")).await;
        assert_eq!(is_in(&browser), want, "{iss:?}");
    }
}

#[tokio::test]
async fn which_id_tokens_are_not_believed() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    link(&fixture, "corp", "u-1").await;
    let stranger = SigningKey::generate(Alg::ES256, Some("k1")).unwrap();
    let now = fixture.now().as_secs();
    let cases = [
        ("another_issuer", json!({ "iss": "https://evil.example" })),
        ("another_client", json!({ "aud": "other" })),
        ("several_clients_and_no_party", json!({ "aud": ["gatepass", "other"] })),
        ("another_party", json!({ "azp": "other" })),
        ("another_nonce", json!({ "nonce": "n" })),
        ("no_nonce", json!({ "nonce": null })),
        ("expired", json!({ "exp": now - 61 })),
        ("from_the_future", json!({ "iat": now + 61 })),
        ("another_access_token", json!({ "at_hash": "AAAAAAAAAAAAAAAAAAAAAA" })),
        ("nobody", json!({ "sub": "" })),
        ("a_subject_of_number", json!({ "sub": 1 })),
    ];
    for (name, claims) in cases {
        let mut browser = Browser::new(&fixture);
        let page = through(&fixture, &mock, &mut browser, claims).await;
        assert_eq!((page.status, is_in(&browser)), (StatusCode::BAD_GATEWAY, false), "{name}");
    }
    type Make<'m> = Box<dyn Fn(&Value) -> String + 'm>;
    let unsigned = |claims: &Value| {
        let part = |text: &str| gatepass_jose::base64url::encode(text.as_bytes());
        format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims.to_string()))
    };
    let by_secret = |claims: &Value| {
        let secret =
            SigningKey::from_secret(Alg::HS256, "k1", &SecretKey::new([SECRET, SECRET].concat())).unwrap();
        jws::Draft::new(claims.to_string().as_bytes()).sign(&secret).unwrap().compact().unwrap()
    };
    let of_type = |typ: &'static str| {
        let mock = &mock;
        move |claims: &Value| {
            gatepass_jose::jwt::sign(&gatepass_jose::Typ::new(typ), claims, &mock.key).unwrap()
        }
    };
    let cases: [(&str, Make<'_>); 6] = [
        ("unsigned", Box::new(unsigned)),
        ("signed_with_a_secret", Box::new(by_secret)),
        (
            "another_key",
            Box::new(|claims| {
                gatepass_jose::jwt::sign(&gatepass_jose::Typ::new("JWT"), claims, &stranger).unwrap()
            }),
        ),
        ("an_access_token", Box::new(of_type("at+jwt"))),
        ("a_logout_token", Box::new(of_type("logout+jwt"))),
        ("nonsense", Box::new(|_| "nonsense".to_owned())),
    ];
    for (name, make) in cases {
        let mut browser = Browser::new(&fixture);
        let page = browser.authorize(&request(&[("client_id", "own")])).await;
        let url = press(&fixture, &mut browser, &page, "corp").await;
        expects(&fixture, &mock, &url, json!({}));
        mock.say(|said| said.id_token = Some(make(&said.claims)));
        let page = back(&mut browser, "corp", &url).await;
        assert_eq!((page.status, is_in(&browser)), (StatusCode::BAD_GATEWAY, false), "{name}");
    }
}

#[tokio::test]
async fn a_userinfo_endpoint_speaks_of_the_same_user() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    set_address(&fixture, ADDRESS, true).await;
    for (subject, status) in [("u-2", StatusCode::BAD_GATEWAY), ("u-1", StatusCode::OK)] {
        mock.say(|said| said.userinfo = json!({ "sub": subject, "email": ADDRESS, "email_verified": true }));
        let page = through(&fixture, &mock, &mut Browser::new(&fixture), json!({ "email": null })).await;
        assert_eq!(page.status, status, "{subject}");
    }
}

#[tokio::test]
async fn what_a_hostile_provider_answers_stays_out_of_pages() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    link(&fixture, "corp", "u-1").await;
    let json = "application/json";
    let token = |more: &str| format!(r#"{{"access_token":"at-1"{more}}}"#);
    let huge = format!(r#"{{"access_token":"at-1","x":"{}"}}"#, "x".repeat(200_000));
    let cases = [
        ("html", Raw(200, "text/html", "<script>alert(1)</script>".into())),
        ("no_json", Raw(200, json, "{".into())),
        ("huge", Raw(200, json, huge)),
        ("deep", Raw(200, json, "[".repeat(100_000))),
        ("twice", Raw(200, json, token(r#","access_token":"at-2","token_type":"Bearer""#))),
        ("another_type", Raw(200, json, token(r#","token_type":"mac""#))),
        ("no_id_token", Raw(200, json, token(r#","token_type":"Bearer""#))),
        (
            "a_token_that_ends_a_header",
            Raw(200, json, r#"{"access_token":"a\r\nb","token_type":"Bearer"}"#.into()),
        ),
        ("a_fault", Raw(500, json, "{}".into())),
        ("a_redirect", Raw(302, json, "{}".into())),
        ("an_error", Raw(400, json, r#"{"error":"<script>alert(1)</script>"}"#.into())),
        ("an_error_that_says_200", Raw(200, json, r#"{"error":"bad_verification_code"}"#.into())),
    ];
    for (name, raw) in cases {
        mock.say(|said| said.token = Some(raw));
        let mut browser = Browser::new(&fixture);
        let page = through(&fixture, &mock, &mut browser, json!({})).await;
        let refused = [StatusCode::BAD_GATEWAY, StatusCode::FORBIDDEN].contains(&page.status);
        assert!(refused && !is_in(&browser), "{name}: {}", page.status);
        assert!(!text(&page).contains("<script") && text(&page).contains("/oauth/login"), "{name}");
    }
    let mut browser = Browser::new(&fixture);
    let page = browser.authorize(&request(&[("client_id", "own")])).await;
    let url = press(&fixture, &mut browser, &page, "corp").await;
    let evil = "<script>alert(1)</script>";
    let answer = encode([
        ("error", evil),
        ("error_description", evil),
        ("error_uri", evil),
        ("state", &*query(&url)["state"]),
    ]);
    let page = browser.open(&format!("/oauth/providers/corp/callback?{answer}")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(!text(&page).contains("alert(1)"), "{}", text(&page));
}

#[tokio::test]
async fn metadata_that_lead_elsewhere_are_not_followed() {
    let cases = [
        json!({ "issuer": "https://evil.example" }),
        json!({ "authorization_endpoint": "javascript:alert(1)" }),
        json!({ "authorization_endpoint": "ftp://evil.example/" }),
        json!({ "token_endpoint": "file:///etc/passwd" }),
        json!({ "userinfo_endpoint": "file:///etc/passwd" }),
        json!({ "jwks_uri": 1 }),
        json!({ "token_endpoint": null }),
    ];
    for metadata in cases {
        let mock = Mock::start().await;
        mock.say(|said| said.metadata = metadata.clone());
        let fixture = started(vec![mock.openid("corp", AccountPolicy::Linked)]).await;
        let mut browser = Browser::new(&fixture);
        let page = browser.authorize(&request(&[("client_id", "own")])).await;
        let page = pressed(&fixture, &mut browser, &page, "corp").await;
        assert_eq!((page.status, page.header("refresh")), (StatusCode::BAD_GATEWAY, ""), "{metadata}");
    }
    // An endpoint in this operator's own network is not asked (SSRF).
    let mock = Mock::start().await;
    let inside = Mock::start().await;
    mock.say(|said| said.metadata = json!({ "token_endpoint": format!("{}/token", inside.origin) }));
    let fixture = started(vec![mock.openid("corp", AccountPolicy::Linked)]).await;
    let page = through(&fixture, &mock, &mut Browser::new(&fixture), json!({})).await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(inside.say(|said| said.asked.is_empty()));
}

#[tokio::test]
async fn no_other_site_begins_links_or_creates() {
    let (fixture, mock) = corp(create(&[])).await;
    let mut browser = Browser::new(&fixture);
    let page = browser.authorize(&request(&[("client_id", "own")])).await;
    let (_, fields) = form(&page);
    let body =
        |fields: &BTreeMap<String, String>| encode(fields.iter().map(|(n, v)| (n.as_str(), v.as_str())));
    let begin = |fields: &BTreeMap<String, String>| fixture.post("/oauth/providers/corp").form(&body(fields));
    let foreign =
        begin(&fields).header("sec-fetch-site", "cross-site").header("origin", "https://evil.example");
    assert_eq!(browser.send(foreign).await.status, StatusCode::FORBIDDEN);
    let own =
        |call: crate::fixture::Call| call.header("sec-fetch-site", "same-origin").header("origin", ISSUER);
    let mut changed = fields.clone();
    changed.insert("request".into(), request(&[("client_id", "own"), ("scope", "openid orders:write")]));
    let page = browser.send(own(begin(&changed))).await;
    assert_eq!(
        (page.status, page.header("refresh")),
        (StatusCode::FORBIDDEN, ""),
        "another request than was shown"
    );
    changed.insert(
        "request".into(),
        request(&[("client_id", "own"), ("redirect_uri", "https://evil.example/")]),
    );
    assert_eq!(
        browser.send(own(begin(&changed))).await.status,
        StatusCode::BAD_REQUEST,
        "it leads nowhere else"
    );
    assert_eq!(
        browser.send(own(fixture.post("/oauth/providers/none").form(&body(&fields)))).await.status,
        StatusCode::NOT_FOUND
    );

    let page =
        through(&fixture, &mock, &mut browser, json!({ "sub": "n-1", "email": "new@example.com" })).await;
    let page = page.expect(StatusCode::OK);
    let allow = [("decision", "allow")];
    let foreign = browser.form(&page, &allow).header("sec-fetch-site", "cross-site");
    assert_eq!(browser.send(foreign).await.status, StatusCode::FORBIDDEN);
    // What was sealed for one browser opens in no other, so nobody becomes somebody else's identity.
    let mut victim = Browser::new(&fixture);
    victim.authorize(&request(&[("client_id", "own")])).await;
    assert_eq!(victim.submit(&page, &allow).await.status, StatusCode::BAD_REQUEST);
    let (action, mut fields) = form(&page);
    fields.insert("decision".into(), "allow".into());
    let as_link = own(fixture.post(&action.replace("create", "link")).form(&body(&fields)));
    assert_eq!(browser.send(as_link).await.status, StatusCode::BAD_REQUEST, "a form for another step");
    fields.insert("identity".into(), crate::fixture::forged(&fields["identity"]));
    let forged = own(fixture.post(&action).form(&body(&fields)));
    assert_eq!(browser.send(forged).await.status, StatusCode::BAD_REQUEST);
    assert!(!is_in(&browser) && !is_in(&victim));
    assert!(sent_back(&browser.submit(&page, &allow).await).contains_key("code"));
}

#[tokio::test]
async fn a_request_that_is_too_long_to_be_taken_along_is_not_offered_to_be() {
    let (fixture, _mock) = corp(AccountPolicy::Linked).await;
    let mut browser = Browser::new(&fixture);
    for (len, offered) in [(100, true), (3000, false)] {
        let page = browser.authorize(&request(&[("client_id", "own"), ("state", &"s".repeat(len))])).await;
        assert_eq!(text(&page.expect(StatusCode::OK)).contains("/oauth/providers/"), offered, "{len}");
    }
    let longest = 2400 - request(&[("client_id", "own"), ("state", "")]).len() - "&state=".len();
    let page = browser.authorize(&request(&[("client_id", "own"), ("state", &"s".repeat(longest))])).await;
    press(&fixture, &mut browser, &page, "corp").await;
    let cookie = browser.cookie("__Host-gatepass-provider").unwrap();
    assert!(cookie.len() < 4000, "browsers keep 4096 bytes with the name: {}", cookie.len());
}

#[tokio::test]
async fn made_up_codes_are_not_tried_at_a_provider_without_end() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    link(&fixture, "corp", "u-1").await;
    let come_back = async |from: [u8; 4]| {
        let mut browser = Browser::new(&fixture);
        let page = browser.authorize(&request(&[("client_id", "own")])).await;
        let url = press(&fixture, &mut browser, &page, "corp").await;
        expects(&fixture, &mock, &url, json!({}));
        let answer = encode([("code", "c-1"), ("state", &query(&url)["state"])]);
        let call = fixture.get(&format!("/oauth/providers/corp/callback?{answer}"));
        browser.send(call.from(from.into())).await
    };
    mock.say(|said| said.token = Some(Raw(400, "application/json", r#"{"error":"invalid_grant"}"#.into())));
    for at in 0..40 {
        assert_eq!(come_back([203, 0, 113, 7]).await.status, StatusCode::FORBIDDEN, "{at}");
    }
    let asked = mock.say(|said| said.asked.len());
    let refused = come_back([203, 0, 113, 7]).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "2"));
    assert_eq!(mock.say(|said| said.asked.len()), asked, "nobody is asked");
    mock.say(|said| said.token = None);
    assert!(sent_back(&come_back([192, 0, 2, 1]).await).contains_key("code"), "from elsewhere");
    fixture.pass(Duration::from_secs(2));
    assert!(sent_back(&come_back([203, 0, 113, 7]).await).contains_key("code"), "and never for good");
    // Who says no at the provider, or is sent here by another site, has tried nothing.
    for _ in 0..50 {
        let stray = fixture.get("/oauth/providers/corp/callback?code=c&state=s").from([192, 0, 2, 1].into());
        assert_eq!(stray.send().await.status, StatusCode::BAD_REQUEST);
    }
    assert!(sent_back(&come_back([192, 0, 2, 1]).await).contains_key("code"));
}

#[tokio::test]
async fn the_owner_links_from_a_known_browser_whoever_guesses_elsewhere() {
    let (fixture, mock) = corp(AccountPolicy::Linked).await;
    set_address(&fixture, ADDRESS, true).await;
    let mut own = Browser::new(&fixture);
    let page = own.authorize(&request(&[("client_id", "own")])).await;
    own.log_in(&page, "alice").await;
    fixture.pass(Duration::from_secs(3600));
    for _ in 0..11 {
        let guess = json!({ "username": "alice", "password": "wrong" });
        fixture.post("/session/login").json(&guess).send().await;
    }
    let arrive = async |browser: &mut Browser<'_>| {
        let page = browser.authorize(&request(&[("client_id", "own"), ("prompt", "login")])).await;
        let url = press(&fixture, browser, &page, "corp").await;
        expects(&fixture, &mock, &url, json!({ "auth_time": fixture.now().as_secs() }));
        back(browser, "corp", &url).await.expect(StatusCode::OK)
    };
    let answer = [("password", PASSWORD), ("decision", "allow")];
    let mut stranger = Browser::new(&fixture);
    let page = arrive(&mut stranger).await;
    assert_eq!(stranger.submit(&page, &answer).await.status, StatusCode::TOO_MANY_REQUESTS);
    let page = arrive(&mut own).await;
    assert!(sent_back(&own.submit(&page, &answer).await).contains_key("code"));
}
