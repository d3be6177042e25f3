//! A reverse proxy and forward-auth endpoint: routes, rules and upstreams, with a guard in front.
//!
//! A [`Config`] is read from one file and is correct as a whole or refused with a line and a reason. A
//! [`Gateway`] started from it verifies the access token of each request, holds it against the rule of its
//! route, and passes the request on with the identity in header fields that a client cannot forge. There is
//! nothing in this crate that could mint a token, and it knows no user.
//!
//! # The file
//!
//! Keys that are not shown with a comment "required" may be left out; the values shown are their defaults,
//! or examples where there is none. Keys that are not known are refused.
//!
//! ```toml
//! listen = "127.0.0.1:8080"                     # required
//! admin_listen = "127.0.0.1:9090"               # /livez, /readyz, /stats, /upstreams; nowhere by default
//! public_url = "https://api.example.com"        # how clients reach it: see "How clients find their way"
//! trusted_proxies = ["10.0.0.0/8"]              # whose X-Forwarded-* is believed; nobody's by default
//!
//! [tls]                                         # plain connections without it
//! certificate = "server.pem"                    # required; with those between it and its root
//! key = "server.key"                            # required
//! client_ca = "clients.pem"                     # whose client certificates are taken; none is asked for
//!
//! [[issuer]]
//! url = "https://auth.example.com"              # required; compared exactly with `iss`
//! audience = ["https://api.example.com"]        # required; a token must name one of them
//! jwks_uri = "https://auth.example.com/jwks"    # or jwks_file, or secret_file for HS256; else discovered
//! algs = ["ES256", "RS256", "EdDSA", "Ed25519", "PS256"]
//! clock_skew = "60s"
//! revocation = "feed"                           # required: feed | introspect | none; nothing is assumed
//! feed = "https://auth.example.com/revocations" # `revocations` below `url`
//! on_stale = { after = "30s", then = "introspect" } # required with a feed: allow | deny | introspect
//! introspection = { client_id = "gateway", client_secret_file = "secret" } # where it is asked; also `url`
//! base_url = "http://10.0.0.7:9000"             # where the issuer is reached from here, if elsewhere
//! insecure_http = false                         # allows plain http to other machines
//!
//! [[upstream]]
//! name = "orders"                               # required
//! servers = ["http://127.0.0.1:9001"]           # required; see "The servers behind"
//! protocol = "http/1.1"                         # or "h2": what gRPC servers speak, and WebSocket cannot use
//! health = { path = "/healthz", every = "5s", timeout = "2s", healthy = 2, unhealthy = 3 } # not asked
//! eject = { failures = 3, longest = "60s", server_errors = false }
//! limits = { requests = 1_000, waiting = 100, wait = "1s" } # per server; none
//!
//! [[upstream]]
//! name = "billing"
//! servers = ["https://10.0.0.7:9443"]
//! protocol = "auto"                             # HTTP/2 or HTTP/1.1, as the server chooses: https only
//! tls = { ca = "ca.pem", server_name = "billing.internal", certificate = "gateway.pem", key = "gateway.key" }
//!
//! [[route]]
//! path = "/api/orders/{id}"                     # required; "/{*rest}" takes everything below
//! host = "api.example.com"                      # any
//! methods = ["GET"]                             # any; HEAD belongs to GET
//! upstream = "orders"                           # required
//! require = { scope = ["orders:read"], role = ["clerk", "admin"] } # all scopes, one of the roles
//! forward = { sub = "X-User-Id" }               # claims as header fields; none
//! token = "keep"                                # or "strip"
//! end_streams = true                            # with the token: see "What lasts"
//! enforce = true                                # false: only count and log what would be refused
//!
//! [[route]]
//! path = "/api/reports"
//! upstream = "orders"                           # without `require`: any valid access token
//!
//! [[route]]
//! path = "/api/tenant"
//! upstream = "orders"                           # claims: its value, one of several, an element, anything
//!
//! [route.require.claim]
//! tenant = "acme"
//! level = [3, 4]
//! groups = { contains = "staff" }
//! act = { present = true }
//!
//! [[route]]
//! path = "/status"
//! upstream = "orders"
//! public = true                                 # no token is looked at
//!
//! [forward_auth]
//! path = "/auth/verify"
//! forward = { sub = "X-User-Id" }               # for a question that names no request; none
//!
//! [limits]
//! connections = 10_000
//! handshakes = 1_000                            # of TLS, at once
//! header_bytes = 32_768
//! headers = 100
//! target_bytes = 8_192
//! body_bytes = 1_000_000                        # none
//!
//! [timeouts]
//! handshake = "10s"                             # from connecting to the end of the TLS handshake
//! header = "10s"                                # from there to the end of the first head
//! idle = "75s"                                  # from a response to the end of the next head
//! stall = "60s"                                 # without a byte of a body, or without taking one
//! tunnel = "1h"                                 # of a WebSocket, without a byte either way
//! connect = "5s"                                # to a server, the TLS handshake included
//! response = "60s"                              # of a server, to the end of its head
//! drain = "30s"                                 # for what is in flight when the gateway stops
//! ```
//!
//! # TLS and HTTP/2
//!
//! With `[tls]`, clients are served over TLS 1.3 and 1.2 alone, and agree on HTTP/2 or HTTP/1.1 by ALPN.
//! Without it, HTTP/2 is spoken with clients that begin with it (h2c with prior knowledge). The certificate
//! and its key are read again when the files change; a pair that cannot be used is refused, and the one
//! before goes on. With `client_ca` a client may show a certificate; one that is not good ends the
//! handshake, and none at all is good enough but for tokens that are bound to one.
//!
//! A connection has room for 200 HTTP/2 streams at once; one whose client resets streams faster than they
//! are looked at is closed.
//!
//! # Which route
//!
//! Routes with a `host` come before those without. Then the most literal pattern wins: text before `{name}`
//! before `{*name}`, segment by segment, whatever the order in the file. The path decides alone; a method
//! that its routes do not serve gets 405, and no broader pattern is asked. Paths are compared
//! percent-decoded and passed on byte for byte. A path that another server could read differently is
//! refused: empty segments, `.` and `..`, `;`, backslashes, encoded slashes, dots and control characters,
//! double encoding, bytes that are not UTF-8.
//!
//! # What the upstream sees
//!
//! The client's request, but for these fields:
//!
//! - those of `forward`, of any route, and all `X-Gatepass-*`, are removed in every spelling (`X_User_Id`,
//!   `x-user.id`), as trailers too, and set from the token where the route says so. A claim that cannot be
//!   told truly in a field (control characters, a comma in an array's element) refuses the request;
//! - `X-Forwarded-For`, `-Proto` and `-Host` are the gateway's own. What a client sent of that family is
//!   kept from `trusted_proxies` only;
//! - fields that override the method or path, such as `X-HTTP-Method-Override`, are removed;
//! - fields of the connection end here (RFC 9110 section 7.6.1). `Upgrade: websocket` becomes a tunnel, no
//!   other protocol is switched to.
//!
//! # The servers behind
//!
//! A request goes to the server with the fewest requests in flight (a response counts until its end, a tunnel
//! too); among equals, in turn. It goes to the next such server if none of it was sent to the one before,
//! whatever its method. What was sent is not sent again, but for a GET, HEAD or OPTIONS without a body whose
//! connection, idle until then, ended before a response began: that one is sent once more, on a new
//! connection (RFC 9110 section 9.2.2).
//!
//! **Whom requests say to be ill.** After `eject.failures` failures in a row (no connection, no response in
//! time, half of one; a status of 500 and above with `server_errors`) a server gets nothing for 1 s, and twice
//! as long each time, up to `eject.longest`. Then one request is its probe: answered, the server is back.
//! If all servers are ejected, the one whose last failure is the oldest is tried all the same, by one request
//! at once; the others get 503.
//!
//! **Whom checks say to be ill.** With `health`, each server is asked for `path` on a new connection, in the
//! protocol and with the TLS of the requests, with nothing of a client's in it; 200 to 299 is good. After
//! `unhealthy` failures in a row it gets nothing, not even a probe, until `healthy` good answers in a row. A
//! server is taken for well until its checks say otherwise.
//!
//! **How much at once.** With `limits`, no server has more than `requests` in flight. `waiting` more wait for
//! room, in the order they came, for up to `wait`; all others get 503 at once.
//!
//! **TLS.** The certificate of an `https` server is verified always, against `ca` or else the roots that this
//! machine trusts, and must name the server's host, or `server_name`. `certificate` and `key` are shown to
//! servers that ask. The files are read again when they change, for new connections.
//!
//! **Reload.** A server that is still named goes on with its connections and all that is known of it. One that
//! is named no more ends what it has, gets nothing new, and loses its idle connections.
//!
//! How it stands with each is at `/upstreams` and [`Gateway::upstreams`].
//!
//! # How clients find their way
//!
//! With `public_url` the gateway is a protected resource with metadata (RFC 9728), which it serves at
//! `/.well-known/oauth-protected-resource` and the path of `public_url`, if that has one: the issuers, the
//! scopes that routes ask for. Every refusal names it in `WWW-Authenticate`, so that a client (an MCP client,
//! for one) finds the authorization server by itself. Tokens that are bound to a DPoP key are then taken as
//! well: their proofs must name a URL that begins with the origin of `public_url` (RFC 9449 section 4.3). The
//! forward-auth endpoint takes none of these.
//!
//! # A first week
//!
//! With `enforce = false` a route passes on what its rule would have refused, without any identity. Each such
//! request is counted in `/stats` (`would_refuse`, by `code`) and stands in the audit log as `(not enforced)`;
//! what a request opened then is not ended either. Fields that a client may not set are removed all the same.
//!
//! # Tokens that are bound to a certificate
//!
//! A token with `cnf.x5t#S256` (RFC 8705) is taken from a client only that showed this certificate in its TLS
//! handshake here, which `client_ca` asks for. Behind another proxy, and at the forward-auth endpoint, such
//! tokens are refused: the certificate was not shown to this gateway.
//!
//! # What lasts
//!
//! A WebSocket, an event stream, a gRPC call or a long download goes on after its token was looked at. Unless
//! its route says `end_streams = false`, the guard is asked again every second, and what was opened with a
//! token that has expired or was revoked since, or whose revocations cannot be told any more, ends:
//!
//! | what | how it ends |
//! |---|---|
//! | a WebSocket | a close frame of 4401, or 1013 where the token could not be looked at, with the `code` of the refusal; 1001 `idle` after `timeouts.tunnel` |
//! | server-sent events | between two events: `event: gatepass.end` with the `code` as its data; within one: the end |
//! | gRPC | trailers: `grpc-status: 16`, or 14 where the token could not be looked at; the `code` in `grpc-message` |
//! | any other response | broken off before its end: what is cut is not to be taken for whole |
//! | a request that is still being sent | the refusal, if no response has begun |
//!
//! # What each failure gets
//!
//! Errors of the gateway are problem details (RFC 9457) with a stable `code`. Those in the rows without one
//! are the HTTP library's, which has no request to answer: a status and no body.
//!
//! | what happens | status | `code` |
//! |---|---|---|
//! | no bearer token | 401 | `token-missing` |
//! | more than one `Authorization` field, or a malformed one | 400 | `invalid-request` |
//! | the token is not valid here: signature, issuer, audience, type, … | 401 | `invalid-token` |
//! | it has expired; it was revoked; what it says has changed | 401 | `expired`, `revoked`, `claims-changed` |
//! | a scope is lacking; a role or another claim is | 403 | `insufficient-scope`, `forbidden` |
//! | no keys yet, or a view of revocations that is too old | 503 | `verification-unavailable` |
//! | a claim of `forward` cannot be told in a header field | 403 | `claim-not-forwardable` |
//! | no route has the path; none has the method for it | 404, 405 | `no-route`, `method-not-allowed` |
//! | a path that can be read in two ways | 400 | `bad-path` |
//! | not exactly one valid `Host` | 400 | `bad-host` |
//! | a transfer coding but `chunked`; an expectation but `100-continue` | 400, 417 | `bad-transfer-coding`, `bad-expectation` |
//! | `CONNECT`, `TRACE` | 501 | `method-not-supported` |
//! | both `Content-Length` and `Transfer-Encoding`, two lengths, malformed heads | 400, closed | |
//! | a head over `limits.header_bytes` | 431, closed | |
//! | over `limits.headers`; over `limits.target_bytes` | 431, 414 | `too-many-headers`, `target-too-long` |
//! | a body over `limits.body_bytes` | 413 | `body-too-large` |
//! | a body that stops coming; one that breaks | 408, 400 | `body-stalled`, `body-broken` |
//! | a TLS handshake that fails, or does not end in time | closed | |
//! | a head that does not end in time | closed | |
//! | a client that takes nothing of its response | closed | |
//! | more connections than `limits.connections` | wait to be accepted | |
//! | no server of the upstream can be reached, or proves who it is | 502, 504 | `upstream-unreachable`, `upstream-connect-timeout` |
//! | all servers fail their checks, or are ejected and being tried | 503 | `upstream-unavailable`, with `Retry-After` |
//! | all servers have `limits.requests`, and none had room in time | 503 | `upstream-overloaded`, with `Retry-After` |
//! | the server closes, answers what is not HTTP, or switches unasked | 502 | `upstream-broken` |
//! | the server does not answer in time | 504 | `upstream-timeout` |
//! | the server breaks off within the response's body | closed before its end | |
//! | the gateway stops | what is in flight ends, for `timeouts.drain`; then closed | |
//! | the forward-auth endpoint would answer with another 4xx than 401 | 403 | its own |
//! | it is asked about two requests at once, or half of one | 403 | `asked-unclearly` |
//!
//! A configuration that [`Gateway::reload`] refuses changes nothing.

mod admin;
mod body;
mod client;
mod config;
mod forward_auth;
mod gateway;
mod guards;
mod header;
mod message;
mod proxy;
mod refusal;
mod resource;
mod route;
mod serve;
mod stall;
mod stats;
mod tls;
mod upstream;
mod watch;

pub use config::{Config, ConfigError, LoadError, parse_duration};
pub use gatepass_guard::StartError;
pub use gateway::{Gateway, ReloadError};
pub use stats::Stats;
pub use upstream::{ServerState, ServerStatus, UpstreamStatus};
