//! GP4xx: the claims that verifiers check, or should.

use super::{Rule, Sample, Severity};

rules! {
    PAYLOAD_NOT_CLAIMS = Rule {
        id: "GP400",
        name: "payload-not-claims",
        severity: Severity::Warning,
        summary: "The payload is not a JSON object: this is no JWT.",
        why: "A JWS may sign anything, a JWT is an object of claims. A library that expects claims refuses \
            another payload, or takes it for an empty set of claims in which nothing is checked.",
        mend: "Put the content into an object with `iss`, `aud` and `exp`, or do not call it a token.",
        reference: "RFC 7519 section 7.2",
        bad: Sample::Claims(r#"["u_1"]"#),
        good: Sample::Claims(r#"{"sub":"u_1"}"#),
    };
    ISS_MISSING = Rule {
        id: "GP401",
        name: "iss-missing",
        severity: Severity::Warning,
        summary: "The token does not say who issued it.",
        why: "A verifier that trusts two issuers must know whose keys to use, and that the signing key \
            belongs to the issuer named. Without `iss` a token of the staging system is as good as one of \
            production.",
        mend: "Set `iss` to the issuer's URL and compare it exactly.",
        reference: "RFC 8725 section 3.8",
        bad: Sample::Claims(r#"{"sub":"u_1"}"#),
        good: Sample::Claims(r#"{"iss":"https://auth.example.com"}"#),
    };
    ISS_NOT_HTTPS = Rule {
        id: "GP402",
        name: "iss-not-https",
        severity: Severity::Warning,
        summary: "The issuer is not an https URL.",
        why: "Verifiers find the issuer's keys from its URL. Over plain http whoever sits on the way \
            supplies his own keys; from a mere name nothing can be found at all, and names collide.",
        mend: "Use an https URL without query and fragment, the same in the metadata and in every token.",
        reference: "RFC 8414 section 2",
        bad: Sample::Claims(r#"{"iss":"http://auth.example.com"}"#),
        good: Sample::Claims(r#"{"iss":"https://auth.example.com"}"#),
    };
    AUD_MISSING = Rule {
        id: "GP403",
        name: "aud-missing",
        severity: Severity::Warning,
        summary: "The token does not say for whom it is.",
        why: "Without `aud` every service that trusts the issuer accepts the token, so each of them can \
            use what it received at all the others. A token for the newsletter opens the payroll.",
        mend: "Set `aud` to the resource server's identifier, and let each server demand its own.",
        reference: "RFC 8725 section 3.9",
        bad: Sample::Claims(r#"{"sub":"u_1"}"#),
        good: Sample::Claims(r#"{"aud":"https://api.example.com"}"#),
    };
    AUD_ANYBODY = Rule {
        id: "GP404",
        name: "aud-anybody",
        severity: Severity::Error,
        summary: "The audience is empty or a wildcard.",
        why: "An empty audience names nobody, and `*` everybody. Either the check is switched off \
            somewhere, or it will be passed by a comparison that knows patterns.",
        mend: "Name the resource servers that the token is for.",
        reference: "RFC 8725 section 3.9",
        bad: Sample::Claims(r#"{"aud":["*"]}"#),
        good: Sample::Claims(r#"{"aud":["https://api.example.com"]}"#),
    };
    AUD_MANY = Rule {
        id: "GP405",
        name: "aud-many",
        severity: Severity::Warning,
        summary: "The token is for more than five audiences.",
        why: "Each of them can use the token at all the others. The more there are, the closer this comes \
            to having no audience.",
        mend: "Ask for a token per resource server; resource indicators and token exchange are made for it.",
        reference: "RFC 8707 section 2",
        bad: Sample::Claims(r#"{"aud":["a","b","c","d","e","f"]}"#),
        good: Sample::Claims(r#"{"aud":["a","b"]}"#),
    };
    SUB_MISSING = Rule {
        id: "GP406",
        name: "sub-missing",
        severity: Severity::Warning,
        summary: "The token does not say whom it speaks for.",
        why: "Without `sub` services look for the user elsewhere, in an e-mail address for example, which \
            changes hands. An access token must have it, and for a client that acts for itself it is the \
            client.",
        mend: "Set `sub` to an identifier that is never given to somebody else.",
        reference: "RFC 9068 section 2.2",
        bad: Sample::Claims(r#"{"iss":"https://auth.example.com"}"#),
        good: Sample::Claims(r#"{"sub":"u_1"}"#),
    };
    JTI_MISSING = Rule {
        id: "GP407",
        name: "jti-missing",
        severity: Severity::Note,
        summary: "The token has no name of its own.",
        why: "A token without `jti` cannot be taken back alone, cannot be told from another one in the \
            audit log, and cannot be recognised when it is played again.",
        mend: "Set `jti` to at least 96 random bits.",
        reference: "RFC 7519 section 4.1.7",
        bad: Sample::Claims(r#"{"sub":"u_1"}"#),
        good: Sample::Claims(r#"{"sub":"u_1","jti":"AaIBqOU5SqJzVacWNs5Q3g"}"#),
    };
    IAT_MISSING = Rule {
        id: "GP408",
        name: "iat-missing",
        severity: Severity::Note,
        summary: "The token does not say when it was issued.",
        why: "\"Everything issued before the password was changed\" is how tokens are taken back in bulk. \
            Without `iat` nobody can tell, and the token's lifetime cannot be judged.",
        mend: "Set `iat`.",
        reference: "RFC 9068 section 2.2",
        bad: Sample::Claims(r#"{"exp":1900000000}"#),
        good: Sample::Claims(r#"{"iat":1800000000,"exp":1800000900}"#),
    };
    CLIENT_ID_MISSING = Rule {
        id: "GP409",
        name: "client-id-missing",
        severity: Severity::Note,
        summary: "The access token does not say which client it was issued to.",
        why: "Services cannot treat clients differently, the audit log cannot tell who called, and a \
            client that was broken into cannot be shut out at the verifiers.",
        mend: "Set `client_id`; RFC 9068 requires it.",
        reference: "RFC 9068 section 2.2",
        bad: Sample::Claims(r#"{"scope":"orders:read"}"#),
        good: Sample::Claims(r#"{"scope":"orders:read","client_id":"web"}"#),
    };
    ID_TOKEN_AS_ACCESS_TOKEN = Rule {
        id: "GP410",
        name: "id-token-as-access-token",
        severity: Severity::Warning,
        summary: "The token is an ID token and an access token at once.",
        why: "`nonce`, `at_hash` and `c_hash` belong to an ID token, which tells a client who logged in. \
            `scope` and `at+jwt` belong to an access token, which opens an API. A token that is both is \
            accepted in both places, and each place gives it to people who should not have it.",
        mend: "Send the access token to APIs and keep the ID token at the client; the issuer makes two.",
        reference: "RFC 8725 section 3.12",
        bad: Sample::Claims(r#"{"nonce":"n-0S6_WzA2Mj","scope":"orders:read"}"#),
        good: Sample::Claims(r#"{"scope":"orders:read"}"#),
    };
    CLAIM_WRONG_TYPE = Rule {
        id: "GP411",
        name: "claim-wrong-type",
        severity: Severity::Error,
        summary: "A registered claim is not of its type.",
        why: "`iss`, `sub`, `jti`, `client_id` and `scope` are strings, `aud` is a string or a list of \
            strings. Another type is refused by strict libraries; in lenient ones `0` equals `\"\"`, and a \
            list equals its first entry.",
        mend: "Write the claim as its definition says: numbers as strings, scopes in one string with \
            blanks between.",
        reference: "RFC 7519 section 4.1",
        bad: Sample::Claims(r#"{"sub":42}"#),
        good: Sample::Claims(r#"{"sub":"42"}"#),
    };
    JTI_REPEATED = Rule {
        id: "GP412",
        name: "jti-repeated",
        severity: Severity::Error,
        summary: "Two different tokens have the same `jti`.",
        why: "A `jti` names one token. Where it is used to take tokens back or to recognise a replay, one \
            of the two takes the other down with it, or slips through.",
        mend: "Draw `jti` anew for each token, from a random generator.",
        reference: "RFC 7519 section 4.1.7",
        bad: Sample::Words("two tokens with different claims and one `jti`"),
        good: Sample::Words("two tokens with a `jti` each"),
    };
    SCOPE_EVERYTHING = Rule {
        id: "GP413",
        name: "scope-everything",
        severity: Severity::Warning,
        summary: "The scope allows everything.",
        why: "A token with `*` or `all` opens whatever its holder can reach, now and in services that do \
            not exist yet. What leaks with it cannot be bounded.",
        mend: "Ask for the scopes that the client needs.",
        reference: "RFC 9700 section 2.3",
        bad: Sample::Claims(r#"{"scope":"*"}"#),
        good: Sample::Claims(r#"{"scope":"orders:read orders:write"}"#),
    };
    CLAIM_MISSPELT = Rule {
        id: "GP414",
        name: "claim-misspelt",
        severity: Severity::Warning,
        summary: "A claim looks like a registered one under another name.",
        why: "Verifiers check `exp`, `aud` and `iss` under exactly these names. `Exp`, `expires_at` or \
            `audience` are claims that nobody checks, in a token that looks as if somebody did.",
        mend: "Use the registered name.",
        reference: "RFC 7519 section 4.1",
        bad: Sample::Claims(r#"{"expires_at":1900000000}"#),
        good: Sample::Claims(r#"{"exp":1900000000}"#),
    };
    SUB_REASSIGNABLE = Rule {
        id: "GP415",
        name: "sub-reassignable",
        severity: Severity::Warning,
        summary: "The subject is an e-mail address or a telephone number, which changes hands.",
        why: "Services store what belongs to `sub`. When an address is given to the next employee, or a \
            number to the next customer, the newcomer owns it all. It is personal data in every log line, \
            too.",
        mend: "Use an identifier that is made once and never given again.",
        reference: "RFC 7519 section 4.1.2",
        bad: Sample::Claims(r#"{"sub":"ada@example.com"}"#),
        good: Sample::Claims(r#"{"sub":"AaIBqN2VXx7QjEi_IoPsAA"}"#),
    };
}
