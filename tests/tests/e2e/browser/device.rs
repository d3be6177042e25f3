//! A device that shows a code, somebody else's library in it, and a user who allows it in a browser.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use gatepass_e2e::up::{ADMIN, PASSWORD};
use gatepass_e2e::{Browser, Up, place};
use serde_json::{Value, json};

use super::pages::{look, pictures};
use crate::cli::gatepass;

/// npm's openid-client on a device; each line that it prints is an answer.
struct Device {
    child: std::process::Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Device {
    fn start(up: &Up, client: &str) -> Self {
        let script = place::node().join("device.mjs");
        // Node looks for packages beside the script.
        std::fs::copy(place::root().join("tests/node/device.mjs"), &script).unwrap();
        let mut command = Command::new("node");
        command.arg(script).args([up.issuer(), client]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start node: {error}"));
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, answers }
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the device answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the device said {line:?}: {error}"))
    }

    /// Tells it that the user has answered, and what it gets then.
    fn go_on(&mut self) -> Value {
        writeln!(self.child.stdin.as_mut().unwrap(), "go on").expect("the device reads");
        self.answer()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // Both fail only where it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_allows_a_device_in_a_browser_without_any_script() {
    let up = Up::start().await;
    let folder = pictures(up.folder());
    gatepass(&up, "client add tv --name Television --public --device --scope orders:read").await.worked();
    let mut browser = Browser::start();
    let mut ada = browser.visitor("ada without scripts");

    let mut tv = Device::start(&up, "tv");
    let shown = tv.answer();
    let code = shown["user_code"].as_str().unwrap_or_else(|| panic!("no code in {shown}"));
    let (status, _) = ada.open(shown["verification_uri"].as_str().unwrap()).await;
    assert_eq!(status, 200);
    look(&mut ada, &folder, "device-login").await;
    ada.fill("#username", ADMIN).await;
    ada.fill("#password", PASSWORD).await;
    ada.click("button").await;
    assert!(ada.read("main").await.contains("Which code does your device show?"));
    look(&mut ada, &folder, "device-code").await;
    assert_eq!(ada.tab().await, ["user_code", "Continue"]);
    ada.fill("#user_code", "BBBB-CCCC").await;
    ada.click("button").await;
    assert!(ada.read("[role=alert]").await.starts_with("No device waits for this code."));
    look(&mut ada, &folder, "device-code-unknown").await;
    ada.fill("#user_code", &code.to_lowercase()).await;
    ada.click("button").await;
    let asked = ada.read("main").await;
    assert!(asked.contains("Television") && asked.contains(code) && asked.contains("orders:read"), "{asked}");
    look(&mut ada, &folder, "device").await;
    assert_eq!(ada.tab().await, ["Allow", "Do not allow"]);
    ada.click("button[value=allow]").await;
    assert_eq!(ada.read("h1").await, "Device connected");
    look(&mut ada, &folder, "device-connected").await;
    let sub = up.native_login(ADMIN).await.subject();
    let want = json!({
        "sub": sub, "username": ADMIN, "rotated": true, "scope": "offline_access openid orders:read profile"
    });
    assert_eq!(tv.go_on(), want);

    // A link that brings the code along, from a user who is logged in and says no.
    let mut tv = Device::start(&up, "tv");
    ada.open(tv.answer()["verification_uri_complete"].as_str().unwrap()).await;
    ada.click("button").await;
    ada.click("button[value=deny]").await;
    assert_eq!(ada.read("h1").await, "Not allowed");
    assert_eq!(tv.go_on(), json!({ "error": "access_denied" }));
    assert_eq!(ada.complaints().await, [""; 0]);
}
