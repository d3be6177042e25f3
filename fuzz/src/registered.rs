//! What clients, users and certificates are called, what clients say of themselves, and where browsers are sent for them: texts and
//! DER that are compared later, and must not be read in two ways.

use gatepass_issuer::EmailAddress;
use gatepass_issuer::admin::NewCredential;
use gatepass_issuer::certificate::{RegisteredCertificate, ShownCertificate};
use gatepass_issuer::device::UserCode;
use gatepass_issuer::id::ClientId;
use gatepass_issuer::password::PasswordHash;
use gatepass_issuer::redirect_uri::RedirectUri;
use gatepass_server::parse_client_document;
use gatepass_token::AuthorizationDetails;
use url::Url;

use crate::bounds::bounded;

/// Takes `data` for a certificate, for a redirect URI and what a request has in its place, with a line break between, and for
/// each of the texts.
pub fn check(data: &[u8]) -> bool {
    let is_certificate = bounded(data.len(), || ShownCertificate::parse(data, false)).is_ok();
    let Ok(text) = std::str::from_utf8(data) else { return is_certificate };
    let (registered, requested) = text.split_once('\n').unwrap_or((text, text));
    let accepted = [
        check_redirect_uri(registered, requested),
        check_details(text),
        check_subject(text),
        check_user_code(text),
        check_hash(text),
        check_email(text),
        check_document(data),
    ];
    is_certificate || accepted.contains(&true)
}

fn check_redirect_uri(registered: &str, requested: &str) -> bool {
    let Ok(uri) = bounded(registered.len(), || registered.parse::<RedirectUri>()) else { return false };
    let own = Url::parse(registered).expect("it was read");
    assert!(own.fragment().is_none() && own.username().is_empty() && own.password().is_none());
    assert!(
        !["javascript", "data", "file", "blob", "vbscript", "about"].contains(&own.scheme()),
        "{registered}"
    );
    let is_loopback = ["http://127.0.0.1", "http://[::1]", "http://localhost"];
    assert!(
        own.scheme() != "http" || is_loopback.iter().any(|start| registered.starts_with(start)),
        "{registered}"
    );
    assert!(uri.matches(registered).is_some(), "it is itself");
    let Some(matched) = uri.matches(requested) else { return registered == requested };
    assert_eq!(matched.as_str(), requested);
    // Wherever a browser would go for what was asked for, it is where it would go for what is registered.
    let asked = Url::parse(requested).expect("what matches a URI is one");
    let place = |url: &Url| {
        let rest = (url.path().to_owned(), url.query().map(str::to_owned), url.fragment().map(str::to_owned));
        (url.scheme().to_owned(), url.host_str().map(str::to_owned), rest)
    };
    assert_eq!(place(&asked), place(&own), "{requested} for {registered}");
    assert!(asked.username().is_empty() && asked.password().is_none(), "{requested}");
    assert!(asked.port() == own.port() || own.scheme() == "http", "{requested} for {registered}");
    true
}

fn check_details(text: &str) -> bool {
    let Ok(details) = bounded(text.len(), || AuthorizationDetails::parse(text)) else { return false };
    let written = serde_json::to_string(&details).expect("it can be written");
    let again: AuthorizationDetails = serde_json::from_str(&written).expect("it was written");
    assert!(again.is_subset(&details) && details.is_subset(&again));
    let types: Vec<String> = details.iter().map(|(name, _)| name.to_owned()).collect();
    assert!(details.are_of(&types) && types.iter().all(|name| !name.is_empty()));
    assert!(details.is_empty() || !details.are_of(&[]));
    assert!(details.of(&types).is_subset(&details) && details.of(&[]).is_empty());
    true
}

fn check_subject(text: &str) -> bool {
    let registered = |text: &str| {
        let json = serde_json::json!({ "subject_dn": text });
        serde_json::from_value::<RegisteredCertificate>(json)
    };
    let Ok(certificate) = bounded(text.len(), || registered(text)) else { return false };
    let written = serde_json::to_value(&certificate).expect("it can be written");
    let written = written["subject_dn"].as_str().expect("a text");
    assert_eq!(registered(written).ok(), Some(certificate), "{text:?} is written as {written:?}");
    true
}

fn check_user_code(text: &str) -> bool {
    let Ok(code) = text.parse::<UserCode>() else { return false };
    let shown = code.to_string();
    assert!(shown.len() == 9 && shown.parse::<UserCode>().ok().as_ref() == Some(&code), "{shown}");
    true
}

fn check_hash(text: &str) -> bool {
    bounded(text.len(), || PasswordHash::import(text)).is_ok()
}

/// Of an address that is taken there is one reading: a naive one agrees on where it is at, and what is compared is ASCII.
fn check_email(text: &str) -> bool {
    let Ok(address) = bounded(text.len(), || text.parse::<EmailAddress>()) else { return false };
    assert!(text.len() <= 254 && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text:?}");
    assert!(!text.contains(['"', '(', ')', '<', '>', ',', ':', ';', '\\', '[', ']']), "{text:?}");
    let parts: Vec<&str> = text.split('@').collect();
    let [local, domain] = parts[..] else { panic!("{text:?} has not one @") };
    assert!(!local.is_empty() && !domain.is_empty() && address.is_at(domain));
    assert!(!address.is_at(&format!("evil.{domain}")) && !address.is_at(&domain[1..]), "{text:?}");
    assert_eq!(address.to_string(), text);
    let folded: EmailAddress = address.folded().parse().expect("it is one in small letters too");
    assert_eq!(folded, address);
    let json = serde_json::to_string(&address).expect("it can be written");
    assert_eq!(serde_json::from_str::<EmailAddress>(&json).ok(), Some(address));
    true
}

/// A client's document speaks for the URL that it was found at and for no other, has no secret, and asks for nothing that is the
/// operator's to give.
fn check_document(data: &[u8]) -> bool {
    let [own, other] = ["https://agent.example/client", "https://agent.example/client/"];
    let [own, other] = [own, other].map(|url| url.parse::<ClientId>().expect("a URL that is a client"));
    let Ok(client) = bounded(data.len(), || parse_client_document(&own, data)) else { return false };
    assert!(parse_client_document(&other, data).is_err(), "it speaks for another");
    assert!(matches!(client.credential, NewCredential::None | NewCredential::Keys(_)));
    assert!(
        client.scope.is_none()
            && client.backchannel_logout_uri.is_none()
            && client.frontchannel_logout_uri.is_none()
    );
    assert!(client.name.is_none_or(|name| !name.is_empty() && !name.chars().any(char::is_control)));
    for uri in client.redirect_uris.iter().chain(&client.post_logout_redirect_uris) {
        assert!(check_redirect_uri(uri.as_str(), uri.as_str()), "{uri:?}");
    }
    true
}
