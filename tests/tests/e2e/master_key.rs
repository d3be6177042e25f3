//! The master key becomes another, and nobody notices: not while the server runs, not where it died in the middle.

use std::fs;
use std::path::Path;

use gatepass_e2e::up::{ADMIN, path_text};
use gatepass_e2e::{Admin, Up, alone, command, place};

async fn rotate(up: &Up) {
    command::run(&["key", "rotate-master"], &["--dir", path_text(&up.data())]).await.worked();
}

fn master_key(up: &Up) -> String {
    fs::read_to_string(up.data().join("master.key")).unwrap()
}

#[tokio::test]
async fn the_master_key_is_rotated_on_a_running_server_and_on_the_store_of_a_stopped_one() {
    let mut up = Up::start().await;
    let mut session = up.native_login(ADMIN).await;
    let first = master_key(&up);
    let admin = Admin::login(&up).await;
    let (client, secret) = admin.create_client("batch", "orders:read").await;
    rotate(&up).await;
    let second = master_key(&up);
    assert_ne!(second, first);
    let before = session.clone();
    session = up.refresh(&session).await;
    admin.rotate_keys().await.expect(200);
    // Twice in one process: what is known of the keys there is sealed as the store has it.
    rotate(&up).await;
    rotate(&up).await;
    let second = master_key(&up);
    admin.rotate_keys().await.expect(200);

    up.stop("TERM").await;
    rotate(&up).await;
    assert_ne!(master_key(&up), second);
    up.start_again().await;
    for token in [&before.access_token, &session.access_token] {
        up.call("/api/orders", token).await.expect(200);
    }
    up.refresh(&session).await;
    super::oauth::client_token(&up, &client, &secret).await;
}

#[tokio::test]
async fn a_crash_anywhere_in_a_rotation_leaves_a_store_that_opens() {
    let mut up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    let old = master_key(&up);
    rotate(&up).await;
    let new = master_key(&up);
    let next = up.data().join("master.key.next");

    // The store was changed, and the file not yet.
    up.kill();
    fs::write(up.data().join("master.key"), &old).unwrap();
    fs::write(&next, &new).unwrap();
    up.start_again().await;
    assert_eq!(master_key(&up), new);
    assert!(!next.exists());

    // The next key was kept, and the store not changed yet.
    up.kill();
    fs::write(&next, &old).unwrap();
    up.start_again().await;
    assert_eq!(master_key(&up), new);
    assert!(!next.exists());
    up.refresh(&session).await;

    // The old key alone opens nothing.
    up.stop("TERM").await;
    fs::write(up.data().join("master.key"), &old).unwrap();
    let said = command::run(&["key", "list"], &["--dir", path_text(&up.data())]).await.failed();
    assert!(said.contains("does not open with this master key"), "{said}");
}

#[tokio::test]
async fn a_master_key_that_the_operator_keeps_follows_the_previous_one() {
    let mut up = Up::start().await;
    let session = up.native_login(ADMIN).await;
    up.stop("TERM").await;
    let config = up.data().join("server.toml");
    let plain = fs::read_to_string(&config).unwrap();
    fs::rename(up.data().join("master.key"), up.folder().join("one")).unwrap();
    let [two, three] = ["Bw", "CQ"].map(|byte| byte.repeat(21) + "A");
    fs::write(up.folder().join("two"), &two).unwrap();
    let environment = [("KEY_TWO", two.as_str()), ("KEY_THREE", &three), ("KEY_CUT", &three[1..])];
    let key = |place: &str, present: &str, previous: &str| {
        let previous = match previous {
            "" => String::new(),
            previous => format!("previous_{place} = \"{previous}\"\n"),
        };
        fs::write(&config, format!("{plain}\n[master_key]\n{place} = \"{present}\"\n{previous}")).unwrap();
    };
    let run = async |words: &[&str]| {
        command::run_with(&environment, words, &["--config", path_text(&config), "--json"]).await
    };
    let list = async || run(&["key", "list"]).await;

    // What the file held last, the first variable holds.
    for (place, one, other) in [("file", "../one", "../two"), ("env", "KEY_TWO", "KEY_THREE")] {
        key(place, one, "");
        list().await.worked();
        let rotated = run(&["key", "rotate-master"]).await.failed();
        assert!(rotated.contains("kept-elsewhere"), "{rotated}");
        key(place, other, "");
        assert!(list().await.failed().contains("does not open with this master key"), "{place}");
        key(place, other, one);
        list().await.worked();
        key(place, other, "");
        let keys = list().await.json();
        key(place, one, "");
        list().await.failed();
        assert!(keys.to_string().contains(&super::keys::kid(&session.access_token)), "{place}: {keys}");
    }
    for (name, want) in
        [("KEY_FOUR", "KEY_FOUR holds no master key"), ("KEY_CUT", "KEY_CUT is no master key")]
    {
        key("env", name, "");
        let said = list().await.failed();
        assert!(said.contains(want) && !said.contains(&three[1..]), "{said}");
    }
    refused_in_two_places(up.folder()).await;
}

async fn refused_in_two_places(folder: &Path) {
    let address = place::free_address();
    let text = format!(
        "issuer = \"http://{address}\"\nlisten = \"{address}\"\ndata = \"d\"\n\
         master_key = {{ file = \"one\", env = \"ONE\" }}\n[[resource_server]]\naudience = \"https://api.example\"\n"
    );
    let said = alone::refusal("serve", folder, &text).await;
    assert!(said.contains("not both"), "{said}");
}
