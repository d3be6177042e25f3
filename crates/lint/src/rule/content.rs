//! GP5xx: what should not be in a payload that anybody can read.

use super::{Rule, Sample, Severity};

rules! {
    EMAIL = Rule {
        id: "GP501",
        name: "personal-email",
        severity: Severity::Warning,
        summary: "The token carries an e-mail address.",
        why: "A signed token is not encrypted. Whoever sees it reads it: proxies, logs, browser \
            extensions, the services that only needed to know that the caller may call. In ID tokens, \
            which go to the client alone, the claims of OpenID Connect are not reported.",
        mend: "Leave it out; services that need it ask by `sub`, at the userinfo endpoint for example.",
        reference: "RFC 7519 section 12",
        bad: Sample::Claims(r#"{"sub":"u_1","email":"ada@example.com"}"#),
        good: Sample::Claims(r#"{"sub":"u_1","email_verified":true}"#),
    };
    PHONE = Rule {
        id: "GP502",
        name: "personal-phone",
        severity: Severity::Warning,
        summary: "The token carries a telephone number.",
        why: "A signed token is readable by all who handle it, and a number identifies a person across \
            services. In ID tokens the claims of OpenID Connect are not reported.",
        mend: "Leave it out; services that need it ask by `sub`.",
        reference: "RFC 7519 section 12",
        bad: Sample::Claims(r#"{"phone_number":"+44 20 7946 0958"}"#),
        good: Sample::Claims(r#"{"phone_number_verified":true}"#),
    };
    PERSONAL_CLAIM = Rule {
        id: "GP503",
        name: "personal-claim",
        severity: Severity::Warning,
        summary: "The token carries personal data: a name, an address, a date of birth.",
        why: "A signed token is readable by all who handle it and ends up in their logs. An access token \
            needs to say what is allowed, not who somebody is in the street. In ID tokens the claims of \
            OpenID Connect are not reported.",
        mend: "Leave it out of access tokens; ask the userinfo endpoint where it is needed.",
        reference: "RFC 9068 section 6",
        bad: Sample::Claims(r#"{"birthdate":"1815-12-10"}"#),
        good: Sample::Claims(r#"{"sub":"u_1"}"#),
    };
    CARD_NUMBER = Rule {
        id: "GP504",
        name: "card-number",
        severity: Severity::Error,
        summary: "The token carries a payment card number.",
        why: "The number has the length, prefix and check digit of a card. With it, every system that sees \
            the token falls under the card industry's rules, and the number can be used by whoever reads a \
            log.",
        mend: "Take it out; refer to the card by the payment provider's token for it.",
        reference: "RFC 7519 section 12",
        bad: Sample::Claims(r#"{"payment":{"card":"4111 1111 1111 1111"}}"#),
        good: Sample::Claims(r#"{"payment":{"card":"ending in 1111"}}"#),
    };
    IBAN = Rule {
        id: "GP505",
        name: "iban",
        severity: Severity::Error,
        summary: "The token carries a bank account number (IBAN).",
        why: "The text has the form and check digits of an IBAN. It names a person's account to everybody \
            who handles the token.",
        mend: "Take it out; services that need it ask by `sub`.",
        reference: "RFC 7519 section 12",
        bad: Sample::Claims(r#"{"account":"GB82 WEST 1234 5698 7654 32"}"#),
        good: Sample::Claims(r#"{"account":"GB82 WEST 1234 5698 7654 33"}"#),
    };
    NATIONAL_ID = Rule {
        id: "GP506",
        name: "national-id",
        severity: Severity::Error,
        summary: "The token carries a number by which a state knows a person.",
        why: "Social security, tax, passport and identity card numbers are asked for as proof of identity \
            elsewhere, cannot be changed, and are protected by law in most countries.",
        mend: "Take it out; keep it in the one service that needs it, under `sub`.",
        reference: "RFC 7519 section 12",
        bad: Sample::Claims(r#"{"ssn":"078-05-1120"}"#),
        good: Sample::Claims(r#"{"sub":"u_1"}"#),
    };
    IP_ADDRESS = Rule {
        id: "GP507",
        name: "ip-address",
        severity: Severity::Note,
        summary: "The token carries an IP address.",
        why: "A user's address is personal data, and one of your own network tells strangers how it is \
            laid out. Binding a token to an address fails for people who move between networks.",
        mend: "Leave it out; bind tokens to a key (DPoP, mTLS) where they must be bound.",
        reference: "RFC 7519 section 12",
        bad: Sample::Claims(r#"{"ipaddr":"203.0.113.7"}"#),
        good: Sample::Claims(r#"{"version":"1.2.3.4"}"#),
    };
    SECRET_CLAIM = Rule {
        id: "GP510",
        name: "secret-claim",
        severity: Severity::Error,
        summary: "A claim carries what its name calls a secret.",
        why: "The payload is encoded, not encrypted: base64url is undone by any website. A password or API \
            key in it is known to everybody who ever sees the token.",
        mend: "Take it out and change the secret: it has been handed out.",
        reference: "RFC 7519 section 11.2",
        bad: Sample::Claims(r#"{"user":{"password":"hunter2"}}"#),
        good: Sample::Claims(r#"{"password_changed_at":1790000000}"#),
    };
    PRIVATE_KEY = Rule {
        id: "GP511",
        name: "private-key",
        severity: Severity::Error,
        summary: "The token carries a private key.",
        why: "The payload can be read by everybody who sees the token. A private key in it is no longer one.",
        mend: "Withdraw the key and make a new one; a token refers to a key by its thumbprint (`cnf`).",
        reference: "RFC 7519 section 11.2",
        bad: Sample::Claims(r#"{"pem":"-----BEGIN PRIVATE KEY-----\nMC4CAQ"}"#),
        good: Sample::Claims(r#"{"cnf":{"jkt":"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}"#),
    };
    SERVICE_KEY = Rule {
        id: "GP512",
        name: "service-key",
        severity: Severity::Error,
        summary: "The token carries an access key of a cloud or another service.",
        why: "The text has the form in which a provider writes its keys. Everybody who sees the token can \
            use it, and programs search for these forms day and night.",
        mend: "Withdraw the key at the provider and keep the new one on the server.",
        reference: "RFC 7519 section 11.2",
        bad: Sample::Claims(r#"{"storage":"AKIAIOSFODNN7EXAMPLE"}"#),
        good: Sample::Claims(r#"{"storage":"eu-west-1"}"#),
    };
    NESTED_TOKEN = Rule {
        id: "GP513",
        name: "nested-token",
        severity: Severity::Warning,
        summary: "A claim carries another token.",
        why: "Who receives this token can use the other one, which was meant for somebody else, and the \
            size doubles. When the inner token is a refresh token or a third party's, one leak opens two \
            doors.",
        mend: "Keep the other token on the server, under the session; use token exchange (RFC 8693) to act \
            for a user elsewhere.",
        reference: "RFC 9700 section 4.9",
        bad: Sample::Claims(r#"{"upstream":"eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1XzEifQ.c2lnbmF0dXJl"}"#),
        good: Sample::Claims(r#"{"upstream":"billing"}"#),
    };
    HIGH_ENTROPY = Rule {
        id: "GP514",
        name: "high-entropy",
        severity: Severity::Note,
        summary: "A claim looks random, as keys and secrets do.",
        why: "Long strings without pattern under a name that does not speak of an identifier are often \
            keys. This is a guess by the look of the text.",
        mend: "If it is a secret, take it out and change it; if it is an identifier, a shorter one will do.",
        reference: "RFC 7519 section 11.2",
        bad: Sample::Claims(r#"{"data":"q7Zk1Wv9RfT3xLbN8cYd2MgHs5JpQe4AuXo6ViKn0tE"}"#),
        good: Sample::Claims(r#"{"session_id":"q7Zk1Wv9RfT3xLbN8cYd2MgHs5JpQe4AuXo6ViKn0tE"}"#),
    };
    URL_PASSWORD = Rule {
        id: "GP515",
        name: "url-password",
        severity: Severity::Error,
        summary: "An address in the token contains a password.",
        why: "A database or service address with user and password in it opens that service to everybody \
            who sees the token.",
        mend: "Take it out and change the password.",
        reference: "RFC 3986 section 3.2.1",
        bad: Sample::Claims(r#"{"db":"postgres://app:s3same@db.internal/orders"}"#),
        good: Sample::Claims(r#"{"db":"postgres://db.internal/orders"}"#),
    };
    PASSWORD_HASH = Rule {
        id: "GP516",
        name: "password-hash",
        severity: Severity::Error,
        summary: "The token carries a password's hash.",
        why: "Whoever sees the token can guess the password offline, at leisure. It comes from writing a \
            whole database row into the token.",
        mend: "List the claims that go into a token one by one; have the user change the password.",
        reference: "RFC 7519 section 11.2",
        bad: Sample::Claims(r#"{"row":"$2b$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"}"#),
        good: Sample::Claims(r#"{"row":"$2 and a half"}"#),
    };
}
