//! The axum extractors: what a [`GuardLayer`](crate::GuardLayer) verified, as arguments of a handler.

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use crate::layer::Guarded;
use crate::{Admitted, Denied};

/// Claims of your own type, read from the verified token.
///
/// A token whose claims do not fit the type is refused with 401: it was not made for this service.
///
/// ```
/// use gatepass_guard::Claims;
/// use serde::Deserialize;
///
/// #[derive(Deserialize)]
/// struct Tenant {
///     sub: String,
///     tenant: String,
/// }
///
/// async fn greet(Claims(Tenant { sub, tenant }): Claims<Tenant>) -> String {
///     format!("{sub} of {tenant}")
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Claims<C>(pub C);

impl<S: Sync> FromRequestParts<S> for Admitted {
    type Rejection = Denied;

    /// # Errors
    /// [`Denied::Missing`] where the layer lets requests without a token through and this is one;
    /// [`Denied::Unguarded`] on a route without a layer.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Denied> {
        admitted(parts)?.ok_or_else(|| denied(Denied::Missing, parts))
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Admitted {
    type Rejection = Denied;

    /// # Errors
    /// [`Denied::Unguarded`] on a route without a layer.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Denied> {
        admitted(parts)
    }
}

impl<S: Sync, C: DeserializeOwned> FromRequestParts<S> for Claims<C> {
    type Rejection = Denied;

    /// # Errors
    /// As for [`Admitted`], and [`Denied::CustomClaims`] if the token's claims are not those of `C`.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Denied> {
        let token = <Admitted as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        token.custom().map(Claims).map_err(|refused| denied(refused, parts))
    }
}

fn admitted(parts: &Parts) -> Result<Option<Admitted>, Denied> {
    match parts.extensions.get::<Guarded>() {
        Some(_) => Ok(parts.extensions.get::<Admitted>().cloned()),
        None => Err(denied(Denied::Unguarded, parts)),
    }
}

fn denied(denied: Denied, parts: &Parts) -> Denied {
    let asked = format!("{} {}", parts.method, parts.uri.path());
    denied.audit(&asked, parts.extensions.get());
    denied
}
