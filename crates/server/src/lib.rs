//! The issuer's HTTP face: session API, OAuth, metadata, revocation feed and admin API.
//!
//! There are no rules in here. A handler turns a request into a call of
//! [`gatepass_issuer::Issuer`], and what comes of it into an answer. What this crate does decide is
//! HTTP's own: which bytes are a request, who may make a browser send one, what an error looks like,
//! how much a connection may cost.
//!
//! | method and path | who may | what it does |
//! |---|---|---|
//! | `POST /session/login` | anybody, from the apps' sites | starts a session |
//! | `POST /session/refresh` | who has its refresh token, from the apps' sites | next access and refresh token |
//! | `POST /session/logout` | who has its refresh or access token | ends the session |
//! | `POST /session/logout-all` | the same | ends every session of the user |
//! | `GET /session/list` | Bearer | the user's own sessions |
//! | `DELETE /session/{sid}` | Bearer | ends one of the user's own sessions |
//! | `GET`, `POST /oauth/authorize` | a browser that an application sends | code with PKCE (RFC 6749, OpenID Connect) |
//! | `POST /oauth/par` | a confidential client | keeps its authorization request (RFC 9126) |
//! | `POST /oauth/device_authorization` | a client on a device | begins a login at another device (RFC 8628) |
//! | `POST /oauth/register` | Bearer with an initial access token | registers a client (RFC 7591) |
//! | `GET`, `PUT`, `DELETE /oauth/register/{client_id}` | Bearer with its registration access token | shows, changes, removes it (RFC 7592) |
//! | `GET`, `POST /device`, `/device/login`, `/device/answer` | a browser, and the pages that it shows | finds the device, logs in, allows |
//! | `POST /oauth/login`, `/oauth/consent` | the pages that it shows | logs in, allows |
//! | `POST /oauth/providers/{provider}` | the login page | sends the browser to an identity provider |
//! | `GET /oauth/providers/{provider}/callback` | a browser that the provider sends back | logs in, or asks what is to be made of who comes |
//! | `POST /oauth/identity/link`, `/oauth/identity/create` | the pages that it shows | links the identity to an account, makes one |
//! | `GET`, `POST /oauth/logout` | a browser that an application sends | RP-initiated logout |
//! | `GET`, `POST /oauth/userinfo` | Bearer with the scope `openid` | who the user is |
//! | `POST /session/password` | the same browser or app, or Bearer, with the current password | changes it, and ends every other session |
//! | `GET`, `POST /account/password`, `POST /account/login`, `GET /.well-known/change-password` | a browser, and the pages that it shows | the same |
//! | `GET /session/consents` | Bearer | what the user has allowed applications |
//! | `DELETE /session/consents/{client}` | Bearer | takes it back, and ends what it gave |
//! | `GET /session/identities` | Bearer | the identities that the user can log in with |
//! | `DELETE /session/identities/{provider}` | Bearer | takes the link back, and ends the sessions that began with it |
//! | `POST /tickets` | Bearer | a token for one request, used once |
//! | `POST /tickets/consume` | a confidential client: a gateway | uses a ticket up |
//! | `POST /oauth/token` | a client | `authorization_code`, `client_credentials`, `refresh_token` (RFC 6749), device codes (RFC 8628), token exchange (RFC 8693) |
//! | `POST /oauth/introspect` | a confidential client, or Bearer with the admin scope | RFC 7662, or RFC 9701 where `Accept` asks for it |
//! | `POST /oauth/revoke` | the client that the token was issued to | RFC 7009 |
//! | `GET /.well-known/oauth-authorization-server` | anybody | RFC 8414 |
//! | `GET /.well-known/openid-configuration` | anybody | the same, for those who look there |
//! | `GET /.well-known/jwks.json` | anybody | the JWK Set |
//! | `GET /revocations/snapshot` | anybody | everything revoked, as a signed JWT |
//! | `GET /revocations/stream` | anybody | what is revoked from here on, as server-sent events |
//! | `GET /status-lists/{name}` | anybody, where the operator wants them | which tokens are revoked (Token Status List) |
//! | `GET /.well-known/ssf-configuration` | anybody | the transmitter of shared signals |
//! | `GET`, `POST`, `PATCH`, `PUT`, `DELETE /ssf/stream`, `GET`, `POST /ssf/status`, `POST /ssf/verify` | Bearer of a client with the scope `ssf.manage`; `ssf.read` reads | a receiver's stream (SSF 1.0) |
//! | `POST /ssf/poll` | Bearer of a client with either scope | its events (RFC 8936) |
//! | `/admin/v1/…` | Bearer with the admin scope | users, clients, roles, keys, revocations |
//! | `GET /admin/v1/openapi.json` | anybody | describes the admin API |
//! | `GET /livez`, `GET /readyz` | anybody | alive; able to serve |
//!
//! Bearer stands for DPoP too (RFC 9449): whoever shows a proof at the token endpoint or at `/session/login` gets tokens
//! that are bound to its key, and shows another with each use of them. Tickets are for Bearer alone.
//!
//! The refresh token of a browser travels in a cookie that scripts cannot read and that goes to the
//! session endpoints alone; native apps ask for it in the body. Errors of the OAuth endpoints have
//! OAuth's own form; all others are problem details (RFC 9457) with one of these codes:
//!
//! | `code` | status | what to do |
//! |---|---|---|
//! | `invalid-json`, `invalid-request`, `invalid-scope`, `invalid-target` | 400 | correct the request; `detail` names the member |
//! | `use-dpop-nonce` | 400, 401 | make the proof anew, with the nonce in `DPoP-Nonce` |
//! | `invalid-dpop-proof` | 400, 401 | make another proof, for this request and this token |
//! | `invalid-credentials` | 401 | ask the user again |
//! | `no-refresh-token`, `invalid-refresh-token` | 401 | log in |
//! | `refresh-token-reused` | 401 | log in; somebody has a copy, and the session is over |
//! | `token-missing`, `invalid-token`, `expired`, `revoked` | 401 | get an access token |
//! | `claims-changed` | 401 | refresh, and go on with what the user may do now |
//! | `insufficient-scope` | 403 | nothing helps but another scope |
//! | `wrong-password` | 403 | ask the user for the current password again |
//! | `cross-site-request` | 403 | the page's origin is to be listed in [`HttpConfig::app_origins`] |
//! | `not-found`, `method-not-allowed` | 404, 405 | |
//! | `request-timeout`, `body-too-large`, `unsupported-media-type` | 408, 413, 415 | |
//! | `exists` | 409 | choose another name |
//! | `kept-elsewhere` | 409 | change the master key in the configuration, with the old one as previous |
//! | `throttled` | 429 | wait as `Retry-After` says |
//! | `internal-error` | 500 | the server's log says what happened |
//! | `master-key-not-kept` | 503 | the place of the master key did not take it; `detail` says why |
//! | `overloaded`, `unavailable`, `timeout`, `not-ready` | 503 | try again, after `Retry-After` where there is one |
//!
//! ```no_run
//! # use std::sync::Arc;
//! # async fn serve_issuer(issuer: gatepass_issuer::Issuer) -> std::io::Result<()> {
//! use gatepass_server::{HttpConfig, Limits, router, serve};
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8081").await?;
//! let router = router(Arc::new(issuer), HttpConfig::default());
//! serve(listener, router, Limits::default(), std::future::pending()).await;
//! # Ok(())
//! # }
//! ```

mod authorization;
mod bearer;
mod body;
mod brand;
mod client_address;
mod client_authentication;
mod client_certificate;
mod client_documents;
mod clock;
mod completion;
mod conditional;
mod config;
mod cookie;
mod delivery;
mod dpop;
mod endpoint;
mod every_request;
mod fetch;
mod form;
mod http_client;
mod identity_providers;
mod language;
mod oauth_error;
mod origin;
mod page;
mod problem;
mod remote_documents;
mod request_id;
mod router;
mod serve;
mod server;
mod trusted_keys;

pub use gatepass_net::{InvalidNetwork, Network};

pub use brand::{Brand, BrandFile, Color, InvalidBrand, InvalidColor};
pub use client_certificate::{ClientCertificates, InvalidAuthorities};
pub use client_documents::{DocumentKeys, parse_client_document};
pub use clock::Clock;
pub use config::{CookieName, HttpConfig, InvalidCookieName, InvalidSameSite, SameSite};
pub use delivery::Outbound;
pub use fetch::{Fetch, is_public};
pub use language::phrase::StrayBrace;
pub use origin::{InvalidOrigin, Origin};
pub use router::{router, router_at};
pub use serve::{Limits, serve, serve_tls};
