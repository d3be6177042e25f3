//! Verifies access tokens for a resource server, in process and without a lookup per request.
//!
//! A [`Guard`] trusts one or more issuers. It fetches their keys and refreshes them ahead of time, follows
//! their revocations and always knows how stale its view of them is, and answers one question: is this
//! token good, here and now? What a route demands beyond that is a [`Rule`]. A refusal is a [`Denied`], which
//! tells the client what it can act on and the audit log everything.
//!
//! With axum (or anything else that speaks `tower`) a [`GuardLayer`] asks the guard before a handler runs,
//! and the handler takes what was verified as an argument: [`Admitted`] or, with claims of its own type,
//! [`Claims`].
//!
//! ```no_run
//! use std::time::Duration;
//! use axum::{Router, routing::get};
//! use gatepass_guard::{Admitted, Feed, Guard, GuardLayer, IssuerConfig, OnStale, Revocation, WhenStale};
//!
//! async fn hello(token: Admitted) -> String {
//!     format!("hello, {}", token.sub)
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let guard = Guard::start([IssuerConfig::new(
//!         "https://auth.example.com",
//!         ["https://api.example.com"],
//!         Revocation::Feed(Feed::new(OnStale { after: Duration::from_secs(30), then: WhenStale::Deny })),
//!     )])
//!     .await?;
//!     let app = Router::new().route("/", get(hello)).route_layer(GuardLayer::new(guard));
//!     axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8080").await?, app).await?;
//!     Ok(())
//! }
//! ```
//!
//! # Other issuers' tokens
//!
//! An issuer's access tokens are those of RFC 9068 unless [`IssuerConfig::tokens`] says otherwise: see [`TokenKind`].
//!
//! Tokens that an issuer encrypts for this resource server are opened with the keys of [`IssuerConfig::decryption`]; what is
//! inside is verified like any other token.
//!
//! # Tokens that are bound to their sender
//!
//! A token with a confirmation claim (`cnf`) is good only for whoever holds the key in it, so that a stolen
//! one is of no use. Such a token is never taken without the proof; what remains to be said is how a guard
//! comes to see it:
//!
//! | bound to | the sender shows | a guard needs |
//! |---|---|---|
//! | a DPoP key, `cnf.jkt` ([RFC 9449](https://www.rfc-editor.org/rfc/rfc9449#section-7)) | the scheme `DPoP` and one new proof for this method, URL and token | the URL: [`GuardLayer::with_base_url`] or an [`ExternalUrl`] |
//! | a TLS certificate, `cnf.x5t#S256` ([RFC 8705](https://www.rfc-editor.org/rfc/rfc8705#section-3)) | that certificate in the handshake | a [`ClientCertificate`] in the request's extensions |
//! | both | both | both |
//! | something else | | is refused |
//!
//! [`Dpop::required`] and [`Rule::with_dpop`] refuse tokens that are bound to no DPoP key.
//!
//! # Step-up authentication
//!
//! [`Rule::with_acr`] and [`Rule::with_max_age`] demand a stronger or a more recent login than the token's
//! ([RFC 9470](https://www.rfc-editor.org/rfc/rfc9470#section-3)). The refusal is a 401 with the error
//! `insufficient_user_authentication`, from which the client learns what to ask the authorization server for: `acr_values` and
//! `max_age`, which it sends with its next authorization request. Access tokens of gatepass say both `acr` and `auth_time`, and
//! keep them when they are renewed, so that only a login makes them younger.
//!
//! ```
//! use std::time::Duration;
//! use axum::{Router, routing::{get, post}};
//! use gatepass_guard::{Admitted, Guard, GuardLayer, Rule};
//!
//! fn bank(guard: Guard) -> Router {
//!     let recent = Rule::default()
//!         .with_acr(["urn:gatepass:acr:password"])
//!         .with_max_age(Duration::from_secs(300));
//!     Router::new()
//!         .route("/balance", get(async |token: Admitted| format!("balance of {}", token.sub)))
//!         .route_layer(GuardLayer::new(guard.clone()))
//!         .merge(
//!             Router::new()
//!                 .route("/transfer", post(async |token: Admitted| format!("from {}", token.sub)))
//!                 .route_layer(GuardLayer::new(guard).with_rule(recent)),
//!         )
//! }
//! ```
//!
//! # What happens when the issuer is away
//!
//! | what is missing | what happens |
//! |---|---|
//! | keys, from the start | every token is refused with 503 until they are there |
//! | keys, later on | the last good set stays in use; its age is in [`Status`] |
//! | the revocation feed | the view is used as it is for [`OnStale::after`], then [`OnStale::then`] holds |
//! | a status list that is due | the last one is used for [`OnStale::after`], then [`OnStale::then`] holds |
//! | an answer to an introspection | the token is refused with 503 |
//!
//! Single routes may say otherwise than [`OnStale`]: [`GuardLayer::with_on_stale`].
//!
//! # Logging users in
//!
//! A gateway that keeps tokens for browsers is a client of the issuer as well: [`Guard::openid`] asks its token and
//! revocation endpoints and verifies ID tokens, with the keys and on the terms of the guard.
//!
//! gRPC services have a [`GrpcGuardLayer`], programs without async a [`blocking::Guard`].
//!
//! There is nothing in this crate that could mint a token.

mod admitted;
mod authorization;
mod background;
mod backoff;
mod believed;
pub mod blocking;
mod challenge;
mod claim_name;
mod clock;
mod config;
mod decryption;
mod denied;
mod discovery;
mod exchange;
mod extract;
mod failures;
mod follow;
mod grpc;
mod guard;
mod http;
mod introspection;
mod issuer;
mod keys;
mod layer;
mod location;
mod opaque;
mod openid;
mod recent;
mod request;
mod rule;
mod secret;
mod sender;
mod setup;
mod stale;
mod status;
mod status_list;
mod ticket;
mod user_authentication;

pub use admitted::Admitted;
pub use authorization::{Credentials, Scheme, bearer_token, credentials};
pub use challenge::Challenge;
pub use claim_name::{ClaimName, InvalidClaimName};
pub use config::{
    Client, ClientSecret, Dpop, Feed, Introspection, IssuerConfig, KeySource, OnStale, Revocation,
    StartError, StatusListSource, TokenKind, WhenStale,
};
pub use decryption::{Decryption, InvalidDecryptionKey};
pub use denied::{BadAuthorization, Denied, DpopProblem, NoStatus, Problem, TicketProblem, Unproven};
pub use exchange::{Exchange, ExchangeError, ExchangedToken};
pub use extract::{Claims, RequireScope, RequiredScope};
pub use grpc::{GrpcGuardLayer, GrpcGuardService};
pub use guard::Guard;
pub use layer::{GuardLayer, GuardService};
pub use opaque::is_opaque;
pub use openid::{
    AuthorizationEndpoints, IdToken, IdTokenError, IdTokenRejection, OpenIdClient, OpenIdError, OpenIdIssuer,
    TokenAnswer, TokenEndpointAuthMethod,
};
pub use request::{ClientCertificate, ExternalUrl, GuardedRequest};
pub use rule::{ClaimTest, Rule};
pub use stale::{StaleAction, StalePolicy};
pub use status::{AskedFor, FailureStatus, IssuerStatus, RevocationStatus, Status};
pub use user_authentication::{UserAuthentication, WeakAuthentication};

// What the interface above speaks of, so that a service needs no other crate of ours.
pub use gatepass_jose::jwe::DecryptionKeys;
pub use gatepass_jose::jwt::unverified_issuer;
pub use gatepass_jose::{Alg, Audience, JwkSet, Rejection, SecretKey, Timestamp};
pub use gatepass_revocation::{Kind, Reason, Revoked};
pub use gatepass_token::JwtAccessClaims;
pub use gatepass_token::{AccessClaims, Actor, Confirmation, DpopRejection, InvalidScope, Scope, ScopeSet};
pub use gatepass_token::{AmbiguousTicket, take_ticket};
