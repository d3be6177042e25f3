//! What clients and certificates are called and where browsers are sent for them: texts and DER that are compared later, and must
//! not be read in two ways.

use gatepass_issuer::certificate::{RegisteredCertificate, ShownCertificate};
use gatepass_issuer::device::UserCode;
use gatepass_issuer::password::PasswordHash;
use gatepass_issuer::redirect_uri::RedirectUri;
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
