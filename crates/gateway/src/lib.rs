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
//! admin_listen = "127.0.0.1:9090"               # see "Operating it"; nowhere by default
//! public_url = "https://api.example.com"        # how clients reach it: see "How clients find their way"
//! trusted_proxies = ["10.0.0.0/8"]              # whose X-Forwarded-* is believed; nobody's by default
//! forwarded = "x"                               # X-Forwarded-*; or "rfc7239": Forwarded; or "both"
//!
//! [tls]                                         # plain connections without it
//! certificate = "server.pem"                    # required; with those between it and its root
//! key = "server.key"                            # required
//! client_ca = "clients.pem"                     # whose client certificates are taken; none is asked for
//!
//! [access_log]                                  # none without it
//! path = "/var/log/gatepass/access.log"         # required; "-" is standard output
//! identity = true                               # with the `sub`, `client_id`, `sid` and `jti` of tokens
//!
//! [tracing]                                     # none without it
//! otlp = "http://127.0.0.1:4318"                # required: where spans are sent, as OTLP over HTTP
//! sample = 1.0                                  # of the traces that begin here, this share is kept
//! callers = "all"                               # or "trusted_proxies": whose traces are joined
//!
//! [dpop]                                        # see "How clients find their way"; needs public_url
//! required = false                              # true: access tokens that are bound to no key are refused
//! window = "60s"                                # how far a proof's `iat` may be from now; 5m at most
//! nonce_secret_file = "nonce.secret"            # asks for nonces, made under 32 bytes in base64url; or nonce_secret_env
//! nonce_period = "2m"                           # for which a nonce is the current one, and as long again the last
//! algs = ["ES256", "EdDSA", "Ed25519", "PS256", "RS256"]
//!
//! [[issuer]]
//! url = "https://auth.example.com"              # required; compared exactly with `iss`
//! audience = ["https://api.example.com", "https://api.example.com/orders"] # required; a token must name one
//! tokens = "rfc9068"                            # or "jwt", "opaque": see "Other issuers' tokens"
//! jwks_uri = "https://auth.example.com/jwks"    # or jwks_file, or secret_file for HS256; else discovered
//! # previous_secret_file = "old.secret"         # beside secret_file: what its tokens were signed with before still verifies
//! algs = ["ES256", "RS256", "EdDSA", "Ed25519", "PS256"]
//! clock_skew = "60s"
//! decryption_key_file = "api.jwk"               # opens tokens that are encrypted for `audience`: JWK or JWK Set, with `alg`; none
//! require_encrypted = true                      # and refuses those that are not
//! revocation = "feed"                           # required: feed | status-list | introspect | none
//! feed = "https://auth.example.com/revocations" # `revocations` below `url`
//! feed_fallbacks = ["https://auth-2.example.com/revocations"] # the next ones when that fails; none
//! # status_list_origins = ["https://status.example.com"] # of "status-list", beside the issuer's own; none
//! on_stale = { after = "30s", then = "introspect" } # required with a feed or lists: allow | deny | introspect
//! introspection = { client_id = "gateway", client_secret_file = "secret" } # where it is asked; also `url`
//! client = { id = "gateway", secret_file = "secret" } # for `exchange` and `tickets`; also `token_endpoint`
//! base_url = "http://10.0.0.7:9000"             # where the issuer is reached from here, if elsewhere
//! origins = ["https://keys.example.com"]        # where else its metadata may lead; to its own origin alone
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
//! host = "api.example.com"                      # any; "*.example.com" is every host below
//! methods = ["GET"]                             # any; HEAD belongs to GET
//! headers = { x-api-version = "2" }             # any; { present = true } takes every value
//! upstream = "orders"                           # required
//! require = { scope = ["orders:read"], role = ["clerk", "admin"] } # all scopes, one of the roles
//! forward = { sub = "X-User-Id" }               # claims as header fields; none ("/a/b": within one)
//! optional = false                              # true: who shows none passes without identity, or a session that is over
//! token = "keep"                                # or "strip", or { exchange = "https://orders.internal" }
//! session = false                               # true: a session's cookie will do; see "Sessions of browsers"
//! tickets = false                               # true: see "Tickets"
//! end_streams = true                            # with the token: see "What lasts"
//! long_bodies = false                           # true: `timeouts.body` does not hold here
//! on_stale = { after = "5s", then = "deny" }    # here; what the issuer's says
//! enforce = true                                # false: only count and log what would be refused
//! rate_limit = "partners"                       # none; a [[rate_limit]], or one of its own
//!
//! [[route]]
//! path = "/api/reports"
//! upstream = "orders"                           # without `require`: any valid access token
//!
//! [[route]]
//! path = "/api/users/{user}/transfers"
//! upstream = "orders"
//! rate_limit = { per = "subject", requests = 100, every = "1m", burst = 20 } # burst: all at once
//!
//! [route.require]
//! claim = { sub = { param = "user" } }          # what the path has for {user}
//! dpop = true                                   # a token that is bound to a DPoP key
//! acr = ["urn:example:mfa"]                     # one of these authentication contexts
//! max_age = "10m"                               # since the user logged in
//!
//! [route.cors]
//! origins = ["https://app.example.com"]         # required; ["*"] is everybody, without credentials
//! methods = ["POST"]                            # that of the preflight, if the route serves it
//! headers = ["authorization", "content-type", "dpop"] # that pages may send
//! expose = ["ETag"]                             # that pages may read, beside what the gateway itself tells
//! credentials = false                           # whether cookies may come along
//! max_age = "10m"                               # for which browsers remember it; as they like
//!
//! [[resource]]                                  # an API by itself: see "How clients find their way"
//! url = "https://api.example.com/api/orders"    # required: its routes are those below; another host needs their `host`
//! audience = ["https://api.example.com/orders"] # required: a token must name one, which its [[issuer]] names too
//! issuers = ["https://auth.example.com"]        # whose tokens; those that mint for that audience
//! scopes = ["orders:read", "orders:write"]      # that it tells of; those that its routes require
//! name = "Orders"                               # for people; none
//! dpop = true                                   # only tokens that are bound to a DPoP key; all
//!
//! [[rate_limit]]                                # that several routes share
//! name = "partners"                             # required; clients read it
//! per = "client"                                # required: subject | client | address
//! requests = 1_000                              # required
//! every = "1m"                                  # required
//!
//! [[route]]
//! path = "/api/tenant"
//! upstream = "orders"                           # claims: its value, one of several, an element, anything
//!
//! [route.require.claim]
//! tenant = "acme"
//! level = [3, 4]
//! groups = { contains = "staff" }
//! "/realm_access/roles" = { contains = "clerk" } # within a claim: see "Claims within claims"
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
//! [ext_authz]
//! listen = "127.0.0.1:9191"                     # required; for Envoy over gRPC: see "Proxies that ask"
//!
//! [bff]                                         # see "Sessions of browsers"; needs public_url
//! issuer = "https://auth.example.com"           # required: the url of an [[issuer]]
//! client_id = "site"                            # required: what the gateway is to it
//! client_secret_file = "site.secret"            # required
//! token_endpoint_auth_method = "client_secret_basic" # or client_secret_post; as the issuer's metadata say
//! id_token_signed_response_alg = "RS256"        # as the issuer's metadata say
//! scope = "openid offline_access orders:read"   # without offline_access there may be no refresh token
//! prompt = "consent"                            # some issuers give no refresh token without it (OpenID Connect Core
//!                                               # section 11); not said
//! resource = "https://api.example.com"          # which of the issuer's (RFC 8707); not said
//! prefix = "/bff"
//! cookie = "__Host-session"
//! after_login = "/"                             # where nobody says return_to
//! after_logout = "/"                            # registered at the issuer with the origin of public_url before it
//! idle = "24h"                                  # a session that is not used for so long ends
//! absolute = "30d"                              # and every one after so long
//! store = "sessions.db"
//! key_file = "sessions.key"                     # what it is sealed with; made at the first start
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
//! stall = "60s"                                 # without a byte of a body, or without taking one: see "What lasts"
//! body = "60s"                                  # of waiting for a body without a token: see "What lasts"
//! tunnel = "1h"                                 # of a WebSocket, without a byte either way
//! connect = "5s"                                # to a server, the TLS handshake included
//! response = "60s"                              # of a server, to the end of its head; also to take more of an upload
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
//! WebSocket is for HTTP/1.1 alone: the setting of RFC 8441 is not sent, so browsers open a connection of its own for
//! each, and an HTTP/2 stream that asks for one all the same is reset.
//!
//! A connection has room for 200 HTTP/2 streams at once; one whose client resets streams faster than they
//! are looked at is closed.
//!
//! # Routes from an OpenAPI document
//!
//! `gatepass gateway import openapi.yaml` ([`Proposal`]) writes an `[[upstream]]` and the `[[route]]`s of an OpenAPI 3.0 or
//! 3.1 document for somebody to look through: scopes from OAuth 2 and OpenID Connect requirements, `public` only where
//! the document says `security: []`, any valid token where it says nothing. What the gateway cannot do (API keys, a
//! parameter within a segment) is told in comments, and is never public. Files and URLs that it refers to are not read.
//!
//! # Which route
//!
//! Routes with a `host` come before those with `*.` and the end of one (the longest end first), and these before
//! those without. Then the most literal pattern wins: text before `{name}`
//! before `{*name}`, segment by segment, whatever the order in the file. The path decides alone; a method
//! that its routes do not serve gets 405, and no broader pattern is asked. Paths are compared
//! percent-decoded and passed on byte for byte. A path that another server could read differently is
//! refused: empty segments, `.` and `..`, `;`, backslashes, encoded slashes, dots and control characters,
//! double encoding, bytes that are not UTF-8.
//!
//! Of routes with the same paths and methods, `headers` decide: all that a route names must hold, and the
//! narrower route wins, the one that names all that the other does and more (a value is more than presence).
//! Two of which a request could meet both, and neither is narrower, are refused when the file is read. A field
//! with a value must stand once: a repeated one that decides gets 400. One that `Connection` names is not there
//! for the upstream, so it is not there for the route either; other spellings of a name that decides
//! (`X_Api_Version`) are removed on every route. A header is the client's choice, so what protects must not hang
//! on it: without it, the broader route's rule holds.
//!
//! # Claims within claims
//!
//! Where a claim is named, in `require` and in `forward`, a name that begins with a slash is a JSON Pointer (RFC 6901) into
//! the token: `"/realm_access/roles"` is the member `roles` of the claim `realm_access`, `"/groups/0"` the first element of
//! `groups`; `~1` and `~0` stand for `/` and `~` in a name. Any other name is that of a claim at the top, character by
//! character, dots and slashes too (`"https://example.com/roles"`). What a pointer does not find is absent, and an absent claim
//! passes no test.
//!
//! # Whose it is
//!
//! `{ param = "user" }` compares a claim with what the path has for `{user}`, decoded once (and a path with two
//! readings was refused before). Text must be the same character by character: no case is folded, no accents
//! composed. A claim that is a whole number is compared as it is written in decimal, so that 42 is `42` and not
//! `042`. Fractions, truths, lists and absent claims are equal to no path.
//!
//! # Another login
//!
//! A token whose `acr` is none of those that the route demands, or whose `auth_time` is absent, longer ago than
//! `max_age` or more than a minute ahead, gets 401 with `error="insufficient_user_authentication"`, `acr_values`
//! and `max_age` in `WWW-Authenticate` (RFC 9470), from which a client learns what to ask the authorization
//! server for. It is looked at last: who lacks a scope hears of that. With a session, the gateway asks itself: see "Sessions of
//! browsers".
//!
//! # How often
//!
//! A limit lets `burst` requests through at once, and gives back one every `every / requests`. It counts by
//! token's subject or client, once that has met the rule, or by address, before anything else is done;
//! without a token on an `optional` route, by address. An address is that of the connection; where this is
//! one of `trusted_proxies`, the last one of `X-Forwarded-For` (or `Forwarded`: see `forwarded`) that is none
//! of them. An IPv6 network of 64 bits is one address. Answers say in `RateLimit` how many requests are left
//! (`r`) and in how many seconds all are again (`t`), in `RateLimit-Policy` the limit, and those that refuse
//! in `Retry-After` when the next one would pass.
//!
//! Each limit remembers up to 65,536 callers, in two megabytes. Beyond that, callers whose allowance is whole
//! are forgotten; if there are none, newcomers share sixteen allowances between them: a flood opens nothing,
//! and takes nothing from those that were there before. What is used up stays so over a reload that does not
//! change the limit. Each gateway counts by itself.
//!
//! # Web pages of other origins
//!
//! On a route with `cors` the gateway answers preflights itself, without a token, for the method that they ask
//! about, and replaces what the upstream says of CORS. Refusals, too, can be read by the pages that may. Origins
//! are compared with `Origin` byte for byte; `null` never matches. Without `cors`, preflights are requests like
//! others, and the upstream's fields pass.
//!
//! # What the upstream sees
//!
//! The client's request, but for these fields:
//!
//! - those of `forward`, of any route, and all `X-Gatepass-*`, are removed in every spelling (`X_User_Id`,
//!   `x-user.id`), as trailers too, and set from the token where the route says so. A claim that cannot be
//!   told truly in a field (control characters, a comma in an array's element) refuses the request, and where the
//!   route does not enforce none of its fields is set;
//! - `X-Forwarded-For`, `-Proto` and `-Host` are the gateway's own, or `Forwarded` (RFC 7239), or both, as
//!   `forwarded` says. What a client sent of that family is kept from `trusted_proxies` only. A proxy's
//!   `Forwarded` that is malformed is dropped, and one that it does not send is made of its `X-Forwarded-*`;
//! - with an access log, `X-Request-Id` is the name of the request there: the client gets it with the answer,
//!   and a trusted proxy may choose it;
//! - with `[tracing]`, `traceparent` names the gateway's span. Without it, these fields pass as they came;
//! - fields that override the method or path, such as `X-HTTP-Method-Override`, are removed;
//! - credentials (`Authorization`, `Cookie`, `Proxy-Authorization`) are removed from trailers;
//! - fields of the connection end here (RFC 9110 section 7.6.1). `Upgrade: websocket` becomes a tunnel, no
//!   other protocol is switched to. WebSocket over HTTP/2 (RFC 8441) is not offered: `SETTINGS_ENABLE_CONNECT_PROTOCOL` is
//!   not announced, so that browsers open a connection of HTTP/1.1 for it, and a `CONNECT` gets 501.
//!
//! # Operating it
//!
//! At `admin_listen`, for nobody but the operator:
//!
//! | path | what it tells |
//! |---|---|
//! | `/livez` | 200: it runs |
//! | `/readyz` | 200, or 503 with `ready: false` and `reasons`, a sentence for each issuer whose good tokens would be refused for want of keys or of its feed. `issuers` has for each: `keys`, `key_set_age`, `revocation` (`staleness`, `is_stale`, `on_stale` and what it does `then`, `entries`, `connected`), `failures` (`asked_for`, `count`, `error` in words, `age`). Ages are seconds |
//! | `/stats` | the same, always with 200, what has been counted ([`Stats`]), and `upstreams` |
//! | `/upstreams` | how it stands with the servers behind: see [`UpstreamStatus`] |
//! | `/metrics` | as `/stats`, for Prometheus, and as OpenMetrics where `Accept` asks for that. Labels hold what the file says (routes as they are written there, issuers) and fixed words, never what a client sent |
//!
//! `gatepass top` shows it live. A duration is counted from the end of a request's head to the head of its answer.
//!
//! **The access log** has a JSON object a line for each request, written when its response, stream or tunnel
//! has ended: `time` (its begin), `request_id`, `client` (as trusted proxies tell) and `peer` where that is another, `protocol`,
//! `tls`, `method`, `host`, `path` (1,024 bytes at most; never the query), `route`, `outcome` (`passed`,
//! `answered` by the gateway itself, `refused`, `failed`, `aborted` by the client), `status`, `code` of a refusal
//! or of what ended the response and `check` (see "What was it that failed"), `issuer`, `sub`, `client_id`, `sid`, `jti` of a token that was let in,
//! `bytes_in`, `bytes_out` (of bodies), `complete`, `duration_ms`, `upstream`, `upstream_ms` (to the head of its
//! answer), `trace_id`, `span_id`. What is not known is left out; there is no token, query, cookie or other
//! field in it. Lines are written by a thread of their own, and those it cannot keep up with or cannot write are
//! counted (`log_lines_dropped`) and lost: requests do not wait. SIGHUP opens the file anew, for whoever
//! rotates it.
//!
//! **Traces** follow the W3C Trace Context. Each request is one span of the trace that its `traceparent` names, or
//! of a new one; a malformed `traceparent` counts for none. Everybody may name a trace, which at worst puts
//! spans into a trace where they do not belong, or has more of them kept than `sample` says; `callers =
//! "trusted_proxies"` begins a new trace for everybody else. Spans tell the route, path, status, code, check, addresses
//! and issuer, and of the token nothing more. A collector that asks for header fields gets those of
//! `OTEL_EXPORTER_OTLP_HEADERS`.
//!
//! **What was it that failed.** A client is told a `code`, and of a token that is not good here no more than that; the
//! operator is told the `check` beside it, one of a few fixed words: `bad-signature`, `wrong-audience`, `wrong-issuer`,
//! `untrusted-issuer`, `unknown-key`, `alg-mismatch`, `not-yet-valid`, `malformed` …; what was revoked (`token`, `session`,
//! `subject`, `client`, `key`, `all`); `role`, `claim`; `dpop-replayed`, `dpop-stale`, `dpop-key` and the like. It is a
//! label in `/metrics`, a member of `checks` in `/stats`, `check` in the access log and `gatepass.check` in
//! spans, for refusals, for what `enforce = false` lets pass and for streams that end. The audit log says it in a sentence,
//! with what was expected and found.
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
//! # Other issuers' tokens
//!
//! | `tokens` | what an issuer's access tokens are |
//! |---|---|
//! | `"rfc9068"` | JWTs to RFC 9068: `typ` is `at+jwt`, and `jti` and `client_id` are there. So with gatepass, and with others that can be set so |
//! | `"jwt"` | JWTs as Keycloak, Auth0, Okta, Entra and others make them: `typ` is `at+jwt`, `JWT` or absent, `jti` may be too, the client is in `client_id`, `azp`, `cid` or `appid`, scopes in `scope` or `scp`, as a text or a list |
//! | `"opaque"` | text that only the issuer can read: it is asked about each (RFC 7662), as `introspection` says |
//!
//! `iss`, `sub`, `aud` and `exp` are there in any case. With `"jwt"` the claims keep the issuer's other tokens out: `nonce`,
//! `at_hash`, `events` and others, a claim `typ` or `token_use` that names another kind. An ID token that has none of
//! these is told by its `aud` alone, so `audience` must not be the `client_id` of an application. A token without `jti`
//! is revoked with its session, subject, client or key, or by introspection.
//!
//! With `"opaque"` the issuer's answer is what a token says: its claims are for rules and `forward`, `cnf` binds it, and `aud`,
//! `exp`, `client_id` and a `token_type` (a refresh token has none) must be in it. Without `sub` the client is the subject. An
//! answer counts for five seconds and never past `exp`; without one, 503. `revocation` may be `"introspect"` or `"none"`,
//! which say the same then, or a feed, whose revocations count at once. One `[[issuer]]` may have such tokens: whatever is
//! no JWT is that one's.
//!
//! # A secret that is replaced
//!
//! With `previous_secret_file` an issuer's tokens are verified under `secret_file` or under that: none is tried under more. The gateway
//! gets the new secret before the issuer signs with it, and keeps the old one until its last token is dead. By the `kid` of its
//! tokens a secret is revoked as a published key is, with all that it signs under any other.
//!
//! # How clients find their way
//!
//! With `public_url` the gateway is a protected resource with metadata (RFC 9728), which it serves at
//! `/.well-known/oauth-protected-resource` and the path of `public_url`, if that has one: the issuers, the
//! scopes that routes ask for. Every refusal names it in `WWW-Authenticate`, so that a client (an MCP client,
//! for one) finds the authorization server by itself. Tokens that are bound to a DPoP key are then taken as
//! well: their proofs must name a URL that begins with the origin of `public_url` (RFC 9449 section 4.3).
//! With a `[[resource]]` an API is a resource of its own: the routes whose `path` begins with that of its `url` (and whose `host` is its
//! host, where that is not `public_url`'s) take tokens for its `audience` alone, and their refusals name its metadata, at
//! `/.well-known/oauth-protected-resource` and its path, on its host. So a token for something else does not open the API. The nearest
//! `[[resource]]` counts; routes below none are `public_url`'s. `audience` of the `[[issuer]]`s names all of their audiences.
//!
//! With a `nonce_secret_file` (or `nonce_secret_env`, the name of an environment variable) proofs need a nonce of the gateway's: a
//! proof without one gets 401 with `use_dpop_nonce` and the nonce in `DPoP-Nonce`, and one with the last nonce the next one with the
//! answer (RFC 9449 section 9). Gateways with the same secret take each other's. Nothing is kept for a nonce.
//! Proxies that ask have them checked as well, where the question tells method and target (see "Proxies that ask"): they
//! must pass the client's `DPoP` field on.
//!
//! # Sessions of browsers
//!
//! With `[bff]` browsers need no tokens (the token handler of RFC 10017). The gateway logs users in at the issuer
//! as a confidential client (code flow with PKCE), keeps their tokens, and gives the browser
//! a cookie that says nothing. On routes with `session = true` a request with the cookie and without
//! `Authorization` gets the access token of its session, and is from there on like any other: the same
//! verification, rule, limit, identity fields. A request with both is refused. On all other routes the cookie
//! means nothing. It goes upstream from none of them, and no upstream can set it.
//!
//! | below `prefix` | what it does |
//! |---|---|
//! | `GET login?return_to=/path` | leads to the issuer, and in the end to `return_to`, a path of this site with one reading. `acr_values` (512 bytes at most) and `max_age` (in seconds) go to the issuer as they are (RFC 9470) |
//! | `GET callback` | where the issuer leads back to: register `public_url`'s origin, `prefix` and `/callback` |
//! | `GET session` | `{"authenticated": true, "sub", "name", "scope", "expires_at"}`, or `{"authenticated": false}`. To ask is not to use: the idle time goes on |
//! | `POST logout` | ends the session, revokes its tokens at the issuer (RFC 7009), and tells the `logout_url` to go to, so that the issuer forgets its user as well; a form is led there |
//!
//! **Whose pages.** The cookie is `__Host-`, `Secure`, `HttpOnly` and `SameSite=Lax`: with `Strict`, browsers would
//! leave it out at the end of the journey to the issuer and back. What Lax leaves open is closed by
//! `Sec-Fetch-Site` and, where that is absent, `Origin`, which must be that of `public_url`: pages of other origins,
//! neighbours on the same site too, use no session, with whatever method; links from there, which open a page,
//! do. Where a browser sends neither, only GET and HEAD pass. A WebSocket must always name the origin.
//!
//! **Login.** State, nonce and verifier travel in a sealed cookie of this browser alone, for ten minutes. Each login has one of
//! its own, so that several tabs log in at once: four logins are under way at most, fewer where their cookies would hold more than
//! 4096 bytes together, and another one has the oldest given up. An answer that belongs to none of them ends none and leads nowhere:
//! 400 and a page with a link to a new login. Of several that are completed the last one's session stays, and the
//! one before ends as soon as there is another. The answer must name the issuer where that one
//! says that it does (RFC 9207), the ID token is verified with the keys of the `[[issuer]]`, and the access token must be
//! good here before a session begins, under a name that is new each time. An ID token's header says `typ: JWT` or
//! nothing, and its algorithm is the one configured, or else among `id_token_signing_alg_values_supported` of the
//! issuer's metadata: RS256 where they name none.
//!
//! Any OpenID Connect provider will do whose access tokens the `[[issuer]]` verifies, so register the gateway
//! there for code flow and refresh, and name in `resource` what makes it issue such tokens. Its `jwks_uri` is where the
//! keys of both come from.
//!
//! **Who is turned away and could log in.** Where a route takes sessions, a page that is opened (`GET`, `Sec-Fetch-Mode: navigate`,
//! `Sec-Fetch-Dest: document`, and not ahead of its user) without a session, with one that is over, or with a login that is not what the route's `acr` and
//! `max_age` demand, gets 302 to `login`, which asks the issuer for what the route demands (a login that is a minute younger, because
//! clocks differ; any new one for a `max_age` of a minute or less) and leads back to the page. Everything
//! else gets its 401 with one more member in the problem details, which a script adds its page's `return_to` to:
//! `{"code": "insufficient-user-authentication", "login": "/bff/login?acr_values=urn%3Aexample%3Amfa&max_age=540"}`. Anybody may make
//! such a link; the rule is held against the login that comes of it. Who is turned away from the same demands within half a minute
//! after a login for them is led there no more by itself, so that nobody goes in circles whom the issuer does not log in as is
//! demanded: 403 and a page with a link, and no `login` for scripts. A login that comes to nothing ends no session; its page has a
//! link to the same again. Services behind that refuse by themselves (RFC 9470) have their
//! pages make that link.
//!
//! **Renewal.** Access tokens are renewed a minute before they expire, beside the requests, and at once where one
//! was revoked for what it says (`claims-changed`). One renewal goes on for each session at a time, its answer is on
//! disk before the refresh token of before is given up, and a lost answer is asked for again. When the issuer says
//! that the session has ended, it ends here: 401. The cookie stays where it is, as a login may have put another one there
//! meanwhile; a logout takes it away. An issuer that is away ends nothing.
//!
//! **The store** is a SQLite file with the SHA-256 digest of each session's name and its tokens, sealed with
//! AES-256-GCM under keys derived from `key_file` (made at the first start, mode 600; lose it and all sessions
//! are over). Both are on disk before the browser hears of the session, so sessions survive a restart and a crash. A
//! request costs no look at the store: 16,384 sessions are in memory. A user has 100 sessions at most; beginning
//! another ends the one that was not used for the longest time. Gateways on one machine may share a store;
//! one that has the session in memory notices a logout at another when its guard hears of the revocation,
//! or when it renews.
//!
//! What a request opened ends with the access token that it had (see "What lasts"): the page opens it again.
//! `[bff]` does not change in a reload. Sessions work behind other proxies, too: see "Proxies that ask".
//!
//! # Tokens for the service behind
//!
//! With `token = { exchange = "https://orders.internal", scope = ["orders:read"] }` the client's token ends here, and the
//! service gets one that the issuer minted for that audience and, where `scope` is given, no more than that
//! (RFC 8693). The gateway asks as the `client` of the `[[issuer]]`, at the `token_endpoint` of the issuer's metadata. What
//! it gets is kept for as long as it lives, but never longer than the token it was got for, and given out for a token
//! alone that was found good for this very request. While the issuer is away, what is kept goes on to be used and
//! everything else gets 503. A token that the issuer will not exchange gets 403; one that is bound to its sender's key is
//! such a token with gatepass. Neither the forward-auth endpoint nor a ticket exchanges anything.
//!
//! # Tickets
//!
//! A route with `tickets = true` also takes a ticket, in the query parameter `ticket`, instead of an `Authorization`
//! field: for links to downloads, WebSockets and event streams, where a browser sends none. The authorization
//! server mints it (`POST /tickets` with an access token and `{"method", "path", "ttl"}`; `path` with the query, as it
//! will be sent), and the issuer's `client` here has it used up.
//!
//! - It is good for that method and that path and query, byte for byte, once at all gateways, for `ttl` seconds, 300 at
//!   most. `HEAD` needs a ticket of its own, and uses up none for `GET`; so does every part of a download that is resumed.
//! - It is taken out of the query before the request is passed on; its place in the query does not matter. Two of
//!   them, or one beside an `Authorization` field, are refused.
//! - Whatever is wrong with it is found here first. Only one that is good for this request, and whose holder meets
//!   `require` and the route's limit, is used up; without the issuer's answer nobody is let in.
//! - The response, a refusal too, gets `Referrer-Policy: no-referrer` and `Cache-Control: no-store`.
//! - What it opened ends as under "What lasts", but not with the ticket: with its session, user or client, and when the
//!   access token expires that it was minted with. Where the issuer is to be asked about each token, nobody could say
//!   that of a ticket, so it takes `revocation = "feed"`, or "none".
//! - On other routes, `ticket` is a parameter like any other. A proxy that asks passes the address on as it came, with a
//!   ticket that is used up by then.
//!
//! # Proxies that ask
//!
//! A proxy that stands in front of the services itself can ask whether a request may pass, and under which
//! identity; the same routes and rules apply as if the request had come here. Complete configurations are in
//! `examples/proxies`.
//!
//! | proxy | asks | and names the request by |
//! |---|---|---|
//! | nginx `auth_request` | `forward_auth.path` | `X-Original-Method`, `X-Original-URI` |
//! | Traefik, Caddy, HAProxy | `forward_auth.path` | `X-Forwarded-Method`, `X-Forwarded-Uri`, `X-Forwarded-Host` |
//! | Envoy `ext_authz` over HTTP | `forward_auth.path` as `path_prefix` | method, target and host of the question |
//! | Envoy `ext_authz` over gRPC | `ext_authz.listen` | the `CheckRequest` |
//!
//! 200 carries the fields of the route's `forward`; 401 and 403 carry the challenge and problem details; 503 is
//! no answer either way, so the proxy has to fail closed. Anybody who reaches the endpoints may ask, for the
//! answer opens nothing: what counts is that the proxy names the request in its own words, takes the identity
//! from the answer alone, and removes its clients' copies. Over gRPC the answer says which to remove:
//! identity fields that it does not set, in every spelling, fields that override a request line, and the token
//! where the route strips it. There, what cannot be read as a question is denied; a message may have 128 KiB,
//! and `timeouts.header` to come.
//!
//! **Sessions.** A route with `session = true` takes the cookie there as well, where the question tells method and target and
//! has the client's `Cookie`, `Origin` and `Sec-Fetch-*` fields; what other sites may not do here they may not do there. The
//! proxy passes `/bff/` (the `prefix`) to the gateway, at the origin of `public_url`, and the answer's `Cookie` on to the
//! service in place of the client's, so that it never sees the session's: with `[bff]` each answer about a request has the
//! client's other cookies, if there are any. (`ext_authz` over gRPC says all that itself.) A token goes to nobody. A page that is
//! opened without a session gets 401 like a script, with `login`: not all proxies could pass a redirect on. **Tickets** are used up when the proxy asks, so
//! it must ask once. **Preflights** (`OPTIONS` with `Access-Control-Request-Method`) are for the proxy to answer before it
//! asks: a route's `cors` holds where the gateway carries the request itself.
//!
//! # A first week
//!
//! With `enforce = false` a route passes on what its rule or its limit would have refused, without any
//! identity. Each such request is counted in `/stats` (`would_refuse`, by `code`) and stands in the audit log
//! as `(not enforced)`; what a request opened then is not ended either. Fields that a client may not set are
//! removed all the same.
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
//! | server-sent events | between two events: `event: gatepass.end` with the `code` as its data; within one: the end. A browser opens the stream again by itself; the refusal it then gets is the last |
//! | gRPC | trailers: `grpc-status: 16`, or 14 where the token could not be looked at; the `code` in `grpc-message` |
//! | any other response | broken off before its end: what is cut is not to be taken for whole |
//! | a request that is still being sent | the refusal, if no response has begun |
//!
//! **A body that comes without a token** has nothing to end with, so it must not drip: the gateway waits for it for
//! `timeouts.body` in all, and a second more for every 1,000 bytes that came, but never for longer than that limit at a
//! time. So 1,000 bytes a second are enough for ever. Only waiting for the client counts, not for the upstream.
//! `long_bodies = true` on a route lifts that, for gRPC calls and others that are sent over hours; `timeouts.stall` holds
//! there too.
//!
//! **A response that stops half-way** is given up after `timeouts.stall` where no token ends it: on public routes, and with
//! `end_streams = false` or `enforce = false`. Server-sent events and gRPC may pause for as long as they like, and so may
//! everything on a route with `long_bodies = true`. **A response that its client does not take** is given up after
//! `timeouts.stall`, or when its token ends: over HTTP/2 its stream alone, whose place at the server is free then.
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
//! | a session's cookie beside `Authorization`, or twice | 400 | `two-credentials` |
//! | a session that has ended; a page of another site that would use one | 401, 403 | `session-ended`, `cross-site-request` |
//! | a session whose token cannot be renewed now | 503 | `session-unavailable` |
//! | a login that came to nothing (a page); an issuer that logs nobody in now | 400, 503 | `login-failed`, `bad-return-to`, `bad-login-demands`, `login-unavailable` |
//! | the token is not valid here: signature, issuer, audience, type, … | 401 | `invalid-token` |
//! | it has expired; it was revoked; what it says has changed | 401 | `expired`, `revoked`, `claims-changed` |
//! | a ticket for another request, or a used one | 401 | `invalid-ticket` |
//! | a ticket that the issuer cannot be asked about | 503 | `verification-unavailable` |
//! | the issuer does not exchange the token; it cannot be asked to | 403, 503 | `token-exchange-denied`, `token-exchange-failed` |
//! | a scope is lacking; a role or another claim is | 403 | `insufficient-scope`, `forbidden` |
//! | no DPoP key where one is demanded; a login that is too weak or too old | 401 | `dpop-required`, `insufficient-user-authentication` |
//! | more requests than the route's limit | 429 | `rate-limited` |
//! | a preflight of an origin that is not listed | 403 | `origin-not-allowed` |
//! | a field that decides on the route stands twice | 400 | `repeated-header` |
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
//! | a body that stops coming, or drips without a token; one that breaks | 408, 400 | `body-stalled`, `body-broken` |
//! | over HTTP/2: malformed fields, fields of a connection, a length that is not the body's | 400, or the stream is reset | |
//! | over HTTP/2: streams opened and reset in turn, a head in endless continuations | closed | |
//! | a TLS handshake that fails, or does not end in time | closed | |
//! | a head that does not end in time | closed | |
//! | a client that takes nothing of its response | closed; over HTTP/2 the stream ends | |
//! | more connections than `limits.connections` | wait to be accepted | |
//! | no server of the upstream can be reached, or proves who it is | 502, 504 | `upstream-unreachable`, `upstream-connect-timeout` |
//! | all servers fail their checks, or are ejected and being tried | 503 | `upstream-unavailable`, with `Retry-After` |
//! | all servers have `limits.requests`, and none had room in time | 503 | `upstream-overloaded`, with `Retry-After` |
//! | the server closes, answers what is not HTTP, or switches unasked | 502 | `upstream-broken` |
//! | the server does not answer in time, or takes nothing more of an upload | 504 | `upstream-timeout` |
//! | the server breaks off within the response's body, or stops for `timeouts.stall` | closed before its end | |
//! | the gateway stops | what is in flight ends, for `timeouts.drain`; then closed | |
//! | the forward-auth endpoint would answer with another 4xx than 401 | 403 | its own |
//! | it is asked about two requests at once, or half of one; `ext_authz`, what is no question | 403 | `asked-unclearly` |
//!
//! A gRPC client hears of a refusal by its HTTP status, of which it makes one of its own: `UNAUTHENTICATED` of 401,
//! `PERMISSION_DENIED` of 403, `UNIMPLEMENTED` of 404, `UNAVAILABLE` of 429, 502, 503 and 504, `INTERNAL` of 400.
//!
//! Taken, because requests are written anew and so mean the same to the server: lines of a head that end in a bare
//! LF, the same length twice, zeros before a chunk's size. What follows a malformed request on its connection is never
//! read as another one. A connection that is closed is read on for two seconds, for a client that is still sending to
//! get its response.
//!
//! A configuration that [`Gateway::reload`] refuses changes nothing. It refuses one that changes an issuer which then gives
//! no keys or no revocations within five seconds.

mod access_log;
mod admin;
mod admission;
mod answer;
mod bff;
mod body;
mod client;
mod clock;
mod config;
mod cors;
mod credentials;
mod ext_authz;
mod forward_auth;
mod gateway;
mod guards;
mod header;
mod import;
mod message;
mod metrics;
mod proxy;
mod rate_limit;
mod record;
mod refusal;
mod resource;
mod route;
mod serve;
mod stats;
mod ticket;
mod tls;
mod trace;
mod upstream;
mod watch;

pub use bff::{BffStartError, KeyFileError, SessionStoreError};
pub use config::{Config, ConfigError, LoadError, nearest, parse_duration};
pub use gateway::{Gateway, ReloadError, StartError};
pub use import::{ImportError, InvalidUpstream, Proposal, UpstreamServer};
pub use stats::{RefusalCount, RequestCount, RouteCounts, Seconds, Stats};
pub use trace::{Span, SpanSink, SpanValue};
pub use upstream::{ServerState, ServerStatus, UpstreamStatus};
