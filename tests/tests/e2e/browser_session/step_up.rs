//! A page of the site's that wants a younger login than its user's (RFC 9470).

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_wants_a_young_login_leads_to_one_and_back() {
    let site = Site::start().await;
    let mut browser = site.log_in(ADMIN).await;
    let before = browser.session();
    let vault = site.url("/vault");
    let led = wait::until("the login to grow old", Duration::from_secs(30), async || {
        Some(browser.open(&vault).await).filter(|answer| answer.status == 302)
    })
    .await;
    let login = led.header("location").unwrap().to_owned();
    let want = "/bff/login?return_to=%2Fvault&acr_values=urn%3Agatepass%3Aacr%3Apassword&max_age=0";
    assert_eq!(login, site.url(want));
    let script = site.ask(&browser, Method::GET, "/vault").await;
    let script = script.expect_problem(401, "insufficient-user-authentication").json();
    assert_eq!(script["login"], "/bff/login?acr_values=urn%3Agatepass%3Aacr%3Apassword&max_age=0");

    // The authorization server knows its user, and asks all the same.
    let at_issuer = browser.open(&login).await.expect(302);
    let page = browser.open(at_issuer.header("location").unwrap()).await.expect(200);
    assert!(String::from_utf8_lossy(&page.body).contains("name=\"password\""), "{}", page.shown());
    let back = browser.log_in(&login, ADMIN).await.expect(303);
    assert_eq!(back.header("location"), Some("/vault"));
    assert_ne!(browser.session(), before, "it is another session");
    browser.open(&vault).await.expect(200);

    // What nobody here can do ends on a page, and the session goes on.
    let led = browser.open(&site.url("/never")).await.expect(302);
    let at_issuer = browser.open(led.header("location").unwrap()).await.expect(302);
    let back = browser.open(at_issuer.header("location").unwrap()).await.expect(303);
    let back = back.header("location").unwrap();
    assert!(back.contains("error=unmet_authentication_requirements"), "{back}");
    let page = browser.open(back).await.expect(400);
    assert!(String::from_utf8_lossy(&page.body).contains("<h1>"), "{}", page.shown());
    site.ask(&browser, Method::GET, "/api/a").await.expect(200);
}
