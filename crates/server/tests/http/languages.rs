//! What the pages speak, and whose they are.

use std::sync::Arc;

use gatepass_server::{Brand, BrandFile, HttpConfig};
use http::StatusCode;

use crate::browser::*;
use crate::fixture::{Fixture, PASSWORD};

#[tokio::test]
async fn pages_speak_the_language_that_was_asked_for_all_the_way() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let page = browser
        .authorize(&request(&[("ui_locales", "xx de-CH fr"), ("claims_locales", "de")]))
        .await
        .expect(StatusCode::OK);
    let html = text(&page);
    assert!(
        html.contains("<html lang=\"de\" dir=\"ltr\">") && html.contains("<title>Anmelden</title>"),
        "{html}"
    );
    assert_eq!((page.header("content-language"), page.header("vary")), ("de", "Accept-Language"));

    let wrong = [("username", "alice"), ("password", "wrong")];
    let again = browser.submit(&page, &wrong).await.expect(StatusCode::UNAUTHORIZED);
    let html = text(&again);
    assert!(html.contains("Der Benutzername oder das Passwort ist falsch."), "{html}");
    assert!(html.contains("<title>Fehler: Anmelden</title>") && html.contains("<html lang=\"de\""), "{html}");

    let consent = browser.submit(&again, &[("username", "alice"), ("password", PASSWORD)]).await;
    let html = text(&consent);
    assert!(html.contains("The &#60;shop&#62;</strong> bittet"), "the client's name is escaped: {html}");
    assert!(html.contains("Ihren Namen und Benutzernamen sehen") && !html.contains("<shop>"), "{html}");
}

#[tokio::test]
async fn whatever_goes_wrong_is_said_in_the_visitors_language() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let french = |path: &str| fixture.get(path).header("accept-language", "en;q=0.1, fr-CA");
    let cases = [
        ("/oauth/authorize?client_id=nobody", 400, "n’est pas connue de ce serveur"),
        ("/oauth/authorize?client_id=%zz", 400, "incompréhensible"),
        ("/device", 200, "pour associer un appareil"),
        ("/oauth/logout", 200, "Vous êtes déconnecté."),
        ("/oauth/logout?ui_locales=de", 200, "Sie sind abgemeldet."),
        ("/oauth/logout?post_logout_redirect_uri=https://evil.example", 400, "n’a pas enregistrée"),
    ];
    for (path, status, want) in cases {
        let answer = french(path).send().await;
        assert_eq!(answer.status, status, "{path}");
        assert!(text(&answer).contains(want), "{path}: {}", text(&answer));
    }
    let form =
        fixture.post("/oauth/login").header("accept-language", "de").header("sec-fetch-site", "cross-site");
    assert!(text(&form.form("a=b").send().await).contains("Eine andere Website"));
    // However much a browser says.
    let endless = "x-".repeat(20_000) + ";q=0.5,";
    let answer = fixture.get("/device").header("accept-language", &endless).send().await;
    assert_eq!((answer.status, answer.header("content-language")), (StatusCode::OK, "en"));
}

#[tokio::test]
async fn one_file_says_whose_pages_these_are() {
    let file: BrandFile = toml::from_str(
        "name = 'Acme <Ltd>'\nlogo = 'logo.svg'\n[links]\nprivacy = 'https://example.com/?a=\"><b>'\n\
         [language.ar.texts]\nlog_in = '<script>alert(1)</script>'\n\
         [language.en.scopes]\n'orders:read' = 'See your <orders>'",
    )
    .unwrap();
    let logo = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec();
    let brand = Arc::new(Brand::new(file, Some(logo)).unwrap());
    let fixture = Fixture::with(HttpConfig { brand, ..HttpConfig::default() }, |_| {}).await;
    register(&fixture).await;
    let mut browser = Browser::new(&fixture);
    let page = browser.authorize(&request(&[("ui_locales", "ar-EG")])).await.expect(StatusCode::OK);
    let html = text(&page);
    assert!(html.contains("<html lang=\"ar\" dir=\"rtl\">"), "{html}");
    assert!(
        html.contains("&#60;script&#62;alert(1)&#60;/script&#62; – Acme &#60;Ltd&#62;</title>"),
        "{html}"
    );
    assert!(!html.contains("<script>") && !html.contains("<Ltd>") && !html.contains("<b>"), "{html}");
    let policy = page.header("content-security-policy");
    assert!(policy.contains("; img-src 'self'") && !policy.contains("script-src"), "{policy}");

    let logo = html.split_once("<img src=\"").unwrap().1.split_once('"').unwrap().0;
    let picture = fixture.get(logo).send().await.expect(StatusCode::OK);
    assert_eq!(picture.header("content-type"), "image/svg+xml");
    assert_eq!(picture.header("x-content-type-options"), "nosniff");
    let policy = picture.header("content-security-policy");
    assert!(
        policy.ends_with("; sandbox") && policy.starts_with("default-src 'none'"),
        "opened alone: {policy}"
    );

    let page = browser.authorize(&request(&[])).await;
    let page = browser.log_in(&page, "alice").await;
    assert!(text(&page).contains("<li>See your &#60;orders&#62;</li>"), "{}", text(&page));

    for path in ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"] {
        let metadata = fixture.get(path).send().await.json();
        assert_eq!(metadata["ui_locales_supported"], serde_json::json!(["en", "de", "fr", "ar"]), "{path}");
    }
    let plain = Fixture::new().await;
    assert_eq!(plain.get("/oauth/logo").send().await.status, StatusCode::NOT_FOUND);
}
