//! Where things are: the program under test, other people's tools, free ports.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{LazyLock, OnceLock};

/// The binary under test, built once where the environment names none.
pub fn gatepass() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("GATEPASS_BIN") {
        Some(path) => {
            let path = PathBuf::from(path);
            assert!(path.is_file(), "GATEPASS_BIN names {}, which is not a file", path.display());
            path
        }
        None => {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let built =
                Command::new(cargo).args(["build", "--package", "gatepass"]).current_dir(root()).status();
            assert!(built.is_ok_and(|status| status.success()), "`cargo build --package gatepass` failed");
            target().join("debug/gatepass")
        }
    })
}

/// The root of the project.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The Python with PyJWT.
pub fn python() -> PathBuf {
    tool("GATEPASS_TEST_PYTHON", &[target().join("tests/venv/bin/python")])
}

/// The folder with npm's `node_modules`.
pub fn node() -> PathBuf {
    tool("GATEPASS_TEST_NODE", &[target().join("tests/node")])
}

/// An nginx with `auth_request`.
pub fn nginx() -> PathBuf {
    tool("GATEPASS_TEST_NGINX", &[target().join("tests/nginx/run"), PathBuf::from("/usr/sbin/nginx")])
}

/// A HAProxy with Lua.
pub fn haproxy() -> PathBuf {
    tool("GATEPASS_TEST_HAPROXY", &[target().join("tests/haproxy/run"), PathBuf::from("/usr/sbin/haproxy")])
}

/// A Caddy with `forward_auth`.
pub fn caddy() -> PathBuf {
    tool("GATEPASS_TEST_CADDY", &[target().join("tests/caddy/run"), PathBuf::from("/usr/bin/caddy")])
}

/// An Apache with `mod_auth_openidc`.
pub fn apache() -> PathBuf {
    let unpacked = target().join("tests/libapache2-mod-auth-openidc/run");
    tool("GATEPASS_TEST_APACHE", &[unpacked, PathBuf::from("/usr/sbin/apache2")])
}

/// An Envoy, as PyPI has it.
pub fn envoy() -> PathBuf {
    tool("GATEPASS_TEST_ENVOY", &[target().join("tests/venv/bin/envoy")])
}

/// nghttp2's h2load.
pub fn h2load() -> PathBuf {
    let places = [target().join("tests/nghttp2-client/run"), PathBuf::from("/usr/bin/h2load")];
    tool("GATEPASS_TEST_H2LOAD", &places)
}

/// SoftHSM's tool.
pub fn softhsm() -> PathBuf {
    let places = [target().join("tests/softhsm2/run"), PathBuf::from("/usr/bin/softhsm2-util")];
    tool("GATEPASS_TEST_SOFTHSM", &places)
}

/// Debian's Chromium.
pub fn chromium() -> PathBuf {
    tool("GATEPASS_TEST_CHROMIUM", &[PathBuf::from("/usr/bin/chromium")])
}

fn tool(variable: &str, places: &[PathBuf]) -> PathBuf {
    let named = std::env::var_os(variable).map(PathBuf::from);
    let found = named.iter().chain(places).find(|path| path.exists()).cloned();
    found.unwrap_or_else(|| {
        panic!("not found at {variable} nor at {places:?}; `cargo xtask tools` installs it")
    })
}

fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(folder) => root().join(folder),
        None => root().join("target"),
    }
}

/// An address of this machine that nothing listens on and that no other test is given, of this process or of one beside it.
///
/// It lies below the range from which the system takes the near ends of connections, so that a server can be ended and started
/// again on it.
pub fn free_address() -> SocketAddr {
    static BLOCK: LazyLock<Block> = LazyLock::new(Block::take);
    static NEXT: AtomicU16 = AtomicU16::new(0);
    for _ in 1..Block::PORTS {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % (Block::PORTS - 1);
        let address = local(BLOCK.first + 1 + step);
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no port is free from {} on", BLOCK.first)
}

/// Ports next to each other that belong to this process for as long as it listens on the first of them. A server that is
/// ended leaves its port free for a moment, and a server of another process that took it would answer in its place.
struct Block {
    first: u16,
    _held: TcpListener,
}

impl Block {
    const PORTS: u16 = 2_000;

    fn take() -> Self {
        let mut firsts = (18_000..32_000).step_by(usize::from(Self::PORTS));
        let taken = firsts.find_map(|first| {
            let held = TcpListener::bind(local(first)).ok()?;
            Some(Self { first, _held: held })
        });
        taken.expect("no block of ports is free: too many runs of the tests side by side")
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
