use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::request::Parts;
use axum::http::{Request, Response};
use bytes::Bytes;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Admitted, Denied, Guard, Rule};

/// A `tower` layer that lets only requests with a good token through.
///
/// The verified token is put into the request's extensions as [`Admitted`], where the axum extractors
/// find it. Requests that are refused are answered at once, and written to the audit log.
///
/// A layer further in adds its rule to that of the layer outside; the token is verified once.
///
/// ```
/// use axum::{Router, routing::get};
/// use gatepass_guard::{Admitted, Guard, GuardLayer, Rule};
///
/// fn api(guard: Guard) -> Result<Router, gatepass_guard::InvalidScope> {
///     let clerks = Rule::default().with_scope("orders:read".parse()?).with_role(["clerk"]);
///     Ok(Router::new()
///         .route("/orders", get(async |token: Admitted| format!("orders of {}", token.sub)))
///         .route_layer(GuardLayer::new(guard).with_rule(clerks)))
/// }
/// ```
#[derive(Clone, Debug)]
pub struct GuardLayer {
    guard: Guard,
    rule: Arc<Rule>,
    optional: bool,
}

/// Says which guard has looked at a request: a handler has to tell "no token" from "nobody looked", and one
/// guard does not take another's word.
#[derive(Clone)]
pub(crate) struct Guarded(Guard);

impl GuardLayer {
    /// Demands a valid access token.
    #[must_use]
    pub fn new(guard: Guard) -> Self {
        GuardLayer { guard, rule: Arc::default(), optional: false }
    }

    /// Demands that the token meet a rule as well.
    #[must_use]
    pub fn with_rule(mut self, rule: Rule) -> Self {
        self.rule = Arc::new(rule);
        self
    }

    /// Lets requests without a token through. A token that is sent must be good all the same, and meet
    /// the rule: a client that believes to be logged in must learn that it is not.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    async fn admit(&self, request: &mut Parts) -> Result<(), Denied> {
        let refused = |denied: Denied, admitted: Option<&Admitted>| {
            denied.audit(&format!("{} {}", request.method, request.uri.path()), admitted);
            denied
        };
        let admitted = match self.authenticate(request).await {
            Ok(admitted) => Some(admitted),
            Err(Denied::Missing) if self.optional => None,
            Err(denied) => return Err(refused(denied, None)),
        };
        if let Some(admitted) = &admitted {
            self.rule.check(admitted).map_err(|denied| refused(denied, Some(admitted)))?;
        }
        request.extensions.insert(Guarded(self.guard.clone()));
        match admitted {
            Some(admitted) => request.extensions.insert(admitted),
            // Another guard's, if any: this one has not seen a token.
            None => request.extensions.remove(),
        };
        Ok(())
    }

    async fn authenticate(&self, request: &Parts) -> Result<Admitted, Denied> {
        let by_this_guard = request.extensions.get().is_some_and(|Guarded(guard)| guard.is(&self.guard));
        match request.extensions.get::<Admitted>() {
            Some(admitted) if by_this_guard => Ok(admitted.clone()),
            _ => self.guard.authenticate(&request.headers).await,
        }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = GuardService<S>;

    fn layer(&self, inner: S) -> GuardService<S> {
        GuardService { layer: self.clone(), inner }
    }
}

/// A service behind a [`GuardLayer`].
#[derive(Clone, Debug)]
pub struct GuardService<S> {
    layer: GuardLayer,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for GuardService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone takes the place of the service that was polled ready, which goes into the future.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            match layer.admit(&mut parts).await {
                Ok(()) => inner.call(Request::from_parts(parts, body)).await,
                Err(denied) => Ok(denied.to_response()),
            }
        })
    }
}
