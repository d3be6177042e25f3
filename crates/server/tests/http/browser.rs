//! A browser that an application sends to the authorization endpoint: keeps cookies, fills in forms.

use std::collections::BTreeMap;

use gatepass_issuer::LogoutDelivery;
use gatepass_issuer::admin::{NewClient, NewCredential, SignOnClient};
use gatepass_issuer::client::{ClientExtensions, GrantType};
use gatepass_token::CodeVerifier;
use http::header::{COOKIE, SET_COOKIE};
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::fixture::{Answer, Call, Fixture, ISSUER, PASSWORD, require_description};

pub(crate) const CALLBACK: &str = "https://app.example.com/callback";
pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(crate) const LOGIN_COOKIE: &str = "__Host-gatepass-login";

/// What an application asks for, as a query.
pub(crate) fn request(changes: &[(&str, &str)]) -> String {
    let challenge = CodeVerifier::parse(VERIFIER).unwrap().challenge().to_string();
    let mut params = BTreeMap::from([
        ("client_id", "shop"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid profile orders:read"),
        ("state", "s&1=\"<é>"),
        ("nonce", "n-1"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ]);
    params.extend(changes.iter().copied());
    params.retain(|_, value| !value.is_empty());
    encode(params)
}

pub(crate) fn encode<'p>(params: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
}

/// Registers the public clients `shop` (asks for consent) and `own` (does not), and the confidential one
/// `office`, whose secret it returns.
pub(crate) async fn register(fixture: &Fixture) -> String {
    let new = |id: &str, confidential, trusted, redirect_uris: &[&str]| NewClient {
        id: Some(id.parse().unwrap()),
        name: format!("The <{id}>"),
        credential: if confidential { NewCredential::Secret } else { NewCredential::None },
        grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        scope: "orders:read orders:write".parse().unwrap(),
        audience: Vec::new(),
        exchange: None,
        extensions: ClientExtensions::default(),
        sign_on: SignOnClient {
            redirect_uris: redirect_uris.iter().map(|uri| uri.parse().unwrap()).collect(),
            post_logout_redirect_uris: vec!["https://app.example.com/bye".parse().unwrap()],
            trusted,
            require_pkce: !confidential,
            ..SignOnClient::default()
        },
    };
    let clients = [
        new("shop", false, false, &[CALLBACK, "http://127.0.0.1/cb", "com.example.shop:/cb"]),
        new("own", false, true, &[CALLBACK]),
    ];
    for client in clients {
        fixture.issuer.create_client(client, fixture.now()).await.unwrap();
    }
    let office = new("office", true, true, &[CALLBACK]);
    fixture.issuer.create_client(office, fixture.now()).await.unwrap().1.unwrap().expose().to_owned()
}

pub(crate) struct Browser<'f> {
    fixture: &'f Fixture,
    cookies: BTreeMap<String, String>,
}

impl<'f> Browser<'f> {
    pub(crate) fn new(fixture: &'f Fixture) -> Self {
        Self { fixture, cookies: BTreeMap::new() }
    }

    pub(crate) fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    pub(crate) fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) async fn open(&mut self, path: &str) -> Answer {
        let call = self.fixture.get(path);
        self.send(call).await
    }

    pub(crate) async fn authorize(&mut self, query: &str) -> Answer {
        self.open(&format!("/oauth/authorize?{query}")).await
    }

    /// Sends what was asked, with the cookies, and keeps those of the answer.
    pub(crate) async fn send(&mut self, call: Call) -> Answer {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let call = if cookies.is_empty() { call } else { call.header(COOKIE, &cookies.join("; ")) };
        let answer = call.send().await;
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            let (pair, attributes) = cookie.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert!(name.starts_with("__Host-"), "{cookie}");
            assert!(attributes.starts_with("Path=/; HttpOnly; Secure; SameSite=Lax"), "{cookie}");
            match value {
                "" => drop(self.cookies.remove(name)),
                value => self.set_cookie(name, value),
            }
        }
        answer
    }

    /// Fills in the page's form and sends it, as a page of this server does.
    pub(crate) async fn submit(&mut self, page: &Answer, fields: &[(&str, &str)]) -> Answer {
        let call = self.form(page, fields);
        self.send(call.header("sec-fetch-site", "same-origin").header("origin", ISSUER)).await
    }

    /// The page's form filled in, without what a browser says of where it comes from.
    pub(crate) fn form(&self, page: &Answer, fields: &[(&str, &str)]) -> Call {
        let (action, mut all) = form(page);
        all.extend(fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.fixture.post(&action).form(&encode(all.iter().map(|(n, v)| (n.as_str(), v.as_str()))))
    }

    pub(crate) async fn log_in(&mut self, page: &Answer, username: &str) -> Answer {
        self.submit(page, &[("username", username), ("password", PASSWORD)]).await
    }

    /// From the application through login and consent back to it.
    pub(crate) async fn through(&mut self, query: &str) -> BTreeMap<String, String> {
        let mut answer = self.authorize(query).await;
        if text(&answer).contains("/oauth/login") {
            answer = self.log_in(&answer, "alice").await;
        }
        if text(&answer).contains("/oauth/consent") {
            answer = self.submit(&answer, &[("decision", "allow")]).await;
        }
        sent_back(&answer)
    }

    pub(crate) async fn code(&mut self, query: &str) -> String {
        let params = self.through(query).await;
        params.get("code").unwrap_or_else(|| panic!("no code in {params:?}")).clone()
    }
}

/// The answer's text.
pub(crate) fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// The action and the hidden fields of the page's one form.
pub(crate) fn form(page: &Answer) -> (String, BTreeMap<String, String>) {
    let html = text(page);
    let between = |text: &str, from: &str, to: &str| {
        let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from} in {text}"));
        rest.split_once(to).unwrap().0.to_owned()
    };
    let fields = html.split("<input type=\"hidden\"").skip(1).map(|input| {
        (unescape(&between(input, "name=\"", "\"")), unescape(&between(input, "value=\"", "\"")))
    });
    (unescape(&between(&html, "action=\"", "\"")), fields.collect())
}

fn unescape(text: &str) -> String {
    let entities =
        [("&#38;", "&"), ("&amp;", "&"), ("&#34;", "\""), ("&#39;", "'"), ("&#60;", "<"), ("&#62;", ">")];
    entities.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

/// What the application is told in its redirect URI's query.
#[track_caller]
pub(crate) fn sent_back(answer: &Answer) -> BTreeMap<String, String> {
    assert!(!answer.led_to().is_empty(), "{} {}", answer.status, text(answer));
    params_of(answer.led_to())
}

/// What the application is told by whoever follows the link of an error page, or was sent there.
#[track_caller]
pub(crate) fn told_by(answer: &Answer) -> BTreeMap<String, String> {
    if !answer.led_to().is_empty() {
        return sent_back(answer);
    }
    let html = text(answer);
    let link =
        html.split_once("<a class=\"button second\" href=\"").unwrap_or_else(|| panic!("no link in {html}"));
    params_of(&unescape(link.1.split_once('"').unwrap().0))
}

/// What a redirect URI says, and what holds for all of them.
#[track_caller]
fn params_of(location: &str) -> BTreeMap<String, String> {
    let location = Url::parse(location).unwrap();
    assert!(location.as_str().starts_with(CALLBACK), "{location}");
    assert_eq!(location.fragment(), None);
    let params: BTreeMap<String, String> = location.query_pairs().into_owned().collect();
    if !params.contains_key("response") {
        assert_eq!(params.get("iss").map(String::as_str), Some(ISSUER), "RFC 9207: {location}");
    }
    params.get("error_description").into_iter().for_each(|text| require_description(text));
    params
}

/// The token request of a public client for a code.
pub(crate) fn exchange(client: &str, code: &str) -> String {
    encode([
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ])
}

/// The claims of a token, believed.
pub(crate) fn claims(token: &str) -> Value {
    gatepass_jose::decode_unverified(token).unwrap().unverified_claims().unwrap()
}

/// The logout tokens that are to be sent now, each with where it goes.
pub(crate) async fn due_logouts(fixture: &Fixture) -> Vec<(LogoutDelivery, String)> {
    let mut due = Vec::new();
    for delivery in fixture.issuer.due_logouts(10, fixture.now()).await.unwrap() {
        let token = fixture.issuer.logout_token(&delivery, fixture.now()).await.unwrap();
        due.push((delivery, token));
    }
    due
}
