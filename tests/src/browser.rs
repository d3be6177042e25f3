//! A real browser: Debian's Chromium, driven by `tests/node/drive.mjs`.

use std::path::Path;
use std::process::Stdio;
use std::sync::Once;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::place;

/// A running browser. Each visitor has cookies and one window of their own.
pub struct Browser {
    child: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// Where it keeps its profile.
    _profile: TempDir,
}

/// One who uses the browser.
pub struct Visitor<'b> {
    browser: &'b mut Browser,
    name: &'static str,
}

impl Browser {
    /// Starts it.
    pub fn start() -> Self {
        // Node looks for packages and modules beside the script. Once: another test's Node may be reading it.
        static SCRIPTS: Once = Once::new();
        SCRIPTS.call_once(|| {
            for file in ["drive.mjs", "faults.mjs"] {
                std::fs::copy(place::root().join("tests/node").join(file), place::node().join(file))
                    .unwrap_or_else(|error| panic!("cannot copy {file}: {error}"));
            }
        });
        let profile = tempfile::tempdir().expect("a temporary folder");
        let mut command = Command::new("node");
        command.arg(place::node().join("drive.mjs")).arg(place::chromium()).env("TMPDIR", profile.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start node: {error}"));
        let (commands, answers) = (child.stdin.take(), child.stdout.take().expect("a pipe"));
        Self { child, commands, answers: BufReader::new(answers), _profile: profile }
    }

    /// Somebody with a name; whose name ends in ` without scripts` has turned them off, and whose name has ` in de` in it
    /// likes German best.
    pub fn visitor(&mut self, name: &'static str) -> Visitor<'_> {
        Visitor { browser: self, name }
    }

    async fn answer(&mut self, command: &Value) -> Result<Value, String> {
        let commands = self.commands.as_mut().expect("it was not ended");
        commands.write_all(format!("{command}\n").as_bytes()).await.expect("the driver reads");
        let mut line = String::new();
        let read = tokio::time::timeout(Duration::from_secs(60), self.answers.read_line(&mut line)).await;
        read.unwrap_or_else(|_| panic!("no answer to {command}")).expect("the driver answers");
        let answer: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("the answer to {command} was {line:?}: {error}"));
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(answer["value"].clone()),
        }
    }
}

impl Visitor<'_> {
    async fn told(&mut self, mut command: Vec<Value>) -> Value {
        command.insert(0, json!(self.name));
        let command = Value::Array(command);
        self.browser.answer(&command).await.unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    async fn text(&mut self, command: Vec<Value>) -> String {
        let value = self.told(command).await;
        value.as_str().unwrap_or_else(|| panic!("not a text: {value}")).to_owned()
    }

    async fn texts(&mut self, command: Vec<Value>) -> Vec<String> {
        let value = self.told(command).await;
        serde_json::from_value(value).expect("a list of texts")
    }

    /// Opens a URL, and gives the status of the page at the end of all redirects, and its URL.
    pub async fn open(&mut self, url: &str) -> (u64, String) {
        let told = self.told(vec![json!("open"), json!(url)]).await;
        (told["status"].as_u64().expect("a status"), told["url"].as_str().expect("a URL").to_owned())
    }

    /// Types into a field, by a CSS selector.
    pub async fn fill(&mut self, field: &str, text: &str) {
        self.told(vec![json!("fill"), json!(field), json!(text)]).await;
    }

    /// Clicks on what a CSS selector names.
    pub async fn click(&mut self, target: &str) {
        self.told(vec![json!("click"), json!(target)]).await;
    }

    /// Waits until the window shows a page whose URL begins so, and gives all of the URL.
    pub async fn arrive(&mut self, start: &str) -> String {
        self.text(vec![json!("arrive"), json!(start)]).await
    }

    /// What can be read in what a CSS selector names.
    pub async fn read(&mut self, place: &str) -> String {
        self.text(vec![json!("read"), json!(place)]).await
    }

    /// What a JavaScript expression comes to in the page.
    pub async fn run(&mut self, expression: &str) -> Value {
        self.told(vec![json!("run"), json!(expression)]).await
    }

    /// The names of what the tabulator key leads to, one after the other.
    pub async fn tab(&mut self) -> Vec<String> {
        self.texts(vec![json!("tab")]).await
    }

    /// Types, wherever the focus is.
    pub async fn type_text(&mut self, text: &str) {
        self.told(vec![json!("type"), json!(text)]).await;
    }

    /// Presses a key, such as `Tab`.
    pub async fn press(&mut self, key: &str) {
        self.told(vec![json!("press"), json!(key)]).await;
    }

    /// Presses Enter, and waits for the page that this leads to.
    pub async fn enter(&mut self) {
        self.told(vec![json!("enter")]).await;
    }

    /// What a screen reader is told of the page: a line for each thing that has a meaning, with its role, its name in quotes,
    /// its states, and what describes it.
    pub async fn tree(&mut self) -> Vec<String> {
        self.texts(vec![json!("tree")]).await
    }

    /// Takes pictures of the page, light and dark, on a phone and a desktop, and gives what is wrong with it: with how
    /// it is shown, and whatever the browser complained of.
    pub async fn look(&mut self, folder: &Path, name: &str) -> Vec<String> {
        self.texts(vec![json!("look"), json!(folder), json!(name)]).await
    }

    /// What the browser has complained of since it was asked before.
    pub async fn complaints(&mut self) -> Vec<String> {
        self.texts(vec![json!("complaints")]).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // At the end of its commands it ends, and takes its processes and its profile along.
        drop(self.commands.take());
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begin.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(10));
        }
        // It fails only where it has ended.
        let _ = self.child.start_kill();
    }
}
