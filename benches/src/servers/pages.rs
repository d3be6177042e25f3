//! The authorization code flow through our own pages, as a browser and a confidential application go through it: how a refresh
//! token comes about without the password grant, which OAuth 2.1 has abolished.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use anyhow::{Context as _, Result, bail, ensure};

use crate::gatepass::{Installation, PASSWORD, USER, audience, basic, form, member, percent_encode};
use crate::load::{Connection, get, post};

/// The application, and where it has browsers sent back to; nobody listens.
const APPLICATION: &str = "bench-web";
const CALLBACK: &str = "http://127.0.0.1/callback";
/// The code verifier and its challenge of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// An application that users log in to.
pub(crate) struct Pages {
    address: SocketAddr,
    authorization: String,
}

/// What a page answers.
struct Page {
    status: u16,
    location: Option<String>,
    text: String,
}

impl Pages {
    /// Registers the application, which users are not asked about.
    pub(crate) fn of(installation: &Installation) -> Result<Self> {
        let audience = audience("ES256");
        let options =
            ["--trusted", "--redirect-uri", CALLBACK, "--scope", "orders:read", "--audience", &audience];
        let secret = installation.add_client(APPLICATION, &options)?;
        Ok(Self { address: installation.address, authorization: basic(APPLICATION, &secret) })
    }

    /// What the application authenticates with: the value of `Authorization`.
    pub(crate) fn authorization(&self) -> &str {
        &self.authorization
    }

    /// Somebody logs in; the refresh token that the application gets.
    pub(crate) async fn refresh_token(&self) -> Result<String> {
        let code = self.code().await?;
        let callback = percent_encode(CALLBACK);
        let body = format!(
            "grant_type=authorization_code&redirect_uri={callback}&code={code}&code_verifier={VERIFIER}"
        );
        let mut connection = Connection::open(self.address).await?;
        let request = form(self.address, "/oauth/token", &self.authorization, &body);
        let answer = connection.exchange(&request).await?;
        ensure!(answer.status == 200, "code: {}", String::from_utf8_lossy(answer.body));
        member(answer.body, "refresh_token")
    }

    async fn code(&self) -> Result<String> {
        let mut browser = Browser { address: self.address, cookies: BTreeMap::new() };
        let query = [
            ("response_type", "code"),
            ("client_id", APPLICATION),
            ("redirect_uri", CALLBACK),
            ("scope", "offline_access orders:read"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        let page = browser.open(&format!("/oauth/authorize?{}", encode(&query))).await?;
        ensure!(page.status == 200, "authorization request: status {}", page.status);
        let page = browser.submit(&page, &[("username", USER), ("password", PASSWORD)]).await?;
        let back = page.location.with_context(|| format!("login: status {}: {}", page.status, page.text))?;
        let code = back.split(['?', '&']).find_map(|parameter| parameter.strip_prefix("code="));
        Ok(code.with_context(|| format!("no code in {back}"))?.to_owned())
    }
}

/// As much of a browser as a page with one form needs.
struct Browser {
    address: SocketAddr,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    async fn open(&mut self, path: &str) -> Result<Page> {
        self.send(|address, cookies| get(address, path, &[("cookie", cookies)])).await
    }

    /// Fills in the page's form and sends it.
    async fn submit(&mut self, page: &Page, filled: &[(&str, &str)]) -> Result<Page> {
        let Some(action) = attribute(&page.text, "<form", "action") else {
            bail!("no form in {}", page.text)
        };
        let hidden: Vec<_> =
            page.text.split("<input type=\"hidden\"").skip(1).filter_map(hidden_field).collect();
        let mut fields: Vec<_> = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        fields.extend(filled);
        let origin = format!("http://{}", self.address);
        self.send(|address, cookies| {
            let fields_of_head = [
                ("content-type", "application/x-www-form-urlencoded"),
                ("origin", &origin),
                ("sec-fetch-site", "same-origin"),
                ("cookie", cookies),
            ];
            post(address, &action, &fields_of_head, &encode(&fields))
        })
        .await
    }

    async fn send(&mut self, request: impl FnOnce(SocketAddr, &str) -> Vec<u8>) -> Result<Page> {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = request(self.address, &cookies.join("; "));
        let mut connection = Connection::open(self.address).await?;
        let answer = connection.exchange(&request).await?;
        for cookie in answer.fields("set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').context("a cookie without a value")?;
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        // By a redirect, or by a page that comes between.
        let refresh = answer.fields("refresh").find_map(|refresh| refresh.strip_prefix("0; url="));
        let location = answer.fields("location").next().or(refresh).map(str::to_owned);
        Ok(Page { status: answer.status, location, text: String::from_utf8_lossy(answer.body).into_owned() })
    }
}

fn encode(fields: &[(&str, &str)]) -> String {
    let pair = |(name, value): &(&str, &str)| format!("{name}={}", percent_encode(value));
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}

fn hidden_field(input: &str) -> Option<(String, String)> {
    Some((attribute(input, "", "name")?, attribute(input, "", "value")?))
}

/// The value of the attribute behind `start`.
fn attribute(page: &str, start: &str, name: &str) -> Option<String> {
    let (_, from) = page.split_once(start)?;
    let (_, value) = from.split_once(&format!(" {name}=\""))?;
    let (value, _) = value.split_once('"')?;
    let entities =
        [("&#38;", "&"), ("&amp;", "&"), ("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">")];
    Some(entities.iter().fold(value.to_owned(), |text, (entity, plain)| text.replace(entity, plain)))
}
