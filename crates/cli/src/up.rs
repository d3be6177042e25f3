//! `gatepass up`: everything on one machine.
//!
//! What it runs is nothing special: it writes `server.toml` and `gateway.toml` into the data
//! directory, and they work with `gatepass serve` and `gatepass gateway` as they are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use gatepass_gateway::Gateway;
use gatepass_issuer::admin::{AdminError, ChangeUser, FirstPassword, NewUser};
use gatepass_issuer::password::Password;
use gatepass_issuer::store::Page;
use gatepass_issuer::user::{RoleName, Username};
use gatepass_server::Limits;
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::args::Up;
use crate::backend::Backend;
use crate::complaint::Complaint;
use crate::config::ServerConfig;
use crate::data::{DataDir, Running, generate_password, read_password, write_whole};
use crate::gateway::is_ready_within;
use crate::serve::bind;
use crate::{clock, print, process};

/// What the role `admin` may do at the demo API.
const DEMO_SCOPES: &str = "orders:read orders:write";
/// Where `gatepass top` looks unless it is told otherwise.
const ADMIN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9090);
/// How long the demo API and the gateway may take to have their keys.
const START_LIMIT: Duration = Duration::from_secs(20);

pub(crate) async fn run(args: Up) -> anyhow::Result<()> {
    let started = Instant::now();
    require_this_machine(args.server)?;
    let wanted = WantedUser::of(&args)?;
    let stop = process::shutdown_with_terminal()?;
    let server_socket = bind(args.server, "--server").await?;
    let gateway_socket = bind(args.gateway, "--gateway").await?;
    let admin_socket = bind_admin().await?;
    let places = Places {
        issuer: url(server_socket.local_addr()?),
        server: server_socket.local_addr()?,
        audience: url(gateway_socket.local_addr()?),
        gateway: gateway_socket.local_addr()?,
        admin: admin_socket.local_addr()?,
    };

    let data = DataDir::create(&args.dir)?;
    let server_file = data.join("server.toml");
    write_whole(&server_file, places.server_file().as_bytes())?;
    let config = ServerConfig::load(&server_file)?;
    let backend = Backend::open(&config, DEMO_SCOPES).await?;
    backend.data.announce(&Running::here(url(places.server), None))?;

    let maintenance = backend.maintain(stop.clone());
    let router = gatepass_server::router(backend.issuer.clone(), config.http);
    let serving = tokio::spawn(gatepass_server::serve(
        server_socket,
        router,
        Limits::default(),
        stop.clone().cancelled_owned(),
    ));
    let demo = Demo::start(&places).await?;
    let gateway_file = data.join("gateway.toml");
    write_whole(&gateway_file, places.gateway_file(&demo.url).as_bytes())?;
    let gateway = start_gateway(&gateway_file, gateway_socket, admin_socket, &stop).await?;

    // Last, and greeted at once: a start that fails has made up no password that nobody is told.
    let user = first_user(&backend, wanted).await?;
    greet(&args, &places, &demo.url, &user, started.elapsed());
    if let Some(file) = &args.ready_file {
        let ready = json!({
            "issuer": places.issuer,
            "gateway": url(places.gateway),
            "admin": url(places.admin),
            "jwks_uri": format!("{}/.well-known/jwks.json", places.issuer),
            "pid": std::process::id(),
        });
        write_whole(file, format!("{ready}\n").as_bytes())?;
    }

    stop.cancelled().await;
    gateway.await??;
    demo.stop().await;
    serving.await?;
    maintenance.await?;
    backend.close().await
}

/// What `up` runs speaks plain http with the authorization server, which is trusted on this machine alone.
fn require_this_machine(server: SocketAddr) -> Result<(), Complaint> {
    if server.ip().is_loopback() {
        return Ok(());
    }
    let port = server.port();
    Err(Complaint::unusable(format!("--server {server} cannot be reached safely: `up` speaks plain http there"))
        .try_this(format!(
            "--server 127.0.0.1:{port}, which other machines reach through --gateway; or `gatepass serve` with TLS"
        )))
}

/// Where everything is.
struct Places {
    issuer: String,
    server: SocketAddr,
    audience: String,
    gateway: SocketAddr,
    /// Where the gateway tells its operator how it is.
    admin: SocketAddr,
}

/// The user that `up` is to make its administrator, as its options say.
struct WantedUser {
    name: Option<Username>,
    password: Option<Password>,
}

impl WantedUser {
    fn of(args: &Up) -> anyhow::Result<Self> {
        let name = args.user.as_deref().map(str::parse).transpose().context("--user")?;
        // Only a first start is sure to need it.
        let is_first = !args.dir.join("server.toml").exists();
        let file = args.password_file.as_deref().filter(|file| is_first || file.exists());
        let password = file.map(|file| anyhow::Ok(Password::new(read_password(file)?.as_str())?)).transpose();
        Ok(Self { name, password: password.context("--password-file")? })
    }
}

/// The user that `up` speaks of, with the password if it was just made up.
struct FirstUser {
    name: String,
    password: Option<Zeroizing<String>>,
}

/// Binds [`ADMIN`], or where another gateway has that, whatever is free: nobody but `gatepass top` has to find it.
async fn bind_admin() -> anyhow::Result<TcpListener> {
    match TcpListener::bind(ADMIN).await {
        Ok(listener) => Ok(listener),
        Err(_) => Ok(TcpListener::bind(SocketAddr::new(ADMIN.ip(), 0)).await?),
    }
}

/// Creates the user that was asked for, or the first one of all.
async fn first_user(backend: &Backend, wanted: WantedUser) -> anyhow::Result<FirstUser> {
    let issuer = &backend.issuer;
    let username = match wanted.name {
        Some(name) => name,
        None => {
            let users = issuer.list_users(Page { after: None, limit: 1 }).await?;
            match users.first() {
                Some(user) => return Ok(FirstUser { name: user.username.to_string(), password: None }),
                None => "admin".parse()?,
            }
        }
    };
    let name = username.to_string();
    match issuer.find_user_by_name(&username).await {
        Ok(user) if user.roles.contains(&RoleName::admin()) => {}
        Ok(user) => {
            let roles = user.roles.iter().cloned().chain([RoleName::admin()]).collect();
            let change = ChangeUser { roles: Some(roles), ..ChangeUser::default() };
            issuer.change_user(user.id, change, clock::now()).await?;
        }
        Err(AdminError::Unknown) => {
            let (password, generated) = match wanted.password {
                Some(password) => (password, None),
                None => {
                    let made = generate_password()?;
                    (Password::new(made.as_str())?, Some(made))
                }
            };
            let new = NewUser {
                username,
                name: None,
                password: FirstPassword::New(password),
                email: None,
                roles: vec![RoleName::admin()],
                disabled: false,
            };
            issuer.create_user(new, clock::now()).await.context("the first user cannot be created")?;
            return Ok(FirstUser { name, password: generated });
        }
        Err(error) => return Err(error.into()),
    }
    Ok(FirstUser { name, password: None })
}

/// The demo API's process.
struct Demo {
    child: Child,
    url: String,
}

impl Demo {
    /// Starts this program again as the demo API and waits until it listens.
    async fn start(places: &Places) -> anyhow::Result<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .args([
                "demo",
                "--listen",
                "127.0.0.1:0",
                "--issuer",
                &places.issuer,
                "--audience",
                &places.audience,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0) // Ctrl-C is for this process, which stops the demo API last
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the demo API")?;
        let stdout = child.stdout.take().context("the demo API has no output")?;
        let mut lines = BufReader::new(stdout).lines();
        let line = tokio::time::timeout(START_LIMIT, lines.next_line())
            .await
            .context("the demo API does not start")??;
        let url = line.context("the demo API ended at once")?;
        Ok(Self { child, url })
    }

    /// Closes its input, upon which it ends by itself.
    async fn stop(mut self) {
        drop(self.child.stdin.take());
        if tokio::time::timeout(Duration::from_secs(5), self.child.wait()).await.is_err() {
            tracing::warn!("the demo API does not stop and is killed");
        }
    }
}

type Serving = tokio::task::JoinHandle<std::io::Result<()>>;

async fn start_gateway(
    file: &std::path::Path,
    socket: TcpListener,
    admin: TcpListener,
    stop: &CancellationToken,
) -> anyhow::Result<Serving> {
    let gateway = Gateway::start(gatepass_gateway::Config::load(file)?).await?;
    if !is_ready_within(&gateway, START_LIMIT).await {
        bail!("the gateway cannot reach the authorization server");
    }
    let stop = stop.clone();
    Ok(tokio::spawn(async move {
        let (clients, operator) =
            (gateway.serve(socket, stop.cancelled()), gateway.serve_admin(admin, stop.cancelled()));
        tokio::try_join!(clients, operator).map(|((), ())| ())
    }))
}

impl Places {
    fn server_file(&self) -> String {
        // Behind a gateway that is reached from elsewhere, the client's address is what the gateway
        // says; on a loopback address anybody on this machine could say anything.
        let trusted = if self.gateway.ip().is_loopback() { "" } else { "\"127.0.0.1\"" };
        format!(
            "# Written by `gatepass up` at each start. `gatepass serve --config` runs it alone.\n\
             issuer = \"{issuer}\"\n\
             listen = \"{listen}\"\n\
             data = \".\"\n\
             app_origins = [\"{app}\"]\n\
             trusted_proxies = [{trusted}]\n\n\
             [[resource_server]]\n\
             audience = \"{audience}\"\n\
             alg = \"ES256\"\n",
            issuer = self.issuer,
            listen = self.server,
            app = self.audience,
            audience = self.audience,
        )
    }

    fn gateway_file(&self, demo: &str) -> String {
        let mut text = format!(
            "# Written by `gatepass up` at each start. `gatepass gateway --config` runs it alone.\n\
             listen = \"{listen}\"\n\
             admin_listen = \"{admin}\"\n\
             public_url = \"{audience}\"\n\n\
             [[issuer]]\n\
             url = \"{issuer}\"\n\
             audience = [\"{audience}\"]\n\
             revocation = \"feed\"\n\
             on_stale = {{ after = \"30s\", then = \"deny\" }}\n\n\
             [[upstream]]\n\
             name = \"gatepass\"\n\
             servers = [\"http://{server}\"]\n\n\
             [[upstream]]\n\
             name = \"orders\"\n\
             servers = [\"{demo}\"]\n",
            listen = self.gateway,
            admin = self.admin,
            issuer = self.issuer,
            audience = self.audience,
            server = self.server,
        );
        for path in [
            "/session/{*rest}",
            "/tickets",
            "/oauth/{*rest}",
            "/device",
            "/device/{*rest}",
            "/.well-known/{*rest}",
            "/revocations/{*rest}",
            "/admin/v1/{*rest}",
        ] {
            text += &format!("\n[[route]]\npath = \"{path}\"\nupstream = \"gatepass\"\npublic = true\n");
        }
        text + DEMO_ROUTES
    }
}

const DEMO_ROUTES: &str = r#"
[[route]]
path = "/api/public"
methods = ["GET"]
upstream = "orders"
public = true

[[route]]
path = "/api/orders"
methods = ["GET"]
upstream = "orders"

[[route]]
path = "/api/orders"
methods = ["POST"]
upstream = "orders"
require = { scope = ["orders:write"] }

[[route]]
path = "/api/admin"
methods = ["GET"]
upstream = "orders"
require = { role = ["admin"] }

[[route]]
path = "/api/whoami"
methods = ["GET"]
upstream = "orders"
forward = { sub = "X-User-Id", roles = "X-User-Roles", client_id = "X-Client-Id", sid = "X-Session-Id" }
"#;

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn greet(args: &Up, places: &Places, demo: &str, user: &FirstUser, took: Duration) {
    let gateway = url(places.gateway);
    let dir = args.dir.display();
    print::line(format!("{} after {:.2} s", print::strong("gatepass is up"), took.as_secs_f64()));
    print::line(format!("\n  authorization server  {}", places.issuer));
    print::line(format!("  gateway               {gateway}"));
    let elsewhere =
        if places.admin == ADMIN { String::new() } else { format!(" --admin {}", url(places.admin)) };
    print::line(format!("  what it is doing      gatepass top{elsewhere}"));
    print::line(format!("  demo API behind it    {demo}"));
    print::line(format!("  data                  {dir}"));
    let password = match &user.password {
        Some(password) => {
            print::line(format!("\n  first user            {}", user.name));
            print::line(format!("  password              {}   (shown this once)", password.as_str()));
            password.as_str()
        }
        None => {
            print::line(format!("\n  user                  {}", user.name));
            print::line(format!("  forgot the password?  gatepass user password {} --dir {dir}", user.name));
            "PASSWORD"
        }
    };
    let name = &user.name;
    print::line(format!(
        r#"
Try it, in another terminal:

  # log in: an access token in the answer, a refresh token in an HttpOnly cookie
  TOKEN=$(curl -s -c cookies.txt {gateway}/session/login -H 'content-type: application/json' \
    -d '{{"username":"{name}","password":"{password}"}}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

  # call the API through the gateway
  curl -i {gateway}/api/orders
  curl -s {gateway}/api/orders -H "authorization: Bearer $TOKEN"
  curl -s {gateway}/api/whoami -H "authorization: Bearer $TOKEN" -H 'x-user-id: mallory'

  # refresh: the next access token, the next cookie
  curl -s -b cookies.txt -c cookies.txt -X POST {gateway}/session/refresh

  # log out: the token is refused everywhere, at once
  curl -s -b cookies.txt -c cookies.txt -X POST {gateway}/session/logout
  curl -i {gateway}/api/orders -H "authorization: Bearer $TOKEN"

Ctrl-C stops it."#
    ));
}
