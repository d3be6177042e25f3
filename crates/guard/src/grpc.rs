use std::task::{Context, Poll};

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use crate::layer::Answer;
use crate::{Denied, GuardLayer};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// A [`GuardLayer`] for gRPC services, those of tonic and of any other that speaks `tower`.
///
/// It asks and admits as the layer in it does, and refuses in gRPC's way: with a status in the header fields
/// of an answer without a body, which every client library understands. What is verified is in the
/// request's extensions as [`Admitted`](crate::Admitted); tonic hands extensions on to its services.
///
/// | refusal | `grpc-status` |
/// |---|---|
/// | 400, 401 | `UNAUTHENTICATED` (16) |
/// | 403 | `PERMISSION_DENIED` (7) |
/// | 503 | `UNAVAILABLE` (14) |
/// | 500 | `INTERNAL` (13) |
///
/// ```
/// use gatepass_guard::{GrpcGuardLayer, Guard, GuardLayer, Rule};
///
/// fn readers(guard: Guard) -> Result<GrpcGuardLayer, gatepass_guard::InvalidScope> {
///     let rule = Rule::default().with_scope("orders:read".parse()?);
///     Ok(GrpcGuardLayer::new(GuardLayer::new(guard).with_rule(rule)))
/// }
/// ```
///
/// With tonic it stands around the routes, and a handler finds the token in its request:
///
/// ```
/// use gatepass_guard::{Admitted, GrpcGuardLayer, Guard, GuardLayer};
/// use tonic::service::Routes;
/// use tonic::transport::{Server, server};
/// use tonic::{Request, Response, Status};
///
/// fn list(request: Request<()>) -> Result<Response<String>, Status> {
///     let token = request.extensions().get::<Admitted>().ok_or_else(|| Status::internal("unguarded"))?;
///     Ok(Response::new(format!("orders of {}", token.sub)))
/// }
///
/// /// `orders` is `Routes::new(OrdersServer::new(…))`.
/// fn guarded(orders: Routes, guard: Guard) -> server::Router {
///     let layer = GrpcGuardLayer::new(GuardLayer::new(guard));
///     Server::builder().add_routes(Routes::from(orders.into_axum_router().layer(layer)))
/// }
/// ```
///
/// A refusal names its [`code`](Denied::code) in `grpc-message`, and its challenge in `www-authenticate` among the metadata.
/// A call that lasts asks [`Guard::verify_again`](crate::Guard::verify_again) now and then, from memory, and ends with
/// `UNAUTHENTICATED` when it hears of a revocation.
#[derive(Clone, Debug)]
pub struct GrpcGuardLayer(GuardLayer);

impl GrpcGuardLayer {
    /// Admits what `layer` admits.
    #[must_use]
    pub fn new(layer: GuardLayer) -> Self {
        GrpcGuardLayer(layer)
    }
}

impl<S> Layer<S> for GrpcGuardLayer {
    type Service = GrpcGuardService<S>;

    fn layer(&self, inner: S) -> GrpcGuardService<S> {
        GrpcGuardService { layer: self.0.clone(), inner }
    }
}

/// A service behind a [`GrpcGuardLayer`].
#[derive(Clone, Debug)]
pub struct GrpcGuardService<S> {
    layer: GuardLayer,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for GrpcGuardService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: Default,
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
        self.layer.clone().serve(inner, request, |denied| refusal(denied).map(|()| R::default()))
    }
}

/// An answer of header fields alone ("Trailers-Only" in the gRPC protocol), whose HTTP status is 200 whatever
/// gRPC's own says.
fn refusal(denied: Denied) -> Response<()> {
    let status = match denied.status() {
        StatusCode::FORBIDDEN => 7,
        StatusCode::INTERNAL_SERVER_ERROR => 13,
        StatusCode::SERVICE_UNAVAILABLE => 14,
        _ => 16,
    };
    let mut response = Response::new(());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from(status));
    // The code is made of characters that need no percent-encoding.
    headers.insert(GRPC_MESSAGE, HeaderValue::from_static(denied.code()));
    response.extensions_mut().insert(denied);
    response
}
