//! A real nginx asks the gateway with `auth_request` before it serves a file.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gatepass_e2e::process::Process;
use gatepass_e2e::up::{ADMIN, path_text};
use gatepass_e2e::{Admin, Up, place, send, try_send, wait};

#[tokio::test]
async fn nginx_serves_a_file_to_those_whom_the_gateway_admits() {
    let up = Up::start().await;
    Admin::login(&up).await.create_user("berta", &[]).await;
    let (ada, berta) = (up.login(ADMIN).await, up.login("berta").await);
    let (address, _nginx) = start_nginx(&up).await;

    let forged = format!("{}x", &ada.access_token[..ada.access_token.len() - 1]);
    let cases = [
        ("/api/orders", None, 401),
        ("/api/orders", Some(&forged), 401),
        ("/api/orders", Some(&berta.access_token), 200),
        ("/api/admin", Some(&berta.access_token), 403),
        ("/api/admin", Some(&ada.access_token), 200),
        ("/api/whoami", Some(&berta.access_token), 200),
    ];
    for (path, token, want) in cases {
        let mut request = up.client.get(format!("http://{address}{path}")).header("x-user-id", "mallory");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = send(request).await.expect(want);
        match want {
            200 => {
                // The identity that this route of the gateway forwards, or none; never what the client claims.
                let subject = (path == "/api/whoami").then(|| berta.subject());
                assert_eq!(answer.header("x-seen-user"), subject.as_deref(), "{}", answer.shown());
                assert_eq!(answer.body, format!("a file at {path}\n").as_bytes());
            }
            401 => {
                let challenge = answer.header("www-authenticate").unwrap_or_default();
                assert!(challenge.starts_with("Bearer"), "nginx passes the challenge on\n{}", answer.shown());
            }
            _ => {}
        }
    }

    Admin::login(&up).await.revoke("session", &berta.id).await.expect(201);
    wait::until("nginx to refuse a token of a revoked session", Duration::from_secs(2), async || {
        let request = up.client.get(format!("http://{address}/api/orders")).bearer_auth(&berta.access_token);
        (send(request).await.status == 401).then_some(())
    })
    .await;
}

async fn start_nginx(up: &Up) -> (SocketAddr, Process) {
    let folder = up.folder().join("nginx");
    for path in ["/api/orders", "/api/admin", "/api/whoami"] {
        let file = folder.join(format!("files{path}"));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, format!("a file at {path}\n")).unwrap();
    }
    let address = place::free_address();
    fs::write(folder.join("nginx.conf"), configuration(&folder, address, &up.gateway())).unwrap();
    let mut command = Command::new(place::nginx());
    command.args(["-p", path_text(&folder), "-c", "nginx.conf", "-e", "stderr"]);
    let mut process = Process::start("nginx", &mut command, &folder.join("nginx.log"));
    wait::until("nginx to listen", Duration::from_secs(10), async || {
        assert!(process.ended().is_none(), "nginx ended:\n{}", process.log());
        try_send(up.client.get(format!("http://{address}/"))).await.ok()
    })
    .await;
    (address, process)
}

fn configuration(folder: &Path, address: SocketAddr, gateway: &str) -> String {
    let folder = folder.display();
    format!(
        r#"
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr info;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/temp-body;
    proxy_temp_path {folder}/temp-proxy;
    fastcgi_temp_path {folder}/temp-fastcgi;
    uwsgi_temp_path {folder}/temp-uwsgi;
    scgi_temp_path {folder}/temp-scgi;
    server {{
        listen {address};
        location / {{
            auth_request /_gatepass;
            auth_request_set $seen_user $upstream_http_x_user_id;
            add_header X-Seen-User $seen_user always;
            root {folder}/files;
        }}
        location = /_gatepass {{
            internal;
            proxy_pass {gateway}/auth/verify;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
            proxy_set_header X-Original-Method $request_method;
            proxy_set_header X-Original-URI $request_uri;
        }}
    }}
}}
"#
    )
}
