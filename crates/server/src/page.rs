//! The pages that people see: HTML without scripts, that no other page can frame, borrow or send.

use std::fmt::Write as _;

use askama::Template;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::redirect_uri::RegisteredRedirectUri;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_FRAME_OPTIONS};
use http::{HeaderValue, StatusCode};
use url::Url;

use crate::problem::Problem;

const STYLE: &str = include_str!("../templates/style.css");

/// The hash of the one script there is: it sends the form of [`FormPost`], which has a button for those who
/// run no scripts.
const SUBMIT_SCRIPT: &str = "'sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE='";

/// Asks for name and password.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage<'p> {
    pub(crate) base: &'p str,
    /// Where the form goes, below `base`.
    pub(crate) action: &'p str,
    /// What the application is called that the login is for; `None` where it is for a device.
    pub(crate) client: Option<&'p str>,
    /// What went wrong the last time.
    pub(crate) notice: Option<&'p str>,
    /// What goes on afterwards.
    pub(crate) request: &'p str,
    /// Binds the form to this browser.
    pub(crate) token: &'p str,
    pub(crate) username: &'p str,
    /// What a login at a provider is for.
    pub(crate) purpose: &'static str,
    /// The providers that can be logged in with: id and name.
    pub(crate) providers: Vec<(&'p str, &'p str)>,
}

/// Says that the browser goes on to a provider.
#[derive(Template)]
#[template(path = "provider.html")]
pub(crate) struct ProviderPage<'p> {
    pub(crate) base: &'p str,
    pub(crate) provider: &'p str,
    pub(crate) url: &'p str,
}

/// Asks whether an identity at a provider is to be linked to an account.
#[derive(Template)]
#[template(path = "link_identity.html")]
pub(crate) struct LinkPage<'p> {
    pub(crate) base: &'p str,
    pub(crate) provider: &'p str,
    /// Who somebody is there.
    pub(crate) identity: &'p str,
    pub(crate) username: &'p str,
    /// What went wrong the last time.
    pub(crate) notice: Option<&'p str>,
    /// Whether they are logged in to the account, so that its password is not asked for.
    pub(crate) proven: bool,
    pub(crate) sealed: &'p str,
    pub(crate) token: &'p str,
}

/// Asks whether an account is to be made for an identity at a provider.
#[derive(Template)]
#[template(path = "create_account.html")]
pub(crate) struct CreatePage<'p> {
    pub(crate) base: &'p str,
    pub(crate) provider: &'p str,
    /// Who somebody is there.
    pub(crate) identity: &'p str,
    /// What they would be called here.
    pub(crate) username: &'p str,
    pub(crate) sealed: &'p str,
    pub(crate) token: &'p str,
}

/// Asks whether an application may.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'p> {
    pub(crate) base: &'p str,
    pub(crate) client: &'p str,
    pub(crate) username: &'p str,
    /// Each scope, with words for it where there are some.
    pub(crate) scopes: Vec<(&'p str, Option<&'p str>)>,
    /// What is asked for beyond them: its type, and all that it says.
    pub(crate) details: Vec<(&'p str, String)>,
    /// Where the browser goes afterwards.
    pub(crate) destination: &'p str,
    pub(crate) request: &'p str,
    pub(crate) token: &'p str,
}

/// Asks for the code that a device shows.
#[derive(Template)]
#[template(path = "user_code.html")]
pub(crate) struct UserCodePage<'p> {
    pub(crate) base: &'p str,
    pub(crate) username: &'p str,
    /// What went wrong the last time.
    pub(crate) notice: Option<&'p str>,
    /// What is filled in.
    pub(crate) user_code: &'p str,
    pub(crate) token: &'p str,
}

/// Asks whether a device may.
#[derive(Template)]
#[template(path = "device.html")]
pub(crate) struct DevicePage<'p> {
    pub(crate) base: &'p str,
    pub(crate) client: &'p str,
    pub(crate) username: &'p str,
    /// Each scope, with words for it where there are some.
    pub(crate) scopes: Vec<(&'p str, Option<&'p str>)>,
    /// What is asked for beyond them: its type, and all that it says.
    pub(crate) details: Vec<(&'p str, String)>,
    pub(crate) user_code: &'p str,
    pub(crate) token: &'p str,
}

/// Asks whether the user wants to log out.
#[derive(Template)]
#[template(path = "logout.html")]
pub(crate) struct LogoutPage<'p> {
    pub(crate) base: &'p str,
    pub(crate) username: &'p str,
    pub(crate) request: &'p str,
    pub(crate) token: &'p str,
}

/// Says something.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage<'p> {
    pub(crate) base: &'p str,
    pub(crate) title: &'p str,
    pub(crate) text: &'p str,
}

/// Tells applications of a logout, in frames.
#[derive(Template)]
#[template(path = "logged_out.html")]
pub(crate) struct LoggedOutPage<'p> {
    pub(crate) base: &'p str,
    pub(crate) frames: &'p [Url],
    /// Where the application wants the browser.
    pub(crate) next: Option<&'p str>,
}

/// Sends an answer to an application in a form.
#[derive(Template)]
#[template(path = "form_post.html")]
pub(crate) struct FormPost<'p> {
    pub(crate) base: &'p str,
    pub(crate) action: &'p str,
    pub(crate) fields: &'p [(&'p str, &'p str)],
}

/// What a page may do beside being read.
#[derive(Clone, Copy, Default)]
pub(crate) struct Allowed<'p> {
    /// Where its form may lead: browsers hold a form to where its answer redirects to, too.
    pub(crate) form_to: Option<&'p RegisteredRedirectUri>,
    /// Whether it runs [`SUBMIT_SCRIPT`].
    pub(crate) submits_itself: bool,
    /// What it shows in frames.
    pub(crate) frames: &'p [Url],
}

/// `GET /oauth/style.css`
pub(crate) async fn style() -> Response {
    let headers = [(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "public, max-age=3600")];
    (headers, STYLE).into_response()
}

/// A page as an answer.
pub(crate) fn answer(status: StatusCode, page: &impl Template, allowed: Allowed<'_>) -> Response {
    let html = match page.render() {
        Ok(html) => html,
        Err(error) => return Problem::internal(&error).into_response(),
    };
    let policy = HeaderValue::try_from(policy(allowed));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_SECURITY_POLICY, policy.unwrap_or(HeaderValue::from_static("default-src 'none'; sandbox"))),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        // Not `no-referrer`: with it, a form's `Origin` would be `null`.
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, html).into_response()
}

/// The page's Content Security Policy ([CSP Level 3](https://www.w3.org/TR/CSP3/)): nothing but its style,
/// and its form where it has to go.
fn policy(allowed: Allowed<'_>) -> String {
    let mut policy =
        "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
            .to_owned();
    if let Some(source) =
        allowed.form_to.and_then(|uri| Url::parse(uri.as_str()).ok()).map(|url| source(&url))
    {
        let _ = write!(policy, " {source}");
    }
    if !allowed.frames.is_empty() {
        let mut sources: Vec<String> = allowed.frames.iter().map(source).collect();
        sources.sort();
        sources.dedup();
        let _ = write!(policy, "; frame-src {}", sources.join(" "));
    }
    if allowed.submits_itself {
        let _ = write!(policy, "; script-src {SUBMIT_SCRIPT}");
    }
    policy
}

/// A place as the policy names it: the origin, or the scheme alone where there is no host that the policy's
/// grammar could hold (an app's own scheme, an IPv6 address).
fn source(url: &Url) -> String {
    let has_name = matches!(url.host(), Some(url::Host::Domain(_) | url::Host::Ipv4(_)));
    match url.scheme() {
        "https" | "http" if has_name => url.origin().ascii_serialization(),
        scheme => format!("{scheme}:"),
    }
}

#[cfg(test)]
mod tests {
    use gatepass_issuer::redirect_uri::RedirectUri;

    use super::*;

    #[test]
    fn a_form_leads_nowhere_but_here_and_to_its_application() {
        let cases = [
            ("https://app.example.com/cb?x=1", "https://app.example.com"),
            ("https://app.example.com:8443/cb", "https://app.example.com:8443"),
            ("http://127.0.0.1:51004/cb", "http://127.0.0.1:51004"),
            ("http://[::1]:51004/cb", "http:"),
            ("com.example.app:/cb", "com.example.app:"),
        ];
        for (uri, want) in cases {
            let to = uri.parse::<RedirectUri>().unwrap().matches(uri).unwrap();
            let policy = policy(Allowed { form_to: Some(&to), ..Allowed::default() });
            assert!(policy.ends_with(&format!("; form-action 'self' {want}")), "{policy}");
            assert!(!policy.contains("script-src"), "{policy}");
        }
    }

    #[test]
    fn the_policy_names_the_script_that_the_page_has() {
        let fields = [("code", "x\"><script>")];
        let page = FormPost { base: "", action: "https://app.example.com/cb", fields: &fields };
        let html = page.render().unwrap();
        let script = html.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, script.as_bytes());
        let hash = base64_simd::STANDARD.encode_to_string(hash.as_ref());
        assert_eq!(SUBMIT_SCRIPT, format!("'sha256-{hash}'"));
        assert_eq!(html.matches("<script>").count(), 1, "{html}");
    }
}
