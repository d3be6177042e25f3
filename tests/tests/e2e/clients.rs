//! Services in other languages verify our tokens with the libraries they already have.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use gatepass_e2e::up::ADMIN;
use gatepass_e2e::{Admin, Up, jws, place};
use serde_json::Value;

#[tokio::test]
async fn pyjwt_verifies_our_tokens_and_refuses_what_it_should() {
    let script = place::root().join("tests/python/verify.py");
    check_service(&place::python(), &script).await;
}

#[tokio::test]
async fn npm_jose_verifies_our_tokens_and_refuses_what_it_should() {
    // Node looks for packages beside the script.
    let script = place::node().join("verify.mjs");
    std::fs::copy(place::root().join("tests/node/verify.mjs"), &script).unwrap();
    check_service(Path::new("node"), &script).await;
}

async fn check_service(interpreter: &Path, script: &Path) {
    let up = Up::start().await;
    let mut session = up.native_login(ADMIN).await;
    let audience = jws::audience(&session.access_token);
    let elsewhere = "https://somebody.example";
    let start = |issuer: &str, audience: &str| {
        Service::start(interpreter, script, &[up.jwks_uri(), issuer, audience])
    };
    let mut service = start(up.issuer(), &audience);

    let token = &session.access_token;
    assert_eq!(service.verify(token)["claims"], jws::claims(token));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let unsigned =
        format!("{}.{}.", jws::encode(br#"{"alg":"none","typ":"at+jwt"}"#), token.split('.').nth(1).unwrap());
    let refusals = [
        ("another audience", start(up.issuer(), elsewhere).verify(token)),
        ("another issuer", start(elsewhere, &audience).verify(token)),
        ("a forged signature", service.verify(&format!("{signed}.{other}{}", &signature[1..]))),
        ("no signature", service.verify(&unsigned)),
    ];
    for (what, answer) in refusals {
        assert!(answer["error"].is_string(), "{what} is refused: {answer}");
    }

    for rotation in 1..=3 {
        Admin::with_token(&up, &session.access_token).rotate_keys().await.expect(200);
        session = up.refresh(&session).await;
        let answer = service.verify(&session.access_token);
        assert_eq!(
            answer["claims"],
            jws::claims(&session.access_token),
            "after rotation {rotation}: {answer}"
        );
    }
}

/// A service in another language, with the key set that its library caches.
pub(super) struct Service {
    child: Child,
    tokens: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Service {
    pub(super) fn start(interpreter: &Path, script: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(interpreter);
        command.arg(script).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child =
            command.spawn().unwrap_or_else(|error| panic!("cannot start {}: {error}", interpreter.display()));
        let (tokens, answers) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, tokens, answers }
    }

    pub(super) fn verify(&mut self, token: &str) -> Value {
        writeln!(self.tokens, "{token}").expect("the service reads");
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the service answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the service answered {line:?}: {error}"))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Both fail only where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
