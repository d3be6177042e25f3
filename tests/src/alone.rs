//! The halves alone: `gatepass gateway --config FILE` and `gatepass serve --config FILE`.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process::Process;
use crate::up::path_text;
use crate::{place, wait};

/// One half of gatepass with a configuration file of its own.
pub struct Alone {
    /// Where it listens.
    pub address: SocketAddr,
    /// The process.
    pub process: Process,
    file: PathBuf,
}

impl Alone {
    /// Writes the file, starts `gatepass gateway` or `gatepass serve` on it and waits until it accepts connections.
    ///
    /// `address` is what the text names under `listen`.
    pub async fn start(half: &str, folder: &Path, address: SocketAddr, text: &str) -> Self {
        Self::start_with(&[], half, folder, address, text).await
    }

    /// The same, with variables in its environment.
    pub async fn start_with(
        environment: &[(&str, &str)],
        half: &str,
        folder: &Path,
        address: SocketAddr,
        text: &str,
    ) -> Self {
        let (mut process, file) = spawn(environment, half, folder, text);
        wait::until(
            &format!("gatepass {half} to listen on {address}"),
            Duration::from_secs(20),
            async || {
                if let Some(status) = process.ended() {
                    panic!("gatepass {half} ended with {status}:\n{}\nits file:\n{text}", process.log());
                }
                tokio::net::TcpStream::connect(address).await.ok()
            },
        )
        .await;
        Self { address, process, file }
    }

    /// Its base URL.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Writes another file and asks for a reload with SIGHUP.
    pub fn reload(&self, text: &str) {
        fs::write(&self.file, text).expect("writing a configuration file");
        self.process.signal("HUP");
    }
}

/// Starts a half on a file that it must refuse, and gives what it said.
pub async fn refusal(half: &str, folder: &Path, text: &str) -> String {
    let (mut process, _) = spawn(&[], half, folder, text);
    let what = format!("gatepass {half} to refuse its file:\n{text}");
    let status = wait::until(&what, Duration::from_secs(20), async || process.ended()).await;
    assert!(!status.success(), "a bad file is a failure, not {status}:\n{}", process.log());
    process.log()
}

fn spawn(environment: &[(&str, &str)], half: &str, folder: &Path, text: &str) -> (Process, PathBuf) {
    let name = format!("{half}-{}", place::free_address().port());
    let file = folder.join(format!("{name}.toml"));
    fs::write(&file, text).expect("writing a configuration file");
    let mut command = Command::new(place::gatepass());
    command.current_dir(folder).envs(environment.iter().copied());
    command.args([half, "--config", path_text(&file)]);
    (Process::start(&format!("gatepass {half}"), &mut command, &folder.join(format!("{name}.log"))), file)
}
