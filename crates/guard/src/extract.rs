//! The axum extractors: what a [`GuardLayer`](crate::GuardLayer) verified, as arguments of a handler.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

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

/// A scope that a handler needs, as a type: what [`RequireScope`] is told.
pub trait RequiredScope {
    /// One scope token or several with a space between them, of which every one is needed
    /// ([RFC 6749 section 3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)). Anything else does not
    /// compile where it is used.
    const SCOPE: &'static str;
}

/// A verified token that has the scope `S`. Others are refused with 403.
///
/// The demand stands where the handler is written, and cannot get lost when routes move.
///
/// ```
/// use gatepass_guard::{RequireScope, RequiredScope};
///
/// struct OrdersRead;
///
/// impl RequiredScope for OrdersRead {
///     const SCOPE: &'static str = "orders:read";
/// }
///
/// async fn list_orders(token: RequireScope<OrdersRead>) -> String {
///     format!("orders of {}", token.sub)
/// }
/// ```
pub struct RequireScope<S> {
    token: Admitted,
    scope: PhantomData<fn() -> S>,
}

impl<S> RequireScope<S> {
    /// The token alone.
    #[must_use]
    pub fn into_token(self) -> Admitted {
        self.token
    }
}

impl<S: RequiredScope> RequireScope<S> {
    fn new(token: Admitted, parts: &Parts) -> Result<Self, Denied> {
        const { assert!(is_scope(S::SCOPE), "SCOPE must be scope tokens with one space between them") }
        if S::SCOPE.split(' ').all(|scope| token.scope.contains(scope)) {
            return Ok(RequireScope { token, scope: PhantomData });
        }
        let required = S::SCOPE.parse().unwrap_or_default();
        Err(denied(Denied::InsufficientScope { required }, parts))
    }
}

impl<S> Deref for RequireScope<S> {
    type Target = Admitted;

    fn deref(&self) -> &Admitted {
        &self.token
    }
}

impl<S> Clone for RequireScope<S> {
    fn clone(&self) -> Self {
        RequireScope { token: self.token.clone(), scope: PhantomData }
    }
}

impl<S> fmt::Debug for RequireScope<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RequireScope").field(&self.token).finish()
    }
}

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

impl<S: Sync, C: DeserializeOwned> OptionalFromRequestParts<S> for Claims<C> {
    type Rejection = Denied;

    /// # Errors
    /// As for `Option<Admitted>`, and [`Denied::CustomClaims`] if there is a token whose claims are not
    /// those of `C`.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Denied> {
        let claims = admitted(parts)?.map(|token| token.custom().map(Claims)).transpose();
        claims.map_err(|refused| denied(refused, parts))
    }
}

impl<S: Sync, R: RequiredScope> FromRequestParts<S> for RequireScope<R> {
    type Rejection = Denied;

    /// # Errors
    /// As for [`Admitted`], and [`Denied::InsufficientScope`] if the token lacks the scope.
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Denied> {
        let token = <Admitted as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Self::new(token, parts)
    }
}

impl<S: Sync, R: RequiredScope> OptionalFromRequestParts<S> for RequireScope<R> {
    type Rejection = Denied;

    /// # Errors
    /// As for `Option<Admitted>`, and [`Denied::InsufficientScope`] if there is a token that lacks the
    /// scope.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Denied> {
        admitted(parts)?.map(|token| Self::new(token, parts)).transpose()
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

/// RFC 6749 section 3.3: tokens of visible ASCII characters other than `"` and `\`, one space between them.
const fn is_scope(scope: &str) -> bool {
    let mut bytes = scope.as_bytes();
    let mut in_token = false;
    while let [byte, rest @ ..] = bytes {
        match byte {
            b' ' if in_token => in_token = false,
            0x21 | 0x23..=0x5b | 0x5d..=0x7e => in_token = true,
            _ => return false,
        }
        bytes = rest;
    }
    in_token
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_scope() {
        for scope in ["a", "orders:read", "a b", "a b c", "!#[]~"] {
            assert!(is_scope(scope), "{scope}");
        }
        for text in ["", " ", " a", "a ", "a  b", "a\"b", "a\\b", "a\tb", "ä", "a\u{7f}"] {
            assert!(!is_scope(text), "{text:?}");
        }
    }
}
