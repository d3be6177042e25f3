//! GP7xx: where tokens were found, and how they travelled.

use super::{Rule, Sample, Severity};

rules! {
    TOKEN_IN_LOG = Rule {
        id: "GP701",
        name: "token-in-log",
        severity: Severity::Warning,
        summary: "The log contains a token, if only an expired one.",
        why: "A log is read by more people than the service, kept for years and copied to others. Even an \
            expired token shows whom it was for and what it allowed.",
        mend: "Log the token's `jti`, or the first characters of its signature's hash; have the logger \
            redact the Authorization header and cookies.",
        reference: "RFC 6750 section 5.3",
        bad: Sample::Log("GET /orders 401 authorization=\"Bearer EXPIRED\""),
        good: Sample::Log("GET /orders 401 authorization=\"Bearer eyJhbGci…\""),
    };
    TOKEN_IN_LOG_ALIVE = Rule {
        id: "GP702",
        name: "token-in-log-alive",
        severity: Severity::Error,
        summary: "The log contains a token that can still be used.",
        why: "It has a signature, and it has not expired: everybody who reads the log can act as its \
            subject, until it ends or somebody takes it back.",
        mend: "Take the token back (`gatepass revoke token JTI`), remove the line, and have the logger \
            redact tokens.",
        reference: "RFC 6750 section 5.3",
        bad: Sample::Log("GET /orders 200 authorization=\"Bearer TOKEN\""),
        good: Sample::Log("GET /orders 200 jti=AaIBqOU5SqJzVacWNs5Q3g"),
    };
    TOKEN_IN_URL = Rule {
        id: "GP703",
        name: "token-in-url",
        severity: Severity::Error,
        summary: "The token travels in a URL.",
        why: "URLs are written to access logs, browser histories and bookmarks, sent on in the Referer \
            header, and shared with the page. A bearer token in one is handed to all of them.",
        mend: "Send it in the Authorization header; where only a URL is possible (downloads, WebSockets), \
            use a ticket that works once and for minutes.",
        reference: "RFC 9700 section 4.3.2",
        bad: Sample::Log("\"GET /orders?access_token=TOKEN HTTP/1.1\" 200"),
        good: Sample::Log("\"GET /orders HTTP/1.1\" 200 \"Bearer TOKEN\""),
    };
    TOKEN_IN_COOKIE = Rule {
        id: "GP704",
        name: "token-in-cookie",
        severity: Severity::Note,
        summary: "The token travels in a cookie.",
        why: "A cookie is sent with every request to its host, also with those that another site caused. \
            Requests that change something then need a protection against forgery across sites that a \
            token in a header does not need.",
        mend: "Keep access tokens in memory and refresh tokens in a cookie for the refresh endpoint alone; \
            else set `SameSite`, and check the Origin header.",
        reference: "RFC 6750 section 5.3",
        bad: Sample::Log("Cookie: theme=dark; session=TOKEN"),
        good: Sample::Log("Authorization: Bearer TOKEN"),
    };
    COOKIE_FLAGS = Rule {
        id: "GP705",
        name: "cookie-flags",
        severity: Severity::Error,
        summary: "A cookie with a token is set without the flags that protect it.",
        why: "Without `HttpOnly` every script on the page reads the token; without `Secure` it crosses the \
            network in clear; without `SameSite` other sites' requests carry it.",
        mend: "Set `HttpOnly; Secure; SameSite=Strict` (or `Lax`), a narrow `Path`, and a name that begins \
            with `__Host-` or `__Secure-`.",
        reference: "RFC 6265 section 4.1.2",
        bad: Sample::Log("Set-Cookie: session=TOKEN; Path=/"),
        good: Sample::Log("Set-Cookie: session=TOKEN; Path=/; HttpOnly; Secure; SameSite=Strict"),
    };
    PLAIN_HTTP = Rule {
        id: "GP706",
        name: "plain-http",
        severity: Severity::Error,
        summary: "The token was sent over http without TLS.",
        why: "Everybody between the two ends reads a bearer token and can use it. Only on the loopback \
            interface is there nobody between.",
        mend: "Use https, and refuse plain http rather than redirecting it: a redirected request has \
            already sent its token.",
        reference: "RFC 6750 section 5.3",
        bad: Sample::Log("curl http://api.example.com/orders?token=TOKEN"),
        good: Sample::Log("curl http://127.0.0.1:8080/orders?token=TOKEN"),
    };
    TOKEN_IN_ARGUMENT = Rule {
        id: "GP707",
        name: "token-in-argument",
        severity: Severity::Note,
        summary: "The token was given on the command line.",
        why: "It is now in the shell's history, and while the command ran everybody on the machine could \
            see it in the list of processes.",
        mend: "Give it in a file (`--token-file FILE`) or on standard input (`-`).",
        reference: "RFC 6750 section 5.3",
        bad: Sample::Words("gatepass lint eyJhbGciOi…"),
        good: Sample::Words("gatepass lint --token-file token.txt"),
    };
    AUTHORIZATION_SCHEME = Rule {
        id: "GP708",
        name: "authorization-scheme",
        severity: Severity::Warning,
        summary: "The Authorization header does not name the scheme Bearer or DPoP once before the token.",
        why: "A header without a scheme, with a scheme of its own or with `Bearer Bearer` is refused by \
            strict servers. That others accept it means that they search the header for anything that \
            looks like a token.",
        mend: "Send `Authorization: Bearer` and the token.",
        reference: "RFC 6750 section 2.1",
        bad: Sample::Log("Authorization: JWT TOKEN"),
        good: Sample::Log("Authorization: Bearer TOKEN"),
    };
    COOKIE_TOO_LARGE = Rule {
        id: "GP709",
        name: "cookie-too-large",
        severity: Severity::Error,
        summary: "The token is larger than browsers allow a cookie to be.",
        why: "A browser drops a cookie of more than 4,096 bytes without a word: the user logs in and is \
            not logged in.",
        mend: "Put an opaque session identifier into the cookie and keep the token on the server.",
        reference: "RFC 6265 section 6.1",
        bad: Sample::Words("Set-Cookie with a token of 4,500 bytes"),
        good: Sample::Words("Set-Cookie with a token of 500 bytes"),
    };
}
