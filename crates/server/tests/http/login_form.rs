//! What is filled in when the login form is shown.

use http::StatusCode;

use crate::browser::*;
use crate::fixture::Fixture;

/// What the field for the user's name holds, and whether it has the focus.
fn name_field(page: &str) -> (String, bool) {
    let field = page.split_once("<input id=\"username\"").unwrap().1.split_once('>').unwrap().0;
    let (value, rest) = field.split_once(" value=\"").unwrap().1.split_once('"').unwrap();
    (value.to_owned(), rest.contains(" autofocus"))
}

#[tokio::test]
async fn a_login_hint_is_filled_in_and_nothing_but_that() {
    let fixture = Fixture::new().await;
    register(&fixture).await;
    let longest = "x".repeat(128);
    let too_long = "x".repeat(129);
    let cases = [
        ("a_name", "alice", "alice"),
        ("an_address", "alice@example.com", "alice@example.com"),
        ("a_space", "Alice A.", "Alice A."),
        ("right_to_left", "\u{5d0}\u{5dc}\u{5d9}\u{5e1}", "\u{5d0}\u{5dc}\u{5d9}\u{5e1}"),
        ("the_longest", &longest, &longest),
        ("longer", &too_long, ""),
        ("ends_the_attribute", "\" autofocus onfocus=\"alert(1)", "&#34; autofocus onfocus=&#34;alert(1)"),
        (
            "ends_the_field",
            "'><script>alert(1)</script>",
            "&#39;&#62;&#60;script&#62;alert(1)&#60;/script&#62;",
        ),
        ("an_entity", "&quot;&#34;", "&#38;quot;&#38;#34;"),
        ("a_template", "{{ 7 * 7 }}{% raw %}", "{{ 7 * 7 }}{% raw %}"),
        ("a_line_end", "alice\r\nSet-Cookie: a=b", ""),
        ("a_null", "ali\0ce", ""),
    ];
    for (name, hint, want) in cases {
        let mut browser = Browser::new(&fixture);
        let page = browser.authorize(&request(&[("login_hint", hint)])).await.expect(StatusCode::OK);
        let (value, has_focus) = name_field(&text(&page));
        assert_eq!(value, want, "{name}");
        assert_eq!(has_focus, want.is_empty(), "{name}: the focus is on what is still to be filled in");
        assert!(!text(&page).contains("<script"), "{name}");
    }
    // It says who is meant, and nothing of who it is: somebody else logs in all the same, and nobody by the hint alone.
    let mut browser = Browser::new(&fixture);
    let page = browser.authorize(&request(&[("client_id", "own"), ("login_hint", "root")])).await;
    let back = sent_back(&browser.log_in(&page, "alice").await);
    assert!(back.contains_key("code"));
    let silent = request(&[("client_id", "own"), ("prompt", "none"), ("login_hint", "root")]);
    assert!(sent_back(&browser.authorize(&silent).await).contains_key("code"));
    let nobody = sent_back(&Browser::new(&fixture).authorize(&silent).await);
    assert_eq!(nobody["error"], "login_required");
}
