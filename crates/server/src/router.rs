//! Which path is served by what, and what every request passes through.

use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{delete, get, post};
use gatepass_issuer::Issuer;

use crate::clock::Clock;
use crate::config::HttpConfig;
use crate::endpoint::{
    account, admin, authorize, consent, device, device_authorization, feed, health, identity, introspect,
    jwks, linked_identity, logout, metadata, own_password, par, provider, registration, revoke, session,
    sign_on, ssf, status_list, ticket, token, userinfo,
};
use crate::every_request;
use crate::origin::{admit_pages, open_to_pages, require_own_site};
use crate::page;
use crate::problem;
use crate::server::Server;

/// The issuer as an [`axum::Router`]: every endpoint of the [table](crate).
///
/// It can be served by anything that serves routers. [`serve`](crate::serve()) is made for it;
/// another driver must insert [`ConnectInfo`](axum::extract::ConnectInfo) of a
/// [`SocketAddr`](std::net::SocketAddr) into each request, or logins are not throttled by address.
pub fn router(issuer: Arc<Issuer>, config: HttpConfig) -> Router {
    router_at(issuer, config, Clock::system())
}

/// As [`router`], with another clock, for tests.
pub fn router_at(issuer: Arc<Issuer>, config: HttpConfig, clock: Clock) -> Router {
    let server = Arc::new(Server::new(issuer, config, clock));
    let public = Router::new()
        .route("/oauth/authorize", get(authorize::authorize).post(authorize::posted))
        .route("/oauth/login", post(sign_on::login))
        .route("/oauth/consent", post(sign_on::consent))
        .route("/oauth/providers/{provider}", post(provider::begin))
        .route(
            "/oauth/providers/{provider}/callback",
            get(provider::callback).post(provider::posted_callback),
        )
        .route("/oauth/identity/link", post(identity::link))
        .route("/oauth/identity/create", post(identity::create))
        .route("/oauth/logout", get(logout::logout).post(logout::posted))
        .route("/oauth/logout/confirm", post(logout::confirmed))
        .route("/device", get(device::page).post(device::find))
        .route("/device/login", post(device::login))
        .route("/device/answer", post(device::answer))
        .route("/account/password", get(account::page).post(account::change))
        .route("/account/login", post(account::login))
        .route("/.well-known/change-password", get(account::well_known))
        .route("/oauth/style.css", get(page::style))
        .route("/oauth/logo", get(page::logo))
        .route("/oauth/introspect", post(introspect::introspect))
        .route("/tickets/consume", post(ticket::consume))
        .route("/revocations/snapshot", get(feed::snapshot))
        .route("/revocations/stream", get(feed::stream))
        .route("/ssf/poll", post(ssf::poll))
        .route("/ssf/verify", post(ssf::verify))
        .route("/ssf/status", get(ssf::status).post(ssf::change_status))
        .route(
            "/ssf/stream",
            get(ssf::find).post(ssf::create).patch(ssf::change).put(ssf::replace).delete(ssf::remove),
        )
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .method_not_allowed_fallback(problem::no_such_method);
    public
        .merge(for_clients(&server))
        .merge(well_known())
        .merge(sessions(&server))
        .merge(admin::router(&server))
        .fallback(problem::no_such_path)
        .layer(from_fn_with_state(Arc::clone(&server), every_request::pass))
        .with_state(server)
}

/// The endpoints that clients call, some of them from pages, whosever they are.
fn for_clients(server: &Arc<Server>) -> Router<Arc<Server>> {
    Router::new()
        .route("/oauth/token", post(token::token))
        .route("/oauth/par", post(par::push))
        .route("/oauth/device_authorization", post(device_authorization::authorize))
        .route("/oauth/register", post(registration::register))
        .route(
            "/oauth/register/{client_id}",
            get(registration::find).put(registration::change).delete(registration::remove),
        )
        .route("/oauth/revoke", post(revoke::revoke))
        .route("/tickets", post(ticket::mint))
        .route("/oauth/userinfo", get(userinfo::userinfo).post(userinfo::posted))
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn_with_state(Arc::clone(server), admit_pages))
}

/// What anybody may know, from any page.
fn well_known() -> Router<Arc<Server>> {
    Router::new()
        .route("/.well-known/oauth-authorization-server", get(metadata::authorization_server))
        .route("/.well-known/openid-configuration", get(metadata::openid))
        .route("/.well-known/jwks.json", get(jwks::jwks))
        .route("/.well-known/ssf-configuration", get(ssf::configuration))
        .route("/status-lists/{name}", get(status_list::status_list))
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn(open_to_pages))
}

/// The endpoints that a browser calls with the refresh cookie.
fn sessions(server: &Arc<Server>) -> Router<Arc<Server>> {
    Router::new()
        .route("/session/login", post(session::login))
        .route("/session/refresh", post(session::refresh))
        .route("/session/logout", post(session::logout))
        .route("/session/logout-all", post(session::logout_all))
        .route("/session/list", get(session::list))
        .route("/session/password", post(own_password::change))
        .route("/session/consents", get(consent::list))
        .route("/session/consents/{client}", delete(consent::withdraw))
        .route("/session/identities", get(linked_identity::list))
        .route("/session/identities/{provider}", delete(linked_identity::unlink))
        .route("/session/{sid}", delete(session::end))
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(from_fn_with_state(Arc::clone(server), require_own_site))
}
