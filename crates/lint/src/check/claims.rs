//! GP4xx: the claims that verifiers check, or should.

use crate::check::personal;
use crate::check::plain_name;
use crate::json::{Json, Object};
use crate::quote::quoted;
use crate::report::Found;
use crate::rule::*;
use crate::token::{ID_TOKEN_CLAIMS, Role};

pub(super) fn check(claims: &Object, role: Role, found: &mut Found<'_>) {
    if matches!(role, Role::Access | Role::Id | Role::Unsaid) {
        missing(claims, role, found);
    }
    types(claims, found);
    misspelt(claims, found);
    if let Some(issuer) = claims.text("iss") {
        self::issuer(issuer, found);
    }
    if let Some(audience) = claims.find("aud") {
        self::audience(audience, found);
    }
    if role == Role::Access {
        for name in ID_TOKEN_CLAIMS.iter().filter(|name| claims.has(name)) {
            found.add(
                &ID_TOKEN_AS_ACCESS_TOKEN,
                format_args!("payload.{name}"),
                format_args!("`{name}` belongs to an ID token, and this is an access token"),
            );
        }
    }
    let scope = claims.text("scope").or_else(|| claims.text("scp")).unwrap_or_default();
    if let Some(word) = scope.split(' ').find(|word| ALL_SCOPES.contains(&word.to_ascii_lowercase().as_str()))
    {
        found.add(
            &SCOPE_EVERYTHING,
            "payload.scope",
            format_args!("the scope {} has no bounds", quoted(word)),
        );
    }
    if let Some(subject) = claims.text("sub")
        && (personal::email(subject) || personal::phone(subject))
    {
        found.add(
            &SUB_REASSIGNABLE,
            "payload.sub",
            format_args!("the subject is an address or number that is given to others in time"),
        );
    }
}

const ALL_SCOPES: &[&str] = &["*", "*:*", "*.*", "all", "full", "full_access", "root", "superuser"];

fn missing(claims: &Object, role: Role, found: &mut Found<'_>) {
    let rows: [(&str, &'static Rule, &str); 5] = [
        ("iss", &ISS_MISSING, "the token has no `iss`: nobody knows whose keys are to verify it"),
        ("aud", &AUD_MISSING, "the token has no `aud`: every service may accept it"),
        ("sub", &SUB_MISSING, "the token has no `sub`: it speaks for nobody"),
        ("iat", &IAT_MISSING, "the token has no `iat`"),
        ("jti", &JTI_MISSING, "the token has no `jti`: it cannot be taken back alone"),
    ];
    for (name, rule, message) in rows {
        // ID tokens are consumed once, by the client that asked: OpenID Connect gives them no `jti`.
        let is_needed = name != "jti" || role != Role::Id;
        if is_needed && !claims.has(name) {
            found.add(rule, format_args!("payload.{name}"), format_args!("{message}"));
        }
    }
    // `azp`, `cid` and `appid` are what issuers older than RFC 9068 call it.
    if role == Role::Access && !["client_id", "azp", "cid", "appid"].iter().any(|name| claims.has(name)) {
        found.add(&CLIENT_ID_MISSING, "payload.client_id", format_args!("the token has no `client_id`"));
    }
}

fn types(claims: &Object, found: &mut Found<'_>) {
    for name in ["iss", "sub", "jti", "client_id", "azp", "scope", "sid", "nonce"] {
        if let Some(value) = claims.find(name).filter(|value| value.as_text().is_none()) {
            let kind = value.type_name();
            found.add(
                &CLAIM_WRONG_TYPE,
                format_args!("payload.{name}"),
                format_args!("`{name}` is {kind}, not a string"),
            );
        }
    }
    let is_audience = |value: &Json| match value {
        Json::Text(_) => true,
        Json::Array(items) => items.iter().all(|item| item.as_text().is_some()),
        _ => false,
    };
    if claims.find("aud").is_some_and(|value| !is_audience(value)) {
        found.add(
            &CLAIM_WRONG_TYPE,
            "payload.aud",
            format_args!("`aud` is neither a string nor a list of strings"),
        );
    }
}

/// What registered claims are called by those who did not look: without hyphens and underscores, in
/// lower case.
#[rustfmt::skip] // a table
const MISSPELLINGS: &[(&str, &[&str])] = &[
    ("exp", &["exp", "expires", "expiresat", "expiry", "expire", "expireat", "expiration", "expirationtime", "expirydate", "validuntil"]),
    ("nbf", &["nbf", "notbefore", "validfrom"]),
    ("iat", &["iat", "issuedat", "issueat"]),
    ("iss", &["iss", "issuer", "issuedby"]),
    ("aud", &["aud", "audience", "audiences"]),
    ("sub", &["sub", "subject"]),
    ("jti", &["jti", "jwtid", "tokenid"]),
];

fn misspelt(claims: &Object, found: &mut Found<'_>) {
    for (name, spellings) in MISSPELLINGS {
        if claims.has(name) {
            continue;
        }
        let odd = claims.iter().find(|(other, _)| spellings.contains(&plain_name(other).as_str()));
        if let Some((other, _)) = odd {
            found.add(
                &CLAIM_MISSPELT,
                format_args!("payload{}", crate::json::Member(other)),
                format_args!("{} is checked by nobody; is `{name}` meant?", quoted(other)),
            );
        }
    }
}

fn issuer(issuer: &str, found: &mut Found<'_>) {
    let complaint = if is_loopback(issuer) || issuer.starts_with("did:") {
        return;
    } else if !issuer.starts_with("https://") {
        "not an https URL"
    } else if issuer.contains(['?', '#']) {
        "a URL with a query or fragment"
    } else {
        return;
    };
    found.add(&ISS_NOT_HTTPS, "payload.iss", format_args!("the issuer {} is {complaint}", quoted(issuer)));
}

/// Whether an http URL stays on this machine.
pub(crate) fn is_loopback(url: &str) -> bool {
    let Some(rest) = url.strip_prefix("http://") else { return false };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let name = host.strip_prefix('[').and_then(|host| host.split(']').next());
    let name = name.unwrap_or_else(|| host.split(':').next().unwrap_or_default());
    name == "localhost"
        || name.ends_with(".localhost")
        || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

fn audience(audience: &Json, found: &mut Found<'_>) {
    /// More than that is a token for anybody.
    const MOST: usize = 5;
    let path = "payload.aud";
    let anybody = |name: &str| name.trim().is_empty() || name.contains('*');
    let complaint = match audience {
        Json::Text(name) => anybody(name).then_some("it is empty or a wildcard"),
        Json::Array(items) if items.is_empty() => Some("it is an empty list"),
        Json::Array(items) => items
            .iter()
            .any(|item| item.as_text().is_some_and(anybody))
            .then_some("one of them is empty or a wildcard"),
        _ => None,
    };
    if let Some(complaint) = complaint {
        found.add(&AUD_ANYBODY, path, format_args!("the audience names nobody in particular: {complaint}"));
    }
    if let Some(count) = audience.as_array().map(<[Json]>::len).filter(|count| *count > MOST) {
        found.add(&AUD_MANY, path, format_args!("the token is for {count} audiences"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_known_by_its_name_and_numbers() {
        for url in
            ["http://localhost", "http://127.0.0.1:8081/x", "http://[::1]:8081", "http://a.localhost:1"]
        {
            assert!(is_loopback(url), "{url}");
        }
        for url in [
            "https://localhost",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "http://[::2]",
        ] {
            assert!(!is_loopback(url), "{url}");
        }
    }
}
