//! A PKCS#11 token: SoftHSM, which keeps in files what a device keeps in itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::place;
use crate::up::path_text;

/// A device of its own, without tokens at first.
pub struct SoftHsm {
    config: PathBuf,
}

impl SoftHsm {
    /// Keeps its tokens below `folder`.
    pub fn new(folder: &Path) -> Self {
        let tokens = folder.join("tokens");
        fs::create_dir_all(&tokens).expect("a folder for tokens");
        let config = folder.join("softhsm2.conf");
        let text = format!("directories.tokendir = {}\nlog.level = ERROR\n", path_text(&tokens));
        fs::write(&config, text).expect("writing SoftHSM's configuration");
        Self { config }
    }

    /// The library that a program loads.
    pub fn module() -> PathBuf {
        let tool = place::softhsm();
        let root = match tool.file_name() {
            Some(name) if name == "run" => tool.parent().expect("a script in a folder").to_owned(),
            _ => PathBuf::from("/"),
        };
        root.join("usr/lib/softhsm/libsofthsm2.so")
    }

    /// What a program needs in its environment to find this device.
    pub fn environment(&self) -> [(&str, &str); 1] {
        [("SOFTHSM2_CONF", path_text(&self.config))]
    }

    /// Makes a token.
    pub fn init_token(&self, label: &str, pin: &str) {
        self.run(&["--init-token", "--free", "--label", label, "--pin", pin, "--so-pin", "so-12345"]);
    }

    /// Puts an AES key into a token from outside.
    pub fn import_key(&self, token: &str, pin: &str, label: &str, id: &str, key: &[u8; 32]) {
        let file = self.config.with_file_name(format!("{label}-{id}.key"));
        fs::write(&file, key).expect("writing a key");
        self.run(&[
            "--import",
            path_text(&file),
            "--aes",
            "--token",
            token,
            "--pin",
            pin,
            "--label",
            label,
            "--id",
            id,
            "--force",
        ]);
    }

    /// Destroys a token with all its keys.
    pub fn delete_token(&self, label: &str) {
        self.run(&["--delete-token", "--token", label]);
    }

    /// Remembers what is in the device, for [`SoftHsm::recover`].
    pub fn back_up(&self) {
        copy(&self.tokens(), &self.config.with_file_name("tokens.copy"));
    }

    /// Puts the device back: it writes to its files at each login, in the process that uses it, and whoever kills that
    /// process may destroy them, as nobody destroys a device.
    pub fn recover(&self) {
        fs::remove_dir_all(self.tokens()).expect("removing tokens");
        copy(&self.config.with_file_name("tokens.copy"), &self.tokens());
    }

    fn tokens(&self) -> PathBuf {
        self.config.with_file_name("tokens")
    }

    fn run(&self, arguments: &[&str]) {
        let mut command = Command::new(place::softhsm());
        command.args(["--module", path_text(&Self::module())]).args(arguments).envs(self.environment());
        let output = command.output().expect("starting SoftHSM's tool");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-R").args([from, to]).status();
    assert!(
        copied.is_ok_and(|status| status.success()),
        "cannot copy {} to {}",
        from.display(),
        to.display()
    );
}
