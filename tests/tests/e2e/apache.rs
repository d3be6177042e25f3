//! Apache logs users in with `mod_auth_openidc`, and logs them out when it is told to.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use gatepass_e2e::process::Process;
use gatepass_e2e::sign_on::Visitor;
use gatepass_e2e::up::{ADMIN, path_text};
use gatepass_e2e::{Admin, Up, jws, place, send, wait};
use reqwest::Method;
use serde_json::{Value, json};

const MODULES: [&str; 6] = ["mpm_event", "authn_core", "authz_core", "authz_user", "headers", "auth_openidc"];

/// Where Debian has Apache's modules, installed or unpacked.
fn modules() -> PathBuf {
    let unpacked = place::apache().parent().map(|folder| folder.join("usr/lib/apache2/modules"));
    let found = [unpacked, Some(PathBuf::from("/usr/lib/apache2/modules"))].into_iter().flatten();
    let mut found = found.filter(|folder| folder.join("mod_auth_openidc.so").exists());
    found.next().expect("Apache has no mod_auth_openidc: apt-get install libapache2-mod-auth-openidc")
}

fn configuration(folder: &Path, up: &Up, base: &str, secret: &str) -> String {
    let load =
        MODULES.map(|name| format!("LoadModule {name}_module {}/mod_{name}.so\n", modules().display()));
    let (address, issuer) = (base.trim_start_matches("http://"), up.issuer());
    format!(
        "ServerRoot {folder}\nServerName 127.0.0.1\nListen {address}\nPidFile {folder}/pid\nErrorLog {folder}/error.log\n\
         {load}DocumentRoot {folder}\n\
         OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration\n\
         OIDCClientID apache\nOIDCClientSecret {secret}\nOIDCRedirectURI {base}/callback\n\
         OIDCCryptoPassphrase known-to-this-test-alone\nOIDCScope \"openid profile\"\nOIDCPKCEMethod S256\n\
         OIDCRemoteUserClaim preferred_username\nHeader set X-Remote-User \"expr=%{{REMOTE_USER}}\"\n\
         Header set X-Sub \"expr=%{{HTTP:OIDC_CLAIM_sub}}\"\n\
         <Location \"/\">\nAuthType openid-connect\nRequire valid-user\n</Location>\n",
        folder = folder.display(),
        load = load.concat(),
    )
}

async fn register(up: &Up, base: &str) -> String {
    let body = json!({
        "client_id": "apache", "client_name": "Apache", "grant_types": ["authorization_code"],
        "redirect_uris": [format!("{base}/callback")],
        "backchannel_logout_uri": format!("{base}/callback?logout=backchannel"),
    });
    send(Admin::login(up).await.request(Method::POST, "/clients").json(&body))
        .await
        .expect(201)
        .text("/client_secret")
}

#[tokio::test]
async fn mod_auth_openidc_logs_in_and_hears_of_the_logout() {
    let up = Up::start().await;
    let base = format!("http://{}", place::free_address());
    let secret = register(&up, &base).await;
    let folder = up.folder().join("apache");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("hello.txt"), "behind the login").unwrap();
    let config = folder.join("apache.conf");
    fs::write(&config, configuration(&folder, &up, &base, &secret)).unwrap();
    let mut command = Command::new(place::apache());
    // One process, which stays what the test started.
    command.args(["-X", "-f", path_text(&config)]);
    let mut apache = Process::start("apache", &mut command, &folder.join("apache.log"));
    let address = base.trim_start_matches("http://").to_owned();
    wait::until("Apache to listen", Duration::from_secs(20), async || {
        if apache.ended().is_some() {
            let errors = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
            panic!("Apache ended:\n{}{errors}", apache.log());
        }
        tokio::net::TcpStream::connect(&address).await.ok()
    })
    .await;

    let (mut at_apache, mut at_issuer) = (Visitor::default(), Visitor::default());
    let page = format!("{base}/hello.txt");
    let sent = at_apache.get(&up, &page).await.expect(302);
    let back = at_issuer.authorize(&up, sent.header("location").unwrap(), ADMIN).await;
    let entered = at_apache.get(&up, back.as_str()).await;
    let told = fs::read_to_string(folder.join("error.log")).unwrap_or_default();
    assert_eq!((entered.status, entered.header("location")), (302, Some(page.as_str())), "{told}");
    let shown = at_apache.get(&up, &page).await.expect(200);
    assert_eq!(shown.body, b"behind the login");
    assert_eq!(shown.header("x-remote-user"), Some(ADMIN), "{told}");
    let sub = shown.header("x-sub").unwrap().to_owned();

    // All of the user's sessions end, and Apache's with them.
    let admin = Admin::login(&up).await;
    assert_eq!(sub, own_subject(&up).await);
    admin.revoke("subject", &sub).await.expect(201);
    wait::until("Apache to ask for a login again", Duration::from_secs(20), async || {
        (at_apache.get(&up, &page).await.status == 302).then_some(())
    })
    .await;
    apache.kill();
}

async fn own_subject(up: &Up) -> Value {
    json!(jws::claims(&up.native_login(ADMIN).await.access_token)["sub"])
}
