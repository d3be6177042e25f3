//! A service and a client of tonic, over a real connection: what the layer for gRPC refuses, admits and hands on.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody;
use axum::{BoxError, http};
use bytes::{Buf, BufMut};
use futures_util::Stream;
use futures_util::stream::unfold;
use gatepass_guard::{
    Admitted, GrpcGuardLayer, Guard, GuardLayer, Kind, Reason, Rule, WhenStale, bearer_token,
};
use tokio::net::TcpListener;
use tonic::body::Body;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, NamedService};
use tonic::service::Routes;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status};
use tower::{Service, service_fn};
use tower_layer::Layer;

use crate::issuer::{Issuer, eventually, guard};

/// Messages that are text, so that nothing has to be generated.
#[derive(Clone, Copy, Default)]
struct Text;

impl Codec for Text {
    type Encode = String;
    type Decode = String;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Text {
    type Item = String;
    type Error = Status;

    fn encode(&mut self, item: String, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(item.as_bytes());
        Ok(())
    }
}

impl Decoder for Text {
    type Item = String;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<String>, Status> {
        let bytes = buffer.copy_to_bytes(buffer.remaining());
        String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| Status::internal("no text"))
    }
}

/// What tonic's generator would have written of a service with the methods `Who`, `Add` and `Follow`.
#[derive(Clone)]
struct Orders(Guard);

impl NamedService for Orders {
    const NAME: &'static str = "orders.Orders";
}

impl<B> Service<http::Request<B>> for Orders
where
    B: HttpBody<Error: Into<BoxError> + Send> + Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<http::Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let guard = self.0.clone();
        Box::pin(async move {
            let mut grpc = Grpc::new(Text);
            Ok(match request.uri().path() {
                "/orders.Orders/Follow" => {
                    let follow = move |request: Request<String>| {
                        let guard = guard.clone();
                        async move { Ok::<_, Status>(Response::new(follow(guard, &request)?)) }
                    };
                    grpc.server_streaming(service_fn(follow), request).await
                }
                _ => grpc.unary(service_fn(async |request: Request<String>| who(&request)), request).await,
            })
        })
    }
}

/// The token that the layer verified, where tonic hands it on.
fn token(request: &Request<String>) -> Result<Admitted, Status> {
    request.extensions().get::<Admitted>().cloned().ok_or_else(|| Status::internal("no guard has looked"))
}

fn who(request: &Request<String>) -> Result<Response<String>, Status> {
    let token = token(request)?;
    Ok(Response::new(format!("{} of {}: {}", token.sub, token.client_id, request.get_ref())))
}

/// A stream that ends when its token does: the guard is asked again, from memory.
fn follow(
    guard: Guard,
    request: &Request<String>,
) -> Result<impl Stream<Item = Result<String, Status>> + use<>, Status> {
    let admitted = token(request)?;
    let fields = request.metadata().clone().into_headers();
    let shown = bearer_token(&fields).map_err(|denied| Status::unauthenticated(denied.code()))?.to_owned();
    Ok(unfold(Some((guard, admitted, shown)), |state| async move {
        let (guard, admitted, shown) = state?;
        tokio::time::sleep(Duration::from_millis(5)).await;
        match guard.verify_again(&admitted, &shown, None).await {
            Ok(()) => Some((Ok(admitted.sub.clone()), Some((guard, admitted, shown)))),
            Err(denied) => Some((Err(Status::unauthenticated(denied.code())), None)),
        }
    }))
}

async fn serve(guard: &Guard) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Every method needs a good token, and one of them more: a service behind a layer is a route as others are.
    let layer = |rule| GrpcGuardLayer::new(GuardLayer::new(guard.clone()).with_rule(rule));
    let writers = Rule::default().with_scope("orders:write".parse().unwrap());
    let orders = Orders(guard.clone());
    let routes = Router::new()
        .route_service("/orders.Orders/Add", layer(writers).layer(orders.clone()))
        .merge(Routes::new(orders).into_axum_router().layer(layer(Rule::default())));
    let server = Server::builder().add_routes(Routes::from(routes));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    address
}

struct Client(tonic::client::Grpc<Channel>);

impl Client {
    async fn connect(address: SocketAddr) -> Self {
        let channel = Channel::from_shared(format!("http://{address}")).unwrap().connect().await.unwrap();
        Self(tonic::client::Grpc::new(channel))
    }

    fn request(authorization: Option<&str>) -> Request<String> {
        let mut request = Request::new("hello".to_owned());
        if let Some(authorization) = authorization {
            request.metadata_mut().insert("authorization", authorization.parse().unwrap());
        }
        request
    }

    async fn ask(&mut self, path: &'static str, authorization: Option<&str>) -> Result<String, Status> {
        self.0.ready().await.unwrap();
        let path = http::uri::PathAndQuery::from_static(path);
        let answer = self.0.unary(Self::request(authorization), path, Text).await;
        answer.map(Response::into_inner)
    }
}

#[tokio::test]
async fn tonic_hands_on_what_was_verified_and_its_client_understands_a_refusal() {
    let issuer = Issuer::start().await;
    let guard = guard([issuer.followed(Duration::from_secs(30), WhenStale::Deny)]).await;
    let mut client = Client::connect(serve(&guard).await).await;
    let good = format!("Bearer {}", issuer.token());
    let writer = format!("Bearer {}", issuer.token_with("scope", "orders:read orders:write"));
    let expired = format!("Bearer {}", issuer.token_with("exp", 1));
    let ask = async |client: &mut Client, method, authorization| {
        client.ask(method, authorization).await.map_err(|status| {
            let challenge = status.metadata().get("www-authenticate").map(|value| value.to_str().unwrap());
            (status.code(), status.message().to_owned(), challenge.unwrap_or_default().to_owned())
        })
    };
    let (who, add) = ("/orders.Orders/Who", "/orders.Orders/Add");
    let admitted = Ok("ann of web: hello".to_owned());
    assert_eq!(ask(&mut client, who, Some(&good)).await, admitted);
    assert_eq!(ask(&mut client, add, Some(&writer)).await, admitted);
    let cases = [
        ("no_token", who, None, Code::Unauthenticated, "token-missing", "Bearer realm=\"api\""),
        (
            "nonsense",
            who,
            Some("Bearer a.b.c"),
            Code::Unauthenticated,
            "invalid-token",
            "error=\"invalid_token\"",
        ),
        ("expired", who, Some(&*expired), Code::Unauthenticated, "expired", "error=\"invalid_token\""),
        ("another_scheme", who, Some("Basic YTpi"), Code::Unauthenticated, "token-missing", "Bearer realm"),
        (
            "no_such_method",
            "/orders.Orders/Nothing",
            None,
            Code::Unauthenticated,
            "token-missing",
            "Bearer realm",
        ),
        (
            "scope_lacking",
            add,
            Some(&*good),
            Code::PermissionDenied,
            "insufficient-scope",
            "scope=\"orders:write\"",
        ),
        ("no_token_to_write", add, None, Code::Unauthenticated, "token-missing", "Bearer realm"),
    ];
    for (name, method, authorization, code, message, challenge) in cases {
        let refused = ask(&mut client, method, authorization).await.unwrap_err();
        assert_eq!((refused.0, &*refused.1), (code, message), "{name}");
        assert!(refused.2.contains(challenge), "{name}: {refused:?}");
    }
    issuer.revoke(Kind::Subject, "ann", Reason::ADMIN);
    eventually("the revocation", async || {
        let refused =
            client.ask(who, Some(&good)).await.map_err(|status| (status.code(), status.message().to_owned()));
        refused == Err((Code::Unauthenticated, "revoked".to_owned()))
    })
    .await;
}

#[tokio::test]
async fn a_stream_of_tonics_ends_when_its_token_is_revoked() {
    let issuer = Issuer::start().await;
    let guard = guard([issuer.followed(Duration::from_secs(30), WhenStale::Deny)]).await;
    let mut client = Client::connect(serve(&guard).await).await;
    let path = || http::uri::PathAndQuery::from_static("/orders.Orders/Follow");
    client.0.ready().await.unwrap();
    let refused = client.0.server_streaming(Client::request(None), path(), Text).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "it does not even begin: {refused:?}");

    let good = format!("Bearer {}", issuer.token());
    client.0.ready().await.unwrap();
    let answer = client.0.server_streaming(Client::request(Some(&good)), path(), Text).await.unwrap();
    let mut items = answer.into_inner();
    assert_eq!(items.message().await.unwrap().as_deref(), Some("ann"));
    issuer.revoke(Kind::Subject, "ann", Reason::ADMIN);
    let ends = async {
        loop {
            match items.message().await {
                Ok(Some(item)) => assert_eq!(item, "ann"),
                end => return end,
            }
        }
    };
    let end = tokio::time::timeout(Duration::from_secs(20), ends).await.expect("it goes on");
    let status = end.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, "revoked"));
    assert_eq!(items.message().await.unwrap(), None);
}
