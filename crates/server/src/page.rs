//! The pages that people see: HTML without scripts, that no other page can frame, borrow or send.

use std::fmt::Write as _;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use gatepass_issuer::redirect_uri::RegisteredRedirectUri;
use gatepass_token::{AuthorizationDetails, ScopeSet};
use http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, VARY,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use url::Url;

use crate::brand::Brand;
use crate::language::phrase::{Phrase, Value};
use crate::language::{Language, Texts, Words};
use crate::problem::Problem;
use crate::server::Server;

/// The hash of the one script there is: it sends the form of [`FormPost`], which has a button for those who
/// run no scripts.
const SUBMIT_SCRIPT: &str = "'sha256-ePniVEkSivX/c7XWBGafqh8tSpiRrKiqYeqbG7N1TOE='";

/// Where a page is, whose it is, and what it speaks.
#[derive(Clone, Copy)]
pub(crate) struct Site<'p> {
    /// The path of the issuer, without a slash at its end.
    pub(crate) base: &'p str,
    pub(crate) brand: &'p Brand,
    pub(crate) language: &'p Language,
    /// The language's texts.
    pub(crate) t: &'p Texts,
}

/// Asks for name and password.
#[derive(Template)]
#[template(path = "login.html")]
pub(crate) struct LoginPage<'p> {
    pub(crate) site: Site<'p>,
    /// Where the form goes, below the site's base.
    pub(crate) action: &'p str,
    /// What the application is called that the login is for; `None` where it is for something here.
    pub(crate) client: Option<&'p str>,
    /// What the login is for.
    pub(crate) purpose: &'p str,
    /// What went wrong the last time.
    pub(crate) notice: Option<&'p str>,
    /// What goes on afterwards.
    pub(crate) request: &'p str,
    /// Binds the form to this browser.
    pub(crate) token: &'p str,
    pub(crate) username: &'p str,
    /// What a login at a provider is for.
    pub(crate) goes_on: &'static str,
    /// Whether a password will do.
    pub(crate) with_password: bool,
    /// The providers that can be logged in with: id, and words for the button.
    pub(crate) providers: Vec<(&'p str, Phrase)>,
}

/// Says that the browser goes on to a provider.
#[derive(Template)]
#[template(path = "provider.html")]
pub(crate) struct ProviderPage<'p> {
    pub(crate) site: Site<'p>,
    pub(crate) provider: &'p str,
    /// What is under way.
    pub(crate) words: Words,
    pub(crate) url: &'p str,
}

/// Asks whether an identity at a provider is to be linked to an account.
#[derive(Template)]
#[template(path = "link_identity.html")]
pub(crate) struct LinkPage<'p> {
    pub(crate) site: Site<'p>,
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
    pub(crate) site: Site<'p>,
    pub(crate) provider: &'p str,
    /// Who somebody is there.
    pub(crate) identity: &'p str,
    /// What they would be called here.
    pub(crate) username: &'p str,
    pub(crate) sealed: &'p str,
    pub(crate) token: &'p str,
}

impl ProviderPage<'_> {
    fn heading(&self) -> Phrase {
        Phrase::new(&self.site.t.log_in_with, &[("provider", Value::Name(self.provider))])
    }

    fn text(&self) -> Phrase {
        Phrase::new((self.words)(self.site.t), &[("provider", Value::Name(self.provider))])
    }
}

impl LinkPage<'_> {
    fn phrase(&self, text: &str) -> Phrase {
        let [provider, identity, user] = [self.provider, self.identity, self.username].map(Value::Name);
        Phrase::new(text, &[("provider", provider), ("identity", identity), ("user", user)])
    }
}

impl CreatePage<'_> {
    fn asks(&self) -> Phrase {
        let [provider, identity, user] = [self.provider, self.identity, self.username].map(Value::Name);
        let values = [("provider", provider), ("identity", identity), ("user", user)];
        Phrase::new(&self.site.t.who_is_created, &values)
    }
}

impl LoginPage<'_> {
    fn purpose(&self) -> Phrase {
        let client = self.client.map(|client| ("client", Value::Name(client)));
        Phrase::new(self.purpose, client.as_slice())
    }
}

/// What somebody is asked to allow.
pub(crate) struct Asked {
    scopes: Vec<Phrase>,
    /// What is asked for beyond them: words for its type, and all that it says.
    details: Vec<(Phrase, String)>,
    /// Where that can be used.
    resources: Vec<Phrase>,
}

impl Asked {
    pub(crate) fn new(
        site: Site<'_>,
        scope: &ScopeSet,
        details: &AuthorizationDetails,
        resources: &[&str],
    ) -> Self {
        let described = |scope| match site.language.scope(scope) {
            Some(words) => Phrase::new(words, &[]),
            None => Phrase::new(&site.t.use_scope, &[("scope", Value::Code(scope))]),
        };
        let at = |resource| Phrase::new(&site.t.use_at, &[("resource", Value::Code(resource))]);
        let words = |name| Phrase::new(&site.t.use_as_follows, &[("type", Value::Code(name))]);
        // Nothing is left out of details: nobody here knows what counts. They are text, numbers and lists of them,
        // in which there is nothing that JSON could refuse.
        let text = |object| serde_json::to_string_pretty(object).unwrap_or_default();
        Self {
            scopes: scope.iter().map(described).collect(),
            details: details.iter().map(|(name, object)| (words(name), text(object))).collect(),
            resources: resources.iter().map(|resource| at(resource)).collect(),
        }
    }
}

/// Asks whether an application may.
#[derive(Template)]
#[template(path = "consent.html")]
pub(crate) struct ConsentPage<'p> {
    pub(crate) site: Site<'p>,
    pub(crate) client: &'p str,
    pub(crate) username: &'p str,
    pub(crate) asked: Asked,
    /// Where the browser goes afterwards.
    pub(crate) destination: &'p str,
    pub(crate) request: &'p str,
    pub(crate) token: &'p str,
}

impl ConsentPage<'_> {
    fn asks(&self) -> Phrase {
        let values = [("client", Value::Name(self.client)), ("user", Value::Name(self.username))];
        Phrase::new(&self.site.t.client_asks, &values)
    }

    fn sent_to(&self) -> Phrase {
        Phrase::new(&self.site.t.you_will_be_sent, &[("destination", Value::Name(self.destination))])
    }
}

/// Asks for the code that a device shows.
#[derive(Template)]
#[template(path = "user_code.html")]
pub(crate) struct UserCodePage<'p> {
    pub(crate) site: Site<'p>,
    pub(crate) username: &'p str,
    /// What went wrong the last time.
    pub(crate) notice: Option<&'p str>,
    /// What is filled in.
    pub(crate) user_code: &'p str,
    pub(crate) token: &'p str,
}

impl UserCodePage<'_> {
    fn asks(&self) -> Phrase {
        Phrase::new(&self.site.t.which_code, &[("user", Value::Name(self.username))])
    }
}

/// Asks whether a device may.
#[derive(Template)]
#[template(path = "device.html")]
pub(crate) struct DevicePage<'p> {
    pub(crate) site: Site<'p>,
    pub(crate) client: &'p str,
    pub(crate) username: &'p str,
    pub(crate) asked: Asked,
    pub(crate) user_code: &'p str,
    pub(crate) token: &'p str,
}

impl DevicePage<'_> {
    fn asks(&self) -> Phrase {
        let values = [("client", Value::Name(self.client)), ("user", Value::Name(self.username))];
        Phrase::new(&self.site.t.device_asks, &values)
    }
}

/// Asks for the user's password and a new one.
#[derive(Template)]
#[template(path = "password.html")]
pub(crate) struct PasswordPage<'p> {
    pub(crate) site: Site<'p>,
    pub(crate) username: &'p str,
    /// What went wrong the last time.
    pub(crate) notice: Option<&'p Phrase>,
    /// Whether that is about the new password.
    pub(crate) is_of_new: bool,
    pub(crate) token: &'p str,
}

impl PasswordPage<'_> {
    fn who(&self) -> Phrase {
        Phrase::new(&self.site.t.logged_in_as, &[("user", Value::Name(self.username))])
    }
}

/// Asks whether the user wants to log out.
#[derive(Template)]
#[template(path = "logout.html")]
pub(crate) struct LogoutPage<'p> {
    pub(crate) site: Site<'p>,
    pub(crate) username: &'p str,
    pub(crate) request: &'p str,
    pub(crate) token: &'p str,
}

impl LogoutPage<'_> {
    fn who(&self) -> Phrase {
        Phrase::new(&self.site.t.logged_in_as, &[("user", Value::Name(self.username))])
    }
}

/// Says something.
#[derive(Template)]
#[template(path = "message.html")]
pub(crate) struct MessagePage<'p> {
    pub(crate) site: Site<'p>,
    pub(crate) title: &'p str,
    pub(crate) text: Phrase,
}

/// Says what is wrong with an application's request, and offers to tell it.
#[derive(Template)]
#[template(path = "offer.html")]
pub(crate) struct OfferPage<'p> {
    pub(crate) site: Site<'p>,
    /// For whoever made the application.
    pub(crate) error: &'p str,
    pub(crate) description: &'p str,
    /// What a person recognises of where it leads.
    pub(crate) destination: &'p str,
    /// Where the form goes, where it is no link.
    pub(crate) action: &'p str,
    pub(crate) link: Option<&'p str>,
    pub(crate) fields: &'p [(&'p str, &'p str)],
}

impl OfferPage<'_> {
    fn back(&self) -> Phrase {
        Phrase::new(&self.site.t.back_to, &[("destination", Value::Name(self.destination))])
    }
}

/// Tells applications of a logout, in frames.
#[derive(Template)]
#[template(path = "logged_out.html")]
pub(crate) struct LoggedOutPage<'p> {
    pub(crate) site: Site<'p>,
    pub(crate) frames: &'p [Url],
    /// Where the application wants the browser.
    pub(crate) next: Option<&'p str>,
}

/// Goes on to an application by itself.
#[derive(Template)]
#[template(path = "onward.html")]
pub(crate) struct OnwardPage<'p> {
    pub(crate) site: Site<'p>,
    pub(crate) location: &'p str,
}

/// Sends an answer to an application in a form.
#[derive(Template)]
#[template(path = "form_post.html")]
pub(crate) struct FormPost<'p> {
    pub(crate) site: Site<'p>,
    pub(crate) action: &'p str,
    pub(crate) fields: &'p [(&'p str, &'p str)],
}

/// What a page may do beside being read.
#[derive(Clone, Copy, Default)]
pub(crate) struct Allowed<'p> {
    /// Where its form goes.
    pub(crate) form_to: FormTo<'p>,
    /// Whether it runs [`SUBMIT_SCRIPT`].
    pub(crate) submits_itself: bool,
    /// What it shows in frames.
    pub(crate) frames: &'p [Url],
}

/// Where a page's form goes. Browsers hold a form to its page's policy through every redirect that follows.
#[derive(Clone, Copy)]
pub(crate) enum FormTo<'p> {
    /// To this server, whose answer may redirect to an app's own scheme; on the web
    /// [another page](OnwardPage) comes between.
    Here(Option<&'p RegisteredRedirectUri>),
    /// To an application, which may redirect to wherever it likes.
    Application(&'p RegisteredRedirectUri),
}

impl Default for FormTo<'_> {
    fn default() -> Self {
        Self::Here(None)
    }
}

/// Whether a redirect URI is a page, and not an app's own scheme.
pub(crate) fn is_web(uri: &RegisteredRedirectUri) -> bool {
    matches!(scheme(uri).as_str(), "https" | "http")
}

fn scheme(uri: &RegisteredRedirectUri) -> String {
    Url::parse(uri.as_str()).map_or_else(|_| String::new(), |url| url.scheme().to_owned())
}

/// `GET /oauth/style.css`
pub(crate) async fn style(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    server.config.brand.style.clone().answer(&headers)
}

/// `GET /oauth/logo`: the brand's picture, which is nothing but that, however it is opened.
pub(crate) async fn logo(State(server): State<Arc<Server>>, headers: HeaderMap) -> Response {
    let Some(logo) = server.config.brand.logo.clone() else {
        return Problem::not_found().into_response();
    };
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
    ([(CONTENT_SECURITY_POLICY, policy)], logo.answer(&headers)).into_response()
}

/// A page as an answer.
pub(crate) fn answer(
    status: StatusCode,
    page: &impl Template,
    site: Site<'_>,
    allowed: Allowed<'_>,
) -> Response {
    let html = match page.render() {
        Ok(html) => html,
        Err(error) => return Problem::internal(&error).into_response(),
    };
    let policy = HeaderValue::try_from(policy(site.brand.logo.is_some(), allowed));
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (CONTENT_LANGUAGE, site.language.header()),
        (VARY, HeaderValue::from_static("Accept-Language")),
        (CONTENT_SECURITY_POLICY, policy.unwrap_or(HeaderValue::from_static("default-src 'none'; sandbox"))),
        (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        // Not `no-referrer`: with it, a form's `Origin` would be `null`.
        (REFERRER_POLICY, HeaderValue::from_static("same-origin")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (status, headers, html).into_response()
}

/// The page's Content Security Policy ([CSP Level 3](https://www.w3.org/TR/CSP3/)): nothing but its style,
/// its picture where it has one, and its form where it has to go.
fn policy(has_logo: bool, allowed: Allowed<'_>) -> String {
    let form_to = match allowed.form_to {
        FormTo::Here(Some(uri)) if !is_web(uri) => format!("'self' {}:", scheme(uri)),
        FormTo::Here(_) => "'self'".to_owned(),
        FormTo::Application(uri) => format!("{}:", scheme(uri)),
    };
    let mut policy = format!(
        "default-src 'none'; style-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action {form_to}"
    );
    if has_logo {
        policy.push_str("; img-src 'self'");
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
    use crate::language::Languages;

    #[test]
    fn a_form_leads_nowhere_but_here_unless_it_is_an_applications() {
        let cases = [
            ("https://app.example.com/cb?x=1", "'self'", "https:"),
            ("http://127.0.0.1:51004/cb", "'self'", "http:"),
            ("http://[::1]:51004/cb", "'self'", "http:"),
            ("com.example.app:/cb", "'self' com.example.app:", "com.example.app:"),
        ];
        for (uri, here, application) in cases {
            let to = uri.parse::<RedirectUri>().unwrap().matches(uri).unwrap();
            for (form_to, want) in [(FormTo::Here(Some(&to)), here), (FormTo::Application(&to), application)]
            {
                let policy = policy(false, Allowed { form_to, ..Allowed::default() });
                assert!(policy.ends_with(&format!("; form-action {want}")), "{policy}");
                assert!(!policy.contains("script-src"), "{policy}");
            }
        }
    }

    #[test]
    fn the_policy_names_the_script_that_the_page_has() {
        let fields = [("code", "x\"><script>")];
        let (brand, languages) = (Brand::default(), Languages::default());
        let language = languages.choose(None, &HeaderMap::new());
        let site = Site { base: "", brand: &brand, language, t: &language.texts };
        let page = FormPost { site, action: "https://app.example.com/cb", fields: &fields };
        let html = page.render().unwrap();
        let script = html.split_once("<script>").unwrap().1.split_once("</script>").unwrap().0;
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, script.as_bytes());
        let hash = base64_simd::STANDARD.encode_to_string(hash.as_ref());
        assert_eq!(SUBMIT_SCRIPT, format!("'sha256-{hash}'"));
        assert_eq!(html.matches("<script>").count(), 1, "{html}");
    }
}
