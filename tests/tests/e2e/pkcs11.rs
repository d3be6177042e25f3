//! The master key is wrapped by a key in a PKCS#11 token (SoftHSM), without which the data open nothing.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use gatepass_e2e::chance::Chance;
use gatepass_e2e::command::{self, Said};
use gatepass_e2e::up::path_text;
use gatepass_e2e::{Alone, SoftHsm, place};
use tempfile::TempDir;

use crate::serve;

const PIN: &str = "pin-of-the-user-4711";

/// A device with the token `gatepass`, and a data directory beside it.
struct Bench {
    folder: TempDir,
    device: SoftHsm,
    /// A configuration without `master_key`.
    plain: String,
    address: std::net::SocketAddr,
}

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let device = SoftHsm::new(folder.path());
        device.init_token("gatepass", PIN);
        fs::write(folder.path().join("pin"), format!("{PIN}\n")).unwrap();
        let address = place::free_address();
        Self { folder, device, plain: serve::file(address, ""), address }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn data(&self, name: &str) -> PathBuf {
        self.path("data").join(name)
    }

    /// The table `master_key`, with what stands in it.
    fn config(&self, entries: &str) -> String {
        format!("{}\n[master_key]\n{entries}\n", self.plain)
    }

    async fn command(&self, words: &[&str], entries: &str) -> Said {
        let file = self.path("server.toml");
        fs::write(&file, self.config(entries)).unwrap();
        command::run_with(&self.device.environment(), words, &["--config", path_text(&file), "--json"]).await
    }

    async fn list(&self, entries: &str) -> Said {
        self.command(&["key", "list"], entries).await
    }

    async fn create(&self, key: &str) {
        self.command(&["key", "create-pkcs11"], &present(key)).await.worked();
    }
}

/// The key of that name in the token.
fn key(name: &str) -> String {
    let module = SoftHsm::module();
    format!(
        "{{ module = \"{}\", token = \"gatepass\", pin = {{ file = \"pin\" }}, key = \"{name}\" }}",
        path_text(&module)
    )
}

fn present(name: &str) -> String {
    format!("pkcs11 = {}", key(name))
}

fn changed(from: &str, to: &str) -> String {
    format!("{}\nprevious_pkcs11 = {}", present(to), key(from))
}

#[tokio::test]
async fn a_server_opens_its_data_with_a_token_and_rotates_the_master_key_while_it_runs() {
    let bench = Bench::new();
    bench.create("one").await;
    let again = bench.command(&["key", "create-pkcs11"], &present("one")).await.failed();
    assert!(again.contains("has a key \"one\" already"), "{again}");
    let added = bench.command(&["client", "add", "batch", "--scope", "orders:read"], &present("one")).await;
    let secret = added.json()["client_secret"].as_str().unwrap().to_owned();
    let text = bench.config(&present("one"));
    let start = async || {
        let environment = bench.device.environment();
        Alone::start_with(&environment, "serve", bench.folder.path(), bench.address, &text).await
    };
    let mut server = start().await;
    let token = async |server: &Alone| {
        let request = gatepass_e2e::http::client().post(server.url("/oauth/token"));
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let request = request.body("grant_type=client_credentials&scope=orders:read");
        gatepass_e2e::send(request.basic_auth("batch", Some(&secret))).await.expect(200);
    };
    token(&server).await;
    assert!(!bench.data("master.key").exists(), "the master key lies there unwrapped");
    let wrapped = fs::read_to_string(bench.data("master.key.pkcs11")).unwrap();
    assert!(wrapped.contains(r#""token":"gatepass","key":"one""#), "{wrapped}");

    // Whoever only talks to a server needs no token.
    let file = bench.path("server.toml");
    command::run(&["key", "rotate-master"], &["--config", path_text(&file)]).await.worked();
    assert_ne!(fs::read_to_string(bench.data("master.key.pkcs11")).unwrap(), wrapped);
    token(&server).await;
    server.process.kill();
    let mut server = start().await;
    token(&server).await;
    assert!(!server.process.log().contains(PIN));

    // The device is gone while the server runs: it goes on, and says what it cannot do.
    fs::rename(bench.path("tokens"), bench.path("drawer")).unwrap();
    fs::create_dir(bench.path("tokens")).unwrap();
    let failed = bench.command(&["key", "rotate-master"], &present("one")).await.failed();
    assert!(failed.contains("no token is called \"gatepass\""), "{failed}");
    token(&server).await;
    server.process.stop("TERM").await;
}

#[tokio::test]
async fn without_token_pin_and_key_the_data_open_nothing() {
    let bench = Bench::new();
    bench.create("one").await;
    bench.list(&present("one")).await.worked();
    fs::write(bench.path("wrong"), "1234567\n").unwrap();
    fs::write(bench.path("empty"), "\n").unwrap();
    bench.device.import_key("gatepass", PIN, "foreign", "01", &[7; 32]);
    bench.device.import_key("gatepass", PIN, "twice", "02", &[8; 32]);
    bench.device.import_key("gatepass", PIN, "twice", "03", &[9; 32]);
    let whole = present("one");
    let with = |from: &str, to: &str| {
        assert!(whole.contains(from));
        whole.replace(from, to)
    };
    let module = path_text(&SoftHsm::module()).to_owned();
    let cases = [
        ("another PIN", with("\"pin\"", "\"wrong\""), "the PIN of the token \"gatepass\" is wrong"),
        ("no PIN", with("\"pin\"", "\"empty\""), "the PIN is empty"),
        ("no file of a PIN", with("\"pin\"", "\"nowhere\""), "is missing"),
        ("no variable", with("{ file = \"pin\" }", "{ env = \"GATEPASS_NO_PIN\" }"), "holds no PIN"),
        (
            "another token",
            with("\"gatepass\"", "\"other\""),
            "no token is called \"other\"; there are gatepass",
        ),
        ("another key", with("\"one\"", "\"two\""), "has no AES key \"two\""),
        ("a key of others", with("\"one\"", "\"foreign\""), "was wrapped by the key \"one\""),
        ("two keys", with("\"one\"", "\"twice\""), "several AES keys \"twice\""),
        ("no module", with("libsofthsm2.so", "nothing.so"), "cannot be loaded"),
        ("a library that is no module", with(&module, "/lib/x86_64-linux-gnu/libm.so.6"), "cannot be loaded"),
        ("a module somewhere", with(&module, "libsofthsm2.so"), "an absolute path"),
        ("a file as well", format!("{whole}\nfile = \"pin\""), "not both"),
        ("no token at all", "# the key in the data directory".to_owned(), "master.key is missing"),
    ];
    for (name, entries, want) in cases {
        let said = bench.list(&entries).await.failed();
        assert!(said.contains(want), "{name}: {said}");
        assert!(!said.contains(PIN) && !said.contains("1234567"), "{name}: {said}");
    }
    // What was wrapped is bound to itself.
    let file = bench.data("master.key.pkcs11");
    let wrapped = fs::read_to_string(&file).unwrap();
    for (name, text) in [
        ("cut", wrapped[..wrapped.len() / 2].to_owned()),
        ("another nonce", wrapped.replace("\"nonce\":\"", "\"nonce\":\"AAAA")),
        ("changed", wrapped.replace("\"wrapped\":\"", "\"wrapped\":\"AAAA")),
        ("huge", format!("{wrapped}{}", " x".repeat(1 << 20))),
    ] {
        fs::write(&file, text).unwrap();
        let said = bench.list(&whole).await.failed();
        assert!(said.contains("master.key.pkcs11"), "{name}: {said}");
    }
    fs::write(&file, wrapped).unwrap();
    bench.list(&whole).await.worked();
    // A token of the same name with a key of the same name is another.
    bench.device.delete_token("gatepass");
    bench.device.init_token("gatepass", PIN);
    bench.create("one").await;
    assert!(bench.list(&whole).await.failed().contains("does not open it"));
}

#[tokio::test]
async fn the_store_moves_from_a_file_to_one_key_to_another_and_back() {
    let bench = Bench::new();
    bench.create("one").await;
    bench.create("two").await;
    let keys = bench.list("").await.json();
    let same = |said: Said, step: &str| assert_eq!(said.json()[0]["kid"], keys[0]["kid"], "{step}");

    let said = bench.list(&present("one")).await.failed();
    assert!(said.contains("master.key.pkcs11 is missing"), "{said}");
    let moved = format!("{}\nprevious_file = \"data/master.key\"", present("one"));
    same(bench.list(&moved).await, "to the token");
    let old = fs::read_to_string(bench.data("master.key")).unwrap();
    bench.list("").await.failed();
    same(bench.list(&present("one")).await, "with the token");

    same(bench.list(&changed("one", "two")).await, "to another key");
    bench.list(&present("one")).await.failed();
    same(bench.list(&changed("one", "two")).await, "once more, as after a restart");
    same(bench.list(&present("two")).await, "with the other key");

    same(bench.list(&format!("previous_pkcs11 = {}", key("two"))).await, "back to the data directory");
    assert_ne!(fs::read_to_string(bench.data("master.key")).unwrap(), old);
    bench.list(&present("two")).await.failed();
    same(bench.list("").await, "as at first");

    fs::write(bench.path("given"), "Bw".repeat(21) + "A").unwrap();
    same(bench.list("file = \"given\"\nprevious_file = \"data/master.key\"").await, "to a file");
    same(bench.list(&format!("{}\nprevious_file = \"given\"", present("one"))).await, "from there to a key");
    let back = format!("file = \"given\"\nprevious_pkcs11 = {}", key("one"));
    same(bench.list(&back).await, "and back");
}

#[tokio::test]
async fn a_crash_anywhere_in_a_change_of_wrapped_keys_leaves_a_store_that_opens() {
    let bench = Bench::new();
    bench.create("one").await;
    bench.create("two").await;
    bench.list(&present("one")).await.worked();
    let [file, next] = ["master.key.pkcs11", "master.key.pkcs11.next"].map(|name| bench.data(name));
    let first = fs::read(&file).unwrap();
    bench.command(&["key", "rotate-master"], &present("one")).await.worked();
    let second = fs::read(&file).unwrap();
    bench.list(&changed("one", "two")).await.worked();
    let third = fs::read(&file).unwrap();

    // The store is under the third. What lies in the two files, and which configuration opens it all the same.
    let (to_two, two) = (changed("one", "two"), present("two"));
    for (name, in_file, in_next, entries) in [
        ("the file was not moved yet", &second, Some(&third), &to_two),
        ("nor when the previous key was forgotten", &second, Some(&third), &two),
        ("nor was it there before", &first, Some(&third), &two),
        ("a next one that nothing is under", &third, Some(&second), &to_two),
        ("the same without the previous key", &third, Some(&first), &two),
    ] {
        fs::write(&file, in_file).unwrap();
        if let Some(in_next) = in_next {
            fs::write(&next, in_next).unwrap();
        }
        bench.list(entries).await.worked();
        assert_eq!(fs::read(&file).unwrap(), third, "{name}");
        assert!(!next.exists(), "{name}");
    }
    // A next one for the key to come, while the store is under the one before.
    fs::write(&next, &first).unwrap();
    bench.list(&changed("two", "one")).await.worked();
    bench.list(&present("one")).await.worked();
}

#[tokio::test]
async fn a_key_that_the_store_is_under_is_not_replaced_because_the_device_does_not_open_it() {
    let bench = Bench::new();
    bench.create("one").await;
    let keys = bench.list(&present("one")).await.json();
    let [file, next] = ["master.key.pkcs11", "master.key.pkcs11.next"].map(|name| bench.data(name));
    let text = bench.config(&present("one"));
    let environment = bench.device.environment();
    let mut server =
        Alone::start_with(&environment, "serve", bench.folder.path(), bench.address, &text).await;
    // It listens before it has opened the store.
    gatepass_e2e::send(gatepass_e2e::http::client().get(server.url("/readyz"))).await.expect(200);
    let rotate = async || bench.command(&["key", "rotate-master"], &present("one")).await.failed();

    // The store changes, and what it is under cannot take the old key's place.
    let first = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    fs::create_dir_all(file.join("in the way")).unwrap();
    rotate().await;
    let under = fs::read(&next).unwrap();
    assert_ne!(under, first);

    // Now the device has another key of that name.
    bench.device.back_up();
    bench.device.delete_token("gatepass");
    bench.device.init_token("gatepass", PIN);
    bench.create("one").await;
    let said = rotate().await;
    assert!(said.contains("is left as it is") && said.contains("does not open it"), "{said}");
    assert_eq!(fs::read(&next).unwrap(), under);

    bench.device.recover();
    server.process.kill();
    fs::remove_dir_all(&file).unwrap();
    fs::write(&file, first).unwrap();
    assert_eq!(bench.list(&present("one")).await.json()[0]["kid"], keys[0]["kid"]);
    assert_eq!(fs::read(&file).unwrap(), under, "it has taken its place");
}

#[tokio::test]
async fn a_rotation_that_is_killed_at_any_moment_is_taken_up_again() {
    let bench = Bench::new();
    bench.create("one").await;
    let keys = bench.list(&present("one")).await.json();
    let mut chance = Chance::new();
    bench.device.back_up();
    for _ in 0..8 {
        let mut command = Command::new(place::gatepass());
        command.args(["key", "rotate-master", "--config", path_text(&bench.path("server.toml"))]);
        command.envs(bench.device.environment()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut rotation = command.spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(chance.pick(5..150))).await; // a moment, and no condition
        rotation.kill().unwrap();
        rotation.wait().unwrap();
        bench.device.recover();
        assert_eq!(bench.list(&present("one")).await.json()[0]["kid"], keys[0]["kid"]);
    }
}
