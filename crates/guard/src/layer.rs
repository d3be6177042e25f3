use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::extract::{FromRequestParts, OriginalUri, RawPathParams};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Request, Response};
use bytes::Bytes;
use tower_layer::Layer;
use tower_service::Service;
use url::Url;

use crate::denied::DPOP_NONCE;
use crate::{Admitted, Challenge, Denied, ExternalUrl, Guard, GuardedRequest, Rule, StalePolicy};

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
    optional: bool,
    terms: Arc<Terms>,
}

/// What one layer adds to what its guard says of every token.
#[derive(Clone, Debug, Default)]
struct Terms {
    rule: Rule,
    base_url: Option<String>,
    on_stale: Option<StalePolicy>,
    resource_metadata: Option<String>,
    /// What follows from the rest: what a refusal says of the schemes that are taken here.
    challenge: Challenge,
}

/// Says which guard has looked at a request: a handler has to tell "no token" from "nobody looked", and one
/// guard does not take another's word.
#[derive(Clone)]
pub(crate) struct Guarded(Guard);

impl GuardLayer {
    /// Demands a valid access token.
    #[must_use]
    pub fn new(guard: Guard) -> Self {
        GuardLayer { guard, optional: false, terms: Arc::default() }
    }

    /// Demands that the token meet a rule as well.
    ///
    /// A rule that compares a claim with a parameter of the path needs to stand where that is known: on axum's
    /// [`route_layer`](axum::Router::route_layer) or a method's `layer`, with a parameter of that name.
    #[must_use]
    pub fn with_rule(self, rule: Rule) -> Self {
        self.with(|terms| terms.rule = rule)
    }

    /// Says under which URL clients reach this service: scheme, host, port, and the path that a proxy in
    /// front takes away, if it does.
    ///
    /// With it, tokens that are bound to a DPoP key are taken, and the challenge says so: a proof names the
    /// URL that it was made for. Without it, and without an [`ExternalUrl`] in the request's extensions, such
    /// tokens are refused.
    #[must_use]
    pub fn with_base_url(self, url: &Url) -> Self {
        let mut url = url.clone();
        url.set_query(None);
        url.set_fragment(None);
        self.with(|terms| terms.base_url = Some(url.as_str().trim_end_matches('/').to_owned()))
    }

    /// What holds on these routes when the view of the revocations is stale, instead of what the issuer's
    /// configuration says.
    #[must_use]
    pub fn with_on_stale(self, policy: StalePolicy) -> Self {
        self.with(|terms| terms.on_stale = Some(policy))
    }

    /// Names the URL of this API's protected resource metadata
    /// ([RFC 9728](https://www.rfc-editor.org/rfc/rfc9728#section-5.1)) in every challenge.
    #[must_use]
    pub fn with_resource_metadata(self, url: &Url) -> Self {
        self.with(|terms| terms.resource_metadata = Some(url.as_str().to_owned()))
    }

    /// Lets requests without a token through. A token that is sent must be good all the same, and meet
    /// the rule: a client that believes to be logged in must learn that it is not.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    fn with(mut self, change: impl FnOnce(&mut Terms)) -> Self {
        let terms = Arc::make_mut(&mut self.terms);
        change(terms);
        let mut challenge = Challenge::default();
        if terms.base_url.is_some() || terms.rule.requires_dpop() {
            challenge = self.guard.challenge();
        }
        if terms.rule.requires_dpop() {
            challenge = challenge.without_bearer();
        }
        if let Some(url) = &terms.resource_metadata {
            challenge = challenge.with_resource_metadata(url);
        }
        terms.challenge = challenge;
        self
    }

    /// Has `inner` answer a request that is admitted, and `refuse` one that is not, in the words of its protocol.
    pub(crate) fn serve<S, B, R>(
        self,
        mut inner: S,
        request: Request<B>,
        refuse: impl FnOnce(Denied) -> Response<R> + Send + 'static,
    ) -> Answer<R, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>> + Send + 'static,
        S::Future: Send,
        B: Send + 'static,
    {
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let (mut response, nonce) = match self.admit(&mut parts).await {
                Ok(()) => {
                    let nonce = next_nonce(&parts);
                    (inner.call(Request::from_parts(parts, body)).await?, nonce)
                }
                Err(denied) => (refuse(denied), None),
            };
            self.complete(&mut response, nonce);
            Ok(response)
        })
    }

    /// Completes a refusal, be it this layer's or an extractor's, and tells the client its next nonce.
    fn complete<R>(&self, response: &mut Response<R>, nonce: Option<HeaderValue>) {
        self.terms.challenge.complete(response);
        if let Some(nonce) = nonce {
            response.headers_mut().insert(DPOP_NONCE, nonce);
        }
    }

    /// Admits a request, or says why not. Its extensions then hold what the extractors look for.
    async fn admit(&self, request: &mut Parts) -> Result<(), Denied> {
        let parameters = match self.terms.rule.requires_parameters() {
            true => RawPathParams::from_request_parts(request, &()).await.ok(),
            false => None,
        };
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
            let parameter = |name: &str| sole_parameter(parameters.as_ref()?, name);
            let outcome = self.terms.rule.check_with(admitted, parameter);
            outcome.map_err(|denied| refused(denied, Some(admitted)))?;
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
            // A proof that was used cannot be used again, not even by the layer within.
            Some(admitted) if by_this_guard => {
                if let Some(policy) = &self.terms.on_stale {
                    self.guard.require_valid(admitted, &request.headers, policy).await?;
                }
                Ok(admitted.clone())
            }
            _ => {
                let url = self.external_url(request);
                let mut asked = GuardedRequest::new(&request.method, &request.headers)
                    .with_certificate(request.extensions.get())
                    .with_on_stale(self.terms.on_stale.as_ref());
                if let Some(url) = &url {
                    asked = asked.with_url(url);
                }
                self.guard.authenticate(&asked).await
            }
        }
    }

    /// The request's URL as the client wrote it, where a proof makes it worth putting together.
    fn external_url(&self, request: &Parts) -> Option<String> {
        if !request.headers.contains_key("dpop") {
            return None;
        }
        if let Some(ExternalUrl(url)) = request.extensions.get() {
            return Some(url.clone());
        }
        // axum takes the prefix off the path of a nested router.
        let whole = request.extensions.get::<OriginalUri>().map(|OriginalUri(uri)| uri);
        let path = whole.unwrap_or(&request.uri).path();
        self.terms.base_url.as_ref().map(|base| format!("{base}{path}"))
    }
}

/// What a guarded service is going to answer.
pub(crate) type Answer<R, E> = Pin<Box<dyn Future<Output = Result<Response<R>, E>> + Send>>;

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
    type Future = Answer<R, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone takes the place of the service that was polled ready, which goes into the future.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        self.layer.clone().serve(inner, request, |denied| denied.to_response())
    }
}

/// What the path has for a name, percent-decoded, as the handler will read it. Of nested routers with one name
/// between them, nobody could say whose is meant.
fn sole_parameter<'p>(parameters: &'p RawPathParams, name: &str) -> Option<&'p str> {
    let mut named = parameters.iter().filter(|(parameter, _)| *parameter == name);
    let (_, text) = named.next()?;
    named.next().is_none().then_some(text)
}

/// The nonce that the client is to be told with the answer.
fn next_nonce(admitted: &Parts) -> Option<HeaderValue> {
    let admitted = admitted.extensions.get::<Admitted>()?;
    HeaderValue::from_str(admitted.dpop_nonce()?).ok()
}
