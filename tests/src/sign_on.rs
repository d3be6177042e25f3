//! As much of a browser as the authorization server's pages need, and an application that logs a user in with it.

use std::collections::BTreeMap;

use reqwest::{Method, RequestBuilder, Url};
use serde_json::Value;

use crate::http::{Answer, send};
use crate::up::{PASSWORD, Up};

/// Where every application here has its browser sent back to; nobody listens.
pub const REDIRECT_URI: &str = "http://127.0.0.1/callback";

/// The code verifier and its challenge of RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A browser with its cookies. The server's are for TLS alone, so they are kept by hand.
#[derive(Default)]
pub struct Visitor {
    cookies: BTreeMap<String, String>,
}

impl Visitor {
    /// Logs in at the pages, allows what is asked, and gives the code that the application gets.
    pub async fn code(&mut self, up: &Up, client: &str, scope: &str, username: &str) -> String {
        let url = authorization_url(up, client, scope, &[]);
        code_in(&self.authorize(up, url.as_str(), username).await)
    }

    /// Follows an application's authorization request through the pages, and gives where the browser is sent back to.
    pub async fn authorize(&mut self, up: &Up, url: &str, username: &str) -> Url {
        let mut answer = self.open(up, Method::GET, url, &[]).await;
        while answer.leads_to().is_none() && answer.status == 200 {
            let page = String::from_utf8_lossy(&answer.body).into_owned();
            let mut fields = hidden_fields(&page);
            let filled: &[(&str, &str)] = match page.contains("name=\"password\"") {
                true => &[("username", username), ("password", PASSWORD)],
                false => &[("decision", "allow")],
            };
            fields.extend(filled.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            let action = attribute(&page, "<form", "action").expect("a form");
            answer = self.open(up, Method::POST, &format!("{}{action}", up.issuer()), &fields).await;
        }
        Url::parse(answer.leads_to().unwrap_or_default()).unwrap_or_else(|_| panic!("{}", answer.shown()))
    }

    /// Opens a page, of whichever server.
    pub async fn get(&mut self, up: &Up, url: &str) -> Answer {
        self.open(up, Method::GET, url, &[]).await
    }

    /// Logs out as the application asks that an ID token was made for.
    pub async fn log_out(&mut self, up: &Up, id_token: &str) -> Answer {
        let url = format!("{}/oauth/logout?id_token_hint={id_token}", up.issuer());
        self.open(up, Method::GET, &url, &[]).await.expect(200)
    }

    async fn open(&mut self, up: &Up, method: Method, url: &str, fields: &[(String, String)]) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut request = up.client.request(method, url).header("cookie", cookies.join("; "));
        if !fields.is_empty() {
            let site = [("origin", up.issuer()), ("sec-fetch-site", "same-origin")];
            request = site.into_iter().fold(request, |request, (name, value)| request.header(name, value));
            request = with_form(request, fields);
        }
        let answer = send(request).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let pair = cookie.to_str().expect("a cookie in ASCII").split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie's name and value");
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }
}

/// Where an application sends browsers to be logged in, with more parameters.
pub fn authorization_url(up: &Up, client: &str, scope: &str, more: &[(&str, &str)]) -> Url {
    authorization_url_to(up.issuer(), (client, REDIRECT_URI), scope, more)
}

/// The same for whichever issuer, and an application that has its browsers sent back elsewhere.
pub fn authorization_url_to(
    issuer: &str,
    (client, redirect_uri): (&str, &str),
    scope: &str,
    more: &[(&str, &str)],
) -> Url {
    let mut url = Url::parse(&format!("{issuer}/oauth/authorize")).expect("a URL");
    url.query_pairs_mut()
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", redirect_uri),
            ("scope", scope),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ])
        .extend_pairs(more);
    url
}

/// Logs a user in at a public application and gives its tokens.
pub async fn code_flow(up: &Up, visitor: &mut Visitor, client: &str, scope: &str, username: &str) -> Value {
    let code = visitor.code(up, client, scope, username).await;
    redeem(up, (client, None), &code, &[]).await.expect(200).json()
}

/// The code that the browser was sent back with.
#[track_caller]
pub fn code_in(back: &Url) -> String {
    let code = back.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned());
    code.unwrap_or_else(|| panic!("no code in {back}"))
}

/// The token request for a code, of an application that has a secret or none, with more parameters.
pub async fn redeem(
    up: &Up,
    (client, secret): (&str, Option<&str>),
    code: &str,
    more: &[(&str, &str)],
) -> Answer {
    redeem_at(up, (client, secret), REDIRECT_URI, code, more).await
}

/// The same of an application that had its browser sent back elsewhere.
pub async fn redeem_at(
    up: &Up,
    (client, secret): (&str, Option<&str>),
    redirect_uri: &str,
    code: &str,
    more: &[(&str, &str)],
) -> Answer {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("redirect_uri", redirect_uri),
        ("code", code),
        ("code_verifier", VERIFIER),
    ];
    let form = form.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let request = up.at_server(Method::POST, "/oauth/token");
    let request = match secret {
        Some(secret) => request.basic_auth(client, Some(secret)),
        None => request,
    };
    send(with_form(request, &form.collect::<Vec<_>>())).await
}

fn with_form(request: RequestBuilder, fields: &[(String, String)]) -> RequestBuilder {
    // A URL's query is written like a form.
    let mut url = Url::parse("http://localhost").expect("a URL");
    url.query_pairs_mut().extend_pairs(fields);
    let form = url.query().unwrap_or_default().to_owned();
    request.header("content-type", "application/x-www-form-urlencoded").body(form)
}

fn hidden_fields(page: &str) -> Vec<(String, String)> {
    let inputs = page.split("<input type=\"hidden\"").skip(1);
    let field = |input: &str| Some((attribute(input, "", "name")?, attribute(input, "", "value")?));
    inputs.filter_map(field).collect()
}

/// The value of the attribute behind `start`.
fn attribute(page: &str, start: &str, name: &str) -> Option<String> {
    let (_, from) = page.split_once(start)?;
    let (_, value) = from.split_once(&format!(" {name}=\""))?;
    let (value, _) = value.split_once('"')?;
    let escapes = [("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">"), ("&#38;", "&")];
    Some(escapes.iter().fold(value.to_owned(), |text, (escape, plain)| text.replace(escape, plain)))
}
