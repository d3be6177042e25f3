//! gRPC calls of a client and a service that others wrote, through the gateway.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gatepass_e2e::process::Process;
use gatepass_e2e::up::{ADMIN, path_text};
use gatepass_e2e::{Admin, Up, certificate, jws, place, wait};
use serde_json::{Value, json};

use crate::gateway::{FEED, File};

const ROUTES: &str = r#"
[[route]]
path = "/test.Letters/{method}"
methods = ["POST"]
upstream = "letters"
forward = { sub = "X-User-Id" }

[[route]]
path = "/test.Closed/{method}"
upstream = "letters"
require = { role = ["nobody"] }
"#;

fn python(folder: &Path, name: &str, arguments: &[&str]) -> Process {
    let mut command = Command::new(place::python());
    command.arg(place::root().join("tests/python/grpc_calls.py")).args(arguments);
    Process::start(name, &mut command, &folder.join(format!("{name}.log")))
}

/// Waits until a program has printed what `found` finds.
async fn printed<T>(program: &Process, what: &str, found: impl Fn(&str) -> Option<T>) -> T {
    wait::until(what, Duration::from_secs(60), async || program.log().lines().find_map(&found)).await
}

/// A line of JSON.
fn answer(line: &str) -> Option<Value> {
    serde_json::from_str(line).ok().filter(Value::is_object)
}

#[tokio::test]
async fn grpcio_calls_a_service_and_is_told_of_every_end() {
    let up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    let audience = jws::audience(&session.access_token);
    let service = python(up.folder(), "service", &["serve"]);
    let port = printed(&service, "the gRPC service", |line| Some(line.strip_prefix("port ")?.to_owned()));
    let upstream = format!(
        "[[upstream]]\nname = \"letters\"\nservers = [\"http://127.0.0.1:{}\"]\nprotocol = \"h2\"\n",
        port.await
    );
    let certificate = certificate::self_signed(up.folder(), "localhost");
    let lengths = [0, 1, 16_384, 65_536, 1_000_000];

    for (tls, certificate) in [("", ""), (certificate::TLS, path_text(&certificate))] {
        let routes = format!("{upstream}{ROUTES}{tls}");
        // The service that the file names first is asked nothing.
        let file = File::new(up.issuer(), &audience, FEED, up.server_address());
        let gateway = file.start(up.folder(), &routes).await;
        let address = format!("localhost:{}", gateway.address.port());
        let name = if tls.is_empty() { "plain" } else { "tls" };
        let calls = python(up.folder(), name, &["call", &address, certificate, &session.access_token]);
        let told = printed(&calls, "the calls to be answered", answer).await;
        let want = json!({
            "same": true,
            "subject": session.subject(),
            "trailers": ["3072000", "00ff"],
            "down": vec![20_000; 8],
            "up": lengths.map(|length| length.to_string()).join(","),
            "both": lengths,
            "failure": { "code": "FAILED_PRECONDITION", "details": "not today: café at 100%", "why": "closed" },
            "late": "DEADLINE_EXCEEDED",
            "without": "UNAUTHENTICATED",
            "forged": "UNAUTHENTICATED",
            "closed": "PERMISSION_DENIED",
            "unknown": "UNIMPLEMENTED",
        });
        assert_eq!(told, want, "{name}");
        printed(&service, "the service to hear of the deadline", |line| {
            (line == "deadline known").then_some(())
        })
        .await;
        let cancelled = || service.log().lines().filter(|line| *line == "cancelled").count();
        let calls_that_were_late = if tls.is_empty() { 1 } else { 2 };
        wait::until("the service to hear that nobody waits", Duration::from_secs(20), async || {
            (cancelled() == calls_that_were_late).then_some(())
        })
        .await;

        let session = up.native_login(ADMIN).await;
        let watch = python(up.folder(), "watch", &["watch", &address, certificate, &session.access_token]);
        printed(&watch, "the stream to open", |line| (line == "open").then_some(())).await;
        Admin::login(&up).await.revoke("session", &session.id).await.expect(201);
        let end = printed(&watch, "the stream to end", answer).await;
        assert_eq!(end, json!({ "code": "UNAUTHENTICATED", "details": "revoked" }), "{name}");
    }
}
